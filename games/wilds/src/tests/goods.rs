//! What one can have: everything that gives it and takes it, and everything that must not.

use pangea_engine::Packed;
use pangea_engine::ledger::Asked;
use pangea_world::id::PartyId;
use pangea_world::ledger::{Act, Bundle, Coins, FIRST_WORN, Goods};
use pangea_world::{Code, Refusal};

use super::*;
use crate::bag::{Arrange, Bag, COIN, Drop, TakeOff, Use};
use crate::craft::Craft;
use crate::deeds::{Got, MOST_EACH, Told};
use crate::gather::{Gather, Gathered};
use crate::gear::Gear;
use crate::heaps::Heap;
use crate::items::{goods, number};
use crate::loot::{Loot, Source, Take};
use crate::people::{Choose, Person, Says, Talk};
use crate::quests::QuestLog;
use crate::trade::{Agree, EndTrade, Offer, Trade, TradeOver, Trading};

impl Try {
    pub fn wish<T: Input>(&mut self, who: u16, input: &T) {
        self.heard.clear();
        self.sim.act(who, input).expect("it is taken");
        self.step(3);
    }

    pub fn gets(&mut self, who: u16, goods: Goods) {
        let to = self.sim.character(who);
        self.sim.operate(Act::Grant { to, gets: Bundle::goods([goods]) }).expect("granted");
        self.step(1);
    }

    fn gets_coins(&mut self, who: u16, amount: i64) {
        let to = self.sim.character(who);
        self.sim
            .operate(Act::Grant { to, gets: Bundle::coins([Coins::new(COIN, amount)]) })
            .expect("granted");
        self.step(1);
    }

    fn bag(&self, who: u16) -> &Bag {
        self.sim.get::<Bag>(who).expect("a bag")
    }

    pub fn has(&self, who: u16, item: &str) -> u32 {
        let bag = self.bag(who);
        let of = bag.items.iter().zip(&bag.counts).filter(|(n, _)| **n == number(item));
        of.map(|(_, count)| *count).sum()
    }

    pub fn slot(&self, who: u16, item: &str) -> u16 {
        let bag = self.bag(who);
        bag.slots[bag.items.iter().position(|n| *n == number(item)).expect("in the bag")]
    }

    pub fn codes(&self) -> Vec<String> {
        self.event::<Told>().into_iter().map(|told| told.code).collect()
    }

    pub fn event<T: Replicate>(&self) -> Vec<T> {
        let schema: serde_json::Value = serde_json::from_str(self.sim.schema().0).expect("JSON");
        let events = schema["events"].as_array().expect("a list");
        let number = events.iter().position(|event| event["name"] == T::NAME).expect("declared") as u8;
        let of = self.heard.iter().filter(|event| event.number == number);
        of.map(|event| take_message(&event.payload).expect("readable")).collect()
    }

    fn things<T: Component>(&mut self) -> Vec<(u16, (f64, f64))> {
        let mut all = self.sim.ecs().query_filtered::<(&Net, &Position), With<T>>();
        all.iter(self.sim.ecs()).map(|(net, at)| (net.0, at.point())).collect()
    }

    pub fn put(&mut self, who: u16, at: (f64, f64)) {
        let entity = self.sim.entity(who).expect("there");
        let mut position = self.sim.ecs().get_mut::<Position>(entity).expect("there");
        (position.x, position.y) = at;
    }

    pub fn person(&mut self, n: u16) -> (u16, (f64, f64)) {
        let mut all = self.sim.ecs().query::<(&Net, &Position, &Person)>();
        let found = all.iter(self.sim.ecs()).find(|(.., person)| person.who == n);
        found.map(|(net, at, _)| (net.0, at.point())).expect("a person")
    }

    /// Talks, and chooses what begins so.
    pub fn agree_on(&mut self, who: u16, person: u16, choice: &str) {
        self.wish(who, &Talk { target: person });
        let says = self.event::<Says>().pop().unwrap_or_else(|| panic!("nothing said: {:?}", self.codes()));
        let n = says.choices.iter().position(|text| text.starts_with(choice));
        let n = n.unwrap_or_else(|| panic!("«{choice}» is not among {:?}", says.choices));
        self.wish(who, &Choose { target: person, choice: n as u8 });
    }

