//! An entity as bytes: for handoffs, ghosts, checkpoints and the store.
//!
//! ```text
//! entity = u8 format (1) · string kind · varint count · component*
//! component = u32 id (FNV-1a of its name) · u8 version · varint length · fields, exactly
//! ```
//!
//! A component that this program does not know, and fields that a newer version of one added, are kept as
//! they came and written again: two versions of a server can pass entities to and fro and lose nothing.

use bevy_ecs::prelude::*;

use crate::field::{Field, Malformed, put_varint, take_bytes, take_varint};
use crate::registry::{Kind, Registry};
use crate::sim::CharacterIs;

/// Format of an entity's record.
const FORMAT: u8 = 1;

/// Most components of one entity.
const MOST: usize = 256;

/// Components of every area, declared first, that a character does not carry along: its place and who it is,
/// which its server knows.
const OF_THE_AREA: usize = 2;

/// What this program does not understand of an entity.
#[derive(Component, Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreign(Vec<Record>);

/// A component of an unknown type, or what a newer version has behind the fields that are known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub id: u32,
    pub version: u8,
    pub bytes: Vec<u8>,
}

impl Record {
    pub fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let id = u32::from_le_bytes(take_bytes(from, 4)?.try_into().map_err(|_| Malformed)?);
        let version = take_bytes(from, 1)?[0];
        let length = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
        Ok(Self { id, version, bytes: take_bytes(from, length)?.to_vec() })
    }
}

impl Registry {
    /// Appends an entity; false if there is none or it has no kind.
    pub fn put_entity(&self, ecs: &World, entity: Entity, out: &mut Vec<u8>) -> bool {
        let Ok(entity) = ecs.get_entity(entity) else { return false };
        let Some(kind) = entity.get::<Kind>().and_then(|kind| self.kinds.get(usize::from(kind.0))) else {
            return false;
        };
        out.push(FORMAT);
        (*kind).to_owned().put(out);
        let foreign = entity.get::<Foreign>().map_or(&[][..], |foreign| &foreign.0);
        let (mut body, mut bytes, mut count) = (Vec::new(), Vec::new(), 0u64);
        let skipped = if entity.contains::<CharacterIs>() { OF_THE_AREA } else { 0 };
        for part in self.parts.iter().skip(skipped) {
            bytes.clear();
            if !part.put_whole(entity, &mut bytes) {
                continue;
            }
            let about = part.about();
            let tail = foreign.iter().find(|record| record.id == about.id);
            let version = tail.map_or(about.version, |tail| tail.version);
            bytes.extend(tail.into_iter().flat_map(|tail| &tail.bytes));
            put_record(about.id, version, &bytes, &mut body);
            count += 1;
        }
        let known = |record: &&Record| self.parts.iter().any(|part| part.about().id == record.id);
        for record in foreign.iter().filter(|record| !known(record)) {
            put_record(record.id, record.version, &record.bytes, &mut body);
            count += 1;
        }
        put_varint(count, out);
        out.extend_from_slice(&body);
        true
    }

    /// Gives an entity all that its record says; its kind is returned, `None` if it is not known here.
    ///
    /// # Errors
    /// If the record is malformed; the entity may have some of its components then.
    pub fn take_entity(
        &self,
        entity: &mut EntityWorldMut<'_>,
        from: &mut &[u8],
    ) -> Result<Option<Kind>, Malformed> {
        if take_bytes(from, 1)? != [FORMAT] {
            return Err(Malformed);
        }
        let kind = String::take(from)?;
        let count = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
        if count > MOST {
            return Err(Malformed);
        }
        let mut foreign = Foreign::default();
        for _ in 0..count {
            let record = Record::take(from)?;
            let mut bytes = record.bytes.as_slice();
            if let Some(part) = self.parts.iter().find(|part| part.about().id == record.id) {
                part.take_whole(entity, &mut bytes)?;
                if bytes.is_empty() {
                    continue;
                }
            }
            foreign.0.push(Record { bytes: bytes.to_vec(), ..record });
        }
        if foreign.0.is_empty() {
            entity.remove::<Foreign>();
        } else {
            entity.insert(foreign);
        }
        Ok(self.kinds.iter().position(|known| *known == kind).map(|n| Kind(n as u8)))
    }
}

/// Appends one.
pub(crate) fn put_record(id: u32, version: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&id.to_le_bytes());
    out.push(version);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
