//! Forged senders and channels: by a client that writes its own frames, by links that are no area server's, and by
//! one that is and speaks for a character of another (docs/chat.md). Nobody hears anything of it.

use pangea_client::{ChannelKind as Kind, EnterOptions};
use pangea_server::link::{self, Event, Opener};
use pangea_world::frames::{ClientMessage, ServerMessage, close};
use pangea_world::id::{CharacterId, PartyId, unhex};
use pangea_world::messages::{Audience, Body, Listen, Listener, Post, ReadLines};
use pangea_world::role_key::RoleKey;
use pangea_world::ticket::{Credential, Signer};
use tokio_tungstenite::tungstenite::Message;

use crate::chat::{FREELY, in_isles, line, lines_to, tuned_in};
use crate::support::{Cluster, PATIENCE};
use crate::wire::Wire;

/// What became of what was said.
async fn answer(wire: &mut Wire, said: u64) -> Option<String> {
    wire.until("an answer", |message| match message {
        ServerMessage::Said { id, refused } if *id == said => {
            Some(refused.as_ref().map(|refused| refused.code.to_string()))
        }
        _ => None,
    })
    .await
}

/// A client says who is meant by numbers and names alone: those of channels that it is not in, or that there are not,
/// are refused, and what is no frame of a client ends its own connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_forges_channels() {
    let cluster = Cluster::start(&[FREELY]).await;
    let mut bob = in_isles(&cluster, "Bob", "harbour").await;
    let (client, mallory) = cluster.player("Mallory", "isles", Some("sailors")).await;
    let there = EnterOptions { map: Some("harbour".to_owned()), ..EnterOptions::default() };
    let prepared = client.prepare(mallory, &there).await.unwrap();
    let (mut wire, welcome) = Wire::enter(&prepared.url, &prepared.ticket).await;
    wire.say(ClientMessage::Heard(Vec::new())).await;
    let world = Kind::World as u8;
    wire.until("the world's channel", |message| {
        matches!(message, ServerMessage::Channel { kind, .. } if *kind == world).then_some(())
    })
    .await;
    for (id, kind) in (1..).zip([3, 4, 6, 7, 99, 255]) {
        let text = "forged".to_owned();
        wire.say(ClientMessage::Say { kind, id, to: "Bob".to_owned(), text }).await;
        assert_eq!(answer(&mut wire, id).await.as_deref(), Some("not_in_channel"), "{kind}");
    }
    for kind in [3, 6, 7, 255] {
        wire.say(ClientMessage::ReadChat { kind, before: 0, most: 255 }).await;
        let lines = wire.until("no lines", |message| match message {
            ServerMessage::Lines(lines) if lines.kind == kind => Some(lines.lines.len()),
            _ => None,
        });
        assert_eq!(lines.await, 0, "{kind}");
    }
    // Whom it is whispered to counts in no other channel.
    wire.say(ClientMessage::Say { kind: world, id: 50, to: "Nobody".to_owned(), text: "hail".to_owned() })
        .await;
    assert_eq!(answer(&mut wire, 50).await, None);
    let heard = line(&mut bob, Kind::World).await;
    assert_eq!((heard.text.as_str(), heard.name.as_str(), heard.sender), ("hail", "Mallory", mallory));
    // Lines are for servers to say; and half a word is none.
    let mut resume = welcome.resume;
    for frame in [&[0x91, 2, 2, 0][..], &[0x92, 1, 0], &[8, 3, 2, 0, 0], &[9, 2, 200, 0]] {
        wire.raw(Message::Binary(frame.to_vec().into())).await;
        assert_eq!(wire.end().await, (vec!["protocol".to_owned()], Some(close::PROTOCOL)), "{frame:?}");
        let entry = pangea_world::frames::Entry::Resume(resume);
        let (again, welcome) = Wire::welcomed(&prepared.url, entry).await;
        (wire, resume) = (again, welcome.resume);
    }
    bob.say(Kind::World, "last").await;
    assert_eq!(lines_to(&mut bob, Kind::World, "last").await, ["last"]);
}

