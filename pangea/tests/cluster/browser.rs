//! The page in a real browser: register, enter, walk, see a second player, go through a portal, close, come
//! back; and which way it goes to a game server. The steps are in tests/browser; pictures stay in test-output/.

use std::path::Path;

use crate::support::Cluster;

/// K2, K14-K16, M1-M4: as a person would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_walks_in_the_browser() {
    run("walk.mjs").await;
}

/// By WebTransport where it goes, by WebSocket where it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_takes_webtransport_and_falls_back() {
    run("transport.mjs").await;
}

/// Runs the steps of a file of tests/browser against a cluster of its own.
async fn run(steps: &str) {
    let cluster = Cluster::start(&[]).await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("tests/browser");
    assert!(
        folder.join("node_modules").is_dir(),
        "run `cargo xtask test` once, or `npm ci` in tests/browser"
    );
    let run = tokio::process::Command::new("node")
        .arg(steps)
        .current_dir(folder)
        .env("PANGEA_URL", &cluster.url)
        .env("PANGEA_OUTPUT", root.join("test-output"))
        .output()
        .await
        .expect("node runs");
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && told.contains("passed"), "{told}\n{}", cluster.log());
}
