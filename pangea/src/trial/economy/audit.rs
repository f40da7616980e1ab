//! Compares what players know with what central has: its journal, everybody's belongings, all money.

use std::collections::{BTreeMap, HashMap, HashSet};

use http::Method;
use pangea_client::{Client, Error};
use pangea_world::id::CharacterId;
use pangea_world::ledger::Operation;
use serde::Deserialize;

use super::deed::{COIN, Deed, WOOD, What};
use super::record::Notes;

/// Entries that one call reads.
const PAGE: i64 = 1_000;
/// Of each kind of fault, how many are told.
const MOST_TOLD: usize = 3;

/// An entry of the journal, as central's API has it.
#[derive(Debug, Deserialize)]
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
struct Checked {
    to: i64,
    more: bool,
    broken: Option<i64>,
}

#[derive(Deserialize)]
struct AllMoney {
    currencies: Vec<Money>,
}

#[derive(Deserialize)]
struct Money {
    currency: String,
    bank: i64,
    held: i64,
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

/// What central has.
pub(in crate::trial) struct Found {
    /// How often each deed was done, by doer and deed.
    done: HashMap<(CharacterId, Deed), u64>,
    /// Wood and coins of each character.
    has: HashMap<CharacterId, (i64, i64)>,
    money: Vec<Money>,
    /// How far the journal was followed, and where its chain is broken.
    pub(in crate::trial) journal: i64,
    broken: Option<i64>,
}

impl Found {
    /// Reads it through the operator's API.
    pub(in crate::trial) async fn read(operator: &Client, everybody: &[CharacterId]) -> anyhow::Result<Self> {
        let mut found =
            Self { done: HashMap::new(), has: HashMap::new(), money: Vec::new(), journal: 0, broken: None };
        let mut seen = HashSet::new();
        for character in everybody {
            let mut before = i64::MAX;
            loop {
                let path = format!("/api/data/characters/{character}/journal?before={before}&most={PAGE}");
                let page: Entries = operator.call(Method::GET, &path, None).await?;
                for entry in &page.entries {
                    before = before.min(entry.n);
                    // An operation of two characters is found with each.
                    let deed = Deed::of(&entry.operation.act).filter(|_| entry.refused.is_none());
                    if let (true, Some(deed)) = (seen.insert(entry.n), deed) {
                        *found.done.entry(deed).or_default() += 1;
                    }
                }
                if (page.entries.len() as i64) < PAGE {
                    break;
                }
            }
            let path = format!("/api/data/characters/{character}/belongings");
            let belongings: Belongings = operator.call(Method::GET, &path, None).await?;
            let wood = belongings.items.iter().filter(|item| item.template == WOOD);
            let coins = belongings.money.iter().filter(|money| money.currency == COIN);
            let has = (wood.map(|item| item.quantity).sum(), coins.map(|money| money.amount).sum());
            found.has.insert(*character, has);
        }
        let money: AllMoney = operator.call(Method::GET, "/api/data/money", None).await?;
        found.money = money.currencies;
        loop {
            let path = format!("/api/data/journal/check?after={}", found.journal);
            let checked: Checked = operator.call(Method::GET, &path, None).await?;
            (found.journal, found.broken) = (checked.to, checked.broken);
            if !checked.more || checked.broken.is_some() {
                return Ok(found);
            }
        }
    }

