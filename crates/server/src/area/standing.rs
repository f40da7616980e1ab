//! What central is told of those who are inside: where they stand, and what they are.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use pangea_engine::Sim;
use pangea_engine::sim::centimetres;
use pangea_world::id::CharacterId;
use pangea_world::messages::{Body, Left, MAX_RECORD_BYTES, Places};

use super::here::{Area, Here};

/// How often a character's record is written at most while it stays, ms: a kill costs no more.
pub const RECORD_EVERY_MS: u64 = 3_000;

/// From how many bytes of records on a further batch of places begins.
const BATCH_BYTES: usize = 1 << 20;

impl Area {
    /// Tells central of those that moved, or are another, since it was told last.
    pub fn tell_places(&mut self) {
        if !self.has_room() {
            return;
        }
        let mut batches = Vec::new();
        let (mut places, mut bytes) = (Vec::new(), 0);
        for (character, here) in self.here.iter_mut().filter(|(_, here)| here.in_world) {
            let Some((x, y)) = self.sim.place(here.entity) else { continue };
            let now = centimetres((x, y));
            let moved = here.told.replace(now) != Some(now);
            let record = here.changed_record(&self.sim, *character, self.now_ms);
            if moved || !record.is_empty() {
                bytes += record.len();
                places.push(Left { character: character.to_vec(), epoch: here.epoch, x, y, record });
            }
            if bytes >= BATCH_BYTES {
                batches.push(std::mem::take(&mut places));
                bytes = 0;
            }
        }
        batches.push(places);
        for places in batches.into_iter().filter(|places| !places.is_empty()) {
            self.tell(Body::Places(Places { places }));
        }
    }

    /// A character's record as central takes it; empty: there is none that can be written.
    pub fn record_of(&self, character: CharacterId) -> Vec<u8> {
        let record = self.here.get(&character).and_then(|here| self.sim.record(here.entity));
        bounded(character, record)
    }
}

impl Here {
    /// Its record, if it is time to look and it is another than central was told; else empty.
    fn changed_record(&mut self, sim: &Sim, character: CharacterId, now_ms: u64) -> Vec<u8> {
        let (told, look_ms) = self.recorded;
        // A frozen one's record went with its commit.
        if look_ms > now_ms || self.frozen.is_some() {
            return Vec::new();
        }
        let Some(record) = sim.record(self.entity) else { return Vec::new() };
        let now = hash(&record);
        self.recorded = (now, now_ms + RECORD_EVERY_MS);
        if now == told { Vec::new() } else { bounded(character, Some(record)) }
    }
}

/// Tells two records of a character apart.
pub fn hash(record: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    record.hash(&mut hasher);
    hasher.finish()
}

/// One that is too long is not written: the one before it stays.
pub fn bounded(character: CharacterId, record: Option<Vec<u8>>) -> Vec<u8> {
    let record = record.unwrap_or_default();
    if record.len() <= MAX_RECORD_BYTES {
        return record;
    }
    let bytes = record.len();
    tracing::error!(%character, bytes, "a character's record is too long; the one before it is kept");
    Vec::new()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use pangea_engine::prelude::*;

    use super::super::admission::tests::doc;
    use super::super::ledger::tests::{HERO, area_of};
    use super::super::tests::flat;
    use super::*;

    #[derive(Component, Replicate, Default)]
    struct Purse {
        coins: u32,
    }

    fn game() -> Game {
        fn build(area: &mut Builder, _: &Setup<'_>) {
            area.component::<Purse>().walking();
        }
        Game { build, ..flat() }
    }

    /// What central is told three seconds later: who, where (metres), and whether with a record.
    fn told_later(area: &mut Area, told: &Mutex<Vec<Left>>) -> Vec<(u8, f64, bool)> {
        area.sim.step(1.0);
        area.now_ms += RECORD_EVERY_MS;
        area.tell_places();
        area.tell_waiting();
        let mut told = std::mem::take(&mut *told.lock().expect("a lock"));
        told.sort_by_key(|left| left.character[0]);
        told.iter().map(|left| (left.character[0], left.x, !left.record.is_empty())).collect()
    }

    /// Who stands still and is the same is not written again; of the others only what has changed is.
    #[test]
    fn only_what_has_changed_is_told() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        let tell = Arc::new(move |body| {
            if let Body::Places(places) = body {
                heard.lock().expect("a lock").extend(places.places);
            }
            Ok(())
        });
        let mut area = area_of(&game(), tell);
        let (ada, bob) = (area.sim.join("Ada", (10.0, 10.0)), area.sim.join("Bob", (20.0, 10.0)));
        for (n, entity) in [(1, ada), (2, bob)] {
            let mut here = Here::inside(doc(n), 3);
            here.entity = entity;
            area.here.insert(CharacterId([n; 16]), here);
            let entity = area.sim.entity(entity).expect("there");
            area.sim.ecs().entity_mut(entity).insert(Purse::default());
        }
        assert!(area.here.contains_key(&HERO));
        assert_eq!(told_later(&mut area, &told), [(1, 10.0, true), (2, 20.0, true)], "all, at first");
        for _ in 0..3 {
            assert_eq!(told_later(&mut area, &told), [], "nobody has moved or changed");
        }
        let entity = area.sim.entity(bob).expect("there");
        area.sim.ecs().get_mut::<Purse>(entity).expect("a purse").coins = 5;
        assert_eq!(told_later(&mut area, &told), [(2, 20.0, true)], "he is richer");
        area.sim.ecs().get_mut::<Position>(entity).expect("a place").x = 21.0;
        assert_eq!(told_later(&mut area, &told), [(2, 21.0, false)], "he has walked, and is the same");
        assert_eq!(told_later(&mut area, &told), []);
    }
}
