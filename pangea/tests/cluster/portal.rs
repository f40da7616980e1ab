//! Portals between maps and going on from a lobby: make before break (K8, K9, K12, K16, G1-G3, M2).

use pangea_client::{EnterOptions, Event, Game};

use crate::crossing::{PLAIN, Way, until};
use crate::support::{Cluster, event};

/// Walks until this is found.
pub async fn walk_until<T>(
    game: &mut Game,
    what: &str,
    (dx, dy): (f32, f32),
    mut pick: impl FnMut(&Event, &Game) -> Option<T>,
) -> T {
    for _ in 0..1_200 {
        game.move_towards(dx, dy).await;
        let found = event(game, what, |event, game| match pick(event, game) {
            Some(found) => Some(Some(found)),
            None => matches!(event, Event::Updated { .. }).then_some(None),
        })
        .await;
        if let Some(found) = found {
            return found;
        }
    }
    panic!("walked a minute without: {what}");
}

/// Through the portal from the harbour to the forest: another server has the character, the connection was
/// never lost, and nobody saw it twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portal_leads_to_the_other_map_without_a_break() {
    let cluster = Cluster::start(&[]).await;
    let (client, character) = cluster.player("Dora", "isles", Some("sailors")).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    assert_eq!(game.area(), "isles/harbour/0");
    let epoch = game.epoch();
    let mut lost = 0;
    let area = walk_to_portal(&mut game, &mut lost).await;
    assert_eq!((area.as_str(), lost), ("isles/forest/0", 0));
    assert!(game.epoch() > epoch, "a change of owner raises the epoch");
    event(&mut game, "the view there", |_, game| game.me().map(|_| ())).await;
    let me = game.me().unwrap();
    assert!((me.x_cm - 2_000).abs() < 300 && (me.y_cm - 9_600).abs() < 300, "{me:?}");
    cluster
        .until("one seat in all", || async {
            cluster
                .serving("isles/")
                .await
                .iter()
                .map(|server| server["seats"].as_u64().unwrap())
                .sum::<u64>()
                == 1
        })
        .await;
}

/// The harbour's spawn stands west of the portal at (108..112, 60..68); trees may stand between.
async fn walk_to_portal(game: &mut Game, lost: &mut u32) -> String {
    event(game, "the first view", |_, game| game.me().map(|_| ())).await;
    let mut nudge = 0.0;
    loop {
        let me = game.me().unwrap().clone();
        let (dx, dy) = (11_000.0 - me.x_cm as f32, 6_400.0 + nudge - me.y_cm as f32);
        let length = dx.hypot(dy).max(1.0);
        let mut steps = 0;
        let moved = walk_until(game, "a portal", (dx / length, dy / length), |event, game| {
            if matches!(event, Event::Lost) {
                *lost += 1;
            }
            if let Event::Moved { area } = event {
                return Some(Some(area.clone()));
            }
            steps += 1;
            (steps > 40 && game.me().is_some()).then_some(None)
        })
        .await;
        if let Some(area) = moved {
            return area;
        }
        let now = game.me().unwrap();
        let stuck = (now.x_cm - me.x_cm).abs() + (now.y_cm - me.y_cm).abs() < 50;
        nudge = if stuck { if nudge <= 0.0 { 700.0 - nudge } else { -nudge } } else { 0.0 };
    }
}

/// G1-G3: in a lobby a player asks to go on; central's prepared answer comes back through his area server,
/// and he is asked before he follows. The lobby is not his location (G4).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_on_from_a_lobby() {
    let cluster = Cluster::start(&[]).await;
    let (client, character) = cluster.player("Emil", "isles", Some("sailors")).await;
    let quay = EnterOptions { map: Some("quay".to_owned()), ..EnterOptions::default() };
    let mut game = client.enter(character, quay).await.unwrap();
    assert_eq!(game.area(), "isles/quay/0");
    game.follows = false;
    game.go_on(None, None, None).await;
    event(&mut game, "an offer", |event, _| matches!(event, Event::Offered).then_some(())).await;
    game.follow();
    let area = event(&mut game, "the move", |event, _| match event {
        Event::Moved { area } => Some(area.clone()),
        Event::Lost => panic!("the connection was lost"),
        _ => None,
    })
    .await;
    assert_eq!(area, "isles/harbour/0");
    game.go_on(None, Some("nowhere"), None).await;
    let refusal = event(&mut game, "a refusal", |event, _| match event {
        Event::Refused(refusal) => Some(refusal.clone()),
        _ => None,
    })
    .await;
    assert_eq!(refusal.code.as_str(), "unknown_map");
}

/// A map, whose portal leads to a grid; the grid's leads to another place of it, and from there back to the map.
const YARD: &str = "kind = \"maps\"\nlayers = 1\n\
    [maps]\nspawn = { map = \"yard\", x = 16.0, y = 17.0 }\n\
    [[map]]\nid = \"yard\"\nwidth_m = 64\nheight_m = 64\n\
    [[map.portal]]\nx = 20\ny = 12\nwidth_m = 2\nheight_m = 10\nworld = \"moor\"\nto_x = 100.0\nto_y = 100.0\n";
const MOOR: &str = "kind = \"grid\"\nlayers = 1\n\
    [grid]\ncell_m = 64\narea_cells = 4\nspawn = { x = 30.0, y = 30.0 }\n\
    [[grid.portal]]\nx = 104\ny = 95\nwidth_m = 2\nheight_m = 10\nto_x = 200.0\nto_y = 200.0\n\
    [[grid.portal]]\nx = 204\ny = 195\nwidth_m = 2\nheight_m = 10\nworld = \"yard\"\nto = \"yard\"\nto_x = 40.0\nto_y = 40.0\n";

/// Portals lead to other worlds, from maps and from grids; nobody is asked. Within an area they lead to another place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portal_leads_to_another_world_and_back() {
    let cluster = Cluster::with_worlds(&[("yard", YARD), ("moor", MOOR)], &[PLAIN]).await;
    let (client, character) = cluster.player("Fritz", "yard", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    game.follows = false;
    let stands = |game: &Game, x: f64, y: f64| {
        game.me().is_some_and(|me| {
            let (dx, dy) = (f64::from(me.x_cm) / 100.0 - x, f64::from(me.y_cm) / 100.0 - y);
            dx.hypot(dy) < 4.0
        })
    };
    for (area, (x, y)) in [
        ("moor/0,0..4,4/0", (100.0, 100.0)),
        ("moor/0,0..4,4/0", (200.0, 200.0)),
        ("yard/yard/0", (40.0, 40.0)),
    ] {
        until(&mut game, &mut Way::default(), "the view", |game, _| game.me().is_some()).await;
        walk_until(&mut game, area, (1.0, 0.0), |event, game| {
            assert!(!matches!(event, Event::Lost | Event::Offered | Event::Refused(_)), "{event:?}");
            (game.area() == area && stands(game, x, y)).then_some(())
        })
        .await;
    }
    game.leave().await;
    let gone = async || {
        let servers = cluster.servers().await;
        servers.iter().filter_map(|server| server["seats"].as_u64()).sum::<u64>() == 0
    };
    cluster.until("one seat in all, and then none", gone).await;
}

/// A portal to a world that is not there is named with its file and line, and nothing starts.
#[test]
fn a_portal_to_a_world_that_is_not_there_is_refused_at_load() {
    let cluster = Cluster::prepare(&[("yard", YARD)], &[]);
    for command in ["up", "doctor"] {
        let output = cluster.command(&[command]).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success(), "{command}: {said}");
        assert!(said.contains("yard.toml:9: a portal's end: there is no world «moor»"), "{command}: {said}");
    }
}
