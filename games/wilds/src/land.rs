//! The land from a seed.
//!
//! Meadows, woods, lakes and stony hills come from layered noise; what lies at a place depends on the
//! world's seed and the place alone, so neighbouring areas fit together without asking each other.

use fastnoise_lite::{FastNoiseLite, FractalType, NoiseType};
use pangea_engine::{Land, Setup};
use pangea_world::frames::tile;
use pangea_world::space::{Ground, Place, Rect};
use pangea_world::world::{Kind, World};

/// Radius around a spawn or a portal's end in which nothing stops a walker, metres.
const CLEAR_M: f64 = 3.5;

/// Radius around a spawn in which the land is dry and open, metres.
const OPEN_M: f64 = 40.0;

/// Half the width of the paths that join a map's spawns and portals, metres.
const PATH_M: f64 = 1.6;

/// The land of one world, or of one map of it.
pub struct Wilds {
    height: FastNoiseLite,
    woods: FastNoiseLite,
    meadows: FastNoiseLite,
    salt: u64,
    /// Beyond it is nothing; `None`: endless.
    bounds: Option<Rect>,
    /// Where characters appear: always free.
    anchors: Vec<(f64, f64)>,
    portals: Vec<Rect>,
    /// Pairs of points with a path between them.
    paths: Vec<[(f64, f64); 2]>,
}

/// The map's name, empty on a grid.
fn map_of(ground: &Ground) -> &str {
    match ground {
        Ground::Map(name) => name.as_str(),
        Ground::Cells(_) => "",
    }
}

/// A number for all that follows from the seed on this ground.
pub fn salt_of(world: &World, ground: &Ground) -> u64 {
    map_of(ground).bytes().fold(mix(world.seed), |h, byte| mix(h ^ u64::from(byte)))
}

/// Whether a place lies on the ground of this area, however its world is cut.
pub fn is_on(setup: &Setup<'_>, place: &Place) -> bool {
    setup.extent.contains(place.x, place.y) && place.map.as_deref().unwrap_or("") == map_of(setup.ground)
}

/// Where characters appear on this ground: spawns, and the ends of portals.
pub fn doorsteps(world: &World, ground: &Ground) -> Vec<(f64, f64)> {
    let map_name = map_of(ground);
    let here = |place: pangea_world::space::Place| {
        (place.map.as_deref().unwrap_or("") == map_name).then_some((place.x, place.y))
    };
    let factions = world.factions.iter().map(|faction| faction.spawn.clone());
    let mut doorsteps: Vec<(f64, f64)> =
        world.spawn(None).ok().into_iter().chain(factions).filter_map(here).collect();
    if let Kind::Maps(maps) = &world.kind {
        let ends = maps.maps.iter().flat_map(|map| &map.portals).filter(|portal| portal.leads_to(map_name));
        doorsteps.extend(ends.map(|portal| (portal.to_x, portal.to_y)));
    }
    doorsteps
}

impl Wilds {
    /// The land of this ground.
    pub fn new(world: &World, ground: &Ground) -> Self {
        let map_name = map_of(ground);
        let salt = salt_of(world, ground);
        let mut anchors = doorsteps(world, ground);
        let portals: Vec<Rect> = world.portals(ground).iter().map(|portal| portal.rect).collect();
        let mut paths = Vec::new();
        let bounds = match &world.kind {
            Kind::Grid(grid) => {
                let side = grid.cell_m as i32;
                grid.bounds.map(|r| Rect {
                    x0: r.x0 * side,
                    y0: r.y0 * side,
                    x1: r.x1 * side,
                    y1: r.y1 * side,
                })
            }
            Kind::Maps(maps) => {
                let map = maps.map(map_name).ok();
                anchors.extend(
                    portals.iter().map(|r| (f64::from(r.x0 + r.x1) / 2.0, f64::from(r.y0 + r.y1) / 2.0)),
                );
                paths.extend(anchors.windows(2).map(|pair| [pair[0], pair[1]]));
                map.map(|map| map.rect())
            }
        };
        Self {
            height: noise(mix(salt ^ 1), 0.009, 4),
            woods: noise(mix(salt ^ 2), 0.02, 2),
            meadows: noise(mix(salt ^ 3), 0.03, 2),
            salt,
            bounds,
            anchors,
            portals,
            paths,
        }
    }

