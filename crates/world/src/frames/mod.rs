//! What a client and a game server say to each other; docs/protocol.md is the contract, this file keeps it.
//!
//! One WebSocket binary message carries one or more messages: a type byte, the payload's length as a
//! varint (LEB128), the payload. Numbers are little-endian; a string is a varint length and UTF-8. What a
//! reader does not know it skips by its length.

mod known;
mod read;
#[cfg(test)]
mod tests;
mod write;

use bytes::Bytes;

pub use known::KnownList;
pub use read::{read_character, read_client_frame, read_server_frame};
pub use write::{put_line, put_lines_head, put_message, put_places, put_string, put_varint};

use crate::refusal::Refusal;

/// Largest frame that a client may send, bytes.
pub const MAX_CLIENT_FRAME: usize = 4_096;

/// Most entities of a [`Known`]; with them a Hello is not larger than a frame may be.
pub const MAX_KNOWN: usize = 2_000;

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
        /// [`crate::OLDEST_GAME_PROTOCOL_VERSION`], or the one that its entry needs.
        version: u16,
        /// Hash of the schema that it has; 0: none. Another one than the server's: it is sent.
        schema: u64,
        /// How it may enter.
        entry: Entry,
    },
    /// 0x02: something for its character to do, as the schema says.
    Input {
        /// Counts from 1; a lower or equal one is dropped.
        seq: u32,
        /// Which of the schema's inputs.
        kind: u8,
        /// Its fields.
        payload: Bytes,
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
        /// A rule that the world must have, or empty.
        rule: String,
        /// Name of a character to be beside, or empty.
        friend: String,
    },
    /// 0x05: leaves for good, without grace time.
    Leave,
    /// 0x06: answered with the same number.
    Ping {
        /// Any number.
        nonce: u32,
    },
    /// 0x07: on a WebTransport session; from now on who walks is told in datagrams.
    Datagrams,
    /// 0x08: says something, or gives a command (a text that begins with `/`); answered by Said.
    Say {
        /// Where: a [`crate::chat::Kind`].
        kind: u8,
        /// The client's own number for it; the same one again is the same line.
        id: u64,
        /// Whom it is whispered to by name, else empty.
        to: String,
        /// What.
        text: String,
    },
    /// 0x09, after Hello where it steers: the last line of each channel that it has shown.
    Heard(Vec<Heard>),
    /// 0x0A: asks for older lines of a channel that it is in.
    ReadChat {
        /// Which: a [`crate::chat::Kind`].
        kind: u8,
        /// Only those below this number; 0: the newest.
        before: u64,
        /// At most so many, up to [`MAX_CHAT_LINES`].
        most: u8,
    },
}

/// How far a client has heard a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Which: a [`crate::chat::Kind`].
    pub kind: u8,
    /// The log that its line is of.
    pub log: u64,
    /// The number of the last line that it has.
    pub seq: u64,
}

/// Most lines of one message.
pub const MAX_CHAT_LINES: usize = 100;

/// Number of the input Walk in games whose characters walk as the engine has it.
pub const WALK: u8 = 0;

impl ClientMessage {
    /// The input Walk: one tick in this direction, at most 1 long.
    pub fn walk(seq: u32, dx: f32, dy: f32) -> Self {
        let payload = [dx.to_le_bytes(), dy.to_le_bytes()].concat();
        Self::Input { seq, kind: WALK, payload: payload.into() }
    }
}

/// How a client may enter.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Kind 0: a ticket of central.
    Ticket(String),
    /// Kind 1: the token of the last Welcome.
    Resume([u8; 16]),
    /// Kind 2: the same, and what is known: the next update has only what was missed, if the server can say that.
    /// From version [`crate::RESUMES_KNOWING_VERSION`] on.
    ResumeKnowing([u8; 16], Known),
}

