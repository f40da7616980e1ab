//! The game port: one listener for players (`/play`, a WebSocket), for the lines of neighbours (`/peer`) and for the
//! manager's and the peers' requests (M10), and beside it, on UDP, players' WebTransport sessions. Accepting never waits for the tick;
//! a connection goes to the loop only with its first message read.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioIo, TokioTimer};
use pangea_world::frames::{ClientMessage, Entry, ServerMessage, close, read_client_frame};
use pangea_world::messages::PeerHello;
use pangea_world::{Code, GAME_PROTOCOL_VERSION, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::dial::first_frame;
use super::http::Asker;
use super::line::Line;
use super::peer_frame;
use super::pending::{Pending, Place};
use super::quic::{self, Opened, Quic};
use super::session::Session;
use super::socket::Socket;
use super::websocket::{self, Frame, Reader};
use crate::address::{Connections, Held};
use crate::config::Limits;
use crate::net::{TcpListener, TcpStream};

/// Time from the connection to the end of its request, and from the upgrade to its first message.
const PATIENCE: Duration = Duration::from_secs(10);

/// Beyond so many that have not shown a ticket, whoever comes over UDP proves its address first.
const UNPROVEN_MAX: usize = 32;

/// Most connections at once that are only told that their address has too many.
const REFUSALS_MAX: usize = 32;

/// What a peer line upgrades to.
const PEER_UPGRADE: &str = "pangea-peer";

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
    io: TokioIo<Upgraded>,
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
    WebSocket { io: TokioIo<Upgraded>, reader: Reader },
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
}

impl Gate {
    /// A gate that hands on who knocks; at most `limits.pending_sockets` wait here.
    pub fn new(
        tls: Option<TlsAcceptor>,
        knocks: mpsc::Sender<Knock>,
        peer_knocks: mpsc::Sender<PeerKnock>,
        asker: Asker,
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
            let _ = stream.set_nodelay(true);
            let gate = self.clone();
            crate::task::spawn(async move {
                let lost = place.lost();
                tokio::select! {
                    () = gate.serve(stream, Arrival { place, held }) => {}
                    () = lost.notified() => tracing::debug!("too many sockets without a ticket; the oldest is dropped"),
                }
            });
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
            let (place, knocks, pump) = (self.pending.take(), self.knocks.clone(), quic.pump.clone());
            crate::task::spawn(async move {
                let lost = place.lost();
                let opened = tokio::select! {
                    opened = tokio::time::timeout(PATIENCE, quic::shake_hands(incoming, pump)) => opened,
                    () = lost.notified() => return,
                };
                if let Ok(Some(opened)) = opened {
                    hear(Connection { way: Way::WebTransport(Box::new(opened)), place, held }, knocks).await;
                }
            });
        }
    }

    async fn serve(self, stream: TcpStream, arrival: Arrival) {
        match self.tls.clone() {
            None => self.serve_http(TokioIo::new(stream), arrival).await,
            Some(tls) => {
                if let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
                    self.serve_http(TokioIo::new(stream), arrival).await;
                }
            }
        }
    }

    async fn serve_http<I>(self, io: I, arrival: Arrival)
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let welcome = arrival.held.is_ok();
        let arrival = Arc::new(std::sync::Mutex::new(Some(arrival)));
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let (gate, arrival) = (self.clone(), arrival.clone());
            async move { Ok::<_, std::convert::Infallible>(gate.answer(request, &arrival).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(16 << 10)
            .keep_alive(welcome)
            .serve_connection(io, service)
            .with_upgrades();
        // Whatever a client does wrong here concerns itself alone.
        let _ = tokio::time::timeout(2 * PATIENCE, connection).await;
    }

    async fn answer(
        &self,
        mut request: Request<Incoming>,
        arrival: &std::sync::Mutex<Option<Arrival>>,
    ) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if path != "/play" && path != "/peer" {
            let refusal =
                arrival.lock().ok().and_then(|arrival| arrival.as_ref()?.held.as_ref().err().cloned());
            return match refusal {
                Some(refusal) => super::http::refused(&refusal),
                None => self.asker.answer(request).await,
            };
        }
        let of_peer = path == "/peer";
        let (method, headers) = (request.method(), request.headers());
        let accept = if of_peer { peer_upgrade(method, headers) } else { upgrade_key(method, headers) };
        let accept = match accept {
            Ok(accept) => accept,
            Err(refusal) => return super::http::refused(&refusal),
        };
        let arrival = arrival.lock().ok().and_then(|mut arrival| arrival.take());
        let Some(Arrival { place, held }) = arrival else {
            return super::http::refused(&Refusal::new(Code::Protocol, "upgraded before"));
        };
        let upgrade = hyper::upgrade::on(&mut request);
        let (knocks, peer_knocks) = (self.knocks.clone(), self.peer_knocks.clone());
        crate::task::spawn(async move {
            let Ok(upgraded) = upgrade.await else { return };
            let (io, reader) = (TokioIo::new(upgraded), Reader::default());
            match held {
                Ok(_held) if of_peer => hear_peer(io, place, peer_knocks).await,
                Err(refusal) if of_peer => PeerConnection { io, rest: Vec::new() }.refuse(refusal).await,
                Ok(held) => {
                    hear(Connection { way: Way::WebSocket { io, reader }, place, held }, knocks).await
                }
                Err(refusal) => refuse(io, refusal, close::REFUSED).await,
            }
        });
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, header::HeaderValue::from_static("Upgrade"));
        let to = if of_peer { PEER_UPGRADE } else { "websocket" };
        headers.insert(header::UPGRADE, header::HeaderValue::from_static(to));
        if let Some(accept) = accept.and_then(|accept| accept.try_into().ok()) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        response
    }
}

