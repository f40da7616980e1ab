//! One step over the land. A walker is a square of 0.6 m; solid tiles and the area's edge stop it, and it
//! slides along them: first the step's east-west part is walked, then its north-south part.

use bevy_ecs::prelude::*;
use pangea_world::space::Rect;
use pangea_world::{Code, Refusal};
use smallvec::SmallVec;

use crate::border::Reach;
use crate::sim::{Clock, Extent, Position};
use crate::{Allowance, Builder, Input, Inputs, Replicate, Terrain};

/// Half the side of a walker, metres.
pub const RADIUS_M: f64 = 0.3;

/// How fast a character walks, metres per second.
pub const SPEED_M_S: f64 = 5.0;

/// Longest part of a step that is walked at once, metres: less than a tile, so that none is jumped over.
const STRIDE_M: f64 = 0.5;

/// How much a square may reach into a tile that it only touches.
const TOUCH_M: f64 = 1e-6;

/// Length of a direction that still counts as 1: room for rounding.
const MOST_LENGTH: f32 = 1.01;

/// A point, metres.
pub type Point = (f64, f64);

/// Walk for one tick in a direction: at most 1 long, where 1 is full speed.
#[derive(Replicate, Debug, Clone, Copy, PartialEq)]
pub struct Walk {
    /// East.
    pub dx: f32,
    /// South.
    pub dy: f32,
}

impl Input for Walk {
    const STEERS: bool = true;

    fn check(&self) -> Result<(), Refusal> {
        if !self.dx.is_finite() || !self.dy.is_finite() {
            return Refusal::err(Code::BadInput, "a direction has two finite numbers");
        }
        if self.dx.hypot(self.dy) > MOST_LENGTH {
            return Refusal::err(Code::TooFast, "a direction has at most the length 1");
        }
        Ok(())
    }
}

/// Whoever has it does not walk: dead, held, asleep. His inputs are taken all the same.
#[derive(Component, Debug, Clone, Copy, PartialEq, Default)]
pub struct Stunned;

impl Builder {
    /// Characters walk as their clients say, in this place among the systems. [`Walk`] is input 0, whatever was
    /// declared before: clients that know no schema walk too.
    pub fn walking(&mut self) -> &mut Self {
        self.input_at::<Walk>(0, Allowance::EACH_TICK).system(follow)
    }
}

/// Who walks.
type Walker<'a> = (&'a mut Inputs<Walk>, &'a mut Position, Has<Stunned>, Option<&'a Reach>);

fn follow(
    clock: Res<Clock>,
    extent: Res<Extent>,
    mut terrain: ResMut<Terrain>,
    mut walkers: Query<Walker<'_>>,
) {
    let reach = SPEED_M_S * clock.dt_s();
    for (mut inputs, mut position, stunned, beyond) in &mut walkers {
        if inputs.is_empty() {
            continue;
        }
        for Walk { dx, dy } in inputs.drain() {
            if !stunned {
                let by = (f64::from(dx) * reach, f64::from(dy) * reach);
                let beyond = beyond.map_or(&[][..], |beyond| &beyond.0);
                (position.x, position.y) = walk_beyond(&mut terrain, extent.0, beyond, position.point(), by);
            }
        }
    }
}

/// Walks from a free point; the result is free too, inside the extent, and no farther away than `by`.
pub fn walk(terrain: &mut Terrain, extent: Rect, from: Point, by: Point) -> Point {
    walk_beyond(terrain, extent, &[], from, by)
}

/// The same, where the grounds of some neighbours may be walked on too. Who stands where no ground is open any
/// more is put back to the edge of the extent.
pub fn walk_beyond(terrain: &mut Terrain, extent: Rect, beyond: &[Rect], from: Point, by: Point) -> Point {
    let strides = (by.0.abs().max(by.1.abs()) / STRIDE_M).ceil().clamp(1.0, 64.0);
    let (dx, dy) = (by.0 / strides, by.1 / strides);
    let (mut x, mut y) = from;
    for _ in 0..strides as u32 {
        let ends = ends(extent, beyond, x, y, |rect| (rect.x0, rect.x1, rect.y0, rect.y1));
        x = along(x, dx, ends, y, |line, across| terrain.is_solid(line, across));
        let ends = self::ends(extent, beyond, y, x, |rect| (rect.y0, rect.y1, rect.x0, rect.x1));
        y = along(y, dy, ends, x, |line, across| terrain.is_solid(across, line));
    }
    (x, y)
}

/// From where to where open ground goes along an axis, under both sides of a walker; `axes` of a rectangle: its
/// begin and end along, then across.
fn ends(
    extent: Rect,
    beyond: &[Rect],
    at: f64,
    across: f64,
    axes: impl Fn(Rect) -> (i32, i32, i32, i32),
) -> (i32, i32) {
    let (low, high, ..) = axes(extent);
    if beyond.is_empty() {
        return (low, high);
    }
    let mut both = (i32::MIN, i32::MAX);
    for side in [across - RADIUS_M + TOUCH_M, across + RADIUS_M - TOUCH_M] {
        let open = || beyond.iter().chain([&extent]).map(|rect| axes(*rect));
        let here = open().filter(|(_, _, begin, end)| side >= f64::from(*begin) && side <= f64::from(*end));
        let lines: SmallVec<[(i32, i32); 4]> = here.map(|(low, high, ..)| (low, high)).collect();
        let holds = |(low, high): &&(i32, i32)| at >= f64::from(*low) && at <= f64::from(*high);
        let Some(mut line) = lines.iter().find(holds).copied() else { return (low, high) };
        for _ in &lines {
            for next in &lines {
                if next.0 <= line.1 && next.1 >= line.0 {
                    line = (line.0.min(next.0), line.1.max(next.1));
                }
            }
        }
        both = (both.0.max(line.0), both.1.min(line.1));
    }
    both
}

