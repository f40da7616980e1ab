//! Characters: who they are and where they stood last. Their owner is [`super::ownership`]'s.

use pangea_world::id::{AccountId, AreaId, CharacterId};
use pangea_world::name::Name;
use pangea_world::space::Place;
use pangea_world::{Code, Refusal};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::counts::OWNERS;
use super::{Error, id, now_ms, optional_id, quest};

/// One character's row.
#[derive(Debug, Clone, PartialEq)]
pub struct Character {
    /// Who.
    pub id: CharacterId,
    /// Whose.
    pub account: AccountId,
    /// In which world it lives.
    pub world: String,
    /// As shown.
    pub name: String,
    /// Its faction, if it has one.
    pub faction: Option<String>,
    /// When it was made, ms since 1970.
    pub created: i64,
    /// The area that owns it; `None`: the store.
    pub owner: Option<AreaId>,
    /// Raised at each change of owner.
    pub epoch: u64,
    /// Where it stood last; `None`: it never entered.
    pub place: Option<Place>,
}

const COLUMNS: &str =
    "SELECT id, account, world, name, faction, created, owner, epoch, map, x, y, place_known FROM character";

/// From a row that begins with these columns.
pub(super) fn read(row: &AnyRow) -> Result<Character, Error> {
    let world: String = row.try_get(2)?;
    let known = row.try_get::<i64, _>(11)? != 0;
    let place = Place { world: world.clone(), map: row.try_get(8)?, x: row.try_get(9)?, y: row.try_get(10)? };
    Ok(Character {
        id: CharacterId(id(row, 0)?),
        account: AccountId(id(row, 1)?),
        world,
        name: row.try_get(3)?,
        faction: row.try_get(4)?,
        created: row.try_get(5)?,
        owner: optional_id(row, 6)?.map(AreaId),
        epoch: row.try_get::<i64, _>(7)? as u64,
        place: known.then_some(place),
    })
}

pub(super) fn unknown() -> Error {
    Refusal::new(Code::UnknownCharacter, "there is no such character").into()
}

/// A character that is to be made.
#[derive(Debug, Clone)]
pub struct New {
    /// Its id, drawn by the caller so that a repeated job makes the same one.
    pub id: CharacterId,
    /// Whose.
    pub account: AccountId,
    /// In which world.
    pub world: String,
    /// Checked by `pangea_world::name`.
    pub name: Name,
    /// Checked against the world.
    pub faction: Option<String>,
}

/// Makes a character with its first quest.
///
/// # Errors
/// `character_limit` if the account has `most` already; `name_taken`.
pub async fn create(connection: &mut AnyConnection, new: &New, most: u32) -> Result<Character, Error> {
    let count: i64 = sqlx::query("SELECT COUNT(*) FROM character WHERE account = $1 AND deleted IS NULL")
        .bind(new.account.to_vec())
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    if count >= i64::from(most) {
        let text = format!("this account has {count} characters, and may have {most}");
        return Err(Refusal::new(Code::CharacterLimit, text).into());
    }
    refuse_taken(connection, &new.name, None).await?;
    let created = now_ms();
    sqlx::query("INSERT INTO character (id, account, world, name, name_key, faction, created) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(new.id.to_vec())
        .bind(new.account.to_vec())
        .bind(new.world.clone())
        .bind(new.name.shown.clone())
        .bind(new.name.key.clone())
        .bind(new.faction.clone())
        .bind(created)
        .execute(&mut *connection)
        .await?;
    quest::seed(connection, new.id).await?;
    get(connection, new.id).await
}

/// The character of this id.
///
/// # Errors
/// `unknown_character`.
pub async fn get(connection: &mut AnyConnection, character: CharacterId) -> Result<Character, Error> {
    let sql = AssertSqlSafe(format!("{COLUMNS} WHERE id = $1 AND deleted IS NULL"));
    let row = sqlx::query(sql).bind(character.to_vec()).fetch_optional(connection).await?;
    read(&row.ok_or_else(unknown)?)
}

/// The same, if it is this account's.
///
/// # Errors
/// `unknown_character` also for another account's: whether it exists is nobody else's business.
pub async fn get_own(
    connection: &mut AnyConnection,
    account: AccountId,
    character: CharacterId,
) -> Result<Character, Error> {
    let found = get(connection, character).await?;
    if found.account == account { Ok(found) } else { Err(unknown()) }
}

/// The engine's record of a character, if one was written.
///
/// # Errors
/// If the database fails.
pub async fn record(
    connection: &mut AnyConnection,
    character: CharacterId,
) -> Result<Option<Vec<u8>>, Error> {
    let row = sqlx::query("SELECT record FROM character WHERE id = $1")
        .bind(character.to_vec())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.flatten())
}

