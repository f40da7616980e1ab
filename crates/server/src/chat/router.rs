//! Who hears what: channels, who listens to them, and what is said. No sockets: everybody is told by [`Tell`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use pangea_world::chat::{self, KEPT_LINES, Kind, Log};
use pangea_world::id::CharacterId;
use pangea_world::messages::{
    AreThere, Audience, Body, Known, Line, Lines, Listen, Listening, MAX_LINES, Post, Posted, ReadLines,
    ReadSaid, SaidLines, There, WhoIs,
};
use pangea_world::{Code, Refusal, name};

use super::filter::Words;
use super::keeper::{Answer, Entry, Order, Reading};
use super::names::Names;
use crate::{link, random};

/// Most channels without a listener that are remembered.
const MOST_IDLE: usize = 4_096;

/// Most inboxes that wait for central to say that they may be heard there.
const MOST_UNSURE: usize = 65_536;

/// Most lines that wait for central to say whose a name is.
const MOST_WAITING: usize = 8_192;

/// Most that is read of an inbox as soon as central has said so.
const MOST_READS: usize = 4;

/// How long central may take to say whose a name is, ms.
const LOOKUP_MS: u64 = 5_000;

/// Says something to another role; refused if too much waits for it already.
pub type Tell = Box<dyn Fn(Body) -> Result<(), Refusal> + Send>;

/// A line on its way into a channel.
#[derive(Debug, Clone)]
pub struct Saying {
    /// The server that is answered; none: central said it.
    pub from: Option<String>,
    /// Where.
    pub channel: String,
    /// What.
    pub line: Line,
}

/// What the router wants of others.
pub struct Others {
    /// To central.
    pub central: Tell,
    /// To the file. False: too much waits.
    pub keeper: Box<dyn Fn(Order) -> bool + Send>,
    /// To the filter; `None`: there is none, and all may be said that has no blocked word. False: too much waits.
    pub hook: Option<Box<dyn Fn(Saying) -> bool + Send>>,
}

/// What may be said, and to whom.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Words that are not said.
    pub words: Words,
    /// Whether whispers to who is not in the world are kept for it.
    pub keeps_whispers: bool,
}

/// The state of a chat.
pub struct Router {
    areas: HashMap<String, AreaServer>,
    channels: HashMap<String, Channel>,
    names: Names,
    lookups: HashMap<u64, Lookup>,
    last_lookup: u64,
    /// Channels that could not be read: they are asked for again.
    unread: BTreeSet<String>,
    /// Inboxes that area servers want to hear, by server and channel, until central says that their characters are there.
    unsure: BTreeMap<(String, String), Unsure>,
    /// Those of them that central was not asked about yet.
    unasked: BTreeSet<(String, String)>,
    /// Channels with lines that were not told yet.
    fresh: BTreeSet<String>,
    others: Others,
    rules: Rules,
    /// Of the monotonic clock; the date is for those who read.
    now_ms: u64,
    date_ms: u64,
}

struct AreaServer {
    tell: Tell,
    /// Whether it has said who is inside since its link began: what it says before is from an earlier life.
    known: bool,
}

#[derive(Default)]
struct Channel {
    /// None: it is being read.
    log: Option<Log>,
    /// The number of the last line that was told.
    told: u64,
    listeners: BTreeSet<String>,
    /// Who began to listen while it was being read.
    waiting: Vec<(String, Listen)>,
}

/// An inbox that is listened to as soon as central says that it may be.
struct Unsure {
    listen: Listen,
    /// What is read of it then; at most [`MOST_READS`].
    reads: Vec<ReadLines>,
}

struct Lookup {
    key: String,
    until_ms: u64,
    sayings: Vec<Saying>,
}

impl Router {
    /// A chat that nobody uses yet.
    pub fn new(rules: Rules, others: Others) -> Self {
        Self {
            areas: HashMap::new(),
            channels: HashMap::new(),
            names: Names::default(),
            lookups: HashMap::new(),
            last_lookup: 0,
            unread: BTreeSet::new(),
            unsure: BTreeMap::new(),
            unasked: BTreeSet::new(),
            fresh: BTreeSet::new(),
            others,
            rules,
            now_ms: 0,
            date_ms: 0,
        }
    }

