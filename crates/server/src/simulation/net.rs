//! TCP between the simulation's processes: bytes arrive late and in order, connections are cut, processes are
//! parted from each other; as for the kernel's TCP, nothing is lost of a connection that stands.

mod listening;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Future, poll_fn};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

pub use self::listening::{Bind, Reserved, TcpListener, TcpSocket};
use super::node::{self, NodeId, here};
use super::{Dice, note_at, with};

/// Most bytes of one direction that are on their way.
const MOST_ON_THE_WAY: usize = 256 << 10;

/// How long a connection to one that cannot be reached is tried.
const CONNECT_PATIENCE: Duration = Duration::from_secs(20);

/// The ports that are given for «any».
const FIRST_OWN_PORT: u16 = 20_000;

/// The network.
pub(super) struct Fabric {
    dice: Dice,
    /// Longest way of a byte, µs.
    pub(super) slowest_us: u64,
    doors: BTreeMap<u16, Door>,
    /// Of processes to which their address leads no more; what has arrived there is answered still.
    behind: BTreeMap<(u16, NodeId), Door>,
    next_port: u16,
    wires: Vec<Arc<Wire>>,
    /// Who cannot reach whom.
    parted: BTreeSet<(NodeId, NodeId)>,
    /// Who waits for that to change.
    waiting: Vec<Waker>,
    /// Rung after each tick of an area's loop.
    ticks: BTreeMap<NodeId, watch::Sender<u64>>,
}

struct Door {
    node: NodeId,
    answers: bool,
    queue: VecDeque<(TcpStream, SocketAddr)>,
    waker: Option<Waker>,
}

impl Fabric {
    pub(super) fn new(dice: Dice) -> Self {
        Self {
            dice,
            slowest_us: 2_000,
            doors: BTreeMap::new(),
            behind: BTreeMap::new(),
            next_port: FIRST_OWN_PORT,
            wires: Vec::new(),
            parted: BTreeSet::new(),
            waiting: Vec::new(),
            ticks: BTreeMap::new(),
        }
    }

    /// Up to so many milliseconds.
    pub(super) fn some_ms(&mut self, most: u64) -> u64 {
        self.dice.below(most + 1)
    }
}

/// Whether every write is in the log.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// From now on every write is in the log, to see where two runs of a seed part.
pub fn show() {
    SHOWN.store(true, Ordering::Relaxed);
}

// ---- faults ----

/// From now on a byte is up to so long on its way.
pub fn slow_down(slowest: Duration) {
    with(|world| world.net.slowest_us = slowest.as_micros() as u64);
}

/// Nothing goes from one to the other any more; the way back stays.
pub fn part(from: NodeId, to: NodeId) {
    with(|world| world.net.parted.insert((from, to)));
}

/// Everybody reaches everybody.
pub fn heal() {
    with(|world| world.net.parted.clear());
    changed();
}

/// From now on the addresses of the one lead to the other, where it listens or will.
pub fn lead(from: NodeId, to: NodeId) {
    let replaced = with(|world| {
        let Fabric { doors, behind, .. } = &mut world.net;
        let (of, kept) = std::mem::take(doors).into_iter().partition(|(_, door)| door.node == from);
        let of: BTreeMap<u16, Door> = of;
        *doors = kept;
        behind.extend(of.into_iter().map(|(port, door)| ((port, from), door)));
        let back: Vec<_> = behind.keys().filter(|(_, node)| *node == to).copied().collect();
        let back = back.into_iter().filter_map(|key| Some((key.0, behind.remove(&key)?)));
        back.filter_map(|(port, door)| doors.insert(port, door)).collect::<Vec<_>>()
    });
    drop(replaced);
    changed();
}

/// Cuts all connections between the two.
pub fn cut(one: NodeId, other: NodeId) {
    for wire in wires() {
        if wire.nodes == [one, other] || wire.nodes == [other, one] {
            wire.lock().broken = true;
            wire.wake();
        }
    }
}

/// Who waits for somebody who stood still, or was parted, looks again.
pub(super) fn changed() {
    let waiting = with(|world| std::mem::take(&mut world.net.waiting)).unwrap_or_default();
    waiting.into_iter().for_each(Waker::wake);
    wires().iter().for_each(|wire| wire.wake());
}

/// The process has ended; what it wrote last arrives.
pub(super) fn leave(id: NodeId) {
    close_doors(id);
    for wire in wires() {
        for side in 0..2 {
            if wire.nodes[side] == id {
                let mut state = wire.lock();
                state.ways[side].ended = true;
                state.gone[side] = true;
                drop(state);
                wire.wake();
            }
        }
    }
}

