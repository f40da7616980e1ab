//! A running area is split in two and becomes one again: who plays there notices nothing (G.5, C.8-C.10).

use http::Method;
use pangea_client::{EnterOptions, Event, Game};
use pangea_world::frames::tile;
use serde_json::{Value, json};

use crate::checkpoints::{Tile, fell, kind_of};
use crate::crossing::{PLAIN, Way, take, walk_to};
use crate::goods::{back, bag, durable, grant, has, see, things, walk};
use crate::support::{Cluster, signal};

/// One area of 128 m on a plain, in four cells; a player who stands in the east needs no invitation to the west.
pub const WIDE: &str = "kind = \"grid\"\nrules = [\"pve\"]\nlayers = 1\nview_m = 16\ncapacity = 16\n\
    [grid]\ncell_m = 64\narea_cells = 2\nspawn = { x = 20.0, y = 20.0 }\n\
    bounds = { x0 = 0, y0 = 0, x1 = 2, y1 = 2 }\n";

/// Its only area, and its halves.
pub const WHOLE: &str = "wide/0,0..2,2/0";
pub const HALVES: [&str; 2] = ["wide/0,0..1,2/0", "wide/1,0..2,2/0"];

pub async fn split(cluster: &Cluster, area: &str) -> Value {
    let wish = json!({ "reason": "test", "area": area });
    cluster.operate(Method::POST, "/api/data/areas/split", wish).await
}

pub async fn merge(cluster: &Cluster, areas: [&str; 2]) -> Value {
    let wish = json!({ "reason": "test", "areas": areas });
    cluster.operate(Method::POST, "/api/data/areas/merge", wish).await
}

/// The areas that run, sorted.
pub async fn areas(cluster: &Cluster) -> Vec<String> {
    let serving = cluster.serving("wide/").await;
    let mut areas: Vec<String> =
        serving.iter().map(|server| server["area"].as_str().unwrap_or_default().to_owned()).collect();
    areas.sort();
    areas
}

/// Walks to and fro until this is done.
async fn pace(
    game: &mut Game,
    way: &mut Way,
    between: [(f64, f64); 2],
    done: impl Future<Output = Value>,
) -> Value {
    tokio::pin!(done);
    loop {
        for to in between {
            tokio::select! {
                biased;
                value = &mut done => return value,
                () = walk_to(game, way, to) => {}
            }
        }
    }
}

