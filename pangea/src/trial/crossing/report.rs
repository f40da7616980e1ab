//! The figures of crossings, and which promises did not hold.

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;

use super::super::economy::audit::Verdict;
use super::super::percentile::{percentile, round};
use super::super::shown::{row, with_ending};
use super::super::walked::Closed;
use super::meets::Hits;
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
    #[serde(flatten)]
    closed: Closed,
    /// From the last update of the server before to the first of the next one, less one tick.
    gap_ms_p50: f64,
    gap_ms_p99: f64,
    gap_ms_max: f64,
    /// The same between any two updates of one server.
    usual_gap_ms_p99: f64,
    /// Ticks of which no update came, at crossings, of who walks: by the clock of the server that took over, from the
    /// last that it told as a neighbour to the first that it told as the one that steers. Of the one before nothing is
    /// counted: two areas' clocks have nothing to do with each other.
    updates_missed: u64,
    /// Trades under an epoch that had passed, and tokens of a connection to the server before.
    stale_writes_tried: u64,
    /// Of these; a lower epoch after a higher one, or a place that an old owner wrote.
    stale_writes_accepted: u64,
    /// Players who are nowhere in the end, and operations that were acknowledged and are not in the journal.
    lost: u64,
    /// Times that somebody was seen twice at once, and operations that were done twice.
    doubled: u64,
    /// Payments between players, by the journal; those of which nobody was told, because he had crossed.
    operations_committed: u64,
    operations_untold: u64,
    /// Of these, trades with somebody of another area.
    trades: u64,
    #[serde(flatten)]
    hits: Hits,
    /// Of all accounts and the bank: must be 0.
    money_sum: i64,
    steps: u64,
    /// Steps that were given and not made, though nothing was refused.
    inputs_lost: u64,
    /// Steps that were made twice.
    inputs_doubled: u64,
    /// Times that a player was told that inputs came too many at once, …
    inputs_refused: u64,
    /// … and that steps were missing for it: he is told once a second.
    steps_refused: u64,
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
        let (closed, hits) = (Closed::of(&all, 0), Hits::of(&all));
        let doubled = sum(|notes| notes.doubled);
        let stale = sum(|notes| notes.stale);
        let (inputs_lost, inputs_doubled) = (sum(|notes| notes.steps_lost), sum(|notes| notes.steps_doubled));
        let mut broken = verdict.broken();
        broken.extend(hits.broken().iter().cloned());
        broken.extend(closed.broken());
        let mut must = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        let crossings: usize = all.iter().map(|notes| notes.changes).sum();
        must(crossings > 0, "nobody crossed a border".to_owned());
        must(been.len() == 4, format!("only {} of 4 areas were walked on", been.len()));
        must(
            stranded.is_empty(),
            format!("{} players were lost: {}", stranded.len(), stranded.first().unwrap_or(&"")),
        );
        must(doubled == 0, format!("somebody was seen twice, {doubled} times"));
        let older = all.iter().find_map(|notes| notes.older.as_deref()).unwrap_or_default();
        must(stale == 0, format!("{stale} times something older counted: {older}"));
        must(inputs_lost == 0, format!("{inputs_lost} steps were lost: {}", told(&all)));
        must(inputs_doubled == 0, format!("{inputs_doubled} steps were made twice: {}", told(&all)));
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
            closed,
            gap_ms_p50: percentile(&mut gaps, 0.5),
            gap_ms_p99: percentile(&mut gaps, 0.99),
            gap_ms_max: percentile(&mut gaps, 1.0),
            usual_gap_ms_p99: percentile(&mut usual, 0.99),
            updates_missed: sum(|notes| notes.updates_missed),
            stale_writes_tried: sum(|notes| notes.stale_tried),
            stale_writes_accepted: stale + verdict.stale,
            lost: stranded.len() as u64 + verdict.lost + hits.lost(),
            doubled: doubled + verdict.doubled + hits.doubled(),
            operations_committed: verdict.committed,
            operations_untold: sum(|notes| notes.untold),
            trades: verdict.trades,
            hits,
            money_sum: verdict.money_sum,
            steps: sum(|notes| notes.steps),
            inputs_lost,
            inputs_doubled,
            inputs_refused: sum(|notes| notes.refused),
            steps_refused: sum(|notes| notes.refused_looks),
            border_shut: sum(|notes| notes.shut),
            broken,
        }
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let line = format!("{} ms each way, {} % lost", self.delay_ms, self.loss_percent);
        let (hits, of_hits) = self.hits.told();
        let rows = [
            row(
                "players",
                self.players,
                &format!("for {:.0} s in {} areas; {line}; seed {}", self.seconds, self.areas, self.seed),
            ),
            row("crossings", self.crossings, &format!("{:.1} a second", self.crossings_per_s)),
            self.closed.row(),
            row(
                "gap",
                format!("{:.1} / {:.1} / {:.1} ms", self.gap_ms_p50, self.gap_ms_p99, self.gap_ms_max),
                &format!("p50 / p99 / most, without an update; usually p99 {:.1} ms", self.usual_gap_ms_p99),
            ),
            row("updates missed", self.updates_missed, "ticks of which nothing came, at crossings"),
            row(
                "stale writes",
                self.stale_writes_accepted,
                &format!("that counted, of {} that were tried; must be 0", self.stale_writes_tried),
            ),
            row("lost", self.lost, "players, and payments and blows that were acknowledged; must be 0"),
            row("doubled", self.doubled, "seen twice at once, or paid or struck twice; must be 0"),
            row(
                "payments",
                self.operations_committed,
                &format!("{} not told of; all money {}: must be 0", self.operations_untold, self.money_sum),
            ),
            row("hits", hits, &of_hits),
            row("trades", self.trades, "of two areas' characters"),
            row(
                "steps",
                self.steps,
                &format!(
                    "{} lost, {} made twice; must be 0; {} times too many at once",
                    self.inputs_lost, self.inputs_doubled, self.inputs_refused
                ),
            ),
            row("shut", self.border_shut, "times before a border that was not ready"),
        ];
        with_ending(&rows, &self.broken)
    }
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use pangea_world::id::CharacterId;

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
            ("a connection that played", |notes, _| notes.disconnects = 1),
            ("a neighbour's connection", |notes, _| notes.beside_closed = 1),
            ("one that never opened", |notes, _| notes.beside_unopened = 1),
            ("a player", |notes, _| notes.stranded = Some("nowhere".to_owned())),
            ("a lost input", |notes, _| notes.steps_lost = 1),
            ("a doubled input", |notes, _| notes.steps_doubled = 1),
            ("seen twice", |notes, _| notes.doubled = 1),
            ("a stale write", |notes, _| notes.stale = 1),
            ("a lost blow", |notes, _| {
                let me = CharacterId([1; 16]);
                notes.blows.given.insert(me, (1, 1));
                notes.blows.taken = Some((me, 0, 0));
            }),
            ("the journal", |_, verdict| verdict.fault("operations are doubled", "one".to_owned())),
            ("nobody crossed", |notes, _| notes.changes = 0),
            ("an area that nobody saw", |notes, _| notes.areas.clear()),
        ];
        for (what, spoil) in faults {
            assert_eq!(code(*spoil), ExitCode::FAILURE, "{what}");
        }
    }
}
