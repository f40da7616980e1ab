//! Factions that players have founded: rows and reads. [`deed`] changes them, [`claim`] is their ground.

use pangea_world::faction::FactionDoc;
use pangea_world::faction_rules::Roles;
use pangea_world::id::{AreaId, CharacterId, FactionId};
use pangea_world::social::Membership;
use pangea_world::space::Place;
use pangea_world::{Code, Refusal};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::{Error, id};

pub mod claim;
pub mod deed;
#[cfg(test)]
mod tests;

/// Most factions of one answer.
pub const LIST_MAX: i64 = 100;

/// One faction's row.
#[derive(Debug, Clone, PartialEq)]
pub struct Faction {
    /// Which.
    pub id: FactionId,
    /// Where it was founded.
    pub world: String,
    /// As shown.
    pub name: String,
    /// Shown beside the name.
    pub title: String,
    /// What it says of itself.
    pub about: String,
    /// Whether everybody may join.
    pub open: bool,
    /// Leaders first.
    pub roles: Roles,
    /// Where its members enter.
    pub spawn: Option<Place>,
    /// Rises with each change.
    pub version: u64,
    /// Whether it is no more.
    pub ended: bool,
}

/// One of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub id: CharacterId,
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: String,
}

/// What one faction calls another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Its members may on claimed ground what allies may.
    Ally,
    /// Said to all.
    Enemy,
    /// Neither.
    Neutral,
}

impl Relation {
    fn as_str(self) -> &'static str {
        match self {
            Relation::Ally => "ally",
            Relation::Enemy => "enemy",
            Relation::Neutral => "neutral",
        }
    }
}

/// An open invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Into which faction.
    pub faction: FactionId,
    /// Its name.
    pub name: String,
    /// The promised role.
    pub role: String,
    /// Who has invited.
    pub from: (CharacterId, String),
}

const COLUMNS: &str = "SELECT faction.id, faction.world, faction.name, title, about, open, roles, map, x, y, spawn_known, version, \
     CASE WHEN ended IS NULL THEN 0 ELSE 1 END FROM faction";

fn read(row: &AnyRow) -> Result<Faction, Error> {
    let world: String = row.try_get(1)?;
    let roles: String = row.try_get(6)?;
    let known = row.try_get::<i64, _>(10)? != 0;
    let spawn = Place { world: world.clone(), map: row.try_get(7)?, x: row.try_get(8)?, y: row.try_get(9)? };
    Ok(Faction {
        id: FactionId(id(row, 0)?),
        name: row.try_get(2)?,
        title: row.try_get(3)?,
        about: row.try_get(4)?,
        open: row.try_get::<i64, _>(5)? != 0,
        roles: serde_json::from_str(&roles).map_err(|error| sqlx::Error::Decode(error.into()))?,
        spawn: known.then_some(spawn),
        version: row.try_get::<i64, _>(11)? as u64,
        ended: row.try_get::<i64, _>(12)? != 0,
        world,
    })
}

fn unknown() -> Error {
    Refusal::new(Code::UnknownFaction, "there is no such faction").into()
}

/// The faction of this id, if it has not ended.
///
/// # Errors
/// `unknown_faction`.
pub async fn get(connection: &mut AnyConnection, faction: FactionId) -> Result<Faction, Error> {
    let sql = AssertSqlSafe(format!("{COLUMNS} WHERE id = $1 AND ended IS NULL"));
    let row = sqlx::query(sql).bind(faction.to_vec()).fetch_optional(connection).await?;
    read(&row.ok_or_else(unknown)?)
}

/// The factions of a world, or of all, whose name begins so, with their numbers of members; at most [`LIST_MAX`].
///
/// # Errors
/// If the database fails.
pub async fn list(
    connection: &mut AnyConnection,
    world: Option<&str>,
    name_key: &str,
) -> Result<Vec<(Faction, i64)>, Error> {
    // The key has letters and digits alone: nothing that LIKE reads otherwise.
    let sql = AssertSqlSafe(
        COLUMNS.replace(
            " FROM faction",
            ", (SELECT COUNT(*) FROM faction_member WHERE faction_member.faction = faction.id) FROM faction",
        ) + " WHERE ended IS NULL AND ($1 = '' OR world = $1) AND name_key LIKE $2 ORDER BY name_key, id LIMIT $3",
    );
    let rows = sqlx::query(sql)
        .bind(world.unwrap_or_default().to_owned())
        .bind(format!("{name_key}%"))
        .bind(LIST_MAX)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok((read(row)?, row.try_get(13)?))).collect()
}

/// Its members, those who came first before others.
///
/// # Errors
/// If the database fails.
pub async fn members(connection: &mut AnyConnection, faction: FactionId) -> Result<Vec<Member>, Error> {
    let rows = sqlx::query(
        "SELECT character.id, character.name, role FROM faction_member \
         JOIN character ON character.id = faction_member.character WHERE faction_member.faction = $1 ORDER BY joined, character.id",
    )
    .bind(faction.to_vec())
    .fetch_all(connection)
    .await?;
    let member = |row: &AnyRow| {
        Ok(Member { id: CharacterId(id(row, 0)?), name: row.try_get(1)?, role: row.try_get(2)? })
    };
    rows.iter().map(member).collect()
}

