//! What must hold when everything runs again: compares what players were told with central's journal, and the journal
//! with all that lies in the database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use pangea_client::Client;
use pangea_server::simulation::on_the_spot;
use pangea_world::id::CharacterId;
use pangea_world::ledger::{Act, Holder, Operation};
use serde::Deserialize;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::game::{COIN, COINS_PER_GATHER, Deed, WOOD, source, taken};
use crate::notes::{Fate, Notes};
use crate::talk;

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

/// What was done, by who wished it and with whom.
type Kind = (CharacterId, Deed, Option<CharacterId>);

/// What central's journal says.
#[derive(Default)]
struct Done {
    /// How often each source gave.
    gathers: BTreeMap<u64, u64>,
    /// How often all else was done.
    deeds: BTreeMap<Kind, u64>,
    /// What everybody has, and what lies on the ground: wood and coins.
    has: BTreeMap<Option<CharacterId>, (i64, i64)>,
}

impl Done {
    fn add(&mut self, act: &Act) {
        let mut moves = |holder: Option<CharacterId>, wood: i64, coins: i64| {
            let has = self.has.entry(holder).or_default();
            *has = (has.0 + wood, has.1 + coins);
        };
        let kind = match act {
            Act::Pick { who, source, .. } => {
                moves(Some(who.character), 1, COINS_PER_GATHER);
                *self.gathers.entry(source.number).or_default() += 1;
                return;
            }
            Act::Pay { who, to, coins } => {
                moves(Some(who.character), 0, -coins.amount);
                moves(Some(*to), 0, coins.amount);
                (who.character, Deed::Pay, Some(*to))
            }
            Act::Drop { who, part, .. } => {
                moves(Some(who.character), -part.quantity, 0);
                moves(None, part.quantity, 0);
                (who.character, Deed::Drop, None)
            }
            Act::Take { who, part } => {
                moves(None, -part.quantity, 0);
                moves(Some(who.character), part.quantity, 0);
                (who.character, Deed::Take, None)
            }
            Act::Trade { a: seller, b: buyer } => {
                let (gives, gets) = (seller.who.character, buyer.who.character);
                let wood: i64 = seller.parts.iter().map(|part| part.quantity).sum();
                let coins: i64 = buyer.coins.iter().map(|coins| coins.amount).sum();
                moves(Some(gives), -wood, coins);
                moves(Some(gets), wood, -coins);
                (gets, Deed::Buy, Some(gives))
            }
            _ => return,
        };
        *self.deeds.entry(kind).or_default() += 1;
    }

    /// What players were told of is there, what they were refused is not, and nothing is there twice.
    fn compare(&self, notes: &Notes) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut known: BTreeMap<Kind, [u64; 3]> = BTreeMap::new();
        for ((who, number), wished) in &notes.wishes {
            if wished.deed != Deed::Gather {
                let [asked, done, refused] = known.entry((*who, wished.deed, wished.whom)).or_default();
                *asked += 1;
                *done += u64::from(wished.fate == Fate::Done);
                *refused += u64::from(wished.fate == Fate::Refused);
                continue;
            }
            let times = self.gathers.get(&source(*who, *number)).copied().unwrap_or(0);
            match wished.fate {
                Fate::Done if times == 0 => wrong.push(format!("lost: gather {number} of {who}")),
                Fate::Refused if times > 0 => {
                    wrong.push(format!("refused and done: gather {number} of {who}"));
                }
                _ if times > 1 => wrong.push(format!("doubled: gather {number} of {who}")),
                _ => {}
            }
        }
        for kind in self.deeds.keys().filter(|kind| !known.contains_key(kind)) {
            wrong.push(format!("done, and nobody asked for it: {kind:?}"));
        }
        for (kind, [asked, told, refused]) in &known {
            let times = self.deeds.get(kind).copied().unwrap_or(0);
            if times < *told {
                wrong.push(format!("lost: {} of {kind:?}", told - times));
            }
            if times > asked - refused {
                wrong.push(format!("doubled, or refused and done: {} of {kind:?}", times + refused - asked));
            }
        }
        wrong
    }
}

/// What is wrong; empty: nothing.
///
/// # Errors
/// If central cannot be asked, or its database not be read.
pub async fn audit(
    operator: &Client,
    [database, chat]: [&Path; 2],
    notes: &Notes,
) -> anyhow::Result<Vec<String>> {
    let mut wrong = notes.wrong.clone();
    for ((who, number), times) in taken().into_iter().filter(|(_, times)| *times > 1) {
        wrong.push(format!("wish {number} of {who} was taken {times} times"));
    }
    let whispers = on_the_spot(talk::rows(chat)).await.context("chat's file")?;
    wrong.extend(notes.talk.compare(&whispers));
    let mut done = Done::default();
    for act in journal(operator, &notes.everybody).await? {
        done.add(&act);
    }
    wrong.extend(done.compare(notes));
    let Rows { has, bank, twice } = on_the_spot(rows(database)).await.context("central's database")?;
    wrong.extend(twice.into_iter().map(|item| format!("a stack is there twice: {item}")));
    let holders: BTreeSet<Option<CharacterId>> = done.has.keys().chain(has.keys()).copied().collect();
    for holder in holders {
        let of = |has: &BTreeMap<_, (i64, i64)>| has.get(&holder).copied().unwrap_or_default();
        if of(&has) != of(&done.has) {
            let (has, journal) = (of(&has), of(&done.has));
            let whose = holder.map_or_else(|| "the ground".to_owned(), |character| character.to_string());
            wrong.push(format!("{whose} has {has:?} wood and coins, the journal says {journal:?}"));
        }
    }
    let (wood, coins) = has.values().fold((0, bank), |sum, has| (sum.0 + has.0, sum.1 + has.1));
    let gathered: u64 = done.gathers.values().sum();
    if (wood, coins) != (gathered as i64, 0) {
        wrong.push(format!("{gathered} wood was gathered, {wood} is there; all coins are {coins}"));
    }
    Ok(wrong)
}

