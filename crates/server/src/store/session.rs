//! Sessions: one login each, known by the SHA-256 of its tokens. An account has one live session at most.

use pangea_world::id::{AccountId, CharacterId, SessionId};
use pangea_world::{Code, Refusal};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::{Error, id, now_ms, optional_id};

/// SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// The two tokens of a session, as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// SHA-256 of the access token.
    pub access: TokenHash,
    /// Good until then, ms since 1970.
    pub access_until: i64,
    /// SHA-256 of the refresh token.
    pub refresh: TokenHash,
    /// Good until then, ms since 1970.
    pub refresh_until: i64,
}

/// One session's row, with what belongs to its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Which login.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// The account's name as shown.
    pub account_name: String,
    /// The account is banned until then, ms since 1970; 0: not.
    pub banned_until: i64,
    /// The access token is good until then, ms since 1970.
    pub access_until: i64,
    /// The refresh token is good until then, ms since 1970.
    pub refresh_until: i64,
    /// Why it ended, in one word; `None`: it lives.
    pub ended_why: Option<String>,
    /// Who plays in it.
    pub selected: Option<CharacterId>,
}

const SELECT: &str = "SELECT session.id, session.account, account.name, account.banned_until, session.access_until, \
    session.refresh_until, session.ended_why, session.selected \
    FROM session JOIN account ON account.id = session.account";

fn read(row: &AnyRow) -> Result<Session, Error> {
    Ok(Session {
        id: SessionId(id(row, 0)?),
        account: AccountId(id(row, 1)?),
        account_name: row.try_get(2)?,
        banned_until: row.try_get(3)?,
        access_until: row.try_get(4)?,
        refresh_until: row.try_get(5)?,
        ended_why: row.try_get(6)?,
        selected: optional_id(row, 7)?.map(CharacterId),
    })
}

/// Opens a session and ends the account's live one, which is answered.
///
/// # Errors
/// If the database fails.
pub async fn open(
    connection: &mut AnyConnection,
    session: SessionId,
    account: AccountId,
    tokens: &Tokens,
) -> Result<Option<SessionId>, Error> {
    let now = now_ms();
    let previous = sqlx::query(
        "UPDATE session SET ended = $1, ended_why = 'taken_over' WHERE account = $2 AND ended IS NULL RETURNING id",
    )
    .bind(now)
    .bind(account.to_vec())
    .fetch_optional(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO session (id, account, access_hash, access_until, refresh_hash, refresh_until, created) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(session.to_vec())
    .bind(account.to_vec())
    .bind(tokens.access.to_vec())
    .bind(tokens.access_until)
    .bind(tokens.refresh.to_vec())
    .bind(tokens.refresh_until)
    .bind(now)
    .execute(connection)
    .await?;
    previous.map(|row| Ok(SessionId(id(&row, 0)?))).transpose()
}

/// The session of this access token, live or ended.
///
/// # Errors
/// If the database fails.
pub async fn by_access(connection: &mut AnyConnection, access: TokenHash) -> Result<Option<Session>, Error> {
    let sql = AssertSqlSafe(format!("{SELECT} WHERE session.access_hash = $1"));
    let row = sqlx::query(sql).bind(access.to_vec()).fetch_optional(connection).await?;
    row.as_ref().map(read).transpose()
}

/// The session of this id, live or ended.
///
/// # Errors
/// If the database fails.
pub async fn get(connection: &mut AnyConnection, session: SessionId) -> Result<Option<Session>, Error> {
    let sql = AssertSqlSafe(format!("{SELECT} WHERE session.id = $1"));
    let row = sqlx::query(sql).bind(session.to_vec()).fetch_optional(connection).await?;
    row.as_ref().map(read).transpose()
}

/// What an exchange of a refresh token came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The session has the new tokens.
    Rotated(Session),
    /// The token was exchanged before, so somebody has a copy: the session is ended.
    Reused(Session),
    /// The session was over already, or its time is.
    Over(Session),
    /// Never given out.
    Unknown,
}

