//! What players met whose area went to other servers while they walked: figures, and which promises did not hold.

use serde::Serialize;

use super::crossing::walker::{Notes, told};
use super::economy::audit::Verdict;
use super::percentile::percentile;
use super::shown::row;
use crate::screen::Cell;

/// The figures as they are printed, beside those of the trial.
#[derive(Debug, Serialize)]
pub(super) struct Walked {
    /// From the last update of the server before to the first of the next one, less one tick; per player who walks and
    /// change of server, borders included.
    pause_ms_p50: f64,
    pause_ms_p99: f64,
    pause_ms_max: f64,
    /// Changes of server that players met.
    pub(super) changes: usize,
    inputs_sent: u64,
    /// Places that do not follow from the inputs that were taken: some were lost, or taken twice. Which of the
    /// two it was does not show, so both have the same number.
    inputs_lost: u64,
    /// See `inputs_lost`.
    inputs_doubled: u64,
    /// Inputs that came too many at once: the player was told.
    inputs_refused: u64,
    /// Connections that ended before their server had let go, and players that could not go along.
    disconnects: u64,
    /// Players who are nowhere in the end, and operations that were told as done and are not in the journal.
    lost: u64,
    /// Times that somebody was seen twice at once, and operations that counted twice.
    doubled: u64,
    operations_committed: u64,
    stale_writes_accepted: u64,
}

impl Walked {
    /// `left`: so many could not go along. With it, the promises that did not hold.
    pub(super) fn new(all: &[Notes], verdict: &Verdict, left: u64) -> (Self, Vec<String>) {
        let sum = |count: fn(&Notes) -> u64| all.iter().map(count).sum::<u64>();
        let mut pauses: Vec<f64> = all.iter().flat_map(|notes| notes.gaps_ms.iter().copied()).collect();
        let stranded: Vec<&str> = all.iter().filter_map(|notes| notes.stranded.as_deref()).collect();
        let disconnects = sum(|notes| notes.disconnects) + left;
        let (wrong, doubled) = (sum(|notes| notes.steps_wrong), sum(|notes| notes.doubled));
        let stale = sum(|notes| notes.stale);
        let mut broken = verdict.broken();
        let mut must = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        must(disconnects == 0, format!("{disconnects} connections ended"));
        let first = stranded.first().unwrap_or(&"");
        must(stranded.is_empty(), format!("{} players were lost: {first}", stranded.len()));
        must(wrong == 0, format!("{wrong} times inputs were lost or taken twice: {}", told(all)));
        must(doubled == 0, format!("somebody was seen twice, {doubled} times"));
        let older = all.iter().find_map(|notes| notes.older.as_deref()).unwrap_or_default();
        must(stale == 0, format!("{stale} times something older counted: {older}"));
        let walked = Self {
            pause_ms_p50: percentile(&mut pauses, 0.5),
            pause_ms_p99: percentile(&mut pauses, 0.99),
            pause_ms_max: percentile(&mut pauses, 1.0),
            changes: all.iter().map(|notes| notes.changes).sum(),
            inputs_sent: sum(|notes| notes.steps),
            inputs_lost: wrong,
            inputs_doubled: wrong,
            inputs_refused: sum(|notes| notes.refused),
            disconnects,
            lost: stranded.len() as u64 + verdict.lost,
            doubled: doubled + verdict.doubled,
            operations_committed: verdict.committed,
            stale_writes_accepted: stale,
        };
        (walked, broken)
    }

    /// For people.
    pub(super) fn rows(&self) -> Vec<Vec<Cell>> {
        let pause =
            format!("{:.1} / {:.1} / {:.1} ms", self.pause_ms_p50, self.pause_ms_p99, self.pause_ms_max);
        let inputs =
            format!("{} lost or taken twice; must be 0; {} refused", self.inputs_lost, self.inputs_refused);
        vec![
            row(
                "pause",
                pause,
                &format!(
                    "p50 / p99 / most, without an update, of who walks, {} changes of server",
                    self.changes
                ),
            ),
            row("inputs", self.inputs_sent, &inputs),
            row("disconnects", self.disconnects, "must be 0"),
            row(
                "lost",
                self.lost,
                &format!("players, and of {} operations; must be 0", self.operations_committed),
            ),
            row("doubled", self.doubled, "seen twice at once, or done twice; must be 0"),
            row("stale writes", self.stale_writes_accepted, "that counted; must be 0"),
        ]
    }
}
