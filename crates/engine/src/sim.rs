//! One area as a game runs it: its entities, their inputs, and the step.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use bevy_ecs::prelude::*;
use bevy_ecs::system::BoxedSystem;
use pangea_engine_derive::Replicate;
use pangea_world::id::{CharacterId, PartyId};
use pangea_world::space::{Ground, Rect};
use pangea_world::world as world_of;
use pangea_world::{Code, Refusal};

use crate::border::{Border, Ghost, GhostOf, Gid, Gids, PassHook};
use crate::claim::MemberOf;
use crate::field::Malformed;
use crate::interest::{Grid, Seen};
use crate::ledger::Ledger;
use crate::outbox::{Event, Outbox};
use crate::pack::Copies;
use crate::registry::{Builder, CHARACTER, Enter, EnterHook, Kind, Leave, LeaveHook, Registry};
use crate::rng::Dice;
use crate::save::KeptOnes;
use crate::shadow::Shadows;
use crate::walk::{Point, is_free, nearest_free};
use crate::{Game, Refusals, Terrain, border};

/// Most entities of an area that clients can see.
pub const MOST_ENTITIES: usize = u16::MAX as usize;

/// By how much an input's number may be ahead of the last one that came. A client counts on while its connection is
/// away or its character is frozen: at 200 a second through the longest grace time, an hour, that is 720,000. Without
/// a bound one number too large would make its client mute: all that it gives afterwards is from the past.
pub const MOST_AHEAD: u32 = 1 << 20;

/// Where an entity stands, metres. Clients are told to the centimetre, as cheaply as can be. They see what has
/// a [`Kind`] and a `Position`; without one of them it is the game's own matter.
#[derive(Component, Replicate, Debug, Clone, Copy, PartialEq, Default)]
pub struct Position {
    /// East.
    #[replicate(server)]
    pub x: f64,
    /// South.
    #[replicate(server)]
    pub y: f64,
}

impl Position {
    /// As a point.
    pub fn point(self) -> Point {
        (self.x, self.y)
    }
}

/// Who a character is.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Character {
    /// Its name.
    pub name: String,
    /// Its faction's id, or empty.
    pub faction: String,
}

/// Which of central's characters an entity is.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub struct CharacterIs(pub CharacterId);

/// The party of a character, as central knows it; the game is told, and does not change it.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Party(pub PartyId);

/// Under which epoch a character is owned here, as its server says: what an area must name that does something to
/// it in the ledger from beyond the border.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Epoch(pub u64);

/// An entity's number on the wire, valid while it is in this area: for inputs and events that name an entity,
/// not for components, which travel on to areas where the number means another one.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Net(pub u16);

/// The area's own time: however late the process is, a step is `dt_s` long.
#[derive(Resource, Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    /// The number of this step.
    pub tick: u64,
    /// Steps per second of the area's time.
    pub hz: u32,
}

impl Clock {
    /// Length of a step, seconds.
    pub fn dt_s(&self) -> f64 {
        1.0 / f64::from(self.hz)
    }
}

/// The area, metres.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent(pub Rect);

/// What an area is made of.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Its world.
    pub world: &'a world_of::World,
    /// Its ground.
    pub ground: &'a Ground,
    /// The same in metres.
    pub extent: Rect,
    /// Steps per second.
    pub tick_hz: u32,
    /// How far a character sees, metres.
    pub view_m: u32,
    /// The number of the last step.
    pub tick: u64,
}

/// What systems have spawned and nobody has told of yet.
type Newcomers = QueryState<(Entity, &'static Kind), (With<Position>, Without<Net>)>;

/// A character that comes in.
#[derive(Debug, Clone)]
pub struct Arrival<'a> {
    /// Which of central's characters.
    pub who: CharacterId,
    /// Its name and faction.
    pub look: Character,
    /// Where, metres.
    pub at: Point,
    /// Exactly there, if one can stand there; else on the nearest free place anyway.
    pub exactly: bool,
    /// Why it comes.
    pub why: Enter,
    /// What it brings, as [`Sim::record`] made it; `None`: it is new.
    pub record: Option<&'a [u8]>,
    /// The highest of its inputs that were taken before, 0 for a new connection.
    pub acked: u32,
}

