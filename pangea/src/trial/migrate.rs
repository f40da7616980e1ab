//! `pangea trial migrate`: whether players notice that their area goes to another process.
//!
//! One area of a private cluster, players who walk about on it, and pebbles that roll; the area is moved again and
//! again meanwhile. The walkers are those of the crossing trial: an update that is late, a step that is lost or
//! made twice, a connection that ends, somebody who is seen twice or stands elsewhere in the end, all of it shows.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::cluster::{Cluster, WORLD};
use super::crossing::plain;
use super::crossing::walker::Notes;
use super::crossing::{SIDE_M, set_off};
use super::economy::BEGIN_COINS;
use super::economy::audit::{Found, Verdict};
use super::economy::record::Record;
use super::percentile::{percentile, round};
use super::players::come_in;
use super::shown::{row, with_ending};
use super::{PATIENCE, WORKERS, say, shown};
use crate::flags::TrialMigrate;

/// One move, as central tells of it.
#[derive(Debug, Deserialize)]
struct Moved {
    players: usize,
    left: usize,
    still_ms: f64,
    took_ms: f64,
}

/// The figures as they are printed.
#[derive(Debug, Serialize)]
struct Report {
    trial: &'static str,
    players: u32,
    entities: u32,
    seed: u64,
    seconds: f64,
    /// How often the area went to another process.
    migrations: usize,
    /// From the last update of the process before to the first of the next one, less one tick; per player and move.
    pause_ms_p50: f64,
    pause_ms_p99: f64,
    pause_ms_max: f64,
    /// How long it was with central, standing still.
    still_ms_p50: f64,
    still_ms_max: f64,
    /// From the wish to the end of a move.
    move_ms_p50: f64,
    inputs_sent: u64,
    /// Places that do not follow from the inputs that were taken: some were lost, or taken twice. Which of the
    /// two it was does not show, so both have the same number.
    inputs_lost: u64,
    /// See `inputs_lost`.
    inputs_doubled: u64,
    /// Connections that ended before their server had let go, and players that could not go along.
    disconnects: u64,
    /// Players who are nowhere in the end, and operations that were told as done and are not in the journal.
    lost: u64,
    /// Times that somebody was seen twice at once, and operations that counted twice.
    doubled: u64,
    operations_committed: u64,
    stale_writes_accepted: u64,
    /// Promises that did not hold; empty is good.
    broken: Vec<String>,
}

/// Measures and prints; fails if a promise did not hold.
///
/// # Errors
/// If the cluster does not start, or Ctrl-C was pressed.
pub fn run(options: &TrialMigrate) -> anyhow::Result<ExitCode> {
    let report = shown::run(WORKERS, measure(options))?;
    shown::print(options.common.json, &report, &report.table(), &report.broken)
}

async fn measure(options: &TrialMigrate) -> anyhow::Result<Report> {
    let world = format!(
        "kind = \"grid\"\nseed = {}\ncapacity = {}\nlayers = 1\nidle_stop_s = 600\nview_m = 16\n[grid]\n\
         cell_m = {side}\narea_cells = 1\nspawn = {{ x = {spawn}.0, y = {spawn}.0 }}\n\
         bounds = {{ x0 = 0, y0 = 0, x1 = 1, y1 = 1 }}\n",
        options.common.seed,
        options.players * 2,
        side = SIDE_M * 2,
        spawn = SIDE_M - 10,
    );
    say("a private cluster with one area");
    let pebbles = (plain::PEBBLES, options.entities.to_string());
    let mut cluster = Cluster::start(&world, 2, &[(plain::CHOSEN, "1".to_owned()), pebbles]).await?;
    let measured = walk(options, &cluster).await;
    let log = cluster.stop().await;
    measured.with_context(|| format!("the cluster's last words:\n{log}"))
}

async fn walk(options: &TrialMigrate, cluster: &Cluster) -> anyhow::Result<Report> {
    cluster.until_idle(2, PATIENCE).await?;
    say(&format!("{} players come in", options.players));
    let over = Arc::new(AtomicBool::new(false));
    let record = Arc::new(Record::default());
    let players = come_in(options.players, cluster, None).await?;
    let everybody = Arc::new(players.iter().map(|(.., character)| *character).collect::<Vec<_>>());
    let mut walking = set_off(players, options.common.seed, &over, (&record, &everybody)).await?;
    say(&format!("they walk for {} s, and the area moves", options.common.seconds));
    let (began, operator) = (Instant::now(), cluster.operator()?);
    let wish = json!({ "reason": "trial", "area": format!("{WORLD}/0,0..1,1/0") });
    let mut moves: Vec<Moved> = Vec::new();
    while began.elapsed() < Duration::from_secs(options.common.seconds) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let moved = operator.call(Method::POST, "/api/data/areas/migrate", Some(&wish)).await;
        moves.push(moved.context("a move of the area")?);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    over.store(true, Ordering::Relaxed);
    let mut all: Vec<Notes> = Vec::new();
    while let Some(notes) = walking.join_next().await {
        all.push(notes?);
    }
    let took = began.elapsed();
    say("comparing with central's journal");
    let found = Found::read(&operator, &everybody).await?;
    let verdict = found.compare(&record.notes(), BEGIN_COINS);
    Ok(Report::new(options, &all, &moves, took, &verdict))
}

