//! An area that is shown where it goes before it goes there.

use super::*;
use crate::pack::{CopiedCharacter, Packed};
use crate::sim::Arrival;
use crate::{Carried, Kind, Leave};

fn look(name: &str) -> Character {
    Character { name: name.to_owned(), faction: String::new() }
}

/// A row of things that go along.
fn strew(sim: &mut Sim) -> Vec<Entity> {
    let thing = |n: u16| {
        let at = Position { x: 12.0 + f64::from(n), y: 10.0 };
        (Carried, Kind(1), at, Body { health: n, ..Body::default() })
    };
    (0..20).map(|n| sim.ecs().spawn(thing(n)).id()).collect()
}

fn copied<'a>(sim: &Sim, id: u16, name: &str, there: u16, record: &'a [u8]) -> CopiedCharacter<'a> {
    let (who, at) = (sim.character(id), sim.place(id).expect("a place"));
    CopiedCharacter { id: there, who, look: look(name), at, record }
}

/// What is the same when the area comes was told already; what is not is told as a change. Afterwards all is as if
/// there had been no copy.
#[test]
fn a_copy_is_told_ahead_and_the_rest_when_the_area_comes() {
    let mut old = sim();
    let people = ["me", "walks", "leaves"].map(|name| (name, character(&mut old, name, (10.0, 12.0))));
    let things = strew(&mut old);
    for (n, (_, id)) in people.iter().enumerate() {
        let entity = old.entity(*id).expect("there");
        old.ecs().entity_mut(entity).insert(Body { health: 50 + n as u16, ..Body::default() });
    }
    old.step(1.0);

    let mut new = sim();
    let ids = people.map(|(_, id)| new.reserve_for(old.character(id)).expect("an id"));
    let me = ids[0];
    let Packed { pack, keys } = old.pack();
    let records = people.map(|(_, id)| old.record(id).expect("a record"));
    let all = people.iter().zip(ids).zip(&records);
    let characters = all.map(|(((name, id), there), record)| copied(&old, *id, name, there, record));
    new.show_copy(&pack, &keys, characters).expect("a copy");
    let mut client = Client::default();
    let first = client.gather(&mut new, (1_000, 1_200), me, 0, ALL);
    assert_eq!(client.seen.len(), 23, "everything, though no step was made");
    let known = client.order.clone();

    body(&mut old, people[1].1).health = 7;
    for seq in 1..=30 {
        walk(&mut old, people[1].1, seq, 1.0, 0.0).expect("taken");
        old.step(1.0);
    }
    old.ecs().despawn(things[3]);
    old.ecs().get_mut::<Position>(things[4]).expect("a place").x += 0.5;
    old.ecs().get_mut::<Body>(things[5]).expect("a body").health = 99;
    let at = Position { x: 11.0, y: 9.0 };
    old.ecs().spawn((Carried, Kind(1), at, Body { health: 77, ..Body::default() }));
    old.remove(people[2].1, Leave::Quit);
    old.step(1.0);

    let mut plain = sim();
    let Packed { pack, keys } = old.pack();
    for sim in [&mut new, &mut plain] {
        sim.unpack(&pack, &keys, None).expect("a pack");
        for ((name, id), there) in people.iter().zip(ids).take(2) {
            let there = sim.reserve_for(CharacterId([*id as u8; 16])).inspect(|now| assert_eq!(*now, there));
            let (who, record) = (CharacterId([*id as u8; 16]), old.record(*id));
            let at = old.place(*id).expect("a place");
            let (why, record) = (Enter::Handoff, record.as_deref());
            let arrival = Arrival { who, look: look(name), at, exactly: true, why, record, acked: 0 };
            sim.arrive(there.expect("an id"), arrival).expect("readable");
        }
        sim.forget_copy();
        sim.step(1.0);
    }
    let told = client.gather(&mut new, (1_000, 1_200), me, 0, ALL);
    assert!(told * 4 < first, "{told} bytes after {first}");
    assert_eq!(client.order.iter().filter(|id| known.contains(id)).count(), 21, "all but two are the same");
    let (mut fresh, mut other) = (Client::default(), Client::default());
    fresh.gather(&mut new, (1_000, 1_200), me, 0, ALL);
    other.gather(&mut plain, (1_000, 1_200), me, 0, ALL);
    assert_eq!(client.seen, fresh.seen);
    let values = |client: &Client| {
        let mut all: Vec<String> = client.seen.values().map(|entity| format!("{entity:?}")).collect();
        all.sort();
        all
    };
    assert_eq!(values(&fresh), values(&other), "as if there had been no copy");
    assert_eq!(new.tick(), plain.tick());
}

/// Of a copy that can be read in part only nothing is there twice when the area comes.
#[test]
fn a_copy_that_is_cut_leaves_nothing_twice() {
    let mut old = sim();
    strew(&mut old);
    old.step(1.0);
    let Packed { pack, keys } = old.pack();
    let mut broken = pack.clone();
    let last = broken.len() - 4;
    broken[last..].fill(0xFF);
    let mut new = sim();
    assert!(new.show_copy(&broken, &keys, []).is_err());
    new.unpack(&pack, &keys, None).expect("a pack");
    new.step(1.0);
    let there = |sim: &mut Sim| sim.ecs().query_filtered::<(), With<Carried>>().iter(sim.ecs()).count();
    assert_eq!((there(&mut new), there(&mut old)), (20, 20));
}
