//! Characters that change their area: arrive, leave, hand over (docs/handoff.md).
//!
//! Central's transaction is the only commit point. Whatever is lost, doubled or late, a message is judged by
//! epoch and transfer id alone.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use pangea_world::handoff::Answer;
use pangea_world::id::{AreaId, CharacterId, EnterId, ServerId, SessionId, TransferId};
use pangea_world::ledger::{Holder, Sheet};
use pangea_world::messages::{
    Arrived, Body, CharacterAt, Commit, Crossing, Grant, Kick, Left, MAX_RECORD_BYTES, MOST_TOGETHER, Seal,
};
use pangea_world::ownership::{Change, Owned};
use pangea_world::space::Place;
use pangea_world::{Code, Refusal};
use tokio::sync::watch;
use tokio::time::Instant;

use super::core::Core;
use super::state::{Phase, Seat, State, Taken, Transfer};
use super::{migration, running};
use crate::store::ownership::{self, HandedOn, Swap};
use crate::store::{Connection, Error, Quick, character};
use crate::{link, random, store};

/// How long a join waits for another area to let a character go.
pub const LET_GO: Duration = Duration::from_secs(5);

/// For so long one may stand at a border.
const BESIDE: Duration = Duration::from_secs(365 * 24 * 3_600);

/// How long a leave waits for room on the disk, and how long for a busy store.
const LEAVE_WRITTEN: Duration = Duration::from_secs(60);
const LEAVE_PAUSE: Duration = Duration::from_millis(250);

/// How long a join waits for a leave that is on its way to the disk.
const LEAVE_SEEN: Duration = Duration::from_secs(1);

/// A leave on its way to the disk, until it is dropped. Who comes in anew waits for it: read before, the character
/// would have an owner that has let it go.
pub struct Leaving {
    core: Arc<Core>,
    id: CharacterId,
    over: watch::Sender<()>,
}

impl Leaving {
    /// From now on.
    pub fn begin(core: &Arc<Core>, left: &Left) -> Option<Self> {
        let id = CharacterId::from_bytes(&left.character).ok()?;
        let (over, until) = watch::channel(());
        core.state().leaves.insert(id, until);
        Some(Self { core: core.clone(), id, over })
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let leaves = &mut self.core.state().leaves;
        if leaves.get(&self.id).is_some_and(|until| until.same_channel(&self.over.subscribe())) {
            leaves.remove(&self.id);
        }
    }
}

/// Whether a character's leave is on its way to the disk.
pub fn leaves(core: &Core, id: CharacterId) -> bool {
    core.state().leaves.contains_key(&id)
}

/// Waits until a character that leaves, or whose login ended, has left, so that its place is known; not for ever.
pub async fn has_left(core: &Core, id: CharacterId) {
    let on_its_way = core.state().leaves.get(&id).cloned();
    if let Some(mut until) = on_its_way {
        // It ends with an error: its other side is gone.
        let _ = tokio::time::timeout(LEAVE_SEEN, until.changed()).await;
    }
    loop {
        let changed = core.changed.notified();
        let until = core.state().areas.values().filter_map(|area| area.seats.get(&id)?.leaving).max();
        let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() || tokio::time::timeout(left, changed).await.is_err() {
            return;
        }
    }
}

