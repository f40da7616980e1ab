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
