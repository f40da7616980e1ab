//! What a game tells its player.

use std::time::Duration;

use bytes::Bytes;
use pangea_world::Refusal;
use pangea_world::chat::Kind;

use crate::chat::Line;
use crate::{Error, Values};

/// What happens to a player.
#[derive(Debug)]
pub enum Event {
    /// An update was applied; look at [`crate::Game::view`]. If it answers an input: how long that took.
    Updated {
        /// From sending the newest answered input to this update.
        seen: Option<Duration>,
    },
    /// The tiles of a chunk that was asked for.
    Tiles {
        /// Chunk column.
        cx: i32,
        /// Chunk row.
        cy: i32,
        /// 1,024 kinds, row by row.
        tiles: Vec<u8>,
    },
    /// A «no» to the last wish.
    Refused(Refusal),
    /// The same by the server before, which came when the next one had taken over already.
    RefusedBefore(Refusal),
    /// How far the wish to go on is.
    Progress {
        /// As in [`crate::Progress`].
        state: String,
        /// Place in line from 1; 0 if not queued.
        position: u32,
    },
    /// Another server is ready, and the player is to be asked: call [`crate::Game::follow`].
    Offered,
    /// The character is steered at another server now; `area` as `world/ground/layer`.
    Moved {
        /// The new area.
        area: String,
    },
    /// The character walked over a border: the server beyond it has it now. Nothing is to be done.
    Crossed {
        /// The area before, as `world/ground/layer`.
        from: String,
        /// The area now.
        to: String,
        /// From the last update of the server before to the first of this one, less the time between two updates.
        gap: Duration,
        /// Ticks of which no update came. Of a server that was seen before it took over: its own, since the last that
        /// it told as a neighbour, since two areas' clocks have nothing to do with each other. Of one that began with
        /// taking over: since the last of the server before, whose clock goes on there (that of a merge is the one
        /// that is farther).
        missed: u32,
    },
    /// The move failed; the character stays where it is.
    Stayed(Error),
    /// Something to tell the player.
    Notice {
        /// E.g. `stopping`.
        code: String,
        /// A sentence.
        text: String,
    },
    /// Somebody said something in a channel; each line once.
    Chat(Line),
    /// The answer to [`crate::Game::read_chat`], oldest first.
    History {
        /// In which channel.
        kind: Kind,
        /// Perhaps none.
        lines: Vec<Line>,
    },
    /// The answer to something that was said.
    Said {
        /// The number that [`crate::Game::say`] gave.
        id: u64,
        /// The «no»; none: it is said.
        refused: Option<Refusal>,
    },
    /// The character is in a channel now, or not any more.
    Channel {
        /// Which.
        kind: Kind,
        /// Whether it is in it.
        joined: bool,
    },
    /// Something of parties, friends, factions, mail …: a JSON object with `type` (docs/social.md).
    Social(String),
    /// Answer to [`crate::Game::ping`].
    Pong(u32),
    /// What the game's components, inputs and events are, as JSON (docs/protocol.md).
    Schema(String),
    /// Something happened in the game.
    Game {
        /// What, as the game calls it.
        name: String,
        /// By the names of its fields; `serde_json::from_value` makes a type of it.
        values: Values,
    },
    /// A tile is another one now.
    Tile {
        /// East, metres.
        x: i32,
        /// South, metres.
        y: i32,
        /// Its kind.
        kind: u8,
    },
    /// How fast the area's time runs, percent of real time.
    Pace(u8),
    /// What a third-party server says.
    Raw(Bytes),
    /// The connection was lost; a new one is on its way.
    Lost,
    /// And it stands.
    Back {
        /// At the same server; else it was entered anew.
        resumed: bool,
    },
    /// It is over: left, taken over, or not to be mended. No event follows.
    Ended(Result<(), Error>),
}
