//! `pangea trial split`: whether players notice that their area has become two, and one again.
//!
//! All players crowd into one area of a private cluster, which the world's file has split when so many are there. It
//! is split by itself while they walk, to and fro over the line as well; later most of them go, and the halves become
//! one. The walkers are those of the crossing trial: an update that is late, a step that is lost or made twice, a
//! connection that ends, somebody who is seen twice or stands elsewhere in the end, all of it shows.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::Method;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use super::cluster::{Cluster, WORLD};
use super::crossing::walker::{Notes, Round};
use super::crossing::{SIDE_M, TURN_M, set_off};
use super::crossing::{impair, plain};
use super::economy::BEGIN_COINS;
use super::economy::audit::{Found, Verdict};
use super::economy::record::Record;
use super::percentile::round;
use super::players::come_in;
use super::shown::{row, with_ending};
use super::walked::{Pauses, Walked};
use super::{PATIENCE, WORKERS, say, shown};
use crate::flags::TrialSplit;

/// How often the areas are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// One in so many stays when the others go.
const STAYS: u32 = 8;

/// The figures as they are printed.
#[derive(Debug, Serialize)]
struct Report {
    trial: &'static str,
    players: u32,
    entities: u32,
    seed: u64,
    delay_ms: u64,
    loss_percent: f64,
    seconds: f64,
    /// More players than this in an area are too many.
    split_above: u32,
    /// From when more were in the area until no area had so many.
    seconds_to_balanced: f64,
    splits: u32,
    merges: u32,
    #[serde(flatten)]
    pauses: Pauses,
    #[serde(flatten)]
    walked: Walked,
    /// Promises that did not hold; empty is good.
    broken: Vec<String>,
}

#[derive(Deserialize)]
struct Layers {
    layers: Vec<Population>,
}

/// An area that plays, and how many are inside.
#[derive(Deserialize)]
struct Population {
    players: u32,
}

/// The areas as central tells of them.
#[derive(Debug, Default, Clone, PartialEq)]
struct Seen {
    /// Each with those who are there.
    areas: Vec<u32>,
    splits: u32,
    merges: u32,
    /// When one had too many first, and when none had after that was split.
    hot: Option<Instant>,
    balanced: Option<Instant>,
}

/// Measures and prints; fails if a promise did not hold.
///
/// # Errors
/// If the cluster does not start, or Ctrl-C was pressed.
pub fn run(options: &TrialSplit) -> anyhow::Result<ExitCode> {
    let report = shown::run(WORKERS, measure(options))?;
    shown::print(options.common.json, &report, &report.table(), &report.broken)
}

fn split_above(options: &TrialSplit) -> u32 {
    options.players * 3 / 4
}

async fn measure(options: &TrialSplit) -> anyhow::Result<Report> {
    let world = format!(
        "kind = \"grid\"\nseed = {}\ncapacity = {}\nlayers = 1\nidle_stop_s = 600\nview_m = 16\n\
         split_above = {}\nmerge_below = {}\n[grid]\n\
         cell_m = {SIDE_M}\narea_cells = 2\nspawn = {{ x = {spawn}.0, y = {spawn}.0 }}\n\
         bounds = {{ x0 = 0, y0 = 0, x1 = 2, y1 = 2 }}\n",
        options.common.seed,
        options.players * 2,
        split_above(options),
        options.players / 4,
        spawn = SIDE_M - 10,
    );
    say("a private cluster with one area");
    let pebbles = (plain::PEBBLES, options.entities.to_string());
    let mut cluster = Cluster::start(&world, 3, &[(plain::CHOSEN, "1".to_owned()), pebbles]).await?;
    let measured = walk(options, &cluster).await;
    let log = cluster.stop().await;
    measured.with_context(|| format!("the cluster's last words:\n{log}"))
}

async fn walk(options: &TrialSplit, cluster: &Cluster) -> anyhow::Result<Report> {
    cluster.until_idle(3, PATIENCE).await?;
    say(&format!("{} players come in; more than {} are too many", options.players, split_above(options)));
    let record = Arc::new(Record::default());
    let line = impair::line(options.line, options.common.seed).await?;
    let players = come_in(options.players, cluster, line).await?;
    let everybody = Arc::new(players.iter().map(|(.., character)| *character).collect::<Vec<_>>());
    let (tell, mut seen) = watch::channel(Seen::default());
    let began = Instant::now();
    let walking = async {
        let (goes, stays): (Vec<_>, Vec<_>) =
            players.into_iter().partition(|(number, ..)| !number.is_multiple_of(STAYS));
        let round = [(); 2].map(|()| Round::new(TURN_M));
        let seed = options.common.seed;
        let mut staying = set_off(stays, seed, &round[0], (&record, &everybody)).await?;
        let mut going = set_off(goes, seed, &round[1], (&record, &everybody)).await?;
        say("they walk, and the area is split");
        until(&mut seen, "no area has too many", |seen| seen.balanced.is_some()).await?;
        say(&format!("they walk for {} s", options.common.seconds));
        tokio::time::sleep(Duration::from_secs(options.common.seconds)).await;
        say("most of them go, and the areas become one");
        round[1].end();
        let mut all: Vec<Notes> = Vec::new();
        while let Some(notes) = going.join_next().await {
            all.push(notes?);
        }
        until(&mut seen, "the areas are one again", |seen| seen.areas.len() == 1 && seen.merges > 0).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        round[0].end();
        while let Some(notes) = staying.join_next().await {
            all.push(notes?);
        }
        anyhow::Ok(all)
    };
    let all = tokio::select! {
        biased;
        all = walking => all?,
        error = look(cluster, split_above(options), &tell) => return Err(error),
    };
    let took = began.elapsed();
    say("comparing with central's journal");
    let found = Found::read(&cluster.operator()?, &everybody).await?;
    let verdict = found.compare(&record.notes(), BEGIN_COINS);
    let seen = tell.borrow().clone();
    Ok(Report::new(options, &all, &seen, took, &verdict))
}

