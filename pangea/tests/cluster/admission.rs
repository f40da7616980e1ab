//! Who does not come in (G10, M2).

use futures_util::{SinkExt, StreamExt};
use pangea_client::EnterOptions;
use pangea_world::frames::{ClientMessage, Entry, ServerMessage, read_server_frame};
use tokio_tungstenite::tungstenite::Message;

use crate::support::Cluster;

async fn knock(url: &str, entry: Entry) -> Vec<ServerMessage> {
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let hello = ClientMessage::Hello { version: 1, entry };
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

/// A ticket opens one server once; a forged, a foreign and a cut one open nothing.
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

    // A valid login without an announcement has nothing to show: given up, its ticket is good for nothing.
    let key = "enter-once";
    let body = serde_json::json!({ "character": other_character });
    let path = "/api/enter";
    let headers = [("idempotency-key", key)];
    let again =
        other.call_with::<serde_json::Value>(http::Method::POST, path, Some(&body), &headers).await.unwrap();
    let gone = format!("/api/enter/{}", again["enter_id"].as_str().unwrap());
    other.call_raw(http::Method::DELETE, &gone, None, &[]).await.unwrap();
    let url = again["url"].as_str().unwrap().to_owned();
    let late = again["ticket"].as_str().unwrap().to_owned();
    cluster
        .until("the withdrawn ticket opens nothing", || async {
            matches!(knock(&url, ticket(&late)).await.first(), Some(ServerMessage::Refused(r)) if r.code.as_str() == "not_announced")
        })
        .await;
}
