//! A strongbox of the reference game in whole clusters: what is in it outlives a killed server, is the same one
//! wherever it is opened, and comes out once (J6).

use std::collections::BTreeMap;

use pangea_client::{EnterOptions, Event, Game};
use pangea_world::id::CharacterId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::goods::{back, bag, durable, grant, has, kill_area, person, see, walk};
use crate::support::{Cluster, event};

const ODO: u16 = 1;
const TOVE: u16 = 4;

#[derive(Debug, Deserialize)]
struct Strongbox {
    counts: Vec<u32>,
}

fn lies(game: &Game) -> Option<u32> {
    let shown: Option<Strongbox> = game.view().component(game.view().me, "Strongbox");
    shown.map(|shown| shown.counts.iter().sum())
}

/// Walks to who keeps strongboxes and has it opened; how much lies in it.
async fn open(game: &mut Game, keeper: u16) -> u32 {
    let (_, at) = person(game, keeper).await;
    walk(game, at, 3.0).await;
    let (target, _) = person(game, keeper).await;
    game.act("Talk", &json!({ "target": target })).await.expect("known");
    let says = event(game, "words", |event, _| match event {
        Event::Game { name, values } if name == "Says" => Some(values["choices"].clone()),
        _ => None,
    });
    let choices = says.await;
    let choice = choices
        .as_array()
        .expect("a list")
        .iter()
        .position(|text| text == "Open your strongbox")
        .expect("he keeps them");
    game.act("Choose", &json!({ "target": target, "choice": choice })).await.expect("known");
    see(game, "the open strongbox", lies).await
}

async fn act(game: &mut Game, name: &str, count: u32) {
    game.act(name, &json!({ "slot": 0, "count": count })).await.expect("known");
}

async fn refusal(game: &mut Game) -> Value {
    event(game, "a no", |event, _| match event {
        Event::Game { name, values } if name == "Told" => Some(values["code"].clone()),
        _ => None,
    })
    .await
}

async fn wood(cluster: &Cluster, name: &str, world: &str, faction: &str) -> (Game, CharacterId) {
    let (client, character) = cluster.player(name, world, Some(faction)).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    let goods = json!([{ "template": "wood", "quantity": 10, "most": 20 }]);
    grant(cluster, character, json!({ "reason": "a test", "goods": goods })).await;
    see(&mut game, "wood", |game| bag(game).filter(|bag| has(bag, 0) == 10)).await;
    (game, character)
}

/// Both as the page shows them.
async fn holds(game: &mut Game, in_bag: u32, in_box: u32) {
    see(game, "what it has", |game| bag(game).filter(|bag| has(bag, 0) == in_bag)).await;
    see(game, "what lies there", |game| lies(game).filter(|lies| *lies == in_box)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_away_outlives_a_kill_and_comes_out_once() {
    let cluster = Cluster::start(&[]).await;
    let (mut game, character) = wood(&cluster, "Wanda", "wilds", "embers").await;
    act(&mut game, "Put", 4).await;
    assert_eq!(refusal(&mut game).await, "storage_reserved", "it is not open");
    assert_eq!(open(&mut game, ODO).await, 0);
    act(&mut game, "Put", 4).await;
    holds(&mut game, 6, 4).await;
    assert_eq!(durable(&cluster, character).await, BTreeMap::from([("wood".to_owned(), 6)]));
    kill_area(&cluster, "wilds/").await;
    back(&mut game).await;
    act(&mut game, "Fetch", 4).await;
    assert_eq!(refusal(&mut game).await, "storage_reserved", "the new server has nothing open");
    assert_eq!(open(&mut game, ODO).await, 4);
    act(&mut game, "Fetch", 4).await;
    act(&mut game, "Fetch", 4).await;
    assert_eq!(refusal(&mut game).await, "unknown_item");
    holds(&mut game, 10, 0).await;
    // Killed while it is being written: it is here or there.
    act(&mut game, "Put", 3).await;
    kill_area(&cluster, "wilds/").await;
    back(&mut game).await;
    let lies = open(&mut game, ODO).await;
    assert!([0, 3].contains(&lies), "{lies}");
    holds(&mut game, 10 - lies, lies).await;
}

/// A second login takes the character over while the first one takes something out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sessions_cannot_take_one_thing_twice() {
    let cluster = Cluster::start(&[]).await;
    let (mut one, character) = wood(&cluster, "Ada", "wilds", "embers").await;
    open(&mut one, ODO).await;
    act(&mut one, "Put", 10).await;
    holds(&mut one, 0, 10).await;
    let again = cluster.client();
    again.login("Ada", "correct horse battery").await.expect("logged in");
    act(&mut one, "Fetch", 10).await;
    let mut two = again.enter(character, EnterOptions::default()).await.expect("entered");
    let lies = open(&mut two, ODO).await;
    act(&mut two, "Fetch", 10).await;
    act(&mut two, "Fetch", 10).await;
    assert_eq!(refusal(&mut two).await, "unknown_item", "{lies} lay there");
    holds(&mut two, 10, 0).await;
    assert_eq!(durable(&cluster, character).await, BTreeMap::from([("wood".to_owned(), 10)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_the_same_one_in_another_area() {
    let cluster = Cluster::start(&[]).await;
    let (mut game, character) = wood(&cluster, "Clara", "isles", "sailors").await;
    assert_eq!(open(&mut game, ODO).await, 0);
    act(&mut game, "Put", 7).await;
    holds(&mut game, 3, 7).await;
    walk(&mut game, (110.0, 64.0), 0.1).await;
    let is_there = |game: &Game| game.area() == "isles/forest/0" && game.me().is_some();
    see(&mut game, "the forest", |game| is_there(game).then_some(())).await;
    assert_eq!(open(&mut game, TOVE).await, 7);
    act(&mut game, "Fetch", 7).await;
    holds(&mut game, 10, 0).await;
    assert_eq!(durable(&cluster, character).await, BTreeMap::from([("wood".to_owned(), 10)]));
}
