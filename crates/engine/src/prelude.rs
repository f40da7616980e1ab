//! What a game's file begins with: `use pangea_engine::prelude::*;`. The entity component system is
//! [bevy_ecs](https://docs.rs/bevy_ecs), whose prelude is in here; name `bevy_ecs` among the game's own
//! dependencies too, for `#[derive(Component)]`.

pub use bevy_ecs::prelude::*;
pub use pangea_world::frames::tile;
pub use pangea_world::{Code, Refusal};

pub use crate::walk::{Point, Walk, is_free, nearest_free, walk, walk_beyond};
pub use crate::{
    Allowance, Builder, CHARACTER, Carried, Character, CharacterIs, Clock, Dice, Enter, Epoch, Extent, Game,
    Ghost, Gid, Gids, Input, Inputs, Kept, Kind, Land, Leave, Ledger, Letters, Net, OpenGround, Outbox, Pass,
    Position, Post, Refusals, Replicate, Right, Rights, Setup, Sim, Terrain, To, Together,
};
