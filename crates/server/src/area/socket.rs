//! One connection's bytes, a client's or a peer's: a non-blocking TCP socket, with TLS inside if the port speaks it.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use bytes::{Buf, BytesMut};
use rustix::net::{RecvFlags, SendFlags};
use rustls::Connection;

use crate::address::Held;

/// Most bytes that are read from one socket in one tick.
const READ_BYTES: usize = 16 << 10;

/// Buffers that all sockets of a loop share.
#[derive(Debug)]
pub struct Scratch {
    wire: Vec<u8>,
    plain: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { wire: vec![0; READ_BYTES], plain: Vec::new() }
    }
}

impl Scratch {
    /// For bytes that need no decrypting here.
    pub fn plain(&mut self) -> &mut Vec<u8> {
        &mut self.plain
    }
}

/// What a read gave.
#[derive(Debug)]
pub enum Received<'a> {
    /// These bytes; perhaps none.
    Bytes(&'a [u8]),
    /// The client has closed, or the connection is broken.
    Ended,
}

/// One client's connection.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    tls: Option<Box<Connection>>,
    /// Counts it among its address's connections.
    _held: Held,
    /// What the kernel did not take yet.
    unsent: BytesMut,
    broken: bool,
}

impl Socket {
    /// Over a non-blocking stream.
    pub fn new(stream: TcpStream, tls: Option<Box<Connection>>, held: Held) -> Self {
        Self { stream, tls, _held: held, unsent: BytesMut::new(), broken: false }
    }

    /// For epoll.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether bytes wait for the client to read.
    pub fn is_behind(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Reads once, what is there.
    pub fn receive<'a>(&mut self, scratch: &'a mut Scratch) -> Received<'a> {
        let count = match rustix::net::recv(&self.stream, &mut scratch.wire[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Received::Ended,
            Ok((count, _)) => count,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => 0,
            Err(_) => return Received::Ended,
        };
        let Some(tls) = &mut self.tls else { return Received::Bytes(&scratch.wire[..count]) };
        scratch.plain.clear();
        match decrypt(tls, &scratch.wire[..count], &mut scratch.plain) {
            Ok(()) => Received::Bytes(&scratch.plain),
            Err(_) => Received::Ended,
        }
    }

    /// Sends these bytes after what waits; what the kernel does not take waits here.
    pub fn send(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            None => self.transmit(bytes),
            Some(tls) => {
                let mut wire = Vec::with_capacity(bytes.len() + 64);
                match encrypt(tls, bytes, &mut wire) {
                    Ok(()) => self.transmit(&wire),
                    Err(_) => self.broken = true,
                }
            }
        }
    }

    /// Sends what waits; false if the connection is broken.
    pub fn flush(&mut self) -> bool {
        if !self.unsent.is_empty() {
            let waiting = std::mem::take(&mut self.unsent);
            self.transmit(&waiting);
        }
        !self.broken
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    fn transmit(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while self.unsent.is_empty() && !rest.is_empty() && !self.broken {
            match rustix::net::send(&self.stream, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => rest.advance(count),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(_) => self.broken = true,
            }
        }
        self.unsent.extend_from_slice(rest);
    }
}

fn decrypt(tls: &mut Connection, mut wire: &[u8], plain: &mut Vec<u8>) -> Result<(), rustls::Error> {
    let broken = |_| rustls::Error::General("a broken record".into());
    loop {
        if !wire.is_empty() {
            tls.read_tls(&mut wire).map_err(broken)?;
        }
        tls.process_new_packets()?;
        match tls.reader().read_to_end(plain) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(broken(error)),
        }
        if wire.is_empty() {
            return Ok(());
        }
    }
}

fn encrypt(tls: &mut Connection, plain: &[u8], wire: &mut Vec<u8>) -> io::Result<()> {
    tls.set_buffer_limit(None);
    tls.writer().write_all(plain)?;
    while tls.wants_write() {
        tls.write_tls(wire)?;
    }
    Ok(())
}
