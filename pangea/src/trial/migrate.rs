//! `pangea trial migrate`: whether players notice that their area goes to another process.
//!
//! One area of a private cluster, players who walk about on it, and pebbles that roll; the area is moved again and
//! again meanwhile. With `--corner` four areas are moved in turn, and the players go over their borders. The walkers
//! are those of the crossing trial: an update that is late, a step that is lost or made twice, a connection that ends,
//! somebody who is seen twice or stands elsewhere in the end, all of it shows.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::cluster::Cluster;
use super::crossing;
use super::crossing::walker::{Notes, Round};
use super::crossing::{SIDE_M, TURN_M, set_off};
use super::crossing::{impair, plain};
use super::economy::BEGIN_COINS;
use super::economy::audit::{Found, Verdict};
use super::economy::record::Record;
use super::percentile::{percentile, round};
use super::players::come_in;
use super::shown::{row, with_ending};
use super::walked::{Pauses, Walked};
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
    /// In each area.
    entities: u32,
    areas: usize,
    seed: u64,
    delay_ms: u64,
    loss_percent: f64,
    seconds: f64,
    /// How often the area went to another process.
    migrations: usize,
    /// How long it was with central, standing still.
    still_ms_p50: f64,
    still_ms_max: f64,
    /// From the wish to the end of a move.
    move_ms_p50: f64,
    #[serde(flatten)]
    pauses: Pauses,
    #[serde(flatten)]
    walked: Walked,
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

/// How far players see, metres, and entities for each square metre: of these about thirty are seen, and of a thousand
/// players as many.
const VIEW_M: u32 = 10;
const DENSITY: f64 = 0.1;

/// Areas around a corner.
const CORNER: usize = 4;

/// So far from the middle walkers turn at most, metres.
const SPREAD_M: u32 = 46;

/// The side of an area for so many entities, metres.
pub(super) fn side_m(entities: u32) -> u32 {
    let side_m = (f64::from(entities) / DENSITY).sqrt() as u32;
    side_m.next_multiple_of(SIDE_M).max(2 * SIDE_M)
}

async fn measure(options: &TrialMigrate) -> anyhow::Result<Report> {
    let (world, areas) = match options.corner {
        true => (crossing::world(options.common.seed, options.players, SIDE_M), CORNER),
        false => (one_area(options, side_m(options.entities)), 1),
    };
    say(&format!(
        "a private cluster with {areas} {}",
        if areas == 1 { "area" } else { "areas around a corner" }
    ));
    let pebbles = (plain::PEBBLES, options.entities.to_string());
    // Beside those that play, one to which the next area goes.
    let mut cluster =
        Cluster::start(&world, areas as u32 + 1, &[(plain::CHOSEN, "1".to_owned()), pebbles]).await?;
    let measured = walk(options, &cluster, areas + 1).await;
    let log = cluster.stop().await;
    measured.with_context(|| format!("the cluster's last words:\n{log}"))
}

fn one_area(options: &TrialMigrate, side_m: u32) -> String {
    format!(
        "kind = \"grid\"\nseed = {}\ncapacity = {}\nlayers = 1\nidle_stop_s = 600\nview_m = {VIEW_M}\n[grid]\n\
         cell_m = {side}\narea_cells = 1\nspawn = {{ x = {spawn}.0, y = {spawn}.0 }}\n\
         bounds = {{ x0 = 0, y0 = 0, x1 = 1, y1 = 1 }}\n",
        options.common.seed,
        options.players * 2,
        side = side_m,
        spawn = SIDE_M - 10,
    )
}

async fn walk(options: &TrialMigrate, cluster: &Cluster, idle: usize) -> anyhow::Result<Report> {
    cluster.until_idle(idle, PATIENCE).await?;
    say(&format!("{} players come in", options.players));
    let round = if options.corner { Round::new(TURN_M) } else { Round::spread(TURN_M, SPREAD_M) };
    let record = Arc::new(Record::default());
    let line = impair::line(options.line, options.common.seed).await?;
    let players = come_in(options.players, cluster, line).await?;
    let everybody = Arc::new(players.iter().map(|(.., character)| *character).collect::<Vec<_>>());
    let mut walking = set_off(players, options.common.seed, &round, (&record, &everybody)).await?;
    say(&format!("they walk for {} s, and the area moves", options.common.seconds));
    let (began, operator) = (Instant::now(), cluster.operator()?);
    let mut moves: Vec<Moved> = Vec::new();
    let mut areas = BTreeSet::new();
    while began.elapsed() < Duration::from_secs(options.common.seconds) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        areas.extend(cluster.servers().await?.into_iter().filter_map(|server| server.area));
        let next = areas.iter().nth(moves.len() % areas.len().max(1)).context("no area runs")?;
        let wish = json!({ "reason": "trial", "area": next });
        let moved = operator.call(Method::POST, "/api/data/areas/migrate", Some(&wish)).await;
        moves.push(moved.context("a move of the area")?);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    round.end();
    let mut all: Vec<Notes> = Vec::new();
    while let Some(notes) = walking.join_next().await {
        all.push(notes?);
    }
    let took = began.elapsed();
    say("comparing with central's journal");
    let found = Found::read(&operator, &everybody).await?;
    let verdict = found.compare(&record.notes(), BEGIN_COINS);
    Ok(Report::new(options, &all, (&moves, areas.len()), took, &verdict))
}

