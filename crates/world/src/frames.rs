//! What a client and a game server say to each other; docs/protocol.md is the contract, this file keeps it.
//!
//! One WebSocket binary message carries one or more messages: a type byte, the payload's length as a
//! varint (LEB128), the payload. Numbers are little-endian; a string is a varint length and UTF-8. What a
//! reader does not know it skips by its length.

use bytes::{BufMut, Bytes, BytesMut};

use crate::refusal::{Code, Refusal};

/// Largest frame that a client may send, bytes.
pub const MAX_CLIENT_FRAME: usize = 4_096;

/// Side of a tile, metres, and of a chunk, tiles.
pub const CHUNK_TILES: usize = 32;

/// WebSocket close codes of the game socket. `4000 + n`; 1000 for a leave that the client wished.
pub mod close {
    /// The ticket or token was refused; a refusal message came before.
    pub const REFUSED: u16 = 4000;
    /// The character plays on another server now; the client has that connection already.
    pub const MOVED: u16 = 4001;
    /// A newer connection of the same character took over.
    pub const TAKEN_OVER: u16 = 4002;
    /// The server stops; enter again.
    pub const STOPPING: u16 = 4003;
    /// The client broke the protocol; a refusal message came before.
    pub const PROTOCOL: u16 = 4004;
    /// The client read too slowly.
    pub const TOO_SLOW: u16 = 4005;
    /// The session ended: logout, ban, or a newer login.
    pub const SESSION_ENDED: u16 = 4006;
}

/// From a client.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// 0x01, first and once: a ticket, or the resume token of a connection that was lost.
    Hello {
        /// [`crate::GAME_PROTOCOL_VERSION`].
        version: u16,
        /// How it may enter.
        entry: Entry,
    },
    /// 0x02: walk in this direction for one tick per message; length at most 1.
    Move {
        /// Counts from 1; a lower or equal one is dropped.
        seq: u32,
        /// East, −1 to 1.
        dx: f32,
        /// South, −1 to 1.
        dy: f32,
    },
    /// 0x03: asks for the tiles of a chunk.
    Tiles {
        /// Chunk column: floor(x / 32 m).
        cx: i32,
        /// Chunk row.
        cy: i32,
    },
    /// 0x04: asks to go on to another world or map (G1); empty strings: as central finds.
    GoOn {
        /// Name of the world, or empty.
        world: String,
        /// Name of the map, or empty.
        map: String,
        /// Wished layer, or none.
        layer: Option<u16>,
    },
    /// 0x05: leaves for good, without grace time.
    Leave,
    /// 0x06: answered with the same number.
    Ping {
        /// Any number.
        nonce: u32,
    },
}

/// How a client may enter.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Kind 0: a ticket of central.
    Ticket(String),
    /// Kind 1: the token of the last Welcome.
    Resume([u8; 16]),
}

/// From a game server.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerMessage {
    /// 0x81, first.
    Welcome(Box<Welcome>),
    /// 0x82, once per tick if anything is new.
    Update(Update),
    /// 0x83: one chunk, row by row from the north-west.
    Tiles {
        /// Chunk column.
        cx: i32,
        /// Chunk row.
        cy: i32,
        /// 1,024 tiles, each a kind of [`crate::frames::tile`].
        tiles: Vec<u8>,
    },
    /// 0x84: a «no» to the last wish; before a close, its reason.
    Refused(Refusal),
    /// 0x85: how far the wish to go on is.
    Progress {
        /// `queued`, `spawning`, `generating`, `restoring`, `syncing`.
        state: String,
        /// Place in line from 1; 0 if not queued.
        position: u32,
    },
    /// 0x86: another server is prepared; connect there.
    Follow {
        /// `ws://` or `wss://`.
        url: String,
        /// For that server.
        ticket: String,
        /// Leave here first, then connect there (a third-party server).
        plain: bool,
        /// Ask the player before following.
        prompt: bool,
    },
    /// 0x87: on a connection that only saw so far: steer.
    Steer {
        /// The epoch under which this server owns the character.
        epoch: u64,
    },
    /// 0x88: on the old connection: the other server owns the character now; a close 4001 follows.
    Switch {
        /// The new owner's epoch.
        epoch: u64,
    },
    /// 0x89: answer to a ping.
    Pong {
        /// From the ping.
        nonce: u32,
    },
    /// 0x8A: something to tell the player.
    Notice {
        /// E.g. `stopping`.
        code: String,
        /// A sentence.
        text: String,
    },
}

