//! Making an area run: the one `ensure_running` that enter, portal and recovery call (G6-G8, O6-O9).
//!
//! Whoever comes first starts the area, everybody else waits for the same start: however many ask at once,
//! one server is found or spawned.

use std::sync::Arc;
use std::time::Duration;

use pangea_world::id::{AreaId, ServerId, TransferId};
use pangea_world::messages::{Allocate, Allocated, Body, ServerInfo, StopServer};
use pangea_world::ownership::Change;
use pangea_world::space::{AreaName, Ground};
use pangea_world::world::{Kind, OWN_SERVER, World};
use pangea_world::{Code, Refusal};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::core::{Core, template_of};
use super::state::{Area, OWN_PATH, PeerAddress, Phase, Server, State, Taken};
use super::wish::Progress;
use super::{checkpoints, handoff, migration, peers};
use crate::store::{self, Error, ownership};
use crate::{link, random};

/// How many servers are tried for one start.
const TRIES: u32 = 3;

/// Beside what the owner itself leaves unused of its lease.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Longest pause before an area that crashed is started again by itself.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How often, and after how long again, it is asked whether this central leads before a server is ended.
const LEAD_TRIES: u32 = 10;
const LEAD_AGAIN: Duration = Duration::from_secs(1);

/// Makes sure that central knows the area: its row in the store and its entry here.
///
/// # Errors
/// If the database fails.
pub async fn know_area(
    core: &Arc<Core>,
    world: &Arc<World>,
    ground: &Ground,
    layer: u16,
) -> Result<(), Refusal> {
    let name = AreaName { world: world.name.clone(), ground: ground.clone(), layer };
    if core.state().names.contains_key(&name) {
        return Ok(());
    }
    let (wanted, fresh) = (name.clone(), AreaId(random::bytes()));
    let row = core
        .store
        .write(move |tx| {
            let wanted = wanted.clone();
            Box::pin(async move { store::area::find_or_make(tx, &wanted, fresh).await })
        })
        .await?;
    enter_area(core, row.id, world, name);
    Ok(())
}

/// The entry of an area whose id is known.
pub fn enter_area(core: &Core, id: AreaId, world: &Arc<World>, name: AreaName) {
    let area = new_area(world, name.clone());
    let mut state = core.state();
    state.names.entry(name).or_insert(id);
    state.areas.entry(id).or_insert(area);
}

/// An area that does not run.
pub fn new_area(world: &Arc<World>, name: AreaName) -> Area {
    let map = match &name.ground {
        Ground::Map(map) => Some(map.as_str()),
        Ground::Cells(_) => None,
    };
    Area {
        own: template_of(world, map) == OWN_SERVER,
        always_on: is_always_on(world, &name.ground),
        name,
        world: world.clone(),
        phase: watch::Sender::new(Phase::Down),
        server: None,
        seats: Default::default(),
        crashes: Vec::new(),
        condemned: None,
        factions: Vec::new(),
        founded: Vec::new(),
        moves: None,
        stand: None,
    }
}

/// Whether this ground never idles.
pub fn is_always_on(world: &World, ground: &Ground) -> bool {
    match (&world.kind, ground) {
        (Kind::Maps(maps), Ground::Map(map)) => {
            maps.map(map).is_ok_and(|map| map.always_on) || maps.spawn_maps.contains(map)
        }
        (Kind::Grid(grid), Ground::Cells(rect)) => {
            let cell = f64::from(grid.cell_m);
            grid.always_on.iter().any(|(x, y)| rect.contains(x / cell, y / cell))
        }
        _ => false,
    }
}

/// Everything that must run as soon as a spawner is there: `spawn_maps` (K6) and always-on areas.
pub fn wanted_from_the_start(state: &State, world: &World) -> Vec<(Ground, u16)> {
    match &world.kind {
        Kind::Maps(maps) => {
            let layers = |map: &String| {
                (0..maps.spawn_layers.min(world.layers)).map(|l| (Ground::Map(map.clone()), l)).collect()
            };
            let always = maps.maps.iter().filter(|map| map.always_on && !maps.spawn_maps.contains(&map.id));
            let spawn: Vec<Vec<(Ground, u16)>> = maps.spawn_maps.iter().map(layers).collect();
            spawn.into_iter().flatten().chain(always.map(|map| (Ground::Map(map.id.clone()), 0))).collect()
        }
        Kind::Grid(grid) => {
            let place = |&(x, y): &(f64, f64)| pangea_world::space::Place {
                world: world.name.clone(),
                map: None,
                x,
                y,
            };
            let ground = |point| state.ground_at(world, &place(point)).ok();
            let mut grounds: Vec<Ground> = grid.always_on.iter().filter_map(ground).collect();
            grounds.dedup();
            grounds.into_iter().map(|ground| (ground, 0)).collect()
        }
    }
}

