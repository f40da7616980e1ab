//! The area server in one process: real sockets, a real loop, and a central that is played by hand.

mod life;
mod moved;
mod owner;
mod peers;
mod play;
mod record;
mod slow;
mod social;
mod talk;
mod webtransport;

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use pangea_engine::{Game, Land};
use pangea_world::character::CharacterDoc;
use pangea_world::frames::{
    ClientMessage, Entered, Entry, KnownList, ServerMessage, Update, Welcome, component, read_character,
    read_server_frame, tile,
};
use pangea_world::id::{AreaId, EnterId, ServerId, SessionId};
use pangea_world::messages::{
    Admit, AreaSaved, Body, CharacterAt, GoOnReply, Grant, Granted, Kick, Lease, Seal, TicketKey,
};
use pangea_world::role_key::RoleKey;
use pangea_world::ticket::{Claims, Credential, Signer};
use pangea_world::{Code, GAME_PROTOCOL_VERSION};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::admission::tests::{KEY, claims, doc};
use super::chat_link::ChatLinks;
use super::clock::Clock;
use super::control::End;
use super::mailbox::{Gauges, Tell};
use super::stream;
use super::websocket::tests::masked;
use crate::area_start::AreaStart;
use crate::clock;
use crate::config::{GameIo, Limits};
use crate::link::Event;
use crate::tls::Tls;

/// Nobody waits longer for anything that must come.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const ISLES: &str = r#"
kind = "maps"
capacity = 3
grace_s = 1
idle_stop_s = 0
[maps]
spawn = { map = "quay", x = 20.0, y = 20.0 }
[[map]]
id = "quay"
width_m = 64
height_m = 64
[[map.portal]]
x = 22
y = 18
width_m = 2
height_m = 4
to = "wood"
to_x = 5.0
to_y = 6.0
[[map]]
id = "wood"
width_m = 64
height_m = 64
"#;

pub(super) fn flat() -> Game {
    struct Flat;
    impl Land for Flat {
        fn tile(&self, x: i32, y: i32) -> u8 {
            if (0..64).contains(&x) && (0..64).contains(&y) { tile::GRASS } else { tile::VOID }
        }
    }
    Game {
        name: "flat",
        land: |_, _| Box::new(Flat),
        build: |area, _| {
            area.walking();
        },
    }
}

/// An area server and its central.
struct Scene {
    port: u16,
    central: mpsc::Sender<Event>,
    heard: mpsc::UnboundedReceiver<Body>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<anyhow::Result<End>>,
}

impl Scene {
    /// Granted under epoch 2 and ready.
    async fn ready() -> Scene {
        Self::with(ISLES, Vec::new()).await
    }

    async fn with(world_toml: &str, state: Vec<u8>) -> Scene {
        Self::idle().await.granted(world_toml, state).await
    }

    async fn granted(self, world_toml: &str, state: Vec<u8>) -> Scene {
        let mut scene = self;
        scene.say_event(Event::Up { resumed: false }).await;
        let register = scene.hear(|body| if let Body::Register(r) = body { Some(r) } else { None }).await;
        assert_eq!((register.port, register.incarnation, register.ready), (scene.port.into(), 0, false));
        scene.say(Body::Granted(granted(world_toml, state))).await;
        scene.hear(|body| matches!(body, Body::AreaReady(_)).then_some(())).await;
        scene
    }

    async fn idle() -> Scene {
        Self::idle_with(None, Limits { pending_sockets: 16, ..Limits::default() }).await
    }

    async fn idle_with(tls: Option<Tls>, limits: Limits) -> Scene {
        Self::idle_as(flat(), tls, limits).await
    }

    async fn idle_as(game: Game, tls: Option<Tls>, limits: Limits) -> Scene {
        Self::idle_over(GameIo::Auto, game, tls, limits).await
    }

    async fn idle_over(io: GameIo, game: Game, tls: Option<Tls>, limits: Limits) -> Scene {
        Self::idle_of(7, io, game, tls, limits).await
    }

