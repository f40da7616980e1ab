//! Moves that go in datagrams: whatever is lost, late or mixed up, and however often the line breaks, nothing is
//! told that was not so, and what came to rest is known.

use std::collections::{BTreeMap, VecDeque};

use super::*;

/// A client whose stream may lag, and of whose datagrams some are lost and some come late.
#[derive(Default)]
struct Lossy {
    stream: VecDeque<Update>,
    datagrams: Vec<Vec<u8>>,
    tick: u32,
    acked: u32,
    /// Of the newest datagram or update.
    newest: (u32, u32),
    order: Vec<u16>,
    /// Each entity's place, and of which tick it is.
    places: BTreeMap<u16, (u32, (i32, i32))>,
}

type History = BTreeMap<u32, BTreeMap<u16, (i32, i32)>>;

impl Lossy {
    fn put(&mut self, id: u16, tick: u32, at: (i32, i32), history: &History) {
        assert_eq!(history[&tick].get(&id), Some(&at), "told of {id} in {tick}");
        self.places.insert(id, (tick, at));
    }

    fn heard(&mut self, acked: u32, tick: u32) {
        if tick > self.newest.1 {
            self.newest = (acked, tick);
        }
    }

    fn read_stream(&mut self, history: &History) {
        let Some(update) = self.stream.pop_front() else { return };
        if update.whole {
            self.order.clear();
            self.places.clear();
            (self.tick, self.acked) = (0, 0);
        }
        self.tick += update.tick;
        self.acked += update.acked;
        let tick = self.tick;
        self.heard(self.acked, tick);
        for id in update.left {
            let place = self.order.iter().position(|known| *known == id).expect("in the list");
            self.order.swap_remove(place);
            self.places.remove(&id);
        }
        for entered in update.entered {
            self.order.push(entered.id);
            self.put(entered.id, tick, (entered.x, entered.y), history);
        }
        for (place, dx, dy) in update.moved {
            let id = self.order[place as usize];
            let (before, at) = self.places[&id];
            assert!(before < tick, "a difference to what is newer");
            self.put(id, tick, (at.0 + i32::from(dx), at.1 + i32::from(dy)), history);
        }
        for (id, x, y) in update.jumped {
            if self.places[&id].0 < tick {
                self.put(id, tick, (x, y), history);
            }
        }
    }

    fn read_datagram(&mut self, datagram: &[u8], history: &History) {
        let u32_at = |n: usize| u32::from_le_bytes(datagram[n..n + 4].try_into().expect("four"));
        let (tick, listed, acked) = (u32_at(0), u32_at(4), u32_at(8));
        let (x, y) = (u32_at(12) as i32, u32_at(16) as i32);
        assert!(datagram.len() <= 1_100);
        self.heard(acked, tick);
        if self.tick < listed {
            return;
        }
        for place in datagram[20..].chunks_exact(6) {
            let id = u16::from_le_bytes([place[0], place[1]]);
            let by = (i16::from_le_bytes([place[2], place[3]]), i16::from_le_bytes([place[4], place[5]]));
            if self.places.get(&id).is_some_and(|(before, _)| *before < tick) {
                self.put(id, tick, (x + i32::from(by.0), y + i32::from(by.1)), history);
            }
        }
    }
}

/// What one entity does in a step.
#[derive(Debug, Clone)]
enum Deed {
    Rest,
    Walk(i8, i8),
    Jump(u8, u8),
    /// It goes, and another comes in its place.
    Replace,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => Just(Deed::Rest),
        8 => (any::<i8>(), any::<i8>()).prop_map(|(x, y)| Deed::Walk(x, y)),
        1 => (0u8..120, 0u8..120).prop_map(|(x, y)| Deed::Jump(x, y)),
        1 => Just(Deed::Replace),
    ];
    proptest::collection::vec(deed, 12)
}

/// How the network is in a step: updates and datagrams (by their number) that arrive, the budget, and whether the
/// line breaks.
fn weather() -> impl Strategy<Value = (u8, Vec<prop::sample::Index>, bool, bool)> {
    let arriving = proptest::collection::vec(any::<prop::sample::Index>(), 0..4);
    (0u8..4, arriving, prop::bool::weighted(0.2), prop::bool::weighted(0.1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_lost_datagram_harms_nobody(steps in proptest::collection::vec((deeds(), weather()), 1..40)) {
        let mut sim = sim();
        let me = character(&mut sim, "Ada", (50.0, 50.0));
        let mut others: Vec<Entity> = (0..12).map(|n| sim.ecs().spawn((Kind(1), Position { x: 40.0 + f64::from(n), y: 50.0 })).id()).collect();
        let (mut view, mut client, mut history) = (View::default(), Lossy::default(), History::new());
        view.go_apart();
        let (ends, rest) = (steps.len(), (vec![Deed::Rest; 12], (4, Vec::new(), false, false)));
        for (n, (deeds, (updates, arriving, narrow, breaks))) in steps.into_iter().chain(vec![rest; 60]).enumerate() {
            for (other, deed) in others.iter_mut().zip(deeds) {
                let mut place = sim.ecs().get_mut::<Position>(*other).expect("there");
                match deed {
                    Deed::Rest => {}
                    Deed::Walk(x, y) => (place.x, place.y) = (place.x + f64::from(x) / 100.0, place.y + f64::from(y) / 100.0),
                    Deed::Jump(x, y) => (place.x, place.y) = (f64::from(x), f64::from(y)),
                    Deed::Replace => {
                        let at = *place;
                        sim.ecs().despawn(*other);
                        *other = sim.ecs().spawn((Kind(1), at)).id();
                    }
                }
            }
            if n < ends {
                let _ = walk(&mut sim, me, n as u32 + 1, 0.0, 0.0);
            }
            sim.step(1.0);
            let now = (0..40).filter_map(|id| Some((id, sim.seen_at(id)?))).collect();
            history.insert(sim.tick() as u32, now);
            if breaks {
                client.stream.clear();
                client.datagrams.clear();
                client.acked = sim.acked(me);
                view = view.resume(client.tick, client.order.clone(), client.acked);
                view.go_apart();
                continue;
            }
            let at = sim.seen_at(me).expect("there");
            let budget = if narrow { 20 } else { ALL };
            let mut out = BytesMut::new();
            if sim.gather(&mut view, Eyes { at, me, acked: sim.acked(me), budget }, &mut out) {
                let Some(ServerMessage::Update(update)) = read_server_frame(&out).expect("readable").pop() else { panic!("an update") };
                client.stream.push_back(update);
            }
            client.datagrams.extend(view.take_datagrams());
            for index in arriving.into_iter().filter(|_| !client.datagrams.is_empty()).collect::<Vec<_>>() {
                let datagram = client.datagrams[index.index(client.datagrams.len())].clone();
                client.read_datagram(&datagram, &history);
            }
            (0..updates).for_each(|_| client.read_stream(&history));
        }
        while !client.stream.is_empty() {
            client.read_stream(&history);
        }
        let known: BTreeMap<u16, (i32, i32)> = client.places.iter().map(|(id, (_, at))| (*id, *at)).collect();
        let truth = &history[&(sim.tick() as u32)];
        for (id, at) in &known {
            prop_assert_eq!(truth.get(id), Some(at), "the last place of {}", id);
        }
        prop_assert_eq!(known.len(), view.known());
        prop_assert_eq!(client.acked, sim.acked(me));
    }
}
