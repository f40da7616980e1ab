//! What a game is written in. No I/O, no clock, no randomness: the area server calls [`Game`]'s functions
//! and steps a [`Sim`].
//!
//! | module | does |
//! |---|---|
//! | [`terrain`] | the land of one area, chunk by chunk, kept once made |
//! | [`walk`] | one step over the land: what stops a walker, where he slides along |
//! | [`sim`] | the entities of one area, their inputs, and the step |
//! | [`interest`] | who sees whom |
//! | [`update`] | what a client is told: each change is encoded once and gathered for all who see it |

pub mod interest;
pub mod sim;
pub mod terrain;
pub mod update;
pub mod walk;

pub use sim::{Look, Sim};
pub use terrain::Terrain;
pub use update::View;

use pangea_world::space::Ground;
use pangea_world::world::World;

/// What a game brings.
#[derive(Clone, Copy, Debug)]
pub struct Game {
    /// For logs and version checks.
    pub name: &'static str,
    /// Makes the land of one area; the same seed and ground make the same land.
    pub land: fn(world: &World, ground: &Ground) -> Box<dyn Land>,
}

/// The ground under a game's characters.
pub trait Land: Send + Sync {
    /// The kind of the tile (1 m × 1 m) whose north-west corner is at (x, y) metres;
    /// see [`pangea_world::frames::tile`]. Any coordinates may be asked for.
    fn tile(&self, x: i32, y: i32) -> u8;
}
