//! The commit point of a move: areas that stand still come here as a whole, are written with everybody inside in one
//! transaction, and go on to the servers that have them from then on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pangea_engine::{Malformed, pack};
use pangea_world::id::{AreaId, CharacterId, ServerId, TransferId};
use pangea_world::layout::extent_m;
use pangea_world::messages::{AreaMoved, Body, Kick, MAX_MOVE_BYTES, MoveArea, Mover, TakeOver};
use pangea_world::ownership::{Change, Owned};
use pangea_world::space::{AreaName, Place, Rect};
use pangea_world::{Code, Refusal};
use prost::Message as _;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::core::Core;
use super::super::links::goods_of;
use super::super::state::{Phase, Seat, Server, State, Taken};
use super::super::{checkpoints, handoff, peers, running, social};
use super::grounds::{cuts_after, extent_in, extent_of, far, ground_of, is_cut};
use super::{Ended, Part, Plan, end, gone, with};
use crate::checkpoint::Checkpoint;
use crate::link;
use crate::random;
use crate::store::cut::{After, Before, Cut};
use crate::store::ownership::{self, Swap};
use crate::store::{self, Error};

/// How long it takes until a server that took over is told what characters have: what it knows was so when the area
/// stood still, and the first moments are the players'.
const SHOWN_AFTER: Duration = Duration::from_millis(200);

/// The commit point: an area stands still, and here it is. Once all of them do, it is decided.
pub async fn move_area(
    core: &Arc<Core>,
    area: AreaId,
    (from, source): (ServerId, &link::Sender),
    message: MoveArea,
) {
    let Ok(transfer) = TransferId::from_bytes(&message.transfer) else { return };
    let epoch = message.epoch;
    let done = match gather(core, area, transfer, message) {
        Gathered::Waits => return, // for the others, or for what is being written: it is said again
        Gathered::All(all) => {
            let bytes: usize = all.before.iter().map(|(_, stood)| stood.encoded_len()).sum();
            let written = if all.after.iter().any(|there| has_ended(core, there)) {
                Refusal::err(Code::AreaUnavailable, "the other server has ended")
            } else if bytes > MAX_MOVE_BYTES {
                Refusal::err(Code::AreaUnavailable, "together these areas are too much for one")
            } else {
                write(core, &all, transfer).await
            };
            match written {
                Ok(()) => {
                    take_over(core, all, transfer).await;
                    return; // everybody is told
                }
                Err(refusal) => {
                    for area in all.plan.all() {
                        let _ = with(core, area, transfer, |moves| moves.deciding = false);
                    }
                    if refusal.code == Code::StorageBusy {
                        return; // it is said again
                    }
                    tracing::warn!(area = %core.name_of(area), %refusal, "an area's move was not written");
                    end(core, all.plan.before.first().copied(), transfer, Err(refusal));
                    return; // all are told that it is given up
                }
            }
        }
        // Called off, or central was started anew: then the store knows whether it was done.
        Gathered::Unknown => match was_done(core, area, (from, epoch)).await {
            Ok(done) => done,
            Err(refusal) => return tracing::warn!(%refusal, "whether an area has moved could not be read"),
        },
    };
    let _ = source.send(Body::AreaMoved(AreaMoved { transfer: transfer.to_vec(), done }));
}

enum Gathered {
    All(All),
    Waits,
    Unknown,
}

/// Everything that is to be decided.
struct All {
    plan: Arc<Plan>,
    /// The servers that have the areas, and as they stand, in the order of the plan.
    before: Vec<(ServerId, MoveArea)>,
    /// The servers to which they go.
    after: Vec<Server>,
    /// To which part each one goes.
    goes: HashMap<CharacterId, usize>,
    /// How many of them go along to each part, and how many do not.
    players: Vec<usize>,
    left: usize,
}

