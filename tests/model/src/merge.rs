//! Two areas that become one: both stand still, one transaction writes both, and the area that is kept goes on at a
//! third server, which was made ready for the larger ground; the other one is no more.
//!
//! A character stands in each, and on each ground lies a thing without a row that checkpoints keep. Central keeps in
//! memory who stands still; nothing is decided about one area before the other stands still too, and what was called
//! off is never decided: whoever is told so plays on under the epoch that it had.

use pangea_world::id::TransferId;
use pangea_world::ownership::{Change, Decision, Owned, decide};
use stateright::{Model, Property};

use crate::check::{Expect, Protocol, Run};
use crate::net::{Faults, Net, spend};

const SERVERS: usize = 5;
const STORE: u8 = u8::MAX;

/// Simpler than the protocol, and wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naive {
    /// Each area is written when it stands still.
    OneByOne,
    /// A repeat of either is known by the merge's id in the kept area's row, which may have changed since.
    RowTells,
    /// Those go whom the servers name, and no others.
    NamedOnly,
    /// The larger area begins with the checkpoint of the kept one.
    OwnCheckpoint,
    /// An area plays on when the answer takes long.
    Thaw,
    /// What was called off is decided all the same when both stand still.
    CalledOffCounts,
}

/// The model: how much may happen.
#[derive(Debug, Clone)]
pub struct Merge {
    faults: Faults,
    naive: Option<Naive>,
    /// How often it is begun.
    begins: u8,
}

/// Who owns something: of an area a server, of a character an area (0 the kept one, 1 the other).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Stored {
    owner: u8,
    epoch: u8,
    last: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Server {
    up: bool,
    /// The area that it serves, and its epoch.
    area: Option<(u8, u8)>,
    /// The epoch under which it has each character; 0: it does not have it.
    characters: [u8; 2],
    /// The things that are here, one bit each.
    things: u8,
    /// It stands still for this merge; 0: it does not.
    frozen: u8,
}

const IDLE: Server = Server { up: true, area: None, characters: [0; 2], things: 0, frozen: 0 };

/// What stands still, as its server says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Stands {
    /// The epoch of its character; 0: none.
    character: u8,
    things: u8,
}

/// What central knows of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Known {
    id: u8,
    target: u8,
    epochs: [u8; 2],
    stands: [Option<Stands>; 2],
}

/// A message; `to` and `from` are servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Message {
    Freeze { to: u8, area: u8, id: u8, epoch: u8 },
    MoveArea { from: u8, area: u8, id: u8, epoch: u8, character: u8, things: u8 },
    Moved { to: u8, area: u8, id: u8, done: bool },
    Area { to: u8, area: u8, epoch: u8, things: u8 },
    Character { to: u8, area: u8, area_epoch: u8, character: u8, epoch: u8 },
    Save { from: u8, area: u8, epoch: u8, things: u8 },
}

impl Message {
    fn to(&self) -> Option<usize> {
        match *self {
            Message::Freeze { to, .. }
            | Message::Moved { to, .. }
            | Message::Area { to, .. }
            | Message::Character { to, .. } => Some(usize::from(to)),
            Message::MoveArea { .. } | Message::Save { .. } => None,
        }
    }
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    areas: [Stored; 2],
    characters: [Stored; 2],
    /// Whether the kept area has the whole ground.
    larger: bool,
    /// Whether the other one is no more.
    merged: bool,
    /// The things in each area's checkpoint.
    saved: [u8; 2],
    known: Option<Known>,
    servers: [Server; SERVERS],
    net: Net<Message>,
    begun: u8,
    faults: Faults,
}

/// What can happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    Deliver(Message),
    Lose(Message),
    Repeat(Message),
    Begin,
    CallOff,
    FreezeAgain(usize),
    SayAgain(usize),
    Thaw(usize),
    Save(usize),
    Crash(usize),
    CentralCrash,
    FailOver(usize),
    Start { area: usize, server: usize },
    Enter(usize),
    Reconcile(usize),
}

fn id(n: u8) -> TransferId {
    TransferId([n; 16])
}

