//! A character's social window: friends, requests, blocks, status (docs/social.md).

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use futures_util::future::BoxFuture;
use pangea_world::id::CharacterId;
use pangea_world::social::{Member, PartyDoc};
use pangea_world::{Code, Refusal, name, text};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::State as Shared;
use super::answer::{Answer, Failure, Read, deny};
use super::character::id;
use super::login::Login;
use crate::central::{factions, presence, social};
use crate::store::character::{self, Character};
use crate::store::session::Session;
use crate::store::social::friends::{self, Asked, Calls, Ended, Visible};
use crate::store::social::{mail, party};
use crate::store::{Connection, Error, moderation};

/// Most characters of a status.
const STATUS_CHARS: usize = 80;

/// One transaction in the name of a character of this account.
///
/// # Errors
/// `unknown_character`, also for another account's; what the job refuses.
pub async fn deed<T, F>(api: &Shared, who: &Session, character: &str, job: F) -> Result<T, Refusal>
where
    T: Send + 'static,
    F: for<'c> Fn(&'c mut Connection, Character) -> BoxFuture<'c, Result<T, Error>>
        + Send
        + Sync
        + Clone
        + 'static,
{
    let (me, account) = (id(character)?, who.account);
    api.store
        .write(move |tx| {
            let job = job.clone();
            Box::pin(async move {
                let me = character::get_own(tx, account, me).await?;
                job(tx, me).await
            })
        })
        .await
}

/// Somebody.
#[derive(Serialize, ToSchema)]
pub struct WhoAnswer {
    /// 32 hex digits.
    pub id: String,
    /// As shown.
    pub name: String,
}

impl From<Member> for WhoAnswer {
    fn from(member: Member) -> Self {
        Self { id: member.id.to_string(), name: member.name }
    }
}

/// A friend.
#[derive(Serialize, ToSchema)]
pub struct FriendAnswer {
    /// 32 hex digits.
    id: String,
    /// As shown.
    name: String,
    /// Whether it is in the world, as far as it shows that.
    online: bool,
    /// In which one.
    world: Option<String>,
    /// The map, or the cells of the grid.
    place: Option<String>,
    /// What it says of itself.
    status: String,
}

/// What a character says of itself.
#[derive(Serialize, ToSchema)]
pub struct StatusData {
    /// At most 80 characters.
    text: String,
    /// Who sees whether it is in the world.
    visible: VisibleData,
    /// What becomes of it when its party's leader calls.
    calls: CallsData,
}

/// What becomes of a character when its party's leader calls.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallsData {
    /// It is asked.
    Ask,
    /// It goes along at once.
    Go,
    /// It stays, and hears nothing of it.
    Never,
}

impl From<Calls> for CallsData {
    fn from(calls: Calls) -> Self {
        match calls {
            Calls::Ask => Self::Ask,
            Calls::Go => Self::Go,
            Calls::Never => Self::Never,
        }
    }
}

impl From<CallsData> for Calls {
    fn from(calls: CallsData) -> Self {
        match calls {
            CallsData::Ask => Self::Ask,
            CallsData::Go => Self::Go,
            CallsData::Never => Self::Never,
        }
    }
}

/// Who sees whether a character is in the world.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VisibleData {
    /// Everybody.
    Everybody,
    /// Its friends.
    Friends,
    /// Nobody.
    Nobody,
}

impl From<Visible> for VisibleData {
    fn from(visible: Visible) -> Self {
        match visible {
            Visible::Everybody => Self::Everybody,
            Visible::Friends => Self::Friends,
            Visible::Nobody => Self::Nobody,
        }
    }
}

impl From<VisibleData> for Visible {
    fn from(visible: VisibleData) -> Self {
        match visible {
            VisibleData::Everybody => Self::Everybody,
            VisibleData::Friends => Self::Friends,
            VisibleData::Nobody => Self::Nobody,
        }
    }
}

/// Who waits for an answer.
#[derive(Serialize, ToSchema)]
pub struct RequestsAnswer {
    /// Who has asked this character.
    r#in: Vec<WhoAnswer>,
    /// Whom it has asked.
    out: Vec<WhoAnswer>,
}

/// A party.
#[derive(Serialize, ToSchema)]
pub struct PartyAnswer {
    /// 32 hex digits.
    id: String,
    /// Who leads it.
    leader: String,
    /// Everybody in it, in the order in which they came.
    members: Vec<WhoAnswer>,
}

impl From<PartyDoc> for PartyAnswer {
    fn from(party: PartyDoc) -> Self {
        Self {
            id: party.id.to_string(),
            leader: party.leader.to_string(),
            members: party.members.into_iter().map(Into::into).collect(),
        }
    }
}

