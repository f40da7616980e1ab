//! Flushes the database's log beside the writer, for transactions that end before the disk has them
//! ([`super::Store::write_ahead`]).
//!
//! While the disk has one flush the writer writes on, and the next flush takes all that was written meanwhile. A
//! transaction whose answers may not wait flushes by itself, and all before it with it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use pangea_world::Refusal;
use tokio::sync::watch;

use super::gone;

/// How far the log is on the disk.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Every transaction up to this one.
    to: u64,
    /// A flush failed: nobody knows what the disk holds, and nothing is written any more.
    failed: bool,
}

/// The log, and the transaction up to which it must be flushed.
type Wanted = Option<(u64, Arc<File>)>;

/// The writer's side: transactions are counted here.
pub(super) struct Flushes {
    /// The last transaction that anybody may have seen.
    seen: Arc<AtomicU64>,
    wanted: watch::Sender<Wanted>,
    progress: watch::Sender<Progress>,
    /// The log, once it was needed; of the connection that writes.
    log: Option<Arc<File>>,
}

/// Everybody else's side.
#[derive(Debug, Clone)]
pub(super) struct Flushed {
    seen: Arc<AtomicU64>,
    progress: watch::Receiver<Progress>,
}

/// What was written, but the disk does not have yet.
#[derive(Debug)]
pub struct OnDisk {
    number: u64,
    progress: watch::Receiver<Progress>,
}

impl OnDisk {
    /// Ends when the disk has it.
    ///
    /// # Errors
    /// `stopping`: nobody knows whether it has.
    pub async fn wait(mut self) -> Result<(), Refusal> {
        let has = |progress: &Progress| progress.failed || progress.to >= self.number;
        match self.progress.wait_for(has).await {
            Ok(progress) if !progress.failed => Ok(()),
            _ => Err(gone()),
        }
    }
}

impl Flushed {
    /// This transaction.
    pub(super) fn number(&self, number: u64) -> OnDisk {
        OnDisk { number, progress: self.progress.clone() }
    }

    /// All that can be read now.
    pub(super) fn all(&self) -> OnDisk {
        self.number(self.seen.load(SeqCst))
    }
}

impl Flushes {
    /// Both sides; the task that flushes ends with the writer. `fail` hears why nothing can be written any more.
    pub(super) fn begin(fail: watch::Sender<Option<String>>) -> (Self, Flushed) {
        let (wanted, wishes) = watch::channel(None);
        let (progress, receiver) = watch::channel(Progress::default());
        let seen = Arc::<AtomicU64>::default();
        let flushed = Flushed { seen: seen.clone(), progress: receiver };
        crate::task::spawn(run(wishes, progress.clone(), fail));
        (Self { seen, wanted, progress, log: None }, flushed)
    }

    /// The writer has a new connection.
    pub(super) fn forget(&mut self) {
        self.log = None;
    }

    /// A transaction has ended that flushed, and all before it with it; its number.
    pub(super) fn done(&mut self) -> u64 {
        let number = self.seen.load(SeqCst) + 1;
        self.progress.send_modify(|progress| progress.to = progress.to.max(number));
        self.seen.store(number, SeqCst);
        number
    }

    /// A transaction begins that does not flush; its number. However it ends, [`Flushes::flush`] follows.
    pub(super) fn next(&mut self) -> u64 {
        // Before anybody can see what it writes.
        self.seen.fetch_add(1, SeqCst) + 1
    }

    /// Has this transaction flushed, and all before it.
    ///
    /// # Errors
    /// If there is no log.
    pub(super) fn flush(&mut self, number: u64, log: &Path) -> std::io::Result<()> {
        let file = match self.log.take() {
            Some(file) => file,
            None => Arc::new(File::open(log)?),
        };
        self.log = Some(file.clone());
        self.wanted.send_replace(Some((number, file)));
        Ok(())
    }

    /// Whether a flush failed.
    pub(super) fn have_failed(&self) -> bool {
        self.progress.borrow().failed
    }

    /// Ends when the disk has everything.
    pub(super) async fn all(&self) {
        let number = self.seen.load(SeqCst);
        let _ = OnDisk { number, progress: self.progress.subscribe() }.wait().await;
    }
}

async fn run(
    mut wishes: watch::Receiver<Wanted>,
    progress: watch::Sender<Progress>,
    fail: watch::Sender<Option<String>>,
) {
    while wishes.changed().await.is_ok() {
        let wanted = wishes.borrow_and_update().clone();
        let Some((number, file)) = wanted.filter(|(number, _)| progress.borrow().to < *number) else {
            continue;
        };
        // What is needed to read it again, its length with it, but no times.
        let done = crate::task::blocking(move || file.sync_data()).await;
        let error = match done {
            Ok(Ok(())) => {
                progress.send_modify(|progress| progress.to = progress.to.max(number));
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let reason = format!("the database's log could not be flushed: {error}");
        tracing::error!(%reason, "the store stops");
        progress.send_modify(|progress| progress.failed = true);
        fail.send_replace(Some(reason));
        return;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// The number of a transaction is on the disk only when a flush that began after it has ended.
    #[tokio::test]
    async fn what_was_flushed_is_on_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let (fail, _failed) = watch::channel(None);
        let (mut flushes, flushed) = Flushes::begin(fail);
        let first = flushes.next();
        assert!(flushes.flush(first, &log).is_err(), "there is no log");
        assert_eq!(flushes.done(), first + 1);
        flushed.number(first + 1).wait().await.expect("it flushed by itself, and what was before");
        File::create(&log).expect("a log");
        let [second, third] = [flushes.next(), flushes.next()];
        let mut all = Box::pin(flushed.all().wait());
        flushes.flush(second, &log).expect("a log");
        flushed.number(second).wait().await.expect("flushed");
        assert!(all.as_mut().now_or_never().is_none(), "the third can be seen, but is not flushed");
        flushes.flush(third, &log).expect("a log");
        all.await.expect("all of them");
        let more = flushed.number(third + 1);
        drop(flushes);
        assert!(more.wait().await.is_err(), "nobody will write it");
    }

    /// After a flush that failed nothing is on the disk any more, not even what a later one seems to flush.
    #[tokio::test]
    async fn a_failed_flush_is_the_end() {
        let (fail, mut failed) = watch::channel(None);
        let (mut flushes, flushed) = Flushes::begin(fail);
        // The null device cannot be flushed.
        let number = flushes.next();
        flushes.flush(number, Path::new("/dev/null")).expect("it opens");
        assert!(flushed.number(number).wait().await.is_err());
        assert!(flushes.have_failed());
        assert!(failed.wait_for(Option::is_some).await.is_ok());
        assert!(flushed.all().wait().await.is_err());
    }
}
