//! The ledger: goods, money and quest steps, which are never lost and never doubled.
//!
//! Everything that changes them is one [`operation::Operation`] out of a closed set ([`operation::Act`]). Central decides it with
//! [`rules::decide`] over the rows it touches and writes rows, answer and journal in one transaction; a repeat of the
//! same id gets the first answer. Goods come into being and pass away only by the acts that say so; money
//! moves between two accounts, one of which may be the [`operation::Holder::Bank`], so that all money sums up to 0.
//!
//! | file | knows |
//! |---|---|
//! | [`operation`] | what an operation is, and which shapes are allowed |
//! | [`book`] | the rows, how they change, and how a change is taken back |
//! | [`rules`] | what each act does |

pub mod book;
pub mod operation;
pub mod rules;
#[cfg(test)]
mod tests;

pub use book::{Book, Changes, Sheet, Stack, Standing};
pub use operation::*;
pub use rules::{AreaFence, CharacterFence, Fences, decide};
