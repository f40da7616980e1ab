//! What a character wears: what the ledger has in the slots that only wearing fills.

use bevy_ecs::prelude::*;
use pangea_engine::{Builder, Replicate};
use pangea_world::ledger::{FIRST_WORN, Sheet};

use crate::items::{self, Place, Use};

/// Item numbers plus one; 0: nothing. All see it.
#[derive(Component, Replicate, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gear {
    /// In the hand.
    pub hand: u16,
    /// On the head.
    pub head: u16,
    /// On the body.
    pub body: u16,
    /// On the feet.
    pub feet: u16,
}

/// Declares it.
pub fn build(area: &mut Builder) {
    area.component::<Gear>();
}

impl Gear {
    /// What is worn, of a sheet. What does not belong there is not worn.
    pub fn of(sheet: &Sheet) -> Self {
        let worn = |place: Place| {
            let stack = sheet.stacks.get(&(FIRST_WORN + place as u32));
            let number = stack.map(|stack| items::number(&stack.template));
            number.filter(|number| items::of(*number).place() == Some(place)).map_or(0, |number| number + 1)
        };
        let [hand, head, body, feet] = Place::ALL.map(worn);
        Self { hand, head, body, feet }
    }

    fn uses(&self) -> impl Iterator<Item = Use> {
        let worn = [self.hand, self.head, self.body, self.feet];
        worn.into_iter().filter(|number| *number > 0).map(|number| items::of(number - 1).use_)
    }

    /// Health that a blow takes; `bare` with nothing in the hand.
    pub fn damage(&self, bare: u16) -> u16 {
        self.uses()
            .find_map(|one| if let Use::Weapon(damage) = one { Some(damage) } else { None })
            .unwrap_or(bare)
    }

    /// What is left of a blow; at least 1.
    pub fn softens(&self, damage: u16) -> u16 {
        let armour: u16 =
            self.uses().map(|one| if let Use::Armour(_, armour) = one { armour } else { 0 }).sum();
        damage.saturating_sub(armour).max(damage.min(1))
    }

    /// Whether an axe is in the hand.
    pub fn has_axe(&self) -> bool {
        self.hand == items::number("axe") + 1
    }
}
