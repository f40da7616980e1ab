//! kill -9 in the middle of a move from one area server to the other: the character is on exactly one of
//! them in the end, and can go on (docs/handoff.md; scenario 7).

use pangea_client::{Client, EnterOptions, Event};
use pangea_world::frames::{ClientMessage, Entry, ServerMessage, Welcome, close};
use pangea_world::id::CharacterId;

use crate::migration_kills::PATIENT;
use crate::support::{Cluster, event, signal};
use crate::wire::{Heard, Wire};

const TWO: &str = "kind = \"maps\"\nrules = [\"pve\"]\ngrace_s = 600\nlayers = 1\n\
    [maps]\nspawn = { map = \"here\", x = 16.0, y = 16.0 }\nspawn_maps = [\"here\", \"there\"]\n\
    [[map]]\nid = \"here\"\nwidth_m = 64\nheight_m = 64\n\
    [[map]]\nid = \"there\"\nwidth_m = 64\nheight_m = 64\n";

/// One who is here, and for whom there is prepared.
struct Mover {
    client: Client,
    character: CharacterId,
    here: Wire,
    welcome: Welcome,
    url: String,
    ticket: String,
}

impl Mover {
    async fn new(cluster: &Cluster, name: &str) -> Self {
        let (client, character) = cluster.player(name, "two", None).await;
        cluster.until("both run", || async { cluster.serving("two/").await.len() == 2 }).await;
        let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
        let (here, welcome) = Wire::enter(&prepared.url, &prepared.ticket).await;
        let mut mover = Self { client, character, here, welcome, url: String::new(), ticket: String::new() };
        mover.ask().await;
        mover
    }

    async fn ask(&mut self) {
        let wish = ClientMessage::GoOn {
            world: String::new(),
            map: "there".into(),
            layer: None,
            rule: String::new(),
            friend: String::new(),
        };
        self.here.say(wish).await;
        (self.url, self.ticket) = self
            .here
            .until("an offer", |message| match message {
                ServerMessage::Follow { url, ticket, .. } => Some((url.clone(), ticket.clone())),
                ServerMessage::Refused(refusal) => panic!("refused: {refusal}"),
                _ => None,
            })
            .await;
    }

    /// Follows, and waits until he is steered there.
    async fn goes(mut self) -> Wire {
        let (mut there, welcome) = Wire::enter(&self.url, &self.ticket).await;
        if !welcome.steering {
            there
                .until("steer", |message| matches!(message, ServerMessage::Steer { .. }).then_some(()))
                .await;
        }
        assert_eq!(self.here.end().await.1, Some(close::MOVED));
        there
    }
}

async fn kill(cluster: &Cluster, area: &str) -> String {
    let server = cluster.serving(area).await[0].clone();
    signal(server["pid"].as_u64().unwrap() as u32, "KILL");
    server["server"].as_str().unwrap().to_owned()
}

async fn replaced(cluster: &Cluster, area: &str, before: &str) {
    cluster
        .until("another one has the area", || async {
            cluster
                .serving(area)
                .await
                .iter()
                .any(|server| server["server"] != before && server["state"] == "Allocated")
        })
        .await;
}

async fn seats(cluster: &Cluster) -> Vec<(String, u64)> {
    let seat = |server: serde_json::Value| {
        (server["area"].as_str().unwrap().to_owned(), server["seats"].as_u64().unwrap())
    };
    let mut seats: Vec<_> =
        cluster.serving("two/").await.into_iter().map(seat).filter(|(_, n)| *n > 0).collect();
    seats.sort();
    seats
}

async fn is_alone_at(cluster: &Cluster, area: &str) {
    cluster.until(area, || async { seats(cluster).await == [(area.to_owned(), 1)] }).await;
}

/// The target dies before the client gets there: he stays where he is, plays on, and can go again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_dies_before_the_client_comes() {
    let cluster = Cluster::with_worlds(&[("two", TWO)], &["central.seat_hold_s=2"]).await;
    let mut mover = Mover::new(&cluster, "Anna").await;
    let dead = kill(&cluster, "two/there").await;
    replaced(&cluster, "two/there", &dead).await;
    mover.here.walk(1.0, 0.0).await;
    let me = mover.welcome.me;
    mover
        .here
        .until("he walks here", |message| match message {
            ServerMessage::Update(update) => {
                update.moved.iter().any(|(id, ..)| *id == u32::from(me)).then_some(())
            }
            _ => None,
        })
        .await;
    is_alone_at(&cluster, "two/here/0").await;
    mover.ask().await;
    let mut there = mover.goes().await;
    there.flush().await;
    is_alone_at(&cluster, "two/there/0").await;
}

/// The target dies while the client is connected there and only sees: as above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_dies_just_when_the_client_comes() {
    let cluster = Cluster::with_worlds(&[("two", TWO)], &["central.seat_hold_s=2"]).await;
    let mut mover = Mover::new(&cluster, "Bodo").await;
    let server = cluster.serving("two/there").await[0].clone();
    let mut there = Wire::knock(&mover.url, Entry::Ticket(mover.ticket.clone())).await;
    signal(server["pid"].as_u64().unwrap() as u32, "KILL");
    let _ = there.end().await;
    replaced(&cluster, "two/there", server["server"].as_str().unwrap()).await;
    // Either the move was made, and he is nowhere until he enters again; or it was not, and he is here.
    let moved = loop {
        mover.here.say(ClientMessage::Ping { nonce: 9 }).await;
        match mover.here.next().await {
            Heard::Closed(_) => break true,
            Heard::Said(ServerMessage::Switch { .. }) => break true,
            Heard::Said(ServerMessage::Steer { .. }) => break false,
            Heard::Said(ServerMessage::Pong { .. })
                if seats(&cluster).await == [("two/here/0".to_owned(), 1)] =>
            {
                break false;
            }
            Heard::Said(_) => {}
        }
    };
    if moved {
        let prepared = mover.client.prepare(mover.character, &EnterOptions::default()).await.unwrap();
        let (mut wire, _) = Wire::enter(&prepared.url, &prepared.ticket).await;
        wire.sees("Bodo").await;
        is_alone_at(&cluster, &prepared.area).await;
    } else {
        is_alone_at(&cluster, "two/here/0").await;
        mover.ask().await;
        mover.goes().await.flush().await;
        is_alone_at(&cluster, "two/there/0").await;
    }
}

