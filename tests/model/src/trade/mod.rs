//! A trade between two characters (H.10): their areas call the functions of [`pangea_world::trade`] and do
//! what those say.
//!
//! Each area changes its own character's deal and sees the other's late: the last value counts, those between may never
//! come, and what an earlier life showed may come after what its next one shows. A character may go to another area, to
//! the other one's too; an area may end, then its character comes back with what of it was written at some time. The
//! ledger decides an id once, whatever is asked under it and however often.

use pangea_world::Code;
use pangea_world::id::{CharacterId, OpId};
use pangea_world::trade::{Deal, Heard, Next, Sight};
use stateright::{Model, Property};

use crate::check::Protocol;
use crate::net::{Faults, spend};

mod runs;
mod step;

use runs::Naive;
pub use runs::runs;

const COINS: u8 = 4;
/// The lower id decides.
const NAMES: [CharacterId; 2] = [CharacterId([1; 16]), CharacterId([2; 16])];
/// The ticks that count: something is noticed, and it has been so for long.
const NOTICED: u64 = 1;
const LATE: u64 = 9;

/// The model: how much may happen.
#[derive(Debug, Clone)]
pub struct Trade {
    /// How often one of the two asks, or accepts.
    begins: [u8; 2],
    /// How often one changes what it gives.
    offers: [u8; 2],
    /// How often somebody agrees.
    agrees: u8,
    /// How often one goes to another area.
    moves: u8,
    /// They have met already, each has seen it, and both know the id.
    met: bool,
    /// How often what is known of one is written, as it is then.
    writes: u8,
    /// How much one shows that the other has not seen yet, at most.
    shown: usize,
    faults: Faults,
    naive: Option<Naive>,
}

/// What a character has to do with the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Bargain {
    deal: Deal,
    /// Coins that it gives.
    gives: u8,
}

/// A character, and what its area knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Side {
    area: u8,
    /// The area plays; else it has ended, and nobody has been given the character yet.
    up: bool,
    epoch: u8,
    /// How often it has come into an area.
    life: u8,
    bargain: Option<Bargain>,
    /// It just goes to another area, with this.
    goes: Option<Option<Bargain>>,
    /// What is written of it.
    record: Option<Bargain>,
    /// What is seen here of the other one, if that is another area's.
    sees: Option<Bargain>,
    /// What that one has shown since, and in which life.
    shown: Vec<(u8, Option<Bargain>)>,
    begun: u8,
    begins: u8,
    offers: u8,
}

/// What is traded, as the ledger is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Terms {
    epochs: [u8; 2],
    offers: [u64; 2],
    gives: [u8; 2],
}

/// What an area asks of the ledger until it is answered. `None`: calls it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asked {
    by: u8,
    life: u8,
    id: u8,
    terms: Option<Terms>,
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    sides: [Side; 2],
    coins: [u8; 2],
    asked: Vec<Asked>,
    /// What was decided under each id, and how.
    decided: Vec<Option<(Asked, Result<(), Code>)>>,
    /// The numbers of both offers of each trade that was done.
    done: Vec<[u64; 2]>,
    /// Who has agreed to what, of both.
    agreed: Vec<(u8, [u64; 2], [u8; 2])>,
    /// A trade was done to which one of the two has not agreed.
    against_will: bool,
    /// How the deals of each ended, as its player was told.
    told: [Vec<(u64, bool)>; 2],
    agrees: u8,
    moves: u8,
    writes: u8,
    faults: Faults,
}

/// What can happen next; the number is whose.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    /// Its player asks for a trade, or accepts.
    Begin(usize),
    Offer(usize),
    Agree(usize),
    /// Its player wants no trade any more.
    End(usize),
    /// A tick of its area; nothing was seen of the other one for long.
    Tick(usize),
    Late(usize),
    /// Its area has no room for what is to be asked.
    NoRoom(usize),
    /// It waits for long for the ledger's answer.
    AskAnew(usize),
    Show(usize),
    See(usize, usize),
    /// The line breaks: nothing is seen of the other one.
    Blind(usize),
    Decide(Asked),
    Answer(Asked),
    /// Its record is written.
    Write(usize),
    Leave(usize),
    Come(usize, u8),
    Stay(usize),
    Crash(u8),
    Return(usize),
}

fn id(number: u8) -> OpId {
    OpId([number; 16])
}

/// The number of a deal, from that of one of its offers.
fn deal_of(offer: u64) -> u64 {
    offer >> 8
}

fn keep<T: Ord>(list: &mut Vec<T>, one: T) {
    if let Err(at) = list.binary_search(&one) {
        list.insert(at, one);
    }
}

