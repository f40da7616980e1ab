//! What a client is told. An entity's change is encoded once per tick, with the grid; per client the
//! encoded pieces within its view are gathered into one message.

use bytes::{BufMut, BytesMut};
use pangea_world::frames::put_varint;

use crate::Sim;
use crate::interest::Change;

/// Type byte of [`pangea_world::frames::ServerMessage::Update`].
const UPDATE: u8 = 0x82;

/// What one client was told so far.
#[derive(Debug, Default)]
pub struct View {
    /// The entities that it knows, in no order.
    known: Vec<u16>,
    /// The tick of the last gathering; when one was left out, the next one is whole.
    tick: Option<u64>,
    acked: u32,
}

/// Buffers that every gathering uses.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    known: Vec<u16>,
    left: BytesMut,
    entered: BytesMut,
    moved: BytesMut,
    jumped: BytesMut,
    counts: [u32; 4],
}

impl View {
    /// Everything is told anew with the next update.
    pub fn forget(&mut self) {
        self.tick = None;
    }
}

impl Sim {
    /// Appends the update for one client that stands at (x, y) centimetres and whose inputs were applied up
    /// to `acked`; says whether there was anything new. What comes within the view is told, and stays known
    /// until it is a tenth farther away. Call it once after each step; if a step was left out the update is
    /// whole.
    pub fn gather(&mut self, view: &mut View, (x, y): (i32, i32), acked: u32, out: &mut BytesMut) -> bool {
        let tick = self.tick();
        let whole = view.tick.is_none_or(|last| last + 1 != tick);
        view.tick = Some(tick);
        if whole {
            view.known.clear();
        }
        let s = &mut self.scratch;
        for buffer in [&mut s.left, &mut s.entered, &mut s.moved, &mut s.jumped] {
            buffer.clear();
        }
        s.counts = [0; 4];
        // Two marks per gathering: known before, and seen now.
        if self.mark > u32::MAX - 4 {
            self.marks.fill(0);
            self.mark = 0;
        }
        self.mark += 2;
        let (before, now) = (self.mark, self.mark + 1);
        for id in &view.known {
            self.marks[usize::from(*id)] = before;
        }
        s.known.clear();
        let near_cm = self.view_m as i32 * 100;
        let far_cm = near_cm + near_cm / 10;
        let square = |cm: i32| i64::from(cm) * i64::from(cm);
        let (near, far) = (square(near_cm), square(far_cm));
        for seen in self.grid.near(x, y, far_cm).flatten() {
            let (dx, dy) = (i64::from(seen.x) - i64::from(x), i64::from(seen.y) - i64::from(y));
            let distance = dx * dx + dy * dy;
            let mark = &mut self.marks[usize::from(seen.id)];
            let was_known = *mark == before;
            if distance > far || (distance > near && !was_known) {
                continue;
            }
            *mark = now;
            s.known.push(seen.id);
            if !was_known {
                if let Some(entity) = &self.entities[usize::from(seen.id)] {
                    entity.put_entered(seen.id, &mut s.entered);
                    s.counts[1] += 1;
                }
                continue;
            }
            match seen.change {
                Change::None => {}
                Change::Moved(dx, dy) => {
                    let id = seen.id.to_le_bytes();
                    s.moved.put_slice(&[id[0], id[1], dx as u8, dy as u8]);
                    s.counts[2] += 1;
                }
                Change::Jumped => {
                    s.jumped.put_u16_le(seen.id);
                    s.jumped.put_i32_le(seen.x);
                    s.jumped.put_i32_le(seen.y);
                    s.counts[3] += 1;
                }
            }
        }
        for id in &view.known {
            if self.marks[usize::from(*id)] == before {
                s.left.put_u16_le(*id);
                s.counts[0] += 1;
            }
        }
        std::mem::swap(&mut view.known, &mut s.known);
        if !whole && s.counts == [0; 4] && view.acked == acked {
            return false;
        }
        view.acked = acked;
        put_update(out, tick as u32, acked, whole, s);
        true
    }
}

fn put_update(out: &mut BytesMut, tick: u32, acked: u32, whole: bool, s: &Scratch) {
    let parts = [&s.left, &s.entered, &s.moved, &s.jumped];
    let length =
        9 + parts.iter().zip(s.counts).map(|(part, count)| part.len() + varint_len(count)).sum::<usize>();
    out.reserve(length + 6);
    out.put_u8(UPDATE);
    put_varint(out, length as u32);
    out.put_u32_le(tick);
    out.put_u32_le(acked);
    out.put_u8(u8::from(whole));
    for (part, count) in parts.iter().zip(s.counts) {
        put_varint(out, count);
        out.put_slice(part);
    }
}

