//! Whether those who see the same thing know the same of it.

use std::collections::HashMap;

use pangea_client::{Entity, View};

/// What was compared, when everybody stood still.
#[derive(Debug, Default, Clone)]
pub(super) struct Probe {
    /// Things that at least two know.
    pub(super) shared: usize,
    /// The first of those that are not the same to all, at most 5.
    pub(super) differences: Vec<String>,
}

/// Compares what these know.
pub(super) fn compare<'a>(views: impl Iterator<Item = &'a View>) -> Probe {
    let mut seen: HashMap<u16, (&Entity, bool)> = HashMap::new();
    let mut probe = Probe::default();
    for (id, entity) in views.flat_map(View::entities) {
        let Some((first, shared)) = seen.get_mut(id) else {
            seen.insert(*id, (entity, false));
            continue;
        };
        if !std::mem::replace(shared, true) {
            probe.shared += 1;
        }
        if *first != entity && probe.differences.len() < 5 {
            probe.differences.push(format!("{id}: {first:?} and {entity:?}"));
        }
    }
    probe
}

#[cfg(test)]
mod tests {
    use pangea_world::frames::{Entered, Update};

    use super::*;

    #[test]
    fn a_centimetre_is_a_difference() {
        let view = |ids: &[(u16, i32)]| {
            let mut view = View::default();
            let came =
                |(id, x): &(u16, i32)| Entered { id: *id, kind: 0, x: *x, y: 0, components: Vec::new() };
            let update = Update { whole: true, entered: ids.iter().map(came).collect(), ..Update::default() };
            view.apply(update).expect("a whole view");
            view
        };
        let same = compare([view(&[(1, 10), (2, 20)]), view(&[(2, 20), (3, 30)])].iter());
        assert_eq!((same.shared, same.differences.len()), (1, 0));
        let other = compare([view(&[(1, 10), (2, 20)]), view(&[(2, 21), (1, 10)])].iter());
        assert_eq!((other.shared, other.differences.len()), (2, 1));
    }
}
