//! How much one address may ask, and how long a guesser waits.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Most keys that are remembered; beyond it, those that are full again are forgotten, then all.
const KEYS_MAX: usize = 65_536;

/// Wrong passwords are forgotten after this long without another one.
const WRONG_LIFE: Duration = Duration::from_secs(900);

/// The longest that a guesser waits for one try.
const DELAY_MAX: Duration = Duration::from_secs(8);

/// Token buckets: `burst` at once, refilled at a rate.
#[derive(Debug)]
pub struct Buckets<K> {
    per_second: f64,
    burst: f64,
    levels: Mutex<HashMap<K, (f64, Instant)>>,
}

impl<K: Eq + Hash> Buckets<K> {
    /// Empty of debts.
    pub fn new(per_second: f64, burst: f64) -> Self {
        Self { per_second, burst, levels: Mutex::default() }
    }

    /// Takes one token, or says that there is none.
    pub fn take(&self, key: K, now: Instant) -> bool {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let level = |(level, at): (f64, Instant)| {
            (level + now.saturating_duration_since(at).as_secs_f64() * self.per_second).min(self.burst)
        };
        if levels.len() >= KEYS_MAX && !levels.contains_key(&key) {
            levels.retain(|_, entry| level(*entry) < self.burst);
            if levels.len() >= KEYS_MAX {
                levels.clear();
            }
        }
        let entry = levels.entry(key).or_insert((self.burst, now));
        let left = level(*entry);
        *entry = (if left >= 1.0 { left - 1.0 } else { left }, now);
        left >= 1.0
    }
}

/// Wrong passwords by account. The right password is let through after the same wait as a wrong one, so that
/// a stranger who guesses can slow an account's owner down but never lock him out.
#[derive(Debug)]
pub struct Guesses {
    free: u32,
    wrong: Mutex<HashMap<String, (u32, Instant)>>,
}

impl Guesses {
    /// The first `free` wrong ones in a row cost nothing.
    pub fn new(free: u32) -> Self {
        Self { free, wrong: Mutex::default() }
    }

    /// How long the next try for this name has to wait: doubling from a quarter of a second to eight.
    pub fn delay(&self, name_key: &str, now: Instant) -> Duration {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((count, at)) = wrong.get(name_key) else { return Duration::ZERO };
        if *count < self.free || now.saturating_duration_since(*at) > WRONG_LIFE {
            return Duration::ZERO;
        }
        let doublings = (count - self.free).min(10);
        (Duration::from_millis(250) * 2u32.pow(doublings)).min(DELAY_MAX)
    }

    /// Notes a wrong password.
    pub fn wrong(&self, name_key: &str, now: Instant) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let old = |at: Instant| now.saturating_duration_since(at) > WRONG_LIFE;
        if wrong.len() >= KEYS_MAX {
            wrong.retain(|_, (_, at)| !old(*at));
            if wrong.len() >= KEYS_MAX {
                wrong.clear();
            }
        }
        let entry = wrong.entry(name_key.to_owned()).or_insert((0, now));
        *entry = (if old(entry.1) { 1 } else { entry.0.saturating_add(1) }, now);
    }

    /// Notes the right one.
    pub fn right(&self, name_key: &str) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).remove(name_key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_refills() {
        let (buckets, start) = (Buckets::new(2.0, 3.0), Instant::now());
        let taken = (0..5).filter(|_| buckets.take("a", start)).count();
        assert_eq!(taken, 3);
        assert!(buckets.take("b", start), "another asker is not touched");
        assert!(buckets.take("a", start + Duration::from_millis(500)));
        assert!(!buckets.take("a", start + Duration::from_millis(600)));
    }

    #[test]
    fn guessing_gets_slower_but_never_impossible() {
        let (guesses, now) = (Guesses::new(3), Instant::now());
        let mut delays = Vec::new();
        for _ in 0..20 {
            delays.push(guesses.delay("ada", now).as_millis());
            guesses.wrong("ada", now);
        }
        assert_eq!(&delays[..9], [0, 0, 0, 250, 500, 1000, 2000, 4000, 8000]);
        assert_eq!(delays[19], 8000);
        assert_eq!(guesses.delay("bob", now), Duration::ZERO);
        assert_eq!(guesses.delay("ada", now + Duration::from_secs(1000)), Duration::ZERO);
        guesses.right("ada");
        assert_eq!(guesses.delay("ada", now), Duration::ZERO);
    }
}
