//! The engine as a whole: a small game, its clients, its copies.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use bytes::BytesMut;
use pangea_world::Code;
use pangea_world::frames::{Component as Told, ServerMessage, Update, read_server_frame, tile};
use pangea_world::id::CharacterId;
use pangea_world::space::{Ground, Rect};
use pangea_world::world::World as WorldFile;
use proptest::prelude::*;

use crate::field::{Field, take_varint};
use crate::replicate::{put_message, take_changes};
use crate::sim::centimetres;
use crate::update::Eyes;
use crate::*;

mod apart;

struct Flat;
impl Land for Flat {
    fn tile(&self, _: i32, _: i32) -> u8 {
        tile::GRASS
    }
}

/// A body: told to all, to its owner, to nobody.
#[derive(bevy_ecs::component::Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Body {
    health: u16,
    #[replicate(quant = 0.5)]
    heat: f32,
    #[replicate(owner)]
    gold: u64,
    #[replicate(server)]
    anger: f64,
    #[replicate(rate = 5)]
    mood: u8,
}

/// Only there or not.
#[derive(bevy_ecs::component::Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Asleep;

fn land(_: &WorldFile, _: &Ground) -> Box<dyn Land> {
    Box::new(Flat)
}

fn build(area: &mut Builder, _: &Setup<'_>) {
    area.kind("stone");
    area.component::<Body>().component::<Asleep>().walking();
}

const GAME: Game = Game { name: "test", land, build };
const EXTENT: Rect = Rect { x0: 0, y0: 0, x1: 200, y1: 200 };
/// Numbers of the two components: Position and Character come before them.
const BODY: u8 = 2;
const ASLEEP: u8 = 3;

fn sim_of(game: &Game, hz: u32, view_m: u32) -> Sim {
    let text = "kind = \"grid\"\n[grid]\ncell_m = 200\narea_cells = 1\nspawn = { x = 10.0, y = 10.0 }\n";
    let world = pangea_world::world_file::read("test.toml", text).expect("a world");
    let ground = Ground::Cells(Rect { x0: 0, y0: 0, x1: 1, y1: 1 });
    Sim::new(game, &Setup { world: &world, ground: &ground, extent: EXTENT, tick_hz: hz, view_m, tick: 100 })
}

fn sim() -> Sim {
    sim_of(&GAME, 20, 40)
}

fn character(sim: &mut Sim, name: &str, at: (f64, f64)) -> u16 {
    let id = sim.reserve().expect("an id");
    let character = Character { name: name.to_owned(), faction: String::new() };
    sim.spawn(id, CharacterId([id as u8; 16]), character, at, Enter::Spawn, None).expect("spawned");
    id
}

fn walk(sim: &mut Sim, id: u16, seq: u32, dx: f32, dy: f32) -> Result<(), Code> {
    let mut payload = Vec::new();
    put_message(&Walk { dx, dy }, &mut payload);
    sim.input(id, seq, 0, &payload).map_err(|refusal| refusal.code)
}

fn body(sim: &mut Sim, id: u16) -> Mut<'_, Body> {
    let entity = sim.entity(id).expect("there");
    sim.ecs().get_mut::<Body>(entity).expect("it has a body")
}

/// What a client makes of its updates.
#[derive(Default)]
struct Client {
    view: View,
    order: Vec<u16>,
    seen: BTreeMap<u16, Entity1>,
    tick: u32,
    acked: u32,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Entity1 {
    at: (i32, i32),
    name: String,
    body: Option<Body>,
    asleep: bool,
}

impl Entity1 {
    fn apply(&mut self, components: &[Told]) {
        for told in components {
            match (told.number, &told.fields) {
                (1, Some(fields)) => {
                    let mut character = Character { name: String::new(), faction: String::new() };
                    take_changes(&mut character, fields).expect("readable");
                    self.name = character.name;
                }
                (BODY, Some(fields)) => {
                    take_changes(self.body.get_or_insert_with(Body::default), fields).expect("readable");
                }
                (BODY, None) => self.body = None,
                (ASLEEP, fields) => self.asleep = fields.is_some(),
                _ => panic!("an unknown component {told:?}"),
            }
        }
    }
}

impl Client {
    fn gather(&mut self, sim: &mut Sim, at: (i32, i32), me: u16, acked: u32, budget: usize) -> usize {
        let mut out = BytesMut::new();
        if !sim.gather(&mut self.view, Eyes { at, me, acked, budget }, &mut out) {
            assert!(out.is_empty());
            return 0;
        }
        let mut messages = read_server_frame(&out).expect("readable");
        let Some(ServerMessage::Update(update)) = messages.pop() else { panic!("an update") };
        self.read(update);
        assert_eq!(u64::from(self.tick), sim.tick());
        out.len()
    }

