//! Entering: the first login in an empty cluster, coming back, a hundred at once.

use http::Method;
use pangea_client::{EnterOptions, Event};

use crate::support::{Cluster, event, request};

const QUICK: &str = "kind = \"grid\"\nseed = 3\nrules = [\"pve\"]\ncapacity = 200\nlayers = 2\nidle_stop_s = 1\ngrace_s = 1\n\
    [grid]\ncell_m = 64\narea_cells = 4\nspawn = { x = 100.0, y = 100.0 }\n\
    [[faction]]\nid = \"tides\"\nspawn = { x = 400.0, y = 120.0 }\n";

/// Scenario 1, G1-G12, K1-K3, K7, K13-K15, O1-O11, M1-M6, M11: nothing runs but central and spawner; the
/// faction's spawn area is generated, started, synced, opened, entered. A stranger's ticket does not open it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_login_in_an_empty_cluster() {
    let cluster = Cluster::with_worlds(&[("quick", QUICK)], &[]).await;
    assert_eq!(cluster.serving("quick/").await.len(), 0, "no area runs before somebody comes");
    let (client, character) = cluster.player("Ada", "quick", Some("tides")).await;
    let mut states = Vec::new();
    let prepared = client
        .prepare_with_progress(character, &EnterOptions::default(), |progress| states.push(progress.state))
        .await
        .unwrap();
    // G5: the faction's spawn decides, not the world's.
    assert_eq!(prepared.area, "quick/4,0..8,4/0");
    assert!(
        states.contains(&"generating".to_owned()) && states.contains(&"syncing".to_owned()),
        "{states:?}"
    );
    let servers = cluster.serving("quick/4,0..8,4/0").await;
    assert_eq!(servers.len(), 1, "one server was allocated for it");
    assert_eq!(servers[0]["state"], "Allocated");

    // M3, G9, G10: character, quests and faction are there before the client is.
    let pending =
        pending(&cluster, servers[0]["server"].as_str().unwrap(), servers[0]["port"].as_u64().unwrap()).await;
    assert!(
        pending.contains("\"Ada\"") && pending.contains("first-steps") && pending.contains("tides"),
        "{pending}"
    );

    let mut game = pangea_client::Game::connect(client.clone(), character, prepared).await.unwrap();
    event(&mut game, "the first view", |event, game| {
        (matches!(event, Event::Updated { .. }) && game.me().is_some()).then_some(())
    })
    .await;
    let before = game.me().unwrap().clone();
    assert_eq!((before.x_cm, before.y_cm), (40_000, 12_000));

    // K3, M4, M11: inputs are numbered, applied by the server's steps, acknowledged in an update.
    for _ in 0..20 {
        game.move_towards(1.0, 0.3).await;
        event(&mut game, "an update", |event, _| matches!(event, Event::Updated { .. }).then_some(())).await;
    }
    let after = game.me().unwrap().clone();
    assert!((after.x_cm, after.y_cm) != (before.x_cm, before.y_cm), "the server moved the character");
    assert!((after.x_cm - before.x_cm).abs() <= 25 * 21, "no faster than it can walk");

    // O5: registered while there; de-registered after.
    let players =
        || async { cluster.client().worlds().await.unwrap().iter().map(|world| world.players).sum::<u64>() };
    cluster.until("the player is counted", || async { players().await == 1 }).await;
    game.leave().await;
    cluster.until("the player is not counted any more", || async { players().await == 0 }).await;
}

pub async fn pending(cluster: &Cluster, server: &str, port: u64) -> String {
    let path = format!("/api/data/servers/{server}/credential");
    let credential = cluster.operator(Method::POST, &path).await.expect("a credential");
    let bearer = credential["credential"].as_str().unwrap();
    let base = format!("http://127.0.0.1:{port}");
    let (status, _) = request(&base, Method::GET, "/pending", "guessed", None).await.unwrap();
    assert!(status == 401 || status == 403, "M10: the endpoints want a credential, not {status}");
    request(&base, Method::GET, "/pending", bearer, None).await.unwrap().1
}

