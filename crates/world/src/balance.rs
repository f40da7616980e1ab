//! When an area has too much to do it is split along a cell border, and quiet halves become one again. Decides from
//! what central hears of its areas; time is an argument. What is decided comes with its reason, for the log and the
//! operators.
//!
//! Nothing flaps: an area must be hot for [`HOT_MS`] and its halves quiet for [`QUIET_MS`]; two that become one have
//! together at most half of what splits one; and after each change the ground rests.

use std::collections::HashMap;

use crate::id::AreaId;
use crate::space::Rect;

/// So long an area has too much to do before it is split, ms.
pub const HOT_MS: u64 = 1_500;

/// So long two areas have little to do before they become one, ms.
pub const QUIET_MS: u64 = 10_000;

/// So long a ground is left alone after a change, ms.
pub const REST_MS: u64 = 5_000;

/// The same after one that was tried and did not come about, ms.
pub const FAILED_MS: u64 = 60_000;

/// Of the players of an area at least so many of a hundred go to the lesser half, or it is not worth it.
const LEAST_OF_100: u32 = 10;

/// From when on an area is split, and until when two become one. `None` in a world's file: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// More players than this are too many, 1 to 10,000.
    pub players: u32,
    /// More time for a tick than this is too much, µs.
    pub tick_us: u32,
    /// Two areas with so few players together become one, at most half of `players`.
    pub merge_below: u32,
}

/// What is known of one area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Which.
    pub area: AreaId,
    /// Its cells.
    pub ground: Rect,
    /// Only areas of one layer become one.
    pub layer: u16,
    /// Characters inside.
    pub players: u32,
    /// Mean time of a tick, µs.
    pub tick_us: u32,
    /// Players by cell; empty: not known yet.
    pub cells: Vec<((i32, i32), u32)>,
    /// It stays as it is: on its way, not ours, one of several layers.
    pub fixed: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It is hot: say who stands where.
    Ask(AreaId),
    /// Half of it becomes an area of its own.
    Split {
        /// Which.
        area: AreaId,
        /// What it keeps, and what goes.
        grounds: [Rect; 2],
        /// Why.
        why: String,
    },
    /// It is hot and cannot be split so that it helps, as they stand now. Said once; it is looked at again.
    Stays {
        /// Which.
        area: AreaId,
        /// Why.
        why: String,
    },
    /// Two become one.
    Merge {
        /// The one that stays, and the one whose ground it gets.
        areas: [AreaId; 2],
        /// Why.
        why: String,
    },
}

/// What was seen of a world's areas until now.
#[derive(Debug, Default)]
pub struct Balance {
    since: HashMap<AreaId, Since>,
}

/// Since when, ms.
#[derive(Debug, Clone, Copy, Default)]
struct Since {
    hot: Option<u64>,
    quiet: Option<u64>,
    rests_until: u64,
    /// That it stays as it is was said since it is hot.
    said: bool,
}

impl Balance {
    /// One look at all areas of a world that run. `square` is the ground that a new area would have there: only
    /// halves of one become one again.
    pub fn turn(
        &mut self,
        now_ms: u64,
        budget: &Budget,
        loads: &[Load],
        square: impl Fn(&Rect) -> Option<Rect>,
    ) -> Vec<Act> {
        self.since
            .retain(|area, since| since.rests_until > now_ms || loads.iter().any(|load| load.area == *area));
        let mut acts = Vec::new();
        for load in loads {
            let since = self.since.entry(load.area).or_default();
            let hot = budget.too_much(load);
            since.hot = hot.as_ref().map(|_| since.hot.unwrap_or(now_ms));
            since.said &= hot.is_some();
            let quiet = hot.is_none() && load.players <= budget.merge_below;
            since.quiet = quiet.then(|| since.quiet.unwrap_or(now_ms));
            let Some(why) = hot.filter(|_| !load.fixed && load.ground.cells() > 1) else { continue };
            let ripe = since.hot.is_some_and(|hot| now_ms >= hot + HOT_MS) && since.rests_until <= now_ms;
            if load.cells.is_empty() {
                acts.push(Act::Ask(load.area));
            } else if ripe {
                match cut(&load.ground, &load.cells) {
                    Some((grounds, counts)) => {
                        since.rests_until = now_ms + REST_MS;
                        let [a, b] = counts;
                        let why = format!("{why}; {a} players stay, {b} go");
                        acts.push(Act::Split { area: load.area, grounds, why });
                    }
                    None if std::mem::replace(&mut since.said, true) => {}
                    None => {
                        acts.push(Act::Stays { area: load.area, why: format!("{why}; no cut halves them") })
                    }
                }
            }
        }
        self.merges(now_ms, budget, loads, square, &mut acts);
        acts
    }