impl Stored {
    /// The row after this change, if it is possible.
    fn after(&self, transfer: u8, change: &Change<u8>) -> Option<Self> {
        let row = Owned {
            owner: (self.owner != STORE).then_some(self.owner),
            epoch: u64::from(self.epoch),
            last: (self.last != 0).then(|| id(self.last)),
        };
        let Ok(Decision::Apply(row)) = decide(&row, id(transfer), change) else { return None };
        let last = row.last.map_or(0, |last| last.0[0]);
        Some(Self { owner: row.owner.unwrap_or(STORE), epoch: row.epoch as u8, last })
    }

    fn change(&mut self, change: &Change<u8>) -> Option<()> {
        *self = self.after(0x80 | self.epoch, change)?;
        Some(())
    }
}

impl State {
    fn tell_area(&mut self, area: usize) {
        let row = self.areas[area];
        let things = self.saved[area];
        self.net.send(Message::Area { to: row.owner, area: area as u8, epoch: row.epoch, things });
    }

    fn tell_character(&mut self, character: usize) {
        let row = self.characters[character];
        let Some(area) = self.areas.get(usize::from(row.owner)).filter(|area| area.owner != STORE) else {
            return;
        };
        let (to, area_epoch, character) = (area.owner, area.epoch, character as u8);
        self.net.send(Message::Character { to, area: row.owner, area_epoch, character, epoch: row.epoch });
    }

    /// The area on whose ground a character stands.
    fn ground_of(&self, character: usize) -> u8 {
        u8::from(character == 1 && !self.larger)
    }

    fn plays(&self, character: usize) -> impl Iterator<Item = (usize, u8)> {
        self.servers.iter().enumerate().filter_map(move |(at, server)| {
            let has = server.characters[character];
            (server.up && has != 0 && server.frozen == 0).then_some((at, has))
        })
    }

    fn times(&self, thing: u8) -> usize {
        let here = |server: &&Server| server.up && server.frozen == 0 && server.things & thing != 0;
        self.servers.iter().filter(here).count()
    }

    fn freeze(&mut self, known: Known, area: usize) {
        let (to, epoch) = (self.areas[area].owner, known.epochs[area]);
        self.net.send(Message::Freeze { to, area: area as u8, id: known.id, epoch });
    }

    /// Nobody will hear of this merge any more but that it did not happen.
    fn call_off(&mut self, known: Known) {
        self.known = None;
        for area in 0..2 {
            self.tell_moved(area, known.id, false);
        }
    }

    fn tell_moved(&mut self, area: usize, id: u8, done: bool) {
        let to = self.areas[area].owner;
        if to != STORE {
            self.net.send(Message::Moved { to, area: area as u8, id, done });
        }
    }
}

impl Merge {
    fn is(&self, naive: Naive) -> bool {
        self.naive == Some(naive)
    }

    fn say(&self, state: &mut State, at: usize) {
        let Server { area, characters, things, frozen: id, .. } = state.servers[at];
        let Some((area, epoch)) = area else { return };
        let (from, character) = (at as u8, characters[usize::from(area)]);
        state.net.send(Message::MoveArea { from, area, id, epoch, character, things });
    }

    fn move_area(&self, state: &mut State, message: Message) {
        let Message::MoveArea { from, area, id, epoch, character, things } = message else { return };
        let at = usize::from(area);
        let row = state.areas[at];
        let done = match self.is(Naive::RowTells) {
            true => state.areas[0].last == id,
            false => row.owner != from || row.epoch != epoch,
        };
        let known = state.known.filter(|known| known.id == id && known.epochs[at] == epoch);
        let (Some(mut known), false) = (known, done) else {
            return state.net.send(Message::Moved { to: from, area, id, done });
        };
        known.stands[at] = Some(Stands { character, things });
        state.known = Some(known);
        if self.is(Naive::OneByOne) {
            self.one(state, known, at);
        } else if let [Some(kept), Some(other)] = known.stands {
            self.both(state, known, [kept, other]);
        }
    }

