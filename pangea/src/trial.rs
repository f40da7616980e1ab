//! `pangea trial join`: how fast players come in on this machine, and whether every promise holds.
//!
//! A private cluster runs in a temporary folder; the players are in this process. Accounts and characters are
//! made before anything is measured. Then, one after the other: all players at once into an area that does
//! not exist (cold); a few at a time, again and again, into the running one (warm), then many at a time (rate);
//! and all at once into the area after it was saved and stopped.

pub mod chat;
mod cluster;
pub mod crash;
pub mod crossing;
pub mod economy;
pub mod field;
mod joining;
pub mod migrate;
mod percentile;
mod players;
mod processes;
mod report;
mod shown;
pub mod split;
mod walked;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::task::JoinSet;

use crate::flags::TrialJoin;
use cluster::Cluster;
use joining::{Joins, Player};
use report::Report;

/// Joins at the same time while their time is measured.
const WARM_AT_ONCE: usize = 4;
/// Most joins at the same time while their rate is measured.
const RATE_AT_ONCE: usize = 256;
/// Threads in which players are.
const WORKERS: usize = 2;
/// Bound of every wait for the cluster.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an area server of this process plays: a trial's game where a trial asks for it.
pub fn game_for_area(game: pangea_engine::Game) -> pangea_engine::Game {
    let chosen = |name| std::env::var_os(name).is_some();
    match () {
        () if chosen(field::meadow::CHOSEN) => field::meadow::game(),
        () if chosen(field::spread::CHOSEN) => field::spread::game(game),
        () if chosen(economy::market::CHOSEN) => economy::market::game(),
        () if chosen(crossing::plain::CHOSEN) => crossing::plain::game(),
        () => game,
    }
}

/// Measures and prints; fails if an invariant broke.
///
/// # Errors
/// If the cluster does not start, or Ctrl-C was pressed.
pub fn run(options: &TrialJoin) -> anyhow::Result<ExitCode> {
    let report = shown::run(WORKERS, start(options))?;
    shown::print(options.common.json, &report, &report.table(), &report.broken)
}

async fn start(options: &TrialJoin) -> anyhow::Result<Report> {
    let servers = options.players.div_ceil(options.capacity);
    say(&format!("starting a private cluster with {} idle servers", servers + 1));
    let world = format!(
        "kind = \"grid\"\nseed = {}\ncapacity = {}\nlayers = 1000\nidle_stop_s = 2\nview_m = 20\n\
         [grid]\ncell_m = 64\narea_cells = 8\nspawn = {{ x = 256.0, y = 256.0 }}\n",
        options.common.seed, options.capacity
    );
    let mut cluster = Cluster::start(&world, servers + 1, &[]).await?;
    let measured = measure(options, &cluster).await;
    // Stopped also where the measuring failed; the log says why it did.
    let log = cluster.stop().await;
    measured.with_context(|| format!("the cluster's last words:\n{log}"))
}