/// One is not invited by the other any more.
///
/// # Errors
/// If the database fails.
pub async fn forget_invites(
    connection: &mut AnyConnection,
    who: CharacterId,
    by: CharacterId,
) -> Result<(), Error> {
    sqlx::query("DELETE FROM faction_invite WHERE character = $1 AND invited_by = $2")
        .bind(who.to_vec())
        .bind(by.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

/// In which faction a character is, and as what.
///
/// # Errors
/// If the database fails.
pub async fn membership(
    connection: &mut AnyConnection,
    character: CharacterId,
) -> Result<Option<Membership>, Error> {
    let row = sqlx::query(
        "SELECT faction.id, faction.name, role FROM faction_member JOIN faction ON faction.id = faction_member.faction \
         WHERE character = $1",
    )
    .bind(character.to_vec())
    .fetch_optional(connection)
    .await?;
    let read = |row: AnyRow| {
        Ok(Membership { id: FactionId(id(&row, 0)?), name: row.try_get(1)?, role: row.try_get(2)? })
    };
    row.map(read).transpose()
}

/// The factions of the characters that an area owns.
///
/// # Errors
/// If the database fails.
pub async fn of_owned(connection: &mut AnyConnection, area: AreaId) -> Result<Vec<FactionId>, Error> {
    let rows = sqlx::query(
        "SELECT DISTINCT faction_member.faction FROM faction_member JOIN character ON character.id = faction_member.character \
         WHERE character.owner = $1",
    )
    .bind(area.to_vec())
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(FactionId(id(row, 0)?))).collect()
}

/// Where the faction of a character has its members enter, if it is in one that says so (G5).
///
/// # Errors
/// If the database fails.
pub async fn spawn_of(
    connection: &mut AnyConnection,
    character: CharacterId,
) -> Result<Option<Place>, Error> {
    let row = sqlx::query(
        "SELECT world, map, x, y FROM faction_member JOIN faction ON faction.id = faction_member.faction \
         WHERE character = $1 AND spawn_known = 1",
    )
    .bind(character.to_vec())
    .fetch_optional(connection)
    .await?;
    let read = |row: AnyRow| {
        Ok(Place { world: row.try_get(0)?, map: row.try_get(1)?, x: row.try_get(2)?, y: row.try_get(3)? })
    };
    row.map(read).transpose()
}

/// The open invitations of a character, oldest first.
///
/// # Errors
/// If the database fails.
pub async fn invites(connection: &mut AnyConnection, character: CharacterId) -> Result<Vec<Invite>, Error> {
    let rows = sqlx::query(
        "SELECT faction.id, faction.name, role, character.id, character.name FROM faction_invite \
         JOIN faction ON faction.id = faction_invite.faction JOIN character ON character.id = invited_by \
         WHERE faction_invite.character = $1 ORDER BY faction_invite.created, faction.id",
    )
    .bind(character.to_vec())
    .fetch_all(connection)
    .await?;
    let invite = |row: &AnyRow| {
        Ok(Invite {
            faction: FactionId(id(row, 0)?),
            name: row.try_get(1)?,
            role: row.try_get(2)?,
            from: (CharacterId(id(row, 3)?), row.try_get(4)?),
        })
    };
    rows.iter().map(invite).collect()
}

/// What a faction calls others, sorted by name.
///
/// # Errors
/// If the database fails.
pub async fn relations(
    connection: &mut AnyConnection,
    faction: FactionId,
) -> Result<Vec<(FactionId, String, Relation)>, Error> {
    let rows = sqlx::query(
        "SELECT faction.id, faction.name, relation FROM faction_relation \
         JOIN faction ON faction.id = faction_relation.other WHERE faction_relation.faction = $1 ORDER BY faction.name_key",
    )
    .bind(faction.to_vec())
    .fetch_all(connection)
    .await?;
    let relation = |row: &AnyRow| {
        let word: String = row.try_get(2)?;
        let relation = if word == "ally" { Relation::Ally } else { Relation::Enemy };
        Ok((FactionId(id(row, 0)?), row.try_get(1)?, relation))
    };
    rows.iter().map(relation).collect()
}

/// What servers know of a faction; also of one that has ended.
///
/// # Errors
/// `unknown_faction` if there never was one.
pub async fn doc(connection: &mut AnyConnection, faction: FactionId) -> Result<FactionDoc, Error> {
    let sql = AssertSqlSafe(format!("{COLUMNS} WHERE id = $1"));
    let row = sqlx::query(sql).bind(faction.to_vec()).fetch_optional(&mut *connection).await?;
    let known = read(&row.ok_or_else(unknown)?)?;
    let (mut allies, mut enemies) = (Vec::new(), Vec::new());
    for (other, _, relation) in relations(connection, faction).await? {
        match relation {
            Relation::Ally => allies.push(other),
            _ => enemies.push(other),
        }
    }
    allies.sort_unstable();
    enemies.sort_unstable();
    Ok(FactionDoc {
        id: known.id,
        version: known.version,
        world: known.world,
        name: known.name,
        title: known.title,
        about: known.about,
        open: known.open,
        spawn: known.spawn,
        allies,
        enemies,
        ended: known.ended,
    })
}