/// The process was killed: what it wrote last arrives, or not.
pub(super) fn lose(id: NodeId) {
    let abrupt = with(|world| world.net.dice.percent(50)).unwrap_or(false);
    if abrupt {
        for wire in wires().iter().filter(|wire| wire.nodes.contains(&id)) {
            wire.lock().broken = true;
            wire.wake();
        }
    }
    leave(id);
}

fn close_doors(id: NodeId) {
    let closed = with(|world| {
        let Fabric { doors, behind, .. } = &mut world.net;
        let ports: Vec<u16> =
            doors.iter().filter(|(_, door)| door.node == id).map(|(port, _)| *port).collect();
        let hidden: Vec<_> = behind.keys().filter(|(_, node)| *node == id).copied().collect();
        let open = ports.into_iter().filter_map(|port| doors.remove(&port)).collect::<Vec<_>>();
        (open, hidden.into_iter().filter_map(|key| behind.remove(&key)).collect::<Vec<_>>())
    });
    drop(closed);
}

fn wires() -> Vec<Arc<Wire>> {
    let found = with(|world| {
        let wires = &mut world.net.wires;
        let (kept, over): (Vec<_>, Vec<_>) =
            std::mem::take(wires).into_iter().partition(|wire| Arc::strong_count(wire) > 1);
        wires.extend(kept);
        (wires.clone(), over)
    });
    found.unwrap_or_default().0
}

// ---- connections ----

/// One connection.
struct Wire {
    nodes: [NodeId; 2],
    state: Mutex<WireState>,
}

#[derive(Default)]
struct WireState {
    /// What each side has written.
    ways: [Way; 2],
    /// Whether each side reads and writes no more.
    gone: [bool; 2],
    broken: bool,
}

#[derive(Default)]
struct Way {
    parts: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, WireState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let mut state = self.lock();
        let wakers: Vec<Waker> =
            state.ways.iter_mut().flat_map(|way| [way.reader.take(), way.writer.take()]).flatten().collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether nothing gets from one side to the other now.
    fn is_held(&self, from: usize) -> bool {
        let (from, to) = (self.nodes[from], self.nodes[1 - from]);
        with(|world| world.net.parted.contains(&(from, to)) || node::stands(&world.nodes, to))
            .unwrap_or(false)
    }
}

/// One end of a connection.
pub struct TcpStream {
    wire: Arc<Wire>,
    side: usize,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl std::fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TcpStream({:?})", self.wire.nodes)
    }
}

/// What a connection can be opened to; who it is makes no difference here, the port does.
pub trait Port {
    /// The port.
    ///
    /// # Errors
    /// If there is none in it.
    fn port(&self) -> io::Result<u16>;
}

impl Port for SocketAddr {
    fn port(&self) -> io::Result<u16> {
        Ok(SocketAddr::port(self))
    }
}

impl Port for (&str, u16) {
    fn port(&self) -> io::Result<u16> {
        Ok(self.1)
    }
}

impl Port for &String {
    fn port(&self) -> io::Result<u16> {
        self.rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok())
            .ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }
}

impl TcpStream {
    /// Connects as the process that runs.
    ///
    /// # Errors
    /// As the kernel's: refused, or timed out.
    pub async fn connect(to: impl Port) -> io::Result<Self> {
        Self::connect_as(here(), to.port()?).await
    }

    /// Connects as this process.
    ///
    /// # Errors
    /// As [`TcpStream::connect`].
    pub async fn connect_as(node: NodeId, port: u16) -> io::Result<Self> {
        tokio::time::timeout(CONNECT_PATIENCE, async {
            tokio::time::sleep(delay()).await;
            poll_fn(|cx| {
                with(|world| {
                    let to = world.net.doors.get(&port).map_or(NodeId(0), |door| door.node);
                    let parted = &world.net.parted;
                    let apart = parted.contains(&(node, to)) || parted.contains(&(to, node));
                    if apart || node::stands(&world.nodes, node) {
                        world.net.waiting.push(cx.waker().clone());
                        return Poll::Pending;
                    }
                    Poll::Ready(())
                })
                .unwrap_or(Poll::Ready(()))
            })
            .await;
            let opened = with(|world| {
                let net = &mut world.net;
                let door = net.doors.get_mut(&port).filter(|door| door.answers)?;
                let wire = Arc::new(Wire { nodes: [node, door.node], state: Mutex::default() });
                net.wires.push(wire.clone());
                let end = |side| TcpStream { wire: wire.clone(), side, sleep: None };
                net.next_port = net.next_port.checked_add(1).unwrap_or(FIRST_OWN_PORT);
                door.queue.push_back((end(1), SocketAddr::from((Ipv4Addr::LOCALHOST, net.next_port))));
                Some((end(0), door.waker.take()))
            });
            let (stream, waker) = opened.flatten().ok_or(io::ErrorKind::ConnectionRefused)?;
            waker.into_iter().for_each(Waker::wake);
            Ok(stream)
        })
        .await
        .map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Nothing waits here for more.
    ///
    /// # Errors
    /// Never.
    pub fn set_nodelay(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// As a socket of the kernel, for who reads and writes once per tick: what comes is carried there at once, what is
    /// written is carried on after each tick ([`ticked`]).
    ///
    /// # Errors
    /// If the kernel has no socket to give.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        let ticks = with(|world| {
            let node = self.wire.nodes[self.side];
            world.net.ticks.entry(node).or_insert_with(|| watch::Sender::new(0)).subscribe()
        });
        if let Some(ticks) = ticks {
            tokio::spawn(carry(self, far, ticks));
        }
        Ok(std::net::TcpStream::from(OwnedFd::from(near)))
    }
}

