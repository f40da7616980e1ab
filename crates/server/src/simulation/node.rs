//! A process among others. Its tasks know whose they are; so they end, stand still and go on together.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use tokio::task::coop::{Unconstrained, unconstrained};

use super::{net, with};

/// A process; 0 is the simulation itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NodeId(pub u32);

#[derive(Default)]
pub(super) struct Nodes {
    last: u32,
    all: BTreeMap<NodeId, Node>,
}

struct Node {
    name: String,
    state: State,
    /// How far its wall clock is from the true time, ms.
    skew_ms: i64,
    /// By how much its monotonic clock runs faster than the true time, millionths.
    faster_ppm: i64,
    last_task: u64,
    /// Those that were polled while the process stood still.
    waiting: Vec<Waker>,
    /// Those that have not ended.
    tasks: BTreeMap<u64, Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Runs,
    Stands,
    Ended,
}

thread_local! {
    static HERE: Cell<NodeId> = const { Cell::new(NodeId(0)) };
    /// How much work of other threads this one waits for.
    static ELSEWHERE: Cell<u32> = const { Cell::new(0) };
}

/// Longest time that work of another thread may take, by the machine's clock.
const ELSEWHERE_PATIENCE: Duration = Duration::from_secs(20);

/// Whose task is running.
pub fn here() -> NodeId {
    HERE.get()
}

/// A new process, with the clocks of the one that starts it.
pub fn new(name: &str) -> NodeId {
    let parent = here();
    with(|world| {
        let skew_ms = skew_of(&world.nodes, parent);
        let faster_ppm = faster_of(&world.nodes, parent);
        let nodes = &mut world.nodes;
        nodes.last += 1;
        let id = NodeId(nodes.last);
        let node = Node {
            name: name.to_owned(),
            state: State::Runs,
            skew_ms,
            faster_ppm,
            last_task: 0,
            waiting: Vec::new(),
            tasks: BTreeMap::new(),
        };
        nodes.all.insert(id, node);
        id
    })
    .unwrap_or_default()
}

pub(super) fn name(id: NodeId) -> String {
    with(|world| world.nodes.all.get(&id).map(|node| node.name.clone()))
        .flatten()
        .unwrap_or_else(|| "-".into())
}

/// From now on its wall clock is so far from the true time.
pub fn skew(id: NodeId, skew_ms: i64) {
    with(|world| {
        if let Some(node) = world.nodes.all.get_mut(&id) {
            node.skew_ms = skew_ms;
        }
    });
}

pub(super) fn skew_of(nodes: &Nodes, id: NodeId) -> i64 {
    nodes.all.get(&id).map_or(0, |node| node.skew_ms)
}

/// Its monotonic clock runs faster than the true time by so many millionths, from its start on.
pub fn run_faster(id: NodeId, ppm: i64) {
    with(|world| {
        if let Some(node) = world.nodes.all.get_mut(&id) {
            node.faster_ppm = ppm;
        }
    });
}

fn faster_of(nodes: &Nodes, id: NodeId) -> i64 {
    nodes.all.get(&id).map_or(0, |node| node.faster_ppm)
}

/// What the monotonic clock of the process that runs counts in so much true time.
pub fn counted(elapsed: Duration) -> Duration {
    let ppm = with(|world| faster_of(&world.nodes, here())).unwrap_or(0);
    let more = elapsed * ppm.unsigned_abs() as u32 / 1_000_000;
    if ppm < 0 { elapsed - more } else { elapsed + more }
}

/// Whether it does nothing now.
pub(super) fn stands(nodes: &Nodes, id: NodeId) -> bool {
    nodes.all.get(&id).is_some_and(|node| node.state != State::Runs)
}

/// It stands still, as by SIGSTOP.
pub fn pause(id: NodeId) {
    with(|world| {
        if let Some(node) = world.nodes.all.get_mut(&id).filter(|node| node.state == State::Runs) {
            node.state = State::Stands;
        }
    });
}

/// It goes on.
pub fn resume(id: NodeId) {
    let waiting = with(|world| {
        let node = world.nodes.all.get_mut(&id).filter(|node| node.state == State::Stands)?;
        node.state = State::Runs;
        Some(std::mem::take(&mut node.waiting))
    });
    waiting.flatten().into_iter().flatten().for_each(Waker::wake);
    net::changed();
}

/// It ends without a word, as by SIGKILL; what it wrote last may be on its way still, or not.
pub fn kill(id: NodeId) {
    stop(id);
    net::lose(id);
}

/// It ends by itself; what it wrote arrives.
pub fn end(id: NodeId) {
    stop(id);
    net::leave(id);
}

fn stop(id: NodeId) {
    let tasks = with(|world| {
        let node = world.nodes.all.get_mut(&id)?;
        node.state = State::Ended;
        node.waiting.clear();
        Some(std::mem::take(&mut node.tasks))
    });
    tasks.flatten().into_iter().flatten().for_each(|(_, task)| task.wake());
}

