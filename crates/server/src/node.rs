//! Starts the roles of one process.

use anyhow::bail;
use pangea_engine::Game;
use tokio::sync::watch;

use crate::config::Config;

/// Central, spawner and chat in one process, until `shutdown` is true.
///
/// # Errors
/// What stopped a role.
pub async fn up(config: Config, game: Game, shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
    let _ = (config, game, shutdown);
    bail!("in work")
}

/// Central alone.
///
/// # Errors
/// What stopped it.
pub async fn central(config: Config, shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
    let _ = (config, shutdown);
    bail!("in work")
}

/// A spawner alone.
///
/// # Errors
/// What stopped it.
pub async fn spawner(config: Config, shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
    let _ = (config, shutdown);
    bail!("in work")
}

/// A chat alone.
///
/// # Errors
/// What stopped it.
pub async fn chat(config: Config, shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
    let _ = (config, shutdown);
    bail!("in work")
}

/// One game server, until it is told to stop.
///
/// # Errors
/// What ended it before its time.
pub fn area(game: Game) -> anyhow::Result<()> {
    let _ = game;
    bail!("in work")
}

/// The key of a role by its name, as text.
///
/// # Errors
/// If the data folder has no master key yet, or cannot be read.
pub fn key(config: &Config, role: &str, name: &str) -> anyhow::Result<String> {
    let _ = (config, role, name);
    bail!("in work")
}
