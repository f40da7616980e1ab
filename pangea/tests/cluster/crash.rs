//! kill -9 of things.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use http::Method;
use pangea_client::{EnterOptions, Event};
use pangea_world::frames::ServerMessage;
use serde_json::Value;

use crate::support::{Cluster, event, signal};
use crate::wire::{Heard, Wire};

/// Scenario 6, K6: `spawn_maps` come up by themselves; one is killed: it comes up again, its player returns
/// to where he was, and holds one seat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_area_server_is_replaced_and_its_player_returns() {
    let cluster = Cluster::start(&[]).await;
    cluster
        .until("the harbour runs by itself", || async { cluster.serving("isles/harbour").await.len() == 1 })
        .await;
    let (client, character) = cluster.player("Hanna", "isles", Some("sailors")).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    event(&mut game, "the first view", |_, game| game.me().map(|_| ())).await;
    let before = cluster.serving("isles/harbour").await[0].clone();
    signal(before["pid"].as_u64().unwrap() as u32, "KILL");
    event(&mut game, "back", |event, _| matches!(event, Event::Back { .. }).then_some(())).await;
    event(&mut game, "the view", |_, game| game.me().map(|_| ())).await;
    assert_eq!(game.area(), "isles/harbour/0");
    let after = cluster.serving("isles/harbour").await;
    assert_eq!(after.len(), 1);
    assert_ne!(after[0]["server"], before["server"]);
    assert_eq!(after[0]["seats"], 1);
}

/// Who was inside when his server died comes back before those who stood in line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_inside_comes_back_before_the_line() {
    let tiny = "kind = \"grid\"\nrules = [\"pve\"]\ncapacity = 1\nlayers = 1\n\
        [grid]\ncell_m = 64\narea_cells = 4\nspawn = { x = 100.0, y = 100.0 }\n";
    let cluster = Cluster::with_worlds(&[("tiny", tiny)], &["central.enter_wait_s=0"]).await;
    let (client, character) = cluster.player("Inside", "tiny", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    event(&mut game, "the first view", |_, game| game.me().map(|_| ())).await;
    let (other, waiter) = cluster.player("Waiter", "tiny", None).await;
    let waits = async || {
        use http_body_util::BodyExt as _;
        let body = serde_json::json!({ "character": waiter });
        let headers = [("idempotency-key", "wait")];
        let answer = other.call_raw(http::Method::POST, "/api/enter", Some(&body), &headers).await.unwrap();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()
    };
    cluster.until("the other stands in line", || async { waits().await["position"] == 1 }).await;
    let before = cluster.serving("tiny/").await[0].clone();
    signal(before["pid"].as_u64().unwrap() as u32, "KILL");
    let back = event(&mut game, "back", |event, _| matches!(event, Event::Back { .. }).then_some(()));
    let stands_in_line = async {
        loop {
            let waiting = waits().await;
            assert_eq!((&waiting["state"], &waiting["position"]), (&"queued".into(), &1.into()), "{waiting}");
        }
    };
    tokio::select! {
        () = back => {}
        () = stands_in_line => {}
    }
    assert_eq!(waits().await["state"], "queued");
    game.leave().await;
    cluster.until("then it is the other's turn", || async { waits().await["state"] == "ready" }).await;
}

/// Scenario 11: `pangea up` is killed with -9 and takes central, spawner and chat with it; players
/// notice nothing, and the restarted spawner adopts the server that kept running.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn players_notice_nothing_when_up_is_killed_and_started_again() {
    let mut cluster = Cluster::start(&[]).await;
    let (client, character) = cluster.player("Ida", "wilds", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    event(&mut game, "the first view", |_, game| game.me().map(|_| ())).await;
    let before = cluster.serving("wilds/").await[0].clone();
    cluster.kill();
    let mut lost = false;
    let mut walked = 0;
    for n in 0..60 {
        game.move_towards(if n % 20 < 10 { 1.0 } else { -1.0 }, 0.0).await;
        event(&mut game, "an update", |event, _| {
            lost |= matches!(event, Event::Lost);
            matches!(event, Event::Updated { .. }).then(|| walked += 1)
        })
        .await;
    }
    assert!(!lost && walked == 60, "play goes on while nothing but the area server runs");
    cluster.run().await;
    cluster.until("the server is adopted", || async { cluster.serving("wilds/").await.len() == 1 }).await;
    let after = cluster.serving("wilds/").await[0].clone();
    assert_eq!(
        (&after["server"], &after["pid"], &after["port"]),
        (&before["server"], &before["pid"], &before["port"])
    );
    assert_eq!(after["seats"], 1, "central knows again who is there");
    game.move_towards(0.0, 1.0).await;
    event(&mut game, "an update", |event, _| {
        lost |= matches!(event, Event::Lost);
        matches!(event, Event::Updated { .. }).then_some(())
    })
    .await;
    assert!(!lost, "the connection never broke");
    // And he is known: what he does next is written.
    game.leave().await;
    cluster
        .until("he has left", || async {
            cluster.serving("wilds/").await.iter().all(|server| server["seats"] == 0)
        })
        .await;
}

