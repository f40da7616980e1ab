//! What a game is written in. No I/O, no clock: the area server calls [`Game`]'s functions and steps.

use pangea_world::space::Ground;
use pangea_world::world_file::World;

/// What a game brings.
#[derive(Clone, Copy)]
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