    /// The one transaction.
    fn both(&self, state: &mut State, known: Known, stands: [Stands; 2]) {
        let of = |n: usize| (state.areas[n].owner, u64::from(known.epochs[n]));
        let ((kept, kept_epoch), (other, other_epoch)) = (of(0), of(1));
        let goes = Change::Commit { from: kept, epoch: kept_epoch, to: known.target };
        let kept = state.areas[0].after(known.id, &goes);
        let other = state.areas[1].after(known.id, &Change::Release { from: other, epoch: other_epoch });
        let characters = [0, 1].map(|n| self.goes(state, known.id, n, stands[n].character));
        let (Some(kept), Some(other), [Some(one), Some(two)]) = (kept, other, characters) else {
            return state.call_off(known);
        };
        let all = stands[0].things | stands[1].things;
        let before = state.areas[1].owner;
        state.tell_moved(0, known.id, true);
        (state.areas, state.characters) = ([kept, other], [one, two]);
        (state.larger, state.merged, state.known) = (true, true, None);
        state.saved = [if self.is(Naive::OwnCheckpoint) { stands[0].things } else { all }, 0];
        state.net.send(Message::Moved { to: before, area: 1, id: known.id, done: true });
        let (to, epoch) = (kept.owner, kept.epoch);
        state.net.send(Message::Area { to, area: 0, epoch, things: all });
        (0..2).for_each(|character| state.tell_character(character));
    }

    /// A character's row afterwards: whom the store has there and no server names was on the way in, and enters anew.
    fn goes(&self, state: &State, id: u8, n: usize, named: u8) -> Option<Stored> {
        let row = state.characters[n];
        let (from, epoch) = (n as u8, u64::from(row.epoch));
        match named {
            0 if row.owner != from || self.is(Naive::NamedOnly) => Some(row),
            0 => row.after(id, &Change::Release { from, epoch }),
            named => row.after(id, &Change::Commit { from, epoch: u64::from(named), to: 0 }),
        }
    }

    /// As if each were a move of its own.
    fn one(&self, state: &mut State, known: Known, at: usize) {
        let (owner, epoch) = (state.areas[at].owner, u64::from(known.epochs[at]));
        let change = match at {
            0 => Change::Commit { from: owner, epoch, to: known.target },
            _ => Change::Release { from: owner, epoch },
        };
        let Some(row) = state.areas[at].after(known.id, &change) else { return state.call_off(known) };
        state.tell_moved(at, known.id, true);
        state.areas[at] = row;
        (state.larger, state.merged) = (state.larger | (at == 0), state.merged | (at == 1));
        if at == 0 {
            state.tell_area(0);
        }
    }

    fn deliver(&self, state: &mut State, message: Message) {
        match message {
            Message::MoveArea { .. } => self.move_area(state, message),
            Message::Save { from, area, epoch, things } => {
                let at = usize::from(area);
                if state.areas[at].owner == from && state.areas[at].epoch == epoch {
                    state.saved[at] = things;
                }
            }
            Message::Freeze { to, .. }
            | Message::Moved { to, .. }
            | Message::Area { to, .. }
            | Message::Character { to, .. } => {
                let at = usize::from(to);
                if state.servers[at].up {
                    self.hear(state, at, message);
                }
            }
        }
    }

    fn hear(&self, state: &mut State, at: usize, message: Message) {
        let mut server = state.servers[at];
        let mut says = false;
        match message {
            Message::Freeze { area, id, epoch, .. }
                if server.area == Some((area, epoch)) && server.frozen == 0 =>
            {
                (server.frozen, says) = (id, true);
            }
            // Another one has it: this process ends.
            Message::Moved { id, done: true, .. } if server.frozen == id => {
                server = Server { up: false, ..IDLE };
            }
            Message::Moved { id, done: false, .. } if server.frozen == id => server.frozen = 0,
            Message::Area { area, epoch, things, .. } if server.area.is_none_or(|(_, e)| e < epoch) => {
                server = Server { area: Some((area, epoch)), things, ..IDLE };
            }
            Message::Character { area, area_epoch, character, epoch, .. }
                if server.area == Some((area, area_epoch)) && server.frozen == 0 =>
            {
                let has = &mut server.characters[usize::from(character)];
                *has = (*has).max(epoch);
            }
            _ => {}
        }
        state.servers[at] = server;
        if says {
            self.say(state, at);
        }
    }

    fn begin(&self, state: &mut State) -> Option<()> {
        let owned = state.areas.iter().all(|area| area.owner != STORE);
        if state.larger || state.begun >= self.begins || !owned || state.known.is_some() {
            return None;
        }
        let target = idle(state)? as u8;
        state.begun += 1;
        let (id, epochs) = (state.begun, state.areas.map(|area| area.epoch));
        let known = Known { id, target, epochs, stands: [None; 2] };
        state.known = Some(known);
        (0..2).for_each(|area| state.freeze(known, area));
        Some(())
    }

