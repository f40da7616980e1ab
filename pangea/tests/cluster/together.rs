//! Two who belong together go over a border together or not at all (F.1-F.10): here because they trade.

use pangea_client::{EnterOptions, Game};
use serde::Deserialize;
use serde_json::json;

use crate::crossing::{Way, take, until, walk_to};
use crate::goods::see;
use crate::support::Cluster;

/// Two areas of 64 m with the reference game. Nothing grows around a spawn: they make a way over the border at
/// x = 64, along y = 32.
pub fn two(capacity: u32) -> String {
    let mut world = format!(
        "kind = \"grid\"\nseed = 7\nrules = [\"pve\"]\ncreatures = false\nlayers = 1\nview_m = 16\n\
         capacity = {capacity}\n[grid]\ncell_m = 32\narea_cells = 2\nspawn = {{ x = 56.0, y = 32.0 }}\n\
         bounds = {{ x0 = 0, y0 = 0, x1 = 4, y1 = 2 }}\n"
    );
    for x in (56..=92).step_by(4) {
        world += &format!(
            "[[faction]]\nid = \"at{x}\"\ntitle = \"At {x}\"\ncolour = \"#d9622b\"\nspawn = {{ x = {x}.0, y = 32.0 }}\n"
        );
    }
    world
}

pub const BEYOND: &str = "two/2,0..4,2/0";

#[derive(Debug, Deserialize)]
pub struct Trading {
    asked: bool,
    pub version: u32,
    pub they_agree: bool,
    their_coins: u64,
    their_counts: Vec<u32>,
}

impl Trading {
    /// Whether the other one offers something.
    pub fn brings(&self) -> bool {
        self.their_coins > 0 || !self.their_counts.is_empty()
    }
}

pub async fn enters(cluster: &Cluster, name: &str) -> Game {
    let (client, character) = cluster.player(name, "two", Some("at56")).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    see(&mut game, "itself", |game| game.me().map(|_| ())).await;
    game
}

/// The number of somebody who is seen.
pub async fn number(game: &mut Game, name: &str) -> u16 {
    see(game, name, |game| game.entities().iter().find(|(_, one)| one.name == name).map(|(id, _)| *id)).await
}

pub fn trading(game: &Game) -> Option<Trading> {
    game.view().component(game.view().me, "Trading")
}

/// They open a trade.
pub async fn trade(one: (&mut Game, &str), two: (&mut Game, &str)) {
    let (there, here) = (number(one.0, two.1).await, number(two.0, one.1).await);
    one.0.act("Trade", &json!({ "target": there })).await.expect("known");
    see(two.0, "the wish", |game| trading(game).filter(|trading| trading.asked)).await;
    two.0.act("Trade", &json!({ "target": here })).await.expect("known");
    for game in [one.0, two.0] {
        see(game, "the trade", |game| trading(game).filter(|trading| !trading.asked)).await;
    }
}

fn x_m(game: &Game) -> f64 {
    game.me().map_or(f64::NAN, |me| f64::from(me.x_cm) / 100.0)
}

/// Pushes against whatever is there until the player is told why he does not get on.
async fn push_until_told(game: &mut Game, way: &mut Way) -> String {
    for _ in 0..200 {
        if let Some(why) = way.shut.iter().find(|why| why.starts_with("border_shut")) {
            return why.clone();
        }
        game.move_towards(1.0, 0.0).await;
        take(game, way).await;
    }
    panic!("he is never told why: {way:?}");
}

/// The one who is ahead waits beyond the line for the other; then both go over at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_trade_cross_together() {
    let cluster = Cluster::with_worlds(&[("two", &two(8))], &[]).await;
    let (mut ada, mut bob) = (enters(&cluster, "Ada").await, enters(&cluster, "Bob").await);
    let (mut hers, mut his) = (Way::default(), Way::default());
    let epochs = (ada.epoch(), bob.epoch());
    walk_to(&mut ada, &mut hers, (62.5, 31.5)).await;
    walk_to(&mut bob, &mut his, (62.5, 32.5)).await;
    trade((&mut ada, "Ada"), (&mut bob, "Bob")).await;
    let why = push_until_told(&mut ada, &mut hers).await;
    assert!(why.contains("wait for those who go with you"), "{why}");
    assert!(hers.crossed.is_empty() && x_m(&ada) > 66.0, "she waits beyond the line: {hers:?}");
    walk_to(&mut bob, &mut his, (66.0, 32.5)).await;
    until(&mut ada, &mut hers, "she is over", |game, _| game.area() == BEYOND).await;
    until(&mut bob, &mut his, "he is over", |game, _| game.area() == BEYOND).await;
    assert_eq!((ada.epoch(), bob.epoch()), (epochs.0 + 1, epochs.1 + 1), "each changed its owner once");
    assert_eq!((hers.lost, his.lost), (0, 0));
    walk_to(&mut ada, &mut hers, (80.0, 31.5)).await;
    assert_eq!((hers.crossed.len(), his.crossed.len()), (1, 1));
}

/// There is room for one of them beyond: the line is a wall for both, until they part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_goes_while_the_other_cannot() {
    let cluster = Cluster::with_worlds(&[("two", &two(2))], &[]).await;
    let (mut dora, mut way) = (enters(&cluster, "Dora").await, Way::default());
    walk_to(&mut dora, &mut way, (91.5, 32.0)).await;
    assert_eq!(way.crossed, [BEYOND]);
    cluster
        .until("her first seat is free", || async {
            cluster.serving("two/").await.iter().filter_map(|server| server["seats"].as_u64()).sum::<u64>()
                == 1
        })
        .await;
    let (mut ada, mut bob) = (enters(&cluster, "Ada").await, enters(&cluster, "Bob").await);
    trade((&mut ada, "Ada"), (&mut bob, "Bob")).await;
    let (mut hers, mut his) = (Way::default(), Way::default());
    // Side by side, so that neither is too far from the other for their trade.
    for x in [60.0, 62.5] {
        walk_to(&mut ada, &mut hers, (x, 31.5)).await;
        walk_to(&mut bob, &mut his, (x, 32.5)).await;
    }
    let mut why = Vec::new();
    for (game, way) in [(&mut ada, &mut hers), (&mut bob, &mut his)] {
        why.push(push_until_told(game, way).await);
        assert!(x_m(game) <= 63.7 && way.crossed.is_empty(), "a wall: {way:?}");
    }
    assert!(why.iter().any(|why| why.contains("full")), "{why:?}");
    ada.act("EndTrade", &json!({})).await.expect("known");
    see(&mut ada, "no trade", |game| trading(game).is_none().then_some(())).await;
    // Whoever has the seat goes now; the other one's border stays shut.
    let first = if why[0].contains("full") { (&mut bob, &mut his) } else { (&mut ada, &mut hers) };
    walk_to(first.0, first.1, (70.0, 31.5)).await;
    assert_eq!(first.1.crossed, [BEYOND]);
}