/// 0x81.
#[derive(Debug, Clone, PartialEq)]
pub struct Welcome {
    /// The server's version of this protocol.
    pub version: u16,
    /// Ticks per second.
    pub tick_hz: u8,
    /// The tick at which the first update was made.
    pub tick: u64,
    /// The own character among the entities.
    pub me: u16,
    /// The epoch under which it is (or will be) owned here.
    pub epoch: u64,
    /// For a later [`Entry::Resume`] at this server.
    pub resume: [u8; 16],
    /// Whether it may be steered yet; else wait for Steer.
    pub steering: bool,
    /// World, ground and layer as `world/ground/layer`.
    pub area: String,
    /// The area in metres.
    pub x0: i32,
    /// The area in metres.
    pub y0: i32,
    /// The area in metres.
    pub x1: i32,
    /// The area in metres.
    pub y1: i32,
    /// How far the character sees, metres.
    pub view_m: u16,
    /// Its speed, centimetres per second.
    pub speed_cm_s: u16,
    /// Highest input number that was applied (after a resume), else 0.
    pub acked: u32,
}

/// 0x82. Positions are centimetres.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Update {
    /// Low 32 bits of the tick.
    pub tick: u32,
    /// Highest input number applied.
    pub acked: u32,
    /// Whether everything known before is void: the view follows whole in `entered`.
    pub whole: bool,
    /// Out of view, or gone.
    pub left: Vec<u16>,
    /// Came into view, or came anew.
    pub entered: Vec<Entered>,
    /// Moved a little: by id, the change in centimetres.
    pub moved: Vec<(u16, i8, i8)>,
    /// Moved far: by id, the new place.
    pub jumped: Vec<(u16, i32, i32)>,
}

/// An entity that came into view.
#[derive(Debug, Clone, PartialEq)]
pub struct Entered {
    /// Until it leaves the view; then it may be reused.
    pub id: u16,
    /// What it is: 0 a character.
    pub kind: u8,
    /// Where.
    pub x: i32,
    /// Where.
    pub y: i32,
    /// Name shown above it.
    pub name: String,
    /// Its faction's id, or empty.
    pub faction: String,
}

/// Kinds of tile.
pub mod tile {
    /// Walk here.
    pub const GRASS: u8 = 0;
    /// Walk here.
    pub const SAND: u8 = 1;
    /// Walk here.
    pub const MEADOW: u8 = 2;
    /// Walk here.
    pub const STONE: u8 = 3;
    /// From here on a tile stops a walker.
    pub const FIRST_SOLID: u8 = 16;
    /// Stops a walker.
    pub const WATER: u8 = 16;
    /// Stops a walker.
    pub const TREE: u8 = 17;
    /// Stops a walker.
    pub const ROCK: u8 = 18;
    /// Stops a walker: the edge of the world.
    pub const VOID: u8 = 19;
    /// Leads to another map.
    pub const PORTAL: u8 = 4;
}

// ---- reading -----------------------------------------------------------------------------------------

/// Reads numbers and strings off a payload; every step checks its bound.
struct Reader<'a>(&'a [u8]);

fn malformed() -> Refusal {
    Refusal::new(Code::Protocol, "a message that is cut off or malformed")
}

macro_rules! numbers {
    ($($name:ident: $type:ty),*) => {$(
        fn $name(&mut self) -> Result<$type, Refusal> {
            Ok(<$type>::from_le_bytes(self.array()?))
        }
    )*};
}

