//! A whole area as bytes, for a move to another process: what a save has, and what is marked [`Carried`].
//! Characters have their own records; what a game makes anew from the land, the seed or the ledger is made anew.
//!
//! ```text
//! pack = u64 tick · varint length · save, as in save.rs · varint entities · (varint length · record, as in codec.rs)*
//! keys = (u64 key)*        one for each entity of the pack, the same in every pack of one process
//! ```
//!
//! A copy of an area that plays on may be shown where it goes ([`Sim::show_copy`]): of the pack that comes at last, what
//! is the same stands there already, and whoever sees there has seen it. Only the last pack counts.

use std::collections::HashMap;

use bevy_ecs::prelude::*;

use pangea_world::id::CharacterId;
use pangea_world::space::Rect;

use crate::border::{Ghost, Gid, Pass, Peer};
use crate::field::{Malformed, put_varint, take_bytes, take_varint};
use crate::registry::{CHARACTER, Kind};
use crate::save::{self, Kept, take_record};
use crate::sim::{Character, CharacterIs, Clock, Net, Position, Sim};
use crate::walk::Point;

/// Whose ghosts the characters of a copy are: those of no neighbour.
const ELSEWHERE: Peer = Peer(u16::MAX);

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

/// An area as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packed {
    /// The pack.
    pub pack: Vec<u8>,
    /// Which entity each record of it is: what is known of an earlier pack of the same process is known by these.
    pub keys: Vec<u8>,
}

/// A character of a copy.
#[derive(Debug, Clone)]
pub struct CopiedCharacter<'a> {
    /// The id that is reserved for it here.
    pub id: u16,
    /// Who it is.
    pub who: CharacterId,
    /// As all see it.
    pub look: Character,
    /// Where it stands, metres.
    pub at: Point,
    /// As [`Sim::record`] made it.
    pub record: &'a [u8],
}

/// What stands here of a copy: by its key the entity, and the record that it was made of.
pub(crate) type Copies = HashMap<u64, (Entity, Box<[u8]>)>;

impl Sim {
    /// Everything but characters, between two steps.
    pub fn pack(&mut self) -> Packed {
        let save = self.save().bytes;
        let mut pack = self.tick().to_le_bytes().to_vec();
        put_varint(save.len() as u64, &mut pack);
        pack.extend_from_slice(&save);
        let mut others = self.ecs.query_filtered::<Entity, Others>().iter(&self.ecs).collect::<Vec<_>>();
        others.sort_unstable();
        let (mut body, mut record, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for entity in others {
            record.clear();
            if self.registry.put_entity(&self.ecs, entity, &mut record) {
                put_varint(record.len() as u64, &mut body);
                body.extend_from_slice(&record);
                keys.extend_from_slice(&entity.to_bits().to_le_bytes());
            }
        }
        put_varint((keys.len() / size_of::<u64>()) as u64, &mut pack);
        pack.extend_from_slice(&body);
        Packed { pack, keys }
    }

    /// Goes on with what another process packed, in an area that was just made and has made no step; a copy of it may
    /// be shown. If this area's ground is a part of what was `packed`, metres, it takes what lies there; what stands
    /// beyond the whole counts as where it is nearest to.
    ///
    /// # Errors
    /// If it is malformed; what came before the fault is there then.
    pub fn unpack(&mut self, pack: &[u8], keys: &[u8], packed: Option<Rect>) -> Result<(), Malformed> {
        let mut from = pack;
        let parts = Parts::take(&mut from)?;
        let ground = self.extent();
        // What has no place goes with the north-western part.
        let is_ours = |at: Option<Point>| {
            packed.is_none_or(|whole| {
                let corner = (f64::from(whole.x0), f64::from(whole.y0));
                let (x, y) = at.map_or(corner, |at| whole.nearest(at));
                ground.contains(x, y)
            })
        };
        self.set_clock(parts.tick);
        self.restore_where(parts.save, is_ours)?;
        self.bring(&parts, keys, is_ours).1
    }

    /// Shows an area that plays on elsewhere as it stood a moment ago, to whoever sees here: what is marked
    /// [`Carried`], and these characters as ghosts. Nothing of it moves; [`Sim::unpack`] brings the area.
    ///
    /// # Errors
    /// If it is malformed; what came before the fault is shown then.
    pub fn show_copy<'a>(
        &mut self,
        pack: &[u8],
        keys: &[u8],
        characters: impl IntoIterator<Item = CopiedCharacter<'a>>,
    ) -> Result<(), Malformed> {
        let mut from = pack;
        let parts = Parts::take(&mut from)?;
        self.set_clock(parts.tick);
        let (copies, read) = self.bring(&parts, keys, |_| true);
        for character in characters {
            self.show_character(character);
        }
        self.show(parts.tick);
        self.copies = copies;
        read
    }

