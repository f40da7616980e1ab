//! Game masters' commands, and what operators do against who disturbs: in force wherever a player is (A.6, H.3, L.6).

use http::Method;
use pangea_client::{ChannelKind as Kind, EnterOptions, Event, Game};
use pangea_world::Code;
use serde_json::{Value, json};

use crate::support::{Cluster, event, request};

/// An operator's order.
pub async fn order(cluster: &Cluster, what: &str, body: Value) {
    let key = std::fs::read_to_string(cluster.data().join("keys/operator.key")).expect("the operator's key");
    let path = format!("/api/data/{what}");
    let answer = request(&cluster.url, Method::POST, &path, key.trim(), Some(&body.to_string())).await;
    assert_eq!(answer.expect("an answer").0, 204, "{what}");
}

/// What an operator is answered who looks at this part of what was said.
async fn look(cluster: &Cluster, part: &str) -> (u16, String) {
    let key = std::fs::read_to_string(cluster.data().join("keys/operator.key")).expect("the operator's key");
    let path = format!("/api/data/chat?{part}");
    request(&cluster.url, Method::GET, &path, key.trim(), None).await.expect("an answer")
}

/// The next notice of this type.
pub async fn notice(game: &mut Game, of: &str) -> Value {
    event(game, of, |event, _| match event {
        Event::Social(text) => serde_json::from_str::<Value>(text).ok().filter(|notice| notice["type"] == of),
        _ => None,
    })
    .await
}

/// Gives a command; whether it was done.
pub async fn command(game: &mut Game, text: &str) -> bool {
    game.say(Kind::World, text).await;
    notice(game, "command").await["ok"].as_bool().expect("yes or no")
}

/// Says something to the world: `None`, or why not.
async fn says(game: &mut Game, text: &str) -> Option<Code> {
    let said = game.say(Kind::World, text).await;
    event(game, "an answer", |event, _| match event {
        Event::Said { id, refused } if *id == said => Some(refused.as_ref().map(|refused| refused.code)),
        _ => None,
    })
    .await
}

pub async fn comes_to(game: &mut Game, area: &str) {
    if game.area() != area {
        event(game, area, |_, game| (game.area() == area).then_some(())).await;
    }
}

/// A game master mutes, moves, kicks and bans a player in another area; each is in the audit log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_game_master_reaches_a_player_elsewhere() {
    const HERE: &str = "wilds/0,0..8,8/0";
    const THERE: &str = "wilds/8,0..16,8/0";
    let cluster = Cluster::start(&["limits.chat_lines_per_10s=1000"]).await;
    let (ada, lovelace) = cluster.player("Ada", "wilds", None).await;
    let (eve, moriarty) = cluster.player("Eve", "wilds", Some("tides")).await;
    order(&cluster, "level", json!({ "name": "Ada", "level": 1, "reason": "hired" })).await;
    let mut master = ada.enter(lovelace, EnterOptions::default()).await.unwrap();
    let mut player = eve.enter(moriarty, EnterOptions::default()).await.unwrap();
    player.follows = true;
    assert_eq!((master.area(), player.area()), (HERE, THERE));

    let founded = json!({ "name": "The Ravens" });
    let path = format!("/api/characters/{moriarty}/faction");
    eve.call::<Value>(Method::POST, &path, Some(&founded)).await.unwrap();
    player.say(Kind::World, "/who").await;
    let who = notice(&mut player, "command").await;
    assert_eq!(who["text"], "2 in this world: Ada, Eve ‹The Ravens›");
    assert!(!command(&mut player, "/mute Ada 5").await, "who may not");
    assert!(!command(&mut master, "/banip 192.0.2.1 5").await, "above a game master");
    assert!(!command(&mut master, "/mute Nobody 5").await);
    assert!(!command(&mut master, "/mute Ada 5").await, "her equal, herself");
    assert_eq!(says(&mut player, "hello").await, None);
    assert!(command(&mut master, "/mute Eve 5 loud").await);
    notice(&mut player, "muted").await;
    assert_eq!(says(&mut player, "hello?").await, Some(Code::Muted));
    assert!(command(&mut master, "/unmute eve").await);
    notice(&mut player, "muted").await;
    assert_eq!(says(&mut player, "thank you").await, None);
    assert!(command(&mut player, "/report Ada She is strict").await);

    assert!(command(&mut master, "/announce Tea is served").await);
    let heard = event(&mut player, "the announcement", |event, _| match event {
        Event::Chat(line) if line.kind == Kind::System => Some(line.text.clone()),
        _ => None,
    });
    assert_eq!(heard.await, "Tea is served");
    assert!(command(&mut master, "/bring Eve").await);
    comes_to(&mut player, HERE).await;
    assert!(command(&mut player, "/recall").await, "to the place of his faction");
    comes_to(&mut player, THERE).await;

    assert!(command(&mut master, "/kick Eve enough").await);
    let ended = event(&mut player, "the end", |event, _| match event {
        Event::Ended(result) => Some(result.is_err()),
        _ => None,
    });
    assert!(ended.await);
    eve.login("Eve", "correct horse battery").await.expect("kicked is not banned");
    assert!(command(&mut master, "/ban Eve 2 enough is enough").await, "also who is not there");
    let refused = eve.login("Eve", "correct horse battery").await.unwrap_err().to_string();
    assert!(refused.starts_with("banned"), "{refused}");
    assert!(command(&mut master, "/unban Eve").await);
    eve.login("Eve", "correct horse battery").await.expect("she may come again");

    let log = cluster.operator(Method::GET, "/api/data/audit").await.expect("the log");
    let actions: Vec<&str> =
        log["entries"].as_array().unwrap().iter().filter_map(|entry| entry["action"].as_str()).collect();
    for action in ["level", "mute", "announce", "bring", "kick", "ban"] {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
    let said =
        cluster.operator(Method::GET, "/api/data/chat?name=eve&limit=1").await.expect("the log of chat");
    assert_eq!((&said["lines"][0]["text"], &said["lines"][1]), (&json!("thank you"), &Value::Null));
    let next = format!("/api/data/chat?name=eve&channel=world/wilds&before_ms={}", said["next_ms"]);
    let older = cluster.operator(Method::GET, &next).await.expect("the next page");
    assert_eq!((&older["lines"][0]["text"], &older["next_ms"]), (&json!("hello"), &Value::Null));
    for (part, refused) in [("channel=nowhere", "bad_request"), ("name=Nobody", "unknown_character")] {
        let (status, body) = look(&cluster, part).await;
        assert!(status >= 400 && body.contains(refused), "{part}: {status} {body}");
    }
    let mut command = cluster.command(&["chat-log", "--name", "Eve", "--hours", "1"]);
    let printed = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    let at = |text: &str| printed.find(text).unwrap_or_else(|| panic!("{text}: {printed}"));
    assert!(at("hello") < at("thank you") && printed.contains("world/wilds"), "{printed}");
    let looks = cluster.operator(Method::GET, "/api/data/audit?action=chat_read").await.expect("the log");
    let looks = looks["entries"].as_array().unwrap();
    assert!(
        looks.len() == 3
            && looks.iter().all(|look| look["target"].as_str().unwrap().eq_ignore_ascii_case("eve")),
        "{looks:?}"
    );
    let reports = cluster.operator(Method::GET, "/api/data/reports").await.expect("reports");
    assert_eq!(reports["reports"][0]["text"], "She is strict");
}
