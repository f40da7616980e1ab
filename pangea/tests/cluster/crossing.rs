//! Walking over the borders of a grid: another server has the character, and its player notices nothing (M2, M7,
//! K12, F.1-F.10).

use pangea_client::{EnterOptions, Event, Game};

use crate::support::{Cluster, event};

/// Four areas of 64 m around a corner at (64, 64), on a plain.
pub const FOUR: &str = "kind = \"grid\"\nrules = [\"pve\"]\nlayers = 1\nview_m = 16\ncapacity = 8\n\
    [grid]\ncell_m = 32\narea_cells = 2\nspawn = { x = 40.0, y = 40.0 }\n\
    bounds = { x0 = 0, y0 = 0, x1 = 4, y1 = 4 }\n";
pub const PLAIN: &str = "spawner.templates.area.environment.TRIAL_PLAIN=1";

/// What a walker met on his way.
#[derive(Debug, Default)]
pub struct Way {
    pub crossed: Vec<String>,
    pub shut: Vec<String>,
    pub lost: u32,
    /// Positions that were seen, each with the input that it answers.
    pub steps: u32,
}

/// Walks straight to a place (metres), and stops there.
pub async fn walk_to(game: &mut Game, way: &mut Way, (x, y): (f64, f64)) {
    for _ in 0..4_000 {
        let Some(me) = game.me().cloned() else {
            event(game, "the first view", |_, game| game.me().map(|_| ())).await;
            continue;
        };
        let (dx, dy) = (x - f64::from(me.x_cm) / 100.0, y - f64::from(me.y_cm) / 100.0);
        let length = dx.hypot(dy);
        if length < 0.3 {
            return;
        }
        if game.is_steering() {
            let part = (length / 0.25).min(1.0) / length;
            game.move_towards((dx * part) as f32, (dy * part) as f32).await;
            way.steps += 1;
        }
        take(game, way).await;
    }
    panic!("never came to {x}, {y}: {way:?}");
}

/// What happens until the next update.
pub async fn take(game: &mut Game, way: &mut Way) {
    event(game, "an update", |event, _| {
        note(event, way);
        matches!(event, Event::Updated { .. }).then_some(())
    })
    .await;
}

fn note(event: &Event, way: &mut Way) {
    match event {
        Event::Crossed { to, .. } => way.crossed.push(to.clone()),
        Event::Lost => way.lost += 1,
        Event::Refused(refusal) => way.shut.push(refusal.to_string()),
        _ => {}
    }
}

/// From one area to the next and back through all four: nothing is lost, no connection ends, and everybody else
/// sees the same character.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_through_four_areas_is_one_walk() {
    let cluster = Cluster::with_worlds(&[("four", FOUR)], &[PLAIN]).await;
    let (client, character) = cluster.player("Ada", "four", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    let epoch = game.epoch();
    let mut way = Way::default();
    for to in [(90.0, 40.0), (90.0, 90.0), (40.0, 90.0), (40.0, 40.0)] {
        walk_to(&mut game, &mut way, to).await;
    }
    let area = |ground: &str| format!("four/{ground}/0");
    assert_eq!(way.crossed, [area("2,0..4,2"), area("2,2..4,4"), area("0,2..2,4"), area("0,0..2,2")]);
    assert_eq!(way.lost, 0);
    assert_eq!(game.epoch(), epoch + 4, "each change of owner raises the epoch by one");
    let me = game.me().unwrap().clone();
    game.leave().await;
    cluster
        .until("one owner, and then none", || async {
            cluster.serving("four/").await.iter().all(|server| server["seats"] == 0)
        })
        .await;
    let mut again = client.enter(character, EnterOptions::default()).await.unwrap();
    let found = event(&mut again, "the view", |_, game| game.me().cloned()).await;
    assert_eq!((found.x_cm, found.y_cm), (me.x_cm, me.y_cm), "where he left");
}

/// Takes what comes until this holds.
pub async fn until(game: &mut Game, way: &mut Way, what: &str, mut holds: impl FnMut(&Game, &Way) -> bool) {
    for _ in 0..4_000 {
        if holds(game, way) {
            return;
        }
        // Whoever stands is told nothing new: he asks.
        game.ping().await;
        event(game, what, |event, _| {
            note(event, way);
            (!matches!(event, Event::Ended(_))).then_some(())
        })
        .await;
    }
    panic!("never happened: {what}; {way:?}");
}

