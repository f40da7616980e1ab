//! What a spawner tells an area server at its start: one JSON line on its standard input, because other
//! users of the machine can read arguments and environment. The area server closes the input after it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{GameIo, Limits};

/// The line.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AreaStart {
    /// The server's id, 32 hex digits.
    pub server: pangea_world::id::ServerId,
    /// Name of the spawner, from whose key this server's is derived.
    pub spawner: String,
    /// The server's key in the text form of [`pangea_world::role_key::RoleKey`].
    pub key: String,
    /// Where central's links arrive, `host:port`.
    pub central: String,
    /// Address on which the game port listens.
    pub bind: std::net::IpAddr,
    /// Host that clients and peers are told.
    pub advertise: String,
    /// SHA-256 of central's certificate, 64 hex digits; `None`: plain TCP (loopback).
    #[serde(default)]
    pub central_pin: Option<String>,
    /// What clients may do.
    #[serde(default)]
    pub limits: Limits,
    /// Certificate chain of the game port and its key, PEM files; `None`: made at start, or none on loopback.
    #[serde(default)]
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether players may come by WebTransport.
    #[serde(default)]
    pub webtransport: bool,
    /// How its loop talks to the kernel.
    #[serde(default)]
    pub io: GameIo,
}

/// The key is not shown.
impl std::fmt::Debug for AreaStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AreaStart(server {} of {}, central {})", self.server, self.spawner, self.central)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_spawner_is_read_and_the_key_is_not_shown() {
        let line = r#"{"server":"000102030405060708090a0b0c0d0e0f","spawner":"local","key":"SECRET","central":"127.0.0.1:8081","bind":"127.0.0.1","advertise":"127.0.0.1","central_pin":null,"limits":{"pending_sockets":7},"tls":["/chain.pem","/key.pem"]}"#;
        let start: AreaStart = serde_json::from_str(line).expect("readable");
        assert_eq!(start.limits, Limits { pending_sockets: 7, ..Limits::default() });
        let again = serde_json::to_string(&start).expect("writable");
        assert!(start == serde_json::from_str(&again).expect("readable"));
        assert!(!format!("{start:?}").contains("SECRET"));
        let unknown = line.replace("\"spawner\"", "\"sponner\"");
        assert!(serde_json::from_str::<AreaStart>(&unknown).is_err());
    }
}