/// An invitation into a party.
#[derive(Serialize, ToSchema)]
pub struct InviteAnswer {
    /// Which, 32 hex digits.
    party: String,
    /// By whom.
    from: WhoAnswer,
}

/// Membership in a faction.
#[derive(Serialize, ToSchema)]
pub struct MembershipAnswer {
    /// 32 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The role there.
    pub role: String,
}

/// An invitation into a faction.
#[derive(Serialize, ToSchema)]
pub struct FactionInviteAnswer {
    /// Which.
    pub faction: WhoAnswer,
    /// The role that is promised.
    pub role: String,
    /// By whom.
    pub from: WhoAnswer,
}

/// Everything that a social window shows.
#[derive(Serialize, ToSchema)]
pub struct SocialAnswer {
    /// What the character says of itself.
    status: StatusData,
    /// By name.
    friends: Vec<FriendAnswer>,
    /// Requests to be friends.
    requests: RequestsAnswer,
    /// Whom it does not hear.
    blocked: Vec<WhoAnswer>,
    /// Its party.
    party: Option<PartyAnswer>,
    /// Into which parties it is invited.
    invites: Vec<InviteAnswer>,
    /// The faction that it is a member of.
    faction: Option<MembershipAnswer>,
    /// Into which factions it is invited.
    faction_invites: Vec<FactionInviteAnswer>,
    /// Mails that it has not read.
    unread_mail: i64,
}

/// All of a character's social window.
#[utoipa::path(get, path = "/api/characters/{id}/social", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = SocialAnswer), (status = "default", body = Failure)))]
pub async fn social(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
) -> Answer<Json<SocialAnswer>> {
    let mut reader = api.store.reader().await?;
    let me = character::get_own(&mut reader, who.account, id(&text)?).await?.id;
    let status = friends::status(&mut reader, me).await?;
    let calls = friends::calls(&mut reader, me).await?;
    let found = friends::list(&mut reader, me).await?;
    let [asking, asked, blocked] = friends::others(&mut reader, me).await?;
    let party = match party::of(&mut reader, me).await? {
        Some(party) => party::get(&mut reader, party).await?,
        None => None,
    };
    let invites = party::invites(&mut reader, me).await?;
    let unread_mail = mail::unread(&mut reader, me).await?;
    let faction = factions::membership(&mut reader, me).await?;
    let faction_invites = factions::invites(&mut reader, me).await?;
    drop(reader);
    let state = api.core.state();
    let friend = |friend: friends::Friend| {
        let shows = friend.status.visible != Visible::Nobody;
        let seen = presence::seen(&state, friend.who.id).filter(|_| shows);
        let (world, place) = seen.map(|seen| (seen.world, seen.place)).unzip();
        FriendAnswer {
            id: friend.who.id.to_string(),
            name: friend.who.name,
            online: world.is_some(),
            world,
            place,
            status: friend.status.text,
        }
    };
    let all = |members: Vec<Member>| members.into_iter().map(WhoAnswer::from).collect();
    Ok(Json(SocialAnswer {
        status: StatusData { text: status.text, visible: status.visible.into(), calls: calls.into() },
        friends: found.into_iter().map(friend).collect(),
        requests: RequestsAnswer { r#in: all(asking), out: all(asked) },
        blocked: all(blocked),
        party: party.map(Into::into),
        invites: invites
            .into_iter()
            .map(|invite| InviteAnswer { party: invite.party.to_string(), from: invite.from.into() })
            .collect(),
        faction: faction.map(|known| MembershipAnswer {
            id: known.id.to_string(),
            name: known.name,
            role: known.role,
        }),
        faction_invites: faction_invites
            .into_iter()
            .map(|invite| FactionInviteAnswer {
                faction: WhoAnswer { id: invite.faction.to_string(), name: invite.name },
                role: invite.role,
                from: WhoAnswer { id: invite.from.0.to_string(), name: invite.from.1 },
            })
            .collect(),
        unread_mail,
    }))
}

/// What is new; what is not said stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusWish {
    /// At most 80 characters.
    text: Option<String>,
    /// Who sees whether it is in the world.
    visible: Option<VisibleData>,
    /// What becomes of it when its party's leader calls.
    calls: Option<CallsData>,
}

