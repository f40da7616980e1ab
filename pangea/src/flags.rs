//! What can be written behind `pangea`. A doc comment here is the option's help text.

mod trial;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use trial::*;

/// An open world out of many game servers. Without a command: everything on this machine (`pangea up`).
#[derive(Debug, Parser)]
#[command(name = "pangea", version, max_term_width = 110, subcommand_required = false)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) up: UpFlags,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Central, spawner and chat in this process, area servers as its children.
    Up(UpFlags),
    /// Only central: accounts, characters, placement; pages and HTTP API.
    Central(CentralFlags),
    /// Only a spawner: starts and watches game servers on this machine.
    Spawner(SpawnerFlags),
    /// Only chat: routes messages between area servers.
    Chat(ChatFlags),
    /// One game server, as a spawner starts it; or what is to be done with a running area.
    Area {
        /// Without one: serve, as the environment says.
        #[command(subcommand)]
        command: Option<AreaCommand>,
    },
    /// What is to be done with a machine.
    Node {
        /// What.
        #[command(subcommand)]
        command: NodeCommand,
    },
    /// Has game servers run another program: new ones at once, running areas go over while they are played.
    Upgrade(Upgrade),
    /// Stops everything in a while; the players are told.
    Stop(Stop),
    /// Prints what was said, for moderators; the look is in the audit log.
    ChatLog(ChatLog),
    /// Shows every setting and where it comes from; `--explain KEY` what it means.
    Config(ShowConfig),
    /// Copies the databases, the checkpoints and the keys into a new folder, while everything runs.
    Backup(Backup),
    /// Checks ports, addresses, folders, executables, and says what to mend.
    Doctor(Show),
    /// Prints the key of a spawner or chat on another machine; keep it in a file that only its owner can read.
    Key {
        /// For which role.
        role: KeyRole,
        /// Its name, unique in the cluster (`spawner.name`, `chat.name`).
        name: String,
    },
    /// Players who walk about by themselves.
    Bots(Bots),
    /// Measures on this machine, in a private cluster.
    Trial {
        /// What is measured.
        #[command(subcommand)]
        command: TrialCommand,
    },
}

/// Which part of what was said.
#[derive(Debug, Args)]
pub struct ChatLog {
    /// Only in this channel: `world/NAME`, `area/ID`, `system`; a `faction/ID`, `party/ID` or `to/CHARACTERID` only
    /// if it is named here.
    #[arg(long)]
    pub channel: Option<String>,
    /// Only by the character of this name.
    #[arg(long)]
    pub name: Option<String>,
    /// Only of the last so many hours.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub hours: Option<u32>,
    /// Only before this time, ms since 1970; how the page before is gone on from is printed with it.
    #[arg(long, value_name = "MS")]
    pub before: Option<u64>,
    /// At most so many lines.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub lines: u32,
}

/// What is to be done with a running area.
#[derive(Debug, Subcommand)]
pub enum AreaCommand {
    /// Moves it to another server while it is played.
    Migrate {
        /// `world/ground/layer`, e.g. `wilds/0,0..8,8/0`; `pangea node areas` lists them.
        area: String,
        /// Where to, and why.
        #[command(flatten)]
        order: Order,
    },
    /// Splits it in two while it is played, so that its players halve.
    Split {
        /// `world/ground/layer`; `pangea node areas` lists them.
        area: String,
        /// Why, for the audit log.
        #[arg(long, default_value = REASON)]
        reason: String,
    },
    /// Makes it one with another area that has a whole side in common, while both are played.
    Merge {
        /// `world/ground/layer`; `pangea node areas` lists them.
        area: String,
        /// The other one; its ground becomes the first one's.
        other: String,
        /// Why, for the audit log.
        #[arg(long, default_value = REASON)]
        reason: String,
    },
}

