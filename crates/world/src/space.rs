//! Places, rectangles, and the names of areas. Distances are metres; x grows east, y grows south.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::refusal::{Code, Refusal};

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

    /// How many squares of side 1 are inside.
    pub fn cells(&self) -> u64 {
        let side = |from: i32, to: i32| (i64::from(to) - i64::from(from)).max(0) as u64;
        side(self.x0, self.x1) * side(self.y0, self.y1)
    }

    /// Whether all of the other one lies inside.
    pub fn includes(&self, other: &Rect) -> bool {
        self.x0 <= other.x0 && self.y0 <= other.y0 && other.x1 <= self.x1 && other.y1 <= self.y1
    }

    /// What lies in both; empty if they share nothing.
    pub fn common(&self, other: &Rect) -> Rect {
        Rect {
            x0: self.x0.max(other.x0),
            y0: self.y0.max(other.y0),
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
        }
    }

    /// The two as one, if they have a whole side in common.
    pub fn union(&self, other: &Rect) -> Option<Rect> {
        let beside = self.y0 == other.y0 && self.y1 == other.y1;
        let above = self.x0 == other.x0 && self.x1 == other.x1;
        let meet = (beside && (self.x1 == other.x0 || other.x1 == self.x0))
            || (above && (self.y1 == other.y0 || other.y1 == self.y0));
        meet.then(|| Rect {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        })
    }

    /// The point inside that is nearest to this one.
    pub fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let inside = |v: f64, from: i32, to: i32| v.min(f64::from(to).next_down()).max(f64::from(from));
        (inside(x, self.x0, self.x1), inside(y, self.y0, self.y1))
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

impl FromStr for AreaName {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let name = text.split_once('/').and_then(|(world, rest)| {
            let (ground, layer) = rest.rsplit_once('/')?;
            Some(Self { world: world.to_owned(), ground: ground.parse().ok()?, layer: layer.parse().ok()? })
        });
        match name {
            Some(name) if !name.world.is_empty() => Ok(name),
            _ => Refusal::err(Code::BadRequest, format!("«{text}» is no area: world/ground/layer")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_areas_name_is_read_as_it_is_written() {
        for text in ["wilds/-8,0..0,8/0", "isles/harbour/3"] {
            assert_eq!(text.parse::<AreaName>().expect("a name").to_string(), text);
        }
        for text in
            ["", "wilds", "wilds/0", "/harbour/0", "wilds/0,0..8/0", "isles/harbour/x", "isles/harbour/-1"]
        {
            assert_eq!(text.parse::<AreaName>().map_err(|no| no.code), Err(Code::BadRequest), "{text}");
        }
    }
}
