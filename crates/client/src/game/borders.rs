//! Over the borders of areas: neighbours are seen beforehand, and the one beyond goes on at the same input.

use std::future::pending;
use std::time::Duration;

use pangea_world::frames::ClientMessage;
use pangea_world::{Code, Refusal};
use tokio::task::JoinError;
use tokio::time::Instant;

use super::{Game, LEAVE_TIMEOUT, MOST_BESIDE, plus};
use crate::connection::{Connection, Said};
use crate::{Error, Event};

/// What was before a border.
#[derive(Debug, Default)]
pub(super) struct Crossing {
    /// The area.
    from: String,
    /// When its last update came.
    updated: Option<Instant>,
    /// After which tick updates of the next server are awaited, by that one's clock.
    tick: Option<u32>,
}

impl From<&Connection> for Crossing {
    fn from(old: &Connection) -> Self {
        let tick = old.updated.map(|_| old.view.tick);
        Self { from: old.view.area.clone(), updated: old.updated, tick }
    }
}

impl Game {
    /// A neighbour's connection stands.
    pub(super) fn sees(&mut self, opened: Result<Result<Connection, Error>, JoinError>) {
        // What cannot be reached is offered again by the server, for as long as it is near.
        let connection = match opened {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                self.not_opened(&error);
                return self.not_taken_if_alone();
            }
            Err(_) => return self.not_taken_if_alone(),
        };
        if let Some(other) = self.beside.iter().position(|beside| beside.url == connection.url) {
            // Two that were begun right after each other may come in any order; the server keeps the newer one.
            if self.beside[other].begun > connection.begun {
                self.past = plus(self.past, connection.traffic);
                return;
            }
            self.forget_beside(other);
        }
        if self.beside.len() == MOST_BESIDE {
            self.forget_beside(0);
        }
        self.beside.push(connection);
    }

    fn forget_beside(&mut self, at: usize) {
        let old = self.beside.remove(at);
        self.past = plus(self.past, old.traffic);
    }

    pub(super) fn beside_said(&mut self, at: usize, said: &Said) {
        if let Said::Closed(code) = said {
            let old = self.beside.remove(at);
            self.past = plus(self.past, old.traffic);
            self.ended_beside(&old, *code);
            self.not_taken_if_alone();
        }
    }

    fn not_taken_if_alone(&mut self) {
        if self.let_go.is_some() && !self.has_beside() {
            self.not_taken();
        }
    }

    /// Whether another server is seen, or about to be.
    pub(super) fn has_beside(&self) -> bool {
        !self.beside.is_empty() || !self.opening_beside.is_empty()
    }

    /// The old server let go, and no other one has taken over.
    pub(super) fn not_taken(&mut self) {
        self.let_go = None;
        self.heal_if_alone();
    }

    /// The server beyond the border steers the character from now on; it is given what the old one did not take.
    pub(super) fn cross(&mut self) {
        let epoch = self.live.as_ref().map_or(0, |live| live.epoch);
        let steers = |beside: &Connection| beside.steering && beside.epoch > epoch;
        let Some(at) = self.beside.iter().position(steers) else { return };
        let next = self.beside.remove(at);
        self.forget_leaving();
        if let Some(healing) = self.healing.take() {
            healing.abort();
        }
        (self.thawed, self.let_go) = (next.goes_on_after, None);
        match self.thawed {
            Some(acked) => {
                self.forget_taken(acked);
                self.leave_behind(&next);
            }
            None => self.untaken.clear(),
        }
        // One that told nothing so far begins with what the old one had, its clock too.
        let ticked = next.updated.map(|_| next.view.tick);
        let old = self.live.replace(next);
        if let Some(old) = &old {
            self.former = old.token.map(|token| (old.url.clone(), token));
        }
        let from = || old.as_ref().map(Crossing::from).unwrap_or_default();
        let crossing = self.crossing.get_or_insert_with(from);
        crossing.tick = ticked.or(crossing.tick);
        self.leaving = old.map(|old| (old, Instant::now() + LEAVE_TIMEOUT));
    }

    /// Who steers now took no input after this one, because the character was frozen or another's: they are given
    /// again.
    pub(super) async fn give_again(&mut self) {
        let Some(acked) = self.thawed.take() else { return };
        self.forget_taken(acked);
        let Some(live) = &mut self.live else { return };
        for input in &self.untaken {
            // A lost connection shows itself in next_event.
            let _ = live.send(input).await;
        }
    }

    /// What names an entity by its number of the server before is not given to the next one: it is somebody else's there.
    fn leave_behind(&mut self, next: &Connection) {
        let Some(schema) = next.view.schema() else { return };
        let names = |input: &ClientMessage| matches!(input, ClientMessage::Input { kind, .. } if schema.names_entity(*kind));
        let before = self.untaken.len();
        self.untaken.retain(|input| !names(input));
        for _ in self.untaken.len()..before {
            let text = "what it was meant for has another number here: give it again";
            self.events.push_back(Event::Refused(Refusal::new(Code::NotFound, text)));
        }
    }

    pub(super) fn forget_taken(&mut self, acked: u32) {
        let taken =
            |input: &ClientMessage| matches!(input, ClientMessage::Input { seq, .. } if *seq <= acked);
        while self.untaken.front().is_some_and(taken) {
            self.untaken.pop_front();
        }
    }

    /// The first update behind a border.
    pub(super) fn crossed(&mut self) {
        let Some(Crossing { from, updated: before, tick: last }) = self.crossing.take() else { return };
        let tick = Duration::from_secs_f64(1.0 / f64::from(self.view().tick_hz.max(1)));
        let gap = before.map_or(Duration::ZERO, |before| before.elapsed().saturating_sub(tick));
        let since = last.map_or(0, |last| self.view().tick.wrapping_sub(last));
        // Else the clock of a merge went back.
        let missed = if since < u32::MAX / 2 { since.saturating_sub(1) } else { 0 };
        self.events.push_back(Event::Crossed { from, to: self.area().to_owned(), gap, missed });
    }
}

/// Whichever of the neighbours says something, and its place.
pub(super) async fn beside_said(beside: &mut [Connection]) -> (usize, Said) {
    if beside.is_empty() {
        return pending().await;
    }
    let all = beside.iter_mut().map(|connection| Box::pin(connection.next()));
    let (said, at, _) = futures_util::future::select_all(all).await;
    (at, said)
}