    async fn idle_server(id: u8, game: Game, tls: Option<Tls>, limits: Limits) -> Scene {
        Self::idle_of(id, GameIo::Auto, game, tls, limits).await
    }

    async fn idle_of(id: u8, io: GameIo, game: Game, tls: Option<Tls>, limits: Limits) -> Scene {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (central, mut events) = mpsc::channel(64);
        let (told, heard) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(async move {
            let start = AreaStart {
                server: ServerId([id; 16]),
                spawner: "local".into(),
                key: String::new(),
                central: String::new(),
                bind: Ipv4Addr::LOCALHOST.into(),
                advertise: "127.0.0.1".into(),
                central_pin: None,
                limits,
                tls: None,
                webtransport: true,
                io,
            };
            let tell: Tell = Arc::new(move |body| {
                let _ = told.send(body);
                Ok(())
            });
            let chat = ChatLinks::new("area".into(), "local".into());
            let stop = async {
                let _ = stopped.await;
            };
            super::serve(
                game,
                &start,
                AreaId([3; 16]),
                listener,
                tls,
                Clock::start(),
                Arc::new(Gauges::default()),
                tell,
                chat,
                &mut events,
                stop,
            )
            .await
        });
        Scene { port, central, heard, stop: Some(stop), server }
    }

    async fn say_event(&self, event: Event) {
        self.central.send(event).await.expect("the area server listens");
    }

    async fn say(&self, body: Body) {
        self.say_event(Event::Message(body)).await;
    }

    /// The next message that fits; others are passed over.
    async fn hear<T>(&mut self, mut fits: impl FnMut(Body) -> Option<T>) -> T {
        tokio::time::timeout(PATIENCE, async {
            loop {
                let body = self.heard.recv().await.expect("the area server speaks");
                if let Some(found) = fits(body) {
                    return found;
                }
            }
        })
        .await
        .expect("heard in time")
    }

    async fn hear_left(&mut self) -> (u8, u64, f64, f64) {
        self.hear(
            |body| if let Body::Left(l) = body { Some((l.character[0], l.epoch, l.x, l.y)) } else { None },
        )
        .await
    }

    async fn admit(&mut self, doc: CharacterDoc, enter: u8, epoch: u64, granted: bool) -> Option<Code> {
        self.admit_as(doc, enter, epoch, granted, Vec::new()).await
    }

    /// The same, with what its last owner wrote of it.
    async fn admit_as(
        &mut self,
        doc: CharacterDoc,
        enter: u8,
        epoch: u64,
        granted: bool,
        record: Vec<u8>,
    ) -> Option<Code> {
        let session = SessionId(doc.id.0);
        self.say(Body::Admit(Admit {
            enter: vec![enter; 16],
            character: serde_json::to_vec(&doc).expect("a character"),
            session: session.to_vec(),
            epoch,
            granted,
            wait_ms: 30_000,
            belongings: Vec::new(),
            record,
            ticket_sha256: Vec::new(),
            beside: false,
            social: Vec::new(),
        }))
        .await;
        let admitted = self.hear(|body| if let Body::Admitted(a) = body { Some(a) } else { None }).await;
        assert_eq!(admitted.enter, vec![enter; 16]);
        admitted.refused.map(|refused| refused.code.parse().expect("a code"))
    }

    /// Admits and connects character `n`, granted under epoch 4.
    async fn enter(&mut self, n: u8, x: f64, y: f64) -> Player {
        assert_eq!(self.admit(at(n, x, y), n, 4, true).await, None);
        let mut player = Player::connect(self.port, &ticket(n)).await;
        assert!(player.welcome.as_ref().expect("welcome").steering);
        player.update().await;
        let arrived = self.hear(|body| if let Body::Arrived(a) = body { Some(a) } else { None }).await;
        assert_eq!((arrived.character, arrived.enter, arrived.epoch), (vec![n; 16], vec![n; 16], 4));
        player
    }

