//! The numbering of a link: each message once and in order, whatever happens to the connections under it.

use std::collections::VecDeque;
use std::time::Duration;

use pangea_world::Refusal;
use pangea_world::messages::{Body, Envelope, MAX_UNACKED};
use tokio::sync::{mpsc, watch};
use tonic::Streaming;

use super::Event;
use super::grpc::{Out, Sealed};

/// How long received messages may wait for a message that carries their acknowledgement.
const ACK_EVERY: Duration = Duration::from_millis(50);

/// One side of a link, kept over all its connections.
pub struct Session {
    sent: u64,
    received: u64,
    unacked: VecDeque<Sealed>,
    queue: mpsc::Receiver<Body>,
    /// Queued and not acknowledged; see `Sender::flushed`.
    waiting: watch::Sender<usize>,
    events: mpsc::Sender<Event>,
}

/// Why a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The connection broke; another one may go on.
    Broken,
    /// Nobody sends or listens here any more.
    Dropped,
    /// The other side ended the session for good.
    Refused(Refusal),
}

impl Session {
    pub fn new(
        queue: mpsc::Receiver<Body>,
        waiting: watch::Sender<usize>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self { sent: 0, received: 0, unacked: VecDeque::new(), queue, waiting, events }
    }

    /// Highest number received, for the handshake.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Both sides count anew: the other one does not remember this session. What it did not acknowledge is
    /// said again, since it may have lost it with its memory; every message bears a repeat.
    pub fn count_anew(&mut self) {
        self.received = 0;
        self.sent = self.unacked.len() as u64;
        for (envelope, seq) in self.unacked.iter_mut().zip(1..) {
            envelope.seq = seq;
        }
    }

    pub async fn tell(&self, event: Event) {
        // A listener that is gone is noticed by `run`.
        let _ = self.events.send(event).await;
    }

    /// Runs on one connection until it ends. `peer_received` is what the other side has of us already.
    ///
    /// Reading never waits for writing: two sides that both write would wait for each other for ever. May be
    /// cancelled at any await: a message counts as received only when it was handed on, and as sent only
    /// when it was acknowledged.
    pub async fn run(&mut self, out: &Out, incoming: &mut Streaming<Envelope>, peer_received: u64) -> End {
        self.drop_acked(peer_received);
        // Unacknowledged messages from here on have not been written to this connection.
        let mut written = self.unacked.front().map_or(self.sent, |envelope| envelope.seq - 1);
        let mut told = self.received;
        let mut ack_timer = tokio::time::interval(ACK_EVERY);
        ack_timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                envelope = incoming.message() => {
                    let Ok(Some(envelope)) = envelope else { return End::Broken };
                    self.drop_acked(envelope.ack);
                    let Some(body) = envelope.body else {
                        // Beside a bare acknowledgement, which has no number: what a newer program says.
                        if envelope.seq == self.received + 1 {
                            tracing::warn!(seq = envelope.seq, "a message of a kind that is not known; passed over");
                            self.received += 1;
                        }
                        continue;
                    };
                    if let (0, Body::Refused(refused)) = (envelope.seq, &body) {
                        return End::Refused(super::to_refusal(refused));
                    }
                    if envelope.seq <= self.received {
                        continue;
                    }
                    if envelope.seq != self.received + 1 {
                        tracing::warn!(got = envelope.seq, want = self.received + 1, "a gap on a link; reconnecting");
                        return End::Broken;
                    }
                    if self.events.send(Event::Message(body)).await.is_err() {
                        return End::Dropped;
                    }
                    self.received += 1;
                }
                permit = out.reserve(), if written < self.sent => {
                    let Ok(permit) = permit else { return End::Broken };
                    let behind = (self.sent - written) as usize;
                    // Acknowledged before it was written here: written to an earlier connection.
                    let Some(at) = self.unacked.len().checked_sub(behind) else { written += 1; continue };
                    told = self.received;
                    permit.send(Ok(Sealed { ack: told, ..self.unacked[at].clone() }));
                    written += 1;
                }
                body = self.queue.recv(), if self.unacked.len() < MAX_UNACKED => {
                    let Some(body) = body else { return End::Dropped };
                    self.sent += 1;
                    self.unacked.push_back(Sealed::new(self.sent, &body));
                }
                _ = ack_timer.tick() => {
                    if self.events.is_closed() {
                        return End::Dropped;
                    }
                    let bare = Sealed { ack: self.received, ..Sealed::default() };
                    if told < self.received && out.try_send(Ok(bare)).is_ok() {
                        told = self.received;
                    }
                }
            }
        }
    }

    fn drop_acked(&mut self, ack: u64) {
        let before = self.unacked.len();
        while self.unacked.front().is_some_and(|envelope| envelope.seq <= ack) {
            self.unacked.pop_front();
        }
        let dropped = before - self.unacked.len();
        if dropped > 0 {
            self.waiting.send_if_modified(|waiting| {
                *waiting -= dropped;
                *waiting == 0
            });
        }
    }
}
