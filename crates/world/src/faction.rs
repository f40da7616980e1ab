//! A faction: a group with a spawn place. Its data reaches a server before any player of it does (G9).

use serde::{Deserialize, Serialize};

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