fn varint_len(value: u32) -> usize {
    ((32 - value.leading_zeros()).max(1)).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pangea_world::frames::{ServerMessage, Update, read_server_frame, tile};
    use pangea_world::space::Rect;
    use proptest::prelude::*;

    use super::*;
    use crate::sim::centimetres;
    use crate::{Land, Look};

    struct Flat;
    impl Land for Flat {
        fn tile(&self, _: i32, _: i32) -> u8 {
            tile::GRASS
        }
    }

    /// What a client makes of its updates.
    #[derive(Default)]
    struct Client {
        view: View,
        seen: BTreeMap<u16, (i32, i32, String)>,
        acked: u32,
    }

    impl Client {
        fn read(&mut self, update: Update) {
            if update.whole {
                self.seen.clear();
            }
            for id in update.left {
                assert!(self.seen.remove(&id).is_some(), "{id} left and was not known");
            }
            for entered in update.entered {
                let new = self.seen.insert(entered.id, (entered.x, entered.y, entered.name));
                assert!(new.is_none(), "{} entered twice", entered.id);
            }
            for (id, dx, dy) in update.moved {
                let known = self.seen.get_mut(&id).expect("moved and known");
                (known.0, known.1) = (known.0 + i32::from(dx), known.1 + i32::from(dy));
            }
            for (id, x, y) in update.jumped {
                let known = self.seen.get_mut(&id).expect("jumped and known");
                (known.0, known.1) = (x, y);
            }
            self.acked = update.acked;
        }
    }

    #[derive(Debug, Clone)]
    enum Act {
        Walk(usize, f32),
        Spawn(f64, f64),
        Remove(usize),
        /// This client's socket is full for a tick.
        Skip(usize),
    }

    fn acts() -> impl Strategy<Value = Vec<Vec<Act>>> {
        let act = prop_oneof![
            6 => (0usize..30, 0.0f32..6.3).prop_map(|(who, to)| Act::Walk(who, to)),
            2 => (0.0f64..200.0, 0.0f64..200.0).prop_map(|(x, y)| Act::Spawn(x, y)),
            1 => (0usize..30).prop_map(Act::Remove),
            1 => (0usize..4).prop_map(Act::Skip),
        ];
        proptest::collection::vec(proptest::collection::vec(act, 0..12), 1..50)
    }

    proptest! {
        /// Whatever walks, comes and goes, and whatever updates were left out: after each update a client
        /// knows exactly what lies within its view, under the right names and at the right places.
        #[test]
        fn a_client_knows_what_the_server_shows(ticks in acts(), hz in prop_oneof![Just(1u32), Just(20)]) {
            let extent = Rect { x0: 0, y0: 0, x1: 200, y1: 200 };
            let mut sim = Sim::new(Box::new(Flat), extent, hz, 40, 100);
            let mut there: Vec<(u16, u32, String)> = Vec::new();
            let mut clients: Vec<(Client, (f64, f64))> =
                [(10.0, 10.0), (100.0, 100.0), (60.0, 140.0), (199.0, 1.0)].map(|at| (Client::default(), at)).into();
            let mut named = 0;
            for acts in ticks {
                let mut skipped = Vec::new();
                for act in acts {
                    match act {
                        Act::Walk(who, to) if !there.is_empty() => {
                            let who = who % there.len();
                            there[who].1 += 1;
                            let _ = sim.input(there[who].0, there[who].1, to.cos(), to.sin());
                        }
                        Act::Spawn(x, y) => {
                            let id = sim.reserve().expect("an id");
                            named += 1;
                            let name = format!("n{named}");
                            sim.spawn(id, &Look { kind: 0, name: name.clone(), faction: String::new() }, (x, y));
                            there.push((id, 0, name));
                        }
                        Act::Remove(who) if !there.is_empty() => {
                            let (id, ..) = there.swap_remove(who % there.len());
                            sim.remove(id);
                        }
                        Act::Skip(client) => skipped.push(client),
                        _ => {}
                    }
                }
                sim.step(1.0);
                for (n, (client, at)) in clients.iter_mut().enumerate() {
                    if skipped.contains(&n) {
                        continue;
                    }
                    let mut out = BytesMut::new();
                    let middle = centimetres(*at);
                    if sim.gather(&mut client.view, middle, n as u32, &mut out) {
                        let mut messages = read_server_frame(&out).expect("readable");
                        let Some(ServerMessage::Update(update)) = messages.pop() else { panic!("an update") };
                        prop_assert_eq!(update.tick, sim.tick() as u32);
                        client.read(update);
                    } else {
                        prop_assert!(out.is_empty());
                    }
                    prop_assert_eq!(client.acked, n as u32);
                    for (id, _, name) in &there {
                        let (x, y) = centimetres(sim.place(*id).expect("there"));
                        let distance = f64::from(x - middle.0).hypot(f64::from(y - middle.1));
                        match client.seen.get(id) {
                            Some(seen) => {
                                prop_assert_eq!(seen, &(x, y, name.clone()));
                                prop_assert!(distance <= 4_400.5, "sees too far");
                            }
                            None => prop_assert!(distance >= 3_999.5, "does not see {name}"),
                        }
                    }
                    prop_assert!(client.seen.keys().all(|id| there.iter().any(|t| t.0 == *id)), "sees one who left");
                }
            }
        }
    }

    #[test]
    fn nothing_new_is_nothing_to_send() {
        let mut sim = Sim::new(Box::new(Flat), Rect { x0: 0, y0: 0, x1: 64, y1: 64 }, 20, 60, 0);
        let id = sim.reserve().expect("an id");
        sim.spawn(id, &Look { kind: 0, name: "a".into(), faction: String::new() }, (5.0, 5.0));
        let (mut view, mut out) = (View::default(), BytesMut::new());
        sim.step(1.0);
        assert!(sim.gather(&mut view, (500, 500), 0, &mut out), "the first one is whole");
        sim.step(1.0);
        assert!(!sim.gather(&mut view, (500, 500), 0, &mut out));
        assert!(
            sim.gather(&mut View::default(), (500, 500), 0, &mut out),
            "of another client it is the first"
        );
    }
}
