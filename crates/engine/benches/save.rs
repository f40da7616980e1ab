//! What a checkpoint costs the step: `cargo bench -p pangea-engine --bench save`. 10,000 kept entities and
//! 10,000 altered tiles are copied again and again; printed is how long one copy takes, and its bytes.

use std::time::Instant;

use bevy_ecs::prelude::*;
use pangea_engine::{Builder, Game, Kept, Kind, Position, Replicate, Setup, Sim};
use pangea_world::frames::tile;

#[derive(Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Chest {
    coins: u64,
    owner: String,
}

#[derive(Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Door {
    open: bool,
    #[replicate(server)]
    since: u64,
}

fn build(area: &mut Builder, _: &Setup<'_>) {
    area.kind("house");
    area.component::<Chest>().component::<Door>();
}

const WORLD: &str =
    "kind = \"grid\"\n[grid]\ncell_m = 64\narea_cells = 8\nspawn = { x = 256.0, y = 256.0 }\n";
const MANY: i32 = 10_000;
const ROUNDS: usize = 200;

fn main() {
    let game = Game { name: "bench", land: |_, _| Box::new(|_, _| tile::GRASS), build };
    let mut sim = Sim::of_world(&game, WORLD);
    for n in 0..MANY {
        let at = Position { x: f64::from(n % 500), y: f64::from(n / 500) };
        let chest = Chest { coins: n as u64, owner: "Ada".into() };
        sim.ecs().spawn((Kind(1), Kept, at, chest, Door { open: n % 2 == 0, since: n as u64 }));
        sim.terrain().set_tile(n % 500, n / 500, tile::TREE);
    }
    sim.step(1.0);
    let mut times_ms: Vec<f64> = Vec::new();
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        bytes = sim.save().bytes.len();
        times_ms.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times_ms.sort_by(f64::total_cmp);
    let at = |share: f64| times_ms[((times_ms.len() - 1) as f64 * share) as usize];
    println!(
        "{MANY} entities, {MANY} tiles: {bytes} bytes; median {:.2} ms, p99 {:.2} ms",
        at(0.5),
        at(0.99)
    );
}