/// What a client knows that lost its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Low 32 bits of the tick of the last update that it applied.
    pub tick: u32,
    /// Its list, in order; at most [`MAX_KNOWN`].
    pub ids: Vec<u16>,
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
        /// After a border: the highest input number that the server before took. What is higher is given again;
        /// the numbers go on.
        acked: Option<u32>,
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
    /// 0x8B, between Welcome and the first Update, if the client has another one: what the game's
    /// components, inputs and events are, as JSON.
    Schema {
        /// Hash of the text.
        hash: u64,
        /// The schema.
        text: String,
    },
    /// 0x8C: something that happened, as the schema says.
    Event {
        /// Which of the schema's events.
        number: u8,
        /// Its fields.
        payload: Bytes,
    },
    /// 0x8D: a tile is another one now.
    Tile {
        /// East, metres.
        x: i32,
        /// South, metres.
        y: i32,
        /// A kind of [`crate::frames::tile`].
        kind: u8,
    },
    /// 0x8E: how fast the area's time runs.
    Pace {
        /// Percent of real time, 10 to 100.
        percent: u8,
    },
    /// 0x8F, before Follow in the same frame: the other server by WebTransport.
    WebTransport {
        /// `https://…`.
        url: String,
        /// SHA-256 of the certificates that may be met there; none if any client believes them.
        hashes: Vec<[u8; 32]>,
    },
    /// 0x90: the land beyond a border that is near is another server's: connect there too, and only see, until
    /// that server says Steer.
    Beside {
        /// `ws://` or `wss://`.
        url: String,
        /// For that server.
        ticket: String,
        /// Its area, as `world/ground/layer`.
        area: String,
    },
    /// 0x91.
    Lines(Lines),
    /// 0x92: what became of a Say.
    Said {
        /// From it.
        id: u64,
        /// The «no»; none: it is said.
        refused: Option<Refusal>,
    },
    /// 0x93: something of parties, friends, factions, mail …: JSON, an object with `type` (docs/social.md).
    Social(String),
    /// 0x94: where a channel stands that the character is in now.
    Channel {
        /// Which: a [`crate::chat::Kind`].
        kind: u8,
        /// Its log; 0: it is not in it any more.
        log: u64,
        /// The number of its newest line.
        seq: u64,
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
    /// Hash of the game's schema.
    pub schema: u64,
}

/// 0x91: lines of a channel, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines {
    /// Which: a [`crate::chat::Kind`].
    pub kind: u8,
    /// The answer to a ReadChat: does not count for what was heard.
    pub history: bool,
    /// Its log; 0 of local talk.
    pub log: u64,
    /// At most [`MAX_CHAT_LINES`].
    pub lines: Vec<Line>,
}

/// One line of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// Its number in the log, from 1; 0 of local talk.
    pub seq: u64,
    /// The sender's own number for it.
    pub id: u64,
    /// Which character said it; zeros: the system.
    pub sender: [u8; 16],
    /// When, ms since 1970.
    pub at_ms: u64,
    /// Its name then.
    pub name: String,
    /// What: plain text, never markup.
    pub text: String,
}

/// 0x82. Positions are centimetres. A client keeps the list of entities that it knows in the order that follows
/// from the updates: one that leaves is replaced by the last, one that enters comes to the end.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Update {
    /// Whether everything known before is void: the view follows whole in `entered`.
    pub whole: bool,
    /// The tick's low 32 bits if whole, else ticks since the last update.
    pub tick: u32,
    /// The highest input number taken if whole, else how much higher it is than in the last update.
    pub acked: u32,
    /// Out of view, or gone: in this order each is replaced in the list by the last.
    pub left: Vec<u16>,
    /// Came into view, or came anew: appended to the list.
    pub entered: Vec<Entered>,
    /// Moved a little: by place in the list, ascending, the change in centimetres. By id once
    /// [`KnownList::resolve`] has seen it.
    pub moved: Vec<(u32, i8, i8)>,
    /// Moved far: by id, the new place.
    pub jumped: Vec<(u16, i32, i32)>,
    /// By id, the components that changed.
    pub changed: Vec<(u16, Vec<Component>)>,
}

/// An entity that came into view.
#[derive(Debug, Clone, PartialEq)]
pub struct Entered {
    /// Until it leaves the view; then it may be reused.
    pub id: u16,
    /// What it is, as the schema says: 0 a character.
    pub kind: u8,
    /// Where.
    pub x: i32,
    /// Where.
    pub y: i32,
    /// All its components.
    pub components: Vec<Component>,
}

/// A component of an entity, or what changed of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// Which of the schema's components, 0 to 126.
    pub number: u8,
    /// A mask (varint) and the fields that it names; `None`: it was taken off.
    pub fields: Option<Bytes>,
}

/// The components that every game has.
pub mod component {
    /// Fields: name, faction (may be empty).
    pub const CHARACTER: u8 = 1;
}

/// Bits of an update's first byte.
pub mod update {
    /// Everything known before is void.
    pub const WHOLE: u8 = 1;
    /// The section follows.
    pub const LEFT: u8 = 2;
    /// The section follows.
    pub const ENTERED: u8 = 4;
    /// The section follows.
    pub const MOVED: u8 = 8;
    /// The section follows.
    pub const JUMPED: u8 = 16;
    /// The section follows.
    pub const CHANGED: u8 = 32;
    /// Set in the number of a component that was taken off.
    pub const TAKEN_OFF: u8 = 0x80;
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
