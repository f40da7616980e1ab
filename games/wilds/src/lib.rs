//! The reference game: a land from a seed, and what lives on it.
//!
//! | module | does |
//! |---|---|
//! | [`land`] | meadows, woods, lakes and hills |
//! | [`species`] | what a rabbit, a deer, a boar and a wolf are like |
//! | [`population`] | lairs wake where players are, and sleep again |
//! | [`census`] | who is near whom |
//! | [`mind`] | what a creature wants |
//! | [`moving`] | how it gets there |
//! | [`path`] | the way around what stands in the way |
//! | [`attack`] | a character strikes |
//! | [`across`] | blows over the border of an area |
//! | [`health`] | blows, death, and getting well |
//! | [`gather`] | felling trees and breaking rocks |
//! | [`items`] | what there is to have: one table |
//! | [`deeds`] | what was asked of the ledger, and what became of it |
//! | [`bag`], [`gear`] | what a character carries and wears |
//! | [`loot`], [`finds`] | corpses; herbs and chests |
//! | [`heaps`] | what lies on the ground |
//! | [`craft`] | making something of other things |
//! | [`people`], [`quests`] | who stands there, and what they ask for |
//! | [`strongbox`] | what one has in safe keeping |
//! | [`trade`] | two characters trade |
//! | [`day`] | day and night |

pub mod across;
pub mod attack;
pub mod bag;
pub mod census;
pub mod craft;
pub mod day;
pub mod deeds;
pub mod finds;
pub mod gather;
pub mod gear;
pub mod health;
pub mod heaps;
pub mod items;
pub mod land;
pub mod loot;
pub mod mind;
pub mod moving;
pub mod path;
pub mod people;
pub mod population;
pub mod quests;
pub mod species;
pub mod strongbox;
#[cfg(test)]
mod tests;
pub mod trade;

use pangea_engine::{Builder, Game, Setup};

/// The game.
pub fn game() -> Game {
    Game { name: "wilds", land: |world, ground| Box::new(land::Wilds::new(world, ground)), build }
}

/// Everything in the order in which it happens in a step.
fn build(area: &mut Builder, setup: &Setup<'_>) {
    area.walking();
    deeds::build(area);
    census::build(area, setup);
    day::build(area, setup);
    health::build(area, setup);
    population::build(area, setup);
    attack::build(area, setup);
    across::build(area, setup);
    mind::build(area, setup);
    gather::build(area, setup);
    goods(area, setup);
    health::finish(area);
}

/// What one can have. What died in the last step is counted before it leaves a corpse.
fn goods(area: &mut Builder, setup: &Setup<'_>) {
    area.table("items", items::table());
    gear::build(area);
    bag::build(area, setup);
    quests::build(area, setup);
    loot::build(area, setup);
    finds::build(area, setup);
    heaps::build(area, setup);
    craft::build(area);
    people::build(area, setup);
    strongbox::build(area);
    trade::build(area);
}
