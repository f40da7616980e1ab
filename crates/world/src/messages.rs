//! What roles say to each other over a link.
//!
//! A link is one bidirectional gRPC stream of [`Envelope`], opened by the lesser role. It begins with a
//! handshake (Hello, Challenge, Proof, Welcome) in which each side proves its key. After it every body is
//! numbered, kept until acknowledged, and sent again after a reconnect; a repeat is dropped by its
//! number. Ids are 16 bytes, times milliseconds, distances metres. A field is only ever added: an older
//! reader skips what it does not know.

use prost::{Message, Oneof};

/// Most messages that wait for their acknowledgement on one link; beyond it the link is reset.
pub const MAX_UNACKED: usize = 16_384;

/// Most operations of one [`LedgerOps`].
pub const MAX_LEDGER_OPS: usize = 256;

/// Most bytes of a character's record; a longer one is not written, and the one before it stays.
pub const MAX_RECORD_BYTES: usize = 32 << 10;

/// Most bytes of one envelope.
pub const MAX_ENVELOPE_BYTES: usize = 4 << 20;

/// One message on a link.
#[derive(Clone, PartialEq, Message)]
pub struct Envelope {
    /// Counts from 1 in each direction; 0 for the handshake and for a bare acknowledgement.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// The highest number received in order from the other side.
    #[prost(uint64, tag = "2")]
    pub ack: u64,
    /// What is said; none for a bare acknowledgement.
    #[prost(
        oneof = "Body",
        tags = "3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 60, 61, 62, 63, 64"
    )]
    pub body: Option<Body>,
}

/// Every message of every link. Tags 3-7 handshake, 10-29 area → central, 30-49 and 54 central → area,
/// 50-53 spawner → central, 60-64 central → spawner.
#[derive(Clone, PartialEq, Oneof)]
pub enum Body {
    /// First message of the opener.
    #[prost(message, tag = "3")]
    Hello(Hello),
    /// Answer to it.
    #[prost(message, tag = "4")]
    Challenge(Challenge),
    /// Second message of the opener.
    #[prost(message, tag = "5")]
    Proof(Proof),
    /// The link stands.
    #[prost(message, tag = "6")]
    Welcome(Welcome),
    /// A refusal of the link itself, or of a chat's or an area's registration; the link closes after it.
    #[prost(message, tag = "7")]
    Refused(RefusalMessage),

    /// An area server or a chat says where it can be reached (K5, K7).
    #[prost(message, tag = "10")]
    Register(Register),
    /// The area is generated or restored and lets players in.
    #[prost(message, tag = "11")]
    AreaReady(AreaReady),
    /// Alive, with its load; answered by [`Body::Lease`].
    #[prost(message, tag = "12")]
    Heartbeat(Heartbeat),
    /// The character is prepared and may come.
    #[prost(message, tag = "13")]
    Admitted(Admitted),
    /// The character is here (O5, O11).
    #[prost(message, tag = "14")]
    Arrived(Arrived),
    /// The announced character never came.
    #[prost(message, tag = "15")]
    NoShow(CharacterAt),
    /// The character has left; its place is recorded and ownership goes back to the store.
    #[prost(message, tag = "16")]
    Left(Left),
    /// Where characters stand now; written at most once a second.
    #[prost(message, tag = "17")]
    Places(Places),
    /// The owner hands a character on: the commit point is central's transaction (docs/handoff.md).
    #[prost(message, tag = "18")]
    Commit(Commit),
    /// The owner takes a handoff back.
    #[prost(message, tag = "19")]
    Abort(CharacterAt),
    /// A player asks to go on (G1, G2), or stepped into a portal (K16).
    #[prost(message, tag = "20")]
    GoOn(GoOn),
    /// A checkpoint of the area, under its epoch; answered by [`Body::AreaSaved`].
    #[prost(message, tag = "21")]
    SaveArea(SaveArea),
    /// Everything is saved and nobody is inside: the area goes back to the store.
    #[prost(message, tag = "22")]
    Stopped(Stopped),
    /// Operations for the ledger, to be decided in this order.
    #[prost(message, tag = "23")]
    LedgerOps(LedgerOps),
    /// A character's record could not be read here: it is put aside, for an operator to look at.
    #[prost(message, tag = "24")]
    Damaged(CharacterAt),
    /// A crossing that central prepared is not wanted any more: the character walked away from that border.
    #[prost(message, tag = "25")]
    CallOff(CharacterAt),
    /// One that was prepared for a border and only saw is gone; nothing of it was owned.
    #[prost(message, tag = "26")]
    SeesNoMore(CharacterAt),
    /// The whole area for another server, frozen: the commit point is central's transaction (docs/handoff.md).
    /// Said again until [`Body::AreaMoved`] answers it.
    #[prost(message, tag = "27")]
    MoveArea(MoveArea),
    /// An area server's WebTransport has another certificate.
    #[prost(message, tag = "29")]
    WebTransport(WebTransport),

