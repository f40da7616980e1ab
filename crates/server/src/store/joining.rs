//! What a join must know of a character. Very many join at once, and each statement costs two changes of
//! thread: so one task reads for all that wait at that moment, in one statement.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use pangea_world::id::{AccountId, CharacterId, ItemId};
use pangea_world::ledger::book::Money;
use pangea_world::ledger::{Holder, Sheet, Stack, Standing};
use pangea_world::quest::Quest;
use pangea_world::{Code, Refusal};
use sqlx::{AnyConnection, AnyPool, Row};
use tokio::sync::{mpsc, oneshot};

use super::character::{self, Character};
use super::social::WITH_OTHERS;
use super::{Error, PIECE_MAX, Reader, Store, gone, id, piece_rows, piece_text, quest, reader};
use crate::task::on_the_spot;

/// Most joins that wait for their character; a further one is refused with `storage_busy`.
pub(super) const QUEUE_MAX: usize = 4_096;

/// What a join must know of a character.
#[derive(Debug, Clone, PartialEq)]
pub struct Joining {
    /// Its row.
    pub character: Character,
    /// Sorted by id.
    pub quests: Vec<Quest>,
    /// The engine's record of it, if one was written.
    pub record: Option<Vec<u8>>,
    /// Goods, money and quest steps.
    pub sheet: Sheet,
    /// Whether there is more than nothing to be read by [`super::social::doc`].
    pub with_others: bool,
}

/// Somebody joins.
pub(super) struct Wish {
    account: AccountId,
    character: CharacterId,
    reply: oneshot::Sender<Result<Joining, Refusal>>,
}

impl Store {
    /// The character with its quests, its record and what it has, as it is now or becomes while this waits.
    ///
    /// # Errors
    /// `unknown_character`, also for another account's; `storage_busy` if too many wait.
    pub async fn joining(&self, account: AccountId, character: CharacterId) -> Result<Joining, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.joins.try_send(Wish { account, character, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Refusal::new(Code::StorageBusy, "too many are entering at once; try again in a moment")
            }
            mpsc::error::TrySendError::Closed(_) => gone(),
        })?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Reads until every [`Store`] is gone, or the store is closed.
pub(super) async fn serve(readers: AnyPool, mut queue: mpsc::Receiver<Wish>) {
    let mut wishes = Vec::new();
    // Kept: its way back to the pool is a task and a question to its thread, for each read.
    let mut kept: Option<Reader> = None;
    loop {
        tokio::select! {
            biased;
            () = readers.close_event() => return,
            count = queue.recv_many(&mut wishes, PIECE_MAX) => if count == 0 {
                return;
            },
        }
        let ids: Vec<CharacterId> = wishes.iter().map(|wish| wish.character).collect();
        let reading = async {
            let mut connection = match kept.take() {
                Some(kept) => kept,
                None => reader(on_the_spot(readers.acquire()).await?, &readers),
            };
            #[cfg(feature = "simulation")]
            crate::simulation::disk::before_read(())?;
            let found = all(&mut connection, &ids).await?;
            // A simulation stands still as long as one is held.
            kept = Some(connection).filter(|_| !cfg!(feature = "simulation"));
            Ok::<_, Error>(found)
        };
        let found = reading.await;
        match found {
            Ok(found) => wishes.drain(..).for_each(|wish| {
                let joining = found.get(&wish.character);
                let own = joining.filter(|joining| joining.character.account == wish.account);
                // Whoever asked may have gone away.
                let _ = wish.reply.send(own.cloned().ok_or_else(|| character::unknown().into()));
            }),
            Err(error) => {
                let refusal = Refusal::from(error);
                wishes.drain(..).for_each(|wish| drop(wish.reply.send(Err(refusal.clone()))));
            }
        }
    }
}

/// Those of these characters that there are.
async fn all(
    connection: &mut AnyConnection,
    ids: &[CharacterId],
) -> Result<HashMap<CharacterId, Joining>, Error> {
    let mut found = HashMap::with_capacity(ids.len());
    let mut things = Vec::new();
    // Who is asked for twice would have everything twice.
    let ids: Vec<CharacterId> = ids.iter().copied().collect::<HashSet<_>>().into_iter().collect();
    for ids in ids.chunks(PIECE_MAX) {
        let (text, size) = piece_text(&READ, ids.len());
        let mut query = sqlx::query(text);
        // In the order of the statement's parts.
        for holders in [false, true, true, false] {
            for id in ids.iter().copied().map(Some).chain(std::iter::repeat(None)).take(size) {
                let key = |id| if holders { Holder::Character(id).to_vec() } else { id.to_vec() };
                query = query.bind(id.map(key));
            }
        }
        for row in query.fetch_all(&mut *connection).await? {
            if row.try_get::<i64, _>(13)? > 0 {
                things.push(row);
                continue;
            }
            let character = character::read(&row)?;
            let record = row.try_get(12)?;
            let with_others = row.try_get::<i64, _>(14)? != 0;
            let (quests, sheet) = (Vec::new(), Sheet::default());
            found.insert(character.id, Joining { character, quests, record, sheet, with_others });
        }
    }
    for row in &things {
        let whose: Vec<u8> = row.try_get(1)?;
        let whose = whose.last_chunk().and_then(|id| found.get_mut(&CharacterId(*id)));
        let Some(Joining { sheet, quests, .. }) = whose else { continue };
        let (part, version): (i64, _) = (row.try_get(13)?, row.try_get(14)?);
        let (name, number): (String, i64) = (row.try_get(3)?, row.try_get(7)?);
        let (amount, most): (i64, i64) = (row.try_get(5)?, row.try_get(11)?);
        match part {
            1 => {
                let stack =
                    Stack { id: ItemId(id(row, 0)?), template: name, quantity: amount, most, version };
                sheet.stacks.insert(number as u32, stack);
            }
            2 => drop(sheet.money.insert(name, Money { amount, version })),
            _ => {
                let quest = quest::standing(name.clone(), number, most);
                let standing = Standing { step: quest.step, completed: quest.completed, version };
                sheet.quests.insert(name, standing);
                quests.push(quest);
            }
        }
    }
    for joining in found.values_mut() {
        joining.quests.sort_by(|a, b| a.id.cmp(&b.id));
    }
    Ok(found)
}

/// The statement for 1, 2, 4, … characters: their ids, the same as holders twice, their ids; NULL is nobody. The second
/// column of a thing is whose it is; the last but one says what it is. Who is looked for is the outer loop of each
/// part: for a list behind `IN` SQLite makes a table of its own, at each run.
static READ: LazyLock<Vec<String>> = LazyLock::new(|| {
    let sql = |some: String| {
        let (some, with) = (format!("(VALUES {some}) AS wished CROSS JOIN"), WITH_OTHERS);
        format!(
            "SELECT id, account, world, name, faction, created, owner, epoch, map, x, y, place_known, record, 0, {with} \
             FROM {some} character ON id = column1 WHERE deleted IS NULL \
             UNION ALL SELECT id, holder, NULL, template, NULL, quantity, NULL, slot, NULL, 0.0, 0.0, most, NULL, \
             1, version FROM {some} item ON holder = column1 \
             UNION ALL SELECT NULL, holder, NULL, currency, NULL, amount, NULL, 0, NULL, 0.0, 0.0, 0, NULL, 2, \
             version FROM {some} money ON holder = column1 \
             UNION ALL SELECT NULL, character, NULL, id, NULL, 0, NULL, step, NULL, 0.0, 0.0, completed, NULL, 3, \
             version FROM {some} quest ON character = column1"
        )
    };
    piece_rows(1).map(sql).collect()
});
