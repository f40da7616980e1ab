//! The links that arrive at central: who may open one, and what each role's messages do.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use pangea_world::id::{AreaId, CharacterId, EnterId, ServerId, SessionId};
use pangea_world::ledger::Holder;
use pangea_world::messages::{
    Admitted, AreaReady, Body, GoOn, GoOnReply, Granted, Heartbeat, Lease, Places, Register, ServerExited,
    ServerInfo, SpawnerHello, Stopped, WebTransport,
};
use pangea_world::ownership::Change;
use pangea_world::role_key::RoleKey;
use pangea_world::{Code, Refusal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::core::Core;
use super::join::{self, Want};
use super::ledger::Operations;
use super::state::{PeerAddress, Phase, Seat, Server, Spawner, Taken, server_key};
use super::wish::{EnterWish, Progress};
use super::{chat, checkpoints, commands, factions, handoff, migration, peers, running, social};
use crate::link::{self, Accepted, Event};
use crate::store;
use crate::store::ownership::{self, Ground};
use crate::task::mine;
use crate::{clock, random};

/// How long the last words of a server that has ended in order may take to be written.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(5);

/// How long a server may believe that it has an area that another one has: one that hands it over is told so.
const DEPOSED: std::time::Duration = std::time::Duration::from_secs(5);

/// The key that a role of this name must have; no other role than these three may open a link.
pub fn key_of(master: &RoleKey, hello: &pangea_world::messages::Hello) -> Option<RoleKey> {
    match hello.role.as_str() {
        "spawner" | "chat" => Some(master.derive(&hello.role, &hello.name)),
        "area" => Some(server_key(master, &hello.spawner, &hello.name)),
        _ => None,
    }
}

/// Takes each link that has proven itself.
pub async fn run(core: Arc<Core>, mut accepted: mpsc::Receiver<Accepted>) {
    while let Some(link) = accepted.recv().await {
        tracing::debug!(role = link.hello.role, name = link.hello.name, "a link stands");
        match link.hello.role.as_str() {
            "spawner" => drop(crate::task::spawn(spawner(core.clone(), link))),
            "chat" => drop(crate::task::spawn(chat::follow(core.clone(), link))),
            _ => drop(crate::task::spawn(area(core.clone(), link))),
        }
    }
}

// ---- spawner -----------------------------------------------------------------------------------------

async fn spawner(core: Arc<Core>, mut link: Accepted) {
    let name = link.hello.name.clone();
    let _ = link.sender.send(Body::TicketKeys(core.ticket_keys_message()));
    while let Some(event) = link.events.recv().await {
        match event {
            Event::Message(Body::SpawnerHello(hello)) => {
                spawner_hello(&core, &name, &link.sender, hello).await
            }
            Event::Message(Body::ServerChanged(info)) => server_changed(&core, &name, info).await,
            Event::Message(Body::ServerExited(exited)) => server_exited(&core, &name, &exited).await,
            Event::Message(Body::Upgraded(answer)) => {
                let waiting = core.state().upgrades.remove(&answer.request);
                if let Some((_, reply)) = waiting {
                    let _ = reply.send(answer);
                }
            }
            Event::Message(Body::Allocated(answer)) => {
                let waiting = {
                    let mut state = core.state();
                    if let (Some(info), Some(spawner)) = (&answer.server, state.spawners.get_mut(&name))
                        && let Ok(id) = ServerId::from_bytes(&info.server)
                    {
                        spawner.servers.insert(id, info.clone());
                    }
                    state.allocations.remove(&answer.request)
                };
                if let Some((_, reply)) = waiting {
                    let _ = reply.send(answer);
                }
            }
            Event::Message(other) => tracing::warn!(?other, "a spawner does not say this"),
            event @ (Event::Up { .. } | Event::Down) => {
                if let Some(spawner) = core.state().spawners.get_mut(&name) {
                    spawner.away = matches!(event, Event::Down);
                }
            }
            Event::Refused(_) => {}
        }
    }
    tracing::warn!(spawner = name, "a spawner is gone; its servers play on");
    let mut state = core.state();
    state.spawners.remove(&name);
    state.allocations.retain(|_, (spawner, _)| *spawner != name);
    state.upgrades.retain(|_, (spawner, _)| *spawner != name);
}

async fn spawner_hello(core: &Arc<Core>, name: &str, sender: &link::Sender, hello: SpawnerHello) {
    tracing::info!(spawner = name, servers = hello.servers.len(), "a spawner is here");
    let id = |info: &ServerInfo| ServerId::from_bytes(&info.server).ok();
    let servers: HashMap<ServerId, ServerInfo> = hello
        .servers
        .iter()
        .filter_map(|info| Some((id(info)?, info.clone())))
        .filter(|(id, _)| has_it(core, name, *id))
        .collect();
    let dead: Vec<ServerId> = {
        let mut state = core.state();
        let lost = |area: &super::state::Area| {
            let server = area.server.as_ref()?;
            (server.spawner == name && !servers.contains_key(&server.id)).then_some(server.id)
        };
        let dead = state.areas.values().filter_map(lost).collect();
        state.spawners.insert(
            name.to_owned(),
            Spawner {
                sender: sender.clone(),
                capacity: hello.capacity,
                templates: hello.templates,
                cordoned: hello.cordoned,
                away: false,
                servers,
            },
        );
        dead
    };
    for server in dead {
        running::server_died(core, server, "not there any more").await;
    }
    let third_party: Vec<ServerInfo> =
        hello.servers.into_iter().filter(|info| info.player_capacity > 0).collect();
    for info in third_party {
        server_changed(core, name, info).await;
    }
    core.changed.notify_waiters();
    crate::task::spawn(running::start_wanted(core.clone()));
}

/// Whether a server of which a spawner tells can be its own: another spawner's is not, whatever this one says.
fn has_it(core: &Core, spawner: &str, server: ServerId) -> bool {
    let state = core.state();
    let lists = |(name, other): (&String, &Spawner)| name != spawner && other.servers.contains_key(&server);
    let serves = |area: &super::state::Area| {
        area.server.as_ref().is_some_and(|one| one.id == server && one.spawner != spawner)
    };
    let anothers = state.spawners.iter().any(lists) || state.areas.values().any(serves);
    if anothers {
        let refusal = Refusal::new(Code::NotOwner, "a spawner tells of a server that another one has");
        tracing::warn!(spawner, %server, %refusal, "not heeded");
    }
    !anothers
}

async fn server_changed(core: &Arc<Core>, spawner: &str, info: ServerInfo) {
    let Ok(id) = ServerId::from_bytes(&info.server) else { return };
    if !has_it(core, spawner, id) {
        return;
    }
    let area = {
        let mut state = core.state();
        let Some(entry) = state.spawners.get_mut(spawner) else { return };
        entry.servers.insert(id, info.clone());
        state.area_of(id).filter(|area| state.areas.get(area).is_some_and(|area| !area.own))
    };
    let area = match area {
        Some(area) => area,
        None if info.player_capacity > 0 && !info.area.is_empty() => {
            match adopt_third_party(core, spawner, &info).await {
                Some(area) => area,
                None => return,
            }
        }
        None => return,
    };
    let listed: Vec<CharacterId> = info.players.iter().filter_map(|player| player.parse().ok()).collect();
    handoff::players_changed(core, area, &listed).await;
}

/// A third-party server that served an area before central was restarted serves it on.
async fn adopt_third_party(core: &Arc<Core>, spawner: &str, info: &ServerInfo) -> Option<AreaId> {
    let (area, server) = (AreaId::from_bytes(&info.area).ok()?, ServerId::from_bytes(&info.server).ok()?);
    let (row, characters) = {
        let mut reader = core.store.reader().await.ok()?;
        let row = store::area::get(&mut reader, area).await.ok()?;
        (row, store::character::owned_by(&mut reader, area).await.ok()?)
    };
    if row.owner != Some(server) {
        return None;
    }
    let world = core.worlds.get(&row.name.world)?.clone();
    running::enter_area(core, area, &world, row.name.clone());
    let mut state = core.state();
    let entry = state.areas.get_mut(&area).filter(|entry| !entry.own && entry.server.is_none())?;
    let at = PeerAddress {
        server: info.server.clone(),
        address: info.address.clone(),
        port: info.port,
        ..Default::default()
    };
    entry.server = Some(Server {
        id: server,
        spawner: spawner.to_owned(),
        incarnation: row.incarnation,
        epoch: row.epoch,
        at,
        path: info.path.clone(),
        sender: None,
        program: None,
        draining: false,
        heard: Instant::now(),
        load: Heartbeat::default(),
    });
    for character in characters {
        let seat = Seat {
            account: character.account,
            session: SessionId::default(),
            epoch: character.epoch,
            run: EnterId::default(),
            taken: Taken::Inside,
            leaving: None,
            next: None,
        };
        entry.seats.insert(character.id, seat);
    }
    entry.phase.send_replace(Phase::Ready);
    Some(area)
}

async fn server_exited(core: &Arc<Core>, spawner: &str, exited: &ServerExited) {
    let Ok(id) = ServerId::from_bytes(&exited.server) else { return };
    if !has_it(core, spawner, id) {
        return;
    }
    if let Some(entry) = core.state().spawners.get_mut(spawner) {
        entry.servers.remove(&id);
    }
    if exited.how != "exit 0" || core.state().area_of(id).is_none() {
        return running::server_died(core, id, &exited.how).await;
    }
    // It ended in order: its last words are on their way on its own link, or are being written.
    let (core, how) = (core.clone(), exited.how.clone());
    crate::task::spawn(async move {
        let stopped = async {
            loop {
                let changed = core.changed.notified();
                if core.state().area_of(id).is_none() {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(LAST_WORDS, stopped).await.is_err() {
            running::server_died(&core, id, &how).await;
        }
    });
}

// ---- area --------------------------------------------------------------------------------------------

async fn area(core: Arc<Core>, mut link: Accepted) {
    let Ok(server) = link.hello.name.parse::<ServerId>() else { return };
    let mut area: Option<AreaId> = None;
    // Leaves are written beside the rest: nobody's admission waits for somebody else's disk.
    let (mut leaves, mut saves, mut commits) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
    let mut operations = Operations::default();
    // Since when another server has its area, and it goes on all the same.
    let mut deposed: Option<Instant> = None;
    while let Some(event) = link.events.recv().await {
        while leaves.try_join_next().is_some() || commits.try_join_next().is_some() {}
        let Event::Message(body) = event else { continue };
        if let Body::Register(register) = body {
            match register_area(&core, &link, server, &register).await {
                Ok(id) => area = Some(id),
                Err(refusal) => {
                    tracing::warn!(%server, %refusal, "a game server was refused");
                    let _ = link.sender.send(Body::Refused(link::from_refusal(&refusal)));
                }
            }
            continue;
        }
        // What was said under an earlier life of central comes before the registration; the store judges it.
        let area = match area.or_else(|| core.state().area_of(server)) {
            Some(area) => area,
            None => match unregistered(&core, server).await {
                Some(area) => area,
                None => continue,
            },
        };
        if migration::heard(&core, area, server, &body) {
            continue;
        }
        match body {
            Body::Heartbeat(heartbeat) => {
                if on_heartbeat(&core, &link.sender, area, server, heartbeat) {
                    deposed = None;
                } else if deposed.get_or_insert_with(Instant::now).elapsed() > DEPOSED {
                    let refusal =
                        Refusal::new(Code::StaleEpoch, "this server does not have its area any more");
                    tracing::warn!(%server, %refusal, "a game server is told to end");
                    let _ = link.sender.send(Body::Refused(link::from_refusal(&refusal)));
                    deposed = None;
                }
            }
            Body::LedgerOps(ops) => operations.submit(&core.ledger, &link.sender, server, ops),
            // What was done before a change of owner counts; after it the writer is stale.
            Body::Left(message) => {
                let (core, before) = (core.clone(), operations.answered());
                let leaving = handoff::Leaving::begin(&core, &message);
                leaves.spawn(mine(async move {
                    before.await;
                    handoff::left(&core, area, &message).await;
                    drop(leaving);
                }));
            }
            Body::Commit(message) => {
                let (core, before) = (core.clone(), operations.answered());
                commits.spawn(mine(async move {
                    before.await;
                    handoff::commit(&core, area, &message).await;
                }));
            }
            Body::SaveArea(save) => {
                // In their order; its server waits for the answer before it makes another, but for the last one.
                while saves.join_next().await.is_some() {}
                let saving = checkpoints::save(core.clone(), link.sender.clone(), area, server, save);
                saves.spawn(mine(saving));
            }
            Body::MoveArea(message) => {
                // A checkpoint that is being written names the epoch before: it may take its time.
                while leaves.join_next().await.is_some() {}
                while commits.join_next().await.is_some() {}
                operations.answered().await;
                migration::move_area(&core, area, (server, &link.sender), message).await;
            }
            Body::Stopped(stopped) => {
                while leaves.join_next().await.is_some() {}
                while saves.join_next().await.is_some() {}
                while commits.join_next().await.is_some() {}
                operations.answered().await;
                on_stopped(&core, area, server, &stopped).await;
            }
            body => area_message(&core, &link.sender, server, area, body).await,
        }
    }
    leaves.detach_all();
    commits.detach_all();
    saves.detach_all();
}

async fn unregistered(core: &Core, server: ServerId) -> Option<AreaId> {
    let mut reader = core.store.reader().await.ok()?;
    let owned = store::area::all_owned(&mut reader).await.ok()?;
    owned.into_iter().find(|row| row.owner == Some(server)).map(|row| row.id)
}

async fn area_message(core: &Arc<Core>, sender: &link::Sender, server: ServerId, area: AreaId, body: Body) {
    match body {
        Body::AreaReady(ready) => on_ready(core, area, server, &ready),
        Body::Admitted(admitted) => on_admitted(core, &admitted),
        Body::Arrived(message) => handoff::arrived(core, area, &message),
        Body::NoShow(at) => handoff::no_show(core, area, &at).await,
        Body::Standing(said) => migration::stands(core, area, &said),
        Body::Places(places) => on_places(core, area, places),
        Body::Damaged(at) => handoff::damaged(core, area, &at).await,
        Body::CallOff(at) => handoff::call_off(core, area, &at),
        Body::SeesNoMore(at) => handoff::sees_no_more(core, area, &at),
        Body::GoOn(wish) => drop(crate::task::spawn(go_on(core.clone(), sender.clone(), area, wish))),
        Body::Command(command) => drop(crate::task::spawn(commands::run(core.clone(), area, command))),
        Body::WebTransport(announced) => on_webtransport(core, area, server, announced),
        other => tracing::warn!(?other, "an area server does not say this"),
    }
}

/// Its certificates are others now.
fn on_webtransport(core: &Core, area: AreaId, server: ServerId, announced: WebTransport) {
    let mut state = core.state();
    let entry = state.areas.get_mut(&area).and_then(|area| area.server.as_mut());
    if let Some(entry) = entry.filter(|entry| entry.id == server)
        && is_webtransport(&announced)
    {
        entry.at.webtransport = Some(announced);
    }
}

fn is_webtransport(announced: &WebTransport) -> bool {
    let hashes = &announced.hashes;
    (1..=65_535).contains(&announced.port) && hashes.len() <= 4 && hashes.iter().all(|hash| hash.len() == 32)
}

/// K7: where it can be reached; M6: what it loads; K8: who else is there.
async fn register_area(
    core: &Arc<Core>,
    link: &Accepted,
    server: ServerId,
    register: &Register,
) -> Result<AreaId, Refusal> {
    let area = AreaId::from_bytes(&register.area)
        .map_err(|_| Refusal::new(Code::BadRequest, "a registration names its area"))?;
    if register.port == 0 || register.port > 65_535 || register.address.is_empty() {
        return Refusal::err(Code::BadRequest, "a registration needs an address and a port");
    }
    let at = PeerAddress {
        server: server.to_vec(),
        address: register.address.clone(),
        port: register.port,
        tls: register.tls,
        certificate: register.certificate.clone(),
        webtransport: register.webtransport.clone().filter(is_webtransport),
    };
    if migration::is_to(core, area, server) {
        migration::register(core, link, server, (area, register), at).await?;
        return Ok(area);
    }
    let row = {
        let mut reader = core.store.reader().await?;
        store::area::get(&mut reader, area).await?
    };
    let world = core.world(&row.name.world)?.clone();
    let spawner = link.hello.spawner.clone();
    if !core.state().areas.contains_key(&area) {
        running::enter_area(core, area, &world, row.name.clone());
    }
    let stale = || Refusal::new(Code::StaleEpoch, "another server has this area");
    let resumed = register.incarnation > 0;
    let (epoch, incarnation, named) = if resumed {
        let owns = row.owner == Some(server)
            && row.epoch == register.epoch
            && row.incarnation == register.incarnation;
        if !owns {
            return Err(stale());
        }
        (row.epoch, row.incarnation, None)
    } else {
        // Only the server that central allocated for the area, in this or an earlier life.
        let ours = {
            let state = core.state();
            let listed = state.spawners.get(&spawner).and_then(|spawner| spawner.servers.get(&server));
            let wanted =
                state.areas.get(&area).and_then(|entry| entry.server.as_ref()).map(|server| server.id);
            listed.is_none_or(|info| info.area.is_empty() || info.area == register.area)
                && wanted.is_none_or(|id| id == server)
        };
        if !ours {
            return Err(stale());
        }
        match row.owner {
            Some(owner) if owner == server => return Err(stale()),
            Some(_) if running::settle_owner(core, area, std::time::Duration::from_millis(1)).await? => {
                return Err(stale());
            }
            _ => {}
        }
        running::grant(core, area, server, &spawner).await?
    };
    let state = match named {
        Some(name) => checkpoints::load(core, area, &name).await?,
        None => None,
    };
    let (lies, spent) = if resumed { Default::default() } else { goods_of(core, area).await? };
    let restoring = state.is_some();
    let always_on = {
        let mut all = core.state();
        let entry = all.areas.get_mut(&area).ok_or_else(stale)?;
        entry.factions.clear();
        entry.founded.clear();
        entry.server = Some(Server {
            id: server,
            spawner,
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
        entry.phase.send_replace(if register.ready { Phase::Ready } else { Phase::Loading { restoring } });
        for here in &register.characters {
            let (Ok(character), Ok(account)) = (
                CharacterId::from_bytes(&here.character),
                pangea_world::id::AccountId::from_bytes(&here.account),
            ) else {
                continue;
            };
            let seat = Seat {
                account,
                session: SessionId::default(),
                epoch: here.epoch,
                run: EnterId::default(),
                taken: Taken::Inside,
                leaving: None,
                next: None,
            };
            match entry.seats.entry(character) {
                Entry::Vacant(free) => drop(free.insert(seat)),
                // A join that was quicker than this holds the place of one who is inside.
                Entry::Occupied(mut held) if held.get().taken != Taken::Inside => {
                    let (session, next) = (held.get().session, Some(held.get().run));
                    held.insert(Seat { session, next, ..seat });
                }
                Entry::Occupied(_) => {}
            }
        }
        entry.always_on
    };
    core.changed.notify_waiters();
    let beyond = {
        let state = core.state();
        peers::beyond(&world, state.cuts.get(&world.name).map_or(&[], Vec::as_slice), &row.name.ground)
    };
    let inside = register.characters.iter().filter_map(|here| CharacterId::from_bytes(&here.character).ok());
    let inside: Vec<CharacterId> = inside.collect();
    tracing::info!(area = %row.name, %server, epoch, incarnation, resumed, "a game server has registered");
    link.sender.send(Body::Granted(Granted {
        area: area.to_vec(),
        incarnation,
        epoch,
        world: world.name.clone(),
        world_toml: core.world_texts.get(&world.name).cloned().unwrap_or_default(),
        beyond,
        ground: row.name.ground.to_string(),
        layer: u32::from(row.name.layer),
        state: state.unwrap_or_default(),
        lease_ms: core.config.central.owner_lease_s * 1_000,
        keys: core.ticket_keys_message().keys,
        resumed,
        always_on,
        prompt: core.config.central.prompt,
        lies,
        spent,
        waits: false,
    }))?;
    let ground = (world.name.clone(), row.name.ground.to_string());
    if let Err(refusal) = factions::registered(core, area, &ground, &register.factions, &link.sender).await {
        tracing::error!(area = %row.name, %refusal, "an area was not told of factions and of its ground");
    }
    social::tell_all(core, inside);
    if register.ready {
        let known =
            |here: &pangea_world::messages::CharacterHere| CharacterId::from_bytes(&here.character).ok();
        let known = register.characters.iter().filter_map(known).collect();
        crate::task::spawn(handoff::grant_again(core.clone(), area, server, known));
        peers::arrived(core, area);
    } else {
        peers::tell_all(core, area);
    }
    Ok(area)
}

/// What lies on the ground of an area, and which of its sources are spent, as [`Granted`] carries them.
pub(super) async fn goods_of(core: &Core, area: AreaId) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
    let mut reader = core.store.reader().await?;
    let lies = store::ledger::sheet(&mut reader, Holder::Ground(area)).await?;
    let spent = store::ledger::spent(&mut reader, area).await?;
    Ok((serde_json::to_vec(&lies).unwrap_or_default(), spent))
}

fn on_ready(core: &Core, area: AreaId, server: ServerId, ready: &AreaReady) {
    {
        let state = core.state();
        let Some(entry) =
            state.areas.get(&area).filter(|e| e.server.as_ref().is_some_and(|s| s.id == server))
        else {
            return;
        };
        entry.phase.send_replace(Phase::Ready);
        tracing::info!(area = %entry.name, restored = ready.restored, took_ms = ready.took_ms, "an area is ready");
    }
    core.changed.notify_waiters();
    peers::arrived(core, area);
}

/// `false`: this server does not have the area, and its lease is not renewed.
fn on_heartbeat(
    core: &Core,
    sender: &link::Sender,
    area: AreaId,
    id: ServerId,
    heartbeat: Heartbeat,
) -> bool {
    let sent_ms = heartbeat.sent_ms;
    let known = {
        let mut state = core.state();
        let server = state.areas.get_mut(&area).and_then(|entry| entry.server.as_mut()).filter(|server| {
            #[cfg(feature = "simulation")]
            let id = if crate::simulation::without(crate::simulation::Check::Owner) { server.id } else { id };
            server.id == id
        });
        server.map(|server| (server.heard, server.load) = (Instant::now(), heartbeat)).is_some()
    };
    if known {
        let _ =
            sender.send(Body::Lease(Lease { sent_ms, lease_ms: core.config.central.owner_lease_s * 1_000 }));
    }
    known
}

fn on_admitted(core: &Core, admitted: &Admitted) {
    let Ok(run) = EnterId::from_bytes(&admitted.enter) else { return };
    let waiting = core.state().admits.remove(&run);
    if let Some((_, reply)) = waiting {
        let _ = reply.send(admitted.refused.clone().map_or(Ok(()), Err));
    }
}

/// Places and records are written beside everything else: nobody waits for them.
fn on_places(core: &Arc<Core>, area: AreaId, places: Places) {
    let ground = handoff::place_map(core, area).map_or(Ground::Nowhere, Ground::On);
    let standing = |left: pangea_world::messages::Left| {
        let character = CharacterId::from_bytes(&left.character).ok()?;
        let record = handoff::record_of(character, left.record);
        Some(ownership::Standing { character, epoch: left.epoch, x: left.x, y: left.y, record })
    };
    let places: Vec<ownership::Standing> = places.places.into_iter().filter_map(standing).collect();
    let core = core.clone();
    crate::task::spawn(async move {
        let written = core.store.write(move |tx| {
            let (ground, places) = (ground.clone(), places.clone());
            Box::pin(async move { ownership::save_places(tx, area, &ground, &places).await })
        });
        if let Err(refusal) = written.await {
            tracing::warn!(%refusal, "a batch of places was not written; the next one will be");
        }
    });
}

/// The area goes back to the store; the process may end.
async fn on_stopped(core: &Arc<Core>, area: AreaId, server: ServerId, stopped: &Stopped) {
    let change = pangea_world::id::TransferId(random::bytes());
    let epoch = stopped.epoch;
    let done = core.store.write(move |tx| {
        Box::pin(async move {
            let change_to = Change::Release { from: server, epoch };
            ownership::change_owner(tx, area.0, change, &change_to).await
        })
    });
    if let Err(refusal) = done.await {
        tracing::warn!(%server, %refusal, "a server's stop was not written");
    }
    {
        let mut state = core.state();
        let Some(entry) =
            state.areas.get_mut(&area).filter(|e| e.server.as_ref().is_some_and(|s| s.id == server))
        else {
            return;
        };
        tracing::info!(area = %entry.name, why = stopped.why, "an area has stopped");
        entry.server = None;
        entry.factions.clear();
        entry.founded.clear();
        entry.seats.retain(|_, seat| seat.taken != Taken::Inside);
        entry.phase.send_replace(Phase::Down);
        let ground = (entry.name.world.clone(), entry.name.ground.clone());
        state.line_moved(&ground);
        let refused: Vec<EnterId> =
            state.admits.iter().filter(|(_, (id, _))| *id == area).map(|(run, _)| *run).collect();
        refused.iter().for_each(|run| drop(state.admits.remove(run)));
    }
    core.changed.notify_waiters();
    peers::gone(core, server);
}

/// A wish from inside the game takes the same line as one from outside (G1, G2, K16).
async fn go_on(core: Arc<Core>, sender: link::Sender, area: AreaId, wish: GoOn) {
    let run = EnterId(random::bytes());
    let reply = |progress: &Progress| {
        let mut reply = GoOnReply {
            request: wish.request,
            state: progress.state().to_owned(),
            character: wish.character.clone(),
            ..Default::default()
        };
        match progress {
            Progress::Queued { position } => reply.position = *position,
            Progress::Ready(prepared) => {
                (reply.url, reply.ticket, reply.plain) =
                    (prepared.url.clone(), prepared.ticket.clone(), prepared.plain);
                (reply.transfer, reply.area) = (run.to_vec(), prepared.area.clone());
                if let Some(offer) = &prepared.webtransport {
                    reply.webtransport_url = offer.url.clone();
                    reply.webtransport_hashes = offer.hash_bytes();
                }
            }
            Progress::Refused(refusal) => reply.refused = Some(link::from_refusal(refusal)),
            _ => {}
        }
        let _ = sender.send(Body::GoOnReply(reply));
    };
    let want = match go_on_want(&core, area, &wish, run) {
        Ok(want) => want,
        Err(refusal) => return reply(&Progress::Refused(refusal)),
    };
    let (progress, mut watching) = watch::channel(Progress::Queued { position: 0 });
    let joining = join::join(&core, &want, &progress);
    tokio::pin!(joining);
    let deadline = tokio::time::sleep(std::time::Duration::from_secs(core.config.central.enter_wait_s));
    tokio::pin!(deadline);
    let result = loop {
        tokio::select! {
            biased;
            result = &mut joining => break result,
            Ok(()) = watching.changed() => reply(&watching.borrow_and_update().clone()),
            () = &mut deadline => break Refusal::err(Code::EnterExpired, "there was no room in time; ask again"),
        }
    };
    match result {
        Ok(prepared) => reply(&Progress::Ready(prepared)),
        Err(refusal) => {
            {
                let mut state = core.state();
                state.transfers.remove(&want.run);
                state.forget_run(want.run, want.character);
            }
            reply(&Progress::Refused(refusal));
        }
    }
}

fn go_on_want(core: &Core, area: AreaId, wish: &GoOn, run: EnterId) -> Result<Want, Refusal> {
    let character = CharacterId::from_bytes(&wish.character)
        .map_err(|_| Refusal::new(Code::BadRequest, "no character"))?;
    let state = core.state();
    let entry =
        state.areas.get(&area).ok_or_else(|| Refusal::new(Code::AreaUnavailable, "the area is gone"))?;
    let seat = entry.seats.get(&character).filter(|seat| seat.epoch == wish.epoch);
    let seat = seat.ok_or_else(|| Refusal::new(Code::StaleEpoch, "this area does not have the character"))?;
    let world = if wish.world.is_empty() { entry.name.world.clone() } else { wish.world.clone() };
    let at = wish.at.then(|| handoff::portal_place(&world, &wish.map, wish.x, wish.y));
    let wished = EnterWish {
        character: Some(character),
        world: Some(world),
        map: (!wish.map.is_empty()).then(|| wish.map.clone()),
        layer: wish.layer_plus_one.checked_sub(1).map(|layer| layer as u16),
        rule: (!wish.rule.is_empty()).then(|| wish.rule.clone()),
        friend: (!wish.friend.is_empty()).then(|| wish.friend.clone()),
        ..EnterWish::default()
    };
    Ok(Want {
        enter: None,
        run,
        account: seat.account,
        session: seat.session,
        character,
        wish: wished,
        from: Some((area, wish.epoch)),
        border: wish.border,
        at,
        created: clock::unix_ms() as i64,
    })
}
