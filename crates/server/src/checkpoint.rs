//! An area's checkpoint as a file: what area servers make of a save, and what central keeps.
//!
//! ```text
//! "PGCP" · u16 format (1) · area id (16 bytes) · u64 epoch · u64 tick · u32 length · save · SHA-256 of all before
//! ```
//!
//! Numbers are little-endian; the save is the engine's (`pangea_engine::save`).

use pangea_world::id::AreaId;
use ring::digest::{SHA256, digest};

const MAGIC: &[u8; 4] = b"PGCP";
const FORMAT: u16 = 1;
const HEAD_BYTES: usize = 42;
const SUM_BYTES: usize = 32;

/// Most bytes of a checkpoint: it must fit into a message beside what else an area is granted with.
pub const MOST_BYTES: usize = 2 << 20;

/// One checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Of which area.
    pub area: AreaId,
    /// The epoch of the owner that made it.
    pub epoch: u64,
    /// The area's age in ticks: its clock goes on from there.
    pub tick: u64,
    /// What the engine saved.
    pub save: Vec<u8>,
}

impl Checkpoint {
    /// As bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + self.save.len() + SUM_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&self.area.0);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.tick.to_le_bytes());
        out.extend_from_slice(&(self.save.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.save);
        let sum = digest(&SHA256, &out);
        out.extend_from_slice(sum.as_ref());
        out
    }

    /// Reads what [`Checkpoint::write`] made.
    ///
    /// # Errors
    /// What is wrong with it; nothing of it may be used then.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin as a checkpoint")?;
        let (format, rest) = rest.split_first_chunk().ok_or("it is cut short")?;
        if u16::from_le_bytes(*format) != FORMAT {
            return Err("it is of another format: a newer program wrote it, or it is damaged");
        }
        let (area, rest) = rest.split_first_chunk().ok_or("it is cut short")?;
        let (epoch, rest) = rest.split_first_chunk().ok_or("it is cut short")?;
        let (tick, rest) = rest.split_first_chunk().ok_or("it is cut short")?;
        let (length, rest) = rest.split_first_chunk().ok_or("it is cut short")?;
        let (save, sum) =
            rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or("it is cut short")?;
        if sum.len() != SUM_BYTES {
            return Err("its length is wrong");
        }
        if digest(&SHA256, &bytes[..bytes.len() - SUM_BYTES]).as_ref() != sum {
            return Err("its check sum is wrong");
        }
        Ok(Self {
            area: AreaId(*area),
            epoch: u64::from_le_bytes(*epoch),
            tick: u64::from_le_bytes(*tick),
            save: save.to_vec(),
        })
    }

    /// Its name among those of its area: later ones come after, and those of a later owner after all of an
    /// earlier one.
    pub fn name(&self) -> String {
        format!("{:016x}-{:016x}", self.epoch, self.tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Checkpoint {
        Checkpoint { area: AreaId([7; 16]), epoch: 3, tick: 123_456_789, save: vec![1, 2, 3] }
    }

    /// Cut, flipped, with something behind it, of another format.
    #[test]
    fn a_checkpoint_reads_back_and_no_damaged_one_does() {
        let bytes = one().write();
        assert_eq!(bytes.len(), HEAD_BYTES + 3 + SUM_BYTES);
        assert_eq!(Checkpoint::read(&bytes), Ok(one()));
        for cut in 0..bytes.len() {
            assert!(Checkpoint::read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Checkpoint::read(&flipped).is_err(), "bit {bit}");
        }
        assert!(Checkpoint::read(&[&bytes[..], &[0]].concat()).is_err());
        let mut newer = bytes[..bytes.len() - SUM_BYTES].to_vec();
        newer[4] = 2;
        let sum = digest(&SHA256, &newer);
        newer.extend_from_slice(sum.as_ref());
        assert!(Checkpoint::read(&newer).is_err_and(|why| why.contains("newer")));
    }

    #[test]
    fn names_are_in_the_order_of_owners_and_then_of_time() {
        let name = |epoch, tick| Checkpoint { epoch, tick, ..one() }.name();
        let names = [name(1, u64::MAX), name(2, 9), name(2, 10), name(10, 0), name(256, 0)];
        assert!(names.is_sorted(), "{names:?}");
    }
}
