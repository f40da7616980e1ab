//! Whom a character is with, as its area server knows it; and what its client is told of it (docs/social.md).
//!
//! The store has it all. An area server gets a character's [`SocialDoc`] with its admission, after each change,
//! and when it registers anew; what came later is always said later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use pangea_world::Refusal;
use pangea_world::id::CharacterId;
use pangea_world::messages::{Body, Notice, Social};
use pangea_world::social::{PartyDoc, SocialDoc};
use serde_json::{Value, json};

use super::core::Core;
use super::state::State;
use crate::link;
use crate::store::social::party::Changed;
use crate::store::{Connection, Error, social};

/// Characters that share a count: a change of one has another read once more than needed.
const COUNTS: usize = 1_024;

/// How often something changed for characters. A count rises after a change is durable and before it is read
/// to be told: whoever told something, and finds the count as it was before he read it, told the newest.
#[derive(Debug)]
pub struct Changes(Vec<AtomicU64>);

impl Default for Changes {
    fn default() -> Self {
        Self((0..COUNTS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Changes {
    fn of(&self, character: CharacterId) -> &AtomicU64 {
        // Ids are random.
        &self.0[usize::from(u16::from_be_bytes([character.0[14], character.0[15]])) % COUNTS]
    }
}

/// What was read of a character, and when.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// Whom it is with.
    pub doc: SocialDoc,
    count: u64,
}

impl Known {
    /// Of one who was found to be with nobody after its changes were counted.
    pub fn nobody(count: u64) -> Self {
        Self { doc: SocialDoc::default(), count }
    }
}

/// How often something changed for this character, to be asked before anything is read of it.
pub fn count(core: &Core, character: CharacterId) -> u64 {
    core.changes.of(character).load(SeqCst)
}

/// Reads it.
///
/// # Errors
/// If the store cannot be read.
pub async fn read(core: &Core, reader: &mut Connection, character: CharacterId) -> Result<Known, Error> {
    let count = count(core, character);
    Ok(Known { doc: social::doc(reader, character).await?, count })
}

/// The same as it goes over a link; nothing for one who is with nobody.
pub fn bytes(doc: &SocialDoc) -> Vec<u8> {
    if *doc == SocialDoc::default() {
        return Vec::new();
    }
    serde_json::to_vec(doc).unwrap_or_default()
}

/// Something durable has changed for these: their servers are told what holds now.
pub async fn changed(core: &Core, characters: &[CharacterId]) {
    for character in characters {
        core.changes.of(*character).fetch_add(1, SeqCst);
        tell(core, *character).await;
    }
}

/// What was read was told with an admission: if it is not the newest any more, that is told too.
pub async fn admitted(core: &Core, character: CharacterId, known: &Known) {
    if count(core, character) != known.count {
        tell(core, character).await;
    }
}

/// An area server registered anew, with these inside: it may have missed something.
pub fn tell_all(core: &Arc<Core>, characters: Vec<CharacterId>) {
    let core = core.clone();
    crate::task::spawn(async move {
        for character in characters {
            tell(&core, character).await;
        }
    });
}

async fn tell(core: &Core, character: CharacterId) {
    loop {
        if senders(&core.state(), character).is_empty() {
            return; // It is read when it enters.
        }
        let known =
            async { Ok::<_, Refusal>(read(core, &mut *core.store.reader().await?, character).await?) };
        let known = match known.await {
            Ok(known) => known,
            Err(refusal) => {
                return tracing::error!(%character, %refusal, "whom a character is with could not be read");
            }
        };
        let doc = serde_json::to_vec(&known.doc).unwrap_or_default();
        for sender in senders(&core.state(), character) {
            // A link that is full is reset, and then everything is told anew.
            let _ = sender.send(Body::Social(Social { character: character.to_vec(), doc: doc.clone() }));
        }
        if count(core, character) == known.count {
            return;
        }
    }
}

/// The servers that have it, or wait for it.
fn senders(state: &State, character: CharacterId) -> Vec<link::Sender> {
    let seated = state.areas.values().filter(|area| area.seats.contains_key(&character));
    let servers = seated.flat_map(|area| {
        let next = area.moves.as_ref().and_then(|moves| moves.next_server());
        area.server.as_ref().into_iter().chain(next)
    });
    servers.filter_map(|server| server.sender.clone()).collect()
}

/// Tells a character's client something, if it is in the world; nothing that must not be lost.
pub fn notify(core: &Core, character: CharacterId, notice: &Value) {
    let state = core.state();
    let Some(sender) =
        state.inside(character).and_then(|area| state.areas.get(&area)?.server.as_ref()?.sender.clone())
    else {
        return;
    };
    let notice = notice.to_string().into_bytes();
    let _ = sender.send(Body::Notice(Notice { character: character.to_vec(), notice }));
}

/// A party is another one now: its members' servers know, and their clients.
pub async fn party_changed(core: &Core, party: &Changed) {
    changed(core, &party.concerned()).await;
    let notice = |party: Option<&PartyDoc>| json!({"type": "party", "party": party});
    for member in party.party.iter().flat_map(|party| &party.members) {
        notify(core, member.id, &notice(party.party.as_ref()));
    }
    for gone in &party.gone {
        notify(core, *gone, &notice(None));
    }
}
