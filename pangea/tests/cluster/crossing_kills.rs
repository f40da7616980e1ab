//! kill -9 around a border: whoever is prepared for it plays on, and goes over it in the end (docs/handoff.md;
//! scenario 7).

use pangea_client::{Closes, EnterOptions, Game};

use crate::crossing::{FOUR, PLAIN, Way, until, walk_to};
use crate::migration_kills::PATIENT;
use crate::support::{Cluster, event, signal};

const HERE: &str = "four/0,0..2,2";
const BEYOND: &str = "four/2,0..4,2";

/// One who stands at an open border; both servers run.
async fn at_the_border(cluster: &Cluster, name: &str) -> (Game, Way) {
    let (client, character) = cluster.player(name, "four", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    event(&mut game, "the first view", |_, game| game.me().map(|_| ())).await;
    let mut way = Way::default();
    // Over the line, but not over it by so much that he goes over: the border is open.
    walk_to(&mut game, &mut way, (64.5, 32.0)).await;
    (game, way)
}

async fn kill(cluster: &Cluster, area: &str) {
    let server = cluster.serving(area).await[0].clone();
    signal(server["pid"].as_u64().unwrap() as u32, "KILL");
}

async fn is_alone(cluster: &Cluster, game: &mut Game) {
    let seats = || async {
        let servers = cluster.serving("four/").await;
        servers.iter().filter_map(|server| server["seats"].as_u64()).sum::<u64>()
    };
    game.leave().await;
    cluster.until("nobody is anywhere", || async { seats().await == 0 }).await;
}

/// The neighbour dies while he stands before it: he plays on, and goes over when it is there again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_neighbour_dies_before_the_crossing() {
    let cluster = Cluster::with_worlds(&[("four", FOUR)], &[PLAIN]).await;
    let (mut game, mut way) = at_the_border(&cluster, "Anna").await;
    assert_eq!(game.closes(), &Closes::default());
    kill(&cluster, BEYOND).await;
    walk_to(&mut game, &mut way, (80.0, 32.0)).await;
    assert_eq!((way.lost, way.crossed.len()), (0, 1), "{way:?}");
    let closes = game.closes();
    assert_eq!((closes.live, closes.beside), (0, 1), "what is only seen counts too: {closes:?}");
    is_alone(&cluster, &mut game).await;
}

/// The owner dies while he stands at the border: he enters anew, and goes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_dies_before_the_crossing() {
    let cluster = Cluster::with_worlds(&[("four", FOUR)], &[PLAIN]).await;
    let (mut game, mut way) = at_the_border(&cluster, "Bodo").await;
    let epoch = game.epoch();
    kill(&cluster, HERE).await;
    until(&mut game, &mut way, "he plays again", |game, _| game.is_steering() && game.epoch() > epoch).await;
    walk_to(&mut game, &mut way, (80.0, 32.0)).await;
    assert_eq!(way.lost, 1, "{way:?}");
    is_alone(&cluster, &mut game).await;
}

/// Central dies while the border is open, and comes back: nobody is disconnected, and he goes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn central_dies_before_the_crossing() {
    let mut cluster = Cluster::with_worlds(&[("four", FOUR)], &[PLAIN]).await;
    let (mut game, mut way) = at_the_border(&cluster, "Carl").await;
    cluster.kill();
    // He stands beyond the line: his area freezes him and asks, and nobody answers.
    for _ in 0..10 {
        game.move_towards(1.0, 0.0).await;
    }
    cluster.run().await;
    cluster.until("both are adopted", || async { cluster.serving("four/").await.len() >= 2 }).await;
    walk_to(&mut game, &mut way, (80.0, 32.0)).await;
    assert_eq!((way.lost, way.crossed.len()), (0, 1), "{way:?}");
    is_alone(&cluster, &mut game).await;
}

/// The neighbour dies right as the character goes over: he plays again, in one place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_neighbour_dies_in_the_crossing() {
    let cluster = Cluster::with_worlds(&[("four", FOUR)], &[PLAIN]).await;
    let (mut game, mut way) = at_the_border(&cluster, "Dirk").await;
    let server = cluster.serving(BEYOND).await[0].clone();
    for _ in 0..4 {
        game.move_towards(1.0, 0.0).await;
    }
    signal(server["pid"].as_u64().unwrap() as u32, "KILL");
    until(&mut game, &mut way, "he plays", |game, _| game.is_steering() && game.me().is_some()).await;
    walk_to(&mut game, &mut way, (80.0, 32.0)).await;
    assert_eq!(game.area(), "four/2,0..4,2/0");
    is_alone(&cluster, &mut game).await;
}

/// He has stepped over the line; his owner, which nobody answers, stands still with him.
async fn steps_over(game: &mut Game) {
    for _ in 0..4 {
        game.move_towards(1.0, 0.0).await;
    }
    let nonce = game.ping().await;
    event(game, "it has heard that", |event, _| {
        matches!(event, pangea_client::Event::Pong(heard) if *heard == nonce).then_some(())
    })
    .await;
}

/// Central dies after the change of owner is written and before the new one has heard of it: he plays there, by the word
/// of the next central, or because his client has waited for it for too long and entered anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn central_dies_before_the_grant_is_heard() {
    let mut cluster = Cluster::with_worlds(&[("four", FOUR)], &PATIENT).await;
    let (mut game, mut way) = at_the_border(&cluster, "Emil").await;
    let target = cluster.serving(BEYOND).await[0]["pid"].as_u64().unwrap() as u32;
    signal(target, "STOP");
    steps_over(&mut game).await;
    let decided = || async { cluster.serving(HERE).await.iter().all(|server| server["seats"] == 0) };
    cluster.until("it is decided", decided).await;
    cluster.kill();
    signal(target, "CONT");
    cluster.run().await;
    let epoch = game.epoch();
    until(&mut game, &mut way, "he plays there", |game, _| {
        game.is_steering() && game.area() == "four/2,0..4,2/0" && game.me().is_some()
    })
    .await;
    assert!(game.epoch() > epoch);
    walk_to(&mut game, &mut way, (80.0, 32.0)).await;
    is_alone(&cluster, &mut game).await;
}

/// The owner dies while it stands still with him and waits for the word of central.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_dies_between_the_freeze_and_the_answer() {
    let cluster = Cluster::with_worlds(&[("four", FOUR)], &PATIENT).await;
    let (mut game, mut way) = at_the_border(&cluster, "Franz").await;
    let (source, epoch) = (cluster.serving(HERE).await[0]["pid"].as_u64().unwrap() as u32, game.epoch());
    signal(cluster.pid(), "STOP");
    steps_over(&mut game).await;
    signal(source, "KILL");
    signal(cluster.pid(), "CONT");
    until(&mut game, &mut way, "he plays again", |game, _| {
        game.is_steering() && game.epoch() > epoch && game.me().is_some()
    })
    .await;
    walk_to(&mut game, &mut way, (80.0, 32.0)).await;
    assert_eq!(game.area(), "four/2,0..4,2/0");
    is_alone(&cluster, &mut game).await;
}
