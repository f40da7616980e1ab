//! Ports: taken, listened on, answered.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use super::{Door, FIRST_OWN_PORT, Fabric, NodeId, TcpStream, here, with};

/// A port that is taken before anybody answers on it.
#[derive(Debug)]
pub struct Reserved {
    port: u16,
    kept: bool,
}

impl Reserved {
    /// Takes it, or any for 0.
    ///
    /// # Errors
    /// If another has it.
    pub fn bind(at: impl Into<Bind>) -> io::Result<Self> {
        let Bind(wanted) = at.into();
        let node = here();
        let port = with(|world| {
            let net = &mut world.net;
            let port = if wanted != 0 {
                wanted
            } else {
                net.next_port = net.next_port.checked_add(1).unwrap_or(FIRST_OWN_PORT);
                net.next_port
            };
            if net.doors.contains_key(&port) {
                return None;
            }
            net.doors.insert(port, Door { node, answers: false, queue: VecDeque::new(), waker: None });
            Some(port)
        });
        let port = port.flatten().ok_or(io::ErrorKind::AddrInUse)?;
        Ok(Self { port, kept: false })
    }

    /// Nothing waits here.
    ///
    /// # Errors
    /// Never.
    pub fn set_nonblocking(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn listen(mut self) -> TcpListener {
        self.kept = true;
        with(|world| {
            if let Some(door) = world.net.doors.get_mut(&self.port) {
                door.answers = true;
            }
        });
        TcpListener { port: self.port, node: here() }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.kept {
            close(self.port, None);
        }
    }
}

fn close(port: u16, of: Option<NodeId>) {
    let door = with(|world| {
        let Fabric { doors, behind, .. } = &mut world.net;
        let whose = doors.get(&port).is_some_and(|door| of.is_none_or(|node| node == door.node));
        let hidden = of.and_then(|node| behind.remove(&(port, node)));
        (whose.then(|| doors.remove(&port)).flatten(), hidden)
    });
    drop(door);
}

/// Where to listen: of an address its port.
pub struct Bind(u16);

impl From<SocketAddr> for Bind {
    fn from(address: SocketAddr) -> Self {
        Self(address.port())
    }
}

impl From<(Ipv4Addr, u16)> for Bind {
    fn from((_, port): (Ipv4Addr, u16)) -> Self {
        Self(port)
    }
}

impl From<(IpAddr, u16)> for Bind {
    fn from((_, port): (IpAddr, u16)) -> Self {
        Self(port)
    }
}

/// Answers on a port; dropped, it is free.
#[derive(Debug)]
pub struct TcpListener {
    port: u16,
    node: NodeId,
}

impl TcpListener {
    /// Takes the port and answers.
    ///
    /// # Errors
    /// If another has it.
    #[allow(clippy::unused_async, reason = "as the one that it stands for")]
    pub async fn bind(at: impl Into<Bind>) -> io::Result<Self> {
        Ok(Reserved::bind(at)?.listen())
    }

    /// Answers on a port that is taken.
    ///
    /// # Errors
    /// Never.
    pub fn from_std(reserved: Reserved) -> io::Result<Self> {
        Ok(reserved.listen())
    }

    /// Where it answers.
    ///
    /// # Errors
    /// Never.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))
    }

    /// The next connection.
    ///
    /// # Errors
    /// Never.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| {
            with(|world| {
                let Fabric { doors, behind, .. } = &mut world.net;
                let open = doors.get_mut(&self.port).filter(|door| door.node == self.node);
                let Some(door) = open.or_else(|| behind.get_mut(&(self.port, self.node))) else {
                    return Poll::Pending;
                };
                match door.queue.pop_front() {
                    Some(next) => Poll::Ready(Ok(next)),
                    None => {
                        door.waker = Some(cx.waker().clone());
                        Poll::Pending
                    }
                }
            })
            .unwrap_or(Poll::Pending)
        })
        .await
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        close(self.port, Some(self.node));
    }
}

impl axum::serve::Listener for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if let Ok(next) = TcpListener::accept(self).await {
                return next;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpListener::local_addr(self)
    }
}

/// A socket before it listens.
#[derive(Debug)]
pub struct TcpSocket(Mutex<Option<Reserved>>);

impl TcpSocket {
    /// A socket.
    ///
    /// # Errors
    /// Never.
    pub fn new_v4() -> io::Result<Self> {
        Ok(Self(Mutex::new(None)))
    }

    /// A socket.
    ///
    /// # Errors
    /// Never.
    pub fn new_v6() -> io::Result<Self> {
        Self::new_v4()
    }

    /// No port is kept from its next user here.
    ///
    /// # Errors
    /// Never.
    pub fn set_reuseaddr(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// Takes a port.
    ///
    /// # Errors
    /// If another has it.
    pub fn bind(&self, at: SocketAddr) -> io::Result<()> {
        let reserved = Reserved::bind(at)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reserved);
        Ok(())
    }

    /// Answers on it.
    ///
    /// # Errors
    /// If it has no port.
    pub fn listen(self, _: u32) -> io::Result<TcpListener> {
        let reserved = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(reserved.ok_or(io::ErrorKind::InvalidInput)?.listen())
    }
}
