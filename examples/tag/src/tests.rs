//! The rules of tag, without a server.

use super::*;

const GREEN: &str = include_str!("../worlds/green.toml");

fn green() -> Sim {
    Sim::of_world(&game(), GREEN)
}

fn runner(sim: &Sim, id: u16) -> &Runner {
    sim.get::<Runner>(id).expect("a runner")
}

fn come_in(sim: &mut Sim, record: &[u8]) -> u16 {
    let id = sim.reserve().expect("an id");
    let ada = Character { name: "Ada".into(), faction: String::new() };
    sim.spawn(id, Default::default(), ada, (20.5, 20.5), Enter::Handoff, Some(record)).expect("read");
    id
}

/// The runner who is it, and the other one.
fn parts(sim: &Sim, a: u16, b: u16) -> (u16, u16) {
    assert_ne!(runner(sim, a).it, runner(sim, b).it, "one of the two is it");
    if runner(sim, a).it { (a, b) } else { (b, a) }
}

#[test]
fn whoever_is_touched_is_it_and_has_time_to_run() {
    let mut sim = green();
    let (ada, bob) = (sim.join("Ada", (20.5, 20.5)), sim.join("Bob", (30.5, 20.5)));
    sim.step(1.0);
    let (it, other) = parts(&sim, ada, bob);
    assert_eq!(sim.events::<Tagged>(), [], "they are far from each other");

    let at = sim.place(other).expect("there");
    let entity = sim.entity(it).expect("there");
    sim.ecs().entity_mut(entity).insert(Position { x: at.0 + 0.5, y: at.1 });
    sim.step(1.0);
    assert_eq!(parts(&sim, ada, bob), (other, it));
    let tagged = sim.events::<Tagged>();
    assert_eq!(tagged.len(), 1);
    assert_ne!(tagged[0].by, tagged[0].who);
    assert_eq!(sim.terrain().take_changed().len(), 1, "the grass is trodden");
    for _ in 0..55 {
        sim.step(1.0);
        assert_eq!(parts(&sim, ada, bob), (other, it), "not tagged back at once");
    }
    (0..10).for_each(|_| sim.step(1.0));
    assert_eq!(parts(&sim, ada, bob), (it, other), "who stays is tagged back");
}

#[test]
fn two_sprints_are_saved_up_and_trees_stop_them() {
    let mut sim = green();
    let ada = sim.join("Ada", (9.5, 10.5));
    let sprint = Sprint { dx: 1.0, dy: 0.0 };
    let refused = |sim: &mut Sim, sprint| sim.act(ada, &sprint).map_err(|refusal| refusal.code);
    assert_eq!(refused(&mut sim, Sprint { dx: f32::NAN, dy: 0.0 }), Err(Code::BadInput));
    assert_eq!(refused(&mut sim, Sprint { dx: 3.0, dy: 0.0 }), Err(Code::BadInput));
    assert_eq!(refused(&mut sim, sprint), Ok(()));
    sim.step(1.0);
    let (x, y) = sim.place(ada).expect("there");
    assert!((x - 12.7).abs() < 1e-3 && y == 10.5, "before the tree at 13, not behind it: {x}");
    assert_eq!(refused(&mut sim, Sprint { dx: -1.0, ..sprint }), Ok(()));
    assert_eq!(refused(&mut sim, sprint), Err(Code::TooFast));
    sim.step(1.0);
    assert_eq!(runner(&sim, ada).sprints, 2);
}

#[test]
fn coins_are_found_and_left_behind() {
    let mut sim = green();
    let ada = sim.join("Ada", (40.5, 40.5));
    let kind = sim.ecs().resource::<CoinKind>().0;
    sim.ecs().spawn((kind, Position { x: 41.0, y: 40.5 }, Coin { worth: 7 }));
    sim.step(1.0);
    let score = runner(&sim, ada).score;
    assert!(score >= 7);
    let record = sim.remove(ada, Leave::Quit).expect("a record");
    let worth: Vec<u32> = sim.ecs().query::<&Coin>().iter(sim.ecs()).map(|coin| coin.worth).collect();
    assert!(worth.contains(&score), "{worth:?}");
    let back = come_in(&mut sim, &record);
    assert_eq!(runner(&sim, back).score, 0, "nobody has them twice");
    sim.remove(back, Leave::Stop);
    (0..200).for_each(|_| sim.step(1.0));
    let coins = sim.ecs().query::<&Coin>().iter(sim.ecs()).len();
    assert!((MOST_COINS..MOST_COINS + 2).contains(&coins), "no more and no fewer: {coins}");
}

/// What is declared travels: a runner goes to another area with all that he is.
#[test]
fn a_runner_goes_on_as_he_was() {
    let (mut here, mut there) = (green(), green());
    let ada = here.join("Ada", (10.5, 10.5));
    let entity = here.entity(ada).expect("there");
    let whole = Runner { score: 9, it: true, it_s: 1.23, sprints: 4, safe_s: 0.7 };
    here.ecs().entity_mut(entity).insert(whole.clone());
    let record = here.record(ada).expect("a record");
    let id = come_in(&mut there, &record);
    assert_eq!(runner(&there, id), &whole);
}