/// Waits until the area serves players, starting it if nobody does yet.
///
/// # Errors
/// `no_spawner`, `spawner_full`, `spawner_template`, `area_crash_loop`, `area_unavailable`.
pub async fn ensure_running(
    core: &Arc<Core>,
    area: AreaId,
    progress: Option<&watch::Sender<Progress>>,
) -> Result<Server, Refusal> {
    let mut phase = {
        let state = core.state();
        let Some(entry) = state.areas.get(&area) else {
            return Refusal::err(Code::AreaUnavailable, "this area is not known");
        };
        let first = entry.phase.send_if_modified(|phase| {
            let idle = matches!(phase, Phase::Down | Phase::Wanted | Phase::Failed(_));
            if idle {
                *phase = Phase::Spawning;
            }
            idle
        });
        if first {
            crate::task::spawn(start(core.clone(), area));
        }
        entry.phase.subscribe()
    };
    loop {
        let now = phase.borrow_and_update().clone();
        match now {
            Phase::Ready => {
                let server = core.state().areas.get(&area).and_then(|entry| entry.server.clone());
                return server
                    .ok_or_else(|| Refusal::new(Code::AreaUnavailable, "the area has just stopped"));
            }
            Phase::Failed(refusal) => return Err(refusal),
            Phase::Down | Phase::Wanted => {
                return Refusal::err(Code::AreaUnavailable, "the area has just stopped");
            }
            Phase::Spawning => tell(progress, Progress::Spawning),
            Phase::Loading { restoring: true } => tell(progress, Progress::Restoring),
            Phase::Loading { restoring: false } => tell(progress, Progress::Generating),
        }
        if phase.changed().await.is_err() {
            return Refusal::err(Code::AreaUnavailable, "the area is gone");
        }
    }
}

fn tell(progress: Option<&watch::Sender<Progress>>, now: Progress) {
    if let Some(progress) = progress {
        progress.send_replace(now);
    }
}

/// Finds a server for an area whose phase this call set to Spawning, and waits until it serves.
async fn start(core: Arc<Core>, area: AreaId) {
    let mut last = Refusal::new(Code::AreaUnavailable, "the server of this place could not be started");
    for attempt in 0..TRIES {
        if core.state().stopping {
            last = Refusal::new(Code::Stopping, "the server is stopping");
            break;
        }
        match start_once(&core, area).await {
            Ok(()) => return,
            Err(refusal) => {
                tracing::warn!(area = %core.name_of(area), attempt, %refusal, "an area did not start");
                let final_word = !matches!(refusal.code, Code::AreaUnavailable | Code::StaleEpoch);
                last = refusal;
                if final_word {
                    break;
                }
            }
        }
        core.set_phase(area, Phase::Spawning);
    }
    if let Some(entry) = core.state().areas.get_mut(&area) {
        entry.server = None;
        entry.phase.send_replace(Phase::Failed(last));
    }
}

async fn start_once(core: &Arc<Core>, area: AreaId) -> Result<(), Refusal> {
    crash_loop(core, area)?;
    let timeout = Duration::from_secs(core.config.central.start_timeout_s);
    if settle_owner(core, area, timeout).await? {
        // It runs already, from before central was restarted.
        return Ok(());
    }
    let (name, template, capacity) = {
        let state = core.state();
        let entry = state.areas.get(&area).ok_or_else(gone)?;
        let map = match &entry.name.ground {
            Ground::Map(map) => Some(map.as_str()),
            Ground::Cells(_) => None,
        };
        (entry.name.clone(), template_of(&entry.world, map).to_owned(), entry.world.capacity)
    };
    let own = template == OWN_SERVER;
    // Our own server is given its life when it registers; a third-party one must know it beforehand.
    let incarnation = if own { 0 } else { next_life(core, area).await? };
    let (spawner, info) = allocate(core, area, &name, (&template, capacity, incarnation), None).await?;
    let id = ServerId::from_bytes(&info.server).map_err(|_| gone())?;
    tracing::info!(area = %name, server = %id, %spawner, "an area has a server");
    let at = PeerAddress {
        server: info.server.clone(),
        address: info.address.clone(),
        port: info.port,
        ..Default::default()
    };
    let path = if own { OWN_PATH } else { &info.path };
    let mut phase = {
        let mut state = core.state();
        let entry = state.areas.get_mut(&area).ok_or_else(gone)?;
        // Its registration may have been quicker than this answer.
        if entry.server.as_ref().is_none_or(|server| server.id != id) {
            entry.server = Some(Server { incarnation, ..Server::named(id, &spawner, at, path) });
        }
        entry.phase.subscribe()
    };
    if !own {
        let epoch = grant(core, area, id, &spawner, Some(incarnation)).await?.0;
        let mut state = core.state();
        let entry = state.areas.get_mut(&area).ok_or_else(gone)?;
        if let Some(server) = entry.server.as_mut() {
            server.epoch = epoch;
        }
        entry.phase.send_replace(Phase::Ready);
        return Ok(());
    }
    let end = |phase: &Phase| matches!(phase, Phase::Ready | Phase::Down | Phase::Failed(_));
    let ended = tokio::time::timeout(timeout, phase.wait_for(end)).await;
    match ended {
        Ok(Ok(phase)) if *phase == Phase::Ready => Ok(()),
        Ok(_) => Refusal::err(Code::AreaUnavailable, "the server of this place died while it started"),
        Err(_) => {
            tracing::warn!(area = %name, server = %id, "a server did not become ready in time; it is killed");
            core.stop_server(id, 0);
            Refusal::err(Code::AreaUnavailable, "the server of this place did not become ready in time")
        }
    }
}

