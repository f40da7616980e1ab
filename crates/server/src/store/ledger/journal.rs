//! The journal: every operation that was decided, with its answer, in a chain of hashes.

use std::sync::LazyLock;

use pangea_world::id::{CharacterId, ItemId, OpId};
use pangea_world::{Code, Refusal};
use ring::digest;
use sqlx::{AnyConnection, Row};

use super::rows::{Around, Statement, statements};
use super::{Answer, Order};
use crate::store::{Error, id, optional_id};

/// Most entries that one look at the journal reads.
pub const MOST_ENTRIES: i64 = 100_000;

/// The journal's end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// The last entry's number; 0: there is none.
    pub(super) last: i64,
    hash: [u8; 32],
}

impl Chain {
    /// One link further, over these entries; `last` is the last one's.
    pub(super) fn link(&mut self, entries: &[Entry]) {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.hash);
        entries.iter().for_each(|entry| entry.feed(&mut context));
        if !entries.is_empty() {
            self.hash.copy_from_slice(context.finish().as_ref());
        }
    }
}

/// What became of an operation, if it was decided.
///
/// # Errors
/// If the database fails.
pub async fn answer(reader: &mut AnyConnection, op: OpId) -> Result<Option<Answer>, Error> {
    let row = sqlx::query("SELECT code, answer FROM journal WHERE op = $1")
        .bind(op.to_vec())
        .fetch_optional(reader)
        .await?;
    let answer = |row: sqlx::any::AnyRow| {
        let code: String = row.try_get(0)?;
        let code = (!code.is_empty()).then(|| code.parse().unwrap_or(Code::Internal));
        Ok(Answer { id: op, code, text: row.try_get(1)?, repeat: true })
    };
    row.map(answer).transpose()
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Counts from 1 without a gap.
    pub n: i64,
    /// By central's clock, ms since 1970.
    pub time: i64,
    /// Which operation.
    pub op: OpId,
    /// A character concerned.
    pub a: Option<CharacterId>,
    /// Another one.
    pub b: Option<CharacterId>,
    /// Empty: done; else the refusal's code.
    pub code: String,
    /// The operation as JSON.
    pub body: String,
    /// The rows after it as JSON, or the refusal's sentence.
    pub answer: String,
}

impl Entry {
    pub(super) fn new(n: i64, time: i64, order: &Order, answer: &Answer) -> Self {
        let touched = &order.touched.characters;
        Self {
            n,
            time,
            op: answer.id,
            a: touched.first().copied(),
            b: touched.get(1).copied(),
            code: answer.code.map(|code| code.to_string()).unwrap_or_default(),
            body: order.body.clone(),
            answer: answer.text.clone(),
        }
    }

    /// Each part with its length before it, so that no two entries have the same bytes.
    fn feed(&self, context: &mut digest::Context) {
        let (n, time) = (self.n.to_be_bytes(), self.time.to_be_bytes());
        let (a, b) = (self.a.map(|id| id.0), self.b.map(|id| id.0));
        let parts: [&[u8]; 8] = [
            &n,
            &time,
            &self.op.0,
            a.as_ref().map_or(&[], |id| &id[..]),
            b.as_ref().map_or(&[], |id| &id[..]),
            self.code.as_bytes(),
            self.body.as_bytes(),
            self.answer.as_bytes(),
        ];
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
    }
}

/// Where the journal ends.
pub(super) async fn end(tx: &mut AnyConnection) -> Result<Chain, Error> {
    link_at(tx, i64::MAX).await
}

/// The last link at or before this entry.
async fn link_at(tx: &mut AnyConnection, n: i64) -> Result<Chain, Error> {
    let row = sqlx::query("SELECT last, hash FROM journal_chain WHERE last <= $1 ORDER BY last DESC LIMIT 1")
        .bind(n)
        .fetch_optional(tx)
        .await?;
    let Some(row) = row else { return Ok(Chain::default()) };
    let hash: Vec<u8> = row.try_get(1)?;
    let hash = hash.try_into().map_err(|_| sqlx::Error::Decode("a hash has 32 bytes".into()))?;
    Ok(Chain { last: row.try_get(0)?, hash })
}

/// The statements that write them. The last one links them to the chain, which takes its time.
pub(super) fn append<'q>(
    entries: &'q [Entry],
    chain: &'q mut Chain,
) -> impl Iterator<Item = Statement<'q>> + Send {
    let around = Around {
        before: "INSERT INTO journal (n, time, op, a, b, code, body, answer) VALUES ",
        columns: 8,
        after: "",
    };
    let rows = statements("entries", around, entries, |query, entry| {
        let (a, b) = (entry.a.as_ref().map(|id| &id.0[..]), entry.b.as_ref().map(|id| &id.0[..]));
        let query = query.bind(entry.n).bind(entry.time).bind(&entry.op.0[..]).bind(a).bind(b);
        query.bind(entry.code.as_str()).bind(entry.body.as_str()).bind(entry.answer.as_str())
    });
    let link = entries.last().map(|last| {
        std::iter::once_with(move || {
            chain.link(entries);
            let query = sqlx::query("INSERT INTO journal_chain (last, hash) VALUES ($1, $2)");
            Statement::new(query.bind(last.n).bind(chain.hash.to_vec()), "links", 1)
        })
    });
    rows.chain(link.into_iter().flatten())
}

// ---- for operators ----

const COLUMNS: &str = "SELECT n, time, op, a, b, code, body, answer FROM journal";

