//! What central and the areas make of a message.

use pangea_world::handoff::{Answer, Asked, Heard, settle};
use pangea_world::ownership::Change;

use super::state::{CHARACTERS, Copied, Half, Life, Message, Said, State, Transfer, id};
use super::{Handoff, Naive};
use crate::net::{Row, spend};

impl Handoff {
    pub(super) fn is(&self, naive: Naive) -> bool {
        self.naive == Some(naive)
    }

    pub(super) fn say_writes(&self, state: &mut State, area: usize, character: usize) {
        let process = &state.processes[area];
        let Some(copy) = process.copies[character].filter(|copy| !copy.tail.is_empty()) else { return };
        let (who, load) = ((area as u8, process.incarnation), copy.load());
        let halves: &[Half] = match self.naive {
            Some(Naive::HalfWrites | Naive::BlindWrites) => &[Half::Character, Half::Ground],
            _ => &[Half::Both],
        };
        for half in halves {
            let (character, epoch) = (character as u8, copy.epoch);
            state.net.send(Message::Write { who, character, epoch, load, half: *half });
        }
    }

    /// The commit, or the wish to take it back, of all that is frozen for this transfer.
    pub(super) fn say_commit(&self, state: &mut State, area: usize, transfer: u8, back: bool) {
        let process = &state.processes[area];
        let who = (area as u8, process.incarnation);
        let (mut epochs, mut loads, mut target) = ([0; CHARACTERS], [None; CHARACTERS], 0);
        for (character, copy) in process.copies.iter().enumerate() {
            if let Some(copy) = copy.filter(|copy| copy.frozen == transfer) {
                (epochs[character], loads[character], target) = (copy.epoch, Some(copy.load()), copy.target);
            }
        }
        if !self.is(Naive::OneByOne) {
            state.net.send(Message::Commit { who, id: transfer, target, epochs, loads, back });
            return;
        }
        for character in 0..CHARACTERS {
            let (mut own_epochs, mut own_loads) = ([0; CHARACTERS], [None; CHARACTERS]);
            (own_epochs[character], own_loads[character]) = (epochs[character], loads[character]);
            let id = transfer;
            state.net.send(Message::Commit { who, id, target, epochs: own_epochs, loads: own_loads, back });
        }
    }

    pub(super) fn deliver(&self, state: &mut State, message: Message) -> Option<()> {
        match message {
            Message::Registered { who: (area, incarnation) } => {
                let known = &mut state.known[usize::from(area)];
                if incarnation <= *known {
                    return Some(());
                }
                *known = incarnation;
                if self.is(Naive::SameEpoch) {
                    let own: Vec<usize> = (0..CHARACTERS).filter(|c| state.rows[*c].owner == area).collect();
                    own.into_iter().for_each(|c| state.grant(c));
                    return Some(());
                }
                for character in state.fail_over(usize::from(area)) {
                    state.rows[character].change(&Change::Grant { to: area });
                    state.grant(character);
                }
            }
            Message::Write { who, character, epoch, load, half } => {
                let c = usize::from(character);
                let row = &mut state.rows[c];
                if self.is(Naive::BlindWrites) {
                    match half {
                        Half::Ground => state.ground += 1,
                        _ => {
                            row.items = load.items;
                            row.log = load.tail;
                        }
                    }
                } else if row.owner != who.0 || row.epoch != epoch {
                    state.net.send(Message::Refused { who, character, epoch });
                    return Some(());
                } else {
                    match half {
                        Half::Both => state.apply(c, load),
                        Half::Character => row.items = load.items,
                        Half::Ground => state.ground += 1,
                    }
                }
                // What it was told to write, it takes for written.
                let version = load.base + load.tail.len();
                state.net.send(Message::Written { who, character, epoch, version });
            }
            Message::Commit { .. } => self.commit(state, message),
            _ => return self.hear(state, message),
        }
        state.forget_old_transfers();
        Some(())
    }

