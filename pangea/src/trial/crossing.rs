//! `pangea trial crossing`: whether players notice a border.
//!
//! Four areas of a private cluster share a corner. Walkers go round it, or to and fro over one border; some stand
//! beside it and look. What each of them was told is kept here. An update that is late, a step that is lost or
//! made twice, a connection that ends, somebody who is seen twice or stands elsewhere in the end: all of it
//! shows. They pay each other as they go, and strike and trade with whom they see beyond a line ([`meets`]): what they
//! were told is compared with central's journal, and with what those know who were struck. With `--delay-ms` and
//! `--loss` everything between players and area servers goes through an impaired line ([`impair`]).

pub(super) mod across;
pub(super) mod impair;
pub(super) mod meets;
pub(crate) mod plain;
mod report;
mod steps;
mod versions;
pub(super) mod walker;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use pangea_client::EnterOptions;
use pangea_world::id::CharacterId;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cluster::{Cluster, WORLD};
use super::economy::BEGIN_COINS;
use super::economy::audit::Found;
use super::economy::record::Record;
use super::players::{Somebody, come_in};
use super::{PATIENCE, WORKERS, say, shown};
use crate::flags::TrialCrossing;
use report::Report;
use walker::{Notes, Round, Walker};

/// Side of an area, metres; the corner of all four is at (SIDE_M, SIDE_M).
pub(super) const SIDE_M: u32 = 64;

/// So far from a line those turn back who walk to and fro over it, metres, where nothing else is wished.
pub(super) const TURN_M: u32 = 4;

/// How often it is said how many crossings there were.
const TELL: Duration = Duration::from_secs(30);

/// Measures and prints; fails if a promise did not hold.
///
/// # Errors
/// If the cluster does not start, or Ctrl-C was pressed.
pub fn run(options: &TrialCrossing) -> anyhow::Result<ExitCode> {
    let report = shown::run(WORKERS, measure(options))?;
    shown::print(options.common.json, &report, &report.table(), &report.broken)
}

async fn measure(options: &TrialCrossing) -> anyhow::Result<Report> {
    let world = world(options.common.seed, options.players, SIDE_M);
    say("a private cluster with four areas around a corner");
    let mut cluster = Cluster::start(&world, 4, &[(plain::CHOSEN, "1".to_owned())]).await?;
    let measured = walk(options, &cluster).await;
    let log = cluster.stop().await;
    measured.with_context(|| format!("the cluster's last words:\n{log}"))
}

/// Four areas around a corner, each with room for so many players, and so long on a side, metres: whole cells of 32.
pub(super) fn world(seed: u64, players: u32, side_m: u32) -> String {
    let side = side_m / 32;
    format!(
        "kind = \"grid\"\nseed = {}\ncapacity = {}\nlayers = 1\nidle_stop_s = 600\nview_m = 16\n[grid]\n\
         cell_m = 32\narea_cells = {side}\nspawn = {{ x = {spawn}.0, y = {spawn}.0 }}\n\
         bounds = {{ x0 = 0, y0 = 0, x1 = {whole}, y1 = {whole} }}\n",
        seed,
        players * 2,
        spawn = side_m - 10,
        whole = side * 2,
    )
}

async fn walk(options: &TrialCrossing, cluster: &Cluster) -> anyhow::Result<Report> {
    cluster.until_idle(4, PATIENCE).await?;
    let line = impair::line(options.line, options.common.seed).await?;
    say(&format!("{} players come in", options.players));
    let round = Round::new(options.turn_m);
    let record = Arc::new(Record::default());
    let players = come_in(options.players, cluster, line).await?;
    let everybody = Arc::new(players.iter().map(|(.., character)| *character).collect::<Vec<_>>());
    let mut walking = set_off(players, options.common.seed, &round, (&record, &everybody)).await?;
    say(&format!("they walk for {} s", options.common.seconds));
    let began = Instant::now();
    let whole = Duration::from_secs(options.common.seconds);
    while let Some(left) = whole.checked_sub(began.elapsed()) {
        tokio::time::sleep(left.min(TELL)).await;
        if left > TELL {
            let crossings = round.crossings.load(Ordering::Relaxed);
            say(&format!("{crossings} crossings in {:.0} s", began.elapsed().as_secs_f64()));
        }
    }
    round.end();
    let mut all: Vec<Notes> = Vec::new();
    while let Some(notes) = walking.join_next().await {
        all.push(notes?);
    }
    let took = began.elapsed();
    let areas = cluster.servers().await?.iter().filter(|server| server.area.is_some()).count();
    say("comparing with central's journal");
    let found = Found::read(&cluster.operator()?, &everybody).await?;
    let verdict = found.compare(&record.notes(), BEGIN_COINS);
    Ok(Report::new(options, all, areas, took, &verdict))
}

/// They enter and walk until it is over.
pub(super) async fn set_off(
    players: Vec<Somebody>,
    seed: u64,
    round: &Arc<Round>,
    (record, everybody): (&Arc<Record>, &Arc<Vec<CharacterId>>),
) -> anyhow::Result<JoinSet<Notes>> {
    let mut walking = JoinSet::new();
    for (number, client, character) in players {
        let enter = EnterOptions { world: Some(WORLD.to_owned()), ..EnterOptions::default() };
        let game = client.enter(character, enter).await?;
        let pays = (record.clone(), everybody.clone());
        let walker = Walker::new(number, client, character, seed, round.clone(), pays);
        walking.spawn(walker.walk(game));
    }
    Ok(walking)
}
