//! The loop's side of the ledger: what the game asks of central, and what it is told.
//!
//! The game asks in its step ([`pangea_engine::ledger`]); after it the asks are sent and kept until central has
//! decided them. A lost answer, a new central, a full queue: the same operation is asked again under the same
//! id, and central gives the first answer. Nothing is shown to a player as done before its answer is here.
//! Only a process that ends forgets what it asked; then what was durable is, and nobody was told otherwise.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};

use anyhow::Context as _;
use pangea_engine::Ledger as Goods;
use pangea_engine::ledger::{Ask, Asked};
use pangea_world::id::{AreaId, CharacterId, OpId};
use pangea_world::ledger::{Changes, Operation, Sheet, Writer};
use pangea_world::messages::{Belongings, Body, Granted, LedgerOp, LedgerOps, LedgerResults, MAX_LEDGER_OPS};
use pangea_world::{Code, Refusal};

use super::here::Area;
use crate::{clock, random};

/// Most characters whose belongings are known.
const MOST_SHEETS: usize = 8_192;

/// When an operation without answer is asked again, ms: the answer may have found no room on the link.
const AGAIN_MS: u64 = 5_000;

/// When an operation that central had no room for is asked again, ms.
const BUSY_MS: u64 = 500;

#[derive(Debug)]
struct Pending {
    ask: Ask,
    operation: Operation,
    bytes: Vec<u8>,
    /// When it is (next) asked, ms of the clock.
    ask_ms: u64,
}

/// What waits for central. What is known of goods is the game's: [`pangea_engine::Ledger`].
#[derive(Debug)]
pub struct Ledger {
    area: AreaId,
    incarnation: u64,
    /// In the order in which they were asked; as many as the game may have undecided.
    pending: BTreeMap<u64, Pending>,
    /// Which of them is asked under an id.
    numbers: HashMap<OpId, u64>,
    /// Those that have the same id as one that is asked: one that shall be done and one that calls it off, where both
    /// sides of a border came together. They are asked after it.
    behind: HashMap<OpId, VecDeque<u64>>,
    last: u64,
    /// The earliest of all `ask_ms`.
    next_ask_ms: u64,
    /// Under which epoch a character's belongings were told.
    epochs: HashMap<CharacterId, u64>,
}

impl Ledger {
    /// Of this area in this life.
    pub fn new(area: AreaId, incarnation: u64) -> Self {
        Self {
            area,
            incarnation,
            pending: BTreeMap::new(),
            numbers: HashMap::new(),
            behind: HashMap::new(),
            last: 0,
            next_ask_ms: u64::MAX,
            epochs: HashMap::new(),
        }
    }

    /// How many operations wait for their answers.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The area.
    pub fn area(&self) -> AreaId {
        self.area
    }

    /// The one that was asked under this id is answered: the one behind it is asked now.
    fn asks_next(&mut self, id: OpId) {
        let Some(behind) = self.behind.get_mut(&id) else {
            self.numbers.remove(&id);
            return;
        };
        if let Some(number) = behind.pop_front() {
            self.numbers.insert(id, number);
            if let Some(pending) = self.pending.get_mut(&number) {
                (pending.ask_ms, self.next_ask_ms) = (0, 0);
            }
        }
        if behind.is_empty() {
            self.behind.remove(&id);
        }
    }

    /// The character is not here any more.
    pub fn forget(&mut self, goods: &mut Goods, character: CharacterId, epoch: u64) {
        if self.epochs.get(&character).is_some_and(|known| *known <= epoch) {
            self.epochs.remove(&character);
            goods.forget(character);
        }
    }
}

/// What lies on the granted area's ground, and which of its sources are spent.
///
/// # Errors
/// If it cannot be read.
pub fn goods_of(granted: &Granted) -> anyhow::Result<(Sheet, Vec<(u64, u64)>)> {
    let lies = match granted.lies.as_slice() {
        [] => Sheet::default(),
        bytes => serde_json::from_slice(bytes).context("what lies on the ground")?,
    };
    let (pairs, rest) = granted.spent.as_chunks::<16>();
    anyhow::ensure!(rest.is_empty(), "the spent sources are cut short");
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok((lies, pairs.iter().map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect()))
}