    /// An area server has a link; what an earlier one of it wanted is forgotten.
    pub fn area_up(&mut self, server: &str, tell: Tell) {
        self.area_gone(server);
        self.areas.insert(server.to_owned(), AreaServer { tell, known: false });
    }

    /// Its link is gone.
    pub fn area_gone(&mut self, server: &str) {
        if self.areas.remove(server).is_none() {
            return;
        }
        self.names.forget_server(server, self.now_ms);
        self.unsure.retain(|(theirs, _), _| theirs != server);
        let theirs: Vec<String> = self.channels.keys().cloned().collect();
        theirs.iter().for_each(|channel| self.unlisten(server, channel));
    }

    /// It is this late, ms of the monotonic clock; what is said from now on is said at this date, ms since 1970.
    pub fn set_time(&mut self, now_ms: u64, date_ms: u64) {
        (self.now_ms, self.date_ms) = (now_ms, date_ms);
    }

    /// It is this late, ms of the monotonic clock; once a second or more often.
    pub fn let_time_pass(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.names.let_time_pass(now_ms);
        std::mem::take(&mut self.unread).into_iter().for_each(|name| self.open(name));
        self.unasked = self.unsure.keys().cloned().collect();
        self.ask_who_is_there();
        let late: Vec<u64> =
            self.lookups.iter().filter(|(_, lookup)| lookup.until_ms <= now_ms).map(|(id, _)| *id).collect();
        for request in late {
            let Some(lookup) = self.lookups.remove(&request) else { continue };
            for saying in lookup.sayings {
                let text = "nobody can say now whose name that is";
                self.answer(&saying.from, &saying.line, Some(Refusal::new(Code::ChatUnavailable, text)));
            }
        }
    }

    /// What the inbox of one who is in the world is placed by.
    pub fn inbox(&self, character: CharacterId) -> Option<String> {
        self.names.key(character).map(|key| format!("to/{key}"))
    }

    /// An area server says this.
    pub fn hear(&mut self, server: &str, body: Body) {
        match body {
            Body::Audience(audience) => self.on_audience(server, &audience),
            Body::Listen(listen) => self.on_listen(server, listen),
            Body::Unlisten(unlisten) => self.unlisten(server, &unlisten.channel),
            Body::Post(post) => self.on_post(server, post),
            Body::ReadLines(read) => self.on_read(server, read),
            body => tracing::warn!(server, ?body, "an area server does not say this to chat"),
        }
    }

    /// Central says who is at an area server: it may hear their inboxes.
    pub fn on_there(&mut self, there: &There) {
        for character in there.characters.iter().filter_map(|bytes| CharacterId::from_bytes(bytes).ok()) {
            let key = (there.server.clone(), format!("to/{character}"));
            if let Some(Unsure { listen, reads }) = self.unsure.remove(&key) {
                self.listen(&there.server, Kind::Whisper, listen);
                reads.into_iter().for_each(|read| self.on_read(&there.server, read));
            }
        }
    }

    /// Central wants this said.
    pub fn announce(&mut self, mut post: Post) {
        if post.id == 0 {
            post.id = u64::from_le_bytes(random::bytes());
        }
        let channel = post.channel.clone();
        if Kind::of_channel(&channel).is_none() {
            return tracing::warn!(channel, "central names a channel that is none");
        }
        let line = line_of(post, self.date_ms);
        self.append(Saying { from: None, channel, line });
    }

    /// Central says whose a name is.
    pub fn on_known(&mut self, known: Known) {
        let Some(lookup) = self.lookups.remove(&known.request) else { return };
        let character = CharacterId::from_bytes(&known.character).ok();
        self.names.learn(lookup.key, character, self.now_ms);
        lookup.sayings.into_iter().for_each(|saying| self.whisper(saying, character));
    }

