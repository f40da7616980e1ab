//! Deeds of several people at the same moment, over HTTP and in one database: one of them is done.

use http::Method;
use pangea_client::{Client, EnterOptions};
use pangea_world::id::CharacterId;
use serde_json::{Value, json};

use crate::crossing::PLAIN;
use crate::factions::deed;
use crate::goods::{durable, grant};
use crate::support::Cluster;

const WILDS: &str = "kind = \"grid\"\nseed = 7\nlayers = 1\nclaim_price = 5\nclaim_days = 1\n\
    [grid]\ncell_m = 64\narea_cells = 8\nspawn = { x = 256.0, y = 256.0 }\n";

/// A deed by HTTP: `None` if it was done, else the code.
async fn does(who: &(Client, CharacterId), what: &str, body: Value) -> Option<String> {
    let path = format!("/api/characters/{}/{what}", who.1);
    let done = who.0.call::<Value>(Method::POST, &path, Some(&body)).await;
    done.err().map(|error| error.to_string().split(':').next().unwrap_or_default().to_owned())
}

fn sorted<const N: usize>(mut all: [Option<String>; N]) -> [Option<String>; N] {
    all.sort();
    all
}

/// Of two leaders at once there is one; when all leave at once the party has ended, and with it its invitations; of
/// an acceptance and a withdrawal at once one counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parties_at_the_same_moment() {
    let cluster = Cluster::start(&[]).await;
    let (ada, bob, cyd) = tokio::join!(
        cluster.player("Ada", "wilds", None),
        cluster.player("Bob", "wilds", None),
        cluster.player("Cyd", "wilds", None)
    );
    let social = async |who: &(Client, CharacterId)| -> Value {
        who.0.call(Method::GET, &format!("/api/characters/{}/social", who.1), None).await.unwrap()
    };
    let gone = |code: &str| Some(code.to_owned());
    for round in 0..6 {
        assert_eq!(does(&ada, "party/invite", json!({"name": "Bob"})).await, None);
        let party = social(&ada).await["party"]["id"].clone();
        assert_eq!(does(&bob, "party/accept", json!({"party": party})).await, None);
        // Taken back, and accepted.
        assert_eq!(does(&ada, "party/invite", json!({"name": "Cyd"})).await, None);
        let both = tokio::join!(
            does(&ada, "party/kick", json!({"character": cyd.1})),
            does(&cyd, "party/accept", json!({"party": party}))
        );
        // Accepted first, he is sent away as a member.
        assert!([(None, None), (None, gone("not_invited"))].contains(&both), "round {round}: {both:?}");
        assert_eq!(social(&cyd).await["party"], Value::Null, "round {round}");
        assert_eq!(does(&ada, "party/invite", json!({"name": "Cyd"})).await, None);
        assert_eq!(does(&cyd, "party/accept", json!({"party": party})).await, None);
        let leads = tokio::join!(
            does(&ada, "party/leader", json!({"character": bob.1})),
            does(&ada, "party/leader", json!({"character": cyd.1}))
        );
        assert_eq!(sorted([leads.0, leads.1]), [None, gone("forbidden")], "round {round}");
        let docs = [social(&ada).await, social(&bob).await, social(&cyd).await];
        assert!(docs.iter().all(|doc| doc["party"]["leader"] == docs[0]["party"]["leader"]));
        assert_ne!(docs[0]["party"]["leader"], json!(ada.1));
        let all = tokio::join!(
            does(&ada, "party/leave", json!({})),
            does(&bob, "party/leave", json!({})),
            does(&cyd, "party/leave", json!({}))
        );
        // The last but one may find that the party has ended with the one before.
        for left in [all.0, all.1, all.2] {
            assert!(left.is_none() || left == gone("not_a_member"), "round {round}: {left:?}");
        }
        for who in [&ada, &bob, &cyd] {
            assert_eq!(social(who).await["party"], Value::Null, "round {round}");
        }
        assert_eq!(does(&cyd, "party/accept", json!({"party": party})).await, gone("not_invited"));
    }
}

/// Of two factions that claim the same ground at once one has it and pays; of two leaders who demote each other one
/// stays; the last leader does not leave others behind; and nothing is sent to who was deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn factions_and_mail_at_the_same_moment() {
    let cluster = Cluster::with_worlds(&[("wilds", WILDS)], &[PLAIN]).await;
    let (ada, bob) = (cluster.player("Ada", "wilds", None).await, cluster.player("Bob", "wilds", None).await);
    let mut games = Vec::new();
    for (who, name) in [(&ada, "Ravens"), (&bob, "Wolves")] {
        games.push(who.0.enter(who.1, EnterOptions::default()).await.unwrap());
        assert_eq!(deed(&who.0, who.1, "", json!({"name": name, "open": true})).await.0, 201);
        let coins = json!([{ "currency": "coin", "amount": 5 }]);
        grant(&cluster, who.1, json!({ "reason": "a test", "coins": coins })).await;
    }
    let (hers, his) =
        tokio::join!(deed(&ada.0, ada.1, "/claim", json!({})), deed(&bob.0, bob.1, "/claim", json!({})));
    let (winner, loser, refused) = if hers.0 < 300 { (&ada, &bob, &his) } else { (&bob, &ada, &hers) };
    assert_eq!([hers.0, his.0].iter().filter(|status| **status < 300).count(), 1, "{hers:?} {his:?}");
    assert_eq!((refused.0, &refused.1["code"]), (409, &json!("already_claimed")));
    let coins = async |who: &(Client, CharacterId)| durable(&cluster, who.1).await["coin"];
    assert_eq!((coins(winner).await, coins(loser).await), (0, 5), "one has paid");

    let path = format!("/api/characters/{}", bob.1);
    games.pop().unwrap().leave().await;
    cluster
        .until("he has left", async || {
            let gone = bob.0.call_raw(Method::DELETE, &path, None, &[]).await;
            gone.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    let mail = json!({"to": "Bob", "subject": "late", "text": "too late", "items": [], "money": 0});
    let sent = ada
        .0
        .call_with::<Value>(
            Method::POST,
            &format!("/api/characters/{}/mail", ada.1),
            Some(&mail),
            &[("idempotency-key", "late")],
        )
        .await;
    assert!(sent.unwrap_err().to_string().starts_with("unknown_character"));
}
