//! The loop's side of the ledger: what is asked of central, and what characters have.
//!
//! [`Area::submit`] never waits: the operation is sent with the tick and kept until central has decided it.
//! A lost answer, a new central, a full queue: the same operation is asked again under the same id, and
//! central gives the first answer. Nothing is shown to a player as done before its answer is here. Only a
//! process that ends forgets what it asked; then what was durable is, and nobody was told otherwise.

use std::collections::{BTreeMap, HashMap};

use pangea_world::id::{AreaId, CharacterId, OpId};
use pangea_world::ledger::{Act, Changes, Holder, Operation, Sheet, Writer};
use pangea_world::messages::{Belongings, Body, LedgerOp, LedgerOps, LedgerResults, MAX_LEDGER_OPS};
use pangea_world::{Code, Refusal};

use super::here::Area;
use crate::{clock, random};

/// Most operations that wait for their answers; a further one is refused with `storage_busy`.
pub const MOST_PENDING: usize = 4_096;

/// Most answers that nobody has taken; the oldest is forgotten.
const MOST_ANSWERED: usize = 4_096;

/// Most characters whose belongings are known.
const MOST_SHEETS: usize = 8_192;

/// When an operation without answer is asked again, ms: the answer may have found no room on the link.
const AGAIN_MS: u64 = 5_000;

/// When an operation that central had no room for is asked again, ms.
const BUSY_MS: u64 = 500;

/// What became of an operation of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// What was asked.
    pub operation: Operation,
    /// The rows after it, or why not; either way it is decided for good.
    pub result: Result<Changes, Refusal>,
}

#[derive(Debug)]
struct Pending {
    operation: Operation,
    bytes: Vec<u8>,
    /// When it is (next) asked, ms of the clock.
    ask_ms: u64,
}

/// What the loop knows of the ledger.
#[derive(Debug)]
pub struct Ledger {
    area: AreaId,
    incarnation: u64,
    /// In the order in which they were submitted.
    pending: BTreeMap<u64, Pending>,
    numbers: HashMap<OpId, u64>,
    last: u64,
    /// The earliest of all `ask_ms`.
    next_ask_ms: u64,
    sheets: HashMap<CharacterId, (u64, Sheet)>,
    answered: Vec<Answered>,
}

impl Ledger {
    /// Of this area in this life.
    pub fn new(area: AreaId, incarnation: u64) -> Self {
        Self {
            area,
            incarnation,
            pending: BTreeMap::new(),
            numbers: HashMap::new(),
            last: 0,
            next_ask_ms: u64::MAX,
            sheets: HashMap::new(),
            answered: Vec::new(),
        }
    }

    /// What a character of ours has, as far as it is durable.
    pub fn sheet(&self, character: CharacterId) -> Option<&Sheet> {
        self.sheets.get(&character).map(|(_, sheet)| sheet)
    }

    /// What was decided since this was asked last, in order.
    pub fn take_answered(&mut self) -> Vec<Answered> {
        std::mem::take(&mut self.answered)
    }

    /// How many operations wait for their answers.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The character is not here any more.
    pub fn forget(&mut self, character: CharacterId, epoch: u64) {
        if self.sheets.get(&character).is_some_and(|(known, _)| *known <= epoch) {
            self.sheets.remove(&character);
        }
    }

    fn show(&mut self, character: CharacterId, epoch: u64, sheet: Sheet) {
        let older = self.sheets.get(&character).is_none_or(|(known, _)| *known <= epoch);
        if older && (self.sheets.len() < MOST_SHEETS || self.sheets.contains_key(&character)) {
            self.sheets.insert(character, (epoch, sheet));
        }
    }
}

impl Area {
    /// Asks central to do this; the answer comes with [`Ledger::take_answered`].
    ///
    /// # Errors
    /// `storage_busy` if too much waits already: central is away or too slow. Otherwise what can never be done.
    pub fn submit(&mut self, act: Act) -> Result<OpId, Refusal> {
        if self.ledger.pending.len() >= MOST_PENDING {
            return Refusal::err(
                Code::StorageBusy,
                "too many things wait to be written; try again in a moment",
            );
        }
        let id = OpId::new(clock::unix_ms(), random::bytes());
        let (area, incarnation) = (self.ledger.area, self.ledger.incarnation);
        let by = Writer::Area { area, epoch: self.settings.epoch, incarnation };
        let operation = Operation { id, by, act };
        operation.check()?;
        let bytes = serde_json::to_vec(&operation).unwrap_or_default();
        let ledger = &mut self.ledger;
        ledger.last += 1;
        ledger.numbers.insert(id, ledger.last);
        ledger.pending.insert(ledger.last, Pending { operation, bytes, ask_ms: 0 });
        ledger.next_ask_ms = 0;
        Ok(id)
    }

