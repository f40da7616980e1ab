//! The characters of one area as the loop keeps them: who is inside, under which epoch, with which client.
//! This file says how they come and go; [`super::handoff`] how they change their owner, [`super::inbox`]
//! what their clients say.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use pangea_engine::sim::Arrival;
use pangea_engine::walk::SPEED_M_S;
use pangea_engine::{Character, Enter, Leave, Peer, Sim, View};
use pangea_world::character::CharacterDoc;
use pangea_world::frames::{ServerMessage, Welcome, close};
use pangea_world::id::{AreaId, CharacterId, EnterId, TransferId};
use pangea_world::messages::{Body, CharacterAt, Crossing, Left};
use pangea_world::social::SocialDoc;
use pangea_world::space::Rect;
use pangea_world::{Code, GAME_PROTOCOL_VERSION, Refusal};

use super::client::Client;
use super::crossing::Borders;
use super::given_back::GivenBack;
use super::ledger::Ledger;
use super::mailbox::{Entrance, FromLoop, Gauges, Guest, Tell};
use super::migration::Moving;
use super::outgoing::Outgoing;
use super::peers::PeerSlot;
use super::save::Saving;
use super::standing::{RECORD_EVERY_MS, bounded, hash};
use super::talk::Talk;
use crate::config::GameIo;

/// How long one that only sees is kept without its client: where it is steered, it is not lost.
const ONLY_SEES_GRACE_MS: u64 = 2_000;

/// How long a client may take to give inputs again after a handoff that came to nothing, ms.
const GIVEN_AGAIN_MS: u64 = 2_000;

/// What the loop must know of its area.
#[derive(Debug, Clone)]
pub struct Settings {
    /// World, ground and layer as text.
    pub name: String,
    /// The area's epoch.
    pub epoch: u64,
    /// Steps per second.
    pub tick_hz: u32,
    /// How far a character sees, metres.
    pub view_m: u32,
    /// How long a character stays without its client, ms.
    pub grace_ms: u64,
    /// Whether players are asked before they follow.
    pub prompt: bool,
    /// Most bytes of changes for one client per tick.
    pub update_bytes: usize,
    /// Most messages per second from one client.
    pub messages_per_second: u32,
    /// Most lines that a character may say in each kind of channel in ten seconds.
    pub chat_lines_per_10s: u32,
    /// The area's id.
    pub area: AreaId,
    /// Its world.
    pub world: String,
    /// How it talks to the kernel.
    #[cfg_attr(feature = "simulation", allow(dead_code, reason = "epoll alone"))]
    pub io: GameIo,
    /// Where portals stand and lead.
    pub portals: Vec<pangea_world::world::Portal>,
    /// Its layer: a border leads to the same one.
    pub layer: u16,
    /// The grounds beyond its borders, metres.
    pub beyond: Vec<Rect>,
}

