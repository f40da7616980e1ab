//! Two areas side by side: who strikes, hunts and gathers over the line.

use pangea_world::id::CharacterId;
use pangea_world::ledger::{Act, Bundle, Coins};

use super::*;
use crate::health::CHARACTER_HEALTH;
use crate::loot::Loot;
use crate::trade::{Agree, EndTrade, Offer, Trade, TradeOver, Trading};

const EAST: Rect = Rect { x0: 512, y0: 0, x1: 1_024, y1: 512 };
const PEER: Peer = Peer(0);

/// The west and the east.
struct Two([Try; 2]);

impl Two {
    fn new(extra: &str) -> Self {
        let mut two = Self([Try::on(EXTENT, extra), Try::on(EAST, extra)]);
        two.step(2);
        two
    }

    /// Two without creatures, and with one ledger.
    fn sharing() -> Self {
        let mut two = Self::new("creatures = false");
        let [west, east] = &mut two.0;
        east.sim.share_ledger(&mut west.sim);
        two
    }

    fn trading(&mut self, n: usize, who: u16) -> Option<Trading> {
        self.0[n].sim.get::<Trading>(who).cloned()
    }

    /// How trades ended, as each side was told.
    fn ends(&self) -> [Vec<(bool, String)>; 2] {
        self.0.each_ref().map(|game| {
            let ends = game.event::<TradeOver>().into_iter();
            ends.map(|over| (over.done, over.code)).collect()
        })
    }

    /// Wood and coins of each.
    fn goods(&mut self) -> [(i64, i64); 2] {
        let mut who = 0;
        self.0.each_mut().map(|game| {
            who += 1;
            let sheet = game.sim.ledger().sheet(CharacterId([who; 16])).cloned().unwrap_or_default();
            (sheet.count("wood"), sheet.amount(crate::bag::COIN))
        })
    }

    fn step(&mut self, ticks: u32) {
        for _ in 0..ticks {
            for (n, ground) in [(0, EAST), (1, EXTENT)] {
                self.0[n].step(1);
                let mut frame = Vec::new();
                self.0[n].sim.tell_peer(PEER, ground, 64_000, &mut frame);
                // Each comes twice: it counts once.
                for _ in 0..if frame.is_empty() { 0 } else { 2 } {
                    self.0[1 - n].sim.hear_peer(PEER, &frame).expect("a good frame");
                }
            }
        }
    }

    fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        for _ in 0..1_200 {
            if holds(self) {
                return;
            }
            self.step(1);
        }
        panic!("{what} did not happen");
    }

    fn character(&mut self, n: usize, name: u8, at: (f64, f64)) -> u16 {
        let sim = &mut self.0[n].sim;
        let (id, who) = (sim.reserve().expect("an id"), CharacterId([name; 16]));
        let look = Character { name: format!("n{name}"), faction: String::new() };
        sim.spawn(id, who, look, at, Enter::Spawn, None).expect("spawned");
        id
    }

    fn ghost(&mut self, n: usize, name: u8) -> u16 {
        self.0[n].sim.ghost_of(CharacterId([name; 16])).expect("its ghost is seen")
    }
}

#[test]
fn a_blow_over_the_line_takes_health_once_and_is_seen_on_both_sides() {
    let mut two = Two::new("creatures = false\nrules = [\"pvp\"]");
    let ada = two.character(0, 1, (511.2, 100.5));
    let bob = two.character(1, 2, (512.8, 100.5));
    two.step(3);
    let (bob_in_the_west, ada_in_the_east) = (two.ghost(0, 2), two.ghost(1, 1));
    let tick = two.0[0].sim.tick();
    two.0[0].give(ada, &Attack { target: bob_in_the_west, tick });
    two.step(6);
    let left = CHARACTER_HEALTH - crate::attack::DAMAGE;
    assert_eq!(two.0[1].health(bob), left);
    assert_eq!(two.0[0].health(bob_in_the_west), left, "and the west is told");
    let damage = crate::attack::DAMAGE;
    let seen = |by, target| [Hit { by, target, damage }];
    assert_eq!(two.0[0].told::<Hit>(), seen(ada, bob_in_the_west));
    assert_eq!(two.0[1].told::<Hit>(), seen(ada_in_the_east, bob));
}

