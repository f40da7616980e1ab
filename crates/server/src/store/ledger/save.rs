//! What a commit writes of rows. Each row is written over the version that memory knew, and no other.

use pangea_world::ledger::book::Writes;
use pangea_world::ledger::{Holder, Stack};
use sqlx::AnyConnection;

use super::load::source_key;
use super::rows::{Around, Bound, write};
use crate::store::Error;

/// Writes them all.
///
/// # Errors
/// If the database fails, or a row is not as memory knew it: then nothing of the transaction may stand.
pub(super) async fn save(tx: &mut AnyConnection, writes: &Writes) -> Result<(), Error> {
    let around =
        Around { before: "DELETE FROM item WHERE (id, version) IN (VALUES ", columns: 2, after: ")" };
    let done = write(tx, around, &writes.gone, |query, (id, version)| query.bind(&id.0[..]).bind(*version));
    all("stacks that left", done.await?, writes.gone.len())?;
    let around = Around {
        before: "INSERT INTO item (holder, slot, id, template, quantity, most, version) VALUES ",
        columns: 7,
        after: "",
    };
    let done = write(tx, around, &writes.placed, bind_stack);
    all("stacks that came", done.await?, writes.placed.len())?;
    // Their places are taken already, by themselves: none of these is inserted.
    let around = Around {
        before: "INSERT INTO item (holder, slot, id, template, quantity, most, version) VALUES ",
        columns: 7,
        after: " ON CONFLICT (holder, slot) DO UPDATE SET quantity = excluded.quantity, \
                version = excluded.version WHERE item.id = excluded.id \
                AND item.version = excluded.version - 1",
    };
    let done = write(tx, around, &writes.changed, bind_stack);
    all("stacks", done.await?, writes.changed.len())?;
    let around = Around {
        before: "INSERT INTO money (holder, currency, amount, version) VALUES ",
        columns: 4,
        after: " ON CONFLICT (holder, currency) DO UPDATE SET amount = excluded.amount, \
                version = excluded.version WHERE money.version = excluded.version - 1",
    };
    let done = write(tx, around, &writes.money, |query, (holder, currency, money)| {
        query.bind(holder.to_vec()).bind(currency.as_str()).bind(money.amount).bind(money.version)
    });
    all("accounts", done.await?, writes.money.len())?;
    let around = Around {
        before: "INSERT INTO quest (character, id, step, completed, version) VALUES ",
        columns: 5,
        after: " ON CONFLICT (character, id) DO UPDATE SET step = excluded.step, \
                completed = excluded.completed, version = excluded.version \
                WHERE quest.version = excluded.version - 1",
    };
    let done = write(tx, around, &writes.quests, |query, (character, quest, standing)| {
        let query = query.bind(&character.0[..]).bind(quest.as_str()).bind(i64::from(standing.step));
        query.bind(i64::from(standing.completed)).bind(standing.version)
    });
    all("quests", done.await?, writes.quests.len())?;
    let around = Around {
        before: "INSERT INTO storage (id, owner, reserved_by, reserved_until, version) VALUES ",
        columns: 5,
        after: " ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, \
                reserved_by = excluded.reserved_by, reserved_until = excluded.reserved_until, \
                version = excluded.version WHERE storage.version = excluded.version - 1",
    };
    let done = write(tx, around, &writes.chests, |query, (holder, chest)| {
        let id = if let Holder::Storage(storage) = holder { storage.to_vec() } else { Vec::new() };
        let (owner, by) = (chest.owner.map(|id| id.to_vec()), chest.reserved_by.map(|id| id.to_vec()));
        query.bind(id).bind(owner).bind(by).bind(chest.reserved_until).bind(chest.version)
    });
    all("storages", done.await?, writes.chests.len())?;
    let around = Around {
        before: "INSERT INTO source (id, life, version) VALUES ",
        columns: 3,
        after: " ON CONFLICT (id) DO UPDATE SET life = excluded.life, \
                version = excluded.version WHERE source.version = excluded.version - 1",
    };
    let done = write(tx, around, &writes.sources, |query, (area, number, spent)| {
        query.bind(source_key((*area, *number))).bind(spent.life as i64).bind(spent.version)
    });
    all("sources", done.await?, writes.sources.len())
}

fn bind_stack<'q>(query: Bound<'q>, (holder, slot, stack): &(Holder, u32, Stack)) -> Bound<'q> {
    let query = query.bind(holder.to_vec()).bind(i64::from(*slot)).bind(stack.id.to_vec());
    query.bind(stack.template.clone()).bind(stack.quantity).bind(stack.most).bind(stack.version)
}

fn all(what: &str, touched: u64, wished: usize) -> Result<(), Error> {
    if touched == wished as u64 {
        return Ok(());
    }
    let text = format!("{what}: {touched} of {wished} rows were as the ledger knew them");
    Err(sqlx::Error::Protocol(text).into())
}
