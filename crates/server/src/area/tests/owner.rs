//! Owners: handoffs, leases, saved states, a central that forgets.

use pangea_world::messages::{AreaMoved, Freeze, Where};

use super::*;
use crate::checkpoint::Checkpoint;

#[tokio::test]
async fn a_portal_and_the_handoff_from_its_source() {
    let mut scene = Scene::ready().await;
    let mut player = scene.enter(1, 21.5, 20.0).await;
    for seq in 1..=4 {
        player.say(&ClientMessage::walk(seq, 1.0, 0.0)).await;
    }
    let wish = scene.hear(|body| if let Body::GoOn(wish) = body { Some(wish) } else { None }).await;
    assert_eq!(
        (wish.map.as_str(), wish.at, wish.x, wish.y, wish.unasked, wish.epoch),
        ("wood", true, 5.0, 6.0, true, 4)
    );
    let reply = GoOnReply { request: wish.request, character: vec![1; 16], ..GoOnReply::default() };
    scene.say(Body::GoOnReply(GoOnReply { state: "spawning".into(), ..reply.clone() })).await;
    player.find(|message| matches!(message, ServerMessage::Progress { .. }).then_some(())).await;
    scene
        .say(Body::GoOnReply(GoOnReply {
            state: "ready".into(),
            url: "ws://b".into(),
            ticket: "t".into(),
            ..reply
        }))
        .await;
    let follow =
        player.find(|message| matches!(message, ServerMessage::Follow { .. }).then_some(message)).await;
    assert_eq!(
        follow,
        ServerMessage::Follow { url: "ws://b".into(), ticket: "t".into(), plain: false, prompt: false }
    );
    // Sealed under a lower epoch: nothing. Sealed under its own: frozen, and committed.
    let seal = |epoch| Body::Seal(Seal { character: vec![1; 16], transfer: vec![9; 16], epoch });
    scene.say(seal(3)).await;
    scene.say(seal(4)).await;
    let commit = scene.hear(|body| if let Body::Commit(commit) = body { Some(commit) } else { None }).await;
    assert_eq!((commit.epoch, commit.transfer), (4, vec![9; 16]));
    player.say(&ClientMessage::walk(9, 1.0, 0.0)).await;
    player.say(&ClientMessage::Ping { nonce: 1 }).await;
    let mut acked = 0;
    player
        .find(|message| match message {
            ServerMessage::Update(update) => {
                acked = update.acked;
                None
            }
            ServerMessage::Pong { .. } => Some(()),
            _ => None,
        })
        .await;
    assert!(acked <= 4, "a frozen character does not move");
    let at = |epoch| CharacterAt { character: vec![1; 16], transfer: vec![9; 16], epoch };
    scene.say(Body::Aborted(at(5))).await;
    let steer =
        player.find(|message| matches!(message, ServerMessage::Steer { .. }).then_some(message)).await;
    let is_steer = matches!(steer, ServerMessage::Steer { epoch: 5, acked: Some(taken) } if taken <= 4);
    assert!(is_steer, "what was not taken is given again: {steer:?}");
    scene.say(seal(5)).await;
    let epoch =
        scene.hear(|body| if let Body::Commit(commit) = body { Some(commit.epoch) } else { None }).await;
    assert_eq!(epoch, 5);
    scene.say(Body::Aborted(at(5))).await;
    scene.say(Body::Committed(at(6))).await;
    player.find(|message| (message == ServerMessage::Switch { epoch: 6 }).then_some(())).await;
    assert_eq!(player.closed().await, 4001);
    let (_, said) = scene.end().await;
    assert!(!said.iter().any(|body| matches!(body, Body::Left(_))), "one that went over does not leave");
}

