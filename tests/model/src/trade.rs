//! A trade between two characters of different area servers: both sides change in one transaction, under an
//! id that is decided once, whether it was done or not.
//!
//! The first character gives the second a coin. Each area server keeps what its character has, in memory and
//! by version; a character that trades does nothing else until it knows the result.

use stateright::{Model, Property};

use crate::check::{Expect, Protocol, Run};
use crate::net::{Faults, Net, spend};

const COINS: u8 = 4;

/// Simpler than the protocol, and wrong; but one, which holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naive {
    /// T0: each side is written by its own server.
    EachItself,
    /// T1: versions are not compared. It holds: a trade's id is decided once, and locked is locked.
    NoVersions,
    /// T2: a question about an unknown trade is answered «not done», and nothing is kept of it.
    NoTombstone,
    /// T3: neither trade ids nor versions are compared.
    NoId,
    /// T4: a result does not say which version it makes.
    ResultWithoutVersion,
}

/// The model: how much may happen.
#[derive(Debug, Clone)]
pub struct Trade {
    trades: u8,
    operations: u8,
    faults: Faults,
    naive: Option<Naive>,
}

/// A character as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Stored {
    epoch: u8,
    version: u8,
    coins: u8,
}

/// The same as its server has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Server {
    up: bool,
    epoch: u8,
    version: u8,
    coins: u8,
    /// An operation that is not acknowledged.
    pending: bool,
    /// The trade whose result it waits for; 0: none.
    locked: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Decided {
    Done([u8; 2]),
    Aborted,
}

/// A message; `side` is 0 for who gives, 1 for who gets; `(epoch, version)` as the server knew it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Message {
    Offer {
        id: u8,
        giver: (u8, u8),
    },
    Execute {
        id: u8,
        sides: [(u8, u8); 2],
    },
    Query {
        id: u8,
        side: u8,
    },
    Result {
        id: u8,
        side: u8,
        done: bool,
        version: u8,
    },
    Write {
        side: u8,
        epoch: u8,
        version: u8,
    },
    Written {
        side: u8,
        epoch: u8,
        version: u8,
    },
    /// Only in what is wrong: this side of the trade, written alone.
    WriteSide {
        id: u8,
        side: u8,
    },
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    rows: [Stored; 2],
    trades: [Option<Decided>; 3],
    /// How often each was done.
    times: [u8; 3],
    earned: u8,
    servers: [Server; 2],
    /// Of which trades somebody was told that they are done, and that they are not.
    told_done: u8,
    told_not: u8,
    net: Net<Message>,
    proposed: u8,
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
    Propose,
    /// No result for a while: asked for.
    Ask(usize),
    Earn(usize),
    WriteAgain(usize),
    Crash(usize),
    Restart(usize),
}

impl Server {
    fn load(row: Stored) -> Self {
        let Stored { epoch, version, coins } = row;
        Self { up: true, epoch, version, coins, pending: false, locked: 0 }
    }

    fn free(&self) -> bool {
        self.up && self.locked == 0 && !self.pending
    }
}

fn gives_or_gets(coins: u8, side: usize) -> u8 {
    if side == 0 { coins - 1 } else { coins + 1 }
}

impl Trade {
    fn is(&self, naive: Naive) -> bool {
        self.naive == Some(naive)
    }

    fn say_write(&self, state: &mut State, at: usize) {
        let Server { epoch, version, .. } = state.servers[at];
        state.net.send(Message::Write { side: at as u8, epoch, version });
    }

    fn say_results(&self, state: &mut State, id: u8) {
        let Some(decided) = state.trades[usize::from(id)] else { return };
        for side in 0..2 {
            let (done, version) = match decided {
                Decided::Done(versions) => (true, versions[side]),
                Decided::Aborted => (false, 0),
            };
            state.net.send(Message::Result { id, side: side as u8, done, version });
        }
    }