/// What is to be done with a machine.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Lists the areas that run, and where; and the spawners.
    Areas,
    /// Keeps new areas away from a spawner; it keeps that over restarts.
    Cordon {
        /// The spawner's name (`spawner.name`).
        spawner: String,
        /// Why, for the audit log.
        #[arg(long, default_value = REASON)]
        reason: String,
    },
    /// Lets new areas come to a spawner again.
    Uncordon {
        /// The spawner's name (`spawner.name`).
        spawner: String,
        /// Why, for the audit log.
        #[arg(long, default_value = REASON)]
        reason: String,
    },
    /// Keeps new areas away from a spawner, and moves those that it has while they are played.
    Drain {
        /// The spawner's name (`spawner.name`).
        spawner: String,
        /// Where to, and why.
        #[command(flatten)]
        order: Order,
    },
}

/// An operator's order.
#[derive(Debug, Args)]
pub struct Order {
    /// The spawner under which it shall run; without it the one with most room.
    #[arg(long, value_name = "SPAWNER")]
    pub to: Option<String>,
    /// Why, for the audit log.
    #[arg(long, default_value = REASON)]
    pub reason: String,
}

/// The reason of who names none.
const REASON: &str = "by the command line";

/// Another program for game servers.
#[derive(Debug, Args)]
pub struct Upgrade {
    /// The program, a file on the spawner's machine in its folder of programs (`spawner.programs`).
    #[arg(long, value_name = "FILE")]
    pub binary: String,
    /// Only of this spawner; without it of all, one after the other.
    #[arg(long)]
    pub spawner: Option<String>,
    /// Why, for the audit log.
    #[arg(long, default_value = REASON)]
    pub reason: String,
}

/// A stop of everything.
#[derive(Debug, Args)]
pub struct Stop {
    /// In how long: `90`, `90s`, `5m`, `1h`.
    #[arg(long = "in", value_name = "TIME", value_parser = seconds, default_value = "5m")]
    pub in_s: u64,
    /// A sentence for the players.
    #[arg(long, default_value = "")]
    pub text: String,
    /// Calls off what was ordered.
    #[arg(long, conflicts_with_all = ["in_s", "text"])]
    pub cancel: bool,
    /// Why, for the audit log.
    #[arg(long, default_value = REASON)]
    pub reason: String,
}

fn seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3_600),
        _ => (text, 1),
    };
    let number: u64 = number.parse().map_err(|_| "a time is written 90, 90s, 5m or 1h".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "that is too long".to_owned())
}

/// What is measured.
#[derive(Debug, Subcommand)]
pub enum TrialCommand {
    /// Players into a missing area at once, into running ones, into a stopped one.
    Join(TrialJoin),
    /// Players spread over an open area, all walking: what a tick costs.
    Field(TrialField),
    /// Players in one spot, all walking, everybody sees everybody.
    Crowd(TrialCrowd),
    /// Gathering, paying, selling, quests, while area servers are killed: is anything lost or doubled?
    Economy(TrialEconomy),
    /// Walkers over the borders of four areas: does anybody notice?
    Crossing(TrialCrossing),
    /// Players over four areas who talk: is everything heard once and in order, and what does it cost?
    Chat(TrialChat),
    /// Players in an area that goes from process to process: does anybody notice?
    Migrate(TrialMigrate),
    /// Players in an area that is split by itself, and becomes one again: does anybody notice?
    Split(TrialSplit),
    /// Central, spawner, chat and area servers are killed at random: is anything lost, doubled or stranded?
    Crash(TrialCrash),
    /// The bare server to which `--floor` compares.
    #[command(hide = true)]
    Floor(TrialFloor),
}

/// A role that has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyRole {
    /// A spawner.
    Spawner,
    /// A chat.
    Chat,
}

impl KeyRole {
    /// As keys are derived for it.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyRole::Spawner => "spawner",
            KeyRole::Chat => "chat",
        }
    }
}

/// For every command that reads the settings.
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
pub struct Common {
    /// Settings file; without it `pangea.toml`, if there is one.
    #[arg(long, value_name = "FILE", global = true, env = "PANGEA_CONFIG")]
    pub config: Option<PathBuf>,
    /// Folder for the database, keys and logs.
    #[arg(long, value_name = "FOLDER", global = true)]
    pub data: Option<String>,
    /// Folder of world files.
    #[arg(long, value_name = "FOLDER", global = true)]
    pub worlds: Option<String>,
    /// What is logged, e.g. `info` or `info,pangea_server::central=debug`.
    #[arg(long, value_name = "FILTER", global = true)]
    pub log: Option<String>,
    /// Any setting of `pangea config`; may be given several times.
    #[arg(long, value_name = "SECTION.KEY=VALUE", global = true)]
    pub set: Vec<String>,
}

