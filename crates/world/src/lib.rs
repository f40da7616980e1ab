//! What decides, and the words that all roles share.
//!
//! Nothing here does I/O, reads a clock or draws a random number: time and randomness are arguments, so
//! the same code runs in production, in tests and in a simulation. Contents:
//!
//! | module | answers |
//! |---|---|
//! | [`id`] | what names a thing: 16-byte ids |
//! | [`refusal`] | every expected «no», with its stable code |
//! | [`space`] | places, rectangles, the names of areas |
//! | [`world`] | a world's rules, layout and factions |
//! | [`layout`] | which area a place lies in, how large it is, what lies beside it |
//! | [`world_file`] | what a world's TOML file says, and what is wrong with it |
//! | [`name`] | which names are allowed, and which are the same |
//! | [`ownership`] | who owns an area or a character: epochs, and the one change of owner |
//! | [`handoff`] | how it is handed on: central's answer, and what the owner makes of it |
//! | [`ledger`] | goods, money, quest steps: what an operation does, and whether it may |
//! | [`trade`] | two characters trade: what both agree to, and whose area asks the ledger |
//! | [`placement`] | which server a character goes to |
//! | [`ticket`] | the signed, single-use permit to enter one server |
//! | [`role_key`] | how roles prove to each other who they are |
//! | [`chat`] | channels, logs of lines, what may be said and how often |
//! | [`command`] | what a line of chat with a slash asks for |
//! | [`faction_rules`] | who may do what in a faction that players have founded |
//! | [`character`], [`quest`], [`faction`] | what a server must know of a coming character |
//! | [`messages`] | what roles say to each other over a link |
//! | [`frames`] | what a client and a game server say to each other (docs/protocol.md) |
//! | [`toml_file`], [`nearest`] | a mistake in a file, named with its line and the nearest known word |

pub mod balance;
pub mod character;
pub mod chat;
pub mod command;
pub mod faction;
pub mod faction_rules;
pub mod frames;
pub mod handoff;
pub mod id;
pub mod layout;
pub mod ledger;
pub mod messages;
pub mod name;
pub mod nearest;
pub mod ownership;
pub mod placement;
pub mod quest;
pub mod refusal;
pub mod role_key;
pub mod social;
pub mod space;
pub mod spot;
pub mod text;
pub mod ticket;
pub mod toml_file;
pub mod trade;
pub mod world;
pub mod world_file;

pub use refusal::{Code, Refusal};

/// Version of the link between roles; a role with another one is refused.
pub const LINK_VERSION: u32 = 1;

/// Version of the line between neighbouring area servers (docs/peers.md); a peer with another one is refused.
pub const PEER_VERSION: u32 = 1;

/// Version of the game protocol of docs/protocol.md; a server says it in Welcome and refuses clients of a newer one.
pub const GAME_PROTOCOL_VERSION: u16 = 3;

/// The oldest that a server still speaks, and what a client says to a server of which it does not know more.
pub const OLDEST_GAME_PROTOCOL_VERSION: u16 = 2;

/// From this one on a server knows [`frames::Entry::ResumeKnowing`].
pub const RESUMES_KNOWING_VERSION: u16 = 3;
