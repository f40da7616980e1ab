//! Looking for characters.

use std::collections::HashSet;

use pangea_world::id::{CharacterId, FactionId};
use pangea_world::social::Member;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::friends::{Status, TOGETHER, Visible};
use crate::store::{Error, id, optional_id};

/// Most characters in the world that one question looks at.
const MOST_LOOKED_AT: usize = 2_048;

/// Who is looked for; what is empty is any.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// How the key of its name begins.
    pub name_key: String,
    /// Its own world.
    pub world: Option<String>,
    /// Its faction, of the world's file.
    pub faction: Option<String>,
    /// The faction that players have founded, of which it is a member.
    pub founded: Option<FactionId>,
}

/// One that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Who.
    pub who: Member,
    /// Its own world.
    pub world: String,
    /// Its faction, of the world's file.
    pub faction: Option<String>,
    /// The one that players have founded: its id and name.
    pub founded: Option<(FactionId, String)>,
    /// What it says of itself.
    pub status: Status,
}

const FROM: &str = "SELECT character.id, character.name, character.world, character.faction, \
    COALESCE(status.text, ''), COALESCE(status.visible, 0), faction.id, faction.name FROM character \
    LEFT JOIN status ON status.character = character.id \
    LEFT JOIN faction_member ON faction_member.character = character.id \
    LEFT JOIN faction ON faction.id = faction_member.faction \
    WHERE character.deleted IS NULL AND character.name_key >= $1 AND character.name_key < $2 \
    AND ($3 IS NULL OR character.world = $3) AND ($4 IS NULL OR character.faction = $4) \
    AND ($5 = 0 OR faction.id = $6)";

fn found(row: &AnyRow) -> Result<Found, Error> {
    Ok(Found {
        who: Member { id: CharacterId(id(row, 0)?), name: row.try_get(1)? },
        world: row.try_get(2)?,
        faction: row.try_get(3)?,
        status: Status { text: row.try_get(4)?, visible: Visible::of(row.try_get(5)?) },
        founded: optional_id(row, 6)?
            .map(|id| Ok::<_, Error>((FactionId(id), row.try_get(7)?)))
            .transpose()?,
    })
}

/// All that fit, by name.
///
/// # Errors
/// If the database fails.
pub async fn all(connection: &mut AnyConnection, wanted: &Wanted, most: usize) -> Result<Vec<Found>, Error> {
    let sql = AssertSqlSafe(format!("{FROM} ORDER BY character.name_key LIMIT {most}"));
    let rows = sqlx::query(sql)
        .bind(wanted.name_key.clone())
        .bind(format!("{}\u{10FFFF}", wanted.name_key))
        .bind(wanted.world.clone())
        .bind(wanted.faction.clone())
        .bind(i64::from(wanted.founded.is_some()))
        .bind(wanted.founded.unwrap_or_default().to_vec())
        .fetch_all(connection)
        .await?;
    rows.iter().map(found).collect()
}

/// Those of these that fit and show to everybody that they are there, by name. Of very many not all are looked at.
///
/// # Errors
/// If the database fails.
pub async fn of_these(
    connection: &mut AnyConnection,
    wanted: &Wanted,
    these: &HashSet<CharacterId>,
    most: usize,
) -> Result<Vec<Found>, Error> {
    let these: Vec<&CharacterId> = these.iter().take(MOST_LOOKED_AT).collect();
    let mut all = Vec::new();
    for some in these.chunks(TOGETHER) {
        let places: Vec<String> = (7..7 + some.len()).map(|n| format!("${n}")).collect();
        let places = places.join(", ");
        let sql = format!("{FROM} AND COALESCE(status.visible, 0) = 0 AND character.id IN ({places})");
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(wanted.name_key.clone())
            .bind(format!("{}\u{10FFFF}", wanted.name_key))
            .bind(wanted.world.clone())
            .bind(wanted.faction.clone())
            .bind(i64::from(wanted.founded.is_some()))
            .bind(wanted.founded.unwrap_or_default().to_vec());
        for id in some {
            query = query.bind(id.to_vec());
        }
        for row in &query.fetch_all(&mut *connection).await? {
            all.push(found(row)?);
        }
        if all.len() >= most {
            break;
        }
    }
    all.sort_by(|a, b| a.who.name.cmp(&b.who.name));
    all.truncate(most);
    Ok(all)
}