/// Ada walks to and fro over the line along which it is cut, Bob stands in the east; then they are together again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_area_is_split_and_becomes_one_under_the_feet_of_its_players() {
    let cluster = Cluster::with_worlds(&[("wide", WIDE)], &[PLAIN]).await;
    let (ada, ada_id) = cluster.player("Ada", "wide", None).await;
    let (bob, bob_id) = cluster.player("Bob", "wide", None).await;
    let mut walker = ada.enter(ada_id, EnterOptions::default()).await.unwrap();
    let mut watcher = bob.enter(bob_id, EnterOptions::default()).await.unwrap();
    let (mut way, mut other) = (Way::default(), Way::default());
    walk_to(&mut watcher, &mut other, (86.0, 40.0)).await;
    walk_to(&mut walker, &mut way, (60.0, 40.0)).await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let watching = tokio::spawn(async move {
        let mut met = Vec::new();
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => return (watcher, met),
                event = watcher.next_event() => match event.expect("he plays on") {
                    Event::Crossed { to, .. } => met.push(to),
                    Event::Lost => met.push("lost".to_owned()),
                    _ => {}
                }
            }
        }
    });
    let line = [(70.0, 40.0), (60.0, 40.0)];
    let answer = pace(&mut walker, &mut way, line, split(&cluster, WHOLE)).await;
    let names = |answer: &Value| -> Vec<String> {
        let areas = answer["areas"].as_array().unwrap_or_else(|| panic!("{answer}"));
        areas.iter().map(|area| area["area"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (names(&answer), &answer["left"]),
        (HALVES.map(str::to_owned).to_vec(), &json!(0)),
        "{answer}"
    );
    let players: u64 =
        answer["areas"].as_array().unwrap().iter().map(|area| area["players"].as_u64().unwrap()).sum();
    assert_eq!(players, 2, "{answer}");
    assert_eq!(areas(&cluster).await, HALVES);
    // Over the new border and back, to the other one.
    for to in [(58.0, 40.0), (70.0, 40.0), (58.0, 44.0), (72.0, 40.0)] {
        walk_to(&mut walker, &mut way, to).await;
    }
    assert_eq!(way.lost, 0, "{way:?}");
    assert!(way.crossed.len() >= 3, "{way:?}");
    see(&mut walker, "Bob", |game| game.entities().values().any(|entity| entity.name == "Bob").then_some(()))
        .await;
    let answer = pace(&mut walker, &mut way, line, merge(&cluster, HALVES)).await;
    assert_eq!((names(&answer), &answer["left"]), (vec![WHOLE.to_owned()], &json!(0)), "{answer}");
    assert_eq!(answer["areas"][0]["players"], 2, "{answer}");
    assert_eq!(areas(&cluster).await, [WHOLE]);
    walk_to(&mut walker, &mut way, (58.0, 40.0)).await;
    walk_to(&mut walker, &mut way, (70.0, 40.0)).await;
    assert_eq!(way.lost, 0, "{way:?}");
    let last = way.crossed.iter().position(|to| to == WHOLE);
    assert_eq!(last, Some(way.crossed.len() - 1), "there is no border any more: {way:?}");
    stop.send(()).unwrap();
    let (mut watcher, met) = watching.await.unwrap();
    assert_eq!(met, [HALVES[1], WHOLE]);
    walker.leave().await;
    watcher.leave().await;
}

/// The Wilds without creatures in one area of four cells; newcomers appear in the middle.
const WOODS: &str = "kind = \"grid\"\nseed = 7\nrules = [\"pve\"]\nlayers = 1\ncapacity = 16\ncreatures = false\n\
    [grid]\ncell_m = 64\narea_cells = 2\nspawn = { x = 64.0, y = 64.0 }\n\
    bounds = { x0 = 0, y0 = 0, x1 = 2, y1 = 2 }\n";

/// The heaps in view, as places in decimetres.
fn heaps(game: &Game) -> Vec<(i64, i64)> {
    let part = |metres: f64| (metres * 10.0).round() as i64;
    let mut heaps: Vec<_> = things(game, "heap").iter().map(|(_, at)| (part(at.0), part(at.1))).collect();
    heaps.sort_unstable();
    heaps
}

/// Does this while the game is played: its client follows.
async fn playing<T>(game: &mut Game, does: impl Future<Output = T>) -> T {
    tokio::pin!(does);
    loop {
        tokio::select! {
            done = &mut does => return done,
            event = game.next_event() => assert!(event.is_some(), "he plays on"),
        }
    }
}

/// What lay there lies there, once, and what was felled is felled, here or beyond the border.
async fn all_is_there(game: &mut Game, lie: &[(i64, i64)], felled: Tile, areas: &[&str], when: &str) {
    // What is asked of a server that lets go is not answered.
    see(game, when, |game| (areas.contains(&game.area()) && game.is_steering()).then_some(())).await;
    see(game, when, |game| (heaps(game) == lie).then_some(())).await;
    let mut tries = 0;
    while matches!(kind_of(game, felled).await, tile::TREE | tile::ROCK) {
        tries += 1;
        assert!(tries < 200, "{when}: it stands again");
        game.move_towards(0.0, 0.1).await;
        take(game, &mut Way::default()).await;
    }
    see(game, when, |game| (heaps(game) == lie).then_some(())).await;
}

/// Two heaps, one on each side, and a tree: split, both halves killed, everything started anew, and one again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_and_what_is_felled_is_on_its_side_once() {
    let mut cluster = Cluster::with_worlds(&[("wide", WOODS)], &[]).await;
    let (client, character) = cluster.player("Wanda", "wide", None).await;
    let goods = json!([{ "template": "wood", "quantity": 10, "most": 20 }]);
    grant(&cluster, character, json!({ "reason": "a test", "goods": goods })).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    let wood = |count: u32| move |game: &Game| bag(game).filter(|bag| has(bag, 0) == count);
    see(&mut game, "the wood", wood(10)).await;
    for (x, left) in [(58.5, 9), (69.5, 8)] {
        walk(&mut game, (x, 64.5), 0.3).await;
        let slot = bag(&game).expect("a bag").slots[0];
        game.act("Drop", &json!({ "slot": slot, "count": 1 })).await.expect("known");
        see(&mut game, "the rest", wood(left)).await;
    }
    see(&mut game, "two heaps", |game| (heaps(game).len() == 2).then_some(())).await;
    let lie = heaps(&game);
    assert!(lie[0].0 < 640 && lie[1].0 > 640, "{lie:?}");
    // Where nothing happens nothing is told.
    game.move_towards(0.0, 0.5).await;
    let (felled, _) = fell(&mut game).await;
    let had = durable(&cluster, character).await;
    let answer = playing(&mut game, split(&cluster, WHOLE)).await;
    assert_eq!(
        (&answer["left"], areas(&cluster).await),
        (&json!(0), HALVES.map(str::to_owned).to_vec()),
        "{answer}"
    );
    all_is_there(&mut game, &lie, felled, &HALVES, "after the split").await;
    // At once: what the halves begin with came with the split.
    for server in cluster.serving("wide/").await {
        signal(server["pid"].as_u64().expect("a pid") as u32, "KILL");
    }
    back(&mut game).await;
    all_is_there(&mut game, &lie, felled, &HALVES, "after both were killed").await;
    game.leave().await;
    assert!(cluster.stop().success());
    cluster.run().await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    assert!(HALVES.contains(&game.area()), "{}", game.area());
    all_is_there(&mut game, &lie, felled, &HALVES, "after everything was started anew").await;
    let answer = playing(&mut game, merge(&cluster, HALVES)).await;
    assert_eq!((&answer["left"], areas(&cluster).await), (&json!(0), vec![WHOLE.to_owned()]), "{answer}");
    all_is_there(&mut game, &lie, felled, &[WHOLE], "as one again").await;
    assert_eq!(durable(&cluster, character).await, had);
    let before = bag(&game).map_or(0, |bag| has(&bag, 0));
    for (n, (x, y)) in lie.iter().enumerate() {
        walk(&mut game, (*x as f64 / 10.0, *y as f64 / 10.0), 1.0).await;
        let (heap, _) = *things(&game, "heap")
            .iter()
            .find(|(_, at)| (at.0 * 10.0 - *x as f64).abs() < 1.0)
            .expect("a heap");
        game.act("Take", &json!({ "target": heap })).await.expect("known");
        see(&mut game, "what lay there", wood(before + 1 + n as u32)).await;
    }
    see(&mut game, "nothing lies there", |game| heaps(game).is_empty().then_some(())).await;
    game.leave().await;
}

