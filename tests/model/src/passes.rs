//! A creature that walks over borders, handed from area server to area server without a row in the store:
//! at a kill it may be lost; it is never there twice, nor after it died.
//!
//! Each server numbers its passes to a neighbour; the receiver keeps one number per sender's life, for as
//! long as that lives. A pass that is not acknowledged is said again on a new line to the same life of the
//! neighbour. If that life has ended it is lost: nobody can know whether it was taken, and handed on.

use stateright::{Model, Property};

use crate::check::{Expect, Protocol, Run};
use crate::net::spend;

const SERVERS: usize = 3;

/// Simpler than the protocol, and wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naive {
    /// Passed and forgotten: nobody waits for an acknowledgement.
    FireAndForget,
    /// Whatever arrives is taken.
    NoNumber,
    /// The number of a pass is remembered with the creature, and forgotten with it.
    NumberGoesWithIt,
    /// What was not acknowledged comes back to life when the neighbour's process has ended.
    Revive,
    /// The same already when the line breaks.
    ReviveAtBreak,
    /// What was not acknowledged is said to the neighbour's next life.
    NextLife,
    /// A checkpoint holds the creature, and is read without a question.
    FromCheckpoint,
}

/// The model: how much may happen.
#[derive(Debug, Clone)]
pub struct Passes {
    walks: u8,
    breaks: u8,
    crashes: u8,
    naive: Option<Naive>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Server {
    up: bool,
    life: u8,
    alive: bool,
    /// Whether its checkpoint holds the creature.
    saved: bool,
    to: [Neighbour; SERVERS],
}

/// What a server knows of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Neighbour {
    /// The life that the line leads to; 0: no line.
    line: u8,
    /// A pass that is not acknowledged: its number, and to which life.
    waiting: Option<(u8, u8)>,
    /// How many passes were said.
    said: u8,
    /// The last pass taken from it, and of which of its lives.
    taken: (u8, u8),
}

/// What goes over a line, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Message {
    Pass(u8),
    Taken(u8),
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    servers: [Server; SERVERS],
    /// What is under way, from, to.
    lines: [[Vec<Message>; SERVERS]; SERVERS],
    walks: u8,
    breaks: u8,
    crashes: u8,
    /// A kill has struck where the creature was, or was going: it may be lost.
    struck: bool,
    died: bool,
    doubled: bool,
}

/// What can happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    Deliver {
        from: usize,
        to: usize,
    },
    Walk {
        from: usize,
        to: usize,
    },
    Die(usize),
    Save(usize),
    /// One end takes the line for broken; the other notices later.
    Break {
        at: usize,
        other: usize,
    },
    Notice {
        at: usize,
        other: usize,
    },
    Connect(usize, usize),
    Crash(usize),
    Restart(usize),
    /// Whoever watches processes says that the neighbour's has ended.
    Ended {
        at: usize,
        other: usize,
    },
}

impl State {
    fn bear(&mut self, at: usize) {
        self.doubled |= std::mem::replace(&mut self.servers[at].alive, true);
    }

    fn say(&mut self, from: usize, to: usize, message: Message) {
        // What is written to a line that the other end has left goes nowhere.
        let (near, far) = (self.servers[from], self.servers[to]);
        if far.up && near.to[to].line == far.life && far.to[from].line == near.life {
            self.lines[from][to].push(message);
        }
    }
}

impl Passes {
    fn is(&self, naive: Naive) -> bool {
        self.naive == Some(naive)
    }

    fn deliver(&self, state: &mut State, from: usize, to: usize) -> Option<()> {
        if state.lines[from][to].is_empty() {
            return None;
        }
        let message = state.lines[from][to].remove(0);
        let known = &mut state.servers[to].to[from];
        match message {
            Message::Pass(number) => {
                if known.taken.1 != known.line {
                    known.taken = (0, known.line);
                }
                if number > known.taken.0 || self.is(Naive::NoNumber) {
                    known.taken.0 = number;
                    state.bear(to);
                }
                state.say(to, from, Message::Taken(number));
            }
            Message::Taken(number) => {
                known.waiting = known.waiting.filter(|(waiting, _)| *waiting != number);
            }
        }
        Some(())
    }

