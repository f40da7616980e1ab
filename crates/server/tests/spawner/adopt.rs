//! A spawner that is killed with -9 leaves its servers running, and the next one goes on with them.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use crate::harness::{Central, game_server, kill, lives, records, settings};

fn start_spawner(config: &pangea_server::config::Spawner, data: &std::path::Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child::spawner", "--exact", "--ignored", "--nocapture"])
        .env("PANGEA_TEST_SPAWNER", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let text = serde_json::to_vec(&(config, data)).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    child
}

#[tokio::test]
async fn servers_outlive_a_killed_spawner_and_are_taken_over() {
    let data = tempfile::tempdir().unwrap();
    let templates = [("lodge", game_server("good", 1)), ("other", game_server("good", 1))];
    let mut config = settings("22700-22799", &templates);
    let mut central = Central::open(&mut config).await;
    let mut first = start_spawner(&config, data.path());
    central.meet().await;
    central.hear_state("other", "Ready").await;
    let used = central.allocate("lodge", 1).await.server.unwrap();
    let idle = central.hear_state("lodge", "Ready").await;
    let doomed = central.allocate("lodge", 2).await.server.unwrap();
    let idle = if idle.server == doomed.server { central.hear_state("lodge", "Ready").await } else { idle };
    let before = records(data.path());

    first.kill().unwrap();
    first.wait().unwrap();
    assert!(lives(used.pid) && lives(idle.pid) && lives(doomed.pid), "they go on without a spawner");
    assert_eq!(records(data.path()), before);
    kill(doomed.pid);
    while lives(doomed.pid) {
        tokio::task::yield_now().await;
    }

    config.templates.remove("other");
    let mut second = start_spawner(&config, data.path());
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

    central.stop(&used.server, 30_000);
    central.hear_exit(&used.server).await;
    assert!(!lives(used.pid), "a server that was taken over can be stopped");
    kill(idle.pid);
    let how = central.hear_exit(&idle.server).await;
    assert!(how.contains("adopted"), "its end is seen: {how}");
    central.hear_state("lodge", "Ready").await;

    // Leaves nothing behind: killed once more, and then each server that it had.
    second.kill().unwrap();
    second.wait().unwrap();
    drop(central);
    for entry in std::fs::read_dir(data.path().join("run")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            let record: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            let pid = u32::try_from(record["pid"].as_u64().unwrap()).unwrap();
            if lives(pid) {
                kill(pid);
            }
        }
    }
}
