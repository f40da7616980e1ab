//! kill -9 while an area is split: it plays on as it was, or is restored; nobody is in two places or in none
//! (docs/handoff.md).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use pangea_client::{Client, EnterOptions, Game};
use pangea_world::id::CharacterId;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::crossing::{PLAIN, Way, until, walk_to};
use crate::migration_kills::{PATIENT, hears_of_it, lingers, play, told_to_stand_still};
use crate::support::{Cluster, request, signal};
use crate::wire::Wire;

/// One area of two cells on a plain; newcomers appear beside the line between them.
const TWO: &str = "kind = \"grid\"\nrules = [\"pve\"]\nlayers = 1\nview_m = 30\ncapacity = 16\n\
    [grid]\ncell_m = 64\narea_cells = 2\nspawn = { x = 62.0, y = 20.0 }\n\
    bounds = { x0 = 0, y0 = 0, x1 = 2, y1 = 1 }\n";
const WHOLE: &str = "one/0,0..2,1/0";
const HALVES: [&str; 2] = ["one/0,0..1,1/0", "one/1,0..2,1/0"];

/// One who walks to and fro over the line.
struct Playing {
    client: Client,
    character: CharacterId,
    over: Arc<AtomicBool>,
    lost: Arc<AtomicU32>,
    updates: Arc<AtomicU64>,
    task: JoinHandle<Option<Game>>,
}

impl Playing {
    async fn new(cluster: &Cluster) -> Self {
        let (client, character) = cluster.player("Ada", "one", None).await;
        let game = client.enter(character, EnterOptions::default()).await.unwrap();
        let (over, lost, updates) = <(Arc<AtomicBool>, Arc<AtomicU32>, Arc<AtomicU64>)>::default();
        let task = tokio::spawn(play(game, over.clone(), lost.clone(), updates.clone()));
        Self { client, character, over, lost, updates, task }
    }

    /// Whoever was thrown out enters anew. He walks over the line and back; then the area is split as if nothing had
    /// been.
    async fn plays(self, cluster: &Cluster) {
        self.over.store(true, Ordering::Relaxed);
        let mut game = match self.task.await.unwrap() {
            Some(game) => game,
            None => self.client.enter(self.character, EnterOptions::default()).await.unwrap(),
        };
        let mut way = Way::default();
        until(&mut game, &mut way, "he plays", |game, _| game.is_steering() && game.me().is_some()).await;
        for x in [70.0, 58.0] {
            walk_to(&mut game, &mut way, (x, 20.0)).await;
        }
        assert_eq!((way.lost, game.area()), (0, WHOLE), "{way:?}\n{}", cluster.log());
        // None but its own server is kept for it.
        cluster
            .until("one server", || async {
                let servers = cluster.servers().await;
                servers.iter().filter(|server| server["state"] == "Allocated").count() == 1
            })
            .await;
        let over = Arc::new(AtomicBool::new(false));
        let playing = tokio::spawn(play(game, over.clone(), self.lost.clone(), Arc::default()));
        let (status, text) = splits(cluster).await.unwrap();
        assert_eq!(status, 200, "{text}\n{}", cluster.log());
        over.store(true, Ordering::Relaxed);
        let mut game = playing.await.unwrap().expect("he went along");
        let mut way = Way::default();
        until(&mut game, &mut way, "he plays", |game, _| game.is_steering() && game.me().is_some()).await;
        for x in [70.0, 58.0] {
            walk_to(&mut game, &mut way, (x, 20.0)).await;
        }
        assert_eq!((way.lost, game.area()), (0, HALVES[0]), "{way:?}\n{}", cluster.log());
        game.leave().await;
    }
}

/// An order to split the area, under way; its answer.
fn splits(cluster: &Cluster) -> JoinHandle<(u16, String)> {
    let key = std::fs::read_to_string(cluster.data().join("keys/operator.key")).unwrap();
    let url = cluster.url.clone();
    tokio::spawn(async move {
        let wish = json!({ "reason": "test", "area": WHOLE }).to_string();
        let answer = request(&url, Method::POST, "/api/data/areas/split", key.trim(), Some(&wish)).await;
        answer.unwrap_or_default()
    })
}

async fn source(cluster: &Cluster) -> u32 {
    cluster.serving(WHOLE).await[0]["pid"].as_u64().unwrap() as u32
}

