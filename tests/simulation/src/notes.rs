//! What is kept outside of everything that fails: what players were told, and what they saw that must not be.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pangea_world::id::CharacterId;
use tokio::time::Instant;

use crate::game::{Deed, taken};
use crate::talk::Talk;

/// Longest time without an update, beyond that between two, at a border or when an area is moved, split or merged, while
/// nothing is wrong: a tick, and the network's ways.
const MOST_GAP: Duration = Duration::from_millis(100);
/// How long it takes at most, while nothing is wrong, until a server has taken what was said.
const TAKEN: Duration = Duration::from_secs(1);

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Asked for; nobody has said more.
    Unknown,
    /// It was said to be done and durable.
    Done,
    /// It was refused.
    Refused,
}

/// A wish that was made.
#[derive(Debug, Clone, Copy)]
pub struct Wished {
    /// What.
    pub deed: Deed,
    /// With whom.
    pub whom: Option<CharacterId>,
    /// What became of it.
    pub fate: Fate,
}

/// What all players have in common.
#[derive(Default)]
pub struct Common {
    /// Nobody begins anything more.
    pub over: AtomicBool,
    notes: Mutex<Notes>,
}

/// What is kept of all players.
#[derive(Default)]
pub struct Notes {
    /// Everybody, in the order of their numbers.
    pub everybody: Vec<CharacterId>,
    /// All wishes, by who made them and their numbers.
    pub wishes: BTreeMap<(CharacterId, u32), Wished>,
    /// By number: when the newest of his wishes that were done was asked for.
    pub answered: BTreeMap<usize, Instant>,
    /// What was said and heard.
    pub talk: Talk,
    /// What was seen that must not be.
    pub wrong: Vec<String>,
    /// Since when nothing is wrong, and all that was is settled: nobody notices anything.
    pub calm: Option<Instant>,
    /// What was said since then, and when.
    pub said: Vec<(CharacterId, u32, Instant)>,
    /// When something was ordered last while something may have been wrong.
    pub ordered: Option<Instant>,
    /// Orders that were carried out while nothing was wrong.
    pub orders: u64,
    /// Borders that were crossed, and the longest gap at one while nothing was wrong.
    pub crossings: (u64, Duration),
    /// How often an area was exchanged under a player while nothing was wrong, and the longest gap then.
    pub moves: (u64, Duration),
    /// Lost connections.
    pub losses: u64,
}

impl Common {
    /// What is kept.
    pub fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    /// It happens while nothing is wrong, so it must not.
    pub fn wronged(&mut self, text: impl FnOnce() -> String) {
        if self.calm.is_some() {
            self.wrong.push(format!("{} while nothing is wrong", text()));
        }
    }

    /// From now on nothing is wrong, or something may be: then all that was said until shortly before has been taken.
    pub fn set_calm(&mut self, calm: bool) {
        let since = std::mem::replace(&mut self.calm, calm.then(Instant::now));
        if let Some(since) = since {
            self.talk.was_calm(since, &self.everybody);
        }
        let taken = taken();
        for (who, number, at) in std::mem::take(&mut self.said) {
            if at.elapsed() > TAKEN && !taken.contains_key(&(who, number)) {
                self.wrong.push(format!("wish {number} of {who} was not taken while nothing was wrong"));
            }
        }
    }

    /// A player has another server: over a border, or because his area has it (`still`).
    pub fn crossed(&mut self, number: usize, still: bool, gap: Duration) {
        let calm = self.calm.is_some();
        let (times, most) = if still { &mut self.moves } else { &mut self.crossings };
        *times += u64::from(calm || !still);
        if calm {
            *most = gap.max(*most);
        }
        if gap > MOST_GAP {
            let what = if still { "as his area was moved" } else { "at a border" };
            self.wronged(|| format!("player {number} saw nothing for {} ms {what},", gap.as_millis()));
        }
    }
}
