//! Felling trees and breaking rocks: three strokes, and all see the tile change; after minutes it grows back.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use pangea_engine::walk::Stunned;
use pangea_engine::{
    Allowance, Builder, Clock, Input, Inputs, Net, Outbox, Position, Replicate, Setup, Terrain, To,
};
use pangea_world::frames::tile;

use crate::census::{Census, One, square};
use crate::health::IsCharacter;
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

/// What was struck and still stands: strokes so far, and the tick of the last. What is felled is what the
/// terrain has altered.
#[derive(Resource, Debug, Default)]
struct Struck(BTreeMap<Tile, (u8, u64)>);

/// Declares it.
pub fn build(area: &mut Builder, _: &Setup<'_>) {
    area.ecs.insert_resource(Struck::default());
    area.input::<Gather>(Allowance::in_ten_ticks(4)).event::<Gathered>();
    area.on_enter(|ecs, entity, _| {
        ecs.entity_mut(entity).insert(Tool::default());
    });
    area.system(stroke).system(grow_back);
}

/// A character that may strike.
type Gatherer<'a> = (&'a Net, &'a Position, &'a mut Inputs<Gather>, &'a mut Tool, Has<Stunned>);

fn stroke(
    clock: Res<Clock>,
    mut struck: ResMut<Struck>,
    mut terrain: ResMut<Terrain>,
    mut outbox: ResMut<Outbox>,
    mut characters: Query<Gatherer<'_>, IsCharacter>,
) {
    for (net, position, mut inputs, mut tool, stunned) in &mut characters {
        if inputs.is_empty() {
            continue;
        }
        for Gather { x, y } in inputs.drain() {
            let near = square(middle((x, y)), position.point()) <= REACH_M * REACH_M;
            if stunned || !near || clock.tick < tool.ready {
                continue;
            }
            let what = terrain.tile(x, y);
            let (tile::TREE | tile::ROCK) = what else { continue };
            if terrain.altered().len() >= MOST {
                continue;
            }
            let Some(left) = struck.stroke((x, y), &clock) else { continue };
            tool.ready = clock.tick + (COOLDOWN_S * f64::from(clock.hz)).ceil() as u64;
            outbox.send(To::Near(position.point(), SEEN_FROM_M), &Gathered { what, by: net.0, x, y, left });
            if left == 0 {
                terrain.set_tile(x, y, if what == tile::TREE { tile::GRASS } else { tile::STONE });
            }
        }
    }
}

impl Struck {
    /// One stroke; how many are left, or `None` if too many are begun.
    fn stroke(&mut self, at: Tile, clock: &Clock) -> Option<u8> {
        if self.0.len() >= MOST && !self.0.contains_key(&at) {
            return None;
        }
        let (strokes, last) = self.0.entry(at).or_insert((0, clock.tick));
        *strokes += 1;
        *last = clock.tick;
        let left = STROKES.saturating_sub(*strokes);
        if left == 0 {
            self.0.remove(&at);
        }
        Some(left)
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
    struck.0.retain(|_, (_, last)| clock.tick.saturating_sub(*last) < HEALS_S * hz);
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
