//! Areas that have too much to do are split, and quiet ones become one again (G.5, C.8-C.10): by an operator's word,
//! or by themselves where the world's file says so. What is decided is [`pangea_world::balance`]'s; how it is done
//! [`super::migration`]'s.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pangea_world::balance::{Act, FAILED_MS, Load, REST_MS, cut};
use pangea_world::id::AreaId;
use pangea_world::layout::{sound_cuts, square_of};
use pangea_world::space::{AreaName, Ground, Place, Rect};
use pangea_world::spot::MOST_SIDE_M;
use pangea_world::world::{Kind, World};
use pangea_world::{Code, Refusal};

use super::core::Core;
use super::migration::{self, Moved, Part, Plan, cells_of};
use super::running;
use super::state::{Area, Phase, State, Taken};
use crate::{random, store};

/// How often it is looked whether an area has too much to do.
const EVERY: Duration = Duration::from_millis(500);

/// So long it is believed where everybody stands.
const STAND: Duration = Duration::from_secs(2);

/// Longest side of an area, cells, as a world's file may have it.
const MOST_CELLS: i32 = 64;

/// What the store says of how the worlds are cut, before anything runs.
///
/// # Errors
/// If the store fails.
pub async fn read(core: &Core) -> Result<(), Refusal> {
    let stored = store::area::cuts(&mut *core.store.reader().await?).await?;
    for world in core.worlds.values() {
        let of_world = stored.iter().filter(|(name, _)| *name == world.name);
        let cells: Vec<Rect> = of_world.filter_map(|(_, ground)| cells_of(ground)).collect();
        let sound = sound_cuts(world, &cells);
        if sound.len() < cells.len() {
            let left = cells.len() - sound.len();
            tracing::error!(
                world = world.name,
                left,
                "areas were cut as this world's file does not allow any more; they are not used"
            );
        }
        core.state().cuts.insert(world.name.clone(), sound);
    }
    Ok(())
}

/// Splits a running area so that its players halve.
///
/// # Errors
/// `area_unavailable` if it is one cell, a map, claimed, or of several layers; as [`migration::carry_out`].
pub async fn split(core: &Arc<Core>, area: AreaId) -> Result<Moved, Refusal> {
    let (world, name) = world_of(core, area)?;
    let ground = cells_of(&name.ground)
        .ok_or_else(|| Refusal::new(Code::AreaUnavailable, "a map is always one area"))?;
    let stand = migration::standing(core, area).await?;
    let cells = by_cell(&world, &ground, stand.into_values());
    let grounds = cut(&ground, &cells).or_else(|| cut(&ground, &[]));
    let (grounds, _) =
        grounds.ok_or_else(|| Refusal::new(Code::AreaUnavailable, "this area is a single cell already"))?;
    cut_into(core, area, &name, grounds).await
}

/// The area keeps the first ground; the second becomes an area of its own.
async fn cut_into(
    core: &Arc<Core>,
    area: AreaId,
    name: &AreaName,
    [keeps, begins]: [Rect; 2],
) -> Result<Moved, Refusal> {
    let named = |cells: Rect| AreaName { ground: Ground::Cells(cells), ..name.clone() };
    let (keeps, begins) = (named(keeps), named(begins));
    // One that was there before a change of the world's file has that ground again.
    let known = store::area::named(&mut *core.store.reader().await?, &begins).await?;
    let new = known.map_or_else(|| AreaId(random::bytes()), |row| row.id);
    let after = vec![Part { area, name: keeps }, Part { area: new, name: begins }];
    let moved = migration::carry_out(core, Plan { before: vec![area], after }, None).await?;
    // Both halves rest, not only the one that the decision was about.
    let until_ms = now_ms(core) + REST_MS;
    if let Some(balance) = core.state().balances.get_mut(&name.world) {
        [area, new].into_iter().for_each(|area| balance.rest(area, until_ms));
    }
    Ok(moved)
}

/// The area of this name (`world/ground/layer`), also one that does not run.
///
/// # Errors
/// `bad_request`, `unknown_world`; `not_found` if the world is not cut so.
pub async fn known(core: &Arc<Core>, name: &str) -> Result<AreaId, Refusal> {
    let wanted: AreaName = name.parse()?;
    let world = core.world(&wanted.world)?.clone();
    let not_found = || Refusal::new(Code::NotFound, format!("there is no area «{name}»"));
    if let (Kind::Grid(grid), Ground::Cells(cells)) = (&world.kind, &wanted.ground) {
        let middle = |v: i32| (f64::from(v) + 0.5) * f64::from(grid.cell_m);
        let (x, y) = (middle(cells.x0), middle(cells.y0));
        let place = Place { world: world.name.clone(), map: None, x, y };
        if core.state().ground_at(&world, &place)? != wanted.ground {
            return Err(not_found());
        }
        running::know_area(core, &world, &wanted.ground, wanted.layer).await?;
    }
    core.area_named(name).ok_or_else(not_found)
}

