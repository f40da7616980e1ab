//! The game of these trials: a plain without end on which everybody walks. Where a walker stands follows from the
//! steps that he made, so that one that is lost or made twice shows. They pay ([`market`]), and strike and trade over
//! the lines ([`super::across`]). Pebbles may roll about beside them.

use bevy_ecs::prelude::*;
use pangea_engine::{
    Builder, Carried, Clock, Dice, Extent, Game, Kept, Kind, Land, Position, Replicate, Setup,
};
use pangea_world::frames::tile;

use super::super::economy::market;

/// Set for the trial's game servers: they play this instead of their own game.
pub(crate) const CHOSEN: &str = "TRIAL_PLAIN";

/// How many pebbles there are in each area.
pub(crate) const PEBBLES: &str = "TRIAL_PEBBLES";

/// Set if the pebbles shall be there again after a kill.
pub(crate) const KEPT: &str = "TRIAL_PEBBLES_KEPT";

struct Plain;

impl Land for Plain {
    fn tile(&self, _: i32, _: i32) -> u8 {
        tile::GRASS
    }
}

/// One that rolls to and fro.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Pebble {
    #[replicate(server)]
    turn: u32,
}

/// They are there: wherever the area goes on they are not made again.
#[derive(Resource, Replicate, Debug, Clone, PartialEq, Default)]
struct Strewn {
    yes: bool,
}

/// The game.
pub(crate) fn game() -> Game {
    Game { name: "plain", land: |_, _| Box::new(Plain), build }
}

fn build(area: &mut Builder, setup: &Setup<'_>) {
    super::versions::build(area);
    // Who walks also pays.
    (market::game().build)(area, setup);
    area.walking();
    super::across::build(area);
    let pebbles = std::env::var(PEBBLES).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    if pebbles == 0 {
        return;
    }
    let kind = area.kind("pebble");
    area.ecs.insert_resource(Strewn::default());
    let kept = std::env::var_os(KEPT).is_some();
    area.component::<Pebble>().saved::<Strewn>().system(strew(kind, pebbles, kept)).system(roll);
}

fn strew(
    kind: Kind,
    pebbles: u32,
    kept: bool,
) -> impl FnMut(Commands<'_, '_>, ResMut<'_, Strewn>, Res<'_, Extent>, ResMut<'_, Dice>) {
    move |mut commands, mut strewn, extent, mut dice| {
        if std::mem::replace(&mut strewn.yes, true) {
            return;
        }
        for turn in 0..pebbles {
            let ground = extent.0;
            let mut within = |low: i32, high: i32| dice.between(f64::from(low) + 2.0, f64::from(high) - 2.0);
            let at = Position { x: within(ground.x0, ground.x1), y: within(ground.y0, ground.y1) };
            let mut pebble = commands.spawn((kind, at, Pebble { turn }, Carried));
            if kept {
                pebble.insert(Kept);
            }
        }
    }
}

/// A tenth of them at a time, as of creatures a part is awake.
fn roll(clock: Res<Clock>, mut pebbles: Query<(&Pebble, &mut Position)>) {
    for (pebble, mut at) in &mut pebbles {
        let turn = clock.tick + u64::from(pebble.turn);
        if (turn / 20).is_multiple_of(10) {
            at.x += if (turn / 200).is_multiple_of(2) { 0.05 } else { -0.05 };
        }
    }
}
