//! Factions that players have founded, at work (docs/factions.md): a deed is done in the store, and then told to
//! everybody whom it concerns. Area servers know each faction of a member before he comes (G9), hear of each change,
//! and of what they missed when they register anew.

use std::sync::Arc;

use pangea_world::faction::FactionDoc;
use pangea_world::id::{AreaId, CharacterId, FactionId, OpId};
use pangea_world::layout::ground_at;
use pangea_world::ledger::{Act, Asker, Bundle, Coins, Operation, Writer};
use pangea_world::messages::{Body, Claimed, FactionKnown, FactionSync};
use pangea_world::social::{Membership, Rights};
use pangea_world::{Code, Refusal};
use serde_json::{Value, json};

use super::core::Core;
use super::social;
use super::state::{Area, State};
use crate::store::faction::claim::{self, Ground, Paid};
use crate::store::faction::deed::{self, Changed, Deed};
use crate::store::faction::{self, Invite, Member};
use crate::store::ledger::{Order, journal};
use crate::store::social::deed::Deed as Beside;
use crate::store::social::friends::{self, Visible};
use crate::store::{Connection, Error, character};
use crate::{clock, link, random};

/// How many times the days of a new claim one may pay ahead.
const AHEAD: u64 = 4;

const DAY_MS: u64 = 86_400_000;

/// Does a deed, and tells of it.
///
/// # Errors
/// The refusal; nothing is changed then.
pub async fn act(core: &Core, actor: CharacterId, deed: Deed) -> Result<Changed, Refusal> {
    let done = core.store.write(move |tx| {
        let deed = deed.clone();
        Box::pin(async move { deed::apply(tx, actor, &deed).await })
    });
    let changed = done.await?;
    tell(core, &changed).await;
    Ok(changed)
}

/// In which faction a character is.
///
/// # Errors
/// If the store cannot be read.
pub async fn membership(
    reader: &mut Connection,
    character: CharacterId,
) -> Result<Option<Membership>, Error> {
    faction::membership(reader, character).await
}

/// What a character is invited to, oldest first.
///
/// # Errors
/// If the store cannot be read.
pub async fn invites(reader: &mut Connection, character: CharacterId) -> Result<Vec<Invite>, Error> {
    faction::invites(reader, character).await
}

/// One invitation as the social window and notices have it.
pub fn invite_json(invite: &Invite) -> Value {
    json!({
        "faction": { "id": invite.faction, "name": invite.name },
        "role": invite.role,
        "from": { "id": invite.from.0, "name": invite.from.1 },
    })
}

/// Who of them is in a world now and shows that to everybody, in their order.
///
/// # Errors
/// If the store cannot be read.
pub async fn online(core: &Core, reader: &mut Connection, members: &[Member]) -> Result<Vec<bool>, Error> {
    let inside: Vec<bool> = {
        let state = core.state();
        members.iter().map(|member| state.inside(member.id).is_some()).collect()
    };
    let mut online = Vec::with_capacity(members.len());
    for (member, inside) in members.iter().zip(inside) {
        online.push(inside && friends::status(reader, member.id).await?.visible == Visible::Everybody);
    }
    Ok(online)
}

// ---- telling -----------------------------------------------------------------------------------------

/// Tells everybody whom a change concerns: servers first, then players.
pub async fn tell(core: &Core, changed: &Changed) {
    if let Err(refusal) = tell_servers(core, changed).await {
        tracing::error!(faction = %changed.faction, %refusal, "a faction's change was not told; servers learn of it later");
    }
    social::changed(core, &changed.members).await;
    if let Err(refusal) = tell_players(core, changed).await {
        tracing::warn!(faction = %changed.faction, %refusal, "players were not told of their faction's change");
    }
}