fn read(row: &sqlx::any::AnyRow) -> Result<Entry, Error> {
    Ok(Entry {
        n: row.try_get(0)?,
        time: row.try_get(1)?,
        op: OpId(id(row, 2)?),
        a: optional_id(row, 3)?.map(CharacterId),
        b: optional_id(row, 4)?.map(CharacterId),
        code: row.try_get(5)?,
        body: row.try_get(6)?,
        answer: row.try_get(7)?,
    })
}

/// What concerned a character before this entry, newest first, at most so many.
///
/// # Errors
/// If the database fails.
pub async fn of_character(
    tx: &mut AnyConnection,
    character: CharacterId,
    before: i64,
    most: i64,
) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    let mut block = (before.min(end(tx).await?.last + 1) - 1) / BLOCK;
    while block >= 0 && (found.len() as i64) < most {
        let rows = sqlx::query(OF_CHARACTER.as_str())
            .bind(character.to_vec())
            .bind(before)
            .bind(most - found.len() as i64)
            .bind(block)
            .fetch_all(&mut *tx)
            .await?;
        for row in &rows {
            found.push(read(row)?);
        }
        block -= BLOCKS;
    }
    Ok(found)
}

/// Entries of one block of the indexes by character; the schema says so too.
const BLOCK: i64 = 4_096;

/// Blocks that one statement looks into.
const BLOCKS: i64 = 64;

/// Character, before which entry, most, newest block.
static OF_CHARACTER: LazyLock<String> = LazyLock::new(|| {
    let blocks: Vec<String> = (0..BLOCKS).map(|back| format!("$4 - {back}")).collect();
    let part = |column: &str| {
        let blocks = blocks.join(", ");
        format!(
            "SELECT * FROM ({COLUMNS} WHERE n / {BLOCK} IN ({blocks}) AND {column} = $1 AND n < $2 \
             ORDER BY n DESC LIMIT $3) AS of_{column}"
        )
    };
    format!("{} UNION {} ORDER BY n DESC LIMIT $3", part("a"), part("b"))
});

/// What names a stack after this entry, oldest first, at most 1,000; how far the journal was read, and whether
/// it goes on. The operation that made it is known by its id.
///
/// # Errors
/// `unknown_item` if nothing made it; if the database fails.
pub async fn of_item(
    tx: &mut AnyConnection,
    item: ItemId,
    after: i64,
) -> Result<(Vec<Entry>, i64, bool), Error> {
    let mut op = item.0;
    op[14..].fill(0);
    let made =
        sqlx::query("SELECT n FROM journal WHERE op = $1").bind(op.to_vec()).fetch_optional(&mut *tx).await?;
    let made: i64 = match made {
        Some(row) => row.try_get(0)?,
        None => return Err(Refusal::new(Code::UnknownItem, "there is no such thing").into()),
    };
    let after = after.max(made - 1);
    let most = after.saturating_add(MOST_ENTRIES);
    let sql = sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE n > $1 AND n <= $2 AND (body LIKE $3 OR answer LIKE $3) ORDER BY n LIMIT 1000"
    ));
    let like = format!("%{item}%");
    let rows = sqlx::query(sql).bind(after).bind(most).bind(like).fetch_all(&mut *tx).await?;
    let entries: Vec<Entry> = rows.iter().map(read).collect::<Result<_, _>>()?;
    let last = end(tx).await?.last;
    let to =
        if entries.len() == 1_000 { entries.last().map_or(most, |entry| entry.n) } else { most.min(last) };
    Ok((entries, to, to < last))
}

/// The entries after this one, oldest first.
///
/// # Errors
/// If the database fails.
pub async fn of_entries(tx: &mut AnyConnection, after: i64, most: i64) -> Result<Vec<Entry>, Error> {
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE n > $1 ORDER BY n LIMIT $2"));
    let rows = sqlx::query(sql).bind(after).bind(most).fetch_all(tx).await?;
    rows.iter().map(read).collect()
}

/// How far the chain was found whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// The last entry that was looked at.
    pub to: i64,
    /// Whether there are more.
    pub more: bool,
    /// The first link that does not fit what lies under it, by its last entry.
    pub broken: Option<i64>,
}

/// Follows the chain from a link (0: the first) over about `most` entries.
///
/// # Errors
/// If the database fails.
pub async fn check(tx: &mut AnyConnection, after: i64, most: i64) -> Result<Checked, Error> {
    let mut chain = link_at(tx, after).await?;
    let until = chain.last.saturating_add(most);
    loop {
        let links =
            sqlx::query("SELECT last, hash FROM journal_chain WHERE last > $1 ORDER BY last LIMIT 256")
                .bind(chain.last)
                .fetch_all(&mut *tx)
                .await?;
        for row in &links {
            let (last, hash): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            let entries = of_entries(tx, chain.last, last - chain.last).await?;
            let whole = entries.iter().map(|entry| entry.n).eq(chain.last + 1..=last);
            chain.link(&entries);
            chain.last = last;
            if !whole || chain.hash[..] != hash {
                return Ok(Checked { to: last, more: false, broken: Some(last) });
            }
            if last >= until {
                return Ok(Checked { to: last, more: true, broken: None });
            }
        }
        if links.is_empty() {
            let beyond = of_entries(tx, chain.last, 1).await?;
            let broken = beyond.first().map(|entry| entry.n);
            return Ok(Checked { to: chain.last, more: false, broken });
        }
    }
}
