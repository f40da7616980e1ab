//! The ledger's queue: operations of all links and of operators, decided in the order in which they came,
//! many in one transaction. While one transaction is being written, the next ones gather.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pangea_world::id::{CharacterId, OpId, ServerId};
use pangea_world::ledger::{Asker, Operation};
use pangea_world::messages::{Body, LedgerOp, LedgerOps, LedgerResult, LedgerResults, MAX_LEDGER_OPS};
use pangea_world::{Code, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::link;
use crate::store::ledger::gifts::Gifts;
use crate::store::ledger::{Answer, Committed, Ledger, Order, Told};
use crate::store::{OnDisk, Store};

/// Most operations that wait; a further one is refused with `storage_busy`.
pub const QUEUE_MAX: usize = 16_384;

/// Most operations of one transaction, but for those that came together.
const TOGETHER: usize = 512;

/// With more text than this, results go on in another message.
const MESSAGE_BYTES: usize = 1 << 20;

/// Gets the answers, in the order of the orders.
type Reply = Box<dyn FnOnce(Vec<Answer>) + Send>;

struct Wish {
    orders: Vec<Order>,
    reply: Reply,
    _room: OwnedSemaphorePermit,
}

/// The way in; cheap to clone.
#[derive(Clone)]
pub struct Queue {
    wishes: mpsc::UnboundedSender<Wish>,
    room: Arc<Semaphore>,
    gifts: Arc<Gifts>,
    forget: Arc<AtomicBool>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Queue({} waiting)", QUEUE_MAX - self.room.available_permits())
    }
}

/// The other end; give it to [`run`].
pub struct Wishes(mpsc::UnboundedReceiver<Wish>, Arc<Gifts>, Arc<AtomicBool>);

/// A queue and its other end.
pub fn queue() -> (Queue, Wishes) {
    let (wishes, other) = mpsc::unbounded_channel();
    let gifts = Arc::<Gifts>::default();
    let room = Arc::new(Semaphore::new(QUEUE_MAX));
    let forget = Arc::<AtomicBool>::default();
    let queue = Queue { wishes, room, gifts: gifts.clone(), forget: forget.clone() };
    (queue, Wishes(other, gifts, forget))
}

impl Queue {
    /// Queues orders. `reply` is called once they are decided and durable, in the order of all that is queued;
    /// at once if there is no room. It must not wait.
    pub fn submit(&self, orders: Vec<Order>, reply: impl FnOnce(Vec<Answer>) + Send + 'static) {
        let room = self.room.clone().try_acquire_many_owned(orders.len() as u32);
        let Ok(room) = room else {
            let text = "too many operations are waiting; try again in a moment";
            return reply(refuse(&orders, &Refusal::new(Code::StorageBusy, text)));
        };
        let wish = Wish { orders, reply: Box::new(reply), _room: room };
        if let Err(mpsc::error::SendError(wish)) = self.wishes.send(wish) {
            let answers = refuse(&wish.orders, &Refusal::new(Code::Stopping, "the server is stopping"));
            (wish.reply)(answers);
        }
    }

    /// How often others than its owner have changed what a character has.
    pub fn gifts(&self, character: CharacterId) -> u64 {
        self.gifts.of(character)
    }

    /// Rows were written that no order had asked for: what is queued from now on reads them anew.
    pub fn forget(&self) {
        self.forget.store(true, Ordering::Release);
    }

    /// Queues one order and waits for its answer.
    ///
    /// # Errors
    /// `stopping`: nobody knows whether it was done; ask again with the same id.
    pub async fn ask(&self, order: Order) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.submit(vec![order], |answers| drop(reply.send(answers)));
        let answers = answer.await.unwrap_or_default();
        let gone = || Refusal::new(Code::Stopping, "the server is stopping");
        answers.into_iter().next().ok_or_else(gone)
    }
}

fn refuse(orders: &[Order], refusal: &Refusal) -> Vec<Answer> {
    orders.iter().map(|order| Answer::refused(order.operation.id, refusal.clone())).collect()
}

/// Most groups that are decided and wait for the disk.
const GROUPS: usize = 4;

/// Wishes that came together: how many orders, whom to answer, and their room in the queue.
type Group = Vec<(usize, Reply, OwnedSemaphorePermit)>;

/// Decides what comes until the queue is gone. `tell` hears of characters that somebody else than their owner
/// has changed. While the disk takes one group the next is decided.
pub async fn run(wishes: Wishes, store: Store, tell: impl Fn(Told)) {
    let (decided, mut waiting) = mpsc::channel::<Decided>(GROUPS);
    let answer = async {
        while let Some(decided) = waiting.recv().await {
            decided.answer(&tell).await;
        }
    };
    futures_util::join!(decide(wishes, store, decided), answer);
}

/// A group that stands, if the disk gets it.
struct Decided {
    group: Group,
    orders: Arc<[Order]>,
    done: Result<(Committed, OnDisk), Refusal>,
}

impl Decided {
    async fn answer(self, tell: &impl Fn(Told)) {
        let done = match self.done {
            Ok((committed, on_disk)) => on_disk.wait().await.map(|()| committed),
            Err(refusal) => Err(refusal),
        };
        let (answers, told) = match done {
            Ok(Committed { answers, told }) => (answers, told),
            Err(refusal) => (refuse(&self.orders, &refusal), Vec::new()),
        };
        let mut answers = answers.into_iter();
        for (count, reply, _room) in self.group {
            reply(answers.by_ref().take(count).collect());
        }
        told.into_iter().for_each(tell);
    }
}