    fn read(&mut self, update: Update) {
        if update.whole {
            self.seen.clear();
            self.order.clear();
            (self.tick, self.acked) = (0, 0);
        }
        self.tick += update.tick;
        self.acked += update.acked;
        for id in update.left {
            assert!(self.seen.remove(&id).is_some(), "{id} left and was not known");
            let place = self.order.iter().position(|known| *known == id).expect("in the list");
            self.order.swap_remove(place);
        }
        for entered in update.entered {
            let mut entity = Entity1 { at: (entered.x, entered.y), ..Entity1::default() };
            entity.apply(&entered.components);
            assert!(self.seen.insert(entered.id, entity).is_none(), "{} entered twice", entered.id);
            self.order.push(entered.id);
        }
        for (place, dx, dy) in update.moved {
            let known = self.seen.get_mut(&self.order[place as usize]).expect("moved and known");
            known.at = (known.at.0 + i32::from(dx), known.at.1 + i32::from(dy));
        }
        for (id, x, y) in update.jumped {
            self.seen.get_mut(&id).expect("jumped and known").at = (x, y);
        }
        for (id, components) in update.changed {
            self.seen.get_mut(&id).expect("changed and known").apply(&components);
        }
    }
}

const ALL: usize = usize::MAX;

// ---- inputs ----

#[test]
fn one_input_is_one_step_of_a_quarter_metre() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    assert_eq!(walk(&mut sim, id, 1, 1.0, 0.0), Ok(()));
    sim.step(1.0);
    assert_eq!(sim.place(id), Some((10.25, 10.0)));
    assert_eq!(sim.acked(id), 1);
    assert_eq!(walk(&mut sim, id, 1, 1.0, 0.0), Ok(()), "a repeat is dropped silently");
    sim.step(1.0);
    assert_eq!(sim.place(id), Some((10.25, 10.0)));
}

#[test]
fn impossible_inputs_are_refused_and_move_nobody() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    for (n, (dx, dy)) in
        [(f32::NAN, 0.0), (0.0, f32::INFINITY), (f32::NEG_INFINITY, f32::NAN)].into_iter().enumerate()
    {
        assert_eq!(walk(&mut sim, id, n as u32 + 1, dx, dy), Err(Code::BadInput));
    }
    assert_eq!(walk(&mut sim, id, 11, 1.0, 1.0), Err(Code::TooFast));
    assert_eq!(walk(&mut sim, id, 12, f32::MAX, 0.0), Err(Code::TooFast));
    for (n, payload) in [&[][..], &[0; 7], &[0; 9]].into_iter().enumerate() {
        let refused = sim.input(id, 20 + n as u32, 0, payload).map_err(|refusal| refusal.code);
        assert_eq!(refused, Err(Code::Protocol), "cut off, or too long");
    }
    assert_eq!(sim.input(id, 30, 99, &[]).map_err(|refusal| refusal.code), Err(Code::Protocol));
    sim.step(1.0);
    assert_eq!(sim.place(id), Some((10.0, 10.0)));
    assert_eq!(walk(&mut sim, id, 31, 0.0, -0.0), Ok(()));
    assert_eq!(walk(&mut sim, id, 32, f32::MIN_POSITIVE / 2.0, 0.0), Ok(()), "a denormal is only small");
}

/// What came while nothing was read is taken at once, and only that: for the next pause it is not saved up.
#[test]
fn inputs_of_a_pause_are_made_up_once() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    let mut seq = 0;
    let mut burst = |sim: &mut Sim| {
        let taken = (0..100).filter(|_| {
            seq += 1;
            walk(sim, id, seq, 0.01, 0.0).is_ok()
        });
        let taken = taken.count();
        sim.step(1.0);
        taken
    };
    sim.make_up(id, 10.0);
    sim.make_up(id, 10.0);
    sim.step(1.0);
    assert_eq!(
        burst(&mut sim),
        15,
        "five that are saved up, and ten of the pause, as long as they take to come"
    );
    assert_eq!(burst(&mut sim), 1);
    sim.make_up(id, f32::INFINITY);
    assert_eq!(burst(&mut sim), 65, "a pause without end is one of 64 ticks");
    sim.make_up(id, f32::NAN);
    assert_eq!(burst(&mut sim), 1);
}

