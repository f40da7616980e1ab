//! Copies: records of two versions of a game, and what a step makes of the same beginning.

use super::*;

/// An entity travels between two versions of a program, there and back, and loses nothing.
#[test]
fn two_versions_exchange_entities() {
    let (mut old, mut new) = (sim(), sim_of(&NEW_GAME, 20, 40));
    let id = character(&mut new, "Ada", (12.345_678, 20.0));
    let entity = new.entity(id).expect("there");
    let scars = vec!["left arm".to_owned()];
    let body = NewBody { health: 9, heat: 0.123, gold: 5, anger: 1.0 / 3.0, mood: 1, scars };
    new.ecs().entity_mut(entity).insert((body.clone(), Wings { span: 2.5 }));
    let there = new.record(id).expect("a record");

    let who = CharacterId([1; 16]);
    let ada = Character { name: "Ada".into(), faction: String::new() };
    let guest = old.reserve().expect("an id");
    old.spawn(guest, who, ada.clone(), (12.345_678, 20.0), Enter::Handoff, Some(&there)).expect("readable");
    assert_eq!(super::tests::body(&mut old, guest).anger, 1.0 / 3.0, "exactly, not in steps");
    super::tests::body(&mut old, guest).health = 3;
    let back = old.record(guest).expect("a record");

    let id = new.reserve().expect("an id");
    new.spawn(id, who, ada, (12.345_678, 20.0), Enter::Handoff, Some(&back)).expect("readable");
    let entity = new.entity(id).expect("there");
    assert_eq!(new.ecs().get::<NewBody>(entity), Some(&NewBody { health: 3, ..body }));
    assert_eq!(
        new.ecs().get::<Wings>(entity),
        Some(&Wings { span: 2.5 }),
        "unknown there, kept all the same"
    );
}

#[test]
fn a_cut_record_is_refused_and_the_character_is_new() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (1.0, 1.0));
    let record = sim.record(id).expect("a record");
    for cut in 0..record.len() {
        let id = sim.reserve().expect("an id");
        let ada = Character { name: "Ada".into(), faction: String::new() };
        let read = sim.spawn(id, CharacterId([2; 16]), ada, (5.0, 5.0), Enter::Spawn, Some(&record[..cut]));
        assert_eq!(read, Err(Malformed), "cut at {cut}");
        assert_eq!(sim.place(id), Some((5.0, 5.0)));
    }
    let id = sim.reserve().expect("an id");
    let ada = Character { name: "Ada".into(), faction: String::new() };
    let longer = [&record[..], &[0]].concat();
    let read = sim.spawn(id, CharacterId([2; 16]), ada, (5.0, 5.0), Enter::Spawn, Some(&longer));
    assert_eq!(read, Err(Malformed), "with something behind it");
}

/// The same inputs and seed give the same area.
#[test]
fn a_step_is_deterministic() {
    fn wander(
        mut dice: ResMut<Dice>,
        mut all: Query<&mut Position, Without<Character>>,
        mut commands: Commands,
    ) {
        for mut position in &mut all {
            position.x += dice.between(-1.0, 1.0);
            position.y += dice.between(-1.0, 1.0);
        }
        if dice.one_in(3) {
            commands.spawn((Kind(1), Position { x: dice.between(0.0, 200.0), y: 50.0 }));
        }
    }
    fn build(area: &mut Builder, setup: &Setup<'_>) {
        super::tests::build(area, setup);
        area.system(wander);
    }
    let run = || {
        let mut sim = sim_of(&Game { name: "test", land, build }, 20, 40);
        let id = character(&mut sim, "Ada", (100.0, 50.0));
        let mut client = Client::default();
        let mut log = Vec::new();
        for n in 1..200 {
            let _ = walk(&mut sim, id, n, (n as f32).cos(), (n as f32).sin());
            sim.step(1.0);
            let at = centimetres(sim.place(id).expect("there"));
            client.gather(&mut sim, at, id, n, ALL);
            log.push(client.seen.clone());
        }
        log
    };
    let first = run();
    assert!(first.last().is_some_and(|seen| seen.len() > 5), "something happened");
    assert_eq!(first, run());
}
