//! Mail: letters with goods and money. What is sent along lies in the ledger's parcel of the mail's id, and who
//! claims it is decided there; the rows here are written in the same transaction (`super::deed`).

use pangea_world::Code;
use pangea_world::id::{CharacterId, ItemId, ParcelId};
use pangea_world::ledger::Holder;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::refuse;
use crate::store::{Error, id, now_ms};

/// A mail that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMail {
    /// Its id, and that of its parcel.
    pub id: ParcelId,
    /// To whom.
    pub to: CharacterId,
    /// From whom; `None`: from the market.
    pub from: Option<CharacterId>,
    /// Its name then.
    pub from_name: String,
    /// One line.
    pub subject: String,
    /// What is written.
    pub text: String,
    /// Whether something is in its parcel.
    pub holds: bool,
}

/// Something in a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Which stack.
    pub item: ItemId,
    /// The game's name for it.
    pub template: String,
    /// From 1.
    pub quantity: i64,
}

/// A mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Which.
    pub id: ParcelId,
    /// The sender's name then.
    pub from_name: String,
    /// One line.
    pub subject: String,
    /// What is written.
    pub text: String,
    /// When, ms since 1970.
    pub sent: i64,
    /// Whether something was sent along.
    pub holds: bool,
    /// Whether it was read.
    pub seen: bool,
    /// Whether what was sent along was claimed.
    pub claimed: bool,
    /// What is still in its parcel.
    pub items: Vec<Content>,
    /// Money of this currency that is still in it.
    pub money: i64,
}

/// How many mails a character has.
///
/// # Errors
/// If the database fails.
pub async fn count(connection: &mut AnyConnection, of: CharacterId) -> Result<i64, Error> {
    let row = sqlx::query("SELECT COUNT(*) FROM mail WHERE addressee = $1");
    Ok(row.bind(of.to_vec()).fetch_one(connection).await?.try_get(0)?)
}

/// How many of them it has not read.
///
/// # Errors
/// If the database fails.
pub async fn unread(connection: &mut AnyConnection, of: CharacterId) -> Result<i64, Error> {
    let row = sqlx::query("SELECT COUNT(*) FROM mail WHERE addressee = $1 AND seen = 0");
    Ok(row.bind(of.to_vec()).fetch_one(connection).await?.try_get(0)?)
}

/// Writes a mail.
///
/// # Errors
/// If the database fails.
pub async fn put(connection: &mut AnyConnection, new: &NewMail) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO mail (id, addressee, sender, sender_name, subject, text, sent, holds) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.id.to_vec())
    .bind(new.to.to_vec())
    .bind(new.from.map(CharacterId::to_vec))
    .bind(new.from_name.clone())
    .bind(new.subject.clone())
    .bind(new.text.clone())
    .bind(now_ms())
    .bind(i64::from(new.holds))
    .execute(connection)
    .await?;
    Ok(())
}

const COLUMNS: &str = "SELECT id, sender_name, subject, text, sent, holds, seen, claimed FROM mail";

fn read(row: &AnyRow) -> Result<Mail, Error> {
    let truth = |column| Ok::<_, Error>(row.try_get::<i64, _>(column)? != 0);
    Ok(Mail {
        id: ParcelId(id(row, 0)?),
        from_name: row.try_get(1)?,
        subject: row.try_get(2)?,
        text: row.try_get(3)?,
        sent: row.try_get(4)?,
        holds: truth(5)?,
        seen: truth(6)?,
        claimed: truth(7)?,
        items: Vec::new(),
        money: 0,
    })
}

/// A character's mails with what is in them, newest first.
///
/// # Errors
/// If the database fails.
pub async fn list(
    connection: &mut AnyConnection,
    of: CharacterId,
    currency: &str,
) -> Result<Vec<Mail>, Error> {
    let sql = AssertSqlSafe(format!("{COLUMNS} WHERE addressee = $1 ORDER BY sent DESC, id LIMIT 1000"));
    let rows = sqlx::query(sql).bind(of.to_vec()).fetch_all(&mut *connection).await?;
    let mut mails = rows.iter().map(read).collect::<Result<Vec<Mail>, Error>>()?;
    for mail in mails.iter_mut().filter(|mail| mail.holds && !mail.claimed) {
        let sheet = crate::store::ledger::sheet(&mut *connection, Holder::Parcel(mail.id)).await?;
        mail.money = sheet.amount(currency);
        let content = |stack: pangea_world::ledger::Stack| Content {
            item: stack.id,
            template: stack.template,
            quantity: stack.quantity,
        };
        mail.items = sheet.stacks.into_values().map(content).collect();
    }
    Ok(mails)
}

/// One mail of this character, without what is in it.
///
/// # Errors
/// `not_found`, also for another one's.
pub async fn get(connection: &mut AnyConnection, of: CharacterId, mail: ParcelId) -> Result<Mail, Error> {
    let sql = AssertSqlSafe(format!("{COLUMNS} WHERE id = $1 AND addressee = $2"));
    let row = sqlx::query(sql).bind(mail.to_vec()).bind(of.to_vec()).fetch_optional(connection).await?;
    match row {
        Some(row) => read(&row),
        None => refuse(Code::NotFound, "there is no such mail"),
    }
}

/// A mail was read.
///
/// # Errors
/// `not_found`.
pub async fn set_seen(connection: &mut AnyConnection, of: CharacterId, mail: ParcelId) -> Result<(), Error> {
    let done = sqlx::query("UPDATE mail SET seen = 1 WHERE id = $1 AND addressee = $2")
        .bind(mail.to_vec())
        .bind(of.to_vec())
        .execute(connection)
        .await?;
    if done.rows_affected() == 0 {
        return refuse(Code::NotFound, "there is no such mail");
    }
    Ok(())
}

/// What was in a mail is its addressee's now.
///
/// # Errors
/// If the database fails.
pub async fn set_claimed(connection: &mut AnyConnection, mail: ParcelId) -> Result<(), Error> {
    sqlx::query("UPDATE mail SET claimed = 1, seen = 1 WHERE id = $1")
        .bind(mail.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes a mail in which nothing is any more.
///
/// # Errors
/// `not_found`; `forbidden` as long as something is in it.
pub async fn delete(connection: &mut AnyConnection, of: CharacterId, mail: ParcelId) -> Result<(), Error> {
    let found = get(connection, of, mail).await?;
    if found.holds && !found.claimed {
        return refuse(Code::Forbidden, "something is in this mail; claim it first");
    }
    sqlx::query("DELETE FROM mail WHERE id = $1").bind(mail.to_vec()).execute(connection).await?;
    Ok(())
}
