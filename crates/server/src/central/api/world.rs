//! Worlds, their layers and factions. Open to everybody: a page shows them before a login.

use axum::Json;
use axum::extract::{Path, Query, State};
use pangea_world::space::Place;
use pangea_world::world::{Kind, OWN_SERVER, World};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::State as Shared;
use super::answer::{Answer, Failure, deny};
use crate::central::population::LayerPopulation;

/// A point in a world.
#[derive(Serialize, ToSchema)]
pub struct PlaceAnswer {
    /// Name of the world.
    world: String,
    /// The map; none on a grid.
    map: Option<String>,
    /// Metres, grows east.
    x: f64,
    /// Metres, grows south.
    y: f64,
}

impl From<Place> for PlaceAnswer {
    fn from(place: Place) -> Self {
        Self { world: place.world, map: place.map, x: place.x, y: place.y }
    }
}

/// A group with a spawn place.
#[derive(Serialize, ToSchema)]
pub struct FactionAnswer {
    /// Stable within its world.
    id: String,
    /// Shown to players.
    title: String,
    /// `#rrggbb`.
    colour: String,
    /// One paragraph, may be empty.
    about: String,
    /// Where its new characters enter.
    spawn: PlaceAnswer,
}

/// One map of a maps world.
#[derive(Serialize, ToSchema)]
pub struct MapAnswer {
    /// Unique in its world.
    id: String,
    /// Shown to players.
    title: String,
    /// Metres.
    width_m: u32,
    /// Metres.
    height_m: u32,
    /// A waiting place from which a player asks to go on.
    lobby: bool,
    /// Whether our own area server serves it; else a third-party one.
    own: bool,
}

/// How a world fares.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorldStatus {
    /// It can be entered.
    Online,
    /// Its first server is on its way.
    Starting,
    /// No server runs, and none could be started.
    Offline,
}

/// What kind of game server a world runs on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerKind {
    /// Our area server, everywhere.
    Own,
    /// Somebody else's, everywhere.
    ThirdParty,
    /// Both; each map says.
    Mixed,
}

/// One persistent place with its own rules.
#[derive(Serialize, ToSchema)]
pub struct WorldAnswer {
    /// Stable.
    name: String,
    /// Shown to players.
    title: String,
    /// One paragraph, may be empty.
    about: String,
    /// `grid` or `maps`.
    kind: String,
    /// What a player may wish for, e.g. `pve`.
    rules: Vec<String>,
    status: WorldStatus,
    server: ServerKind,
    /// Characters inside.
    players: u32,
    /// Areas that run, each layer counted.
    areas_running: u32,
    /// Different layers among them.
    layers_running: u32,
    /// Most parallel copies of one area.
    layers: u16,
    /// Players on one server.
    capacity: u32,
    factions: Vec<FactionAnswer>,
    /// Empty on a grid.
    maps: Vec<MapAnswer>,
}

/// All worlds.
#[derive(Serialize, ToSchema)]
pub struct WorldsAnswer {
    worlds: Vec<WorldAnswer>,
}

/// The running layers of one ground or of all.
#[derive(Serialize, ToSchema)]
pub struct LayersAnswer {
    /// Sorted by ground, then layer.
    layers: Vec<LayerPopulation>,
    /// How many there may be of one ground.
    most: u16,
}

/// All factions of a world.
#[derive(Serialize, ToSchema)]
pub struct FactionsAnswer {
    factions: Vec<FactionAnswer>,
}

/// Of which map.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct LayersQuery {
    /// Only this map's layers.
    map: Option<String>,
}

fn factions_of(world: &World) -> Vec<FactionAnswer> {
    world
        .factions
        .iter()
        .cloned()
        .map(|faction| FactionAnswer {
            id: faction.id,
            title: faction.title,
            colour: faction.colour,
            about: faction.about,
            spawn: faction.spawn.into(),
        })
        .collect()
}

fn maps_of(world: &World) -> Vec<MapAnswer> {
    let Kind::Maps(maps) = &world.kind else { return Vec::new() };
    maps.maps
        .iter()
        .map(|map| MapAnswer {
            id: map.id.clone(),
            title: map.title.clone(),
            width_m: map.width_m,
            height_m: map.height_m,
            lobby: map.lobby,
            own: map.server == OWN_SERVER,
        })
        .collect()
}

/// All worlds with their status and population.
#[utoipa::path(get, path = "/api/worlds", tag = "world",
    responses((status = 200, body = WorldsAnswer), (status = "default", body = Failure)))]
pub async fn worlds(State(api): State<Shared>) -> Json<WorldsAnswer> {
    let one = |world: &World| {
        let population = api.core.population(world);
        let maps = maps_of(world);
        WorldAnswer {
            name: world.name.clone(),
            title: world.title.clone(),
            about: world.about.clone(),
            kind: if matches!(world.kind, Kind::Grid(_)) { "grid" } else { "maps" }.to_owned(),
            rules: world.rules.clone(),
            status: match (population.areas, population.starting, population.available) {
                (1.., _, _) => WorldStatus::Online,
                (_, 1.., _) => WorldStatus::Starting,
                (_, _, true) => WorldStatus::Online,
                _ => WorldStatus::Offline,
            },
            server: match (maps.iter().any(|map| map.own) || maps.is_empty(), maps.iter().any(|map| !map.own))
            {
                (true, true) => ServerKind::Mixed,
                (false, true) => ServerKind::ThirdParty,
                _ => ServerKind::Own,
            },
            players: population.players,
            areas_running: population.areas,
            layers_running: population.layers,
            layers: world.layers,
            capacity: world.capacity,
            factions: factions_of(world),
            maps,
        }
    };
    Json(WorldsAnswer { worlds: api.worlds.iter().map(one).collect() })
}

/// The layers of a world, or of one of its maps, that run.
#[utoipa::path(get, path = "/api/worlds/{world}/layers", tag = "world",
    params(("world" = String, Path, description = "Its name"), LayersQuery),
    responses((status = 200, body = LayersAnswer), (status = "default", body = Failure)))]
pub async fn layers(
    State(api): State<Shared>,
    Path(world): Path<String>,
    Query(query): Query<LayersQuery>,
) -> Answer<Json<LayersAnswer>> {
    let world = api.world(&world)?;
    if let Some(map) = &query.map {
        let Kind::Maps(maps) = &world.kind else {
            return deny(pangea_world::Code::UnknownMap, format!("the world «{}» has no maps", world.name));
        };
        maps.map(map)?;
    }
    Ok(Json(LayersAnswer { layers: api.core.layers(world, query.map.as_deref()), most: world.layers }))
}

/// The factions of a world, with their spawn places.
#[utoipa::path(get, path = "/api/worlds/{world}/factions", tag = "world",
    params(("world" = String, Path, description = "Its name")),
    responses((status = 200, body = FactionsAnswer), (status = "default", body = Failure)))]
pub async fn factions(State(api): State<Shared>, Path(world): Path<String>) -> Answer<Json<FactionsAnswer>> {
    Ok(Json(FactionsAnswer { factions: factions_of(api.world(&world)?) }))
}
