//! Who is at the other end of a connection, which addresses are alike, and how many connections one may have.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
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

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Addresses that begin alike, as `address/prefix`. Of IPv6 at most the first 64 bits count, as in [`Block`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    address: IpAddr,
    prefix: u32,
}

impl Net {
    /// From `address` or `address/prefix`; a prefix is at least 8 long, or 16 of IPv6.
    pub fn read(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        let (least, most, bits) = if address.is_ipv4() { (8, 32, 32) } else { (16, 64, 128) };
        let prefix = prefix.unwrap_or(bits);
        (least..=bits).contains(&prefix).then(|| Self { address, prefix: prefix.min(most) }.cut())
    }

    /// Whether the block is among them.
    pub fn has(&self, block: Block) -> bool {
        self.address.is_ipv4() == block.0.is_ipv4()
            && Self { address: block.0, prefix: self.prefix }.cut().address == self.address
    }

    /// Without the bits that do not count.
    fn cut(self) -> Self {
        let address = match self.address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - self.prefix).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        };
        Self { address, ..self }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
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
    fn a_net_has_the_addresses_that_begin_alike() {
        let has = |net: &str, address: &str| {
            Net::read(net).expect(net).has(Block::of(address.parse().expect("an address")))
        };
        assert!(has("192.0.2.0/24", "192.0.2.77") && has("192.0.2.9", "192.0.2.9"));
        assert!(has("192.0.2.9/24", "::ffff:192.0.2.1"), "the same in other clothes");
        assert!(!has("192.0.2.0/24", "192.0.3.1") && !has("192.0.2.9", "192.0.2.8"));
        assert!(has("2001:db8::1", "2001:db8::2"), "a /64 is one address");
        assert!(!has("2001:db8::/64", "2001:db8:0:1::1") && !has("2001:db8::/32", "192.0.2.1"));
        assert_eq!(Net::read("192.0.2.9/24").expect("a net").to_string(), "192.0.2.0/24");
        for bad in ["", "x", "192.0.2.9/33", "192.0.2.9/7", "::/0", "192.0.2.9/", "192.0.2.9/-1"] {
            assert_eq!(Net::read(bad), None, "{bad}");
        }
    }

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
