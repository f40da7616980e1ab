//! todo
use std::process::ExitCode;
use crate::flags::TrialJoin;
/// todo
pub fn run(_options: &TrialJoin) -> anyhow::Result<ExitCode> { anyhow::bail!("in work") }
