//! todo
use crate::flags::TrialJoin;
use std::process::ExitCode;
/// todo
pub fn run(_options: &TrialJoin) -> anyhow::Result<ExitCode> {
    anyhow::bail!("in work")
}
