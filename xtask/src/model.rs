//! `cargo xtask model`: the models of the ownership protocols (docs/handoff.md), which are a workspace of
//! their own.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

/// Goes through the models and prints what they show: `--deep` with larger budgets, `--trace` how what must
/// fail does, a word only those with it in their name.
///
/// # Errors
/// If one does not show what it must.
pub fn run(flags: &[&str]) -> anyhow::Result<()> {
    cargo(&["run", "--quiet"], &[&["--"], flags].concat())
}

/// Format, lints and tests of the models themselves; the tests go through all of them with small budgets.
///
/// # Errors
/// If something is not right.
pub fn test() -> anyhow::Result<()> {
    cargo(&["fmt"], &["--check"])?;
    cargo(&["clippy", "--quiet"], &["--all-targets", "--", "-D", "warnings"])?;
    cargo(&["test", "--quiet"], &[])
}

fn cargo(verb: &[&str], rest: &[&str]) -> anyhow::Result<()> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/model/Cargo.toml");
    let mut command = Command::new(env!("CARGO"));
    let status = command.args(verb).arg("--manifest-path").arg(manifest).args(rest).status()?;
    if !status.success() {
        bail!("«cargo {}» of the models ended with {status}", verb.join(" "));
    }
    Ok(())
}
