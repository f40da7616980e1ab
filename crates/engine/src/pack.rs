//! A whole area as bytes, for a move to another process: what a save has, and what is marked [`Carried`].
//! Characters have their own records; what a game makes anew from the land, the seed or the ledger is made anew.
//!
//! ```text
//! pack = u64 tick · varint length · save, as in save.rs · varint entities · (varint length · record, as in codec.rs)*
//! ```

use bevy_ecs::prelude::*;

use crate::border::Pass;
use crate::field::{Malformed, put_varint, take_bytes, take_varint};
use crate::registry::Kind;
use crate::save::Kept;
use crate::sim::{CharacterIs, Clock, Position, Sim};

/// Marks an entity that goes along when its area goes to another process, though it is in no save: creatures,
/// what they leave behind, what flies. [`Builder::on_pass`](crate::Builder::on_pass) hears of it there.
#[derive(Component, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried;

/// What a save does not have.
type Others = (With<Carried>, With<Kind>, With<Position>, Without<CharacterIs>, Without<Kept>);

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

    /// Goes on with what another process packed, in an area that was just made and has made no step.
    ///
    /// # Errors
    /// If it is malformed; what came before the fault is there then.
    pub fn unpack(&mut self, mut from: &[u8]) -> Result<(), Malformed> {
        let from = &mut from;
        let tick = u64::from_le_bytes(take_bytes(from, 8)?.try_into().map_err(|_| Malformed)?);
        self.ecs.resource_mut::<Clock>().tick = tick;
        self.terrain().now = tick;
        let length = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
        self.restore(take_bytes(from, length)?)?;
        for _ in 0..take_varint(from)? {
            let length = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
            let mut record = take_bytes(from, length)?;
            let mut entity = self.ecs.spawn(Carried);
            // One of a kind that only the other version knows is gone, as at a start.
            let Some(kind) = self.registry.take_entity(&mut entity, &mut record)? else {
                entity.despawn();
                continue;
            };
            let entity = entity.insert(kind).id();
            for hook in &mut self.on_pass {
                hook(&mut self.ecs, entity, Pass::In);
            }
        }
        if from.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}