impl State {
    fn together(&self) -> bool {
        self.sides[0].area == self.sides[1].area && self.sides.iter().all(|side| side.up)
    }

    /// What the area of one sees of the other one.
    fn seen(&self, at: usize) -> Option<Bargain> {
        if self.together() { self.sides[1 - at].bargain } else { self.sides[at].sees }
    }

    /// Whose systems run.
    fn acts(&self, model: &Trade, at: usize) -> bool {
        let side = &self.sides[at];
        side.up && (side.goes.is_none() || model.is(Naive::GoesAndAsks))
    }

    fn tell(&mut self, at: usize, deal: &Deal, done: bool) {
        keep(&mut self.told[at], (deal_of(deal.offer), done));
    }

    /// It is over for this one, and for the other one if that is here.
    fn over(&mut self, at: usize, done: bool) {
        let Some(mine) = self.sides[at].bargain.take() else { return };
        self.tell(at, &mine.deal, done);
        let same =
            |theirs: &Bargain| theirs.deal.with == NAMES[at] && mine.deal.ends_with(&theirs.deal, done);
        if self.together()
            && let Some(theirs) = self.sides[1 - at].bargain.take_if(|theirs| same(theirs))
        {
            self.tell(1 - at, &theirs.deal, done);
        }
    }

    /// What is still to be answered, or done; a repeat of what is decided does nothing.
    fn forget(&mut self) {
        let State { sides, decided, asked, .. } = self;
        asked.retain(|asked| {
            let side = &sides[usize::from(asked.by)];
            let waits =
                side.bargain.is_some_and(|mine| mine.deal.asked && mine.deal.operation == Some(id(asked.id)));
            side.up && side.life == asked.life && waits || decided[usize::from(asked.id)].is_none()
        });
    }
}

impl Trade {
    fn is(&self, naive: Naive) -> bool {
        self.naive == Some(naive)
    }

