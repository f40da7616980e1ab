//! Moves that go a way of their own: in datagrams, of which some are lost and some come late. Each names its
//! tick and the places themselves, so that any one of them is good alone. Who comes to rest is told with all
//! else, where nothing is lost.
//!
//! ```text
//! datagram = u32 tick · u32 listed · u32 acked · i32 x · i32 y · (u16 id · i16 dx · i16 dy)*
//! ```
//!
//! `listed` is the tick of the last update that said who is in view, or moved somebody by a difference: before
//! that is applied, a datagram is not. Ticks are the low 32 bits; a place is (x + dx, y + dy), centimetres.

use crate::update::{Eyes, Scratch};

/// Most bytes of a datagram: what every path takes in one packet with what QUIC puts around it.
const MOST_BYTES: usize = 1_100;

/// Bytes of its head, and of a place.
const HEAD: usize = 20;
const PLACE: usize = 6;

/// What is remembered for one client.
#[derive(Debug, Default)]
pub(crate) struct Apart {
    listed: u64,
    acked: u32,
    /// To be sent.
    pub datagrams: Vec<Vec<u8>>,
}

impl Apart {
    /// Of a client whose list is that of the update of this tick.
    pub fn new(listed: u64) -> Self {
        Self { listed, ..Self::default() }
    }

    /// Writes what was gathered. `true`: the input numbers are on their way too; one that has come to rest goes
    /// with all else.
    pub fn put(&mut self, s: &Scratch, eyes: &Eyes, whole: bool, tick: u64) -> bool {
        self.datagrams.clear();
        if whole || s.changes_the_list() {
            self.listed = tick;
        }
        let acks = std::mem::replace(&mut self.acked, eyes.acked) != eyes.acked;
        let parts = s.apart().chunks((MOST_BYTES - HEAD) / PLACE);
        let empty = (acks && s.apart().is_empty()).then_some(&[][..]);
        for places in parts.chain(empty) {
            let mut out = Vec::with_capacity(HEAD + PLACE * places.len());
            out.extend((tick as u32).to_le_bytes());
            out.extend((self.listed as u32).to_le_bytes());
            out.extend(eyes.acked.to_le_bytes());
            out.extend(eyes.at.0.to_le_bytes());
            out.extend(eyes.at.1.to_le_bytes());
            for (id, dx, dy) in places {
                out.extend(id.to_le_bytes());
                out.extend(dx.to_le_bytes());
                out.extend(dy.to_le_bytes());
            }
            self.datagrams.push(out);
        }
        acks
    }
}
