//! Asks central to prepare a server for a character; plain, or with progress.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use bytes::BytesMut;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use pangea_world::id::{CharacterId, EnterId, unhex};
use pangea_world::{Code, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{check, read};
use crate::{Client, Error, Game};

/// How long a wish to enter is followed before the client gives up.
const ENTER_TIMEOUT: Duration = Duration::from_secs(600);
/// Largest event of the progress stream.
const EVENT_BYTES: usize = 64 << 10;

/// Where a character wishes to go; empty: where it was.
#[derive(Debug, Clone, Default)]
pub struct EnterOptions {
    /// World by name.
    pub world: Option<String>,
    /// Map by id.
    pub map: Option<String>,
    /// A rule that the server must have, e.g. `pve`.
    pub rule: Option<String>,
    /// A layer by number.
    pub layer: Option<u16>,
}

/// How far a wish to enter is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Progress {
    /// `queued`, `spawning`, `generating`, `restoring`, `syncing`, `ready`.
    pub state: String,
    /// Place in line from 1; 0 if not queued.
    #[serde(default)]
    pub position: u32,
}

/// A server that waits for the character.
#[derive(Debug, Clone, Deserialize)]
pub struct Prepared {
    /// The wish that it answers.
    pub enter_id: EnterId,
    /// `ws://` or `wss://`.
    pub url: String,
    /// Single use, lives for seconds.
    pub ticket: String,
    /// A third-party server: it wants the ticket as its first message and speaks its own protocol.
    #[serde(default)]
    pub plain: bool,
    /// World, ground and layer.
    #[serde(default)]
    pub area: String,
    /// SHA-256 of the server's certificate, hex, if it signed it itself.
    #[serde(default)]
    pub certificate_sha256: Option<String>,
    /// The same server by WebTransport, if it has that; for those who speak it.
    #[serde(default)]
    pub webtransport: Option<WebTransportOffer>,
    /// Milliseconds that central took.
    #[serde(default)]
    pub took_ms: Option<f64>,
}

/// How a server is reached by WebTransport.
#[derive(Debug, Clone, Deserialize)]
pub struct WebTransportOffer {
    /// `https://`.
    pub url: String,
    /// SHA-256 of the certificates that may be met there, hex; none if any client believes them.
    pub certificate_hashes: Vec<String>,
}

impl Client {
    /// Enters: prepares a server and connects to it.
    ///
    /// # Errors
    /// As central or the game server refuses.
    pub async fn enter(&self, character: CharacterId, options: EnterOptions) -> Result<Game, Error> {
        let prepared = self.prepare(character, &options).await?;
        match Game::connect(self.clone(), character, prepared).await {
            // The server died with its list of announced players, and another one has its place: once more.
            Err(Error::Refused(refusal)) if refusal.code == Code::NotAnnounced => {
                let prepared = self.prepare(character, &options).await?;
                Game::connect(self.clone(), character, prepared).await
            }
            game => game,
        }
    }

    /// Only prepares a server. Asks again under the same key until it is ready; so a lost answer takes no
    /// second seat.
    ///
    /// # Errors
    /// As central refuses.
    pub async fn prepare(&self, character: CharacterId, options: &EnterOptions) -> Result<Prepared, Error> {
        let key = new_key();
        let body = wish(character, options);
        let tries = async {
            let mut lost = 0;
            loop {
                let headers = [("idempotency-key", key.as_str())];
                let answer = match self.call_raw(Method::POST, "/api/enter", Some(&body), &headers).await {
                    Err(Error::Transport(_)) if lost < 3 => {
                        lost += 1;
                        tokio::time::sleep(Duration::from_millis(200) * lost).await;
                        continue;
                    }
                    answer => answer?,
                };
                if answer.status() == StatusCode::ACCEPTED {
                    check(answer).await?;
                    continue;
                }
                return self.believe(read(answer).await?);
            }
        };
        tokio::time::timeout(ENTER_TIMEOUT, tries).await.map_err(|_| too_long())?
    }

