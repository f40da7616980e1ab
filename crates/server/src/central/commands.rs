//! Commands that characters give in their chat: who may, what it does, and the answer (docs/moderation.md).

use std::collections::HashSet;
use std::sync::Arc;

use pangea_world::command::{self, Command};
use pangea_world::id::{AreaId, CharacterId};
use pangea_world::messages::{self, GoOn};
use pangea_world::space::Place;
use pangea_world::{Code, Refusal, name};
use serde_json::json;
use tokio::time::Instant;

use super::core::Core;
use super::moderation::{self as peace, By};
use super::{orders, presence, social};
use crate::address::Net;
use crate::store::audit::{self, Note};
use crate::store::moderation::{self, Subject};
use crate::store::social::search::{self, Found, Wanted};
use crate::store::{character, faction, now_ms};

/// Most characters that `/who` names.
const WHO_MAX: usize = 50;

/// Does what a character asked for in this area, and answers it.
pub async fn run(core: Arc<Core>, area: AreaId, asked: messages::Command) {
    let Ok(id) = CharacterId::from_bytes(&asked.character) else { return };
    let here = |seat: &super::state::Seat| seat.epoch == asked.epoch;
    let known = core.state().areas.get(&area).and_then(|entry| entry.seats.get(&id)).is_some_and(here);
    if !known {
        return; // Another area has it by now.
    }
    let answer = if core.commands.take(id, Instant::now()) {
        obey(&core, id, &asked.text).await
    } else {
        Refusal::err(Code::TooManyRequests, "too many commands; wait a moment")
    };
    let notice = match answer {
        Ok(Answer::Said(text)) => json!({ "type": "command", "text": text, "ok": true }),
        Ok(Answer::Help(level)) => {
            let commands: Vec<_> = command::for_level(level)
                .map(|entry| json!({ "shape": entry.shape(), "does": entry.does }))
                .collect();
            json!({ "type": "command", "text": command::help(level), "ok": true, "commands": commands })
        }
        Err(refusal) => {
            json!({ "type": "command", "text": refusal.text, "ok": false, "code": refusal.code })
        }
    };
    social::notify(&core, id, &notice);
}

/// What is told of a command that was obeyed.
enum Answer {
    Said(String),
    /// What one of this level may write.
    Help(u8),
}

