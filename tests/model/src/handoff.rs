//! Characters that change their owner, among game servers that crash, pause and lose their lease: the
//! protocol of docs/handoff.md with [`pangea_world::handoff`] inside, alone and in groups.
//!
//! A character has items; an operation drops one on the ground. It is written under the owner's epoch, and
//! what is not acknowledged yet travels with the commit.

use pangea_world::handoff::{Answer, Heard, Held, settle};
use pangea_world::id::TransferId;
use pangea_world::ownership::{Change, Decision, Owned, decide};
use stateright::{Model, Property};

use crate::check::{Expect, Protocol, Run};
use crate::net::{Faults, Net, Row, spend};

const CHARACTERS: usize = 2;
const AREAS: usize = 3;
const ITEMS: u8 = 3;
const STORE: u8 = u8::MAX;

/// Simpler than the protocol, and wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naive {
    /// N1a: character and ground are written one after the other.
    HalfWrites,
    /// N1b: the same, and whoever writes last is right.
    BlindWrites,
    /// N2: a commit is compared with the owner alone.
    OwnerOnly,
    /// N3: a restarted server goes on under its old epoch.
    SameEpoch,
    /// N4: who waits too long for an answer plays on.
    Thaw,
    /// N5: the target plays from the snapshot, before the commit.
    EarlyStart,
    /// N6: messages do not say for which life of a process they are.
    NoIncarnation,
    /// N8: a process that stood still does not look at its lease.
    NoLeaseCheck,
    /// N9: nobody grants again what nobody hosts.
    NoReconcile,
    /// N10: a commit counts as done when the target owns it under the next epoch.
    LooksRight,
    /// A group's characters go in a commit each.
    OneByOne,
}

