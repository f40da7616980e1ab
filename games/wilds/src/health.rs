//! Blows land here, whoever strikes; who has no health left dies. A dead creature is gone; a dead character
//! lies for a while and stands up at home.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use pangea_engine::walk::{Point, Stunned, nearest_free};
use pangea_engine::{
    Builder, Character, CharacterIs, Clock, Extent, Ghost, Gid, Leaving, Net, Outbox, Position, Post,
    Replicate, Setup, Terrain, To,
};

use crate::across;
use crate::attack::Arm;
use crate::census::square;
use crate::gear::Gear;
use crate::land::is_on;
use crate::mind::{Mind, Way};
use crate::population::Member;
use crate::species::Species;

/// Health of a character that is well.
pub const CHARACTER_HEALTH: u16 = 100;

/// How long a dead character lies, seconds.
pub const LIES_S: u64 = 5;

/// How long after the last blow one begins to get well, seconds.
const WELL_AFTER_S: u64 = 5;

/// How far one sees that somebody is hit or dies, metres.
pub const SEEN_FROM_M: f64 = 60.0;

/// How many of the last places of a body are kept: half a second at 20 ticks per second.
pub const TRAIL: usize = 10;

/// What can be hurt.
#[derive(Component, Replicate, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Body {
    /// 0: dead.
    pub health: u16,
    /// Health when well.
    pub most: u16,
}

impl Body {
    /// One that is well.
    pub fn well(most: u16) -> Self {
        Self { health: most, most }
    }
}

/// Somebody was hit; to all who see it.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Who struck.
    pub by: u16,
    /// Who was struck.
    pub target: u16,
    /// Health lost.
    pub damage: u16,
}

/// Somebody died; to all who see it.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Died {
    /// Who.
    pub who: u16,
    /// By whom.
    pub by: u16,
}

/// The tick of the last blow that one got.
#[derive(Component, Debug, Clone, Copy, Default)]
pub struct Wound(pub u64);

/// Where a body stood after each of the last ticks: place n is that of the ticks that leave n when divided by
/// [`TRAIL`].
#[derive(Component, Debug, Clone, Copy)]
pub struct Trail([Point; TRAIL]);

impl Trail {
    /// Of one who has stood here all the time.
    pub fn from(at: Point) -> Self {
        Self([at; TRAIL])
    }

    /// Whether it was so near to a point in one of the last ticks.
    pub fn came_within(&self, point: Point, far_m: f64) -> bool {
        self.0.iter().any(|at| square(*at, point) <= far_m * far_m)
    }

    /// Where it stood as somebody saw it who was told of this tick; of what is too long ago, the oldest.
    pub fn seen_at(&self, tick: u64, now: u64) -> Point {
        let oldest = now.saturating_sub(TRAIL as u64);
        let newest = now.saturating_sub(1);
        self.0[(tick.clamp(oldest, newest) % TRAIL as u64) as usize]
    }
}

/// A dead character stands up in this tick.
#[derive(Component, Debug, Clone, Copy)]
pub struct Fallen(pub u64);

/// A blow that was struck in this step.
#[derive(Debug, Clone, Copy)]
pub struct Blow {
    /// Who struck.
    pub by: Entity,
    /// Its number on the wire.
    pub by_net: Net,
    /// Where it stood.
    pub from: Point,
    /// Who gets it.
    pub target: Entity,
    /// Health that it takes.
    pub damage: u16,
}

/// The blows of this step; at most one of each attacker.
#[derive(Resource, Debug, Default)]
pub struct Blows(pub Vec<Blow>);

/// A creature that died.
#[derive(Debug, Clone, Copy)]
pub struct Death {
    /// What it was.
    pub species: Species,
    /// Where.
    pub at: Point,
    /// Who struck last.
    pub by: Entity,
}

/// The creatures that died in this step.
#[derive(Resource, Debug, Default)]
pub struct Deaths(pub Vec<Death>);

/// Where the dead of this area stand up.
#[derive(Resource, Debug, Default)]
struct Homes {
    /// Of those without a faction, if it is here.
    world: Option<Point>,
    /// Of a faction, if it is here.
    factions: BTreeMap<String, Point>,
}

/// Declares bodies and what happens to them.
pub fn build(area: &mut Builder, setup: &Setup<'_>) {
    area.component::<Body>().event::<Hit>().event::<Died>();
    area.ecs.insert_resource(Blows::default());
    area.ecs.insert_resource(Deaths::default());
    area.ecs.insert_resource(Homes::new(setup));
    area.on_enter(|ecs, entity, _| {
        let Some(at) = ecs.get::<Position>(entity).map(|position| position.point()) else { return };
        let mut entity = ecs.entity_mut(entity);
        if entity.get::<Body>().is_none_or(|body| body.health == 0) {
            entity.insert(Body::well(CHARACTER_HEALTH));
        }
        entity.insert((Trail::from(at), Wound::default()));
    });
}

/// What has to come last in a step.
pub fn finish(area: &mut Builder) {
    area.system(land_blows).system(stand_up).system(get_well).system(begin_trail).system(leave_trail);
}

