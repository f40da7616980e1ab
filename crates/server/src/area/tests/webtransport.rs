//! WebTransport beside WebSocket: the same door, the same limits, the same closes.

use pangea_world::frames::close;
use pangea_world::messages::WebTransport;
use web_transport_quinn::{ClientBuilder, ClientError, Session, proto::ConnectRequest};

use super::*;
use crate::area::client::Client;
use crate::area::line::Line;
use crate::area::quic::{self, Quic};

/// A scene, and what its server announced.
async fn ready() -> (Scene, WebTransport) {
    ready_with(Limits { pending_sockets: 16, ..Limits::default() }).await
}

async fn ready_with(limits: Limits) -> (Scene, WebTransport) {
    let mut scene = Scene::idle_with(None, limits).await;
    scene.say_event(Event::Up { resumed: false }).await;
    let register = scene.hear(|body| if let Body::Register(r) = body { Some(r) } else { None }).await;
    scene.say(Body::Granted(granted(ISLES, Vec::new()))).await;
    scene.hear(|body| matches!(body, Body::AreaReady(_)).then_some(())).await;
    let announced = register.webtransport.expect("it is open");
    assert_eq!((announced.port, announced.hashes.len()), (scene.port.into(), 2));
    assert_ne!(announced.hashes[0], announced.hashes[1], "that of now and that of next");
    (scene, announced)
}

fn request(port: u32, path: &str) -> ConnectRequest {
    ConnectRequest::new(url::Url::parse(&format!("https://127.0.0.1:{port}{path}")).expect("a URL"))
}

async fn dial(announced: &WebTransport) -> Result<Session, ClientError> {
    let client = ClientBuilder::new().with_server_certificate_hashes(announced.hashes.clone());
    client.expect("a client").connect(request(announced.port, "/play")).await
}

/// A player over a session, before its hello.
async fn over(session: Session) -> Player {
    let (send, receive) = session.open_bi().await.expect("a stream");
    Player {
        stream: Box::new(tokio::io::join(receive, send)),
        bytes: BytesMut::new(),
        messages: Default::default(),
        known: KnownList::default(),
        welcome: None,
        closed: None,
        session: Some(session),
    }
}

async fn connect(announced: &WebTransport, entry: &Entry) -> Player {
    over(dial(announced).await.expect("a session")).await.hello(entry).await
}

#[tokio::test]
async fn a_character_comes_by_webtransport_and_sees_one_that_came_by_websocket() {
    let (mut scene, announced) = ready().await;
    let mut bob = scene.enter(2, 12.0, 10.0).await;
    assert_eq!(scene.admit(at(1, 10.0, 10.0), 1, 4, true).await, None);
    let mut ada = connect(&announced, &ticket(1)).await;
    assert!(ada.welcome.as_ref().expect("welcome").steering);
    let (a, b) = (ada.me(), bob.me());
    let entered = ada.find(|message| match message {
        ServerMessage::Update(update) => update.entered.into_iter().find(|entered| entered.id == b),
        _ => None,
    });
    assert_eq!(name_of(&entered.await), "Ada2");
    for seq in 1..=4 {
        ada.say(&ClientMessage::walk(seq, 0.0, 1.0)).await;
    }
    let mut way = 0;
    while way < 100 {
        let moved = bob.update().await.moved;
        way +=
            moved.iter().filter(|(id, ..)| *id == u32::from(a)).map(|(_, _, dy)| i32::from(*dy)).sum::<i32>();
    }
    assert_eq!(way, 100, "four steps of 25 cm");
    ada.say(&ClientMessage::Leave).await;
    assert_eq!(ada.closed().await, 1000);
    assert_eq!(scene.hear_left().await, (1, 4, 10.0, 11.0));
    let (end, _) = scene.end().await;
    assert_eq!(end, End::Asked);
    assert_eq!(bob.closed().await, close::STOPPING);
}