/// Keeps a copy of the record that its owner, at that epoch, could not read; false if there is none, or
/// another owns the character.
///
/// # Errors
/// If the database fails.
pub async fn put_record_aside(
    connection: &mut AnyConnection,
    character: CharacterId,
    owner: (AreaId, u64),
) -> Result<bool, Error> {
    let done = sqlx::query(
        "INSERT INTO damaged_record (character, epoch, time, record) SELECT id, epoch, $1, record FROM character \
         WHERE id = $2 AND owner = $3 AND epoch = $4 AND record IS NOT NULL ON CONFLICT DO NOTHING",
    )
    .bind(now_ms())
    .bind(character.to_vec())
    .bind(owner.0.to_vec())
    .bind(owner.1 as i64)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The character that is known by this name, by its key.
///
/// # Errors
/// `unknown_character`.
pub async fn by_name(connection: &mut AnyConnection, name: &Name) -> Result<Character, Error> {
    let sql = AssertSqlSafe(format!("{COLUMNS} WHERE name_key = $1 AND deleted IS NULL"));
    let row = sqlx::query(sql).bind(name.key.clone()).fetch_optional(connection).await?;
    read(&row.ok_or_else(unknown)?)
}

/// All characters of an account, oldest first.
///
/// # Errors
/// If the database fails.
pub async fn list(connection: &mut AnyConnection, account: AccountId) -> Result<Vec<Character>, Error> {
    let sql = AssertSqlSafe(format!("{COLUMNS} WHERE account = $1 AND deleted IS NULL ORDER BY created, id"));
    sqlx::query(sql).bind(account.to_vec()).fetch_all(connection).await?.iter().map(read).collect()
}

/// All characters that an area owns: those that come home when it is given up.
///
/// # Errors
/// If the database fails.
pub async fn owned_by(connection: &mut AnyConnection, area: AreaId) -> Result<Vec<Character>, Error> {
    let sql = AssertSqlSafe(format!("{COLUMNS} WHERE owner = $1 ORDER BY id"));
    sqlx::query(sql).bind(area.to_vec()).fetch_all(connection).await?.iter().map(read).collect()
}

/// Deletes a character; its name is free again, its rows stay for the ledger.
///
/// # Errors
/// `unknown_character`, also for another account's; `character_in_world` while an area owns it.
pub async fn delete(
    connection: &mut AnyConnection,
    account: AccountId,
    character: CharacterId,
) -> Result<(), Error> {
    let found = get_own(&mut *connection, account, character).await?;
    if found.owner.is_some() {
        return Err(
            Refusal::new(Code::CharacterInWorld, "this character is in the world; leave first").into()
        );
    }
    OWNERS.raise(character.0);
    sqlx::query("UPDATE character SET deleted = $1 WHERE id = $2")
        .bind(now_ms())
        .bind(character.to_vec())
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE session SET selected = NULL WHERE selected = $1")
        .bind(character.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives a character another name, or another faction (empty: none), while nobody owns it.
///
/// # Errors
/// `name_taken`; `character_in_world` while an area owns it.
pub async fn change(
    connection: &mut AnyConnection,
    character: CharacterId,
    name: Option<&Name>,
    faction: Option<&str>,
) -> Result<(), Error> {
    let known = get(&mut *connection, character).await?;
    if let Some(name) = name {
        refuse_taken(connection, name, Some(character)).await?;
    }
    let faction = faction.map_or(known.faction, |faction| (!faction.is_empty()).then(|| faction.to_owned()));
    let done = sqlx::query(
        "UPDATE character SET name = COALESCE($1, name), name_key = COALESCE($2, name_key), faction = $3 \
         WHERE id = $4 AND owner IS NULL AND deleted IS NULL",
    )
    .bind(name.map(|name| name.shown.clone()))
    .bind(name.map(|name| name.key.clone()))
    .bind(faction)
    .bind(character.to_vec())
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(Refusal::new(Code::CharacterInWorld, "this character is in the world").into());
    }
    Ok(())
}

/// Refuses a name that another living character has.
async fn refuse_taken(
    connection: &mut AnyConnection,
    name: &Name,
    but: Option<CharacterId>,
) -> Result<(), Error> {
    let taken = sqlx::query("SELECT id FROM character WHERE name_key = $1 AND deleted IS NULL")
        .bind(name.key.clone())
        .fetch_optional(connection)
        .await?;
    let by = taken.map(|row| id(&row, 0)).transpose()?.map(CharacterId);
    if by.is_some() && by != but {
        return Err(Refusal::new(Code::NameTaken, "that name, or one that looks like it, is taken").into());
    }
    Ok(())
}

/// Sets a character down somewhere while nobody owns it (a warp to another map or world's spawn).
///
/// # Errors
/// `character_in_world` while an area owns it.
pub async fn put(connection: &mut AnyConnection, character: CharacterId, place: &Place) -> Result<(), Error> {
    let done = sqlx::query(
        "UPDATE character SET world = $1, map = $2, x = $3, y = $4, place_known = 1, place_time = $5 \
         WHERE id = $6 AND owner IS NULL AND deleted IS NULL",
    )
    .bind(place.world.clone())
    .bind(place.map.clone())
    .bind(place.x)
    .bind(place.y)
    .bind(now_ms())
    .bind(character.to_vec())
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(Refusal::new(Code::CharacterInWorld, "this character is in the world").into());
    }
    Ok(())
}

/// The arriving half of a handoff, in the same transaction as its Commit: the area that has just become a
/// character's owner, at that epoch, gets it as the one before wrote it (`None`: as it wrote it last), on its
/// own ground (`None`: a lobby, where it has no location). The answer is the record that it begins with.
///
/// # Errors
/// `stale_epoch` if the area does not own it at that epoch.
pub async fn put_with_owner(
    connection: &mut AnyConnection,
    character: CharacterId,
    owner: (AreaId, u64),
    place: Option<&Place>,
    record: Option<Vec<u8>>,
) -> Result<Option<Vec<u8>>, Error> {
    let fence = |query: Query| {
        let query = query.bind(record).bind(character.to_vec()).bind(owner.0.to_vec());
        query.bind(owner.1 as i64)
    };
    let query = match place {
        Some(place) => fence(sqlx::query(
            "UPDATE character SET record = COALESCE($1, record), world = $5, map = $6, x = $7, y = $8, \
             place_known = 1, place_time = $9 WHERE id = $2 AND owner = $3 AND epoch = $4 RETURNING record",
        ))
        .bind(place.world.clone())
        .bind(place.map.clone())
        .bind(place.x)
        .bind(place.y)
        .bind(now_ms()),
        None => fence(sqlx::query(
            "UPDATE character SET record = COALESCE($1, record) WHERE id = $2 AND owner = $3 AND epoch = $4 \
             RETURNING record",
        )),
    };
    match query.fetch_optional(connection).await? {
        Some(row) => Ok(row.try_get(0)?),
        None => Err(Refusal::new(Code::StaleEpoch, "another area owns the character").into()),
    }
}

/// A record that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// Of the owner who could not read it.
    pub epoch: u64,
    /// When, ms since 1970.
    pub time: i64,
    /// As it was.
    pub record: Vec<u8>,
}

/// The records of a character that could not be read, newest first, at most 16.
///
/// # Errors
/// If the database fails.
pub async fn records_aside(
    connection: &mut AnyConnection,
    character: CharacterId,
) -> Result<Vec<Aside>, Error> {
    let rows = sqlx::query(
        "SELECT epoch, time, record FROM damaged_record WHERE character = $1 ORDER BY epoch DESC LIMIT 16",
    )
    .bind(character.to_vec())
    .fetch_all(connection)
    .await?;
    let aside = |row: &AnyRow| {
        let epoch = row.try_get::<i64, _>(0)? as u64;
        Ok(Aside { epoch, time: row.try_get(1)?, record: row.try_get(2)? })
    };
    rows.iter().map(aside).collect()
}

type Query = sqlx::query::Query<'static, sqlx::Any, sqlx::any::AnyArguments>;
