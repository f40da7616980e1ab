//! The trade within its budgets, and what is simpler and wrong.

use super::Trade;
use crate::check::{Expect, Run};
use crate::net::Faults;

/// Simpler than the protocol, and wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naive {
    /// Each side is written by its own area.
    EachItself,
    /// Each area asks the ledger, under an id of its own.
    BothDecide,
    /// The ledger does not know ids.
    NoId,
    /// What was not answered for long is asked under another id.
    AnotherId,
    /// To call off what nobody has asked leaves nothing behind.
    NoTombstone,
    /// Whoever sees the other one no more takes it for over, and asks nobody.
    NobodyAsked,
    /// One agrees, and not to anything.
    AnyVersion,
    /// Each deal counts its offers anew.
    NumbersAnew,
    /// A deal that has begun anew is taken for the one before.
    AnyDeal,
    /// Who decides keeps its id for whatever deal the other one begins.
    OneId,
    /// Things go on for one who just goes to another area.
    GoesAndAsks,
    /// That there is no room for the question is taken for the answer.
    BusyIsNo,
    /// Whatever a record says, it has not been done.
    OldRecord,
    /// One agrees in the next area to what it agreed to. It holds: it is the same offer, and nobody asks twice.
    KeepsAgreement,
}

/// The protocol within its budgets, and what is simpler and wrong.
pub fn runs(deep: bool) -> Vec<Run> {
    let none = Faults::default();
    let plain = Trade {
        begins: [1, 1],
        offers: [1, 0],
        agrees: 2,
        moves: 0,
        writes: 1,
        met: false,
        shown: 1,
        faults: none,
        naive: None,
    };
    let loss = Faults { losses: 1, ..none };
    let crash = Faults { crashes: 1, ..none };
    let busy = Faults { aborts: 1, ..none };
    let anew = Trade { begins: [2, 1], offers: [0, 0], agrees: 3, ..plain.clone() };
    let bare = Trade { offers: [0, 0], begins: [0, 0], met: true, ..plain.clone() };
    let moved = Trade { moves: 1, ..bare.clone() };
    let holds = |name: &str, model: Trade| Run::new(format!("trade: {name}"), Expect::Holds, model);
    let mut runs = vec![
        holds("a line that breaks", Trade { faults: loss, ..plain.clone() }),
        holds("who decides begins anew", anew.clone()),
        holds("the other one begins anew", Trade { begins: [1, 2], ..anew.clone() }),
        holds(
            "one goes to another area, or not, or there is no room",
            Trade { faults: busy, ..moved.clone() },
        ),
        holds("an area ends", Trade { faults: crash, ..bare.clone() }),
    ];
    if deep {
        let early = Trade { met: false, begins: [1, 1], ..bare.clone() };
        runs.extend([
            holds("an area ends at any time", Trade { faults: crash, ..early.clone() }),
            holds("one goes to another area at any time", Trade { moves: 1, faults: busy, ..early }),
            holds(
                "two values under way, a line that breaks",
                Trade { shown: 2, faults: loss, ..plain.clone() },
            ),
        ]);
    }
    let naive = |name: &str, property, naive, model: &Trade| {
        let model = Trade { naive: Some(naive), ..model.clone() };
        Run::new(format!("trade, {name}"), Expect::Breaks(property), model)
    };
    let repeat = Trade { faults: Faults { repeats: 1, ..none }, ..plain.clone() };
    let offers = Trade { offers: [2, 0], agrees: 3, ..plain.clone() };
    let gives = Trade { begins: [1, 2], offers: [0, 2], ..plain.clone() };
    let (told, once) = ("told is so", "a trade once");
    runs.extend([
        naive("each side itself", "coins conserved", Naive::EachItself, &plain),
        naive("both decide", once, Naive::BothDecide, &plain),
        naive("no id", once, Naive::NoId, &repeat),
        naive("asked again under another id", once, Naive::AnotherId, &repeat),
        naive("no tombstone", told, Naive::NoTombstone, &plain),
        naive("nobody is asked", told, Naive::NobodyAsked, &plain),
        naive("agreed to any version", "as both agreed", Naive::AnyVersion, &offers),
        naive("numbers begin anew", "as both agreed", Naive::NumbersAnew, &gives),
        naive("what begins anew is the one before", told, Naive::AnyDeal, &anew),
        naive("one id for all deals", told, Naive::OneId, &Trade { begins: [1, 2], ..anew.clone() }),
        naive("who goes asks", told, Naive::GoesAndAsks, &moved),
        naive("no room is an answer", told, Naive::BusyIsNo, &Trade { faults: busy, ..plain.clone() }),
        naive("an old record knows", told, Naive::OldRecord, &Trade { faults: crash, ..plain.clone() }),
    ]);
    let keeps = Trade { naive: Some(Naive::KeepsAgreement), ..moved.clone() };
    runs.push(holds("agreed in the next area too, which holds", keeps));
    runs
}
