//! Group commit: one task writes, many jobs share one transaction and one flush to disk.
//!
//! If one job of a group fails, the whole group is rolled back and each job runs again in a transaction of
//! its own; so a job sees either all of its effects durable or none, whoever it was grouped with.
//!
//! A group whose callers all wait for the disk by themselves ([`super::Store::write_ahead`]) ends when it is in the
//! log; [`super::flush`] flushes it while the next one is written.
//!
//! Every statement costs two changes of thread, and of joins and leaves there are very many. So these say
//! beforehand what they usually come to ([`Quick`]), and all of a group are written in a few statements of
//! many rows. If a single row does not stand as it was seen, the group is rolled back and runs job by job.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use pangea_world::{Code, Refusal};
use sqlx::any::{AnyArguments, AnyConnectOptions};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Connection, Executor};
use tokio::sync::{mpsc, oneshot, watch};

use super::enter::{self, Enter};
use super::flush::Flushes;
use super::ownership::{self, Swap};
use super::{Error, PIECE_MAX, now_ms};
use crate::task::on_the_spot;

/// Most jobs of one transaction.
const GROUP_MAX: usize = 256;

/// How often a full disk is tried again while nobody writes.
const FULL_TRY: Duration = Duration::from_secs(1);

/// What the writer is told.
pub(super) enum Order {
    Job(Box<dyn Job>),
    /// Copies the rest of the log into the database, so that the log begins anew.
    Copy,
    Close(oneshot::Sender<()>),
}

/// What a job usually comes to.
#[derive(Debug, Clone)]
pub struct Quick<T> {
    /// The enter that it notes, new under its key.
    pub note: Option<Enter>,
    /// The change of owner.
    pub swap: Swap,
    /// What the job answers then.
    pub answer: T,
}

/// A write that can be run again.
pub(super) trait Job: Send {
    /// What it usually comes to, until [`Job::settle`].
    fn quick(&self) -> Option<(Option<&Enter>, &Swap)>;
    /// It came to that, instead of a run.
    fn settle(&mut self);
    /// Runs it once; what it found is kept for [`Job::finish`].
    fn run<'c>(&'c mut self, connection: &'c mut AnyConnection) -> BoxFuture<'c, Result<(), Error>>;
    /// Whether its caller waits for the disk by itself.
    fn is_ahead(&self) -> bool;
    /// Answers its caller: with what the last run found and the transaction's number, or with the refusal.
    fn finish(self: Box<Self>, outcome: Result<u64, Refusal>);
}

/// To whom a job's answer goes.
pub(super) enum Reply<T> {
    /// Who is told when the disk has it.
    Durable(oneshot::Sender<Result<T, Refusal>>),
    /// Who is told when it is written, with the transaction's number.
    Ahead(oneshot::Sender<Result<(T, u64), Refusal>>),
}

struct Typed<T, F> {
    quick: Option<Quick<T>>,
    run: F,
    found: Option<T>,
    reply: Reply<T>,
}

pub(super) fn job<T, F>(quick: Option<Quick<T>>, run: F, reply: Reply<T>) -> Box<dyn Job>
where
    T: Send + 'static,
    F: for<'c> FnMut(&'c mut AnyConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
{
    Box::new(Typed { quick, run, found: None, reply })
}

impl<T, F> Job for Typed<T, F>
where
    T: Send + 'static,
    F: for<'c> FnMut(&'c mut AnyConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
{
    fn quick(&self) -> Option<(Option<&Enter>, &Swap)> {
        self.quick.as_ref().map(|quick| (quick.note.as_ref(), &quick.swap))
    }

    fn settle(&mut self) {
        self.found = self.quick.take().map(|quick| quick.answer);
    }

    fn run<'c>(&'c mut self, connection: &'c mut AnyConnection) -> BoxFuture<'c, Result<(), Error>> {
        let work = (self.run)(connection);
        Box::pin(async {
            self.found = Some(work.await?);
            Ok(())
        })
    }

    fn is_ahead(&self) -> bool {
        matches!(self.reply, Reply::Ahead(_))
    }

    fn finish(self: Box<Self>, outcome: Result<u64, Refusal>) {
        let Typed { found, reply, run, .. } = *self;
        // Before anybody hears of it: the job may hold what ends with it.
        drop(run);
        let was_not_run = || Refusal::new(Code::Internal, "the write was not run");
        let found = outcome.and_then(|number| Ok((found.ok_or_else(was_not_run)?, number)));
        // The caller may have gone away; the write stands all the same.
        match reply {
            Reply::Durable(reply) => drop(reply.send(found.map(|(found, _)| found))),
            Reply::Ahead(reply) => drop(reply.send(found)),
        }
    }
}

