//! Two or three areas side by side, and the bytes between them.

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::prelude::*;
use bytes::BytesMut;
use pangea_world::frames::{ServerMessage, read_server_frame, tile};
use pangea_world::id::{AreaId, CharacterId};
use pangea_world::space::{Ground, Rect};
use proptest::prelude::*;

use crate::border::{Gids, Letters};
use crate::update::{Eyes, View};
use crate::*;

/// What everything has that lives.
#[derive(bevy_ecs::component::Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Body {
    health: u16,
    #[replicate(owner)]
    gold: u64,
    #[replicate(server)]
    anger: f64,
}

/// What some have for a while.
#[derive(bevy_ecs::component::Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Asleep;

/// Walks by itself, metres per step.
#[derive(bevy_ecs::component::Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Drift {
    #[replicate(server)]
    dx: f64,
    #[replicate(server)]
    dy: f64,
}

/// Of this area alone: put on by the hook.
#[derive(bevy_ecs::component::Component, Debug, PartialEq)]
struct Local(&'static str);

/// Takes health.
#[derive(Replicate, Debug, Clone, PartialEq)]
struct Strike {
    by: Gid,
    damage: u16,
}

/// To all who are near.
#[derive(Replicate, Debug, Clone, PartialEq)]
struct Noise {
    loud: u8,
}

/// Noises that were heard.
#[derive(Resource, Default)]
struct Heard(Vec<u8>);

fn drift(
    extent: Res<Extent>,
    open: Res<OpenGround>,
    mut terrain: ResMut<Terrain>,
    mut all: Query<(&Drift, &mut Position)>,
) {
    for (drift, mut at) in &mut all {
        let (x, y) = walk::walk_beyond(&mut terrain, extent.0, &open.0, at.point(), (drift.dx, drift.dy));
        if (x, y) != at.point() {
            *at = Position { x, y };
        }
    }
}

fn land_strikes(mut strikes: ResMut<Letters<Strike>>, mut bodies: Query<&mut Body>) {
    for Letter { to, says } in strikes.drain() {
        if let Some(mut body) = to.and_then(|to| bodies.get_mut(to).ok()) {
            body.health = body.health.saturating_sub(says.damage);
        }
    }
}

fn hear_noises(mut noises: ResMut<Letters<Noise>>, mut heard: ResMut<Heard>) {
    heard.0.extend(noises.drain().map(|noise| noise.says.loud));
}

fn build(area: &mut Builder, _: &Setup<'_>) {
    area.kind("sheep");
    area.component::<Body>().component::<Asleep>().component::<Drift>().walking();
    area.letter::<Strike>().letter::<Noise>();
    area.ecs.init_resource::<Heard>();
    area.system(drift).system(land_strikes).system(hear_noises);
    area.on_pass(|ecs, entity, pass| {
        let local = if pass == Pass::In { "came" } else { "went" };
        ecs.entity_mut(entity).insert(Local(local));
    });
    area.on_enter(|ecs, entity, _| {
        ecs.entity_mut(entity).insert_if_new(Body { health: 100, ..Body::default() });
    });
}

const GAME: Game = Game { name: "border", land: |_, _| Box::new(|_: i32, _: i32| tile::GRASS), build };
const SHEEP: Kind = Kind(1);
const VIEW_M: u32 = 40;
const A: Rect = Rect { x0: 0, y0: 0, x1: 200, y1: 200 };
const B: Rect = Rect { x0: 200, y0: 0, x1: 400, y1: 200 };
/// What the areas call each other.
const PEER: Peer = Peer(7);

fn sim(extent: Rect) -> Sim {
    let text = "kind = \"grid\"\n[grid]\ncell_m = 200\narea_cells = 1\nspawn = { x = 10.0, y = 10.0 }\n";
    let world = pangea_world::world_file::read("test.toml", text).expect("a world");
    let cells = Rect { x0: extent.x0 / 200, y0: 0, x1: extent.x1 / 200, y1: 1 };
    let ground = Ground::Cells(cells);
    let setup = Setup { world: &world, ground: &ground, extent, tick_hz: 20, view_m: VIEW_M, tick: 100 };
    let mut sim = Sim::new(&GAME, &setup);
    sim.set_origin(AreaId([extent.x1 as u8; 16]), 5);
    sim
}

/// Two areas and the line between them.
struct Two {
    sims: [Sim; 2],
    /// Whether bytes come over.
    line: bool,
    budget: usize,
    /// The last frames, of each.
    last: [Vec<u8>; 2],
}

impl Two {
    fn new() -> Self {
        Self { sims: [sim(A), sim(B)], line: true, budget: 100_000, last: Default::default() }
    }

    fn a(&mut self) -> &mut Sim {
        &mut self.sims[0]
    }

    fn b(&mut self) -> &mut Sim {
        &mut self.sims[1]
    }

    /// Each steps, and tells the other what is new.
    fn step(&mut self) {
        let grounds = [A, B];
        for n in 0..2 {
            self.sims[n].step(1.0);
            if self.line {
                self.last[n].clear();
                let mut out = Vec::new();
                self.sims[n].tell_peer(PEER, grounds[1 - n], self.budget, &mut out);
                self.last[n] = out;
                self.say(n);
            }
        }
    }

    /// The last frame of one comes to the other.
    fn say(&mut self, n: usize) {
        if !self.last[n].is_empty() {
            self.sims[1 - n].hear_peer(PEER, &self.last[n]).expect("a good frame");
        }
    }

    fn steps(&mut self, count: usize) {
        (0..count).for_each(|_| self.step());
    }

    fn restart(&mut self) {
        self.line = true;
        self.sims.iter_mut().for_each(|sim| sim.restart_peer(PEER));
    }

    fn sheep(&mut self, n: usize, at: (f64, f64), by: (f64, f64)) -> Entity {
        let drift = Drift { dx: by.0, dy: by.1 };
        let body = Body { health: 20, gold: 3, anger: 0.25 };
        self.sims[n].ecs().spawn((SHEEP, Position { x: at.0, y: at.1 }, body, drift)).id()
    }
}

/// All that is owned and all ghosts of an area, by gid.
fn all(sim: &mut Sim) -> BTreeMap<Gid, (bool, Position, Option<Body>, bool)> {
    let mut query = sim.ecs().query::<(&Gid, Has<Ghost>, &Position, Option<&Body>, Has<Asleep>)>();
    let all = query.iter(sim.ecs());
    all.map(|(gid, ghost, at, body, asleep)| (*gid, (ghost, *at, body.cloned(), asleep))).collect()
}

fn ghosts(sim: &mut Sim) -> usize {
    all(sim).values().filter(|one| one.0).count()
}

fn owned(sim: &mut Sim) -> usize {
    sim.ecs().query::<&Position>().iter(sim.ecs()).count()
}

fn here(sim: &Sim, gid: Gid) -> Option<(u16, bool)> {
    let entity = sim.ecs.resource::<Gids>().find(gid)?;
    let net = sim.ecs.get::<Net>(entity)?.0;
    Some((net, sim.ecs.get::<Ghost>(entity).is_some()))
}

/// What a client with eyes at x cm sees: ids that came, ids that left.
fn look(sim: &mut Sim, view: &mut View, x: i32, me: u16) -> (Vec<u16>, Vec<u16>) {
    let mut out = BytesMut::new();
    if !sim.gather(view, Eyes { at: (x, 10_000), me, acked: 0, budget: 100_000 }, &mut out) {
        return Default::default();
    }
    let Some(ServerMessage::Update(update)) = read_server_frame(&out).expect("readable").pop() else {
        panic!("an update")
    };
    (update.entered.iter().map(|one| one.id).collect(), update.left)
}

#[test]
fn what_is_near_the_border_is_seen_next_door_and_touched_by_nobody() {
    let mut two = Two::new();
    let near = two.sheep(0, (190.0, 100.0), (0.0, 0.0));
    two.sheep(0, (100.0, 100.0), (0.0, 0.0));
    two.steps(2);
    let gid = *two.a().ecs.get::<Gid>(near).expect("it was told");
    let seen = all(two.b());
    assert_eq!(seen.len(), 1, "the far one is not told");
    let body = Some(Body { health: 20, gold: 3, anger: 0.25 });
    assert_eq!(seen[&gid], (true, Position { x: 190.0, y: 100.0 }, body, false), "with all its fields");
    assert_eq!(owned(two.b()), 0, "a query does not see it");
    let saved = two.b().save().bytes;
    assert_eq!(saved, sim(B).save().bytes, "nor is it saved");
    // A client next door sees it, and its change.
    let mut view = View::default();
    let (id, _) = here(two.b(), gid).expect("here");
    two.step();
    assert_eq!(look(two.b(), &mut view, 20_100, 999).0, [id]);
    two.a().ecs.get_mut::<Body>(near).expect("a body").health = 7;
    two.a().ecs.entity_mut(near).insert(Asleep);
    two.steps(2);
    let (_, _, body, asleep) = all(two.b())[&gid].clone();
    assert_eq!((body.map(|body| body.health), asleep), (Some(7), true));
    two.a().ecs.entity_mut(near).remove::<Asleep>();
    two.steps(2);
    assert!(!all(two.b())[&gid].3, "what was taken off is off");
    two.a().ecs.despawn(near);
    two.steps(2);
    assert_eq!(ghosts(two.b()), 0);
}

#[test]
fn while_the_line_is_lost_ghosts_stay_and_then_all_is_told_anew() {
    let mut two = Two::new();
    let stays = two.sheep(0, (190.0, 100.0), (0.0, 0.0));
    let goes = two.sheep(0, (195.0, 100.0), (0.0, 0.0));
    two.a().terrain().set_tile(190, 90, tile::TREE);
    two.a().terrain().set_tile(191, 90, tile::TREE);
    two.steps(2);
    assert_eq!(two.b().terrain().tile(190, 90), tile::TREE);
    two.line = false;
    two.a().ecs.despawn(goes);
    two.a().ecs.get_mut::<Position>(stays).expect("there").x = 192.0;
    two.a().terrain().set_tile(191, 90, tile::GRASS);
    two.steps(3);
    assert_eq!(ghosts(two.b()), 2, "what was told is shown until something else is told");
    two.restart();
    two.step();
    let seen = all(two.b());
    let gid = *two.a().ecs.get::<Gid>(stays).expect("it was told");
    assert_eq!(seen.keys().collect::<Vec<_>>(), [&gid]);
    assert_eq!(seen[&gid].1.x, 192.0);
    assert_eq!((two.b().terrain().tile(190, 90), two.b().terrain().tile(191, 90)), (tile::TREE, tile::GRASS));
    two.b().forget_peer(PEER);
    assert_eq!((ghosts(two.b()), two.b().terrain().tile(190, 90)), (0, tile::GRASS));
    assert!(two.b().terrain().altered().is_empty(), "what is lent is not the area's own");
}

#[test]
fn a_thing_goes_over_and_keeps_its_id_for_everybody_who_sees_it() {
    let mut two = Two::new();
    let sheep = two.sheep(0, (198.0, 100.0), (0.25, 0.0));
    two.steps(3);
    let gid = *two.a().ecs.get::<Gid>(sheep).expect("it was told");
    let (west, east) = (here(two.a(), gid).expect("here").0, here(two.b(), gid).expect("there").0);
    let mut views = [View::default(), View::default()];
    for (sim, view) in two.sims.iter_mut().zip(&mut views) {
        assert_eq!(look(sim, view, 20_000, 999).0.len(), 1);
    }
    let mut x = 0.0;
    for step in 0..40 {
        two.step();
        for (n, view) in views.iter_mut().enumerate() {
            assert_eq!(look(&mut two.sims[n], view, 20_000, 999), (vec![], vec![]), "step {step}");
        }
        let owners = two.sims.each_mut().map(owned);
        assert_eq!(owners.iter().sum::<usize>(), 1, "step {step}");
        let now = all(&mut two.sims[usize::from(owners[1] == 1)])[&gid].1.x;
        assert!(step == 0 || [0.25, 0.5].contains(&(now - x)), "it walks on without a stop: {x} to {now}");
        x = now;
    }
    assert_eq!(here(two.b(), gid), Some((east, false)));
    assert_eq!(here(two.a(), gid), Some((west, true)), "and is a ghost where it came from");
    let sheep = two.b().ecs.resource::<Gids>().find(gid).expect("here");
    assert_eq!(two.b().ecs.get::<Local>(sheep), Some(&Local("came")));
    two.b().ecs.get_mut::<Drift>(sheep).expect("it drifts").dx = -0.25;
    two.steps(60);
    assert_eq!(here(two.a(), gid), Some((west, false)), "and comes back");
    assert_eq!(two.sims.each_mut().map(owned), [1, 0]);
}

/// Something was passed to the east, and the acknowledgement did not come back.
fn not_acknowledged() -> Two {
    let mut two = Two::new();
    two.sheep(0, (200.5, 100.0), (0.25, 0.0));
    two.steps(2);
    while two.sims.each_mut().map(owned) == [1, 0] {
        two.a().step(1.0);
        let mut frame = Vec::new();
        two.a().tell_peer(PEER, B, 9_000, &mut frame);
        two.b().hear_peer(PEER, &frame).expect("a good frame");
    }
    assert_eq!(two.sims.each_mut().map(owned), [0, 1]);
    two
}

#[test]
fn what_was_passed_and_died_is_not_passed_to_life_again() {
    let mut two = not_acknowledged();
    let sheep = two.b().ecs.query_filtered::<Entity, With<Body>>().single(&two.sims[1].ecs).expect("one");
    two.b().ecs.despawn(sheep);
    two.restart();
    two.steps(25);
    assert_eq!(two.sims.each_mut().map(owned), [0, 0]);
    assert_eq!(two.sims.each_mut().map(ghosts), [0, 0]);
}

#[test]
fn what_is_passed_and_not_acknowledged_is_passed_again_and_never_doubled() {
    let mut two = not_acknowledged();
    two.restart();
    two.steps(3);
    assert_eq!(two.sims.each_mut().map(owned), [0, 1]);
    assert_eq!(ghosts(two.a()), 1);
    two.a().forget_peer(PEER);
    assert_eq!((owned(two.a()), ghosts(two.a())), (0, 0), "acknowledged: it is lost with who had it");
}

#[test]
fn what_was_passed_to_one_who_died_is_lost_and_never_there_twice() {
    let mut two = Two::new();
    two.sheep(0, (200.5, 100.0), (0.25, 0.0));
    two.steps(2);
    while owned(two.a()) == 1 {
        two.a().step(1.0);
        two.a().tell_peer(PEER, B, 9_000, &mut Vec::new());
    }
    // Longer than a ghost lingers.
    (0..40).for_each(|_| two.a().step(1.0));
    assert_eq!(ghosts(two.a()), 1);
    two.a().forget_peer(PEER);
    two.a().step(1.0);
    assert_eq!((owned(two.a()), ghosts(two.a())), (0, 0), "it may have died there, or gone on");
}

#[test]
fn a_letter_is_read_once_by_who_owns_it() {
    let mut two = Two::new();
    let sheep = two.sheep(1, (201.0, 100.0), (0.0, 0.0));
    two.steps(2);
    let gid = *two.b().ecs.get::<Gid>(sheep).expect("told");
    let ghost = two.a().ecs.resource::<Gids>().find(gid).expect("its ghost");
    let strike = Strike { by: gid, damage: 5 };
    let health = |two: &mut Two| two.b().ecs.get::<Body>(sheep).expect("a body").health;
    two.a().ecs.resource_mut::<Post>().to(ghost, &strike);
    two.a().ecs.resource_mut::<Post>().around((199.0, 100.0), &Noise { loud: 9 });
    two.a().ecs.resource_mut::<Post>().around((20.0, 100.0), &Noise { loud: 1 });
    two.step();
    two.say(0);
    two.steps(3);
    assert_eq!(health(&mut two), 15);
    assert_eq!(two.b().ecs.resource::<Heard>().0, [9]);
    two.b().ecs.resource_mut::<Post>().to(sheep, &strike);
    two.steps(2);
    assert_eq!(health(&mut two), 10, "what is owned here gets its letters too");
    two.line = false;
    two.a().ecs.resource_mut::<Post>().to(ghost, &strike);
    two.steps(2);
    two.restart();
    two.steps(3);
    assert_eq!(health(&mut two), 10, "a letter is lost with its line");
}

#[test]
fn a_small_budget_tells_all_in_the_end() {
    let mut two = Two::new();
    two.budget = 200;
    for n in 0..40 {
        two.sheep(0, (195.0, 10.0 + f64::from(n)), (0.0, 0.01));
    }
    two.step();
    assert!(two.last[0].len() < 400, "{} bytes", two.last[0].len());
    two.steps(60);
    assert_eq!(ghosts(two.b()), 40);
    for _ in 0..30 {
        two.step();
        let (here, there) = (all(two.a()), all(two.b()));
        let late = |(gid, one): (&Gid, &(bool, Position, Option<Body>, bool))| one.1.y - there[gid].1.y;
        let most = here.iter().map(late).fold(0.0, f64::max);
        assert!(most < 0.2, "nobody waits long: {most}");
    }
}

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

fn frame_of_all() -> (Two, Vec<u8>) {
    let mut two = Two::new();
    let goes = two.sheep(0, (198.0, 100.0), (0.25, 0.0));
    two.sheep(0, (199.0, 100.0), (0.0, 0.0));
    let gone = two.sheep(0, (198.0, 100.0), (0.0, 0.0));
    let there = two.sheep(1, (203.0, 100.0), (0.0, 0.0));
    two.steps(2);
    let gid = *two.b().ecs.get::<Gid>(there).expect("told");
    let ghost = two.a().ecs.resource::<Gids>().find(gid).expect("its ghost");
    two.line = false;
    two.a().ecs.despawn(gone);
    two.a().ecs.get_mut::<Position>(goes).expect("there").x = 200.9;
    two.a().terrain().set_tile(199, 40, tile::TREE);
    two.a().ecs.resource_mut::<Post>().to(ghost, &Strike { by: gid, damage: 5 });
    two.a().step(1.0);
    let mut frame = Vec::new();
    two.a().tell_peer(PEER, B, 9_000, &mut frame);
    assert_eq!(owned(two.a()), 1, "there is a pass in it");
    (two, frame)
}

#[test]
fn a_malformed_frame_changes_nothing() {
    let (mut two, frame) = frame_of_all();
    let before = all(two.b());
    for cut in 0..frame.len() {
        assert!(two.b().hear_peer(PEER, &frame[..cut]).is_err(), "cut at {cut}");
    }
    let more: Vec<u8> = frame.iter().copied().chain([0]).collect();
    assert!(two.b().hear_peer(PEER, &more).is_err());
    assert_eq!(all(two.b()), before);
    two.b().hear_peer(PEER, &frame).expect("whole");
    let after = all(two.b());
    assert_ne!(after, before);
    two.b().hear_peer(PEER, &frame).expect("old");
    assert_eq!(all(two.b()), after);
    two.steps(1);
    assert!(two.b().ecs.query::<&Body>().iter(&two.b().ecs).any(|body| body.health == 15));
}

#[test]
fn a_gap_closes_the_line() {
    let mut two = Two::new();
    let sheep = two.sheep(0, (190.0, 100.0), (0.1, 0.0));
    two.steps(2);
    two.line = false;
    for _ in 0..2 {
        two.a().step(1.0);
        two.last[0].clear();
        let mut out = Vec::new();
        two.a().tell_peer(PEER, B, 9_000, &mut out);
        two.last[0] = out;
    }
    let frame = two.last[0].clone();
    let gid = *two.a().ecs.get::<Gid>(sheep).expect("told");
    let before = all(two.b())[&gid].clone();
    assert_eq!(two.b().hear_peer(PEER, &frame), Err(Malformed));
    assert_eq!(all(two.b())[&gid], before);
}

/// What can happen to two areas.
#[derive(Debug, Clone)]
enum Deed {
    Step,
    /// Only one of them steps and tells.
    One(usize),
    Turn(usize, f64),
    Born(usize, f64),
    Dies(usize),
    Lost,
    Made,
    Repeated(usize),
    /// Its process ends, another serves the same ground with nothing on it.
    Killed(usize),
}

fn deeds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        12 => Just(Deed::Step),
        6 => (0..2usize).prop_map(Deed::One),
        4 => (0..20usize, -0.4..0.4f64).prop_map(|(n, dx)| Deed::Turn(n, dx)),
        3 => (0..2usize, -3.0..3.0f64).prop_map(|(n, x)| Deed::Born(n, x)),
        1 => (0..20usize).prop_map(Deed::Dies),
        1 => Just(Deed::Lost),
        2 => Just(Deed::Made),
        2 => (0..2usize).prop_map(Deed::Repeated),
        1 => (0..2usize).prop_map(Deed::Killed),
    ]
}