/// A machine is lost, and its spawner with it: nobody sees its servers end. Their leases run out, and another machine
/// has their areas.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_areas_of_a_lost_machine_come_up_elsewhere() {
    let mut cluster = Cluster::apart_with(&["central.owner_lease_s=2"]).await;
    let (client, character) = cluster.player("Hanna", "isles", Some("sailors")).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    event(&mut game, "the first view", |_, game| game.me().map(|_| ())).await;
    let folder = another_machine(&mut cluster).await;
    let before = cluster.serving("isles/harbour").await[0].clone();
    cluster.kill_role("spawner");
    kill_all(&cluster.data());
    drop(game);
    let again = async || client.enter(character, EnterOptions::default()).await.ok();
    let game = cluster.until_found("she is back", again).await;
    assert_eq!(game.area(), "isles/harbour/0");
    let after = cluster.serving("isles/harbour").await;
    assert_eq!((after.len(), &after[0]["seats"]), (1, &Value::from(1)));
    assert_ne!(after[0]["server"], before["server"]);
    drop(game);
    cluster.kill_role("second");
    kill_all(&folder);
}

/// A server is stopped for longer than its lease, with nobody near who sees it; another one has its area by then. It goes
/// on: it looks at its lease first, so nobody sees anything of it any more, and what it would write counts for nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_slept_longer_than_its_lease_does_nothing_any_more() {
    let mut cluster = Cluster::apart_with(&["central.owner_lease_s=2"]).await;
    let (client, character) = cluster.player("Hanno", "isles", Some("sailors")).await;
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    let (mut before, _) = Wire::enter(&prepared.url, &prepared.ticket).await;
    before.sees("Hanno").await;
    let folder = another_machine(&mut cluster).await;
    let old = cluster.serving("isles/harbour").await[0].clone();
    let pid = old["pid"].as_u64().unwrap() as u32;
    cluster.kill_role("spawner");
    signal(pid, "STOP");
    let again = async || client.enter(character, EnterOptions::default()).await.ok();
    let mut game = cluster.until_found("he is back", again).await;
    assert_ne!(cluster.serving("isles/harbour").await[0]["server"], old["server"]);
    let stands = event(&mut game, "the view", |_, game| game.me().map(|me| (me.x_cm, me.y_cm))).await;
    signal(pid, "CONT");
    // His first input: whoever answers it has moved him.
    before.walk(1.0, 0.0).await;
    loop {
        match before.next().await {
            Heard::Said(ServerMessage::Update(update)) => assert_eq!(update.acked, 0, "without its lease"),
            Heard::Said(_) => {}
            Heard::Closed(_) => break,
        }
    }
    let has_ended = || async { !Path::new(&format!("/proc/{pid}/fd")).is_dir() || is_a_zombie(pid) };
    cluster.until("it ends", has_ended).await;
    assert!(game.is_steering());
    game.leave().await;
    let mut game = client.enter(character, EnterOptions::default()).await.expect("he comes again");
    let now = event(&mut game, "the view", |_, game| game.me().map(|me| (me.x_cm, me.y_cm))).await;
    assert_eq!(now, stands, "where the server that has him left him");
    drop(game);
    cluster.kill_role("second");
    kill_all(&folder);
    kill_all(&cluster.data());
}

fn is_a_zombie(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

/// Another spawner, as on another machine; where its data are.
async fn another_machine(cluster: &mut Cluster) -> PathBuf {
    let (folder, key) = (cluster.folder.path().join("second"), cluster.folder.path().join("second.key"));
    let made = cluster.command(&["key", "spawner", "second"]).output().unwrap();
    std::fs::write(&key, made.stdout).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let ports = cluster.ports_in_a_row::<40>();
    let settings = [
        format!("data={}", folder.display()),
        format!("spawner.key_file={}", key.display()),
        format!("spawner.ports={}-{}", ports[0], ports[39]),
    ];
    cluster.start_another("spawner", "second", &settings);
    let second = async || {
        let spawners = cluster.operator(Method::GET, "/api/data/spawners").await;
        spawners.is_some_and(|spawners| spawners.to_string().contains("second"))
    };
    cluster.until("the second machine is here", second).await;
    folder
}

/// `kill -9` of all game servers of which a spawner with this data folder has made a note.
pub fn kill_all(data: &Path) {
    let records = std::fs::read_dir(data.join("run")).unwrap().map(|entry| entry.unwrap().path());
    for record in records.filter(|path| path.extension().is_some_and(|end| end == "json")) {
        let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
        signal(record["pid"].as_u64().unwrap() as u32, "KILL");
    }
}
