//! `pangea backup` while a world is played: what it copied is a data folder, and whoever starts with it goes on.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use pangea_client::EnterOptions;
use pangea_world::frames::tile;
use serde_json::Value;

use crate::checkpoints::{WOODS, fell, kind_of, saved_after};
use crate::support::{Cluster, event};

async fn backup(cluster: &Cluster, folder: &str) -> Output {
    let mut command = cluster.command(&["backup", folder, "--json"]);
    tokio::task::spawn_blocking(move || command.output().expect("it starts")).await.unwrap()
}

/// Who was inside stands where he stood, the tree that he felled is felled, and what came after the copy is not in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_world_is_copied_and_goes_on_from_the_copy() {
    let mut cluster = Cluster::with_worlds(&[("woods", WOODS)], &[]).await;
    let (client, character) = cluster.player("Olga", "woods", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    let (tree, tick) = fell(&mut game).await;
    saved_after(&cluster, tick).await;
    let target = cluster.folder.path().join("backups/today");
    let done = backup(&cluster, "backups/today").await;
    assert!(done.status.success(), "{}\n{}", String::from_utf8_lossy(&done.stderr), cluster.log());
    let said: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(
        (&said["missing"], said["chats"][0].as_str()),
        (&Value::Array(Vec::new()), Some("chat")),
        "{said}"
    );
    assert!(said["checkpoints"].as_u64() >= Some(1) && said["keys"].as_u64() >= Some(3), "{said}");
    assert_eq!(
        std::fs::metadata(&target).unwrap().permissions().mode() & 0o777,
        0o700,
        "there are keys in it"
    );
    let again = backup(&cluster, "backups/today").await;
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("is there already"));
    let left = std::fs::read_dir(target.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "nothing half is left");

    // He plays on meanwhile; who comes later is not in the copy.
    event(&mut game, "an update", |_, game| game.me().map(|_| ())).await;
    let stood = game.me().unwrap().clone();
    cluster.player("Late", "woods", None).await;
    drop(game);
    let (status, mut cluster) = tokio::task::spawn_blocking(move || (cluster.stop(), cluster)).await.unwrap();
    assert!(status.success(), "{status}\n{}", cluster.log());

    cluster.set(&format!("data={}", target.display()));
    cluster.run().await;
    let client = cluster.client();
    assert!(client.login("Late", "correct horse battery").await.is_err(), "he was not there yet");
    client.login("Olga", "correct horse battery").await.unwrap();
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    event(&mut game, "the first view", |_, game| game.me().map(|_| ())).await;
    let back = game.me().unwrap();
    let near = |a: i32, b: i32| (a - b).abs() < 300;
    assert!(near(back.x_cm, stood.x_cm) && near(back.y_cm, stood.y_cm), "{back:?} {stood:?}");
    assert!(!matches!(kind_of(&mut game, tree).await, tile::TREE | tile::ROCK), "it stands again");
    game.leave().await;
    let (status, cluster) = tokio::task::spawn_blocking(move || (cluster.stop(), cluster)).await.unwrap();
    assert!(status.success(), "{status}\n{}", cluster.log());
}
