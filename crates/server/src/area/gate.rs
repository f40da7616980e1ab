//! The game port: one listener for players (`/play`, a WebSocket), for the lines of neighbours (`/peer`) and for the
//! manager's and the peers' requests (M10), and beside it, on UDP, players' WebTransport sessions. Accepting never waits for the tick;
//! a connection goes to the loop only with its first message read.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use pangea_world::frames::{ClientMessage, Entry, ServerMessage, close, read_client_frame};
use pangea_world::messages::PeerHello;
use pangea_world::{Code, GAME_PROTOCOL_VERSION, OLDEST_GAME_PROTOCOL_VERSION, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::dial::first_frame;
use super::http::Asker;
use super::line::Line;
use super::mailbox::Gauges;
use super::opening::{self, MOST_HEAD, Opening};
use super::peer_frame;
use super::pending::{Pending, Place};
use super::quic::{self, Opened, Quic};
use super::session::Session;
use super::socket::Socket;
use super::websocket::{self, Frame, Reader};
use super::wire::Wire;
use crate::address::{Connections, Held};
use crate::config::Limits;
use crate::net::{TcpListener, TcpStream};

/// Time from the connection to the end of its request, and from the upgrade to its first message.
const PATIENCE: Duration = Duration::from_secs(10);

/// Beyond so many that have not shown a ticket, whoever comes over UDP proves its address first.
const UNPROVEN_MAX: usize = 32;

/// Most connections at once that are only told that their address has too many.
const REFUSALS_MAX: usize = 32;

/// How long a refused client may take to read the reason.
const LINGER: Duration = Duration::from_secs(2);

/// A client that has said how it may enter.
#[derive(Debug)]
pub struct Knock {
    /// Its ticket or token.
    pub entry: Entry,
    /// Hash of the schema that the client has.
    pub schema: u64,
    /// Its connection.
    pub guest: Connection,
}

/// A server that says which neighbour it is.
#[derive(Debug)]
pub struct PeerKnock {
    /// What it says.
    pub hello: PeerHello,
    /// Its connection.
    pub line: PeerConnection,
}

/// A peer's connection off the loop.
#[derive(Debug)]
pub struct PeerConnection {
    wire: Wire,
    rest: Vec<u8>,
}

/// A connection off the loop.
#[derive(Debug)]
pub struct Connection {
    way: Way,
    place: Place,
    held: Held,
}

#[derive(Debug)]
enum Way {
    WebSocket { wire: Wire, reader: Reader },
    WebTransport(Box<Opened>),
}

/// A new connection: its place here, and whether its address may have it.
struct Arrival {
    place: Place,
    held: Result<Held, Refusal>,
}

/// The open port.
#[derive(Clone)]
pub struct Gate {
    tls: Option<TlsAcceptor>,
    knocks: mpsc::Sender<Knock>,
    peer_knocks: mpsc::Sender<PeerKnock>,
    asker: Asker,
    pending: Pending,
    /// Those that are only told that their address has too many.
    refused: Pending,
    connections: Connections,
    gauges: Arc<Gauges>,
}

impl Gate {
    /// A gate that hands on who knocks; at most `limits.pending_sockets` wait here.
    pub fn new(
        tls: Option<TlsAcceptor>,
        knocks: mpsc::Sender<Knock>,
        peer_knocks: mpsc::Sender<PeerKnock>,
        asker: Asker,
        gauges: Arc<Gauges>,
        limits: &Limits,
    ) -> Self {
        Self {
            tls,
            knocks,
            peer_knocks,
            asker,
            pending: Pending::new(limits.pending_sockets),
            refused: Pending::new(REFUSALS_MAX),
            connections: Connections::new(limits),
            gauges,
        }
    }

    /// Accepts until it is dropped.
    pub async fn run(self, listener: TcpListener) {
        loop {
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, or the client is gone already: others may still come.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let held = self.connections.take(address.ip());
            let place = if held.is_ok() { self.pending.take() } else { self.refused.take() };
            let gate = self.clone();
            crate::task::spawn(gate.greet(stream, Arrival { place, held }));
        }
    }

    /// Accepts WebTransport sessions until it is dropped. One whose address has too many connections is turned
    /// away without a word: it comes again as a WebSocket and is told so there.
    pub async fn run_quic(self, mut quic: Quic) {
        let pump = quic.pump.clone();
        crate::task::spawn(async move { pump.run().await });
        while let Some(incoming) = quic.next().await {
            if !incoming.remote_address_validated() && self.pending.count() >= UNPROVEN_MAX {
                let _ = incoming.retry();
                continue;
            }
            let Ok(held) = self.connections.take(incoming.remote_address().ip()) else {
                incoming.refuse();
                continue;
            };
            let (place, gate, pump) = (self.pending.take(), self.clone(), quic.pump.clone());
            crate::task::spawn(async move {
                let lost = place.lost();
                let opened = tokio::select! {
                    opened = tokio::time::timeout(PATIENCE, quic::shake_hands(incoming, pump)) => opened,
                    () = lost.notified() => return,
                };
                if let Ok(Some(opened)) = opened {
                    gate.hear(Connection { way: Way::WebTransport(Box::new(opened)), place, held }).await;
                }
            });
        }
    }

    /// Hears how a connection begins and hands it on.
    async fn greet(self, stream: TcpStream, arrival: Arrival) {
        let _ = stream.set_nodelay(true);
        let lost = arrival.place.lost();
        let opened = tokio::select! {
            opened = tokio::time::timeout(PATIENCE, self.open(stream)) => opened,
            () = lost.notified() => return too_many(),
        };
        let Ok(Ok((wire, opening, rest))) = opened else { return };
        let Arrival { place, held } = arrival;
        match (opening, held) {
            (Opening::Http(refusal), held) => {
                let refusal = held.as_ref().err().or(refusal.as_ref()).cloned();
                tokio::select! {
                    () = self.serve_http(wire, rest, refusal) => {}
                    () = lost.notified() => too_many(),
                }
            }
            (Opening::Player, Ok(held)) => {
                let mut reader = Reader::default();
                reader.push(&rest);
                self.hear(Connection { way: Way::WebSocket { wire, reader }, place, held }).await;
            }
            (Opening::Peer, Ok(_held)) => hear_peer(wire, rest.into(), place, self.peer_knocks).await,
            (Opening::Player, Err(refusal)) => {
                self.gauges.refusals.count(refusal.code);
                refuse(wire, refusal, close::REFUSED).await;
            }
            (Opening::Peer, Err(refusal)) => PeerConnection { wire, rest: Vec::new() }.refuse(refusal).await,
        }
    }

    /// Hears the first message and hands the client on.
    async fn hear(self, mut guest: Connection) {
        let lost = guest.place.lost();
        let said = tokio::select! {
            said = tokio::time::timeout(PATIENCE, guest.hello()) => said,
            () = lost.notified() => return,
        };
        let said =
            said.unwrap_or_else(|_| Refusal::err(Code::Protocol, "the first message did not come in time"));
        let (schema, entry) = match said {
            Ok(Some(hello)) => hello,
            Ok(None) => return,
            Err(refusal) => return self.refuse(guest, refusal, close::PROTOCOL).await,
        };
        let knock = self.knocks.try_send(Knock { entry, schema, guest });
        if let Err(mpsc::error::TrySendError::Full(knock)) = knock {
            let refusal = Refusal::new(Code::TooManyRequests, "too many come in at once; try again");
            self.refuse(knock.guest, refusal, close::REFUSED).await;
        }
    }

    async fn refuse(&self, guest: Connection, refusal: Refusal, code: u16) {
        self.gauges.refusals.count(refusal.code);
        guest.refuse(refusal, code).await;
    }

    async fn open(&self, stream: TcpStream) -> std::io::Result<(Wire, Opening, BytesMut)> {
        let mut wire = match &self.tls {
            None => Wire::Plain(stream),
            Some(tls) => Wire::Tls(Box::new(tls.accept(stream).await?)),
        };
        let (opening, rest) = opening::open(&mut wire).await?;
        Ok((wire, opening, rest))
    }

    /// Answers requests, of which this was read already; with a refusal one, and the connection ends.
    async fn serve_http(self, wire: Wire, read: BytesMut, refusal: Option<Refusal>) {
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let (asker, refusal) = (self.asker.clone(), refusal.clone());
            async move { Ok::<_, std::convert::Infallible>(answer(&asker, request, refusal).await) }
        });
        let (rest, out) = tokio::io::split(wire);
        let io = tokio::io::join(std::io::Cursor::new(read).chain(rest), out);
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(MOST_HEAD)
            // Only a connection's first request can upgrade.
            .keep_alive(false)
            .serve_connection(TokioIo::new(io), service);
        // Whatever a client does wrong here concerns itself alone.
        let _ = tokio::time::timeout(2 * PATIENCE, connection).await;
    }
}

