//! Seats that are taken and given back: who never comes, who gives up, who asks again (O5, O11).

use http::Method;
use pangea_client::{Client, EnterOptions};
use pangea_world::frames::{Entry, close};
use pangea_world::id::CharacterId;
use serde_json::{Value, json};

use crate::support::Cluster;
use crate::wire::Wire;

const TINY: &str = "kind = \"grid\"\nrules = [\"pve\"]\ncapacity = 1\nlayers = 1\ngrace_s = 0\n\
    [grid]\ncell_m = 64\narea_cells = 4\nspawn = { x = 100.0, y = 100.0 }\n";

async fn seats(cluster: &Cluster) -> u64 {
    cluster.servers().await.iter().map(|server| server["seats"].as_u64().unwrap()).sum()
}

async fn players(cluster: &Cluster) -> u64 {
    cluster.client().worlds().await.unwrap().iter().map(|world| world.players).sum()
}

/// One POST under this key; the status and the body.
async fn ask(client: &Client, character: CharacterId, key: &str) -> (u16, Value) {
    use http_body_util::BodyExt as _;
    let body = json!({ "character": character });
    let headers = [("idempotency-key", key)];
    let answer = client.call_raw(Method::POST, "/api/enter", Some(&body), &headers).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// O11: he has a ticket and does not come. His seat is free for others, and his ticket opens nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_comes_frees_his_seat() {
    let cluster = Cluster::with_worlds(&[("tiny", TINY)], &["central.seat_hold_s=1"]).await;
    let (client, character) = cluster.player("Absent", "tiny", None).await;
    let (status, first) = ask(&client, character, "once").await;
    assert_eq!((status, seats(&cluster).await, players(&cluster).await), (200, 1, 0), "held, and not there");
    cluster.until("the seat is free", || async { seats(&cluster).await == 0 }).await;
    let url = first["url"].as_str().unwrap();
    let mut late = Wire::knock(url, Entry::Ticket(first["ticket"].as_str().unwrap().to_owned())).await;
    assert_eq!(late.end().await, (vec!["not_announced".to_owned()], Some(close::REFUSED)));
    let (status, again) = ask(&client, character, "once").await;
    assert_eq!((status, again["code"].as_str()), (410, Some("enter_expired")), "{again}");
    // The only seat is another's now, and he himself stands in line.
    let (other, guest) = cluster.player("Present", "tiny", None).await;
    let game = other.enter(guest, EnterOptions::default()).await.unwrap();
    assert!(game.area().starts_with("tiny/"));
    cluster.until("he is counted", || async { players(&cluster).await == 1 }).await;
}

/// One in line gives up; those behind him move up, and the one at the front gets the seat that is freed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_up_leaves_the_line_and_the_next_move_up() {
    let cluster = Cluster::with_worlds(&[("tiny", TINY)], &["central.enter_wait_s=0"]).await;
    let (client, character) = cluster.player("Inside", "tiny", None).await;
    let mut inside = client.enter(character, EnterOptions::default()).await.unwrap();
    let mut line = Vec::new();
    for n in 1..=3u64 {
        let (client, character) = cluster.player(&format!("Waiter{n}"), "tiny", None).await;
        cluster
            .until("he stands in line", || async { ask(&client, character, "wait").await.1["position"] == n })
            .await;
        line.push((client, character));
    }
    let id = ask(&line[0].0, line[0].1, "wait").await.1["enter_id"].as_str().unwrap().to_owned();
    // Nobody else can give it up for him.
    let path = format!("/api/enter/{id}");
    let foreign = line[1].0.call_raw(Method::DELETE, &path, None, &[]).await.unwrap();
    assert_eq!(foreign.status(), 404);
    let gone = line[0].0.call_raw(Method::DELETE, &path, None, &[]).await.unwrap();
    assert_eq!(gone.status(), 204);
    for (n, (client, character)) in (1u64..).zip(&line[1..]) {
        cluster
            .until("he moved up", || async { ask(client, *character, "wait").await.1["position"] == n })
            .await;
    }
    inside.leave().await;
    let mut prepared = Value::Null;
    while prepared["state"] != "ready" {
        prepared = ask(&line[1].0, line[1].1, "wait").await.1;
    }
    let last = ask(&line[2].0, line[2].1, "wait").await.1;
    assert_eq!((&last["state"], &last["position"]), (&json!("queued"), &json!(1)), "{last}");
    assert_eq!(seats(&cluster).await, 1);
    // A ready one that is given up frees its seat too.
    let path = format!("/api/enter/{}", prepared["enter_id"].as_str().unwrap());
    line[1].0.call_raw(Method::DELETE, &path, None, &[]).await.unwrap();
    cluster
        .until("the last is in", || async { ask(&line[2].0, line[2].1, "wait").await.1["state"] == "ready" })
        .await;
    assert_eq!(seats(&cluster).await, 1);
}

