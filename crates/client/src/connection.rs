//! One game socket: WebSocket, the first message, and what comes back.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Uri;
use pangea_world::frames::{ClientMessage, Entry, ServerMessage, read_server_frame};
use pangea_world::{Code, OLDEST_GAME_PROTOCOL_VERSION, RESUMES_KNOWING_VERSION, Refusal};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::dial::{Dialer, Stream};
use crate::{Error, Schema, View};

/// From the upgrade to Welcome.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// How a connection begins.
#[derive(Debug, Clone)]
pub(crate) enum First {
    /// Our own game protocol.
    Hello(Entry),
    /// The same, at the server of a connection that was lost.
    Back(Box<Lost>),
    /// A third-party server's: the ticket in JSON text, then whatever that server speaks.
    Plain(String),
}

/// What is left of a connection that was lost.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    token: [u8; 16],
    /// The server's.
    version: u16,
    view: View,
}

/// What a connection said.
#[derive(Debug)]
pub(crate) enum Said {
    Message(ServerMessage),
    /// An update was applied; the highest input number that it answers.
    Updated(u32),
    /// From a third-party server.
    Raw(Bytes),
    /// The close code; `None` if it was lost.
    Closed(Option<u16>),
}

/// How much came over a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// WebSocket messages received.
    pub frames: u64,
    /// Their bytes, without the transport's own.
    pub bytes: u64,
}

/// How often a game's connections ended, or did not come about, without the game having let go of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closes {
    /// To the server on which it played.
    pub live: u64,
    /// To a server that it only saw: a neighbour's, or one to which it was to go.
    pub beside: u64,
    /// To a server that was offered and could not be opened.
    pub unopened: u64,
    /// To a server that it only saw, or was about to, and that said that nobody needs it any more (`enter_expired`,
    /// `not_announced`): the character went another way. That is in order.
    pub called_off: u64,
    /// Why the last one that was not in order ended.
    pub last: Option<String>,
}

/// One game socket.
pub struct Connection {
    socket: WebSocketStream<Stream>,
    pub(crate) url: String,
    pub(crate) plain: bool,
    /// Of those that only see, the how-manieth that was begun: a newer ticket takes over from an older one.
    pub(crate) begun: u64,
    /// For a resume at this server.
    pub(crate) token: Option<[u8; 16]>,
    /// The server's version of the protocol.
    version: u16,
    pub(crate) steering: bool,
    pub(crate) epoch: u64,
    /// Whether the server was told what was heard before.
    pub(crate) tuned_in: bool,
    /// With Steer after a border: the highest input that the server before took.
    pub(crate) goes_on_after: Option<u32>,
    /// When the last update came.
    pub(crate) updated: Option<Instant>,
    pub(crate) view: View,
    /// That of the connection with which this one goes on, until the welcome.
    former: Option<View>,
    pub(crate) traffic: Traffic,
    /// The last «no», which explains a close.
    pub(crate) refusal: Option<Refusal>,
    unread: VecDeque<ServerMessage>,
}

impl Connection {
    /// Connects, says the first message and waits for the welcome (not at a third-party server).
    pub(crate) async fn open(dialer: &Dialer, url: &str, first: First) -> Result<Self, Error> {
        let opened = tokio::time::timeout(WELCOME_TIMEOUT, Self::open_now(dialer, url, first)).await;
        opened.map_err(|_| Error::transport(url, "no welcome within 10 s"))?
    }

    async fn open_now(dialer: &Dialer, url: &str, first: First) -> Result<Self, Error> {
        let uri: Uri = url.parse().map_err(|error| Error::Protocol(format!("«{url}»: {error}")))?;
        let stream = dialer.dial(&uri).await?;
        // The library's own buffers are made for few connections; here are thousands with small frames.
        let config = WebSocketConfig::default()
            .read_buffer_size(4 << 10)
            .write_buffer_size(0)
            .max_write_buffer_size(64 << 10)
            .max_message_size(Some(1 << 20))
            .max_frame_size(Some(1 << 20));
        let upgraded = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await;
        let (socket, _) = upgraded.map_err(|error| Error::transport(url, error))?;
        let mut connection = Self {
            socket,
            url: url.to_owned(),
            plain: matches!(first, First::Plain(_)),
            begun: 0,
            token: None,
            version: 0,
            steering: false,
            epoch: 0,
            tuned_in: false,
            goes_on_after: None,
            updated: None,
            view: View::default(),
            former: None,
            traffic: Traffic::default(),
            refusal: None,
            unread: VecDeque::new(),
        };
        match first {
            First::Hello(entry) => {
                let hello = ClientMessage::Hello { version: OLDEST_GAME_PROTOCOL_VERSION, schema: 0, entry };
                connection.send(&hello).await?;
                connection.welcome(dialer.schema()).await?;
            }
            First::Back(lost) => {
                connection.send(&lost.hello()).await?;
                connection.former = Some(lost.view);
                connection.welcome(dialer.schema()).await?;
            }
            First::Plain(ticket) => {
                let first = serde_json::json!({ "ticket": ticket }).to_string();
                connection.send_raw(Message::text(first)).await?;
            }
        }
        Ok(connection)
    }