/// A thousand inputs in a tick are five, and then one per tick.
#[test]
fn more_inputs_than_ticks_are_refused() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    let mut taken = 0;
    for tick in 0..100 {
        for n in 0..10 {
            taken += u32::from(walk(&mut sim, id, tick * 10 + n + 1, 1.0, 0.0).is_ok());
        }
        sim.step(1.0);
    }
    assert_eq!(taken, 5 + 99);
    assert!((sim.place(id).expect("there").0 - (10.0 + 0.25 * 104.0)).abs() < 1e-6);
}

#[test]
fn an_id_rests_for_a_step() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    sim.remove(id, Leave::Quit);
    assert_ne!(sim.reserve(), Some(id));
    sim.step(1.0);
    assert_eq!(sim.reserve(), Some(id));
}

/// A game that despawns a character hides it; no other entity stands behind its id until its server gives it back.
#[test]
fn a_despawned_character_keeps_its_id() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    let entity = sim.entity(id).expect("there");
    sim.ecs().despawn(entity);
    for _ in 0..3 {
        sim.ecs().spawn((Kind(1), Position { x: 9.0, y: 9.0 }));
        sim.step(1.0);
    }
    assert_eq!((sim.entity(id), sim.place(id)), (None, None));
    assert_eq!(walk(&mut sim, id, 1, 1.0, 0.0), Ok(()), "for nobody");
    sim.remove(id, Leave::Quit);
    sim.step(1.0);
    assert_eq!(sim.reserve(), Some(id));
}

/// Walk is input 0 for clients that know no schema.
#[test]
fn walk_is_input_0_wherever_it_is_declared() {
    #[derive(Replicate)]
    struct Jump;
    impl Input for Jump {}
    let build = |area: &mut Builder, _: &Setup<'_>| {
        area.input::<Jump>(Allowance::EACH_TICK).walking();
    };
    let mut sim = sim_of(&Game { name: "test", land, build }, 20, 40);
    let schema: serde_json::Value = serde_json::from_str(sim.schema().0).expect("JSON");
    assert_eq!(
        (&schema["inputs"][0]["name"], &schema["inputs"][1]["name"]),
        (&"Walk".into(), &"Jump".into())
    );
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    assert_eq!(walk(&mut sim, id, 1, 1.0, 0.0), Ok(()));
    assert_eq!(sim.act(id, &Jump).map_err(|refusal| refusal.code), Ok(()));
    sim.step(1.0);
    assert_eq!((sim.place(id), sim.acked(id)), (Some((10.25, 10.0)), 2));
}

#[test]
#[should_panic(expected = "«Walk» is there twice")]
fn an_input_is_declared_once() {
    let build = |area: &mut Builder, _: &Setup<'_>| {
        area.walking().walking();
    };
    sim_of(&Game { name: "test", land, build }, 20, 40);
}

#[test]
fn neighbours_roll_different_dice() {
    let roll = |x0| {
        let ground = Ground::Cells(Rect { x0, y0: 0, x1: x0 + 1, y1: 1 });
        Dice::of_area(7, &ground, 0).below(u32::MAX)
    };
    assert_eq!(roll(0), roll(0));
    assert_ne!(roll(0), roll(1));
}

// ---- what clients are told ----

/// What has no place is not seen; when it has one again it is a new entity to clients.
#[test]
fn who_loses_his_place_is_not_seen() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    let stone = sim.ecs().spawn((Kind(1), Position { x: 12.0, y: 10.0 })).id();
    let mut client = Client::default();
    let mut look = |sim: &mut Sim| {
        sim.step(1.0);
        client.gather(sim, (1_000, 1_000), id, 0, ALL);
        client.seen.len()
    };
    assert_eq!(look(&mut sim), 2);
    sim.ecs().entity_mut(stone).remove::<Position>();
    assert_eq!(look(&mut sim), 1);
    sim.ecs().entity_mut(stone).insert(Position { x: 13.0, y: 10.0 });
    assert_eq!(look(&mut sim), 2);
}

