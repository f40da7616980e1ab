//! The area servers of a chat: those that have a link to it, and with a bus those behind the other chats. What they
//! say goes to the chat that has the channel, and what that one tells them comes back the same way, so that the
//! router sees them all alike. After a loss the links begin anew, and all is said again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pangea_world::chat::{self, Kind};
use pangea_world::id::CharacterId;
use pangea_world::messages::{Audience, Body, Lines, Passed, PassedKind, Post, Posted};
use pangea_world::{Code, Refusal};
use tokio::task::JoinHandle;

use super::bus::{Bus, News, Owner};
use super::router::{Router, Tell};
use crate::{link, random};

/// All area servers, and the router between them.
pub struct Relay {
    /// Who hears what.
    pub router: Router,
    areas: HashMap<String, AreaLink>,
    /// Those behind other chats: behind which, and the number of their link there.
    behind: HashMap<String, (String, u64)>,
    bus: Option<Bus>,
    last_link: u64,
}

/// The link of an area server to this chat.
struct AreaLink {
    number: u64,
    tell: Tell,
    /// It had no room for something.
    full: Arc<AtomicBool>,
    /// Reads what it says; without it the link ends.
    task: JoinHandle<()>,
}

impl Relay {
    /// Nobody is there yet.
    pub fn new(router: Router, bus: Option<Bus>) -> Self {
        // No link of another life has the same number.
        let last_link = u64::from_le_bytes(random::bytes()) >> 1;
        Self { router, areas: HashMap::new(), behind: HashMap::new(), bus, last_link }
    }

    /// An area server has a link: `listen` begins to read it, under this number.
    pub fn area_up(
        &mut self,
        server: &str,
        sender: &link::Sender,
        listen: impl FnOnce(u64) -> JoinHandle<()>,
    ) {
        let full = Arc::new(AtomicBool::new(false));
        let tell = || super::router::tell_of(sender.clone(), full.clone());
        self.link_up(server, [tell(), tell()], full.clone(), listen);
    }

    fn link_up(
        &mut self,
        server: &str,
        [tell, for_router]: [Tell; 2],
        full: Arc<AtomicBool>,
        listen: impl FnOnce(u64) -> JoinHandle<()>,
    ) {
        self.cut(server);
        if let (Some((chat, link)), Some(bus)) = (self.behind.remove(server), &self.bus) {
            // If this link is a late one and that one stands, that one begins anew.
            bus.say(&chat, PassedKind::Gone, (server, link), None);
        }
        self.router.area_up(server, for_router);
        self.last_link += 1;
        let number = self.last_link;
        self.areas.insert(server.to_owned(), AreaLink { number, tell, full, task: listen(number) });
    }

    /// The link of this number says something; `None`: it is gone.
    pub fn hear(&mut self, server: &str, number: u64, body: Option<Body>) {
        if self.areas.get(server).is_none_or(|area| area.number != number) {
            return;
        }
        let Some(body) = body else { return self.cut(server) };
        let Some(bus) = &self.bus else { return self.router.hear(server, body) };
        if matches!(body, Body::Audience(_)) {
            bus.say_to_all(PassedKind::Said, (server, number), Some(&body));
            return self.router.hear(server, body);
        }
        match self.key(&body).map_or(Owner::Here, |key| bus.owner(&key)) {
            Owner::Here => self.router.hear(server, body),
            Owner::Other(chat) => bus.say(&chat, PassedKind::Said, (server, number), Some(body)),
            Owner::Away => self.refuse(server, body),
        }
    }

    /// What the place of the channel among the chats is found by.
    fn key(&self, body: &Body) -> Option<String> {
        let channel = match body {
            Body::Post(Post { to, .. }) if !to.is_empty() => return Some(chat::inbox(to)),
            Body::Post(post) | Body::Announce(post) => &post.channel,
            Body::Listen(listen) => &listen.channel,
            Body::Unlisten(unlisten) => &unlisten.channel,
            Body::ReadLines(read) => &read.channel,
            _ => return None,
        };
        let whose = Kind::of_channel(channel).filter(|kind| *kind == Kind::Whisper).and_then(|_| {
            let character = channel.split_once('/')?.1.parse::<CharacterId>().ok()?;
            self.router.inbox(character)
        });
        Some(whose.unwrap_or_else(|| channel.clone()))
    }

    /// The chat that has the channel is away: what is listened to is said again when it is back.
    fn refuse(&self, server: &str, body: Body) {
        let Some(area) = self.areas.get(server) else { return };
        let answer = match body {
            Body::Post(Post { sender, id, .. }) => {
                let text = "the chat of this channel cannot be reached now";
                let refused = Some(link::from_refusal(&Refusal::new(Code::ChatUnavailable, text)));
                Body::Posted(Posted { sender, id, refused })
            }
            Body::ReadLines(read) if read.after.is_none() => {
                Body::Lines(Lines { channel: read.channel, reader: read.reader, ..Lines::default() })
            }
            _ => return,
        };
        // One that is full is cut.
        let _ = (area.tell)(answer);
    }