    /// What `/status` shows to central.
    async fn status(&self) -> serde_json::Value {
        let (exp, aud) = (clock::unix_s() + 60, ServerId([7; 16]).to_string());
        let central =
            Signer::from_seed(&KEY).sign_credential(&Credential { sub: "central".into(), aud, exp });
        self.get("GET /status", Some(&central)).await.1
    }

    /// What it counts as refused.
    async fn refusals(&self) -> serde_json::Value {
        self.status().await["refusals"].take()
    }

    async fn get(&self, request: &str, credential: Option<&str>) -> (u16, serde_json::Value) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.expect("connected");
        let (head, body) = request.split_once('\n').unwrap_or((request, ""));
        let bearer = credential.map(|text| format!("authorization: Bearer {text}\r\n")).unwrap_or_default();
        let text = format!(
            "{head} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{bearer}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(text.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).expect("JSON"))
    }

    async fn end(mut self) -> (End, Vec<Body>) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let end = tokio::time::timeout(PATIENCE, self.server)
            .await
            .expect("in time")
            .expect("no panic")
            .expect("no error");
        let mut said = Vec::new();
        while let Ok(body) = self.heard.try_recv() {
            said.push(body);
        }
        (end, said)
    }
}

fn granted(world_toml: &str, state: Vec<u8>) -> Granted {
    let key = Signer::from_seed(&KEY).public();
    Granted {
        area: vec![3; 16],
        incarnation: 3,
        epoch: 2,
        world: "isles".into(),
        world_toml: world_toml.into(),
        ground: "quay".into(),
        layer: 0,
        state,
        lease_ms: 60_000,
        keys: vec![TicketKey { kid: key.kid, bytes: key.bytes }],
        prompt: true,
        ..Granted::default()
    }
}

fn at(n: u8, x: f64, y: f64) -> CharacterDoc {
    let place = pangea_world::space::Place { world: "isles".into(), map: Some("quay".into()), x, y };
    CharacterDoc { place, ..doc(n) }
}

fn ticket(n: u8) -> Entry {
    ticket_of(claims(n, clock::unix_s()))
}

fn ticket_of(claims: Claims) -> Entry {
    Entry::Ticket(Signer::from_seed(&KEY).sign(&claims))
}

trait Wire: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Wire for T {}

/// A client by hand.
struct Player {
    stream: Box<dyn Wire>,
    bytes: BytesMut,
    /// Messages that were read and not asked for yet.
    messages: std::collections::VecDeque<ServerMessage>,
    known: KnownList,
    welcome: Option<Welcome>,
    closed: Option<u16>,
    /// Whether the stream is a WebTransport session's: frames with their length before them.
    session: Option<web_transport_quinn::Session>,
}

impl Player {
    async fn connect(port: u16, entry: &Entry) -> Player {
        Self::upgrade(port).await.hello(entry).await
    }

