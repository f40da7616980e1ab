//! What clients are told of each entity: its place and its components' fields as they were written last.
//! Each change is written once per tick, however many see it.

use std::marker::PhantomData;
use std::ops::Range;

use bevy_ecs::prelude::*;
use smallvec::SmallVec;

use crate::border::Ghost;
use crate::field::{Malformed, put_varint};
use crate::registry::Kind;
use crate::replicate::{Audience, FieldInfo, Replicate, id};
use crate::sim::{Clock, Net};
use crate::stir::Stirs;

/// The part of a component's record that says: it is gone.
const GONE: u8 = 0x80;

/// What is read of an entity of which a client does not know all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hot {
    /// The tick at which this id was taken; 0: nobody has it.
    pub born: u64,
    /// The last tick at which anything but its place changed for all, and the one before that.
    pub fresh: u64,
    pub fresh_before: u64,
}

/// One entity's fields as clients have them.
#[derive(Debug)]
pub(crate) struct Shadow {
    pub entity: Entity,
    pub kind: Kind,
    /// The last tick at which a field changed that its owner sees.
    pub owner_fresh: u64,
    /// This tick's record for all, in [`Shadows::written`].
    pub record: Range<usize>,
    /// All that all are told of it, in [`Shadows::wholes`], and at which tick that was written.
    whole: (u64, Range<usize>),
    parts: SmallVec<[PartShadow; 4]>,
}

/// One component.
#[derive(Debug)]
struct PartShadow {
    number: u8,
    came: u64,
    /// When it was taken off.
    gone: Option<u64>,
    fields: SmallVec<[FieldShadow; 4]>,
}

#[derive(Debug)]
struct FieldShadow {
    n: u8,
    owner: bool,
    tick: u64,
    bytes: SmallVec<[u8; 14]>,
}

/// All entities by id.
#[derive(Debug, Default)]
pub(crate) struct Shadows {
    pub hot: Vec<Hot>,
    /// Boxed: most of it is room for fields, and many may come at once.
    pub cold: Vec<Option<Box<Shadow>>>,
    /// What is new of each.
    pub stirs: Stirs,
    /// Records of this tick, one after the other.
    pub written: Vec<u8>,
    /// What those are told in this tick who see something for the first time, one after the other.
    wholes: Vec<u8>,
    touched: Vec<u16>,
}

impl Shadows {
    /// An entity appears under a reserved id.
    pub fn appear(&mut self, id: u16, entity: Entity, kind: Kind, tick: u64) {
        let n = usize::from(id);
        self.hot[n] = Hot { born: tick, ..Hot::default() };
        self.stirs.replace(n);
        let shadow =
            Shadow { entity, kind, owner_fresh: 0, record: 0..0, whole: (0, 0..0), parts: SmallVec::new() };
        self.cold[n] = Some(Box::new(shadow));
    }

    /// It is gone.
    pub fn vanish(&mut self, id: u16) {
        self.hot[usize::from(id)] = Hot::default();
        self.cold[usize::from(id)] = None;
        self.stirs.replace(usize::from(id));
    }

    /// Room for one more id.
    pub fn grow(&mut self) {
        self.hot.push(Hot::default());
        self.cold.push(None);
        self.stirs.grow();
    }

    /// A step begins: nothing of it is new yet.
    pub fn begin(&mut self, tick: u64) {
        self.stirs.begin(self.hot.iter().map(|hot| hot.born == 0 || hot.born == tick));
    }

    fn touch(&mut self, id: u16, tick: u64, for_all: bool) {
        let hot = &mut self.hot[usize::from(id)];
        self.stirs.change(usize::from(id), for_all);
        if for_all && hot.fresh != tick {
            (hot.fresh_before, hot.fresh) = (hot.fresh, tick);
            self.touched.push(id);
        }
        if let Some(shadow) = &mut self.cold[usize::from(id)] {
            shadow.owner_fresh = tick;
        }
    }

    fn take_off(&mut self, id: u16, number: u8, tick: u64) {
        let shadow = self.cold[usize::from(id)].as_mut();
        let part = shadow.and_then(|shadow| shadow.parts.iter_mut().find(|part| part.number == number));
        if let Some(part) = part {
            part.gone = Some(tick);
            self.touch(id, tick, true);
        }
    }

