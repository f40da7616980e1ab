//! A player who walks over borders: several neighbours are prepared, the area commits by itself, and each of
//! his numbered inputs counts exactly once, wherever it is taken.
//!
//! A character's state is the list of the inputs that made it. A connection keeps the order of inputs; what
//! arrives where the character does not move is dropped, and said again by the client to whoever steers it.
//! What an owner's end costs is the handoff's model to say: here it ends the story.

use pangea_world::handoff::{Answer, Asked, Heard, Held, settle};
use pangea_world::id::TransferId;
use pangea_world::ownership::Owned;
use stateright::{Model, Property};

use crate::check::{Expect, Protocol, Run};
use crate::net::{Faults, Net, Row, spend};

const SERVERS: usize = 3;

/// Simpler than the protocol, and wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naive {
    /// The new owner counts inputs from the beginning.
    CountsAnew,
    /// Inputs are taken after the commit was said.
    TakesWhileFrozen,
    /// Any input is taken that is higher than the last.
    AnyHigher,
    /// The client says nothing again.
    NothingAgain,
    /// The client sends its inputs to the target as soon as it is connected there.
    SteersEarly,
}

/// The model: how much may happen.
#[derive(Debug, Clone)]
pub struct Crossing {
    prepared: u8,
    inputs: u8,
    faults: Faults,
    naive: Option<Naive>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Server {
    up: bool,
    /// Under which epoch it has the character; 0: it has not.
    epoch: u8,
    seen: u8,
    /// The inputs that made it what it is, and the highest that was taken.
    state: Row,
    acked: u8,
    /// The transfer about which central decides; 0: none.
    frozen: u8,
    target: u8,
    /// The transfer to each neighbour that is prepared, and under which epoch.
    prepared: [(u8, u8); SERVERS],
    /// Inputs on their way to it.
    inbox: Row,
}

/// A message between an area and central.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Message {
    Beside { to: u8, id: u8, target: u8, epoch: u8 },
    Commit { from: u8, id: u8, target: u8, epoch: u8, state: Row },
    Committed { to: u8, id: u8, asked: u8, epoch: u8 },
    Aborted { to: u8, id: u8, asked: u8, epoch: u8 },
    Stale { to: u8, id: u8, asked: u8 },
    Grant { to: u8, epoch: u8, state: Row },
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    owner: u8,
    epoch: u8,
    last: u8,
    /// As the owner before wrote it.
    record: Row,
    /// Prepared transfers: id, from, to, epoch.
    known: Vec<(u8, u8, u8, u8)>,
    servers: [Server; SERVERS],
    net: Net<Message>,
    /// What the client has said, what it knows to be taken, whom it steers at, and under which epoch.
    said: u8,
    taken: u8,
    steers: u8,
    heard: u8,
    next_id: u8,
    left: u8,
    faults: Faults,
    /// The owner has ended.
    over: bool,
}

/// What can happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    Deliver(Message),
    Lose(Message),
    Repeat(Message),
    /// The client walks.
    Say,
    /// An input arrives.
    Arrive(usize),
    /// The client hears from a server where its character moves.
    Hear(usize),
    Prepare(usize),
    Cross {
        from: usize,
        to: usize,
    },
    CommitAgain(usize),
    Reconcile,
    Crash(usize),
    CentralCrash,
}

fn id(n: u8) -> TransferId {
    TransferId([n; 16])
}

impl Server {
    fn moves(&self) -> bool {
        self.up && self.epoch != 0 && self.frozen == 0
    }

    fn held(&self) -> Held {
        Held { epoch: u64::from(self.epoch), frozen: (self.frozen != 0).then(|| id(self.frozen)) }
    }
}

impl Crossing {
    fn is(&self, naive: Naive) -> bool {
        self.naive == Some(naive)
    }

    fn say_commit(&self, state: &mut State, at: usize) {
        let Server { frozen, target, epoch, state: made, .. } = state.servers[at];
        state.net.send(Message::Commit { from: at as u8, id: frozen, target, epoch, state: made });
    }

