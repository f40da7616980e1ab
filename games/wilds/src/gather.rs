//! Felling trees and breaking rocks: three strokes, and when the ledger has what they give, all see the tile
//! change; after minutes it grows back.

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::prelude::*;
use pangea_engine::ledger::who;
use pangea_engine::walk::Stunned;
use pangea_engine::{
    Allowance, Builder, CharacterIs, Clock, Dice, Extent, Input, Inputs, Ledger, Net, Position, Replicate,
    Right, Rights, Setup, Terrain, To,
};
use pangea_world::Code;
use pangea_world::frames::tile;
use pangea_world::ledger::{Act, Bundle, Source};
use pangea_world::spot;

use crate::census::{Census, One, square};
use crate::deeds::{Asking, Deed, Deeds};
use crate::gear::Gear;
use crate::health::IsCharacter;
use crate::items::goods;
use crate::loot::number;
use crate::path::{Tile, middle};

/// How far the middle of a tile may be, metres.
pub const REACH_M: f64 = 1.6;
/// Strokes that fell it.
pub const STROKES: u8 = 3;
/// Seconds between two strokes.
pub const COOLDOWN_S: f64 = 0.5;
/// Seconds after which it has grown back.
pub const GROWS_BACK_S: u64 = 240;
/// A tree that nobody strikes for so long is whole again, seconds.
const HEALS_S: u64 = 30;
/// Most tiles that are felled, and most that are begun; beyond it no other one can be begun.
const MOST: usize = 16_384;
/// How far it is seen, metres.
const SEEN_FROM_M: f64 = 60.0;

/// Strike at a tree or a rock.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    /// Its tile's north-west corner, metres.
    pub x: i32,
    /// Its tile's north-west corner, metres.
    pub y: i32,
}

impl Input for Gather {}

/// Somebody struck at a tree or a rock; to all who see it.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    /// The kind of the tile: [`tile::TREE`] or [`tile::ROCK`].
    pub what: u8,
    /// Who.
    pub by: u16,
    /// The tile.
    pub x: i32,
    /// The tile.
    pub y: i32,
    /// Strokes that are left; 0: it is felled.
    pub left: u8,
}

/// When a character may strike again, in ticks.
#[derive(Component, Debug, Clone, Copy, Default)]
struct Tool {
    ready: u64,
}

/// What was struck and still stands. What is felled is what the terrain has altered.
#[derive(Resource, Debug, Default)]
struct Struck {
    /// Strokes so far, and the tick of the last.
    begun: BTreeMap<Tile, (u8, u64)>,
    /// The ledger was asked for what they give; nobody strikes at them.
    asked: BTreeSet<Tile>,
}

/// Declares it.
pub fn build(area: &mut Builder, _: &Setup<'_>) {
    area.ecs.insert_resource(Struck::default());
    area.input::<Gather>(Allowance::in_ten_ticks(4)).event::<Gathered>();
    area.on_enter(|ecs, entity, _| {
        ecs.entity_mut(entity).insert(Tool::default());
    });
    area.system(is_felled).system(stroke).system(grow_back);
}

/// A character that may strike.
type Gatherer<'a> = (
    Entity,
    &'a CharacterIs,
    (&'a Net, &'a Position, Option<&'a Gear>),
    &'a mut Inputs<Gather>,
    &'a mut Tool,
    Has<Stunned>,
);

fn stroke(
    (clock, extent): (Res<Clock>, Res<Extent>),
    mut asking: Asking<'_>,
    mut struck: ResMut<Struck>,
    mut terrain: ResMut<Terrain>,
    mut dice: ResMut<Dice>,
    rights: Rights<'_, '_>,
    mut characters: Query<Gatherer<'_>, IsCharacter>,
) {
    for (by, CharacterIs(character), (net, position, gear), mut inputs, mut tool, stunned) in &mut characters
    {
        if inputs.is_empty() {
            continue;
        }
        for Gather { x, y } in inputs.drain() {
            let near = square(middle((x, y)), position.point()) <= REACH_M * REACH_M;
            if stunned || !near || clock.tick < tool.ready || struck.asked.contains(&(x, y)) {
                continue;
            }
            if !extent.0.contains(f64::from(x), f64::from(y)) {
                asking.refuse(by, "too_far", "that stands beyond the border: go there first");
                continue;
            }
            let what = terrain.tile(x, y);
            let (tile::TREE | tile::ROCK) = what else { continue };
            if let Err(whose) = rights.may(by, Right::Gather) {
                asking.refuse_with(by, Code::Forbidden, &format!("this ground belongs to {whose}"));
                continue;
            }
            if terrain.altered().len() >= MOST {
                continue;
            }
            let Some(left) = struck.stroke((x, y), &clock) else { continue };
            tool.ready = clock.tick + (COOLDOWN_S * f64::from(clock.hz)).ceil() as u64;
            let seen = To::Near(position.point(), SEEN_FROM_M);
            asking.outbox.send(seen, &Gathered { what, by: net.0, x, y, left });
            if left > 0 {
                continue;
            }
            let source = Source { number: number::TILE | spot::source((x, y)), life: clock.tick };
            let gets = gives(what, gear.is_some_and(Gear::has_axe), &mut dice);
            let act = Act::Pick { who: who(*character), source, gets };
            if asking.ask(by, *character, act, Deed::Fell((x, y))) {
                struck.asked.insert((x, y));
            } else {
                struck.stands((x, y), &clock);
            }
        }
    }
}

