//! Who plays in trials: accounts and characters with coins, made before anything is measured.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pangea_client::{Client, Error};
use pangea_world::id::CharacterId;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cluster::{Cluster, WORLD};
use super::economy::{BEGIN_COINS, audit};
use super::say;

/// Players who are made at the same time.
const AT_ONCE: usize = 16;

/// How often it is said how many there are.
const TELL: Duration = Duration::from_secs(5);

/// The password of each.
pub(super) const PASSWORD: &str = "all that glitters";

/// One of them: his number, his login, his character.
pub(super) type Somebody = (u32, Client, CharacterId);

/// These, in their order: a seed gives the same pairs. Each is of the faction that `faction` says.
pub(super) async fn make(
    numbers: Range<u32>,
    cluster: &Cluster,
    faction: impl Fn(u32) -> Option<String>,
) -> anyhow::Result<Vec<Somebody>> {
    let doors = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for number in numbers {
        let (client, doors, faction) = (cluster.client.another(), doors.clone(), faction(number));
        tasks.spawn(async move {
            // Never closed.
            let _door = doors.acquire().await.ok();
            let name = name_of(number);
            client.register(&name, PASSWORD).await?;
            let character = client.create_character(WORLD, &name, faction.as_deref()).await?.id;
            Ok::<_, Error>((number, client, character))
        });
    }
    let (many, mut all, mut told) = (tasks.len(), Vec::new(), Instant::now());
    while let Some(made) = tasks.join_next().await {
        all.push(made?.context("making accounts")?);
        if told.elapsed() > TELL {
            told = Instant::now();
            say(&format!("{} of {many} have an account", all.len()));
        }
    }
    all.sort_by_key(|(number, ..)| *number);
    Ok(all)
}

/// So many with coins. `line`: through it they play.
pub(super) async fn come_in(
    players: u32,
    cluster: &Cluster,
    line: Option<SocketAddr>,
) -> anyhow::Result<Vec<Somebody>> {
    let operator = cluster.operator()?;
    let mut all = Vec::new();
    for (number, client, character) in make(0..players, cluster, |_| None).await? {
        audit::give(&operator, character, BEGIN_COINS).await.context("giving coins")?;
        let client = match line {
            Some(line) => client.playing_through(line),
            None => client,
        };
        all.push((number, client, character));
    }
    Ok(all)
}

/// The number of who is called so.
pub(super) fn number_of(name: &str) -> Option<u32> {
    name.strip_prefix("trial-")?.parse().ok()
}

/// What player, account and character of this number are called.
pub(super) fn name_of(number: u32) -> String {
    format!("trial-{number:06}")
}
