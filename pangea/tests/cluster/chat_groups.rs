//! Who hears whom: parties and factions over several servers, and people who do not want to hear each other (H.2,
//! H.6, I.1).

use http::Method;
use pangea_client::{ChannelKind as Kind, Client, EnterOptions, Event, Game, Line};
use pangea_world::Code;
use pangea_world::id::CharacterId;
use serde_json::{Value, json};

use crate::chat::FREELY;
use crate::support::{Cluster, event};

/// A player in the isles who remembers what he hears.
pub struct Sailor {
    pub client: Client,
    pub id: CharacterId,
    pub game: Game,
    pub heard: Vec<Line>,
}

impl Sailor {
    /// In this map, in its world's channel and at its inbox.
    pub async fn new(cluster: &Cluster, name: &str, map: &str) -> Self {
        let (client, id) = cluster.player(name, "isles", Some("sailors")).await;
        let there = EnterOptions { map: Some(map.to_owned()), ..EnterOptions::default() };
        let game = client.enter(id, there).await.unwrap();
        let mut sailor = Self { client, id, game, heard: Vec::new() };
        let mut waits = vec![Kind::World, Kind::Whisper];
        sailor
            .until("its channels", |event| {
                if let Event::Channel { kind, joined: true } = event {
                    waits.retain(|waits| waits != kind);
                }
                waits.is_empty().then_some(())
            })
            .await;
        sailor
    }

    /// Waits for an event.
    pub async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let heard = &mut self.heard;
        event(&mut self.game, what, |event, _| {
            if let Event::Chat(line) = event {
                heard.push(line.clone());
            }
            pick(event)
        })
        .await
    }

    /// A deed of the API, which must be done.
    pub async fn does(&self, deed: &str, body: Value) -> Value {
        let path = format!("/api/characters/{}/{deed}", self.id);
        let done = self.client.call(Method::POST, &path, Some(&body)).await;
        done.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// What became of what was said: `None`, or why not.
    pub async fn answer(&mut self, said: u64) -> Option<Code> {
        self.until("an answer", |event| match event {
            Event::Said { id, refused } if *id == said => Some(refused.as_ref().map(|refused| refused.code)),
            _ => None,
        })
        .await
    }

    pub async fn says(&mut self, kind: Kind, text: &str) -> Option<Code> {
        let said = self.game.say(kind, text).await;
        self.answer(said).await
    }

    pub async fn whispers(&mut self, to: &str, text: &str) -> Option<Code> {
        let said = self.game.whisper(to, text).await;
        self.answer(said).await
    }

    /// Waits until it is in a channel, or not any more.
    pub async fn is_in(&mut self, wanted: Kind, inside: bool) {
        self.until("the channel", |event| {
            matches!(event, Event::Channel { kind, joined } if *kind == wanted && *joined == inside)
                .then_some(())
        })
        .await;
    }

    /// Waits for a line with this text, if it was not heard before.
    pub async fn until_heard(&mut self, text: &str) {
        if self.heard.iter().all(|line| line.text != text) {
            self.until(text, |event| match event {
                Event::Chat(line) => (line.text == text).then_some(()),
                _ => None,
            })
            .await;
        }
    }

    /// Says it as soon as its server knows that it is in the channel.
    async fn says_at_last(&mut self, kind: Kind, text: &str) {
        while let Some(code) = self.says(kind, text).await {
            assert_eq!(code, Code::NotInChannel);
        }
    }

    /// The texts that came since the last time, but for its own words, in channels of this kind: with one chat all
    /// that were said before this is asked.
    pub async fn hears(&mut self, kind: Kind) -> Vec<String> {
        self.game.say(Kind::World, "that is all").await;
        let me = self.id;
        let own = |line: &Line| line.sender == me;
        self.until("its own line", |event| {
            matches!(event, Event::Chat(line) if own(line) && line.text == "that is all").then_some(())
        })
        .await;
        let (mine, rest) = std::mem::take(&mut self.heard)
            .into_iter()
            .partition::<Vec<_>, _>(|line| line.kind == kind || own(line));
        self.heard = rest;
        mine.into_iter().filter(|line| !own(line)).map(|line| line.text).collect()
    }
}