/// The model: what is in it, and how much may happen.
#[derive(Debug, Clone)]
pub struct Handoff {
    areas: usize,
    characters: usize,
    /// All characters move together, always.
    together: bool,
    moves: u8,
    operations: u8,
    faults: Faults,
    naive: Option<Naive>,
    /// Central waits until a lease has run out; else another may get the area at any moment (the clocks are
    /// wrong), and only what is durable must hold.
    lease: bool,
    /// Whether what players see is checked too.
    visible: bool,
    /// Whether messages that nobody listens to any more are left out of the state.
    prune: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Stored {
    owner: u8,
    epoch: u8,
    last: u8,
    items: u8,
    /// Operations in the order in which they were applied; their number is the version.
    log: Row,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Copied {
    epoch: u8,
    /// The transfer about which central decides; 0: none.
    frozen: u8,
    target: u8,
    items: u8,
    /// The version that central has acknowledged, and what came after.
    base: u8,
    tail: Row,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Life {
    Up,
    Paused,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Process {
    life: Life,
    incarnation: u8,
    /// Its lease has run out while it stood still.
    expired: bool,
    copies: [Option<Copied>; CHARACTERS],
    /// The highest epoch seen of each character.
    seen: [u8; CHARACTERS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Transfer {
    id: u8,
    from: u8,
    target: u8,
    epochs: [u8; CHARACTERS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Half {
    Both,
    Character,
    Ground,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Load {
    items: u8,
    base: u8,
    tail: Row,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Said {
    Committed(u8),
    Aborted(u8),
    Stale,
}

/// A message; `who` is the area's number and incarnation, epoch 0 means «not in this transfer».
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Message {
    #[allow(missing_docs)]
    Registered { who: (u8, u8) },
    #[allow(missing_docs, private_interfaces)]
    Write { who: (u8, u8), character: u8, epoch: u8, load: Load, half: Half },
    #[allow(missing_docs)]
    Written { who: (u8, u8), character: u8, epoch: u8, version: u8 },
    #[allow(missing_docs)]
    Refused { who: (u8, u8), character: u8, epoch: u8 },
    #[allow(missing_docs)]
    Seal { who: (u8, u8), id: u8, target: u8, epochs: [u8; CHARACTERS] },
    #[allow(missing_docs, private_interfaces)]
    Commit {
        who: (u8, u8),
        id: u8,
        target: u8,
        epochs: [u8; CHARACTERS],
        loads: [Option<Load>; CHARACTERS],
        back: bool,
    },
    #[allow(missing_docs, private_interfaces)]
    Answered { who: (u8, u8), id: u8, asked: [u8; CHARACTERS], said: [Option<Said>; CHARACTERS] },
    #[allow(missing_docs)]
    Grant { who: (u8, u8), character: u8, epoch: u8, items: u8, version: u8 },
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    rows: [Stored; CHARACTERS],
    ground: u8,
    /// The incarnation of each area that central knows.
    known: [u8; AREAS],
    transfers: Vec<Transfer>,
    processes: [Process; AREAS],
    net: Net<Message>,
    /// Operations of which the player was told that they are done, as bits.
    told: u16,
    next_operation: u8,
    next_transfer: u8,
    moves: u8,
    operations: u8,
    faults: Faults,
}

/// What can happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    Deliver(Message),
    Lose(Message),
    Repeat(Message),
    Operate { area: usize, character: usize },
    Begin { character: usize, target: usize },
    SayAgain { area: usize, character: usize },
    TakeBack { area: usize, character: usize },
    Thaw { area: usize, character: usize },
    Crash(usize),
    CentralCrash,
    Restart(usize),
    RegisterAgain(usize),
    Pause(usize),
    Resume(usize),
    Expire(usize),
    FailOver(usize),
    Enter { character: usize, target: usize },
    Reconcile(usize),
}

fn id(n: u8) -> TransferId {
    TransferId([n; 16])
}

/// The id of a change that central makes by itself: as good as drawn, since no epoch comes twice.
fn own_id(epoch: u8) -> u8 {
    0x80 | (epoch + 1)
}

impl Stored {
    fn owned(&self) -> Owned<u8> {
        Owned {
            owner: (self.owner != STORE).then_some(self.owner),
            epoch: u64::from(self.epoch),
            last: (self.last != 0).then(|| id(self.last)),
        }
    }

    fn set(&mut self, row: &Owned<u8>) {
        self.owner = row.owner.unwrap_or(STORE);
        self.epoch = row.epoch as u8;
        self.last = row.last.map_or(0, |last| last.0[0]);
    }

    /// A change that central makes by itself; whether it was possible.
    fn change(&mut self, change: &Change<u8>) -> bool {
        match decide(&self.owned(), id(own_id(self.epoch)), change) {
            Ok(Decision::Apply(row)) => {
                self.set(&row);
                true
            }
            Ok(Decision::Repeat) | Err(_) => false,
        }
    }
}

impl Copied {
    fn held(&self) -> Held {
        Held { epoch: u64::from(self.epoch), frozen: (self.frozen != 0).then(|| id(self.frozen)) }
    }

    fn set(&mut self, held: Held) {
        self.epoch = held.epoch as u8;
        self.frozen = held.frozen.map_or(0, |frozen| frozen.0[0]);
    }

    fn load(&self) -> Load {
        Load { items: self.items, base: self.base, tail: self.tail }
    }
}

impl Process {
    fn hosts(&self, character: usize, epoch: u8) -> bool {
        self.copies[character].is_some_and(|copy| copy.epoch == epoch)
    }

    fn end(&mut self) {
        let incarnation = self.incarnation;
        *self = Self { life: Life::Down, incarnation, ..Self::new() };
    }

    fn new() -> Self {
        Self {
            life: Life::Up,
            incarnation: 1,
            expired: false,
            copies: [None; CHARACTERS],
            seen: [0; CHARACTERS],
        }
    }
}

impl State {
    /// Applies what is new of a character's operations; each moves an item to the ground.
    fn apply(&mut self, character: usize, load: Load) {
        let row = &mut self.rows[character];
        let known = row.log.len().saturating_sub(load.base);
        for operation in load.tail.skip(known).iter() {
            row.log.push(operation);
            row.items -= 1;
            self.ground += 1;
        }
    }

    fn tell_done(&mut self, operations: Row) {
        operations.iter().for_each(|operation| self.told |= 1 << operation);
    }

    fn grant(&mut self, character: usize) {
        let row = self.rows[character];
        let who = (row.owner, self.known[usize::from(row.owner)]);
        let version = row.log.len();
        let (character, items) = (character as u8, row.items);
        self.net.send(Message::Grant { who, character, epoch: row.epoch, items, version });
    }

    /// All that an area owned goes back to the store.
    fn fail_over(&mut self, area: usize) -> Vec<usize> {
        let change = Change::Failover { from: area as u8 };
        (0..CHARACTERS).filter(|character| self.rows[*character].change(&change)).collect()
    }

    fn forget_old_transfers(&mut self) {
        let rows = self.rows;
        self.transfers
            .retain(|transfer| (0..CHARACTERS).all(|c| [0, rows[c].epoch].contains(&transfer.epochs[c])));
    }

    fn running(&self, character: usize) -> impl Iterator<Item = (usize, Copied)> {
        self.processes.iter().enumerate().filter_map(move |(area, process)| {
            let copy = process.copies[character].filter(|copy| copy.frozen == 0)?;
            (process.life == Life::Up).then_some((area, copy))
        })
    }
}

impl Handoff {
    fn is(&self, naive: Naive) -> bool {
        self.naive == Some(naive)
    }

    fn say_writes(&self, state: &mut State, area: usize, character: usize) {
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
    fn say_commit(&self, state: &mut State, area: usize, transfer: u8, back: bool) {
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

    fn deliver(&self, state: &mut State, message: Message) -> Option<()> {
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

    fn commit(&self, state: &mut State, message: Message) {
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
        let things: Vec<(Owned<u8>, u64)> =
            members.iter().map(|c| (state.rows[*c].owned(), u64::from(epochs[*c]))).collect();
        let settled = settle(&things, id(transfer), from, (prepared && !back).then_some(target));
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
    fn hear(&self, state: &mut State, message: Message) -> Option<()> {
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
                if epoch > process.seen[c] {
                    process.seen[c] = epoch;
                    let tail = Row::default();
                    process.copies[c] =
                        Some(Copied { epoch, frozen: 0, target: 0, items, base: version, tail });
                }
            }
            Message::Registered { .. } | Message::Write { .. } | Message::Commit { .. } => return None,
        }
        Some(())
    }

    fn begin(&self, state: &mut State, character: usize, target: usize) -> Option<()> {
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
    fn dead(&self, state: &State, message: &Message) -> bool {
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

impl Model for Handoff {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let row = |c: usize| match c < self.characters {
            true => Stored { owner: 0, epoch: 1, last: 0, items: ITEMS, log: Row::default() },
            false => Stored { owner: STORE, epoch: 0, last: 0, items: 0, log: Row::default() },
        };
        let mut state = State {
            rows: std::array::from_fn(row),
            ground: 0,
            known: [1; AREAS],
            transfers: Vec::new(),
            processes: [Process::new(); AREAS],
            net: Net::default(),
            told: 0,
            next_operation: 1,
            next_transfer: 1,
            moves: self.moves,
            operations: self.operations,
            faults: self.faults,
        };
        for c in 0..self.characters {
            let copy = Copied { epoch: 1, frozen: 0, target: 0, items: ITEMS, base: 0, tail: Row::default() };
            (state.processes[0].copies[c], state.processes[0].seen[c]) = (Some(copy), 1);
        }
        vec![state]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for message in state.net.iter() {
            steps.push(Step::Deliver(message));
            if state.faults.losses > 0 {
                steps.push(Step::Lose(message));
            }
            if state.faults.repeats > 0 {
                steps.push(Step::Repeat(message));
            }
        }
        for area in 0..self.areas {
            let process = &state.processes[area];
            match process.life {
                Life::Down => steps.push(Step::Restart(area)),
                Life::Paused => steps.push(Step::Resume(area)),
                Life::Up => {
                    if process.incarnation != state.known[area] {
                        steps.push(Step::RegisterAgain(area));
                    }
                    if state.faults.pauses > 0 {
                        steps.push(Step::Pause(area));
                    }
                    for character in 0..self.characters {
                        let Some(copy) = process.copies[character] else { continue };
                        steps.push(Step::SayAgain { area, character });
                        if copy.frozen == 0 && state.operations > 0 && copy.items > 0 {
                            steps.push(Step::Operate { area, character });
                        }
                        if copy.frozen != 0 && state.faults.aborts > 0 {
                            steps.push(Step::TakeBack { area, character });
                        }
                        if copy.frozen != 0 && self.is(Naive::Thaw) {
                            steps.push(Step::Thaw { area, character });
                        }
                    }
                }
            }
            if process.life != Life::Down && state.faults.crashes > 0 {
                steps.push(Step::Crash(area));
            }
            if process.life != Life::Down && state.faults.expiries > 0 && !process.expired {
                steps.push(Step::Expire(area));
            }
            let doubted = !self.lease && process.life == Life::Up && state.faults.expiries > 0;
            if process.life == Life::Down || process.expired || doubted {
                steps.push(Step::FailOver(area));
            }
        }
        if state.faults.crashes > 0 && !state.transfers.is_empty() {
            steps.push(Step::CentralCrash);
        }
        for character in 0..self.characters {
            let row = state.rows[character];
            for target in 0..self.areas {
                if row.owner == STORE {
                    steps.push(Step::Enter { character, target });
                } else if state.moves > 0 && usize::from(row.owner) != target {
                    steps.push(Step::Begin { character, target });
                }
            }
            if row.owner != STORE && !self.is(Naive::NoReconcile) {
                steps.push(Step::Reconcile(character));
            }
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        match step {
            Step::Deliver(message) => {
                state.net.take(message);
                self.deliver(&mut state, message)?;
            }
            Step::Lose(message) => {
                spend(&mut state.faults.losses)?;
                state.net.take(message);
            }
            Step::Repeat(message) => {
                spend(&mut state.faults.repeats)?;
                self.deliver(&mut state, message)?;
            }
            Step::Operate { area, character } => {
                spend(&mut state.operations)?;
                let operation = state.next_operation;
                state.next_operation += 1;
                let copy = state.processes[area].copies[character].as_mut()?;
                copy.tail.push(operation);
                copy.items -= 1;
                self.say_writes(&mut state, area, character);
            }
            Step::Begin { character, target } => self.begin(&mut state, character, target)?,
            Step::SayAgain { area, character } => match state.processes[area].copies[character]?.frozen {
                0 => self.say_writes(&mut state, area, character),
                transfer => self.say_commit(&mut state, area, transfer, false),
            },
            Step::TakeBack { area, character } => {
                spend(&mut state.faults.aborts)?;
                let transfer = state.processes[area].copies[character]?.frozen;
                self.say_commit(&mut state, area, transfer, true);
            }
            Step::Thaw { area, character } => state.processes[area].copies[character].as_mut()?.frozen = 0,
            Step::Crash(area) => {
                spend(&mut state.faults.crashes)?;
                state.processes[area].end();
            }
            Step::CentralCrash => {
                spend(&mut state.faults.crashes)?;
                state.transfers.clear();
            }
            Step::Restart(area) => {
                let process = &mut state.processes[area];
                *process = Process { incarnation: process.incarnation + 1, ..Process::new() };
                let who = (area as u8, process.incarnation);
                state.net.send(Message::Registered { who });
            }
            Step::RegisterAgain(area) => {
                let who = (area as u8, state.processes[area].incarnation);
                state.net.send(Message::Registered { who });
            }
            Step::Pause(area) => {
                spend(&mut state.faults.pauses)?;
                state.processes[area].life = Life::Paused;
            }
            Step::Resume(area) => {
                let process = &mut state.processes[area];
                process.life = Life::Up;
                if process.expired && !self.is(Naive::NoLeaseCheck) {
                    process.end();
                }
            }
            Step::Expire(area) => {
                spend(&mut state.faults.expiries)?;
                let process = &mut state.processes[area];
                match process.life {
                    Life::Paused => process.expired = true,
                    _ => process.end(),
                }
            }
            Step::FailOver(area) => {
                if state.processes[area].life == Life::Up && !state.processes[area].expired {
                    spend(&mut state.faults.expiries)?;
                }
                if state.fail_over(area).is_empty() {
                    return None;
                }
                state.forget_old_transfers();
            }
            Step::Enter { character, target } => {
                let elsewhere = |row: &Stored| row.owner != STORE && usize::from(row.owner) != target;
                let process = &state.processes[target];
                if process.life == Life::Down
                    || process.expired
                    || (self.together && state.rows.iter().any(elsewhere))
                {
                    return None;
                }
                if !state.rows[character].change(&Change::Grant { to: target as u8 }) {
                    return None;
                }
                state.grant(character);
            }
            Step::Reconcile(character) => {
                let row = state.rows[character];
                let process = &state.processes[usize::from(row.owner)];
                let hosts = process.copies[character].is_some_and(|copy| copy.epoch >= row.epoch);
                if hosts || process.life != Life::Up {
                    return None;
                }
                state.grant(character);
            }
        }
        if self.prune && self.naive.is_none() {
            let seen = state.clone();
            state.net.forget(|message| self.dead(&seen, message));
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let visible = [
            Property::always("one authority", |model: &Self, state: &State| {
                (0..model.characters).all(|character| state.running(character).count() <= 1)
            }),
            Property::always("authority has the current epoch", |model: &Self, state: &State| {
                (0..model.characters).all(|character| {
                    let row = state.rows[character];
                    state
                        .running(character)
                        .all(|(area, copy)| usize::from(row.owner) == area && row.epoch == copy.epoch)
                })
            }),
        ];
        let durable = [
            Property::sometimes("all moves and operations are done", |model: &Self, state: &State| {
                let moved = |row: &Stored| row.owner != 0 && row.last < 0x80;
                let moved = state.rows[..model.characters].iter().all(moved);
                moved && state.moves == 0 && state.operations == 0 && model.goal(state)
            }),
            Property::always("items conserved", |model: &Self, state: &State| {
                let items: u8 = state.rows.iter().map(|row| row.items).sum();
                items + state.ground == ITEMS * model.characters as u8
            }),
            Property::always("told is durable", |_: &Self, state: &State| {
                let durable =
                    state.rows.iter().flat_map(|row| row.log.iter()).fold(0, |bits, o| bits | 1 << o);
                state.told & !durable == 0
            }),
            Property::always("an operation once", |_: &Self, state: &State| {
                let mut bits = 0u16;
                state.rows.iter().flat_map(|row| row.log.iter()).all(|operation| {
                    let new = bits & (1 << operation) == 0;
                    bits |= 1 << operation;
                    new
                })
            }),
            Property::always("a group stays together", |model: &Self, state: &State| {
                let [one, other] = state.rows.map(|row| row.owner);
                !model.together || one == other || one == STORE || other == STORE
            }),
        ];
        let visible = visible.into_iter().filter(|_| self.visible);
        durable.into_iter().chain(visible).collect()
    }
}

impl Protocol for Handoff {
    fn fair(&self, step: &Step) -> bool {
        !matches!(
            step,
            Step::Lose(_)
                | Step::Repeat(_)
                | Step::Operate { .. }
                | Step::Begin { .. }
                | Step::TakeBack { .. }
                | Step::Crash(_)
                | Step::CentralCrash
                | Step::Pause(_)
                | Step::Expire(_)
        )
    }

    fn goal(&self, state: &State) -> bool {
        (0..self.characters).all(|character| {
            let row = state.rows[character];
            state.running(character).any(|(area, copy)| {
                usize::from(row.owner) == area && copy.epoch == row.epoch && copy.tail.is_empty()
            })
        })
    }
}

/// The protocol within budgets, and what is simpler and wrong.
pub fn runs(deep: bool) -> Vec<Run> {
    let none = Faults::default();
    let plain = Handoff {
        areas: 2,
        characters: 1,
        together: false,
        moves: 1,
        operations: 1,
        faults: none,
        naive: None,
        lease: true,
        visible: true,
        prune: true,
    };
    let net = Faults { losses: 1, repeats: 1, ..none };
    let holds = |name: &str, model: Handoff| Run::new(format!("handoff: {name}"), Expect::Holds, model);
    let mut runs = vec![
        holds(
            "1 move, crash, loss, repeat, abort",
            Handoff { faults: Faults { crashes: 1, aborts: 1, ..net }, ..plain.clone() },
        ),
        holds(
            "2 moves, loss, repeat, abort",
            Handoff { moves: 2, faults: Faults { aborts: 1, ..net }, ..plain.clone() },
        ),
        holds(
            "1 move, pause, lease, crash",
            Handoff { faults: Faults { pauses: 1, expiries: 1, crashes: 1, ..none }, ..plain.clone() },
        ),
        holds(
            "1 move, no lease at all, crash: what is durable",
            Handoff {
                lease: false,
                visible: false,
                faults: Faults { expiries: 1, crashes: 1, ..none },
                ..plain.clone()
            },
        ),
        holds(
            "two neighbours prepared at once, crash, repeat",
            Handoff {
                areas: 3,
                moves: 2,
                operations: 0,
                faults: Faults { crashes: 1, repeats: 1, ..none },
                ..plain.clone()
            },
        ),
        holds(
            "a group of two, crash, loss, repeat",
            Handoff {
                characters: 2,
                together: true,
                operations: 0,
                faults: Faults { crashes: 1, ..net },
                ..plain.clone()
            },
        ),
        holds(
            "two characters alone, crash",
            Handoff {
                characters: 2,
                moves: 2,
                operations: 0,
                faults: Faults { crashes: 1, ..none },
                ..plain.clone()
            },
        ),
    ];
    if deep {
        let lease = Faults { pauses: 1, expiries: 1, crashes: 1, ..net };
        runs.extend([
            holds(
                "2 moves, 2 operations, crash, loss, repeat, abort",
                Handoff {
                    moves: 2,
                    operations: 2,
                    faults: Faults { crashes: 1, aborts: 1, ..net },
                    ..plain.clone()
                },
            ),
            holds("1 move, pause, lease, crash, loss, repeat", Handoff { faults: lease, ..plain.clone() }),
            holds(
                "1 move, no lease at all, crash, loss, repeat: what is durable",
                Handoff {
                    lease: false,
                    visible: false,
                    faults: Faults { expiries: 1, crashes: 1, ..net },
                    ..plain.clone()
                },
            ),
            holds(
                "2 moves, 2 crashes",
                Handoff { moves: 2, faults: Faults { crashes: 2, ..none }, ..plain.clone() },
            ),
            holds(
                "a group of two, operation, crash, loss, repeat, abort",
                Handoff {
                    characters: 2,
                    together: true,
                    faults: Faults { crashes: 1, aborts: 1, ..net },
                    ..plain.clone()
                },
            ),
        ]);
    }
    let crash = Faults { crashes: 1, ..net };
    let lease = Faults { pauses: 1, expiries: 1, ..none };
    let naive = |name: &str, expect, naive, model: Handoff| {
        Run::new(format!("handoff, {name}"), expect, Handoff { naive: Some(naive), ..model })
    };
    let breaks = Expect::Breaks;
    let [two_moves, two_operations, crashing, leased] = [
        Handoff { moves: 2, faults: net, ..plain.clone() },
        Handoff { operations: 2, faults: net, ..plain.clone() },
        Handoff { faults: crash, ..plain.clone() },
        Handoff { faults: lease, ..plain.clone() },
    ];
    let unleased =
        Handoff { lease: false, visible: false, faults: Faults { expiries: 1, ..none }, ..plain.clone() };
    runs.extend([
        naive("N1a half writes", breaks("items conserved"), Naive::HalfWrites, plain.clone()),
        naive("N1b blind writes", breaks("told is durable"), Naive::BlindWrites, two_operations),
        naive("N2 owner only", breaks("items conserved"), Naive::OwnerOnly, two_moves),
        naive(
            "N3 same epoch after a restart",
            breaks("told is durable"),
            Naive::SameEpoch,
            Handoff { operations: 2, moves: 0, ..crashing.clone() },
        ),
        naive("N4 thaw when it takes long", breaks("one authority"), Naive::Thaw, plain.clone()),
        naive("N5 start before the commit", breaks("one authority"), Naive::EarlyStart, plain.clone()),
        naive(
            "N6 no incarnation",
            breaks("authority has the current epoch"),
            Naive::NoIncarnation,
            crashing.clone(),
        ),
        naive("N8 no look at the lease", breaks("one authority"), Naive::NoLeaseCheck, leased.clone()),
        naive(
            "N9 no reconcile",
            Expect::Stuck,
            Naive::NoReconcile,
            Handoff { faults: Faults { losses: 1, ..none }, ..plain.clone() },
        ),
        naive("N10 looks as if it was mine", breaks("told is durable"), Naive::LooksRight, unleased.clone()),
        Run::new("handoff, N7 no lease", breaks("one authority"), Handoff { visible: true, ..unleased }),
        naive(
            "a group one by one",
            breaks("a group stays together"),
            Naive::OneByOne,
            Handoff { characters: 2, together: true, operations: 0, ..plain },
        ),
    ]);
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leaving out what nobody listens to changes no verdict, only the number of states.
    #[test]
    fn pruning_changes_no_verdict() {
        let faults = Faults { losses: 1, repeats: 1, ..Faults::default() };
        let model = Handoff {
            areas: 2,
            characters: 1,
            together: false,
            moves: 1,
            operations: 1,
            faults,
            naive: None,
            lease: true,
            visible: true,
            prune: true,
        };
        let pruned = Run::new("pruned", Expect::Holds, model.clone()).check();
        let whole = Run::new("whole", Expect::Holds, Handoff { prune: false, ..model }).check();
        assert_eq!((pruned.wrong.as_str(), whole.wrong.as_str()), ("", ""));
        assert!(pruned.states < whole.states, "{} {}", pruned.states, whole.states);
    }
}
