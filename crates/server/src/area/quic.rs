//! The game port for WebTransport: UDP under the same number. Opened when the server gets an area, never in
//! an idle one. A made certificate is announced by its hash, as browsers want it: ECDSA P-256, valid for at
//! most 14 days; so it is replaced in time, and two hashes are announced: that of now and that of next.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::StatusCode;
use pangea_world::Refusal;
use pangea_world::messages::WebTransport;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::Instant;
use web_transport_quinn::quinn::crypto::rustls::QuicServerConfig;
use web_transport_quinn::quinn::{self, Endpoint, EndpointConfig, Incoming, TransportConfig, VarInt};
use web_transport_quinn::{RecvStream, SendStream, Session, proto};

use super::session::{Pump, last_words};
use super::stream::Reader;
use crate::area_start::AreaStart;
use crate::clock;
use crate::tls::{self, ForQuic};

/// How long one made certificate is in use; it is announced so long before.
const IN_USE: Duration = Duration::from_secs(5 * 86_400);

/// Silence after which a connection is given up.
const SILENCE: Duration = Duration::from_secs(15);

/// How often the server breaks the silence.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Most bytes of a client that wait to be read, and most unacknowledged bytes to it.
const RECEIVE_BYTES: u32 = 64 << 10;
const SEND_BYTES: u64 = 256 << 10;

/// Buffers of the one UDP socket, as far as the system gives them.
const SOCKET_BYTES: usize = 2 << 20;

/// The open port.
pub struct Quic {
    endpoint: Endpoint,
    transport: Arc<TransportConfig>,
    /// Wakes the sessions.
    pub pump: Arc<Pump>,
    made: Option<Made>,
    announce: watch::Sender<WebTransport>,
}

/// Certificates that were made here.
struct Made {
    names: Vec<String>,
    /// In use from `due` on.
    next: ForQuic,
    /// Hash of the one in use.
    hash: [u8; 32],
    due: Instant,
}

impl Quic {
    /// Opens the UDP port; the receiver holds what players are to be told.
    ///
    /// # Errors
    /// If the port is taken or the certificate cannot be used.
    pub fn open(start: &AreaStart, port: u16) -> anyhow::Result<(Self, watch::Receiver<WebTransport>)> {
        let socket = UdpSocket::bind(SocketAddr::new(start.bind, port))
            .with_context(|| format!("the UDP port {port}"))?;
        // Fewer bytes only mean that more is lost when much comes at once.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BYTES);
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&socket, SOCKET_BYTES);
        let (first, made) = match &start.tls {
            Some((certificate, key)) => (tls::load_for_quic(certificate, key)?, None),
            None => {
                let names = vec![start.advertise.clone()];
                let first = make(&names, Duration::ZERO)?;
                let next = make(&names, IN_USE)?;
                let (hash, due) = (first.fingerprint, Instant::now() + IN_USE);
                (first, Some(Made { names, next, hash, due }))
            }
        };
        let transport = Arc::new(transport());
        let config = server_config(first.config, &transport)?;
        let runtime = quinn::default_runtime().context("no runtime")?;
        let endpoint = Endpoint::new(EndpointConfig::default(), Some(config), socket, runtime)?;
        let (announce, announced) =
            watch::channel(WebTransport { port: port.into(), hashes: hashes(made.as_ref()) });
        Ok((Self { endpoint, transport, pump: Arc::default(), made, announce }, announced))
    }

    /// The port's number.
    #[cfg(test)]
    pub fn local_port(&self) -> u16 {
        self.endpoint.local_addr().map(|address| address.port()).unwrap_or_default()
    }

    /// The next that wants to connect; certificates are replaced meanwhile.
    pub async fn next(&mut self) -> Option<Incoming> {
        loop {
            let due = self.made.as_ref().map(|made| made.due);
            let time = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                incoming = self.endpoint.accept() => return incoming,
                () = time => if let Err(error) = self.replace() {
                    tracing::error!(%error, "the certificate for WebTransport could not be replaced");
                },
            }
        }
    }

    /// The next certificate comes into use, and one after it is made.
    ///
    /// # Errors
    /// If none can be made.
    pub(super) fn replace(&mut self) -> anyhow::Result<()> {
        let Some(made) = &mut self.made else { return Ok(()) };
        made.due += IN_USE;
        let next = std::mem::replace(&mut made.next, make(&made.names, IN_USE)?);
        made.hash = next.fingerprint;
        self.endpoint.set_server_config(Some(server_config(next.config, &self.transport)?));
        let hashes = hashes(Some(made));
        self.announce.send_modify(|announced| announced.hashes = hashes);
        Ok(())
    }
}

