//! The reference game: a land from a seed, and what lives on it.
//!
//! | module | does |
//! |---|---|
//! | [`land`] | meadows, woods, lakes and hills |
//! | [`species`] | what a rabbit, a deer, a boar and a wolf are like |
//! | [`population`] | lairs wake where players are, and sleep again |
//! | [`census`] | who is near whom |
//! | [`mind`] | what a creature wants |
//! | [`moving`] | how it gets there |
//! | [`path`] | the way around what stands in the way |
//! | [`attack`] | a character strikes |
//! | [`health`] | blows, death, and getting well |
//! | [`gather`] | felling trees and breaking rocks |
//! | [`day`] | day and night |

pub mod attack;
pub mod census;
pub mod day;
pub mod gather;
pub mod health;
pub mod land;
pub mod mind;
pub mod moving;
pub mod path;
pub mod population;
pub mod species;
#[cfg(test)]
mod tests;

use pangea_engine::{Builder, Game, Setup};

/// The game.
pub fn game() -> Game {
    Game { name: "wilds", land: |world, ground| Box::new(land::Wilds::new(world, ground)), build }
}

/// Everything in the order in which it happens in a step.
fn build(area: &mut Builder, setup: &Setup<'_>) {
    area.walking();
    census::build(area, setup);
    day::build(area, setup);
    health::build(area, setup);
    population::build(area, setup);
    attack::build(area, setup);
    mind::build(area, setup);
    gather::build(area, setup);
    health::finish(area);
}
