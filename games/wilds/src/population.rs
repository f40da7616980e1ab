//! Lairs. Where they are and whose follows from the seed and the place alone; their creatures are there only
//! while somebody is near, so an endless world costs where players are.

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::prelude::*;
use pangea_engine::walk::{Point, is_free, nearest_free};
use pangea_engine::{
    Builder, Carried, Clock, Dice, Extent, Ghost, Gid, Gids, Pass, Position, Replicate, Setup, Terrain,
};
use pangea_world::frames::tile;
use pangea_world::space::Ground;
use pangea_world::world::Kind;

use crate::census::{inside, period, square};
use crate::health::{Body, IsCharacter, Trail, Wound};
use crate::land::{doorsteps, mix, salt_of};
use crate::mind::{Mind, Way};
use crate::species::{Kinds, Species};

/// There is at most one lair in each square of this side, metres.
pub const CELL_M: i32 = 64;
/// Cells with a lair, of a hundred.
const LAIRS_OF_100: u64 = 70;
/// A lair wakes when a character is so near, metres.
pub const WAKES_M: f64 = 100.0;
/// It sleeps when nobody was so near for [`SLEEPS_AFTER_S`].
pub const SLEEPS_M: f64 = 160.0;
/// Seconds.
pub const SLEEPS_AFTER_S: u64 = 10;
/// No creature lives or hunts so near to a spawn or a portal's end, metres.
pub const DOORSTEP_M: f64 = 30.0;
/// After this time another one takes the place of one that died, seconds.
pub const REFILL_S: u64 = 120;
/// Nobody sees it come: no character is so near to the lair, metres.
const UNSEEN_M: f64 = 20.0;
/// Most creatures that are awake in an area.
pub const MOST_AWAKE: usize = 5_000;
/// Most cells that are remembered; beyond it those asleep are forgotten.
const MOST_CELLS: usize = 4_096;

/// A square of the ground, in units of [`CELL_M`].
pub type Cell = (i32, i32);

/// The lair that a creature belongs to.
#[derive(Component, Replicate, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Member {
    #[replicate(server)]
    x: i32,
    #[replicate(server)]
    y: i32,
}

impl Member {
    /// Of the lair in this cell.
    pub fn of((x, y): Cell) -> Self {
        Self { x, y }
    }

    /// The cell of its lair, here or in a neighbouring area.
    pub fn cell(&self) -> Cell {
        (self.x, self.y)
    }
}

/// One lair.
#[derive(Debug, Clone)]
pub struct Lair {
    /// Whose.
    pub species: Species,
    /// Where, metres.
    pub at: Point,
    /// How many live there.
    pub size: u8,
    /// Since which tick nobody was near; `None`: asleep.
    awake: Option<u64>,
    /// The ticks in which others take the places of those that died.
    refills: Vec<u64>,
}

/// The lairs of an area.
#[derive(Resource, Debug)]
pub struct Lairs {
    salt: u64,
    doorsteps: Vec<Point>,
    /// `None`: the cell has none.
    cells: BTreeMap<Cell, Option<Lair>>,
}

/// Declares creatures.
pub fn build(area: &mut Builder, setup: &Setup<'_>) {
    let kinds = Kinds::declare(area);
    area.component::<Member>().on_pass(settle);
    area.ecs.insert_resource(kinds);
    area.ecs.insert_resource(Lairs {
        salt: mix(salt_of(setup.world, setup.ground) ^ 4),
        doorsteps: doorsteps(setup.world, setup.ground),
        cells: BTreeMap::new(),
    });
    if is_wild(setup) {
        area.system(wake).system(sleep);
    }
}

/// Whether anything lives and grows here beside the players.
pub fn is_wild(setup: &Setup<'_>) -> bool {
    let is_lobby = match (&setup.world.kind, setup.ground) {
        (Kind::Maps(maps), Ground::Map(name)) => maps.map(name).is_ok_and(|map| map.lobby),
        _ => false,
    };
    setup.world.creatures && !is_lobby
}

impl Lairs {
    /// Whether no creature lives or hunts there.
    pub fn is_doorstep(&self, at: Point) -> bool {
        self.is_near_doorstep(at, DOORSTEP_M)
    }

    fn is_near_doorstep(&self, at: Point, radius_m: f64) -> bool {
        self.doorsteps.iter().any(|door| square(*door, at) < radius_m * radius_m)
    }

