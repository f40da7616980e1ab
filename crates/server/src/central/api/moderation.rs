//! Reports by players; and what operators do against who disturbs, with their key (docs/moderation.md).

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use pangea_world::chat::Kind;
use pangea_world::command::MINUTES_MAX;
use pangea_world::id::{AccountId, hex};
use pangea_world::messages::{Line, MAX_LINES, ReadSaid, SaidLine};
use pangea_world::{Code, Refusal, name};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::State as Shared;
use super::amend::reason;
use super::answer::{Answer, Failure, Read};
use super::character::id;
use super::data::Operator;
use super::login::Login;
use crate::address::Net;
use crate::central::chat;
use crate::central::commands::{address_of, named};
use crate::central::moderation::{self, By};
use crate::store::{account, audit, character, now_ms};

/// Whom a player reports, and what for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportWish {
    /// A character's name.
    name: String,
    /// 1 to 400 characters.
    text: String,
}

/// Report a character to those who keep the peace.
#[utoipa::path(post, path = "/api/characters/{id}/reports", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = ReportWish,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn report(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
    Read(wish): Read<ReportWish>,
) -> Answer<StatusCode> {
    let mine = character::get_own(&mut *api.store.reader().await?, who.account, id(&text)?).await?.id;
    let (target, _) = named(&api.core, &wish.name).await?;
    moderation::report(&api.core, mine, target, &wish.text).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whom an operator touches, for how long, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// A character's name, else an account's. To keep out an address: that, or address/prefix, or the name of a
    /// character that came from it.
    name: String,
    /// For so long from now, at most ten years; 0 takes it back. A kick has none.
    #[serde(default)]
    minutes: u64,
    /// For the audit log.
    reason: String,
}

impl Measure {
    fn by(&self) -> Result<By, Refusal> {
        Ok(By { actor: "operator".to_owned(), why: reason(&self.reason)? })
    }

    fn until_ms(&self) -> Result<i64, Refusal> {
        match self.minutes {
            0 => Ok(0),
            1..=MINUTES_MAX => Ok(now_ms() + self.minutes as i64 * 60_000),
            _ => Refusal::err(Code::BadRequest, "at most ten years"),
        }
    }
}

/// Whose a character of this name is, or the account of this name; `character:NAME` and `account:NAME` say which.
///
/// # Errors
/// `unknown_character`; `bad_request` if the name is one account's and another one's character's: whoever names a
/// character like somebody's account must not get what is meant for him.
async fn account_named(api: &Shared, text: &str) -> Result<AccountId, Refusal> {
    let (kind, text) = text.split_once(':').unwrap_or(("", text));
    let character = named(&api.core, text).await.map(|(_, subject)| subject.account);
    let account = match name::check(text) {
        Ok(name) => account::by_name(&mut *api.store.reader().await?, &name).await?.map(|found| found.id),
        Err(_) => None,
    };
    match (kind, character, account) {
        ("character", character, _) => character,
        ("account", Err(unknown), account) => account.ok_or(unknown),
        ("account", _, account) => {
            account.ok_or_else(|| Refusal::new(Code::UnknownCharacter, "there is no such account"))
        }
        ("", Ok(character), Some(account)) if character != account => Refusal::err(
            Code::BadRequest,
            format!(
                "an account and another one's character have this name: say account:{text} or character:{text}"
            ),
        ),
        ("", Ok(found), _) | ("", Err(_), Some(found)) => Ok(found),
        ("", Err(unknown), None) => Err(unknown),
        _ => Refusal::err(Code::BadRequest, "say character:NAME or account:NAME"),
    }
}

/// Mutes an account, or lets it speak again; also one that is not in the world.
#[utoipa::path(post, path = "/api/data/mute", tag = "data", security(("operator" = [])), request_body = Measure,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn mute(State(api): State<Shared>, _: Operator, Read(wish): Read<Measure>) -> Answer<StatusCode> {
    let (by, until_ms) = (wish.by()?, wish.until_ms()?);
    moderation::mute(&api.core, &by, account_named(&api, &wish.name).await?, until_ms).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Bans an account, or lets it come again; its login ends at once.