    /// Central asks what was said.
    pub fn on_read_said(&mut self, wanted: ReadSaid) {
        let request = wanted.request;
        if !(self.others.keeper)(Order::Said(wanted)) {
            self.tell_central(SaidLines { request, lines: Vec::new(), failed: true });
        }
    }

    fn tell_central(&self, said: SaidLines) {
        // One that cannot be told waits no longer than it waits for a file.
        let _ = (self.others.central)(Body::SaidLines(said));
    }

    /// The filter has looked at this.
    pub fn on_filtered(&mut self, saying: Saying, text: Result<String, Refusal>) {
        match text {
            Ok(text) => {
                let line = Line { text, ..saying.line };
                self.append(Saying { line, ..saying });
            }
            Err(refusal) => self.answer(&saying.from, &saying.line, Some(refusal)),
        }
    }

    /// The file has answered.
    pub fn on_kept(&mut self, answer: Answer) {
        match answer {
            Answer::Opened(name, opened) => self.on_opened(&name, opened),
            Answer::Appended(entry, done) => {
                let refused = match done {
                    Ok(done) => {
                        if !done.again
                            && let Some(channel) = self.channels.get_mut(&entry.channel)
                            && let Some(log) = &mut channel.log
                            && log.push(Line { seq: done.seq, ..entry.line.clone() })
                        {
                            self.fresh.insert(entry.channel.clone());
                            self.tell_early(&entry.channel);
                        }
                        None
                    }
                    Err(refusal) => Some(refusal),
                };
                self.answer(&entry.from, &entry.line, refused);
            }
            Answer::Read(reading, read) => {
                let (log, lines) = read.unwrap_or_default();
                self.show(reading, log, lines);
            }
            Answer::Said(said) => self.tell_central(said),
        }
    }

    /// Tells the new lines of all channels, and asks what is to be asked.
    pub fn flush(&mut self) {
        self.ask_who_is_there();
        for name in std::mem::take(&mut self.fresh) {
            self.tell_fresh(&name);
        }
    }

    // ---- listening ----

    fn on_audience(&mut self, server: &str, audience: &Audience) {
        if let Some(area) = self.areas.get_mut(server) {
            area.known |= audience.all;
            self.names.hear(server, audience, self.now_ms);
        }
    }

    fn on_listen(&mut self, server: &str, listen: Listen) {
        let Some(kind) = Kind::of_channel(&listen.channel) else {
            return tracing::warn!(channel = listen.channel, "there is no such channel");
        };
        if kind != Kind::Whisper {
            return self.listen(server, kind, listen);
        }
        if self.unsure.len() >= MOST_UNSURE {
            return tracing::warn!(server, "too many inboxes wait for central");
        }
        let key = (server.to_owned(), listen.channel.clone());
        self.unasked.insert(key.clone());
        self.unsure.insert(key, Unsure { listen, reads: Vec::new() });
    }

    /// Of those who are said to be there one can hear the inbox alone: central says who is. What has no answer, or none
    /// that says so, is asked again each time that time passes.
    fn ask_who_is_there(&mut self) {
        let mut asked: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for key in std::mem::take(&mut self.unasked).into_iter().filter(|key| self.unsure.contains_key(key)) {
            let (server, channel) = key;
            let character = channel.strip_prefix("to/").and_then(|text| text.parse::<CharacterId>().ok());
            asked.entry(server).or_default().extend(character.map(|character| character.to_vec()));
        }
        for (server, characters) in &asked {
            for characters in characters.chunks(MAX_LINES) {
                // One that cannot be asked now is asked again.
                let (server, characters) = (server.clone(), characters.to_vec());
                let _ = (self.others.central)(Body::AreThere(AreThere { server, characters }));
            }
        }
    }

