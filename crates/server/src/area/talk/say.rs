//! What characters say: to chat, or aloud to who is near.

use pangea_world::chat::{self, Kind, LOCAL_M};
use pangea_world::frames::ServerMessage;
use pangea_world::id::CharacterId;
use pangea_world::messages::{Body, Command, Line, Local, Post, Posted};
use pangea_world::{Code, Refusal, name};

use super::super::here::Area;
use super::Pending;
use super::lines::encoded;
use crate::{clock, link};

/// Most lines of one character that chat has not answered.
const MOST_PENDING: usize = 32;

/// How long chat may take to answer, ms: it may be away for a moment and come back.
const PENDING_MS: u64 = 30_000;

impl Area {
    /// A client says something.
    pub fn on_say(&mut self, character: CharacterId, kind: u8, id: u64, to: &str, text: &str) {
        if self.talk.pending.contains_key(&(character, id)) {
            // It is answered when chat has answered.
            return;
        }
        if self.talk.ears.get(&character).is_some_and(|ear| ear.said.contains(&id)) {
            // The answer went to a client that is gone. It is not counted, and not said aloud, twice.
            return self.answer_say(character, id, None);
        }
        match self.say_in_chat(character, kind, id, to, text) {
            Ok(true) => self.answer_say(character, id, None),
            Ok(false) => {}
            Err(refusal) => self.answer_say(character, id, Some(refusal)),
        }
    }

    pub(super) fn answer_say(&mut self, character: CharacterId, id: u64, refused: Option<Refusal>) {
        let client = self.here.get(&character).and_then(|here| here.client);
        if let Some(refusal) = &refused {
            self.gauges.refusals.count(refusal.code);
        } else if let Some(ear) = self.talk.ears.get_mut(&character) {
            ear.note_said(id);
        }
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
        self.talk.tell_waiting();
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

    pub(super) fn on_posted(&mut self, posted: Posted) {
        let Ok(character) = CharacterId::from_bytes(&posted.sender) else { return };
        if self.talk.pending.remove(&(character, posted.id)).is_some() {
            let refused = posted.refused.as_ref().map(link::to_refusal);
            self.answer_say(character, posted.id, refused);
        } else if let Some(ear) = self.talk.ears.get_mut(&character).filter(|_| posted.refused.is_none()) {
            // Too late for its client, which may say it again.
            ear.note_said(posted.id);
        }
    }

    // ---- aloud ----

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
}