/// Makes one area of two that have a whole side in common; the first one stays. One that does not run is started.
///
/// # Errors
/// `area_unavailable` if together they are no rectangle or too large, or on several layers, or claimed; as
/// [`migration::carry_out`].
pub async fn merge(core: &Arc<Core>, areas: [AreaId; 2]) -> Result<Moved, Refusal> {
    let refused = |text: &str| Refusal::new(Code::AreaUnavailable, text);
    let [(world, a), (_, b)] = [world_of(core, areas[0])?, world_of(core, areas[1])?];
    let (Kind::Grid(grid), Some(one), Some(other)) = (&world.kind, cells_of(&a.ground), cells_of(&b.ground))
    else {
        return Err(refused("a map is always one area"));
    };
    if (&a.world, a.layer) != (&b.world, b.layer) {
        return Err(refused("they are of different worlds or layers"));
    }
    let union = one.union(&other).ok_or_else(|| refused("together they are no rectangle"))?;
    let sides = [union.x1 - union.x0, union.y1 - union.y0];
    if sides.iter().any(|side| *side > MOST_CELLS || *side > MOST_SIDE_M / grid.cell_m as i32) {
        return Err(refused("together they are too large"));
    }
    for area in areas {
        running::ensure_running(core, area, None).await?;
    }
    let name = AreaName { ground: Ground::Cells(union), ..a };
    let after = vec![Part { area: areas[0], name }];
    migration::carry_out(core, Plan { before: areas.to_vec(), after }, None).await
}

fn world_of(core: &Core, area: AreaId) -> Result<(Arc<World>, AreaName), Refusal> {
    let state = core.state();
    let entry = state.areas.get(&area);
    let entry = entry.ok_or_else(|| Refusal::new(Code::NotFound, "no such area is known"))?;
    Ok((entry.world.clone(), entry.name.clone()))
}

/// How many stand in each cell; who is over the border counts where he comes from.
fn by_cell(world: &World, ground: &Rect, stand: impl Iterator<Item = (f64, f64)>) -> Vec<((i32, i32), u32)> {
    let Kind::Grid(grid) = &world.kind else { return Vec::new() };
    let mut cells: BTreeMap<(i32, i32), u32> = BTreeMap::new();
    for (x, y) in stand {
        let (x, y) = ground.nearest((x / f64::from(grid.cell_m), y / f64::from(grid.cell_m)));
        *cells.entry((x.floor() as i32, y.floor() as i32)).or_default() += 1;
    }
    cells.into_iter().collect()
}

// ---- by themselves ----------------------------------------------------------------------------------------

/// Looks at all worlds whose files say so, until it is dropped.
pub async fn run(core: Arc<Core>) {
    let balanced: Vec<Arc<World>> =
        core.worlds.values().filter(|world| world.balance.is_some()).cloned().collect();
    if balanced.is_empty() {
        return;
    }
    loop {
        tokio::time::sleep(EVERY).await;
        for world in &balanced {
            for act in turn(&core, world) {
                carry(&core, world, act);
            }
        }
    }
}

/// Milliseconds since central began.
fn now_ms(core: &Core) -> u64 {
    core.started.elapsed().as_millis() as u64
}

fn turn(core: &Core, world: &World) -> Vec<Act> {
    let Some(budget) = &world.balance else { return Vec::new() };
    let mut state = core.state();
    if state.stopping || state.closing.is_some() {
        return Vec::new();
    }
    let loads = loads(&state, world);
    let balance = state.balances.entry(world.name.clone()).or_default();
    balance.turn(now_ms(core), budget, &loads, |cells| square_of(world, cells))
}

/// What is known of the areas of a world that run.
fn loads(state: &State, world: &World) -> Vec<Load> {
    let of_world = |area: &&Area| area.name.world == world.name && *area.phase.borrow() == Phase::Ready;
    let load = |(id, area): (&AreaId, &Area)| {
        let (ground, server) = (cells_of(&area.name.ground)?, area.server.as_ref()?);
        let stand = area.stand.as_ref().filter(|(at, _)| at.elapsed() < STAND);
        let cells = stand.map(|(_, stand)| by_cell(world, &ground, stand.values().copied()));
        let layers = state.areas.values().filter(|other| other.name.ground == area.name.ground);
        let alone = layers.filter(|other| other.name.world == area.name.world).count() == 1;
        Some(Load {
            area: *id,
            ground,
            layer: area.name.layer,
            players: area.seats.values().filter(|seat| seat.taken == Taken::Inside).count() as u32,
            tick_us: server.load.tick_us,
            cells: cells.unwrap_or_default(),
            fixed: !area.own || !alone || area.moves.is_some() || server.draining,
        })
    };
    state.areas.iter().filter(|(_, area)| of_world(area)).filter_map(load).collect()
}

fn carry(core: &Arc<Core>, world: &Arc<World>, act: Act) {
    let (core, world) = (core.clone(), world.clone());
    match act {
        // Whether it is answered shows in the next turn.
        Act::Ask(area) => drop(migration::ask_where(&core, area)),
        Act::Stays { area, why } => {
            tracing::warn!(area = %core.name_of(area), why, "an area has too much to do, and stays as it is");
        }
        Act::Split { area, grounds, why } => drop(crate::task::spawn(async move {
            let Ok((_, name)) = world_of(&core, area) else { return };
            tracing::info!(area = %name, why, "an area is split");
            if let Err(refusal) = cut_into(&core, area, &name, grounds).await {
                tracing::warn!(area = %name, %refusal, "an area was not split");
                rest(&core, &world, &[area]);
            }
        })),
        Act::Merge { areas, why } => drop(crate::task::spawn(async move {
            let names = areas.map(|area| core.name_of(area));
            tracing::info!(areas = names.join(" "), why, "areas become one");
            if let Err(refusal) = merge(&core, areas).await {
                tracing::warn!(areas = names.join(" "), %refusal, "areas did not become one");
                rest(&core, &world, &areas);
            }
        })),
    }
}

/// It did not come about: it is not tried again at once.
fn rest(core: &Core, world: &World, areas: &[AreaId]) {
    let until_ms = now_ms(core) + FAILED_MS;
    if let Some(balance) = core.state().balances.get_mut(&world.name) {
        areas.iter().for_each(|area| balance.rest(*area, until_ms));
    }
}