    fn listen(&mut self, server: &str, kind: Kind, listen: Listen) {
        let new = !self.channels.contains_key(&listen.channel);
        if new && self.channels.len() > MOST_IDLE {
            self.drop_idle();
        }
        let channel = self.channels.entry(listen.channel.clone()).or_default();
        if new && !kind.is_durable() {
            channel.log = Some(Log::new(new_log(), 0));
        }
        channel.listeners.insert(server.to_owned());
        if channel.log.is_some() {
            return self.begin_to_listen(server, &listen);
        }
        channel.waiting.push((server.to_owned(), listen.clone()));
        if new {
            self.open(listen.channel);
        }
    }

    fn open(&mut self, name: String) {
        let waits = self.channels.get(&name).is_some_and(|channel| channel.log.is_none());
        if waits && !(self.others.keeper)(Order::Open(name.clone())) {
            self.unread.insert(name);
        }
    }

    /// Says where the channel stands, and what came after the line that is known there.
    fn begin_to_listen(&self, server: &str, listen: &Listen) {
        let Some(log) = self.channels.get(&listen.channel).and_then(|channel| channel.log.as_ref()) else {
            return;
        };
        let (channel, id) = (listen.channel.clone(), log.id());
        self.tell(server, Body::Listening(Listening { channel, log: id, seq: log.last() }));
        if listen.log == 0 {
            return;
        }
        let known = if listen.log == id { listen.seq } else { 0 };
        let missed: Vec<Line> =
            log.after(known.max(log.before_kept())).into_iter().flatten().cloned().collect();
        self.tell_lines(&[server.to_owned()], &listen.channel, id, &missed);
    }

    fn on_opened(&mut self, name: &str, opened: Option<(u64, u64, Vec<Line>)>) {
        // It may have been asked for twice, when nobody listened for a moment.
        let Some(channel) = self.channels.get_mut(name).filter(|channel| channel.log.is_none()) else {
            return;
        };
        let Some((id, last, lines)) = opened else {
            self.unread.insert(name.to_owned());
            return;
        };
        let before = lines.first().map_or(last, |line| line.seq - 1);
        let mut log = Log::new(id, before);
        for line in lines {
            // Time may have torn a gap into what is kept.
            if line.seq != log.last() + 1 {
                log = Log::new(id, line.seq - 1);
            }
            log.push(line);
        }
        (channel.told, channel.log) = (log.last(), Some(log));
        for (server, listen) in std::mem::take(&mut channel.waiting) {
            self.begin_to_listen(&server, &listen);
        }
    }

    fn unlisten(&mut self, server: &str, name: &str) {
        self.unsure.remove(&(server.to_owned(), name.to_owned()));
        let Some(channel) = self.channels.get_mut(name) else { return };
        channel.listeners.remove(server);
        channel.waiting.retain(|(waits, _)| waits != server);
        let durable = Kind::of_channel(name).is_some_and(Kind::is_durable);
        // Its lines are in the file.
        if channel.listeners.is_empty() && durable {
            self.channels.remove(name);
            self.fresh.remove(name);
        }
    }

    fn drop_idle(&mut self) {
        self.channels.retain(|_, channel| !channel.listeners.is_empty());
    }

    // ---- saying ----

    fn on_post(&mut self, server: &str, post: Post) {
        let Some(area) = self.areas.get(server) else { return };
        if !area.known {
            // Of a link before: it is posted again.
            return;
        }
        let from = Some(server.to_owned());
        let (channel, to) = (post.channel.clone(), post.to.clone());
        let line = line_of(post, self.date_ms);
        if let Err(refusal) = self.check(server, &channel, &to, &line) {
            return self.answer(&from, &line, Some(refusal));
        }
        let saying = Saying { from, channel, line };
        if to.is_empty() {
            return self.pass(saying);
        }
        let Ok(name) = name::check(&to) else {
            return self.whisper(saying, None);
        };
        match self.names.find(&name.key, self.now_ms) {
            Some(found) => self.whisper(saying, found),
            None => self.look_up(name.key, to, saying),
        }
    }

