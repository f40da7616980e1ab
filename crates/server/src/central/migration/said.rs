//! What the servers say of a move: the one to which an area goes, before it has it, and the one that has it.

use std::sync::Arc;
use std::time::Duration;

use pangea_world::id::{AreaId, CharacterId, ServerId};
use pangea_world::messages::{AreaCopied, AreaMoved, Body, Granted, Register, Settled};
use pangea_world::{Code, Refusal};

use super::super::core::Core;
use super::super::state::{PeerAddress, Server};
use super::super::{links, peers, running};
use super::grounds::cuts_after;
use super::{Move, end, gone};
use crate::link::Accepted;
use crate::store::{self, Error};

/// Whether this server is the one to which the area is to go. One that `begins` may register before its spawner's
/// answer has named it, on another link: while nobody is named that is waited for.
pub async fn is_to(core: &Core, area: AreaId, server: ServerId, begins: bool) -> bool {
    let named = async {
        loop {
            let changed = core.changed.notified();
            let to = core.state().areas.get(&area).and_then(|entry| Some(entry.moves.as_ref()?.server));
            match to {
                Some(None) if begins => changed.await,
                to => return to.flatten() == Some(server),
            }
        }
    };
    let most = Duration::from_secs(core.config.central.start_timeout_s);
    tokio::time::timeout(most, named).await.unwrap_or(false)
}

/// The other server registers: it is told what to load, and owns nothing yet.
///
/// # Errors
/// `stale_epoch` if nobody waits for it.
pub async fn register(
    core: &Arc<Core>,
    link: &Accepted,
    server: ServerId,
    (area, register): (AreaId, &Register),
    at: PeerAddress,
) -> Result<(), Refusal> {
    // One that begins has no row yet.
    let (epoch, incarnation) = match store::area::get(&mut *core.store.reader().await?, area).await {
        Ok(row) => (row.epoch + 1, row.incarnation + 1),
        Err(Error::Refused(refusal)) if refusal.code == Code::NotFound => (1, 1),
        Err(error) => return Err(error.into()),
    };
    let mut state = core.state();
    let entry = state.areas.get_mut(&area).ok_or_else(gone)?;
    let moves = entry.moves.as_mut().filter(|moves| moves.server == Some(server) && register.epoch == 0);
    let moves = moves.ok_or_else(|| Refusal::new(Code::StaleEpoch, "another server has this area"))?;
    let name = moves.plan.after.iter().find(|part| part.area == area).map(|part| part.name.clone());
    let (name, plan) = (name.ok_or_else(gone)?, moves.plan.clone());
    let (world, always_on) = (entry.world.clone(), running::is_always_on(&entry.world, &name.ground));
    let there = Server::of_link(link, server, (epoch, incarnation), at);
    moves.there = Some(Server { copies: register.copies, ..there });
    let cuts = cuts_after(&state, &world, &plan);
    drop(state);
    link.sender.send(Body::Granted(Granted {
        beyond: peers::beyond(&world, &cuts, &name.ground),
        always_on,
        waits: true,
        ..links::granted(core, area, (epoch, incarnation), &name)
    }))
}

/// What the other server says before it has the area; `true`: that was all that it meant.
pub fn heard(core: &Core, area: AreaId, server: ServerId, body: &Body) -> bool {
    let mut state = core.state();
    let moves = state.areas.get_mut(&area).and_then(|entry| entry.moves.as_mut());
    let Some(moves) = moves.filter(|moves| moves.server == Some(server)) else { return false };
    let sees = |moves: &mut Move, character: &[u8], run: &[u8], now: bool| {
        let invited = CharacterId::from_bytes(character).ok().and_then(|id| moves.invited.get_mut(&id));
        if let Some((.., sees)) = invited.filter(|(known, ..)| known.0.as_slice() == run) {
            *sees = now;
        }
    };
    match body {
        // Its lease is renewed as anybody's: it must act in the moment in which it has the area.
        Body::Admitted(_) | Body::Heartbeat(_) => return false,
        Body::AreaReady(_) => moves.ready = true,
        Body::CopyShown(_) => moves.copied = true,
        Body::Arrived(arrived) => sees(moves, &arrived.character, &arrived.enter, true),
        Body::SeesNoMore(at) | Body::NoShow(at) => sees(moves, &at.character, &at.transfer, false),
        _ => {}
    }
    drop(state);
    core.changed.notify_waiters();
    true
}

/// Nothing is under way in an area that is to stand still.
pub fn settled(core: &Core, area: AreaId, settled: &Settled) {
    let mut state = core.state();
    let moves = state.areas.get_mut(&area).and_then(|entry| entry.moves.as_mut());
    if let Some(moves) = moves.filter(|moves| moves.transfer.0.as_slice() == settled.transfer) {
        moves.settled = true;
    }
    drop(state);
    core.changed.notify_waiters();
}

/// An area that was to stand still plays on: the move is given up at once, and whoever waits to come in may.
pub fn stays(core: &Core, area: AreaId, moved: &AreaMoved) {
    let first = {
        let state = core.state();
        let moves = state.areas.get(&area).and_then(|entry| entry.moves.as_ref());
        let moves = moves.filter(|moves| moves.transfer.0.as_slice() == moved.transfer && !moves.deciding);
        moves.and_then(|moves| Some((*moves.plan.before.first()?, moves.transfer)))
    };
    if let Some((first, transfer)) = first.filter(|_| !moved.done) {
        let text = "what is under way there is not decided, or it is too large for a move";
        end(core, Some(first), transfer, Refusal::err(Code::AreaUnavailable, text));
    }
}

/// An area says how it stands: that is for those who see where it goes.
pub fn on_copied(core: &Core, area: AreaId, copied: AreaCopied) {
    let state = core.state();
    let moves = state.areas.get(&area).and_then(|entry| entry.moves.as_ref());
    let moves = moves.filter(|moves| moves.transfer.0.as_slice() == copied.transfer && !moves.still);
    if let Some(sender) = moves.and_then(|moves| moves.there.as_ref()?.sender.as_ref()) {
        let _ = sender.send(Body::AreaCopied(copied));
    }
}
