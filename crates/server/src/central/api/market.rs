//! The market: offer, buy, take back (docs/social.md).

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use pangea_world::id::{OpId, ParcelId};
use pangea_world::ledger::{Act, Coins, Holder, MOST_MONEY};
use pangea_world::{Code, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::State as Shared;
use super::answer::{Answer, Failure, Read, deny};
use super::character::id;
use super::enter::idempotency_key;
use super::friends::deed;
use super::login::Login;
use super::mail::{MadeAnswer, PartWish, body_hash, order, parcel};
use crate::central::social;
use crate::store::ledger::{journal, sheet};
use crate::store::social::deed::{self, Deed};
use crate::store::social::market::{self, Cursor, MOST_LISTED, Offer, Wanted};
use crate::store::{character, now_ms};
use crate::{clock, random};

/// What is looked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Looked {
    /// The game's name for it; none: anything.
    template: Option<String>,
    /// At most so many, up to 200; none: 100.
    limit: Option<usize>,
    /// Only what comes after the page that said this as `next`.
    after: Option<String>,
}

/// An offer.
#[derive(Serialize, ToSchema)]
pub struct OfferAnswer {
    /// 32 hex digits.
    id: String,
    /// Name of who sells.
    seller: String,
    /// The game's name for it.
    template: String,
    /// From 1.
    count: i64,
    /// For all of it.
    price: i64,
    /// Until when it stands, ms since 1970.
    until_ms: i64,
}

/// Offers.
#[derive(Serialize, ToSchema)]
pub struct OffersAnswer {
    /// By template, the cheapest first.
    offers: Vec<OfferAnswer>,
    /// Where the next page begins: `after` of it. None: this was the last one.
    next: Option<String>,
}

fn answer((offer, seller): (Offer, String)) -> OfferAnswer {
    OfferAnswer {
        id: offer.id.to_string(),
        seller,
        template: offer.template,
        count: offer.quantity,
        price: offer.price,
        until_ms: offer.until,
    }
}

/// What is offered.
#[utoipa::path(get, operation_id = "list_offers", path = "/api/market", tag = "social", security(("access" = [])), params(Looked),
    responses((status = 200, body = OffersAnswer), (status = "default", body = Failure)))]
pub async fn list(
    State(api): State<Shared>,
    Login(_): Login,
    Query(looked): Query<Looked>,
) -> Answer<Json<OffersAnswer>> {
    let most = looked.limit.unwrap_or(100).clamp(1, MOST_LISTED);
    let after = looked.after.map(|text| text.parse::<Cursor>()).transpose();
    let Ok(after) = after else { return deny(Code::BadRequest, "no page has said this") };
    let wanted = Wanted { template: looked.template, after, ..Wanted::default() };
    let offers = market::list(&mut *api.store.reader().await?, wanted, most, now_ms()).await?;
    api.store.flushed().await?;
    let last = offers.last().filter(|_| offers.len() == most);
    let next = last.map(|(offer, _)| Cursor::after(offer).to_string());
    Ok(Json(OffersAnswer { offers: offers.into_iter().map(answer).collect(), next }))
}

/// What a character offers: all of it.
#[utoipa::path(get, operation_id = "own_offers", path = "/api/characters/{id}/market", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = OffersAnswer), (status = "default", body = Failure)))]
pub async fn own(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
) -> Answer<Json<OffersAnswer>> {
    let mut reader = api.store.reader().await?;
    let me = character::get_own(&mut reader, who.account, id(&text)?).await?.id;
    let wanted = Wanted { seller: Some(me), ..Wanted::default() };
    let offers = market::list(&mut reader, wanted, MOST_LISTED, now_ms()).await?;
    drop(reader);
    api.store.flushed().await?;
    Ok(Json(OffersAnswer { offers: offers.into_iter().map(answer).collect(), next: None }))
}

/// What is to be offered.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferWish {
    /// Which stack of the character's, 32 hex digits.
    item: String,
    /// From 1 to all of it.
    count: i64,
    /// For all of it, from 1.
    price: i64,
}

/// Offer something of the character's. The same key is the same offer.
#[utoipa::path(post, path = "/api/characters/{id}/market", tag = "social", security(("access" = [])), request_body = OfferWish,
    params(("id" = String, Path, description = "32 hex digits"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible ASCII characters, a new one for each wish")),
    responses((status = 200, body = MadeAnswer), (status = "default", body = Failure)))]
