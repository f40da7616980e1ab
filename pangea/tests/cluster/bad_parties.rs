//! Clients, servers and spawners that do what they must not around a change of owner: refused with a code, and nothing
//! is lost.

use pangea_client::EnterOptions;
use pangea_server::link::{self, Opener};
use pangea_world::frames::{Entry, ServerMessage, close};
use pangea_world::id::{AreaId, ServerId};
use pangea_world::messages::{Body, ServerExited, ServerInfo, SpawnerHello};
use pangea_world::role_key::RoleKey;

use crate::crossing::{Way, until, walk_to};
use crate::goods::see;
use crate::support::{Cluster, PATIENCE, signal};
use crate::together::{BEYOND, two};
use crate::wire::{Heard, Wire};

/// A client that sees beyond the border: where, and with which ticket.
async fn beside(here: &mut Wire) -> (String, String) {
    here.until("the neighbour", |message| match message {
        ServerMessage::Beside { url, ticket, .. } => Some((url.clone(), ticket.clone())),
        _ => None,
    })
    .await
}

/// It shows the ticket twice, and never lets go of the old server: it is seen in one place and steered from one
/// connection, and the old one is closed under it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_lets_go_plays_in_one_place() {
    let cluster = Cluster::with_worlds(&[("two", &two(8))], &[]).await;
    let (client, character) = cluster.player("Greta", "two", Some("at56")).await;
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    let (mut here, _) = Wire::enter(&prepared.url, &prepared.ticket).await;
    let (url, ticket) = beside(&mut here).await;
    let (mut there, welcome) = Wire::enter(&url, &ticket).await;
    assert!(!welcome.steering, "it only sees");
    let mut again = Wire::knock(&url, Entry::Ticket(ticket.clone())).await;
    assert_eq!(again.refusal().await, "ticket_used");
    // What it says there does not move it.
    there.walk(1.0, 0.0).await;
    there.flush().await;
    // East, until it is somebody else's. Where nothing happens nothing is told: the first step makes the first update.
    here.walk(1.0, 0.0).await;
    let switched = async {
        loop {
            match here.next().await {
                Heard::Said(ServerMessage::Switch { epoch }) => return epoch,
                Heard::Said(ServerMessage::Update(_)) => here.walk(1.0, 0.0).await,
                Heard::Said(_) => {}
                Heard::Closed(code) => panic!("closed with {code:?} before the switch"),
            }
        }
    };
    let epoch = tokio::time::timeout(PATIENCE, switched).await.expect("it goes over");
    for _ in 0..20 {
        here.walk(-1.0, 0.0).await;
    }
    assert_eq!(here.end().await.1, Some(close::MOVED), "the old server closes");
    let steered = there.until("steer", |message| match message {
        ServerMessage::Steer { epoch, acked } => Some((*epoch, *acked)),
        _ => None,
    });
    let (steers, acked) = steered.await;
    assert_eq!(steers, epoch);
    assert!(acked.is_some_and(|acked| acked > 30), "the inputs of the walk are counted on: {acked:?}");
    let mut late = Wire::knock(&url, Entry::Ticket(ticket)).await;
    assert_eq!(late.refusal().await, "ticket_used");
    there.flush().await;
}

/// The neighbour is frozen (SIGSTOP) when somebody goes over to it: it takes what it is granted from nobody. It is
/// ended for its silence, and he plays on, once, where he went over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_accepts_and_says_no_more() {
    let cluster = Cluster::with_worlds(&[("two", &two(8))], &["central.silence_s=2"]).await;
    let (client, character) = cluster.player("Hanno", "two", Some("at56")).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    see(&mut game, "itself", |game| game.me().map(|_| ())).await;
    let mut way = Way::default();
    walk_to(&mut game, &mut way, (64.4, 32.0)).await;
    let pid = cluster.serving(BEYOND).await[0]["pid"].as_u64().unwrap() as u32;
    let epoch = game.epoch();
    signal(pid, "STOP");
    for _ in 0..6 {
        game.move_towards(1.0, 0.0).await;
    }
    until(&mut game, &mut way, "he plays again", |game, _| game.is_steering() && game.epoch() > epoch).await;
    walk_to(&mut game, &mut way, (72.0, 32.0)).await;
    assert_eq!(game.area(), BEYOND);
    game.leave().await;
    cluster
        .until("nobody is anywhere", || async {
            cluster.serving("two/").await.iter().all(|server| server["seats"] == 0)
        })
        .await;
}

/// A spawner that tells of another spawner's server, that it has it and that it has ended: nobody heeds it, and the
/// players of that server notice nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spawner_that_reports_a_server_it_does_not_have() {
    let cluster = Cluster::with_worlds(&[("two", &two(8))], &[]).await;
    let (client, character) = cluster.player("Ines", "two", Some("at56")).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    see(&mut game, "itself", |game| game.me().map(|_| ())).await;
    let epoch = game.epoch();
    let real = cluster.serving("two/0,0").await[0].clone();
    let id: ServerId = real["server"].as_str().unwrap().parse().unwrap();

    let text = std::fs::read_to_string(cluster.data().join("keys/master.key")).expect("a key");
    let bytes = pangea_world::id::unhex(text.trim()).expect("hex digits");
    let master = RoleKey::new(bytes.try_into().expect("32 bytes"));
    let (sender, mut events) = link::open(Opener {
        address: cluster.link.clone(),
        role: "spawner".into(),
        name: "liar".into(),
        spawner: String::new(),
        key: master.derive("spawner", "liar"),
        credential: String::new(),
        pin: None,
    });
    let up =
        async { while !matches!(events.recv().await.expect("the link lives"), link::Event::Up { .. }) {} };
    tokio::time::timeout(PATIENCE, up).await.expect("the link stands");
    let info = |server: &[u8]| ServerInfo {
        server: server.to_vec(),
        state: "Allocated".into(),
        area: AreaId([9; 16]).to_vec(),
        ..ServerInfo::default()
    };
    let said = [
        Body::SpawnerHello(SpawnerHello {
            servers: vec![info(&id.0), info(&[7; 16])],
            ..SpawnerHello::default()
        }),
        Body::ServerChanged(info(&id.0)),
        Body::ServerExited(ServerExited {
            server: id.to_vec(),
            how: "killed".into(),
            ..ServerExited::default()
        }),
        Body::ServerExited(ServerExited {
            server: vec![3; 16],
            how: "killed".into(),
            ..ServerExited::default()
        }),
        Body::ServerExited(ServerExited { server: vec![3], how: "killed".into(), ..ServerExited::default() }),
    ];
    for body in said {
        sender.send(body).expect("sent");
    }
    cluster
        .until("central has heard of the end", || async {
            cluster.log().matches("a spawner tells of a server that another one has").count() >= 3
        })
        .await;
    assert!(cluster.log().contains("not_owner"), "with a code");
    let mut way = Way::default();
    walk_to(&mut game, &mut way, (60.0, 32.0)).await;
    assert_eq!((way.lost, game.epoch()), (0, epoch), "he plays on: {way:?}");
    assert_eq!(cluster.serving("two/0,0").await[0]["server"], real["server"]);
    drop(sender);
    // And who goes on over the border finds a server: none of the liar's.
    walk_to(&mut game, &mut way, (72.0, 32.0)).await;
    assert_eq!((way.crossed.as_slice(), way.lost), (&[BEYOND.to_owned()][..], 0));
    game.leave().await;
}
