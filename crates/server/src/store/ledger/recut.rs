//! What lies on the ground of areas that are cut anew goes to the area that has its place from then on; so does what
//! their sources gave. Slots and numbers say the place (`pangea_world::spot`), so they stay as they are.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use pangea_world::id::AreaId;
use pangea_world::ledger::Holder;
use pangea_world::space::Rect;
use pangea_world::spot;
use sqlx::{AnyConnection, Row};

use super::load::source_key;
use super::rows::{Around, statements, write};
use crate::store::Error;

/// An area, and its ground in metres.
pub type Piece = (AreaId, Rect);

/// Moves rows from the areas as they were to the areas as they are. Before the next commit memory must be forgotten.
///
/// # Errors
/// If the database fails.
pub async fn recut(tx: &mut AnyConnection, before: &[Piece], after: &[Piece]) -> Result<(), Error> {
    for (area, ground) in before {
        let goes_to = |(x, y): (i32, i32)| {
            let has = |(_, part): &&Piece| part.contains(f64::from(x), f64::from(y));
            after.iter().find(has).or(after.first()).map_or(*area, |(area, _)| *area)
        };
        goods(tx, *area, |slot| goes_to(spot::tile_of_slot(ground, slot))).await?;
        sources(tx, *area, |number| goes_to(spot::tile_of_source(ground, number))).await?;
        if let Some((heir, _)) = after.first().filter(|_| after.iter().all(|(other, _)| other != area)) {
            money(tx, *area, *heir).await?;
        }
    }
    Ok(())
}

async fn slots(tx: &mut AnyConnection, area: AreaId) -> Result<Vec<u32>, Error> {
    let rows = sqlx::query("SELECT slot FROM item WHERE holder = $1 ORDER BY slot")
        .bind(Holder::Ground(area).to_vec())
        .fetch_all(tx)
        .await?;
    rows.iter().map(|row| Ok(row.try_get::<i64, _>(0)? as u32)).collect()
}

async fn goods(tx: &mut AnyConnection, area: AreaId, goes_to: impl Fn(u32) -> AreaId) -> Result<(), Error> {
    let mut taken: HashMap<AreaId, HashSet<u32>> = HashMap::new();
    for slot in slots(tx, area).await? {
        let to = goes_to(slot);
        if to == area {
            continue;
        }
        let there = match taken.entry(to) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(slots(tx, to).await?.into_iter().collect()),
        };
        // What was pushed aside there may lie where this one did.
        let free = (slot..=u32::MAX).chain(0..slot).find(|free| !there.contains(free)).unwrap_or(slot);
        there.insert(free);
        sqlx::query(
            "UPDATE item SET holder = $1, slot = $2, version = version + 1 WHERE holder = $3 AND slot = $4",
        )
        .bind(Holder::Ground(to).to_vec())
        .bind(i64::from(free))
        .bind(Holder::Ground(area).to_vec())
        .bind(i64::from(slot))
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

async fn money(tx: &mut AnyConnection, from: AreaId, to: AreaId) -> Result<(), Error> {
    let rows = sqlx::query("SELECT currency, amount FROM money WHERE holder = $1")
        .bind(Holder::Ground(from).to_vec())
        .fetch_all(&mut *tx)
        .await?;
    for row in rows {
        sqlx::query(
            "INSERT INTO money (holder, currency, amount, version) VALUES ($1, $2, $3, 1) \
             ON CONFLICT (holder, currency) DO UPDATE SET amount = money.amount + excluded.amount, \
             version = money.version + 1",
        )
        .bind(Holder::Ground(to).to_vec())
        .bind(row.try_get::<String, _>(0)?)
        .bind(row.try_get::<i64, _>(1)?)
        .execute(&mut *tx)
        .await?;
    }
    sqlx::query("DELETE FROM money WHERE holder = $1")
        .bind(Holder::Ground(from).to_vec())
        .execute(tx)
        .await?;
    Ok(())
}

/// A source's row: its key before, its key afterwards, and how far it is spent.
type Moved = (Vec<u8>, Vec<u8>, i64);

async fn sources(tx: &mut AnyConnection, area: AreaId, goes_to: impl Fn(u64) -> AreaId) -> Result<(), Error> {
    let rows = sqlx::query("SELECT id, life FROM source WHERE id BETWEEN $1 AND $2")
        .bind(source_key((area, 0)))
        .bind(source_key((area, u64::MAX)))
        .fetch_all(&mut *tx)
        .await?;
    let mut moved: Vec<Moved> = Vec::new();
    for row in rows {
        let key: Vec<u8> = row.try_get(0)?;
        let Some(number) = key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes)) else { continue };
        let to = goes_to(number);
        if to != area {
            moved.push((key, source_key((to, number)), row.try_get(1)?));
        }
    }
    let insert = Around {
        before: "INSERT INTO source (id, life, version) VALUES ",
        columns: 3,
        after: " ON CONFLICT (id) DO UPDATE SET life = CASE WHEN excluded.life > source.life THEN excluded.life ELSE source.life END, version = source.version + 1",
    };
    let moves = statements("sources", insert, &moved, |query, (_, key, life)| {
        query.bind(&key[..]).bind(*life).bind(1_i64)
    });
    write(tx, moves).await?;
    let delete = Around { before: "DELETE FROM source WHERE id IN (VALUES ", columns: 1, after: ")" };
    write(tx, statements("sources", delete, &moved, |query, (key, ..)| query.bind(&key[..]))).await?;
    Ok(())
}
