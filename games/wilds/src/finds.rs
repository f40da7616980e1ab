//! Herbs and chests. Where they are follows from the seed and the place alone; they show where players are,
//! and come again some time after they were taken.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use pangea_engine::walk::{Point, is_free};
use pangea_engine::{Builder, Clock, Dice, Extent, Ghost, Kind, Ledger, Position, Setup, Terrain};
use pangea_world::frames::tile;
use pangea_world::ledger::Bundle;
use pangea_world::spot;

use crate::census::{inside, square};
use crate::health::IsCharacter;
use crate::items::goods;
use crate::land::{mix, salt_of};
use crate::loot::{Source, number, purse};
use crate::path::tile_at;
use crate::population::is_wild;

/// Within this distance of a character they show, metres.
const SHOWS_M: f64 = 70.0;
/// Most that show in an area; beyond it those far from everybody are put away.
const MOST: usize = 4_096;

/// What can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Herb,
    Chest,
}

/// What is the same for all of a kind.
struct Nature {
    /// There is at most one in each square of this side, metres.
    cell_m: i32,
    /// Squares with one, of a hundred.
    of_100: u64,
    /// Seconds until it is there again.
    comes_again_s: u64,
    /// Of its numbers as a source.
    tag: u64,
}

impl What {
    const ALL: [Self; 2] = [Self::Herb, Self::Chest];

    fn nature(self) -> Nature {
        match self {
            Self::Herb => Nature { cell_m: 24, of_100: 45, comes_again_s: 300, tag: number::HERB },
            Self::Chest => Nature { cell_m: 96, of_100: 45, comes_again_s: 1_800, tag: number::CHEST },
        }
    }

    fn gives(self, dice: &mut Dice) -> Bundle {
        match self {
            Self::Herb if dice.one_in(4) => purse(vec![goods("mushroom", 1 + dice.below(2))], 0),
            Self::Herb => purse(vec![goods("herb", 1 + dice.below(2))], 0),
            Self::Chest => {
                let inside = match dice.below(8) {
                    0 => goods("gem", 1),
                    1 | 2 => goods("iron", 1 + dice.below(3)),
                    3 | 4 => goods("rope", 1),
                    5 => goods("salve", 1),
                    _ => goods("bread", 2),
                };
                purse(vec![inside], 8 + i64::from(dice.below(20)))
            }
        }
    }
}

/// A square of the ground, in units of its kind's side.
type Cell = (i32, i32);

/// What shows.
#[derive(Resource, Debug)]
struct Finds {
    salt: u64,
    kinds: [Kind; What::ALL.len()],
    shown: BTreeMap<(What, Cell), (Entity, Point)>,
}

/// Declares them.
pub fn build(area: &mut Builder, setup: &Setup<'_>) {
    let kinds = [area.kind("herb"), area.kind("chest")];
    let salt = mix(salt_of(setup.world, setup.ground) ^ 5);
    area.ecs.insert_resource(Finds { salt, kinds, shown: BTreeMap::new() });
    if is_wild(setup) {
        area.system(show);
    }
}

impl Finds {
    /// Where the seed puts one.
    fn place(&self, what: What, cell: Cell, extent: &Extent, terrain: &mut Terrain) -> Option<Point> {
        let Nature { cell_m, of_100, tag, .. } = what.nature();
        let mut roll = mix(mix(self.salt ^ tag ^ u64::from(cell.0 as u32)) ^ u64::from(cell.1 as u32) << 20);
        let mut next = |below: u64| {
            roll = mix(roll);
            roll % below
        };
        if next(100) >= of_100 {
            return None;
        }
        let mut along = |from: i32| f64::from(from) * f64::from(cell_m) + 0.5 + next(cell_m as u64) as f64;
        let at = (along(cell.0), along(cell.1));
        let ground = terrain.tile(at.0.floor() as i32, at.1.floor() as i32);
        let suits = matches!(ground, tile::GRASS | tile::MEADOW) && is_free(terrain, at);
        (suits && inside(extent, at, 1.0)).then_some(at)
    }
}

/// Each second: what is near a character and has something to give shows.
#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
fn show(
    mut commands: Commands,
    clock: Res<Clock>,
    extent: Res<Extent>,
    ledger: Res<Ledger>,
    mut finds: ResMut<Finds>,
    mut terrain: ResMut<Terrain>,
    mut dice: ResMut<Dice>,
    characters: Query<&Position, (IsCharacter, Allow<Ghost>)>,
    sources: Query<(), With<Source>>,
) {
    if !clock.tick.is_multiple_of(u64::from(clock.hz)) {
        return;
    }
    let people: Vec<Point> = characters.iter().map(|position| position.point()).collect();
    finds.shown.retain(|_, (entity, _)| sources.contains(*entity));
    if finds.shown.len() > MOST / 2 {
        finds.shown.retain(|_, (entity, at)| {
            let near = people.iter().any(|one| square(*one, *at) < 4.0 * SHOWS_M * SHOWS_M);
            if !near {
                commands.entity(*entity).despawn();
            }
            near
        });
    }
    for what in What::ALL {
        let Nature { cell_m, comes_again_s, tag, .. } = what.nature();
        let cells = people.iter().flat_map(|at| cells_near(*at, cell_m));
        for cell in cells.collect::<std::collections::BTreeSet<Cell>>() {
            if finds.shown.len() >= MOST || finds.shown.contains_key(&(what, cell)) {
                continue;
            }
            let Some((x, y)) = finds.place(what, cell, &extent, &mut terrain) else { continue };
            let source = tag | spot::source(tile_at((x, y)));
            let spent = ledger.spent(source);
            if spent > 0 && clock.tick < spent + comes_again_s * u64::from(clock.hz) {
                continue;
            }
            let source = Source::new(source, what.gives(&mut dice));
            let entity = commands.spawn((finds.kinds[what as usize], Position { x, y }, source)).id();
            finds.shown.insert((what, cell), (entity, (x, y)));
        }
    }
}

fn cells_near(at: Point, cell_m: i32) -> impl Iterator<Item = Cell> {
    let reach = (SHOWS_M / f64::from(cell_m)).ceil() as i32;
    let along = |v: f64| (v / f64::from(cell_m)).floor() as i32;
    let (x, y) = (along(at.0), along(at.1));
    (-reach..=reach).flat_map(move |dy| (-reach..=reach).map(move |dx| (x + dx, y + dy)))
}
