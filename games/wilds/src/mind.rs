//! What a creature wants: it looks around five times a second, and decides.

use bevy_ecs::prelude::*;
use pangea_engine::walk::Point;
use pangea_engine::{
    Builder, Clock, Dice, Extent, Field, Gid, Malformed, Net, Position, Replicate, Setup, Terrain,
};

use crate::census::{Census, inside, period, square};
use crate::day::is_night;
use crate::health::Blow;
use crate::moving::{bite, go};
use crate::path::{self, Tile};
use crate::population::Lairs;
use crate::species::Species;

/// From how far a wolf hunts rabbits and deer, metres.
const SCENTS_PREY_M: f64 = 16.0;
/// From how far it hunts characters by day, and at night.
const SCENTS_CHARACTER_M: (f64, f64) = (9.0, 13.0);
/// How far from its lair a hunter follows, metres.
const LEASH_M: f64 = 45.0;
/// How long it follows, seconds.
const HUNTS_S: f32 = 15.0;
/// How long one that was hurt is angry or afraid, seconds.
const MINDS_S: f32 = 8.0;
/// How long a hunter has enough, seconds: after a meal, and after a hunt in vain.
const SATED_S: (f32, f32) = (60.0, 12.0);
/// Most searches for a way in a tick.
const MOST_SEARCHES: u32 = 8;

/// What a creature is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Stands, looks, eats.
    #[default]
    Rest,
    /// Strolls about its lair.
    Roam,
    /// Runs from somebody.
    Flee,
    /// Runs after somebody.
    Hunt,
    /// Goes back to its lair.
    Home,
}

impl Field for State {
    fn kind() -> String {
        u8::kind()
    }
    fn put(&self, out: &mut Vec<u8>) {
        (*self as u8).put(out);
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let all = [Self::Rest, Self::Roam, Self::Flee, Self::Hunt, Self::Home];
        all.get(usize::from(u8::take(from)?)).copied().ok_or(Malformed)
    }
}

/// What a creature has in mind. Times are seconds that are left, so that another area can go on with it.
#[derive(Component, Replicate, Debug, Clone, Copy, PartialEq, Default)]
#[replicate(version = 2)]
pub struct Mind {
    /// What it is.
    #[replicate(server)]
    pub species: Species,
    /// What it is about.
    #[replicate(server)]
    pub state: State,
    /// Where it wants to be, metres.
    #[replicate(server)]
    pub goal_x: f64,
    /// Where it wants to be, metres.
    #[replicate(server)]
    pub goal_y: f64,
    /// Its lair, metres.
    #[replicate(server)]
    pub home_x: f64,
    /// Its lair, metres.
    #[replicate(server)]
    pub home_y: f64,
    /// Until it thinks of something else.
    #[replicate(server)]
    pub left_s: f32,
    /// Until it hunts again by itself.
    #[replicate(server)]
    pub sated_s: f32,
    /// Whom it hunts, while it goes over a border.
    #[replicate(server)]
    pub prey: Gid,
}

/// What a creature knows of its way; of this area alone.
#[derive(Component, Debug, Default)]
pub struct Way {
    /// Whom it hunts.
    pub target: Option<Entity>,
    /// The tiles to its goal, the last one first; empty: straight on.
    pub tiles: Vec<Tile>,
    /// When it may bite again, in ticks.
    pub ready: u64,
    /// In which of the ticks between two thoughts it thinks.
    turn: u64,
    /// Where it was when it last thought.
    last: Point,
    /// Until it looks for a way again, seconds.
    lost_s: f32,
}

impl Way {
    /// One that thinks in this turn.
    pub fn of_turn(turn: u64) -> Self {
        Self { turn, ..Self::default() }
    }
}

/// Declares minds.
pub fn build(area: &mut Builder, _: &Setup<'_>) {
    area.component::<Mind>().system(think).system(go).system(bite);
}

impl Mind {
    /// One at home.
    pub fn at_home(species: Species, home: Point) -> Self {
        let (x, y) = home;
        Self { species, goal_x: x, goal_y: y, home_x: x, home_y: y, ..Self::default() }
    }

    /// Where it wants to be.
    pub fn goal(&self) -> Point {
        (self.goal_x, self.goal_y)
    }

