//! The rules alone: what is refused, and that nothing is lost or doubled whatever is asked.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::book::Writes;
use super::*;
use crate::id::{AreaId, CharacterId, ItemId, OpId, ParcelId, ServerId, StorageId};
use crate::{Code, Refusal};

const NOW: u64 = 1_800_000_000_000;
const SERVER: ServerId = ServerId([9; 16]);
const AREA: AreaId = AreaId([8; 16]);
const FOREIGN: AreaId = AreaId([7; 16]);

fn hero(n: u8) -> CharacterId {
    CharacterId([n; 16])
}

fn who(n: u8) -> Who {
    Who { character: hero(n), epoch: 5 }
}

/// Characters 1 to 3 are the area's, 4 is another area's.
fn fences() -> Fences {
    let mut fences = Fences::default();
    fences.areas.insert(AREA, AreaFence { owner: Some(SERVER), epoch: 3, incarnation: 2 });
    for n in 1..=4 {
        let owner = Some(if n == 4 { FOREIGN } else { AREA });
        fences.characters.insert(hero(n), CharacterFence { owner, epoch: 5 });
    }
    fences
}

struct Scene {
    book: Book,
    next: u64,
}

impl Scene {
    fn new() -> Self {
        Self { book: Book::default(), next: 0 }
    }

    fn operation(&mut self, act: Act) -> Operation {
        self.next += 1;
        let by = match act {
            Act::Grant { .. } | Act::Seize { .. } | Act::QuestSet { .. } => {
                Writer::Operator { reason: "a test".into() }
            }
            Act::Send { from: who, .. } | Act::Receive { to: who, .. } | Act::Buy { by: who, .. } => {
                Writer::Player { character: who }
            }
            _ => Writer::Area { area: AREA, epoch: 3, incarnation: 2 },
        };
        Operation { id: OpId::new(NOW, self.next.to_be_bytes()), by, act }
    }

    fn act(&mut self, act: Act) -> Result<Changes, Refusal> {
        let operation = self.operation(act);
        let asker = match operation.by {
            Writer::Operator { .. } => Asker::Operator,
            Writer::Player { .. } => Asker::Player,
            Writer::Area { .. } => Asker::Server(SERVER),
        };
        decide(&mut self.book, &fences(), asker, &operation, NOW)
    }

    fn code(&mut self, act: Act) -> Option<Code> {
        self.act(act).err().map(|refusal| refusal.code)
    }

    fn give(&mut self, n: u8, template: &str, quantity: i64) {
        let gets = Bundle::goods([Goods::new(template, quantity)]);
        self.act(Act::Grant { to: hero(n), gets }).expect("granted");
    }

    fn pay_out(&mut self, n: u8, amount: i64) {
        let gets = Bundle::coins([Coins::new("gold", amount)]);
        self.act(Act::Grant { to: hero(n), gets }).expect("granted");
    }

    fn has(&self, n: u8, template: &str) -> i64 {
        self.book.sheet(Holder::Character(hero(n))).map_or(0, |sheet| sheet.count(template))
    }

    fn gold(&self, n: u8) -> i64 {
        self.book.sheet(Holder::Character(hero(n))).map_or(0, |sheet| sheet.amount("gold"))
    }

    fn item(&self, holder: Holder, template: &str) -> ItemId {
        let stacks = &self.book.sheet(holder).expect("a sheet").stacks;
        stacks.values().find(|stack| stack.template == template).expect("a stack").id
    }
}

fn pick(n: u8, number: u64, life: u64) -> Act {
    let gets = Bundle::goods([Goods::new("wood", 3)]);
    Act::Pick { who: who(n), source: Source { number, life }, gets }
}

#[test]
fn a_source_gives_once_a_life() {
    let mut scene = Scene::new();
    assert_eq!(scene.code(pick(1, 77, 1)), None);
    assert_eq!(scene.code(pick(2, 77, 1)), Some(Code::SourceSpent));
    assert_eq!(scene.code(pick(2, 77, 2)), None);
    assert_eq!(scene.code(pick(1, 77, 1)), Some(Code::SourceSpent), "a checkpoint brought the tree back");
    assert_eq!((scene.has(1, "wood"), scene.has(2, "wood")), (3, 3));
}