fn gone() -> Refusal {
    Refusal::new(Code::AreaUnavailable, "the area is gone")
}

/// An area that crashed too often rests.
fn crash_loop(core: &Core, area: AreaId) -> Result<(), Refusal> {
    let window = Duration::from_secs(core.config.central.crash_window_s);
    let mut state = core.state();
    let entry = state.areas.get_mut(&area).ok_or_else(gone)?;
    entry.crashes.retain(|crash| crash.elapsed() < window);
    if entry.crashes.len() < core.config.central.crash_limit as usize {
        return Ok(());
    }
    let rest = entry.crashes.first().map_or(Duration::ZERO, |first| window.saturating_sub(first.elapsed()));
    let text = format!(
        "the server of this place crashed {} times within {} s; it is tried again in {} s",
        entry.crashes.len(),
        window.as_secs(),
        rest.as_secs() + 1
    );
    Refusal::err(Code::AreaCrashLoop, text)
}

/// Whether the area's owner by the store still runs. `true`: it has registered and serves. `false`: nobody
/// owns the area any more; an owner that is proven dead has lost it.
///
/// # Errors
/// `area_unavailable` if the owner can neither be reached nor be proven dead within the time.
pub async fn settle_owner(core: &Arc<Core>, area: AreaId, timeout: Duration) -> Result<bool, Refusal> {
    let lease = lease_with_margin(core);
    let deadline = Instant::now() + timeout;
    loop {
        let changed = core.changed.notified();
        let row = {
            let mut reader = core.store.reader().await?;
            store::area::get(&mut reader, area).await?
        };
        let Some(owner) = row.owner else { return Ok(false) };
        let (serves, dead) = {
            let mut state = core.state();
            let entry = state.areas.get(&area);
            let server = entry.and_then(|entry| entry.server.as_ref()).filter(|server| server.id == owner);
            let own = entry.is_none_or(|entry| entry.own);
            let registered = server.is_some_and(|server| server.sender.is_some() || !own);
            let ready = entry.is_some_and(|entry| *entry.phase.borrow() == Phase::Ready);
            // Its spawner is the witness: what it does not list has ended.
            let witness = state.spawners.get(&row.spawner);
            let heard =
                server.is_some_and(|server| server.sender.is_some() && server.heard.elapsed() <= lease);
            let silent = core.started.elapsed() > lease && !heard;
            let dead = witness.map_or(silent, |spawner| !spawner.servers.contains_key(&owner));
            let serves = registered && ready;
            if let Some(entry) = state.areas.get_mut(&area).filter(|_| dead && !serves) {
                // It may say in this very moment that it lives: what is decided stays so.
                entry.condemned = Some(owner);
            }
            (serves, dead)
        };
        if serves {
            return Ok(true);
        }
        if dead {
            let taken = failover(core, area, owner).await;
            if taken.is_err()
                && let Some(entry) = core.state().areas.get_mut(&area)
            {
                entry.condemned = None;
            }
            return taken.map(|()| false);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Refusal::err(
                Code::AreaUnavailable,
                "the server that has this place cannot be reached; try again",
            );
        }
        // Also looks again without a change, for the lease.
        let _ = tokio::time::timeout(left.min(Duration::from_millis(500)), changed).await;
    }
}

/// An area server that central has not heard for so long has stopped acting by its own clock.
pub fn lease_with_margin(core: &Core) -> Duration {
    Duration::from_secs(core.config.central.owner_lease_s) + LEASE_MARGIN
}

