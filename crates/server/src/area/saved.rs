//! The area's state between two lives, as [`pangea_world::messages::SaveArea`] carries it: `PGAR`, format
//! version (u16), the sections, and the first 8 bytes of SHA-256 over all before. Numbers are
//! little-endian. Characters are not in it: each has its own row.

const MAGIC: &[u8; 4] = b"PGAR";
const VERSION: u16 = 1;
const CHECK_BYTES: usize = 8;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Saved {
    /// The area's age in ticks: its clock goes on where it stopped.
    pub tick: u64,
}

impl Saved {
    /// The bytes to save.
    pub fn write(&self) -> Vec<u8> {
        let mut out = [MAGIC.as_slice(), &VERSION.to_le_bytes(), &self.tick.to_le_bytes()].concat();
        out.extend(check(&out));
        out
    }

    /// Reads what [`Saved::write`] made.
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
        let (version, rest) = rest.split_at_checked(2).ok_or("it is too short")?;
        if version != VERSION.to_le_bytes() {
            return Err("it is of another version");
        }
        let tick = rest.try_into().map_err(|_| "its length is wrong")?;
        Ok(Self { tick: u64::from_le_bytes(tick) })
    }
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
        let saved = Saved { tick: 123_456_789 };
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
        let mut newer = [MAGIC.as_slice(), &2u16.to_le_bytes(), &[0; 8]].concat();
        newer.extend(check(&newer));
        assert_eq!(Saved::read(&newer), Err("it is of another version"));
    }
}
