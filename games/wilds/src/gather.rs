//! Felling trees and breaking rocks: three strokes, and when the ledger has what they give, all see the tile
//! change; after minutes it grows back.

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::prelude::*;
use pangea_engine::ledger::who;
use pangea_engine::walk::Stunned;
use pangea_engine::{
    Allowance, Builder, Clock, Dice, Epoch, Extent, Ghost, Gid, Gids, Input, Inputs, Ledger, Letter, Letters,
    Net, Outbox, Position, Post, Replicate, Right, Rights, Setup, Terrain, To,
};
use pangea_world::Code;
use pangea_world::frames::tile;
use pangea_world::id::CharacterId;
use pangea_world::ledger::{Act, Bundle, Source, Who};
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

/// How much farther a stroke over the border may reach, metres: who strikes is seen where he was.
const AIM_M: f64 = 0.5;

/// To the areas around: somebody strikes at what stands there.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
struct Strike {
    by: Gid,
    epoch: u64,
    x: i32,
    y: i32,
}

/// To the areas around: somebody struck there.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
struct StrikeSeen {
    by: Gid,
    what: u8,
    x: i32,
    y: i32,
    left: u8,
}

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
    area.ecs.insert_resource(Strokes::default());
    area.input::<Gather>(Allowance::in_ten_ticks(4)).event::<Gathered>();
    area.letter::<Strike>().letter::<StrikeSeen>();
    area.on_enter(|ecs, entity, _| {
        ecs.entity_mut(entity).insert(Tool::default());
    });
    area.system(is_felled).system(strike).system(hear).system(stroke).system(watch).system(grow_back);
}