/// One character.
#[derive(Debug)]
pub struct Here {
    /// What central said of it.
    pub doc: CharacterDoc,
    /// Under which epoch it is, or will be, owned here.
    pub epoch: u64,
    /// The enter or transfer with which it came.
    pub enter: EnterId,
    /// Its id among the entities.
    pub entity: u16,
    /// Whether it is owned here and among the entities; else its client only sees.
    pub in_world: bool,
    /// Where a client that only sees has its eyes, metres.
    pub eyes: (f64, f64),
    /// Its client.
    pub client: Option<usize>,
    /// What that was told, or the one before: it may come back.
    pub view: View,
    /// When one without client leaves, or one that only sees and is not granted, ms of the clock.
    pub leaves_at_ms: Option<u64>,
    /// Set while central decides about this change of owner: nothing moves it.
    pub frozen: Option<TransferId>,
    /// Since when its inputs are not taken, ms of the clock: it is frozen, or the area goes to another server.
    pub held_ms: u64,
    /// Its first input that was not taken for that, and until when its client may take to give it again.
    pub missed: Option<(u32, Option<u64>)>,
    /// Whether that is a crossing, which the area itself began.
    pub crosses: bool,
    /// The others about whom central decides with it.
    pub together: Vec<CharacterId>,
    /// When central is told of that again, ms of the clock.
    pub commit_again_ms: u64,
    /// Leaves with this reason as soon as it is not frozen any more.
    pub kicked: Option<Refusal>,
    /// The place that central was told last, centimetres.
    pub told: Option<(i32, i32)>,
    /// What its last owner wrote of it, until it comes in; empty: it is new.
    pub record: Vec<u8>,
    /// Hash of the record that central was told last, and when that is looked at again, ms of the clock.
    pub recorded: (u64, u64),
    /// Its wish to go on: request, when it is forgotten (ms of the clock), whether its player is not asked.
    pub wish: Option<(u64, u64, bool)>,
    /// The portal in which it stands.
    pub portal: Option<usize>,
    /// Of one that is not owned here: it came near the border, and sees as long as its client is connected.
    pub beside: bool,
    /// The borders to which it is near.
    pub borders: Borders,
    /// Whom it is with.
    pub social: SocialDoc,
    /// The token of the client that came last, also of one that was refused: by this the gate knows it.
    resume: [u8; 16],
}

impl Here {
    /// As all see it.
    pub fn look(&self) -> Character {
        Character { name: self.doc.name.clone(), faction: self.doc.faction.clone().unwrap_or_default() }
    }
}

/// Central draws ids at random: eight of their bytes are hash enough.
#[derive(Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The area.
pub struct Area {
    /// What does not change, but for the grounds beyond.
    pub settings: Settings,
    /// The entities.
    pub sim: Sim,
    /// By id.
    pub here: HashMap<CharacterId, Here, BuildHasherDefault<IdHasher>>,
    /// By slot; a free slot is `None`.
    pub clients: Vec<Option<Client>>,
    /// Neighbours that have a line, or had one.
    pub peers: Vec<PeerSlot>,
    /// Slots of clients that came in since the loop looked: for epoll.
    pub new_slots: Vec<usize>,
    /// Whether the lease holds: else nothing is applied and nothing told.
    pub acts: bool,
    /// When this tick began, ms of the clock.
    pub now_ms: u64,
    /// When clients were read last, ms of the clock.
    pub read_ms: u64,
    /// Figures.
    pub gauges: Arc<Gauges>,
    /// The last request number.
    pub requests: u64,
    /// Goods, money, quest steps.
    pub ledger: Ledger,
    /// Checkpoints.
    pub saving: Saving,
    /// Whether it goes to another server, or comes from one.
    pub moving: Moving,
    /// Who hears and says what.
    pub talk: Talk,
    /// Who belongs together, as of the last step.
    pub groups: Vec<Vec<CharacterId>>,
    /// Whom this server let go; also who came with the area when its client was not here.
    pub given_back: GivenBack,
    /// What is told at the end of the tick.
    pub outgoing: Outgoing,
}

impl std::fmt::Debug for Area {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Area({}, {} here)", self.settings.name, self.here.len())
    }
}

impl Area {
    /// An area with nobody in it.
    pub fn new(
        settings: Settings,
        sim: Sim,
        gauges: Arc<Gauges>,
        tell: Tell,
        control: tokio::sync::mpsc::Sender<FromLoop>,
        ledger: Ledger,
    ) -> Self {
        Self {
            settings,
            sim,
            here: HashMap::default(),
            clients: Vec::new(),
            peers: Vec::new(),
            new_slots: Vec::new(),
            acts: true,
            now_ms: 0,
            read_ms: 0,
            gauges,
            requests: 0,
            ledger,
            saving: Saving::default(),
            moving: Moving::default(),
            talk: Talk::default(),
            groups: Vec::new(),
            given_back: GivenBack::default(),
            outgoing: Outgoing::new(tell, control),
        }
    }

    // ---- coming ----

