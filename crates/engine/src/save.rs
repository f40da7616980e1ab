//! What of an area outlives its process: altered tiles, what is marked [`Kept`], and the resources that the game
//! declared with [`Builder::saved`]. Characters are not in it, each has its own record.
//!
//! ```text
//! save = u8 format (1) · varint tiles · tile* · varint resources · component* · varint entities · entity*
//! tile = i32 x · i32 y · u8 kind · u64 since          little-endian
//! component = as in codec.rs
//! entity = varint length · record, as in codec.rs
//! ```
//!
//! What this version of the program does not know is kept as it came, and written again.
//!
//! An area that was split begins with the save of the whole: whoever reads one takes what lies on its own ground.

use std::marker::PhantomData;

use bevy_ecs::prelude::*;

use crate::codec::{self, Record, put_record};
use crate::field::{Malformed, put_varint, take_bytes, take_varint};
use crate::registry::{Builder, Kind};
use crate::replicate::{Replicate, id};
use crate::sim::{CharacterIs, Position, Sim};
use crate::terrain::Altered;

/// Format of a save.
const FORMAT: u8 = 1;

/// Bytes of a tile.
const TILE_BYTES: usize = 17;

/// Most altered tiles that are kept; beyond it the oldest are as the land made them.
pub const MOST_TILES: usize = 40_000;

/// Marks an entity that shall be there again when its area is started anew: with its [`Kind`] and its declared
/// components. Characters need it not.
#[derive(Component, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept;

/// What this program does not understand of a save.
#[derive(Resource, Debug, Default)]
struct Foreign {
    resources: Vec<Record>,
    entities: Vec<Vec<u8>>,
}

/// A save, and what it could not take in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Save {
    /// For [`Sim::restore`].
    pub bytes: Vec<u8>,
    /// Altered tiles that were too many.
    pub left_out: usize,
}

/// Which entities are kept.
pub(crate) type KeptOnes = QueryState<Entity, (With<Kept>, With<Kind>, Without<CharacterIs>)>;

/// A type of resource that is saved.
pub(crate) trait Saved: Send + Sync {
    fn id(&self) -> u32;
    fn version(&self) -> u8;
    fn put(&self, ecs: &World, out: &mut Vec<u8>) -> bool;
    fn take(&self, ecs: &mut World, from: &mut &[u8]) -> Result<(), Malformed>;
}

struct Typed<T>(PhantomData<fn(T)>);

impl<T: Replicate + Resource> Saved for Typed<T> {
    fn id(&self) -> u32 {
        id(T::NAME)
    }

    fn version(&self) -> u8 {
        T::VERSION
    }

    fn put(&self, ecs: &World, out: &mut Vec<u8>) -> bool {
        ecs.get_resource::<T>().map(|value| value.put_whole(out)).is_some()
    }

    fn take(&self, ecs: &mut World, from: &mut &[u8]) -> Result<(), Malformed> {
        ecs.insert_resource(T::take_whole(from)?);
        Ok(())
    }
}

impl Builder {
    /// A resource that is there again, as it was, when the area is started anew.
    ///
    /// # Panics
    /// If two have the same name.
    pub fn saved<T: Replicate + Resource>(&mut self) -> &mut Self {
        let saved = &mut self.registry.saved;
        assert!(saved.iter().all(|known| known.id() != id(T::NAME)), "«{}» is there twice", T::NAME);
        saved.push(Box::new(Typed::<T>(PhantomData)));
        self
    }
}

impl Sim {
    /// What outlives the process, between two steps.
    pub fn save(&mut self) -> Save {
        let mut out = vec![FORMAT];
        let left_out = self.save_tiles(&mut out);
        self.save_resources(&mut out);
        self.save_entities(&mut out);
        Save { bytes: out, left_out }
    }

    /// Brings back what lies on the area's ground, into an area that was just made; the number of entities that
    /// could not be read.
    ///
    /// # Errors
    /// If it is malformed, or of another format; what came before the fault is there then.
    pub fn restore(&mut self, from: &[u8]) -> Result<usize, Malformed> {
        let ground = self.extent();
        self.restore_where(from, |at| at.is_none_or(|(x, y)| ground.contains(x, y)))
    }