    fn execute(&self, state: &mut State, id: u8, sides: [(u8, u8); 2]) {
        let trade = usize::from(id);
        let known = state.trades[trade].is_some() && !self.is(Naive::NoId);
        if !known {
            let stands = |(row, side): (&Stored, (u8, u8))| {
                let version = row.version == side.1 || self.is(Naive::NoVersions);
                row.epoch == side.0 && version || self.is(Naive::NoId)
            };
            state.trades[trade] = Some(if state.rows.iter().zip(sides).all(stands) {
                state.times[trade] += 1;
                for (side, row) in state.rows.iter_mut().enumerate() {
                    row.version += 1;
                    row.coins = gives_or_gets(row.coins, side);
                }
                Decided::Done(state.rows.map(|row| row.version))
            } else {
                Decided::Aborted
            });
        }
        self.say_results(state, id);
    }

    fn deliver(&self, state: &mut State, message: Message) {
        match message {
            Message::Offer { id, giver } => {
                let server = &mut state.servers[1];
                if server.free() {
                    server.locked = id;
                    let sides = [giver, (server.epoch, server.version)];
                    if self.is(Naive::EachItself) {
                        (0..2).for_each(|side| state.net.send(Message::WriteSide { id, side }));
                    } else {
                        state.net.send(Message::Execute { id, sides });
                    }
                }
            }
            Message::Execute { id, sides } => self.execute(state, id, sides),
            Message::WriteSide { side, .. } => {
                let side = usize::from(side);
                state.rows[side].coins = gives_or_gets(state.rows[side].coins, side);
            }
            Message::Query { id, side } => {
                if state.trades[usize::from(id)].is_none() {
                    if self.is(Naive::NoTombstone) {
                        return state.net.send(Message::Result { id, side, done: false, version: 0 });
                    }
                    state.trades[usize::from(id)] = Some(Decided::Aborted);
                }
                self.say_results(state, id);
            }
            Message::Result { id, side, done, version } => {
                let side = usize::from(side);
                let server = &mut state.servers[side];
                if !server.up || server.locked != id {
                    return;
                }
                server.locked = 0;
                if done && (server.version + 1 == version || self.is(Naive::ResultWithoutVersion)) {
                    server.version += 1;
                    server.coins = gives_or_gets(server.coins, side);
                }
                *(if done { &mut state.told_done } else { &mut state.told_not }) |= 1 << id;
            }
            Message::Write { side, epoch, version } => {
                let row = &mut state.rows[usize::from(side)];
                if row.epoch != epoch {
                    return;
                }
                if row.version + 1 == version {
                    (row.version, row.coins) = (version, row.coins + 1);
                    state.earned += 1;
                }
                state.net.send(Message::Written { side, epoch, version });
            }
            Message::Written { side, epoch, version } => {
                let server = &mut state.servers[usize::from(side)];
                if server.up && server.epoch == epoch && server.version == version {
                    server.pending = false;
                }
            }
        }
    }
}

