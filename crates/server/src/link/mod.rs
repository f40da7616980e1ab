//! The link: one resumable, mutually authenticated gRPC stream of [`Envelope`]s.
//!
//! The lesser role opens it ([`open`]), central and chat answer it ([`serve`]). What is sent is kept until
//! acknowledged and sent again after a reconnect; a role sees every message once and in order.

mod answerer;
mod grpc;
mod opener;
mod secure;
mod session;

pub use secure::connect_pinned;

use std::sync::Arc;
use std::time::Duration;

use pangea_world::messages::{Body, Envelope, Hello, MAX_UNACKED, RefusalMessage};
use pangea_world::role_key::RoleKey;
use pangea_world::{Code, Refusal};
use tokio::sync::{mpsc, watch};
use tonic::Streaming;

use crate::net::TcpListener;

/// Time for a whole handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answerer keeps a session whose connection is gone.
const RESUME_KEPT: Duration = Duration::from_secs(30);
/// HTTP/2 pings, so that a dead peer is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(3);
const SEND_QUEUE: usize = MAX_UNACKED;
const EVENT_QUEUE: usize = 1_024;

/// What happens on a link.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "moved one at a time through a channel; a box would cost more")]
pub enum Event {
    /// The link stands (again). `resumed`: nothing was lost in between; else register anew.
    Up {
        /// Whether the other side remembered the session.
        resumed: bool,
    },
    /// The other side said this; each once and in order.
    Message(Body),
    /// The connection is gone; the opener tries again by itself, with back-off.
    Down,
    /// The other side refuses this role for good (wrong key, wrong version, replaced).
    Refused(Refusal),
}

/// The sending half; cheap to clone.
#[derive(Clone, Debug)]
pub struct Sender {
    queue: mpsc::Sender<Body>,
    /// How many messages were queued and are not acknowledged.
    waiting: watch::Sender<usize>,
}

impl Sender {
    /// Queues a message; it is sent when the link stands, and again until acknowledged.
    ///
    /// # Errors
    /// `storage_busy` if 16,384 messages wait already: the other side is away or too slow; give up or retry.
    pub fn send(&self, body: Body) -> Result<(), Refusal> {
        let busy = |_| Refusal::new(Code::StorageBusy, "the link's queue is full, or the link has ended");
        let permit = self.queue.try_reserve().map_err(busy)?;
        // Nobody waits for more.
        self.waiting.send_if_modified(|waiting| {
            *waiting += 1;
            false
        });
        permit.send(body);
        Ok(())
    }

    /// Whether both send on one link.
    pub fn same(&self, other: &Self) -> bool {
        self.queue.same_channel(&other.queue)
    }

    /// Waits until the other side has acknowledged all that was sent, or the link has ended for good: before
    /// a process ends, under a time limit.
    pub async fn flushed(&self) {
        let mut waiting = self.waiting.subscribe();
        tokio::select! {
            _ = waiting.wait_for(|waiting| *waiting == 0) => {}
            () = self.queue.closed() => {}
        }
    }
}

/// How to open a link.
#[derive(Debug, Clone)]
pub struct Opener {
    /// `host:port` of the answerer.
    pub address: String,
    /// `spawner`, `chat` or `area`.
    pub role: String,
    /// The role's name; of an area server its id.
    pub name: String,
    /// Of an area server: its spawner's name.
    pub spawner: String,
    /// The key shared with the answerer.
    pub key: RoleKey,
    /// Towards chat: central's credential for the pair.
    pub credential: String,
    /// SHA-256 of the answerer's certificate; `None`: plain TCP (loopback).
    pub pin: Option<[u8; 32]>,
}

/// Opens a link and keeps it open until the receiver is dropped. Reconnects with back-off (50 ms to 2 s).
pub fn open(opener: Opener) -> (Sender, mpsc::Receiver<Event>) {
    open_as(opener, opener::new_link_session())
}

fn open_as(opener: Opener, link_session: [u8; 16]) -> (Sender, mpsc::Receiver<Event>) {
    let (queue_tx, queue) = mpsc::channel(SEND_QUEUE);
    let (events_tx, events) = mpsc::channel(EVENT_QUEUE);
    let waiting = watch::Sender::new(0);
    crate::task::spawn(opener::run(opener, link_session, queue, waiting.clone(), events_tx));
    (Sender { queue: queue_tx, waiting }, events)
}

/// A role that has proven who it is.
#[derive(Debug)]
pub struct Accepted {
    /// What it said of itself.
    pub hello: Hello,
    /// To it.
    pub sender: Sender,
    /// From it; ends for good when the role is gone for longer than a resume is kept (30 s), or when a newer
    /// link of the same role and name took its place.
    pub events: mpsc::Receiver<Event>,
}

/// Finds the key that a role of this Hello must have; `None` refuses it with `key_wrong`.
pub type KeyOf = Arc<dyn Fn(&Hello) -> Option<RoleKey> + Send + Sync>;

/// Answers links on a listener until it is dropped; each accepted role comes out once per link session.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    key_of: KeyOf,
    accepted: mpsc::Sender<Accepted>,
) -> anyhow::Result<()> {
    let answerer = answerer::Answerer::new(key_of, accepted);
    let here = crate::task::Here::now();
    let on_stream: grpc::OnStream = Arc::new(move |out, incoming| {
        here.spawn(answerer.clone().greet(out, incoming));
    });
    let server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .add_service(grpc::LinkService { on_stream });
    match tls {
        None => {
            server.serve_with_incoming(crate::net::incoming(listener)).await?;
        }
        Some(tls) => server.serve_with_incoming(secure::accept(listener, tls)).await?,
    }
    Ok(())
}

async fn next_body(incoming: &mut Streaming<Envelope>) -> anyhow::Result<Body> {
    match incoming.message().await? {
        Some(Envelope { body: Some(body), .. }) => Ok(body),
        _ => anyhow::bail!("the stream ended"),
    }
}

async fn say(out: &grpc::Out, body: Body) -> anyhow::Result<()> {
    Ok(out.send(Ok(grpc::Sealed::new(0, &body))).await?)
}

/// A refusal for a link message.
pub fn from_refusal(refusal: &Refusal) -> RefusalMessage {
    RefusalMessage { code: refusal.code.to_string(), text: refusal.text.clone() }
}

/// A refusal from a link message; an unknown code of a newer role reads as `internal`.
pub fn to_refusal(message: &RefusalMessage) -> Refusal {
    Refusal::new(message.code.parse().unwrap_or(Code::Internal), message.text.clone())
}

#[cfg(test)]
mod tests;
