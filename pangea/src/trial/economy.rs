//! `pangea trial economy`: whether goods and money survive the death of area servers.
//!
//! The area server of a private cluster plays a market ([`market`]): players gather from sources, pay, sell to
//! each other and do quests, several wishes of each under way. Again and again that server is killed with
//! SIGKILL: as gathers were just asked for, as they were just acknowledged, or at any time. What players were
//! told is kept here, outside of everything that is killed ([`record`]), and at the end compared with central's
//! journal, everybody's belongings and all money ([`audit`]).

pub(super) mod audit;
pub(super) mod deed;
pub(crate) mod market;
mod player;
pub(super) mod record;
mod report;

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use pangea_client::EnterOptions;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cluster::{Cluster, WORLD};
use super::players::come_in;
use super::{PATIENCE, WORKERS, processes, say, shown};
use crate::flags::TrialEconomy;
use audit::Found;
use player::{Common, Gathers, Player};
use record::Record;
use report::Report;

/// Coins that everybody has at first: more than anybody pays.
pub(super) const BEGIN_COINS: i64 = 1_000_000_000;
const SAY_EACH: Duration = Duration::from_secs(5);

/// Measures and prints; fails if a promise did not hold.
///
/// # Errors
/// If the cluster does not start, or Ctrl-C was pressed.
pub fn run(options: &TrialEconomy) -> anyhow::Result<ExitCode> {
    let report = shown::run(WORKERS, measure(options))?;
    shown::print(options.common.json, &report, &report.table(), &report.broken)
}

async fn measure(options: &TrialEconomy) -> anyhow::Result<Report> {
    let world = format!(
        "kind = \"maps\"\nseed = {}\ncapacity = {}\nlayers = 1\nidle_stop_s = 60\nview_m = 10\n\
         [maps]\nspawn = {{ map = \"market\", x = 32.0, y = 32.0 }}\nspawn_maps = [\"market\"]\n\
         [[map]]\nid = \"market\"\nwidth_m = 64\nheight_m = 64\n",
        options.common.seed, options.players,
    );
    say("a private cluster with a market");
    let mut cluster = Cluster::start(&world, 2, &[(market::CHOSEN, "1".to_owned())]).await?;
    let measured = play(options, &cluster).await;
    let log = cluster.stop().await;
    measured.with_context(|| format!("the cluster's last words:\n{log}"))
}

async fn play(options: &TrialEconomy, cluster: &Cluster) -> anyhow::Result<Report> {
    cluster.until_idle(1, PATIENCE).await?;
    say(&format!("{} players come in", options.players));
    let players = come_in(options.players, cluster, None).await?;
    let began = Instant::now();
    let common = Arc::new(Common {
        record: Record::default(),
        gathers: watch::Sender::new(Gathers::default()),
        everybody: players.iter().map(|(.., character)| *character).collect(),
        over: AtomicBool::new(false),
    });
    let mut playing = JoinSet::new();
    for (number, client, character) in players {
        let enter = EnterOptions { world: Some(WORLD.to_owned()), ..EnterOptions::default() };
        let game = client.enter(character, enter).await?;
        let player = Player::new(common.clone(), number as usize, client, options.common.seed);
        playing.spawn(player.play(game));
    }
    say(&format!("they play for {} s", options.common.seconds));
    let all = async {
        while let Some(played) = playing.join_next().await {
            played?;
        }
        anyhow::Ok(())
    };
    let kills = async {
        let kills = kill(options, cluster, &common, began).await;
        common.over.store(true, Ordering::Relaxed);
        (kills, began.elapsed())
    };
    let ((kills, took), played) = tokio::select! {
        done = async { tokio::join!(kills, all) } => done,
        never = progress(&common) => match never {},
    };
    played?;
    say("comparing with central's journal");
    let operator = cluster.operator()?;
    let found = Found::read(&operator, &common.everybody).await?;
    let mut notes = common.record.notes();
    let verdict = found.compare(&notes, BEGIN_COINS);
    Ok(Report::new(options, &mut notes, &found, &verdict, (kills?, took)))
}

/// Kills the area's server so many times, spread over the time of playing, and ends it; says how often it did.
async fn kill(
    options: &TrialEconomy,
    cluster: &Cluster,
    common: &Common,
    began: Instant,
) -> anyhow::Result<u32> {
    let mut gathers = common.gathers.subscribe();
    let (mut kills, mut killed) = (0, Vec::new());
    let share = Duration::from_secs(options.common.seconds) / (options.kills + 1);
    while kills < options.kills {
        tokio::time::sleep_until(began + share * (kills + 1)).await;
        // They play again since the last one.
        let now = *gathers.borrow_and_update();
        if !wait(&mut gathers, |next| next.done > now.done).await {
            break;
        }
        let servers = cluster.servers().await?;
        let serving = servers.iter().filter(|server| server.area.is_some() && !killed.contains(&server.pid));
        let pids: Vec<u32> = serving.map(|server| server.pid).collect();
        let now = *gathers.borrow_and_update();
        let when = match kills % 3 {
            0 if wait(&mut gathers, |next| next.asked > now.asked).await => "as somebody asks for a gather",
            1 if wait(&mut gathers, |next| next.done > now.done).await => "as a gather was acknowledged",
            _ => "at any time",
        };
        for pid in pids {
            processes::kill(pid)?;
            killed.push(pid);
        }
        kills += 1;
        say(&format!("kill -9 of the area server, {when} ({kills} of {})", options.kills));
    }
    let now = *gathers.borrow_and_update();
    // What happens after the last one belongs to it.
    wait(&mut gathers, |next| next.done > now.done + u64::from(options.players)).await;
    tokio::time::sleep_until(began + Duration::from_secs(options.common.seconds)).await;
    Ok(kills)
}

/// Waits for something, as long as anybody may take to come back.
async fn wait(gathers: &mut watch::Receiver<Gathers>, happens: impl FnMut(&Gathers) -> bool) -> bool {
    tokio::time::timeout(PATIENCE, gathers.wait_for(happens)).await.is_ok_and(|found| found.is_ok())
}

async fn progress(common: &Common) -> Infallible {
    loop {
        tokio::time::sleep(SAY_EACH).await;
        let done = common.record.notes().deeds.values().filter(|known| known.done).count();
        say(&format!("{done} operations acknowledged"));
    }
}
