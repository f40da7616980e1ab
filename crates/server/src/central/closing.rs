//! A stop that is announced (D.10): everybody inside is told how long it is until then, nobody enters shortly
//! before, then everything saves and ends as at a signal. Until it is due it can be called off.

use std::sync::Arc;
use std::time::Duration;

use pangea_world::messages::{Body, Drain};
use pangea_world::{Code, Refusal};
use tokio::time::Instant;

use super::core::Core;
use super::state::{Area, State};

/// Longest time until a stop.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Under a minute it is told when so many seconds are left.
const LAST_MARKS_S: [u64; 8] = [30, 10, 5, 4, 3, 2, 1, 0];

/// A stop that is to come.
#[derive(Debug, Clone)]
pub struct Closing {
    /// Tells it from one that took its place.
    number: u64,
    at: Instant,
    /// Told to the players behind the time that is left.
    text: String,
}

impl Core {
    /// Everything stops in so long; takes the place of a stop that was to come.
    pub fn stop_in(self: &Arc<Self>, wait: Duration, text: &str) {
        let closing = {
            let mut state = self.state();
            let number = state.next_request();
            let closing = Closing { number, at: Instant::now() + wait, text: text.to_owned() };
            state.closing.insert(closing).clone()
        };
        tracing::warn!(in_s = wait.as_secs(), text, "everything will stop");
        crate::task::spawn(count_down(self.clone(), closing));
    }

    /// Calls it off.
    ///
    /// # Errors
    /// `not_found` if none is to come.
    pub fn stop_not(&self) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.closing.take().is_none() {
            return Refusal::err(Code::NotFound, "no stop is to come");
        }
        tracing::warn!("the stop was called off");
        tell(&state, "it goes on: the stop was called off");
        Ok(())
    }

    /// Waits until a stop is due.
    pub async fn stop_is_due(&self) {
        // The sender lives as long as the core.
        let _ = self.due.subscribe().wait_for(|due| *due).await;
    }

    /// Tells every area server to save and end, as a spawner would that stops.
    pub fn drain_areas(&self) {
        let drain = Drain { text: "the server is stopping".to_owned(), notice: false };
        let _ = self.state().each_area(|_| Body::Drain(drain.clone()));
    }
}

impl State {
    /// Whether nobody enters any more, and why; `before`: how long before a stop that is.
    ///
    /// # Errors
    /// `stopping`.
    pub fn may_enter(&self, before: Duration) -> Result<(), Refusal> {
        if self.stopping {
            return Refusal::err(Code::Stopping, "the server is stopping; try again in a moment");
        }
        let left = self.closing.as_ref().map(|closing| closing.at.saturating_duration_since(Instant::now()));
        match left.filter(|left| *left <= before) {
            Some(left) => {
                let text = format!("the server stops in {}; come again afterwards", spoken(left));
                Refusal::err(Code::Stopping, text)
            }
            None => Ok(()),
        }
    }

    fn each_area(&self, body: impl Fn(&Area) -> Body) -> usize {
        let with =
            self.areas.values().filter_map(|area| Some((area, area.server.as_ref()?.sender.as_ref()?)));
        with.filter(|(area, sender)| sender.send(body(area)).is_ok()).count()
    }
}

/// What is told to everybody inside anywhere.
fn tell(state: &State, text: &str) {
    state.each_area(|_| Body::Drain(Drain { text: text.to_owned(), notice: true }));
}

async fn count_down(core: Arc<Core>, closing: Closing) {
    let mut first = true;
    loop {
        let left = closing.at.saturating_duration_since(Instant::now());
        {
            let state = core.state();
            if state.closing.as_ref().is_none_or(|now| now.number != closing.number) {
                return;
            }
            // Rounded up to the mark that it was waited for.
            if first || !left.is_zero() {
                let left = Duration::from_secs(left.as_millis().div_ceil(1_000) as u64);
                let space = if closing.text.is_empty() { "" } else { ": " };
                tell(&state, &format!("the server stops in {}{space}{}", spoken(left), closing.text));
            }
        }
        if left.is_zero() {
            tracing::warn!("the time is over: everything stops");
            core.due.send_replace(true);
            return;
        }
        first = false;
        let next = Duration::from_secs(next_mark_s(left));
        tokio::time::sleep_until(closing.at - next).await;
    }
}

/// How many seconds are left when it is told next: every ten minutes, in the last ten every minute, then as
/// [`LAST_MARKS_S`] says.
fn next_mark_s(left: Duration) -> u64 {
    // A moment before a mark is that mark.
    let left_s = (left.as_millis() as u64).saturating_sub(50) / 1_000;
    match left_s {
        600.. => left_s / 600 * 600,
        60.. => left_s / 60 * 60,
        _ => LAST_MARKS_S.into_iter().find(|mark| *mark <= left_s).unwrap_or(0),
    }
}

fn spoken(left: Duration) -> String {
    let of = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    match left.as_secs() {
        s @ 0..60 => of(s, "second"),
        s @ 60..3_600 if s % 60 == 0 => of(s / 60, "minute"),
        s @ 60..3_600 => format!("{} {}", of(s / 60, "minute"), of(s % 60, "second")),
        s if s % 3_600 < 60 => of(s / 3_600, "hour"),
        s => format!("{} {}", of(s / 3_600, "hour"), of(s % 3_600 / 60, "minute")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_at_marks_that_come_closer() {
        let marks = |mut left: u64| {
            let mut all = Vec::new();
            while left > 0 {
                left = next_mark_s(Duration::from_secs(left));
                all.push(left);
            }
            all
        };
        assert_eq!(
            marks(1_500),
            [1_200, 600, 540, 480, 420, 360, 300, 240, 180, 120, 60, 30, 10, 5, 4, 3, 2, 1, 0]
        );
        assert_eq!(marks(7), [5, 4, 3, 2, 1, 0]);
        assert_eq!(next_mark_s(Duration::from_millis(999)), 0);
    }

    #[test]
    fn a_time_is_spoken_as_people_do() {
        let at = |s| spoken(Duration::from_secs(s));
        assert_eq!(
            [at(1), at(30), at(60), at(150)],
            ["1 second", "30 seconds", "1 minute", "2 minutes 30 seconds"]
        );
        assert_eq!([at(3_600), at(5_400)], ["1 hour", "1 hour 30 minutes"]);
    }

    #[test]
    fn nobody_enters_shortly_before() {
        let mut state = State::default();
        let before = Duration::from_secs(30);
        assert!(state.may_enter(before).is_ok());
        let closing =
            |left| Closing { number: 1, at: Instant::now() + Duration::from_secs(left), text: String::new() };
        state.closing = Some(closing(60));
        assert!(state.may_enter(before).is_ok());
        state.closing = Some(closing(29));
        assert_eq!(state.may_enter(before).map_err(|refusal| refusal.code), Err(Code::Stopping));
    }
}
