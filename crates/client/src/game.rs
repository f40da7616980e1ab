//! Playing: input, events, and the way through the servers.
//!
//! `live` is steered. `coming` was opened for a move and only sees until its server says Steer; then it becomes
//! `live`, and the old one is read as `leaving` until it is closed: make before break. `beside` are those of
//! neighbours to whose borders the character is near: whichever says Steer is `live` from then on, and inputs
//! that the old one did not take are given again. A lost connection is resumed with its token; if that fails,
//! central is asked anew.

mod borders;
mod closes;
mod healing;

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use pangea_world::chat::Kind;
use pangea_world::frames::{ClientMessage, Entry, ServerMessage, close};
use pangea_world::id::CharacterId;
use pangea_world::{Code, Refusal};
use rustc_hash::FxHashMap;
use serde::Serialize;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use self::borders::{Crossing, beside_said};
use self::healing::heal;
use crate::chat::Talk;
use crate::connection::{Closes, Connection, First, Lost, Said, Traffic};
use crate::enter::{EnterOptions, Prepared};
use crate::view::Entity;
use crate::{Client, Error, Event, View};

/// How long a server may take to close after a leave.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Inputs whose way is measured at the same time.
const MEASURED_INPUTS: usize = 64;
/// Servers that are seen at the same time: those of a corner, and one to which the area itself goes.
const MOST_BESIDE: usize = 5;
/// How long the next server may take to steer after the old one let go.
const STEER_TIMEOUT: Duration = Duration::from_secs(10);

/// Opened in the background; the flag says whether it is a resume.
type Opening = JoinHandle<Result<(Connection, bool), Error>>;

/// One character in the world.
pub struct Game {
    client: Client,
    character: CharacterId,
    /// Whether an offer that wants a question is followed without one.
    pub follows: bool,
    live: Option<Connection>,
    coming: Option<Connection>,
    leaving: Option<(Connection, Instant)>,
    /// A connection for a move that is being opened, and its address.
    opening: Option<(Opening, String)>,
    healing: Option<Opening>,
    offer: Option<Offer>,
    beside: Vec<Connection>,
    opening_beside: JoinSet<Result<Connection, Error>>,
    /// How many were begun.
    begun_beside: u64,
    /// What was before a border, until the first update of the area behind it.
    crossing: Option<Crossing>,
    /// Where it played before a border: address, and the token of that connection.
    former: Option<(String, [u8; 16])>,
    /// The server let the character go over a border, and when another one must steer it.
    let_go: Option<Instant>,
    events: VecDeque<Event>,
    inputs: VecDeque<(u32, Instant)>,
    /// Those that no server has taken yet.
    untaken: VecDeque<ClientMessage>,
    /// The server that steers has said up to which input it, or the one before, took them: the others are given again.
    thawed: Option<u32>,
    talk: Talk,
    seq: u32,
    nonce: u32,
    left: bool,
    over: bool,
    past: Traffic,
    closes: Closes,
    nothing: View,
}

#[derive(Debug)]
struct Offer {
    url: String,
    ticket: String,
    plain: bool,
}

impl Game {
    /// Connects to a prepared server.
    ///
    /// # Errors
    /// As the game server refuses: `ticket_invalid`, `ticket_expired`, `ticket_used`, `ticket_foreign`, `not_announced`.
    pub async fn connect(client: Client, character: CharacterId, prepared: Prepared) -> Result<Self, Error> {
        let first = first(prepared.ticket, prepared.plain);
        let live = Connection::open(&client.dialer, &prepared.url, first).await?;
        Ok(Self {
            client,
            character,
            follows: true,
            live: Some(live),
            coming: None,
            leaving: None,
            opening: None,
            healing: None,
            offer: None,
            beside: Vec::new(),
            opening_beside: JoinSet::new(),
            begun_beside: 0,
            crossing: None,
            former: None,
            let_go: None,
            events: VecDeque::new(),
            inputs: VecDeque::new(),
            untaken: VecDeque::new(),
            thawed: None,
            talk: Talk::default(),
            seq: 0,
            nonce: 0,
            left: false,
            over: false,
            past: Traffic::default(),
            closes: Closes::default(),
            nothing: View::default(),
        })
    }

