//! The chats that are there, by their names: so that a central that was started again names the same ones at once.

use sqlx::{AnyConnection, Row};

use super::Error;

/// What the keys of these rows begin with.
const KEY: &str = "chat/";

/// A chat is there, as this text says; a later one of its name takes its place.
///
/// # Errors
/// If the database fails.
pub async fn set(connection: &mut AnyConnection, name: &str, text: &str) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .bind(format!("{KEY}{name}"))
    .bind(text.to_owned())
    .execute(connection)
    .await?;
    Ok(())
}

/// It is not there any more, if it is still the one of this text.
///
/// # Errors
/// If the database fails.
pub async fn remove(connection: &mut AnyConnection, name: &str, text: &str) -> Result<(), Error> {
    sqlx::query("DELETE FROM meta WHERE key = $1 AND value = $2")
        .bind(format!("{KEY}{name}"))
        .bind(text.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}

/// All of them: name and text.
///
/// # Errors
/// If the database fails.
pub async fn all(connection: &mut AnyConnection) -> Result<Vec<(String, String)>, Error> {
    let rows = sqlx::query("SELECT key, value FROM meta WHERE key LIKE 'chat/%' ORDER BY key")
        .fetch_all(connection)
        .await?;
    let row = |row: &sqlx::any::AnyRow| {
        let (key, value): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        Ok((key[KEY.len()..].to_owned(), value))
    };
    rows.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fresh;

    /// What an older session says last does not take away the newer one of its name.
    #[tokio::test]
    async fn the_newest_of_a_name_stays() {
        let (_folder, store) = fresh().await;
        let done = store.write(|tx| {
            Box::pin(async move {
                for (name, text) in [("chat", "1"), ("second", "2"), ("chat", "3")] {
                    set(tx, name, text).await?;
                }
                remove(tx, "chat", "1").await?;
                remove(tx, "second", "2").await
            })
        });
        done.await.expect("written");
        let rows = all(&mut store.reader().await.expect("a reader")).await.expect("rows");
        assert_eq!(rows, [("chat".to_owned(), "3".to_owned())]);
    }
}
