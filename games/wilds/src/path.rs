//! The way around what stands in the way: A* over tiles.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use pangea_engine::Terrain;
use pangea_engine::walk::Point;

/// Most tiles that one search looks at.
const MOST_TILES: usize = 400;

/// A tile, by its north-west corner.
pub type Tile = (i32, i32);

/// The tile under a point.
pub fn tile_at((x, y): Point) -> Tile {
    (x.floor() as i32, y.floor() as i32)
}

/// Its middle.
pub fn middle((x, y): Tile) -> Point {
    (f64::from(x) + 0.5, f64::from(y) + 0.5)
}

/// Whether nothing solid lies between two points (looked at every half metre).
pub fn is_clear(terrain: &mut Terrain, from: Point, to: Point) -> bool {
    between(from, to).all(|(x, y)| !terrain.is_solid(x, y))
}

/// The tiles on the straight line between two points, some of them more than once.
pub fn between(from: Point, to: Point) -> impl Iterator<Item = Tile> {
    let length = (to.0 - from.0).hypot(to.1 - from.1);
    let steps = (length / 0.5).ceil().clamp(1.0, 256.0) as i32;
    (0..=steps).map(move |n| {
        let part = f64::from(n) / f64::from(steps);
        tile_at((from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part))
    })
}

/// The tiles of a short way, the last one first; `None` if none is found among the nearest few hundred.
pub fn find(terrain: &mut Terrain, from: Point, to: Point) -> Option<Vec<Tile>> {
    let (start, goal) = (tile_at(from), tile_at(to));
    // Costs in tenths of a tile: 10 straight, 14 diagonally.
    let guess = |(x, y): Tile| {
        let (dx, dy) = (x.abs_diff(goal.0), y.abs_diff(goal.1));
        10 * dx.max(dy) + 4 * dx.min(dy)
    };
    let mut came: HashMap<Tile, (u32, Tile)> = HashMap::from([(start, (0, start))]);
    let mut open = BinaryHeap::from([(Reverse(guess(start)), start)]);
    while let Some((Reverse(estimate), at)) = open.pop() {
        if at == goal {
            let mut way = vec![goal];
            let mut tile = goal;
            while came[&tile].1 != tile {
                tile = came[&tile].1;
                way.push(tile);
            }
            way.pop();
            return Some(way);
        }
        let cost = came[&at].0;
        if estimate > cost + guess(at) {
            continue;
        }
        for (dx, dy) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)] {
            let next = (at.0 + dx, at.1 + dy);
            // Around a corner one needs both sides free.
            let free = !terrain.is_solid(next.0, next.1)
                && !terrain.is_solid(at.0, next.1)
                && !terrain.is_solid(next.0, at.1);
            let cost = cost + if dx == 0 || dy == 0 { 10 } else { 14 };
            if free && came.get(&next).is_none_or(|(known, _)| cost < *known) {
                if came.len() >= MOST_TILES {
                    return None;
                }
                came.insert(next, (cost, at));
                open.push((Reverse(cost + guess(next)), next));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use pangea_engine::Land;
    use pangea_world::frames::tile;

    use super::*;

    /// A wall from north to south with one gap, at y = 4.
    struct Gap;
    impl Land for Gap {
        fn tile(&self, x: i32, y: i32) -> u8 {
            if x == 5 && y != 4 { tile::ROCK } else { tile::GRASS }
        }
    }

    #[test]
    fn a_way_leads_through_the_gap_and_never_cuts_a_corner() {
        let mut terrain = Terrain::new(Box::new(Gap));
        assert!(!is_clear(&mut terrain, (3.5, 0.5), (7.5, 0.5)));
        let mut way = find(&mut terrain, (3.5, 0.5), (7.5, 0.5)).expect("a way");
        way.reverse();
        assert!(way.contains(&(4, 4)) && way.contains(&(5, 4)) && way.contains(&(6, 4)), "{way:?}");
        assert_eq!(way.last(), Some(&(7, 0)));
        assert!(way.iter().all(|(x, y)| !terrain.is_solid(*x, *y)));
    }

    #[test]
    fn a_search_ends() {
        struct Box;
        impl Land for Box {
            fn tile(&self, x: i32, y: i32) -> u8 {
                if (x.abs() == 2 && y.abs() <= 2) || (y.abs() == 2 && x.abs() <= 2) {
                    tile::ROCK
                } else {
                    tile::GRASS
                }
            }
        }
        let mut terrain = Terrain::new(std::boxed::Box::new(Box));
        assert_eq!(find(&mut terrain, (0.5, 0.5), (9.5, 0.5)), None, "from inside a box");
        assert_eq!(find(&mut terrain, (9.5, 0.5), (0.5, 0.5)), None, "into a box, over endless grass");
    }
}