/// Checks a handshake (RFC 6455 §4.2.1) and gives the value of `Sec-WebSocket-Accept`.
fn upgrade_key(method: &Method, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let no = |text: &str| Refusal::err(Code::BadRequest, text);
    if !upgrades_to("websocket", method, headers) {
        return no("/play is a WebSocket: connect with an upgrade");
    }
    if !has(headers, header::SEC_WEBSOCKET_VERSION, "13") {
        return no("only version 13 of WebSocket is spoken here");
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
    match key.and_then(websocket::accept_key) {
        Some(accept) => Ok(Some(accept)),
        None => no("the handshake has no proper Sec-WebSocket-Key"),
    }
}

fn peer_upgrade(method: &Method, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    if upgrades_to(PEER_UPGRADE, method, headers) {
        return Ok(None);
    }
    Refusal::err(
        Code::BadRequest,
        format!("/peer is for area servers: connect with an upgrade to {PEER_UPGRADE}"),
    )
}

fn upgrades_to(to: &str, method: &Method, headers: &HeaderMap) -> bool {
    method == Method::GET && has(headers, header::CONNECTION, "upgrade") && has(headers, header::UPGRADE, to)
}

fn has(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(wanted))
}

/// Hears a peer's hello and hands it on.
async fn hear_peer(mut io: TokioIo<Upgraded>, place: Place, knocks: mpsc::Sender<PeerKnock>) {
    let lost = place.lost();
    let said = tokio::select! {
        said = tokio::time::timeout(PATIENCE, first_frame(&mut io, Vec::new())) => said,
        () = lost.notified() => return,
    };
    let no = |text: &str| Refusal::new(Code::Protocol, text);
    let (refusal, rest) = match said {
        Ok(Ok(Some((peer_frame::Frame::Hello(hello), rest)))) => {
            let line = PeerConnection { io, rest };
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
    PeerConnection { io, rest }.refuse(refusal).await;
}

impl PeerConnection {
    /// Tells the reason and closes.
    pub async fn refuse(self, refusal: Refusal) {
        say_last(self.io, &peer_frame::Frame::Refused(refusal).to_bytes()).await;
    }

    /// For the loop: the socket, and the bytes that were read already. It counts no more among its address's
    /// connections: all servers of a machine have one.
    pub fn into_parts(self) -> std::io::Result<(Socket, Vec<u8>)> {
        socket_of(self.io, self.rest, Held::default())
    }
}

/// Hears the first message and hands the client on.
async fn hear(mut guest: Connection, knocks: mpsc::Sender<Knock>) {
    let lost = guest.place.lost();
    let said = tokio::select! {
        said = tokio::time::timeout(PATIENCE, guest.hello()) => said,
        () = lost.notified() => return,
    };
    let (schema, entry) = match said {
        Ok(Ok(Some(hello))) => hello,
        Ok(Ok(None)) => return,
        Ok(Err(refusal)) => return guest.refuse(refusal, close::PROTOCOL).await,
        Err(_) => {
            let refusal = Refusal::new(Code::Protocol, "the first message did not come in time");
            return guest.refuse(refusal, close::PROTOCOL).await;
        }
    };
    if let Err(mpsc::error::TrySendError::Full(knock)) = knocks.try_send(Knock { entry, schema, guest }) {
        let refusal = Refusal::new(Code::TooManyRequests, "too many come in at once; try again");
        knock.guest.refuse(refusal, close::REFUSED).await;
    }
}

impl Connection {
    /// The first message's schema and entry; `None` if the client went away.
    async fn hello(&mut self) -> Result<Option<(u64, Entry)>, Refusal> {
        let message = match &mut self.way {
            Way::WebSocket { io, reader } => first_message(io, reader).await?,
            Way::WebTransport(opened) => opened.first_frame().await?,
        };
        message.as_deref().map(hello_of).transpose()
    }

    /// Tells the reason and closes.
    pub async fn refuse(self, refusal: Refusal, code: u16) {
        match self.way {
            Way::WebSocket { io, .. } => refuse(io, refusal, code).await,
            Way::WebTransport(opened) => {
                opened.refuse(&ServerMessage::Refused(refusal).to_frame(), code).await;
            }
        }
    }

    /// For the loop: the line, and the bytes that were read already.
    pub fn into_parts(self) -> std::io::Result<(Line, Vec<u8>)> {
        let held = self.held;
        match self.way {
            Way::WebSocket { io, reader } => {
                socket_of(io, reader.into_rest(), held).map(|(socket, rest)| (Line::WebSocket(socket), rest))
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
async fn first_message(io: &mut TokioIo<Upgraded>, reader: &mut Reader) -> Result<Option<Vec<u8>>, Refusal> {
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

/// The socket of an upgraded connection, and the bytes that were read already.
fn socket_of(io: TokioIo<Upgraded>, mut rest: Vec<u8>, held: Held) -> std::io::Result<(Socket, Vec<u8>)> {
    let upgraded = match io.into_inner().downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            rest.extend_from_slice(&parts.read_buf);
            return Ok((Socket::new(parts.io.into_inner().into_std()?, None, held), rest));
        }
        Err(upgraded) => upgraded,
    };
    let parts = upgraded
        .downcast::<TokioIo<TlsStream<TcpStream>>>()
        .map_err(|_| std::io::Error::other("an upgraded connection of an unknown kind"))?;
    rest.extend_from_slice(&parts.read_buf);
    let (stream, mut tls) = parts.io.into_inner().into_inner();
    // What TLS has decrypted and nobody has read; it would never be announced by the socket again.
    let _ = std::io::Read::read_to_end(&mut tls.reader(), &mut rest);
    Ok((Socket::new(stream.into_std()?, Some(Box::new(tls.into())), held), rest))
}

/// Tells the reason and closes.
async fn refuse(io: TokioIo<Upgraded>, refusal: Refusal, code: u16) {
    let mut out = BytesMut::new();
    websocket::put_binary(&mut out, &ServerMessage::Refused(refusal).to_frame());
    websocket::put_close(&mut out, code);
    say_last(io, &out).await;
}

/// Sends this and closes.
async fn say_last(mut io: TokioIo<Upgraded>, out: &[u8]) {
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
        (Some(ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, schema, entry }), true) => {
            Ok((schema, entry))
        }
        (Some(ClientMessage::Hello { version, .. }), true) => Refusal::err(
            Code::VersionMismatch,
            format!(
                "this server speaks version {GAME_PROTOCOL_VERSION} of the protocol, the client {version}"
            ),
        ),
        _ => Refusal::err(Code::Protocol, "the first message is a hello, alone"),
    }
}