    fn fells(&mut self, who: u16, x: i32, y: i32) {
        for _ in 0..3 {
            self.gather(who, x, y);
            self.step(11);
        }
    }

    /// Two who trade.
    fn traders() -> (Self, u16, u16) {
        let mut game = Try::empty();
        let (ada, bob) = (game.character((100.0, 100.0)), game.character((101.0, 100.0)));
        game.gets(ada, goods("wood", 10));
        game.gets_coins(bob, 50);
        game.wish(ada, &Trade { target: bob });
        assert!(game.sim.get::<Trading>(bob).is_some_and(|trading| trading.asked && trading.target == ada));
        assert!(game.sim.get::<Trading>(ada).is_none());
        game.wish(bob, &Trade { target: ada });
        assert!(game.sim.get::<Trading>(ada).is_some_and(|trading| !trading.asked));
        (game, ada, bob)
    }

    fn version(&self, who: u16) -> u32 {
        self.sim.get::<Trading>(who).expect("a trade").version
    }
}

#[test]
fn a_felled_tree_gives_wood_when_the_ledger_has_it_and_not_before() {
    let mut game = Try::empty();
    let ada = game.character((150.5, 151.5));
    game.fells(ada, 150, 150);
    let got = game.event::<Got>();
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].item, u32::from(got[0].count >= 2)), (number("wood"), 1));
    assert_eq!(game.has(ada, "wood"), got[0].count);
    assert_eq!(game.sim.terrain().tile(150, 150), tile::GRASS);
    // A checkpoint of before brings the tree back, but not its wood.
    let spent: Vec<(u64, u64)> = game.sim.ledger().all_spent().collect();
    let mut again = Try::empty();
    again.sim.ledger().begin(Default::default(), spent);
    again.step(1);
    assert_eq!(again.sim.terrain().tile(150, 150), tile::GRASS, "it is felled as it was");
}

#[test]
fn on_claimed_ground_gathers_who_may() {
    use pangea_world::id::FactionId;
    use pangea_world::social::{ClaimDoc, Rights};
    let (ravens, foxes) = (FactionId([1; 16]), FactionId([2; 16]));
    let mut game = Try::empty();
    let [ada, bob, eve] = [(150.5, 151.5), (149.5, 151.5), (151.5, 151.5)].map(|at| game.character(at));
    game.sim.set_faction(ada, Some(ravens));
    game.sim.set_faction(bob, Some(foxes));
    let gathers = Rights { gather: true, build: false };
    let claim = ClaimDoc {
        faction: ravens,
        name: "Ravens".into(),
        allies: vec![foxes],
        owner: gathers,
        ally: gathers,
        ..ClaimDoc::default()
    };
    game.sim.set_claim(Some(ClaimDoc { until_ms: 1, ..claim }));
    game.wish(eve, &Gather { x: 150, y: 150 });
    assert_eq!((game.codes(), game.event::<Gathered>().len()), (vec!["forbidden".to_owned()], 0));
    for may in [ada, bob] {
        game.wish(may, &Gather { x: 150, y: 150 });
        assert_eq!((game.codes(), game.event::<Gathered>().len()), (vec![], 1));
    }
    game.sim.set_faction(bob, None);
    game.step(20);
    game.wish(bob, &Gather { x: 150, y: 150 });
    assert_eq!(game.codes(), ["forbidden"], "he has left them");
    game.sim.set_claim(None);
    game.wish(bob, &Gather { x: 150, y: 150 });
    assert_eq!(game.codes(), Vec::<String>::new());
}

