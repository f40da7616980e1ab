//! `pangea trial chat`: whether everything that is said is heard, once and in order, and what that costs.
//!
//! Four areas of a private cluster share a corner; central, spawner and chat are processes of their own. First all
//! are silent, and what the servers need is measured; then they talk, to the whole world, in factions or in whispers,
//! while some walk over the borders. With `--kills` chat and area servers are killed in turn meanwhile: what was said
//! in the world's channel just then may be missed, for it is kept in memory; of factions and whispers nothing may. At
//! last somebody in each area is banned. The players' own CPU is not counted; if they are short of it, the run says
//! that it is void.

mod report;
mod talker;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use pangea_client::{ChannelKind as Kind, EnterOptions, Event};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cluster::{Cluster, WORLD};
use super::crossing::{SIDE_M, plain};
use super::percentile::percentile;
use super::players::{PASSWORD, Somebody, make, name_of};
use super::{PATIENCE, WORKERS, processes, say, shown};
use crate::flags::{ChatShape, TrialChat};
use report::{Figures, Report};
use talker::{Book, LISTEN, OVER, TALK, Talker};

/// Most members of a faction.
const GROUP: usize = 100;

/// How many come in at once.
const AT_ONCE: usize = 16;

/// How often the players' process looks how late it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Nothing more is on its way if nobody has heard anything for so long.
const LAST_LINES: Duration = Duration::from_secs(20);

/// Measures and prints; fails if a promise did not hold.
///
/// # Errors
/// If the cluster does not start, or Ctrl-C was pressed.
pub fn run(options: &TrialChat) -> anyhow::Result<ExitCode> {
    let report = shown::run(WORKERS, measure(options))?;
    shown::print(options.common.json, &report, &report.table(), &report.broken)
}

async fn measure(options: &TrialChat) -> anyhow::Result<Report> {
    let (side, near, far) = (SIDE_M / 32, SIDE_M / 2, SIDE_M + SIDE_M / 2);
    let mut world = format!(
        "kind = \"grid\"\nseed = {}\ncapacity = {}\nlayers = 1\nidle_stop_s = 600\nview_m = 16\n[grid]\n\
         cell_m = 32\narea_cells = {side}\nspawn = {{ x = {near}.0, y = {near}.0 }}\n\
         bounds = {{ x0 = 0, y0 = 0, x1 = {whole}, y1 = {whole} }}\n",
        options.common.seed,
        options.players * 2,
        whole = side * 2,
    );
    for (n, (x, y)) in [(near, near), (far, near), (near, far), (far, far)].into_iter().enumerate() {
        world += &format!(
            "[[faction]]\nid = \"f{n}\"\ntitle = \"F{n}\"\ncolour = \"#808080\"\nspawn = {{ x = {x}.0, y = {y}.0 }}\n"
        );
    }
    say("a private cluster with four areas around a corner");
    let settings = "[limits]\nchat_lines_per_10s = 1000000\n";
    let mut cluster = Cluster::start_apart(&world, 4, &[(plain::CHOSEN, "1".to_owned())], settings).await?;
    let measured = talk(options, &mut cluster).await;
    let log = cluster.stop().await;
    measured.with_context(|| format!("the cluster's last words:\n{log}"))
}

async fn talk(options: &TrialChat, cluster: &mut Cluster) -> anyhow::Result<Report> {
    cluster.until_idle(4, PATIENCE).await?;
    say(&format!("{} players come in", options.players));
    let players = make(0..options.players, cluster, faction_of).await?;
    let names = players.iter().map(|(number, ..)| name_of(*number)).collect();
    let book = Arc::new(Book::new(names, options.shape));
    let phase = Arc::new(AtomicU8::new(LISTEN));
    if options.shape == ChatShape::Groups {
        found(&players).await.context("founding factions")?;
    }
    let mut talking = come_in(players, options, &phase, &book).await?;
    let part = Duration::from_secs(options.common.seconds);
    say(&format!("silence for {} s", options.common.seconds));
    let quiet = TrialChat { kills: 0, ..options.clone() };
    let silent = cpu(cluster, part, &quiet).await?;
    say(&format!("they talk for {} s", options.common.seconds));
    phase.store(TALK, Ordering::Relaxed);
    let began = Instant::now();
    let late = tokio::spawn(lateness(phase.clone()));
    let loud = cpu(cluster, part, options).await?;
    let took = began.elapsed();
    phase.store(OVER, Ordering::Relaxed);
    let (mut heard, mut since) = (0, Instant::now());
    while since.elapsed() < LAST_LINES && !book.is_whole() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = book.deliveries.load(Ordering::Relaxed);
        if now != heard {
            (heard, since) = (now, Instant::now());
        }
    }
    phase.store(OVER + 1, Ordering::Relaxed);
    let mut lost_players = Vec::new();
    while let Some(ended) = talking.join_next().await {
        lost_players.extend(ended?);
    }
    say("somebody in each area is banned");
    let ban_ms = bans(options.players, cluster).await?;
    let late_ms = late.await?;
    let figures = Figures { silent_ms: silent, loud_ms: loud, took, lost_players, ban_ms, late_ms };
    Ok(Report::new(options, &book, figures))
}

