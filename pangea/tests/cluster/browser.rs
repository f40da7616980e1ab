//! The page in a real browser: register, enter, walk, see a second player, go through a portal, close, come
//! back. The steps are in tests/browser/walk.mjs; its pictures stay in test-output/.

use std::path::Path;

use crate::support::Cluster;

/// K2, K14-K16, M1-M4: as a person would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_walks_in_the_browser() {
    let cluster = Cluster::start(&[]).await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("tests/browser");
    assert!(
        folder.join("node_modules").is_dir(),
        "run `cargo xtask test` once, or `npm ci` in tests/browser"
    );
    let walk = tokio::process::Command::new("node")
        .arg("walk.mjs")
        .current_dir(folder)
        .env("PANGEA_URL", &cluster.url)
        .env("PANGEA_OUTPUT", root.join("test-output"))
        .output()
        .await
        .expect("node runs");
    let told = String::from_utf8_lossy(&walk.stdout);
    assert!(walk.status.success() && told.contains("passed"), "{told}\n{}", cluster.log());
}