    /// Sends what is to be asked, once a tick; nothing while the link takes no more.
    pub fn ask_ledger(&mut self) {
        let now_ms = self.now_ms;
        if self.ledger.next_ask_ms > now_ms || !self.nothing_waits() {
            return;
        }
        let mut ops = Vec::new();
        for pending in self.ledger.pending.values_mut().filter(|pending| pending.ask_ms <= now_ms) {
            pending.ask_ms = now_ms + AGAIN_MS;
            ops.push(LedgerOp { id: pending.operation.id.to_vec(), operation: pending.bytes.clone() });
        }
        let next = self.ledger.pending.values().map(|pending| pending.ask_ms).min();
        self.ledger.next_ask_ms = next.unwrap_or(u64::MAX);
        for ops in ops.chunks(MAX_LEDGER_OPS) {
            self.tell(Body::LedgerOps(LedgerOps { ops: ops.to_vec() }));
        }
    }

    /// Central may have forgotten us: everything that has no answer is asked again.
    pub fn ask_ledger_again(&mut self) {
        self.ledger.pending.values_mut().for_each(|pending| pending.ask_ms = 0);
        self.ledger.next_ask_ms = 0;
    }

    /// Central has decided, or had no room.
    pub fn on_ledger_results(&mut self, results: LedgerResults) {
        let now_ms = self.now_ms;
        for result in results.results {
            let ledger = &mut self.ledger;
            let Some(number) = OpId::from_bytes(&result.id).ok().and_then(|id| ledger.numbers.get(&id))
            else {
                continue;
            };
            let number = *number;
            let code = (!result.code.is_empty()).then(|| result.code.parse().unwrap_or(Code::Internal));
            if matches!(code, Some(Code::StorageBusy | Code::Stopping | Code::Internal)) {
                if let Some(pending) = ledger.pending.get_mut(&number) {
                    pending.ask_ms = now_ms + BUSY_MS;
                    ledger.next_ask_ms = ledger.next_ask_ms.min(pending.ask_ms);
                }
                continue;
            }
            let Some(Pending { operation, .. }) = ledger.pending.remove(&number) else { continue };
            ledger.numbers.remove(&operation.id);
            let result = match code {
                None => Ok(serde_json::from_str::<Changes>(&result.text).unwrap_or_default()),
                Some(code) => Err(Refusal::new(code, result.text)),
            };
            if let Ok(changes) = &result {
                for character in operation.touches().characters {
                    if let Some((_, sheet)) = ledger.sheets.get_mut(&character) {
                        sheet.apply(Holder::Character(character), changes);
                    }
                }
            }
            if ledger.answered.len() >= MOST_ANSWERED {
                ledger.answered.remove(0);
            }
            ledger.answered.push(Answered { operation, result });
        }
    }

