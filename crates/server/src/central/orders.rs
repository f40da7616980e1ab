//! Characters that go on although their clients did not ask for it: by a game master's order, to the place of their
//! faction, at their leader's call. The server that has such a one asks central as for any wish; here it is heard
//! whether it does, and how that ends. Several go together: none is told to go before all are prepared.

use std::sync::Arc;
use std::time::Duration;

use pangea_world::id::{CharacterId, EnterId, ServerId};
use pangea_world::messages::{Body, GoOn, SendOn};
use pangea_world::{Code, Refusal};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::core::Core;
use super::social;
use super::state::State;
use crate::task::mine;
use crate::{link, random};

/// How long a server may take to say whether it asks.
const HEARD: Duration = Duration::from_secs(5);

/// How long the next owner of a character is waited for, if the one that was asked cannot send it on now.
const NEXT_OWNER: Duration = Duration::from_secs(5);

/// How long those who go together wait for the last of them; one for whom all is prepared waits a little longer, and
/// still less than his ticket is good for.
const TOGETHER: Duration = Duration::from_secs(15);

/// Most orders whose end is not known yet.
const MOST: usize = 4_096;

/// Most that is heard of an order: it is asked for, prepared, refused.
const MOST_HEARD: usize = 4;

/// What is heard of an order.
pub enum Heard {
    /// The server of the character has asked for it.
    Asked,
    /// The character was there already.
    Stands,
    /// All is prepared under this id; it waits for the word to go.
    Prepared(EnterId, oneshot::Sender<Result<(), Refusal>>),
    /// It does not go.
    Refused(Refusal),
}

/// The orders whose end is not known yet, by their numbers.
pub type Orders = std::collections::HashMap<u64, mpsc::Sender<Heard>>;

/// One order. It has ended when this is dropped: the character does not go then, unless it was told to.
struct Going {
    core: Arc<Core>,
    order: u64,
    who: CharacterId,
    heard: mpsc::Receiver<Heard>,
    /// It stands there already.
    stands: bool,
}

impl Drop for Going {
    fn drop(&mut self) {
        self.core.state().orders.remove(&self.order);
    }
}

impl Going {
    fn begin(core: &Arc<Core>, who: CharacterId) -> Result<Self, Refusal> {
        let mut state = core.state();
        if state.orders.len() >= MOST {
            return Refusal::err(
                Code::TooManyRequests,
                "too many are sent on at once; try again in a moment",
            );
        }
        // Not counted: a central before this one may have given the same.
        let order = u64::from_be_bytes(random::bytes()).max(1);
        let (tell, heard) = mpsc::channel(MOST_HEARD);
        state.orders.insert(order, tell);
        drop(state);
        Ok(Self { core: core.clone(), order, who, heard, stands: false })
    }

    /// Waits until its server asks for it, or has set it down.
    async fn asked(mut self) -> Result<Self, Refusal> {
        match timeout(HEARD, self.heard.recv()).await {
            Ok(Some(Heard::Stands)) => self.stands = true,
            Ok(Some(Heard::Refused(refusal))) => return Err(refusal),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                return Refusal::err(Code::AreaUnavailable, "the server of that one does not answer");
            }
        }
        Ok(self)
    }

    /// Waits until it is prepared: what it is prepared under, and where to say that it may go.
    async fn prepared(&mut self) -> Result<(EnterId, oneshot::Sender<Result<(), Refusal>>), Refusal> {
        let most = Duration::from_secs(self.core.config.central.enter_wait_s) + HEARD;
        match timeout(most, self.heard.recv()).await {
            Ok(Some(Heard::Prepared(run, go))) => Ok((run, go)),
            Ok(Some(Heard::Refused(refusal))) => Err(refusal),
            _ => Refusal::err(Code::AreaUnavailable, "its server did not say what became of it"),
        }
    }

    /// Waits until its client has followed.
    async fn arrives(&self, run: EnterId) -> Result<(), Refusal> {
        let most = Duration::from_secs(self.core.config.central.seat_hold_s) + NEXT_OWNER;
        let decided = async {
            loop {
                let changed = self.core.changed.notified();
                if !is_under_way(&self.core.state(), run) {
                    return;
                }
                changed.await;
            }
        };
        let _ = timeout(most, decided).await;
        let has_seat = |state: &State| {
            let seats = state.areas.values().filter_map(|area| area.seats.get(&self.who));
            seats.into_iter().any(|seat| seat.run == run)
        };
        if has_seat(&self.core.state()) {
            return Ok(());
        }
        Refusal::err(Code::EnterExpired, "its client did not follow")
    }
}

fn is_under_way(state: &State, run: EnterId) -> bool {
    state.transfers.contains_key(&run) || state.commits.contains_key(&run)
}

/// Something is heard of an order; of one that is over nobody wants to know.
pub fn heard(core: &Core, order: u64, what: Heard) -> bool {
    let tell = core.state().orders.get(&order).cloned();
    tell.is_some_and(|tell| tell.try_send(what).is_ok())
}

