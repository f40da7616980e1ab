//! All money at once: what is on accounts, and what the bank gave out for it.

use pangea_world::ledger::Holder;
use sqlx::{AnyConnection, Row};

use crate::store::Error;

/// All money of one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// The game's name for it.
    pub currency: String,
    /// The bank's: where money came from, it is below 0.
    pub bank: i64,
    /// Of everybody else.
    pub held: i64,
}

/// Sorted by currency; reads every account.
///
/// # Errors
/// If the database cannot be read, or a sum is beyond 63 bits.
pub async fn sums(reader: &mut AnyConnection) -> Result<Vec<Sum>, Error> {
    let rows = sqlx::query(
        "SELECT currency, CAST(SUM(CASE WHEN holder = $1 THEN amount ELSE 0 END) AS BIGINT), \
         CAST(SUM(CASE WHEN holder = $1 THEN 0 ELSE amount END) AS BIGINT) \
         FROM money GROUP BY currency ORDER BY currency",
    )
    .bind(Holder::Bank.to_vec())
    .fetch_all(reader)
    .await?;
    let sum = |row: &sqlx::any::AnyRow| {
        Ok(Sum { currency: row.try_get(0)?, bank: row.try_get(1)?, held: row.try_get(2)? })
    };
    rows.iter().map(sum).collect()
}