async fn obey(core: &Arc<Core>, id: CharacterId, text: &str) -> Result<Answer, Refusal> {
    let giver = moderation::of_character(&mut *core.store.reader().await?, id).await?;
    let command = command::read(text, giver.level)?;
    let by = |why: String| By { actor: giver.account.to_string(), why };
    let until = |minutes: u64| now_ms() + minutes as i64 * 60_000;
    Ok(Answer::Said(match command {
        Command::Help => return Ok(Answer::Help(giver.level)),
        Command::Who => who(core, id).await?,
        Command::Recall => {
            recall(core, id).await?;
            "on your way".to_owned()
        }
        Command::Report(other, text) => {
            let (other, _) = named(core, &other).await?;
            peace::report(core, id, other, &text).await?;
            "noted; the moderators will look at it".to_owned()
        }
        Command::Mute(other, minutes, why) => {
            let (_, below) = below(core, &giver, &other).await?;
            peace::mute(core, &by(why), below.account, until(minutes)).await?;
            format!("{other} may not speak for {minutes} minutes")
        }
        Command::Unmute(other) => {
            let (_, below) = below(core, &giver, &other).await?;
            peace::mute(core, &by(String::new()), below.account, 0).await?;
            format!("{other} may speak")
        }
        Command::Kick(other, why) => {
            let (_, below) = below(core, &giver, &other).await?;
            let was = peace::kick(core, &by(why), below.account).await?;
            if was { format!("{other} is out") } else { format!("{other} is not logged in") }
        }
        Command::Ban(other, minutes, why) => {
            let (_, below) = below(core, &giver, &other).await?;
            peace::ban(core, &by(why), below.account, until(minutes)).await?;
            format!("{other} is banned for {} hours", minutes / 60)
        }
        Command::Unban(other) => {
            let (_, below) = below(core, &giver, &other).await?;
            peace::ban(core, &by(String::new()), below.account, 0).await?;
            format!("{other} may come again")
        }
        Command::BanAddress(other, minutes, why) => {
            let net = match Net::read(&other) {
                Some(net) => net,
                None => address_of(&below(core, &giver, &other).await?.1)?,
            };
            peace::ban_address(core, &by(why), net, until(minutes)).await?;
            format!("{net} is kept out for {} hours", minutes / 60)
        }
        Command::UnbanAddress(other) => {
            let net = Net::read(&other);
            let net = net.ok_or_else(|| Refusal::new(Code::BadRequest, "that is no address"))?;
            peace::ban_address(core, &by(String::new()), net, 0).await?;
            format!("{net} may come again")
        }
        Command::Announce(text) => {
            peace::announce(core, &by(String::new()), &text, None).await?;
            "said to all".to_owned()
        }
        Command::GoTo(other) => {
            let (other_id, _) = named(core, &other).await?;
            let wish = beside(core, other_id).await?;
            note(core, &giver, "goto", other_id, text).await?;
            orders::send(core, (id, ""), id, &wish).await?;
            "on your way".to_owned()
        }
        Command::Bring(other) => {
            let (other_id, _) = below(core, &giver, &other).await?;
            let wish = beside(core, id).await?;
            note(core, &giver, "bring", other_id, text).await?;
            take_along(core, (id, &other), other_id, wish).await?;
            format!("{other} is on the way")
        }
        Command::Send(other, world, map) => {
            let (other_id, _) = below(core, &giver, &other).await?;
            let world = core.world(&world)?.clone();
            if let Some(map) = &map {
                let pangea_world::world::Kind::Maps(maps) = &world.kind else {
                    return Refusal::err(
                        Code::UnknownMap,
                        format!("the world «{}» has no maps", world.title),
                    );
                };
                maps.map(map)?;
            }
            let wish = GoOn { world: world.name.clone(), map: map.unwrap_or_default(), ..GoOn::default() };
            note(core, &giver, "send", other_id, text).await?;
            orders::send(core, (id, &other), other_id, &wish).await?;
            format!("{other} is on the way")
        }
    }))
}

/// Whom a name means, and whose that is.
pub async fn named(core: &Core, text: &str) -> Result<(CharacterId, Subject), Refusal> {
    let unknown = || Refusal::new(Code::UnknownCharacter, format!("nobody is called «{text}»"));
    let name = name::check(text).map_err(|_| unknown())?;
    let mut reader = core.store.reader().await?;
    let found = character::by_name(&mut reader, &name).await.map_err(|_| unknown())?.id;
    Ok((found, moderation::of_character(&mut reader, found).await?))
}

/// The same, of somebody whom the giver may touch: of a lower level.
async fn below(core: &Core, giver: &Subject, text: &str) -> Result<(CharacterId, Subject), Refusal> {
    let (id, subject) = named(core, text).await?;
    if subject.level >= giver.level {
        return Refusal::err(Code::Forbidden, "that one is not below you");
    }
    Ok((id, subject))
}

/// From where somebody logged in last.
///
/// # Errors
/// `not_found` if that is not known.
pub fn address_of(subject: &Subject) -> Result<Net, Refusal> {
    let unknown = || Refusal::new(Code::NotFound, "nobody knows from where that one came");
    Net::read(&subject.address).ok_or_else(unknown)
}

async fn note(
    core: &Core,
    giver: &Subject,
    action: &'static str,
    target: CharacterId,
    text: &str,
) -> Result<(), Refusal> {
    let (actor, target) = (giver.account.to_string(), target.to_string());
    let detail = text.to_owned();
    let done = core.store.write(move |tx| {
        let (actor, target, detail) = (actor.clone(), target.clone(), detail.clone());
        Box::pin(async move {
            audit::append(tx, Note { actor: &actor, action, target: &target, detail: &detail }).await
        })
    });
    done.await
}

