//! The figures of the trial, and which promises did not hold.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pangea_client::ChannelKind as Kind;
use serde::Serialize;

use super::super::percentile::{percentile, round};
use super::super::shown::{row, with_ending};
use super::talker::{Book, Said};
use crate::flags::TrialChat;

/// The players' own timers may be so late before latencies are theirs more than the servers', ms.
const MOST_LATE_MS: f64 = 20.0;

/// What was measured beside the book.
pub(super) struct Figures {
    /// CPU of all servers while nobody talked, and while all did, ms.
    pub(super) silent_ms: f64,
    pub(super) loud_ms: f64,
    pub(super) took: Duration,
    pub(super) lost_players: Vec<String>,
    /// Until a ban was in force, at most, ms.
    pub(super) ban_ms: f64,
    /// How late the players' own timers were, the 99th of a hundred, ms.
    pub(super) late_ms: f64,
}

/// The figures as they are printed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    trial: &'static str,
    players: u32,
    kills: u32,
    seed: u64,
    seconds: f64,
    /// Lines that were said; whispers are among them.
    messages: usize,
    whispers: usize,
    /// Lines that were refused: chat was away.
    refused: usize,
    messages_per_s: f64,
    deliveries: u64,
    /// Deliveries that did not come, but for those below.
    lost: u64,
    /// Deliveries of the world's channel that did not come in a run with kills: it is kept in memory.
    lost_with_a_killed_server: u64,
    doubled: u64,
    out_of_order: u64,
    /// What talking adds to the CPU of all server processes, ms.
    chat_cpu_ms: f64,
    deliveries_per_cpu_s: f64,
    latency_ms_p50: f64,
    latency_ms_p99: f64,
    /// From an operator's ban until who is banned is out, and cannot log in: the longest of four areas.
    ban_ms: f64,
    /// How often somebody went over a border.
    handoffs: u64,
    /// How often a player was lost, entered anew, and heard what was said meanwhile.
    returned: u64,
    /// How late the players' own timers were, the 99th of a hundred, ms.
    driver_late_ms_p99: f64,
    /// The players had too little CPU: what is said of latency, and what servers need for it, is theirs.
    void: bool,
    /// Promises that did not hold; empty is good.
    pub(super) broken: Vec<String>,
}

impl Report {
    pub(super) fn new(options: &TrialChat, book: &Book, figures: Figures) -> Self {
        let lines = book.lines();
        let said: Vec<&Said> = lines.iter().filter(|line| line.said == Some(true)).collect();
        let missing = |line: &&Said| u64::from(line.hearers.saturating_sub(line.heard));
        let missing_of = |durable: bool| -> u64 {
            said.iter().filter(|line| line.kind.is_durable() == durable).map(missing).sum()
        };
        let world = missing_of(false);
        let (world_lost, excused) = if options.kills == 0 { (world, 0) } else { (0, world) };
        let lost = missing_of(true) + world_lost;
        let deliveries = book.deliveries.load(Ordering::Relaxed);
        let doubled = book.doubled.load(Ordering::Relaxed);
        let out_of_order = book.out_of_order.load(Ordering::Relaxed);
        let mut latencies = book.latencies_ms.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let chat_cpu_ms = (figures.loud_ms - figures.silent_ms).max(0.0);
        let mut broken = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        let missed = book.missed.lock().unwrap_or_else(PoisonError::into_inner);
        must(lost == 0, format!("{lost} deliveries were lost: {}", missed.join("; ")));
        must(doubled == 0, format!("{doubled} lines were heard twice"));
        must(out_of_order == 0, format!("{out_of_order} lines came out of order"));
        must(!said.is_empty(), "nothing was said".to_owned());
        let who = figures.lost_players.first().map_or("", String::as_str);
        must(
            figures.lost_players.is_empty(),
            format!("{} players were lost: {who}", figures.lost_players.len()),
        );
        Self {
            trial: "chat",
            players: options.players,
            kills: options.kills,
            seed: options.common.seed,
            seconds: round(figures.took.as_secs_f64()),
            messages: said.len(),
            whispers: said.iter().filter(|line| line.kind == Kind::Whisper).count(),
            refused: lines.iter().filter(|line| line.said == Some(false)).count(),
            messages_per_s: round(said.len() as f64 / figures.took.as_secs_f64().max(1e-3)),
            deliveries,
            lost,
            lost_with_a_killed_server: excused,
            doubled,
            out_of_order,
            chat_cpu_ms: round(chat_cpu_ms),
            deliveries_per_cpu_s: round(deliveries as f64 / (chat_cpu_ms / 1e3).max(1e-2)),
            latency_ms_p50: percentile(&mut latencies, 0.5),
            latency_ms_p99: percentile(&mut latencies, 0.99),
            ban_ms: round(figures.ban_ms),
            handoffs: book.handoffs.load(Ordering::Relaxed),
            returned: book.returned.load(Ordering::Relaxed),
            driver_late_ms_p99: round(figures.late_ms),
            void: figures.late_ms > MOST_LATE_MS,
            broken,
        }
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let rows = [
            row(
                "players",
                self.players,
                &format!("in four areas, for {:.0} s, {} kills", self.seconds, self.kills),
            ),
            row(
                "messages",
                self.messages,
                &format!(
                    "{:.0} a second, {} of them whispers; {} more were refused",
                    self.messages_per_s, self.whispers, self.refused
                ),
            ),
            row("deliveries", self.deliveries, "lines that a player was shown"),
            row("lost", self.lost, "must be 0"),
            row("missed", self.lost_with_a_killed_server, "of the world's channel, in a run with kills"),
            row("doubled", self.doubled, "must be 0"),
            row("out of order", self.out_of_order, "must be 0"),
            row(
                "deliveries per CPU-s",
                format!("{:.0}", self.deliveries_per_cpu_s),
                &format!("{:.0} ms of CPU more than in silence, all server processes", self.chat_cpu_ms),
            ),
            row(
                "latency",
                format!("{:.1} / {:.1} ms", self.latency_ms_p50, self.latency_ms_p99),
                "p50 / p99, from saying to hearing",
            ),
            row("handoffs", self.handoffs, "somebody walked over a border"),
            row("returned", self.returned, "somebody was lost, and entered anew"),
            row(
                "players' process",
                format!("{:.1} ms", self.driver_late_ms_p99),
                if self.void { "late, p99: VOID, it had too little CPU" } else { "late, p99" },
            ),
            row("ban", format!("{:.0} ms", self.ban_ms), "until it was in force in each area; at most 1,000"),
        ];
        with_ending(&rows, &self.broken)
    }
}
