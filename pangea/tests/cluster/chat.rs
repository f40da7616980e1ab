//! Talking: through an area server, chat, and the other area servers (K4, K5, K10, K11; docs/chat.md).

use std::time::Duration;

use pangea_client::{ChannelKind as Kind, EnterOptions, Event, Game, Line};
use pangea_world::Code;

use crate::support::{Cluster, event, signal};

/// Enough lines for a test that says many.
pub const FREELY: &str = "limits.chat_lines_per_10s=100000";

/// A character of its own account, in this map of the isles.
pub async fn in_isles(cluster: &Cluster, name: &str, map: &str) -> Game {
    let (client, character) = cluster.player(name, "isles", Some("sailors")).await;
    let there = EnterOptions { map: Some(map.to_owned()), ..EnterOptions::default() };
    let mut game = client.enter(character, there).await.unwrap();
    tuned_in(&mut game).await;
    game
}

/// Waits until the character is in its world's channel.
pub async fn tuned_in(game: &mut Game) {
    event(game, "it is in the world's channel", |event, _| {
        matches!(event, Event::Channel { kind: Kind::World, joined: true }).then_some(())
    })
    .await;
}

/// The answer to what was said: `None`, or the code of the refusal.
pub async fn answer(game: &mut Game, said: u64) -> Option<Code> {
    event(game, "an answer", |event, _| match event {
        Event::Said { id, refused } if *id == said => Some(refused.as_ref().map(|refused| refused.code)),
        _ => None,
    })
    .await
}

/// The next line of this kind.
pub async fn line(game: &mut Game, wanted: Kind) -> Line {
    event(game, "a line", |event, _| match event {
        Event::Chat(line) if line.kind == wanted => Some(line.clone()),
        _ => None,
    })
    .await
}

/// Texts of the lines up to and with this one.
pub async fn lines_to(game: &mut Game, kind: Kind, last: &str) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        let line = line(game, kind).await;
        texts.push(line.text);
        if texts.last().is_some_and(|text| text == last) {
            return texts;
        }
    }
}

/// Scenario 5, K10, K11: from one area to another and back, once each and in order; the sender hears itself once;
/// who stands in another world hears nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_in_one_area_is_heard_in_the_others() {
    let cluster = Cluster::start(&[FREELY]).await;
    let mut ada = in_isles(&cluster, "Ada", "harbour").await;
    let mut bob = in_isles(&cluster, "Bob", "forest").await;
    assert_ne!(ada.area(), bob.area());
    let (zoe, zoe_one) = cluster.player("Zoe", "wilds", None).await;
    let mut zoe = zoe.enter(zoe_one, EnterOptions::default()).await.unwrap();
    tuned_in(&mut zoe).await;
    let mut said = Vec::new();
    for n in 0..50 {
        said.push(ada.say(Kind::World, &format!("line {n}")).await);
        if n % 7 == 0 {
            assert_eq!(answer(&mut ada, said[n]).await, None);
        }
    }
    let bobs = bob.say(Kind::World, "<b>bye</b> & ${x}").await;
    let mut expected: Vec<String> = (0..50).map(|n| format!("line {n}")).collect();
    expected.push("<b>bye</b> & ${x}".to_owned());
    let sorted = |mut texts: Vec<String>| {
        texts.sort();
        texts
    };
    // Bob's own line may come before the last of Ada's: in one order for both.
    let mut heard = Vec::new();
    while heard.len() < 51 {
        heard.push(line(&mut bob, Kind::World).await);
    }
    let texts: Vec<String> = heard.iter().map(|line| line.text.clone()).collect();
    assert_eq!(sorted(texts.clone()), sorted(expected));
    let adas: Vec<&String> = texts.iter().filter(|text| text.starts_with("line ")).collect();
    assert_eq!(adas.len(), 50);
    assert!(adas.iter().enumerate().all(|(n, text)| **text == format!("line {n}")), "in order");
    assert!(heard.windows(2).all(|two| two[0].seq + 1 == two[1].seq), "no gap");
    assert_eq!((heard[0].name.as_str(), heard[0].kind), ("Ada", Kind::World));
    let mut again = Vec::new();
    // Some of Ada's came while she waited for answers.
    ada.say(Kind::Area, "done").await;
    let done = event(&mut ada, "her own last line", |event, _| {
        if let Event::Chat(line) = event {
            again.push(line.clone());
        }
        matches!(event, Event::Chat(line) if line.text == "done").then_some(())
    });
    done.await;
    assert!(again.windows(2).all(|two| two[0].kind != two[1].kind || two[0].seq < two[1].seq));
    // Area talk stays in the area.
    bob.say(Kind::Area, "only here").await;
    assert_eq!(line(&mut bob, Kind::Area).await.text, "only here");
    ada.say(Kind::World, "last").await;
    assert_eq!(lines_to(&mut bob, Kind::World, "last").await, ["last"]);
    zoe.say(Kind::World, "who is here?").await;
    assert_eq!(line(&mut zoe, Kind::World).await.text, "who is here?", "nothing of another world before");
    let _ = bobs;

    // What was said before is shown to those who come late and ask for it.
    let mut late = in_isles(&cluster, "Late", "forest").await;
    late.read_chat(Kind::World, 0, 3).await;
    let history = event(&mut late, "history", |event, _| match event {
        Event::History { kind: Kind::World, lines } => Some(lines.clone()),
        _ => None,
    })
    .await;
    assert_eq!(history.len(), 3);
    assert_eq!(history[2].text, "last");
}

