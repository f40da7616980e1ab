//! kill -9 while an area goes to another server, and a write that is refused: the source plays on, or the area is
//! restored; nobody is in two places or in none (docs/handoff.md).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use pangea_client::{Client, EnterOptions, Event, Game};
use pangea_world::frames::ServerMessage;
use pangea_world::id::CharacterId;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::crossing::{PLAIN, Way, until, walk_to};
use crate::migration::{AREA, ONE};
use crate::storage::{fill, needs};
use crate::support::{Cluster, request, signal};
use crate::wire::Wire;

/// A stopped process is not taken for dead.
pub const PATIENT: [&str; 4] =
    [PLAIN, "central.silence_s=600", "spawner.health_timeout_s=600", "central.seat_hold_s=2"];

/// One who plays all the time, and so follows.
struct Playing {
    client: Client,
    character: CharacterId,
    over: Arc<AtomicBool>,
    lost: Arc<AtomicU32>,
    updates: Arc<AtomicU64>,
    task: JoinHandle<Option<Game>>,
}

impl Playing {
    async fn new(cluster: &Cluster, name: &str) -> Self {
        let (client, character) = cluster.player(name, "one", None).await;
        let game = client.enter(character, EnterOptions::default()).await.unwrap();
        let (over, lost, updates) = <(Arc<AtomicBool>, Arc<AtomicU32>, Arc<AtomicU64>)>::default();
        let task = tokio::spawn(play(game, over.clone(), lost.clone(), updates.clone()));
        Self { client, character, over, lost, updates, task }
    }

    /// Whoever was thrown out enters anew; and walks.
    async fn plays(self, cluster: &Cluster, walks_to: (f64, f64)) -> Game {
        self.over.store(true, Ordering::Relaxed);
        let mut game = match self.task.await.unwrap() {
            Some(game) => game,
            None => self.client.enter(self.character, EnterOptions::default()).await.unwrap(),
        };
        let mut way = Way::default();
        until(&mut game, &mut way, "he plays", |game, _| game.is_steering() && game.me().is_some()).await;
        walk_to(&mut game, &mut way, walks_to).await;
        assert_eq!(way.lost, 0);
        assert_eq!(game.area(), AREA, "{}", cluster.log());
        game
    }
}

/// `None`: it ended.
pub async fn play(
    mut game: Game,
    over: Arc<AtomicBool>,
    lost: Arc<AtomicU32>,
    updates: Arc<AtomicU64>,
) -> Option<Game> {
    let mut step = tokio::time::interval(Duration::from_millis(50));
    let mut n = 0;
    while !over.load(Ordering::Relaxed) {
        tokio::select! {
            event = game.next_event() => match event? {
                Event::Lost => drop(lost.fetch_add(1, Ordering::Relaxed)),
                Event::Updated { .. } => drop(updates.fetch_add(1, Ordering::Relaxed)),
                Event::Ended(_) => return None,
                _ => {}
            },
            _ = step.tick() => {
                n += 1;
                if game.is_steering() {
                    game.move_towards(if n % 40 < 20 { 0.5 } else { -0.5 }, 0.0).await;
                }
            }
        }
    }
    Some(game)
}

/// An order to move the area, under way; its answer.
fn moves(cluster: &Cluster) -> JoinHandle<(u16, String)> {
    let key = std::fs::read_to_string(cluster.data().join("keys/operator.key")).unwrap();
    let url = cluster.url.clone();
    tokio::spawn(async move {
        let wish = json!({ "reason": "test", "area": AREA }).to_string();
        let answer = request(&url, Method::POST, "/api/data/areas/migrate", key.trim(), Some(&wish)).await;
        answer.unwrap_or_default()
    })
}

/// The process that has the area.
async fn source(cluster: &Cluster) -> u32 {
    cluster.serving(AREA).await[0]["pid"].as_u64().unwrap() as u32
}

/// The process to which it is to go.
async fn target(cluster: &Cluster) -> u32 {
    let source = u64::from(source(cluster).await);
    let servers = cluster.servers().await;
    let other = servers.iter().find(|server| server["state"] == "Allocated" && server["pid"] != source);
    other.expect("another one is made ready")["pid"].as_u64().unwrap() as u32
}

/// One who hears of the other server and does not go there: so the area stands still only 5 s later.
pub async fn lingers(cluster: &Cluster) -> Wire {
    let (client, character) = cluster.player("Lingers", "one", None).await;
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    Wire::enter(&prepared.url, &prepared.ticket).await.0
}

pub async fn hears_of_it(wire: &mut Wire) {
    wire.until("the other server", |message| matches!(message, ServerMessage::Beside { .. }).then_some(()))
        .await;
}

/// Waits until one process has the area and no other one is kept for it; and these players are inside.
async fn settled(cluster: &Cluster, players: u64) {
    cluster
        .until("one server, and all in it", || async {
            let servers = cluster.servers().await;
            let given = servers.iter().filter(|server| server["state"] == "Allocated").count();
            let serving = cluster.serving(AREA).await;
            given == 1 && serving.len() == 1 && serving[0]["seats"] == players
        })
        .await;
}

