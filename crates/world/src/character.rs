//! A character as an area server knows it before it arrives (G10, M3).

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, CharacterId};
use crate::quest::Quest;
use crate::space::Place;

/// Everything that central hands to the server which prepares for a coming character.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CharacterDoc {
    /// Who comes.
    pub id: CharacterId,
    /// Whose it is.
    pub account: AccountId,
    /// Shown above its head.
    pub name: String,
    /// Faction of its world, if it has one.
    pub faction: Option<String>,
    /// Where it enters.
    pub place: Place,
    /// Its quests, sorted by id.
    pub quests: Vec<Quest>,
}