/// What a tree or a rock has.
fn gives(what: u8, has_axe: bool, dice: &mut Dice) -> Bundle {
    let count = 2 + dice.below(2) + u32::from(has_axe);
    if what == tile::TREE {
        return Bundle::goods([goods("wood", count)]);
    }
    let mut found = vec![goods("stone", count)];
    match dice.below(30) {
        0 => found.push(goods("gem", 1)),
        1..9 => found.push(goods("iron", 1)),
        _ => {}
    }
    Bundle::goods(found)
}

/// What the ledger has given, falls; what it could not give, stands.
fn is_felled(
    clock: Res<Clock>,
    extent: Res<Extent>,
    ledger: Res<Ledger>,
    deeds: Res<Deeds>,
    mut struck: ResMut<Struck>,
    mut terrain: ResMut<Terrain>,
    mut looked: Local<bool>,
) {
    for (open, outcome) in deeds.settled() {
        let Deed::Fell(at) = open.deed else { continue };
        struck.asked.remove(&at);
        match outcome {
            Err(refusal) if refusal.code != Code::SourceSpent => struck.stands(at, &clock),
            _ => fell(&mut terrain, at),
        }
    }
    if !std::mem::replace(&mut *looked, true) {
        // What was felled shortly before the area ended, and later than it was saved.
        let grows = GROWS_BACK_S * u64::from(clock.hz);
        for (source, life) in ledger.all_spent() {
            if source >> 56 == number::TILE >> 56 && clock.tick < life + grows {
                fell(&mut terrain, spot::tile_of_source(&extent.0, source));
            }
        }
    }
}

fn fell(terrain: &mut Terrain, (x, y): Tile) {
    match terrain.tile(x, y) {
        tile::TREE => terrain.set_tile(x, y, tile::GRASS),
        tile::ROCK => terrain.set_tile(x, y, tile::STONE),
        _ => {}
    }
}

impl Struck {
    /// One stroke; how many are left, or `None` if too many are begun.
    fn stroke(&mut self, at: Tile, clock: &Clock) -> Option<u8> {
        if self.begun.len() >= MOST && !self.begun.contains_key(&at) {
            return None;
        }
        let (strokes, last) = self.begun.entry(at).or_insert((0, clock.tick));
        *strokes += 1;
        *last = clock.tick;
        let left = STROKES.saturating_sub(*strokes);
        if left == 0 {
            self.begun.remove(&at);
        }
        Some(left)
    }

    /// It could not give what it has: the last stroke counts for nothing.
    fn stands(&mut self, at: Tile, clock: &Clock) {
        self.begun.insert(at, (STROKES - 1, clock.tick));
    }
}

/// Each second: what is due grows back, unless somebody stands there.
fn grow_back(
    clock: Res<Clock>,
    census: Res<Census>,
    mut struck: ResMut<Struck>,
    mut terrain: ResMut<Terrain>,
) {
    let hz = u64::from(clock.hz);
    if !clock.tick.is_multiple_of(hz) {
        return;
    }
    struck.begun.retain(|_, (_, last)| clock.tick.saturating_sub(*last) < HEALS_S * hz);
    let is_due = |since: u64| clock.tick.saturating_sub(since) >= GROWS_BACK_S * hz;
    let due: Vec<(Tile, u8)> = terrain
        .altered()
        .iter()
        .filter(|(_, altered)| is_due(altered.since))
        .filter_map(|(at, altered)| match altered.kind {
            tile::GRASS => Some((*at, tile::TREE)),
            tile::STONE => Some((*at, tile::ROCK)),
            _ => None,
        })
        .collect();
    for (at, kind) in due {
        let (x, y) = middle(at);
        let is_inside = |one: &One| (one.at.0 - x).abs() < 0.8 && (one.at.1 - y).abs() < 0.8;
        if !census.near((x, y), 1.2).any(|(_, one)| is_inside(one)) {
            terrain.set_tile(at.0, at.1, kind);
        }
    }
}
