//! The figures of crossings, and which promises did not hold.

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;

use super::super::economy::audit::Verdict;
use super::super::percentile::{percentile, round};
use super::super::shown::{row, with_ending};
use super::walker::{Notes, told};
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
    /// Connections that played and ended before their server had let go.
    disconnects: u64,
    /// From the last update of the server before to the first of the next one, less one tick.
    gap_ms_p50: f64,
    gap_ms_p99: f64,
    gap_ms_max: f64,
    /// The same between any two updates of one server.
    usual_gap_ms_p99: f64,
    /// Ticks of which no update came, at crossings.
    updates_missed: u64,
    /// A lower epoch after a higher one, or a place that an old owner wrote.
    stale_writes_accepted: u64,
    /// Players who are nowhere in the end, and operations that were acknowledged and are not in the journal.
    lost: u64,
    /// Times that somebody was seen twice at once, and operations that were done twice.
    doubled: u64,
    /// Payments between players, by the journal; those of which nobody was told, because he had crossed.
    operations_committed: u64,
    operations_untold: u64,
    /// Of all accounts and the bank: must be 0.
    money_sum: i64,
    steps: u64,
    /// Places that do not follow from the steps that were taken.
    steps_wrong: u64,
    /// Inputs that came too many at once.
    inputs_refused: u64,
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
        let mut gaps: Vec<f64> = all.iter().flat_map(|notes| notes.gaps_ms.iter().copied()).collect();
        let mut usual: Vec<f64> = all.iter().flat_map(|notes| notes.usual_ms.iter().copied()).collect();
        let stranded: Vec<&str> = all.iter().filter_map(|notes| notes.stranded.as_deref()).collect();
        let been: HashSet<&String> = all.iter().flat_map(|notes| &notes.areas).collect();
        let (disconnects, doubled) = (sum(|notes| notes.disconnects), sum(|notes| notes.doubled));
        let (stale, wrong) = (sum(|notes| notes.stale), sum(|notes| notes.steps_wrong));
        let impaired = options.delay_ms > 0 || options.loss > 0.0;
        let mut broken = verdict.broken();
        let mut must = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        let crossings: usize = all.iter().map(|notes| notes.changes).sum();
        must(crossings > 0, "nobody crossed a border".to_owned());
        must(been.len() == 4, format!("only {} of 4 areas were walked on", been.len()));
        must(disconnects == 0, format!("{disconnects} connections ended"));
        must(
            stranded.is_empty(),
            format!("{} players were lost: {}", stranded.len(), stranded.first().unwrap_or(&"")),
        );
        must(doubled == 0, format!("somebody was seen twice, {doubled} times"));
        let older = all.iter().find_map(|notes| notes.older.as_deref()).unwrap_or_default();
        must(stale == 0, format!("{stale} times something older counted: {older}"));
        must(impaired || wrong == 0, format!("{wrong} times steps were lost or made twice: {}", told(&all)));
        Self {
            trial: "crossing",
            players: options.players,
            areas,
            seed: options.common.seed,
            seconds: round(took.as_secs_f64()),
            delay_ms: options.delay_ms,
            loss_percent: options.loss,
            crossings,
            crossings_per_s: round(crossings as f64 / took.as_secs_f64().max(1e-3)),
            disconnects,
            gap_ms_p50: percentile(&mut gaps, 0.5),
            gap_ms_p99: percentile(&mut gaps, 0.99),
            gap_ms_max: percentile(&mut gaps, 1.0),
            usual_gap_ms_p99: percentile(&mut usual, 0.99),
            updates_missed: sum(|notes| notes.updates_missed),
            stale_writes_accepted: stale,
            lost: stranded.len() as u64 + verdict.lost,
            doubled: doubled + verdict.doubled,
            operations_committed: verdict.committed,
            operations_untold: sum(|notes| notes.untold),
            money_sum: verdict.money_sum,
            steps: sum(|notes| notes.steps),
            steps_wrong: wrong,
            inputs_refused: sum(|notes| notes.refused),
            border_shut: sum(|notes| notes.shut),
            broken,
        }
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let line = format!("{} ms each way, {} % lost", self.delay_ms, self.loss_percent);
        let rows = [
            row(
                "players",
                self.players,
                &format!("for {:.0} s in {} areas; {line}", self.seconds, self.areas),
            ),
            row("crossings", self.crossings, &format!("{:.1} a second", self.crossings_per_s)),
            row("disconnects", self.disconnects, "must be 0"),
            row(
                "gap",
                format!("{:.1} / {:.1} / {:.1} ms", self.gap_ms_p50, self.gap_ms_p99, self.gap_ms_max),
                &format!("p50 / p99 / most, without an update; usually p99 {:.1} ms", self.usual_gap_ms_p99),
            ),
            row("updates missed", self.updates_missed, "ticks of which nothing came, at crossings"),
            row("stale writes", self.stale_writes_accepted, "that counted; must be 0"),
            row("lost", self.lost, "players, and payments that were acknowledged; must be 0"),
            row("doubled", self.doubled, "seen twice at once, or paid twice; must be 0"),
            row(
                "payments",
                self.operations_committed,
                &format!("{} not told of; all money {}: must be 0", self.operations_untold, self.money_sum),
            ),
            row("steps", self.steps, &format!("{} lost or made twice", self.steps_wrong)),
            row("shut", self.border_shut, "times before a border that was not ready"),
        ];
        with_ending(&rows, &self.broken)
    }
}