impl<'a> Reader<'a> {
    numbers! { u16: u16, u32: u32, u64: u64, i32: i32, f32: f32, i8: i8 }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let (head, tail) = self.0.split_at_checked(count).ok_or_else(malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn u8(&mut self) -> Result<u8, Refusal> {
        Ok(self.array::<1>()?[0])
    }

    fn bool(&mut self) -> Result<bool, Refusal> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(malformed()),
        }
    }

    /// LEB128, at most 5 bytes, at most 2³²−1.
    fn varint(&mut self) -> Result<u32, Refusal> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| malformed());
            }
        }
        Err(malformed())
    }

    /// A count of things that take at least `least` bytes each, so that a lie cannot reserve memory.
    fn count(&mut self, least: usize) -> Result<usize, Refusal> {
        let count = self.varint()? as usize;
        if count.saturating_mul(least) > self.0.len() { Err(malformed()) } else { Ok(count) }
    }

    fn string(&mut self) -> Result<String, Refusal> {
        let length = self.count(1)?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| malformed())
    }

    fn end(&self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(malformed()) }
    }
}

fn split<T>(
    frame: &[u8],
    mut read: impl FnMut(u8, &mut Reader) -> Result<Option<T>, Refusal>,
) -> Result<Vec<T>, Refusal> {
    let mut rest = Reader(frame);
    let mut messages = Vec::new();
    while !rest.0.is_empty() {
        let kind = rest.u8()?;
        let length = rest.varint()? as usize;
        let mut payload = Reader(rest.take(length)?);
        if let Some(message) = read(kind, &mut payload)? {
            payload.end()?;
            messages.push(message);
        }
    }
    Ok(messages)
}

/// Reads a client's frame.
///
/// # Errors
/// `protocol` for anything malformed, for an empty frame, and for types that are not a client's;
/// `too_large` over [`MAX_CLIENT_FRAME`]. Values are not judged here.
pub fn read_client_frame(frame: &[u8]) -> Result<Vec<ClientMessage>, Refusal> {
    if frame.len() > MAX_CLIENT_FRAME {
        return Refusal::err(Code::TooLarge, "a frame has at most 4,096 bytes");
    }
    if frame.is_empty() {
        return Refusal::err(Code::Protocol, "an empty frame");
    }
    split(frame, |kind, r| {
        Ok(Some(match kind {
            0x01 => ClientMessage::Hello {
                version: r.u16()?,
                entry: match r.u8()? {
                    0 => Entry::Ticket(r.string()?),
                    1 => Entry::Resume(r.array()?),
                    _ => return Err(malformed()),
                },
            },
            0x02 => ClientMessage::Move { seq: r.u32()?, dx: r.f32()?, dy: r.f32()? },
            0x03 => ClientMessage::Tiles { cx: r.i32()?, cy: r.i32()? },
            0x04 => ClientMessage::GoOn {
                world: r.string()?,
                map: r.string()?,
                layer: if r.bool()? { Some(r.u16()?) } else { None },
            },
            0x05 => ClientMessage::Leave,
            0x06 => ClientMessage::Ping { nonce: r.u32()? },
            _ => {
                return Refusal::err(
                    Code::Protocol,
                    format!("a client does not send messages of type {kind:#04x}"),
                );
            }
        }))
    })
}

/// Reads a server's frame; unknown types are skipped.
///
/// # Errors
/// `protocol` for anything malformed.
pub fn read_server_frame(frame: &[u8]) -> Result<Vec<ServerMessage>, Refusal> {
    split(frame, |kind, r| {
        Ok(Some(match kind {
            0x81 => ServerMessage::Welcome(Box::new(Welcome {
                version: r.u16()?,
                tick_hz: r.u8()?,
                tick: r.u64()?,
                me: r.u16()?,
                epoch: r.u64()?,
                resume: r.array()?,
                steering: r.bool()?,
                area: r.string()?,
                x0: r.i32()?,
                y0: r.i32()?,
                x1: r.i32()?,
                y1: r.i32()?,
                view_m: r.u16()?,
                speed_cm_s: r.u16()?,
                acked: r.u32()?,
            })),
            0x82 => ServerMessage::Update(read_update(r)?),
            0x83 => ServerMessage::Tiles { cx: r.i32()?, cy: r.i32()?, tiles: read_tiles(r)? },
            0x84 => {
                let code = r.string()?.parse().unwrap_or(Code::Internal);
                ServerMessage::Refused(Refusal { code, text: r.string()? })
            }
            0x85 => ServerMessage::Progress { state: r.string()?, position: r.u32()? },
            0x86 => ServerMessage::Follow {
                url: r.string()?,
                ticket: r.string()?,
                plain: r.bool()?,
                prompt: r.bool()?,
            },
            0x87 => ServerMessage::Steer { epoch: r.u64()? },
            0x88 => ServerMessage::Switch { epoch: r.u64()? },
            0x89 => ServerMessage::Pong { nonce: r.u32()? },
            0x8A => ServerMessage::Notice { code: r.string()?, text: r.string()? },
            _ => return Ok(None),
        }))
    })
}

