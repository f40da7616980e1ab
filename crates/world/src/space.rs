//! Places, cells, areas and layers.
//!
//! A grid world is cut into square cells; an area is a half-open rectangle of cells. A maps world is a list
//! of named maps, and each map is one area. Distances are metres; x grows east, y grows south.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::world_file::{Kind, World};
use crate::{Code, Refusal};

/// A point in a world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Name of the world.
    pub world: String,
    /// The map, in a maps world; `None` on a grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<String>,
    /// Metres, finite; on a map 0 ≤ x < width.
    pub x: f64,
    /// Metres, finite; on a map 0 ≤ y < height.
    pub y: f64,
}

/// A half-open rectangle: x0 ≤ x < x1, y0 ≤ y < y1, of cells or of metres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rect {
    /// West edge, inside.
    pub x0: i32,
    /// North edge, inside.
    pub y0: i32,
    /// East edge, outside.
    pub x1: i32,
    /// South edge, outside.
    pub y1: i32,
}

impl Rect {
    /// Whether the point lies inside.
    pub fn contains(&self, x: f64, y: f64) -> bool {
        x >= f64::from(self.x0) && x < f64::from(self.x1) && y >= f64::from(self.y0) && y < f64::from(self.y1)
    }

    /// Whether the two share a point.
    pub fn overlaps(&self, other: &Rect) -> bool {
        self.x0 < other.x1 && other.x0 < self.x1 && self.y0 < other.y1 && other.y0 < self.y1
    }

    /// Whether the two touch along an edge or at a corner without sharing a point.
    pub fn touches(&self, other: &Rect) -> bool {
        let grown = Rect { x0: self.x0 - 1, y0: self.y0 - 1, x1: self.x1 + 1, y1: self.y1 + 1 };
        grown.overlaps(other) && !self.overlaps(other)
    }

    /// Whether there is nothing inside.
    pub fn is_empty(&self) -> bool {
        self.x0 >= self.x1 || self.y0 >= self.y1
    }
}

/// What part of a world an area is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ground {
    /// These cells of a grid.
    Cells(Rect),
    /// The whole map of this name.
    Map(String),
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ground::Cells(r) => write!(f, "{},{}..{},{}", r.x0, r.y0, r.x1, r.y1),
            Ground::Map(name) => f.write_str(name),
        }
    }
}

impl FromStr for Ground {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let Some((low, high)) = text.split_once("..") else { return Ok(Ground::Map(text.to_owned())) };
        let pair = |s: &str| {
            let (x, y) = s.split_once(',')?;
            Some((x.parse().ok()?, y.parse().ok()?))
        };
        match (pair(low), pair(high)) {
            (Some((x0, y0)), Some((x1, y1))) => Ok(Ground::Cells(Rect { x0, y0, x1, y1 })),
            _ => Refusal::err(Code::BadRequest, format!("«{text}» is no ground: x0,y0..x1,y1 or a map")),
        }
    }
}

/// One area of one world on one layer, by name; [`crate::id::AreaId`] is the same by number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AreaName {
    /// Name of the world.
    pub world: String,
    /// Which part of it.
    pub ground: Ground,
    /// 0 is the first; a further one is a parallel copy.
    pub layer: u16,
}

impl fmt::Display for AreaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.world, self.ground, self.layer)
    }
}

/// The ground on which a place lies (G6, B.1): for a grid the aligned square of `area_cells` cells, clipped
/// to the bounds; for a maps world the map.
///
/// # Errors
/// `out_of_bounds` outside the bounds or for a number that is not finite, `unknown_map`.
pub fn ground_at(world: &World, place: &Place) -> Result<Ground, Refusal> {
    if !place.x.is_finite() || !place.y.is_finite() {
        return Refusal::err(Code::OutOfBounds, "a place needs finite coordinates");
    }
    match &world.kind {
        Kind::Maps(maps) => {
            let name = place.map.as_deref().unwrap_or(&maps.spawn.map);
            let map = maps.map(name)?;
            if !map.rect().contains(place.x, place.y) {
                return Refusal::err(Code::OutOfBounds, format!("that place is outside the map «{name}»"));
            }
            Ok(Ground::Map(name.to_owned()))
        }
        Kind::Grid(grid) => {
            let cell = |metres: f64| (metres / f64::from(grid.cell_m)).floor();
            let (x, y) = (cell(place.x), cell(place.y));
            // Keeps every corner in metres inside i32, with room to spare.
            let most = f64::from(1_000_000_000 / grid.cell_m.max(1));
            if x.abs() > most || y.abs() > most {
                return Refusal::err(Code::OutOfBounds, "that place is too far out");
            }
            let (x, y) = (x as i32, y as i32);
            let side = grid.area_cells as i32;
            let (x0, y0) = (x.div_euclid(side) * side, y.div_euclid(side) * side);
            let mut rect = Rect { x0, y0, x1: x0 + side, y1: y0 + side };
            if let Some(bounds) = grid.bounds {
                if x < bounds.x0 || x >= bounds.x1 || y < bounds.y0 || y >= bounds.y1 {
                    return Refusal::err(Code::OutOfBounds, "that place is outside the world");
                }
                rect = Rect {
                    x0: rect.x0.max(bounds.x0),
                    y0: rect.y0.max(bounds.y0),
                    x1: rect.x1.min(bounds.x1),
                    y1: rect.y1.min(bounds.y1),
                };
            }
            Ok(Ground::Cells(rect))
        }
    }
}

/// The ground's extent in metres.
///
/// # Errors
/// `unknown_map` if the world has no such map (its file changed), `unknown_world` if its kind changed.
pub fn extent_m(world: &World, ground: &Ground) -> Result<Rect, Refusal> {
    match (&world.kind, ground) {
        (Kind::Grid(grid), Ground::Cells(r)) => {
            let side = grid.cell_m as i32;
            Ok(Rect { x0: r.x0 * side, y0: r.y0 * side, x1: r.x1 * side, y1: r.y1 * side })
        }
        (Kind::Maps(maps), Ground::Map(name)) => Ok(maps.map(name)?.rect()),
        _ => Refusal::err(Code::UnknownWorld, format!("the world «{}» is of another kind now", world.name)),
    }
}

/// Whether two grounds of one world lie side by side (a shared edge or corner, or a portal between them).
pub fn are_neighbours(world: &World, a: &Ground, b: &Ground) -> bool {
    match (a, b) {
        (Ground::Cells(a), Ground::Cells(b)) => a.touches(b),
        (Ground::Map(a), Ground::Map(b)) => {
            let Kind::Maps(maps) = &world.kind else { return false };
            let leads = |from: &str, to: &str| {
                maps.maps.iter().any(|m| m.id == from && m.portals.iter().any(|p| p.to == to))
            };
            a != b && (leads(a, b) || leads(b, a))
        }
        _ => false,
    }
}
