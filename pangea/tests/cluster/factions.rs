//! Factions that players found, in whole clusters: their ground, their spawn place, what servers know of them
//! (G5, G9, I.1-I.7).

use http::Method;
use pangea_client::{Client, EnterOptions, Event, Game};
use pangea_world::id::CharacterId;
use serde_json::{Value, json};

use crate::enter::pending;
use crate::goods::{durable, grant, see, stands, tiles, tree, walk};
use crate::support::{Cluster, event};

/// The wilds; an empty ground stops after a second, a claimed one does not.
const WILDS: &str = "kind = \"grid\"\nseed = 7\nlayers = 2\nidle_stop_s = 1\nclaimed_idle_s = 3600\ngrace_s = 0\n\
    creatures = false\nclaim_price = 5\nclaim_days = 2\n[grid]\ncell_m = 64\narea_cells = 8\n\
    spawn = { x = 256.0, y = 256.0 }\n[[faction]]\nid = \"tides\"\nspawn = { x = 840.0, y = 260.0 }\n";

const HOME: &str = "wilds/0,0..8,8";

/// A deed of a character's, with its status and its answer.
pub async fn deed(client: &Client, who: CharacterId, deed: &str, body: Value) -> (u16, Value) {
    use http_body_util::BodyExt as _;
    let path = format!("/api/characters/{who}/faction{deed}");
    let answer = client
        .call_raw(Method::POST, &path, Some(&body), &[("idempotency-key", "one")])
        .await
        .expect("an answer");
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("its body").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

pub async fn done(client: &Client, who: CharacterId, what: &str, body: Value) -> Value {
    let (status, answer) = deed(client, who, what, body).await;
    assert!((200..300).contains(&status), "{what}: {status} {answer}");
    answer
}

/// What a stroke at a tree comes to: `Gathered`, or the code of the refusal.
async fn stroke(game: &mut Game, (x, y): (i32, i32)) -> String {
    game.act("Gather", &json!({ "x": x, "y": y })).await.expect("known");
    event(game, "what became of the stroke", |event, _| match event {
        Event::Game { name, .. } if name == "Gathered" => Some(name.clone()),
        Event::Game { name, values } if name == "Told" => values["code"].as_str().map(str::to_owned),
        _ => None,
    })
    .await
}

/// Scenario 13: ground is claimed and paid for, others may not gather there until they are let, and an empty server stays up as
/// long as it is claimed: one beside it that is not, and was left later, stops before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claimed_ground_is_guarded_and_stays_up() {
    let cluster = Cluster::with_worlds(&[("wilds", WILDS)], &[]).await;
    let (ada, lovelace) = cluster.player("Ada", "wilds", None).await;
    let (bob, babbage) = cluster.player("Bob", "wilds", None).await;
    let mut hers = ada.enter(lovelace, EnterOptions::default()).await.unwrap();
    let mut his = bob.enter(babbage, EnterOptions::default()).await.unwrap();
    done(&ada, lovelace, "", json!({ "name": "The Ravens" })).await;
    let (status, poor) = deed(&ada, lovelace, "/claim", json!({})).await;
    assert_eq!((status, &poor["code"]), (409, &json!("not_enough")));
    let coins = json!([{ "currency": "coin", "amount": 15 }]);
    grant(&cluster, lovelace, json!({ "reason": "a test", "coins": coins })).await;
    let claim = done(&ada, lovelace, "/claim", json!({})).await;
    assert_eq!(claim["area"], HOME);
    assert_eq!(durable(&cluster, lovelace).await["coin"], 5, "two days of five");
    let (status, again) = deed(&ada, lovelace, "/claim", json!({})).await;
    assert_eq!((status, &again["code"]), (409, &json!("already_claimed")));
    for _ in 0..2 {
        done(&ada, lovelace, "/upkeep", json!({ "area": HOME, "days": 1 })).await;
    }
    assert_eq!(durable(&cluster, lovelace).await["coin"], 0, "a repeat under the same key pays nothing");

    let at = see(&mut his, "himself", stands).await;
    let land = tiles(&mut his, at).await;
    let (felled, beside) = tree(&land, at);
    walk(&mut his, beside, 0.3).await;
    assert_eq!(stroke(&mut his, felled).await, "forbidden");
    let gathers = json!({ "gather": true, "build": false });
    let rights = json!({ "area": HOME, "owner": gathers, "ally": gathers, "guest": gathers });
    let (status, foreign) = deed(&bob, babbage, "/rights", rights.clone()).await;
    assert_eq!((status, &foreign["code"]), (409, &json!("not_a_member")));
    done(&ada, lovelace, "/rights", rights).await;
    cluster
        .until("he may gather now", async || {
            let server = cluster.serving(HOME).await[0].clone();
            let text = of_server(&cluster, &server).await;
            text["claim"]["guest"]["gather"] == true
        })
        .await;
    assert_eq!(stroke(&mut his, felled).await, "Gathered");

    // Somebody on the ground beside, who leaves last.
    let (eve, moriarty) = cluster.player("Eve", "wilds", Some("tides")).await;
    let mut elsewhere = eve.enter(moriarty, EnterOptions::default()).await.unwrap();
    assert_eq!(elsewhere.area(), "wilds/8,0..16,8/0");
    hers.leave().await;
    his.leave().await;
    elsewhere.leave().await;
    cluster
        .until("the other ground stops", async || cluster.serving("wilds/8,0..16,8").await.is_empty())
        .await;
    assert_eq!(cluster.serving(HOME).await.len(), 1, "it is claimed");
    done(&ada, lovelace, "/unclaim", json!({ "area": HOME })).await;
    cluster.until("this one stops too", async || cluster.serving(HOME).await.is_empty()).await;
}