    /// The lair of a cell, if there is one.
    pub fn lair(&mut self, cell: Cell, extent: &Extent, terrain: &mut Terrain) -> Option<&mut Lair> {
        if !self.cells.contains_key(&cell) {
            if self.cells.len() >= MOST_CELLS {
                self.cells.retain(|_, lair| {
                    lair.as_ref().is_some_and(|lair| lair.awake.is_some() || !lair.refills.is_empty())
                });
            }
            let lair = self.found(cell, extent, terrain);
            self.cells.insert(cell, lair);
        }
        self.cells.get_mut(&cell)?.as_mut()
    }

    /// What the seed says of a cell.
    fn found(&self, cell: Cell, extent: &Extent, terrain: &mut Terrain) -> Option<Lair> {
        let mut roll = mix(mix(self.salt ^ u64::from(cell.0 as u32)) ^ u64::from(cell.1 as u32) << 20);
        let mut next = |below: u64| {
            roll = mix(roll);
            roll % below
        };
        if next(100) >= LAIRS_OF_100 {
            return None;
        }
        let species = match next(100) {
            0..35 => Species::Rabbit,
            35..60 => Species::Deer,
            60..78 => Species::Boar,
            _ => Species::Wolf,
        };
        let nature = species.nature();
        let size = nature.herd.0 + next(u64::from(nature.herd.1 - nature.herd.0) + 1) as u8;
        for _ in 0..4 {
            let mut along = |from: i32| f64::from(from * CELL_M) + 4.5 + next(CELL_M as u64 - 8) as f64;
            let at = (along(cell.0), along(cell.1));
            if !inside(extent, at, 4.0) || self.is_near_doorstep(at, DOORSTEP_M + nature.roam_m) {
                continue;
            }
            let ground = terrain.tile(at.0.floor() as i32, at.1.floor() as i32);
            let suits = matches!(ground, tile::GRASS | tile::MEADOW)
                || (ground == tile::STONE && species == Species::Wolf);
            if suits && is_free(terrain, at) {
                return Some(Lair { species, at, size, awake: None, refills: Vec::new() });
            }
        }
        None
    }
}

/// The cell of a point.
pub fn cell_of((x, y): Point) -> Cell {
    ((x / f64::from(CELL_M)).floor() as i32, (y / f64::from(CELL_M)).floor() as i32)
}

/// The cells within which a lair may wake for somebody here.
fn cells_near(at: Point) -> impl Iterator<Item = Cell> {
    let reach = (WAKES_M / f64::from(CELL_M)).ceil() as i32;
    let (x, y) = cell_of(at);
    (-reach..=reach).flat_map(move |dy| (-reach..=reach).map(move |dx| (x + dx, y + dy)))
}

/// Twice a second: lairs near characters wake, and those whose creatures died get others.
#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
fn wake(
    mut commands: Commands,
    clock: Res<Clock>,
    extent: Res<Extent>,
    kinds: Res<Kinds>,
    mut lairs: ResMut<Lairs>,
    mut terrain: ResMut<Terrain>,
    mut dice: ResMut<Dice>,
    characters: Query<&Position, (IsCharacter, Allow<Ghost>)>,
    members: Query<(&Member, Has<Ghost>)>,
) {
    if !clock.tick.is_multiple_of(u64::from(clock.hz / 2).max(1)) {
        return;
    }
    let people: Vec<Point> = characters.iter().map(|position| position.point()).collect();
    let nearest = |at: Point| people.iter().map(|one| square(*one, at)).fold(f64::INFINITY, f64::min);
    let cells: BTreeSet<Cell> = people.iter().flat_map(|at| cells_near(*at)).collect();
    let mut count = members.iter().filter(|(_, is_ghost)| !is_ghost).count();
    let mut living: BTreeMap<Cell, usize> = BTreeMap::new();
    members.iter().for_each(|(member, _)| *living.entry(member.cell()).or_default() += 1);
    for cell in cells {
        let Some(lair) = lairs.lair(cell, &extent, &mut terrain) else { continue };
        let away = nearest(lair.at);
        let mut born = 0;
        if lair.awake.is_none() {
            if away > WAKES_M * WAKES_M || count + usize::from(lair.size) > MOST_AWAKE {
                continue;
            }
            lair.refills.retain(|due| *due > clock.tick);
            // Of one whose area came from another process the creatures came along.
            let there = living.get(&cell).copied().unwrap_or(0);
            born = usize::from(lair.size).saturating_sub(lair.refills.len() + there);
            lair.awake = Some(clock.tick);
        } else {
            // Who died, or went so far beyond the border that it is not seen, gets a successor.
            let there = living.get(&cell).copied().unwrap_or(0) + lair.refills.len();
            let due = clock.tick + REFILL_S * u64::from(clock.hz);
            lair.refills.extend((there..usize::from(lair.size)).map(|_| due));
            if away > UNSEEN_M * UNSEEN_M && count < MOST_AWAKE {
                let before = lair.refills.len();
                lair.refills.retain(|due| *due > clock.tick);
                born += before - lair.refills.len();
            }
        }
        count += born;
        for _ in 0..born {
            let at = (lair.at.0 + dice.between(-3.0, 3.0), lair.at.1 + dice.between(-3.0, 3.0));
            let at = nearest_free(&mut terrain, extent.0, at);
            let turn = u64::from(dice.below(period(&clock) as u32));
            commands.spawn(creature(&kinds, lair.species, cell, lair.at, at, turn));
        }
    }
}