/// Scenario 2, G4, G8, G12: an empty area saves and stops; coming back starts it again, and the
/// character stands where it stood.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coming_back_to_where_one_stood() {
    let cluster = Cluster::with_worlds(&[("quick", QUICK)], &[]).await;
    let (client, character) = cluster.player("Berta", "quick", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    for _ in 0..30 {
        game.move_towards(0.0, 1.0).await;
        event(&mut game, "an update", |event, game| {
            (matches!(event, Event::Updated { .. }) && game.me().is_some()).then_some(())
        })
        .await;
    }
    // Until it stands: the last place is what counts.
    let pong = game.ping().await;
    event(&mut game, "a pong", |event, _| matches!(event, Event::Pong(n) if *n == pong).then_some(())).await;
    let (stood, tick) = (game.me().unwrap().clone(), game.view().tick);
    assert!(stood.y_cm > 10_000);
    let first = cluster.serving("quick/0,0..4,4/0").await[0]["server"].as_str().unwrap().to_owned();
    game.leave().await;
    cluster
        .until("the empty area has stopped", || async { cluster.serving("quick/").await.is_empty() })
        .await;

    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    event(&mut game, "the first view", |event, game| {
        (matches!(event, Event::Updated { .. }) && game.me().is_some()).then_some(())
    })
    .await;
    let back = game.me().unwrap().clone();
    assert!((back.x_cm - stood.x_cm).abs() <= 1 && (back.y_cm - stood.y_cm).abs() <= 1, "{back:?} {stood:?}");
    assert!(
        game.view().tick >= tick,
        "the area's own time goes on from where it was saved: {} {tick} {}",
        game.view().tick,
        cluster.log()
    );
    let second = cluster.serving("quick/0,0..4,4/0").await[0]["server"].as_str().unwrap().to_owned();
    assert_ne!(first, second, "another process has the area");
}

/// Scenario 3, G7: a hundred clients into one missing area at once: exactly one server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_into_one_missing_area() {
    let cluster = Cluster::with_worlds(&[("quick", QUICK)], &["accounts.argon2_at_once=4"]).await;
    let mut players = Vec::new();
    for n in 0..100 {
        players.push(cluster.player(&format!("Runner{n:03}"), "quick", None).await);
    }
    let mut entering = tokio::task::JoinSet::new();
    for (client, character) in players {
        entering.spawn(async move {
            let game = client.enter(character, EnterOptions::default()).await.unwrap();
            (game.area().to_owned(), game)
        });
    }
    let games = entering.join_all().await;
    assert!(games.iter().all(|(area, _)| area == "quick/0,0..4,4/0"), "all are in the same area");
    let servers = cluster.serving("quick/").await;
    assert_eq!(servers.len(), 1, "{servers:?}");
    assert_eq!(servers[0]["seats"], 100);
}

/// A repeated request takes no second seat; the same key with another wish is refused (B 42).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_enter_takes_one_seat() {
    let cluster = Cluster::with_worlds(&[("quick", QUICK)], &[]).await;
    let (client, character) = cluster.player("Cleo", "quick", None).await;
    let body = serde_json::json!({ "character": character });
    let headers = [("idempotency-key", "same")];
    let (first, second) = tokio::join!(
        client.call_with::<serde_json::Value>(Method::POST, "/api/enter", Some(&body), &headers),
        client.call_with::<serde_json::Value>(Method::POST, "/api/enter", Some(&body), &headers),
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first["ticket"], second["ticket"]);
    assert_eq!(cluster.serving("quick/").await[0]["seats"], 1);
    let other = serde_json::json!({ "character": character, "rule": "pve" });
    let refused =
        client.call_with::<serde_json::Value>(Method::POST, "/api/enter", Some(&other), &headers).await;
    assert_eq!(refused.unwrap_err().to_string().split(':').next(), Some("idempotency_mismatch"));
}
