//! The models of handoffs: within which budgets it holds, and what is simpler and wrong.

use super::{Handoff, Naive};
use crate::check::{Expect, Run};
use crate::net::Faults;

/// The protocol within budgets, and what is simpler and wrong.
pub fn runs(deep: bool) -> Vec<Run> {
    let none = Faults::default();
    let plain = Handoff {
        areas: 2,
        characters: 1,
        together: false,
        moves: 1,
        operations: 1,
        faults: none,
        naive: None,
        lease: true,
        visible: true,
        prune: true,
    };
    let net = Faults { losses: 1, repeats: 1, ..none };
    let holds = |name: &str, model: Handoff| Run::new(format!("handoff: {name}"), Expect::Holds, model);
    let mut runs = vec![
        holds(
            "1 move, crash, loss, repeat, abort",
            Handoff { faults: Faults { crashes: 1, aborts: 1, ..net }, ..plain.clone() },
        ),
        holds(
            "2 moves, loss, repeat, abort",
            Handoff { moves: 2, faults: Faults { aborts: 1, ..net }, ..plain.clone() },
        ),
        // What is left out of the others rests on what a holder makes of late answers: here nothing is.
        holds(
            "2 moves, abort, repeat, with every late message",
            Handoff {
                moves: 2,
                operations: 0,
                faults: Faults { repeats: 1, aborts: 1, ..none },
                prune: false,
                ..plain.clone()
            },
        ),
        holds(
            "1 move, pause, lease, crash",
            Handoff { faults: Faults { pauses: 1, expiries: 1, crashes: 1, ..none }, ..plain.clone() },
        ),
        holds(
            "1 move, no lease at all, crash: what is durable",
            Handoff {
                lease: false,
                visible: false,
                faults: Faults { expiries: 1, crashes: 1, ..none },
                ..plain.clone()
            },
        ),
        holds(
            "two neighbours prepared at once, crash, repeat",
            Handoff {
                areas: 3,
                moves: 2,
                operations: 0,
                faults: Faults { crashes: 1, repeats: 1, ..none },
                ..plain.clone()
            },
        ),
        holds(
            "a group of two, crash, loss, repeat",
            Handoff {
                characters: 2,
                together: true,
                operations: 0,
                faults: Faults { crashes: 1, ..net },
                ..plain.clone()
            },
        ),
        holds(
            "two characters alone, crash",
            Handoff {
                characters: 2,
                moves: 2,
                operations: 0,
                faults: Faults { crashes: 1, ..none },
                ..plain.clone()
            },
        ),
    ];
    if deep {
        let lease = Faults { pauses: 1, expiries: 1, crashes: 1, ..net };
        runs.extend([
            holds(
                "2 moves, 2 operations, crash, loss",
                Handoff {
                    moves: 2,
                    operations: 2,
                    faults: Faults { crashes: 1, losses: 1, ..none },
                    ..plain.clone()
                },
            ),
            holds("1 move, pause, lease, crash, loss, repeat", Handoff { faults: lease, ..plain.clone() }),
            holds(
                "1 move, no lease at all, crash, loss, repeat: what is durable",
                Handoff {
                    lease: false,
                    visible: false,
                    faults: Faults { expiries: 1, crashes: 1, ..net },
                    ..plain.clone()
                },
            ),
            holds(
                "2 moves, 2 crashes",
                Handoff { moves: 2, faults: Faults { crashes: 2, ..none }, ..plain.clone() },
            ),
            holds(
                "a group of two, operation, crash, abort",
                Handoff {
                    characters: 2,
                    together: true,
                    faults: Faults { crashes: 1, aborts: 1, ..none },
                    ..plain.clone()
                },
            ),
        ]);
    }
    let crash = Faults { crashes: 1, ..net };
    let lease = Faults { pauses: 1, expiries: 1, ..none };
    let naive = |name: &str, expect, naive, model: Handoff| {
        Run::new(format!("handoff, {name}"), expect, Handoff { naive: Some(naive), ..model })
    };
    let breaks = Expect::Breaks;
    let [two_moves, two_operations, crashing, leased] = [
        Handoff { moves: 2, faults: net, ..plain.clone() },
        Handoff { operations: 2, faults: net, ..plain.clone() },
        Handoff { faults: crash, ..plain.clone() },
        Handoff { faults: lease, ..plain.clone() },
    ];
    let unleased =
        Handoff { lease: false, visible: false, faults: Faults { expiries: 1, ..none }, ..plain.clone() };
    runs.extend([
        naive("N1a half writes", breaks("items conserved"), Naive::HalfWrites, plain.clone()),
        naive("N1b blind writes", breaks("told is durable"), Naive::BlindWrites, two_operations),
        naive("N2 owner only", breaks("items conserved"), Naive::OwnerOnly, two_moves),
        naive(
            "N3 same epoch after a restart",
            breaks("told is durable"),
            Naive::SameEpoch,
            Handoff { operations: 2, moves: 0, ..crashing.clone() },
        ),
        naive("N4 thaw when it takes long", breaks("one authority"), Naive::Thaw, plain.clone()),
        naive("N5 start before the commit", breaks("one authority"), Naive::EarlyStart, plain.clone()),
        naive(
            "N6 no incarnation",
            breaks("authority has the current epoch"),
            Naive::NoIncarnation,
            crashing.clone(),
        ),
        naive("N8 no look at the lease", breaks("one authority"), Naive::NoLeaseCheck, leased.clone()),
        naive(
            "N9 no reconcile",
            Expect::Stuck,
            Naive::NoReconcile,
            Handoff { faults: Faults { losses: 1, ..none }, ..plain.clone() },
        ),
        naive("N10 looks as if it was mine", breaks("told is durable"), Naive::LooksRight, unleased.clone()),
        Run::new("handoff, N7 no lease", breaks("one authority"), Handoff { visible: true, ..unleased }),
        naive(
            "a group one by one",
            breaks("a group stays together"),
            Naive::OneByOne,
            Handoff { characters: 2, together: true, operations: 0, ..plain },
        ),
    ]);
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leaving out what nobody listens to changes no verdict, only the number of states.
    #[test]
    fn pruning_changes_no_verdict() {
        let faults = Faults { losses: 1, repeats: 1, ..Faults::default() };
        let model = Handoff {
            areas: 2,
            characters: 1,
            together: false,
            moves: 1,
            operations: 1,
            faults,
            naive: None,
            lease: true,
            visible: true,
            prune: true,
        };
        let pruned = Run::new("pruned", Expect::Holds, model.clone()).check();
        let whole = Run::new("whole", Expect::Holds, Handoff { prune: false, ..model }).check();
        assert_eq!((pruned.wrong.as_str(), whole.wrong.as_str()), ("", ""));
        assert!(pruned.states < whole.states, "{} {}", pruned.states, whole.states);
    }
}
