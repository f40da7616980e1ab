//! A game server that is not ours: it knows the Agones SDK and the check of a ticket, and is one of the maps
//! (K15, K16).

use std::path::{Path, PathBuf};
use std::process::Command;

use pangea_client::{Client, EnterOptions, Event, Game};
use pangea_world::id::CharacterId;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Cluster, event, signal};

const MAPS: &str = "kind = \"maps\"\nrules = [\"pve\"]\ncapacity = 10\ngrace_s = 1\n\
    [maps]\nspawn = { map = \"home\", x = 16.0, y = 16.0 }\n\
    [[map]]\nid = \"home\"\nwidth_m = 64\nheight_m = 64\nlobby = true\n\
    [[map]]\nid = \"lodge\"\nwidth_m = 32\nheight_m = 32\nserver = \"lodge\"\n\
    [[map]]\nid = \"annex\"\nwidth_m = 32\nheight_m = 32\nserver = \"lodge\"\n";

/// The example's folder, with its two packages in it.
fn lodge() -> PathBuf {
    static ONCE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    ONCE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/lodge-node");
        if !folder.join("node_modules").exists() {
            let done =
                Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).status();
            assert!(done.expect("npm").success(), "npm ci");
        }
        folder.canonicalize().unwrap()
    })
    .clone()
}

async fn with_lodge() -> Cluster {
    let mut cluster = Cluster::prepare(
        &[("maps", MAPS)],
        &["central.seat_hold_s=2", "central.start_timeout_s=30", "spawner.ready_timeout_s=30"],
    );
    let program = lodge().join("lodge.mjs");
    let template = format!(
        "[spawner.templates.lodge]\ncommand = [\"node\", \"{}\"]\npool = 1\npath = \"/play\"\n",
        program.display()
    );
    std::fs::write(cluster.folder.path().join("pangea.toml"), template).unwrap();
    cluster.run().await;
    cluster
}

fn map(id: &str) -> EnterOptions {
    EnterOptions { map: Some(id.to_owned()), ..EnterOptions::default() }
}

async fn seats(cluster: &Cluster, area: &str) -> u64 {
    cluster.serving(area).await.iter().map(|server| server["seats"].as_u64().unwrap()).sum()
}

async fn players(cluster: &Cluster) -> u64 {
    cluster.client().worlds().await.unwrap().iter().map(|world| world.players).sum()
}

/// The next thing that the lodge says, but for who comes and goes.
async fn said(game: &mut Game) -> Value {
    event(game, "the lodge speaks", |event, _| match event {
        Event::Raw(data) => Some(serde_json::from_slice(data).unwrap()).filter(is_for_him),
        Event::Ended(how) => panic!("it ended: {how:?}"),
        _ => None,
    })
    .await
}

fn is_for_him(said: &Value) -> bool {
    said.get("came").or(said.get("left")).is_none()
}

/// He goes in on the plain path, is there for all to see, comes back out, and his seat is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_enters_and_leaves_a_server_that_is_not_ours() {
    let cluster = with_lodge().await;
    let (client, character) = cluster.player("Ursel", "maps", None).await;
    let mut game = client.enter(character, map("home")).await.unwrap();
    // From inside the game: asked for, prepared, left here, entered there.
    game.go_on(None, Some("lodge"), None).await;
    let welcome = said(&mut game).await;
    assert_eq!(welcome["welcome"]["name"], "Ursel");
    assert_eq!(welcome["welcome"]["character"], character.to_string());
    cluster.until("the lodge lists him", || async { seats(&cluster, "maps/lodge").await == 1 }).await;
    cluster.until("he left the lobby", || async { seats(&cluster, "maps/home").await == 0 }).await;
    cluster.until("he is counted", || async { players(&cluster).await == 1 }).await;
    game.send_raw(json!({ "say": "good evening" }).to_string().into()).await;
    assert_eq!(said(&mut game).await, json!({ "said": "good evening", "by": "Ursel" }));

    // Out again, to a server of ours.
    let mut home = client.enter(character, map("home")).await.expect("home again");
    event(&mut home, "the view", |_, game| game.me().map(|_| ())).await;
    game.leave().await;
    cluster.until("his seat there is free", || async { seats(&cluster, "maps/lodge").await == 0 }).await;
    assert_eq!(seats(&cluster, "maps/home").await, 1);
    // And in once more.
    home.leave().await;
    let mut game = client.enter(character, map("lodge")).await.unwrap();
    assert_eq!(said(&mut game).await["welcome"]["name"], "Ursel");
    game.leave().await;
    cluster.until("nobody is anywhere", || async { players(&cluster).await == 0 }).await;
}

/// What the lodge answers to a first message; the close reason if that is all.
async fn shown(url: &str, first: String) -> Value {
    use futures_util::{SinkExt, StreamExt};
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    socket.send(Message::text(first)).await.unwrap();
    loop {
        match socket.next().await.expect("an answer").expect("a frame") {
            Message::Text(text) => {
                let said: Value = serde_json::from_str(&text).unwrap();
                if is_for_him(&said) {
                    return said;
                }
            }
            Message::Close(Some(frame)) => return serde_json::from_str(&frame.reason).unwrap(),
            Message::Close(None) => panic!("closed without a reason"),
            _ => {}
        }
    }
}