    /// The same with another say in what is ours, by its place in metres; of some it is not known.
    pub(crate) fn restore_where(
        &mut self,
        mut from: &[u8],
        is_ours: impl Fn(Option<(f64, f64)>) -> bool,
    ) -> Result<usize, Malformed> {
        let from = &mut from;
        if take_bytes(from, 1)? != [FORMAT] {
            return Err(Malformed);
        }
        let mut foreign = Foreign::default();
        for _ in 0..take_varint(from)? {
            let tile = take_tile(from)?;
            let (x, y) = tile.0;
            if is_ours(Some((f64::from(x), f64::from(y)))) {
                self.terrain().restore([tile]);
            }
        }
        for _ in 0..take_varint(from)? {
            let record = Record::take(from)?;
            let mut bytes = record.bytes.as_slice();
            if let Some(saved) = self.registry.saved.iter().find(|saved| saved.id() == record.id) {
                saved.take(&mut self.ecs, &mut bytes)?;
            }
            if !bytes.is_empty() {
                foreign.resources.push(Record { bytes: bytes.to_vec(), ..record });
            }
        }
        let mut unread = 0;
        for _ in 0..take_varint(from)? {
            let length = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
            let record = take_bytes(from, length)?;
            let mut entity = self.ecs.spawn(Kept);
            match self.registry.take_entity(&mut entity, &mut &*record) {
                Ok(Some(_)) if !is_ours(entity.get::<Position>().map(|at| at.point())) => entity.despawn(),
                Ok(Some(kind)) => drop(entity.insert(kind)),
                Ok(None) => {
                    let ours = is_ours(entity.get::<Position>().map(|at| at.point()));
                    entity.despawn();
                    foreign.entities.extend(ours.then(|| record.to_vec()));
                }
                Err(Malformed) => {
                    entity.despawn();
                    unread += 1;
                }
            }
        }
        self.ecs.insert_resource(foreign);
        if from.is_empty() { Ok(unread) } else { Err(Malformed) }
    }

    /// How many tiles were too many.
    fn save_tiles(&mut self, out: &mut Vec<u8>) -> usize {
        let tiles = self.terrain().altered();
        let left_out = tiles.len().saturating_sub(MOST_TILES);
        let mut since = 0;
        if left_out > 0 {
            let mut ages: Vec<u64> = tiles.values().map(|tile| tile.since).collect();
            since = *ages.select_nth_unstable(left_out).1;
        }
        // Of several of the same age more may stay than the rest has room for.
        let stay = || tiles.iter().filter(move |(_, tile)| tile.since >= since);
        put_varint(stay().count() as u64, out);
        for ((x, y), tile) in stay() {
            out.extend_from_slice(&x.to_le_bytes());
            out.extend_from_slice(&y.to_le_bytes());
            out.push(tile.kind);
            out.extend_from_slice(&tile.since.to_le_bytes());
        }
        left_out
    }

    fn save_resources(&mut self, out: &mut Vec<u8>) {
        let none = Foreign::default();
        let foreign = self.ecs.get_resource::<Foreign>().unwrap_or(&none);
        let (mut body, mut bytes, mut count) = (Vec::new(), Vec::new(), 0);
        for saved in &self.registry.saved {
            bytes.clear();
            if !saved.put(&self.ecs, &mut bytes) {
                continue;
            }
            let tail = foreign.resources.iter().find(|record| record.id == saved.id());
            bytes.extend(tail.into_iter().flat_map(|tail| &tail.bytes));
            put_record(saved.id(), tail.map_or(saved.version(), |tail| tail.version), &bytes, &mut body);
            count += 1;
        }
        let known = |record: &&Record| self.registry.saved.iter().any(|saved| saved.id() == record.id);
        for record in foreign.resources.iter().filter(|record| !known(record)) {
            put_record(record.id, record.version, &record.bytes, &mut body);
            count += 1;
        }
        put_varint(count, out);
        out.extend_from_slice(&body);
    }