async fn enters(cluster: &Cluster, name: &str) -> Game {
    let (client, character) = cluster.player(name, "four", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    event(&mut game, "the first view", |_, game| game.me().map(|_| ())).await;
    game
}

async fn seats(cluster: &Cluster) -> u64 {
    cluster.serving("four/").await.iter().filter_map(|server| server["seats"].as_u64()).sum()
}

fn x_m(game: &Game) -> f64 {
    game.me().map_or(f64::NAN, |me| f64::from(me.x_cm) / 100.0)
}

/// Nobody is thrown to and fro on the line; and what was prepared for one who walks away is free again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_turns_back_on_the_line_stays_where_he_is() {
    let cluster = Cluster::with_worlds(&[("four", FOUR)], &[PLAIN]).await;
    let (mut game, mut way) = (enters(&cluster, "Berta").await, Way::default());
    let epoch = game.epoch();
    for to in [(64.6, 32.0), (63.2, 32.0), (64.6, 32.0), (32.0, 32.0)] {
        walk_to(&mut game, &mut way, to).await;
    }
    assert_eq!((way.crossed.len(), way.lost, game.epoch()), (0, 0, epoch), "{way:?}");
    assert_eq!(game.area(), "four/0,0..2,2/0");
    cluster.until("only his own seat is taken", || async { seats(&cluster).await == 1 }).await;
}

/// At a corner all three are prepared; he walks over the point where four areas meet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corner_of_four_areas_is_walked_over() {
    let cluster = Cluster::with_worlds(&[("four", FOUR)], &[PLAIN]).await;
    let (mut game, mut way) = (enters(&cluster, "Carla").await, Way::default());
    walk_to(&mut game, &mut way, (60.0, 60.0)).await;
    cluster.until("a seat in each of the four", || async { seats(&cluster).await == 4 }).await;
    walk_to(&mut game, &mut way, (72.0, 72.0)).await;
    assert_eq!(way.crossed, ["four/2,2..4,4/0"], "no detour: {way:?}");
    assert_eq!(way.lost, 0);
    game.leave().await;
    cluster.until("all seats are free", || async { seats(&cluster).await == 0 }).await;
}

/// A neighbour without room is a wall with a reason, and opens by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_border_that_cannot_be_had_is_shut_and_opens_by_itself() {
    let full = FOUR.replace("capacity = 8", "capacity = 1");
    let cluster = Cluster::with_worlds(&[("four", &full)], &[PLAIN]).await;
    let (mut other, mut way) = (enters(&cluster, "Dora").await, Way::default());
    walk_to(&mut other, &mut way, (96.0, 32.0)).await;
    assert_eq!(way.crossed, ["four/2,0..4,2/0"]);
    cluster.until("the first area is free", || async { seats(&cluster).await == 1 }).await;
    let (mut game, mut way) = (enters(&cluster, "Emma").await, Way::default());
    walk_to(&mut game, &mut way, (62.0, 32.0)).await;
    for _ in 0..20 {
        game.move_towards(1.0, 0.0).await;
        take(&mut game, &mut way).await;
    }
    until(&mut game, &mut way, "he is told why", |_, way| !way.shut.is_empty()).await;
    assert!(way.shut[0].contains("full"), "{way:?}");
    assert!(x_m(&game) <= 63.7 && way.crossed.is_empty(), "it is a wall");
    other.leave().await;
    walk_to(&mut game, &mut way, (70.0, 32.0)).await;
    assert_eq!(
        (way.crossed.as_slice(), way.shut.len()),
        (&["four/2,0..4,2/0".to_owned()][..], 1),
        "told once"
    );
    assert_eq!(way.lost, 0);
}

/// A client that dies at a border leaves no seat behind, neither here nor there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_dies_at_a_border_leaves_nothing_behind() {
    let hasty = format!("grace_s = 1\n{FOUR}");
    let cluster = Cluster::with_worlds(&[("four", &hasty)], &[PLAIN]).await;
    let (mut game, mut way) = (enters(&cluster, "Frida").await, Way::default());
    walk_to(&mut game, &mut way, (60.0, 60.0)).await;
    cluster.until("a seat in each of the four", || async { seats(&cluster).await == 4 }).await;
    drop(game);
    cluster.until("all seats are free", || async { seats(&cluster).await == 0 }).await;
}

