//! A party goes together: its members are called to where its leader stands, and come as they have settled it
//! (docs/social.md).

use std::time::Duration;

use pangea_world::id::{CharacterId, PartyId};
use pangea_world::messages::{Body, GoOn, SendOn};
use pangea_world::social::PartyDoc;
use pangea_world::space::Ground;
use pangea_world::{Code, Refusal};
use serde_json::json;
use tokio::time::Instant;

use super::core::Core;
use super::social;
use super::state::State;
use crate::link;
use crate::store::social::friends::{self, Calls};
use crate::store::{character, social::party};

/// How long a call waits for its answer.
const CALL_FOR: Duration = Duration::from_secs(30);

/// A call that waits for a member's answer; each has one at most.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    party: PartyId,
    until: Instant,
}

/// Calls everybody in the party to its leader: to the same world, place and layer. Those who go along go on, the
/// others are asked. How many that are; who never goes along, is not in the world, or with a third-party server, is
/// not called.
///
/// # Errors
/// `not_a_member`, `forbidden` for one who does not lead; `too_many_requests`; `offline` if the leader is not in the
/// world.
pub async fn gather(core: &Core, leader: CharacterId) -> Result<usize, Refusal> {
    let (party, calls) = {
        let mut reader = core.store.reader().await?;
        let party = party::led_by(&mut reader, leader).await?;
        if !core.gathers.take(leader, Instant::now()) {
            return Refusal::err(Code::TooManyRequests, "you have just called; let them come");
        }
        let mut calls = Vec::new();
        for member in party.members.iter().filter(|member| member.id != leader) {
            calls.push((member.id, friends::calls(&mut reader, member.id).await?));
        }
        (party, calls)
    };
    let wish = beside(core, leader).await?;
    let name = party.members.iter().find(|member| member.id == leader).map_or("", |member| &member.name);
    let notice = |asks_s: u64| {
        let from = json!({"id": leader, "name": name});
        json!({"type": "gather", "from": from, "world": wish.world, "map": wish.map, "asks_s": asks_s})
    };
    let (now, mut called) = (Instant::now(), 0);
    core.state().calls.retain(|_, call| call.until > now);
    for (member, calls) in calls {
        let Some(sender) = server_of(&core.state(), member) else { continue };
        match calls {
            Calls::Never => continue,
            Calls::Ask => {
                let call = Call { party: party.id, until: now + CALL_FOR };
                core.state().calls.insert(member, call);
                social::notify(core, member, &notice(CALL_FOR.as_secs()));
            }
            Calls::Go => {
                social::notify(core, member, &notice(0));
                sender.send(Body::SendOn(SendOn { character: member.to_vec(), wish: Some(wish.clone()) }))?;
            }
        }
        called += 1;
    }
    Ok(called)
}

/// A member answers its leader's call: it goes to where he stands now, or stays.
///
/// # Errors
/// `not_invited`: nobody has called, or too long ago, or not for the party in which it is now; `offline`.
pub async fn answer(core: &Core, member: CharacterId, comes: bool) -> Result<(), Refusal> {
    let over = || Refusal::new(Code::NotInvited, "nobody calls you, or not any more");
    let call = core.state().calls.remove(&member).filter(|call| call.until > Instant::now());
    let call = call.ok_or_else(over)?;
    if !comes {
        return Ok(());
    }
    let party = party::get(&mut *core.store.reader().await?, call.party).await?;
    let is_called =
        |party: &PartyDoc| party.leader != member && party.members.iter().any(|known| known.id == member);
    let leader = party.filter(is_called).ok_or_else(over)?.leader;
    let wish = beside(core, leader).await?;
    let sender = server_of(&core.state(), member);
    let sender = sender.ok_or_else(|| Refusal::new(Code::Offline, "you are not in the world"))?;
    sender.send(Body::SendOn(SendOn { character: member.to_vec(), wish: Some(wish) }))
}

/// To where a leader stands: his world, his place, his layer.
async fn beside(core: &Core, leader: CharacterId) -> Result<GoOn, Refusal> {
    let stands = character::get(&mut *core.store.reader().await?, leader).await?;
    let offline = || Refusal::new(Code::Offline, "who leads the party is not in the world");
    let state = core.state();
    let area = state.inside(leader).and_then(|area| state.areas.get(&area)).ok_or_else(offline)?;
    let map = if let Ground::Map(map) = &area.name.ground { map.clone() } else { String::new() };
    // In a lobby nobody has a location.
    let there = |place: &pangea_world::space::Place| {
        place.world == area.name.world && place.map.as_deref().unwrap_or_default() == map
    };
    let place = stands.place.filter(there);
    Ok(GoOn {
        world: area.name.world.clone(),
        map,
        at: place.is_some(),
        x: place.as_ref().map_or(0.0, |place| place.x),
        y: place.as_ref().map_or(0.0, |place| place.y),
        layer_plus_one: u32::from(area.name.layer) + 1,
        // Its player has said yes.
        portal: true,
        ..GoOn::default()
    })
}

/// The link of the server that has a character.
fn server_of(state: &State, character: CharacterId) -> Option<link::Sender> {
    let area = state.areas.get(&state.inside(character)?)?;
    area.server.as_ref()?.sender.clone()
}