impl Area {
    /// Takes what the game asked and sends what is to be asked, once a tick; nothing while the link takes no
    /// more.
    pub fn ask_ledger(&mut self) {
        for asked in self.sim.ledger().take_asked() {
            self.submit(asked);
        }
        // A new one each step: it names the time.
        self.sim.ledger().give_id(OpId::new(clock::unix_ms(), random::bytes()));
        let now_ms = self.now_ms;
        if self.ledger.next_ask_ms > now_ms || !self.has_room() {
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

    /// Keeps an ask for central under the epochs of today; what can never be done is answered at once.
    fn submit(&mut self, Asked { ask, id, mut act }: Asked) {
        let mut gone = false;
        act.each_who(|who| match self.here.get(&who.character) {
            Some(here) if here.in_world => who.epoch = here.epoch,
            // Another area's, which has said its epoch.
            _ => gone |= who.epoch == 0,
        });
        let id = id.unwrap_or_else(|| OpId::new(clock::unix_ms(), random::bytes()));
        let (area, incarnation) = (self.ledger.area, self.ledger.incarnation);
        let by = Writer::Area { area, epoch: self.settings.epoch, incarnation };
        let operation = Operation { id, by, act };
        let allowed = match gone {
            true => Refusal::err(Code::StaleEpoch, "the character is not here any more"),
            false => operation.check(),
        };
        if let Err(refusal) = allowed {
            self.gauges.refusals.count(refusal.code);
            return self.sim.ledger().decided(ask, &operation.act, Err(refusal));
        }
        let bytes = serde_json::to_vec(&operation).unwrap_or_default();
        let ledger = &mut self.ledger;
        ledger.last += 1;
        let ask_ms = match ledger.numbers.entry(id) {
            Entry::Vacant(free) => {
                free.insert(ledger.last);
                0
            }
            Entry::Occupied(_) => {
                ledger.behind.entry(id).or_default().push_back(ledger.last);
                u64::MAX
            }
        };
        ledger.pending.insert(ledger.last, Pending { ask, operation, bytes, ask_ms });
        ledger.next_ask_ms = ledger.next_ask_ms.min(ask_ms);
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
            let Some(Pending { ask, operation, .. }) = ledger.pending.remove(&number) else { continue };
            ledger.asks_next(operation.id);
            let outcome = match code {
                None => Ok(serde_json::from_str::<Changes>(&result.text).unwrap_or_default()),
                Some(code) => {
                    self.gauges.refusals.count(code);
                    Err(Refusal::new(code, result.text))
                }
            };
            self.sim.ledger().decided(ask, &operation.act, outcome);
        }
    }

    /// What a character has, or will have when it is ours.
    pub fn on_belongings(&mut self, belongings: &Belongings) {
        let sheet = serde_json::from_slice(&belongings.sheet);
        match (CharacterId::from_bytes(&belongings.character), sheet) {
            (Ok(character), Ok(sheet)) => self.show(character, belongings.epoch, sheet),
            _ => tracing::warn!("what a character has cannot be read"),
        }
    }

    /// What it has, unless something newer is known.
    pub fn show(&mut self, character: CharacterId, epoch: u64, sheet: Sheet) {
        let epochs = &mut self.ledger.epochs;
        let newer = epochs.get(&character).is_none_or(|known| *known <= epoch);
        if newer && (epochs.len() < MOST_SHEETS || epochs.contains_key(&character)) {
            epochs.insert(character, epoch);
            self.sim.ledger().show(character, sheet);
        }
    }
}

/// The area's clock never starts before a life that is spent: the game takes lives from it.
pub fn newest_life(spent: &[(u64, u64)]) -> u64 {
    spent.iter().map(|(_, life)| *life).max().unwrap_or(0)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use pangea_engine::ledger::{Answer, MOST_UNDECIDED, who};
    use pangea_engine::{Game, Setup, Sim};
    use pangea_world::id::ItemId;
    use pangea_world::ledger::book::Money;
    use pangea_world::ledger::{Act, Coins, Holder, Stack};
    use pangea_world::messages::LedgerResult;
    use pangea_world::space::Rect;

    use super::super::admission::tests::doc;
    use super::super::here::{Here, Settings};
    use super::super::mailbox::{Gauges, Tell};
    use super::super::tests::{ISLES, flat};
    use super::*;

    pub const HERO: CharacterId = CharacterId([1; 16]);

    /// An area with one who is inside under epoch 3, and what it tells central.
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
        (area_of(&flat(), tell), told)
    }

