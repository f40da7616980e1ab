//! Logins, their tokens, and who gets a name.

use super::*;

#[tokio::test]
async fn from_registration_to_a_selected_character() {
    let server = start().await;
    let made = server.post("/api/register", json!({"name": "  Ada ", "password": PASSWORD})).await.ok(201);
    assert_eq!(made["account"]["name"], "Ada");
    assert_eq!(made["access_expires_in_s"], 900);
    let token = made["access_token"].as_str().expect("a token");
    assert_eq!(token.len(), 43);
    let id = server.character(token, "Ada the Quick").await;
    let listed = server.call("GET", "/api/characters", Some(token), None).await.ok(200);
    assert_eq!(listed["characters"][0]["id"], id);
    assert_eq!(listed["characters"][0]["faction"], "embers");
    assert_eq!(listed["characters"][0]["in_world"], false);
    assert_eq!((listed["selected"].clone(), listed["most"].clone()), (Value::Null, json!(8)));
    server.call("POST", &format!("/api/characters/{id}/select"), Some(token), Some(json!({}))).await.ok(204);
    let session = server.call("GET", "/api/session", Some(token), None).await.ok(200);
    assert_eq!(session["selected"], id);
    assert_eq!(session["account"]["name"], "Ada");
    server.call("DELETE", &format!("/api/characters/{id}"), Some(token), None).await.ok(204);
    let session = server.call("GET", "/api/session", Some(token), None).await.ok(200);
    assert_eq!(session["selected"], Value::Null);
    server.character(token, "Ada the Quick").await;
    server.call("POST", "/api/logout", Some(token), Some(json!({}))).await.ok(204);
    let after = server.call("GET", "/api/characters", Some(token), None).await;
    assert_eq!(after.refused(), (401, "session_ended".into()));
}

