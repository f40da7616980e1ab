//! Accounts, characters, placement, registry: the only role that grants ownership.

pub mod core;
