//! Goods over a border: two of two servers trade, and what lies beyond the line is taken (F.1-F.10, J.1, J.3).

use std::collections::BTreeMap;

use pangea_client::{EnterOptions, Game};
use pangea_world::id::CharacterId;
use serde_json::json;

use crate::crossing::{Way, until, walk_to};
use crate::goods::{bag, durable, grant, has, see, things, told};
use crate::support::{Cluster, signal};
use crate::together::{BEYOND, Trading, trade, trading, two};

const HERE: &str = "two/0,0..2,2/0";

async fn enters(cluster: &Cluster, name: &str) -> (Game, CharacterId) {
    let (client, character) = cluster.player(name, "two", Some("at56")).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    see(&mut game, "itself", |game| game.me().map(|_| ())).await;
    (game, character)
}

/// Ada in the west with 50 coins, Bob in the east with 10 wood, a few steps from each other.
async fn neighbours(cluster: &Cluster) -> [(Game, CharacterId); 2] {
    let ((mut ada, her), (mut bob, him)) = (enters(cluster, "Ada").await, enters(cluster, "Bob").await);
    let (mut hers, mut his) = (Way::default(), Way::default());
    walk_to(&mut bob, &mut his, (66.0, 32.5)).await;
    until(&mut bob, &mut his, "he is over", |game, _| game.area() == BEYOND).await;
    walk_to(&mut bob, &mut his, (65.4, 32.5)).await;
    walk_to(&mut ada, &mut hers, (64.2, 32.5)).await;
    assert_eq!((ada.area(), bob.area()), (HERE, BEYOND), "each on his side");
    let coins = json!([{ "currency": "coin", "amount": 50 }]);
    grant(cluster, her, json!({ "reason": "a test", "coins": coins })).await;
    let goods = json!([{ "template": "wood", "quantity": 10, "most": 20 }]);
    grant(cluster, him, json!({ "reason": "a test", "goods": goods })).await;
    see(&mut ada, "coins", |game| bag(game).filter(|bag| bag.coins == 50)).await;
    see(&mut bob, "wood", |game| bag(game).filter(|bag| has(bag, 0) == 10)).await;
    [(ada, her), (bob, him)]
}

fn both(wood: i64, coins: i64) -> BTreeMap<String, i64> {
    let all = [("coin".to_owned(), coins), ("wood".to_owned(), wood)];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_beyond_the_line_is_taken_over_it() {
    let cluster = Cluster::with_worlds(&[("two", &two(8))], &[]).await;
    let [(mut ada, her), (mut bob, him)] = neighbours(&cluster).await;
    bob.act("Drop", &json!({ "slot": 0, "count": 3 })).await.expect("known");
    let (heap, _) = see(&mut ada, "the heap", |game| things(game, "heap").first().copied()).await;
    ada.act("Take", &json!({ "target": heap })).await.expect("known");
    see(&mut ada, "the wood", |game| bag(game).filter(|bag| has(bag, 0) == 3)).await;
    see(&mut bob, "no heap", |game| things(game, "heap").is_empty().then_some(())).await;
    assert_eq!(ada.area(), HERE, "she never went there");
    assert_eq!((durable(&cluster, her).await, durable(&cluster, him).await), (both(3, 50), both(7, 0)));
}

/// Both servers are killed as soon as they know: what they were told is what they have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_two_servers_trade() {
    let cluster = Cluster::with_worlds(&[("two", &two(8))], &[]).await;
    let [(mut ada, her), (mut bob, him)] = neighbours(&cluster).await;
    trade((&mut ada, "Ada"), (&mut bob, "Bob")).await;
    ada.act("Offer", &json!({ "slots": [], "counts": [], "coins": 30 })).await.expect("known");
    see(&mut bob, "her offer", |game| trading(game).filter(Trading::brings)).await;
    bob.act("Offer", &json!({ "slots": [0], "counts": [4], "coins": 0 })).await.expect("known");
    let version = see(&mut ada, "his offer", |game| trading(game).filter(Trading::brings)).await.version;
    ada.act("Agree", &json!({ "version": version })).await.expect("known");
    see(&mut bob, "her word", |game| trading(game).filter(|trading| trading.they_agree)).await;
    bob.act("Agree", &json!({ "version": version })).await.expect("known");
    for game in [&mut ada, &mut bob] {
        assert_eq!(told(game, "TradeOver").await["done"], true);
    }
    for server in cluster.serving("two/").await {
        signal(server["pid"].as_u64().expect("a pid") as u32, "KILL");
    }
    assert_eq!((durable(&cluster, her).await, durable(&cluster, him).await), (both(4, 20), both(6, 30)));
    see(&mut ada, "what she has", |game| bag(game).filter(|bag| has(bag, 0) == 4 && bag.coins == 20)).await;
    see(&mut bob, "what he has", |game| bag(game).filter(|bag| has(bag, 0) == 6 && bag.coins == 30)).await;
}

/// One server dies in the middle: his agreement is worth nothing, nothing has changed, and both are told so or enter
/// anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_in_a_trade_takes_nothing_with_it() {
    let cluster = Cluster::with_worlds(&[("two", &two(8))], &[]).await;
    let [(mut ada, her), (mut bob, him)] = neighbours(&cluster).await;
    trade((&mut ada, "Ada"), (&mut bob, "Bob")).await;
    bob.act("Offer", &json!({ "slots": [0], "counts": [4], "coins": 0 })).await.expect("known");
    let version = see(&mut ada, "his offer", |game| trading(game).filter(Trading::brings)).await.version;
    ada.act("Agree", &json!({ "version": version })).await.expect("known");
    see(&mut bob, "her word", |game| trading(game).filter(|trading| trading.they_agree)).await;
    let server = cluster.serving(BEYOND).await[0].clone();
    signal(server["pid"].as_u64().expect("a pid") as u32, "KILL");
    let over = told(&mut ada, "TradeOver").await;
    assert_eq!((&over["done"], &over["code"]), (&json!(false), &json!("gone")));
    see(&mut bob, "what he has", |game| bag(game).filter(|bag| has(bag, 0) == 10 && bag.coins == 0)).await;
    assert_eq!((durable(&cluster, her).await, durable(&cluster, him).await), (both(0, 50), both(10, 0)));
}