    /// A client with a good ticket or token comes in; a client that was there before is closed.
    pub fn enter(&mut self, entrance: Entrance) {
        let Entrance { line, leftover, schema, known, guest } = entrance;
        let character = guest.doc.id;
        let mut client = Client::new(line, character, self.settings.messages_per_second);
        if let Err(refusal) = self.prepare(&guest) {
            match self.here.get_mut(&character) {
                Some(here) => here.resume = guest.resume,
                None => {
                    let Guest { epoch, resume, .. } = guest;
                    self.report(FromLoop::Gone { character, epoch, resume });
                }
            }
            self.gauges.refusals.count(refusal.code);
            client.close(self.now_ms, close::REFUSED, Some(refusal));
            self.keep(client);
            return;
        }
        let slot = self.keep(client);
        let Some(here) = self.here.get_mut(&character) else { return };
        let view = std::mem::take(&mut here.view);
        if let Some(known) = known {
            here.view = view.resume(known.tick, known.ids, self.sim.acked(here.entity));
        }
        if let Some(older) = here.client.replace(slot) {
            self.close(older, close::TAKEN_OVER, None);
        }
        self.talk.forget_client(character);
        self.welcome(character, schema);
        self.read_bytes(slot, &leftover);
    }

    /// Makes or renews the character's record.
    fn prepare(&mut self, guest: &Guest) -> Result<(), Refusal> {
        let id = guest.doc.id;
        let eyes = self.sim.free_place((guest.doc.place.x, guest.doc.place.y));
        self.on_announced_again(id, guest.epoch, guest.granted);
        if let Some(here) = self.here.get_mut(&id) {
            if guest.epoch < here.epoch {
                return Refusal::err(Code::StaleEpoch, "this character is here under a higher epoch");
            }
            (here.epoch, here.enter, here.resume) = (guest.epoch, guest.enter, guest.resume);
            here.beside = guest.beside;
            here.social = guest.social.clone();
            here.leaves_at_ms =
                (!here.in_world && !guest.beside).then(|| self.now_ms + guest.wait_ms.max(1_000));
            if here.in_world {
                here.doc.quests = guest.doc.quests.clone();
            } else {
                (here.doc, here.eyes) = (guest.doc.clone(), eyes);
            }
            if guest.granted {
                here.record = guest.record.clone();
            }
            let entity = here.entity;
            self.sim.set_epoch(entity, guest.epoch);
            if !guest.resumed {
                here.wish = None;
                self.sim.restart_inputs(entity);
                // It is another client, which does not see what the one before saw.
                self.shut_borders(id);
            }
        } else {
            if guest.resumed {
                return Refusal::err(Code::ResumeInvalid, "this connection cannot be resumed: enter again");
            }
            if guest.granted && self.given_back.holds(self.now_ms, id, guest.epoch) {
                return Refusal::err(Code::NotAnnounced, "this character has been let go here: enter again");
            }
            let Some(entity) = self.sim.reserve_for(id) else {
                return Refusal::err(Code::ServerFull, "this server is full");
            };
            let here = Here {
                doc: guest.doc.clone(),
                epoch: guest.epoch,
                enter: guest.enter,
                entity,
                in_world: false,
                eyes,
                client: None,
                view: View::default(),
                leaves_at_ms: (!guest.beside).then(|| self.now_ms + guest.wait_ms.max(1_000)),
                frozen: None,
                held_ms: 0,
                missed: None,
                crosses: false,
                together: Vec::new(),
                commit_again_ms: 0,
                kicked: None,
                told: None,
                record: guest.record.clone(),
                recorded: (0, 0),
                wish: None,
                portal: self.portal_at(eyes),
                beside: guest.beside,
                borders: Borders::default(),
                social: guest.social.clone(),
                resume: guest.resume,
            };
            self.here.insert(id, here);
        }
        if guest.granted {
            self.bring_in(id, Enter::Spawn, None);
        }
        self.join_party(id);
        self.join_talk(id);
        Ok(())
    }