/// A certificate for one time of use that begins so much later; a day more on each side is for clocks that
/// are wrong.
fn make(names: &[String], later: Duration) -> anyhow::Result<ForQuic> {
    let day = Duration::from_secs(86_400);
    let from = Duration::from_secs(clock::unix_s()) + later;
    tls::make_for_quic(names, from.saturating_sub(day), from + IN_USE + day)
}

fn hashes(made: Option<&Made>) -> Vec<Vec<u8>> {
    made.map(|made| vec![made.hash.to_vec(), made.next.fingerprint.to_vec()]).unwrap_or_default()
}

fn server_config(
    config: ServerConfig,
    transport: &Arc<TransportConfig>,
) -> anyhow::Result<quinn::ServerConfig> {
    let crypto = QuicServerConfig::try_from(config).context("QUIC's first keys")?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(transport.clone());
    Ok(config)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        // The request and the game's stream; control and two of QPACK; some room for what browsers try out.
        .max_concurrent_bidi_streams(VarInt::from_u32(4))
        .max_concurrent_uni_streams(VarInt::from_u32(8))
        .stream_receive_window(VarInt::from_u32(RECEIVE_BYTES / 2))
        .receive_window(VarInt::from_u32(RECEIVE_BYTES))
        .send_window(SEND_BYTES)
        .datagram_receive_buffer_size(Some(RECEIVE_BYTES as usize))
        .datagram_send_buffer_size(RECEIVE_BYTES as usize)
        .max_idle_timeout(SILENCE.try_into().ok())
        .keep_alive_interval(Some(KEEP_ALIVE));
    transport
}

/// A session whose client has opened its stream.
pub struct Opened {
    /// The session.
    pub session: Session,
    /// To the client.
    pub send: SendStream,
    /// From it.
    pub receive: RecvStream,
    /// What of it was not used yet.
    pub reader: Reader,
    /// Of the port.
    pub pump: Arc<Pump>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({})", self.session.remote_address())
    }
}

/// From a first packet to the game's stream; `None` if the client went away or wants something else.
pub async fn shake_hands(incoming: Incoming, pump: Arc<Pump>) -> Option<Opened> {
    let connection = incoming.await.ok()?;
    let request = web_transport_quinn::Request::accept(connection).await.ok()?;
    if request.url.path() != "/play" {
        let _ = request.reject(StatusCode::NOT_FOUND).await;
        return None;
    }
    let session = request.respond(proto::ConnectResponse::OK).await.ok()?;
    let (send, receive) = session.accept_bi().await.ok()?;
    Some(Opened { session, send, receive, reader: Reader::default(), pump })
}

impl Opened {
    /// The first frame; `None` if the client went away.
    ///
    /// # Errors
    /// If it is no frame.
    pub async fn first_frame(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        loop {
            if let Some(frame) = self.reader.next()? {
                return Ok(Some(frame));
            }
            match self.receive.read_chunk(4_096, true).await {
                Ok(Some(chunk)) => self.reader.push(&chunk.bytes),
                Ok(None) | Err(_) => return Ok(None),
            }
        }
    }

    /// Tells the reason and closes.
    pub async fn refuse(mut self, frame: &[u8], code: u16) {
        last_words(&self.session, &mut self.send, frame, code).await;
        self.session.close(code.into(), b"");
    }
}
