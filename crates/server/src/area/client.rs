//! One connected client as the loop keeps it: its line, what it is to be told, and its limits.

use std::ops::Range;

use bytes::{BufMut, BytesMut};
use pangea_engine::View;
use pangea_world::Refusal;
use pangea_world::frames::ServerMessage;
use pangea_world::id::CharacterId;

use super::line::{Line, Reader};
use super::websocket;

/// Most bytes of messages that wait for a client that does not read.
const MOST_WAITING: usize = 256 << 10;

/// How long a client may leave its bytes unread, ms.
const MOST_BEHIND_MS: u64 = 10_000;

/// How long a closed socket is kept for the client to read the reason, ms.
const LINGER_MS: u64 = 1_000;

/// Most chunks that a client may wait for, and per second.
pub const MOST_CHUNKS: usize = 64;

/// Most bytes of a frame's head.
const MOST_HEAD: usize = 10;

/// One client.
#[derive(Debug)]
pub struct Client {
    /// Its bytes.
    pub line: Line,
    /// Its frames.
    pub reader: Reader,
    /// Who it plays.
    pub character: CharacterId,
    /// Chunks it asked for, in order; at most [`MOST_CHUNKS`].
    pub chunks: std::collections::VecDeque<(i32, i32)>,
    /// Messages for the next frame, encoded.
    messages: BytesMut,
    /// Frames that are not messages: pongs and the close.
    frames: BytesMut,
    /// Messages that it may still send; refilled with time.
    message_budget: f32,
    chunk_budget: f32,
    /// When it was last told that it is too fast.
    last_notice_ms: Option<u64>,
    behind_since_ms: Option<u64>,
    /// Set when it is closed: until when the rest is read and thrown away.
    closing_until_ms: Option<u64>,
    /// The code with which it is closed at the end of the tick.
    parts: Option<u16>,
}

impl Client {
    /// One who just came in.
    pub fn new(line: Line, character: CharacterId, messages_per_second: u32) -> Self {
        Self {
            reader: line.reader(),
            line,
            character,
            chunks: std::collections::VecDeque::new(),
            messages: BytesMut::new(),
            frames: BytesMut::new(),
            message_budget: messages_per_second as f32,
            chunk_budget: MOST_CHUNKS as f32,
            last_notice_ms: None,
            behind_since_ms: None,
            closing_until_ms: None,
            parts: None,
        }
    }

    /// Whether it was closed: nothing it says counts any more.
    pub fn is_closing(&self) -> bool {
        self.closing_until_ms.is_some()
    }