    /// Puts an owned character among the entities, if it is not there: near its place, or exactly where it
    /// crossed a border.
    pub fn bring_in(&mut self, character: CharacterId, why: Enter, crossing: Option<Crossing>) {
        let Some(here) = self.here.get_mut(&character).filter(|here| !here.in_world) else { return };
        here.in_world = true;
        here.leaves_at_ms = None;
        if here.client.is_none() {
            here.leaves_at_ms = Some(self.now_ms + self.settings.grace_ms);
        }
        let look = here.look();
        let party = here.social.party.as_ref().map(|party| party.id);
        let member = here.social.faction.as_ref().map(|faction| faction.id);
        let (entity, epoch, enter) = (here.entity, here.epoch, here.enter);
        let record = std::mem::take(&mut here.record);
        let brought = (!record.is_empty()).then_some(record.as_slice());
        let at = crossing.map_or(here.eyes, |to| (to.x, to.y));
        here.beside = false;
        let acked = crossing.map_or(0, |to| to.acked);
        let arrival =
            Arrival { who: character, look, at, exactly: crossing.is_some(), why, record: brought, acked };
        let read = self.sim.arrive(entity, arrival);
        self.sim.set_epoch(entity, epoch);
        self.sim.set_party(entity, party);
        self.sim.set_faction(entity, member);
        let begins_as = self.sim.record(entity).as_deref().map_or(0, hash);
        here.recorded = (begins_as, self.now_ms + RECORD_EVERY_MS);
        if read.is_err() {
            let bytes = record.len();
            tracing::error!(%character, epoch, bytes, "a character's record cannot be read: it is as a new one");
            // Before anything is written over it.
            let (character, transfer) = (character.to_vec(), enter.to_vec());
            self.tell(Body::Damaged(CharacterAt { character, epoch, transfer }));
        }
        self.make_up(entity, crossing.map_or(0, |to| u64::from(to.unread_ms)));
        self.join_talk(character);
    }

    /// No input of this character was taken for so long, ms: those that came meanwhile are taken at once.
    pub fn make_up(&mut self, entity: u16, unread_ms: u64) {
        let pace = self.gauges.pace_percent() as f32 / 100.0;
        let ticks = unread_ms as f32 / 1e3 * self.settings.tick_hz as f32 * pace;
        self.sim.make_up(entity, ticks);
    }

    /// `known`: hash of the schema that the client has.
    fn welcome(&mut self, character: CharacterId, known: u64) {
        let Some(here) = self.here.get(&character) else { return };
        let Rect { x0, y0, x1, y1 } = self.sim.extent();
        let welcome = Welcome {
            version: GAME_PROTOCOL_VERSION,
            tick_hz: self.settings.tick_hz as u8,
            tick: self.sim.tick() + 1,
            me: here.entity,
            epoch: here.epoch,
            resume: here.resume,
            steering: here.in_world && here.frozen.is_none(),
            area: self.settings.name.clone(),
            x0,
            y0,
            x1,
            y1,
            view_m: self.settings.view_m as u16,
            speed_cm_s: (SPEED_M_S * 100.0) as u16,
            acked: self.sim.acked(here.entity),
            schema: self.sim.schema().1,
        };
        let client = here.client;
        self.say(client, &ServerMessage::Welcome(Box::new(welcome)));
        let (text, hash) = self.sim.schema();
        if hash != known {
            let schema = ServerMessage::Schema { hash, text: text.to_owned() };
            self.say(client, &schema);
        }
        self.tell_claim(client);
        let pace = self.gauges.pace_percent();
        if pace < 100 {
            self.say(client, &ServerMessage::Pace { percent: pace as u8 });
        }
    }

    // ---- going ----

    /// The client's connection is gone; the character stays for its grace time.
    pub fn lost(&mut self, slot: usize) {
        let Some(client) = self.clients.get_mut(slot).and_then(Option::take) else { return };
        self.unbind(slot, client.character);
    }

