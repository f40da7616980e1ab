//! The market: what is offered lies in the ledger's parcel of the offer's id, and who buys it is decided there;
//! the rows here are written in the same transaction (`super::deed`).

use pangea_world::Code;
use pangea_world::id::{CharacterId, ParcelId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::mail::{self, NewMail};
use super::refuse;
use crate::store::{Error, id};

/// Most offers of one answer.
pub const MOST_LISTED: usize = 200;

/// An offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its id, and that of its parcel.
    pub id: ParcelId,
    /// Whose.
    pub seller: CharacterId,
    /// The game's name for it.
    pub template: String,
    /// From 1.
    pub quantity: i64,
    /// For all of it, from 1.
    pub price: i64,
    /// Until when, ms since 1970.
    pub until: i64,
}

const COLUMNS: &str = "SELECT id, seller, template, quantity, price, until FROM offer";

fn read(row: &AnyRow) -> Result<Offer, Error> {
    Ok(Offer {
        id: ParcelId(id(row, 0)?),
        seller: CharacterId(id(row, 1)?),
        template: row.try_get(2)?,
        quantity: row.try_get(3)?,
        price: row.try_get(4)?,
        until: row.try_get(5)?,
    })
}

/// One offer.
///
/// # Errors
/// `not_found`: it was bought, or taken back, or its time is over.
pub async fn get(connection: &mut AnyConnection, offer: ParcelId) -> Result<Offer, Error> {
    let sql = AssertSqlSafe(format!("{COLUMNS} WHERE id = $1"));
    match sqlx::query(sql).bind(offer.to_vec()).fetch_optional(connection).await? {
        Some(row) => read(&row),
        None => refuse(Code::NotFound, "this offer is not there any more"),
    }
}

/// Where a list goes on: after an offer of this template, price and id, whether it still stands or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The game's name for it.
    pub template: String,
    /// For all of it.
    pub price: i64,
    /// Its id.
    pub id: ParcelId,
}

impl Cursor {
    /// After this one.
    pub fn after(offer: &Offer) -> Self {
        Self { template: offer.template.clone(), price: offer.price, id: offer.id }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.price, self.id, self.template)
    }
}

impl std::str::FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '.');
        let (price, id, template) = (parts.next(), parts.next(), parts.next());
        Ok(Self {
            price: price.and_then(|price| price.parse().ok()).ok_or(())?,
            id: id.and_then(|id| id.parse().ok()).ok_or(())?,
            template: template.ok_or(())?.to_owned(),
        })
    }
}

/// Which offers are looked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The game's name for it; none: anything.
    pub template: Option<String>,
    /// Only of this character.
    pub seller: Option<CharacterId>,
    /// Only those after this one.
    pub after: Option<Cursor>,
}

/// Offers with the names of those whose they are, by template, cheapest first, that stand at this time.
///
/// # Errors
/// If the database fails.
pub async fn list(
    connection: &mut AnyConnection,
    wanted: Wanted,
    most: usize,
    now_ms: i64,
) -> Result<Vec<(Offer, String)>, Error> {
    let most = most.min(MOST_LISTED);
    let goes_on = wanted.after.is_some();
    let after = wanted.after.unwrap_or(Cursor { template: String::new(), price: 0, id: ParcelId([0; 16]) });
    let seller = wanted.seller.map(|seller| seller.to_vec());
    let sql = format!(
        "SELECT offer.id, offer.seller, offer.template, offer.quantity, offer.price, offer.until, character.name \
         FROM offer JOIN character ON character.id = offer.seller \
         WHERE offer.until > $1 AND ($2 IS NULL OR offer.template = $2) \
         AND ($3 = 0 OR offer.seller = $4) \
         AND ($5 = 0 OR offer.template > $6 OR (offer.template = $6 AND \
         (offer.price > $7 OR (offer.price = $7 AND offer.id > $8)))) \
         ORDER BY offer.template, offer.price, offer.id LIMIT {most}"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(now_ms)
        .bind(wanted.template)
        .bind(i64::from(seller.is_some()))
        .bind(seller.unwrap_or_default())
        .bind(i64::from(goes_on))
        .bind(after.template)
        .bind(after.price)
        .bind(after.id.to_vec())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok((read(row)?, row.try_get(6)?))).collect()
}

/// How many offers a character has.
///
/// # Errors
/// If the database fails.
pub async fn count(connection: &mut AnyConnection, of: CharacterId) -> Result<i64, Error> {
    let row = sqlx::query("SELECT COUNT(*) FROM offer WHERE seller = $1");
    Ok(row.bind(of.to_vec()).fetch_one(connection).await?.try_get(0)?)
}

/// Writes an offer.
///
/// # Errors
/// If the database fails.
pub async fn put(connection: &mut AnyConnection, offer: &Offer) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO offer (id, seller, template, quantity, price, until) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(offer.id.to_vec())
    .bind(offer.seller.to_vec())
    .bind(offer.template.clone())
    .bind(offer.quantity)
    .bind(offer.price)
    .bind(offer.until)
    .execute(connection)
    .await?;
    Ok(())
}

/// It does not stand any more.
///
/// # Errors
/// If the database fails.
pub async fn delete(connection: &mut AnyConnection, offer: ParcelId) -> Result<(), Error> {
    sqlx::query("DELETE FROM offer WHERE id = $1").bind(offer.to_vec()).execute(connection).await?;
    Ok(())
}

/// Whether the time of any offer is over.
///
/// # Errors
/// If the database fails.
pub async fn any_over(connection: &mut AnyConnection, now_ms: i64) -> Result<bool, Error> {
    let row = sqlx::query("SELECT 1 FROM offer WHERE until <= $1 LIMIT 1");
    Ok(row.bind(now_ms).fetch_optional(connection).await?.is_some())
}

/// Offers whose time is over go back by mail, a bounded number of them; to whom. The parcel is the same one: no
/// goods move.
///
/// # Errors
/// If the database fails.
pub async fn expire(connection: &mut AnyConnection, now_ms: i64) -> Result<Vec<CharacterId>, Error> {
    let sql = AssertSqlSafe(format!("{COLUMNS} WHERE until <= $1 ORDER BY until LIMIT 64"));
    let rows = sqlx::query(sql).bind(now_ms).fetch_all(&mut *connection).await?;
    let mut to = Vec::new();
    for row in &rows {
        let Offer { id, seller, template, quantity, .. } = read(row)?;
        delete(connection, id).await?;
        let new = NewMail {
            id,
            to: seller,
            from: None,
            from_name: "Market".into(),
            subject: "Not sold".into(),
            text: format!("Nobody bought your offer of {quantity} «{template}»."),
            holds: true,
        };
        mail::put(connection, &new).await?;
        if !to.contains(&seller) {
            to.push(seller);
        }
    }
    Ok(to)
}
