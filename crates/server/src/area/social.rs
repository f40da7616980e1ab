//! Whom characters are with, as central says it (docs/social.md): their parties are told to the game, notices
//! to their clients; and a character that its party takes along goes on.

use pangea_world::frames::ServerMessage;
use pangea_world::id::CharacterId;
use pangea_world::messages::{GoOn, Notice, SendOn};
use pangea_world::social::SocialDoc;
use pangea_world::space::{AreaName, Ground};

use super::here::Area;

/// Most bytes of a notice.
const MOST_NOTICE: usize = 8 << 10;

impl Area {
    /// Central says whom a character is with; one that is not here is told of when it comes.
    pub fn on_social(&mut self, character: CharacterId, social: SocialDoc) {
        let Some(here) = self.here.get_mut(&character) else { return };
        here.social = social;
        self.join_party(character);
    }

    /// The game knows the party of a character that is among the entities.
    pub fn join_party(&mut self, character: CharacterId) {
        let Some(here) = self.here.get(&character).filter(|here| here.in_world) else { return };
        let party = here.social.party.as_ref().map(|party| party.id);
        self.sim.set_party(here.entity, party);
    }

    /// Something for one client, or for all.
    pub fn on_notice(&mut self, notice: &Notice) {
        let Ok(json) = str::from_utf8(&notice.notice) else { return };
        if json.len() > MOST_NOTICE {
            return tracing::warn!(bytes = json.len(), "a notice is too long");
        }
        let told = |id: &CharacterId| notice.character.is_empty() || notice.character == id.0;
        let slots: Vec<_> =
            self.here.iter().filter(|(id, _)| told(id)).map(|(_, here)| here.client).collect();
        for slot in slots {
            self.say(slot, &ServerMessage::Social(json.to_owned()));
        }
    }

    /// Its party takes a character along: beside the place in this area, else as if its client had asked for it.
    pub fn on_send_on(&mut self, on: SendOn) {
        let Some(to) = on.wish else { return };
        let Some((id, here)) = self.find(&on.character) else { return };
        if !here.in_world || here.frozen.is_some() {
            return;
        }
        let (client, entity) = (here.client, here.entity);
        if self.is_here(&to) {
            return self.sim.set_down(entity, (to.x, to.y));
        }
        if let Err(refusal) = self.go_on(id, to) {
            self.say(client, &ServerMessage::Refused(refusal));
        }
    }

    /// Whether a wish leads to a place in this very area.
    fn is_here(&self, to: &GoOn) -> bool {
        let Ok(AreaName { world, ground, layer }) = self.settings.name.parse::<AreaName>() else {
            return false;
        };
        let ground = match &ground {
            Ground::Map(map) => *map == to.map,
            Ground::Cells(_) => self.sim.extent().contains(to.x, to.y),
        };
        to.at && ground && world == to.world && u32::from(layer) + 1 == to.layer_plus_one
    }
}