#[tokio::test]
async fn a_lost_session_resumes_as_a_websocket() {
    let (mut scene, announced) = ready().await;
    assert_eq!(scene.admit(at(1, 10.0, 10.0), 1, 4, true).await, None);
    let mut ada = connect(&announced, &ticket(1)).await;
    ada.say(&ClientMessage::walk(1, 1.0, 0.0)).await;
    while ada.update().await.acked < 1 {}
    let token = ada.welcome.as_ref().expect("welcome").resume;
    drop(ada);
    let mut back = Player::connect(scene.port, &Entry::Resume(token)).await;
    let welcome = back.welcome.clone().expect("resumed");
    assert_eq!((welcome.acked, welcome.steering), (1, true));
    // A stop is told to those who came by WebTransport as to all others.
    let mut again = connect(&announced, &Entry::Resume(welcome.resume)).await;
    assert_eq!(back.closed().await, close::TAKEN_OVER);
    scene.end().await;
    assert_eq!(again.refused().await, Code::Stopping);
    assert_eq!(again.closed().await, close::STOPPING);
    let session = again.session.take().expect("a session");
    let end = tokio::time::timeout(PATIENCE, session.closed()).await.expect("the server hangs up");
    assert!(end.to_string().contains("4003") || session.close_reason().is_some(), "{end}");
}

/// Moves went apart before and go apart again; what was missed comes with the first update.
#[tokio::test]
async fn who_comes_back_over_a_session_is_told_what_it_missed() {
    let (mut scene, announced) = ready().await;
    let mut bob = scene.enter(2, 12.0, 10.0).await;
    assert_eq!(scene.admit(at(1, 10.0, 10.0), 1, 4, true).await, None);
    let mut ada = connect(&announced, &ticket(1)).await;
    ada.say(&ClientMessage::Datagrams).await;
    let (b, token) = (bob.me(), ada.welcome.as_ref().expect("welcome").resume);
    while !ada.known.known().is_some_and(|known| known.ids.contains(&b)) {
        ada.update().await;
    }
    let known = ada.known.known().expect("both");
    drop(ada);
    bob.say(&ClientMessage::walk(1, 0.0, 1.0)).await;
    while bob.update().await.acked < 1 {}
    let mut back = connect(&announced, &Entry::ResumeKnowing(token, known)).await;
    back.say(&ClientMessage::Datagrams).await;
    let update = back.update().await;
    assert_eq!((update.whole, update.entered.len(), update.left.len()), (false, 0, 0));
    let walked = update.moved.contains(&(b.into(), 0, 25)) || update.jumped.contains(&(b, 1_200, 1_025));
    assert!(walked, "{update:?}");
}

/// Whose certificate is another's, which path is another, which origin: only the ticket lets in.
#[tokio::test]
async fn a_certificate_must_fit_and_an_origin_gives_nothing() {
    let (mut scene, announced) = ready().await;
    let wrong = WebTransport { hashes: vec![vec![7; 32]], ..announced.clone() };
    assert!(dial(&wrong).await.is_err(), "another certificate than was announced");
    let next = WebTransport { hashes: vec![announced.hashes[1].clone()], ..announced.clone() };
    assert!(dial(&next).await.is_err(), "the next one is not in use yet");
    let client = ClientBuilder::new().with_server_certificate_hashes(announced.hashes.clone());
    let client = client.expect("a client");
    assert!(client.connect(request(announced.port, "/status")).await.is_err(), "only /play");
    let foreign = || {
        let origin = (http::header::ORIGIN, http::HeaderValue::from_static("https://elsewhere.example"));
        request(announced.port, "/play").with_header(origin.0, origin.1)
    };
    let mut player = over(client.connect(foreign()).await.expect("a session")).await.hello(&ticket(1)).await;
    assert!(player.welcome.is_none());
    assert_eq!(player.closed().await, close::REFUSED);
    assert_eq!(scene.admit(at(1, 10.0, 10.0), 1, 4, true).await, None);
    let player = over(client.connect(foreign()).await.expect("a session")).await.hello(&ticket(1)).await;
    assert!(player.welcome.is_some(), "a ticket is the only key, as on a WebSocket");
}

