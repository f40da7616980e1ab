//! Friends, parties, presence, mail and market by HTTP.

use super::*;
use crate::random;

/// Two players with a character each, and what a third one asks.
struct Two {
    server: Server,
    ada: (Tokens, String),
    bob: (Tokens, String),
}

async fn two() -> Two {
    two_with(|_| {}).await
}

async fn two_with(change: impl FnOnce(&mut Config)) -> Two {
    let server = start_with(change).await;
    let (ada, bob) = (server.register("Ada").await, server.register("Bob").await);
    let (one, other) =
        (server.character(&ada.access, "Lovelace").await, server.character(&bob.access, "Babbage").await);
    Two { server, ada: (ada, one), bob: (bob, other) }
}

impl Two {
    async fn ask(&self, who: &(Tokens, String), method: &str, path: &str, body: Option<Value>) -> Reply {
        let path = format!("/api/characters/{}/{path}", who.1);
        self.server.call(method, &path, Some(&who.0.access), body).await
    }

    async fn post(&self, who: &(Tokens, String), path: &str, body: Value) -> Reply {
        self.ask(who, "POST", path, Some(body)).await
    }

    /// A POST that is done once.
    async fn keyed(&self, who: &(Tokens, String), path: &str, key: &str, body: Option<Value>) -> Reply {
        let path = format!("/api/characters/{}/{path}", who.1);
        let bearer = format!("Bearer {}", who.0.access);
        let mut headers = vec![("authorization", bearer.as_str()), ("idempotency-key", key)];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.server.send("POST", &path, &headers, body).await
    }

    async fn window(&self, who: &(Tokens, String)) -> Value {
        self.ask(who, "GET", "social", None).await.ok(200)
    }

    /// What it has: the first stack's id, all wood, all money.
    async fn has(&self, who: &(Tokens, String)) -> (String, i64, i64) {
        let key = operators::key(&self.server);
        let path = format!("/api/data/characters/{}/belongings", who.1);
        let has = self.server.call("GET", &path, Some(&key), None).await.ok(200);
        let sum = |list: &str, field: &str| {
            has[list].as_array().expect(list).iter().map(|one| one[field].as_i64().expect(field)).sum::<i64>()
        };
        let first = has["items"][0]["id"].as_str().unwrap_or_default().to_owned();
        (first, sum("items", "quantity"), sum("money", "amount"))
    }

    async fn grant(&self, who: &(Tokens, String), wood: i64, coins: i64) {
        let key = operators::key(&self.server);
        let goods = json!([{"template": "wood", "quantity": wood}]);
        let body =
            json!({"reason": "a test", "goods": goods, "coins": [{"currency": "coin", "amount": coins}]});
        let path = format!("/api/data/characters/{}/grant", who.1);
        self.server.call("POST", &path, Some(&key), Some(body)).await.ok(200);
    }