fn gather(core: &Core, area: AreaId, transfer: TransferId, message: MoveArea) -> Gathered {
    let mut state = core.state();
    let moves = state.areas.get_mut(&area).and_then(|entry| entry.moves.as_mut());
    let Some(moves) = moves.filter(|moves| moves.transfer == transfer && moves.from.is_some()) else {
        return Gathered::Unknown;
    };
    moves.stood.get_or_insert_with(|| (Instant::now(), message));
    let plan = moves.plan.clone();
    let of = |state: &State, area: AreaId| {
        let moves = state.areas.get(&area).and_then(|entry| entry.moves.as_ref());
        moves
            .filter(|moves| moves.transfer == transfer && !moves.deciding)
            .map(|moves| (moves.from, moves.stood.clone(), moves.there.clone(), moves.invited.clone()))
    };
    let (mut before, mut after, mut invited) = (Vec::new(), Vec::new(), Vec::new());
    for area in &plan.before {
        let Some((Some(from), Some((_, stood)), ..)) = of(&state, *area) else { return Gathered::Waits };
        before.push((from, stood));
    }
    for part in &plan.after {
        let Some((_, _, Some(there), sees)) = of(&state, part.area) else { return Gathered::Waits };
        after.push(there);
        invited.push(sees);
    }
    for area in plan.all() {
        let moves = state.areas.get_mut(&area).and_then(|entry| entry.moves.as_mut());
        moves.into_iter().for_each(|moves| moves.deciding = true);
    }
    let grounds: Vec<Option<Rect>> =
        plan.after.iter().map(|part| extent_in(&state, &plan, &part.name)).collect();
    let (mut goes, mut players, mut left) = (HashMap::new(), vec![0; after.len()], 0);
    for mover in before.iter().flat_map(|(_, stood)| &stood.characters) {
        let (Ok(id), Some(stands)) = (CharacterId::from_bytes(&mover.character), mover.stands) else {
            continue;
        };
        // By where it stands; one whose client sees another part alone crosses over from there.
        let away = |n: usize| grounds[n].map_or(0.0, |rect| far(rect, (stands.x, stands.y)));
        let sees = |n: usize| invited[n].get(&id).is_some_and(|(.., sees)| *sees);
        let best = (0..after.len()).min_by(|a, b| {
            (sees(*b), away(*a)).partial_cmp(&(sees(*a), away(*b))).unwrap_or(std::cmp::Ordering::Equal)
        });
        let best = best.unwrap_or(0);
        *if sees(best) { &mut players[best] } else { &mut left } += 1;
        goes.insert(id, best);
    }
    Gathered::All(All { plan, before, after, goes, players, left })
}

/// By the word of its spawner.
fn has_ended(core: &Core, server: &Server) -> bool {
    let state = core.state();
    state.spawners.get(&server.spawner).is_some_and(|spawner| !spawner.servers.contains_key(&server.id))
}

