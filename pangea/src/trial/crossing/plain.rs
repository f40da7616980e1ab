//! The game of this trial: a plain without end on which everybody walks. Where a walker stands follows from the
//! steps that he made, so that one that is lost or made twice shows.

use pangea_engine::{Game, Land};
use pangea_world::frames::tile;

use super::super::economy::market;

/// Set for the trial's game servers: they play this instead of their own game.
pub(crate) const CHOSEN: &str = "TRIAL_PLAIN";

struct Plain;

impl Land for Plain {
    fn tile(&self, _: i32, _: i32) -> u8 {
        tile::GRASS
    }
}

/// The game.
pub(crate) fn game() -> Game {
    Game {
        name: "plain",
        land: |_, _| Box::new(Plain),
        build: |area, setup| {
            // Who walks also pays.
            (market::game().build)(area, setup);
            area.walking();
        },
    }
}
