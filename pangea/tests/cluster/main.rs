//! Whole clusters of real processes: `pangea up`, its area servers, real sockets, a database in a temporary
//! folder. One file per behaviour; `support` starts and stops clusters. Clauses are FEATURES' numbers.

#![allow(clippy::unwrap_used)]

mod admission;
mod browser;
mod crash;
mod enter;
mod layers;
mod portal;
mod resume;
mod roles;
mod seats;
mod stop;
mod support;
mod wire;