#[test]
fn a_stale_writer_changes_nothing() {
    let mut scene = Scene::new();
    scene.give(1, "wood", 5);
    let stale = |scene: &mut Scene, by: Writer, act: Act, asker: Asker| {
        let operation = Operation { by, ..scene.operation(act) };
        decide(&mut scene.book, &fences(), asker, &operation, NOW).map_err(|refusal| refusal.code)
    };
    let ours = Asker::Server(SERVER);
    let area = |epoch, incarnation| Writer::Area { area: AREA, epoch, incarnation };
    for by in [area(2, 2), area(4, 2), area(3, 1), area(3, 3), area(0, 0)] {
        assert_eq!(stale(&mut scene, by, pick(1, 1, 1), ours), Err(Code::StaleEpoch));
    }
    let other = Asker::Server(ServerId([1; 16]));
    assert_eq!(stale(&mut scene, area(3, 2), pick(1, 1, 1), other), Err(Code::StaleEpoch));
    let operator = Writer::Operator { reason: "mine".into() };
    let grant = Act::Grant { to: hero(1), gets: Bundle::coins([Coins::new("gold", 5)]) };
    assert_eq!(stale(&mut scene, operator, grant.clone(), ours), Err(Code::Forbidden));
    assert_eq!(stale(&mut scene, area(3, 2), grant, ours), Err(Code::Forbidden));
    // On every path that a character is on.
    let part = Part { item: scene.item(Holder::Character(hero(1)), "wood"), quantity: 1 };
    let (gives, storage) = (Bundle::goods([Goods::new("wood", 1)]), StorageId([1; 16]));
    let side = |who| Side { who, parts: vec![part], coins: vec![] };
    for old in [Who { epoch: 4, ..who(1) }, Who { epoch: 1_005, ..who(1) }, who(4)] {
        let acts = [
            Act::Pick { who: old, source: Source { number: 1, life: 1 }, gets: gives.clone() },
            Act::Take { who: old, part },
            Act::Drop { who: old, part, spot: 0 },
            Act::Consume { who: old, gives: gives.clone() },
            Act::Exchange { who: old, gives: gives.clone(), gets: gives.clone() },
            Act::Arrange { who: old, part, to_slot: 9 },
            Act::Pay { who: old, to: hero(2), coins: Coins::new("gold", 1) },
            Act::Trade { a: side(old), b: side(who(2)) },
            Act::Trade { a: side(who(2)), b: side(old) },
            Act::QuestAccept { who: old, quest: "q".into(), gets: Bundle::default() },
            Act::QuestStep {
                who: old,
                quest: "q".into(),
                step: 0,
                gives: Bundle::default(),
                gets: Bundle::default(),
            },
            Act::QuestReward {
                who: old,
                quest: "q".into(),
                step: 0,
                gives: Bundle::default(),
                gets: gives.clone(),
            },
            Act::Claim { who: old, storage },
            Act::Reserve { who: old, storage, for_ms: 1 },
            Act::Release { who: old, storage },
            Act::Put { who: old, storage, part },
            Act::Fetch { who: old, storage, part },
        ];
        // What is given to one of another area, or exchanged with it, needs its epoch alone.
        let of_another = |act: &Act| {
            old == who(4)
                && matches!(
                    act,
                    Act::Pick { .. }
                        | Act::Take { .. }
                        | Act::Trade { a: Side { who: Who { character: CharacterId([2, ..]), .. }, .. }, .. }
                )
        };
        for act in acts.into_iter().filter(|act| !of_another(act)) {
            assert_eq!(scene.code(act.clone()), Some(Code::StaleEpoch), "{act:?}");
        }
    }
    assert_eq!(scene.has(1, "wood"), 5);
}

