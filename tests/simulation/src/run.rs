//! One seed, or many: each in a process of its own.

use std::io::{self, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pangea_client::Client;
use pangea_server::simulation::{self, Check, Dice, note};
use tokio::time::Instant;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::audit::audit;
use crate::cluster::Cluster;
use crate::faults::{harm, jump_by_hours};
use crate::game::{game, over};
use crate::notes::{Common, Fate};
use crate::orders::order;
use crate::player::{Player, client, register};

/// Players of most simulations.
const PLAYERS: usize = 4;
/// Players of a quarter of them.
const MANY_PLAYERS: usize = 6;
/// How long there are faults.
const HARM: Duration = Duration::from_secs(20);
/// How long everybody plays before there are faults, and after everybody plays again: nobody notices anything then.
const CALM: Duration = Duration::from_secs(5);
/// Longest pause between two orders of an operator while there are faults, and while there are none, ms.
const ORDERS_MS: u64 = 4_000;
/// See [`ORDERS_MS`].
const CALM_ORDERS_MS: u64 = 1_500;
/// How long everybody has to play again.
const CONVERGES: Duration = Duration::from_secs(60);

const USAGE: &str = "usage: pangea-simulation [--seeds N [--from S]] | [--seed S [--log [--wires]] [--clocks]] \
                     [--without CHECK]";

/// The command line.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut seeds, mut from, mut seed, mut log, mut without) = (20, 1, None, false, None);
    let mut clocks = false;
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok());
        let known = match argument.as_str() {
            "--seeds" => number().map(|n| seeds = n),
            "--from" => number().map(|n| from = n),
            "--seed" => number().map(|n| seed = Some(n)),
            "--log" => Some(log = true),
            "--clocks" => Some(clocks = true),
            "--wires" => Some(simulation::net::show()),
            "--without" => {
                let name = arguments.next().unwrap_or_default();
                let check = Check::ALL.iter().find(|(known, _)| *known == name);
                check.map(|check| without = Some(*check))
            }
            _ => None,
        };
        if known.is_none() {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    match seed {
        Some(seed) => one(seed, without.map(|(_, check)| check), log, clocks),
        None => many(from, seeds, without.map(|(name, _)| name)),
    }
}

/// Runs these seeds, as many at once as there are processors.
fn many(from: u64, seeds: u64, without: Option<&str>) -> ExitCode {
    let Ok(program) = std::env::current_exe() else { return ExitCode::FAILURE };
    let next = std::sync::atomic::AtomicU64::new(from);
    let failed = std::sync::Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        return;
                    }
                    let mut command = Command::new(&program);
                    command.arg("--seed").arg(seed.to_string());
                    if let Some(check) = without {
                        command.arg("--without").arg(check);
                    }
                    let ended = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
                    let sound = ended.as_ref().is_ok_and(|output| output.status.success());
                    let text = ended.map(|output| output.stdout).unwrap_or_default();
                    print!("{}", String::from_utf8_lossy(&text));
                    let _ = io::stdout().flush();
                    if !sound {
                        failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(seed);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    failed.sort_unstable();
    if failed.is_empty() {
        println!("{seeds} seeds: all sound");
        return ExitCode::SUCCESS;
    }
    println!("{} of {seeds} seeds failed: {failed:?}; replay with --seed S --log", failed.len());
    ExitCode::FAILURE
}

/// Runs one seed in this process, perhaps with the scene of clocks that jump.
fn one(seed: u64, without: Option<Check>, log: bool, clocks: bool) -> ExitCode {
    let begun = std::time::Instant::now();
    crate::chance::begin(seed);
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_writer(Lines::default);
    let targets = tracing_subscriber::filter::Targets::new()
        .with_target("pangea_server", tracing::Level::DEBUG)
        .with_target("pangea_client", tracing::Level::DEBUG);
    tracing_subscriber::registry().with(layer).with(targets).init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let Ok(runtime) = runtime else { return ExitCode::FAILURE };
    let (outcome, took_virtually) = runtime.block_on(async {
        simulation::begin(seed, game(), without, log);
        (simulation::mine(simulate(seed, clocks)).await, simulation::elapsed())
    });
    let (digest, lines) = simulation::digest();
    let virtual_s = took_virtually.as_secs_f64();
    let took = begun.elapsed();
    let (told, wrong) = match outcome {
        Ok(outcome) => outcome,
        Err(error) => (String::new(), vec![format!("{error:#}")]),
    };
    wrong.iter().for_each(|wrong| println!("  seed {seed}: {wrong}"));
    println!(
        "seed {seed}: {} {told}, {virtual_s:.1} s in {:.1} s, {lines} lines {}",
        if wrong.is_empty() { "sound" } else { "FAILED" },
        took.as_secs_f64(),
        &digest[..16]
    );
    let _ = io::stdout().flush();
    // What is left of the cluster is not worth the time to end it.
    std::process::exit(i32::from(!wrong.is_empty()));
}

