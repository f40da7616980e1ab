//! The chats: where they are, whose names they ask for, and what central has them say.

use std::sync::Arc;
use std::time::Duration;

use pangea_world::chat::place;
use pangea_world::id::{CharacterId, ServerId};
use pangea_world::messages::{AreThere, Body, Known, MAX_LINES, Post, ReadSaid, SaidLine, There, WhoIs};
use pangea_world::{Code, Refusal, name};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::core::Core;
use super::peers;
use super::state::{Chat, PeerAddress};
use crate::link::{Accepted, Event};
use crate::random;
use crate::store::{character, roster};

/// How long a chat that was there before central was started keeps its place; as long as one whose link is lost.
const KEPT: Duration = Duration::from_secs(30);

/// How long a chat may take to read its file.
const CHAT_ANSWERS: Duration = Duration::from_secs(5);

/// How long a chat that takes another one's place may take from its link to its registration.
const REPLACED: Duration = Duration::from_secs(2);

/// Listens to a chat until its link is gone for good.
pub async fn follow(core: Arc<Core>, mut link: Accepted) {
    let name = link.hello.name.clone();
    let _ = link.sender.send(Body::TicketKeys(core.ticket_keys_message()));
    let session = link.hello.link_session.clone();
    while let Some(event) = link.events.recv().await {
        match event {
            Event::Message(Body::Register(register)) => {
                tracing::info!(
                    chat = name,
                    address = register.address,
                    port = register.port,
                    "a chat is here"
                );
                let peer = PeerAddress {
                    server: session.clone(),
                    address: register.address,
                    port: register.port,
                    tls: register.tls,
                    certificate: register.certificate,
                    webtransport: None,
                };
                let bus = register.bus;
                written_there(&core, &name, &peer, bus).await;
                let chat = Chat { peer, bus, sender: Some(link.sender.clone()) };
                let older = core.state().chats.insert(name.clone(), chat);
                let gone = older.map(|older| older.peer.server).filter(|older| *older != session);
                peers::chats_changed(&core, gone);
            }
            Event::Message(Body::SaidLines(said)) => {
                let waits = core.state().looks.remove(&said.request);
                if let Some(waits) = waits {
                    // Who asked may have gone away.
                    let _ = waits.send(said);
                }
            }
            Event::Message(Body::AreThere(asked)) => {
                // One that is not told asks again.
                let _ = link.sender.send(Body::There(there(&core, asked)));
            }
            Event::Message(Body::WhoIs(who)) => {
                let (core, sender) = (core.clone(), link.sender.clone());
                crate::task::spawn(async move {
                    if let Some(known) = who_is(&core, who).await {
                        // A chat that is not told asks again.
                        let _ = sender.send(Body::Known(known));
                    }
                });
            }
            _ => {}
        }
    }
    drop(link);
    // If another process has taken its place it registers now, and its channels stay where they are.
    tokio::time::sleep(REPLACED).await;
    forget(&core, &name, |chat| chat.peer.server == session).await;
}

/// A chat of which this is true is gone.
async fn forget(core: &Core, name: &str, is_gone: impl Fn(&Chat) -> bool) {
    let gone = {
        let mut state = core.state();
        match state.chats.get(name).is_some_and(is_gone) {
            true => state.chats.remove(name),
            false => None,
        }
    };
    let Some(Chat { peer, bus, .. }) = gone else { return };
    tracing::warn!(chat = name, "a chat is gone");
    let (key, text) = (name.to_owned(), roster_text(&peer, bus));
    let written = core.store.write(move |tx| {
        let (key, text) = (key.clone(), text.clone());
        Box::pin(async move { roster::remove(tx, &key, &text).await })
    });
    if let Err(refusal) = written.await {
        tracing::warn!(chat = name, %refusal, "it is not written that a chat is gone");
    }
    peers::chats_changed(core, Some(peer.server));
}

// ---- over a start of central ----

fn roster_text(peer: &PeerAddress, bus: bool) -> String {
    serde_json::json!({ "peer": peer, "bus": bus }).to_string()
}

/// Before anybody is told of it: so central knows it when it is started again.
async fn written_there(core: &Core, name: &str, peer: &PeerAddress, bus: bool) {
    let (key, text) = (name.to_owned(), roster_text(peer, bus));
    let written = core.store.write(move |tx| {
        let (key, text) = (key.clone(), text.clone());
        Box::pin(async move { roster::set(tx, &key, &text).await })
    });
    if let Err(refusal) = written.await {
        tracing::warn!(chat = name, %refusal, "it is not written that a chat is here");
    }
}

/// The chats that were there when central ended are named as before until they are back: else an area server that
/// comes back sooner than they do would look for a channel at another chat than the others do.
///
/// # Errors
/// If the store fails.
pub async fn read(core: &Core) -> Result<(), Refusal> {
    let rows = roster::all(&mut *core.store.reader().await?).await?;
    let mut state = core.state();
    for (name, text) in rows {
        let Ok(row) = serde_json::from_str::<Row>(&text) else { continue };
        state.chats.insert(name, Chat { peer: row.peer, bus: row.bus, sender: None });
    }
    Ok(())
}

#[derive(Deserialize)]
struct Row {
    peer: PeerAddress,
    bus: bool,
}

/// Those that do not come back have no place any more.
pub async fn forget_absent(core: Arc<Core>) {
    tokio::time::sleep(KEPT).await;
    let names: Vec<String> = core.state().chats.keys().cloned().collect();
    for name in names {
        forget(&core, &name, |chat| chat.sender.is_none()).await;
    }
}

