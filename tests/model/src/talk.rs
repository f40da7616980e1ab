//! What is said in a durable channel (docs/chat.md): a sender, a chat that can crash, and a listener who goes from
//! one area server to another meanwhile. What is said is heard once and in order by all, and what was answered is
//! never lost.
//!
//! Chat's log and the listener are `pangea_world::chat::Log`, as in the servers. Messages may arrive in any order;
//! a lost one, and a chat that is there again, is noticed: the link behind it begins anew.

use pangea_world::chat::Log;
use pangea_world::messages::Line;
use stateright::{Model, Property};

use crate::check::{Expect, Protocol, Run};
use crate::net::{Net, Row, spend};

/// Area servers.
const AREAS: u8 = 2;

/// Simpler than the protocol, and wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naive {
    /// C1: a post is not known by its sender's number; what is said again is another line.
    NoSenderNumber,
    /// C2: the sender is answered before the line is written.
    AnsweredEarly,
    /// C3: the listener shows whatever comes.
    NoNumber,
    /// C4: the next area server listens from now on, and asks for nothing that came before.
    NoResume,
    /// Listeners are told before the line is written.
    ToldEarly,
}

/// The model: how much may happen.
#[derive(Debug, Clone)]
pub struct Talk {
    lines: u8,
    moves: u8,
    crashes: u8,
    losses: u8,
    repeats: u8,
    naive: Option<Naive>,
}

/// What goes over links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Message {
    /// A sender's line, by its own number.
    Post(u8),
    /// It is said.
    Posted(u8),
    /// An area server listens for somebody who has heard the lines up to this one.
    Listen { area: u8, heard: u8 },
    /// A line with its number in the log.
    Line { area: u8, seq: u8, id: u8 },
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    net: Net<Message>,
    /// How many lines were said, from 1 on, and which of them were answered, as bits.
    said: u8,
    answered: u8,
    up: bool,
    /// The sender's numbers, in the order of the log: what is in chat's file, and what waits to be written.
    written: Row,
    waiting: Row,
    /// Who listens, as bits; in chat's memory.
    listen: u8,
    /// Where the listener is, what it has shown, and whether its server has to say how far it has heard.
    at: u8,
    shown: Row,
    asks: bool,
    moves: u8,
    crashes: u8,
    losses: u8,
    repeats: u8,
}

/// What can happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    Say,
    /// A sender who has no answer says it again.
    SayAgain(u8),
    Deliver(DeliverOf),
    Repeat(DeliverOf),
    Lose(DeliverOf),
    /// Chat's file has what waited.
    Write,
    Ask,
    Move,
    Crash,
    Restart,
}

/// A message, hidden from those who only watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliverOf(Message);

/// A line as the servers have it.
fn line(seq: u8, id: u8) -> Line {
    Line { seq: u64::from(seq), sender: vec![1], id: u64::from(id), ..Line::default() }
}

/// The log that these lines are.
fn log(lines: impl Iterator<Item = u8>) -> Log {
    let mut log = Log::new(1, 0);
    for (seq, id) in (1..).zip(lines) {
        log.push(line(seq, id));
    }
    log
}

impl Talk {
    fn is(&self, naive: Naive) -> bool {
        self.naive == Some(naive)
    }

    fn deliver(&self, state: &mut State, message: Message) {
        match message {
            Message::Post(id) if state.up => self.post(state, id),
            Message::Listen { area, heard } if state.up => self.listen(state, area, heard),
            Message::Line { area, seq, id } if area == state.at => self.hear(state, seq, id),
            Message::Posted(id) => state.answered |= 1 << id,
            Message::Post(_) | Message::Listen { .. } | Message::Line { .. } => {}
        }
    }

    fn post(&self, state: &mut State, id: u8) {
        let mut known = log(state.written.iter().chain(state.waiting.iter()));
        let seq = match known.append(line(0, id)) {
            Err(seq) if !self.is(Naive::NoSenderNumber) => {
                // One that waits is answered when it is written.
                if seq <= u64::from(state.written.len()) {
                    state.net.send(Message::Posted(id));
                }
                return;
            }
            Err(_) => state.written.len() + state.waiting.len() + 1,
            Ok(line) => line.seq as u8,
        };
        state.waiting.push(id);
        if self.is(Naive::AnsweredEarly) {
            state.net.send(Message::Posted(id));
        }
        if self.is(Naive::ToldEarly) {
            self.tell(state, seq, id);
        }
    }

    fn tell(&self, state: &mut State, seq: u8, id: u8) {
        for area in (0..AREAS).filter(|area| state.listen & (1 << area) != 0) {
            state.net.send(Message::Line { area, seq, id });
        }
    }

    fn listen(&self, state: &mut State, area: u8, heard: u8) {
        state.listen |= 1 << area;
        if let Some(missed) = log(state.written.iter()).after(u64::from(heard)) {
            for line in missed {
                state.net.send(Message::Line { area, seq: line.seq as u8, id: line.id as u8 });
            }
        }
    }

    fn hear(&self, state: &mut State, seq: u8, id: u8) {
        let mut heard = log(state.shown.iter());
        if heard.push(line(seq, id)) || self.is(Naive::NoNumber) {
            // More than can be shown rightly: that is wrong already.
            if state.shown.len() < 15 {
                state.shown.push(id);
            }
        } else if u64::from(seq) > heard.last() {
            state.asks = true;
        }
    }