/// What must not be said is refused, and nothing of it is heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_not_be_said_is_refused() {
    let cluster = Cluster::start(&["chat.blocked_words=[\"grass\"]", "limits.chat_lines_per_10s=12"]).await;
    let mut ada = in_isles(&cluster, "Ada", "harbour").await;
    let mut bob = in_isles(&cluster, "Bob", "harbour").await;
    for (text, code) in [
        ("", Code::TextInvalid),
        ("a\u{1b}[31mb", Code::TextInvalid),
        (&"x".repeat(256), Code::TooLong),
        (&"é\u{301}\u{301}\u{301}\u{301}".repeat(40), Code::TextInvalid),
        ("green GRASS", Code::BlockedWord),
    ] {
        let said = ada.say(Kind::World, text).await;
        assert_eq!(answer(&mut ada, said).await, Some(code), "{text:?}");
    }
    for (kind, code) in [
        (Kind::Party, Code::NotInChannel),
        (Kind::Faction, Code::NotInChannel),
        (Kind::System, Code::NotInChannel),
    ] {
        let said = ada.say(kind, "let me in").await;
        assert_eq!(answer(&mut ada, said).await, Some(code), "{kind:?}");
    }
    for (to, code) in [
        ("Nobody", Code::UnknownCharacter),
        ("", Code::UnknownCharacter),
        ("<script>", Code::UnknownCharacter),
        ("ada", Code::BadInput),
    ] {
        let said = ada.whisper(to, "psst").await;
        assert_eq!(answer(&mut ada, said).await, Some(code), "{to:?}");
    }
    // A flood in one channel: some are heard, the rest is refused, and others talk on.
    let mut said = Vec::new();
    for n in 0..40 {
        said.push(bob.say(Kind::Area, &format!("flood {n}")).await);
    }
    let mut refused = 0;
    while !said.is_empty() {
        let (id, code) = event(&mut bob, "an answer", |event, _| match event {
            Event::Said { id, refused } => Some((*id, refused.as_ref().map(|refused| refused.code))),
            _ => None,
        })
        .await;
        said.retain(|said| *said != id);
        assert!(matches!(code, None | Some(Code::TooManyRequests)), "{code:?}");
        refused += usize::from(code.is_some());
    }
    assert!((20..40).contains(&refused), "{refused}");
    ada.say(Kind::Area, "quiet, please").await;
    let heard = lines_to(&mut ada, Kind::Area, "quiet, please").await;
    assert_eq!(heard.len(), 40 - refused + 1);
}

/// A whisper reaches one alone, wherever she is, and is kept for one who is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whisper_reaches_one_alone() {
    let cluster = Cluster::start(&[FREELY]).await;
    let mut ada = in_isles(&cluster, "Ada", "harbour").await;
    let mut bob = in_isles(&cluster, "Bob", "forest").await;
    let mut eve = in_isles(&cluster, "Eve", "forest").await;
    let (cleo, cleo_one) = cluster.player("Cleo", "isles", Some("sailors")).await;
    let said = ada.whisper("bob", "meet me").await;
    assert_eq!(answer(&mut ada, said).await, None);
    let heard = line(&mut bob, Kind::Whisper).await;
    assert_eq!((heard.text.as_str(), heard.name.as_str()), ("meet me", "Ada"));
    let said = ada.whisper("Cleo", "when you wake").await;
    assert_eq!(answer(&mut ada, said).await, None, "it is kept");
    let mut cleo = cleo.enter(cleo_one, EnterOptions::default()).await.unwrap();
    tuned_in(&mut cleo).await;
    cleo.read_chat(Kind::Whisper, 0, 10).await;
    let kept = event(&mut cleo, "history", |event, _| match event {
        Event::History { kind: Kind::Whisper, lines } => Some(lines.clone()),
        _ => None,
    })
    .await;
    assert_eq!(kept.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["when you wake"]);
    eve.say(Kind::World, "nothing for me").await;
    assert_eq!(line(&mut eve, Kind::World).await.text, "nothing for me");
}