    /// The area is yours at this epoch; load it (M6).
    #[prost(message, tag = "30")]
    Granted(Granted),
    /// Go on owning for so long from when the heartbeat was sent.
    #[prost(message, tag = "31")]
    Lease(Lease),
    /// Prepare for this character (M2, G10).
    #[prost(message, tag = "32")]
    Admit(Admit),
    /// Do not wait for it any more.
    #[prost(message, tag = "33")]
    Withdraw(CharacterAt),
    /// Let it go now: logged out, banned, taken over, moved.
    #[prost(message, tag = "34")]
    Kick(Kick),
    /// What every server that hosts a member must know (G9).
    #[prost(message, tag = "35")]
    FactionSync(FactionSync),
    /// The character is yours: steer it (only after a handoff; an enter grants with [`Admit`]).
    #[prost(message, tag = "36")]
    Grant(Grant),
    /// Your client is connected at the target: freeze the character and send [`Body::Commit`].
    #[prost(message, tag = "37")]
    Seal(Seal),
    /// Your Commit was applied: drop the character, tell its client to switch.
    #[prost(message, tag = "38")]
    Committed(CharacterAt),
    /// The handoff is off: run the character on, under this epoch.
    #[prost(message, tag = "39")]
    Aborted(CharacterAt),
    /// You are not the owner any more: drop the character.
    #[prost(message, tag = "40")]
    Stale(CharacterAt),
    /// Other area servers and the chat, as they come and go (K8, K9).
    #[prost(message, tag = "41")]
    Peers(Peers),
    /// The answer to [`Body::GoOn`], or its progress.
    #[prost(message, tag = "42")]
    GoOnReply(GoOnReply),
    /// What became of operations; what is done is durable.
    #[prost(message, tag = "43")]
    LedgerResults(LedgerResults),
    /// What a character of yours has: at the end of a handoff, and when somebody else changed it.
    #[prost(message, tag = "44")]
    Belongings(Belongings),
    /// What became of a checkpoint: the answer to [`Body::SaveArea`].
    #[prost(message, tag = "45")]
    AreaSaved(AreaSaved),
    /// Your client is connected at the neighbour: the character may walk over the border there. Taken back by
    /// [`Body::Withdraw`].
    #[prost(message, tag = "46")]
    Beside(CharacterAt),

    /// Another server is made ready for this character: tell its client, so that it sees there.
    #[prost(message, tag = "47")]
    Invite(Invite),
    /// Stand still, and hand the whole area over with [`Body::MoveArea`].
    #[prost(message, tag = "48")]
    Freeze(Freeze),
    /// What became of a [`Body::MoveArea`]: another server has the area, or it is yours still.
    #[prost(message, tag = "49")]
    AreaMoved(AreaMoved),
    /// The area that was made ready here is yours: go on with it where it stood still.
    #[prost(message, tag = "54")]
    TakeOver(TakeOver),