#[utoipa::path(post, path = "/api/data/ban", tag = "data", security(("operator" = [])), request_body = Measure,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn ban_named(
    State(api): State<Shared>,
    _: Operator,
    Read(wish): Read<Measure>,
) -> Answer<StatusCode> {
    let (by, until_ms) = (wish.by()?, wish.until_ms()?);
    moderation::ban(&api.core, &by, account_named(&api, &wish.name).await?, until_ms).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends an account's login; it may log in again.
#[utoipa::path(post, path = "/api/data/kick", tag = "data", security(("operator" = [])), request_body = Measure,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn kick(State(api): State<Shared>, _: Operator, Read(wish): Read<Measure>) -> Answer<StatusCode> {
    let by = wish.by()?;
    moderation::kick(&api.core, &by, account_named(&api, &wish.name).await?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps addresses out, or lets them in again; logins that came from there end at once.
#[utoipa::path(post, path = "/api/data/ban-address", tag = "data", security(("operator" = [])), request_body = Measure,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn ban_address(
    State(api): State<Shared>,
    _: Operator,
    Read(wish): Read<Measure>,
) -> Answer<StatusCode> {
    let (by, until_ms) = (wish.by()?, wish.until_ms()?);
    let net = match Net::read(&wish.name) {
        Some(net) => net,
        None => address_of(&named(&api.core, &wish.name).await?.1)?,
    };
    moderation::ban_address(&api.core, &by, net, until_ms).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What everybody is told.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Announcement {
    /// 1 to 400 characters.
    text: String,
    /// Only in this world.
    world: Option<String>,
}

/// Tells everybody who is in a world.
#[utoipa::path(post, path = "/api/data/announce", tag = "data", security(("operator" = [])), request_body = Announcement,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn announce(
    State(api): State<Shared>,
    _: Operator,
    Read(wish): Read<Announcement>,
) -> Answer<StatusCode> {
    let by = By { actor: "operator".to_owned(), why: String::new() };
    moderation::announce(&api.core, &by, &wish.text, wish.world.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What an account may.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelWish {
    /// A character's name, else an account's.
    name: String,
    /// 0 a player, 1 a game master, 2 an administrator.
    level: u8,
    /// For the audit log.
    reason: String,
}

/// Makes an account's owner a game master, an administrator, or a player again.
#[utoipa::path(post, path = "/api/data/level", tag = "data", security(("operator" = [])), request_body = LevelWish,
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn level(
    State(api): State<Shared>,
    _: Operator,
    Read(wish): Read<LevelWish>,
) -> Answer<StatusCode> {
    let by = By { actor: "operator".to_owned(), why: reason(&wish.reason)? };
    if wish.level > 2 {
        return Err(Refusal::new(Code::BadRequest, "a level is 0, 1 or 2").into());
    }
    moderation::set_level(&api.core, &by, account_named(&api, &wish.name).await?, wish.level).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which part.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// Only those before this number; the newest if not said.
    before: Option<i64>,
}

/// A character in a report.
#[derive(Serialize, ToSchema)]
pub struct ReportedCharacter {
    /// 32 hex digits.
    id: String,
    /// As shown.
    name: String,
}

/// What a player reported.
#[derive(Serialize, ToSchema)]
pub struct ReportData {
    /// Counts from 1.
    n: i64,
    /// ms since 1970.
    time_ms: i64,
    /// Who.
    reporter: ReportedCharacter,
    /// Whom.
    target: ReportedCharacter,
    /// What for.
    text: String,
}

/// Reports, newest first, at most 100.
#[derive(Serialize, ToSchema)]
pub struct ReportsData {
    reports: Vec<ReportData>,
}

/// What players reported.
#[utoipa::path(get, path = "/api/data/reports", tag = "data", security(("operator" = [])), params(Before),
    responses((status = 200, body = ReportsData), (status = "default", body = Failure)))]
pub async fn reports(
    State(api): State<Shared>,
    _: Operator,
    Query(part): Query<Before>,
) -> Answer<Json<ReportsData>> {
    let before = part.before.unwrap_or(i64::MAX);
    let found = crate::store::moderation::reports(&mut *api.store.reader().await?, before).await?;
    let of =
        |(id, name): (pangea_world::id::CharacterId, String)| ReportedCharacter { id: id.to_string(), name };
    let data = |report: crate::store::moderation::Report| ReportData {
        n: report.n,
        time_ms: report.time,
        reporter: of(report.reporter),
        target: of(report.target),
        text: report.text,
    };
    Ok(Json(ReportsData { reports: found.into_iter().map(data).collect() }))
}

/// Which part of the audit log.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Only those before this number; the newest if not said.
    before: Option<i64>,
    /// Only of this action, e.g. `mute`.
    action: Option<String>,
}