/// Two areas, what is on its way between them, and who lives.
struct World2 {
    two: Two,
    /// Alive, by the number in its purse.
    alive: std::collections::BTreeSet<u64>,
    born: u64,
    epoch: u64,
}

impl World2 {
    fn new() -> Self {
        Self { two: Two::new(), alive: Default::default(), born: 0, epoch: 5 }
    }

    fn one(&mut self, n: usize) {
        let ground = [B, A][n];
        self.two.sims[n].step(1.0);
        if self.two.line {
            let mut out = Vec::new();
            self.two.sims[n].tell_peer(PEER, ground, 2_000, &mut out);
            self.two.last[n] = out;
            self.two.say(n);
        }
    }

    fn sheep(&mut self) -> Vec<(usize, Entity, u64)> {
        let mut found = Vec::new();
        for (n, sim) in self.two.sims.iter_mut().enumerate() {
            let mut query = sim.ecs.query::<(Entity, &Body)>();
            found.extend(query.iter(&sim.ecs).map(|(entity, body)| (n, entity, body.gold)));
        }
        found
    }

    fn does(&mut self, deed: &Deed) {
        match *deed {
            Deed::Step => (0..2).for_each(|n| self.one(n)),
            Deed::One(n) => self.one(n),
            Deed::Turn(which, dx) => {
                let sheep = self.sheep();
                if let Some((n, entity, _)) = sheep.get(which % sheep.len().max(1)) {
                    self.two.sims[*n].ecs.get_mut::<Drift>(*entity).expect("it drifts").dx = dx;
                }
            }
            Deed::Born(n, x) => {
                let x = if n == 0 { 200.0 - x.abs() } else { 200.0 + x.abs() };
                let entity = self.two.sheep(n, (x, 100.0), (x.sin() * 0.3, 0.0));
                self.born += 1;
                self.two.sims[n].ecs.get_mut::<Body>(entity).expect("a body").gold = self.born;
                self.alive.insert(self.born);
            }
            Deed::Dies(which) => {
                let sheep = self.sheep();
                if let Some((n, entity, gold)) = sheep.get(which % sheep.len().max(1)) {
                    self.two.sims[*n].ecs.despawn(*entity);
                    self.alive.remove(gold);
                }
            }
            Deed::Lost => self.two.line = false,
            Deed::Made => self.two.restart(),
            // A frame of a line that is lost does not come any more.
            Deed::Repeated(n) if self.two.line => self.two.say(n),
            Deed::Repeated(_) => {}
            Deed::Killed(n) => {
                self.two.sims[n] = sim([A, B][n]);
                self.epoch += 1;
                self.two.sims[n].set_origin(AreaId([9; 16]), self.epoch);
                self.two.last = Default::default();
                self.two.sims[1 - n].forget_peer(PEER);
                // What it owned is lost, and what was passed to it and not acknowledged.
                let left: BTreeSet<u64> = self.sheep().into_iter().map(|(.., gold)| gold).collect();
                self.alive.retain(|gold| left.contains(gold));
                self.two.restart();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever happens to the line and to the areas: nothing has two owners, nothing lives that died, and
    /// when all is quiet nothing is lost and each shows what the other owns, as it is.
    #[test]
    fn nothing_is_doubled_and_nothing_is_lost(script in proptest::collection::vec(deeds(), 1..120)) {
        let mut world = World2::new();
        world.does(&Deed::Step);
        for deed in &script {
            world.does(deed);
            let mut owned: Vec<u64> = world.sheep().iter().map(|(.., gold)| *gold).collect();
            owned.sort_unstable();
            let count = owned.len();
            owned.dedup();
            prop_assert_eq!(owned.len(), count, "two owners after {:?}", deed);
            prop_assert!(owned.iter().all(|gold| world.alive.contains(gold)), "the dead live after {:?}", deed);
        }
        world.two.restart();
        for (n, entity, _) in world.sheep() {
            world.two.sims[n].ecs.get_mut::<Drift>(entity).expect("it drifts").dx = 0.0;
        }
        for _ in 0..30 {
            world.does(&Deed::Step);
        }
        let owned: std::collections::BTreeSet<u64> = world.sheep().iter().map(|(.., gold)| *gold).collect();
        prop_assert_eq!(&owned, &world.alive);
        let [here, there] = world.two.sims.each_mut().map(all);
        for (mine, theirs) in [(&here, &there), (&there, &here)] {
            for (gid, (is_ghost, at, body, asleep)) in mine {
                let other = theirs.get(gid);
                if *is_ghost {
                    prop_assert_eq!(other, Some(&(false, *at, body.clone(), *asleep)));
                } else if (at.x - 200.0).abs() < f64::from(VIEW_M) {
                    prop_assert_eq!(other, Some(&(true, *at, body.clone(), *asleep)));
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_heard_or_refused(bytes: Vec<u8>, at in 0usize..400, by: u8) {
        let (mut two, mut frame) = frame_of_all();
        let _ = two.b().hear_peer(PEER, &bytes);
        let at = at % frame.len();
        frame[at] ^= by;
        let before = all(two.b());
        if two.b().hear_peer(PEER, &frame).is_err() {
            prop_assert_eq!(all(two.b()), before);
        }
        two.b().step(1.0);
    }
}

#[test]
fn what_is_told_in_a_step_is_shown_in_the_next() {
    for east_first in [false, true] {
        let mut two = Two::new();
        two.sheep(0, (190.0, 100.0), (0.05, 0.07));
        two.steps(3);
        let gid = *all(two.a()).keys().next().expect("one");
        let (west, east) = (here(two.a(), gid).expect("here").0, here(two.b(), gid).expect("there").0);
        for _ in 0..20 {
            if east_first {
                two.b().step(1.0);
            }
            two.a().step(1.0);
            let mut frame = Vec::new();
            two.a().tell_peer(PEER, B, 9_000, &mut frame);
            two.b().hear_peer(PEER, &frame).expect("a good frame");
            if !east_first {
                two.b().step(1.0);
                assert_eq!(two.a().seen_at(west), two.b().seen_at(east));
            }
            assert_eq!(two.a().place(west), two.b().place(east));
        }
    }
}
