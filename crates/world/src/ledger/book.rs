//! The rows of the ledger in memory, and how they change.
//!
//! Every change notes the row as it was. So a refused operation is taken back at once, a transaction that
//! failed is taken back as a whole, and what is to be written is what differs from the first notes.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::operation::{FIRST_WORN, Holder, MOST_STACKS};
use crate::id::{AreaId, CharacterId, ItemId};

/// One stack: all of one template, in one slot of one holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Never used again.
    pub id: ItemId,
    /// The game's name for it.
    pub template: String,
    /// From 1.
    pub quantity: i64,
    /// How many fit on it.
    pub most: i64,
    /// Of the durable row; 0: there is none yet.
    #[serde(skip)]
    pub version: i64,
}

/// An account's money in one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Not negative, but for the bank's.
    pub amount: i64,
    /// Of the durable row; 0: there is none yet.
    #[serde(skip)]
    pub version: i64,
}

/// A character's standing in one quest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Which step is open, from 0.
    pub step: u32,
    /// Whether it ended and its reward was given.
    pub completed: bool,
    /// Of the durable row.
    #[serde(skip)]
    pub version: i64,
}

/// A storage's own row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chest {
    /// Whose it is; `None`: everybody's.
    pub owner: Option<CharacterId>,
    /// For whom it is open.
    pub reserved_by: Option<CharacterId>,
    /// Until when, ms since 1970.
    pub reserved_until: i64,
    /// Of the durable row; 0: there is none yet.
    #[serde(skip)]
    pub version: i64,
}

/// How far a source is spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// The last life that was.
    pub life: u64,
    /// Of the durable row; 0: there is none yet.
    pub version: i64,
}

/// All that one holder has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// By slot.
    #[serde(default)]
    pub stacks: BTreeMap<u32, Stack>,
    /// By currency.
    #[serde(default)]
    pub money: BTreeMap<String, Money>,
    /// By quest; a character's alone.
    #[serde(default)]
    pub quests: BTreeMap<String, Standing>,
    /// A storage's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chest: Option<Chest>,
}

impl Sheet {
    /// How much of this template, on all stacks.
    pub fn count(&self, template: &str) -> i64 {
        self.stacks.values().filter(|stack| stack.template == template).map(|stack| stack.quantity).sum()
    }

    /// How much of this currency.
    pub fn amount(&self, currency: &str) -> i64 {
        self.money.get(currency).map_or(0, |money| money.amount)
    }

    /// Puts rows in that have changed.
    pub fn apply(&mut self, holder: Holder, changes: &Changes) {
        for (_, slot, stack) in changes.slots.iter().filter(|(of, ..)| *of == holder) {
            match stack {
                Some(stack) => drop(self.stacks.insert(*slot, stack.clone())),
                None => drop(self.stacks.remove(slot)),
            }
        }
        for (_, currency, money) in changes.money.iter().filter(|(of, ..)| *of == holder) {
            self.money.insert(currency.clone(), *money);
        }
        for (character, quest, standing) in &changes.quests {
            if Holder::Character(*character) == holder {
                self.quests.insert(quest.clone(), *standing);
            }
        }
    }
}

/// Rows as they are after an operation; of the bank's money, of sources and of storages' own rows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// What lies in a slot now; `None`: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<(Holder, u32, Option<Stack>)>,
    /// What an account has now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub money: Vec<(Holder, String, Money)>,
    /// How a quest stands now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quests: Vec<(CharacterId, String, Standing)>,
}

impl Changes {
    /// Whether a row of this holder is among them.
    pub fn touch(&self, holder: Holder) -> bool {
        self.slots.iter().any(|(of, ..)| *of == holder)
            || self.money.iter().any(|(of, ..)| *of == holder)
            || self.quests.iter().any(|(of, ..)| Holder::Character(*of) == holder)
    }
}

/// A row as it was before a change.
#[derive(Debug, Clone)]
pub enum Was {
    /// What lay in a slot.
    Slot(Holder, u32, Option<Stack>),
    /// What an account had.
    Money(Holder, String, Option<Money>),
    /// How a quest stood.
    Quest(CharacterId, String, Option<Standing>),
    /// A storage's own row.
    Chest(Holder, Option<Chest>),
    /// How far a source was spent.
    Source(AreaId, u64, Spent),
}

