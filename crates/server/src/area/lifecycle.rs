//! The area server's life as its spawner sees it, by the Agones SDK and nothing else: so it runs under
//! Pangea's spawner and on an Agones fleet alike.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use pangea_sdk::{GameServer, Sdk};
use pangea_world::id::AreaId;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::mailbox::Gauges;
use super::program;

/// The annotation that names the area, 32 hex digits.
pub const AREA_ANNOTATION: &str = "pangea.dev/area";

/// How often the server says that it is alive.
const HEALTH_EVERY: Duration = Duration::from_secs(2);

/// How long a loop may stand still before the server stops saying that it is alive, ms.
const STANDSTILL_MS: u64 = 5_000;

/// The server's side of the SDK.
#[derive(Debug)]
pub struct Lifecycle {
    sdk: Sdk,
    states: mpsc::Receiver<GameServer>,
}

impl Lifecycle {
    /// Begins to watch and to say that the server is alive.
    pub fn new(sdk: Sdk, clock: Clock, gauges: Arc<Gauges>) -> Self {
        let states = sdk.watch();
        crate::task::spawn(say_alive(sdk.clone(), clock, gauges));
        Self { sdk, states }
    }

    /// The game port that the spawner gave.
    ///
    /// # Errors
    /// If the endpoint does not answer, or names no port.
    pub async fn game_port(&self) -> anyhow::Result<u16> {
        let server = self.sdk.get().await.context("asking for the game port")?;
        let ports = server.status.map(|status| status.ports).unwrap_or_default();
        let port = ports.first().context("the spawner named no game port")?.port;
        u16::try_from(port).context("the game port")
    }

    /// The server can take an area.
    ///
    /// # Errors
    /// If the endpoint does not answer.
    pub async fn ready(&self) -> anyhow::Result<()> {
        self.sdk.ready().await.context("saying Ready")
    }

    /// Waits until the server is given an area; `None` if it shall stop instead.
    pub async fn allocated(&mut self) -> Option<AreaId> {
        loop {
            let server = self.states.recv().await?;
            match state(&server) {
                "Allocated" => {
                    let annotations = server.object_meta.map(|meta| meta.annotations).unwrap_or_default();
                    match annotations.get(AREA_ANNOTATION).map(|area| area.parse()) {
                        Some(Ok(area)) => return Some(area),
                        Some(Err(_)) => {
                            tracing::error!("the annotation {AREA_ANNOTATION} is not an area's id")
                        }
                        None => tracing::debug!("allocated, but no area is named yet"),
                    }
                }
                "Shutdown" => return None,
                // From here on it waits, maybe for long.
                "Ready" => program::let_go(),
                _ => {}
            }
        }
    }

    /// Ends when the spawner wants the server to stop.
    pub async fn told_to_stop(&mut self) {
        while let Some(server) = self.states.recv().await {
            if state(&server) == "Shutdown" {
                return;
            }
        }
        // The watch ends only with the runtime.
        std::future::pending().await
    }

    /// The server is done.
    pub async fn shutdown(&self) {
        if let Err(error) = self.sdk.shutdown().await {
            tracing::debug!(%error, "the spawner cannot be told that this server is done");
        }
    }
}

fn state(server: &GameServer) -> &str {
    server.status.as_ref().map_or("", |status| status.state.as_str())
}

/// An idle server is alive; one with an area is alive as long as its loop ticks.
async fn say_alive(sdk: Sdk, clock: Clock, gauges: Arc<Gauges>) {
    let mut timer = tokio::time::interval(HEALTH_EVERY);
    loop {
        timer.tick().await;
        let beat_ms = gauges.beat_ms.load(Ordering::Relaxed);
        if beat_ms > 0 && clock.now_ms() > beat_ms + STANDSTILL_MS {
            tracing::error!("the loop stands still");
            continue;
        }
        if let Err(error) = sdk.health().await {
            tracing::debug!(%error, "the spawner did not hear that this server is alive");
        }
    }
}
