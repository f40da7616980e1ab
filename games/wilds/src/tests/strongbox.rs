//! A strongbox: whose it is, what comes in and out, and when it is shut.

use pangea_world::ledger::MOST_STACKS;

use super::*;
use crate::items::{goods, number};
use crate::people::Talk;
use crate::strongbox::{CloseBox, Fetch, Put, Strongbox};

const ODO: u16 = 1;

impl Try {
    /// One who stands where strongboxes are kept, with ten wood.
    fn customer() -> (Self, u16, u16) {
        let mut game = Try::new("");
        let ada = game.character((400.0, 100.0));
        game.gets(ada, goods("wood", 10));
        let keeper = game.person(ODO).0;
        (game, ada, keeper)
    }

    fn opens(&mut self, who: u16, keeper: u16) {
        self.agree_on(who, keeper, "Open your strongbox");
        assert_eq!(self.codes(), Vec::<String>::new());
        assert_eq!(self.sim.get::<Strongbox>(who).expect("open").keeper, keeper);
    }

    fn lies(&self, who: u16) -> Option<Vec<(u16, u16, u32)>> {
        let Strongbox { slots, items, counts, .. } = self.sim.get::<Strongbox>(who)?;
        Some(
            slots.iter().zip(items).zip(counts).map(|((slot, item), count)| (*slot, *item, *count)).collect(),
        )
    }
}

#[test]
fn what_is_put_away_is_there_the_next_time_and_comes_out_once() {
    let (mut game, ada, odo) = Try::customer();
    let wood = number("wood");
    let slot = game.slot(ada, "wood");
    game.wish(ada, &Put { slot, count: 4 });
    assert_eq!(game.codes(), ["storage_reserved"], "it is not open");
    game.opens(ada, odo);
    assert_eq!(game.lies(ada), Some(vec![]));
    game.wish(ada, &Put { slot, count: 4 });
    assert_eq!((game.lies(ada), game.has(ada, "wood")), (Some(vec![(0, wood, 4)]), 6));
    game.wish(ada, &CloseBox {});
    assert_eq!(game.lies(ada), None);
    game.wish(ada, &Fetch { slot: 0, count: 1 });
    assert_eq!((game.codes(), game.has(ada, "wood")), (vec!["storage_reserved".to_owned()], 6));

    game.opens(ada, odo);
    assert_eq!(game.lies(ada), Some(vec![(0, wood, 4)]));
    game.sim.act(ada, &Fetch { slot: 0, count: 4 }).expect("it is taken");
    game.wish(ada, &Fetch { slot: 0, count: 4 });
    assert_eq!(game.codes(), ["unknown_item"], "one of the two");
    assert_eq!((game.lies(ada), game.has(ada, "wood")), (Some(vec![]), 10));
}

#[test]
fn slots_and_amounts_that_are_not_there_move_nothing() {
    let (mut game, ada, odo) = Try::customer();
    game.opens(ada, odo);
    let slot = game.slot(ada, "wood");
    game.wish(ada, &Put { slot, count: 3 });
    let before = (game.lies(ada), game.has(ada, "wood"));
    let refused = |game: &mut Try, code: &str| {
        assert_eq!(game.codes(), [code]);
        assert_eq!((game.lies(ada), game.has(ada, "wood")), before);
    };
    for (slot, count, code) in [(99, 1, "unknown_item"), (u16::MAX, 1, "unknown_item")] {
        game.wish(ada, &Put { slot, count });
        refused(&mut game, code);
        game.wish(ada, &Fetch { slot, count });
        refused(&mut game, code);
    }
    for count in [0, 8, u32::MAX] {
        game.wish(ada, &Put { slot, count });
        refused(&mut game, "amount_invalid");
        game.wish(ada, &Fetch { slot: 0, count });
        refused(&mut game, "amount_invalid");
    }
    let entity = game.sim.entity(ada).expect("there");
    game.sim.ecs().entity_mut(entity).insert(Stunned);
    game.wish(ada, &Fetch { slot: 0, count: 1 });
    refused(&mut game, "stunned");
}

#[test]
fn everybody_has_one_of_his_own() {
    let (mut game, ada, odo) = Try::customer();
    let bob = game.character((400.0, 100.0));
    game.gets(bob, goods("bread", 1));
    game.opens(ada, odo);
    game.opens(bob, odo);
    let slot = game.slot(ada, "wood");
    game.wish(ada, &Put { slot, count: 10 });
    assert_eq!(game.lies(bob), Some(vec![]));
    game.wish(bob, &Fetch { slot: 0, count: 1 });
    assert_eq!((game.codes(), game.has(bob, "wood")), (vec!["unknown_item".to_owned()], 0));
    assert_eq!(game.lies(ada), Some(vec![(0, number("wood"), 10)]));
}

#[test]
fn it_is_shut_for_who_goes_away_and_after_a_while() {
    let (mut game, ada, odo) = Try::customer();
    game.put(ada, (300.0, 100.0));
    game.wish(ada, &Talk { target: odo });
    assert_eq!(game.codes(), ["too_far"]);
    game.put(ada, (400.0, 100.0));
    game.opens(ada, odo);
    let slot = game.slot(ada, "wood");
    game.put(ada, (300.0, 100.0));
    game.wish(ada, &Put { slot, count: 1 });
    assert_eq!((game.codes(), game.lies(ada)), (vec!["too_far".to_owned()], None));
    game.put(ada, (400.0, 100.0));
    game.wish(ada, &Put { slot, count: 1 });
    assert_eq!((game.codes(), game.has(ada, "wood")), (vec!["storage_reserved".to_owned()], 10));
    game.opens(ada, odo);
    game.step(20 * 530);
    assert_eq!(game.lies(ada), Some(vec![]));
    game.step(20 * 11);
    assert_eq!(game.lies(ada), None, "the ledger would not have it open much longer");
}

#[test]
fn who_comes_in_with_an_open_one_finds_it_shut() {
    let (mut game, ada, odo) = Try::customer();
    game.opens(ada, odo);
    let record = game.sim.record(ada).expect("a record");
    let mut other = Try::new("");
    let id = other.sim.reserve().expect("an id");
    let character = Character { name: "Ada".into(), faction: String::new() };
    let place = (400.0, 100.0);
    let came = other.sim.spawn(id, CharacterId([9; 16]), character, place, Enter::Handoff, Some(&record));
    came.expect("it is read");
    other.step(2);
    assert_eq!(other.lies(id), None);
}

#[test]
fn a_full_one_takes_nothing_more() {
    let (mut game, ada, odo) = Try::customer();
    game.opens(ada, odo);
    for _ in 0..MOST_STACKS {
        game.gets(ada, goods("sword", 1));
        let slot = game.slot(ada, "sword");
        game.wish(ada, &Put { slot, count: 1 });
        assert_eq!(game.codes(), Vec::<String>::new());
    }
    let slot = game.slot(ada, "wood");
    game.wish(ada, &Put { slot, count: 1 });
    assert_eq!((game.codes(), game.has(ada, "wood")), (vec!["no_room".to_owned()], 10));
    assert_eq!(game.lies(ada).map(|lies| lies.len()), Some(MOST_STACKS as usize));
}
