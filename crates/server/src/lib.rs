//! What does: the roles and what they stand on.
//!
//! | module | does |
//! |---|---|
//! | [`config`] | every setting of every role, once |
//! | [`config_layers`] | default < file < environment < flags, and where each value came from |
//! | [`config_meaning`] | what each setting means |
//! | [`backup`] | a copy of the data folder while central runs |
//! | [`node`] | starts the roles of one process; nobody else names them all |
//! | [`central`] | accounts, characters, placement, registry; grants ownership |
//! | [`spawner`] | starts, watches and stops game servers on one machine, serves them the Agones SDK |
//! | [`area`] | one area: admission, the loop, the game socket |
//! | [`area_start`] | what a spawner tells an area server at its start |
//! | [`chat`] | routes messages between area servers |
//! | [`link`] | the resumable, mutually authenticated stream between two roles |
//! | [`store`] | the only place that knows SQL |
//! | [`worlds`] | the world files of a cluster |
//! | `task`, `net` | whose a task is; TCP: where a simulation puts its own
//! | [`tls`] | certificates from files or made at start |
//! | [`address`] | who is at the other end, and how many connections he may have |
//!
//! Roles never import each other; they meet in `pangea_world::messages`.

pub mod address;
pub mod area;
pub mod area_start;
pub mod backup;
pub mod central;
pub mod chat;
mod checkpoint;
pub mod clock;
pub mod config;
pub mod config_layers;
pub mod config_meaning;
pub mod link;
mod net;
pub mod node;
pub mod random;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod spawner;
pub mod store;
mod task;
pub mod tls;
pub mod worlds;
