//! What a commit reads: rows that are not in memory, and earlier answers.

use std::collections::{HashMap, HashSet};

use pangea_world::id::{AreaId, CharacterId, ItemId, OpId};
use pangea_world::ledger::book::{Chest, Money, Spent};
use pangea_world::ledger::{Book, Holder, Sheet, Stack, Standing};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::rows::{Around, read};
use super::{Answer, Order};
use crate::store::{Error, id, optional_id};

/// Whose rows a commit needs and memory does not have.
#[derive(Debug, Default)]
pub(super) struct Missing {
    holders: Vec<Holder>,
    sources: Vec<(AreaId, u64)>,
}

/// The same with their rows; who has none is there too.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    sheets: HashMap<Holder, Sheet>,
    sources: HashMap<(AreaId, u64), Spent>,
}

impl Loaded {
    pub(super) fn put(self, book: &mut Book) {
        self.sheets.into_iter().for_each(|(holder, sheet)| book.load(holder, sheet));
        self.sources.into_iter().for_each(|((area, number), spent)| book.load_source(area, number, spent));
    }
}

pub(super) fn missing(book: &Book, orders: &[Order]) -> Missing {
    let (mut holders, mut sources) = (HashSet::new(), HashSet::new());
    for order in orders {
        let touched = &order.touched;
        holders.extend(touched.holders.iter().copied().filter(|holder| !book.knows(*holder)));
        sources.extend(touched.source.filter(|(area, number)| !book.knows_source(*area, *number)));
    }
    Missing { holders: holders.into_iter().collect(), sources: sources.into_iter().collect() }
}

pub(super) async fn load(tx: &mut AnyConnection, missing: &Missing) -> Result<Loaded, Error> {
    let mut loaded = Loaded::default();
    loaded.sheets.extend(missing.holders.iter().map(|holder| (*holder, Sheet::default())));
    loaded.sources.extend(missing.sources.iter().map(|source| (*source, Spent::default())));
    sheets(tx, &missing.holders, &mut loaded.sheets).await?;
    let around = Around {
        before: "SELECT id, life, version FROM source WHERE id IN (VALUES ",
        columns: 1,
        after: ")",
    };
    let rows = read(tx, around, &missing.sources, |query, source| query.bind(source_key(*source)));
    for row in rows.await? {
        let spent = Spent { life: row.try_get::<i64, _>(1)? as u64, version: row.try_get(2)? };
        let key: Vec<u8> = row.try_get(0)?;
        if let Some((area, number)) = key.split_first_chunk() {
            let number = number.try_into().map(u64::from_be_bytes).unwrap_or_default();
            loaded.sources.insert((AreaId(*area), number), spent);
        }
    }
    Ok(loaded)
}

/// The key of a source's row.
pub(super) fn source_key((area, number): (AreaId, u64)) -> Vec<u8> {
    [&area.0[..], &number.to_be_bytes()].concat()
}

/// What a holder has, as the store knows it now, in one statement: for readers.
///
/// # Errors
/// If the database fails.
pub async fn sheet(reader: &mut AnyConnection, holder: Holder) -> Result<Sheet, Error> {
    let mut sheet = Sheet::default();
    let character = if let Holder::Character(character) = holder { character.to_vec() } else { Vec::new() };
    let rows = sqlx::query(
        "SELECT 1, slot, id, template, quantity, most, version FROM item WHERE holder = $1 \
         UNION ALL SELECT 2, 0, NULL, currency, amount, 0, version FROM money WHERE holder = $1 \
         UNION ALL SELECT 3, step, NULL, id, completed, 0, version FROM quest WHERE character = $2",
    )
    .bind(holder.to_vec())
    .bind(character)
    .fetch_all(reader)
    .await?;
    for row in rows {
        let (number, name): (i64, String) = (row.try_get(1)?, row.try_get(3)?);
        let (amount, version): (i64, i64) = (row.try_get(4)?, row.try_get(6)?);
        match row.try_get::<i64, _>(0)? {
            1 => {
                let (id, most) = (ItemId(id(&row, 2)?), row.try_get(5)?);
                let stack = Stack { id, template: name, quantity: amount, most, version };
                sheet.stacks.insert(number as u32, stack);
            }
            2 => drop(sheet.money.insert(name, Money { amount, version })),
            _ => {
                let standing = Standing { step: number as u32, completed: amount != 0, version };
                sheet.quests.insert(name, standing);
            }
        }
    }
    Ok(sheet)
}

/// Most spent sources that an area is told of as it begins.
const MOST_SPENT: i64 = 32_768;