    /// After all parts were collected: writes this tick's records.
    pub fn write(&mut self, tick: u64) {
        self.written.clear();
        self.wholes.clear();
        for id in self.touched.drain(..) {
            let Some(shadow) = &mut self.cold[usize::from(id)] else { continue };
            let begin = self.written.len();
            put_record(id, shadow, Some(tick - 1), false, &mut self.written);
            shadow.record = begin..self.written.len();
        }
    }

    /// Appends `u8 count · components` of all that there is; what all see is written once per tick.
    pub fn put_whole(&mut self, id: u16, owner: bool, tick: u64, out: &mut Vec<u8>) {
        let Some(shadow) = &mut self.cold[usize::from(id)] else { return };
        if owner {
            return put_parts(shadow, None, true, out);
        }
        if shadow.whole.0 != tick {
            let begin = self.wholes.len();
            put_parts(shadow, None, false, &mut self.wholes);
            shadow.whole = (tick, begin..self.wholes.len());
        }
        out.extend_from_slice(&self.wholes[shadow.whole.1.clone()]);
    }
}

/// Appends `u16 id · u8 count · components` with what changed after a tick; all that there is for `None`.
pub(crate) fn put_record(id: u16, shadow: &Shadow, since: Option<u64>, owner: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&id.to_le_bytes());
    put_parts(shadow, since, owner, out);
}

fn put_parts(shadow: &Shadow, since: Option<u64>, owner: bool, out: &mut Vec<u8>) {
    let count_at = out.len();
    out.push(0);
    for part in &shadow.parts {
        if put_part(part, since, owner, out) {
            out[count_at] += 1;
        }
    }
}

/// Appends `u8 number · varint length · varint mask · fields`, or only the number where it is gone.
fn put_part(part: &PartShadow, since: Option<u64>, owner: bool, out: &mut Vec<u8>) -> bool {
    if let Some(gone) = part.gone {
        let news = since.is_some_and(|since| gone > since);
        if news {
            out.push(part.number | GONE);
        }
        return news;
    }
    let told = |field: &&FieldShadow| (owner || !field.owner) && since.is_none_or(|since| field.tick > since);
    let mask = part.fields.iter().filter(told).fold(0u64, |mask, field| mask | 1 << field.n);
    // One without fields still tells that it is there, when it comes.
    if mask == 0 && since.is_some_and(|since| part.came <= since) {
        return false;
    }
    let bytes: usize = part.fields.iter().filter(told).map(|field| field.bytes.len()).sum();
    out.push(part.number);
    put_varint((bytes + varint_length(mask)) as u64, out);
    put_varint(mask, out);
    part.fields.iter().filter(told).for_each(|field| out.extend_from_slice(&field.bytes));
    true
}

/// How many bytes a varint takes.
pub(crate) fn varint_length(value: u64) -> usize {
    ((64 - value.leading_zeros()).max(1)).div_ceil(7) as usize
}

/// What is known of a component's type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub id: u32,
    pub name: &'static str,
    pub version: u8,
    pub fields: &'static [FieldInfo],
}