async fn decide(Wishes(mut wishes, gifts, forget): Wishes, store: Store, decided: mpsc::Sender<Decided>) {
    let mut ledger = Ledger::new(store, gifts);
    while let Some(first) = wishes.recv().await {
        // Whoever is answered later than others is so in their order.
        let Ok(room) = decided.reserve().await else { return };
        let (mut orders, mut group) = (Vec::with_capacity(TOGETHER), Vec::new());
        let mut next = Some(first);
        while let Some(wish) = next {
            group.push((wish.orders.len(), wish.reply, wish._room));
            orders.extend(wish.orders);
            next = if orders.len() < TOGETHER { wishes.try_recv().ok() } else { None };
        }
        let orders: Arc<[Order]> = orders.into();
        if forget.swap(false, Ordering::AcqRel) {
            ledger.forget();
        }
        #[cfg(feature = "simulation")]
        if crate::simulation::without(crate::simulation::Check::Durable)
            && let Some(Committed { answers, .. }) = ledger.foretell(orders.clone()).await
        {
            let mut answers = answers.into_iter();
            for (count, reply, _room) in group {
                reply(answers.by_ref().take(count).collect());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let _ = ledger.commit(orders).await;
            continue;
        }
        let done = ledger.commit_ahead(orders.clone()).await;
        if done.is_ok() || group.len() == 1 {
            room.send(Decided { group, orders, done });
            continue;
        }
        drop(room);
        // One of them may be what fails: each alone, so that the others are not refused with it.
        let mut from = 0;
        for one in group {
            let orders: Arc<[Order]> = orders[from..from + one.0].into();
            from += one.0;
            let done = ledger.commit_ahead(orders.clone()).await;
            if decided.send(Decided { group: vec![one], orders, done }).await.is_err() {
                return;
            }
        }
    }
}

/// The operations of one link.
#[derive(Debug, Default)]
pub(super) struct Operations {
    asked: u64,
    answered: Arc<watch::Sender<u64>>,
}

/// Counts a message as answered when it is dropped, whatever became of it.
struct Answered(Arc<watch::Sender<u64>>);

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.send_modify(|answered| *answered += 1);
    }
}

impl Operations {
    /// Queues what an area server asks for; the results go back on its link.
    pub(super) fn submit(&mut self, queue: &Queue, sender: &link::Sender, server: ServerId, ops: LedgerOps) {
        self.asked += 1;
        let answered = Answered(self.answered.clone());
        let sender = sender.clone();
        let mut orders = Vec::with_capacity(ops.ops.len());
        let mut bad = Vec::new();
        for (index, op) in ops.ops.into_iter().enumerate() {
            match read(&op, index) {
                Ok(operation) => orders.push(Order::new(Asker::Server(server), operation)),
                Err(refusal) => bad.push(result(op.id, Err(refusal))),
            }
        }
        queue.submit(orders, move |answers| {
            let answered = answered;
            let good = answers.into_iter().map(|answer| {
                let text =
                    answer.code.map_or(Ok(answer.text.clone()), |code| Refusal::err(code, answer.text));
                result(answer.id.to_vec(), text)
            });
            for results in messages(good.chain(bad)) {
                // The area asks again what it has no answer to.
                if let Err(refusal) = sender.send(Body::LedgerResults(LedgerResults { results })) {
                    tracing::warn!(%server, %refusal, "results of the ledger could not be told");
                }
            }
            drop(answered);
        });
    }

    /// Ends when all that was asked until now is answered.
    pub(super) fn answered(&self) -> impl Future<Output = ()> + Send + use<> {
        let (asked, mut answered) = (self.asked, self.answered.subscribe());
        async move {
            let _ = answered.wait_for(|answered| *answered >= asked).await;
        }
    }
}

/// Results in as many messages as it takes: what lies in a storage may be some 50 KB.
fn messages(results: impl Iterator<Item = LedgerResult>) -> Vec<Vec<LedgerResult>> {
    let (mut messages, mut bytes) = (vec![Vec::new()], 0);
    for result in results {
        if bytes > MESSAGE_BYTES {
            messages.push(Vec::new());
            bytes = 0;
        }
        bytes += result.text.len();
        messages.last_mut().expect("there is one").push(result);
    }
    messages
}

fn read(op: &LedgerOp, index: usize) -> Result<Operation, Refusal> {
    if index >= MAX_LEDGER_OPS {
        return Refusal::err(Code::TooLarge, "at most 256 operations in one message");
    }
    let operation: Operation = serde_json::from_slice(&op.operation)
        .map_err(|error| Refusal::new(Code::BadRequest, format!("the operation cannot be read: {error}")))?;
    if OpId::from_bytes(&op.id) != Ok(operation.id) {
        return Refusal::err(Code::BadRequest, "the operation has another id than it says");
    }
    Ok(operation)
}

fn result(id: Vec<u8>, text: Result<String, Refusal>) -> LedgerResult {
    match text {
        Ok(text) => LedgerResult { id, code: String::new(), text },
        Err(refusal) => LedgerResult { id, code: refusal.code.to_string(), text: refusal.text },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_results_go_in_several_messages_in_their_order() {
        let result = |n: u8| result(vec![n], Ok("x".repeat(60_000)));
        let messages = messages((0..200).map(result));
        assert!(messages.len() > 8);
        let bytes = |results: &Vec<LedgerResult>| results.iter().map(|one| one.text.len()).sum::<usize>();
        assert!(messages.iter().all(|results| bytes(results) <= MESSAGE_BYTES + 60_000));
        let all: Vec<u8> = messages.iter().flatten().map(|result| result.id[0]).collect();
        assert_eq!(all, (0..200).collect::<Vec<u8>>());
    }
}