/// One area.
pub struct Sim {
    pub(crate) ecs: World,
    pub(crate) registry: Registry,
    systems: Vec<BoxedSystem>,
    on_enter: Vec<EnterHook>,
    on_leave: Vec<LeaveHook>,
    pub(crate) on_pass: Vec<PassHook>,
    pub(crate) border: Border,
    pub(crate) schema: (String, u64),
    pub(crate) view_m: u32,
    pub(crate) shadows: Shadows,
    pub(crate) grid: Grid,
    seqs: Vec<Seq>,
    free: VecDeque<u16>,
    /// Removed since the last step: no client may take a new entity for the old one.
    resting: Vec<u16>,
    places: QueryState<(&'static Net, &'static Position), Allow<Ghost>>,
    newcomers: Newcomers,
    pub(crate) kept: KeptOnes,
    seen: Vec<Seen>,
    pub(crate) gathering: crate::update::Scratch,
    /// The ticks that were told: the one before the last, and the last.
    pub(crate) shown: (Option<u64>, Option<u64>),
    /// What stands here of an area that is elsewhere still.
    pub(crate) copies: Copies,
}

/// Numbers of a character's inputs, by entity id.
#[derive(Debug, Clone, Copy, Default)]
struct Seq {
    /// Highest seen.
    seen: u32,
    /// Highest taken.
    acked: u32,
    /// Whether it is a character's id: then its server alone gives it back.
    of_character: bool,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sim(tick {}, {} ids)", self.tick(), self.shadows.hot.len())
    }
}

impl Sim {
    /// An area with nobody in it, as the game builds it.
    pub fn new(game: &Game, setup: &Setup<'_>) -> Self {
        let mut ecs = World::new();
        border::prepare(&mut ecs);
        ecs.insert_resource(Clock { tick: setup.tick, hz: setup.tick_hz.max(1) });
        ecs.insert_resource(Extent(setup.extent));
        ecs.insert_resource(Terrain::new((game.land)(setup.world, setup.ground)));
        ecs.insert_resource(Ledger::default());
        ecs.insert_resource(Refusals::default());
        ecs.insert_resource(crate::claim::Claim::default());
        ecs.insert_resource(Dice::of_area(setup.world.seed, setup.ground, setup.tick));
        let mut builder = Builder::new(ecs);
        builder.component::<Position>().component::<Character>();
        (game.build)(&mut builder, setup);
        builder.component::<MemberOf>().component::<GhostOf>();
        let Builder { mut ecs, registry, systems, on_enter, on_leave, on_pass } = builder;
        let numbers = registry.event_numbers.clone();
        ecs.insert_resource(Outbox::new(numbers));
        Self {
            schema: registry.schema(),
            places: ecs.query_filtered(),
            newcomers: ecs.query_filtered(),
            kept: ecs.query_filtered(),
            ecs,
            registry,
            systems,
            on_enter,
            on_leave,
            on_pass,
            border: Border::default(),
            view_m: setup.view_m,
            shadows: Shadows::default(),
            grid: Grid::new(setup.extent, setup.view_m),
            seqs: Vec::new(),
            free: VecDeque::new(),
            resting: Vec::new(),
            seen: Vec::new(),
            gathering: crate::update::Scratch::default(),
            shown: (None, None),
            copies: Copies::new(),
        }
    }

    /// What a client must know to read updates and to write inputs, as JSON, and its hash.
    pub fn schema(&self) -> (&str, u64) {
        (&self.schema.0, self.schema.1)
    }

    /// The number of the last step.
    pub fn tick(&self) -> u64 {
        self.ecs.resource::<Clock>().tick
    }

    /// The area in metres.
    pub fn extent(&self) -> Rect {
        self.ecs.resource::<Extent>().0
    }

    /// The land, for its tiles.
    pub fn terrain(&mut self) -> &mut Terrain {
        self.ecs.resource_mut::<Terrain>().into_inner()
    }

    /// What is asked of the ledger, and what is known of it.
    pub fn ledger(&mut self) -> &mut Ledger {
        self.ecs.resource_mut::<Ledger>().into_inner()
    }

    /// Entities and resources, for what is not a step: tests, commands of an operator.
    pub fn ecs(&mut self) -> &mut World {
        &mut self.ecs
    }

