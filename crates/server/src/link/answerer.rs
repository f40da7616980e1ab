//! The answering side of links.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pangea_world::messages::{Body, Challenge, Envelope, Hello, Welcome};
use pangea_world::role_key::Side;
use pangea_world::{Code, LINK_VERSION, Refusal};
use tokio::sync::{Semaphore, mpsc, watch};
use tonic::Streaming;

use super::grpc::Out;
use super::session::{End, Session};
use super::{
    Accepted, EVENT_QUEUE, Event, HANDSHAKE_TIMEOUT, KeyOf, RESUME_KEPT, SEND_QUEUE, Sender, next_body, say,
};
use crate::random;

/// Most streams that have not proven themselves yet.
const STRANGERS: usize = 256;

/// All links that are answered here.
pub struct Answerer {
    key_of: KeyOf,
    accepted: mpsc::Sender<Accepted>,
    /// By role and name: a newer session of the same name ends the older one. Which is newer their wall clocks say;
    /// those may have been put back, so of one that begins it counts only while the other one stands.
    sessions: Mutex<HashMap<(String, String), Entry>>,
    strangers: Arc<Semaphore>,
}

struct Entry {
    link_session: Vec<u8>,
    connections: mpsc::Sender<Connection>,
    /// Whether a connection of it stands.
    stands: Arc<AtomicBool>,
}

struct Connection {
    out: Out,
    incoming: Streaming<Envelope>,
    peer_received: u64,
    fresh: bool,
}

impl Answerer {
    pub fn new(key_of: KeyOf, accepted: mpsc::Sender<Accepted>) -> Arc<Self> {
        let strangers = Arc::new(Semaphore::new(STRANGERS));
        Arc::new(Self { key_of, accepted, sessions: Mutex::default(), strangers })
    }

    /// One new stream: lets its opener prove itself, then gives it to its session.
    pub async fn greet(self: Arc<Self>, out: Out, mut incoming: Streaming<Envelope>) {
        let Ok(_place) = self.strangers.clone().try_acquire_owned() else { return };
        let greeting = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.handshake(&out, &mut incoming));
        match greeting.await {
            Ok(Ok(Ok(hello))) => self.clone().join_session(hello, out, incoming).await,
            Ok(Ok(Err(refusal))) => {
                tracing::warn!(%refusal, "a link was refused");
                let _ = say(&out, Body::Refused(super::from_refusal(&refusal))).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "a stream ended in its handshake"),
            Err(_) => tracing::debug!("a stream did not finish its handshake in time"),
        }
    }

    async fn handshake(
        &self,
        out: &Out,
        incoming: &mut Streaming<Envelope>,
    ) -> anyhow::Result<Result<Hello, Refusal>> {
        let Body::Hello(hello) = next_body(incoming).await? else { anyhow::bail!("expected a hello") };
        if hello.version != LINK_VERSION {
            let text = format!("this side speaks link version {LINK_VERSION}, the other {}", hello.version);
            return Ok(Refusal::err(Code::VersionMismatch, text));
        }
        let wrong =
            || Refusal::new(Code::KeyWrong, format!("{} «{}» has no valid key", hello.role, hello.name));
        if hello.nonce.len() != 32 || hello.link_session.len() != 16 {
            return Ok(Err(wrong()));
        }
        let Some(key) = (self.key_of)(&hello) else { return Ok(Err(wrong())) };
        let nonce = random::bytes::<32>();
        let nonces: [&[u8]; 2] = [&hello.nonce, &nonce];
        let proof = key.prove(Side::Answerer, &hello.role, &hello.name, nonces).to_vec();
        say(out, Body::Challenge(Challenge { nonce: nonce.to_vec(), proof })).await?;
        let Body::Proof(answer) = next_body(incoming).await? else { anyhow::bail!("expected a proof") };
        if !key.verify(&answer.proof, Side::Opener, &hello.role, &hello.name, nonces) {
            return Ok(Err(wrong()));
        }
        Ok(Ok(hello))
    }

    async fn join_session(self: Arc<Self>, hello: Hello, out: Out, incoming: Streaming<Envelope>) {
        let name = (hello.role.clone(), hello.name.clone());
        let (known, newer) = {
            let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = sessions.get(&name);
            let same = |e: &&Entry| e.link_session == hello.link_session;
            let known = entry.filter(same).map(|e| e.connections.clone());
            // One that has heard something is no new one: it was away, and another has its name.
            let was_here = hello.received > 0;
            let newer = |e: &Entry| {
                e.link_session > hello.link_session && (was_here || e.stands.load(Ordering::Relaxed))
            };
            (known, entry.is_some_and(newer))
        };
        if newer {
            let _ = say(&out, Body::Refused(super::from_refusal(&replaced()))).await;
            return;
        }
        let connection = |fresh| Connection { out, incoming, peer_received: hello.received, fresh };
        let connection = match known {
            Some(connections) => match connections.send(connection(false)).await {
                Ok(()) => return,
                Err(mpsc::error::SendError(connection)) => Connection { fresh: true, ..connection },
            },
            None => connection(true),
        };
        let (connections, arriving) = mpsc::channel(4);
        let (queue_tx, queue) = mpsc::channel(SEND_QUEUE);
        let (events_tx, events) = mpsc::channel(EVENT_QUEUE);
        let stands = Arc::new(AtomicBool::new(true));
        let (link_session, shown) = (hello.link_session.clone(), stands.clone());
        let entry = Entry { link_session, connections: connections.clone(), stands: shown };
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), entry);
        let _ = connections.try_send(connection);
        drop(connections);
        let waiting = watch::Sender::new(0);
        let sender = Sender { queue: queue_tx, waiting: waiting.clone() };
        let accepted = Accepted { hello: hello.clone(), sender, events };
        if self.accepted.send(accepted).await.is_err() {
            return;
        }
        keep(Session::new(queue, waiting, events_tx), arriving, &stands).await;
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.get(&name).is_some_and(|entry| entry.link_session == hello.link_session) {
            sessions.remove(&name);
        }
    }
}