async fn tell_servers(core: &Core, changed: &Changed) -> Result<(), Refusal> {
    // What is read later is told later.
    let _turn = core.telling.lock().await;
    let mut reader = core.store.reader().await?;
    let doc = faction::doc(&mut reader, changed.faction).await?;
    {
        let mut state = core.state();
        let comers: Vec<AreaId> = changed.members.iter().filter_map(|member| state.inside(*member)).collect();
        for (id, area) in &mut state.areas {
            if !area.founded.contains(&doc.id) {
                if doc.ended || !comers.contains(id) {
                    continue;
                }
                area.founded.push(doc.id);
            }
            senders(area).for_each(|sender| drop(sender.send(sync_of(&doc))));
            if doc.ended {
                area.founded.retain(|known| *known != doc.id);
            }
        }
    }
    for ground in &changed.grounds {
        tell_claim(core, &mut reader, ground).await?;
    }
    Ok(())
}

/// The servers that have a ground, or are about to, are told whose it is.
async fn tell_claim(core: &Core, reader: &mut Connection, ground: &Ground) -> Result<(), Refusal> {
    let claimed = claimed(reader, ground).await?;
    let state = core.state();
    let of_ground = |area: &&Area| area.name.world == ground.0 && area.name.ground.to_string() == ground.1;
    for sender in state.areas.values().filter(of_ground).flat_map(senders) {
        // A link that is full is reset, and then everything is told anew.
        let _ = sender.send(claimed.clone());
    }
    Ok(())
}

async fn claimed(reader: &mut Connection, ground: &Ground) -> Result<Body, Refusal> {
    let claim = claim::doc(reader, ground).await?;
    let claim = claim.map(|claim| serde_json::to_vec(&claim).unwrap_or_default()).unwrap_or_default();
    Ok(Body::Claimed(Claimed { claim }))
}

/// The links to an area's server, and to the one to which it goes.
fn senders(area: &Area) -> impl Iterator<Item = link::Sender> {
    let next = area.moves.as_ref().and_then(|moves| moves.next_server());
    area.server.iter().chain(next).filter_map(|server| server.sender.clone())
}

fn sync_of(doc: &FactionDoc) -> Body {
    let founded = serde_json::to_vec(doc).unwrap_or_default();
    Body::FactionSync(FactionSync { faction: Vec::new(), founded })
}

async fn tell_players(core: &Core, changed: &Changed) -> Result<(), Refusal> {
    let mut reader = core.store.reader().await?;
    for member in &changed.members {
        let faction = faction::membership(&mut reader, *member).await?;
        let faction = faction.map(|known| json!({ "id": known.id, "name": known.name, "role": known.role }));
        social::notify(core, *member, &json!({ "type": "faction", "faction": faction }));
    }
    for other in &changed.invited {
        for invite in faction::invites(&mut reader, *other).await? {
            if invite.faction == changed.faction {
                let mut notice = invite_json(&invite);
                notice["type"] = "faction_invite".into();
                social::notify(core, *other, &notice);
            }
        }
    }
    let notice = json!({ "type": "faction_changed", "id": changed.faction });
    let members = faction::members(&mut reader, changed.faction).await?;
    for one in members.iter().map(|member| &member.id).chain(&changed.invited) {
        social::notify(core, *one, &notice);
    }
    Ok(())
}

/// A member comes to an area: its server has his faction's data before it hears of him (G9).
///
/// # Errors
/// If the store or the link fails.
pub async fn before_admit(
    core: &Core,
    area: AreaId,
    faction: FactionId,
    sender: &link::Sender,
) -> Result<(), Refusal> {
    let known = |state: &State| state.areas.get(&area).is_some_and(|entry| entry.founded.contains(&faction));
    let moves = |state: &State| state.areas.get(&area).is_some_and(|entry| entry.moves.is_some());
    if known(&core.state()) && !moves(&core.state()) {
        return Ok(());
    }
    let _turn = core.telling.lock().await;
    let doc = faction::doc(&mut *core.store.reader().await?, faction).await?;
    if let Some(entry) = core.state().areas.get_mut(&area)
        && !entry.founded.contains(&faction)
    {
        entry.founded.push(faction);
    }
    sender.send(sync_of(&doc))
}

