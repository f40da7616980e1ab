//! An area that is split: one half stays with its server, the other goes to a second server as an area of
//! its own, in one transaction under the area's epoch.
//!
//! A character stands in each half, and in the second lies a thing without a row that checkpoints keep.
//! Whoever reads a checkpoint takes what lies on its own ground; the new area begins with the checkpoint
//! that the commit brought.

use pangea_world::id::TransferId;
use pangea_world::ownership::{Change, Decision, Owned, decide};
use stateright::{Model, Property};

use crate::check::{Expect, Protocol, Run};
use crate::net::{Faults, Net, spend};

const SERVERS: usize = 4;
const STORE: u8 = u8::MAX;

/// Simpler than the protocol, and wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naive {
    /// The new area in one transaction, the characters in the next.
    TwoTransactions,
    /// The old area keeps its epoch.
    SameEpoch,
    /// A checkpoint is read without a look at the ground.
    WholeCheckpoint,
    /// A repeat is known by what the new area's row says, which may have changed since.
    NewAreaTells,
    /// Those go whom the server names, and no others.
    NamedOnly,
    /// The new area begins without a checkpoint.
    NoCheckpoint,
    /// The second half plays on when the answer takes long.
    Thaw,
}

/// The model: how much may happen.
#[derive(Debug, Clone)]
pub struct Split {
    faults: Faults,
    naive: Option<Naive>,
}

/// Who owns something: of an area a server, of a character an area (0 the old, 1 the new).
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
    /// Whether that is only the half, as far as it knows.
    half: bool,
    /// The epoch under which it has each character; 0: it does not have it.
    characters: [u8; 2],
    thing: bool,
    /// The second half is frozen for this split; 0: it is not.
    frozen: u8,
}

/// A message; `to` and `from` are servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Message {
    Begin {
        to: u8,
        id: u8,
        target: u8,
        epoch: u8,
    },
    Commit {
        from: u8,
        id: u8,
        target: u8,
        epoch: u8,
        character: u8,
        thing: bool,
        back: bool,
    },
    Committed {
        to: u8,
        id: u8,
        asked: u8,
        epoch: u8,
    },
    Aborted {
        to: u8,
        id: u8,
        asked: u8,
        epoch: u8,
    },
    Stale {
        to: u8,
        asked: u8,
    },
    /// An area, with what its checkpoint holds.
    Area {
        to: u8,
        area: u8,
        epoch: u8,
        half: bool,
        thing: bool,
    },
    Character {
        to: u8,
        area: u8,
        area_epoch: u8,
        character: u8,
        epoch: u8,
    },
    /// A checkpoint that holds the thing, or not.
    Save {
        from: u8,
        area: u8,
        epoch: u8,
        thing: bool,
    },
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    areas: [Stored; 2],
    characters: [Stored; 2],
    /// Whether the new area exists.
    split: bool,
    /// Whether each area's checkpoint holds the thing.
    saved: [bool; 2],
    /// What central knows of the split: id, target, epoch.
    known: Option<(u8, u8, u8)>,
    /// The characters are to follow, in a transaction of their own (only in what is wrong).
    follows: bool,
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
    SayAgain(usize),
    TakeBack(usize),
    Thaw(usize),
    Save(usize),
    Crash(usize),
    CentralCrash,
    FailOver(usize),
    Start { area: usize, server: usize },
    Enter(usize),
    Reconcile(usize),
    Follow,
}

fn id(n: u8) -> TransferId {
    TransferId([n; 16])
}

impl Stored {
    fn owned(&self) -> Owned<u8> {
        Owned {
            owner: (self.owner != STORE).then_some(self.owner),
            epoch: u64::from(self.epoch),
            last: (self.last != 0).then(|| id(self.last)),
        }
    }

    /// The row after this change, if it is possible.
    fn after(&self, transfer: u8, change: &Change<u8>) -> Option<Self> {
        let Ok(Decision::Apply(row)) = decide(&self.owned(), id(transfer), change) else { return None };
        let last = row.last.map_or(0, |last| last.0[0]);
        Some(Self { owner: row.owner.unwrap_or(STORE), epoch: row.epoch as u8, last })
    }

    fn change(&mut self, change: &Change<u8>) -> Option<()> {
        *self = self.after(0x80 | self.epoch, change)?;
        Some(())
    }
}

impl State {
    fn tell_area(&mut self, area: usize, naive: Option<Naive>) {
        let row = self.areas[area];
        let half = self.split;
        // On its own ground lies the thing only in the whole, or in the second half.
        let own_ground = area == 1 || !half || naive == Some(Naive::WholeCheckpoint);
        let thing = self.saved[area] && own_ground;
        self.net.send(Message::Area { to: row.owner, area: area as u8, epoch: row.epoch, half, thing });
    }

