//! What there is in the model of handoffs: rows, processes, messages, steps.

use pangea_world::handoff::Held;
use pangea_world::id::TransferId;
use pangea_world::ownership::{Change, Decision, Owned, decide};

use crate::net::{Faults, Net, Row};

pub const CHARACTERS: usize = 2;
pub const AREAS: usize = 3;
pub const ITEMS: u8 = 3;
pub const STORE: u8 = u8::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stored {
    pub owner: u8,
    pub epoch: u8,
    pub last: u8,
    pub items: u8,
    /// Operations in the order in which they were applied; their number is the version.
    pub log: Row,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Copied {
    pub epoch: u8,
    /// The transfer about which central decides; 0: none.
    pub frozen: u8,
    pub target: u8,
    pub items: u8,
    /// The version that central has acknowledged, and what came after.
    pub base: u8,
    pub tail: Row,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    Up,
    Paused,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Process {
    pub life: Life,
    pub incarnation: u8,
    /// Its lease has run out while it stood still.
    pub expired: bool,
    pub copies: [Option<Copied>; CHARACTERS],
    /// The highest epoch seen of each character.
    pub seen: [u8; CHARACTERS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Transfer {
    pub id: u8,
    pub from: u8,
    pub target: u8,
    pub epochs: [u8; CHARACTERS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Half {
    Both,
    Character,
    Ground,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Load {
    pub items: u8,
    pub base: u8,
    pub tail: Row,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Said {
    Committed(u8),
    Aborted(u8),
    Stale,
}

/// A message; `who` is the area's number and incarnation, epoch 0 means «not in this transfer».
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Message {
    Registered {
        who: (u8, u8),
    },
    Write {
        who: (u8, u8),
        character: u8,
        epoch: u8,
        load: Load,
        half: Half,
    },
    Written {
        who: (u8, u8),
        character: u8,
        epoch: u8,
        version: u8,
    },
    Refused {
        who: (u8, u8),
        character: u8,
        epoch: u8,
    },
    Seal {
        who: (u8, u8),
        id: u8,
        target: u8,
        epochs: [u8; CHARACTERS],
    },
    Commit {
        who: (u8, u8),
        id: u8,
        target: u8,
        epochs: [u8; CHARACTERS],
        loads: [Option<Load>; CHARACTERS],
        back: bool,
    },
    Answered {
        who: (u8, u8),
        id: u8,
        asked: [u8; CHARACTERS],
        said: [Option<Said>; CHARACTERS],
    },
    Grant {
        who: (u8, u8),
        character: u8,
        epoch: u8,
        items: u8,
        version: u8,
    },
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub rows: [Stored; CHARACTERS],
    pub ground: u8,
    /// The incarnation of each area that central knows.
    pub known: [u8; AREAS],
    pub transfers: Vec<Transfer>,
    pub processes: [Process; AREAS],
    pub net: Net<Message>,
    /// Operations of which the player was told that they are done, as bits.
    pub told: u16,
    pub next_operation: u8,
    pub next_transfer: u8,
    pub moves: u8,
    pub operations: u8,
    pub faults: Faults,
}

/// What can happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
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

pub fn id(n: u8) -> TransferId {
    TransferId([n; 16])
}

/// The id of a change that central makes by itself: as good as drawn, since no epoch comes twice.
pub fn own_id(epoch: u8) -> u8 {
    0x80 | (epoch + 1)
}

impl Stored {
    pub fn owned(&self) -> Owned<u8> {
        Owned {
            owner: (self.owner != STORE).then_some(self.owner),
            epoch: u64::from(self.epoch),
            last: (self.last != 0).then(|| id(self.last)),
        }
    }

    pub fn set(&mut self, row: &Owned<u8>) {
        self.owner = row.owner.unwrap_or(STORE);
        self.epoch = row.epoch as u8;
        self.last = row.last.map_or(0, |last| last.0[0]);
    }

    /// A change that central makes by itself; whether it was possible.
    pub fn change(&mut self, change: &Change<u8>) -> bool {
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
    pub fn held(&self) -> Held {
        Held { epoch: u64::from(self.epoch), frozen: (self.frozen != 0).then(|| id(self.frozen)) }
    }

    pub fn set(&mut self, held: Held) {
        self.epoch = held.epoch as u8;
        self.frozen = held.frozen.map_or(0, |frozen| frozen.0[0]);
    }

    pub fn load(&self) -> Load {
        Load { items: self.items, base: self.base, tail: self.tail }
    }
}

impl Process {
    pub fn hosts(&self, character: usize, epoch: u8) -> bool {
        self.copies[character].is_some_and(|copy| copy.epoch == epoch)
    }

    pub fn end(&mut self) {
        let incarnation = self.incarnation;
        *self = Self { life: Life::Down, incarnation, ..Self::new() };
    }

    pub fn new() -> Self {
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
    pub fn apply(&mut self, character: usize, load: Load) {
        let row = &mut self.rows[character];
        let known = row.log.len().saturating_sub(load.base);
        for operation in load.tail.skip(known).iter() {
            row.log.push(operation);
            row.items -= 1;
            self.ground += 1;
        }
    }

    pub fn tell_done(&mut self, operations: Row) {
        operations.iter().for_each(|operation| self.told |= 1 << operation);
    }

    pub fn grant(&mut self, character: usize) {
        let row = self.rows[character];
        let who = (row.owner, self.known[usize::from(row.owner)]);
        let version = row.log.len();
        let (character, items) = (character as u8, row.items);
        self.net.send(Message::Grant { who, character, epoch: row.epoch, items, version });
    }

    /// All that an area owned goes back to the store.
    pub fn fail_over(&mut self, area: usize) -> Vec<usize> {
        let change = Change::Failover { from: area as u8 };
        (0..CHARACTERS).filter(|character| self.rows[*character].change(&change)).collect()
    }

    pub fn forget_old_transfers(&mut self) {
        let rows = self.rows;
        self.transfers
            .retain(|transfer| (0..CHARACTERS).all(|c| [0, rows[c].epoch].contains(&transfer.epochs[c])));
    }

    pub fn running(&self, character: usize) -> impl Iterator<Item = (usize, Copied)> {
        self.processes.iter().enumerate().filter_map(move |(area, process)| {
            let copy = process.copies[character].filter(|copy| copy.frozen == 0)?;
            (process.life == Life::Up).then_some((area, copy))
        })
    }
}