/// A game that is over is entered anew: what was said meanwhile is heard then, once and in order, also if it is more
/// than anybody keeps at hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_enters_again_hears_what_was_missed() {
    let cluster = Cluster::start(&[FREELY, "limits.messages_per_second=10000"]).await;
    let mut ada = in_isles(&cluster, "Ada", "harbour").await;
    let mut bob = in_isles(&cluster, "Bob", "forest").await;
    let said = ada.whisper("Bob", "before").await;
    assert_eq!(answer(&mut ada, said).await, None);
    assert_eq!(line(&mut bob, Kind::Whisper).await.text, "before");
    bob.leave().await;
    let missed: Vec<String> = (0..250).map(|n| format!("p{n}")).collect();
    for some in missed.chunks(25) {
        let mut last = 0;
        for text in some {
            last = ada.whisper("Bob", text).await;
        }
        assert_eq!(answer(&mut ada, last).await, None);
    }
    let mut bob = bob.again(EnterOptions::default()).await.unwrap();
    assert_eq!(lines_to(&mut bob, Kind::Whisper, "p249").await, missed);
}

/// With the other setting nobody whispers to who is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whispers_to_the_absent_are_refused_by_setting() {
    let cluster = Cluster::start(&["chat.offline_whispers=refuse"]).await;
    let mut ada = in_isles(&cluster, "Ada", "harbour").await;
    let _ = cluster.player("Cleo", "isles", Some("sailors")).await;
    let said = ada.whisper("Cleo", "when you wake").await;
    assert_eq!(answer(&mut ada, said).await, Some(Code::Offline));
}

/// The connection is lost, and the area server killed, in the middle of talk: what was missed comes, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_comes_once() {
    let cluster = Cluster::start(&[FREELY]).await;
    let mut ada = in_isles(&cluster, "Ada", "harbour").await;
    let mut bob = in_isles(&cluster, "Bob", "forest").await;
    for round in 0..4 {
        let from = round * 20;
        for n in from..from + 20 {
            let said = ada.say(Kind::World, &format!("w{n}")).await;
            assert_eq!(answer(&mut ada, said).await, None);
            let said = ada.whisper("Bob", &format!("p{n}")).await;
            assert_eq!(answer(&mut ada, said).await, None);
            if n == from + 5 {
                match round {
                    1 => bob.cut(),
                    2 => {
                        let forest = cluster.serving("isles/forest").await[0]["pid"].as_u64().unwrap();
                        signal(forest as u32, "KILL");
                    }
                    _ => {}
                }
            }
        }
        let mut whispers = Vec::new();
        let mut words = Vec::new();
        while whispers.len() < 20 || words.len() < 20 {
            let heard = event(&mut bob, "a line", |event, _| match event {
                Event::Chat(line) => Some(line.clone()),
                _ => None,
            })
            .await;
            if heard.kind == Kind::Whisper { whispers.push(heard.text) } else { words.push(heard.text) }
        }
        let expected = |letter: char| (from..from + 20).map(|n| format!("{letter}{n}")).collect::<Vec<_>>();
        assert_eq!(whispers, expected('p'), "round {round}");
        assert_eq!(words, expected('w'), "round {round}");
    }
}

