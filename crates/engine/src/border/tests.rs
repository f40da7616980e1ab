//! Two or three areas side by side, and the bytes between them.

mod characters;
mod frames;
mod scripts;

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

/// What one rides.
#[derive(bevy_ecs::component::Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Mount {
    kind: u8,
    #[replicate(owner)]
    breath: u16,
    #[replicate(server)]
    tame: f64,
}

/// Hits the first thing that it comes to, and is gone then.
#[derive(bevy_ecs::component::Component, Replicate, Debug, Clone, PartialEq, Default)]
struct Arrow {
    #[replicate(server)]
    damage: u16,
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

/// As near as an arrow comes to what it hits, metres.
const HITS_M: f64 = 1.5;

fn fly(
    arrows: Query<(Entity, &Gid, &Arrow, &Position)>,
    bodies: Query<(Entity, &Position), With<Body>>,
    mut post: ResMut<Post>,
    mut commands: Commands,
) {
    for (entity, by, arrow, at) in &arrows {
        let near = |(_, to): &(Entity, &Position)| (to.x - at.x).hypot(to.y - at.y) < HITS_M;
        if let Some((hit, _)) = bodies.iter().find(near) {
            post.to(hit, &Strike { by: *by, damage: arrow.damage });
            commands.entity(entity).despawn();
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
    area.kind("arrow");
    area.component::<Body>().component::<Asleep>().component::<Drift>();
    area.component::<Mount>().component::<Arrow>().walking();
    area.letter::<Strike>().letter::<Noise>();
    area.ecs.init_resource::<Heard>();
    area.system(drift).system(fly).system(land_strikes).system(hear_noises);
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
const ARROW: Kind = Kind(2);
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
    let ghost = two.b().ecs.resource::<Gids>().find(gid).expect("here");
    assert_eq!(two.b().ecs.get::<GhostOf>(ghost), Some(&GhostOf { x: A.x0, y: A.y0 }), "whose it is");
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

/// An arrow is shot at what stands far beyond the line, where who shoots does not see it: it flies over, as fast as it
/// flew, and strikes there, once.
#[test]
fn an_arrow_flies_over_the_line_and_strikes_beyond() {
    let mut two = Two::new();
    let hit = two.sheep(1, (260.0, 100.0), (0.0, 0.0));
    let gid = *two.b().ecs.get::<Gid>(hit).unwrap_or(&Gid([0; 16]));
    assert_eq!(two.a().ecs.resource::<Gids>().find(gid), None, "it is not seen from there");
    let flies = (Drift { dx: 2.5, dy: 0.0 }, Arrow { damage: 7 });
    two.a().ecs().spawn((ARROW, Position { x: 170.0, y: 100.0 }, flies));
    let arrows = |sim: &mut Sim| {
        let mut owned = sim.ecs().query_filtered::<&Position, (With<Arrow>, Without<Ghost>)>();
        owned.iter(sim.ecs()).map(|at| at.x).collect::<Vec<f64>>()
    };
    let mut seen: Vec<f64> = Vec::new();
    for _ in 0..60 {
        two.step();
        let [a, b] = two.sims.each_mut().map(arrows);
        assert!(a.len() + b.len() <= 1, "it is one arrow: {a:?} {b:?}");
        seen.extend(a.iter().chain(&b));
    }
    let steps: Vec<f64> = seen.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.iter().all(|step| [2.5, 5.0].contains(step)), "it flies on without a stop: {steps:?}");
    assert!(seen.last().is_some_and(|x| *x > 255.0), "{seen:?}");
    assert_eq!(two.b().ecs.get::<Body>(hit).expect("a body").health, 13, "once");
    assert_eq!((arrows(two.a()), arrows(two.b())), (vec![], vec![]));
    two.steps(3);
    assert_eq!(two.sims.each_mut().map(owned), [0, 1], "nothing is left of it");
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