async fn until(
    seen: &mut watch::Receiver<Seen>,
    what: &str,
    is: impl FnMut(&Seen) -> bool,
) -> anyhow::Result<()> {
    let found = tokio::time::timeout(PATIENCE * 2, seen.wait_for(is)).await;
    ensure!(matches!(found, Ok(Ok(_))), "waited until {what}");
    Ok(())
}

/// Looks at the areas until it is dropped; what keeps it from that.
async fn look(cluster: &Cluster, split_above: u32, tell: &watch::Sender<Seen>) -> anyhow::Error {
    loop {
        let path = format!("/api/worlds/{WORLD}/layers");
        let seen = match cluster.client.call::<Layers>(Method::GET, &path, None).await {
            Ok(seen) => seen,
            Err(error) => return error.into(),
        };
        let areas: Vec<u32> = seen.layers.iter().map(|area| area.players).collect();
        tell.send_modify(|seen| {
            // Those that stand still are not listed.
            let (before, now) = (seen.areas.len() as u32, areas.len() as u32);
            if before > 0 && now > 0 {
                seen.splits += now.saturating_sub(before);
                seen.merges += before.saturating_sub(now);
            }
            if now > 0 {
                seen.areas = areas;
            }
            let hot = seen.areas.iter().any(|players| *players > split_above);
            if hot {
                seen.hot.get_or_insert_with(Instant::now);
            } else if seen.hot.is_some() && seen.splits > 0 {
                seen.balanced.get_or_insert_with(Instant::now);
            }
        });
        tokio::time::sleep(LOOK).await;
    }
}

impl Report {
    fn new(options: &TrialSplit, all: &[Notes], seen: &Seen, took: Duration, verdict: &Verdict) -> Self {
        let pauses = Pauses::of(all);
        let (walked, mut broken) = Walked::new(all, verdict, 0);
        let mut must = |holds: bool, what: &str| {
            if !holds {
                broken.push(what.to_owned());
            }
        };
        must(seen.splits > 0, "the area was never split");
        must(seen.merges > 0, "the areas never became one");
        let balanced = seen.hot.zip(seen.balanced).map_or(0.0, |(hot, cool)| (cool - hot).as_secs_f64());
        Self {
            trial: "split",
            players: options.players,
            entities: options.entities,
            seed: options.common.seed,
            delay_ms: options.line.delay_ms,
            loss_percent: options.line.loss,
            seconds: round(took.as_secs_f64()),
            split_above: split_above(options),
            seconds_to_balanced: round(balanced),
            splits: seen.splits,
            merges: seen.merges,
            pauses,
            walked,
            broken,
        }
    }

    /// For people.
    fn table(&self) -> String {
        let balanced = format!("{:.1} s", self.seconds_to_balanced);
        let mut rows = vec![
            row("players", self.players, &format!("beside {} entities; seed {}", self.entities, self.seed)),
            row("balanced", balanced, &format!("after more than {} were in one area", self.split_above)),
            row("splits", self.splits, "by itself; must be 1 or more"),
            row("merges", self.merges, "by itself, when most had gone; must be 1 or more"),
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
        let options = TrialSplit {
            players: 16,
            entities: 0,
            line: TrialLine { delay_ms: 0, loss: 0.0 },
            common: TrialCommon { seconds: 1, seed: 1, json: true },
        };
        let code = |splits, merges, disconnects| {
            let notes = Notes { disconnects, ..Notes::default() };
            let seen = Seen { splits, merges, ..Seen::default() };
            let took = Duration::from_secs(1);
            shown::code(&Report::new(&options, &[notes], &seen, took, &Verdict::default()).broken)
        };
        assert_eq!(code(1, 1, 0), ExitCode::SUCCESS);
        assert_eq!(code(0, 1, 0), ExitCode::FAILURE, "it was never split");
        assert_eq!(code(1, 0, 0), ExitCode::FAILURE, "it never became one");
        assert_eq!(code(1, 1, 1), ExitCode::FAILURE, "what walkers met counts");
    }
}