    /// Closes a client with a code and perhaps a reason. Its character, if it is still its, loses it.
    pub fn close(&mut self, slot: usize, code: u16, reason: Option<Refusal>) {
        let Some(Some(client)) = self.clients.get_mut(slot) else { return };
        let character = client.character;
        if let Some(fault) = fault_of(code, reason.as_ref()) {
            self.gauges.refusals.count(fault);
            tracing::debug!(area = self.settings.name, %character, code = %fault, "a client is closed");
        }
        client.close(self.now_ms, code, reason);
        self.unbind(slot, character);
    }

    fn unbind(&mut self, slot: usize, character: CharacterId) {
        let Some(here) = self.here.get_mut(&character).filter(|here| here.client == Some(slot)) else {
            return;
        };
        here.client = None;
        self.talk.forget_client(character);
        let grace_ms = match (here.in_world, here.beside) {
            (true, _) => self.settings.grace_ms,
            (false, false) => ONLY_SEES_GRACE_MS,
            // Its border is shut at once: who crossed it now would have nobody to be shown to.
            (false, true) => 0,
        };
        here.leaves_at_ms = Some(self.now_ms + grace_ms);
        self.report(FromLoop::Lost(character));
    }

    /// The character leaves the area; its place is told to central. A frozen one, or one of an area that stands
    /// still, leaves when central has decided about it.
    pub fn leave(&mut self, character: CharacterId, code: u16, reason: Option<Refusal>) {
        let still = matches!(self.moving, Moving::Frozen { .. }) && code != close::STOPPING;
        let Some(here) = self.here.get_mut(&character) else { return };
        if here.frozen.is_some() || still && here.in_world {
            here.kicked = Some(reason.unwrap_or_else(|| Refusal::new(Code::SessionEnded, "you have left")));
            return;
        }
        let (epoch, in_world, enter, entity) = (here.epoch, here.in_world, here.enter, here.entity);
        tracing::debug!(area = self.settings.name, %character, epoch, in_world, code, "leaves");
        let beside = here.beside;
        let (x, y) = self.sim.place(entity).unwrap_or(here.eyes);
        let record = self.sim.remove(entity, why(code));
        // What was done before it leaves counts, and what its leave did.
        self.ask_ledger();
        let character_id = character.to_vec();
        // Before the control task knows: what it says of this character from then on comes after.
        if in_world {
            // Whoever comes by a ticket for this epoch comes too late.
            self.given_back.insert(self.now_ms, character, epoch);
        }
        self.tell(if in_world {
            let record = bounded(character, record);
            Body::Left(Left { character: character_id, epoch, x, y, record })
        } else {
            let at = CharacterAt { character: character_id, epoch, transfer: enter.to_vec() };
            if beside { Body::SeesNoMore(at) } else { Body::NoShow(at) }
        });
        self.forget(character, code, reason);
    }

    /// The character is not here any more; central knows.
    pub fn drop_character(&mut self, character: CharacterId, code: u16, reason: Option<Refusal>) {
        if let Some(here) = self.here.get(&character) {
            self.sim.remove(here.entity, why(code));
            self.forget(character, code, reason);
        }
    }

    /// The character is another's now; a neighbour's that shows what it has stays to be seen.
    pub fn hand_on(&mut self, character: CharacterId, to: Option<Peer>) {
        let Some(here) = self.here.get(&character) else { return };
        let seen = to.and_then(|peer| self.sim.hand_over(here.entity, peer));
        if seen.is_none() {
            self.sim.remove(here.entity, Leave::Handoff);
        }
        self.forget(character, close::MOVED, None);
    }

    /// The character is here anew, as one that comes from elsewhere: what is left of the time before is dropped.
    pub fn drop_older(&mut self, character: CharacterId) {
        if let Some(here) = self.here.get(&character) {
            self.sim.remove(here.entity, Leave::Handoff);
            self.clear(character, close::MOVED, None);
        }
    }

