//! What spawners say: which servers they have, which of them began and ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pangea_world::id::{AreaId, CharacterId, EnterId, ServerId, SessionId};
use pangea_world::messages::{Body, ServerExited, ServerInfo, SpawnerHello};
use pangea_world::{Code, Refusal};

use super::super::core::Core;
use super::super::state::{Area, PeerAddress, Phase, Seat, Server, Spawner, State, Taken};
use super::super::{handoff, running};
use crate::link::{self, Accepted, Event};
use crate::store;

/// How long the last words of a server that has ended in order may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Listens until the link is no more.
pub(super) async fn follow(core: Arc<Core>, mut link: Accepted) {
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
                let mut state = core.state();
                let ours = |spawner: &&mut Spawner| spawner.sender.same(&link.sender);
                if let Some(spawner) = state.spawners.get_mut(&name).filter(ours) {
                    spawner.away = matches!(event, Event::Down);
                }
            }
            Event::Refused(_) => {}
        }
    }
    let mut state = core.state();
    // A newer link of the same name may have said its hello while this one's last words were heard.
    if state.spawners.get(&name).is_some_and(|spawner| !spawner.sender.same(&link.sender)) {
        return;
    }
    tracing::warn!(spawner = name, "a spawner is gone; its servers play on");
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
        let lost = |area: &Area| {
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
    let serves =
        |area: &Area| area.server.as_ref().is_some_and(|one| one.id == server && one.spawner != spawner);
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
        incarnation: row.incarnation,
        epoch: row.epoch,
        ..Server::named(server, spawner, at, &info.path)
    });
    for character in characters {
        let seat = Seat::new(
            character.account,
            SessionId::default(),
            (EnterId::default(), character.epoch),
            Taken::Inside,
        );
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
    // A spawner of an earlier version says only how.
    let in_order = exited.in_order || exited.how == "exit 0";
    let (has_area, stopping) = {
        let state = core.state();
        (state.area_of(id).is_some(), state.stopping)
    };
    if !in_order || !has_area && !stopping {
        return running::server_died(core, id, &exited.how).await;
    }
    // Its last words are on their way on its own link, or are being written; as all stops, that is waited for elsewhere.
    if stopping {
        return core.changed.notify_waiters();
    }
    let (core, how) = (core.clone(), exited.how.clone());
    crate::task::spawn(async move {
        let until = |said: fn(&State, ServerId) -> bool| {
            let core = core.clone();
            async move {
                loop {
                    let changed = core.changed.notified();
                    tokio::pin!(changed);
                    changed.as_mut().enable();
                    if said(&core.state(), id) {
                        return;
                    }
                    changed.await;
                }
            }
        };
        let stopped = || until(|state, id| state.area_of(id).is_none());
        if tokio::time::timeout(LAST_WORDS, stopped()).await.is_ok() {
            return;
        }
        // What it said last takes its time: a disk that is full, a bucket that is away. That has an end of its own.
        until(|state, id| !state.last_saves.contains(&id)).await;
        if tokio::time::timeout(LAST_WORDS, stopped()).await.is_err() {
            running::server_died(&core, id, &how).await;
        }
    });
}
