//! Between an area server, or a chat, and central.

use super::link::RefusalMessage;
use super::spawner::TicketKey;
use prost::Message;

/// Where a role can be reached.
#[derive(Clone, PartialEq, Message)]
pub struct Register {
    /// Host that clients and peers use, without port.
    #[prost(string, tag = "1")]
    pub address: String,
    /// TCP port, not 0.
    #[prost(uint32, tag = "2")]
    pub port: u32,
    /// Whether the port speaks TLS.
    #[prost(bool, tag = "3")]
    pub tls: bool,
    /// SHA-256 of the certificate if it was made at start, else empty.
    #[prost(bytes = "vec", tag = "4")]
    pub certificate: Vec<u8>,
    /// Of an area server: the area it was allocated to (16 bytes); empty for chat.
    #[prost(bytes = "vec", tag = "5")]
    pub area: Vec<u8>,
    /// Its incarnation if it holds the area already (central was away), else 0.
    #[prost(uint64, tag = "6")]
    pub incarnation: u64,
    /// Its epoch then, else 0.
    #[prost(uint64, tag = "7")]
    pub epoch: u64,
    /// Who is inside then (characters it owns), so that central knows again.
    #[prost(message, repeated, tag = "8")]
    pub characters: Vec<CharacterHere>,
    /// Whether it serves players already.
    #[prost(bool, tag = "9")]
    pub ready: bool,
    /// Of an area server: how it is reached by WebTransport, if it is.
    #[prost(message, optional, tag = "20")]
    pub webtransport: Option<WebTransport>,
    /// Of an area server that holds its area already: the players' factions that it knows; it is told what it missed.
    #[prost(message, repeated, tag = "21")]
    pub factions: Vec<FactionKnown>,
    /// Of a chat: whether it passes lines to the other chats, so that an area server needs a link to one alone.
    #[prost(bool, tag = "22")]
    pub bus: bool,
    /// Of an area server: whether it makes and shows copies ([`super::CopyArea`]).
    #[prost(bool, tag = "23")]
    pub copies: bool,
}

/// A faction of players as an area server knows it.
#[derive(Clone, PartialEq, Message)]
pub struct FactionKnown {
    /// Which.
    #[prost(bytes = "vec", tag = "1")]
    pub faction: Vec<u8>,
    /// In which version.
    #[prost(uint64, tag = "2")]
    pub version: u64,
}

/// How a game server is reached by WebTransport, at the address that it registered.
#[derive(Clone, PartialEq, Message)]
pub struct WebTransport {
    /// UDP port, not 0.
    #[prost(uint32, tag = "1")]
    pub port: u32,
    /// SHA-256 of the certificates that a client may meet; empty: one that its system believes.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub hashes: Vec<Vec<u8>>,
}

/// A character that an area server hosts.
#[derive(Clone, PartialEq, Message)]
pub struct CharacterHere {
    /// Who.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// Whose.
    #[prost(bytes = "vec", tag = "2")]
    pub account: Vec<u8>,
    /// Under which epoch.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
    /// Whether its client is connected (else in its grace time, or announced).
    #[prost(bool, tag = "4")]
    pub connected: bool,
}

/// The area serves players.
#[derive(Clone, PartialEq, Message)]
pub struct AreaReady {
    /// Whether a saved state was found; else generated.
    #[prost(bool, tag = "1")]
    pub restored: bool,
    /// How long it took, ms.
    #[prost(uint32, tag = "2")]
    pub took_ms: u32,
}

/// Load of an area server.
#[derive(Clone, PartialEq, Message)]
pub struct Heartbeat {
    /// Milliseconds of the sender's own monotonic clock, given back in [`Lease`].
    #[prost(uint64, tag = "1")]
    pub sent_ms: u64,
    /// Characters inside.
    #[prost(uint32, tag = "2")]
    pub players: u32,
    /// Mean CPU time of a tick since the last heartbeat, µs.
    #[prost(uint32, tag = "3")]
    pub tick_us: u32,
    /// Resident memory, KiB.
    #[prost(uint32, tag = "4")]
    pub rss_kib: u32,
    /// Its neighbours, as many as it has lines to or had lately.
    #[prost(message, repeated, tag = "5")]
    pub peers: Vec<PeerLoad>,
    /// What it has refused since its process began, each code once; empty of a server that does not say.
    #[prost(message, repeated, tag = "6")]
    pub refusals: Vec<RefusalCount>,
    /// How fast its time runs, percent of real time; 0 of a server that does not say.
    #[prost(uint32, tag = "7")]
    pub pace_percent: u32,
}

