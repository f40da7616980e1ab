//! The page in a real browser, as persons use it. The steps are in tests/browser/; the pictures stay in
//! test-output/.

use std::path::Path;

use crate::crossing::PLAIN;
use crate::support::Cluster;

/// Runs a script of tests/browser against a cluster.
async fn play(script: &str, cluster: &Cluster) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("tests/browser");
    assert!(
        folder.join("node_modules").is_dir(),
        "run `cargo xtask test` once, or `npm ci` in tests/browser"
    );
    let key = std::fs::read_to_string(cluster.data().join("keys/operator.key")).expect("a key");
    let played = tokio::process::Command::new("node")
        .arg(script)
        .current_dir(folder)
        .env("PANGEA_URL", &cluster.url)
        .env("PANGEA_OPERATOR_KEY", key.trim())
        .env("PANGEA_OUTPUT", root.join("test-output"))
        .output()
        .await
        .expect("node runs");
    let told = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success() && told.contains("passed"), "{told}\n{}", cluster.log());
}

/// K2, K14-K16, M1-M4: register, enter, walk, see a second player, go through a portal, close, come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_walks_in_the_browser() {
    let cluster = Cluster::start(&[]).await;
    play("walk.mjs", &cluster).await;
}

/// J.1-J.4, M5: gather, make, wear, drop, take, talk, a quest, and two pages that trade.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_trade_in_the_browser() {
    let cluster = Cluster::start(&[]).await;
    play("goods.mjs", &cluster).await;
}

/// K5, K8-K11, M5: lines once each, also over a lost connection, whispers, a party, friends, a faction, mail, the market, a mute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_talk_in_the_browser() {
    let cluster = Cluster::start(&[]).await;
    play("social.mjs", &cluster).await;
}

/// By WebTransport where it goes, by WebSocket where it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_takes_webtransport_and_falls_back() {
    let cluster = Cluster::start(&[]).await;
    play("transport.mjs", &cluster).await;
}

/// F.1-F.4, M.4: whose everything is, and a walk over a line with the seams shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_shows_the_seams() {
    let world = "title = \"Seams\"\nkind = \"grid\"\nlayers = 1\nview_m = 30\ncreatures = false\n\
        [grid]\ncell_m = 64\narea_cells = 1\nspawn = { x = 56.0, y = 32.0 }\n\
        bounds = { x0 = 0, y0 = 0, x1 = 2, y1 = 1 }\n\
        [[faction]]\nid = \"embers\"\ntitle = \"The Embers\"\nspawn = { x = 56.0, y = 32.0 }\n\
        [[faction]]\nid = \"tides\"\ntitle = \"The Tides\"\nspawn = { x = 72.0, y = 32.0 }\n";
    let cluster = Cluster::with_worlds(&[("seams", world)], &[PLAIN]).await;
    play("seams.mjs", &cluster).await;
}