    async fn hello(mut self, entry: &Entry) -> Player {
        let player = &mut self;
        player
            .say(&ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, schema: 0, entry: entry.clone() })
            .await;
        if let Some(ServerMessage::Welcome(welcome)) = player.next().await {
            player.welcome = Some(*welcome);
        }
        self
    }

    async fn upgrade(port: u16) -> Player {
        Self::upgrade_over(Box::new(
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("connected"),
        ))
        .await
    }

    async fn upgrade_over(mut stream: Box<dyn Wire>) -> Player {
        let text = "GET /play HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(text.as_bytes()).await.expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a head"));
        }
        let head = String::from_utf8(head).expect("text");
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Player {
            stream,
            bytes: BytesMut::new(),
            messages: Default::default(),
            known: KnownList::default(),
            welcome: None,
            closed: None,
            session: None,
        }
    }

    async fn say(&mut self, message: &ClientMessage) {
        let frame = message.to_frame();
        if self.session.is_none() {
            return self.send(&masked(0x82, &frame)).await;
        }
        let mut out = BytesMut::new();
        stream::put_head(&mut out, frame.len());
        out.extend_from_slice(&frame);
        self.send(&out).await;
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("sent");
    }

    /// The next message, or `None` when the server has closed.
    async fn next(&mut self) -> Option<ServerMessage> {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(message) = self.messages.pop_front() {
                    return Some(message);
                }
                let read = match self.session {
                    None => self.read_frame().await,
                    Some(_) => self.read_of_stream().await,
                };
                if !read.unwrap_or(false) {
                    return None;
                }
            }
        })
        .await
        .expect("a message in time")
    }

    async fn read_frame(&mut self) -> io::Result<bool> {
        loop {
            if let [first, second, rest @ ..] = &self.bytes[..] {
                let (head, length) = match (second, rest) {
                    (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
                    (0..126, _) => (2, usize::from(*second)),
                    _ => (4, usize::MAX - 4),
                };
                if self.bytes.len() >= head + length {
                    let first = *first;
                    self.bytes.advance(head);
                    let payload = self.bytes.split_to(length);
                    match first {
                        0x82 => self.took(&payload),
                        0x88 => {
                            self.closed = Some(u16::from_be_bytes([payload[0], payload[1]]));
                            return Ok(false);
                        }
                        0x8A => {}
                        other => panic!("a frame of kind {other:#x}"),
                    }
                    return Ok(true);
                }
            }
            if self.stream.read_buf(&mut self.bytes).await? == 0 {
                return Ok(false);
            }
        }
    }

    async fn read_of_stream(&mut self) -> io::Result<bool> {
        loop {
            let length = match self.bytes[..] {
                [0, low, high, ..] => {
                    self.closed = Some(u16::from_le_bytes([low, high]));
                    return Ok(false);
                }
                [low @ 1..0x80, ..] => Some((1, usize::from(low))),
                [low, high @ ..0x80, ..] => Some((2, usize::from(low & 0x7f) | usize::from(high) << 7)),
                [a, b, c, ..] => {
                    Some((3, usize::from(a & 0x7f) | usize::from(b & 0x7f) << 7 | usize::from(c) << 14))
                }
                _ => None,
            };
            if let Some((head, length)) = length
                && self.bytes.len() >= head + length
            {
                self.bytes.advance(head);
                let payload = self.bytes.split_to(length);
                self.took(&payload);
                return Ok(true);
            }
            if self.stream.read_buf(&mut self.bytes).await? == 0 {
                return Ok(false);
            }
        }
    }

    fn took(&mut self, frame: &[u8]) {
        for mut message in read_server_frame(frame).expect("readable") {
            if let ServerMessage::Update(update) = &mut message {
                self.known.resolve(update).expect("it follows");
            }
            self.messages.push_back(message);
        }
    }

    async fn find<T>(&mut self, mut fits: impl FnMut(ServerMessage) -> Option<T>) -> T {
        while let Some(message) = self.next().await {
            if let Some(found) = fits(message) {
                return found;
            }
        }
        panic!("closed with {:?} before it came", self.closed)
    }

    async fn update(&mut self) -> Update {
        self.find(|message| if let ServerMessage::Update(update) = message { Some(update) } else { None })
            .await
    }

    async fn refused(&mut self) -> Code {
        self.find(
            |message| if let ServerMessage::Refused(refusal) = message { Some(refusal.code) } else { None },
        )
        .await
    }

    /// Reads until the server closes.
    async fn closed(&mut self) -> u16 {
        while self.next().await.is_some() {}
        self.closed.expect("a close with a code")
    }

    fn me(&self) -> u16 {
        self.welcome.as_ref().expect("welcome").me
    }
}

/// The name above an entity.
fn name_of(entered: &Entered) -> String {
    let told = entered.components.iter().find(|told| told.number == component::CHARACTER);
    let fields = told.and_then(|told| told.fields.clone()).expect("a character");
    read_character(&fields).expect("readable").0.expect("a name")
}