    /// A spawner says what it can start and what runs.
    #[prost(message, tag = "50")]
    SpawnerHello(SpawnerHello),
    /// One server changed.
    #[prost(message, tag = "51")]
    ServerChanged(ServerInfo),
    /// A server's process has ended: witnessed, so it is dead at once, whatever its lease.
    #[prost(message, tag = "52")]
    ServerExited(ServerExited),
    /// Answer to [`Body::Allocate`].
    #[prost(message, tag = "53")]
    Allocated(Allocated),

    /// Give this area an idle server, or start one (O6, O7).
    #[prost(message, tag = "60")]
    Allocate(Allocate),
    /// Stop a server: gracefully, then by force.
    #[prost(message, tag = "61")]
    StopServer(StopServer),
    /// No new entries; save and leave (drain, shutdown).
    #[prost(message, tag = "62")]
    Drain(Drain),
    /// What every third-party server needs to check tickets.
    #[prost(message, tag = "63")]
    TicketKeys(TicketKeys),
    /// These are not to be in a third-party server any more.
    #[prost(message, tag = "64")]
    ShowOut(ShowOut),
}

/// Who opens the link, and where it left off.
#[derive(Clone, PartialEq, Message)]
pub struct Hello {
    /// [`crate::LINK_VERSION`].
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// `spawner`, `chat` or `area`.
    #[prost(string, tag = "2")]
    pub role: String,
    /// The role's name; of an area server its id in hex.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Of an area server: its spawner's name, from whose key its own is derived.
    #[prost(string, tag = "4")]
    pub spawner: String,
    /// 32 random bytes.
    #[prost(bytes = "vec", tag = "5")]
    pub nonce: Vec<u8>,
    /// Chosen by the opener at its start; the same one resumes.
    #[prost(bytes = "vec", tag = "6")]
    pub link_session: Vec<u8>,
    /// Highest number that the opener has received in this session.
    #[prost(uint64, tag = "7")]
    pub received: u64,
    /// Towards chat: a credential for the pair, signed by central.
    #[prost(string, tag = "8")]
    pub credential: String,
    /// Version of the program, e.g. `0.1.0`.
    #[prost(string, tag = "9")]
    pub program: String,
}

/// The answerer's nonce, and its own proof first.
#[derive(Clone, PartialEq, Message)]
pub struct Challenge {
    /// 32 random bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub nonce: Vec<u8>,
    /// Proof of the answerer over both nonces.
    #[prost(bytes = "vec", tag = "2")]
    pub proof: Vec<u8>,
}

/// The opener's proof over both nonces.
#[derive(Clone, PartialEq, Message)]
pub struct Proof {
    /// 32 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub proof: Vec<u8>,
}

/// The link stands.
#[derive(Clone, PartialEq, Message)]
pub struct Welcome {
    /// Whether the answerer remembers the session; if not, both count from 1 and the opener registers anew.
    #[prost(bool, tag = "1")]
    pub resumed: bool,
    /// Highest number that the answerer has received in this session.
    #[prost(uint64, tag = "2")]
    pub received: u64,
}

/// A refusal on a link.
#[derive(Clone, PartialEq, Message)]
pub struct RefusalMessage {
    /// [`crate::Code`] in its text form.
    #[prost(string, tag = "1")]
    pub code: String,
    /// A sentence.
    #[prost(string, tag = "2")]
    pub text: String,
}

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

/// A character under an epoch; the meaning is the variant of [`Body`].
#[derive(Clone, PartialEq, Message)]
pub struct CharacterAt {
    /// Who.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// Under which epoch (of Aborted: the new one).
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// The enter or transfer that this belongs to, 16 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub transfer: Vec<u8>,
}

/// Where a character went over a border, and what its client was told.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Crossing {
    /// Metres, on the new owner's ground.
    #[prost(double, tag = "1")]
    pub x: f64,
    /// Metres.
    #[prost(double, tag = "2")]
    pub y: f64,
    /// The highest of its inputs that was taken.
    #[prost(uint32, tag = "3")]
    pub acked: u32,
}

