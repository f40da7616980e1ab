//! Two chats without sockets, and a bus that loses what it is told to lose.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use pangea_world::chat::Log;
use pangea_world::messages::{Line, Listen, Listener};

use super::super::filter::Words;
use super::super::router::{Others, Rules};
use super::*;

type Wire = Arc<Mutex<VecDeque<(String, Passed)>>>;
type Told = Arc<Mutex<Vec<Body>>>;

const CHATS: [&str; 2] = ["one", "two"];

/// An area server with one character, who is behind one of the chats, hears some channels, and says what he was not
/// answered again.
struct Server {
    name: &'static str,
    chat: usize,
    who: u8,
    link: u64,
    told: Told,
    /// How far each channel was heard, and what was.
    logs: BTreeMap<String, (Option<Log>, Vec<String>)>,
    unanswered: BTreeMap<u64, Post>,
    refused: Vec<String>,
}

impl Server {
    fn new(name: &'static str, chat: usize, who: u8, channels: &[String]) -> Self {
        let logs = channels.iter().map(|channel| (channel.clone(), (None, Vec::new()))).collect();
        let (told, unanswered, refused) = (Told::default(), BTreeMap::new(), Vec::new());
        Self { name, chat, who, link: 0, told, logs, unanswered, refused }
    }

    /// Begins anew: who is here, what is listened to, what has no answer.
    fn link(&mut self, relay: &mut Relay) {
        self.told = Told::default();
        let tell = || -> Tell {
            let told = self.told.clone();
            Box::new(move |body| {
                told.lock().expect("told").push(body);
                Ok(())
            })
        };
        let mut link = 0;
        relay.link_up(self.name, [tell(), tell()], Arc::default(), |number| {
            link = number;
            tokio::spawn(std::future::pending())
        });
        self.link = link;
        let came = vec![Listener { character: vec![self.who; 16], name: self.name.into(), epoch: 1 }];
        self.say(relay, Body::Audience(Audience { all: true, came, left: Vec::new() }));
        for (channel, (log, _)) in &self.logs {
            let (log, seq) = log.as_ref().map_or((0, 0), |log| (log.id(), log.last()));
            self.say(relay, Body::Listen(Listen { channel: channel.clone(), log, seq }));
        }
        for post in self.unanswered.values() {
            self.say(relay, Body::Post(post.clone()));
        }
    }

    fn say(&self, relay: &mut Relay, body: Body) {
        relay.hear(self.name, self.link, Some(body));
    }

    fn post(&mut self, relay: &mut Relay, id: u64, channel: &str) {
        let (channel, text) = (channel.to_owned(), format!("{} {id}", self.name));
        let post = Post { channel, sender: vec![self.who; 16], id, text, ..Post::default() };
        self.unanswered.insert(id, post.clone());
        self.say(relay, Body::Post(post));
    }

    fn hear(&mut self) {
        for body in std::mem::take(&mut *self.told.lock().expect("told")) {
            match body {
                Body::Posted(posted) => {
                    if let Some(post) = self.unanswered.remove(&posted.id)
                        && let Some(refused) = posted.refused
                    {
                        self.refused.push(format!("{} {}", post.text, refused.code));
                    }
                }
                Body::Listening(listening) => {
                    let (log, _) = self.logs.get_mut(&listening.channel).expect("listened to");
                    let before = log.as_ref().map(Log::id);
                    if before != Some(listening.log) {
                        *log = Some(Log::new(listening.log, before.map_or(listening.seq, |_| 0)));
                    }
                }
                Body::Lines(lines) => {
                    let (log, heard) = self.logs.get_mut(&lines.channel).expect("listened to");
                    let Some(log) = log.as_mut().filter(|log| log.id() == lines.log) else { continue };
                    for line in lines.lines {
                        assert!(line.seq <= log.last() + 1, "{} misses a line", self.name);
                        let text = line.text.clone();
                        if log.push(Line { ..line }) {
                            heard.push(text);
                        }
                    }
                }
                body => panic!("{body:?}"),
            }
        }
    }

    fn heard(&self, channel: &str) -> &[String] {
        &self.logs[channel].1
    }
}

struct Scene {
    relays: [Relay; 2],
    servers: Vec<Server>,
    wire: Wire,
    now_ms: u64,
    /// How many messages have gone over the bus.
    passed: usize,
}

