//! The chats: where they are, whose names they ask for, and what central has them say.

use std::sync::Arc;

use pangea_world::chat::place;
use pangea_world::messages::{Body, Known, Post, WhoIs};
use pangea_world::{Code, Refusal, name};

use super::core::Core;
use super::peers;
use super::state::{Chat, PeerAddress};
use crate::link::{Accepted, Event};
use crate::random;
use crate::store::character;

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
                let chat = Chat { peer, bus: register.bus, sender: link.sender.clone() };
                let older = core.state().chats.insert(name.clone(), chat);
                let gone = older.map(|older| older.peer.server).filter(|older| *older != session);
                peers::chats_changed(&core, gone);
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
    let ours = {
        let mut state = core.state();
        let ours = state.chats.get(&name).is_some_and(|chat| chat.peer.server == session);
        if ours {
            state.chats.remove(&name);
        }
        ours
    };
    if ours {
        tracing::warn!(chat = name, "a chat is gone");
        peers::chats_changed(&core, Some(session));
    }
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
    state.chats.get(chat).map_or_else(|| Err(nobody()), |chat| chat.sender.send(Body::Announce(post)))
}
