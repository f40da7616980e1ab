//! Who plays in trials: accounts and characters with coins, made before anything is measured.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use pangea_client::{Client, Error};
use pangea_world::id::CharacterId;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::cluster::{Cluster, WORLD};
use super::economy::{BEGIN_COINS, audit};

/// Players who are made at the same time.
const AT_ONCE: usize = 16;

/// One of them: his number, his login, his character.
pub(super) type Somebody = (u32, Client, CharacterId);

/// So many, in the order of their numbers: a seed gives the same pairs. `line`: through it they play.
pub(super) async fn come_in(
    players: u32,
    cluster: &Cluster,
    line: Option<SocketAddr>,
) -> anyhow::Result<Vec<Somebody>> {
    let doors = Arc::new(Semaphore::new(AT_ONCE));
    let operator = cluster.operator()?;
    let mut tasks = JoinSet::new();
    for number in 0..players {
        let (client, operator, doors) = (cluster.client.another(), operator.clone(), doors.clone());
        tasks.spawn(async move {
            // Never closed.
            let _door = doors.acquire().await.ok();
            let name = format!("trial-{number:06}");
            client.register(&name, "all that glitters").await?;
            let character = client.create_character(WORLD, &name, None).await?.id;
            audit::give(&operator, character, BEGIN_COINS).await?;
            let client = match line {
                Some(line) => client.playing_through(line),
                None => client,
            };
            Ok::<_, Error>((number, client, character))
        });
    }
    let mut all = Vec::new();
    while let Some(made) = tasks.join_next().await {
        all.push(made?.context("making accounts")?);
    }
    all.sort_by_key(|(number, ..)| *number);
    Ok(all)
}