#[test]
fn nothing_new_is_nothing_to_send() {
    let mut sim = sim();
    let id = character(&mut sim, "a", (5.0, 5.0));
    let mut client = Client::default();
    sim.step(1.0);
    assert!(client.gather(&mut sim, (500, 500), id, 0, ALL) > 0, "the first one is whole");
    sim.step(1.0);
    assert_eq!(client.gather(&mut sim, (500, 500), id, 0, ALL), 0);
    assert!(
        Client::default().gather(&mut sim, (500, 500), id, 0, ALL) > 0,
        "of another client it is the first"
    );
}

/// One comes into view in the very step of which not all can be told: he is told where he is now.
#[test]
fn one_enters_when_there_is_too_much_to_tell() {
    for busy in 0..8 {
        let mut sim = sim();
        let me = character(&mut sim, "me", (10.0, 10.0));
        let others: Vec<u16> =
            (0..6).map(|n| character(&mut sim, "other", (12.0, 12.0 + f64::from(n)))).collect();
        let comer = character(&mut sim, "comer", (51.4, 10.0));
        let mut client = Client::default();
        for n in 0..60 {
            if n < 8 {
                walk(&mut sim, comer, n + 1, -1.0, 0.0).expect("taken");
            }
            if n == busy {
                others.iter().for_each(|id| walk(&mut sim, *id, 1, 0.0, 1.0).expect("taken"));
            }
            sim.step(1.0);
            client.gather(&mut sim, (1_000, 1_000), me, 0, 4);
        }
        assert_eq!(client.seen.len(), 8);
        for id in others.into_iter().chain([comer]) {
            assert_eq!(
                client.seen[&id].at,
                centimetres(sim.place(id).expect("there")),
                "busy in step {busy}"
            );
        }
    }
}

/// K.3: fields go to whom they are declared for, in the steps they are declared in.
#[test]
fn fields_go_to_whom_they_are_for() {
    let mut sim = sim();
    let ada = character(&mut sim, "Ada", (5.0, 5.0));
    let bob = character(&mut sim, "Bob", (6.0, 5.0));
    let entity = sim.entity(ada).expect("there");
    let whole = Body { health: 300, heat: 1.3, gold: 7, anger: 0.123, mood: 1 };
    sim.ecs().entity_mut(entity).insert(whole.clone());
    let (mut hers, mut his) = (Client::default(), Client::default());
    let look = |sim: &mut Sim, hers: &mut Client, his: &mut Client| {
        sim.step(1.0);
        hers.gather(sim, (500, 500), ada, 0, ALL);
        his.gather(sim, (600, 500), bob, 0, ALL)
    };
    look(&mut sim, &mut hers, &mut his);
    let told = Body { heat: 1.5, anger: 0.0, ..whole };
    assert_eq!(hers.seen[&ada].body, Some(told.clone()));
    assert_eq!(his.seen[&ada].body, Some(Body { gold: 0, ..told.clone() }));

    body(&mut sim, ada).gold = 8;
    body(&mut sim, ada).anger = 9.0;
    assert_eq!(look(&mut sim, &mut hers, &mut his), 0, "he is told nothing of her gold");
    assert_eq!(hers.seen[&ada].body, Some(Body { gold: 8, ..told.clone() }));

    body(&mut sim, ada).heat = 1.6;
    assert_eq!(look(&mut sim, &mut hers, &mut his), 0, "less than half a step is no news");

    // Five times a second: in one of four ticks.
    let mut told_after = 0;
    body(&mut sim, ada).mood = 2;
    while his.seen[&ada].body.as_ref().is_some_and(|body| body.mood == 1) {
        told_after += 1;
        assert!(told_after <= 4, "held back for ever");
        look(&mut sim, &mut hers, &mut his);
    }
    body(&mut sim, ada).mood = 3;
    look(&mut sim, &mut hers, &mut his);
    assert_eq!(his.seen[&ada].body.as_ref().map(|body| body.mood), Some(2), "not before its turn");

    sim.ecs().entity_mut(entity).remove::<Body>().insert(Asleep);
    look(&mut sim, &mut hers, &mut his);
    assert_eq!((his.seen[&ada].body.clone(), his.seen[&ada].asleep), (None, true));
}

