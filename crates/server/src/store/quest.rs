//! Quests of characters (M3). Titles come from the program, steps from here.

use pangea_world::id::CharacterId;
use pangea_world::quest::{FIRST_QUEST, Quest};
use sqlx::{AnyConnection, Row};

use super::Error;

/// Gives a new character its first quest.
///
/// # Errors
/// If the database fails.
pub async fn seed(connection: &mut AnyConnection, character: CharacterId) -> Result<(), Error> {
    sqlx::query("INSERT INTO quest (character, id) VALUES ($1, $2) ON CONFLICT (character, id) DO NOTHING")
        .bind(character.to_vec())
        .bind(FIRST_QUEST.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// A character's quests, sorted by id.
///
/// # Errors
/// If the database fails.
pub async fn list(connection: &mut AnyConnection, character: CharacterId) -> Result<Vec<Quest>, Error> {
    let rows = sqlx::query("SELECT id, step, completed FROM quest WHERE character = $1 ORDER BY id")
        .bind(character.to_vec())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok(standing(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
}

/// A quest from its row.
pub(super) fn standing(id: String, step: i64, completed: i64) -> Quest {
    let title = if id == FIRST_QUEST.0 { FIRST_QUEST.1.to_owned() } else { id.clone() };
    Quest { id, title, step: u32::try_from(step).unwrap_or(u32::MAX), completed: completed != 0 }
}
