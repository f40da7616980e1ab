//! Ctrl-C: nobody enters any more, areas save, players are told, exit 0.

use pangea_client::{EnterOptions, Event};

use crate::support::{Cluster, event};

/// After a graceful stop the same folder starts again and the place is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_stop_saves_everything() {
    let mut cluster = Cluster::start(&[]).await;
    let (client, character) = cluster.player("Jens", "wilds", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    for _ in 0..20 {
        game.move_towards(-1.0, 0.0).await;
        event(&mut game, "an update", |event, game| {
            (matches!(event, Event::Updated { .. }) && game.me().is_some()).then_some(())
        })
        .await;
    }
    let stood = game.me().unwrap().clone();
    let pids: Vec<u64> = cluster.servers().await.iter().filter_map(|server| server["pid"].as_u64()).collect();
    drop(game);
    let status = tokio::task::spawn_blocking(move || (cluster.stop(), cluster)).await.unwrap();
    let (status, mut cluster) = status;
    assert!(status.success(), "{status}\n{}", cluster.log());
    for pid in pids {
        assert!(!std::path::Path::new(&format!("/proc/{pid}/stat")).exists(), "server {pid} still runs");
    }
    cluster.run().await;
    let client = cluster.client();
    client.login("Jens", "correct horse battery").await.unwrap();
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    event(&mut game, "the first view", |_, game| game.me().map(|_| ())).await;
    let back = game.me().unwrap();
    assert!(
        (back.x_cm - stood.x_cm).abs() < 200 && (back.y_cm - stood.y_cm).abs() < 200,
        "{back:?} {stood:?}"
    );
}
