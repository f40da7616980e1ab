//! The grounds of areas before and after a move, and how worlds are cut.

use pangea_world::id::AreaId;
use pangea_world::layout::{extent_m, square_of};
use pangea_world::space::{AreaName, Ground, Rect};
use pangea_world::world::World;

use super::super::core::Core;
use super::super::state::State;
use super::Plan;

/// As its name has it; empty if the area is none any more.
pub fn ground_of(state: &State, area: AreaId) -> String {
    state.areas.get(&area).map(|entry| entry.name.ground.to_string()).unwrap_or_default()
}

/// How a world is cut when this is done.
pub fn cuts_after(state: &State, world: &World, plan: &Plan) -> Vec<Rect> {
    let mut cuts = state.cuts.get(&world.name).cloned().unwrap_or_default();
    if plan.cuts() {
        let names = plan.after.iter().map(|part| &part.name.ground);
        let new: Vec<Rect> = names.filter_map(cells_of).collect();
        cuts.retain(|cut| new.iter().all(|ground| !ground.overlaps(cut)));
        cuts.extend(new.into_iter().filter(|ground| is_cut(world, &Ground::Cells(*ground))));
    }
    cuts
}

/// The ground that these are together; `None`: they are none.
pub fn whole<'a>(mut grounds: impl Iterator<Item = &'a Ground>) -> Option<Ground> {
    let first = grounds.next()?.clone();
    grounds.try_fold(first, |one, other| match (&one, other) {
        (Ground::Cells(one), Ground::Cells(other)) => one.union(other).map(Ground::Cells),
        _ => None,
    })
}

/// Whether a ground is another than the world's file would make there.
pub fn is_cut(world: &World, ground: &Ground) -> bool {
    cells_of(ground).is_some_and(|cells| square_of(world, &cells) != Some(cells))
}

/// The cells of a ground, if it is of a grid.
pub fn cells_of(ground: &Ground) -> Option<Rect> {
    match ground {
        Ground::Cells(cells) => Some(*cells),
        Ground::Map(_) => None,
    }
}

/// The ground of that name, metres, in the world of the plan.
pub fn extent_of(core: &Core, plan: &Plan, name: &AreaName) -> Option<Rect> {
    extent_in(&core.state(), plan, name)
}

/// The same, with the state at hand.
pub fn extent_in(state: &State, plan: &Plan, name: &AreaName) -> Option<Rect> {
    let world = &state.areas.get(plan.before.first()?)?.world;
    extent_m(world, &name.ground).ok()
}

/// From a point to a rectangle, metres.
pub fn far(rect: Rect, at: (f64, f64)) -> f64 {
    let (x, y) = rect.nearest(at);
    (x - at.0).hypot(y - at.1)
}

/// The map, if it is of one.
pub fn map_of(name: &AreaName) -> Option<&str> {
    match &name.ground {
        Ground::Map(map) => Some(map),
        Ground::Cells(_) => None,
    }
}
