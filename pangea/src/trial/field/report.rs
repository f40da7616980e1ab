//! The figures of a field or crowd, and which promises did not hold.

use serde::Serialize;

use super::super::percentile::{percentile, round};
use super::super::shown::{row, with_ending};
use super::Plan;
use super::swarm::Outcome;

/// A driver that takes more of its core measures itself.
const MOST_DRIVER_SHARE: f64 = 0.9;

/// The figures as they are printed. CPU is that of the game server's process alone.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    trial: &'static str,
    players: u32,
    seed: u64,
    seconds: f64,
    /// Side of the land, and how far each sees, metres.
    side_m: u32,
    view_m: u32,
    /// Others that a player knows, mean over players and time.
    visible_mean: f64,
    /// Ticks of the area per second of this machine's time.
    tick_hz: f64,
    tick_cpu_ms_mean: f64,
    tick_cpu_ms_p99: f64,
    cpu_us_per_client_tick: f64,
    /// As they come from the socket, WebSocket's heads included.
    bytes_per_client_s: f64,
    /// The same bytes over the entities that clients were told of.
    bytes_per_entity_update: f64,
    /// From sending an input to the update that tells its sender that it was taken.
    input_to_ack_ms_p50: f64,
    input_to_ack_ms_p99: f64,
    /// From sending an input to the update in which a neighbour sees what it did.
    input_to_seen_ms_p50: f64,
    input_to_seen_ms_p99: f64,
    /// How many inputs that is.
    inputs_seen: u64,
    disconnects: u64,
    inputs_refused: u64,
    /// Things that at least two of the watching players knew in the end; whom each of them had to know or may
    /// have; and what of both was wrong.
    shared_compared: usize,
    pairs_compared: usize,
    shared_different: usize,
    driver_core_share: f64,
    /// The players took too much of their core: the figures say nothing.
    void: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor_cpu_us_per_client_tick: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio_to_floor: Option<f64>,
    /// Promises that did not hold; empty is good.
    pub(super) broken: Vec<String>,
}

impl Report {
    pub(super) fn new(plan: &Plan, mut outcome: Outcome, floor: Option<Outcome>) -> Self {
        let mut broken = Vec::new();
        if outcome.disconnects > 0 {
            let reasons = outcome.dropped.join("; ");
            broken.push(format!("{} players were dropped: {reasons}", outcome.disconnects));
        }
        let different = &outcome.probe.differences;
        if !different.is_empty() {
            broken.push(format!("players do not know what they should: {}", different.join("; ")));
        }
        let per_client_tick = |outcome: &Outcome| {
            outcome.cpu_ms * 1e3 / f64::from(outcome.ticks.max(1)) / f64::from(plan.players)
        };
        let driver_share = floor.iter().map(|floor| floor.driver_share).fold(outcome.driver_share, f64::max);
        let cpu_us_per_client_tick = per_client_tick(&outcome);
        let floor = floor.as_ref().map(per_client_tick);
        Self {
            trial: plan.what,
            players: plan.players,
            seed: plan.seed,
            seconds: round(outcome.seconds),
            side_m: plan.side_m,
            view_m: plan.view_m,
            visible_mean: round(outcome.known as f64 / outcome.updates.max(1) as f64),
            tick_hz: round(f64::from(outcome.ticks) / outcome.seconds.max(1e-3)),
            tick_cpu_ms_mean: round(outcome.cpu_ms / f64::from(outcome.ticks.max(1))),
            tick_cpu_ms_p99: percentile(&mut outcome.tick_cpu_ms, 0.99),
            cpu_us_per_client_tick: round(cpu_us_per_client_tick),
            bytes_per_client_s: round(
                outcome.bytes as f64 / f64::from(plan.players) / outcome.seconds.max(1e-3),
            ),
            bytes_per_entity_update: round(outcome.bytes as f64 / outcome.entity_updates.max(1) as f64),
            input_to_ack_ms_p50: round(outcome.acked.percentile_ms(0.5)),
            input_to_ack_ms_p99: round(outcome.acked.percentile_ms(0.99)),
            input_to_seen_ms_p50: round(outcome.seen.percentile_ms(0.5)),
            input_to_seen_ms_p99: round(outcome.seen.percentile_ms(0.99)),
            inputs_seen: outcome.seen.count(),
            disconnects: outcome.disconnects,
            inputs_refused: outcome.refused,
            shared_compared: outcome.probe.shared,
            pairs_compared: outcome.probe.pairs,
            shared_different: outcome.probe.differences.len(),
            driver_core_share: round(driver_share),
            void: driver_share > MOST_DRIVER_SHARE,
            floor_cpu_us_per_client_tick: floor.map(round),
            ratio_to_floor: floor.map(|floor| round(cpu_us_per_client_tick / floor)),
            broken,
        }
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut rows = vec![
            row("players", self.players, &format!("each sees {:.1} others", self.visible_mean)),
            row("rate", format!("{:.1} ticks/s", self.tick_hz), &format!("over {:.0} s", self.seconds)),
            row(
                "CPU of a tick",
                format!("{:.2} / {:.2} ms", self.tick_cpu_ms_mean, self.tick_cpu_ms_p99),
                "mean / p99, all of the game server",
            ),
            row("CPU per client and tick", format!("{:.2} µs", self.cpu_us_per_client_tick), ""),
            row(
                "bytes per client",
                format!("{:.0} B/s", self.bytes_per_client_s),
                &format!("{:.2} per entity update", self.bytes_per_entity_update),
            ),
            row(
                "input to seen",
                format!("{:.1} / {:.1} ms", self.input_to_seen_ms_p50, self.input_to_seen_ms_p99),
                "p50 / p99 at a neighbour",
            ),
            row(
                "input to ack",
                format!("{:.1} / {:.1} ms", self.input_to_ack_ms_p50, self.input_to_ack_ms_p99),
                "p50 / p99 at the player",
            ),
            row("dropped", self.disconnects, &format!("{} inputs refused", self.inputs_refused)),
            row(
                "compared",
                self.shared_compared,
                &format!(
                    "things that two or more see, {} pairs near each other, {} wrong",
                    self.pairs_compared, self.shared_different
                ),
            ),
            row("driver", format!("{:.0} %", self.driver_core_share * 100.0), "of its core"),
        ];
        if let (Some(floor), Some(ratio)) = (self.floor_cpu_us_per_client_tick, self.ratio_to_floor) {
            let note = format!("a bare server takes {floor:.2} µs per client and tick");
            rows.insert(4, row("to the floor", format!("× {ratio:.2}"), &note));
        }
        if self.void {
            rows.push(row("void", "yes", "the players took more than 90 % of their core; run fewer"));
        }
        with_ending(&rows, &self.broken)
    }
}
