//! Starts the roles of one process; the only place that names them all.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pangea_engine::Game;
use pangea_world::role_key::RoleKey;
use tokio::sync::watch;

use crate::central::{self, keys::Keys};
use crate::chat::{self, ChatStart};
use crate::config::Config;
use crate::spawner::{self, SpawnerStart};
use crate::{area, tls};

/// How long central listens to game servers whose processes have ended already.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Central, spawner and chat in one process, until `shutdown` is true: then nobody enters any more, the game
/// servers of its spawner save and stop, and central ends last. At a stop that was announced those of other
/// spawners save and stop too.
///
/// # Errors
/// What stopped a role; the others are stopped then too.
pub async fn up(mut config: Config, mut shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
    let central = central::open(&config).await?;
    let link = own_link(central.link_address());
    (config.spawner.central, config.chat.central) = (link.clone(), link);
    let pin = central.link_pin();
    let spawner = SpawnerStart {
        config: config.spawner.clone(),
        data: config.data.clone(),
        key: central.role_key("spawner", &config.spawner.name),
        pin,
        log: config.log.clone(),
        limits: config.limits.clone(),
        program: this_program()?,
    };
    let chat_key = central.role_key("chat", &config.chat.name);
    let chat = ChatStart { config: config.chat.clone(), data: config.data.clone(), key: chat_key, pin };
    let core = central.core();
    let stop_timeout = Duration::from_secs(config.spawner.stop_timeout_s);
    let spawner_name = config.spawner.name.clone();
    let (stop_rest, rest) = watch::channel(false);
    let central = tokio::spawn(central.run(rest.clone()));
    let chat = tokio::spawn(chat::run(chat, rest));
    let (stop_spawner, spawner_stops) = watch::channel(false);
    let mut spawner = tokio::spawn(spawner::run(spawner, spawner_stops));
    tokio::pin!(central, chat);
    let mut announced = false;
    let mut failed = tokio::select! {
        biased;
        _ = shutdown.wait_for(|stop| *stop) => None,
        () = core.stop_is_due() => {
            announced = true;
            None
        }
        end = &mut central => Some(ended("central", end)),
        end = &mut spawner => Some(ended("spawner", end)),
        end = &mut chat => Some(ended("chat", end)),
    };
    core.stop_entries();
    // What another spawner started is none of this process's, but at a stop that was announced.
    let (mut last_words, mut whose) = (LAST_WORDS, Some(spawner_name.as_str()));
    if announced {
        core.drain_areas();
        (last_words, whose) = (stop_timeout, None);
    }
    let _ = stop_spawner.send(true);
    if !spawner.is_finished() {
        // Bounded by the spawner's own time-outs.
        let end = ended("spawner", spawner.await);
        failed = failed.or(end.err().map(Err));
    }
    if !central.is_finished() {
        core.until_stopped(last_words, whose).await;
    }
    let _ = stop_rest.send(true);
    if !central.is_finished() {
        let end = ended("central", central.await);
        failed = failed.or(end.err().map(Err));
    }
    failed.unwrap_or(Ok(()))
}

/// Central alone. Stopped by a signal it leaves the area servers running; a stop that was announced stops them too.
///
/// # Errors
/// What stopped it.
pub async fn central(config: Config, mut shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
    let central = central::open(&config).await?;
    let core = central.core();
    let (stop, stops) = watch::channel(false);
    let running = central.run(stops);
    tokio::pin!(running);
    tokio::select! {
        biased;
        end = &mut running => return end,
        _ = shutdown.wait_for(|stop| *stop) => {}
        () = core.stop_is_due() => {
            core.stop_entries();
            core.drain_areas();
            let most = Duration::from_secs(config.spawner.stop_timeout_s);
            tokio::select! {
                end = &mut running => return end,
                () = core.until_stopped(most, None) => {}
            }
        }
    }
    let _ = stop.send(true);
    running.await
}

/// A spawner alone.
///
/// # Errors
/// What stopped it.
pub async fn spawner(config: Config, shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
    let (key, pin) =
        role_secret(&config, "spawner", &config.spawner.name, config.spawner.key_file.as_deref())?;
    let Config { spawner: settings, data, log, limits, .. } = config;
    let program = this_program()?;
    spawner::run(SpawnerStart { config: settings, data, key, pin, log, limits, program }, shutdown).await
}

/// A chat alone.
///
/// # Errors
/// What stopped it.
pub async fn chat(config: Config, shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
    let (key, pin) = role_secret(&config, "chat", &config.chat.name, config.chat.key_file.as_deref())?;
    chat::run(ChatStart { config: config.chat, data: config.data, key, pin }, shutdown).await
}

/// One game server, until it is told to stop.
///
/// # Errors
/// What ended it before its time.
pub fn area(game: Game) -> anyhow::Result<()> {
    area::main(game)
}

/// The key of a spawner or a chat by its name, with the pin of central's link certificate if it has one:
/// the content of its `key_file`.
///
/// # Errors
/// If the data folder's keys cannot be read or made.
pub fn key(config: &Config, role: &str, name: &str) -> anyhow::Result<String> {
    let key = Keys::open(&config.data)?.role_key(role, name).to_text();
    match central::link_tls(config)? {
        None => Ok(key),
        Some(tls) => Ok(format!("{key} {}", pangea_world::id::hex(&tls.fingerprint))),
    }
}

/// The secret of a role that runs alone: from its key file, or on central's own machine from the data folder.
fn role_secret(
    config: &Config,
    role: &str,
    name: &str,
    file: Option<&Path>,
) -> anyhow::Result<(RoleKey, Option<[u8; 32]>)> {
    let text = match file {
        Some(file) => {
            tls::private(file)?;
            std::fs::read_to_string(file)
                .with_context(|| format!("the key file «{}» cannot be read", file.display()))?
        }
        None if config.data.join("keys/master.key").exists() => key(config, role, name)?,
        None => bail!(
            "this {role} needs a key: run «pangea key {role} {name}» where central runs, put what it prints into \
             a file that only you can read, and set {role}.key_file"
        ),
    };
    let mut words = text.split_whitespace();
    let key = words.next().and_then(RoleKey::parse).context("the key file does not hold a key")?;
    let pin = match words.next() {
        None => None,
        Some(pin) => {
            let bytes = pangea_world::id::unhex(pin).ok().and_then(|bytes| bytes.try_into().ok());
            Some(bytes.context("the key file's second word is no SHA-256")?)
        }
    };
    Ok((key, pin))
}

/// Where the roles of one process find central's link: one that listens everywhere is reached on loopback.
pub fn own_link(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address.to_string()
}

fn this_program() -> anyhow::Result<std::path::PathBuf> {
    std::env::current_exe().context("the path of this program is not known")
}

fn ended(role: &str, end: Result<anyhow::Result<()>, tokio::task::JoinError>) -> anyhow::Result<()> {
    end.with_context(|| format!("the role {role} crashed"))?.with_context(|| format!("the role {role}"))
}