/// A process that was replaced must stop acting in the role's name.
fn replaced() -> Refusal {
    Refusal::new(Code::StaleEpoch, "a newer process of the same name has taken this link")
}

/// Runs a session over its connections; ends when a newer session takes the name, or nobody resumes it.
async fn keep(mut session: Session, mut arriving: mpsc::Receiver<Connection>, stands: &AtomicBool) {
    let mut next = arriving.recv().await;
    while let Some(mut connection) = next.take() {
        stands.store(true, Ordering::Relaxed);
        let received = if connection.fresh { 0 } else { session.received() };
        let welcome = Welcome { resumed: !connection.fresh, received };
        #[cfg(feature = "simulation")]
        let welcome = Welcome {
            // Said to whom another life of this process knew.
            resumed: welcome.resumed
                || connection.peer_received > 0
                    && crate::simulation::without(crate::simulation::Check::Incarnation),
            ..welcome
        };
        let welcomed = say(&connection.out, Body::Welcome(welcome)).await.is_ok();
        if welcomed {
            session.tell(Event::Up { resumed: !connection.fresh }).await;
            let peer_received = if connection.fresh { 0 } else { connection.peer_received };
            tokio::select! {
                biased;
                newer = arriving.recv() => {
                    next = newer;
                    if next.is_none() {
                        let _ = say(&connection.out, Body::Refused(super::from_refusal(&replaced()))).await;
                    }
                    continue;
                }
                end = session.run(&connection.out, &mut connection.incoming, peer_received) => {
                    if end == End::Dropped {
                        return;
                    }
                }
            }
        }
        stands.store(false, Ordering::Relaxed);
        if welcomed {
            session.tell(Event::Down).await;
        }
        drop(connection);
        next = tokio::time::timeout(RESUME_KEPT, arriving.recv()).await.ok().flatten();
    }
}