/// The rows that are known. What is not loaded is not known: a holder without rows is loaded as empty.
#[derive(Debug, Default)]
pub struct Book {
    sheets: HashMap<Holder, Sheet>,
    sources: HashMap<(AreaId, u64), Spent>,
    notes: Vec<Was>,
    rows: usize,
}

impl Book {
    /// Whether this holder's rows are known.
    pub fn knows(&self, holder: Holder) -> bool {
        self.sheets.contains_key(&holder)
    }

    /// Whether this source's row is known.
    pub fn knows_source(&self, area: AreaId, number: u64) -> bool {
        self.sources.contains_key(&(area, number))
    }

    /// All rows of one holder, as the store has them.
    pub fn load(&mut self, holder: Holder, sheet: Sheet) {
        self.rows += 1 + sheet.stacks.len() + sheet.money.len() + sheet.quests.len();
        self.sheets.insert(holder, sheet);
    }

    /// One source's row, as the store has it.
    pub fn load_source(&mut self, area: AreaId, number: u64, spent: Spent) {
        self.rows += 1;
        self.sources.insert((area, number), spent);
    }

    /// About how many rows were loaded since the book was empty.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// What a holder has; `None` if that is not known.
    pub fn sheet(&self, holder: Holder) -> Option<&Sheet> {
        self.sheets.get(&holder)
    }

    /// What lies in all slots of a holder, as rows.
    pub fn lies(&self, holder: Holder) -> Changes {
        let stacks = self.sheets.get(&holder).into_iter().flat_map(|sheet| &sheet.stacks);
        let slots = stacks.map(|(slot, stack)| (holder, *slot, Some(stack.clone()))).collect();
        Changes { slots, ..Changes::default() }
    }

    /// How far a source is spent.
    pub fn source(&self, area: AreaId, number: u64) -> Spent {
        self.sources.get(&(area, number)).copied().unwrap_or_default()
    }

    /// The lowest free slot; `None`: there is no room.
    pub fn free_slot(&self, holder: Holder) -> Option<u32> {
        let most = if matches!(holder, Holder::Character(_)) { FIRST_WORN } else { MOST_STACKS };
        let Some(Sheet { stacks, .. }) = self.sheets.get(&holder) else { return Some(0) };
        let next = stacks.last_key_value().map_or(0, |(slot, _)| slot + 1);
        let gap = || stacks.keys().zip(0..).find(|(slot, n)| *slot != n).map(|(_, n)| n);
        let free = if stacks.len() == next as usize { next } else { gap()? };
        (free < most).then_some(free)
    }

    // ---- changes ----

    /// Puts a stack in a slot, or takes it out.
    pub fn set_slot(&mut self, holder: Holder, slot: u32, stack: Option<Stack>) {
        let stacks = &mut self.sheets.entry(holder).or_default().stacks;
        let was = match stack {
            Some(stack) => stacks.insert(slot, stack),
            None => stacks.remove(&slot),
        };
        self.notes.push(Was::Slot(holder, slot, was));
    }

    /// Sets an account's money.
    pub fn set_money(&mut self, holder: Holder, currency: &str, amount: i64) {
        let money = &mut self.sheets.entry(holder).or_default().money;
        let was = money.get(currency).copied();
        let version = was.map_or(0, |was| was.version);
        money.insert(currency.to_owned(), Money { amount, version });
        self.notes.push(Was::Money(holder, currency.to_owned(), was));
    }

    /// Sets how a quest stands.
    pub fn set_quest(&mut self, character: CharacterId, quest: &str, step: u32, completed: bool) {
        let quests = &mut self.sheets.entry(Holder::Character(character)).or_default().quests;
        let was = quests.get(quest).copied();
        let version = was.map_or(0, |was| was.version);
        quests.insert(quest.to_owned(), Standing { step, completed, version });
        self.notes.push(Was::Quest(character, quest.to_owned(), was));
    }

