//! What central remembers of the moment: spawners, servers, areas, seats, who stands in line.
//!
//! Nothing here must survive: it is told anew by the roles when their links come back, or follows from the
//! store. One lock guards it all and is never held across an await.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pangea_world::balance::Balance;
use pangea_world::id::{AccountId, AreaId, CharacterId, EnterId, FactionId, ServerId, SessionId};
use pangea_world::layout::ground_among;
use pangea_world::messages::{
    Allocated, Body, CharacterAt, Heartbeat, RefusalMessage, SaidLines, ServerInfo, ShowOut, Upgraded,
    WebTransport,
};
use pangea_world::placement::LayerState;
use pangea_world::space::{AreaName, Ground, Place, Rect};
use pangea_world::world::World;
use pangea_world::{Code, Refusal, role_key::RoleKey};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use super::closing::Closing;
use super::gather::Call;
use super::migration::Move;
use super::orders::Orders;
use super::wish::Progress;
use crate::link;

/// Most characters of which it is remembered where they were found.
const MOST_FOUND: usize = 65_536;

/// The path of the game socket of our own servers.
pub const OWN_PATH: &str = "/play";

/// All of it.
#[derive(Default)]
pub struct State {
    pub spawners: HashMap<String, Spawner>,
    pub chats: HashMap<String, Chat>,
    pub areas: HashMap<AreaId, Area>,
    pub names: HashMap<AreaName, AreaId>,
    /// The grounds of each world that are cut otherwise than its file says, cells.
    pub cuts: HashMap<String, Vec<Rect>>,
    /// When areas of each world are split, and become one.
    pub balances: HashMap<String, Balance>,
    pub enters: HashMap<EnterId, Enter>,
    /// The last of them by character: no other of its can be open.
    pub newest: HashMap<CharacterId, EnterId>,
    /// Who waits for room on a ground, oldest wish first.
    pub lines: HashMap<(String, Ground), Vec<Waiting>>,
    pub transfers: HashMap<EnterId, Transfer>,
    /// Handoffs that are being written, with the area that has the character afterwards, until that is told.
    pub commits: HashMap<EnterId, AreaId>,
    /// Whose leave is on its way to the disk: gone when it is there.
    pub leaves: HashMap<CharacterId, watch::Receiver<()>>,
    /// Whose last checkpoint is being kept: its area is not taken from it meanwhile.
    pub last_saves: HashSet<ServerId>,
    pub admits: HashMap<EnterId, (AreaId, oneshot::Sender<Result<(), RefusalMessage>>)>,
    pub allocations: HashMap<u64, (String, oneshot::Sender<Allocated>)>,
    pub last_request: u64,
    /// A stop that was announced.
    pub closing: Option<Closing>,
    pub stopping: bool,
    /// Orders that a spawner has not answered: who waits for them.
    pub upgrades: HashMap<u64, (String, oneshot::Sender<Upgraded>)>,
    /// The calls of leaders that wait for an answer, by who is called.
    pub calls: HashMap<CharacterId, Call>,
    /// Characters that are sent on, by the numbers of the orders.
    pub orders: Orders,
    /// Where characters were found inside last: most are there still.
    found: RefCell<HashMap<CharacterId, AreaId>>,
    /// Moderators who wait for what a chat's file says.
    pub looks: HashMap<u64, oneshot::Sender<SaidLines>>,
}

/// A connected spawner; known from its first SpawnerHello on.
pub struct Spawner {
    pub sender: link::Sender,
    pub capacity: u32,
    pub templates: Vec<String>,
    /// It gets no new areas.
    pub cordoned: bool,
    /// Its link's connection is broken: it, or its machine, may be lost.
    pub away: bool,
    /// All that run under it. A server that it does not list is dead: it is their witness.
    pub servers: HashMap<ServerId, ServerInfo>,
}

/// A chat.
pub struct Chat {
    pub peer: PeerAddress,
    /// Whether it passes lines to the other chats.
    pub bus: bool,
    /// `None`: it was there when central was started, and has not come back yet.
    pub sender: Option<link::Sender>,
}

