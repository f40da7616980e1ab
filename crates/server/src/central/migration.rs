//! A whole area goes to another process while it is played (M8, G.1-G.4; docs/handoff.md).
//!
//! Another server is found and makes the land ready. The clients of all who are inside connect to it and only
//! see. Then the area stands still, comes here as a whole, changes its owner with everybody inside in one
//! transaction, and goes to the other server, which plays on. Until that transaction the old one has it, and
//! goes on with it if anything fails.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pangea_world::character::CharacterDoc;
use pangea_world::id::{AreaId, CharacterId, EnterId, ServerId, TransferId};
use pangea_world::messages::{
    AreaMoved, Body, FactionSync, Freeze, Granted, Heartbeat, Invite, Kick, MoveArea, Mover, Register,
    StopServer, TakeOver,
};
use pangea_world::ownership::{Change, Owned};
use pangea_world::space::{AreaName, Place};
use pangea_world::{Code, Refusal};
use tokio::sync::oneshot;

use super::core::{Core, template_of};
use super::join::{self, Want};
use super::links::goods_of;
use super::state::{Area, PeerAddress, Phase, Seat, Server, State, Taken, Transfer};
use super::wish::EnterWish;
use super::{factions, handoff, peers, running};
use crate::link::{self, Accepted};
use crate::store::ownership::{self, Swap};
use crate::store::{self, Error};
use crate::{clock, random};

/// How long the clients of those inside may take to see at the other server.
const COME: Duration = Duration::from_secs(5);

/// How long the old server may take from the word to stand still until everything is written.
const MOVE: Duration = Duration::from_secs(15);

/// How often it is looked whether the other server lives, while its word is waited for.
const LOOK: Duration = Duration::from_millis(250);

/// How long a server that is not needed any more may take to end by itself, ms.
const GRACE_MS: u64 = 5_000;

/// A move of an area, as long as it is under way.
pub struct Move {
    /// Its change of owner.
    transfer: TransferId,
    /// The server that has it.
    from: ServerId,
    /// The server to which it goes, once one is found.
    server: Option<ServerId>,
    /// The same when it has registered.
    there: Option<Server>,
    ready: bool,
    /// Who is invited, by the join of his ticket, and whether his client sees there.
    invited: HashMap<CharacterId, (EnterId, bool)>,
    /// Whether its change of owner is being written: then nobody gives up.
    deciding: bool,
    /// When the area, standing still, was first heard of.
    stood_since: Option<Instant>,
    /// Told how it ended, and how long the area stood still here.
    ended: Option<oneshot::Sender<Result<Duration, Refusal>>>,
    /// Who is to go, said while the area stands still: its server is told that has it afterwards. At most one for
    /// each seat.
    kicks: HashMap<CharacterId, Kick>,
}

impl Move {
    /// The server to which the area goes, once it has registered.
    pub fn next_server(&self) -> Option<&Server> {
        self.there.as_ref()
    }
}

/// How a move went.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// World, ground, layer.
    pub area: String,
    /// The server that had it, and the one that has it now.
    pub from: ServerId,
    /// See `from`.
    pub to: ServerId,
    /// Under whose care that one runs.
    pub spawner: String,
    /// Who went along.
    pub players: usize,
    /// Who was inside and did not see there in time: they leave and enter anew.
    pub left: usize,
    /// From when the area, standing still, came here until it went on to the other server.
    pub still: Duration,
    /// From the wish.
    pub took: Duration,
}

/// Moves an area to another server, on this spawner or on the one with most room.
///
/// # Errors
/// `not_found`, `area_unavailable` if it does not run, is not ours to move, or is moved already; what keeps a
/// server from starting; whatever fails before the change of owner. The area plays on where it is then.
pub async fn migrate(core: &Arc<Core>, area: AreaId, to: Option<&str>) -> Result<Moved, Refusal> {
    let (name, from, transfer) = begin(core, area)?;
    tracing::info!(area = %name, %from, "an area is to move to another server");
    let (core, to) = (core.clone(), to.map(str::to_owned));
    // Whoever asked may hang up: what was begun is ended all the same.
    let moving = tokio::spawn(async move {
        let result = carry_out(&core, area, &name, (from, to.as_deref()), transfer).await;
        if let Err(refusal) = &result {
            tracing::warn!(area = %name, %refusal, "an area did not move; it plays on where it is");
            give_up(&core, area, transfer);
        }
        result
    });
    moving.await.unwrap_or_else(|_| Refusal::err(Code::Internal, "the move was cut off"))
}

