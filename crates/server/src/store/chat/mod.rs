//! Chat's own file: the lines of durable channels, each once and numbered without a gap, and a log of what was
//! said in the others. One connection, used by one task; a process locks the file for its life.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail};
use pangea_world::chat::Kind;
use pangea_world::messages::{Line, MAX_LINES, ReadSaid, SaidLine};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection as _, Executor as _, Row as _};

use super::{Error, connect, options};
use crate::random;

/// The schema's version that this program knows.
const VERSION: i64 = 1;

/// Most channels of which the store remembers where they stand.
const MOST_KNOWN: usize = 65_536;

/// Most lines that are thrown away in one go.
const MOST_EXPIRED: i64 = 10_000;

/// The file, open.
pub struct ChatStore {
    connection: AnyConnection,
    known: HashMap<String, Stands>,
    _lock: File,
}

/// Where a channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stands {
    row: i64,
    /// The number of its log, never 0.
    pub log: u64,
    /// The number of its newest line; 0: none.
    pub last: u64,
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Appended {
    /// Of which log.
    pub log: u64,
    /// With its number.
    pub seq: u64,
    /// Whether it was there before.
    pub again: bool,
}

impl ChatStore {
    /// Opens the file of the chat of this name, or makes it.
    ///
    /// # Errors
    /// If it cannot be read or written, another process has it, or a newer program made it.
    pub async fn open(folder: &Path, name: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("«{}» cannot be made", folder.display()))?;
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
        let path = folder.join(format!("{}.db", name.chars().map(plain).collect::<String>()));
        let lock = path.with_extension("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock)?;
        if lock.try_lock().is_err() {
            bail!("another chat has «{}» open; stop it first, or give this one another name", path.display());
        }
        sqlx::any::install_default_drivers();
        let what = || format!("«{}» cannot be opened for writing", path.display());
        let mut connection = connect(&options(&path, "rwc")?).await.with_context(what)?;
        connection.execute("PRAGMA wal_autocheckpoint = 1000").await.with_context(what)?;
        let version: i64 =
            connection.fetch_one("PRAGMA user_version").await.with_context(what)?.try_get(0)?;
        if version > VERSION {
            bail!("«{}» was written by a newer program", path.display());
        }
        if version == 0 {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.with_context(what)?;
            for statement in include_str!("schema.sql").split_inclusive(';') {
                if statement.trim().ends_with(';') {
                    transaction.execute(statement).await.with_context(what)?;
                }
            }
            transaction.commit().await.with_context(what)?;
        }
        Ok(Self { connection, known: HashMap::new(), _lock: lock })
    }

