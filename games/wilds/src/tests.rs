//! The game as a whole, on flat land: who hunts, who flees, what counts as a blow, and who is awake.

use bevy_ecs::prelude::*;
use pangea_engine::outbox::Event;
use pangea_engine::replicate::take_message;
use pangea_engine::walk::Stunned;
use pangea_engine::*;
use pangea_world::frames::tile;
use pangea_world::id::CharacterId;
use pangea_world::space::{Ground, Rect};
use pangea_world::world_file;

mod border;
mod goods;
mod strongbox;

use crate::attack::{Attack, Missed};
use crate::gather::{Gather, Gathered};
use crate::health::{Body, Died, Hit};
use crate::mind::{Mind, State};
use crate::population::{Member, SLEEPS_AFTER_S, WAKES_M, creature};
use crate::species::{Kinds, Species};

/// Grass, with a wall of rocks from (180, 300) south, and a tree at (150, 150).
struct Flat;
impl Land for Flat {
    fn tile(&self, x: i32, y: i32) -> u8 {
        match (x, y) {
            (180, 300..) => tile::ROCK,
            (150, 150) => tile::TREE,
            _ => tile::GRASS,
        }
    }
}

const FLAT: Game = Game { name: "flat", land: |_, _| Box::new(Flat), build: crate::build };
const EXTENT: Rect = Rect { x0: 0, y0: 0, x1: 512, y1: 512 };
/// Events in the order in which the game declares them.
const EVENTS: [&str; 6] = ["Told", "Got", "Hit", "Died", "Missed", "Gathered"];

struct Try {
    sim: Sim,
    heard: Vec<Event>,
}

impl Try {
    fn new(extra: &str) -> Self {
        Self::on(EXTENT, extra)
    }

    fn on(extent: Rect, extra: &str) -> Self {
        let text = format!(
            "kind = \"grid\"\nseed = 7\n{extra}\n[grid]\ncell_m = 64\narea_cells = 8\nspawn = {{ x = 400.0, y = 100.0 }}\n"
        );
        let world = world_file::read("flat.toml", &text).expect("a world");
        let Rect { x0, y0, x1, y1 } = extent;
        let ground = Ground::Cells(Rect { x0: x0 / 64, y0: y0 / 64, x1: x1 / 64, y1: y1 / 64 });
        let setup = Setup { world: &world, ground: &ground, extent, tick_hz: 20, view_m: 60, tick: 0 };
        let mut sim = Sim::new(&FLAT, &setup);
        sim.own_ledger();
        Self { sim, heard: Vec::new() }
    }

    fn empty() -> Self {
        Self::new("creatures = false")
    }

    fn step(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.sim.step(1.0);
            self.heard.extend(self.sim.take_events());
        }
    }

    /// Steps until something holds; at most two minutes of the area's time.
    fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        for _ in 0..2_400 {
            if holds(self) {
                return;
            }
            self.step(1);
        }
        panic!("{what} did not happen");
    }

    fn character(&mut self, at: (f64, f64)) -> u16 {
        let id = self.sim.reserve().expect("an id");
        let character = Character { name: format!("n{id}"), faction: String::new() };
        self.sim.spawn(id, CharacterId([id as u8; 16]), character, at, Enter::Spawn, None).expect("spawned");
        id
    }

    fn creature(&mut self, species: Species, at: (f64, f64)) -> Entity {
        let kinds = *self.sim.ecs().resource::<Kinds>();
        self.sim.ecs().spawn(creature(&kinds, species, (0, 0), at, at, 0)).id()
    }

    fn net(&mut self, entity: Entity) -> u16 {
        self.sim.ecs().get::<Net>(entity).expect("it has a number").0
    }

    fn give<T: Input>(&mut self, who: u16, input: &T) {
        let _ = self.sim.act(who, input);
    }

    fn attack(&mut self, who: u16, target: u16, tick: u64) {
        self.give(who, &Attack { target, tick });
        self.step(1);
    }

    fn gather(&mut self, who: u16, x: i32, y: i32) {
        self.give(who, &Gather { x, y });
    }

    fn told<T: Replicate>(&self) -> Vec<T> {
        let number = EVENTS.iter().position(|name| *name == T::NAME).expect("an event") as u8;
        let of = self.heard.iter().filter(|event| event.number == number);
        of.map(|event| take_message(&event.payload).expect("readable")).collect()
    }

    fn missed(&self) -> Vec<String> {
        self.told::<Missed>().into_iter().map(|missed| missed.why).collect()
    }

    fn at(&mut self, entity: Entity) -> (f64, f64) {
        self.sim.ecs().get::<Position>(entity).expect("there").point()
    }

    fn state(&mut self, entity: Entity) -> State {
        self.sim.ecs().get::<Mind>(entity).expect("it has a mind").state
    }

    fn health(&mut self, id: u16) -> u16 {
        let entity = self.sim.entity(id).expect("there");
        self.sim.ecs().get::<Body>(entity).expect("a body").health
    }

    fn awake(&mut self) -> Vec<(u64, u64)> {
        let mut all = self.sim.ecs().query_filtered::<&Position, With<Member>>();
        all.iter(self.sim.ecs()).map(|at| (at.x.to_bits(), at.y.to_bits())).collect()
    }
}

