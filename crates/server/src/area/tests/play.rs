//! Players, tickets, inputs, and the manager.

use super::*;

/// However the loop talks to the kernel.
#[tokio::test]
async fn a_character_enters_walks_is_seen_and_leaves_where_it_stands() {
    for io in [GameIo::Auto, GameIo::Epoll] {
        let scene = Scene::idle_over(io, flat(), None, Limits::default()).await;
        two_come_and_one_walks(scene.granted(ISLES, Vec::new()).await).await;
    }
}

async fn two_come_and_one_walks(mut scene: Scene) {
    let mut ada = scene.enter(1, 10.0, 10.0).await;
    let mut bob = scene.enter(2, 12.0, 10.0).await;
    let (a, b) = (ada.me(), bob.me());
    let entered = ada.find(|message| match message {
        ServerMessage::Update(update) => update.entered.into_iter().find(|entered| entered.id == b),
        _ => None,
    });
    let entered = entered.await;
    assert_eq!((name_of(&entered).as_str(), entered.x, entered.y), ("Ada2", 1_200, 1_000));
    for seq in 1..=4 {
        ada.say(&ClientMessage::walk(seq, 0.0, 1.0)).await;
    }
    let mut way = 0;
    while way < 100 {
        way += bob
            .update()
            .await
            .moved
            .iter()
            .filter(|(id, ..)| *id == u32::from(a))
            .map(|(_, _, dy)| i32::from(*dy))
            .sum::<i32>();
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
    let words: Vec<u8> = said
        .iter()
        .filter_map(|body| match body {
            Body::Left(left) => Some(left.character[0]),
            Body::SaveArea(save) => Some(100 + save.epoch as u8),
            Body::Stopped(stopped) => Some(200 + stopped.epoch as u8),
            _ => None,
        })
        .collect();
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
        player.say(&ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, schema: 0, entry }).await;
        assert_eq!(player.refused().await, code);
        assert_eq!(player.closed().await, 4000);
    }
    let hello = |version| ClientMessage::Hello { version, schema: 0, entry: ticket(1) }.to_frame();
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
    let counted = serde_json::json!({
        "not_announced": 1, "ticket_foreign": 1, "ticket_expired": 1, "ticket_invalid": 1, "resume_invalid": 1,
        "version_mismatch": 1, "protocol": 4, "too_large": 1,
    });
    assert_eq!(scene.refusals().await, counted, "whoever runs it sees them");
    let good = Player::connect(scene.port, &ticket(1)).await;
    assert!(good.welcome.is_some(), "after all that the right one still enters");
    let mut again = Player::upgrade(scene.port).await;
    again.say(&ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, schema: 0, entry: ticket(1) }).await;
    assert_eq!(again.refused().await, Code::TicketUsed);
}

