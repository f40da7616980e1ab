//! Inputs: how many, how far, and once.

use super::*;

#[test]
fn one_input_is_one_step_of_a_quarter_metre() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    assert_eq!(walk(&mut sim, id, 1, 1.0, 0.0), Ok(()));
    sim.step(1.0);
    assert_eq!(sim.place(id), Some((10.25, 10.0)));
    assert_eq!(sim.acked(id), 1);
    assert_eq!(walk(&mut sim, id, 1, 1.0, 0.0), Ok(()), "a repeat is dropped silently");
    sim.step(1.0);
    assert_eq!(sim.place(id), Some((10.25, 10.0)));
}

#[test]
fn impossible_inputs_are_refused_and_move_nobody() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    for (n, (dx, dy)) in
        [(f32::NAN, 0.0), (0.0, f32::INFINITY), (f32::NEG_INFINITY, f32::NAN)].into_iter().enumerate()
    {
        assert_eq!(walk(&mut sim, id, n as u32 + 1, dx, dy), Err(Code::BadInput));
    }
    assert_eq!(walk(&mut sim, id, 11, 1.0, 1.0), Err(Code::TooFast));
    assert_eq!(walk(&mut sim, id, 12, f32::MAX, 0.0), Err(Code::TooFast));
    for (n, payload) in [&[][..], &[0; 7], &[0; 9]].into_iter().enumerate() {
        let refused = sim.input(id, 20 + n as u32, 0, payload).map_err(|refusal| refusal.code);
        assert_eq!(refused, Err(Code::Protocol), "cut off, or too long");
    }
    assert_eq!(sim.input(id, 30, 99, &[]).map_err(|refusal| refusal.code), Err(Code::Protocol));
    sim.step(1.0);
    assert_eq!(sim.place(id), Some((10.0, 10.0)));
    assert_eq!(walk(&mut sim, id, 31, 0.0, -0.0), Ok(()));
    assert_eq!(walk(&mut sim, id, 32, f32::MIN_POSITIVE / 2.0, 0.0), Ok(()), "a denormal is only small");
}

/// A number that no client can have come to is refused and not seen: what it gives afterwards still counts.
#[test]
fn an_input_of_a_time_to_come_makes_nobody_mute() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    assert_eq!(walk(&mut sim, id, 1, 1.0, 0.0), Ok(()));
    for ahead in [2 + crate::sim::MOST_AHEAD, u32::MAX] {
        assert_eq!(walk(&mut sim, id, ahead, 1.0, 0.0), Err(Code::BadInput), "{ahead}");
    }
    sim.step(1.0);
    assert_eq!((sim.acked(id), sim.place(id)), (1, Some((10.25, 10.0))));
    assert_eq!(walk(&mut sim, id, 2, 1.0, 0.0), Ok(()));
    // As far as one may have counted while its connection was away.
    let far = 2 + crate::sim::MOST_AHEAD;
    assert_eq!(walk(&mut sim, id, far, 1.0, 0.0), Ok(()));
    assert_eq!(walk(&mut sim, id, 3, 1.0, 0.0), Ok(()), "from the past: dropped without a word");
    sim.step(1.0);
    assert_eq!((sim.acked(id), sim.place(id)), (far, Some((10.75, 10.0))));
}

/// What came while nothing was read is taken at once, and only that: for the next pause it is not saved up.
#[test]
fn inputs_of_a_pause_are_made_up_once() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    let mut seq = 0;
    let mut burst = |sim: &mut Sim| {
        let taken = (0..100).filter(|_| {
            seq += 1;
            walk(sim, id, seq, 0.01, 0.0).is_ok()
        });
        let taken = taken.count();
        sim.step(1.0);
        taken
    };
    sim.make_up(id, 10.0);
    sim.make_up(id, 10.0);
    sim.step(1.0);
    assert_eq!(
        burst(&mut sim),
        15,
        "five that are saved up, and ten of the pause, as long as they take to come"
    );
    assert_eq!(burst(&mut sim), 1);
    sim.make_up(id, f32::INFINITY);
    assert_eq!(burst(&mut sim), 65, "a pause without end is one of 64 ticks");
    sim.make_up(id, f32::NAN);
    assert_eq!(burst(&mut sim), 1);
}

/// A thousand inputs in a tick are five, and then one per tick.
#[test]
fn more_inputs_than_ticks_are_refused() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    let mut taken = 0;
    for tick in 0..100 {
        for n in 0..10 {
            taken += u32::from(walk(&mut sim, id, tick * 10 + n + 1, 1.0, 0.0).is_ok());
        }
        sim.step(1.0);
    }
    assert_eq!(taken, 5 + 99);
    assert!((sim.place(id).expect("there").0 - (10.0 + 0.25 * 104.0)).abs() < 1e-6);
}

#[test]
fn an_id_rests_for_a_step() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    sim.remove(id, Leave::Quit);
    assert_ne!(sim.reserve(), Some(id));
    sim.step(1.0);
    assert_eq!(sim.reserve(), Some(id));
}

/// A game that despawns a character hides it; no other entity stands behind its id until its server gives it back.
#[test]
fn a_despawned_character_keeps_its_id() {
    let mut sim = sim();
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    let entity = sim.entity(id).expect("there");
    sim.ecs().despawn(entity);
    for _ in 0..3 {
        sim.ecs().spawn((Kind(1), Position { x: 9.0, y: 9.0 }));
        sim.step(1.0);
    }
    assert_eq!((sim.entity(id), sim.place(id)), (None, None));
    assert_eq!(walk(&mut sim, id, 1, 1.0, 0.0), Ok(()), "for nobody");
    sim.remove(id, Leave::Quit);
    sim.step(1.0);
    assert_eq!(sim.reserve(), Some(id));
}

/// Walk is input 0 for clients that know no schema.
#[test]
fn walk_is_input_0_wherever_it_is_declared() {
    #[derive(Replicate)]
    struct Jump;
    impl Input for Jump {}
    let build = |area: &mut Builder, _: &Setup<'_>| {
        area.input::<Jump>(Allowance::EACH_TICK).walking();
    };
    let mut sim = sim_of(&Game { name: "test", land, build }, 20, 40);
    let schema: serde_json::Value = serde_json::from_str(sim.schema().0).expect("JSON");
    assert_eq!(
        (&schema["inputs"][0]["name"], &schema["inputs"][1]["name"]),
        (&"Walk".into(), &"Jump".into())
    );
    let id = character(&mut sim, "Ada", (10.0, 10.0));
    assert_eq!(walk(&mut sim, id, 1, 1.0, 0.0), Ok(()));
    assert_eq!(sim.act(id, &Jump).map_err(|refusal| refusal.code), Ok(()));
    sim.step(1.0);
    assert_eq!((sim.place(id), sim.acked(id)), (Some((10.25, 10.0)), 2));
}

#[test]
#[should_panic(expected = "«Walk» is there twice")]
fn an_input_is_declared_once() {
    let build = |area: &mut Builder, _: &Setup<'_>| {
        area.walking().walking();
    };
    sim_of(&Game { name: "test", land, build }, 20, 40);
}

#[test]
fn neighbours_roll_different_dice() {
    let roll = |x0| {
        let ground = Ground::Cells(Rect { x0, y0: 0, x1: x0 + 1, y1: 1 });
        Dice::of_area(7, &ground, 0).below(u32::MAX)
    };
    assert_eq!(roll(0), roll(0));
    assert_ne!(roll(0), roll(1));
}
