//! What bots count, cheaply from many tasks, and how it is shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::screen;

/// Times in steps of 5 %, from 10 µs to about 3 minutes.
pub(crate) struct Histogram(Vec<AtomicU64>);

const STEPS: usize = 340;
const STEP: f64 = 1.05;
const LEAST_MS: f64 = 0.01;

impl Default for Histogram {
    fn default() -> Self {
        Self((0..STEPS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Histogram {
    pub(crate) fn add(&self, time: Duration) {
        let steps = (time.as_secs_f64() * 1_000.0 / LEAST_MS).max(1.0).ln() / STEP.ln();
        self.0[(steps.ceil() as usize).min(STEPS - 1)].fetch_add(1, Relaxed);
    }

    fn counts(&self) -> Vec<u64> {
        self.0.iter().map(|count| count.load(Relaxed)).collect()
    }
}

/// The time in milliseconds under which this share lies; 0 of nothing.
fn quantile(counts: &[u64], share: f64) -> f64 {
    let all: u64 = counts.iter().sum();
    let wanted = ((all as f64) * share).ceil().max(1.0) as u64;
    let mut sum = 0;
    for (step, count) in counts.iter().enumerate() {
        sum += count;
        if sum >= wanted {
            return LEAST_MS * STEP.powi(step as i32);
        }
    }
    0.0
}

/// Counted by all bots.
#[derive(Default)]
pub(crate) struct Figures {
    /// In the world now.
    pub(crate) connected: AtomicU64,
    /// On their way into it now.
    pub(crate) entering: AtomicU64,
    /// Came in for the first time.
    pub(crate) entered_ever: AtomicU64,
    /// Ended, whether they were in or not.
    pub(crate) gone: AtomicU64,
    pub(crate) updates: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) inputs: AtomicU64,
    /// Sum over all updates of the entities in view.
    pub(crate) in_view: AtomicU64,
    pub(crate) moves: AtomicU64,
    pub(crate) lost: AtomicU64,
    /// From input to the update that answers it.
    pub(crate) seen: Histogram,
    /// From POST /api/enter to the welcome.
    pub(crate) enter: Histogram,
    refusals: Mutex<BTreeMap<String, u64>>,
}

/// The figures at one moment, and over the time since the one before.
#[derive(Clone)]
pub(crate) struct Snapshot {
    at: Instant,
    connected: u64,
    entering: u64,
    updates: u64,
    bytes: u64,
    in_view: u64,
    seen: Vec<u64>,
    refusals: BTreeMap<String, u64>,
    updates_per_s: f64,
    bytes_per_s: f64,
    seen_mean: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// The figures of a whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Total {
    pub(crate) players: u32,
    pub(crate) entered_ever: u64,
    connected_at_end: u64,
    seconds: f64,
    enter_ms_p50: f64,
    enter_ms_p99: f64,
    inputs: u64,
    updates: u64,
    bytes: u64,
    bytes_per_player_and_s: f64,
    entities_seen_mean: f64,
    input_to_seen_ms_p50: f64,
    input_to_seen_ms_p99: f64,
    moves_between_servers: u64,
    connections_lost: u64,
    refusals: BTreeMap<String, u64>,
}

impl Figures {
    /// Counts a «no» by its code.
    pub(crate) fn refused(&self, code: &str) {
        *self
            .refusals
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .entry(code.to_owned())
            .or_default() += 1;
    }

    pub(crate) fn all_gone(&self, players: u32) -> bool {
        self.gone.load(Relaxed) >= u64::from(players)
    }

    pub(crate) fn snapshot(&self, last: Option<&Snapshot>) -> Snapshot {
        let mut now = Snapshot {
            at: Instant::now(),
            connected: self.connected.load(Relaxed),
            entering: self.entering.load(Relaxed),
            updates: self.updates.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            in_view: self.in_view.load(Relaxed),
            seen: self.seen.counts(),
            refusals: self.refusals.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone(),
            updates_per_s: 0.0,
            bytes_per_s: 0.0,
            seen_mean: 0.0,
            p50_ms: 0.0,
            p99_ms: 0.0,
        };
        let Some(last) = last else { return now };
        let seconds = now.at.duration_since(last.at).as_secs_f64().max(1e-3);
        let updates = now.updates - last.updates;
        now.updates_per_s = updates as f64 / seconds;
        now.bytes_per_s = (now.bytes - last.bytes) as f64 / seconds;
        now.seen_mean = (now.in_view - last.in_view) as f64 / (updates.max(1)) as f64;
        let since: Vec<u64> = now.seen.iter().zip(&last.seen).map(|(now, last)| now - last).collect();
        (now.p50_ms, now.p99_ms) = (quantile(&since, 0.5), quantile(&since, 0.99));
        now
    }

    pub(crate) fn total(&self, ran: Duration, players: u32, end: &Snapshot) -> Total {
        let (updates, bytes, in_view) =
            (self.updates.load(Relaxed), self.bytes.load(Relaxed), self.in_view.load(Relaxed));
        let entered_ever = self.entered_ever.load(Relaxed);
        let (seen, enter) = (self.seen.counts(), self.enter.counts());
        Total {
            players,
            entered_ever,
            connected_at_end: end.connected,
            seconds: round(ran.as_secs_f64()),
            enter_ms_p50: round(quantile(&enter, 0.5)),
            enter_ms_p99: round(quantile(&enter, 0.99)),
            inputs: self.inputs.load(Relaxed),
            updates,
            bytes,
            bytes_per_player_and_s: round(
                bytes as f64 / entered_ever.max(1) as f64 / ran.as_secs_f64().max(1e-3),
            ),
            entities_seen_mean: round(in_view as f64 / updates.max(1) as f64),
            input_to_seen_ms_p50: round(quantile(&seen, 0.5)),
            input_to_seen_ms_p99: round(quantile(&seen, 0.99)),
            moves_between_servers: self.moves.load(Relaxed),
            connections_lost: self.lost.load(Relaxed),
            refusals: self.refusals.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone(),
        }
    }
}

impl Snapshot {
    /// For a terminal.
    pub(crate) fn block(&self, name: &str, world: &str, players: u32, ran: Duration) -> String {
        let mut out = String::new();
        let width = 30;
        let full = (self.connected as usize * width / players.max(1) as usize).min(width);
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(width - full));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name} in «{world}», {} s", ran.as_secs());
        let _ =
            writeln!(out, "  {bar} {} of {players} connected, {} entering", self.connected, self.entering);
        let _ = writeln!(
            out,
            "  {:.0} updates/s   {:.1} KB/s   {:.1} in view",
            self.updates_per_s,
            self.bytes_per_s / 1e3,
            self.seen_mean
        );
        let _ = writeln!(out, "  input to seen: {:.1} ms (p50), {:.1} ms (p99)", self.p50_ms, self.p99_ms);
        if !self.refusals.is_empty() {
            let _ = writeln!(out, "  refused: {}", by_code(&self.refusals));
        }
        out
    }

    /// For a log.
    pub(crate) fn line(&self, players: u32, ran: Duration) -> String {
        let refused = if self.refusals.is_empty() {
            String::new()
        } else {
            format!("  refused {}", by_code(&self.refusals))
        };
        format!(
            "{:>4} s  {}/{players} connected  {} entering  {:.0} updates/s  {:.0} B/s  {:.1} in view  seen p50 {:.1} ms p99 {:.1} ms{refused}",
            ran.as_secs(),
            self.connected,
            self.entering,
            self.updates_per_s,
            self.bytes_per_s,
            self.seen_mean,
            self.p50_ms,
            self.p99_ms,
        )
    }
}

impl Total {
    /// For people.
    pub(crate) fn table(&self) -> String {
        let row = |what: &str, value: String| {
            vec![
                (what.to_owned(), screen::dim as fn(&str) -> String),
                (value, screen::plain as fn(&str) -> String),
            ]
        };
        let refused = if self.refusals.is_empty() { "none".to_owned() } else { by_code(&self.refusals) };
        screen::table(&[
            row("entered", format!("{} of {}", self.entered_ever, self.players)),
            row("enter", format!("{:.1} ms (p50), {:.1} ms (p99)", self.enter_ms_p50, self.enter_ms_p99)),
            row(
                "input to seen",
                format!(
                    "{:.1} ms (p50), {:.1} ms (p99)",
                    self.input_to_seen_ms_p50, self.input_to_seen_ms_p99
                ),
            ),
            row("inputs, updates", format!("{}, {}", self.inputs, self.updates)),
            row(
                "received",
                format!(
                    "{:.1} MB, {:.0} B/s per player",
                    self.bytes as f64 / 1e6,
                    self.bytes_per_player_and_s
                ),
            ),
            row("in view", format!("{:.1} on average", self.entities_seen_mean)),
            row(
                "moves, lost",
                format!(
                    "{} between servers, {} connections lost",
                    self.moves_between_servers, self.connections_lost
                ),
            ),
            row("refused", refused),
            row("ran", format!("{:.1} s", self.seconds)),
        ])
    }
}

fn by_code(refusals: &BTreeMap<String, u64>) -> String {
    refusals.iter().map(|(code, count)| format!("{code} {count}")).collect::<Vec<_>>().join(", ")
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_within_one_step() {
        let histogram = Histogram::default();
        (1..=1_000).for_each(|ms| histogram.add(Duration::from_millis(ms)));
        let counts = histogram.counts();
        for (share, exact) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let found = quantile(&counts, share);
            assert!((exact..exact * 1.06).contains(&found), "{share}: {found}");
        }
        assert_eq!(quantile(&Histogram::default().counts(), 0.5), 0.0);
        histogram.add(Duration::from_secs(100_000));
    }
}
