//! A running area that goes to another process: copied while it is played, frozen for a moment, committed,
//! and never two of it; inputs in flight count exactly once.
//!
//! The area is the list of the inputs that it took. A process is one life: it never comes back, a fresh one
//! is started instead. A client numbers its inputs and says those that are not acknowledged again.

use pangea_world::handoff::{Answer, Asked, Heard, Held, settle};
use pangea_world::id::TransferId;
use pangea_world::ownership::{Change, Decision, Owned, decide};
use stateright::{Model, Property};

use crate::check::{Expect, Protocol, Run};
use crate::net::{Faults, Net, Row, spend};

const PROCESSES: usize = 4;
const STORE: u8 = u8::MAX;

/// Simpler than the protocol, and wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naive {
    /// G1: the last delta starts the copy and stops the source; nobody commits.
    NoCommit,
    /// G2: the source goes on when the answer takes long.
    Thaw,
    /// G3: the copy is played without a look at how far it is.
    WarmUnchecked,
    /// G4: an input that is said again is taken again.
    NoNumbers,
    /// G5: «done» before it is durable.
    ToldEarly,
}

/// The model: how much may happen.
#[derive(Debug, Clone)]
pub struct Migration {
    moves: u8,
    inputs: u8,
    faults: Faults,
    naive: Option<Naive>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Life {
    Waiting,
    Up,
    Paused,
    /// Paused, and its lease is over.
    Expired,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Process {
    life: Life,
    /// Under which epoch it plays; 0: it does not.
    epoch: u8,
    log: Row,
    /// How much of the log central has acknowledged.
    base: u8,
    /// The migration that it copies for, and to whom; 0: none.
    migration: u8,
    target: u8,
    /// Frozen for the migration; a commit has been said.
    frozen: bool,
    committing: bool,
    /// What it was sent of a running area, as one that is to take over.
    warm: Option<Row>,
    /// The highest epoch seen.
    seen: u8,
}

/// A message. `to` and `from` are processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Message {
    Migrate { to: u8, id: u8, target: u8, epoch: u8 },
    Snapshot { to: u8, log: Row },
    Delta { to: u8, at: u8, input: u8 },
    Final { to: u8, from: u8, id: u8, length: u8 },
    Ready { to: u8, id: u8 },
    Commit { from: u8, id: u8, epoch: u8, base: u8, tail: Row, target: u8, back: bool },
    Committed { to: u8, id: u8, asked: u8, epoch: u8 },
    Aborted { to: u8, id: u8, asked: u8, epoch: u8 },
    Stale { to: u8, id: u8, asked: u8 },
    Grant { to: u8, epoch: u8, log: Row },
    Write { from: u8, epoch: u8, base: u8, tail: Row },
    Written { to: u8, epoch: u8, length: u8 },
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    owner: u8,
    epoch: u8,
    last: u8,
    /// The durable log.
    log: Row,
    /// What central knows of the migration: id, from, to, epoch.
    known: Option<(u8, u8, u8, u8)>,
    processes: [Process; PROCESSES],
    net: Net<Message>,
    /// How many inputs the client has said, and of how many it knows that they are done.
    said: u8,
    told: u8,
    next_id: u8,
    moves: u8,
    faults: Faults,
}

/// What can happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    Deliver(Message),
    Lose(Message),
    Repeat(Message),
    /// The client says this input, perhaps again, and it arrives here.
    Input {
        process: usize,
        number: u8,
    },
    Begin {
        target: usize,
    },
    Freeze(usize),
    SayAgain(usize),
    /// The source plays on: nothing was committed yet.
    Unfreeze(usize),
    TakeBack(usize),
    Thaw(usize),
    Crash(usize),
    CentralCrash,
    Pause(usize),
    Expire(usize),
    Resume(usize),
    FailOver,
    Start(usize),
    Reconcile,
}

fn id(n: u8) -> TransferId {
    TransferId([n; 16])
}

impl State {
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

    fn change(&mut self, change: &Change<u8>) -> Option<()> {
        let Ok(Decision::Apply(row)) = decide(&self.owned(), id(0x80 | self.epoch), change) else {
            return None;
        };
        self.set(&row);
        Some(())
    }

    fn grant(&mut self) {
        self.net.send(Message::Grant { to: self.owner, epoch: self.epoch, log: self.log });
    }

    fn apply(&mut self, base: u8, tail: Row) {
        let known = self.log.len().saturating_sub(base);
        tail.skip(known).iter().for_each(|input| self.log.push(input));
    }