/// The processes of the parts.
async fn targets(cluster: &Cluster) -> Vec<u32> {
    let source = u64::from(source(cluster).await);
    let servers = cluster.servers().await;
    let others = servers.iter().filter(|server| server["state"] == "Allocated" && server["pid"] != source);
    others.map(|server| server["pid"].as_u64().unwrap() as u32).collect()
}

/// Up to where the other servers are ready and see the player, and the area plays: one who does not come keeps it so.
async fn begun(settings: &[&str]) -> (Cluster, Playing, Wire, JoinHandle<(u16, String)>) {
    let cluster = Cluster::with_worlds(&[("one", TWO)], settings).await;
    let player = Playing::new(&cluster).await;
    let mut lingers = lingers(&cluster).await;
    let answer = splits(&cluster);
    hears_of_it(&mut lingers).await;
    (cluster, player, lingers, answer)
}

/// As [`begun`], and central has said that the area is to stand still; its process is stopped and has not heard it.
async fn held() -> (Cluster, Playing, u32, JoinHandle<(u16, String)>) {
    let (cluster, player, _, answer) = begun(&PATIENT).await;
    // It has said where everybody stands by then.
    told_to_stand_still(&cluster).await;
    let source = source(&cluster).await;
    signal(source, "STOP");
    (cluster, player, source, answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_dies_before_it_is_split() {
    let (cluster, player, wire, answer) = begun(&[PLAIN]).await;
    drop(wire);
    signal(source(&cluster).await, "KILL");
    let (status, text) = answer.await.unwrap();
    assert!(status >= 400 && text.contains("area_unavailable"), "{status} {text}");
    player.plays(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_the_two_targets_dies_before_it_is_split() {
    let (cluster, player, mut wire, answer) = begun(&[PLAIN]).await;
    let targets = targets(&cluster).await;
    assert_eq!(targets.len(), 2);
    signal(targets[1], "KILL");
    let (status, text) = answer.await.unwrap();
    assert!(status >= 400 && text.contains("area_unavailable"), "{status} {text}");
    wire.flush().await;
    drop(wire);
    assert_eq!(player.lost.load(Ordering::Relaxed), 0, "his connection never broke\n{}", cluster.log());
    player.plays(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn central_dies_before_it_is_split() {
    let (mut cluster, player, mut wire, answer) = begun(&[PLAIN]).await;
    cluster.kill();
    let _ = answer.await;
    cluster.run().await;
    cluster.until("the area is adopted", || async { cluster.serving(WHOLE).await.len() == 1 }).await;
    wire.flush().await;
    drop(wire);
    assert_eq!(player.lost.load(Ordering::Relaxed), 0, "his connection never broke\n{}", cluster.log());
    player.plays(&cluster).await;
}

/// Whichever way it went, it is played on in one way: as a whole, or as two halves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn central_and_the_source_die_about_when_it_is_decided() {
    for (n, first) in ["source", "central", "target"].into_iter().enumerate() {
        let (mut cluster, player, source, answer) = held().await;
        let targets = targets(&cluster).await;
        signal(source, "CONT");
        // Sooner or later after its word is on its way.
        tokio::time::sleep(Duration::from_millis(5 * n as u64)).await;
        match first {
            "source" => signal(source, "KILL"),
            "central" => {
                cluster.kill();
                cluster.run().await;
            }
            _ => signal(targets[0], "KILL"),
        }
        let _ = answer.await;
        player.over.store(true, Ordering::Relaxed);
        let before = player.updates.load(Ordering::Relaxed);
        if let Some(mut game) = player.task.await.unwrap() {
            game.leave().await;
        }
        let mut way = Way::default();
        let mut game = player.client.enter(player.character, EnterOptions::default()).await.unwrap();
        until(&mut game, &mut way, "he plays", |game, _| game.is_steering() && game.me().is_some()).await;
        for x in [70.0, 58.0] {
            walk_to(&mut game, &mut way, (x, 20.0)).await;
        }
        let area = game.area().to_owned();
        assert!(before > 0 && [WHOLE, HALVES[0]].contains(&area.as_str()), "{first}: {area}");
        let running: Vec<String> = cluster
            .serving("one/")
            .await
            .iter()
            .map(|server| server["area"].as_str().unwrap_or_default().to_owned())
            .collect();
        let whole = running == [WHOLE];
        let halves = running.iter().all(|area| HALVES.contains(&area.as_str()));
        assert!(whole || halves, "{first}: {running:?}\n{}", cluster.log());
        game.leave().await;
    }
}
