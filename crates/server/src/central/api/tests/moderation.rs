//! Who is kept out, and who may keep others out.

use super::operators::key;
use super::*;

impl Server {
    async fn order(&self, what: &str, body: Value) -> Reply {
        self.call("POST", &format!("/api/data/{what}"), Some(&key(self)), Some(body)).await
    }

    async fn from(&self, address: &str, path: &str, body: Value) -> Reply {
        let headers = [("content-type", "application/json"), ("x-forwarded-for", address)];
        self.send("POST", path, &headers, body.to_string().into_bytes()).await
    }
}

#[tokio::test]
async fn an_address_that_is_kept_out_cannot_log_in_nor_go_on() {
    let server = start().await;
    let login = json!({"name": "Eve", "password": PASSWORD});
    server.register("Ada").await;
    let made = Tokens::of(&server.from("203.0.113.9", "/api/register", login.clone()).await.ok(201));
    server.character(&made.access, "Moriarty").await;
    for (body, refused) in [
        (json!({"name": "203.0.113.9/33", "minutes": 5, "reason": "r"}), (404, "unknown_character")),
        (json!({"name": "203.0.113.9/33", "minutes": 5, "reason": " "}), (400, "bad_request")),
        (json!({"name": "203.0.113.9", "minutes": u64::MAX, "reason": "r"}), (400, "bad_request")),
    ] {
        let reply = server.order("ban-address", body).await;
        assert_eq!(reply.refused(), (refused.0, refused.1.to_owned()));
    }
    // By the name of one who came from there; the whole net after that.
    server.order("ban-address", json!({"name": "Moriarty", "minutes": 5, "reason": "a test"})).await.ok(204);
    let banned = (403, "banned".to_owned());
    let far = server.from("203.0.113.9", "/api/login", login.clone()).await;
    assert_eq!(far.refused(), banned);
    let of_it = server.call("GET", "/api/session", Some(&made.access), None).await;
    assert_eq!(of_it.refused(), (401, "session_ended".into()), "its login has ended");
    server.from("203.0.113.10", "/api/login", login.clone()).await.ok(200);
    server
        .order("ban-address", json!({"name": "203.0.113.77/24", "minutes": 5, "reason": "r"}))
        .await
        .ok(204);
    assert_eq!(server.from("203.0.113.10", "/api/login", login.clone()).await.refused(), banned);
    assert_eq!(server.from("::ffff:203.0.113.10", "/api/login", login.clone()).await.refused(), banned);
    server.login("Ada").await;
    server.order("ban-address", json!({"name": "203.0.113.0/24", "minutes": 0, "reason": "r"})).await.ok(204);
    server.from("203.0.113.10", "/api/login", login.clone()).await.ok(200);
    assert_eq!(
        server.from("203.0.113.9", "/api/login", login).await.refused(),
        banned,
        "the first one holds"
    );
}