/// How often something was refused.
#[derive(Clone, PartialEq, Message)]
pub struct RefusalCount {
    /// A stable code: one of the server's ([`Code`](crate::Code)) or one of its game's.
    #[prost(string, tag = "1")]
    pub code: String,
    /// How often.
    #[prost(uint64, tag = "2")]
    pub count: u64,
}

/// The line to one neighbour.
#[derive(Clone, PartialEq, Message)]
pub struct PeerLoad {
    /// The neighbour's server id.
    #[prost(bytes = "vec", tag = "1")]
    pub server: Vec<u8>,
    /// Its area as text.
    #[prost(string, tag = "2")]
    pub area: String,
    /// Whether the line stands.
    #[prost(bool, tag = "3")]
    pub live: bool,
    /// How many of its entities are shown here.
    #[prost(uint32, tag = "4")]
    pub ghosts: u32,
    /// Bytes heard from it in the last second.
    #[prost(uint32, tag = "5")]
    pub heard_bytes_s: u32,
    /// Bytes told to it in the last second.
    #[prost(uint32, tag = "6")]
    pub told_bytes_s: u32,
}

/// Answer to [`Admit`].
#[derive(Clone, PartialEq, Message)]
pub struct Admitted {
    /// Which enter.
    #[prost(bytes = "vec", tag = "1")]
    pub enter: Vec<u8>,
    /// Set if it cannot come.
    #[prost(message, optional, tag = "2")]
    pub refused: Option<RefusalMessage>,
}

/// A client presented its ticket.
#[derive(Clone, PartialEq, Message)]
pub struct Arrived {
    /// Who.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// The enter or transfer of its ticket.
    #[prost(bytes = "vec", tag = "2")]
    pub enter: Vec<u8>,
    /// Under which epoch it is, or will be, owned here.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
}

/// A character has left.
#[derive(Clone, PartialEq, Message)]
pub struct Left {
    /// Who.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// Under which epoch it was owned.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Where it stood, metres.
    #[prost(double, tag = "3")]
    pub x: f64,
    /// Where it stood, metres.
    #[prost(double, tag = "4")]
    pub y: f64,
    /// The engine's record of it, at most [`super::MAX_RECORD_BYTES`]; empty: as it was written last.
    #[prost(bytes = "vec", tag = "5")]
    pub record: Vec<u8>,
}

/// Where characters stand, and what they are; at most a few batches per area and second.
#[derive(Clone, PartialEq, Message)]
pub struct Places {
    /// Only those that moved, or are another, since the last batch; the record of one at most every few seconds.
    #[prost(message, repeated, tag = "1")]
    pub places: Vec<Left>,
}

/// A checkpoint of the area.
#[derive(Clone, PartialEq, Message)]
pub struct SaveArea {
    /// The writer's epoch.
    #[prost(uint64, tag = "1")]
    pub epoch: u64,
    /// The file, as central keeps it; at most 2 MiB.
    #[prost(bytes = "vec", tag = "2")]
    pub state: Vec<u8>,
    /// The last one of this life: nobody waits for the answer, and it is tried again if it cannot be kept at once.
    #[prost(bool, tag = "3")]
    pub last: bool,
}

/// What became of a checkpoint.
#[derive(Clone, PartialEq, Message)]
pub struct AreaSaved {
    /// Its tick.
    #[prost(uint64, tag = "1")]
    pub tick: u64,
    /// Set if it could not be kept; the one before counts.
    #[prost(message, optional, tag = "2")]
    pub refused: Option<RefusalMessage>,
}

/// The area goes back to the store.
#[derive(Clone, PartialEq, Message)]
pub struct Stopped {
    /// The owner's epoch.
    #[prost(uint64, tag = "1")]
    pub epoch: u64,
    /// One word for the log: `idle`, `drain`, `stop`.
    #[prost(string, tag = "2")]
    pub why: String,
}

/// Operations for the ledger.
#[derive(Clone, PartialEq, Message)]
pub struct LedgerOps {
    /// At most [`super::MAX_LEDGER_OPS`].
    #[prost(message, repeated, tag = "1")]
    pub ops: Vec<LedgerOp>,
}

/// One operation. A repeat has the same bytes, and gets the first answer.
#[derive(Clone, PartialEq, Message)]
pub struct LedgerOp {
    /// Its id, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    /// [`crate::ledger::Operation`] as JSON.
    #[prost(bytes = "vec", tag = "2")]
    pub operation: Vec<u8>,
}

