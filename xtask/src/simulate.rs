//! `cargo xtask simulate`: the simulation of a whole cluster (docs/simulation.md), which is a workspace of its own. It
//! has the versions of the project's workspace, and its folder of what is built: only what is ours is built twice.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

/// Runs seeds: `--seeds N [--from S]`, or one with `--seed S [--log]`; `--without CHECK` leaves a check out; with
/// `--release` it is built for many of them.
///
/// # Errors
/// If a seed fails.
pub fn run(flags: &[&str]) -> anyhow::Result<()> {
    let (for_many, flags): (Vec<&str>, Vec<&str>) = flags.iter().partition(|flag| **flag == "--release");
    cargo(&["run"], &[&for_many[..], &["--quiet", "--"], &flags].concat())
}

/// Format and tests of the simulation itself; the tests run the fixed seeds.
///
/// # Errors
/// If something is not right.
pub fn test() -> anyhow::Result<()> {
    cargo(&["fmt"], &["--check"])?;
    cargo(&["test", "--quiet"], &[])
}

fn cargo(verb: &[&str], rest: &[&str]) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("tests/simulation");
    // What it does not need is dropped from it; what is ours is added.
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))
        .context("the versions of dependencies")?;
    let program = std::env::current_exe()?;
    let built = program.ancestors().nth(2).context("this program lies in the folder of what is built")?;
    let mut command = Command::new(env!("CARGO"));
    command.args(verb).arg("--manifest-path").arg(folder.join("Cargo.toml")).args(rest);
    let status = command.env("CARGO_TARGET_DIR", built).status()?;
    if !status.success() {
        bail!("«cargo {}» of the simulation ended with {status}", verb.join(" "));
    }
    Ok(())
}
