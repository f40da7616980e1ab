//! The one function that changes who owns an area or a character, and the writes that only an owner may do.
//!
//! No other file writes the columns `owner`, `epoch` and `last_transfer`; a house test looks.

use std::collections::HashSet;
use std::sync::LazyLock;

use pangea_world::handoff::{self, Answer, Asked};
use pangea_world::id::{AreaId, CharacterId, ServerId, TransferId};
use pangea_world::ownership::{Change, Decision, Owned, decide};
use pangea_world::space::Place;
use pangea_world::{Code, Refusal};
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Row};

use super::counts::OWNERS;
use super::{Error, PIECE_MAX, now_ms, piece_rows, piece_text};

/// An owner as the 16 bytes of its row.
pub trait Owner: Copy + PartialEq {
    /// Which table's rows it owns.
    const TABLE: Table;
    /// From a row.
    fn of(bytes: [u8; 16]) -> Self;
    /// To a row.
    fn bytes(self) -> Vec<u8>;
}

/// A game server owns areas.
impl Owner for ServerId {
    const TABLE: Table = Table::Area;
    fn of(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
    fn bytes(self) -> Vec<u8> {
        self.to_vec()
    }
}

/// An area owns characters.
impl Owner for AreaId {
    const TABLE: Table = Table::Character;
    fn of(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
    fn bytes(self) -> Vec<u8> {
        self.to_vec()
    }
}

/// What is owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Owned by a game server.
    Area,
    /// Owned by an area.
    Character,
}

/// What a change did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed<O> {
    /// The row as it is now.
    pub row: Owned<O>,
    /// Whether this very change had been applied before.
    pub repeat: bool,
}

/// Changes the owner of one area (`O` a server) or one character (`O` an area), inside the caller's
/// transaction. A repeat of the last change is answered with the row that it made.
///
/// # Errors
/// `stale_epoch` if the caller is not the owner at that epoch; `not_found` if there is no such row.
pub async fn change_owner<O: Owner>(
    connection: &mut AnyConnection,
    id: [u8; 16],
    transfer: TransferId,
    change: &Change<O>,
) -> Result<Changed<O>, Error> {
    #[cfg(feature = "simulation")]
    let change = &unfenced::<O>(connection, id, change).await?;
    // Whoever names owner and epoch has usually seen the row as it is.
    let named = match change {
        Change::Commit { from, epoch, .. }
        | Change::Abort { from, epoch }
        | Change::Release { from, epoch } => Some(Owned { owner: Some(*from), epoch: *epoch, last: None }),
        Change::Grant { .. } | Change::Failover { .. } => None,
    };
    if let Some(named) = named
        && let Some(changed) = apply(connection, id, transfer, change, &named).await?
    {
        return Ok(changed);
    }
    let row = owned::<O>(connection, id).await?;
    if let Decision::Repeat = decide(&row, transfer, change)? {
        return Ok(Changed { row, repeat: true });
    }
    let changed = apply(connection, id, transfer, change, &row).await?;
    changed.ok_or_else(|| Refusal::new(Code::StaleEpoch, "the owner changed in between").into())
}

/// The change under the epoch of this moment, where a simulation leaves that check out.
#[cfg(feature = "simulation")]
async fn unfenced<O: Owner>(
    connection: &mut AnyConnection,
    id: [u8; 16],
    change: &Change<O>,
) -> Result<Change<O>, Error> {
    let given = change.clone();
    if !crate::simulation::without(crate::simulation::Check::Epoch) {
        return Ok(given);
    }
    let epoch = owned::<O>(connection, id).await?.epoch;
    Ok(match given {
        Change::Commit { from, to, .. } => Change::Commit { from, epoch, to },
        Change::Abort { from, .. } => Change::Abort { from, epoch },
        Change::Release { from, .. } => Change::Release { from, epoch },
        Change::Grant { .. } | Change::Failover { .. } => given,
    })
}

