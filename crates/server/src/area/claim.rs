//! Whose the ground is: what the game may ask of it, and what players are told.

use pangea_world::frames::ServerMessage;
use pangea_world::social::ClaimDoc;
use serde_json::json;

use super::here::Area;

impl Area {
    /// From now on.
    pub fn on_claimed(&mut self, claim: Option<ClaimDoc>) {
        if self.sim.claim() == claim.as_ref() {
            return;
        }
        self.sim.set_claim(claim);
        let notice = ServerMessage::Social(self.claim_notice());
        for client in self.clients.iter_mut().flatten() {
            client.say(&notice);
        }
    }

    /// One who comes in is told, if it is somebody's.
    pub fn tell_claim(&mut self, client: Option<usize>) {
        if self.sim.claim().is_some() {
            self.say(client, &ServerMessage::Social(self.claim_notice()));
        }
    }

    fn claim_notice(&self) -> String {
        json!({ "type": "claim", "claim": self.sim.claim() }).to_string()
    }
}
