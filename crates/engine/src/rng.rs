//! Chance, from the area's seed: the same inputs give the same dice.

use bevy_ecs::prelude::*;
use pangea_world::space::Ground;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng as _;

/// An area's dice. Systems take turns in their order, so what falls is the same in every run of a seed.
#[derive(Resource, Debug, Clone)]
pub struct Dice(Pcg64Mcg);

impl Dice {
    /// Dice of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::new(u128::from(seed) << 64 | u128::from(seed ^ 0x9E37_79B9_7F4A_7C15)))
    }

    /// Dice of one area from one start to the next: neither its neighbours nor its next life roll the same.
    pub(crate) fn of_area(seed: u64, ground: &Ground, tick: u64) -> Self {
        let ground = u64::from(crate::replicate::id(&ground.to_string()));
        Self::new(seed ^ tick ^ ground << 32)
    }

    /// 0 ≤ n < `below`; 0 for 0.
    pub fn below(&mut self, below: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(below)) >> 32) as u32
    }

    /// 0 ≤ x < 1.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `low` ≤ x < `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }
}
