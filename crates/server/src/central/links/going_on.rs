//! A player wishes to go elsewhere, from inside the game.

use std::sync::Arc;
use std::time::Duration;

use pangea_world::id::{AreaId, CharacterId, EnterId};
use pangea_world::messages::{Body, GoOn, GoOnReply};
use pangea_world::{Code, Refusal};
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::core::Core;
use super::super::handoff;
use super::super::join::{self, Want};
use super::super::orders::{self, Heard};
use super::super::wish::{EnterWish, Progress};
use crate::link::{self};
use crate::{clock, random};

/// A wish from inside the game takes the same line as one from outside (G1, G2, K16).
pub(super) async fn go_on(core: Arc<Core>, sender: link::Sender, area: AreaId, wish: GoOn) {
    let run = EnterId(random::bytes());
    let reply = |progress: &Progress| {
        let mut reply = GoOnReply {
            request: wish.request,
            state: progress.state().to_owned(),
            character: wish.character.clone(),
            ..Default::default()
        };
        match progress {
            Progress::Queued { position } => reply.position = *position,
            Progress::Ready(prepared) => {
                (reply.url, reply.ticket, reply.plain) =
                    (prepared.url.clone(), prepared.ticket.clone(), prepared.plain);
                (reply.transfer, reply.area) = (run.to_vec(), prepared.area.clone());
                if let Some(offer) = &prepared.webtransport {
                    reply.webtransport_url = offer.url.clone();
                    reply.webtransport_hashes = offer.hash_bytes();
                }
            }
            Progress::Refused(refusal) => reply.refused = Some(link::from_refusal(refusal)),
            _ => {}
        }
        let _ = sender.send(Body::GoOnReply(reply));
    };
    let want = orders::asked(&core, wish.order).and_then(|()| go_on_want(&core, area, &wish, run));
    let want = match want {
        Ok(want) => want,
        Err(refusal) => {
            orders::heard(&core, wish.order, Heard::Refused(refusal.clone()));
            return reply(&Progress::Refused(refusal));
        }
    };
    let (progress, mut watching) = watch::channel(Progress::Queued { position: 0 });
    let joining = join::join(&core, &want, &progress);
    tokio::pin!(joining);
    let deadline = tokio::time::sleep(Duration::from_secs(core.config.central.enter_wait_s));
    tokio::pin!(deadline);
    let result = loop {
        tokio::select! {
            biased;
            result = &mut joining => break result,
            Ok(()) = watching.changed() => reply(&watching.borrow_and_update().clone()),
            () = &mut deadline => break Refusal::err(Code::EnterExpired, "there was no room in time; ask again"),
        }
    };
    let result = match result {
        Ok(prepared) if wish.order != 0 => orders::may_go(&core, wish.order, run).await.map(|()| prepared),
        result => result,
    };
    match result {
        Ok(prepared) => reply(&Progress::Ready(prepared)),
        Err(refusal) => {
            {
                let mut state = core.state();
                state.transfers.remove(&want.run);
                state.forget_run(want.run, want.character);
            }
            orders::heard(&core, wish.order, Heard::Refused(refusal.clone()));
            reply(&Progress::Refused(refusal));
        }
    }
}

fn go_on_want(core: &Core, area: AreaId, wish: &GoOn, run: EnterId) -> Result<Want, Refusal> {
    let character = CharacterId::from_bytes(&wish.character)
        .map_err(|_| Refusal::new(Code::BadRequest, "no character"))?;
    let state = core.state();
    let entry =
        state.areas.get(&area).ok_or_else(|| Refusal::new(Code::AreaUnavailable, "the area is gone"))?;
    let seat = entry.seats.get(&character).filter(|seat| seat.epoch == wish.epoch);
    let seat = seat.ok_or_else(|| Refusal::new(Code::StaleEpoch, "this area does not have the character"))?;
    let world = if wish.world.is_empty() { entry.name.world.clone() } else { wish.world.clone() };
    let at = wish.at.then(|| handoff::portal_place(&world, &wish.map, wish.x, wish.y));
    let wished = EnterWish {
        character: Some(character),
        world: Some(world),
        map: (!wish.map.is_empty()).then(|| wish.map.clone()),
        layer: wish.layer_plus_one.checked_sub(1).map(|layer| layer as u16),
        rule: (!wish.rule.is_empty()).then(|| wish.rule.clone()),
        friend: (!wish.friend.is_empty()).then(|| wish.friend.clone()),
        ..EnterWish::default()
    };
    Ok(Want {
        enter: None,
        run,
        account: seat.account,
        session: seat.session,
        character,
        wish: wished,
        from: Some((area, wish.epoch)),
        border: wish.border,
        at,
        created: clock::unix_ms() as i64,
        asked: Instant::now(),
    })
}
