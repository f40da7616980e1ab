//! What creatures cost: 5,000 of them awake on one square of the Wilds, and what a step takes.
//!
//!     cargo run --release -p wilds --example crowd

use std::time::Instant;

use pangea_engine::{Setup, Sim};
use pangea_world::space::{Ground, Rect};
use pangea_world::world_file;
use wilds::population::creature;
use wilds::species::{Kinds, Species};

const CREATURES: usize = 5_000;
const TICKS: u32 = 600;

fn main() {
    let text = "kind = \"grid\"\nseed = 7\ncreatures = false\n[grid]\ncell_m = 64\narea_cells = 8\n\
                spawn = { x = 256.0, y = 256.0 }\n";
    let world = world_file::read("crowd.toml", text).expect("a world");
    let ground = Ground::Cells(Rect { x0: 0, y0: 0, x1: 8, y1: 8 });
    let extent = Rect { x0: 0, y0: 0, x1: 512, y1: 512 };
    let setup = Setup { world: &world, ground: &ground, extent, tick_hz: 20, view_m: 60, tick: 0 };
    for count in [0, CREATURES] {
        let mut sim = Sim::new(&wilds::game(), &setup);
        let kinds = *sim.ecs().resource::<Kinds>();
        for n in 0..count {
            let at = (n % 71) as f64 * 7.1 + 4.0;
            let at = sim.free_place((at, (n / 71) as f64 * 7.1 + 4.0));
            let species = Species::ALL[n % Species::ALL.len()];
            sim.ecs().spawn(creature(&kinds, species, (0, 0), at, at, n as u64 % 4));
        }
        // The land under them is made first.
        for _ in 0..100 {
            sim.step(1.0);
        }
        let begin = Instant::now();
        for _ in 0..TICKS {
            sim.step(1.0);
        }
        let tick_us = begin.elapsed().as_secs_f64() * 1e6 / f64::from(TICKS);
        println!("{count} creatures: {tick_us:.0} µs per tick, {:.2} µs each", tick_us / count.max(1) as f64);
    }
}