    /// Whether a closing one may be dropped.
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.closing_until_ms.is_some_and(|until| until <= now_ms)
    }

    /// Whether it has not read what it was sent: then it gets no updates.
    pub fn is_behind(&self) -> bool {
        self.line.is_behind()
    }

    /// Queues a message for its next frame.
    pub fn say(&mut self, message: &ServerMessage) {
        if !self.is_closing() {
            message.put(&mut self.messages);
        }
    }

    /// Queues a message that is written already.
    pub fn say_bytes(&mut self, message: &[u8]) {
        if !self.is_closing() {
            self.messages.extend_from_slice(message);
        }
    }

    /// Says «no», but a repeated «no» only once a second.
    pub fn refuse_input(&mut self, now_ms: u64, refusal: Refusal) {
        if self.last_notice_ms.is_none_or(|last| now_ms >= last + 1_000) {
            self.last_notice_ms = Some(now_ms);
            self.say(&ServerMessage::Refused(refusal));
        }
    }

    /// Answers a ping of the transport.
    pub fn pong(&mut self, payload: &[u8]) {
        websocket::put_pong(&mut self.frames, payload);
    }

    /// One message more; false if that is too many.
    pub fn count_message(&mut self) -> bool {
        self.message_budget -= 1.0;
        self.message_budget >= 0.0
    }

    /// One chunk more; false if that is too many.
    pub fn count_chunk(&mut self) -> bool {
        self.chunk_budget -= 1.0;
        self.chunk_budget >= 0.0 && self.chunks.len() < MOST_CHUNKS
    }

    /// Time has passed since it was read last: a second's worth is saved, or what it may have said meanwhile.
    pub fn refill(&mut self, seconds: f32, messages_per_second: u32) {
        let rate = messages_per_second as f32;
        let most = (rate * seconds.max(1.0)).max(self.message_budget);
        self.message_budget = (self.message_budget.max(0.0) + seconds * rate).min(most);
        self.chunk_budget =
            (self.chunk_budget.max(0.0) + seconds * MOST_CHUNKS as f32).min(MOST_CHUNKS as f32);
    }

    /// Sends what is queued and closes with this code; the reason, if any, goes before it.
    pub fn close(&mut self, now_ms: u64, code: u16, reason: Option<Refusal>) {
        self.part(now_ms, code, reason);
        self.close_if_parted();
    }

    /// The same, but only [`Client::close_if_parted`] sends it.
    pub fn part(&mut self, now_ms: u64, code: u16, reason: Option<Refusal>) {
        if self.is_closing() {
            return;
        }
        if let Some(refusal) = reason {
            self.say(&ServerMessage::Refused(refusal));
        }
        self.closing_until_ms = Some(now_ms + LINGER_MS);
        self.parts = Some(code);
    }

    /// Closes one that has parted.
    pub fn close_if_parted(&mut self) {
        if let Some(code) = self.parts.take() {
            self.send_queued();
            self.line.close(code);
        }
    }

    /// Appends all that is queued, with what `update` appends at the end of its message; says where it is.
    pub fn put_frames(&mut self, out: &mut BytesMut, update: impl FnOnce(&mut BytesMut)) -> Range<usize> {
        let room = out.len();
        out.put_bytes(0, MOST_HEAD);
        let payload = out.len();
        out.extend_from_slice(&self.messages);
        update(out);
        let end = out.len();
        let begin = if end == payload {
            out.truncate(room);
            room
        } else {
            // Its length is known only now: it is written behind, and moved before.
            self.line.put_head(out, end - payload);
            let begin = payload - (out.len() - end);
            out.copy_within(end.., begin);
            out.truncate(end);
            begin
        };
        out.extend_from_slice(&self.frames);
        if !self.messages.is_empty() || !self.frames.is_empty() {
            (self.messages, self.frames) = (BytesMut::new(), BytesMut::new());
        }
        begin..out.len()
    }

    /// The moves that go apart from the frames.
    pub fn send_datagrams(&mut self, view: &mut View) {
        if let Some(session) = self.line.session() {
            view.take_datagrams().for_each(|datagram| session.send_datagram(datagram));
        }
    }

    /// What was sent over a session goes out, with all that was sent over others; a socket's has gone.
    pub fn ring(&mut self) {
        if let Some(session) = self.line.session() {
            session.ring();
        }
    }

    /// Tries to send what waits. `Err` with the close code if the connection is over: broken (`None`) or
    /// too slow.
    pub fn flush(&mut self, now_ms: u64) -> Result<(), Option<u16>> {
        if !self.line.flush() {
            return Err(None);
        }
        if !self.line.is_behind() {
            self.behind_since_ms = None;
            return Ok(());
        }
        let since = *self.behind_since_ms.get_or_insert(now_ms);
        let waiting = self.messages.len() + self.frames.len();
        if now_ms >= since + MOST_BEHIND_MS || waiting > MOST_WAITING {
            return Err(Some(pangea_world::frames::close::TOO_SLOW));
        }
        Ok(())
    }

    /// Sends all that is queued.
    pub fn send_queued(&mut self) {
        let mut out = BytesMut::new();
        let frames = self.put_frames(&mut out, |_| {});
        if !frames.is_empty() {
            self.line.send(&out[frames]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::super::socket::Socket;
    use super::*;

    fn pair() -> (Client, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let there = TcpStream::connect(listener.local_addr().expect("its address")).expect("connected");
        let (here, _) = listener.accept().expect("accepted");
        here.set_nonblocking(true).expect("set");
        let line = Line::WebSocket(Socket::new(here, None, crate::address::Held::default()));
        (Client::new(line, CharacterId([1; 16]), 100), there)
    }

    fn big() -> ServerMessage {
        ServerMessage::Notice { code: "big".into(), text: "x".repeat(200 << 10) }
    }

    /// A client that does not read gets no more updates, and is closed after ten seconds of it.
    #[test]
    fn one_who_does_not_read_is_behind_and_then_too_slow() {
        let (mut client, mut there) = pair();
        let mut sent = 0;
        while !client.is_behind() {
            client.say(&big());
            client.send_queued();
            sent += 1;
            assert!(sent < 1_000, "the kernel takes hundreds of megabytes");
        }
        assert_eq!(client.flush(1_000), Ok(()));
        assert_eq!(client.flush(10_999), Ok(()));
        assert_eq!(client.flush(11_000), Err(Some(pangea_world::frames::close::TOO_SLOW)));
        // It reads after all: everything arrives, in order and whole, and its time counts anew.
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            there.read_to_end(&mut bytes).expect("read");
            bytes.len()
        });
        while client.is_behind() {
            let _ = client.flush(2_000);
            std::thread::yield_now();
        }
        assert_eq!(client.flush(99_000), Ok(()));
        client.close(99_000, 1000, None);
        drop(client);
        let message = big().to_frame().len();
        assert_eq!(reader.join().expect("read"), sent * (message + 10) + 4);
    }

    #[test]
    fn messages_for_one_who_does_not_read_are_bounded() {
        let (mut client, _there) = pair();
        while !client.is_behind() {
            client.say(&big());
            client.send_queued();
        }
        client.say(&big());
        assert_eq!(client.flush(0), Ok(()));
        client.say(&big());
        assert_eq!(client.flush(0), Err(Some(pangea_world::frames::close::TOO_SLOW)));
    }

    #[test]
    fn budgets_refill_with_time() {
        let (mut client, _there) = pair();
        let taken = (0..500).filter(|_| client.count_message()).count();
        assert_eq!(taken, 100);
        client.refill(0.1, 100);
        assert_eq!((0..500).filter(|_| client.count_message()).count(), 10);
        // Nothing was read for three seconds: what it said meanwhile is no flood.
        client.refill(3.0, 100);
        assert_eq!((0..500).filter(|_| client.count_message()).count(), 300);
        for _ in 0..100 {
            client.refill(0.1, 100);
        }
        assert_eq!((0..500).filter(|_| client.count_message()).count(), 100);
    }
}