    /// The tile as noise alone has it; `open`, 0 to 1, is how near a spawn is.
    fn wild(&self, x: f64, y: f64, roll: u64, open: f64) -> u8 {
        let height = self.height.get_noise_2d(x, y);
        if f64::from(height) < -0.42 - open {
            return tile::WATER;
        }
        if f64::from(height) < -0.34 - open {
            return tile::SAND;
        }
        let crowded = 1.0 - 0.8 * open;
        if height > 0.42 {
            return if (roll as f64) < 900.0 * crowded { tile::ROCK } else { tile::STONE };
        }
        let trees = if self.woods.get_noise_2d(x, y) > 0.15 { 1_600.0 } else { 150.0 };
        if (roll as f64) < trees * crowded {
            return tile::TREE;
        }
        if self.meadows.get_noise_2d(x, y) > 0.25 { tile::MEADOW } else { tile::GRASS }
    }
}

impl Land for Wilds {
    fn tile(&self, x: i32, y: i32) -> u8 {
        let middle = (f64::from(x) + 0.5, f64::from(y) + 0.5);
        if self.bounds.is_some_and(|bounds| !bounds.contains(middle.0, middle.1)) {
            return tile::VOID;
        }
        if self.portals.iter().any(|rect| rect.contains(middle.0, middle.1)) {
            return tile::PORTAL;
        }
        let roll = mix(mix(self.salt ^ x as u32 as u64) ^ (y as u32 as u64) << 20) % 10_000;
        let nearest =
            self.anchors.iter().map(|a| (a.0 - middle.0).hypot(a.1 - middle.1)).fold(f64::INFINITY, f64::min);
        let wild = self.wild(middle.0, middle.1, roll, (1.0 - nearest / OPEN_M).max(0.0));
        if wild < tile::FIRST_SOLID {
            return wild;
        }
        let beside_portal = |rect: &Rect| from_rect(rect, middle) <= CLEAR_M + 0.71;
        if nearest <= CLEAR_M + 0.71 || self.portals.iter().any(beside_portal) {
            return tile::GRASS;
        }
        if self.paths.iter().any(|path| from_segment(*path, middle) <= PATH_M) {
            return tile::SAND;
        }
        wild
    }
}

fn noise(seed: u64, frequency: f32, octaves: i32) -> FastNoiseLite {
    let mut noise = FastNoiseLite::with_seed(seed as i32);
    noise.set_noise_type(Some(NoiseType::OpenSimplex2));
    noise.set_fractal_type(Some(FractalType::FBm));
    noise.set_fractal_octaves(Some(octaves));
    noise.set_frequency(Some(frequency));
    noise
}