/// What a server says of who is coming, and of factions.
async fn of_server(cluster: &Cluster, server: &Value) -> Value {
    let id = server["server"].as_str().expect("an id");
    let text = pending(cluster, id, server["port"].as_u64().expect("a port")).await;
    let body = text.split_once("\r\n\r\n").map_or(text.as_str(), |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A member who has never been anywhere enters at his faction's place; the server of that ground knows the faction
/// by then, hears of changes, and after central was away of those that it missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_know_the_faction_of_who_is_there() {
    let mut cluster = Cluster::with_worlds(&[("wilds", WILDS)], &[]).await;
    let (ada, lovelace) = cluster.player("Ada", "wilds", Some("tides")).await;
    let hers = ada.enter(lovelace, EnterOptions::default()).await.unwrap();
    assert_eq!(hers.area(), "wilds/8,0..16,8/0");
    let made = done(&ada, lovelace, "", json!({ "name": "The Ravens", "open": true })).await;
    done(&ada, lovelace, "/spawn", json!({})).await;
    let join = json!({ "faction": made["id"] });
    let (bob, babbage) = cluster.player("Bob", "wilds", None).await;
    done(&bob, babbage, "/join", join).await;
    let prepared = bob.prepare(babbage, &EnterOptions::default()).await.unwrap();
    assert_eq!(prepared.area, "wilds/8,0..16,8/0", "where the Ravens enter, not at the world's spawn");
    let server = cluster.serving("wilds/8,0..16,8").await[0].clone();
    let known = of_server(&cluster, &server).await;
    assert_eq!(known["founded"][0]["name"], "The Ravens");
    assert_eq!(known["pending"][0]["character"]["name"], "Bob");

    let of_it = format!("/api/presence?founded={}", made["id"].as_str().unwrap());
    let found: Value = ada.call(Method::GET, &of_it, None).await.unwrap();
    let names: Vec<&Value> = found["characters"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["Ada", "Bob"]);
    assert_eq!(found["characters"][1]["founded"], json!({ "id": made["id"], "name": "The Ravens" }));

    let says = async |cluster: &Cluster, text: &str| {
        let hears = async || of_server(cluster, &server).await["founded"][0]["about"] == text;
        cluster.until("the server hears of it", hears).await;
    };
    done(&ada, lovelace, "/edit", json!({ "about": "We watch." })).await;
    says(&cluster, "We watch.").await;
    cluster.kill();
    cluster.run().await;
    done(&ada, lovelace, "/edit", json!({ "about": "We wait." })).await;
    says(&cluster, "We wait.").await;
}
