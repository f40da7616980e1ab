//! What players changed is there tomorrow (B.11): after a kill, from an earlier checkpoint when the newest is
//! damaged, and after the disk was full.

use std::path::PathBuf;

use pangea_client::{EnterOptions, Event, Game};
use pangea_world::frames::{CHUNK_TILES, tile};
use pangea_world::id::CharacterId;
use serde_json::json;

use crate::storage::{fill, needs};
use crate::support::{Cluster, event, signal};

const SIDE: i32 = CHUNK_TILES as i32;

/// The woods without creatures.
pub const WOODS: &str = "kind = \"grid\"\nseed = 7\nrules = [\"pve\"]\ncapacity = 10\nlayers = 1\ncreatures = false\n\
    [grid]\ncell_m = 64\narea_cells = 8\nspawn = { x = 256.0, y = 256.0 }\n";

pub type Tile = (i32, i32);

async fn chunk(game: &mut Game, (cx, cy): Tile) -> Vec<u8> {
    game.ask_tiles(cx, cy).await;
    event(game, "the tiles of a chunk", |event, _| match event {
        Event::Tiles { cx: x, cy: y, tiles } if (*x, *y) == (cx, cy) => Some(tiles.clone()),
        _ => None,
    })
    .await
}

pub async fn kind_of(game: &mut Game, (x, y): Tile) -> u8 {
    let tiles = chunk(game, (x.div_euclid(SIDE), y.div_euclid(SIDE))).await;
    tiles[(y.rem_euclid(SIDE) * SIDE + x.rem_euclid(SIDE)) as usize]
}

/// Walks for one tick; an area in which nothing happens says nothing.
async fn walk(game: &mut Game, dx: f64, dy: f64) {
    game.move_towards(dx as f32, dy as f32).await;
    event(game, "an update", |event, _| matches!(event, Event::Updated { .. }).then_some(())).await;
}

/// Fells the nearest tree or breaks the nearest rock, and says which, and the tick after which it was so.
pub async fn fell(game: &mut Game) -> (Tile, u32) {
    event(game, "the first view", |_, game| game.me().map(|_| ())).await;
    let at =
        |game: &Game| game.me().map(|me| (f64::from(me.x_cm) / 100.0, f64::from(me.y_cm) / 100.0)).unwrap();
    let middle = |(x, y): Tile| (f64::from(x) + 0.5, f64::from(y) + 0.5);
    let begin = at(game);
    let (cx, cy) = ((begin.0 as i32).div_euclid(SIDE), (begin.1 as i32).div_euclid(SIDE));
    let mut trees: Vec<Tile> = Vec::new();
    for (cx, cy) in (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (cx + dx, cy + dy))) {
        let tiles = chunk(game, (cx, cy)).await;
        let here = |(n, kind): (i32, &u8)| {
            matches!(*kind, tile::TREE | tile::ROCK).then(|| (cx * SIDE + n % SIDE, cy * SIDE + n / SIDE))
        };
        trees.extend((0..).zip(&tiles).filter_map(here));
    }
    for n in 1..2_000 {
        let me = at(game);
        let away = |tree: Tile| (middle(tree).0 - me.0).hypot(middle(tree).1 - me.1);
        let tree = *trees.iter().min_by(|a, b| away(**a).total_cmp(&away(**b))).expect("there are trees");
        if away(tree) > 1.5 {
            let to = middle(tree);
            walk(game, (to.0 - me.0) / away(tree), (to.1 - me.1) / away(tree)).await;
            continue;
        }
        if n % 5 == 0 {
            game.act("Gather", &json!({ "x": tree.0, "y": tree.1 })).await.expect("an input of the game");
            if !matches!(kind_of(game, tree).await, tile::TREE | tile::ROCK) {
                walk(game, 0.0, 0.0).await;
                return (tree, game.view().tick);
            }
        }
        walk(game, 0.0, 0.0).await;
    }
    panic!("no tree was felled");
}

