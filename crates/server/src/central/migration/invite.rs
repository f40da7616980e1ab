//! Who goes along with a move: everybody inside is announced where he will be, and his client sees there before it is
//! decided.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use pangea_world::Code;
use pangea_world::Refusal;
use pangea_world::character::CharacterDoc;
use pangea_world::id::{AreaId, CharacterId, EnterId, TransferId};
use pangea_world::messages::{Body, FactionSync, Invite, Standing, Stands, Where};
use tokio::time::Instant;

use super::super::core::Core;
use super::super::factions;
use super::super::join::{self, Want};
use super::super::state::{Seat, Server, State, Taken};
use super::super::wish::EnterWish;
use super::grounds::{extent_of, far};
use super::{LOOK, Move, Part, Plan, gone, until, with};
use crate::{clock, random};

/// Who stands so near to another part may be there before it is decided, metres: seven seconds of walking.
const NEAR_M: f64 = 40.0;

/// How long those who are on the way in are waited for.
const ALL_IN: Duration = Duration::from_secs(1);

/// So many are announced at the same time: clients come while others are still announced.
const AT_ONCE: usize = 32;

/// So many are on the way at the same time: a server has room for some who have not shown their ticket yet, and those
/// who are still here play on meanwhile.
const MOST_ON_THE_WAY: usize = 64;

/// How long they are waited for before others are told; once that was in vain nobody is.
const ON_THE_WAY: Duration = Duration::from_secs(1);

/// How long a server may take to say where everybody stands.
const ASK: Duration = Duration::from_secs(2);

/// Waits until the clients of all who are invited see there; who does not come in time leaves, and enters anew. Who
/// went elsewhere meanwhile is not waited for.
pub(super) async fn come(
    core: &Arc<Core>,
    plan: &Plan,
    transfer: TransferId,
    deadline: Instant,
) -> Result<(), Refusal> {
    for part in &plan.after {
        let all = |moves: &Move, state: &State| {
            let mut invited = moves.invited.iter();
            let come = invited.all(|(id, (_, epoch, sees))| *sees || !is_inside(state, plan, (*id, *epoch)));
            come.then_some(())
        };
        let left = deadline.saturating_duration_since(Instant::now());
        until(core, part.area, transfer, left, all).await?;
    }
    Ok(())
}

/// Another client of him has come in: it was told of no invitation, and what the one before saw counts no more. He is
/// invited again before it is decided.
pub fn came_anew(state: &mut State, area: AreaId, character: CharacterId) {
    let Some(moves) = state.areas.get(&area).and_then(|entry| entry.moves.as_ref()) else { return };
    let (plan, transfer) = (moves.plan.clone(), moves.transfer);
    for part in &plan.after {
        let moves = state.areas.get_mut(&part.area).and_then(|entry| entry.moves.as_mut());
        if let Some(moves) = moves.filter(|moves| moves.transfer == transfer && !moves.deciding) {
            moves.invited.remove(&character);
        }
    }
}

/// Whether he is inside under that epoch; who was invited, went over a border and came back is under another, and his
/// ticket is good no more.
fn is_inside(state: &State, plan: &Plan, (id, epoch): (CharacterId, u64)) -> bool {
    let mut seats = plan.before.iter().filter_map(|area| state.areas.get(area)?.seats.get(&id));
    seats.any(|seat| seat.taken == Taken::Inside && seat.epoch == epoch)
}