#[test]
fn on_claimed_ground_builds_who_may() {
    use pangea_world::id::FactionId;
    use pangea_world::social::{ClaimDoc, Rights};
    let mut game = Try::empty();
    let (ada, bob) = (game.character((100.5, 100.5)), game.character((101.5, 100.5)));
    game.gets(ada, goods("campfire", 1));
    game.gets(bob, goods("campfire", 1));
    let faction = FactionId([1; 16]);
    game.sim.set_faction(ada, Some(faction));
    let owner = Rights { gather: false, build: true };
    let claim = ClaimDoc { faction, name: "Ravens".into(), owner, until_ms: 1, ..ClaimDoc::default() };
    game.sim.set_claim(Some(claim));
    let slot = game.slot(bob, "campfire");
    game.wish(bob, &Drop { slot, count: 1 });
    assert_eq!((game.codes(), game.has(bob, "campfire")), (vec!["forbidden".to_owned()], 1));
    let slot = game.slot(ada, "campfire");
    game.wish(ada, &Drop { slot, count: 1 });
    assert_eq!(game.has(ada, "campfire"), 0, "it stands");
    let heap = game.things::<Heap>()[0].0;
    game.wish(bob, &Take { target: heap });
    assert_eq!(
        (game.codes(), game.has(bob, "campfire")),
        (vec!["forbidden".to_owned()], 1),
        "nor takes it down"
    );
    game.wish(ada, &Take { target: heap });
    assert_eq!(game.has(ada, "campfire"), 1);
}

#[test]
fn without_an_answer_nothing_falls_and_nothing_is_had() {
    let mut game = Try::empty();
    let ada = game.character((150.5, 151.5));
    *game.sim.ledger() = Ledger::default();
    game.fells(ada, 150, 150);
    game.fells(ada, 150, 150);
    assert_eq!(game.sim.terrain().tile(150, 150), tile::TREE);
    assert_eq!((game.bag(ada).pending, game.sim.ledger().undecided()), (1, 1), "asked once");
    assert!(game.event::<Got>().is_empty());
    let Asked { ask, act, .. } = game.sim.ledger().take_asked().pop().expect("asked");
    let busy = Refusal::new(Code::StorageBusy, "full");
    game.sim.ledger().decided(ask, &act, Err(busy));
    game.heard.clear();
    game.step(1);
    assert_eq!((game.codes(), game.bag(ada).pending), (vec!["storage_busy".into()], 0));
    game.gather(ada, 150, 150);
    game.step(1);
    assert_eq!(game.sim.ledger().undecided(), 1, "one stroke more, and it is asked again");
}

#[test]
fn a_full_bag_loses_nothing() {
    let mut game = Try::empty();
    let ada = game.character((150.5, 151.5));
    for _ in 0..FIRST_WORN {
        game.gets(ada, goods("letter", 1));
    }
    game.fells(ada, 150, 150);
    assert_eq!(game.event::<Told>().iter().filter(|told| told.code == "no_room").count(), 1);
    assert_eq!(game.sim.terrain().tile(150, 150), tile::TREE, "it stands, with its wood");
    let slot = game.slot(ada, "letter");
    game.wish(ada, &Drop { slot, count: 1 });
    game.step(10);
    game.gather(ada, 150, 150);
    game.step(3);
    assert!(game.has(ada, "wood") >= 2 && game.sim.terrain().tile(150, 150) == tile::GRASS);
    // The letter does not fit any more.
    let (heap, at) = game.things::<Heap>()[0];
    game.put(ada, at);
    game.wish(ada, &Take { target: heap });
    assert_eq!(game.codes(), ["no_room"]);
    assert_eq!(game.things::<Heap>().len(), 1);
}

#[test]
fn a_corpse_gives_once() {
    let mut game = Try::empty();
    let (ada, bob) = (game.character((100.0, 100.0)), game.character((102.0, 100.0)));
    let rabbit = game.creature(Species::Rabbit, (101.0, 100.0));
    game.step(1);
    let (net, tick) = (game.net(rabbit), game.sim.tick());
    game.step(3);
    game.attack(ada, net, tick);
    game.step(2);
    let corpses = game.things::<Loot>();
    assert_eq!(corpses.len(), 1);
    let target = corpses[0].0;
    game.heard.clear();
    game.sim.act(ada, &Take { target }).expect("taken");
    game.sim.act(bob, &Take { target }).expect("taken");
    game.step(1);
    assert!(game.event::<Got>().is_empty(), "not before the ledger says so");
    game.step(2);
    assert_eq!(game.codes(), ["source_spent"]);
    assert_eq!(game.sim.take_refusals(), [("source_spent", 1)].into());
    let both = game.has(ada, "meat") + game.has(bob, "meat");
    assert_eq!((both, game.event::<Got>().len(), game.things::<Loot>().len()), (1, 2, 0));
    game.wish(ada, &Take { target });
    assert_eq!(game.codes(), ["gone"]);
}