/// Work as one of the process that runs now.
pub fn mine<F: Future>(work: F) -> Mine<F> {
    of(here(), work)
}

/// Work as one of this process.
pub fn of<F: Future>(node: NodeId, work: F) -> Mine<F> {
    let number = with(|world| {
        world.nodes.all.get_mut(&node).map_or(0, |node| {
            node.last_task += 1;
            node.last_task
        })
    });
    let bell = Arc::new(Bell {
        outer: Mutex::new(None),
        thread: std::thread::current(),
        holds: AtomicBool::new(false),
        rung: AtomicBool::new(false),
    });
    Mine { node, number: number.unwrap_or(0), work: Some(Box::pin(unconstrained(work))), bell }
}

/// See [`mine`].
pub struct Mine<F: Future> {
    node: NodeId,
    number: u64,
    work: Option<Pin<Box<Unconstrained<F>>>>,
    bell: Arc<Bell>,
}

/// Wakes a task; while the task waits for another thread's work, that wait alone.
struct Bell {
    outer: Mutex<Option<Waker>>,
    thread: Thread,
    holds: AtomicBool,
    rung: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.holds.load(Ordering::SeqCst) {
            self.rung.store(true, Ordering::SeqCst);
            self.thread.unpark();
        } else {
            self.wake_outer();
        }
    }
}

impl Bell {
    fn wake_outer(&self) {
        if let Some(waker) = &*self.outer.lock().unwrap_or_else(PoisonError::into_inner) {
            waker.wake_by_ref();
        }
    }

    /// Waits, in the machine's time, until another thread has rung.
    fn wait(&self, whose: &str) {
        let began = std::time::Instant::now();
        while !self.rung.swap(false, Ordering::SeqCst) {
            assert!(began.elapsed() < ELSEWHERE_PATIENCE, "{whose}: another thread's work does not end");
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }
}

impl<F: Future> Mine<F> {
    /// Whether it may run now; else it is woken when that changes.
    fn may_run(&self, cx: &Context<'_>) -> Option<State> {
        with(|world| {
            let Some(node) = world.nodes.all.get_mut(&self.node) else { return State::Runs };
            match node.state {
                State::Runs => drop(node.tasks.insert(self.number, cx.waker().clone())),
                State::Stands => node.waiting.push(cx.waker().clone()),
                State::Ended => {}
            }
            node.state
        })
    }

    fn inside<T>(node: NodeId, work: impl FnOnce() -> T) -> T {
        let before = HERE.replace(node);
        let done = work();
        HERE.set(before);
        done
    }
}

impl<F: Future> Future for Mine<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        match this.may_run(cx) {
            Some(State::Stands) => return Poll::Pending,
            Some(State::Ended) => {
                let work = this.work.take();
                Self::inside(this.node, || drop(work));
                return Poll::Pending;
            }
            Some(State::Runs) | None => {}
        }
        let Some(work) = &mut this.work else { return Poll::Pending };
        let bell = &this.bell;
        *bell.outer.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        let waker = Waker::from(bell.clone());
        assert_eq!(ELSEWHERE.get(), 0, "a task of no process waits for another thread");
        let polled = Self::inside(this.node, || {
            loop {
                bell.holds.store(true, Ordering::SeqCst);
                let polled = work.as_mut().poll(&mut Context::from_waker(&waker));
                if polled.is_ready() || ELSEWHERE.get() == 0 {
                    return polled;
                }
                bell.wait(std::any::type_name::<F>());
            }
        });
        bell.holds.store(false, Ordering::SeqCst);
        if polled.is_ready() {
            let work = this.work.take();
            Self::inside(this.node, || drop(work));
            forget(this.node, this.number);
        } else if bell.rung.swap(false, Ordering::SeqCst) {
            bell.wake_outer();
        }
        polled
    }
}

impl<F: Future> Drop for Mine<F> {
    fn drop(&mut self) {
        let work = self.work.take();
        if work.is_some() {
            Self::inside(self.node, || drop(work));
            forget(self.node, self.number);
        }
    }
}

fn forget(node: NodeId, number: u64) {
    let waker = with(|world| world.nodes.all.get_mut(&node)?.tasks.remove(&number));
    drop(waker);
}

/// Work of other threads, whom virtual time does not know: nothing else goes on until it is done. In a task of a
/// process alone.
pub async fn on_the_spot<F: Future>(work: F) -> F::Output {
    let _elsewhere = Elsewhere::new();
    work.await
}

/// As long as there is one, this task waits for another thread whenever it waits.
#[derive(Debug)]
pub struct Elsewhere(());

impl Elsewhere {
    /// From now on.
    #[allow(clippy::new_without_default, reason = "it does something")]
    pub fn new() -> Self {
        ELSEWHERE.set(ELSEWHERE.get() + 1);
        Self(())
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        ELSEWHERE.set(ELSEWHERE.get() - 1);
    }
}