    pub(super) fn commit(&self, state: &mut State, message: Message) {
        let Message::Commit { who, id: transfer, target, epochs, loads, back } = message else { return };
        let from = who.0;
        let known = Transfer { id: transfer, from, target, epochs };
        let one_by_one = |t: &Transfer| self.is(Naive::OneByOne) && t.id == transfer;
        let prepared = state.transfers.iter().any(|t| *t == known || one_by_one(t));
        let members: Vec<usize> = (0..CHARACTERS).filter(|c| epochs[*c] != 0).collect();
        let mut said = [None; CHARACTERS];
        if let Some(Naive::OwnerOnly) = self.naive {
            for c in members {
                let row = &mut state.rows[c];
                said[c] = Some(if row.owner == from {
                    (row.owner, row.epoch, row.items) =
                        (target, row.epoch + 1, loads[c].map_or(0, |l| l.items));
                    state.grant(c);
                    Said::Committed(state.rows[c].epoch)
                } else {
                    Said::Stale
                });
            }
            state.net.send(Message::Answered { who, id: transfer, asked: epochs, said });
            return;
        }
        let asked =
            |c: &usize| Asked { row: state.rows[*c].owned(), id: id(transfer), epoch: u64::from(epochs[*c]) };
        let things: Vec<Asked<u8>> = members.iter().map(asked).collect();
        let settled = settle(&things, from, (prepared && !back).then_some(target));
        for (c, settled) in members.into_iter().zip(settled) {
            if let Some(row) = &settled.row {
                state.rows[c].set(row);
                loads[c].into_iter().for_each(|load| state.apply(c, load));
            }
            let row = state.rows[c];
            said[c] = Some(match settled.answer {
                Answer::Committed { epoch } => Said::Committed(epoch as u8),
                Answer::Aborted { epoch } => Said::Aborted(epoch as u8),
                Answer::Stale
                    if self.is(Naive::LooksRight) && row.owner == target && row.epoch > epochs[c] =>
                {
                    Said::Committed(row.epoch)
                }
                Answer::Stale => Said::Stale,
            });
            if settled.row.is_some() && row.owner != from {
                state.grant(c);
            }
        }
        state.net.send(Message::Answered { who, id: transfer, asked: epochs, said });
    }

    /// What an area makes of a message.
    pub(super) fn hear(&self, state: &mut State, message: Message) -> Option<()> {
        let (Message::Written { who, .. }
        | Message::Refused { who, .. }
        | Message::Seal { who, .. }
        | Message::Answered { who, .. }
        | Message::Grant { who, .. }) = message
        else {
            return None;
        };
        let area = usize::from(who.0);
        let process = &mut state.processes[area];
        if process.life == Life::Paused {
            return None;
        }
        let other_life = process.incarnation != who.1 && !self.is(Naive::NoIncarnation);
        if process.life == Life::Down || other_life {
            return Some(());
        }
        match message {
            Message::Written { character, epoch, version, .. } => {
                let copy = process.copies[usize::from(character)].as_mut().filter(|copy| copy.epoch == epoch);
                if let Some(copy) = copy.filter(|copy| copy.base < version) {
                    let done = version - copy.base;
                    let (tail, rest) = (copy.tail, copy.tail.skip(done));
                    (copy.base, copy.tail) = (version, rest);
                    let mut written = Row::default();
                    tail.iter().take(usize::from(done)).for_each(|operation| written.push(operation));
                    state.tell_done(written);
                }
            }
            Message::Refused { character, epoch, .. } => {
                let copy = &mut process.copies[usize::from(character)];
                *copy = copy.filter(|copy| copy.epoch > epoch);
            }
            Message::Seal { id: transfer, target, epochs, .. } => {
                let mut copies = process.copies;
                for (copy, epoch) in copies.iter_mut().zip(epochs).filter(|(_, epoch)| *epoch != 0) {
                    let Some(copy) = copy else { return Some(()) };
                    let mut held = copy.held();
                    if !held.freeze(id(transfer), u64::from(epoch)) {
                        return Some(());
                    }
                    copy.set(held);
                    copy.target = target;
                }
                process.copies = copies;
                self.say_commit(state, area, transfer, false);
            }
            Message::Answered { id: transfer, asked, said, .. } => {
                for (c, said) in said.into_iter().enumerate() {
                    let Some((said, copy)) = said.zip(state.processes[area].copies[c]) else { continue };
                    let answer = match said {
                        Said::Committed(epoch) => Answer::Committed { epoch: u64::from(epoch) },
                        Said::Aborted(epoch) => Answer::Aborted { epoch: u64::from(epoch) },
                        Said::Stale => Answer::Stale,
                    };
                    let mut held = copy.held();
                    let heard = held.hear(id(transfer), u64::from(asked[c]), answer);
                    if matches!(heard, Heard::Gone { .. } | Heard::Stays) {
                        state.tell_done(copy.tail);
                    }
                    let process = &mut state.processes[area];
                    match heard {
                        Heard::Nothing => {}
                        Heard::Gone { .. } | Heard::Lost => process.copies[c] = None,
                        Heard::Stays => {
                            let mut copy = copy;
                            copy.set(held);
                            (copy.base, copy.tail) = (copy.base + copy.tail.len(), Row::default());
                            process.seen[c] = process.seen[c].max(copy.epoch);
                            process.copies[c] = Some(copy);
                        }
                    }
                }
            }
            Message::Grant { character, epoch, items, version, .. } => {
                let c = usize::from(character);
                if epoch <= process.seen[c] {
                    return Some(());
                }
                process.seen[c] = epoch;
                let stays = process.copies[c].and_then(|copy| Self::announced(copy, epoch));
                if let Some(copy) = stays {
                    state.tell_done(copy.tail);
                }
                // Its commit came with all of it.
                let stays = stays.map(|copy| Copied {
                    base: copy.base + copy.tail.len(),
                    tail: Row::default(),
                    ..copy
                });
                let anew = Copied { epoch, frozen: 0, target: 0, items, base: version, tail: Row::default() };
                state.processes[area].copies[c] = Some(stays.unwrap_or(anew));
            }
            Message::Registered { .. } | Message::Write { .. } | Message::Commit { .. } => return None,
        }
        Some(())
    }

