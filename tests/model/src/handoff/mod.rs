//! Characters that change their owner, among game servers that crash, pause and lose their lease: the
//! protocol of docs/handoff.md with [`pangea_world::handoff`] inside, alone and in groups.
//!
//! A character has items; an operation drops one on the ground. It is written under the owner's epoch, and
//! what is not acknowledged yet travels with the commit.

mod roles;
mod runs;
mod state;

use pangea_world::ownership::Change;
use stateright::{Model, Property};

use crate::check::Protocol;
use crate::net::{Faults, Net, Row, spend};
pub use runs::runs;
use state::{AREAS, Copied, ITEMS, Life, Message, Process, STORE, State, Step, Stored};

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