/// The same for a caller who has read the row a moment ago: one statement if it still stands.
///
/// # Errors
/// As [`change_owner`].
pub async fn change_owner_seen<O: Owner>(
    connection: &mut AnyConnection,
    id: [u8; 16],
    transfer: TransferId,
    change: &Change<O>,
    seen: &Owned<O>,
) -> Result<Changed<O>, Error> {
    match apply(connection, id, transfer, change, seen).await? {
        Some(changed) => Ok(changed),
        None => change_owner(connection, id, transfer, change).await,
    }
}

/// Decides on this row and writes, if the row stands so; `None`: it does not, or has this very change
/// already. Owner and epoch are compared in the statement that writes.
async fn apply<O: Owner>(
    connection: &mut AnyConnection,
    id: [u8; 16],
    transfer: TransferId,
    change: &Change<O>,
    row: &Owned<O>,
) -> Result<Option<Changed<O>>, Error> {
    let Ok(Decision::Apply(next)) = decide(row, transfer, change) else { return Ok(None) };
    let written = write(connection, id, transfer, row, &next).await?;
    Ok(written.then_some(Changed { row: next, repeat: false }))
}

/// Writes a row that was decided, if the one on which it was decided stands.
async fn write<O: Owner>(
    connection: &mut AnyConnection,
    id: [u8; 16],
    transfer: TransferId,
    row: &Owned<O>,
    next: &Owned<O>,
) -> Result<bool, Error> {
    OWNERS.raise(id);
    let update = match O::TABLE {
        Table::Area => {
            "UPDATE area SET owner = $1, epoch = $2, last_transfer = $3 WHERE id = $4 AND epoch = $5 \
             AND owner IS NOT DISTINCT FROM $6 AND last_transfer IS DISTINCT FROM $3"
        }
        Table::Character => {
            "UPDATE character SET owner = $1, epoch = $2, last_transfer = $3 WHERE id = $4 AND epoch = $5 \
             AND owner IS NOT DISTINCT FROM $6 AND last_transfer IS DISTINCT FROM $3 AND deleted IS NULL"
        }
    };
    let done = sqlx::query(update)
        .bind(next.owner.map(Owner::bytes))
        .bind(next.epoch as i64)
        .bind(transfer.to_vec())
        .bind(id.to_vec())
        .bind(row.epoch as i64)
        .bind(row.owner.map(Owner::bytes))
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// One character of a handoff that was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOn {
    /// For the owner that asked.
    pub answer: Answer,
    /// Who owns it now.
    pub owner: Option<AreaId>,
    /// Whether it was so before: the handoff had been settled.
    pub repeat: bool,
}

/// Settles a handoff inside the caller's transaction: all of these characters go from an area to another, or all
/// of them stay ([`handoff::settle`]). Each with its handoff's id, and its epoch as the owner named it.
///
/// # Errors
/// `stale_epoch` if a row changed in between; nothing must be committed then.
pub async fn hand_on(
    connection: &mut AnyConnection,
    things: &[(CharacterId, TransferId, u64)],
    from: AreaId,
    to: Option<AreaId>,
) -> Result<Vec<HandedOn>, Error> {
    let mut asked = Vec::with_capacity(things.len());
    for &(character, id, epoch) in things {
        let row = match owned::<AreaId>(connection, character.0).await {
            // One that was deleted is nobody's.
            Err(Error::Refused(refusal)) if refusal.code == Code::NotFound => Owned::default(),
            row => row?,
        };
        #[cfg(feature = "simulation")]
        let epoch =
            if crate::simulation::without(crate::simulation::Check::Epoch) { row.epoch } else { epoch };
        asked.push(Asked { row, id, epoch });
    }
    let mut done = Vec::with_capacity(things.len());
    for ((asked, settled), (character, ..)) in asked.iter().zip(handoff::settle(&asked, from, to)).zip(things)
    {
        if let Some(next) = &settled.row
            && !write(connection, character.0, asked.id, &asked.row, next).await?
        {
            return Err(Refusal::new(Code::StaleEpoch, "the owner changed in between").into());
        }
        let repeat = settled.row.is_none();
        let owner = settled.row.as_ref().unwrap_or(&asked.row).owner;
        done.push(HandedOn { answer: settled.answer, owner, repeat });
    }
    Ok(done)
}

