//! Factions that players have founded: looked at by everybody, founded and run by characters (docs/factions.md).

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use pangea_world::faction_rules::{Permission, Role, Roles};
use pangea_world::id::{CharacterId, FactionId};
use pangea_world::social::Rights;
use pangea_world::{Code, Refusal, name};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::State as Shared;
use super::answer::{Answer, Failure, Read};
use super::character::id;
use super::enter::idempotency_key;
use super::login::Login;
use super::mail::body_hash;
use super::market::keyed;
use super::world::PlaceAnswer;
use crate::central::factions;
use crate::random;
use crate::store::character;
use crate::store::faction::claim::{self, Ground};
use crate::store::faction::deed::Deed;
use crate::store::faction::{self, Relation};

/// A faction among others.
#[derive(Serialize, ToSchema)]
pub struct FoundedAnswer {
    /// 32 hex digits.
    id: String,
    /// Unique in its world.
    name: String,
    /// Shown beside the name.
    title: String,
    /// What it says of itself.
    about: String,
    /// Whether everybody may join.
    open: bool,
    /// How many are in it.
    members: i64,
}

/// Factions, sorted by name, at most 100.
#[derive(Serialize, ToSchema)]
pub struct FoundedListAnswer {
    factions: Vec<FoundedAnswer>,
}

/// Which ones.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct FoundedQuery {
    /// Only those of this world.
    world: Option<String>,
    /// Only those whose name begins so.
    name: Option<String>,
}

/// Name and id of a faction.
#[derive(Serialize, ToSchema)]
pub struct FactionRef {
    /// 32 hex digits.
    id: String,
    /// Unique in its world.
    name: String,
}

/// A role in a faction.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleData {
    /// Unique in the faction, 1 to 24 characters.
    name: String,
    /// `invite`, `kick`, `edit`, `roles`, `relations`, `claim`, `spawn`.
    #[schema(value_type = Vec<String>)]
    permissions: Vec<Permission>,
}

/// One who is in it.
#[derive(Serialize, ToSchema)]
pub struct FactionMemberAnswer {
    /// 32 hex digits.
    id: String,
    /// As shown.
    name: String,
    /// One of the roles.
    role: String,
    /// Whether it is in a world now.
    online: bool,
}

/// What it calls another one.
#[derive(Serialize, ToSchema)]
pub struct RelationAnswer {
    /// Which.
    faction: FactionRef,
    /// Ally or enemy.
    relation: Relation,
}

/// What one may do on claimed ground.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub struct RightsData {
    /// Gather from what grows and lies there.
    gather: bool,
    /// Set up and take down.
    build: bool,
}

impl From<Rights> for RightsData {
    fn from(Rights { gather, build }: Rights) -> Self {
        Self { gather, build }
    }
}

impl From<RightsData> for Rights {
    fn from(RightsData { gather, build }: RightsData) -> Self {
        Self { gather, build }
    }
}

/// A ground that it has.
#[derive(Serialize, ToSchema)]
pub struct ClaimAnswer {
    /// `world/ground`, on all layers.
    area: String,
    /// Until when it is paid for, ms since 1970.
    until_ms: u64,
    /// What its members may.
    owner: RightsData,
    /// What its allies may.
    ally: RightsData,
    /// What others may.
    guest: RightsData,
}

impl From<claim::Claim> for ClaimAnswer {
    fn from(claim: claim::Claim) -> Self {
        let [owner, ally, guest] = claim.rights.map(Into::into);
        Self {
            area: format!("{}/{}", claim.ground.0, claim.ground.1),
            until_ms: claim.until_ms,
            owner,
            ally,
            guest,
        }
    }
}

/// All of a faction.
#[derive(Serialize, ToSchema)]
pub struct FoundedInfo {
    /// 32 hex digits.
    id: String,
    /// Where it was founded.
    world: String,
    /// Unique there.
    name: String,
    /// Shown beside the name.
    title: String,
    /// What it says of itself.
    about: String,
    /// Whether everybody may join.
    open: bool,
    /// Where its members enter, if it says so.
    spawn: Option<PlaceAnswer>,
    /// Leaders first, newcomers last.
    roles: Vec<RoleData>,
    /// Those who came first before others.
    members: Vec<FactionMemberAnswer>,
    /// Sorted by name.
    relations: Vec<RelationAnswer>,
    /// Sorted by ground.
    claims: Vec<ClaimAnswer>,
}