    fn write(&self, state: &mut State) {
        let waiting = std::mem::take(&mut state.waiting);
        for id in waiting.iter() {
            state.written.push(id);
            self.tell(state, state.written.len(), id);
            state.net.send(Message::Posted(id));
        }
    }

    fn heard(&self, state: &State) -> u8 {
        // Without a resume the new server listens as if all had been heard.
        if self.is(Naive::NoResume) && state.moves < self.moves { 15 } else { state.shown.len() }
    }
}

impl Model for Talk {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            net: Net::default(),
            said: 0,
            answered: 0,
            up: true,
            written: Row::default(),
            waiting: Row::default(),
            listen: 0,
            at: 0,
            shown: Row::default(),
            asks: true,
            moves: self.moves,
            crashes: self.crashes,
            losses: self.losses,
            repeats: self.repeats,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.said < self.lines {
            steps.push(Step::Say);
        }
        steps.extend((1..=state.said).filter(|id| state.answered & (1 << id) == 0).map(Step::SayAgain));
        for message in state.net.iter().map(DeliverOf) {
            steps.push(Step::Deliver(message));
            if state.repeats > 0 {
                steps.push(Step::Repeat(message));
            }
            if state.losses > 0 {
                steps.push(Step::Lose(message));
            }
        }
        if state.up && !state.waiting.is_empty() {
            steps.push(Step::Write);
        }
        if state.up && state.asks {
            steps.push(Step::Ask);
        }
        if state.moves > 0 {
            steps.push(Step::Move);
        }
        match state.up {
            true if state.crashes > 0 => steps.push(Step::Crash),
            true => {}
            false => steps.push(Step::Restart),
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        match step {
            Step::Say => {
                state.said += 1;
                state.net.send(Message::Post(state.said));
            }
            Step::SayAgain(id) => state.net.send(Message::Post(id)),
            Step::Deliver(DeliverOf(message)) => {
                state.net.take(message);
                self.deliver(&mut state, message);
            }
            Step::Repeat(DeliverOf(message)) => {
                spend(&mut state.repeats)?;
                self.deliver(&mut state, message);
            }
            Step::Lose(DeliverOf(message)) => {
                spend(&mut state.losses)?;
                state.net.take(message);
                state.asks = true;
            }
            Step::Write => self.write(&mut state),
            Step::Ask => {
                state.asks = false;
                let (area, heard) = (state.at, self.heard(&state));
                state.net.send(Message::Listen { area, heard });
            }
            Step::Move => {
                spend(&mut state.moves)?;
                state.at = (state.at + 1) % AREAS;
                state.asks = true;
            }
            Step::Crash => {
                spend(&mut state.crashes)?;
                (state.up, state.waiting, state.listen) = (false, Row::default(), 0);
            }
            Step::Restart => (state.up, state.asks) = (true, true),
        }
        // Nobody is there to hear it, or ever will be.
        let (at, stays) = (state.at, state.moves == 0);
        state.net.forget(|message| matches!(message, Message::Line { area, .. } if stays && *area != at));
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("shown as it is written", |_, state: &State| {
                state.written.begins_with(state.shown) && state.written.len() >= state.shown.len()
            }),
            Property::always("said once", |_, state: &State| {
                (1..=state.said).all(|id| state.written.iter().filter(|written| *written == id).count() <= 1)
            }),
            Property::always("what was answered is not lost", |_, state: &State| {
                let kept = |id: u8| state.written.iter().chain(state.waiting.iter()).any(|kept| kept == id);
                (1..=state.said).all(|id| state.answered & (1 << id) == 0 || kept(id))
            }),
            Property::sometimes("all is heard after every move and crash", |model: &Self, state: &State| {
                state.said == model.lines && state.moves == 0 && state.crashes == 0 && model.goal(state)
            }),
        ]
    }
}

impl Protocol for Talk {
    fn fair(&self, step: &Step) -> bool {
        matches!(step, Step::SayAgain(_) | Step::Deliver(_) | Step::Write | Step::Ask | Step::Restart)
    }

    /// All that was said is answered, and shown.
    fn goal(&self, state: &State) -> bool {
        (1..=state.said).all(|id| state.answered & (1 << id) != 0) && state.shown.len() == state.said
    }
}

/// The protocol within budgets, and what is simpler and wrong.
pub fn runs(deep: bool) -> Vec<Run> {
    let plain = Talk { lines: 2, moves: 1, crashes: 1, losses: 1, repeats: 1, naive: None };
    let mut runs = vec![Run::new("talk: 2 lines, a move, crash, loss, repeat", Expect::Holds, plain.clone())];
    if deep {
        let model = Talk { moves: 2, ..plain.clone() };
        runs.push(Run::new("talk: 2 lines, 2 moves, crash, loss, repeat", Expect::Holds, model));
        let model = Talk { lines: 3, repeats: 0, ..plain.clone() };
        runs.push(Run::new("talk: 3 lines, a move, crash, loss", Expect::Holds, model));
    }
    let naive = |name: &str, expect, naive| {
        Run::new(format!("talk, {name}"), expect, Talk { naive: Some(naive), ..plain.clone() })
    };
    runs.extend([
        naive("no sender's number", Expect::Breaks("said once"), Naive::NoSenderNumber),
        naive("answered early", Expect::Breaks("what was answered is not lost"), Naive::AnsweredEarly),
        naive("no number", Expect::Breaks("shown as it is written"), Naive::NoNumber),
        naive("no resume", Expect::Stuck, Naive::NoResume),
        naive("told early", Expect::Breaks("shown as it is written"), Naive::ToldEarly),
    ]);
    runs
}
