//! The lodge (examples/lodge-node): a server that knows only the SDK and the check of a ticket.

use std::path::Path;

use futures_util::{SinkExt as _, StreamExt as _};
use pangea_server::config::Template;
use pangea_world::id::{AccountId, CharacterId, EnterId, ServerId, SessionId};
use pangea_world::messages::{Body, ServerInfo, TicketKey, TicketKeys};
use pangea_world::ticket::{Claims, Signer, audience};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Central, Spawner, settings, within};

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

fn lodge() -> Template {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/lodge-node").canonicalize().unwrap();
    assert!(
        folder.join("node_modules/ws").exists(),
        "the lodge's packages are missing; `cargo xtask test` installs them, or: npm ci --prefix examples/lodge-node"
    );
    Template { command: vec!["node".into(), "lodge.mjs".into()], folder, pool: 1, ..Template::default() }
}

fn claims(server: &ServerInfo, character: u8, ticket: u8) -> Claims {
    let now = pangea_server::clock::unix_s();
    Claims {
        iss: "pangea".into(),
        aud: audience(ServerId::from_bytes(&server.server).unwrap(), 4),
        sub: CharacterId([character; 16]),
        jti: EnterId([ticket; 16]),
        iat: now,
        exp: now + 30,
        acc: AccountId([1; 16]),
        ses: SessionId([1; 16]),
        epoch: 1,
        name: format!("Guest {character}"),
    }
}

async fn knock(server: &ServerInfo, ticket: &str) -> Socket {
    let url = format!("ws://{}:{}{}", server.address, server.port, server.path);
    let (mut socket, _) = within(tokio_tungstenite::connect_async(url)).await.unwrap();
    socket.send(Message::text(json!({ "ticket": ticket }).to_string())).await.unwrap();
    socket
}

/// The next message that has this field.
async fn hear(socket: &mut Socket, field: &str) -> Value {
    loop {
        match within(socket.next()).await.expect("it is open").unwrap() {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message.get(field).is_some() {
                    return message;
                }
            }
            other => panic!("{field} was expected, not {other:?}"),
        }
    }
}

/// The code with which it is closed.
async fn refusal(mut socket: Socket) -> String {
    loop {
        if let Message::Close(frame) = within(socket.next()).await.expect("a close frame").unwrap() {
            let frame = frame.expect("a reason");
            assert_eq!(u16::from(frame.code), 4000);
            let reason: Value = serde_json::from_str(&frame.reason).unwrap();
            assert!(reason["text"].as_str().is_some_and(|text| !text.is_empty()));
            return reason["code"].as_str().unwrap().to_owned();
        }
    }
}

async fn hear_players(central: &mut Central, players: &[&str]) {
    central
        .hear(|body| match body {
            Body::ServerChanged(info) if info.players == players => Some(()),
            _ => None,
        })
        .await;
}

#[tokio::test]
async fn who_has_a_ticket_comes_in_once_and_is_seen_in_the_list() {
    let mut config = settings("23100-23199", &[("lodge", lodge())]);
    let mut central = Central::open(&mut config).await;
    let spawner = Spawner::run(config);
    central.meet().await;
    let signer = Signer::from_seed(&[3; 32]);
    let key = signer.public();
    central.say(Body::TicketKeys(TicketKeys { keys: vec![TicketKey { kid: key.kid, bytes: key.bytes }] }));
    let server = central.allocate("lodge", 9).await.server.expect("given");
    assert_eq!(server.player_capacity, 30);

    let ticket = signer.sign(&claims(&server, 1, 1));
    let mut ann = knock(&server, &ticket).await;
    let welcome = hear(&mut ann, "welcome").await;
    assert_eq!(welcome["welcome"]["name"], "Guest 1");
    hear_players(&mut central, &["01".repeat(16).as_str()]).await;

    assert_eq!(refusal(knock(&server, &ticket).await).await, "ticket_used");
    assert_eq!(refusal(knock(&server, &ticket[..ticket.len() - 9]).await).await, "ticket_invalid");
    assert_eq!(refusal(knock(&server, "").await).await, "ticket_invalid");
    let forged = Signer::from_seed(&[4; 32]).sign(&claims(&server, 2, 2));
    assert_eq!(refusal(knock(&server, &forged).await).await, "ticket_invalid");
    let foreign = Claims { aud: audience(ServerId([8; 16]), 4), ..claims(&server, 2, 3) };
    assert_eq!(refusal(knock(&server, &signer.sign(&foreign)).await).await, "ticket_foreign");
    let old = claims(&server, 2, 4);
    let old = Claims { iat: old.iat - 100, exp: old.exp - 100, ..old };
    assert_eq!(refusal(knock(&server, &signer.sign(&old)).await).await, "ticket_expired");

    let mut bob = knock(&server, &signer.sign(&claims(&server, 2, 5))).await;
    hear(&mut bob, "welcome").await;
    assert_eq!(hear(&mut ann, "came").await["came"], "Guest 2");
    bob.send(Message::text(r#"{"ring":true}"#)).await.unwrap();
    assert_eq!(hear(&mut ann, "rings").await, json!({ "rings": 1, "by": "Guest 2" }));
    ann.send(Message::text(r#"{"say":"hello"}"#)).await.unwrap();
    assert_eq!(hear(&mut bob, "said").await, json!({ "said": "hello", "by": "Guest 1" }));
    bob.send(Message::text("nonsense")).await.unwrap();
    assert_eq!(refusal(bob).await, "protocol");
    hear_players(&mut central, &["01".repeat(16).as_str()]).await;
    ann.close(None).await.unwrap();
    drop(ann);
    hear_players(&mut central, &[]).await;
    spawner.stop().await;
}