#[tokio::test]
async fn operators_reach_those_who_are_not_there_and_each_order_is_noted() {
    let server = start().await;
    let ada = server.register("Ada").await;
    let id = server.character(&ada.access, "Lovelace").await;
    server.order("mute", json!({"name": "lovelace", "minutes": 60, "reason": "loud"})).await.ok(204);
    let character = id.parse().expect("an id");
    let doc = async || {
        let mut reader = server.store.reader().await.expect("a reader");
        crate::store::social::doc(&mut reader, character).await.expect("read")
    };
    assert!(doc().await.muted_until_ms > crate::store::now_ms() as u64);
    let status = format!("/api/characters/{id}/status");
    let shouts = server.call("PUT", &status, Some(&ada.access), Some(json!({"text": "LOUD"}))).await;
    assert_eq!(shouts.refused(), (403, "muted".into()), "nor write what others read");
    let (path, titled) =
        (format!("/api/characters/{id}/faction"), json!({"name": "Shouters", "title": "LOUD"}));
    let shouts = server.call("POST", &path, Some(&ada.access), Some(titled)).await;
    assert_eq!(shouts.refused(), (403, "muted".into()), "nor in a faction's title");
    server.order("level", json!({"name": "Ada", "level": 2, "reason": "hired"})).await.ok(204);
    assert_eq!(doc().await.level, 2, "by the account's name");
    let odd = server.order("level", json!({"name": "Ada", "level": 3, "reason": "r"})).await;
    assert_eq!(odd.refused(), (400, "bad_request".into()));
    server.order("kick", json!({"name": "Lovelace", "reason": "a test"})).await.ok(204);
    let kicked = server.call("GET", "/api/session", Some(&ada.access), None).await;
    assert_eq!(kicked.refused(), (401, "session_ended".into()));
    server.login("Ada").await;
    server.order("ban", json!({"name": "Lovelace", "minutes": 60, "reason": "a test"})).await.ok(204);
    let login = json!({"name": "Ada", "password": PASSWORD});
    assert_eq!(server.post("/api/login", login).await.refused(), (403, "banned".into()));
    server.order("ban", json!({"name": "Lovelace", "minutes": 0, "reason": "sorry"})).await.ok(204);
    let ada = server.login("Ada").await;
    let unknown = server.order("mute", json!({"name": "Nobody", "minutes": 1, "reason": "r"})).await;
    assert_eq!(unknown.refused(), (404, "unknown_character".into()));
    let of_player = server
        .call("POST", "/api/data/mute", Some(&ada.access), Some(json!({"name": "x", "reason": "r"})))
        .await;
    assert_eq!(of_player.refused(), (403, "forbidden".into()));
    let unheard = server.order("announce", json!({"text": "Tea is served"})).await;
    assert_eq!(unheard.refused(), (503, "chat_unavailable".into()));
    let empty = server.order("announce", json!({"text": " "})).await;
    assert_eq!(empty.refused(), (400, "bad_request".into()));
    let nowhere = server.order("announce", json!({"text": "Tea", "world": "nowhere"})).await;
    assert_eq!(nowhere.refused(), (404, "unknown_world".into()));

    let log = server.call("GET", "/api/data/audit", Some(&key(&server)), None).await.ok(200);
    let actions: Vec<&str> =
        log["entries"].as_array().expect("a list").iter().filter_map(|e| e["action"].as_str()).collect();
    for action in ["mute", "level", "kick", "ban", "announce"] {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
    let mutes = server.call("GET", "/api/data/audit?action=mute", Some(&key(&server)), None).await.ok(200);
    assert_eq!(mutes["entries"].as_array().map(Vec::len), Some(1));
    let mut reader = server.store.reader().await.expect("a reader");
    assert!(crate::store::audit::check(&mut reader).await.expect("read").is_ok());
}

#[tokio::test]
async fn players_report_and_operators_read_it() {
    let server = start().await;
    let (ada, eve) = (server.register("Ada").await, server.register("Eve").await);
    let id = server.character(&ada.access, "Lovelace").await;
    server.character(&eve.access, "Moriarty").await;
    let report = async |who: &str, name: &str, text: &str| {
        let path = format!("/api/characters/{id}/reports");
        server.call("POST", &path, Some(who), Some(json!({"name": name, "text": text}))).await
    };
    report(&ada.access, "moriarty", "<b>He</b> shouts").await.ok(204);
    let unknown = (404, "unknown_character".to_owned());
    assert_eq!(report(&eve.access, "Lovelace", "not my character").await.refused(), unknown);
    assert_eq!(report(&ada.access, "Nobody", "who").await.refused(), unknown);
    for (name, text) in [("Lovelace", "myself"), ("Moriarty", " ")] {
        assert_eq!(report(&ada.access, name, text).await.refused(), (400, "bad_request".into()), "{text:?}");
    }
    let hidden = report(&ada.access, "Moriarty", "a\u{0}b").await;
    assert_eq!(hidden.refused(), (422, "text_invalid".into()));
    let all = server.call("GET", "/api/data/reports", Some(&key(&server)), None).await.ok(200);
    assert_eq!(all["reports"].as_array().map(Vec::len), Some(1));
    let one = &all["reports"][0];
    assert_eq!(
        (&one["reporter"]["name"], &one["target"]["name"], &one["text"]),
        (&json!("Lovelace"), &json!("Moriarty"), &json!("<b>He</b> shouts"))
    );
}