    /// As [`Client::prepare`], and tells each state on the way.
    ///
    /// # Errors
    /// As central refuses.
    pub async fn prepare_with_progress(
        &self,
        character: CharacterId,
        options: &EnterOptions,
        mut tell: impl FnMut(Progress),
    ) -> Result<Prepared, Error> {
        let key = new_key();
        let body = wish(character, options);
        let headers = [("idempotency-key", key.as_str()), ("accept", "text/event-stream")];
        let answer = self.call_raw(Method::POST, "/api/enter", Some(&body), &headers).await?;
        let events = answer
            .headers()
            .get("content-type")
            .is_some_and(|t| t.as_bytes().starts_with(b"text/event-stream"));
        if !events {
            return self.believe(read(answer).await?);
        }
        let mut stream = answer.into_body();
        let mut unread = BytesMut::new();
        let reading = async {
            while let Some(frame) = stream.frame().await {
                let frame = frame.map_err(|error| Error::transport("the progress was cut off", error))?;
                unread.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                while let Some(event) = take_event(&mut unread)? {
                    if event.get("ticket").is_some_and(Value::is_string) {
                        return self.believe(from_json(event)?);
                    }
                    if event.get("code").is_some() {
                        return Err(Error::Refused(from_json(event)?));
                    }
                    tell(from_json(event)?);
                }
            }
            Err(Error::Transport("the progress ended before the server was ready".to_owned()))
        };
        tokio::time::timeout(ENTER_TIMEOUT, reading).await.map_err(|_| too_long())?
    }

    /// Pins the certificate that central vouches for.
    fn believe(&self, prepared: Prepared) -> Result<Prepared, Error> {
        if let Some(hex) = &prepared.certificate_sha256 {
            let print = unhex(hex).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            let print = print.ok_or_else(|| Error::Protocol(format!("«{hex}» is no SHA-256")))?;
            self.dialer.pin(print);
        }
        Ok(prepared)
    }
}

fn too_long() -> Error {
    Error::Refused(Refusal::new(Code::EnterExpired, "no server was ready within ten minutes"))
}

fn wish(character: CharacterId, options: &EnterOptions) -> Value {
    let mut body = json!({ "character": character });
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[key] = value;
        }
    };
    put("world", options.world.clone().map(Value::from));
    put("map", options.map.clone().map(Value::from));
    put("rule", options.rule.clone().map(Value::from));
    put("layer", options.layer.map(Value::from));
    body
}

/// A name for one wish. No secret: it must only be another than those of this account before.
pub(crate) fn new_key() -> String {
    let word = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", word(), word())
}

fn from_json<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value)
        .map_err(|error| Error::Protocol(format!("an event that cannot be read: {error}")))
}

/// Takes one server-sent event off the front: the JSON of its data lines. Comments and empty events are skipped.
fn take_event(unread: &mut BytesMut) -> Result<Option<Value>, Error> {
    loop {
        let text = &unread[..];
        let blank = |window: &[u8]| window == b"\n\n";
        let carriage = text.windows(4).position(|window| window == b"\r\n\r\n").map(|at| (at, 4));
        let Some((end, gap)) = text.windows(2).position(blank).map(|at| (at, 2)).or(carriage) else {
            if unread.len() > EVENT_BYTES {
                return Err(Error::Protocol("an event of the progress is too large".to_owned()));
            }
            return Ok(None);
        };
        let event = unread.split_to(end + gap);
        let event = String::from_utf8_lossy(&event);
        let data: Vec<&str> =
            event.lines().filter_map(|line| line.strip_prefix("data:").map(str::trim_start)).collect();
        if data.is_empty() {
            continue;
        }
        let value = serde_json::from_str(&data.join("\n"));
        return value
            .map(Some)
            .map_err(|error| Error::Protocol(format!("an event that cannot be read: {error}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_whole_and_comments_are_skipped() {
        let mut unread = BytesMut::from(&b": hello\n\nevent: progress\ndata: {\"state\":\"que"[..]);
        assert!(take_event(&mut unread).expect("half").is_none());
        unread.extend_from_slice(b"ued\",\"position\":2}\n\ndata: {\"state\":\"ready\"}\r\n\r\ndata: {");
        let event = take_event(&mut unread).expect("whole").expect("one");
        let progress: Progress = from_json(event).expect("progress");
        assert_eq!(progress, Progress { state: "queued".into(), position: 2 });
        assert_eq!(take_event(&mut unread).expect("whole").expect("second")["state"], "ready");
        assert!(take_event(&mut unread).expect("rest").is_none());
        let mut broken = BytesMut::from(&b"data: {\n\n"[..]);
        assert!(take_event(&mut broken).is_err());
        let mut endless = BytesMut::from(&vec![b'x'; EVENT_BYTES + 1][..]);
        assert!(take_event(&mut endless).is_err());
    }
}
