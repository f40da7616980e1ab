//! How characters and whole areas change their owner (docs/handoff.md).

use super::link::RefusalMessage;
use prost::Message;

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
    /// For so long none of its inputs was taken, ms: what its client gave meanwhile counts.
    #[prost(uint32, tag = "4")]
    pub unread_ms: u32,
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
    /// The first one may have been lost with what central knew. Nobody knows its inputs any more; it stands near
    /// `crossing`. Answered by [`super::Arrived`], or by NoShow.
    #[prost(bool, tag = "6")]
    pub again: bool,
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
    /// The engine's record of it, at most [`super::MAX_RECORD_BYTES`]; empty: as it was written last.
    #[prost(bytes = "vec", tag = "4")]
    pub record: Vec<u8>,
    /// If it walked over a border: nobody asked for this Commit, the area saw it.
    #[prost(message, optional, tag = "5")]
    pub crossing: Option<Crossing>,
    /// The others that go with it, or stay with it; at most 15, each without `with`.
    #[prost(message, repeated, tag = "6")]
    pub with: Vec<Commit>,
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
    /// A portal, an order, a call that was answered: the client connects by itself, without asking its player.
    #[prost(bool, tag = "10")]
    pub unasked: bool,
    /// A rule that the world must have; empty: any.
    #[prost(string, tag = "11")]
    pub rule: String,
    /// Name of a character to be beside; empty: nobody.
    #[prost(string, tag = "12")]
    pub friend: String,
    /// Nobody's wish: the character is near the border of that place's ground. There is no waiting in line.
    #[prost(bool, tag = "13")]
    pub border: bool,
    /// From a [`super::SendOn`]: central's number for it, and such a wish takes the place of the player's own; 0: it is
    /// the player's.
    #[prost(uint64, tag = "14")]
    pub order: u64,
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
    /// As in [`super::WebTransport`].
    #[prost(bytes = "vec", repeated, tag = "10")]
    pub webtransport_hashes: Vec<Vec<u8>>,
    /// If ready: the change of owner that is prepared, 16 bytes.
    #[prost(bytes = "vec", tag = "11")]
    pub transfer: Vec<u8>,
    /// If ready: the area, as [`crate::space::AreaName`] in its text form.
    #[prost(string, tag = "12")]
    pub area: String,
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
    /// As [`super::WebTransport`] has it; empty if there is none.
    #[prost(string, tag = "4")]
    pub webtransport_url: String,
    /// SHA-256 of its certificates.
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub webtransport_hashes: Vec<Vec<u8>>,
    /// The area that it will be, as [`crate::space::AreaName`] in its text form.
    #[prost(string, tag = "6")]
    pub area: String,
}

/// Say where everybody stands.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Where {}

/// Where everybody stands who is owned here.
#[derive(Clone, PartialEq, Message)]
pub struct Standing {
    /// One for each character.
    #[prost(message, repeated, tag = "1")]
    pub characters: Vec<Stands>,
}

/// Where one stands.
#[derive(Clone, PartialEq, Message)]
pub struct Stands {
    /// Who.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// Metres.
    #[prost(double, tag = "2")]
    pub x: f64,
    /// Metres.
    #[prost(double, tag = "3")]
    pub y: f64,
}

/// The grounds beyond an area's borders.
#[derive(Clone, PartialEq, Message)]
pub struct Beyond {
    /// [`crate::space::Ground`] in its text form, each.
    #[prost(string, repeated, tag = "1")]
    pub grounds: Vec<String>,
}

/// The area is to stand still soon, with others.
#[derive(Clone, PartialEq, Message)]
pub struct Settle {
    /// The change of owner for which it is.
    #[prost(bytes = "vec", tag = "1")]
    pub transfer: Vec<u8>,
}

/// The area can stand still at once.
#[derive(Clone, PartialEq, Message)]
pub struct Settled {
    /// From [`Settle`].
    #[prost(bytes = "vec", tag = "1")]
    pub transfer: Vec<u8>,
}

/// The area is to stand still.
#[derive(Clone, PartialEq, Message)]
pub struct Freeze {
    /// The change of owner that its [`MoveArea`] shall name.
    #[prost(bytes = "vec", tag = "1")]
    pub transfer: Vec<u8>,
    /// Whose clients see at the other server, 16 bytes each: they are steered there. All others enter anew.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub goes: Vec<Vec<u8>>,
}

/// A copy of the area is wanted where it is to go; it plays on.
#[derive(Clone, PartialEq, Message)]
pub struct CopyArea {
    /// The change of owner for which it is.
    #[prost(bytes = "vec", tag = "1")]
    pub transfer: Vec<u8>,
}

/// An area as it stood between two steps, for whoever sees where it is to go: nothing in it counts.
#[derive(Clone, PartialEq, Message)]
pub struct AreaCopied {
    /// From [`CopyArea`].
    #[prost(bytes = "vec", tag = "1")]
    pub transfer: Vec<u8>,
    /// As in [`MoveArea`].
    #[prost(bytes = "vec", tag = "2")]
    pub pack: Vec<u8>,
    /// As in [`MoveArea`].
    #[prost(bytes = "vec", tag = "3")]
    pub keys: Vec<u8>,
    /// As in [`MoveArea`], without what they have.
    #[prost(message, repeated, tag = "4")]
    pub characters: Vec<Mover>,
}

/// A copy is shown to whoever sees here.
#[derive(Clone, PartialEq, Message)]
pub struct CopyShown {
    /// From [`AreaCopied`].
    #[prost(bytes = "vec", tag = "1")]
    pub transfer: Vec<u8>,
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
    /// Which entities those of the pack are, as the engine names them; empty: not said.
    #[prost(bytes = "vec", tag = "5")]
    pub keys: Vec<u8>,
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
    /// As in [`super::Granted`].
    #[prost(bytes = "vec", tag = "3")]
    pub lies: Vec<u8>,
    /// As in [`super::Granted`].
    #[prost(bytes = "vec", tag = "4")]
    pub spent: Vec<u8>,
    /// Who comes along.
    #[prost(message, repeated, tag = "5")]
    pub characters: Vec<Mover>,
    /// The ground of which all of that was, as [`crate::space::Ground`] in its text form: what lies on the rest of it is
    /// another's now. Empty: all of it is this area's.
    #[prost(string, tag = "6")]
    pub packed: String,
    /// As in [`MoveArea`]; empty if the pack is of several areas.
    #[prost(bytes = "vec", tag = "7")]
    pub keys: Vec<u8>,
}
