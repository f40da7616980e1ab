//! What clients are told.

use super::*;

/// What has no place is not seen; when it has one again it is a new entity to clients.
#[test]
fn who_loses_his_place_is_not_seen() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    let stone = sim.ecs().spawn((Kind(1), Position { x: 12.0, y: 10.0 })).id();
    let mut client = Client::default();
    let mut look = |sim: &mut Sim| {
        sim.step(1.0);
        client.gather(sim, (1_000, 1_000), id, 0, ALL);
        client.seen.len()
    };
    assert_eq!(look(&mut sim), 2);
    sim.ecs().entity_mut(stone).remove::<Position>();
    assert_eq!(look(&mut sim), 1);
    sim.ecs().entity_mut(stone).insert(Position { x: 13.0, y: 10.0 });
    assert_eq!(look(&mut sim), 2);
}

#[test]
fn nothing_new_is_nothing_to_send() {
    let mut sim = sim();
    let id = character(&mut sim, "a", (5.0, 5.0));
    let mut client = Client::default();
    sim.step(1.0);
    assert!(client.gather(&mut sim, (500, 500), id, 0, ALL) > 0, "the first one is whole");
    sim.step(1.0);
    assert_eq!(client.gather(&mut sim, (500, 500), id, 0, ALL), 0);
    assert!(
        Client::default().gather(&mut sim, (500, 500), id, 0, ALL) > 0,
        "of another client it is the first"
    );
}

/// One comes into view in the very step of which not all can be told: he is told where he is now.
#[test]
fn one_enters_when_there_is_too_much_to_tell() {
    for busy in 0..8 {
        let mut sim = sim();
        let me = character(&mut sim, "me", (10.0, 10.0));
        let others: Vec<u16> =
            (0..6).map(|n| character(&mut sim, "other", (12.0, 12.0 + f64::from(n)))).collect();
        let comer = character(&mut sim, "comer", (51.4, 10.0));
        let mut client = Client::default();
        for n in 0..60 {
            if n < 8 {
                walk(&mut sim, comer, n + 1, -1.0, 0.0).expect("taken");
            }
            if n == busy {
                others.iter().for_each(|id| walk(&mut sim, *id, 1, 0.0, 1.0).expect("taken"));
            }
            sim.step(1.0);
            client.gather(&mut sim, (1_000, 1_000), me, 0, 4);
        }
        assert_eq!(client.seen.len(), 8);
        for id in others.into_iter().chain([comer]) {
            assert_eq!(
                client.seen[&id].at,
                centimetres(sim.place(id).expect("there")),
                "busy in step {busy}"
            );
        }
    }
}

/// How often a client was told of an entity, and the longest that it waited, ticks.
#[derive(Debug, Default, Clone, Copy)]
struct Telling {
    times: u32,
    last: u64,
    longest: u64,
}

/// More news than the budget in each tick, while everything keeps moving: near and fast ones are told more often
/// than far and slow ones, and nobody waits for long.
#[test]
fn near_and_fast_first_and_nobody_waits_for_ever() {
    const NEAR: usize = 4;
    const TICKS: u64 = 400;
    let mut sim = sim();
    let (eyes, far_m) = ((100.0, 100.0), 38.0);
    let around = |n: usize, away: f64| {
        let turn = n as f64 * 0.37;
        (eyes.0 + away * turn.cos(), eyes.1 + away * turn.sin())
    };
    let ids: Vec<u16> = (0..NEAR + 12)
        .map(|n| character(&mut sim, "one", around(n, if n < NEAR { 5.0 } else { far_m })))
        .collect();
    let mut client = Client::default();
    let mut tellings = vec![Telling { last: 2, ..Telling::default() }; ids.len()];
    for tick in 1..=TICKS {
        for (n, id) in ids.iter().enumerate() {
            // In circles of their own: near ones 25 cm in a tick, far ones 5.
            let (away, step_m) = if n < NEAR { (5.0, 0.25) } else { (far_m, 0.05) };
            let ((x, y), turn) = (around(n, away), tick as f64 * 0.25);
            let entity = sim.entity(*id).expect("there");
            let at = Position { x: x + 4.0 * step_m * turn.cos(), y: y + 4.0 * step_m * turn.sin() };
            sim.ecs().entity_mut(entity).insert(at);
        }
        sim.step(1.0);
        let before: Vec<_> = ids.iter().map(|id| client.seen.get(id).map(|one| one.at)).collect();
        // Two bytes for the list, and four moves of two bytes.
        client.gather(&mut sim, centimetres(eyes), u16::MAX, 0, 10);
        for ((telling, id), before) in tellings.iter_mut().zip(&ids).zip(before) {
            let waits = tick - telling.last.min(tick);
            telling.longest = telling.longest.max(waits);
            if before.is_some_and(|before| before != client.seen[id].at) && tick > 2 {
                (telling.times, telling.last) = (telling.times + 1, tick);
            }
        }
    }
    let (near, far) = tellings.split_at(NEAR);
    let least_near = near.iter().map(|telling| telling.times).min().expect("some");
    let most_far = far.iter().map(|telling| telling.times).max().expect("some");
    let all: u32 = tellings.iter().map(|telling| telling.times).sum();
    assert!(u64::from(all) < TICKS * 6, "there was always more to tell: {tellings:?}");
    assert!(2 * least_near > 3 * most_far, "near and fast first: {tellings:?}");
    let longest = tellings.iter().map(|telling| telling.longest).max().expect("some");
    assert!(longest <= 20, "{longest} ticks: {tellings:?}");
}