/// One entry of the audit log.
#[derive(Serialize, ToSchema)]
pub struct AuditData {
    /// Counts from 1 without a gap.
    n: i64,
    /// ms since 1970.
    time_ms: i64,
    /// Account, role or `operator`.
    actor: String,
    /// One word.
    action: String,
    /// Whom or what it touched.
    target: String,
    /// Further facts.
    detail: String,
}

/// Entries, newest first, at most 200.
#[derive(Serialize, ToSchema)]
pub struct AuditAnswer {
    entries: Vec<AuditData>,
}

/// Who did what to whom.
#[utoipa::path(get, path = "/api/data/audit", tag = "data", security(("operator" = [])), params(AuditQuery),
    responses((status = 200, body = AuditAnswer), (status = "default", body = Failure)))]
pub async fn audit_log(
    State(api): State<Shared>,
    _: Operator,
    Query(part): Query<AuditQuery>,
) -> Answer<Json<AuditAnswer>> {
    let before = part.before.unwrap_or(i64::MAX);
    let found = audit::entries(&mut *api.store.reader().await?, before, part.action.as_deref()).await?;
    let data = |entry: audit::Entry| {
        let [actor, action, target, detail] = entry.texts;
        AuditData { n: entry.n, time_ms: entry.time, actor, action, target, detail }
    };
    Ok(Json(AuditAnswer { entries: found.into_iter().map(data).collect() }))
}

/// Which part of what was said.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct SaidQuery {
    /// Only in this channel: `world/NAME`, `area/ID`, `system`; a `faction/ID`, `party/ID` or `to/CHARACTERID` only if
    /// it is named here.
    channel: Option<String>,
    /// Only by the character of this name.
    name: Option<String>,
    /// Only from this time on, ms since 1970.
    from_ms: Option<u64>,
    /// Only before this time, ms since 1970: `next_ms` of the page before. The newest if not said.
    before_ms: Option<u64>,
    /// At most so many, up to 200; none: 100.
    limit: Option<u32>,
}

/// One line.
#[derive(Serialize, ToSchema)]
pub struct SaidData {
    /// Where.
    channel: String,
    /// Who said it, 32 hex digits; zeros: the system.
    character: String,
    /// Of which account, 32 hex digits.
    account: String,
    /// The name then.
    name: String,
    /// ms since 1970.
    at_ms: u64,
    /// What.
    text: String,
}

/// Lines, newest first.
#[derive(Serialize, ToSchema)]
pub struct SaidAnswer {
    lines: Vec<SaidData>,
    /// `before_ms` of the next page; none: this was the last one.
    next_ms: Option<u64>,
}

/// What was said. Each look is an entry of the audit log.
#[utoipa::path(get, path = "/api/data/chat", tag = "data", security(("operator" = [])), params(SaidQuery),
    responses((status = 200, body = SaidAnswer), (status = "default", body = Failure)))]
pub async fn chat_log(
    State(api): State<Shared>,
    _: Operator,
    Query(part): Query<SaidQuery>,
) -> Answer<Json<SaidAnswer>> {
    let channel = part.channel.unwrap_or_default();
    if !channel.is_empty() && Kind::of_channel(&channel).is_none() {
        return Err(Refusal::new(Code::BadRequest, "there is no such channel").into());
    }
    let sender = match &part.name {
        Some(name) => named(&api.core, name).await?.0.to_vec(),
        None => Vec::new(),
    };
    let wanted = ReadSaid {
        channel,
        sender,
        from_ms: part.from_ms.unwrap_or(0),
        before_ms: part.before_ms.unwrap_or(0),
        most: part.limit.unwrap_or(100).clamp(1, MAX_LINES as u32),
        ..ReadSaid::default()
    };
    let target = part.name.unwrap_or_else(|| wanted.channel.clone());
    let ReadSaid { channel, from_ms, before_ms, most, .. } = &wanted;
    let detail = format!("«{channel}» from {from_ms} before {before_ms}, at most {most}");
    moderation::looked(&api.core, target, detail).await?;
    let chat::Page { lines, next_ms } = chat::said(&api.core, &wanted).await?;
    let data = |said: SaidLine| {
        let Line { sender, account, name, at_ms, text, .. } = said.line.unwrap_or_default();
        let (character, account) = (hex(&sender), hex(&account));
        SaidData { channel: said.channel, character, account, name, at_ms, text }
    };
    Ok(Json(SaidAnswer { lines: lines.into_iter().map(data).collect(), next_ms }))
}