/// The factions that players have founded.
#[utoipa::path(get, path = "/api/factions", tag = "social", security(("access" = [])), params(FoundedQuery),
    responses((status = 200, body = FoundedListAnswer), (status = "default", body = Failure)))]
pub async fn founded_list(
    State(api): State<Shared>,
    _: Login,
    Query(query): Query<FoundedQuery>,
) -> Answer<Json<FoundedListAnswer>> {
    if let Some(world) = &query.world {
        api.world(world)?;
    }
    let key = query.name.as_deref().map(name::begins_as).unwrap_or_default();
    // Nothing that the store reads as a pattern.
    let key: String = key.chars().filter(|c| c.is_alphanumeric()).collect();
    let found = faction::list(&mut *api.store.reader().await?, query.world.as_deref(), &key).await?;
    let one = |(faction, members): (faction::Faction, i64)| FoundedAnswer {
        id: faction.id.to_string(),
        name: faction.name,
        title: faction.title,
        about: faction.about,
        open: faction.open,
        members,
    };
    Ok(Json(FoundedListAnswer { factions: found.into_iter().map(one).collect() }))
}

fn faction_id(text: &str) -> Result<FactionId, Refusal> {
    text.parse().map_err(|_| Refusal::new(Code::UnknownFaction, "there is no such faction"))
}

/// One of them, with its members, relations and grounds.
#[utoipa::path(get, path = "/api/factions/{faction}", tag = "social", security(("access" = [])),
    params(("faction" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = FoundedInfo), (status = "default", body = Failure)))]
pub async fn founded_info(
    State(api): State<Shared>,
    _: Login,
    Path(text): Path<String>,
) -> Answer<Json<FoundedInfo>> {
    let mut reader = api.store.reader().await?;
    let found = faction::get(&mut reader, faction_id(&text)?).await?;
    let members = faction::members(&mut reader, found.id).await?;
    let relations = faction::relations(&mut reader, found.id).await?;
    let claims = claim::of(&mut reader, found.id).await?;
    let online = factions::online(&api.core, &mut reader, &members).await?;
    let member = |(member, online): (faction::Member, bool)| FactionMemberAnswer {
        id: member.id.to_string(),
        name: member.name,
        role: member.role,
        online,
    };
    let role = |role: &Role| RoleData {
        name: role.name.clone(),
        permissions: role.permissions.iter().copied().collect(),
    };
    Ok(Json(FoundedInfo {
        id: found.id.to_string(),
        world: found.world,
        name: found.name,
        title: found.title,
        about: found.about,
        open: found.open,
        spawn: found.spawn.map(Into::into),
        roles: found.roles.all().iter().map(role).collect(),
        members: members.into_iter().zip(online).map(member).collect(),
        relations: relations
            .into_iter()
            .map(|(id, name, relation)| RelationAnswer {
                faction: FactionRef { id: id.to_string(), name },
                relation,
            })
            .collect(),
        claims: claims.into_iter().map(Into::into).collect(),
    }))
}

/// The character of a path, which must be the account's.
async fn own(api: &Shared, who: &Login, text: &str) -> Result<CharacterId, Refusal> {
    let mut reader = api.store.reader().await?;
    Ok(character::get_own(&mut reader, who.0.account, id(text)?).await?.id)
}

/// Whom a name means.
async fn named(api: &Shared, text: &str) -> Result<CharacterId, Refusal> {
    let name = name::check(text).map_err(|_| Refusal::new(Code::UnknownCharacter, "nobody is called so"))?;
    Ok(character::by_name(&mut *api.store.reader().await?, &name).await?.id)
}

/// A ground as [`ClaimAnswer`] names it.
fn ground(text: &str) -> Result<Ground, Refusal> {
    let (world, ground) = text
        .split_once('/')
        .ok_or_else(|| Refusal::new(Code::NotFound, "your faction has no such ground"))?;
    Ok((world.to_owned(), ground.to_owned()))
}

