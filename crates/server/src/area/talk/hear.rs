//! What chats say, and telling it at the end of a tick.

use std::sync::Arc;

use bytes::BytesMut;
use pangea_world::chat::{KEPT_LINES, Log};
use pangea_world::frames::MAX_CHAT_LINES;
use pangea_world::id::CharacterId;
use pangea_world::messages::{Body, Line, Lines, Listener, Listening, Unlisten};
use pangea_world::{Code, Refusal};

use super::super::chat_link::FromChat;
use super::super::here::Area;
use super::lines::{encoded, say_history, say_lines};
use super::{Channel, Chat, Hears, Pending};

impl Area {
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
            if take_line(log, &mut channel.told, line) && channel.kind.is_durable() {
                self.talk.fall_behind(&name);
            }
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
        if id == 0 {
            talk.unread.insert((name, reader));
            return;
        }
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

    // ---- at the end of a tick ----

    /// Tells clients the new lines, and the chats who is here.
    pub fn tell_talk(&mut self) {
        for name in std::mem::take(&mut self.talk.fresh) {
            self.tell_channel(&name);
        }
        self.talk.tell_waiting();
        if self.now_ms < self.talk.look_at_ms {
            return;
        }
        self.talk.look_at_ms = self.now_ms + 1_000;
        self.talk.read_again();
        let late = |pending: &Pending| pending.until_ms <= self.now_ms;
        let late: Vec<_> =
            self.talk.pending.iter().filter(|(_, pending)| late(pending)).map(|(key, _)| *key).collect();
        for (character, id) in late {
            self.talk.pending.remove(&(character, id));
            let text = "chat does not answer: it may be said, or not; saying it again says it once";
            self.answer_say(character, id, Some(Refusal::new(Code::ChatUnavailable, text)));
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

/// Keeps a line; after a gap (more was said than chats keep at hand while the link was away) the log goes on from
/// there: true.
fn take_line(log: &mut Log, told: &mut u64, line: Line) -> bool {
    let gap = line.seq > log.last() + 1;
    if gap {
        *log = Log::new(log.id(), line.seq - 1);
        *told = log.last();
    }
    log.push(line);
    gap
}
