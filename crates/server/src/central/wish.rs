//! A wish to enter, how far it is, and what it comes to: the words between the HTTP API, the join and the
//! links.

use pangea_world::Refusal;
use pangea_world::id::CharacterId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a player wants to go; everything that is not said is chosen for him.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnterWish {
    /// Who goes; the selected character if not said. The handler has filled it in before the core sees it.
    #[schema(value_type = Option<String>, example = "30313233343536373839616263646566")]
    pub character: Option<CharacterId>,
    /// The world; the character's own if not said.
    pub world: Option<String>,
    /// The map; by the character's last place, else the spawn, if not said.
    pub map: Option<String>,
    /// A rule that the world must have, e.g. `pve`.
    pub rule: Option<String>,
    /// Only this layer.
    pub layer: Option<u16>,
    /// A character to be beside: its layer, if it is on the same ground and there is room.
    pub friend: Option<String>,
    /// Only a server that runs this version of the program.
    pub version: Option<String>,
}

/// How far an enter is.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Waits for room; 1 is the next.
    Queued {
        /// Place in line.
        position: u32,
    },
    /// A server is being started or allocated.
    Spawning,
    /// Its ground is being made for the first time.
    Generating,
    /// Its saved state is being read.
    Restoring,
    /// Faction, character and quests are on their way to it.
    Syncing,
    /// The player may come.
    Ready(Prepared),
    /// It ended with a «no».
    Refused(Refusal),
}

impl Progress {
    /// The stable word for it.
    pub fn state(&self) -> &'static str {
        match self {
            Progress::Queued { .. } => "queued",
            Progress::Spawning => "spawning",
            Progress::Generating => "generating",
            Progress::Restoring => "restoring",
            Progress::Syncing => "syncing",
            Progress::Ready(_) => "ready",
            Progress::Refused(_) => "refused",
        }
    }

    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        matches!(self, Progress::Ready(_) | Progress::Refused(_))
    }
}

/// Everything that a client needs to go in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Prepared {
    /// Where to connect: `ws://…` or `wss://…`.
    pub url: String,
    /// The first message there.
    pub ticket: String,
    /// Seconds that the ticket is good for, from now.
    pub ticket_expires_in_s: u64,
    /// The area's name, for people who look for errors.
    pub area: String,
    /// A third-party server: leave the present one first, then connect.
    pub plain: bool,
    /// SHA-256 of the server's certificate, hex, if it was made at start.
    pub certificate_sha256: Option<String>,
    /// The same server by WebTransport, if it has that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webtransport: Option<WebTransportOffer>,
    /// How long it took from the request until everything was ready, ms.
    pub took_ms: f64,
}

/// How a server is reached by WebTransport.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebTransportOffer {
    /// Where to connect: `https://…`.
    pub url: String,
    /// SHA-256 of the certificates that may be met there, hex; none if any client believes them.
    pub certificate_hashes: Vec<String>,
}

impl WebTransportOffer {
    /// The hashes as bytes; what is not hex is left out.
    pub fn hash_bytes(&self) -> Vec<Vec<u8>> {
        self.certificate_hashes.iter().filter_map(|hash| pangea_world::id::unhex(hash).ok()).collect()
    }
}
