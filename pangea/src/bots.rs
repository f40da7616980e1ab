//! `pangea bots`: players who register, enter and walk about by themselves, with live figures.

pub(crate) mod figures;
mod walker;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use pangea_client::{Client, Trust};
use tokio::sync::{Semaphore, watch};

use crate::flags::Bots;
use crate::stop;
use figures::{Figures, Snapshot};
use walker::Walker;

/// How long bots get to leave politely.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// What all bots of a run share.
pub(crate) struct Crowd {
    /// Begins the names of this run: `bot-` and eight hex digits.
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) world: String,
    pub(crate) map: Option<String>,
    pub(crate) factions: Vec<String>,
    /// Bounds registrations and enters at the same time.
    pub(crate) doors: Semaphore,
    pub(crate) figures: Figures,
}

/// Runs until the time is over or Ctrl-C; prints the figures.
///
/// # Errors
/// If central is not reached, has no such world, or lets nobody in.
pub fn run(options: &Bots) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads")?;
    runtime.block_on(play(options))
}

async fn play(options: &Bots) -> anyhow::Result<ExitCode> {
    let stopped = stop::on_signals_saying("stopping: the bots leave")?;
    let client = client(options)?;
    let crowd = Arc::new(crowd(options, &client).await?);
    let (leave, leaving) = watch::channel(false);
    let begun = Instant::now();
    let bots: Vec<_> = (0..options.players)
        .map(|number| {
            let wait =
                Duration::from_secs(options.spread).mul_f64(f64::from(number) / f64::from(options.players));
            let walker = Walker::new(number, crowd.clone(), client.another());
            tokio::spawn(walker.live(wait, leaving.clone()))
        })
        .collect();
    let snapshot = watch_them(options, &crowd, begun, stopped).await;
    // They may all have ended by themselves.
    let _ = leave.send(true);
    let all = async {
        for bot in bots {
            // One that panicked has told so on standard error.
            let _ = bot.await;
        }
    };
    if tokio::time::timeout(LEAVE_TIMEOUT, all).await.is_err() {
        eprintln!("some bots did not get out within 10 s; their connections are cut");
    }
    let total = crowd.figures.total(begun.elapsed(), options.players, &snapshot);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&total)?);
    } else {
        print!("\n{}", total.table());
    }
    Ok(if total.entered_ever == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn client(options: &Bots) -> anyhow::Result<Client> {
    Ok(match &options.roots {
        Some(file) => Client::with_trust(&options.url, Trust::roots(file)?)?,
        None => Client::new(&options.url)?,
    })
}

async fn crowd(options: &Bots, client: &Client) -> anyhow::Result<Crowd> {
    let worlds =
        client.worlds().await.with_context(|| format!("is a central running at {}?", options.url))?;
    let world = match &options.world {
        Some(name) => worlds.iter().find(|world| world.name == *name).with_context(|| {
            let known: Vec<&str> = worlds.iter().map(|world| world.name.as_str()).collect();
            let meant = pangea_world::nearest::nearest(name, known.iter().copied());
            let hint = meant.map_or_else(|| known.join(", "), |meant| format!("did you mean «{meant}»?"));
            format!("there is no world «{name}»; {hint}")
        })?,
        // Where most of them fit on one server.
        None => worlds.iter().max_by_key(|world| world.capacity).context("central has no world")?,
    };
    let random: [u8; 20] = pangea_server::random::bytes();
    Ok(Crowd {
        name: format!("bot-{}", pangea_world::id::hex(&random[..4])),
        password: pangea_world::id::hex(&random[4..]),
        world: world.name.clone(),
        map: options.map.clone(),
        factions: world.factions.iter().map(|faction| faction.id.clone()).collect(),
        doors: Semaphore::new(options.at_once as usize),
        figures: Figures::default(),
    })
}

/// Shows the figures each second until the end; in a terminal on one block that is drawn anew.
async fn watch_them(
    options: &Bots,
    crowd: &Crowd,
    begun: Instant,
    stopped: watch::Receiver<bool>,
) -> Snapshot {
    let terminal = std::io::stderr().is_terminal();
    let end = (options.seconds > 0).then(|| begun + Duration::from_secs(options.seconds + options.spread));
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.tick().await;
    let mut stop = std::pin::pin!(stop::wait(stopped));
    let mut drawn = 0;
    let mut last = crowd.figures.snapshot(None);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return last,
            _ = second.tick() => {}
        }
        last = crowd.figures.snapshot(Some(&last));
        let mut err = std::io::stderr().lock();
        // A closed terminal is no reason to end.
        if terminal {
            let block = last.block(&crowd.name, &crowd.world, options.players, begun.elapsed());
            let _ = write!(err, "{}{block}", "\x1b[1A\x1b[2K".repeat(drawn));
            drawn = block.lines().count();
        } else {
            let _ = writeln!(err, "{}", last.line(options.players, begun.elapsed()));
        }
        if end.is_some_and(|end| Instant::now() >= end) || crowd.figures.all_gone(options.players) {
            return last;
        }
    }
}
