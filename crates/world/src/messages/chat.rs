//! Between area servers and chat: channels, their lines, and who listens (docs/chat.md).
//!
//! A channel is a text: `world/NAME`, `area/AREA`, `faction/ID`, `party/ID`, `to/CHARACTER` (what is whispered to
//! one), `system`. Each has a log: lines numbered from 1 without a gap. A log that was lost begins anew under
//! another log id.

use prost::Message;

/// Most bytes of a line's text.
pub const MAX_LINE_BYTES: usize = 1_024;

/// Most characters of a line's text.
pub const MAX_LINE_CHARS: usize = 255;

/// Most lines of one [`Lines`].
pub const MAX_LINES: usize = 200;

/// Lines of a channel are wanted here.
#[derive(Clone, PartialEq, Message)]
pub struct Listen {
    /// Which.
    #[prost(string, tag = "1")]
    pub channel: String,
    /// The log that the last line seen here was of; 0: none, only what comes from now on.
    #[prost(uint64, tag = "2")]
    pub log: u64,
    /// Its number.
    #[prost(uint64, tag = "3")]
    pub seq: u64,
}

/// Nobody here listens any more.
#[derive(Clone, PartialEq, Message)]
pub struct Unlisten {
    /// Which.
    #[prost(string, tag = "1")]
    pub channel: String,
}

/// Where a channel stands.
#[derive(Clone, PartialEq, Message)]
pub struct Listening {
    /// Which.
    #[prost(string, tag = "1")]
    pub channel: String,
    /// Its log.
    #[prost(uint64, tag = "2")]
    pub log: u64,
    /// The number of its newest line; 0: none yet. Lines after the one that was named follow.
    #[prost(uint64, tag = "3")]
    pub seq: u64,
}

/// A character says something.
#[derive(Clone, PartialEq, Message)]
pub struct Post {
    /// Where; of a whisper empty.
    #[prost(string, tag = "1")]
    pub channel: String,
    /// The name of whom it is whispered to, else empty.
    #[prost(string, tag = "2")]
    pub to: String,
    /// Who says it, 16 bytes; of the system 16 zeros.
    #[prost(bytes = "vec", tag = "3")]
    pub sender: Vec<u8>,
    /// Of which account, 16 bytes.
    #[prost(bytes = "vec", tag = "4")]
    pub account: Vec<u8>,
    /// Its name.
    #[prost(string, tag = "5")]
    pub name: String,
    /// The sender's own number for it; a repeat is not said twice.
    #[prost(uint64, tag = "6")]
    pub id: u64,
    /// What: 1 to [`MAX_LINE_CHARS`] characters.
    #[prost(string, tag = "7")]
    pub text: String,
}

/// What became of it.
#[derive(Clone, PartialEq, Message)]
pub struct Posted {
    /// Who said it, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub sender: Vec<u8>,
    /// From [`Post`].
    #[prost(uint64, tag = "2")]
    pub id: u64,
    /// The «no»; none: it is in the log, and as durable as its channel is.
    #[prost(message, optional, tag = "3")]
    pub refused: Option<super::RefusalMessage>,
}

/// Older lines of a channel, for one character.
#[derive(Clone, PartialEq, Message)]
pub struct ReadLines {
    /// Which.
    #[prost(string, tag = "1")]
    pub channel: String,
    /// Only those below this number; 0: the newest.
    #[prost(uint64, tag = "2")]
    pub before: u64,
    /// At most so many, up to [`MAX_LINES`].
    #[prost(uint32, tag = "3")]
    pub most: u32,
    /// Who asks, 16 bytes; given back in [`Lines::reader`].
    #[prost(bytes = "vec", tag = "4")]
    pub reader: Vec<u8>,
    /// Instead: those above this number, the oldest of them first.
    #[prost(uint64, optional, tag = "5")]
    pub after: Option<u64>,
}

/// Lines of a channel, in order.
#[derive(Clone, PartialEq, Message)]
pub struct Lines {
    /// Which.
    #[prost(string, tag = "1")]
    pub channel: String,
    /// Its log.
    #[prost(uint64, tag = "2")]
    pub log: u64,
    /// At most [`MAX_LINES`].
    #[prost(message, repeated, tag = "3")]
    pub lines: Vec<Line>,
    /// The answer to this one's [`ReadLines`]; empty: new lines, for all who listen.
    #[prost(bytes = "vec", tag = "4")]
    pub reader: Vec<u8>,
    /// Whether that asked for what came after a number.
    #[prost(bool, tag = "5")]
    pub later: bool,
}

/// One line.
#[derive(Clone, PartialEq, Message)]
pub struct Line {
    /// Its number in the log, from 1.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// Who said it, 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub sender: Vec<u8>,
    /// Of which account, 16 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub account: Vec<u8>,
    /// Its name then.
    #[prost(string, tag = "4")]
    pub name: String,
    /// The sender's own number for it.
    #[prost(uint64, tag = "5")]
    pub id: u64,
    /// When, ms since 1970.
    #[prost(uint64, tag = "6")]
    pub at_ms: u64,
    /// What.
    #[prost(string, tag = "7")]
    pub text: String,
}

/// What is said aloud near a border, to the neighbour behind it.
#[derive(Clone, PartialEq, Message)]
pub struct Local {
    /// Where it is said, metres east.
    #[prost(double, tag = "1")]
    pub x: f64,
    /// Metres south.
    #[prost(double, tag = "2")]
    pub y: f64,
    /// What; its number is 0.
    #[prost(message, optional, tag = "3")]
    pub line: Option<Line>,
}

