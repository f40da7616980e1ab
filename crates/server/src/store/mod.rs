//! The only place that knows SQL.
//!
//! One SQL text serves SQLite and PostgreSQL: `$1` placeholders (`?` in statements of many rows), BIGINT
//! milliseconds, ids as 16-byte blobs, SMALLINT for truth values. SQLite runs in WAL mode, and what was answered is
//! flushed: it survives a power cut. All writes go through one writer task, which commits many of them at once
//! ([`Store::write`]); reads go through a small pool of connections that cannot write ([`Store::reader`]).
//!
//! One central writes. It holds `central.lock` for its life, and a row in the database whose epoch each open
//! raises; every transaction begins by checking that row, so a central that was superseded cannot write. What it
//! says without a write is not held back by that: before what counts it asks ([`Store::leads`]).
//!
//! | file | knows |
//! |---|---|
//! | [`migrate`] | the schema and its versions |
//! | [`writer`] | group commit |
//! | [`flush`] | what is written before the disk has it |
//! | [`counts`] | whether what was read still holds |
//! | [`leading`] | whether this central leads still |
//! | [`joining`] | what joins read, many at once |
//! | [`ownership`] | the one function that changes an owner; writes that only an owner may do |
//! | [`cut`] | areas that are cut anew, with everybody and everything on them |
//! | [`ledger`] | goods, money, quest steps: many operations in one transaction |
//! | [`social`] | friends, parties, mail, market |
//! | [`faction`] | factions that players have founded, and their ground |
//! | [`chat`] | the file of a chat: lines of channels |
//! | [`backup`] | copies of databases that are written meanwhile |
//! | [`account`], [`session`], [`character`], [`area`], [`quest`], [`enter`], [`audit`] | their rows |

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::future::BoxFuture;
use pangea_world::{Code, Refusal};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, AnyRow};
#[cfg(not(feature = "simulation"))]
use sqlx::{Any, pool::PoolConnection};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Executor, Row};
use tokio::sync::{mpsc, oneshot, watch};

pub mod account;
pub mod area;
pub mod audit;
pub mod backup;
pub mod character;
pub mod chat;
mod counts;
pub mod cut;
pub mod enter;
pub mod faction;
pub mod flush;
pub mod joining;
pub mod leading;
pub mod ledger;
pub mod migrate;
pub mod moderation;
pub mod ownership;
pub mod quest;
pub mod roster;
pub mod session;
#[cfg(feature = "simulation")]
mod simulated;
pub mod social;
pub mod writer;

pub use flush::OnDisk;
pub use writer::Quick;

use crate::task::on_the_spot;

/// What a job of the writer works on: the transaction's connection.
pub type Connection = AnyConnection;

/// Most writes that wait for the writer; a further one is refused with `storage_busy`.
pub const QUEUE_MAX: usize = 4_096;

/// A connection that can only read.
#[cfg(not(feature = "simulation"))]
pub type Reader = PoolConnection<Any>;
#[cfg(feature = "simulation")]
pub use simulated::Reader;

/// How often the log is looked at, and from which size on it is copied.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(2);
const CHECKPOINT_BYTES: u64 = 4 << 20;

/// From which size on the log is begun anew.
const LONG_BYTES: u64 = 16 << 20;

/// Connections for reads.
const READERS: u32 = 4;

/// Why a job of the writer did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An expected «no»; the transaction is rolled back and the caller gets it as it is.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database failed; the caller gets `internal`, the log the cause.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal,
            Error::Database(error) => {
                tracing::error!(%error, "the database failed");
                Refusal::new(Code::Internal, "the database failed; nothing was written")
            }
        }
    }
}

impl Error {
    /// Whether a UNIQUE rule was broken.
    pub fn is_unique(&self) -> bool {
        matches!(self, Error::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }
}

/// The database; cheap to clone.
#[derive(Clone)]
pub struct Store {
    jobs: mpsc::Sender<writer::Order>,
    readers: AnyPool,
    joins: mpsc::Sender<joining::Wish>,
    questions: mpsc::Sender<leading::Question>,
    failed: watch::Receiver<Option<String>>,
    full: watch::Receiver<bool>,
    flushed: flush::Flushed,
    era: u64,
    epoch: u64,
}

/// The schema's version of the database in a data folder, and the newest that this program knows; `None` if
/// there is no database yet. Changes nothing in it.
///
/// # Errors
/// If it cannot be read, or is no database of this program.
pub async fn schema_version(folder: &Path) -> anyhow::Result<Option<(u64, u64)>> {
    let path = folder.join("pangea.db");
    if !path.exists() {
        return Ok(None);
    }
    sqlx::any::install_default_drivers();
    let mut connection = options(&path, "ro")?.connect().await?;
    let versions = migrate::version(&mut connection).await;
    sqlx::Connection::close(connection).await?;
    versions.map(Some)
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store(epoch {}, era {})", self.epoch, self.era)
    }
}

