//! Goods of the reference game in whole clusters: what the ledger has, outlives whatever is killed (J.1, J.3, M3).

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use pangea_client::{EnterOptions, Event, Game};
use pangea_world::frames::{CHUNK_TILES, tile};
use pangea_world::id::CharacterId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Cluster, PATIENCE, event, request, signal};

/// As the page sees it.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Bag {
    pub slots: Vec<u16>,
    pub items: Vec<u16>,
    pub counts: Vec<u32>,
    pub coins: u64,
    pub pending: u16,
}

#[derive(Debug, Deserialize)]
struct Trading {
    asked: bool,
    version: u32,
    they_agree: bool,
    their_counts: Vec<u32>,
}

/// Looks at what is seen, now and after each event, until something is found.
pub async fn see<T>(game: &mut Game, what: &str, mut look: impl FnMut(&Game) -> Option<T>) -> T {
    if let Some(found) = look(game) {
        return found;
    }
    event(game, what, |_, game| look(game)).await
}

/// Waits for an event of the game of this name.
pub async fn told(game: &mut Game, what: &str) -> Value {
    event(game, what, |event, _| match event {
        Event::Game { name, values } if name == what => Some(Value::Object(values.clone())),
        Event::Game { name, values } if name == "Told" => panic!("{what}: refused with {values:?}"),
        _ => None,
    })
    .await
}

pub fn bag(game: &Game) -> Option<Bag> {
    game.view().component(game.view().me, "Bag")
}

pub fn has(bag: &Bag, item: u16) -> u32 {
    bag.items.iter().zip(&bag.counts).filter(|(n, _)| **n == item).map(|(_, count)| *count).sum()
}

/// The things of a kind in view: number and place, metres.
pub fn things(game: &Game, kind: &str) -> Vec<(u16, (f64, f64))> {
    let of_kind = game.entities().iter().filter(|(id, _)| game.view().kind_of(**id) == Some(kind));
    of_kind.map(|(id, one)| (*id, (f64::from(one.x_cm) / 100.0, f64::from(one.y_cm) / 100.0))).collect()
}

pub fn stands(game: &Game) -> Option<(f64, f64)> {
    game.me().map(|me| (f64::from(me.x_cm) / 100.0, f64::from(me.y_cm) / 100.0))
}