#[test]
fn over_a_border_both_epochs_are_named() {
    let mut scene = Scene::new();
    scene.give(1, "wood", 5);
    scene.pay_out(4, 20);
    let wood = Part { item: scene.item(Holder::Character(hero(1)), "wood"), quantity: 2 };
    let trade = |epoch| Act::Trade {
        a: Side { who: who(1), parts: vec![wood], coins: vec![] },
        b: Side { who: Who { epoch, ..who(4) }, parts: vec![], coins: vec![Coins::new("gold", 7)] },
    };
    let picked = |epoch| match pick(4, 9, 1) {
        Act::Pick { source, gets, .. } => Act::Pick { who: Who { epoch, ..who(4) }, source, gets },
        act => act,
    };
    for epoch in [0, 4, 6, u64::MAX] {
        assert_eq!(scene.code(trade(epoch)), Some(Code::StaleEpoch), "{epoch}");
        assert_eq!(scene.code(picked(epoch)), Some(Code::StaleEpoch), "{epoch}");
    }
    assert_eq!((scene.code(trade(5)), scene.code(picked(5))), (None, None));
    assert_eq!((scene.has(1, "wood"), scene.has(4, "wood")), (3, 5));
    assert_eq!((scene.gold(1), scene.gold(4)), (7, 13));
    // Of one that no area owns nobody has the word.
    let lay = Act::Drop { who: who(1), part: Part { quantity: 1, ..wood }, spot: 0 };
    scene.act(lay).expect("laid down");
    let part = Part { item: scene.item(Holder::Ground(AREA), "wood"), quantity: 1 };
    assert_eq!(scene.code(Act::Take { who: who(9), part }), Some(Code::StaleEpoch));
    assert_eq!(scene.code(Act::Take { who: who(4), part }), None);
    assert_eq!(scene.code(Act::Void {}), Some(Code::OpVoid), "it does nothing");
}

#[test]
fn impossible_amounts_are_refused() {
    let mut scene = Scene::new();
    scene.pay_out(1, 100);
    for amount in [0, -1, i64::MIN, i64::MAX, MOST_MONEY + 1] {
        let coins = Coins::new("gold", amount);
        let pay = Act::Pay { who: who(1), to: hero(2), coins: coins.clone() };
        assert_eq!(scene.code(pay), Some(Code::AmountInvalid), "{amount}");
        let trade = Act::Trade {
            a: Side { who: who(1), parts: vec![], coins: vec![coins] },
            b: Side { who: who(2), parts: vec![], coins: vec![] },
        };
        assert_eq!(scene.code(trade), Some(Code::AmountInvalid), "{amount}");
    }
    for quantity in [0, -1, i64::MIN, 1 << 31, i64::MAX] {
        let gives = Bundle::goods([Goods::new("wood", quantity)]);
        let consume = Act::Consume { who: who(1), gives: gives.clone() };
        assert_eq!(scene.code(consume), Some(Code::AmountInvalid), "{quantity}");
        let exchange = Act::Exchange { who: who(1), gives: gives.clone(), gets: gives };
        assert_eq!(scene.code(exchange), Some(Code::AmountInvalid), "{quantity}");
    }
    // Sums that cannot be counted any more.
    scene.pay_out(2, MOST_MONEY - 150);
    let pay = Act::Pay { who: who(1), to: hero(2), coins: Coins::new("gold", 100) };
    assert_eq!(scene.code(pay), None);
    let grant = Act::Grant { to: hero(3), gets: Bundle::coins([Coins::new("gold", 51)]) };
    assert_eq!(scene.code(grant), Some(Code::AmountInvalid), "the bank cannot owe more");
    assert_eq!((scene.gold(1), scene.gold(2)), (0, MOST_MONEY - 50));
    let poor = Act::Pay { who: who(1), to: hero(2), coins: Coins::new("gold", 1) };
    assert_eq!(scene.code(poor), Some(Code::NotEnough));
}

#[test]
fn stacks_fill_up_and_slots_run_out() {
    let mut scene = Scene::new();
    let of_ten = |quantity| Goods { template: "arrow".into(), quantity, most: 10 };
    let grant = |quantity| Act::Grant { to: hero(1), gets: Bundle::goods([of_ten(quantity)]) };
    scene.act(grant(25)).expect("granted");
    scene.act(grant(4)).expect("granted");
    let quantities = |scene: &Scene| -> Vec<(u32, i64)> {
        let sheet = scene.book.sheet(Holder::Character(hero(1))).expect("a sheet");
        sheet.stacks.iter().map(|(slot, stack)| (*slot, stack.quantity)).collect()
    };
    assert_eq!(quantities(&scene), [(0, 10), (1, 10), (2, 9)]);
    let seize = Act::Seize { from: hero(1), gives: Bundle::goods([of_ten(12)]) };
    scene.act(seize).expect("taken");
    assert_eq!(quantities(&scene), [(1, 8), (2, 9)]);
    scene.act(grant(13)).expect("the gap is used first");
    assert_eq!(quantities(&scene), [(0, 10), (1, 10), (2, 10)]);
    assert_eq!(scene.code(grant(10 * 237 + 1)), Some(Code::NoRoom));
    assert_eq!(scene.has(1, "arrow"), 30, "not even a part of it was made");
    assert_eq!(scene.code(grant(10 * 237)), None);
}

