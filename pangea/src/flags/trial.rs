//! What can be written behind `pangea trial`.

use clap::{Args, ValueEnum};

/// Players into a missing area at once, into running ones, into a stopped one.
#[derive(Debug, Clone, Args)]
pub struct TrialJoin {
    /// How many players.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub players: u32,
    /// Players per server.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub capacity: u32,
    /// Joins at the same time; 0: all.
    #[arg(long, default_value_t = 0)]
    pub at_once: u32,
    #[command(flatten)]
    pub(crate) common: TrialCommon,
}

/// What all trials know.
#[derive(Debug, Clone, Args)]
pub struct TrialCommon {
    /// Seconds of counting.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Seed of the world and of what players do.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The figures as JSON.
    #[arg(long)]
    pub json: bool,
}

/// How bad the line between players and area servers is.
#[derive(Debug, Clone, Copy, Args)]
pub struct TrialLine {
    /// Between players and area servers, each way, milliseconds.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=2_000))]
    pub delay_ms: u64,
    /// Of what goes between them so much is lost, percent; it is sent again, and what is behind it waits.
    #[arg(long, default_value_t = 0.0)]
    pub loss: f64,
}

/// What trials know in which all players walk.
#[derive(Debug, Clone, Args)]
pub struct TrialWalkers {
    /// Before that, the same players at a bare server: the ratio is printed.
    #[arg(long)]
    pub floor: bool,
    /// What is played: `walk`, a meadow and nothing but walkers, or this program's own game by its name.
    #[arg(long, default_value = "walk", value_name = "NAME")]
    pub game: String,
    /// The game server on the first core alone, the players on the second.
    #[arg(long)]
    pub pin: bool,
    #[command(flatten)]
    pub(crate) common: TrialCommon,
}

/// Gathering, paying, selling and quests, while area servers are killed: is anything lost or doubled?
#[derive(Debug, Clone, Args)]
pub struct TrialEconomy {
    /// How many players.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(2..=2_000))]
    pub players: u32,
    /// How often the area server is killed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub kills: u32,
    #[command(flatten)]
    pub(crate) common: TrialCommon,
}

/// Walkers over the borders of four areas: does anybody notice?
#[derive(Debug, Clone, Args)]
pub struct TrialCrossing {
    /// How many players; one in five stands and looks.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub players: u32,
    /// So far from a line those turn back who walk to and fro over it, metres: the nearer, the more crossings.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..=12))]
    pub turn_m: u32,
    #[command(flatten)]
    pub(crate) line: TrialLine,
    #[command(flatten)]
    pub(crate) common: TrialCommon,
}

/// Players over four areas who talk.
#[derive(Debug, Clone, Args)]
pub struct TrialChat {
    /// How many players.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=4_000))]
    pub players: u32,
    /// Lines that all say together in a second.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub lines_per_s: u32,
    /// How many of the players walk over a border and back, percent.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub walkers_percent: u32,
    /// How often chat and area servers are killed, in turn.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub kills: u32,
    /// Only chat is killed.
    #[arg(long)]
    pub spare_areas: bool,
    /// To whom they talk.
    #[arg(long, value_enum, default_value_t = ChatShape::Mixed)]
    pub shape: ChatShape,
    #[command(flatten)]
    pub(crate) common: TrialCommon,
}

/// To whom the players of a trial talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChatShape {
    /// To the world; each fourth line is a whisper.
    Mixed,
    /// To the world alone: each line has all players as listeners.
    World,
    /// To their faction of at most a hundred, whose members are in all areas: what is said there is on disk first.
    Groups,
}

/// Players in an area that goes from process to process.
#[derive(Debug, Clone, Args)]
pub struct TrialMigrate {
    /// How many players; one in five stands and looks.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub players: u32,
    /// How many entities go along.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub entities: u32,
    /// Four areas around a corner, over whose borders the players walk, move in turn; else it is one.
    #[arg(long)]
    pub corner: bool,
    #[command(flatten)]
    pub(crate) line: TrialLine,
    #[command(flatten)]
    pub(crate) common: TrialCommon,
}

/// Players in an area that is split by itself, and becomes one again.
#[derive(Debug, Clone, Args)]
pub struct TrialSplit {
    /// How many players; one in five stands and looks.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(16..=2_000))]
    pub players: u32,
    /// How many entities there are beside them.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub entities: u32,
    #[command(flatten)]
    pub(crate) line: TrialLine,
    #[command(flatten)]
    pub(crate) common: TrialCommon,
}

/// Central, spawner, chat and area servers are killed at random.
#[derive(Debug, Clone, Args)]
pub struct TrialCrash {
    /// How many players.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=2_000))]
    pub players: u32,
    /// How often something is killed.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub kills: u32,
    /// How many entities there are in each of the four areas, which its checkpoint brings back.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub entities: u32,
    /// Seed of the world, of what players do, and of what is killed when.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The figures as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Players spread over an open area, all walking: what a tick costs.
#[derive(Debug, Clone, Args)]
pub struct TrialField {
    /// How many players.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub players: u32,
    /// How many others each of them sees, about.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub visible: u32,
    #[command(flatten)]
    pub(crate) walkers: TrialWalkers,
}

/// Players in one spot, all walking, everybody sees everybody.
#[derive(Debug, Clone, Args)]
pub struct TrialCrowd {
    /// How many players.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub players: u32,
    #[command(flatten)]
    pub(crate) walkers: TrialWalkers,
}

/// The bare server.
#[derive(Debug, Clone, Args)]
pub struct TrialFloor {
    /// How many players it waits for.
    #[arg(long)]
    pub players: u32,
    /// How many others each of them is told of.
    #[arg(long)]
    pub visible: u32,
}