fn far(a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// Walks to within `near` metres, or until the character is somewhere else.
pub async fn walk(game: &mut Game, to: (f64, f64), near: f64) {
    let area = game.area().to_owned();
    let (mut aside, mut best, mut steps) = (0.0f64, f64::INFINITY, 0);
    for _ in 0..2_000 {
        let Some(at) = stands(game) else {
            event(game, "itself", |_, game| game.me().map(|_| ())).await;
            continue;
        };
        if game.area() != area || far(at, to) <= near {
            return;
        }
        // Around what stands there: a while to the side, and each time longer.
        if far(at, to) < best - 0.05 {
            (best, steps) = (far(at, to), 0);
        } else {
            steps += 1;
        }
        if steps > 20 {
            (aside, steps, best) = (if aside > 0.0 { -aside - 0.3 } else { 0.6 - aside }, 0, f64::INFINITY);
        }
        let turn =
            (to.1 - at.1).atan2(to.0 - at.0) + if best.is_infinite() || steps > 0 { aside } else { 0.0 };
        let step = far(at, to).min(0.25) / 0.25;
        game.move_towards((turn.cos() * step) as f32, (turn.sin() * step) as f32).await;
        event(game, "a step", |event, _| {
            matches!(event, Event::Updated { .. } | Event::Moved { .. }).then_some(())
        })
        .await;
    }
    panic!("never came to {to:?} from {:?}", stands(game));
}

/// The tiles of the chunks around a point.
pub async fn tiles(game: &mut Game, (x, y): (f64, f64)) -> BTreeMap<(i32, i32), u8> {
    let side = CHUNK_TILES as i32;
    let (cx, cy) = ((x as i32).div_euclid(side), (y as i32).div_euclid(side));
    let mut found = BTreeMap::new();
    for (cx, cy) in (0..9).map(|n| (cx + n % 3 - 1, cy + n / 3 - 1)) {
        game.ask_tiles(cx, cy).await;
        let all = event(game, "the tiles", |event, _| match event {
            Event::Tiles { cx: x, cy: y, tiles } if (*x, *y) == (cx, cy) => Some(tiles.clone()),
            _ => None,
        })
        .await;
        found.extend((0..).zip(all).map(|(n, kind)| ((cx * side + n % side, cy * side + n / side), kind)));
    }
    found
}

/// The nearest tree that one can walk to in a straight line, and where to stand for it.
pub fn tree(tiles: &BTreeMap<(i32, i32), u8>, from: (f64, f64)) -> ((i32, i32), (f64, f64)) {
    let is_free = |x: f64, y: f64| {
        let around = [(0.0, 0.0), (0.35, 0.35), (-0.35, 0.35), (0.35, -0.35), (-0.35, -0.35)];
        around.iter().all(|(dx, dy)| {
            let at = ((x + dx).floor() as i32, (y + dy).floor() as i32);
            tiles.get(&at).is_some_and(|kind| *kind < tile::FIRST_SOLID)
        })
    };
    let clear = |to: (f64, f64)| {
        let steps = (far(from, to) / 0.1).ceil().max(1.0);
        (0..=steps as u32).all(|n| {
            let part = f64::from(n) / steps;
            is_free(from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part)
        })
    };
    let trees = tiles.iter().filter(|(_, kind)| **kind == tile::TREE).map(|(at, _)| *at);
    let stands = trees.flat_map(|(x, y)| {
        let beside = [(1, 0), (-1, 0), (0, 1), (0, -1)];
        beside.map(|(dx, dy)| ((x, y), (f64::from(x + dx) + 0.5, f64::from(y + dy) + 0.5)))
    });
    let mut reached: Vec<_> = stands.filter(|(_, at)| clear(*at)).collect();
    reached.sort_by(|a, b| far(a.1, from).total_cmp(&far(b.1, from)));
    *reached.first().expect("a tree that one can walk to")
}

pub async fn kill_area(cluster: &Cluster, area: &str) {
    let server = cluster.serving(area).await[0].clone();
    signal(server["pid"].as_u64().expect("a pid") as u32, "KILL");
}

pub async fn back(game: &mut Game) {
    event(game, "back", |event, _| matches!(event, Event::Back { .. }).then_some(())).await;
    see(game, "itself", |game| game.me().map(|_| ())).await;
}

pub async fn grant(cluster: &Cluster, to: CharacterId, body: Value) {
    let key = std::fs::read_to_string(cluster.data().join("keys/operator.key")).expect("a key");
    let path = format!("/api/data/characters/{to}/grant");
    let answer = request(&cluster.url, Method::POST, &path, key.trim(), Some(&body.to_string())).await;
    assert_eq!(answer.expect("an answer").0, 200);
}

/// What central says that a character has: goods by name, and coins.
pub async fn durable(cluster: &Cluster, character: CharacterId) -> BTreeMap<String, i64> {
    let path = format!("/api/data/characters/{character}/belongings");
    let data = cluster.operator(Method::GET, &path).await.expect("it is read");
    let mut all = BTreeMap::new();
    for (list, name, number) in [("items", "template", "quantity"), ("money", "currency", "amount")] {
        for row in data[list].as_array().expect("a list") {
            let name = row[name].as_str().expect("a name").to_owned();
            *all.entry(name).or_default() += row[number].as_i64().expect("a number");
        }
    }
    all
}

/// A tree is felled, its area server is killed right after: the wood is there, the tree is not, and what was
/// dropped lies where it was dropped and can be taken once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_gathered_and_dropped_outlives_a_kill() {
    let cluster = Cluster::start(&[]).await;
    let (client, character) = cluster.player("Wanda", "wilds", Some("embers")).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    see(&mut game, "people", |game| (things(game, "person").len() == 4).then_some(())).await;
    let at = see(&mut game, "itself", stands).await;
    let land = tiles(&mut game, at).await;
    let ((x, y), beside) = tree(&land, at);
    walk(&mut game, beside, 0.3).await;
    for left in [2, 1, 0] {
        let began = tokio::time::Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE, "no stroke counts");
            game.act("Gather", &json!({ "x": x, "y": y })).await.expect("known");
            let wait = tokio::time::timeout(Duration::from_millis(600), told(&mut game, "Gathered")).await;
            if wait.is_ok_and(|gathered| gathered["left"] == left) {
                break;
            }
        }
    }
    let got = told(&mut game, "Got").await;
    let count = got["count"].as_u64().expect("a count") as u32;
    assert_eq!((got["item"].as_u64(), count >= 2), (Some(0), true));
    kill_area(&cluster, "wilds/").await;
    back(&mut game).await;
    see(&mut game, "the wood", |game| bag(game).filter(|bag| has(bag, 0) == count)).await;
    let land = tiles(&mut game, beside).await;
    assert_eq!(land[&(x, y)], tile::GRASS, "it is felled");

    let slot = bag(&game).expect("a bag").slots[0];
    game.act("Drop", &json!({ "slot": slot, "count": 1 })).await.expect("known");
    let heap = see(&mut game, "the heap", |game| things(game, "heap").first().copied()).await;
    kill_area(&cluster, "wilds/").await;
    back(&mut game).await;
    let again = see(&mut game, "the heap", |game| things(game, "heap").first().copied()).await;
    assert_eq!(again.1, heap.1, "where it was");
    see(&mut game, "the rest", |game| bag(game).filter(|bag| has(bag, 0) == count - 1)).await;
    walk(&mut game, again.1, 1.5).await;
    game.act("Take", &json!({ "target": again.0 })).await.expect("known");
    see(&mut game, "all of it", |game| bag(game).filter(|bag| has(bag, 0) == count)).await;
    see(&mut game, "no heap", |game| things(game, "heap").is_empty().then_some(())).await;
    assert_eq!(durable(&cluster, character).await, BTreeMap::from([("wood".to_owned(), count.into())]));
}

