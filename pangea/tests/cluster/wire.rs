//! A client that says exactly what a test wants it to say, and tells all that it hears.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use pangea_world::GAME_PROTOCOL_VERSION;
use pangea_world::frames::{
    ClientMessage, Entered, Entry, Known, KnownList, ServerMessage, Update, Welcome, component,
    read_character, read_server_frame,
};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::PATIENCE;

/// What a server says on one connection.
#[derive(Debug)]
pub enum Heard {
    Said(ServerMessage),
    /// With the close code, if there was one.
    Closed(Option<u16>),
}

/// One game socket.
pub struct Wire {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    unread: VecDeque<ServerMessage>,
    known: KnownList,
    seq: u32,
}

impl Wire {
    /// Connects and says nothing.
    pub async fn open(url: &str) -> Self {
        let (socket, _) = tokio_tungstenite::connect_async(url).await.expect("a socket");
        Self { socket, unread: VecDeque::new(), known: KnownList::default(), seq: 0 }
    }

    /// Connects and shows this.
    pub async fn knock(url: &str, entry: Entry) -> Self {
        let mut wire = Self::open(url).await;
        wire.say(ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, schema: 0, entry }).await;
        wire
    }

    /// Connects with a ticket that is good.
    pub async fn enter(url: &str, ticket: &str) -> (Self, Welcome) {
        Self::welcomed(url, Entry::Ticket(ticket.to_owned())).await
    }

    /// Connects with what is good.
    pub async fn welcomed(url: &str, entry: Entry) -> (Self, Welcome) {
        let mut wire = Self::knock(url, entry).await;
        let welcome = wire.until_welcome().await;
        (wire, welcome)
    }

    /// Comes back from a connection that was lost, with what that knew.
    pub async fn back(url: &str, lost: &Welcome, known: Known) -> (Self, Welcome) {
        let mut wire = Self::open(url).await;
        wire.known = KnownList::from(known.clone());
        let entry = Entry::ResumeKnowing(lost.resume, known);
        let hello = ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, schema: lost.schema, entry };
        wire.say(hello).await;
        let welcome = wire.until_welcome().await;
        (wire, welcome)
    }

    /// What it would come back with.
    pub fn known(&self) -> Known {
        self.known.known().expect("it has seen something")
    }

    async fn until_welcome(&mut self) -> Welcome {
        match self.next().await {
            Heard::Said(ServerMessage::Welcome(welcome)) => *welcome,
            other => panic!("expected a welcome, not {other:?}"),
        }
    }

    pub async fn say(&mut self, message: ClientMessage) {
        self.raw(Message::Binary(message.to_frame())).await;
    }

    /// Says anything; a connection that is closed already shows itself in what is heard.
    pub async fn raw(&mut self, message: Message) {
        let _ = self.socket.send(message).await;
    }

    pub async fn walk(&mut self, dx: f32, dy: f32) {
        self.seq += 1;
        self.say(ClientMessage::walk(self.seq, dx, dy)).await;
    }

    pub async fn next(&mut self) -> Heard {
        tokio::time::timeout(PATIENCE, self.hear()).await.expect("the server says something")
    }

    async fn hear(&mut self) -> Heard {
        loop {
            if let Some(message) = self.unread.pop_front() {
                return Heard::Said(message);
            }
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    for mut message in read_server_frame(&bytes).expect("well-formed") {
                        match &mut message {
                            ServerMessage::Welcome(welcome) => self.known.resumed(welcome.acked),
                            ServerMessage::Update(update) => self.known.resolve(update).expect("it follows"),
                            _ => {}
                        }
                        self.unread.push_back(message);
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    return Heard::Closed(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::Closed(None),
            }
        }
    }

    /// Waits for a message that this picks out; the connection must stay open until then.
    pub async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(&ServerMessage) -> Option<T>) -> T {
        loop {
            match self.next().await {
                Heard::Said(message) => {
                    if let Some(found) = pick(&message) {
                        return found;
                    }
                }
                Heard::Closed(code) => panic!("closed with {code:?} before: {what}"),
            }
        }
    }

    /// Waits for the next refusal.
    pub async fn refusal(&mut self) -> String {
        self.until("a refusal", |message| match message {
            ServerMessage::Refused(refusal) => Some(refusal.code.to_string()),
            _ => None,
        })
        .await
    }

    /// Waits for the next update.
    pub async fn update(&mut self) -> Update {
        self.until("an update", |message| match message {
            ServerMessage::Update(update) => Some(update.clone()),
            _ => None,
        })
        .await
    }

    /// Waits for the record of a character in view.
    pub async fn sees(&mut self, name: &str) -> Entered {
        self.until(name, |message| match message {
            ServerMessage::Update(update) => {
                update.entered.iter().find(|entered| name_of(entered) == name).cloned()
            }
            _ => None,
        })
        .await
    }

    /// All refusals up to the close, and its code.
    pub async fn end(&mut self) -> (Vec<String>, Option<u16>) {
        let mut refusals = Vec::new();
        loop {
            match self.next().await {
                Heard::Said(ServerMessage::Refused(refusal)) => refusals.push(refusal.code.to_string()),
                Heard::Said(_) => {}
                Heard::Closed(code) => return (refusals, code),
            }
        }
    }

    /// Everything that comes until the answer to a ping: the server has heard all that was said before.
    pub async fn flush(&mut self) -> Vec<ServerMessage> {
        self.say(ClientMessage::Ping { nonce: 0x5EED }).await;
        let mut all = Vec::new();
        self.until("a pong", |message| {
            all.push(message.clone());
            matches!(message, ServerMessage::Pong { nonce: 0x5EED }).then_some(())
        })
        .await;
        all
    }
}

/// The name above an entity; empty if it has none.
pub fn name_of(entered: &Entered) -> String {
    let of = |told: &pangea_world::frames::Component| {
        (told.number == component::CHARACTER).then(|| told.fields.clone())
    };
    let fields = entered.components.iter().find_map(of).flatten();
    fields.and_then(|fields| read_character(&fields).expect("well-formed").0).unwrap_or_default()
}