/// Waits for those who are owned there already and whose clients are on the way; not for long.
pub(super) async fn all_in(core: &Core, plan: &Plan) {
    let deadline = Instant::now() + ALL_IN;
    loop {
        let changed = core.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let coming = {
            let state = core.state();
            let coming = |seat: &&Seat| {
                matches!(seat.taken, Taken::Held(_))
                    && seat.epoch > 0
                    && !state.transfers.contains_key(&seat.run)
            };
            let seats = plan.before.iter().filter_map(|area| state.areas.get(area));
            let over_border = state.commits.values().any(|to| plan.before.contains(to));
            over_border || seats.flat_map(|entry| entry.seats.values()).any(|seat| coming(&seat))
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if !coming || left.is_zero() {
            return;
        }
        let _ = tokio::time::timeout(left, changed).await;
    }
}

/// Everybody inside who was not yet is announced where he will be, and his client told of it; how many.
pub(super) async fn invite_all(
    core: &Arc<Core>,
    plan: &Plan,
    transfer: TransferId,
) -> Result<usize, Refusal> {
    let mut invited = 0;
    for area in &plan.before {
        let stand = match plan.after.len() {
            1 => HashMap::new(),
            _ => standing(core, *area).await?,
        };
        for part in &plan.after {
            let ground = extent_of(core, plan, &part.name);
            let near = |id: CharacterId| match (stand.get(&id), ground) {
                (Some(at), Some(ground)) => far(ground, *at) <= NEAR_M,
                _ => true,
            };
            invited += invite_to(core, plan, (*area, part), near, transfer).await?;
        }
    }
    Ok(invited)
}

async fn invite_to(
    core: &Arc<Core>,
    plan: &Plan,
    (area, part): (AreaId, &Part),
    comes: impl Fn(CharacterId) -> bool,
    transfer: TransferId,
) -> Result<usize, Refusal> {
    let (there, source, seats, factions, first) = {
        let mut state = core.state();
        let moves = state.areas.get(&part.area).and_then(|entry| entry.moves.as_ref());
        let there = moves.and_then(|moves| moves.there.clone()).ok_or_else(gone)?;
        let invited = moves.map(|moves| moves.invited.iter()).into_iter().flatten();
        let known = invited.filter(|(id, (_, epoch, _))| is_inside(&state, plan, (**id, *epoch)));
        let known: HashSet<CharacterId> = known.map(|(id, _)| *id).collect();
        let first = moves.is_none_or(|moves| moves.invited.is_empty());
        let entry = state.areas.get(&area).ok_or_else(gone)?;
        let source = entry.server.as_ref().and_then(|server| server.sender.clone()).ok_or_else(gone)?;
        let inside = entry.seats.iter().filter(|(_, seat)| seat.taken == Taken::Inside);
        let new = inside.filter(|(id, _)| !known.contains(id));
        let seats: Vec<(CharacterId, Seat)> = new.map(|(id, seat)| (*id, seat.clone())).collect();
        let data = |id: &String| entry.world.faction(id).ok().cloned();
        let factions: Vec<_> = entry.factions.iter().filter_map(data).collect();
        let (names, founded) = (entry.factions.clone(), entry.founded.clone());
        if let Some(entry) = state.areas.get_mut(&part.area).filter(|_| part.area != area) {
            names.into_iter().for_each(|name| {
                if !entry.factions.contains(&name) {
                    entry.factions.push(name)
                }
            });
            entry.founded.extend(founded);
            entry.founded.sort_unstable();
            entry.founded.dedup();
        }
        (there, source, seats, factions, first)
    };
    let sender = there.sender.clone().ok_or_else(gone)?;
    if first {
        for faction in factions {
            let faction = serde_json::to_vec(&faction).unwrap_or_default();
            sender.send(Body::FactionSync(FactionSync { faction, founded: Vec::new() }))?;
        }
        factions::before_move(core, area, &sender).await?;
    }
    let seats = seats.into_iter().filter(|(id, _)| comes(*id));
    let invited = seats.map(|(id, seat)| {
        let there = &there;
        async move { invite(core, (area, part), (id, &seat), there).await.ok() }
    });
    let mut invited = pin!(stream::iter(invited).buffer_unordered(AT_ONCE));
    let few = |moves: &Move, _: &State| {
        let on_the_way = moves.invited.values().filter(|(.., sees)| !sees).count();
        (on_the_way < MOST_ON_THE_WAY).then_some(())
    };
    let (mut count, mut they_come) = (0, true);
    while let Some(invited) = invited.next().await {
        // Whoever could not be announced is tried again before it is decided.
        let Some((run, body, character, epoch)) = invited else { continue };
        with(core, part.area, transfer, |moves| moves.invited.insert(character, (run, epoch, false)))?;
        source.send(Body::Invite(body))?;
        count += 1;
        if they_come {
            they_come = until(core, part.area, transfer, ON_THE_WAY, few).await?.is_some();
        }
    }
    Ok(count)
}

/// Where everybody stands in a running area, by its own word.
///
/// # Errors
/// `area_unavailable` if it does not say so in time.
pub async fn standing(core: &Core, area: AreaId) -> Result<HashMap<CharacterId, (f64, f64)>, Refusal> {
    let asked = Instant::now();
    ask_where(core, area)?;
    loop {
        let changed = core.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if let Some((_, stand)) = core
            .state()
            .areas
            .get(&area)
            .and_then(|entry| entry.stand.as_ref())
            .filter(|(at, _)| *at >= asked)
        {
            return Ok(stand.clone());
        }
        let left = ASK.saturating_sub(asked.elapsed());
        if left.is_zero() {
            return Refusal::err(Code::AreaUnavailable, "its server does not say where everybody stands");
        }
        let _ = tokio::time::timeout(left.min(LOOK), changed).await;
    }
}

/// Has an area say where everybody stands.
///
/// # Errors
/// If it has no server, or its link takes no more.
pub fn ask_where(core: &Core, area: AreaId) -> Result<(), Refusal> {
    let state = core.state();
    let server = state.areas.get(&area).and_then(|entry| entry.server.as_ref());
    let sender = server.and_then(|server| server.sender.as_ref()).ok_or_else(gone)?;
    sender.send(Body::Where(Where {}))
}

/// It says so.
pub fn stands(core: &Core, area: AreaId, said: &Standing) {
    let at = |one: &Stands| Some((CharacterId::from_bytes(&one.character).ok()?, (one.x, one.y)));
    let stand = said.characters.iter().filter_map(at).collect();
    if let Some(entry) = core.state().areas.get_mut(&area) {
        entry.stand = Some((Instant::now(), stand));
    }
    core.changed.notify_waiters();
}

async fn invite(
    core: &Arc<Core>,
    (area, part): (AreaId, &Part),
    (character, seat): (CharacterId, &Seat),
    there: &Server,
) -> Result<(EnterId, Invite, CharacterId, u64), Refusal> {
    let want = Want {
        enter: None,
        run: EnterId(random::bytes()),
        account: seat.account,
        session: seat.session,
        character,
        wish: EnterWish::default(),
        from: Some((area, seat.epoch)),
        border: true,
        at: None,
        created: clock::unix_ms() as i64,
        asked: Instant::now(),
    };
    let (found, social) = join::read(core, &want).await?;
    let place = found.character.place.clone().ok_or_else(gone)?;
    let doc = CharacterDoc {
        id: character,
        account: seat.account,
        name: found.character.name,
        faction: found.character.faction,
        place,
        quests: found.quests,
    };
    let epoch = seat.epoch + 1;
    let prepared = join::prepared(core, &want, part.area, (&doc.name, epoch), there);
    let seen = (None, &social);
    join::admit(core, &want, &doc, part.area, (epoch, None), (seen, &prepared.ticket), there).await?;
    let webtransport_hashes = prepared.webtransport.as_ref().map(|offer| offer.hash_bytes());
    let invite = Invite {
        character: character.to_vec(),
        url: prepared.url,
        ticket: prepared.ticket,
        webtransport_url: prepared.webtransport.map(|offer| offer.url).unwrap_or_default(),
        webtransport_hashes: webtransport_hashes.unwrap_or_default(),
        area: part.name.to_string(),
    };
    Ok((want.run, invite, character, seat.epoch))
}
