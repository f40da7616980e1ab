//! Who is near whom: everybody alive in a grid that is filled anew every few ticks, so that looking around
//! costs the same in a crowd of thousands.

use bevy_ecs::prelude::*;
use pangea_engine::walk::Point;
use pangea_engine::{Builder, Clock, Extent, Ghost, Net, Position, Setup};
use pangea_world::space::Rect;

use crate::health::Body;
use crate::mind::Mind;
use crate::species::Species;

/// Side of a bucket, metres; larger where an area is so large that there would be too many.
const BUCKET_M: i32 = 16;

/// Most buckets along a side.
const MOST_ALONG: i32 = 256;

/// Somebody alive, as last counted.
#[derive(Debug, Clone, Copy)]
pub struct One {
    /// Whom it counts.
    pub entity: Entity,
    /// Its number on the wire.
    pub net: Net,
    /// Where it stood.
    pub at: Point,
    /// `None`: a character.
    pub species: Option<Species>,
}

/// Everybody alive, by place.
#[derive(Resource, Debug)]
pub struct Census {
    extent: Rect,
    side_m: i32,
    along: (i32, i32),
    /// Where each bucket begins in `all`; one more than there are buckets.
    begins: Vec<u32>,
    all: Vec<One>,
    scratch: Vec<(u32, One)>,
}

/// Ticks between two counts, and between two thoughts of a creature: a fifth of a second.
pub fn period(clock: &Clock) -> u64 {
    u64::from(clock.hz / 5).max(1)
}

/// Declares the census.
pub fn build(area: &mut Builder, setup: &Setup<'_>) {
    area.ecs.insert_resource(Census::new(setup.extent));
    area.system(count);
}

/// Who may be alive, on either side of the border.
type Living<'a> = (Entity, &'a Net, &'a Position, &'a Body, Option<&'a Mind>);

fn count(clock: Res<Clock>, mut census: ResMut<Census>, living: Query<Living<'_>, Allow<Ghost>>) {
    if clock.tick.is_multiple_of(period(&clock)) {
        let alive = living.iter().filter(|(_, _, _, body, _)| body.health > 0);
        census.fill(alive.map(|(entity, net, position, _, mind)| One {
            entity,
            net: *net,
            at: position.point(),
            species: mind.map(|mind| mind.species),
        }));
    }
}

impl Census {
    /// An empty one.
    pub fn new(extent: Rect) -> Self {
        let (width, height) = (extent.x1 - extent.x0, extent.y1 - extent.y0);
        let side_m = BUCKET_M.max((width.max(height) + MOST_ALONG - 1) / MOST_ALONG);
        let along = ((width + side_m - 1) / side_m, (height + side_m - 1) / side_m);
        let begins = vec![0; (along.0 * along.1) as usize + 1];
        Self { extent, side_m, along, begins, all: Vec::new(), scratch: Vec::new() }
    }

    fn column(&self, x: f64) -> i32 {
        (((x - f64::from(self.extent.x0)) / f64::from(self.side_m)) as i32).clamp(0, self.along.0 - 1)
    }

    fn row(&self, y: f64) -> i32 {
        (((y - f64::from(self.extent.y0)) / f64::from(self.side_m)) as i32).clamp(0, self.along.1 - 1)
    }

    fn fill(&mut self, living: impl Iterator<Item = One>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend(
            living.map(|one| ((self.row(one.at.1) * self.along.0 + self.column(one.at.0)) as u32, one)),
        );
        scratch.sort_by_key(|(bucket, _)| *bucket);
        self.begins.fill(0);
        for (bucket, _) in &scratch {
            self.begins[*bucket as usize + 1] += 1;
        }
        for bucket in 1..self.begins.len() {
            self.begins[bucket] += self.begins[bucket - 1];
        }
        self.all.clear();
        self.all.extend(scratch.iter().map(|(_, one)| *one));
        self.scratch = scratch;
    }

    /// Everybody within a distance, with its square.
    pub fn near(&self, at: Point, radius_m: f64) -> impl Iterator<Item = (f64, &One)> {
        let (first, last) = (self.column(at.0 - radius_m), self.column(at.0 + radius_m));
        let (top, bottom) = (self.row(at.1 - radius_m), self.row(at.1 + radius_m));
        (top..=bottom)
            .flat_map(move |row| {
                let of = |column: i32| self.begins[(row * self.along.0 + column) as usize] as usize;
                &self.all[of(first)..of(last + 1)]
            })
            .map(move |one| (square(at, one.at), one))
            .filter(move |(square, _)| *square <= radius_m * radius_m)
    }

    /// Where one was counted, if it is alive and so near.
    pub fn find(&self, entity: Entity, at: Point, radius_m: f64) -> Option<&One> {
        self.near(at, radius_m).map(|(_, one)| one).find(|one| one.entity == entity)
    }
}

/// Square of the distance between two points.
pub fn square(a: Point, b: Point) -> f64 {
    (a.0 - b.0) * (a.0 - b.0) + (a.1 - b.1) * (a.1 - b.1)
}

/// The extent as the walk has it.
pub fn inside(extent: &Extent, (x, y): Point, margin_m: f64) -> bool {
    let Rect { x0, y0, x1, y1 } = extent.0;
    let within =
        |v: f64, low: i32, high: i32| v >= f64::from(low) + margin_m && v <= f64::from(high) - margin_m;
    within(x, x0, x1) && within(y, y0, y1)
}
