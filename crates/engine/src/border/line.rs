//! What is known of one neighbour: what it was told and what it told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bevy_ecs::prelude::Entity;
use pangea_world::space::Rect;

use super::Gid;
use crate::walk::Point;

/// Most letters that wait for a neighbour; what is more is dropped and counted.
pub const MOST_LETTERS: usize = 1_024;

/// Most things that are passed and not acknowledged; what is more stays at the border.
pub const MOST_PASSES: usize = 1_024;

/// The line to one neighbour.
#[derive(Debug)]
pub(crate) struct Line {
    /// The neighbour's ground, metres, since it was first told.
    pub ground: Option<Rect>,
    /// Whether it was heard since the line was made.
    pub is_open: bool,
    /// Raised when the line is made anew, and the last frame's number since then.
    pub life: u64,
    pub number: u64,
    /// What it knows of what is owned here, by id here.
    pub known: BTreeMap<u16, Known>,
    /// For how many steps news of an entity have waited, by id here.
    pub waits: BTreeMap<u16, u32>,
    /// Letters as bytes, in order.
    pub letters: VecDeque<Vec<u8>>,
    /// Letters that were too many since the line began.
    pub dropped: u64,
    /// What was passed and is not acknowledged, in order; the first `sent` are on the line.
    pub passes: VecDeque<Passed>,
    pub sent: usize,
    /// What of its own it is to tell whole again, by id there.
    pub again: BTreeSet<u16>,
    /// The acknowledgement that it was told last.
    pub acked: u64,
    /// Whether it was told in this life that it knows all.
    pub caught_up: bool,
    /// Altered tiles that it knows, and the terrain's version then.
    pub tiles: BTreeMap<(i32, i32), u8>,
    pub tiles_at: Option<u64>,
    pub heard: Heard,
}

/// What it told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Of the last frame that was applied.
    pub epoch: u64,
    pub life: u64,
    pub number: u64,
    /// The highest number of what it passed.
    pub passes: u64,
    /// What it tells of, by id there; `None`: nothing that can be shown here.
    pub handles: BTreeMap<u16, Option<Gid>>,
    /// Until it has told all anew: the tiles that it told; what is not told again is to go then.
    pub sweeps: Option<BTreeSet<(i32, i32)>>,
}

/// What a neighbour knows of an entity.
#[derive(Debug)]
pub(crate) struct Known {
    pub gid: Gid,
    pub at: Point,
    /// Its components as they were told.
    pub body: Vec<u8>,
}

/// Something that was passed.
#[derive(Debug)]
pub(crate) struct Passed {
    pub number: u64,
    /// Its ghost here.
    pub entity: Entity,
    pub bytes: Vec<u8>,
}

impl Line {
    pub fn new(life: u64) -> Self {
        Self {
            ground: None,
            is_open: false,
            life,
            number: 0,
            known: BTreeMap::new(),
            waits: BTreeMap::new(),
            letters: VecDeque::new(),
            dropped: 0,
            passes: VecDeque::new(),
            sent: 0,
            again: BTreeSet::new(),
            acked: 0,
            caught_up: false,
            tiles: BTreeMap::new(),
            tiles_at: None,
            heard: Heard::default(),
        }
    }

    /// The line is made anew: letters are lost, what was passed is sent again.
    pub fn restart(&mut self, life: u64) {
        *self = Self {
            ground: self.ground,
            dropped: self.dropped,
            passes: std::mem::take(&mut self.passes),
            heard: std::mem::take(&mut self.heard),
            ..Self::new(life)
        };
    }

    /// Whether it is passed and not acknowledged.
    pub fn waits_for(&self, entity: Entity) -> bool {
        self.passes.iter().any(|passed| passed.entity == entity)
    }

    /// It is not to come back to life here.
    pub fn forget_pass(&mut self, entity: Entity) {
        if let Some(place) = self.passes.iter().position(|passed| passed.entity == entity) {
            self.passes.remove(place);
            self.sent -= usize::from(place < self.sent);
        }
    }

    /// If it told of this while it was owned here, that was for nothing: it is to tell it whole again.
    pub fn ask_again(&mut self, gid: Gid) {
        let told = self.heard.handles.iter().filter(|(_, known)| **known == Some(gid));
        self.again.extend(told.map(|(id, _)| *id));
    }

    /// A letter goes with the next frame, if there is room.
    pub fn write(&mut self, letter: Vec<u8>) {
        if self.letters.len() < MOST_LETTERS {
            self.letters.push_back(letter);
        } else {
            self.dropped += 1;
        }
    }
}
