//! What carries a client's frames, as the loop sees it: a WebSocket or a WebTransport session. The loop asks
//! for bytes and gives bytes; which of the two it is matters here alone.

use std::io;
use std::net::TcpStream;

use bytes::BytesMut;
use pangea_world::Refusal;

use super::session::Session;
use super::socket::{Received, Scratch, Seal, Socket};
use super::websocket::Frame;
use super::{stream, websocket};

/// One client's connection.
#[derive(Debug)]
pub enum Line {
    /// Its own socket, which the loop reads and writes.
    WebSocket(Socket),
    /// A session, which a task of its own carries.
    WebTransport(Session),
}

/// One client's frames from its bytes.
#[derive(Debug)]
pub enum Reader {
    /// Of a WebSocket.
    WebSocket(websocket::Reader),
    /// Of a stream.
    WebTransport(stream::Reader),
}

impl Line {
    /// A reader for what comes over it.
    pub fn reader(&self) -> Reader {
        match self {
            Self::WebSocket(_) => Reader::WebSocket(websocket::Reader::default()),
            Self::WebTransport(_) => Reader::WebTransport(stream::Reader::default()),
        }
    }

    /// For epoll; a session has nothing to watch.
    pub fn watched(&self) -> Option<&TcpStream> {
        match self {
            Self::WebSocket(socket) => Some(socket.stream()),
            Self::WebTransport(_) => None,
        }
    }

    /// The session, if it is one.
    pub fn session(&mut self) -> Option<&mut Session> {
        match self {
            Self::WebSocket(_) => None,
            Self::WebTransport(session) => Some(session),
        }
    }

    /// Whether bytes wait for the client to read.
    pub fn is_behind(&self) -> bool {
        match self {
            Self::WebSocket(socket) => socket.is_behind(),
            Self::WebTransport(session) => session.is_behind(),
        }
    }

    /// Takes what is there.
    pub fn receive<'a>(&mut self, scratch: &'a mut Scratch) -> Received<'a> {
        match self {
            Self::WebSocket(socket) => socket.receive(scratch),
            Self::WebTransport(session) => session.receive(scratch.plain()),
        }
    }

    /// Takes what one read of what is watched gave.
    pub fn take<'a>(&mut self, read: io::Result<&'a [u8]>, plain: &'a mut Vec<u8>) -> Received<'a> {
        match self {
            Self::WebSocket(socket) => socket.take(read, plain),
            Self::WebTransport(_) => Received::Bytes(&[]),
        }
    }

    /// Sends these bytes after what waits.
    pub fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::WebSocket(socket) => socket.send(bytes),
            Self::WebTransport(session) => session.send(bytes),
        }
    }

    /// As [`Socket::seal`]; a session sends by itself.
    pub fn seal(&mut self, bytes: &[u8], wire: &mut Vec<u8>) -> Seal {
        match self {
            Self::WebSocket(socket) if !socket.is_behind() => socket.seal(bytes, wire),
            Self::WebSocket(_) | Self::WebTransport(_) => {
                self.send(bytes);
                Seal::Sent
            }
        }
    }

    /// As [`Socket::sent`].
    pub fn sent(&mut self, wire: &[u8], taken: io::Result<usize>) {
        if let Self::WebSocket(socket) = self {
            socket.sent(wire, taken);
        }
    }

    /// Sends what waits; false if the connection is broken.
    pub fn flush(&mut self) -> bool {
        match self {
            Self::WebSocket(socket) => socket.flush(),
            Self::WebTransport(session) => !session.is_broken(),
        }
    }

    /// Appends the head of a frame of this many bytes.
    pub fn put_head(&self, out: &mut BytesMut, length: usize) {
        match self {
            Self::WebSocket(_) => websocket::put_binary_head(out, length),
            Self::WebTransport(_) => stream::put_head(out, length),
        }
    }

    /// Closes with this code, after what waits.
    pub fn close(&mut self, code: u16) {
        match self {
            Self::WebSocket(socket) => {
                let mut frame = BytesMut::new();
                websocket::put_close(&mut frame, code);
                socket.send(&frame);
                if !socket.is_behind() {
                    socket.finish();
                }
            }
            Self::WebTransport(session) => session.close(code),
        }
    }
}

impl Reader {
    /// Adds bytes. Take all frames before more are added.
    pub fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::WebSocket(reader) => reader.push(bytes),
            Self::WebTransport(reader) => reader.push(bytes),
        }
    }

    /// The next whole frame, or `None` until more bytes come.
    ///
    /// # Errors
    /// If the connection cannot go on.
    pub fn next(&mut self) -> Result<Option<Frame>, Refusal> {
        match self {
            Self::WebSocket(reader) => reader.next(),
            Self::WebTransport(reader) => Ok(reader.next()?.map(Frame::Message)),
        }
    }
}