    /// The nearest place to this one where a character can stand.
    pub fn free_place(&mut self, at: Point) -> Point {
        let extent = self.extent();
        nearest_free(self.terrain(), extent, at)
    }

    // ---- entities ----

    /// Takes an id for an entity that is to come, or `None` if all 65,535 are taken.
    pub fn reserve(&mut self) -> Option<u16> {
        if let Some(id) = self.free.pop_front() {
            return Some(id);
        }
        let id = u16::try_from(self.shadows.hot.len()).ok().filter(|id| *id < u16::MAX)?;
        self.shadows.grow();
        self.seqs.push(Seq::default());
        Some(id)
    }

    /// Puts a character on the nearest free place under a reserved id, as it was when it left another area
    /// (`record`, see [`Sim::record`]) or new. Clients are told after the next step.
    ///
    /// # Errors
    /// If the record is malformed; it is a new character then.
    pub fn spawn(
        &mut self,
        id: u16,
        who: CharacterId,
        character: Character,
        at: Point,
        why: Enter,
        record: Option<&[u8]>,
    ) -> Result<(), Malformed> {
        let arrival = Arrival { who, look: character, at, exactly: false, why, record, acked: 0 };
        self.arrive(id, arrival)
    }

    /// Brings a character in under a reserved id. If its ghost is seen here it takes the ghost's place: for
    /// clients nothing comes and nothing goes, if the id is the ghost's ([`Sim::reserve_for`]).
    ///
    /// # Errors
    /// If the record is malformed; it is a new character then.
    pub fn arrive(&mut self, id: u16, arrival: Arrival<'_>) -> Result<(), Malformed> {
        let Arrival { who, look, at, exactly, why, record, acked } = arrival;
        let gid = Gid(who.0);
        let ghost = self.ecs.resource::<Gids>().find(gid);
        if let Some(ghost) = ghost.filter(|ghost| self.entity(id) != Some(*ghost)) {
            self.drop_ghost(ghost);
        }
        let place = self.entity(id);
        let is_its_ghost = |entity| self.ecs.get::<Ghost>(entity).is_some() && ghost == Some(entity);
        assert!(place.is_none_or(is_its_ghost), "entity {id} is there already");
        let stands = exactly && self.extent().contains(at.0, at.1) && is_free(self.terrain(), at);
        let (x, y) = if stands { at } else { self.free_place(at) };
        let mut entity = match place {
            Some(place) => self.ecs.entity_mut(place),
            None => self.ecs.spawn(()),
        };
        entity.clear();
        let mut read = Ok(());
        if let Some(mut record) = record {
            read = self.registry.take_entity(&mut entity, &mut record).map(drop);
            if read.is_ok() && !record.is_empty() {
                read = Err(Malformed);
            }
        }
        if read.is_err() {
            entity.clear();
        }
        entity.insert((Net(id), CHARACTER, CharacterIs(who), gid, look, Position { x, y }));
        for input in &self.registry.inputs {
            input.attach(&mut entity);
        }
        let entity = entity.id();
        self.seqs[usize::from(id)] = Seq { seen: acked, acked, of_character: true };
        self.border.seat(who, id);
        if place.is_none() {
            let born = self.tick() + 1;
            self.shadows.appear(id, entity, CHARACTER, born);
        }
        self.ledger().came(who);
        for hook in &mut self.on_enter {
            hook(&mut self.ecs, entity, why);
        }
        read
    }

    /// Takes a character out, or gives a reserved id back; the id rests until the next step is over. What is
    /// returned is its record, as the hooks left it. A ghost under this id stays.
    pub fn remove(&mut self, id: u16, why: Leave) -> Option<Vec<u8>> {
        self.border.unseat(id);
        self.let_go(id);
        let Some(entity) = self.entity(id) else {
            self.resting.push(id);
            return None;
        };
        if self.ecs.get::<Ghost>(entity).is_some() {
            return None;
        }
        self.leave(entity, why);
        let record = self.record(id);
        self.ecs.despawn(entity);
        self.shadows.vanish(id);
        self.resting.push(id);
        record
    }

    pub(crate) fn leave(&mut self, entity: Entity, why: Leave) {
        for hook in &mut self.on_leave {
            hook(&mut self.ecs, entity, why);
        }
    }