/// Two trade over two real connections; the server is killed as soon as they know. An offer of what one has
/// not changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trade_is_one_operation_and_outlives_a_kill() {
    let cluster = Cluster::start(&[]).await;
    let (client, ada) = cluster.player("Ada", "wilds", None).await;
    let mut one = client.enter(ada, EnterOptions::default()).await.unwrap();
    let (client, bob) = cluster.player("Bob", "wilds", None).await;
    let mut two = client.enter(bob, EnterOptions::default()).await.unwrap();
    let goods = json!([{ "template": "wood", "quantity": 10, "most": 20 }]);
    grant(&cluster, ada, json!({ "reason": "a test", "goods": goods })).await;
    let coins = json!([{ "currency": "coin", "amount": 50 }]);
    grant(&cluster, bob, json!({ "reason": "a test", "coins": coins })).await;
    see(&mut one, "wood", |game| bag(game).filter(|bag| has(bag, 0) == 10)).await;
    see(&mut two, "coins", |game| bag(game).filter(|bag| bag.coins == 50)).await;
    let other = |game: &Game| {
        let mut all = game.entities().iter();
        all.find(|(id, one)| **id != game.view().me && !one.name.is_empty()).map(|(id, _)| *id)
    };
    let (bob_there, ada_there) = (see(&mut one, "him", other).await, see(&mut two, "her", other).await);
    one.act("Trade", &json!({ "target": bob_there })).await.expect("known");
    let trading = |game: &Game| game.view().component::<Trading>(game.view().me, "Trading");
    see(&mut two, "her wish", |game| trading(game).filter(|trading| trading.asked)).await;
    two.act("Trade", &json!({ "target": ada_there })).await.expect("known");
    see(&mut one, "the trade", |game| trading(game).filter(|trading| !trading.asked)).await;
    let too_much = json!({ "slots": [0], "counts": [11], "coins": 0 });
    one.act("Offer", &too_much).await.expect("known");
    let refused = event(&mut one, "a no", |event, _| match event {
        Event::Game { name, values } if name == "Told" => Some(values["code"].clone()),
        _ => None,
    });
    assert_eq!(refused.await, "amount_invalid");
    let counted = || async { cluster.serving("wilds/").await[0]["refusals"]["amount_invalid"] == 1 };
    cluster.until("operators see what the game refused", counted).await;
    one.act("Offer", &json!({ "slots": [0], "counts": [4], "coins": 0 })).await.expect("known");
    let version =
        see(&mut two, "her offer", |game| trading(game).filter(|trading| !trading.their_counts.is_empty()))
            .await
            .version;
    two.act("Offer", &json!({ "slots": [], "counts": [], "coins": 30 })).await.expect("known");
    two.act("Agree", &json!({ "version": version + 1 })).await.expect("known");
    let version =
        see(&mut one, "his word", |game| trading(game).filter(|trading| trading.they_agree)).await.version;
    one.act("Agree", &json!({ "version": version })).await.expect("known");
    for game in [&mut one, &mut two] {
        assert_eq!(told(game, "TradeOver").await["done"], true);
    }
    kill_area(&cluster, "wilds/").await;
    for (game, wood, coins) in [(&mut one, 6, 30), (&mut two, 4, 20)] {
        back(game).await;
        see(game, "what it has", |game| bag(game).filter(|bag| has(bag, 0) == wood && bag.coins == coins))
            .await;
    }
    let both =
        |wood: i64, coins: i64| BTreeMap::from([("coin".to_owned(), coins), ("wood".to_owned(), wood)]);
    assert_eq!((durable(&cluster, ada).await, durable(&cluster, bob).await), (both(6, 30), both(4, 20)));
}

