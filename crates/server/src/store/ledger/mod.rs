//! The ledger's rows: many operations in one transaction, decided in memory by `pangea_world::ledger`.
//!
//! A commit reads what it does not know yet, decides every operation over the rows in memory, and writes the
//! rows that differ, the answers and the journal: a bounded number of statements, however many operations.
//! Rows stay in memory, since nobody else writes them (but [`recut`], after which they are forgotten): one central
//! leads, and each transaction begins by checking that. So does ownership, until it is written. If a transaction
//! fails, everything in memory is forgotten.
//!
//! | file | does |
//! |---|---|
//! | this one | a commit |
//! | [`load`] | reads |
//! | [`owners`] | who owns what |
//! | [`recent`] | which operations cannot have been decided before |
//! | [`save`] | writes |
//! | [`gifts`] | what others than their owners change of characters, counted |
//! | [`journal`] | the hash chain, what operators read, what is forgotten |
//! | [`recut`] | what lies on grounds that are cut anew |
//! | [`rows`] | many rows in one statement |

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pangea_world::id::{AreaId, CharacterId, OpId};
use pangea_world::ledger::book::Writes;
use pangea_world::ledger::operation::Touched;
use pangea_world::ledger::{Act, Asker, Book, Changes, Fences, Holder, Operation, Sheet, decide};
use pangea_world::{Code, Refusal};
use sqlx::AnyConnection;

use super::social::deed::Deed;
use super::{Error, OnDisk, Store, now_ms};

pub mod gifts;
pub mod journal;
mod load;
mod owners;
mod recent;
mod recut;
mod rows;
mod save;
mod sums;
#[cfg(test)]
mod tests;

use self::gifts::Gifts;
use self::journal::{Chain, Entry};
use self::owners::Owners;
use self::recent::Recent;

pub use self::load::{sheet, spent};
pub use self::recut::recut;
pub use self::sums::{Sum, sums};

/// From how many rows on memory is emptied before a commit.
const MOST_ROWS: usize = 500_000;

/// One operation with what the store keeps of it.
#[derive(Debug, Clone)]
pub struct Order {
    /// Who asks, as proven.
    pub asker: Asker,
    /// What for.
    pub operation: Operation,
    /// What must be known to decide it.
    touched: Touched,
    /// The operation as JSON.
    body: String,
    /// Rows that are written with it.
    deed: Option<Arc<Deed>>,
}

impl Order {
    /// An order that this asker has proven to be its own.
    pub fn new(asker: Asker, operation: Operation) -> Self {
        let body = serde_json::to_string(&operation).unwrap_or_default();
        Self { asker, touched: operation.touches(), operation, body, deed: None }
    }

    /// The same with rows of mail or market, which must allow it and are written with it.
    pub fn with(self, deed: Deed) -> Self {
        Self { deed: Some(Arc::new(deed)), ..self }
    }
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which.
    pub id: OpId,
    /// `None`: done.
    pub code: Option<Code>,
    /// If done [`Changes`] as JSON, with all that lies in a storage that was reserved; else the refusal's sentence.
    pub text: String,
    /// Whether it had been decided before.
    pub repeat: bool,
}

impl Answer {
    fn new(id: OpId, result: &Result<Changes, Refusal>) -> Self {
        let (code, text) = match result {
            Ok(changes) => (None, serde_json::to_string(changes).unwrap_or_default()),
            Err(refusal) => (Some(refusal.code), refusal.text.clone()),
        };
        Self { id, code, text, repeat: false }
    }

    /// The answer to an operation that was not decided.
    pub fn refused(id: OpId, refusal: Refusal) -> Self {
        Self { id, code: Some(refusal.code), text: refusal.text, repeat: false }
    }

    /// The rows after it.
    ///
    /// # Errors
    /// Its refusal.
    pub fn result(&self) -> Result<Changes, Refusal> {
        match self.code {
            None => Ok(serde_json::from_str(&self.text).unwrap_or_default()),
            Some(code) => Err(Refusal::new(code, self.text.clone())),
        }
    }
}

/// A character whose rows changed by somebody else than its owner, who must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub character: CharacterId,
    /// Its owner.
    pub area: AreaId,
    /// At this epoch.
    pub epoch: u64,
    /// What it has now.
    pub sheet: Sheet,
}

/// What a commit did.
#[derive(Debug, Default)]
pub struct Committed {
    /// One per order, in their order.
    pub answers: Vec<Answer>,
    /// Each character once.
    pub told: Vec<Told>,
}

/// The only writer of the ledger's tables; one commit at a time.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    memory: Arc<Mutex<Memory>>,
    gifts: Arc<Gifts>,
}

#[derive(Debug, Default)]
struct Memory {
    book: Book,
    /// The journal's end; `None`: not read yet.
    chain: Option<Chain>,
    /// Those that hold from the last commit on.
    owners: Owners,
    recent: Recent,
    /// Of the commit that is under way.
    pending: Option<Pending>,
}