/// A dozen areas of 16 m in a row, from the west to the east.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_through_a_dozen_area_servers_never_breaks() {
    const ROW: &str = "kind = \"grid\"\nlayers = 1\nview_m = 8\ncapacity = 8\ncreatures = false\n\
        [grid]\ncell_m = 16\narea_cells = 1\nspawn = { x = 4.0, y = 8.0 }\n\
        bounds = { x0 = 0, y0 = 0, x1 = 12, y1 = 1 }\n";
    let cluster = Cluster::with_worlds(&[("row", ROW)], &[PLAIN]).await;
    let (client, character) = cluster.player("Gerd", "row", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    let (epoch, mut way) = (game.epoch(), Way::default());
    walk_to(&mut game, &mut way, (188.0, 8.0)).await;
    let areas: Vec<String> = (1..12).map(|n| format!("row/{n},0..{},1/0", n + 1)).collect();
    assert_eq!((way.crossed, way.lost, way.shut), (areas, 0, vec![]));
    assert_eq!(game.epoch(), epoch + 11, "each border once");
    let pids: std::collections::HashSet<u64> =
        cluster.serving("row/").await.iter().filter_map(|server| server["pid"].as_u64()).collect();
    assert_eq!(pids.len(), 12, "as many servers");
}

/// One server is kept ready, and a stopped one is not taken for dead.
const ONE_READY: [&str; 4] =
    [PLAIN, "spawner.templates.area.pool=1", "central.silence_s=600", "spawner.health_timeout_s=600"];

/// Stops the server that is kept ready: whichever area is given to it starts slowly. Its process.
async fn slows_the_next(cluster: &Cluster) -> u32 {
    let idle = async || {
        let servers = cluster.servers().await;
        servers.iter().find(|server| server["state"] == "Ready")?["pid"].as_u64()
    };
    let pid = cluster.until_found("one is kept ready", idle).await as u32;
    crate::support::signal(pid, "STOP");
    pid
}

/// He walks against a border that is shut; why, as he is told.
async fn is_stopped(game: &mut Game, way: &mut Way) -> String {
    for _ in 0..4_000 {
        if let Some(why) = way.shut.first() {
            return why.clone();
        }
        game.move_towards(1.0, 0.0).await;
        take(game, way).await;
    }
    panic!("never told why: {way:?}");
}

/// A neighbour that is being started is a wall with a reason until it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_border_is_shut_while_the_neighbour_starts() {
    let cluster = Cluster::with_worlds(&[("four", FOUR)], &ONE_READY).await;
    let (mut game, mut way) = (enters(&cluster, "Hugo").await, Way::default());
    let neighbour = slows_the_next(&cluster).await;
    walk_to(&mut game, &mut way, (62.0, 32.0)).await;
    let why = is_stopped(&mut game, &mut way).await;
    assert!(why.starts_with("border_shut") && why.contains("made ready"), "{why}");
    assert!(x_m(&game) <= 63.7 && way.crossed.is_empty(), "it is a wall");
    crate::support::signal(neighbour, "CONT");
    walk_to(&mut game, &mut way, (70.0, 32.0)).await;
    assert_eq!((way.crossed.len(), way.lost), (1, 0), "{way:?}");
}

/// One that has died, and whose next life is slow to come, is one too; and the border opens when it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_border_is_shut_while_the_neighbour_is_dead() {
    let cluster = Cluster::with_worlds(&[("four", FOUR)], &ONE_READY).await;
    let (mut game, mut way) = (enters(&cluster, "Ida").await, Way::default());
    walk_to(&mut game, &mut way, (62.0, 32.0)).await;
    let ready = async || cluster.serving("four/2,0..4,2").await.iter().any(|server| server["seats"] == 1);
    cluster.until("the neighbour expects her", ready).await;
    let next = slows_the_next(&cluster).await;
    let dead = cluster.serving("four/2,0..4,2").await[0]["pid"].clone();
    crate::support::signal(dead.as_u64().unwrap() as u32, "KILL");
    let is_seen = async || cluster.serving("four/2,0..4,2").await.iter().all(|server| server["pid"] != dead);
    cluster.until("it is seen to be dead", is_seen).await;
    let why = is_stopped(&mut game, &mut way).await;
    assert!(why.starts_with("border_shut"), "{why}");
    assert!(x_m(&game) <= 63.7 && way.crossed.is_empty(), "it is a wall");
    crate::support::signal(next, "CONT");
    walk_to(&mut game, &mut way, (70.0, 32.0)).await;
    assert_eq!((way.crossed.len(), way.lost), (1, 0), "{way:?}");
}
