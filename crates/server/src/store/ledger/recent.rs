//! Which operations may have been decided before: those that were lately, and all that were made too long ago to know.

use std::collections::HashSet;

use pangea_world::id::OpId;
use sqlx::AnyConnection;

use crate::store::{Error, id};

/// Most ids of one half.
const MOST: usize = 65_536;

/// The ids that were decided last, in two halves: when one is full the older is dropped.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Every id that was decided and made after this moment is known, ms since 1970; `None`: nothing is known yet.
    after: Option<u64>,
    newer: HashSet<OpId>,
    older: HashSet<OpId>,
}

impl Recent {
    /// After which moment all are known; before the first use the journal says it.
    pub(super) fn after(&self) -> Option<u64> {
        self.after
    }

    /// Nothing that was made after this moment was decided by anybody else.
    pub(super) fn begin(&mut self, after: u64) {
        self.after = Some(after);
    }

    /// Whether the journal must be asked; if not, it surely was not decided.
    pub(super) fn may_have(&self, op: OpId) -> bool {
        self.after.is_none_or(|after| op.time_ms() <= after)
            || self.newer.contains(&op)
            || self.older.contains(&op)
    }

    /// It is decided and written.
    pub(super) fn add(&mut self, op: OpId) {
        if self.newer.len() >= MOST {
            let dropped = std::mem::replace(&mut self.older, std::mem::take(&mut self.newer));
            let last = dropped.into_iter().map(OpId::time_ms).max();
            self.after = self.after.max(last);
        }
        self.newer.insert(op);
    }
}

/// When the newest id of the journal was made, by its maker's clock; 0: there is none.
pub(super) async fn newest(tx: &mut AnyConnection) -> Result<u64, Error> {
    let row = sqlx::query("SELECT op FROM journal ORDER BY op DESC LIMIT 1").fetch_optional(tx).await?;
    Ok(match row {
        Some(row) => OpId(id(&row, 0)?).time_ms(),
        None => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(ms: u64, n: u64) -> OpId {
        OpId::new(ms, n.to_be_bytes())
    }

    /// Whoever was decided is always asked for, however many came after it.
    #[test]
    fn what_was_decided_is_never_taken_for_new() {
        let mut recent = Recent::default();
        assert!(recent.may_have(op(5, 1)), "nothing is known yet");
        recent.begin(1_000);
        assert!(recent.may_have(op(1_000, 1)) && !recent.may_have(op(1_001, 1)));
        let all: Vec<OpId> = (0..3 * MOST as u64 + 5).map(|n| op(2_000 + n / 100, n)).collect();
        for id in &all {
            assert!(!recent.may_have(*id), "it is new");
            recent.add(*id);
        }
        assert!(all.iter().all(|id| recent.may_have(*id)));
        assert!(recent.newer.len() + recent.older.len() <= 2 * MOST, "it is bounded");
        assert!(!recent.may_have(op(1_000_000, 1)));
        // One whose maker's clock is far ahead, once dropped, has all be asked for up to its time.
        recent.add(op(900_000, 1));
        (0..3 * MOST as u64).for_each(|n| recent.add(op(5_000, n)));
        assert!(recent.may_have(op(800_000, 1)) && recent.may_have(op(900_000, 1)));
        assert!(!recent.may_have(op(900_001, 1)));
    }
}