    fn running(&self) -> impl Iterator<Item = (usize, &Process)> {
        let runs = |process: &Process| process.life == Life::Up && process.epoch != 0 && !process.frozen;
        self.processes.iter().enumerate().filter(move |(_, process)| runs(process))
    }
}

impl Process {
    fn held(&self) -> Held {
        let frozen = (self.frozen && self.migration != 0).then(|| id(self.migration));
        Held { epoch: u64::from(self.epoch), frozen }
    }

    fn stop(&mut self) {
        (self.epoch, self.frozen, self.committing, self.migration) = (0, false, false, 0);
    }

    fn listens(&self) -> bool {
        self.life == Life::Up
    }
}

impl Migration {
    fn is(&self, naive: Naive) -> bool {
        self.naive == Some(naive)
    }

    fn say_write(&self, state: &mut State, at: usize) {
        let process = state.processes[at];
        if process.base < process.log.len() {
            let (base, tail) = (process.base, process.log.skip(process.base));
            state.net.send(Message::Write { from: at as u8, epoch: process.epoch, base, tail });
        }
    }

    fn say_commit(&self, state: &mut State, at: usize, back: bool) {
        let process = &mut state.processes[at];
        process.committing = true;
        let Process { epoch, base, log, migration, target, .. } = *process;
        let (from, tail) = (at as u8, log.skip(base));
        state.net.send(Message::Commit { from, id: migration, epoch, base, tail, target, back });
    }

    fn say_snapshot(&self, state: &mut State, at: usize) {
        let process = state.processes[at];
        state.net.send(Message::Snapshot { to: process.target, log: process.log });
        if process.frozen {
            let (to, from, length) = (process.target, at as u8, process.log.len());
            state.net.send(Message::Final { to, from, id: process.migration, length });
        }
    }

    fn input(&self, state: &mut State, at: usize, number: u8) -> Option<()> {
        state.said = state.said.max(number);
        let process = &mut state.processes[at];
        if number != process.log.len() + 1 && !self.is(Naive::NoNumbers) {
            return None;
        }
        process.log.push(number);
        let (length, migration, target) = (process.log.len(), process.migration, process.target);
        if self.is(Naive::ToldEarly) {
            state.told = state.told.max(number);
        }
        if migration != 0 {
            state.net.send(Message::Delta { to: target, at: length, input: number });
        }
        self.say_write(state, at);
        Some(())
    }

    fn deliver(&self, state: &mut State, message: Message) -> Option<()> {
        match message {
            Message::Commit { from, id: transfer, epoch, base, tail, target, back } => {
                let known = state.known == Some((transfer, from, target, epoch)) && !back;
                let things = [Asked { row: state.owned(), id: id(transfer), epoch: u64::from(epoch) }];
                let settled = settle(&things, from, known.then_some(target)).remove(0);
                if let Some(row) = &settled.row {
                    state.apply(base, tail);
                    state.set(row);
                    state.known = None;
                    if state.owner != from {
                        state.grant();
                    }
                }
                let (to, id, asked) = (from, transfer, epoch);
                state.net.send(match settled.answer {
                    Answer::Committed { epoch } => Message::Committed { to, id, asked, epoch: epoch as u8 },
                    Answer::Aborted { epoch } => Message::Aborted { to, id, asked, epoch: epoch as u8 },
                    Answer::Stale => Message::Stale { to, id, asked },
                });
                Some(())
            }
            Message::Write { from, epoch, base, tail } => {
                if state.owner == from && state.epoch == epoch {
                    state.apply(base, tail);
                    let length = state.log.len();
                    state.net.send(Message::Written { to: from, epoch, length });
                } else {
                    state.net.send(Message::Stale { to: from, id: 0, asked: epoch });
                }
                Some(())
            }
            Message::Migrate { to, .. }
            | Message::Snapshot { to, .. }
            | Message::Delta { to, .. }
            | Message::Final { to, .. }
            | Message::Ready { to, .. }
            | Message::Committed { to, .. }
            | Message::Aborted { to, .. }
            | Message::Stale { to, .. }
            | Message::Grant { to, .. }
            | Message::Written { to, .. } => match state.processes[usize::from(to)].life {
                Life::Up => self.hear(state, usize::from(to), message),
                Life::Ended | Life::Waiting => Some(()),
                Life::Paused | Life::Expired => None,
            },
        }
    }