    fn check(&self, server: &str, channel: &str, to: &str, line: &Line) -> Result<(), Refusal> {
        let sender = CharacterId::from_bytes(&line.sender).ok();
        if !sender.is_some_and(|sender| self.names.is_at(sender, server)) {
            return Refusal::err(Code::Forbidden, "whoever says this is not at this server");
        }
        if chat::text(&line.text)? != line.text {
            return Refusal::err(Code::TextInvalid, "this is not how a text is written");
        }
        match (to.is_empty(), Kind::of_channel(channel)) {
            (false, _) if channel.is_empty() => Ok(()),
            (true, Some(Kind::Area | Kind::World | Kind::Faction | Kind::Party)) => Ok(()),
            _ => Refusal::err(Code::NotInChannel, "nobody talks there"),
        }
    }

    fn look_up(&mut self, key: String, name: String, saying: Saying) {
        let waiting: usize = self.lookups.values().map(|lookup| lookup.sayings.len()).sum();
        if waiting >= MOST_WAITING {
            return self.answer(&saying.from, &saying.line, Some(busy()));
        }
        if let Some(lookup) = self.lookups.values_mut().find(|lookup| lookup.key == key) {
            return lookup.sayings.push(saying);
        }
        self.last_lookup += 1;
        let request = self.last_lookup;
        // One that cannot be asked is late.
        let _ = (self.others.central)(Body::WhoIs(WhoIs { request, name }));
        let until_ms = self.now_ms + LOOKUP_MS;
        self.lookups.insert(request, Lookup { key, until_ms, sayings: vec![saying] });
    }

    fn whisper(&mut self, saying: Saying, to: Option<CharacterId>) {
        let refused = match to {
            None => Some(Refusal::new(Code::UnknownCharacter, "nobody has this name")),
            Some(to) if saying.line.sender == to.0 => {
                Some(Refusal::new(Code::BadInput, "one does not whisper to oneself"))
            }
            Some(to) if !self.rules.keeps_whispers && !self.names.is_online(to) => {
                Some(Refusal::new(Code::Offline, "is not in the world"))
            }
            Some(to) => return self.pass(Saying { channel: format!("to/{to}"), ..saying }),
        };
        self.answer(&saying.from, &saying.line, refused);
    }

    /// Through the words and the filter.
    fn pass(&mut self, saying: Saying) {
        if let Err(refusal) = self.rules.words.check(&saying.line.text) {
            return self.answer(&saying.from, &saying.line, Some(refusal));
        }
        match &self.others.hook {
            None => self.append(saying),
            Some(hook) => {
                if !hook(saying.clone()) {
                    self.answer(&saying.from, &saying.line, Some(busy()));
                }
            }
        }
    }

    fn append(&mut self, saying: Saying) {
        let Saying { from, channel: name, line } = saying;
        if Kind::of_channel(&name).is_some_and(Kind::is_durable) {
            let entry = Entry { channel: name, from: from.clone(), line: line.clone() };
            if !(self.others.keeper)(Order::Append(entry)) {
                self.answer(&from, &line, Some(busy()));
            }
            return;
        }
        let channel = self.channels.entry(name.clone()).or_default();
        let log = channel.log.get_or_insert_with(|| Log::new(new_log(), 0));
        if log.append(line.clone()).is_ok() {
            self.fresh.insert(name.clone());
            if !(self.others.keeper)(Order::Note(name.clone(), line.clone())) {
                tracing::warn!(
                    channel = name,
                    "a line is not in the log of moderation: too much waits for the file"
                );
            }
            self.tell_early(&name);
        }
        self.answer(&from, &line, None);
    }

    fn answer(&self, from: &Option<String>, line: &Line, refused: Option<Refusal>) {
        if let Some(server) = from {
            let refused = refused.as_ref().map(link::from_refusal);
            self.tell(server, Body::Posted(Posted { sender: line.sender.clone(), id: line.id, refused }));
        }
    }

    // ---- reading ----

