//! What a client keeps between updates, so that they can be short.

use super::{Known, MAX_KNOWN, Update};
use crate::refusal::{Code, Refusal};

/// The entities that a client knows, in the order that follows from the updates, and the last tick and
/// acknowledgement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownList {
    ids: Vec<u16>,
    tick: u32,
    acked: u32,
}

/// As it was said at a resume; what was taken comes with the welcome ([`KnownList::resumed`]).
impl From<Known> for KnownList {
    fn from(Known { tick, ids }: Known) -> Self {
        Self { ids, tick, acked: 0 }
    }
}

impl KnownList {
    /// For a resume; `None` where there is nothing to say, or too much.
    pub fn known(&self) -> Option<Known> {
        let ids = &self.ids;
        (1..=MAX_KNOWN).contains(&ids.len()).then(|| Known { tick: self.tick, ids: ids.clone() })
    }

    /// The next update comes over a new connection, whose welcome says that these inputs were taken.
    pub fn resumed(&mut self, acked: u32) {
        self.acked = acked;
    }

    /// Makes an update plain: afterwards its tick and acknowledgement are absolute, and `moved` names ids.
    ///
    /// # Errors
    /// `protocol` if it moves what is not in the list: an update was lost.
    pub fn resolve(&mut self, update: &mut Update) -> Result<(), Refusal> {
        if update.whole {
            *self = Self::default();
        }
        self.tick = self.tick.wrapping_add(update.tick);
        self.acked = self.acked.wrapping_add(update.acked);
        (update.tick, update.acked) = (self.tick, self.acked);
        for id in &update.left {
            if let Some(place) = self.ids.iter().position(|known| known == id) {
                self.ids.swap_remove(place);
            }
        }
        self.ids.extend(update.entered.iter().map(|entered| entered.id));
        for (place, ..) in &mut update.moved {
            let id = self.ids.get(*place as usize);
            *place = u32::from(*id.ok_or_else(|| Refusal::new(Code::Protocol, "an update was lost"))?);
        }
        Ok(())
    }
}
