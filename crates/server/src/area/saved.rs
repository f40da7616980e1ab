//! The area's state between two lives, as [`pangea_world::messages::SaveArea`] carries it: `PGAR`, format
//! version (u16), tick (u64), the altered tiles, and the first 8 bytes of SHA-256 over all before. Numbers are
//! little-endian. Characters are not in it: each has its own row.

use std::collections::BTreeMap;

use pangea_engine::Sim;
use pangea_engine::terrain::Altered;

const MAGIC: &[u8; 4] = b"PGAR";
const VERSION: u16 = 2;
const CHECK_BYTES: usize = 8;
/// x, y, kind, since.
const TILE_BYTES: usize = 17;

/// Most altered tiles that are kept; beyond it the oldest are as the land made them.
const MOST_TILES: usize = 40_000;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Saved {
    /// The area's age in ticks: its clock goes on where it stopped.
    pub tick: u64,
    /// Tiles that players have altered, by place.
    pub tiles: BTreeMap<(i32, i32), Altered>,
}

impl Saved {
    /// What there is to keep of an area.
    pub fn of(sim: &mut Sim) -> Self {
        let tick = sim.tick();
        let mut tiles = sim.terrain().altered().clone();
        if tiles.len() > MOST_TILES {
            let mut ages: Vec<u64> = tiles.values().map(|tile| tile.since).collect();
            let at = ages.len() - MOST_TILES;
            let (_, oldest_kept, _) = ages.select_nth_unstable(at);
            let oldest_kept = *oldest_kept;
            tiles.retain(|_, tile| tile.since >= oldest_kept);
            tracing::warn!(
                kept = tiles.len(),
                "more tiles are altered than can be saved; the oldest are not"
            );
        }
        Self { tick, tiles }
    }

    /// The bytes to save.
    pub fn write(&self) -> Vec<u8> {
        let mut out = [MAGIC.as_slice(), &VERSION.to_le_bytes(), &self.tick.to_le_bytes()].concat();
        for ((x, y), tile) in &self.tiles {
            out.extend_from_slice(&x.to_le_bytes());
            out.extend_from_slice(&y.to_le_bytes());
            out.push(tile.kind);
            out.extend_from_slice(&tile.since.to_le_bytes());
        }
        out.extend(check(&out));
        out
    }

    /// Reads what [`Saved::write`] made; also of version 1, which had no tiles.
    ///
    /// # Errors
    /// What is wrong with the bytes; the area is then generated anew.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let (body, sum) =
            bytes.split_at_checked(bytes.len().saturating_sub(CHECK_BYTES)).ok_or("it is too short")?;
        if check(body) != sum {
            return Err("its check sum is wrong");
        }
        let rest = body.strip_prefix(MAGIC).ok_or("it does not begin as an area's state")?;
        let (version, rest) = rest.split_first_chunk::<2>().ok_or("it is too short")?;
        let (tick, rest) = rest.split_first_chunk::<8>().ok_or("it is too short")?;
        let (tiles, left_over) = rest.as_chunks::<TILE_BYTES>();
        match u16::from_le_bytes(*version) {
            1 if rest.is_empty() => {}
            VERSION if left_over.is_empty() => {}
            1 | VERSION => return Err("its length is wrong"),
            _ => return Err("it is of another version"),
        }
        Ok(Self { tick: u64::from_le_bytes(*tick), tiles: tiles.iter().map(read_tile).collect() })
    }
}

fn read_tile(bytes: &[u8; TILE_BYTES]) -> ((i32, i32), Altered) {
    let number = |at: usize| i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let mut since = [0; 8];
    since.copy_from_slice(&bytes[9..]);
    ((number(0), number(4)), Altered { kind: bytes[8], since: u64::from_le_bytes(since) })
}

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut out = [0; CHECK_BYTES];
    out.copy_from_slice(&digest.as_ref()[..CHECK_BYTES]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Truncated, flipped, of another version.
    #[test]
    fn a_state_reads_back_and_no_damaged_one_does() {
        let tile = |kind, since| Altered { kind, since };
        let tiles = BTreeMap::from([((-3, 70_000), tile(17, 5)), ((i32::MAX, i32::MIN), tile(0, u64::MAX))]);
        let saved = Saved { tick: 123_456_789, tiles };
        let bytes = saved.write();
        assert_eq!(Saved::read(&bytes), Ok(saved));
        for cut in 0..bytes.len() {
            assert!(Saved::read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Saved::read(&flipped).is_err(), "bit {bit}");
        }
        let of_version = |version: u16| {
            let mut bytes = [MAGIC.as_slice(), &version.to_le_bytes(), &7u64.to_le_bytes()].concat();
            bytes.extend(check(&bytes));
            bytes
        };
        assert_eq!(
            Saved::read(&of_version(1)),
            Ok(Saved { tick: 7, tiles: BTreeMap::new() }),
            "as it was before"
        );
        let newer = of_version(3);
        assert_eq!(Saved::read(&newer), Err("it is of another version"));
    }
}
