//! What a tick costs without its sockets: the step with one input of each, what every client is told (the step and
//! that together, and each alone), an entity as bytes, and a message read and written.
//!
//! `cargo bench -p pangea-engine`

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pangea_engine::prelude::*;
use pangea_engine::replicate::put_message;
use pangea_engine::sim::Sim;
use pangea_engine::update::{Eyes, View};
use pangea_world::frames::{ServerMessage, Update, tile};
use pangea_world::id::CharacterId;
use pangea_world::space::{Ground, Rect};

struct Flat;
impl Land for Flat {
    fn tile(&self, _: i32, _: i32) -> u8 {
        tile::GRASS
    }
}

const GAME: Game = Game {
    name: "bench",
    land: |_, _| Box::new(Flat),
    build: |area, _| {
        area.walking();
    },
};

/// Players in a square, and what each of them was told.
struct Meadow {
    sim: Sim,
    players: Vec<(u16, View)>,
    budget: usize,
    tick: u32,
    out: BytesMut,
}

impl Meadow {
    /// Spread evenly, as far apart as `side_m` gives.
    fn new(players: usize, side_m: i32, view_m: u32, budget: usize) -> Self {
        let text = "kind = \"grid\"\n[grid]\ncell_m = 64\narea_cells = 1\nspawn = { x = 1.0, y = 1.0 }\n";
        let world = pangea_world::world_file::read("bench.toml", text).expect("a world");
        let ground = Ground::Cells(Rect { x0: 0, y0: 0, x1: 1, y1: 1 });
        let extent = Rect { x0: 0, y0: 0, x1: side_m, y1: side_m };
        let setup = Setup { world: &world, ground: &ground, extent, tick_hz: 20, view_m, tick: 0 };
        let mut sim = Sim::new(&GAME, &setup);
        let row = (players as f64).sqrt().ceil() as usize;
        let apart = f64::from(side_m) / row as f64;
        let players = (0..players).map(|n| {
            let id = sim.reserve().expect("an id");
            let who = CharacterId((n as u128).to_be_bytes());
            let at = (((n % row) as f64 + 0.5) * apart, ((n / row) as f64 + 0.5) * apart);
            let look = Character { name: format!("Player{n}"), faction: String::new() };
            sim.spawn(id, who, look, at, Enter::Spawn, None).expect("new");
            (id, View::default())
        });
        let players = players.collect();
        let mut meadow = Self { sim, players, budget, tick: 0, out: BytesMut::new() };
        for _ in 0..3 {
            meadow.tick();
        }
        meadow
    }

    /// Everybody walks: forth and back, each in his own direction.
    fn step(&mut self) {
        self.tick += 1;
        for (n, (id, _)) in self.players.iter().enumerate() {
            let towards =
                n as f32 + if (self.tick / 40).is_multiple_of(2) { 0.0 } else { std::f32::consts::PI };
            let mut payload = Vec::with_capacity(8);
            put_message(&Walk { dx: towards.cos(), dy: towards.sin() }, &mut payload);
            let _ = self.sim.input(*id, self.tick, 0, &payload);
        }
        self.sim.step(1.0);
    }

    fn gather(&mut self) -> usize {
        self.out.clear();
        for (id, view) in &mut self.players {
            let at = self.sim.seen_at(*id).expect("there");
            let eyes = Eyes { at, me: *id, acked: self.sim.acked(*id), budget: self.budget };
            self.sim.gather(view, eyes, &mut self.out);
        }
        self.out.len()
    }

    /// The time of so many gatherings, each after a step of its own.
    fn gathering(&mut self, rounds: u64) -> Duration {
        let mut took = Duration::ZERO;
        for _ in 0..rounds {
            self.step();
            let began = Instant::now();
            black_box(self.gather());
            took += began.elapsed();
        }
        took
    }

    fn tick(&mut self) -> usize {
        self.step();
        self.gather()
    }
}

/// Side of a square on which each of a thousand sees so many within 20 m, about.
fn side_m(visible: f64) -> i32 {
    (std::f64::consts::PI * 21.0 * 21.0 * 1_000.0 / visible).sqrt() as i32
}

fn ticks(c: &mut Criterion) {
    let cases = [
        ("field_8", 1_000, side_m(8.0), 20, 3_200),
        ("field_50", 1_000, side_m(50.0), 20, 3_200),
        ("crowd", 1_200, 16, 30, 3_200),
        ("crowd_over_budget", 1_200, 16, 30, 1_600),
    ];
    let mut group = c.benchmark_group("tick");
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    for (name, players, side_m, view_m, budget) in cases {
        let mut meadow = Meadow::new(players, side_m, view_m, budget);
        group.throughput(Throughput::Elements(players as u64));
        group.bench_function(BenchmarkId::new("step_and_gather", name), |b| {
            b.iter(|| black_box(meadow.tick()))
        });
    }
    let mut meadow = Meadow::new(1_000, side_m(8.0), 20, 3_200);
    group.bench_function("step", |b| b.iter(|| meadow.step()));
    for (name, players, side_m, view_m, budget) in cases {
        let mut meadow = Meadow::new(players, side_m, view_m, budget);
        group.throughput(Throughput::Elements(players as u64));
        group.bench_function(BenchmarkId::new("gather", name), |b| {
            b.iter_custom(|rounds| meadow.gathering(rounds))
        });
    }
    group.finish();
}

/// A thousand moves, as a client in a crowd is told.
fn crowded_update() -> ServerMessage {
    let moved = (0..1_000).map(|place| (place, 12, -20)).collect();
    ServerMessage::Update(Update { tick: 1, acked: 1, moved, ..Update::default() })
}

fn codec(c: &mut Criterion) {
    let meadow = Meadow::new(1, 100, 20, 3_200);
    c.bench_function("record", |b| b.iter(|| black_box(meadow.sim.record(0))));
    let mut payload = Vec::new();
    put_message(&Walk { dx: 0.6, dy: -0.8 }, &mut payload);
    let mut out = Vec::with_capacity(64);
    c.bench_function("put_message", |b| {
        b.iter(|| {
            out.clear();
            put_message(black_box(&Walk { dx: 0.6, dy: -0.8 }), &mut out);
            black_box(out.len())
        });
    });
    let update = crowded_update();
    let mut frame = BytesMut::with_capacity(8 << 10);
    c.bench_function("encode_update", |b| {
        b.iter(|| {
            frame.clear();
            black_box(&update).put(&mut frame);
            black_box(frame.len())
        });
    });
    c.bench_function("take_message", |b| {
        b.iter(|| pangea_engine::replicate::take_message::<Walk>(black_box(&payload)));
    });
}

criterion_group!(benches, ticks, codec);
criterion_main!(benches);
