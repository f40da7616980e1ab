//! How a world is cut into areas: a grid into half-open rectangles of square cells, a maps world into its
//! maps, each of which is one area.

use crate::refusal::{Code, Refusal};
use crate::space::{Ground, Place, Rect};
use crate::world::{Kind, World};

/// The ground on which a place lies (G6): for a grid the aligned square of `area_cells` cells, clipped
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
