//! The seam between central's HTTP API and its core: what the handlers ask, and what they are answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pangea_world::id::{AccountId, CharacterId, EnterId, ServerId, SessionId};
use pangea_world::messages::{Body, Kick, TicketKey, TicketKeys};
use pangea_world::ticket::{Credential, PublicKey};
use pangea_world::world_file::{Kind, OWN_SERVER, World};
use pangea_world::{Code, Refusal};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use utoipa::ToSchema;

use super::handoff;
use super::join::{self, Want};
use super::keys::Keys;
use super::state::{Area, Enter, Phase, Seat, State, Taken};
use crate::config::Config;
use crate::store::Store;
use crate::{clock, random};

/// Where a player wants to go; everything that is not said is chosen for him.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnterWish {
    /// Who goes; the selected character if not said. The handler has filled it in before the core sees it.
    #[schema(value_type = Option<String>, example = "30313233343536373839616263646566")]
    pub character: Option<CharacterId>,
    /// The world; the character's own if not said.
    pub world: Option<String>,
    /// The map; by the character's last place, else the spawn, if not said.
    pub map: Option<String>,
    /// A rule that the world must have, e.g. `pve`.
    pub rule: Option<String>,
    /// Only this layer.
    pub layer: Option<u16>,
    /// Only a layer on which the character of this name is.
    pub friend: Option<String>,
    /// Only a server that runs this version of the program.
    pub version: Option<String>,
}

/// How far an enter is.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Waits for room; 1 is the next.
    Queued {
        /// Place in line.
        position: u32,
    },
    /// A server is being started or allocated.
    Spawning,
    /// Its ground is being made for the first time.
    Generating,
    /// Its saved state is being read.
    Restoring,
    /// Faction, character and quests are on their way to it.
    Syncing,
    /// The player may come.
    Ready(Prepared),
    /// It ended with a «no».
    Refused(Refusal),
}

impl Progress {
    /// The stable word for it.
    pub fn state(&self) -> &'static str {
        match self {
            Progress::Queued { .. } => "queued",
            Progress::Spawning => "spawning",
            Progress::Generating => "generating",
            Progress::Restoring => "restoring",
            Progress::Syncing => "syncing",
            Progress::Ready(_) => "ready",
            Progress::Refused(_) => "refused",
        }
    }

    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        matches!(self, Progress::Ready(_) | Progress::Refused(_))
    }
}

/// Everything that a client needs to go in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Prepared {
    /// Where to connect: `ws://…` or `wss://…`.
    pub url: String,
    /// The first message there.
    pub ticket: String,
    /// Seconds that the ticket is good for, from now.
    pub ticket_expires_in_s: u64,
    /// The area's name, for people who look for errors.
    pub area: String,
    /// A third-party server: leave the present one first, then connect (seed 001's plain path).
    pub plain: bool,
    /// SHA-256 of the server's certificate, hex, if it was made at start.
    pub certificate_sha256: Option<String>,
    /// How long it took from the request until everything was ready, ms.
    pub took_ms: f64,
}

/// How a world fares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Population {
    /// Whether a player could enter now: a spawner is there, or a server runs.
    pub available: bool,
    /// Servers that are being started for it.
    pub starting: u32,
    /// Areas (each layer counts) that serve players.
    pub areas: u32,
    /// Different layers among them.
    pub layers: u32,
    /// Characters inside.
    pub players: u32,
}

/// How one layer of one area fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LayerPopulation {
    /// The map, or the cells of a grid, as text.
    pub ground: String,
    /// 0 is the first.
    pub layer: u16,
    /// Characters inside.
    pub players: u32,
    /// Seats.
    pub capacity: u32,
}

/// A role that has its link to this central.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RoleStatus {
    /// `spawner`, `chat` or `area`.
    pub role: String,
    /// Its name; of an area server its id.
    pub name: String,
}