/// The answer went with a central that was killed. The one after it has the character here, under the next epoch, and
/// lets its player in: it is steered again; what the old handoff is answered then says nothing new.
#[tokio::test]
async fn a_handoff_whose_answer_is_lost_ends_when_its_character_comes_in_anew() {
    let mut scene = Scene::ready().await;
    let _before = scene.enter(1, 21.5, 30.0).await;
    let seal = |epoch| Body::Seal(Seal { character: vec![1; 16], transfer: vec![9; 16], epoch });
    scene.say(seal(4)).await;
    scene.hear(|body| matches!(body, Body::Commit(_)).then_some(())).await;
    assert_eq!(scene.admit(at(1, 21.5, 30.0), 2, 5, true).await, None);
    let anew = Claims { jti: EnterId([2; 16]), epoch: 5, ..claims(1, clock::unix_s()) };
    let mut player = Player::connect(scene.port, &ticket_of(anew)).await;
    assert!(player.welcome.as_ref().expect("welcome").steering);
    scene.say(Body::Aborted(CharacterAt { character: vec![1; 16], transfer: vec![9; 16], epoch: 5 })).await;
    player.say(&ClientMessage::walk(1, 1.0, 0.0)).await;
    player
        .find(|message| matches!(message, ServerMessage::Update(update) if update.acked == 1).then_some(()))
        .await;
    let kick = Kick { character: vec![1; 16], epoch: 5, code: "session_ended".into(), ..Kick::default() };
    scene.say(Body::Kick(kick)).await;
    assert_eq!(scene.hear_left().await.1, 5, "and it leaves when it is asked to");
}

/// Somebody else's handoff is with central, so the area cannot stand still yet: who walks walks on. What might ask for
/// more waits, and all that comes after it; the client gives it again, here if the area stays, or there.
#[tokio::test]
async fn who_walks_walks_on_until_the_area_stands_still() {
    let mut scene = Scene::ready().await;
    let mut player = scene.enter(1, 10.0, 10.0).await;
    let _goes = scene.enter(2, 12.0, 10.0).await;
    scene.say(Body::Seal(Seal { character: vec![2; 16], transfer: vec![9; 16], epoch: 4 })).await;
    scene.hear(|body| matches!(body, Body::Commit(_)).then_some(())).await;
    let freeze =
        |transfer: u8| Body::Freeze(Freeze { transfer: vec![transfer; 16], goes: vec![vec![1; 16]] });
    let other = |seq| ClientMessage::Input { seq, kind: 9, payload: bytes::Bytes::new() };
    for (transfer, first) in [(5, 1), (6, 4)] {
        scene.say(freeze(transfer)).await;
        scene.say(Body::Where(Where {})).await;
        scene.hear(|body| matches!(body, Body::Standing(_)).then_some(())).await;
        player.say(&ClientMessage::walk(first, 1.0, 0.0)).await;
        while player.update().await.acked < first {}
        player.say(&other(first + 1)).await;
        player.say(&ClientMessage::walk(first + 2, 1.0, 0.0)).await;
        player.say(&ClientMessage::Ping { nonce: transfer.into() }).await;
        player
            .find(|message| (message == ServerMessage::Pong { nonce: transfer.into() }).then_some(()))
            .await;
        if transfer == 5 {
            scene.say(Body::AreaMoved(AreaMoved { transfer: vec![5; 16], done: false })).await;
            let steer = ServerMessage::Steer { epoch: 4, acked: Some(first) };
            player.find(|message| (message == steer).then_some(())).await;
            player.say(&ClientMessage::walk(2, 1.0, 0.0)).await;
            player.say(&ClientMessage::walk(3, 1.0, 0.0)).await;
            while player.update().await.acked < 3 {}
        }
    }
    scene.say(Body::Aborted(CharacterAt { character: vec![2; 16], transfer: vec![9; 16], epoch: 5 })).await;
    let moved = scene.hear(|body| if let Body::MoveArea(told) = body { Some(told) } else { None }).await;
    let stands =
        moved.characters.iter().find(|mover| mover.character == [1; 16]).and_then(|mover| mover.stands);
    assert_eq!(
        stands.map(|stands| (stands.acked, stands.x)),
        Some((4, 11.0)),
        "four steps, and nothing else"
    );
}

