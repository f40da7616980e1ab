//! The game of these trials: a flat meadow, on which whoever enters stands somewhere and walks. Nothing but
//! moving is measured.

use pangea_engine::{Dice, Enter, Extent, Game, Land, Position};
use pangea_world::frames::tile;

/// Set for the trial's game servers: they play this instead of their own game.
pub(crate) const CHOSEN: &str = "TRIAL_MEADOW";

/// Nobody begins nearer to the edge, metres.
const EDGE_M: f64 = 1.0;

struct Meadow;

impl Land for Meadow {
    fn tile(&self, _: i32, _: i32) -> u8 {
        tile::GRASS
    }
}

/// The game.
pub(crate) fn game() -> Game {
    Game {
        name: "meadow",
        land: |_, _| Box::new(Meadow),
        build: |area, _| {
            area.walking().on_enter(|ecs, entity, why| {
                let extent = ecs.resource::<Extent>().0;
                let mut dice = ecs.resource_mut::<Dice>();
                let x = dice.between(f64::from(extent.x0) + EDGE_M, f64::from(extent.x1) - EDGE_M);
                let y = dice.between(f64::from(extent.y0) + EDGE_M, f64::from(extent.y1) - EDGE_M);
                if let (Enter::Spawn, Some(mut position)) = (why, ecs.get_mut::<Position>(entity)) {
                    *position = Position { x, y };
                }
            });
        },
    }
}

/// Side of a square meadow on which each of so many sees so many others, metres; 16 to 16,384. A square's
/// border hides a part of a view of radius r: its mean area is πr² − 8r³/3L + r⁴/2L² (for L ≥ 2r).
pub(super) fn side_m(players: u32, visible: u32, view_m: f64) -> u32 {
    // Who has come stays in view for a tenth more of it.
    let r = view_m * 1.05;
    let mut side = view_m * 4.0;
    for _ in 0..30 {
        let seen =
            std::f64::consts::PI * r * r - 8.0 * r.powi(3) / (3.0 * side) + r.powi(4) / (2.0 * side * side);
        side = (f64::from(players) * seen / f64::from(visible.max(1))).sqrt();
    }
    side.round().clamp(16.0, 16_384.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a count: players on a lattice.
    #[test]
    fn the_side_gives_the_wished_view() {
        for (players, visible) in [(1_000, 8), (1_000, 50), (4_000, 8)] {
            let side = f64::from(side_m(players, visible, 20.0));
            let n = f64::from(players).sqrt().round() as i32;
            let step = side / f64::from(n);
            let near = |a: (i32, i32), b: (i32, i32)| {
                f64::from(a.0 - b.0).hypot(f64::from(a.1 - b.1)) * step <= 21.0 && a != b
            };
            let all = || (0..n).flat_map(|x| (0..n).map(move |y| (x, y)));
            let seen: usize = all().map(|a| all().filter(|b| near(a, *b)).count()).sum();
            let mean = seen as f64 / f64::from(n * n);
            let wished = f64::from(visible);
            assert!((mean - wished).abs() < wished * 0.2, "{players}: {mean} instead of {visible}");
        }
    }
}
