//! A spawner that is killed with -9 leaves its servers running, and the next one goes on with them.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::harness::{Central, game_server, kill, lives, records, settings, within};

/// A data folder whose spawner and servers end with the test, also when it fails.
struct Cluster {
    data: TempDir,
    spawner: Option<Child>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill_spawner();
        for entry in std::fs::read_dir(self.data.path().join("run")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "json") {
                let record: serde_json::Value =
                    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
                let pid = u32::try_from(record["pid"].as_u64().unwrap()).unwrap();
                if lives(pid) {
                    kill(pid);
                }
            }
        }
    }
}

impl Cluster {
    fn start_spawner(&mut self, config: &pangea_server::config::Spawner) {
        self.spawner = Some(start_spawner(config, self.data.path()));
    }

    fn kill_spawner(&mut self) {
        if let Some(mut spawner) = self.spawner.take() {
            spawner.kill().unwrap();
            spawner.wait().unwrap();
        }
    }
}

fn start_spawner(config: &pangea_server::config::Spawner, data: &std::path::Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child::spawner", "--exact", "--ignored", "--nocapture"])
        .env("PANGEA_TEST_SPAWNER", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let text = serde_json::to_vec(&(config, data)).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    child
}

#[tokio::test]
async fn servers_outlive_a_killed_spawner_and_are_taken_over() {
    let mut cluster = Cluster { data: tempfile::tempdir().unwrap(), spawner: None };
    let data = cluster.data.path().to_owned();
    let templates = [("lodge", game_server("good", 1)), ("other", game_server("good", 1))];
    let mut config = settings("22700-22799", &templates);
    let mut central = Central::open(&mut config).await;
    cluster.start_spawner(&config);
    central.meet().await;
    central.have_one("other", "Ready").await;
    let used = central.allocate("lodge", 1).await.server.unwrap();
    let doomed = central.allocate("lodge", 2).await.server.unwrap();
    let idle = central.have_one("lodge", "Ready").await;
    let before = records(&data);

    cluster.kill_spawner();
    assert!(lives(used.pid) && lives(idle.pid) && lives(doomed.pid), "they go on without a spawner");
    assert_eq!(records(&data), before);
    kill(doomed.pid);
    while lives(doomed.pid) {
        tokio::task::yield_now().await;
    }

    config.templates.remove("other");
    cluster.start_spawner(&config);
    let hello = central.meet().await;
    let found = |pid| hello.servers.iter().find(|server| server.pid == pid);
    let kept = found(used.pid).expect("taken over");
    assert_eq!((kept.area.as_slice(), kept.port), ([1; 16].as_slice(), used.port));
    assert!(found(idle.pid).is_some(), "the idle one too");
    assert!(found(doomed.pid).is_none(), "the dead one is not");
    let how = central.hear_exit(&doomed.server).await;
    assert!(how.contains("no spawner"), "{how}");
    let again = central.allocate("lodge", 1).await.server.unwrap();
    assert_eq!(again.pid, used.pid, "the area keeps its server");

    let woken = central.allocate("lodge", 3).await.server.unwrap();
    assert_eq!(woken.pid, idle.pid, "the idle one is given out");
    assert_ne!(central.have_one("lodge", "Ready").await.pid, idle.pid, "and the pool filled up");
    // The server writes down what its watch tells it: it watches on, through the new spawner.
    let record = data.join(format!("run/{}.json", pangea_world::id::hex(&woken.server)));
    let area = "03".repeat(16);
    let seen = || {
        let record: serde_json::Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
        record["state"]["labels"]["agones.dev/sdk-area"] == area
    };
    within(async {
        while !seen() {
            tokio::task::yield_now().await;
        }
    })
    .await;

    central.stop(&used.server, 30_000);
    central.hear_exit(&used.server).await;
    assert!(!lives(used.pid), "a server that was taken over can be stopped");
    kill(idle.pid);
    let how = central.hear_exit(&idle.server).await;
    assert!(how.contains("adopted"), "its end is seen: {how}");
}