/// What memory knows if a commit succeeds.
#[derive(Debug)]
struct Pending {
    writes: Writes,
    chain: Chain,
    owners: Owners,
    /// Which were decided.
    ids: Vec<OpId>,
}

impl Ledger {
    /// A ledger that knows nothing yet, and counts here what others than their owners change of characters.
    pub fn new(store: Store, gifts: Arc<Gifts>) -> Self {
        Self { store, memory: Arc::default(), gifts }
    }

    /// Somebody else wrote rows, which nobody had asked for at that time.
    pub fn forget(&mut self) {
        *lock(&self.memory) = Memory::default();
    }

    /// Decides all of them, in this order, in one transaction; answers when they are durable.
    ///
    /// # Errors
    /// `storage_busy`, `internal`: nothing was written; the same orders may be given again.
    pub async fn commit(&mut self, orders: impl Into<Arc<[Order]>>) -> Result<Committed, Refusal> {
        let (committed, on_disk) = self.commit_ahead(orders).await?;
        on_disk.wait().await?;
        Ok(committed)
    }

    /// The same, but ends before the disk has it, so that the next orders can be decided over these: nobody may be
    /// told of the answers until [`OnDisk::wait`] says that they last.
    ///
    /// # Errors
    /// As [`Ledger::commit`].
    pub async fn commit_ahead(
        &mut self,
        orders: impl Into<Arc<[Order]>>,
    ) -> Result<(Committed, OnDisk), Refusal> {
        let orders = orders.into();
        let (shared, round) = (self.memory.clone(), Round(self.gifts.clone()));
        let done = self.store.write_ahead(move |tx| {
            let (orders, shared, gifts) = (orders.clone(), shared.clone(), round.0.clone());
            Box::pin(async move { commit(tx, &shared, &gifts, &orders).await })
        });
        let done = done.await;
        let mut memory = lock(&self.memory);
        match (&done, memory.pending.take()) {
            (Ok(_), Some(Pending { writes, chain, owners, ids })) => {
                memory.book.settle(&writes);
                memory.chain = Some(chain);
                memory.owners = owners;
                ids.into_iter().for_each(|id| memory.recent.add(id));
            }
            (Ok(_), None) => {}
            (Err(_), _) => *memory = Memory::default(),
        }
        done
    }
}

