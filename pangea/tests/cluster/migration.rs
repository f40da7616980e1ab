//! A running area goes to another server: who plays there notices nothing (M8, G.1-G.4, D.12; scenario 8).

use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use pangea_client::{ChannelKind as Kind, EnterOptions, Event};
use serde_json::json;

use crate::chat::{FREELY, answer, tuned_in};
use crate::crossing::{PLAIN, Way, walk_to};
use crate::migration_kills::hears_of_it;
use crate::support::{Cluster, event};
use crate::wire::Wire;

/// One area of 64 m on a plain.
pub const ONE: &str = "kind = \"grid\"\nrules = [\"pve\"]\nlayers = 1\nview_m = 30\ncapacity = 16\n\
    [grid]\ncell_m = 64\narea_cells = 1\nspawn = { x = 20.0, y = 20.0 }\n\
    bounds = { x0 = 0, y0 = 0, x1 = 1, y1 = 1 }\n";

/// Its only area.
pub const AREA: &str = "one/0,0..1,1/0";

/// Two see each other, one of them walks; the area moves twice meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_area_moves_under_the_feet_of_its_players() {
    let cluster = Cluster::with_worlds(&[("one", ONE)], &[PLAIN]).await;
    let (ada, ada_id) = cluster.player("Ada", "one", None).await;
    let (bob, bob_id) = cluster.player("Bob", "one", None).await;
    let mut walker = ada.enter(ada_id, EnterOptions::default()).await.unwrap();
    let mut watcher = bob.enter(bob_id, EnterOptions::default()).await.unwrap();
    let epoch = walker.epoch();
    let mut way = Way::default();
    walk_to(&mut walker, &mut way, (30.0, 20.0)).await;
    let before = cluster.serving("one/").await;
    for round in 1..=2u64 {
        let wish = json!({ "reason": "test", "area": AREA });
        let moving = cluster.operate(Method::POST, "/api/data/areas/migrate", wish);
        let walking = async {
            for to in [(40.0, 30.0), (30.0, 40.0), (20.0, 20.0), (40.0, 20.0)] {
                walk_to(&mut walker, &mut way, to).await;
            }
        };
        let watching = async {
            event(&mut watcher, "the other server", |event, _| {
                matches!(event, Event::Crossed { .. }).then_some(())
            })
            .await;
        };
        let (answer, (), ()) = tokio::join!(moving, walking, watching);
        assert_eq!((&answer["players"], &answer["left"]), (&json!(2), &json!(0)), "{answer}");
        assert_ne!(answer["from"], answer["to"]);
        assert_eq!(walker.epoch(), epoch + round);
    }
    assert_eq!((way.crossed.len(), way.lost), (2, 0), "{way:?}");
    // Each sees the other where he is, and what he does from now on.
    let at = |game: &pangea_client::Game, name: &str| {
        game.entities().values().find(|entity| entity.name == name).map(|entity| (entity.x_cm, entity.y_cm))
    };
    let me = walker.me().map(|me| (me.x_cm, me.y_cm));
    event(&mut watcher, "Ada where she is", |_, game| (at(game, "Ada") == me).then_some(())).await;
    walk_to(&mut walker, &mut way, (25.0, 25.0)).await;
    let me = walker.me().map(|me| (me.x_cm, me.y_cm));
    event(&mut watcher, "Ada where she went", |_, game| (at(game, "Ada") == me).then_some(())).await;
    let after = cluster.serving("one/").await;
    assert_eq!((before.len(), after.len()), (1, 1), "one server for the area");
    assert_ne!(before[0]["server"], after[0]["server"]);
    assert_eq!(after[0]["seats"], 2);
    walker.leave().await;
    watcher.leave().await;
}

