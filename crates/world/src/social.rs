//! Whom a character is with, as its area server must know it: party, faction, whom it does not hear, whether it
//! may speak; and who may do what on claimed ground.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, CharacterId, FactionId, PartyId};

/// Of one character; what is missing in JSON is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SocialDoc {
    /// Its party.
    pub party: Option<PartyDoc>,
    /// The faction that it is a member of, beside the one of its world's file.
    pub faction: Option<Membership>,
    /// Accounts that it does not want to hear.
    pub blocked: Vec<AccountId>,
    /// It may not speak until then, ms since 1970; 0: it may.
    pub muted_until_ms: u64,
    /// 0 a player, 1 a game master, 2 an administrator.
    pub level: u8,
}

/// A party.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyDoc {
    /// Which.
    pub id: PartyId,
    /// Who leads it.
    pub leader: CharacterId,
    /// Everybody in it, the leader too, in the order in which they came.
    pub members: Vec<Member>,
}

/// One in a party.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub id: CharacterId,
    /// Its name.
    pub name: String,
}

/// A place in a faction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Which.
    pub id: FactionId,
    /// Its name.
    pub name: String,
    /// The role there.
    pub role: String,
}

/// A claim on an area's ground: who may do what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimDoc {
    /// Whose.
    pub faction: FactionId,
    /// Its name.
    pub name: String,
    /// Its allies.
    pub allies: Vec<FactionId>,
    /// What its members may.
    pub owner: Rights,
    /// What members of its allies may.
    pub ally: Rights,
    /// What everybody else may.
    pub guest: Rights,
    /// Until when it is paid for, ms since 1970.
    pub until_ms: u64,
}

/// What one may do on claimed ground.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Gather from what grows and lies there.
    pub gather: bool,
    /// Set up and take down.
    pub build: bool,
}

impl ClaimDoc {
    /// What a member of this faction, or of none, may do there at this time.
    pub fn rights(&self, faction: Option<FactionId>, now_ms: u64) -> Rights {
        if now_ms >= self.until_ms {
            return Rights { gather: true, build: true };
        }
        match faction {
            Some(faction) if faction == self.faction => self.owner,
            Some(faction) if self.allies.contains(&faction) => self.ally,
            _ => self.guest,
        }
    }
}
