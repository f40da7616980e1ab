//! What two versions of a game keep.

use super::*;

#[derive(Resource, Replicate, Debug, Clone, PartialEq, Default)]
struct Weather {
    rain: f32,
}

#[derive(Resource, Replicate, Debug, Clone, PartialEq, Default)]
#[replicate(name = "Weather", version = 2)]
struct NewWeather {
    rain: f32,
    clouds: Vec<String>,
}

#[derive(Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Chest {
    coins: u64,
}

fn build_old(area: &mut Builder, _: &Setup<'_>) {
    area.kind("chest");
    area.component::<Chest>().saved::<Weather>();
}

fn build_new(area: &mut Builder, _: &Setup<'_>) {
    area.kind("ghost");
    area.kind("chest");
    area.component::<Wings>().component::<Chest>().saved::<NewWeather>();
}

const OLD: Game = Game { name: "old", land, build: build_old };
const NEW: Game = Game { name: "new", land, build: build_new };

fn chests(sim: &mut Sim) -> Vec<(Kind, Position, u64)> {
    let all = |sim: &mut Sim| {
        let mut found: Vec<_> = sim
            .ecs()
            .query_filtered::<(&Kind, &Position, &Chest), With<crate::Kept>>()
            .iter(sim.ecs())
            .map(|(kind, at, chest)| (*kind, *at, chest.coins))
            .collect();
        found.sort_by_key(|found| found.2);
        found
    };
    all(sim)
}

/// Through an older version and back: nothing is lost, nothing comes twice.
#[test]
fn what_is_kept_is_there_again_in_every_version() {
    let mut new = sim_of(&NEW, 20, 40);
    character(&mut new, "Ada", (5.0, 5.0));
    let weather = NewWeather { rain: 0.5, clouds: vec!["cirrus".into()] };
    new.ecs().insert_resource(weather.clone());
    new.terrain().set_tile(3, 4, 9);
    let at = Position { x: 1.25, y: 2.5 };
    new.ecs().spawn((crate::Kept, Kind(2), at, Chest { coins: 7 }, Wings { span: 1.5 }));
    new.ecs().spawn((crate::Kept, Kind(1), at));
    new.ecs().spawn((Kind(2), at, Chest { coins: 8 }));
    new.step(1.0);
    let there = new.save();
    assert_eq!((there.left_out, new.save()), (0, there.clone()), "the same again if nothing changed");

    let mut old = sim_of(&OLD, 20, 40);
    assert_eq!(old.restore(&there.bytes), Ok(0));
    assert_eq!(chests(&mut old), [(Kind(1), at, 7)], "its kind by name, and only what is kept");
    assert_eq!(old.terrain().tile(3, 4), 9);
    assert_eq!(old.ecs().resource::<Weather>(), &Weather { rain: 0.5 });
    old.step(1.0);
    let entity = old.ecs().query_filtered::<Entity, With<Chest>>().single(old.ecs()).expect("one");
    old.ecs().get_mut::<Chest>(entity).expect("a chest").coins = 70;
    let back = old.save().bytes;

    let mut new = sim_of(&NEW, 20, 40);
    assert_eq!(new.restore(&back), Ok(0));
    assert_eq!(chests(&mut new), [(Kind(2), at, 70)]);
    assert_eq!(new.ecs().resource::<NewWeather>(), &weather);
    let wings = new.ecs().query::<(&Wings, &Chest)>().iter(new.ecs()).map(|(wings, _)| wings.span).next();
    assert_eq!(wings, Some(1.5), "unknown there, kept all the same");
    let ghosts = new.ecs().query::<&Kind>().iter(new.ecs()).filter(|kind| kind.0 == 1).count();
    assert_eq!(ghosts, 1, "an unknown kind too");
}

/// A pack of the whole in two parts, and those as one: everything once, on its side.
#[test]
fn parts_take_what_lies_on_their_ground() {
    let whole = Rect { x0: 0, y0: 0, x1: 40, y1: 40 };
    let (west, east) = (Rect { x1: 20, ..whole }, Rect { x0: 20, ..whole });
    let on = |ground: Rect| {
        let mut sim = sim_of(&NEW, 20, 40);
        sim.ecs().insert_resource(crate::Extent(ground));
        sim.ecs().insert_resource(NewWeather::default());
        sim
    };
    let coins = |sim: &mut Sim| {
        let mut all: Vec<u64> =
            sim.ecs().query::<&Chest>().iter(sim.ecs()).map(|chest| chest.coins).collect();
        all.sort_unstable();
        all
    };
    let mut sim = on(whole);
    for (x, coins) in [(1.0, 7), (20.0, 8)] {
        sim.ecs().spawn((crate::Kept, Kind(2), Position { x, y: 1.0 }, Chest { coins }));
    }
    // The last one has just walked over the border.
    for (x, coins) in [(19.9, 9), (25.0, 10), (41.0, 11)] {
        sim.ecs().spawn((crate::Carried, Kind(2), Position { x, y: 1.0 }, Chest { coins }));
    }
    sim.terrain().set_tile(3, 4, 9);
    sim.terrain().set_tile(20, 4, 9);
    // A kept one that stands nowhere is the north-western part's.
    sim.ecs().spawn((crate::Kept, Kind(2), Chest { coins: 6 }));
    let pack = sim.pack().pack;
    let mut parts = [west, east].map(on);
    for part in &mut parts {
        part.unpack(&pack, &[], Some(whole)).expect("a pack");
    }
    let [mut first, mut second] = parts;
    assert_eq!((coins(&mut first), coins(&mut second)), (vec![6, 7, 9], vec![8, 10, 11]));
    let altered = |sim: &mut Sim| sim.terrain().altered().keys().copied().collect::<Vec<_>>();
    assert_eq!((altered(&mut first), altered(&mut second)), (vec![(3, 4)], vec![(20, 4)]));
    for (ground, strays, kept) in [(west, true, vec![6, 7]), (east, false, vec![8])] {
        let (tick, save) = crate::pack::saved(&pack, strays).expect("a pack");
        let mut again = on(ground);
        assert_eq!((again.restore(&save), tick, coins(&mut again)), (Ok(0), sim.tick(), kept));
    }
    let both = crate::pack::join(&first.pack().pack, &second.pack().pack).expect("two packs");
    let mut one = on(whole);
    one.unpack(&both, &[], None).expect("a pack");
    assert_eq!((coins(&mut one), altered(&mut one)), (vec![6, 7, 8, 9, 10, 11], vec![(3, 4), (20, 4)]));
    for cut in 0..both.len() {
        assert_eq!(crate::pack::join(&both[..cut], &both), Err(Malformed), "cut at {cut}");
    }
}

#[test]
fn a_cut_save_is_refused() {
    let mut sim = sim_of(&NEW, 20, 40);
    sim.ecs().insert_resource(NewWeather::default());
    sim.terrain().set_tile(3, 4, 9);
    sim.ecs().spawn((crate::Kept, Kind(2), Position::default(), Chest { coins: 7 }));
    let save = sim.save().bytes;
    for cut in 0..save.len() {
        assert_eq!(sim_of(&NEW, 20, 40).restore(&save[..cut]), Err(Malformed), "cut at {cut}");
    }
    assert_eq!(sim_of(&NEW, 20, 40).restore(&[&save[..], &[0]].concat()), Err(Malformed));
}