    fn hear(&self, state: &mut State, at: usize, message: Message) -> Option<()> {
        let process = &mut state.processes[at];
        match message {
            Message::Migrate { id, target, epoch, .. } => {
                if process.epoch == epoch && process.migration == 0 {
                    (process.migration, process.target) = (id, target);
                    self.say_snapshot(state, at);
                }
            }
            Message::Snapshot { log, .. } => {
                if process.epoch == 0 && process.warm.is_none_or(|warm| warm.len() < log.len()) {
                    process.warm = Some(log);
                }
            }
            Message::Delta { at: length, input, .. } => {
                if let Some(warm) = process.warm.as_mut().filter(|warm| warm.len() + 1 == length) {
                    warm.push(input);
                }
            }
            Message::Final { from, id, length, .. } => {
                let whole = process.warm.is_some_and(|warm| warm.len() == length);
                if self.is(Naive::NoCommit) {
                    process.log = process.warm.unwrap_or_default();
                    process.epoch = state.epoch;
                } else if whole || self.is(Naive::WarmUnchecked) {
                    state.net.send(Message::Ready { to: from, id });
                }
            }
            Message::Ready { id, .. } => {
                if process.frozen && process.migration == id {
                    self.say_commit(state, at, false);
                }
            }
            Message::Grant { epoch, log, .. } => {
                if epoch > process.seen {
                    // The copy counts only if it is as long as what is durable.
                    let copy = process.warm.filter(|warm| *warm == log || self.is(Naive::WarmUnchecked));
                    process.stop();
                    (process.seen, process.epoch) = (epoch, epoch);
                    (process.log, process.base, process.warm) = (copy.unwrap_or(log), log.len(), None);
                }
            }
            Message::Written { epoch, length, .. } => {
                if process.epoch == epoch && process.base < length {
                    process.base = length;
                    state.told = state.told.max(length);
                }
            }
            Message::Committed { id: transfer, asked, epoch, .. } => {
                self.answer(state, at, transfer, asked, Answer::Committed { epoch: u64::from(epoch) });
            }
            Message::Aborted { id: transfer, asked, epoch, .. } => {
                self.answer(state, at, transfer, asked, Answer::Aborted { epoch: u64::from(epoch) });
            }
            Message::Stale { id: 0, asked, .. } => {
                if process.epoch == asked {
                    process.stop();
                }
            }
            Message::Stale { id: transfer, asked, .. } => {
                self.answer(state, at, transfer, asked, Answer::Stale);
            }
            Message::Commit { .. } | Message::Write { .. } => return None,
        }
        Some(())
    }

    fn answer(&self, state: &mut State, at: usize, transfer: u8, asked: u8, answer: Answer) {
        let process = &mut state.processes[at];
        let mut held = process.held();
        match held.hear(id(transfer), u64::from(asked), answer) {
            Heard::Nothing => {}
            Heard::Lost => process.stop(),
            Heard::Gone { .. } => {
                state.told = state.told.max(process.log.len());
                process.stop();
            }
            Heard::Stays => {
                process.stop();
                process.epoch = held.epoch as u8;
                (process.seen, process.base) = (process.epoch, process.log.len());
                state.told = state.told.max(process.base);
            }
        }
    }
}