    /// One that is held still is granted under a higher epoch: what goes on, if that says that its handoff came to
    /// nothing.
    fn announced(copy: Copied, epoch: u8) -> Option<Copied> {
        let (mut copy, mut held) = (copy, copy.held());
        let stays = held.announced(u64::from(epoch), true) == Heard::Stays;
        copy.set(held);
        stays.then_some(copy)
    }

    pub(super) fn begin(&self, state: &mut State, character: usize, target: usize) -> Option<()> {
        spend(&mut state.moves)?;
        let owner = state.rows[character].owner;
        // Prepared only while all are here: half a group goes nowhere.
        if self.together && state.rows.iter().any(|row| row.owner != owner) {
            return None;
        }
        let mut epochs = [0; CHARACTERS];
        for (c, epoch) in epochs.iter_mut().enumerate().take(self.characters) {
            if c == character || self.together {
                *epoch = state.rows[c].epoch;
            }
        }
        let who = (owner, state.known[usize::from(owner)]);
        let (transfer, target) = (state.next_transfer, target as u8);
        state.next_transfer += 1;
        state.transfers.push(Transfer { id: transfer, from: owner, target, epochs });
        state.transfers.sort_unstable();
        state.net.send(Message::Seal { who, id: transfer, target, epochs });
        if self.is(Naive::EarlyStart) {
            let row = state.rows[character];
            let who = (target, state.known[usize::from(target)]);
            let (character, epoch, items) = (character as u8, row.epoch + 1, row.items);
            state.net.send(Message::Grant { who, character, epoch, items, version: row.log.len() });
        }
        Some(())
    }

    /// Nobody listens to this any more, nor ever will.
    pub(super) fn dead(&self, state: &State, message: &Message) -> bool {
        let holds = |who: (u8, u8), epochs: &[u8; CHARACTERS]| {
            let process = &state.processes[usize::from(who.0)];
            process.incarnation == who.1
                && (0..CHARACTERS).any(|c| epochs[c] != 0 && process.hosts(c, epochs[c]))
        };
        let one = |character: u8, epoch: u8| {
            let mut epochs = [0; CHARACTERS];
            epochs[usize::from(character)] = epoch;
            epochs
        };
        match *message {
            Message::Registered { who } => who.1 <= state.known[usize::from(who.0)],
            Message::Written { who, character, epoch, .. } | Message::Refused { who, character, epoch } => {
                !holds(who, &one(character, epoch))
            }
            Message::Answered { who, asked, .. } => !holds(who, &asked),
            Message::Write { who, character, epoch, .. } => {
                !holds(who, &one(character, epoch)) && state.rows[usize::from(character)].epoch != epoch
            }
            Message::Commit { who, epochs, .. } => {
                let fits = |c: usize| epochs[c] != 0 && state.rows[c].epoch == epochs[c];
                !holds(who, &epochs) && !(0..CHARACTERS).any(fits)
            }
            Message::Seal { who, epochs, .. } => {
                let process = &state.processes[usize::from(who.0)];
                process.incarnation != who.1
                    || (0..CHARACTERS).any(|c| {
                        epochs[c] != 0 && process.seen[c] >= epochs[c] && !process.hosts(c, epochs[c])
                    })
            }
            Message::Grant { who, character, epoch, .. } => {
                let process = &state.processes[usize::from(who.0)];
                process.incarnation != who.1 || process.seen[usize::from(character)] >= epoch
            }
        }
    }
}