/// What a party and a faction say is heard by all of theirs, on whichever server they are, and by nobody else; who
/// left hears no more and is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parties_and_factions_talk_over_two_servers() {
    let cluster = Cluster::start(&[FREELY]).await;
    let mut ada = Sailor::new(&cluster, "Ada", "harbour").await;
    let mut bob = Sailor::new(&cluster, "Bob", "forest").await;
    let mut eve = Sailor::new(&cluster, "Eve", "forest").await;
    assert_ne!(ada.game.area(), bob.game.area());
    let party = ada.does("party/invite", json!({"name": "Bob"})).await["party"]["id"].clone();
    bob.does("party/accept", json!({"party": party})).await;
    let made = crate::factions::done(&ada.client, ada.id, "", json!({"name": "Ravens", "open": true})).await;
    crate::factions::done(&bob.client, bob.id, "/join", json!({"faction": made["id"]})).await;
    for kind in [Kind::Party, Kind::Faction] {
        // Both are in it when both have said something there.
        ada.says_at_last(kind, "aye").await;
        bob.says_at_last(kind, "aye").await;
        bob.hears(kind).await;
        for n in 0..5 {
            assert_eq!(ada.says(kind, &format!("{kind:?} {n}")).await, None);
        }
        let expected: Vec<String> = (0..5).map(|n| format!("{kind:?} {n}")).collect();
        assert_eq!(bob.hears(kind).await, expected);
        assert_eq!(eve.says(kind, "let me in").await, Some(Code::NotInChannel));
        assert_eq!(eve.hears(kind).await, [""; 0]);
    }
    bob.does("party/leave", json!({})).await;
    bob.is_in(Kind::Party, false).await;
    assert_eq!(bob.says(Kind::Party, "still here?").await, Some(Code::NotInChannel));
    crate::factions::done(&bob.client, bob.id, "/leave", json!({})).await;
    bob.is_in(Kind::Faction, false).await;
    assert_eq!(ada.says(Kind::Faction, "he is gone").await, None);
    assert_eq!(bob.hears(Kind::Faction).await, [""; 0]);
}

/// Who blocks somebody hears nothing of him any more: aloud, in the area, whispered. That one is not told, and hears
/// the other until he does the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_blocked_is_not_heard() {
    let cluster = Cluster::start(&[FREELY]).await;
    let mut ada = Sailor::new(&cluster, "Ada", "harbour").await;
    let mut bob = Sailor::new(&cluster, "Bob", "harbour").await;
    let kinds = [Kind::Local, Kind::Area, Kind::Whisper];
    async fn talk(one: &mut Sailor, other: &str) {
        for kind in [Kind::Local, Kind::Area] {
            assert_eq!(one.says(kind, "hail").await, None, "nobody is told that he is blocked");
        }
        assert_eq!(one.whispers(other, "hail").await, None);
    }
    let block = async |one: &Sailor, other: &str| one.does("blocks", json!({"name": other})).await;
    block(&ada, "Bob").await;
    talk(&mut bob, "Ada").await;
    talk(&mut ada, "Bob").await;
    for kind in kinds {
        assert_eq!(
            (ada.hears(kind).await, bob.hears(kind).await),
            (vec![], vec!["hail".to_owned()]),
            "{kind:?}"
        );
    }
    ada.game.read_chat(Kind::Whisper, 0, 10).await;
    let kept = ada.until("history", |event| match event {
        Event::History { kind: Kind::Whisper, lines } => Some(lines.len()),
        _ => None,
    });
    assert_eq!(kept.await, 0, "nor is it in what is kept for her");
    block(&bob, "Ada").await;
    talk(&mut bob, "Ada").await;
    talk(&mut ada, "Bob").await;
    for kind in kinds {
        assert_eq!((ada.hears(kind).await, bob.hears(kind).await), (vec![], vec![]), "{kind:?}");
    }
}

/// Chat ends in the middle of telling many lines to two servers, and comes back: both hear what was said once and in
/// order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_ends_while_it_tells_loses_nothing() {
    let mut cluster = Cluster::apart_with(&[FREELY]).await;
    let mut ada = Sailor::new(&cluster, "Ada", "harbour").await;
    let mut others =
        [Sailor::new(&cluster, "Bob", "forest").await, Sailor::new(&cluster, "Cyd", "cave").await];
    for (other, name) in others.iter_mut().zip(["Bob", "Cyd"]) {
        let party = ada.does("party/invite", json!({"name": name})).await["party"]["id"].clone();
        other.does("party/accept", json!({"party": party})).await;
        other.says_at_last(Kind::Party, "aye").await;
    }
    ada.says_at_last(Kind::Party, "aye").await;
    for round in 0..3 {
        // Her server's link to chat may be the last that is there again.
        while let Some(code) = ada.says(Kind::Party, "are you there?").await {
            assert_eq!(code, Code::ChatUnavailable);
        }
        let mut open = Vec::new();
        for n in 0..30 {
            let text = format!("{round} {n}");
            open.push((ada.game.say(Kind::Party, &text).await, text));
        }
        let first = format!("{round} 0");
        others[0].until_heard(&first).await;
        cluster.kill_role("chat");
        cluster.start_role("chat");
        let mut said = Vec::new();
        ada.until("all answers", |event| {
            if let Event::Said { id, refused } = event
                && let Some(at) = open.iter().position(|(open, _)| open == id)
            {
                let (_, text) = open.remove(at);
                said.extend(refused.is_none().then_some(text));
            }
            open.is_empty().then_some(())
        })
        .await;
        let last = said.last().expect("some were said").clone();
        for other in &mut others {
            other.until_heard(&last).await;
            let texts =
                other.heard.iter().filter(|line| line.kind == Kind::Party).map(|line| line.text.clone());
            let texts: Vec<String> = texts.filter(|text| text.starts_with(&format!("{round} "))).collect();
            assert_eq!(texts, said, "round {round}");
        }
    }
}
