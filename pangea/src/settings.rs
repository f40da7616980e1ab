//! Flags over environment over file over default, for one command line.

use std::path::{Path, PathBuf};

use pangea_server::config_layers::{ConfigError, Layers};

use crate::flags::{CentralFlags, ChatFlags, Cli, Command, FarFlags, MachineFlags, ShowConfig, UpFlags};

/// A flag as written, its key and its text.
type Pair<'a> = (&'static str, &'static str, Option<&'a str>);

/// The file that is read when none is named.
const USUAL_FILE: &str = "pangea.toml";

/// The file that the settings come from, if any.
pub fn file(cli: &Cli) -> Option<PathBuf> {
    let usual = || Path::new(USUAL_FILE).exists().then(|| PathBuf::from(USUAL_FILE));
    cli.common.config.clone().or_else(usual)
}

/// All layers.
///
/// # Errors
/// The first mistake, with file and line, variable or flag.
pub fn layers(cli: &Cli) -> Result<Layers, ConfigError> {
    let mut layers = Layers::new();
    if let Some(file) = file(cli) {
        layers.file(&file)?;
    }
    layers.environment(std::env::vars_os().filter_map(|(name, value)| {
        // What is not UTF-8 is none of ours.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    }))?;
    for (flag, key, text) in pairs(cli) {
        if let Some(text) = text {
            layers.flag(flag, key, text)?;
        }
    }
    for pair in &cli.common.set {
        layers.set(pair)?;
    }
    Ok(layers)
}

fn pairs(cli: &Cli) -> Vec<Pair<'_>> {
    let common = &cli.common;
    let mut pairs = vec![
        ("--data", "data", common.data.as_deref()),
        ("--worlds", "worlds", common.worlds.as_deref()),
        ("--log", "log", common.log.as_deref()),
    ];
    pairs.extend(up(&cli.up));
    match &cli.command {
        Some(Command::Up(flags)) => pairs.extend(up(flags)),
        Some(Command::Central(flags)) => pairs.extend(central(flags)),
        Some(Command::Spawner(flags)) => {
            pairs.extend(machine(&flags.machine));
            pairs.extend(far(&flags.far, ["spawner.central", "spawner.name", "spawner.key_file"]));
        }
        Some(Command::Chat(flags)) => pairs.extend(chat(flags)),
        Some(Command::Config(ShowConfig { show, .. }) | Command::Doctor(show)) => pairs.extend(up(&show.up)),
        _ => {}
    }
    pairs
}

fn up(flags: &UpFlags) -> Vec<Pair<'_>> {
    let mut pairs = central(&flags.central);
    pairs.extend(machine(&flags.machine));
    pairs
}

fn central(flags: &CentralFlags) -> Vec<Pair<'_>> {
    vec![
        ("--listen", "central.listen", flags.listen.as_deref()),
        ("--link", "central.link", flags.link.as_deref()),
        ("--tls-certificate", "central.tls_certificate", flags.tls_certificate.as_deref()),
        ("--tls-key", "central.tls_key", flags.tls_key.as_deref()),
        ("--plain", "central.plain", flags.plain.then_some("true")),
    ]
}

fn machine(flags: &MachineFlags) -> Vec<Pair<'_>> {
    vec![
        ("--bind", "spawner.bind", flags.bind.as_deref()),
        ("--advertise", "spawner.advertise", flags.advertise.as_deref()),
        ("--ports", "spawner.ports", flags.ports.as_deref()),
        ("--capacity", "spawner.capacity", flags.capacity.as_deref()),
        ("--pool", "spawner.templates.area.pool", flags.pool.as_deref()),
    ]
}

fn chat(flags: &ChatFlags) -> Vec<Pair<'_>> {
    let mut pairs = far(&flags.far, ["chat.central", "chat.name", "chat.key_file"]);
    pairs.push(("--listen", "chat.listen", flags.listen.as_deref()));
    pairs
}

fn far<'a>(flags: &'a FarFlags, [central, name, key_file]: [&'static str; 3]) -> Vec<Pair<'a>> {
    vec![
        ("--central", central, flags.central.as_deref()),
        ("--name", name, flags.name.as_deref()),
        ("--key-file", key_file, flags.key_file.as_deref()),
    ]
}
