//! Accounts, characters, placement, registry: the only role that grants ownership.
//!
//! | file | does |
//! |---|---|
//! | [`core`] | what the HTTP API and the links ask of central |
//! | [`join`] | from a wish to a ticket, in one straight line |
//! | [`running`] | makes an area run; one server however many ask |
//! | [`handoff`] | characters arrive, leave, hand over |
//! | [`links`] | what spawners, chats and area servers say |
//! | [`peers`] | tells area servers who else is there |
//! | [`watchdog`] | silent servers, forgotten seats |
//! | [`state`] | what is remembered of the moment |
//! | [`keys`] | central's secrets |

pub mod core;
mod handoff;
mod join;
pub mod keys;
mod links;
mod peers;
mod running;
mod state;
mod watchdog;