    /// It is not among the entities any more.
    fn forget(&mut self, character: CharacterId, code: u16, reason: Option<Refusal>) {
        let Some(here) = self.here.get(&character) else { return };
        let (epoch, resume) = (here.epoch, here.resume);
        self.report(FromLoop::Gone { character, epoch, resume });
        self.clear(character, code, reason);
    }

    fn clear(&mut self, character: CharacterId, code: u16, reason: Option<Refusal>) {
        let Some(here) = self.here.remove(&character) else { return };
        self.talk.leave(character);
        if let Some(slot) = here.client
            && let Some(Some(client)) = self.clients.get_mut(slot)
        {
            client.part(self.now_ms, code, reason);
            self.outgoing.parting.push(slot);
        }
        self.ledger.forget(self.sim.ledger(), character, here.epoch);
    }

    /// Those whose grace time is over leave; wishes that nobody answered are forgotten.
    pub fn let_time_pass(&mut self) {
        let now_ms = self.now_ms;
        let mut leaving = Vec::new();
        for (character, here) in &mut self.here {
            here.wish = here.wish.filter(|(_, until, _)| *until > now_ms);
            let waits = here.client.is_some() && here.in_world;
            let over = !waits && here.leaves_at_ms.is_some_and(|at| at <= now_ms);
            if here.frozen.is_none() && (over || here.kicked.is_some()) {
                // One that came for a move which nobody decides any more (central was restarted) stays where it is.
                let undecided = over && here.client.is_some();
                let late =
                    undecided.then(|| Refusal::new(Code::EnterExpired, "the move was not decided in time"));
                let code = if undecided { close::REFUSED } else { close::SESSION_ENDED };
                leaving.push((*character, code, here.kicked.take().or(late)));
            }
        }
        for (character, code, reason) in leaving {
            self.leave(character, code, reason);
        }
        for slot in 0..self.clients.len() {
            if self.clients[slot].as_ref().is_some_and(|client| client.is_over(now_ms)) {
                self.lost(slot);
            }
        }
    }

    /// Queues a message for a client, if there is one.
    pub fn say(&mut self, slot: Option<usize>, message: &ServerMessage) {
        if let Some(Some(client)) = slot.and_then(|slot| self.clients.get_mut(slot)) {
            client.say(message);
        }
    }

    /// Which portal is at this place.
    pub fn portal_at(&self, at: (f64, f64)) -> Option<usize> {
        self.settings.portals.iter().position(|portal| portal.rect.contains(at.0, at.1))
    }

    fn keep(&mut self, client: Client) -> usize {
        let slot = self.clients.iter().position(Option::is_none).unwrap_or(self.clients.len());
        if slot == self.clients.len() {
            self.clients.push(None);
        }
        self.clients[slot] = Some(client);
        self.new_slots.push(slot);
        slot
    }
}

impl Here {
    /// Whether this input is not taken: nothing moves the character now, or this one has to wait (`waits`), or it comes
    /// after one that was not taken for that, and will come again with that.
    pub fn misses(&mut self, seq: u32, waits: bool, now_ms: u64) -> bool {
        if self.frozen.is_some() || waits {
            if self.frozen.is_none() && self.missed.is_none() {
                self.held_ms = now_ms;
            }
            let first = self.missed.map_or(seq, |(first, _)| first.min(seq));
            self.missed = Some((first, None));
            return true;
        }
        if let Some((first, until_ms)) = &mut self.missed
            && seq > *first
            && now_ms < *until_ms.get_or_insert(now_ms + GIVEN_AGAIN_MS)
        {
            return true;
        }
        self.missed = None;
        false
    }
}

/// What a client did that is closed with this code and reason, if it did anything.
fn fault_of(code: u16, reason: Option<&Refusal>) -> Option<Code> {
    match code {
        close::TOO_SLOW => Some(Code::TooSlow),
        close::PROTOCOL => Some(reason.map_or(Code::Protocol, |refusal| refusal.code)),
        _ => None,
    }
}

