//! What is said and heard here (docs/chat.md): which channels the characters are in, how far each client has
//! heard them, and what is on its way to chat. Lines are told at the end of a tick, in the frame of the update, and
//! are encoded once for all who hear the same.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use bytes::BytesMut;
use pangea_world::chat::{self, KEPT_LINES, Kind, LOCAL_M, Log, Rate};
use pangea_world::frames::{Heard, MAX_CHAT_LINES, ServerMessage, put_line, put_lines_head, put_message};
use pangea_world::id::CharacterId;
use pangea_world::messages::{
    Audience, Body, Command, Line, Lines, Listen, Listener, Listening, Local, Post, Posted, ReadLines,
    Unlisten,
};
use pangea_world::social::SocialDoc;
use pangea_world::{Code, Refusal, name};

use super::chat_link::FromChat;
use super::client::Client;
use super::here::{Area, Here, IdHasher};
use crate::clock;
use crate::link::{self, Sender};

/// Kinds of channel.
const KINDS: usize = Kind::ALL.len();

/// Most lines of one character that chat has not answered.
const MOST_PENDING: usize = 32;

/// How long chat may take to answer, ms: it may be away for a moment and come back.
const PENDING_MS: u64 = 30_000;

/// How often a character may ask for older lines in ten seconds.
const READS_PER_10S: u32 = 20;

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
    /// By sender and its number.
    pending: BTreeMap<(CharacterId, u64), Pending>,
    /// Channels with lines that were not told yet.
    fresh: Vec<String>,
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
        self.tell(at.as_ref(), Body::Listen(Listen { channel: name.to_owned(), log: 0, seq: 0 }));
    }

    fn leave_channel(&mut self, character: CharacterId, name: &str) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        channel.members.retain(|member| *member != character);
        if channel.members.is_empty() {
            let at = channel.at.clone();
            self.channels.remove(name);
            self.tell(at.as_ref(), Body::Unlisten(Unlisten { channel: name.to_owned() }));
        }
    }

    /// The chats are others: channels whose place is another one go on there. One that is there again goes on
    /// with its log; another one has a log of its own, of which nobody here has seen anything.
    fn place_anew(&mut self) {
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

    fn hears_account(&self, account: &[u8]) -> bool {
        !self.blocked.iter().any(|blocked| blocked == account)
    }
}

impl Area {
    // ---- coming, and being with somebody ----

    /// A character has come in, or is with others now: it is in the channels that follow from it.
    pub fn join_talk(&mut self, character: CharacterId) {
        let Some(here) = self.here.get(&character).filter(|here| here.in_world) else { return };
        let most = self.settings.chat_lines_per_10s;
        let rates = [Rate::new(most, self.now_ms); KINDS];
        let mut ear = self.talk.ears.remove(&character).unwrap_or_else(|| {
            let name = here.doc.name.clone();
            self.talk.left.retain(|left| *left != character.0);
            self.talk.came.push(Listener { character: character.to_vec(), name, epoch: here.epoch });
            Ear {
                slot: None,
                channels: Default::default(),
                hears: Default::default(),
                marks: Default::default(),
                rates,
                reads: Rate::new(READS_PER_10S, self.now_ms),
                blocked: Vec::new(),
            }
        });
        let social: &SocialDoc = &here.social;
        ear.blocked = social.blocked.iter().map(|account| account.0).collect();
        let wanted = [
            (Kind::Area, Some(format!("area/{}", self.settings.area))),
            (Kind::World, Some(format!("world/{}", self.settings.world))),
            (Kind::Faction, social.faction.as_ref().map(|faction| format!("faction/{}", faction.id))),
            (Kind::Party, social.party.as_ref().map(|party| format!("party/{}", party.id))),
            (Kind::Whisper, Some(format!("to/{character}"))),
            (Kind::System, Some("system".to_owned())),
        ];
        let inbox = chat::inbox(&here.doc.name);
        let mut settle = Vec::new();
        for (kind, name) in wanted {
            let now = &mut ear.channels[kind as usize];
            if *now == name {
                continue;
            }
            let old = std::mem::replace(now, name.clone());
            if let Some(old) = old {
                self.talk.leave_channel(character, &old);
                ear.hears[kind as usize] = Hears::Nothing;
                if let Some(client) = ear.client(Some(here), &mut self.clients) {
                    client.say(&ServerMessage::Channel { kind: kind as u8, log: 0, seq: 0 });
                }
            }
            if let Some(name) = name {
                let key = if kind == Kind::Whisper { inbox.clone() } else { name.clone() };
                self.talk.join_channel(character, kind, &name, key);
                settle.push(kind);
            }
        }
        let listens = ear.slot.is_some();
        self.talk.ears.insert(character, ear);
        if listens {
            settle.into_iter().for_each(|kind| self.settle(character, kind));
        }
    }