/// Chat takes links of area servers alone, and a line only from the one at which its sender is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_forges_senders() {
    let cluster = Cluster::start(&[FREELY]).await;
    let (client, admiral) = cluster.player("Bob", "isles", Some("sailors")).await;
    let mut bob = client.enter(admiral, EnterOptions::default()).await.unwrap();
    tuned_in(&mut bob).await;
    let (_, ada) = cluster.player("Ada", "isles", Some("sailors")).await;
    let secret = |name: &str| -> [u8; 32] {
        let text = std::fs::read_to_string(cluster.data().join("keys").join(name)).expect("a key");
        unhex(text.trim()).expect("hex digits").try_into().expect("32 bytes")
    };
    let opener = |role: &str, name: &str, key: RoleKey, credential: &str| Opener {
        address: cluster.setting("chat.listen").to_owned(),
        role: role.to_owned(),
        name: name.to_owned(),
        spawner: String::new(),
        key,
        credential: credential.to_owned(),
        pin: None,
    };
    let now_s = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    let word = |signer: &Signer, sub: &str, aud: &str, exp: u64| {
        signer.sign_credential(&Credential { sub: sub.to_owned(), aud: aud.to_owned(), exp })
    };
    let (master, signer) = (RoleKey::new(secret("master.key")), Signer::from_seed(&secret("ticket.key")));
    let good = word(&signer, "ghost", "chat/chat", now_s + 60);
    let stranger = Signer::from_seed(&[7; 32]);
    for (what, role, name, credential) in [
        ("no word of central", "area", "ghost", String::new()),
        ("nonsense", "area", "ghost", "nonsense".to_owned()),
        (
            "a word that central did not sign",
            "area",
            "ghost",
            word(&stranger, "ghost", "chat/chat", now_s + 60),
        ),
        ("a word for another chat", "area", "ghost", word(&signer, "ghost", "chat/other", now_s + 60)),
        ("a word for somebody else", "area", "ghost", word(&signer, "spirit", "chat/chat", now_s + 60)),
        ("an old word", "area", "ghost", word(&signer, "ghost", "chat/chat", now_s - 60)),
        ("another role", "spawner", "ghost", good.clone()),
    ] {
        let keys = [RoleKey::of_credential(&credential), master.derive(role, name)];
        for key in keys {
            let (_sender, mut events) = link::open(opener(role, name, key, &credential));
            let refused = async { matches!(events.recv().await, Some(Event::Refused(_))) };
            assert!(tokio::time::timeout(PATIENCE, refused).await.expect("an answer"), "{what}");
        }
    }
    // One that is an area server's, and lies.
    let (sender, mut events) = link::open(opener("area", "ghost", RoleKey::of_credential(&good), &good));
    let mut heard = async |pick: fn(Event) -> Option<Option<String>>| {
        let found = async {
            loop {
                if let Some(found) = pick(events.recv().await.expect("the link lives")) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("chat says something")
    };
    heard(|event| matches!(event, Event::Up { .. }).then_some(None)).await;
    let ghost = CharacterId([3; 16]);
    let came = vec![Listener { character: ghost.to_vec(), name: "Ghost".into(), epoch: 1 }];
    sender.send(Body::Audience(Audience { all: true, came, left: Vec::new() })).expect("sent");
    let party = PartyId([9; 16]);
    for (id, (who, channel, code)) in (1..).zip([
        (admiral, "world/isles".to_owned(), "forbidden"),
        (ada, "world/isles".to_owned(), "forbidden"),
        (CharacterId([0; 16]), "system".to_owned(), "forbidden"),
        (ghost, "system".to_owned(), "not_in_channel"),
        (ghost, format!("to/{}", admiral), "not_in_channel"),
        (ghost, "nowhere".to_owned(), "not_in_channel"),
        (ghost, String::new(), "not_in_channel"),
    ]) {
        let (sender_id, text) = (who.to_vec(), "forged".to_owned());
        let post = Post { channel: channel.clone(), sender: sender_id, id, text, ..Post::default() };
        sender.send(Body::Post(post)).expect("sent");
        let refused = heard(|event| match event {
            Event::Message(Body::Posted(posted)) => Some(posted.refused.map(|refused| refused.code)),
            _ => None,
        });
        assert_eq!(refused.await.as_deref(), Some(code), "{channel} as {who}");
    }
    let post = Post {
        channel: format!("party/{party}"),
        sender: ghost.to_vec(),
        id: 9,
        text: "a\nb".into(),
        ..Post::default()
    };
    sender.send(Body::Post(post)).expect("sent");
    let refused = heard(|event| match event {
        Event::Message(Body::Posted(posted)) => Some(posted.refused.map(|refused| refused.code)),
        _ => None,
    });
    assert_eq!(
        refused.await.as_deref(),
        Some("text_invalid"),
        "what an area server would not have let through"
    );
    // It hears and reads nobody's inbox: central says of nobody that he is there.
    let inbox = format!("to/{admiral}");
    let listen = |channel: &str| Body::Listen(Listen { channel: channel.to_owned(), log: 0, seq: 0 });
    sender.send(listen(&inbox)).expect("sent");
    let read =
        ReadLines { channel: inbox.clone(), most: 10, reader: admiral.to_vec(), ..ReadLines::default() };
    sender.send(Body::ReadLines(read)).expect("sent");
    let mut zoe = in_isles(&cluster, "Zoe", "harbour").await;
    let said = zoe.whisper("Bob", "for you alone").await;
    assert_eq!(crate::chat::answer(&mut zoe, said).await, None);
    assert_eq!(line(&mut bob, Kind::Whisper).await.text, "for you alone");
    sender.send(listen("world/isles")).expect("sent");
    let next = heard(|event| match event {
        Event::Message(Body::Listening(listening)) => Some(Some(listening.channel)),
        Event::Message(Body::Lines(lines)) => Some(Some(lines.channel)),
        _ => None,
    });
    assert_eq!(next.await.as_deref(), Some("world/isles"), "nothing of the inbox before");
    bob.say(Kind::World, "last").await;
    assert_eq!(lines_to(&mut bob, Kind::World, "last").await, ["last"]);
}
