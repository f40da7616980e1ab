//! Between a spawner and central, and what third-party servers need.

use super::link::RefusalMessage;
use prost::Message;

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
    /// It is to get no new areas.
    #[prost(bool, tag = "5")]
    pub cordoned: bool,
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
    /// The file that it was started from, if it is ours.
    #[prost(string, tag = "12")]
    pub program: String,
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
    /// It ended well: as it was asked to, or by its own will.
    #[prost(bool, tag = "4")]
    pub in_order: bool,
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
    /// Only that is done now: it is told to them.
    #[prost(bool, tag = "2")]
    pub notice: bool,
}

/// Whether a spawner gets new areas.
#[derive(Clone, PartialEq, Message)]
pub struct Cordon {
    /// It gets none.
    #[prost(bool, tag = "1")]
    pub on: bool,
}

/// New servers of ours are to be of another program.
#[derive(Clone, PartialEq, Message)]
pub struct Upgrade {
    /// Chosen by central.
    #[prost(uint64, tag = "1")]
    pub request: u64,
    /// A file on the spawner's machine.
    #[prost(string, tag = "2")]
    pub program: String,
}

/// What became of an [`Upgrade`].
#[derive(Clone, PartialEq, Message)]
pub struct Upgraded {
    /// From it.
    #[prost(uint64, tag = "1")]
    pub request: u64,
    /// The program of new servers from now on.
    #[prost(string, tag = "2")]
    pub program: String,
    /// Why it is the one before.
    #[prost(message, optional, tag = "3")]
    pub refused: Option<RefusalMessage>,
}
