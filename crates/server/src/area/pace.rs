//! How fast the area's time runs: an overloaded area slows down evenly and drops nobody.

/// A tick may take so much of its period before time slows down.
const FULL: f64 = 0.9;

/// Slowest pace, percent.
const FLOOR: u8 = 10;

/// A change of pace is told when it is so large, percent.
const STEP: u8 = 5;

/// How much a tick weighs in the mean: about the last second of ticks counts.
const WEIGHT: f64 = 0.05;

/// The pace of one area.
#[derive(Debug)]
pub struct Pace {
    /// Mean share of the period that a tick takes.
    load: f64,
    percent: u8,
}

impl Default for Pace {
    fn default() -> Self {
        Self { load: 0.0, percent: 100 }
    }
}

impl Pace {
    /// Percent of real time, 10 to 100.
    pub fn percent(&self) -> u8 {
        self.percent
    }

    /// A tick took so long; the new pace, if it is another one.
    pub fn ticked(&mut self, busy_us: u64, period_us: u64) -> Option<u8> {
        self.load += (busy_us as f64 / period_us as f64 - self.load) * WEIGHT;
        let wanted = (FULL / self.load.max(FULL) * 100.0).round().clamp(f64::from(FLOOR), 100.0) as u8;
        let end = (wanted == 100 || wanted == FLOOR) && wanted != self.percent;
        let far = wanted.abs_diff(self.percent) >= STEP;
        (far || end).then(|| {
            self.percent = wanted;
            wanted
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pace: &mut Pace, busy_us: u64) {
        for _ in 0..1_000 {
            pace.ticked(busy_us, 50_000);
        }
    }

    /// Evenly slower, at most ten times, and back.
    #[test]
    fn time_slows_down_and_comes_back() {
        let mut pace = Pace::default();
        assert!((0..1_000).all(|_| pace.ticked(40_000, 50_000).is_none()), "80 % is fine");
        run(&mut pace, 100_000);
        assert!((42..=48).contains(&pace.percent()), "{}", pace.percent());
        run(&mut pace, 5_000_000);
        assert_eq!(pace.percent(), 10);
        run(&mut pace, 1_000);
        assert_eq!(pace.percent(), 100);
    }

    #[test]
    fn one_long_tick_is_no_overload() {
        let mut pace = Pace::default();
        assert_eq!(pace.ticked(300_000, 50_000), None);
    }
}