#[tokio::test]
async fn the_handoffs_target_shows_first_and_steers_when_granted() {
    let mut scene = Scene::ready().await;
    assert_eq!(scene.admit(at(1, 30.0, 30.0), 1, 4, false).await, None);
    let mut player = Player::connect(scene.port, &ticket(1)).await;
    let me = player.me();
    assert!(!player.welcome.as_ref().expect("welcome").steering);
    scene.hear(|body| matches!(body, Body::Arrived(_)).then_some(())).await;
    let update = player.update().await;
    assert!(update.whole && update.entered.is_empty(), "it is not there yet");
    player.say(&ClientMessage::walk(1, 1.0, 0.0)).await;
    player.say(&ClientMessage::Ping { nonce: 7 }).await;
    player.find(|message| (message == ServerMessage::Pong { nonce: 7 }).then_some(())).await;
    let at_epoch = |epoch| CharacterAt { character: vec![1; 16], transfer: vec![1; 16], epoch };
    let grant = |epoch| {
        let (character, transfer) = (vec![1; 16], vec![1; 16]);
        Body::Grant(Grant { character, transfer, epoch, record: Vec::new(), crossing: None, again: false })
    };
    scene.say(grant(3)).await;
    scene.say(grant(4)).await;
    player.find(|message| (message == ServerMessage::Steer { epoch: 4, acked: None }).then_some(())).await;
    let update = player.update().await;
    assert_eq!(update.entered.first().map(|entered| (entered.id, entered.x)), Some((me, 3_000)));
    // Called off: one that only sees is closed; one that is granted is not.
    assert_eq!(scene.admit(at(2, 30.0, 30.0), 2, 4, false).await, None);
    let mut other = Player::connect(scene.port, &ticket(2)).await;
    scene.say(Body::Withdraw(CharacterAt { character: vec![2; 16], transfer: vec![2; 16], epoch: 4 })).await;
    assert_eq!(other.refused().await, Code::EnterExpired);
    assert_eq!(other.closed().await, 4000);
    scene.say(Body::Withdraw(at_epoch(4))).await;
    scene.say(Body::Stale(at_epoch(3))).await;
    scene.say(Body::Kick(Kick { character: vec![1; 16], epoch: 3, ..Kick::default() })).await;
    player.say(&ClientMessage::Ping { nonce: 1 }).await;
    player.find(|message| (message == ServerMessage::Pong { nonce: 1 }).then_some(())).await;
    let kick =
        Kick { character: vec![1; 16], epoch: 4, code: "session_ended".into(), text: "logged out".into() };
    scene.say(Body::Kick(kick)).await;
    assert_eq!(player.refused().await, Code::SessionEnded);
    assert_eq!(player.closed().await, 4006);
    assert_eq!(scene.hear_left().await, (1, 4, 30.0, 30.0));
}

#[tokio::test]
async fn without_its_lease_the_area_neither_moves_nor_shows_anything() {
    let mut scene = Scene::idle().await;
    scene.say_event(Event::Up { resumed: false }).await;
    scene.say(Body::Granted(Granted { lease_ms: 0, ..granted(ISLES, Vec::new()) })).await;
    scene.hear(|body| matches!(body, Body::AreaReady(_)).then_some(())).await;
    assert_eq!(scene.admit(at(1, 10.0, 10.0), 1, 4, true).await, None);
    let mut player = Player::connect(scene.port, &ticket(1)).await;
    player.say(&ClientMessage::walk(1, 1.0, 0.0)).await;
    let beat = scene.hear(|body| if let Body::Heartbeat(beat) = body { Some(beat) } else { None }).await;
    scene.say(Body::Lease(Lease { sent_ms: beat.sent_ms, lease_ms: 60_000 })).await;
    let update = player.update().await;
    let first = (update.acked, update.entered[0].x);
    assert_eq!(first, (1, 1_025), "no update before it; the input of that time waited, and is applied once");
}

#[tokio::test]
async fn a_saved_state_goes_on_and_a_damaged_one_is_refused() {
    let save = {
        let mut sim = pangea_engine::Sim::of_world(&flat(), ISLES);
        sim.terrain().set_tile(30, 30, tile::TREE);
        sim.save().bytes
    };
    let state = Checkpoint { area: AreaId([3; 16]), epoch: 1, tick: 1_000_000, save }.write();
    let mut scene = Scene::with(ISLES, state.clone()).await;
    let player = scene.enter(1, 10.0, 10.0).await;
    assert!(player.welcome.as_ref().expect("welcome").tick > 1_000_000);
    let (_, said) = scene.end().await;
    let saved = said
        .iter()
        .find_map(|body| if let Body::SaveArea(save) = body { Some(save.state.clone()) } else { None });
    let last = Checkpoint::read(&saved.expect("saved")).expect("sound");
    assert!(last.tick > 1_000_000 && last.area == AreaId([3; 16]) && last.epoch == 2);
    let mut sim = pangea_engine::Sim::of_world(&flat(), ISLES);
    assert_eq!(sim.restore(&last.save), Ok(0));
    assert_eq!(sim.terrain().tile(30, 30), tile::TREE);
    let mut damaged = state;
    damaged[7] ^= 1;
    let mut scene = Scene::with(ISLES, damaged).await;
    let player = scene.enter(1, 10.0, 10.0).await;
    assert!(player.welcome.expect("welcome").tick < 1_000_000);
}