#[derive(Debug, Clone)]
enum Act {
    Walk(usize, f32),
    Spawn(f64, f64),
    /// A system's entity, no character.
    Stone(f64, f64),
    Remove(usize),
    Heal(usize, u16),
    Sleep(usize),
    Wake(usize),
    /// Somebody is moved elsewhere at once.
    Jump(usize, f64, f64),
    /// This client's socket is full for a tick.
    Skip(usize),
    /// This client looks from elsewhere at once.
    Look(usize, f64, f64),
}

fn acts() -> impl Strategy<Value = Vec<Vec<Act>>> {
    let act = prop_oneof![
        6 => (0usize..30, 0.0f32..6.3).prop_map(|(who, to)| Act::Walk(who, to)),
        2 => (0.0f64..200.0, 0.0f64..200.0).prop_map(|(x, y)| Act::Spawn(x, y)),
        1 => (0.0f64..200.0, 0.0f64..200.0).prop_map(|(x, y)| Act::Stone(x, y)),
        1 => (0usize..30).prop_map(Act::Remove),
        2 => (0usize..30, 0u16..400).prop_map(|(who, health)| Act::Heal(who, health)),
        1 => (0usize..30).prop_map(Act::Sleep),
        1 => (0usize..30).prop_map(Act::Wake),
        1 => (0usize..30, 0.0f64..200.0, 0.0f64..200.0).prop_map(|(who, x, y)| Act::Jump(who, x, y)),
        1 => (0usize..4).prop_map(Act::Skip),
        1 => (0usize..4, 0.0f64..200.0, 0.0f64..200.0).prop_map(|(client, x, y)| Act::Look(client, x, y)),
    ];
    proptest::collection::vec(proptest::collection::vec(act, 0..12), 1..60)
}

/// One that is there: its id, its last input, what clients shall see.
struct There {
    id: u16,
    seq: u32,
    shown: Entity1,
}

