//! Links over real sockets.

use pangea_world::messages::{AreaReady, Stopped};
use tokio::net::TcpStream;

use super::*;
use crate::clock;

fn opener(address: String, key: RoleKey) -> Opener {
    let (role, name) = ("spawner".to_owned(), "one".to_owned());
    Opener { address, role, name, spawner: String::new(), key, credential: String::new(), pin: None }
}

async fn answerer(key: RoleKey) -> (String, mpsc::Receiver<Accepted>) {
    answerer_with(key, None).await
}

async fn answerer_with(
    key: RoleKey,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> (String, mpsc::Receiver<Accepted>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("address").to_string();
    let (tx, rx) = mpsc::channel(8);
    let key_of: KeyOf = Arc::new(move |hello| (hello.role == "spawner").then(|| key.clone()));
    tokio::spawn(serve(listener, tls, key_of, tx));
    (address, rx)
}

/// Forwards TCP until told to cut all connections.
async fn cuttable(to: String) -> (String, tokio::sync::broadcast::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("address").to_string();
    let (cut, _) = tokio::sync::broadcast::channel::<()>(1);
    let cuts = cut.clone();
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            let (to, mut cut) = (to.clone(), cuts.subscribe());
            tokio::spawn(async move {
                let mut there = TcpStream::connect(to).await.expect("connected");
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut here, &mut there) => {}
                    _ = cut.recv() => {}
                }
            });
        }
    });
    (address, cut)
}

fn numbered(n: u32) -> Body {
    Body::AreaReady(AreaReady { restored: false, took_ms: n })
}

async fn next_number(events: &mut mpsc::Receiver<Event>) -> u32 {
    loop {
        match events.recv().await.expect("the link lives") {
            Event::Message(Body::AreaReady(ready)) => return ready.took_ms,
            Event::Message(other) => panic!("unexpected {other:?}"),
            Event::Refused(refusal) => panic!("refused: {refusal}"),
            Event::Up { .. } | Event::Down => {}
        }
    }
}

/// Cut at any moment, every message arrives once and in order, both ways.
#[tokio::test]
async fn messages_arrive_once_and_in_order_over_cut_connections() {
    let key = RoleKey::new([1; 32]);
    let (address, mut accepted) = answerer(key.clone()).await;
    let (through, cut) = cuttable(address).await;
    let (to_central, mut from_central) = open(opener(through, key));
    let mut role = accepted.recv().await.expect("accepted");
    for round in 0..5u32 {
        for n in 0..200 {
            to_central.send(numbered(round * 200 + n)).expect("room");
            role.sender.send(numbered(round * 200 + n)).expect("room");
            if n == 100 {
                let _ = cut.send(());
            }
        }
        for n in 0..200 {
            assert_eq!(next_number(&mut role.events).await, round * 200 + n);
            assert_eq!(next_number(&mut from_central).await, round * 200 + n);
        }
    }
}

/// A program that guesses a key is refused, on either side.
#[tokio::test]
async fn a_guessed_key_is_refused() {
    let (address, mut accepted) = answerer(RoleKey::new([1; 32])).await;
    let wrong_role = Opener { role: "area".into(), ..opener(address.clone(), RoleKey::new([1; 32])) };
    let (_to, mut events) = open(wrong_role);
    match events.recv().await {
        Some(Event::Refused(refusal)) => assert_eq!(refusal.code, Code::KeyWrong),
        other => panic!("{other:?}"),
    }
    // With a wrong key the opener cannot even verify the answerer, and says nothing more.
    let (to, mut events) = open(opener(address, RoleKey::new([2; 32])));
    to.send(Body::Stopped(Stopped::default())).expect("queued");
    tokio::select! {
        event = events.recv() => panic!("{event:?}"),
        role = accepted.recv() => panic!("{role:?}"),
        () = tokio::time::sleep(Duration::from_millis(300)) => {}
    }
}

/// A newer link of the same name ends the older one.
#[tokio::test]
async fn a_newer_link_of_the_same_name_wins() {
    let key = RoleKey::new([1; 32]);
    let (address, mut accepted) = answerer(key.clone()).await;
    let (_first, mut first_events) = open(opener(address.clone(), key.clone()));
    let mut first = accepted.recv().await.expect("accepted");
    let began = clock::unix_ms();
    while clock::unix_ms() == began {
        tokio::task::yield_now().await;
    }
    let (second, _second_events) = open(opener(address, key));
    let mut newer = accepted.recv().await.expect("accepted");
    while let Some(event) = first.events.recv().await {
        assert!(!matches!(event, Event::Message(_)));
    }
    loop {
        match first_events.recv().await.expect("told why") {
            Event::Refused(refusal) => break assert_eq!(refusal.code, Code::StaleEpoch),
            event => assert!(!matches!(event, Event::Message(_))),
        }
    }
    second.send(numbered(7)).expect("room");
    assert_eq!(next_number(&mut newer.events).await, 7);
}

/// A wall clock was put back: who comes under the same name is not older than one that is gone, though its time is.
#[tokio::test]
async fn who_is_gone_is_not_newer() {
    let key = RoleKey::new([1; 32]);
    let (address, mut accepted) = answerer(key.clone()).await;
    let (to_first, mut first_events) = open_as(opener(address.clone(), key.clone()), [9; 16]);
    let mut first = accepted.recv().await.expect("accepted");
    let (_early, mut early_events) = open_as(opener(address.clone(), key.clone()), [8; 16]);
    match early_events.recv().await.expect("told why") {
        Event::Refused(refusal) => assert_eq!(refusal.code, Code::StaleEpoch, "the newer one stands"),
        event => panic!("{event:?}"),
    }
    first_events.close();
    drop(to_first);
    while !matches!(first.events.recv().await.expect("its resume is waited for"), Event::Down) {}
    let (second, _second_events) = open_as(opener(address, key), [8; 16]);
    let mut now = accepted.recv().await.expect("accepted");
    second.send(numbered(7)).expect("room");
    assert_eq!(next_number(&mut now.events).await, 7);
}

/// Off loopback a link speaks TLS, to the one certificate that the key file names.
#[tokio::test]
async fn a_link_speaks_tls_to_the_pinned_certificate_alone() {
    crate::tls::provider();
    let key = RoleKey::new([1; 32]);
    let tls = crate::tls::make(&["pangea".to_owned()]).expect("a certificate");
    let (address, mut accepted) = answerer_with(key.clone(), Some(tls.config)).await;
    let wrong = Opener { pin: Some([7; 32]), ..opener(address.clone(), key.clone()) };
    let (_to, mut wrong_events) = open(wrong);
    let right = Opener { pin: Some(tls.fingerprint), ..opener(address, key) };
    let (to, _events) = open(right);
    to.send(numbered(3)).expect("room");
    let mut role = accepted.recv().await.expect("accepted");
    assert_eq!(next_number(&mut role.events).await, 3);
    assert!(wrong_events.try_recv().is_err(), "the wrong pin connects to nothing");
}