/// What became of operations.
#[derive(Clone, PartialEq, Message)]
pub struct LedgerResults {
    /// Of operations of one [`LedgerOps`], in its order; the rest of them in further messages, if these are long.
    #[prost(message, repeated, tag = "1")]
    pub results: Vec<LedgerResult>,
}

/// What became of one operation.
#[derive(Clone, PartialEq, Message)]
pub struct LedgerResult {
    /// Its id.
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    /// Empty: done; else [`crate::Code`] in its text form. `storage_busy`, `stopping` and `internal` mean that it
    /// was not decided: ask again.
    #[prost(string, tag = "2")]
    pub code: String,
    /// If done [`crate::ledger::Changes`] as JSON, else the refusal's sentence. Of a reservation it is all that lies in
    /// the storage by now, also for a repeat.
    #[prost(string, tag = "3")]
    pub text: String,
}

/// What a character has.
#[derive(Clone, PartialEq, Message)]
pub struct Belongings {
    /// Who.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// Under which epoch it is owned.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// [`crate::ledger::Sheet`] as JSON.
    #[prost(bytes = "vec", tag = "3")]
    pub sheet: Vec<u8>,
}

/// The area is yours.
#[derive(Clone, PartialEq, Message)]
pub struct Granted {
    /// Which, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub area: Vec<u8>,
    /// This process's life of the area; part of every ticket's audience.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
    /// Under which everything is written from now on.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
    /// Name of the world; its file's text follows.
    #[prost(string, tag = "4")]
    pub world: String,
    /// The world's TOML.
    #[prost(string, tag = "5")]
    pub world_toml: String,
    /// [`crate::space::Ground`] in its text form.
    #[prost(string, tag = "6")]
    pub ground: String,
    /// 0 is the first.
    #[prost(uint32, tag = "7")]
    pub layer: u32,
    /// The checkpoint that counts, a file as [`SaveArea`] brought it; empty: generate.
    #[prost(bytes = "vec", tag = "8")]
    pub state: Vec<u8>,
    /// Lease from when Register was sent, ms.
    #[prost(uint64, tag = "9")]
    pub lease_ms: u64,
    /// Central's public ticket keys: `kid`, bytes.
    #[prost(message, repeated, tag = "10")]
    pub keys: Vec<TicketKey>,
    /// It held the area already and goes on with what it has.
    #[prost(bool, tag = "11")]
    pub resumed: bool,
    /// Never idles.
    #[prost(bool, tag = "12")]
    pub always_on: bool,
    /// Whether players ask before they follow a prompt (G3), or connect at once.
    #[prost(bool, tag = "13")]
    pub prompt: bool,
    /// Nothing is owned yet: load the land and wait for [`super::Body::TakeOver`]. Epoch and incarnation are those of then.
    #[prost(bool, tag = "14")]
    pub waits: bool,
    /// What lies on its ground: [`crate::ledger::Sheet`] as JSON. Empty if `resumed`, as the next one.
    #[prost(bytes = "vec", tag = "20")]
    pub lies: Vec<u8>,
    /// Its sources that are spent, those with the highest lives, at most 32,768: number and life, 8 bytes each,
    /// big-endian.
    #[prost(bytes = "vec", tag = "21")]
    pub spent: Vec<u8>,
    /// The grounds beyond its borders, as [`super::Beyond`] says anew when they change.
    #[prost(string, repeated, tag = "22")]
    pub beyond: Vec<String>,
}

/// The owner may go on.
#[derive(Clone, PartialEq, Message)]
pub struct Lease {
    /// From the heartbeat that it answers.
    #[prost(uint64, tag = "1")]
    pub sent_ms: u64,
    /// Counted from `sent_ms`.
    #[prost(uint64, tag = "2")]
    pub lease_ms: u64,
}