pub async fn offer(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
    headers: HeaderMap,
    Read(wish): Read<OfferWish>,
) -> Answer<Json<MadeAnswer>> {
    let (key, hash) = (idempotency_key(&headers)?, body_hash("offer", &wish));
    if !(1..=MOST_MONEY).contains(&wish.price) {
        return deny(Code::AmountInvalid, "a price is from 1 on");
    }
    let part = PartWish { item: wish.item, count: wish.count }.part()?;
    let (me, op) = keyed(&api, &who, &text, (key, hash)).await?;
    let made = Json(MadeAnswer { id: op.to_string() });
    let mut reader = api.store.reader().await?;
    let sheet = sheet(&mut reader, Holder::Character(me)).await?;
    // Only now: the same wish may just have been done.
    if let Some(answer) = journal::answer(&mut reader, op).await? {
        api.store.flushed().await?;
        return Ok(answer.result().map(|_| made)?);
    }
    drop(reader);
    let stack = sheet.stacks.into_values().find(|stack| stack.id == part.item);
    let stack = stack.ok_or_else(|| Refusal::new(Code::UnknownItem, "the character has no such thing"))?;
    let hours = i64::try_from(api.config.social.offer_hours).unwrap_or(i64::MAX).min(24 * 365);
    let offer = Offer {
        id: ParcelId(op.0),
        seller: me,
        template: stack.template,
        quantity: part.quantity,
        price: wish.price,
        until: now_ms() + hours * 3_600_000,
    };
    let act = Act::Send { from: me, parcel: offer.id, parts: vec![part], coins: Vec::new() };
    order(&api, op, me, act, Deed::Offer(offer, api.config.social.offers_max)).await?;
    Ok(made)
}

/// The character, if it is this account's, and the operation for its key.
pub async fn keyed(
    api: &Shared,
    who: &crate::store::session::Session,
    text: &str,
    (key, hash): (String, [u8; 32]),
) -> Result<(pangea_world::id::CharacterId, OpId), Refusal> {
    let op = OpId::new(clock::unix_ms(), random::bytes());
    deed(api, who, text, move |tx, me| {
        let key = key.clone();
        Box::pin(async move { Ok((me.id, deed::key(tx, me.id, &key, hash, op).await?.0)) })
    })
    .await
}

/// Buy an offer: the goods are the character's, the money the seller's, at once.
#[utoipa::path(post, path = "/api/characters/{id}/market/{offer}/buy", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits"), ("offer" = String, Path, description = "32 hex digits"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible ASCII characters, a new one for each wish")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn buy(
    State(api): State<Shared>,
    Login(who): Login,
    Path((text, which)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let key = idempotency_key(&headers)?;
    let (which, hash) = (parcel(&which)?, body_hash("buy", &which));
    let (me, op) = keyed(&api, &who, &text, (key, hash)).await?;
    let mut reader = api.store.reader().await?;
    let found = market::get(&mut reader, which).await;
    // Only now: the same wish may just have been done.
    if let Some(answer) = journal::answer(&mut reader, op).await? {
        api.store.flushed().await?;
        return Ok(answer.result().map(|_| StatusCode::NO_CONTENT)?);
    }
    let found = found?;
    drop(reader);
    let (seller, money) = (found.seller, found.price);
    let price = Coins::new(&api.config.social.currency, money);
    let act = Act::Buy { by: me, seller, parcel: which, price };
    match order(&api, op, me, act, Deed::Bought(found)).await {
        // Somebody was faster.
        Err(refusal) if refusal.code == Code::SourceSpent => {
            return deny(Code::NotFound, "this offer is not there any more");
        }
        done => done?,
    }
    social::notify(&api.core, seller, &json!({"type": "market_sold", "offer": which, "money": money}));
    Ok(StatusCode::NO_CONTENT)
}

/// Take an offer back: the goods are the character's again.
#[utoipa::path(delete, path = "/api/characters/{id}/market/{offer}", tag = "social", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits"), ("offer" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn withdraw(
    State(api): State<Shared>,
    Login(who): Login,
    Path((text, which)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let which = parcel(&which)?;
    let me = character::get_own(&mut *api.store.reader().await?, who.account, id(&text)?).await?.id;
    let op = OpId::new(clock::unix_ms(), random::bytes());
    let act = Act::Receive { to: me, parcel: which };
    order(&api, op, me, act, Deed::Withdrawn { offer: which, by: me }).await?;
    Ok(StatusCode::NO_CONTENT)
}