    fn on_read(&mut self, server: &str, read: ReadLines) {
        if let Some(unsure) = self.unsure.get_mut(&(server.to_owned(), read.channel.clone()))
            && unsure.reads.len() < MOST_READS
        {
            return unsure.reads.push(read);
        }
        let ReadLines { channel, before, most, reader, after } = read;
        let most = most.min(MAX_LINES as u32);
        let reading = Reading { server: server.to_owned(), reader, channel, after, before, most };
        let listens = |channel: &Channel| channel.listeners.contains(server);
        if !self.channels.get(&reading.channel).is_some_and(listens) {
            return self.show(reading, 0, Vec::new());
        }
        let kept = self.channels.get(&reading.channel).and_then(|channel| channel.log.as_ref());
        let durable = Kind::of_channel(&reading.channel).is_some_and(Kind::is_durable);
        let found: Option<(u64, Vec<Line>)> = match (kept, after) {
            (Some(log), Some(after)) => {
                let after = if durable { after } else { after.max(log.before_kept()) };
                log.after(after).map(|lines| (log.id(), lines.take(most as usize).cloned().collect()))
            }
            (Some(log), None) if !durable => {
                Some((log.id(), log.before(before, most as usize).cloned().collect()))
            }
            _ => None,
        };
        match found {
            Some((log, lines)) => self.show(reading, log, lines),
            // Without an answer of the file there is no log: it is asked for again.
            None if durable && (self.others.keeper)(Order::Read(reading.clone())) => {}
            None => self.show(reading, 0, Vec::new()),
        }
    }

    fn show(&self, reading: Reading, log: u64, lines: Vec<Line>) {
        let Reading { server, reader, channel, after, .. } = reading;
        self.tell(&server, Body::Lines(Lines { channel, log, lines, reader, later: after.is_some() }));
    }

    // ---- telling ----

    /// Before more lines are new than are kept.
    fn tell_early(&mut self, name: &str) {
        let many = self.channels.get(name).is_some_and(|channel| {
            channel.log.as_ref().is_some_and(|log| log.last() - channel.told >= KEPT_LINES as u64 / 2)
        });
        if many {
            self.tell_fresh(name);
        }
    }

    fn tell_fresh(&mut self, name: &str) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let Some(log) = &channel.log else { return };
        let (id, told) = (log.id(), std::mem::replace(&mut channel.told, log.last()));
        let lines: Vec<Line> = log.after(told).into_iter().flatten().cloned().collect();
        let listeners: Vec<String> = channel.listeners.iter().cloned().collect();
        self.tell_lines(&listeners, name, id, &lines);
    }

    fn tell_lines(&self, servers: &[String], channel: &str, log: u64, lines: &[Line]) {
        for lines in lines.chunks(MAX_LINES) {
            for server in servers {
                let (channel, lines) = (channel.to_owned(), lines.to_vec());
                let told = Lines { channel, log, lines, reader: Vec::new(), later: false };
                self.tell(server, Body::Lines(told));
            }
        }
    }

    fn tell(&self, server: &str, body: Body) {
        if let Some(area) = self.areas.get(server)
            && let Err(refusal) = (area.tell)(body)
        {
            tracing::warn!(server, %refusal, "an area server cannot be told");
        }
    }
}

fn busy() -> Refusal {
    Refusal::new(Code::ChatUnavailable, "chat has too much to do; nothing was said")
}

fn new_log() -> u64 {
    (u64::from_le_bytes(random::bytes()) >> 1).max(1)
}

fn line_of(post: Post, at_ms: u64) -> Line {
    let Post { sender, account, name, id, text, .. } = post;
    Line { seq: 0, sender, account, name, id, at_ms, text }
}

/// A [`Tell`] of a link; `full` is set when it has no room.
pub fn tell_of(sender: link::Sender, full: Arc<std::sync::atomic::AtomicBool>) -> Tell {
    Box::new(move |body| {
        sender.send(body).inspect_err(|_| full.store(true, std::sync::atomic::Ordering::Relaxed))
    })
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