    fn commit(&self, state: &mut State, message: Message) {
        let Message::Commit { from, id: transfer, target, epoch, state: made } = message else { return };
        let known = state.known.contains(&(transfer, from, target, epoch));
        let row = Owned {
            owner: Some(state.owner),
            epoch: u64::from(state.epoch),
            last: (state.last != 0).then(|| id(state.last)),
        };
        let asked = Asked { row, id: id(transfer), epoch: u64::from(epoch) };
        let settled = settle(&[asked], from, known.then_some(target)).remove(0);
        if let Some(row) = settled.row {
            state.owner = row.owner.unwrap_or(state.owner);
            (state.epoch, state.last, state.record) = (row.epoch as u8, transfer, made);
            state.known.clear();
            if state.owner != from {
                self.grant(state);
            }
        }
        let (to, id, asked) = (from, transfer, epoch);
        state.net.send(match settled.answer {
            Answer::Committed { epoch } => Message::Committed { to, id, asked, epoch: epoch as u8 },
            Answer::Aborted { epoch } => Message::Aborted { to, id, asked, epoch: epoch as u8 },
            Answer::Stale => Message::Stale { to, id, asked },
        });
    }

    fn grant(&self, state: &mut State) {
        state.net.send(Message::Grant { to: state.owner, epoch: state.epoch, state: state.record });
    }

    fn deliver(&self, state: &mut State, message: Message) {
        let (to, id, asked, answer) = match message {
            Message::Commit { .. } => return self.commit(state, message),
            Message::Beside { to, id, target, epoch } => {
                let server = &mut state.servers[usize::from(to)];
                if server.up && server.epoch == epoch {
                    server.prepared[usize::from(target)] = (id, epoch);
                }
                return;
            }
            Message::Grant { to, epoch, state: made } => {
                let server = &mut state.servers[usize::from(to)];
                if server.up && epoch > server.seen {
                    (server.epoch, server.seen, server.state, server.frozen) = (epoch, epoch, made, 0);
                    server.acked =
                        if self.is(Naive::CountsAnew) { 0 } else { made.iter().last().unwrap_or(0) };
                }
                return;
            }
            Message::Committed { to, id, asked, epoch } => {
                (to, id, asked, Answer::Committed { epoch: u64::from(epoch) })
            }
            Message::Aborted { to, id, asked, epoch } => {
                (to, id, asked, Answer::Aborted { epoch: u64::from(epoch) })
            }
            Message::Stale { to, id, asked } => (to, id, asked, Answer::Stale),
        };
        let server = &mut state.servers[usize::from(to)];
        let mut held = server.held();
        match held.hear(TransferId([id; 16]), u64::from(asked), answer) {
            Heard::Nothing => return,
            Heard::Gone { .. } | Heard::Lost => server.epoch = 0,
            Heard::Stays => (server.epoch, server.seen) = (held.epoch as u8, held.epoch as u8),
        }
        (server.frozen, server.prepared) = (0, [(0, 0); SERVERS]);
    }

    fn arrive(&self, state: &mut State, at: usize) -> Option<()> {
        let server = &mut state.servers[at];
        let number = server.inbox.iter().next()?;
        server.inbox = server.inbox.skip(1);
        let takes = server.moves() || (server.frozen != 0 && self.is(Naive::TakesWhileFrozen));
        // The next one and no other: a connection that is kept may still hold some of an earlier visit.
        let fits = number == server.acked + 1 || (number > server.acked && self.is(Naive::AnyHigher));
        if takes && fits {
            server.acked = number;
            server.state.push(number);
        }
        Some(())
    }

    /// The client learns under which epoch it steers where, and how far its inputs are.
    fn hear(&self, state: &mut State, at: usize) {
        let server = state.servers[at];
        if server.moves() && server.epoch > state.heard {
            let knew = usize::from(state.steers) == at && self.is(Naive::SteersEarly);
            (state.steers, state.heard) = (at as u8, server.epoch);
            if !knew && !self.is(Naive::NothingAgain) {
                (server.acked + 1..=state.said).for_each(|n| state.servers[at].inbox.push(n));
            }
        }
        if server.epoch == state.heard {
            state.taken = state.taken.max(server.acked);
        }
    }
}

