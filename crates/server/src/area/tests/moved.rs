//! An area that comes from another server while it is played.

use pangea_world::messages::{AreaCopied, CopyArea, Freeze, MoveArea, Mover, Settle, TakeOver, Where};

use super::super::control::End;
use super::*;

/// A server that is made ready for the area, with the clients of these characters.
async fn waiting(characters: &[u8]) -> (Scene, Vec<Player>) {
    let mut scene = Scene::idle().await;
    scene.say_event(Event::Up { resumed: false }).await;
    scene.hear(|body| matches!(body, Body::Register(_)).then_some(())).await;
    let waits = Granted { waits: true, epoch: 3, ..granted(ISLES, Vec::new()) };
    scene.say(Body::Granted(waits)).await;
    scene.hear(|body| matches!(body, Body::AreaReady(_)).then_some(())).await;
    let mut players = Vec::new();
    for n in characters {
        assert_eq!(scene.admit(at(*n, 10.0, 10.0), *n, 5, false).await, None);
        let claims = Claims { epoch: 5, ..claims(*n, clock::unix_s()) };
        players.push(Player::connect(scene.port, &ticket_of(claims)).await);
        scene.hear(|body| matches!(body, Body::Arrived(_)).then_some(())).await;
    }
    (scene, players)
}

fn take_over(moved: MoveArea) -> Body {
    let characters = moved.characters.into_iter().map(|mover| Mover { epoch: mover.epoch + 1, ..mover });
    let (pack, keys, characters) = (moved.pack, moved.keys, characters.collect());
    Body::TakeOver(TakeOver { epoch: 3, pack, keys, characters, ..TakeOver::default() })
}

/// Who is to go along sees the area where it goes before it does. When it is there he is told what is new since then,
/// and who did not come is gone.
#[tokio::test]
async fn who_sees_where_the_area_goes_is_shown_it_ahead() {
    let mut old = Scene::ready().await;
    let mut here = old.enter(1, 10.0, 10.0).await;
    let _other = old.enter(2, 14.0, 10.0).await;
    let (mut new, mut players) = waiting(&[1, 2]).await;
    let there = players.first_mut().expect("a player");

    old.say(Body::CopyArea(CopyArea { transfer: vec![5; 16] })).await;
    let copied = old.hear(|body| if let Body::AreaCopied(copied) = body { Some(copied) } else { None }).await;
    assert_eq!((copied.transfer.as_slice(), copied.characters.len()), (&[5; 16][..], 2));
    here.say(&ClientMessage::walk(1, 1.0, 0.0)).await;
    while here.update().await.acked < 1 {}
    new.say(Body::AreaCopied(copied.clone())).await;
    new.hear(|body| if let Body::CopyShown(shown) = body { Some(shown.transfer) } else { None }).await;
    let update = there.update().await;
    let me = there.me();
    assert!(update.whole && !there.welcome.as_ref().expect("welcome").steering);
    let mut seen: Vec<i32> = update.entered.iter().map(|entered| entered.x).collect();
    seen.sort_unstable();
    assert_eq!(seen, [1_000, 1_400], "as they stood when the copy was made");

    // Somebody leaves before the area goes.
    let kick = Kick { character: vec![2; 16], epoch: 4, code: "session_ended".into(), ..Kick::default() };
    old.say(Body::Kick(kick)).await;
    assert_eq!(old.hear_left().await.0, 2);
    let goes = vec![vec![1; 16], vec![2; 16]];
    old.say(Body::Freeze(Freeze { transfer: vec![5; 16], goes })).await;
    let moved = old.hear(|body| if let Body::MoveArea(moved) = body { Some(moved) } else { None }).await;
    new.say(take_over(moved)).await;
    let steer = ServerMessage::Steer { epoch: 5, acked: Some(1) };
    there.find(|message| (message == steer).then_some(())).await;
    let update = there.update().await;
    assert!(!update.whole, "the rest was told");
    assert_eq!((update.entered.len(), update.left.len()), (0, 1), "one did not come along");
    assert_eq!(
        update.moved.iter().map(|(_, dx, _)| *dx).collect::<Vec<_>>(),
        [25],
        "{me} made a step meanwhile"
    );

    // A copy that comes too late is for nothing.
    new.say(Body::AreaCopied(AreaCopied { transfer: vec![6; 16], ..copied })).await;
    there.say(&ClientMessage::walk(2, 1.0, 0.0)).await;
    loop {
        let update = there.update().await;
        assert!(!update.whole && update.entered.is_empty(), "nothing of it is shown");
        if update.acked == 2 {
            return;
        }
    }
}

