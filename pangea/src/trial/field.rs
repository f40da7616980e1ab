//! `pangea trial field` and `pangea trial crowd`: what a tick costs when all players walk, spread over an open
//! area or in one spot.
//!
//! One area server of a private cluster plays a meadow, on which nothing is but walkers ([`meadow`]), or the
//! program's own game, in which players begin somewhere else than they would ([`spread`]). All players are in one thread of this process, on raw sockets ([`swarm`]). They walk, then for some seconds
//! everything is counted, then they stand still until all is told, and what some of them know is compared.
//! With `--floor` the same players before that meet the bare server of `bench/floor`.

mod arrival;
mod latencies;
pub(crate) mod meadow;
mod player;
mod probe;
mod report;
mod sight;
mod skim;
pub(crate) mod spread;
mod swarm;

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};

use anyhow::{Context as _, bail};

use super::cluster::Cluster;
use super::{PATIENCE, processes, say, shown};
use crate::flags::{TrialCrowd, TrialField, TrialFloor};
use report::Report;
use swarm::{Order, Outcome, Swarm, TICK_HZ};

/// How far players see on the field, metres.
const VIEW_M: u32 = 20;
/// Name of the game on the meadow.
const WALK: &str = "walk";
/// Side of the spot in which a crowd stands, and how far it sees: farther than the spot is wide, metres.
const SPOT_M: u32 = 16;
const CROWD_VIEW_M: u32 = 30;

/// What is measured.
#[derive(Debug, Clone)]
struct Plan {
    what: &'static str,
    players: u32,
    /// How many others each shall see.
    visible: u32,
    seconds: u64,
    seed: u64,
    side_m: u32,
    view_m: u32,
    /// Whether the program's own game is played.
    own_game: bool,
    floor: bool,
    pin: bool,
}

/// Runs `pangea trial field`; fails if a player was dropped or does not know what it should.
///
/// # Errors
/// If the cluster does not start, or Ctrl-C was pressed.
pub fn run(options: &TrialField, own_game: &str) -> anyhow::Result<ExitCode> {
    let plan = Plan {
        what: "field",
        players: options.players,
        visible: options.visible,
        seconds: options.walkers.common.seconds,
        seed: options.walkers.common.seed,
        side_m: meadow::side_m(options.players, options.visible, f64::from(VIEW_M)),
        view_m: VIEW_M,
        own_game: is_own(&options.walkers.game, own_game)?,
        floor: options.walkers.floor,
        pin: options.walkers.pin,
    };
    run_plan(&plan, options.walkers.common.json)
}

/// Runs `pangea trial crowd`, likewise.
///
/// # Errors
/// As [`run`].
pub fn run_crowd(options: &TrialCrowd, own_game: &str) -> anyhow::Result<ExitCode> {
    let plan = Plan {
        what: "crowd",
        players: options.players,
        visible: options.players - 1,
        seconds: options.walkers.common.seconds,
        seed: options.walkers.common.seed,
        side_m: SPOT_M,
        view_m: CROWD_VIEW_M,
        own_game: is_own(&options.walkers.game, own_game)?,
        floor: options.walkers.floor,
        pin: options.walkers.pin,
    };
    run_plan(&plan, options.walkers.common.json)
}

/// Runs the bare server until its players are gone; the first line of output is its port.
///
/// # Errors
/// What the system says.
pub fn run_floor(options: &TrialFloor) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    let floor = floor::Floor {
        players: options.players as usize,
        visible: options.visible as usize,
        tick_hz: TICK_HZ as u32,
    };
    floor.serve(&listener)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether this is the name of the program's own game, and not that of the meadow's.
fn is_own(game: &str, own: &str) -> anyhow::Result<bool> {
    if game != own && game != WALK {
        bail!("this program plays «{own}» or «{WALK}», and not «{game}»");
    }
    Ok(game == own)
}

fn run_plan(plan: &Plan, json: bool) -> anyhow::Result<ExitCode> {
    enough_sockets(plan.players)?;
    let report = shown::run(1, measure(plan))?;
    shown::print(json, &report, &report.table(), &report.broken)
}

