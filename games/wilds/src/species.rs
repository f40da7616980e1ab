//! What the kinds of creatures are like: one table.

use bevy_ecs::prelude::*;
use pangea_engine::{Builder, Field, Kind, Malformed};

/// A kind of creature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Species {
    /// Flees from everything.
    #[default]
    Rabbit,
    /// Flees, and sees far.
    Deer,
    /// Minds its own business until somebody hurts it.
    Boar,
    /// Hunts rabbits, deer and who comes near.
    Wolf,
}

/// What is the same for all of a species.
#[derive(Debug, Clone, Copy)]
pub struct Nature {
    /// What clients call it.
    pub name: &'static str,
    /// Health when well.
    pub health: u16,
    /// Metres per second at ease.
    pub stroll_m_s: f64,
    /// Metres per second in flight and in pursuit; a character walks 5.
    pub run_m_s: f64,
    /// How far from its lair it strolls, metres.
    pub roam_m: f64,
    /// From how far it flees from a wolf, metres; 0: it does not.
    pub shuns_wolf_m: f64,
    /// From how far it flees from a character, metres; 0: it does not.
    pub shuns_character_m: f64,
    /// Health that a bite takes.
    pub bite: u16,
    /// Seconds between two bites.
    pub bite_s: f64,
    /// Fewest and most in a lair.
    pub herd: (u8, u8),
}

impl Species {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Rabbit, Self::Deer, Self::Boar, Self::Wolf];

    /// What it is like.
    pub const fn nature(self) -> &'static Nature {
        match self {
            Self::Rabbit => &Nature {
                name: "rabbit",
                health: 10,
                stroll_m_s: 1.4,
                run_m_s: 3.9,
                roam_m: 9.0,
                shuns_wolf_m: 9.0,
                shuns_character_m: 5.0,
                bite: 0,
                bite_s: 1.0,
                herd: (3, 5),
            },
            Self::Deer => &Nature {
                name: "deer",
                health: 30,
                stroll_m_s: 1.2,
                run_m_s: 4.2,
                roam_m: 14.0,
                shuns_wolf_m: 13.0,
                shuns_character_m: 7.0,
                bite: 0,
                bite_s: 1.0,
                herd: (2, 4),
            },
            Self::Boar => &Nature {
                name: "boar",
                health: 60,
                stroll_m_s: 0.9,
                run_m_s: 4.2,
                roam_m: 10.0,
                shuns_wolf_m: 0.0,
                shuns_character_m: 0.0,
                bite: 9,
                bite_s: 1.4,
                herd: (1, 3),
            },
            Self::Wolf => &Nature {
                name: "wolf",
                health: 40,
                stroll_m_s: 1.3,
                run_m_s: 4.8,
                roam_m: 16.0,
                shuns_wolf_m: 0.0,
                shuns_character_m: 0.0,
                bite: 7,
                bite_s: 1.2,
                herd: (2, 3),
            },
        }
    }

    /// Whether a wolf eats it.
    pub fn is_prey(self) -> bool {
        matches!(self, Self::Rabbit | Self::Deer)
    }

    /// Whether it fights back.
    pub fn is_fierce(self) -> bool {
        self.nature().bite > 0
    }
}

impl Field for Species {
    fn kind() -> String {
        u8::kind()
    }
    fn put(&self, out: &mut Vec<u8>) {
        (*self as u8).put(out);
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        Self::ALL.get(usize::from(u8::take(from)?)).copied().ok_or(Malformed)
    }
}

/// The species' numbers as kinds of entities.
#[derive(Resource, Debug, Clone, Copy)]
pub struct Kinds([Kind; Species::ALL.len()]);

impl Kinds {
    /// Declares them.
    pub fn declare(area: &mut Builder) -> Self {
        Self(Species::ALL.map(|species| area.kind(species.nature().name)))
    }

    /// The kind of a species.
    pub fn of(&self, species: Species) -> Kind {
        self.0[species as usize]
    }
}