#[tokio::test]
async fn bad_inputs_are_refused_and_floods_are_cut() {
    let mut scene = Scene::ready().await;
    for (n, frame, code, ends) in [
        (1, ClientMessage::walk(1, f32::NAN, 0.0).to_frame(), Code::BadInput, false),
        (2, ClientMessage::walk(1, 9.0, 0.0).to_frame(), Code::TooFast, false),
        (1, ClientMessage::Tiles { cx: 99, cy: 0 }.to_frame(), Code::OutOfBounds, false),
        (2, ClientMessage::walk(u32::MAX, 1.0, 0.0).to_frame(), Code::BadInput, false),
        (2, bytes::Bytes::from_static(&[0x77, 0]), Code::Protocol, true),
        (
            1,
            ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, schema: 0, entry: Entry::Resume([0; 16]) }
                .to_frame(),
            Code::Protocol,
            true,
        ),
    ] {
        let mut player = scene.enter(n, 10.0, 10.0).await;
        player.send(&masked(0x82, &frame)).await;
        assert_eq!(player.refused().await, code);
        let counted = serde_json::json!({ code.as_str(): 1 });
        if ends {
            assert_eq!(player.closed().await, 4004);
            assert_eq!(scene.refusals().await, counted);
        } else {
            // It goes on, and what it gives next counts.
            player.say(&ClientMessage::walk(2, 0.0, 1.0)).await;
            while player.update().await.acked < 2 {}
            assert_eq!(scene.refusals().await, counted);
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
    let told = scene.hear(|body| match body {
        Body::Heartbeat(beat) if !beat.refusals.is_empty() => Some((beat.refusals, beat.pace_percent)),
        _ => None,
    });
    let (refusals, pace_percent) = told.await;
    assert_eq!((refusals[0].code.as_str(), refusals[0].count), ("too_many_requests", 1), "and central knows");
    assert_eq!((refusals.len(), pace_percent), (1, 100));
}

#[tokio::test]
async fn a_lost_connection_resumes_and_a_new_login_takes_over() {
    let mut scene = Scene::ready().await;
    let mut player = scene.enter(1, 10.0, 10.0).await;
    player.say(&ClientMessage::walk(1, 1.0, 0.0)).await;
    while player.update().await.acked < 1 {}
    let token = player.welcome.as_ref().expect("welcome").resume;
    drop(player);
    let mut back = Player::connect(scene.port, &Entry::Resume(token)).await;
    let welcome = back.welcome.clone().expect("resumed");
    assert_eq!((welcome.acked, welcome.steering, welcome.resume == token), (1, true, false));
    let update = back.update().await;
    let me = update.entered.iter().find(|entered| entered.id == welcome.me).expect("itself");
    assert_eq!((me.x, update.whole), (1_025, true), "it stands where it stood");
    // Once more, and it says what it knows.
    let known = back.known.known().expect("itself at least");
    drop(back);
    let mut back = Player::connect(scene.port, &Entry::ResumeKnowing(welcome.resume, known)).await;
    let welcome = back.welcome.clone().expect("resumed");
    let update = back.update().await;
    assert_eq!((update.whole, update.entered.len(), update.left.len()), (false, 0, 0), "nothing was missed");
    // A new login: announced anew, with a ticket of its own.
    assert_eq!(scene.admit(at(1, 50.0, 50.0), 8, 4, true).await, None);
    let new = ticket_of(Claims { jti: EnterId([8; 16]), ..claims(1, clock::unix_s()) });
    let other = Player::connect(scene.port, &new).await;
    assert_eq!(other.welcome.as_ref().map(|welcome| (welcome.me, welcome.acked)), Some((welcome.me, 0)));
    assert_eq!(back.closed().await, 4002);
    drop(other);
    assert_eq!(scene.hear_left().await, (1, 4, 10.25, 10.0), "after its grace time it is gone");
    let mut late = Player::upgrade(scene.port).await;
    late.say(&ClientMessage::Hello {
        version: GAME_PROTOCOL_VERSION,
        schema: 0,
        entry: Entry::Resume(welcome.resume),
    })
    .await;
    assert_eq!(late.refused().await, Code::ResumeInvalid);
}

#[tokio::test]
async fn seats_are_bounded_and_freed() {
    let mut scene = Scene::ready().await;
    // Three, and one who changes places with another.
    for n in 1..=4 {
        assert_eq!(scene.admit(at(n, 9.0, 9.0), n, 4, true).await, None);
        assert_eq!(scene.admit(at(n, 9.0, 9.0), n, 4, true).await, None, "a repeat takes no second seat");
    }
    assert_eq!(scene.admit(at(5, 9.0, 9.0), 5, 4, true).await, Some(Code::ServerFull));
    scene.say(Body::Withdraw(CharacterAt { character: vec![3; 16], transfer: vec![3; 16], epoch: 4 })).await;
    let missing =
        scene.hear(|body| if let Body::NoShow(at) = body { Some(at.character[0]) } else { None }).await;
    assert_eq!(missing, 3, "central learns that the seat is free");
    assert_eq!(scene.admit(at(5, 9.0, 9.0), 5, 4, true).await, None);
    let (_, said) = scene.end().await;
    let missing = said.iter().filter(|body| matches!(body, Body::NoShow(_))).count();
    assert_eq!(missing, 4, "whoever was announced and has not come is told to central at a stop");
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
    assert_eq!(
        (status, body["state"].as_str(), body["area"].as_str()),
        (200, Some("ready"), Some("isles/quay/0"))
    );
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
    assert_eq!(
        scene.get(&format!("POST /admit\n{admit}"), Some(&peer)).await.0,
        403,
        "a peer lets nobody in"
    );
    assert_eq!(scene.get(&format!("POST /admit\n{admit}"), Some(&central)).await.0, 200);
    assert!(Player::connect(scene.port, &ticket(2)).await.welcome.is_some());
    for (request, expected) in [
        ("GET /nowhere", 404),
        ("DELETE /status", 405),
        ("GET /drain", 405),
        ("POST /admit\n{", 400),
        ("GET /play", 400),
    ] {
        assert_eq!(scene.get(request, Some(&central)).await.0, expected, "{request}");
    }
    assert_eq!(scene.get("POST /drain\n{\"text\":\"over\"}", Some(&central)).await.0, 200);
    let why =
        scene.hear(|body| if let Body::Stopped(stopped) = body { Some(stopped.why) } else { None }).await;
    assert_eq!(why, "drain");
}

/// A server's certificate, and a client that trusts it.
fn tls() -> (Tls, tokio_rustls::TlsConnector) {
    crate::tls::provider();
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate").der().clone();
    let secret = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("its key");
    let server = rustls::ServerConfig::builder().with_no_client_auth();
    let server = server.with_single_cert(vec![certificate.clone()], secret).expect("fits");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).expect("a root");
    let client = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (
        Tls { config: Arc::new(server), fingerprint: [5; 32] },
        tokio_rustls::TlsConnector::from(Arc::new(client)),
    )
}

