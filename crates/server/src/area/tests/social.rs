//! What central says of parties, and what clients hear of it.

use pangea_world::messages::{GoOn, Notice, SendOn};

use super::*;

#[tokio::test]
async fn notices_reach_whom_they_are_for_and_a_party_takes_its_members_along() {
    let mut scene = Scene::ready().await;
    let mut ada = scene.enter(1, 10.0, 10.0).await;
    let mut bob = scene.enter(2, 12.0, 10.0).await;
    let news = |message| if let ServerMessage::Social(json) = message { Some(json) } else { None };
    for (character, notice) in [
        (vec![1; 16], "{\"type\":\"one\"}"),
        (vec![9; 16], "{\"type\":\"gone\"}"),
        (vec![], "{\"type\":\"all\"}"),
    ] {
        scene.say(Body::Notice(Notice { character, notice: notice.into() })).await;
    }
    assert_eq!(ada.find(news).await, "{\"type\":\"one\"}");
    assert_eq!(ada.find(news).await, "{\"type\":\"all\"}");
    assert_eq!(bob.find(news).await, "{\"type\":\"all\"}", "what is hers he does not hear");
    let send_on = |map: &str, layer_plus_one: u32| {
        let (world, map) = ("isles".to_owned(), map.to_owned());
        let wish = GoOn { world, map, at: true, x: 20.0, y: 15.0, layer_plus_one, ..GoOn::default() };
        Body::SendOn(SendOn { character: vec![1; 16], wish: Some(wish) })
    };
    // Elsewhere: as if her client had asked.
    for (map, layer) in [("wood", 1), ("quay", 2)] {
        scene.say(send_on(map, layer)).await;
        let asked = scene.hear(|body| if let Body::GoOn(asked) = body { Some(asked) } else { None }).await;
        assert_eq!((asked.character, asked.epoch, asked.map.as_str()), (vec![1; 16], 4, map));
        let refused =
            pangea_world::messages::RefusalMessage { code: "world_full".into(), text: "full".into() };
        let (character, request) = (vec![1; 16], asked.request);
        let reply = pangea_world::messages::GoOnReply {
            request,
            state: "refused".into(),
            character,
            refused: Some(refused),
            ..Default::default()
        };
        scene.say(Body::GoOnReply(reply)).await;
        assert_eq!(ada.refused().await, Code::WorldFull);
    }
    // Here: at once.
    scene.say(send_on("quay", 1)).await;
    scene.say(Body::Notice(Notice { character: vec![1; 16], notice: "{}".into() })).await;
    assert_eq!(ada.find(news).await, "{}");
    ada.say(&ClientMessage::Leave).await;
    assert_eq!(scene.hear_left().await, (1, 4, 20.0, 15.0));
}

/// Central is answered by a code, whatever keeps a server from sending a character on; an order takes the place of the
/// player's own wish, and is not asked about.
#[tokio::test]
async fn a_character_that_cannot_be_sent_on_is_never_passed_over_in_silence() {
    let mut scene = Scene::ready().await;
    let mut ada = scene.enter(1, 10.0, 10.0).await;
    let send_on = |n: u8, order: u64| {
        let wish = GoOn { map: "wood".into(), order, unasked: true, ..GoOn::default() };
        Body::SendOn(SendOn { character: vec![n; 16], wish: Some(wish) })
    };
    let said = |body| if let Body::SentOn(sent) = body { Some(sent) } else { None };
    let why = |sent: pangea_world::messages::SentOn| (sent.order, sent.refused.expect("a refusal").code);
    scene.say(send_on(9, 7)).await;
    assert_eq!(why(scene.hear(said).await), (7, "stale_epoch".to_owned()), "nobody is here by that name");
    assert_eq!(scene.admit(at(2, 12.0, 10.0), 2, 4, false).await, None);
    let _sees = Player::connect(scene.port, &ticket(2)).await;
    scene.say(send_on(2, 8)).await;
    assert_eq!(why(scene.hear(said).await), (8, "stale_epoch".to_owned()), "it only sees here");

    let wish = |body| if let Body::GoOn(wish) = body { Some(wish) } else { None };
    let (world, map, rule, friend) = (String::new(), "wood".to_owned(), String::new(), String::new());
    ada.say(&ClientMessage::GoOn { world, map, layer: None, rule, friend }).await;
    assert_eq!(scene.hear(wish).await.order, 0, "her own wish");
    scene.say(send_on(1, 9)).await;
    let ordered = scene.hear(wish).await;
    assert_eq!((ordered.order, ordered.unasked), (9, true));
    let (request, character) = (ordered.request, vec![1; 16]);
    let (url, ticket) = ("ws://b".to_owned(), "t".to_owned());
    let ready = GoOnReply { request, character, state: "ready".into(), url, ticket, ..GoOnReply::default() };
    scene.say(Body::GoOnReply(ready)).await;
    let asks = ada.find(|message| match message {
        ServerMessage::Follow { prompt, .. } => Some(prompt),
        _ => None,
    });
    assert!(!asks.await, "an order is no question");

    scene.say(Body::Seal(Seal { character: vec![1; 16], transfer: vec![9; 16], epoch: 4 })).await;
    scene.say(send_on(1, 10)).await;
    assert_eq!(why(scene.hear(said).await), (10, "area_unavailable".to_owned()), "it is decided about");
}