/// A game server under a spawner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServerStatus {
    /// Its id.
    pub server: String,
    /// Its spawner's name.
    pub spawner: String,
    /// Kind of server.
    pub template: String,
    /// Agones state, e.g. `Ready` (idle) or `Allocated`.
    pub state: String,
    /// `world/ground/layer`, if it serves one.
    pub area: Option<String>,
    /// Characters that are there or travel to it.
    pub seats: u32,
    /// Process id on its machine.
    pub pid: u32,
    /// Its game port.
    pub port: u32,
    /// From spawn to Ready, ms; 0 until then.
    pub ready_ms: u32,
    /// Resident memory by its own word, KiB; 0 if unknown.
    pub rss_kib: u32,
}

/// What runs under this central.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Sorted by role, then name.
    pub roles: Vec<RoleStatus>,
    /// Every game server that a spawner lists, sorted by id.
    pub servers: Vec<ServerStatus>,
    /// Areas that serve players.
    pub areas: u32,
    /// Characters inside.
    pub players: u32,
}

/// How long an ended enter is remembered, so that a repeat gets the same answer.
const ENTER_KEPT: Duration = Duration::from_secs(20);

/// How long central's word for a pair of roles is good, seconds.
pub const CREDENTIAL_LIFE_S: u64 = 24 * 3_600;

/// Most enters that are remembered at once.
const ENTERS_MAX: usize = 50_000;

/// What the handlers and the links talk to.
pub struct Core {
    pub(super) config: Config,
    pub(super) worlds: HashMap<String, Arc<World>>,
    /// The text of each world's file, as area servers get it.
    pub(super) world_texts: HashMap<String, String>,
    pub(super) store: Store,
    pub(super) keys: Keys,
    pub(super) started: Instant,
    /// Rung at each change that somebody may wait for: a link, a server's end, a character's leave.
    pub(super) changed: Notify,
    state: Mutex<State>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Core")
    }
}

impl Core {
    /// A core over these worlds (name, file's text) and this store.
    pub fn new(config: &Config, worlds: &[(World, String)], store: Store, keys: Keys) -> Arc<Self> {
        Arc::new(Self {
            config: config.clone(),
            worlds: worlds.iter().map(|(world, _)| (world.name.clone(), Arc::new(world.clone()))).collect(),
            world_texts: worlds.iter().map(|(world, text)| (world.name.clone(), text.clone())).collect(),
            store,
            keys,
            started: Instant::now(),
            changed: Notify::new(),
            state: Mutex::default(),
        })
    }

    /// The moment's state; never held across an await.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world of this name.
    ///
    /// # Errors
    /// `unknown_world`.
    pub fn world(&self, name: &str) -> Result<&Arc<World>, Refusal> {
        let unknown = || Refusal::new(Code::UnknownWorld, format!("there is no world «{name}»"));
        self.worlds.get(name).ok_or_else(unknown)
    }

    /// Begins to prepare a place for a character of this account, or attaches to what the same key began.
    /// The session is live and the character is the account's own, checked by the handler.
    ///
    /// # Errors
    /// `idempotency_mismatch` if the key came with another wish; `stopping`; `too_many_requests`.
    pub async fn enter(
        self: &Arc<Self>,
        account: AccountId,
        session: SessionId,
        idem_key: String,
        wish: EnterWish,
    ) -> Result<(EnterId, watch::Receiver<Progress>), Refusal> {
        let text = serde_json::to_string(&wish).unwrap_or_default();
        let body_hash = sha256(&[text.as_bytes()]);
        let character =
            wish.character.ok_or_else(|| Refusal::new(Code::UnknownCharacter, "choose a character first"))?;
        // The same key is the same enter, also for a central that has just started.
        let name = sha256(&[b"enter", &account.0, idem_key.as_bytes()]);
        let id = EnterId::from_bytes(&name[..16]).unwrap_or_default();
        let mut state = self.state();
        if let Some(known) = state.enters.get_mut(&id) {
            if known.body_hash != body_hash {
                let text = "this idempotency key belongs to another wish; use a new one";
                return Refusal::err(Code::IdempotencyMismatch, text);
            }
            if known.ended.is_none_or(|ended| ended.elapsed() < ENTER_KEPT) && known.session == session {
                known.watched = Instant::now();
                return Ok((id, known.progress.subscribe()));
            }
        }
        if state.stopping {
            return Refusal::err(Code::Stopping, "the server is stopping; try again in a moment");
        }
        if state.enters.len() >= ENTERS_MAX {
            return Refusal::err(
                Code::TooManyRequests,
                "too many are entering at once; try again in a moment",
            );
        }
        let (progress, watching) = watch::channel(Progress::Queued { position: 0 });
        let created = clock::unix_ms() as i64;
        let now = Instant::now();
        let run = EnterId(random::bytes());
        state.supersede(character, id);
        let enter =
            Enter { account, session, character, body_hash, progress, watched: now, ended: None, run };
        state.enters.insert(id, enter);
        drop(state);
        let want = Want {
            enter: Some((id, idem_key, body_hash, text)),
            run,
            account,
            session,
            character,
            wish,
            from: None,
            at: None,
            created,
        };
        tokio::spawn(join::run(self.clone(), id, want));
        Ok((id, watching))
    }