impl Scene {
    fn new(servers: Vec<Server>) -> Self {
        let wire = Wire::default();
        let relay = |name: &str| {
            let others = Others { central: Box::new(|_| Ok(())), keeper: Box::new(|_| true), hook: None };
            let rules = Rules { words: Words::default(), keeps_whispers: true };
            let wire = wire.clone();
            let publish = Box::new(move |to: &str, passed| {
                wire.lock().expect("a wire").push_back((to.to_owned(), passed));
            });
            Relay::new(Router::new(rules, others), Some(Bus::new(name, publish)))
        };
        let relays = CHATS.map(relay);
        Self { relays, servers, wire, now_ms: 0, passed: 0 }
    }

    fn know_each_other(&mut self) {
        for relay in &mut self.relays {
            relay.set_chats(CHATS.iter().map(|chat| (*chat).to_owned()));
        }
    }

    /// Half a second passes; of what goes over the bus the message of this number is lost.
    fn turn(&mut self, lost: Option<usize>) {
        self.now_ms += 500;
        for relay in &mut self.relays {
            relay.let_time_pass(self.now_ms);
        }
        loop {
            self.link_anew();
            let next = self.wire.lock().expect("a wire").pop_front();
            let Some((to, passed)) = next else { break };
            self.passed += 1;
            let at = CHATS.iter().position(|chat| *chat == to).expect("a chat");
            if Some(self.passed) != lost {
                self.relays[at].on_passed(passed);
            }
            self.relays.iter_mut().for_each(Relay::flush);
        }
        self.relays.iter_mut().for_each(Relay::flush);
        self.servers.iter_mut().for_each(Server::hear);
        assert!(self.passed < 10_000, "they come to rest");
    }

    /// Area servers whose link was cut have another one.
    fn link_anew(&mut self) {
        for server in &mut self.servers {
            let relay = &mut self.relays[server.chat];
            if relay.areas.get(server.name).is_none_or(|area| area.number != server.link) {
                server.hear();
                server.link(relay);
            }
        }
    }

    fn post(&mut self, server: usize, id: u64, channel: &str) {
        let server = &mut self.servers[server];
        server.post(&mut self.relays[server.chat], id, channel);
    }
}

/// A channel of each chat.
fn channels() -> [String; 2] {
    CHATS.map(|chat| {
        let names = (0..).map(|n| format!("world/w{n}"));
        let of = |name: &String| chat::place(name, CHATS.into_iter()) == Some(chat);
        names.into_iter().find(of).expect("one of them")
    })
}

fn scene() -> Scene {
    let channels = channels();
    let servers = vec![Server::new("ada", 0, 1, &channels), Server::new("bob", 1, 2, &channels)];
    let mut scene = Scene::new(servers);
    scene.know_each_other();
    scene
}

/// K10, K11: each channel has its chat; who is behind another one talks and hears there as anybody.
#[tokio::test]
async fn what_is_said_behind_one_chat_is_heard_behind_the_other() {
    let mut scene = scene();
    (0..4).for_each(|_| scene.turn(None));
    for (id, channel) in (1..).zip(channels()) {
        scene.post(0, id, &channel);
        scene.post(1, id, &channel);
    }
    scene.turn(None);
    for server in &scene.servers {
        assert!(server.unanswered.is_empty() && server.refused.is_empty(), "{:?}", server.refused);
        for (id, channel) in (1..).zip(channels()) {
            let mut heard = server.heard(&channel).to_vec();
            heard.sort();
            assert_eq!(heard, [format!("ada {id}"), format!("bob {id}")], "{}", server.name);
        }
    }
    // Both have heard the same in the same order.
    for channel in channels() {
        assert_eq!(scene.servers[0].heard(&channel), scene.servers[1].heard(&channel));
    }
}