#[test]
fn what_is_dropped_lies_there_and_can_be_taken_once() {
    let mut game = Try::empty();
    let (ada, bob) = (game.character((100.2, 100.2)), game.character((103.0, 100.0)));
    game.gets(ada, goods("wood", 10));
    game.wish(ada, &Drop { slot: 0, count: 4 });
    game.wish(ada, &Drop { slot: 0, count: 1 });
    assert_eq!(game.has(ada, "wood"), 5);
    let heaps = game.things::<Heap>();
    assert_eq!(heaps.len(), 2);
    assert!(heaps.iter().all(|(_, at)| far(*at, (100.5, 100.5)) < 0.5), "{heaps:?}");
    game.wish(bob, &Take { target: heaps[0].0 });
    assert_eq!(game.codes(), ["too_far"]);
    // As an area begins that knows nothing but the ledger's ground.
    let ground = game.sim.ledger().ground().clone();
    let mut again = Try::empty();
    again.sim.ledger().begin(ground, []);
    again.step(2);
    let places = |heaps: &[(u16, (f64, f64))]| heaps.iter().map(|(_, at)| *at).collect::<Vec<_>>();
    assert_eq!(places(&again.things::<Heap>()), places(&heaps));
    game.put(bob, (101.0, 100.0));
    for (heap, _) in heaps {
        game.wish(bob, &Take { target: heap });
    }
    assert_eq!((game.has(ada, "wood"), game.has(bob, "wood"), game.things::<Heap>().len()), (5, 5, 0));
}

#[test]
fn slots_and_amounts_that_are_not_there_are_refused() {
    let mut game = Try::empty();
    let ada = game.character((100.0, 100.0));
    game.gets(ada, goods("wood", 10));
    for (slot, count, code) in [
        (1, 1, "unknown_item"),
        (u16::MAX, 1, "unknown_item"),
        (0, 0, "amount_invalid"),
        (0, 11, "amount_invalid"),
        (0, u32::MAX, "amount_invalid"),
    ] {
        game.wish(ada, &Drop { slot, count });
        assert_eq!(game.codes(), [code], "{slot} {count}");
        game.wish(ada, &Arrange { slot, to: 7, count });
        assert_eq!(game.codes(), [code], "{slot} {count}");
        game.step(20);
    }
    game.wish(ada, &Arrange { slot: 0, to: FIRST_WORN as u16, count: 1 });
    assert_eq!(game.codes(), ["no_room"]);
    game.step(20);
    game.wish(ada, &Use { slot: 0 });
    assert_eq!(game.codes(), ["useless"]);
    for place in [0, 4, u8::MAX] {
        game.wish(ada, &TakeOff { place });
        assert_eq!(game.codes(), ["unknown_item"], "{place}");
        game.step(20);
    }
    game.wish(ada, &Craft { recipe: u16::MAX });
    assert_eq!(game.codes(), ["bad_choice"]);
    let counted = game.sim.take_refusals();
    assert_eq!((counted["bad_choice"], counted["useless"], counted["no_room"]), (1, 1, 1), "{counted:?}");
    game.wish(ada, &Take { target: ada });
    assert_eq!(game.codes(), ["gone"]);
    game.wish(ada, &Arrange { slot: 0, to: 7, count: 4 });
    assert_eq!((game.bag(ada).slots.clone(), game.bag(ada).counts.clone()), (vec![0, 7], vec![6, 4]));
}