/// Where a role can be reached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PeerAddress {
    pub server: Vec<u8>,
    pub address: String,
    pub port: u32,
    pub tls: bool,
    pub certificate: Vec<u8>,
    /// For players, if it has one.
    #[serde(skip)]
    pub webtransport: Option<WebTransport>,
}

/// Where each character stands, metres.
pub type Stand = HashMap<CharacterId, (f64, f64)>;

/// One layer of one area that is, or was, wanted.
pub struct Area {
    pub name: AreaName,
    pub world: Arc<World>,
    /// Whether its server speaks our link, or only the Agones SDK.
    pub own: bool,
    pub always_on: bool,
    pub phase: watch::Sender<Phase>,
    /// The process that has it, or is about to.
    pub server: Option<Server>,
    pub seats: HashMap<CharacterId, Seat>,
    /// When it died lately, oldest first.
    pub crashes: Vec<Instant>,
    /// The owner that was found dead last: it is not let in any more, should it live after all.
    pub condemned: Option<ServerId>,
    /// Factions whose data its server has.
    pub factions: Vec<String>,
    /// The same, of factions that players have founded.
    pub founded: Vec<FactionId>,
    /// Its way to another server, while it is under way.
    pub moves: Option<Move>,
    /// Where everybody stood when its server was asked last, metres.
    pub stand: Option<(Instant, Stand)>,
}

impl Area {
    /// Whether this process has it, or is about to take it over.
    pub fn is_served_by(&self, server: ServerId) -> bool {
        let next = self.moves.as_ref().and_then(Move::next_server);
        self.server.iter().chain(next).any(|known| known.id == server)
    }
}

/// The process that serves an area.
#[derive(Clone)]
pub struct Server {
    pub id: ServerId,
    pub spawner: String,
    pub incarnation: u64,
    pub epoch: u64,
    pub at: PeerAddress,
    /// Path of its game socket.
    pub path: String,
    /// `None` until it registered, and for third-party servers.
    pub sender: Option<link::Sender>,
    pub program: Option<String>,
    /// Whether it makes and shows copies of areas that are to move.
    pub copies: bool,
    pub draining: bool,
    /// When it was heard last.
    pub heard: Instant,
    pub load: Heartbeat,
}

impl Server {
    /// A process that its spawner named: it has not registered, or never does because it is a third-party one.
    pub fn named(id: ServerId, spawner: &str, at: PeerAddress, path: &str) -> Self {
        Self {
            id,
            spawner: spawner.to_owned(),
            incarnation: 0,
            epoch: 0,
            at,
            path: path.to_owned(),
            sender: None,
            program: None,
            copies: false,
            draining: false,
            heard: Instant::now(),
            load: Heartbeat::default(),
        }
    }

    /// One of ours, which has opened this link.
    pub fn of_link(
        link: &link::Accepted,
        id: ServerId,
        (epoch, incarnation): (u64, u64),
        at: PeerAddress,
    ) -> Self {
        Self {
            incarnation,
            epoch,
            sender: Some(link.sender.clone()),
            program: Some(link.hello.program.clone()),
            ..Self::named(id, &link.hello.spawner, at, OWN_PATH)
        }
    }
}

/// How far an area is.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    Down,
    /// A seat is taken; nobody starts it yet.
    Wanted,
    /// A process is being found for it.
    Spawning,
    /// A process loads it; whether from a saved state.
    Loading {
        restoring: bool,
    },
    Ready,
    /// The last try ended so.
    Failed(Refusal),
}

/// A place that is taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Seat {
    pub account: AccountId,
    /// The login that took it; zero if central was restarted since.
    pub session: SessionId,
    /// Under which epoch the character is, or will be, owned there.
    pub epoch: u64,
    /// The join that took it.
    pub run: EnterId,
    pub taken: Taken,
    /// Set when its login ended: until when the next enter waits for it to leave.
    pub leaving: Option<Instant>,
    /// A join of one who is still inside: the seat becomes its own when he has left, and nobody else's.
    pub next: Option<EnterId>,
    /// At a third-party server, whose list names nobody twice: until when it may still speak of the stay before.
    pub overlaps: Option<Instant>,
}