impl Model for Migration {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let process = |at: usize| Process {
            life: if at < 2 { Life::Up } else { Life::Waiting },
            epoch: u8::from(at == 0),
            log: Row::default(),
            base: 0,
            migration: 0,
            target: 0,
            frozen: false,
            committing: false,
            warm: None,
            seen: u8::from(at == 0),
        };
        vec![State {
            owner: 0,
            epoch: 1,
            last: 0,
            log: Row::default(),
            known: None,
            processes: std::array::from_fn(process),
            net: Net::default(),
            said: 0,
            told: 0,
            next_id: 1,
            moves: self.moves,
            faults: self.faults,
        }]
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
        for (at, process) in state.processes.iter().enumerate() {
            match process.life {
                Life::Ended => continue,
                Life::Waiting if state.owner == STORE => steps.push(Step::Start(at)),
                Life::Paused | Life::Expired => steps.push(Step::Resume(at)),
                Life::Up | Life::Waiting => {}
            }
            if process.life == Life::Paused && state.faults.expiries > 0 {
                steps.push(Step::Expire(at));
            }
            if process.life == Life::Waiting {
                continue;
            }
            if state.faults.crashes > 0 {
                steps.push(Step::Crash(at));
            }
            if !process.listens() {
                continue;
            }
            if state.owner == STORE {
                steps.push(Step::Start(at));
            }
            if state.faults.pauses > 0 {
                steps.push(Step::Pause(at));
            }
            if process.epoch == 0 {
                continue;
            }
            steps.push(Step::SayAgain(at));
            if !process.frozen {
                let most = self.inputs.min(state.said + 1);
                steps.extend((state.told + 1..=most).map(|number| Step::Input { process: at, number }));
                if process.migration != 0 {
                    steps.push(Step::Freeze(at));
                }
            } else if !process.committing {
                steps.push(Step::Unfreeze(at));
            } else {
                if state.faults.aborts > 0 {
                    steps.push(Step::TakeBack(at));
                }
                if self.is(Naive::Thaw) {
                    steps.push(Step::Thaw(at));
                }
            }
        }
        if state.faults.crashes > 0 && state.known.is_some() {
            steps.push(Step::CentralCrash);
        }
        if state.owner != STORE {
            steps.extend([Step::FailOver, Step::Reconcile]);
            for target in 0..PROCESSES {
                if state.moves > 0 && state.processes[target].listens() && usize::from(state.owner) != target
                {
                    steps.push(Step::Begin { target });
                }
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
            Step::Input { process, number } => self.input(&mut state, process, number)?,
            Step::Begin { target } => {
                spend(&mut state.moves)?;
                let (id, to, target, epoch) = (state.next_id, state.owner, target as u8, state.epoch);
                state.next_id += 1;
                state.known = Some((id, to, target, epoch));
                state.net.send(Message::Migrate { to, id, target, epoch });
            }
            Step::Freeze(at) => {
                let process = &mut state.processes[at];
                process.frozen = true;
                let epoch = process.epoch;
                self.say_snapshot(&mut state, at);
                if self.is(Naive::NoCommit) {
                    state.processes[at].stop();
                    state.processes[at].seen = epoch;
                }
            }
            Step::SayAgain(at) => {
                let process = state.processes[at];
                match (process.frozen, process.committing) {
                    (_, true) => self.say_commit(&mut state, at, false),
                    (true, false) => self.say_snapshot(&mut state, at),
                    (false, false) => self.say_write(&mut state, at),
                }
            }
            Step::Unfreeze(at) => {
                let process = &mut state.processes[at];
                (process.frozen, process.migration) = (false, 0);
            }
            Step::TakeBack(at) => {
                spend(&mut state.faults.aborts)?;
                self.say_commit(&mut state, at, true);
            }
            Step::Thaw(at) => {
                let process = &mut state.processes[at];
                (process.frozen, process.committing, process.migration) = (false, false, 0);
            }
            Step::Crash(at) => {
                spend(&mut state.faults.crashes)?;
                let process = &mut state.processes[at];
                process.stop();
                (process.life, process.log, process.warm) = (Life::Ended, Row::default(), None);
            }
            Step::CentralCrash => {
                spend(&mut state.faults.crashes)?;
                state.known = None;
            }
            Step::Pause(at) => {
                spend(&mut state.faults.pauses)?;
                state.processes[at].life = Life::Paused;
            }
            Step::Expire(at) => {
                spend(&mut state.faults.expiries)?;
                state.processes[at].life = Life::Expired;
            }
            Step::Resume(at) => {
                let process = &mut state.processes[at];
                let expired = process.life == Life::Expired;
                process.life = if expired { Life::Ended } else { Life::Up };
                if expired {
                    process.stop();
                    (process.log, process.warm) = (Row::default(), None);
                }
            }
            Step::FailOver => {
                let life = state.processes[usize::from(state.owner)].life;
                if !matches!(life, Life::Ended | Life::Expired) {
                    return None;
                }
                let from = state.owner;
                state.change(&Change::Failover { from })?;
                state.known = None;
            }
            Step::Start(at) => {
                state.change(&Change::Grant { to: at as u8 })?;
                state.processes[at].life = Life::Up;
                state.grant();
            }
            Step::Reconcile => {
                let process = &state.processes[usize::from(state.owner)];
                if !process.listens() || process.epoch >= state.epoch {
                    return None;
                }
                state.grant();
            }
        }
        if self.naive.is_none() {
            let seen = state.clone();
            state.net.forget(|message| dead(&seen, message));
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one authority", |_, state: &State| state.running().count() <= 1),
            Property::always("authority has the current epoch", |_, state: &State| {
                state
                    .running()
                    .all(|(at, process)| usize::from(state.owner) == at && process.epoch == state.epoch)
            }),
            Property::always("told is durable", |_, state: &State| {
                (1..=state.told).all(|number| state.log.iter().any(|input| input == number))
            }),
            Property::always("each input once, in order", |_, state: &State| {
                let once = |log: Row| (1..).zip(log.iter()).all(|(number, input): (u8, u8)| number == input);
                once(state.log) && state.running().all(|(_, process)| once(process.log))
            }),
            Property::sometimes("all inputs and moves are done", |model: &Self, state: &State| {
                state.told == model.inputs && state.moves == 0 && state.owner != 0 && model.goal(state)
            }),
            Property::always("what runs extends what is durable", |_, state: &State| {
                state.running().all(|(_, process)| process.log.begins_with(state.log))
            }),
        ]
    }
}

