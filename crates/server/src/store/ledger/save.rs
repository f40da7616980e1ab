//! What a commit writes of rows. Each row is written over the version that memory knew, and no other.

use pangea_world::ledger::book::Writes;
use pangea_world::ledger::{Holder, Stack};

use super::load::source_key;
use super::rows::{Around, Bound, Statement, statements};

/// The statements that write them all.
pub(super) fn save(writes: &Writes) -> impl Iterator<Item = Statement<'_>> + Send {
    let around =
        Around { before: "DELETE FROM item WHERE (id, version) IN (VALUES ", columns: 2, after: ")" };
    let gone = statements("stacks that left", around, &writes.gone, |query, (id, version)| {
        query.bind(&id.0[..]).bind(*version)
    });
    let around = Around {
        before: "INSERT INTO item (holder, slot, id, template, quantity, most, version) VALUES ",
        columns: 7,
        after: "",
    };
    let placed = statements("stacks that came", around, &writes.placed, bind_stack);
    // Their places are taken already, by themselves: none of these is inserted.
    let around = Around {
        before: "INSERT INTO item (holder, slot, id, template, quantity, most, version) VALUES ",
        columns: 7,
        after: " ON CONFLICT (holder, slot) DO UPDATE SET quantity = excluded.quantity, \
                version = excluded.version WHERE item.id = excluded.id \
                AND item.version = excluded.version - 1",
    };
    let changed = statements("stacks", around, &writes.changed, bind_stack);
    let around = Around {
        before: "INSERT INTO money (holder, currency, amount, version) VALUES ",
        columns: 4,
        after: " ON CONFLICT (holder, currency) DO UPDATE SET amount = excluded.amount, \
                version = excluded.version WHERE money.version = excluded.version - 1",
    };
    let money = statements("accounts", around, &writes.money, |query, (holder, currency, money)| {
        query.bind(holder.to_vec()).bind(currency.as_str()).bind(money.amount).bind(money.version)
    });
    let around = Around {
        before: "INSERT INTO quest (character, id, step, completed, version) VALUES ",
        columns: 5,
        after: " ON CONFLICT (character, id) DO UPDATE SET step = excluded.step, \
                completed = excluded.completed, version = excluded.version \
                WHERE quest.version = excluded.version - 1",
    };
    let quests = statements("quests", around, &writes.quests, |query, (character, quest, standing)| {
        let query = query.bind(&character.0[..]).bind(quest.as_str()).bind(i64::from(standing.step));
        query.bind(i64::from(standing.completed)).bind(standing.version)
    });
    let around = Around {
        before: "INSERT INTO storage (id, owner, reserved_by, reserved_until, version) VALUES ",
        columns: 5,
        after: " ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, \
                reserved_by = excluded.reserved_by, reserved_until = excluded.reserved_until, \
                version = excluded.version WHERE storage.version = excluded.version - 1",
    };
    let chests = statements("storages", around, &writes.chests, |query, (holder, chest)| {
        let id = if let Holder::Storage(storage) = holder { storage.to_vec() } else { Vec::new() };
        let (owner, by) = (chest.owner.map(|id| id.to_vec()), chest.reserved_by.map(|id| id.to_vec()));
        query.bind(id).bind(owner).bind(by).bind(chest.reserved_until).bind(chest.version)
    });
    let around = Around {
        before: "INSERT INTO source (id, life, version) VALUES ",
        columns: 3,
        after: " ON CONFLICT (id) DO UPDATE SET life = excluded.life, \
                version = excluded.version WHERE source.version = excluded.version - 1",
    };
    let sources = statements("sources", around, &writes.sources, |query, (area, number, spent)| {
        query.bind(source_key((*area, *number))).bind(spent.life as i64).bind(spent.version)
    });
    gone.chain(placed).chain(changed).chain(money).chain(quests).chain(chests).chain(sources)
}

fn bind_stack<'q>(query: Bound<'q>, (holder, slot, stack): &'q (Holder, u32, Stack)) -> Bound<'q> {
    let query = query.bind(holder.to_vec()).bind(i64::from(*slot)).bind(stack.id.to_vec());
    query.bind(stack.template.as_str()).bind(stack.quantity).bind(stack.most).bind(stack.version)
}
