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
        match event {
            Event::Crossed { to, .. } => way.crossed.push(to.clone()),
            Event::Lost => way.lost += 1,
            Event::Refused(refusal) => way.shut.push(refusal.to_string()),
            Event::Updated { .. } => return Some(()),
            _ => {}
        }
        None
    })
    .await;
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
