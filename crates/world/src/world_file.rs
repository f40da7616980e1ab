//! A world as its file `worlds/<name>.toml` describes it. docs/worlds.md lists every key.

use serde::Deserialize;
use toml::Spanned;

use crate::balance::Budget;
use crate::faction::Faction;
use crate::layout::ground_at;
use crate::nearest::nearest;
use crate::space::{Place, Rect};
use crate::toml_file::{self, FileError, line_of};
use crate::world::{Claims, Grid, Kind, Map, MapPoint, Maps, OWN_SERVER, Portal, World};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: Option<String>,
    #[serde(default)]
    about: String,
    kind: FileKind,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    rules: Vec<String>,
    capacity: Option<Spanned<i64>>,
    layers: Option<Spanned<i64>>,
    idle_stop_s: Option<Spanned<i64>>,
    claimed_idle_s: Option<Spanned<i64>>,
    claim_currency: Option<String>,
    claim_price: Option<Spanned<i64>>,
    claim_days: Option<Spanned<i64>>,
    grace_s: Option<Spanned<i64>>,
    tick_hz: Option<Spanned<i64>>,
    view_m: Option<Spanned<i64>>,
    creatures: Option<bool>,
    split_above: Option<Spanned<i64>>,
    split_tick_ms: Option<Spanned<i64>>,
    merge_below: Option<Spanned<i64>>,
    grid: Option<Spanned<FileGrid>>,
    maps: Option<Spanned<FileMaps>>,
    #[serde(default)]
    map: Vec<Spanned<FileMap>>,
    #[serde(default)]
    faction: Vec<Spanned<FileFaction>>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum FileKind {
    Grid,
    Maps,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Point {
    x: f64,
    y: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileGrid {
    cell_m: Spanned<i64>,
    area_cells: Spanned<i64>,
    bounds: Option<Spanned<Rect>>,
    spawn: Spanned<Point>,
    #[serde(default)]
    always_on: Vec<Spanned<Point>>,
    #[serde(default)]
    portal: Vec<Spanned<FilePortal>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMaps {
    spawn: Spanned<MapPoint>,
    #[serde(default)]
    spawn_maps: Vec<Spanned<String>>,
    spawn_layers: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMap {
    id: String,
    title: Option<String>,
    width_m: Spanned<i64>,
    height_m: Spanned<i64>,
    server: Option<String>,
    #[serde(default)]
    always_on: bool,
    #[serde(default)]
    lobby: bool,
    #[serde(default)]
    portal: Vec<Spanned<FilePortal>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePortal {
    x: i32,
    y: i32,
    width_m: u16,
    height_m: u16,
    world: Option<String>,
    to: Option<String>,
    to_x: f64,
    to_y: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileFaction {
    id: String,
    title: Option<String>,
    #[serde(default)]
    about: String,
    colour: Option<String>,
    spawn: FileSpawn,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSpawn {
    map: Option<String>,
    x: f64,
    y: f64,
}

/// Reads one world; `file` is shown in errors, its stem is the world's name.
///
/// # Errors
/// The first mistake with its line: unknown keys, numbers out of range, portals that overlap or lead
/// nowhere, a spawn outside its map.
pub fn read(file: &str, text: &str) -> Result<World, FileError> {
    let reader = Reader { file, text };
    reader.world(toml_file::read(file, text)?)
}

/// Looks whether the portals of a world that lead to another one lead to a place that is there: one of `worlds`.
///
/// # Errors
/// The first one that does not, with its line.
pub fn check_ways<'w>(
    file: &str,
    text: &str,
    worlds: impl Iterator<Item = &'w World> + Clone,
) -> Result<(), FileError> {
    let reader = Reader { file, text };
    let read: File = toml_file::read(file, text)?;
    let of_grid = read.grid.iter().flat_map(|grid| &grid.get_ref().portal);
    for portal in read.map.iter().flat_map(|map| &map.get_ref().portal).chain(of_grid) {
        let (to, at) = (portal.get_ref(), portal.span().start);
        let Some(name) = &to.world else { continue };
        let Some(world) = worlds.clone().find(|world| world.name == *name) else {
            let hint = nearest(name, worlds.map(|world| world.name.as_str()));
            let hint = hint.map_or(String::new(), |hint| format!("; did you mean «{hint}»?"));
            return reader.error(at, format!("a portal's end: there is no world «{name}»{hint}"));
        };
        reader.leads_into(world, to, at)?;
    }
    Ok(())
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    fn error<T>(&self, offset: usize, text: impl Into<String>) -> Result<T, FileError> {
        Err(FileError { file: self.file.to_owned(), line: line_of(self.text, offset), text: text.into() })
    }

    fn number(&self, key: &str, value: &Spanned<i64>, least: i64, most: i64) -> Result<u32, FileError> {
        let n = *value.get_ref();
        if n < least || n > most {
            return self.error(value.span().start, format!("{key} = {n}: give {least} to {most}"));
        }
        Ok(n as u32)
    }

    fn or_number(
        &self,
        key: &str,
        value: &Option<Spanned<i64>>,
        default: u32,
        least: i64,
        most: i64,
    ) -> Result<u32, FileError> {
        value.as_ref().map_or(Ok(default), |value| self.number(key, value, least, most))
    }

    fn world(&self, file: File) -> Result<World, FileError> {
        let stem = self.file.rsplit('/').next().unwrap_or(self.file);
        let name = stem.strip_suffix(".toml").unwrap_or(stem).to_owned();
        if !is_id(&name) {
            return self.error(0, "a world's file is named with letters, digits, «-» and «_», and .toml");
        }
        let kind = match file.kind {
            FileKind::Grid => {
                if let Some(map) = file.map.first() {
                    return self.error(map.span().start, "a grid world has no [[map]]");
                }
                let Some(grid) = &file.grid else { return self.error(0, "kind = \"grid\" needs a [grid]") };
                Kind::Grid(self.grid(grid.get_ref())?)
            }
            FileKind::Maps => {
                if let Some(grid) = &file.grid {
                    return self.error(grid.span().start, "a maps world has no [grid]");
                }
                let Some(maps) = &file.maps else { return self.error(0, "kind = \"maps\" needs a [maps]") };
                Kind::Maps(self.maps(maps.get_ref(), &file.map)?)
            }
        };
        let idle_stop_s = self.or_number("idle_stop_s", &file.idle_stop_s, 1_800, 0, 31_536_000)?;
        let claimed = self.or_number("claimed_idle_s", &file.claimed_idle_s, 172_800, 0, 31_536_000)?;
        let balance = self.balance(&file, &kind)?;
        let mut world = World {
            title: file.title.unwrap_or_else(|| name.clone()),
            name,
            about: file.about,
            seed: file.seed,
            rules: file.rules,
            capacity: self.or_number("capacity", &file.capacity, 100, 1, 10_000)?,
            layers: self.or_number("layers", &file.layers, 1, 1, 1_000)? as u16,
            idle_stop_s,
            claimed_idle_s: claimed.max(idle_stop_s),
            claims: Claims {
                currency: file.claim_currency.unwrap_or_else(|| "coin".to_owned()),
                price: self.or_number("claim_price", &file.claim_price, 10, 0, 1_000_000)?,
                days: self.or_number("claim_days", &file.claim_days, 7, 1, 365)?,
            },
            grace_s: self.or_number("grace_s", &file.grace_s, 30, 0, 3_600)?,
            tick_hz: self.or_number("tick_hz", &file.tick_hz, 20, 1, 60)?,
            view_m: self.or_number("view_m", &file.view_m, 60, 8, 1_000)?,
            creatures: file.creatures.unwrap_or(true),
            balance,
            kind,
            factions: Vec::new(),
        };
        for faction in &file.faction {
            let faction = self.faction(&world, faction)?;
            world.factions.push(faction);
        }
        Ok(world)
    }

    fn balance(&self, file: &File, kind: &Kind) -> Result<Option<Budget>, FileError> {
        let keys = [
            ("split_above", &file.split_above),
            ("split_tick_ms", &file.split_tick_ms),
            ("merge_below", &file.merge_below),
        ];
        let Some((key, given)) = keys.iter().find_map(|(key, value)| Some((key, value.as_ref()?))) else {
            return Ok(None);
        };
        let at = given.span().start;
        if matches!(kind, Kind::Maps(_)) {
            return self.error(at, format!("{key}: a map is always one area"));
        }
        if file.split_above.is_none() && file.split_tick_ms.is_none() {
            return self.error(at, "merge_below needs split_above or split_tick_ms");
        }
        let players = self.or_number("split_above", &file.split_above, 10_000, 1, 10_000)?;
        let tick_ms = self.or_number("split_tick_ms", &file.split_tick_ms, 1_000, 1, 1_000)?;
        let most = if file.split_above.is_some() { players / 2 } else { 10_000 };
        let merge_below = self.or_number("merge_below", &file.merge_below, players / 4, 0, most.into())?;
        Ok(Some(Budget { players, tick_us: tick_ms * 1_000, merge_below }))
    }

    fn grid(&self, grid: &FileGrid) -> Result<Grid, FileError> {
        let cell_m = self.number("cell_m", &grid.cell_m, 8, 4_096)?;
        let area_cells = self.number("area_cells", &grid.area_cells, 1, 64)?;
        let bounds = grid.bounds.as_ref().map(|b| *b.get_ref());
        if let (Some(rect), Some(span)) = (bounds, grid.bounds.as_ref().map(Spanned::span)) {
            let most = 1_000_000_000 / cell_m as i32;
            if rect.is_empty() || [rect.x0, rect.y0, rect.x1, rect.y1].iter().any(|v| v.abs() > most) {
                return self.error(span.start, "bounds: x0 < x1 and y0 < y1, in cells, not too far out");
            }
        }
        let inside = |point: &Spanned<Point>, what: &str| {
            let p = point.get_ref();
            let cell = f64::from(cell_m);
            let far = p.x.abs().max(p.y.abs()) > 1e9;
            if !p.x.is_finite()
                || !p.y.is_finite()
                || far
                || bounds.is_some_and(|b| !b.contains(p.x / cell, p.y / cell))
            {
                return self.error(point.span().start, format!("{what} lies outside the world"));
            }
            Ok((p.x, p.y))
        };
        let always_on = grid.always_on.iter().map(|p| inside(p, "always_on")).collect::<Result<_, _>>()?;
        let spawn = inside(&grid.spawn, "spawn")?;
        let whole = bounds.map(|b| {
            let side = cell_m as i32;
            Rect { x0: b.x0 * side, y0: b.y0 * side, x1: b.x1 * side, y1: b.y1 * side }
        });
        let portals = self.portals(&grid.portal, whole, "the grid")?;
        for entry in &grid.portal {
            let (portal, start) = (entry.get_ref(), entry.span().start);
            let end = Spanned::new(entry.span(), Point { x: portal.to_x, y: portal.to_y });
            match (&portal.world, &portal.to) {
                (None, Some(_)) => {
                    return self.error(start, "a portal's end: a grid has no maps; leave out «to»");
                }
                (None, None) => drop(inside(&end, "a portal's end")?),
                (Some(_), _) => {}
            }
        }
        Ok(Grid { cell_m, area_cells, bounds, spawn, always_on, portals })
    }

    fn maps(&self, file: &FileMaps, list: &[Spanned<FileMap>]) -> Result<Maps, FileError> {
        let mut maps: Vec<Map> = Vec::new();
        for entry in list {
            let map = self.map(entry.get_ref(), entry.span().start)?;
            if maps.iter().any(|m| m.id == map.id) {
                return self.error(entry.span().start, format!("there are two maps «{}»", map.id));
            }
            maps.push(map);
        }
        if maps.is_empty() {
            return self.error(0, "a maps world needs at least one [[map]]");
        }
        let spawn_layers = self.or_number("spawn_layers", &file.spawn_layers, 1, 1, 1_000)? as u16;
        let spawn_maps = file.spawn_maps.iter().map(|m| m.get_ref().clone()).collect();
        let maps = Maps { maps, spawn: file.spawn.get_ref().clone(), spawn_maps, spawn_layers };
        for name in &file.spawn_maps {
            self.known(&maps, name.get_ref(), name.span().start)?;
        }
        self.on_map(&maps, &maps.spawn.map, (maps.spawn.x, maps.spawn.y), "spawn", file.spawn.span().start)?;
        for (map, entry) in maps.maps.iter().zip(list) {
            for (portal, span) in map.portals.iter().zip(entry.get_ref().portal.iter().map(Spanned::span)) {
                if portal.world.is_some() {
                    continue;
                }
                let Some(to) = &portal.to else {
                    return self.error(span.start, "a portal's end: name the map, «to», or another world");
                };
                self.on_map(&maps, to, (portal.to_x, portal.to_y), "a portal's end", span.start)?;
            }
        }
        Ok(maps)
    }

    fn map(&self, map: &FileMap, offset: usize) -> Result<Map, FileError> {
        if !is_id(&map.id) {
            return self.error(offset, format!("«{}»: a map's id has letters, digits, «-» and «_»", map.id));
        }
        let mut read = Map {
            id: map.id.clone(),
            title: map.title.clone().unwrap_or_else(|| map.id.clone()),
            width_m: self.number("width_m", &map.width_m, 8, 16_384)?,
            height_m: self.number("height_m", &map.height_m, 8, 16_384)?,
            server: map.server.clone().unwrap_or_else(|| OWN_SERVER.to_owned()),
            always_on: map.always_on,
            lobby: map.lobby,
            portals: Vec::new(),
        };
        read.portals = self.portals(&map.portal, Some(read.rect()), &format!("«{}»", map.id))?;
        Ok(read)
    }

    /// Portals that stand on this ground and do not overlap; where they lead is looked at by who knows what is there.
    fn portals(
        &self,
        list: &[Spanned<FilePortal>],
        whole: Option<Rect>,
        on: &str,
    ) -> Result<Vec<Portal>, FileError> {
        let mut read: Vec<Portal> = Vec::new();
        for entry in list {
            let (p, at) = (entry.get_ref(), entry.span().start);
            let edge = |from: i32, side: u16| from.saturating_add(i32::from(side));
            let rect = Rect { x0: p.x, y0: p.y, x1: edge(p.x, p.width_m), y1: edge(p.y, p.height_m) };
            if rect.is_empty() || whole.is_some_and(|whole| !whole.includes(&rect)) {
                return self.error(at, format!("a portal on {on} is empty or outside of it"));
            }
            let to = |world: &Option<String>, map: &Option<String>| {
                let map = map.as_ref().or(world.as_ref()).map_or("elsewhere", String::as_str);
                format!("to «{map}»")
            };
            if let Some(other) = read.iter().find(|other| other.rect.overlaps(&rect)) {
                let (one, two) = (to(&other.world, &other.to), to(&p.world, &p.to));
                return self.error(at, format!("two portals on {on} overlap ({one} and {two})"));
            }
            let (world, map) = (p.world.clone(), p.to.clone());
            read.push(Portal { rect, world, to: map, to_x: p.to_x, to_y: p.to_y });
        }
        Ok(read)
    }

    /// A portal's end lies on this world, another one than its own.
    fn leads_into(&self, world: &World, to: &FilePortal, at: usize) -> Result<(), FileError> {
        match (&world.kind, &to.to) {
            (Kind::Maps(maps), Some(map)) => self.on_map(maps, map, (to.to_x, to.to_y), "a portal's end", at),
            (Kind::Maps(_), None) => {
                self.error(at, format!("a portal's end: the world «{}» has maps; name one, «to»", world.name))
            }
            (Kind::Grid(_), Some(_)) => self
                .error(at, format!("a portal's end: the world «{}» has no maps; leave out «to»", world.name)),
            (Kind::Grid(_), None) => {
                let place = Place { world: world.name.clone(), map: None, x: to.to_x, y: to.to_y };
                match ground_at(world, &place) {
                    Ok(_) => Ok(()),
                    Err(_) => self.error(
                        at,
                        format!(
                            "a portal's end ({}, {}) lies outside the world «{}»",
                            to.to_x, to.to_y, world.name
                        ),
                    ),
                }
            }
        }
    }

    fn faction(&self, world: &World, entry: &Spanned<FileFaction>) -> Result<Faction, FileError> {
        let (file, at) = (entry.get_ref(), entry.span().start);
        if !is_id(&file.id) || world.factions.iter().any(|f| f.id == file.id) {
            return self.error(
                at,
                format!("«{}»: a faction's id is unique and has letters, digits, «-», «_»", file.id),
            );
        }
        let spawn = Place {
            world: world.name.clone(),
            map: file.spawn.map.clone(),
            x: file.spawn.x,
            y: file.spawn.y,
        };
        let of_kind = matches!(world.kind, Kind::Maps(_)) == spawn.map.is_some();
        if !of_kind || ground_at(world, &spawn).is_err() {
            return self.error(at, format!("the spawn of «{}» lies outside the world or its map", file.id));
        }
        Ok(Faction {
            id: file.id.clone(),
            title: file.title.clone().unwrap_or_else(|| file.id.clone()),
            colour: file.colour.clone().unwrap_or_else(|| "#888888".to_owned()),
            about: file.about.clone(),
            spawn,
        })
    }

    fn known<'m>(&self, maps: &'m Maps, id: &str, offset: usize) -> Result<&'m Map, FileError> {
        match maps.map(id) {
            Ok(map) => Ok(map),
            Err(_) => {
                let hint = nearest(id, maps.maps.iter().map(|m| m.id.as_str()));
                let hint = hint.map_or(String::new(), |h| format!("; did you mean «{h}»?"));
                self.error(offset, format!("there is no map «{id}»{hint}"))
            }
        }
    }

    fn on_map(
        &self,
        maps: &Maps,
        id: &str,
        (x, y): (f64, f64),
        what: &str,
        offset: usize,
    ) -> Result<(), FileError> {
        if self.known(maps, id, offset)?.rect().contains(x, y) {
            return Ok(());
        }
        self.error(offset, format!("{what} ({x}, {y}) lies outside the map «{id}»"))
    }
}

/// Letters, digits, `-` and `_`, 1 to 64.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