impl Model for Trade {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let row = Stored { epoch: 1, version: 0, coins: COINS };
        vec![State {
            rows: [row; 2],
            trades: [None; 3],
            times: [0; 3],
            earned: 0,
            servers: [Server::load(row); 2],
            told_done: 0,
            told_not: 0,
            net: Net::default(),
            proposed: 0,
            operations: self.operations,
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
        if state.proposed < self.trades && state.servers[0].free() {
            steps.push(Step::Propose);
        }
        for (at, server) in state.servers.iter().enumerate() {
            if !server.up {
                steps.push(Step::Restart(at));
                continue;
            }
            if state.faults.crashes > 0 {
                steps.push(Step::Crash(at));
            }
            if server.locked != 0 {
                steps.push(Step::Ask(at));
            }
            if server.pending {
                steps.push(Step::WriteAgain(at));
            }
            if server.free() && state.operations > 0 {
                steps.push(Step::Earn(at));
            }
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        match step {
            Step::Deliver(message) => {
                state.net.take(message);
                self.deliver(&mut state, message);
            }
            Step::Lose(message) => {
                spend(&mut state.faults.losses)?;
                state.net.take(message);
            }
            Step::Repeat(message) => {
                spend(&mut state.faults.repeats)?;
                self.deliver(&mut state, message);
            }
            Step::Propose => {
                state.proposed += 1;
                let (id, server) = (state.proposed, &mut state.servers[0]);
                server.locked = id;
                let giver = (server.epoch, server.version);
                state.net.send(Message::Offer { id, giver });
            }
            Step::Ask(at) => {
                let id = state.servers[at].locked;
                state.net.send(Message::Query { id, side: at as u8 });
            }
            Step::Earn(at) => {
                spend(&mut state.operations)?;
                let server = &mut state.servers[at];
                (server.version, server.coins, server.pending) = (server.version + 1, server.coins + 1, true);
                self.say_write(&mut state, at);
            }
            Step::WriteAgain(at) => self.say_write(&mut state, at),
            Step::Crash(at) => {
                spend(&mut state.faults.crashes)?;
                state.servers[at] = Server { up: false, ..Server::load(state.rows[at]) };
            }
            Step::Restart(at) => {
                state.rows[at].epoch += 1;
                state.servers[at] = Server::load(state.rows[at]);
            }
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("coins conserved", |_, state: &State| {
                state.rows[0].coins + state.rows[1].coins == 2 * COINS + state.earned
            }),
            Property::always("a trade once", |_, state: &State| state.times.iter().all(|times| *times <= 1)),
            Property::always("told is so", |_, state: &State| {
                (1..3).all(|id: usize| {
                    let (done, not) = (state.told_done >> id & 1 == 1, state.told_not >> id & 1 == 1);
                    (!done || state.times[id] == 1) && (!not || state.times[id] == 0)
                })
            }),
            Property::always("a server has what the store has", |_, state: &State| {
                state
                    .servers
                    .iter()
                    .zip(&state.rows)
                    .filter(|(server, _)| server.free())
                    .all(|(server, row)| server.coins == row.coins && server.version == row.version)
            }),
            Property::sometimes("all is traded and earned", |model: &Self, state: &State| {
                let traded: u8 = state.times.iter().sum();
                traded == model.trades && state.operations == 0 && model.goal(state)
            }),
        ]
    }
}

impl Protocol for Trade {
    fn fair(&self, step: &Step) -> bool {
        matches!(step, Step::Deliver(_) | Step::Ask(_) | Step::WriteAgain(_) | Step::Restart(_))
    }

    fn goal(&self, state: &State) -> bool {
        state.servers.iter().all(Server::free)
    }
}

/// The protocol within its budgets, and what is simpler and wrong.
pub fn runs() -> Vec<Run> {
    let none = Faults::default();
    let net = Faults { losses: 1, repeats: 1, ..none };
    let all = Faults { crashes: 1, ..net };
    let plain = Trade { trades: 1, operations: 1, faults: all, naive: None };
    let holds = |name: &str, model: Trade| Run::new(format!("trade: {name}"), Expect::Holds, model);
    let mut runs = vec![
        holds("1 trade, 1 operation, crash, loss, repeat", plain.clone()),
        holds("2 trades, loss, repeat", Trade { trades: 2, operations: 0, faults: net, ..plain.clone() }),
        holds(
            "T1 no versions, which holds",
            Trade { operations: 0, naive: Some(Naive::NoVersions), ..plain.clone() },
        ),
    ];
    let naive = |name: &str, property, naive| {
        let model = Trade { naive: Some(naive), operations: 0, ..plain.clone() };
        Run::new(format!("trade, {name}"), Expect::Breaks(property), model)
    };
    runs.extend([
        naive("T0 each side itself", "coins conserved", Naive::EachItself),
        naive("T2 no tombstone", "told is so", Naive::NoTombstone),
        naive("T3 neither id nor version", "a trade once", Naive::NoId),
        naive("T4 a result without version", "a server has what the store has", Naive::ResultWithoutVersion),
    ]);
    runs
}