    fn tell_character(&mut self, character: usize) {
        let row = self.characters[character];
        let area = self.areas[usize::from(row.owner)];
        if area.owner != STORE {
            let (to, area_epoch) = (area.owner, area.epoch);
            let (area, character) = (row.owner, character as u8);
            self.net.send(Message::Character { to, area, area_epoch, character, epoch: row.epoch });
        }
    }

    /// The area on whose ground a character stands.
    fn ground_of(&self, character: usize) -> u8 {
        u8::from(self.split && character == 1)
    }

    fn plays(&self, character: usize) -> impl Iterator<Item = (usize, u8)> {
        self.servers.iter().enumerate().filter_map(move |(at, server)| {
            let moves = server.frozen == 0 || character == 0;
            (server.up && server.characters[character] != 0 && moves)
                .then_some((at, server.characters[character]))
        })
    }

    fn things(&self) -> usize {
        self.servers.iter().filter(|server| server.up && server.thing && server.frozen == 0).count()
    }
}

impl Split {
    fn is(&self, naive: Naive) -> bool {
        self.naive == Some(naive)
    }

    fn say_commit(&self, state: &mut State, at: usize, back: bool) {
        let server = state.servers[at];
        let Some((0, epoch)) = server.area else { return };
        let (from, id, character, thing) = (at as u8, server.frozen, server.characters[1], server.thing);
        state.net.send(Message::Commit { from, id, target: 1, epoch, character, thing, back });
    }

    fn commit(&self, state: &mut State, message: Message) {
        let Message::Commit { from, id: split, target, epoch, character, thing, back } = message else {
            return;
        };
        let (to, asked) = (from, epoch);
        let area = state.areas[0];
        if area.last == split {
            let epoch = area.epoch;
            let split_by_it = match self.is(Naive::NewAreaTells) {
                true => state.areas[1].last == split,
                false => state.split,
            };
            state.net.send(match split_by_it {
                true => Message::Committed { to, id: split, asked, epoch },
                false => Message::Aborted { to, id: split, asked, epoch },
            });
            return;
        }
        // The old area stays where it is, under the next epoch: with the split, or without.
        let stay = Change::Abort { from, epoch: u64::from(epoch) };
        let Some(stays) = area.after(split, &stay) else {
            return state.net.send(Message::Stale { to, asked });
        };
        let known = state.known == Some((split, target, epoch)) && !back;
        let begins = state.areas[1].after(split, &Change::Grant { to: target });
        let go = Change::Commit { from: 0, epoch: u64::from(character), to: 1 };
        // Whom the store has there decides, not whom the server knows of: somebody may be on the way in.
        let row = state.characters[1];
        let nobody = character == 0 && (row.owner != 0 || self.is(Naive::NamedOnly));
        let goes = if nobody { Some(row) } else { row.after(split, &go) };
        state.known = None;
        state.areas[0] = stays;
        if self.is(Naive::SameEpoch) {
            state.areas[0].epoch = area.epoch;
        }
        let epoch = state.areas[0].epoch;
        let (Some(begins), Some(goes), true) = (begins, goes, known) else {
            return state.net.send(Message::Aborted { to, id: split, asked, epoch });
        };
        (state.areas[1], state.split) = (begins, true);
        state.saved = [state.saved[0], thing && !self.is(Naive::NoCheckpoint)];
        if self.is(Naive::TwoTransactions) {
            state.follows = true;
        } else {
            state.characters[1] = goes;
        }
        // The thing itself came in the copy that was made before; here it comes with the grant.
        let (area_to, area_epoch) = (begins.owner, begins.epoch);
        state.net.send(Message::Area { to: area_to, area: 1, epoch: area_epoch, half: true, thing });
        if character != 0 && !self.is(Naive::TwoTransactions) {
            state.tell_character(1);
        }
        state.net.send(Message::Committed { to, id: split, asked, epoch });
    }

    fn deliver(&self, state: &mut State, message: Message) -> Option<()> {
        match message {
            Message::Commit { .. } => self.commit(state, message),
            Message::Save { from, area, epoch, thing } => {
                let at = usize::from(area);
                if state.areas[at].owner == from && state.areas[at].epoch == epoch {
                    state.saved[at] = thing;
                }
            }
            Message::Begin { to, .. }
            | Message::Committed { to, .. }
            | Message::Aborted { to, .. }
            | Message::Stale { to, .. }
            | Message::Area { to, .. }
            | Message::Character { to, .. } => {
                let mut server = state.servers[usize::from(to)];
                if !server.up {
                    return Some(());
                }
                self.hear(state, &mut server, usize::from(to), message);
            }
        }
        Some(())
    }

