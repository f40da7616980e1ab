//! Many receives or sends in one call to the kernel (io_uring), where the kernel has it. It only takes the place
//! of so many calls: which sockets have something is still epoll's to say, and what a call gave is dealt with as
//! if it had been made alone.
//!
//! Every request carries `MSG_DONTWAIT`, so it is over when the call that submits it returns: nothing is in
//! flight between two methods of [`Ring`], and no request outlives the bytes that it points to.

#![expect(unsafe_code, reason = "requests hold pointers; that they do not outlive a call is shown above")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use io_uring::squeue::Entry;
use io_uring::{IoUring, opcode, types};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

/// Most requests of one call.
pub const MOST: usize = 256;

/// Bytes that one receive takes; whoever filled it may have more.
pub const RECEIVED_BYTES: usize = 512;

/// The kernel's ring and where receives write; belongs to the thread that made it.
pub struct Ring {
    /// None once a call has failed: what that had not submitted must never be.
    ring: Option<IoUring>,
    /// [`RECEIVED_BYTES`] for each of [`MOST`].
    received: Vec<u8>,
    /// What each request of the last call gave; as the kernel says it, below 0 an error.
    results: Vec<i32>,
}

impl Ring {
    /// A ring of this thread, tried once.
    ///
    /// # Errors
    /// What the system says if it has none: too old a kernel (before 6.1), forbidden here, or no memory to lock.
    pub fn new() -> io::Result<Self> {
        let ring = IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(MOST as u32)?;
        let mut ring =
            Self { ring: Some(ring), received: vec![0; MOST * RECEIVED_BYTES], results: Vec::new() };
        // SAFETY: it points to nothing.
        unsafe { ring.push(&opcode::Nop::new().build()) };
        ring.call(1)?;
        Ok(ring)
    }

    /// Receives once from each of at most [`MOST`] sockets; [`Ring::received`] has what came.
    ///
    /// # Errors
    /// If the ring cannot be used any more; the sockets for which it is not known what came are broken.
    pub fn receive<'a>(&mut self, sockets: impl Iterator<Item = BorrowedFd<'a>>) -> io::Result<()> {
        let mut count = 0;
        for (socket, n) in sockets.zip(0..MOST) {
            let into = self.received[n * RECEIVED_BYTES..][..RECEIVED_BYTES].as_mut_ptr();
            let request = opcode::Recv::new(types::Fd(socket.as_raw_fd()), into, RECEIVED_BYTES as u32)
                .flags(RecvFlags::DONTWAIT.bits() as i32);
            // SAFETY: the n-th part of `received` is its alone, and it is over when `call` returns.
            unsafe { self.push(&request.build().user_data(n as u64)) };
            count += 1;
        }
        self.call(count)
    }

    /// What the last call received, in the order of its sockets.
    pub fn received(&self) -> impl Iterator<Item = io::Result<&[u8]>> {
        let parts = self.received.chunks_exact(RECEIVED_BYTES);
        self.results.iter().zip(parts).map(|(result, part)| Ok(&part[..count_of(*result)?]))
    }

    /// Sends once to each of at most [`MOST`] sockets; [`Ring::sent`] has what became of it.
    ///
    /// # Errors
    /// If the ring cannot be used any more; the sockets for which it is not known what was sent are broken.
    pub fn send<'a>(&mut self, frames: impl Iterator<Item = (BorrowedFd<'a>, &'a [u8])>) -> io::Result<()> {
        let mut count = 0;
        for ((socket, bytes), n) in frames.zip(0..MOST as u64) {
            let length = bytes.len().min(i32::MAX as usize) as u32;
            let request = opcode::Send::new(types::Fd(socket.as_raw_fd()), bytes.as_ptr(), length)
                .flags((SendFlags::DONTWAIT | SendFlags::NOSIGNAL).bits() as i32);
            // SAFETY: `bytes` is borrowed for longer than `call`, and it is over when that returns.
            unsafe { self.push(&request.build().user_data(n)) };
            count += 1;
        }
        self.call(count)
    }

    /// How many bytes the kernel took in the last call, in the order of its sockets.
    pub fn sent(&self) -> impl Iterator<Item = io::Result<usize>> {
        self.results.iter().map(|result| count_of(*result))
    }

    /// # Safety
    /// What the request points to must be there, and nobody else's, until [`Ring::call`] returns.
    unsafe fn push(&mut self, request: &Entry) {
        if let Some(ring) = &mut self.ring {
            // SAFETY: the caller's promise.
            unsafe { ring.submission().push(request) }.expect("there are never more than MOST");
        }
    }

    /// Submits so many requests and waits until all are over.
    fn call(&mut self, count: usize) -> io::Result<()> {
        self.results.clear();
        self.results.resize(count, -Errno::CONNABORTED.raw_os_error());
        let mut over = 0;
        while over < count {
            let Some(ring) = &mut self.ring else { return Err(io::ErrorKind::NotConnected.into()) };
            match ring.submit_and_wait(count - over) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ring = None;
                    return Err(error);
                }
            }
            for done in ring.completion() {
                over += 1;
                if let Some(result) = self.results.get_mut(done.user_data() as usize) {
                    *result = done.result();
                }
            }
        }
        Ok(())
    }
}

