//! `pangea trial crash`: whether `kill -9` of anything at any moment costs anything.
//!
//! Central, spawner and chat of a private cluster are processes of their own; four areas share a corner, round
//! which players walk while they pay each other, and trade over the lines. At random moments one process, or all of them at once, is killed
//! with SIGKILL; roles that were killed are started again at once, area servers by whom they belong to. After each
//! kill it is waited until everybody was answered something that he asked for after it: that is its recovery. What
//! players were told is kept here, outside of everything that is killed, and at the end compared with central's
//! journal.

mod player;
mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pangea_client::EnterOptions;
use pangea_engine::Dice;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cluster::{Cluster, WORLD};
use super::crossing::{self, plain};
use super::economy::BEGIN_COINS;
use super::economy::audit::Found;
use super::percentile::percentile;
use super::players::come_in;
use super::{PATIENCE, WORKERS, migrate, processes, say, shown};
use crate::flags::TrialCrash;
use player::{Common, Player};
use report::Report;

/// Longest pause before a kill, seconds.
const LONGEST_PAUSE_S: f64 = 1.5;

/// Out of so many kills …
const OUT_OF: f64 = 20.0;

/// … so many are of an area server, and so on; the rest are of everything at once.
const SHARES: [(&str, f64); 4] = [("area", 10.0), ("central", 4.0), ("spawner", 3.0), ("chat", 1.0)];

/// What is killed when the rest is.
const ALL: &str = "all";

/// A kill, and how long it took until everybody played again; `None`: somebody never did.
pub(super) struct Kill {
    role: &'static str,
    recovery: Option<Duration>,
}

/// Measures and prints; fails if a promise did not hold.
///
/// # Errors
/// If the cluster does not start, or Ctrl-C was pressed.
pub fn run(options: &TrialCrash) -> anyhow::Result<ExitCode> {
    let report = shown::run(WORKERS, measure(options))?;
    shown::print(options.json, &report, &report.table(), &report.broken)
}

/// The side of an area for so many entities, metres: as many are seen of them as in the trial of moves.
fn side_m(entities: u32) -> u32 {
    if entities == 0 { crossing::SIDE_M } else { migrate::side_m(entities) }
}

async fn measure(options: &TrialCrash) -> anyhow::Result<Report> {
    say("a private cluster with four areas around a corner, each role a process of its own");
    let side_m = side_m(options.entities);
    let world = crossing::world(options.seed, options.players, side_m);
    let one = || "1".to_owned();
    let pebbles = (plain::PEBBLES, options.entities.to_string());
    let environment = [(plain::CHOSEN, one()), pebbles, (plain::KEPT, one())];
    let mut cluster = Cluster::start_apart(&world, 4, &environment, "").await?;
    let measured = play(options, &mut cluster).await;
    let log = cluster.stop().await;
    measured.with_context(|| format!("the cluster's last words:\n{log}"))
}

async fn play(options: &TrialCrash, cluster: &mut Cluster) -> anyhow::Result<Report> {
    cluster.until_idle(4, PATIENCE).await?;
    say(&format!("{} players come in", options.players));
    let players = come_in(options.players, cluster, None).await?;
    let everybody = players.iter().map(|(.., character)| *character).collect();
    let common = Arc::new(Common::new(everybody, side_m(options.entities)));
    let mut playing = JoinSet::new();
    for (number, client, character) in players {
        let enter = EnterOptions { world: Some(WORLD.to_owned()), ..EnterOptions::default() };
        let game = client.enter(character, enter).await?;
        let player = Player::new(common.clone(), number as usize, client, options.seed);
        playing.spawn(player.play(game));
    }
    let began = Instant::now();
    say(&format!("they play, and {} times something is killed", options.kills));
    let kills = kill(options, cluster, &common).await;
    common.end();
    while let Some(played) = playing.join_next().await {
        played?;
    }
    let took = began.elapsed();
    say("comparing with central's journal");
    let found = Found::read(&cluster.operator()?, &common.everybody).await?;
    let notes = common.record.notes();
    let verdict = found.compare(&notes, BEGIN_COINS);
    let mut seen: Vec<f64> =
        common.seen.lock().map(|seen| seen.iter().map(|many| *many as f64).collect()).unwrap_or_default();
    let seen = percentile(&mut seen, 0.5);
    Ok(Report::new(options, &kills?, &notes, &verdict, (took, seen)))
}

async fn kill(options: &TrialCrash, cluster: &mut Cluster, common: &Common) -> anyhow::Result<Vec<Kill>> {
    let mut dice = Dice::new(options.seed);
    let mut kills = Vec::new();
    common.all_answered_since(Instant::now(), PATIENCE).await.context("players never began to play")?;
    for n in 1..=options.kills {
        let (role, pause) = (draw(&mut dice), dice.between(0.0, LONGEST_PAUSE_S));
        // Looked up before the pause, so that the kill comes when it comes.
        let servers = cluster.servers().await?;
        let serving: Vec<_> = servers.iter().filter(|server| server.area.is_some()).collect();
        let one = dice.between(0.0, serving.len() as f64) as usize;
        let pids: Vec<u32> = match role {
            "area" => serving.get(one).map(|server| server.pid).into_iter().collect(),
            ALL => servers.iter().map(|server| server.pid).collect(),
            _ => Vec::new(),
        };
        tokio::time::sleep(Duration::from_secs_f64(pause)).await;
        let at = Instant::now();
        for pid in pids {
            // It may have ended meanwhile.
            let _ = processes::kill(pid);
        }
        cluster.kill_roles(|name| role == ALL || role == name)?;
        let recovery = common.all_answered_since(at, PATIENCE).await;
        let told = recovery.map_or("somebody never played again".to_owned(), |took| {
            format!("all play again after {} ms", took.as_millis())
        });
        say(&format!("kill -9 of {role} ({n} of {}): {told}", options.kills));
        kills.push(Kill { role, recovery });
    }
    Ok(kills)
}

fn draw(dice: &mut Dice) -> &'static str {
    let mut at = dice.between(0.0, OUT_OF);
    for (role, share) in SHARES {
        if at < share {
            return role;
        }
        at -= share;
    }
    ALL
}
