//! What an area server makes of its chat's words, with a chat that is played by hand behind a real link.

use pangea_world::chat::Kind;
use pangea_world::id::CharacterId;
use pangea_world::messages::{Line, Lines, Listening, Peer, Peers};

use super::*;
use crate::link;

/// A chat by hand, and the link of the one area server to it.
struct Chat {
    sender: link::Sender,
    events: mpsc::Receiver<Event>,
}

impl Chat {
    /// Central names it to the area server, which links to it.
    async fn of(scene: &Scene) -> Chat {
        let listener = crate::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (accepted, mut links) = mpsc::channel(1);
        let key_of: link::KeyOf = Arc::new(|hello| Some(RoleKey::of_credential(&hello.credential)));
        tokio::spawn(link::serve(listener, None, key_of, accepted));
        let chat = Peer {
            server: vec![1; 16],
            address: "127.0.0.1".into(),
            port: port.into(),
            role: "chat".into(),
            area: "chat".into(),
            credential: "a word of central".into(),
            ..Peer::default()
        };
        scene.say(Body::Peers(Peers { whole: false, present: vec![chat], gone: Vec::new() })).await;
        let link = tokio::time::timeout(PATIENCE, links.recv()).await.expect("in time").expect("a link");
        Chat { sender: link.sender, events: link.events }
    }

    fn say(&self, body: Body) {
        self.sender.send(body).expect("there is room");
    }

    /// The next message that fits; others are passed over.
    async fn hear<T>(&mut self, mut fits: impl FnMut(Body) -> Option<T>) -> T {
        let heard = async {
            loop {
                if let Event::Message(body) = self.events.recv().await.expect("the link lives")
                    && let Some(found) = fits(body)
                {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("heard in time")
    }

    fn say_lines(&self, channel: &str, seqs: std::ops::RangeInclusive<u64>) {
        let (channel, lines) = (channel.to_owned(), seqs.map(line).collect());
        self.say(Body::Lines(Lines { channel, log: 7, lines, reader: Vec::new(), later: false }));
    }
}

fn line(seq: u64) -> Line {
    let (sender, account) = (vec![9; 16], vec![9; 16]);
    Line { seq, sender, account, name: "Bob".into(), id: seq, at_ms: 1, text: format!("line {seq}") }
}

/// The numbers of the lines of the world and of her inbox that she is told, up to this one of her inbox.
async fn told_to(player: &mut Player, last: u64) -> [Vec<u64>; 2] {
    let [mut world, mut inbox] = [Vec::new(), Vec::new()];
    while inbox.last() != Some(&last) {
        let lines =
            player.find(|message| if let ServerMessage::Lines(lines) = message { Some(lines) } else { None });
        let lines = lines.await;
        let of = if lines.kind == Kind::Whisper as u8 { &mut inbox } else { &mut world };
        of.extend(lines.lines.iter().map(|line| line.seq));
    }
    [world, inbox]
}

/// A chat that was away gives its newest lines alone. Of a channel that is on disk who listens is told those between
/// as well, in order; of one that is kept in memory it goes on with what there is.
#[tokio::test]
async fn what_a_chat_that_comes_back_leaves_out_is_read_from_its_file() {
    let mut scene = Scene::ready().await;
    let mut ada = scene.enter(1, 10.0, 10.0).await;
    ada.say(&ClientMessage::Heard(Vec::new())).await;
    let mut chat = Chat::of(&scene).await;
    let inbox = format!("to/{}", CharacterId([1; 16]));
    let channels = ["world/isles", &inbox];
    let mut asked = Vec::new();
    while asked.len() < 2 {
        asked.push(
            chat.hear(|body| match body {
                Body::Listen(listen) if channels.contains(&listen.channel.as_str()) => Some(listen.channel),
                _ => None,
            })
            .await,
        );
    }
    for channel in channels {
        chat.say(Body::Listening(Listening { channel: channel.to_owned(), log: 7, seq: 0 }));
        chat.say_lines(channel, 1..=2);
    }
    assert_eq!(told_to(&mut ada, 2).await, [[1, 2], [1, 2]]);
    channels.iter().for_each(|channel| chat.say_lines(channel, 300..=301));
    let (mut after, mut newest) = (2, 301);
    while after < 300 {
        let read = chat.hear(|body| if let Body::ReadLines(read) = body { Some(read) } else { None }).await;
        let wants = (read.channel.as_str(), read.reader.as_slice(), read.after);
        assert_eq!(wants, (inbox.as_str(), &[1; 16][..], Some(after)));
        let last = newest.min(after + 100);
        let lines = (after + 1..=last).map(line).collect();
        let told = Lines { channel: read.channel, log: 7, lines, reader: read.reader, later: true };
        chat.say(Body::Lines(told));
        // And it goes on.
        (after, newest) = (last, newest + 1);
        chat.say_lines(&inbox, newest..=newest);
    }
    assert_eq!(told_to(&mut ada, newest).await, [vec![300, 301], (3..=newest).collect()]);
}

/// Who lost the answer says it again: it is neither heard twice nor taken for one line too many.
#[tokio::test]
async fn what_is_said_again_was_said_once() {
    let mut scene = Scene::ready().await;
    let mut ada = scene.enter(1, 10.0, 10.0).await;
    let mut bob = scene.enter(2, 12.0, 10.0).await;
    bob.say(&ClientMessage::Heard(Vec::new())).await;
    let aloud = |id: u64| {
        let (to, text) = (String::new(), format!("line {id}"));
        ClientMessage::Say { kind: Kind::Local as u8, id, to, text }
    };
    for id in [5; 20].into_iter().chain([6]) {
        ada.say(&aloud(id)).await;
        let said = ada.find(|message| match message {
            ServerMessage::Said { id, refused } => Some((id, refused)),
            _ => None,
        });
        assert_eq!(said.await, (id, None));
    }
    let mut heard = Vec::new();
    while heard.last() != Some(&6) {
        let lines =
            bob.find(|message| if let ServerMessage::Lines(lines) = message { Some(lines) } else { None });
        heard.extend(lines.await.lines.iter().map(|line| line.id));
    }
    assert_eq!(heard, [5, 6]);
}