/// What the kernel says of a request: how many bytes, or below 0 an error.
fn count_of(result: i32) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let there = TcpStream::connect(listener.local_addr().expect("its address")).expect("connected");
        (listener.accept().expect("accepted").0, there)
    }

    /// Where the system has io_uring; elsewhere there is nothing to test.
    fn ring() -> Option<Ring> {
        Ring::new().inspect_err(|error| eprintln!("no io_uring here: {error}")).ok()
    }

    fn kinds<T>(results: impl Iterator<Item = io::Result<T>>) -> Vec<Result<T, io::ErrorKind>> {
        results.map(|result| result.map_err(|error| error.kind())).collect()
    }

    #[test]
    fn each_gets_what_its_own_socket_had_and_nobody_waits() {
        let Some(mut ring) = ring() else { return };
        let pairs: Vec<_> = (0..4).map(|_| pair()).collect();
        let mut theirs = pairs.iter().map(|(_, there)| there);
        theirs.next().map(|mut there| there.write_all(b"one")).expect("there").expect("sent");
        theirs.next().map(|there| there.shutdown(std::net::Shutdown::Write)).expect("there").expect("shut");
        theirs.next().map(|mut there| there.write_all(&[7; 600])).expect("there").expect("sent");
        ring.receive(pairs.iter().map(|(here, _)| here.as_fd())).expect("a call");
        let nothing = Err(io::ErrorKind::WouldBlock);
        let got = kinds(ring.received());
        assert_eq!(got, [Ok(&b"one"[..]), Ok(&[]), Ok(&[7; RECEIVED_BYTES]), nothing]);
        ring.receive(pairs.iter().map(|(here, _)| here.as_fd())).expect("a call");
        assert_eq!(kinds(ring.received()), [nothing, Ok(&[]), Ok(&[7; 600 - RECEIVED_BYTES]), nothing]);
    }

    #[test]
    fn what_the_kernel_does_not_take_is_said_and_the_others_get_theirs() {
        let Some(mut ring) = ring() else { return };
        let ((full, _unread), (here, mut there)) = (pair(), pair());
        full.set_nonblocking(true).expect("set");
        while (&full).write(&[1; 65_536]).is_ok() {}
        let (gone, closed) = pair();
        drop((closed, gone.shutdown(std::net::Shutdown::Write)));
        let sends = [(&full, &b"more"[..]), (&gone, b"gone"), (&here, b"here")];
        ring.send(sends.iter().map(|(socket, bytes)| (socket.as_fd(), *bytes))).expect("a call");
        let got = kinds(ring.sent());
        assert_eq!(got, [Err(io::ErrorKind::WouldBlock), Err(io::ErrorKind::BrokenPipe), Ok(4)]);
        let mut heard = [0; 4];
        there.read_exact(&mut heard).expect("read");
        assert_eq!(&heard, b"here");
    }

    #[test]
    fn no_more_than_so_many_at_once() {
        let Some(mut ring) = ring() else { return };
        let (here, _there) = pair();
        ring.receive(std::iter::repeat_n(here.as_fd(), MOST + 1)).expect("a call");
        assert_eq!(ring.received().count(), MOST);
    }
}