/// A character that may strike.
type Gatherer<'a> =
    (Entity, (&'a Gid, Option<&'a Epoch>, &'a Position), &'a mut Inputs<Gather>, &'a mut Tool, Has<Stunned>);

/// Strokes of this step at what stands here.
#[derive(Resource, Debug, Default)]
struct Strokes(Vec<(Entity, Who, Tile)>);

/// Who strikes, and from how far: what stands beyond the border is its owner's to judge.
fn strike(
    (clock, extent): (Res<Clock>, Res<Extent>),
    struck: Res<Struck>,
    mut post: ResMut<Post>,
    mut strokes: ResMut<Strokes>,
    mut terrain: ResMut<Terrain>,
    mut characters: Query<Gatherer<'_>, IsCharacter>,
) {
    for (one, (gid, epoch, position), mut inputs, mut tool, stunned) in &mut characters {
        if inputs.is_empty() {
            continue;
        }
        for Gather { x, y } in inputs.drain() {
            let near = square(middle((x, y)), position.point()) <= REACH_M * REACH_M;
            if stunned || !near || clock.tick < tool.ready || struck.asked.contains(&(x, y)) {
                continue;
            }
            let (tile::TREE | tile::ROCK) = terrain.tile(x, y) else { continue };
            tool.ready = clock.tick + rest(&clock);
            if extent.0.contains(f64::from(x), f64::from(y)) {
                strokes.0.push((one, who(CharacterId(gid.0)), (x, y)));
            } else {
                let epoch = epoch.map_or(0, |epoch| epoch.0);
                post.around(middle((x, y)), &Strike { by: *gid, epoch, x, y });
            }
        }
    }
}

/// Ticks between two strokes.
fn rest(clock: &Clock) -> u64 {
    (COOLDOWN_S * f64::from(clock.hz)).ceil() as u64
}

/// Who stands beyond the border, as it is seen here.
type Stranger<'a> = (&'a Position, Option<&'a mut Tool>);

/// What those beyond the border strike at here.
fn hear(
    (clock, extent, gids): (Res<Clock>, Res<Extent>, Res<Gids>),
    mut commands: Commands,
    struck: Res<Struck>,
    mut letters: ResMut<Letters<Strike>>,
    mut strokes: ResMut<Strokes>,
    mut strangers: Query<Stranger<'_>, (IsCharacter, With<Ghost>)>,
) {
    for Letter { says: Strike { by, epoch, x, y }, .. } in letters.drain() {
        let is_here = extent.0.contains(f64::from(x), f64::from(y)) && !struck.asked.contains(&(x, y));
        let Some(one) = gids.find(by).filter(|_| is_here) else { continue };
        let Ok((position, tool)) = strangers.get_mut(one) else { continue };
        let far_m = REACH_M + AIM_M;
        // Letters come unevenly.
        let early = u64::from(clock.hz) / 4;
        let is_early = tool.as_ref().is_some_and(|tool| clock.tick + early < tool.ready);
        if is_early || square(middle((x, y)), position.point()) > far_m * far_m {
            continue;
        }
        let ready = tool.as_ref().map_or(0, |tool| tool.ready).max(clock.tick) + rest(&clock);
        match tool {
            Some(mut tool) => tool.ready = ready,
            None => {
                commands.entity(one).insert(Tool { ready });
            }
        }
        let who = Who { character: CharacterId(by.0), epoch };
        strokes.0.push((one, who, (x, y)));
    }
}

/// Who strikes here, from either side of the border.
type Striker<'a> = (&'a Gid, &'a Net, &'a Position, Option<&'a Gear>, Option<&'a mut Tool>);

fn stroke(
    clock: Res<Clock>,
    mut asking: Asking<'_, '_>,
    (mut strokes, mut struck): (ResMut<Strokes>, ResMut<Struck>),
    mut terrain: ResMut<Terrain>,
    mut dice: ResMut<Dice>,
    rights: Rights<'_, '_>,
    mut strikers: Query<Striker<'_>, (IsCharacter, Allow<Ghost>)>,
) {
    for (by, who, at) in strokes.0.drain(..) {
        let Ok((gid, net, position, gear, tool)) = strikers.get_mut(by) else { continue };
        let what = terrain.tile(at.0, at.1);
        let (tile::TREE | tile::ROCK) = what else { continue };
        if let Err(whose) = rights.may(by, Right::Gather) {
            asking.refuse_with(by, Code::Forbidden, &format!("this ground belongs to {whose}"));
            // What is not allowed takes no time.
            if let Some(mut tool) = tool {
                tool.ready = clock.tick;
            }
            continue;
        }
        if terrain.altered().len() >= MOST || struck.asked.contains(&at) {
            continue;
        }
        let Some(left) = struck.stroke(at, &clock) else { continue };
        let seen = To::Near(position.point(), SEEN_FROM_M);
        asking.outbox.send(seen, &Gathered { what, by: net.0, x: at.0, y: at.1, left });
        asking.post.around(middle(at), &StrikeSeen { by: *gid, what, x: at.0, y: at.1, left });
        if left > 0 {
            continue;
        }
        let source = Source { number: number::TILE | spot::source(at), life: clock.tick };
        let gets = gives(what, gear.is_some_and(Gear::has_axe), &mut dice);
        let character = who.character;
        if asking.ask(by, character, Act::Pick { who, source, gets }, Deed::Fell(at)) {
            struck.asked.insert(at);
        } else {
            struck.stands(at, &clock);
        }
    }
}

/// Strokes beyond the border are seen here too.
fn watch(
    gids: Res<Gids>,
    mut letters: ResMut<Letters<StrikeSeen>>,
    mut outbox: ResMut<Outbox>,
    nets: Query<&Net, Allow<Ghost>>,
) {
    for Letter { says: StrikeSeen { by, what, x, y, left }, .. } in letters.drain() {
        if let Some(net) = gids.find(by).and_then(|by| nets.get(by).ok()) {
            let seen = To::Near(middle((x, y)), SEEN_FROM_M);
            outbox.send(seen, &Gathered { what, by: net.0, x, y, left });
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
