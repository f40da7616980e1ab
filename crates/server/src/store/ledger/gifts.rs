//! How often somebody else than its owner changed what a character has: so that who has read it knows whether
//! it still holds, without a look into the store.

use std::sync::{Mutex, PoisonError};

use pangea_world::id::CharacterId;

use crate::store::counts::Counts;

/// The counts. Each rises twice with a change: before it can be seen in the store, and when it can, before the
/// store's writer begins with what came later. So who reads the count, then the character, then has something
/// written, and finds the count as it was, knows that nothing was changed between.
#[derive(Debug)]
pub struct Gifts {
    counts: Counts,
    /// Of the commit that is under way.
    open: Mutex<Vec<CharacterId>>,
}

impl Default for Gifts {
    fn default() -> Self {
        Self { counts: Counts::new(), open: Mutex::default() }
    }
}

impl Gifts {
    /// The character's count.
    pub fn of(&self, character: CharacterId) -> u64 {
        self.counts.of(character.0)
    }

    /// A change of this character is about to be written.
    pub(super) fn begin(&self, character: CharacterId) {
        self.counts.raise(character.0);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push(character);
    }

    /// What was begun is written, or will not be.
    pub(super) fn end(&self) {
        for character in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            self.counts.raise(character.0);
        }
    }
}