fn begin(core: &Core, area: AreaId) -> Result<(AreaName, ServerId, TransferId), Refusal> {
    let mut state = core.state();
    if state.stopping {
        return Refusal::err(Code::Stopping, "the server is stopping");
    }
    let entry =
        state.areas.get_mut(&area).ok_or_else(|| Refusal::new(Code::NotFound, "no such area runs"))?;
    let ready = *entry.phase.borrow() == Phase::Ready;
    let Some(server) = entry.server.as_ref().filter(|_| ready) else {
        return Refusal::err(Code::AreaUnavailable, "this area does not run");
    };
    if !entry.own {
        return Refusal::err(Code::AreaUnavailable, "a third-party server cannot hand its area over");
    }
    if entry.moves.is_some() {
        return Refusal::err(Code::AreaUnavailable, "this area is on its way to another server already");
    }
    let (from, transfer) = (server.id, TransferId(random::bytes()));
    entry.moves = Some(Move {
        transfer,
        from,
        server: None,
        there: None,
        ready: false,
        invited: HashMap::new(),
        deciding: false,
        stood_since: None,
        ended: None,
        kicks: HashMap::new(),
    });
    Ok((entry.name.clone(), from, transfer))
}

async fn carry_out(
    core: &Arc<Core>,
    area: AreaId,
    name: &AreaName,
    (from, to): (ServerId, Option<&str>),
    transfer: TransferId,
) -> Result<Moved, Refusal> {
    let began = Instant::now();
    let (template, capacity) = {
        let state = core.state();
        let entry = state.areas.get(&area).ok_or_else(gone)?;
        (template_of(&entry.world, map_of(name)).to_owned(), entry.world.capacity)
    };
    let (spawner, info) = running::allocate(core, area, name, (&template, capacity, 0), Some(to)).await?;
    let id = ServerId::from_bytes(&info.server).map_err(|_| gone())?;
    with(core, area, transfer, |moves| moves.server = Some(id))?;
    core.changed.notify_waiters();
    let start = Duration::from_secs(core.config.central.start_timeout_s);
    let ready = |moves: &Move| moves.ready.then_some(());
    until(core, area, transfer, start, ready).await?.ok_or_else(|| {
        Refusal::new(Code::AreaUnavailable, "the other server did not become ready in time")
    })?;
    invite_all(core, area, transfer).await?;
    let all = |moves: &Move| moves.invited.values().all(|(_, sees)| *sees).then_some(());
    // Who does not come in time leaves, and enters anew.
    until(core, area, transfer, COME, all).await?;
    let (ended, mut outcome) = oneshot::channel();
    let (goes, inside) = freeze(core, area, transfer, ended)?;
    let deadline = Instant::now() + MOVE;
    let still = loop {
        let why = match tokio::time::timeout(LOOK, &mut outcome).await {
            Ok(Ok(outcome)) => break outcome?,
            Err(_) if with(core, area, transfer, |moves| moves.deciding)? => continue,
            Err(_) if core.state().spawner_of(id).is_none() => "the other server has ended",
            Err(_) if Instant::now() < deadline => continue,
            _ => "the server that has the area did not hand it over",
        };
        return Refusal::err(Code::AreaUnavailable, why);
    };
    let (players, left) = (goes, inside.saturating_sub(goes));
    let took = began.elapsed();
    tracing::info!(area = %name, %from, to = %id, players, left, still_ms = still.as_millis() as u64, "an area has moved");
    Ok(Moved { area: name.to_string(), from, to: id, spawner, players, left, still, took })
}