fn read_update(r: &mut Reader) -> Result<Update, Refusal> {
    let mut update = Update { tick: r.u32()?, acked: r.u32()?, whole: r.bool()?, ..Update::default() };
    for _ in 0..r.count(2)? {
        update.left.push(r.u16()?);
    }
    for _ in 0..r.count(13)? {
        let (id, kind, x, y) = (r.u16()?, r.u8()?, r.i32()?, r.i32()?);
        update.entered.push(Entered { id, kind, x, y, name: r.string()?, faction: r.string()? });
    }
    for _ in 0..r.count(4)? {
        update.moved.push((r.u16()?, r.i8()?, r.i8()?));
    }
    for _ in 0..r.count(10)? {
        update.jumped.push((r.u16()?, r.i32()?, r.i32()?));
    }
    Ok(update)
}

/// Run lengths: (count − 1, kind) until the chunk is full.
fn read_tiles(r: &mut Reader) -> Result<Vec<u8>, Refusal> {
    let mut tiles = Vec::with_capacity(CHUNK_TILES * CHUNK_TILES);
    while tiles.len() < CHUNK_TILES * CHUNK_TILES {
        let run = usize::from(r.u8()?) + 1;
        let kind = r.u8()?;
        tiles.extend(std::iter::repeat_n(kind, run));
    }
    if tiles.len() == CHUNK_TILES * CHUNK_TILES { Ok(tiles) } else { Err(malformed()) }
}

// ---- writing -----------------------------------------------------------------------------------------

/// Appends a LEB128 number.
pub fn put_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Appends a string.
pub fn put_string(out: &mut BytesMut, text: &str) {
    put_varint(out, text.len() as u32);
    out.put_slice(text.as_bytes());
}

/// Appends one message of this type around the payload that `write` makes.
pub fn put_message(out: &mut BytesMut, kind: u8, write: impl FnOnce(&mut BytesMut)) {
    let mut payload = BytesMut::with_capacity(64);
    write(&mut payload);
    out.put_u8(kind);
    put_varint(out, payload.len() as u32);
    out.put_slice(&payload);
}

impl ClientMessage {
    /// Appends this message to a frame.
    pub fn put(&self, out: &mut BytesMut) {
        match self {
            ClientMessage::Hello { version, entry } => put_message(out, 0x01, |b| {
                b.put_u16_le(*version);
                match entry {
                    Entry::Ticket(ticket) => {
                        b.put_u8(0);
                        put_string(b, ticket);
                    }
                    Entry::Resume(token) => {
                        b.put_u8(1);
                        b.put_slice(token);
                    }
                }
            }),
            ClientMessage::Move { seq, dx, dy } => put_message(out, 0x02, |b| {
                b.put_u32_le(*seq);
                b.put_f32_le(*dx);
                b.put_f32_le(*dy);
            }),
            ClientMessage::Tiles { cx, cy } => put_message(out, 0x03, |b| {
                b.put_i32_le(*cx);
                b.put_i32_le(*cy);
            }),
            ClientMessage::GoOn { world, map, layer } => put_message(out, 0x04, |b| {
                put_string(b, world);
                put_string(b, map);
                b.put_u8(u8::from(layer.is_some()));
                if let Some(layer) = layer {
                    b.put_u16_le(*layer);
                }
            }),
            ClientMessage::Leave => put_message(out, 0x05, |_| {}),
            ClientMessage::Ping { nonce } => put_message(out, 0x06, |b| b.put_u32_le(*nonce)),
        }
    }