/// K.3: fields go to whom they are declared for, in the steps they are declared in.
#[test]
fn fields_go_to_whom_they_are_for() {
    let mut sim = sim();
    let ada = character(&mut sim, "Ada", (5.0, 5.0));
    let bob = character(&mut sim, "Bob", (6.0, 5.0));
    let entity = sim.entity(ada).expect("there");
    let whole = Body { health: 300, heat: 1.3, gold: 7, anger: 0.123, mood: 1 };
    sim.ecs().entity_mut(entity).insert(whole.clone());
    let (mut hers, mut his) = (Client::default(), Client::default());
    let look = |sim: &mut Sim, hers: &mut Client, his: &mut Client| {
        sim.step(1.0);
        hers.gather(sim, (500, 500), ada, 0, ALL);
        his.gather(sim, (600, 500), bob, 0, ALL)
    };
    look(&mut sim, &mut hers, &mut his);
    let told = Body { heat: 1.5, anger: 0.0, ..whole };
    assert_eq!(hers.seen[&ada].body, Some(told.clone()));
    assert_eq!(his.seen[&ada].body, Some(Body { gold: 0, ..told.clone() }));

    body(&mut sim, ada).gold = 8;
    body(&mut sim, ada).anger = 9.0;
    assert_eq!(look(&mut sim, &mut hers, &mut his), 0, "he is told nothing of her gold");
    assert_eq!(hers.seen[&ada].body, Some(Body { gold: 8, ..told.clone() }));

    body(&mut sim, ada).heat = 1.6;
    assert_eq!(look(&mut sim, &mut hers, &mut his), 0, "less than half a step is no news");

    // Five times a second: in one of four ticks.
    let mut told_after = 0;
    body(&mut sim, ada).mood = 2;
    while his.seen[&ada].body.as_ref().is_some_and(|body| body.mood == 1) {
        told_after += 1;
        assert!(told_after <= 4, "held back for ever");
        look(&mut sim, &mut hers, &mut his);
    }
    body(&mut sim, ada).mood = 3;
    look(&mut sim, &mut hers, &mut his);
    assert_eq!(his.seen[&ada].body.as_ref().map(|body| body.mood), Some(2), "not before its turn");

    sim.ecs().entity_mut(entity).remove::<Body>().insert(Asleep);
    look(&mut sim, &mut hers, &mut his);
    assert_eq!((his.seen[&ada].body.clone(), his.seen[&ada].asleep), (None, true));
}

#[derive(Debug, Clone)]
enum Act {
    Walk(usize, f32),
    Spawn(f64, f64),
    /// A system's entity, no character.
    Stone(f64, f64),
    Remove(usize),
    Heal(usize, u16),
    Sleep(usize),
    Wake(usize),
    /// Somebody is moved elsewhere at once.
    Jump(usize, f64, f64),
    /// This client's socket is full for a tick.
    Skip(usize),
    /// This client looks from elsewhere at once.
    Look(usize, f64, f64),
    /// The next updates for this client are lost with its line; after some ticks more it comes back.
    Lose(usize, u32, u32),
}

fn acts() -> impl Strategy<Value = Vec<Vec<Act>>> {
    let act = prop_oneof![
        6 => (0usize..30, 0.0f32..6.3).prop_map(|(who, to)| Act::Walk(who, to)),
        2 => (0.0f64..200.0, 0.0f64..200.0).prop_map(|(x, y)| Act::Spawn(x, y)),
        1 => (0.0f64..200.0, 0.0f64..200.0).prop_map(|(x, y)| Act::Stone(x, y)),
        1 => (0usize..30).prop_map(Act::Remove),
        2 => (0usize..30, 0u16..400).prop_map(|(who, health)| Act::Heal(who, health)),
        1 => (0usize..30).prop_map(Act::Sleep),
        1 => (0usize..30).prop_map(Act::Wake),
        1 => (0usize..30, 0.0f64..200.0, 0.0f64..200.0).prop_map(|(who, x, y)| Act::Jump(who, x, y)),
        1 => (0usize..4).prop_map(Act::Skip),
        1 => (0usize..4, 0.0f64..200.0, 0.0f64..200.0).prop_map(|(client, x, y)| Act::Look(client, x, y)),
        1 => (0usize..4, 0u32..4, 0u32..6).prop_map(|(client, in_vain, away)| Act::Lose(client, in_vain, away)),
    ];
    proptest::collection::vec(proptest::collection::vec(act, 0..12), 1..60)
}

/// One that is there: its id, its last input, what clients shall see.
struct There {
    id: u16,
    seq: u32,
    shown: Entity1,
}