    /// A client says how far it has heard.
    pub fn on_heard(&mut self, character: CharacterId, slot: usize, heard: &[Heard]) {
        let Some(ear) = self.talk.ears.get_mut(&character).filter(|ear| ear.slot != Some(slot)) else {
            return;
        };
        ear.slot = Some(slot);
        for kind in &Kind::ALL[1..] {
            let said = heard.iter().find(|heard| heard.kind == *kind as u8);
            ear.marks[*kind as usize] = said.map(|heard| (heard.log, heard.seq));
            ear.hears[*kind as usize] = Hears::Nothing;
        }
        Kind::ALL[1..].iter().for_each(|kind| self.settle(character, *kind));
    }

    /// Tells a client where a channel stands and what it has missed there, as soon as that is known.
    fn settle(&mut self, character: CharacterId, kind: Kind) {
        let Self { talk, here, clients, .. } = self;
        let Some(ear) = talk.ears.get_mut(&character) else { return };
        let Some(name) = &ear.channels[kind as usize] else { return };
        let Some(channel) = talk.channels.get(name) else { return };
        let Some(log) = &channel.log else {
            ear.hears[kind as usize] = Hears::Soon;
            return;
        };
        let mark = ear.marks[kind as usize].take().filter(|(id, _)| *id == log.id());
        let seq = mark.map_or(log.last(), |(_, seq)| seq.min(log.last()));
        let Some(client) = ear.client(here.get(&character), clients) else {
            ear.hears[kind as usize] = Hears::Nothing;
            return;
        };
        client.say(&ServerMessage::Channel { kind: kind as u8, log: log.id(), seq });
        match log.after(seq) {
            Some(missed) => {
                say_lines(client, ear, (kind, false, log.id()), missed);
                ear.hears[kind as usize] = Hears::All(log.last());
            }
            None => {
                ear.hears[kind as usize] = Hears::Behind(seq);
                let name = name.clone();
                talk.read_on(channel, &name, character, seq);
            }
        }
    }

    // ---- saying ----

    /// A client says something.
    pub fn on_say(&mut self, character: CharacterId, kind: u8, id: u64, to: &str, text: &str) {
        if self.talk.pending.contains_key(&(character, id)) {
            // It is answered when chat has answered.
            return;
        }
        match self.say_in_chat(character, kind, id, to, text) {
            Ok(true) => self.answer_say(character, id, None),
            Ok(false) => {}
            Err(refusal) => self.answer_say(character, id, Some(refusal)),
        }
    }

    fn answer_say(&mut self, character: CharacterId, id: u64, refused: Option<Refusal>) {
        let client = self.here.get(&character).and_then(|here| here.client);
        self.say(client, &ServerMessage::Said { id, refused });
    }