/// Who owns it now.
///
/// # Errors
/// `not_found` if there is no such row.
pub async fn owned<O: Owner>(connection: &mut AnyConnection, id: [u8; 16]) -> Result<Owned<O>, Error> {
    let select = match O::TABLE {
        Table::Area => "SELECT owner, epoch, last_transfer FROM area WHERE id = $1",
        Table::Character => {
            "SELECT owner, epoch, last_transfer FROM character WHERE id = $1 AND deleted IS NULL"
        }
    };
    let row = sqlx::query(select).bind(id.to_vec()).fetch_optional(connection).await?;
    let row = row.ok_or_else(|| Refusal::new(Code::NotFound, "there is no such row to own"))?;
    Ok(Owned {
        owner: super::optional_id(&row, 0)?.map(O::of),
        epoch: row.try_get::<i64, _>(1)? as u64,
        last: super::optional_id(&row, 2)?.map(TransferId),
    })
}

/// A change of a character's owner, decided on the row as the caller saw it: it holds if the row still stands
/// so. Written with many others in one statement by [`swap_all`].
#[derive(Debug, Clone, PartialEq)]
pub struct Swap {
    character: CharacterId,
    seen: Owned<AreaId>,
    next: Owned<AreaId>,
    transfer: TransferId,
    /// Where it stands from then on; `None`: where it stood.
    place: Option<Place>,
    /// Its record from then on; `None`: the one before.
    record: Option<Vec<u8>>,
}

impl Swap {
    /// Decides the change on this row.
    ///
    /// # Errors
    /// `stale_epoch` if the row does not allow it.
    pub fn new(
        character: CharacterId,
        transfer: TransferId,
        change: &Change<AreaId>,
        seen: Owned<AreaId>,
        place: Option<Place>,
    ) -> Result<Self, Refusal> {
        let next = match decide(&seen, transfer, change)? {
            Decision::Apply(next) => next,
            Decision::Repeat => seen.clone(),
        };
        Ok(Self { character, seen, next, transfer, place, record: None })
    }

    /// The same with the character's record from then on, by the word of its owner.
    pub fn with_record(self, record: Option<Vec<u8>>) -> Self {
        Self { record, ..self }
    }

    /// The row's owner when it is done.
    pub fn owner(&self) -> Option<AreaId> {
        self.next.owner
    }

    /// The row's epoch when it is done.
    pub fn epoch(&self) -> u64 {
        self.next.epoch
    }
}

/// As [`unfenced`]: the same owner may have it under another epoch.
#[cfg(feature = "simulation")]
async fn unfenced_swaps(connection: &mut AnyConnection, swaps: &[&Swap]) -> Result<Vec<Swap>, Error> {
    let mut all: Vec<Swap> = swaps.iter().map(|swap| (*swap).clone()).collect();
    if crate::simulation::without(crate::simulation::Check::Epoch) {
        for swap in &mut all {
            if let Ok(Owned { epoch, .. }) = owned::<AreaId>(connection, swap.character.0).await {
                (swap.seen.epoch, swap.next.epoch) = (epoch, epoch + 1);
            }
        }
    }
    Ok(all)
}

