//! What must hold when everything runs again: compares what players were told with central's journal.

use std::collections::BTreeMap;

use pangea_client::Client;
use pangea_world::id::CharacterId;
use pangea_world::ledger::{Act, Operation};
use serde::Deserialize;

use crate::game::{COIN, COINS_PER_GATHER, WOOD, source, taken};
use crate::notes::{Fate, Notes};

const PAGE: i64 = 1_000;

#[derive(Deserialize)]
struct Entry {
    n: i64,
    refused: Option<String>,
    operation: Operation,
}

#[derive(Deserialize)]
struct Entries {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Belongings {
    items: Vec<Item>,
    money: Vec<Amount>,
}

#[derive(Deserialize)]
struct Item {
    template: String,
    quantity: i64,
}

#[derive(Deserialize)]
struct Amount {
    currency: String,
    amount: i64,
}

/// What central has of all operations that were done.
#[derive(Default)]
struct Done {
    /// How often each source gave.
    gathers: BTreeMap<u64, u64>,
    paid: BTreeMap<(CharacterId, CharacterId), u64>,
    wood: BTreeMap<CharacterId, i64>,
    coins: BTreeMap<CharacterId, i64>,
}

/// What is wrong; empty: nothing.
///
/// # Errors
/// If central cannot be asked.
pub async fn audit(operator: &Client, notes: &Notes) -> anyhow::Result<Vec<String>> {
    let mut wrong = notes.wrong.clone();
    for ((who, number), times) in taken().into_iter().filter(|(_, times)| *times > 1) {
        wrong.push(format!("wish {number} of {who} was taken {times} times"));
    }
    let mut entries = BTreeMap::new();
    for character in &notes.everybody {
        let mut before = i64::MAX;
        loop {
            let path = format!("/api/data/characters/{character}/journal?before={before}&most={PAGE}");
            let page: Entries = operator.call(http::Method::GET, &path, None).await?;
            let full = page.entries.len() as i64 == PAGE;
            for entry in page.entries {
                before = before.min(entry.n);
                entries.insert(entry.n, entry);
            }
            if !full {
                break;
            }
        }
    }
    let mut done = Done::default();
    for entry in entries.values().filter(|entry| entry.refused.is_none()) {
        match &entry.operation.act {
            Act::Pick { who, source, .. } => {
                *done.gathers.entry(source.number).or_default() += 1;
                *done.wood.entry(who.character).or_default() += 1;
                *done.coins.entry(who.character).or_default() += COINS_PER_GATHER;
            }
            Act::Pay { who, to, coins } => {
                *done.paid.entry((who.character, *to)).or_default() += 1;
                *done.coins.entry(who.character).or_default() -= coins.amount;
                *done.coins.entry(*to).or_default() += coins.amount;
            }
            _ => {}
        }
    }
    for ((character, number), fate) in &notes.gathers {
        let times = done.gathers.get(&source(*character, *number)).copied().unwrap_or(0);
        match fate {
            Fate::Done if times == 0 => wrong.push(format!("lost: gather {number} of {character}")),
            Fate::Refused if times > 0 => {
                wrong.push(format!("refused and done: gather {number} of {character}"))
            }
            _ if times > 1 => wrong.push(format!("doubled: gather {number} of {character}")),
            _ => {}
        }
    }
    for (pair, (told, asked)) in &notes.paid {
        let times = done.paid.get(pair).copied().unwrap_or(0);
        if times < *told {
            wrong.push(format!("lost: {} payments of {} to {}", told - times, pair.0, pair.1));
        }
        if times > *asked {
            wrong.push(format!("doubled: {} payments of {} to {}", times - asked, pair.0, pair.1));
        }
    }
    for character in &notes.everybody {
        let path = format!("/api/data/characters/{character}/belongings");
        let has: Belongings = operator.call(http::Method::GET, &path, None).await?;
        let wood: i64 = has.items.iter().filter(|item| item.template == WOOD).map(|item| item.quantity).sum();
        let coins: i64 =
            has.money.iter().filter(|money| money.currency == COIN).map(|money| money.amount).sum();
        let expected =
            (done.wood.get(character).copied().unwrap_or(0), done.coins.get(character).copied().unwrap_or(0));
        if (wood, coins) != expected {
            wrong.push(format!(
                "{character} has {wood} wood and {coins} coins, the journal says {expected:?}"
            ));
        }
    }
    Ok(wrong)
}
