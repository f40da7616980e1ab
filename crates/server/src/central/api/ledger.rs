//! Goods, money and the journal for operators: read, give, take, check.

use axum::Json;
use axum::extract::{Path, Query, State};
use pangea_world::id::{CharacterId, ItemId, OpId};
use pangea_world::ledger::{Act, Asker, Bundle, Coins, Goods, Holder, MOST_QUANTITY, Operation, Writer};
use pangea_world::{Code, Refusal};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::State as Shared;
use super::answer::{Answer, Failure, Read};
use super::character::id;
use super::data::Operator;
use super::login::Login;
use crate::store::Connection;
use crate::store::character;
use crate::store::ledger::journal::{self, Entry};
use crate::store::ledger::{Order, sheet, sums};
use crate::{clock, random};

/// One stack.
#[derive(Serialize, ToSchema)]
pub struct StackData {
    /// 32 hex digits.
    id: String,
    /// Where it lies, from 0.
    slot: u32,
    /// The game's name for it.
    template: String,
    /// From 1.
    quantity: i64,
}

/// Money of one currency.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CoinsData {
    /// The game's name for it.
    currency: String,
    /// How much; in a wish 1 to 2^53 - 1.
    amount: i64,
}

/// One quest.
#[derive(Serialize, ToSchema)]
pub struct StandingData {
    /// The game's name for it.
    id: String,
    /// Which step is open, from 0.
    step: u32,
    /// Whether it ended and its reward was given.
    completed: bool,
}

/// What a character has.
#[derive(Serialize, ToSchema)]
pub struct BelongingsData {
    /// Sorted by slot.
    items: Vec<StackData>,
    /// Sorted by currency.
    money: Vec<CoinsData>,
    /// Sorted by id.
    quests: Vec<StandingData>,
}

/// What a character has, as far as it is durable.
#[utoipa::path(get, path = "/api/data/characters/{id}/belongings", tag = "data", security(("operator" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = BelongingsData), (status = "default", body = Failure)))]
pub async fn belongings(
    State(api): State<Shared>,
    _: Operator,
    Path(text): Path<String>,
) -> Answer<Json<BelongingsData>> {
    let mut reader = api.store.reader().await?;
    let found = character::get(&mut reader, id(&text)?).await?;
    of_holder(&api, &mut reader, found.id).await
}

/// What a character of the account has, as far as it is durable: whose ids mail and market take.
#[utoipa::path(get, path = "/api/characters/{id}/belongings", tag = "character", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = BelongingsData), (status = "default", body = Failure)))]
pub async fn own(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
) -> Answer<Json<BelongingsData>> {
    let mut reader = api.store.reader().await?;
    let found = character::get_own(&mut reader, who.account, id(&text)?).await?;
    of_holder(&api, &mut reader, found.id).await
}

async fn of_holder(
    api: &Shared,
    reader: &mut Connection,
    character: CharacterId,
) -> Answer<Json<BelongingsData>> {
    let sheet = sheet(reader, Holder::Character(character)).await?;
    api.store.flushed().await?;
    let stack = |(slot, stack): (u32, pangea_world::ledger::Stack)| StackData {
        id: stack.id.to_string(),
        slot,
        template: stack.template,
        quantity: stack.quantity,
    };
    Ok(Json(BelongingsData {
        items: sheet.stacks.into_iter().map(stack).collect(),
        money: sheet
            .money
            .into_iter()
            .map(|(currency, money)| CoinsData { currency, amount: money.amount })
            .collect(),
        quests: sheet
            .quests
            .into_iter()
            .map(|(id, standing)| StandingData { id, step: standing.step, completed: standing.completed })
            .collect(),
    }))
}

/// Goods in a wish.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GoodsWish {
    /// The game's name for it.
    template: String,
    /// 1 to 1,000,000,000.
    quantity: i64,
    /// How many fit on one stack; none: any number.
    most: Option<i64>,
}

/// What an operator gives or takes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleWish {
    /// Why, for the journal.
    reason: String,
    /// The operation's id from an earlier answer, to ask again without doing it twice; 32 hex digits.
    op: Option<String>,
    /// At most 16.
    #[serde(default)]
    goods: Vec<GoodsWish>,
    /// At most 16.
    #[serde(default)]
    coins: Vec<CoinsData>,
}

