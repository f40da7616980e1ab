//! `cargo xtask simulate`: the simulation of a whole cluster (docs/simulation.md), which is a workspace of its own.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

/// Runs seeds: `--seeds N [--from S]`, or one with `--seed S [--log]`; `--without CHECK` leaves a check out.
///
/// # Errors
/// If a seed fails.
pub fn run(flags: &[&str]) -> anyhow::Result<()> {
    cargo(&["run", "--quiet"], &[&["--"], flags].concat())
}

/// Format, lints and tests of the simulation itself; the tests run the fixed seeds.
///
/// # Errors
/// If something is not right.
pub fn test() -> anyhow::Result<()> {
    cargo(&["fmt"], &["--check"])?;
    cargo(&["clippy", "--quiet"], &["--all-targets", "--", "-D", "warnings"])?;
    cargo(&["test", "--quiet"], &[])
}

fn cargo(verb: &[&str], rest: &[&str]) -> anyhow::Result<()> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/simulation/Cargo.toml");
    let mut command = Command::new(env!("CARGO"));
    let status = command.args(verb).arg("--manifest-path").arg(manifest).args(rest).status()?;
    if !status.success() {
        bail!("«cargo {}» of the simulation ended with {status}", verb.join(" "));
    }
    Ok(())
}