impl Seat {
    /// One that nobody else waits for.
    pub fn new(account: AccountId, session: SessionId, (run, epoch): (EnterId, u64), taken: Taken) -> Self {
        Self { account, session, epoch, run, taken, leaving: None, next: None, overlaps: None }
    }
}

/// By whom a seat is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Taken {
    /// Held for somebody who travels, at most until then.
    Held(Instant),
    /// By somebody who is there.
    Inside,
}

/// One wish to enter.
pub struct Enter {
    pub account: AccountId,
    pub session: SessionId,
    pub character: CharacterId,
    pub body_hash: [u8; 32],
    pub progress: watch::Sender<Progress>,
    /// When somebody last waited for it.
    pub watched: Instant,
    pub ended: Option<Instant>,
    /// The join that works for it; `jti` of its ticket.
    pub run: EnterId,
    /// Higher than that of every earlier one.
    pub number: u64,
}

/// One in a line.
pub struct Waiting {
    pub run: EnterId,
    /// When he first asked.
    pub asked: Instant,
    /// Rung when it is worth to look again.
    pub turn: Arc<Notify>,
    pub progress: watch::Sender<Progress>,
    /// Where he is, if he is in the world.
    pub from: Option<AreaId>,
    /// The layer that he wishes for.
    pub layer: Option<u16>,
    /// Whoever is there goes away at the same time: his place may be taken.
    pub place: Option<AreaId>,
}

/// A handoff between two of our servers, or a leave towards a third-party one.
#[derive(Debug, Clone)]
pub struct Transfer {
    pub character: CharacterId,
    pub from: AreaId,
    /// The owner's epoch when it was prepared.
    pub epoch: u64,
    pub to: AreaId,
    pub place: Place,
    pub plain: bool,
    /// Nobody asked for it: the character is near the border of `to`.
    pub border: bool,
    pub sealed: bool,
    pub until: Instant,
}

impl State {
    /// The ground on which a place lies, as its world is cut now.
    ///
    /// # Errors
    /// As [`pangea_world::layout::ground_at`].
    pub fn ground_at(&self, world: &World, place: &Place) -> Result<Ground, Refusal> {
        let cuts = self.cuts.get(&world.name).map_or(&[][..], Vec::as_slice);
        ground_among(world, cuts, place)
    }

    /// Of a central that starts. A spawner may still answer what one before it has asked: its requests have other
    /// numbers, below 2^53 for JSON.
    pub fn begin(random: [u8; 4]) -> Self {
        let last_request = u64::from(u32::from_be_bytes(random) >> 11) << 32;
        Self { last_request, ..Self::default() }
    }

    /// A number that no request of this central had before, nor of one before it.
    pub fn next_request(&mut self) -> u64 {
        self.last_request += 1;
        self.last_request
    }

    /// This is a character's enter: the older of it and the one before, if it is open, ends.
    pub fn supersede(&mut self, character: CharacterId, by: EnterId) {
        let number = |enter: EnterId| self.enters.get(&enter).map_or(0, |enter| enter.number);
        let before = self.newest.get(&character).copied().filter(|before| *before != by);
        let (newer, older) = match before {
            Some(before) if number(before) > number(by) => (before, Some(by)),
            before => (by, before),
        };
        self.newest.insert(character, newer);
        let Some(older) = older else { return };
        if self.enters.get(&older).is_some_and(|enter| enter.ended.is_none()) {
            let text = "a newer wish of this character took its place";
            self.give_up(older, Refusal::new(Code::EnterExpired, text));
        }
    }

    /// Ends an enter with a refusal and gives free what its join holds.
    pub fn give_up(&mut self, enter: EnterId, refusal: Refusal) {
        let Some(entry) = self.enters.get_mut(&enter) else { return };
        let (run, character) = (entry.run, entry.character);
        entry.ended.get_or_insert_with(Instant::now);
        entry.progress.send_replace(Progress::Refused(refusal));
        self.forget_run(run, character);
    }

