//! Characters: list, create, select, delete.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use pangea_world::id::CharacterId;
use pangea_world::{Code, Refusal, name};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::State as Shared;
use super::answer::{Answer, Failure, Read};
use super::login::Login;
use super::world::PlaceAnswer;
use crate::central::{factions, social};
use crate::random;
use crate::store::audit::{self, Note};
use crate::store::character::{self, Character, New};
use crate::store::{faction, session};

/// A character to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCharacter {
    /// In which world it lives.
    #[schema(example = "wilds")]
    world: String,
    /// 3 to 24 characters, unique on this server.
    #[schema(example = "Ada")]
    name: String,
    /// One of the world's factions, if it has any.
    #[schema(example = "embers")]
    faction: Option<String>,
}

/// Who plays.
#[derive(Serialize, ToSchema)]
pub struct CharacterAnswer {
    /// 32 hex digits.
    id: String,
    /// As shown.
    name: String,
    /// In which world it lives.
    world: String,
    /// Its faction, if it has one.
    faction: Option<String>,
    /// When it was made, ms since 1970.
    created_ms: i64,
    /// Whether a game server holds it now.
    in_world: bool,
    /// Where it stood last; none before its first enter.
    place: Option<PlaceAnswer>,
}

impl From<Character> for CharacterAnswer {
    fn from(character: Character) -> Self {
        Self {
            id: character.id.to_string(),
            name: character.name,
            world: character.world,
            faction: character.faction,
            created_ms: character.created,
            in_world: character.owner.is_some(),
            place: character.place.map(Into::into),
        }
    }
}

/// All characters of the account.
#[derive(Serialize, ToSchema)]
pub struct CharactersAnswer {
    /// Oldest first.
    characters: Vec<CharacterAnswer>,
    /// The one that plays in this login.
    selected: Option<String>,
    /// How many the account may have.
    most: u32,
}

/// An id from a path.
///
/// # Errors
/// `unknown_character`: what is no id names nobody.
pub fn id(text: &str) -> Result<CharacterId, Refusal> {
    text.parse().map_err(|_| Refusal::new(Code::UnknownCharacter, "there is no such character"))
}

/// The account's characters.
#[utoipa::path(get, path = "/api/characters", tag = "character", security(("access" = [])),
    responses((status = 200, body = CharactersAnswer), (status = "default", body = Failure)))]
pub async fn list(State(api): State<Shared>, Login(who): Login) -> Answer<Json<CharactersAnswer>> {
    let found = character::list(&mut *api.store.reader().await?, who.account).await?;
    Ok(Json(CharactersAnswer {
        characters: found.into_iter().map(Into::into).collect(),
        selected: who.selected.map(|character| character.to_string()),
        most: api.config.accounts.characters_max,
    }))
}

/// Make a character.
#[utoipa::path(post, path = "/api/characters", tag = "character", security(("access" = [])), request_body = NewCharacter,
    responses((status = 201, body = CharacterAnswer), (status = "default", body = Failure)))]
pub async fn create(
    State(api): State<Shared>,
    Login(who): Login,
    Read(wish): Read<NewCharacter>,
) -> Answer<(StatusCode, Json<CharacterAnswer>)> {
    let world = api.world(&wish.world)?;
    if let Some(faction) = &wish.faction {
        world.faction(faction)?;
    }
    let new = New {
        id: CharacterId(random::bytes()),
        account: who.account,
        world: world.name.clone(),
        name: name::check(&wish.name)?,
        faction: wish.faction,
    };
    let most = api.config.accounts.characters_max;
    let made = api
        .store
        .write(move |connection| {
            let new = new.clone();
            Box::pin(async move {
                let made = character::create(connection, &new, most).await?;
                let (actor, target) = (new.account.to_string(), new.id.to_string());
                let note = Note {
                    actor: &actor,
                    action: "character_made",
                    target: &target,
                    detail: &new.name.shown,
                };
                audit::append(connection, note).await?;
                Ok(made)
            })
        })
        .await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Select who plays in this login.
#[utoipa::path(post, path = "/api/characters/{id}/select", tag = "character", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn select(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
) -> Answer<StatusCode> {
    let (wished, account, session) = (id(&text)?, who.account, who.id);
    api.store
        .write(move |connection| {
            Box::pin(async move {
                character::get_own(connection, account, wished).await?;
                session::select(connection, session, wished).await
            })
        })
        .await?;
    api.logins.forget(session);
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a character that is not in the world; its name is free again.
#[utoipa::path(delete, path = "/api/characters/{id}", tag = "character", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn delete(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
) -> Answer<StatusCode> {
    let (unwanted, account) = (id(&text)?, who.account);
    let (left, faction) = api
        .store
        .write(move |connection| {
            Box::pin(async move {
                character::delete(connection, account, unwanted).await?;
                let left = crate::store::social::forget(connection, unwanted).await?;
                let faction = faction::deed::deleted(connection, unwanted).await?;
                let (actor, target) = (account.to_string(), unwanted.to_string());
                let note = Note { actor: &actor, action: "character_deleted", target: &target, detail: "" };
                audit::append(connection, note).await?;
                Ok((left, faction))
            })
        })
        .await?;
    for left in &left {
        social::party_changed(&api.core, left).await;
    }
    if let Some(changed) = faction {
        factions::tell(&api.core, &changed).await;
    }
    api.logins.forget(who.id);
    Ok(StatusCode::NO_CONTENT)
}
