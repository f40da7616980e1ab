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
//! | [`refusals`] | what the game's rules refused, counted |
//! | [`ledger`] | goods, money and quest steps |
//! | [`claim`] | who may gather and build here |
//! | [`terrain`], [`walk`] | the land of one area; one step over it |
//! | [`border`] | what neighbouring areas show each other, and what goes over |
//! | [`interest`] | who sees whom |
//! | [`update`] | what a client is told, within its bytes |
//! | [`codec`] | an entity as bytes |
//! | [`rng`] | chance |
//! | [`testing`] | an area for a game's own tests |
//! | [`prelude`] | what a game's file begins with |
//!
//! A game step by step: `docs/engine.md`. The least of all:
//!
//! ```
//! use pangea_engine::prelude::*;
//!
//! #[derive(Component, Replicate, Default)]
//! struct Steps {
//!     taken: u32,
//! }
//!
//! fn count(mut walkers: Query<&mut Steps, Changed<Position>>) {
//!     walkers.iter_mut().for_each(|mut steps| steps.taken += 1);
//! }
//!
//! let game = Game {
//!     name: "steps",
//!     land: |_world, _ground| Box::new(|_x: i32, _y: i32| tile::GRASS),
//!     build: |area, _setup| {
//!         area.component::<Steps>().walking().system(count);
//!         area.on_enter(|ecs, who, _why| {
//!             ecs.entity_mut(who).insert_if_new(Steps::default());
//!         });
//!     },
//! };
//!
//! let world = "kind = \"grid\"\n[grid]\ncell_m = 64\narea_cells = 1\nspawn = { x = 9.0, y = 9.0 }";
//! let mut sim = Sim::of_world(&game, world);
//! let ada = sim.join("Ada", (9.0, 9.0));
//! sim.step(1.0);
//! sim.act(ada, &Walk { dx: 1.0, dy: 0.0 }).expect("taken");
//! sim.step(1.0);
//! assert_eq!(sim.place(ada), Some((9.25, 9.0)));
//! assert_eq!(sim.get::<Steps>(ada).map(|steps| steps.taken), Some(2));
//! ```

extern crate self as pangea_engine;

mod apart;
pub mod border;
pub mod claim;
pub mod codec;
pub mod field;
pub mod input;
pub mod interest;
pub mod ledger;
pub mod outbox;
pub mod pack;
pub mod prelude;
pub mod refusals;
pub mod registry;
pub mod replicate;
pub mod rng;
pub mod save;
mod shadow;
pub mod sim;
mod stir;
pub mod terrain;
pub mod testing;
#[cfg(test)]
mod tests;
pub mod update;
pub mod walk;

pub use bevy_ecs;
pub use border::{
    Ghost, GhostOf, Gid, Gids, Leaving, Letter, Letters, OpenGround, Pass, Peer, Post, Reach, Together,
};
pub use claim::{Claim, Right, Rights};
pub use field::{Field, Malformed};
pub use input::{Allowance, Input, Inputs};
pub use ledger::Ledger;
pub use outbox::{Outbox, To};
pub use pack::{Carried, CopiedCharacter, Packed};
pub use pangea_engine_derive::Replicate;
pub use refusals::Refusals;
pub use registry::{Builder, CHARACTER, Enter, Kind, Leave};
pub use replicate::{Audience, FieldInfo, Replicate};
pub use rng::Dice;
pub use save::Kept;
pub use sim::{Arrival, Character, CharacterIs, Clock, Epoch, Extent, Net, Party, Position, Setup, Sim};
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

/// A small land is one closure.
impl<F: Fn(i32, i32) -> u8 + Send + Sync> Land for F {
    fn tile(&self, x: i32, y: i32) -> u8 {
        self(x, y)
    }
}