    /// True: it is said; false: chat answers.
    fn say_in_chat(
        &mut self,
        character: CharacterId,
        kind: u8,
        id: u64,
        to: &str,
        text: &str,
    ) -> Result<bool, Refusal> {
        let is_command = text.trim_start().starts_with('/');
        let kind = if is_command { Some(Kind::System) } else { Kind::from_number(kind) };
        let Some(kind) = kind.filter(|kind| is_command || *kind != Kind::System) else {
            return Refusal::err(Code::NotInChannel, "nobody but the system talks there");
        };
        let (Some(here), Some(ear)) = (self.here.get(&character), self.talk.ears.get_mut(&character)) else {
            return Refusal::err(Code::NotInChannel, "the character is not here yet");
        };
        if !ear.rates[kind as usize].take(self.settings.chat_lines_per_10s, self.now_ms) {
            return Refusal::err(Code::TooManyRequests, "not so fast: nobody can read that");
        }
        let text = chat::text(text)?;
        if is_command {
            let text = text[1..].trim().to_owned();
            self.tell(Body::Command(Command { character: character.to_vec(), epoch: here.epoch, text }));
            return Ok(true);
        }
        let now_ms = clock::unix_ms();
        if here.social.muted_until_ms > now_ms {
            let left_s = (here.social.muted_until_ms - now_ms).div_ceil(1_000);
            return Refusal::err(Code::Muted, format!("you may not speak for {left_s} s yet"));
        }
        let line = Line {
            seq: 0,
            sender: character.to_vec(),
            account: here.doc.account.to_vec(),
            name: here.doc.name.clone(),
            id,
            at_ms: now_ms,
            text,
        };
        let (channel, key) = match kind {
            Kind::Local => return self.say_aloud(character, line).map(|()| true),
            Kind::Whisper => {
                let unknown = |_| Refusal::new(Code::UnknownCharacter, "nobody has this name");
                let whose = name::check(to).map_err(unknown)?;
                if name::check(&here.doc.name).is_ok_and(|own| own.key == whose.key) {
                    return Refusal::err(Code::BadInput, "one does not whisper to oneself");
                }
                (String::new(), chat::inbox(to))
            }
            _ => match &ear.channels[kind as usize] {
                Some(name) => (name.clone(), name.clone()),
                None => return Refusal::err(Code::NotInChannel, "you are not in this channel"),
            },
        };
        let to = if kind == Kind::Whisper { to.to_owned() } else { String::new() };
        self.post(character, &key, channel, to, line).map(|()| false)
    }

    fn post(
        &mut self,
        character: CharacterId,
        key: &str,
        channel: String,
        to: String,
        line: Line,
    ) -> Result<(), Refusal> {
        let waiting = self.talk.pending.range((character, 0)..=(character, u64::MAX)).count();
        if waiting >= MOST_PENDING {
            return Refusal::err(Code::TooManyRequests, "too much of what you said is on its way");
        }
        // The chat must know that he is here before it hears him.
        self.tell_audience();
        let Line { sender, account, name, id, text, .. } = line;
        let post = Post { channel, to, sender, account, name, id, text };
        let chat = self.talk.place(key);
        if !self.talk.tell(chat.as_ref(), Body::Post(post.clone())) {
            return Refusal::err(Code::ChatUnavailable, "chat cannot be reached now; nothing was said");
        }
        let Some(chat) = chat else { return Ok(()) };
        self.talk.pending.insert((character, id), Pending { post, chat, until_ms: self.now_ms + PENDING_MS });
        Ok(())
    }

    /// To all who are near, here and behind the borders.
    fn say_aloud(&mut self, character: CharacterId, line: Line) -> Result<(), Refusal> {
        let Some((x, y)) = self.here.get(&character).and_then(|here| self.sim.place(here.entity)) else {
            return Refusal::err(Code::NotInChannel, "the character is not here yet");
        };
        let local = Local { x, y, line: Some(line) };
        for slot in &mut self.peers {
            let beside = |v: f64, from: i32, to: i32| (f64::from(from) - v).max(v - f64::from(to)).max(0.0);
            let (dx, dy) = (beside(x, slot.rect.x0, slot.rect.x1), beside(y, slot.rect.y0, slot.rect.y1));
            if dx.hypot(dy) <= LOCAL_M {
                slot.say(&local);
            }
        }
        self.hear_aloud(local);
        Ok(())
    }

