//! What all trials have in common: they run until they are stopped, and show figures and broken promises.

use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;

use crate::screen::{self, Cell};
use crate::stop;

/// Runs a measurement with so many threads; Ctrl-C ends it.
///
/// # Errors
/// As the measurement's, or if it was interrupted.
pub(super) fn run<R>(threads: usize, measure: impl Future<Output = anyhow::Result<R>>) -> anyhow::Result<R> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(threads).enable_all().build().context("no threads")?;
    runtime.block_on(async {
        let stopped = stop::on_signals_saying("stopping the trial")?;
        tokio::select! {
            biased;
            () = stop::wait(stopped) => Err(anyhow::anyhow!("interrupted")),
            measured = measure => measured,
        }
    })
}

/// Prints the figures; the exit code says whether all promises held.
pub(super) fn print(
    json: bool,
    report: &impl Serialize,
    table: &str,
    broken: &[String],
) -> anyhow::Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        print!("{table}");
    }
    Ok(code(broken))
}

/// A broken promise is a failure.
pub(super) fn code(broken: &[String]) -> ExitCode {
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What, how much, and what that means.
pub(super) fn row(what: &str, value: impl ToString, note: &str) -> Vec<Cell> {
    vec![
        (what.to_owned(), screen::dim as fn(&str) -> String),
        (value.to_string(), screen::bold as fn(&str) -> String),
        (note.to_owned(), screen::dim as fn(&str) -> String),
    ]
}

/// The table and, under it, which promises did not hold.
pub(super) fn with_ending(rows: &[Vec<Cell>], broken: &[String]) -> String {
    let mut out = format!("\n{}\n", screen::table(rows));
    if broken.is_empty() {
        out += &screen::green("Every promise held.");
    }
    out += &broken.iter().map(|what| screen::red(&format!("✗ {what}"))).collect::<Vec<_>>().join("\n");
    out.push('\n');
    out
}