#[test]
fn the_owner_of_who_is_struck_decides() {
    let mut two = Two::new("creatures = false");
    let ada = two.character(0, 1, (511.2, 100.5));
    let boar = two.0[1].creature(Species::Boar, (512.8, 100.5));
    two.step(3);
    let mut ghosts = two.0[0].sim.ecs().query_filtered::<(Entity, &Net), (With<Ghost>, With<Mind>)>();
    let (ghost, target) =
        ghosts.iter(two.0[0].sim.ecs()).map(|(ghost, net)| (ghost, net.0)).next().expect("one");
    // In the west it is believed to be near; in the east it has been elsewhere all the time.
    two.step(1);
    let from = |x: f64| crate::across::Struck { by: Gid([1; 16]), x, y: 100.5 };
    two.0[0].sim.ecs().resource_mut::<Post>().to(ghost, &from(506.0));
    two.step(3);
    assert_eq!(two.0[0].missed(), ["too_far"]);
    two.0[0].sim.ecs().resource_mut::<Post>().to(ghost, &from(511.2));
    two.0[0].sim.ecs().resource_mut::<Post>().to(ghost, &from(511.2));
    two.step(3);
    assert_eq!(two.0[0].missed(), ["too_far", "too_soon"]);
    let health = two.0[1].sim.ecs().get::<Body>(boar).expect("a body").health;
    assert_eq!(health, Species::Boar.nature().health - crate::attack::DAMAGE);
    // The boar may have struck back by now.
    let hits: Vec<Hit> = two.0[0].told::<Hit>().into_iter().filter(|hit| hit.target == target).collect();
    assert_eq!(hits, [Hit { by: ada, target, damage: crate::attack::DAMAGE }]);
}

#[test]
fn what_is_killed_beyond_the_line_leaves_its_corpse_there() {
    let mut two = Two::new("creatures = false");
    let ada = two.character(0, 1, (511.2, 100.5));
    let rabbit = two.0[1].creature(Species::Rabbit, (512.2, 100.5));
    two.0[1].sim.ecs().get_mut::<Body>(rabbit).expect("a body").health = 1;
    two.step(3);
    let mut ghosts = two.0[0].sim.ecs().query_filtered::<&Net, (With<Ghost>, With<Mind>)>();
    let target = ghosts.iter(two.0[0].sim.ecs()).map(|net| net.0).next().expect("one");
    let tick = two.0[0].sim.tick();
    two.0[0].give(ada, &Attack { target, tick });
    two.step(5);
    assert_eq!(two.0[0].told::<Died>(), [Died { who: target, by: ada }]);
    let mut corpses = two.0[1].sim.ecs().query::<&Loot>();
    assert_eq!(corpses.iter(two.0[1].sim.ecs()).count(), 1, "it is the east's");
    let mut corpses = two.0[0].sim.ecs().query_filtered::<&Loot, With<Ghost>>();
    assert_eq!(corpses.iter(two.0[0].sim.ecs()).count(), 1, "and seen in the west");
}

#[test]
fn a_wolf_hunts_over_the_line() {
    let mut two = Two::new("creatures = false");
    let bob = two.character(1, 2, (514.8, 100.5));
    two.0[0].creature(Species::Wolf, (507.0, 100.5));
    let wolves = |two: &mut Two| {
        let count = |game: &mut Try| game.awake().len();
        two.0.each_mut().map(count)
    };
    assert_eq!(wolves(&mut two), [1, 0]);
    two.until("the wolf is in the east", |two| {
        let [west, east] = wolves(two);
        assert!(west + east <= 1, "never two");
        [west, east] == [0, 1]
    });
    two.until("the bite", |two| two.0[1].health(bob) < CHARACTER_HEALTH);
    let mut minds = two.0[1].sim.ecs().query::<&Mind>();
    let state = minds.iter(two.0[1].sim.ecs()).next().expect("the wolf").state;
    assert_eq!(state, State::Hunt, "it goes on with what it was about");
    // Left in peace, it goes home.
    two.0[1].sim.remove(bob, Leave::Quit);
    two.until("the wolf is in the west again", |two| wolves(two) == [1, 0]);
}

#[test]
fn a_tree_beyond_the_line_is_felled_by_its_owner() {
    let mut two = Two::sharing();
    two.0[1].sim.terrain().set_tile(512, 100, tile::TREE);
    let ada = two.character(0, 1, (511.2, 100.5));
    two.step(3);
    assert_eq!(two.0[0].sim.terrain().tile(512, 100), tile::TREE, "it is seen");
    let ada_in_the_east = two.ghost(1, 1);
    for left in [2, 1, 0] {
        two.0[0].gather(ada, 512, 100);
        two.step(12);
        let stroke = |by| Gathered { what: tile::TREE, by, x: 512, y: 100, left };
        assert_eq!(two.0[0].told::<Gathered>().last(), Some(&stroke(ada)), "she sees her stroke");
        assert_eq!(two.0[1].told::<Gathered>().last(), Some(&stroke(ada_in_the_east)), "and so do they");
    }
    two.step(6);
    for n in [0, 1] {
        assert_eq!(two.0[n].sim.terrain().tile(512, 100), tile::GRASS, "it fell on both sides");
    }
    let got = two.0[0].told::<crate::deeds::Got>();
    assert_eq!(got.len(), 1, "told once");
    let who = CharacterId([1; 16]);
    let has = two.0[0].sim.ledger().sheet(who).map(|sheet| sheet.count("wood"));
    assert_eq!(has, Some(i64::from(got[0].count)));
    // Nobody else gets what it gave.
    two.0[0].gather(ada, 512, 100);
    two.step(12);
    assert_eq!(two.0[0].told::<Gathered>().len(), 3);
}

