//! Blows over the border of an area: whoever strikes a ghost writes to its owner, who checks and decides, and
//! all areas that see it hear of it.

use bevy_ecs::prelude::*;
use pangea_engine::walk::Point;
use pangea_engine::{
    Builder, CharacterIs, Clock, Ghost, Gid, Gids, Letter, Letters, Net, Outbox, Post, Refusals, Replicate,
    Setup, To,
};

use crate::attack::{Arm, COOLDOWN_S, DAMAGE, Missed, REACH_M, Rules};
use crate::gear::Gear;
use crate::health::{Blow, Blows, Body, Died, Hit, SEEN_FROM_M, Trail};
use crate::mind::Mind;
use crate::moving::BITES_M;

/// By how much sooner than allowed a blow may come, seconds: letters come unevenly.
const EARLY_S: f64 = 0.25;

/// How much farther than it reaches a bite may come from, metres: it was aimed at where its target was seen.
const AIM_M: f64 = 0.5;

/// To the owner of who is struck.
#[derive(Replicate, Debug, Clone, PartialEq)]
pub struct Struck {
    /// Who strikes.
    pub by: Gid,
    /// Where it stands, metres.
    pub x: f64,
    /// Where it stands, metres.
    pub y: f64,
}

/// To the owner of who struck: it did not count.
#[derive(Replicate, Debug, Clone, PartialEq)]
struct Parried {
    target: Gid,
    why: String,
}

/// To all who see it: somebody was hit.
#[derive(Replicate, Debug, Clone, PartialEq)]
pub struct Seen {
    /// Who struck.
    pub by: Gid,
    /// Who was struck.
    pub target: Gid,
    /// Health lost.
    pub damage: u16,
    /// Whether it died.
    pub died: bool,
    /// Where, metres.
    pub x: f64,
    /// Where, metres.
    pub y: f64,
}

/// Declares it.
pub fn build(area: &mut Builder, _: &Setup<'_>) {
    area.letter::<Struck>().letter::<Parried>().letter::<Seen>();
    area.system(receive).system(answer).system(watch);
}

/// Who strikes from beyond the border, as it is seen here.
type Stranger<'a> = (&'a Net, Option<&'a Mind>, Option<&'a Gear>, &'a mut Arm);
/// Who is struck.
type Target<'a> = (&'a Gid, &'a Body, &'a Trail, Has<CharacterIs>);

#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
fn receive(
    clock: Res<Clock>,
    rules: Res<Rules>,
    gids: Res<Gids>,
    mut letters: ResMut<Letters<Struck>>,
    mut post: ResMut<Post>,
    mut blows: ResMut<Blows>,
    mut refusals: ResMut<Refusals>,
    mut strangers: Query<Stranger<'_>, With<Ghost>>,
    targets: Query<Target<'_>>,
) {
    for Letter { to, says: Struck { by, x, y } } in letters.drain() {
        let Some((target, (target_gid, body, trail, is_person))) =
            to.and_then(|target| Some((target, targets.get(target).ok()?)))
        else {
            continue;
        };
        let Some((by, Ok((net, mind, gear, mut arm)))) = gids.find(by).map(|by| (by, strangers.get_mut(by)))
        else {
            continue;
        };
        let (far_m, rest_s, damage) = match mind {
            Some(mind) => {
                let nature = mind.species.nature();
                (BITES_M + AIM_M, nature.bite_s, nature.bite)
            }
            None => (REACH_M, COOLDOWN_S, gear.map_or(DAMAGE, |gear| gear.damage(DAMAGE))),
        };
        let ticks = |seconds: f64| (seconds * f64::from(clock.hz)).ceil() as u64;
        let why = if body.health == 0 {
            "gone"
        } else if mind.is_none() && is_person && !rules.pvp {
            "forbidden"
        } else if !trail.came_within((x, y), far_m) {
            "too_far"
        } else if clock.tick + ticks(EARLY_S) < arm.ready {
            "too_soon"
        } else {
            arm.ready = arm.ready.max(clock.tick) + ticks(rest_s);
            blows.0.push(Blow { by, by_net: *net, from: (x, y), target, damage });
            continue;
        };
        refusals.count(why);
        post.to(by, &Parried { target: *target_gid, why: why.to_owned() });
    }
}

/// Who struck is told that it did not count.
fn answer(
    gids: Res<Gids>,
    mut letters: ResMut<Letters<Parried>>,
    mut outbox: ResMut<Outbox>,
    targets: Query<&Net, Allow<Ghost>>,
) {
    for Letter { to, says: Parried { target, why } } in letters.drain() {
        let target = gids.find(target).and_then(|target| targets.get(target).ok());
        if let (Some(by), Some(target)) = (to, target) {
            outbox.send(To::Owner(by), &Missed { target: target.0, why });
        }
    }
}

/// What happens beyond the border is seen here too.
fn watch(
    gids: Res<Gids>,
    mut letters: ResMut<Letters<Seen>>,
    mut outbox: ResMut<Outbox>,
    nets: Query<&Net, Allow<Ghost>>,
) {
    let net = |gid: Gid| gids.find(gid).and_then(|one| nets.get(one).ok()).map(|net| net.0);
    for Letter { says: Seen { by, target, damage, died, x, y }, .. } in letters.drain() {
        let (Some(by), Some(target)) = (net(by), net(target)) else { continue };
        let near = To::Near((x, y), SEEN_FROM_M);
        outbox.send(near, &Hit { by, target, damage });
        if died {
            outbox.send(near, &Died { who: target, by });
        }
    }
}

/// What the areas around are told of a blow that landed here.
pub fn tell(post: &mut Post, by: Gid, target: Gid, (x, y): Point, damage: u16, died: bool) {
    post.around((x, y), &Seen { by, target, damage, died, x, y });
}
