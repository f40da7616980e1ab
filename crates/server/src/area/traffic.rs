//! The bytes of all clients in one tick: what has come is received, and what the tick tells is sent, in as few
//! calls to the kernel as it allows: one for many sockets where it has io_uring ([`Ring`]), else one for each.

use std::io;
use std::net::TcpStream;
use std::ops::Range;
use std::os::fd::{AsFd as _, OwnedFd};

use bytes::BytesMut;
use rustix::event::epoll;

use super::client::Client;
use super::here::Area;
use super::ring::{self, Ring};
use super::socket::{Received, Scratch, Seal};
use crate::config::GameIo;

/// So many bytes of frames are sent at once, at least.
const MOST_OUTGOING: usize = 1 << 20;

/// What a loop reads and writes with. It belongs to the loop's thread.
pub struct Traffic {
    epoll: OwnedFd,
    ring: Option<Ring>,
    received: Scratch,
    /// Frames that are written before the first of them is sent: so neither the kernel nor the gathering drives
    /// the other's data from the caches, and a reader that is awake is not woken again for each.
    pub outgoing: BytesMut,
    /// Slots, and where in `outgoing` their frames are.
    frames: Vec<(usize, Range<usize>)>,
    /// What of them is encrypted.
    sealed: Vec<u8>,
}

impl Traffic {
    /// Nothing is watched yet.
    ///
    /// # Errors
    /// If the system has no epoll to give.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            ring: None,
            received: Scratch::default(),
            outgoing: BytesMut::new(),
            frames: Vec::new(),
            sealed: Vec::new(),
        })
    }

    /// Takes io_uring from here on, if it shall and can; in the loop's thread.
    #[cfg_attr(feature = "simulation", allow(dead_code, reason = "epoll alone"))]
    pub fn take_ring(&mut self, wanted: GameIo) {
        if wanted == GameIo::Epoll {
            return;
        }
        match Ring::new() {
            Ok(ring) => self.ring = Some(ring),
            Err(error) if wanted == GameIo::Uring => {
                tracing::error!(%error, "there is no io_uring here; going on with epoll alone");
            }
            Err(error) => tracing::debug!(%error, "there is no io_uring here"),
        }
    }

    /// Says when something comes for this slot.
    ///
    /// # Errors
    /// What the system says.
    pub fn watch(&mut self, slot: usize, stream: &TcpStream) -> io::Result<()> {
        let data = epoll::EventData::new_u64(slot as u64);
        Ok(epoll::add(&self.epoll, stream, data, epoll::EventFlags::IN)?)
    }

    /// For bytes that come another way.
    pub fn scratch(&mut self) -> &mut Scratch {
        &mut self.received
    }

    // ---- reading ----

    /// Gives the area all that has come.
    pub fn receive(&mut self, area: &mut Area) {
        let mut events = Vec::with_capacity(area.clients.len() + 1);
        let no_wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        // Interrupted: what is there is read at the next tick.
        let _ = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&no_wait));
        for events in events.chunks(ring::MOST) {
            let slots = events.iter().map(|event| event.data.u64() as usize);
            if self.ring.is_some() {
                self.receive_at_once(area, slots);
            } else {
                slots.for_each(|slot| self.receive_one(area, slot));
            }
        }
    }

    fn receive_one(&mut self, area: &mut Area, slot: usize) {
        let Some(Some(client)) = area.clients.get_mut(slot) else { return };
        match client.line.receive(&mut self.received) {
            Received::Ended => area.lost(slot),
            Received::Bytes(bytes) => area.read_bytes(slot, bytes),
        }
    }

    fn receive_at_once(&mut self, area: &mut Area, slots: impl Iterator<Item = usize>) {
        let Some(ring) = &mut self.ring else { return };
        let watched = |slot: usize| Some((slot, area.clients.get(slot)?.as_ref()?.line.watched()?.as_fd()));
        let (slots, sockets): (Vec<_>, Vec<_>) = slots.filter_map(watched).unzip();
        let failed = ring.receive(sockets.into_iter()).err();
        let mut full = Vec::new();
        for (slot, read) in slots.into_iter().zip(ring.received()) {
            let Some(Some(client)) = area.clients.get_mut(slot) else { continue };
            if read.as_ref().is_ok_and(|bytes| bytes.len() == ring::RECEIVED_BYTES) {
                full.push(slot);
            }
            match client.line.take(read, self.received.plain()) {
                Received::Ended => area.lost(slot),
                Received::Bytes(bytes) => area.read_bytes(slot, bytes),
            }
        }
        full.into_iter().for_each(|slot| self.receive_one(area, slot));
        self.lose_ring(failed);
    }

    // ---- writing ----

    /// Keeps what was appended to `outgoing` to be sent; sends if that is much.
    pub fn put(&mut self, slot: usize, frames: Range<usize>, clients: &mut [Option<Client>]) {
        if !frames.is_empty() {
            self.frames.push((slot, frames));
        }
        if self.outgoing.len() >= MOST_OUTGOING {
            self.send(clients);
        }
    }

    /// Sends all that was put.
    pub fn send(&mut self, clients: &mut [Option<Client>]) {
        let mut frames = std::mem::take(&mut self.frames);
        for frames in frames.chunks(ring::MOST) {
            if self.ring.is_some() {
                self.send_at_once(clients, frames);
            } else {
                for (slot, range) in frames {
                    if let Some(client) = &mut clients[*slot] {
                        client.line.send(&self.outgoing[range.clone()]);
                    }
                }
            }
        }
        frames.clear();
        self.frames = frames;
        self.outgoing.clear();
    }

    fn send_at_once(&mut self, clients: &mut [Option<Client>], frames: &[(usize, Range<usize>)]) {
        let Some(ring) = &mut self.ring else { return };
        self.sealed.clear();
        // Slot, whether it is in `sealed`, and where.
        let mut wires = Vec::with_capacity(frames.len());
        for (slot, range) in frames {
            let Some(client) = &mut clients[*slot] else { continue };
            let begin = self.sealed.len();
            match client.line.seal(&self.outgoing[range.clone()], &mut self.sealed) {
                Seal::Plain => wires.push((*slot, false, range.clone())),
                Seal::Sealed => wires.push((*slot, true, begin..self.sealed.len())),
                Seal::Sent => {}
            }
        }
        let (outgoing, sealed) = (&self.outgoing, &self.sealed);
        let wire = |is_sealed: bool, range: &Range<usize>| {
            if is_sealed { &sealed[range.clone()] } else { &outgoing[range.clone()] }
        };
        let sends = wires.iter().filter_map(|(slot, is_sealed, range)| {
            let stream = clients[*slot].as_ref()?.line.watched()?;
            Some((stream.as_fd(), wire(*is_sealed, range)))
        });
        let failed = ring.send(sends).err();
        for ((slot, is_sealed, range), sent) in wires.iter().zip(ring.sent()) {
            if let Some(client) = &mut clients[*slot] {
                client.line.sent(wire(*is_sealed, range), sent);
            }
        }
        self.lose_ring(failed);
    }

    /// It fails never, or for good.
    fn lose_ring(&mut self, failed: Option<io::Error>) {
        if let Some(error) = failed {
            tracing::error!(%error, "io_uring has failed; going on with epoll alone");
            self.ring = None;
        }
    }
}
