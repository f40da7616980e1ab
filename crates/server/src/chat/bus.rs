//! What chats say to each other over a bus that may lose messages (docs/chat.md): numbered, from each to each, so
//! that a loss is found, and then both begin anew. Nothing is kept here that must not be lost.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pangea_world::chat;
use pangea_world::messages::{Body, Envelope, Passed, PassedKind};

use super::router::Tell;
use crate::random;

/// How often each chat says to each other that it is there, ms.
const BEAT_EVERY_MS: u64 = 1_000;

/// A chat that says nothing for so long is away, ms.
const SILENCE_MS: u64 = 3_000;

/// Gives the bus something for the chat of this name; what it has no room for is lost.
pub type Publish = Box<dyn Fn(&str, Passed) + Send>;

/// One chat's end of the bus.
pub struct Bus {
    name: String,
    /// All that central names, this one too.
    chats: BTreeSet<String>,
    heard: HashMap<String, Heard>,
    out: Arc<Mutex<Out>>,
    beat_at_ms: u64,
    now_ms: u64,
}

/// How far another chat was heard.
#[derive(Debug)]
struct Heard {
    stream: u64,
    seq: u64,
    at_ms: u64,
}

/// What the others are told; of each the stream and its last number.
struct Out {
    name: String,
    streams: HashMap<String, (u64, u64)>,
    publish: Publish,
}

/// Whose a channel is.
#[derive(Debug, PartialEq, Eq)]
pub enum Owner {
    /// This chat's.
    Here,
    /// That one's.
    Other(String),
    /// That of one who is not there now.
    Away,
}

/// What something from the bus means.
#[derive(Debug, PartialEq)]
pub enum News {
    /// Nothing.
    Nothing,
    /// The next word of another chat.
    Next(Passed),
    /// Its first word: what it said before does not count any more, and it knows nothing of us.
    First(Passed),
    /// Something of it was lost: what it said does not count any more, and it was asked to begin anew.
    Lost(String),
    /// It has lost something of ours: we begin anew.
    Anew,
}

impl Bus {
    /// The end of the chat of this name; no other is known yet.
    pub fn new(name: &str, publish: Publish) -> Self {
        let out = Out { name: name.to_owned(), streams: HashMap::new(), publish };
        Self {
            name: name.to_owned(),
            chats: BTreeSet::from([name.to_owned()]),
            heard: HashMap::new(),
            out: Arc::new(Mutex::new(out)),
            beat_at_ms: 0,
            now_ms: 0,
        }
    }

    /// Central names the chats; whether they are others than before.
    pub fn set_chats(&mut self, names: impl Iterator<Item = String>) -> bool {
        let mut chats: BTreeSet<String> = names.collect();
        chats.insert(self.name.clone());
        if self.chats == chats {
            return false;
        }
        self.heard.retain(|name, _| chats.contains(name));
        lock(&self.out).streams.retain(|name, _| chats.contains(name));
        self.chats = chats;
        true
    }

    /// Whose a channel is, by its key.
    pub fn owner(&self, key: &str) -> Owner {
        match chat::place(key, self.chats.iter().map(String::as_str)) {
            Some(name) if name != self.name && self.heard.contains_key(name) => Owner::Other(name.to_owned()),
            Some(name) if name != self.name => Owner::Away,
            _ => Owner::Here,
        }
    }

    /// Says something to another chat.
    pub fn say(&self, to: &str, kind: PassedKind, (server, link): (&str, u64), body: Option<Body>) {
        lock(&self.out).say(to, kind, (server, link), body);
    }

    /// Says something to all others.
    pub fn say_to_all(&self, kind: PassedKind, from: (&str, u64), body: Option<&Body>) {
        let mut out = lock(&self.out);
        for to in self.chats.iter().filter(|to| **to != self.name) {
            out.say(to, kind, from, body.cloned());
        }
    }

    /// Tells an area server that is behind another chat.
    pub fn tell_of(&self, chat: &str, server: &str, link: u64) -> Tell {
        let (out, chat, server) = (self.out.clone(), chat.to_owned(), server.to_owned());
        Box::new(move |body| {
            lock(&out).say(&chat, PassedKind::Told, (&server, link), Some(body));
            Ok(())
        })
    }

    /// Something came from the bus.
    pub fn hear(&mut self, passed: Passed) -> News {
        let from = passed.from.clone();
        if from == self.name || !self.chats.contains(&from) {
            return News::Nothing;
        }
        if passed.kind() == PassedKind::Anew {
            let ours = lock(&self.out).streams.get(&from).is_some_and(|(stream, _)| *stream == passed.stream);
            if ours {
                lock(&self.out).begin(&from);
            }
            return if ours { News::Anew } else { News::Nothing };
        }
        let (stream, seq, at_ms) = (passed.stream, passed.seq, self.now_ms);
        match self.heard.get_mut(&from) {
            Some(heard) if heard.stream == stream && seq <= heard.seq => News::Nothing,
            Some(heard) if heard.stream == stream && seq == heard.seq + 1 => {
                (heard.seq, heard.at_ms) = (seq, at_ms);
                News::Next(passed)
            }
            known if seq == 1 && known.as_ref().is_none_or(|heard| heard.stream != stream) => {
                self.heard.insert(from, Heard { stream, seq, at_ms });
                News::First(passed)
            }
            _ => {
                self.heard.remove(&from);
                lock(&self.out).ask_anew(&from, stream);
                News::Lost(from)
            }
        }
    }

    /// It is this late. Who is silent for too long: what it said does not count any more.
    pub fn let_time_pass(&mut self, now_ms: u64) -> Vec<String> {
        self.now_ms = now_ms;
        if now_ms >= self.beat_at_ms {
            self.beat_at_ms = now_ms + BEAT_EVERY_MS;
            self.say_to_all(PassedKind::Beat, ("", 0), None);
        }
        let silent = |heard: &Heard| heard.at_ms + SILENCE_MS <= now_ms;
        let gone: Vec<String> =
            self.heard.iter().filter(|(_, heard)| silent(heard)).map(|(name, _)| name.clone()).collect();
        for name in &gone {
            self.heard.remove(name);
        }
        gone
    }
}

impl Out {
    fn begin(&mut self, to: &str) {
        let stream = u64::from_le_bytes(random::bytes()).max(1);
        self.streams.insert(to.to_owned(), (stream, 0));
        // So that it knows at once.
        self.say(to, PassedKind::Beat, ("", 0), None);
    }

    fn say(&mut self, to: &str, kind: PassedKind, (server, link): (&str, u64), body: Option<Body>) {
        let Some((stream, seq)) = self.streams.get_mut(to) else {
            self.begin(to);
            return self.say(to, kind, (server, link), body);
        };
        *seq += 1;
        let passed = Passed {
            from: self.name.clone(),
            stream: *stream,
            seq: *seq,
            kind: kind.into(),
            server: server.to_owned(),
            link,
            said: body.map(|body| Envelope { seq: 0, ack: 0, body: Some(body) }),
        };
        (self.publish)(to, passed);
    }

    fn ask_anew(&self, to: &str, stream: u64) {
        let kind = PassedKind::Anew.into();
        (self.publish)(to, Passed { from: self.name.clone(), stream, kind, ..Passed::default() });
    }
}

fn lock(out: &Mutex<Out>) -> MutexGuard<'_, Out> {
    out.lock().unwrap_or_else(PoisonError::into_inner)
}