/// Writes all of these, or finds that a row does not stand as it was seen: `false`, and some of them may be
/// written, so the transaction must be rolled back unless it was a single one.
///
/// # Errors
/// If the database fails.
pub async fn swap_all(connection: &mut AnyConnection, swaps: &[&Swap]) -> Result<bool, Error> {
    #[cfg(feature = "simulation")]
    let unfenced = unfenced_swaps(connection, swaps).await?;
    #[cfg(feature = "simulation")]
    let swaps = &unfenced.iter().collect::<Vec<_>>()[..];
    for swaps in swaps.chunks(PIECE_MAX) {
        let (text, size) = swap_text(swaps.len());
        let query = bind_swaps(sqlx::query(text), swaps, size);
        if query.execute(&mut *connection).await?.rows_affected() != swaps.len() as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The statement that writes so many, with room for so many.
pub(super) fn swap_text(rows: usize) -> (&'static str, usize) {
    piece_text(&SWAP, rows)
}

/// Binds these, and as many of nothing as there is room for.
pub(super) fn bind_swaps<'q>(
    mut query: Query<'q, Any, AnyArguments>,
    swaps: &[&Swap],
    size: usize,
) -> Query<'q, Any, AnyArguments> {
    let now = now_ms();
    let all = swaps.iter().map(|swap| Some(*swap));
    for swap in all.chain(std::iter::repeat(None)).take(size) {
        swap.iter().for_each(|swap| OWNERS.raise(swap.character.0));
        let place = swap.and_then(|swap| swap.place.as_ref());
        query = query
            .bind(swap.map(|swap| swap.character.to_vec()))
            .bind(swap.and_then(|swap| swap.seen.owner.map(Owner::bytes)))
            .bind(swap.map(|swap| swap.seen.epoch as i64))
            .bind(swap.and_then(|swap| swap.next.owner.map(Owner::bytes)))
            .bind(swap.map(|swap| swap.next.epoch as i64))
            .bind(swap.map(|swap| swap.transfer.to_vec()))
            .bind(i32::from(place.is_some()))
            .bind(place.map(|place| place.world.clone()))
            .bind(place.and_then(|place| place.map.clone()))
            .bind(place.map_or(0.0, |place| place.x))
            .bind(place.map_or(0.0, |place| place.y))
            .bind(now)
            .bind(swap.and_then(|swap| swap.record.clone()));
    }
    query
}

/// The statement for 1, 2, 4, … rows.
static SWAP: LazyLock<Vec<String>> = LazyLock::new(|| {
    let sql = |rows: String| {
        format!(
            "WITH swap (id, owner, epoch, next_owner, next_epoch, transfer, stands, world, map, x, y, time, \
             record) \
             AS (VALUES {rows}) \
             UPDATE character SET owner = swap.next_owner, epoch = swap.next_epoch, \
             last_transfer = swap.transfer, \
             world = CASE swap.stands WHEN 1 THEN swap.world ELSE character.world END, \
             map = CASE swap.stands WHEN 1 THEN swap.map ELSE character.map END, \
             x = CASE swap.stands WHEN 1 THEN swap.x ELSE character.x END, \
             y = CASE swap.stands WHEN 1 THEN swap.y ELSE character.y END, \
             place_known = CASE swap.stands WHEN 1 THEN 1 ELSE character.place_known END, \
             place_time = CASE swap.stands WHEN 1 THEN swap.time ELSE character.place_time END, \
             record = COALESCE(swap.record, character.record) \
             FROM swap WHERE character.id = swap.id AND character.epoch = swap.epoch \
             AND character.owner IS NOT DISTINCT FROM swap.owner \
             AND character.last_transfer IS DISTINCT FROM swap.transfer AND character.deleted IS NULL"
        )
    };
    piece_rows(13).map(sql).collect()
});

/// Where a character stands and what it is, by the word of the area that owns it.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Who.
    pub character: CharacterId,
    /// Under which epoch it is owned.
    pub epoch: u64,
    /// Metres.
    pub x: f64,
    /// Metres.
    pub y: f64,
    /// Its record; `None`: the one before.
    pub record: Option<Vec<u8>>,
}

/// What a place in an area is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ground {
    /// It is a location, on this map; `None` on a grid.
    On(Option<String>),
    /// It is none: a lobby.
    Nowhere,
}