/// Everybody inside is announced at the other server, and his client told of it.
async fn invite_all(core: &Arc<Core>, area: AreaId, transfer: TransferId) -> Result<(), Refusal> {
    let (there, source, seats, factions) = {
        let state = core.state();
        let entry = state.areas.get(&area).ok_or_else(gone)?;
        let there = entry.moves.as_ref().and_then(|moves| moves.there.clone()).ok_or_else(gone)?;
        let source = entry.server.as_ref().and_then(|server| server.sender.clone()).ok_or_else(gone)?;
        let inside = entry.seats.iter().filter(|(_, seat)| seat.taken == Taken::Inside);
        let seats: Vec<(CharacterId, Seat)> = inside.map(|(id, seat)| (*id, seat.clone())).collect();
        let data = |id: &String| entry.world.faction(id).ok().cloned();
        let factions: Vec<_> = entry.factions.iter().filter_map(data).collect();
        (there, source, seats, factions)
    };
    let sender = there.sender.clone().ok_or_else(gone)?;
    for faction in factions {
        let faction = serde_json::to_vec(&faction).unwrap_or_default();
        sender.send(Body::FactionSync(FactionSync { faction, founded: Vec::new() }))?;
    }
    factions::before_move(core, area, &sender).await?;
    let invited = join_all(seats.into_iter().map(|(id, seat)| {
        let there = &there;
        async move { invite(core, area, (id, &seat), there).await.ok() }
    }));
    for (run, body, character) in invited.await.into_iter().flatten() {
        with(core, area, transfer, |moves| moves.invited.insert(character, (run, false)))?;
        source.send(Body::Invite(body))?;
    }
    Ok(())
}

async fn invite(
    core: &Arc<Core>,
    area: AreaId,
    (character, seat): (CharacterId, &Seat),
    there: &Server,
) -> Result<(EnterId, Invite, CharacterId), Refusal> {
    let want = Want {
        enter: None,
        run: EnterId(random::bytes()),
        account: seat.account,
        session: seat.session,
        character,
        wish: EnterWish::default(),
        from: Some((area, seat.epoch)),
        border: true,
        at: None,
        created: clock::unix_ms() as i64,
    };
    let (found, social) = join::read(core, &want).await?;
    let place = found.character.place.clone().ok_or_else(gone)?;
    let doc = CharacterDoc {
        id: character,
        account: seat.account,
        name: found.character.name,
        faction: found.character.faction,
        place,
        quests: found.quests,
    };
    let epoch = seat.epoch + 1;
    let prepared = join::prepared(core, &want, area, (&doc.name, epoch), there);
    let seen = (None, &social);
    join::admit(core, &want, &doc, area, (epoch, None), (seen, &prepared.ticket), there).await?;
    let webtransport_hashes = prepared.webtransport.as_ref().map(|offer| offer.hash_bytes());
    let invite = Invite {
        character: character.to_vec(),
        url: prepared.url,
        ticket: prepared.ticket,
        webtransport_url: prepared.webtransport.map(|offer| offer.url).unwrap_or_default(),
        webtransport_hashes: webtransport_hashes.unwrap_or_default(),
    };
    Ok((want.run, invite, character))
}

/// Nobody enters any more, the area stands still; how many go along, and how many were inside.
fn freeze(
    core: &Core,
    area: AreaId,
    transfer: TransferId,
    ended: oneshot::Sender<Result<Duration, Refusal>>,
) -> Result<(usize, usize), Refusal> {
    let mut state = core.state();
    // Handoffs from and to it cannot be decided while it stands still; the other sides go on as if nothing was.
    let of_it = |t: &Transfer| !t.plain && (t.from == area || t.to == area);
    let runs: Vec<EnterId> =
        state.transfers.iter().filter(|(_, transfer)| of_it(transfer)).map(|(run, _)| *run).collect();
    runs.into_iter().for_each(|run| state.call_off(run));
    let entry = state.areas.get_mut(&area).ok_or_else(gone)?;
    let inside = entry.seats.values().filter(|seat| seat.taken == Taken::Inside).count();
    let moves = entry.moves.as_mut().filter(|moves| moves.transfer == transfer).ok_or_else(gone)?;
    let sees = moves.invited.iter().filter(|(_, (_, sees))| *sees);
    let goes: Vec<Vec<u8>> = sees.map(|(id, _)| id.to_vec()).collect();
    moves.ended = Some(ended);
    let (players, transfer) = (goes.len(), transfer.to_vec());
    let sender = entry.server.as_ref().and_then(|server| server.sender.as_ref()).ok_or_else(gone)?;
    sender.send(Body::Freeze(Freeze { transfer, goes }))?;
    entry.phase.send_replace(Phase::Loading { restoring: true });
    Ok((players, inside))
}