    /// Compares it with what players know; everybody began with so many coins.
    pub(in crate::trial) fn compare(&self, notes: &Notes, began_with: i64) -> Verdict {
        let mut verdict = Verdict { committed: self.done.values().sum(), ..Verdict::default() };
        self.each_deed(notes, &mut verdict);
        self.trades(&mut verdict);
        self.sources(&mut verdict);
        let mut should: HashMap<CharacterId, (i64, i64)> =
            self.has.keys().map(|character| (*character, (0, began_with))).collect();
        for ((who, deed), times) in &self.done {
            let [mine, theirs] = deed.moves();
            let whom = deed.whom.map(|whom| (whom, theirs));
            for (character, (wood, coins)) in [(*who, mine)].into_iter().chain(whom) {
                let sums = should.entry(character).or_default();
                sums.0 += wood * *times as i64;
                sums.1 += coins * *times as i64;
            }
        }
        for (character, should) in &should {
            let has = self.has.get(character).copied().unwrap_or_default();
            if has != *should {
                let text = format!("{character} has {has:?} wood and coins instead of {should:?}");
                verdict.fault("belongings do not follow from the journal", text);
            }
        }
        for Money { currency, bank, held } in &self.money {
            verdict.money_sum += bank + held;
            if bank + held != 0 {
                verdict.fault("money is not 0 in all", format!("«{currency}»: {bank} + {held}"));
            }
        }
        if self.money.is_empty() {
            verdict.fault("money is not 0 in all", "there is none".to_owned());
        }
        if let Some(n) = self.broken {
            verdict.fault("the journal's chain is broken", format!("up to entry {n}"));
        }
        verdict
    }

    fn each_deed(&self, notes: &Notes, verdict: &mut Verdict) {
        for (key, known) in &notes.deeds {
            let times = self.done.get(key).copied().unwrap_or(0);
            let told = || format!("{:?} of {}: done {times} times, known {known:?}", key.1, key.0);
            if known.done && times == 0 {
                verdict.lost += 1;
                verdict.fault("acknowledged operations are lost", told());
            }
            if times > 1 {
                verdict.doubled += times - 1;
                verdict.fault("operations are doubled", told());
            }
            // Asked twice: the first may have been done, which the second was then refused for.
            if known.refused.is_some() && known.asked == 1 && times > 0 {
                verdict.fault("operations were refused and are done", told());
            }
        }
        for key in self.done.keys().filter(|key| !notes.deeds.contains_key(key)) {
            verdict.fault("operations are done that nobody asked for", format!("{:?} of {}", key.1, key.0));
        }
    }

    fn trades(&self, verdict: &mut Verdict) {
        for ((who, deed), times) in &self.done {
            match deed.what {
                What::Swap => verdict.trades += times,
                What::Stale => {
                    verdict.stale += times;
                    let text = format!("{deed:?} of {who}: done {times} times");
                    verdict.fault("writes under an old epoch counted", text);
                }
                _ => {}
            }
        }
    }

    fn sources(&self, verdict: &mut Verdict) {
        let mut gave: HashMap<u64, u64> = HashMap::new();
        for ((_, deed), times) in self.done.iter().filter(|((_, deed), _)| deed.what == What::Gather) {
            *gave.entry(deed.number).or_default() += times;
        }
        verdict.sources = gave.len() as u64;
        for (source, times) in gave.into_iter().filter(|(_, times)| *times > 1) {
            verdict.sources_twice += 1;
            verdict.fault("sources gave twice", format!("{source}: {times} times"));
        }
    }
}

/// What came of the comparison.
#[derive(Debug, Default)]
pub(in crate::trial) struct Verdict {
    pub(in crate::trial) committed: u64,
    pub(in crate::trial) lost: u64,
    pub(in crate::trial) doubled: u64,
    /// Trades of two owners among them, and those that were done under an epoch that had passed.
    pub(in crate::trial) trades: u64,
    pub(in crate::trial) stale: u64,
    /// Sources that gave something, and those that did so more than once.
    pub(in crate::trial) sources: u64,
    pub(in crate::trial) sources_twice: u64,
    /// Of all currencies and accounts, the bank's too.
    pub(in crate::trial) money_sum: i64,
    /// How many, and the first of them, by what is wrong.
    faults: BTreeMap<&'static str, (u64, Vec<String>)>,
}

impl Verdict {
    pub(in crate::trial) fn fault(&mut self, what: &'static str, text: String) {
        let (count, texts) = self.faults.entry(what).or_default();
        *count += 1;
        if texts.len() < MOST_TOLD {
            texts.push(text);
        }
    }