    /// Tells an owner again what it does not host, as it reports.
    fn reconcile(&self, state: &mut State, n: usize) -> Option<()> {
        let area = state.areas[n];
        if let Some(server) = state.servers.get(usize::from(area.owner))
            && server.up
            && server.area != Some((n as u8, area.epoch))
            && server.frozen == 0
        {
            state.tell_area(n);
            return Some(());
        }
        let row = state.characters[n];
        let area = state.areas.get(usize::from(row.owner))?;
        let server = state.servers.get(usize::from(area.owner))?;
        let lacks = server.up && server.frozen == 0 && server.characters[n] != row.epoch;
        lacks.then(|| state.tell_character(n))
    }
}

/// A server that has nothing, and is meant for nothing.
fn idle(state: &State) -> Option<usize> {
    let meant = state.known.map(|known| usize::from(known.target));
    (0..SERVERS).find(|at| {
        let owns = state.areas.iter().any(|area| usize::from(area.owner) == *at);
        state.servers[*at].up && state.servers[*at].area.is_none() && !owns && meant != Some(*at)
    })
}

impl Model for Merge {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut servers = [IDLE; SERVERS];
        servers[0] = Server { area: Some((0, 1)), characters: [1, 0], things: 1, ..IDLE };
        servers[1] = Server { area: Some((1, 1)), characters: [0, 1], things: 2, ..IDLE };
        let owned = |owner| Stored { owner, epoch: 1, last: 0 };
        vec![State {
            areas: [owned(0), owned(1)],
            characters: [owned(0), owned(1)],
            larger: false,
            merged: false,
            saved: [1, 2],
            known: None,
            servers,
            net: Net::default(),
            begun: 0,
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
        steps.push(Step::Begin);
        if state.known.is_some() {
            steps.extend([Step::FreezeAgain(0), Step::FreezeAgain(1)]);
            if state.faults.aborts > 0 {
                steps.push(Step::CallOff);
            }
            if state.faults.crashes > 0 {
                steps.push(Step::CentralCrash);
            }
        }
        for (at, server) in state.servers.iter().enumerate().filter(|(_, server)| server.up) {
            if state.faults.crashes > 0 && (server.area.is_some() || state.known.is_some()) {
                steps.push(Step::Crash(at));
            }
            if server.frozen == 0 {
                steps.push(Step::Save(at));
                continue;
            }
            steps.push(Step::SayAgain(at));
            if self.is(Naive::Thaw) {
                steps.push(Step::Thaw(at));
            }
        }
        for area in 0..2 {
            steps.extend([Step::FailOver(area), Step::Enter(area), Step::Reconcile(area)]);
            let exists = area == 0 || !state.merged;
            if let Some(server) = idle(state).filter(|_| exists && state.areas[area].owner == STORE) {
                steps.push(Step::Start { area, server });
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
            Step::Begin => self.begin(&mut state)?,
            Step::CallOff => {
                spend(&mut state.faults.aborts)?;
                let known = state.known?;
                state.call_off(known);
                if self.is(Naive::CalledOffCounts) {
                    state.known = Some(known);
                }
            }
            Step::FreezeAgain(n) => {
                let known = state.known.filter(|known| known.stands[n].is_none())?;
                state.freeze(known, n);
            }
            Step::SayAgain(at) => self.say(&mut state, at),
            Step::Thaw(at) => state.servers[at].frozen = 0,
            Step::Save(at) => {
                let Server { area, things, .. } = state.servers[at];
                let (area, epoch) = area?;
                if state.saved[usize::from(area)] == things {
                    return None;
                }
                state.net.send(Message::Save { from: at as u8, area, epoch, things });
            }
            Step::Crash(at) => {
                spend(&mut state.faults.crashes)?;
                state.servers[at] = Server { up: false, ..IDLE };
            }
            Step::CentralCrash => {
                spend(&mut state.faults.crashes)?;
                state.known = None;
            }
            Step::FailOver(area) => {
                let from = state.areas[area].owner;
                if from == STORE || state.servers[usize::from(from)].up {
                    return None;
                }
                state.areas[area].change(&Change::Failover { from })?;
                for character in &mut state.characters {
                    let _ = character.change(&Change::Failover { from: area as u8 });
                }
                if let Some(known) = state.known {
                    state.call_off(known);
                }
            }
            Step::Start { area, server } => {
                state.areas[area].change(&Change::Grant { to: server as u8 })?;
                state.tell_area(area);
            }
            Step::Enter(character) => {
                let to = state.ground_of(character);
                if state.areas[usize::from(to)].owner == STORE {
                    return None;
                }
                state.characters[character].change(&Change::Grant { to })?;
                state.tell_character(character);
            }
            Step::Reconcile(n) => self.reconcile(&mut state, n)?,
        }
        let servers = state.servers;
        // Who has ended hears nothing any more.
        state.net.forget(|message| message.to().is_some_and(|to| !servers[to].up));
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one authority over each character", |_, state: &State| {
                (0..2).all(|character| state.plays(character).count() <= 1)
            }),
            Property::always("authority has the current epochs", |_, state: &State| {
                (0..2).all(|character| {
                    let row = state.characters[character];
                    state.plays(character).all(|(at, epoch)| {
                        let area = state.areas.get(usize::from(row.owner));
                        epoch == row.epoch && area.is_some_and(|area| usize::from(area.owner) == at)
                    })
                })
            }),
            Property::always("each character belongs to the area where it stands", |_, state: &State| {
                (0..2).all(|c| [STORE, state.ground_of(c)].contains(&state.characters[c].owner))
            }),
            Property::always("each thing is never twice", |_, state: &State| {
                state.times(1) <= 1 && state.times(2) <= 1
            }),
            Property::sometimes("they are one", |model: &Self, state: &State| {
                state.merged && model.goal(state)
            }),
        ]
    }
}