    /// The server alone gives this id back.
    pub(crate) fn hold(&mut self, id: u16) {
        self.seqs[usize::from(id)].of_character = true;
    }

    /// It is given back with what is there.
    pub(crate) fn let_go(&mut self, id: u16) {
        self.seqs[usize::from(id)] = Seq::default();
    }

    /// Nothing is there any more: it rests, unless it is held.
    pub(crate) fn rest(&mut self, id: u16) {
        if !self.seqs[usize::from(id)].of_character {
            self.resting.push(id);
        }
    }

    /// An entity as bytes, with everything that travels; of a character all but its place and who it is. See
    /// [`crate::codec`].
    pub fn record(&self, id: u16) -> Option<Vec<u8>> {
        let mut record = Vec::new();
        self.registry.put_entity(&self.ecs, self.entity(id)?, &mut record).then_some(record)
    }

    /// A character is owned here under this epoch from now on.
    pub fn set_epoch(&mut self, id: u16, epoch: u64) {
        if let Some(entity) = self.entity(id) {
            self.ecs.entity_mut(entity).insert(Epoch(epoch));
        }
    }

    /// The party of a character from now on.
    pub fn set_party(&mut self, id: u16, party: Option<PartyId>) {
        let Some(entity) = self.entity(id) else { return };
        let known = self.ecs.get::<Party>(entity).map(|party| party.0);
        match party {
            Some(party) if known != Some(party) => drop(self.ecs.entity_mut(entity).insert(Party(party))),
            None if known.is_some() => drop(self.ecs.entity_mut(entity).remove::<Party>()),
            _ => {}
        }
    }

    /// Sets an entity down on the nearest free place.
    pub fn set_down(&mut self, id: u16, at: Point) {
        let to = self.free_place(at);
        let Some(entity) = self.entity(id) else { return };
        if let Some(mut position) = self.ecs.get_mut::<Position>(entity) {
            (position.x, position.y) = to;
        }
    }

    /// Where an entity stands, metres.
    pub fn place(&self, id: u16) -> Option<Point> {
        Some(self.ecs.get::<Position>(self.entity(id)?)?.point())
    }

    /// Where clients are told that an entity stands, centimetres, if it had a place in the last step.
    pub fn seen_at(&self, id: u16) -> Option<(i32, i32)> {
        self.shadows.stirs.seen_at(usize::from(id), self.tick())
    }

    /// The entity with this id.
    pub fn entity(&self, id: u16) -> Option<Entity> {
        Some(self.shadows.cold.get(usize::from(id))?.as_ref()?.entity)
    }

    // ---- inputs ----

    /// The highest input number that was taken, 0 before the first.
    pub fn acked(&self, id: u16) -> u32 {
        self.seqs.get(usize::from(id)).map_or(0, |seq| seq.acked)
    }

    /// The highest input number that came.
    pub(crate) fn seen(&self, id: u16) -> u32 {
        self.seqs.get(usize::from(id)).map_or(0, |seq| seq.seen)
    }

    /// A new connection counts its inputs from 1 again.
    pub fn restart_inputs(&mut self, id: u16) {
        let seqs = &mut self.seqs[usize::from(id)];
        *seqs = Seq { of_character: seqs.of_character, ..Seq::default() };
    }

    /// Queues an input for the next step. A number that is not higher than the last one is dropped: after a change of
    /// server clients give again what may not have been taken.
    ///
    /// # Errors
    /// What the input's own check says, `too_fast` for more than are allowed, `protocol` for what cannot be
    /// read, `bad_input` for a number more than [`MOST_AHEAD`] after the last one, which then does not count as
    /// seen; the input is dropped.
    pub fn input(&mut self, id: u16, seq: u32, kind: u8, payload: &[u8]) -> Result<(), Refusal> {
        let Some(entity) = self.entity(id) else { return Ok(()) };
        let seqs = &mut self.seqs[usize::from(id)];
        if seq <= seqs.seen {
            return Ok(());
        }
        if seq - seqs.seen > MOST_AHEAD {
            return Refusal::err(Code::BadInput, "an input of a time to come");
        }
        seqs.seen = seq;
        self.registry.take_input(&mut self.ecs, entity, kind, payload)?;
        self.seqs[usize::from(id)].acked = seq;
        Ok(())
    }

