//! How a connection to the game port begins. An upgrade, a player's (RFC 6455 §4.2.1) or a neighbour's, is read and
//! answered here; any other request is HTTP's, with what was read of it.

use std::io;

use bytes::BytesMut;
use httparse::{EMPTY_HEADER, Header, Status};
use pangea_world::{Code, Refusal};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::websocket;

/// Most bytes of the head of an upgrade; a longer one is HTTP's to refuse.
pub const MOST_HEAD: usize = 16 << 10;

/// Most headers of it.
const MOST_HEADERS: usize = 100;

/// What a peer line upgrades to.
const PEER_UPGRADE: &str = "pangea-peer";

/// How all requests for an upgrade begin, and few others.
const BEGIN: &[u8] = b"GET /p";

/// What a connection begins with.
#[derive(Debug, PartialEq, Eq)]
pub enum Opening {
    /// A player has upgraded.
    Player,
    /// A neighbour has.
    Peer,
    /// It is HTTP; with the reason why an upgrade is none, if it wants to be one.
    Http(Option<Refusal>),
}

/// Reads how a connection begins, and answers if it upgrades. The second is what was read and is the next one's to
/// read: of HTTP all of it.
///
/// # Errors
/// If the connection ends or breaks before.
pub async fn open(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<(Opening, BytesMut)> {
    let mut bytes = BytesMut::with_capacity(2_048);
    loop {
        let before = bytes.len();
        if io.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let known = bytes.len().min(BEGIN.len());
        if bytes[..known] != BEGIN[..known] {
            return Ok((Opening::Http(None), bytes));
        }
        // The end of the head may lie across two reads.
        let tail = before.saturating_sub(3);
        let Some(end) = bytes[tail..].windows(4).position(|four| four == b"\r\n\r\n") else {
            if bytes.len() >= MOST_HEAD {
                return Ok((Opening::Http(None), bytes));
            }
            continue;
        };
        let end = tail + end + 4;
        return Ok(match upgrade(&bytes[..end]) {
            Some(Ok((opening, answer))) => {
                io.write_all(answer.as_bytes()).await?;
                io.flush().await?;
                (opening, bytes.split_off(end))
            }
            Some(Err(refusal)) => (Opening::Http(Some(refusal)), bytes),
            None => (Opening::Http(None), bytes),
        });
    }
}

/// What a request upgrades to, with the answer, or why it does not; `None` if it does not want to.
fn upgrade(head: &[u8]) -> Option<Result<(Opening, String), Refusal>> {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    // What is no proper head, HTTP refuses.
    let Ok(Status::Complete(_)) = request.parse(head) else { return None };
    let path = request.path.unwrap_or_default();
    let asked = Asked { http_1_1: request.version == Some(1), headers: request.headers };
    match path.split('?').next() {
        Some("/play") => Some(asked.as_player()),
        Some("/peer") => Some(asked.as_peer()),
        _ => None,
    }
}

struct Asked<'h> {
    http_1_1: bool,
    headers: &'h [Header<'h>],
}

impl Asked<'_> {
    fn as_player(&self) -> Result<(Opening, String), Refusal> {
        if !self.upgrades_to("websocket") {
            return no("/play is a WebSocket: connect with an upgrade");
        }
        if !self.has("sec-websocket-version", "13") {
            return no("only version 13 of WebSocket is spoken here");
        }
        let key = self.values("sec-websocket-key").next().and_then(websocket::accept_key);
        let Some(accept) = key else { return no("the handshake has no proper Sec-WebSocket-Key") };
        Ok((Opening::Player, switching("websocket", &format!("sec-websocket-accept: {accept}\r\n"))))
    }

    fn as_peer(&self) -> Result<(Opening, String), Refusal> {
        if !self.upgrades_to(PEER_UPGRADE) {
            return no("/peer is for area servers: connect with an upgrade to pangea-peer");
        }
        Ok((Opening::Peer, switching(PEER_UPGRADE, "")))
    }

    /// Its method is GET, since it begins with that.
    fn upgrades_to(&self, to: &str) -> bool {
        let body = self.values("content-length").any(|length| length.trim() != "0")
            || self.values("transfer-encoding").next().is_some();
        self.http_1_1 && !body && self.has("connection", "upgrade") && self.has("upgrade", to)
    }

    fn has(&self, name: &str, wanted: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(','))
            .any(|word| word.trim().eq_ignore_ascii_case(wanted))
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.filter_map(|header| std::str::from_utf8(header.value).ok())
    }
}

