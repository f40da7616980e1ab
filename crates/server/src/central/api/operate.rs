//! What operators do with what runs: areas move, spawners get no new ones or another program, everything stops.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use pangea_world::id::AreaId;
use pangea_world::{Code, Refusal};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::State as Shared;
use super::amend::{note, reason};
use super::answer::{Answer, Failure, Read};
use super::data::Operator;
use crate::central::closing;
use crate::central::migration::{self, Moved, MovedPart};
use crate::central::recut;
use crate::central::spawners::SpawnerStatus;
use crate::store::audit;

/// Which area goes where.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrateWish {
    /// Why, for the audit log.
    reason: String,
    /// `world/ground/layer`, e.g. `wilds/0,0..8,8/0`.
    area: String,
    /// The spawner under which it shall run; none: the one with most room, which may be the same.
    spawner: Option<String>,
}

/// A move that was made.
#[derive(Serialize, ToSchema)]
pub struct MigrateAnswer {
    /// `world/ground/layer`.
    area: String,
    /// The server that had it, 32 hex digits.
    from: String,
    /// The server that has it now, 32 hex digits.
    to: String,
    /// That one's spawner.
    spawner: String,
    /// Characters that went along.
    players: usize,
    /// Characters that were inside and whose clients did not come along in time: they enter anew.
    left: usize,
    /// How long it was with central, standing still, ms; packing and unpacking are not in it.
    still_ms: f64,
    /// How long all of it took, ms.
    took_ms: f64,
}

/// Moves a running area to another server while it is played.
#[utoipa::path(post, path = "/api/data/areas/migrate", tag = "data", security(("operator" = [])),
    request_body = MigrateWish,
    responses((status = 200, body = MigrateAnswer), (status = "default", body = Failure)))]
pub async fn migrate(
    State(api): State<Shared>,
    _: Operator,
    Read(wish): Read<MigrateWish>,
) -> Answer<Json<MigrateAnswer>> {
    let why = reason(&wish.reason)?;
    let area = named(&api, &wish.area)?;
    let moved = migration::migrate(&api.core, area, wish.spawner.as_deref()).await?;
    let gone = || Refusal::new(Code::Internal, "the area is nowhere");
    let MovedPart { area, to, spawner, players } = moved.parts.into_iter().next().ok_or_else(gone)?;
    let detail = format!("{why}: from {} to {to}, {players} players", moved.from);
    noted(&api, "area_migrated", &area, &detail).await?;
    Ok(Json(MigrateAnswer {
        area,
        from: moved.from.to_string(),
        to: to.to_string(),
        spawner,
        players,
        left: moved.left,
        still_ms: moved.still.as_secs_f64() * 1e3,
        took_ms: moved.took.as_secs_f64() * 1e3,
    }))
}

/// Which area is split.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitWish {
    /// Why, for the audit log.
    reason: String,
    /// `world/ground/layer`, e.g. `wilds/0,0..8,8/0`.
    area: String,
}

/// Which areas become one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeWish {
    /// Why, for the audit log.
    reason: String,
    /// Two, `world/ground/layer` each, with a whole side in common.
    areas: [String; 2],
}

/// Areas that were cut anew.
#[derive(Serialize, ToSchema)]
pub struct CutAnswer {
    /// What there is now.
    areas: Vec<CutArea>,
    /// Characters that were inside and whose clients did not come along in time: they enter anew.
    left: usize,
    /// How long it was with central, standing still, ms; packing and unpacking are not in it.
    still_ms: f64,
    /// How long all of it took, ms.
    took_ms: f64,
}

/// An area as it is now.
#[derive(Serialize, ToSchema)]
pub struct CutArea {
    /// `world/ground/layer`.
    area: String,
    /// Its server, 32 hex digits.
    server: String,
    /// That one's spawner.
    spawner: String,
    /// Characters that are there now.
    players: usize,
}

impl From<Moved> for CutAnswer {
    fn from(moved: Moved) -> Self {
        let area = |part: MovedPart| CutArea {
            area: part.area,
            server: part.to.to_string(),
            spawner: part.spawner,
            players: part.players,
        };
        Self {
            areas: moved.parts.into_iter().map(area).collect(),
            left: moved.left,
            still_ms: moved.still.as_secs_f64() * 1e3,
            took_ms: moved.took.as_secs_f64() * 1e3,
        }
    }
}

/// Splits a running area of a grid in two, so that its players halve, while it is played.
#[utoipa::path(post, path = "/api/data/areas/split", tag = "data", security(("operator" = [])),
    request_body = SplitWish,
    responses((status = 200, body = CutAnswer), (status = "default", body = Failure)))]
pub async fn split(
    State(api): State<Shared>,
    _: Operator,
    Read(wish): Read<SplitWish>,
) -> Answer<Json<CutAnswer>> {
    let why = reason(&wish.reason)?;
    let moved = recut::split(&api.core, named(&api, &wish.area)?).await?;
    cut_noted(&api, "area_split", &why, &wish.area, moved).await
}

/// Makes one area of two of a grid that have a whole side in common, while they are played.
#[utoipa::path(post, path = "/api/data/areas/merge", tag = "data", security(("operator" = [])),
    request_body = MergeWish,
    responses((status = 200, body = CutAnswer), (status = "default", body = Failure)))]
pub async fn merge(
    State(api): State<Shared>,
    _: Operator,
    Read(wish): Read<MergeWish>,
) -> Answer<Json<CutAnswer>> {
    let why = reason(&wish.reason)?;
    let [a, b] = &wish.areas;
    let areas = [recut::known(&api.core, a).await?, recut::known(&api.core, b).await?];
    let moved = recut::merge(&api.core, areas).await?;
    cut_noted(&api, "areas_merged", &why, &wish.areas.join(" "), moved).await
}