    fn merges(
        &mut self,
        now_ms: u64,
        budget: &Budget,
        loads: &[Load],
        square: impl Fn(&Rect) -> Option<Rect>,
        acts: &mut Vec<Act>,
    ) {
        let ripe = |since: &Since| {
            since.rests_until <= now_ms && since.quiet.is_some_and(|quiet| now_ms >= quiet + QUIET_MS)
        };
        let still = |load: &&Load| !load.fixed && self.since.get(&load.area).is_some_and(ripe);
        let quiet: Vec<&Load> = loads.iter().filter(still).collect();
        let mut taken: Vec<AreaId> = Vec::new();
        for (n, a) in quiet.iter().enumerate() {
            for b in &quiet[n + 1..] {
                let free = !taken.contains(&a.area) && !taken.contains(&b.area);
                let players = a.players + b.players;
                let together = a.layer == b.layer && players <= budget.merge_below;
                let light = a.tick_us.saturating_add(b.tick_us) <= budget.tick_us / 2;
                let Some(union) = a.ground.union(&b.ground).filter(|_| free && together && light) else {
                    continue;
                };
                if square(&union).is_none_or(|square| !square.includes(&union)) {
                    continue;
                }
                let (kept, other) = if a.ground.cells() >= b.ground.cells() { (a, b) } else { (b, a) };
                taken.extend([a.area, b.area]);
                let why = format!(
                    "{players} players together for {} s, at most {} are few",
                    QUIET_MS / 1_000,
                    budget.merge_below
                );
                acts.push(Act::Merge { areas: [kept.area, other.area], why });
            }
        }
        for area in taken {
            self.rest(area, now_ms + REST_MS);
        }
    }

    /// This area is left alone until then.
    pub fn rest(&mut self, area: AreaId, until_ms: u64) {
        self.since.insert(area, Since { rests_until: until_ms, ..Since::default() });
    }
}

impl Budget {
    /// Why this is too much; `None`: it is not.
    pub fn too_much(&self, load: &Load) -> Option<String> {
        if load.players > self.players {
            return Some(format!("{} players, more than {}", load.players, self.players));
        }
        let ms = |us: u32| f64::from(us) / 1e3;
        (load.tick_us > self.tick_us)
            .then(|| format!("a tick takes {:.1} ms, more than {:.1}", ms(load.tick_us), ms(self.tick_us)))
    }
}

