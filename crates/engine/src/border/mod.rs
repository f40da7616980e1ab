//! Borders: what neighbouring areas show each other, and what goes over from one to the other.
//!
//! An area tells each neighbour of what it owns near that neighbour's ground ([`Sim::tell_peer`]); the neighbour
//! shows it as a [`Ghost`] ([`Sim::hear_peer`]): clients see it like anything else, a game's systems do not see
//! it. A system that wants something of a ghost writes a letter to its owner ([`Post`]). A thing that is no
//! character and has walked over the line is *passed*: it changes its owner without anybody's leave. Characters
//! change theirs by way of central; [`Sim::hand_over`] and [`Sim::arrive`] keep what clients see in one piece.
//!
//! | module | does |
//! |---|---|
//! | [`frame`] | the bytes |
//! | [`tell`] | what is new for a neighbour |
//! | [`hear`] | what a neighbour told |
//! | [`letter`] | letters to the owners of ghosts |

mod frame;
mod hear;
pub mod letter;
mod line;
mod tell;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use bevy_ecs::lifecycle::HookContext;
use bevy_ecs::prelude::*;
use bevy_ecs::world::DeferredWorld;
use pangea_engine_derive::Replicate;
use pangea_world::id::{AreaId, CharacterId};
use pangea_world::space::Rect;
use smallvec::SmallVec;

pub use letter::{Leaving, Letter, Letters, Post};
pub(crate) use line::Line;

use crate::field::{Field, Malformed, take_bytes};
use crate::registry::{Builder, Leave};
use crate::sim::{CharacterIs, Clock, Net, Sim};
use crate::walk::Point;

/// How far beyond the own ground a thing has to be to be passed, metres: it does not come back at once.
pub const PASSES_BEYOND_M: f64 = 1.0;

/// How long a ghost stays that went over to another owner, until that one tells of it, seconds.
const LINGERS_S: u64 = 1;

/// A neighbour, as the area role numbers it: small, used again after [`Sim::forget_peer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer(pub u16);

/// The same thing in every area: of a character its id; of anything else drawn when a neighbour is first told of
/// it, and kept while it goes from area to area.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Gid(pub [u8; 16]);

impl Field for Gid {
    fn kind() -> String {
        "gid".to_owned()
    }
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        Ok(Self(take_bytes(from, 16)?.try_into().map_err(|_| Malformed)?))
    }
}

/// What is here under which [`Gid`], owned or a ghost.
#[derive(Resource, Debug, Default)]
pub struct Gids(HashMap<Gid, Entity>);

impl Gids {
    /// The entity, if it is here.
    pub fn find(&self, gid: Gid) -> Option<Entity> {
        self.0.get(&gid).copied()
    }
}

/// A read-only copy of what a neighbour owns. Queries do not see it unless they name it: `Allow<Ghost>`,
/// `Has<Ghost>`, `With<Ghost>`.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ghost {
    /// Whose, as far as is known here.
    pub peer: Peer,
}

/// Of which area a ghost is, as clients are told: for a page that shows the seams.
#[derive(Component, Replicate, Debug, Clone, Copy, PartialEq, Eq)]
pub struct GhostOf {
    /// The west end of that area's ground, metres.
    pub x: i32,
    /// Its north end.
    pub y: i32,
}

/// A ghost whose new owner has not told of it yet: it vanishes at this tick.
#[derive(Component, Debug, Clone, Copy)]
struct Lingers(u64);

/// Where a character may walk beyond the area, metres: the neighbours there are ready for it. Without it the
/// border is shut.
#[derive(Component, Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach(pub SmallVec<[Rect; 3]>);

/// Characters with the same number belong together for now, at most 16: over a border they go together or not at
/// all. The game puts it on them and takes it away; it travels nowhere, and a portal takes one out of it.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Together(pub u64);

/// The grounds of the neighbours to which things can be passed, metres: what is no character may walk there.
#[derive(Resource, Debug, Default, Clone, PartialEq, Eq)]
pub struct OpenGround(pub SmallVec<[Rect; 8]>);

