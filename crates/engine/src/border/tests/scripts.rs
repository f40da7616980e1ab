//! Whatever happens in whatever order.

use super::*;

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