/// Who was told of the other server and comes in anew before he went there is told again, and goes along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_in_anew_while_his_area_moves_goes_along() {
    let cluster = Cluster::with_worlds(&[("one", ONE)], &[PLAIN]).await;
    let (client, character) = cluster.player("Anew", "one", None).await;
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    let mut before = Wire::enter(&prepared.url, &prepared.ticket).await.0;
    let wish = json!({ "reason": "test", "area": AREA });
    let moving = cluster.operate(Method::POST, "/api/data/areas/migrate", wish);
    let playing = async {
        // Its first client hears of the other server, and never goes there.
        hears_of_it(&mut before).await;
        let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
        event(&mut game, "the other server", |event, _| match event {
            Event::Lost | Event::Ended(_) => panic!("left behind: {event:?}"),
            Event::Crossed { .. } => Some(()),
            _ => None,
        })
        .await;
        game
    };
    let (answer, mut game) = tokio::join!(moving, playing);
    assert_eq!((&answer["players"], &answer["left"]), (&json!(1), &json!(0)), "{answer}");
    walk_to(&mut game, &mut Way::default(), (25.0, 25.0)).await;
}

/// Scenario 8: an area moves three times while its players walk and talk. Nobody is disconnected, each step counts once,
/// and each line is heard once and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_area_moves_while_they_walk_and_talk() {
    const STEP_CM: i32 = 25;
    let cluster = Cluster::with_worlds(&[("one", ONE)], &[PLAIN, FREELY]).await;
    let (ada, ada_id) = cluster.player("Ada", "one", None).await;
    let (bob, bob_id) = cluster.player("Bob", "one", None).await;
    let mut walker = ada.enter(ada_id, EnterOptions::default()).await.unwrap();
    let mut talker = bob.enter(bob_id, EnterOptions::default()).await.unwrap();
    tuned_in(&mut walker).await;
    tuned_in(&mut talker).await;
    let begun = event(&mut walker, "herself", |_, game| game.me().map(|me| (me.x_cm, me.y_cm))).await;
    let (moved, said) = (AtomicBool::new(false), AtomicBool::new(false));
    let moving = async {
        for _ in 0..3 {
            let wish = json!({ "reason": "test", "area": AREA });
            let answer = cluster.operate(Method::POST, "/api/data/areas/migrate", wish).await;
            assert_eq!((&answer["players"], &answer["left"]), (&json!(2), &json!(0)), "{answer}");
        }
        moved.store(true, Ordering::Relaxed);
    };
    let talking = async {
        let mut lines = 0;
        while !moved.load(Ordering::Relaxed) || lines < 20 {
            let id = talker.say(Kind::World, &format!("w{lines}")).await;
            assert_eq!(answer(&mut talker, id).await, None);
            lines += 1;
        }
        talker.say(Kind::World, "end").await;
        said.store(true, Ordering::Relaxed);
        lines
    };
    let walking = async {
        let (mut heard, mut lost, mut steps, mut net) = (Vec::new(), 0, 0, 0);
        while !said.load(Ordering::Relaxed) || heard.last().is_none_or(|last| last != "end") {
            // Twenty steps to the east, twenty back.
            if walker.is_steering() && !said.load(Ordering::Relaxed) {
                let by = if steps % 40 < 20 { 1 } else { -1 };
                walker.move_towards(by as f32, 0.0).await;
                (steps, net) = (steps + 1, net + by);
            }
            event(&mut walker, "an update", |event, _| {
                match event {
                    Event::Chat(line) if line.kind == Kind::World => heard.push(line.text.clone()),
                    Event::Lost => lost += 1,
                    _ => {}
                }
                // One step for each update: no faster than the area's ticks.
                let chat = matches!(event, Event::Chat(_)) && said.load(Ordering::Relaxed);
                (chat || matches!(event, Event::Updated { .. })).then_some(())
            })
            .await;
        }
        (heard, lost, net)
    };
    let ((), lines, (heard, lost, net)) = tokio::join!(moving, talking, walking);
    let expected: Vec<String> = (0..lines).map(|n| format!("w{n}")).chain(["end".to_owned()]).collect();
    assert_eq!((heard, lost), (expected, 0));
    let there = (begun.0 + net * STEP_CM, begun.1);
    // Until she stands.
    let pong = walker.ping().await;
    event(&mut walker, "a pong", |event, _| matches!(event, Event::Pong(n) if *n == pong).then_some(()))
        .await;
    assert_eq!(walker.me().map(|me| (me.x_cm, me.y_cm)), Some(there), "each step once: {net} from {begun:?}");
    walker.leave().await;
    talker.leave().await;
}