/// Chat alone is killed and started again while two talk: play goes on, what was said is heard once, and what could
/// not be said is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_is_killed_and_comes_back() {
    let mut cluster = Cluster::apart_with(&[FREELY]).await;
    let mut ada = in_isles(&cluster, "Ada", "harbour").await;
    let mut bob = in_isles(&cluster, "Bob", "forest").await;
    let (mut kept, mut refused) = (Vec::new(), 0);
    for n in 0..60 {
        if n == 20 {
            cluster.kill_role("chat");
        }
        if n == 40 {
            cluster.start_role("chat");
        }
        let text = format!("p{n}");
        loop {
            let said = ada.whisper("Bob", &text).await;
            match answer(&mut ada, said).await {
                None => {
                    kept.push(text);
                    break;
                }
                Some(Code::ChatUnavailable) if n < 40 => {
                    refused += 1;
                    break;
                }
                Some(Code::ChatUnavailable) => {
                    refused += 1;
                    let ping = ada.ping().await;
                    event(&mut ada, "a pong: play goes on", |event, _| {
                        matches!(event, Event::Pong(nonce) if *nonce == ping).then_some(())
                    })
                    .await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(refused > 0 && kept.len() >= 40, "{refused} refused, {} said", kept.len());
    let mut heard = Vec::new();
    while heard.last() != kept.last() {
        heard.push(line(&mut bob, Kind::Whisper).await.text);
    }
    let missing: Vec<_> = kept.iter().filter(|text| !heard.contains(text)).collect();
    assert!(missing.is_empty(), "said and not heard: {missing:?}");
    let mut once = heard.clone();
    once.dedup();
    assert_eq!(once, heard, "once each");
    let number = |text: &String| text[1..].parse::<u32>().unwrap();
    assert!(heard.windows(2).all(|two| number(&two[0]) < number(&two[1])), "in order: {heard:?}");
}

/// A cluster with two chats, how the second one is started, and a name at each of them.
async fn two_chats() -> (Cluster, [String; 1], [&'static str; 2]) {
    let mut cluster = Cluster::apart_with(&[FREELY]).await;
    let listen = [format!("chat.listen=127.0.0.1:{}", cluster.ports_in_a_row::<1>()[0])];
    cluster.start_another("chat", "second", &listen);
    cluster.until("both chats are here", || async { count(&cluster, "chat").await == 2 }).await;
    let place = |name: &str| {
        pangea_world::chat::place(&pangea_world::chat::inbox(name), ["chat", "second"].into_iter()).unwrap()
    };
    let names = ["Bob", "Cleo", "Dora", "Emil", "Fritz", "Gerd", "Hanna", "Ida"];
    let at = |chat: &str| names.into_iter().find(|name| place(name) == chat).unwrap();
    (cluster, listen, [at("chat"), at("second")])
}

/// To how many of a role central has a link.
async fn count(cluster: &Cluster, of: &str) -> usize {
    let Ok(status) = cluster.client().call::<serde_json::Value>(http::Method::GET, "/api/status", None).await
    else {
        return 0;
    };
    let roles = status["roles"].as_array().unwrap();
    roles.iter().filter(|role| role["role"] == of).count()
}

/// Two chats share the channels; while one is away its channels wait, and those of the other go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_chats_share_the_channels() {
    let (mut cluster, listen, [first_name, second_name]) = two_chats().await;
    let mut ada = in_isles(&cluster, "Ada", "harbour").await;
    let mut first = in_isles(&cluster, first_name, "forest").await;
    let mut second = in_isles(&cluster, second_name, "forest").await;
    said_at_last(&mut ada, first_name, "one").await;
    said_at_last(&mut ada, second_name, "two").await;
    assert_eq!(line(&mut first, Kind::Whisper).await.text, "one");
    assert_eq!(line(&mut second, Kind::Whisper).await.text, "two");
    cluster.kill_role("second");
    refused_at_last(&mut ada, second_name).await;
    let said = ada.whisper(first_name, "three").await;
    assert_eq!(answer(&mut ada, said).await, None);
    assert_eq!(line(&mut first, Kind::Whisper).await.text, "three");
    cluster.start_another("chat", "second", &listen);
    said_at_last(&mut ada, second_name, "four").await;
    assert_eq!(lines_to(&mut second, Kind::Whisper, "four").await.last().unwrap(), "four");
}

/// Central is started again, and one of two chats comes back later than the area servers: nobody looks for its
/// channels at the other one meanwhile, neither those who were inside nor who comes just then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_keep_their_place_when_central_is_started_again() {
    let (mut cluster, listen, [first_name, second_name]) = two_chats().await;
    let mut ada = in_isles(&cluster, "Ada", "harbour").await;
    let mut second = in_isles(&cluster, second_name, "harbour").await;
    said_at_last(&mut ada, second_name, "one").await;
    cluster.kill_role("second");
    cluster.kill();
    cluster.start_role("central");
    let back = || async { count(&cluster, "chat").await == 1 && count(&cluster, "spawner").await == 1 };
    cluster.until("the first chat is back", back).await;
    // In an area that is started now.
    let mut first = in_isles(&cluster, first_name, "forest").await;
    said_at_last(&mut ada, first_name, "the first chat is linked here").await;
    for game in [&mut ada, &mut first] {
        let said = game.whisper(second_name, "scattered").await;
        assert_eq!(answer(game, said).await, Some(Code::ChatUnavailable));
    }
    cluster.start_another("chat", "second", &listen);
    said_at_last(&mut first, second_name, "two").await;
    let heard = lines_to(&mut second, Kind::Whisper, "two").await;
    assert_eq!(heard, ["one", "two"]);
}

/// Whispers this until it is said.
pub async fn said_at_last(game: &mut Game, to: &str, text: &str) {
    loop {
        let said = game.whisper(to, text).await;
        match answer(game, said).await {
            None => return,
            Some(Code::ChatUnavailable) => tokio::time::sleep(Duration::from_millis(50)).await,
            other => panic!("{other:?}"),
        }
    }
}

/// Whispers until that is refused, since chat is away.
async fn refused_at_last(game: &mut Game, to: &str) {
    loop {
        let said = game.whisper(to, "are you there?").await;
        match answer(game, said).await {
            None => {}
            Some(Code::ChatUnavailable) => return,
            other => panic!("{other:?}"),
        }
    }
}