impl Homes {
    fn new(setup: &Setup<'_>) -> Self {
        let home = |faction| {
            let place = setup.world.spawn(faction).ok()?;
            let is_here = is_on(setup, &place);
            is_here.then_some((place.x, place.y))
        };
        let factions = setup.world.factions.iter();
        let factions = factions.filter_map(|one| Some((one.id.clone(), home(Some(&one.id))?)));
        Self { world: home(None), factions: factions.collect() }
    }

    fn of(&self, character: &Character) -> Option<Point> {
        if character.faction.is_empty() { self.world } else { self.factions.get(&character.faction).copied() }
    }
}

/// What a blow changes of who gets it.
type Struck<'a> = (
    &'a mut Body,
    &'a Net,
    &'a Position,
    &'a mut Wound,
    Option<(&'a mut Mind, &'a mut Way)>,
    Option<&'a Member>,
    Option<&'a Gear>,
);

#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
fn land_blows(
    mut commands: Commands,
    clock: Res<Clock>,
    mut blows: ResMut<Blows>,
    mut outbox: ResMut<Outbox>,
    mut post: ResMut<Post>,
    mut deaths: ResMut<Deaths>,
    // What is done to one who goes to another server would be undone there.
    mut bodies: Query<Struck<'_>, Without<Leaving>>,
    named: Query<(&Gid, Has<Ghost>)>,
) {
    for blow in blows.0.drain(..) {
        let (by, target) = (named.get(blow.by).ok(), named.get(blow.target).ok());
        if let Some((_, true)) = target {
            let (x, y) = blow.from;
            if let Some((by, _)) = by {
                post.to(blow.target, &across::Struck { by: *by, x, y });
            }
            continue;
        }
        let Ok((mut body, net, position, mut wound, mind, member, gear)) = bodies.get_mut(blow.target) else {
            continue;
        };
        if body.health == 0 {
            continue;
        }
        let (net, at) = (*net, position.point());
        let damage = gear.map_or(blow.damage, |gear| gear.softens(blow.damage)).min(body.health);
        body.health -= damage;
        wound.0 = clock.tick;
        outbox.send(To::Near(at, SEEN_FROM_M), &Hit { by: blow.by_net.0, target: net.0, damage });
        if let (Some((by, _)), Some((target, _))) = (by, target) {
            across::tell(&mut post, *by, *target, at, damage, body.health == 0);
        }
        let species = mind.as_ref().map(|(mind, _)| mind.species);
        if let Some((mut mind, mut way)) = mind {
            mind.is_hurt(&mut way, at, &blow);
        }
        if body.health > 0 {
            continue;
        }
        outbox.send(To::Near(at, SEEN_FROM_M), &Died { who: net.0, by: blow.by_net.0 });
        deaths.0.extend(species.map(|species| Death { species, at, by: blow.by }));
        match member {
            Some(_) => commands.entity(blow.target).despawn(),
            None => {
                let until = clock.tick + LIES_S * u64::from(clock.hz);
                commands.entity(blow.target).insert((Stunned, Fallen(until)));
            }
        }
        // Whoever hunts near has enough for now.
        for (_, _, position, _, mind, ..) in &mut bodies {
            if let Some((mut mind, _)) = mind
                && square(position.point(), at) < 20.0 * 20.0
            {
                mind.has_eaten();
            }
        }
    }
}

fn stand_up(
    mut commands: Commands,
    clock: Res<Clock>,
    extent: Res<Extent>,
    homes: Res<Homes>,
    mut terrain: ResMut<Terrain>,
    mut fallen: Query<(Entity, &Fallen, &Character, &mut Body, &mut Position)>,
) {
    for (entity, Fallen(until), character, mut body, mut position) in &mut fallen {
        if clock.tick < *until {
            continue;
        }
        *body = Body::well(body.most);
        let home = homes.of(character).unwrap_or(position.point());
        (position.x, position.y) = nearest_free(&mut terrain, extent.0, home);
        commands.entity(entity).remove::<(Stunned, Fallen)>().insert(Trail::from(position.point()));
    }
}

/// A point of health per second for who was left alone; creatures the same.
fn get_well(clock: Res<Clock>, mut bodies: Query<(&mut Body, &Wound)>) {
    if !clock.tick.is_multiple_of(u64::from(clock.hz)) {
        return;
    }
    for (mut body, wound) in &mut bodies {
        let alone = clock.tick.saturating_sub(wound.0) >= WELL_AFTER_S * u64::from(clock.hz);
        if alone && body.health > 0 && body.health < body.most {
            body.health += 1;
        }
    }
}

/// Ghosts strike and leave trails too: whoever strikes at one is judged by what he saw.
fn begin_trail(mut commands: Commands, ghosts: Query<(Entity, &Position), NewGhost>) {
    for (ghost, position) in &ghosts {
        commands.entity(ghost).insert((Trail::from(position.point()), Arm::default()));
    }
}

/// A ghost that was just seen for the first time.
type NewGhost = (With<Ghost>, With<Body>, Without<Arm>);

fn leave_trail(clock: Res<Clock>, mut bodies: Query<(&Position, &mut Trail), Allow<Ghost>>) {
    let place = (clock.tick % TRAIL as u64) as usize;
    for (position, mut trail) in &mut bodies {
        trail.bypass_change_detection().0[place] = position.point();
    }
}

/// Whether an entity is a character.
pub type IsCharacter = With<CharacterIs>;
