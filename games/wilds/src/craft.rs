//! Making something of other things: one table.

use bevy_ecs::prelude::*;
use pangea_engine::ledger::who;
use pangea_engine::walk::Stunned;
use pangea_engine::{Allowance, Builder, CharacterIs, Input, Inputs, Replicate};
use pangea_world::ledger::{Act, Bundle};
use serde_json::{Value, json};

use crate::deeds::{Asking, Deed};
use crate::health::IsCharacter;
use crate::items::{goods, number};

/// What one gets, and what it takes.
struct Recipe {
    gets: (&'static str, u32),
    gives: &'static [(&'static str, u32)],
}

const RECIPES: [Recipe; 10] = [
    Recipe { gets: ("roast", 1), gives: &[("meat", 1), ("wood", 1)] },
    Recipe { gets: ("salve", 1), gives: &[("herb", 3), ("mushroom", 1)] },
    Recipe { gets: ("rope", 1), gives: &[("fur", 2)] },
    Recipe { gets: ("club", 1), gives: &[("wood", 4)] },
    Recipe { gets: ("axe", 1), gives: &[("wood", 3), ("stone", 4), ("rope", 1)] },
    Recipe { gets: ("spear", 1), gives: &[("wood", 4), ("tusk", 1), ("rope", 1)] },
    Recipe { gets: ("sword", 1), gives: &[("iron", 6), ("wood", 2), ("hide", 1)] },
    Recipe { gets: ("cap", 1), gives: &[("hide", 2)] },
    Recipe { gets: ("boots", 1), gives: &[("hide", 3), ("rope", 1)] },
    Recipe { gets: ("campfire", 1), gives: &[("wood", 8), ("stone", 4)] },
];

/// Make something.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Craft {
    /// By which recipe.
    pub recipe: u16,
}

impl Input for Craft {}

/// Declares it.
pub fn build(area: &mut Builder) {
    area.input::<Craft>(Allowance::in_ten_ticks(5)).table("recipes", table()).system(craft);
}

fn table() -> Value {
    let pair = |(name, count): &(&str, u32)| json!([number(name), count]);
    let row = |recipe: &Recipe| {
        let gives: Vec<Value> = recipe.gives.iter().map(pair).collect();
        json!({ "gets": pair(&recipe.gets), "gives": gives })
    };
    RECIPES.iter().map(row).collect()
}

/// A character that may make something.
type Maker<'a> = (Entity, &'a CharacterIs, &'a mut Inputs<Craft>, Has<Stunned>);

fn craft(mut asking: Asking<'_, '_>, mut characters: Query<Maker<'_>, IsCharacter>) {
    for (by, CharacterIs(character), mut inputs, stunned) in &mut characters {
        for Craft { recipe } in inputs.drain() {
            let Some(Recipe { gets, gives }) = RECIPES.get(usize::from(recipe)) else {
                asking.refuse(by, "bad_choice", "there is no such recipe");
                continue;
            };
            if stunned {
                asking.refuse(by, "stunned", "not now");
                continue;
            }
            let gives: Vec<_> = gives.iter().map(|(name, count)| goods(name, *count)).collect();
            let (gives, gets) = (Bundle::goods(gives), Bundle::goods([goods(gets.0, gets.1)]));
            let act = Act::Exchange { who: who(*character), gives, gets };
            asking.ask(by, *character, act, Deed::Carry);
        }
    }
}
