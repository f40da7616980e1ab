//! What waits for the end of the tick: told one by one, each would wake another thread.

use std::collections::VecDeque;

use pangea_world::messages::Body;

use super::here::Area;
use super::mailbox::{FromLoop, Tell};

/// Most messages for central that wait for room on the link.
const MOST_UNTOLD: usize = 65_536;

/// Fewest clients that are closed at once, if so many part. When an area has moved all of them do, and whoever has it
/// now needs the processors more.
const FEWEST_CLOSED: usize = 32;

/// For central, for the control task, and for clients that part.
pub struct Outgoing {
    tell: Tell,
    untold: VecDeque<Body>,
    /// Whether the link had no room when it was told last.
    full: bool,
    reports: Vec<FromLoop>,
    control: tokio::sync::mpsc::Sender<FromLoop>,
    /// Slots of clients whose characters have left.
    pub parting: Vec<usize>,
}

impl Outgoing {
    /// Nothing waits.
    pub fn new(tell: Tell, control: tokio::sync::mpsc::Sender<FromLoop>) -> Self {
        let (untold, reports, parting) = (VecDeque::new(), Vec::new(), Vec::new());
        Self { tell, untold, full: false, reports, control, parting }
    }
}

impl Area {
    /// Tells central, in order and at the end of the tick: one by one, each would wake the link's thread.
    pub fn tell(&mut self, body: Body) {
        if self.outgoing.untold.len() >= MOST_UNTOLD {
            tracing::error!(area = self.settings.name, "too much waits for central; the oldest is lost");
            self.outgoing.untold.pop_front();
        }
        self.outgoing.untold.push_back(body);
    }

    /// Tells central what waits, as far as the link has room; then the control task, so that what that says of a
    /// character comes after; then clients that they are closed: who comes back at once is not found here still. If
    /// many part, some of them wait for the next time.
    ///
    /// # Panics
    /// If the control task is gone or has not listened for tens of thousands of messages: nothing can be
    /// told to central then, and recovery takes over.
    pub fn tell_waiting(&mut self) {
        self.outgoing.full = false;
        while let Some(body) = self.outgoing.untold.front() {
            if (self.outgoing.tell)(body.clone()).is_err() {
                self.outgoing.full = true;
                break;
            }
            self.outgoing.untold.pop_front();
        }
        for event in self.outgoing.reports.drain(..) {
            let result = self.outgoing.control.try_send(event);
            assert!(result.is_ok(), "the control task does not listen");
        }
        let parting = self.outgoing.parting.len();
        let now = (parting / 8).max(FEWEST_CLOSED).min(parting);
        for slot in self.outgoing.parting.drain(..now) {
            if let Some(Some(client)) = self.clients.get_mut(slot) {
                client.close_if_parted();
            }
        }
    }

    /// Whether the link takes all that is told.
    pub fn has_room(&self) -> bool {
        !self.outgoing.full
    }

    /// Tells the control task, after what central was told before.
    pub fn report(&mut self, event: FromLoop) {
        self.outgoing.reports.push(event);
    }
}