    /// Attaches to an enter of this account again.
    ///
    /// # Errors
    /// `not_found` if the account has no such enter, or central restarted: repeat the POST with its key.
    pub async fn attach(
        &self,
        account: AccountId,
        enter: EnterId,
    ) -> Result<watch::Receiver<Progress>, Refusal> {
        let mut state = self.state();
        let known = state.enters.get_mut(&enter).filter(|known| known.account == account);
        let known = known
            .ok_or_else(|| Refusal::new(Code::NotFound, "there is no such enter; ask again with its key"))?;
        known.watched = Instant::now();
        Ok(known.progress.subscribe())
    }

    /// Gives an enter up; its seat is free again. A repeat does nothing.
    ///
    /// # Errors
    /// `not_found` if the account has no such enter.
    pub async fn cancel(&self, account: AccountId, enter: EnterId) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.enters.get(&enter).is_none_or(|known| known.account != account) {
            return Refusal::err(Code::NotFound, "there is no such enter");
        }
        state.give_up(enter, Refusal::new(Code::EnterExpired, "this enter was given up"));
        Ok(())
    }

    /// This login is over (`session_ended`, `banned`): its characters leave the world.
    pub async fn session_ended(&self, account: AccountId, session: SessionId, why: Code) {
        let mut state = self.state();
        let open: Vec<EnterId> = state
            .enters
            .iter()
            .filter(|(_, e)| e.session == session && e.ended.is_none())
            .map(|(id, _)| *id)
            .collect();
        for enter in open {
            state.give_up(enter, Refusal::new(Code::SessionEnded, "this login has ended"));
        }
        for area in state.areas.values_mut() {
            let Some(sender) = area.server.as_ref().and_then(|server| server.sender.as_ref()) else {
                continue;
            };
            let of_login = |seat: &Seat| {
                seat.account == account && (seat.session == session || seat.session == SessionId::default())
            };
            for (character, seat) in area.seats.iter_mut().filter(|(_, seat)| of_login(seat)) {
                let text =
                    if why == Code::Banned { "this account is banned" } else { "this login has ended" };
                let _ = sender.send(Body::Kick(Kick {
                    character: character.to_vec(),
                    epoch: seat.epoch,
                    code: why.to_string(),
                    text: text.to_owned(),
                }));
                seat.leaving = Some(Instant::now() + handoff::LET_GO);
            }
        }
    }

    /// How this world fares now.
    pub fn population(&self, world: &World) -> Population {
        let state = self.state();
        let mut population = Population::default();
        let mut layers = std::collections::BTreeSet::new();
        for area in state.areas.values().filter(|area| area.name.world == world.name) {
            match *area.phase.borrow() {
                Phase::Ready => {
                    population.areas += 1;
                    layers.insert(area.name.layer);
                }
                Phase::Spawning | Phase::Loading { .. } => population.starting += 1,
                Phase::Down | Phase::Wanted | Phase::Failed(_) => {}
            }
            population.players +=
                area.seats.values().filter(|seat| seat.taken == Taken::Inside).count() as u32;
        }
        population.layers = layers.len() as u32;
        population.available = population.areas > 0 || state.best_spawner(template_of(world, None)).is_some();
        population
    }

    /// The running layers of a world, of one map if named; sorted by ground, then layer.
    pub fn layers(&self, world: &World, map: Option<&str>) -> Vec<LayerPopulation> {
        let state = self.state();
        let of_map = |ground: &str| map.is_none_or(|map| map == ground);
        let mut layers: Vec<LayerPopulation> = state
            .areas
            .values()
            .filter(|area| area.name.world == world.name && *area.phase.borrow() == Phase::Ready)
            .map(|area| LayerPopulation {
                ground: area.name.ground.to_string(),
                layer: area.name.layer,
                players: area.seats.values().filter(|seat| seat.taken == Taken::Inside).count() as u32,
                capacity: world.capacity,
            })
            .filter(|layer| of_map(&layer.ground))
            .collect();
        layers.sort_by(|a, b| (&a.ground, a.layer).cmp(&(&b.ground, b.layer)));
        layers
    }

    /// What runs.
    pub fn status(&self) -> ClusterStatus {
        let state = self.state();
        let mut status = ClusterStatus::default();
        let role = |role: &str, name: String| RoleStatus { role: role.to_owned(), name };
        status.roles.extend(state.chats.keys().map(|name| role("chat", name.clone())));
        status.roles.extend(state.spawners.keys().map(|name| role("spawner", name.clone())));
        for area in state.areas.values() {
            status.areas += u32::from(*area.phase.borrow() == Phase::Ready);
            status.players += area.seats.values().filter(|seat| seat.taken == Taken::Inside).count() as u32;
            if let Some(server) = area.server.as_ref().filter(|server| server.sender.is_some()) {
                status.roles.push(role("area", server.id.to_string()));
            }
        }
        for (spawner, entry) in &state.spawners {
            for (id, info) in &entry.servers {
                let area = state.area_of(*id).and_then(|area| state.areas.get(&area));
                status.servers.push(ServerStatus {
                    server: id.to_string(),
                    spawner: spawner.clone(),
                    template: info.template.clone(),
                    state: info.state.clone(),
                    area: area.map(|area| area.name.to_string()),
                    seats: area.map_or(0, |area| area.seats.len() as u32),
                    pid: info.pid,
                    port: info.port,
                    ready_ms: info.ready_ms,
                    rss_kib: area
                        .and_then(|area| area.server.as_ref())
                        .map_or(0, |server| server.load.rss_kib),
                });
            }
        }
        status.roles.sort_by(|a, b| (&a.role, &a.name).cmp(&(&b.role, &b.name)));
        status.servers.sort_by(|a, b| a.server.cmp(&b.server));
        status
    }

    /// The public ticket keys, newest first.
    pub fn ticket_keys(&self) -> Vec<PublicKey> {
        vec![self.keys.signer.public()]
    }

    /// The same for a link.
    pub(super) fn ticket_keys_message(&self) -> TicketKeys {
        let key = |key: PublicKey| TicketKey { kid: key.kid, bytes: key.bytes };
        TicketKeys { keys: self.ticket_keys().into_iter().map(key).collect() }
    }

    /// Central's word for the operator, towards one game server.
    pub fn operator_credential(&self, server: ServerId) -> String {
        let exp = clock::unix_s() + CREDENTIAL_LIFE_S;
        let credential = Credential { sub: "operator".to_owned(), aud: server.to_string(), exp };
        self.keys.signer.sign_credential(&credential)
    }

    /// Waits until every area server has given its area back, at most so long.
    pub async fn until_stopped(&self, most: Duration) {
        let stopped = async {
            loop {
                let changed = self.changed.notified();
                let runs = |area: &Area| area.server.as_ref().is_some_and(|server| server.sender.is_some());
                if !self.state().areas.values().any(runs) {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(most, stopped).await.is_err() {
            tracing::warn!("some area servers did not say their last words");
        }
    }

    /// From now on nobody enters any more.
    pub fn stop_entries(&self) {
        self.state().stopping = true;
    }
}

/// The kind of server that serves this world, or this map of it.
pub(super) fn template_of<'w>(world: &'w World, map: Option<&str>) -> &'w str {
    match (&world.kind, map) {
        (Kind::Maps(maps), Some(map)) => maps.map(map).map_or(OWN_SERVER, |map| &map.server),
        _ => OWN_SERVER,
    }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut all = Vec::new();
    for part in parts {
        all.extend((part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &all).as_ref());
    out
}