/// An area server has registered: it is told whose the ground is, and what it missed of the factions that it knows
/// and of those whose members are inside.
///
/// # Errors
/// If the store or the link fails.
pub async fn registered(
    core: &Core,
    area: AreaId,
    ground: &Ground,
    knows: &[FactionKnown],
    sender: &link::Sender,
) -> Result<(), Refusal> {
    let _turn = core.telling.lock().await;
    let mut reader = core.store.reader().await?;
    let claimed = claimed(&mut reader, ground).await?;
    let mut known: Vec<(FactionId, u64)> = Vec::new();
    for one in knows {
        if let Ok(faction) = FactionId::from_bytes(&one.faction) {
            known.push((faction, one.version));
        }
    }
    for faction in faction::of_owned(&mut reader, area).await? {
        if known.iter().all(|(one, _)| *one != faction) {
            known.push((faction, 0));
        }
    }
    let mut missed = Vec::new();
    for (faction, version) in &known {
        let doc = faction::doc(&mut reader, *faction).await?;
        if doc.version != *version {
            missed.push(doc);
        }
    }
    known.retain(|(faction, _)| missed.iter().all(|doc| doc.id != *faction || !doc.ended));
    if let Some(entry) = core.state().areas.get_mut(&area) {
        // One may have been told since it registered.
        entry.founded.extend(known.into_iter().map(|(faction, _)| faction));
        entry.founded.sort_unstable();
        entry.founded.dedup();
    }
    for doc in &missed {
        sender.send(sync_of(doc))?;
    }
    sender.send(claimed)
}

/// The server to which an area moves knows what the one before it knows.
///
/// # Errors
/// If the store or the link fails.
pub async fn before_move(core: &Core, area: AreaId, sender: &link::Sender) -> Result<(), Refusal> {
    let (founded, name) = {
        let state = core.state();
        let Some(entry) = state.areas.get(&area) else { return Ok(()) };
        (entry.founded.clone(), entry.name.clone())
    };
    let _turn = core.telling.lock().await;
    let mut reader = core.store.reader().await?;
    for faction in founded {
        sender.send(sync_of(&faction::doc(&mut reader, faction).await?))?;
    }
    sender.send(claimed(&mut reader, &(name.world, name.ground.to_string())).await?)
}

// ---- places ------------------------------------------------------------------------------------------

/// Has members enter from now on where one of them stands.
///
/// # Errors
/// `offline`, and what the deed refuses.
pub async fn spawn_here(core: &Core, actor: CharacterId) -> Result<Changed, Refusal> {
    ground_under(core, actor)?;
    let place = character::get(&mut *core.store.reader().await?, actor).await?.place;
    let place = place.ok_or_else(|| Refusal::new(Code::Offline, "enter the world first"))?;
    ground_at(core.world(&place.world)?, &place)?;
    act(core, actor, Deed::Spawn(place)).await
}

/// The ground of the area in which a character is.
fn ground_under(core: &Core, actor: CharacterId) -> Result<Ground, Refusal> {
    let state = core.state();
    let area = state.inside(actor).and_then(|area| state.areas.get(&area));
    let area = area.ok_or_else(|| Refusal::new(Code::Offline, "enter the world first"))?;
    if !area.own {
        return Refusal::err(Code::Forbidden, "this ground cannot be claimed");
    }
    Ok((area.name.world.clone(), area.name.ground.to_string()))
}

/// Claims the ground on which a member stands, and pays for it.
///
/// # Errors
/// `offline`, `forbidden`, `already_claimed`, `faction_full`, `not_enough`; nothing is paid then.
pub async fn take(core: &Core, actor: CharacterId) -> Result<Ground, Refusal> {
    let ground = ground_under(core, actor)?;
    let claims = &core.world(&ground.0)?.claims;
    // Asked before anything is written: most refusals cost nothing.
    let faction = claim::may_take(&mut *core.store.reader().await?, actor, &ground).await?;
    let days = u64::from(claims.days);
    let until_ms = clock::unix_ms() + days * DAY_MS;
    let price = i64::from(claims.price) * days as i64;
    let paid = Paid::Taken(actor, ground.clone(), until_ms);
    let op = OpId::new(clock::unix_ms(), random::bytes());
    pay(core, (actor, op), Coins::new(&claims.currency, price), "a claim", paid).await?;
    tell(core, &Changed { faction, grounds: vec![ground.clone()], ..Changed::default() }).await;
    Ok(ground)
}