async fn answer(
    asker: &Asker,
    request: Request<Incoming>,
    refusal: Option<Refusal>,
) -> Response<Full<Bytes>> {
    match refusal {
        Some(refusal) => super::http::refused(&refusal),
        None => asker.answer(request).await,
    }
}

fn too_many() {
    tracing::debug!("too many sockets without a ticket; the oldest is dropped");
}

/// Hears a peer's hello and hands it on.
async fn hear_peer(mut wire: Wire, read: Vec<u8>, place: Place, knocks: mpsc::Sender<PeerKnock>) {
    let lost = place.lost();
    let said = tokio::select! {
        said = tokio::time::timeout(PATIENCE, first_frame(&mut wire, read)) => said,
        () = lost.notified() => return,
    };
    let no = |text: &str| Refusal::new(Code::Protocol, text);
    let (refusal, rest) = match said {
        Ok(Ok(Some((peer_frame::Frame::Hello(hello), rest)))) => {
            let line = PeerConnection { wire, rest };
            if let Err(mpsc::error::TrySendError::Full(knock)) = knocks.try_send(PeerKnock { hello, line }) {
                let refusal = Refusal::new(Code::TooManyRequests, "too many connect at once; try again");
                knock.line.refuse(refusal).await;
            }
            return;
        }
        Ok(Ok(Some(_))) => (no("the first frame is a hello"), Vec::new()),
        Ok(Ok(None)) => return,
        Ok(Err(refusal)) => (refusal, Vec::new()),
        Err(_) => (no("the first frame did not come in time"), Vec::new()),
    };
    PeerConnection { wire, rest }.refuse(refusal).await;
}