    /// Characters of a copy that did not come along are gone.
    pub fn forget_copy(&mut self) {
        let mut ghosts = self.ecs.query::<(Entity, &Ghost)>();
        let left = ghosts.iter(&self.ecs).filter(|(_, ghost)| ghost.peer == ELSEWHERE);
        for entity in left.map(|(entity, _)| entity).collect::<Vec<_>>() {
            self.drop_ghost(entity);
        }
    }

    fn set_clock(&mut self, tick: u64) {
        self.ecs.resource_mut::<Clock>().tick = tick;
        self.terrain().now = tick;
    }

    /// The entities of a pack, where they are ours, up to one that cannot be read. What stands here of an earlier one
    /// stays, changes or goes.
    fn bring(
        &mut self,
        parts: &Parts<'_>,
        keys: &[u8],
        is_ours: impl Fn(Option<Point>) -> bool,
    ) -> (Copies, Result<(), Malformed>) {
        let (keys, _) = keys.as_chunks();
        let mut known = std::mem::take(&mut self.copies);
        let (mut brought, mut read) = (Copies::with_capacity(keys.len()), Ok(()));
        for (n, record) in parts.others.iter().enumerate() {
            let key = keys.get(n).map(|key| u64::from_le_bytes(*key));
            let stands = key.and_then(|key| known.remove(&key));
            let entity = match stands {
                Some((entity, was)) if *was == **record => Some(entity),
                stands => match self.bring_one(record, stands.map(|(entity, _)| entity), &is_ours) {
                    Ok(entity) => entity,
                    Err(malformed) => {
                        read = Err(malformed);
                        break;
                    }
                },
            };
            if let (Some(key), Some(entity)) = (key, entity) {
                brought.insert(key, (entity, Box::from(*record)));
            }
        }
        for (entity, _) in known.into_values() {
            self.ecs.try_despawn(entity).ok();
        }
        (brought, read)
    }

    /// One of them, in the place of what stood here of it; `None`: it is not ours, or not known here.
    fn bring_one(
        &mut self,
        mut record: &[u8],
        stands: Option<Entity>,
        is_ours: impl Fn(Option<Point>) -> bool,
    ) -> Result<Option<Entity>, Malformed> {
        let net = stands.and_then(|entity| self.ecs.get::<Net>(entity).copied());
        let mut entity = match stands.filter(|entity| self.ecs.get_entity(*entity).is_ok()) {
            Some(stands) => self.ecs.entity_mut(stands),
            None => self.ecs.spawn(()),
        };
        entity.clear();
        // One of a kind that only the other version knows is gone, as at a start; and nothing is there in part.
        let kind = match self.registry.take_entity(&mut entity, &mut record) {
            Ok(Some(kind)) => kind,
            other => {
                entity.despawn();
                return other.map(|_| None);
            }
        };
        if !is_ours(entity.get::<Position>().map(|at| at.point())) {
            entity.despawn();
            return Ok(None);
        }
        entity.insert((kind, Carried));
        if let Some(net) = net {
            entity.insert(net);
        }
        let entity = entity.id();
        for hook in &mut self.on_pass {
            hook(&mut self.ecs, entity, Pass::In);
        }
        Ok(Some(entity))
    }

    fn show_character(&mut self, character: CopiedCharacter<'_>) {
        let CopiedCharacter { id, who, look, at: (x, y), mut record } = character;
        if self.entity(id).is_some() {
            return;
        }
        let mut entity = self.ecs.spawn(Ghost { peer: ELSEWHERE });
        // What cannot be read is told of when it comes.
        let _ = self.registry.take_entity(&mut entity, &mut record);
        entity.insert((Net(id), CHARACTER, CharacterIs(who), Gid(who.0), look, Position { x, y }));
        let (entity, born) = (entity.id(), self.tick());
        self.shadows.appear(id, entity, CHARACTER, born);
    }
}