    /// The same of any game, for whoever listens.
    pub fn area_of(game: &Game, tell: Tell) -> Area {
        let settings = Settings {
            name: "flat/0,0..8,8/0".into(),
            epoch: 4,
            tick_hz: 20,
            view_m: 30,
            grace_ms: 0,
            prompt: false,
            update_bytes: 1_200,
            messages_per_second: 100,
            chat_lines_per_10s: 10,
            area: AreaId([2; 16]),
            world: "flat".into(),
            io: crate::config::GameIo::Auto,
            portals: Vec::new(),
            layer: 0,
            beyond: Vec::new(),
        };
        let world = pangea_world::world_file::read("isles.toml", ISLES).expect("a world");
        let extent = Rect { x0: 0, y0: 0, x1: 64, y1: 64 };
        let ground = "quay".parse().expect("a ground");
        let setup = Setup { world: &world, ground: &ground, extent, tick_hz: 20, view_m: 30, tick: 0 };
        let sim = Sim::new(game, &setup);
        let control = tokio::sync::mpsc::channel(8).0;
        let ledger = Ledger::new(AreaId([2; 16]), 7);
        let mut area = Area::new(settings, sim, Arc::<Gauges>::default(), tell, control, ledger);
        let here = Here::inside(pangea_world::character::CharacterDoc { id: HERO, ..doc(1) }, 3);
        area.here.insert(HERO, here);
        area
    }

    fn pay() -> Act {
        Act::Pay { who: who(HERO), to: CharacterId([9; 16]), coins: Coins::new("gold", 5) }
    }

    fn answer(area: &mut Area, id: &[u8], code: &str, text: &str) {
        let result = LedgerResult { id: id.to_vec(), code: code.into(), text: text.into() };
        area.on_ledger_results(LedgerResults { results: vec![result] });
    }

    /// What is to be asked is, at the end of the tick.
    fn asks(area: &mut Area) {
        area.ask_ledger();
        area.tell_waiting();
    }

    /// What the game is told with the next step.
    fn answers(area: &mut Area) -> Vec<(Ask, Option<Code>)> {
        area.sim.step(1.0);
        let told = |answer: &Answer| (answer.ask, answer.outcome.as_ref().err().map(|refusal| refusal.code));
        area.sim.ledger().answers().iter().map(told).collect()
    }

    #[test]
    fn an_operation_is_asked_until_it_is_decided() {
        let (mut area, told) = area();
        let take = || std::mem::take(&mut *told.lock().expect("a lock"));
        let ask = area.sim.ledger().ask(pay());
        asks(&mut area);
        let first = take();
        assert_eq!(first.len(), 1);
        let operation: Operation = serde_json::from_slice(&first[0].operation).expect("an operation");
        assert!(matches!(operation.act, Act::Pay { who, .. } if who.epoch == 3), "{operation:?}");
        asks(&mut area);
        assert!(take().is_empty(), "it waits for its answer");
        area.on_reconnected(4);
        asks(&mut area);
        assert_eq!(take(), first, "the same bytes");
        answer(&mut area, &first[0].id, "storage_busy", "full");
        asks(&mut area);
        assert!(take().is_empty() && answers(&mut area).is_empty());
        area.now_ms += BUSY_MS;
        asks(&mut area);
        assert_eq!(take(), first);
        area.now_ms += AGAIN_MS;
        asks(&mut area);
        assert_eq!(take(), first, "its answer may be lost");
        answer(&mut area, &first[0].id, "not_enough", "not enough «gold»");
        answer(&mut area, &first[0].id, "", "{}");
        assert_eq!(answers(&mut area), [(ask, Some(Code::NotEnough))], "a repeated answer is none");
        assert_eq!(area.gauges.refusals.counts(), [("not_enough", 1)].into(), "what is asked again is none");
        area.now_ms += AGAIN_MS;
        asks(&mut area);
        assert!(take().is_empty());
    }

    /// A trade over a border, of which the two sides have come together: the one asks for it, the other calls it off.
    #[test]
    fn two_asks_of_one_id_are_both_answered() {
        let (mut area, told) = area();
        let take = || std::mem::take(&mut *told.lock().expect("a lock"));
        let id = OpId::new(clock::unix_ms(), [7; 8]);
        let done = area.sim.ledger().ask_as(id, pay());
        let off = area.sim.ledger().ask_as(id, Act::Void {});
        asks(&mut area);
        let first = take();
        assert_eq!(first.len(), 1, "one after the other");
        answer(&mut area, &first[0].id, "", "{}");
        assert_eq!(answers(&mut area), [(done, None)]);
        asks(&mut area);
        let second = take();
        assert_eq!(second.len(), 1);
        let operation: Operation = serde_json::from_slice(&second[0].operation).expect("an operation");
        assert_eq!((operation.id, operation.act), (id, Act::Void {}));
        answer(&mut area, &second[0].id, "", "{}");
        assert_eq!(answers(&mut area), [(off, None)]);
        assert_eq!(area.ledger.pending(), 0);
        assert!(area.ledger.numbers.is_empty() && area.ledger.behind.is_empty());
    }

