//! Copies of databases that are written meanwhile, and what a copy says of checkpoints.

use std::path::Path;

use anyhow::{Context as _, ensure};
use pangea_world::id::AreaId;
use sqlx::{AnyConnection, ConnectOptions as _, Connection as _, Executor as _, Row as _};

use super::options;

/// Bytes that a copy of this database has, about.
///
/// # Errors
/// If it cannot be read.
pub async fn size(path: &Path) -> anyhow::Result<u64> {
    let mut connection = open(path).await?;
    let mut number = 0;
    for (pragma, sign) in [("PRAGMA page_count", 1), ("PRAGMA freelist_count", -1)] {
        number += sign * connection.fetch_one(pragma).await?.try_get::<i64, _>(0)?;
    }
    let page: i64 = connection.fetch_one("PRAGMA page_size").await?.try_get(0)?;
    connection.close().await?;
    Ok((number * page).try_into().unwrap_or(0))
}

/// Copies a database, as it is at one moment, into a file that is not there yet; its writer goes on meanwhile. The
/// copy was read through once and is on the disk.
///
/// # Errors
/// If the database cannot be read, or the copy cannot be written or is not sound.
pub async fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let what = || format!("«{}» cannot be copied to «{}»", from.display(), to.display());
    let target = to.to_str().with_context(|| format!("the path «{}» is not UTF-8", to.display()))?;
    let mut connection = open(from).await.with_context(what)?;
    sqlx::query("VACUUM INTO $1")
        .bind(target.to_owned())
        .execute(&mut connection)
        .await
        .with_context(what)?;
    connection.close().await?;
    let mut copied = open(to).await.with_context(what)?;
    let found: String = copied.fetch_one("PRAGMA quick_check(1)").await.with_context(what)?.try_get(0)?;
    copied.close().await?;
    ensure!(found == "ok", "{}: the copy is not sound: {found}", what());
    // SQLite does not flush what VACUUM INTO writes.
    std::fs::File::open(to).and_then(|file| file.sync_all()).with_context(what)
}

/// The checkpoint that counts of each area of a copied `pangea.db`.
///
/// # Errors
/// If the copy cannot be read.
pub async fn checkpoints(path: &Path) -> anyhow::Result<Vec<(AreaId, String)>> {
    let mut connection = open(path).await?;
    let rows =
        sqlx::query("SELECT id, state FROM area WHERE state IS NOT NULL").fetch_all(&mut connection).await?;
    connection.close().await?;
    let named = |row| -> anyhow::Result<(AreaId, String)> {
        let name: Vec<u8> = sqlx::Row::try_get(row, 1)?;
        Ok((AreaId(super::id(row, 0)?), String::from_utf8_lossy(&name).into_owned()))
    };
    rows.iter().map(named).collect()
}

/// A connection that can only read, and waits while the log is begun anew.
async fn open(path: &Path) -> anyhow::Result<AnyConnection> {
    sqlx::any::install_default_drivers();
    let mut connection = options(path, "ro")?.connect().await?;
    connection.execute("PRAGMA busy_timeout = 5000").await?;
    Ok(connection)
}