/// A new creature.
pub fn creature(
    kinds: &Kinds,
    species: Species,
    cell: Cell,
    home: Point,
    at: Point,
    turn: u64,
) -> impl Bundle + use<> {
    (
        kinds.of(species),
        Position { x: at.0, y: at.1 },
        Mind::at_home(species, home),
        Way::of_turn(turn),
        Body::well(species.nature().health),
        Trail::from(at),
        Wound::default(),
        Member::of(cell),
        Carried,
    )
}

/// A creature goes over a border with what is declared; the rest it gets here anew.
fn settle(ecs: &mut World, creature: Entity, pass: Pass) {
    let Some(mut mind) = ecs.get::<Mind>(creature).copied() else { return };
    let target = ecs.get::<Way>(creature).and_then(|way| way.target);
    match pass {
        Pass::Out => {
            let prey = target.and_then(|target| ecs.get::<Gid>(target));
            mind.prey = prey.copied().unwrap_or_default();
            ecs.entity_mut(creature).insert(mind);
        }
        Pass::In => {
            let period = period(ecs.resource::<Clock>()) as u32;
            let turn = u64::from(ecs.resource_mut::<Dice>().below(period));
            let target = ecs.resource::<Gids>().find(mind.prey);
            let at = ecs.get::<Position>(creature).map_or(mind.home(), |position| position.point());
            let mut way = Way::of_turn(turn);
            way.target = target;
            ecs.entity_mut(creature).insert((way, Trail::from(at), Wound::default()));
        }
    }
}

/// Twice a second: lairs that nobody was near to for a while sleep, and their creatures are gone.
fn sleep(
    mut commands: Commands,
    clock: Res<Clock>,
    mut lairs: ResMut<Lairs>,
    characters: Query<&Position, (IsCharacter, Allow<Ghost>)>,
    members: Query<(Entity, &Member, &Position)>,
) {
    if !clock.tick.is_multiple_of(u64::from(clock.hz / 2).max(1)) {
        return;
    }
    let people: Vec<Point> = characters.iter().map(|position| position.point()).collect();
    let mut asleep = BTreeSet::new();
    for (cell, lair) in &mut lairs.cells {
        let Some(lair) = lair else { continue };
        let Some(since) = &mut lair.awake else { continue };
        if people.iter().any(|one| square(*one, lair.at) < SLEEPS_M * SLEEPS_M) {
            *since = clock.tick;
        } else if clock.tick.saturating_sub(*since) >= SLEEPS_AFTER_S * u64::from(clock.hz) {
            lair.awake = None;
            asleep.insert(*cell);
        }
    }
    for (entity, member, position) in &members {
        let cell = member.cell();
        // One from beyond the border has nobody here who looks after it.
        let is_stray = || !matches!(lairs.cells.get(&cell), Some(Some(lair)) if lair.awake.is_some());
        let is_alone = || people.iter().all(|one| square(*one, position.point()) >= SLEEPS_M * SLEEPS_M);
        if asleep.contains(&cell) || (is_stray() && is_alone()) {
            commands.entity(entity).despawn();
        }
    }
}
