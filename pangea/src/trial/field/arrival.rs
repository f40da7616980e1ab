//! One player's way to a raw socket: account, character, ticket by the client's library, then WebSocket by hand.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::BytesMut;
use pangea_client::{Client, EnterOptions};
use pangea_world::OLDEST_GAME_PROTOCOL_VERSION;
use pangea_world::frames::{ClientMessage, Entry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::cluster::{Cluster, WORLD};
use super::player::put_frame;
use super::swarm::Order;

/// Players who come in at the same time.
const AT_ONCE: usize = 32;
/// From the connection to the end of the upgrade.
const PATIENCE: Duration = Duration::from_secs(20);
/// Largest answer to an upgrade, bytes.
const ANSWER_BYTES: usize = 8 << 10;

/// A connection that has said hello.
#[derive(Debug)]
pub(super) struct Newcomer {
    /// Non-blocking.
    pub(super) stream: TcpStream,
    /// What came behind the answer to the upgrade.
    pub(super) leftover: Vec<u8>,
}

/// Brings so many players in and hands them to the swarm.
pub(super) async fn bring_in(players: u32, cluster: &Cluster, swarm: &Sender<Order>) -> anyhow::Result<()> {
    let doors = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for number in 0..players {
        let (client, doors, swarm) = (cluster.client.another(), doors.clone(), swarm.clone());
        tasks.spawn(async move {
            // Never closed.
            let _door = doors.acquire().await.ok();
            let newcomer = come_in(&client, number).await.with_context(|| format!("player {number}"))?;
            swarm.send(Order::Newcomer(newcomer)).context("the swarm has ended")
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn come_in(client: &Client, number: u32) -> anyhow::Result<Newcomer> {
    let name = format!("trial-{number:06}");
    client.register(&name, "a long way to walk").await?;
    let character = client.create_character(WORLD, &name, None).await?.id;
    let options = EnterOptions { world: Some(WORLD.to_owned()), ..EnterOptions::default() };
    let prepared = client.prepare(character, &options).await?;
    connect(&prepared.url, prepared.ticket).await
}

/// Upgrades and says hello.
pub(super) async fn connect(url: &str, ticket: String) -> anyhow::Result<Newcomer> {
    tokio::time::timeout(PATIENCE, connect_now(url, ticket)).await.context("no answer to the upgrade")?
}

async fn connect_now(url: &str, ticket: String) -> anyhow::Result<Newcomer> {
    let (host, path) = url
        .strip_prefix("ws://")
        .and_then(|rest| rest.split_once('/'))
        .with_context(|| format!("«{url}» is no address of a plain WebSocket"))?;
    let mut stream = tokio::net::TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 || bytes.len() > ANSWER_BYTES {
            bail!("the upgrade was not answered");
        }
    };
    if !bytes.starts_with(b"HTTP/1.1 101 ") {
        bail!("no upgrade: {}", String::from_utf8_lossy(&bytes[..end]).lines().next().unwrap_or_default());
    }
    let hello = ClientMessage::Hello {
        version: OLDEST_GAME_PROTOCOL_VERSION,
        schema: 0,
        entry: Entry::Ticket(ticket),
    };
    let mut frame = BytesMut::new();
    put_frame(&mut frame, &hello.to_frame());
    stream.write_all(&frame).await?;
    Ok(Newcomer { stream: stream.into_std()?, leftover: bytes.split_off(end) })
}