/// Factions of at most a hundred, in the order of the players' numbers, so that each has members in all areas.
async fn found(players: &[Somebody]) -> anyhow::Result<()> {
    for (n, some) in players.chunks(GROUP).enumerate() {
        let [(_, founder, character), others @ ..] = some else { continue };
        let wish = json!({ "name": format!("group-{n:04}"), "open": true });
        let path = format!("/api/characters/{character}/faction");
        let made: Value = founder.call(Method::POST, &path, Some(&wish)).await?;
        let wish = json!({ "faction": made["id"] });
        for (_, client, character) in others {
            let path = format!("/api/characters/{character}/faction/join");
            client.call::<()>(Method::POST, &path, Some(&wish)).await?;
        }
    }
    Ok(())
}

/// All of them, some at once; each talks as soon as the phase says so.
async fn come_in(
    players: Vec<Somebody>,
    options: &TrialChat,
    phase: &Arc<AtomicU8>,
    book: &Arc<Book>,
) -> anyhow::Result<JoinSet<Option<String>>> {
    let (doors, mut talking) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    let (inside, mut came) = mpsc::unbounded_channel();
    let count = players.len();
    for (number, client, character) in players {
        let talker = Talker::new(number, options, phase.clone(), book.clone());
        let (doors, inside, kind) = (doors.clone(), inside.clone(), talker::kind(options.shape));
        talking.spawn(async move {
            let enter = EnterOptions { world: Some(WORLD.to_owned()), ..EnterOptions::default() };
            let entered = async {
                // Never closed.
                let _door = doors.acquire().await.ok();
                let mut game = client.enter(character, enter).await?;
                talker::tuned_in(&mut game, kind).await?;
                anyhow::Ok(game)
            };
            let entered = entered.await;
            // Whoever waits has given up only when the trial has ended.
            let _ = inside.send(entered.as_ref().map(drop).map_err(ToString::to_string));
            match entered {
                Ok(game) => talker.run(game).await,
                Err(error) => Some(error.to_string()),
            }
        });
    }
    for _ in 0..count {
        let one = came.recv().await.context("nobody comes in any more")?;
        one.map_err(anyhow::Error::msg).context("coming in")?;
    }
    Ok(talking)
}

/// How late a timer of the players' process is while they talk, ms, the 99th of a hundred: what they measure as
/// latency is their own want of CPU, if this is much.
async fn lateness(phase: Arc<AtomicU8>) -> f64 {
    let mut late = Vec::new();
    while phase.load(Ordering::Relaxed) == TALK {
        let at = Instant::now() + LOOK_EVERY;
        tokio::time::sleep_until(at).await;
        late.push(at.elapsed().as_secs_f64() * 1e3);
    }
    percentile(&mut late, 0.99)
}

/// What all servers need over this time, ms of CPU; meanwhile chat and area servers are killed so often.
async fn cpu(cluster: &mut Cluster, time: Duration, options: &TrialChat) -> anyhow::Result<f64> {
    let pids = cluster.pids();
    let before: f64 = pids.iter().map(|pid| processes::cpu_ms(*pid)).sum();
    let kills = options.kills;
    for n in 0..kills {
        tokio::time::sleep(time / (kills + 1)).await;
        if options.spare_areas || n % 2 == 0 {
            say("chat is killed, and started again");
            cluster.restart_chat()?;
        } else {
            let servers = cluster.servers().await?;
            let areas: Vec<_> = servers.iter().filter(|server| server.area.is_some()).collect();
            if let Some(server) = areas.get(n as usize / 2 % areas.len().max(1)) {
                say(&format!("the server of {} is killed", server.area.as_deref().unwrap_or_default()));
                processes::kill(server.pid)?;
            }
        }
    }
    tokio::time::sleep(time / (kills + 1)).await;
    Ok(pids.iter().map(|pid| processes::cpu_ms(*pid)).sum::<f64>() - before)
}

/// Somebody in each area is banned; how long it takes at most until he is out, and cannot log in, ms.
async fn bans(players: u32, cluster: &Cluster) -> anyhow::Result<f64> {
    let operator = cluster.operator()?;
    let mut longest = Duration::ZERO;
    for (number, client, character) in make(players..players + 4, cluster, faction_of).await? {
        let enter = EnterOptions { world: Some(WORLD.to_owned()), ..EnterOptions::default() };
        let mut game = client.enter(character, enter).await?;
        talker::tuned_in(&mut game, Kind::World).await?;
        let began = Instant::now();
        let body = json!({ "name": name_of(number), "minutes": 60, "reason": "a trial" });
        let done = operator.call_raw(Method::POST, "/api/data/ban", Some(&body), &[]).await?;
        anyhow::ensure!(done.status().is_success(), "the ban is answered {}", done.status());
        let out = async { while !matches!(game.next_event().await, None | Some(Event::Ended(_))) {} };
        tokio::time::timeout(PATIENCE, out).await.context("who is banned plays on")?;
        let again = client.another().login(&name_of(number), PASSWORD).await;
        anyhow::ensure!(again.is_err(), "who is banned logs in");
        longest = longest.max(began.elapsed());
    }
    Ok(longest.as_secs_f64() * 1e3)
}

fn faction_of(number: u32) -> Option<String> {
    Some(format!("f{}", number % 4))
}
