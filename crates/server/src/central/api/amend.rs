//! What operators change: a character's name and faction, where it stands, its quests; bans. Each change names a
//! reason, and is noted in the audit log or the ledger's journal.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use pangea_world::id::{AccountId, CharacterId};
use pangea_world::ledger::Act;
use pangea_world::space::{Ground, Place};
use pangea_world::{Code, Refusal, layout, name};
use serde::Deserialize;
use utoipa::ToSchema;

use super::State as Shared;
use super::answer::{Answer, Failure, Read, deny};
use super::character::id;
use super::data::Operator;
use super::ledger::{DoneData, order};
use crate::store::audit::{self, Note};
use crate::store::character;

/// Longest reason, bytes.
const MOST_REASON: usize = 400;

pub(super) fn reason(text: &str) -> Result<String, Refusal> {
    if text.trim().is_empty() || text.len() > MOST_REASON {
        return Refusal::err(Code::BadRequest, format!("name a reason, of at most {MOST_REASON} bytes"));
    }
    Ok(text.to_owned())
}

/// What becomes of a character; what is not named stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CharacterChange {
    /// Why, for the audit log.
    reason: String,
    /// A new name, by the rules for names.
    name: Option<String>,
    /// A faction of its world; empty: none.
    faction: Option<String>,
}

/// Renames a character that is not in the world, or gives it another faction.
#[utoipa::path(patch, path = "/api/data/characters/{id}", tag = "data", security(("operator" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = CharacterChange,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn change(
    State(api): State<Shared>,
    _: Operator,
    Path(text): Path<String>,
    Read(wish): Read<CharacterChange>,
) -> Answer<StatusCode> {
    let (who, why) = (id(&text)?, reason(&wish.reason)?);
    let name = wish.name.as_deref().map(name::check).transpose()?;
    let known = character::get(&mut *api.store.reader().await?, who).await?;
    if let Some(faction) = wish.faction.as_deref().filter(|faction| !faction.is_empty()) {
        api.world(&known.world)?.faction(faction)?;
    }
    let detail = format!("{why}: {:?} {:?}", wish.name, wish.faction);
    api.store
        .write(move |connection| {
            let (name, faction, detail) = (name.clone(), wish.faction.clone(), detail.clone());
            Box::pin(async move {
                character::change(connection, who, name.as_ref(), faction.as_deref()).await?;
                audit::append(connection, note("character_changed", &who.to_string(), &detail)).await
            })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn note<'a>(action: &'a str, target: &'a str, detail: &'a str) -> Note<'a> {
    Note { actor: "operator", action, target, detail }
}

/// Where a character is set down.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LocationChange {
    /// Why, for the audit log.
    reason: String,
    /// The map; none: the spawn's. A grid has none.
    map: Option<String>,
    /// Metres, grows east.
    x: f64,
    /// Metres, grows south.
    y: f64,
}

/// Sets a character that is not in the world down somewhere in it.
#[utoipa::path(put, path = "/api/data/characters/{id}/location", tag = "data", security(("operator" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = LocationChange,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn set_down(
    State(api): State<Shared>,
    _: Operator,
    Path(text): Path<String>,
    Read(wish): Read<LocationChange>,
) -> Answer<StatusCode> {
    let (who, why) = (id(&text)?, reason(&wish.reason)?);
    let known = character::get(&mut *api.store.reader().await?, who).await?;
    let mut place = Place { world: known.world, map: wish.map, x: wish.x, y: wish.y };
    match layout::ground_at(api.world(&place.world)?, &place)? {
        Ground::Map(map) => place.map = Some(map),
        Ground::Cells(_) if place.map.is_none() => {}
        Ground::Cells(_) => return deny(Code::UnknownMap, "a grid has no maps"),
    }
    let detail = format!("{why}: {place:?}");
    api.store
        .write(move |connection| {
            let (place, detail) = (place.clone(), detail.clone());
            Box::pin(async move {
                character::put(connection, who, &place).await?;
                audit::append(connection, note("character_placed", &who.to_string(), &detail)).await
            })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a quest stands afterwards.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestChange {
    /// Why, for the journal.
    reason: String,
    /// The operation's id from an earlier answer, to ask again without doing it twice; 32 hex digits.
    op: Option<String>,
    /// The step that is open, from 0.
    step: u32,
    /// Whether it has ended; no reward is given.
    #[serde(default)]
    completed: bool,
}

/// Mends a quest, also of a character in the world; it is accepted if it was not.
#[utoipa::path(put, path = "/api/data/characters/{id}/quests/{quest}", tag = "data", security(("operator" = [])),
    params(("id" = String, Path, description = "32 hex digits"), ("quest" = String, Path, description = "The game's name for it")),
    request_body = QuestChange, responses((status = 200, body = DoneData), (status = "default", body = Failure)))]
pub async fn mend_quest(
    State(api): State<Shared>,
    _: Operator,
    Path((text, quest)): Path<(String, String)>,
    Read(wish): Read<QuestChange>,
) -> Answer<Json<DoneData>> {
    let of: CharacterId = id(&text)?;
    let act = Act::QuestSet { of, quest, step: wish.step, completed: wish.completed };
    order(&api, wish.op.as_deref(), wish.reason, act).await
}

/// Until when an account is kept out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ban {
    /// Why, for the audit log.
    reason: String,
    /// ms since 1970; 0 lifts the ban.
    until_ms: i64,
}

/// Bans an account, or lifts its ban; its login ends and its character leaves the world at once.
#[utoipa::path(put, path = "/api/data/accounts/{id}/ban", tag = "data", security(("operator" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = Ban,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn ban(
    State(api): State<Shared>,
    _: Operator,
    Path(text): Path<String>,
    Read(wish): Read<Ban>,
) -> Answer<StatusCode> {
    let why = reason(&wish.reason)?;
    let unknown = |_| Refusal::new(Code::NotFound, "there is no such account");
    let account: AccountId = text.parse().map_err(unknown)?;
    api.ban(account, wish.until_ms.max(0), why).await?;
    Ok(StatusCode::NO_CONTENT)
}
