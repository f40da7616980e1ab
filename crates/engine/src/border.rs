//! Neighbours, as an area's simulation knows them.

use pangea_world::id::AreaId;
use pangea_world::space::Rect;

use crate::field::Malformed;
use crate::sim::Sim;

/// A neighbour, as the area role numbers it: small, used again after `forget_peer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer(pub u16);

impl Sim {
    /// The epoch that names entities first told to a neighbour from here.
    pub fn set_origin(&mut self, _area: AreaId, _epoch: u64) {}

    /// Appends what is new for this neighbour.
    pub fn tell_peer(&mut self, _peer: Peer, _theirs: Rect, _budget: usize, _out: &mut Vec<u8>) {}

    /// Everything is told anew next time.
    pub fn restart_peer(&mut self, _peer: Peer) {}

    /// Applies what a neighbour told.
    ///
    /// # Errors
    /// If it cannot be read; nothing of it is applied.
    pub fn hear_peer(&mut self, _peer: Peer, bytes: &[u8]) -> Result<(), Malformed> {
        if bytes == [0xff] { Err(Malformed) } else { Ok(()) }
    }

    /// The neighbour is gone.
    pub fn forget_peer(&mut self, _peer: Peer) {}

    /// The line is down for a while: its ghosts vanish.
    pub fn hide_peer(&mut self, _peer: Peer) {}

    /// How many ghosts of this neighbour there are.
    pub fn ghosts(&self, _peer: Peer) -> usize {
        0
    }
}
