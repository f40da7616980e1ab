//! The figures of a trial, and which promises did not hold.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::cluster::Server;
use super::joining::{Join, Joins};
use super::percentile::{percentile, round};
use super::shown::{row, with_ending};
use crate::flags::TrialJoin;

/// What was measured.
pub(super) struct Figures {
    /// Servers with an area, while all players of the cold phase were inside.
    pub(super) used: Vec<Server>,
    pub(super) idle_rss_mb: f64,
    pub(super) ready_ms: Vec<f64>,
    pub(super) cold: Vec<Join>,
    pub(super) warm: Vec<Join>,
    pub(super) rate: Vec<Join>,
    pub(super) rate_took: Duration,
    /// Of all server processes over `warm` and `rate`.
    pub(super) cpu_ms: f64,
    pub(super) stopped: Vec<Join>,
}

/// The figures as they are printed. Times are milliseconds by central's clock unless they say `client`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    players: u32,
    capacity: u32,
    seed: u64,
    /// Most servers that one area (one layer of it) had at the same time: must be 1.
    servers_for_the_area: usize,
    servers_used: usize,
    joins_ok: usize,
    joins_refused: u64,
    joins_lost: u64,
    join_cold_ms_p50: f64,
    join_cold_ms_p99: f64,
    join_warm_ms_p50: f64,
    join_warm_ms_p99: f64,
    join_stopped_ms_p50: f64,
    join_stopped_ms_p99: f64,
    client_join_cold_ms_p99: f64,
    client_join_warm_ms_p50: f64,
    client_join_warm_ms_p99: f64,
    joins_per_s: f64,
    server_cpu_ms_per_join: f64,
    idle_server_rss_mb: f64,
    server_ready_ms_p50: f64,
    refusals: BTreeMap<String, u64>,
    seconds: f64,
    /// Promises that did not hold; empty is good.
    pub(super) broken: Vec<String>,
}

impl Report {
    pub(super) fn new(options: &TrialJoin, joins: &Joins, figures: Figures, took: Duration) -> Self {
        let seen = joins.seen();
        let by_area =
            |area: &str| figures.used.iter().filter(|server| server.area.as_deref() == Some(area)).count();
        let listed = figures.used.iter().filter_map(|server| server.area.as_deref()).map(by_area).max();
        let met = seen.servers.values().map(Vec::len).max();
        let servers_for_the_area = listed.max(met).unwrap_or(0);
        let mut broken = Vec::new();
        if servers_for_the_area > 1 {
            broken.push(format!("one area had {servers_for_the_area} servers at the same time"));
        }
        if seen.joins_lost > 0 {
            broken.push(format!("{} joins were lost: {}", seen.joins_lost, seen.lost.join("; ")));
        }
        if seen.overfull > 0 {
            broken.push(format!(
                "a server held more than {} players, {} times",
                options.capacity, seen.overfull
            ));
        }
        if figures.cold.is_empty() {
            broken.push("nobody came in".to_owned());
        }
        let server = |joins: &[Join], share| {
            percentile(&mut joins.iter().map(|join| join.server_ms).collect::<Vec<_>>(), share)
        };
        let client = |joins: &[Join], share| {
            percentile(
                &mut joins.iter().map(|join| join.client.as_secs_f64() * 1e3).collect::<Vec<_>>(),
                share,
            )
        };
        let counted = figures.warm.len() + figures.rate.len();
        Self {
            players: options.players,
            capacity: options.capacity,
            seed: options.common.seed,
            servers_for_the_area,
            servers_used: figures.used.len(),
            joins_ok: figures.cold.len() + counted + figures.stopped.len(),
            joins_refused: seen.refused.values().sum(),
            joins_lost: seen.joins_lost,
            join_cold_ms_p50: server(&figures.cold, 0.5),
            join_cold_ms_p99: server(&figures.cold, 0.99),
            join_warm_ms_p50: server(&figures.warm, 0.5),
            join_warm_ms_p99: server(&figures.warm, 0.99),
            join_stopped_ms_p50: server(&figures.stopped, 0.5),
            join_stopped_ms_p99: server(&figures.stopped, 0.99),
            client_join_cold_ms_p99: client(&figures.cold, 0.99),
            client_join_warm_ms_p50: client(&figures.warm, 0.5),
            client_join_warm_ms_p99: client(&figures.warm, 0.99),
            joins_per_s: round(figures.rate.len() as f64 / figures.rate_took.as_secs_f64().max(1e-3)),
            server_cpu_ms_per_join: round(figures.cpu_ms / counted.max(1) as f64),
            idle_server_rss_mb: round(figures.idle_rss_mb),
            server_ready_ms_p50: percentile(&mut figures.ready_ms.clone(), 0.5),
            refusals: seen.refused.into_iter().collect(),
            seconds: round(took.as_secs_f64()),
            broken,
        }
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let pair = |p50: f64, p99: f64| format!("{p50:.1} / {p99:.1} ms");
        let refused = self
            .refusals
            .iter()
            .map(|(code, count)| format!("{code} {count}"))
            .collect::<Vec<_>>()
            .join(", ");
        let rows = [
            row("players", self.players, &format!("{} per server", self.capacity)),
            row("servers for the area", self.servers_for_the_area, "at the same time; must be 1"),
            row("servers used", self.servers_used, "by all layers"),
            row(
                "joins",
                format!("{} ok", self.joins_ok),
                &format!("{} refused, {} lost  {refused}", self.joins_refused, self.joins_lost),
            ),
            row(
                "into a missing area",
                pair(self.join_cold_ms_p50, self.join_cold_ms_p99),
                "p50 / p99 at the server, all at once",
            ),
            row(
                "into a running one",
                pair(self.join_warm_ms_p50, self.join_warm_ms_p99),
                &format!(
                    "at the client {}",
                    pair(self.client_join_warm_ms_p50, self.client_join_warm_ms_p99)
                ),
            ),
            row(
                "into a stopped one",
                pair(self.join_stopped_ms_p50, self.join_stopped_ms_p99),
                "all at once",
            ),
            row("rate", format!("{:.0} joins/s", self.joins_per_s), "players and servers on this machine"),
            row(
                "server CPU per join",
                format!("{:.2} ms", self.server_cpu_ms_per_join),
                "all server processes",
            ),
            row(
                "idle server",
                format!("{:.1} MB", self.idle_server_rss_mb),
                &format!("resident; ready after {:.0} ms", self.server_ready_ms_p50),
            ),
        ];
        with_ending(&rows, &self.broken)
    }
}
