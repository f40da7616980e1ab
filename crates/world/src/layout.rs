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

/// The same where some of the world is cut otherwise: the one of `cuts` on which the place lies, else as
/// [`ground_at`] says.
///
/// # Errors
/// As [`ground_at`].
pub fn ground_among(world: &World, cuts: &[Rect], place: &Place) -> Result<Ground, Refusal> {
    let ground = ground_at(world, place)?;
    let Kind::Grid(grid) = &world.kind else { return Ok(ground) };
    let cell = |metres: f64| (metres / f64::from(grid.cell_m)).floor();
    let here = cuts.iter().find(|cut| cut.contains(cell(place.x), cell(place.y)));
    Ok(here.map_or(ground, |cut| Ground::Cells(*cut)))
}

/// The grounds that lie around one of a grid, sides and corners; none around a map.
pub fn grounds_beside(world: &World, cuts: &[Rect], ground: &Ground) -> Vec<Ground> {
    let (Kind::Grid(grid), Ground::Cells(Rect { x0, y0, x1, y1 })) = (&world.kind, ground) else {
        return Vec::new();
    };
    let (x0, y0, x1, y1) = (*x0, *y0, *x1, *y1);
    let rows = (y0 - 1..=y1).flat_map(|y| [(x0 - 1, y), (x1, y)]);
    let columns = (x0..x1).flat_map(|x| [(x, y0 - 1), (x, y1)]);
    let mut found = Vec::new();
    for (x, y) in rows.chain(columns) {
        let middle = |v: i32| (f64::from(v) + 0.5) * f64::from(grid.cell_m);
        let place = Place { world: world.name.clone(), map: None, x: middle(x), y: middle(y) };
        // Outside of the world nothing is.
        let beside = ground_among(world, cuts, &place);
        found.extend(beside.ok().filter(|beside| beside != ground && !found.contains(beside)));
    }
    found
}

/// The ground that a new area would have where these cells are, if they all lie in it; `None`: they lie in several, or
/// outside of the world.
pub fn square_of(world: &World, cells: &Rect) -> Option<Rect> {
    let Kind::Grid(grid) = &world.kind else { return None };
    let at = |x: i32, y: i32| {
        let middle = |v: i32| (f64::from(v) + 0.5) * f64::from(grid.cell_m);
        ground_at(world, &Place { world: world.name.clone(), map: None, x: middle(x), y: middle(y) }).ok()
    };
    match at(cells.x0, cells.y0)? {
        Ground::Cells(square) if square.includes(cells) => Some(square),
        _ => None,
    }
}

/// Which of the cuts that are stored hold: they do not overlap, and leave nothing of any square that they touch.
/// A world's file may have changed since they were made.
pub fn sound_cuts(world: &World, stored: &[Rect]) -> Vec<Rect> {
    let Kind::Grid(grid) = &world.kind else { return Vec::new() };
    let side = i64::from(grid.area_cells);
    let mut sound: Vec<Rect> = Vec::new();
    for cut in stored {
        if !cut.is_empty() && sound.iter().all(|other| !other.overlaps(cut)) {
            sound.push(*cut);
        }
    }
    loop {
        let before = sound.len();
        let all = sound.clone();
        sound.retain(|cut| {
            let squares = |from: i32, to: i32| {
                (i64::from(from).div_euclid(side)..=(i64::from(to) - 1).div_euclid(side))
                    .map(move |n| (n * side) as i32)
            };
            let mut corners =
                squares(cut.y0, cut.y1).flat_map(|y| squares(cut.x0, cut.x1).map(move |x| (x, y)));
            corners.all(|(x0, y0)| {
                let whole = Rect { x0, y0, x1: x0 + side as i32, y1: y0 + side as i32 };
                let whole = grid.bounds.map_or(whole, |bounds| whole.common(&bounds));
                let covered: u64 = all.iter().map(|other| other.common(&whole).cells()).sum();
                covered == whole.cells() && grid.bounds.is_none_or(|bounds| bounds.includes(cut))
            })
        });
        if sound.len() == before {
            return sound;
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
                maps.maps.iter().any(|m| m.id == from && m.portals.iter().any(|p| p.leads_to(to)))
            };
            a != b && (leads(a, b) || leads(b, a))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world_file;

    fn world(bounds: &str) -> World {
        let text = format!(
            "kind = \"grid\"\n[grid]\ncell_m = 16\narea_cells = 4\nspawn = {{ x = 8.0, y = 8.0 }}\n{bounds}"
        );
        world_file::read("green.toml", &text).expect("a world")
    }

    fn rect(text: &str) -> Rect {
        match text.parse() {
            Ok(Ground::Cells(rect)) => rect,
            other => panic!("{other:?}"),
        }
    }

    fn at(x: f64, y: f64) -> Place {
        Place { world: "green".into(), map: None, x, y }
    }

    #[test]
    fn a_place_is_on_the_cut_that_has_it() {
        let world = world("");
        let cuts = [rect("0,0..1,4"), rect("1,0..4,4")];
        let ground = |x, y| ground_among(&world, &cuts, &at(x, y)).expect("a ground").to_string();
        assert_eq!(ground(15.9, 8.0), "0,0..1,4");
        assert_eq!(ground(16.0, 8.0), "1,0..4,4");
        assert_eq!(ground(-0.1, 8.0), "-4,0..0,4", "beside them it is as ever");
    }

    #[test]
    fn around_a_ground_lies_each_other_one_once() {
        let world = world("bounds = { x0 = 0, y0 = 0, x1 = 8, y1 = 8 }");
        let cuts = [rect("0,0..1,4"), rect("1,0..4,4")];
        let around = |text: &str| {
            let mut around: Vec<String> = grounds_beside(&world, &cuts, &Ground::Cells(rect(text)))
                .iter()
                .map(Ground::to_string)
                .collect();
            around.sort();
            around
        };
        assert_eq!(around("0,0..1,4"), ["0,4..4,8", "1,0..4,4"]);
        assert_eq!(around("1,0..4,4"), ["0,0..1,4", "0,4..4,8", "4,0..8,4", "4,4..8,8"]);
        assert_eq!(around("4,4..8,8"), ["0,4..4,8", "1,0..4,4", "4,0..8,4"]);
    }

    /// Overlapping, with a gap, partly outside, over two squares of which one is cut no more.
    #[test]
    fn only_cuts_that_leave_nothing_of_their_squares_hold() {
        let check = |stored: &[&str], sound: &[&str], bounds| {
            let stored: Vec<Rect> = stored.iter().map(|text| rect(text)).collect();
            let sound: Vec<Rect> = sound.iter().map(|text| rect(text)).collect();
            assert_eq!(sound_cuts(&world(bounds), &stored), sound, "{stored:?}");
        };
        let halves = ["0,0..1,4", "1,0..4,4"];
        check(&halves, &halves, "");
        check(&["0,0..1,4"], &[], "");
        check(&["0,0..1,4", "1,0..4,4", "3,0..4,4"], &halves, "");
        check(&["0,0..1,4", "2,0..4,4"], &[], "");
        check(&["0,0..8,4"], &["0,0..8,4"], "");
        check(&["0,0..6,4", "6,0..8,2"], &[], "");
        check(&["-4,-4..-2,0", "-2,-4..0,0", "0,0..2,4"], &["-4,-4..-2,0", "-2,-4..0,0"], "");
        let small = "bounds = { x0 = 0, y0 = 0, x1 = 3, y1 = 4 }";
        check(&["0,0..1,4", "1,0..3,4"], &["0,0..1,4", "1,0..3,4"], small);
        check(&halves, &[], small);
    }
}
