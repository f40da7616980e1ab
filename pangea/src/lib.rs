//! The command line of a node, for any game: `fn main() -> ExitCode { pangea_cli::run(my_game) }`.
//!
//! | module | does |
//! |---|---|
//! | [`flags`] | what can be written behind `pangea` |
//! | [`settings`] | flags over environment over file over default |
//! | [`serve`] | runs roles until they are stopped, with a banner |
//! | [`stop`] | Ctrl-C: gracefully; a second one: at once |
//! | [`show_config`] | `pangea config` |
//! | [`doctor`] | `pangea doctor` |
//! | [`operate`] | `pangea area …`, `pangea node …`, `pangea upgrade`, `pangea stop` |
//! | [`backup`] | `pangea backup` |
//! | [`bots`] | `pangea bots` |
//! | [`trial`] | `pangea trial join`, `field`, `crowd`, `economy`, `crossing`, `migrate`, `split`, `crash` |
//! | [`screen`] | tables and colours |

pub mod backup;
pub mod bots;
pub mod doctor;
pub mod flags;
pub mod operate;
pub mod screen;
pub mod serve;
pub mod settings;
pub mod show_config;
pub mod stop;
pub mod trial;

use std::process::ExitCode;

use clap::Parser as _;
use pangea_engine::Game;

use flags::{AreaCommand, Cli, Command, NodeCommand, TrialCommand};

/// Central takes and gives back very many small pieces of memory.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Does what the command line says.
pub fn run(game: Game) -> ExitCode {
    // Idle servers are many and small: no command line is built for them, and no settings.
    let area = std::env::args_os().skip(1).eq(["area"]);
    let game = if area { trial::game_for_area(game) } else { game };
    let done = if area { serve::area(game) } else { dispatch(&Cli::parse(), game) };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{} {error:#}", screen::red("error:"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: &Cli, game: Game) -> anyhow::Result<ExitCode> {
    match cli.command.as_ref() {
        Some(Command::Area { command: None }) => serve::area(game),
        Some(Command::Area { command: Some(AreaCommand::Migrate { area, order }) }) => {
            operate::migrate(cli, area, order)
        }
        Some(Command::Area { command: Some(AreaCommand::Split { area, reason }) }) => {
            operate::split(cli, area, reason)
        }
        Some(Command::Area { command: Some(AreaCommand::Merge { area, other, reason }) }) => {
            operate::merge(cli, [area, other], reason)
        }
        Some(Command::Node { command: NodeCommand::Areas }) => operate::areas(cli),
        Some(Command::Node { command: NodeCommand::Drain { spawner, order } }) => {
            operate::drain(cli, spawner, order)
        }
        Some(Command::Node { command: NodeCommand::Cordon { spawner, reason } }) => {
            operate::cordon(cli, spawner, true, reason)
        }
        Some(Command::Node { command: NodeCommand::Uncordon { spawner, reason } }) => {
            operate::cordon(cli, spawner, false, reason)
        }
        Some(Command::Upgrade(wish)) => operate::upgrade(cli, wish),
        Some(Command::Stop(wish)) => operate::stop(cli, wish),
        Some(Command::ChatLog(part)) => operate::chat_log(cli, part),
        Some(Command::Config(wish)) => show_config::run(cli, wish),
        Some(Command::Backup(wish)) => backup::run(cli, wish),
        Some(Command::Doctor(check)) => doctor::run(cli, check.json),
        Some(Command::Key { role, name }) => serve::key(cli, *role, name),
        Some(Command::Bots(options)) => bots::run(options),
        Some(Command::Trial { command }) => match command {
            TrialCommand::Join(options) => trial::run(options),
            TrialCommand::Field(options) => trial::field::run(options, game.name),
            TrialCommand::Crowd(options) => trial::field::run_crowd(options, game.name),
            TrialCommand::Economy(options) => trial::economy::run(options),
            TrialCommand::Chat(options) => trial::chat::run(options),
            TrialCommand::Crossing(options) => trial::crossing::run(options),
            TrialCommand::Migrate(options) => trial::migrate::run(options),
            TrialCommand::Split(options) => trial::split::run(options),
            TrialCommand::Crash(options) => trial::crash::run(options),
            TrialCommand::Floor(options) => trial::field::run_floor(options),
        },
        Some(Command::Up(_) | Command::Central(_) | Command::Spawner(_) | Command::Chat(_)) | None => {
            serve::roles(cli)
        }
    }
}
