//! The link: one resumable, mutually authenticated gRPC stream of [`Envelope`](pangea_world::messages::Envelope)s.
//!
//! The lesser role opens it ([`open`]), central and chat answer it ([`serve`]). What is sent is kept until
//! acknowledged and sent again after a reconnect; a role sees every message once and in order (E.6).

use std::sync::Arc;

use pangea_world::messages::{Body, Hello};
use pangea_world::role_key::RoleKey;
use pangea_world::{Code, Refusal};
use tokio::sync::mpsc;

/// What happens on a link.
#[derive(Debug)]
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
    /// The other side refuses this role for good (wrong key, wrong version).
    Refused(Refusal),
}

/// The sending half; cheap to clone.
#[derive(Clone, Debug)]
pub struct Sender {
    queue: mpsc::Sender<Body>,
}

impl Sender {
    /// Queues a message; it is sent when the link stands, and again until acknowledged.
    ///
    /// # Errors
    /// `storage_busy` if 16,384 messages wait already: the other side is away or too slow; give up or retry.
    pub fn send(&self, body: Body) -> Result<(), Refusal> {
        self.queue
            .try_send(body)
            .map_err(|_| Refusal::new(Code::StorageBusy, "the link's queue is full, or the link has ended"))
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
    let _ = opener;
    todo!("in work")
}

/// A role that has proven who it is.
#[derive(Debug)]
pub struct Accepted {
    /// What it said of itself.
    pub hello: Hello,
    /// To it.
    pub sender: Sender,
    /// From it; ends for good when the role is gone for longer than a resume is kept (30 s).
    pub events: mpsc::Receiver<Event>,
}

/// Finds the key that a role of this Hello must have; `None` refuses it with `key_wrong`.
pub type KeyOf = Arc<dyn Fn(&Hello) -> Option<RoleKey> + Send + Sync>;

/// Answers links on a listener until it fails or `shutdown` ends; each accepted role comes out once per link session.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    key_of: KeyOf,
    accepted: mpsc::Sender<Accepted>,
) -> anyhow::Result<()> {
    let _ = (listener, key_of, accepted);
    todo!("in work")
}