/// The old server keeps the area; the other one is not needed.
fn give_up(core: &Core, area: AreaId, transfer: TransferId) {
    let mut state = core.state();
    let Some(entry) = state.areas.get_mut(&area) else { return };
    let Some(moves) = entry.moves.take_if(|moves| moves.transfer == transfer) else { return };
    let source = entry.server.as_ref().filter(|server| server.id == moves.from);
    if let Some(sender) = source.and_then(|server| server.sender.as_ref()) {
        let _ = sender.send(Body::AreaMoved(AreaMoved { transfer: transfer.to_vec(), done: false }));
        for kick in moves.kicks.values() {
            let _ = sender.send(Body::Kick(kick.clone()));
        }
        entry.phase.send_if_modified(|phase| {
            let frozen = matches!(phase, Phase::Loading { .. });
            if frozen {
                *phase = Phase::Ready;
            }
            frozen
        });
    }
    not_needed(&state, &moves);
    drop(state);
    core.changed.notify_waiters();
}

/// The old server has ended: the other one, which owns nothing, ends too. If the change of owner is being written,
/// it may have the area in a moment.
pub fn cut_off(state: &mut State, area: AreaId) {
    let moves = state.areas.get_mut(&area).and_then(|entry| entry.moves.take_if(|moves| !moves.deciding));
    if let Some(moves) = moves {
        not_needed(state, &moves);
    }
}

/// Tells a character's server to let it go; while its area stands still, the one that has it afterwards.
///
/// # Errors
/// If there is no server, or its link takes no more.
pub fn kick(entry: &mut Area, kick: Kick) -> Result<(), Refusal> {
    if let Some(moves) = entry.moves.as_mut().filter(|moves| moves.ended.is_some())
        && let Ok(character) = CharacterId::from_bytes(&kick.character)
    {
        moves.kicks.insert(character, kick);
        return Ok(());
    }
    let sender = entry.server.as_ref().and_then(|server| server.sender.as_ref()).ok_or_else(gone)?;
    sender.send(Body::Kick(kick))
}

/// By its own link and by its spawner's: either may be away.
fn not_needed(state: &State, moves: &Move) {
    if let Some(sender) = moves.there.as_ref().and_then(|there| there.sender.as_ref()) {
        let _ = sender.send(Body::AreaMoved(AreaMoved { transfer: moves.transfer.to_vec(), done: false }));
    }
    if let Some(server) = moves.server
        && let Some(spawner) = state.spawner_of(server)
    {
        let stop = StopServer { server: server.to_vec(), grace_ms: GRACE_MS };
        let _ = spawner.sender.send(Body::StopServer(stop));
    }
}

// ---- what the two servers say ------------------------------------------------------------------------

/// Whether this server is the one to which the area is to go.
pub fn is_to(core: &Core, area: AreaId, server: ServerId) -> bool {
    let state = core.state();
    let moves = state.areas.get(&area).and_then(|entry| entry.moves.as_ref());
    moves.is_some_and(|moves| moves.server == Some(server))
}