#[test]
fn the_dead_take_drop_and_talk_nothing() {
    let mut game = Try::empty();
    let ada = game.character((100.0, 100.0));
    game.gets(ada, goods("bread", 2));
    let entity = game.sim.entity(ada).expect("there");
    game.sim.ecs().entity_mut(entity).insert(Stunned);
    game.wish(ada, &Drop { slot: 0, count: 1 });
    assert_eq!(game.codes(), ["stunned"]);
    game.wish(ada, &Use { slot: 0 });
    assert_eq!(game.codes(), ["stunned"]);
    game.wish(ada, &Take { target: 1 });
    assert_eq!(game.codes(), ["stunned"]);
    game.wish(ada, &Talk { target: 1 });
    assert_eq!(game.codes(), ["stunned"]);
    game.wish(ada, &Trade { target: 1 });
    assert_eq!(game.codes(), ["stunned"]);
    assert_eq!(game.has(ada, "bread"), 2);
}

#[test]
fn worn_things_count_and_eating_heals() {
    let mut game = Try::empty();
    let ada = game.character((100.0, 100.0));
    for item in ["sword", "coat", "bread"] {
        game.gets(ada, goods(item, 1));
    }
    for item in ["sword", "coat"] {
        let slot = game.slot(ada, item);
        game.wish(ada, &Use { slot });
    }
    let gear = *game.sim.get::<Gear>(ada).expect("gear");
    assert_eq!((gear.hand, gear.body, gear.head), (number("sword") + 1, number("coat") + 1, 0));
    assert_eq!(game.bag(ada).items, [number("bread")], "what is worn is not in the bag");
    let boar = game.creature(Species::Boar, (101.5, 100.0));
    game.step(4);
    let (net, tick) = (game.net(boar), game.sim.tick());
    game.attack(ada, net, tick);
    let hits = game.event::<Hit>();
    assert_eq!(hits.iter().find(|hit| hit.target == net).map(|hit| hit.damage), Some(30));
    game.until("its bite", |game| game.health(ada) < 100);
    assert_eq!(game.health(ada), 93, "a bite of 9, and a coat of 2");
    game.sim.ecs().despawn(boar);
    game.wish(ada, &Use { slot: 2 });
    assert_eq!((game.health(ada), game.has(ada, "bread")), (100, 0));
    game.wish(ada, &TakeOff { place: 0 });
    assert_eq!((game.sim.get::<Gear>(ada).expect("gear").hand, game.has(ada, "sword")), (0, 1));
}

#[test]
fn crafting_takes_what_it_needs_or_nothing() {
    let mut game = Try::empty();
    let ada = game.character((100.0, 100.0));
    game.gets(ada, goods("meat", 2));
    game.gets(ada, goods("wood", 1));
    game.wish(ada, &Craft { recipe: 0 });
    assert_eq!((game.has(ada, "roast"), game.has(ada, "meat"), game.has(ada, "wood")), (1, 1, 0));
    game.wish(ada, &Craft { recipe: 0 });
    assert_eq!((game.codes(), game.has(ada, "meat")), (vec!["not_enough".into()], 1));
}

#[test]
fn what_is_under_way_is_bounded() {
    let mut game = Try::empty();
    let ada = game.character((100.0, 100.0));
    game.gets(ada, goods("bread", 10));
    let character = game.sim.character(ada);
    let sheet = game.sim.ledger().sheet(character).cloned();
    *game.sim.ledger() = Ledger::default();
    game.sim.ledger().show(character, sheet.expect("a sheet"));
    game.heard.clear();
    for _ in 0..MOST_EACH + 3 {
        game.sim.act(ada, &Drop { slot: 0, count: 1 }).expect("taken");
        game.step(20);
    }
    assert_eq!((game.bag(ada).pending, game.codes()), (MOST_EACH, vec!["busy".to_string(); 3]));
}

#[test]
fn herbs_and_chests_show_give_and_come_again() {
    let mut game = Try::new("");
    let ada = game.character((400.0, 100.0));
    game.step(21);
    let finds = game.things::<Source>();
    assert!(finds.len() > 3, "{finds:?}");
    let (target, at) = finds[0];
    game.wish(ada, &Take { target });
    assert!(["too_far"].iter().eq(game.codes().iter().map(String::as_str).collect::<Vec<_>>().iter()));
    game.put(ada, at);
    game.wish(ada, &Take { target });
    assert!(
        !game.event::<Got>().is_empty() && !game.things::<Source>().iter().any(|(_, there)| *there == at)
    );
    game.step(20 * 30);
    assert!(!game.things::<Source>().iter().any(|(_, there)| *there == at), "not yet");
    game.until("it comes again", |game| {
        game.step(200);
        game.things::<Source>().iter().any(|(_, there)| *there == at)
    });
}

