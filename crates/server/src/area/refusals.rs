//! How often what was refused here, by stable code, since this process began: whoever cheats, floods or does not read
//! shows in it. On `/status`, and with each heartbeat at central.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pangea_world::Code;
use pangea_world::messages::RefusalCount;

/// Counts of the server's own codes, and of those of its game; as many as there are codes in the program.
#[derive(Debug)]
pub struct Refusals {
    /// By the place of the code in [`Code::ALL`].
    of_server: [AtomicU64; Code::ALL.len()],
    /// Locked once per step in which the game refused something, and by who looks.
    of_game: Mutex<BTreeMap<&'static str, u64>>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { of_server: [const { AtomicU64::new(0) }; Code::ALL.len()], of_game: Mutex::default() }
    }
}

impl Refusals {
    /// One more.
    pub fn count(&self, code: Code) {
        self.of_server[code as usize].fetch_add(1, Relaxed);
    }

    /// What the game has refused in a step.
    pub fn count_game(&self, refused: BTreeMap<&'static str, u64>) {
        if refused.is_empty() {
            return;
        }
        if let Ok(mut of_game) = self.of_game.lock() {
            refused.into_iter().for_each(|(code, count)| *of_game.entry(code).or_default() += count);
        }
    }

    /// All that was refused at least once.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = self.of_game.lock().map(|of_game| of_game.clone()).unwrap_or_default();
        for (code, count) in Code::ALL.iter().zip(&self.of_server) {
            let count = count.load(Relaxed);
            if count > 0 {
                *counts.entry(code.as_str()).or_default() += count;
            }
        }
        counts
    }

    /// The same for central.
    pub fn told(&self) -> Vec<RefusalCount> {
        let told = |(code, count): (&str, u64)| RefusalCount { code: code.to_owned(), count };
        self.counts().into_iter().map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_and_its_game_refuse_is_one_count_by_code() {
        let refusals = Refusals::default();
        assert!(refusals.counts().is_empty());
        for code in Code::ALL {
            refusals.count(*code);
        }
        refusals.count(Code::TooFast);
        refusals.count_game([("forbidden", 3), ("too_far", 2)].into());
        refusals.count_game([("too_far", 1)].into());
        let counts = refusals.counts();
        assert_eq!(counts.len(), Code::ALL.len() + 1);
        assert_eq!((counts["too_fast"], counts["forbidden"], counts["too_far"]), (2, 4, 3));
        assert_eq!((counts["bad_request"], counts["internal"]), (1, 1), "the first and the last");
        assert_eq!(refusals.told().len(), counts.len());
    }
}