    /// Enters with the same character once more, when this game is over: what was heard and what has no answer are
    /// taken along, so that lines that are kept are neither missed nor shown twice, and what was said is said once.
    ///
    /// # Errors
    /// As central or the game server refuses; then it may be tried again.
    pub async fn again(&mut self, options: EnterOptions) -> Result<Self, Error> {
        let mut game = self.client.enter(self.character, options).await?;
        game.talk = self.talk.clone();
        game.follows = self.follows;
        Ok(game)
    }

    // ---- what is seen --------------------------------------------------------------------------------

    /// What is in view; empty while there is no connection.
    pub fn view(&self) -> &View {
        self.live.as_ref().or(self.coming.as_ref()).map_or(&self.nothing, |connection| &connection.view)
    }

    /// Everything in view by its id.
    pub fn entities(&self) -> &FxHashMap<u16, Entity> {
        self.view().entities()
    }

    /// The own character; `None` before the first update, but after a resume as it was.
    pub fn me(&self) -> Option<&Entity> {
        self.view().me()
    }

    /// The area, as `world/ground/layer`.
    pub fn area(&self) -> &str {
        &self.view().area
    }

    /// Whether inputs reach a server now.
    pub fn is_steering(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.steering || live.plain)
    }

    /// The epoch under which the character is owned where it plays.
    pub fn epoch(&self) -> u64 {
        self.live.as_ref().map_or(0, |live| live.epoch)
    }

    /// The address of the server on which it plays.
    pub fn url(&self) -> &str {
        self.live.as_ref().map_or("", |live| &live.url)
    }

    /// What all connections of this game received so far.
    pub fn traffic(&self) -> Traffic {
        let all = [self.live.as_ref(), self.coming.as_ref(), self.leaving.as_ref().map(|(old, _)| old)];
        all.into_iter()
            .flatten()
            .chain(&self.beside)
            .fold(self.past, |sum, connection| plus(sum, connection.traffic))
    }

    /// Which connections ended, or did not come about, though this game had not let go of them.
    pub fn closes(&self) -> &Closes {
        &self.closes
    }

    // ---- what is wished ------------------------------------------------------------------------------

    /// Walks one tick in this direction; longer than 1 is shortened to 1. Dropped while nothing is steered.
    pub async fn move_towards(&mut self, dx: f32, dy: f32) {
        let length = dx.hypot(dy);
        let (dx, dy) = if length > 1.0 { (dx / length, dy / length) } else { (dx, dy) };
        if self.is_steering() {
            let seq = self.next_input();
            self.give(ClientMessage::walk(seq, dx, dy)).await;
        }
    }

    /// Gives one of the game's inputs, by its name; `values` is a struct or a map of its fields. Dropped while
    /// nothing is steered.
    ///
    /// # Errors
    /// `protocol` if the game has no such input, the values do not fit it, or nothing is known of the game yet.
    pub async fn act(&mut self, name: &str, values: &impl Serialize) -> Result<(), Error> {
        let unknown = || Refusal::new(Code::Protocol, "the server has not said yet what its game is");
        let (kind, payload) = self.view().schema().ok_or_else(unknown)?.input(name, values)?;
        if self.is_steering() {
            let seq = self.next_input();
            self.give(ClientMessage::Input { seq, kind, payload }).await;
        }
        Ok(())
    }

    async fn give(&mut self, input: ClientMessage) {
        if self.untaken.len() == MEASURED_INPUTS {
            self.untaken.pop_front();
        }
        self.untaken.push_back(input.clone());
        self.tell(input).await;
    }

    fn next_input(&mut self) -> u32 {
        self.seq = self.seq.wrapping_add(1);
        if self.inputs.len() < MEASURED_INPUTS {
            self.inputs.push_back((self.seq, Instant::now()));
        }
        self.seq
    }

    /// Asks for the tiles of a chunk; they come as [`Event::Tiles`].
    pub async fn ask_tiles(&mut self, cx: i32, cy: i32) {
        self.tell(ClientMessage::Tiles { cx, cy }).await;
    }

    /// Asks to go on to another world, map or layer (G1); what is `None` central chooses.
    pub async fn go_on(&mut self, world: Option<&str>, map: Option<&str>, layer: Option<u16>) {
        let text = |wish: Option<&str>| wish.unwrap_or_default().to_owned();
        let (rule, friend) = (String::new(), String::new());
        self.tell(ClientMessage::GoOn { world: text(world), map: text(map), layer, rule, friend }).await;
    }

    /// Says something in a channel; [`Event::Said`] answers it under the number that is given. One that begins
    /// with `/` is a command. What no server has answered is said again at the next one, and is heard once. What is
    /// refused with `chat_unavailable` may have been said; the same words within a minute are the same line, under the
    /// same number, and are heard once.
    pub async fn say(&mut self, channel: Kind, text: &str) -> u64 {
        self.say_to(channel, "", text).await
    }

    /// Says something to one character alone.
    pub async fn whisper(&mut self, name: &str, text: &str) -> u64 {
        self.say_to(Kind::Whisper, name, text).await
    }

    async fn say_to(&mut self, channel: Kind, to: &str, text: &str) -> u64 {
        let (id, message, dropped) = self.talk.say(channel, to, text);
        if let Some((id, refusal)) = dropped {
            self.events.push_back(Event::Said { id, refused: Some(refusal) });
        }
        // Else it is said as soon as a server steers.
        if self.live.as_ref().is_some_and(|live| live.tuned_in && live.steering) {
            self.tell(message).await;
        }
        id
    }

    /// Asks for lines of a channel below a number (0: the newest), at most 100: [`Event::History`].
    pub async fn read_chat(&mut self, channel: Kind, before: u64, most: u8) {
        self.tell(ClientMessage::ReadChat { kind: channel as u8, before, most }).await;
    }

    /// A server that steers from now on is told what was heard so far.
    async fn tune_in(&mut self) {
        let Some(live) = self.live.as_mut().filter(|live| live.steering && !live.plain && !live.tuned_in)
        else {
            return;
        };
        for message in self.talk.tune_in() {
            // A lost connection shows itself in next_event.
            let _ = live.send(&message).await;
        }
        live.tuned_in = true;
    }

    /// Asks for a pong; gives the number that it will carry.
    pub async fn ping(&mut self) -> u32 {
        self.nonce = self.nonce.wrapping_add(1);
        let nonce = self.nonce;
        self.tell(ClientMessage::Ping { nonce }).await;
        nonce
    }

    /// Says something to a third-party server.
    pub async fn send_raw(&mut self, data: Bytes) {
        if let Some(live) = &mut self.live {
            // A lost connection shows itself in next_event.
            let _ = live.send_raw(Message::Binary(data)).await;
        }
    }

    /// Accepts the last offer.
    pub fn follow(&mut self) {
        let Some(offer) = self.offer.take() else { return };
        let there = |connection: &Connection| connection.url == offer.url;
        // A ticket that was issued again while the client stays near.
        if self.coming.as_ref().is_some_and(there)
            || self.opening.as_ref().is_some_and(|(_, url)| *url == offer.url)
        {
            return;
        }
        self.coming = None;
        if let Some((old, _)) = self.opening.take() {
            old.abort();
        }
        let dialer = self.client.dialer.clone();
        let old = if offer.plain { self.live.take() } else { None };
        self.past = old.as_ref().map_or(self.past, |old| plus(self.past, old.traffic));
        let url = offer.url.clone();
        let task = tokio::spawn(async move {
            if let Some(mut old) = old {
                leave(&mut old).await;
            }
            let opened = Connection::open(&dialer, &offer.url, first(offer.ticket, offer.plain)).await;
            opened.map(|connection| (connection, false))
        });
        self.opening = Some((task, url));
    }

    /// Leaves for good and waits until the server has closed, at most five seconds.
    pub async fn leave(&mut self) {
        self.left = true;
        self.over = true;
        self.coming = None;
        self.leaving = None;
        // One of them may have the character a moment later.
        for beside in &mut self.beside {
            let _ = beside.send(&ClientMessage::Leave).await;
        }
        self.beside.clear();
        if let Some(mut live) = self.live.take() {
            leave(&mut live).await;
            self.past = plus(self.past, live.traffic);
        }
    }

    /// Cuts the connection as a broken network would, for tests of resuming.
    pub fn cut(&mut self) {
        if let Some(live) = self.live.take() {
            self.past = plus(self.past, live.traffic);
            self.heal(live.url.clone(), live.into_lost());
        }
    }

    async fn tell(&mut self, message: ClientMessage) {
        if let Some(live) = self.live.as_mut().filter(|live| !live.plain) {
            // A lost connection shows itself in next_event.
            let _ = live.send(&message).await;
        }
    }

    // ---- what happens --------------------------------------------------------------------------------

    /// The next event; `None` after [`Event::Ended`]. May be dropped at any time and called again.
    pub async fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            self.tune_in().await;
            tokio::select! {
                biased;
                healed = joined(&mut self.healing) => self.healed(healed),
                opened = joined_opening(&mut self.opening) => self.opened(opened),
                said = said(&mut self.coming) => self.coming_said(said),
                refused = left(&mut self.leaving) => self.leaving_said(refused),
                (at, said) = beside_said(&mut self.beside) => self.beside_said(at, &said),
                Some(opened) = self.opening_beside.join_next() => self.sees(opened),
                () = until(self.let_go) => self.not_taken(),
                said = said(&mut self.live) => self.live_said(said),
            }
            self.promote();
            self.cross();
            self.give_again().await;
        }
    }

    fn healed(&mut self, healed: Result<(Connection, bool), Error>) {
        self.healing = None;
        match healed {
            Ok((connection, resumed)) => {
                self.coming = None;
                self.live = Some(connection);
                self.events.push_back(Event::Back { resumed });
            }
            Err(error) => self.end(Err(error)),
        }
    }

    fn opened(&mut self, opened: Result<(Connection, bool), Error>) {
        self.opening = None;
        match opened {
            Ok((connection, _)) => self.coming = Some(connection),
            Err(error) => {
                self.not_opened(&error);
                self.events.push_back(Event::Stayed(error));
                self.heal_if_alone();
            }
        }
    }

    fn coming_said(&mut self, said: Said) {
        if let Said::Closed(code) = said {
            let coming = self.coming.take();
            if let Some(coming) = &coming {
                self.ended_beside(coming, code);
            }
            let refusal = coming.and_then(|connection| connection.refusal);
            let refusal =
                refusal.unwrap_or_else(|| Refusal::new(Code::AreaUnavailable, "the other server closed"));
            self.events.push_back(Event::Stayed(Error::Refused(refusal)));
            self.heal_if_alone();
        }
    }

    /// Makes the coming connection the live one, as soon as it may be steered.
    fn promote(&mut self) {
        if !self.coming.as_ref().is_some_and(|coming| coming.steering || coming.plain) {
            return;
        }
        self.forget_leaving();
        if let Some(healing) = self.healing.take() {
            healing.abort();
        }
        let old = std::mem::replace(&mut self.live, self.coming.take());
        self.leaving = old.map(|old| (old, Instant::now() + LEAVE_TIMEOUT));
        self.inputs.clear();
        self.untaken.clear();
        self.events.push_back(Event::Moved { area: self.area().to_owned() });
    }

    /// It is closed, or has said «no» to something before it let go.
    fn leaving_said(&mut self, refused: Option<Refusal>) {
        match refused {
            Some(refusal) => self.events.push_back(Event::RefusedBefore(refusal)),
            None => self.forget_leaving(),
        }
    }

    fn forget_leaving(&mut self) {
        if let Some((old, _)) = self.leaving.take() {
            self.past = plus(self.past, old.traffic);
        }
    }

    fn live_said(&mut self, said: Said) {
        let message = match said {
            Said::Message(message) => message,
            Said::Updated(acked) => {
                let seen = self.measure(acked);
                self.forget_taken(acked);
                self.crossed();
                return self.events.push_back(Event::Updated { seen });
            }
            Said::Raw(data) => return self.events.push_back(Event::Raw(data)),
            Said::Closed(code) => return self.closed(code),
        };
        let event = match message {
            ServerMessage::Tiles { cx, cy, tiles } => Event::Tiles { cx, cy, tiles },
            ServerMessage::Refused(refusal) => Event::Refused(refusal),
            ServerMessage::Progress { state, position } => Event::Progress { state, position },
            ServerMessage::Notice { code, text } => Event::Notice { code, text },
            ServerMessage::Pong { nonce } => Event::Pong(nonce),
            ServerMessage::Schema { text, .. } => Event::Schema(text),
            ServerMessage::Event { number, payload } => {
                let told = self.view().schema().map(|schema| schema.event(number, &payload));
                let Some(Ok((name, values))) = told else { return };
                Event::Game { name: name.to_owned(), values }
            }
            ServerMessage::Tile { x, y, kind } => Event::Tile { x, y, kind },
            ServerMessage::Pace { percent } => Event::Pace(percent),
            ServerMessage::Follow { url, ticket, plain, prompt } => {
                self.offer = Some(Offer { url, ticket, plain });
                if !prompt || self.follows {
                    return self.follow();
                }
                Event::Offered
            }
            ServerMessage::Beside { url, ticket, .. } => {
                let dialer = self.client.dialer.clone();
                if self.opening_beside.len() < 2 * MOST_BESIDE {
                    self.begun_beside += 1;
                    let begun = self.begun_beside;
                    self.opening_beside.spawn(async move {
                        let mut opened = Connection::open(&dialer, &url, first(ticket, false)).await?;
                        opened.begun = begun;
                        Ok(opened)
                    });
                }
                return;
            }
            // This client speaks WebSocket alone.
            ServerMessage::WebTransport { .. } => return,
            ServerMessage::Lines(lines) => {
                let (kind, history) = (Kind::from_number(lines.kind), lines.history);
                let lines = self.talk.hear(lines);
                match kind {
                    Some(kind) if history => Event::History { kind, lines },
                    _ => return self.events.extend(lines.into_iter().map(Event::Chat)),
                }
            }
            ServerMessage::Said { id, refused } => {
                self.talk.answered(id, refused.as_ref().map(|refusal| refusal.code));
                Event::Said { id, refused }
            }
            ServerMessage::Channel { kind, log, seq } => {
                let Some(kind) = Kind::from_number(kind) else { return };
                Event::Channel { kind, joined: self.talk.stands(kind, log, seq) }
            }
            ServerMessage::Social(json) => Event::Social(json),
            // A crossing that came to nothing: what was said meanwhile was not taken.
            ServerMessage::Steer { acked, .. } => {
                self.thawed = acked;
                return;
            }
            // The connection has noted these.
            ServerMessage::Welcome(_) | ServerMessage::Update(_) | ServerMessage::Switch { .. } => return,
        };
        self.events.push_back(event);
    }

    fn measure(&mut self, acked: u32) -> Option<Duration> {
        let mut seen = None;
        while let Some((seq, sent)) = self.inputs.front() {
            if *seq > acked {
                break;
            }
            seen = Some(sent.elapsed());
            self.inputs.pop_front();
        }
        seen
    }

    fn closed(&mut self, code: Option<u16>) {
        let Some(live) = self.live.take() else { return };
        self.past = plus(self.past, live.traffic);
        if code == Some(close::MOVED) && !live.steering && self.has_beside() {
            self.crossing = Some(Crossing::from(&live));
            self.former = live.token.map(|token| (live.url, token));
            self.let_go = Some(Instant::now() + STEER_TIMEOUT);
            return;
        }
        self.inputs.clear();
        self.untaken.clear();
        if code != Some(close::MOVED) || self.coming.is_none() && self.opening.is_none() {
            self.ended_live(&live, code);
        }
        let refusal = |code, text: &str| live.refusal.clone().unwrap_or_else(|| Refusal::new(code, text));
        match code {
            Some(close::MOVED) if self.coming.is_some() || self.opening.is_some() => {}
            Some(close::TAKEN_OVER) => {
                let text = "a newer connection of this character took over";
                self.end(Err(refusal(Code::SessionEnded, text).into()));
            }
            Some(close::SESSION_ENDED) => {
                self.end(Err(refusal(Code::SessionEnded, "the login has ended").into()));
            }
            Some(close::REFUSED | close::PROTOCOL) => {
                self.end(Err(refusal(Code::Protocol, "the server refused this client").into()));
            }
            Some(1000) if !live.plain => self.end(Ok(())),
            Some(close::MOVED | close::STOPPING) => self.heal(live.url, None),
            _ => self.heal(live.url.clone(), live.into_lost()),
        }
    }

    fn heal_if_alone(&mut self) {
        let alone = self.live.is_none() && self.coming.is_none() && self.opening.is_none();
        if alone && self.let_go.is_none() && self.healing.is_none() {
            self.heal(String::new(), None);
        }
    }

    fn heal(&mut self, url: String, lost: Option<Lost>) {
        self.crossing = None;
        self.events.push_back(Event::Lost);
        self.healing = Some(tokio::spawn(heal(self.client.clone(), self.character, url, lost)));
    }

    fn end(&mut self, how: Result<(), Error>) {
        self.over = true;
        self.events.push_back(Event::Ended(how));
    }
}