async fn simulate(seed: u64, clocks: bool) -> anyhow::Result<(String, Vec<String>)> {
    let dice = Dice::new(seed);
    let mut cluster = Cluster::new(seed)?;
    cluster.start_central();
    cluster.until_ready().await;
    cluster.start_chat()?;
    cluster.start_spawners()?;
    let common = Arc::new(Common::default());
    let (mut nodes, mut players) = (Vec::new(), Vec::new());
    let players_in_all = if dice.another(13).percent(25) { MANY_PLAYERS } else { PLAYERS };
    for number in 0..players_in_all {
        let node = simulation::new(&format!("player {number}"));
        let client = client(node)?;
        let me = register(&client, number).await;
        common.notes().everybody.push(me);
        nodes.push(node);
        players.push(Player::new(common.clone(), number, me, client, dice.another(100 + number as u64)));
    }
    let mut playing = tokio::task::JoinSet::new();
    for (player, node) in players.into_iter().zip(&nodes) {
        playing.spawn(simulation::of(*node, player.play()));
    }
    let mut wrong = Vec::new();
    if !all_answered(&common).await {
        wrong.push("nobody plays, before any fault".to_owned());
    }
    let operator = client(simulation::new("operator"))?.with_token(&cluster.operator_key()?);
    let (mut faults, mut orders) = (dice.another(7), dice.another(8));
    let (in_calm, in_faults) = (orders.percent(50), orders.percent(50));
    let calmly = in_calm.then_some(CALM_ORDERS_MS);
    calm(&common, orders_of(&operator, &common, &mut orders, calmly)).await;
    note("faults begin");
    {
        let orders = orders_of(&operator, &common, &mut orders, in_faults.then_some(ORDERS_MS));
        let harms = async {
            if clocks {
                jump_by_hours(&mut cluster, &mut faults.another(1)).await;
            }
            harm(&mut cluster, &nodes, &mut faults, HARM).await
        };
        tokio::select! {
            biased;
            done = harms => done?,
            () = orders => {}
        }
    }
    let converged = all_answered(&common).await;
    let superseded = cluster.superseded().into_iter();
    wrong.extend(superseded.map(|node| format!("{node:?} has not noticed that another central leads")));
    if converged {
        calm(&common, orders_of(&operator, &common, &mut orders, calmly)).await;
    } else {
        wrong.push(format!("does not converge within {} s", CONVERGES.as_secs()));
    }
    common.over.store(true, Ordering::Relaxed);
    common.notes().talk.ends();
    let leaving = async { while playing.join_next().await.is_some() {} };
    if tokio::time::timeout(CONVERGES, leaving).await.is_err() {
        wrong.push("somebody cannot leave".to_owned());
    }
    // What is on its way is written.
    tokio::time::sleep(Duration::from_secs(5)).await;
    wrong.extend(simulation::witnessed());
    let found =
        audit(&operator, cluster.files().each_ref().map(|file| file.as_path()), &common.notes()).await;
    match found {
        Ok(found) => wrong.extend(found),
        Err(error) => wrong.push(format!("central cannot be asked: {error:#}")),
    }
    let notes = common.notes();
    let done = notes.wishes.values().filter(|wished| wished.fate == Fate::Done).count();
    let (crossings, gap) = notes.crossings;
    let (moves, still) = notes.moves;
    let told = format!(
        "{done} deeds, {} over a line, {} lines, {crossings} crossings (at most {} ms), {} orders in calm with {moves} moves (at most {} ms), \
         {} losses",
        over(),
        notes.talk.lines(),
        gap.as_millis(),
        notes.orders,
        still.as_millis(),
        notes.losses
    );
    Ok((told, wrong))
}

/// Everybody plays for a while, and nothing is wrong, whatever is ordered meanwhile.
async fn calm(common: &Common, orders: impl Future) {
    common.notes().set_calm(true);
    let _ = tokio::time::timeout(CALM, orders).await;
    common.notes().set_calm(false);
}

/// What the operator orders, up to so many milliseconds apart, until it is dropped.
async fn orders_of(operator: &Client, common: &Common, dice: &mut Dice, most_ms: Option<u64>) {
    if let Some(most_ms) = most_ms {
        order(operator, common, dice, most_ms).await;
    }
    std::future::pending().await
}

/// Waits until everybody was answered something that he asked for from now on.
async fn all_answered(common: &Common) -> bool {
    let since = Instant::now();
    while since.elapsed() < CONVERGES {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let notes = common.notes();
        let answered = notes.answered.values().filter(|asked| **asked >= since).count();
        let spoken = notes.everybody.iter().filter(|who| notes.talk.has_spoken(**who, since)).count();
        if answered.min(spoken) == notes.everybody.len() {
            note(&format!("everybody plays after {} ms", since.elapsed().as_millis()));
            return true;
        }
    }
    false
}

/// What the roles log is part of the log.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            note(String::from_utf8_lossy(&self.0).trim_end());
        }
    }
}