/// Whoever belongs to those whose ground it is may gather there from beyond the line too, and nobody else.
#[test]
fn claimed_ground_beyond_the_line_is_guarded() {
    use pangea_world::id::FactionId;
    use pangea_world::social::{ClaimDoc, Rights};
    let mut two = Two::sharing();
    two.0[1].sim.terrain().set_tile(512, 100, tile::TREE);
    let (ada, eve) = (two.character(0, 1, (511.2, 100.5)), two.character(0, 2, (511.2, 101.2)));
    let faction = FactionId([1; 16]);
    let owner = Rights { gather: true, build: false };
    let claim = ClaimDoc { faction, name: "Ravens".into(), owner, until_ms: 1, ..ClaimDoc::default() };
    two.0[1].sim.set_claim(Some(claim));
    two.0[0].sim.set_faction(ada, Some(faction));
    two.step(3);
    let strikes = |two: &mut Two, who| {
        two.0[0].gather(who, 512, 100);
        two.step(12);
        (two.0[0].told::<Gathered>().len(), two.0[0].codes().len())
    };
    assert_eq!(strikes(&mut two, eve), (0, 1));
    assert_eq!(two.0[0].codes(), ["forbidden"]);
    assert_eq!(strikes(&mut two, ada), (1, 1));
    two.0[0].sim.set_faction(ada, None);
    assert_eq!(strikes(&mut two, ada), (1, 2), "she has left them");
}

#[test]
fn strokes_over_the_line_are_judged_by_the_owner() {
    let mut two = Two::sharing();
    two.0[1].sim.terrain().set_tile(512, 100, tile::TREE);
    let ada = two.character(0, 1, (511.2, 100.5));
    two.step(3);
    let strike = |two: &mut Two| {
        two.0[0].gather(ada, 512, 100);
        two.step(3);
        two.0[1].told::<Gathered>().len()
    };
    assert_eq!(strike(&mut two), 1);
    assert_eq!(strike(&mut two), 1, "too soon");
    two.step(12);
    let entity = two.0[0].sim.entity(ada).expect("there");
    two.0[0].sim.ecs().get_mut::<Position>(entity).expect("a place").x = 505.0;
    two.step(3);
    assert_eq!(strike(&mut two), 1, "too far");
}

#[test]
fn what_lies_beyond_the_line_is_taken_once() {
    let mut two = Two::sharing();
    let ada = two.character(0, 1, (511.2, 100.5));
    let bob = two.character(1, 2, (512.8, 100.5));
    let rabbit = two.0[1].creature(Species::Rabbit, (512.2, 100.5));
    two.0[1].sim.ecs().get_mut::<Body>(rabbit).expect("a body").health = 1;
    two.step(3);
    let net = two.0[1].net(rabbit);
    let tick = two.0[1].sim.tick();
    two.0[1].give(bob, &Attack { target: net, tick });
    two.step(6);
    let corpse = |two: &mut Two, n: usize| {
        let mut all = two.0[n].sim.ecs().query_filtered::<&Net, (With<Loot>, Allow<Ghost>)>();
        all.iter(two.0[n].sim.ecs()).map(|net| net.0).next()
    };
    let (seen, lies) = (corpse(&mut two, 0).expect("seen"), corpse(&mut two, 1).expect("there"));
    two.0[0].give(ada, &crate::loot::Take { target: seen });
    two.0[1].give(bob, &crate::loot::Take { target: lies });
    two.step(8);
    assert_eq!((corpse(&mut two, 0), corpse(&mut two, 1)), (None, None));
    let meat = |two: &mut Two, n: usize, who: u8| {
        two.0[n].sim.ledger().sheet(CharacterId([who; 16])).map_or(0, |sheet| sheet.count("meat"))
    };
    assert_eq!(meat(&mut two, 0, 1) + meat(&mut two, 1, 2), 1, "one of them has it");
    assert_eq!(two.0[0].told::<crate::deeds::Told>()[0].code, "source_spent", "he stood beside it");
    let got = two.0[1].told::<crate::deeds::Got>().len();
    assert_eq!(got, 2, "meat and fur");
}

