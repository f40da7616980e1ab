//! What a client may not say, said to a real area server, beside one who plays honestly (M4, M11):
//! frames, movement, floods.

use std::time::Duration;

use pangea_client::{Client, EnterOptions};
use pangea_world::frames::{ClientMessage, Entry, ServerMessage, Welcome, close};
use pangea_world::id::CharacterId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::Cluster;
use crate::wire::Wire;

const FIELD: &str = "kind = \"grid\"\nseed = 3\nrules = [\"pve\"]\ngrace_s = 600\n\
    [grid]\ncell_m = 64\narea_cells = 4\nspawn = { x = 100.0, y = 100.0 }\n";

/// One who misbehaves; he comes back by his token each time.
struct Rogue {
    url: String,
    token: [u8; 16],
}

impl Rogue {
    async fn new(cluster: &Cluster) -> Self {
        let (wire, welcome, url) = enter(cluster, "Rogue").await;
        drop(wire);
        Self { url, token: welcome.resume }
    }

    async fn back(&mut self) -> (Wire, Welcome) {
        let (wire, welcome) = Wire::welcomed(&self.url, Entry::Resume(self.token)).await;
        self.token = welcome.resume;
        (wire, welcome)
    }
}

async fn enter(cluster: &Cluster, name: &str) -> (Wire, Welcome, String) {
    let (client, character) = cluster.player(name, "field", None).await;
    enter_as(&client, character).await
}

async fn enter_as(client: &Client, character: CharacterId) -> (Wire, Welcome, String) {
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    let (wire, welcome) = Wire::enter(&prepared.url, &prepared.ticket).await;
    (wire, welcome, prepared.url)
}

/// Waits until operators see that the server of the field has refused this, and nothing else.
async fn until_refused(cluster: &Cluster, refused: &[(&str, u64)]) {
    let refused: serde_json::Value =
        refused.iter().map(|(code, count)| ((*code).to_owned(), serde_json::Value::from(*count))).collect();
    let shown = || async { cluster.serving("field/").await[0]["refusals"] == refused };
    cluster.until(&format!("{refused} is shown"), shown).await;
}

fn bytes(bytes: &[u8]) -> Message {
    Message::Binary(bytes.to_vec().into())
}

fn frame(message: ClientMessage) -> Message {
    Message::Binary(message.to_frame())
}

/// B 1-8, 18: each ends the connection of him who said it, with a reason; nobody else notices anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_the_protocol_ends_its_own_connection_alone() {
    let cluster = Cluster::with_worlds(&[("field", FIELD)], &[]).await;
    let (mut honest, me, _) = enter(&cluster, "Honest").await;
    let mut rogue = Rogue::new(&cluster).await;
    let hello = |version| frame(ClientMessage::Hello { version, schema: 0, entry: Entry::Resume([1; 16]) });
    for (what, message, code) in [
        ("text", Message::text("{}"), "protocol"),
        ("an empty frame", bytes(&[]), "protocol"),
        ("one byte", bytes(&[2]), "protocol"),
        ("5,000 bytes", bytes(&[6; 5_000]), "too_large"),
        ("a type that nobody knows", bytes(&[0x7F, 0]), "protocol"),
        ("a type that only servers send", bytes(&[0x87, 8, 1, 0, 0, 0, 0, 0, 0, 0]), "protocol"),
        ("a length beyond the frame", bytes(&[2, 12, 1, 0, 0]), "protocol"),
        ("a length of 2^32 - 1", bytes(&[2, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]), "protocol"),
        ("a length that never ends", bytes(&[2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), "protocol"),
        ("a move of no length", bytes(&[2, 0]), "protocol"),
        ("a string that is no UTF-8", bytes(&[4, 5, 2, 0xC3, 0x28, 0, 0]), "protocol"),
        ("a second hello", hello(2), "protocol"),
        ("a good one and a bad one", bytes(&[6, 4, 1, 0, 0, 0, 0x7F, 0]), "protocol"),
    ] {
        let (mut wire, _) = rogue.back().await;
        wire.raw(message).await;
        assert_eq!(wire.end().await, (vec![code.to_owned()], Some(close::PROTOCOL)), "{what}");
        honest.flush().await;
    }
    let (mut wire, _) = rogue.back().await;
    wire.flush().await;
    honest.walk(1.0, 0.0).await;
    honest
        .until("he walks", |message| match message {
            ServerMessage::Update(update) => {
                update.moved.iter().any(|(id, ..)| *id == u32::from(me.me)).then_some(())
            }
            _ => None,
        })
        .await;
    let seats = cluster.serving("field/").await[0]["seats"].clone();
    assert_eq!(seats, 2);
    until_refused(&cluster, &[("protocol", 12), ("too_large", 1)]).await;
}

