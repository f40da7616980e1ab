//! What runs, and the public ticket keys.

use axum::Json;
use axum::extract::State;
use pangea_world::world::World;
use serde::Serialize;
use utoipa::ToSchema;

use super::State as Shared;
use crate::central::population::RoleStatus;

/// What runs under this central.
#[derive(Serialize, ToSchema)]
pub struct StatusAnswer {
    /// Version of the program.
    version: String,
    /// Version of the game protocol (docs/protocol.md).
    protocol: u16,
    /// Names of the worlds.
    worlds: Vec<String>,
    /// Roles that have their link, sorted by role, then name.
    roles: Vec<RoleStatus>,
    /// Areas that serve players.
    areas: u32,
    /// Characters inside.
    players: u32,
    /// `ok`; or `full`: nothing can be written until there is room on the disk.
    storage: String,
}

/// A JSON Web Key set (RFC 7517) of Ed25519 keys (RFC 8037).
#[derive(Serialize, ToSchema)]
pub struct KeysAnswer {
    /// Newest first; at most two.
    #[schema(value_type = Vec<Object>)]
    keys: Vec<serde_json::Value>,
}

/// What runs?
#[utoipa::path(get, path = "/api/status", tag = "status", responses((status = 200, body = StatusAnswer)))]
pub async fn status(State(api): State<Shared>) -> Json<StatusAnswer> {
    let cluster = api.core.status();
    Json(StatusAnswer {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: pangea_world::GAME_PROTOCOL_VERSION,
        worlds: api.worlds.iter().map(|world: &World| world.name.clone()).collect(),
        roles: cluster.roles,
        areas: cluster.areas,
        players: cluster.players,
        storage: if cluster.disk_full { "full" } else { "ok" }.to_owned(),
    })
}

/// The keys with which any game server checks a ticket.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "status", responses((status = 200, body = KeysAnswer)))]
pub async fn keys(State(api): State<Shared>) -> Json<KeysAnswer> {
    Json(KeysAnswer { keys: api.core.ticket_keys().iter().map(|key| key.to_jwk()).collect() })
}
