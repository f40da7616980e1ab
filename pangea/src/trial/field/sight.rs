//! How long it takes until somebody else sees what an input did: some players watch a neighbour each, and what the
//! neighbour's inputs did in a tick is seen with the first update of that tick or a later one that moves him.

use std::collections::VecDeque;

use super::latencies::Latencies;

/// Most inputs of one neighbour that are not seen yet, and most looks at him that no answer has come for.
const MOST_WAITING: usize = 256;

/// One who watches another.
#[derive(Debug)]
pub(super) struct Sight {
    /// The entity that is watched.
    pub(super) whom: u16,
    /// Inputs of the watched one: in which tick they were answered, and when they were sent, µs.
    answered: VecDeque<(u32, u64)>,
    /// In updates of which ticks he moved, and when they came, µs.
    seen: VecDeque<(u32, u64)>,
}

impl Sight {
    pub(super) fn of(whom: u16) -> Self {
        Self { whom, answered: VecDeque::new(), seen: VecDeque::new() }
    }

    /// The watched one was told that this input was taken in this tick.
    pub(super) fn answered(&mut self, tick: u32, sent_us: u64) {
        push(&mut self.answered, (tick, sent_us));
    }

    /// The watcher was told that he stands elsewhere since this tick.
    pub(super) fn saw(&mut self, tick: u32, now_us: u64) {
        push(&mut self.seen, (tick, now_us));
    }

    /// Counts the inputs that are seen by now.
    pub(super) fn settle(&mut self, latencies: &mut Latencies) {
        while let Some((tick, sent_us)) = self.answered.front().copied() {
            // Either may hear of a tick first.
            while self.seen.front().is_some_and(|(seen, _)| *seen < tick) {
                self.seen.pop_front();
            }
            let Some((_, seen_us)) = self.seen.front() else { return };
            latencies.add(seen_us.saturating_sub(sent_us));
            self.answered.pop_front();
        }
    }
}

fn push(queue: &mut VecDeque<(u32, u64)>, one: (u32, u64)) {
    if queue.len() >= MOST_WAITING {
        queue.pop_front();
    }
    queue.push_back(one);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever hears of a tick first, what counts is when the watcher did; what was left out of an update is seen
    /// with the next one.
    #[test]
    fn an_input_is_seen_when_the_watcher_is_told() {
        let mut sight = Sight::of(7);
        let mut latencies = Latencies::default();
        sight.saw(4, 90_000);
        sight.saw(5, 140_000);
        sight.answered(5, 100_000);
        sight.settle(&mut latencies);
        assert_eq!(latencies.percentile_ms(1.0), 40.1, "not the tick before");
        sight.answered(6, 150_000);
        sight.answered(7, 200_000);
        sight.settle(&mut latencies);
        assert_eq!((sight.answered.len(), sight.seen.len()), (2, 0), "not seen yet");
        sight.saw(8, 290_000);
        sight.settle(&mut latencies);
        assert_eq!((latencies.percentile_ms(0.66), latencies.percentile_ms(1.0)), (90.1, 140.1));
        assert!(sight.answered.is_empty());
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut sight = Sight::of(7);
        for n in 0..1_000 {
            sight.answered(n, 0);
        }
        assert_eq!(sight.answered.len(), MOST_WAITING);
    }
}