    #[test]
    fn what_has_no_answer_is_bounded_and_what_cannot_be_is_refused_at_once() {
        let (mut area, told) = area();
        for _ in 0..MOST_UNDECIDED {
            area.sim.ledger().ask(pay());
        }
        let more = area.sim.ledger().ask(pay());
        asks(&mut area);
        assert_eq!(told.lock().expect("a lock").len(), MOST_UNDECIDED);
        assert_eq!(answers(&mut area), [(more, Some(Code::StorageBusy))]);
        let first = told.lock().expect("a lock")[0].id.clone();
        answer(&mut area, &first, "", "{}");
        assert_eq!(answers(&mut area), [(Ask(1), None)]);
        let bad = Act::Pay { who: who(HERO), to: HERO, coins: Coins::new("gold", 5) };
        let bad = area.sim.ledger().ask(bad);
        asks(&mut area);
        let stranger = Act::Pay { who: who(CharacterId([8; 16])), to: HERO, coins: Coins::new("gold", 5) };
        let stranger = area.sim.ledger().ask(stranger);
        asks(&mut area);
        let refused = [(bad, Some(Code::BadRequest)), (stranger, Some(Code::StaleEpoch))];
        assert_eq!(answers(&mut area), refused);
        assert_eq!(area.gauges.refusals.counts(), [("bad_request", 1), ("stale_epoch", 1)].into());
        assert_eq!(told.lock().expect("a lock").len(), MOST_UNDECIDED, "central never heard of them");
    }

    #[test]
    fn belongings_follow_the_answers() {
        let (mut area, told) = area();
        let mut sheet = Sheet::default();
        let stack = Stack { id: ItemId([5; 16]), template: "wood".into(), quantity: 3, most: 10, version: 0 };
        sheet.stacks.insert(2, stack);
        let show = |epoch: u64, sheet: &Sheet| Belongings {
            character: HERO.to_vec(),
            epoch,
            sheet: serde_json::to_vec(sheet).expect("JSON"),
        };
        area.on_belongings(&show(3, &sheet));
        area.on_belongings(&show(2, &Sheet::default()));
        assert_eq!(area.sim.ledger().sheet(HERO), Some(&sheet), "not what an earlier owner was told");
        area.sim.ledger().ask(pay());
        asks(&mut area);
        let holder = Holder::Character(HERO);
        let mut changes = Changes::default();
        changes.slots.push((holder, 2, None));
        changes.money.push((holder, "gold".into(), Money { amount: 8, version: 0 }));
        let id = told.lock().expect("a lock")[0].id.clone();
        answer(&mut area, &id, "", &serde_json::to_string(&changes).expect("JSON"));
        let now = area.sim.ledger().sheet(HERO).expect("a sheet");
        assert_eq!((now.count("wood"), now.amount("gold")), (0, 8));
        area.sim.step(1.0);
        assert!(area.sim.ledger().changed().contains(&HERO));
        let Area { ledger, sim, .. } = &mut area;
        ledger.forget(sim.ledger(), HERO, 3);
        assert_eq!(area.sim.ledger().sheet(HERO), None);
    }

    #[test]
    fn the_ground_and_the_spent_sources_come_with_the_grant() {
        let mut lies = Sheet::default();
        let stack = Stack { id: ItemId([5; 16]), template: "wood".into(), quantity: 3, most: 10, version: 0 };
        lies.stacks.insert(70_000, stack);
        let spent = [7u64, 900, 8, 1_000].map(u64::to_be_bytes).concat();
        let granted = Granted { lies: serde_json::to_vec(&lies).expect("JSON"), spent, ..Granted::default() };
        let (read, spent) = goods_of(&granted).expect("readable");
        assert_eq!((read, spent.as_slice()), (lies, &[(7, 900), (8, 1_000)][..]));
        assert_eq!(newest_life(&spent), 1_000);
        assert!(goods_of(&Granted { spent: vec![0; 17], ..Granted::default() }).is_err());
        assert!(goods_of(&Granted { lies: b"[".to_vec(), ..Granted::default() }).is_err());
        assert_eq!(goods_of(&Granted::default()).expect("nothing"), (Sheet::default(), vec![]));
    }
}