fn far(a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

#[test]
fn a_wolf_hunts_a_rabbit_that_flees_and_gets_it() {
    let mut game = Try::empty();
    let rabbit = game.creature(Species::Rabbit, (105.0, 100.0));
    let wolf = game.creature(Species::Wolf, (100.0, 100.0));
    game.until("the hunt", |game| game.state(wolf) == State::Hunt && game.state(rabbit) == State::Flee);
    game.step(40);
    assert!(far(game.at(rabbit), (105.0, 100.0)) > 4.0, "it ran");
    let prey = game.net(rabbit);
    game.until("the kill", |game| game.sim.ecs().get_entity(rabbit).is_err());
    assert_eq!(game.told::<Died>().first().map(|died| died.who), Some(prey));
    game.until("the way home", |game| far(game.at(wolf), (100.0, 100.0)) < 5.0);
    assert_eq!(game.awake().len(), 1);
}

#[test]
fn a_wolf_finds_the_way_around_a_wall() {
    let mut game = Try::empty();
    let wolf = game.creature(Species::Wolf, (177.0, 306.0));
    let ada = game.character((184.0, 306.0));
    game.until("a bite", |game| game.health(ada) < 100);
    assert!(game.at(wolf).0 > 181.0, "it is on her side of the wall");
}

#[test]
fn a_boar_minds_its_own_business_until_it_is_hurt() {
    let mut game = Try::empty();
    let ada = game.character((100.0, 101.0));
    let boar = game.creature(Species::Boar, (100.0, 100.0));
    game.step(8);
    assert_ne!(game.state(boar), State::Hunt);
    let (boar_net, tick) = (game.net(boar), game.sim.tick());
    game.attack(ada, boar_net, tick);
    game.step(4);
    assert_eq!(game.state(boar), State::Hunt);
    game.until("its revenge", |game| game.health(ada) < 100);
}

#[test]
fn who_stands_at_a_spawn_is_left_in_peace() {
    let mut game = Try::empty();
    let ada = game.character((400.0, 100.0));
    let wolf = game.creature(Species::Wolf, (400.0, 106.0));
    game.step(400);
    assert_eq!(game.health(ada), 100);
    assert_ne!(game.state(wolf), State::Hunt);
}

#[test]
fn blows_that_cannot_be_are_refused() {
    let mut game = Try::empty();
    let ada = game.character((100.0, 100.0));
    let bob = game.character((101.0, 100.0));
    let boar = game.creature(Species::Boar, (103.5, 100.0));
    game.step(8);
    let (net, tick) = (game.net(boar), game.sim.tick());
    game.attack(ada, net, tick);
    game.attack(ada, 999, tick);
    game.attack(ada, ada, tick);
    game.attack(ada, bob, tick);
    assert_eq!(game.missed(), ["too_far", "gone", "forbidden", "forbidden"]);
    assert!(game.told::<Hit>().is_empty());
    assert_eq!(game.sim.take_refusals(), [("forbidden", 2), ("gone", 1), ("too_far", 1)].into());
    assert!(game.sim.take_refusals().is_empty(), "each is counted once");
}

#[test]
fn a_second_blow_has_to_wait() {
    let mut game = Try::empty();
    let ada = game.character((100.0, 100.0));
    let boar = game.creature(Species::Boar, (101.5, 100.0));
    game.step(4);
    let net = game.net(boar);
    for _ in 0..3 {
        let tick = game.sim.tick();
        game.attack(ada, net, tick);
    }
    assert_eq!(game.missed(), ["too_soon", "too_soon"]);
    assert_eq!(game.told::<Hit>().iter().filter(|hit| hit.target == net).count(), 1);
}

#[test]
fn no_blow_goes_through_a_wall() {
    let mut game = Try::empty();
    let ada = game.character((179.6, 310.5));
    let boar = game.creature(Species::Boar, (181.4, 310.5));
    game.step(4);
    let (net, tick) = (game.net(boar), game.sim.tick());
    game.attack(ada, net, tick);
    assert_eq!(game.missed(), ["blocked"]);
}

#[test]
fn the_dead_cannot_be_struck_and_a_dead_character_stands_up_at_home() {
    let mut game = Try::empty();
    let ada = game.character((100.0, 100.0));
    let rabbit = game.creature(Species::Rabbit, (101.0, 100.0));
    game.step(1);
    let (net, tick) = (game.net(rabbit), game.sim.tick());
    game.step(3);
    let tick = tick.max(game.sim.tick() - 3);
    game.attack(ada, net, tick);
    assert_eq!(game.told::<Died>().len(), 1);
    game.step(20);
    let tick = game.sim.tick();
    game.attack(ada, net, tick);
    assert_eq!(game.missed(), ["gone"]);

    let entity = game.sim.entity(ada).expect("there");
    game.sim.ecs().get_mut::<Body>(entity).expect("a body").health = 1;
    game.creature(Species::Wolf, (103.0, 100.0));
    game.until("her death", |game| game.health(ada) == 0);
    game.step(1);
    assert!(game.sim.ecs().get::<Stunned>(entity).is_some());
    game.until("her return", |game| game.health(ada) == 100);
    assert!(game.sim.ecs().get::<Stunned>(entity).is_none());
    assert!(far(game.at(entity), (400.0, 100.0)) < 1.0);
}

/// A deer that was in reach when its hunter saw it is hit, though it is gone by now; but not what was never
/// in reach in the last half second.
#[test]
fn what_counts_is_what_the_attacker_saw() {
    let mut game = Try::empty();
    let ada = game.character((100.0, 100.0));
    let deer = game.creature(Species::Deer, (101.5, 100.0));
    game.step(1);
    let saw = game.sim.tick();
    game.until("its flight", |game| far(game.at(deer), (100.0, 100.0)) > 2.3);
    let (net, now) = (game.net(deer), game.sim.tick());
    assert!(now - saw < 10, "{now} {saw}");
    game.attack(ada, net, now);
    assert_eq!(game.missed(), ["too_far"]);
    game.attack(ada, net, saw);
    assert_eq!(game.told::<Hit>().len(), 1);
    game.step(11);
    game.attack(ada, net, saw);
    assert_eq!(game.missed(), ["too_far", "too_far"], "that was too long ago");
}

/// Who says that it saw what is still to come is judged by what can be seen now.
#[test]
fn a_blow_of_a_time_to_come_is_one_of_now() {
    let mut game = Try::empty();
    let ada = game.character((100.0, 100.0));
    let boar = game.creature(Species::Boar, (101.5, 100.0));
    game.step(4);
    let (net, saw) = (game.net(boar), game.sim.tick());
    game.sim.ecs().get_mut::<Position>(boar).expect("there").x = 104.0;
    game.step(2);
    for tick in [saw + 1_000, u64::MAX] {
        game.attack(ada, net, tick);
    }
    assert_eq!(game.missed(), ["too_far", "too_far"]);
    game.attack(ada, net, saw);
    assert_eq!(game.told::<Hit>().len(), 1, "it was in reach then");
}

/// The hour follows from the tick, begins with the morning, and wolves scent farther at night.
#[test]
fn at_night_a_wolf_hunts_from_farther() {
    use crate::day::{DAY_S, hour, is_night};
    let at = |part: f64, hz: u32| Clock { tick: (f64::from(DAY_S * hz) * part).round() as u64, hz };
    for hz in [1, 20] {
        let hours = [0.0, 0.64, 0.66, 0.99, 1.0, 2.5].map(|part| at(part, hz));
        assert_eq!(hours.map(|clock| is_night(&clock)), [false, false, true, true, false, false], "{hz}");
        assert!((hour(&hours[5]) - 0.5).abs() < 1e-9);
    }
    for (part, hunts) in [(0.3, false), (0.8, true)] {
        let mut game = Try::empty();
        game.sim.ecs().resource_mut::<Clock>().tick = at(part, 20).tick;
        let ada = game.character((111.0, 100.0));
        let wolf = game.creature(Species::Wolf, (100.0, 100.0));
        // It stays where it is until it thinks: 11 m are too far by day, and near enough at night.
        let mut hunted = false;
        for _ in 0..40 {
            game.sim.ecs().get_mut::<Position>(wolf).expect("there").x = 100.0;
            game.sim.ecs().get_mut::<Position>(wolf).expect("there").y = 100.0;
            game.step(1);
            hunted |= game.state(wolf) == State::Hunt;
        }
        assert_eq!((hunted, game.health(ada)), (hunts, 100), "{part}");
    }
}

#[test]
fn three_strokes_fell_a_tree_that_grows_back() {
    let mut game = Try::empty();
    let ada = game.character((150.5, 151.5));
    let bob = game.character((150.5, 153.5));
    for _ in 0..4 {
        game.gather(ada, 150, 150);
        game.gather(bob, 150, 150);
        game.gather(ada, i32::MAX, i32::MIN);
        game.step(11);
    }
    let left: Vec<u8> = game.told::<Gathered>().iter().map(|gathered| gathered.left).collect();
    assert_eq!(left, [2, 1, 0], "he stands too far away, and afterwards there is nothing");
    assert_eq!(game.sim.terrain().take_changed(), [(150, 150, tile::GRASS)]);
    game.step(20 * 250);
    assert_eq!(game.sim.terrain().tile(150, 150), tile::TREE);
}

#[test]
fn creatures_are_awake_only_near_players_and_never_at_a_spawn() {
    let mut game = Try::new("");
    game.step(100);
    assert_eq!(game.awake().len(), 0, "nobody is there");
    let ada = game.character((256.0, 256.0));
    game.step(10);
    let awake = game.awake();
    assert!(awake.len() > 4, "{}", awake.len());
    let points = |awake: &[(u64, u64)]| -> Vec<(f64, f64)> {
        awake.iter().map(|(x, y)| (f64::from_bits(*x), f64::from_bits(*y))).collect()
    };
    for at in points(&awake) {
        assert!(far(at, (256.0, 256.0)) < WAKES_M + 5.0 && far(at, (400.0, 100.0)) > 30.0, "{at:?}");
    }
    let entity = game.sim.entity(ada).expect("there");
    game.sim.ecs().get_mut::<Position>(entity).expect("there").x = 20.0;
    game.step(20 * (SLEEPS_AFTER_S as u32 + 1));
    for at in points(&game.awake()) {
        assert!(far(at, (20.0, 256.0)) < 230.0, "{at:?} has nobody near");
    }
    game.sim.remove(ada, Leave::Quit);
    game.step(20 * (SLEEPS_AFTER_S as u32 + 1));
    assert_eq!(game.awake().len(), 0);
}

#[test]
fn a_lair_gets_others_for_those_that_died() {
    let mut game = Try::new("");
    game.character((256.0, 256.0));
    game.step(10);
    let before = game.awake().len();
    let mut members = game.sim.ecs().query_filtered::<Entity, With<Member>>();
    let dead = members.iter(game.sim.ecs()).next().expect("one");
    game.sim.ecs().despawn(dead);
    game.step(20 * 60);
    assert!(game.awake().len() < before);
    game.until("the refill", |game| game.awake().len() >= before);
}

#[test]
fn the_same_seed_and_the_same_inputs_give_the_same_life() {
    let run = || {
        let mut game = Try::new("");
        let ada = game.character((256.0, 256.0));
        for tick in 0..1_200u32 {
            let turn = f64::from(tick / 40) * 2.4;
            game.give(ada, &Walk { dx: turn.cos() as f32, dy: turn.sin() as f32 });
            game.step(1);
        }
        (game.awake(), game.heard.len())
    };
    let first = run();
    assert!(first.0.len() > 4);
    assert_eq!(first, run());
}
