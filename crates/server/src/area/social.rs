//! Whom characters are with, as central says it (docs/social.md): their parties are told to the game, notices
//! to their clients; and a character that somebody else sends on goes on.

use pangea_world::frames::ServerMessage;
use pangea_world::id::CharacterId;
use pangea_world::messages::{Body, GoOn, Notice, SendOn, SentOn};
use pangea_world::social::SocialDoc;
use pangea_world::space::{AreaName, Ground};
use pangea_world::{Code, Refusal};

use super::here::Area;
use crate::link;

/// Most bytes of a notice.
const MOST_NOTICE: usize = 8 << 10;

/// What a server does with one that is to go on.
enum Sent {
    /// It asks central for it.
    Asks,
    /// It is there.
    Stands,
}

impl Area {
    /// Central says whom a character is with; one that is not here is told of when it comes.
    pub fn on_social(&mut self, character: CharacterId, social: SocialDoc) {
        let Some(here) = self.here.get_mut(&character) else { return };
        here.social = social;
        self.join_party(character);
        self.join_talk(character);
    }

    /// The game knows the party and the faction of a character that is among the entities.
    pub fn join_party(&mut self, character: CharacterId) {
        let Some(here) = self.here.get(&character).filter(|here| here.in_world) else { return };
        let party = here.social.party.as_ref().map(|party| party.id);
        let faction = here.social.faction.as_ref().map(|faction| faction.id);
        let entity = here.entity;
        self.sim.set_party(entity, party);
        self.sim.set_faction(entity, faction);
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

    /// A character is to go on: beside the place in this area, else as if its client had asked for it. Central hears
    /// of it in any case.
    pub fn on_send_on(&mut self, on: SendOn) {
        let Some(to) = on.wish else { return };
        let order = to.order;
        let refused = match self.send_on(&on.character, to) {
            // Its GoOn says so.
            Ok(Sent::Asks) => return,
            Ok(Sent::Stands) => None,
            Err(refusal) => Some(link::from_refusal(&refusal)),
        };
        // A central of another version gives no number, and knows no answer.
        if order > 0 {
            self.tell(Body::SentOn(SentOn { order, refused }));
        }
    }

    fn send_on(&mut self, character: &[u8], to: GoOn) -> Result<Sent, Refusal> {
        let gone = || Refusal::new(Code::StaleEpoch, "this character is not here");
        let (id, here) = self.find(character).filter(|(_, here)| here.in_world).ok_or_else(gone)?;
        if here.frozen.is_some() {
            return Refusal::err(Code::AreaUnavailable, "this character is just going to another server");
        }
        let entity = here.entity;
        if self.is_here(&to) {
            self.sim.set_down(entity, (to.x, to.y));
            return Ok(Sent::Stands);
        }
        self.go_on(id, to)?;
        Ok(Sent::Asks)
    }

    /// Whether a wish leads to a place in this very area, and on its layer.
    fn is_here(&self, to: &GoOn) -> bool {
        u32::from(self.settings.layer) + 1 == to.layer_plus_one && self.is_within(to)
    }

    /// Whether a wish leads to a place on this area's ground.
    pub(super) fn is_within(&self, to: &GoOn) -> bool {
        let Ok(AreaName { world, ground, .. }) = self.settings.name.parse::<AreaName>() else {
            return false;
        };
        let ground = match &ground {
            Ground::Map(map) => *map == to.map,
            Ground::Cells(_) => self.sim.extent().contains(to.x, to.y),
        };
        to.at && ground && (to.world.is_empty() || world == to.world)
    }
}