/// A declared component, whatever its type.
pub(crate) trait Part: Send + Sync {
    fn about(&self) -> About;
    /// Brings the shadows up to date with what changed in this tick.
    fn collect(&mut self, ecs: &World, shadows: &mut Shadows);
    /// Appends all fields exactly, if the entity has it.
    fn put_whole(&self, entity: EntityRef<'_>, out: &mut Vec<u8>) -> bool;
    /// Gives it to an entity; what a newer version wrote beyond it is left in `from`.
    fn take_whole(&self, entity: &mut EntityWorldMut<'_>, from: &mut &[u8]) -> Result<(), Malformed>;
    /// Whether it could be taken; what a newer version wrote beyond it may follow.
    fn check_whole(&self, from: &[u8]) -> Result<(), Malformed>;
    /// Takes it off an entity.
    fn take_off(&self, entity: &mut EntityWorldMut<'_>);
}

type Changes<T> = QueryState<(Entity, &'static Net, &'static T), (Changed<T>, Allow<Ghost>)>;

pub(crate) struct TypedPart<T: Replicate + Component> {
    changes: Changes<T>,
    teller: Teller<T>,
}

impl<T: Replicate + Component> TypedPart<T> {
    pub fn new(number: u8, ecs: &mut World) -> Self {
        let shown = T::FIELDS.is_empty() || T::FIELDS.iter().any(|info| info.audience != Audience::Server);
        let teller = Teller { number, shown, held_back: Vec::new(), scratch: Vec::new(), of: PhantomData };
        Self { changes: ecs.query_filtered(), teller }
    }
}

/// Compares one type of component with what clients have of it.
struct Teller<T> {
    number: u8,
    /// Whether clients see anything of it.
    shown: bool,
    /// Entities with a change that a field's rate holds back.
    held_back: Vec<Entity>,
    scratch: Vec<u8>,
    of: PhantomData<fn(T)>,
}

impl<T: Replicate> Teller<T> {
    fn look(&mut self, entity: Entity, net: Net, value: &T, clock: Clock, shadows: &mut Shadows) {
        let Some(shadow) = &mut shadows.cold[usize::from(net.0)] else { return };
        let known = shadow.parts.iter().position(|part| part.number == self.number);
        let at = known.unwrap_or_else(|| {
            let part = PartShadow { number: self.number, came: 0, gone: Some(0), fields: SmallVec::new() };
            shadow.parts.push(part);
            shadow.parts.len() - 1
        });
        let part = &mut shadow.parts[at];
        let mut changed = part.gone.take().is_some();
        if changed {
            part.came = clock.tick;
            part.fields.clear();
        }
        let (mut for_all, mut held_back) = (changed, false);
        let shown = T::FIELDS.iter().enumerate().filter(|(_, info)| info.audience != Audience::Server);
        for (n, info) in shown {
            self.scratch.clear();
            value.put_shown(n as u32, &mut self.scratch);
            let owner = info.audience == Audience::Owner;
            match part.fields.iter_mut().find(|field| usize::from(field.n) == n) {
                Some(field) if field.bytes[..] == self.scratch[..] => continue,
                Some(_) if !is_due(info.rate_hz, net, clock) => {
                    held_back = true;
                    continue;
                }
                Some(field) => {
                    field.bytes = SmallVec::from_slice(&self.scratch);
                    field.tick = clock.tick;
                }
                None => {
                    let bytes = SmallVec::from_slice(&self.scratch);
                    part.fields.push(FieldShadow { n: n as u8, owner, tick: clock.tick, bytes });
                }
            }
            changed = true;
            for_all |= !owner;
        }
        if held_back {
            self.held_back.push(entity);
        }
        if changed {
            shadows.touch(net.0, clock.tick, for_all);
        }
    }
}

/// Whether a field with a rate may be told in this tick; entities take turns.
fn is_due(rate_hz: u32, net: Net, clock: Clock) -> bool {
    if rate_hz == 0 {
        return true;
    }
    let period = u64::from((clock.hz / rate_hz).max(1));
    clock.tick % period == u64::from(net.0) % period
}

impl<T: Replicate + Component> Part for TypedPart<T> {
    fn about(&self) -> About {
        About { id: id(T::NAME), name: T::NAME, version: T::VERSION, fields: T::FIELDS }
    }

    fn collect(&mut self, ecs: &World, shadows: &mut Shadows) {
        if !self.teller.shown {
            return;
        }
        let clock = *ecs.resource::<Clock>();
        for entity in std::mem::take(&mut self.teller.held_back) {
            if let Ok(entity) = ecs.get_entity(entity)
                && let (Some(net), Some(value)) = (entity.get::<Net>(), entity.get::<T>())
            {
                self.teller.look(entity.id(), *net, value, clock, shadows);
            }
        }
        for (entity, net, value) in self.changes.iter(ecs) {
            self.teller.look(entity, *net, value, clock, shadows);
        }
        for entity in ecs.removed::<T>() {
            if let Ok(entity) = ecs.get_entity(entity)
                && let (Some(net), None) = (entity.get::<Net>(), entity.get::<T>())
            {
                shadows.take_off(net.0, self.teller.number, clock.tick);
            }
        }
    }

    fn put_whole(&self, entity: EntityRef<'_>, out: &mut Vec<u8>) -> bool {
        let value = entity.get::<T>();
        value.inspect(|value| value.put_whole(out)).is_some()
    }

    fn take_whole(&self, entity: &mut EntityWorldMut<'_>, from: &mut &[u8]) -> Result<(), Malformed> {
        entity.insert(T::take_whole(from)?);
        Ok(())
    }

    fn check_whole(&self, mut from: &[u8]) -> Result<(), Malformed> {
        T::take_whole(&mut from).map(drop)
    }

    fn take_off(&self, entity: &mut EntityWorldMut<'_>) {
        entity.remove::<T>();
    }
}