/// Pays for so many days more; the same operation is done once.
///
/// # Errors
/// `not_found` if it is not the member's faction's; `amount_invalid`, `not_enough`; nothing is paid then.
pub async fn extend(
    core: &Core,
    actor: CharacterId,
    op: OpId,
    ground: Ground,
    days: u32,
) -> Result<(), Refusal> {
    let mut reader = core.store.reader().await?;
    if let Some(answer) = journal::answer(&mut reader, op).await? {
        core.store.flushed().await?;
        return answer.result().map(drop);
    }
    let claims = &core.world(&ground.0)?.claims;
    let more = (u64::from(days) * DAY_MS, AHEAD * u64::from(claims.days) * DAY_MS);
    let claim = claim::own_at(&mut reader, actor, &ground).await?;
    drop(reader);
    if days == 0 {
        return Refusal::err(Code::AmountInvalid, "pay for a day or more");
    }
    claim::extended(claim.until_ms, more.0, more.1)?;
    let price = i64::from(claims.price) * i64::from(days);
    let paid = Paid::Kept(actor, ground.clone(), more.0, more.1);
    pay(core, (actor, op), Coins::new(&claims.currency, price), "a claim's upkeep", paid).await?;
    tell(core, &Changed { faction: claim.faction, grounds: vec![ground], ..Changed::default() }).await;
    Ok(())
}

/// Pays, and writes what is paid for in the same transaction.
async fn pay(
    core: &Core,
    (actor, id): (CharacterId, OpId),
    coins: Coins,
    reason: &str,
    paid: Paid,
) -> Result<(), Refusal> {
    if coins.amount == 0 {
        let done = core.store.write(move |tx| {
            let paid = paid.clone();
            Box::pin(async move { paid.apply(tx).await })
        });
        return done.await;
    }
    let act = Act::Seize { from: actor, gives: Bundle::coins([coins]) };
    let operation = Operation { id, by: Writer::Operator { reason: reason.to_owned() }, act };
    core.ledger.ask(Order::new(Asker::Operator, operation).with(Beside::Ground(paid))).await?.result()?;
    Ok(())
}

/// Says who may do what on a ground.
///
/// # Errors
/// `not_found` if it is not the member's faction's, `forbidden`.
pub async fn allow(
    core: &Core,
    actor: CharacterId,
    ground: Ground,
    rights: [Rights; 3],
) -> Result<(), Refusal> {
    let at = ground.clone();
    let done = core.store.write(move |tx| {
        let at = at.clone();
        Box::pin(async move { claim::allow(tx, actor, &at, rights).await })
    });
    let faction = done.await?;
    tell(core, &Changed { faction, grounds: vec![ground], ..Changed::default() }).await;
    Ok(())
}

/// Gives a ground up.
///
/// # Errors
/// As [`allow`].
pub async fn give_up(core: &Core, actor: CharacterId, ground: Ground) -> Result<(), Refusal> {
    let at = ground.clone();
    let done = core.store.write(move |tx| {
        let at = at.clone();
        Box::pin(async move { claim::give_up(tx, actor, &at).await })
    });
    let faction = done.await?;
    tell(core, &Changed { faction, grounds: vec![ground], ..Changed::default() }).await;
    Ok(())
}

/// Once a second: what is not paid for any more is free.
pub async fn expire(core: &Arc<Core>) {
    let over = async {
        if !claim::any_over(&mut *core.store.reader().await?).await? {
            return Ok::<_, Refusal>(Vec::new());
        }
        core.store.write(|tx| Box::pin(async move { claim::expire(tx).await })).await
    };
    match over.await {
        Ok(over) => {
            for (faction, ground) in over {
                tracing::info!(%faction, ground = format!("{}/{}", ground.0, ground.1), "a claim has run out");
                tell(core, &Changed { faction, grounds: vec![ground], ..Changed::default() }).await;
            }
        }
        Err(refusal) => tracing::warn!(%refusal, "claims that ran out were not looked at"),
    }
}
