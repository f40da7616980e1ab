//! The land of one area, chunk by chunk: made when somebody first comes near, then kept.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;

use bevy_ecs::prelude::Resource;
use pangea_world::frames::{CHUNK_TILES, tile};

use crate::Land;

/// Most chunks that are kept (1 KiB each); beyond it all are forgotten and made again.
const MOST_CHUNKS: usize = 4_096;

/// Most tiles that neighbours lend; what is more is as the land made it.
const MOST_LENT: usize = 40_000;

/// How many of the last alterations are remembered for neighbours.
const MOST_RECENT: usize = 256;

/// A chunk's side as a coordinate.
const SIDE: i32 = CHUNK_TILES as i32;

/// A tile that is not as the land made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Altered {
    /// What it is now; see [`pangea_world::frames::tile`].
    pub kind: u8,
    /// The tick at which it became so.
    pub since: u64,
}

/// A game's [`Land`] with its chunks kept.
#[derive(Resource)]
pub struct Terrain {
    land: Box<dyn Land>,
    chunks: HashMap<(i32, i32), Box<[u8]>>,
    altered: BTreeMap<(i32, i32), Altered>,
    /// Tiles of neighbouring areas that are not as the land made them: kind, and which neighbour told of it.
    lent: BTreeMap<(i32, i32), (u8, u16)>,
    /// The last that were altered.
    recent: VecDeque<(i32, i32)>,
    /// The tick of what is altered now.
    pub(crate) now: u64,
    /// Raised with each altered tile.
    version: u64,
    /// Those altered since the last step.
    changed: Vec<(i32, i32, u8)>,
}

impl fmt::Debug for Terrain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Terrain({} chunks)", self.chunks.len())
    }
}

impl Terrain {
    /// A terrain over this land, with no chunk made yet.
    pub fn new(land: Box<dyn Land>) -> Self {
        Self {
            land,
            chunks: HashMap::new(),
            altered: BTreeMap::new(),
            lent: BTreeMap::new(),
            recent: VecDeque::new(),
            now: 0,
            version: 0,
            changed: Vec::new(),
        }
    }

    /// The tile at (x, y) metres.
    pub fn tile(&mut self, x: i32, y: i32) -> u8 {
        let chunk = self.chunk(x.div_euclid(SIDE), y.div_euclid(SIDE));
        chunk[(y.rem_euclid(SIDE) * SIDE + x.rem_euclid(SIDE)) as usize]
    }

    /// Makes a tile another one; clients that see it are told after the step, and it is kept when the area
    /// stops. Made what the land has there, it is forgotten.
    pub fn set_tile(&mut self, x: i32, y: i32, kind: u8) {
        if self.land.tile(x, y) == kind {
            self.altered.remove(&(x, y));
        } else {
            self.altered.insert((x, y), Altered { kind, since: self.now });
        }
        self.version += 1;
        if self.recent.len() >= MOST_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((x, y));
        self.changed.push((x, y, kind));
        self.put(x, y, kind);
    }

    /// The tiles that were altered since a version; `None` if that is too long ago.
    pub(crate) fn altered_since(&self, version: u64) -> Option<impl Iterator<Item = (i32, i32)> + '_> {
        let count = usize::try_from(self.version.checked_sub(version)?)
            .ok()
            .filter(|count| *count <= self.recent.len())?;
        Some(self.recent.iter().skip(self.recent.len() - count).copied())
    }

    /// A tile of a neighbour's ground, as it says.
    pub(crate) fn lend(&mut self, (x, y): (i32, i32), kind: u8, peer: u16) {
        if self.land.tile(x, y) == kind {
            self.lent.remove(&(x, y));
        } else {
            if self.lent.len() >= MOST_LENT && !self.lent.contains_key(&(x, y)) {
                return;
            }
            self.lent.insert((x, y), (kind, peer));
        }
        self.changed.push((x, y, kind));
        self.put(x, y, kind);
    }

    /// Tiles of a neighbour are as the land made them again.
    pub(crate) fn give_back(&mut self, peer: u16, which: impl Fn((i32, i32)) -> bool) {
        let lent = self.lent.iter().filter(|(at, (_, whose))| *whose == peer && which(**at));
        for (x, y) in lent.map(|(at, _)| *at).collect::<Vec<_>>() {
            self.lent.remove(&(x, y));
            let kind = self.land.tile(x, y);
            self.changed.push((x, y, kind));
            self.put(x, y, kind);
        }
    }

    /// Alters tiles as they were when the area was saved.
    pub fn restore(&mut self, tiles: impl IntoIterator<Item = ((i32, i32), Altered)>) {
        for ((x, y), altered) in tiles {
            self.altered.insert((x, y), altered);
            self.put(x, y, altered.kind);
        }
    }

    fn put(&mut self, x: i32, y: i32, kind: u8) {
        if let Some(chunk) = self.chunks.get_mut(&(x.div_euclid(SIDE), y.div_euclid(SIDE))) {
            chunk[(y.rem_euclid(SIDE) * SIDE + x.rem_euclid(SIDE)) as usize] = kind;
        }
    }

    /// Tiles that are not as the land made them, by place.
    pub fn altered(&self) -> &BTreeMap<(i32, i32), Altered> {
        &self.altered
    }

    /// Raised with each altered tile: tells whether there is something to save.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Tiles that changed since this was last asked: x, y, kind.
    pub fn take_changed(&mut self) -> Vec<(i32, i32, u8)> {
        std::mem::take(&mut self.changed)
    }

    /// Whether the tile at (x, y) metres stops a walker.
    pub fn is_solid(&mut self, x: i32, y: i32) -> bool {
        self.tile(x, y) >= tile::FIRST_SOLID
    }

    /// Whether this chunk is made already.
    pub fn has_chunk(&self, cx: i32, cy: i32) -> bool {
        self.chunks.contains_key(&(cx, cy))
    }

    /// The 1,024 tiles of a chunk, row by row from the north-west. Chunks beyond ±2²⁶ are all void.
    pub fn chunk(&mut self, cx: i32, cy: i32) -> &[u8] {
        if self.chunks.len() >= MOST_CHUNKS && !self.chunks.contains_key(&(cx, cy)) {
            self.chunks.clear();
        }
        let (land, altered, lent) = (&self.land, &self.altered, &self.lent);
        self.chunks.entry((cx, cy)).or_insert_with(|| {
            let far = 1 << 26;
            if cx.checked_abs().is_none_or(|c| c >= far) || cy.checked_abs().is_none_or(|c| c >= far) {
                return vec![tile::VOID; CHUNK_TILES * CHUNK_TILES].into();
            }
            let tile = |i: i32| {
                let at = (cx * SIDE + i % SIDE, cy * SIDE + i / SIDE);
                let altered = altered.get(&at).map(|altered| altered.kind);
                let lent = || lent.get(&at).map(|(kind, _)| *kind);
                altered.or_else(lent).unwrap_or_else(|| land.tile(at.0, at.1))
            };
            (0..SIDE * SIDE).map(tile).collect()
        })
    }
}
