//! A party goes together: its members are asked to come to where its leader stands.

use tokio::time::Instant;

use pangea_world::id::CharacterId;
use pangea_world::messages::{Body, GoOn, SendOn};
use pangea_world::space::Ground;
use pangea_world::{Code, Refusal};
use serde_json::json;

use super::core::Core;
use super::social;
use crate::store::{character, social::party};

/// Has everybody in the party go on to its leader: to the same world, place and layer. How many were asked; who
/// is not in the world, or with a third-party server, is not.
///
/// # Errors
/// `not_a_member`, `forbidden` for one who does not lead; `too_many_requests`; `offline` if the leader is not in the
/// world.
pub async fn gather(core: &Core, leader: CharacterId) -> Result<usize, Refusal> {
    let (party, stands) = {
        let mut reader = core.store.reader().await?;
        let party = party::led_by(&mut reader, leader).await?;
        if !core.gathers.take(leader, Instant::now()) {
            return Refusal::err(Code::TooManyRequests, "you have just called; let them come");
        }
        (party, character::get(&mut reader, leader).await?)
    };
    let state = core.state();
    let offline = || Refusal::new(Code::Offline, "you are not in the world");
    let area = social::inside(&state, leader).and_then(|area| state.areas.get(&area)).ok_or_else(offline)?;
    let map = if let Ground::Map(map) = &area.name.ground { map.clone() } else { String::new() };
    // In a lobby nobody has a location.
    let there = |place: &pangea_world::space::Place| {
        place.world == area.name.world && place.map.as_deref().unwrap_or_default() == map
    };
    let place = stands.place.filter(there);
    let wish = GoOn {
        world: area.name.world.clone(),
        map: map.clone(),
        at: place.is_some(),
        x: place.as_ref().map_or(0.0, |place| place.x),
        y: place.as_ref().map_or(0.0, |place| place.y),
        layer_plus_one: u32::from(area.name.layer) + 1,
        ..GoOn::default()
    };
    let notice = json!({
        "type": "gather", "from": {"id": leader, "name": stands.name}, "world": area.name.world, "map": map,
    });
    let mut senders = Vec::new();
    for member in party.members.iter().filter(|member| member.id != leader) {
        let at = social::inside(&state, member.id).and_then(|area| state.areas.get(&area));
        let sender = at.and_then(|area| area.server.as_ref()).and_then(|server| server.sender.clone());
        senders.extend(sender.map(|sender| (member.id, sender)));
    }
    drop(state);
    for (member, sender) in &senders {
        social::notify(core, *member, &notice);
        sender.send(Body::SendOn(SendOn { character: member.to_vec(), wish: Some(wish.clone()) }))?;
    }
    Ok(senders.len())
}