    /// Its lair.
    pub fn home(&self) -> Point {
        (self.home_x, self.home_y)
    }

    fn turn_to(&mut self, way: &mut Way, state: State, goal: Point, left_s: f32) {
        if self.state != state {
            way.tiles.clear();
        }
        if state != State::Hunt {
            way.target = None;
        }
        self.state = state;
        (self.goal_x, self.goal_y) = goal;
        self.left_s = left_s;
    }

    fn flee(&mut self, way: &mut Way, at: Point, from: Point) {
        let (dx, dy) = (at.0 - from.0, at.1 - from.1);
        let length = dx.hypot(dy).max(0.1);
        self.turn_to(way, State::Flee, (at.0 + dx / length * 10.0, at.1 + dy / length * 10.0), 2.0);
    }

    /// It was hit: the fierce ones turn on who did it, the others run.
    pub fn is_hurt(&mut self, way: &mut Way, at: Point, blow: &Blow) {
        if self.species.is_fierce() {
            self.turn_to(way, State::Hunt, blow.from, MINDS_S);
            way.target = Some(blow.by);
        } else {
            self.flee(way, at, blow.from);
            self.left_s = MINDS_S / 2.0;
        }
    }

    /// There is something to eat: no hunting for a while.
    pub fn has_eaten(&mut self) {
        if self.species == Species::Wolf {
            self.sated_s = SATED_S.0;
            if self.state == State::Hunt {
                self.left_s = 0.0;
            }
        }
    }
}

/// What one looks at when one thinks.
struct Around<'a> {
    census: &'a Census,
    lairs: &'a Lairs,
    extent: &'a Extent,
    night: bool,
}

fn think(
    clock: Res<Clock>,
    extent: Res<Extent>,
    census: Res<Census>,
    lairs: Res<Lairs>,
    mut terrain: ResMut<Terrain>,
    mut dice: ResMut<Dice>,
    mut minds: Query<(Entity, &Position, &mut Mind, &mut Way), With<Net>>,
) {
    let period = period(&clock);
    let turn = clock.tick % period;
    let passed_s = (period as f64 * clock.dt_s()) as f32;
    let around = Around { census: &census, lairs: &lairs, extent: &extent, night: is_night(&clock) };
    let mut searches = MOST_SEARCHES;
    for (entity, position, mut mind, mut way) in &mut minds {
        if way.turn % period != turn {
            continue;
        }
        let (mind, way) = (mind.bypass_change_detection(), &mut *way);
        let at = position.point();
        mind.left_s -= passed_s;
        mind.sated_s = (mind.sated_s - passed_s).max(0.0);
        decide(&around, entity, at, mind, way, &mut terrain, &mut dice);
        find_way(&mut searches, passed_s, at, mind, way, &mut terrain, &mut dice);
        way.last = at;
    }
}

/// What to be about from now on.
fn decide(
    around: &Around<'_>,
    me: Entity,
    at: Point,
    mind: &mut Mind,
    way: &mut Way,
    terrain: &mut Terrain,
    dice: &mut Dice,
) {
    if let Some(from) = threat(around, mind.species, at) {
        return mind.flee(way, at, from);
    }
    if mind.state == State::Hunt {
        match way.target.and_then(|target| quarry(around, mind, target, at)) {
            Some(goal) if mind.left_s > 0.0 => {
                (mind.goal_x, mind.goal_y) = goal;
                return;
            }
            _ => {
                mind.sated_s = mind.sated_s.max(SATED_S.1);
                return mind.turn_to(way, State::Home, mind.home(), 30.0);
            }
        }
    }
    let hunts = mind.species == Species::Wolf && mind.sated_s <= 0.0 && is_at_home(mind, at);
    if hunts && let Some((target, goal)) = prey(around, me, mind, at) {
        mind.turn_to(way, State::Hunt, goal, HUNTS_S);
        way.target = Some(target);
        return;
    }
    if mind.left_s > 0.0 && square(at, mind.goal()) > 0.25 {
        return;
    }
    if !is_at_home(mind, at) && mind.state != State::Home {
        return mind.turn_to(way, State::Home, mind.home(), 30.0);
    }
    if mind.left_s > 0.0 && mind.state == State::Rest {
        return;
    }
    if mind.state != State::Rest || dice.one_in(3) {
        return mind.turn_to(way, State::Rest, at, dice.between(1.5, 6.0) as f32);
    }
    let (turn, far) =
        (dice.between(0.0, std::f64::consts::TAU), dice.between(1.0, mind.species.nature().roam_m));
    let goal = (mind.home_x + turn.cos() * far, mind.home_y + turn.sin() * far);
    let (x, y) = path::tile_at(goal);
    if inside(around.extent, goal, 1.0) && !terrain.is_solid(x, y) {
        mind.turn_to(way, State::Roam, goal, 10.0);
    }
}