    fn hear(&self, state: &mut State, server: &mut Server, at: usize, message: Message) {
        let serves = |epoch: u8| server.area == Some((0, epoch));
        match message {
            Message::Begin { id, epoch, .. } if serves(epoch) && server.frozen == 0 && !server.half => {
                server.frozen = id;
                state.servers[at] = *server;
                return self.say_commit(state, at, false);
            }
            Message::Committed { id, asked, epoch, .. } if serves(asked) && server.frozen == id => {
                (server.area, server.half, server.frozen) = (Some((0, epoch)), true, 0);
                (server.characters[1], server.thing) = (0, false);
            }
            Message::Aborted { id, asked, epoch, .. } if serves(asked) && server.frozen == id => {
                (server.area, server.frozen) = (Some((0, epoch)), 0);
            }
            // Another serves it: this process ends.
            Message::Stale { asked, .. } if serves(asked) => server.up = false,
            Message::Area { area, epoch, half, thing, .. } if server.area.is_none_or(|(_, e)| e < epoch) => {
                let characters = [0; 2];
                *server = Server { up: true, area: Some((area, epoch)), half, characters, thing, frozen: 0 };
            }
            Message::Character { area, area_epoch, character, epoch, .. }
                if server.area == Some((area, area_epoch)) =>
            {
                let has = &mut server.characters[usize::from(character)];
                *has = (*has).max(epoch);
            }
            _ => {}
        }
        state.servers[at] = *server;
    }

    fn begin(&self, state: &mut State) -> Option<()> {
        if state.split || state.begun >= 2 || state.areas[0].owner == STORE || state.known.is_some() {
            return None;
        }
        state.begun += 1;
        let (to, epoch) = (state.areas[0].owner, state.areas[0].epoch);
        state.known = Some((state.begun, 1, epoch));
        state.net.send(Message::Begin { to, id: state.begun, target: 1, epoch });
        Some(())
    }
}

