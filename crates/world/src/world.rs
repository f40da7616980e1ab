//! A world: its rules, its layout, its factions. [`crate::world_file`] reads one from its file.

use serde::Deserialize;

use crate::balance::Budget;
use crate::faction::Faction;
use crate::refusal::{Code, Refusal};
use crate::space::{Ground, Place, Rect};

/// One persistent place with its own rules.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// File name without `.toml`: letters, digits, `-` and `_`.
    pub name: String,
    /// Shown to players.
    pub title: String,
    /// One paragraph for the picker, may be empty.
    pub about: String,
    /// Everything that is generated comes from this number.
    pub seed: u64,
    /// What a player may wish for, e.g. `pve`; sorted as written.
    pub rules: Vec<String>,
    /// Players per server, 1 to 10,000.
    pub capacity: u32,
    /// Most parallel copies of one area, 1 to 1,000.
    pub layers: u16,
    /// Seconds without a player after which a server saves and stops; 0: never.
    pub idle_stop_s: u32,
    /// The same where a faction has the ground; never less than `idle_stop_s`.
    pub claimed_idle_s: u32,
    /// What a faction pays for a ground.
    pub claims: Claims,
    /// Seconds that a character stays after its connection was lost.
    pub grace_s: u32,
    /// Steps per second, 1 to 60.
    pub tick_hz: u32,
    /// How far a player sees, metres.
    pub view_m: u32,
    /// Whether creatures live there.
    pub creatures: bool,
    /// When areas are split and become one again; `None`: never by themselves.
    pub balance: Option<Budget>,
    /// Grid or maps.
    pub kind: Kind,
    /// Sorted as written; ids unique.
    pub factions: Vec<Faction>,
}

/// What a faction pays for the ground of an area.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// The game's name for the money.
    pub currency: String,
    /// For a day, 0 to 1,000,000.
    pub price: u32,
    /// Days that a new claim is paid for, 1 to 365; four times as many may be paid for ahead.
    pub days: u32,
}

/// How a world is laid out.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Endless or bounded, generated from the seed.
    Grid(Grid),
    /// Named maps, joined by portals.
    Maps(Maps),
}

/// The layout of a grid world.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Side of a cell, metres, 8 to 4,096.
    pub cell_m: u32,
    /// Side of a new area, cells, 1 to 64.
    pub area_cells: u32,
    /// The cells that exist; `None`: endless.
    pub bounds: Option<Rect>,
    /// Where a character without faction enters, metres.
    pub spawn: (f64, f64),
    /// Points whose areas run from the start and never idle, metres.
    pub always_on: Vec<(f64, f64)>,
    /// In the order of the file; they do not overlap.
    pub portals: Vec<Portal>,
}

/// The layout of a maps world.
#[derive(Debug, Clone, PartialEq)]
pub struct Maps {
    /// In the order of the file; ids unique; at least one.
    pub maps: Vec<Map>,
    /// Where a character without faction enters.
    pub spawn: MapPoint,
    /// Started when a spawner connects (K6), `spawn_layers` of each.
    pub spawn_maps: Vec<String>,
    /// How many layers of each of `spawn_maps` are started.
    pub spawn_layers: u16,
}

/// A point on a map.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapPoint {
    /// Which map.
    pub map: String,
    /// Metres.
    pub x: f64,
    /// Metres.
    pub y: f64,
}

/// One named map.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Unique in its world.
    pub id: String,
    /// Shown to players.
    pub title: String,
    /// West to east, metres, 8 to 16,384.
    pub width_m: u32,
    /// North to south, metres, 8 to 16,384.
    pub height_m: u32,
    /// The spawner's template that serves it; `area` is ours, another one a third-party server.
    pub server: String,
    /// Runs from the start and never idles.
    pub always_on: bool,
    /// A waiting place from which a player asks to go on (G1).
    pub lobby: bool,
    /// In the order of the file; they do not overlap.
    pub portals: Vec<Portal>,
}

/// A rectangle on the ground that leads elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Portal {
    /// Where it stands, metres.
    pub rect: Rect,
    /// The world to which it leads; `None`: the same.
    pub world: Option<String>,
    /// The map to which it leads; `None`: to a grid.
    pub to: Option<String>,
    /// Where there, metres.
    pub to_x: f64,
    /// Where there, metres.
    pub to_y: f64,
}

impl Portal {
    /// Whether it leads to this map of the world in which it stands.
    pub fn leads_to(&self, map: &str) -> bool {
        self.world.is_none() && self.to.as_deref() == Some(map)
    }
}

/// The template under which the spawner starts our own area server.
pub const OWN_SERVER: &str = "area";

impl Maps {
    /// The map of this name.
    ///
    /// # Errors
    /// `unknown_map`.
    pub fn map(&self, id: &str) -> Result<&Map, Refusal> {
        self.maps
            .iter()
            .find(|map| map.id == id)
            .ok_or_else(|| Refusal::new(Code::UnknownMap, format!("there is no map «{id}»")))
    }
}

impl Map {
    /// The whole map, metres.
    pub fn rect(&self) -> Rect {
        Rect { x0: 0, y0: 0, x1: self.width_m as i32, y1: self.height_m as i32 }
    }
}

impl World {
    /// Where a character of this faction enters for the first time (G5).
    ///
    /// # Errors
    /// `unknown_faction`.
    pub fn spawn(&self, faction: Option<&str>) -> Result<Place, Refusal> {
        if let Some(id) = faction {
            return Ok(self.faction(id)?.spawn.clone());
        }
        Ok(match &self.kind {
            Kind::Grid(grid) => {
                Place { world: self.name.clone(), map: None, x: grid.spawn.0, y: grid.spawn.1 }
            }
            Kind::Maps(maps) => self.on_map(&maps.spawn),
        })
    }

    /// The faction of this id.
    ///
    /// # Errors
    /// `unknown_faction`.
    pub fn faction(&self, id: &str) -> Result<&Faction, Refusal> {
        self.factions
            .iter()
            .find(|faction| faction.id == id)
            .ok_or_else(|| Refusal::new(Code::UnknownFaction, format!("there is no faction «{id}»")))
    }

    /// The portals of this map, or of the whole grid.
    pub fn portals(&self, ground: &Ground) -> &[Portal] {
        match (&self.kind, ground) {
            (Kind::Maps(maps), Ground::Map(map)) => maps.map(map).map_or(&[], |map| &map.portals),
            (Kind::Grid(grid), Ground::Cells(_)) => &grid.portals,
            _ => &[],
        }
    }

    fn on_map(&self, point: &MapPoint) -> Place {
        Place { world: self.name.clone(), map: Some(point.map.clone()), x: point.x, y: point.y }
    }
}