/// The other server registers: it is told what to load, and owns nothing yet.
///
/// # Errors
/// `stale_epoch` if nobody waits for it.
pub async fn register(
    core: &Arc<Core>,
    link: &Accepted,
    server: ServerId,
    (area, register): (AreaId, &Register),
    at: PeerAddress,
) -> Result<(), Refusal> {
    let row = store::area::get(&mut *core.store.reader().await?, area).await?;
    let (epoch, incarnation) = (row.epoch + 1, row.incarnation + 1);
    let mut state = core.state();
    let entry = state.areas.get_mut(&area).ok_or_else(gone)?;
    let moves = entry.moves.as_mut().filter(|moves| moves.server == Some(server) && register.epoch == 0);
    let moves = moves.ok_or_else(|| Refusal::new(Code::StaleEpoch, "another server has this area"))?;
    let (world, always_on) = (entry.world.clone(), entry.always_on);
    moves.there = Some(Server {
        id: server,
        spawner: link.hello.spawner.clone(),
        incarnation,
        epoch,
        at,
        path: "/play".to_owned(),
        sender: Some(link.sender.clone()),
        program: Some(link.hello.program.clone()),
        draining: false,
        heard: Instant::now(),
        load: Heartbeat::default(),
    });
    drop(state);
    link.sender.send(Body::Granted(Granted {
        area: area.to_vec(),
        incarnation,
        epoch,
        world: world.name.clone(),
        world_toml: core.world_texts.get(&world.name).cloned().unwrap_or_default(),
        ground: row.name.ground.to_string(),
        layer: u32::from(row.name.layer),
        lease_ms: core.config.central.owner_lease_s * 1_000,
        keys: core.ticket_keys_message().keys,
        always_on,
        prompt: core.config.central.prompt,
        waits: true,
        ..Granted::default()
    }))
}

/// What the other server says before it has the area; `true`: that was all that it meant.
pub fn heard(core: &Core, area: AreaId, server: ServerId, body: &Body) -> bool {
    let mut state = core.state();
    let moves = state.areas.get_mut(&area).and_then(|entry| entry.moves.as_mut());
    let Some(moves) = moves.filter(|moves| moves.server == Some(server)) else { return false };
    let sees = |moves: &mut Move, character: &[u8], run: &[u8], now: bool| {
        let invited = CharacterId::from_bytes(character).ok().and_then(|id| moves.invited.get_mut(&id));
        if let Some((_, sees)) = invited.filter(|(known, _)| known.0.as_slice() == run) {
            *sees = now;
        }
    };
    match body {
        Body::Admitted(_) => return false,
        Body::AreaReady(_) => moves.ready = true,
        Body::Arrived(arrived) => sees(moves, &arrived.character, &arrived.enter, true),
        Body::SeesNoMore(at) | Body::NoShow(at) => sees(moves, &at.character, &at.transfer, false),
        _ => {}
    }
    drop(state);
    core.changed.notify_waiters();
    true
}

/// The commit point: the area stands still, and here it is.
pub async fn move_area(
    core: &Arc<Core>,
    area: AreaId,
    (from, source): (ServerId, &link::Sender),
    message: MoveArea,
) {
    let Ok(transfer) = TransferId::from_bytes(&message.transfer) else { return };
    let there = with(core, area, transfer, |moves| {
        moves.stood_since.get_or_insert_with(Instant::now);
        moves.deciding = true;
        moves.there.clone()
    });
    let there = there.ok().flatten();
    let written = match &there {
        Some(there) if has_ended(core, there) => {
            Refusal::err(Code::AreaUnavailable, "the other server has ended")
        }
        Some(there) => write(core, area, (from, there), transfer, &message).await,
        // Called off, or central was started anew: then the store knows whether it was done.
        None => was_done(core, area, from, transfer).await,
    };
    // What is written is not given up any more.
    let given_up = || with(core, area, transfer, |moves| moves.deciding = false);
    let done = match written {
        Ok(done) => done,
        Err(refusal) if refusal.code == Code::StorageBusy => {
            let _ = given_up();
            return; // it is said again
        }
        Err(refusal) => {
            tracing::warn!(area = %core.name_of(area), %refusal, "an area's move was not written");
            let _ = given_up();
            end(core, area, transfer, Err(refusal));
            false
        }
    };
    if let (true, Some(there)) = (done, there) {
        take_over(core, area, there.clone(), transfer, message).await;
        if has_ended(core, &there) {
            // While it was written: whoever saw it end knew of no area that it had.
            running::server_died(core, there.id, "ended as it took over").await;
        }
    }
    let _ = source.send(Body::AreaMoved(AreaMoved { transfer: transfer.to_vec(), done }));
}

