//! Characters, the way in, and who may touch them.

use super::*;

#[tokio::test]
async fn nobody_touches_anothers_character() {
    let server = start().await;
    let (ada, eve) = (server.register("Ada").await, server.register("Eve").await);
    let id = server.character(&ada.access, "Lovelace").await;
    let unknown = (404, "unknown_character".to_owned());
    let bearer = format!("Bearer {}", eve.access);
    let eve = Some(eve.access.as_str());
    let select = server.call("POST", &format!("/api/characters/{id}/select"), eve, None).await;
    assert_eq!(select.refused(), unknown);
    assert_eq!(server.call("DELETE", &format!("/api/characters/{id}"), eve, None).await.refused(), unknown);
    let headers =
        [("content-type", "application/json"), ("authorization", bearer.as_str()), ("idempotency-key", "k1")];
    let body = json!({"character": id}).to_string().into_bytes();
    assert_eq!(server.send("POST", "/api/enter", &headers, body).await.refused(), unknown);
    // An enter of hers, found by no one else.
    let session = server.call("GET", "/api/session", Some(&ada.access), None).await.ok(200);
    let of = |value: &Value| value.as_str().expect("an id").to_owned();
    let account = of(&session["account"]["id"]).parse().expect("an id");
    let login = of(&session["id"]).parse().expect("an id");
    let wish = crate::central::wish::EnterWish { character: id.parse().ok(), ..Default::default() };
    let (enter, _) = server.api.core.enter(account, login, "key".into(), wish).await.expect("it begins");
    let path = format!("/api/enter/{enter}");
    for method in ["GET", "DELETE"] {
        assert_eq!(server.call(method, &path, eve, None).await.refused(), (404, "not_found".into()));
    }
    server.call("DELETE", &path, Some(&ada.access), None).await.ok(204);
    assert_eq!(server.call("GET", "/api/characters", eve, None).await.ok(200)["characters"], json!([]));
    let goods = format!("/api/characters/{id}/belongings");
    assert_eq!(server.call("GET", &goods, eve, None).await.refused(), unknown);
    let own = server.call("GET", &goods, Some(&ada.access), None).await.ok(200);
    assert_eq!(own["items"], json!([]));
    let listed = server.call("GET", "/api/characters", Some(&ada.access), None).await.ok(200);
    assert_eq!(listed["characters"][0]["id"], id);
}

#[tokio::test]
async fn an_enter_needs_one_key_and_a_character() {
    let server = start().await;
    let ada = server.register("Ada").await;
    let id = server.character(&ada.access, "Lovelace").await;
    let bearer = format!("Bearer {}", ada.access);
    let base = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let long = "k".repeat(129);
    for keys in [&[][..], &[""], &["a b"], &["a", "b"], &[long.as_str()]] {
        let mut headers = base.to_vec();
        headers.extend(keys.iter().map(|key| ("idempotency-key", *key)));
        let body = json!({"character": id}).to_string().into_bytes();
        assert_eq!(
            server.send("POST", "/api/enter", &headers, body).await.refused(),
            (400, "bad_request".into()),
            "{keys:?}"
        );
    }
    let mut headers = base.to_vec();
    headers.push(("idempotency-key", "key-1"));
    let text = json!({"character": id, "map": "m".repeat(65)}).to_string().into_bytes();
    assert_eq!(server.send("POST", "/api/enter", &headers, text).await.refused(), (413, "too_large".into()));
    // Nobody is said and nobody is selected.
    let reply = server.send("POST", "/api/enter", &headers, b"{}".to_vec()).await;
    assert_eq!(reply.refused(), (400, "bad_request".into()));
    // Selected: the wish reaches the core, which has no spawner here.
    server.call("POST", &format!("/api/characters/{id}/select"), Some(&ada.access), None).await.ok(204);
    let reply = server.send("POST", "/api/enter", &headers, b"{}".to_vec()).await;
    assert_eq!(reply.refused(), (503, "no_spawner".into()));
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_characters() {
    let server = start_with(|config| config.accounts.characters_max = 2).await;
    let ada = server.register("Ada").await;
    let names = ["One of them", "Two of them", "Three of them", "Four of them"];
    let make = |name| {
        server.call(
            "POST",
            "/api/characters",
            Some(&ada.access),
            Some(json!({"world": "wilds", "name": name})),
        )
    };
    let replies = futures_util::future::join_all(names.map(make)).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 2);
    assert!(
        replies
            .iter()
            .filter(|reply| reply.status != 201)
            .all(|reply| reply.refused() == (409, "character_limit".into()))
    );
}

#[tokio::test]
async fn a_character_in_the_world_is_not_deleted() {
    let server = start().await;
    let ada = server.register("Ada").await;
    let id = server.character(&ada.access, "Lovelace").await;
    operators::in_world(&server, id.parse().expect("an id")).await;
    let reply = server.call("DELETE", &format!("/api/characters/{id}"), Some(&ada.access), None).await;
    assert_eq!(reply.refused(), (409, "character_in_world".into()));
    let listed = server.call("GET", "/api/characters", Some(&ada.access), None).await.ok(200);
    assert_eq!(listed["characters"][0]["in_world"], true);
}