    /// Somebody near said this, here or behind a border.
    pub fn hear_aloud(&mut self, Local { x, y, line }: Local) {
        let Some(line) = line else { return };
        let message = encoded((Kind::Local, false, 0), std::slice::from_ref(&&line));
        let Self { talk, here, clients, sim, .. } = self;
        for (character, here) in here.iter().filter(|(_, here)| here.in_world) {
            let near = sim.place(here.entity).is_some_and(|at| (at.0 - x).hypot(at.1 - y) <= LOCAL_M);
            let Some(ear) = talk.ears.get(character).filter(|ear| near && ear.hears_account(&line.account))
            else {
                continue;
            };
            if let Some(client) = ear.client(Some(here), clients) {
                client.say_bytes(&message);
            }
        }
    }

    // ---- reading ----

    /// A client asks for older lines.
    pub fn on_read_chat(&mut self, character: CharacterId, kind: u8, before: u64, most: u8) {
        let Self { talk, here, clients, now_ms, .. } = self;
        let Some(ear) = talk.ears.get_mut(&character) else { return };
        let channel = ear.channels.get(usize::from(kind)).cloned().flatten();
        let may = ear.reads.take(READS_PER_10S, *now_ms);
        let asked = may
            && channel.as_ref().and_then(|name| talk.channels.get(name)).is_some_and(|channel_here| {
                let most = u32::from(most).clamp(1, MAX_CHAT_LINES as u32);
                let reader = character.to_vec();
                let channel = channel.clone().unwrap_or_default();
                let read = ReadLines { channel, before, most, reader, after: None };
                talk.tell(channel_here.at.as_ref(), Body::ReadLines(read))
            });
        if asked {
            return;
        }
        let client = here.get(&character).and_then(|here| here.client);
        if let Some(Some(client)) = client.and_then(|slot| clients.get_mut(slot)) {
            let none = pangea_world::frames::Lines { kind, history: true, log: 0, lines: Vec::new() };
            client.say(&ServerMessage::Lines(none));
        }
    }

    // ---- what chats say ----

    /// A chat, or its link, says this.
    pub fn on_chat(&mut self, name: &Arc<str>, heard: FromChat) {
        match heard {
            FromChat::Link(sender) => {
                self.talk.chats.insert(name.clone(), Chat { sender, up: false });
                self.talk.place_anew();
            }
            FromChat::Gone => {
                self.talk.chats.remove(name);
                self.talk.place_anew();
            }
            FromChat::Up => {
                let Some(chat) = self.talk.chats.get_mut(name) else { return };
                chat.up = true;
                let everybody = self.listeners();
                self.talk.begin_anew(name, everybody);
            }
            FromChat::Down => {
                if let Some(chat) = self.talk.chats.get_mut(name) {
                    chat.up = false;
                }
            }
            FromChat::Said(body) => match *body {
                Body::Listening(listening) => self.on_listening(name, listening),
                Body::Lines(lines) if lines.reader.is_empty() => self.on_lines(name, lines),
                Body::Lines(lines) => self.on_read(lines),
                Body::Posted(posted) => self.on_posted(posted),
                body => tracing::debug!(?body, "a chat does not say this"),
            },
        }
    }

    fn listeners(&self) -> Vec<Listener> {
        let listener = |character: &CharacterId| {
            let here = self.here.get(character)?;
            let name = here.doc.name.clone();
            Some(Listener { character: character.to_vec(), name, epoch: here.epoch })
        };
        self.talk.ears.keys().filter_map(listener).collect()
    }