/// Writes where characters stand on this area's ground, and what they are. Those that the area does not own at
/// that epoch are left as they are, and come back.
///
/// # Errors
/// If the database fails.
pub async fn save_places(
    connection: &mut AnyConnection,
    area: AreaId,
    ground: &Ground,
    places: &[Standing],
) -> Result<Vec<CharacterId>, Error> {
    let mut stale = Vec::new();
    let (stands, map) = match ground {
        Ground::On(map) => (true, map.as_ref()),
        Ground::Nowhere => (false, None),
    };
    let written: Vec<&Standing> = places.iter().filter(|place| stands || place.record.is_some()).collect();
    for places in written.chunks(PIECE_MAX) {
        let (text, size) = piece_text(if stands { &PLACES } else { &RECORDS }, places.len());
        let mut query = sqlx::query(text);
        let all = places.iter().map(|place| Some(*place));
        for place in all.chain(std::iter::repeat(None)).take(size) {
            query = query
                .bind(place.map(|place| place.character.to_vec()))
                .bind(place.map(|place| place.epoch as i64))
                .bind(place.and_then(|place| place.record.clone()));
            if stands {
                query = query.bind(place.map(|place| place.x)).bind(place.map(|place| place.y));
            }
        }
        if stands {
            query = query.bind(map.cloned()).bind(now_ms());
        }
        let rows = query.bind(area.to_vec()).fetch_all(&mut *connection).await?;
        if rows.len() == places.len() {
            continue;
        }
        let written = rows.iter().map(|row| super::id(row, 0)).collect::<Result<HashSet<_>, Error>>()?;
        stale.extend(places.iter().map(|place| place.character).filter(|id| !written.contains(&id.0)));
    }
    Ok(stale)
}

/// The statement for 1, 2, 4, … characters on ground where places are locations.
static PLACES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let sql = |rows: String| {
        format!(
            "WITH stands (id, epoch, record, x, y) AS (VALUES {rows}) \
             UPDATE character SET record = COALESCE(stands.record, character.record), x = stands.x, \
             y = stands.y, map = ?, place_known = 1, place_time = ? FROM stands \
             WHERE character.id = stands.id AND character.epoch = stands.epoch AND character.owner = ? \
             RETURNING id"
        )
    };
    piece_rows(5).map(sql).collect()
});

/// The same where they are none.
static RECORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let sql = |rows: String| {
        format!(
            "WITH stands (id, epoch, record) AS (VALUES {rows}) \
             UPDATE character SET record = stands.record FROM stands \
             WHERE character.id = stands.id AND character.epoch = stands.epoch AND character.owner = ? \
             RETURNING id"
        )
    };
    piece_rows(3).map(sql).collect()
});

/// Writes an area's state for its next start, by the server that owns it at this epoch.
///
/// # Errors
/// `stale_epoch` if another server, or the same under another epoch, owns it.
pub async fn save_area_state(
    connection: &mut AnyConnection,
    area: AreaId,
    server: ServerId,
    epoch: u64,
    state: &[u8],
) -> Result<(), Error> {
    let done = sqlx::query(
        "UPDATE area SET state = $1, state_time = $2 WHERE id = $3 AND owner = $4 AND epoch = $5",
    )
    .bind(state.to_vec())
    .bind(now_ms())
    .bind(area.to_vec())
    .bind(server.to_vec())
    .bind(epoch as i64)
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(Refusal::new(Code::StaleEpoch, "another server owns the area").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    /// The rule of this file's first lines.
    #[test]
    fn no_other_file_writes_ownership() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        let mut folders = vec![std::path::PathBuf::from(folder)];
        let mut looked_at = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.extension().is_none_or(|e| e != "rs") || path.ends_with("store/ownership.rs") {
                    continue;
                }
                looked_at += 1;
                let text = std::fs::read_to_string(&path).expect("a source file");
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                for statement in text.split("UPDATE ").skip(1) {
                    let table = statement.split(' ').next().unwrap_or_default();
                    let set = statement.split(" WHERE ").next().unwrap_or_default();
                    let owning =
                        ["owner =", "epoch =", "last_transfer ="].iter().any(|column| set.contains(column));
                    assert!(!(matches!(table, "area" | "character") && owning), "{}: {set}", path.display());
                }
            }
        }
        assert!(looked_at > 5);
    }
}