impl Model for Split {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let idle = Server { up: true, area: None, half: false, characters: [0; 2], thing: false, frozen: 0 };
        let mut servers = [idle; SERVERS];
        servers[0] = Server { area: Some((0, 1)), characters: [1; 2], thing: true, ..idle };
        let owned = Stored { owner: 0, epoch: 1, last: 0 };
        vec![State {
            areas: [owned, Stored { owner: STORE, epoch: 0, last: 0 }],
            characters: [owned; 2],
            split: false,
            saved: [true, false],
            known: None,
            follows: false,
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
        steps.extend([Step::Begin, Step::Follow]);
        if state.faults.crashes > 0 && state.known.is_some() {
            steps.push(Step::CentralCrash);
        }
        for (at, server) in state.servers.iter().enumerate().filter(|(_, server)| server.up) {
            if state.faults.crashes > 0 {
                steps.push(Step::Crash(at));
            }
            if server.frozen == 0 {
                steps.push(Step::Save(at));
                continue;
            }
            steps.push(Step::SayAgain(at));
            if state.faults.aborts > 0 {
                steps.push(Step::TakeBack(at));
            }
            if self.is(Naive::Thaw) {
                steps.push(Step::Thaw(at));
            }
        }
        for area in 0..2 {
            steps.extend([Step::FailOver(area), Step::Enter(area), Step::Reconcile(area)]);
            let exists = area == 0 || state.split;
            let idle = |at: &usize| {
                let owns = state.areas.iter().any(|area| usize::from(area.owner) == *at);
                state.servers[*at].up && state.servers[*at].area.is_none() && !owns
            };
            let free = (2..SERVERS).find(idle);
            if let Some(server) = free.filter(|_| exists && state.areas[area].owner == STORE) {
                steps.push(Step::Start { area, server });
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
            Step::Begin => self.begin(&mut state)?,
            Step::SayAgain(at) => self.say_commit(&mut state, at, false),
            Step::TakeBack(at) => {
                spend(&mut state.faults.aborts)?;
                self.say_commit(&mut state, at, true);
            }
            Step::Thaw(at) => state.servers[at].frozen = 0,
            Step::Save(at) => {
                let server = state.servers[at];
                let (area, epoch) = server.area?;
                if state.saved[usize::from(area)] == server.thing {
                    return None;
                }
                state.net.send(Message::Save { from: at as u8, area, epoch, thing: server.thing });
            }
            Step::Crash(at) => {
                spend(&mut state.faults.crashes)?;
                let server = &mut state.servers[at];
                *server = Server {
                    up: false,
                    area: None,
                    half: false,
                    characters: [0; 2],
                    thing: false,
                    frozen: 0,
                };
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
                let of_area = Change::Failover { from: area as u8 };
                for character in &mut state.characters {
                    let _ = character.change(&of_area);
                }
                state.known = state.known.filter(|_| area != 0);
            }
            Step::Start { area, server } => {
                state.areas[area].change(&Change::Grant { to: server as u8 })?;
                state.tell_area(area, self.naive);
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
            Step::Follow => {
                if !std::mem::take(&mut state.follows) {
                    return None;
                }
                let epoch = u64::from(state.characters[1].epoch);
                state.characters[1].change(&Change::Commit { from: 0, epoch, to: 1 })?;
                state.tell_character(1);
            }
        }
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
            Property::always("the thing is never twice", |_, state: &State| state.things() <= 1),
            Property::sometimes("it is split", |model: &Self, state: &State| {
                state.split && model.goal(state)
            }),
        ]
    }
}

impl Split {
    /// Tells an owner again what it does not host, as it reports.
    fn reconcile(&self, state: &mut State, n: usize) -> Option<()> {
        let area = state.areas[n];
        if area.owner != STORE {
            let server = state.servers[usize::from(area.owner)];
            if server.up && server.area != Some((n as u8, area.epoch)) && server.frozen == 0 {
                state.tell_area(n, self.naive);
                return Some(());
            }
        }
        let row = state.characters[n];
        let area = (row.owner != STORE).then(|| state.areas[usize::from(row.owner)])?;
        let server = (area.owner != STORE).then(|| state.servers[usize::from(area.owner)])?;
        let lacks = server.up && server.frozen == 0 && server.characters[n] != row.epoch;
        lacks.then(|| state.tell_character(n))
    }
}

impl Protocol for Split {
    fn fair(&self, step: &Step) -> bool {
        matches!(
            step,
            Step::Deliver(_)
                | Step::SayAgain(_)
                | Step::FailOver(_)
                | Step::Start { .. }
                | Step::Enter(_)
                | Step::Reconcile(_)
                | Step::Follow
        )
    }

    /// Everybody plays, and the thing is there.
    fn goal(&self, state: &State) -> bool {
        (0..2).all(|character| {
            let row = state.characters[character];
            state.plays(character).any(|(_, epoch)| epoch == row.epoch)
        }) && state.things() == 1
    }
}

/// The protocol within budgets, and what is simpler and wrong.
pub fn runs(deep: bool) -> Vec<Run> {
    let none = Faults::default();
    let net = Faults { losses: 1, repeats: 1, ..none };
    let holds =
        |name: &str, faults| Run::new(format!("split: {name}"), Expect::Holds, Split { faults, naive: None });
    let mut runs = vec![
        holds("loss, repeat, abort", Faults { aborts: 1, ..net }),
        holds("crash, abort", Faults { crashes: 1, aborts: 1, ..none }),
        holds("crash, loss", Faults { crashes: 1, losses: 1, ..none }),
    ];
    if deep {
        runs.push(holds("crash, loss, repeat, abort", Faults { crashes: 1, aborts: 1, ..net }));
        runs.push(holds("2 crashes", Faults { crashes: 2, ..none }));
    }
    let naive = |name: &str, expect, naive, faults| {
        Run::new(format!("split, {name}"), expect, Split { faults, naive: Some(naive) })
    };
    let breaks = Expect::Breaks;
    let crash = Faults { crashes: 1, ..none };
    runs.extend([
        naive(
            "two transactions",
            breaks("each character belongs to the area where it stands"),
            Naive::TwoTransactions,
            none,
        ),
        naive(
            "same epoch",
            breaks("one authority over each character"),
            Naive::SameEpoch,
            Faults { repeats: 1, aborts: 1, ..none },
        ),
        naive(
            "the new area's row tells",
            breaks("authority has the current epochs"),
            Naive::NewAreaTells,
            Faults { losses: 1, ..crash },
        ),
        naive(
            "those whom the server names",
            breaks("each character belongs to the area where it stands"),
            Naive::NamedOnly,
            crash,
        ),
        naive("a checkpoint read whole", breaks("the thing is never twice"), Naive::WholeCheckpoint, crash),
        naive("no checkpoint", Expect::Stuck, Naive::NoCheckpoint, crash),
        naive("thaw when it takes long", breaks("one authority over each character"), Naive::Thaw, none),
    ]);
    runs
}
