//! Mail of a character: send, read, claim, delete (docs/social.md).

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use pangea_world::id::{CharacterId, ItemId, OpId, ParcelId};
use pangea_world::ledger::{Act, Asker, Coins, Operation, Part, Writer};
use pangea_world::{Code, Refusal, name, text};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::State as Shared;
use super::answer::{Answer, Failure, Read, deny};
use super::character::id;
use super::enter::idempotency_key;
use super::friends::deed;
use super::login::Login;
use crate::central::social;
use crate::store::ledger::{Order, journal};
use crate::store::social::deed::{self, Deed};
use crate::store::social::mail::{self, Content, Mail, NewMail};
use crate::store::{character, moderation};
use crate::{clock, random};

/// Most characters of a subject and of a text, and most stacks of one mail.
const SUBJECT_CHARS: usize = 80;
const TEXT_CHARS: usize = 2_000;
const MOST_ITEMS: usize = 8;

/// Something in a mail.
#[derive(Serialize, ToSchema)]
pub struct ContentAnswer {
    /// Which stack, 32 hex digits.
    item: String,
    /// The game's name for it.
    template: String,
    /// From 1.
    count: i64,
}

impl From<Content> for ContentAnswer {
    fn from(content: Content) -> Self {
        Self { item: content.item.to_string(), template: content.template, count: content.quantity }
    }
}

/// A mail.
#[derive(Serialize, ToSchema)]
pub struct MailAnswer {
    /// 32 hex digits.
    id: String,
    /// The sender's name, as it was then.
    from: String,
    /// One line.
    subject: String,
    /// What is written.
    text: String,
    /// What is in it; nothing any more once it is claimed.
    items: Vec<ContentAnswer>,
    /// Money that is in it.
    money: i64,
    /// When it was sent, ms since 1970.
    sent_ms: i64,
    /// Whether it was read.
    read: bool,
    /// Whether what was in it was claimed.
    claimed: bool,
}

impl From<Mail> for MailAnswer {
    fn from(mail: Mail) -> Self {
        Self {
            id: mail.id.to_string(),
            from: mail.from_name,
            subject: mail.subject,
            text: mail.text,
            items: mail.items.into_iter().map(Into::into).collect(),
            money: mail.money,
            sent_ms: mail.sent,
            read: mail.seen,
            claimed: mail.claimed,
        }
    }
}

/// All mails of a character.
#[derive(Serialize, ToSchema)]
pub struct MailsAnswer {
    /// Newest first.
    mail: Vec<MailAnswer>,
}

/// A character's mails, newest first.
#[utoipa::path(get, operation_id = "list_mail", path = "/api/characters/{id}/mail", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = MailsAnswer), (status = "default", body = Failure)))]
pub async fn list(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
) -> Answer<Json<MailsAnswer>> {
    let mut reader = api.store.reader().await?;
    let me = character::get_own(&mut reader, who.account, id(&text)?).await?;
    let mails = mail::list(&mut reader, me.id, &api.config.social.currency).await?;
    drop(reader);
    api.store.flushed().await?;
    Ok(Json(MailsAnswer { mail: mails.into_iter().map(Into::into).collect() }))
}

/// Some of a stack.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartWish {
    /// Which stack, 32 hex digits.
    pub item: String,
    /// From 1 to all of it.
    pub count: i64,
}

impl PartWish {
    /// As the ledger takes it.
    ///
    /// # Errors
    /// `unknown_item`.
    pub fn part(&self) -> Result<Part, Refusal> {
        let unknown = |_| Refusal::new(Code::UnknownItem, "there is no such thing");
        Ok(Part { item: self.item.parse::<ItemId>().map_err(unknown)?, quantity: self.count })
    }
}

/// A mail to be sent.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailWish {
    /// Name of a character.
    to: String,
    /// One line of at most 80 characters.
    subject: String,
    /// At most 2,000 characters.
    #[serde(default)]
    text: String,
    /// At most 8.
    #[serde(default)]
    items: Vec<PartWish>,
    /// None: no money.
    #[serde(default)]
    money: i64,
}

/// What was made.
#[derive(Serialize, ToSchema)]
pub struct MadeAnswer {
    /// 32 hex digits.
    pub id: String,
}

/// Send a mail, with goods and money of the character if wished. The same key is the same mail.
#[utoipa::path(post, operation_id = "send_mail", path = "/api/characters/{id}/mail", tag = "social", security(("access" = [])), request_body = MailWish,
    params(("id" = String, Path, description = "32 hex digits"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible ASCII characters, a new one for each wish")),
    responses((status = 200, body = MadeAnswer), (status = "default", body = Failure)))]
