//! What a game's rules have refused, counted by code: for whoever runs the area. Players are told by events of the
//! game's own.

use std::collections::BTreeMap;

use bevy_ecs::prelude::Resource;

/// Most different codes that are counted.
pub const MOST_CODES: usize = 64;

/// How often a game's rules have refused what, since the server looked last (after each step).
#[derive(Resource, Debug, Default)]
pub struct Refusals(BTreeMap<&'static str, u64>);

impl Refusals {
    /// One more was refused with this stable code; beyond [`MOST_CODES`] different ones it is not counted. What the
    /// ledger refuses, and what an input's own check does, is counted by the server.
    pub fn count(&mut self, code: &'static str) {
        if self.0.len() < MOST_CODES || self.0.contains_key(code) {
            *self.0.entry(code).or_default() += 1;
        }
    }

    /// All that was counted; it begins at nothing again.
    pub fn take(&mut self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.0)
    }
}
