//! Day and night. They follow from the area's tick alone, so nobody has to be told of the hour: a character
//! carries how long a day is, and its client counts with the updates' ticks.

use bevy_ecs::prelude::*;
use pangea_engine::{Builder, Clock, Replicate, Setup};

/// Length of a day and a night together, seconds.
pub const DAY_S: u32 = 1_200;

/// The part of it at whose end the night has come; the night lasts until the end.
const NIGHT_FROM: f64 = 0.65;

/// What the owner of a character knows of the sky: at tick t the hour is `t / day_ticks` without its whole
/// part, where 0 is the morning, 0.65 nightfall and 0.95 dawn.
#[derive(Component, Replicate, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sky {
    /// Length of a day and a night, ticks.
    #[replicate(owner)]
    pub day_ticks: u32,
}

/// Declares the sky.
pub fn build(area: &mut Builder, setup: &Setup<'_>) {
    let day_ticks = DAY_S * setup.tick_hz.max(1);
    area.component::<Sky>().on_enter(move |ecs, entity, _| {
        ecs.entity_mut(entity).insert(Sky { day_ticks });
    });
}

/// The hour, 0 to 1.
pub fn hour(clock: &Clock) -> f64 {
    let day = u64::from(DAY_S) * u64::from(clock.hz);
    (clock.tick % day) as f64 / day as f64
}

/// Whether it is dark.
pub fn is_night(clock: &Clock) -> bool {
    hour(clock) >= NIGHT_FROM
}