pub async fn send(
    State(api): State<Shared>,
    Login(who): Login,
    Path(own): Path<String>,
    headers: HeaderMap,
    Read(wish): Read<MailWish>,
) -> Answer<Json<MadeAnswer>> {
    let key = idempotency_key(&headers)?;
    let to = name::check(&wish.to)?;
    let subject = text::line(&wish.subject, SUBJECT_CHARS)?;
    if subject.is_empty() {
        return deny(Code::TextInvalid, "a mail has a subject");
    }
    let body = text::lines(&wish.text, TEXT_CHARS)?;
    if wish.items.len() > MOST_ITEMS {
        return deny(Code::TooLarge, format!("a mail holds at most {MOST_ITEMS} things"));
    }
    if wish.money < 0 {
        return deny(Code::AmountInvalid, "nobody sends debts");
    }
    let parts = wish.items.iter().map(PartWish::part).collect::<Result<Vec<Part>, Refusal>>()?;
    let coins: Vec<Coins> =
        (wish.money > 0).then(|| Coins::new(&api.config.social.currency, wish.money)).into_iter().collect();
    let (hash, holds) = (body_hash("mail", &wish), !parts.is_empty() || !coins.is_empty());
    let (op, most) = (OpId::new(clock::unix_ms(), random::bytes()), api.config.social.mails_max);
    let (me, to, op, done) = deed(&api, &who, &own, move |tx, me| {
        let (key, to, subject, body) = (key.clone(), to.clone(), subject.clone(), body.clone());
        Box::pin(async move {
            let (op, first) = deed::key(tx, me.id, &key, hash, op).await?;
            if !first && !holds {
                return Ok((me.id, None, op, true));
            }
            moderation::may_speak(tx, me.id).await?;
            let to = character::by_name(tx, &to).await?.id;
            if to == me.id {
                return Err(Refusal::new(Code::BadRequest, "nobody writes to himself").into());
            }
            let new = NewMail {
                id: ParcelId(op.0),
                to,
                from: Some(me.id),
                from_name: me.name,
                subject,
                text: body,
                holds,
            };
            let deed = Deed::Mail(Box::new(new), me.account, most);
            if !holds {
                deed.check(tx).await?;
                deed.apply(tx).await?;
            }
            Ok((me.id, Some((to, deed)), op, !holds))
        })
    })
    .await?;
    if let Some((to, deed)) = to {
        if !done {
            let act = Act::Send { from: me, parcel: ParcelId(op.0), parts, coins };
            order(&api, op, me, act, deed).await?;
        }
        tell_unread(&api, to).await;
    }
    Ok(Json(MadeAnswer { id: op.to_string() }))
}

/// Has a player's operation done, in one transaction with its rows; one that was decided before is answered as it
/// was then.
///
/// # Errors
/// As the rows or the ledger refuse it.
pub async fn order(
    api: &Shared,
    op: OpId,
    character: CharacterId,
    act: Act,
    deed: Deed,
) -> Result<(), Refusal> {
    if let Some(answer) = journal::answer(&mut *api.store.reader().await?, op).await? {
        api.store.flushed().await?;
        return answer.result().map(drop);
    }
    let operation = Operation { id: op, by: Writer::Player { character }, act };
    let order = Order::new(Asker::Player, operation).with(deed);
    api.core.ledger.ask(order).await?.result().map(drop)
}

/// What tells one wish from another under the same key.
pub fn body_hash(kind: &str, wish: &impl Serialize) -> [u8; 32] {
    let text = serde_json::to_string(&(kind, wish)).unwrap_or_default();
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// Tells a character how many mails it has not read.
pub async fn tell_unread(api: &Shared, who: CharacterId) {
    let unread = async { Ok::<_, Refusal>(mail::unread(&mut *api.store.reader().await?, who).await?) };
    if let Ok(unread) = unread.await {
        social::notify(&api.core, who, &json!({"type": "mail", "unread": unread}));
    }
}

/// An id of a mail or an offer.
///
/// # Errors
/// `not_found`: what is no id names nothing.
pub fn parcel(text: &str) -> Result<ParcelId, Refusal> {
    text.parse().map_err(|_| Refusal::new(Code::NotFound, "there is no such thing"))
}

/// Claim what is in a mail. A repeat changes nothing.
#[utoipa::path(post, operation_id = "claim_mail", path = "/api/characters/{id}/mail/{mail}/claim", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits"), ("mail" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn claim(
    State(api): State<Shared>,
    Login(who): Login,
    Path((text, which)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let which = parcel(&which)?;
    let (me, found) = {
        let mut reader = api.store.reader().await?;
        let me = character::get_own(&mut reader, who.account, id(&text)?).await?.id;
        (me, mail::get(&mut reader, me, which).await?)
    };
    if found.holds && !found.claimed {
        let act = Act::Receive { to: me, parcel: which };
        let op = OpId::new(clock::unix_ms(), random::bytes());
        match order(&api, op, me, act, Deed::Claim { mail: which, by: me }).await {
            // Somebody with the same login was faster: it is claimed, as was wished.
            Err(refusal) if refusal.code == Code::SourceSpent => {}
            done => done?,
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A mail was read.
#[utoipa::path(put, operation_id = "read_mail", path = "/api/characters/{id}/mail/{mail}/read", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits"), ("mail" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn read(
    State(api): State<Shared>,
    Login(who): Login,
    Path((text, which)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let which = parcel(&which)?;
    deed(&api, &who, &text, move |tx, me| Box::pin(async move { mail::set_seen(tx, me.id, which).await }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a mail in which nothing is any more.
#[utoipa::path(delete, operation_id = "delete_mail", path = "/api/characters/{id}/mail/{mail}", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits"), ("mail" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn delete(
    State(api): State<Shared>,
    Login(who): Login,
    Path((text, which)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let which = parcel(&which)?;
    deed(&api, &who, &text, move |tx, me| Box::pin(async move { mail::delete(tx, me.id, which).await }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