async fn measure(options: &TrialJoin, cluster: &Cluster) -> anyhow::Result<Report> {
    let begun = Instant::now();
    let pool = options.players.div_ceil(options.capacity) as usize + 1;
    cluster.until_idle(pool, PATIENCE).await?;
    let idle = cluster.servers().await?;
    let idle_rss_mb = processes::median_rss_mb(idle.iter().map(|server| server.pid));
    let ready_ms: Vec<f64> = idle.iter().map(|server| f64::from(server.ready_ms)).collect();

    say(&format!("{} accounts and characters", options.players));
    let players = Player::make(options, cluster).await?;
    let at_once = if options.at_once == 0 { options.players } else { options.at_once } as usize;
    let joins = Arc::new(Joins::new(options.capacity));

    say(&format!("{} players into a missing area, {at_once} at once", options.players));
    let (players, cold) = all_in(players, &joins, at_once).await?;
    let mut used: Vec<_> = cluster.servers().await?;
    used.retain(|server| server.area.is_some());
    // The first stays and keeps the area running.
    let players = all_out(players, 1).await?;

    let part = Duration::from_secs_f64(options.common.seconds as f64 / 2.0);
    say(&format!("joining the running area, {WARM_AT_ONCE} at once, for {:.0} s", part.as_secs_f64()));
    let cpu = processes::cpu_ms(cluster.pid());
    let (players, warm, _) = in_and_out(players, &joins, WARM_AT_ONCE, part).await?;
    let most = players.len().min(RATE_AT_ONCE);
    say(&format!("the same, {most} at once"));
    let (players, rate, rate_took) = in_and_out(players, &joins, most, part).await?;
    let cpu_ms = processes::cpu_ms(cluster.pid()) - cpu;

    let players = all_out(players, 0).await?;
    say("waiting until the area has saved and stopped");
    cluster.until_stopped(PATIENCE).await?;
    cluster.until_idle(pool, PATIENCE).await?;
    say(&format!("{} players into the stopped area", options.players));
    let (players, stopped) = all_in(players, &joins, at_once).await?;
    all_out(players, 0).await?;

    let figures =
        report::Figures { used, idle_rss_mb, ready_ms, cold, warm, rate, rate_took, cpu_ms, stopped };
    Ok(Report::new(options, &joins, figures, begun.elapsed()))
}

/// Everybody joins, so many at once, and stays.
async fn all_in(
    players: Vec<Player>,
    joins: &Arc<Joins>,
    at_once: usize,
) -> anyhow::Result<(Vec<Player>, Vec<joining::Join>)> {
    let doors = Arc::new(tokio::sync::Semaphore::new(at_once));
    let mut tasks = JoinSet::new();
    for mut player in players {
        let (joins, doors) = (joins.clone(), doors.clone());
        tasks.spawn(async move {
            // Never closed.
            let door = doors.acquire().await.ok();
            let join = player.join(&joins).await;
            drop(door);
            (player, join)
        });
    }
    let mut players = Vec::new();
    let mut done = Vec::new();
    while let Some(task) = tasks.join_next().await {
        let (player, join) = task?;
        players.push(player);
        done.extend(join);
    }
    Ok((players, done))
}

/// Everybody leaves but the first `stay`.
async fn all_out(players: Vec<Player>, stay: usize) -> anyhow::Result<Vec<Player>> {
    let mut tasks = JoinSet::new();
    let mut out = Vec::new();
    for mut player in players {
        if out.len() < stay && player.is_in() {
            out.push(player);
            continue;
        }
        tasks.spawn(async move {
            player.leave().await;
            player
        });
    }
    while let Some(player) = tasks.join_next().await {
        out.push(player?);
    }
    Ok(out)
}

/// So many join and leave, again and again, for this long; those who are in stay in.
async fn in_and_out(
    players: Vec<Player>,
    joins: &Arc<Joins>,
    at_once: usize,
    time: Duration,
) -> anyhow::Result<(Vec<Player>, Vec<joining::Join>, Duration)> {
    let begun = Instant::now();
    let (mut all, out): (Vec<_>, Vec<_>) = players.into_iter().partition(Player::is_in);
    let mut groups: Vec<Vec<Player>> = (0..at_once).map(|_| Vec::new()).collect();
    for (number, player) in out.into_iter().enumerate() {
        groups[number % at_once].push(player);
    }
    let mut tasks = JoinSet::new();
    for mut group in groups.into_iter().filter(|group| !group.is_empty()) {
        let joins = joins.clone();
        tasks.spawn(async move {
            let mut done = Vec::new();
            // Round and round, so that a character has long left when it comes again.
            for number in (0..group.len()).cycle() {
                if begun.elapsed() >= time {
                    break;
                }
                done.extend(group[number].join(&joins).await);
                group[number].leave().await;
            }
            (group, done)
        });
    }
    let mut done = Vec::new();
    while let Some(task) = tasks.join_next().await {
        let (group, some) = task?;
        all.extend(group);
        done.extend(some);
    }
    if done.is_empty() && all.len() > 1 {
        bail!("nobody came into the running area");
    }
    Ok((all, done, begun.elapsed()))
}

fn say(text: &str) {
    eprintln!("· {text}");
}
