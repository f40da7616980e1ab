//! A whole cluster in one process, in virtual time, under faults that a seed decides (docs/simulation.md).

mod audit;
mod chance;
mod cluster;
mod deposed;
mod faults;
mod game;
mod notes;
mod orders;
mod player;
mod run;
mod superseded;
mod talk;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::main()
}