/// What a character says of itself from now on, and how it takes its leader's calls.
#[utoipa::path(put, path = "/api/characters/{id}/status", tag = "social", security(("access" = [])), request_body = StatusWish,
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn set_status(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
    Read(wish): Read<StatusWish>,
) -> Answer<StatusCode> {
    let line = wish.text.map(|text| text::line(&text, STATUS_CHARS)).transpose()?;
    let (visible, calls) = (wish.visible.map(Visible::from), wish.calls.map(Calls::from));
    deed(&api, &who, &text, move |tx, me| {
        let line = line.clone();
        Box::pin(async move {
            if line.is_some() {
                moderation::may_speak(tx, me.id).await?;
            }
            if let Some(calls) = calls {
                friends::set_calls(tx, me.id, calls).await?;
            }
            friends::set_status(tx, me.id, line, visible).await
        })
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Somebody by name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NameWish {
    /// Of a character.
    pub name: String,
}

/// Whether it was done at once.
#[derive(Serialize, ToSchema)]
pub struct AskedAnswer {
    /// They are friends now; else the other one has to say yes.
    friends: bool,
}

/// Ask somebody to be a friend; who has asked gets a yes by it.
#[utoipa::path(post, path = "/api/characters/{id}/friends", tag = "social", security(("access" = [])), request_body = NameWish,
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = AskedAnswer), (status = "default", body = Failure)))]
pub async fn befriend(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
    Read(wish): Read<NameWish>,
) -> Answer<Json<AskedAnswer>> {
    let name = name::check(&wish.name)?;
    let (me, other, asked) = deed(&api, &who, &text, move |tx, me| {
        let name = name.clone();
        Box::pin(async move {
            let other = character::by_name(tx, &name).await?;
            let asked = friends::ask(tx, (me.id, me.account), (other.id, other.account)).await?;
            Ok((me, other, asked))
        })
    })
    .await?;
    match asked {
        Asked::Nothing => {}
        Asked::Waits => {
            let notice = json!({"type": "friend_request", "from": {"id": me.id, "name": me.name}});
            social::notify(&api.core, other.id, &notice);
        }
        Asked::Friends => {
            for (one, two) in [(&me, &other), (&other, &me)] {
                tell_of_friend(&api, one.id, two).await?;
            }
        }
    }
    Ok(Json(AskedAnswer { friends: asked == Asked::Friends }))
}

async fn tell_of_friend(api: &Shared, who: CharacterId, friend: &Character) -> Result<(), Refusal> {
    let status = friends::status(&mut *api.store.reader().await?, friend.id).await?;
    let seen = presence::seen(&api.core.state(), friend.id).filter(|_| status.visible != Visible::Nobody);
    let notice = json!({"type": "friend", "friend": {
        "id": friend.id, "name": friend.name, "online": seen.is_some(), "world": seen.map(|seen| seen.world),
    }});
    social::notify(&api.core, who, &notice);
    Ok(())
}

/// End a friendship, take a request back, or decline one.
#[utoipa::path(delete, path = "/api/characters/{id}/friends/{other}", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits"), ("other" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn unfriend(
    State(api): State<Shared>,
    Login(who): Login,
    Path((text, other)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let other = id(&other)?;
    let (me, ended) = deed(&api, &who, &text, move |tx, me| {
        Box::pin(async move { Ok((me.id, friends::end(tx, me.id, other).await?)) })
    })
    .await?;
    if ended == Ended::Friends {
        social::notify(&api.core, other, &json!({"type": "unfriended", "id": me}));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Do not hear somebody any more, nor anybody of the same account.
#[utoipa::path(post, path = "/api/characters/{id}/blocks", tag = "social", security(("access" = [])), request_body = NameWish,
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn block(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
    Read(wish): Read<NameWish>,
) -> Answer<StatusCode> {
    let name = name::check(&wish.name)?;
    let (me, other, were_friends) = deed(&api, &who, &text, move |tx, me| {
        let name = name.clone();
        Box::pin(async move {
            let other = character::by_name(tx, &name).await?;
            let friends = friends::block(tx, me.id, (other.id, other.account)).await?;
            Ok((me.id, other.id, friends))
        })
    })
    .await?;
    social::changed(&api.core, &[me]).await;
    if were_friends {
        social::notify(&api.core, other, &json!({"type": "unfriended", "id": me}));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Hear somebody again.
#[utoipa::path(delete, path = "/api/characters/{id}/blocks/{other}", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits"), ("other" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn unblock(
    State(api): State<Shared>,
    Login(who): Login,
    Path((text, other)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let other = id(&other)?;
    let me = deed(&api, &who, &text, move |tx, me| {
        Box::pin(async move {
            friends::unblock(tx, me.id, other).await?;
            Ok(me.id)
        })
    })
    .await?;
    social::changed(&api.core, &[me]).await;
    Ok(StatusCode::NO_CONTENT)
}

/// An id of somebody who is not this account's; what is no id names nobody.
///
/// # Errors
/// `bad_request`.
pub fn other(text: &str) -> Answer<CharacterId> {
    text.parse().or_else(|_| deny(Code::BadRequest, "an id is 32 hex digits"))
}
