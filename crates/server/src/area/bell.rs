//! Wakes the loop before its next tick is due: somebody waits for what it was just told.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// One loop's bell.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
    /// For a loop that is a task.
    #[cfg(feature = "simulation")]
    task: tokio::sync::Notify,
}

impl Bell {
    /// Wakes the loop, now or when it sleeps next.
    pub fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
        #[cfg(feature = "simulation")]
        self.task.notify_one();
    }

    /// Sleeps for this long at most; whether it was woken before.
    #[cfg_attr(feature = "simulation", allow(dead_code, reason = "its loop is a task"))]
    pub fn sleep(&self, most: Duration) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(rung, most, |rung| !*rung);
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *rung)
    }

    /// The same for a loop that is a task, in virtual time.
    #[cfg(feature = "simulation")]
    pub async fn sleep_as_task(&self, most: Duration) -> bool {
        tokio::time::timeout(most, self.task.notified()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_wakes_once_also_who_sleeps_later() {
        let bell = Bell::default();
        assert!(!bell.sleep(Duration::ZERO));
        bell.ring();
        assert!(bell.sleep(Duration::from_secs(60)));
        assert!(!bell.sleep(Duration::ZERO));
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| bell.sleep(Duration::from_secs(60)));
            bell.ring();
            assert!(sleeper.join().expect("no panic"));
        });
    }
}