    /// Whether inputs of this kind only move their character ([`Input::STEERS`](crate::Input::STEERS)).
    pub fn steers(&self, kind: u8) -> bool {
        self.registry.inputs.get(usize::from(kind)).is_some_and(|input| input.steers())
    }

    /// For so many ticks no input of this character was taken, though its client may have given them: they are
    /// allowed at once, at most [`MOST_UNREAD`](crate::input::MOST_UNREAD).
    pub fn make_up(&mut self, id: u16, ticks: f32) {
        let Some(entity) = self.entity(id) else { return };
        for input in &self.registry.inputs {
            input.make_up(&mut self.ecs, entity, ticks);
        }
    }

    // ---- the step ----

    /// One step; `refill` is how many inputs each character gains for it, about 1.
    pub fn step(&mut self, refill: f32) {
        self.ecs.resource_mut::<Clock>().tick += 1;
        let tick = self.tick();
        self.terrain().now = tick;
        self.ledger().turn();
        for system in &mut self.systems {
            // A system that fails to run is one whose declared resource is missing: a mistake of the game.
            if let Err(error) = system.run((), &mut self.ecs) {
                panic!("a system could not run: {error}");
            }
        }
        for input in &mut self.registry.inputs {
            input.refill(&mut self.ecs, refill);
        }
        self.send_letters();
        self.show(tick);
    }

    /// Everything as it stands is ready to be told, as of this tick.
    pub(crate) fn show(&mut self, tick: u64) {
        self.shown = (self.shown.1, Some(tick));
        self.free.extend(self.resting.drain(..));
        self.drop_late_ghosts(tick);
        self.take_in(tick);
        self.take_out();
        self.look(tick);
        for part in &mut self.registry.parts {
            part.collect(&self.ecs, &mut self.shadows);
        }
        self.shadows.write(tick);
        self.ecs.clear_trackers();
    }

    /// Events of the last step, in their order.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.ecs.resource_mut::<Outbox>().take()
    }

    /// What the game's rules have refused since this was asked last, by code.
    pub fn take_refusals(&mut self) -> BTreeMap<&'static str, u64> {
        self.ecs.resource_mut::<Refusals>().bypass_change_detection().take()
    }

    /// What systems spawned gets its id; beyond 65,535 entities it stays unseen until there is room.
    fn take_in(&mut self, tick: u64) {
        let newcomers: Vec<(Entity, Kind)> =
            self.newcomers.iter(&self.ecs).map(|(entity, kind)| (entity, *kind)).collect();
        for (entity, kind) in newcomers {
            let Some(id) = self.reserve() else { return };
            self.ecs.entity_mut(entity).insert(Net(id));
            self.shadows.appear(id, entity, kind, tick);
        }
    }

    /// What systems despawned, or took the place of, is not seen any more and gives its id back. A character
    /// keeps its id until its server takes it out: no other entity may stand behind it meanwhile.
    fn take_out(&mut self) {
        for id in 0..self.shadows.cold.len() {
            let Some(shadow) = &self.shadows.cold[id] else { continue };
            let of_character = self.seqs[id].of_character;
            match self.ecs.get_entity_mut(shadow.entity) {
                Ok(entity) if of_character || entity.contains::<Position>() => continue,
                Ok(mut entity) => {
                    entity.remove::<Net>();
                }
                Err(_) => {}
            }
            self.shadows.vanish(id as u16);
            self.rest(id as u16);
        }
    }

    /// Where everything stands now.
    fn look(&mut self, tick: u64) {
        self.seen.clear();
        self.shadows.begin(tick);
        for (net, position) in self.places.iter(&self.ecs) {
            let at = centimetres(position.point());
            self.shadows.stirs.place(usize::from(net.0), at, tick);
            self.seen.push(Seen { id: net.0, x: at.0, y: at.1 });
        }
        self.grid.fill(&self.seen);
    }
}

/// Metres to whole centimetres.
pub fn centimetres((x, y): Point) -> (i32, i32) {
    ((x * 100.0).round() as i32, (y * 100.0).round() as i32)
}