impl Protocol for Merge {
    fn fair(&self, step: &Step) -> bool {
        matches!(
            step,
            Step::Deliver(_)
                | Step::FreezeAgain(_)
                | Step::SayAgain(_)
                | Step::FailOver(_)
                | Step::Start { .. }
                | Step::Enter(_)
                | Step::Reconcile(_)
        )
    }

    /// Everybody plays, and both things are there.
    fn goal(&self, state: &State) -> bool {
        (0..2).all(|character| {
            let row = state.characters[character];
            state.plays(character).any(|(_, epoch)| epoch == row.epoch)
        }) && state.times(1) == 1
            && state.times(2) == 1
    }
}

/// The protocol within budgets, and what is simpler and wrong.
pub fn runs(deep: bool) -> Vec<Run> {
    let none = Faults::default();
    let net = Faults { losses: 1, repeats: 1, ..none };
    let holds = |name: &str, faults, begins| {
        Run::new(format!("merge: {name}"), Expect::Holds, Merge { faults, naive: None, begins })
    };
    let mut runs = vec![
        holds("loss, repeat", net, 1),
        holds("2 begun, abort", Faults { aborts: 1, ..none }, 2),
        holds("crash", Faults { crashes: 1, ..none }, 1),
    ];
    if deep {
        runs.push(holds("2 begun, loss, repeat, abort", Faults { aborts: 1, ..net }, 2));
        runs.push(holds("2 begun, crash, abort", Faults { crashes: 1, aborts: 1, ..none }, 2));
        runs.push(holds("crash, loss, repeat", Faults { crashes: 1, ..net }, 1));
        runs.push(holds("2 crashes", Faults { crashes: 2, ..none }, 1));
    }
    let naive = |name: &str, expect, naive, faults| {
        Run::new(format!("merge, {name}"), expect, Merge { faults, naive: Some(naive), begins: 1 })
    };
    let breaks = Expect::Breaks;
    let crash = Faults { crashes: 1, ..none };
    runs.extend([
        naive(
            "one by one",
            breaks("each character belongs to the area where it stands"),
            Naive::OneByOne,
            none,
        ),
        naive(
            "the kept area's row tells",
            breaks("authority has the current epochs"),
            Naive::RowTells,
            Faults { losses: 1, ..crash },
        ),
        naive(
            "those whom the servers name",
            breaks("each character belongs to the area where it stands"),
            Naive::NamedOnly,
            crash,
        ),
        naive("the kept area's checkpoint", Expect::Stuck, Naive::OwnCheckpoint, crash),
        naive("thaw when it takes long", breaks("one authority over each character"), Naive::Thaw, none),
        naive(
            "what was called off counts",
            breaks("one authority over each character"),
            Naive::CalledOffCounts,
            Faults { aborts: 1, ..none },
        ),
    ]);
    runs
}
