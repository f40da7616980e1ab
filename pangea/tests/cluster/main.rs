//! Whole clusters of real processes: `pangea up`, its area servers, real sockets, a database in a temporary
//! folder. One file per behaviour; `support` starts and stops clusters. Numbers as K14 are docs/seeds.md's.

#![allow(clippy::unwrap_used)]

mod across;
mod admission;
mod backup;
mod bad_frames;
mod bad_parties;
mod borders;
mod broken_servers;
mod browser;
mod bucket;
mod chat;
mod chat_bus;
mod chat_filter;
mod chat_forged;
mod chat_groups;
mod chat_travel;
mod checkpoints;
mod crash;
mod crossing;
mod crossing_kills;
mod enter;
mod exchange;
mod factions;
mod goods;
mod handoff_kills;
mod layers;
mod ledger;
mod migration;
mod migration_kills;
mod moderation;
mod operations;
mod orders;
mod party;
mod portal;
mod power_cut;
mod races;
mod resume;
mod roles;
mod seats;
mod split;
mod split_kills;
mod start_errors;
mod stop;
mod storage;
mod strongbox;
mod support;
mod third_party;
mod tls;
mod together;
mod wire;