fn switching(to: &str, more: &str) -> String {
    format!("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {to}\r\n{more}\r\n")
}

fn no<T>(text: &str) -> Result<T, Refusal> {
    Refusal::err(Code::BadRequest, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAY: &str = "GET /play?a=b HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
         Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    /// Writes these pieces one by one; what came of it, what is left to be read, and the answer.
    async fn opened(pieces: &[&[u8]]) -> (io::Result<Opening>, Vec<u8>, String) {
        let (mut client, mut server) = tokio::io::duplex(64 << 10);
        let writing = async {
            for piece in pieces {
                client.write_all(piece).await.expect("written");
                tokio::task::yield_now().await;
            }
            client.shutdown().await.expect("closed");
            client
        };
        let (opened, mut client) = tokio::join!(open(&mut server), writing);
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("an answer");
        match opened {
            Ok((opening, rest)) => (Ok(opening), rest.to_vec(), answer),
            Err(error) => (Err(error), Vec::new(), answer),
        }
    }

    #[tokio::test]
    async fn an_upgrade_is_answered_however_it_is_cut() {
        let whole = [PLAY.as_bytes(), b"more"].concat();
        for size in [1, 7, 100, whole.len()] {
            let pieces: Vec<&[u8]> = whole.chunks(size).collect();
            let (opening, rest, answer) = opened(&pieces).await;
            assert_eq!(opening.expect("opened"), Opening::Player);
            assert!(b"more".starts_with(&rest), "in pieces of {size} the rest is {rest:?}");
            assert!(answer.starts_with("HTTP/1.1 101 ") && answer.ends_with("\r\n\r\n"), "{answer}");
            assert!(answer.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
        }
        let peer = "GET /peer HTTP/1.1\r\nconnection: upgrade\r\nupgrade: pangea-peer\r\n\r\n";
        assert_eq!(opened(&[peer.as_bytes()]).await.0.expect("opened"), Opening::Peer);
    }

    #[tokio::test]
    async fn what_is_no_upgrade_is_left_to_http_whole() {
        for (what, text, refused) in [
            ("another path", "GET /status HTTP/1.1\r\n\r\n".to_owned(), false),
            ("a like path", "GET /peers HTTP/1.1\r\n\r\n".to_owned(), false),
            ("another method", PLAY.replace("GET", "POST"), false),
            ("no head", "GET /play\r\n\r\n".to_owned(), false),
            ("too long", format!("GET /play HTTP/1.1\r\nx: {}", "y".repeat(MOST_HEAD)), false),
            ("no upgrade", "GET /play HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), true),
            ("HTTP/1.0", PLAY.replace("HTTP/1.1", "HTTP/1.0"), true),
            ("another version", PLAY.replace("13", "8"), true),
            ("another key", PLAY.replace("ZQ==", ""), true),
            ("a body", PLAY.replace("Host: a", "Content-Length: 5"), true),
            ("a body in pieces", PLAY.replace("Host: a", "Transfer-Encoding: chunked"), true),
            ("for peers", PLAY.replace("/play", "/peer"), true),
        ] {
            let (opening, rest, answer) = opened(&[text.as_bytes()]).await;
            let Ok(Opening::Http(refusal)) = opening else { panic!("{what}: {opening:?}") };
            assert_eq!(refusal.map(|refusal| refusal.code), refused.then_some(Code::BadRequest), "{what}");
            assert!(text.as_bytes().starts_with(&rest), "{what}: HTTP reads the rest itself");
            assert_eq!(answer, "", "{what}");
        }
    }

    #[tokio::test]
    async fn who_goes_away_is_no_opening() {
        for text in ["", "GET /play HT"] {
            assert!(opened(&[text.as_bytes()]).await.0.is_err(), "{text}");
        }
    }
}