/// Asks the spawner with most room for a server; for a move of the area, for another one than it has, on this
/// spawner if one is named.
///
/// # Errors
/// `no_spawner`, `spawner_template`, what the spawner says, `area_unavailable` if it does not answer.
pub async fn allocate(
    core: &Arc<Core>,
    area: AreaId,
    name: &AreaName,
    (template, capacity, incarnation): (&str, u32, u64),
    moves_to: Option<Option<&str>>,
) -> Result<(String, ServerInfo), Refusal> {
    let timeout = Duration::from_secs(core.config.central.start_timeout_s);
    let (spawner, answer) = {
        let mut state = core.state();
        let request = state.next_request();
        let Some((spawner, entry)) = state.best_spawner(template, moves_to.flatten()) else {
            let (code, text) = if state.spawners.is_empty() {
                (Code::NoSpawner, "no spawner is connected".to_owned())
            } else {
                let text =
                    format!("no spawner that gets new areas can start servers of the kind «{template}»");
                (Code::SpawnerTemplate, text)
            };
            return Refusal::err(code, text);
        };
        let (spawner, sender) = (spawner.clone(), entry.sender.clone());
        let (reply, answer) = oneshot::channel();
        state.allocations.insert(request, (spawner.clone(), reply));
        sender.send(Body::Allocate(Allocate {
            request,
            template: template.to_owned(),
            area: area.to_vec(),
            world: name.world.clone(),
            ground: name.ground.to_string(),
            layer: u32::from(name.layer),
            incarnation,
            capacity,
            another: moves_to.is_some(),
        }))?;
        (spawner, answer)
    };
    match tokio::time::timeout(timeout, answer).await {
        Ok(Ok(Allocated { server: Some(server), .. })) if is_for(&server, area) => Ok((spawner, server)),
        Ok(Ok(Allocated { refused: Some(refused), .. })) => Err(link::to_refusal(&refused)),
        _ => Refusal::err(Code::AreaUnavailable, "the spawner did not answer in time"),
    }
}

/// A spawner says of which area a server is; of an earlier version it may not.
fn is_for(server: &ServerInfo, area: AreaId) -> bool {
    server.area.is_empty() || server.area == area.0
}

async fn next_life(core: &Core, area: AreaId) -> Result<u64, Refusal> {
    core.store.write(move |tx| Box::pin(async move { store::area::next_incarnation(tx, area).await })).await
}

/// Makes a server the area's owner; returns epoch, incarnation and the name of its checkpoint.
/// `life`: that of a server which was told it beforehand; `None`: it begins one.
///
/// # Errors
/// `stale_epoch` if another server owns it.
pub async fn grant(
    core: &Core,
    area: AreaId,
    server: ServerId,
    spawner: &str,
    life: Option<u64>,
) -> Result<(u64, u64, Option<String>), Refusal> {
    let (transfer, spawner) = (TransferId(random::bytes()), spawner.to_owned());
    core.store
        .write(move |tx| {
            let spawner = spawner.clone();
            Box::pin(async move {
                let changed =
                    ownership::change_owner(tx, area.0, transfer, &Change::Grant { to: server }).await?;
                store::area::set_spawner(tx, area, &spawner).await?;
                let incarnation = match life {
                    Some(life) => life,
                    None => store::area::next_incarnation(tx, area).await?,
                };
                Ok::<_, Error>((changed.row.epoch, incarnation, checkpoints::named(tx, area).await?))
            })
        })
        .await
}

/// Takes an area from a server that is proven dead, back to the store. A repeat does nothing.
///
/// # Errors
/// If the database fails.
pub async fn failover(core: &Core, area: AreaId, from: ServerId) -> Result<(), Refusal> {
    let transfer = TransferId(random::bytes());
    let done = core
        .store
        .write(move |tx| {
            Box::pin(async move {
                ownership::change_owner(tx, area.0, transfer, &Change::Failover { from }).await
            })
        })
        .await;
    match done {
        Err(refusal) if refusal.code != Code::StaleEpoch => Err(refusal),
        _ => Ok(()),
    }
}