#[cfg(feature = "simulation")]
impl Ledger {
    /// What a commit of these would answer; writes nothing.
    pub async fn foretell(&mut self, orders: Arc<[Order]>) -> Option<Committed> {
        let (shared, found) = (self.memory.clone(), Arc::new(Mutex::new(None)));
        let (stash, gifts) = (found.clone(), self.gifts.clone());
        let undone = self.store.write(move |tx| {
            let (orders, shared, gifts) = (orders.clone(), shared.clone(), gifts.clone());
            let stash = stash.clone();
            Box::pin(async move {
                let committed = commit(tx, &shared, &gifts, &orders).await?;
                *stash.lock().unwrap_or_else(PoisonError::into_inner) = Some(committed);
                Err::<(), _>(Refusal::new(pangea_world::Code::Internal, "not yet").into())
            })
        });
        let _ = undone.await;
        *lock(&self.memory) = Memory::default();
        found.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Ends the counting when the writer lays the job down, which it does before it begins another transaction.
struct Round(Arc<Gifts>);

impl Drop for Round {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One run of the job; what an earlier run of the same commit did to memory is taken back first.
async fn commit(
    tx: &mut AnyConnection,
    shared: &Mutex<Memory>,
    gifts: &Gifts,
    orders: &[Order],
) -> Result<Committed, Error> {
    let (missing, chain, mut owners, after, asked) = {
        let mut memory = lock(shared);
        memory.book.take_back(0);
        memory.pending = None;
        if memory.book.rows() > MOST_ROWS {
            memory.book = Book::default();
        }
        let ids = orders.iter().map(|order| order.operation.id);
        let asked: Vec<OpId> = ids.filter(|id| memory.recent.may_have(*id)).collect();
        let owners = std::mem::take(&mut memory.owners);
        (load::missing(&memory.book, orders), memory.chain, owners, memory.recent.after(), asked)
    };
    let loaded = load::load(tx, &missing).await?;
    let before = load::answers(tx, &asked).await?;
    owners.look(tx, orders).await?;
    let after = match after {
        Some(after) => after,
        None => recent::newest(tx).await?,
    };
    let barred = barred(tx, orders, &before).await?;
    let chain = match chain {
        Some(chain) => chain,
        None => journal::end(tx).await?,
    };
    let (committed, writes, mut chain, entries) = {
        let mut memory = lock(shared);
        loaded.put(&mut memory.book);
        let now = now_ms();
        let book = &mut memory.book;
        let (fences, barred) = (&owners.fences, &barred);
        let mut turn = Turn { book, fences, barred, gifts, chain, now, entries: Vec::new() };
        let committed = turn.decide(orders, &before);
        let (entries, chain) = (turn.entries, turn.chain);
        memory.recent.begin(after);
        (committed, memory.book.writes(), chain, entries)
    };
    rows::write(tx, save::save(&writes).chain(journal::append(&entries, &mut chain))).await?;
    for (order, answer) in orders.iter().zip(&committed.answers) {
        if let Some(deed) = order.deed.as_ref().filter(|_| answer.code.is_none() && !answer.repeat) {
            deed.apply(tx).await?;
        }
    }
    let ids = entries.iter().map(|entry| entry.op).collect();
    lock(shared).pending = Some(Pending { writes, chain, owners, ids });
    Ok(committed)
}

/// Which of those that are new the rows of mail and market do not allow.
async fn barred(
    tx: &mut AnyConnection,
    orders: &[Order],
    before: &HashMap<OpId, (String, Answer)>,
) -> Result<HashMap<OpId, Refusal>, Error> {
    let mut barred = HashMap::new();
    for order in orders.iter().filter(|order| !before.contains_key(&order.operation.id)) {
        let Some(deed) = &order.deed else { continue };
        match deed.check(tx).await {
            Ok(()) => {}
            Err(Error::Refused(refusal)) => drop(barred.insert(order.operation.id, refusal)),
            Err(error) => return Err(error),
        }
    }
    Ok(barred)
}

struct Turn<'a> {
    book: &'a mut Book,
    fences: &'a Fences,
    barred: &'a HashMap<OpId, Refusal>,
    gifts: &'a Gifts,
    chain: Chain,
    now: i64,
    entries: Vec<Entry>,
}

impl Turn<'_> {
    /// `before` are those that were decided in earlier transactions, with what was asked.
    fn decide(&mut self, orders: &[Order], before: &HashMap<OpId, (String, Answer)>) -> Committed {
        let mut committed = Committed::default();
        let mut told = Vec::new();
        // Those that are decided now, by their place.
        let mut now = HashMap::with_capacity(orders.len());
        for (place, order) in orders.iter().enumerate() {
            let id = order.operation.id;
            let known = before.get(&id).map(|(body, answer)| (body, answer));
            let known = known.or_else(|| {
                let place: usize = *now.get(&id)?;
                Some((&orders[place].body, &committed.answers[place]))
            });
            if let Some((body, answer)) = known {
                let mismatch = || Refusal::new(Code::OpMismatch, "this id was another operation's");
                // Whoever calls an operation off that was decided hears how.
                let is_asked = *body == order.body || matches!(order.operation.act, Act::Void {});
                committed.answers.push(if is_asked {
                    self.told(order, Answer { repeat: true, ..answer.clone() })
                } else {
                    Answer::refused(id, mismatch())
                });
                continue;
            }
            let result = match self.barred.get(&id) {
                Some(refusal) => Err(refusal.clone()),
                None => decide(self.book, self.fences, order.asker, &order.operation, self.now as u64),
            };
            let answer = Answer::new(id, &result);
            if let Ok(changes) = &result {
                self.others(order, changes, &mut told);
            }
            // What cannot be told from a repeat of long ago is not kept.
            if answer.code != Some(Code::OpExpired) {
                self.chain.last += 1;
                self.entries.push(Entry::new(self.chain.last, self.now, order, &answer));
                now.insert(id, place);
            }
            committed.answers.push(self.told(order, answer));
        }
        for (character, area, epoch) in told {
            let sheet = self.book.sheet(Holder::Character(character)).cloned().unwrap_or_default();
            committed.told.push(Told { character, area, epoch, sheet });
        }
        committed
    }

    /// Whoever has opened a storage is told what lies in it by now. The journal keeps none of that: it would be
    /// written again with each opening.
    fn told(&self, order: &Order, answer: Answer) -> Answer {
        match order.operation.act {
            Act::Reserve { storage, .. } if answer.code.is_none() => {
                let lies = self.book.lies(Holder::Storage(storage));
                Answer { text: serde_json::to_string(&lies).unwrap_or_default(), ..answer }
            }
            _ => answer,
        }
    }

    /// Counts characters that an operation changed, whose owner is not who asked for it; who has an owner is
    /// to be told.
    fn others(&self, order: &Order, changes: &Changes, told: &mut Vec<(CharacterId, AreaId, u64)>) {
        for character in order.touched.characters.iter().copied() {
            let Some(fence) = self.fences.characters.get(&character) else { continue };
            let own = fence.owner.is_some() && fence.owner == order.operation.area();
            if own || !changes.touch(Holder::Character(character)) {
                continue;
            }
            self.gifts.begin(character);
            if let Some(area) = fence.owner
                && told.iter().all(|(known, ..)| *known != character)
            {
                told.push((character, area, fence.epoch));
            }
        }
    }
}
