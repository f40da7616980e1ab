//! Neighbours: the lines between area servers that lie side by side.

use pangea_client::{EnterOptions, Event, Game};
use pangea_world::PEER_VERSION;
use pangea_world::id::ServerId;
use pangea_world::messages::{PeerHello, RefusalMessage};
use pangea_world::ticket::{Credential, Signer};
use prost::Message as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Cluster, PATIENCE, event, signal};

/// Two areas of 128 m; the factions begin on either side of the border between them, 16 m apart.
const MEADOW: &str = r##"
kind = "grid"
seed = 7
view_m = 60
layers = 2
[grid]
cell_m = 64
area_cells = 2
spawn = { x = 120.0, y = 64.0 }
[[faction]]
id = "west"
title = "West"
colour = "#d9622b"
spawn = { x = 120.0, y = 64.0 }
[[faction]]
id = "east"
title = "East"
colour = "#2b7fd9"
spawn = { x = 136.0, y = 64.0 }
"##;

const WEST: &str = "meadow/0,0..2,2/0";
const EAST: &str = "meadow/2,0..4,2/0";

async fn meadow(settings: &[&str]) -> Cluster {
    Cluster::with_worlds(&[("meadow", MEADOW), ("moor", MEADOW)], settings).await
}

/// What the server of one area says of its line to another.
async fn line(cluster: &Cluster, of: &str, to: &str) -> Option<Value> {
    let server = cluster.serving(of).await.first()?.clone();
    server["peers"].as_array()?.iter().find(|peer| peer["area"] == to).cloned()
}

async fn until_lines(cluster: &Cluster) {
    for (of, to) in [(WEST, EAST), (EAST, WEST)] {
        cluster
            .until("the neighbours have a line", || async {
                line(cluster, of, to).await.is_some_and(|line| line["live"] == true)
            })
            .await;
    }
}

/// A neighbour by hand: what it hears first after this hello: a hello, or the code of a refusal.
struct ByHand(TcpStream);

impl ByHand {
    async fn connect(server: &Value) -> Self {
        let port = server["port"].as_u64().unwrap() as u16;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = "GET /peer HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: pangea-peer\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "));
        Self(stream)
    }

    async fn say(&mut self, kind: u8, payload: &[u8]) {
        let length = payload.len() as u32 + 1;
        let frame = [&length.to_le_bytes()[..], &[kind], payload].concat();
        self.0.write_all(&frame).await.unwrap();
    }

    /// The next frame: its kind and payload; `None` if the server has closed.
    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let read = async {
            let length = self.0.read_u32_le().await.ok()?;
            let mut frame = vec![0; length as usize];
            self.0.read_exact(&mut frame).await.ok()?;
            Some((frame[0], frame.split_off(1)))
        };
        tokio::time::timeout(PATIENCE, read).await.expect("in time")
    }

    /// `hello`, or why it is refused.
    async fn answer(&mut self, hello: &PeerHello) -> String {
        self.say(2, &hello.encode_to_vec()).await;
        match self.next().await.expect("an answer") {
            (2, payload) => {
                PeerHello::decode(payload.as_slice()).unwrap();
                "hello".to_owned()
            }
            (3, payload) => RefusalMessage::decode(payload.as_slice()).unwrap().code,
            (kind, _) => panic!("a frame of kind {kind}"),
        }
    }
}

fn id_of(server: &Value) -> ServerId {
    server["server"].as_str().unwrap().parse().unwrap()
}