/// A character that went over in a handoff.
#[derive(Clone, PartialEq, Message)]
pub struct Grant {
    /// Who.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// Under which epoch it is owned from now on.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Its handoff, 16 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub transfer: Vec<u8>,
    /// Its record, as the owner before wrote it; empty: it has none.
    #[prost(bytes = "vec", tag = "4")]
    pub record: Vec<u8>,
    /// If it walked over a border: it comes in exactly there.
    #[prost(message, optional, tag = "5")]
    pub crossing: Option<Crossing>,
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
    /// The engine's record of it, at most [`MAX_RECORD_BYTES`]; empty: as it was written last.
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

/// The owner's side of the commit point.
#[derive(Clone, PartialEq, Message)]
pub struct Commit {
    /// The change of owner.
    #[prost(bytes = "vec", tag = "1")]
    pub transfer: Vec<u8>,
    /// Who.
    #[prost(bytes = "vec", tag = "2")]
    pub character: Vec<u8>,
    /// The owner's epoch.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
    /// The engine's record of it, at most [`MAX_RECORD_BYTES`]; empty: as it was written last.
    #[prost(bytes = "vec", tag = "4")]
    pub record: Vec<u8>,
    /// If it walked over a border: nobody asked for this Commit, the area saw it.
    #[prost(message, optional, tag = "5")]
    pub crossing: Option<Crossing>,
}

/// A player's wish from inside the game.
#[derive(Clone, PartialEq, Message)]
pub struct GoOn {
    /// Chosen by the area server, unique on its link.
    #[prost(uint64, tag = "1")]
    pub request: u64,
    /// Who.
    #[prost(bytes = "vec", tag = "2")]
    pub character: Vec<u8>,
    /// Under which epoch it is owned here.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
    /// The world to go to; empty: the same.
    #[prost(string, tag = "4")]
    pub world: String,
    /// The map to go to; empty: by the last location, else the spawn.
    #[prost(string, tag = "5")]
    pub map: String,
    /// A place on it, if `at` (a portal's end).
    #[prost(bool, tag = "6")]
    pub at: bool,
    /// Metres.
    #[prost(double, tag = "7")]
    pub x: f64,
    /// Metres.
    #[prost(double, tag = "8")]
    pub y: f64,
    /// A wished layer plus one; 0: any.
    #[prost(uint32, tag = "9")]
    pub layer_plus_one: u32,
    /// A portal: the client connects by itself, without asking its player.
    #[prost(bool, tag = "10")]
    pub portal: bool,
    /// A rule that the world must have; empty: any.
    #[prost(string, tag = "11")]
    pub rule: String,
    /// Name of a character to be beside; empty: nobody.
    #[prost(string, tag = "12")]
    pub friend: String,
    /// Nobody's wish: the character is near the border of that place's ground. There is no waiting in line.
    #[prost(bool, tag = "13")]
    pub border: bool,
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
    /// At most [`MAX_LEDGER_OPS`].
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
    /// One for each operation of one [`LedgerOps`], in its order.
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
    /// If done [`crate::ledger::Changes`] as JSON, else the refusal's sentence.
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
    /// Nothing is owned yet: load the land and wait for [`Body::TakeOver`]. Epoch and incarnation are those of then.
    #[prost(bool, tag = "14")]
    pub waits: bool,
    /// What lies on its ground: [`crate::ledger::Sheet`] as JSON. Empty if `resumed`, as the next one.
    #[prost(bytes = "vec", tag = "20")]
    pub lies: Vec<u8>,
    /// Its sources that are spent, those with the highest lives, at most 32,768: number and life, 8 bytes each,
    /// big-endian.
    #[prost(bytes = "vec", tag = "21")]
    pub spent: Vec<u8>,
}

/// One public key.
#[derive(Clone, PartialEq, Message)]
pub struct TicketKey {
    /// Its id.
    #[prost(string, tag = "1")]
    pub kid: String,
    /// 32 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub bytes: Vec<u8>,
}

/// Central's public ticket keys.
#[derive(Clone, PartialEq, Message)]
pub struct TicketKeys {
    /// Newest first; at most two.
    #[prost(message, repeated, tag = "1")]
    pub keys: Vec<TicketKey>,
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
    /// Whether it is owned already: steer at arrival. If not, its client only sees until [`Body::Grant`].
    #[prost(bool, tag = "5")]
    pub granted: bool,
    /// How long to wait for it, ms.
    #[prost(uint64, tag = "6")]
    pub wait_ms: u64,
    /// What it has: [`crate::ledger::Sheet`] as JSON. Empty in a handoff: [`Body::Belongings`] tells it then.
    #[prost(bytes = "vec", tag = "7")]
    pub belongings: Vec<u8>,
    /// Its record, as its last owner wrote it; empty: it has none, or [`Body::Grant`] brings it.
    #[prost(bytes = "vec", tag = "8")]
    pub record: Vec<u8>,
    /// It is near the border: once its client has come it may see as long as it likes.
    #[prost(bool, tag = "9")]
    pub beside: bool,
    /// SHA-256 of its ticket's text: whoever shows that text shows what central signed. Empty: check it.
    #[prost(bytes = "vec", tag = "10")]
    pub ticket_sha256: Vec<u8>,
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
    /// [`crate::faction::Faction`] as JSON.
    #[prost(bytes = "vec", tag = "1")]
    pub faction: Vec<u8>,
}

/// The client is connected at the target.
#[derive(Clone, PartialEq, Message)]
pub struct Seal {
    /// Who.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// The change of owner that its Commit shall name.
    #[prost(bytes = "vec", tag = "2")]
    pub transfer: Vec<u8>,
    /// The owner's epoch.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
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

/// How far a wish from inside the game is.
#[derive(Clone, PartialEq, Message)]
pub struct GoOnReply {
    /// From [`GoOn`].
    #[prost(uint64, tag = "1")]
    pub request: u64,
    /// `queued`, `spawning`, `generating`, `restoring`, `syncing`, `ready` or `refused`.
    #[prost(string, tag = "2")]
    pub state: String,
    /// Place in line, from 1; 0 if not queued.
    #[prost(uint32, tag = "3")]
    pub position: u32,
    /// If ready: where to connect, `ws://…` or `wss://…`.
    #[prost(string, tag = "4")]
    pub url: String,
    /// If ready: the ticket.
    #[prost(string, tag = "5")]
    pub ticket: String,
    /// If ready: a third-party server: leave here first, then connect there.
    #[prost(bool, tag = "6")]
    pub plain: bool,
    /// If refused.
    #[prost(message, optional, tag = "7")]
    pub refused: Option<RefusalMessage>,
    /// Who asked.
    #[prost(bytes = "vec", tag = "8")]
    pub character: Vec<u8>,
    /// If ready: where to connect by WebTransport, `https://…`; empty if there is none.
    #[prost(string, tag = "9")]
    pub webtransport_url: String,
    /// As in [`WebTransport`].
    #[prost(bytes = "vec", repeated, tag = "10")]
    pub webtransport_hashes: Vec<Vec<u8>>,
    /// If ready: the change of owner that is prepared, 16 bytes.
    #[prost(bytes = "vec", tag = "11")]
    pub transfer: Vec<u8>,
    /// If ready: the area, as [`crate::space::AreaName`] in its text form.
    #[prost(string, tag = "12")]
    pub area: String,
}

/// What a spawner can do and what runs under it.
#[derive(Clone, PartialEq, Message)]
pub struct SpawnerHello {
    /// Host that its servers advertise.
    #[prost(string, tag = "1")]
    pub address: String,
    /// Most servers at once.
    #[prost(uint32, tag = "2")]
    pub capacity: u32,
    /// Names of the kinds of server that it can start.
    #[prost(string, repeated, tag = "3")]
    pub templates: Vec<String>,
    /// All that run (or were adopted).
    #[prost(message, repeated, tag = "4")]
    pub servers: Vec<ServerInfo>,
}

/// One server under a spawner.
#[derive(Clone, PartialEq, Message)]
pub struct ServerInfo {
    /// Its id.
    #[prost(bytes = "vec", tag = "1")]
    pub server: Vec<u8>,
    /// Kind of server.
    #[prost(string, tag = "2")]
    pub template: String,
    /// Agones state: `Starting`, `Ready`, `Allocated`, `Reserved`, `Shutdown`, `Unhealthy`.
    #[prost(string, tag = "3")]
    pub state: String,
    /// Host that clients use.
    #[prost(string, tag = "4")]
    pub address: String,
    /// Its game port.
    #[prost(uint32, tag = "5")]
    pub port: u32,
    /// The area it was allocated to, 16 bytes, or empty.
    #[prost(bytes = "vec", tag = "6")]
    pub area: Vec<u8>,
    /// Values of its list `players`: character ids (third-party servers keep it).
    #[prost(string, repeated, tag = "7")]
    pub players: Vec<String>,
    /// Capacity of its list `players`; 0: it has none.
    #[prost(uint32, tag = "8")]
    pub player_capacity: u32,
    /// Process id.
    #[prost(uint32, tag = "9")]
    pub pid: u32,
    /// From spawn to Ready, ms; 0 until then.
    #[prost(uint32, tag = "10")]
    pub ready_ms: u32,
    /// Path of its WebSocket, e.g. `/play`; the client's address ends with it.
    #[prost(string, tag = "11")]
    pub path: String,
}

/// A server's process has ended.
#[derive(Clone, PartialEq, Message)]
pub struct ServerExited {
    /// Which.
    #[prost(bytes = "vec", tag = "1")]
    pub server: Vec<u8>,
    /// `exit 0`, `signal 9`, …
    #[prost(string, tag = "2")]
    pub how: String,
    /// The area it was allocated to, or empty.
    #[prost(bytes = "vec", tag = "3")]
    pub area: Vec<u8>,
}

/// Give an area a server.
#[derive(Clone, PartialEq, Message)]
pub struct Allocate {
    /// Chosen by central, unique on this link; a repeat gets the same answer.
    #[prost(uint64, tag = "1")]
    pub request: u64,
    /// Kind of server.
    #[prost(string, tag = "2")]
    pub template: String,
    /// The area, 16 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub area: Vec<u8>,
    /// [`crate::space::AreaName`] parts, for annotations.
    #[prost(string, tag = "4")]
    pub world: String,
    /// Ground as text.
    #[prost(string, tag = "5")]
    pub ground: String,
    /// Layer.
    #[prost(uint32, tag = "6")]
    pub layer: u32,
    /// Incarnation that central gives a third-party server (ours learn it from Granted).
    #[prost(uint64, tag = "7")]
    pub incarnation: u64,
    /// Seats: becomes the capacity of the list `players` of a third-party server.
    #[prost(uint32, tag = "8")]
    pub capacity: u32,
    /// Another one than it has: the area is to move.
    #[prost(bool, tag = "9")]
    pub another: bool,
}

/// The server that an area got.
#[derive(Clone, PartialEq, Message)]
pub struct Allocated {
    /// From [`Allocate`].
    #[prost(uint64, tag = "1")]
    pub request: u64,
    /// The server.
    #[prost(message, optional, tag = "2")]
    pub server: Option<ServerInfo>,
    /// Or why not.
    #[prost(message, optional, tag = "3")]
    pub refused: Option<RefusalMessage>,
}

/// Where a character's client may see the area that it is to be moved with.
#[derive(Clone, PartialEq, Message)]
pub struct Invite {
    /// Who.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// `ws://…` or `wss://…`.
    #[prost(string, tag = "2")]
    pub url: String,
    /// For that server.
    #[prost(string, tag = "3")]
    pub ticket: String,
    /// As [`WebTransport`] has it; empty if there is none.
    #[prost(string, tag = "4")]
    pub webtransport_url: String,
    /// SHA-256 of its certificates.
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub webtransport_hashes: Vec<Vec<u8>>,
}

/// The area is to stand still.
#[derive(Clone, PartialEq, Message)]
pub struct Freeze {
    /// The change of owner that its [`MoveArea`] shall name.
    #[prost(bytes = "vec", tag = "1")]
    pub transfer: Vec<u8>,
    /// Whose clients see at the other server, 16 bytes each: they go along. All others leave first.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub goes: Vec<Vec<u8>>,
}

/// A whole area, between two steps.
#[derive(Clone, PartialEq, Message)]
pub struct MoveArea {
    /// From [`Freeze`].
    #[prost(bytes = "vec", tag = "1")]
    pub transfer: Vec<u8>,
    /// The area's epoch.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Everything but characters, as the engine packs it.
    #[prost(bytes = "vec", tag = "3")]
    pub pack: Vec<u8>,
    /// Who goes along.
    #[prost(message, repeated, tag = "4")]
    pub characters: Vec<Mover>,
}

/// A character that goes with its area.
#[derive(Clone, PartialEq, Message)]
pub struct Mover {
    /// Who.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// Under which epoch it is owned; in a [`TakeOver`] the new one.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Where it stands, and the highest of its inputs that was taken.
    #[prost(message, optional, tag = "3")]
    pub stands: Option<Crossing>,
    /// Its record.
    #[prost(bytes = "vec", tag = "4")]
    pub record: Vec<u8>,
    /// What it has: [`crate::ledger::Sheet`] as JSON.
    #[prost(bytes = "vec", tag = "5")]
    pub belongings: Vec<u8>,
}

/// How a move of a whole area ended.
#[derive(Clone, PartialEq, Message)]
pub struct AreaMoved {
    /// From [`MoveArea`].
    #[prost(bytes = "vec", tag = "1")]
    pub transfer: Vec<u8>,
    /// Whether another server has it now; else go on.
    #[prost(bool, tag = "2")]
    pub done: bool,
}

/// An area changes its server.
#[derive(Clone, PartialEq, Message)]
pub struct TakeOver {
    /// The area's epoch from now on.
    #[prost(uint64, tag = "1")]
    pub epoch: u64,
    /// From [`MoveArea`].
    #[prost(bytes = "vec", tag = "2")]
    pub pack: Vec<u8>,
    /// As in [`Granted`].
    #[prost(bytes = "vec", tag = "3")]
    pub lies: Vec<u8>,
    /// As in [`Granted`].
    #[prost(bytes = "vec", tag = "4")]
    pub spent: Vec<u8>,
    /// Who comes along.
    #[prost(message, repeated, tag = "5")]
    pub characters: Vec<Mover>,
}

/// Stop a server.
#[derive(Clone, PartialEq, Message)]
pub struct StopServer {
    /// Which.
    #[prost(bytes = "vec", tag = "1")]
    pub server: Vec<u8>,
    /// Time to stop by itself before it is killed, ms; 0: kill now.
    #[prost(uint64, tag = "2")]
    pub grace_ms: u64,
}

/// Characters that a third-party server shall close out: they are taken off its list of players, which it
/// watches.
#[derive(Clone, PartialEq, Message)]
pub struct ShowOut {
    /// Which server.
    #[prost(bytes = "vec", tag = "1")]
    pub server: Vec<u8>,
    /// 16 bytes each; one that is not listed does no harm.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub characters: Vec<Vec<u8>>,
}

/// No new entries; save and leave.
#[derive(Clone, PartialEq, Message)]
pub struct Drain {
    /// A sentence told to the players.
    #[prost(string, tag = "1")]
    pub text: String,
}
