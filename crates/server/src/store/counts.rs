//! Counters by id: so that who keeps in memory what he has read knows whether it still holds, without a look into
//! the store.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Ids that share a counter: a change of one makes who keeps another look once more than needed.
const COUNTS: usize = 1_024;

/// How often rows changed, by their ids.
#[derive(Debug)]
pub struct Counts([AtomicU64; COUNTS]);

/// How often who owns a character or an area was written, its life, or whether it is there. Each rises in the
/// writer's transaction, before the statement that changes it; all stores of a process share these.
pub(super) static OWNERS: Counts = Counts::new();

impl Counts {
    /// All 0.
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; COUNTS])
    }

    /// The counter of this id.
    pub fn of(&self, id: [u8; 16]) -> u64 {
        self.0[place(id)].load(SeqCst)
    }

    /// A change of what has this id.
    pub fn raise(&self, id: [u8; 16]) {
        self.0[place(id)].fetch_add(1, SeqCst);
    }
}

fn place(id: [u8; 16]) -> usize {
    // Ids are random.
    usize::from(u16::from_be_bytes([id[14], id[15]])) % COUNTS
}
