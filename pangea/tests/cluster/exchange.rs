//! Full areas in a ring: players who wait for each other's places change them (K16, F.13; scenario 10).

use pangea_client::{EnterOptions, Event, Game};

use crate::support::{Cluster, event};

/// Three maps with one place each.
const RING: &str = r#"
kind = "maps"
seed = 3
layers = 1
capacity = 1
[maps]
spawn = { map = "north", x = 32.0, y = 32.0 }
[[map]]
id = "north"
title = "North"
width_m = 64
height_m = 64
[[map]]
id = "south"
title = "South"
width_m = 64
height_m = 64
[[map]]
id = "west"
title = "West"
width_m = 64
height_m = 64
"#;

const MAPS: [&str; 3] = ["north", "south", "west"];

async fn enters(cluster: &Cluster, name: &str, map: &str) -> Game {
    let (client, character) = cluster.player(name, "ring", None).await;
    let options = EnterOptions { map: Some(map.to_owned()), ..EnterOptions::default() };
    client.enter(character, options).await.unwrap()
}

async fn queued(game: &mut Game) {
    event(game, "a place in line", |event, _| match event {
        Event::Progress { state, .. } => (state == "queued").then_some(()),
        Event::Refused(refusal) => panic!("{refusal}"),
        _ => None,
    })
    .await;
}

async fn moved(game: &mut Game) -> String {
    event(game, "the move", |event, _| match event {
        Event::Moved { area } => Some(area.clone()),
        Event::Lost => panic!("the connection was lost"),
        Event::Refused(refusal) => panic!("{refusal}"),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ring_of_full_areas_resolves() {
    let cluster = Cluster::with_worlds(&[("ring", RING)], &[]).await;
    let mut games = Vec::new();
    for (name, map) in ["Nina", "Sven", "Wim"].into_iter().zip(MAPS) {
        games.push(enters(&cluster, name, map).await);
    }
    // Two of them wait: nobody goes anywhere.
    for (n, game) in games.iter_mut().enumerate().take(2) {
        game.go_on(None, Some(MAPS[n + 1]), None).await;
        queued(game).await;
    }
    // The third one closes the ring.
    games[2].go_on(None, Some(MAPS[0]), None).await;
    for (n, game) in games.iter_mut().enumerate() {
        assert_eq!(moved(game).await, format!("ring/{}/0", MAPS[(n + 1) % 3]));
    }
    cluster
        .until("each has one place", || async {
            let servers = cluster.serving("ring/").await;
            servers.len() == 3 && servers.iter().all(|server| server["seats"] == 1)
        })
        .await;
}