/// A game server has ended: its area goes back to the store, and up again if somebody was there.
pub async fn server_died(core: &Arc<Core>, server: ServerId, how: &str) {
    let found = {
        let mut state = core.state();
        let area = state.area_of(server);
        area.and_then(|id| {
            let entry = state.areas.get_mut(&id)?;
            entry.server = None;
            entry.factions.clear();
            entry.founded.clear();
            entry.crashes.push(Instant::now());
            let players = entry.seats.len();
            // Who was inside comes back before anybody in line; if he does not, his seat is free again.
            let until = Instant::now() + Duration::from_secs(core.config.central.seat_hold_s);
            for seat in entry.seats.values_mut().filter(|seat| seat.taken == Taken::Inside) {
                (seat.taken, seat.leaving, seat.next) = (Taken::Held(until), None, None);
            }
            let wanted = entry.always_on || players > 0;
            let first = entry.phase.send_replace(Phase::Down);
            let ground = (entry.name.world.clone(), entry.name.ground.clone());
            // Its handoffs cannot be decided by it any more; the other side goes on as if nothing was.
            let of_it = |t: &super::state::Transfer| !t.plain && (t.from == id || t.to == id);
            let moves = state.transfers.iter().filter(|(_, transfer)| of_it(transfer));
            let moves: Vec<_> = moves.map(|(run, _)| *run).collect();
            moves.into_iter().for_each(|run| state.call_off(run));
            let moved = migration::cut_off(&mut state, id);
            state.line_moved(&ground);
            let refused = state
                .admits
                .iter()
                .filter(|(_, (area, _))| *area == id)
                .map(|(run, _)| *run)
                .collect::<Vec<_>>();
            refused.iter().for_each(|run| drop(state.admits.remove(run)));
            // An area that was about to move was shut for that, and ran.
            let ran = first == Phase::Ready || moved && matches!(first, Phase::Loading { .. });
            Some((id, players, wanted && ran))
        })
    };
    core.changed.notify_waiters();
    let Some((area, players, again)) = found else { return };
    tracing::warn!(area = %core.name_of(area), %server, how, players, "a game server has ended");
    if let Err(refusal) = failover(core, area, server).await {
        tracing::error!(%refusal, "a dead server's area could not be taken back");
    }
    handoff::left_behind(core, area).await;
    peers::gone(core, server);
    if again && !core.state().stopping {
        crate::task::spawn(start_again(core.clone(), area));
    }
}

/// An area that crashed comes up again, later each time.
pub async fn start_again(core: Arc<Core>, area: AreaId) {
    let crashes = core.state().areas.get(&area).map_or(0, |entry| entry.crashes.len() as u32);
    let pause = Duration::from_millis(100) * 2u32.saturating_pow(crashes.saturating_sub(1).min(16));
    if crashes > 1 {
        tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
    }
    if let Err(refusal) = ensure_running(&core, area, None).await {
        tracing::error!(area = %core.name_of(area), %refusal, "an area that crashed stays down");
    }
}

/// Starts everything that must always run; called when a spawner has connected.
pub async fn start_wanted(core: Arc<Core>) {
    for world in core.worlds.values() {
        let wanted = wanted_from_the_start(&core.state(), world);
        for (ground, layer) in wanted {
            if let Err(refusal) = know_area(&core, world, &ground, layer).await {
                tracing::error!(world = world.name, %ground, %refusal, "an area could not be prepared");
                continue;
            }
            let name = AreaName { world: world.name.clone(), ground, layer };
            let Some(area) = core.state().names.get(&name).copied() else { continue };
            let core = core.clone();
            crate::task::spawn(async move {
                if let Err(refusal) = ensure_running(&core, area, None).await {
                    tracing::error!(area = %name, %refusal, "an area that should always run does not");
                }
            });
        }
    }
}

impl Core {
    /// For logs.
    pub(super) fn name_of(&self, area: AreaId) -> String {
        self.state().areas.get(&area).map_or_else(|| area.to_string(), |entry| entry.name.to_string())
    }

    pub(super) fn set_phase(&self, area: AreaId, phase: Phase) {
        if let Some(entry) = self.state().areas.get(&area) {
            entry.phase.send_replace(phase);
        }
    }

    /// Asks a server's spawner to stop it; after `grace_ms` by force. It may be the server of a central that has
    /// taken over meanwhile: then this one says nothing.
    pub(super) fn stop_server(&self, server: ServerId, grace_ms: u64) {
        let Some(spawner) = self.state().spawner_of(server).map(|spawner| spawner.sender.clone()) else {
            return;
        };
        let store = self.store.clone();
        crate::task::spawn(async move {
            for _ in 0..LEAD_TRIES {
                match store.leads().await {
                    Ok(()) => {
                        let stop = StopServer { server: server.to_vec(), grace_ms };
                        return drop(spawner.send(Body::StopServer(stop)));
                    }
                    Err(refusal) if refusal.code == Code::Stopping => return,
                    Err(_) => tokio::time::sleep(LEAD_AGAIN).await,
                }
            }
            tracing::error!(%server, "a server that is not needed could not be ended: the database does not answer");
        });
    }
}
