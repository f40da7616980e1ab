//! What stops a start: the program ends with an error, and its words say what is wrong, where, and what helps.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Cluster, PATIENCE};

/// Runs it to its end, which must be an error; gives what it wrote on standard error.
async fn refuses(mut command: Command) -> String {
    let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it did not end: {:?}", child.stderr.take().map(all));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let words = all(child.stderr.take().expect("its words"));
    assert!(!status.success(), "{status}: {words}");
    assert!(!words.contains("panicked"), "{words}");
    words
}

fn all(mut from: impl std::io::Read) -> String {
    let mut text = String::new();
    let _ = from.read_to_string(&mut text);
    text
}

fn says(words: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(words.contains(wanted), "«{wanted}» is missing in:\n{words}");
    }
}

/// Two centrals over one database never both write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_central_on_the_same_data_folder() {
    let cluster = Cluster::start(&[]).await;
    let second = Cluster::prepare(&[], &[&format!("data={}", cluster.data().display())]);
    let words = refuses(second.role("central")).await;
    says(&words, &[cluster.data().to_str().unwrap(), "another"]);
    // The first one goes on as if nothing was.
    cluster.player("Still", "wilds", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_folder_that_cannot_be_one() {
    let cluster = Cluster::prepare(&[], &[]);
    std::fs::write(cluster.data(), "a file").unwrap();
    let words = refuses(cluster.role("up")).await;
    says(&words, &[cluster.data().to_str().unwrap()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_somebody_has() {
    let first = Cluster::start(&[]).await;
    let at = first.url.strip_prefix("http://").unwrap().to_owned();
    let second = Cluster::prepare(&[], &[&format!("central.listen={at}")]);
    let words = refuses(second.role("up")).await;
    says(&words, &["central.listen", &at, "pangea doctor"]);
    // The doctor knows it before the start.
    let mut doctor = second.role("doctor");
    let output = doctor.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    assert!(!output.status.success());
    let words =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    says(&words, &[&at]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_the_file_that_nobody_knows() {
    let cluster = Cluster::prepare(&[], &[]);
    let file = cluster.folder.path().join("pangea.toml");
    std::fs::write(&file, "[central]\nseat_hold_s = 5\n\n[spawner]\nreddy_timeout_s = 3\n").unwrap();
    says(&refuses(cluster.role("up")).await, &["pangea.toml:5", "reddy_timeout_s", "«ready_timeout_s»"]);
    std::fs::write(&file, "[central]\nqueue_max = -4\n").unwrap();
    says(&refuses(cluster.role("up")).await, &["pangea.toml:2", "-4"]);
    std::fs::write(&file, "[limits]\nmessages_per_second = \"many\"\n").unwrap();
    says(&refuses(cluster.role("spawner")).await, &["pangea.toml:2", "many"]);
}

const MAPS: &str = "kind = \"maps\"\n[maps]\nspawn = { map = \"a\", x = 8.0, y = 8.0 }\n\
    [[map]]\nid = \"a\"\nwidth_m = 32\nheight_m = 32\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_world_file_with_a_mistake() {
    let portal =
        "[[map.portal]]\nx = 4\ny = 4\nwidth_m = 4\nheight_m = 4\nto = \"a\"\nto_x = 20.0\nto_y = 20.0\n";
    let grid = "kind = \"grid\"\n[grid]\ncell_m = 64\narea_cells = 0\nspawn = { x = 1.0, y = 1.0 }\n";
    let outside = "kind = \"grid\"\n[grid]\ncell_m = 64\narea_cells = 1\n\
        bounds = { x0 = 0, y0 = 0, x1 = 2, y1 = 2 }\nspawn = { x = 500.0, y = 1.0 }\n";
    for (text, wanted) in [
        (format!("{MAPS}{portal}{portal}"), &["bad.toml:16", "overlap"][..]),
        (grid.to_owned(), &["bad.toml:4", "area_cells = 0"]),
        (outside.to_owned(), &["bad.toml:6", "spawn", "outside"]),
        (MAPS.replace("x = 8.0", "x = 80.0"), &["bad.toml:3", "spawn", "outside"]),
        (MAPS.replace("width_m", "widht_m"), &["bad.toml:6", "widht_m", "«width_m»"]),
        (MAPS.replace("\"a\", x", "\"b\", x"), &["bad.toml:3", "«b»"]),
    ] {
        let cluster = Cluster::prepare(&[("bad", &text)], &[]);
        says(&refuses(cluster.role("up")).await, wanted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_others_can_read_and_one_that_is_none() {
    let mut cluster = Cluster::start(&[]).await;
    tokio::task::block_in_place(|| cluster.stop());
    let key = cluster.data().join("keys/master.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    says(&refuses(cluster.role("up")).await, &[key.to_str().unwrap(), "chmod 600"]);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&key, "not hex").unwrap();
    says(&refuses(cluster.role("up")).await, &[key.to_str().unwrap()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spawner_whose_ports_or_kinds_cannot_be() {
    let cluster = Cluster::prepare(&[], &["spawner.ports=9000-8000"]);
    says(&refuses(cluster.role("up")).await, &["spawner.ports", "9000-8000", "first-last"]);
    let cluster = Cluster::prepare(&[], &[]);
    let alone = refuses(cluster.role("spawner")).await;
    says(&alone, &["key"]);
}

/// Beside a node that runs, `doctor` finds its folder and ports in use by that node: nothing to mend.
#[tokio::test]
async fn doctor_is_content_beside_a_running_node() {
    let cluster = Cluster::start(&[]).await;
    let output = cluster.role("doctor").arg("--json").stdout(Stdio::piped()).output().expect("it runs");
    let list: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).expect("findings");
    let at = |what: &str| list.iter().find(|finding| finding["what"] == what).expect("a finding");
    for what in ["data lock", "central.listen", "central.link", "chat.listen"] {
        assert_eq!(at(what)["state"], "look", "{}", at(what));
    }
    assert!(output.status.success(), "{list:?}");
}