impl Report {
    fn new(
        options: &TrialMigrate,
        all: &[Notes],
        (moves, areas): (&[Moved], usize),
        took: Duration,
        verdict: &Verdict,
    ) -> Self {
        let mut still: Vec<f64> = moves.iter().map(|moved| moved.still_ms).collect();
        let mut whole: Vec<f64> = moves.iter().map(|moved| moved.took_ms).collect();
        let left: usize = moves.iter().map(|moved| moved.left).sum();
        let went: usize = moves.iter().map(|moved| moved.players).sum();
        let pauses = Pauses::of(all);
        let (walked, mut broken) = Walked::new(all, verdict, left as u64);
        let mut must = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        must(!moves.is_empty(), "the area never moved".to_owned());
        // Who walks over a border changes his server too.
        let noticed = if options.corner { went <= pauses.changes } else { went == pauses.changes };
        must(noticed, format!("{went} went along and {} noticed", pauses.changes));
        must(areas == if options.corner { CORNER } else { 1 }, format!("{areas} areas ran"));
        Self {
            trial: "migrate",
            players: options.players,
            entities: options.entities,
            areas,
            seed: options.common.seed,
            delay_ms: options.line.delay_ms,
            loss_percent: options.line.loss,
            seconds: round(took.as_secs_f64()),
            migrations: moves.len(),
            still_ms_p50: percentile(&mut still, 0.5),
            still_ms_max: percentile(&mut still, 1.0),
            move_ms_p50: percentile(&mut whole, 0.5),
            pauses,
            walked,
            broken,
        }
    }

    /// For people.
    fn table(&self) -> String {
        let mut rows = vec![
            row(
                "players",
                self.players,
                &format!("for {:.0} s, beside {} entities; seed {}", self.seconds, self.entities, self.seed),
            ),
            row(
                "moves",
                self.migrations,
                &format!("of {} areas, each took {:.0} ms (p50)", self.areas, self.move_ms_p50),
            ),
            row(
                "stood still",
                format!("{:.1} / {:.1} ms", self.still_ms_p50, self.still_ms_max),
                "p50 / most, with central; packing and unpacking come to it",
            ),
        ];
        rows.push(self.pauses.row());
        rows.extend(self.walked.rows());
        with_ending(&rows, &self.broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{TrialCommon, TrialLine};

    #[test]
    fn each_broken_promise_is_a_failure() {
        let options = TrialMigrate {
            players: 1,
            entities: 0,
            corner: false,
            line: TrialLine { delay_ms: 0, loss: 0.0 },
            common: TrialCommon { seconds: 1, seed: 1, json: true },
        };
        let code_of = |areas: usize, moves: &[Moved], changes: usize, steps_lost: u64| {
            let notes = Notes { changes, steps_lost, ..Notes::default() };
            let took = Duration::from_secs(1);
            shown::code(&Report::new(&options, &[notes], (moves, areas), took, &Verdict::default()).broken)
        };
        let code = |moves: &[Moved], changes, steps_lost| code_of(1, moves, changes, steps_lost);
        let moved = |left| [Moved { players: 1, left, still_ms: 5.0, took_ms: 9.0 }];
        assert_eq!(code(&moved(0), 1, 0), ExitCode::SUCCESS);
        assert_eq!(code(&[], 0, 0), ExitCode::FAILURE, "it never moved");
        assert_eq!(code(&moved(0), 0, 0), ExitCode::FAILURE, "one went along and noticed nothing");
        assert_eq!(code(&moved(1), 1, 0), ExitCode::FAILURE, "one could not go along");
        assert_eq!(code(&moved(0), 1, 1), ExitCode::FAILURE, "what walkers met counts");
        assert_eq!(code_of(4, &moved(0), 1, 0), ExitCode::FAILURE, "it was to be one area");
    }
}