/// The checkpoints of the only area, oldest first, with their ticks.
fn checkpoints(cluster: &Cluster) -> Vec<(PathBuf, u64)> {
    let areas = std::fs::read_dir(cluster.data().join("checkpoints")).into_iter().flatten().flatten();
    let files = areas.flat_map(|area| std::fs::read_dir(area.path()).into_iter().flatten().flatten());
    let tick = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        Some((path, u64::from_str_radix(name.split_once('-')?.1, 16).ok()?))
    };
    let mut all: Vec<_> = files.filter_map(|file| tick(file.path())).collect();
    all.sort();
    all
}

/// Waits until a checkpoint was made after this tick.
pub async fn saved_after(cluster: &Cluster, tick: u32) {
    let newer = || async { checkpoints(cluster).iter().any(|(_, saved)| *saved > u64::from(tick)) };
    cluster.until("a checkpoint is written", newer).await;
}

async fn enter(cluster: &Cluster, name: &str) -> (Game, CharacterId) {
    let (client, character) = cluster.player(name, "woods", None).await;
    (client.enter(character, EnterOptions::default()).await.unwrap(), character)
}

pub async fn kill(cluster: &Cluster, game: &mut Game) {
    let server = cluster.serving("woods/").await[0].clone();
    signal(server["pid"].as_u64().unwrap() as u32, "KILL");
    event(game, "back", |event, _| matches!(event, Event::Back { .. }).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_felled_tree_is_felled_after_a_kill_and_from_an_earlier_checkpoint() {
    let mut cluster = Cluster::with_worlds(&[("woods", WOODS)], &[]).await;
    let (mut game, character) = enter(&cluster, "Olga").await;
    let (tree, tick) = fell(&mut game).await;
    saved_after(&cluster, tick).await;
    kill(&cluster, &mut game).await;
    assert!(!matches!(kind_of(&mut game, tree).await, tile::TREE | tile::ROCK), "it stands again");
    game.leave().await;
    assert!(cluster.stop().success());
    let kept = checkpoints(&cluster);
    assert!((2..=3).contains(&kept.len()), "the newest, and those before it: {kept:?}");
    let newest = &kept.last().unwrap().0;
    let bytes = std::fs::read(newest).unwrap();
    std::fs::write(newest, &bytes[..bytes.len() / 2]).unwrap();
    cluster.run().await;
    let client = cluster.client();
    client.login("Olga", "correct horse battery").await.unwrap();
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    assert!(!matches!(kind_of(&mut game, tree).await, tile::TREE | tile::ROCK), "it stands again");
    let log = cluster.log();
    for said in ["a checkpoint is refused", "it is cut short", "an earlier checkpoint is used instead"] {
        assert!(log.contains(said), "«{said}» is not said:\n{log}");
    }
    game.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_that_found_no_room_is_made_when_there_is_some() {
    needs("unshare", "--version");
    let mut cluster = Cluster::prepare(&[("woods", WOODS)], &[]);
    cluster.own_disk("checkpoints", 1);
    cluster.run().await;
    let (mut game, _) = enter(&cluster, "Piet").await;
    walk(&mut game, 0.0, 0.0).await;
    let ballast = cluster.data().join("checkpoints/ballast");
    fill(&ballast, 0);
    let (tree, tick) = fell(&mut game).await;
    let log = cluster.folder.path().join("up.log");
    let said =
        || async { std::fs::read_to_string(&log).is_ok_and(|log| log.contains("could not be written")) };
    cluster.until("it is said that there is no room", said).await;
    let refusals = || async { cluster.serving("woods/").await[0]["refusals"]["storage_busy"].as_u64() };
    cluster.until("operators see the refused checkpoint", || async { refusals().await >= Some(1) }).await;
    walk(&mut game, 0.0, 0.0).await;
    assert!(checkpoints(&cluster).iter().all(|(_, saved)| *saved <= u64::from(tick)));
    std::fs::remove_file(&ballast).unwrap();
    saved_after(&cluster, tick).await;
    kill(&cluster, &mut game).await;
    assert!(!matches!(kind_of(&mut game, tree).await, tile::TREE | tile::ROCK), "it stands again");
    game.leave().await;
}