/// Of central.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Central")]
pub struct CentralFlags {
    /// Where the pages and the HTTP API listen.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Where the links of the other roles arrive.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub link: Option<String>,
    /// Certificate chain, PEM; made at start if it is needed and not given.
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<String>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// Plain HTTP even off loopback, behind a proxy that speaks TLS.
    #[arg(long)]
    pub plain: bool,
}

/// Of the machine on which game servers run.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Spawner")]
pub struct MachineFlags {
    /// Address on which game servers listen.
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<String>,
    /// Host that players are told.
    #[arg(long, value_name = "HOST")]
    pub advertise: Option<String>,
    /// Ports for game servers; each takes three.
    #[arg(long, value_name = "FIRST-LAST")]
    pub ports: Option<String>,
    /// Most game servers at once.
    #[arg(long, value_name = "NUMBER")]
    pub capacity: Option<String>,
    /// Idle game servers kept ready.
    #[arg(long, value_name = "NUMBER")]
    pub pool: Option<String>,
}

/// Of everything at once.
#[derive(Debug, Args, Default)]
pub struct UpFlags {
    #[command(flatten)]
    pub(crate) central: CentralFlags,
    #[command(flatten)]
    pub(crate) machine: MachineFlags,
}

/// Of a spawner alone.
#[derive(Debug, Args)]
pub struct SpawnerFlags {
    #[command(flatten)]
    pub(crate) machine: MachineFlags,
    #[command(flatten)]
    pub(crate) far: FarFlags,
}

/// Of a chat alone.
#[derive(Debug, Args)]
pub struct ChatFlags {
    /// Where area servers connect.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    #[command(flatten)]
    pub(crate) far: FarFlags,
}

/// Of a role that is not in central's process.
#[derive(Debug, Args)]
pub struct FarFlags {
    /// Central's link.
    #[arg(long, value_name = "HOST:PORT")]
    pub central: Option<String>,
    /// Its name, unique in the cluster.
    #[arg(long)]
    pub name: Option<String>,
    /// File with the key that `pangea key` printed.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<String>,
}

/// What can be shown as JSON; takes the flags of `pangea up`, to check them.
#[derive(Debug, Args)]
pub struct Show {
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) up: UpFlags,
}

/// The settings; takes the flags of `pangea up`, to check them.
#[derive(Debug, Args)]
pub struct ShowConfig {
    /// What this key, this section (`central`), or without one every key means.
    #[arg(long, value_name = "KEY", num_args = 0..=1, default_missing_value = "")]
    pub explain: Option<String>,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// Where a backup is put.
#[derive(Debug, Args)]
pub struct Backup {
    /// The folder; it must not exist yet, and is there only when the backup is whole.
    pub folder: PathBuf,
    /// What was copied, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Players who walk about by themselves.
#[derive(Debug, Clone, Args)]
pub struct Bots {
    /// How many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub players: u32,
    /// Central.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// World by name; without it the one whose servers take most players.
    #[arg(long)]
    pub world: Option<String>,
    /// Map, in a world of maps; without it the faction's.
    #[arg(long)]
    pub map: Option<String>,
    /// Seconds to walk about; 0: until Ctrl-C.
    #[arg(long, default_value_t = 0)]
    pub seconds: u64,
    /// Seconds over which they come; 0: as fast as they are let in.
    #[arg(long, default_value_t = 0)]
    pub spread: u64,
    /// Most of them that register or enter at the same time.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub at_once: u32,
    /// Certificate to believe, PEM: central's own, or a root.
    #[arg(long, value_name = "FILE")]
    pub roots: Option<PathBuf>,
    /// The final figures as JSON.
    #[arg(long)]
    pub json: bool,
}