/// Whichever message the bus loses: all is heard, once and in order, and nothing is asked for for ever.
#[tokio::test]
async fn whatever_the_bus_loses_is_said_again() {
    let mut lost = 0;
    loop {
        lost += 1;
        let mut scene = scene();
        (0..4).for_each(|_| scene.turn(Some(lost)));
        // Who was refused meanwhile says it again.
        for id in 1..=6 {
            for (n, channel) in channels().iter().enumerate() {
                scene.post(n, id * 2 + n as u64, channel);
                scene.post(1 - n, id * 2 + n as u64, channel);
            }
            scene.turn(Some(lost));
        }
        (0..8).for_each(|_| scene.turn(Some(lost)));
        for channel in channels() {
            let [ada, bob] = [0, 1].map(|n| scene.servers[n].heard(&channel).to_vec());
            assert_eq!(ada.last(), bob.last(), "lost {lost}: all that is said is heard");
            let (long, short) = if ada.len() > bob.len() { (ada, bob) } else { (bob, ada) };
            assert!(long.ends_with(&short), "lost {lost}: in one order {long:?} {short:?}");
            let mut once = long.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), long.len(), "lost {lost}: once");
        }
        for server in &scene.servers {
            assert!(server.unanswered.is_empty(), "lost {lost}: {:?}", server.unanswered);
            assert!(server.refused.len() <= 12, "lost {lost}: {:?}", server.refused);
        }
        // What was lost last is found by the next beat.
        (0..4).for_each(|_| scene.turn(None));
        let before = scene.passed;
        (0..8).for_each(|_| scene.turn(None));
        assert!(scene.passed <= before + 8, "lost {lost}: then there is nothing but beats");
        if lost > before {
            break;
        }
    }
    assert!(lost > 50, "{lost}");
}

/// An area server that has gone to another chat, and whose link from before arrives only now: it is answered and hears.
#[tokio::test]
async fn a_late_link_makes_no_server_unheard() {
    let mut scene = scene();
    (0..4).for_each(|_| scene.turn(None));
    let tell = || -> Tell { Box::new(|_| Ok(())) };
    let nobody = |_| tokio::spawn(std::future::pending());
    scene.relays[0].link_up("bob", [tell(), tell()], Arc::default(), nobody);
    let [one, _] = channels();
    // Ada's line is for one who says nothing meanwhile.
    scene.turn(None);
    scene.post(0, 1, &one);
    scene.turn(None);
    scene.relays[0].link_up("bob", [tell(), tell()], Arc::default(), nobody);
    scene.post(1, 2, &one);
    scene.turn(None);
    for server in &scene.servers {
        assert!(server.unanswered.is_empty());
        assert_eq!(server.heard(&one), ["ada 1", "bob 2"], "{}", server.name);
    }
    let (before, link) = (scene.passed, scene.servers[1].link);
    (0..8).for_each(|_| scene.turn(None));
    assert!(scene.passed <= before + 8 && scene.servers[1].link == link, "then there is nothing but beats");
}

/// Who asks for a channel whose chat is silent is told so, and all goes on when that one is heard again.
#[tokio::test]
async fn a_chat_that_is_silent_is_away() {
    let mut scene = scene();
    (0..4).for_each(|_| scene.turn(None));
    let [one, two] = channels();
    for _ in 0..8 {
        scene.now_ms += 500;
        scene.relays[0].let_time_pass(scene.now_ms);
    }
    scene.link_anew();
    scene.wire.lock().expect("a wire").clear();
    scene.servers[0].hear();
    scene.post(0, 1, &one);
    scene.post(0, 2, &two);
    scene.servers[0].hear();
    assert_eq!(scene.servers[0].refused, ["ada 2 chat_unavailable"]);
    (0..4).for_each(|_| scene.turn(None));
    scene.post(0, 3, &two);
    scene.turn(None);
    assert_eq!(scene.servers[1].heard(&two), ["ada 3"]);
    assert_eq!(scene.servers[1].heard(&one), ["ada 1"]);
}

/// A name that no chat has, and a chat that central does not name, are not listened to.
#[tokio::test]
async fn a_stranger_on_the_bus_is_not_heard() {
    let mut scene = scene();
    (0..4).for_each(|_| scene.turn(None));
    let [one, _] = channels();
    let post =
        Post { channel: one.clone(), sender: vec![1; 16], id: 9, text: "forged".into(), ..Post::default() };
    let envelope = |body| pangea_world::messages::Envelope { seq: 0, ack: 0, body: Some(body) };
    let forged = Passed {
        from: "three".into(),
        stream: 1,
        seq: 1,
        kind: PassedKind::Said.into(),
        server: "ada".into(),
        link: 0,
        said: Some(envelope(Body::Post(post))),
    };
    let before = scene.servers[0].link;
    scene.relays[0].on_passed(forged.clone());
    scene.relays[0].on_passed(Passed { from: "one".into(), ..forged });
    scene.turn(None);
    assert_eq!(scene.servers[0].heard(&one), [""; 0]);
    assert_eq!(scene.servers[0].link, before, "nothing began anew");
}