#[test]
fn a_trade_is_whole_or_not_at_all() {
    let mut scene = Scene::new();
    scene.give(1, "sword", 1);
    scene.give(2, "wood", 10);
    scene.pay_out(2, 50);
    let sword = Part { item: scene.item(Holder::Character(hero(1)), "sword"), quantity: 1 };
    let wood = Part { item: scene.item(Holder::Character(hero(2)), "wood"), quantity: 4 };
    let trade = |a: Vec<Part>, b: Vec<Part>, gold: i64| Act::Trade {
        a: Side { who: who(1), parts: a, coins: vec![] },
        b: Side { who: who(2), parts: b, coins: vec![Coins::new("gold", gold)] },
    };
    assert_eq!(scene.code(trade(vec![wood], vec![], 1)), Some(Code::NotOwner));
    assert_eq!(scene.code(trade(vec![sword], vec![sword], 1)), Some(Code::NotOwner), "not what he only gets");
    assert_eq!(scene.code(trade(vec![sword, sword], vec![], 1)), Some(Code::NotOwner), "not twice");
    assert_eq!(scene.code(trade(vec![sword], vec![wood], 51)), Some(Code::NotEnough));
    let more = Part { quantity: 11, ..wood };
    assert_eq!(scene.code(trade(vec![sword], vec![more], 1)), Some(Code::NotEnough));
    assert_eq!((scene.has(1, "sword"), scene.has(2, "wood"), scene.gold(2)), (1, 10, 50));
    assert_eq!(scene.code(trade(vec![sword], vec![wood], 50)), None);
    assert_eq!((scene.has(2, "sword"), scene.has(1, "wood"), scene.has(2, "wood")), (1, 4, 6));
    assert_eq!((scene.gold(1), scene.gold(2)), (50, 0));
    let with_himself = Act::Trade {
        a: Side { who: who(1), parts: vec![], coins: vec![] },
        b: Side { who: who(1), parts: vec![], coins: vec![] },
    };
    assert_eq!(scene.code(with_himself), Some(Code::BadRequest));
}

#[test]
fn a_quest_goes_step_by_step_and_rewards_once() {
    let mut scene = Scene::new();
    let step = |n| Act::QuestStep {
        who: who(1),
        quest: "wolves".into(),
        step: n,
        gives: Bundle::default(),
        gets: Bundle::default(),
    };
    let gets = Bundle::coins([Coins::new("gold", 30)]);
    let reward = |n| Act::QuestReward {
        who: who(1),
        quest: "wolves".into(),
        step: n,
        gives: Bundle::default(),
        gets: gets.clone(),
    };
    let accept = Act::QuestAccept { who: who(1), quest: "wolves".into(), gets: Bundle::default() };
    assert_eq!(scene.code(step(0)), Some(Code::QuestOrder));
    assert_eq!(scene.code(accept.clone()), None);
    assert_eq!(scene.code(accept.clone()), Some(Code::QuestOrder));
    assert_eq!(scene.code(step(1)), Some(Code::QuestOrder));
    assert_eq!(scene.code(reward(1)), Some(Code::QuestOrder));
    assert_eq!(scene.code(step(0)), None);
    assert_eq!(scene.code(step(0)), Some(Code::QuestOrder));
    assert_eq!(scene.code(reward(1)), None);
    assert_eq!(scene.code(reward(1)), Some(Code::QuestOrder));
    assert_eq!(scene.code(step(1)), Some(Code::QuestOrder));
    assert_eq!(scene.code(accept), Some(Code::QuestOrder));
    assert_eq!(scene.gold(1), 30);
}

#[test]
fn an_operator_mends_a_quest_and_an_area_may_not() {
    let mut scene = Scene::new();
    let set = |step, completed| Act::QuestSet { of: hero(1), quest: "wolves".into(), step, completed };
    let step = |n| Act::QuestStep {
        who: who(1),
        quest: "wolves".into(),
        step: n,
        gives: Bundle::default(),
        gets: Bundle::default(),
    };
    scene.act(set(2, false)).expect("accepted, with the third step open");
    assert_eq!(scene.code(step(0)), Some(Code::QuestOrder));
    assert_eq!(scene.code(step(2)), None);
    scene.act(set(0, true)).expect("ended");
    assert_eq!(scene.code(step(0)), Some(Code::QuestOrder));
    let by = Writer::Area { area: AREA, epoch: 3, incarnation: 2 };
    let operation = Operation { by, ..scene.operation(set(0, false)) };
    assert_eq!(operation.check().map_err(|refusal| refusal.code), Err(Code::Forbidden));
}