/// Prepare for a character.
#[derive(Clone, PartialEq, Message)]
pub struct Admit {
    /// The enter or transfer; `jti` of its ticket.
    #[prost(bytes = "vec", tag = "1")]
    pub enter: Vec<u8>,
    /// [`crate::character::CharacterDoc`] as JSON.
    #[prost(bytes = "vec", tag = "2")]
    pub character: Vec<u8>,
    /// Whose login.
    #[prost(bytes = "vec", tag = "3")]
    pub session: Vec<u8>,
    /// Under which it is, or after the handoff's commit will be, owned here.
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
    /// Whether it is owned already: steer at arrival. If not, its client only sees until [`super::Body::Grant`].
    #[prost(bool, tag = "5")]
    pub granted: bool,
    /// How long to wait for it, ms.
    #[prost(uint64, tag = "6")]
    pub wait_ms: u64,
    /// What it has: [`crate::ledger::Sheet`] as JSON. Empty in a handoff: [`super::Body::Belongings`] tells it then.
    #[prost(bytes = "vec", tag = "7")]
    pub belongings: Vec<u8>,
    /// Its record, as its last owner wrote it; empty: it has none, or [`super::Body::Grant`] brings it.
    #[prost(bytes = "vec", tag = "8")]
    pub record: Vec<u8>,
    /// It is near the border: once its client has come it may see as long as it likes.
    #[prost(bool, tag = "9")]
    pub beside: bool,
    /// SHA-256 of its ticket's text: whoever shows that text shows what central signed. Empty: check it.
    #[prost(bytes = "vec", tag = "10")]
    pub ticket_sha256: Vec<u8>,
    /// [`crate::social::SocialDoc`] as JSON; empty: nobody and nothing.
    #[prost(bytes = "vec", tag = "11")]
    pub social: Vec<u8>,
}

/// Let a character go.
#[derive(Clone, PartialEq, Message)]
pub struct Kick {
    /// Who.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// Only if it is owned here under this epoch or a lower one.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// [`crate::Code`] in its text form, told to the client.
    #[prost(string, tag = "3")]
    pub code: String,
    /// A sentence, told to the client.
    #[prost(string, tag = "4")]
    pub text: String,
}

/// A faction's current data.
#[derive(Clone, PartialEq, Message)]
pub struct FactionSync {
    /// [`crate::faction::Faction`] as JSON; empty: one of players.
    #[prost(bytes = "vec", tag = "1")]
    pub faction: Vec<u8>,
    /// [`crate::faction::FactionDoc`] as JSON; empty: one of the world's file.
    #[prost(bytes = "vec", tag = "2")]
    pub founded: Vec<u8>,
}

/// Changes among the other servers.
#[derive(Clone, PartialEq, Message)]
pub struct Peers {
    /// Replaces all that was known (first message after a registration).
    #[prost(bool, tag = "1")]
    pub whole: bool,
    /// New or changed.
    #[prost(message, repeated, tag = "2")]
    pub present: Vec<Peer>,
    /// Gone: server ids.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub gone: Vec<Vec<u8>>,
}

/// Another server: an area server, or the chat.
#[derive(Clone, PartialEq, Message)]
pub struct Peer {
    /// Its server id; of chat the first 16 bytes of its link session.
    #[prost(bytes = "vec", tag = "1")]
    pub server: Vec<u8>,
    /// Host.
    #[prost(string, tag = "2")]
    pub address: String,
    /// TCP port.
    #[prost(uint32, tag = "3")]
    pub port: u32,
    /// `area` or `chat`.
    #[prost(string, tag = "4")]
    pub role: String,
    /// Of an area server: [`crate::space::AreaName`] as text.
    #[prost(string, tag = "5")]
    pub area: String,
    /// Whether it lies beside the receiver (M7).
    #[prost(bool, tag = "6")]
    pub neighbour: bool,
    /// For the pair (receiver, this peer), signed by central: shown when connecting.
    #[prost(string, tag = "7")]
    pub credential: String,
    /// Whether its port speaks TLS.
    #[prost(bool, tag = "8")]
    pub tls: bool,
    /// SHA-256 of its certificate if made at start, else empty.
    #[prost(bytes = "vec", tag = "9")]
    pub certificate: Vec<u8>,
    /// Of an area server: the epoch under which it owns its area.
    #[prost(uint64, tag = "10")]
    pub epoch: u64,
    /// Of an area server: its life of the area.
    #[prost(uint64, tag = "11")]
    pub incarnation: u64,
}

/// The first message on a peer line (docs/peers.md), each way.
#[derive(Clone, PartialEq, Message)]
pub struct PeerHello {
    /// [`crate::PEER_VERSION`].
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// From [`Peer`]: central vouches for the pair (sender, receiver).
    #[prost(string, tag = "2")]
    pub credential: String,
    /// Server id of the sender.
    #[prost(bytes = "vec", tag = "3")]
    pub server: Vec<u8>,
    /// Its area: [`crate::space::AreaName`] as text.
    #[prost(string, tag = "4")]
    pub area: String,
    /// The epoch under which it owns it.
    #[prost(uint64, tag = "5")]
    pub epoch: u64,
    /// Its life of the area.
    #[prost(uint64, tag = "6")]
    pub incarnation: u64,
}
