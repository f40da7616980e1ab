//! Every setting of every role, once: the struct tree is the file's shape, its `Default` the only default,
//! and a field's doc comment its help text: `pangea config --explain` and docs/settings.md show it, `pangea config` what
//! holds and where it came from.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder for the database, keys, logs and the state of running servers.
    #[schema(value_type = String)]
    pub data: PathBuf,
    /// Folder of world files; the two built-in worlds if it does not exist.
    #[schema(value_type = String)]
    pub worlds: PathBuf,
    /// What is logged, e.g. `info` or `info,pangea_server::central=debug`.
    pub log: String,
    /// The role central.
    pub central: Central,
    /// Accounts, sessions, characters.
    pub accounts: Accounts,
    /// Limits for clients.
    pub limits: Limits,
    /// The role spawner.
    pub spawner: Spawner,
    /// The role chat.
    pub chat: Chat,
    /// Parties, mail, the market.
    pub social: Social,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "data".into(),
            worlds: "worlds".into(),
            log: "info".into(),
            central: Central::default(),
            accounts: Accounts::default(),
            limits: Limits::default(),
            spawner: Spawner::default(),
            chat: Chat::default(),
            social: Social::default(),
        }
    }
}

/// The role central.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Central {
    /// Where the pages and the HTTP API listen.
    #[schema(value_type = String)]
    pub listen: SocketAddr,
    /// Where the links of the other roles arrive.
    #[schema(value_type = String)]
    pub link: SocketAddr,
    /// Certificate chain, PEM; made at start if `listen` is not loopback and this is empty.
    #[schema(value_type = Option<String>)]
    pub tls_certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[schema(value_type = Option<String>)]
    pub tls_key: Option<PathBuf>,
    /// Speak plain HTTP even off loopback (behind a proxy that speaks TLS).
    pub plain: bool,
    /// Seconds that an area's server may take to start before another one is tried.
    pub start_timeout_s: u64,
    /// Seconds that a seat is held for a player who has his ticket and does not come.
    pub seat_hold_s: u64,
    /// Seconds that POST /api/enter waits before it answers with the state.
    pub enter_wait_s: u64,
    /// Seconds for which an area server owns its area without hearing from central.
    pub owner_lease_s: u64,
    /// Seconds of silence after which a game server is killed by its spawner.
    pub silence_s: u64,
    /// Most characters that wait for one area.
    pub queue_max: usize,
    /// Whether a player is asked before he follows to another server (else he connects at once).
    pub prompt: bool,
    /// Crashes of one area within `crash_window_s` after which it is left down for that long.
    pub crash_limit: u32,
    /// Seconds over which crashes are counted.
    pub crash_window_s: u64,
    /// Seconds before a stop that was announced in which nobody enters.
    pub no_entry_s: u64,
    /// Where checkpoints of areas lie: `file:FOLDER` or `s3://BUCKET/PREFIX`; empty: `checkpoints` in `data`.
    pub checkpoints: String,
}

impl Default for Central {
    fn default() -> Self {
        Self {
            listen: local(8080),
            link: local(8081),
            tls_certificate: None,
            tls_key: None,
            plain: false,
            start_timeout_s: 20,
            seat_hold_s: 30,
            enter_wait_s: 30,
            owner_lease_s: 90,
            silence_s: 3,
            queue_max: 10_000,
            prompt: true,
            crash_limit: 5,
            crash_window_s: 60,
            no_entry_s: 30,
            checkpoints: String::new(),
        }
    }
}

/// Accounts, sessions, characters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// Whether anybody may register.
    pub register: bool,
    /// Minutes that an access token lives.
    pub access_minutes: u64,
    /// Days that a refresh token lives.
    pub refresh_days: u64,
    /// Fewest characters of a password.
    pub password_min: usize,
    /// Whether the list of common passwords is refused.
    pub refuse_common_passwords: bool,
    /// Memory of argon2id, KiB; lower only for load tests.
    pub argon2_memory_kib: u32,
    /// Passes of argon2id.
    pub argon2_passes: u32,
    /// Most password hashes at the same time; the next ones wait in line.
    pub argon2_at_once: usize,
    /// Most characters of an account.
    pub characters_max: u32,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            register: true,
            access_minutes: 15,
            refresh_days: 30,
            password_min: 8,
            refuse_common_passwords: true,
            argon2_memory_kib: 19_456,
            argon2_passes: 2,
            argon2_at_once: 2,
            characters_max: 8,
        }
    }
}