    /// A frame of this message alone.
    pub fn to_frame(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.put(&mut out);
        out.freeze()
    }
}

impl ServerMessage {
    /// Appends this message to a frame.
    pub fn put(&self, out: &mut BytesMut) {
        match self {
            ServerMessage::Welcome(w) => put_message(out, 0x81, |b| {
                b.put_u16_le(w.version);
                b.put_u8(w.tick_hz);
                b.put_u64_le(w.tick);
                b.put_u16_le(w.me);
                b.put_u64_le(w.epoch);
                b.put_slice(&w.resume);
                b.put_u8(u8::from(w.steering));
                put_string(b, &w.area);
                for edge in [w.x0, w.y0, w.x1, w.y1] {
                    b.put_i32_le(edge);
                }
                b.put_u16_le(w.view_m);
                b.put_u16_le(w.speed_cm_s);
                b.put_u32_le(w.acked);
            }),
            ServerMessage::Update(update) => put_message(out, 0x82, |b| put_update(b, update)),
            ServerMessage::Tiles { cx, cy, tiles } => put_message(out, 0x83, |b| {
                b.put_i32_le(*cx);
                b.put_i32_le(*cy);
                let mut at = 0;
                while at < tiles.len() {
                    let run = tiles[at..].iter().take(256).take_while(|kind| **kind == tiles[at]).count();
                    b.put_u8((run - 1) as u8);
                    b.put_u8(tiles[at]);
                    at += run;
                }
            }),
            ServerMessage::Refused(refusal) => put_message(out, 0x84, |b| {
                put_string(b, refusal.code.as_str());
                put_string(b, &refusal.text);
            }),
            ServerMessage::Progress { state, position } => put_message(out, 0x85, |b| {
                put_string(b, state);
                b.put_u32_le(*position);
            }),
            ServerMessage::Follow { url, ticket, plain, prompt } => put_message(out, 0x86, |b| {
                put_string(b, url);
                put_string(b, ticket);
                b.put_u8(u8::from(*plain));
                b.put_u8(u8::from(*prompt));
            }),
            ServerMessage::Steer { epoch } => put_message(out, 0x87, |b| b.put_u64_le(*epoch)),
            ServerMessage::Switch { epoch } => put_message(out, 0x88, |b| b.put_u64_le(*epoch)),
            ServerMessage::Pong { nonce } => put_message(out, 0x89, |b| b.put_u32_le(*nonce)),
            ServerMessage::Notice { code, text } => put_message(out, 0x8A, |b| {
                put_string(b, code);
                put_string(b, text);
            }),
        }
    }

    /// A frame of this message alone.
    pub fn to_frame(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.put(&mut out);
        out.freeze()
    }
}

impl Entered {
    /// Appends this record; one encoding serves all who see it.
    pub fn put(&self, out: &mut BytesMut) {
        out.put_u16_le(self.id);
        out.put_u8(self.kind);
        out.put_i32_le(self.x);
        out.put_i32_le(self.y);
        put_string(out, &self.name);
        put_string(out, &self.faction);
    }
}