/// The task that alone writes.
pub(super) struct Writer {
    /// `None`: a transaction did not end as it should, and the next one begins on a new connection.
    pub(super) connection: Option<AnyConnection>,
    pub(super) options: AnyConnectOptions,
    /// The log's file.
    pub(super) log: PathBuf,
    pub(super) flushes: Flushes,
    /// Whether the connection flushes before it ends a transaction.
    pub(super) flushing: bool,
    pub(super) queue: mpsc::Receiver<Order>,
    pub(super) epoch: u64,
    pub(super) fail: watch::Sender<Option<String>>,
    /// Whether the last transaction found no room.
    pub(super) full: watch::Sender<bool>,
    /// Held until the last write is done.
    pub(super) lock: Arc<File>,
}

/// How a transaction ended.
enum Outcome {
    /// It stands, under this number. If one of its jobs is not ahead, the disk has it.
    Done(u64),
    /// Nothing was written; a job, or the transaction itself, failed.
    Failed(Error),
    /// Nothing was written: the disk is full.
    Full,
    /// Nothing was written; not every quick job came to what it usually does.
    Unusual,
    /// Nothing can be written any more.
    Over(String),
}

impl Writer {
    /// Runs until closed, until every [`super::Store`] is gone, or until writing is over.
    pub(super) async fn run(mut self) {
        let guard = Guard(self.fail.clone());
        let mut group: Vec<Box<dyn Job>> = Vec::with_capacity(GROUP_MAX);
        let (mut closing, mut copy) = (None, false);
        while closing.is_none() {
            let first = if *self.full.borrow() {
                match tokio::time::timeout(FULL_TRY, self.queue.recv()).await {
                    Ok(first) => first,
                    Err(_) => {
                        if let Outcome::Over(reason) = on_the_spot(self.transaction(&mut [], false)).await {
                            self.stop(reason);
                            break;
                        }
                        continue;
                    }
                }
            } else {
                self.queue.recv().await
            };
            let Some(first) = first else { break };
            // Whoever is as far as this one comes into the same group.
            tokio::task::yield_now().await;
            let mut next = Some(first);
            while let Some(order) = next.take() {
                match order {
                    Order::Job(job) => group.push(job),
                    Order::Copy => copy = true,
                    Order::Close(done) => {
                        closing = Some(done);
                        break;
                    }
                }
                if group.len() < GROUP_MAX {
                    next = self.queue.try_recv().ok();
                }
            }
            let mut done = on_the_spot(self.group(&mut group)).await;
            if std::mem::take(&mut copy) && done.is_ok() {
                done = on_the_spot(self.copy()).await;
            }
            if let Err(reason) = done {
                self.stop(reason);
                break;
            }
        }
        // Later writes are refused at once instead of waiting for an answer that never comes.
        self.queue.close();
        while self.queue.try_recv().is_ok() {}
        if closing.is_some() {
            self.flushes.all().await;
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = on_the_spot(connection.close()).await
        {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
        drop(self.lock);
        self.fail.send_if_modified(|reason| {
            let first = reason.is_none();
            reason.get_or_insert_with(|| "the store was closed".to_owned());
            first
        });
        drop(guard);
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    fn stop(&self, reason: String) {
        tracing::error!(%reason, "the store stops");
        self.fail.send_replace(Some(reason));
    }

    /// Copies what the log holds while nobody writes; `Err`: writing is over for good.
    async fn copy(&mut self) -> Result<(), String> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        super::copy_log(connection).await
    }

    /// Writes a group; `Err`: writing is over for good.
    async fn group(&mut self, group: &mut Vec<Box<dyn Job>>) -> Result<(), String> {
        if group.is_empty() {
            return Ok(());
        }
        let mut outcome = self.transaction(group, true).await;
        if let Outcome::Unusual = outcome {
            outcome = self.transaction(group, false).await;
        }
        match outcome {
            Outcome::Done(number) => {
                group.drain(..).for_each(|job| job.finish(Ok(number)));
                return Ok(());
            }
            Outcome::Over(reason) => return Err(reason),
            Outcome::Full => {
                group.drain(..).for_each(|job| job.finish(Err(full())));
                return Ok(());
            }
            Outcome::Failed(error) if group.len() == 1 => {
                group.drain(..).for_each(|job| job.finish(Err(refusal(&error))));
                return Ok(());
            }
            Outcome::Failed(_) | Outcome::Unusual => {}
        }
        for job in group.drain(..) {
            let mut alone = [job];
            let outcome = match self.transaction(&mut alone, false).await {
                Outcome::Done(number) => Ok(number),
                Outcome::Failed(error) => Err(refusal(&error)),
                Outcome::Full => Err(full()),
                Outcome::Unusual => Err(Refusal::new(Code::Internal, "a job ran twice at once")),
                Outcome::Over(reason) => return Err(reason),
            };
            let [job] = alone;
            job.finish(outcome);
        }
        Ok(())
    }

    /// All of `jobs` in one transaction; `quick`: those that can by the quick way.
    async fn transaction(&mut self, jobs: &mut [Box<dyn Job>], quick: bool) -> Outcome {
        let outcome = self.try_transaction(jobs, quick).await;
        let now = matches!(outcome, Outcome::Full);
        if self.full.send_if_modified(|full| std::mem::replace(full, now) != now) {
            if now {
                tracing::error!("the disk is full: nothing can be written until there is room");
            } else {
                tracing::info!("the disk has room again");
            }
        }
        outcome
    }

    async fn try_transaction(&mut self, jobs: &mut [Box<dyn Job>], quick: bool) -> Outcome {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match super::connect(&self.options).await {
                Ok(connection) => {
                    self.flushing = true;
                    self.flushes.forget();
                    connection
                }
                Err(error) => return failed(error),
            },
        };
        let flushing = jobs.is_empty() || !jobs.iter().all(|job| job.is_ahead());
        let ahead = (!flushing).then(|| self.flushes.next());
        let outcome = match self.flush_by_itself(&mut connection, flushing).await {
            Ok(()) => in_transaction(&mut connection, self.epoch, jobs, quick).await,
            Err(error) => Err(error),
        };
        if let Some(number) = ahead
            && let Err(error) = self.flushes.flush(number, &self.log)
        {
            return Outcome::Over(format!("the database's log cannot be opened: {error}"));
        }
        match outcome {
            // SQLite may have rolled back by itself, or not; a closed connection surely has.
            Err(error) => match connection.close().await {
                Ok(()) => failed(error),
                Err(error) => Outcome::Over(format!("a transaction could not be rolled back: {error}")),
            },
            Ok(ended) => {
                self.connection = Some(connection);
                match ended {
                    Some(outcome) => outcome,
                    None if self.flushes.have_failed() => {
                        Outcome::Over("the database's log could not be flushed".to_owned())
                    }
                    None => Outcome::Done(ahead.unwrap_or_else(|| self.flushes.done())),
                }
            }
        }
    }

    /// Whether transactions are flushed as they end.
    async fn flush_by_itself(
        &mut self,
        connection: &mut AnyConnection,
        flushing: bool,
    ) -> Result<(), sqlx::Error> {
        if self.flushing != flushing {
            let how = if flushing { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
            connection.execute(how).await?;
            self.flushing = flushing;
        }
        Ok(())
    }
}

/// One transaction; `None`: it stands; `Err`: the connection did not end it as it should.
async fn in_transaction(
    connection: &mut AnyConnection,
    epoch: u64,
    jobs: &mut [Box<dyn Job>],
    quick: bool,
) -> Result<Option<Outcome>, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let ran = run_all(&mut transaction, epoch, jobs, quick).await;
    #[cfg(feature = "simulation")]
    let ran = match ran {
        Ok(Ran::All) => crate::simulation::disk::before_commit(Ran::All).map_err(Error::Database),
        ran => ran,
    };
    let outcome = match ran {
        Ok(Ran::All) => {
            transaction.commit().await?;
            #[cfg(feature = "simulation")]
            crate::simulation::disk::after_commit()?;
            return Ok(None);
        }
        Ok(Ran::NotLeading) => {
            return Ok(Some(Outcome::Over(super::leading::TAKEN_OVER.to_owned())));
        }
        Ok(Ran::Unusual) => Outcome::Unusual,
        Err(Error::Database(error)) if fault(&error) != Fault::Other => return Err(error),
        Err(Error::Database(error)) => Outcome::Failed(Error::Database(error)),
        Err(refused) => Outcome::Failed(refused),
    };
    transaction.rollback().await?;
    Ok(Some(outcome))
}

/// How the jobs of a transaction ran.
enum Ran {
    All,
    /// Not every quick one came to what it usually does, or this central leads no more.
    Unusual,
    NotLeading,
}

/// Finds that this central leads, and is seen. It never leaves the row as it was: SQLite flushes nothing for a
/// transaction that changes nothing, though its answer says that all before it lasts.
const LEAD: &str = "UPDATE leader SET seen = ? + CASE WHEN seen = ? THEN 1 ELSE 0 END WHERE epoch = ?";

fn bind_lead(query: Query<'_, Any, AnyArguments>, epoch: u64) -> Query<'_, Any, AnyArguments> {
    let now = now_ms();
    query.bind(now).bind(now).bind(epoch as i64)
}

/// Runs these jobs.
async fn run_all(
    connection: &mut AnyConnection,
    epoch: u64,
    jobs: &mut [Box<dyn Job>],
    quick: bool,
) -> Result<Ran, Error> {
    let (usual, rest): (Vec<_>, Vec<_>) = jobs.iter_mut().partition(|job| quick && job.quick().is_some());
    let notes: Vec<&Enter> = usual.iter().filter_map(|job| job.quick()?.0).collect();
    let swaps: Vec<&Swap> = usual.iter().filter_map(|job| Some(job.quick()?.1)).collect();
    if usual.is_empty() {
        let lead = bind_lead(sqlx::query(LEAD), epoch);
        let leads = lead.execute(&mut *connection).await?.rows_affected() == 1;
        #[cfg(feature = "simulation")]
        let leads = leads || crate::simulation::without(crate::simulation::Check::Leader);
        if !leads {
            return Ok(Ran::NotLeading);
        }
    } else if !run_usual(connection, epoch, notes, swaps).await? {
        return Ok(Ran::Unusual);
    }
    usual.into_iter().for_each(|job| job.settle());
    for job in rest {
        job.run(connection).await?;
    }
    Ok(Ran::All)
}

/// What quick jobs come to, as one command to SQLite's thread of up to three statements; `false` if they touched
/// fewer rows than they are.
async fn run_usual(
    connection: &mut AnyConnection,
    epoch: u64,
    notes: Vec<&Enter>,
    swaps: Vec<&Swap>,
) -> Result<bool, Error> {
    let (mut notes, mut swaps, mut first) = (&notes[..], &swaps[..], true);
    while first || !notes.is_empty() || !swaps.is_empty() {
        let (some_notes, some_swaps);
        (some_notes, notes) = notes.split_at(notes.len().min(PIECE_MAX));
        (some_swaps, swaps) = swaps.split_at(swaps.len().min(PIECE_MAX));
        let (note, note_size) = enter::begin_text(some_notes.len());
        let (swap, swap_size) = ownership::swap_text(some_swaps.len());
        let texts = [(first, LEAD), (!some_notes.is_empty(), note), (!some_swaps.is_empty(), swap)];
        let texts: Vec<&str> =
            texts.into_iter().filter_map(|(wanted, text)| wanted.then_some(text)).collect();
        let mut query = sqlx::query(AssertSqlSafe(texts.join("; ")));
        if first {
            query = bind_lead(query, epoch);
        }
        if !some_notes.is_empty() {
            query = enter::bind(query, some_notes, note_size);
        }
        if !some_swaps.is_empty() {
            query = ownership::bind_swaps(query, some_swaps, swap_size);
        }
        // None of them touches more rows than it is given: the sum is right only if each is.
        let wished = usize::from(first) + some_notes.len() + some_swaps.len();
        if query.execute(&mut *connection).await?.rows_affected() != wished as u64 {
            return Ok(false);
        }
        first = false;
    }
    Ok(true)
}

/// What an error of the database comes to. A full disk may get room again. But after a failed flush nobody
/// knows what the disk holds, and a second flush that succeeds proves nothing: so it is over at any other
/// error of the disk.
fn failed(error: sqlx::Error) -> Outcome {
    match fault(&error) {
        Fault::Full => Outcome::Full,
        Fault::Disk => Outcome::Over(format!("the database cannot be trusted any more: {error}")),
        Fault::Other => Outcome::Failed(Error::Database(error)),
    }
}

/// What kind of error of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Full,
    /// The disk, or what is on it, is broken.
    Disk,
    Other,
}

/// By SQLite's result codes (sqlite.org/rescode.html).
pub(super) fn fault(error: &sqlx::Error) -> Fault {
    let code = match error {
        sqlx::Error::Database(database) => database.code().and_then(|code| code.parse::<u32>().ok()),
        _ => None,
    };
    match (error, code) {
        // SQLITE_IOERR_SHMSIZE: no room for the log's index, which holds nothing that must last.
        (_, Some(4874)) => Fault::Full,
        // SQLITE_FULL; SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_NOTADB.
        (_, Some(code)) if code & 0xff == 13 => Fault::Full,
        (_, Some(code)) if matches!(code & 0xff, 10 | 11 | 26) => Fault::Disk,
        (sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed, _) => Fault::Disk,
        _ => Fault::Other,
    }
}

fn full() -> Refusal {
    Refusal::new(Code::StorageBusy, "the disk is full; nothing was written")
}

fn refusal(error: &Error) -> Refusal {
    match error {
        Error::Refused(refusal) => refusal.clone(),
        Error::Database(error) => {
            tracing::error!(%error, "a write failed");
            Refusal::new(Code::Internal, "the database failed; nothing was written")
        }
    }
}

/// Says so if the writer ends by a panic.
struct Guard(watch::Sender<Option<String>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.send_replace(Some("the store's writer failed an assertion".to_owned()));
        }
    }
}
