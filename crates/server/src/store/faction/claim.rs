//! Claimed ground: whose it is, until when it is paid for, and who may do what there.

use pangea_world::faction_rules::{CLAIMS_MAX, Permission, claims_of};
use pangea_world::id::{CharacterId, FactionId};
use pangea_world::social::{ClaimDoc, Rights};
use pangea_world::{Code, Refusal};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::deed::{own, touch};
use super::{Relation, members, relations};
use crate::store::{Error, id, now_ms};

/// The ground of an area, on all layers: the world's name and the ground's.
pub type Ground = (String, String);

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Where.
    pub ground: Ground,
    /// Whose.
    pub faction: FactionId,
    /// Until then, ms since 1970.
    pub until_ms: u64,
    /// What its members, its allies and others may.
    pub rights: [Rights; 3],
}

/// What everybody may on ground that was just claimed.
const FRESH: [Rights; 3] = [
    Rights { gather: true, build: true },
    Rights { gather: true, build: false },
    Rights { gather: false, build: false },
];

fn read(row: &AnyRow) -> Result<Claim, Error> {
    let rights = |column| -> Result<Rights, Error> {
        let text: String = row.try_get(column)?;
        Ok(serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(error.into()))?)
    };
    Ok(Claim {
        ground: (row.try_get(0)?, row.try_get(1)?),
        faction: FactionId(id(row, 2)?),
        until_ms: row.try_get::<i64, _>(3)?.max(0) as u64,
        rights: [rights(4)?, rights(5)?, rights(6)?],
    })
}

/// What is paid for in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paid {
    /// A member claims it for its faction, until then, ms since 1970.
    Taken(CharacterId, Ground, u64),
    /// A member pays for so much longer, ms; at most so far ahead, ms.
    Kept(CharacterId, Ground, u64, u64),
}