async fn measure(plan: &Plan) -> anyhow::Result<Report> {
    let floor = if plan.floor { Some(meet_floor(plan).await?) } else { None };
    let world = format!(
        "kind = \"maps\"\nseed = {}\ncapacity = {}\nlayers = 1\nidle_stop_s = 60\nview_m = {}\ntick_hz = {TICK_HZ}\n\
         [maps]\nspawn = {{ map = \"meadow\", x = {middle}, y = {middle} }}\nspawn_maps = [\"meadow\"]\n\
         [[map]]\nid = \"meadow\"\nwidth_m = {}\nheight_m = {}\n",
        plan.seed,
        plan.players,
        plan.view_m,
        plan.side_m,
        plan.side_m,
        middle = format_args!("{:.1}", f64::from(plan.side_m) / 2.0),
    );
    say(&format!("a private cluster with a land of {0} m × {0} m", plan.side_m));
    let game = if plan.own_game { spread::CHOSEN } else { meadow::CHOSEN };
    let mut cluster = Cluster::start(&world, 1, &[(game, "1".to_owned())]).await?;
    let measured = async {
        cluster.until_idle(1, PATIENCE).await?;
        say(&format!("{} players come in", plan.players));
        play(plan, async |swarm| {
            arrival::bring_in(plan.players, &cluster, swarm).await?;
            let mut used = cluster.servers().await?;
            used.retain(|server| server.area.is_some());
            Ok(used.into_iter().map(|server| server.pid).collect())
        })
        .await
    }
    .await;
    let log = cluster.stop().await;
    let outcome = measured.with_context(|| format!("the cluster's last words:\n{log}"))?;
    Ok(Report::new(plan, outcome, floor))
}

/// The same players at the bare server.
async fn meet_floor(plan: &Plan) -> anyhow::Result<Outcome> {
    say(&format!("the bare server, {} players, {} in view", plan.players, plan.visible));
    let mut floor = Floor::start(plan)?;
    let mut port = String::new();
    BufReader::new(floor.0.stdout.take().context("its output")?).read_line(&mut port)?;
    let url = format!("ws://127.0.0.1:{}/", port.trim());
    play(plan, async |swarm| {
        for _ in 0..plan.players {
            swarm.send(Order::Newcomer(arrival::connect(&url, String::new()).await?))?;
        }
        Ok(vec![floor.0.id()])
    })
    .await
}

/// Lets a swarm play while `bring_in` sends it its players and finds the server's processes.
async fn play(
    plan: &Plan,
    bring_in: impl AsyncFnOnce(&Sender<Order>) -> anyhow::Result<Vec<u32>>,
) -> anyhow::Result<Outcome> {
    let (orders, ordered) = mpsc::channel();
    let stopped = Stopped(Arc::default());
    let swarm = Swarm::new(plan, ordered, stopped.0.clone())?;
    let pin = plan.pin;
    let mut playing = tokio::task::spawn_blocking(move || {
        if pin {
            processes::pin_this_thread(1)?;
        }
        swarm.run()
    });
    let pids = tokio::select! {
        biased;
        ended = &mut playing => return ended?,
        pids = bring_in(&orders) => pids?,
    };
    if pids.is_empty() {
        bail!("no server has the area");
    }
    if plan.pin {
        pids.iter().try_for_each(|pid| processes::pin(*pid, 0))?;
    }
    orders.send(Order::Measure(pids)).context("the swarm has ended")?;
    playing.await?
}

/// Ends the swarm's thread when its trial ends.
struct Stopped(Arc<AtomicBool>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The bare server's process.
struct Floor(Child);

impl Floor {
    fn start(plan: &Plan) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("this program's path is unknown")?);
        let (players, visible) = (plan.players.to_string(), plan.visible.to_string());
        command.args(["trial", "floor", "--players", &players, "--visible", &visible]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        Ok(Self(command.spawn().context("the bare server does not start")?))
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // It may have ended with its players.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Each player is a socket here and one in the game server, which inherits the limit.
fn enough_sockets(players: u32) -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = u64::from(players) + 500;
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    limit.current = limit.maximum;
    if limit.current.is_some_and(|most| most < wanted) {
        bail!("{players} players need {wanted} open files, and `ulimit -Hn` allows fewer");
    }
    setrlimit(Resource::Nofile, limit).context("raising the limit of open files")
}