fn ticket(text: &str) -> String {
    json!({ "ticket": text }).to_string()
}

async fn prepare(client: &Client, character: CharacterId, id: &str) -> (String, String) {
    let prepared = client.prepare(character, &map(id)).await.unwrap();
    assert!(prepared.plain);
    (prepared.url, prepared.ticket)
}

/// A ticket opens the server that it names, once; who never comes frees his seat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_checked_by_a_server_that_is_not_ours() {
    let cluster = with_lodge().await;
    let (client, character) = cluster.player("Vera", "maps", None).await;
    let (other, guest) = cluster.player("Willi", "maps", None).await;
    let (lodge, good) = prepare(&client, character, "lodge").await;
    let (annex, foreign) = prepare(&other, guest, "annex").await;
    assert_ne!(lodge, annex);
    assert_eq!(shown(&lodge, ticket(&foreign)).await["code"], "ticket_foreign");
    assert_eq!(shown(&lodge, ticket(&good[..good.len() - 4])).await["code"], "ticket_invalid");
    assert_eq!(shown(&lodge, ticket("")).await["code"], "ticket_invalid");
    assert_eq!(shown(&lodge, "no json".to_owned()).await["code"], "protocol");
    assert_eq!(shown(&lodge, ticket(&good)).await["welcome"]["name"], "Vera");
    assert_eq!(shown(&lodge, ticket(&good)).await["code"], "ticket_used");
    // A ticket of ours opens no third-party server and the other way round.
    let ours = other.prepare(guest, &map("home")).await.unwrap();
    assert_eq!(shown(&lodge, ticket(&ours.ticket)).await["code"], "ticket_foreign");
    cluster
        .until("who never came frees his seat", || async { seats(&cluster, "maps/annex").await == 0 })
        .await;
}

/// He comes in anew while he is there: the lodge, which lists him already, has nothing to say, and he stays
/// counted when nobody waits for his seat any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_in_anew_stays_counted() {
    let cluster = with_lodge().await;
    let (client, character) = cluster.player("Zita", "maps", None).await;
    let mut first = client.enter(character, map("lodge")).await.unwrap();
    assert_eq!(said(&mut first).await["welcome"]["name"], "Zita");
    cluster.until("she is counted", || async { players(&cluster).await == 1 }).await;
    let mut again = client.enter(character, map("lodge")).await.unwrap();
    assert_eq!(said(&mut again).await["welcome"]["name"], "Zita");
    cluster.until("she is counted again", || async { players(&cluster).await == 1 }).await;
    assert_eq!(seats(&cluster, "maps/lodge").await, 1);
    again.leave().await;
    cluster.until("her leave is noticed", || async { seats(&cluster, "maps/lodge").await == 0 }).await;
}