    fn save_entities(&mut self, out: &mut Vec<u8>) {
        let (mut body, mut record, mut count) = (Vec::new(), Vec::new(), 0);
        let mut kept = self.kept.iter(&self.ecs).collect::<Vec<_>>();
        kept.sort_unstable();
        for entity in kept {
            record.clear();
            if self.registry.put_entity(&self.ecs, entity, &mut record) {
                put_varint(record.len() as u64, &mut body);
                body.extend_from_slice(&record);
                count += 1;
            }
        }
        for record in self.ecs.get_resource::<Foreign>().iter().flat_map(|foreign| &foreign.entities) {
            put_varint(record.len() as u64, &mut body);
            body.extend_from_slice(record);
            count += 1;
        }
        put_varint(count, out);
        out.extend_from_slice(&body);
    }
}

/// The saves of two areas as one: of what both have once, the first one's counts.
///
/// # Errors
/// If one is malformed, or of another format.
pub(crate) fn join(mut a: &[u8], mut b: &[u8]) -> Result<Vec<u8>, Malformed> {
    let (a, b) = (Parts::take(&mut a)?, Parts::take(&mut b)?);
    let mut out = vec![FORMAT];
    put_varint((a.tiles.len() + b.tiles.len()) as u64, &mut out);
    a.tiles.iter().chain(&b.tiles).for_each(|tile| out.extend_from_slice(tile));
    let others = b.resources.iter().filter(|other| a.resources.iter().all(|known| known.id != other.id));
    put_resources(&a.resources.iter().chain(others).collect::<Vec<_>>(), &mut out);
    put_entities(&a.entities.iter().chain(&b.entities).copied().collect::<Vec<_>>(), &mut out);
    Ok(out)
}

/// A save without what stands nowhere.
///
/// # Errors
/// If it is malformed, or of another format.
pub(crate) fn of_places(mut save: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut parts = Parts::take(&mut save)?;
    let mut out = vec![FORMAT];
    put_varint(parts.tiles.len() as u64, &mut out);
    parts.tiles.iter().for_each(|tile| out.extend_from_slice(tile));
    put_resources(&parts.resources.iter().collect::<Vec<_>>(), &mut out);
    // One that cannot be read stays for whoever counts those.
    parts.entities.retain(|record| codec::has(record, id(Position::NAME)) != Ok(false));
    put_entities(&parts.entities, &mut out);
    Ok(out)
}

fn put_resources(resources: &[&Record], out: &mut Vec<u8>) {
    put_varint(resources.len() as u64, out);
    for record in resources {
        put_record(record.id, record.version, &record.bytes, out);
    }
}

fn put_entities(entities: &[&[u8]], out: &mut Vec<u8>) {
    put_varint(entities.len() as u64, out);
    for record in entities {
        put_varint(record.len() as u64, out);
        out.extend_from_slice(record);
    }
}

/// A save, not understood any further.
struct Parts<'a> {
    tiles: Vec<&'a [u8]>,
    resources: Vec<Record>,
    entities: Vec<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn take(from: &mut &'a [u8]) -> Result<Self, Malformed> {
        if take_bytes(from, 1)? != [FORMAT] {
            return Err(Malformed);
        }
        let tiles =
            (0..take_varint(from)?).map(|_| take_bytes(from, TILE_BYTES)).collect::<Result<_, _>>()?;
        let resources = (0..take_varint(from)?).map(|_| Record::take(from)).collect::<Result<_, _>>()?;
        let entities = (0..take_varint(from)?).map(|_| take_record(from)).collect::<Result<_, _>>()?;
        if from.is_empty() { Ok(Self { tiles, resources, entities }) } else { Err(Malformed) }
    }
}

/// A record with its length before it.
pub(crate) fn take_record<'a>(from: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
    take_bytes(from, length)
}

fn take_tile(from: &mut &[u8]) -> Result<((i32, i32), Altered), Malformed> {
    let at =
        |from: &mut &[u8]| Ok(i32::from_le_bytes(take_bytes(from, 4)?.try_into().map_err(|_| Malformed)?));
    let (x, y) = (at(from)?, at(from)?);
    let kind = take_bytes(from, 1)?[0];
    let since = u64::from_le_bytes(take_bytes(from, 8)?.try_into().map_err(|_| Malformed)?);
    Ok(((x, y), Altered { kind, since }))
}
