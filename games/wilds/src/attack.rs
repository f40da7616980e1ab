//! A character strikes. The client says whom, and what it saw; the server decides by where the target stood
//! then.

use bevy_ecs::prelude::*;
use pangea_engine::walk::{Point, Stunned};
use pangea_engine::{
    Allowance, Builder, Clock, Ghost, Input, Inputs, Net, Outbox, Position, Refusals, Replicate, Setup,
    Terrain, To,
};
use pangea_world::frames::tile;

use crate::census::{Census, One, square};
use crate::gear::Gear;
use crate::health::{Blow, Blows, Body, IsCharacter, Trail};
use crate::path::between;

/// How far a character strikes, metres from middle to middle.
pub const REACH_M: f64 = 2.0;

/// What a blow of a character takes who has nothing in the hand.
pub const DAMAGE: u16 = 12;

/// Seconds between two blows.
pub const COOLDOWN_S: f64 = 0.6;

/// How far around a target is looked for: its reach, and how far one runs in the time of a trail.
const SEARCH_M: f64 = 6.0;

/// Strike somebody.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Attack {
    /// Whom, by its number on the wire.
    #[replicate(entity)]
    pub target: u16,
    /// The tick that the client showed; of one that is too old or still to come the nearest that is known counts.
    pub tick: u64,
}

impl Input for Attack {}

/// A blow did not count; to who struck.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Whom it was meant for.
    pub target: u16,
    /// `gone`, `too_far`, `too_soon`, `blocked`, `forbidden` or `stunned`.
    pub why: String,
}

/// When a character may strike again, in ticks.
#[derive(Component, Debug, Clone, Copy, Default)]
pub struct Arm {
    pub(crate) ready: u64,
}

/// What the world's rules say.
#[derive(Resource, Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Whether characters can hurt each other.
    pub pvp: bool,
}

/// Declares it.
pub fn build(area: &mut Builder, setup: &Setup<'_>) {
    area.ecs.insert_resource(Rules { pvp: setup.world.rules.iter().any(|rule| rule == "pvp") });
    area.input::<Attack>(Allowance::in_ten_ticks(4)).event::<Missed>();
    area.on_enter(|ecs, entity, _| {
        ecs.entity_mut(entity).insert(Arm::default());
    });
    area.system(strike);
}

/// A character that may strike.
type Striker<'a> =
    (Entity, &'a Net, &'a Position, &'a mut Inputs<Attack>, &'a mut Arm, Option<&'a Gear>, Has<Stunned>);

/// Whom it may strike, on either side of the border.
type Target<'a> = (&'a Net, &'a Body, &'a Trail);

#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
fn strike(
    clock: Res<Clock>,
    rules: Res<Rules>,
    census: Res<Census>,
    mut terrain: ResMut<Terrain>,
    mut blows: ResMut<Blows>,
    mut outbox: ResMut<Outbox>,
    mut refusals: ResMut<Refusals>,
    mut strikers: Query<Striker<'_>, IsCharacter>,
    targets: Query<Target<'_>, Allow<Ghost>>,
) {
    for (by, by_net, position, mut inputs, mut arm, gear, stunned) in &mut strikers {
        if inputs.is_empty() {
            continue;
        }
        let from = position.point();
        for attack in inputs.drain() {
            let found =
                census.near(from, SEARCH_M).map(|(_, one)| one).find(|one| one.net.0 == attack.target);
            let allowed = may_strike(found, stunned, by, rules.pvp)
                .and_then(|target| reach(&targets, target, &attack, &clock, from, &mut terrain))
                .and_then(|target| if clock.tick < arm.ready { Err("too_soon") } else { Ok(target) });
            match allowed {
                Ok(target) => {
                    arm.ready = clock.tick + (COOLDOWN_S * f64::from(clock.hz)).ceil() as u64;
                    let damage = gear.map_or(DAMAGE, |gear| gear.damage(DAMAGE));
                    blows.0.push(Blow { by, by_net: *by_net, from, target, damage });
                }
                Err(why) => {
                    refusals.count(why);
                    outbox.send(To::Owner(by), &Missed { target: attack.target, why: why.to_owned() });
                }
            }
        }
    }
}

fn may_strike(found: Option<&One>, stunned: bool, by: Entity, pvp: bool) -> Result<Entity, &'static str> {
    if stunned {
        return Err("stunned");
    }
    let target = found.ok_or("gone")?;
    if target.entity == by || (target.species.is_none() && !pvp) {
        return Err("forbidden");
    }
    Ok(target.entity)
}

fn reach(
    targets: &Query<Target<'_>, Allow<Ghost>>,
    target: Entity,
    attack: &Attack,
    clock: &Clock,
    from: Point,
    terrain: &mut Terrain,
) -> Result<Entity, &'static str> {
    let (net, body, trail) = targets.get(target).map_err(|_| "gone")?;
    if net.0 != attack.target || body.health == 0 {
        return Err("gone");
    }
    let at = trail.seen_at(attack.tick, clock.tick);
    if square(from, at) > REACH_M * REACH_M {
        return Err("too_far");
    }
    // One strikes over water, not through what stands.
    let stands = |(x, y)| matches!(terrain.tile(x, y), tile::TREE | tile::ROCK | tile::VOID);
    if between(from, at).any(stands) { Err("blocked") } else { Ok(target) }
}