/// Limits for clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Registrations and logins a minute from one address (one /64 of IPv6).
    pub logins_per_minute: u32,
    /// Wrong passwords of one account in a row before each further try waits longer.
    pub wrong_passwords: u32,
    /// HTTP requests a second from one address.
    pub requests_per_second: u32,
    /// Largest HTTP body, bytes.
    pub body_bytes: usize,
    /// Messages a second on one game socket.
    pub messages_per_second: u32,
    /// Lines that a character may say in each kind of channel in ten seconds.
    pub chat_lines_per_10s: u32,
    /// Game sockets of one server that have not shown a ticket yet.
    pub pending_sockets: usize,
    /// Connections of one address (one /64 of IPv6) to central's HTTP, and to each game server.
    pub connections_per_address: u32,
    /// Whether the limits by address leave out loopback: bots and a proxy on this machine are many players.
    pub loopback_free: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            logins_per_minute: 30,
            wrong_passwords: 5,
            requests_per_second: 50,
            body_bytes: 65_536,
            messages_per_second: 100,
            chat_lines_per_10s: 10,
            pending_sockets: 2_048,
            connections_per_address: 256,
            loopback_free: true,
        }
    }
}

/// The role spawner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Spawner {
    /// Its name, unique in the cluster; its key is made for this name.
    pub name: String,
    /// Central's link, `host:port`.
    pub central: String,
    /// File with the key that `pangea key spawner NAME` printed; made by itself under `pangea up`.
    #[schema(value_type = Option<String>)]
    pub key_file: Option<PathBuf>,
    /// Address on which game servers listen.
    #[schema(value_type = String)]
    pub bind: IpAddr,
    /// Host that clients are told; the same as `bind` if empty.
    pub advertise: String,
    /// Certificate chain of our game servers' ports, PEM; made by each at its start if `bind` is not loopback
    /// and this is empty. A server reads it when it gets an area.
    #[schema(value_type = Option<String>)]
    pub tls_certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[schema(value_type = Option<String>)]
    pub tls_key: Option<PathBuf>,
    /// Whether our game servers also take players by WebTransport: UDP under the number of their game port. One
    /// that cannot have it goes on without.
    pub webtransport: bool,
    /// How our game servers talk to the kernel: with `auto` by io_uring where it is there, which takes a tenth
    /// less of the processor; with `epoll` never.
    pub io: GameIo,
    /// Ports for game servers and their SDK endpoints, `first-last`; each server takes three.
    pub ports: String,
    /// Most servers at once.
    pub capacity: u32,
    /// Seconds from start to Ready before a server is given up.
    pub ready_timeout_s: u64,
    /// Seconds that a server has to stop by itself before it is killed.
    pub stop_timeout_s: u64,
    /// Seconds without Health after which a server is unhealthy and killed.
    pub health_timeout_s: u64,
    /// Bytes of one game server's log; then it is moved to `.log.1` and begun anew.
    pub log_max_bytes: u64,
    /// Logs of ended game servers that are kept; the oldest go first.
    pub logs_kept: u32,
    /// Folder whose files `pangea upgrade` may start as game servers; without it none but this program.
    #[schema(value_type = Option<String>)]
    pub programs: Option<PathBuf>,
    /// Crashes before an allocation within `crash_window_s` after which a template is not started for that long.
    pub crash_limit: u32,
    /// Seconds over which crashes are counted.
    pub crash_window_s: u64,
    /// Kinds of server; `area` is ours and always there.
    pub templates: BTreeMap<String, Template>,
}

impl Default for Spawner {
    fn default() -> Self {
        Self {
            name: "local".into(),
            central: "127.0.0.1:8081".into(),
            key_file: None,
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            advertise: String::new(),
            tls_certificate: None,
            tls_key: None,
            webtransport: true,
            io: GameIo::Auto,
            ports: "7000-7999".into(),
            capacity: 64,
            ready_timeout_s: 10,
            stop_timeout_s: 10,
            health_timeout_s: 10,
            log_max_bytes: 16 << 20,
            logs_kept: 500,
            programs: None,
            crash_limit: 5,
            crash_window_s: 60,
            templates: BTreeMap::from([("area".to_owned(), Template::default())]),
        }
    }
}

