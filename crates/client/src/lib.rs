//! The Rust client: log in, enter, move, follow the character to other servers.
//!
//! | module | does |
//! |---|---|
//! | [`client`] | accounts, characters, worlds: central's HTTP API |
//! | [`enter`] | asks central to prepare a server, with progress |
//! | [`game`] | plays: input, what is in view, moves between servers, lost connections |
//! | [`event`] | what it tells its player |
//! | [`chat`] | what is said and heard, over all servers |
//! | [`people`] | friends, party, faction, mail, market: the rest of that API |
//! | [`connection`] | one game socket |
//! | [`view`] | what one connection sees |
//! | [`schema`] | what it is made of: components, inputs and events by name |
//! | [`trust`] | which certificates are believed |
//!
//! It speaks WebSocket alone; docs/protocol.md §4a is what it takes to speak WebTransport.
//!
//! A [`Game`] runs no task of its own while it plays: call [`Game::next_event`], which may be dropped at any
//! time. So thousands of them fit in one process.

pub mod chat;
pub mod client;
pub mod connection;
mod dial;
pub mod enter;
pub mod error;
pub mod event;
pub mod game;
pub mod people;
pub mod schema;
pub mod trust;
pub mod view;

pub use chat::Line;
pub use client::{Account, Character, Client};
pub use connection::Closes;
pub use dial::{Carrier, Connect};
pub use enter::{EnterOptions, Prepared, Progress, WebTransportOffer};
pub use error::Error;
pub use event::Event;
pub use game::Game;
pub use pangea_world::chat::Kind as ChannelKind;
pub use people::Deeds;
pub use schema::{Schema, Values};
pub use trust::Trust;
pub use view::{Entity, View};
