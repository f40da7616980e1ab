//! What happens in each step.

use pangea_world::trade::{Deal, Sight, Why};

use super::runs::Naive;
use super::{Bargain, LATE, NAMES, NOTICED, State, Step, Trade, id, keep};
use crate::net::spend;

impl Trade {
    /// What happens in a step; `None`: it cannot.
    pub(super) fn step(&self, state: &mut State, step: Step) -> Option<()> {
        match step {
            Step::Begin(at) => {
                let wants = state.seen(at).is_some_and(|theirs| theirs.deal.with == NAMES[at]);
                let side = &mut state.sides[at];
                if side.goes.is_some() {
                    return None;
                }
                spend(&mut side.begins)?;
                side.begun += 1;
                let number = Deal::number(side.epoch.into(), side.begun.into());
                let number = if self.is(Naive::NumbersAnew) { 0 } else { number };
                let deal = Deal::new(NAMES[1 - at], wants, number, LATE);
                side.bargain = Some(Bargain { deal, gives: 0 });
            }
            Step::Offer(at) => {
                spend(&mut state.sides[at].offers)?;
                state.acts(self, at).then_some(())?;
                self.change(state, at, |deal, sight| deal.may_offer(sight).map(|()| deal.offer()))?.ok()?;
                let left = state.sides[at].offers;
                let mine = state.sides[at].bargain.as_mut()?;
                mine.gives = left % 2 + 1;
            }
            Step::Agree(at) => {
                spend(&mut state.agrees)?;
                state.acts(self, at).then_some(())?;
                let epoch = state.sides[at].epoch.into();
                let agree = |deal: &mut Deal, sight: Sight<'_>| {
                    deal.version(sight).and_then(|version| deal.agree(sight, version, epoch).ok())
                };
                self.change(state, at, agree)??;
                let terms = self.terms(state, at)?;
                keep(&mut state.agreed, (at as u8, terms.offers, terms.gives));
            }
            Step::End(at) => {
                state.acts(self, at).then_some(())?;
                if !state.sides[at].bargain?.deal.open {
                    state.sides[at].bargain = None;
                    return Some(());
                }
                let next = self.change(state, at, |deal, sight| deal.end(sight, Why::Ended));
                self.follow(state, at, next);
            }
            Step::Tick(at) | Step::Late(at) | Step::NoRoom(at) => {
                state.acts(self, at).then_some(())?;
                let room = !matches!(step, Step::NoRoom(_));
                if !room {
                    spend(&mut state.faults.aborts)?;
                    let before = state.asked.len();
                    let mut with_room = state.clone();
                    self.tick(&mut with_room, at, NOTICED, true);
                    (with_room.asked.len() > before).then_some(())?;
                }
                let tick = if matches!(step, Step::Late(_)) { LATE } else { NOTICED };
                (tick == NOTICED || state.sides[at].bargain?.deal.since == NOTICED).then_some(())?;
                self.tick(state, at, tick, room);
            }
            Step::AskAnew(at) => {
                let deal = state.sides[at].bargain?.deal;
                (deal.asked && deal.ends.is_none()).then_some(())?;
                spend(&mut state.faults.repeats)?;
                let new = self.new_id(state);
                state.sides[at].bargain.as_mut()?.deal.operation = Some(id(new));
                let terms = self.terms(state, at);
                self.ask(state, at, new, terms, true);
            }
            Step::Show(at) => {
                let (now, life, other_up) =
                    (state.sides[at].bargain, state.sides[at].life, state.sides[1 - at].up);
                let other = &mut state.sides[1 - at];
                let last =
                    other.shown.iter().rfind(|(of, _)| *of == life).map_or(other.sees, |(_, last)| *last);
                (other_up && last != now && other.shown.len() < self.shown).then_some(())?;
                other.shown.push((life, now));
            }
            Step::See(at, n) => {
                let side = &mut state.sides[at];
                let life = side.shown[n].0;
                side.shown[..n].iter().all(|(of, _)| *of != life).then_some(())?;
                side.sees = side.shown.remove(n).1;
            }
            Step::Blind(at) => {
                spend(&mut state.faults.losses)?;
                let side = &mut state.sides[at];
                (side.sees, side.shown) = (None, Vec::new());
            }
            Step::Decide(asked) => self.decide(state, asked)?,
            Step::Answer(asked) => self.answer(state, asked)?,
            Step::Write(at) => {
                spend(&mut state.writes)?;
                (state.sides[at].record != state.sides[at].bargain).then_some(())?;
                state.sides[at].record = state.sides[at].bargain;
            }
            Step::Leave(at) => {
                spend(&mut state.moves)?;
                state.sides[at].goes = Some(state.sides[at].bargain);
            }
            Step::Come(at, area) => {
                let (together, said) = (state.together(), state.sides[at].goes?);
                if together {
                    let was = state.sides[at].bargain;
                    state.sides[at].sees = None;
                    (state.sides[1 - at].sees, state.sides[1 - at].shown) = (was, Vec::new());
                }
                state.sides[at].area = area;
                self.comes(state, at, said, true);
                if state.together() {
                    state.sides.iter_mut().for_each(|side| (side.sees, side.shown) = (None, Vec::new()));
                }
            }
            Step::Stay(at) => {
                spend(&mut state.faults.aborts)?;
                let side = &mut state.sides[at];
                (side.goes, side.epoch) = (None, side.epoch + 1);
            }
            Step::Crash(area) => {
                spend(&mut state.faults.crashes)?;
                for side in state.sides.iter_mut().filter(|side| side.area == area && side.up) {
                    (side.up, side.bargain, side.goes) = (false, None, None);
                    (side.sees, side.shown) = (None, Vec::new());
                }
            }
            Step::Return(at) => {
                let record = state.sides[at].record;
                self.comes(state, at, record, false);
            }
        }
        Some(())
    }
}
