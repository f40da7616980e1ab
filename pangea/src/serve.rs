//! Runs roles until they are stopped, with a banner as soon as central answers.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use pangea_engine::Game;
use pangea_server::config::Config;
use pangea_server::node;
use tokio::sync::watch;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::flags::{Cli, Command, KeyRole};
use crate::{screen, settings, stop};

/// Runs `pangea up`, `central`, `spawner` or `chat`.
///
/// # Errors
/// A setting that is wrong, or what stopped a role.
pub fn roles(cli: &Cli) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let config = settings::layers(cli)?.config()?;
    log_to_stderr(&config.log)?;
    // The game servers on this machine need the other half; fewer threads wake each other less.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (cores / 2).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.context("no threads")?;
    runtime.block_on(async {
        let shutdown = stop::on_signals()?;
        let banner = |roles| tokio::spawn(banner(config.clone(), roles, begun, shutdown.clone()));
        match &cli.command {
            Some(Command::Central(_)) => {
                banner("central");
                node::central(config, shutdown).await
            }
            Some(Command::Spawner(_)) => node::spawner(config, shutdown).await,
            Some(Command::Chat(_)) => node::chat(config, shutdown).await,
            _ => {
                banner("central, spawner, chat");
                node::up(config, shutdown).await
            }
        }
    })?;
    runtime.shutdown_timeout(Duration::from_secs(2));
    Ok(ExitCode::SUCCESS)
}

/// Runs `pangea area`.
///
/// # Errors
/// What ended it before its time.
pub fn area(game: Game) -> anyhow::Result<ExitCode> {
    // Somebody typed it, and would wait for ever.
    anyhow::ensure!(
        !std::io::stdin().is_terminal(),
        "«pangea area» alone is for spawners, which start it; «pangea area --help» says what else it does"
    );
    log_to_stderr(&std::env::var("PANGEA_LOG").unwrap_or_else(|_| "info".to_owned()))?;
    node::area(game)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `pangea key`.
///
/// # Errors
/// If the data folder has no key yet, or cannot be read.
pub fn key(cli: &Cli, role: KeyRole, name: &str) -> anyhow::Result<ExitCode> {
    let config = settings::layers(cli)?.config()?;
    println!("{}", node::key(&config, role.as_str(), name)?);
    Ok(ExitCode::SUCCESS)
}

/// One line per event; colours only in a terminal.
fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    let filter: Targets = filter.parse().with_context(|| format!("log = «{filter}»"))?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer().compact().with_ansi(colours).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(filter).with(lines).init();
    Ok(())
}

/// Central's address as a browser takes it.
pub fn url(config: &Config) -> String {
    let central = &config.central;
    let tls = central.tls_certificate.is_some() || !central.plain && !central.listen.ip().is_loopback();
    let host = match central.listen.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    };
    format!("{}://{host}:{}", if tls { "https" } else { "http" }, central.listen.port())
}

/// Waits until central answers and says where; silent if it never does.
async fn banner(config: Config, roles: &'static str, begun: Instant, shutdown: watch::Receiver<bool>) {
    let mut address = config.central.listen;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    if address.port() == 0 {
        return;
    }
    while tokio::net::TcpStream::connect(address).await.is_err() {
        if *shutdown.borrow() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let worlds = world_names(&config);
    let line = |what: &str, value: String| println!("  {}  {value}", screen::dim(&format!("{what:<7}")));
    println!();
    println!("  {} {}", screen::bold("Pangea"), screen::dim(env!("CARGO_PKG_VERSION")));
    line("play", screen::bold(&screen::green(&url(&config))));
    line("roles", roles.to_owned());
    line("worlds", worlds);
    line("data", config.data.display().to_string());
    line("ready", format!("in {:.1} s; Ctrl-C stops", begun.elapsed().as_secs_f64()));
    println!();
}

fn world_names(config: &Config) -> String {
    let Ok(folder) = std::fs::read_dir(&config.worlds) else {
        // Who named a folder does not expect others.
        let missing = if config.worlds == Config::default().worlds {
            String::new()
        } else {
            format!("; there is no folder «{}»", config.worlds.display())
        };
        return format!("the built-in ones{missing}");
    };
    let mut names: Vec<String> = folder
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    names.join(", ")
}