fn put_update(b: &mut BytesMut, update: &Update) {
    b.put_u32_le(update.tick);
    b.put_u32_le(update.acked);
    b.put_u8(u8::from(update.whole));
    put_varint(b, update.left.len() as u32);
    for id in &update.left {
        b.put_u16_le(*id);
    }
    put_varint(b, update.entered.len() as u32);
    for entered in &update.entered {
        entered.put(b);
    }
    put_varint(b, update.moved.len() as u32);
    for (id, dx, dy) in &update.moved {
        b.put_u16_le(*id);
        b.put_i8(*dx);
        b.put_i8(*dy);
    }
    put_varint(b, update.jumped.len() as u32);
    for (id, x, y) in &update.jumped {
        b.put_u16_le(*id);
        b.put_i32_le(*x);
        b.put_i32_le(*y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Vec<ClientMessage> {
        vec![
            ClientMessage::Hello { version: 1, entry: Entry::Ticket("a.b.c".into()) },
            ClientMessage::Hello { version: 1, entry: Entry::Resume([7; 16]) },
            ClientMessage::Move { seq: 5, dx: 1.0, dy: -0.5 },
            ClientMessage::Tiles { cx: -3, cy: 9 },
            ClientMessage::GoOn { world: "wilds".into(), map: String::new(), layer: Some(2) },
            ClientMessage::Leave,
            ClientMessage::Ping { nonce: 77 },
        ]
    }

    fn servers() -> Vec<ServerMessage> {
        vec![
            ServerMessage::Welcome(Box::new(Welcome {
                version: 1,
                tick_hz: 20,
                tick: 1 << 40,
                me: 3,
                epoch: 4,
                resume: [1; 16],
                steering: true,
                area: "wilds/0,0..8,8/0".into(),
                x0: -512,
                y0: 0,
                x1: 0,
                y1: 512,
                view_m: 60,
                speed_cm_s: 500,
                acked: 9,
            })),
            ServerMessage::Update(Update {
                tick: 7,
                acked: 6,
                whole: true,
                left: vec![1, 65_535],
                entered: vec![Entered {
                    id: 2,
                    kind: 0,
                    x: -150,
                    y: 99_999,
                    name: "Ädä".into(),
                    faction: "embers".into(),
                }],
                moved: vec![(3, -128, 127)],
                jumped: vec![(4, i32::MIN, i32::MAX)],
            }),
            ServerMessage::Tiles { cx: 0, cy: -1, tiles: (0..1024).map(|i| (i / 300) as u8).collect() },
            ServerMessage::Refused(Refusal::new(Code::TooFast, "slow down")),
            ServerMessage::Progress { state: "queued".into(), position: 3 },
            ServerMessage::Follow {
                url: "ws://127.0.0.1:7000/play".into(),
                ticket: "t".into(),
                plain: false,
                prompt: true,
            },
            ServerMessage::Steer { epoch: 8 },
            ServerMessage::Switch { epoch: 9 },
            ServerMessage::Pong { nonce: 1 },
            ServerMessage::Notice { code: "stopping".into(), text: "in 10 s".into() },
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        let mut frame = BytesMut::new();
        clients().iter().for_each(|m| m.put(&mut frame));
        assert_eq!(read_client_frame(&frame), Ok(clients()));
        let mut frame = BytesMut::new();
        servers().iter().for_each(|m| m.put(&mut frame));
        frame.put_slice(&[0xF0, 2, 1, 2]);
        assert_eq!(read_server_frame(&frame), Ok(servers()), "and an unknown type is skipped");
    }

    /// The golden vectors that the JavaScript library reads too: a change of the wire shows as a diff.
    #[test]
    fn golden_vectors_are_what_the_page_reads() {
        let line = |name: String, frame: Bytes| format!("{} {}\n", name, crate::id::hex(&frame));
        let word = |text: String| text.chars().take_while(|c| c.is_alphanumeric()).collect::<String>();
        let mut text = String::new();
        clients()
            .iter()
            .for_each(|m| text += &line(format!("client {}", word(format!("{m:?}"))), m.to_frame()));
        servers()
            .iter()
            .for_each(|m| text += &line(format!("server {}", word(format!("{m:?}"))), m.to_frame()));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol-vectors.txt");
        if std::env::var_os("PANGEA_BLESS").is_some() {
            std::fs::write(path, &text).expect("written");
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap_or_default(),
            text,
            "run with PANGEA_BLESS=1 if meant"
        );
    }

    proptest::proptest! {
        /// S1: no bytes, however made, crash a reader or make it reserve more than they are long.
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = read_client_frame(&bytes);
            let _ = read_server_frame(&bytes);
        }

        #[test]
        fn cut_frames_are_refused(which in 0usize..7, cut in 1usize..40) {
            let frame = clients()[which].to_frame();
            if cut < frame.len() {
                let code = read_client_frame(&frame[..frame.len() - cut]).map_err(|r| r.code);
                assert_eq!(code, Err(Code::Protocol));
            }
        }
    }
}
