//! Times of any number of inputs in little room.

/// Width of a step, µs.
const STEP_US: u64 = 100;
/// Longer ones count as so many steps.
const STEPS: usize = 100_000;

/// How many took how long.
#[derive(Debug, Default)]
pub(super) struct Latencies(Vec<u32>);

impl Latencies {
    pub(super) fn add(&mut self, us: u64) {
        let step = usize::try_from(us / STEP_US).unwrap_or(STEPS).min(STEPS);
        if self.0.len() <= step {
            self.0.resize(step + 1, 0);
        }
        self.0[step] += 1;
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|count| u64::from(*count)).sum()
    }

    /// The time within which this share was seen, ms; 0 of nothing.
    pub(super) fn percentile_ms(&self, share: f64) -> f64 {
        let wanted = (self.count() as f64 * share).ceil() as u64;
        let mut sum = 0;
        let step = self.0.iter().position(|count| {
            sum += u64::from(*count);
            sum >= wanted && sum > 0
        });
        step.map_or(0.0, |step| (step + 1) as f64 * STEP_US as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_step_above() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile_ms(0.5), 0.0);
        (1..=100).for_each(|ms| latencies.add(ms * 1_000 - 1));
        assert_eq!(latencies.percentile_ms(0.5), 50.0);
        assert_eq!(latencies.percentile_ms(0.99), 99.0);
        latencies.add(u64::MAX);
        assert_eq!(latencies.percentile_ms(1.0), 10_000.1);
    }
}
