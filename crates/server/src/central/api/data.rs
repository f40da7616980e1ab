//! Characters and quests for operators and services (M3): whoever shows the operator's key may read all.

use std::path::Path as FilePath;

use anyhow::Context;
use axum::Json;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use pangea_world::id::{ServerId, hex};
use pangea_world::{Code, Refusal};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::State as Shared;
use super::answer::{Answer, Denied, Failure, deny};
use super::character::id;
use super::login::{bearer, hash};
use super::world::PlaceAnswer;
use crate::central::core::CREDENTIAL_LIFE_S;
use crate::central::population::ServerStatus;
use crate::store::session::TokenHash;
use crate::store::{character, quest};
use crate::{random, tls};

/// The operator's key, as its hash: comparing hashes tells a guesser nothing about the key.
#[derive(Debug)]
pub struct OperatorKey(TokenHash);

impl OperatorKey {
    /// Reads `<data>/keys/operator.key`, or makes it.
    ///
    /// # Errors
    /// If it cannot be read or made, others may read it, or it is too short to be a key.
    pub fn open(data: &FilePath) -> anyhow::Result<Self> {
        let folder = data.join("keys");
        let path = folder.join("operator.key");
        if !path.exists() {
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("«{}» cannot be made", folder.display()))?;
            tls::write_private(&path, format!("{}\n", hex(&random::bytes::<32>())).as_bytes())?;
        }
        tls::private(&path)?;
        let text = std::fs::read_to_string(&path).with_context(|| format!("«{}»", path.display()))?;
        anyhow::ensure!(
            text.trim().len() >= 32,
            "«{}» holds no key of 32 characters or more",
            path.display()
        );
        Ok(Self(hash(text.trim())))
    }
}

/// A request with the operator's key.
pub struct Operator;

impl FromRequestParts<Shared> for Operator {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Denied> {
        if hash(bearer(&parts.headers)?) == api.operator.0 {
            return Ok(Self);
        }
        deny(Code::Forbidden, "this is not the operator's key")
    }
}

/// A character, with what its own player does not need.
#[derive(Serialize, ToSchema)]
pub struct CharacterData {
    /// 32 hex digits.
    id: String,
    /// Whose, 32 hex digits.
    account: String,
    /// As shown.
    name: String,
    /// In which world it lives.
    world: String,
    /// Its faction, if it has one.
    faction: Option<String>,
    /// When it was made, ms since 1970.
    created_ms: i64,
    /// The area that owns it, 32 hex digits; none: the store.
    owner: Option<String>,
    /// Raised at each change of owner.
    epoch: u64,
    /// Where it stood last; none before its first enter.
    place: Option<PlaceAnswer>,
}

/// One character's standing in one quest.
#[derive(Serialize, ToSchema)]
pub struct QuestData {
    /// Stable.
    id: String,
    /// Shown to the player.
    title: String,
    /// Which step is open, from 0.
    step: u32,
    /// Whether the last step is done.
    completed: bool,
}

/// A character's quests.
#[derive(Serialize, ToSchema)]
pub struct QuestsData {
    /// Sorted by id.
    quests: Vec<QuestData>,
}

/// A character's data.
#[utoipa::path(get, path = "/api/data/characters/{id}", tag = "data", security(("operator" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = CharacterData), (status = "default", body = Failure)))]
pub async fn character(
    State(api): State<Shared>,
    _: Operator,
    Path(text): Path<String>,
) -> Answer<Json<CharacterData>> {
    let found = character::get(&mut *api.store.reader().await?, id(&text)?).await?;
    Ok(Json(found.into()))
}

/// Whom to look for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ByName {
    /// Its name, or one that looks like it.
    name: String,
}

/// The character of a name.
#[utoipa::path(get, path = "/api/data/characters", tag = "data", security(("operator" = [])), params(ByName),
    responses((status = 200, body = CharacterData), (status = "default", body = Failure)))]
pub async fn by_name(
    State(api): State<Shared>,
    _: Operator,
    Query(wish): Query<ByName>,
) -> Answer<Json<CharacterData>> {
    let name = pangea_world::name::check(&wish.name)?;
    let found = character::by_name(&mut *api.store.reader().await?, &name).await?;
    Ok(Json(found.into()))
}

