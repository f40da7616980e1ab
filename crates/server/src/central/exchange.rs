//! Players of full areas who wait for each other's places change them: without it they would wait for ever.

use std::collections::{HashMap, VecDeque};

use pangea_world::id::{AreaId, EnterId};
use pangea_world::space::Ground;

use super::state::State;

/// A ground, by the name of its world.
type GroundName = (String, Ground);

impl State {
    /// One who is in an area and finds the ground full to which he wishes: the layer on which somebody waits, directly
    /// or by way of others, for a place where he is. All of these may go at once then, and nobody else's seat is
    /// taken: each is over its capacity by one at most, until they have gone. `None`: nobody does.
    pub fn exchange(
        &mut self,
        to: &GroundName,
        (run, from): (EnterId, AreaId),
        layer: Option<u16>,
    ) -> Option<u16> {
        if let Some(place) = self.promised(to, run) {
            if self.takes_one_more(place) {
                return Some(self.areas[&place].name.layer);
            }
            // It is gone, or who should have left it has stayed.
            self.lines.get_mut(to)?.iter_mut().find(|waiting| waiting.run == run)?.place = None;
        }
        // From area to area along those who wait: where each was reached from, and by whose wish.
        let mut reached: HashMap<AreaId, Option<(AreaId, EnterId)>> = HashMap::new();
        let mut open: VecDeque<AreaId> = self.full_layers(to, layer).into();
        reached.extend(open.iter().map(|area| (*area, None)));
        while let Some(area) = open.pop_front() {
            if area == from {
                return self.promise(&reached, from);
            }
            for (ground, waiting, layer) in self.waiting_in(area, run) {
                for next in self.full_layers(&ground, layer) {
                    if let std::collections::hash_map::Entry::Vacant(entry) = reached.entry(next) {
                        entry.insert(Some((area, waiting)));
                        open.push_back(next);
                    }
                }
            }
        }
        None
    }

    /// The place that an earlier exchange keeps for one who waits.
    fn promised(&self, ground: &GroundName, run: EnterId) -> Option<AreaId> {
        self.lines.get(ground)?.iter().find(|waiting| waiting.run == run)?.place
    }

    /// Everybody on the way back from `last` gets the place of the next one; the first of these is the asker's.
    fn promise(&mut self, reached: &HashMap<AreaId, Option<(AreaId, EnterId)>>, last: AreaId) -> Option<u16> {
        let mut area = last;
        while let Some((before, run)) = reached.get(&area).copied().flatten() {
            let waiting = self.lines.values_mut().flatten().find(|waiting| waiting.run == run)?;
            waiting.place = Some(area);
            waiting.turn.notify_one();
            area = before;
        }
        Some(self.areas.get(&area)?.name.layer)
    }

    /// Who is in this area and waits to go elsewhere: to which ground, and to which layer of it.
    fn waiting_in(&self, area: AreaId, but: EnterId) -> Vec<(GroundName, EnterId, Option<u16>)> {
        let mut found = Vec::new();
        for (ground, line) in &self.lines {
            let there =
                line.iter().filter(|one| one.from == Some(area) && one.place.is_none() && one.run != but);
            found.extend(there.map(|one| (ground.clone(), one.run, one.layer)));
        }
        found
    }

    /// The layers of a ground that would take one more while one goes.
    fn full_layers(&self, (world, ground): &GroundName, layer: Option<u16>) -> Vec<AreaId> {
        let of_it =
            self.areas.iter().filter(|(_, area)| area.name.world == *world && area.name.ground == *ground);
        let of_it = of_it.filter(|(_, area)| layer.is_none_or(|layer| area.name.layer == layer));
        of_it.map(|(id, _)| *id).filter(|id| self.takes_one_more(*id)).collect()
    }

    fn takes_one_more(&self, area: AreaId) -> bool {
        self.areas.get(&area).is_some_and(|area| {
            let draining = area.server.as_ref().is_some_and(|server| server.draining);
            !draining && area.seats.len() <= area.world.capacity as usize
        })
    }
}