/// Exchanges a refresh token; each is good once.
///
/// # Errors
/// If the database fails.
pub async fn refresh(
    connection: &mut AnyConnection,
    token: TokenHash,
    next: &Tokens,
) -> Result<Refreshed, Error> {
    let now = now_ms();
    let sql = AssertSqlSafe(format!("{SELECT} WHERE session.refresh_hash = $1"));
    if let Some(row) = sqlx::query(sql).bind(token.to_vec()).fetch_optional(&mut *connection).await? {
        let session = read(&row)?;
        if session.ended_why.is_some() || session.refresh_until <= now || session.banned_until > now {
            return Ok(Refreshed::Over(session));
        }
        sqlx::query(
            "UPDATE session SET access_hash = $1, access_until = $2, refresh_hash = $3, refresh_until = $4 WHERE id = $5",
        )
        .bind(next.access.to_vec())
        .bind(next.access_until)
        .bind(next.refresh.to_vec())
        .bind(next.refresh_until)
        .bind(session.id.to_vec())
        .execute(&mut *connection)
        .await?;
        sqlx::query("INSERT INTO spent_refresh (refresh_hash, session, spent) VALUES ($1, $2, $3)")
            .bind(token.to_vec())
            .bind(session.id.to_vec())
            .bind(now)
            .execute(connection)
            .await?;
        return Ok(Refreshed::Rotated(session));
    }
    let spent = sqlx::query("SELECT session FROM spent_refresh WHERE refresh_hash = $1")
        .bind(token.to_vec())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = spent else { return Ok(Refreshed::Unknown) };
    let session = SessionId(id(&row, 0)?);
    let live = end(&mut *connection, session, "refresh_reused").await?;
    Ok(match get(connection, session).await? {
        Some(session) if live => Refreshed::Reused(session),
        Some(session) => Refreshed::Over(session),
        None => Refreshed::Unknown,
    })
}

/// Ends a session, for a reason in one word; `false` if it had ended before.
///
/// # Errors
/// If the database fails.
pub async fn end(connection: &mut AnyConnection, session: SessionId, why: &str) -> Result<bool, Error> {
    let done = sqlx::query("UPDATE session SET ended = $1, ended_why = $2 WHERE id = $3 AND ended IS NULL")
        .bind(now_ms())
        .bind(why.to_owned())
        .bind(session.to_vec())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends the account's live session, if it has one, and says which (a ban).
///
/// # Errors
/// If the database fails.
pub async fn end_of(
    connection: &mut AnyConnection,
    account: AccountId,
    why: &str,
) -> Result<Option<SessionId>, Error> {
    let row = sqlx::query(
        "UPDATE session SET ended = $1, ended_why = $2 WHERE account = $3 AND ended IS NULL RETURNING id",
    )
    .bind(now_ms())
    .bind(why.to_owned())
    .bind(account.to_vec())
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok(SessionId(id(&row, 0)?))).transpose()
}

/// Selects who plays in a live session.
///
/// # Errors
/// `session_ended`.
pub async fn select(
    connection: &mut AnyConnection,
    session: SessionId,
    character: CharacterId,
) -> Result<(), Error> {
    let done = sqlx::query("UPDATE session SET selected = $1 WHERE id = $2 AND ended IS NULL")
        .bind(character.to_vec())
        .bind(session.to_vec())
        .execute(connection)
        .await?;
    if done.rows_affected() == 0 {
        return Err(Refusal::new(Code::SessionEnded, "this login has ended").into());
    }
    Ok(())
}

/// Forgets what ended before then (ms since 1970), and refresh tokens spent before.
///
/// # Errors
/// If the database fails.
pub async fn prune(connection: &mut AnyConnection, before: i64) -> Result<(), Error> {
    sqlx::query(
        "DELETE FROM spent_refresh WHERE spent < $1 OR session IN (SELECT id FROM session WHERE ended < $1)",
    )
    .bind(before)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM session WHERE ended < $1 AND id NOT IN (SELECT session FROM enter)")
        .bind(before)
        .execute(connection)
        .await?;
    Ok(())
}
