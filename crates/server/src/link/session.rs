//! The numbering of a link: each message once and in order, whatever happens to the connections under it.

use std::collections::VecDeque;
use std::time::Duration;

use pangea_world::Refusal;
use pangea_world::messages::{Body, Envelope, MAX_UNACKED};
use tokio::sync::mpsc;
use tonic::Streaming;

use super::Event;
use super::grpc::Out;

/// How long received messages may wait for a message that carries their acknowledgement.
const ACK_EVERY: Duration = Duration::from_millis(50);

/// One side of a link, kept over all its connections.
pub struct Session {
    sent: u64,
    received: u64,
    acked: u64,
    unacked: VecDeque<Envelope>,
    queue: mpsc::Receiver<Body>,
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
    pub fn new(queue: mpsc::Receiver<Body>, events: mpsc::Sender<Event>) -> Self {
        Self { sent: 0, received: 0, acked: 0, unacked: VecDeque::new(), queue, events }
    }

    /// Highest number received, for the handshake.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Both sides count anew: the other one does not remember this session. What was queued for the old one
    /// and not acknowledged is dropped: the role registers anew and says what still holds.
    pub fn forget(&mut self) {
        (self.sent, self.received, self.acked) = (0, 0, 0);
        self.unacked.clear();
        while self.queue.try_recv().is_ok() {}
    }

    pub async fn tell(&self, event: Event) {
        // A listener that is gone is noticed by `run`.
        let _ = self.events.send(event).await;
    }

    /// Runs on one connection until it ends. `peer_received` is what the other side has of us already.
    pub async fn run(&mut self, out: &Out, incoming: &mut Streaming<Envelope>, peer_received: u64) -> End {
        self.drop_acked(peer_received);
        for envelope in &self.unacked {
            if out.send(Ok(Envelope { ack: self.received, ..envelope.clone() })).await.is_err() {
                return End::Broken;
            }
        }
        self.acked = self.received;
        let mut ack_timer = tokio::time::interval(ACK_EVERY);
        ack_timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                envelope = incoming.message() => {
                    let Ok(Some(envelope)) = envelope else { return End::Broken };
                    self.drop_acked(envelope.ack);
                    let Some(body) = envelope.body else { continue };
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
                    self.received += 1;
                    if self.events.send(Event::Message(body)).await.is_err() {
                        return End::Dropped;
                    }
                }
                body = self.queue.recv(), if self.unacked.len() < MAX_UNACKED => {
                    let Some(body) = body else { return End::Dropped };
                    self.sent += 1;
                    let envelope = Envelope { seq: self.sent, ack: self.received, body: Some(body) };
                    self.unacked.push_back(envelope.clone());
                    self.acked = self.received;
                    if out.send(Ok(envelope)).await.is_err() {
                        return End::Broken;
                    }
                }
                _ = ack_timer.tick() => {
                    if self.events.is_closed() {
                        return End::Dropped;
                    }
                    if self.acked < self.received {
                        self.acked = self.received;
                        if out.send(Ok(Envelope { seq: 0, ack: self.received, body: None })).await.is_err() {
                            return End::Broken;
                        }
                    }
                }
            }
        }
    }

    fn drop_acked(&mut self, ack: u64) {
        while self.unacked.front().is_some_and(|envelope| envelope.seq <= ack) {
            self.unacked.pop_front();
        }
    }
}
