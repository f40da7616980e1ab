//! Who lost his line and comes back is told what he missed.

use super::*;

const HERE: (i32, i32) = (1_000, 1_000);

/// One who sees five others, and all that it needs to be lost.
struct Scene {
    sim: Sim,
    me: u16,
    others: Vec<u16>,
    client: Client,
}

impl Scene {
    fn new() -> Self {
        let mut sim = sim();
        let me = character(&mut sim, "me", (10.0, 10.0));
        let others = (0..5).map(|n| character(&mut sim, "other", (12.0, 10.0 + f64::from(n)))).collect();
        let mut scene = Self { sim, me, others, client: Client::default() };
        for id in [scene.me].into_iter().chain(scene.others.clone()) {
            scene.put(id, Body { health: 100, gold: 5, ..Body::default() });
        }
        scene.look(ALL);
        scene
    }

    fn put(&mut self, id: u16, component: impl bevy_ecs::bundle::Bundle) {
        let entity = self.sim.entity(id).expect("there");
        self.sim.ecs().entity_mut(entity).insert(component);
    }

    fn step(&mut self) {
        self.sim.step(1.0);
    }

    /// A step of which the client is told; returns the bytes of the update.
    fn look(&mut self, budget: usize) -> usize {
        self.step();
        self.client.gather(&mut self.sim, HERE, self.me, 7, budget)
    }

    /// A step of which the update is lost on the way.
    fn look_in_vain(&mut self) {
        self.step();
        let eyes = Eyes { at: HERE, me: self.me, acked: 7, budget: ALL };
        self.sim.gather(&mut self.client.view, eyes, &mut BytesMut::new());
    }

    /// It comes back, and knows what one knows who comes anew.
    fn look_again(&mut self) -> usize {
        self.client.resume(7);
        let bytes = self.look(ALL);
        let mut fresh = Client::default();
        fresh.gather(&mut self.sim, HERE, self.me, 7, ALL);
        assert_eq!(self.client.seen, fresh.seen);
        bytes
    }
}

#[test]
fn what_is_as_it_was_is_not_told_again() {
    let mut scene = Scene::new();
    (0..30).for_each(|_| scene.step());
    assert_eq!(scene.look_again(), 5, "an update that says nothing but its tick");
    assert_eq!(scene.client.wholes, 1);
    assert_eq!(scene.look(ALL), 0, "and nothing more after it");
}

/// Of fifty in view ten walk on: their places are told, ten bytes each.
#[test]
fn a_resume_costs_what_changed() {
    let mut scene = Scene::new();
    for n in 0..44 {
        let id = character(&mut scene.sim, "other", (12.0 + f64::from(n % 10), 16.0 + f64::from(n / 10)));
        scene.put(id, Body { health: 100, gold: 5, ..Body::default() });
        scene.others.push(id);
    }
    scene.look(ALL);
    scene.step();
    for id in scene.others.iter().take(10) {
        walk(&mut scene.sim, *id, 1, 1.0, 0.0).expect("taken");
    }
    scene.step();
    let whole = Client::default().gather(&mut scene.sim, HERE, scene.me, 7, ALL);
    let missed = scene.look_again();
    assert_eq!((scene.client.seen.len(), scene.client.wholes), (50, 1));
    println!("{missed} bytes after a resume, {whole} whole");
    assert_eq!(missed, 5 + 1 + 10 * 10);
    assert!(whole > 10 * missed, "{whole}");
}

/// Whoever changed, moved, came and went, whether that was told in vain or in nobody's presence.
#[test]
fn what_was_missed_is_told() {
    let mut scene = Scene::new();
    let mut order = scene.client.order.clone();
    let others = scene.others.clone();
    body(&mut scene.sim, others[0]).health = 50;
    walk(&mut scene.sim, others[1], 1, 1.0, 0.0).expect("taken");
    scene.look_in_vain();
    let me = scene.me;
    body(&mut scene.sim, me).gold = 6;
    scene.step();
    scene.put(others[2], Position { x: 20.0, y: 20.0 });
    scene.put(others[3], Position { x: 190.0, y: 190.0 });
    let comer = character(&mut scene.sim, "comer", (14.0, 14.0));
    scene.step();
    scene.look_again();
    assert_eq!(scene.client.wholes, 1);
    assert_eq!(scene.client.seen[&me].body.as_ref().map(|body| body.gold), Some(6), "its own too");
    let gone = order.iter().position(|id| *id == others[3]).expect("it was there");
    order.swap_remove(gone);
    order.push(comer);
    assert_eq!(scene.client.order, order, "the same list as the server's");
}

