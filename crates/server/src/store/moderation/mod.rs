//! Who may not speak, from where nobody comes in, and what players report (docs/moderation.md).

use pangea_world::id::{AccountId, CharacterId, SessionId};
use pangea_world::{Code, Refusal};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::{Error, id, now_ms};

#[cfg(test)]
mod tests;

/// Most reports of one character in an hour.
pub const REPORTS_PER_HOUR: i64 = 10;

/// Most reports of one answer.
pub const REPORTS_MAX: i64 = 100;

/// Of whom a moderator speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Whose it is.
    pub account: AccountId,
    /// 0 a player, 1 a game master, 2 an administrator.
    pub level: u8,
    /// May not speak until then, ms since 1970.
    pub muted_until: i64,
    /// From where its last login came; empty: from this machine itself, or it never logged in.
    pub address: String,
}

/// The account of a character.
///
/// # Errors
/// `unknown_character`.
pub async fn of_character(connection: &mut AnyConnection, character: CharacterId) -> Result<Subject, Error> {
    let row = sqlx::query(
        "SELECT account.id, level, muted_until, COALESCE((SELECT address FROM session \
         WHERE session.account = account.id ORDER BY created DESC LIMIT 1), '') \
         FROM character JOIN account ON account.id = character.account \
         WHERE character.id = $1 AND character.deleted IS NULL",
    )
    .bind(character.to_vec())
    .fetch_optional(connection)
    .await?;
    let row = row.ok_or_else(|| Refusal::new(Code::UnknownCharacter, "there is no such character"))?;
    Ok(Subject {
        account: AccountId(id(&row, 0)?),
        level: row.try_get::<i64, _>(1)?.clamp(0, 255) as u8,
        muted_until: row.try_get(2)?,
        address: row.try_get(3)?,
    })
}

/// Whether a character may write what others read, as it may speak.
///
/// # Errors
/// `muted`; `unknown_character`.
pub async fn may_speak(connection: &mut AnyConnection, character: CharacterId) -> Result<(), Error> {
    if of_character(connection, character).await?.muted_until > now_ms() {
        return Err(Refusal::new(Code::Muted, "you may not speak yet").into());
    }
    Ok(())
}

/// An account may not speak until then (ms since 1970); 0: it may.
///
/// # Errors
/// `not_found`.
pub async fn mute(connection: &mut AnyConnection, account: AccountId, until: i64) -> Result<(), Error> {
    let done = sqlx::query("UPDATE account SET muted_until = $1 WHERE id = $2")
        .bind(until)
        .bind(account.to_vec())
        .execute(connection)
        .await?;
    some(done.rows_affected())
}

/// What an account may: 0 a player, 1 a game master, 2 an administrator.
///
/// # Errors
/// `not_found`.
pub async fn set_level(connection: &mut AnyConnection, account: AccountId, level: u8) -> Result<(), Error> {
    let done = sqlx::query("UPDATE account SET level = $1 WHERE id = $2")
        .bind(i64::from(level))
        .bind(account.to_vec())
        .execute(connection)
        .await?;
    some(done.rows_affected())
}

fn some(rows: u64) -> Result<(), Error> {
    if rows == 0 { Err(Refusal::new(Code::NotFound, "there is no such account").into()) } else { Ok(()) }
}

/// The characters of an account.
///
/// # Errors
/// If the database fails.
pub async fn characters(
    connection: &mut AnyConnection,
    account: AccountId,
) -> Result<Vec<CharacterId>, Error> {
    let rows = sqlx::query("SELECT id FROM character WHERE account = $1 AND deleted IS NULL")
        .bind(account.to_vec())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok(CharacterId(id(row, 0)?))).collect()
}

