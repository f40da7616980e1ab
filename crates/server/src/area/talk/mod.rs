//! What is said and heard here (docs/chat.md): which channels the characters are in, how far each client has
//! heard them, and what is on its way to chat. Lines are told at the end of a tick, in the frame of the update, and
//! are encoded once for all who hear the same.
//!
//! | file | knows |
//! |---|---|
//! | `ears` | who is in which channel, and how far he has heard |
//! | `say` | what characters say: to chat, or aloud to who is near |
//! | `hear` | what chats say, and telling it at the end of a tick |
//! | `lines` | lines as bytes |

mod ears;
mod hear;
mod lines;
mod say;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use pangea_world::chat::{self, Kind, Log, Rate};
use pangea_world::frames::MAX_CHAT_LINES;
use pangea_world::id::CharacterId;
use pangea_world::messages::{Audience, Body, Listen, Listener, Post, ReadLines, Unlisten};

use super::client::Client;
use super::here::{Here, IdHasher};
use crate::link::Sender;

/// Kinds of channel.
const KINDS: usize = Kind::ALL.len();

/// Lines whose numbers are remembered: so many may be unanswered at a client, which says all of them again.
const REMEMBERED: usize = 64;

/// By character.
type ByCharacter<T> = HashMap<CharacterId, T, BuildHasherDefault<IdHasher>>;

/// All that is said and heard in an area.
#[derive(Debug, Default)]
pub struct Talk {
    chats: BTreeMap<Arc<str>, Chat>,
    /// Those that somebody here is in.
    channels: HashMap<String, Channel>,
    ears: ByCharacter<Ear>,
    /// Who came and left since the chats were told.
    came: Vec<Listener>,
    left: Vec<Vec<u8>>,
    /// What chats are told after that, at the end of the tick: one by one it would wake the link for each.
    later: Vec<(Arc<str>, Body)>,
    /// By sender and its number.
    pending: BTreeMap<(CharacterId, u64), Pending>,
    /// Channels with lines that were not told yet.
    fresh: Vec<String>,
    /// Who has missed lines that the chat could not read: they are asked for again.
    unread: BTreeSet<(String, CharacterId)>,
    look_at_ms: u64,
}

#[derive(Debug)]
struct Chat {
    sender: Sender,
    up: bool,
}

#[derive(Debug)]
struct Channel {
    kind: Kind,
    /// What its place among the chats is found by.
    key: String,
    /// Which chat has it.
    at: Option<Arc<str>>,
    /// None: the chat has not said where it stands.
    log: Option<Log>,
    /// The number of the last line that was told.
    told: u64,
    members: Vec<CharacterId>,
}

/// One who hears.
#[derive(Debug)]
struct Ear {
    /// The client that said how far it has heard; another one hears nothing before it says so.
    slot: Option<usize>,
    channels: [Option<String>; KINDS],
    hears: [Hears; KINDS],
    /// Of each kind, what its client had heard when it came: log and number.
    marks: [Option<(u64, u64)>; KINDS],
    rates: [Rate; KINDS],
    /// The numbers of what it said last, the newest first; at most [`REMEMBERED`].
    said: VecDeque<u64>,
    reads: Rate,
    /// Accounts that it does not hear, as bytes.
    blocked: Vec<[u8; 16]>,
}

/// How far somebody has heard a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Hears {
    /// Its client has said nothing yet.
    #[default]
    Nothing,
    /// The chat has not said yet where the channel stands.
    Soon,
    /// Up to this line; those after it are being read.
    Behind(u64),
    /// Up to this line, and all that follow.
    All(u64),
}

#[derive(Debug)]
struct Pending {
    post: Post,
    chat: Arc<str>,
    until_ms: u64,
}

impl Talk {
    fn place(&self, key: &str) -> Option<Arc<str>> {
        let place = chat::place(key, self.chats.keys().map(|name| &**name))?;
        self.chats.get_key_value(place).map(|(name, _)| name.clone())
    }

    /// Tells a chat; false if it is not there, or has no room.
    fn tell(&self, chat: Option<&Arc<str>>, body: Body) -> bool {
        let chat = chat.and_then(|name| self.chats.get(name)).filter(|chat| chat.up);
        chat.is_some_and(|chat| chat.sender.send(body).is_ok())
    }

    /// A character's client is gone, or another one: it hears nothing before it says how far it has heard.
    pub fn forget_client(&mut self, character: CharacterId) {
        if let Some(ear) = self.ears.get_mut(&character) {
            ear.slot = None;
            ear.hears = Default::default();
        }
    }

    /// A character is not here any more.
    pub fn leave(&mut self, character: CharacterId) {
        let Some(ear) = self.ears.remove(&character) else { return };
        for name in ear.channels.into_iter().flatten() {
            self.leave_channel(character, &name);
        }
        self.came.retain(|listener| listener.character != character.0);
        self.left.push(character.to_vec());
        let first = (character, 0);
        let theirs: Vec<_> = self.pending.range(first..=(character, u64::MAX)).map(|(key, _)| *key).collect();
        theirs.iter().for_each(|key| drop(self.pending.remove(key)));
    }

    fn join_channel(&mut self, character: CharacterId, kind: Kind, name: &str, key: String) {
        if let Some(channel) = self.channels.get_mut(name) {
            return channel.members.push(character);
        }
        let at = self.place(&key);
        let members = vec![character];
        let channel = Channel { kind, key, at: at.clone(), log: None, told: 0, members };
        self.channels.insert(name.to_owned(), channel);
        self.tell_later(at, Body::Listen(Listen { channel: name.to_owned(), log: 0, seq: 0 }));
    }

