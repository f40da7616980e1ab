//! Group commit: one task writes, many jobs share one transaction and one flush to disk.
//!
//! If one job of a group fails, the whole group is rolled back and each job runs again in a transaction of
//! its own; so a job sees either all of its effects durable or none, whoever it was grouped with.

use std::fs::File;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use pangea_world::{Code, Refusal};
use sqlx::{AnyConnection, Connection};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Error, now_ms};

/// Most jobs of one transaction.
const GROUP_MAX: usize = 256;

/// What the writer is told.
pub(super) enum Order {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// A write that can be run again.
pub(super) trait Job: Send {
    /// Runs it once; what it found is kept for [`Job::finish`].
    fn run<'c>(&'c mut self, connection: &'c mut AnyConnection) -> BoxFuture<'c, Result<(), Error>>;
    /// Answers its caller: with what the last run found, or with the refusal.
    fn finish(self: Box<Self>, outcome: Result<(), Refusal>);
}

struct Typed<T, F> {
    run: F,
    found: Option<T>,
    reply: oneshot::Sender<Result<T, Refusal>>,
}

pub(super) fn job<T, F>(run: F, reply: oneshot::Sender<Result<T, Refusal>>) -> Box<dyn Job>
where
    T: Send + 'static,
    F: for<'c> FnMut(&'c mut AnyConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
{
    Box::new(Typed { run, found: None, reply })
}

impl<T, F> Job for Typed<T, F>
where
    T: Send + 'static,
    F: for<'c> FnMut(&'c mut AnyConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
{
    fn run<'c>(&'c mut self, connection: &'c mut AnyConnection) -> BoxFuture<'c, Result<(), Error>> {
        let work = (self.run)(connection);
        Box::pin(async {
            self.found = Some(work.await?);
            Ok(())
        })
    }

    fn finish(self: Box<Self>, outcome: Result<(), Refusal>) {
        let Typed { found, reply, .. } = *self;
        let found =
            outcome.and_then(|()| found.ok_or_else(|| Refusal::new(Code::Internal, "the write was not run")));
        // The caller may have gone away; the write stands all the same.
        let _ = reply.send(found);
    }
}

/// The task that alone writes.
pub(super) struct Writer {
    pub(super) connection: AnyConnection,
    pub(super) queue: mpsc::Receiver<Order>,
    pub(super) epoch: u64,
    pub(super) fail: watch::Sender<Option<String>>,
    /// Held until the last write is done.
    pub(super) lock: Arc<File>,
}

/// How a transaction ended.
enum Outcome {
    Durable,
    /// Nothing was written; the job at this index, or the transaction itself, failed.
    Failed(Error),
    /// Nothing can be written any more.
    Over(String),
}

impl Writer {
    /// Runs until closed, until every [`super::Store`] is gone, or until writing is over.
    pub(super) async fn run(mut self) {
        let guard = Guard(self.fail.clone());
        let mut group: Vec<Box<dyn Job>> = Vec::with_capacity(GROUP_MAX);
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = self.queue.recv().await else { break };
            let mut next = Some(first);
            while let Some(order) = next.take() {
                match order {
                    Order::Job(job) => group.push(job),
                    Order::Close(done) => {
                        closing = Some(done);
                        break;
                    }
                }
                if group.len() < GROUP_MAX {
                    next = self.queue.try_recv().ok();
                }
            }
            if let Err(reason) = self.group(&mut group).await {
                tracing::error!(%reason, "the store stops");
                self.fail.send_replace(Some(reason));
                break;
            }
        }
        // Later writes are refused at once instead of waiting for an answer that never comes.
        self.queue.close();
        while self.queue.try_recv().is_ok() {}
        if let Err(error) = self.connection.close().await {
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

    /// Writes a group; `Err`: writing is over for good.
    async fn group(&mut self, group: &mut Vec<Box<dyn Job>>) -> Result<(), String> {
        if group.is_empty() {
            return Ok(());
        }
        match self.transaction(group).await {
            Outcome::Durable => {
                group.drain(..).for_each(|job| job.finish(Ok(())));
                return Ok(());
            }
            Outcome::Over(reason) => return Err(reason),
            Outcome::Failed(error) if group.len() == 1 => {
                group.drain(..).for_each(|job| job.finish(Err(refusal(&error))));
                return Ok(());
            }
            Outcome::Failed(_) => {}
        }
        for job in group.drain(..) {
            let mut alone = [job];
            let outcome = match self.transaction(&mut alone).await {
                Outcome::Durable => Ok(()),
                Outcome::Failed(error) => Err(refusal(&error)),
                Outcome::Over(reason) => return Err(reason),
            };
            let [job] = alone;
            job.finish(outcome);
        }
        Ok(())
    }

    /// All of `jobs` in one transaction.
    async fn transaction(&mut self, jobs: &mut [Box<dyn Job>]) -> Outcome {
        let mut transaction = match self.connection.begin_with("BEGIN IMMEDIATE").await {
            Ok(transaction) => transaction,
            Err(error) => return failed(error),
        };
        let mine = sqlx::query("UPDATE leader SET seen = $1 WHERE epoch = $2")
            .bind(now_ms())
            .bind(self.epoch as i64)
            .execute(&mut *transaction)
            .await;
        match mine {
            Ok(done) if done.rows_affected() == 1 => {}
            Ok(_) => return Outcome::Over("another central has taken over the database".to_owned()),
            Err(error) => return failed(error),
        }
        for job in jobs {
            if let Err(error) = job.run(&mut transaction).await {
                if let Err(error) = transaction.rollback().await {
                    return Outcome::Over(format!("a transaction could not be rolled back: {error}"));
                }
                return match error {
                    Error::Database(error) => failed(error),
                    refused => Outcome::Failed(refused),
                };
            }
        }
        match transaction.commit().await {
            Ok(()) => Outcome::Durable,
            Err(error) => failed(error),
        }
    }
}

/// A full disk may get room again; a disk that cannot flush never answers for what it holds.
fn failed(error: sqlx::Error) -> Outcome {
    let code = match &error {
        sqlx::Error::Database(database) => database.code().and_then(|code| code.parse::<u32>().ok()),
        _ => None,
    };
    match (&error, code.map(|code| code & 0xff)) {
        // SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_NOTADB.
        (_, Some(10 | 11 | 26)) | (sqlx::Error::Io(_), _) => {
            Outcome::Over(format!("the database cannot be trusted any more: {error}"))
        }
        // SQLITE_FULL.
        (_, Some(13)) => Outcome::Failed(Error::Refused(Refusal::new(
            Code::StorageBusy,
            "the disk is full; nothing was written",
        ))),
        _ => Outcome::Failed(Error::Database(error)),
    }
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
