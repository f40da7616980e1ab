//! What area servers say, beside their registration.

use std::sync::Arc;
use std::time::Duration;

use pangea_world::id::{AreaId, CharacterId, EnterId, ServerId, TransferId};
use pangea_world::messages::{
    Admitted, AreaReady, Body, Heartbeat, Lease, Left, Places, Stopped, WebTransport,
};
use pangea_world::ownership::Change;
use pangea_world::{Code, Refusal};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::core::Core;
use super::super::ledger::Operations;
use super::super::orders::Heard;
use super::super::state::{Phase, Taken};
use super::super::{checkpoints, commands, handoff, migration, orders, peers};
use super::going_on::go_on;
use super::register::{is_webtransport, register_area};
use crate::link::{self, Accepted, Event};
use crate::random;
use crate::store;
use crate::store::ownership::{self, Ground};
use crate::task::mine;

/// How long a server may believe that it has an area that another one has: one that hands it over is told so.
const DEPOSED: Duration = Duration::from_secs(5);

/// Whether this says nothing of who asked, only that the store could not answer.
fn is_unknown(refusal: &Refusal) -> bool {
    matches!(refusal.code, Code::Stopping | Code::StorageBusy | Code::Internal)
}

/// Listens until the link is no more.
pub(super) async fn follow(core: Arc<Core>, mut link: Accepted) {
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
                // Nobody knows whether it is one of ours: it asks again on another link.
                Err(refusal) if is_unknown(&refusal) => {
                    tracing::warn!(%server, %refusal, "a game server could not be registered");
                    break;
                }
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
            // A lease that a superseded central renewed would hold beyond what the new one waits for.
            Body::Heartbeat(_) if core.store.leads().await.is_err() => {}
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
        Body::Arrived(message) => handoff::arrived(core, area, server, &message),
        Body::NoShow(at) => handoff::no_show(core, area, Some(server), &at).await,
        Body::Standing(said) => migration::stands(core, area, &said),
        Body::AreaCopied(copied) => migration::on_copied(core, area, copied),
        Body::Settled(settled) => migration::settled(core, area, &settled),
        Body::AreaMoved(moved) => migration::stays(core, area, &moved),
        Body::Places(places) => on_places(core, area, places),
        Body::Damaged(at) => handoff::damaged(core, area, &at).await,
        Body::CallOff(at) => handoff::call_off(core, area, &at),
        Body::SeesNoMore(at) => handoff::sees_no_more(core, area, &at),
        Body::GoOn(wish) => drop(crate::task::spawn(go_on(core.clone(), sender.clone(), area, wish))),
        Body::SentOn(sent) => {
            let what = sent.refused.as_ref().map_or(Heard::Stands, |no| Heard::Refused(link::to_refusal(no)));
            orders::heard(core, sent.order, what);
        }
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

/// `false`: this server does not have the area and is not to take it over, and its lease is not renewed.
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
        let entry = state.areas.get_mut(&area);
        let next = entry.as_ref().and_then(|entry| entry.moves.as_ref()?.next_server());
        let waits = next.is_some_and(|next| next.id == id);
        let server = entry.and_then(|entry| entry.server.as_mut()).filter(|server| {
            // By its name alone it may be one that was deposed and is about to end, and that its spawner gave out again.
            let ours = server.id == id && server.sender.as_ref().is_some_and(|own| own.same(sender));
            #[cfg(feature = "simulation")]
            let ours = ours || crate::simulation::without(crate::simulation::Check::Owner);
            ours
        });
        server.map(|server| (server.heard, server.load) = (Instant::now(), heartbeat)).is_some() || waits
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
    let standing = |left: Left| {
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
    let change = TransferId(random::bytes());
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
        migration::cut_off(&mut state, area);
        state.line_moved(&ground);
        let refused: Vec<EnterId> =
            state.admits.iter().filter(|(_, (id, _))| *id == area).map(|(run, _)| *run).collect();
        refused.iter().for_each(|run| drop(state.admits.remove(run)));
    }
    core.changed.notify_waiters();
    peers::gone(core, server);
}