/// M7, K12: neighbours have a line as soon as both run; areas of another layer or another world, or farther away,
/// have none. It outlives central, and is made anew after either end has died.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_have_a_line() {
    let mut cluster = meadow(&[]).await;
    let (west, west_one) = cluster.player("Wes", "meadow", Some("west")).await;
    let (east, east_one) = cluster.player("Eva", "meadow", Some("east")).await;
    let (other, other_one) = cluster.player("Otto", "moor", Some("west")).await;
    let _west = west.enter(west_one, EnterOptions::default()).await.unwrap();
    let _other = other.enter(other_one, EnterOptions::default()).await.unwrap();
    let _east = east.enter(east_one, EnterOptions::default()).await.unwrap();
    let (above, above_one) = cluster.player("Ute", "meadow", Some("east")).await;
    let upstairs = EnterOptions { layer: Some(1), ..EnterOptions::default() };
    let above = above.enter(above_one, upstairs).await.unwrap();
    assert_eq!(above.area(), "meadow/2,0..4,2/1");
    until_lines(&cluster).await;
    let part = |name: &str| {
        let (world, rest) = name.split_once('/').unwrap();
        (world.to_owned(), rest.rsplit_once('/').unwrap().1.to_owned())
    };
    for server in cluster.serving("m").await {
        let area = server["area"].as_str().unwrap();
        for peer in server["peers"].as_array().unwrap() {
            let beside = peer["area"].as_str().unwrap();
            assert_eq!(part(area), part(beside), "of one world and one layer");
        }
    }

    // Central is killed and comes back, and hears of the servers one after the other.
    cluster.kill();
    cluster.run().await;
    cluster
        .until("both are known again", || async {
            cluster.serving(WEST).await.len() == 1 && cluster.serving(EAST).await.len() == 1
        })
        .await;
    until_lines(&cluster).await;
    assert!(!cluster.log().contains("the line to a neighbour is down"), "{}", cluster.log());

    let before = cluster.serving(EAST).await[0].clone();
    signal(before["pid"].as_u64().unwrap() as u32, "KILL");
    cluster
        .until("the west has a line to the one that took its place", || async {
            let line = line(&cluster, WEST, EAST).await;
            line.is_some_and(|line| line["live"] == true && line["server"] != before["server"])
        })
        .await;
    until_lines(&cluster).await;
}

/// Whether a player sees another, and where, centimetres.
fn sees(game: &Game, name: &str) -> Option<(i32, i32)> {
    let seen = game.entities().values().find(|entity| entity.name == name);
    seen.map(|entity| (entity.x_cm, entity.y_cm))
}

/// M7: two players on either side of the border see each other and see each other walk. The server of one is killed
/// with -9: the other does not see him any more, and sees him again when he is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn players_see_each_other_across_the_border() {
    let cluster = meadow(&[]).await;
    let (west, west_one) = cluster.player("Wes", "meadow", Some("west")).await;
    let (east, east_one) = cluster.player("Eva", "meadow", Some("east")).await;
    let mut wes = west.enter(west_one, EnterOptions::default()).await.unwrap();
    let mut eva = east.enter(east_one, EnterOptions::default()).await.unwrap();
    assert_eq!((wes.area(), eva.area()), (WEST, EAST));
    let of_eva = event(&mut wes, "Eva is seen", |_, game| sees(game, "Eva")).await;
    let of_wes = event(&mut eva, "Wes is seen", |_, game| sees(game, "Wes")).await;
    assert!(of_eva.0 >= 12_800 && of_wes.0 < 12_800, "each on his side: {of_eva:?} {of_wes:?}");

    // Each walks, and the other sees him exactly where he sees himself.
    for name in ["Eva", "Wes"] {
        let (walker, watcher) = if name == "Eva" { (&mut eva, &mut wes) } else { (&mut wes, &mut eva) };
        let began = sees(watcher, name).unwrap();
        let (mut ended, mut moves) = (began, 0);
        for (dx, dy) in [(0.0, 1.0), (0.0, -1.0), (1.0, 0.0), (-1.0, 0.0)] {
            for _ in 0..10 {
                walker.move_towards(dx, dy).await;
                moves += 1;
                event(walker, "it is taken", |_, game| (game.view().acked == moves).then_some(())).await;
            }
            ended = sees(walker, name).unwrap();
            if ended != began {
                break;
            }
        }
        assert_ne!(began, ended, "{name} can walk somewhere");
        let stands = sees(walker, name);
        event(watcher, "he is seen where he stands", |_, game| (sees(game, name) == stands).then_some(()))
            .await;
    }

    let pid = cluster.serving(EAST).await[0]["pid"].as_u64().unwrap() as u32;
    signal(pid, "KILL");
    event(&mut wes, "Eva is gone", |_, game| sees(game, "Eva").is_none().then_some(())).await;
    event(&mut eva, "back", |event, _| matches!(event, Event::Back { .. }).then_some(())).await;
    event(&mut wes, "Eva is seen again", |_, game| sees(game, "Eva")).await;
    event(&mut eva, "Wes is seen again", |_, game| sees(game, "Wes")).await;
}

