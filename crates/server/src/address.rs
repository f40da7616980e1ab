//! Who is at the other end of a connection, and how many connections he may have.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pangea_world::{Code, Refusal};

use crate::config;

/// One IPv4 address, or one /64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block(IpAddr);

impl Block {
    /// The block of an address; an IPv4 address in IPv6 clothes counts as itself.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
            v4 => Self(v4),
        }
    }
}

/// The open connections of one port by address; as many entries as there are addresses with one.
#[derive(Debug, Clone)]
pub struct Connections {
    most: usize,
    loopback_free: bool,
    open: Open,
}

type Open = Arc<Mutex<HashMap<Block, usize>>>;

/// One connection that counts; dropped, it counts no more.
#[derive(Debug, Default)]
pub struct Held(Option<(Block, Open)>);

impl Connections {
    /// None open, at most `limits.connections_per_address` of one address.
    pub fn new(limits: &config::Limits) -> Self {
        Self {
            most: limits.connections_per_address.max(1) as usize,
            loopback_free: limits.loopback_free,
            open: Open::default(),
        }
    }

    /// Counts a new connection.
    ///
    /// # Errors
    /// `too_many_connections` if its address has as many as it may.
    pub fn take(&self, address: IpAddr) -> Result<Held, Refusal> {
        if self.loopback_free && address.to_canonical().is_loopback() {
            return Ok(Held(None));
        }
        let block = Block::of(address);
        let mut open = lock(&self.open);
        let count = open.entry(block).or_default();
        if *count >= self.most {
            let text = format!("one address has at most {} connections here; close one", self.most);
            return Refusal::err(Code::TooManyConnections, text);
        }
        *count += 1;
        Ok(Held(Some((block, self.open.clone()))))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some((block, open)) = &self.0 else { return };
        let mut open = lock(open);
        if let Some(count) = open.get_mut(block) {
            *count -= 1;
            if *count == 0 {
                open.remove(block);
            }
        }
    }
}

fn lock(open: &Open) -> MutexGuard<'_, HashMap<Block, usize>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_gets_back_what_it_closes() {
        let limits = config::Limits { connections_per_address: 2, ..config::Limits::default() };
        let connections = Connections::new(&limits);
        let take = |address: &str| connections.take(address.parse().expect("an address"));
        let held = [take("192.0.2.1").expect("the first"), take("192.0.2.1").expect("the second")];
        assert_eq!(take("192.0.2.1").expect_err("a third").code, Code::TooManyConnections);
        assert!(take("::ffff:192.0.2.1").is_err(), "the same in other clothes");
        let _other = take("192.0.2.2").expect("somebody else");
        drop(held);
        let _again = take("192.0.2.1").expect("they were closed");
        let _sixes = [take("2001:db8::1").expect("one"), take("2001:db8::2").expect("two")];
        assert!(take("2001:db8::3").is_err(), "one /64 is one address");
        let _next = take("2001:db8:0:1::1").expect("the next /64");
        assert_eq!(lock(&connections.open).len(), 4, "who has none is forgotten");
        let mine: Vec<_> = (0..9).map(|_| take("127.0.0.1").expect("this machine is free")).collect();
        assert_eq!((mine.len(), lock(&connections.open).len()), (9, 4));
    }
}