/// The first message decides: anything but a hello of this version, alone, is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_message_is_a_hello() {
    let cluster = Cluster::with_worlds(&[("field", FIELD)], &[]).await;
    let (mut honest, _, url) = enter(&cluster, "Honest").await;
    let ping = ClientMessage::Ping { nonce: 1 };
    let hello = |version| ClientMessage::Hello { version, schema: 0, entry: Entry::Resume([1; 16]) };
    // Version, schema, kind, token, tick; then the list.
    let knowing = |list: &[u8]| {
        let head = [1, 31 + list.len() as u8, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        [&head[..], &[1; 16], &[0; 4], list].concat()
    };
    let both = [hello(2).to_frame(), ping.to_frame()].concat();
    for (what, message, code) in [
        ("text", Message::text("hello"), "protocol"),
        ("nothing", bytes(&[]), "protocol"),
        ("another message", frame(ping), "protocol"),
        ("two at once", bytes(&both), "protocol"),
        ("too much", bytes(&[1; 4_097]), "too_large"),
        ("another version", frame(hello(1)), "version_mismatch"),
        ("version 0", frame(hello(0)), "version_mismatch"),
        ("a version to come", frame(hello(4)), "version_mismatch"),
        ("half a hello", bytes(&[1, 3, 1, 0]), "protocol"),
        ("a list of 16,383 that is empty", bytes(&knowing(&[0xFF, 0x7F])), "protocol"),
        ("a list that does not end", bytes(&knowing(&[3, 1, 0, 2, 0])), "protocol"),
        ("a list that is cut off", bytes(&knowing(&[])[..20]), "protocol"),
    ] {
        let mut wire = Wire::open(&url).await;
        wire.raw(message).await;
        assert_eq!(wire.end().await, (vec![code.to_owned()], Some(close::PROTOCOL)), "{what}");
    }
    honest.flush().await;
    until_refused(&cluster, &[("protocol", 8), ("too_large", 1), ("version_mismatch", 3)]).await;
}

/// What is not even a WebSocket: HTTP that is wrong, bytes that are nothing, a frame without its mask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_handshake() {
    let cluster = Cluster::with_worlds(&[("field", FIELD)], &[]).await;
    let (mut honest, _, url) = enter(&cluster, "Honest").await;
    let at = url.strip_prefix("ws://").unwrap().strip_suffix("/play").unwrap().to_owned();
    let upgrade = |key: &str, version: &str| {
        format!(
            "GET /play HTTP/1.1\r\nhost: {at}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: {version}\r\nsec-websocket-key: {key}\r\n\r\n"
        )
    };
    let good = upgrade("dGhlIHNhbXBsZSBub25jZQ==", "13");
    let unmasked = [good.as_bytes(), &[0x82, 2, 6, 0]].concat();
    let reserved = [good.as_bytes(), &[0xF2, 0x80, 0, 0, 0, 0]].concat();
    let endless = [b"GET /play HTTP/1.1\r\nx: ".as_slice(), &vec![b'a'; 64 << 10]].concat();
    for (what, said, wanted) in [
        ("nothing that is HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01".to_vec(), "HTTP/1.1 400"),
        (
            "no upgrade",
            format!("GET /play HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\r\n").into_bytes(),
            "bad_request",
        ),
        ("no key", upgrade("short", "13").into_bytes(), "bad_request"),
        ("an old version", upgrade("dGhlIHNhbXBsZSBub25jZQ==", "8").into_bytes(), "bad_request"),
        ("a header without end", endless, "HTTP/1.1 431"),
        ("a frame without its mask", unmasked, "mask"),
        ("reserved bits", reserved, "reserved"),
    ] {
        let mut socket = TcpStream::connect(&at).await.unwrap();
        // Whoever is refused early may not take the rest.
        let _ = socket.write_all(&said).await;
        let mut back = Vec::new();
        let mut part = [0; 4_096];
        while !String::from_utf8_lossy(&back).contains(wanted) {
            let read = tokio::time::timeout(crate::support::PATIENCE, socket.read(&mut part)).await;
            let read = read.expect("an answer").unwrap_or(0);
            assert!(read > 0, "{what}: no «{wanted}» in {:?}", String::from_utf8_lossy(&back));
            back.extend_from_slice(&part[..read]);
        }
    }
    honest.flush().await;
}