    /// For people; empty is good.
    pub(in crate::trial) fn broken(&self) -> Vec<String> {
        let line = |(what, (count, texts)): (&&str, &(u64, Vec<String>))| {
            format!("{what} ({count}): {}", texts.join("; "))
        };
        self.faults.iter().map(line).collect()
    }
}

/// Gives everybody coins to begin with.
///
/// # Errors
/// As central refuses.
pub(in crate::trial) async fn give(operator: &Client, to: CharacterId, coins: i64) -> Result<(), Error> {
    let body = serde_json::json!({
        "reason": "a trial begins",
        "coins": [{ "currency": COIN, "amount": coins }],
    });
    let path = format!("/api/data/characters/{to}/grant");
    let done: Result<serde_json::Value, _> = operator.call(Method::POST, &path, Some(&body)).await;
    done.map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::record::Record;
    use super::*;

    const ADA: CharacterId = CharacterId([1; 16]);
    const BOB: CharacterId = CharacterId([2; 16]);
    const GATHER: Deed = Deed { what: What::Gather, whom: None, number: 9 };
    const PAY: Deed = Deed { what: What::Pay, whom: Some(BOB), number: 5 };

    /// Ada gathered, and paid Bob; both were acknowledged. Everybody began with 10 coins.
    fn right() -> (Record, Found) {
        let record = Record::default();
        for deed in [GATHER, PAY] {
            record.asked(ADA, deed);
            record.told(ADA, deed, "", None);
        }
        let found = Found {
            done: [((ADA, GATHER), 1), ((ADA, PAY), 1)].into(),
            has: [(ADA, (1, 7)), (BOB, (0, 15))].into(),
            money: vec![Money { currency: COIN.into(), bank: -22, held: 22 }],
            journal: 4,
            broken: None,
        };
        (record, found)
    }

    fn verdict((record, found): &(Record, Found)) -> (u64, u64, u64, usize) {
        let verdict = found.compare(&record.notes(), 10);
        (verdict.lost, verdict.doubled, verdict.sources_twice, verdict.broken().len())
    }

    #[test]
    fn what_fits_is_not_broken() {
        assert_eq!(verdict(&right()), (0, 0, 0, 0));
    }

    #[test]
    fn every_fault_is_found() {
        let check = |what: &str, wanted, spoil: fn(&Record, &mut Found)| {
            let mut case = right();
            spoil(&case.0, &mut case.1);
            assert_eq!(verdict(&case), wanted, "{what}");
        };
        check("lost", (1, 0, 0, 2), |_, found| {
            found.done.remove(&(ADA, PAY));
        });
        check("doubled, and what it moved is not there", (0, 1, 0, 2), |_, found| {
            found.done.insert((ADA, PAY), 2);
        });
        check("a source that gave to two", (0, 0, 1, 1), |record, found| {
            record.asked(BOB, GATHER);
            found.done.insert((BOB, GATHER), 1);
            found.has.insert(BOB, (1, 17));
        });
        check("refused and done", (0, 0, 0, 1), |record, _| record.told(ADA, PAY, "not_enough", None));
        check("an answer that was lost, then the source was spent", (0, 0, 0, 0), |record, _| {
            record.asked(ADA, GATHER);
            record.told(ADA, GATHER, "source_spent", None);
        });
        check("nobody asked", (0, 0, 0, 2), |_, found| {
            found.done.insert((BOB, Deed { what: What::Reward, whom: None, number: 1 }), 1);
        });
        check("a write under an old epoch", (0, 0, 0, 1), |record, found| {
            let stale = Deed { what: What::Stale, whom: Some(BOB), number: 9 };
            record.asked(ADA, stale);
            found.done.insert((ADA, stale), 1);
            found.has.extend([(ADA, (1, 5)), (BOB, (0, 17))]);
        });
        check("things from nowhere", (0, 0, 0, 1), |_, found| {
            found.has.insert(BOB, (1, 15));
        });
        check("money from nowhere", (0, 0, 0, 1), |_, found| found.money[0].bank += 1);
        check("a chain", (0, 0, 0, 1), |_, found| found.broken = Some(2));
    }
}
