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
mod copied;
mod inputs;
mod kept;
mod resumed;
mod schema;
mod told;
mod versions;

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
    /// How many of its updates were whole.
    wholes: u32,
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

    /// It lost its line, and perhaps the last updates, and comes back with what it knows.
    fn resume(&mut self, acked: u32) {
        let view = std::mem::take(&mut self.view);
        (self.view, self.acked) = (view.resume(self.tick, self.order.clone(), acked), acked);
    }

    fn read(&mut self, update: Update) {
        self.wholes += u32::from(update.whole);
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