/// In which direction something is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// It is about to go; its record is made after the hooks.
    Out,
    /// It has come, with what its record brought.
    In,
}

/// Called with what is passed.
pub(crate) type PassHook = Box<dyn FnMut(&mut World, Entity, Pass) + Send>;

/// All that an area has to do with its neighbours.
#[derive(Debug, Default)]
pub(crate) struct Border {
    /// Hash of the area's id and its epoch, and the epoch.
    origin: (u64, u64),
    gids: u64,
    passes: u64,
    lives: u64,
    lines: BTreeMap<Peer, Line>,
    /// The ids of characters that are here or may come.
    seats: BTreeMap<CharacterId, u16>,
}

impl Border {
    fn gid(&mut self) -> Gid {
        self.gids += 1;
        let mut gid = [0; 16];
        gid[..8].copy_from_slice(&self.origin.0.to_be_bytes());
        gid[8..].copy_from_slice(&self.gids.to_be_bytes());
        Gid(gid)
    }

    fn line(&mut self, peer: Peer) -> &mut Line {
        self.lines.entry(peer).or_insert_with(|| {
            self.lives += 1;
            Line::new(self.lives)
        })
    }

    /// A reserved id is given back.
    pub fn unseat(&mut self, id: u16) {
        self.seats.retain(|_, seat| *seat != id);
    }

    /// A character has an id.
    pub fn seat(&mut self, who: CharacterId, id: u16) {
        self.seats.insert(who, id);
    }
}

/// What a world needs before anything is declared in it.
pub(crate) fn prepare(ecs: &mut World) {
    ecs.register_disabling_component::<Ghost>();
    ecs.init_resource::<Gids>();
    ecs.init_resource::<OpenGround>();
    ecs.init_resource::<Post>();
    let hooks = ecs.register_component_hooks::<Gid>();
    hooks.on_insert(|mut ecs: DeferredWorld<'_>, at: HookContext| {
        if let Some(gid) = ecs.get::<Gid>(at.entity).copied() {
            ecs.resource_mut::<Gids>().0.insert(gid, at.entity);
        }
    });
    hooks.on_discard(|mut ecs: DeferredWorld<'_>, at: HookContext| {
        let Some(gid) = ecs.get::<Gid>(at.entity).copied() else { return };
        let gids = &mut ecs.resource_mut::<Gids>().0;
        if gids.get(&gid) == Some(&at.entity) {
            gids.remove(&gid);
        }
    });
}

/// It is a ghost of this neighbour, whose ground may not be known yet.
fn mark_ghost(entity: &mut EntityWorldMut<'_>, peer: Peer, ground: Option<Rect>) {
    if entity.get::<Ghost>() != Some(&Ghost { peer }) {
        entity.insert(Ghost { peer });
    }
    let of = ground.map(|ground| GhostOf { x: ground.x0, y: ground.y0 });
    if let Some(of) = of.filter(|of| entity.get::<GhostOf>() != Some(of)) {
        entity.insert(of);
    }
}

impl Builder {
    /// Called with what is passed to a neighbour or comes from one (no characters): what it has beside declared
    /// components has to be put on it anew.
    pub fn on_pass(&mut self, hook: impl FnMut(&mut World, Entity, Pass) + Send + 'static) -> &mut Self {
        self.on_pass.push(Box::new(hook));
        self
    }
}

