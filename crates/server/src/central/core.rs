//! The seam between central's HTTP API and its core: what the handlers ask, and what they are answered.

use std::sync::Arc;

use pangea_world::id::{AccountId, CharacterId, EnterId, SessionId};
use pangea_world::ticket::PublicKey;
use pangea_world::world_file::World;
use pangea_world::{Code, Refusal};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::config::Config;
use crate::store::Store;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// What runs under this central.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Sorted by role, then name.
    pub roles: Vec<RoleStatus>,
    /// Areas that serve players.
    pub areas: u32,
    /// Characters inside.
    pub players: u32,
}

/// What the handlers talk to.
#[derive(Debug)]
pub struct Core {}

impl Core {
    /// A core over these worlds and this store.
    pub fn new(_config: &Config, _worlds: Arc<Vec<World>>, _store: Store) -> Arc<Self> {
        Arc::new(Self {})
    }

    /// Begins to prepare a place for a character of this account, or attaches to what the same key began.
    /// The session is live and the character is the account's own, checked by the handler.
    ///
    /// # Errors
    /// `idempotency_mismatch` if the key came with another wish; any refusal of the join that needs no waiting.
    pub async fn enter(
        &self,
        _account: AccountId,
        _session: SessionId,
        _idem_key: String,
        _wish: EnterWish,
    ) -> Result<(EnterId, watch::Receiver<Progress>), Refusal> {
        Refusal::err(Code::NoSpawner, "no spawner is connected")
    }

    /// Attaches to an enter of this account again.
    ///
    /// # Errors
    /// `not_found` if the account has no such enter, `enter_expired`.
    pub async fn attach(&self, _account: AccountId, _enter: EnterId) -> Result<watch::Receiver<Progress>, Refusal> {
        Refusal::err(Code::NotFound, "there is no such enter")
    }

    /// Gives an enter up; its seat is free again. A repeat does nothing.
    ///
    /// # Errors
    /// `not_found` if the account has no such enter.
    pub async fn cancel(&self, _account: AccountId, _enter: EnterId) -> Result<(), Refusal> {
        Refusal::err(Code::NotFound, "there is no such enter")
    }

    /// This login is over (`session_ended`, `banned`): its characters leave the world.
    pub async fn session_ended(&self, _account: AccountId, _session: SessionId, _why: Code) {}

    /// How this world fares now.
    pub fn population(&self, _world: &World) -> Population {
        Population::default()
    }

    /// The running layers of a world, of one map if named; sorted by ground, then layer.
    pub fn layers(&self, _world: &World, _map: Option<&str>) -> Vec<LayerPopulation> {
        Vec::new()
    }

    /// What runs.
    pub fn status(&self) -> ClusterStatus {
        ClusterStatus::default()
    }

    /// The public ticket keys, newest first.
    pub fn ticket_keys(&self) -> Vec<PublicKey> {
        Vec::new()
    }
}
