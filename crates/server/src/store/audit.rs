//! The audit log: who did what to whom, each entry chained to the one before by SHA-256.

use ring::digest;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::{Error, now_ms};

/// What is noted.
#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    /// Account, role or operator.
    pub actor: &'a str,
    /// One word, e.g. `login`.
    pub action: &'a str,
    /// Whom or what it touched.
    pub target: &'a str,
    /// Further facts, may be empty; never a secret.
    pub detail: &'a str,
}

/// Appends a note, in the transaction of what it notes.
///
/// # Errors
/// If the database fails.
pub async fn append(connection: &mut AnyConnection, note: Note<'_>) -> Result<(), Error> {
    let last = sqlx::query("SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1")
        .fetch_optional(&mut *connection)
        .await?;
    let (n, previous) = match last {
        Some(row) => (row.try_get::<i64, _>(0)? + 1, row.try_get::<Vec<u8>, _>(1)?),
        None => (1, Vec::new()),
    };
    let time = now_ms();
    let hash = chain(n, time, &note, &previous);
    sqlx::query(
        "INSERT INTO audit (n, time, actor, action, target, detail, prev_hash, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(n)
    .bind(time)
    .bind(note.actor.to_owned())
    .bind(note.action.to_owned())
    .bind(note.target.to_owned())
    .bind(note.detail.to_owned())
    .bind(previous)
    .bind(hash)
    .execute(connection)
    .await?;
    Ok(())
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Counts from 1 without a gap.
    pub n: i64,
    /// When, ms since 1970.
    pub time: i64,
    /// Actor, action, target, detail.
    pub texts: [String; 4],
}

/// Most entries of one answer.
pub const ENTRIES_MAX: i64 = 200;

/// Entries before that number, newest first, at most [`ENTRIES_MAX`]; only of this action, if one is named.
///
/// # Errors
/// If the database fails.
pub async fn entries(
    connection: &mut AnyConnection,
    before: i64,
    action: Option<&str>,
) -> Result<Vec<Entry>, Error> {
    let rows = sqlx::query(
        "SELECT n, time, actor, action, target, detail FROM audit WHERE n < $1 AND ($2 = '' OR action = $2) \
         ORDER BY n DESC LIMIT $3",
    )
    .bind(before)
    .bind(action.unwrap_or_default().to_owned())
    .bind(ENTRIES_MAX)
    .fetch_all(connection)
    .await?;
    let entry = |row: &AnyRow| {
        let texts = [row.try_get(2)?, row.try_get(3)?, row.try_get(4)?, row.try_get(5)?];
        Ok(Entry { n: row.try_get(0)?, time: row.try_get(1)?, texts })
    };
    rows.iter().map(entry).collect()
}

/// Follows the chain from the first entry; `Err` names the first that was changed, or whose predecessor is missing.
///
/// # Errors
/// If the database fails.
pub async fn check(connection: &mut AnyConnection) -> Result<Result<i64, i64>, Error> {
    let rows =
        sqlx::query("SELECT n, time, actor, action, target, detail, prev_hash, hash FROM audit ORDER BY n")
            .fetch_all(connection)
            .await?;
    let mut previous = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let n: i64 = row.try_get(0)?;
        let texts: [String; 4] = [row.try_get(2)?, row.try_get(3)?, row.try_get(4)?, row.try_get(5)?];
        let note = Note { actor: &texts[0], action: &texts[1], target: &texts[2], detail: &texts[3] };
        let hash: Vec<u8> = row.try_get(7)?;
        let whole = n == index as i64 + 1 && row.try_get::<Vec<u8>, _>(6)? == previous;
        if !whole || hash != chain(n, row.try_get(1)?, &note, &previous) {
            return Ok(Err(n));
        }
        previous = hash;
    }
    Ok(Ok(rows.len() as i64))
}

/// Each part with its length before it, so that no two notes have the same bytes.
fn chain(n: i64, time: i64, note: &Note<'_>, previous: &[u8]) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    let (n, time) = (n.to_be_bytes(), time.to_be_bytes());
    let texts = [note.actor, note.action, note.target, note.detail].map(str::as_bytes);
    for part in [&n[..], &time[..], previous].into_iter().chain(texts) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}
