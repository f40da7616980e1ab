//! How often somebody else than its owner changed what a character has: so that who has read it knows whether
//! it still holds, without a look into the store.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use pangea_world::id::CharacterId;

/// Characters that share a count: a change of one makes another look once more than needed.
const COUNTS: usize = 1_024;

/// The counts. Each rises twice with a change: before it can be seen in the store, and when it can, before the
/// store's writer begins with what came later. So who reads the count, then the character, then has something
/// written, and finds the count as it was, knows that nothing was changed between.
#[derive(Debug)]
pub struct Gifts {
    counts: Vec<AtomicU64>,
    /// Counts of the commit that is under way.
    open: Mutex<Vec<usize>>,
}

impl Default for Gifts {
    fn default() -> Self {
        Self { counts: (0..COUNTS).map(|_| AtomicU64::new(0)).collect(), open: Mutex::default() }
    }
}

impl Gifts {
    /// The character's count.
    pub fn of(&self, character: CharacterId) -> u64 {
        self.counts[place(character)].load(SeqCst)
    }

    /// A change of this character is about to be written.
    pub(super) fn begin(&self, character: CharacterId) {
        self.counts[place(character)].fetch_add(1, SeqCst);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push(place(character));
    }

    /// What was begun is written, or will not be.
    pub(super) fn end(&self) {
        for place in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            self.counts[place].fetch_add(1, SeqCst);
        }
    }
}

fn place(character: CharacterId) -> usize {
    // Ids are random.
    usize::from(u16::from_be_bytes([character.0[14], character.0[15]])) % COUNTS
}