    async fn welcome(&mut self, wanted: Option<u64>) -> Result<(), Error> {
        match self.next().await {
            Said::Message(ServerMessage::Welcome(welcome))
                if wanted.is_none_or(|hash| hash == welcome.schema) =>
            {
                Ok(())
            }
            Said::Message(ServerMessage::Welcome(welcome)) => {
                let text =
                    format!("the game's schema is {:016x}, this client was made for another", welcome.schema);
                Err(Error::Refused(Refusal::new(Code::VersionMismatch, text)))
            }
            Said::Message(ServerMessage::Refused(refusal)) => Err(Error::Refused(refusal)),
            Said::Closed(code) => {
                let code = code.map_or_else(String::new, |code| format!(" with {code}"));
                Err(Error::transport(&self.url, format!("closed{code} before the welcome")))
            }
            _ => Err(Error::Protocol(format!("{}: a game server begins with Welcome", self.url))),
        }
    }

    /// What is needed to come back; `None` if no server has said a token.
    pub(crate) fn into_lost(self) -> Option<Lost> {
        Some(Lost { token: self.token?, version: self.version, view: self.view })
    }

    /// Sends one message.
    pub(crate) async fn send(&mut self, message: &ClientMessage) -> Result<(), Error> {
        self.send_raw(Message::Binary(message.to_frame())).await
    }

    /// Sends anything, to a third-party server.
    pub(crate) async fn send_raw(&mut self, message: Message) -> Result<(), Error> {
        self.socket.send(message).await.map_err(|error| Error::transport(&self.url, error))
    }

    /// The next thing said; what it means for this connection is noted already. May be dropped at any time.
    pub(crate) async fn next(&mut self) -> Said {
        loop {
            if let Some(message) = self.unread.pop_front() {
                return self.note(message);
            }
            let data = match self.socket.next().await {
                Some(Ok(Message::Binary(data))) => data,
                Some(Ok(Message::Text(text))) => Bytes::from(text),
                Some(Ok(Message::Close(frame))) => {
                    return Said::Closed(frame.map(|frame| u16::from(frame.code)));
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Said::Closed(None),
            };
            self.traffic.frames += 1;
            self.traffic.bytes += data.len() as u64;
            if self.plain {
                return Said::Raw(data);
            }
            match read_server_frame(&data) {
                Ok(messages) => self.unread.extend(messages),
                Err(refusal) => {
                    self.refusal = Some(refusal);
                    return Said::Closed(None);
                }
            }
        }
    }

    /// Reads until the other side has closed, for at most this long.
    pub(crate) async fn drain(&mut self, most: Duration) {
        let closed = async { while !matches!(self.next().await, Said::Closed(_)) {} };
        // Whoever does not close in time is left.
        let _ = tokio::time::timeout(most, closed).await;
    }

    fn note(&mut self, message: ServerMessage) -> Said {
        match &message {
            ServerMessage::Welcome(welcome) => {
                self.token = Some(welcome.resume);
                self.steering = welcome.steering;
                self.epoch = welcome.epoch;
                self.version = welcome.version;
                self.view = match self.former.take() {
                    Some(former) => former.resumed(welcome),
                    None => View::new(welcome),
                };
            }
            ServerMessage::Steer { epoch, acked } => {
                self.steering = true;
                self.epoch = *epoch;
                self.goes_on_after = *acked;
            }
            ServerMessage::Switch { .. } => self.steering = false,
            ServerMessage::Schema { hash, text } => match Schema::read(*hash, text) {
                Ok(schema) => self.view.learn(schema),
                Err(refusal) => {
                    self.refusal = Some(refusal);
                    return Said::Closed(None);
                }
            },
            ServerMessage::Refused(refusal) => self.refusal = Some(refusal.clone()),
            _ => {}
        }
        match message {
            ServerMessage::Update(update) => {
                if let Err(refusal) = self.view.apply(update) {
                    self.refusal = Some(refusal);
                    return Said::Closed(None);
                }
                self.updated = Some(Instant::now());
                Said::Updated(self.view.acked)
            }
            message => Said::Message(message),
        }
    }
}

impl Lost {
    /// What is known is said where the server can use it.
    fn hello(&self) -> ClientMessage {
        let schema = self.view.schema().map_or(0, |schema| schema.hash);
        let known = self.view.known().filter(|_| self.version >= RESUMES_KNOWING_VERSION);
        let (version, entry) = match known {
            Some(known) => (RESUMES_KNOWING_VERSION, Entry::ResumeKnowing(self.token, known)),
            None => (OLDEST_GAME_PROTOCOL_VERSION, Entry::Resume(self.token)),
        };
        ClientMessage::Hello { version, schema, entry }
    }
}