/// O1: central is killed with -9 after it answered; the repeat finds the same enter, and holds one seat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_after_central_was_killed_has_one_seat() {
    let mut cluster = Cluster::with_worlds(&[("tiny", TINY)], &[]).await;
    let (client, character) = cluster.player("Twice", "tiny", None).await;
    let (status, before) = ask(&client, character, "same").await;
    assert_eq!(status, 200);
    cluster.kill();
    cluster.run().await;
    cluster.until("the server is adopted", || async { cluster.serving("tiny/").await.len() == 1 }).await;
    let (status, after) = ask(&client, character, "same").await;
    assert_eq!((status, &after["enter_id"]), (200, &before["enter_id"]), "{after}");
    let ticket = after["ticket"].as_str().unwrap();
    let (mut wire, _) = Wire::enter(after["url"].as_str().unwrap(), ticket).await;
    wire.sees("Twice").await;
    assert_eq!(seats(&cluster).await, 1);
    cluster.until("he is counted", || async { players(&cluster).await == 1 }).await;
    // The answer of before opens nothing beside it.
    let old = before["ticket"].as_str().unwrap().to_owned();
    if old != ticket {
        let (refused, code) =
            Wire::knock(before["url"].as_str().unwrap(), Entry::Ticket(old)).await.end().await;
        assert_eq!(code, Some(close::REFUSED), "{refused:?}");
    }
    wire.flush().await;
}

/// The same while the first answer was never read: killed in the middle, nothing is taken twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn central_killed_in_the_middle_of_an_enter() {
    let mut cluster = Cluster::with_worlds(&[("tiny", TINY)], &[]).await;
    let (client, character) = cluster.player("Halfway", "tiny", None).await;
    let asking = tokio::spawn({
        let client = client.clone();
        let body = json!({ "character": character });
        async move {
            client
                .call_raw(Method::POST, "/api/enter", Some(&body), &[("idempotency-key", "half")])
                .await
                .is_ok()
        }
    });
    cluster.until("it is under way", || async { seats(&cluster).await == 1 || asking.is_finished() }).await;
    cluster.kill();
    let _ = asking.await;
    cluster.run().await;
    let (status, after) = ask(&client, character, "half").await;
    assert_eq!(status, 200, "{after}");
    let (mut wire, _) = Wire::enter(after["url"].as_str().unwrap(), after["ticket"].as_str().unwrap()).await;
    wire.sees("Halfway").await;
    assert_eq!((seats(&cluster).await, cluster.serving("tiny/").await.len()), (1, 1));
}

/// Whoever comes in the moment in which the area stops is let in by its next life, and not announced to a server that
/// has ended, which would never answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_as_the_area_stops_waits_for_no_dead_server() {
    const MANY: u64 = 12;
    let world = TINY.replace("capacity = 1", "capacity = 40\nidle_stop_s = 1");
    let cluster = Cluster::with_worlds(&[("tiny", &world)], &[]).await;
    let players = (0..MANY).map(|n| {
        let cluster = &cluster;
        async move { cluster.player(&format!("Comer{}", char::from(b'a' + n as u8)), "tiny", None).await }
    });
    let players = futures_util::future::join_all(players).await;
    for _ in 0..4 {
        let games =
            players.iter().map(|(client, character)| client.enter(*character, EnterOptions::default()));
        let mut games = futures_util::future::try_join_all(games).await.expect("all are let in");
        for game in &mut games {
            game.leave().await;
        }
        // The list changes when central hears of the stop: everybody comes at that moment.
        let begun = std::time::Instant::now();
        while !cluster.serving("tiny/").await.is_empty() {
            assert!(begun.elapsed().as_secs() < 60, "the area does not stop\n{}", cluster.log());
        }
    }
    let log = cluster.log();
    assert!(!log.contains("did not answer"), "{log}");
}