impl Store {
    /// Opens `<folder>/pangea.db`, makes folder and file where missing, and brings the schema up to date.
    ///
    /// # Errors
    /// If the folder cannot be written, if another central has it open, if the schema is newer than this
    /// program. The text says which, and what to do.
    pub async fn open(folder: &Path) -> anyhow::Result<Store> {
        on_the_spot(Self::open_now(folder)).await
    }

    async fn open_now(folder: &Path) -> anyhow::Result<Store> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the data folder «{}» cannot be made", folder.display()))?;
        let lock = lock(folder)?;
        sqlx::any::install_default_drivers();
        let path = folder.join("pangea.db");
        let options = options(&path, "rwc")?;
        let what = || format!("the database «{}» cannot be opened for writing", path.display());
        let mut connection = connect(&options).await.with_context(what)?;
        let log = path.with_extension("db-wal");
        // What a central that ended left in the log was perhaps never flushed, though it can be read.
        if let Ok(left) = File::open(&log) {
            left.sync_data().with_context(what)?;
        }
        // The log begins empty, unless somebody reads it just now.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.with_context(what)?;
        let found = migrate::migrate(&mut connection, &path.display().to_string()).await?;
        let epoch = migrate::lead(&mut connection).await.with_context(what)?;
        let readers = AnyPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(Duration::from_secs(5))
            // A local file does not hang up; the check would double the cost of a small read.
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    prepare(connection).await?;
                    connection.execute("PRAGMA query_only = ON").await?;
                    Ok(())
                })
            })
            .connect_lazy_with(options.clone());
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let (fail, failed) = watch::channel(None);
        let (full, is_full) = watch::channel(false);
        let copying = options.connect().await.with_context(what)?;
        crate::task::spawn(checkpoint(copying, log.clone(), jobs.downgrade(), fail.clone()));
        let (joins, joining) = mpsc::channel(joining::QUEUE_MAX);
        crate::task::spawn(joining::serve(readers.clone(), joining));
        let (questions, asked) = mpsc::channel(leading::QUEUE_MAX);
        crate::task::spawn(leading::serve(options.clone(), readers.clone(), epoch, asked, fail.clone()));
        let connection = Some(connection);
        let (flushes, flushed) = flush::Flushes::begin(fail.clone());
        let writer = writer::Writer {
            connection,
            options,
            log,
            flushes,
            flushing: true,
            queue,
            epoch,
            fail,
            full,
            lock,
        };
        crate::task::spawn(writer.run());
        let (full, era) = (is_full, found.era);
        Ok(Store { jobs, readers, joins, questions, failed, full, flushed, era, epoch })
    }

    /// Runs a job in a transaction and answers once it is durable. The job may run more than once (its
    /// transaction is shared with others, and repeated alone if one of them fails): it must change nothing
    /// but the database.
    ///
    /// # Errors
    /// The job's own refusal; `storage_busy` if the queue is full; `internal` if the database failed. In
    /// each case nothing was written.
    pub async fn write<T, F>(&self, job: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: for<'c> FnMut(&'c mut AnyConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
    {
        self.write_usually(None, job).await
    }

    /// The same for a job of which very many come at once. With a word of what it usually comes to, it is
    /// written with its like in few statements, and run only if it comes to something else.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn write_usually<T, F>(&self, usual: Option<Quick<T>>, job: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: for<'c> FnMut(&'c mut AnyConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.queue(writer::job(usual, job, writer::Reply::Durable(reply)))?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// As [`Store::write`], but ends when the transaction stands in the log, and the disk may not have it yet: it can
    /// be read and written over, and is lost only with the machine's power. Nobody may be told of it before
    /// [`OnDisk::wait`] ends.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn write_ahead<T, F>(&self, job: F) -> Result<(T, OnDisk), Refusal>
    where
        T: Send + 'static,
        F: for<'c> FnMut(&'c mut AnyConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.queue(writer::job(None, job, writer::Reply::Ahead(reply)))?;
        let (found, number) = answer.await.unwrap_or_else(|_| Err(gone()))?;
        Ok((found, self.flushed.number(number)))
    }

    fn queue(&self, job: Box<dyn writer::Job>) -> Result<(), Refusal> {
        self.jobs.try_send(writer::Order::Job(job)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Refusal::new(Code::StorageBusy, "too many writes are waiting; try again in a moment")
            }
            mpsc::error::TrySendError::Closed(_) => gone(),
        })
    }

    /// Ends when the disk has all that can be read now: for who tells on what he has read of goods and money, which
    /// are written ahead. Who writes afterwards need not wait: his write flushes all before it.
    ///
    /// # Errors
    /// `stopping`: nobody knows whether it has.
    pub async fn flushed(&self) -> Result<(), Refusal> {
        self.flushed.all().wait().await
    }

    /// A connection that can only read.
    ///
    /// # Errors
    /// `storage_busy` if none is free within five seconds.
    pub async fn reader(&self) -> Result<Reader, Refusal> {
        let acquired = on_the_spot(async {
            // Before one is taken: what is given back is there once a task has run, and none may while this waits.
            #[cfg(feature = "simulation")]
            crate::simulation::disk::before_read(())?;
            self.readers.acquire().await
        });
        acquired.await.map(|connection| reader(connection, &self.readers)).map_err(|error| match error {
            sqlx::Error::PoolTimedOut => Refusal::new(Code::StorageBusy, "the database is busy; try again"),
            error => Error::Database(error).into(),
        })
    }

    /// Rises only when a backup is restored.
    pub fn era(&self) -> u64 {
        self.era
    }

    /// The epoch of this central, higher than that of every earlier one.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Ends when nothing can be written any more (another central took over, the disk failed), with the
    /// reason: the process must stop then.
    pub async fn failed(&self) -> String {
        let mut failed = self.failed.clone();
        let reason = failed.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_else(|| "the store was closed".to_owned())
    }

    /// Whether the last write found no room on the disk; it is tried again every second.
    pub fn is_full(&self) -> bool {
        *self.full.borrow()
    }

    /// Waits until there is room on the disk.
    pub async fn has_room(&self) {
        // The writer is gone: nothing to wait for.
        let _ = self.full.clone().wait_for(|full| !full).await;
    }

    /// Writes what waits, closes the files and gives the lock free. Later calls are refused.
    pub async fn close(&self) {
        on_the_spot(self.readers.close()).await;
        let (done, wait) = oneshot::channel();
        if self.jobs.send(writer::Order::Close(done)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

/// Most rows of one statement; the others have 1, 2, 4, …, so that few texts serve every number of rows.
const PIECE_MAX: usize = 64;

/// Which of a statement's texts, for 1, 2, 4, … rows, takes so many; rows of nothing but NULL fill it up.
fn piece_text(texts: &[String], rows: usize) -> (&str, usize) {
    let size = rows.clamp(1, PIECE_MAX).next_power_of_two();
    (&texts[size.ilog2() as usize], size)
}

/// `(?, ?), (?, ?)` and so on, for each size of a piece from 1 on. SQLite looks a numbered place up by walking
/// through all before it, at each run; for PostgreSQL numbers would be written here.
fn piece_rows(columns: usize) -> impl Iterator<Item = String> {
    let row = format!("({})", vec!["?"; columns].join(", "));
    (0..=PIECE_MAX.ilog2()).map(move |size| vec![row.as_str(); 1 << size].join(", "))
}

/// Milliseconds since 1970 by the wall clock, for rows.
pub fn now_ms() -> i64 {
    crate::clock::unix_ms() as i64
}

/// The 16 bytes of an id in a row.
fn id(row: &AnyRow, column: usize) -> Result<[u8; 16], Error> {
    optional_id(row, column)?
        .ok_or_else(|| sqlx::Error::Decode(format!("column {column}: an id is missing").into()).into())
}

fn optional_id(row: &AnyRow, column: usize) -> Result<Option<[u8; 16]>, Error> {
    let Some(bytes) = row.try_get::<Option<Vec<u8>>, _>(column)? else { return Ok(None) };
    let bytes: [u8; 16] = bytes
        .try_into()
        .map_err(|_| sqlx::Error::Decode(format!("column {column}: an id has 16 bytes").into()))?;
    Ok(Some(bytes))
}

fn gone() -> Refusal {
    Refusal::new(Code::Stopping, "the server is stopping")
}

fn lock(folder: &Path) -> anyhow::Result<Arc<File>> {
    let path = folder.join("central.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).with_context(|| {
        format!(
            "the data folder «{}» cannot be written; mend its rights or choose another (data = …)",
            folder.display()
        )
    })?;
    match file.try_lock() {
        Ok(()) => Ok(Arc::new(file)),
        // There it stands for a database of another machine, which several centrals reach.
        Err(TryLockError::WouldBlock) if cfg!(feature = "simulation") => Ok(Arc::new(file)),
        Err(TryLockError::WouldBlock) => bail!(
            "another central has the data folder «{}» open; stop it first, or choose another folder (data = …)",
            folder.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("«{}» cannot be locked", path.display()))
        }
    }
}