#[tokio::test]
async fn a_copy_that_cannot_be_read_costs_nothing() {
    let mut old = Scene::ready().await;
    let _here = old.enter(1, 10.0, 10.0).await;
    let (mut new, mut players) = waiting(&[1]).await;
    let there = players.first_mut().expect("a player");
    let cut = AreaCopied { transfer: vec![5; 16], pack: vec![1, 2, 3], ..AreaCopied::default() };
    new.say(Body::AreaCopied(cut)).await;
    new.hear(|body| matches!(body, Body::CopyShown(_)).then_some(())).await;
    old.say(Body::Freeze(Freeze { transfer: vec![5; 16], goes: vec![vec![1; 16]] })).await;
    let moved = old.hear(|body| if let Body::MoveArea(moved) = body { Some(moved) } else { None }).await;
    new.say(take_over(moved)).await;
    there.find(|message| (message == ServerMessage::Steer { epoch: 5, acked: Some(0) }).then_some(())).await;
    let mut entered = 0;
    while entered == 0 {
        entered += there.update().await.entered.len();
    }
    assert_eq!(entered, 1);
}

/// Somebody's handoff stays undecided: the area plays on, and central need not wait to find out.
#[tokio::test]
async fn an_area_that_cannot_stand_still_says_so() {
    let mut scene = Scene::ready().await;
    let mut player = scene.enter(1, 10.0, 10.0).await;
    let _goes = scene.enter(2, 12.0, 10.0).await;
    scene.say(Body::Seal(Seal { character: vec![2; 16], transfer: vec![9; 16], epoch: 4 })).await;
    scene.hear(|body| matches!(body, Body::Commit(_)).then_some(())).await;
    scene.say(Body::Freeze(Freeze { transfer: vec![5; 16], goes: vec![vec![1; 16]] })).await;
    let stays = scene.hear(|body| if let Body::AreaMoved(moved) = body { Some(moved) } else { None }).await;
    assert_eq!((stays.transfer.as_slice(), stays.done), (&[5; 16][..], false));
    player.say(&ClientMessage::walk(1, 1.0, 0.0)).await;
    while player.update().await.acked < 1 {}
}

/// Others are to stand still with this area: it says when it can, and plays on if it is not told to.
#[tokio::test]
async fn an_area_waits_for_those_that_are_to_stand_still_with_it() {
    let mut scene = Scene::ready().await;
    let mut player = scene.enter(1, 10.0, 10.0).await;
    let _goes = scene.enter(2, 12.0, 10.0).await;
    scene.say(Body::Seal(Seal { character: vec![2; 16], transfer: vec![9; 16], epoch: 4 })).await;
    scene.hear(|body| matches!(body, Body::Commit(_)).then_some(())).await;
    scene.say(Body::Settle(Settle { transfer: vec![5; 16] })).await;
    scene.say(Body::Where(Where {})).await;
    let first = |body| match body {
        Body::Standing(_) => Some("plays"),
        Body::Settled(_) => Some("settled"),
        Body::MoveArea(_) => Some("stands still"),
        _ => None,
    };
    assert_eq!(scene.hear(first).await, "plays", "one is on his way out");
    scene.say(Body::Aborted(CharacterAt { character: vec![2; 16], transfer: vec![9; 16], epoch: 5 })).await;
    assert_eq!(scene.hear(first).await, "settled");
    player.say(&ClientMessage::walk(1, 1.0, 0.0)).await;
    while player.update().await.acked < 1 {}
    player.say(&ClientMessage::Input { seq: 2, kind: 9, payload: bytes::Bytes::new() }).await;
    // Nobody says that it shall stand still.
    let again = ServerMessage::Steer { epoch: 4, acked: Some(1) };
    player.find(|message| (message == again).then_some(())).await;
    scene.say(Body::Settle(Settle { transfer: vec![6; 16] })).await;
    assert_eq!(scene.hear(first).await, "settled");
    scene.say(Body::Freeze(Freeze { transfer: vec![6; 16], goes: Vec::new() })).await;
    assert_eq!(scene.hear(first).await, "stands still");
}

/// Whoever was sent here while the area moved need not wait until this process has ended: he asks again at once.
#[test]
fn who_comes_to_where_the_area_was_is_sent_on() {
    let code = |end: End, entry: &Entry| end.refuses(entry).code;
    assert_eq!(code(End::Moved, &ticket(1)), Code::NotAnnounced);
    assert_eq!(code(End::Moved, &Entry::Resume([7; 16])), Code::ResumeInvalid);
    assert_eq!(code(End::Asked, &ticket(1)), Code::Stopping);
    assert_eq!(code(End::Asked, &Entry::Resume([7; 16])), Code::Stopping);
}
