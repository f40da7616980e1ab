//! `pangea doctor`: looks at everything a node needs before it is started, and says what to mend.
//!
//! Each check is one function that gives findings; nothing is changed, apart from a probe file in the data
//! folder that is removed at once.

mod files;
mod ports;

use std::process::ExitCode;

use pangea_server::config::{Config, GameIo};
use pangea_server::config_layers::port_range;
use serde::Serialize;

use crate::flags::Cli;
use crate::{screen, settings};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Good,
    /// Works, but may surprise.
    Look,
    /// A role would not start, or not work.
    Broken,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at, often a setting's key.
    what: String,
    state: State,
    /// What was seen.
    found: String,
    /// What to do; empty if nothing.
    mend: String,
}

impl Finding {
    fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Good, found: found.into(), mend: String::new() }
    }

    fn look(what: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Look, found: found.into(), mend: mend.into() }
    }

    fn broken(what: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Broken, found: found.into(), mend: mend.into() }
    }
}

/// Checks and prints; fails if something is broken.
///
/// # Errors
/// If the findings cannot be printed.
pub fn run(cli: &Cli, as_json: bool) -> anyhow::Result<ExitCode> {
    let findings = look(cli);
    let broken = findings.iter().filter(|finding| finding.state == State::Broken).count();
    if as_json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        print(&findings);
    }
    Ok(if broken > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(findings: &[Finding]) {
    let rows: Vec<_> = findings
        .iter()
        .map(|finding| {
            let (mark, painter): (&str, fn(&str) -> String) = match finding.state {
                State::Good => ("✓", screen::green),
                State::Look => ("!", screen::yellow),
                State::Broken => ("✗", screen::red),
            };
            vec![
                (mark.to_owned(), painter),
                (finding.what.clone(), screen::bold as fn(&str) -> String),
                (finding.found.clone(), screen::plain as _),
            ]
        })
        .collect();
    // What to mend stands under its row: it is a sentence, not a cell.
    for (line, finding) in screen::table(&rows).lines().zip(findings) {
        println!("{line}");
        if !finding.mend.is_empty() {
            println!("   → {}", finding.mend);
        }
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (broken, look) = (count(State::Broken), count(State::Look));
    println!();
    match (broken, look) {
        (0, 0) => println!("{}", screen::green("All is well.")),
        (0, look) => println!("{}", screen::yellow(&format!("Nothing is broken; {look} to look at."))),
        (broken, _) => println!("{}", screen::red(&format!("{broken} to mend."))),
    }
}

fn look(cli: &Cli) -> Vec<Finding> {
    let mut findings = vec![Finding::good("version", format!("pangea {}", env!("CARGO_PKG_VERSION")))];
    let read = settings::layers(cli).and_then(|layers| Ok((layers.config()?, layers)));
    let (config, layers) = match read {
        Ok(read) => read,
        Err(error) => {
            findings.push(Finding::broken(
                "settings",
                error.to_string(),
                "mend this first; the rest follows from it",
            ));
            return findings;
        }
    };
    let file = settings::file(cli).map_or("defaults; no file".to_owned(), |file| file.display().to_string());
    findings.push(Finding::good("settings", file));
    findings.extend(files::data(&config));
    findings.extend(files::database(&config));
    findings.extend(files::worlds(&config));
    findings.extend(files::templates(&config));
    findings.extend(files::certificates(&config));
    findings.extend(files::keys(&config));
    findings.extend(ports::listening(&config, files::central_runs(&config)));
    findings.extend(ports::game_ports(&config));
    findings.extend(ports::addresses(&layers, &config));
    findings.extend(open_files(&config));
    findings.push(io(&config));
    findings
}

/// How game servers started here receive and send.
fn io(config: &Config) -> Finding {
    const WHAT: &str = "spawner.io";
    match (config.spawner.io, pangea_server::area::has_io_uring()) {
        (GameIo::Epoll, _) => Finding::good(WHAT, "epoll, as it is set"),
        (_, Ok(())) => Finding::good(WHAT, "io_uring"),
        (GameIo::Auto, Err(error)) => Finding::good(WHAT, format!("epoll; there is no io_uring: {error}")),
        (GameIo::Uring, Err(error)) => Finding::look(
            WHAT,
            format!("epoll, for there is no io_uring: {error}"),
            "Linux 6.1 or newer, and nothing that forbids it (seccomp, `kernel.io_uring_disabled`); or `auto`",
        ),
    }
}

/// Sockets of central and of every game server count as open files.
fn open_files(config: &Config) -> Option<Finding> {
    const ENOUGH: u64 = 8_192;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let limit = limit.current.unwrap_or(u64::MAX);
    let ports = port_range(&config.spawner.ports).ok()?;
    Some(if limit < ENOUGH {
        let mend = format!("`ulimit -n {ENOUGH}`, or LimitNOFILE= in its unit, if many players come");
        Finding::look("open files", format!("{limit} at most (ports {}-{})", ports.0, ports.1), mend)
    } else {
        Finding::good("open files", format!("{limit} at most"))
    })
}
