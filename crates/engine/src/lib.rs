//! What a game is written in. No I/O, no clock of the system, no randomness but the area's dice: the area
//! server calls [`Game`]'s functions and steps a [`Sim`].
//!
//! A game declares its components, inputs, events and systems once ([`Builder`]); what is declared travels in
//! updates to clients, in handoffs and in checkpoints.
//!
//! | module | does |
//! |---|---|
//! | [`registry`] | what a game declares, and the schema that follows from it |
//! | [`replicate`], [`field`] | how components and their fields travel |
//! | [`sim`] | the entities of one area, their inputs, and the step |
//! | [`input`] | what clients ask for: typed, checked, limited |
//! | [`outbox`] | what systems want told |
//! | [`terrain`], [`walk`] | the land of one area; one step over it |
//! | [`interest`] | who sees whom |
//! | [`update`] | what a client is told, within its bytes |
//! | [`codec`] | an entity as bytes |
//! | [`rng`] | chance |

extern crate self as pangea_engine;

pub mod codec;
pub mod field;
pub mod input;
pub mod interest;
pub mod outbox;
pub mod registry;
pub mod replicate;
pub mod rng;
mod shadow;
pub mod sim;
pub mod terrain;
#[cfg(test)]
mod tests;
pub mod update;
pub mod walk;

pub use bevy_ecs;
pub use field::{Field, Malformed};
pub use input::{Allowance, Input, Inputs};
pub use outbox::{Outbox, To};
pub use pangea_engine_derive::Replicate;
pub use registry::{Builder, CHARACTER, Enter, Kind, Leave};
pub use replicate::{Audience, FieldInfo, Replicate};
pub use rng::Dice;
pub use sim::{Character, CharacterIs, Clock, Extent, Net, Position, Setup, Sim};
pub use terrain::Terrain;
pub use update::View;
pub use walk::Walk;

use pangea_world::space::Ground;
use pangea_world::world::World;

/// What a game brings.
#[derive(Clone, Copy, Debug)]
pub struct Game {
    /// For logs and version checks.
    pub name: &'static str,
    /// Makes the land of one area; the same seed and ground make the same land.
    pub land: fn(world: &World, ground: &Ground) -> Box<dyn Land>,
    /// Declares what lives there.
    pub build: fn(area: &mut Builder, setup: &Setup<'_>),
}

/// The ground under a game's characters.
pub trait Land: Send + Sync {
    /// The kind of the tile (1 m × 1 m) whose north-west corner is at (x, y) metres;
    /// see [`pangea_world::frames::tile`]. Any coordinates may be asked for.
    fn tile(&self, x: i32, y: i32) -> u8;
}