    fn on_listening(&mut self, chat: &Arc<str>, listening: Listening) {
        let Listening { channel: name, log: id, seq } = listening;
        let Some(channel) =
            self.talk.channels.get_mut(&name).filter(|channel| channel.at.as_ref() == Some(chat))
        else {
            return;
        };
        let before = channel.log.as_ref().map(Log::id);
        if before == Some(id) {
            // What was missed follows.
            return;
        }
        // Of a log that was lost all that is said anew follows; else only what comes from now on.
        let log = Log::new(id, if before.is_some() { 0 } else { seq });
        channel.told = log.last();
        channel.log = Some(log);
        let (kind, members) = (channel.kind, channel.members.clone());
        for member in members {
            if self.talk.ears.get(&member).is_some_and(|ear| ear.hears[kind as usize] != Hears::Nothing) {
                self.settle(member, kind);
            }
        }
    }

    fn on_lines(&mut self, chat: &Arc<str>, lines: Lines) {
        let Lines { channel: name, log: id, lines, .. } = lines;
        let ours = |channel: &&mut Channel| channel.at.as_ref() == Some(chat);
        if self.talk.channels.get_mut(&name).filter(ours).is_none() {
            // It was not told that nobody listens any more.
            self.talk.tell(Some(chat), Body::Unlisten(Unlisten { channel: name }));
            return;
        }
        for line in lines {
            let many = |channel: &Channel| {
                let last = channel.log.as_ref().map_or(0, Log::last);
                last.saturating_sub(channel.told) >= KEPT_LINES as u64 / 2
            };
            if self.talk.channels.get(&name).is_some_and(many) {
                self.tell_channel(&name);
            }
            let Some(channel) = self.talk.channels.get_mut(&name) else { return };
            let Some(log) = channel.log.as_mut().filter(|log| log.id() == id) else { return };
            take_line(log, &mut channel.told, line);
        }
        if !self.talk.fresh.contains(&name) {
            self.talk.fresh.push(name);
        }
    }

    /// What one has asked for: older lines, or those that it has missed.
    fn on_read(&mut self, read: Lines) {
        let Lines { channel: name, log: id, lines, reader, later } = read;
        let Ok(reader) = CharacterId::from_bytes(&reader) else { return };
        let Self { talk, here, clients, .. } = self;
        let Some(channel) = talk.channels.get(&name) else { return };
        let (kind, Some(ear)) = (channel.kind, talk.ears.get_mut(&reader)) else { return };
        let Some(client) = ear.client(here.get(&reader), clients) else { return };
        if !later {
            let newest_first = lines.iter().rev().take(MAX_CHAT_LINES).rev();
            say_history(client, ear, (kind, true, id), newest_first);
            return;
        }
        let Hears::Behind(seq) = ear.hears[kind as usize] else { return };
        let Some(log) = channel.log.as_ref().filter(|log| log.id() == id) else { return };
        say_lines(client, ear, (kind, false, id), lines.iter().filter(|line| line.seq > seq));
        let read_to = lines.last().map_or(seq, |line| line.seq.max(seq));
        let rest = if lines.is_empty() { log.after(log.before_kept().max(seq)) } else { log.after(read_to) };
        match rest {
            Some(rest) => {
                say_lines(client, ear, (kind, false, id), rest);
                ear.hears[kind as usize] = Hears::All(log.last());
            }
            None => {
                ear.hears[kind as usize] = Hears::Behind(read_to);
                talk.read_on(channel, &name, reader, read_to);
            }
        }
    }

    fn on_posted(&mut self, posted: Posted) {
        let Ok(character) = CharacterId::from_bytes(&posted.sender) else { return };
        if self.talk.pending.remove(&(character, posted.id)).is_some() {
            let refused = posted.refused.as_ref().map(link::to_refusal);
            self.answer_say(character, posted.id, refused);
        }
    }

    // ---- at the end of a tick ----

