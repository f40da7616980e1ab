//! The land of one area, chunk by chunk: made when somebody first comes near, then kept.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use bevy_ecs::prelude::Resource;
use pangea_world::frames::{CHUNK_TILES, tile};

use crate::Land;

/// Most chunks that are kept (1 KiB each); beyond it all are forgotten and made again.
const MOST_CHUNKS: usize = 4_096;

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
        self.changed.push((x, y, kind));
        self.put(x, y, kind);
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
        let (land, altered) = (&self.land, &self.altered);
        self.chunks.entry((cx, cy)).or_insert_with(|| {
            let far = 1 << 26;
            if cx.checked_abs().is_none_or(|c| c >= far) || cy.checked_abs().is_none_or(|c| c >= far) {
                return vec![tile::VOID; CHUNK_TILES * CHUNK_TILES].into();
            }
            let tile = |i: i32| {
                let at = (cx * SIDE + i % SIDE, cy * SIDE + i / SIDE);
                altered.get(&at).map_or_else(|| land.tile(at.0, at.1), |altered| altered.kind)
            };
            (0..SIDE * SIDE).map(tile).collect()
        })
    }
}