/// B 11, 12, 45: a direction that is no number or too long is refused, and nobody moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direction_that_is_no_direction_moves_nobody() {
    let cluster = Cluster::with_worlds(&[("field", FIELD)], &[]).await;
    let mut rogue = Rogue::new(&cluster).await;
    for (n, (dx, dy, code)) in [
        (f32::NAN, 0.0, "bad_input"),
        (0.0, f32::NAN, "bad_input"),
        (f32::INFINITY, 0.0, "bad_input"),
        (0.0, f32::NEG_INFINITY, "bad_input"),
        (f32::MAX, f32::MAX, "too_fast"),
        (1.2, 0.0, "too_fast"),
        (-10.0, 0.0, "too_fast"),
        (0.8, 0.8, "too_fast"),
    ]
    .into_iter()
    .enumerate()
    {
        let (mut wire, welcome) = rogue.back().await;
        wire.say(ClientMessage::walk(welcome.acked + n as u32 + 1, dx, dy)).await;
        assert_eq!(wire.refusal().await, code, "({dx}, {dy})");
        for message in wire.flush().await {
            if let ServerMessage::Update(update) = message {
                let jumped = update.jumped.iter().map(|(id, ..)| u32::from(*id));
                let mut moved = update.moved.iter().map(|(id, ..)| *id).chain(jumped);
                assert!(!moved.any(|id| id == u32::from(welcome.me)), "({dx}, {dy}): {update:?}");
            }
        }
    }
    let (mut wire, welcome) = rogue.back().await;
    wire.say(ClientMessage::walk(u32::MAX, 1.0, 0.0)).await;
    assert_eq!(wire.refusal().await, "bad_input", "an input of a time to come");
    until_refused(&cluster, &[("bad_input", 5), ("too_fast", 4)]).await;
    // And an honest step still counts, above the numbers that were refused.
    wire.say(ClientMessage::walk(welcome.acked + 1_000, 1.0, 0.0)).await;
    wire.until("a step", |message| match message {
        ServerMessage::Update(update) => {
            update.moved.iter().any(|(id, dx, _)| *id == u32::from(welcome.me) && *dx > 0).then_some(())
        }
        _ => None,
    })
    .await;
}

