//! Quests as far as a server must know them before their character arrives (M3).

use serde::{Deserialize, Serialize};

/// One character's standing in one quest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quest {
    /// Stable, e.g. `first-steps`.
    pub id: String,
    /// Shown to the player.
    pub title: String,
    /// Which step is open, from 0.
    pub step: u32,
    /// Whether the last step is done.
    pub completed: bool,
}

/// The quest that every new character has.
pub const FIRST_QUEST: (&str, &str) = ("first-steps", "First steps: find the stone ring");