#[test]
fn a_storage_opens_to_one_at_a_time() {
    let mut scene = Scene::new();
    scene.give(1, "wood", 5);
    let (storage, chest) = (StorageId([1; 16]), Holder::Storage(StorageId([1; 16])));
    let part = Part { item: scene.item(Holder::Character(hero(1)), "wood"), quantity: 2 };
    let reserve = |n| Act::Reserve { who: who(n), storage, for_ms: 1_000 };
    assert_eq!(scene.code(Act::Put { who: who(1), storage, part }), Some(Code::StorageReserved));
    assert_eq!(scene.code(reserve(1)), None);
    assert_eq!(scene.code(reserve(2)), Some(Code::StorageReserved));
    assert_eq!(scene.code(Act::Claim { who: who(2), storage }), Some(Code::StorageReserved));
    assert_eq!(scene.code(Act::Put { who: who(1), storage, part }), None);
    let later = scene.operation(reserve(2));
    let after = decide(&mut scene.book, &fences(), Asker::Server(SERVER), &later, NOW + 1_000);
    assert!(after.is_ok(), "the reservation has expired");
    let lying = Part { item: scene.item(chest, "wood"), quantity: 2 };
    assert_eq!(scene.code(Act::Fetch { who: who(1), storage, part: lying }), Some(Code::StorageReserved));
    assert_eq!(scene.code(Act::Fetch { who: who(2), storage, part: lying }), None);
    assert_eq!(scene.code(Act::Release { who: who(2), storage }), None);
    assert_eq!(scene.code(Act::Claim { who: who(1), storage }), None);
    assert_eq!(scene.code(reserve(2)), Some(Code::NotOwner));
    assert_eq!((scene.has(1, "wood"), scene.has(2, "wood")), (3, 2));
}

#[test]
fn an_operation_reads_back_what_it_says() {
    let mut scene = Scene::new();
    let operation = scene.operation(pick(1, 5, 6));
    let text = serde_json::to_string(&operation).expect("JSON");
    assert_eq!(serde_json::from_str::<Operation>(&text).expect("it reads"), operation);
    let more = text.replacen("{\"id\"", "{\"gold\":1,\"id\"", 1);
    assert!(serde_json::from_str::<Operation>(&more).is_err(), "nothing is read over");
    let half = text.replace("\"quantity\":3", "\"quantity\":1.5");
    assert!(serde_json::from_str::<Operation>(&half).is_err());
    let old = OpId::new(NOW - OLDEST_MS - 1, [1; 8]);
    let operation = Operation { id: old, ..operation };
    let refused = decide(&mut scene.book, &fences(), Asker::Server(SERVER), &operation, NOW);
    assert_eq!(refused.map_err(|refusal| refusal.code), Err(Code::OpExpired));
}

fn parcel(n: u8) -> ParcelId {
    ParcelId([n; 16])
}