/// Who of these has a seat in an area that this server has, or is about to take over.
fn there(core: &Core, asked: AreThere) -> There {
    let AreThere { server, mut characters } = asked;
    let Ok(id) = server.parse::<ServerId>() else { return There { server, characters: Vec::new() } };
    let state = core.state();
    let areas: Vec<_> = state.areas.values().filter(|area| area.is_served_by(id)).collect();
    characters.retain(|character| {
        let character = CharacterId::from_bytes(character);
        character.is_ok_and(|character| areas.iter().any(|area| area.seats.contains_key(&character)))
    });
    There { server, characters }
}

/// None: it cannot be said now.
async fn who_is(core: &Core, who: WhoIs) -> Option<Known> {
    let WhoIs { request, name } = who;
    let nobody = Known { request, ..Known::default() };
    let Ok(checked) = name::check(&name) else { return Some(nobody) };
    let mut reader = core.store.reader().await.ok()?;
    match character::by_name(&mut reader, &checked).await.map_err(Refusal::from) {
        Ok(found) => Some(Known { request, character: found.id.to_vec(), name: found.name }),
        Err(refusal) if refusal.code == Code::UnknownCharacter => Some(nobody),
        Err(_) => None,
    }
}

/// What was said, newest first, of all chats together; for moderators.
#[derive(Debug)]
pub struct Page {
    /// At most as many as were asked for.
    pub lines: Vec<SaidLine>,
    /// Before which time the next page begins; none: this was the last one.
    pub next_ms: Option<u64>,
}

/// A page of what was said. All lines of one millisecond are on the same page, unless they alone are too many.
///
/// # Errors
/// `chat_unavailable` if no chat is here, or one does not answer.
pub async fn said(core: &Core, wanted: &ReadSaid) -> Result<Page, Refusal> {
    let most = wanted.most.min(MAX_LINES as u32);
    let silent = || Refusal::new(Code::ChatUnavailable, "a chat does not answer");
    let mut open = Vec::new();
    {
        let mut state = core.state();
        state.looks.retain(|_, waits| !waits.is_closed());
        let chats: Vec<_> = state.chats.values().map(|chat| chat.sender.clone()).collect();
        for chat in chats {
            let chat = chat.ok_or_else(silent)?;
            let (tell, answer) = oneshot::channel();
            let request = state.next_request();
            chat.send(Body::ReadSaid(ReadSaid { request, most: most + 1, ..wanted.clone() }))?;
            state.looks.insert(request, tell);
            open.push(answer);
        }
    }
    if open.is_empty() {
        return Refusal::err(Code::ChatUnavailable, "no chat is connected");
    }
    let mut lines = Vec::new();
    for answer in open {
        match tokio::time::timeout(CHAT_ANSWERS, answer).await {
            Ok(Ok(said)) if !said.failed => lines.extend(said.lines),
            _ => return Err(silent()),
        }
    }
    Ok(page(lines, most as usize))
}

fn page(mut lines: Vec<SaidLine>, most: usize) -> Page {
    let at = |said: &SaidLine| said.line.as_ref().map_or(0, |line| line.at_ms);
    lines.sort_by_key(|said| std::cmp::Reverse(at(said)));
    if lines.len() <= most {
        return Page { lines, next_ms: None };
    }
    let cut = at(&lines[most]);
    lines.truncate(most);
    let whole = lines.iter().take_while(|said| at(said) > cut).count();
    if whole == 0 {
        return Page { lines, next_ms: Some(cut) };
    }
    lines.truncate(whole);
    Page { lines, next_ms: Some(cut + 1) }
}

/// Has the system say this: to everybody in a world, or everywhere.
///
/// # Errors
/// `chat_unavailable` if no chat is here.
pub fn announce(core: &Core, world: Option<&str>, text: String) -> Result<(), Refusal> {
    let channel = world.map_or("system".to_owned(), |world| format!("world/{world}"));
    let nobody = || Refusal::new(Code::ChatUnavailable, "no chat is connected");
    let state = core.state();
    let chat = place(&channel, state.chats.keys().map(String::as_str)).ok_or_else(nobody)?;
    let post = Post {
        channel: channel.clone(),
        sender: vec![0; 16],
        account: vec![0; 16],
        id: u64::from_le_bytes(random::bytes()),
        text,
        ..Post::default()
    };
    let chat = state.chats.get(chat).and_then(|chat| chat.sender.as_ref());
    chat.map_or_else(|| Err(nobody()), |sender| sender.send(Body::Announce(post)))
}

#[cfg(test)]
mod tests {
    use pangea_world::messages::Line;

    use super::*;

    fn said(times: &[u64]) -> Vec<SaidLine> {
        let line = |at_ms: &u64| Line { at_ms: *at_ms, ..Line::default() };
        times.iter().map(|at_ms| SaidLine { line: Some(line(at_ms)), ..SaidLine::default() }).collect()
    }

    #[test]
    fn pages_leave_nothing_out_and_give_nothing_twice() {
        for (times, most, shown, next_ms) in [
            (&[1, 3, 2][..], 3, &[3, 2, 1][..], None),
            (&[5, 4, 3], 2, &[5, 4], Some(4)),
            (&[5, 4, 4], 2, &[5], Some(5)),
            (&[4, 4, 4], 2, &[4, 4], Some(4)),
            (&[], 2, &[], None),
        ] {
            let page = page(said(times), most);
            let found: Vec<u64> =
                page.lines.iter().filter_map(|said| Some(said.line.as_ref()?.at_ms)).collect();
            assert_eq!((found.as_slice(), page.next_ms), (shown, next_ms), "{times:?}");
        }
    }
}