/// Brings a character's present owner to let it go, before `to` becomes its owner. `true`: `to` itself has
/// it alive (a reconnect, a newer login), and keeps it under its epoch.
///
/// # Errors
/// `area_unavailable` if the owner can neither be reached nor be proven dead.
pub async fn let_go(
    core: &Arc<Core>,
    id: CharacterId,
    owner: AreaId,
    epoch: u64,
    to: AreaId,
) -> Result<bool, Refusal> {
    let (alive, own) = {
        let state = core.state();
        let entry = state.areas.get(&owner);
        let ready = entry.is_some_and(|entry| *entry.phase.borrow() == Phase::Ready);
        (ready, entry.is_none_or(|entry| entry.own))
    };
    if !alive && !running::settle_owner(core, owner, LET_GO).await? {
        return Ok(false);
    }
    let deadline = Instant::now() + LET_GO;
    let mut asked = false;
    loop {
        let changed = core.changed.notified();
        let inside = {
            let mut state = core.state();
            let entry = state.areas.get(&owner);
            // Under a lower epoch too: it may not have heard yet that a handoff came to nothing, and under which epoch it
            // has the character since.
            let seat = entry.and_then(|entry| entry.seats.get(&id)).filter(|seat| seat.epoch <= epoch);
            let inside = seat.is_some_and(|seat| seat.taken == Taken::Inside);
            if !inside {
                return Ok(false);
            }
            // A third-party server holds nothing of ours: central lets go in its name.
            if !own {
                let server = entry.and_then(|entry| entry.server.as_ref()).filter(|_| owner != to);
                server.into_iter().for_each(|server| state.show_out(server.id, id));
                return Ok(false);
            }
            if owner == to {
                return Ok(true);
            }
            if !asked {
                let text = "this character goes elsewhere".to_owned();
                let kick = Kick { character: id.to_vec(), epoch, code: Code::SessionEnded.to_string(), text };
                let gone = || Refusal::new(Code::AreaUnavailable, "the area is gone");
                migration::kick(state.areas.get_mut(&owner).ok_or_else(gone)?, kick)?;
                asked = true;
            }
            inside
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if inside && left.is_zero() {
            return Refusal::err(
                Code::AreaUnavailable,
                "the server that has this character does not let it go; try again",
            );
        }
        let _ = tokio::time::timeout(left, changed).await;
    }
}

/// A client showed its ticket (O5, O11): its seat is taken now. In a handoff the source may let go.
pub fn arrived(core: &Core, area: AreaId, by: ServerId, arrived: &Arrived) {
    let Some((id, run)) = ids(&arrived.character, &arrived.enter) else { return };
    let mut state = core.state();
    if let Some(transfer) =
        state.transfers.get_mut(&run).filter(|transfer| transfer.to == area && !transfer.sealed)
    {
        transfer.sealed = true;
        let transfer = transfer.clone();
        if transfer.border {
            // Until its client goes, or the crossing is called off.
            let seat = state.areas.get_mut(&area).and_then(|entry| entry.seats.get_mut(&id));
            if let Some(seat) = seat.filter(|seat| seat.run == run) {
                seat.taken = Taken::Held(Instant::now() + BESIDE);
            }
            return state.tell_source(&transfer, run, Body::Beside);
        }
        let seal = Seal { character: id.to_vec(), transfer: run.to_vec(), epoch: transfer.epoch };
        let source = state.areas.get(&transfer.from).and_then(|entry| entry.server.as_ref());
        if let Some(sender) = source.and_then(|server| server.sender.as_ref()) {
            let _ = sender.send(Body::Seal(seal));
        }
        return;
    }
    // One to which the area should have moved may say so of an epoch that there is now, and is not there any more.
    let entry = state.areas.get_mut(&area);
    let entry = entry.filter(|entry| entry.server.as_ref().is_some_and(|server| server.id == by));
    if let Some(seat) = entry.and_then(|entry| entry.seats.get_mut(&id))
        && seat.epoch == arrived.epoch
    {
        seat.taken = Taken::Inside;
        seat.next = seat.next.filter(|next| *next != run);
        migration::came_anew(&mut state, area, id);
    }
    drop(state);
    core.changed.notify_waiters();
}

/// One that was prepared for a border, or whose client saw there, is gone: that border is shut for it.
pub fn sees_no_more(core: &Core, area: AreaId, at: &CharacterAt) {
    let Some((id, run)) = ids(&at.character, &at.transfer) else { return };
    let mut state = core.state();
    if state.transfers.get(&run).is_some_and(|transfer| transfer.to == area) {
        state.call_off(run);
    }
    drop(state);
    free_seat(core, area, id, Some(run));
}

/// Its owner does not want a crossing any more that was prepared.
pub fn call_off(core: &Core, area: AreaId, at: &CharacterAt) {
    let Some((id, run)) = ids(&at.character, &at.transfer) else { return };
    let mut state = core.state();
    let known = state.transfers.get(&run).filter(|transfer| transfer.from == area && transfer.border);
    if known.is_some() {
        state.transfers.remove(&run);
        state.forget_run(run, id);
    }
    drop(state);
    core.changed.notify_waiters();
}

/// An announced character never came: back to the store, its seat is free.
///
/// `by`: the server that says so; `None` where central says it in the name of a third-party one.
pub async fn no_show(core: &Arc<Core>, area: AreaId, by: Option<ServerId>, at: &CharacterAt) {
    let Some((id, run)) = ids(&at.character, &at.transfer) else { return };
    let known = core.state().transfers.contains_key(&run);
    if known {
        core.state().call_off(run);
        return free_seat(core, area, id, Some(run));
    }
    free_seat(core, area, id, Some(run));
    let (inside, granted) = {
        let mut state = core.state();
        // Before it is written: whoever asks again meanwhile must not be sent to a seat that is free.
        let enter = state.enters.iter().find(|(_, enter)| enter.run == run).map(|(id, _)| *id);
        if let Some(enter) = enter {
            let text = "nobody came for this seat in time; it is free again";
            state.give_up(enter, Refusal::new(Code::EnterExpired, text));
        }
        let entry = state.areas.get(&area);
        let seat = entry.and_then(|entry| entry.seats.get(&id)).filter(|seat| seat.epoch == at.epoch);
        // What one says that had the area before is not of those who came to the next one.
        let has_it = entry.and_then(|entry| entry.server.as_ref()).is_some_and(|now| by == Some(now.id));
        // To whom it was granted by this very join had no client any more.
        let granted = has_it && seat.is_some_and(|seat| seat.run == run);
        (seat.is_some() && !granted, granted)
    };
    // Another connection of it may be here, or a newer enter under the same epoch.
    if !inside {
        release(core, area, id, at.epoch, None, None).await;
    }
    if granted {
        nobody_sits(core, area, id, at.epoch);
    }
}

/// A character has left: its place is written and it goes back to the store; or on to a third-party server.
pub async fn left(core: &Arc<Core>, area: AreaId, left: &Left) {
    let Some((id, _)) = ids(&left.character, &[0; 16]) else { return };
    let record = record_of(id, left.record.clone());
    release(core, area, id, left.epoch, Some((left.x, left.y)), record).await;
    core.state().call_off_others(area, id, None);
    nobody_sits(core, area, id, left.epoch);
}

/// A character that was given back under this epoch needs its seat no more.
fn nobody_sits(core: &Core, area: AreaId, id: CharacterId, epoch: u64) {
    let mut state = core.state();
    let hold = Duration::from_secs(core.config.central.seat_hold_s + core.config.central.start_timeout_s);
    let seat = state.areas.get_mut(&area).and_then(|entry| entry.seats.get_mut(&id));
    if let Some(seat) = seat.filter(|seat| seat.epoch <= epoch && seat.taken == Taken::Inside) {
        // A newer enter may be about to hold the seat for the same character.
        let Some(next) = seat.next.take() else {
            drop(state);
            return free_seat(core, area, id, None);
        };
        (seat.run, seat.taken, seat.leaving) = (next, Taken::Held(Instant::now() + hold), None);
    }
    drop(state);
    core.changed.notify_waiters();
}

/// A record as an area server sent it; `None`: the one before stays.
pub fn record_of(character: CharacterId, record: Vec<u8>) -> Option<Vec<u8>> {
    if record.len() > MAX_RECORD_BYTES {
        tracing::error!(%character, bytes = record.len(), "a record is too long; the one before it is kept");
        return None;
    }
    (!record.is_empty()).then_some(record)
}

/// Its owner could not read a character's record: what it has is kept, before anything is written over it.
pub async fn damaged(core: &Core, area: AreaId, at: &CharacterAt) {
    let Ok(id) = CharacterId::from_bytes(&at.character) else { return };
    let epoch = at.epoch;
    let kept = core
        .store
        .write(move |tx| Box::pin(async move { character::put_record_aside(tx, id, (area, epoch)).await }));
    match kept.await {
        Ok(true) => {
            tracing::error!(character = %id, %area, epoch, "a record could not be read; it is in «damaged_record»");
        }
        Ok(false) => tracing::warn!(character = %id, %area, epoch, "there is no such record to put aside"),
        Err(refusal) => {
            tracing::error!(character = %id, %refusal, "a record that could not be read is not put aside");
        }
    }
}

/// Gives a character back to the store, where it stood and as it was. On a lobby map its place is not its
/// location (G4).
async fn release(
    core: &Arc<Core>,
    area: AreaId,
    id: CharacterId,
    epoch: u64,
    stood: Option<(f64, f64)>,
    record: Option<Vec<u8>>,
) {
    let world = core.state().areas.get(&area).map(|entry| entry.name.world.clone());
    let place = world.zip(place_map(core, area)).zip(stood);
    let place = place.map(|((world, map), (x, y))| Place { world, map, x, y });
    let plain = {
        let state = core.state();
        let of = |(_, t): &(&EnterId, &Transfer)| {
            t.character == id && t.from == area && t.plain && t.epoch == epoch
        };
        state.transfers.iter().find(of).map(|(run, transfer)| (*run, transfer.clone()))
    };
    let seen = Owned { owner: Some(area), epoch, last: None };
    let change = Change::Release { from: area, epoch };
    let swap = match Swap::new(id, TransferId(random::bytes()), &change, seen, place) {
        Ok(swap) => swap.with_record(record),
        Err(refusal) => return tracing::error!(character = %id, %refusal, "a leave was not possible"),
    };
    let on = plain.clone().map(|(run, transfer)| (TransferId(run.0), transfer.to, transfer.place));
    let usual = on.is_none().then(|| Quick { note: None, swap: swap.clone(), answer: true });
    let begun = Instant::now();
    let done = loop {
        let (usual, swap, on) = (usual.clone(), swap.clone(), on.clone());
        let done = core.store.write_usually(usual, move |tx| {
            let (swap, on) = (swap.clone(), on.clone());
            Box::pin(async move {
                // Late, and harmless: it must not fail those that are written with it.
                if !ownership::swap_all(tx, &[&swap]).await? {
                    return Ok(false);
                }
                if let Some((run, to, place)) = &on {
                    character::put(tx, id, place).await?;
                    ownership::change_owner(tx, id.0, *run, &Change::Grant { to: *to }).await?;
                }
                Ok::<bool, Error>(true)
            })
        });
        let done = done.await;
        let busy = done.as_ref().is_err_and(|refusal| refusal.code == Code::StorageBusy);
        if !busy || begun.elapsed() > LEAVE_WRITTEN {
            break done;
        }
        tokio::time::sleep(LEAVE_PAUSE).await;
        let _ = tokio::time::timeout(LEAVE_WRITTEN, core.store.has_room()).await;
    };
    match done {
        Ok(true) => tracing::debug!(area = %core.name_of(area), character = %id, epoch, "given back"),
        Ok(false) => tracing::debug!(character = %id, epoch, "a late leave was ignored"),
        Err(refusal) => tracing::error!(character = %id, %refusal, "a leave could not be written"),
    }
    if let Some((run, _)) = plain {
        core.state().transfers.remove(&run);
    }
}

/// `Some(map)` if places in this area are locations: all but a lobby's.
pub fn place_map(core: &Core, area: AreaId) -> Option<Option<String>> {
    let state = core.state();
    let entry = state.areas.get(&area)?;
    match (&entry.world.kind, &entry.name.ground) {
        (pangea_world::world::Kind::Maps(maps), pangea_world::space::Ground::Map(map)) => {
            let lobby = maps.map(map).is_ok_and(|map| map.lobby);
            (!lobby).then(|| Some(map.clone()))
        }
        _ => Some(None),
    }
}

/// The seat is free; with `run` only if that join holds it.
fn free_seat(core: &Core, area: AreaId, id: CharacterId, run: Option<EnterId>) {
    let mut state = core.state();
    if let Some(entry) = state.areas.get_mut(&area) {
        let fits = entry
            .seats
            .get(&id)
            .is_some_and(|seat| run.is_none_or(|run| seat.run == run && seat.taken != Taken::Inside));
        if fits {
            entry.seats.remove(&id);
            let ground = (entry.name.world.clone(), entry.name.ground.clone());
            state.line_moved(&ground);
        }
    }
    drop(state);
    core.changed.notify_waiters();
}

/// One that its owner hands on.
#[derive(Clone)]
struct Goes {
    id: CharacterId,
    run: EnterId,
    epoch: u64,
    record: Option<Vec<u8>>,
    crossing: Option<Crossing>,
}

impl Goes {
    fn read(commit: &Commit) -> Option<Self> {
        let (id, run) = ids(&commit.character, &commit.transfer)?;
        let record = record_of(id, commit.record.clone());
        Some(Self { id, run, epoch: commit.epoch, record, crossing: commit.crossing })
    }
}

/// The commit point: the owner hands characters on, all of them or none.
pub async fn commit(core: &Arc<Core>, from: AreaId, message: &Commit) {
    let all = std::iter::once(message).chain(&message.with);
    let Some(mut all) = all.map(Goes::read).collect::<Option<Vec<Goes>>>() else { return };
    let asked = Instant::now();
    let target = {
        let mut state = core.state();
        let target = prepared(&state, from, &all);
        if let Some((to, _)) = &target {
            state.commits.extend(all.iter().map(|goes| (goes.run, *to)));
        }
        target
    };
    let is_location = target.as_ref().is_some_and(|(to, _)| place_map(core, *to).is_some());
    let going = all.clone();
    let result = core
        .store
        .write(move |tx| {
            let (target, going) = (target.clone(), going.clone());
            Box::pin(async move {
                let places = target.as_ref().filter(|_| is_location).map(|(_, places)| places);
                hand_on(tx, from, target.as_ref().map(|(to, _)| *to), going, places).await
            })
        })
        .await;
    {
        let mut state = core.state();
        for (place, Goes { id, run, .. }) in all.iter().enumerate() {
            let answer = result.as_ref().map(|outcomes| outcomes[place].answer);
            if !matches!(answer, Ok(Answer::Committed { .. })) {
                state.commits.remove(run);
            }
            match answer {
                Ok(Answer::Committed { .. }) => drop(state.transfers.remove(run)),
                // What was prepared for it is not wanted any more: its seat is free.
                Ok(Answer::Aborted { .. } | Answer::Stale) => state.call_off(*run),
                Err(_) => {}
            }
            state.call_off_others(from, *id, Some(*run));
        }
    }
    core.changed.notify_waiters();
    match result {
        Ok(outcomes) => {
            for (goes, outcome) in all.iter().zip(&outcomes) {
                tracing::debug!(from = %core.name_of(from), character = %goes.id, answer = ?outcome.answer, "handed on");
            }
            let unread_ms = asked.elapsed().as_millis() as u32;
            for crossing in all.iter_mut().filter_map(|goes| goes.crossing.as_mut()) {
                crossing.unread_ms = crossing.unread_ms.saturating_add(unread_ms);
            }
            for (goes, outcome) in all.into_iter().zip(outcomes) {
                tell_outcome(core, from, goes, outcome).await;
            }
        }
        // Unknown to the source, it asks again with the same transfers.
        Err(refusal) => tracing::error!(character = %all[0].id, %refusal, "a handoff could not be written"),
    }
}

/// Where they go and stand then, if all of them are prepared for the same area and it is there.
fn prepared(state: &State, from: AreaId, all: &[Goes]) -> Option<(AreaId, Vec<Place>)> {
    let of = |goes: &Goes| {
        let transfer = state.transfers.get(&goes.run)?;
        let fits = transfer.from == from && transfer.epoch == goes.epoch && transfer.character == goes.id;
        Some((transfer.to, stands(state, transfer, goes.crossing.as_ref())?)).filter(|_| fits)
    };
    let (targets, places): (Vec<AreaId>, Vec<Place>) =
        all.iter().map(of).collect::<Option<Vec<_>>>()?.into_iter().unzip();
    let to = *targets.first()?;
    let is_there = state.areas.get(&to).is_some_and(|area| *area.phase.borrow() == Phase::Ready);
    (is_there && all.len() <= MOST_TOGETHER && targets.iter().all(|other| *other == to))
        .then_some((to, places))
}

/// What became of one of them.
struct Outcome {
    answer: Answer,
    owner: Option<AreaId>,
    record: Option<Vec<u8>>,
}

/// In one transaction: who owns them, where they stand, and as what.
async fn hand_on(
    tx: &mut Connection,
    from: AreaId,
    to: Option<AreaId>,
    going: Vec<Goes>,
    places: Option<&Vec<Place>>,
) -> Result<Vec<Outcome>, Error> {
    let things: Vec<_> = going.iter().map(|goes| (goes.id, TransferId(goes.run.0), goes.epoch)).collect();
    let handed = ownership::hand_on(tx, &things, from, to).await?;
    let mut outcomes = Vec::with_capacity(going.len());
    for (number, (goes, HandedOn { answer, owner, repeat })) in going.into_iter().zip(handed).enumerate() {
        let record = match (answer, owner) {
            (Answer::Committed { epoch }, Some(owner)) if !repeat => {
                let place = places.map(|places| &places[number]);
                character::put_with_owner(tx, goes.id, (owner, epoch), place, goes.record).await?
            }
            (Answer::Committed { .. }, _) => character::record(tx, goes.id).await?,
            _ => None,
        };
        outcomes.push(Outcome { answer, owner, record });
    }
    Ok(outcomes)
}

/// The owner before and the one after hear of it.
async fn tell_outcome(core: &Core, from: AreaId, goes: Goes, outcome: Outcome) {
    let Goes { id, run, epoch, crossing, .. } = goes;
    let at = |epoch| CharacterAt { character: id.to_vec(), epoch, transfer: run.to_vec() };
    let answer = match outcome.answer {
        Answer::Committed { epoch } => {
            if let Some(to) = outcome.owner {
                show(core, to, id, epoch).await;
                let record = outcome.record.unwrap_or_default();
                let (character, transfer) = (id.to_vec(), run.to_vec());
                let again = false;
                let grant = Grant { character, epoch, transfer, record, crossing, again };
                take_over(core, (from, to), (id, run), grant);
            }
            free_seat(core, from, id, None);
            core.state().commits.remove(&run);
            core.changed.notify_waiters();
            Body::Committed(at(epoch))
        }
        Answer::Aborted { epoch } => {
            set_epoch(core, from, id, epoch);
            Body::Aborted(at(epoch))
        }
        Answer::Stale => Body::Stale(at(epoch)),
    };
    tell(core, from, answer);
}

async fn what_it_has(core: &Core, id: CharacterId) -> Result<Sheet, Error> {
    let mut reader = core.store.reader().await?;
    let sheet = store::ledger::sheet(&mut reader, Holder::Character(id)).await?;
    drop(reader);
    core.store.flushed().await?;
    Ok(sheet)
}

/// Tells the new owner what the character has: since it was announced there, the old one may have changed it.
pub(super) async fn show(core: &Core, area: AreaId, id: CharacterId, epoch: u64) {
    match what_it_has(core, id).await {
        Ok(sheet) => core.tell_belongings(area, id, epoch, &sheet),
        Err(error) => tracing::error!(character = %id, %error, "what a character has could not be read"),
    }
}

/// Handoffs whose client never came: the target forgets them; the source goes on as if nothing was.
pub fn expire_transfers(core: &Core) {
    let mut state = core.state();
    // He is there, only his leave is not yet told.
    let there = |transfer: &Transfer| {
        let seat = state.areas.get(&transfer.to).and_then(|entry| entry.seats.get(&transfer.character));
        transfer.plain && seat.is_some_and(|seat| seat.taken == Taken::Inside)
    };
    let over = |(_, transfer): &(&EnterId, &Transfer)| {
        transfer.until < Instant::now() && !transfer.sealed && !there(transfer)
    };
    let over: Vec<EnterId> = state.transfers.iter().filter(over).map(|(run, _)| *run).collect();
    if over.is_empty() {
        return;
    }
    over.into_iter().for_each(|run| state.call_off(run));
    drop(state);
    core.changed.notify_waiters();
}

/// Where a character stands after its move; `None` if it is not on the ground that was prepared.
fn stands(state: &State, transfer: &Transfer, crossing: Option<&Crossing>) -> Option<Place> {
    let Some(Crossing { x, y, .. }) = crossing.copied() else {
        return (!transfer.border).then(|| transfer.place.clone());
    };
    let place = Place { x, y, ..transfer.place.clone() };
    let to = state.areas.get(&transfer.to)?;
    let there = state.ground_at(&to.world, &place).is_ok_and(|ground| ground == to.name.ground);
    (there && transfer.border).then_some(place)
}

fn take_over(core: &Core, (from, to): (AreaId, AreaId), (id, run): (CharacterId, EnterId), grant: Grant) {
    let mut state = core.state();
    // Whoever has it next may find that its server has ended meanwhile.
    let hold = Instant::now() + Duration::from_secs(core.config.central.seat_hold_s);
    state.takes_over((from, to), (id, run), grant.epoch, hold);
    let Some(entry) = state.areas.get(&to) else { return };
    if let Some(sender) = entry.server.as_ref().and_then(|server| server.sender.as_ref()) {
        let _ = sender.send(Body::Grant(grant));
    }
}

/// Central was started anew: what a server owns and does not know of was granted by the one before, whose word may
/// have been lost.
pub async fn grant_again(core: Arc<Core>, area: AreaId, server: ServerId, known: HashSet<CharacterId>) {
    if let Err(error) = grant_unknown(&core, area, server, &known).await {
        tracing::error!(area = %core.name_of(area), %error, "what an area owns could not be read");
    }
}

async fn grant_unknown(
    core: &Core,
    area: AreaId,
    server: ServerId,
    known: &HashSet<CharacterId>,
) -> Result<(), Error> {
    let mut reader = core.store.reader().await?;
    let owned = character::owned_by(&mut reader, area).await?;
    for found in owned.into_iter().filter(|found| !known.contains(&found.id)) {
        let record = character::record(&mut reader, found.id).await?.unwrap_or_default();
        let (run, until) = (EnterId(random::bytes()), core.config.central.seat_hold_s);
        let stands =
            found.place.as_ref().map(|place| Crossing { x: place.x, y: place.y, acked: 0, unread_ms: 0 });
        let mut state = core.state();
        let Some(entry) = state.areas.get_mut(&area) else { break };
        // An enter or a handoff of this life of central has granted it, or is about to, and says so itself.
        if entry.seats.contains_key(&found.id) {
            continue;
        }
        let Some(at) = entry.server.as_ref().filter(|at| at.id == server) else { break };
        let Some(sender) = at.sender.clone() else { break };
        tracing::info!(area = %entry.name, character = %found.id, "an area may not know that it owns a character");
        let seat = Seat::new(
            found.account,
            SessionId::default(),
            (run, found.epoch),
            Taken::Held(Instant::now() + Duration::from_secs(until)),
        );
        entry.seats.insert(found.id, seat);
        let (character, transfer, epoch) = (found.id.to_vec(), run.to_vec(), found.epoch);
        let grant = Grant { character, epoch, transfer, record, crossing: stands, again: true };
        let _ = sender.send(Body::Grant(grant));
    }
    Ok(())
}

fn set_epoch(core: &Core, area: AreaId, id: CharacterId, epoch: u64) {
    if let Some(seat) = core.state().areas.get_mut(&area).and_then(|entry| entry.seats.get_mut(&id)) {
        seat.epoch = epoch;
    }
}

fn tell(core: &Core, area: AreaId, body: Body) {
    let sender: Option<link::Sender> = {
        let state = core.state();
        state
            .areas
            .get(&area)
            .and_then(|entry| entry.server.as_ref())
            .and_then(|server| server.sender.clone())
    };
    if let Some(sender) = sender {
        let _ = sender.send(body);
    }
}

/// The source of these plain moves has died before it said that they left: they leave in its name.
pub async fn left_behind(core: &Arc<Core>, area: AreaId) {
    let plain = |transfer: &&Transfer| transfer.plain && transfer.from == area;
    let moves: Vec<(CharacterId, u64)> =
        core.state().transfers.values().filter(plain).map(|t| (t.character, t.epoch)).collect();
    for (id, epoch) in moves {
        release(core, area, id, epoch, None, None).await;
    }
}

/// A character that a third-party server lists is there, if it was let in; one that it lists no longer has
/// left.
pub async fn players_changed(core: &Arc<Core>, area: AreaId, listed: &[CharacterId]) {
    let gone: Vec<(CharacterId, u64)> = {
        let mut state = core.state();
        let Some(entry) = state.areas.get_mut(&area) else { return };
        let mut strangers = Vec::new();
        for id in listed {
            match entry.seats.get_mut(id) {
                Some(seat) => seat.taken = Taken::Inside,
                None => strangers.push(*id),
            }
        }
        let mut gone = Vec::new();
        for (id, seat) in &mut entry.seats {
            match seat.overlaps {
                _ if seat.taken != Taken::Inside || listed.contains(id) => {}
                // That may have been the stay before: who does not come by then has left.
                Some(until) if until > Instant::now() => seat.taken = Taken::Held(until),
                _ => gone.push((*id, seat.epoch)),
            }
        }
        if let Some(server) = entry.server.as_ref().map(|server| server.id) {
            strangers.into_iter().for_each(|id| state.show_out(server, id));
        }
        gone
    };
    for (id, epoch) in gone {
        release(core, area, id, epoch, None, None).await;
        free_seat(core, area, id, None);
    }
}

/// Where someone stands whose area asks to let him go on.
pub fn portal_place(world: &str, map: &str, x: f64, y: f64) -> Place {
    Place { world: world.to_owned(), map: (!map.is_empty()).then(|| map.to_owned()), x, y }
}

fn ids(character: &[u8], run: &[u8]) -> Option<(CharacterId, EnterId)> {
    Some((CharacterId::from_bytes(character).ok()?, EnterId::from_bytes(run).ok()?))
}