#[test]
fn what_is_in_a_parcel_is_had_once() {
    let mut scene = Scene::new();
    scene.give(1, "wood", 5);
    scene.pay_out(1, 10);
    let item = scene.item(Holder::Character(hero(1)), "wood");
    let send = |quantity, amount, to| Act::Send {
        from: hero(1),
        parcel: parcel(to),
        parts: vec![Part { item, quantity }],
        coins: vec![Coins::new("gold", amount)],
    };
    assert_eq!(scene.code(send(6, 1, 1)), Some(Code::NotEnough));
    assert_eq!(scene.code(send(2, 11, 1)), Some(Code::NotEnough), "nothing of it is done then");
    assert_eq!(scene.code(send(0, 1, 1)), Some(Code::AmountInvalid));
    assert_eq!(scene.code(send(2, 4, 1)), None);
    assert_eq!(scene.code(send(1, 1, 1)), Some(Code::BadRequest), "that parcel is another one's");
    assert_eq!((scene.has(1, "wood"), scene.gold(1)), (3, 6));
    let receive = |n, from| Act::Receive { to: hero(n), parcel: parcel(from) };
    assert_eq!(scene.code(receive(9, 1)), Some(Code::UnknownCharacter));
    assert_eq!(scene.code(receive(4, 1)), None, "wherever it is");
    assert_eq!(scene.code(receive(4, 1)), Some(Code::SourceSpent));
    assert_eq!((scene.has(4, "wood"), scene.gold(4)), (2, 4));
    let buy = |by, price| Act::Buy {
        by: hero(by),
        seller: hero(1),
        parcel: parcel(2),
        price: Coins::new("gold", price),
    };
    let offer = Act::Send {
        from: hero(1),
        parcel: parcel(2),
        parts: vec![Part { item, quantity: 3 }],
        coins: vec![],
    };
    assert_eq!(scene.code(offer), None);
    assert_eq!(scene.code(buy(1, 1)), Some(Code::BadRequest), "nobody buys of himself");
    assert_eq!(scene.code(buy(4, 5)), Some(Code::NotEnough));
    assert_eq!(scene.code(buy(4, 4)), None);
    assert_eq!(scene.code(buy(4, 4)), Some(Code::SourceSpent));
    assert_eq!((scene.has(4, "wood"), scene.gold(4), scene.gold(1)), (5, 0, 10));
}

#[test]
fn a_player_does_only_what_players_do_for_himself() {
    let mut scene = Scene::new();
    scene.give(1, "wood", 5);
    let item = scene.item(Holder::Character(hero(1)), "wood");
    let send = Act::Send {
        from: hero(1),
        parcel: parcel(1),
        parts: vec![Part { item, quantity: 1 }],
        coins: vec![],
    };
    let consume = Act::Consume { who: who(1), gives: Bundle::goods([Goods::new("wood", 1)]) };
    let player = |n| Writer::Player { character: hero(n) };
    let area = Writer::Area { area: AREA, epoch: 3, incarnation: 2 };
    for (by, act, asker) in [
        (player(2), send.clone(), Asker::Player),
        (player(1), send.clone(), Asker::Server(SERVER)),
        (player(1), send.clone(), Asker::Operator),
        (player(1), consume, Asker::Player),
        (area, send, Asker::Server(SERVER)),
    ] {
        let operation = Operation { by, ..scene.operation(act) };
        let refused = decide(&mut scene.book, &fences(), asker, &operation, NOW);
        assert_eq!(
            refused.map_err(|refusal| refusal.code),
            Err(Code::Forbidden),
            "{operation:?} by {asker:?}"
        );
    }
    assert_eq!(scene.has(1, "wood"), 5);
}

/// What a store would hold.
#[derive(Debug, Default, PartialEq)]
struct Tables {
    items: BTreeMap<(Holder, u32), Stack>,
    money: BTreeMap<(Holder, String), (i64, i64)>,
}

impl Tables {
    /// As the store writes: each row over the version that was known, and no other.
    fn write(&mut self, writes: &Writes) {
        for (id, version) in &writes.gone {
            let at = self.items.iter().find(|(_, stack)| stack.id == *id).map(|(at, _)| *at);
            let gone = self.items.remove(&at.expect("it was there"));
            assert_eq!(gone.map(|stack| stack.version), Some(*version));
        }
        for (holder, slot, stack) in &writes.placed {
            assert!(self.items.values().all(|other| other.id != stack.id), "no id twice");
            assert_eq!(self.items.insert((*holder, *slot), stack.clone()), None, "no slot twice");
        }
        for (holder, slot, stack) in &writes.changed {
            let was = self.items.insert((*holder, *slot), stack.clone()).expect("it was there");
            assert_eq!((was.id, was.version + 1), (stack.id, stack.version));
        }
        for (holder, currency, money) in &writes.money {
            let was = self.money.insert((*holder, currency.clone()), (money.amount, money.version));
            assert_eq!(was.map_or(0, |(_, version)| version) + 1, money.version);
        }
    }

    fn of(book: &Book, holders: &[Holder]) -> Self {
        let mut tables = Self::default();
        for holder in holders {
            let Some(sheet) = book.sheet(*holder) else { continue };
            tables.items.extend(sheet.stacks.iter().map(|(slot, stack)| ((*holder, *slot), stack.clone())));
            let money = sheet.money.iter();
            let row = |(currency, money): (&String, &book::Money)| {
                ((*holder, currency.clone()), (money.amount, money.version))
            };
            tables.money.extend(money.map(row));
        }
        tables
    }
}