/// A ticket that was used on either way is used on both.
#[tokio::test]
async fn a_ticket_is_good_once_on_all_ways() {
    let (mut scene, announced) = ready().await;
    let _ada = scene.enter(1, 10.0, 10.0).await;
    assert_eq!(scene.admit(at(2, 10.0, 10.0), 2, 4, true).await, None);
    let _bob = connect(&announced, &ticket(2)).await;
    for n in [1, 2] {
        let mut replay = over(dial(&announced).await.expect("a session")).await;
        let hello = ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, schema: 0, entry: ticket(n) };
        replay.say(&hello).await;
        assert_eq!(replay.refused().await, Code::TicketUsed);
        assert_eq!(replay.closed().await, close::REFUSED);
    }
}

#[tokio::test]
async fn what_is_no_frame_closes_the_session() {
    let (mut scene, announced) = ready().await;
    let hello = |n| {
        let frame =
            ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, schema: 0, entry: ticket(n) }.to_frame();
        let mut out = BytesMut::new();
        stream::put_head(&mut out, frame.len());
        out.extend_from_slice(&frame);
        out.to_vec()
    };
    let too_large = [0x81, 0x20];
    let ping = [vec![6], ClientMessage::Ping { nonce: 1 }.to_frame().to_vec()].concat();
    for (bytes, code) in [
        (too_large.to_vec(), Code::TooLarge),
        (vec![0], Code::Protocol),
        (ping.clone(), Code::Protocol),
        ([hello(1), too_large.to_vec()].concat(), Code::TooLarge),
        ([hello(2), vec![0]].concat(), Code::Protocol),
        ([hello(3), ping.repeat(400)].concat(), Code::TooManyRequests),
    ] {
        if bytes.starts_with(&hello(1)[..4]) {
            for n in 1..=3 {
                scene.admit(at(n, 9.0, 9.0), n, 4, true).await;
            }
        }
        let mut player = over(dial(&announced).await.expect("a session")).await;
        player.send(&bytes).await;
        assert_eq!(player.refused().await, code);
        assert_eq!(player.closed().await, close::PROTOCOL);
    }
}

/// Handshakes that are cut off, sessions that say nothing, and what is no QUIC at all keep nobody out.
#[tokio::test]
async fn half_a_handshake_keeps_nobody_out() {
    let (mut scene, announced) = ready().await;
    let noise = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    for length in [0, 1, 20, 1_200, 1_400] {
        let bytes: Vec<u8> = (0..length).map(|i| (i * 7 + length) as u8 | 0xc0).collect();
        noise.send_to(&bytes, ("127.0.0.1", scene.port)).await.expect("sent");
    }
    let silent = dial(&announced).await.expect("a session");
    let mut more = Vec::new();
    for _ in 0..16 {
        more.push(dial(&announced).await.expect("a session"));
    }
    tokio::time::timeout(PATIENCE, silent.closed()).await.expect("the oldest makes room");
    assert_eq!(scene.admit(at(1, 10.0, 10.0), 1, 4, true).await, None);
    let player = connect(&announced, &ticket(1)).await;
    assert!(player.welcome.is_some());
    // Its way is cut in the middle of a frame: it is lost, and resumes.
    let token = player.welcome.as_ref().expect("welcome").resume;
    let Player { mut stream, session, .. } = player;
    stream.write_all(&[0x80]).await.expect("sent");
    drop((stream, session));
    assert!(connect(&announced, &Entry::Resume(token)).await.welcome.is_some());
}

#[tokio::test]
async fn an_address_has_so_many_sessions() {
    let limits = Limits { connections_per_address: 2, loopback_free: false, ..Limits::default() };
    let (mut scene, announced) = ready_with(limits).await;
    assert_eq!(scene.admit(at(1, 10.0, 10.0), 1, 4, true).await, None);
    let player = connect(&announced, &ticket(1)).await;
    let _socket = Player::upgrade(scene.port).await;
    assert!(dial(&announced).await.is_err(), "WebSockets and sessions are counted together");
    let mut told = Player::upgrade(scene.port).await;
    assert_eq!(told.refused().await, Code::TooManyConnections);
    drop((player, told));
    let free = async { while dial(&announced).await.is_err() {} };
    tokio::time::timeout(PATIENCE, free).await.expect("a place is free again");
}