/// The sources of an area that are spent, those with the highest lives first: number and life, 8 bytes each,
/// big-endian.
///
/// # Errors
/// If the database fails.
pub async fn spent(reader: &mut AnyConnection, area: AreaId) -> Result<Vec<u8>, Error> {
    let rows =
        sqlx::query("SELECT id, life FROM source WHERE id BETWEEN $1 AND $2 ORDER BY life DESC LIMIT $3")
            .bind(source_key((area, 0)))
            .bind(source_key((area, u64::MAX)))
            .bind(MOST_SPENT)
            .fetch_all(reader)
            .await?;
    let mut spent = Vec::with_capacity(rows.len() * 16);
    for row in rows {
        let key: Vec<u8> = row.try_get(0)?;
        spent.extend_from_slice(key.get(16..24).unwrap_or(&[0; 8]));
        spent.extend_from_slice(&row.try_get::<i64, _>(1)?.to_be_bytes());
    }
    Ok(spent)
}

async fn sheets(
    tx: &mut AnyConnection,
    holders: &[Holder],
    sheets: &mut HashMap<Holder, Sheet>,
) -> Result<(), Error> {
    let keys: Vec<Vec<u8>> = holders.iter().map(|holder| holder.to_vec()).collect();
    let around = Around {
        before: "SELECT holder, slot, id, template, quantity, most, version FROM item WHERE holder IN (VALUES ",
        columns: 1,
        after: ")",
    };
    for row in read(tx, around, &keys, |query, key| query.bind(&key[..])).await? {
        let stack = Stack {
            id: ItemId(id(&row, 2)?),
            template: row.try_get(3)?,
            quantity: row.try_get(4)?,
            most: row.try_get(5)?,
            version: row.try_get(6)?,
        };
        let slot = row.try_get::<i64, _>(1)? as u32;
        sheets.entry(holder(&row)?).or_default().stacks.insert(slot, stack);
    }
    let around = Around {
        before: "SELECT holder, currency, amount, version FROM money WHERE holder IN (VALUES ",
        columns: 1,
        after: ")",
    };
    for row in read(tx, around, &keys, |query, key| query.bind(&key[..])).await? {
        let money = Money { amount: row.try_get(2)?, version: row.try_get(3)? };
        sheets.entry(holder(&row)?).or_default().money.insert(row.try_get(1)?, money);
    }
    let characters = |holder: &Holder| match holder {
        Holder::Character(character) => Some(character.to_vec()),
        _ => None,
    };
    let keys: Vec<Vec<u8>> = holders.iter().filter_map(characters).collect();
    let around = Around {
        before: "SELECT character, id, step, completed, version FROM quest WHERE character IN (VALUES ",
        columns: 1,
        after: ")",
    };
    for row in read(tx, around, &keys, |query, key| query.bind(&key[..])).await? {
        let standing = Standing {
            step: u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or(u32::MAX),
            completed: row.try_get::<i64, _>(3)? != 0,
            version: row.try_get(4)?,
        };
        let holder = Holder::Character(CharacterId(id(&row, 0)?));
        sheets.entry(holder).or_default().quests.insert(row.try_get(1)?, standing);
    }
    let storages = |holder: &Holder| match holder {
        Holder::Storage(storage) => Some(storage.to_vec()),
        _ => None,
    };
    let keys: Vec<Vec<u8>> = holders.iter().filter_map(storages).collect();
    let around = Around {
        before: "SELECT id, owner, reserved_by, reserved_until, version FROM storage WHERE id IN (VALUES ",
        columns: 1,
        after: ")",
    };
    for row in read(tx, around, &keys, |query, key| query.bind(&key[..])).await? {
        let chest = Chest {
            owner: optional_id(&row, 1)?.map(CharacterId),
            reserved_by: optional_id(&row, 2)?.map(CharacterId),
            reserved_until: row.try_get(3)?,
            version: row.try_get(4)?,
        };
        let holder = Holder::Storage(pangea_world::id::StorageId(id(&row, 0)?));
        sheets.entry(holder).or_default().chest = Some(chest);
    }
    Ok(())
}

fn holder(row: &AnyRow) -> Result<Holder, Error> {
    let bytes: Vec<u8> = row.try_get(0)?;
    Holder::from_bytes(&bytes)
        .ok_or_else(|| sqlx::Error::Decode("a holder has 17 bytes and a known kind".into()).into())
}

/// Answers that operations got before, with what was asked; `asked` are those that may have been decided.
pub(super) async fn answers(
    tx: &mut AnyConnection,
    asked: &[OpId],
) -> Result<HashMap<OpId, (String, Answer)>, Error> {
    let around = Around {
        before: "SELECT op, body, code, answer FROM journal WHERE op IN (VALUES ",
        columns: 1,
        after: ")",
    };
    let mut answers = HashMap::new();
    for row in read(tx, around, asked, |query, op| query.bind(&op.0[..])).await? {
        let op = OpId(id(&row, 0)?);
        let code: String = row.try_get(2)?;
        let code = (!code.is_empty()).then(|| code.parse().unwrap_or(pangea_world::Code::Internal));
        let answer = Answer { id: op, code, text: row.try_get(3)?, repeat: true };
        answers.insert(op, (row.try_get(1)?, answer));
    }
    Ok(answers)
}