/// An operation that was done.
#[derive(Serialize, ToSchema)]
pub struct DoneData {
    /// Its id: a repeat with it gets this answer again.
    op: String,
    /// Whether it had been done before.
    repeat: bool,
}

/// Gives goods and money to a character.
#[utoipa::path(post, path = "/api/data/characters/{id}/grant", tag = "data", security(("operator" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = BundleWish,
    responses((status = 200, body = DoneData), (status = "default", body = Failure)))]
pub async fn grant(
    State(api): State<Shared>,
    _: Operator,
    Path(text): Path<String>,
    Read(wish): Read<BundleWish>,
) -> Answer<Json<DoneData>> {
    let to = id(&text)?;
    operate(&api, wish, |gets| Act::Grant { to, gets }).await
}

/// Takes goods and money from a character.
#[utoipa::path(post, path = "/api/data/characters/{id}/seize", tag = "data", security(("operator" = [])),
    params(("id" = String, Path, description = "32 hex digits")), request_body = BundleWish,
    responses((status = 200, body = DoneData), (status = "default", body = Failure)))]
pub async fn seize(
    State(api): State<Shared>,
    _: Operator,
    Path(text): Path<String>,
    Read(wish): Read<BundleWish>,
) -> Answer<Json<DoneData>> {
    let from = id(&text)?;
    operate(&api, wish, |gives| Act::Seize { from, gives }).await
}

async fn operate(api: &Shared, wish: BundleWish, act: impl FnOnce(Bundle) -> Act) -> Answer<Json<DoneData>> {
    let goods = wish.goods.into_iter().map(|goods| Goods {
        template: goods.template,
        quantity: goods.quantity,
        most: goods.most.unwrap_or(MOST_QUANTITY),
    });
    let coins = wish.coins.into_iter().map(|coins| Coins { currency: coins.currency, amount: coins.amount });
    let bundle = Bundle { goods: goods.collect(), coins: coins.collect() };
    order(api, wish.op.as_deref(), wish.reason, act(bundle)).await
}

/// Has an operator's act done; `op` is the id of an earlier try.
///
/// # Errors
/// As the ledger refuses it.
pub async fn order(api: &Shared, op: Option<&str>, reason: String, act: Act) -> Answer<Json<DoneData>> {
    let op = match op {
        None => OpId::new(clock::unix_ms(), random::bytes()),
        Some(text) => {
            text.parse().map_err(|_| Refusal::new(Code::BadRequest, "an operation's id is 32 hex digits"))?
        }
    };
    let operation = Operation { id: op, by: Writer::Operator { reason }, act };
    let answer = api.core.ledger.ask(Order::new(Asker::Operator, operation)).await?;
    answer.result()?;
    Ok(Json(DoneData { op: op.to_string(), repeat: answer.repeat }))
}

/// One entry of the journal.
#[derive(Serialize, ToSchema)]
pub struct EntryData {
    /// Counts from 1 without a gap.
    n: i64,
    /// By central's clock, ms since 1970.
    time_ms: i64,
    /// The operation's id.
    op: String,
    /// The refusal's code; none: it was done.
    refused: Option<String>,
    /// The operation.
    #[schema(value_type = Object)]
    operation: serde_json::Value,
    /// The rows after it, or the refusal's sentence.
    #[schema(value_type = Object)]
    answer: serde_json::Value,
}

impl From<Entry> for EntryData {
    fn from(entry: Entry) -> Self {
        let json = |text: String| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
        Self {
            n: entry.n,
            time_ms: entry.time,
            op: entry.op.to_string(),
            refused: (!entry.code.is_empty()).then_some(entry.code),
            operation: json(entry.body),
            answer: json(entry.answer),
        }
    }
}

/// A part of the journal.
#[derive(Serialize, ToSchema)]
pub struct EntriesData {
    /// At most as many as were asked for.
    entries: Vec<EntryData>,
}

/// Which part.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// Only entries before this one; none: the newest.
    before: Option<i64>,
    /// At most 1,000; none: 100.
    most: Option<i64>,
}

/// What concerned a character, newest first.
#[utoipa::path(get, path = "/api/data/characters/{id}/journal", tag = "data", security(("operator" = [])),
    params(("id" = String, Path, description = "32 hex digits"), Before),
    responses((status = 200, body = EntriesData), (status = "default", body = Failure)))]