async fn deed(api: &Shared, who: &Login, text: &str, deed: Deed) -> Answer<StatusCode> {
    let actor = own(api, who, text).await?;
    factions::act(&api.core, actor, deed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A faction that is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFaction {
    /// By the rules for names; unique in the world.
    name: String,
    /// At most 48 characters.
    #[serde(default)]
    title: String,
    /// At most 500 characters.
    #[serde(default)]
    about: String,
    /// Whether everybody may join.
    #[serde(default)]
    open: bool,
}

/// Found a faction in the character's world, and lead it.
#[utoipa::path(post, path = "/api/characters/{id}/faction", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = NewFaction,
    responses((status = 201, body = FactionRef), (status = "default", body = Failure)))]
pub async fn faction_found(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
    Read(wish): Read<NewFaction>,
) -> Answer<(StatusCode, Json<FactionRef>)> {
    let actor = own(&api, &who, &text).await?;
    let (id, name) = (FactionId(random::bytes()), name::check(&wish.name)?);
    let shown = name.shown.clone();
    let found = Deed::Found { id, name, title: wish.title, about: wish.about, open: wish.open };
    factions::act(&api.core, actor, found).await?;
    Ok((StatusCode::CREATED, Json(FactionRef { id: id.to_string(), name: shown })))
}

/// Which faction.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FactionWish {
    /// 32 hex digits.
    faction: String,
}

/// Join a faction that is open, or that has invited the character.
#[utoipa::path(post, path = "/api/characters/{id}/faction/join", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = FactionWish,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn faction_join(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
    Read(wish): Read<FactionWish>,
) -> Answer<StatusCode> {
    deed(&api, &who, &text, Deed::Join(faction_id(&wish.faction)?)).await
}

/// Decline an invitation.
#[utoipa::path(post, path = "/api/characters/{id}/faction/decline", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = FactionWish,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn faction_decline(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
    Read(wish): Read<FactionWish>,
) -> Answer<StatusCode> {
    deed(&api, &who, &text, Deed::Decline(faction_id(&wish.faction)?)).await
}

/// Leave the faction; with its last member it ends.
#[utoipa::path(post, path = "/api/characters/{id}/faction/leave", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn faction_leave(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
) -> Answer<StatusCode> {
    deed(&api, &who, &text, Deed::Leave).await
}

/// What becomes of a faction; what is not named stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FactionChange {
    /// At most 48 characters.
    title: Option<String>,
    /// At most 500 characters.
    about: Option<String>,
    /// Whether everybody may join.
    open: Option<bool>,
}

/// Change what the faction says of itself, and who may join.
#[utoipa::path(post, path = "/api/characters/{id}/faction/edit", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = FactionChange,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn faction_edit(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
    Read(wish): Read<FactionChange>,
) -> Answer<StatusCode> {
    let FactionChange { title, about, open } = wish;
    deed(&api, &who, &text, Deed::Edit { title, about, open }).await
}

/// Whom to invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FactionInvite {
    /// A character's name.
    name: String,
    /// The role that it has when it joins.
    role: String,
}

/// Invite a character, with a promised role.
#[utoipa::path(post, path = "/api/characters/{id}/faction/invite", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = FactionInvite,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn faction_invite(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
    Read(wish): Read<FactionInvite>,
) -> Answer<StatusCode> {
    let other = named(&api, &wish.name).await?;
    deed(&api, &who, &text, Deed::Invite(other, wish.role)).await
}

/// Which member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberWish {
    /// 32 hex digits.
    character: String,
}

/// Send a member away, or take an invitation back.
#[utoipa::path(post, path = "/api/characters/{id}/faction/kick", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = MemberWish,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn faction_kick(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
    Read(wish): Read<MemberWish>,
) -> Answer<StatusCode> {
    deed(&api, &who, &text, Deed::Kick(id(&wish.character)?)).await
}

/// Which member gets which role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleWish {
    /// 32 hex digits.
    character: String,
    /// One of the faction's.
    role: String,
}

/// Give a member another role.
#[utoipa::path(post, path = "/api/characters/{id}/faction/role", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = RoleWish,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn faction_role(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
    Read(wish): Read<RoleWish>,
) -> Answer<StatusCode> {
    deed(&api, &who, &text, Deed::Give(id(&wish.character)?, wish.role)).await
}

