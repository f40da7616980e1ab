//! The program's own game as these trials play it: whoever enters stands somewhere on the land.

use std::sync::OnceLock;

use pangea_engine::walk::nearest_free;
use pangea_engine::{Dice, Enter, Extent, Game, Position, Terrain};

/// Set for the trial's game servers: they play this instead of their own game.
pub(crate) const CHOSEN: &str = "TRIAL_SPREAD";

/// What is declared before: a game's functions cannot hold it.
static OWN: OnceLock<Game> = OnceLock::new();

/// The game, made of the program's own.
pub(crate) fn game(own: Game) -> Game {
    let own = OWN.get_or_init(|| own);
    Game {
        name: own.name,
        land: own.land,
        build: |area, setup| {
            if let Some(own) = OWN.get() {
                (own.build)(area, setup);
            }
            area.on_enter(|ecs, entity, why| {
                if why != Enter::Spawn {
                    return;
                }
                let extent = ecs.resource::<Extent>().0;
                let mut dice = ecs.resource_mut::<Dice>();
                let x = dice.between(f64::from(extent.x0), f64::from(extent.x1));
                let y = dice.between(f64::from(extent.y0), f64::from(extent.y1));
                let (x, y) = nearest_free(&mut ecs.resource_mut::<Terrain>(), extent, (x, y));
                if let Some(mut position) = ecs.get_mut::<Position>(entity) {
                    *position = Position { x, y };
                }
            });
        },
    }
}