/// Notes from where a login came.
///
/// # Errors
/// If the database fails.
pub async fn note_address(
    connection: &mut AnyConnection,
    session: SessionId,
    address: &str,
) -> Result<(), Error> {
    sqlx::query("UPDATE session SET address = $1 WHERE id = $2")
        .bind(address.to_owned())
        .bind(session.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

/// Live logins that came from somewhere else than this machine: account, login, address.
///
/// # Errors
/// If the database fails.
pub async fn logins(connection: &mut AnyConnection) -> Result<Vec<(AccountId, SessionId, String)>, Error> {
    let rows = sqlx::query("SELECT account, id, address FROM session WHERE ended IS NULL AND address != ''")
        .fetch_all(connection)
        .await?;
    let login =
        |row: &AnyRow| Ok((AccountId(id(row, 0)?), SessionId(id(row, 1)?), row.try_get::<String, _>(2)?));
    rows.iter().map(login).collect()
}

/// An address block that is kept out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressBan {
    /// As address/prefix.
    pub block: String,
    /// ms since 1970.
    pub until: i64,
}

/// Keeps a block out until then; a time that is over lets it in.
///
/// # Errors
/// If the database fails.
pub async fn ban_address(
    connection: &mut AnyConnection,
    block: &str,
    until: i64,
    reason: &str,
) -> Result<(), Error> {
    sqlx::query("DELETE FROM address_ban WHERE until <= $1 OR block = $2")
        .bind(now_ms())
        .bind(block.to_owned())
        .execute(&mut *connection)
        .await?;
    if until > now_ms() {
        sqlx::query("INSERT INTO address_ban (block, until, reason, created) VALUES ($1, $2, $3, $4)")
            .bind(block.to_owned())
            .bind(until)
            .bind(reason.to_owned())
            .bind(now_ms())
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// All blocks that are kept out.
///
/// # Errors
/// If the database fails.
pub async fn address_bans(connection: &mut AnyConnection) -> Result<Vec<AddressBan>, Error> {
    let rows = sqlx::query("SELECT block, until FROM address_ban WHERE until > $1 ORDER BY block")
        .bind(now_ms())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok(AddressBan { block: row.try_get(0)?, until: row.try_get(1)? })).collect()
}

/// What a player reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Counts from 1.
    pub n: i64,
    /// When, ms since 1970.
    pub time: i64,
    /// Who reports.
    pub reporter: (CharacterId, String),
    /// Whom.
    pub target: (CharacterId, String),
    /// What for.
    pub text: String,
}

/// Notes a report.
///
/// # Errors
/// `too_many_requests` after [`REPORTS_PER_HOUR`].
pub async fn report(
    connection: &mut AnyConnection,
    reporter: CharacterId,
    target: CharacterId,
    text: &str,
) -> Result<(), Error> {
    let count: i64 = sqlx::query("SELECT COUNT(*) FROM report WHERE reporter = $1 AND time > $2")
        .bind(reporter.to_vec())
        .bind(now_ms() - 3_600_000)
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    if count >= REPORTS_PER_HOUR {
        let text = format!("at most {REPORTS_PER_HOUR} reports in an hour");
        return Err(Refusal::new(Code::TooManyRequests, text).into());
    }
    sqlx::query("INSERT INTO report (time, reporter, target, text) VALUES ($1, $2, $3, $4)")
        .bind(now_ms())
        .bind(reporter.to_vec())
        .bind(target.to_vec())
        .bind(text.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}

/// Reports before that number, newest first, at most [`REPORTS_MAX`].
///
/// # Errors
/// If the database fails.
pub async fn reports(connection: &mut AnyConnection, before: i64) -> Result<Vec<Report>, Error> {
    let rows = sqlx::query(
        "SELECT n, time, one.id, one.name, other.id, other.name, text FROM report \
         JOIN character AS one ON one.id = reporter JOIN character AS other ON other.id = target \
         WHERE n < $1 ORDER BY n DESC LIMIT $2",
    )
    .bind(before)
    .bind(REPORTS_MAX)
    .fetch_all(connection)
    .await?;
    let report = |row: &AnyRow| {
        Ok(Report {
            n: row.try_get(0)?,
            time: row.try_get(1)?,
            reporter: (CharacterId(id(row, 2)?), row.try_get(3)?),
            target: (CharacterId(id(row, 4)?), row.try_get(5)?),
            text: row.try_get(6)?,
        })
    };
    rows.iter().map(report).collect()
}
