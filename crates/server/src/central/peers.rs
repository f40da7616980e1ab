//! Who else is there: every area server knows the others and the chat, and learns of each change
//! (K8, K9, K12, M7).

use pangea_world::chat::place;
use pangea_world::id::{AreaId, ServerId};
use pangea_world::layout::{are_neighbours, grounds_beside};
use pangea_world::messages::{Beyond, Body, Peer, Peers};
use pangea_world::space::{Ground, Rect};
use pangea_world::ticket::Credential;
use pangea_world::world::World;

use super::core::{CREDENTIAL_LIFE_S, Core};
use super::state::{Area, Chat, Phase, State};
use crate::clock;

/// Tells a server that has just become ready about all others, and all others about it.
pub fn arrived(core: &Core, id: AreaId) {
    let state = core.state();
    let Some(new) = state.areas.get(&id) else { return };
    send(new, Peers { whole: true, present: all_for(core, &state, id), gone: Vec::new() });
    for (other_id, other) in state.areas.iter().filter(|(other, _)| **other != id) {
        if let Some(peer) = area_peer(core, new, other) {
            tracing::trace!(of = %other_id, "told of a new peer");
            send(other, Peers { whole: false, present: vec![peer], gone: Vec::new() });
        }
    }
}

/// The grounds beyond an area's borders, as text.
pub fn beyond(world: &World, cuts: &[Rect], ground: &Ground) -> Vec<String> {
    grounds_beside(world, cuts, ground).iter().map(Ground::to_string).collect()
}

/// A world is cut otherwise: each server is told anew what lies beyond its borders.
pub fn tell_beyond(core: &Core, world: &str) {
    let state = core.state();
    let cuts = state.cuts.get(world).map_or(&[][..], Vec::as_slice);
    for area in state.areas.values().filter(|area| area.name.world == world && area.own) {
        if let Some(sender) = area.server.as_ref().and_then(|server| server.sender.as_ref()) {
            let grounds = beyond(&area.world, cuts, &area.name.ground);
            // A link that is full is reset, and then everything is told anew.
            let _ = sender.send(Body::Beyond(Beyond { grounds }));
        }
    }
}

/// Tells one server all it should know (after its link began anew).
pub fn tell_all(core: &Core, id: AreaId) {
    let state = core.state();
    if let Some(area) = state.areas.get(&id) {
        send(area, Peers { whole: true, present: all_for(core, &state, id), gone: Vec::new() });
    }
}

/// Tells servers of their neighbours and of the chats again: what they show those ends after [`CREDENTIAL_LIFE_S`].
pub fn renew(core: &Core) {
    let state = core.state();
    for (id, area) in &state.areas {
        let others = state.areas.iter().filter(|(other, _)| *other != id);
        let peers = others.filter(|(_, other)| beside(other, area));
        let present = peers.filter_map(|(_, other)| area_peer(core, other, area));
        let present: Vec<Peer> = present.chain(chats_for(core, &state, area)).collect();
        if !present.is_empty() {
            send(area, Peers { whole: false, present, gone: Vec::new() });
        }
    }
}

/// Tells everybody that a server is gone.
pub fn gone(core: &Core, server: ServerId) {
    let state = core.state();
    for area in state.areas.values() {
        send(area, Peers { whole: false, present: Vec::new(), gone: vec![server.to_vec()] });
    }
}

/// Tells everybody of the chats that there are, and of a session of one that is over.
pub fn chats_changed(core: &Core, gone: Option<Vec<u8>>) {
    let state = core.state();
    let named = |(name, chat): (&String, &Chat)| Peer {
        server: chat.peer.server.clone(),
        role: "chat".to_owned(),
        area: name.clone(),
        ..Peer::default()
    };
    let all: Vec<Peer> = state.chats.iter().map(named).collect();
    for sender in state.chats.values().filter_map(|chat| chat.sender.as_ref()) {
        // A link that is full is reset, and then it registers anew.
        let peers = Peers { whole: true, present: all.clone(), gone: Vec::new() };
        let _ = sender.send(Body::Peers(peers));
    }
    for area in state.areas.values() {
        let present = chats_for(core, &state, area);
        let others = all.iter().filter(|chat| present.iter().all(|peer| peer.server != chat.server));
        let gone = others.map(|chat| chat.server.clone()).chain(gone.clone()).collect();
        send(area, Peers { whole: false, present, gone });
    }
}

fn all_for(core: &Core, state: &State, id: AreaId) -> Vec<Peer> {
    let Some(receiver) = state.areas.get(&id) else { return Vec::new() };
    let others = state.areas.iter().filter(|(other, _)| **other != id);
    let areas = others.filter_map(|(_, other)| area_peer(core, other, receiver));
    areas.chain(chats_for(core, state, receiver)).collect()
}

/// The chats to which a server has a link: all, or one of them if they pass lines to each other.
fn chats_for(core: &Core, state: &State, receiver: &Area) -> Vec<Peer> {
    let names = || state.chats.keys().map(String::as_str);
    let one = match &receiver.server {
        Some(server) if state.chats.values().all(|chat| chat.bus) => place(&server.id.to_string(), names()),
        _ => None,
    };
    let wanted = names().filter(|name| one.is_none_or(|one| one == *name));
    wanted.filter_map(|name| chat_peer(core, state, name, receiver)).collect()
}

/// `area` as `receiver` sees it.
fn area_peer(core: &Core, area: &Area, receiver: &Area) -> Option<Peer> {
    let server = area.server.as_ref().filter(|_| *area.phase.borrow() == Phase::Ready)?;
    let to = receiver.server.as_ref()?;
    Some(Peer {
        server: server.id.to_vec(),
        address: server.at.address.clone(),
        port: server.at.port,
        role: "area".to_owned(),
        area: area.name.to_string(),
        neighbour: beside(area, receiver),
        credential: credential(core, to.id, &server.id.to_string()),
        tls: server.at.tls,
        certificate: server.at.certificate.clone(),
        epoch: server.epoch,
        incarnation: server.incarnation,
    })
}

/// Whether they lie side by side: in one world, on one layer.
fn beside(area: &Area, other: &Area) -> bool {
    area.name.world == other.name.world
        && area.name.layer == other.name.layer
        && are_neighbours(&area.world, &area.name.ground, &other.name.ground)
}

fn chat_peer(core: &Core, state: &State, name: &str, receiver: &Area) -> Option<Peer> {
    let chat = state.chats.get(name)?;
    let to = receiver.server.as_ref()?;
    Some(Peer {
        server: chat.peer.server.clone(),
        address: chat.peer.address.clone(),
        port: chat.peer.port,
        role: "chat".to_owned(),
        area: name.to_owned(),
        neighbour: false,
        credential: credential(core, to.id, &format!("chat/{name}")),
        tls: chat.peer.tls,
        certificate: chat.peer.certificate.clone(),
        epoch: 0,
        incarnation: 0,
    })
}

fn credential(core: &Core, who: ServerId, to: &str) -> String {
    let exp = clock::unix_s() + CREDENTIAL_LIFE_S;
    core.keys.signer.sign_credential(&Credential { sub: who.to_string(), aud: to.to_owned(), exp })
}

fn send(area: &Area, peers: Peers) {
    if let Some(sender) = area.server.as_ref().and_then(|server| server.sender.as_ref()) {
        // A link that is full is reset, and then everything is told anew.
        let _ = sender.send(Body::Peers(peers));
    }
}