fn start() -> AreaStart {
    AreaStart {
        server: ServerId([7; 16]),
        spawner: "local".into(),
        key: String::new(),
        central: String::new(),
        bind: Ipv4Addr::LOCALHOST.into(),
        advertise: "127.0.0.1".into(),
        central_pin: None,
        limits: Limits::default(),
        tls: None,
        webtransport: true,
        io: crate::config::GameIo::Auto,
    }
}

/// A client of the loop over a real session, and the other end.
async fn pair() -> (Client, Player) {
    let (mut port, announced) = Quic::open(&start(), 0).expect("a port");
    let mut announced = announced.borrow().clone();
    announced.port = port.local_port().into();
    let pump = port.pump.clone();
    tokio::spawn({
        let pump = pump.clone();
        async move { pump.run().await }
    });
    let (knock, opened) = oneshot::channel();
    tokio::spawn(async move {
        let incoming = port.next().await.expect("one comes");
        let _ = knock.send(quic::shake_hands(incoming, pump).await);
        port.next().await;
    });
    let mut player = over(dial(&announced).await.expect("a session")).await;
    player.send(&[1]).await; // a stream begins with its first byte
    let opened = opened.await.expect("opened").expect("a stream");
    let session = crate::area::session::Session::begin(
        opened.session,
        (opened.send, opened.receive),
        opened.pump,
        crate::address::Held::default(),
    );
    (Client::new(Line::WebTransport(session), pangea_world::id::CharacterId([1; 16]), 100), player)
}

/// One that does not read is behind, and then too slow; one that reads after all gets everything.
#[tokio::test]
async fn one_who_never_reads_is_too_slow() {
    let (mut client, mut player) = pair().await;
    let big = ServerMessage::Notice { code: "big".into(), text: "x".repeat(200 << 10) };
    // More than the client's window and what may be unacknowledged.
    for _ in 0..12 {
        client.say(&big);
        client.send_queued();
        client.ring();
    }
    assert_eq!(client.flush(1_000), Ok(()));
    assert_eq!(client.flush(10_999), Ok(()));
    assert!(client.is_behind());
    assert_eq!(client.flush(11_000), Err(Some(close::TOO_SLOW)));
    for _ in 0..12 {
        assert!(player.next().await.expect("a message") == big);
    }
    let read = async {
        while client.is_behind() {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("it has read");
    assert_eq!(client.flush(99_000), Ok(()), "its time counts anew");
    client.close(99_000, 1000, None);
    client.ring();
    assert_eq!(player.closed().await, 1000);
}

/// Who was told of a certificate just before it was replaced finds the next one, which he was told of too.
#[tokio::test]
async fn a_certificate_is_replaced_by_one_that_was_announced() {
    let (mut port, announced) = Quic::open(&start(), 0).expect("a port");
    let with = |hashes: &[Vec<u8>]| WebTransport { port: port.local_port().into(), hashes: hashes.to_vec() };
    let first = announced.borrow().hashes.clone();
    let offers = [with(&first), with(&first[..1])];
    port.replace().expect("replaced");
    let second = announced.borrow().hashes.clone();
    assert_eq!((second.len(), &second[0]), (2, &first[1]));
    assert!(!first.contains(&second[1]));
    let pump = port.pump.clone();
    tokio::spawn(async move {
        while let Some(incoming) = port.next().await {
            tokio::spawn(quic::shake_hands(incoming, pump.clone()));
        }
    });
    assert!(dial(&offers[0]).await.is_ok(), "told of both");
    assert!(dial(&offers[1]).await.is_err(), "the old one is not used any more");
}
