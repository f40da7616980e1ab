//! The spawner with real processes: game servers, and a spawner that is killed.
//!
//! The game servers are this test program itself, started again as [`child::game_server`]; central is a
//! listener in the test that speaks the link.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod adopt;
mod child;
mod harness;
mod life;
mod lodge;
mod official;