    /// What a character has, or will have when it is ours.
    pub fn on_belongings(&mut self, belongings: &Belongings) {
        let sheet = serde_json::from_slice(&belongings.sheet);
        match (CharacterId::from_bytes(&belongings.character), sheet) {
            (Ok(character), Ok(sheet)) => self.ledger.show(character, belongings.epoch, sheet),
            _ => tracing::warn!("what a character has cannot be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use pangea_engine::{Setup, Sim};
    use pangea_world::ledger::{Coins, Stack, Who};
    use pangea_world::messages::LedgerResult;
    use pangea_world::space::Rect;

    use super::super::here::Settings;
    use super::super::mailbox::Gauges;
    use super::super::tests::{ISLES, flat};
    use super::*;

    const HERO: CharacterId = CharacterId([1; 16]);

    /// An area, and what it tells central.
    fn area() -> (Area, Arc<Mutex<Vec<LedgerOp>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        let tell = Arc::new(move |body| {
            if let Body::LedgerOps(ops) = body {
                assert!(ops.ops.len() <= MAX_LEDGER_OPS);
                heard.lock().expect("a lock").extend(ops.ops);
            }
            Ok(())
        });
        let settings = Settings {
            name: "flat/0,0..8,8/0".into(),
            epoch: 4,
            tick_hz: 20,
            view_m: 30,
            grace_ms: 0,
            prompt: false,
            update_bytes: 1_200,
            messages_per_second: 100,
            portals: Vec::new(),
        };
        let world = pangea_world::world_file::read("isles.toml", ISLES).expect("a world");
        let extent = Rect { x0: 0, y0: 0, x1: 64, y1: 64 };
        let ground = "quay".parse().expect("a ground");
        let setup = Setup { world: &world, ground: &ground, extent, tick_hz: 20, view_m: 30, tick: 0 };
        let sim = Sim::new(&flat(), &setup);
        let control = tokio::sync::mpsc::channel(8).0;
        let ledger = Ledger::new(AreaId([2; 16]), 7);
        (Area::new(settings, sim, Arc::<Gauges>::default(), tell, control, ledger), told)
    }

    fn pay() -> Act {
        let who = Who { character: HERO, epoch: 3 };
        Act::Pay { who, to: CharacterId([9; 16]), coins: Coins::new("gold", 5) }
    }

    fn answer(area: &mut Area, id: OpId, code: &str, text: &str) {
        let result = LedgerResult { id: id.to_vec(), code: code.into(), text: text.into() };
        area.on_ledger_results(LedgerResults { results: vec![result] });
    }

    #[test]
    fn an_operation_is_asked_until_it_is_decided() {
        let (mut area, told) = area();
        let take = || std::mem::take(&mut *told.lock().expect("a lock"));
        let id = area.submit(pay()).expect("submitted");
        area.ask_ledger();
        let first = take();
        assert_eq!(first.len(), 1);
        area.ask_ledger();
        assert!(take().is_empty(), "it waits for its answer");
        area.on_reconnected(4);
        area.ask_ledger();
        assert_eq!(take(), first, "the same bytes");
        answer(&mut area, id, "storage_busy", "full");
        area.ask_ledger();
        assert!(take().is_empty() && area.ledger.take_answered().is_empty());
        area.now_ms += BUSY_MS;
        area.ask_ledger();
        assert_eq!(take(), first);
        area.now_ms += AGAIN_MS;
        area.ask_ledger();
        assert_eq!(take(), first, "its answer may be lost");
        answer(&mut area, id, "not_enough", "not enough «gold»");
        answer(&mut area, id, "", "{}");
        let answered = area.ledger.take_answered();
        assert_eq!(answered.len(), 1, "a repeated answer is none");
        assert_eq!(answered[0].result.as_ref().map_err(|refusal| refusal.code), Err(Code::NotEnough));
        area.now_ms += AGAIN_MS;
        area.ask_ledger();
        assert!(take().is_empty());
    }

    #[test]
    fn what_has_no_answer_is_bounded() {
        let (mut area, told) = area();
        for _ in 0..MOST_PENDING {
            area.submit(pay()).expect("submitted");
        }
        let refused = area.submit(pay()).map_err(|refusal| refusal.code);
        assert_eq!(refused, Err(Code::StorageBusy));
        let bad = Act::Pay { who: Who { character: HERO, epoch: 3 }, to: HERO, coins: Coins::new("gold", 5) };
        area.ask_ledger();
        let first = told.lock().expect("a lock")[0].id.clone();
        answer(&mut area, OpId::from_bytes(&first).expect("an id"), "", "{}");
        assert_eq!(area.submit(bad).map_err(|refusal| refusal.code), Err(Code::BadRequest));
        area.submit(pay()).expect("there is room again");
    }

    #[test]
    fn belongings_follow_the_answers() {
        let (mut area, _told) = area();
        let mut sheet = Sheet::default();
        let stack = Stack {
            id: pangea_world::id::ItemId([5; 16]),
            template: "wood".into(),
            quantity: 3,
            most: 10,
            version: 0,
        };
        sheet.stacks.insert(2, stack);
        let show = |epoch: u64, sheet: &Sheet| Belongings {
            character: HERO.to_vec(),
            epoch,
            sheet: serde_json::to_vec(sheet).expect("JSON"),
        };
        area.on_belongings(&show(3, &sheet));
        area.on_belongings(&show(2, &Sheet::default()));
        assert_eq!(area.ledger.sheet(HERO), Some(&sheet), "not what an earlier owner was told");
        let id = area.submit(pay()).expect("submitted");
        let holder = Holder::Character(HERO);
        let mut changes = Changes::default();
        changes.slots.push((holder, 2, None));
        changes.money.push((
            holder,
            "gold".into(),
            pangea_world::ledger::book::Money { amount: 8, version: 0 },
        ));
        answer(&mut area, id, "", &serde_json::to_string(&changes).expect("JSON"));
        let now = area.ledger.sheet(HERO).expect("a sheet");
        assert_eq!((now.count("wood"), now.amount("gold")), (0, 8));
        area.ledger.forget(HERO, 3);
        assert_eq!(area.ledger.sheet(HERO), None);
    }
}