    /// It is gone from here: eaten, or on its way to a neighbour.
    fn leave(&self, state: &mut State, at: usize) {
        state.servers[at].alive = false;
        if self.is(Naive::NumberGoesWithIt) {
            state.servers[at].to.iter_mut().for_each(|neighbour| neighbour.taken = (0, 0));
        }
    }

    fn drop_line(&self, state: &mut State, at: usize, other: usize) {
        state.servers[at].to[other].line = 0;
        state.lines[other][at].clear();
        if self.is(Naive::ReviveAtBreak) && state.servers[at].to[other].waiting.take().is_some() {
            state.bear(at);
        }
    }

    fn ended(&self, state: &mut State, at: usize, other: usize) {
        let waited = state.servers[at].to[other].waiting.take();
        if waited.is_some() && self.is(Naive::Revive) {
            state.bear(at);
        } else {
            state.struck |= waited.is_some();
        }
    }

    fn connect(&self, state: &mut State, one: usize, other: usize) {
        state.lines[one][other].clear();
        state.lines[other][one].clear();
        for (at, far) in [(one, other), (other, one)] {
            let life = state.servers[far].life;
            state.servers[at].to[far].line = life;
        }
        for (at, far) in [(one, other), (other, one)] {
            let life = state.servers[far].life;
            match state.servers[at].to[far].waiting {
                Some((number, for_life)) if for_life == life || self.is(Naive::NextLife) => {
                    state.say(at, far, Message::Pass(number));
                }
                // Another life answers: the one before has ended.
                Some(_) => self.ended(state, at, far),
                None => {}
            }
        }
    }
}

impl Model for Passes {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let line = Neighbour { line: 1, ..Neighbour::default() };
        let server = Server { up: true, life: 1, alive: false, saved: false, to: [line; SERVERS] };
        let mut state = State {
            servers: [server; SERVERS],
            lines: Default::default(),
            walks: self.walks,
            breaks: self.breaks,
            crashes: self.crashes,
            struck: false,
            died: false,
            doubled: false,
        };
        state.servers[0].alive = true;
        vec![state]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for at in 0..SERVERS {
            let server = &state.servers[at];
            if !server.up {
                steps.push(Step::Restart(at));
            } else if state.crashes > 0 {
                steps.push(Step::Crash(at));
            }
            if server.alive {
                steps.push(Step::Die(at));
            }
            if self.is(Naive::FromCheckpoint) && server.up {
                steps.push(Step::Save(at));
            }
            for other in (0..SERVERS).filter(|other| *other != at) {
                let (line, far) = (server.to[other].line, &state.servers[other]);
                if far.up {
                    steps.push(Step::Deliver { from: at, to: other });
                }
                if server.alive && state.walks > 0 && line != 0 {
                    steps.push(Step::Walk { from: at, to: other });
                }
                if !server.up {
                    continue;
                }
                if line != 0 && state.breaks > 0 {
                    steps.push(Step::Break { at, other });
                }
                if line != 0 && (!far.up || far.life != line || far.to[at].line != server.life) {
                    steps.push(Step::Notice { at, other });
                }
                if at < other && line == 0 && far.up && far.to[at].line == 0 {
                    steps.push(Step::Connect(at, other));
                }
                if server.to[other].waiting.is_some_and(|(_, life)| !far.up || life != far.life) {
                    steps.push(Step::Ended { at, other });
                }
            }
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        match step {
            Step::Deliver { from, to } => self.deliver(&mut state, from, to)?,
            Step::Walk { from, to } => {
                spend(&mut state.walks)?;
                self.leave(&mut state, from);
                let neighbour = &mut state.servers[from].to[to];
                neighbour.said += 1;
                let number = neighbour.said;
                if !self.is(Naive::FireAndForget) {
                    neighbour.waiting = Some((number, neighbour.line));
                }
                state.say(from, to, Message::Pass(number));
            }
            Step::Die(at) => {
                self.leave(&mut state, at);
                state.died = true;
            }
            Step::Save(at) => state.servers[at].saved = state.servers[at].alive,
            Step::Break { at, other } => {
                spend(&mut state.breaks)?;
                self.drop_line(&mut state, at, other);
            }
            Step::Notice { at, other } => self.drop_line(&mut state, at, other),
            Step::Connect(one, other) => self.connect(&mut state, one, other),
            Step::Crash(at) => {
                spend(&mut state.crashes)?;
                let server = state.servers[at];
                let waits = |neighbour: &Neighbour| neighbour.waiting.is_some();
                state.struck |= server.alive
                    || server.to.iter().any(waits)
                    || state.servers.iter().any(|other| waits(&other.to[at]));
                let (life, saved, to) = (server.life, server.saved, Default::default());
                state.servers[at] = Server { up: false, life, alive: false, saved, to };
                // What it had sent may still arrive.
                (0..SERVERS).for_each(|other| state.lines[other][at].clear());
            }
            Step::Restart(at) => {
                let server = &mut state.servers[at];
                (server.up, server.life) = (true, server.life + 1);
                if server.saved {
                    state.bear(at);
                }
            }
            Step::Ended { at, other } => self.ended(&mut state, at, other),
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("never twice", |_, state: &State| {
                !state.doubled && state.servers.iter().filter(|server| server.alive).count() <= 1
            }),
            Property::always("dead is dead", |_, state: &State| {
                !state.died || state.servers.iter().all(|server| !server.alive)
            }),
            Property::sometimes("it walks through two borders", |model: &Self, state: &State| {
                state.servers[2].alive && state.walks + 2 == model.walks && model.goal(state)
            }),
        ]
    }
}