pub async fn of_character(
    State(api): State<Shared>,
    _: Operator,
    Path(text): Path<String>,
    Query(part): Query<Before>,
) -> Answer<Json<EntriesData>> {
    let (before, most) = (part.before.unwrap_or(i64::MAX), part.most.unwrap_or(100).clamp(1, 1_000));
    let entries = journal::of_character(&mut *api.store.reader().await?, id(&text)?, before, most).await?;
    api.store.flushed().await?;
    Ok(Json(EntriesData { entries: entries.into_iter().map(Into::into).collect() }))
}

/// From where on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// Only entries after this one; none: from the first.
    after: Option<i64>,
}

/// The way of one stack.
#[derive(Serialize, ToSchema)]
pub struct ItemEntriesData {
    /// Oldest first, at most 1,000.
    entries: Vec<EntryData>,
    /// How far the journal was read; if `more`, ask again after it.
    to: i64,
    /// Whether the journal goes on.
    more: bool,
}

/// What happened to a stack since it was made, over a part of the journal.
#[utoipa::path(get, path = "/api/data/items/{id}/journal", tag = "data", security(("operator" = [])),
    params(("id" = String, Path, description = "32 hex digits"), After),
    responses((status = 200, body = ItemEntriesData), (status = "default", body = Failure)))]
pub async fn of_item(
    State(api): State<Shared>,
    _: Operator,
    Path(text): Path<String>,
    Query(part): Query<After>,
) -> Answer<Json<ItemEntriesData>> {
    let unknown = |_| Refusal::new(Code::UnknownItem, "there is no such thing");
    let item: ItemId = text.parse().map_err(unknown)?;
    let (entries, to, more) =
        journal::of_item(&mut *api.store.reader().await?, item, part.after.unwrap_or(0)).await?;
    api.store.flushed().await?;
    Ok(Json(ItemEntriesData { entries: entries.into_iter().map(Into::into).collect(), to, more }))
}

/// How far the journal's chain of hashes is whole.
#[derive(Serialize, ToSchema)]
pub struct CheckedData {
    /// How far it was read; if `more`, ask again after it.
    to: i64,
    /// Whether the journal goes on.
    more: bool,
    /// Where it is broken: the last entry of the first transaction that is not as it was written.
    broken: Option<i64>,
}

/// Follows the journal's chain of hashes over a part of it.
#[utoipa::path(get, path = "/api/data/journal/check", tag = "data", security(("operator" = [])), params(After),
    responses((status = 200, body = CheckedData), (status = "default", body = Failure)))]
pub async fn check(
    State(api): State<Shared>,
    _: Operator,
    Query(part): Query<After>,
) -> Answer<Json<CheckedData>> {
    let after = part.after.unwrap_or(0);
    let checked = journal::check(&mut *api.store.reader().await?, after, journal::MOST_ENTRIES).await?;
    api.store.flushed().await?;
    Ok(Json(CheckedData { to: checked.to, more: checked.more, broken: checked.broken }))
}

/// All money of one currency.
#[derive(Serialize, ToSchema)]
pub struct SumData {
    /// The game's name for it.
    currency: String,
    /// The bank's: what it gave out stands here below 0.
    bank: i64,
    /// Of all characters together; with the bank's it is 0.
    held: i64,
}

/// All money.
#[derive(Serialize, ToSchema)]
pub struct SumsData {
    /// Sorted by currency.
    currencies: Vec<SumData>,
}

/// How much money there is: of each currency the bank's and everybody else's, which are 0 together.
#[utoipa::path(get, path = "/api/data/money", tag = "data", security(("operator" = [])),
    responses((status = 200, body = SumsData), (status = "default", body = Failure)))]
pub async fn all_money(State(api): State<Shared>, _: Operator) -> Answer<Json<SumsData>> {
    let sums = sums(&mut *api.store.reader().await?).await?;
    api.store.flushed().await?;
    let data =
        |sum: crate::store::ledger::Sum| SumData { currency: sum.currency, bank: sum.bank, held: sum.held };
    Ok(Json(SumsData { currencies: sums.into_iter().map(data).collect() }))
}