impl Report {
    fn new(
        options: &TrialMigrate,
        all: &[Notes],
        moves: &[Moved],
        took: Duration,
        verdict: &Verdict,
    ) -> Self {
        let sum = |count: fn(&Notes) -> u64| all.iter().map(count).sum::<u64>();
        let mut pauses: Vec<f64> = all.iter().flat_map(|notes| notes.gaps_ms.iter().copied()).collect();
        let mut still: Vec<f64> = moves.iter().map(|moved| moved.still_ms).collect();
        let mut whole: Vec<f64> = moves.iter().map(|moved| moved.took_ms).collect();
        let stranded: Vec<&str> = all.iter().filter_map(|notes| notes.stranded.as_deref()).collect();
        let left: usize = moves.iter().map(|moved| moved.left).sum();
        let went: usize = moves.iter().map(|moved| moved.players).sum();
        let disconnects = sum(|notes| notes.disconnects) + left as u64;
        let (wrong, doubled) = (sum(|notes| notes.steps_wrong), sum(|notes| notes.doubled));
        let stale = sum(|notes| notes.stale);
        let mut broken = verdict.broken();
        let mut must = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        must(!moves.is_empty(), "the area never moved".to_owned());
        must(went == pauses.len(), format!("{went} went along and {} noticed", pauses.len()));
        must(disconnects == 0, format!("{disconnects} connections ended"));
        let first = stranded.first().unwrap_or(&"");
        must(stranded.is_empty(), format!("{} players were lost: {first}", stranded.len()));
        must(wrong == 0, format!("{wrong} times inputs were lost or taken twice"));
        must(doubled == 0, format!("somebody was seen twice, {doubled} times"));
        let older = all.iter().find_map(|notes| notes.older.as_deref()).unwrap_or_default();
        must(stale == 0, format!("{stale} times something older counted: {older}"));
        Self {
            trial: "migrate",
            players: options.players,
            entities: options.entities,
            seed: options.common.seed,
            seconds: round(took.as_secs_f64()),
            migrations: moves.len(),
            pause_ms_p50: percentile(&mut pauses, 0.5),
            pause_ms_p99: percentile(&mut pauses, 0.99),
            pause_ms_max: percentile(&mut pauses, 1.0),
            still_ms_p50: percentile(&mut still, 0.5),
            still_ms_max: percentile(&mut still, 1.0),
            move_ms_p50: percentile(&mut whole, 0.5),
            inputs_sent: sum(|notes| notes.steps),
            inputs_lost: wrong,
            inputs_doubled: wrong,
            disconnects,
            lost: stranded.len() as u64 + verdict.lost,
            doubled: doubled + verdict.doubled,
            operations_committed: verdict.committed,
            stale_writes_accepted: stale,
            broken,
        }
    }

    /// For people.
    fn table(&self) -> String {
        let pause =
            format!("{:.1} / {:.1} / {:.1} ms", self.pause_ms_p50, self.pause_ms_p99, self.pause_ms_max);
        let rows = [
            row(
                "players",
                self.players,
                &format!("for {:.0} s, beside {} entities", self.seconds, self.entities),
            ),
            row("moves", self.migrations, &format!("each took {:.0} ms (p50)", self.move_ms_p50)),
            row("pause", pause, "p50 / p99 / most, without an update, per player and move"),
            row(
                "stood still",
                format!("{:.1} / {:.1} ms", self.still_ms_p50, self.still_ms_max),
                "p50 / most, with central; packing and unpacking come to it",
            ),
            row("inputs", self.inputs_sent, &format!("{} lost or taken twice; must be 0", self.inputs_lost)),
            row("disconnects", self.disconnects, "must be 0"),
            row(
                "lost",
                self.lost,
                &format!("players, and of {} operations; must be 0", self.operations_committed),
            ),
            row("doubled", self.doubled, "seen twice at once, or done twice; must be 0"),
            row("stale writes", self.stale_writes_accepted, "that counted; must be 0"),
        ];
        with_ending(&rows, &self.broken)
    }
}