fn options(path: &Path, mode: &str) -> anyhow::Result<AnyConnectOptions> {
    let text = path.to_str().with_context(|| format!("the path «{}» is not UTF-8", path.display()))?;
    let mut url = String::from("sqlite:");
    for c in text.chars() {
        match c {
            '%' | '?' | '#' => url.push_str(&format!("%{:02X}", c as u32)),
            c => url.push(c),
        }
    }
    url.push_str("?mode=");
    url.push_str(mode);
    Ok(url.parse::<AnyConnectOptions>()?.disable_statement_logging())
}

/// Copies the log into the database now and then, beside the writer, who does not wait for it. What is written
/// meanwhile stays in the log, so under load it never ends: the writer copies the rest of a long one, which is little,
/// and begins it anew. Ends when the log is gone: the store was closed.
async fn checkpoint(
    mut connection: AnyConnection,
    log: std::path::PathBuf,
    writer: mpsc::WeakSender<writer::Order>,
    fail: watch::Sender<Option<String>>,
) {
    loop {
        tokio::time::sleep(CHECKPOINT_EVERY).await;
        let bytes = match std::fs::metadata(&log) {
            Ok(data) => data.len(),
            Err(_) => return,
        };
        if bytes <= CHECKPOINT_BYTES {
            continue;
        }
        let is_long = bytes > LONG_BYTES;
        for _ in 0..=u8::from(is_long) {
            if let Err(reason) = on_the_spot(copy_log(&mut connection)).await {
                tracing::error!(%reason, "the store stops");
                fail.send_replace(Some(reason));
                return;
            }
        }
        if let Some(writer) = writer.upgrade().filter(|_| is_long) {
            // If it has too much to do, next time.
            let _ = writer.try_send(writer::Order::Copy);
        }
    }
}