#[test]
fn a_quest_goes_step_by_step_and_out_of_order_is_refused() {
    let mut game = Try::new("");
    let ada = game.character((400.0, 100.0));
    game.step(2);
    let (mara, at) = game.person(0);
    game.wish(ada, &Choose { target: mara, choice: 0 });
    assert_eq!(game.codes(), ["bad_choice"], "nothing was said yet");
    game.agree_on(ada, mara, "Accept: Wood");
    assert_eq!(game.sim.get::<QuestLog>(ada).expect("a log").quests, [0]);
    game.agree_on(ada, mara, "Wood for the fire");
    assert_eq!(game.codes(), ["not_enough"]);
    assert_eq!(game.sim.get::<QuestLog>(ada).expect("a log").steps, [0], "the step is open still");
    game.gets(ada, goods("wood", 8));
    assert_eq!(game.sim.get::<QuestLog>(ada).expect("a log").counts, [6]);
    game.wish(ada, &Talk { target: mara });
    let says = game.event::<Says>().pop().expect("she speaks");
    let choice = says.choices.iter().position(|text| text.starts_with("Wood for")).expect("offered") as u8;
    game.heard.clear();
    // Twice before there is an answer: the reward comes once.
    for _ in 0..2 {
        game.sim.act(ada, &Choose { target: mara, choice }).expect("taken");
    }
    game.step(4);
    assert_eq!(game.codes(), ["quest_order"]);
    assert_eq!(
        game.sim.take_refusals().get("quest_order"),
        None,
        "what the ledger refuses the server counts"
    );
    assert_eq!((game.has(ada, "wood"), game.has(ada, "bread"), game.bag(ada).coins), (2, 2, 20));
    let log = game.sim.get::<QuestLog>(ada).expect("a log");
    assert_eq!((log.quests.len(), log.done.clone()), (0, vec![0]));
    game.wish(ada, &Choose { target: mara, choice: 99 });
    assert_eq!(game.codes(), ["bad_choice"]);
    game.put(ada, (at.0 + 20.0, at.1));
    game.wish(ada, &Choose { target: mara, choice: 0 });
    assert_eq!(game.codes(), ["too_far"]);
    game.wish(ada, &Talk { target: 60_000 });
    assert_eq!(game.codes(), ["gone"]);
}

#[test]
fn who_kills_three_wolves_goes_on_by_itself() {
    let mut game = Try::new("");
    let ada = game.character((400.0, 100.0));
    game.step(2);
    let mara = game.person(0).0;
    game.agree_on(ada, mara, "Accept: Wolves");
    let entity = game.sim.entity(ada).expect("there");
    for n in 0..3 {
        assert_eq!(game.sim.get::<QuestLog>(ada).expect("a log").counts, [n]);
        let wolf = game.creature(Species::Wolf, (401.0, 100.0));
        game.sim.ecs().get_mut::<Body>(wolf).expect("a body").health = 1;
        game.step(1);
        let net = game.net(wolf);
        game.step(16);
        let tick = game.sim.tick();
        let at = game.at(wolf);
        game.put(ada, (at.0 - 0.5, at.1));
        game.attack(ada, net, tick);
        game.until("its death", |game| game.sim.ecs().get_entity(wolf).is_err());
        game.step(2);
    }
    assert!(game.sim.ecs().get_entity(entity).is_ok());
    game.until("the next step", |game| game.sim.get::<QuestLog>(ada).expect("a log").steps == [1]);
    let at = game.person(0).1;
    game.put(ada, at);
    game.agree_on(ada, mara, "Wolves at the door");
    assert_eq!((game.has(ada, "cap"), game.bag(ada).coins), (1, 60));
}