/// Two who trade over the line: she has wood, he has coins.
fn traders() -> (Two, u16, u16) {
    let mut two = Two::sharing();
    let ada = two.character(0, 1, (511.2, 100.5));
    let bob = two.character(1, 2, (512.8, 100.5));
    let wood = Bundle::goods([crate::items::goods("wood", 10)]);
    let coins = Bundle::coins([Coins::new(crate::bag::COIN, 50)]);
    two.0[0].sim.operate(Act::Grant { to: CharacterId([1; 16]), gets: wood }).expect("granted");
    two.0[1].sim.operate(Act::Grant { to: CharacterId([2; 16]), gets: coins }).expect("granted");
    two.step(3);
    let (bob_there, ada_there) = (two.ghost(0, 2), two.ghost(1, 1));
    two.0[0].give(ada, &Trade { target: bob_there });
    two.step(4);
    assert!(two.trading(1, bob).is_some_and(|trading| trading.asked && trading.target == ada_there));
    two.0[1].give(bob, &Trade { target: ada_there });
    two.step(4);
    (two, ada, bob)
}

fn offer_all(two: &mut Two, ada: u16, bob: u16) -> u32 {
    two.0[0].give(ada, &Offer { slots: vec![0], counts: vec![4], coins: 0 });
    two.0[1].give(bob, &Offer { slots: vec![], counts: vec![], coins: 30 });
    two.step(4);
    let seen = two.trading(0, ada).expect("a trade");
    assert_eq!((seen.my_counts, seen.their_coins, seen.asked), (vec![4], 30, false));
    assert_eq!(two.trading(1, bob).map(|seen| seen.their_counts), Some(vec![4]));
    seen.version
}

#[test]
fn two_trade_over_the_line() {
    let (mut two, ada, bob) = traders();
    let version = offer_all(&mut two, ada, bob);
    two.0[1].give(bob, &Agree { version });
    two.step(4);
    assert!(two.trading(0, ada).is_some_and(|trading| trading.they_agree));
    two.0[0].give(ada, &Agree { version });
    two.step(40);
    assert_eq!(two.ends(), [vec![(true, String::new())], vec![(true, String::new())]]);
    assert_eq!(two.goods(), [(6, 30), (4, 20)]);
    assert!(two.trading(0, ada).is_none() && two.trading(1, bob).is_none());
}

#[test]
fn who_leaves_after_he_agreed_hears_what_became_of_it() {
    // He ends it as she agrees: what the ledger decides, both are told.
    let (mut two, ada, bob) = traders();
    let version = offer_all(&mut two, ada, bob);
    two.0[1].give(bob, &Agree { version });
    two.step(4);
    two.0[0].give(ada, &Agree { version });
    two.0[1].give(bob, &EndTrade {});
    two.step(60);
    let [hers, his] = two.ends();
    assert_eq!((hers.len(), &hers), (1, &his), "the same, once");
    let done = hers[0].0;
    assert_eq!(two.goods(), if done { [(6, 30), (4, 20)] } else { [(10, 0), (0, 50)] });

    // She never agrees: it is called off for good.
    let (mut two, ada, bob) = traders();
    let version = offer_all(&mut two, ada, bob);
    two.0[1].give(bob, &Agree { version });
    two.step(4);
    two.0[1].give(bob, &EndTrade {});
    two.step(60);
    two.0[0].give(ada, &Agree { version });
    two.step(4);
    let [hers, his] = two.ends();
    assert_eq!((his, hers[0].0), (vec![(false, "ended".to_owned())], false));
    assert_eq!(two.goods(), [(10, 0), (0, 50)]);
}

#[test]
fn a_line_that_breaks_ends_a_trade_in_one_way() {
    let (mut two, ada, bob) = traders();
    let version = offer_all(&mut two, ada, bob);
    two.0[0].give(ada, &Agree { version });
    two.0[1].give(bob, &Agree { version });
    // The last words are not heard, and then the neighbour is gone.
    for game in &mut two.0 {
        game.step(2);
        game.sim.forget_peer(PEER);
    }
    for game in &mut two.0 {
        game.step(80);
    }
    let [hers, his] = two.ends();
    assert_eq!((hers.len(), his.len(), hers[0].0), (1, 1, his[0].0), "{hers:?} {his:?}");
    let goods = two.goods();
    assert_eq!(goods, if his[0].0 { [(6, 30), (4, 20)] } else { [(10, 0), (0, 50)] });
}