#[tokio::test]
async fn an_empty_area_stops_by_itself_unless_it_is_always_on() {
    let world = ISLES.replace("idle_stop_s = 0", "idle_stop_s = 1");
    let scene = Scene::with(&world, Vec::new()).await;
    let mut scene = Scene { stop: None, ..scene };
    let stopped =
        scene.hear(|body| if let Body::Stopped(stopped) = body { Some(stopped) } else { None }).await;
    assert_eq!((stopped.why.as_str(), stopped.epoch), ("idle", 2));
}

#[tokio::test]
async fn a_central_that_forgot_us_is_told_who_is_here() {
    let mut scene = Scene::ready().await;
    let _player = scene.enter(1, 10.0, 10.0).await;
    scene.say_event(Event::Down).await;
    scene.say_event(Event::Up { resumed: true }).await;
    scene.say_event(Event::Up { resumed: false }).await;
    let register = scene.hear(|body| if let Body::Register(r) = body { Some(r) } else { None }).await;
    assert_eq!((register.incarnation, register.epoch, register.ready), (3, 2, true));
    let here: Vec<_> = register.characters.iter().map(|c| (c.character[0], c.epoch, c.connected)).collect();
    assert_eq!(here, [(1, 4, true)]);
    // Another owner has it now: everybody is told, nothing is saved.
    let refused = pangea_world::messages::RefusalMessage { code: "stale_epoch".into(), text: "late".into() };
    scene.say(Body::Refused(refused)).await;
    let scene = Scene { stop: None, ..scene };
    let (end, said) = scene.end().await;
    assert!(matches!(end, End::Refused(refusal) if refusal.code == Code::StaleEpoch));
    assert!(!said.iter().any(|body| matches!(body, Body::Left(_) | Body::SaveArea(_) | Body::Stopped(_))));
}

/// Saved while it runs, once until central has answered; what did not change is not saved again.
#[tokio::test]
async fn what_changed_is_saved_until_central_has_it() {
    let mut scene = Scene::idle_as(trodden(), None, Limits::default()).await.granted(ISLES, Vec::new()).await;
    let _player = scene.enter(1, 10.0, 10.0).await;
    let save = |body| if let Body::SaveArea(save) = body { Some(save) } else { None };
    let first = scene.hear(save).await;
    let read = Checkpoint::read(&first.state).expect("sound");
    assert!(!first.last && read.epoch == first.epoch);
    let refused = pangea_world::messages::RefusalMessage { code: "storage_busy".into(), text: "full".into() };
    scene.say(Body::AreaSaved(AreaSaved { tick: read.tick, refused: Some(refused) })).await;
    let second = Checkpoint::read(&scene.hear(save).await.state).expect("sound");
    assert!(second.tick > read.tick && second.save == read.save, "play goes on, and it is tried again");
    scene.say(Body::AreaSaved(AreaSaved { tick: second.tick, refused: None })).await;
    let (_, said) = scene.end().await;
    let saves: Vec<_> = said.into_iter().filter_map(save).collect();
    assert!(matches!(&saves[..], [last] if last.last), "nothing changed since");
}

/// Whoever comes treads down the tile at (1, 1).
fn trodden() -> Game {
    fn build(area: &mut pangea_engine::Builder, _: &pangea_engine::Setup<'_>) {
        area.walking();
        area.on_enter(|ecs, _, _| {
            ecs.resource_mut::<pangea_engine::Terrain>().set_tile(1, 1, tile::SAND);
        });
    }
    Game { build, ..flat() }
}

/// Who is another's by now is dropped, told why, and counted.
#[tokio::test]
async fn who_is_anothers_is_dropped_and_counted() {
    let mut scene = Scene::ready().await;
    let mut player = scene.enter(1, 10.0, 10.0).await;
    scene.say(Body::Seal(Seal { character: vec![1; 16], transfer: vec![9; 16], epoch: 4 })).await;
    scene.hear(|body| matches!(body, Body::Commit(_)).then_some(())).await;
    scene.say(Body::Stale(CharacterAt { character: vec![1; 16], transfer: vec![9; 16], epoch: 4 })).await;
    assert_eq!(player.refused().await, Code::StaleEpoch);
    assert_eq!(player.closed().await, 4003);
    assert_eq!(scene.refusals().await, serde_json::json!({ "stale_epoch": 1 }));
}