    /// A handoff that is not decided yet is off: the target forgets it, and the source shuts its border there.
    pub fn call_off(&mut self, run: EnterId) {
        let Some(transfer) = self.transfers.remove(&run) else { return };
        self.forget_run(run, transfer.character);
        if transfer.border {
            self.tell_source(&transfer, run, Body::Withdraw);
        }
    }

    /// Says something of a handoff to the server that has the character.
    pub fn tell_source(&self, transfer: &Transfer, run: EnterId, body: fn(CharacterAt) -> Body) {
        let source = self.areas.get(&transfer.from).and_then(|entry| entry.server.as_ref());
        if let Some(sender) = source.and_then(|server| server.sender.as_ref()) {
            let (character, epoch) = (transfer.character.to_vec(), transfer.epoch);
            let _ = sender.send(body(CharacterAt { character, epoch, transfer: run.to_vec() }));
        }
    }

    /// Handoffs of this character that its owner has under way, but for one.
    pub fn call_off_others(&mut self, from: AreaId, character: CharacterId, but: Option<EnterId>) {
        let of_it = |(run, transfer): &(&EnterId, &Transfer)| {
            let here = transfer.from == from && transfer.character == character;
            here && !transfer.plain && Some(**run) != but
        };
        let runs: Vec<EnterId> = self.transfers.iter().filter(of_it).map(|(run, _)| *run).collect();
        for run in runs {
            if let Some(transfer) = self.transfers.remove(&run) {
                self.forget_run(run, transfer.character);
            }
        }
    }

    /// A join tries again: what it asked of a server is off, the seat that it holds stays its own.
    pub fn call_back(&mut self, run: EnterId, character: CharacterId) {
        self.admits.remove(&run);
        for area in self.areas.values_mut() {
            let Some(seat) = area.seats.get_mut(&character) else { continue };
            if seat.next == Some(run) {
                seat.next = None;
            }
            let server = area.server.as_ref().filter(|_| seat.run == run && seat.taken != Taken::Inside);
            if let Some(sender) = server.and_then(|server| server.sender.as_ref()) {
                // Its NoShow gives the character back to the store.
                let at =
                    CharacterAt { character: character.to_vec(), epoch: seat.epoch, transfer: run.to_vec() };
                let _ = sender.send(Body::Withdraw(at));
            }
        }
    }

    /// Gives free what a join holds: its seat if nobody sits there yet, its place in line.
    pub fn forget_run(&mut self, run: EnterId, character: CharacterId) {
        self.call_back(run, character);
        let mut freed = Vec::new();
        for area in self.areas.values_mut() {
            let held = |seat: &Seat| seat.run == run && seat.taken != Taken::Inside;
            if area.seats.get(&character).is_some_and(held) {
                area.seats.remove(&character);
                freed.push((area.name.world.clone(), area.name.ground.clone()));
            }
        }
        for (ground, line) in &mut self.lines {
            let before = line.len();
            line.retain(|waiting| waiting.run != run);
            // The first may have been rung for a free seat that he does not take any more.
            if line.len() < before {
                freed.push(ground.clone());
            }
        }
        self.lines.retain(|_, line| !line.is_empty());
        freed.iter().for_each(|ground| self.line_moved(ground));
    }

    /// Room may have come: tells everybody in a line where he stands, and the first to look again.
    pub fn line_moved(&mut self, ground: &(String, Ground)) {
        let Some(line) = self.lines.get(ground) else { return };
        for (position, waiting) in (1..).zip(line) {
            waiting.progress.send_if_modified(|progress| {
                let next = Progress::Queued { position };
                let moved = *progress != next;
                *progress = next;
                moved
            });
        }
        if let Some(first) = line.first() {
            first.turn.notify_one();
        }
    }

    /// The layers of one ground that run or start.
    pub fn layers(&self, world: &World, ground: &Ground) -> Vec<LayerState> {
        let of_ground = |area: &&Area| area.name.world == world.name && area.name.ground == *ground;
        // Between a kill and the next start its seats are held for those who were inside.
        let runs = |area: &&Area| match *area.phase.borrow() {
            Phase::Down => !area.seats.is_empty(),
            Phase::Failed(_) => false,
            _ => true,
        };
        let state = |area: &Area| LayerState {
            layer: area.name.layer,
            seats_taken: area.seats.len() as u32,
            capacity: world.capacity,
            draining: area.server.as_ref().is_some_and(|server| server.draining),
            version: area.server.as_ref().and_then(|server| server.program.clone()),
        };
        self.areas.values().filter(of_ground).filter(runs).map(state).collect()
    }

