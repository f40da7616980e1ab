//! What central looks at once a second: silent servers, leases that have run out, seats that nobody came for, enters that nobody
//! waits for any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pangea_world::id::{AreaId, CharacterId, EnterId, ServerId};
use pangea_world::{Code, Refusal};
use tokio::time::Instant;

use super::core::{CREDENTIAL_LIFE_S, Core};
use super::state::{State, Taken};
use super::{factions, handoff, peers, running};

const EVERY: Duration = Duration::from_secs(1);

/// How long an enter that nobody waits for keeps its place in line.
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// How long an ended enter is remembered; with the most that are remembered, 1,600 can enter each second.
const REMEMBERED: Duration = Duration::from_secs(30);

/// How long enters are kept in the store: the life of an idempotency key.
const KEYS_KEPT_MS: i64 = 24 * 3_600 * 1_000;

/// How often neighbours are given new credentials: four times in the life of one.
const CREDENTIALS_EVERY: Duration = Duration::from_secs(CREDENTIAL_LIFE_S / 4);

/// Runs until it is dropped.
pub async fn run(core: Arc<Core>) {
    let mut renew_at = Instant::now() + CREDENTIALS_EVERY;
    let mut last = Instant::now();
    let mut prune_at = Instant::now();
    let mut asked = HashMap::new();
    loop {
        tokio::time::sleep(EVERY).await;
        // So a central that nobody asks for anything notices too that it was superseded, and ends.
        if core.store.leads().await.is_err() {
            continue;
        }
        // Whoever was asleep himself cannot tell who was silent.
        let late = last.elapsed() > EVERY * 2;
        last = Instant::now();
        if late {
            hear_all(&core);
        } else {
            end_silent(&core, &mut asked).await;
        }
        free_seats(&core).await;
        handoff::expire_transfers(&core);
        factions::expire(&core).await;
        enters(&core);
        if Instant::now() >= renew_at {
            renew_at = Instant::now() + CREDENTIALS_EVERY;
            peers::renew(&core);
        }
        if Instant::now() >= prune_at {
            prune_at = Instant::now() + Duration::from_secs(3_600);
            let before = crate::clock::unix_ms() as i64 - KEYS_KEPT_MS;
            let done = core.store.write(move |tx| {
                Box::pin(async move {
                    crate::store::enter::prune(tx, before).await?;
                    crate::store::social::deed::prune(tx, before).await
                })
            });
            if let Err(refusal) = done.await {
                tracing::warn!(%refusal, "old enters and keys were not pruned");
            }
        }
    }
}

fn hear_all(core: &Core) {
    let mut state = core.state();
    state
        .areas
        .values_mut()
        .filter_map(|area| area.server.as_mut())
        .for_each(|server| server.heard = Instant::now());
}

/// A silent server is killed by its spawner, once per silence, and taken for dead when that has seen it end. If
/// nobody sees it, as when its machine is lost, its lease runs out: by its own clock earlier than by this one.
async fn end_silent(core: &Arc<Core>, asked: &mut HashMap<ServerId, Instant>) {
    let silence = Duration::from_secs(core.config.central.silence_s);
    let (mut silent, mut over) = (Vec::new(), Vec::new());
    for server in core.state().areas.values().filter_map(|area| area.server.as_ref()) {
        match server.heard.elapsed() {
            // Third-party servers have no lease.
            _ if server.sender.is_none() => {}
            since if since > running::lease_with_margin(core) => over.push(server.id),
            since if since > silence => silent.push(server.id),
            _ => {}
        }
    }
    asked.retain(|server, _| silent.contains(server));
    for server in silent {
        if asked.get(&server).is_none_or(|at| at.elapsed() > silence) {
            tracing::warn!(%server, "a game server is silent; its spawner shall kill it");
            core.stop_server(server, 0);
            asked.insert(server, Instant::now());
        }
    }
    for server in over {
        running::server_died(core, server, "its lease has run out").await;
    }
}

/// Seats that were held for too long: the server's word was lost, or it is a third-party one. Such a server
/// lists whom it has, and says nothing when a listed player comes in anew: then he is there.
async fn free_seats(core: &Arc<Core>) {
    let mut over: Vec<(AreaId, CharacterId, EnterId, u64, bool)> = Vec::new();
    {
        let mut state = core.state();
        let State { areas, spawners, .. } = &mut *state;
        for (id, area) in areas {
            let listed = |character: &CharacterId| {
                let server = area.server.as_ref().filter(|_| !area.own);
                let info = server.and_then(|server| spawners.get(&server.spawner)?.servers.get(&server.id));
                info.is_some_and(|info| info.players.iter().any(|player| player.parse() == Ok(*character)))
            };
            for (character, seat) in &mut area.seats {
                if !matches!(seat.taken, Taken::Held(until) if until < Instant::now()) {
                    continue;
                }
                if listed(character) {
                    seat.taken = Taken::Inside;
                } else {
                    over.push((*id, *character, seat.run, seat.epoch, area.own));
                }
            }
        }
    }
    for (area, character, run, epoch, own) in over {
        if own {
            core.state().forget_run(run, character);
        } else {
            let at = pangea_world::messages::CharacterAt {
                character: character.to_vec(),
                epoch,
                transfer: run.to_vec(),
            };
            handoff::no_show(core, area, None, &at).await;
        }
    }
}

fn enters(core: &Core) {
    let mut state = core.state();
    for enter in state.enters.values_mut() {
        if enter.progress.receiver_count() > 1 {
            enter.watched = Instant::now();
        }
    }
    let alone = state.enters.iter().filter(|(_, e)| e.ended.is_none() && e.watched.elapsed() > LEFT_ALONE);
    let alone: Vec<EnterId> = alone.map(|(id, _)| *id).collect();
    for enter in alone {
        let text = "nobody waited for this enter any more; its seat is free";
        state.give_up(enter, Refusal::new(Code::EnterExpired, text));
    }
    let State { enters, newest, .. } = &mut *state;
    enters.retain(|_, enter| enter.ended.is_none_or(|ended| ended.elapsed() < REMEMBERED));
    newest.retain(|_, enter| enters.contains_key(enter));
}