/// A server asks for one that was sent on.
///
/// # Errors
/// `enter_expired` if the order is over.
pub fn asked(core: &Core, order: u64) -> Result<(), Refusal> {
    match order == 0 || heard(core, order, Heard::Asked) {
        true => Ok(()),
        false => Err(over()),
    }
}

fn over() -> Refusal {
    Refusal::new(Code::EnterExpired, "this order is over")
}

/// Whether one for whom all is prepared may go; waits for those who go with it.
///
/// # Errors
/// `enter_expired` if the order is over; why another one of them cannot go.
pub async fn may_go(core: &Core, order: u64, run: EnterId) -> Result<(), Refusal> {
    let (go, word) = oneshot::channel();
    if !heard(core, order, Heard::Prepared(run, go)) {
        return Err(over());
    }
    match timeout(TOGETHER + HEARD, word).await {
        Ok(Ok(word)) => word,
        _ => Err(over()),
    }
}

/// The server that has a character, and its link.
pub fn server_of(state: &State, character: CharacterId) -> Option<(ServerId, link::Sender)> {
    let server = state.areas.get(&state.inside(character)?)?.server.as_ref()?;
    Some((server.id, server.sender.clone()?))
}

/// Has the server of a character send it on. One that does not have it any more, or cannot now, is not the last word:
/// whoever has it a moment later is asked once more.
async fn ask(core: &Arc<Core>, who: CharacterId, wish: &GoOn) -> Result<Going, Refusal> {
    let offline = || Refusal::new(Code::Offline, "that one is in no world");
    let mut again = true;
    loop {
        let (server, sender) = server_of(&core.state(), who).ok_or_else(offline)?;
        let going = Going::begin(core, who)?;
        let wish = GoOn { order: going.order, unasked: true, ..wish.clone() };
        sender.send(Body::SendOn(SendOn { character: who.to_vec(), wish: Some(wish) }))?;
        match going.asked().await {
            Err(refusal) if again && matches!(refusal.code, Code::StaleEpoch | Code::AreaUnavailable) => {
                tracing::debug!(character = %who, %refusal, "one is sent on once more");
                again = false;
                let _ = timeout(NEXT_OWNER, another_owner(core, who, server)).await;
            }
            result => return result,
        }
    }
}

/// Waits until another server has a character, or none.
async fn another_owner(core: &Core, who: CharacterId, but: ServerId) {
    loop {
        let changed = core.changed.notified();
        if server_of(&core.state(), who).is_none_or(|(server, _)| server != but) {
            return;
        }
        changed.await;
    }
}

/// Has a character that is in a world go on; it is not asked. Answered as soon as its server works on it; if it does
/// not come after all, `giver` is told, who knows it by `name`.
///
/// # Errors
/// `offline`; `stale_epoch`, `area_unavailable` if nobody has it for long enough to send it on.
pub async fn send(
    core: &Arc<Core>,
    (giver, name): (CharacterId, &str),
    who: CharacterId,
    wish: &GoOn,
) -> Result<(), Refusal> {
    let going = ask(core, who, wish).await?;
    if going.stands {
        return Ok(());
    }
    let (core, name) = (core.clone(), name.to_owned());
    crate::task::spawn(async move {
        // Who goes himself hears it from his own server.
        if let Err(refusal) = follows(going).await
            && giver != who
        {
            let text = format!("{name} does not come: {}", refusal.text);
            let notice = json!({ "type": "command", "text": text, "ok": false, "code": refusal.code });
            social::notify(&core, giver, &notice);
        }
    });
    Ok(())
}

async fn follows(mut going: Going) -> Result<(), Refusal> {
    let (run, go) = going.prepared().await?;
    let _ = go.send(Ok(()));
    going.arrives(run).await
}

/// Sets one down at a place in the area where it is.
///
/// # Errors
/// As [`send`].
pub async fn set_down(core: &Arc<Core>, who: CharacterId, wish: &GoOn) -> Result<(), Refusal> {
    ask(core, who, wish).await.map(drop)
}

/// Has all of these go on, or none of them: nobody is told to go before all are prepared.
///
/// # Errors
/// Why one of them cannot go: then nobody does, and each hears it.
pub async fn send_together(core: &Arc<Core>, members: &[CharacterId], wish: &GoOn) -> Result<(), Refusal> {
    let mut asked = JoinSet::new();
    for who in members.iter().copied() {
        let (core, wish) = (core.clone(), wish.clone());
        asked.spawn(mine(async move {
            let mut going = ask(&core, who, &wish).await?;
            let go = if going.stands { None } else { Some(going.prepared().await?.1) };
            Ok::<_, Refusal>((going, go))
        }));
    }
    let mut ready = Vec::new();
    let all = async {
        while let Some(one) = asked.join_next().await {
            ready.push(one.unwrap_or_else(|_| Refusal::err(Code::Internal, "one of them was lost"))?);
        }
        Ok(())
    };
    let late = || Refusal::err(Code::AreaUnavailable, "not all of them could be prepared in time");
    let all = timeout(TOGETHER, all).await.unwrap_or_else(|_| late());
    for go in ready.iter_mut().filter_map(|(_, go)| go.take()) {
        let _ = go.send(all.clone());
    }
    all
}
