//! What operators do with running areas.

use axum::Json;
use axum::extract::State;
use pangea_world::{Code, Refusal};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::State as Shared;
use super::amend::{note, reason};
use super::answer::{Answer, Failure, Read};
use super::data::Operator;
use crate::central::migration;
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
    let area = api.core.area_named(&wish.area);
    let area = area.ok_or_else(|| Refusal::new(Code::NotFound, format!("«{}» does not run", wish.area)))?;
    let moved = migration::migrate(&api.core, area, wish.spawner.as_deref()).await?;
    let detail = format!("{why}: from {} to {}, {} players", moved.from, moved.to, moved.players);
    let target = moved.area.clone();
    api.store
        .write(move |connection| {
            let (target, detail) = (target.clone(), detail.clone());
            Box::pin(async move { audit::append(connection, note("area_migrated", &target, &detail)).await })
        })
        .await?;
    Ok(Json(MigrateAnswer {
        area: moved.area,
        from: moved.from.to_string(),
        to: moved.to.to_string(),
        spawner: moved.spawner,
        players: moved.players,
        left: moved.left,
        still_ms: moved.still.as_secs_f64() * 1e3,
        took_ms: moved.took.as_secs_f64() * 1e3,
    }))
}