    /// Central wants this said.
    pub fn announce(&mut self, post: Post) {
        let body = Body::Announce(post);
        let owner = self.bus.as_ref().zip(self.key(&body)).map(|(bus, key)| bus.owner(&key));
        match (owner, &self.bus, body) {
            (Some(Owner::Other(chat)), Some(bus), body) => {
                bus.say(&chat, PassedKind::Said, ("", 0), Some(body));
            }
            (_, _, Body::Announce(post)) => self.router.announce(post),
            _ => {}
        }
    }

    // ---- the other chats ----

    /// Central names the chats.
    pub fn set_chats(&mut self, names: impl Iterator<Item = String>) {
        if self.bus.as_mut().is_some_and(|bus| bus.set_chats(names)) {
            self.begin_anew();
        }
    }

    /// Something came from the bus.
    pub fn on_passed(&mut self, passed: Passed) {
        match self.bus.as_mut().map(|bus| bus.hear(passed)) {
            None | Some(News::Nothing) => {}
            Some(News::Next(passed)) => self.on_next(passed),
            Some(News::First(passed)) => {
                tracing::info!(chat = passed.from, "another chat is heard");
                self.forget_behind(&passed.from);
                self.begin_anew();
                self.on_next(passed);
            }
            Some(News::Lost(from)) => self.forget_behind(&from),
            Some(News::Anew) => self.begin_anew(),
        }
    }

    fn on_next(&mut self, passed: Passed) {
        let (kind, body) = (passed.kind(), passed.said.and_then(|envelope| envelope.body));
        let Passed { from, server, link, .. } = passed;
        match (kind, body) {
            (PassedKind::Said, Some(Body::Announce(post))) => self.router.announce(post),
            (PassedKind::Said, Some(body)) => {
                let known = self.behind.get(&server).is_some_and(|at| at.0 == from && at.1 == link);
                let Some(bus) = self.bus.as_ref().filter(|_| !known) else {
                    return self.router.hear(&server, body);
                };
                // A link begins with who is inside. One whose beginning does not count any more begins once more.
                if !matches!(body, Body::Audience(Audience { all: true, .. })) {
                    return bus.say(&from, PassedKind::Gone, (&server, link), None);
                }
                let tell = bus.tell_of(&from, &server, link);
                // If it had one to us, it has another chat now.
                self.cut(&server);
                self.router.area_up(&server, tell);
                self.behind.insert(server.clone(), (from, link));
                self.router.hear(&server, body);
            }
            (PassedKind::Gone, _) => {
                if self.behind.get(&server).is_some_and(|at| at.0 == from && at.1 == link) {
                    self.behind.remove(&server);
                    self.router.area_gone(&server);
                }
                if self.areas.get(&server).is_some_and(|area| area.number == link) {
                    self.cut(&server);
                }
            }
            (PassedKind::Told, Some(body)) => {
                if let Some(area) = self.areas.get(&server).filter(|area| area.number == link) {
                    let _ = (area.tell)(body);
                }
            }
            _ => {}
        }
    }

    fn forget_behind(&mut self, chat: &str) {
        let theirs = self.behind.iter().filter(|(_, at)| at.0 == chat);
        let theirs: Vec<String> = theirs.map(|(server, _)| server.clone()).collect();
        for server in theirs {
            self.behind.remove(&server);
            self.router.area_gone(&server);
        }
    }

    /// The links of our area servers begin anew, so that all is said once more to whom it concerns now.
    fn begin_anew(&mut self) {
        let ours: Vec<String> = self.areas.keys().cloned().collect();
        ours.iter().for_each(|server| self.cut(server));
    }

    fn cut(&mut self, server: &str) {
        let Some(area) = self.areas.remove(server) else { return };
        area.task.abort();
        self.router.area_gone(server);
        if let Some(bus) = &self.bus {
            bus.say_to_all(PassedKind::Gone, (server, area.number), None);
        }
    }

    // ---- time ----

    /// It is this late, ms since 1970; once a second or more often.
    pub fn let_time_pass(&mut self, now_ms: u64) {
        self.router.let_time_pass(now_ms);
        let silent = self.bus.as_mut().map(|bus| bus.let_time_pass(now_ms)).unwrap_or_default();
        for chat in &silent {
            tracing::warn!(chat, "another chat is not heard any more");
            self.forget_behind(chat);
        }
        if !silent.is_empty() {
            // What it was asked, and has not answered, is refused now.
            self.begin_anew();
        }
    }

    /// Tells what is new. What did not fit is lost to an area server: it begins anew, and asks for what it missed.
    pub fn flush(&mut self) {
        self.router.flush();
        let full = self.areas.iter().filter(|(_, area)| area.full.load(Ordering::Relaxed));
        let full: Vec<String> = full.map(|(server, _)| server.clone()).collect();
        for server in full {
            tracing::warn!(server, "an area server does not read what it is told; its link begins anew");
            self.cut(&server);
        }
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