/// Nobody listens to this any more, nor ever will.
fn dead(state: &State, message: &Message) -> bool {
    let of = |to: u8| &state.processes[usize::from(to)];
    match *message {
        Message::Migrate { to, epoch, .. } | Message::Written { to, epoch, .. } => {
            of(to).epoch != epoch && (of(to).seen >= epoch || of(to).life == Life::Ended)
        }
        Message::Committed { to, asked, .. }
        | Message::Aborted { to, asked, .. }
        | Message::Stale { to, asked, .. } => of(to).epoch != asked,
        Message::Grant { to, epoch, .. } => of(to).seen >= epoch || of(to).life == Life::Ended,
        Message::Write { from, epoch, .. } | Message::Commit { from, epoch, .. } => {
            state.epoch != epoch && of(from).epoch != epoch
        }
        Message::Ready { to, id } => of(to).life == Life::Ended || of(to).migration != id,
        Message::Snapshot { to, .. } | Message::Delta { to, .. } | Message::Final { to, .. } => {
            of(to).life == Life::Ended || of(to).epoch != 0
        }
    }
}

impl Protocol for Migration {
    fn fair(&self, step: &Step) -> bool {
        matches!(
            step,
            Step::Deliver(_)
                | Step::SayAgain(_)
                | Step::Unfreeze(_)
                | Step::Resume(_)
                | Step::FailOver
                | Step::Start(_)
                | Step::Reconcile
        )
    }

    fn goal(&self, state: &State) -> bool {
        state.running().any(|(at, process)| {
            usize::from(state.owner) == at
                && process.epoch == state.epoch
                && process.base == process.log.len()
        })
    }
}

/// The protocol within budgets, and what is simpler and wrong.
pub fn runs(deep: bool) -> Vec<Run> {
    let none = Faults::default();
    let plain = Migration { moves: 1, inputs: 1, faults: none, naive: None };
    let holds = |name: &str, model: Migration| Run::new(format!("migration: {name}"), Expect::Holds, model);
    let net = Faults { losses: 1, repeats: 1, ..none };
    let mut runs = vec![
        holds("2 inputs", Migration { inputs: 2, ..plain.clone() }),
        holds(
            "1 input, crash, loss",
            Migration { faults: Faults { crashes: 1, losses: 1, ..none }, ..plain.clone() },
        ),
        holds(
            "1 input, repeat, abort",
            Migration { faults: Faults { repeats: 1, aborts: 1, ..none }, ..plain.clone() },
        ),
        holds(
            "1 input, pause, lease",
            Migration { faults: Faults { pauses: 1, expiries: 1, ..none }, ..plain.clone() },
        ),
    ];
    if deep {
        runs.extend([
            holds(
                "2 inputs, abort",
                Migration { inputs: 2, faults: Faults { aborts: 1, ..none }, ..plain.clone() },
            ),
            holds(
                "1 input, crash, loss, repeat, abort",
                Migration { faults: Faults { crashes: 1, aborts: 1, ..net }, ..plain.clone() },
            ),
            holds(
                "2 inputs, crash",
                Migration { inputs: 2, faults: Faults { crashes: 1, ..none }, ..plain.clone() },
            ),
            holds(
                "2 moves, 1 input, crash",
                Migration { moves: 2, faults: Faults { crashes: 1, ..none }, ..plain.clone() },
            ),
        ]);
    }
    let naive = |name: &str, property, naive, model: Migration| {
        let model = Migration { naive: Some(naive), ..model };
        Run::new(format!("migration, {name}"), Expect::Breaks(property), model)
    };
    let crash = Migration { faults: Faults { crashes: 1, ..none }, ..plain.clone() };
    let two = Migration { inputs: 2, ..plain.clone() };
    runs.extend([
        naive("G1 no commit", "authority has the current epoch", Naive::NoCommit, plain.clone()),
        naive("G2 thaw when it takes long", "one authority", Naive::Thaw, plain.clone()),
        naive(
            "G3 a copy without a look",
            "what runs extends what is durable",
            Naive::WarmUnchecked,
            two.clone(),
        ),
        naive("G4 no numbers", "each input once, in order", Naive::NoNumbers, two),
        naive("G5 done before it is durable", "told is durable", Naive::ToldEarly, crash),
    ]);
    runs
}
