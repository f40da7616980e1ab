//! A game server says that it is an area's: whether it is, and what it is told then.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use pangea_world::id::{AccountId, AreaId, CharacterId, EnterId, ServerId, SessionId};
use pangea_world::ledger::Holder;
use pangea_world::messages::{Body, CharacterHere, Granted, Register, WebTransport};
use pangea_world::space::AreaName;
use pangea_world::{Code, Refusal};

use super::super::core::Core;
use super::super::state::{PeerAddress, Phase, Seat, Server, Taken};
use super::super::{checkpoints, factions, handoff, migration, peers, running, social};
use crate::link::Accepted;
use crate::store;

/// K7: where it can be reached; M6: what it loads; K8: who else is there.
pub(super) async fn register_area(
    core: &Arc<Core>,
    link: &Accepted,
    server: ServerId,
    register: &Register,
) -> Result<AreaId, Refusal> {
    let area = AreaId::from_bytes(&register.area)
        .map_err(|_| Refusal::new(Code::BadRequest, "a registration names its area"))?;
    // What a superseded central remembers must neither renew a lease nor refuse the new one's servers.
    core.store.leads().await?;
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
    if migration::is_to(core, area, server, register.incarnation == 0).await {
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
    if !resumed && registered_by(core, area, link) {
        // Said to central's life before as well, and again to this one: its answer is on its way.
        return Ok(area);
    }
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
            Some(_) if running::settle_owner(core, area, Duration::from_millis(1)).await? => {
                return Err(stale());
            }
            _ => {}
        }
        running::grant(core, area, server, &spawner, None).await?
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
        if entry.condemned == Some(server) {
            return Err(stale());
        }
        entry.factions.clear();
        entry.founded.clear();
        let here = Server::of_link(link, server, (epoch, incarnation), at);
        entry.server = Some(Server { copies: register.copies, ..here });
        entry.phase.send_replace(if register.ready { Phase::Ready } else { Phase::Loading { restoring } });
        take_seats(&mut entry.seats, register);
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
        beyond,
        state: state.unwrap_or_default(),
        resumed,
        always_on,
        lies,
        spent,
        ..granted(core, area, (epoch, incarnation), &row.name)
    }))?;
    let ground = (world.name.clone(), row.name.ground.to_string());
    if let Err(refusal) = factions::registered(core, area, &ground, &register.factions, &link.sender).await {
        tracing::error!(area = %row.name, %refusal, "an area was not told of factions and of its ground");
    }
    social::tell_all(core, inside);
    if register.ready {
        let known = |here: &CharacterHere| CharacterId::from_bytes(&here.character).ok();
        let known = register.characters.iter().filter_map(known).collect();
        crate::task::spawn(handoff::grant_again(core.clone(), area, server, known));
        peers::arrived(core, area);
    } else {
        peers::tell_all(core, area);
    }
    Ok(area)
}

/// Whether an area's server has registered over this very link.
fn registered_by(core: &Core, area: AreaId, link: &Accepted) -> bool {
    let state = core.state();
    let sender = state
        .areas
        .get(&area)
        .and_then(|entry| entry.server.as_ref())
        .and_then(|server| server.sender.as_ref());
    sender.is_some_and(|sender| sender.same(&link.sender))
}

/// What every server is told of the area that it has, or is about to take over.
pub(in crate::central) fn granted(
    core: &Core,
    area: AreaId,
    (epoch, incarnation): (u64, u64),
    name: &AreaName,
) -> Granted {
    Granted {
        area: area.to_vec(),
        incarnation,
        epoch,
        world: name.world.clone(),
        world_toml: core.world_texts.get(&name.world).cloned().unwrap_or_default(),
        ground: name.ground.to_string(),
        layer: u32::from(name.layer),
        lease_ms: core.config.central.owner_lease_s * 1_000,
        keys: core.ticket_keys_message().keys,
        prompt: core.config.central.prompt,
        ..Granted::default()
    }
}

/// Those who are inside have their seats, as their server says.
fn take_seats(seats: &mut HashMap<CharacterId, Seat>, register: &Register) {
    for here in &register.characters {
        let (Ok(character), Ok(account)) =
            (CharacterId::from_bytes(&here.character), AccountId::from_bytes(&here.account))
        else {
            continue;
        };
        let owned = (EnterId::default(), here.epoch);
        let seat = Seat::new(account, SessionId::default(), owned, Taken::Inside);
        match seats.entry(character) {
            Entry::Vacant(free) => drop(free.insert(seat)),
            // A join that was quicker than this holds the place of one who is inside.
            Entry::Occupied(mut held) if held.get().taken != Taken::Inside => {
                let (session, next) = (held.get().session, Some(held.get().run));
                held.insert(Seat { session, next, ..seat });
            }
            Entry::Occupied(_) => {}
        }
    }
}

/// What lies on the ground of an area, and which of its sources are spent, as [`Granted`] carries them.
pub(in crate::central) async fn goods_of(core: &Core, area: AreaId) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
    let mut reader = core.store.reader().await?;
    let lies = store::ledger::sheet(&mut reader, Holder::Ground(area)).await?;
    let spent = store::ledger::spent(&mut reader, area).await?;
    drop(reader);
    core.store.flushed().await?;
    Ok((serde_json::to_vec(&lies).unwrap_or_default(), spent))
}

pub(super) fn is_webtransport(announced: &WebTransport) -> bool {
    let hashes = &announced.hashes;
    (1..=65_535).contains(&announced.port) && hashes.len() <= 4 && hashes.iter().all(|hash| hash.len() == 32)
}