/// B 45: hundreds of inputs at once carry nobody farther than a few ticks' walk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_inputs_at_once_are_not_faster() {
    let cluster = Cluster::with_worlds(&[("field", FIELD)], &["limits.messages_per_second=2000"]).await;
    let (mut wire, welcome, _) = enter(&cluster, "Runner").await;
    let begun = wire.sees("Runner").await;
    let (mut x, mut first_tick, mut last_tick, mut refused) = (begun.x, None, 0, 0);
    for round in 0..4u32 {
        let mut all = bytes::BytesMut::new();
        for n in 0..200 {
            ClientMessage::walk(round * 200 + n + 1, 1.0, 0.0).put(&mut all);
        }
        wire.raw(Message::Binary(all.freeze())).await;
        for message in wire.flush().await {
            match message {
                ServerMessage::Update(update) => {
                    first_tick.get_or_insert(update.tick);
                    last_tick = update.tick;
                    x += update
                        .moved
                        .iter()
                        .filter(|(id, ..)| *id == u32::from(welcome.me))
                        .map(|(_, dx, _)| i32::from(*dx))
                        .sum::<i32>();
                    x = update
                        .jumped
                        .iter()
                        .filter(|(id, ..)| *id == welcome.me)
                        .map(|(_, x, _)| *x)
                        .next_back()
                        .unwrap_or(x);
                }
                ServerMessage::Refused(refusal) => {
                    assert_eq!(refusal.code.as_str(), "too_fast");
                    refused += 1;
                }
                _ => {}
            }
        }
    }
    let ticks = last_tick - first_tick.expect("updates") + 1;
    let step_cm = i32::from(welcome.speed_cm_s) / i32::from(welcome.tick_hz);
    // Five inputs may be saved up, and a late tick takes no more than that.
    let most = (ticks as i32 + 1) * 5 * step_cm;
    let moved = x - begun.x;
    assert!(moved > 0 && moved <= most, "{moved} cm in {ticks} ticks; {most} cm at most");
    assert!(moved < 800 * step_cm / 2, "most of the 800 inputs were dropped");
    assert!(refused >= 1, "and he was told");
}

/// B 10, 18: over the rate, by messages in a frame, by frames, by pings of the transport: closed with a code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_closed() {
    let cluster = Cluster::with_worlds(&[("field", FIELD)], &["limits.messages_per_second=20"]).await;
    let (mut honest, _, _) = enter(&cluster, "Honest").await;
    let mut rogue = Rogue::new(&cluster).await;
    let ended = (vec!["too_many_requests".to_owned()], Some(close::PROTOCOL));
    let ping = ClientMessage::Ping { nonce: 7 }.to_frame();
    let (mut wire, _) = rogue.back().await;
    wire.raw(Message::Binary(ping.repeat(400).into())).await;
    assert_eq!(wire.end().await, ended, "many messages in one frame");
    let (mut wire, _) = rogue.back().await;
    for _ in 0..400 {
        wire.raw(Message::Binary(ping.clone())).await;
    }
    assert_eq!(wire.end().await.1.unwrap_or(close::PROTOCOL), close::PROTOCOL, "many frames");
    let (mut wire, _) = rogue.back().await;
    for _ in 0..400 {
        wire.raw(Message::Ping(vec![1].into())).await;
    }
    assert_eq!(wire.end().await.1.unwrap_or(close::PROTOCOL), close::PROTOCOL, "many pings");
    honest.flush().await;
    until_refused(&cluster, &[("too_many_requests", 3)]).await;
}

/// B 22-24: sockets that connect and say nothing are few at a time, and keep nobody out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_silent_keep_nobody_out() {
    let cluster = Cluster::with_worlds(&[("field", FIELD)], &["limits.pending_sockets=8"]).await;
    let (mut first, _, url) = enter(&cluster, "First").await;
    let at = url.strip_prefix("ws://").unwrap().strip_suffix("/play").unwrap().to_owned();
    let mut silent = Vec::new();
    for n in 0..24 {
        let mut socket = TcpStream::connect(&at).await.unwrap();
        if n % 2 == 0 {
            socket.write_all(b"GET /play HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        }
        silent.push(socket);
    }
    let mut mute = Vec::new();
    for _ in 0..4 {
        mute.push(Wire::open(&url).await);
    }
    let (mut second, _, _) = enter(&cluster, "Second").await;
    second.flush().await;
    first.flush().await;
    let mut byte = [0];
    let closed =
        tokio::time::timeout(Duration::from_secs(60), silent[0].read(&mut byte)).await.expect("it is closed");
    assert!(matches!(closed, Ok(0) | Err(_)), "the oldest made room");
}