/// A process that stands still, and does not close its connections, loses its line, and has it again when it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_stands_still_loses_its_line() {
    let cluster = meadow(&["central.silence_s=600"]).await;
    let (west, west_one) = cluster.player("Wes", "meadow", Some("west")).await;
    let (east, east_one) = cluster.player("Eva", "meadow", Some("east")).await;
    let mut west = west.enter(west_one, EnterOptions::default()).await.unwrap();
    let _east = east.enter(east_one, EnterOptions::default()).await.unwrap();
    until_lines(&cluster).await;
    event(&mut west, "Eva is seen", |_, game| sees(game, "Eva")).await;
    let pid = cluster.serving(EAST).await[0]["pid"].as_u64().unwrap() as u32;
    signal(pid, "STOP");
    cluster
        .until("the west has noticed", || async {
            line(&cluster, WEST, EAST).await.is_some_and(|line| line["live"] == false && line["ghosts"] == 0)
        })
        .await;
    event(&mut west, "Eva is not seen any more", |_, game| sees(game, "Eva").is_none().then_some(())).await;
    signal(pid, "CONT");
    until_lines(&cluster).await;
    event(&mut west, "Eva is seen again", |_, game| sees(game, "Eva")).await;
}

/// What connects and is not the neighbour that central named, or not as it named it, is told why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_neighbour_has_a_line() {
    let cluster = meadow(&[]).await;
    let (west, west_one) = cluster.player("Wes", "meadow", Some("west")).await;
    let (east, east_one) = cluster.player("Eva", "meadow", Some("east")).await;
    let (other, other_one) = cluster.player("Otto", "moor", Some("west")).await;
    let _west = west.enter(west_one, EnterOptions::default()).await.unwrap();
    let _other = other.enter(other_one, EnterOptions::default()).await.unwrap();
    let _east = east.enter(east_one, EnterOptions::default()).await.unwrap();
    until_lines(&cluster).await;
    let find = async |area: &str| cluster.serving(area).await[0].clone();
    let (west, east, moor) = (find(WEST).await, find(EAST).await, find("moor/").await);
    // The one with the higher id is called, by one who shows what central alone could have signed.
    let (callee, caller, area) =
        if id_of(&west) > id_of(&east) { (&west, &east, EAST) } else { (&east, &west, WEST) };
    let seed = std::fs::read_to_string(cluster.data().join("keys/ticket.key")).unwrap();
    let seed: [u8; 32] = pangea_world::id::unhex(seed.trim()).unwrap().try_into().unwrap();
    let sign = |signer: &Signer, sub: &Value, exp: u64| {
        let (sub, aud) = (id_of(sub).to_string(), id_of(callee).to_string());
        signer.sign_credential(&Credential { sub, aud, exp })
    };
    let (central, stranger) = (Signer::from_seed(&seed), Signer::from_seed(&[3; 32]));
    let later = u64::from(u32::MAX);
    let good = PeerHello {
        version: PEER_VERSION,
        credential: sign(&central, caller, later),
        server: id_of(caller).to_vec(),
        area: area.to_owned(),
        epoch: 1,
        incarnation: 1,
    };
    let moor_area = moor["area"].as_str().unwrap().to_owned();
    for (what, hello, code) in [
        ("another version", PeerHello { version: 0, ..good.clone() }, "version_mismatch"),
        (
            "a stranger's",
            PeerHello { credential: sign(&stranger, caller, later), ..good.clone() },
            "key_wrong",
        ),
        (
            "an expired one",
            PeerHello { credential: sign(&central, caller, 1_000), ..good.clone() },
            "key_wrong",
        ),
        ("an older epoch", PeerHello { epoch: 0, ..good.clone() }, "stale_epoch"),
        ("an earlier life", PeerHello { incarnation: 0, ..good.clone() }, "stale_epoch"),
        ("another ground", PeerHello { area: "meadow/0,2..2,4/0".into(), ..good.clone() }, "not_neighbour"),
        (
            "one that lies elsewhere",
            PeerHello {
                credential: sign(&central, &moor, later),
                server: id_of(&moor).to_vec(),
                area: moor_area,
                ..good.clone()
            },
            "not_neighbour",
        ),
    ] {
        assert_eq!(ByHand::connect(callee).await.answer(&hello).await, code, "{what}");
    }
    until_lines(&cluster).await;
    assert!(
        !cluster.log().contains("the line to a neighbour is down"),
        "none of them disturbed the real one"
    );

    // One that stops in the middle keeps nobody from anything; the real one takes its line back.
    let mut taken = ByHand::connect(callee).await;
    assert_eq!(taken.answer(&good).await, "hello");
    taken.0.write_all(&[9, 0, 0, 0, 1, 2]).await.unwrap();
    drop(taken);
    until_lines(&cluster).await;
}