/// Cuts a ground along the cell border that halves its players best, the greater ground first; how many stand on
/// each. `None`: it is one cell, or nearly all stand in one.
pub fn cut(ground: &Rect, cells: &[((i32, i32), u32)]) -> Option<([Rect; 2], [u32; 2])> {
    let all: u32 = cells.iter().map(|(_, players)| players).sum();
    let west = |x: i32| {
        let of_it = cells.iter().filter(|((at, _), _)| *at < x).map(|(_, players)| players);
        (of_it.sum(), [Rect { x1: x, ..*ground }, Rect { x0: x, ..*ground }])
    };
    let north = |y: i32| {
        let of_it = cells.iter().filter(|((_, at), _)| *at < y).map(|(_, players)| players);
        (of_it.sum(), [Rect { y1: y, ..*ground }, Rect { y0: y, ..*ground }])
    };
    let cuts = (ground.x0 + 1..ground.x1).map(west).chain((ground.y0 + 1..ground.y1).map(north));
    let uneven = |(first, [a, b]): &(u32, [Rect; 2])| {
        // Of those that halve the players alike the one whose parts are most alike, and then the shortest.
        (first.abs_diff(all - first), a.cells().abs_diff(b.cells()), (a.x1 - a.x0).abs_diff(a.y1 - a.y0))
    };
    let (first, [a, b]) = cuts.min_by_key(uneven)?;
    let (here, there) = (first, all - first);
    if all > 0 && u64::from(here.min(there)) * 100 < u64::from(all) * u64::from(LEAST_OF_100) {
        return None;
    }
    Some(if a.cells() >= b.cells() { ([a, b], [here, there]) } else { ([b, a], [there, here]) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUDGET: Budget = Budget { players: 80, tick_us: 20_000, merge_below: 20 };
    const WHOLE: Rect = Rect { x0: 0, y0: 0, x1: 4, y1: 4 };

    fn id(n: u8) -> AreaId {
        AreaId([n; 16])
    }

    fn load(n: u8, ground: Rect, cells: &[((i32, i32), u32)]) -> Load {
        let players = cells.iter().map(|(_, players)| players).sum();
        Load { area: id(n), ground, layer: 0, players, tick_us: 0, cells: cells.to_vec(), fixed: false }
    }

    fn rect(x0: i32, y0: i32, x1: i32, y1: i32) -> Rect {
        Rect { x0, y0, x1, y1 }
    }

    /// One look each half second, with nothing changing, for so long; what was to be done last.
    fn watch(balance: &mut Balance, from_ms: u64, for_ms: u64, loads: &[Load]) -> Vec<Act> {
        let turns = (0..=for_ms / 500).map(|n| from_ms + n * 500);
        let acts = turns.map(|now_ms| balance.turn(now_ms, &BUDGET, loads, |_| Some(WHOLE)));
        acts.filter(|acts| !acts.is_empty()).last().unwrap_or_default()
    }

    #[test]
    fn a_cut_halves_the_players_and_then_the_ground() {
        let check = |ground: Rect, cells: &[((i32, i32), u32)], wanted: Option<([Rect; 2], [u32; 2])>| {
            assert_eq!(cut(&ground, cells), wanted, "{cells:?}");
        };
        let two = rect(0, 0, 2, 1);
        check(two, &[((0, 0), 5), ((1, 0), 6)], Some(([rect(0, 0, 1, 1), rect(1, 0, 2, 1)], [5, 6])));
        // The greater ground stays the area's.
        let row = rect(0, 0, 4, 1);
        check(row, &[((0, 0), 9), ((2, 0), 9)], Some(([rect(0, 0, 2, 1), rect(2, 0, 4, 1)], [9, 9])));
        check(row, &[((0, 0), 9), ((1, 0), 9)], Some(([rect(1, 0, 4, 1), rect(0, 0, 1, 1)], [9, 9])));
        // North and south, where that halves better.
        let cells = [((0, 0), 9), ((1, 0), 9), ((0, 3), 9), ((1, 3), 9), ((2, 3), 1)];
        check(WHOLE, &cells, Some(([rect(0, 0, 4, 2), rect(0, 2, 4, 4)], [18, 19])));
        // Nobody is there: through the middle.
        check(WHOLE, &[], Some(([rect(0, 0, 2, 4), rect(2, 0, 4, 4)], [0, 0])));
        check(rect(3, 3, 4, 4), &[((3, 3), 9)], None);
        check(two, &[((0, 0), 100), ((1, 0), 9)], None);
        check(two, &[((0, 0), 90), ((1, 0), 10)], Some(([rect(0, 0, 1, 1), rect(1, 0, 2, 1)], [90, 10])));
    }

    #[test]
    fn an_area_is_split_once_it_was_hot_for_long_enough() {
        let crowd = [((0, 0), 60), ((3, 3), 60)];
        let mut balance = Balance::default();
        assert_eq!(watch(&mut balance, 0, HOT_MS - 500, &[load(1, WHOLE, &crowd)]), []);
        let acts = balance.turn(HOT_MS, &BUDGET, &[load(1, WHOLE, &crowd)], |_| Some(WHOLE));
        let [Act::Split { area, grounds: [a, b], why }] = acts.as_slice() else { panic!("{acts:?}") };
        assert_eq!((*area, a.union(b)), (id(1), Some(WHOLE)));
        assert_eq!(why, "120 players, more than 80; 60 players stay, 60 go");
        // Until that is done, or given up, nothing more is asked of it.
        assert_eq!(balance.turn(HOT_MS + 500, &BUDGET, &[load(1, WHOLE, &crowd)], |_| Some(WHOLE)), []);
        assert_eq!(
            balance.turn(HOT_MS + REST_MS, &BUDGET, &[load(1, WHOLE, &crowd)], |_| Some(WHOLE)).len(),
            1
        );
    }

    #[test]
    fn what_is_not_known_or_may_not_be_is_not_done() {
        let crowd = [((0, 0), 60), ((3, 3), 60)];
        let after = |load: Load| watch(&mut Balance::default(), 0, 3 * HOT_MS, &[load]);
        let hot = load(1, WHOLE, &crowd);
        assert_eq!(after(Load { cells: Vec::new(), ..hot.clone() }), [Act::Ask(id(1))]);
        assert_eq!(after(Load { fixed: true, ..hot.clone() }), []);
        assert_eq!(after(Load { players: 80, ..hot.clone() }), [], "80 are not more than 80");
        assert_eq!(after(load(1, rect(0, 0, 1, 1), &[((0, 0), 120)])), [], "a cell is never cut");
        let acts = after(load(1, WHOLE, &[((0, 0), 120)]));
        assert!(matches!(acts.as_slice(), [Act::Stays { .. }]), "{acts:?}");
        // They came in at one place: once they have spread it is split, at the next look.
        let mut balance = Balance::default();
        watch(&mut balance, 0, HOT_MS, &[load(1, WHOLE, &[((0, 0), 120)])]);
        let acts = balance.turn(HOT_MS + 500, &BUDGET, &[load(1, WHOLE, &crowd)], |_| Some(WHOLE));
        assert!(matches!(acts.as_slice(), [Act::Split { .. }]), "{acts:?}");
        let slow =
            after(Load { players: 10, tick_us: 30_000, ..load(1, WHOLE, &[((0, 0), 5), ((2, 0), 5)]) });
        let [Act::Split { why, .. }] = slow.as_slice() else { panic!("{slow:?}") };
        assert!(why.starts_with("a tick takes 30.0 ms, more than 20.0"), "{why}");
    }

    #[test]
    fn quiet_halves_become_one_and_others_do_not() {
        let (west, east) = (rect(0, 0, 1, 4), rect(1, 0, 4, 4));
        let halves = [load(1, west, &[((0, 0), 9)]), load(2, east, &[((1, 0), 9)])];
        let after = |loads: &[Load]| watch(&mut Balance::default(), 0, 2 * QUIET_MS, loads);
        assert_eq!(watch(&mut Balance::default(), 0, QUIET_MS - 500, &halves), []);
        let acts = after(&halves);
        let [Act::Merge { areas, why }] = acts.as_slice() else { panic!("{acts:?}") };
        assert_eq!(
            (*areas, why.as_str()),
            ([id(2), id(1)], "18 players together for 10 s, at most 20 are few")
        );
        let [a, b] = halves;
        assert_eq!(after(&[a.clone(), Load { layer: 1, ..b.clone() }]), []);
        assert_eq!(after(&[a.clone(), Load { fixed: true, ..b.clone() }]), []);
        assert_eq!(after(&[a.clone(), Load { players: 12, ..b.clone() }]), [], "21 are too many");
        assert_eq!(
            after(&[a.clone(), Load { tick_us: 10_001, ..b.clone() }]),
            [],
            "it would be too much soon"
        );
        assert_eq!(after(&[a.clone(), load(2, rect(1, 0, 4, 3), &[])]), [], "no rectangle");
        let mut balance = Balance::default();
        let two_squares = (0..40).flat_map(|n| {
            let square = |cells: &Rect| (cells.x1 <= 1).then_some(rect(0, 0, 1, 4));
            balance.turn(n * 500, &BUDGET, &[a.clone(), b.clone()], square)
        });
        assert_eq!(two_squares.count(), 0, "squares of the world's file stay apart");
    }

    /// A world of one square as the areas make it, with players who wander.
    struct Scene {
        balance: Balance,
        grounds: Vec<(AreaId, Rect)>,
        players: Vec<(i32, i32)>,
        next: u8,
        changes: Vec<u64>,
    }

    impl Scene {
        fn turn(&mut self, now_ms: u64) {
            let loads: Vec<Load> = self
                .grounds
                .iter()
                .map(|(area, ground)| {
                    let mut cells: std::collections::BTreeMap<(i32, i32), u32> = Default::default();
                    let inside = |(x, y): &&(i32, i32)| ground.contains((*x).into(), (*y).into());
                    self.players.iter().filter(inside).for_each(|at| *cells.entry(*at).or_default() += 1);
                    let cells: Vec<_> = cells.into_iter().collect();
                    Load { area: *area, ..load(0, *ground, &cells) }
                })
                .collect();
            for act in self.balance.turn(now_ms, &BUDGET, &loads, |_| Some(WHOLE)) {
                match act {
                    Act::Split { area, grounds: [keeps, goes], .. } => {
                        self.next += 1;
                        self.grounds.retain(|(known, _)| *known != area);
                        self.grounds.extend([(area, keeps), (id(self.next), goes)]);
                        self.changes.push(now_ms);
                    }
                    Act::Merge { areas: [kept, other], .. } => {
                        let ground =
                            |area| self.grounds.iter().find(|(known, _)| *known == area).expect("it").1;
                        let union = ground(kept).union(&ground(other)).expect("a rectangle");
                        self.grounds.retain(|(known, _)| *known != kept && *known != other);
                        self.grounds.push((kept, union));
                        self.changes.push(now_ms);
                    }
                    Act::Ask(_) | Act::Stays { .. } => {}
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Whatever players do the ground is covered once; and once they stand still so do the grounds, none hot that
        /// can be cut.
        #[test]
        fn nothing_flaps(seed in any::<u64>(), count in 0..200_usize) {
            let mut dice = seed;
            let mut roll = |below: u64| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (dice >> 33) % below
            };
            let players = (0..count).map(|_| (roll(4) as i32, roll(4) as i32)).collect();
            let mut scene = Scene {
                balance: Balance::default(),
                grounds: vec![(id(0), WHOLE)],
                players,
                next: 0,
                changes: Vec::new(),
            };
            let walks = 600;
            for turn in 0..walks {
                // A few take a step; now and then all of a sudden many go to one place.
                let target = (roll(40) == 0).then(|| (roll(4) as i32, roll(4) as i32));
                for at in &mut scene.players {
                    match target {
                        Some(target) if roll(2) == 0 => *at = target,
                        _ if roll(20) == 0 => {
                            at.0 = (at.0 + roll(3) as i32 - 1).clamp(0, 3);
                            at.1 = (at.1 + roll(3) as i32 - 1).clamp(0, 3);
                        }
                        _ => {}
                    }
                }
                scene.turn(turn * 500);
                let covered: u64 = scene.grounds.iter().map(|(_, ground)| ground.cells()).sum();
                prop_assert_eq!(covered, WHOLE.cells());
                let apart = |a: usize, b: usize| !scene.grounds[a].1.overlaps(&scene.grounds[b].1);
                prop_assert!((0..scene.grounds.len()).all(|a| (0..a).all(|b| apart(a, b))));
                prop_assert!(scene.grounds.iter().all(|(_, ground)| !ground.is_empty()));
            }
            let settled = walks * 500 + 120_000;
            for turn in walks..walks + 480 {
                scene.turn(turn * 500);
            }
            prop_assert!(scene.changes.iter().all(|at| *at <= settled), "it never comes to rest");
        }
    }
}
