//! One WebTransport session: the loop's end of it, and the task that carries its bytes. The loop simulates
//! on a thread of its own and never waits for QUIC; the two meet in a pair of bounded buffers. The loop fills
//! them and rings once per tick for all sessions ([`Pump`]).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;
use web_transport_quinn::{RecvStream, SendStream};

use super::socket::Received;
use super::stream;
use crate::address::Held;

/// Most bytes that wait for the loop; beyond it nothing is taken from QUIC, and the client has to wait.
const MOST_UNREAD: usize = 16 << 10;

/// Most bytes that are taken from QUIC at once.
const CHUNK: usize = 4 << 10;

/// Most datagrams that wait for the pump; of more the oldest are lost, as on the way.
const MOST_DATAGRAMS: usize = 64;

/// How long a client has to hang up after the last words.
const LINGER: Duration = Duration::from_secs(1);

/// The loop's end.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
    pump: Arc<Pump>,
    /// Counts it among its address's connections.
    _held: Held,
}

/// What the loop and the task share.
#[derive(Debug)]
struct Shared {
    session: web_transport_quinn::Session,
    state: Mutex<State>,
    /// Whether there is something for the loop: bytes, or the end.
    news: AtomicBool,
    /// Bytes that QUIC has not taken.
    waiting: AtomicUsize,
    /// The loop took bytes.
    room: Notify,
    /// There is something to send.
    work: Notify,
    /// The loop let go of it.
    gone: Notify,
}

#[derive(Debug, Default)]
struct State {
    received: Vec<u8>,
    to_send: Vec<u8>,
    datagrams: VecDeque<Bytes>,
    close: Option<u16>,
    ended: bool,
}

/// Wakes the tasks of all sessions that were given something since it was rung last: one wake-up of the other
/// thread per tick, however many sessions there are.
#[derive(Debug, Default)]
pub struct Pump {
    due: Mutex<Vec<Arc<Shared>>>,
    bell: Notify,
}

impl Pump {
    /// Runs until it is dropped.
    pub async fn run(&self) {
        loop {
            self.bell.notified().await;
            for session in std::mem::take(&mut *lock(&self.due)) {
                session.send_datagrams();
                session.work.notify_one();
            }
        }
    }

    /// What was given may go out.
    pub fn ring(&self) {
        if !lock(&self.due).is_empty() {
            self.bell.notify_one();
        }
    }
}

impl Session {
    /// Begins to carry a session over its one stream; needs the runtime.
    pub fn begin(
        session: web_transport_quinn::Session,
        (send, receive): (SendStream, RecvStream),
        pump: Arc<Pump>,
        held: Held,
    ) -> Self {
        let shared = Arc::new(Shared {
            session,
            state: Mutex::default(),
            news: AtomicBool::default(),
            waiting: AtomicUsize::default(),
            room: Notify::default(),
            work: Notify::default(),
            gone: Notify::default(),
        });
        crate::task::spawn(carry(send, receive, shared.clone()));
        Self { shared, pump, _held: held }
    }

    /// Whether bytes wait that QUIC has not taken: the client does not read, or the way is narrow.
    pub fn is_behind(&self) -> bool {
        self.shared.waiting.load(Ordering::Acquire) > 0
    }

    /// Whether the connection is over and everything it said was taken.
    pub fn is_broken(&self) -> bool {
        self.shared.news.load(Ordering::Acquire) && {
            let state = self.shared.lock();
            state.ended && state.received.is_empty()
        }
    }

    /// Takes what came.
    pub fn receive<'a>(&mut self, into: &'a mut Vec<u8>) -> Received<'a> {
        into.clear();
        if !self.shared.news.swap(false, Ordering::AcqRel) {
            return Received::Bytes(into);
        }
        let mut state = self.shared.lock();
        std::mem::swap(&mut state.received, into);
        if state.ended {
            self.shared.news.store(true, Ordering::Release);
            if into.is_empty() {
                return Received::Ended;
            }
        }
        drop(state);
        self.shared.room.notify_one();
        Received::Bytes(into)
    }

    /// Gives bytes to send; they go when the pump is rung.
    pub fn send(&mut self, bytes: &[u8]) {
        self.shared.waiting.fetch_add(bytes.len(), Ordering::AcqRel);
        let mut state = self.shared.lock();
        let first = state.to_send.is_empty();
        state.to_send.extend_from_slice(bytes);
        drop(state);
        if first {
            self.due();
        }
    }

    /// Gives a datagram to send, which may be lost; it goes when the pump is rung, whatever waits on the stream.
    pub fn send_datagram(&mut self, bytes: Vec<u8>) {
        let mut state = self.shared.lock();
        let first = state.datagrams.is_empty();
        if state.datagrams.len() >= MOST_DATAGRAMS {
            state.datagrams.pop_front();
        }
        state.datagrams.push_back(bytes.into());
        drop(state);
        if first {
            self.due();
        }
    }

    /// The last words, after what waits.
    pub fn close(&mut self, code: u16) {
        self.shared.lock().close.get_or_insert(code);
        self.due();
    }

    /// Rings for all sessions.
    pub fn ring(&self) {
        self.pump.ring();
    }

    fn due(&self) {
        lock(&self.pump.due).push(self.shared.clone());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.gone.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn send_datagrams(&self) {
        for datagram in std::mem::take(&mut self.lock().datagrams) {
            // One that is too large or comes too late is lost, as on the way.
            let _ = self.session.send_datagram(datagram);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries bytes both ways until one side ends.
async fn carry(mut send: SendStream, mut receive: RecvStream, shared: Arc<Shared>) {
    tokio::select! {
        () = write(&mut send, &shared) => {}
        () = read(&mut receive, &shared) => {}
        () = shared.gone.notified() => {}
    }
    let code = {
        let mut state = shared.lock();
        state.ended = true;
        state.close
    };
    shared.news.store(true, Ordering::Release);
    shared.session.close(code.unwrap_or_default().into(), b"");
}

async fn read(receive: &mut RecvStream, shared: &Shared) {
    while let Ok(Some(chunk)) = receive.read_chunk(CHUNK, true).await {
        shared.lock().received.extend_from_slice(&chunk.bytes);
        shared.news.store(true, Ordering::Release);
        while shared.lock().received.len() >= MOST_UNREAD {
            shared.room.notified().await;
        }
    }
}

/// Until the last words are said and the client has hung up.
async fn write(send: &mut SendStream, shared: &Shared) {
    loop {
        shared.work.notified().await;
        let (bytes, close) = {
            let mut state = shared.lock();
            (std::mem::take(&mut state.to_send), state.close)
        };
        let length = bytes.len();
        if length > 0 && send.write_chunk(bytes.into()).await.is_err() {
            return;
        }
        shared.waiting.fetch_sub(length, Ordering::AcqRel);
        if let Some(code) = close {
            return last_words(&shared.session, send, &[], code).await;
        }
    }
}

/// Says a frame (perhaps none) and the close code, and waits a little for the client to hang up: a session
/// that is closed at once may throw away what its client has not read yet.
pub async fn last_words(
    session: &web_transport_quinn::Session,
    send: &mut SendStream,
    frame: &[u8],
    code: u16,
) {
    let mut out = BytesMut::new();
    if !frame.is_empty() {
        stream::put_head(&mut out, frame.len());
        out.extend_from_slice(frame);
    }
    stream::put_close(&mut out, code);
    let told = async {
        if send.write_chunk(Bytes::from(out)).await.is_ok() && send.finish().is_ok() {
            session.closed().await;
        }
    };
    let _ = tokio::time::timeout(LINGER, told).await;
}
