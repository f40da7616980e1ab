//! The area server's monotonic clock, and the lease that is counted by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Milliseconds since this process made it.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// Begins at 0.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the start.
    pub fn now_ms(&self) -> u64 {
        self.elapsed().as_millis() as u64
    }

    /// Microseconds since the start.
    pub fn now_us(&self) -> u64 {
        self.elapsed().as_micros() as u64
    }

    fn elapsed(&self) -> Duration {
        let elapsed = self.0.elapsed();
        #[cfg(feature = "simulation")]
        let elapsed = crate::simulation::counted(elapsed);
        elapsed
    }
}

/// Later than all that a lease can be renewed to.
const ENDED: u64 = u64::MAX;

/// Until when the area may act (docs/handoff.md: the owner stops by its own clock before central gives the area
/// to another). Written by the control task, read by the loop before anything is applied or told.
#[derive(Debug, Clone, Default)]
pub struct Lease(Arc<AtomicU64>);

impl Lease {
    /// Central granted `lease_ms` from `sent_ms` on; a twentieth of it stays unused as a margin. A late
    /// answer never shortens the lease.
    pub fn renew(&self, sent_ms: u64, lease_ms: u64) {
        let until_ms = sent_ms.saturating_add(lease_ms - lease_ms / 20).min(ENDED - 1);
        self.0.fetch_max(until_ms, Ordering::Relaxed);
    }

    /// Ends it now and for good: central said that another owner holds the area. What central answers to a heartbeat
    /// of before, or takes this server for meanwhile, does not count any more.
    pub fn end(&self) {
        self.0.store(ENDED, Ordering::Relaxed);
    }

    /// Whether the area may act.
    pub fn holds(&self, now_ms: u64) -> bool {
        let until_ms = self.0.load(Ordering::Relaxed);
        until_ms != ENDED && now_ms < until_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_out_before_central_thinks_so_and_is_never_shortened() {
        let lease = Lease::default();
        assert!(!lease.holds(0));
        lease.renew(1_000, 2_000);
        assert!(lease.holds(2_899) && !lease.holds(2_900));
        lease.renew(500, 2_000);
        assert!(lease.holds(2_899), "an answer that was overtaken");
        lease.end();
        assert!(!lease.holds(0));
        lease.renew(2_000, 2_000);
        assert!(!lease.holds(2_500), "it has ended for good");
    }
}
