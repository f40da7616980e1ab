//! The SDK endpoint of one game server: gRPC and REST on two loopback ports, the same verbs behind both.
//!
//! An endpoint keeps nothing: each call becomes an event for the spawner's task, which owns all state.

mod grpc;
pub mod json;
mod rest;
pub mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use pangea_sdk::GameServer;
use pangea_world::id::ServerId;
use tokio::sync::{broadcast, mpsc, oneshot};
use tonic::Status;

use super::Event;
use crate::net::TcpListener;
use state::{Reply, Verb};

/// How many changes a slow watcher may be behind before it skips to the newest.
pub const WATCH_BACKLOG: usize = 64;

/// Most watchers of one server at once.
pub const MAX_WATCHERS: usize = 16;

/// Largest body of a REST call, bytes.
pub const MAX_BODY_BYTES: usize = 65_536;

/// The state now, and what it becomes.
pub type Watch = (Arc<GameServer>, broadcast::Receiver<Arc<GameServer>>);

/// A call of one game server, and where its answer goes.
#[derive(Debug)]
pub enum Call {
    /// Alive.
    Health,
    /// The server now.
    Get(oneshot::Sender<Arc<GameServer>>),
    /// The server now and after each change; RESOURCE_EXHAUSTED over [`MAX_WATCHERS`].
    Watch(oneshot::Sender<Result<Watch, Status>>),
    /// Any other verb.
    Verb(Verb, oneshot::Sender<Result<Reply, Status>>),
}

/// The verbs of one game server; cheap to clone.
#[derive(Debug, Clone)]
pub struct Endpoint {
    server: ServerId,
    events: mpsc::Sender<Event>,
}

/// A running endpoint; dropped, its ports are closed.
#[derive(Debug)]
pub struct Serving {
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Endpoint {
    /// The verbs of `server`, done by whoever receives `events`.
    pub fn new(server: ServerId, events: mpsc::Sender<Event>) -> Self {
        Self { server, events }
    }

    /// Serves both listeners, which must be on loopback, until dropped.
    pub fn serve(self, grpc: TcpListener, rest: TcpListener) -> Serving {
        let server = self.server;
        let one = self.clone();
        let grpc = crate::task::spawn(async move {
            if let Err(error) = grpc::serve(one, grpc).await {
                tracing::error!(%server, %error, "the SDK's gRPC side has ended");
            }
        });
        let rest = crate::task::spawn(async move {
            if let Err(error) = rest::serve(self, rest).await {
                tracing::error!(%server, %error, "the SDK's REST side has ended");
            }
        });
        Serving { tasks: [grpc, rest] }
    }

    async fn health(&self) -> Result<(), Status> {
        self.send(Call::Health).await
    }

    async fn get(&self) -> Result<Arc<GameServer>, Status> {
        let (tx, rx) = oneshot::channel();
        self.send(Call::Get(tx)).await?;
        rx.await.map_err(|_| gone())
    }

    async fn watch(&self) -> Result<Watch, Status> {
        let (tx, rx) = oneshot::channel();
        self.send(Call::Watch(tx)).await?;
        rx.await.map_err(|_| gone())?
    }

    async fn verb(&self, verb: Verb) -> Result<Reply, Status> {
        let (tx, rx) = oneshot::channel();
        self.send(Call::Verb(verb, tx)).await?;
        rx.await.map_err(|_| gone())?
    }

    async fn send(&self, call: Call) -> Result<(), Status> {
        self.events.send(Event::Sdk(self.server, call)).await.map_err(|_| gone())
    }
}

/// What a watcher sees: the state now, then each later one; who is too slow skips the oldest of them.
fn states((now, changes): Watch) -> impl futures_util::Stream<Item = Arc<GameServer>> + Send + 'static {
    futures_util::stream::unfold((Some(now), changes), |(now, mut changes)| async move {
        if let Some(now) = now {
            return Some((now, (None, changes)));
        }
        loop {
            match changes.recv().await {
                Ok(server) => return Some((server, (None, changes))),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    })
}

fn gone() -> Status {
    Status::unavailable("the server has ended, or its spawner stops")
}