impl From<character::Character> for CharacterData {
    fn from(found: character::Character) -> Self {
        Self {
            id: found.id.to_string(),
            account: found.account.to_string(),
            name: found.name,
            world: found.world,
            faction: found.faction,
            created_ms: found.created,
            owner: found.owner.map(|owner| owner.to_string()),
            epoch: found.epoch,
            place: found.place.map(Into::into),
        }
    }
}

/// A character's quests.
#[utoipa::path(get, path = "/api/data/characters/{id}/quests", tag = "data", security(("operator" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = QuestsData), (status = "default", body = Failure)))]
pub async fn quests(
    State(api): State<Shared>,
    _: Operator,
    Path(text): Path<String>,
) -> Answer<Json<QuestsData>> {
    let mut reader = api.store.reader().await?;
    let found = character::get(&mut reader, id(&text)?).await?;
    let quests = quest::list(&mut reader, found.id).await?;
    let quests = quests
        .into_iter()
        .map(|quest| QuestData {
            id: quest.id,
            title: quest.title,
            step: quest.step,
            completed: quest.completed,
        })
        .collect();
    Ok(Json(QuestsData { quests }))
}

/// What a character is beside its place, as its game server wrote it last.
#[derive(Serialize, ToSchema)]
pub struct RecordData {
    /// The engine's record, in hex; none before its first leave.
    record: Option<String>,
    /// Records that a game server could not read, newest first, at most 16; the character began anew.
    damaged: Vec<DamagedData>,
}

/// A record that could not be read.
#[derive(Serialize, ToSchema)]
pub struct DamagedData {
    /// The character's epoch then.
    epoch: u64,
    /// When, ms since 1970.
    time_ms: i64,
    /// In hex.
    record: String,
}

/// A character's record.
#[utoipa::path(get, path = "/api/data/characters/{id}/record", tag = "data", security(("operator" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = RecordData), (status = "default", body = Failure)))]
pub async fn record(
    State(api): State<Shared>,
    _: Operator,
    Path(text): Path<String>,
) -> Answer<Json<RecordData>> {
    let mut reader = api.store.reader().await?;
    let found = character::get(&mut reader, id(&text)?).await?.id;
    let record = character::record(&mut reader, found).await?.map(|record| hex(&record));
    let damaged = character::records_aside(&mut reader, found)
        .await?
        .into_iter()
        .map(|aside| DamagedData { epoch: aside.epoch, time_ms: aside.time, record: hex(&aside.record) })
        .collect();
    Ok(Json(RecordData { record, damaged }))
}

/// Every game server that a spawner lists.
#[derive(Serialize, ToSchema)]
pub struct ServersData {
    /// Sorted by id.
    servers: Vec<ServerStatus>,
}

/// The game servers, with what only operators may know of them.
#[utoipa::path(get, path = "/api/data/servers", tag = "data", security(("operator" = [])),
    responses((status = 200, body = ServersData), (status = "default", body = Failure)))]
pub async fn servers(State(api): State<Shared>, _: Operator) -> Json<ServersData> {
    Json(ServersData { servers: api.core.status().servers })
}

/// What opens the endpoints of one game server (`/status`, `/pending`, `/peers`, `/drain` on its game port).
#[derive(Serialize, ToSchema)]
pub struct CredentialData {
    /// For `Authorization: Bearer …` there.
    credential: String,
    /// Seconds that it is good for.
    expires_in_s: u64,
}

/// Central's word for the operator, towards one game server.
#[utoipa::path(post, path = "/api/data/servers/{id}/credential", tag = "data", security(("operator" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = CredentialData), (status = "default", body = Failure)))]
pub async fn credential(
    State(api): State<Shared>,
    _: Operator,
    Path(text): Path<String>,
) -> Answer<Json<CredentialData>> {
    let not_found = || Refusal::new(Code::NotFound, "there is no such server");
    let server: ServerId = text.parse().map_err(|_| not_found())?;
    let known = api.core.status().servers.iter().any(|known| known.server == server.to_string());
    let credential = known.then(|| api.core.operator_credential(server)).ok_or_else(not_found)?;
    Ok(Json(CredentialData { credential, expires_in_s: CREDENTIAL_LIFE_S }))
}
