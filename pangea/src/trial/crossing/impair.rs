//! A line between players and area servers that is as bad as wished: a TCP proxy that delays what goes through,
//! each way, and for a «lost» piece holds up all behind it, as TCP does until it has sent it again.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use pangea_engine::Dice;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::flags::TrialLine;

/// How long TCP waits before it sends again where little is under way (RFC 6298 says 1 s, Linux 200 ms).
const SENT_AGAIN: Duration = Duration::from_millis(200);
/// Most pieces of one direction that are on their way.
const UNDER_WAY: usize = 1_024;
/// Most bytes of the line that names the target.
const MOST_HEAD: usize = 1_024;

#[derive(Debug, Clone, Copy)]
struct Quality {
    delay: Duration,
    /// Of pieces that are lost, 0 to 1.
    loss: f64,
}

/// One as bad as this; `None`: nothing is to be between players and area servers.
pub(in crate::trial) async fn line(wished: TrialLine, seed: u64) -> anyhow::Result<Option<SocketAddr>> {
    if wished.delay_ms == 0 && wished.loss <= 0.0 {
        return Ok(None);
    }
    start(wished.delay_ms, wished.loss, seed).await.map(Some)
}

/// Starts one; it lives as long as the process. Its clients say `CONNECT host:port HTTP/1.1` first.
async fn start(delay_ms: u64, loss_percent: f64, seed: u64) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let at = listener.local_addr()?;
    let quality = Quality { delay: Duration::from_millis(delay_ms), loss: loss_percent / 100.0 };
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((client, _)) = listener.accept().await {
            number += 2;
            // A connection that breaks is the measured one's matter.
            tokio::spawn(async move { drop(carry(client, quality, seed ^ number).await) });
        }
    });
    Ok(at)
}

async fn carry(mut client: TcpStream, quality: Quality, seed: u64) -> anyhow::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        anyhow::ensure!(head.len() < MOST_HEAD, "no target");
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    let target = head.split(' ').nth(1).unwrap_or_default();
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // The packets that open a connection have a way to go too.
    tokio::time::sleep(quality.delay * 2).await;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = pump(from_client, to_server, quality, Dice::new(seed));
    let down = pump(from_server, to_client, quality, Dice::new(seed + 1));
    let _ = tokio::join!(up, down);
    Ok(())
}

/// One direction; at the end of what comes the end of what goes.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    quality: Quality,
    mut dice: Dice,
) -> std::io::Result<()> {
    let (send, mut sent) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let read = async move {
        let mut arrives = Instant::now();
        let mut piece = vec![0; 16 << 10];
        while let Ok(length) = from.read(&mut piece).await {
            if length == 0 {
                break;
            }
            let lost = dice.between(0.0, 1.0) < quality.loss;
            let again = if lost { SENT_AGAIN + quality.delay * 2 } else { Duration::ZERO };
            // Nothing overtakes.
            arrives = arrives.max(Instant::now() + quality.delay + again);
            if send.send((arrives, piece[..length].to_vec())).await.is_err() {
                break;
            }
        }
    };
    let write = async move {
        while let Some((arrives, piece)) = sent.recv().await {
            tokio::time::sleep_until(arrives).await;
            to.write_all(&piece).await?;
        }
        to.shutdown().await
    };
    let ((), written) = tokio::join!(read, write);
    written
}