/// The loop speaks TLS itself; what the handshake has read ahead is not lost on the way to it.
#[tokio::test]
async fn the_same_over_tls() {
    let (tls, connector) = tls();
    let pin = tls.fingerprint;
    let mut scene = Scene::idle_with(Some(tls), Limits::default()).await;
    scene.say_event(Event::Up { resumed: false }).await;
    let register = scene.hear(|body| if let Body::Register(r) = body { Some(r) } else { None }).await;
    assert_eq!((register.tls, register.certificate), (true, pin.to_vec()));
    scene.say(Body::Granted(granted(ISLES, Vec::new()))).await;
    assert_eq!(scene.admit(at(1, 10.0, 10.0), 1, 4, true).await, None);
    let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, scene.port)).await.expect("connected");
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").expect("a name");
    let wire = connector.connect(name, tcp).await.expect("TLS");
    let mut player = Player::upgrade_over(Box::new(wire)).await;
    // In one go: the first message and two inputs after it.
    let hello = ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, schema: 0, entry: ticket(1) };
    let walk = |seq| masked(0x82, &ClientMessage::walk(seq, 0.0, 1.0).to_frame());
    player.send(&[masked(0x82, &hello.to_frame()), walk(1), walk(2)].concat()).await;
    while player.update().await.acked < 2 {}
    player.send(&walk(3)).await;
    while player.update().await.acked < 3 {}
    player.say(&ClientMessage::Leave).await;
    assert_eq!(player.closed().await, 1000);
    assert_eq!(scene.hear_left().await, (1, 4, 10.0, 10.75));
}

/// Sockets that show no ticket are bounded, and keep nobody out: the oldest makes room.
#[tokio::test]
async fn silent_sockets_are_bounded() {
    let mut scene = Scene::ready().await;
    let mut oldest = TcpStream::connect((Ipv4Addr::LOCALHOST, scene.port)).await.expect("connected");
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(Player::upgrade(scene.port).await);
    }
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, oldest.read_to_end(&mut answer)).await.expect("dropped");
    assert!(answer.is_empty(), "the oldest is dropped without an answer");
    scene.enter(1, 10.0, 10.0).await;
}

/// One address has so many connections to a server, those in play among them; further ones are told so.
#[tokio::test]
async fn an_address_has_so_many_connections() {
    let limits = Limits { connections_per_address: 2, loopback_free: false, ..Limits::default() };
    let mut scene = Scene::idle_with(None, limits).await;
    scene.say_event(Event::Up { resumed: false }).await;
    scene.say(Body::Granted(granted(ISLES, Vec::new()))).await;
    scene.hear(|body| matches!(body, Body::AreaReady(_)).then_some(())).await;
    let mut player = scene.enter(1, 10.0, 10.0).await;
    let silent = Player::upgrade(scene.port).await;
    let mut refused = Player::upgrade(scene.port).await;
    assert_eq!(refused.refused().await, Code::TooManyConnections);
    assert_eq!(refused.closed().await, pangea_world::frames::close::REFUSED);
    let (status, body) = scene.get("GET /status", None).await;
    assert_eq!((status, body["code"].as_str()), (429, Some("too_many_connections")));
    player.say(&ClientMessage::Ping { nonce: 7 }).await;
    player.find(|said| matches!(said, ServerMessage::Pong { nonce: 7, .. }).then_some(())).await;
    drop((silent, refused));
    // The server hears of the end when it comes to it.
    let free = async { while scene.get("GET /status", None).await.0 == 429 {} };
    tokio::time::timeout(PATIENCE, free).await.expect("a place is free again");
}