fn named(api: &Shared, name: &str) -> Result<AreaId, Refusal> {
    api.core.area_named(name).ok_or_else(|| Refusal::new(Code::NotFound, format!("«{name}» does not run")))
}

async fn cut_noted(
    api: &Shared,
    action: &'static str,
    why: &str,
    target: &str,
    moved: Moved,
) -> Answer<Json<CutAnswer>> {
    let parts = moved.parts.iter().map(|part| format!("{} with {} players", part.area, part.players));
    let parts: Vec<String> = parts.collect();
    noted(api, action, target, &format!("{why}: {}", parts.join(", "))).await?;
    Ok(Json(moved.into()))
}

/// Writes it to the audit log.
async fn noted(api: &Shared, action: &'static str, target: &str, detail: &str) -> Result<(), Refusal> {
    let (target, detail) = (target.to_owned(), detail.to_owned());
    api.store
        .write(move |connection| {
            let (target, detail) = (target.clone(), detail.clone());
            Box::pin(async move { audit::append(connection, note(action, &target, &detail)).await })
        })
        .await
}

/// The spawners that are connected.
#[derive(Serialize, ToSchema)]
pub struct SpawnersData {
    /// By name.
    spawners: Vec<SpawnerStatus>,
}

/// Which spawners are connected, and whether they get new areas.
#[utoipa::path(get, path = "/api/data/spawners", tag = "data", security(("operator" = [])),
    responses((status = 200, body = SpawnersData), (status = "default", body = Failure)))]
pub async fn spawners(State(api): State<Shared>, _: Operator) -> Json<SpawnersData> {
    Json(SpawnersData { spawners: api.core.spawners() })
}

/// Whether a spawner gets new areas.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CordonWish {
    /// Why, for the audit log.
    reason: String,
    /// It gets none; what it has stays.
    on: bool,
}

/// Keeps new areas away from a spawner, or lets them come again. The spawner keeps it over its restarts.
#[utoipa::path(put, path = "/api/data/spawners/{name}/cordon", tag = "data", security(("operator" = [])),
    params(("name" = String, Path, description = "The spawner's name")), request_body = CordonWish,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn cordon(
    State(api): State<Shared>,
    _: Operator,
    Path(name): Path<String>,
    Read(wish): Read<CordonWish>,
) -> Answer<StatusCode> {
    let why = reason(&wish.reason)?;
    api.core.cordon(&name, wish.on).await?;
    noted(&api, if wish.on { "spawner_cordoned" } else { "spawner_uncordoned" }, &name, &why).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Another program for a spawner's game servers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeWish {
    /// Why, for the audit log.
    reason: String,
    /// A file on the spawner's machine, in its folder of programs (`spawner.programs`).
    program: String,
}

/// What new game servers are started from.
#[derive(Serialize, ToSchema)]
pub struct UpgradeAnswer {
    /// The file, without links.
    program: String,
}

/// New game servers of a spawner are started from another program, once one of them was ready; idle ones are
/// replaced. What runs goes over with `/api/data/areas/migrate`.
#[utoipa::path(post, path = "/api/data/spawners/{name}/upgrade", tag = "data", security(("operator" = [])),
    params(("name" = String, Path, description = "The spawner's name")), request_body = UpgradeWish,
    responses((status = 200, body = UpgradeAnswer), (status = "default", body = Failure)))]
pub async fn upgrade(
    State(api): State<Shared>,
    _: Operator,
    Path(name): Path<String>,
    Read(wish): Read<UpgradeWish>,
) -> Answer<Json<UpgradeAnswer>> {
    let why = reason(&wish.reason)?;
    let program = api.core.upgrade(&name, &wish.program).await?;
    noted(&api, "spawner_upgraded", &name, &format!("{why}: {program}")).await?;
    Ok(Json(UpgradeAnswer { program }))
}

/// A stop of everything.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopWish {
    /// Why, for the audit log.
    reason: String,
    /// In so many seconds, at most a week.
    in_s: u64,
    /// A sentence for the players; may be empty.
    #[serde(default)]
    text: String,
}

/// Stops everything in a while: the players are told how long it is until then, shortly before nobody enters any
/// more, then everything is saved. Takes the place of a stop that was ordered before.
#[utoipa::path(post, path = "/api/data/stop", tag = "data", security(("operator" = [])),
    request_body = StopWish,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn stop(State(api): State<Shared>, _: Operator, Read(wish): Read<StopWish>) -> Answer<StatusCode> {
    let (why, wait) = (reason(&wish.reason)?, Duration::from_secs(wish.in_s));
    if wait > closing::LONGEST || wish.text.len() > MOST_TEXT {
        let text = format!("a stop is at most a week away, and its text has at most {MOST_TEXT} bytes");
        return Err(Refusal::new(Code::BadRequest, text).into());
    }
    noted(&api, "stop_ordered", "all", &format!("{why}: in {} s", wish.in_s)).await?;
    api.core.stop_in(wait, &wish.text);
    Ok(StatusCode::NO_CONTENT)
}

/// Longest text of a stop, bytes.
const MOST_TEXT: usize = 400;

/// Calls a stop off that was ordered.
#[utoipa::path(delete, path = "/api/data/stop", tag = "data", security(("operator" = [])),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn stop_not(State(api): State<Shared>, _: Operator) -> Answer<StatusCode> {
    api.core.stop_not()?;
    noted(&api, "stop_called_off", "all", "").await?;
    Ok(StatusCode::NO_CONTENT)
}
