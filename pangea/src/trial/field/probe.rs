//! Whether those who see the same thing know the same of it, and whether they see what they should.

use std::collections::HashMap;

use pangea_client::{Entity, View};

/// What rounding may do to a distance, centimetres.
const NOISE_CM: f64 = 2.0;
/// Whoever came into view is known until he is so much farther away.
const STAYS: f64 = 1.1;
/// Kind of a character.
const CHARACTER: u8 = 0;
/// Differences that are told of.
const MOST_DIFFERENCES: usize = 5;

/// What was compared, when everybody stood still.
#[derive(Debug, Default, Clone)]
pub(super) struct Probe {
    /// Things that at least two know.
    pub(super) shared: usize,
    /// Whom somebody must know, or may: pairs within `STAYS` times the view.
    pub(super) pairs: usize,
    /// The first things that are not the same to all, are not known within the view, or are known far beyond
    /// it, at most 5.
    pub(super) differences: Vec<String>,
}

impl Probe {
    fn differ(&mut self, what: String) {
        if self.differences.len() < MOST_DIFFERENCES {
            self.differences.push(what);
        }
    }
}

/// Compares what these know, each with a view of `view_m`; where not all is quiet (`restless`), only where the
/// characters are.
pub(super) fn compare(views: &[&View], view_m: u32, restless: bool) -> Probe {
    let mut seen: HashMap<u16, (&Entity, bool)> = HashMap::new();
    let mut probe = Probe::default();
    for (id, entity) in views.iter().flat_map(|view| view.entities()) {
        if restless && entity.kind != CHARACTER {
            continue;
        }
        let Some((first, shared)) = seen.get_mut(id) else {
            seen.insert(*id, (entity, false));
            continue;
        };
        if !std::mem::replace(shared, true) {
            probe.shared += 1;
        }
        let same =
            if restless { (first.x_cm, first.y_cm) == (entity.x_cm, entity.y_cm) } else { *first == entity };
        if !same {
            probe.differ(format!("{id}: {first:?} and {entity:?}"));
        }
    }
    for view in views {
        look_around(view, f64::from(view_m) * 100.0, &seen, &mut probe);
    }
    probe
}

/// Whether one knows all within its view that anybody knows of, and none far beyond it.
fn look_around(view: &View, near_cm: f64, seen: &HashMap<u16, (&Entity, bool)>, probe: &mut Probe) {
    let Some(me) = view.me() else { return probe.differ(format!("{} does not know itself", view.me)) };
    for (id, (entity, _)) in seen {
        let [dx, dy] = [entity.x_cm - me.x_cm, entity.y_cm - me.y_cm].map(f64::from);
        let distance_cm = dx.hypot(dy);
        let known = view.entities().contains_key(id);
        probe.pairs += usize::from(known || distance_cm <= near_cm);
        if !known && distance_cm < near_cm - NOISE_CM {
            probe.differ(format!("{} does not know {id}, {distance_cm:.0} cm away", view.me));
        }
        if known && distance_cm > near_cm * STAYS + NOISE_CM {
            probe.differ(format!("{} knows {id}, {distance_cm:.0} cm away", view.me));
        }
    }
}

#[cfg(test)]
mod tests {
    use pangea_world::frames::{Entered, Update};

    use super::*;

    /// What one whose own id is the first knows: ids and x in centimetres.
    fn view(ids: &[(u16, i32)]) -> View {
        let mut view = View::default();
        view.me = ids[0].0;
        let came = |(id, x): &(u16, i32)| Entered { id: *id, kind: 0, x: *x, y: 0, components: Vec::new() };
        let update = Update { whole: true, entered: ids.iter().map(came).collect(), ..Update::default() };
        view.apply(update).expect("a whole view");
        view
    }

    fn differences(a: &[(u16, i32)], b: &[(u16, i32)]) -> (usize, usize) {
        let probe = compare(&[&view(a), &view(b)], 20, false);
        (probe.shared, probe.differences.len())
    }

    #[test]
    fn a_centimetre_is_a_difference() {
        assert_eq!(differences(&[(1, 10), (2, 20), (3, 30)], &[(3, 30), (2, 20), (1, 10)]), (3, 0));
        assert_eq!(differences(&[(1, 10), (2, 20)], &[(2, 21), (1, 10)]), (2, 1));
    }

    #[test]
    fn where_creatures_walk_the_characters_are_compared() {
        let view = |kind, x| {
            let mut view = view(&[(1, 0)]);
            let came = Entered { id: 2, kind, x, y: 0, components: Vec::new() };
            view.apply(Update { entered: vec![came], ..Update::default() }).expect("one more");
            view
        };
        let differences =
            |kind, restless| compare(&[&view(kind, 10), &view(kind, 15)], 20, restless).differences.len();
        assert_eq!((differences(0, true), differences(3, true), differences(3, false)), (1, 0, 1));
    }

    #[test]
    fn whom_one_must_know_and_whom_not() {
        assert_eq!(differences(&[(1, 0)], &[(2, 2_100)]), (0, 0), "out of view");
        assert_eq!(differences(&[(1, 0), (2, 2_100)], &[(2, 2_100)]), (1, 0), "not yet out of view");
        assert_eq!(differences(&[(1, 0), (2, 2_300)], &[(2, 2_300)]), (1, 1), "long out of view");
        assert_eq!(differences(&[(1, 0)], &[(2, 1_900), (1, 0)]), (1, 1), "in view of one alone");
    }
}