/// Central has told the area to stand still: nobody can enter it.
pub async fn told_to_stand_still(cluster: &Cluster) {
    cluster
        .until("the area stands still", || async {
            let status: Result<Value, _> = cluster.client().call(Method::GET, "/api/status", None).await;
            status.is_ok_and(|status| status["areas"] == 0)
        })
        .await;
}

/// Waits until a player who walks is shown nothing new for so long that his area cannot be in play.
async fn stands_still(player: &Playing) {
    let mut before = u64::MAX;
    loop {
        let now = player.updates.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Up to where the other server is ready and sees the player, and the area plays.
async fn begun(settings: &[&str]) -> (Cluster, Playing, Wire, JoinHandle<(u16, String)>) {
    let cluster = Cluster::with_worlds(&[("one", ONE)], settings).await;
    let player = Playing::new(&cluster, "Ada").await;
    let mut lingers = lingers(&cluster).await;
    let answer = moves(&cluster);
    hears_of_it(&mut lingers).await;
    (cluster, player, lingers, answer)
}

/// As [`begun`], and central has said that the area is to stand still; its process is stopped and has not heard it.
async fn held() -> (Cluster, Playing, u32, JoinHandle<(u16, String)>) {
    let (cluster, player, _, answer) = begun(&PATIENT).await;
    let source = source(&cluster).await;
    signal(source, "STOP");
    told_to_stand_still(&cluster).await;
    (cluster, player, source, answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_dies_before_it_stands_still() {
    let (cluster, player, wire, answer) = begun(&[PLAIN]).await;
    drop(wire);
    signal(source(&cluster).await, "KILL");
    let (status, text) = answer.await.unwrap();
    assert!(status >= 400 && text.contains("area_unavailable"), "{status} {text}");
    player.plays(&cluster, (25.0, 25.0)).await.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_dies_before_the_source_stands_still() {
    let (cluster, player, mut wire, answer) = begun(&[PLAIN]).await;
    signal(target(&cluster).await, "KILL");
    let (status, text) = answer.await.unwrap();
    assert!(status >= 400 && text.contains("area_unavailable"), "{status} {text}");
    wire.flush().await;
    let lost = player.lost.clone();
    let mut game = player.plays(&cluster, (25.0, 25.0)).await;
    assert_eq!(lost.load(Ordering::Relaxed), 0, "his connection never broke\n{}", cluster.log());
    settled(&cluster, 2).await;
    // And it can be moved.
    game.leave().await;
    drop(wire);
    let (status, text) = moves(&cluster).await.unwrap();
    assert_eq!(status, 200, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn central_dies_before_the_source_stands_still() {
    let (mut cluster, player, mut wire, answer) = begun(&[PLAIN]).await;
    cluster.kill();
    let _ = answer.await;
    cluster.run().await;
    cluster.until("the area is adopted", || async { cluster.serving(AREA).await.len() == 1 }).await;
    // The other server, which owned nothing, ends.
    settled(&cluster, 2).await;
    wire.flush().await;
    let lost = player.lost.clone();
    player.plays(&cluster, (25.0, 25.0)).await;
    assert_eq!(lost.load(Ordering::Relaxed), 0, "his connection never broke\n{}", cluster.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_dies_as_it_is_to_stand_still() {
    let (cluster, player, source, answer) = held().await;
    signal(source, "KILL");
    let (status, text) = answer.await.unwrap();
    assert!(status >= 400, "{status} {text}");
    let mut game = player.plays(&cluster, (25.0, 25.0)).await;
    settled(&cluster, 1).await;
    game.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_dies_as_the_source_is_to_stand_still() {
    let (cluster, player, source, answer) = held().await;
    signal(target(&cluster).await, "KILL");
    let (status, text) = answer.await.unwrap();
    assert!(status >= 400 && text.contains("has ended"), "{status} {text}");
    signal(source, "CONT");
    let lost = player.lost.clone();
    player.plays(&cluster, (25.0, 25.0)).await;
    assert_eq!(lost.load(Ordering::Relaxed), 0, "his connection never broke\n{}", cluster.log());
    settled(&cluster, 1).await;
}

/// Central is stopped first: so the area stands still, and its word is not heard before central dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn central_dies_as_the_source_stands_still() {
    let (mut cluster, player, source, answer) = held().await;
    signal(cluster.pid(), "STOP");
    signal(source, "CONT");
    stands_still(&player).await;
    cluster.kill();
    let _ = answer.await;
    cluster.run().await;
    cluster.until("the area is adopted", || async { cluster.serving(AREA).await.len() == 1 }).await;
    let lost = player.lost.clone();
    player.plays(&cluster, (25.0, 25.0)).await;
    assert_eq!(lost.load(Ordering::Relaxed), 0, "his connection never broke\n{}", cluster.log());
    settled(&cluster, 1).await;
}

/// The other server owns the area, and dies before it has taken it over: the area comes back from its checkpoint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_dies_between_the_change_of_owner_and_taking_over() {
    let (cluster, player, source, answer) = held().await;
    let target = target(&cluster).await;
    signal(target, "STOP");
    signal(source, "CONT");
    let has_it = || async {
        let serving = cluster.serving(AREA).await;
        serving.first().is_some_and(|server| server["pid"] == u64::from(target))
    };
    cluster.until("the other one is its owner", has_it).await;
    signal(target, "KILL");
    let _ = answer.await.unwrap();
    let is_out = || async { player.lost.load(Ordering::Relaxed) > 0 || player.task.is_finished() };
    cluster.until("he is thrown out", is_out).await;
    let mut game = player.plays(&cluster, (25.0, 25.0)).await;
    settled(&cluster, 1).await;
    game.leave().await;
}

/// He gives inputs while nobody has the area, more than would be allowed at once: each of them is taken, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inputs_while_the_area_stands_still_are_all_taken() {
    let cluster = Cluster::with_worlds(&[("one", ONE)], &PATIENT).await;
    let (client, character) = cluster.player("Ada", "one", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    let mut way = Way::default();
    until(&mut game, &mut way, "he plays", |game, _| game.is_steering() && game.me().is_some()).await;
    let x_cm = game.me().unwrap().x_cm;
    let (tell, mut told) = tokio::sync::mpsc::channel::<u32>(1);
    let playing = tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                steps = told.recv() => match steps {
                    Some(steps) => for _ in 0..steps { game.move_towards(1.0, 0.0).await },
                    None => return game,
                },
                event = game.next_event() => match event {
                    Some(Event::Lost | Event::Refused(_)) | None => panic!("{event:?}"),
                    _ => {}
                },
            }
        }
    });
    let mut lingers = lingers(&cluster).await;
    let answer = moves(&cluster);
    hears_of_it(&mut lingers).await;
    let source = source(&cluster).await;
    signal(source, "STOP");
    told_to_stand_still(&cluster).await;
    tell.send(20).await.unwrap();
    // It has given them as soon as it listens again.
    tell.send(0).await.unwrap();
    signal(source, "CONT");
    let (status, text) = answer.await.unwrap();
    assert_eq!(status, 200, "{text}");
    drop(tell);
    let mut game = playing.await.unwrap();
    until(&mut game, &mut way, "all 20 are taken", |game, _| {
        game.view().acked >= 20 && game.me().is_some_and(|me| me.x_cm >= x_cm + 500)
    })
    .await;
    assert_eq!(game.me().map(|me| me.x_cm), Some(x_cm + 500), "none twice");
    assert_eq!((way.lost, way.shut.len()), (0, 0), "{way:?}");
    game.leave().await;
}

/// He logs out just as the area stands still: whoever has the area afterwards lets him go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_while_the_area_stands_still_counts() {
    let (cluster, player, source, answer) = held().await;
    player.client.logout().await.unwrap();
    signal(source, "CONT");
    let (status, text) = answer.await.unwrap();
    assert_eq!(status, 200, "{text}");
    assert!(player.task.await.unwrap().is_none(), "his login has ended, and his game too");
    settled(&cluster, 0).await;
    let again = cluster.client();
    again.login("Ada", "correct horse battery").await.unwrap();
    again.enter(player.character, EnterOptions::default()).await.expect("he comes again");
}

/// The disk is full as the change of owner is to be written: the area plays on where it is; with room it moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_cannot_be_written_leaves_the_area_where_it_is() {
    needs("unshare", "--version");
    let mut cluster = Cluster::prepare(&[("one", ONE)], &[PLAIN]);
    cluster.own_disk("", 24);
    cluster.run().await;
    let player = Playing::new(&cluster, "Ada").await;
    let mut wire = lingers(&cluster).await;
    let before = source(&cluster).await;
    let ballast = cluster.data().join("ballast");
    // Once the other server is there: its spawner needs room too.
    let answer = moves(&cluster);
    hears_of_it(&mut wire).await;
    fill(&ballast, 0);
    let (status, text) = answer.await.unwrap();
    assert!(status >= 400, "{status} {text}");
    std::fs::remove_file(&ballast).unwrap();
    wire.flush().await;
    assert_eq!(source(&cluster).await, before);
    let lost = player.lost.clone();
    let game = player.plays(&cluster, (25.0, 25.0)).await;
    assert_eq!(lost.load(Ordering::Relaxed), 0, "his connection never broke\n{}", cluster.log());
    settled(&cluster, 2).await;
    let over = Arc::new(AtomicBool::new(false));
    let playing = tokio::spawn(play(game, over.clone(), lost.clone(), Arc::default()));
    let answer = moves(&cluster);
    hears_of_it(&mut wire).await;
    fill(&ballast, 0);
    told_to_stand_still(&cluster).await;
    std::fs::remove_file(&ballast).unwrap();
    let (status, text) = answer.await.unwrap();
    assert_eq!(status, 200, "there was room again in time: {text}");
    over.store(true, Ordering::Relaxed);
    playing.await.unwrap().expect("he went along").leave().await;
    assert_ne!(source(&cluster).await, before);
    assert_eq!(lost.load(Ordering::Relaxed), 0, "his connection never broke\n{}", cluster.log());
    // Who did not come along has left, where he stood.
    settled(&cluster, 0).await;
}