proptest! {
    /// Whatever walks, comes, goes and changes, from wherever it is looked at, and whatever updates were left out:
    /// after each update a client knows exactly what lies within its view. With too small a budget it knows so as soon as nothing changes
    /// any more: nothing starves, the last place always arrives.
    #[test]
    fn a_client_knows_what_the_server_shows(ticks in acts(), hz in prop_oneof![Just(1u32), Just(20)], tight: bool) {
        let mut sim = sim_of(&GAME, hz, 40);
        let mut there: Vec<There> = Vec::new();
        let mut clients: Vec<(Client, (f64, f64))> =
            [(10.0, 10.0), (100.0, 100.0), (60.0, 140.0), (199.0, 1.0)].map(|at| (Client::default(), at)).into();
        let budget = if tight { 7 } else { ALL };
        let quiet = std::iter::repeat_n(Vec::new(), if tight { 200 } else { 1 });
        let last = ticks.len() + quiet.len() - 1;
        for (n, acts) in ticks.into_iter().chain(quiet).enumerate() {
            let mut skipped = Vec::new();
            for act in acts {
                let who = match &act {
                    Act::Walk(who, _)
                    | Act::Remove(who)
                    | Act::Heal(who, _)
                    | Act::Sleep(who)
                    | Act::Wake(who)
                    | Act::Jump(who, ..) => *who,
                    _ => 0,
                };
                let who = who.checked_rem(there.len());
                match (act, who) {
                    (Act::Walk(_, to), Some(who)) => {
                        there[who].seq += 1;
                        let _ = walk(&mut sim, there[who].id, there[who].seq, to.cos(), to.sin());
                    }
                    (Act::Spawn(x, y), _) => {
                        let name = format!("n{}", sim.tick() * 100 + there.len() as u64);
                        let id = character(&mut sim, &name, (x, y));
                        there.push(There { id, seq: 0, shown: Entity1 { name, ..Entity1::default() } });
                    }
                    (Act::Stone(x, y), _) => {
                        sim.ecs().spawn((Kind(1), Position { x, y }));
                    }
                    (Act::Remove(_), Some(who)) => drop(sim.remove(there.swap_remove(who).id, Leave::Quit)),
                    (Act::Heal(_, health), Some(who)) => {
                        let entity = sim.entity(there[who].id).expect("there");
                        let new = Body { health, ..Body::default() };
                        sim.ecs().entity_mut(entity).insert(new.clone());
                        there[who].shown.body = Some(new);
                    }
                    (Act::Sleep(_), Some(who)) => {
                        let entity = sim.entity(there[who].id).expect("there");
                        sim.ecs().entity_mut(entity).insert(Asleep);
                        there[who].shown.asleep = true;
                    }
                    (Act::Wake(_), Some(who)) => {
                        let entity = sim.entity(there[who].id).expect("there");
                        sim.ecs().entity_mut(entity).remove::<(Asleep, Body)>();
                        (there[who].shown.asleep, there[who].shown.body) = (false, None);
                    }
                    (Act::Jump(_, x, y), Some(who)) => {
                        let entity = sim.entity(there[who].id).expect("there");
                        sim.ecs().entity_mut(entity).insert(Position { x, y });
                    }
                    (Act::Skip(client), _) => skipped.push(client),
                    (Act::Look(client, x, y), _) => clients[client].1 = (x, y),
                    _ => {}
                }
            }
            sim.step(1.0);
            for (c, (client, at)) in clients.iter_mut().enumerate() {
                if skipped.contains(&c) {
                    continue;
                }
                // The first stands still, the others drift.
                (at.0, at.1) = (at.0 + c as f64 * 0.1, at.1 - c as f64 * 0.07);
                let middle = centimetres(*at);
                client.gather(&mut sim, middle, u16::MAX, n as u32, budget);
                prop_assert_eq!(client.acked, n as u32);
                for one in &there {
                    let (x, y) = centimetres(sim.place(one.id).expect("there"));
                    let distance = f64::from(x - middle.0).hypot(f64::from(y - middle.1));
                    match client.seen.get(&one.id) {
                        Some(seen) if !tight || n == last => {
                            prop_assert_eq!(seen, &Entity1 { at: (x, y), ..one.shown.clone() });
                            prop_assert!(distance <= 4_400.5, "sees too far");
                        }
                        Some(seen) => prop_assert_eq!(&seen.name, &one.shown.name),
                        None => prop_assert!(distance >= 3_999.5, "does not see {}", one.shown.name),
                    }
                }
            }
        }
    }
}

// ---- copies ----

/// A newer program's idea of a body: a field more.
#[derive(bevy_ecs::component::Component, Replicate, Debug, Clone, PartialEq, Default)]
#[replicate(name = "Body", version = 2)]
struct NewBody {
    health: u16,
    #[replicate(quant = 0.5)]
    heat: f32,
    gold: u64,
    #[replicate(server)]
    anger: f64,
    mood: u8,
    #[replicate(server)]
    scars: Vec<String>,
}

#[derive(bevy_ecs::component::Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Wings {
    span: f64,
}

fn build_new(area: &mut Builder, _: &Setup<'_>) {
    area.component::<Wings>().component::<NewBody>().walking();
}

const NEW_GAME: Game = Game { name: "test", land, build: build_new };

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
        let read = sim.spawn(id, CharacterId([2; 16]), ada, (5.0, 5.0), Enter::Restore, Some(&record[..cut]));
        assert_eq!(read, Err(Malformed), "cut at {cut}");
        assert_eq!(sim.place(id), Some((5.0, 5.0)));
    }
    let id = sim.reserve().expect("an id");
    let ada = Character { name: "Ada".into(), faction: String::new() };
    let longer = [&record[..], &[0]].concat();
    let read = sim.spawn(id, CharacterId([2; 16]), ada, (5.0, 5.0), Enter::Restore, Some(&longer));
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

#[test]
fn the_schema_says_what_clients_may_see() {
    let (text, hash) = sim().schema.clone();
    let schema: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let body = &schema["components"][usize::from(BODY)];
    assert_eq!(body["name"], "Body");
    let names: Vec<&str> = body["fields"]
        .as_array()
        .expect("fields")
        .iter()
        .filter_map(|field| field["name"].as_str())
        .collect();
    assert_eq!(names, ["health", "heat", "gold", "mood"], "anger is for servers alone");
    assert_eq!(schema["inputs"][0]["name"], "Walk");
    assert_ne!(hash, sim_of(&NEW_GAME, 20, 40).schema.1);
    let mut from = &[5u8][..];
    assert_eq!(take_varint(&mut from), Ok(5));
    assert_eq!(u8::kind(), "u8");
}