    /// Where a channel stands; one that was never spoken in begins now.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub async fn stands(&mut self, channel: &str) -> Result<Stands, Error> {
        if let Some(stands) = self.known.get(channel) {
            return Ok(*stands);
        }
        let stands = stands(&mut self.connection, channel).await?;
        self.remember(channel, stands);
        Ok(stands)
    }

    /// Finds out where these channels stand, all in one transaction.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub async fn learn(&mut self, channels: &[&str]) -> Result<(), Error> {
        let new: Vec<&str> =
            channels.iter().copied().filter(|channel| !self.known.contains_key(*channel)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut found = Vec::with_capacity(new.len());
        for channel in new {
            found.push((channel, stands(&mut transaction, channel).await?));
        }
        transaction.commit().await?;
        for (channel, stands) in found {
            self.remember(channel, stands);
        }
        Ok(())
    }

    /// Numbers and writes these lines in one transaction; each is durable when this returns. A line whose sender
    /// and number are in its channel already is left as it was.
    ///
    /// # Errors
    /// If nothing could be written.
    pub async fn append(&mut self, lines: &[(String, Line)]) -> Result<Vec<Appended>, Error> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut moved: HashMap<&str, Stands> = HashMap::new();
        let mut done = Vec::with_capacity(lines.len());
        for (channel, line) in lines {
            let mut now = match moved.get(channel.as_str()).or_else(|| self.known.get(channel)) {
                Some(stands) => *stands,
                None => stands(&mut transaction, channel).await?,
            };
            let seq = now.last + 1;
            let written = sqlx::query(
                "INSERT INTO line (channel, seq, sender, account, name, said, at_ms, text) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
            )
            .bind(now.row)
            .bind(seq as i64)
            .bind(line.sender.clone())
            .bind(line.account.clone())
            .bind(line.name.clone())
            .bind(line.id as i64)
            .bind(line.at_ms as i64)
            .bind(line.text.clone())
            .execute(&mut *transaction)
            .await?;
            let again = written.rows_affected() == 0;
            let seq = if again {
                let row =
                    sqlx::query("SELECT seq FROM line WHERE channel = $1 AND sender = $2 AND said = $3")
                        .bind(now.row)
                        .bind(line.sender.clone())
                        .bind(line.id as i64)
                        .fetch_one(&mut *transaction)
                        .await?;
                row.try_get::<i64, _>(0)? as u64
            } else {
                now.last = seq;
                seq
            };
            moved.insert(channel, now);
            done.push(Appended { log: now.log, seq, again });
        }
        for now in moved.values() {
            sqlx::query("UPDATE channel SET last = $1 WHERE id = $2")
                .bind(now.last as i64)
                .bind(now.row)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        for (channel, now) in moved {
            self.remember(channel, now);
        }
        Ok(done)
    }

    /// At most so many lines of a channel, oldest first: the oldest above `after`, or the newest below `before`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn read(
        &mut self,
        channel: &str,
        after: Option<u64>,
        before: u64,
        most: u32,
    ) -> Result<(u64, Vec<Line>), Error> {
        let stands = self.stands(channel).await?;
        if stands.last == 0 {
            return Ok((stands.log, Vec::new()));
        }
        let columns = "SELECT seq, sender, account, name, said, at_ms, text FROM line WHERE channel = $1";
        let (bound, sql) = match after {
            Some(after) => (after as i64, format!("{columns} AND seq > $2 ORDER BY seq LIMIT $3")),
            None => {
                let below = if before == 0 { i64::MAX } else { i64::try_from(before).unwrap_or(i64::MAX) };
                (below, format!("{columns} AND seq < $2 ORDER BY seq DESC LIMIT $3"))
            }
        };
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(stands.row)
            .bind(bound)
            .bind(i64::from(most))
            .fetch_all(&mut self.connection)
            .await?;
        let mut lines = rows.iter().map(line).collect::<Result<Vec<_>, Error>>()?;
        lines.sort_by_key(|line| line.seq);
        Ok((stands.log, lines))
    }

    /// Notes what was said in channels that are not durable.
    ///
    /// # Errors
    /// If nothing could be written.
    pub async fn note(&mut self, lines: &[(String, Line)]) -> Result<(), Error> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        for (channel, line) in lines {
            sqlx::query(
                "INSERT INTO said (channel, sender, account, name, at_ms, text) VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(channel.clone())
            .bind(line.sender.clone())
            .bind(line.account.clone())
            .bind(line.name.clone())
            .bind(line.at_ms as i64)
            .bind(line.text.clone())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// What was said, newest first; at most one more than [`MAX_LINES`].
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn said(&mut self, wanted: &ReadSaid) -> Result<Vec<SaidLine>, Error> {
        let durable = Kind::of_channel(&wanted.channel).is_some_and(Kind::is_durable);
        let (from, order) = if durable {
            ("line JOIN channel ON channel.id = line.channel", "line.seq")
        } else {
            ("said", "said.id")
        };
        let name = if durable { "channel.name" } else { "said.channel" };
        let sql = format!(
            "SELECT CAST(0 AS BIGINT), sender, account, {from_name}, CAST(0 AS BIGINT), at_ms, text, {name} FROM {from} \
             WHERE at_ms >= $1 AND at_ms < $2 AND ($3 = '' OR {name} = $3) AND ($4 = 0 OR sender = $5) \
             ORDER BY at_ms DESC, {order} DESC LIMIT $6",
            from_name = if durable { "line.name" } else { "said.name" },
        );
        let bounded = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(bounded(wanted.from_ms))
            .bind(if wanted.before_ms == 0 { i64::MAX } else { bounded(wanted.before_ms) })
            .bind(wanted.channel.clone())
            .bind(wanted.sender.len() as i64)
            .bind(wanted.sender.clone())
            .bind(i64::from(wanted.most).min(MAX_LINES as i64 + 1))
            .fetch_all(&mut self.connection)
            .await?;
        rows.iter().map(|row| Ok(SaidLine { channel: row.try_get(7)?, line: Some(line(row)?) })).collect()
    }

    /// Throws away lines and notes that are older than these times, ms since 1970; some of them at once.
    ///
    /// # Errors
    /// If nothing could be written.
    pub async fn expire(&mut self, lines_ms: u64, notes_ms: u64) -> Result<(), Error> {
        sqlx::query(
            "DELETE FROM line WHERE (channel, seq) IN \
             (SELECT channel, seq FROM line WHERE at_ms < $1 ORDER BY at_ms LIMIT $2)",
        )
        .bind(lines_ms as i64)
        .bind(MOST_EXPIRED)
        .execute(&mut self.connection)
        .await?;
        sqlx::query(
            "DELETE FROM said WHERE id IN (SELECT id FROM said WHERE at_ms < $1 ORDER BY at_ms LIMIT $2)",
        )
        .bind(notes_ms as i64)
        .bind(MOST_EXPIRED)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    fn remember(&mut self, channel: &str, stands: Stands) {
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(channel.to_owned(), stands);
    }
}

async fn stands(connection: &mut AnyConnection, channel: &str) -> Result<Stands, Error> {
    let log = (u64::from_le_bytes(random::bytes()) >> 1).max(1);
    sqlx::query("INSERT INTO channel (name, log, last) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING")
        .bind(channel.to_owned())
        .bind(log as i64)
        .execute(&mut *connection)
        .await?;
    let row = sqlx::query("SELECT id, log, last FROM channel WHERE name = $1")
        .bind(channel.to_owned())
        .fetch_one(connection)
        .await?;
    Ok(Stands {
        row: row.try_get(0)?,
        log: row.try_get::<i64, _>(1)? as u64,
        last: row.try_get::<i64, _>(2)? as u64,
    })
}

fn line(row: &AnyRow) -> Result<Line, Error> {
    Ok(Line {
        seq: row.try_get::<i64, _>(0)? as u64,
        sender: row.try_get(1)?,
        account: row.try_get(2)?,
        name: row.try_get(3)?,
        id: row.try_get::<i64, _>(4)? as u64,
        at_ms: row.try_get::<i64, _>(5)? as u64,
        text: row.try_get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(channel: &str, sender: u8, id: u64) -> (String, Line) {
        let line = Line {
            sender: vec![sender; 16],
            account: vec![1; 16],
            id,
            at_ms: id.min(1_000),
            text: format!("{sender} {id}"),
            ..Line::default()
        };
        (channel.to_owned(), line)
    }

    fn seqs(done: &[Appended]) -> Vec<(u64, bool)> {
        done.iter().map(|done| (done.seq, done.again)).collect()
    }

    /// C1, C2: once each, numbered without a gap, and still there when the file is opened anew.
    #[tokio::test]
    async fn lines_are_written_once_and_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = ChatStore::open(folder.path(), "one/two").await.expect("opened");
        assert!(ChatStore::open(folder.path(), "one/two").await.is_err(), "locked");
        store.learn(&["party/a", "party/b", "party/a"]).await.expect("read");
        let begun = store.stands("party/a").await.expect("read");
        assert!(begun.log != 0 && begun.last == 0);
        let lines = [
            said("party/a", 1, 1),
            said("party/b", 1, 1),
            said("party/a", 2, u64::MAX),
            said("party/a", 1, 1),
        ];
        let done = store.append(&lines).await.expect("written");
        assert_eq!(seqs(&done), [(1, false), (1, false), (2, false), (1, true)]);
        assert!(done[0].log == begun.log && done[1].log != begun.log);
        drop(store);
        let mut store = ChatStore::open(folder.path(), "one/two").await.expect("opened again");
        let done =
            store.append(&[said("party/a", 2, u64::MAX), said("party/a", 3, 3)]).await.expect("written");
        assert_eq!(seqs(&done), [(2, true), (3, false)]);
        assert_eq!(store.stands("party/a").await.expect("read"), Stands { last: 3, ..begun });
        let read = |lines: Vec<Line>| lines.iter().map(|line| line.seq).collect::<Vec<_>>();
        let (log, newest) = store.read("party/a", None, 0, 2).await.expect("read");
        assert_eq!((log, read(newest.clone())), (begun.log, vec![2, 3]));
        assert_eq!(newest[0].id, u64::MAX);
        assert_eq!(read(store.read("party/a", None, 2, 9).await.expect("read").1), [1]);
        assert_eq!(read(store.read("party/a", Some(1), 0, 1).await.expect("read").1), [2]);
        assert_eq!(read(store.read("party/x", Some(1), 0, 1).await.expect("read").1), [0u64; 0]);
        store
            .note(&[said("world/w", 1, 1), said("world/v", 2, 2), said("world/w", 2, 3)])
            .await
            .expect("noted");
        let all = ReadSaid { most: 9, ..ReadSaid::default() };
        for (wanted, expected) in [
            (all.clone(), vec!["2 3", "2 2", "1 1"]),
            (ReadSaid { channel: "world/w".into(), ..all.clone() }, vec!["2 3", "1 1"]),
            (ReadSaid { sender: vec![2; 16], most: 1, ..all.clone() }, vec!["2 3"]),
            (ReadSaid { from_ms: 2, before_ms: 3, ..all.clone() }, vec!["2 2"]),
            (ReadSaid { channel: "party/b".into(), ..all.clone() }, vec!["1 1"]),
            (ReadSaid { channel: "party/a".into(), sender: vec![3; 16], ..all }, vec!["3 3"]),
        ] {
            let found = store.said(&wanted).await.expect("read");
            let texts: Vec<_> = found.into_iter().filter_map(|said| Some(said.line?.text)).collect();
            assert_eq!(texts, expected, "{wanted:?}");
        }
        // The old ones go; the numbers go on.
        store.expire(4, 4).await.expect("expired");
        assert_eq!(read(store.read("party/a", None, 0, 9).await.expect("read").1), [2], "its clock is ahead");
        let done = store.append(&[said("party/a", 9, 9)]).await.expect("written");
        assert_eq!(seqs(&done), [(4, false)]);
    }
}