impl Sim {
    /// The area and the epoch that name what neighbours are told of from here; set once, before the first
    /// [`Sim::tell_peer`].
    pub fn set_origin(&mut self, area: AreaId, epoch: u64) {
        let bytes = area.0.into_iter().chain(epoch.to_be_bytes());
        let hash = bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        });
        self.border.origin = (hash, epoch);
    }

    /// The line to a neighbour was lost or is made anew: everything is told again. Until the neighbour is heard
    /// on the new line nothing is passed to it. Call it before the first frame of a new line is told or heard.
    pub fn restart_peer(&mut self, peer: Peer) {
        self.border.lives += 1;
        let life = self.border.lives;
        self.border.line(peer).restart(life);
        self.mark_open();
    }

    /// The neighbour is gone: its process has ended, or another serves that ground. Its ghosts vanish, its tiles
    /// are forgotten, letters to it are lost, and so is what was passed to it and not acknowledged: it may have
    /// died there, or gone on to somebody else.
    pub fn forget_peer(&mut self, peer: Peer) {
        if self.border.lines.remove(&peer).is_none() {
            return;
        }
        self.mark_open();
        let mut ghosts = self.ecs.query::<(Entity, &Ghost)>();
        let theirs = ghosts.iter(&self.ecs).filter(|(_, ghost)| ghost.peer == peer);
        for entity in theirs.map(|(entity, _)| entity).collect::<Vec<_>>() {
            self.drop_ghost(entity);
        }
        self.terrain().give_back(peer.0, |_| true);
    }

    /// The line to a neighbour has been down for a while, and nobody knows that its server is gone: its ghosts vanish.
    /// What was passed to it and not acknowledged waits for the next line.
    pub fn hide_peer(&mut self, peer: Peer) {
        let line = self.border.line(peer);
        let waiting: Vec<Entity> = line.passes.iter().map(|passed| passed.entity).collect();
        let mut ghosts = self.ecs.query::<(Entity, &Ghost)>();
        let theirs =
            ghosts.iter(&self.ecs).filter(|(entity, ghost)| ghost.peer == peer && !waiting.contains(entity));
        for entity in theirs.map(|(entity, _)| entity).collect::<Vec<_>>() {
            self.drop_ghost(entity);
        }
    }

    /// Where this character may walk beyond the area, metres; empty: nowhere.
    pub fn set_reach(&mut self, id: u16, reach: &[Rect]) {
        let Some(entity) = self.entity(id) else { return };
        let mut entity = self.ecs.entity_mut(entity);
        if reach.is_empty() {
            entity.remove::<Reach>();
        } else {
            entity.insert(Reach(reach.into()));
        }
    }

    /// Characters that belong together, each group with at least two of this area.
    pub fn groups(&mut self) -> Vec<Vec<CharacterId>> {
        let mut groups: BTreeMap<u64, Vec<CharacterId>> = BTreeMap::new();
        for (Together(group), CharacterIs(who)) in
            self.ecs.query::<(&Together, &CharacterIs)>().iter(&self.ecs)
        {
            groups.entry(*group).or_default().push(*who);
        }
        groups.into_values().filter(|group| group.len() > 1).collect()
    }

    /// The id of a character that a neighbour shows here.
    pub fn ghost_of(&self, who: CharacterId) -> Option<u16> {
        let entity = self.ecs.resource::<Gids>().find(Gid(who.0))?;
        self.ecs.get::<Ghost>(entity)?;
        self.net(entity)
    }

    /// Takes an id for a character that may come: that of its ghost if it is seen here, else another one, which
    /// its ghost gets when it is seen. Held until [`Sim::remove`]. `None` if all 65,535 are taken.
    pub fn reserve_for(&mut self, who: CharacterId) -> Option<u16> {
        let id = match self.border.seats.get(&who).copied().or_else(|| self.ghost_of(who)) {
            Some(id) => id,
            None => self.reserve()?,
        };
        self.border.seat(who, id);
        self.hold(id);
        Some(id)
    }

    /// A character belongs to a neighbour now: it stays here as its ghost, under the same id, until the
    /// neighbour tells of it, or a second has passed. Returns its record, as [`Sim::remove`] does.
    pub fn hand_over(&mut self, id: u16, to: Peer) -> Option<Vec<u8>> {
        let entity = self.entity(id).filter(|entity| self.ecs.get::<Ghost>(*entity).is_none())?;
        self.leave(entity, Leave::Handoff);
        let record = self.record(id);
        self.border.unseat(id);
        self.let_go(id);
        self.make_ghost(entity, to);
        record
    }

    // ---- ghosts ----

    /// What is here is the neighbour's from now on. If it told of it already, that was for nothing: it is asked
    /// to tell it again.
    fn make_ghost(&mut self, entity: Entity, peer: Peer) {
        let until = self.tick() + LINGERS_S * u64::from(self.ecs.resource::<Clock>().hz);
        self.mark_ghost(entity, peer);
        self.ecs.entity_mut(entity).insert(Lingers(until)).remove::<(Reach, Leaving)>();
        if let Some(gid) = self.ecs.get::<Gid>(entity).copied() {
            self.border.line(peer).ask_again(gid);
        }
    }

    /// It is this neighbour's.
    fn mark_ghost(&mut self, entity: Entity, peer: Peer) {
        let ground = self.border.lines.get(&peer).and_then(|line| line.ground);
        mark_ghost(&mut self.ecs.entity_mut(entity), peer, ground);
    }

    /// The ground of a neighbour is known now, and was not, or is another.
    fn mark_ghosts(&mut self, peer: Peer, ground: Rect) {
        let mut ghosts = self.ecs.query::<(Entity, &Ghost)>();
        let theirs = ghosts.iter(&self.ecs).filter(|(_, ghost)| ghost.peer == peer);
        for entity in theirs.map(|(entity, _)| entity).collect::<Vec<_>>() {
            mark_ghost(&mut self.ecs.entity_mut(entity), peer, Some(ground));
        }
    }

    /// A ghost is not shown any more.
    pub(crate) fn drop_ghost(&mut self, entity: Entity) {
        let id = self.net(entity);
        self.ecs.despawn(entity);
        if let Some(id) = id {
            self.shadows.vanish(id);
            self.rest(id);
        }
    }

    /// Ghosts that went over to somebody who never told of them.
    pub(crate) fn drop_late_ghosts(&mut self, tick: u64) {
        if self.border.lines.is_empty() {
            return;
        }
        let mut lingering = self.ecs.query_filtered::<(Entity, &Lingers), With<Ghost>>();
        let late = lingering.iter(&self.ecs).filter(|(_, Lingers(until))| *until <= tick);
        let waits = |entity: &Entity| self.border.lines.values().any(|line| line.waits_for(*entity));
        for entity in late.map(|(entity, _)| entity).filter(|entity| !waits(entity)).collect::<Vec<_>>() {
            self.drop_ghost(entity);
        }
    }

    fn net(&self, entity: Entity) -> Option<u16> {
        self.ecs.get::<Net>(entity).map(|net| net.0)
    }

    /// To which neighbours things can be passed.
    fn mark_open(&mut self) {
        let open = self.border.lines.values().filter(|line| line.is_open).filter_map(|line| line.ground);
        let open = OpenGround(open.collect());
        self.ecs.resource_mut::<OpenGround>().set_if_neq(open);
    }

    /// How many letters were too many: of a step's systems, and of those that waited for a neighbour.
    pub fn letters_dropped(&self) -> u64 {
        let waiting = self.border.lines.values().map(|line| line.dropped);
        self.ecs.resource::<Post>().dropped + waiting.sum::<u64>()
    }

    /// How many ghosts are shown, for a status page.
    pub fn ghosts(&mut self) -> usize {
        self.ecs.query_filtered::<(), With<Ghost>>().iter(&self.ecs).count()
    }

    /// How many of them are this neighbour's.
    pub fn ghosts_of(&mut self, peer: Peer) -> usize {
        self.ecs.query::<&Ghost>().iter(&self.ecs).filter(|ghost| ghost.peer == peer).count()
    }
}

/// Whether a place is beyond a rectangle by more than so much.
fn is_beyond(rect: Rect, (x, y): Point, by_m: f64) -> bool {
    let out = |v: f64, low: i32, high: i32| v < f64::from(low) - by_m || v > f64::from(high) + by_m;
    out(x, rect.x0, rect.x1) || out(y, rect.y0, rect.y1)
}
