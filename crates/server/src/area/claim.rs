//! Whose the ground is: what the game may ask of it, and what players are told.

use pangea_world::social::ClaimDoc;

use super::here::Area;

impl Area {
    /// From now on.
    pub fn on_claimed(&mut self, claim: Option<ClaimDoc>) {
        self.sim.set_claim(claim);
    }
}