#[test]
fn constant_tables_come_with_the_schema() {
    fn build(area: &mut Builder, _: &Setup<'_>) {
        area.table("items", serde_json::json!([{ "name": "wood" }]));
    }
    let (with, without) = (sim_of(&Game { name: "test", land, build }, 20, 40), sim());
    let schema: serde_json::Value = serde_json::from_str(with.schema().0).expect("JSON");
    assert_eq!(schema["tables"]["items"][0]["name"], "wood");
    assert!(!without.schema().0.contains("tables"));
}

#[test]
#[should_panic(expected = "more than 65536")]
fn a_table_is_not_larger_than_clients_take() {
    fn build(area: &mut Builder, _: &Setup<'_>) {
        area.table("items", serde_json::json!("x".repeat(65_536)));
    }
    sim_of(&Game { name: "test", land, build }, 20, 40);
}

/// What two versions of a game keep.
mod keeping {
    use super::*;

    #[derive(Resource, Replicate, Debug, Clone, PartialEq, Default)]
    struct Weather {
        rain: f32,
    }

    #[derive(Resource, Replicate, Debug, Clone, PartialEq, Default)]
    #[replicate(name = "Weather", version = 2)]
    struct NewWeather {
        rain: f32,
        clouds: Vec<String>,
    }

    #[derive(Component, Replicate, Debug, Clone, PartialEq, Default)]
    struct Chest {
        coins: u64,
    }

    fn build_old(area: &mut Builder, _: &Setup<'_>) {
        area.kind("chest");
        area.component::<Chest>().saved::<Weather>();
    }

    fn build_new(area: &mut Builder, _: &Setup<'_>) {
        area.kind("ghost");
        area.kind("chest");
        area.component::<Wings>().component::<Chest>().saved::<NewWeather>();
    }

    const OLD: Game = Game { name: "old", land, build: build_old };
    const NEW: Game = Game { name: "new", land, build: build_new };

    fn chests(sim: &mut Sim) -> Vec<(Kind, Position, u64)> {
        let all = |sim: &mut Sim| {
            let mut found: Vec<_> = sim
                .ecs()
                .query_filtered::<(&Kind, &Position, &Chest), With<crate::Kept>>()
                .iter(sim.ecs())
                .map(|(kind, at, chest)| (*kind, *at, chest.coins))
                .collect();
            found.sort_by_key(|found| found.2);
            found
        };
        all(sim)
    }

    /// Through an older version and back: nothing is lost, nothing comes twice.
    #[test]
    fn what_is_kept_is_there_again_in_every_version() {
        let mut new = sim_of(&NEW, 20, 40);
        character(&mut new, "Ada", (5.0, 5.0));
        let weather = NewWeather { rain: 0.5, clouds: vec!["cirrus".into()] };
        new.ecs().insert_resource(weather.clone());
        new.terrain().set_tile(3, 4, 9);
        let at = Position { x: 1.25, y: 2.5 };
        new.ecs().spawn((crate::Kept, Kind(2), at, Chest { coins: 7 }, Wings { span: 1.5 }));
        new.ecs().spawn((crate::Kept, Kind(1), at));
        new.ecs().spawn((Kind(2), at, Chest { coins: 8 }));
        new.step(1.0);
        let there = new.save();
        assert_eq!((there.left_out, new.save()), (0, there.clone()), "the same again if nothing changed");

        let mut old = sim_of(&OLD, 20, 40);
        assert_eq!(old.restore(&there.bytes), Ok(0));
        assert_eq!(chests(&mut old), [(Kind(1), at, 7)], "its kind by name, and only what is kept");
        assert_eq!(old.terrain().tile(3, 4), 9);
        assert_eq!(old.ecs().resource::<Weather>(), &Weather { rain: 0.5 });
        old.step(1.0);
        let entity = old.ecs().query_filtered::<Entity, With<Chest>>().single(old.ecs()).expect("one");
        old.ecs().get_mut::<Chest>(entity).expect("a chest").coins = 70;
        let back = old.save().bytes;

        let mut new = sim_of(&NEW, 20, 40);
        assert_eq!(new.restore(&back), Ok(0));
        assert_eq!(chests(&mut new), [(Kind(2), at, 70)]);
        assert_eq!(new.ecs().resource::<NewWeather>(), &weather);
        let wings = new.ecs().query::<(&Wings, &Chest)>().iter(new.ecs()).map(|(wings, _)| wings.span).next();
        assert_eq!(wings, Some(1.5), "unknown there, kept all the same");
        let ghosts = new.ecs().query::<&Kind>().iter(new.ecs()).filter(|kind| kind.0 == 1).count();
        assert_eq!(ghosts, 1, "an unknown kind too");
    }