impl Paid {
    /// Whether the rows allow it.
    ///
    /// # Errors
    /// As [`may_take`], [`own_at`] and [`extended`].
    pub async fn check(&self, tx: &mut AnyConnection) -> Result<(), Error> {
        match self {
            Paid::Taken(actor, ground, _) => may_take(tx, *actor, ground).await.map(drop),
            Paid::Kept(actor, ground, more_ms, ahead_ms) => {
                let claim = own_at(tx, *actor, ground).await?;
                extended(claim.until_ms, *more_ms, *ahead_ms)?;
                Ok(())
            }
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// As [`Paid::check`], if another one came first in the same transaction.
    pub async fn apply(&self, tx: &mut AnyConnection) -> Result<(), Error> {
        match self {
            Paid::Taken(actor, ground, until_ms) => take(tx, *actor, ground, *until_ms).await,
            Paid::Kept(actor, ground, more_ms, ahead_ms) => {
                extend(tx, *actor, ground, (*more_ms, *ahead_ms)).await
            }
        }
    }
}

/// The claim on this ground; one that has run out is none.
///
/// # Errors
/// If the database fails.
pub async fn at(connection: &mut AnyConnection, ground: &Ground) -> Result<Option<Claim>, Error> {
    let row = sqlx::query(
        "SELECT world, ground, faction, until, owner_may, ally_may, guest_may FROM claim \
         WHERE world = $1 AND ground = $2 AND until > $3",
    )
    .bind(ground.0.clone())
    .bind(ground.1.clone())
    .bind(now_ms())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(read).transpose()
}

/// The same as servers know it.
///
/// # Errors
/// If the database fails.
pub async fn doc(connection: &mut AnyConnection, ground: &Ground) -> Result<Option<ClaimDoc>, Error> {
    let Some(claim) = at(connection, ground).await? else { return Ok(None) };
    let name = super::get(connection, claim.faction).await?.name;
    let relations = relations(connection, claim.faction).await?;
    let allies = relations.into_iter().filter(|(_, _, relation)| *relation == Relation::Ally);
    let [owner, ally, guest] = claim.rights;
    Ok(Some(ClaimDoc {
        faction: claim.faction,
        name,
        allies: allies.map(|(other, ..)| other).collect(),
        owner,
        ally,
        guest,
        until_ms: claim.until_ms,
    }))
}

/// All of a faction, sorted by ground.
///
/// # Errors
/// If the database fails.
pub async fn of(connection: &mut AnyConnection, faction: FactionId) -> Result<Vec<Claim>, Error> {
    let rows = sqlx::query(
        "SELECT world, ground, faction, until, owner_may, ally_may, guest_may FROM claim \
         WHERE faction = $1 AND until > $2 ORDER BY world, ground",
    )
    .bind(faction.to_vec())
    .bind(now_ms())
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}

/// Whether a member may claim this ground for its faction now: asked before it pays, and again when it does.
///
/// # Errors
/// `not_a_member`, `forbidden`, `faction_full`, `already_claimed`.
pub async fn may_take(
    connection: &mut AnyConnection,
    actor: CharacterId,
    ground: &Ground,
) -> Result<FactionId, Error> {
    let (faction, role) = own(connection, actor).await?;
    faction.roles.need(&role, Permission::Claim)?;
    if faction.world != ground.0 {
        return Err(Refusal::new(Code::Forbidden, "your faction belongs to another world").into());
    }
    if let Some(claim) = at(connection, ground).await? {
        let text = if claim.faction == faction.id {
            "this ground is yours already"
        } else {
            "this ground is claimed"
        };
        return Err(Refusal::new(Code::AlreadyClaimed, text).into());
    }
    let most = claims_of(members(connection, faction.id).await?.len());
    if of(connection, faction.id).await?.len() >= most {
        let text = format!(
            "a faction may have one ground for every three members, {CLAIMS_MAX} at most: yours may have {most}"
        );
        return Err(Refusal::new(Code::FactionFull, text).into());
    }
    Ok(faction.id)
}

/// Claims it.
///
/// # Errors
/// As [`may_take`].
pub async fn take(
    tx: &mut AnyConnection,
    actor: CharacterId,
    ground: &Ground,
    until_ms: u64,
) -> Result<(), Error> {
    let faction = may_take(tx, actor, ground).await?;
    let rights = FRESH.map(|rights| serde_json::to_string(&rights).unwrap_or_default());
    sqlx::query(
        "INSERT INTO claim (world, ground, faction, until, owner_may, ally_may, guest_may) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (world, ground) DO UPDATE SET \
         faction = $3, until = $4, owner_may = $5, ally_may = $6, guest_may = $7",
    )
    .bind(ground.0.clone())
    .bind(ground.1.clone())
    .bind(faction.to_vec())
    .bind(until_ms as i64)
    .bind(rights[0].clone())
    .bind(rights[1].clone())
    .bind(rights[2].clone())
    .execute(&mut *tx)
    .await?;
    touch(tx, faction).await
}

/// The claim of a member's faction on this ground, which it may change.
///
/// # Errors
/// `not_a_member`, `forbidden`, `not_found` if the ground is not its faction's.
pub async fn own_at(
    connection: &mut AnyConnection,
    actor: CharacterId,
    ground: &Ground,
) -> Result<Claim, Error> {
    let (faction, role) = own(connection, actor).await?;
    faction.roles.need(&role, Permission::Claim)?;
    let claim = at(connection, ground).await?.filter(|claim| claim.faction == faction.id);
    claim.ok_or_else(|| Refusal::new(Code::NotFound, "your faction has no such ground").into())
}

/// Until when a claim is paid for after so much more; at most so far ahead.
///
/// # Errors
/// `amount_invalid` if that is farther ahead than one may pay.
pub fn extended(until_ms: u64, more_ms: u64, ahead_ms: u64) -> Result<u64, Refusal> {
    let until = until_ms.saturating_add(more_ms);
    if until > (now_ms() as u64).saturating_add(ahead_ms) {
        return Refusal::err(Code::AmountInvalid, "that is paid for longer ahead than one may");
    }
    Ok(until)
}

/// Pays for so much longer.
///
/// # Errors
/// As [`own_at`] and [`extended`].
pub async fn extend(
    tx: &mut AnyConnection,
    actor: CharacterId,
    ground: &Ground,
    (more_ms, ahead_ms): (u64, u64),
) -> Result<(), Error> {
    let claim = own_at(tx, actor, ground).await?;
    let until = extended(claim.until_ms, more_ms, ahead_ms)?;
    sqlx::query("UPDATE claim SET until = $1 WHERE world = $2 AND ground = $3")
        .bind(until as i64)
        .bind(ground.0.clone())
        .bind(ground.1.clone())
        .execute(&mut *tx)
        .await?;
    touch(tx, claim.faction).await
}

/// Says who may do what there.
///
/// # Errors
/// As [`own_at`].
pub async fn allow(
    tx: &mut AnyConnection,
    actor: CharacterId,
    ground: &Ground,
    rights: [Rights; 3],
) -> Result<FactionId, Error> {
    let faction = own_at(tx, actor, ground).await?.faction;
    let rights = rights.map(|rights| serde_json::to_string(&rights).unwrap_or_default());
    sqlx::query(
        "UPDATE claim SET owner_may = $1, ally_may = $2, guest_may = $3 WHERE world = $4 AND ground = $5",
    )
    .bind(rights[0].clone())
    .bind(rights[1].clone())
    .bind(rights[2].clone())
    .bind(ground.0.clone())
    .bind(ground.1.clone())
    .execute(&mut *tx)
    .await?;
    touch(tx, faction).await?;
    Ok(faction)
}

/// Gives it up; what was paid is gone.
///
/// # Errors
/// As [`own_at`].
pub async fn give_up(
    tx: &mut AnyConnection,
    actor: CharacterId,
    ground: &Ground,
) -> Result<FactionId, Error> {
    let faction = own_at(tx, actor, ground).await?.faction;
    sqlx::query("DELETE FROM claim WHERE world = $1 AND ground = $2")
        .bind(ground.0.clone())
        .bind(ground.1.clone())
        .execute(&mut *tx)
        .await?;
    touch(tx, faction).await?;
    Ok(faction)
}

/// A faction has no ground any more.
pub(super) async fn free_all(tx: &mut AnyConnection, faction: FactionId) -> Result<Vec<Ground>, Error> {
    let rows = sqlx::query("DELETE FROM claim WHERE faction = $1 RETURNING world, ground")
        .bind(faction.to_vec())
        .fetch_all(tx)
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Whether some claim has run out.
///
/// # Errors
/// If the database fails.
pub async fn any_over(connection: &mut AnyConnection) -> Result<bool, Error> {
    let row = sqlx::query("SELECT 1 FROM claim WHERE until <= $1 LIMIT 1")
        .bind(now_ms())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// Takes away what has run out.
///
/// # Errors
/// If the database fails.
pub async fn expire(tx: &mut AnyConnection) -> Result<Vec<(FactionId, Ground)>, Error> {
    let rows = sqlx::query("DELETE FROM claim WHERE until <= $1 RETURNING faction, world, ground")
        .bind(now_ms())
        .fetch_all(&mut *tx)
        .await?;
    let mut over = Vec::new();
    for row in &rows {
        let faction = FactionId(id(row, 0)?);
        touch(tx, faction).await?;
        over.push((faction, (row.try_get(1)?, row.try_get(2)?)));
    }
    Ok(over)
}