#[tokio::test]
async fn of_many_who_want_one_name_at_once_one_gets_it() {
    let server = start().await;
    // The same name to a reader: case, look-alikes, separators.
    let names = ["Oscar", "OSCAR", "oscar", "Os-car", "0scar", "Oscar", "oScAr", "Os'car"];
    let replies = names.map(|name| server.post("/api/register", json!({"name": name, "password": PASSWORD})));
    let replies = futures_util::future::join_all(replies).await;
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    let taken =
        replies.iter().filter(|reply| reply.status == 409 && reply.refused().1 == "name_taken").count();
    assert_eq!((made, taken), (1, names.len() - 1));
    let (eve, mallory) = (server.register("Eve").await, server.register("Mallory").await);
    let make = |token| {
        server.call(
            "POST",
            "/api/characters",
            Some(token),
            Some(json!({"world": "wilds", "name": "Sir Rolf"})),
        )
    };
    let (one, two) = tokio::join!(make(&eve.access), make(&mallory.access));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_second_use_ends_the_login() {
    let server = start().await;
    let first = server.register("Ada").await;
    let refresh = |token: String| server.post("/api/refresh", json!({"refresh_token": token}));
    let second = Tokens::of(&refresh(first.refresh.clone()).await.ok(200));
    assert_ne!(first.access, second.access);
    let old = server.call("GET", "/api/session", Some(&first.access), None).await;
    assert_eq!(old.refused(), (401, "unauthorized".into()));
    server.call("GET", "/api/session", Some(&second.access), None).await.ok(200);
    assert_eq!(refresh(first.refresh.clone()).await.refused(), (401, "session_ended".into()));
    let cut = server.call("GET", "/api/session", Some(&second.access), None).await;
    assert_eq!(cut.refused(), (401, "session_ended".into()));
    assert_eq!(refresh(second.refresh).await.refused(), (401, "session_ended".into()));
}

#[tokio::test]
async fn of_many_refreshes_at_once_one_wins_and_the_login_ends() {
    let server = start().await;
    let ada = server.register("Ada").await;
    let all = (0..6).map(|_| server.post("/api/refresh", json!({"refresh_token": ada.refresh})));
    let replies = futures_util::future::join_all(all).await;
    let won: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(won.len(), 1);
    let token = won[0].json()["access_token"].as_str().expect("a token").to_owned();
    let cut = server.call("GET", "/api/session", Some(&token), None).await;
    assert_eq!(cut.refused(), (401, "session_ended".into()));
}

#[tokio::test]
async fn a_new_login_takes_over() {
    let server = start().await;
    let first = server.register("Ada").await;
    // So that the login is remembered without SQL.
    server.call("GET", "/api/session", Some(&first.access), None).await.ok(200);
    let second = server.login("ADA").await;
    let old = server.call("GET", "/api/session", Some(&first.access), None).await;
    assert_eq!(old.refused(), (401, "session_ended".into()));
    assert!(old.text.contains("somewhere else"), "{}", old.text);
    let stale = server.post("/api/refresh", json!({"refresh_token": first.refresh})).await;
    assert_eq!(stale.refused(), (401, "session_ended".into()));
    server.call("GET", "/api/session", Some(&second.access), None).await.ok(200);
    let many = futures_util::future::join_all((0..5).map(|_| server.login("Ada"))).await;
    let alive = futures_util::future::join_all(
        many.iter().map(|t| server.call("GET", "/api/session", Some(&t.access), None)),
    )
    .await;
    assert_eq!(alive.iter().filter(|reply| reply.status == 200).count(), 1, "one live login per account");
}

#[tokio::test]
async fn an_access_token_ends_by_its_time_and_a_refresh_brings_a_new_one() {
    let server = start_with(|config| config.accounts.access_minutes = 0).await;
    let ada = server.register("Ada").await;
    let late = server.call("GET", "/api/session", Some(&ada.access), None).await;
    assert_eq!(late.refused(), (401, "token_expired".into()));
    server.post("/api/refresh", json!({"refresh_token": ada.refresh})).await.ok(200);
    let old = start_with(|config| config.accounts.refresh_days = 0).await;
    let ada = old.register("Ada").await;
    let reply = old.post("/api/refresh", json!({"refresh_token": ada.refresh})).await;
    assert_eq!(reply.refused(), (401, "session_ended".into()));
}

#[tokio::test]
async fn a_ban_cuts_a_login_and_keeps_out() {
    let server = start().await;
    let made = server.post("/api/register", json!({"name": "Eve", "password": PASSWORD})).await.ok(201);
    let tokens = Tokens::of(&made);
    let ban = async |until_ms: i64| {
        let path = format!("/api/data/accounts/{}/ban", made["account"]["id"].as_str().expect("an id"));
        let body = json!({"reason": "cheating", "until_ms": until_ms});
        server.call("PUT", &path, Some(&operators::key(&server)), Some(body)).await
    };
    server.call("GET", "/api/session", Some(&tokens.access), None).await.ok(200);
    ban(crate::store::now_ms() + 7_200_000).await.ok(204);
    let cut = server.call("GET", "/api/session", Some(&tokens.access), None).await;
    assert_eq!(cut.refused(), (401, "session_ended".into()));
    let login = server.post("/api/login", json!({"name": "Eve", "password": PASSWORD})).await;
    assert_eq!(login.refused(), (403, "banned".into()));
    ban(0).await.ok(204);
    let eve = server.login("Eve").await;
    ban(0).await.ok(204);
    server.call("GET", "/api/session", Some(&eve.access), None).await.ok(200);
}

#[tokio::test]
async fn a_guesser_waits_and_the_owner_still_gets_in() {
    let server = start_with(|config| config.limits.wrong_passwords = 3).await;
    server.register("Ada").await;
    let key = pangea_world::name::check("Ada").expect("a name").key;
    let delay = || server.api.guesses.delay(&key, tokio::time::Instant::now());
    for _ in 0..3 {
        assert!(delay().is_zero());
        let reply = server.post("/api/login", json!({"name": "Ada", "password": "wrong wrong"})).await;
        assert_eq!(reply.refused(), (401, "wrong_login".into()));
    }
    assert!(!delay().is_zero());
    server.login("Ada").await;
    assert!(delay().is_zero());
}

#[tokio::test]
async fn no_secret_reaches_the_database_in_clear() {
    let server = start().await;
    let ada = server.register("Ada").await;
    server.store.close().await;
    let mut bytes = Vec::new();
    for file in ["pangea.db", "pangea.db-wal"] {
        bytes.extend(std::fs::read(server.data.path().join(file)).unwrap_or_default());
    }
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("Ada") && holds("$argon2id$"));
    assert!(!holds(PASSWORD) && !holds(&ada.access) && !holds(&ada.refresh));
}
