//! Ctrl-C: nobody enters any more, areas save, players are told, exit 0.

use std::os::unix::fs::PermissionsExt;

use pangea_client::{EnterOptions, Event};

use crate::crash::kill_all;
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

/// What `pangea up` said after it began to stop.
fn last_words(cluster: &Cluster) -> String {
    let log = std::fs::read_to_string(cluster.folder.path().join("up.log")).expect("a log");
    let at = log.rfind("stopping: nobody enters any more").expect("it said that it stops");
    log[at..].to_owned()
}

async fn stop(mut cluster: Cluster) -> Cluster {
    let (status, cluster) = tokio::task::spawn_blocking(move || (cluster.stop(), cluster)).await.unwrap();
    assert!(status.success(), "{status}\n{}", cluster.log());
    cluster
}

/// A stop that was ordered alarms nobody, also where the game servers were started by an earlier spawner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_of_adopted_servers_is_quiet() {
    let mut cluster = Cluster::start(&[]).await;
    let (client, character) = cluster.player("Jens", "wilds", None).await;
    let game = client.enter(character, EnterOptions::default()).await.unwrap();
    cluster.kill();
    cluster.run().await;
    let served = || async {
        cluster.serving("wilds/").await.iter().any(|server| server["rss_kib"].as_u64() > Some(0))
    };
    cluster.until("the adopted server has its area", served).await;
    drop(game);
    let cluster = stop(cluster).await;
    let said = last_words(&cluster);
    assert!(said.contains("an area has stopped"), "{said}");
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
}

/// The game servers of another spawner are none of this one's: nothing waits for them, and it is said that they go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_other_spawners() {
    let mut cluster = Cluster::start(&[]).await;
    let (data, key) = (cluster.folder.path().join("rack2"), cluster.folder.path().join("rack2.key"));
    let text = cluster.command(&["key", "spawner", "rack2"]).output().expect("it starts").stdout;
    std::fs::write(&key, text).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(cluster.command(&["node", "cordon", "local"]).status().expect("it starts").success());
    let ports = cluster.ports_in_a_row::<40>();
    let settings = [
        format!("data={}", data.display()),
        format!("spawner.key_file={}", key.display()),
        format!("spawner.ports={}-{}", ports[0], ports[39]),
    ];
    cluster.start_another("spawner", "rack2", &settings);
    let is_here = || async { cluster.servers().await.iter().any(|server| server["spawner"] == "rack2") };
    cluster.until("the other spawner is here", is_here).await;
    let (client, character) = cluster.player("Jens", "wilds", None).await;
    let game = client.enter(character, EnterOptions::default()).await.unwrap();
    assert_eq!(cluster.serving("wilds/").await[0]["spawner"], "rack2");
    let mut cluster = stop(cluster).await;
    let said = last_words(&cluster);
    assert!(
        said.contains("areas of other spawners are played on") && !said.contains("did not say"),
        "{said}"
    );
    drop(game);
    cluster.kill_role("rack2");
    kill_all(&data);
}
