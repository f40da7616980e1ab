//! Whom this server gave back lately, and under which epoch: what was still on its way under that epoch is void.

use std::collections::HashMap;

use pangea_world::id::CharacterId;

/// How long it is remembered: longer than an announcement, or its client, is on the way, ms.
pub const KEPT_MS: u64 = 60_000;

/// By character: the highest epoch that was given back, and when that can be forgotten, ms of the clock.
#[derive(Debug, Default)]
pub struct GivenBack {
    epochs: HashMap<CharacterId, (u64, u64)>,
    looked_ms: u64,
}

impl GivenBack {
    /// Nobody may have it any more under this epoch, or one before.
    pub fn insert(&mut self, now_ms: u64, character: CharacterId, epoch: u64) {
        let known = self.epochs.get(&character).map_or(0, |(known, _)| *known);
        self.epochs.insert(character, (epoch.max(known), now_ms + KEPT_MS));
        if now_ms >= self.looked_ms + 1_000 {
            self.looked_ms = now_ms;
            self.epochs.retain(|_, (_, until)| *until > now_ms);
        }
    }

    /// Whether it was given back under this epoch, or a later one.
    pub fn holds(&self, now_ms: u64, character: CharacterId, epoch: u64) -> bool {
        self.epochs.get(&character).is_some_and(|(given_back, until)| epoch <= *given_back && *until > now_ms)
    }
}
