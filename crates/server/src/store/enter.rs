//! Enters: wishes to go in, by their idempotency key, so that a repeat finds its enter again, also after
//! central restarted.

use std::sync::LazyLock;

use pangea_world::id::{AccountId, CharacterId, EnterId, SessionId};
use pangea_world::{Code, Refusal};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row};

use super::{Error, PIECE_MAX, id, now_ms, optional_id, piece_rows, piece_text};

/// One enter's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enter {
    /// Which.
    pub id: EnterId,
    /// Whose wish.
    pub account: AccountId,
    /// The login that asked.
    pub session: SessionId,
    /// Who goes.
    pub character: CharacterId,
    /// Chosen by the client; unique on the account.
    pub idem_key: String,
    /// SHA-256 of the wish.
    pub body_hash: [u8; 32],
    /// The wish as JSON.
    pub wish: String,
    /// One word, the core's: `open`, `ready`, `arrived`, `refused`, `cancelled`, `expired`.
    pub state: String,
    /// When it was asked, ms since 1970.
    pub created: i64,
}

const SELECT: &str =
    "SELECT id, account, session, character, idem_key, body_hash, wish, state, created FROM enter";

fn read(row: &AnyRow) -> Result<Enter, Error> {
    let body_hash: Vec<u8> = row.try_get(5)?;
    Ok(Enter {
        id: EnterId(id(row, 0)?),
        account: AccountId(id(row, 1)?),
        session: SessionId(id(row, 2)?),
        character: CharacterId(optional_id(row, 3)?.unwrap_or_default()),
        idem_key: row.try_get(4)?,
        body_hash: body_hash.try_into().unwrap_or_default(),
        wish: row.try_get(6)?,
        state: row.try_get(7)?,
        created: row.try_get(8)?,
    })
}

/// Writes an enter, or finds the one that the same key of the same account began; `true`: it is new.
///
/// # Errors
/// `idempotency_mismatch` if the key came with another wish.
pub async fn begin(connection: &mut AnyConnection, wished: &Enter) -> Result<(Enter, bool), Error> {
    if begin_all(connection, &[wished]).await? {
        return Ok((wished.clone(), true));
    }
    let sql = AssertSqlSafe(format!("{SELECT} WHERE account = $1 AND idem_key = $2"));
    let row = sqlx::query(sql)
        .bind(wished.account.to_vec())
        .bind(wished.idem_key.clone())
        .fetch_one(connection)
        .await?;
    let found = read(&row)?;
    if found.body_hash != wished.body_hash {
        let text = "this idempotency key belongs to another wish; use a new one";
        return Err(Refusal::new(Code::IdempotencyMismatch, text).into());
    }
    Ok((found, false))
}

/// Writes all of these, or finds that a key is known already: `false`, and the transaction must be rolled back.
///
/// # Errors
/// If the database fails.
pub async fn begin_all(connection: &mut AnyConnection, wished: &[&Enter]) -> Result<bool, Error> {
    for wished in wished.chunks(PIECE_MAX) {
        let (text, size) = begin_text(wished.len());
        let query = bind(sqlx::query(text), wished, size);
        if query.execute(&mut *connection).await?.rows_affected() != wished.len() as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The statement that writes so many, with room for so many.
pub(super) fn begin_text(rows: usize) -> (&'static str, usize) {
    piece_text(&INSERT, rows)
}

/// Binds these, and as many of nothing as there is room for.
pub(super) fn bind<'q>(
    mut query: Query<'q, Any, AnyArguments>,
    wished: &[&Enter],
    size: usize,
) -> Query<'q, Any, AnyArguments> {
    let all = wished.iter().map(|wished| Some(*wished));
    for wished in all.chain(std::iter::repeat(None)).take(size) {
        query = query
            .bind(wished.map(|wished| wished.id.to_vec()))
            .bind(wished.map(|wished| wished.account.to_vec()))
            .bind(wished.map(|wished| wished.session.to_vec()))
            .bind(wished.map(|wished| wished.character.to_vec()))
            .bind(wished.map(|wished| wished.idem_key.clone()))
            .bind(wished.map(|wished| wished.body_hash.to_vec()))
            .bind(wished.map(|wished| wished.wish.clone()))
            .bind(wished.map(|wished| wished.state.clone()))
            .bind(wished.map(|wished| wished.created));
    }
    query
}

/// The statement for 1, 2, 4, … rows.
static INSERT: LazyLock<Vec<String>> = LazyLock::new(|| {
    let columns = "id, account, session, character, idem_key, body_hash, wish, state, created";
    let sql = |rows: String| {
        format!(
            "INSERT INTO enter ({columns}) SELECT * FROM (VALUES {rows}) AS wished WHERE column1 IS NOT NULL \
             ON CONFLICT (account, idem_key) DO NOTHING"
        )
    };
    piece_rows(9).map(sql).collect()
});

/// The enter of this id, if it is this account's.
///
/// # Errors
/// `not_found`, also for another account's.
pub async fn get_own(
    connection: &mut AnyConnection,
    account: AccountId,
    enter: EnterId,
) -> Result<Enter, Error> {
    let sql = AssertSqlSafe(format!("{SELECT} WHERE id = $1 AND account = $2"));
    let row = sqlx::query(sql).bind(enter.to_vec()).bind(account.to_vec()).fetch_optional(connection).await?;
    read(&row.ok_or_else(|| Refusal::new(Code::NotFound, "there is no such enter"))?)
}

/// Those in this state, oldest first: what a central that starts takes up again.
///
/// # Errors
/// If the database fails.
pub async fn in_state(connection: &mut AnyConnection, state: &str) -> Result<Vec<Enter>, Error> {
    let sql = AssertSqlSafe(format!("{SELECT} WHERE state = $1 ORDER BY created, id"));
    sqlx::query(sql).bind(state.to_owned()).fetch_all(connection).await?.iter().map(read).collect()
}

/// Notes how far it is, in one word.
///
/// # Errors
/// If the database fails.
pub async fn set_state(connection: &mut AnyConnection, enter: EnterId, state: &str) -> Result<(), Error> {
    sqlx::query("UPDATE enter SET state = $1 WHERE id = $2")
        .bind(state.to_owned())
        .bind(enter.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets enters asked before then (ms since 1970); their keys are free again.
///
/// # Errors
/// If the database fails.
pub async fn prune(connection: &mut AnyConnection, before: i64) -> Result<(), Error> {
    sqlx::query("DELETE FROM enter WHERE created < $1").bind(before).execute(connection).await?;
    Ok(())
}

/// A new wish, asked now.
pub fn wished(
    enter: EnterId,
    who: (AccountId, SessionId, CharacterId),
    idem_key: String,
    body_hash: [u8; 32],
    wish: String,
) -> Enter {
    let (account, session, character) = who;
    let state = "open".to_owned();
    Enter { id: enter, account, session, character, idem_key, body_hash, wish, state, created: now_ms() }
}
