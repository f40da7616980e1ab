//! What operators read and change, with their key.

use pangea_world::id::{AreaId, CharacterId, TransferId};
use pangea_world::ownership::Change;

use super::*;

pub fn key(server: &Server) -> String {
    let path = server.data.path().join("keys/operator.key");
    std::fs::read_to_string(path).expect("it was made").trim().to_owned()
}

#[tokio::test]
async fn operators_read_characters_and_quests_with_their_key() {
    let server = start().await;
    let ada = server.register("Ada").await;
    let id = server.character(&ada.access, "Lovelace").await;
    let path = server.data.path().join("keys/operator.key");
    let key = std::fs::read_to_string(&path).expect("it was made").trim().to_owned();
    let data = server.call("GET", &format!("/api/data/characters/{id}"), Some(&key), None).await.ok(200);
    assert_eq!(
        (&data["name"], &data["epoch"], &data["owner"]),
        (&json!("Lovelace"), &json!(0), &Value::Null)
    );
    let quests =
        server.call("GET", &format!("/api/data/characters/{id}/quests"), Some(&key), None).await.ok(200);
    assert_eq!(quests["quests"][0]["id"], "first-steps");
    assert_eq!(quests["quests"][0]["completed"], false);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("rights");
    let error = data::OperatorKey::open(server.data.path()).expect_err("others may read it").to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

#[tokio::test]
async fn operators_change_characters_that_are_not_in_the_world() {
    let server = start().await;
    let ada = server.register("Ada").await;
    let id = server.character(&ada.access, "Lovelace").await;
    server.character(&ada.access, "Hopper").await;
    let key = key(&server);
    let path = format!("/api/data/characters/{id}");
    let change =
        async |method: &str, path: &str, body: Value| server.call(method, path, Some(&key), Some(body)).await;
    for (body, refused) in [
        (json!({"reason": " ", "name": "Byron"}), (400, "bad_request")),
        (json!({"reason": "r", "name": "B"}), (422, "name_invalid")),
        (json!({"reason": "r", "name": "hopper"}), (409, "name_taken")),
        (json!({"reason": "r", "faction": "nobody"}), (404, "unknown_faction")),
        (json!({"reason": "r", "level": 9}), (400, "bad_request")),
    ] {
        let reply = change("PATCH", &path, body).await;
        assert_eq!(reply.refused(), (refused.0, refused.1.to_owned()));
    }
    change("PATCH", &path, json!({"reason": "asked", "name": "Byron", "faction": "embers"})).await.ok(204);
    change("PATCH", &path, json!({"reason": "a case", "name": "BYRON"})).await.ok(204);
    let to = format!("{path}/location");
    let outside = change("PUT", &to, json!({"reason": "stuck", "map": "cave", "x": 1.0, "y": 1.0})).await;
    assert_eq!(outside.refused(), (404, "unknown_map".into()));
    change("PUT", &to, json!({"reason": "stuck", "x": -40.5, "y": 70.0})).await.ok(204);
    let data = server.call("GET", &path, Some(&key), None).await.ok(200);
    assert_eq!((&data["name"], &data["faction"]), (&json!("BYRON"), &json!("embers")));
    assert_eq!(data["place"]["x"], json!(-40.5));
    change("PATCH", &path, json!({"reason": "left them", "faction": ""})).await.ok(204);
    let of_player = server.call("PATCH", &path, Some(&ada.access), Some(json!({"reason": "r"}))).await;
    assert_eq!(of_player.refused(), (403, "forbidden".into()));

    in_world(&server, id.parse().expect("an id")).await;
    let renamed = change("PATCH", &path, json!({"reason": "r", "name": "Noether"})).await;
    assert_eq!(renamed.refused(), (409, "character_in_world".into()));
    let moved = change("PUT", &to, json!({"reason": "r", "x": 1.0, "y": 1.0})).await;
    assert_eq!(moved.refused(), (409, "character_in_world".into()));
    let mut reader = server.store.reader().await.expect("a reader");
    assert!(crate::store::audit::check(&mut reader).await.expect("read").is_ok());
}

/// An area owns it from then on.
pub async fn in_world(server: &Server, character: CharacterId) {
    server
        .store
        .write(move |connection| {
            Box::pin(async move {
                let name = pangea_world::space::AreaName {
                    world: "wilds".into(),
                    ground: "0,0..8,8".parse()?,
                    layer: 0,
                };
                let area = crate::store::area::find_or_make(connection, &name, AreaId([7; 16])).await?;
                let change = Change::Grant { to: area.id };
                crate::store::ownership::change_owner(connection, character.0, TransferId([1; 16]), &change)
                    .await
            })
        })
        .await
        .expect("it is granted");
}

#[tokio::test]
async fn a_quest_is_mended_once() {
    let server = start().await;
    let ada = server.register("Ada").await;
    let id = server.character(&ada.access, "Lovelace").await;
    let key = key(&server);
    let path = format!("/api/data/characters/{id}/quests/first-steps");
    let put = async |body: Value| server.call("PUT", &path, Some(&key), Some(body)).await;
    let first = put(json!({"reason": "a bug", "step": 3})).await.ok(200);
    let again = json!({"reason": "a bug", "step": 3, "op": first["op"]});
    assert_eq!(put(again).await.ok(200)["repeat"], true);
    let other = put(json!({"reason": "a bug", "step": 4, "op": first["op"]})).await;
    assert_eq!(other.refused(), (422, "op_mismatch".into()));
    let unknown = server
        .call("PUT", &path.replace(&id, &"0".repeat(32)), Some(&key), Some(json!({"reason": "r", "step": 0})))
        .await;
    assert_eq!(unknown.refused(), (404, "unknown_character".into()));
    let quests =
        server.call("GET", &format!("/api/data/characters/{id}/quests"), Some(&key), None).await.ok(200);
    assert_eq!((&quests["quests"][0]["step"], &quests["quests"][0]["completed"]), (&json!(3), &json!(false)));
}
