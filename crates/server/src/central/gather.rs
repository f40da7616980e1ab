//! A party goes together: its members are called to where its leader stands, and come as they have settled it
//! (docs/social.md). A place is held there for each of them first, or for none.

use std::sync::Arc;
use std::time::Duration;

use pangea_world::id::{AreaId, CharacterId, EnterId, PartyId};
use pangea_world::messages::GoOn;
use pangea_world::social::PartyDoc;
use pangea_world::space::Ground;
use pangea_world::{Code, Refusal};
use serde_json::json;
use tokio::time::Instant;

use super::core::Core;
use super::orders::{self, server_of};
use super::social;
use super::state::{Seat, State, Taken};
use crate::random;
use crate::store::social::friends::{self, Calls};
use crate::store::{character, social::party};

/// How long a call waits for its answer.
const CALL_FOR: Duration = Duration::from_secs(30);

/// How much longer a place is held than a call waits: who answers at the last moment still finds it.
const HELD_LONGER: Duration = Duration::from_secs(5);

/// A call that waits for a member's answer; each has one at most.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    party: PartyId,
    until: Instant,
    /// Where a place is held for it, under which id.
    held: (AreaId, EnterId),
}

/// Calls everybody in the party to its leader: to the same world, place and layer. A place is held there for each of
/// them; then those who go along go on together, and the others are asked. How many that are; who never goes along,
/// is not in the world, or with a third-party server, is not called.
///
/// # Errors
/// `not_a_member`, `forbidden` for one who does not lead; `too_many_requests`; `offline` if the leader is not in the
/// world; `server_full` if there is no room for all of them; why one of those who go along cannot: then none does.
pub async fn gather(core: &Arc<Core>, leader: CharacterId) -> Result<usize, Refusal> {
    let (party, calls) = called_by(core, leader).await?;
    let (to, wish) = beside(core, leader).await?;
    let (go, ask): (Vec<_>, Vec<_>) = calls.into_iter().partition(|(_, calls)| *calls == Calls::Go);
    let ids = |some: Vec<(CharacterId, Calls)>| some.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let (go, ask) = (ids(go), ids(ask));
    let all = [&go[..], &ask[..]].concat();
    let (run, now) = (EnterId(random::bytes()), Instant::now());
    {
        let mut state = core.state();
        for member in &all {
            state.calls.remove(member).into_iter().for_each(|call| state.forget_run(call.held.1, *member));
        }
        state.calls.retain(|_, call| call.until > now);
        state.hold_together((to, run), now + CALL_FOR + HELD_LONGER, &all)?;
    }
    let name = party.members.iter().find(|member| member.id == leader).map_or("", |member| &member.name);
    let notice = |asks_s: u64| {
        let from = json!({"id": leader, "name": name});
        json!({"type": "gather", "from": from, "world": wish.world, "map": wish.map, "asks_s": asks_s})
    };
    go.iter().for_each(|member| social::notify(core, *member, &notice(0)));
    if let Err(refusal) = go_together(core, to, &go, &wish).await {
        let mut state = core.state();
        all.iter().for_each(|member| state.forget_run(run, *member));
        return Err(refusal);
    }
    for member in &ask {
        let call = Call { party: party.id, until: Instant::now() + CALL_FOR, held: (to, run) };
        core.state().calls.insert(*member, call);
        social::notify(core, *member, &notice(CALL_FOR.as_secs()));
    }
    Ok(all.len())
}

/// The party that one leads, and the others of it who can be called, as each has settled it.
async fn called_by(
    core: &Core,
    leader: CharacterId,
) -> Result<(PartyDoc, Vec<(CharacterId, Calls)>), Refusal> {
    let mut reader = core.store.reader().await?;
    let party = party::led_by(&mut reader, leader).await?;
    if !core.gathers.take(leader, Instant::now()) {
        return Refusal::err(Code::TooManyRequests, "you have just called; let them come");
    }
    let mut called = Vec::new();
    for member in party.members.iter().filter(|member| member.id != leader) {
        let calls = friends::calls(&mut reader, member.id).await?;
        if calls != Calls::Never && server_of(&core.state(), member.id).is_some() {
            called.push((member.id, calls));
        }
    }
    Ok((party, called))
}

/// Those who go along go on together; then those of them who are there already are set down beside their leader.
async fn go_together(core: &Arc<Core>, to: AreaId, go: &[CharacterId], wish: &GoOn) -> Result<(), Refusal> {
    let is_there = |id: &CharacterId| core.state().inside(*id) == Some(to);
    let (there, elsewhere): (Vec<CharacterId>, Vec<CharacterId>) = go.iter().partition(|id| is_there(id));
    orders::send_together(core, &elsewhere, wish).await?;
    for member in there.into_iter().filter(|_| wish.at) {
        orders::set_down(core, member, wish).await?;
    }
    Ok(())
}

