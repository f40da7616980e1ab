//! Roles as processes of their own, and what area servers know of each other.

use std::process::Stdio;

use http::Method;
use pangea_client::EnterOptions;
use serde_json::Value;

use crate::support::{Cluster, request};

/// K8, K9, K10, K12: two area servers know each other and chat; a killed one is gone from the other's list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn area_servers_know_each_other_and_chat() {
    let cluster = Cluster::start(&[]).await;
    let (client, character) = cluster.player("Kurt", "isles", Some("sailors")).await;
    let forest = EnterOptions { map: Some("forest".to_owned()), ..EnterOptions::default() };
    let mut game = client.enter(character, forest).await.unwrap();
    let knows = |of: &'static str, text: &'static str| {
        let cluster = &cluster;
        move || async move { asked(cluster, of, "/peers").await.contains(text) }
    };
    cluster.until("the older one knows the newer", knows("isles/harbour", "isles/forest/0")).await;
    cluster.until("the newer one knows the older", knows("isles/forest", "isles/harbour/0")).await;
    cluster
        .until("chat is connected", || async {
            asked(&cluster, "isles/forest", "/peers").await.contains("\"chat_connected\":true")
        })
        .await;
    game.leave().await;
    let forest = cluster.serving("isles/forest").await[0].clone();
    let killed = forest["server"].as_str().unwrap();
    let named = || async { asked(&cluster, "isles/harbour", "/peers").await.contains(killed) };
    cluster.until("the list names its server", named).await;
    crate::support::signal(forest["pid"].as_u64().unwrap() as u32, "KILL");
    // Another may serve the area at once, when the leave had not arrived yet.
    let gone = || async {
        let peers = asked(&cluster, "isles/harbour", "/peers").await;
        peers.contains("\"peers\"") && !peers.contains(killed)
    };
    cluster.until("it is gone from the list", gone).await;
}

/// What is logged is one setting for all processes of a node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn area_servers_log_what_the_node_is_told_to() {
    let cluster = Cluster::start(&["log=debug", "spawner.templates.area.pool=1"]).await;
    let told = || async {
        let logs = std::fs::read_dir(cluster.data().join("logs")).into_iter().flatten().flatten();
        logs.filter_map(|log| std::fs::read_to_string(log.path()).ok()).any(|text| text.contains("DEBUG"))
    };
    cluster.until("an idle area server logs details", told).await;
}

async fn asked(cluster: &Cluster, area: &str, path_there: &str) -> String {
    let Some(server) = cluster.serving(area).await.first().cloned() else { return String::new() };
    let path = format!("/api/data/servers/{}/credential", server["server"].as_str().unwrap());
    let Some(credential) = cluster.operator(Method::POST, &path).await else { return String::new() };
    let base = format!("http://127.0.0.1:{}", server["port"]);
    let answer =
        request(&base, Method::GET, path_there, credential["credential"].as_str().unwrap(), None).await;
    answer.map(|(_, body)| body).unwrap_or_default()
}

/// Scenario 12, K1, K4, K5: central, spawner and chat as three processes; a player enters. A program with a
/// guessed key opens no link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_roles_run_alone_too() {
    let cluster = Cluster::apart().await;
    let status = || async {
        cluster.client().call::<Value>(Method::GET, "/api/status", None).await.unwrap().to_string()
    };
    cluster
        .until("chat and spawner have their links", || async {
            let status = status().await;
            status.contains("\"chat\"") && status.contains("\"spawner\"")
        })
        .await;
    let (client, character) = cluster.player("Lena", "wilds", None).await;
    let game = client.enter(character, EnterOptions::default()).await.unwrap();
    assert!(game.area().starts_with("wilds/"));

    let guessed = cluster.folder.path().join("guessed.key");
    std::fs::write(&guessed, "A".repeat(43)).unwrap();
    std::process::Command::new("chmod").args(["600", guessed.to_str().unwrap()]).status().unwrap();
    let mut stranger = cluster.role("spawner");
    stranger.args([
        "--set",
        &format!("spawner.key_file={}", guessed.display()),
        "--set",
        "spawner.name=stranger",
    ]);
    let mut stranger = stranger.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    cluster.until("a second honest look", || async { status().await.contains("\"spawner\"") }).await;
    assert!(!status().await.contains("stranger"), "no link without the key");
    let _ = stranger.kill();
    let _ = stranger.wait();
}
