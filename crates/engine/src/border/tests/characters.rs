//! Characters that go over, or do not.

use super::*;

const ADA: CharacterId = CharacterId([0xAD; 16]);

fn ada(at: (f64, f64), record: Option<&[u8]>, acked: u32) -> Arrival<'_> {
    let look = Character { name: "Ada".to_owned(), faction: String::new() };
    Arrival { who: ADA, look, at, exactly: true, why: Enter::Handoff, record, acked }
}

#[test]
fn a_character_goes_over_and_nobody_sees_anything_come_or_go() {
    let mut two = Two::new();
    // The east holds a seat for her before it sees her.
    let east = two.b().reserve_for(ADA).expect("an id");
    let west = two.a().reserve().expect("an id");
    two.a().arrive(west, ada((199.5, 100.0), None, 0)).expect("new");
    two.a().set_reach(west, &[B]);
    two.steps(2);
    assert_eq!(two.b().ghost_of(ADA), Some(east));
    assert_eq!(two.b().reserve_for(ADA), Some(east));
    let mut views = [View::default(), View::default()];
    for (n, me) in [(0, west), (1, east)] {
        look(&mut two.sims[n], &mut views[n], 20_000, me);
    }
    let mut at = 0.0;
    for seq in 1..=8 {
        two.a().act(west, &Walk { dx: 1.0, dy: 0.0 }).expect("taken");
        two.step();
        for (n, me) in [(0, west), (1, east)] {
            assert_eq!(look(&mut two.sims[n], &mut views[n], 20_000, me), (vec![], vec![]));
        }
        at = two.a().place(west).expect("there").0;
        assert_eq!(two.a().acked(west), seq);
    }
    assert_eq!(at, 201.5, "the line does not stop her");
    let record = two.a().record(west).expect("a record");
    // The new owner has her before the old one knows.
    two.b().arrive(east, ada((at, 100.0), Some(&record), 8)).expect("readable");
    two.step();
    for (n, me) in [(0, west), (1, east)] {
        assert_eq!(look(&mut two.sims[n], &mut views[n], 20_000, me), (vec![], vec![]));
    }
    assert_eq!(two.a().hand_over(west, PEER), Some(record));
    for seq in 9..12u32 {
        assert_eq!(two.b().acked(east), seq - 1);
        two.b().act(east, &Walk { dx: 1.0, dy: 0.0 }).expect("taken");
        two.step();
        for (n, me) in [(0, west), (1, east)] {
            let seen = look(&mut two.sims[n], &mut views[n], 20_000, me);
            assert_eq!(seen, (vec![], vec![]), "in area {n}");
        }
    }
    two.step();
    assert_eq!(two.b().place(east), Some((202.25, 100.0)));
    assert_eq!(two.a().place(west), Some((202.25, 100.0)), "the west sees where she goes");
    assert_eq!(here(two.a(), Gid(ADA.0)), Some((west, true)));
    let of = |sim: &Sim, id| sim.entity(id).and_then(|she| sim.ecs.get::<GhostOf>(she).copied());
    assert_eq!(of(two.a(), west), Some(GhostOf { x: B.x0, y: B.y0 }), "whose she is");
    assert_eq!(of(two.b(), east), None);
    let body = all(two.a())[&Gid(ADA.0)].2.clone();
    assert_eq!(body.map(|body| body.health), Some(100));
    // And out of the game.
    two.b().remove(east, Leave::Quit);
    two.steps(2);
    assert_eq!((ghosts(two.a()), ghosts(two.b()), two.a().ghost_of(ADA)), (0, 0, None));
}

#[test]
fn who_went_over_to_nobody_is_gone_after_a_second() {
    let mut two = Two::new();
    let west = two.a().reserve_for(ADA).expect("an id");
    two.a().arrive(west, ada((199.5, 100.0), None, 0)).expect("new");
    two.steps(2);
    two.line = false;
    two.a().hand_over(west, PEER).expect("a record");
    two.steps(10);
    assert_eq!(two.a().ghost_of(ADA), Some(west));
    two.steps(15);
    assert_eq!(two.a().ghost_of(ADA), None);
}

/// What she is was said to her next owner: a blow that comes now would be undone there.
#[test]
fn no_letter_reaches_one_who_is_described_already() {
    let mut two = Two::new();
    let west = two.a().reserve_for(ADA).expect("an id");
    two.a().arrive(west, ada((199.5, 100.0), None, 0)).expect("new");
    two.steps(2);
    let entity = two.a().entity(west).expect("she");
    let ghost = two.b().ghost_of(ADA).and_then(|id| two.b().entity(id)).expect("her ghost");
    let strike = Strike { by: Gid::default(), damage: 5 };
    let health = |two: &mut Two| two.a().get::<Body>(west).expect("a body").health;
    two.a().ecs.resource_mut::<Post>().to(entity, &strike);
    two.a().step(1.0);
    // It is there to be read in the next step.
    two.a().set_leaving(west, true);
    two.b().ecs.resource_mut::<Post>().to(ghost, &strike);
    two.steps(3);
    assert_eq!(health(&mut two), 100);
    two.a().set_leaving(west, false);
    two.b().ecs.resource_mut::<Post>().to(ghost, &strike);
    two.steps(3);
    assert_eq!(health(&mut two), 95, "she stays after all");
}

