//! Who owns an area or a character, and the one way in which that changes.
//!
//! An area is owned by a game server, a character by an area. Central alone writes ownership, always by
//! [`decide`] inside one transaction. Every change raises the epoch; whoever writes under a lower one is
//! refused, whatever the clocks say. The protocol is docs/handoff.md's: a transfer id makes a repeat
//! harmless, and nothing is ever recognised by «the owner looks right».

use crate::id::TransferId;
use crate::refusal::{Code, Refusal};

/// What the store holds of one owned thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned<O> {
    /// The sole writer; `None`: the store itself.
    pub owner: Option<O>,
    /// Raised at each change; 0 only before the first.
    pub epoch: u64,
    /// The change that made this row; a repeat of it is answered, not applied.
    pub last: Option<TransferId>,
}

impl<O> Default for Owned<O> {
    fn default() -> Self {
        Self { owner: None, epoch: 0, last: None }
    }
}

/// A wished change of owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<O> {
    /// From the store to an owner (enter, start).
    Grant {
        /// The new owner.
        to: O,
    },
    /// From a living owner to another, asked for by the owner (handoff, warp): the only commit point.
    Commit {
        /// Must be the owner.
        from: O,
        /// Must be the current epoch.
        epoch: u64,
        /// The new owner.
        to: O,
    },
    /// The owner takes a handoff back after a Commit may have been sent: same owner, next epoch.
    Abort {
        /// Must be the owner.
        from: O,
        /// Must be the current epoch.
        epoch: u64,
    },
    /// From the owner to the store (leave, stop).
    Release {
        /// Must be the owner.
        from: O,
        /// Must be the current epoch.
        epoch: u64,
    },
    /// From an owner that is proven dead, or whose lease has run out with its margin, to the store.
    Failover {
        /// Must be the owner still.
        from: O,
    },
}

/// What a change did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<O> {
    /// Write this row, if the old epoch still stands.
    Apply(Owned<O>),
    /// This very change was applied before; nothing to write.
    Repeat,
}

/// Decides one change of owner.
///
/// # Errors
/// `stale_epoch` if the caller is not the owner at that epoch: it must drop its copy.
pub fn decide<O: Copy + PartialEq>(
    row: &Owned<O>,
    id: TransferId,
    change: &Change<O>,
) -> Result<Decision<O>, Refusal> {
    if row.last == Some(id) {
        return Ok(Decision::Repeat);
    }
    let owned_by = |from: &O, epoch: u64| row.owner == Some(*from) && row.epoch == epoch;
    let (fits, owner) = match change {
        Change::Grant { to } => (row.owner.is_none(), Some(*to)),
        Change::Commit { from, epoch, to } => (owned_by(from, *epoch), Some(*to)),
        Change::Abort { from, epoch } => (owned_by(from, *epoch), Some(*from)),
        Change::Release { from, epoch } => (owned_by(from, *epoch), None),
        Change::Failover { from } => (row.owner == Some(*from), None),
    };
    if !fits {
        return Refusal::err(Code::StaleEpoch, "another owner holds it, or the epoch has passed");
    }
    Ok(Decision::Apply(Owned { owner, epoch: row.epoch + 1, last: Some(id) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(n: u8) -> TransferId {
        TransferId([n; 16])
    }

    fn apply(row: &mut Owned<u8>, id: u8, change: Change<u8>) -> Result<bool, Code> {
        match decide(row, t(id), &change).map_err(|r| r.code)? {
            Decision::Apply(next) => {
                *row = next;
                Ok(true)
            }
            Decision::Repeat => Ok(false),
        }
    }

    /// A Commit delivered twice must not apply again after the thing came back.
    #[test]
    fn a_duplicated_commit_does_not_apply_after_the_way_back() {
        let mut row = Owned::default();
        assert_eq!(apply(&mut row, 1, Change::Grant { to: 1 }), Ok(true));
        let there = Change::Commit { from: 1, epoch: 1, to: 2 };
        assert_eq!(apply(&mut row, 2, there.clone()), Ok(true));
        assert_eq!(apply(&mut row, 2, there.clone()), Ok(false), "a retry is answered");
        assert_eq!(apply(&mut row, 3, Change::Commit { from: 2, epoch: 2, to: 1 }), Ok(true));
        assert_eq!(apply(&mut row, 2, there), Err(Code::StaleEpoch));
        assert_eq!((row.owner, row.epoch), (Some(1), 3));
    }

    /// «Owner = B at k+1» is no proof that my Commit did it.
    #[test]
    fn a_late_commit_is_stale_when_a_failover_was_first() {
        let mut row = Owned { owner: Some(1), epoch: 4, last: None };
        assert_eq!(apply(&mut row, 1, Change::Failover { from: 1 }), Ok(true));
        assert_eq!(apply(&mut row, 2, Change::Grant { to: 2 }), Ok(true));
        assert_eq!(apply(&mut row, 3, Change::Commit { from: 1, epoch: 4, to: 2 }), Err(Code::StaleEpoch));
        assert_eq!(apply(&mut row, 4, Change::Release { from: 1, epoch: 4 }), Err(Code::StaleEpoch));
    }

    proptest::proptest! {
        /// Whatever is sent in whatever order: epochs only rise, and one change applies at most once.
        #[test]
        fn epochs_rise_and_changes_apply_once(steps in proptest::collection::vec((0u8..6, 0u8..5, 0u8..3, 0u64..8, 0u8..3), 0..60)) {
            let mut row = Owned::default();
            let mut applied = Vec::new();
            for (id, kind, from, epoch, to) in steps {
                let change = match kind {
                    0 => Change::Grant { to },
                    1 => Change::Commit { from, epoch, to },
                    2 => Change::Abort { from, epoch },
                    3 => Change::Release { from, epoch },
                    _ => Change::Failover { from },
                };
                let before = row.clone();
                match apply(&mut row, id, change) {
                    Ok(true) => { assert_eq!(row.epoch, before.epoch + 1); applied.push(id); }
                    _ => assert_eq!(row, before),
                }
            }
            assert_eq!(row.epoch, applied.len() as u64);
        }
    }
}
