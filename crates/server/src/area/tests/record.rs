//! What a character is goes with it: into the area, and from there to central.

use pangea_engine::prelude::*;
use pangea_world::id::CharacterId;
use pangea_world::messages::{Commit, MAX_RECORD_BYTES};

use super::*;

/// Grows by one in each step.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Age {
    steps: u32,
    #[replicate(server)]
    fat: String,
}

fn ageing() -> Game {
    fn build(area: &mut Builder, _: &Setup<'_>) {
        area.component::<Age>().walking().system(|mut all: Query<&mut Age>| {
            all.iter_mut().for_each(|mut age| age.steps += 1);
        });
        area.on_enter(|ecs, entity, _| {
            ecs.entity_mut(entity).insert_if_new(Age::default());
        });
        // The last word: it is in the record too.
        area.on_leave(|ecs, entity, why| {
            if let Some(mut age) = ecs.get_mut::<Age>(entity).filter(|_| why == Leave::Quit) {
                age.steps += 1_000_000;
            }
        });
    }
    Game { build, ..flat() }
}

fn with_age(record: Option<&[u8]>, change: impl FnOnce(&mut Age)) -> (Age, Vec<u8>) {
    let mut sim = Sim::of_world(&ageing(), ISLES);
    let id = sim.reserve().expect("an id");
    let ada = Character { name: "Ada".into(), faction: String::new() };
    sim.spawn(id, CharacterId([1; 16]), ada, (5.0, 5.0), Enter::Spawn, record).expect("readable");
    let entity = sim.entity(id).expect("there");
    let age = sim.ecs().get_mut::<Age>(entity).expect("an age").into_inner();
    change(age);
    (age.clone(), sim.record(id).expect("a record"))
}

fn of_age(steps: u32) -> Vec<u8> {
    with_age(None, |age| age.steps = steps).1
}

fn age_of(record: &[u8]) -> u32 {
    with_age(Some(record), |_| {}).0.steps
}

async fn ageing_scene() -> Scene {
    let limits = Limits { pending_sockets: 16, ..Limits::default() };
    Scene::idle_as(ageing(), None, limits).await.granted(ISLES, Vec::new()).await
}

/// Character `n` at epoch 4.
async fn enter(scene: &mut Scene, n: u8, record: Vec<u8>) -> Player {
    assert_eq!(scene.admit_as(at(n, 10.0, 10.0), n, 4, true, record).await, None);
    let mut player = Player::connect(scene.port, &ticket(n)).await;
    player.update().await;
    player
}

async fn leave(scene: &mut Scene, n: u8) -> Vec<u8> {
    let character = vec![n; 16];
    scene.say(Body::Kick(Kick { character, epoch: 9, ..Kick::default() })).await;
    let left = scene.hear(|body| if let Body::Left(left) = body { Some(left) } else { None }).await;
    assert_eq!((left.character, left.epoch), (vec![n; 16], 4));
    left.record
}

#[tokio::test]
async fn a_record_comes_with_its_character_and_goes_with_it() {
    let mut scene = ageing_scene().await;
    let _player = enter(&mut scene, 1, of_age(5_000)).await;
    let written = scene
        .hear(|body| {
            let Body::Places(places) = body else { return None };
            places.places.into_iter().map(|place| place.record).find(|record| !record.is_empty())
        })
        .await;
    let steps = age_of(&written);
    assert!((5_001..1_000_000).contains(&steps), "while it stays: {steps}");
    let left = age_of(&leave(&mut scene, 1).await);
    assert!((1_000_000 + steps..2_000_000).contains(&left), "with what its leave did to it: {left}");
}

#[tokio::test]
async fn a_record_goes_with_the_commit_and_comes_with_the_grant() {
    let mut scene = ageing_scene().await;
    let _player = enter(&mut scene, 1, of_age(5_000)).await;
    scene.say(Body::Seal(Seal { character: vec![1; 16], transfer: vec![9; 16], epoch: 4 })).await;
    let commit = scene.hear(|body| if let Body::Commit(commit) = body { Some(commit) } else { None }).await;
    let Commit { epoch: 4, record, .. } = commit else { panic!("{commit:?}") };
    assert!(age_of(&record) > 5_000);

    assert_eq!(scene.admit(at(2, 30.0, 30.0), 2, 4, false).await, None);
    let mut player = Player::connect(scene.port, &ticket(2)).await;
    let (character, transfer) = (vec![2; 16], vec![2; 16]);
    scene
        .say(Body::Grant(Grant {
            character,
            transfer,
            epoch: 4,
            record: of_age(70_000),
            crossing: None,
            again: false,
        }))
        .await;
    player.find(|message| (message == ServerMessage::Steer { epoch: 4, acked: None }).then_some(())).await;
    assert!(age_of(&leave(&mut scene, 2).await) >= 1_070_000);
}

/// It begins anew, and central hears of it before it hears of anything that would be written over it.
#[tokio::test]
async fn a_record_that_cannot_be_read_is_told_before_another_one_is() {
    let mut scene = ageing_scene().await;
    let mut damaged = of_age(5_000);
    damaged.pop();
    let _player = enter(&mut scene, 1, damaged).await;
    let first = scene
        .hear(|body| match body {
            Body::Damaged(at) => Some(Some(at)),
            Body::Places(_) | Body::Left(_) => Some(None),
            _ => None,
        })
        .await;
    let at = first.expect("it is told first");
    assert_eq!((at.character, at.epoch), (vec![1; 16], 4));
    let steps = age_of(&leave(&mut scene, 1).await);
    assert!((1_000_000..1_005_000).contains(&steps), "as a new one: {steps}");
}

#[tokio::test]
async fn a_record_that_is_too_long_is_not_told() {
    let mut scene = ageing_scene().await;
    let long = with_age(None, |age| age.fat = "x".repeat(MAX_RECORD_BYTES)).1;
    assert!(long.len() > MAX_RECORD_BYTES);
    let _player = enter(&mut scene, 1, long).await;
    assert!(leave(&mut scene, 1).await.is_empty(), "the one before it stays");
}