    /// Sets a storage's own row.
    pub fn set_chest(&mut self, holder: Holder, chest: Chest) {
        let sheet = self.sheets.entry(holder).or_default();
        let was = sheet.chest.replace(chest);
        self.notes.push(Was::Chest(holder, was));
    }

    /// Spends a source up to this life.
    pub fn spend(&mut self, area: AreaId, number: u64, life: u64) {
        let spent = self.sources.entry((area, number)).or_default();
        let was = std::mem::replace(spent, Spent { life, ..*spent });
        self.notes.push(Was::Source(area, number, was));
    }

    // ---- notes ----

    /// How many changes are noted: the mark for [`Book::take_back`] and [`Book::changes_since`].
    pub fn mark(&self) -> usize {
        self.notes.len()
    }

    /// Takes back what changed since this mark, newest first.
    pub fn take_back(&mut self, mark: usize) {
        while self.notes.len() > mark {
            match self.notes.pop() {
                Some(Was::Slot(holder, slot, stack)) => {
                    let stacks = &mut self.sheets.entry(holder).or_default().stacks;
                    match stack {
                        Some(stack) => drop(stacks.insert(slot, stack)),
                        None => drop(stacks.remove(&slot)),
                    }
                }
                Some(Was::Money(holder, currency, was)) => {
                    let money = &mut self.sheets.entry(holder).or_default().money;
                    match was {
                        Some(was) => drop(money.insert(currency, was)),
                        None => drop(money.remove(&currency)),
                    }
                }
                Some(Was::Quest(character, quest, was)) => {
                    let quests = &mut self.sheets.entry(Holder::Character(character)).or_default().quests;
                    match was {
                        Some(was) => drop(quests.insert(quest, was)),
                        None => drop(quests.remove(&quest)),
                    }
                }
                Some(Was::Chest(holder, was)) => self.sheets.entry(holder).or_default().chest = was,
                Some(Was::Source(area, number, was)) => drop(self.sources.insert((area, number), was)),
                None => {}
            }
        }
    }

    /// The rows that changed since this mark, as they are now; each once.
    pub fn changes_since(&self, mark: usize) -> Changes {
        let mut changes = Changes::default();
        for (index, was) in self.notes.iter().enumerate().skip(mark) {
            let earlier = &self.notes[mark..index];
            match was {
                Was::Slot(holder, slot, _) => {
                    let seen = |was: &Was| matches!(was, Was::Slot(h, s, _) if h == holder && s == slot);
                    if !earlier.iter().any(seen) {
                        let stack = self.sheets.get(holder).and_then(|sheet| sheet.stacks.get(slot));
                        changes.slots.push((*holder, *slot, stack.cloned()));
                    }
                }
                Was::Money(holder, currency, _) if *holder != Holder::Bank => {
                    let seen = |was: &Was| matches!(was, Was::Money(h, c, _) if h == holder && c == currency);
                    let money = self.sheets.get(holder).and_then(|sheet| sheet.money.get(currency));
                    if let (false, Some(money)) = (earlier.iter().any(seen), money) {
                        changes.money.push((*holder, currency.clone(), *money));
                    }
                }
                Was::Quest(character, quest, _) => {
                    let holder = Holder::Character(*character);
                    let standing = self.sheets.get(&holder).and_then(|sheet| sheet.quests.get(quest));
                    changes.quests.extend(standing.map(|standing| (*character, quest.clone(), *standing)));
                }
                Was::Money(..) | Was::Chest(..) | Was::Source(..) => {}
            }
        }
        changes
    }

