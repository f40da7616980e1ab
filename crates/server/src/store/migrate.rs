//! The schema, its versions, and who leads.

use anyhow::{Context, bail};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor, Row};

/// One text per version, in order; a released one is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_ledger.sql"),
    include_str!("migrations/0003_record.sql"),
    include_str!("migrations/0004_journal.sql"),
    include_str!("migrations/0005_social.sql"),
    include_str!("migrations/0006_faction.sql"),
    include_str!("migrations/0007_moderation.sql"),
    include_str!("migrations/0008_cut.sql"),
    include_str!("migrations/0009_calls.sql"),
];

/// What was found after the migrations ran.
#[derive(Debug)]
pub struct Found {
    /// Rises only when a backup is restored.
    pub era: u64,
}

/// Brings the schema up to date, each version in its own transaction.
///
/// # Errors
/// If the schema is newer than this program, or the database fails; `path` is named.
pub async fn migrate(connection: &mut AnyConnection, path: &str) -> anyhow::Result<Found> {
    let what = || format!("the database «{path}» cannot be brought up to date");
    for statement in [
        "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        "CREATE TABLE IF NOT EXISTS leader (id SMALLINT PRIMARY KEY, epoch BIGINT NOT NULL, seen BIGINT NOT NULL)",
        "INSERT INTO meta (key, value) VALUES ('schema', '0') ON CONFLICT (key) DO NOTHING",
        "INSERT INTO meta (key, value) VALUES ('era', '1') ON CONFLICT (key) DO NOTHING",
        "INSERT INTO leader (id, epoch, seen) VALUES (1, 0, 0) ON CONFLICT (id) DO NOTHING",
    ] {
        connection.execute(statement).await.with_context(what)?;
    }
    let version = number(connection, "schema").await.with_context(what)?;
    let known = MIGRATIONS.len() as u64;
    if version > known {
        bail!(
            "the database «{path}» has schema version {version}, this program knows versions up to {known}; \
             start a newer program, or restore a backup made by this one"
        );
    }
    for (index, text) in MIGRATIONS.iter().enumerate().skip(version as usize) {
        let mut transaction = connection.begin().await.with_context(what)?;
        for statement in statements(text) {
            transaction.execute(sqlx::query(AssertSqlSafe(statement))).await.with_context(what)?;
        }
        sqlx::query("UPDATE meta SET value = $1 WHERE key = 'schema'")
            .bind((index + 1).to_string())
            .execute(&mut *transaction)
            .await
            .with_context(what)?;
        transaction.commit().await.with_context(what)?;
    }
    Ok(Found { era: number(connection, "era").await.with_context(what)? })
}

/// Takes the lead: raises the leader's epoch; every earlier central is fenced off by it.
///
/// # Errors
/// If the database fails, for instance because it is read-only.
pub async fn lead(connection: &mut AnyConnection) -> anyhow::Result<u64> {
    #[cfg(feature = "simulation")]
    crate::simulation::disk::before_commit(())?;
    let row = sqlx::query("UPDATE leader SET epoch = epoch + 1, seen = $1 WHERE id = 1 RETURNING epoch")
        .bind(super::now_ms())
        .fetch_one(&mut *connection)
        .await?;
    Ok(row.try_get::<i64, _>(0)? as u64)
}

/// The schema's version of a database, and the newest that this program knows.
///
/// # Errors
/// If it cannot be read, or is no database of this program.
pub async fn version(connection: &mut AnyConnection) -> anyhow::Result<(u64, u64)> {
    Ok((number(connection, "schema").await?, MIGRATIONS.len() as u64))
}

async fn number(connection: &mut AnyConnection, key: &str) -> anyhow::Result<u64> {
    let row = sqlx::query("SELECT value FROM meta WHERE key = $1")
        .bind(key.to_owned())
        .fetch_one(connection)
        .await?;
    let value: String = row.try_get(0)?;
    value.parse().with_context(|| format!("meta.{key} is «{value}», not a number"))
}

/// The statements of a migration, in SQLite's own words.
fn statements(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let words = [("{BLOB}", "BLOB"), ("{CLUSTERED}", " WITHOUT ROWID"), ("{ROWID}", "INTEGER")];
    let code = words.iter().fold(code.join("\n"), |code, (word, sqlite)| code.replace(word, sqlite));
    code.split(";\n").map(|s| s.trim().trim_end_matches(';').to_owned()).filter(|s| !s.is_empty()).collect()
}
