//! A handoff as data: what central answers to an owner that hands on, and what the owner makes of it.
//!
//! docs/handoff.md tells the whole; `tests/model` goes through every interleaving of it with these very
//! functions, which the servers call. Several things that must stay together are one handoff: they go all, or
//! they stay all.

use crate::id::TransferId;
use crate::ownership::{Change, Decision, Owned, decide};

/// Central's answer for one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The other owns it.
    Committed {
        /// Under this epoch.
        epoch: u64,
    },
    /// It stays.
    Aborted {
        /// Under this epoch: whatever was written under the one before is too late.
        epoch: u64,
    },
    /// Whoever asked does not own it under the epoch that it named.
    Stale,
}

/// Central's decision about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled<O> {
    /// For the owner that asked.
    pub answer: Answer,
    /// The row to write, in the one transaction with the rows of the others; `None`: it stands already.
    pub row: Option<Owned<O>>,
}

/// One thing that is handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<O> {
    /// Its row in the store; what is not there is owned by nobody.
    pub row: Owned<O>,
    /// Its handoff: it was prepared under this id.
    pub id: TransferId,
    /// Under which its owner says that it owns it.
    pub epoch: u64,
}

/// Settles the handoff of things that `from` hands on together, in this order. `to` is `None` if the owner takes
/// it back, or central does not know one of the handoffs (any more). One that cannot go keeps all of them. A
/// repeat gets the answer of the first time, and has nothing to write.
pub fn settle<O: Copy + PartialEq>(things: &[Asked<O>], from: O, to: Option<O>) -> Vec<Settled<O>> {
    let decided = |to: Option<O>| {
        things.iter().map(move |Asked { row, id, epoch }| {
            let epoch = *epoch;
            let change = to.map_or(Change::Abort { from, epoch }, |to| Change::Commit { from, epoch, to });
            decide(row, *id, &change)
        })
    };
    let all_go = decided(to).all(|decision| matches!(decision, Ok(Decision::Apply(_))));
    let decided = decided(to.filter(|_| all_go));
    things.iter().zip(decided).map(|(asked, decision)| settled(&asked.row, from, decision.ok())).collect()
}

fn settled<O: Copy + PartialEq>(row: &Owned<O>, from: O, decision: Option<Decision<O>>) -> Settled<O> {
    let answer = |row: &Owned<O>| match row.owner == Some(from) {
        true => Answer::Aborted { epoch: row.epoch },
        false => Answer::Committed { epoch: row.epoch },
    };
    match decision {
        Some(Decision::Apply(next)) => Settled { answer: answer(&next), row: Some(next) },
        Some(Decision::Repeat) => Settled { answer: answer(row), row: None },
        None => Settled { answer: Answer::Stale, row: None },
    }
}

/// One thing as its owner holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The epoch under which it is owned, as far as its holder knows.
    pub epoch: u64,
    /// The handoff about which central is deciding: nothing moves the thing, and only an answer thaws it.
    pub frozen: Option<TransferId>,
}

/// What an answer means for the holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing: it speaks of another handoff or of an earlier epoch.
    Nothing,
    /// It is another's under this epoch: the client is told to switch, the thing is dropped.
    Gone {
        /// The new owner's.
        epoch: u64,
    },
    /// It stays and moves again, under the epoch that [`Held`] has now.
    Stays,
    /// It is another's, nobody knows whose: it is dropped.
    Lost,
}

impl Held {
    /// Freezes for a handoff that was prepared under `epoch`; then the commit is said, until it is
    /// answered. `false`: it is frozen for another, or the handoff was prepared under another epoch.
    pub fn freeze(&mut self, id: TransferId, epoch: u64) -> bool {
        let free = self.epoch == epoch && self.frozen.is_none_or(|frozen| frozen == id);
        if free {
            self.frozen = Some(id);
        }
        free
    }

    /// Takes central's answer to what was asked about handoff `id` under epoch `asked`. Answers may come
    /// late, doubled and out of order.
    pub fn hear(&mut self, id: TransferId, asked: u64, answer: Answer) -> Heard {
        if asked != self.epoch || self.frozen != Some(id) {
            return Heard::Nothing;
        }
        match answer {
            Answer::Committed { epoch } => Heard::Gone { epoch },
            Answer::Aborted { epoch } => {
                *self = Self { epoch, frozen: None };
                Heard::Stays
            }
            Answer::Stale => Heard::Lost,
        }
    }