/// Mixes all bits of a number (two multiply-xor-shift rounds).
pub fn mix(mut h: u64) -> u64 {
    h = (h ^ (h >> 31)).wrapping_add(0x6A09_E667_F3BC_C909).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    h = (h ^ (h >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    h ^ (h >> 32)
}

/// Distance from a point to a rectangle, 0 inside.
fn from_rect(rect: &Rect, (x, y): (f64, f64)) -> f64 {
    let beside = |v: f64, low: i32, high: i32| (f64::from(low) - v).max(v - f64::from(high)).max(0.0);
    beside(x, rect.x0, rect.x1).hypot(beside(y, rect.y0, rect.y1))
}

/// Distance from a point to a segment.
fn from_segment([a, b]: [(f64, f64); 2], (x, y): (f64, f64)) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let square = dx * dx + dy * dy;
    let along = if square > 0.0 { (((x - a.0) * dx + (y - a.1) * dy) / square).clamp(0.0, 1.0) } else { 0.0 };
    (x - a.0 - along * dx).hypot(y - a.1 - along * dy)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use pangea_engine::Terrain;
    use pangea_engine::walk::is_free;
    use pangea_world::layout::ground_at;
    use pangea_world::world_file;

    use super::*;
    use crate::game;

    const WILDS: &str = include_str!("../../../worlds/wilds.toml");
    const ISLES: &str = include_str!("../../../worlds/isles.toml");

    fn world(name: &str, text: &str) -> World {
        world_file::read(&format!("{name}.toml"), text).expect("a world")
    }

    fn terrain(world: &World, ground: &Ground) -> Terrain {
        Terrain::new((game().land)(world, ground))
    }

    /// The tiles that one can walk to, at most `most`.
    fn reachable(terrain: &mut Terrain, from: (f64, f64), within: Rect, most: usize) -> HashSet<(i32, i32)> {
        let mut found = HashSet::from([(from.0.floor() as i32, from.1.floor() as i32)]);
        let mut open: Vec<(i32, i32)> = found.iter().copied().collect();
        while let Some((x, y)) = open.pop() {
            for (x, y) in [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)] {
                let inside = within.contains(f64::from(x), f64::from(y));
                if inside && found.len() < most && !terrain.is_solid(x, y) && found.insert((x, y)) {
                    open.push((x, y));
                }
            }
        }
        found
    }

    #[test]
    fn the_same_seed_makes_the_same_land_and_another_one_another() {
        let wilds = world("wilds", WILDS);
        let cells = |x0| Ground::Cells(Rect { x0, y0: 0, x1: x0 + 8, y1: 8 });
        let (one, two) = ((game().land)(&wilds, &cells(0)), (game().land)(&wilds, &cells(8)));
        let other = (game().land)(&World { seed: 8, ..wilds.clone() }, &cells(0));
        let places = || (-100..1_100).step_by(7).flat_map(|x| (-50..600).step_by(11).map(move |y| (x, y)));
        assert!(places().all(|(x, y)| one.tile(x, y) == two.tile(x, y)), "areas of one world fit together");
        assert!(places().any(|(x, y)| one.tile(x, y) != other.tile(x, y)));
        let kinds: HashSet<u8> = places().map(|(x, y)| one.tile(x, y)).collect();
        assert!(
            kinds.is_superset(&HashSet::from([tile::GRASS, tile::MEADOW, tile::TREE, tile::WATER])),
            "{kinds:?}"
        );
    }

    #[test]
    fn every_spawn_is_free_and_leads_out() {
        for world in [world("wilds", WILDS), world("isles", ISLES)] {
            let ids = world.factions.iter().map(|faction| Some(faction.id.as_str()));
            for faction in ids.chain([None]) {
                let spawn = world.spawn(faction).expect("a spawn");
                let ground = ground_at(&world, &spawn).expect("a ground");
                let extent = pangea_world::layout::extent_m(&world, &ground).expect("its extent");
                let mut terrain = terrain(&world, &ground);
                for (dx, dy) in [(0.0, 0.0), (3.0, 0.0), (-2.0, 2.0), (0.0, -3.0)] {
                    assert!(is_free(&mut terrain, (spawn.x + dx, spawn.y + dy)), "{spawn:?} + {dx}, {dy}");
                }
                let all = ((extent.x1 - extent.x0) * (extent.y1 - extent.y0)) as usize;
                let found = reachable(&mut terrain, (spawn.x, spawn.y), extent, all).len();
                assert!(found * 2 > all, "from {spawn:?} one reaches {found} of {all} tiles");
            }
        }
    }

    #[test]
    fn every_portal_is_reached_from_every_end_on_its_map() {
        let isles = world("isles", ISLES);
        let Kind::Maps(maps) = &isles.kind else { panic!("maps") };
        for map in &maps.maps {
            let mut terrain = terrain(&isles, &Ground::Map(map.id.clone()));
            let ends = maps.maps.iter().flat_map(|m| &m.portals).filter(|p| p.leads_to(&map.id));
            for end in ends {
                let found = reachable(&mut terrain, (end.to_x, end.to_y), map.rect(), 1 << 20);
                for portal in &map.portals {
                    assert_eq!(terrain.tile(portal.rect.x0, portal.rect.y0), tile::PORTAL);
                    assert!(
                        found.contains(&(portal.rect.x0, portal.rect.y0)),
                        "{} to {:?}",
                        map.id,
                        portal.to
                    );
                }
            }
            assert_eq!(terrain.tile(-1, 0), tile::VOID);
            assert_eq!(terrain.tile(map.width_m as i32, 0), tile::VOID);
        }
    }
}