/// More than two are too many: the area is split by itself while they play, and is one again when two have gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowded_area_is_split_by_itself_and_quiet_halves_become_one() {
    let world = WIDE.replace("[grid]", "split_above = 2\nmerge_below = 1\n[grid]");
    let cluster = Cluster::with_worlds(&[("wide", &world)], &[PLAIN]).await;
    let mut playing = Vec::new();
    for (name, to) in [("Ada", (50.0, 40.0)), ("Bob", (78.0, 40.0)), ("Eve", (50.0, 50.0))] {
        let (client, character) = cluster.player(name, "wide", None).await;
        let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
        let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let ends = over.clone();
        let task = tokio::spawn(async move {
            let mut way = Way::default();
            walk_to(&mut game, &mut way, to).await;
            while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                if game.is_steering() {
                    game.move_towards(0.0, 0.01).await;
                }
                take(&mut game, &mut way).await;
            }
            game.leave().await;
            way
        });
        playing.push((over, task));
    }
    cluster.until("it is split", || async { areas(&cluster).await == HALVES }).await;
    for (n, (over, task)) in playing.into_iter().enumerate() {
        if n == 2 {
            cluster.until("it is one again", || async { areas(&cluster).await == [WHOLE] }).await;
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(task.await.unwrap().lost, 0, "player {n}\n{}", cluster.log());
    }
}