async fn choose(game: &mut Game, target: u16, choice: &str) {
    game.act("Talk", &json!({ "target": target })).await.expect("known");
    let says = told(game, "Says").await;
    let choices = says["choices"].as_array().expect("a list");
    let begins = |text: &Value| text.as_str().is_some_and(|text| text.starts_with(choice));
    let n = choices.iter().position(begins).unwrap_or_else(|| panic!("no «{choice}» in {says}"));
    game.act("Choose", &json!({ "target": target, "choice": n })).await.expect("known");
    told(game, "Says").await;
}

/// The person with this number in the table.
pub async fn person(game: &mut Game, who: u16) -> (u16, (f64, f64)) {
    #[derive(Deserialize)]
    struct Person {
        who: u16,
    }
    see(game, "a person", |game| {
        let is_it = |id: u16| game.view().component::<Person>(id, "Person").is_some_and(|one| one.who == who);
        things(game, "person").into_iter().find(|(id, _)| is_it(*id))
    })
    .await
}

/// A quest across two areas: the letter is carried through a portal to another server, and the answer back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quest_leads_through_two_areas() {
    let cluster = Cluster::start(&[]).await;
    let (client, character) = cluster.player("Clara", "isles", Some("sailors")).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    assert_eq!(game.area(), "isles/harbour/0");
    let (mara, at) = person(&mut game, 0).await;
    choose(&mut game, mara, "Accept: A letter").await;
    assert_eq!(durable(&cluster, character).await, BTreeMap::from([("letter".to_owned(), 1)]));
    let letter =
        see(&mut game, "the letter", |game| bag(game).and_then(|bag| bag.items.first().copied())).await;
    walk(&mut game, (110.0, 64.0), 0.1).await;
    assert_eq!(game.area(), "isles/forest/0");
    let (tove, there) = person(&mut game, 4).await;
    see(&mut game, "the letter here", |game| bag(game).filter(|bag| has(bag, letter) == 1)).await;
    walk(&mut game, there, 3.0).await;
    choose(&mut game, tove, "A letter far away").await;
    assert_eq!(durable(&cluster, character).await, BTreeMap::from([("reply".to_owned(), 1)]));
    walk(&mut game, (10.0, 96.0), 0.1).await;
    assert_eq!(game.area(), "isles/harbour/0");
    walk(&mut game, at, 3.0).await;
    let (mara, _) = person(&mut game, 0).await;
    choose(&mut game, mara, "A letter far away").await;
    let reward = BTreeMap::from([("boots".to_owned(), 1), ("coin".to_owned(), 80)]);
    assert_eq!(durable(&cluster, character).await, reward);
}
