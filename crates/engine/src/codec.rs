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
        let skipped = if entity.contains::<CharacterIs>() { OF_THE_AREA } else { 0 };
        let mut body = Vec::new();
        let count = self.put_components(entity, skipped, &mut Vec::new(), &mut body);
        put_varint(count, out);
        out.extend_from_slice(&body);
        true
    }

    /// Appends the components of an entity, but for the first `skipped` of those that are declared; how many.
    pub fn put_components(
        &self,
        entity: EntityRef<'_>,
        skipped: usize,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> u64 {
        let foreign = entity.get::<Foreign>().map_or(&[][..], |foreign| &foreign.0);
        let mut count = 0;
        for part in self.parts.iter().skip(skipped) {
            scratch.clear();
            if !part.put_whole(entity, scratch) {
                continue;
            }
            let about = part.about();
            let tail = foreign.iter().find(|record| record.id == about.id);
            let version = tail.map_or(about.version, |tail| tail.version);
            scratch.extend(tail.into_iter().flat_map(|tail| &tail.bytes));
            put_record(about.id, version, scratch, out);
            count += 1;
        }
        let known = |record: &&Record| self.parts.iter().any(|part| part.about().id == record.id);
        for record in foreign.iter().filter(|record| !known(record)) {
            put_record(record.id, record.version, &record.bytes, out);
            count += 1;
        }
        count
    }

    /// Takes components off an entity.
    pub fn take_off(&self, entity: &mut EntityWorldMut<'_>, gone: impl Fn(u32) -> bool) {
        for part in self.parts.iter().skip(1).filter(|part| gone(part.about().id)) {
            part.take_off(entity);
        }
        if let Some(mut foreign) = entity.get_mut::<Foreign>() {
            foreign.0.retain(|record| !gone(record.id));
        }
    }

    /// Gives an entity components that were checked; its others stay.
    pub fn give(&self, entity: &mut EntityWorldMut<'_>, body: Records<'_>) {
        let mut foreign = entity.take::<Foreign>().unwrap_or_default();
        for record in body {
            foreign.0.retain(|known| known.id != record.id);
            let mut rest = record.bytes;
            if let Some(part) = self.parts.iter().find(|part| part.about().id == record.id) {
                let taken = part.take_whole(entity, &mut rest);
                if taken.is_ok() && rest.is_empty() {
                    continue;
                }
            }
            foreign.0.push(Record { id: record.id, version: record.version, bytes: rest.to_vec() });
        }
        if !foreign.0.is_empty() {
            entity.insert(foreign);
        }
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

/// Whether an entity's record has this component.
///
/// # Errors
/// If it is malformed.
pub(crate) fn has(mut record: &[u8], component: u32) -> Result<bool, Malformed> {
    let from = &mut record;
    if take_bytes(from, 1)? != [FORMAT] {
        return Err(Malformed);
    }
    String::take(from)?;
    for _ in 0..take_varint(from)? {
        if Record::take(from)?.id == component {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Components as bytes, each of which can be read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Records<'a>(&'a [u8]);

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordOf<'a> {
    pub id: u32,
    version: u8,
    bytes: &'a [u8],
    /// All of it, as it is written.
    pub whole: &'a [u8],
}

impl<'a> Records<'a> {
    /// Of what [`Registry::put_components`] wrote.
    pub fn of(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// As they are written.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes them, with their length before them, and checks them.
    ///
    /// # Errors
    /// If one is malformed or there are too many.
    pub fn take(from: &mut &'a [u8], registry: &Registry) -> Result<Self, Malformed> {
        let length = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
        let body = take_bytes(from, length)?;
        let (mut rest, mut count) = (body, 0);
        while !rest.is_empty() {
            let record = RecordOf::take(&mut rest)?;
            if let Some(part) = registry.parts.iter().find(|part| part.about().id == record.id) {
                part.check_whole(record.bytes)?;
            }
            count += 1;
            if count > MOST {
                return Err(Malformed);
            }
        }
        Ok(Self(body))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = RecordOf<'a>;

    fn next(&mut self) -> Option<RecordOf<'a>> {
        if self.0.is_empty() { None } else { RecordOf::take(&mut self.0).ok() }
    }
}

impl<'a> RecordOf<'a> {
    fn take(from: &mut &'a [u8]) -> Result<Self, Malformed> {
        let begin = *from;
        let id = u32::from_le_bytes(take_bytes(from, 4)?.try_into().map_err(|_| Malformed)?);
        let version = take_bytes(from, 1)?[0];
        let length = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
        let bytes = take_bytes(from, length)?;
        Ok(Self { id, version, bytes, whole: &begin[..begin.len() - from.len()] })
    }
}

/// Appends one.
pub(crate) fn put_record(id: u32, version: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&id.to_le_bytes());
    out.push(version);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