    /// Tells clients the new lines, and the chats who is here.
    pub fn tell_talk(&mut self) {
        for name in std::mem::take(&mut self.talk.fresh) {
            self.tell_channel(&name);
        }
        self.tell_audience();
        if self.now_ms < self.talk.look_at_ms {
            return;
        }
        self.talk.look_at_ms = self.now_ms + 1_000;
        let late = |pending: &Pending| pending.until_ms <= self.now_ms;
        let late: Vec<_> =
            self.talk.pending.iter().filter(|(_, pending)| late(pending)).map(|(key, _)| *key).collect();
        for (character, id) in late {
            self.talk.pending.remove(&(character, id));
            let text = "chat does not answer: it may be said, or not; saying it again says it once";
            self.answer_say(character, id, Some(Refusal::new(Code::ChatUnavailable, text)));
        }
    }

    fn tell_audience(&mut self) {
        let talk = &mut self.talk;
        if talk.came.is_empty() && talk.left.is_empty() {
            return;
        }
        let (came, left) = (std::mem::take(&mut talk.came), std::mem::take(&mut talk.left));
        let audience = Audience { all: false, came, left };
        for name in talk.chats.keys() {
            // One that is not there is told all when it is.
            talk.tell(Some(name), Body::Audience(audience.clone()));
        }
    }

    /// Tells the new lines of a channel to all who hear it.
    fn tell_channel(&mut self, name: &str) {
        let Self { talk, here, clients, .. } = self;
        let Some(channel) = talk.channels.get_mut(name) else { return };
        let Some(log) = &channel.log else { return };
        let told = std::mem::replace(&mut channel.told, log.last());
        let lines: Vec<&Line> = log.after(told.max(log.before_kept())).into_iter().flatten().collect();
        if lines.is_empty() {
            return;
        }
        let head = (channel.kind, false, log.id());
        let shared: Vec<BytesMut> = lines.chunks(MAX_CHAT_LINES).map(|lines| encoded(head, lines)).collect();
        for member in &channel.members {
            let Some(ear) = talk.ears.get_mut(member) else { continue };
            let Hears::All(seq) = ear.hears[channel.kind as usize] else { continue };
            let Some(client) = ear.client(here.get(member), clients) else { continue };
            let all = seq <= told
                && (ear.blocked.is_empty() || lines.iter().all(|line| ear.hears_account(&line.account)));
            if all {
                shared.iter().for_each(|message| client.say_bytes(message));
            } else {
                say_lines(client, ear, head, lines.iter().copied().filter(|line| line.seq > seq));
            }
            ear.hears[channel.kind as usize] = Hears::All(log.last());
        }
    }
}

/// Keeps a line; after a gap (it was away for long) the log goes on from there.
fn take_line(log: &mut Log, told: &mut u64, line: Line) {
    if line.seq > log.last() + 1 {
        *log = Log::new(log.id(), line.seq - 1);
        *told = log.last();
    }
    log.push(line);
}

/// Lines but for those of people whom it does not hear; nothing if there are none.
fn say_lines<'a>(
    client: &mut Client,
    ear: &Ear,
    head: (Kind, bool, u64),
    lines: impl Iterator<Item = &'a Line>,
) {
    let heard: Vec<&Line> = lines.filter(|line| ear.hears_account(&line.account)).collect();
    for lines in heard.chunks(MAX_CHAT_LINES) {
        client.say_bytes(&encoded(head, lines));
    }
}

/// The same in one message, even if there are none.
fn say_history<'a>(
    client: &mut Client,
    ear: &Ear,
    head: (Kind, bool, u64),
    lines: impl Iterator<Item = &'a Line>,
) {
    let heard: Vec<&Line> = lines.filter(|line| ear.hears_account(&line.account)).collect();
    client.say_bytes(&encoded(head, &heard));
}

/// A Lines message.
fn encoded((kind, history, log): (Kind, bool, u64), lines: &[&Line]) -> BytesMut {
    let mut out = BytesMut::new();
    put_message(&mut out, 0x91, |b| {
        put_lines_head(b, kind as u8, history, log, lines.len());
        for line in lines {
            let sender = line.sender.as_slice().try_into().unwrap_or_default();
            put_line(b, (line.seq, line.id, line.at_ms), sender, &line.name, &line.text);
        }
    });
    out
}
