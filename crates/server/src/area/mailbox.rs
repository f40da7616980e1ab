//! What the control task and the loop say to each other. Nothing else is shared but the lease and the
//! gauges, and neither waits for the other.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use pangea_world::Refusal;
use pangea_world::character::CharacterDoc;
use pangea_world::frames::Known;
use pangea_world::id::{CharacterId, EnterId, ServerId};
use pangea_world::messages::{
    AreaCopied, AreaMoved, AreaSaved, Belongings, Body, CharacterAt, CopyArea, Freeze, GoOnReply, Grant,
    Invite, Kick, LedgerResults, Notice, PeerLoad, Seal, SendOn, Settle, TakeOver,
};
use pangea_world::social::{ClaimDoc, SocialDoc};
use pangea_world::space::Rect;

use super::chat_link::FromChat;
use super::line::Line;
use super::peers::PeerUp;
use super::refusals::Refusals;

/// Most messages that wait for the loop: beyond it the control task waits, and with it the entries.
pub const MOST_TO_LOOP: usize = 4_096;

/// Most messages that wait for the control task: several per character. The loop cannot go on beyond it.
pub const MOST_TO_CONTROL: usize = 65_536;

/// Says something to central; refused if too much waits already.
pub type Tell = Arc<dyn Fn(Body) -> Result<(), Refusal> + Send + Sync>;

/// To the loop.
#[derive(Debug)]
pub enum ToLoop {
    /// A client showed its ticket or token.
    Enter(Box<Entrance>),
    /// Its handoff was called off: close it, if the character is not granted.
    Withdraw(CharacterAt),
    /// Let the character go now.
    Kick(Kick),
    /// The character is ours: it may be steered.
    Grant(Grant),
    /// Freeze it and commit.
    Seal(Seal),
    /// Its client sees the neighbour: it may walk over the border there.
    Beside(CharacterAt),
    /// A character's client may see at the server to which the area goes.
    Invite(Invite),
    /// Say how the area stands, for a move of it.
    CopyArea(CopyArea),
    /// So the area stands that is to come here.
    AreaCopied(Box<AreaCopied>),
    /// Begin nothing that central decides: the area is to stand still soon, with others.
    Settle(Settle),
    /// Stand still, for a move of the area.
    Freeze(Freeze),
    /// What became of that.
    AreaMoved(AreaMoved),
    /// The area is ours, as another server had it.
    TakeOver(Box<TakeOver>, Option<Rect>),
    /// It went over.
    Committed(CharacterAt),
    /// It stays, under this epoch.
    Aborted(CharacterAt),
    /// It is another's: drop it.
    Stale(CharacterAt),
    /// How far a wish to go on is.
    GoOnReply(GoOnReply),
    /// Say where everybody stands.
    Where,
    /// These grounds lie beyond the borders now, metres.
    Beyond(Vec<Rect>),
    /// What became of operations.
    LedgerResults(LedgerResults),
    /// What a character has.
    Belongings(Belongings),
    /// What became of a checkpoint.
    AreaSaved(AreaSaved),
    /// Whom a character is with now.
    Social(CharacterId, Box<SocialDoc>),
    /// Something for clients.
    Notice(Notice),
    /// Have a character go on.
    SendOn(SendOn),
    /// Whose the ground is; none: nobody's.
    Claimed(Option<Box<ClaimDoc>>),
    /// Central registered us anew: what it may have missed is said again.
    Reconnected {
        /// The area's epoch from now on.
        epoch: u64,
    },
    /// A neighbour's line stands.
    PeerUp(Box<PeerUp>),
    /// A neighbour's server has ended, or another has its ground.
    PeerGone(ServerId),
    /// The server is to stop: a sentence for all players.
    Closing(String),
    /// What is heard of the chat of this name.
    Chat(Arc<str>, FromChat),
    /// Nobody enters any more; everybody leaves; the state is saved; the loop ends.
    Stop {
        /// Told to the players.
        text: String,
        /// One word for central's log: `idle`, `drain`, `stop`.
        why: &'static str,
        /// Whether central still counts us as the owner; else nothing is told to it.
        owner: bool,
    },
}

/// A client at the door of the loop.
#[derive(Debug)]
pub struct Entrance {
    /// Its connection.
    pub line: Line,
    /// What came after its first message.
    pub leftover: Vec<u8>,
    /// Hash of the schema that it has.
    pub schema: u64,
    /// What it says that it knows, if it comes back.
    pub known: Option<Known>,
    /// Who.
    pub guest: Guest,
}

/// What the admission list knows of one who comes in.
#[derive(Debug, Clone, PartialEq)]
pub struct Guest {
    /// Who, and where it enters.
    pub doc: CharacterDoc,
    /// The enter or transfer.
    pub enter: EnterId,
    /// Under which epoch it is, or will be, owned here.
    pub epoch: u64,
    /// Whether it may be steered at once.
    pub granted: bool,
    /// For the next resume.
    pub resume: [u8; 16],
    /// Whether it goes on counting its inputs (it showed a resume token).
    pub resumed: bool,
    /// How long one that is not granted is kept without its client, ms.
    pub wait_ms: u64,
    /// Whether it may see as long as its client is connected.
    pub beside: bool,
    /// What its last owner wrote of it; empty: it is new, or here already.
    pub record: Vec<u8>,
    /// Whom it is with.
    pub social: SocialDoc,
}

/// From the loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromLoop {
    /// The character is not here any more.
    Gone {
        /// Who.
        character: CharacterId,
        /// Under which epoch it was.
        epoch: u64,
        /// The token of the client that came last, whether it was let in or not.
        resume: [u8; 16],
    },
    /// Its connection was lost; it stays for its grace time.
    Lost(CharacterId),
    /// The line to a neighbour is down.
    PeerDown {
        /// Its server.
        server: ServerId,
        /// The number of the line.
        line: u64,
    },
    /// The loop has ended; everything is told to central.
    Ended,
}

/// Figures of the loop, for status and health.
#[derive(Debug, Default)]
pub struct Gauges {
    /// When the last tick was made, ms of the clock.
    pub beat_ms: AtomicU64,
    /// The area's tick.
    pub tick: AtomicU64,
    /// Characters inside.
    pub players: AtomicU32,
    /// Mean time of a tick in the last second, µs.
    pub tick_us: AtomicU32,
    /// How fast its time runs, percent of real time; 0: as real time, always until now.
    pub pace: AtomicU32,
    /// What was refused, by code.
    pub refusals: Refusals,
    /// Checkpoints that were refused or could not be made.
    pub refused_saves: AtomicU64,
    /// The lines to neighbours, as of the last second.
    pub peers: Mutex<Vec<PeerLoad>>,
}

impl Gauges {
    /// How fast the area's time runs, percent of real time.
    pub fn pace_percent(&self) -> u32 {
        match self.pace.load(Relaxed) {
            percent @ 1..100 => percent,
            _ => 100,
        }
    }
}