#[test]
fn a_party_shares_a_kill_with_those_of_it_who_are_near() {
    let mut game = Try::new("");
    let all = [400.0, 402.0, 404.0, 406.0].map(|x| game.character((x, 100.0)));
    game.step(2);
    let mara = game.person(0).0;
    for who in all {
        game.agree_on(who, mara, "Accept: Wolves");
    }
    let [ada, near, far, stranger] = all;
    for who in [ada, near, far] {
        game.sim.set_party(who, Some(PartyId([1; 16])));
    }
    game.sim.set_party(stranger, Some(PartyId([2; 16])));
    for (who, x) in [(ada, 300.0), (near, 340.0), (far, 360.0), (stranger, 305.0)] {
        game.put(who, (x, 100.0));
    }
    let wolf = game.creature(Species::Wolf, (301.0, 100.0));
    game.sim.ecs().get_mut::<Body>(wolf).expect("a body").health = 1;
    game.step(1);
    let net = game.net(wolf);
    game.step(16);
    let (tick, at) = (game.sim.tick(), game.at(wolf));
    game.put(ada, (at.0 - 0.5, at.1));
    game.put(near, (at.0 + 40.0, at.1));
    game.put(far, (at.0 + 60.0, at.1));
    game.attack(ada, net, tick);
    game.until("its death", |game| game.sim.ecs().get_entity(wolf).is_err());
    game.step(2);
    let counts = all.map(|who| game.sim.get::<QuestLog>(who).expect("a log").counts[0]);
    assert_eq!(counts, [1, 1, 0, 0]);
}

#[test]
fn the_trader_sells_and_buys() {
    let mut game = Try::new("");
    let ada = game.character((400.0, 100.0));
    game.step(2);
    let odo = game.person(1).0;
    game.agree_on(ada, odo, "Buy bread");
    assert_eq!((game.codes(), game.has(ada, "bread")), (vec!["not_enough".into()], 0));
    game.gets(ada, goods("hide", 4));
    game.agree_on(ada, odo, "Sell 4 hide (12)");
    assert_eq!((game.bag(ada).coins, game.has(ada, "hide")), (12, 0));
    game.agree_on(ada, odo, "Buy bread (5)");
    assert_eq!((game.bag(ada).coins, game.has(ada, "bread")), (7, 1));
}

#[test]
fn two_trade_when_both_agree_to_the_same() {
    let (mut game, ada, bob) = Try::traders();
    game.wish(ada, &Offer { slots: vec![0], counts: vec![4], coins: 0 });
    game.wish(bob, &Offer { slots: vec![], counts: vec![], coins: 30 });
    let seen = game.sim.get::<Trading>(bob).expect("a trade").clone();
    assert_eq!((seen.their_items, seen.their_counts, seen.my_coins), (vec![number("wood")], vec![4], 30));
    let version = game.version(ada);
    game.wish(ada, &Agree { version });
    assert!(game.sim.get::<Trading>(bob).is_some_and(|trading| trading.they_agree));
    // He gives less at the last moment: what she agreed to is void.
    game.wish(bob, &Offer { slots: vec![], counts: vec![], coins: 1 });
    game.wish(bob, &Agree { version });
    assert_eq!(game.codes(), ["old_version"]);
    assert!(game.sim.get::<Trading>(ada).is_some_and(|trading| !trading.i_agree));
    game.wish(bob, &Offer { slots: vec![], counts: vec![], coins: 25 });
    let version = game.version(bob);
    game.wish(bob, &Agree { version });
    game.wish(ada, &Agree { version });
    assert_eq!(game.event::<TradeOver>(), vec![TradeOver { done: true, code: String::new() }; 2]);
    assert_eq!((game.has(ada, "wood"), game.has(bob, "wood")), (6, 4));
    assert_eq!((game.bag(ada).coins, game.bag(bob).coins), (25, 25));
    assert!(game.sim.get::<Trading>(ada).is_none() && game.sim.get::<Trading>(bob).is_none());
}