/// One stride along one axis, at `across` on the other one.
fn along(
    at: f64,
    by: f64,
    (low, high): (i32, i32),
    across: f64,
    mut solid: impl FnMut(i32, i32) -> bool,
) -> f64 {
    let to = (at + by).clamp(f64::from(low) + RADIUS_M, f64::from(high) - RADIUS_M);
    let (first, last) = span(across);
    let (near, far) = (span(at), span(to));
    if by > 0.0 && far.1 > near.1 && (first..=last).any(|row| solid(far.1, row)) {
        return f64::from(far.1) - RADIUS_M;
    }
    if by < 0.0 && far.0 < near.0 && (first..=last).any(|row| solid(far.0, row)) {
        return f64::from(far.0 + 1) + RADIUS_M;
    }
    to
}

/// First and last tile under a walker whose middle is here.
fn span(middle: f64) -> (i32, i32) {
    ((middle - RADIUS_M + TOUCH_M).floor() as i32, (middle + RADIUS_M - TOUCH_M).floor() as i32)
}

/// Whether a walker can stand here.
pub fn is_free(terrain: &mut Terrain, (x, y): Point) -> bool {
    let ((x0, x1), (y0, y1)) = (span(x), span(y));
    (y0..=y1).all(|row| (x0..=x1).all(|column| !terrain.is_solid(column, row)))
}

/// The point itself if one can stand there, else the middle of the nearest free tile (by rings, up to
/// 64 m), else the point: a character is never lost over a changed land.
pub fn nearest_free(terrain: &mut Terrain, extent: Rect, at: Point) -> Point {
    let inside = |v: f64, low: i32, high: i32| {
        let v = if v.is_finite() { v } else { f64::from(low) };
        v.clamp(f64::from(low) + RADIUS_M, f64::from(high) - RADIUS_M)
    };
    let at = (inside(at.0, extent.x0, extent.x1), inside(at.1, extent.y0, extent.y1));
    if is_free(terrain, at) {
        return at;
    }
    let (column, row) = (at.0.floor() as i32, at.1.floor() as i32);
    for ring in 0..64 {
        for dy in -ring..=ring {
            for dx in -ring..=ring {
                let middle = (f64::from(column + dx) + 0.5, f64::from(row + dy) + 0.5);
                let on_ring = dx.abs() == ring || dy.abs() == ring;
                if on_ring && extent.contains(middle.0, middle.1) && is_free(terrain, middle) {
                    return middle;
                }
            }
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use pangea_world::frames::tile;
    use proptest::prelude::*;

    use super::*;
    use crate::Land;

    /// One tile in three is a rock, by a hash of its place.
    struct Rocky(u64);

    impl Land for Rocky {
        fn tile(&self, x: i32, y: i32) -> u8 {
            let mut h = self.0
                ^ (x as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
                ^ (y as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
            h = (h ^ (h >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            if (h >> 40).is_multiple_of(3) { tile::ROCK } else { tile::GRASS }
        }
    }

    const EXTENT: Rect = Rect { x0: -16, y0: 0, x1: 16, y1: 32 };

    #[test]
    fn a_wall_stops_and_lets_slide() {
        struct Wall;
        impl Land for Wall {
            fn tile(&self, x: i32, _: i32) -> u8 {
                if x == 5 { tile::TREE } else { tile::GRASS }
            }
        }
        let mut terrain = Terrain::new(Box::new(Wall));
        let (x, y) = walk(&mut terrain, EXTENT, (4.5, 10.0), (0.4, 0.4));
        assert_eq!((x, y), (4.7, 10.4), "stops 0.3 m before the tree and slides south");
        assert_eq!(
            walk(&mut terrain, EXTENT, (6.4, 10.0), (-3.0, 0.0)).0,
            6.3,
            "and from the other side, in long steps"
        );
        assert_eq!(
            walk(&mut terrain, EXTENT, (10.0, 31.5), (0.0, 3.0)).1,
            31.7,
            "the edge of the area is a wall"
        );
    }

    proptest! {
        /// Never inside a solid, never outside, never faster than asked, whatever the walk.
        #[test]
        fn a_walker_stays_on_free_ground(
            seed in 0u64..1_000,
            start in (-16.0f64..16.0, 0.0f64..32.0),
            steps in proptest::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 1..60),
            hz in 1u32..40,
        ) {
            let mut terrain = Terrain::new(Box::new(Rocky(seed)));
            let mut at = nearest_free(&mut terrain, EXTENT, start);
            prop_assume!(is_free(&mut terrain, at));
            let reach = SPEED_M_S / f64::from(hz);
            for (dx, dy) in steps {
                let next = walk(&mut terrain, EXTENT, at, (dx * reach, dy * reach));
                prop_assert!(is_free(&mut terrain, next), "{at:?} -> {next:?} is inside a solid");
                prop_assert!(EXTENT.contains(next.0, next.1));
                prop_assert!((next.0 - at.0).abs() <= (dx * reach).abs() + 1e-5 && (next.1 - at.1).abs() <= (dy * reach).abs() + 1e-5);
                at = next;
            }
        }
    }
}
