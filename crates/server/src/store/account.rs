//! Accounts: name, password hash, level, ban.

use pangea_world::id::AccountId;
use pangea_world::name::Name;
use pangea_world::{Code, Refusal};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::{Error, id, now_ms};

/// One account's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Who.
    pub id: AccountId,
    /// As shown.
    pub name: String,
    /// argon2id in its text form.
    pub password_hash: String,
    /// 0: a player.
    pub level: u16,
    /// Banned until then, ms since 1970; 0: not banned.
    pub banned_until: i64,
}

fn read(row: &AnyRow) -> Result<Account, Error> {
    Ok(Account {
        id: AccountId(id(row, 0)?),
        name: row.try_get(1)?,
        password_hash: row.try_get(2)?,
        level: row.try_get::<i64, _>(3)? as u16,
        banned_until: row.try_get(4)?,
    })
}

/// Makes an account; the caller draws the id, so that a repeated job makes the same one.
///
/// # Errors
/// `name_taken`.
pub async fn create(
    connection: &mut AnyConnection,
    account: AccountId,
    name: &Name,
    password_hash: &str,
) -> Result<(), Error> {
    let done = sqlx::query(
        "INSERT INTO account (id, name, name_key, password_hash, created) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (name_key) DO NOTHING",
    )
    .bind(account.to_vec())
    .bind(name.shown.clone())
    .bind(name.key.clone())
    .bind(password_hash.to_owned())
    .bind(now_ms())
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(Refusal::new(Code::NameTaken, "that name, or one that looks like it, is taken").into());
    }
    Ok(())
}

/// The account that is known by this name, by its key.
///
/// # Errors
/// If the database fails.
pub async fn by_name(connection: &mut AnyConnection, name: &Name) -> Result<Option<Account>, Error> {
    let row =
        sqlx::query("SELECT id, name, password_hash, level, banned_until FROM account WHERE name_key = $1")
            .bind(name.key.clone())
            .fetch_optional(connection)
            .await?;
    row.as_ref().map(read).transpose()
}

/// Bans an account until then (ms since 1970); 0 lifts the ban.
///
/// # Errors
/// `not_found`.
pub async fn ban(connection: &mut AnyConnection, account: AccountId, until: i64) -> Result<(), Error> {
    let done = sqlx::query("UPDATE account SET banned_until = $1 WHERE id = $2")
        .bind(until)
        .bind(account.to_vec())
        .execute(connection)
        .await?;
    if done.rows_affected() == 0 {
        return Err(Refusal::new(Code::NotFound, "there is no such account").into());
    }
    Ok(())
}