    /// Takes what it says of a frozen one that it is announced here under `epoch`, as owned here already (`granted`) or
    /// for a handoff that will come: under a higher epoch its own handoff has been decided, and the answer is lost or
    /// late. Each change raises the epoch by one: the next one, and still here, is a handoff that came to nothing.
    /// All else comes after it went: what is held is of a time before.
    pub fn announced(&mut self, epoch: u64, granted: bool) -> Heard {
        if self.frozen.is_none() || epoch <= self.epoch {
            return Heard::Nothing;
        }
        if granted && epoch == self.epoch + 1 {
            *self = Self { epoch, frozen: None };
            return Heard::Stays;
        }
        Heard::Gone { epoch }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u8 = 1;
    const B: u8 = 2;

    fn id(n: u8) -> TransferId {
        TransferId([n; 16])
    }

    fn owned(owner: u8, epoch: u64, n: u8) -> Asked<u8> {
        Asked { row: Owned { owner: Some(owner), epoch, last: None }, id: id(n), epoch }
    }

    fn answers(settled: &[Settled<u8>]) -> Vec<Answer> {
        settled.iter().map(|settled| settled.answer).collect()
    }

    #[test]
    fn a_group_goes_together_and_a_repeat_is_answered_as_the_first() {
        let mut things = vec![owned(A, 3, 1), owned(A, 7, 2)];
        let first = settle(&things, A, Some(B));
        let committed = [Answer::Committed { epoch: 4 }, Answer::Committed { epoch: 8 }];
        assert_eq!(answers(&first), committed);
        for (thing, settled) in things.iter_mut().zip(first) {
            thing.row = settled.row.expect("written");
        }
        // The repeat, and the wish to take it back, come too late: it has happened.
        for to in [Some(B), None] {
            let again = settle(&things, A, to);
            assert_eq!(answers(&again), committed);
            assert!(again.iter().all(|settled| settled.row.is_none()));
        }
    }

    #[test]
    fn one_that_cannot_go_keeps_the_others() {
        let things = [owned(A, 3, 1), Asked { epoch: 7, ..owned(A, 8, 2) }, owned(A, 2, 3)];
        let settled = settle(&things, A, Some(B));
        let stays = |epoch| Answer::Aborted { epoch };
        assert_eq!(answers(&settled), [stays(4), Answer::Stale, stays(3)]);
        assert_eq!(settled[0].row.as_ref().map(|row| row.owner), Some(Some(A)));
        assert_eq!(settled[1].row, None);
    }

    #[test]
    fn only_the_answer_to_this_very_question_thaws() {
        let mut held = Held { epoch: 3, frozen: None };
        assert!(!held.freeze(id(1), 2), "prepared under another epoch");
        assert!(held.freeze(id(1), 3));
        assert!(held.freeze(id(1), 3), "a repeat");
        assert!(!held.freeze(id(2), 3), "one at a time");
        assert_eq!(held.hear(id(2), 3, Answer::Stale), Heard::Nothing);
        assert_eq!(held.hear(id(1), 3, Answer::Aborted { epoch: 4 }), Heard::Stays);
        assert_eq!(held, Held { epoch: 4, frozen: None });
        assert_eq!(held.hear(id(1), 3, Answer::Stale), Heard::Nothing, "of the epoch before");
        assert!(held.freeze(id(2), 4));
        assert_eq!(held.hear(id(2), 4, Answer::Committed { epoch: 5 }), Heard::Gone { epoch: 5 });
    }

    #[test]
    fn an_announcement_under_a_higher_epoch_is_an_answer_too() {
        let frozen = Held { epoch: 3, frozen: Some(id(1)) };
        let announced = |mut held: Held, epoch, granted| (held.announced(epoch, granted), held);
        assert_eq!(announced(frozen, 3, true), (Heard::Nothing, frozen), "not decided yet");
        assert_eq!(announced(frozen, 4, true), (Heard::Stays, Held { epoch: 4, frozen: None }));
        for (epoch, granted) in [(4, false), (5, false), (5, true)] {
            assert_eq!(announced(frozen, epoch, granted).0, Heard::Gone { epoch }, "it was elsewhere");
        }
        let free = Held { epoch: 3, frozen: None };
        assert_eq!(announced(free, 4, true), (Heard::Nothing, free));
    }
}
