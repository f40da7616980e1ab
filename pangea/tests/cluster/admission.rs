//! Who does not come in (G10, M2).

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::{SinkExt, StreamExt};
use pangea_client::EnterOptions;
use pangea_world::GAME_PROTOCOL_VERSION;
use pangea_world::frames::{ClientMessage, Entry, ServerMessage, read_server_frame};
use tokio_tungstenite::tungstenite::Message;

use crate::support::Cluster;

async fn knock(url: &str, entry: Entry) -> Vec<ServerMessage> {
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let hello = ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, schema: 0, entry };
    socket.send(Message::Binary(hello.to_frame())).await.unwrap();
    let mut heard = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(bytes) => {
                heard.extend(read_server_frame(&bytes).unwrap());
                if heard.iter().any(|m| matches!(m, ServerMessage::Update(_))) {
                    break;
                }
            }
            Message::Close(_) => break,
            _ => {}
        }
    }
    heard
}

fn refusal(heard: &[ServerMessage]) -> &str {
    match heard.first() {
        Some(ServerMessage::Refused(refusal)) => refusal.code.as_str(),
        other => panic!("expected a refusal, not {other:?}"),
    }
}

/// Scenario 4: a ticket opens one server once; a forged, a foreign and a cut one open nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_opens_one_server_once() {
    let cluster = Cluster::start(&[]).await;
    let (client, character) = cluster.player("Finn", "isles", None).await;
    let harbour = client.prepare(character, &EnterOptions::default()).await.unwrap();
    let (other, other_character) = cluster.player("Gerd", "wilds", None).await;
    let wilds = other.prepare(other_character, &EnterOptions::default()).await.unwrap();

    let ticket = |text: &str| Entry::Ticket(text.to_owned());
    assert_eq!(refusal(&knock(&wilds.url, ticket(&harbour.ticket)).await), "ticket_foreign");
    let cut = &harbour.ticket[..harbour.ticket.len() - 4];
    assert_eq!(refusal(&knock(&harbour.url, ticket(cut)).await), "ticket_invalid");
    assert_eq!(refusal(&knock(&harbour.url, ticket("")).await), "ticket_invalid");
    assert_eq!(refusal(&knock(&harbour.url, Entry::Resume([7; 16])).await), "resume_invalid");

    let heard = knock(&harbour.url, ticket(&harbour.ticket)).await;
    assert!(matches!(heard.first(), Some(ServerMessage::Welcome(_))), "{heard:?}");
    assert_eq!(refusal(&knock(&harbour.url, ticket(&harbour.ticket)).await), "ticket_used");

    // A valid login without an announcement has nothing to show: given up, its ticket is good for nothing. The
    // word of it may come after a knock that is quick; then he was let in, and tries once more.
    let tries = AtomicU32::new(0);
    cluster
        .until("the withdrawn ticket opens nothing", || async {
            let key = format!("enter-{}", tries.fetch_add(1, Ordering::Relaxed));
            let body = serde_json::json!({ "character": other_character });
            let headers = [("idempotency-key", key.as_str())];
            let again: serde_json::Value =
                other.call_with(http::Method::POST, "/api/enter", Some(&body), &headers).await.unwrap();
            let gone = format!("/api/enter/{}", again["enter_id"].as_str().unwrap());
            other.call_raw(http::Method::DELETE, &gone, None, &[]).await.unwrap();
            let (url, late) = (again["url"].as_str().unwrap(), again["ticket"].as_str().unwrap());
            let heard = knock(url, ticket(late)).await;
            matches!(heard.first(), Some(ServerMessage::Refused(r)) if r.code.as_str() == "not_announced")
        })
        .await;
}