/// An act out of a few numbers; some of them make no sense, on purpose.
fn some_act(scene: &Scene, [kind, a, b, which, amount]: [u8; 5]) -> Act {
    let (n, other) = (a % 4 + 1, b % 4 + 1);
    let template = ["wood", "stone", "sword"][usize::from(which % 3)];
    let quantity = i64::from(amount % 9);
    let most = if template == "sword" { 1 } else { 7 };
    let goods = Goods { template: template.into(), quantity, most };
    let (bundle, coins) = (Bundle::goods([goods]), Coins::new("gold", quantity));
    let storage = StorageId([1; 16]);
    let parcel = parcel(b % 4);
    let holder = match kind % 16 {
        1 => Holder::Ground(AREA),
        10 => Holder::Storage(storage),
        _ => Holder::Character(hero(n)),
    };
    let stacks = scene.book.sheet(holder).map(|sheet| sheet.stacks.values().collect::<Vec<_>>());
    let chosen = |by: u8| {
        let stacks = stacks.as_deref().unwrap_or_default();
        let id = stacks.get(usize::from(by) % stacks.len().max(1)).map(|stack| stack.id);
        Part { item: id.unwrap_or_default(), quantity }
    };
    let who = who(n);
    match kind % 16 {
        0 => Act::Pick { who, source: Source { number: b.into(), life: which.into() }, gets: bundle },
        1 => Act::Take { who, part: chosen(which) },
        2 => Act::Drop { who, part: chosen(which), spot: u32::MAX - u32::from(b % 3) },
        3 => Act::Consume { who, gives: Bundle { coins: vec![coins], ..bundle } },
        4 => Act::Exchange { who, gives: bundle, gets: Bundle::coins([coins]) },
        5 => Act::Arrange { who, part: chosen(which), to_slot: (b % 12).into() },
        6 => Act::Pay { who, to: hero(other), coins },
        7 => Act::Trade {
            a: Side { who, parts: vec![chosen(which), chosen(b)], coins: vec![] },
            b: Side { who: self::who(other), parts: vec![], coins: vec![coins] },
        },
        8 => Act::Reserve { who, storage, for_ms: 5 },
        9 => Act::Put { who, storage, part: chosen(which) },
        10 => Act::Fetch { who, storage, part: chosen(which) },
        11 => Act::Seize { from: hero(n), gives: bundle },
        12 => Act::Send { from: hero(n), parcel, parts: vec![chosen(which), chosen(b)], coins: vec![coins] },
        13 => Act::Receive { to: hero(n), parcel },
        14 => Act::Buy { by: hero(n), seller: hero(other), parcel, price: coins },
        _ => Act::Grant { to: hero(n), gets: Bundle { coins: vec![coins], ..bundle } },
    }
}

