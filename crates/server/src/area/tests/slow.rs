//! What does not keep up: a client that never reads, an area that has more to do than it can.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pangea_engine::prelude::*;

use super::*;

/// Much, to one.
#[derive(Replicate)]
struct Flood {
    text: String,
}

/// Tells Ada2 alone more than a socket's buffers hold.
fn flooding() -> Game {
    fn build(area: &mut Builder, _: &Setup<'_>) {
        area.walking().event::<Flood>().system(
            |mut outbox: ResMut<Outbox>, all: Query<(Entity, &Character)>| {
                for (one, _) in all.iter().filter(|(_, character)| character.name == "Ada2") {
                    (0..8).for_each(|_| outbox.send(To::Owner(one), &Flood { text: "x".repeat(60_000) }));
                }
            },
        );
    }
    Game { build, ..flat() }
}

/// It is closed and counted, and its character leaves; who plays beside it notices nothing.
#[tokio::test]
async fn a_client_that_never_reads_is_closed_and_hurts_nobody() {
    let scene = Scene::idle_as(flooding(), None, Limits::default()).await;
    let mut scene = scene.granted(ISLES, Vec::new()).await;
    let mut honest = scene.enter(1, 10.0, 10.0).await;
    assert_eq!(scene.admit(at(2, 12.0, 10.0), 2, 4, true).await, None);
    let mut deaf = Player::upgrade(scene.port).await;
    deaf.say(&ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, schema: 0, entry: ticket(2) }).await;
    let told = scene.hear(|body| match body {
        Body::Heartbeat(beat) if !beat.refusals.is_empty() => Some(beat.refusals),
        _ => None,
    });
    let told = told.await;
    assert_eq!((told.len(), told[0].code.as_str(), told[0].count), (1, "too_slow", 1));
    assert_eq!(scene.refusals().await, serde_json::json!({ "too_slow": 1 }));
    // All that was on its way can still be read; then there is nothing more.
    let end = async {
        let mut bytes = vec![0; 1 << 16];
        while deaf.stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
    };
    tokio::time::timeout(PATIENCE, end).await.expect("it is closed");
    assert_eq!(scene.hear_left().await.0, 2, "its character leaves after its grace time");
    honest.say(&ClientMessage::walk(1, 1.0, 0.0)).await;
    while honest.update().await.acked < 1 {}
    honest.say(&ClientMessage::Leave).await;
    assert_eq!(honest.closed().await, 1000);
    assert_eq!(scene.hear_left().await, (1, 4, 10.25, 10.0));
}

static BUSY: AtomicBool = AtomicBool::new(true);

/// A step takes twice its time while it is busy.
fn heavy() -> Game {
    fn build(area: &mut Builder, _: &Setup<'_>) {
        area.walking().system(|| {
            if BUSY.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
    }
    Game { build, ..flat() }
}

async fn pace(player: &mut Player, fits: impl Fn(u8) -> bool) -> u8 {
    player
        .find(|message| match message {
            ServerMessage::Pace { percent } if fits(percent) => Some(percent),
            _ => None,
        })
        .await
}

/// Its time runs slower; all are told, newcomers too, whoever runs it sees it, and nobody is closed.
#[tokio::test]
async fn an_overloaded_area_slows_down_and_closes_nobody() {
    let scene = Scene::idle_as(heavy(), None, Limits::default()).await;
    let mut scene = scene.granted(ISLES, Vec::new()).await;
    let mut first = scene.enter(1, 10.0, 10.0).await;
    let slow = pace(&mut first, |percent| percent < 60).await;
    assert!(slow >= 10, "{slow}");
    assert_eq!(scene.admit(at(2, 12.0, 10.0), 2, 4, true).await, None);
    let mut newcomer = Player::connect(scene.port, &ticket(2)).await;
    assert!(newcomer.welcome.is_some());
    let before_any_update = newcomer.find(|message| match message {
        ServerMessage::Pace { percent } => Some(Some(percent)),
        ServerMessage::Update(_) => Some(None),
        _ => None,
    });
    assert!(before_any_update.await.is_some_and(|percent| percent < 100), "a newcomer is told");
    let shown = scene.status().await["pace_percent"].as_u64().expect("a number");
    assert!((10..100).contains(&shown), "{shown}");
    let beat = |body| if let Body::Heartbeat(beat) = body { Some(beat.pace_percent) } else { None };
    while scene.hear(beat).await == 100 {}
    // Both still play.
    for player in [&mut first, &mut newcomer] {
        player.say(&ClientMessage::walk(1, 0.0, 1.0)).await;
        while player.update().await.acked < 1 {}
    }
    BUSY.store(false, Relaxed);
    assert_eq!(pace(&mut first, |percent| percent == 100).await, 100, "and comes back");
    assert_eq!(scene.refusals().await, serde_json::json!({}));
}
