//! What became of a walker's steps: where he stands follows from those that were taken.
//!
//! Each step is 25 cm in the direction that he gave, so who stands short of where they lead has lost some, and who
//! stands beyond has made some twice. A server refuses what comes too fast (after a piece of a bad line was held up)
//! and says so at most once a second: what is missing within that time was refused, and nothing more.

use super::SIDE_M;

/// How far a full step is, centimetres: 5 m/s at 20 ticks a second.
pub(super) const STEP_CM: f64 = 25.0;
/// So near to a line a shut border may have stopped him, centimetres.
pub(super) const WALL_CM: f64 = 35.0;
/// So far from a wall he is stopped, centimetres.
const RADIUS_CM: f64 = 30.0;
/// What rounding to centimetres may do to the sum of steps, centimetres.
const ROUNDING_CM: f64 = 2.5;
/// Ticks in which a server says only once that an input came too fast: a second, and what its clock may be off.
const TOLD_ONCE_TICKS: u32 = 22;

/// A point or a step, centimetres east and south.
pub(super) type Cm = (f64, f64);

/// What became of the steps between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    /// Each was made once.
    Made,
    /// So many were not made, or what earlier ones led to was taken back.
    Lost(u64),
    /// So many were made twice.
    Doubled(u64),
}

/// Compares where he is with where he was and the steps that were taken since; `last`: the one before them.
pub(super) fn became(now: Cm, then: Cm, steps: &[Cm], last: Cm) -> Became {
    let (east, south) = (steps.iter().map(|step| step.0), steps.iter().map(|step| step.1));
    if follows(now.0, then.0, east) && follows(now.1, then.1, south) {
        return Became::Made;
    }
    let by = sum(steps);
    let off = (now.0 - then.0 - by.0, now.1 - then.1 - by.1);
    let given = if by.0.hypot(by.1) < 1.0 { last } else { by };
    let many = (off.0.hypot(off.1) / STEP_CM).round().max(1.0) as u64;
    if off.0 * given.0 + off.1 * given.1 > 0.0 { Became::Doubled(many) } else { Became::Lost(many) }
}

/// Whether some of the steps, and none of them twice, lead there.
pub(super) fn some_lead(now: Cm, then: Cm, steps: &[Cm]) -> bool {
    let between = |now: f64, then: f64, steps: &mut dyn Iterator<Item = f64>| {
        let (low, high) =
            steps.fold((then, then), |(low, high), step| (low + step.min(0.0), high + step.max(0.0)));
        (low - ROUNDING_CM..=high + ROUNDING_CM).contains(&now)
    };
    between(now.0, then.0, &mut steps.iter().map(|step| step.0))
        && between(now.1, then.1, &mut steps.iter().map(|step| step.1))
}

fn sum(steps: &[Cm]) -> Cm {
    steps.iter().fold((0.0, 0.0), |sum, step| (sum.0 + step.0, sum.1 + step.1))
}

/// Whether he may stand here after these steps, along one axis, centimetres. A line may have been shut before him on
/// the way: then it was a wall, from which he may have turned back since.
fn follows(now: f64, then: f64, steps: impl Iterator<Item = f64>) -> bool {
    let line = f64::from(SIDE_M) * 100.0;
    let (mut free, mut shut) = (then, then);
    for step in steps {
        free += step;
        shut = match then < line {
            true => (shut + step).min(line - RADIUS_CM),
            false => (shut + step).max(line + RADIUS_CM),
        };
    }
    let between = (free.min(shut) - ROUNDING_CM)..=(free.max(shut) + ROUNDING_CM);
    between.contains(&now) || (now - line).abs() <= WALL_CM
}

/// The time in which what is missing may have been refused.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Refusing(Option<u32>);

impl Refusing {
    /// The server has said that an input came too fast; `tick`: that of its last update.
    pub(super) fn told(&mut self, tick: u32) {
        self.0 = Some(tick.wrapping_add(TOLD_ONCE_TICKS));
    }

    /// Another server steers, whose clock is another: what was refused by the one before shows in its first answer.
    pub(super) fn crossed(&mut self, tick: u32) {
        self.0 = self.0.map(|_| tick);
    }

    /// Whether an answer to inputs in this tick may be short of some; the first one after the time is the last that
    /// may, since a refused input shows only when a later one is taken.
    pub(super) fn may_miss(&mut self, tick: u32) -> bool {
        let Some(until) = self.0 else { return false };
        if tick.wrapping_sub(until) < u32::MAX / 2 {
            self.0 = None;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step that is lost shows, unless a shut line may have taken it.
    #[test]
    fn a_lost_step_shows_but_for_a_wall() {
        let check = |now: f64, then: f64, steps: &[f64]| follows(now, then, steps.iter().copied());
        assert!(check(1_050.0, 1_000.0, &[25.0, 25.0]));
        assert!(!check(1_025.0, 1_000.0, &[25.0, 25.0]) && !check(1_075.0, 1_000.0, &[25.0, 25.0]));
        // On the line as the areas became two; he was put before it, and walked back.
        assert!(
            check(6_320.0, 6_400.0 - 1.0, &[0.0, -25.0, -25.0]) && check(6_349.0, 6_399.0, &[-25.0, -25.0])
        );
        assert!(!check(6_270.0, 6_399.0, &[-25.0, -25.0]), "a wall takes no more than 30 cm");
        assert!(!check(6_225.0, 6_200.0, &[25.0, 25.0]), "none is there");
    }

    #[test]
    fn lost_and_doubled_steps_are_told_apart() {
        let (then, east, south) = ((1_000.0, 1_000.0), (25.0, 0.0), (0.0, 25.0));
        let check = |now: Cm, steps: &[Cm]| became(now, then, steps, east);
        assert_eq!(check((1_025.0, 1_025.0), &[east, south]), Became::Made);
        assert_eq!(check((1_025.0, 1_000.0), &[east, east]), Became::Lost(1));
        assert_eq!(check((1_000.0, 1_025.0), &[east, south]), Became::Lost(1), "one of two ways");
        assert_eq!(check((1_100.0, 1_000.0), &[east, east]), Became::Doubled(2));
        // Nothing was taken: what is told goes by the step before.
        assert_eq!(check((1_025.0, 1_000.0), &[]), Became::Doubled(1));
        assert_eq!(check((950.0, 1_000.0), &[]), Became::Lost(2), "he was set back");
    }

    #[test]
    fn what_was_refused_is_missing_and_never_too_much() {
        let (then, east, west) = ((1_000.0, 1_000.0), (25.0, 0.0), (-25.0, 0.0));
        assert!(some_lead((1_025.0, 1_000.0), then, &[east, east]));
        assert!(some_lead((975.0, 1_000.0), then, &[east, west]), "the first was refused");
        assert!(!some_lead((1_075.0, 1_000.0), then, &[east, east]));
        assert!(!some_lead((1_000.0, 1_025.0), then, &[east, east]));
    }

    #[test]
    fn a_refusal_excuses_for_a_second_and_the_answer_after_it() {
        let mut refusing = Refusing::default();
        assert!(!refusing.may_miss(7));
        refusing.told(10);
        assert!(refusing.may_miss(11) && refusing.may_miss(31));
        assert!(refusing.may_miss(40), "the first answer after a pause");
        assert!(!refusing.may_miss(41));
        refusing.told(50);
        refusing.crossed(9_000);
        assert!(refusing.may_miss(9_000));
        assert!(!refusing.may_miss(9_001));
    }
}
