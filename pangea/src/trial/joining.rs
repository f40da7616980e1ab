//! One player's way in, from the wish to the welcome, and what all of them saw.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use pangea_client::{Client, EnterOptions, Error, Event, Game};
use pangea_world::id::CharacterId;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::cluster::{Cluster, WORLD};
use crate::flags::TrialJoin;

/// Accounts that are made at the same time.
const MADE_AT_ONCE: usize = 32;

/// A join that succeeded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Join {
    /// By central's clock, from the wish until everything was ready.
    pub(super) server_ms: f64,
    /// By the player's clock, from the wish to the welcome.
    pub(super) client: Duration,
}

/// What all players saw.
pub(super) struct Joins {
    capacity: u32,
    seen: Mutex<Seen>,
}

#[derive(Default, Clone)]
pub(super) struct Seen {
    /// Inside now, by the server's address.
    inside: HashMap<String, u32>,
    /// Servers by area.
    pub(super) servers: HashMap<String, Vec<String>>,
    pub(super) refused: HashMap<String, u64>,
    /// The first few words of what went wrong; at most 20.
    pub(super) lost: Vec<String>,
    pub(super) joins_lost: u64,
    pub(super) overfull: u64,
}

impl Joins {
    pub(super) fn new(capacity: u32) -> Self {
        Self { capacity, seen: Mutex::default() }
    }

    pub(super) fn seen(&self) -> Seen {
        self.lock().clone()
    }

    /// A new life of an area may be on a new server; that is not a second one.
    fn arrived(&self, url: &str, area: &str) {
        let mut seen = self.lock();
        let inside = seen.inside.entry(url.to_owned()).or_default();
        *inside += 1;
        let overfull = *inside > self.capacity;
        seen.overfull += u64::from(overfull);
        let others: Vec<String> = seen.servers.get(area).cloned().unwrap_or_default();
        let alive = |other: &String| other != url && seen.inside.get(other).is_some_and(|count| *count > 0);
        let mut servers: Vec<String> = others.into_iter().filter(alive).collect();
        servers.push(url.to_owned());
        let most = seen.servers.entry(area.to_owned()).or_default();
        if servers.len() >= most.len() {
            *most = servers;
        }
    }

    fn leaves(&self, url: &str) {
        if let Some(inside) = self.lock().inside.get_mut(url) {
            *inside = inside.saturating_sub(1);
        }
    }

    fn failed(&self, error: &Error) {
        let mut seen = self.lock();
        if let Error::Refused(refusal) = error {
            *seen.refused.entry(refusal.code.to_string()).or_default() += 1;
        } else {
            seen.joins_lost += 1;
            if seen.lost.len() < 20 {
                seen.lost.push(error.to_string());
            }
        }
    }

    fn dropped(&self, why: &str) {
        let mut seen = self.lock();
        seen.joins_lost += 1;
        if seen.lost.len() < 20 {
            seen.lost.push(why.to_owned());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// An account with its character.
pub(super) struct Player {
    client: Client,
    character: CharacterId,
    /// Reads what the server sends until told to leave.
    inside: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Player {
    /// Registers all accounts and makes their characters.
    pub(super) async fn make(options: &TrialJoin, cluster: &Cluster) -> anyhow::Result<Vec<Player>> {
        let doors = Arc::new(Semaphore::new(MADE_AT_ONCE));
        let mut tasks = JoinSet::new();
        for number in 0..options.players {
            let (client, doors) = (cluster.client.another(), doors.clone());
            tasks.spawn(async move {
                // Never closed.
                let _door = doors.acquire().await.ok();
                let name = format!("trial-{number:06}");
                client.register(&name, "a long way to walk").await?;
                let character = client.create_character(WORLD, &name, None).await?.id;
                Ok::<_, Error>(Player { client, character, inside: None })
            });
        }
        let mut players = Vec::new();
        while let Some(player) = tasks.join_next().await {
            players.push(player?.context("making accounts")?);
        }
        Ok(players)
    }

    pub(super) fn is_in(&self) -> bool {
        self.inside.is_some()
    }

    /// Joins and stays. `None` if it was refused or lost, which is noted.
    pub(super) async fn join(&mut self, joins: &Arc<Joins>) -> Option<Join> {
        let options = EnterOptions { world: Some(WORLD.to_owned()), ..EnterOptions::default() };
        let begun = Instant::now();
        let entered = async {
            let prepared = self.client.prepare(self.character, &options).await?;
            let (area, took_ms) = (prepared.area.clone(), prepared.took_ms);
            let game = Game::connect(self.client.clone(), self.character, prepared).await?;
            Ok::<_, Error>((game, area, took_ms))
        };
        let (game, area, took_ms) = match entered.await {
            Ok(entered) => entered,
            Err(error) => {
                joins.failed(&error);
                return None;
            }
        };
        let client = begun.elapsed();
        joins.arrived(game.url(), &area);
        let (leave, leaves) = oneshot::channel();
        self.inside = Some((leave, tokio::spawn(stay(game, leaves, joins.clone()))));
        Some(Join { server_ms: took_ms.unwrap_or(client.as_secs_f64() * 1e3), client })
    }

    /// Leaves, if it is inside, and waits until the server has closed.
    pub(super) async fn leave(&mut self) {
        if let Some((leave, staying)) = self.inside.take() {
            // It may have ended by itself, which was noted then.
            let _ = leave.send(());
            let _ = staying.await;
        }
    }
}

async fn stay(mut game: Game, mut leaves: oneshot::Receiver<()>, joins: Arc<Joins>) {
    let url = game.url().to_owned();
    loop {
        tokio::select! {
            biased;
            _ = &mut leaves => break,
            event = game.next_event() => match event {
                Some(Event::Lost) => {
                    joins.dropped("a connection was lost while nobody left");
                    break;
                }
                Some(Event::Ended(how)) => {
                    let why = how.err().map_or_else(|| "the server closed".to_owned(), |error| error.to_string());
                    joins.dropped(&why);
                    break;
                }
                Some(_) => {}
                None => break,
            },
        }
    }
    joins.leaves(&url);
    game.leave().await;
}