/// The nearest of those that it runs from.
fn threat(around: &Around<'_>, species: Species, at: Point) -> Option<Point> {
    let nature = species.nature();
    let far = nature.shuns_wolf_m.max(nature.shuns_character_m);
    if far <= 0.0 {
        return None;
    }
    let shunned = around.census.near(at, far).filter(|(square, one)| match one.species {
        Some(Species::Wolf) => *square < nature.shuns_wolf_m * nature.shuns_wolf_m,
        None => *square < nature.shuns_character_m * nature.shuns_character_m,
        Some(_) => false,
    });
    shunned.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, one)| one.at)
}

/// The nearest of those that a wolf hunts; whoever stands near a spawn is left in peace.
fn prey(around: &Around<'_>, me: Entity, mind: &Mind, at: Point) -> Option<(Entity, Point)> {
    let person_m = if around.night { SCENTS_CHARACTER_M.1 } else { SCENTS_CHARACTER_M.0 };
    let hunted = around.census.near(at, SCENTS_PREY_M).filter(|(square, one)| {
        let far = match one.species {
            None => person_m,
            Some(species) if species.is_prey() => SCENTS_PREY_M,
            Some(_) => return false,
        };
        one.entity != me && *square < far * far && is_fair(around, mind, one.at)
    });
    hunted.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, one)| (one.entity, one.at))
}

/// Where the hunted one is, while it may be followed.
fn quarry(around: &Around<'_>, mind: &Mind, target: Entity, at: Point) -> Option<Point> {
    let one = around.census.find(target, at, SCENTS_PREY_M * 1.5)?;
    is_fair(around, mind, one.at).then_some(one.at)
}

fn is_fair(around: &Around<'_>, mind: &Mind, at: Point) -> bool {
    square(mind.home(), at) < LEASH_M * LEASH_M && !around.lairs.is_doorstep(at)
}

fn is_at_home(mind: &Mind, at: Point) -> bool {
    let far = mind.species.nature().roam_m + 3.0;
    square(mind.home(), at) < far * far
}

/// Around what stands in the way.
fn find_way(
    searches: &mut u32,
    passed_s: f32,
    at: Point,
    mind: &mut Mind,
    way: &mut Way,
    terrain: &mut Terrain,
    dice: &mut Dice,
) {
    way.lost_s = (way.lost_s - passed_s).max(0.0);
    let least = mind.species.nature().stroll_m_s * f64::from(passed_s) * 0.3;
    let is_stuck =
        mind.state != State::Rest && square(at, way.last) < least * least && square(at, mind.goal()) > 1.5;
    match mind.state {
        State::Flee if is_stuck => {
            let turn = dice.between(0.0, std::f64::consts::TAU);
            (mind.goal_x, mind.goal_y) = (at.0 + turn.cos() * 8.0, at.1 + turn.sin() * 8.0);
        }
        State::Roam if is_stuck => mind.left_s = 0.0,
        State::Hunt | State::Home => {
            let goes_there =
                way.tiles.first().is_some_and(|tile| square(path::middle(*tile), mind.goal()) < 9.0);
            let is_blocked =
                is_stuck || (mind.state == State::Hunt && !path::is_clear(terrain, at, mind.goal()));
            if !is_blocked && mind.state == State::Hunt {
                way.tiles.clear();
            } else if is_blocked && (is_stuck || !goes_there) && way.lost_s <= 0.0 && *searches > 0 {
                *searches -= 1;
                match path::find(terrain, at, mind.goal()) {
                    Some(tiles) => way.tiles = tiles,
                    None => mind.left_s = mind.left_s.min(1.0),
                }
                way.lost_s = 1.0;
            }
        }
        _ => {}
    }
}