/// By the word of its spawner.
fn has_ended(core: &Core, server: &Server) -> bool {
    let state = core.state();
    state.spawners.get(&server.spawner).is_some_and(|spawner| !spawner.servers.contains_key(&server.id))
}

async fn was_done(core: &Core, area: AreaId, from: ServerId, transfer: TransferId) -> Result<bool, Refusal> {
    let mut reader = core.store.reader().await?;
    let row = ownership::owned::<ServerId>(&mut reader, area.0).await?;
    Ok(row.last == Some(transfer) && row.owner != Some(from))
}

/// The area and everybody inside have another owner and a higher epoch, all in one transaction.
async fn write(
    core: &Arc<Core>,
    area: AreaId,
    (from, there): (ServerId, &Server),
    transfer: TransferId,
    message: &MoveArea,
) -> Result<bool, Refusal> {
    let world = core.state().areas.get(&area).map(|entry| entry.name.world.clone()).ok_or_else(gone)?;
    let map = handoff::place_map(core, area);
    let mut swaps = Vec::new();
    for mover in &message.characters {
        let character = CharacterId::from_bytes(&mover.character)
            .map_err(|_| Refusal::new(Code::BadRequest, "a character's id has 16 bytes"))?;
        let (epoch, stands) = (mover.epoch, mover.stands.unwrap_or_default());
        let place = map.clone().map(|map| Place { world: world.clone(), map, x: stands.x, y: stands.y });
        let change = Change::Commit { from: area, epoch, to: area };
        let seen = Owned { owner: Some(area), epoch, last: None };
        let swap = Swap::new(character, TransferId(random::bytes()), &change, seen, place)?;
        swaps.push(swap.with_record(handoff::record_of(character, mover.record.clone())));
    }
    let (to, epoch) = (there.id, message.epoch);
    let (expected, spawner) = (there.incarnation, there.spawner.clone());
    core.store
        .write(move |tx| {
            let (swaps, spawner) = (swaps.clone(), spawner.clone());
            Box::pin(async move {
                let change = Change::Commit { from, epoch, to };
                if ownership::change_owner(tx, area.0, transfer, &change).await?.repeat {
                    return Ok(true);
                }
                store::area::set_spawner(tx, area, &spawner).await?;
                let stale = |text| Error::from(Refusal::new(Code::StaleEpoch, text));
                if store::area::next_incarnation(tx, area).await? != expected {
                    return Err(stale("the area had another life meanwhile"));
                }
                if !ownership::swap_all(tx, &swaps.iter().collect::<Vec<_>>()).await? {
                    return Err(stale("somebody inside has another owner"));
                }
                Ok::<_, Error>(true)
            })
        })
        .await
}

