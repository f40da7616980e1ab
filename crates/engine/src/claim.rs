//! Claimed ground: who may gather and build in this area. A game's systems ask [`Rights`] before they let a character
//! take from the land or change it; who says so is central, by the area server.

use bevy_ecs::prelude::*;
use bevy_ecs::query::Allow;
use bevy_ecs::system::SystemParam;
use pangea_world::id::FactionId;
use pangea_world::social::ClaimDoc;

use crate::{Ghost, Replicate, Sim};

/// The claim on the area's ground.
#[derive(Resource, Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim(pub Option<ClaimDoc>);

/// The faction of players that a character is a member of; without it, it is in none. Neighbours know it too: whoever
/// reaches over a border has there the rights that he has.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Eq)]
pub struct MemberOf {
    /// Its id.
    #[replicate(owner)]
    pub faction: String,
}

/// What one may or may not do on claimed ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Gather from what grows and lies there.
    Gather,
    /// Set up and take down.
    Build,
}

/// What characters may do here.
#[derive(SystemParam)]
pub struct Rights<'w, 's> {
    claim: Res<'w, Claim>,
    members: Query<'w, 's, &'static MemberOf, Allow<Ghost>>,
}

impl Rights<'_, '_> {
    /// Whether a character may.
    ///
    /// # Errors
    /// Whose ground it is, if it may not.
    pub fn may(&self, character: Entity, right: Right) -> Result<(), &str> {
        let Some(claim) = &self.claim.0 else { return Ok(()) };
        let faction = self.members.get(character).ok().and_then(|member| member.faction.parse().ok());
        // Central takes a claim away that has run out: the area's time is not the wall's.
        let rights = claim.rights(faction, 0);
        let may = match right {
            Right::Gather => rights.gather,
            Right::Build => rights.build,
        };
        if may { Ok(()) } else { Err(&claim.name) }
    }
}

impl Sim {
    /// The claim on this ground from now on.
    pub fn set_claim(&mut self, claim: Option<ClaimDoc>) {
        self.ecs.insert_resource(Claim(claim));
    }

    /// The claim on this ground.
    pub fn claim(&self) -> Option<&ClaimDoc> {
        self.ecs.resource::<Claim>().0.as_ref()
    }

    /// A character's faction from now on.
    pub fn set_faction(&mut self, id: u16, faction: Option<FactionId>) {
        let Some(entity) = self.entity(id) else { return };
        match faction {
            Some(faction) => {
                let faction = faction.to_string();
                self.ecs.entity_mut(entity).insert(MemberOf { faction });
            }
            None => drop(self.ecs.entity_mut(entity).remove::<MemberOf>()),
        }
    }
}