/// The target dies as soon as it has him: he is nowhere until he enters anew, and is there once then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_dies_right_after_it_has_him() {
    let cluster = Cluster::with_worlds(&[("two", TWO)], &["central.seat_hold_s=2"]).await;
    let mover = Mover::new(&cluster, "Emil").await;
    let (client, character) = (mover.client.clone(), mover.character);
    let mut there = mover.goes().await;
    let dead = kill(&cluster, "two/there").await;
    let _ = there.end().await;
    replaced(&cluster, "two/there", &dead).await;
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    assert_eq!(prepared.area, "two/there/0");
    let (mut wire, _) = Wire::enter(&prepared.url, &prepared.ticket).await;
    wire.sees("Emil").await;
    is_alone_at(&cluster, "two/there/0").await;
}

/// The source dies right after its offer: whoever had it offered gets in somewhere, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_dies_right_after_its_offer() {
    let cluster = Cluster::with_worlds(&[("two", TWO)], &["central.seat_hold_s=2"]).await;
    let (client, character) = cluster.player("Carl", "two", None).await;
    cluster.until("both run", || async { cluster.serving("two/").await.len() == 2 }).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    event(&mut game, "the first view", |_, game| game.me().map(|_| ())).await;
    game.follows = false;
    game.go_on(None, Some("there"), None).await;
    event(&mut game, "an offer", |event, _| matches!(event, Event::Offered).then_some(())).await;
    let dead = kill(&cluster, "two/here").await;
    game.follow();
    event(&mut game, "he plays again", |event, game| {
        (matches!(event, Event::Moved { .. } | Event::Back { .. }) && game.is_steering()).then_some(())
    })
    .await;
    replaced(&cluster, "two/here", &dead).await;
    event(&mut game, "the view", |_, game| game.me().map(|_| ())).await;
    let area = game.area().to_owned();
    is_alone_at(&cluster, &area).await;
    // He is owned there: what he does is written, and he can leave.
    game.leave().await;
    cluster.until("he has left", || async { seats(&cluster).await.is_empty() }).await;
    client.enter(character, EnterOptions::default()).await.expect("and comes again");
}

/// Central dies right after the offer and is started again: he stays here, or goes there; nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn central_dies_between_the_offer_and_the_arrival() {
    let mut cluster = Cluster::with_worlds(&[("two", TWO)], &["central.seat_hold_s=2"]).await;
    let mut mover = Mover::new(&cluster, "Dirk").await;
    cluster.kill();
    // He shows his ticket while nobody decides; it is decided when central is back, or he asks anew.
    let (mut there, _) = Wire::enter(&mover.url, &mover.ticket).await;
    mover.here.flush().await;
    cluster.run().await;
    cluster.until("both are adopted", || async { cluster.serving("two/").await.len() == 2 }).await;
    let steered = loop {
        match there.next().await {
            Heard::Said(ServerMessage::Steer { .. }) => break true,
            Heard::Closed(_) => break false,
            Heard::Said(_) => {}
        }
    };
    if steered {
        is_alone_at(&cluster, "two/there/0").await;
    } else {
        is_alone_at(&cluster, "two/here/0").await;
        mover.ask().await;
        mover.goes().await.flush().await;
        is_alone_at(&cluster, "two/there/0").await;
    }
}

/// The source dies while it stands still with him: it was told to let him go, and nobody has answered its word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_dies_between_the_seal_and_the_answer() {
    let cluster = Cluster::with_worlds(&[("two", TWO)], &PATIENT).await;
    let mover = Mover::new(&cluster, "Fred").await;
    let source = cluster.serving("two/here").await[0].clone();
    let pid = source["pid"].as_u64().unwrap() as u32;
    signal(pid, "STOP");
    let (mut there, _) = Wire::enter(&mover.url, &mover.ticket).await;
    there.flush().await;
    // What it is told lies before it; what it says then lies before central.
    cluster.servers().await;
    signal(cluster.pid(), "STOP");
    signal(pid, "CONT");
    let mut here = mover.here;
    here.flush().await;
    signal(pid, "KILL");
    signal(cluster.pid(), "CONT");
    replaced(&cluster, "two/here", source["server"].as_str().unwrap()).await;
    let steered = loop {
        match there.next().await {
            Heard::Said(ServerMessage::Steer { .. }) => break true,
            Heard::Closed(_) => break false,
            Heard::Said(_) => {}
        }
    };
    if steered {
        is_alone_at(&cluster, "two/there/0").await;
        return;
    }
    let prepared = mover.client.prepare(mover.character, &EnterOptions::default()).await.unwrap();
    let (mut wire, _) = Wire::enter(&prepared.url, &prepared.ticket).await;
    wire.sees("Fred").await;
    is_alone_at(&cluster, &prepared.area).await;
}