    /// Both deals as the area of one sees them, to change its own.
    fn change<T>(
        &self,
        state: &mut State,
        at: usize,
        change: impl FnOnce(&mut Deal, Sight<'_>) -> T,
    ) -> Option<T> {
        let both_here = state.together() && state.sides[1 - at].goes.is_none();
        let mut theirs = state.seen(at).map(|theirs| theirs.deal);
        let mine = &mut state.sides[at].bargain.as_mut()?.deal;
        if let Some(theirs) = &mut theirs {
            if self.is(Naive::AnyVersion) {
                mine.agrees_to = mine.agrees_to.map(|_| theirs.offer);
                theirs.agrees_to = theirs.agrees_to.map(|_| mine.offer);
            }
            if self.is(Naive::AnyDeal) && mine.operation.is_some() {
                theirs.operation = mine.operation;
            }
            if self.is(Naive::OneId) {
                theirs.chosen_for = Some(mine.began);
                mine.chosen_for = mine.chosen_for.map(|_| theirs.began);
            }
        }
        Some(change(mine, Sight::new(NAMES[at], theirs.as_ref(), both_here)))
    }

    fn follow(&self, state: &mut State, at: usize, next: Option<Next>) {
        let waits = state.sides[at].bargain.is_some_and(|mine| mine.deal.ends.is_some() && !mine.deal.asked);
        if matches!(next, Some(Next::Over(_))) || waits && self.is(Naive::NobodyAsked) {
            state.over(at, false);
        }
    }

    fn new_id(&self, state: &mut State) -> u8 {
        state.decided.push(None);
        state.decided.len() as u8 - 1
    }

    /// What the area of one does in each tick.
    fn tick(&self, state: &mut State, at: usize, tick: u64, room: bool) {
        if state.sides[at].bargain.is_some_and(|mine| mine.deal.open) {
            let next = self.change(state, at, |deal, sight| deal.look(sight, Ok(()), tick, LATE - NOTICED));
            self.follow(state, at, next);
            let calls_off = state.sides[at].bargain.and_then(|mine| mine.deal.calls_off());
            if let Some(id) = calls_off {
                self.ask(state, at, id.0[0], None, room);
            }
        }
        let mut new = state.decided.len() as u8;
        self.change(state, at, |deal, sight| {
            deal.meet(sight, || {
                new += 1;
                Some(id(new - 1))
            });
        });
        state.decided.resize(usize::from(new), None);
        let asks = if at == 1 && (self.is(Naive::BothDecide) || self.is(Naive::EachItself)) {
            self.asks_too(state)
        } else {
            self.change(state, at, |deal, sight| deal.asks(sight)).flatten()
        };
        if let Some(id) = asks {
            let terms = self.terms(state, at);
            self.ask(state, at, id.0[0], terms, room);
        }
    }

    /// Who does not decide asks as the other one would, under an id of its own.
    fn asks_too(&self, state: &mut State) -> Option<OpId> {
        let (mine, theirs) = (state.sides[1].bargain?.deal, state.seen(1)?.deal);
        theirs.asks(Sight::new(NAMES[0], Some(&mine), false))?;
        let own = id(self.new_id(state));
        state.sides[1].bargain.as_mut()?.deal.operation = Some(own);
        Some(own)
    }

    /// What both give, as the area of one sees it.
    fn terms(&self, state: &State, at: usize) -> Option<Terms> {
        let (mine, theirs) = (state.sides[at].bargain?, state.seen(at)?);
        let told = theirs.deal.epoch as u8;
        let epoch = if state.together() { state.sides[1 - at].epoch } else { told };
        let mut terms = Terms {
            epochs: [state.sides[at].epoch, epoch],
            offers: [mine.deal.offer, theirs.deal.offer],
            gives: [mine.gives, theirs.gives],
        };
        if at == 1 {
            terms.epochs.reverse();
            terms.offers.reverse();
            terms.gives.reverse();
        }
        Some(terms)
    }

    fn ask(&self, state: &mut State, at: usize, id: u8, terms: Option<Terms>, room: bool) {
        let (by, life) = (at as u8, state.sides[at].life);
        if let Some(mine) = &mut state.sides[at].bargain {
            mine.deal.asked = true;
        }
        if room {
            keep(&mut state.asked, Asked { by, life, id, terms });
        } else {
            self.hear(state, at, Err(Code::StorageBusy));
        }
    }

    fn hear(&self, state: &mut State, at: usize, answer: Result<(), Code>) {
        match self.change(state, at, |deal, _| deal.hear(answer)) {
            Some(Heard::Done) => state.over(at, true),
            Some(Heard::Again) if !self.is(Naive::BusyIsNo) => {}
            Some(Heard::Not(_) | Heard::Refused(_) | Heard::Again) => state.over(at, false),
            None => {}
        }
    }

    fn meet(&self, state: &mut State) {
        let number = Deal::number(1, 1);
        for at in [0, 1] {
            let deal = Deal::new(NAMES[1 - at], at == 1, number, LATE);
            state.sides[at].begun = 1;
            state.sides[at].bargain = Some(Bargain { deal, gives: 0 });
        }
        for at in [0, 1] {
            state.sides[at].sees = state.sides[1 - at].bargain;
            self.tick(state, at, NOTICED, true);
        }
        state.sides[0].sees = state.sides[1].bargain;
    }

    // ---- the ledger ----

    fn decide(&self, state: &mut State, asked: Asked) -> Option<()> {
        let known = &state.decided[usize::from(asked.id)];
        if known.is_some() {
            let again = self.is(Naive::NoId) && asked.terms.is_some();
            again.then(|| spend(&mut state.faults.repeats)).flatten()?;
        }
        let outcome = match asked.terms {
            None if self.is(Naive::NoTombstone) => return None,
            None => Err(Code::OpVoid),
            Some(terms) => self.execute(state, asked.by, terms),
        };
        state.decided[usize::from(asked.id)] = Some((asked, outcome));
        Some(())
    }

    fn execute(&self, state: &mut State, by: u8, terms: Terms) -> Result<(), Code> {
        if (0..2).any(|at| state.sides[at].epoch != terms.epochs[at]) {
            return Err(Code::StaleEpoch);
        }
        if (0..2).any(|at| state.coins[at] < terms.gives[at]) {
            return Err(Code::NotEnough);
        }
        for at in (0..2).filter(|at| !self.is(Naive::EachItself) || *at == usize::from(by)) {
            state.coins[at] = state.coins[at] - terms.gives[at] + terms.gives[1 - at];
        }
        state.done.push(terms.offers);
        state.against_will |= (0..2).any(|at| !state.agreed.contains(&(at, terms.offers, terms.gives)));
        Ok(())
    }

    fn answer(&self, state: &mut State, asked: Asked) -> Option<()> {
        let outcome = match state.decided[usize::from(asked.id)] {
            Some((known, outcome)) if known == asked || asked.terms.is_none() => outcome,
            Some(_) => Err(Code::OpMismatch),
            None if self.is(Naive::NoTombstone) && asked.terms.is_none() => Err(Code::OpVoid),
            None => return None,
        };
        let at = usize::from(asked.by);
        let side = &state.sides[at];
        let waits = side.bargain.filter(|mine| mine.deal.asked && mine.deal.operation == Some(id(asked.id)));
        if !side.up || side.life != asked.life || waits.is_none() {
            return None;
        }
        if !self.is(Naive::NoId) {
            state.asked.retain(|other| *other != asked);
        }
        self.hear(state, at, outcome);
        Some(())
    }

    // ---- from area to area ----

    /// A character comes into an area with what is known of it there.
    fn comes(&self, state: &mut State, at: usize, bargain: Option<Bargain>, handed_on: bool) {
        let side = &mut state.sides[at];
        (side.up, side.epoch, side.life, side.goes) = (true, side.epoch + 1, side.life + 1, None);
        let left = bargain.and_then(|mine| {
            let mut deal = mine.deal.entered(handed_on)?;
            if self.is(Naive::KeepsAgreement) {
                deal.agrees_to = mine.deal.agrees_to;
                deal.epoch = side.epoch.into();
            }
            Some(Bargain { deal, ..mine })
        });
        (side.bargain, side.record) = (left, bargain);
        if let (Some(mine), None) = (bargain.filter(|mine| mine.deal.open), left)
            && self.is(Naive::OldRecord)
        {
            state.tell(at, &mine.deal, false);
        }
    }
}

impl Model for Trade {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let side = |at: usize| Side {
            area: at as u8,
            up: true,
            epoch: 1,
            life: 0,
            bargain: None,
            goes: None,
            record: None,
            sees: None,
            shown: Vec::new(),
            begun: 0,
            begins: self.begins[at],
            offers: self.offers[at],
        };
        let mut state = State {
            sides: [side(0), side(1)],
            coins: [COINS; 2],
            asked: Vec::new(),
            decided: Vec::new(),
            done: Vec::new(),
            agreed: Vec::new(),
            against_will: false,
            told: [Vec::new(), Vec::new()],
            agrees: self.agrees,
            moves: self.moves,
            writes: self.writes,
            faults: self.faults,
        };
        if self.met {
            self.meet(&mut state);
        }
        vec![state]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for asked in &state.asked {
            steps.extend([Step::Decide(*asked), Step::Answer(*asked)]);
        }
        for (at, side) in state.sides.iter().enumerate() {
            if !side.up {
                steps.push(Step::Return(at));
                continue;
            }
            if side.bargain.is_none_or(|mine| !mine.deal.open) {
                steps.push(Step::Begin(at));
            }
            if side.bargain.is_some() {
                steps.extend([Step::Tick(at), Step::Late(at), Step::NoRoom(at), Step::End(at)]);
                steps.extend([Step::Offer(at), Step::Agree(at)]);
                steps.extend(self.is(Naive::AnotherId).then_some(Step::AskAnew(at)));
            }
            if !state.together() {
                steps.extend([Step::Show(at), Step::Blind(at)]);
                steps.extend((0..side.shown.len()).map(|n| Step::See(at, n)));
            }
            if side.goes.is_some() {
                steps.extend((0..3).filter(|area| *area != side.area).map(|area| Step::Come(at, area)));
                steps.push(Step::Stay(at));
            } else {
                steps.push(Step::Leave(at));
            }
            if state.faults.crashes > 0 {
                steps.extend([Step::Write(at), Step::Crash(side.area)]);
            }
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        self.step(&mut state, step)?;
        if !self.is(Naive::NoId) {
            state.forget();
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("coins conserved", |_, state: &State| {
                state.coins.iter().sum::<u8>() == 2 * COINS
            }),
            Property::always("a trade once", |_, state: &State| {
                let mut deals: Vec<(usize, u64)> = Vec::new();
                deals.extend(
                    state.done.iter().flat_map(|offers| [(0, deal_of(offers[0])), (1, deal_of(offers[1]))]),
                );
                deals.iter().enumerate().all(|(n, deal)| !deals[..n].contains(deal))
            }),
            Property::always("told is so", |_, state: &State| {
                (0..2).all(|at| {
                    let was_done = |deal: u64| state.done.iter().any(|offers| deal_of(offers[at]) == deal);
                    state.told[at].iter().all(|(deal, done)| was_done(*deal) == *done)
                })
            }),
            Property::always("as both agreed", |_, state: &State| !state.against_will),
            Property::sometimes("both are told that it is done", |model: &Self, state: &State| {
                model.goal(state) && state.told.iter().all(|told| told.iter().any(|(_, done)| *done))
            }),
        ]
    }
}

impl Protocol for Trade {
    fn fair(&self, step: &Step) -> bool {
        use Step::*;
        matches!(
            step,
            End(_) | Tick(_) | Late(_) | Show(_) | See(..) | Decide(_) | Answer(_) | Come(..) | Return(_)
        )
    }

    fn goal(&self, state: &State) -> bool {
        let free = |side: &Side| side.up && side.bargain.is_none() && side.goes.is_none();
        state.sides.iter().all(free)
    }
}
