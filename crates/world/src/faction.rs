//! A faction: a group with a spawn place, of a world's file or founded by players. Its data reaches a server before
//! any player of it does (G9).

use serde::{Deserialize, Serialize};

use crate::id::FactionId;
use crate::space::Place;

/// What every server that hosts a member knows of a faction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Faction {
    /// Stable within its world, e.g. `embers`.
    pub id: String,
    /// Shown to players.
    pub title: String,
    /// `#rrggbb`.
    pub colour: String,
    /// One paragraph, may be empty.
    pub about: String,
    /// Where its new characters enter (G5).
    pub spawn: Place,
}

/// What every server that hosts a member knows of a faction that players have founded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FactionDoc {
    /// Which.
    pub id: FactionId,
    /// Rises with each change of anything of it; an older one is dropped.
    pub version: u64,
    /// The world in which it was founded.
    pub world: String,
    /// Unique there.
    pub name: String,
    /// Shown beside the name.
    pub title: String,
    /// What it says of itself, may be empty.
    pub about: String,
    /// Whether everybody may join.
    pub open: bool,
    /// Where its members enter, if it says so.
    #[serde(default)]
    pub spawn: Option<Place>,
    /// Whom it calls allies, sorted.
    pub allies: Vec<FactionId>,
    /// Whom it calls enemies, sorted.
    pub enemies: Vec<FactionId>,
    /// It is no more.
    #[serde(default)]
    pub ended: bool,
}
