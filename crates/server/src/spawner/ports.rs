//! Ports for game servers: three each, from a range, free when given out, given again only after the exit.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use crate::net::Reserved;

/// The ports of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Where clients connect.
    pub game: u16,
    /// SDK over gRPC, loopback.
    pub grpc: u16,
    /// SDK over REST, loopback.
    pub rest: u16,
}

impl Ports {
    fn all(self) -> [u16; 3] {
        [self.game, self.grpc, self.rest]
    }
}

/// The range, and what of it is in use.
#[derive(Debug)]
pub struct Range {
    first: u16,
    last: u16,
    /// Where the next search begins: a port that was just freed is the last to be used again.
    next: u16,
    used: BTreeSet<u16>,
}

/// The ports of one new server, with the SDK's listeners already open.
#[derive(Debug)]
pub struct Taken {
    /// Their numbers.
    pub ports: Ports,
    /// Listens on `ports.grpc`.
    pub grpc: Reserved,
    /// Listens on `ports.rest`.
    pub rest: Reserved,
}

impl Range {
    /// Reads `first-last`.
    ///
    /// # Errors
    /// If it is not two ports in order, with room for one server.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let wrong = || format!("spawner.ports is «{text}»; write «first-last», e.g. «7000-7999»");
        let (first, last) = text.split_once('-').with_context(wrong)?;
        let first: u16 = first.trim().parse().with_context(wrong)?;
        let last: u16 = last.trim().parse().with_context(wrong)?;
        ensure!(
            first > 0 && last.checked_sub(first).is_some_and(|more| more >= 2),
            "{}: at least three ports",
            wrong()
        );
        Ok(Self { first, last, next: first, used: BTreeSet::new() })
    }

    /// Takes three ports that nobody listens on; `None` if the range has no three left.
    pub fn take(&mut self, bind: IpAddr) -> Option<Taken> {
        let (game, _probe) = self.find(bind)?;
        let (grpc, grpc_listener) = self.find(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
        let (rest, rest_listener) = self.find(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
        let ports = Ports { game, grpc, rest };
        self.used.extend(ports.all());
        Some(Taken { ports, grpc: grpc_listener, rest: rest_listener })
    }

    /// Marks the ports of an adopted server.
    pub fn keep(&mut self, ports: Ports) {
        self.used.extend(ports.all());
    }

    /// The server has ended.
    pub fn free(&mut self, ports: Ports) {
        for port in ports.all() {
            self.used.remove(&port);
        }
    }

    fn find(&mut self, address: IpAddr) -> Option<(u16, Reserved)> {
        for _ in self.first..=self.last {
            let port = self.next;
            self.next = if port == self.last { self.first } else { port + 1 };
            if self.used.contains(&port) {
                continue;
            }
            if let Ok(listener) = Reserved::bind(SocketAddr::new(address, port)) {
                return Some((port, listener));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// The first of seven free ports, below those that the system gives to outgoing connections.
    fn seven() -> u16 {
        let begin = 21_000 + (std::process::id() % 500) as u16 * 10;
        let is_free = |first: u16| (first..first + 7).all(|port| TcpListener::bind((HERE, port)).is_ok());
        (begin..32_000).step_by(10).find(|first| is_free(*first)).expect("free ports")
    }

    #[test]
    fn three_ports_each_free_and_given_again_only_after_the_exit() {
        let first = seven();
        let busy = TcpListener::bind((HERE, first + 3)).expect("free in tests");
        let mut range = Range::parse(&format!("{first}-{}", first + 6)).expect("a range");
        let one = range.take(HERE).expect("six are free");
        let two = range.take(HERE).expect("three are left");
        let mut all: Vec<u16> = [one.ports.all(), two.ports.all()].concat();
        all.sort_unstable();
        let wanted: Vec<u16> = (first..first + 7).filter(|port| *port != first + 3).collect();
        assert_eq!(all, wanted, "each once, never the busy one");
        drop(busy);
        assert!(range.take(HERE).is_none(), "one is too few");
        range.free(one.ports);
        drop((one.grpc, one.rest));
        assert!(range.take(HERE).is_some());
    }

    #[test]
    fn a_range_is_two_ports_in_order() {
        for wrong in ["", "7000", "7000-7001", "8000-7000", "0-100", "7000-70000", "a-b"] {
            assert!(Range::parse(wrong).is_err(), "{wrong}");
        }
    }
}
