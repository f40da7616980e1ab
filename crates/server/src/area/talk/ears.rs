//! Who is in which channel, and how far he has heard it.

use std::collections::VecDeque;

use pangea_world::chat::{self, Kind, Rate};
use pangea_world::frames::{Heard, MAX_CHAT_LINES, ServerMessage};
use pangea_world::id::CharacterId;
use pangea_world::messages::{Body, Listener, ReadLines};
use pangea_world::social::SocialDoc;

use super::super::here::Area;
use super::lines::say_lines;
use super::{Ear, Hears, KINDS};

/// How often a character may ask for older lines in ten seconds.
const READS_PER_10S: u32 = 20;

impl Area {
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
                said: VecDeque::new(),
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
    pub(super) fn settle(&mut self, character: CharacterId, kind: Kind) {
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

    /// A client asks for older lines.
    pub fn on_read_chat(&mut self, character: CharacterId, kind: u8, before: u64, most: u8) {
        let Self { talk, here, clients, now_ms, .. } = self;
        // The chat must know that it is listened to before it is asked.
        talk.tell_waiting();
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
}