impl State {
    /// Holds a place in an area for each of these who has none there, under this id: for all or for nobody. A join of
    /// theirs takes it over; what nobody takes is free again then, or by [`State::forget_run`].
    fn hold_together(
        &mut self,
        (to, run): (AreaId, EnterId),
        until: Instant,
        who: &[CharacterId],
    ) -> Result<(), Refusal> {
        let gone = || Refusal::new(Code::AreaUnavailable, "that area is gone");
        let area = self.areas.get(&to).ok_or_else(gone)?;
        let come: Vec<CharacterId> = who.iter().copied().filter(|id| !area.seats.contains_key(id)).collect();
        // Who waits in line was first.
        let is_shut = self.lines.contains_key(&(area.name.world.clone(), area.name.ground.clone()))
            || area.server.as_ref().is_none_or(|server| server.draining);
        let free = (area.world.capacity as usize).saturating_sub(area.seats.len());
        if !come.is_empty() && (is_shut || come.len() > free) {
            let free = if is_shut { 0 } else { free };
            let text =
                format!("there is no room for all of them: {} would come, {free} have room", come.len());
            return Refusal::err(Code::ServerFull, text);
        }
        for id in come {
            let Some((account, session)) = self.login_of(id) else { continue };
            let taken = Taken::Held(until);
            let seat = Seat::new(account, session, (run, 0), taken);
            self.areas.get_mut(&to).ok_or_else(gone)?.seats.insert(id, seat);
        }
        Ok(())
    }
}

/// A member answers its leader's call: it goes to where he stands now, or stays.
///
/// # Errors
/// `not_invited`: nobody has called, or too long ago, or not for the party in which it is now; `offline`.
pub async fn answer(core: &Arc<Core>, member: CharacterId, comes: bool) -> Result<(), Refusal> {
    let over = || Refusal::new(Code::NotInvited, "nobody calls you, or not any more");
    let call = core.state().calls.remove(&member).ok_or_else(over)?;
    let result = match (comes, call.until > Instant::now()) {
        (_, false) => Err(over()),
        (false, true) => Ok(false),
        (true, true) => comes_along(core, member, call).await,
    };
    if !matches!(result, Ok(true)) {
        core.state().forget_run(call.held.1, member);
    }
    result.map(drop)
}

/// Goes to where the leader stands now. `false`: that is not where a place is held.
async fn comes_along(core: &Arc<Core>, member: CharacterId, call: Call) -> Result<bool, Refusal> {
    let over = || Refusal::new(Code::NotInvited, "nobody calls you, or not any more");
    let party = party::get(&mut *core.store.reader().await?, call.party).await?;
    let is_called =
        |party: &PartyDoc| party.leader != member && party.members.iter().any(|known| known.id == member);
    let leader = party.filter(is_called).ok_or_else(over)?.leader;
    let (to, wish) = beside(core, leader).await?;
    let offline = || Refusal::new(Code::Offline, "you are not in the world");
    server_of(&core.state(), member).ok_or_else(offline)?;
    orders::send(core, (member, ""), member, &wish).await?;
    Ok(to == call.held.0)
}

/// To where a leader stands: his area; his world, his place, his layer.
async fn beside(core: &Core, leader: CharacterId) -> Result<(AreaId, GoOn), Refusal> {
    let stands = character::get(&mut *core.store.reader().await?, leader).await?;
    let offline = || Refusal::new(Code::Offline, "who leads the party is not in the world");
    let state = core.state();
    let id = state.inside(leader).ok_or_else(offline)?;
    let area = state.areas.get(&id).ok_or_else(offline)?;
    let map = if let Ground::Map(map) = &area.name.ground { map.clone() } else { String::new() };
    // In a lobby nobody has a location.
    let there = |place: &pangea_world::space::Place| {
        place.world == area.name.world && place.map.as_deref().unwrap_or_default() == map
    };
    let place = stands.place.filter(there);
    let wish = GoOn {
        world: area.name.world.clone(),
        map,
        at: place.is_some(),
        x: place.as_ref().map_or(0.0, |place| place.x),
        y: place.as_ref().map_or(0.0, |place| place.y),
        layer_plus_one: u32::from(area.name.layer) + 1,
        ..GoOn::default()
    };
    Ok((id, wish))
}
