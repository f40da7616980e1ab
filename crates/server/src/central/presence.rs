//! Who is in the world, and where: by the seats that area servers registered, and keep by their leases. Friends
//! are told who comes and goes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pangea_world::Refusal;
use pangea_world::id::CharacterId;
use serde_json::json;
use tokio::time::Instant;

use super::core::Core;
use super::state::{State, Taken};
use super::{offers, social};
use crate::store::now_ms;
use crate::store::social::friends::{self, Visible};
use crate::store::social::party;

const EVERY: Duration = Duration::from_secs(1);

/// Who is nowhere for so long is gone: from one server to another he is on none for a moment.
const GONE_AFTER: Duration = Duration::from_secs(3);

/// How often parties and offers are looked through.
const PARTIES_EVERY: Duration = Duration::from_secs(10);

/// Where one who is in the world is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Name of the world.
    pub world: String,
    /// Its map, or cells of the grid.
    pub place: String,
}

/// Where a character is; `None`: not in the world.
pub fn seen(state: &State, character: CharacterId) -> Option<Seen> {
    let area = state.areas.get(&state.inside(character)?)?;
    Some(Seen { world: area.name.world.clone(), place: area.name.ground.to_string() })
}

/// Everybody in the world, or in one of this name.
pub fn everybody(state: &State, world: Option<&str>) -> Vec<CharacterId> {
    let areas = state.areas.values().filter(|area| world.is_none_or(|world| area.name.world == world));
    let inside = areas.flat_map(|area| area.seats.iter().filter(|(_, seat)| seat.taken == Taken::Inside));
    inside.map(|(id, _)| *id).collect()
}

/// Who was in the world lately: in which one, and when last.
type Known = HashMap<CharacterId, (Arc<str>, Instant)>;

/// Tells friends, takes those off their parties who are away for too long, and sends back what nobody bought;
/// until it is dropped.
pub async fn run(core: Arc<Core>) {
    let mut known = Known::new();
    let mut parties_at = Instant::now();
    loop {
        tokio::time::sleep(EVERY).await;
        let changed = look(&core, &mut known);
        for some in changed.chunks(friends::TOGETHER) {
            if let Err(refusal) = tell_friends(&core, some).await {
                tracing::warn!(%refusal, "friends were not told who came and went");
            }
        }
        if Instant::now() >= parties_at {
            parties_at = Instant::now() + PARTIES_EVERY;
            if let Err(refusal) = look_through_parties(&core).await {
                tracing::warn!(%refusal, "parties were not looked through");
            }
            if let Err(refusal) = offers::send_back(&core).await {
                tracing::warn!(%refusal, "offers were not looked through");
            }
        }
    }
}

/// Who came, went, or is in another world now: with the world, or `None`.
fn look(core: &Core, known: &mut Known) -> Vec<(CharacterId, Option<Arc<str>>)> {
    let (mut changed, now) = (Vec::new(), Instant::now());
    let state = core.state();
    for area in state.areas.values() {
        let mut world: Option<Arc<str>> = None;
        for character in area.seats.iter().filter(|(_, seat)| seat.taken == Taken::Inside).map(|(id, _)| id) {
            if let Some((there, at)) = known.get_mut(character)
                && **there == *area.name.world
            {
                *at = now;
                continue;
            }
            let world = world.get_or_insert_with(|| area.name.world.as_str().into()).clone();
            known.insert(*character, (world.clone(), now));
            changed.push((*character, Some(world)));
        }
    }
    drop(state);
    known.retain(|character, (_, at)| {
        let stays = now.saturating_duration_since(*at) < GONE_AFTER;
        if !stays {
            changed.push((*character, None));
        }
        stays
    });
    changed
}

async fn tell_friends(core: &Core, changed: &[(CharacterId, Option<Arc<str>>)]) -> Result<(), Refusal> {
    let who: Vec<CharacterId> = changed.iter().map(|(character, _)| *character).collect();
    let friends = friends::of_these(&mut *core.store.reader().await?, &who).await?;
    for (friend, _, of) in friends.into_iter().filter(|(_, visible, _)| *visible != Visible::Nobody) {
        let Some((_, world)) = changed.iter().find(|(character, _)| *character == friend.id) else {
            continue;
        };
        let notice = json!({"type": "friend", "friend": {
            "id": friend.id, "name": friend.name, "online": world.is_some(), "world": world.as_deref(),
        }});
        social::notify(core, of, &notice);
    }
    Ok(())
}

async fn look_through_parties(core: &Core) -> Result<(), Refusal> {
    if !party::any(&mut *core.store.reader().await?).await? {
        return Ok(());
    }
    let since = now_ms() - 60_000 * core.config.social.party_offline_minutes as i64;
    let changed =
        core.store.write(move |tx| Box::pin(async move { party::take_off(tx, since).await })).await?;
    for changed in &changed {
        social::party_changed(core, changed).await;
    }
    Ok(())
}