/// What was done to or by any of these, each once.
async fn journal(operator: &Client, everybody: &[CharacterId]) -> anyhow::Result<Vec<Act>> {
    let mut entries = BTreeMap::new();
    for character in everybody {
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
    let done = entries.into_values().filter(|entry| entry.refused.is_none());
    Ok(done.map(|entry| entry.operation.act).collect())
}

/// What lies in the database.
#[derive(Default)]
struct Rows {
    /// What everybody has, and what lies on the ground of all areas: wood and coins.
    has: BTreeMap<Option<CharacterId>, (i64, i64)>,
    /// The bank's coins.
    bank: i64,
    /// Stacks that are in two places.
    twice: Vec<String>,
}

async fn rows(database: &Path) -> anyhow::Result<Rows> {
    let options = SqliteConnectOptions::new().filename(database).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let (mut rows, mut seen) = (Rows::default(), BTreeSet::new());
    let items = "SELECT holder, id, quantity FROM item WHERE template = $1";
    let items = sqlx::query_as::<_, (Vec<u8>, Vec<u8>, i64)>(items).bind(WOOD);
    for (holder, id, quantity) in items.fetch_all(&mut connection).await? {
        let holder = match Holder::from_bytes(&holder).context("a holder")? {
            Holder::Character(character) => Some(character),
            _ => None,
        };
        rows.has.entry(holder).or_default().0 += quantity;
        if !seen.insert(id.clone()) {
            rows.twice.push(format!("{id:02x?}"));
        }
    }
    let money = "SELECT holder, amount FROM money WHERE currency = $1";
    let money = sqlx::query_as::<_, (Vec<u8>, i64)>(money).bind(COIN);
    for (holder, amount) in money.fetch_all(&mut connection).await? {
        match Holder::from_bytes(&holder).context("a holder")? {
            Holder::Character(character) => rows.has.entry(Some(character)).or_default().1 += amount,
            _ => rows.bank += amount,
        }
    }
    connection.close().await?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use pangea_engine::ledger::who;
    use pangea_world::id::ItemId;
    use pangea_world::ledger::{Bundle, Coins, Part, Side, Source};

    use super::*;
    use crate::notes::Wished;

    const ADA: CharacterId = CharacterId([1; 16]);
    const BOB: CharacterId = CharacterId([2; 16]);

    fn part() -> Part {
        Part { item: ItemId([3; 16]), quantity: 1 }
    }

    fn wrong(wishes: &[(Deed, Option<CharacterId>, Fate)], done: &[Act]) -> usize {
        let mut notes = Notes::default();
        for (number, (deed, whom, fate)) in (1..).zip(wishes) {
            notes.wishes.insert((ADA, number), Wished { deed: *deed, whom: *whom, fate: *fate });
        }
        let mut journal = Done::default();
        done.iter().for_each(|act| journal.add(act));
        journal.compare(&notes).len()
    }

    #[test]
    fn what_is_lost_doubled_or_refused_and_done_is_found() {
        let source = Source { number: source(ADA, 1), life: 1 };
        let gather = Act::Pick { who: who(ADA), source, gets: Bundle::default() };
        let drop = Act::Drop { who: who(ADA), part: part(), spot: 0 };
        let wish = |deed, fate| [(deed, None, fate)];
        for (deed, act) in [(Deed::Gather, gather), (Deed::Drop, drop)] {
            assert_eq!(wrong(&wish(deed, Fate::Done), std::slice::from_ref(&act)), 0);
            assert_eq!(wrong(&wish(deed, Fate::Unknown), std::slice::from_ref(&act)), 0);
            assert_eq!(wrong(&wish(deed, Fate::Unknown), &[]), 0);
            assert_eq!(wrong(&wish(deed, Fate::Done), &[]), 1, "lost: {deed:?}");
            assert_eq!(wrong(&wish(deed, Fate::Refused), std::slice::from_ref(&act)), 1, "{deed:?}");
            assert_eq!(wrong(&wish(deed, Fate::Done), &[act.clone(), act]), 1, "doubled: {deed:?}");
        }
        let take = Act::Take { who: who(BOB), part: part() };
        assert_eq!(wrong(&wish(Deed::Take, Fate::Unknown), &[take]), 1, "it was not his wish");
    }

    #[test]
    fn everything_that_is_done_moves_as_much_as_it_takes() {
        let mut done = Done::default();
        let side = |who, parts, coins: i64| Side {
            who,
            parts,
            coins: (coins > 0).then(|| Coins::new(COIN, coins)).into_iter().collect(),
        };
        for act in [
            Act::Pick { who: who(ADA), source: Source { number: 1, life: 1 }, gets: Bundle::default() },
            Act::Pay { who: who(ADA), to: BOB, coins: Coins::new(COIN, 1) },
            Act::Trade { a: side(who(ADA), vec![part()], 0), b: side(who(BOB), vec![], 1) },
            Act::Drop { who: who(BOB), part: part(), spot: 0 },
        ] {
            done.add(&act);
        }
        let has = |holder| done.has.get(&holder).copied().unwrap_or_default();
        assert_eq!([has(Some(ADA)), has(Some(BOB)), has(None)], [(0, 2), (0, 0), (1, 0)]);
        done.add(&Act::Take { who: who(ADA), part: part() });
        assert_eq!(done.has[&Some(ADA)], (1, 2));
        assert_eq!(done.has[&None], (0, 0));
        assert_eq!(done.deeds[&(BOB, Deed::Buy, Some(ADA))], 1);
    }
}
