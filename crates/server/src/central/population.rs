//! What runs and who is where, for pages and operators.

use std::collections::{BTreeMap, BTreeSet};

use pangea_world::Code;
use pangea_world::id::hex;
use pangea_world::messages::{Heartbeat, PeerLoad};
use pangea_world::world::World;
use serde::Serialize;
use utoipa::ToSchema;

use super::core::{Core, template_of};
use super::state::{Phase, Taken};

/// Most codes of refusals that are shown of a server: the protocol's, and as many of its game.
const MOST_CODES: usize = Code::ALL.len() + pangea_engine::refusals::MOST_CODES;

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
    /// The file that it was started from; empty if it is not ours.
    pub program: String,
    /// The version that it says it is; none until it has an area.
    pub version: Option<String>,
    /// Resident memory by its own word, KiB; 0 if unknown.
    pub rss_kib: u32,
    /// How fast its time runs, percent of real time: less than 100 when it has more to do than it can; 0 if unknown.
    pub pace_percent: u32,
    /// How often it has refused what since it was started, by stable code: the server's own, or its game's. Who sends
    /// too much, reads too slowly or tries what the rules forbid shows here.
    pub refusals: BTreeMap<String, u64>,
    /// Its neighbours by its own word, at most a second ago.
    pub peers: Vec<PeerStatus>,
}

/// The line from one area server to a neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PeerStatus {
    /// The neighbour's server.
    pub server: String,
    /// Its area.
    pub area: String,
    /// Whether the line stands.
    pub live: bool,
    /// How many of its entities are shown here.
    pub ghosts: u32,
    /// Bytes heard from it in a second.
    pub heard_bytes_s: u32,
    /// Bytes told to it in a second.
    pub told_bytes_s: u32,
}

impl From<&PeerLoad> for PeerStatus {
    fn from(load: &PeerLoad) -> Self {
        let PeerLoad { area, live, ghosts, heard_bytes_s, told_bytes_s, .. } = load.clone();
        Self { server: hex(&load.server), area, live, ghosts, heard_bytes_s, told_bytes_s }
    }
}

/// What a server has refused, by its own word: as many codes as there are, however many it says.
fn refusals(load: &Heartbeat) -> BTreeMap<String, u64> {
    load.refusals.iter().take(MOST_CODES).map(|refused| (refused.code.clone(), refused.count)).collect()
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
    /// Whether nothing can be written because the disk is full.
    pub disk_full: bool,
}

impl Core {
    /// How this world fares now.
    pub fn population(&self, world: &World) -> Population {
        let state = self.state();
        let mut population = Population::default();
        let mut layers = BTreeSet::new();
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
        population.available =
            population.areas > 0 || state.best_spawner(template_of(world, None), None).is_some();
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
        let mut status = ClusterStatus { disk_full: self.store.is_full(), ..ClusterStatus::default() };
        let role = |role: &str, name: String| RoleStatus { role: role.to_owned(), name };
        let here = state.chats.iter().filter(|(_, chat)| chat.sender.is_some());
        status.roles.extend(here.map(|(name, _)| role("chat", name.clone())));
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
                let server = area.and_then(|area| area.server.as_ref());
                let load = server.map(|server| &server.load);
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
                    program: info.program.clone(),
                    version: server.and_then(|server| server.program.clone()),
                    rss_kib: load.map_or(0, |load| load.rss_kib),
                    pace_percent: load.map_or(0, |load| load.pace_percent),
                    refusals: load.map(refusals).unwrap_or_default(),
                    peers: load
                        .map_or_else(Vec::new, |load| load.peers.iter().map(PeerStatus::from).collect()),
                });
            }
        }
        status.roles.sort_by(|a, b| (&a.role, &a.name).cmp(&(&b.role, &b.name)));
        status.servers.sort_by(|a, b| a.server.cmp(&b.server));
        status
    }
}