/// The roles that there shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolesWish {
    /// 2 to 16: leaders first, newcomers last; an earlier one outranks a later one.
    roles: Vec<RoleData>,
}

/// Replace the roles; who had one that is not there any more has the newcomers'.
#[utoipa::path(post, path = "/api/characters/{id}/faction/roles", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = RolesWish,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn faction_roles(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
    Read(wish): Read<RolesWish>,
) -> Answer<StatusCode> {
    let role = |data: RoleData| Role { name: data.name, permissions: data.permissions.into_iter().collect() };
    let roles = Roles::new(wish.roles.into_iter().map(role).collect())?;
    deed(&api, &who, &text, Deed::Roles(roles)).await
}

/// What another faction is called.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RelationWish {
    /// 32 hex digits.
    faction: String,
    /// What it is.
    relation: Relation,
}

/// Call another faction an ally, an enemy, or neither.
#[utoipa::path(post, path = "/api/characters/{id}/faction/relation", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = RelationWish,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn faction_relation(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
    Read(wish): Read<RelationWish>,
) -> Answer<StatusCode> {
    deed(&api, &who, &text, Deed::Relate(faction_id(&wish.faction)?, wish.relation)).await
}

/// Have members enter where the character stands, from now on.
#[utoipa::path(post, path = "/api/characters/{id}/faction/spawn", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn faction_spawn(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
) -> Answer<StatusCode> {
    let actor = own(&api, &who, &text).await?;
    factions::spawn_here(&api.core, actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Claim the ground of the area where the character stands, on all layers, for the world's days and its price.
#[utoipa::path(post, path = "/api/characters/{id}/faction/claim", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 201, body = ClaimAnswer), (status = "default", body = Failure)))]
pub async fn faction_claim(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
) -> Answer<(StatusCode, Json<ClaimAnswer>)> {
    let actor = own(&api, &who, &text).await?;
    let ground = factions::take(&api.core, actor).await?;
    let claim = claim::own_at(&mut *api.store.reader().await?, actor, &ground).await?;
    Ok((StatusCode::CREATED, Json(claim.into())))
}

/// Which ground.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroundWish {
    /// `world/ground`, as the faction's claims name it.
    area: String,
}

/// Give a ground up; what was paid is gone.
#[utoipa::path(post, path = "/api/characters/{id}/faction/unclaim", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = GroundWish,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn faction_unclaim(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
    Read(wish): Read<GroundWish>,
) -> Answer<StatusCode> {
    let actor = own(&api, &who, &text).await?;
    factions::give_up(&api.core, actor, ground(&wish.area)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who may do what on a ground.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RightsWish {
    /// `world/ground`, as the faction's claims name it.
    area: String,
    /// What its members may.
    owner: RightsData,
    /// What its allies may.
    ally: RightsData,
    /// What others may.
    guest: RightsData,
}

/// Say who may do what on a ground.
#[utoipa::path(post, path = "/api/characters/{id}/faction/rights", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = RightsWish,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn faction_rights(
    State(api): State<Shared>,
    who: Login,
    Path(text): Path<String>,
    Read(wish): Read<RightsWish>,
) -> Answer<StatusCode> {
    let actor = own(&api, &who, &text).await?;
    let rights = [wish.owner, wish.ally, wish.guest].map(Into::into);
    factions::allow(&api.core, actor, ground(&wish.area)?, rights).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How long to pay for a ground.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpkeepWish {
    /// `world/ground`, as the faction's claims name it.
    area: String,
    /// How many days more.
    days: u32,
}

/// Pay for a ground out of the character's wallet. The same key pays once.
#[utoipa::path(post, path = "/api/characters/{id}/faction/upkeep", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible ASCII characters, a new one for each wish")),
    request_body = UpkeepWish,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn faction_upkeep(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
    headers: HeaderMap,
    Read(wish): Read<UpkeepWish>,
) -> Answer<StatusCode> {
    let key = (idempotency_key(&headers)?, body_hash("upkeep", &wish));
    let ground = ground(&wish.area)?;
    let (actor, op) = keyed(&api, &who, &text, key).await?;
    factions::extend(&api.core, actor, op, ground, wish.days).await?;
    Ok(StatusCode::NO_CONTENT)
}
