//! Parties: invite, come, go, lead, go together (docs/social.md).

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use pangea_world::id::PartyId;
use pangea_world::{Code, Refusal, name};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::State as Shared;
use super::answer::{Answer, Failure, Read};
use super::character::id;
use super::friends::{NameWish, PartyAnswer, deed, other};
use super::login::Login;
use crate::central::{gather, social};
use crate::random;
use crate::store::character;
use crate::store::social::party::{self, Changed};

/// A party after a wish.
#[derive(Serialize, ToSchema)]
pub struct PartyNow {
    /// The character's own; none: it is in none.
    party: Option<PartyAnswer>,
}

/// Which party.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartyWish {
    /// 32 hex digits.
    party: String,
}

/// Which member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberWish {
    /// 32 hex digits.
    character: String,
}

fn party_id(text: &str) -> Result<PartyId, Refusal> {
    text.parse().map_err(|_| Refusal::new(Code::NotInvited, "there is no such party"))
}

async fn told(api: &Shared, changed: Changed) -> Json<PartyNow> {
    social::party_changed(&api.core, &changed).await;
    Json(PartyNow { party: changed.party.map(Into::into) })
}

/// Invite somebody; who is in no party begins one and leads it.
#[utoipa::path(post, operation_id = "invite_to_party", path = "/api/characters/{id}/party/invite", tag = "social", security(("access" = [])), request_body = NameWish,
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = PartyNow), (status = "default", body = Failure)))]
pub async fn invite(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
    Read(wish): Read<NameWish>,
) -> Answer<Json<PartyNow>> {
    let (name, new) = (name::check(&wish.name)?, PartyId(random::bytes()));
    let most = api.config.social.party_max;
    let (me, whom, (party, hears)) = deed(&api, &who, &text, move |tx, me| {
        let name = name.clone();
        Box::pin(async move {
            let whom = character::by_name(tx, &name).await?;
            let invited = party::invite(tx, (me.id, me.account), whom.id, new, most).await?;
            Ok((me, whom.id, invited))
        })
    })
    .await?;
    if hears {
        let from = json!({"id": me.id, "name": me.name});
        let notice = json!({"type": "party_invite", "party": party.id, "from": from});
        social::notify(&api.core, whom, &notice);
    }
    if party.id == new {
        return Ok(told(&api, Changed { party: Some(party), gone: Vec::new() }).await);
    }
    Ok(Json(PartyNow { party: Some(party.into()) }))
}

/// Come into a party that has invited.
#[utoipa::path(post, operation_id = "accept_party", path = "/api/characters/{id}/party/accept", tag = "social", security(("access" = [])), request_body = PartyWish,
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = PartyNow), (status = "default", body = Failure)))]
pub async fn accept(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
    Read(wish): Read<PartyWish>,
) -> Answer<Json<PartyNow>> {
    let (party, most) = (party_id(&wish.party)?, api.config.social.party_max);
    let changed = deed(&api, &who, &text, move |tx, me| {
        Box::pin(async move { party::accept(tx, me.id, party, most).await })
    });
    Ok(told(&api, changed.await?).await)
}

/// Do not come.
#[utoipa::path(post, operation_id = "decline_party", path = "/api/characters/{id}/party/decline", tag = "social", security(("access" = [])), request_body = PartyWish,
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn decline(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
    Read(wish): Read<PartyWish>,
) -> Answer<StatusCode> {
    let party = party_id(&wish.party)?;
    let changed = deed(&api, &who, &text, move |tx, me| {
        Box::pin(async move { party::decline(tx, me.id, party).await })
    });
    social::party_changed(&api.core, &changed.await?).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Go; who is in it for longest leads, if it was the leader.
#[utoipa::path(post, operation_id = "leave_party", path = "/api/characters/{id}/party/leave", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn leave(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
) -> Answer<StatusCode> {
    let changed =
        deed(&api, &who, &text, |tx, me| Box::pin(async move { party::leave(tx, me.id).await })).await?;
    social::party_changed(&api.core, &changed).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Send a member away, or take an invitation back.
#[utoipa::path(post, operation_id = "kick_from_party", path = "/api/characters/{id}/party/kick", tag = "social", security(("access" = [])), request_body = MemberWish,
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = PartyNow), (status = "default", body = Failure)))]
pub async fn kick(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
    Read(wish): Read<MemberWish>,
) -> Answer<Json<PartyNow>> {
    let whom = other(&wish.character)?;
    let changed =
        deed(&api, &who, &text, move |tx, me| Box::pin(async move { party::kick(tx, me.id, whom).await }));
    Ok(told(&api, changed.await?).await)
}

/// Have another member lead.
#[utoipa::path(post, operation_id = "lead_party", path = "/api/characters/{id}/party/leader", tag = "social", security(("access" = [])), request_body = MemberWish,
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = PartyNow), (status = "default", body = Failure)))]
pub async fn leader(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
    Read(wish): Read<MemberWish>,
) -> Answer<Json<PartyNow>> {
    let to = other(&wish.character)?;
    let changed =
        deed(&api, &who, &text, move |tx, me| Box::pin(async move { party::hand_over(tx, me.id, to).await }));
    Ok(told(&api, changed.await?).await)
}

/// Who was asked.
#[derive(Serialize, ToSchema)]
pub struct GatherAnswer {
    /// Members in the world that go along, or are asked whether they come.
    asked: usize,
}

/// Call everybody beside the leader: to the same world, place and layer. Who has not settled otherwise is asked.
#[utoipa::path(post, operation_id = "gather_party", path = "/api/characters/{id}/party/gather", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = GatherAnswer), (status = "default", body = Failure)))]
pub async fn gather(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
) -> Answer<Json<GatherAnswer>> {
    let me = character::get_own(&mut *api.store.reader().await?, who.account, id(&text)?).await?;
    Ok(Json(GatherAnswer { asked: gather::gather(&api.core, me.id).await? }))
}

/// Whether one comes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComeWish {
    /// Else it stays.
    come: bool,
}

/// Answer the leader's call.
#[utoipa::path(post, operation_id = "answer_call", path = "/api/characters/{id}/party/come", tag = "social", security(("access" = [])), request_body = ComeWish,
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn come(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
    Read(wish): Read<ComeWish>,
) -> Answer<StatusCode> {
    let me = character::get_own(&mut *api.store.reader().await?, who.account, id(&text)?).await?;
    gather::answer(&api.core, me.id, wish.come).await?;
    Ok(StatusCode::NO_CONTENT)
}