// ---- places ------------------------------------------------------------------------------------------

/// To where a character stands: its world, its layer, its place.
async fn beside(core: &Core, who: CharacterId) -> Result<GoOn, Refusal> {
    let offline = || Refusal::new(Code::Offline, "that one is in no world");
    let name = {
        let state = core.state();
        let area = state.inside(who).and_then(|area| state.areas.get(&area));
        area.ok_or_else(offline)?.name.clone()
    };
    let place = character::get(&mut *core.store.reader().await?, who).await?.place;
    let mut wish =
        GoOn { world: name.world.clone(), layer_plus_one: u32::from(name.layer) + 1, ..GoOn::default() };
    match place.filter(|place| place.world == name.world) {
        Some(place) => {
            (wish.at, wish.x, wish.y) = (true, place.x, place.y);
            wish.map = place.map.unwrap_or_default();
        }
        None => wish.map = name.ground.to_string(),
    }
    Ok(wish)
}

/// Has somebody go on; one that is in no world is set down there.
async fn take_along(
    core: &Arc<Core>,
    giver: (CharacterId, &str),
    who: CharacterId,
    wish: GoOn,
) -> Result<(), Refusal> {
    let inside = core.state().inside(who).is_some();
    if inside || !wish.at {
        return orders::send(core, giver, who, &wish).await;
    }
    let place =
        Place { world: wish.world, map: (!wish.map.is_empty()).then_some(wish.map), x: wish.x, y: wish.y };
    let done = core.store.write(move |tx| {
        let place = place.clone();
        Box::pin(async move { character::put(tx, who, &place).await })
    });
    done.await
}

/// To the place of one's faction: of the one that players have founded, else of the world's file, else the world's.
async fn recall(core: &Arc<Core>, who: CharacterId) -> Result<(), Refusal> {
    let (found, home) = {
        let mut reader = core.store.reader().await?;
        (character::get(&mut reader, who).await?, faction::spawn_of(&mut reader, who).await?)
    };
    let world = core.world(home.as_ref().map_or(found.world.as_str(), |home| &home.world))?;
    let faction = found.faction.as_deref().filter(|faction| world.faction(faction).is_ok());
    let to = match home {
        Some(home) => home,
        None => world.spawn(faction)?,
    };
    let layer_plus_one = {
        let state = core.state();
        let ground = state.ground_at(world, &to)?;
        let area = state.inside(who).and_then(|area| state.areas.get(&area));
        let there = area.filter(|area| area.name.world == to.world && area.name.ground == ground);
        there.map_or(0, |area| u32::from(area.name.layer) + 1)
    };
    let map = to.map.unwrap_or_default();
    let wish = GoOn { world: to.world, map, at: true, x: to.x, y: to.y, layer_plus_one, ..GoOn::default() };
    orders::send(core, (who, ""), who, &wish).await
}

/// Names of those in one's world, as far as they want to be seen, each with the faction that it is a member of.
async fn who(core: &Core, me: CharacterId) -> Result<String, Refusal> {
    let inside: HashSet<CharacterId> = {
        let state = core.state();
        let area = state.inside(me).and_then(|area| state.areas.get(&area));
        let world = area.map(|area| area.name.world.clone()).unwrap_or_default();
        presence::everybody(&state, Some(&world)).into_iter().collect()
    };
    let mut reader = core.store.reader().await?;
    let found = search::of_these(&mut reader, &Wanted::default(), &inside, WHO_MAX).await?;
    let name = |found: Found| match found.founded {
        Some((_, faction)) => format!("{} ‹{faction}›", found.who.name),
        None => found.who.name,
    };
    let names: Vec<String> = found.into_iter().map(name).collect();
    Ok(format!("{} in this world: {}", inside.len(), names.join(", ")))
}
