//! The items: one table. An item's number is its place in it, its name what the ledger calls it.

use pangea_world::ledger::Goods;
use serde_json::{Value, json};

/// Where something is worn, in the order of the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Struck with.
    Hand,
    /// Protects.
    Head,
    /// Protects.
    Body,
    /// Protects.
    Feet,
}

impl Place {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Hand, Self::Head, Self::Body, Self::Feet];

    fn name(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::Head => "head",
            Self::Body => "body",
            Self::Feet => "feet",
        }
    }
}

/// What an item is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// To make something of, to bring, to sell.
    Matter,
    /// Eaten: so much health.
    Food(u16),
    /// In the hand: health that a blow takes.
    Weapon(u16),
    /// Worn: so much less of each blow.
    Armour(Place, u16),
    /// Set up on the ground, where one may build.
    Building,
}

/// A kind of goods.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// As the ledger has it; never changes.
    pub name: &'static str,
    /// As players read it.
    pub title: &'static str,
    /// How the page draws it.
    pub icon: &'static str,
    /// How many fit on one stack.
    pub stack: i64,
    /// What it costs, coins; who sells it gets half. 0: nobody deals with it.
    pub price: i64,
    /// What it is for.
    pub use_: Use,
}

const fn item(
    name: &'static str,
    title: &'static str,
    icon: &'static str,
    stack: i64,
    price: i64,
    use_: Use,
) -> Item {
    Item { name, title, icon, stack, price, use_ }
}

use Place::{Body, Feet, Head};
use Use::{Armour, Building, Food, Matter, Weapon};

/// All of them; new ones are added before the last.
pub const ITEMS: [Item; 28] = [
    item("wood", "Wood", "🪵", 20, 2, Matter),
    item("stone", "Stone", "🪨", 20, 2, Matter),
    item("iron", "Iron ore", "🔩", 20, 8, Matter),
    item("gem", "Gem", "💎", 10, 60, Matter),
    item("herb", "Herb", "🌿", 20, 4, Matter),
    item("mushroom", "Mushroom", "🍄", 10, 3, Food(8)),
    item("meat", "Raw meat", "🥩", 10, 4, Food(5)),
    item("hide", "Hide", "🟫", 20, 6, Matter),
    item("antler", "Antler", "🦌", 10, 10, Matter),
    item("tusk", "Tusk", "🦷", 10, 10, Matter),
    item("fang", "Fang", "🐺", 10, 12, Matter),
    item("fur", "Rabbit fur", "🐇", 20, 3, Matter),
    item("roast", "Roast", "🍖", 10, 9, Food(30)),
    item("bread", "Bread", "🍞", 10, 5, Food(15)),
    item("salve", "Salve", "🧴", 10, 16, Food(50)),
    item("rope", "Rope", "🪢", 10, 6, Matter),
    item("club", "Club", "🏏", 1, 10, Weapon(15)),
    item("axe", "Axe", "🪓", 1, 30, Weapon(18)),
    item("spear", "Spear", "🔱", 1, 45, Weapon(22)),
    item("sword", "Sword", "🗡️", 1, 120, Weapon(30)),
    item("cap", "Leather cap", "🧢", 1, 20, Armour(Head, 1)),
    item("helm", "Iron helm", "🪖", 1, 70, Armour(Head, 2)),
    item("coat", "Leather coat", "🧥", 1, 40, Armour(Body, 2)),
    item("boots", "Boots", "🥾", 1, 25, Armour(Feet, 1)),
    item("letter", "Sealed letter", "✉️", 1, 0, Matter),
    item("reply", "Answer", "📜", 1, 0, Matter),
    item("campfire", "Campfire", "🔥", 1, 0, Building),
    item("curiosity", "Curiosity", "📦", 1, 0, Matter),
];

/// What the ledger has under a name that this table does not have, is shown as the last one.
const UNKNOWN: u16 = ITEMS.len() as u16 - 1;

/// An item's number, or that of the last one.
pub fn number(name: &str) -> u16 {
    ITEMS.iter().position(|item| item.name == name).map_or(UNKNOWN, |n| n as u16)
}

/// The item with this number.
///
/// # Panics
/// If there is none.
pub fn of(number: u16) -> &'static Item {
    &ITEMS[usize::from(number)]
}

/// So many of an item, for the ledger.
///
/// # Panics
/// If there is no such item: a mistake in one of the game's tables.
pub fn goods(name: &str, count: u32) -> Goods {
    let item = ITEMS.iter().find(|item| item.name == name);
    let item = item.unwrap_or_else(|| panic!("there is no item «{name}»"));
    Goods { template: item.name.to_owned(), quantity: count.into(), most: item.stack }
}

/// The table as clients get it.
pub fn table() -> Value {
    let row = |item: &Item| {
        let mut row = json!({
            "name": item.name, "title": item.title, "icon": item.icon, "stack": item.stack,
            "place": "", "price": item.price, "use": "",
        });
        match item.use_ {
            Matter | Building => {}
            Food(heals) => (row["use"], row["heals"]) = (json!("eat"), json!(heals)),
            Weapon(damage) => {
                (row["use"], row["place"], row["damage"]) = (json!("wear"), json!("hand"), json!(damage));
            }
            Armour(place, armour) => {
                (row["use"], row["place"], row["armour"]) =
                    (json!("wear"), json!(place.name()), json!(armour));
            }
        }
        row
    };
    ITEMS.iter().map(row).collect()
}

impl Item {
    /// Whether it is built where it is laid down.
    pub fn is_built(&self) -> bool {
        self.use_ == Building
    }

    /// Where it is worn.
    pub fn place(&self) -> Option<Place> {
        match self.use_ {
            Weapon(_) => Some(Place::Hand),
            Armour(place, _) => Some(place),
            Matter | Food(_) | Building => None,
        }
    }
}