#[test]
fn a_component_that_was_taken_off_is_gone() {
    let mut scene = Scene::new();
    let others = scene.others.clone();
    scene.put(others[0], Asleep);
    scene.look(ALL);
    let both = [0, 1].map(|n| scene.sim.entity(others[n]).expect("there"));
    scene.sim.ecs().entity_mut(both[0]).remove::<Asleep>();
    scene.sim.ecs().entity_mut(both[1]).remove::<Body>();
    scene.step();
    // It comes back as another one: nothing of the old one is left.
    scene.put(others[1], Body { mood: 3, ..Body::default() });
    scene.look_again();
    let seen = &scene.client.seen;
    assert_eq!(
        (seen[&others[0]].asleep, seen[&others[1]].body.as_ref().map(|body| body.health)),
        (false, Some(0))
    );
    assert_eq!(scene.client.wholes, 1);
}

/// The id of one who went is given to another one, of whom nothing was told.
#[test]
fn an_id_that_is_anothers_by_now_leaves_and_comes() {
    let mut scene = Scene::new();
    let gone = scene.others[0];
    drop(scene.sim.remove(gone, Leave::Quit));
    scene.step();
    let heir = character(&mut scene.sim, "heir", (12.0, 10.0));
    assert_eq!(heir, gone, "or this shows nothing");
    scene.look_again();
    assert_eq!((scene.client.wholes, &*scene.client.seen[&heir].name), (1, "heir"));
    assert_eq!(scene.client.seen[&heir].body, None);
}

/// What the server cannot know is told anew.
#[test]
fn where_it_is_not_sure_the_view_is_whole() {
    let whole = |spoil: fn(&mut Scene)| {
        let mut scene = Scene::new();
        scene.look(ALL);
        spoil(&mut scene);
        scene.look_again();
        scene.client.wholes - 1
    };
    assert_eq!(whole(|_| ()), 0);
    let forget = |scene: &mut Scene| drop(scene.client.order.pop().map(|id| scene.client.seen.remove(&id)));
    assert_eq!(whole(forget), 0, "what it does not know comes");
    let invent = |scene: &mut Scene| {
        scene.client.order.push(999);
        scene.client.seen.insert(999, Entity1::default());
    };
    assert_eq!(whole(invent), 0, "what is not there leaves");
    assert_eq!(whole(|scene| scene.client.order.push(scene.me)), 1, "an id twice");
    assert_eq!(whole(|scene| scene.client.tick += 1), 1, "a tick that it was not told of");
    assert_eq!(whole(|scene| scene.client.tick -= 2), 1, "one before the view began");
    assert_eq!(whole(|scene| scene.client.tick = 0), 1, "one long ago");
    assert_eq!(whole(|scene| scene.client.view = View::default()), 1, "a view that is not there");
}

/// What waited for room when the line broke is told, though its tick is older than the last update.
#[test]
fn what_waited_for_room_is_told() {
    let mut scene = Scene::new();
    for id in scene.others.clone() {
        scene.put(id, Position { x: 11.0, y: 11.0 });
    }
    assert!(scene.look(12) > 0, "not all has room");
    scene.look_again();
    assert_eq!(scene.client.wholes, 2, "nobody knows what it knows");
    // A resume itself may have more to say than there is room.
    for id in scene.others.clone() {
        scene.put(id, Position { x: 12.0, y: 12.0 });
    }
    scene.client.resume(7);
    assert!(scene.look(12) > 0);
    for _ in 0..20 {
        scene.look(12);
    }
    let places = scene.others.iter().map(|id| scene.client.seen[id].at);
    assert_eq!(places.collect::<Vec<_>>(), [(1_200, 1_200); 5]);
    assert_eq!(scene.client.wholes, 2);
    scene.look_again();
    assert_eq!(scene.client.wholes, 2, "now it is all told");
}

/// The line breaks again before anything came over it.
#[test]
fn who_is_lost_again_at_once_comes_back_with_what_he_had() {
    let mut scene = Scene::new();
    let other = scene.others[0];
    scene.client.resume(7);
    scene.put(other, Asleep);
    scene.look_in_vain();
    scene.look_in_vain();
    scene.client.resume(7);
    scene.step();
    scene.look_again();
    assert_eq!((scene.client.wholes, scene.client.seen[&other].asleep), (1, true));
}