proptest! {
    /// Whatever walks, comes, goes and changes, from wherever it is looked at, whatever updates were left out, and
    /// whoever lost his line with some of them and resumed: after each update a client knows exactly what lies within its view. With too small a budget it knows so as soon as nothing changes
    /// any more: nothing starves, the last place always arrives.
    #[test]
    fn a_client_knows_what_the_server_shows(ticks in acts(), hz in prop_oneof![Just(1u32), Just(20)], tight: bool) {
        let mut sim = sim_of(&GAME, hz, 40);
        let mut there: Vec<There> = Vec::new();
        let mut clients: Vec<(Client, (f64, f64))> =
            [(10.0, 10.0), (100.0, 100.0), (60.0, 140.0), (199.0, 1.0)].map(|at| (Client::default(), at)).into();
        let budget = if tight { 7 } else { ALL };
        // Until when their updates are lost, and when they come back.
        let mut lost = [None; 4];
        let quiet = std::iter::repeat_n(Vec::new(), if tight { 200 } else { 1 });
        let last = ticks.len() + quiet.len() - 1;
        for (n, acts) in ticks.into_iter().chain(quiet).enumerate() {
            let mut skipped = Vec::new();
            for act in acts {
                let who = match &act {
                    Act::Walk(who, _)
                    | Act::Remove(who)
                    | Act::Heal(who, _)
                    | Act::Sleep(who)
                    | Act::Wake(who)
                    | Act::Jump(who, ..) => *who,
                    _ => 0,
                };
                let who = who.checked_rem(there.len());
                match (act, who) {
                    (Act::Walk(_, to), Some(who)) => {
                        there[who].seq += 1;
                        let _ = walk(&mut sim, there[who].id, there[who].seq, to.cos(), to.sin());
                    }
                    (Act::Spawn(x, y), _) => {
                        let name = format!("n{}", sim.tick() * 100 + there.len() as u64);
                        let id = character(&mut sim, &name, (x, y));
                        there.push(There { id, seq: 0, shown: Entity1 { name, ..Entity1::default() } });
                    }
                    (Act::Stone(x, y), _) => {
                        sim.ecs().spawn((Kind(1), Position { x, y }));
                    }
                    (Act::Remove(_), Some(who)) => drop(sim.remove(there.swap_remove(who).id, Leave::Quit)),
                    (Act::Heal(_, health), Some(who)) => {
                        let entity = sim.entity(there[who].id).expect("there");
                        let new = Body { health, ..Body::default() };
                        sim.ecs().entity_mut(entity).insert(new.clone());
                        there[who].shown.body = Some(new);
                    }
                    (Act::Sleep(_), Some(who)) => {
                        let entity = sim.entity(there[who].id).expect("there");
                        sim.ecs().entity_mut(entity).insert(Asleep);
                        there[who].shown.asleep = true;
                    }
                    (Act::Wake(_), Some(who)) => {
                        let entity = sim.entity(there[who].id).expect("there");
                        sim.ecs().entity_mut(entity).remove::<(Asleep, Body)>();
                        (there[who].shown.asleep, there[who].shown.body) = (false, None);
                    }
                    (Act::Jump(_, x, y), Some(who)) => {
                        let entity = sim.entity(there[who].id).expect("there");
                        sim.ecs().entity_mut(entity).insert(Position { x, y });
                    }
                    (Act::Skip(client), _) => skipped.push(client),
                    (Act::Look(client, x, y), _) => clients[client].1 = (x, y),
                    (Act::Lose(client, in_vain, away), _) => {
                        let now = n as u32;
                        lost[client].get_or_insert((now + in_vain, now + in_vain + away));
                    }
                    _ => {}
                }
            }
            sim.step(1.0);
            for (c, (client, at)) in clients.iter_mut().enumerate() {
                if skipped.contains(&c) {
                    continue;
                }
                // The first stands still, the others drift.
                (at.0, at.1) = (at.0 + c as f64 * 0.1, at.1 - c as f64 * 0.07);
                let middle = centimetres(*at);
                if let Some((in_vain_until, back)) = lost[c] {
                    let now = n as u32;
                    if now < in_vain_until {
                        let eyes = Eyes { at: middle, me: u16::MAX, acked: now, budget };
                        sim.gather(&mut client.view, eyes, &mut BytesMut::new());
                    }
                    if now < back {
                        continue;
                    }
                    lost[c] = None;
                    client.resume(now);
                }
                client.gather(&mut sim, middle, u16::MAX, n as u32, budget);
                prop_assert_eq!(client.acked, n as u32);
                for one in &there {
                    let (x, y) = centimetres(sim.place(one.id).expect("there"));
                    let distance = f64::from(x - middle.0).hypot(f64::from(y - middle.1));
                    match client.seen.get(&one.id) {
                        Some(seen) if !tight || n == last => {
                            prop_assert_eq!(seen, &Entity1 { at: (x, y), ..one.shown.clone() });
                            prop_assert!(distance <= 4_400.5, "sees too far");
                        }
                        Some(seen) => prop_assert_eq!(&seen.name, &one.shown.name),
                        None => prop_assert!(distance >= 3_999.5, "does not see {}", one.shown.name),
                    }
                }
            }
        }
    }
}