/// By the row of the area: who asks does not own it at that epoch any more, or it has no row. The move's id alone would
/// not tell: the area may have changed its owner again since.
async fn was_done(core: &Core, area: AreaId, (from, epoch): (ServerId, u64)) -> Result<bool, Refusal> {
    let mut reader = core.store.reader().await?;
    match ownership::owned::<ServerId>(&mut reader, area.0).await {
        Ok(row) => Ok(row.owner != Some(from) || row.epoch != epoch),
        Err(Error::Refused(refusal)) if refusal.code == Code::NotFound => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// The areas and everybody inside have other owners and higher epochs, all in one transaction.
async fn write(core: &Arc<Core>, all: &All, transfer: TransferId) -> Result<(), Refusal> {
    let All { plan, before, after, goes, .. } = all;
    let first = plan.before.first().copied().ok_or_else(gone)?;
    let (world, names) = {
        let state = core.state();
        let name = |area: &AreaId| Some(state.areas.get(area)?.name.clone());
        let names: Option<Vec<AreaName>> = plan.before.iter().map(name).collect();
        (state.areas.get(&first).map(|entry| entry.world.clone()).ok_or_else(gone)?, names.ok_or_else(gone)?)
    };
    let map = handoff::place_map(core, first);
    let mut swaps = Vec::new();
    for (area, (_, stood)) in plan.before.iter().zip(before) {
        for mover in &stood.characters {
            let character = CharacterId::from_bytes(&mover.character)
                .map_err(|_| Refusal::new(Code::BadRequest, "a character's id has 16 bytes"))?;
            let (epoch, stands) = (mover.epoch, mover.stands.unwrap_or_default());
            let to = plan.after[goes.get(&character).copied().unwrap_or(0)].area;
            let place =
                map.clone().map(|map| Place { world: world.name.clone(), map, x: stands.x, y: stands.y });
            let change = Change::Commit { from: *area, epoch, to };
            let seen = Owned { owner: Some(*area), epoch, last: None };
            let swap = Swap::new(character, TransferId(random::bytes()), &change, seen, place)?;
            swaps.push(swap.with_record(handoff::record_of(character, mover.record.clone())));
        }
    }
    let states = kept(core, all).await?;
    let extent = |name: &AreaName| extent_m(&world, &name.ground);
    let mut cut =
        Cut { transfer, before: Vec::new(), after: Vec::new(), swaps, named: goes.keys().copied().collect() };
    for ((area, name), (from, stood)) in plan.before.iter().zip(names).zip(before) {
        let (extent, from, epoch) = (extent(&name)?, *from, stood.epoch);
        cut.before.push(Before { area: *area, name, extent, from, epoch });
    }
    for ((part, there), state) in plan.after.iter().zip(after).zip(states) {
        cut.after.push(After {
            area: part.area,
            name: part.name.clone(),
            extent: extent(&part.name)?,
            cut: is_cut(&world, &part.name.ground),
            to: there.id,
            spawner: there.spawner.clone(),
            epoch: there.epoch,
            incarnation: there.incarnation,
            state,
        });
    }
    core.store
        .write(move |tx| {
            let cut = cut.clone();
            Box::pin(async move { store::cut::apply(tx, &cut).await })
        })
        .await
}

/// The checkpoints with which areas of other grounds begin if their servers end at once: the whole as it stands; each
/// takes what lies on its own ground, and the north-western one what stands nowhere.
async fn kept(core: &Core, All { plan, before, after, .. }: &All) -> Result<Vec<Option<Vec<u8>>>, Refusal> {
    if !plan.cuts() {
        return Ok(vec![None; after.len()]);
    }
    let unread = |_| Refusal::new(Code::Internal, "an area's pack cannot be read");
    let pack = packed(before).map_err(unread)?;
    let corner = |part: &Part| extent_of(core, plan, &part.name).map(|ground| (ground.x0, ground.y0));
    let north_west = plan.after.iter().filter_map(corner).min();
    let mut names = Vec::new();
    for (part, there) in plan.after.iter().zip(after) {
        let (tick, save) = pack::saved(&pack, corner(part) == north_west).map_err(unread)?;
        let checkpoint = Checkpoint { area: part.area, epoch: there.epoch, tick, save };
        names.push(Some(checkpoints::put(core, &checkpoint).await?));
    }
    Ok(names)
}

/// The packs of all, as one.
fn packed(before: &[(ServerId, MoveArea)]) -> Result<Vec<u8>, Malformed> {
    let mut packs = before.iter().map(|(_, stood)| &stood.pack);
    let first = packs.next().cloned().unwrap_or_default();
    packs.try_fold(first, |one, other| pack::join(&one, other))
}

/// From here on it is the other servers'.
async fn take_over(core: &Arc<Core>, all: All, transfer: TransferId) {
    let All { plan, before, after, goes, players, left } = all;
    let pack = packed(&before).unwrap_or_default();
    // Of several areas, or of parts, nobody was shown a copy.
    let keys =
        before.first().filter(|_| !plan.cuts()).map(|(_, stood)| stood.keys.clone()).unwrap_or_default();
    if plan.cuts() {
        core.ledger.forget();
    }
    let mut goods = Vec::new();
    for part in &plan.after {
        goods.push(goods_of(core, part.area).await.unwrap_or_else(|refusal| {
            tracing::error!(%refusal, "what lies in an area that moves could not be read");
            Default::default()
        }));
    }
    let unread_ms = still_for(core, &plan).as_millis() as u32;
    let mut characters: Vec<Vec<Mover>> = vec![Vec::new(); plan.after.len()];
    for mut mover in before.into_iter().flat_map(|(_, stood)| stood.characters) {
        if let Some(stands) = &mut mover.stands {
            stands.unread_ms = stands.unread_ms.saturating_add(unread_ms);
        }
        let part = CharacterId::from_bytes(&mover.character).ok().and_then(|id| goes.get(&id).copied());
        characters[part.unwrap_or(0)].push(Mover { epoch: mover.epoch + 1, ..mover });
    }
    let movers: Vec<(AreaId, CharacterId, u64)> = plan
        .after
        .iter()
        .zip(&characters)
        .flat_map(|(part, movers)| movers.iter().map(|mover| (part.area, mover)))
        .filter_map(|(area, mover)| {
            Some((area, CharacterId::from_bytes(&mover.character).ok()?, mover.epoch))
        })
        .collect();
    let (old, still) = {
        let mut state = core.state();
        let still = stood_still(&mut state, &plan);
        let packed = if plan.after.len() > 1 { ground_of(&state, plan.before[0]) } else { String::new() };
        let (mut seats, mut kicks, old) = leave_names(&mut state, &plan, transfer);
        for ((part, there), ((lies, spent), characters)) in
            plan.after.iter().zip(&after).zip(goods.into_iter().zip(characters))
        {
            state.names.insert(part.name.clone(), part.area);
            let Some(entry) = state.areas.get_mut(&part.area) else { continue };
            entry.name = part.name.clone();
            entry.always_on = running::is_always_on(&entry.world, &part.name.ground);
            (entry.moves, entry.stand) = (None, None);
            for mover in &characters {
                let Ok(id) = CharacterId::from_bytes(&mover.character) else { continue };
                if let Some(seat) = seats.remove(&id) {
                    let seat = Seat { epoch: mover.epoch, taken: Taken::Inside, ..seat };
                    entry.seats.insert(id, seat);
                }
            }
            let (epoch, sender) = (there.epoch, there.sender.clone());
            // What it said while it waited was not for anybody; its silence is counted from now on.
            entry.server = Some(Server { heard: Instant::now(), ..there.clone() });
            if let Some(sender) = &sender {
                let (pack, keys, packed) = (pack.clone(), keys.clone(), packed.clone());
                let over = TakeOver { epoch, pack, lies, spent, characters, packed, keys };
                let _ = sender.send(Body::TakeOver(over));
                for id in entry.seats.keys() {
                    if let Some(kick) = kicks.remove(id) {
                        let _ = sender.send(Body::Kick(Kick { epoch: kick.epoch + 1, ..kick }));
                    }
                }
            }
            entry.phase.send_replace(Phase::Ready);
        }
        // Who was on the way in: his join looks where his seat is.
        if let Some(entry) = plan.after.first().and_then(|part| state.areas.get_mut(&part.area)) {
            entry.seats.extend(seats);
        }
        (old, still)
    };
    for (_, sender) in &old {
        if let Some(sender) = sender {
            let _ = sender.send(Body::AreaMoved(AreaMoved { transfer: transfer.to_vec(), done: true }));
        }
    }
    let (still, ended) = still;
    let told = ended.map(|ended| ended.send(Ok(Ended { still, players, left })));
    tracing::debug!(asked = told.is_some(), "other servers take over");
    core.changed.notify_waiters();
    if plan.cuts() {
        peers::tell_beyond(core, &plan.after[0].name.world);
    }
    for (server, _) in old {
        peers::gone(core, server);
    }
    for part in &plan.after {
        peers::arrived(core, part.area);
    }
    for there in &after {
        if has_ended(core, there) {
            // While it was written: whoever saw it end knew of no area that it had.
            running::server_died(core, there.id, "ended as it took over").await;
        }
    }
    // What changed after it was packed.
    let core = core.clone();
    crate::task::spawn(async move {
        tokio::time::sleep(SHOWN_AFTER).await;
        for (area, id, epoch) in &movers {
            handoff::show(&core, *area, *id, *epoch).await;
        }
        if plan.cuts() {
            social::tell_all(&core, movers.into_iter().map(|(_, id, _)| id).collect());
        }
    });
}

/// The old servers with their links.
type Old = Vec<(ServerId, Option<link::Sender>)>;

/// The areas as they were are none any more: their seats, who is to be kicked, their servers.
fn leave_names(
    state: &mut State,
    plan: &Plan,
    transfer: TransferId,
) -> (HashMap<CharacterId, Seat>, HashMap<CharacterId, Kick>, Old) {
    let (mut seats, mut kicks, mut old) = (HashMap::new(), HashMap::new(), Vec::new());
    for area in &plan.before {
        let Some(entry) = state.areas.get_mut(area) else { continue };
        seats.extend(entry.seats.drain());
        let moves = entry.moves.take_if(|moves| moves.transfer == transfer);
        kicks.extend(moves.into_iter().flat_map(|moves| moves.kicks));
        old.extend(entry.server.take().map(|server| (server.id, server.sender)));
        let name = entry.name.clone();
        state.names.remove(&name);
        if plan.after.iter().all(|part| part.area != *area) {
            state.areas.remove(area);
        }
        if plan.cuts() {
            // Everybody in line looks where his place is now.
            let line = state.lines.remove(&(name.world, name.ground));
            line.into_iter().flatten().for_each(|waiting| waiting.turn.notify_one());
        }
    }
    if let Some(entry) = plan.before.first().and_then(|area| state.areas.get(area))
        && plan.cuts()
    {
        let world = entry.world.clone();
        let cuts = cuts_after(state, &world, plan);
        state.cuts.insert(world.name.clone(), cuts);
    }
    (seats, kicks, old)
}

/// For how long the first of the areas has stood still.
fn still_for(core: &Core, plan: &Plan) -> Duration {
    let state = core.state();
    let moves = plan.before.iter().filter_map(|area| state.areas.get(area)?.moves.as_ref());
    moves.filter_map(|moves| Some(moves.stood.as_ref()?.0.elapsed())).max().unwrap_or_default()
}

/// How long the first area has stood still, and who waits to hear of it.
fn stood_still(
    state: &mut State,
    plan: &Plan,
) -> (Duration, Option<oneshot::Sender<Result<Ended, Refusal>>>) {
    let moves = plan.before.first().and_then(|area| state.areas.get_mut(area)?.moves.as_mut());
    let Some(moves) = moves else { return (Duration::ZERO, None) };
    let still = moves.stood.as_ref().map_or(Duration::ZERO, |(since, _)| since.elapsed());
    (still, moves.ended.take())
}