#[test]
fn offers_of_what_one_has_not_are_refused() {
    let (mut game, ada, bob) = Try::traders();
    let before = game.version(ada);
    for (slots, counts, coins, code) in [
        (vec![3], vec![1], 0, "unknown_item"),
        (vec![0], vec![11], 0, "amount_invalid"),
        (vec![0], vec![0], 0, "amount_invalid"),
        (vec![0, 0], vec![6, 6], 0, "not_owner"),
        (vec![FIRST_WORN as u16], vec![1], 0, "not_owner"),
        (vec![], vec![], 1, "not_enough"),
        (vec![], vec![], u64::MAX, "amount_invalid"),
        (vec![], vec![], i64::MAX as u64 + 1, "amount_invalid"),
    ] {
        game.step(20);
        game.wish(ada, &Offer { slots, counts, coins });
        assert_eq!(game.codes(), [code]);
    }
    assert_eq!(game.version(ada), before, "none of it was offered");
    let uneven = game.sim.act(ada, &Offer { slots: vec![0], counts: vec![], coins: 0 });
    assert_eq!(uneven.map_err(|refusal| refusal.code), Err(Code::BadInput));
    // She offers wood, and lays it down before both agree: the ledger refuses all of it.
    game.step(20);
    game.wish(ada, &Offer { slots: vec![0], counts: vec![10], coins: 0 });
    game.wish(bob, &Offer { slots: vec![], counts: vec![], coins: 50 });
    game.wish(ada, &Drop { slot: 0, count: 10 });
    let version = game.version(ada);
    game.wish(bob, &Agree { version });
    game.wish(ada, &Agree { version });
    assert_eq!(game.event::<TradeOver>(), vec![TradeOver { done: false, code: "not_owner".into() }; 2]);
    assert_eq!((game.bag(ada).coins, game.bag(bob).coins, game.has(bob, "wood")), (0, 50, 0));
}

#[test]
fn a_trade_ends_when_one_goes_away_or_leaves_or_wishes() {
    let (mut game, ada, bob) = Try::traders();
    game.put(bob, (120.0, 100.0));
    game.heard.clear();
    game.step(1);
    assert_eq!(game.event::<TradeOver>(), vec![TradeOver { done: false, code: "too_far".into() }; 2]);
    game.wish(ada, &Agree { version: 1 });
    assert_eq!(game.codes(), ["gone"]);
    game.wish(ada, &Trade { target: bob });
    assert_eq!(game.codes(), ["too_far"]);

    let (mut game, ada, _) = Try::traders();
    game.wish(ada, &EndTrade {});
    assert_eq!(game.event::<TradeOver>(), vec![TradeOver { done: false, code: "ended".into() }; 2]);

    let (mut game, ada, bob) = Try::traders();
    game.sim.remove(bob, Leave::Quit);
    game.heard.clear();
    game.step(25);
    assert!(game.event::<TradeOver>().iter().all(|over| over.code == "gone"));
    assert!(game.sim.get::<Trading>(ada).is_none());
}

/// With its goods, for as long as it lies; but not while somebody takes from it, who is answered elsewhere.
#[test]
fn a_corpse_goes_along_with_its_area_to_another_process() {
    let mut game = Try::empty();
    let ada = game.character((100.0, 100.0));
    let rabbit = game.creature(Species::Rabbit, (101.0, 100.0));
    game.step(1);
    let (net, tick) = (game.net(rabbit), game.sim.tick());
    game.step(3);
    game.attack(ada, net, tick);
    game.step(2);
    let [(target, at)] = game.things::<Loot>()[..] else { panic!("one corpse") };
    let moved = |game: &mut Try| {
        let Packed { pack, keys } = game.sim.pack();
        let mut next = Try::empty();
        next.sim.unpack(&pack, &keys, None).expect("readable");
        next.step(1);
        next
    };
    let mut next = moved(&mut game);
    let bob = next.character((100.0, 100.0));
    next.step(2);
    let [(corpse, there)] = next.things::<Loot>()[..] else { panic!("one corpse") };
    assert_eq!(at, there);
    next.wish(bob, &Take { target: corpse });
    assert_eq!((next.has(bob, "meat"), next.has(bob, "fur")), (1, 1), "{:?}", next.codes());

    let mut rots = moved(&mut game);
    rots.step(20 * 89);
    assert_eq!(rots.things::<Loot>().len(), 1);
    rots.step(40);
    assert!(rots.things::<Loot>().is_empty());

    game.sim.act(ada, &Take { target }).expect("taken");
    game.step(1);
    assert!(moved(&mut game).things::<Loot>().is_empty(), "it would give twice");
}