    fn leave_channel(&mut self, character: CharacterId, name: &str) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        channel.members.retain(|member| *member != character);
        if channel.members.is_empty() {
            let at = channel.at.clone();
            self.channels.remove(name);
            self.tell_later(at, Body::Unlisten(Unlisten { channel: name.to_owned() }));
        }
    }

    /// The chats are others: channels whose place is another one go on there. One that is there again goes on
    /// with its log; another one has a log of its own, of which nobody here has seen anything.
    fn place_anew(&mut self) {
        self.tell_waiting();
        let names: Vec<String> = self.channels.keys().cloned().collect();
        for name in names {
            let at = self.channels.get(&name).and_then(|channel| self.place(&channel.key));
            let Some(channel) = self.channels.get_mut(&name).filter(|channel| channel.at != at) else {
                continue;
            };
            let old = std::mem::replace(&mut channel.at, at.clone());
            let (log, seq) = channel.log.as_ref().map_or((0, 0), |log| (log.id(), log.last()));
            self.tell(old.as_ref(), Body::Unlisten(Unlisten { channel: name.clone() }));
            self.tell(at.as_ref(), Body::Listen(Listen { channel: name, log, seq }));
        }
    }

    /// A chat is told all: it may remember nothing of us, and what was said while it was away was not sent.
    fn begin_anew(&mut self, chat: &Arc<str>, everybody: Vec<Listener>) {
        self.tell_waiting();
        let audience = Audience { all: true, came: everybody, left: Vec::new() };
        self.tell(Some(chat), Body::Audience(audience));
        for (name, channel) in self.channels.iter().filter(|(_, channel)| channel.at.as_ref() == Some(chat)) {
            let (log, seq) = channel.log.as_ref().map_or((0, 0), |log| (log.id(), log.last()));
            self.tell(Some(chat), Body::Listen(Listen { channel: name.clone(), log, seq }));
            for member in &channel.members {
                let hears = self.ears.get(member).map(|ear| ear.hears[channel.kind as usize]);
                if let Some(Hears::Behind(seq)) = hears {
                    self.read_on(channel, name, *member, seq);
                }
            }
        }
        for pending in self.pending.values().filter(|pending| pending.chat == *chat) {
            self.tell(Some(chat), Body::Post(pending.post.clone()));
        }
    }

    fn tell_later(&mut self, chat: Option<Arc<str>>, body: Body) {
        self.later.extend(chat.map(|chat| (chat, body)));
    }

    /// Tells the chats what waits: who has come and left, then the rest in its order.
    fn tell_waiting(&mut self) {
        self.tell_audience();
        for (chat, body) in std::mem::take(&mut self.later) {
            self.tell(Some(&chat), body);
        }
    }

    fn tell_audience(&mut self) {
        if self.came.is_empty() && self.left.is_empty() {
            return;
        }
        let (came, left) = (std::mem::take(&mut self.came), std::mem::take(&mut self.left));
        let audience = Audience { all: false, came, left };
        for name in self.chats.keys() {
            // One that is not there is told all when it is.
            self.tell(Some(name), Body::Audience(audience.clone()));
        }
    }

    /// Asks again for what the chat could not read.
    fn read_again(&mut self) {
        for (name, reader) in std::mem::take(&mut self.unread) {
            let Some(channel) = self.channels.get(&name) else { continue };
            if let Some(Hears::Behind(seq)) =
                self.ears.get(&reader).map(|ear| ear.hears[channel.kind as usize])
            {
                self.read_on(channel, &name, reader, seq);
            }
        }
    }

    /// Lines of a channel were left out, and are on disk: who was told all before them is told those first.
    fn fall_behind(&mut self, name: &str) {
        let Some(channel) = self.channels.get(name) else { return };
        for member in &channel.members {
            let Some(ear) = self.ears.get_mut(member) else { continue };
            let hears = &mut ear.hears[channel.kind as usize];
            if let Hears::All(seq) = *hears {
                *hears = Hears::Behind(seq);
                self.read_on(channel, name, *member, seq);
            }
        }
    }

    /// Asks for what somebody has missed.
    fn read_on(&self, channel: &Channel, name: &str, reader: CharacterId, seq: u64) {
        let read = ReadLines {
            channel: name.to_owned(),
            before: 0,
            most: MAX_CHAT_LINES as u32,
            reader: reader.to_vec(),
            after: Some(seq),
        };
        self.tell(channel.at.as_ref(), Body::ReadLines(read));
    }
}

impl Ear {
    /// Its client, if it is the one that has said how far it has heard.
    fn client<'a>(&self, here: Option<&Here>, clients: &'a mut [Option<Client>]) -> Option<&'a mut Client> {
        let slot = self.slot.filter(|slot| here.is_some_and(|here| here.client == Some(*slot)))?;
        clients.get_mut(slot)?.as_mut()
    }

    fn note_said(&mut self, id: u64) {
        if !self.said.contains(&id) {
            self.said.truncate(REMEMBERED - 1);
            self.said.push_front(id);
        }
    }

    fn hears_account(&self, account: &[u8]) -> bool {
        !self.blocked.iter().any(|blocked| blocked == account)
    }
}