impl Model for Crossing {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let server = |at: usize| Server {
            up: true,
            epoch: u8::from(at == 0),
            seen: u8::from(at == 0),
            state: Row::default(),
            acked: 0,
            frozen: 0,
            target: 0,
            prepared: [(0, 0); SERVERS],
            inbox: Row::default(),
        };
        vec![State {
            owner: 0,
            epoch: 1,
            last: 0,
            record: Row::default(),
            known: Vec::new(),
            servers: std::array::from_fn(server),
            net: Net::default(),
            said: 0,
            taken: 0,
            steers: 0,
            heard: 1,
            next_id: 1,
            left: self.prepared,
            faults: self.faults,
            over: false,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.over {
            return;
        }
        for message in state.net.iter() {
            steps.push(Step::Deliver(message));
            if state.faults.losses > 0 {
                steps.push(Step::Lose(message));
            }
            if state.faults.repeats > 0 {
                steps.push(Step::Repeat(message));
            }
        }
        if state.said < self.inputs {
            steps.push(Step::Say);
        }
        if state.faults.crashes > 0 && !state.known.is_empty() {
            steps.push(Step::CentralCrash);
        }
        steps.push(Step::Reconcile);
        for (at, server) in state.servers.iter().enumerate().filter(|(_, server)| server.up) {
            if !server.inbox.is_empty() {
                steps.push(Step::Arrive(at));
            }
            if server.epoch != 0 {
                steps.push(Step::Hear(at));
            }
            if server.moves() {
                let prepared = |to: &usize| server.prepared[*to].1 == server.epoch;
                steps.extend((0..SERVERS).filter(prepared).map(|to| Step::Cross { from: at, to }));
            }
            if server.frozen != 0 {
                steps.push(Step::CommitAgain(at));
            }
            if state.left > 0 && usize::from(state.owner) != at {
                steps.push(Step::Prepare(at));
            }
            if state.faults.crashes > 0 {
                steps.push(Step::Crash(at));
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
            Step::Say => {
                state.said += 1;
                state.servers[usize::from(state.steers)].inbox.push(state.said);
            }
            Step::Arrive(at) => self.arrive(&mut state, at)?,
            Step::Hear(at) => self.hear(&mut state, at),
            Step::Prepare(target) => {
                spend(&mut state.left)?;
                let (id, to, target, epoch) = (state.next_id, state.owner, target as u8, state.epoch);
                if state.known.iter().any(|known| known.2 == target) {
                    return None;
                }
                state.next_id += 1;
                state.known.push((id, to, target, epoch));
                state.known.sort_unstable();
                state.net.send(Message::Beside { to, id, target, epoch });
                if self.is(Naive::SteersEarly) {
                    state.steers = target;
                }
            }
            Step::Cross { from, to } => {
                let server = &mut state.servers[from];
                let (transfer, epoch) = server.prepared[to];
                let mut held = server.held();
                if !held.freeze(id(transfer), u64::from(epoch)) {
                    return None;
                }
                (server.frozen, server.target) = (transfer, to as u8);
                self.say_commit(&mut state, from);
            }
            Step::CommitAgain(at) => self.say_commit(&mut state, at),
            Step::Reconcile => {
                let server = state.servers[usize::from(state.owner)];
                if !server.up || server.epoch >= state.epoch || server.seen >= state.epoch {
                    return None;
                }
                self.grant(&mut state);
            }
            Step::Crash(at) => {
                spend(&mut state.faults.crashes)?;
                state.servers[at].up = false;
            }
            Step::CentralCrash => {
                spend(&mut state.faults.crashes)?;
                state.known.clear();
            }
        }
        state.over = !state.servers[usize::from(state.owner)].up;
        if self.naive.is_none() {
            let servers = state.servers;
            let epoch = state.epoch;
            state.net.forget(|message| dead(&servers, epoch, message));
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("it moves in one place", |_, state: &State| {
                state.over || state.servers.iter().filter(|server| server.moves()).count() <= 1
            }),
            Property::always("each input once, in order", |_, state: &State| {
                let once =
                    |made: Row| (1..).zip(made.iter()).all(|(number, input): (u8, u8)| number == input);
                state.over
                    || once(state.record) && state.servers.iter().filter(|s| s.moves()).all(|s| once(s.state))
            }),
            Property::always("what was taken stays taken", |_, state: &State| {
                let moving =
                    state.servers.iter().filter(|server| server.moves() && server.epoch == state.epoch);
                state.over || moving.clone().all(|server| server.state.len() >= state.taken)
            }),
            Property::sometimes("there and back, with every input", |model: &Self, state: &State| {
                let back = model.prepared < 2 || state.owner == 0;
                back && state.left == 0
                    && state.epoch > model.prepared
                    && state.said == model.inputs
                    && !state.over
                    && model.goal(state)
            }),
        ]
    }
}

/// Nobody listens to this any more, nor ever will.
fn dead(servers: &[Server; SERVERS], current: u8, message: &Message) -> bool {
    let of = |to: u8| &servers[usize::from(to)];
    match *message {
        Message::Beside { to, epoch, .. } => of(to).epoch != epoch && of(to).seen >= epoch,
        Message::Commit { from, epoch, .. } => of(from).epoch != epoch && current != epoch,
        Message::Committed { to, asked, .. }
        | Message::Aborted { to, asked, .. }
        | Message::Stale { to, asked, .. } => of(to).epoch != asked,
        Message::Grant { to, epoch, .. } => of(to).seen >= epoch,
    }
}

impl Protocol for Crossing {
    fn fair(&self, step: &Step) -> bool {
        matches!(
            step,
            Step::Deliver(_) | Step::Arrive(_) | Step::Hear(_) | Step::CommitAgain(_) | Step::Reconcile
        )
    }

    /// He steers where his character is, and every input is taken.
    fn goal(&self, state: &State) -> bool {
        let server = &state.servers[usize::from(state.owner)];
        let steers = state.steers == state.owner && state.heard == state.epoch;
        state.over || (server.moves() && server.epoch == state.epoch && steers && server.acked == state.said)
    }
}

/// The protocol within budgets, and what is simpler and wrong.
pub fn runs(deep: bool) -> Vec<Run> {
    let none = Faults::default();
    let plain = Crossing { prepared: 2, inputs: 1, faults: none, naive: None };
    let holds = |name: &str, model: Crossing| Run::new(format!("crossing: {name}"), Expect::Holds, model);
    let mut runs = vec![
        holds("2 inputs, 2 neighbours prepared", Crossing { inputs: 2, ..plain.clone() }),
        holds(
            "1 input, 2 neighbours prepared, crash, loss",
            Crossing { faults: Faults { crashes: 1, losses: 1, ..none }, ..plain.clone() },
        ),
    ];
    if deep {
        runs.push(holds(
            "1 input, 2 neighbours prepared, crash, loss, repeat",
            Crossing { faults: Faults { crashes: 1, losses: 1, repeats: 1, ..none }, ..plain.clone() },
        ));
        runs.push(holds(
            "2 inputs, 3 neighbours prepared, crash",
            Crossing { prepared: 3, inputs: 2, faults: Faults { crashes: 1, ..none }, ..plain.clone() },
        ));
    }
    let naive = |name: &str, expect, naive| {
        let model = Crossing { naive: Some(naive), inputs: 2, ..plain.clone() };
        Run::new(format!("crossing, {name}"), expect, model)
    };
    let once = Expect::Breaks("each input once, in order");
    runs.extend([
        naive("counted anew", once, Naive::CountsAnew),
        naive("any higher number", once, Naive::AnyHigher),
        naive("taken while frozen", Expect::Breaks("what was taken stays taken"), Naive::TakesWhileFrozen),
        naive("nothing said again", Expect::Stuck, Naive::NothingAgain),
        naive("steered early", Expect::Stuck, Naive::SteersEarly),
    ]);
    runs
}