/// Who is inside an area server: all of them when its link to chat stands anew, then each change.
#[derive(Clone, PartialEq, Message)]
pub struct Audience {
    /// Whether this names everybody who is inside.
    #[prost(bool, tag = "1")]
    pub all: bool,
    /// Who came.
    #[prost(message, repeated, tag = "2")]
    pub came: Vec<Listener>,
    /// Who left, 16 bytes each.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub left: Vec<Vec<u8>>,
}

/// A character that can be whispered to.
#[derive(Clone, PartialEq, Message)]
pub struct Listener {
    /// Who, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// Its name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Under which epoch it is here; the highest one knows.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
}

/// Whose name is this?
#[derive(Clone, PartialEq, Message)]
pub struct WhoIs {
    /// Counts up; given back in the answer.
    #[prost(uint64, tag = "1")]
    pub request: u64,
    /// The name.
    #[prost(string, tag = "2")]
    pub name: String,
}

/// The answer to [`WhoIs`].
#[derive(Clone, PartialEq, Message)]
pub struct Known {
    /// From it.
    #[prost(uint64, tag = "1")]
    pub request: u64,
    /// Who, 16 bytes; empty: nobody has this name.
    #[prost(bytes = "vec", tag = "2")]
    pub character: Vec<u8>,
    /// The name as it is written.
    #[prost(string, tag = "3")]
    pub name: String,
}

/// Are these characters at this area server, or awaited there? One that is not may not hear their inboxes.
#[derive(Clone, PartialEq, Message)]
pub struct AreThere {
    /// The area server's id as text.
    #[prost(string, tag = "1")]
    pub server: String,
    /// Who, 16 bytes each; at most [`MAX_LINES`].
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub characters: Vec<Vec<u8>>,
}

/// The answer to [`AreThere`].
#[derive(Clone, PartialEq, Message)]
pub struct There {
    /// From it.
    #[prost(string, tag = "1")]
    pub server: String,
    /// Those of them that are.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub characters: Vec<Vec<u8>>,
}

/// What was said, for moderators: in a durable channel that is named, else in those that are not durable.
#[derive(Clone, PartialEq, Message)]
pub struct ReadSaid {
    /// Given back in the answer.
    #[prost(uint64, tag = "1")]
    pub request: u64,
    /// In this channel; empty: in all that are not durable.
    #[prost(string, tag = "2")]
    pub channel: String,
    /// By whom, 16 bytes; empty: by all.
    #[prost(bytes = "vec", tag = "3")]
    pub sender: Vec<u8>,
    /// From this time on, ms since 1970.
    #[prost(uint64, tag = "4")]
    pub from_ms: u64,
    /// Before this time, ms since 1970; 0: the newest.
    #[prost(uint64, tag = "5")]
    pub before_ms: u64,
    /// At most so many, up to one more than [`MAX_LINES`].
    #[prost(uint32, tag = "6")]
    pub most: u32,
}

/// What was said, newest first.
#[derive(Clone, PartialEq, Message)]
pub struct SaidLines {
    /// From [`ReadSaid`].
    #[prost(uint64, tag = "1")]
    pub request: u64,
    /// At most as many as were asked for.
    #[prost(message, repeated, tag = "2")]
    pub lines: Vec<SaidLine>,
    /// Whether the file could not be read.
    #[prost(bool, tag = "3")]
    pub failed: bool,
}

/// A line and where it was said.
#[derive(Clone, PartialEq, Message)]
pub struct SaidLine {
    /// The channel.
    #[prost(string, tag = "1")]
    pub channel: String,
    /// What; its own number and the log's are 0.
    #[prost(message, optional, tag = "2")]
    pub line: Option<Line>,
}

/// From chat to chat, over their bus (docs/chat.md). Each chat numbers what it says to each other one.
#[derive(Clone, PartialEq, Message)]
pub struct Passed {
    /// The name of the chat that says it.
    #[prost(string, tag = "1")]
    pub from: String,
    /// Which beginning of it this belongs to, never 0; of [`PassedKind::Anew`] the one that was not understood.
    #[prost(uint64, tag = "2")]
    pub stream: u64,
    /// Counts from 1 in each stream; 0: not numbered.
    #[prost(uint64, tag = "3")]
    pub seq: u64,
    /// What it is.
    #[prost(enumeration = "PassedKind", tag = "4")]
    pub kind: i32,
    /// The area server that says it, or is told it.
    #[prost(string, tag = "5")]
    pub server: String,
    /// Of that one's link to its chat: another link has another number.
    #[prost(uint64, tag = "6")]
    pub link: u64,
    /// What is said.
    #[prost(message, optional, tag = "7")]
    pub said: Option<super::Envelope>,
}

/// What one chat says to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
pub enum PassedKind {
    /// Still there; once a second.
    Beat = 0,
    /// Something is missing: begin anew.
    Anew = 1,
    /// An area server behind this chat says something to the one that has the channel.
    Said = 2,
    /// The link of an area server behind this chat is gone; or one behind the other chat does not count here, and is to
    /// begin anew.
    Gone = 3,
    /// The one that has the channel tells an area server behind the other one.
    Told = 4,
}