/// How a game server receives and sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GameIo {
    /// io_uring where it is there.
    #[default]
    Auto,
    /// A call for each socket.
    Epoll,
    /// As `auto`, but where it is not there that is an error in the log.
    Uring,
}

/// A kind of server that the spawner can start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Template {
    /// Program and arguments; empty: this program as `pangea area`.
    pub command: Vec<String>,
    /// Working folder; empty: the spawner's.
    #[schema(value_type = String)]
    pub folder: PathBuf,
    /// Further environment.
    pub environment: BTreeMap<String, String>,
    /// Idle servers kept ready.
    pub pool: u32,
    /// What the server announces as a WebSocket path, for the address that clients get.
    pub path: String,
    /// Counters of the SDK at a server's start, by name.
    pub counters: BTreeMap<String, Counter>,
    /// Lists of the SDK at a server's start, by name; `players` is always there for a server that is not ours.
    pub lists: BTreeMap<String, List>,
}

/// A counter of the SDK at a server's start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Counter {
    /// Where it begins.
    pub count: u32,
    /// Highest count.
    pub capacity: u32,
}

/// A list of the SDK at a server's start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct List {
    /// Most values, up to 1,000.
    pub capacity: u32,
    /// What is in it at the start.
    pub values: Vec<String>,
}

impl Default for Template {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            folder: PathBuf::new(),
            environment: BTreeMap::new(),
            pool: 2,
            path: "/play".into(),
            counters: BTreeMap::new(),
            lists: BTreeMap::new(),
        }
    }
}

/// The role chat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Chat {
    /// Its name, unique in the cluster; its key is made for this name.
    pub name: String,
    /// Central's link, `host:port`.
    pub central: String,
    /// File with the key that `pangea key chat NAME` printed; made by itself under `pangea up`.
    #[schema(value_type = Option<String>)]
    pub key_file: Option<PathBuf>,
    /// Where area servers connect.
    #[schema(value_type = String)]
    pub listen: SocketAddr,
    /// Host that area servers are told; the same as `listen` if empty.
    pub advertise: String,
    /// What becomes of a whisper to a character that is not in the world: `keep` or `refuse`.
    pub offline_whispers: OfflineWhispers,
    /// How long lines of factions, parties and whispers are kept, days.
    pub keep_days: u64,
    /// How long the log of everything else that is said is kept, for moderators, days.
    pub log_days: u64,
    /// Words that are not said, in any case of letters.
    pub blocked_words: Vec<String>,
    /// A program that is asked of each line: POST {text, sender, channel} is answered by {text}, or by 4xx.
    pub filter_url: String,
    /// What becomes of a line if it does not answer: `pass` or `block`.
    pub filter_fail: ChatFilter,
    /// A NATS server, `nats://HOST:PORT`, over which several chats pass lines to each other; empty: none.
    pub nats: String,
    /// What its subjects begin with: another one for each cluster.
    pub nats_prefix: String,
}

/// What becomes of a whisper to a character that is not in the world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OfflineWhispers {
    /// It is kept until it comes.
    #[default]
    Keep,
    /// Its sender is told.
    Refuse,
}

/// What becomes of a line that the filter does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChatFilter {
    /// It is said.
    #[default]
    Pass,
    /// It is not.
    Block,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            name: "chat".into(),
            central: "127.0.0.1:8081".into(),
            key_file: None,
            listen: local(8082),
            advertise: String::new(),
            offline_whispers: OfflineWhispers::Keep,
            keep_days: 30,
            log_days: 30,
            blocked_words: Vec::new(),
            filter_url: String::new(),
            filter_fail: ChatFilter::Pass,
            nats: String::new(),
            nats_prefix: "pangea".into(),
        }
    }
}

/// Parties, mail, the market.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Social {
    /// Most members of a party.
    pub party_max: usize,
    /// Minutes after which one who is not in the world is taken off his party.
    pub party_offline_minutes: u64,
    /// Most mails of a character.
    pub mails_max: u32,
    /// Most offers of a character.
    pub offers_max: u32,
    /// Hours after which what is offered comes back.
    pub offer_hours: u64,
    /// The ledger's name of the money that mail and market are in.
    pub currency: String,
}

impl Default for Social {
    fn default() -> Self {
        Self {
            party_max: 8,
            party_offline_minutes: 30,
            mails_max: 50,
            offers_max: 32,
            offer_hours: 48,
            currency: "coin".into(),
        }
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
