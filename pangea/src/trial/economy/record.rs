//! What was asked and what was acknowledged, kept in the measuring process: outside of everything that is killed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use pangea_world::id::CharacterId;

use super::deed::Deed;

/// What is known of one deed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::trial) struct Known {
    /// How often it was asked for: again only if nobody knew what became of it.
    pub(in crate::trial) asked: u32,
    /// The player was told that it is done.
    pub(in crate::trial) done: bool,
    /// The player was told that it is not; the last refusal's code.
    pub(in crate::trial) refused: Option<String>,
}

/// What all players know.
#[derive(Debug, Default)]
pub(in crate::trial) struct Record(Mutex<Notes>);

#[derive(Debug, Default)]
pub(in crate::trial) struct Notes {
    /// By doer and deed.
    pub(in crate::trial) deeds: HashMap<(CharacterId, Deed), Known>,
    /// From the wish to the answer that it is done, ms.
    pub(in crate::trial) commit_ms: Vec<f64>,
    pub(in crate::trial) refusals: BTreeMap<String, u64>,
    /// Wishes whose players lost their connection before an answer.
    pub(in crate::trial) unknown: u64,
    /// Wishes that were not answered although nothing was lost.
    pub(in crate::trial) unanswered: u64,
    /// Ticks that one of the players was told of, and how long they took.
    pub(in crate::trial) ticks: u64,
    pub(in crate::trial) ticked: Duration,
    /// Connections that were lost, and players who did not come back.
    pub(in crate::trial) losses: u64,
    pub(in crate::trial) gone: Vec<String>,
}

impl Record {
    pub(in crate::trial) fn asked(&self, who: CharacterId, deed: Deed) {
        self.notes().deeds.entry((who, deed)).or_default().asked += 1;
    }

    /// A player was told; an empty code: it is done.
    pub(in crate::trial) fn told(&self, who: CharacterId, deed: Deed, code: &str, took: Option<Duration>) {
        let mut notes = self.notes();
        let known = notes.deeds.entry((who, deed)).or_default();
        if code.is_empty() {
            known.done = true;
            notes.commit_ms.extend(took.map(|took| took.as_secs_f64() * 1e3));
        } else {
            known.refused = Some(code.to_owned());
            *notes.refusals.entry(code.to_owned()).or_default() += 1;
        }
    }

    pub(in crate::trial) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
