//! Areas: their id, their life counter and their saved state. Their owner is [`super::ownership`]'s.

use pangea_world::id::{AreaId, ServerId};
use pangea_world::space::{AreaName, Ground};
use pangea_world::{Code, Refusal};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::counts::OWNERS;
use super::{Error, id, optional_id};

/// One area's row, without its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// Which.
    pub id: AreaId,
    /// World, ground, layer.
    pub name: AreaName,
    /// The server that owns it; `None`: the store.
    pub owner: Option<ServerId>,
    /// Raised at each change of owner.
    pub epoch: u64,
    /// Raised each time a process is given the area.
    pub incarnation: u64,
    /// Whether there is a saved state.
    pub saved: bool,
    /// The spawner that started the owner; empty before the first.
    pub spawner: String,
}

const COLUMNS: &str = "SELECT id, world, ground, layer, owner, epoch, incarnation, \
    CASE WHEN state IS NULL THEN 0 ELSE 1 END, spawner FROM area";

fn read(row: &AnyRow) -> Result<Area, Error> {
    let ground: String = row.try_get(2)?;
    Ok(Area {
        id: AreaId(id(row, 0)?),
        name: AreaName {
            world: row.try_get(1)?,
            ground: ground.parse::<Ground>()?,
            layer: u16::try_from(row.try_get::<i64, _>(3)?).unwrap_or(u16::MAX),
        },
        owner: optional_id(row, 4)?.map(ServerId),
        epoch: row.try_get::<i64, _>(5)? as u64,
        incarnation: row.try_get::<i64, _>(6)? as u64,
        saved: row.try_get::<i64, _>(7)? != 0,
        spawner: row.try_get(8)?,
    })
}

/// The row of this name, made with the id `fresh` if there is none yet.
///
/// # Errors
/// If the database fails.
pub async fn find_or_make(
    connection: &mut AnyConnection,
    name: &AreaName,
    fresh: AreaId,
) -> Result<Area, Error> {
    sqlx::query("INSERT INTO area (id, world, ground, layer) VALUES ($1, $2, $3, $4) ON CONFLICT (world, ground, layer) DO NOTHING")
        .bind(fresh.to_vec())
        .bind(name.world.clone())
        .bind(name.ground.to_string())
        .bind(i64::from(name.layer))
        .execute(&mut *connection)
        .await?;
    let row = named(connection, name).await?;
    row.ok_or_else(|| Refusal::new(Code::NotFound, "there is no such area").into())
}

/// The row of this id.
///
/// # Errors
/// `not_found`.
pub async fn get(connection: &mut AnyConnection, area: AreaId) -> Result<Area, Error> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1"));
    let row = sqlx::query(sql).bind(area.to_vec()).fetch_optional(connection).await?;
    read(&row.ok_or_else(|| Refusal::new(Code::NotFound, "there is no such area"))?)
}

/// All areas that a server owns: what a central that starts must find again or give up.
///
/// # Errors
/// If the database fails.
pub async fn all_owned(connection: &mut AnyConnection) -> Result<Vec<Area>, Error> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE owner IS NOT NULL ORDER BY world, ground, layer"));
    sqlx::query(sql).fetch_all(connection).await?.iter().map(read).collect()
}

/// Gives the area a new life and says which.
///
/// # Errors
/// `not_found`.
pub async fn next_incarnation(connection: &mut AnyConnection, area: AreaId) -> Result<u64, Error> {
    OWNERS.raise(area.0);
    let row =
        sqlx::query("UPDATE area SET incarnation = incarnation + 1 WHERE id = $1 RETURNING incarnation")
            .bind(area.to_vec())
            .fetch_optional(connection)
            .await?;
    let row = row.ok_or_else(|| Refusal::new(Code::NotFound, "there is no such area"))?;
    Ok(row.try_get::<i64, _>(0)? as u64)
}

/// Makes the row of an area that begins with a split; one of this id and name may be there from before.
///
/// # Errors
/// `area_unavailable` if another area has that ground.
pub async fn add(
    connection: &mut AnyConnection,
    area: AreaId,
    name: &AreaName,
    cut: bool,
) -> Result<(), Error> {
    let row = find_or_make(connection, name, area).await?;
    if row.id != area || row.owner.is_some() {
        return Err(other_has_it());
    }
    set_ground(connection, area, name, cut).await
}

/// Gives an area this ground; `cut`: the world's file would make another one there.
///
/// # Errors
/// `area_unavailable` if another area has it.
pub async fn set_ground(
    connection: &mut AnyConnection,
    area: AreaId,
    name: &AreaName,
    cut: bool,
) -> Result<(), Error> {
    let done = sqlx::query("UPDATE area SET ground = $1, cut = $2 WHERE id = $3")
        .bind(name.ground.to_string())
        .bind(i32::from(cut))
        .bind(area.to_vec())
        .execute(connection)
        .await
        .map_err(Error::from);
    match done {
        Err(error) if error.is_unique() => Err(other_has_it()),
        done => done.map(drop),
    }
}

fn other_has_it() -> Error {
    Refusal::new(Code::AreaUnavailable, "another area has that ground").into()
}

/// An area whose ground another one has from now on.
///
/// # Errors
/// If a character is its still.
pub async fn remove(connection: &mut AnyConnection, area: AreaId) -> Result<(), Error> {
    OWNERS.raise(area.0);
    sqlx::query("DELETE FROM area WHERE id = $1").bind(area.to_vec()).execute(connection).await?;
    Ok(())
}

/// How many layers of a ground there are, whether they run or not.
///
/// # Errors
/// If the database fails.
pub async fn layers(connection: &mut AnyConnection, name: &AreaName) -> Result<i64, Error> {
    let row = sqlx::query("SELECT COUNT(*) FROM area WHERE world = $1 AND ground = $2")
        .bind(name.world.clone())
        .bind(name.ground.to_string())
        .fetch_one(connection)
        .await?;
    Ok(row.try_get(0)?)
}

/// The row of this name, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn named(connection: &mut AnyConnection, name: &AreaName) -> Result<Option<Area>, Error> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE world = $1 AND ground = $2 AND layer = $3"));
    let row = sqlx::query(sql)
        .bind(name.world.clone())
        .bind(name.ground.to_string())
        .bind(i64::from(name.layer))
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The grounds that are cut otherwise than their world's file says, with their worlds.
///
/// # Errors
/// If the database fails.
pub async fn cuts(connection: &mut AnyConnection) -> Result<Vec<(String, Ground)>, Error> {
    let rows = sqlx::query("SELECT world, ground FROM area WHERE cut = 1 ORDER BY world, ground")
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get::<String, _>(1)?.parse()?))).collect()
}

/// The state that [`super::ownership::save_area_state`] wrote last.
///
/// # Errors
/// If the database fails.
pub async fn state(connection: &mut AnyConnection, area: AreaId) -> Result<Option<Vec<u8>>, Error> {
    let row = sqlx::query("SELECT state FROM area WHERE id = $1")
        .bind(area.to_vec())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.flatten())
}

/// Notes which spawner started the owner: the witness of its end.
///
/// # Errors
/// If the database fails.
pub async fn set_spawner(connection: &mut AnyConnection, area: AreaId, spawner: &str) -> Result<(), Error> {
    sqlx::query("UPDATE area SET spawner = $1 WHERE id = $2")
        .bind(spawner.to_owned())
        .bind(area.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}
