//! A running area goes to another server: who plays there notices nothing (M8, G.1-G.4, D.12).

use http::Method;
use pangea_client::{EnterOptions, Event};
use serde_json::json;

use crate::crossing::{PLAIN, Way, walk_to};
use crate::support::{Cluster, event};

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
