//! Two areas side by side: who strikes, hunts and gathers over the line.

use pangea_world::id::CharacterId;

use super::*;
use crate::health::CHARACTER_HEALTH;
use crate::loot::Loot;

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
fn a_tree_beyond_the_line_has_to_be_gone_to() {
    let mut two = Two::new("creatures = false");
    two.0[1].sim.terrain().set_tile(512, 100, tile::TREE);
    let ada = two.character(0, 1, (511.2, 100.5));
    two.step(2);
    assert_eq!(two.0[0].sim.terrain().tile(512, 100), tile::TREE, "it is seen");
    two.0[0].gather(ada, 512, 100);
    two.step(2);
    assert_eq!(two.0[0].told::<crate::deeds::Told>()[0].code, "too_far");
    assert!(two.0[0].told::<Gathered>().is_empty());
    two.0[1].sim.terrain().set_tile(512, 100, tile::GRASS);
    two.step(2);
    assert_eq!(two.0[0].sim.terrain().tile(512, 100), tile::GRASS, "what is felled there falls here");
}