/// He comes in anew while central does not know yet that he is there: what the list says late of his stay before,
/// that he came and that he went, is not taken for the one after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_in_anew_is_not_taken_for_his_stay_before() {
    use futures_util::{SinkExt, StreamExt};
    let cluster = with_lodge().await;
    let (client, character) = cluster.player("Zoe", "maps", None).await;
    for _ in 0..5 {
        let (lodge, first) = prepare(&client, character, "lodge").await;
        let (mut before, _) = tokio_tungstenite::connect_async(&lodge).await.unwrap();
        before.send(Message::text(ticket(&first))).await.unwrap();
        let (_, second) = prepare(&client, character, "lodge").await;
        drop(before);
        let (mut socket, _) = tokio_tungstenite::connect_async(&lodge).await.unwrap();
        socket.send(Message::text(ticket(&second))).await.unwrap();
        cluster.until("she is counted", || async { players(&cluster).await == 1 }).await;
        socket.send(Message::text(json!({ "ring": true }).to_string())).await.unwrap();
        let rings = async {
            loop {
                match socket.next().await.expect("an answer").expect("a frame") {
                    Message::Text(text) if text.contains("rings") => break,
                    Message::Close(why) => panic!("she was shown out: {why:?}"),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(crate::support::PATIENCE, rings).await.expect("the bell");
        assert_eq!(seats(&cluster, "maps/lodge").await, 1);
        drop(socket);
        cluster.until("her leave is noticed", || async { seats(&cluster, "maps/lodge").await == 0 }).await;
    }
}

/// It is killed: it is replaced, and its player comes in again by himself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_that_is_not_ours_is_replaced() {
    let cluster = with_lodge().await;
    let (client, character) = cluster.player("Xaver", "maps", None).await;
    let mut game = client.enter(character, map("lodge")).await.unwrap();
    assert_eq!(said(&mut game).await["welcome"]["name"], "Xaver");
    cluster.until("he is counted", || async { players(&cluster).await == 1 }).await;
    let before = cluster.serving("maps/lodge").await[0].clone();
    signal(before["pid"].as_u64().unwrap() as u32, "KILL");
    event(&mut game, "lost", |event, _| matches!(event, Event::Lost).then_some(())).await;
    cluster
        .until("another process has the map", || async {
            cluster.serving("maps/lodge").await.iter().all(|server| server["server"] != before["server"])
        })
        .await;
    drop(game);
    let mut game = client.enter(character, map("lodge")).await.expect("the lodge is open again");
    assert_eq!(said(&mut game).await["welcome"]["name"], "Xaver");
    cluster.until("he is there once", || async { players(&cluster).await == 1 }).await;
    assert_eq!(cluster.serving("maps/lodge").await.len(), 1);
}

/// D §8: central and spawner are killed with -9 and started again; the lodge and its guest play on, and are
/// known again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_ours_survives_central_and_spawner() {
    let mut cluster = with_lodge().await;
    let (client, character) = cluster.player("Yvonne", "maps", None).await;
    let mut game = client.enter(character, map("lodge")).await.unwrap();
    assert_eq!(said(&mut game).await["welcome"]["name"], "Yvonne");
    cluster.until("he is counted", || async { players(&cluster).await == 1 }).await;
    let before = cluster.serving("maps/lodge").await[0].clone();
    cluster.kill();
    game.send_raw(json!({ "ring": true }).to_string().into()).await;
    assert_eq!(said(&mut game).await["rings"], 1);
    cluster.run().await;
    cluster.until("the lodge is adopted", || async { seats(&cluster, "maps/lodge").await == 1 }).await;
    assert_eq!(cluster.serving("maps/lodge").await[0]["server"], before["server"]);
    game.send_raw(json!({ "ring": true }).to_string().into()).await;
    assert_eq!(said(&mut game).await["rings"], 2);
    // Tickets of the new central are for the life that the lodge was told.
    let (second, other) = cluster.player("Yorick", "maps", None).await;
    let mut guest = second.enter(other, map("lodge")).await.unwrap();
    assert_eq!(said(&mut guest).await["welcome"]["name"], "Yorick");
    guest.leave().await;
    game.leave().await;
    cluster.until("their leave is noticed", || async { seats(&cluster, "maps/lodge").await == 0 }).await;
}

async fn closed_out(cluster: &Cluster, game: &mut Game) {
    event(game, "the lodge closes him out", |event, _| match event {
        Event::Lost | Event::Ended(_) => Some(()),
        _ => None,
    })
    .await;
    cluster.until("his seat is free", || async { seats(cluster, "maps/lodge").await == 0 }).await;
    cluster.until("he is counted nowhere", || async { players(cluster).await == 0 }).await;
}

/// The end of a login reaches a guest of a server that is not ours, also one who shows his ticket after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_logs_out_is_closed_out_by_a_server_that_is_not_ours() {
    let cluster = with_lodge().await;
    let (client, character) = cluster.player("Yasmin", "maps", None).await;
    let mut game = client.enter(character, map("lodge")).await.unwrap();
    assert_eq!(said(&mut game).await["welcome"]["name"], "Yasmin");
    cluster.until("she is counted", || async { players(&cluster).await == 1 }).await;
    let again = cluster.client();
    again.login("Yasmin", "correct horse battery").await.expect("a newer login");
    closed_out(&cluster, &mut game).await;
    drop(game);
    let (lodge, late) = prepare(&again, character, "lodge").await;
    again.logout().await.expect("logged out");
    let mut socket = tokio_tungstenite::connect_async(&lodge).await.unwrap().0;
    use futures_util::{SinkExt, StreamExt};
    socket.send(Message::text(ticket(&late))).await.unwrap();
    let closed = async { while !matches!(socket.next().await, Some(Ok(Message::Close(_))) | None) {} };
    tokio::time::timeout(crate::support::PATIENCE, closed).await.expect("she is closed out");
    cluster.until("she is nowhere", || async { players(&cluster).await == 0 }).await;
}

/// The server that he comes from is killed between his leave and its word of it: the store names the lodge all
/// the same, so that his way on from there is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_move_whose_source_is_killed_is_finished() {
    let cluster = with_lodge().await;
    let (client, character) = cluster.player("Zacharias", "maps", None).await;
    let mut game = client.enter(character, map("home")).await.unwrap();
    event(&mut game, "the view", |_, game| game.me().map(|_| ())).await;
    // Stopped before it can tell, and killed when the guest is in the lodge.
    let home = cluster.serving("maps/home").await[0]["pid"].as_u64().unwrap() as u32;
    game.go_on(None, Some("lodge"), None).await;
    cluster
        .until("the lodge has a seat for him", || async { seats(&cluster, "maps/lodge").await == 1 })
        .await;
    signal(home, "KILL");
    let (lodge, pass) = prepare(&client, character, "lodge").await;
    assert_eq!(shown(&lodge, ticket(&pass)).await["welcome"]["name"], "Zacharias");
    cluster.until("he left the lodge", || async { seats(&cluster, "maps/lodge").await == 0 }).await;
    drop(game);
    client.enter(character, map("home")).await.expect("nobody else has him").leave().await;
}