#[test]
fn a_seat_that_is_given_back_leaves_the_ghost_where_it_is() {
    let mut two = Two::new();
    let west = two.a().reserve_for(ADA).expect("an id");
    two.a().arrive(west, ada((199.5, 100.0), None, 0)).expect("new");
    two.steps(2);
    let east = two.b().reserve_for(ADA).expect("the ghost's");
    assert_eq!(two.b().remove(east, Leave::Quit), None);
    two.step();
    assert_eq!(two.b().ghost_of(ADA), Some(east));
    two.a().remove(west, Leave::Quit);
    two.steps(2);
    assert_eq!(two.b().ghost_of(ADA), None);
    two.b().step(1.0);
    assert!((0..9).filter_map(|_| two.b().reserve()).any(|id| id == east), "the id is free again");
}

#[test]
fn a_shut_border_is_a_wall_and_an_open_one_is_not() {
    let mut terrain = Terrain::new(Box::new(|_: i32, _: i32| tile::GRASS));
    let mut go = |beyond: &[Rect], from, by| walk::walk_beyond(&mut terrain, A, beyond, from, by);
    assert_eq!(go(&[], (199.5, 50.0), (1.0, 0.0)), (199.7, 50.0));
    assert_eq!(go(&[B], (199.5, 50.0), (1.0, 0.0)), (200.5, 50.0));
    // Around the corner of three areas: what is open on one side of a walker has to be open on the other.
    let south = Rect { x0: 200, y0: 100, x1: 400, y1: 200 };
    assert_eq!(go(&[south], (199.5, 99.9), (1.0, 0.0)), (199.7, 99.9));
    assert_eq!(go(&[south], (199.5, 101.0), (1.0, -2.0)), (200.5, 100.3));
    assert_eq!(go(&[], (200.9, 50.0), (0.1, 0.0)), (199.7, 50.0), "shut behind him: back to the edge");
}

#[test]
fn a_third_area_sees_it_go_over_without_a_blink() {
    const SOUTH: Rect = Rect { x0: 0, y0: 200, x1: 400, y1: 400 };
    let grounds = [A, B, SOUTH];
    let mut sims = grounds.map(sim);
    let drift = Drift { dx: 0.25, dy: 0.0 };
    sims[0].ecs().spawn((SHEEP, Position { x: 198.0, y: 190.0 }, Body::default(), drift));
    let mut view = View::default();
    for step in 0..40 {
        for n in 0..3 {
            sims[n].step(1.0);
            if n == 2 && step > 3 {
                let mut out = BytesMut::new();
                let eyes = Eyes { at: (20_000, 20_100), me: 999, acked: 0, budget: 100_000 };
                sims[2].gather(&mut view, eyes, &mut out);
                assert_eq!(view.known(), 1);
            }
            for to in (0..3).filter(|to| *to != n) {
                let mut frame = Vec::new();
                sims[n].tell_peer(Peer(to as u16), grounds[to], 9_000, &mut frame);
                if !frame.is_empty() {
                    sims[to].hear_peer(Peer(n as u16), &frame).expect("a good frame");
                }
            }
        }
        assert_eq!(sims.each_mut().map(owned).iter().sum::<usize>(), 1);
    }
    assert_eq!(sims.each_mut().map(owned), [0, 1, 0]);
    assert_eq!(sims.each_mut().map(ghosts), [1, 0, 1]);
    let gid = *all(&mut sims[2]).keys().next().expect("one");
    let entity = sims[2].ecs.resource::<Gids>().find(gid).expect("its ghost");
    assert_eq!(sims[2].ecs.get::<Ghost>(entity), Some(&Ghost { peer: Peer(1) }), "it is the east's");
    // The one from which it came dies: that is nothing to it.
    sims[2].forget_peer(Peer(0));
    assert_eq!(ghosts(&mut sims[2]), 1);
}

/// What one rides is a component of his: it comes along, and he is seen with it from beyond the line.
#[test]
fn a_mount_goes_over_with_its_rider() {
    let mut two = Two::new();
    let east = two.b().reserve_for(ADA).expect("an id");
    let west = two.a().reserve().expect("an id");
    two.a().arrive(west, ada((199.5, 100.0), None, 0)).expect("new");
    let rides = |sim: &mut Sim| {
        let entity = sim.ecs.resource::<Gids>().find(Gid(ADA.0)).expect("here");
        sim.ecs.get::<Mount>(entity).cloned()
    };
    let entity = two.a().ecs.resource::<Gids>().find(Gid(ADA.0)).expect("here");
    let horse = Mount { kind: 3, breath: 40, tame: 0.5 };
    two.a().ecs().entity_mut(entity).insert(horse.clone());
    two.a().set_reach(west, &[B]);
    two.steps(2);
    assert_eq!(rides(two.b()).map(|mount| mount.kind), Some(3), "he is seen on it");
    let record = two.a().record(west).expect("a record");
    two.b().arrive(east, ada((201.5, 100.0), Some(&record), 8)).expect("readable");
    two.a().hand_over(west, PEER).expect("a record");
    two.steps(2);
    assert_eq!(rides(two.b()), Some(horse), "with what others do not see of it");
    assert_eq!(rides(two.a()).map(|mount| mount.kind), Some(3), "and from where he came");
}