    async fn all_money(&self) -> Value {
        self.server.call("GET", "/api/data/money", Some(&operators::key(&self.server)), None).await.ok(200)
    }
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn friends_ask_answer_and_end() {
    let two = two().await;
    let (ada, bob) = (&two.ada, &two.bob);
    for (name, answer) in [
        ("Nobody here", refused(404, "unknown_character")),
        ("Lovelace", refused(400, "bad_request")),
        ("x", refused(422, "name_invalid")),
    ] {
        assert_eq!(two.post(ada, "friends", json!({"name": name})).await.refused(), answer);
    }
    // A stranger's character is nobody's business.
    let path = format!("/api/characters/{}/friends", bob.1);
    let foreign =
        two.server.call("POST", &path, Some(&ada.0.access), Some(json!({"name": "Lovelace"}))).await;
    assert_eq!(foreign.refused(), refused(404, "unknown_character"));
    let asked = two.post(ada, "friends", json!({"name": "babbage"})).await.ok(200);
    assert_eq!(asked, json!({"friends": false}));
    assert_eq!(two.window(bob).await["requests"]["in"][0]["name"], "Lovelace");
    assert_eq!(two.post(bob, "friends", json!({"name": "Lovelace"})).await.ok(200), json!({"friends": true}));
    let window = two.window(ada).await;
    assert_eq!(
        (&window["friends"][0]["id"], &window["friends"][0]["online"]),
        (&json!(bob.1), &json!(false))
    );
    assert_eq!(window["requests"], json!({"in": [], "out": []}));
    two.ask(ada, "DELETE", &format!("friends/{}", bob.1), None).await.ok(204);
    assert_eq!(two.window(bob).await["friends"], json!([]));
    let again = two.ask(ada, "DELETE", &format!("friends/{}", bob.1), None).await;
    assert_eq!(again.refused(), refused(404, "not_found"));
    // Who is blocked asks in vain, and is not told.
    two.post(bob, "blocks", json!({"name": "Lovelace"})).await.ok(204);
    two.post(ada, "friends", json!({"name": "Babbage"})).await.ok(200);
    let window = two.window(bob).await;
    assert_eq!((&window["requests"]["in"], &window["blocked"][0]["name"]), (&json!([]), &json!("Lovelace")));
    two.ask(bob, "DELETE", &format!("blocks/{}", ada.1), None).await.ok(204);
    assert_eq!(two.window(bob).await["blocked"], json!([]));
}

#[tokio::test]
async fn a_status_is_a_short_line_and_hides_whoever_wants_it() {
    let two = two().await;
    let (ada, bob) = (&two.ada, &two.bob);
    for (wish, answer) in [
        (json!({"text": "x".repeat(81)}), refused(422, "too_long")),
        (json!({"text": "a\nb"}), refused(422, "text_invalid")),
        (json!({"visible": "sometimes"}), refused(400, "bad_request")),
        (json!({"calls": "sometimes"}), refused(400, "bad_request")),
    ] {
        assert_eq!(two.ask(ada, "PUT", "status", Some(wish)).await.refused(), answer);
    }
    let look = async |query: &str| {
        let path = format!("/api/presence?{query}");
        two.server.call("GET", &path, Some(&bob.0.access), None).await.ok(200)["characters"].clone()
    };
    two.ask(ada, "PUT", "status", Some(json!({"text": " in the woods "}))).await.ok(204);
    assert_eq!(
        two.window(ada).await["status"],
        json!({"text": "in the woods", "visible": "everybody", "calls": "ask"})
    );
    let found = look("name=LOVE").await;
    assert_eq!((&found[0]["name"], &found[0]["status"]), (&json!("Lovelace"), &json!("in the woods")));
    assert_eq!(found[0]["online"], false);
    assert_eq!(look("online=true").await, json!([]));
    assert_eq!(look("faction=nobody").await, json!([]));
    assert_eq!(look("limit=1").await.as_array().map(Vec::len), Some(1));
    operators::in_world(&two.server, ada.1.parse().expect("an id")).await;
    two.ask(ada, "PUT", "status", Some(json!({"visible": "nobody"}))).await.ok(204);
    assert_eq!(
        two.window(ada).await["status"],
        json!({"text": "in the woods", "visible": "nobody", "calls": "ask"})
    );
    two.ask(ada, "PUT", "status", Some(json!({"calls": "never"}))).await.ok(204);
    assert_eq!(
        two.window(ada).await["status"],
        json!({"text": "in the woods", "visible": "nobody", "calls": "never"})
    );
}

#[tokio::test]
async fn parties_come_together_by_http() {
    let two = two().await;
    let (ada, bob) = (&two.ada, &two.bob);
    assert_eq!(two.ask(ada, "POST", "party/leave", None).await.refused(), refused(409, "not_a_member"));
    assert_eq!(two.ask(ada, "POST", "party/gather", None).await.refused(), refused(409, "not_a_member"));
    for come in [true, false] {
        let answer = two.post(ada, "party/come", json!({ "come": come })).await;
        assert_eq!(answer.refused(), refused(409, "not_invited"), "nobody has called");
    }
    let wish = json!({"party": "00".repeat(16)});
    assert_eq!(two.post(bob, "party/accept", wish).await.refused(), refused(409, "not_invited"));
    let party = two.post(ada, "party/invite", json!({"name": "Babbage"})).await.ok(200)["party"].clone();
    assert_eq!((&party["leader"], party["members"].as_array().map(Vec::len)), (&json!(ada.1), Some(1)));
    let id = party["id"].clone();
    assert_eq!(
        two.window(bob).await["invites"],
        json!([{"party": id, "from": {"id": ada.1, "name": "Lovelace"}}])
    );
    let party = two.post(bob, "party/accept", json!({"party": id})).await.ok(200)["party"].clone();
    assert_eq!(party["members"].as_array().map(Vec::len), Some(2));
    let kick = two.post(bob, "party/kick", json!({"character": ada.1})).await;
    assert_eq!(kick.refused(), refused(403, "forbidden"));
    assert_eq!(two.ask(bob, "POST", "party/gather", None).await.refused(), refused(403, "forbidden"));
    assert_eq!(two.ask(ada, "POST", "party/gather", None).await.refused(), refused(409, "offline"));
    let party = two.post(ada, "party/leader", json!({"character": bob.1})).await.ok(200)["party"].clone();
    assert_eq!(party["leader"], json!(bob.1));
    // A deleted character is in no party, and who is left alone neither.
    two.server.call("DELETE", &format!("/api/characters/{}", bob.1), Some(&bob.0.access), None).await.ok(204);
    assert_eq!(two.window(ada).await["party"], json!(null));
}

#[tokio::test]
async fn mail_brings_goods_and_money_once() {
    let two = two().await;
    let (ada, bob) = (&two.ada, &two.bob);
    two.grant(ada, 5, 100).await;
    let (item, ..) = two.has(ada).await;
    let letter = |count: i64, money: i64| {
        json!({"to": "Babbage", "subject": "Wood", "text": "As promised.\nA.",
            "items": [{"item": item, "count": count}], "money": money})
    };
    let plain = |to: &str, subject: &str| json!({"to": to, "subject": subject, "text": "?"});
    for (body, answer) in [
        (plain("Nobody here", "x"), refused(404, "unknown_character")),
        (plain("Lovelace", "x"), refused(400, "bad_request")),
        (plain("Babbage", " "), refused(422, "text_invalid")),
        (plain("Babbage", &"x".repeat(81)), refused(422, "too_long")),
        (letter(6, 0), refused(409, "not_enough")),
        (letter(1, 101), refused(409, "not_enough")),
        (letter(0, 1), refused(422, "amount_invalid")),
        (letter(1, -1), refused(422, "amount_invalid")),
        (
            json!({"to": "Babbage", "subject": "x", "items": vec![json!({"item": item, "count": 1}); 9]}),
            refused(413, "too_large"),
        ),
        (
            json!({"to": "Babbage", "subject": "x", "items": [{"item": bob.1, "count": 1}]}),
            refused(404, "unknown_item"),
        ),
    ] {
        let key = format!("k{}", random::bytes::<8>().map(|byte| byte.to_string()).join("."));
        assert_eq!(two.keyed(ada, "mail", &key, Some(body.clone())).await.refused(), answer, "{body}");
    }
    assert_eq!(two.has(ada).await, (item.clone(), 5, 100), "nothing was lost");
    assert_eq!(
        two.post(ada, "mail", letter(1, 1)).await.refused(),
        refused(400, "bad_request"),
        "without a key"
    );
    let sent = two.keyed(ada, "mail", "one", Some(letter(2, 30))).await.ok(200);
    assert_eq!(two.keyed(ada, "mail", "one", Some(letter(2, 30))).await.ok(200), sent, "the same mail");
    let other = two.keyed(ada, "mail", "one", Some(letter(2, 31))).await;
    assert_eq!(other.refused(), refused(422, "idempotency_mismatch"));
    assert_eq!(two.has(ada).await, (item.clone(), 3, 70));
    assert_eq!(two.window(bob).await["unread_mail"], 1);
    // Its sender is deleted: the mail stays.
    two.server.call("DELETE", &format!("/api/characters/{}", ada.1), Some(&ada.0.access), None).await.ok(204);
    let mail = two.ask(bob, "GET", "mail", None).await.ok(200)["mail"][0].clone();
    assert_eq!(
        (&mail["from"], &mail["money"], &mail["items"][0]["count"]),
        (&json!("Lovelace"), &json!(30), &json!(2))
    );
    let path = format!("mail/{}", mail["id"].as_str().expect("an id"));
    assert_eq!(two.ask(bob, "DELETE", &path, None).await.refused(), refused(403, "forbidden"));
    // Eight at once: it is claimed once.
    let claim = format!("{path}/claim");
    let claims = (0..8).map(|_| two.ask(bob, "POST", &claim, None));
    for reply in futures_util::future::join_all(claims).await {
        reply.ok(204);
    }
    let (_, wood, money) = two.has(bob).await;
    assert_eq!((wood, money), (2, 30));
    let mail = two.ask(bob, "GET", "mail", None).await.ok(200)["mail"][0].clone();
    assert_eq!((&mail["claimed"], &mail["read"], &mail["items"]), (&json!(true), &json!(true), &json!([])));
    assert_eq!(two.window(bob).await["unread_mail"], 0);
    two.ask(bob, "DELETE", &path, None).await.ok(204);
    assert_eq!(two.ask(bob, "POST", &claim, None).await.refused(), refused(404, "not_found"));
    // To a deleted character nothing can be sent.
    two.grant(bob, 1, 1).await;
    let back =
        two.keyed(bob, "mail", "two", Some(json!({"to": "Lovelace", "subject": "x", "money": 1}))).await;
    assert_eq!(back.refused(), refused(404, "unknown_character"));
    for sum in two.all_money().await["currencies"].as_array().expect("sums") {
        assert_eq!(sum["bank"].as_i64().map(|bank| -bank), sum["held"].as_i64(), "all money sums up to 0");
    }
}

#[tokio::test]
async fn an_inbox_is_bounded_and_closed_to_the_blocked() {
    let two = two_with(|config| config.social.mails_max = 2).await;
    let (ada, bob) = (&two.ada, &two.bob);
    let letter = json!({"to": "Babbage", "subject": "x"});
    for key in ["a", "b"] {
        two.keyed(ada, "mail", key, Some(letter.clone())).await.ok(200);
    }
    assert_eq!(
        two.keyed(ada, "mail", "a", Some(letter.clone())).await.status,
        200,
        "a repeat is no further one"
    );
    assert_eq!(two.keyed(ada, "mail", "c", Some(letter.clone())).await.refused(), refused(409, "no_room"));
    assert_eq!(two.ask(bob, "GET", "mail", None).await.ok(200)["mail"].as_array().map(Vec::len), Some(2));
    two.post(bob, "blocks", json!({"name": "Lovelace"})).await.ok(204);
    two.grant(ada, 1, 5).await;
    let with_money = json!({"to": "Babbage", "subject": "x", "money": 5});
    assert_eq!(two.keyed(ada, "mail", "d", Some(with_money)).await.refused(), refused(403, "forbidden"));
    assert_eq!(two.has(ada).await.2, 5);
}

#[tokio::test]
async fn an_offer_is_bought_once_or_comes_back() {
    let two = two().await;
    let (ada, bob) = (&two.ada, &two.bob);
    let cyd = two.server.register("Cyd").await;
    let cyd = (two.server.character(&cyd.access, "Menabrea").await, cyd);
    let cyd = &(cyd.1, cyd.0);
    two.grant(ada, 5, 0x10).await;
    two.grant(bob, 1, 50).await;
    two.grant(cyd, 1, 50).await;
    let (item, ..) = two.has(ada).await;
    let offer = |count: i64, price: i64| json!({"item": item, "count": count, "price": price});
    for (body, answer) in [
        (offer(6, 1), refused(409, "not_enough")),
        (offer(1, 0), refused(422, "amount_invalid")),
        (offer(-1, 1), refused(422, "amount_invalid")),
        (json!({"item": bob.1, "count": 1, "price": 1}), refused(404, "unknown_item")),
    ] {
        let key = format!("k{}", random::bytes::<8>().map(|byte| byte.to_string()).join("."));
        assert_eq!(two.keyed(ada, "market", &key, Some(body.clone())).await.refused(), answer, "{body}");
    }
    let made = two.keyed(ada, "market", "one", Some(offer(3, 40))).await.ok(200);
    assert_eq!(two.keyed(ada, "market", "one", Some(offer(3, 40))).await.ok(200), made);
    let id = made["id"].as_str().expect("an id");
    let listed = two.server.call("GET", "/api/market?template=wood", Some(&bob.0.access), None).await.ok(200);
    assert_eq!(listed["offers"].as_array().map(Vec::len), Some(1));
    let look = async |query: &str| {
        two.server.call("GET", &format!("/api/market?{query}"), Some(&bob.0.access), None).await
    };
    let page = look("limit=1").await.ok(200);
    let next = page["next"].as_str().expect("the page is full").to_owned();
    let behind = look(&format!("after={next}")).await.ok(200);
    assert_eq!(behind, json!({"offers": [], "next": null}));
    assert_eq!(look("after=behind").await.refused(), refused(400, "bad_request"));
    let own = async |who| two.ask(who, "GET", "market", None).await.ok(200)["offers"].clone();
    assert_eq!((own(ada).await, own(bob).await), (page["offers"].clone(), json!([])));
    let listed = &listed["offers"][0];
    assert_eq!(
        (&listed["seller"], &listed["count"], &listed["price"]),
        (&json!("Lovelace"), &json!(3), &json!(40))
    );
    let foreign = two.ask(bob, "DELETE", &format!("market/{id}"), None).await;
    assert_eq!(foreign.refused(), refused(403, "not_owner"));
    let buy = format!("market/{id}/buy");
    assert_eq!(two.keyed(ada, &buy, "own", None).await.refused(), refused(400, "bad_request"));
    // Two buy it at once, each asking twice: one gets it, and pays once.
    let bought = futures_util::future::join_all(
        [(bob, "b"), (cyd, "c"), (bob, "b"), (cyd, "c")].map(|(who, key)| two.keyed(who, &buy, key, None)),
    )
    .await;
    let won: Vec<bool> = bought.iter().map(|reply| reply.status == 204).collect();
    assert!(won == [true, false, true, false] || won == [false, true, false, true], "{won:?}");
    for reply in bought.iter().filter(|reply| reply.status != 204) {
        assert_eq!(reply.refused(), refused(404, "not_found"));
    }
    let (winner, key, loser) = if won[0] { (bob, "b", cyd) } else { (cyd, "c", bob) };
    two.keyed(winner, &buy, key, None).await.ok(204);
    let have = async |who| {
        let (_, wood, money) = two.has(who).await;
        (wood, money)
    };
    assert_eq!((have(winner).await, have(loser).await, have(ada).await), ((4, 10), (1, 50), (2, 56)));
    // Taken back by its owner: once.
    let made = two.keyed(ada, "market", "two", Some(offer(2, 40))).await.ok(200);
    let path = format!("market/{}", made["id"].as_str().expect("an id"));
    assert_eq!(have(ada).await.0, 0);
    two.ask(ada, "DELETE", &path, None).await.ok(204);
    assert_eq!(two.ask(ada, "DELETE", &path, None).await.refused(), refused(404, "not_found"));
    assert_eq!(have(ada).await.0, 2);
}

#[tokio::test]
async fn what_nobody_buys_comes_back_by_mail() {
    let two = two_with(|config| (config.social.offer_hours, config.social.offers_max) = (0, 1)).await;
    let ada = &two.ada;
    two.grant(ada, 5, 1).await;
    let (item, ..) = two.has(ada).await;
    let offer = json!({"item": item, "count": 2, "price": 9});
    let made = two.keyed(ada, "market", "one", Some(offer.clone())).await.ok(200);
    assert_eq!(two.keyed(ada, "market", "two", Some(offer.clone())).await.refused(), refused(409, "no_room"));
    let buy = format!("market/{}/buy", made["id"].as_str().expect("an id"));
    assert_eq!(two.keyed(&two.bob, &buy, "b", None).await.refused(), refused(404, "not_found"), "too late");
    crate::central::offers::send_back(&two.server.api.core).await.expect("sent back");
    let mail = two.ask(ada, "GET", "mail", None).await.ok(200)["mail"][0].clone();
    assert_eq!((&mail["from"], &mail["items"][0]["count"]), (&json!("Market"), &json!(2)));
    let claim = format!("mail/{}/claim", mail["id"].as_str().expect("an id"));
    two.ask(ada, "POST", &claim, None).await.ok(204);
    assert_eq!(two.has(ada).await.1, 5);
    two.keyed(ada, "market", "three", Some(offer)).await.ok(200);
}
