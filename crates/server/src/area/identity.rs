//! Who this area server is.

use pangea_world::id::{AreaId, ServerId};
use pangea_world::messages::WebTransport;
use tokio::sync::watch;

use crate::config::GameIo;

/// Who this area server is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its id.
    pub server: ServerId,
    /// The area that it was allocated to.
    pub area: AreaId,
    /// Host that clients and peers are told.
    pub address: String,
    /// The game port.
    pub port: u16,
    /// Whether the port speaks TLS.
    pub tls: bool,
    /// SHA-256 of the port's certificate; empty without TLS.
    pub certificate: Vec<u8>,
    /// What players are told of the port's WebTransport, if it has one.
    pub webtransport: Option<watch::Receiver<WebTransport>>,
    /// Most messages per second from one client.
    pub messages_per_second: u32,
    /// Most lines that a character may say in each kind of channel in ten seconds.
    pub chat_lines_per_10s: u32,
    /// How it talks to the kernel.
    pub io: GameIo,
}
