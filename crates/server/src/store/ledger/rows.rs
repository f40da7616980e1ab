//! Many rows in one statement.
//!
//! A statement is made for 256, 64, 16, 4 or 1 rows, so that there are few texts, prepared once each; a batch of
//! any size is a bounded number of them. Placeholders are `?`: SQLite looks a named one up by walking through
//! all names before it, for each of up to 2,048 parameters at each run. [`Around::text`] alone writes them, in
//! the order in which they are bound; for PostgreSQL it would write `$1`, `$2` and so on there.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe};

use crate::store::Error;

/// Each text is made once.
static TEXTS: LazyLock<Mutex<Texts>> = LazyLock::new(Mutex::default);

/// By what stands before and after the rows, and how many they are.
type Texts = HashMap<(&'static str, &'static str, usize), Arc<str>>;

const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

/// A query whose parameters are being bound.
pub type Bound<'q> = Query<'q, Any, AnyArguments>;

/// Text around a list of rows: `before (?, ?), (?, ?) after`.
#[derive(Debug, Clone, Copy)]
pub struct Around {
    pub before: &'static str,
    /// Parameters of one row.
    pub columns: usize,
    pub after: &'static str,
}

impl Around {
    fn text(&self, rows: usize) -> Arc<str> {
        let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let row = format!("({})", vec!["?"; self.columns].join(","));
            format!("{}{}{}", self.before, vec![row; rows].join(","), self.after).into()
        };
        texts.entry((self.before, self.after, rows)).or_insert_with(make).clone()
    }
}

/// One statement and what it must come to.
pub struct Statement<'q> {
    query: Bound<'q>,
    /// What its rows are, for an error.
    what: &'static str,
    /// How many it must touch.
    rows: usize,
}

impl<'q> Statement<'q> {
    pub fn new(query: Bound<'q>, what: &'static str, rows: usize) -> Self {
        Self { query, what, rows }
    }
}

/// The statements that write all rows, each made when it is asked for.
pub fn statements<'r, T>(
    what: &'static str,
    around: Around,
    rows: &'r [T],
    bind: impl Fn(Bound<'r>, &'r T) -> Bound<'r> + Send + 'r,
) -> impl Iterator<Item = Statement<'r>> + Send + 'r
where
    T: Sync,
{
    let mut left = rows;
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| left.len() >= *size)?;
        let (chunk, rest) = left.split_at(size);
        left = rest;
        let query = chunk.iter().fold(sqlx::query(AssertSqlSafe(around.text(size))), &bind);
        Some(Statement::new(query, what, size))
    })
}

/// Runs them one after the other; while the database has one, the next is made.
///
/// # Errors
/// If the database fails, or one touched another number of rows than it must: then nothing of the transaction may
/// stand.
pub async fn write<'q>(
    tx: &mut AnyConnection,
    mut statements: impl Iterator<Item = Statement<'q>>,
) -> Result<(), Error> {
    let mut next = statements.next();
    while let Some(Statement { query, what, rows }) = next {
        let (done, following) = futures_util::join!(query.execute(&mut *tx), async { statements.next() });
        let touched = done?.rows_affected();
        if touched != rows as u64 {
            let text = format!("{what}: {touched} of {rows} rows were as the ledger knew them");
            return Err(sqlx::Error::Protocol(text).into());
        }
        next = following;
    }
    Ok(())
}

/// Reads the rows of all keys. A list is filled up with its last key, which finds nothing new.
pub async fn read<'r, T>(
    tx: &mut AnyConnection,
    around: Around,
    keys: &'r [T],
    bind: impl Fn(Bound<'r>, &'r T) -> Bound<'r>,
) -> Result<Vec<AnyRow>, Error> {
    let (mut left, mut found) = (keys, Vec::new());
    while let Some(last) = left.last() {
        let size = SIZES.into_iter().rev().find(|size| *size >= left.len()).unwrap_or(SIZES[0]);
        let (chunk, rest) = left.split_at(left.len().min(size));
        let filled = chunk.iter().chain(std::iter::repeat_n(last, size - chunk.len()));
        let query = filled.fold(sqlx::query(AssertSqlSafe(around.text(size))), &bind);
        found.extend(query.fetch_all(&mut *tx).await?);
        left = rest;
    }
    Ok(found)
}
