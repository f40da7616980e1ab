//! The figures of crossings, and which promises did not hold.

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;

use super::super::economy::audit::Verdict;
use super::super::percentile::{percentile, round};
use super::super::shown::{row, with_ending};
use super::super::walked::{Walked, gaps_ms};
use super::walker::Notes;
use crate::flags::TrialCrossing;

/// The figures as they are printed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    trial: &'static str,
    players: u32,
    /// That served somebody.
    areas: usize,
    seed: u64,
    seconds: f64,
    delay_ms: u64,
    loss_percent: f64,
    crossings: usize,
    crossings_per_s: f64,
    /// From the last update of the server before to the first of the next one, less one tick.
    gap_ms_p50: f64,
    gap_ms_p99: f64,
    gap_ms_max: f64,
    /// The same between any two updates of one server.
    usual_gap_ms_p99: f64,
    #[serde(flatten)]
    walked: Walked,
    /// Operations of which nobody was told, because he had crossed.
    operations_untold: u64,
    /// Of all accounts and the bank: must be 0.
    money_sum: i64,
    /// Times that somebody stood before a shut border.
    border_shut: u64,
    /// Promises that did not hold; empty is good.
    pub(super) broken: Vec<String>,
}

impl Report {
    pub(super) fn new(
        options: &TrialCrossing,
        all: Vec<Notes>,
        areas: usize,
        took: Duration,
        verdict: &Verdict,
    ) -> Self {
        let sum = |count: fn(&Notes) -> u64| all.iter().map(count).sum::<u64>();
        let [gap_ms_p50, gap_ms_p99, gap_ms_max] = gaps_ms(&all);
        let mut usual: Vec<f64> = all.iter().flat_map(|notes| notes.usual_ms.iter().copied()).collect();
        let been: HashSet<&String> = all.iter().flat_map(|notes| &notes.areas).collect();
        let (walked, mut broken) = Walked::new(&all, verdict, 0);
        let mut must = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        let crossings: usize = all.iter().map(|notes| notes.changes).sum();
        must(crossings > 0, "nobody crossed a border".to_owned());
        must(been.len() == 4, format!("only {} of 4 areas were walked on", been.len()));
        Self {
            trial: "crossing",
            players: options.players,
            areas,
            seed: options.common.seed,
            seconds: round(took.as_secs_f64()),
            delay_ms: options.line.delay_ms,
            loss_percent: options.line.loss,
            crossings,
            crossings_per_s: round(crossings as f64 / took.as_secs_f64().max(1e-3)),
            gap_ms_p50,
            gap_ms_p99,
            gap_ms_max,
            usual_gap_ms_p99: percentile(&mut usual, 0.99),
            walked,
            operations_untold: sum(|notes| notes.untold),
            money_sum: verdict.money_sum,
            border_shut: sum(|notes| notes.shut),
            broken,
        }
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let line = format!("{} ms each way, {} % lost", self.delay_ms, self.loss_percent);
        let mut rows = vec![
            row(
                "players",
                self.players,
                &format!("for {:.0} s in {} areas; {line}; seed {}", self.seconds, self.areas, self.seed),
            ),
            row("crossings", self.crossings, &format!("{:.1} a second", self.crossings_per_s)),
            row(
                "gap",
                format!("{:.1} / {:.1} / {:.1} ms", self.gap_ms_p50, self.gap_ms_p99, self.gap_ms_max),
                &format!("p50 / p99 / most, without an update; usually p99 {:.1} ms", self.usual_gap_ms_p99),
            ),
            row("not told of", self.operations_untold, "operations whose player had crossed"),
            row("money", self.money_sum, "of all accounts and the bank: must be 0"),
            row("shut", self.border_shut, "times before a border that was not ready"),
        ];
        rows.extend(self.walked.rows());
        with_ending(&rows, &self.broken)
    }
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use super::super::super::shown;
    use super::*;
    use crate::flags::{TrialCommon, TrialLine};

    /// What breaks a promise, and how.
    type Fault = (&'static str, fn(&mut Notes, &mut Verdict));

    #[test]
    fn each_broken_promise_is_a_failure() {
        let options = TrialCrossing {
            players: 1,
            turn_m: 4,
            // A bad line excuses nothing.
            line: TrialLine { delay_ms: 40, loss: 2.0 },
            common: TrialCommon { seconds: 1, seed: 1, json: true },
        };
        let code = |spoil: fn(&mut Notes, &mut Verdict)| {
            let areas = ["a", "b", "c", "d"].map(str::to_owned).into();
            let (mut notes, mut verdict) =
                (Notes { changes: 4, areas, ..Notes::default() }, Verdict::default());
            spoil(&mut notes, &mut verdict);
            shown::code(&Report::new(&options, vec![notes], 4, Duration::from_secs(1), &verdict).broken)
        };
        assert_eq!(code(|_, _| {}), ExitCode::SUCCESS);
        let faults: &[Fault] = &[
            ("what walkers met", |notes, _| notes.doubled = 1),
            ("the journal", |_, verdict| verdict.fault("operations are doubled", "one".to_owned())),
            ("nobody crossed", |notes, _| notes.changes = 0),
            ("an area that nobody saw", |notes, _| notes.areas.clear()),
        ];
        for (what, spoil) in faults {
            assert_eq!(code(*spoil), ExitCode::FAILURE, "{what}");
        }
    }
}