impl Protocol for Passes {
    fn fair(&self, step: &Step) -> bool {
        matches!(
            step,
            Step::Deliver { .. }
                | Step::Notice { .. }
                | Step::Connect(..)
                | Step::Restart(_)
                | Step::Ended { .. }
        )
    }

    /// It lives somewhere, or may be gone; and nobody waits.
    fn goal(&self, state: &State) -> bool {
        let waits = |server: &Server| server.to.iter().any(|neighbour| neighbour.waiting.is_some());
        let lives = state.servers.iter().any(|server| server.alive);
        (state.died || state.struck || lives) && !state.servers.iter().any(waits)
    }
}

/// The protocol within budgets, and what is simpler and wrong.
pub fn runs(deep: bool) -> Vec<Run> {
    let plain = Passes { walks: 2, breaks: 1, crashes: 1, naive: None };
    let mut runs =
        vec![Run::new("passes: 2 walks among 3 servers, break, crash", Expect::Holds, plain.clone())];
    if deep {
        let (walks, breaks, crashes) = (3, 2, 2);
        let model = Passes { walks, breaks, crashes, naive: None };
        runs.push(Run::new("passes: 3 walks among 3 servers, 2 breaks, 2 crashes", Expect::Holds, model));
    }
    let naive = |name: &str, expect, naive| {
        Run::new(format!("passes, {name}"), expect, Passes { naive: Some(naive), ..plain.clone() })
    };
    runs.extend([
        Run::new(
            "passes, fire and forget",
            Expect::Stuck,
            Passes { crashes: 0, naive: Some(Naive::FireAndForget), ..plain.clone() },
        ),
        naive("no number", Expect::Breaks("never twice"), Naive::NoNumber),
        naive("the number goes with it", Expect::Breaks("never twice"), Naive::NumberGoesWithIt),
        naive("back to life when the neighbour ended", Expect::Breaks("never twice"), Naive::Revive),
        naive("the same, as to what died", Expect::Breaks("dead is dead"), Naive::Revive),
        naive("back to life when the line breaks", Expect::Breaks("never twice"), Naive::ReviveAtBreak),
        naive("said to the next life", Expect::Breaks("never twice"), Naive::NextLife),
        naive("read from a checkpoint", Expect::Breaks("never twice"), Naive::FromCheckpoint),
    ]);
    runs
}
