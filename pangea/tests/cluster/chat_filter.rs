//! The program that is asked of each line by HTTP (H.3): one that changes, forbids, is slow, and is dead.

use pangea_client::ChannelKind as Kind;
use pangea_world::Code;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::chat::FREELY;
use crate::chat_groups::Sailor;
use crate::support::Cluster;

/// Speaks HTTP by hand: «loud» is said softly, «never» is forbidden, «slow» is never answered, «odd» by nonsense.
async fn filter(mut socket: TcpStream) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let (head, length) = loop {
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            if let Some(head) = text.find("\r\n\r\n") {
                let length =
                    text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                break (head + 4, length.unwrap_or(0usize));
            }
            if socket.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        while bytes.len() < head + length {
            socket.read_buf(&mut bytes).await?;
        }
        let asked: Value = serde_json::from_slice(&bytes[head..head + length])?;
        bytes.drain(..head + length);
        let text = asked["text"].as_str().unwrap_or_default();
        assert!(
            asked["channel"] == "world/isles" && asked["sender"].as_str().is_some_and(|id| id.len() == 32)
        );
        let (status, body) = match text {
            "never" => ("403 Forbidden", String::new()),
            "odd" => ("200 OK", "<html>".to_owned()),
            "slow" => {
                std::future::pending::<()>().await;
                unreachable!()
            }
            _ => ("200 OK", json!({ "text": text.replace("loud", "soft") }).to_string()),
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        socket.write_all(answer.as_bytes()).await?;
    }
}

/// What it says is done; without its answer a line is said after half a second, in its order, or not, by setting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_filter_changes_forbids_and_may_be_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("chat.filter_url=http://{}/ask", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(filter(socket));
        }
    });
    let passing = Cluster::start(&[FREELY, &url]).await;
    let blocking = Cluster::start(&[FREELY, &url, "chat.filter_fail=block"]).await;
    let mut ada = Sailor::new(&passing, "Ada", "harbour").await;
    let mut bob = Sailor::new(&passing, "Bob", "forest").await;
    let mut eve = Sailor::new(&blocking, "Eve", "harbour").await;
    for who in [&mut ada, &mut eve] {
        assert_eq!(who.says(Kind::World, "so loud").await, None);
        assert_eq!(who.says(Kind::World, "never").await, Some(Code::BlockedWord));
    }
    for text in ["slow", "odd"] {
        assert_eq!(ada.says(Kind::World, text).await, None, "{text}");
        assert_eq!(eve.says(Kind::World, text).await, Some(Code::BlockedWord), "{text}");
    }
    // What is said behind one that waits comes after it.
    for text in ["slow", "one", "two"] {
        ada.game.say(Kind::World, text).await;
    }
    serving.abort();
    ada.until("her last line", |event| match event {
        pangea_client::Event::Chat(line) => (line.text == "two").then_some(()),
        _ => None,
    })
    .await;
    assert_eq!(bob.hears(Kind::World).await, ["so soft", "slow", "odd", "slow", "one", "two"]);
    assert_eq!(ada.says(Kind::World, "is anybody listening?").await, None, "nobody is there to ask");
}