impl PeerConnection {
    /// Tells the reason and closes.
    pub async fn refuse(self, refusal: Refusal) {
        say_last(self.wire, &peer_frame::Frame::Refused(refusal).to_bytes()).await;
    }

    /// For the loop: the socket, and the bytes that were read already. It counts no more among its address's
    /// connections: all servers of a machine have one.
    pub fn into_parts(self) -> std::io::Result<(Socket, Vec<u8>)> {
        self.wire.into_socket(self.rest, Held::default())
    }
}

impl Connection {
    /// The first message's schema and entry; `None` if the client went away.
    async fn hello(&mut self) -> Result<Option<(u64, Entry)>, Refusal> {
        let message = match &mut self.way {
            Way::WebSocket { wire, reader } => first_message(wire, reader).await?,
            Way::WebTransport(opened) => opened.first_frame().await?,
        };
        message.as_deref().map(hello_of).transpose()
    }

    /// Tells the reason and closes.
    pub async fn refuse(self, refusal: Refusal, code: u16) {
        match self.way {
            Way::WebSocket { wire, .. } => refuse(wire, refusal, code).await,
            Way::WebTransport(opened) => {
                opened.refuse(&ServerMessage::Refused(refusal).to_frame(), code).await;
            }
        }
    }

    /// For the loop: the line, and the bytes that were read already.
    pub fn into_parts(self) -> std::io::Result<(Line, Vec<u8>)> {
        let held = self.held;
        match self.way {
            Way::WebSocket { wire, reader } => {
                let (socket, rest) = wire.into_socket(reader.into_rest(), held)?;
                Ok((Line::WebSocket(socket), rest))
            }
            Way::WebTransport(opened) => {
                let Opened { session, send, receive, reader, pump } = *opened;
                let session = Session::begin(session, (send, receive), pump, held);
                Ok((Line::WebTransport(session), reader.into_rest()))
            }
        }
    }
}

/// The first message of a WebSocket; `None` if the client went away.
async fn first_message(io: &mut Wire, reader: &mut Reader) -> Result<Option<Vec<u8>>, Refusal> {
    let mut bytes = BytesMut::with_capacity(2_048);
    loop {
        match reader.next()? {
            Some(Frame::Message(message)) => return Ok(Some(message)),
            Some(Frame::Close(_)) => return Ok(None),
            Some(Frame::Ping(_) | Frame::Pong) => continue,
            None => {}
        }
        bytes.clear();
        match io.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => reader.push(&bytes),
        }
    }
}

/// Tells the reason and closes.
async fn refuse(wire: Wire, refusal: Refusal, code: u16) {
    let mut out = BytesMut::new();
    websocket::put_binary(&mut out, &ServerMessage::Refused(refusal).to_frame());
    websocket::put_close(&mut out, code);
    say_last(wire, &out).await;
}

/// Sends this and closes.
async fn say_last(mut io: Wire, out: &[u8]) {
    let told = async {
        io.write_all(out).await?;
        io.shutdown().await?;
        // Until the client closes: what it still sends must not reset what it has to read.
        let mut rest = [0; 1_024];
        while io.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    let _ = tokio::time::timeout(LINGER, told).await;
}

fn hello_of(message: &[u8]) -> Result<(u64, Entry), Refusal> {
    let mut messages = read_client_frame(message)?;
    match (messages.pop(), messages.is_empty()) {
        (
            Some(ClientMessage::Hello {
                version: OLDEST_GAME_PROTOCOL_VERSION..=GAME_PROTOCOL_VERSION,
                schema,
                entry,
            }),
            true,
        ) => Ok((schema, entry)),
        (Some(ClientMessage::Hello { version, .. }), true) => Refusal::err(
            Code::VersionMismatch,
            format!(
                "this server speaks versions {OLDEST_GAME_PROTOCOL_VERSION} to {GAME_PROTOCOL_VERSION} of the \
                 protocol, the client {version}"
            ),
        ),
        _ => Refusal::err(Code::Protocol, "the first message is a hello, alone"),
    }
}
