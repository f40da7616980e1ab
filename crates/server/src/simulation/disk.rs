//! Central's disk: what it refuses for a while, and how it breaks. The errors are those of SQLite
//! (sqlite.org/rescode.html), raised where a transaction is about to end or has just ended.

use std::borrow::Cow;
use std::io;

use sqlx::error::{DatabaseError, ErrorKind};

use super::{Dice, note, with};

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// So many of a hundred transactions fail and are rolled back.
    Refuses(u64),
    /// Nothing can be written: there is no room.
    Full,
    /// The flush of the next commit fails. Whether what it wrote is there afterwards nobody knows: with `done` it is.
    Breaks {
        /// Whether the transaction is there.
        done: bool,
    },
    /// Of checkpoints some are not written, some are cut short with an error, some are cut short without a word.
    Tears,
    /// No checkpoint can be read or written.
    Away,
    /// No row can be read; transactions are done.
    Unread,
}

/// The disk.
pub(super) struct Disk {
    dice: Dice,
    trouble: Option<Trouble>,
}

impl Disk {
    pub(super) fn new(dice: Dice) -> Self {
        Self { dice, trouble: None }
    }
}

/// From now on; `None`: it is sound again.
pub fn trouble(trouble: Option<Trouble>) {
    with(|world| world.disk.trouble = trouble);
}

/// What is wrong with it now.
pub fn troubled() -> Option<Trouble> {
    with(|world| world.disk.trouble).flatten()
}

/// A transaction, or the change of who leads, is about to be committed.
pub(crate) fn before_commit<T>(ran: T) -> sqlx::Result<T> {
    let code = with(|world| {
        let disk = &mut world.disk;
        match disk.trouble? {
            Trouble::Refuses(percent) => disk.dice.percent(percent).then_some(NO_MEMORY),
            Trouble::Full => Some(FULL),
            Trouble::Breaks { done: false } => {
                disk.trouble = None;
                Some(FLUSH)
            }
            Trouble::Breaks { done: true } | Trouble::Tears | Trouble::Away | Trouble::Unread => None,
        }
    });
    code.flatten().map_or(Ok(ran), |code| Err(error(code)))
}

/// A transaction was committed.
pub(crate) fn after_commit() -> sqlx::Result<()> {
    let broke =
        with(|world| world.disk.trouble.take_if(|trouble| *trouble == Trouble::Breaks { done: true }));
    broke.flatten().map_or(Ok(()), |_| Err(error(FLUSH)))
}

/// Rows are about to be read.
pub(crate) fn before_read<T>(ready: T) -> sqlx::Result<T> {
    if troubled() == Some(Trouble::Unread) { Err(error(READ)) } else { Ok(ready) }
}

/// A checkpoint is written: what of it comes to lie there, and whether that is said.
pub(crate) fn checkpoint_written(mut bytes: Vec<u8>) -> io::Result<(Vec<u8>, io::Result<()>)> {
    let (gone, torn, told) = with(|world| {
        let Disk { dice, trouble } = &mut world.disk;
        match trouble {
            Some(Trouble::Full | Trouble::Away) => (true, None, true),
            Some(Trouble::Tears) => match dice.below(4) {
                0 => (true, None, true),
                1 => (false, None, true),
                _ => (false, Some(dice.below(bytes.len() as u64)), dice.percent(50)),
            },
            _ => (false, None, true),
        }
    })
    .unwrap_or((false, None, true));
    if gone {
        note("disk: a checkpoint is not written");
        return Err(io::ErrorKind::StorageFull.into());
    }
    let Some(length) = torn else { return Ok((bytes, Ok(()))) };
    note(&format!(
        "disk: of a checkpoint {length} of {} bytes are there, and it is told: {told}",
        bytes.len()
    ));
    bytes.truncate(length as usize);
    Ok((bytes, if told { Err(io::ErrorKind::Other.into()) } else { Ok(()) }))
}

/// A checkpoint is read.
pub(crate) fn checkpoint_read() -> io::Result<()> {
    if troubled() == Some(Trouble::Away) { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
}

/// SQLITE_NOMEM: this transaction failed, and nothing more.
const NO_MEMORY: &str = "7";
/// SQLITE_FULL.
const FULL: &str = "13";
/// SQLITE_IOERR_FSYNC.
const FLUSH: &str = "1034";
/// SQLITE_IOERR_READ.
const READ: &str = "266";

fn error(code: &'static str) -> sqlx::Error {
    note(&format!("disk: the database fails with code {code}"));
    sqlx::Error::Database(Box::new(Code(code)))
}

/// As SQLite says it.
#[derive(Debug)]
struct Code(&'static str);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "(code: {}) by the simulation", self.0)
    }
}

impl std::error::Error for Code {}

impl DatabaseError for Code {
    fn message(&self) -> &str {
        "by the simulation"
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.0.into())
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}
