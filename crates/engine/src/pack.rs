//! A whole area as bytes, for a move to another process: what a save has, and what is marked [`Carried`].
//! Characters have their own records; what a game makes anew from the land, the seed or the ledger is made anew.
//!
//! ```text
//! pack = u64 tick · varint length · save, as in save.rs · varint entities · (varint length · record, as in codec.rs)*
//! ```

use bevy_ecs::prelude::*;

use pangea_world::space::Rect;

use crate::border::Pass;
use crate::field::{Malformed, put_varint, take_bytes, take_varint};
use crate::registry::Kind;
use crate::save::{self, Kept, take_record};
use crate::sim::{CharacterIs, Clock, Position, Sim};
use crate::walk::Point;

/// Marks an entity that goes along when its area goes to another process, though it is in no save: creatures,
/// what they leave behind, what flies. [`Builder::on_pass`](crate::Builder::on_pass) hears of it there.
#[derive(Component, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried;

/// What a save does not have.
type Others = (With<Carried>, With<Kind>, With<Position>, Without<CharacterIs>, Without<Kept>);

/// The packs of two areas that become one; its clock is that which is farther.
///
/// # Errors
/// If one is malformed.
pub fn join(mut a: &[u8], mut b: &[u8]) -> Result<Vec<u8>, Malformed> {
    let (a, b) = (Parts::take(&mut a)?, Parts::take(&mut b)?);
    let mut out = a.tick.max(b.tick).to_le_bytes().to_vec();
    let save = save::join(a.save, b.save)?;
    put_varint(save.len() as u64, &mut out);
    out.extend_from_slice(&save);
    put_varint((a.others.len() + b.others.len()) as u64, &mut out);
    for record in a.others.iter().chain(&b.others) {
        put_varint(record.len() as u64, &mut out);
        out.extend_from_slice(record);
    }
    Ok(out)
}

/// What of a pack outlives the process, with the tick: for a checkpoint. `strays`: with what stands nowhere, which of
/// several parts one alone may have.
///
/// # Errors
/// If it is malformed.
pub fn saved(mut pack: &[u8], strays: bool) -> Result<(u64, Vec<u8>), Malformed> {
    let Parts { tick, save, .. } = Parts::take(&mut pack)?;
    Ok((tick, if strays { save.to_vec() } else { save::of_places(save)? }))
}

/// A pack, not understood any further.
struct Parts<'a> {
    tick: u64,
    save: &'a [u8],
    others: Vec<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn take(from: &mut &'a [u8]) -> Result<Self, Malformed> {
        let tick = u64::from_le_bytes(take_bytes(from, 8)?.try_into().map_err(|_| Malformed)?);
        let save = take_record(from)?;
        let others = (0..take_varint(from)?).map(|_| take_record(from)).collect::<Result<_, _>>()?;
        if from.is_empty() { Ok(Self { tick, save, others }) } else { Err(Malformed) }
    }
}

impl Sim {
    /// Everything but characters, between two steps.
    pub fn pack(&mut self) -> Vec<u8> {
        let save = self.save().bytes;
        let mut out = self.tick().to_le_bytes().to_vec();
        put_varint(save.len() as u64, &mut out);
        out.extend_from_slice(&save);
        let mut others = self.ecs.query_filtered::<Entity, Others>().iter(&self.ecs).collect::<Vec<_>>();
        others.sort_unstable();
        let (mut body, mut record, mut count) = (Vec::new(), Vec::new(), 0);
        for entity in others {
            record.clear();
            if self.registry.put_entity(&self.ecs, entity, &mut record) {
                put_varint(record.len() as u64, &mut body);
                body.extend_from_slice(&record);
                count += 1;
            }
        }
        put_varint(count, &mut out);
        out.extend_from_slice(&body);
        out
    }

    /// Goes on with what another process packed, in an area that was just made and has made no step. If this area's
    /// ground is a part of what was `packed`, metres, it takes what lies there; what stands beyond the whole counts
    /// as where it is nearest to.
    ///
    /// # Errors
    /// If it is malformed; what came before the fault is there then.
    pub fn unpack(&mut self, mut from: &[u8], packed: Option<Rect>) -> Result<(), Malformed> {
        let (from, ground) = (&mut from, self.extent());
        // What has no place goes with the north-western part.
        let is_ours = |at: Option<Point>| {
            packed.is_none_or(|whole| {
                let corner = (f64::from(whole.x0), f64::from(whole.y0));
                let (x, y) = at.map_or(corner, |at| whole.nearest(at));
                ground.contains(x, y)
            })
        };
        let tick = u64::from_le_bytes(take_bytes(from, 8)?.try_into().map_err(|_| Malformed)?);
        self.ecs.resource_mut::<Clock>().tick = tick;
        self.terrain().now = tick;
        let length = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
        self.restore_where(take_bytes(from, length)?, is_ours)?;
        for _ in 0..take_varint(from)? {
            let length = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
            let mut record = take_bytes(from, length)?;
            let mut entity = self.ecs.spawn(Carried);
            // One of a kind that only the other version knows is gone, as at a start.
            let Some(kind) = self.registry.take_entity(&mut entity, &mut record)? else {
                entity.despawn();
                continue;
            };
            if !is_ours(entity.get::<Position>().map(|at| at.point())) {
                entity.despawn();
                continue;
            }
            let entity = entity.insert(kind).id();
            for hook in &mut self.on_pass {
                hook(&mut self.ecs, entity, Pass::In);
            }
        }
        if from.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}