/// What an act makes and unmakes when it is done.
fn balance(act: &Act, made: &mut BTreeMap<String, i64>) {
    let (gives, gets) = match act {
        Act::Pick { gets, .. } | Act::Grant { gets, .. } => (None, Some(gets)),
        Act::Consume { gives, .. } | Act::Seize { gives, .. } => (Some(gives), None),
        Act::Exchange { gives, gets, .. } => (Some(gives), Some(gets)),
        _ => (None, None),
    };
    for (bundle, sign) in [(gives, -1), (gets, 1)] {
        for goods in bundle.into_iter().flat_map(|bundle| &bundle.goods) {
            *made.entry(goods.template.clone()).or_default() += sign * goods.quantity;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is asked, in transactions of any size of which some fail: goods are as many as were made less
    /// those that were unmade, all money sums up to 0, a refusal changes nothing, and what is written makes the
    /// tables what memory is.
    #[test]
    fn nothing_is_lost_or_doubled(
        asked in proptest::collection::vec((any::<[u8; 5]>(), 0u8..12), 1..160)
    ) {
        let holders: Vec<Holder> = (1..=4).map(|n| Holder::Character(hero(n)))
            .chain([Holder::Ground(AREA), Holder::Storage(StorageId([1; 16])), Holder::Bank])
            .chain((0..4).map(|n| Holder::Parcel(parcel(n)))).collect();
        let mut scene = Scene::new();
        let mut tables = Tables::default();
        let (mut made, mut durable_made) = (BTreeMap::new(), BTreeMap::new());
        for (numbers, end) in asked {
            let act = some_act(&scene, numbers);
            let before = Tables::of(&scene.book, &holders);
            match scene.act(act.clone()) {
                Ok(_) => balance(&act, &mut made),
                Err(_) => prop_assert_eq!(&Tables::of(&scene.book, &holders), &before),
            }
            match end {
                0 => {
                    scene.book.take_back(0);
                    made.clone_from(&durable_made);
                    prop_assert_eq!(&Tables::of(&scene.book, &holders), &tables);
                }
                1..=3 => {
                    let writes = scene.book.writes();
                    tables.write(&writes);
                    scene.book.settle(&writes);
                    durable_made.clone_from(&made);
                    prop_assert_eq!(&Tables::of(&scene.book, &holders), &tables);
                }
                _ => {}
            }
            let now = Tables::of(&scene.book, &holders);
            let mut there = BTreeMap::<String, i64>::new();
            for stack in now.items.values() {
                prop_assert!(stack.quantity > 0 && stack.quantity <= stack.most);
                *there.entry(stack.template.clone()).or_default() += stack.quantity;
            }
            made.retain(|_, count| *count != 0);
            prop_assert_eq!(&there, &made);
            prop_assert_eq!(now.money.values().map(|(amount, _)| amount).sum::<i64>(), 0);
            let owing = now.money.iter().filter(|((holder, _), (amount, _))| *holder != Holder::Bank && *amount < 0);
            prop_assert_eq!(owing.count(), 0);
        }
    }
}

#[test]
fn what_is_laid_down_lies_where_it_was_laid_and_no_full_bag_puts_things_on() {
    let mut scene = Scene::new();
    scene.give(1, "wood", 3);
    let item = scene.item(Holder::Character(hero(1)), "wood");
    for _ in 0..3 {
        let part = Part { item, quantity: 1 };
        assert_eq!(scene.code(Act::Drop { who: who(1), part, spot: u32::MAX }), None);
    }
    let lies: Vec<u32> =
        scene.book.sheet(Holder::Ground(AREA)).expect("a ground").stacks.keys().copied().collect();
    assert_eq!(lies, [0, 1, u32::MAX], "in the next free place");
    let sword = |n: u64| Goods { template: format!("sword{n}"), quantity: 1, most: 1 };
    for n in 0..u64::from(FIRST_WORN) {
        assert_eq!(scene.code(Act::Grant { to: hero(2), gets: Bundle::goods([sword(n)]) }), None);
    }
    let worn = Part { item: scene.item(Holder::Character(hero(2)), "sword7"), quantity: 1 };
    let full = Act::Grant { to: hero(2), gets: Bundle::goods([sword(999)]) };
    assert_eq!(scene.code(full.clone()), Some(Code::NoRoom));
    assert_eq!(scene.code(Act::Arrange { who: who(2), part: worn, to_slot: FIRST_WORN + 3 }), None);
    assert_eq!((scene.code(full.clone()), scene.code(full)), (None, Some(Code::NoRoom)));
}

#[test]
fn a_quest_step_takes_and_gives_in_one_go() {
    let mut scene = Scene::new();
    let letter = || Bundle::goods([Goods::new("letter", 1)]);
    let accept = Act::QuestAccept { who: who(1), quest: "q".into(), gets: letter() };
    let step = || Act::QuestStep {
        who: who(1),
        quest: "q".into(),
        step: 0,
        gives: letter(),
        gets: Bundle::default(),
    };
    assert_eq!((scene.code(accept.clone()), scene.code(accept)), (None, Some(Code::QuestOrder)));
    assert_eq!(scene.has(1, "letter"), 1);
    scene.act(Act::Consume { who: who(1), gives: letter() }).expect("thrown away");
    assert_eq!(scene.code(step()), Some(Code::NotEnough));
    let standing =
        |scene: &Scene| scene.book.sheet(Holder::Character(hero(1))).expect("a sheet").quests["q"].step;
    assert_eq!(standing(&scene), 0, "the step is open still");
    scene.give(1, "letter", 1);
    assert_eq!((scene.code(step()), scene.has(1, "letter"), standing(&scene)), (None, 0, 1));
}