impl Drop for Game {
    fn drop(&mut self) {
        let opening = self.opening.take().map(|(task, _)| task);
        for task in [opening, self.healing.take()].into_iter().flatten() {
            task.abort();
        }
    }
}

fn first(ticket: String, plain: bool) -> First {
    if plain { First::Plain(ticket) } else { First::Hello(Entry::Ticket(ticket)) }
}

fn plus(a: Traffic, b: Traffic) -> Traffic {
    Traffic { frames: a.frames + b.frames, bytes: a.bytes + b.bytes }
}

async fn leave(connection: &mut Connection) {
    let sent = if connection.plain {
        connection.send_raw(Message::Close(None)).await
    } else {
        connection.send(&ClientMessage::Leave).await
    };
    if sent.is_ok() {
        connection.drain(LEAVE_TIMEOUT).await;
    }
}

async fn said(connection: &mut Option<Connection>) -> Said {
    match connection {
        Some(connection) => connection.next().await,
        None => pending().await,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => pending().await,
    }
}

/// Reads what an old connection still says: a «no», or nothing more, because it is closed or its time is over.
async fn left(leaving: &mut Option<(Connection, Instant)>) -> Option<Refusal> {
    let Some((old, until)) = leaving else { return pending().await };
    let refused = async {
        loop {
            match old.next().await {
                Said::Message(ServerMessage::Refused(refusal)) => return Some(refusal),
                Said::Closed(_) => return None,
                _ => {}
            }
        }
    };
    tokio::time::timeout_at(*until, refused).await.unwrap_or(None)
}

async fn joined(task: &mut Option<Opening>) -> Result<(Connection, bool), Error> {
    match task {
        Some(task) => task.await.unwrap_or_else(|error| Err(Error::transport("a connection", error))),
        None => pending().await,
    }
}

async fn joined_opening(task: &mut Option<(Opening, String)>) -> Result<(Connection, bool), Error> {
    match task {
        Some((task, _)) => task.await.unwrap_or_else(|error| Err(Error::transport("a connection", error))),
        None => pending().await,
    }
}
