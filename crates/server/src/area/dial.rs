//! Opens the line to a neighbour: TCP, TLS with the certificate that central named, the upgrade, the hellos.

use std::io;
use std::time::Duration;

use pangea_world::id::ServerId;
use pangea_world::messages::{Peer, PeerHello};
use pangea_world::{Code, Refusal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::peer_frame::{Frame, MOST_OF_A_STRANGER, Reader};
use super::socket::Socket;
use crate::address::Held;
use crate::link::connect_pinned;
use crate::net::TcpStream;

/// From the first packet to the other side's hello.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause before the second attempt; it doubles.
const FIRST_PAUSE_MS: u64 = 100;

/// The pause before any further attempt.
const LONGEST_PAUSE_MS: u64 = 5_000;

/// Most bytes of the answer to the upgrade, its head.
const MOST_HEAD: usize = 4 << 10;

/// A line that a neighbour has answered.
#[derive(Debug)]
pub struct Dialled {
    /// Who was dialled.
    pub to: ServerId,
    /// What the other side says it is.
    pub hello: PeerHello,
    /// The line.
    pub socket: Socket,
    /// What came after the hello.
    pub rest: Vec<u8>,
}

/// Dials until somebody answers with a hello; `failures` so far in a row.
pub async fn dial(
    to: ServerId,
    peer: Peer,
    hello: PeerHello,
    mut failures: u32,
    answers: mpsc::Sender<Dialled>,
) {
    let mut told = None;
    loop {
        tokio::time::sleep(pause(failures)).await;
        failures = failures.saturating_add(1);
        let why = match tokio::time::timeout(PATIENCE, open(to, &peer, &hello)).await {
            Ok(Ok(dialled)) => return drop(answers.send(dialled).await),
            Ok(Err(No::Refused(refusal))) => refusal.to_string(),
            Ok(Err(No::Broken(error))) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        // At the first attempt the other side may not have been told of us yet.
        if failures > 1 && told.as_ref() != Some(&why) {
            tracing::warn!(area = peer.area, why, "a neighbour cannot be reached; tried again");
            told = Some(why);
        }
    }
}

fn pause(failures: u32) -> Duration {
    let ms = failures.checked_sub(1).map_or(0, |n| FIRST_PAUSE_MS << n.min(16));
    Duration::from_millis(ms.min(LONGEST_PAUSE_MS))
}

enum No {
    Refused(Refusal),
    Broken(io::Error),
}

impl From<io::Error> for No {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

async fn open(to: ServerId, peer: &Peer, hello: &PeerHello) -> Result<Dialled, No> {
    let port = u16::try_from(peer.port).map_err(io::Error::other)?;
    let mut tcp = TcpStream::connect((peer.address.as_str(), port)).await?;
    tcp.set_nodelay(true)?;
    if !peer.tls {
        let (hello, rest) = shake_hands(&mut tcp, peer, hello).await?;
        let socket = Socket::new(tcp.into_std()?, None, Held::default());
        return Ok(Dialled { to, hello, socket, rest });
    }
    let pin = peer.certificate.as_slice().try_into();
    let pin = pin.map_err(|_| io::Error::other("central named no certificate of it"))?;
    let mut stream = connect_pinned(tcp, pin, b"http/1.1").await?;
    let (hello, mut rest) = shake_hands(&mut stream, peer, hello).await?;
    let (tcp, mut tls) = stream.into_inner();
    // What TLS has decrypted and nobody has read; it would never be announced by the socket again.
    let _ = io::Read::read_to_end(&mut tls.reader(), &mut rest);
    let socket = Socket::new(tcp.into_std()?, Some(Box::new(tls.into())), Held::default());
    Ok(Dialled { to, hello, socket, rest })
}

/// The upgrade and the hellos; the other side's, and what came after it.
async fn shake_hands(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    peer: &Peer,
    hello: &PeerHello,
) -> Result<(PeerHello, Vec<u8>), No> {
    let request = format!(
        "GET /peer HTTP/1.1\r\nhost: {}:{}\r\nconnection: upgrade\r\nupgrade: pangea-peer\r\n\r\n",
        peer.address, peer.port
    );
    io.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    let rest = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break bytes.split_off(end + 4);
        }
        if bytes.len() > MOST_HEAD || io.read_buf(&mut bytes).await? == 0 {
            return Err(io::Error::other("no answer to the upgrade").into());
        }
    };
    if !bytes.starts_with(b"HTTP/1.1 101 ") {
        let line = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned();
        return Err(io::Error::other(format!("it does not upgrade: {line}")).into());
    }
    io.write_all(&Frame::Hello(hello.clone()).to_bytes()).await?;
    match first_frame(io, rest).await? {
        Some((Frame::Hello(theirs), rest)) => Ok((theirs, rest)),
        Some((Frame::Refused(refusal), _)) => Err(No::Refused(refusal)),
        Some(_) => Err(No::Refused(Refusal::new(Code::Protocol, "its first frame is no hello"))),
        None => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The first frame of a stranger and what came after it; `rest` was read already. `None` if he goes away.
///
/// # Errors
/// If it cannot be read.
pub async fn first_frame(
    io: &mut (impl AsyncRead + Unpin),
    rest: Vec<u8>,
) -> Result<Option<(Frame, Vec<u8>)>, Refusal> {
    let mut reader = Reader::new(MOST_OF_A_STRANGER);
    let mut bytes = rest;
    loop {
        reader.push(&bytes);
        if let Some(frame) = reader.next()? {
            return Ok(Some((frame, reader.into_rest())));
        }
        bytes.clear();
        if !matches!(io.read_buf(&mut bytes).await, Ok(1..)) {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_is_at_once_and_pauses_are_bounded() {
        let pauses: Vec<u64> = (0..9).map(|failures| pause(failures).as_millis() as u64).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(pause(u32::MAX), Duration::from_millis(LONGEST_PAUSE_MS));
    }
}