/// A loop has ticked, or has ended: what it wrote to its sockets goes on its way.
pub fn ticked() {
    let node = here();
    with(|world| {
        if let Some(ticks) = world.net.ticks.get(&node) {
            ticks.send_modify(|count| *count += 1);
        }
    });
}

async fn carry(mut stream: TcpStream, mut near: UnixStream, mut ticks: watch::Receiver<u64>) {
    let mut bytes = vec![0; 64 << 10];
    let (mut reads, mut held) = (true, VecDeque::new());
    loop {
        tokio::select! {
            biased;
            read = stream.read(&mut bytes), if reads && held.is_empty() => match read {
                Ok(0) => {
                    reads = false;
                    let _ = near.shutdown(std::net::Shutdown::Write);
                }
                Ok(count) => held.extend(&bytes[..count]),
                // The socket is dropped, and with it the connection there.
                Err(_) => return,
            },
            ticked = ticks.changed() => if ticked.is_err() { return },
        }
        while !held.is_empty() {
            match near.write(held.as_slices().0) {
                Ok(count) => drop(held.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return,
            }
        }
        loop {
            match near.read(&mut bytes) {
                Ok(0) => {
                    let _ = stream.shutdown().await;
                    return;
                }
                Ok(count) => {
                    if stream.write_all(&bytes[..count]).await.is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return,
            }
        }
    }
}

fn delay() -> Duration {
    Duration::from_micros(with(|world| world.net.dice.below(world.net.slowest_us + 1)).unwrap_or(0))
}

impl AsyncRead for TcpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let held = self.wire.is_held(1 - self.side);
        let wire = self.wire.clone();
        let mut state = wire.lock();
        if state.broken || state.gone[self.side] {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let way = &mut state.ways[1 - self.side];
        if held {
            way.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Some((due, part)) = way.parts.front_mut() else {
            if way.ended {
                return Poll::Ready(Ok(()));
            }
            way.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let due = *due;
        if due <= Instant::now() {
            let count = part.len().min(buf.remaining());
            buf.put_slice(&part[..count]);
            part.drain(..count);
            if part.is_empty() {
                way.parts.pop_front();
            }
            way.bytes -= count;
            let writer = way.writer.take();
            drop(state);
            writer.into_iter().for_each(Waker::wake);
            return Poll::Ready(Ok(()));
        }
        way.reader = Some(cx.waker().clone());
        drop(state);
        let mut sleep = Box::pin(tokio::time::sleep_until(due));
        if sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        self.sleep = Some(sleep);
        Poll::Pending
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let due = Instant::now() + delay();
        let mut state = self.wire.lock();
        let side = self.side;
        if state.broken || state.gone[side] || state.gone[1 - side] || state.ways[side].ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let way = &mut state.ways[side];
        if way.bytes >= MOST_ON_THE_WAY {
            way.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if SHOWN.load(Ordering::Relaxed) {
            let (from, to) = (self.wire.nodes[side], self.wire.nodes[1 - side]);
            note_at(from, &format!("{} bytes to {to:?}, {:?}", bytes.len(), due - Instant::now()));
        }
        // In order: none overtakes the one before it.
        let due = way.parts.back().map_or(due, |(before, _)| due.max(*before));
        way.parts.push_back((due, bytes.to_vec()));
        way.bytes += bytes.len();
        let reader = way.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.wire.lock();
        let way = &mut state.ways[self.side];
        way.ended = true;
        let reader = way.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        let mut state = self.wire.lock();
        state.ways[self.side].ended = true;
        state.gone[self.side] = true;
        drop(state);
        self.wire.wake();
    }
}

impl tonic::transport::server::Connected for TcpStream {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
