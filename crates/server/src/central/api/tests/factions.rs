//! Factions that players found, over HTTP.

use super::*;

impl Server {
    async fn player(&self, account: &str, name: &str) -> (Tokens, String) {
        let tokens = self.register(account).await;
        let id = self.character(&tokens.access, name).await;
        (tokens, id)
    }

    async fn deed(&self, (who, id): &(Tokens, String), deed: &str, body: Value) -> Reply {
        let path = format!("/api/characters/{id}/faction{deed}");
        let (bearer, key) =
            (format!("Bearer {}", who.access), pangea_world::id::hex(&crate::random::bytes::<16>()));
        let json = ("content-type", "application/json");
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key.as_str()), json];
        self.send("POST", &path, &headers, body.to_string().into_bytes()).await
    }

    async fn faction(&self, who: &(Tokens, String), faction: &str) -> Value {
        self.call("GET", &format!("/api/factions/{faction}"), Some(&who.0.access), None).await.ok(200)
    }
}

#[tokio::test]
async fn a_faction_is_founded_joined_and_run() {
    let server = start().await;
    let ada = server.player("Ada", "Lovelace").await;
    let bob = server.player("Bob", "Babbage").await;
    let eve = server.player("Eve", "Moriarty").await;
    let made = server.deed(&ada, "", json!({"name": "The Ravens", "title": "Of the tower"})).await.ok(201);
    let ravens = made["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/characters/{}/faction/leave", ada.1);
    let foreign = server.call("POST", &path, Some(&eve.0.access), None).await;
    assert_eq!(foreign.refused(), (404, "unknown_character".into()), "somebody else's character");

    let join = json!({"faction": ravens});
    assert_eq!(server.deed(&eve, "/join", join.clone()).await.refused(), (409, "not_invited".into()));
    server.deed(&ada, "/invite", json!({"name": "babbage", "role": "officer"})).await.ok(204);
    let nobody = server.deed(&ada, "/invite", json!({"name": "Nobody", "role": "member"})).await;
    assert_eq!(nobody.refused(), (404, "unknown_character".into()));
    server.deed(&bob, "/join", join.clone()).await.ok(204);
    let twice = server.deed(&bob, "", json!({"name": "Others"})).await;
    assert_eq!(twice.refused(), (409, "already_member".into()));
    assert_eq!(server.deed(&bob, "/edit", json!({"open": true})).await.refused(), (403, "forbidden".into()));
    server.deed(&ada, "/edit", json!({"open": true, "about": "We watch.\nWe wait."})).await.ok(204);
    server.deed(&eve, "/join", join).await.ok(204);
    let info = server.faction(&ada, &ravens).await;
    let roles: Vec<&str> =
        info["members"].as_array().expect("a list").iter().filter_map(|one| one["role"].as_str()).collect();
    assert_eq!(roles, ["leader", "officer", "member"]);
    assert_eq!((&info["open"], &info["members"][1]["online"]), (&json!(true), &json!(false)));

    let roles =
        json!({"roles": [{"name": "chief", "permissions": []}, {"name": "crew", "permissions": ["claim"]}]});
    server.deed(&ada, "/roles", roles).await.ok(204);
    assert_eq!(server.faction(&bob, &ravens).await["members"][1]["role"], "crew");
    let unknown = json!({"roles": [{"name": "a", "permissions": ["fly"]}, {"name": "b", "permissions": []}]});
    assert_eq!(server.deed(&ada, "/roles", unknown).await.refused(), (400, "bad_request".into()));
    server.deed(&ada, "/role", json!({"character": bob.1, "role": "chief"})).await.ok(204);
    server.deed(&bob, "/kick", json!({"character": eve.1})).await.ok(204);
    server.deed(&ada, "/leave", json!({})).await.ok(204);
    let last = server.deed(&eve, "/kick", json!({"character": bob.1})).await;
    assert_eq!(last.refused(), (409, "not_a_member".into()));

    let listed =
        server.call("GET", "/api/factions?world=wilds&name=the%20r", Some(&eve.0.access), None).await;
    let listed = listed.ok(200);
    assert_eq!(
        (&listed["factions"][0]["name"], &listed["factions"][0]["members"]),
        (&json!("The Ravens"), &json!(1))
    );
    let percent = server.call("GET", "/api/factions?name=%25", Some(&eve.0.access), None).await.ok(200);
    assert_eq!(percent["factions"].as_array().map(Vec::len), Some(0), "nothing is read as a pattern");
    let other = server.call("GET", "/api/factions?world=nowhere", Some(&eve.0.access), None).await;
    assert_eq!(other.refused(), (404, "unknown_world".into()));
    // Bob's character goes, and the faction with its last member.
    server.call("DELETE", &format!("/api/characters/{}", bob.1), Some(&bob.0.access), None).await.ok(204);
    let gone = server.call("GET", &format!("/api/factions/{ravens}"), Some(&eve.0.access), None).await;
    assert_eq!(gone.refused(), (404, "unknown_faction".into()));
}

#[tokio::test]
async fn names_and_texts_of_factions_follow_the_rules() {
    let server = start().await;
    let ada = server.player("Ada", "Lovelace").await;
    let bob = server.player("Bob", "Babbage").await;
    for (body, refused) in [
        (json!({"name": "ab"}), (422, "name_invalid")),
        (json!({"name": "<b>x</b>"}), (422, "name_invalid")),
        (json!({"name": "Ravens", "title": "x".repeat(49)}), (422, "too_long")),
        (json!({"name": "Ravens", "about": "a\u{202e}b"}), (422, "text_invalid")),
        (json!({"name": "Ravens", "king": true}), (400, "bad_request")),
        (json!({}), (400, "bad_request")),
    ] {
        let reply = server.deed(&ada, "", body).await;
        assert_eq!(reply.refused(), (refused.0, refused.1.to_owned()));
    }
    server.deed(&ada, "", json!({"name": "Ravens"})).await.ok(201);
    assert_eq!(server.deed(&bob, "", json!({"name": "RAVENS"})).await.refused(), (409, "name_taken".into()));
    // Nobody is in a world: no ground is under anybody.
    for deed in ["/claim", "/spawn"] {
        assert_eq!(server.deed(&ada, deed, json!({})).await.refused(), (409, "offline".into()), "{deed}");
    }
    let rights = json!({"gather": true, "build": true});
    let body = json!({"area": "wilds/0,0..8,8", "owner": rights, "ally": rights, "guest": rights});
    assert_eq!(server.deed(&ada, "/rights", body).await.refused(), (404, "not_found".into()));
    let upkeep = json!({"area": "wilds/0,0..8,8", "days": 4_000_000_000u32});
    assert_eq!(server.deed(&ada, "/upkeep", upkeep).await.refused(), (404, "not_found".into()));
    let nonsense = json!({"area": "x", "days": 1});
    assert_eq!(server.deed(&ada, "/upkeep", nonsense).await.refused(), (404, "not_found".into()));
}