    /// What a transaction must write, so that the store has the rows as they are here.
    pub fn writes(&self) -> Writes {
        let mut writes = Writes::default();
        let mut seen = Seen::default();
        // Where each stack lay before; then what lies in those slots now.
        let (mut before, mut after) = (HashMap::new(), Vec::new());
        for was in &self.notes {
            match was {
                Was::Slot(holder, slot, stack) => {
                    if seen.slots.insert((*holder, *slot)) {
                        before.extend(stack.as_ref().map(|stack| (stack.id, (*holder, *slot, stack))));
                        let now = self.sheets.get(holder).and_then(|sheet| sheet.stacks.get(slot));
                        after.extend(now.map(|stack| (*holder, *slot, stack)));
                    }
                }
                Was::Money(holder, currency, _) => {
                    let money = self.sheets.get(holder).and_then(|sheet| sheet.money.get_key_value(currency));
                    if let Some((currency, money)) = money.filter(|_| seen.money.insert((*holder, currency)))
                    {
                        let money = Money { version: money.version + 1, ..*money };
                        writes.money.push((*holder, currency.clone(), money));
                    }
                }
                Was::Quest(character, quest, _) => {
                    let sheet = self.sheets.get(&Holder::Character(*character));
                    let standing = sheet.and_then(|sheet| sheet.quests.get(quest));
                    if let Some(standing) = standing.filter(|_| seen.quests.insert((*character, quest))) {
                        let standing = Standing { version: standing.version + 1, ..*standing };
                        writes.quests.push((*character, quest.clone(), standing));
                    }
                }
                Was::Chest(holder, _) => {
                    let chest = self.sheets.get(holder).and_then(|sheet| sheet.chest);
                    if let Some(chest) = chest.filter(|_| seen.chests.insert(*holder)) {
                        writes.chests.push((*holder, Chest { version: chest.version + 1, ..chest }));
                    }
                }
                Was::Source(area, number, _) => {
                    if seen.sources.insert((*area, *number)) {
                        let spent = self.source(*area, *number);
                        writes.sources.push((*area, *number, Spent { version: spent.version + 1, ..spent }));
                    }
                }
            }
        }
        for (holder, slot, stack) in after {
            let raised = Stack { version: stack.version + 1, ..stack.clone() };
            match before.remove(&stack.id) {
                Some(was) if was == (holder, slot, stack) => {}
                Some((of, at, _)) if (of, at) == (holder, slot) => {
                    writes.changed.push((holder, slot, raised))
                }
                Some((_, _, was)) => {
                    writes.gone.push((was.id, was.version));
                    writes.placed.push((holder, slot, raised));
                }
                None => writes.placed.push((holder, slot, raised)),
            }
        }
        writes.gone.extend(before.into_values().map(|(_, _, was)| (was.id, was.version)));
        writes
    }

    /// What was written is durable: it cannot be taken back any more.
    pub fn settle(&mut self, writes: &Writes) {
        self.notes.clear();
        for (holder, slot, stack) in writes.changed.iter().chain(&writes.placed) {
            let sheet = self.sheets.entry(*holder).or_default();
            sheet.stacks.entry(*slot).and_modify(|now| now.version = stack.version);
        }
        for (holder, currency, money) in &writes.money {
            self.sheets.entry(*holder).or_default().money.insert(currency.clone(), *money);
        }
        for (character, quest, standing) in &writes.quests {
            let sheet = self.sheets.entry(Holder::Character(*character)).or_default();
            sheet.quests.insert(quest.clone(), *standing);
        }
        for (holder, chest) in &writes.chests {
            self.sheets.entry(*holder).or_default().chest = Some(*chest);
        }
        for (area, number, spent) in &writes.sources {
            self.sources.insert((*area, *number), *spent);
        }
    }
}

#[derive(Default)]
struct Seen<'a> {
    slots: HashSet<(Holder, u32)>,
    money: HashSet<(Holder, &'a String)>,
    quests: HashSet<(CharacterId, &'a String)>,
    chests: HashSet<Holder>,
    sources: HashSet<(AreaId, u64)>,
}

/// Rows to be written, each once; versions are those that the rows have then, one more than before.
#[derive(Debug, Clone, Default)]
pub struct Writes {
    /// Stacks that are no longer where they were, with the version that they had.
    pub gone: Vec<(ItemId, i64)>,
    /// Stacks where they are now, new ones among them; after `gone`.
    pub placed: Vec<(Holder, u32, Stack)>,
    /// Stacks that stayed where they were.
    pub changed: Vec<(Holder, u32, Stack)>,
    /// Accounts.
    pub money: Vec<(Holder, String, Money)>,
    /// Quests.
    pub quests: Vec<(CharacterId, String, Standing)>,
    /// Storages' own rows.
    pub chests: Vec<(Holder, Chest)>,
    /// Sources.
    pub sources: Vec<(AreaId, u64, Spent)>,
}
