//! Checkpoints in a bucket that speaks S3 (B.11), on a real server: kept, found after a kill, and
//! passed over where one is damaged.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use http::Method;
use pangea_client::EnterOptions;
use pangea_world::frames::tile;

use crate::checkpoints::{WOODS, fell, kill, kind_of};
use crate::support::{Cluster, request};

/// What it is asked with; it lets everybody in.
const KEY: &str = "a-key";

/// An S3 server of our own with the bucket «worlds».
struct Bucket {
    child: Child,
    url: String,
}

impl Bucket {
    async fn start(cluster: &Cluster, port: u16) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/s3/bin/moto_server");
        let mut command = Command::new(&program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child
            .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask test` installs it", program.display()));
        let bucket = Self { child, url: format!("http://127.0.0.1:{port}") };
        let made = || async { request(&bucket.url, Method::PUT, "/worlds", KEY, None).await };
        cluster
            .until("the bucket is made", || async { made().await.is_some_and(|made| made.0 == 200) })
            .await;
        bucket
    }

    /// The checkpoints, oldest first.
    async fn names(&self) -> Vec<String> {
        let listed = request(&self.url, Method::GET, "/worlds?list-type=2&prefix=eu/", KEY, None).await;
        let (_, listed) = listed.expect("a list");
        let mut names: Vec<String> = listed
            .split("<Key>")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned()))
            .collect();
        names.sort();
        names
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The tick in a checkpoint's name.
fn tick_of(name: &str) -> u64 {
    let tick = name.rsplit_once('-').and_then(|(_, tick)| u64::from_str_radix(tick, 16).ok());
    tick.unwrap_or_else(|| panic!("«{name}» is no checkpoint"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_felled_tree_is_felled_after_a_kill_with_checkpoints_in_a_bucket() {
    let mut cluster = Cluster::prepare(&[("woods", WOODS)], &["central.checkpoints=s3://worlds/eu"]);
    let [port] = cluster.ports_in_a_row();
    let bucket = Bucket::start(&cluster, port).await;
    let endpoint = format!("AWS_ENDPOINT={}", bucket.url);
    let known = ["AWS_ALLOW_HTTP=true", "AWS_ACCESS_KEY_ID=a-key", "AWS_SECRET_ACCESS_KEY=a-secret"];
    cluster.wrap(&["env", &endpoint, known[0], known[1], known[2], "AWS_REGION=us-east-1"]);
    cluster.run().await;

    let (client, character) = cluster.player("Quirin", "woods", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    let (tree, tick) = fell(&mut game).await;
    let newer = || async { bucket.names().await.iter().any(|name| tick_of(name) > u64::from(tick)) };
    cluster.until("a checkpoint is in the bucket", newer).await;
    kill(&cluster, &mut game).await;
    assert!(!matches!(kind_of(&mut game, tree).await, tile::TREE | tile::ROCK), "it stands again");
    game.leave().await;
    assert!(cluster.stop().success());
    assert!(!cluster.data().join("checkpoints").exists(), "nothing beside the bucket");

    let kept = bucket.names().await;
    assert!((2..=3).contains(&kept.len()), "the newest, and those before it: {kept:?}");
    let newest = format!("/worlds/{}", kept.last().unwrap());
    let damaged = request(&bucket.url, Method::PUT, &newest, KEY, Some("{}")).await;
    assert_eq!(damaged.map(|(status, _)| status), Some(200));
    cluster.run().await;
    client.login("Quirin", "correct horse battery").await.unwrap();
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    assert!(!matches!(kind_of(&mut game, tree).await, tile::TREE | tile::ROCK), "it stands again");
    let log = cluster.log();
    for said in ["a checkpoint is refused", "an earlier checkpoint is used instead"] {
        assert!(log.contains(said), "«{said}» is not said:\n{log}");
    }
    game.leave().await;
}
