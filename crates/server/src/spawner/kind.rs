//! One kind of server: how many idle ones are wanted, and when the next may be started after a crash.

use std::collections::VecDeque;
use std::time::Duration;

use pangea_world::{Code, Refusal};
use tokio::time::Instant;

use crate::config::Template;

/// Pauses between starts after a crash: the first, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// A template and its luck so far.
#[derive(Debug)]
pub struct Kind {
    /// As configured.
    pub template: Template,
    crash_limit: usize,
    crash_window: Duration,
    /// Within the window, oldest first, at most `crash_limit`.
    crashes: VecDeque<Instant>,
    back_off: Duration,
    not_before: Option<Instant>,
    blocked_until: Option<Instant>,
}

impl Kind {
    /// A template that has not crashed.
    pub fn new(template: Template, crash_limit: u32, crash_window_s: u64) -> Self {
        Self {
            template,
            crash_limit: crash_limit.max(1) as usize,
            crash_window: Duration::from_secs(crash_window_s),
            crashes: VecDeque::new(),
            back_off: BACK_OFF.0,
            not_before: None,
            blocked_until: None,
        }
    }

    /// Whether it is this program's own area server.
    pub fn is_ours(&self) -> bool {
        self.template.command.is_empty()
    }

    /// A server came to Ready: the next crash begins with a short pause again.
    pub fn came_up(&mut self) {
        self.back_off = BACK_OFF.0;
    }

    /// A server that had no area ended by itself or could not be started. True if that was one too many.
    pub fn crashed(&mut self, now: Instant) -> bool {
        self.not_before = Some(now + self.back_off);
        self.back_off = (self.back_off * 2).min(BACK_OFF.1);
        self.crashes.push_back(now);
        while self.crashes.front().is_some_and(|first| now.duration_since(*first) > self.crash_window) {
            self.crashes.pop_front();
        }
        if self.crashes.len() < self.crash_limit {
            return false;
        }
        self.crashes.clear();
        self.blocked_until = Some(now + self.crash_window);
        true
    }

    /// When the next may be started, if not now.
    pub fn wait_until(&self, now: Instant) -> Option<Instant> {
        self.not_before.max(self.blocked_until).filter(|until| *until > now)
    }

    /// Refuses while it is in a crash loop; the text names the pause that is left.
    ///
    /// # Errors
    /// `area_crash_loop`.
    pub fn check(&self, name: &str, now: Instant) -> Result<(), Refusal> {
        match self.blocked_until.filter(|until| *until > now) {
            None => Ok(()),
            Some(until) => Refusal::err(
                Code::AreaCrashLoop,
                format!(
                    "servers of the kind «{name}» crash again and again; the next try is in {} s",
                    until.duration_since(now).as_secs() + 1
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crashes_make_pauses_that_grow_and_then_a_stop_that_says_so() {
        let start = Instant::now();
        let mut kind = Kind::new(Template::default(), 3, 60);
        assert!(!kind.crashed(start));
        assert_eq!(kind.wait_until(start), Some(start + Duration::from_millis(200)));
        assert!(!kind.crashed(start));
        assert_eq!(kind.wait_until(start), Some(start + Duration::from_millis(400)));
        assert!(kind.check("area", start).is_ok());
        assert!(kind.crashed(start), "the third within a minute");
        let refusal = kind.check("area", start).expect_err("a loop");
        assert_eq!(refusal.code, Code::AreaCrashLoop);
        assert!(refusal.text.contains("61 s"), "{refusal}");
        let later = start + Duration::from_secs(61);
        assert!(kind.check("area", later).is_ok());
        assert_eq!(kind.wait_until(later), None);
        assert!(!kind.crashed(later), "counted anew");
        for _ in 0..20 {
            kind.crashed(later);
        }
        assert_eq!(kind.back_off, BACK_OFF.1);
        kind.came_up();
        assert_eq!(kind.back_off, BACK_OFF.0);
    }

    #[test]
    fn crashes_far_apart_are_no_loop() {
        let start = Instant::now();
        let mut kind = Kind::new(Template::default(), 2, 60);
        for minute in 0..10 {
            assert!(!kind.crashed(start + Duration::from_secs(61 * minute)));
        }
    }
}
