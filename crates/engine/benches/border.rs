//! What a border costs: 200 things walk in the band, each step one area tells the other and the other hears.
//! The steps themselves are not counted. `cargo bench -p pangea-engine --bench border`

use std::time::{Duration, Instant};

use bevy_ecs::prelude::*;
use criterion::{Criterion, criterion_group, criterion_main};
use pangea_engine::{Builder, Clock, Game, Kind, Peer, Position, Replicate, Setup, Sim};
use pangea_world::frames::tile;
use pangea_world::space::{Ground, Rect};

#[derive(Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Body {
    health: u16,
    most: u16,
}

/// Changes five times a second, as a creature's does.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Mind {
    #[replicate(server)]
    goal_x: f64,
    #[replicate(server)]
    goal_y: f64,
    #[replicate(server)]
    left_s: f32,
}

fn wander(clock: Res<Clock>, mut all: Query<(&mut Position, &mut Mind)>) {
    for (n, (mut at, mut mind)) in all.iter_mut().enumerate() {
        at.y += if (clock.tick / 40).is_multiple_of(2) { 0.2 } else { -0.2 };
        if (clock.tick + n as u64).is_multiple_of(4) {
            mind.left_s += 0.2;
        }
    }
}

fn build(area: &mut Builder, _: &Setup<'_>) {
    area.kind("deer");
    area.component::<Body>().component::<Mind>().system(wander);
}

const WEST: Rect = Rect { x0: 0, y0: 0, x1: 512, y1: 512 };
const EAST: Rect = Rect { x0: 512, y0: 0, x1: 1_024, y1: 512 };

fn sim(extent: Rect) -> Sim {
    let text = "kind = \"grid\"\n[grid]\ncell_m = 512\narea_cells = 1\nspawn = { x = 1.0, y = 1.0 }\n";
    let world = pangea_world::world_file::read("bench.toml", text).expect("a world");
    let ground = Ground::Cells(Rect { x0: extent.x0 / 512, y0: 0, x1: extent.x1 / 512, y1: 1 });
    let game = Game { name: "bench", land: |_, _| Box::new(|_, _| tile::GRASS), build };
    Sim::new(&game, &Setup { world: &world, ground: &ground, extent, tick_hz: 20, view_m: 60, tick: 0 })
}

fn band(c: &mut Criterion) {
    let (mut west, mut east) = (sim(WEST), sim(EAST));
    for n in 0..2_200 {
        let x = if n < 200 { 455.0 + f64::from(n % 50) } else { f64::from(n % 400) };
        let at = Position { x, y: 20.0 + f64::from(n) * 0.2 };
        west.ecs().spawn((Kind(1), at, Body { health: 10, most: 30 }, Mind::default()));
    }
    let mut frame = Vec::new();
    c.bench_function("border/200_of_2200_tell_and_hear", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                west.step(1.0);
                frame.clear();
                let began = Instant::now();
                west.tell_peer(Peer(0), EAST, 64_000, &mut frame);
                east.hear_peer(Peer(0), &frame).expect("a good frame");
                spent += began.elapsed();
                east.step(1.0);
            }
            spent
        });
    });
    assert_eq!(east.ghosts(), 200);
    println!("{} bytes in the last frame", frame.len());
}

criterion_group!(benches, band);
criterion_main!(benches);