fn why(code: u16) -> Leave {
    match code {
        close::MOVED => Leave::Handoff,
        close::STOPPING => Leave::Stop,
        _ => Leave::Quit,
    }
}

#[cfg(test)]
impl Here {
    /// One that is among the entities, without a client.
    pub fn inside(doc: CharacterDoc, epoch: u64) -> Self {
        Self {
            doc,
            epoch,
            enter: EnterId::default(),
            entity: 0,
            in_world: true,
            eyes: (0.0, 0.0),
            client: None,
            view: View::default(),
            leaves_at_ms: None,
            frozen: None,
            held_ms: 0,
            missed: None,
            crosses: false,
            together: Vec::new(),
            commit_again_ms: 0,
            kicked: None,
            told: None,
            record: Vec::new(),
            recorded: (0, 0),
            wish: None,
            portal: None,
            beside: false,
            borders: Borders::default(),
            social: SocialDoc::default(),
            resume: [0; 16],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::admission::tests::doc;
    use super::super::ledger::tests::{HERO, area_of};
    use super::super::tests::flat;
    use super::*;

    /// He is kicked, and his client comes with a newer ticket that central gave out before it knew.
    #[test]
    fn who_was_let_go_is_not_let_in_under_that_epoch() {
        let mut area = area_of(&flat(), Arc::new(|_| Ok(())));
        area.here.remove(&HERO);
        let comes = |area: &mut Area, epoch| {
            let guest = Guest {
                doc: CharacterDoc { id: HERO, ..doc(1) },
                enter: EnterId([8; 16]),
                epoch,
                granted: true,
                resume: [1; 16],
                resumed: false,
                wait_ms: 1_000,
                beside: false,
                record: Vec::new(),
                social: SocialDoc::default(),
            };
            area.prepare(&guest).map_err(|refusal| refusal.code)
        };
        assert_eq!(comes(&mut area, 3), Ok(()));
        area.leave(HERO, close::SESSION_ENDED, None);
        assert_eq!(comes(&mut area, 3), Err(Code::NotAnnounced));
        assert_eq!(comes(&mut area, 4), Ok(()), "granted anew");
    }

    #[test]
    fn inputs_that_were_not_taken_while_it_was_frozen_come_again_first() {
        let (mut here, none) = (Here::inside(doc(1), 3), [0_u32; 0]);
        let taken = |here: &mut Here, seqs: &[u32], now_ms: u64| {
            seqs.iter().copied().filter(|seq| !here.misses(*seq, false, now_ms)).collect::<Vec<_>>()
        };
        assert_eq!(taken(&mut here, &[45], 0), [45]);
        here.frozen = Some(TransferId([9; 16]));
        assert_eq!(taken(&mut here, &[46, 47], 10), none);
        here.frozen = None;
        assert_eq!(taken(&mut here, &[48, 49], 20), none, "they were on their way, and come once more");
        assert_eq!(taken(&mut here, &[46, 47, 48, 49, 50], 30), [46, 47, 48, 49, 50]);
        // Of one who gives nothing again everything else counts after a while.
        here.frozen = Some(TransferId([8; 16]));
        assert_eq!(taken(&mut here, &[51], 40), none);
        here.frozen = None;
        assert_eq!(taken(&mut here, &[52], 50), none);
        assert_eq!(taken(&mut here, &[53], 49 + GIVEN_AGAIN_MS), none);
        assert_eq!(taken(&mut here, &[54, 55], 50 + GIVEN_AGAIN_MS), [54, 55]);
        // One alone has to wait: so does what comes after it.
        assert!(here.misses(56, true, 9_000));
        assert_eq!(taken(&mut here, &[57], 9_000), none);
        assert_eq!((taken(&mut here, &[56, 57], 9_100), here.held_ms), (vec![56, 57], 9_000));
    }
}
