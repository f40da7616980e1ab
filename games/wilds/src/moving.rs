//! How creatures get where they want to be, and bite when they are there.

use bevy_ecs::prelude::*;
use pangea_engine::walk::walk_beyond;
use pangea_engine::{Clock, Extent, Net, OpenGround, Position, Terrain};

use crate::census::{Census, square};
use crate::health::{Blow, Blows};
use crate::mind::{Mind, State, Way};
use crate::path;

/// How near a hunter comes, metres.
const STOPS_M: f64 = 0.9;

/// How near it has to be to bite.
pub const BITES_M: f64 = 1.5;

/// One step of each creature.
pub fn go(
    clock: Res<Clock>,
    extent: Res<Extent>,
    open: Res<OpenGround>,
    mut terrain: ResMut<Terrain>,
    mut movers: Query<(&Mind, &mut Way, &mut Position)>,
) {
    for (mind, mut way, mut position) in &mut movers {
        if mind.state == State::Rest {
            continue;
        }
        let at = position.point();
        while way.tiles.last().is_some_and(|tile| square(path::middle(*tile), at) < 0.04) {
            way.tiles.pop();
        }
        let next = way.tiles.last().map(|tile| path::middle(*tile));
        let (goal, stops_m) = match next {
            Some(middle) => (middle, 0.0),
            None if mind.state == State::Hunt => (mind.goal(), STOPS_M),
            None => (mind.goal(), 0.0),
        };
        let (dx, dy) = (goal.0 - at.0, goal.1 - at.1);
        let length = dx.hypot(dy);
        let nature = mind.species.nature();
        let speed = match mind.state {
            State::Flee | State::Hunt => nature.run_m_s,
            State::Home => nature.stroll_m_s * 1.8,
            State::Rest | State::Roam => nature.stroll_m_s,
        };
        let by = (length - stops_m).min(speed * clock.dt_s());
        if by > 0.005 {
            let step = (dx / length * by, dy / length * by);
            (position.x, position.y) = walk_beyond(&mut terrain, extent.0, &open.0, at, step);
        }
    }
}

/// Hunters that have come near enough bite.
pub fn bite(
    clock: Res<Clock>,
    census: Res<Census>,
    mut blows: ResMut<Blows>,
    mut hunters: Query<(Entity, &Net, &Mind, &mut Way, &Position)>,
) {
    for (by, by_net, mind, mut way, position) in &mut hunters {
        let (State::Hunt, Some(target)) = (mind.state, way.target) else { continue };
        let from = position.point();
        if clock.tick < way.ready || census.find(target, from, BITES_M).is_none() {
            continue;
        }
        let nature = mind.species.nature();
        way.ready = clock.tick + (nature.bite_s * f64::from(clock.hz)).ceil() as u64;
        blows.0.push(Blow { by, by_net: *by_net, from, target, damage: nature.bite });
    }
}
