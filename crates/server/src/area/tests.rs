//! The area server in one process: real sockets, a real loop, and a central that is played by hand.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use pangea_engine::{Game, Land};
use pangea_world::character::CharacterDoc;
use pangea_world::frames::{ClientMessage, Entry, ServerMessage, Update, Welcome, read_server_frame, tile};
use pangea_world::id::{AreaId, EnterId, ServerId, SessionId};
use pangea_world::messages::{
    Admit, Body, CharacterAt, GoOnReply, Granted, Kick, Lease, Seal, TicketKey,
};
use pangea_world::role_key::RoleKey;
use pangea_world::ticket::{Claims, Credential, Signer};
use pangea_world::{Code, GAME_PROTOCOL_VERSION};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::admission::tests::{KEY, claims, doc};
use super::chat_link::ChatLink;
use super::clock::Clock;
use super::control::End;
use super::mailbox::{Gauges, Tell};
use super::websocket::tests::masked;
use crate::area_start::AreaStart;
use crate::clock;
use crate::link::Event;

/// Nobody waits longer for anything that must come.
const PATIENCE: Duration = Duration::from_secs(20);

const ISLES: &str = r#"
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

fn flat() -> Game {
    struct Flat;
    impl Land for Flat {
        fn tile(&self, x: i32, y: i32) -> u8 {
            if (0..64).contains(&x) && (0..64).contains(&y) { tile::GRASS } else { tile::VOID }
        }
    }
    Game { name: "flat", land: |_, _| Box::new(Flat) }
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
        let mut scene = Self::idle().await;
        scene.say_event(Event::Up { resumed: false }).await;
        let register = scene.hear(|body| if let Body::Register(r) = body { Some(r) } else { None }).await;
        assert_eq!((register.port, register.incarnation, register.ready), (scene.port.into(), 0, false));
        scene.say(Body::Granted(granted(world_toml, state))).await;
        scene.hear(|body| matches!(body, Body::AreaReady(_)).then_some(())).await;
        scene
    }

    async fn idle() -> Scene {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (central, mut events) = mpsc::channel(64);
        let (told, heard) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(async move {
            let start = AreaStart {
                server: ServerId([7; 16]),
                spawner: "local".into(),
                key: String::new(),
                central: String::new(),
                bind: Ipv4Addr::LOCALHOST.into(),
                advertise: "127.0.0.1".into(),
                central_pin: None,
                messages_per_second: 100,
                pending_sockets: 16,
            };
            let tell: Tell = Arc::new(move |body| {
                let _ = told.send(body);
                Ok(())
            });
            let chat = ChatLink::new("area".into(), "local".into(), RoleKey::new([1; 32]));
            let stop = async {
                let _ = stopped.await;
            };
            super::serve(
                flat(), &start, AreaId([3; 16]), listener, Clock::start(), Arc::new(Gauges::default()), tell, chat, &mut events, stop,
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
        self.hear(|body| if let Body::Left(l) = body { Some((l.character[0], l.epoch, l.x, l.y)) } else { None }).await
    }

    async fn admit(&mut self, doc: CharacterDoc, enter: u8, epoch: u64, granted: bool) -> Option<Code> {
        let session = SessionId(doc.id.0);
        self.say(Body::Admit(Admit {
            enter: vec![enter; 16],
            character: serde_json::to_vec(&doc).expect("a character"),
            session: session.to_vec(),
            epoch,
            granted,
            wait_ms: 30_000,
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

    async fn get(&self, request: &str, credential: Option<&str>) -> (u16, serde_json::Value) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.expect("connected");
        let (head, body) = request.split_once('\n').unwrap_or((request, ""));
        let bearer = credential.map(|text| format!("authorization: Bearer {text}\r\n")).unwrap_or_default();
        let text = format!("{head} HTTP/1.1\r\nhost: a\r\n{bearer}content-length: {}\r\n\r\n{body}", body.len());
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
        let end = tokio::time::timeout(PATIENCE, self.server).await.expect("in time").expect("no panic").expect("no error");
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

/// A client by hand.
struct Player {
    stream: TcpStream,
    bytes: BytesMut,
    /// Messages that were read and not asked for yet.
    messages: std::collections::VecDeque<ServerMessage>,
    welcome: Option<Welcome>,
    closed: Option<u16>,
}

impl Player {
    async fn connect(port: u16, entry: &Entry) -> Player {
        let mut player = Self::upgrade(port).await;
        player.say(&ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, entry: entry.clone() }).await;
        if let Some(ServerMessage::Welcome(welcome)) = player.next().await {
            player.welcome = Some(*welcome);
        }
        player
    }

    async fn upgrade(port: u16) -> Player {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("connected");
        let text = "GET /play HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(text.as_bytes()).await.expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a head"));
        }
        let head = String::from_utf8(head).expect("text");
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Player { stream, bytes: BytesMut::new(), messages: Default::default(), welcome: None, closed: None }
    }

    async fn say(&mut self, message: &ClientMessage) {
        self.send(&masked(0x82, &message.to_frame())).await;
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
                if !self.read_frame().await.unwrap_or(false) {
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
                        0x82 => self.messages.extend(read_server_frame(&payload).expect("readable")),
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

    async fn find<T>(&mut self, mut fits: impl FnMut(ServerMessage) -> Option<T>) -> T {
        while let Some(message) = self.next().await {
            if let Some(found) = fits(message) {
                return found;
            }
        }
        panic!("closed with {:?} before it came", self.closed)
    }

    async fn update(&mut self) -> Update {
        self.find(|message| if let ServerMessage::Update(update) = message { Some(update) } else { None }).await
    }

    async fn refused(&mut self) -> Code {
        self.find(|message| if let ServerMessage::Refused(refusal) = message { Some(refusal.code) } else { None }).await
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

#[tokio::test]
async fn a_character_enters_walks_is_seen_and_leaves_where_it_stands() {
    let mut scene = Scene::ready().await;
    let mut ada = scene.enter(1, 10.0, 10.0).await;
    let mut bob = scene.enter(2, 12.0, 10.0).await;
    let (a, b) = (ada.me(), bob.me());
    let entered = ada.find(|message| match message {
        ServerMessage::Update(update) => update.entered.into_iter().find(|entered| entered.id == b),
        _ => None,
    });
    let entered = entered.await;
    assert_eq!((entered.name.as_str(), entered.x, entered.y), ("Ada2", 1_200, 1_000));
    for seq in 1..=4 {
        ada.say(&ClientMessage::Move { seq, dx: 0.0, dy: 1.0 }).await;
    }
    let mut way = 0;
    while way < 100 {
        way += bob.update().await.moved.iter().filter(|(id, ..)| *id == a).map(|(_, _, dy)| i32::from(*dy)).sum::<i32>();
    }
    assert_eq!(way, 100, "four steps of 25 cm");
    ada.say(&ClientMessage::Leave).await;
    assert_eq!(ada.closed().await, 1000);
    assert_eq!(scene.hear_left().await, (1, 4, 10.0, 11.0));
    let left = bob.find(|message| match message {
        ServerMessage::Update(update) => update.left.contains(&a).then_some(()),
        _ => None,
    });
    left.await;
    let (end, said) = scene.end().await;
    assert_eq!(end, End::Asked);
    assert_eq!(bob.refused().await, Code::Stopping);
    assert_eq!(bob.closed().await, 4003);
    let words: Vec<u8> = said.iter().filter_map(|body| match body {
        Body::Left(left) => Some(left.character[0]),
        Body::SaveArea(save) => Some(100 + save.epoch as u8),
        Body::Stopped(stopped) => Some(200 + stopped.epoch as u8),
        _ => None,
    }).collect();
    assert_eq!(words, [2, 102, 202], "all leave, then the state is saved, then the area is given back");
}

#[tokio::test]
async fn wrong_tickets_and_first_messages_are_refused_with_their_code() {
    let mut scene = Scene::ready().await;
    assert_eq!(scene.admit(at(1, 9.0, 9.0), 1, 4, true).await, None);
    let now = clock::unix_s();
    for (entry, code) in [
        (ticket(2), Code::NotAnnounced),
        (ticket_of(Claims { aud: "x/3".into(), ..claims(1, now) }), Code::TicketForeign),
        (ticket_of(Claims { exp: now - 10, iat: now - 40, ..claims(1, now) }), Code::TicketExpired),
        (Entry::Ticket("a.b.c".into()), Code::TicketInvalid),
        (Entry::Resume([0; 16]), Code::ResumeInvalid),
    ] {
        let mut player = Player::upgrade(scene.port).await;
        player.say(&ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, entry }).await;
        assert_eq!(player.refused().await, code);
        assert_eq!(player.closed().await, 4000);
    }
    let hello = |version| ClientMessage::Hello { version, entry: ticket(1) }.to_frame();
    for (bytes, code) in [
        (masked(0x82, &hello(9)), Code::VersionMismatch),
        (masked(0x82, &ClientMessage::Leave.to_frame()), Code::Protocol),
        (masked(0x82, &[]), Code::Protocol),
        (masked(0x82, &[0x81, 0]), Code::Protocol),
        (masked(0x81, b"hello"), Code::Protocol),
        (masked(0x82, &[0; 5_000]), Code::TooLarge),
    ] {
        let mut player = Player::upgrade(scene.port).await;
        player.send(&bytes).await;
        assert_eq!(player.refused().await, code);
        assert_eq!(player.closed().await, 4004);
    }
    let good = Player::connect(scene.port, &ticket(1)).await;
    assert!(good.welcome.is_some(), "after all that the right one still enters");
    let mut again = Player::upgrade(scene.port).await;
    again.say(&ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, entry: ticket(1) }).await;
    assert_eq!(again.refused().await, Code::TicketUsed);
}

#[tokio::test]
async fn bad_inputs_are_refused_and_floods_are_cut() {
    let mut scene = Scene::ready().await;
    for (n, frame, code, ends) in [
        (1, ClientMessage::Move { seq: 1, dx: f32::NAN, dy: 0.0 }.to_frame(), Code::BadInput, false),
        (2, ClientMessage::Move { seq: 1, dx: 9.0, dy: 0.0 }.to_frame(), Code::TooFast, false),
        (1, ClientMessage::Tiles { cx: 99, cy: 0 }.to_frame(), Code::OutOfBounds, false),
        (2, bytes::Bytes::from_static(&[0x77, 0]), Code::Protocol, true),
        (1, ClientMessage::Hello { version: 1, entry: Entry::Resume([0; 16]) }.to_frame(), Code::Protocol, true),
    ] {
        let mut player = scene.enter(n, 10.0, 10.0).await;
        player.send(&masked(0x82, &frame)).await;
        assert_eq!(player.refused().await, code);
        if ends {
            assert_eq!(player.closed().await, 4004);
        } else {
            player.say(&ClientMessage::Ping { nonce: 5 }).await;
            player.find(|message| (message == ServerMessage::Pong { nonce: 5 }).then_some(())).await;
            player.say(&ClientMessage::Leave).await;
        }
        scene.hear_left().await;
        // Its tickets are used; another server has another list.
        scene = Scene::ready().await;
    }
    let mut player = scene.enter(3, 10.0, 10.0).await;
    let flood: Vec<u8> = (0..500).flat_map(|_| masked(0x89, b"")).collect();
    player.send(&flood).await;
    assert_eq!(player.refused().await, Code::TooManyRequests);
    assert_eq!(player.closed().await, 4004);
}

#[tokio::test]
async fn a_lost_connection_resumes_and_a_new_login_takes_over() {
    let mut scene = Scene::ready().await;
    let mut player = scene.enter(1, 10.0, 10.0).await;
    player.say(&ClientMessage::Move { seq: 1, dx: 1.0, dy: 0.0 }).await;
    while player.update().await.acked < 1 {}
    let token = player.welcome.as_ref().expect("welcome").resume;
    drop(player);
    let mut back = Player::connect(scene.port, &Entry::Resume(token)).await;
    let welcome = back.welcome.clone().expect("resumed");
    assert_eq!((welcome.acked, welcome.steering, welcome.resume == token), (1, true, false));
    let update = back.update().await;
    let me = update.entered.iter().find(|entered| entered.id == welcome.me).expect("itself");
    assert_eq!((me.x, update.whole), (1_025, true), "it stands where it stood");
    // A new login: announced anew, with a ticket of its own.
    assert_eq!(scene.admit(at(1, 50.0, 50.0), 8, 4, true).await, None);
    let new = ticket_of(Claims { jti: EnterId([8; 16]), ..claims(1, clock::unix_s()) });
    let other = Player::connect(scene.port, &new).await;
    assert_eq!(other.welcome.as_ref().map(|welcome| (welcome.me, welcome.acked)), Some((welcome.me, 0)));
    assert_eq!(back.closed().await, 4002);
    drop(other);
    assert_eq!(scene.hear_left().await, (1, 4, 10.25, 10.0), "after its grace time it is gone");
    let mut late = Player::upgrade(scene.port).await;
    late.say(&ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, entry: Entry::Resume(welcome.resume) }).await;
    assert_eq!(late.refused().await, Code::ResumeInvalid);
}

#[tokio::test]
async fn a_portal_and_the_handoff_from_its_source() {
    let mut scene = Scene::ready().await;
    let mut player = scene.enter(1, 21.5, 20.0).await;
    for seq in 1..=4 {
        player.say(&ClientMessage::Move { seq, dx: 1.0, dy: 0.0 }).await;
    }
    let wish = scene.hear(|body| if let Body::GoOn(wish) = body { Some(wish) } else { None }).await;
    assert_eq!((wish.map.as_str(), wish.at, wish.x, wish.y, wish.portal, wish.epoch), ("wood", true, 5.0, 6.0, true, 4));
    let reply = GoOnReply { request: wish.request, character: vec![1; 16], ..GoOnReply::default() };
    scene.say(Body::GoOnReply(GoOnReply { state: "spawning".into(), ..reply.clone() })).await;
    player.find(|message| matches!(message, ServerMessage::Progress { .. }).then_some(())).await;
    scene.say(Body::GoOnReply(GoOnReply { state: "ready".into(), url: "ws://b".into(), ticket: "t".into(), ..reply })).await;
    let follow = player.find(|message| matches!(message, ServerMessage::Follow { .. }).then_some(message)).await;
    assert_eq!(follow, ServerMessage::Follow { url: "ws://b".into(), ticket: "t".into(), plain: false, prompt: false });
    // Sealed under a lower epoch: nothing. Sealed under its own: frozen, and committed.
    let seal = |epoch| Body::Seal(Seal { character: vec![1; 16], transfer: vec![9; 16], epoch });
    scene.say(seal(3)).await;
    scene.say(seal(4)).await;
    let commit = scene.hear(|body| if let Body::Commit(commit) = body { Some(commit) } else { None }).await;
    assert_eq!((commit.epoch, commit.transfer), (4, vec![9; 16]));
    player.say(&ClientMessage::Move { seq: 9, dx: 1.0, dy: 0.0 }).await;
    player.say(&ClientMessage::Ping { nonce: 1 }).await;
    let mut acked = 0;
    player.find(|message| match message {
        ServerMessage::Update(update) => {
            acked = update.acked;
            None
        }
        ServerMessage::Pong { .. } => Some(()),
        _ => None,
    }).await;
    assert!(acked <= 4, "a frozen character does not move");
    let at = |epoch| CharacterAt { character: vec![1; 16], transfer: vec![9; 16], epoch };
    scene.say(Body::Aborted(at(5))).await;
    player.find(|message| (message == ServerMessage::Steer { epoch: 5 }).then_some(())).await;
    scene.say(seal(5)).await;
    scene.hear(|body| if let Body::Commit(commit) = body { Some(assert_eq!(commit.epoch, 5)) } else { None }).await;
    scene.say(Body::Committed(at(5))).await;
    player.find(|message| (message == ServerMessage::Switch { epoch: 6 }).then_some(())).await;
    assert_eq!(player.closed().await, 4001);
    let (_, said) = scene.end().await;
    assert!(!said.iter().any(|body| matches!(body, Body::Left(_))), "one that went over does not leave");
}

#[tokio::test]
async fn the_handoffs_target_shows_first_and_steers_when_granted() {
    let mut scene = Scene::ready().await;
    assert_eq!(scene.admit(at(1, 30.0, 30.0), 1, 4, false).await, None);
    let mut player = Player::connect(scene.port, &ticket(1)).await;
    let me = player.me();
    assert!(!player.welcome.as_ref().expect("welcome").steering);
    scene.hear(|body| matches!(body, Body::Arrived(_)).then_some(())).await;
    let update = player.update().await;
    assert!(update.whole && update.entered.is_empty(), "it is not there yet");
    player.say(&ClientMessage::Move { seq: 1, dx: 1.0, dy: 0.0 }).await;
    player.say(&ClientMessage::Ping { nonce: 7 }).await;
    player.find(|message| (message == ServerMessage::Pong { nonce: 7 }).then_some(())).await;
    let at_epoch = |epoch| CharacterAt { character: vec![1; 16], transfer: vec![1; 16], epoch };
    scene.say(Body::Grant(at_epoch(3))).await;
    scene.say(Body::Grant(at_epoch(4))).await;
    player.find(|message| (message == ServerMessage::Steer { epoch: 4 }).then_some(())).await;
    let update = player.update().await;
    assert_eq!(update.entered.first().map(|entered| (entered.id, entered.x)), Some((me, 3_000)));
    // Called off: one that only sees is closed; one that is granted is not.
    assert_eq!(scene.admit(at(2, 30.0, 30.0), 2, 4, false).await, None);
    let mut other = Player::connect(scene.port, &ticket(2)).await;
    scene.say(Body::Withdraw(CharacterAt { character: vec![2; 16], transfer: vec![2; 16], epoch: 4 })).await;
    assert_eq!(other.refused().await, Code::EnterExpired);
    assert_eq!(other.closed().await, 4000);
    scene.say(Body::Withdraw(at_epoch(4))).await;
    scene.say(Body::Stale(at_epoch(3))).await;
    scene.say(Body::Kick(Kick { character: vec![1; 16], epoch: 3, ..Kick::default() })).await;
    player.say(&ClientMessage::Ping { nonce: 1 }).await;
    player.find(|message| (message == ServerMessage::Pong { nonce: 1 }).then_some(())).await;
    let kick = Kick { character: vec![1; 16], epoch: 4, code: "session_ended".into(), text: "logged out".into() };
    scene.say(Body::Kick(kick)).await;
    assert_eq!(player.refused().await, Code::SessionEnded);
    assert_eq!(player.closed().await, 4006);
    assert_eq!(scene.hear_left().await, (1, 4, 30.0, 30.0));
}

#[tokio::test]
async fn seats_are_bounded_and_freed() {
    let mut scene = Scene::ready().await;
    for n in 1..=3 {
        assert_eq!(scene.admit(at(n, 9.0, 9.0), n, 4, true).await, None);
        assert_eq!(scene.admit(at(n, 9.0, 9.0), n, 4, true).await, None, "a repeat takes no second seat");
    }
    assert_eq!(scene.admit(at(4, 9.0, 9.0), 4, 4, true).await, Some(Code::ServerFull));
    scene.say(Body::Withdraw(CharacterAt { character: vec![3; 16], transfer: vec![3; 16], epoch: 4 })).await;
    let missing = scene.hear(|body| if let Body::NoShow(at) = body { Some(at.character[0]) } else { None }).await;
    assert_eq!(missing, 3, "central learns that the seat is free");
    assert_eq!(scene.admit(at(4, 9.0, 9.0), 4, 4, true).await, None);
    let (_, said) = scene.end().await;
    let missing = said.iter().filter(|body| matches!(body, Body::NoShow(_))).count();
    assert_eq!(missing, 3, "whoever was announced and has not come is told to central at a stop");
}

#[tokio::test]
async fn without_its_lease_the_area_neither_moves_nor_shows_anything() {
    let mut scene = Scene::idle().await;
    scene.say_event(Event::Up { resumed: false }).await;
    scene.say(Body::Granted(Granted { lease_ms: 0, ..granted(ISLES, Vec::new()) })).await;
    scene.hear(|body| matches!(body, Body::AreaReady(_)).then_some(())).await;
    assert_eq!(scene.admit(at(1, 10.0, 10.0), 1, 4, true).await, None);
    let mut player = Player::connect(scene.port, &ticket(1)).await;
    player.say(&ClientMessage::Move { seq: 1, dx: 1.0, dy: 0.0 }).await;
    player.say(&ClientMessage::Ping { nonce: 1 }).await;
    let first = player.next().await;
    assert_eq!(first, Some(ServerMessage::Pong { nonce: 1 }), "no update was sent before it");
    let beat = scene.hear(|body| if let Body::Heartbeat(beat) = body { Some(beat) } else { None }).await;
    scene.say(Body::Lease(Lease { sent_ms: beat.sent_ms, lease_ms: 60_000 })).await;
    let update = player.update().await;
    assert_eq!((update.acked, update.entered[0].x), (0, 1_000), "the input of that time was not applied");
}

#[tokio::test]
async fn a_saved_state_goes_on_and_a_damaged_one_is_refused() {
    let state = super::saved::Saved { tick: 1_000_000 }.write();
    let mut scene = Scene::with(ISLES, state.clone()).await;
    let player = scene.enter(1, 10.0, 10.0).await;
    assert!(player.welcome.as_ref().expect("welcome").tick > 1_000_000);
    let (_, said) = scene.end().await;
    let saved = said.iter().find_map(|body| if let Body::SaveArea(save) = body { Some(save.state.clone()) } else { None });
    assert!(super::saved::Saved::read(&saved.expect("saved")).expect("sound").tick > 1_000_000);
    let mut damaged = state;
    damaged[7] ^= 1;
    let mut scene = Scene::with(ISLES, damaged).await;
    let player = scene.enter(1, 10.0, 10.0).await;
    assert!(player.welcome.expect("welcome").tick < 1_000_000);
}

#[tokio::test]
async fn an_empty_area_stops_by_itself_unless_it_is_always_on() {
    let world = ISLES.replace("idle_stop_s = 0", "idle_stop_s = 1");
    let scene = Scene::with(&world, Vec::new()).await;
    let mut scene = Scene { stop: None, ..scene };
    let stopped = scene.hear(|body| if let Body::Stopped(stopped) = body { Some(stopped) } else { None }).await;
    assert_eq!((stopped.why.as_str(), stopped.epoch), ("idle", 2));
}

#[tokio::test]
async fn a_central_that_forgot_us_is_told_who_is_here() {
    let mut scene = Scene::ready().await;
    let _player = scene.enter(1, 10.0, 10.0).await;
    scene.say_event(Event::Down).await;
    scene.say_event(Event::Up { resumed: true }).await;
    scene.say_event(Event::Up { resumed: false }).await;
    let register = scene.hear(|body| if let Body::Register(r) = body { Some(r) } else { None }).await;
    assert_eq!((register.incarnation, register.epoch, register.ready), (3, 2, true));
    let here: Vec<_> = register.characters.iter().map(|c| (c.character[0], c.epoch, c.connected)).collect();
    assert_eq!(here, [(1, 4, true)]);
    // Another owner has it now: everybody is told, nothing is saved.
    let refused = pangea_world::messages::RefusalMessage { code: "stale_epoch".into(), text: "late".into() };
    scene.say(Body::Refused(refused)).await;
    let scene = Scene { stop: None, ..scene };
    let (end, said) = scene.end().await;
    assert!(matches!(end, End::Refused(refusal) if refusal.code == Code::StaleEpoch));
    assert!(!said.iter().any(|body| matches!(body, Body::Left(_) | Body::SaveArea(_) | Body::Stopped(_))));
}

#[tokio::test]
async fn manager_and_peers_are_answered_with_a_credential_only() {
    let mut scene = Scene::ready().await;
    let sign = |sub: &str, aud: ServerId| {
        let exp = clock::unix_s() + 60;
        Signer::from_seed(&KEY).sign_credential(&Credential { sub: sub.into(), aud: aud.to_string(), exp })
    };
    let (central, peer) = (sign("central", ServerId([7; 16])), sign(&"8".repeat(32), ServerId([7; 16])));
    let elsewhere = sign("central", ServerId([8; 16]));
    for credential in [None, Some("nonsense"), Some(elsewhere.as_str())] {
        for request in ["GET /status", "GET /pending", "GET /peers", "POST /drain\n{}"] {
            let (status, body) = scene.get(request, credential).await;
            assert_eq!((status, body["code"].as_str()), (401, Some("unauthorized")), "{request}");
        }
    }
    let (status, body) = scene.get("GET /status", Some(&peer)).await;
    assert_eq!((status, body["state"].as_str(), body["area"].as_str()), (200, Some("ready"), Some("isles/quay/0")));
    // M2, M3: what is announced is known before it comes.
    let quest = pangea_world::quest::Quest { id: "q".into(), title: "Q".into(), step: 2, completed: false };
    let coming = CharacterDoc { quests: vec![quest], ..at(1, 10.0, 10.0) };
    assert_eq!(scene.admit(coming, 1, 4, true).await, None);
    let (_, body) = scene.get("GET /pending", Some(&central)).await;
    assert_eq!(body["pending"][0]["character"]["quests"][0]["step"], 2);
    let notice = serde_json::json!({ "character": at(2, 1.0, 1.0) });
    assert_eq!(scene.get(&format!("POST /announce\n{notice}"), Some(&peer)).await.0, 200);
    let (_, body) = scene.get("GET /pending", Some(&central)).await;
    assert_eq!(body["notices"][0]["character"]["name"], "Ada2");
    let admit = serde_json::json!({
        "enter": EnterId([2; 16]), "character": at(2, 1.0, 1.0), "session": SessionId([2; 16]), "epoch": 4, "granted": true,
        "wait_ms": 9_000,
    });
    assert_eq!(scene.get(&format!("POST /admit\n{admit}"), Some(&peer)).await.0, 403, "a peer lets nobody in");
    assert_eq!(scene.get(&format!("POST /admit\n{admit}"), Some(&central)).await.0, 200);
    assert!(Player::connect(scene.port, &ticket(2)).await.welcome.is_some());
    for (request, expected) in [
        ("GET /nowhere", 404), ("DELETE /status", 405), ("GET /drain", 405), ("POST /admit\n{", 400), ("GET /play", 400),
    ] {
        assert_eq!(scene.get(request, Some(&central)).await.0, expected, "{request}");
    }
    assert_eq!(scene.get("POST /drain\n{\"text\":\"over\"}", Some(&central)).await.0, 200);
    scene.hear(|body| if let Body::Stopped(stopped) = body { Some(assert_eq!(stopped.why, "drain")) } else { None }).await;
}