    /// The area in which a character is. All areas are looked through for one that is in none, or came to another.
    pub fn inside(&self, character: CharacterId) -> Option<AreaId> {
        let has = |area: &Area| area.seats.get(&character).is_some_and(|seat| seat.taken == Taken::Inside);
        let mut found = self.found.borrow_mut();
        if let Some(known) = found.get(&character) {
            if self.areas.get(known).is_some_and(has) {
                return Some(*known);
            }
            found.remove(&character);
        }
        let area = self.areas.iter().find(|(_, area)| has(area)).map(|(id, _)| *id)?;
        if found.len() >= MOST_FOUND {
            found.clear();
        }
        found.insert(character, area);
        Some(area)
    }

    /// The account and the login of one that is in an area.
    pub fn login_of(&self, character: CharacterId) -> Option<(AccountId, SessionId)> {
        let seat = self.areas.get(&self.inside(character)?)?.seats.get(&character)?;
        Some((seat.account, seat.session))
    }

    /// The area that a server has.
    pub fn area_of(&self, server: ServerId) -> Option<AreaId> {
        self.areas
            .iter()
            .find(|(_, area)| area.server.as_ref().is_some_and(|s| s.id == server))
            .map(|(id, _)| *id)
    }

    /// The spawner that lists this server.
    pub fn spawner_of(&self, server: ServerId) -> Option<&Spawner> {
        self.spawners.values().find(|spawner| spawner.servers.contains_key(&server))
    }

    /// Has a third-party server close a character out.
    pub fn show_out(&self, server: ServerId, character: CharacterId) {
        if let Some(spawner) = self.spawner_of(server) {
            let show_out = ShowOut { server: server.to_vec(), characters: vec![character.to_vec()] };
            let _ = spawner.sender.send(Body::ShowOut(show_out));
        }
    }

    /// The spawner with a template and most room that gets new areas; of this name, if one is wished. One whose link
    /// is broken only if there is no other.
    pub fn best_spawner(&self, template: &str, wished: Option<&str>) -> Option<(&String, &Spawner)> {
        let knows = |(name, spawner): &(&String, &Spawner)| {
            let knows = spawner.templates.iter().any(|known| known == template);
            knows && !spawner.cordoned && wished.is_none_or(|wished| wished == *name)
        };
        let room = |(_, spawner): &(&String, &Spawner)| {
            let allocated = spawner.servers.values().filter(|server| server.state == "Allocated").count();
            (!spawner.away, i64::from(spawner.capacity) - allocated as i64)
        };
        self.spawners.iter().filter(knows).max_by_key(room)
    }
}

/// The key of a game server, derived as its spawner derives it.
pub fn server_key(master: &RoleKey, spawner: &str, server: &str) -> RoleKey {
    master.derive("spawner", spawner).derive("server", server)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whose character it is is looked up for both at once, so they may be named in either order.
    #[test]
    fn the_newer_of_two_wishes_stays() {
        for named in [[1, 2], [2, 1]] {
            let mut state = State::default();
            for n in [1, 2] {
                let enter = Enter {
                    account: AccountId([1; 16]),
                    session: SessionId([1; 16]),
                    character: CharacterId([1; 16]),
                    body_hash: [0; 32],
                    progress: watch::channel(Progress::Syncing).0,
                    watched: Instant::now(),
                    ended: None,
                    run: EnterId([n + 8; 16]),
                    number: state.next_request(),
                };
                state.enters.insert(EnterId([n; 16]), enter);
            }
            for n in named {
                state.supersede(CharacterId([1; 16]), EnterId([n; 16]));
            }
            let ended = |n| state.enters[&EnterId([n; 16])].ended.is_some();
            assert_eq!((ended(1), ended(2)), (true, false), "{named:?}");
        }
    }
}