/// Copies the log as far as nobody is in the way. A full disk lets the log grow; `Err`: another error of the disk,
/// nothing can be written any more.
async fn copy_log(connection: &mut AnyConnection) -> Result<(), String> {
    match connection.execute("PRAGMA wal_checkpoint(PASSIVE)").await {
        Ok(_) => Ok(()),
        Err(error) if writer::fault(&error) == writer::Fault::Disk => {
            Err(format!("the database's log could not be copied: {error}"))
        }
        Err(error) => {
            tracing::warn!(%error, "the database's log could not be copied; it grows until it can");
            Ok(())
        }
    }
}

#[cfg(not(feature = "simulation"))]
fn reader(connection: PoolConnection<Any>, _: &AnyPool) -> Reader {
    connection
}
#[cfg(feature = "simulation")]
use simulated::reader;

/// A connection that may write.
async fn connect(options: &AnyConnectOptions) -> sqlx::Result<AnyConnection> {
    let mut connection = options.connect().await?;
    prepare(&mut connection).await?;
    // KiB: with SQLite's own 2 MB, one commit of the ledger reads the same pages again and again.
    connection.execute("PRAGMA cache_size = -32768").await?;
    // Else every thousandth page makes one writer wait for the whole log to be copied.
    connection.execute("PRAGMA wal_autocheckpoint = 0").await?;
    Ok(connection)
}

async fn prepare(connection: &mut AnyConnection) -> sqlx::Result<()> {
    for pragma in [
        "PRAGMA busy_timeout = 5000",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
    ] {
        connection.execute(pragma).await?;
    }
    Ok(())
}

#[cfg(test)]
mod row_tests;
#[cfg(test)]
mod tests;