    /// A pack of the whole in two parts, and those as one: everything once, on its side.
    #[test]
    fn parts_take_what_lies_on_their_ground() {
        let whole = Rect { x0: 0, y0: 0, x1: 40, y1: 40 };
        let (west, east) = (Rect { x1: 20, ..whole }, Rect { x0: 20, ..whole });
        let on = |ground: Rect| {
            let mut sim = sim_of(&NEW, 20, 40);
            sim.ecs().insert_resource(crate::Extent(ground));
            sim.ecs().insert_resource(NewWeather::default());
            sim
        };
        let coins = |sim: &mut Sim| {
            let mut all: Vec<u64> =
                sim.ecs().query::<&Chest>().iter(sim.ecs()).map(|chest| chest.coins).collect();
            all.sort_unstable();
            all
        };
        let mut sim = on(whole);
        for (x, coins) in [(1.0, 7), (20.0, 8)] {
            sim.ecs().spawn((crate::Kept, Kind(2), Position { x, y: 1.0 }, Chest { coins }));
        }
        // The last one has just walked over the border.
        for (x, coins) in [(19.9, 9), (25.0, 10), (41.0, 11)] {
            sim.ecs().spawn((crate::Carried, Kind(2), Position { x, y: 1.0 }, Chest { coins }));
        }
        sim.terrain().set_tile(3, 4, 9);
        sim.terrain().set_tile(20, 4, 9);
        // A kept one that stands nowhere is the north-western part's.
        sim.ecs().spawn((crate::Kept, Kind(2), Chest { coins: 6 }));
        let pack = sim.pack();
        let mut parts = [west, east].map(on);
        for part in &mut parts {
            part.unpack(&pack, Some(whole)).expect("a pack");
        }
        let [mut first, mut second] = parts;
        assert_eq!((coins(&mut first), coins(&mut second)), (vec![6, 7, 9], vec![8, 10, 11]));
        let altered = |sim: &mut Sim| sim.terrain().altered().keys().copied().collect::<Vec<_>>();
        assert_eq!((altered(&mut first), altered(&mut second)), (vec![(3, 4)], vec![(20, 4)]));
        for (ground, strays, kept) in [(west, true, vec![6, 7]), (east, false, vec![8])] {
            let (tick, save) = crate::pack::saved(&pack, strays).expect("a pack");
            let mut again = on(ground);
            assert_eq!((again.restore(&save), tick, coins(&mut again)), (Ok(0), sim.tick(), kept));
        }
        let both = crate::pack::join(&first.pack(), &second.pack()).expect("two packs");
        let mut one = on(whole);
        one.unpack(&both, None).expect("a pack");
        assert_eq!((coins(&mut one), altered(&mut one)), (vec![6, 7, 8, 9, 10, 11], vec![(3, 4), (20, 4)]));
        for cut in 0..both.len() {
            assert_eq!(crate::pack::join(&both[..cut], &both), Err(Malformed), "cut at {cut}");
        }
    }

    #[test]
    fn a_cut_save_is_refused() {
        let mut sim = sim_of(&NEW, 20, 40);
        sim.ecs().insert_resource(NewWeather::default());
        sim.terrain().set_tile(3, 4, 9);
        sim.ecs().spawn((crate::Kept, Kind(2), Position::default(), Chest { coins: 7 }));
        let save = sim.save().bytes;
        for cut in 0..save.len() {
            assert_eq!(sim_of(&NEW, 20, 40).restore(&save[..cut]), Err(Malformed), "cut at {cut}");
        }
        assert_eq!(sim_of(&NEW, 20, 40).restore(&[&save[..], &[0]].concat()), Err(Malformed));
    }
}
