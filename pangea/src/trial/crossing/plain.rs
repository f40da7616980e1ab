//! The game of these trials: a plain without end on which everybody walks. Where a walker stands follows from the
//! steps that he made, so that one that is lost or made twice shows. Pebbles may roll about beside them.

use bevy_ecs::prelude::*;
use pangea_engine::{Builder, Carried, Clock, Dice, Extent, Game, Kind, Land, Position, Replicate, Setup};
use pangea_world::frames::tile;

use super::super::economy::market;

/// Set for the trial's game servers: they play this instead of their own game.
pub(crate) const CHOSEN: &str = "TRIAL_PLAIN";

/// How many pebbles there are.
pub(crate) const PEBBLES: &str = "TRIAL_PEBBLES";

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
    // Who walks also pays.
    (market::game().build)(area, setup);
    area.walking();
    let pebbles = std::env::var(PEBBLES).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    if pebbles == 0 {
        return;
    }
    let kind = area.kind("pebble");
    area.ecs.insert_resource(Strewn::default());
    area.component::<Pebble>().saved::<Strewn>().system(strew(kind, pebbles)).system(roll);
}

fn strew(
    kind: Kind,
    pebbles: u32,
) -> impl FnMut(Commands<'_, '_>, ResMut<'_, Strewn>, Res<'_, Extent>, ResMut<'_, Dice>) {
    move |mut commands, mut strewn, extent, mut dice| {
        if std::mem::replace(&mut strewn.yes, true) {
            return;
        }
        for turn in 0..pebbles {
            let (low, high) = (f64::from(extent.0.x0) + 2.0, f64::from(extent.0.x1) - 2.0);
            let at = Position { x: dice.between(low, high), y: dice.between(low, high) };
            commands.spawn((kind, at, Pebble { turn }, Carried));
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
