//! What lies on the ground. The ledger knows it, and the slot says where (`pangea_world::spot`): four to a tile.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use pangea_engine::walk::Point;
use pangea_engine::{Builder, Extent, Kind, Ledger, Position, Replicate, Setup};
use pangea_world::id::ItemId;
use pangea_world::space::Rect;
use pangea_world::spot;

use crate::items;
use crate::path::{middle, tile_at};

/// Goods on the ground.
#[derive(Component, Replicate, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heap {
    /// Which item.
    pub item: u16,
    /// How many.
    pub count: u32,
}

/// Which stack a heap is.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeapIs(pub ItemId);

/// The heaps that are shown, by slot.
#[derive(Resource, Debug)]
struct Heaps {
    kind: Kind,
    shown: BTreeMap<u32, (Entity, ItemId, i64)>,
}

/// Declares them.
pub fn build(area: &mut Builder, _: &Setup<'_>) {
    let kind = area.component::<Heap>().kind("heap");
    area.ecs.insert_resource(Heaps { kind, shown: BTreeMap::new() });
    area.system(lie);
}

/// The spot of the ground under a point.
pub fn spot_at(extent: &Extent, at: Point) -> u32 {
    // Who is about to go over the border drops things on this side of it.
    let (Rect { x0, y0, x1, y1 }, (x, y)) = (extent.0, tile_at(at));
    let inside = (x.clamp(x0, (x1 - 1).max(x0)), y.clamp(y0, (y1 - 1).max(y0)));
    spot::slot(inside)
}

/// Where it lies, metres.
fn place_of(extent: &Extent, slot: u32) -> Point {
    let (x, y) = middle(spot::tile_of_slot(&extent.0, slot));
    let (right, down) = (slot % 2, slot / 2 % 2);
    (x - 0.25 + f64::from(right) * 0.5, y - 0.25 + f64::from(down) * 0.5)
}

fn lie(mut commands: Commands, ledger: Res<Ledger>, extent: Res<Extent>, mut heaps: ResMut<Heaps>) {
    if !ledger.ground_changed() {
        return;
    }
    let ground = &ledger.ground().stacks;
    heaps.shown.retain(|slot, (entity, item, count)| {
        let lies = ground.get(slot).is_some_and(|stack| stack.id == *item && stack.quantity == *count);
        if !lies {
            commands.entity(*entity).despawn();
        }
        lies
    });
    for (slot, stack) in ground {
        if heaps.shown.contains_key(slot) {
            continue;
        }
        let (x, y) = place_of(&extent, *slot);
        let heap = Heap { item: items::number(&stack.template), count: stack.quantity as u32 };
        let entity = commands.spawn((heaps.kind, Position { x, y }, heap, HeapIs(stack.id))).id();
        heaps.shown.insert(*slot, (entity, stack.id, stack.quantity));
    }
}