/// From here on it is the other server's.
async fn take_over(core: &Arc<Core>, area: AreaId, there: Server, transfer: TransferId, message: MoveArea) {
    let (lies, spent) = match goods_of(core, area).await {
        Ok(goods) => goods,
        Err(refusal) => {
            tracing::error!(%refusal, "what lies in an area that moves could not be read");
            Default::default()
        }
    };
    let MoveArea { pack, characters, .. } = message;
    let characters: Vec<Mover> =
        characters.into_iter().map(|mover| Mover { epoch: mover.epoch + 1, ..mover }).collect();
    let movers: Vec<(CharacterId, u64)> = characters
        .iter()
        .filter_map(|mover| Some((CharacterId::from_bytes(&mover.character).ok()?, mover.epoch)))
        .collect();
    let (old, sender) = {
        let mut state = core.state();
        let Some(entry) = state.areas.get_mut(&area) else { return };
        for mover in &characters {
            let seat = CharacterId::from_bytes(&mover.character).ok().and_then(|id| entry.seats.get_mut(&id));
            if let Some(seat) = seat {
                (seat.epoch, seat.taken) = (mover.epoch, Taken::Inside);
            }
        }
        let (epoch, sender) = (there.epoch, there.sender.clone());
        // What it said while it waited was not for anybody; its silence is counted from now on.
        let there = Server { heard: Instant::now(), ..there };
        let old = entry.server.replace(there).map(|server| server.id);
        if let Some(sender) = &sender {
            let over = TakeOver { epoch, pack, lies, spent, characters };
            let _ = sender.send(Body::TakeOver(over));
            let kicks = entry.moves.iter_mut().flat_map(|moves| moves.kicks.drain());
            for (_, kick) in kicks {
                let _ = sender.send(Body::Kick(Kick { epoch: kick.epoch + 1, ..kick }));
            }
        }
        entry.phase.send_replace(Phase::Ready);
        (old, sender.is_some())
    };
    tracing::debug!(area = %core.name_of(area), told = sender, "another server takes over");
    end(core, area, transfer, Ok(()));
    core.changed.notify_waiters();
    if let Some(old) = old {
        peers::gone(core, old);
    }
    peers::arrived(core, area);
    // What changed after it was packed.
    let core = core.clone();
    tokio::spawn(async move {
        for (id, epoch) in movers {
            handoff::show(&core, area, id, epoch).await;
        }
    });
}

fn end(core: &Core, area: AreaId, transfer: TransferId, how: Result<(), Refusal>) {
    let mut state = core.state();
    let Some(entry) = state.areas.get_mut(&area) else { return };
    let done = how.is_ok();
    let Some(moves) = entry.moves.as_mut().filter(|moves| moves.transfer == transfer) else { return };
    if let Some(ended) = moves.ended.take() {
        let still = moves.stood_since.map_or(Duration::ZERO, |since| since.elapsed());
        let _ = ended.send(how.map(|()| still));
    }
    if done {
        entry.moves = None;
    }
}

impl Core {
    /// The area of this name (`world/ground/layer`), if central knows it.
    pub fn area_named(&self, name: &str) -> Option<AreaId> {
        let state = self.state();
        state.names.iter().find(|(known, _)| known.to_string() == name).map(|(_, area)| *area)
    }
}

// ---- details ------------------------------------------------------------------------------------------

fn map_of(name: &AreaName) -> Option<&str> {
    match &name.ground {
        pangea_world::space::Ground::Map(map) => Some(map),
        pangea_world::space::Ground::Cells(_) => None,
    }
}

/// Does something with the move, if it is under way still.
fn with<T>(
    core: &Core,
    area: AreaId,
    transfer: TransferId,
    act: impl FnOnce(&mut Move) -> T,
) -> Result<T, Refusal> {
    let mut state = core.state();
    let moves = state.areas.get_mut(&area).and_then(|entry| entry.moves.as_mut());
    let moves = moves.filter(|moves| moves.transfer == transfer).ok_or_else(gone)?;
    Ok(act(moves))
}

/// Waits for something of the move; `None`: it did not come in time.
async fn until<T>(
    core: &Core,
    area: AreaId,
    transfer: TransferId,
    most: Duration,
    look: impl Fn(&Move) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let deadline = Instant::now() + most;
    loop {
        let changed = core.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let (found, lives) = {
            let state = core.state();
            let entry = state.areas.get(&area);
            let moves = entry.and_then(|entry| entry.moves.as_ref()).filter(|m| m.transfer == transfer);
            let moves = moves.ok_or_else(gone)?;
            let lives = moves.server.is_none_or(|server| state.spawner_of(server).is_some());
            (look(moves), lives)
        };
        if found.is_some() {
            return Ok(found);
        }
        if !lives {
            return Refusal::err(Code::AreaUnavailable, "the other server has ended");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        // A server's end rings too, if its spawner tells.
        let _ = tokio::time::timeout(left.min(LOOK), changed).await;
    }
}

fn gone() -> Refusal {
    Refusal::new(Code::AreaUnavailable, "the area has just stopped")
}
