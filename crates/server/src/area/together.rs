//! Characters that belong together ([`pangea_engine::Together`]) go over a border together or not at all. Whoever
//! is ahead waits on a strip beyond the line; when all of them stand on the same ground there, they are one handoff.

use pangea_world::id::{CharacterId, TransferId};
use pangea_world::messages::MOST_TOGETHER;
use pangea_world::space::Rect;

use super::crossing::{OVER_M, within};
use super::here::Area;

/// How far beyond the line one may walk who waits there for the others, metres.
const STRIP_M: i32 = 4;

/// The grounds that are open to all of a group, each with the strip of it on which they wait for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common(Vec<(Rect, Rect)>);

impl Common {
    /// The strip of a ground, if it is open to all.
    pub fn strip(&self, ground: Rect) -> Option<Rect> {
        self.0.iter().find(|(of, _)| *of == ground).map(|(_, strip)| *strip)
    }

    /// How far it is to the end of the strip for one who stands so far beyond the line, metres; `None`: he does not
    /// stand beyond it, or nothing is open.
    pub fn end_m(&self, beyond_m: f64) -> Option<f64> {
        (beyond_m > 0.0 && !self.0.is_empty()).then(|| f64::from(STRIP_M) - beyond_m)
    }
}

impl Area {
    /// Who belongs together, and where they all can go.
    pub fn watch_groups(&mut self) {
        let groups = self.sim.groups();
        if groups.is_empty() && self.groups.is_empty() {
            return;
        }
        let extent = self.sim.extent();
        let mut reaches = Vec::new();
        for id in std::mem::replace(&mut self.groups, groups.clone()).into_iter().flatten() {
            if !groups.iter().flatten().any(|other| *other == id)
                && let Some(here) = self.here.get_mut(&id)
            {
                here.borders.common = None;
                reaches.push((here.entity, here.reach()));
            }
        }
        for group in groups {
            let open = |id: &CharacterId| -> Vec<Rect> {
                let here = self.here.get(id).filter(|here| here.in_world && here.frozen.is_none());
                here.map(|here| here.borders.open().map(|(ground, _)| ground).collect()).unwrap_or_default()
            };
            let others: Vec<Vec<Rect>> = group.iter().map(open).collect();
            let mut common = others.first().cloned().unwrap_or_default();
            common.retain(|ground| {
                group.len() <= MOST_TOGETHER && others.iter().all(|open| open.contains(ground))
            });
            let common = Common(common.into_iter().map(|ground| (ground, strip(ground, extent))).collect());
            for id in group {
                let Some(here) = self.here.get_mut(&id) else { continue };
                if here.borders.common.as_ref() != Some(&common) {
                    here.borders.common = Some(common.clone());
                    reaches.push((here.entity, here.reach()));
                }
            }
        }
        for (entity, reach) in reaches {
            self.sim.set_reach(entity, &reach);
        }
    }

    /// Groups that stand beyond a line with all of theirs go over it.
    pub fn cross_together(&mut self) {
        for group in self.groups.clone() {
            let going: Option<Vec<_>> = group.iter().map(|id| self.stands_beyond(*id)).collect();
            let Some(going) = going.filter(|going| going.len() <= MOST_TOGETHER) else { continue };
            let (grounds, going): (Vec<Rect>, Vec<_>) = going.into_iter().unzip();
            if grounds.windows(2).all(|two| two[0] == two[1]) {
                self.freeze(&going, true);
            }
        }
    }

    /// The ground on which a character stands beyond its line, and the handoff that was prepared for it there.
    fn stands_beyond(&self, id: CharacterId) -> Option<(Rect, (CharacterId, TransferId, u64))> {
        let here = self.here.get(&id).filter(|here| here.in_world && here.frozen.is_none())?;
        let (x, y) = self.sim.place(here.entity).filter(|at| -within(self.sim.extent(), *at) >= OVER_M)?;
        let (ground, transfer) = here.borders.open().find(|(ground, _)| ground.contains(x, y))?;
        Some((ground, (id, transfer, here.epoch)))
    }
}

/// The part of a ground that is near the area.
fn strip(ground: Rect, extent: Rect) -> Rect {
    Rect {
        x0: ground.x0.max(extent.x0 - STRIP_M),
        y0: ground.y0.max(extent.y0 - STRIP_M),
        x1: ground.x1.min(extent.x1 + STRIP_M),
        y1: ground.y1.min(extent.y1 + STRIP_M),
    }
}