#[test]
fn who_strikes_at_a_tree_that_is_gone_gets_nothing() {
    let mut two = Two::sharing();
    two.0[1].sim.terrain().set_tile(512, 100, tile::TREE);
    let ada = two.character(0, 1, (511.2, 100.5));
    two.step(3);
    // It falls there just as she strikes here.
    two.0[0].gather(ada, 512, 100);
    two.0[1].sim.terrain().set_tile(512, 100, tile::GRASS);
    two.step(3);
    assert!(two.0[0].told::<Gathered>().is_empty() && two.0[1].told::<Gathered>().is_empty());
    assert_eq!(two.0[0].sim.terrain().tile(512, 100), tile::GRASS, "what is felled there falls here");
}

/// She ends the trade and opens it again before the other side has noticed: what he agreed to is not what she
/// gives now.
#[test]
fn who_opens_a_trade_again_has_no_agreement_to_the_one_before() {
    for back in [0, 1] {
        let (mut two, ada, bob) = traders();
        let (one, other) = [(ada, bob), (bob, ada)][back];
        let (here, there) = (back, 1 - back);
        let version = offer_all(&mut two, ada, bob);
        two.0[there].give(other, &Agree { version });
        two.step(4);
        let target = two.ghost(here, if here == 0 { 2 } else { 1 });
        two.0[here].give(one, &EndTrade {});
        two.0[here].give(one, &Trade { target });
        two.0[here].give(one, &Offer { slots: vec![], counts: vec![], coins: 0 });
        two.step(4);
        let again = two.trading(here, one).map(|seen| seen.version).unwrap_or_default();
        for version in [version, again] {
            two.0[here].give(one, &Agree { version });
            two.step(40);
        }
        assert_eq!(two.goods(), [(10, 0), (0, 50)], "nothing has changed hands");
    }
}

/// She ends a trade and opens it again before he has noticed, and both agree to what is new: he hears of the one
/// that was done, not of the one that she left (H.10).
#[test]
fn whoever_trades_anew_is_told_of_the_new_trade() {
    for had_agreed in [false, true] {
        let (mut two, ada, bob) = traders();
        let version = offer_all(&mut two, ada, bob);
        if had_agreed {
            two.0[1].give(bob, &Agree { version });
            two.step(4);
        }
        let target = two.ghost(0, 2);
        two.0[0].give(ada, &EndTrade {});
        two.0[0].give(ada, &Trade { target });
        two.0[0].give(ada, &Offer { slots: vec![0], counts: vec![3], coins: 0 });
        two.step(4);
        for (n, who) in [(1, bob), (0, ada)] {
            let again = two.trading(n, who).map(|seen| seen.version).unwrap_or_default();
            two.0[n].give(who, &Agree { version: again });
            two.step(4);
        }
        two.step(60);
        let [hers, his] = two.ends();
        let moved = two.goods() != [(10, 0), (0, 50)];
        assert_eq!(moved, hers.iter().any(|(done, _)| *done), "{hers:?}");
        assert_eq!(moved, his.iter().any(|(done, _)| *done), "{his:?}");
        assert_eq!(moved, !had_agreed, "what he had agreed to ends with it");
    }
}

/// What goes with a character to another server was said as it left: nothing is asked for it after that (H.10).
#[test]
fn nobody_is_traded_away_while_he_goes_to_another_server() {
    for goes in [0, 1] {
        let (mut two, ada, bob) = traders();
        let version = offer_all(&mut two, ada, bob);
        let (here, there) = (goes, 1 - goes);
        let (one, other) = [(ada, bob), (bob, ada)][goes];
        two.0[here].give(one, &Agree { version });
        two.step(4);
        two.0[here].sim.set_leaving(one, true);
        two.0[here].give(one, &EndTrade {});
        two.step(4);
        two.0[here].give(one, &Offer { slots: vec![], counts: vec![], coins: 0 });
        two.step(4);
        assert_eq!(two.trading(here, one).map(|seen| seen.version), Some(version), "nothing of it counts");
        if here == 0 {
            two.0[there].give(other, &Agree { version });
            two.step(40);
            assert_eq!(
                (two.goods(), two.ends()),
                ([(10, 0), (0, 50)], [vec![], vec![]]),
                "she decides, and goes"
            );
            two.0[here].sim.set_leaving(one, false);
            two.step(40);
            assert_eq!(two.ends(), [vec![(true, String::new())], vec![(true, String::new())]]);
        }
    }
}
