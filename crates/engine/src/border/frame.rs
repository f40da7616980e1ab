//! What one area tells another in one step, as bytes.
//!
//! ```text
//! frame = u8 format (1) · u64 epoch · varint life · varint number · u8 flags · varint acked
//!       · varint count · u16 again*
//!       · varint count · pass* · varint count · gone* · varint count · news*
//!       · varint count · tile* · varint count · letter*
//! flags = 1: all that is near is told
//! pass = varint number · thing
//! gone = u16 id · u8 over (1: it went over to another owner)
//! news = u16 id · u8 what · if what = 1: thing
//!                         · if what & 2: f64 x · f64 y
//!                         · if what & 4: varint count · u32 component* · body
//! thing = 16 bytes gid · string kind · f64 x · f64 y · body
//! body = varint length · component*                      as in codec.rs
//! tile = i32 x · i32 y · u8 kind
//! letter = 16 bytes gid (zero: to all) · u32 kind · varint length · fields, exactly
//! ```
//!
//! `u…`, `i…` and `f…` are little-endian. A frame has the sender's epoch and, since the line was made anew for the
//! `life`-th time, a number: what is old is dropped, what comes after a gap is malformed.

use crate::codec::Records;
use crate::field::{Field, Malformed, put_varint, take_bytes, take_varint};
use crate::registry::{Kind, Registry};
use crate::walk::Point;

use super::Gid;

const FORMAT: u8 = 1;
/// All that is near is told.
pub const CAUGHT_UP: u8 = 1;

/// News: all of it.
pub const WHOLE: u8 = 1;
/// News: its place.
pub const MOVED: u8 = 2;
/// News: some of its components.
pub const CHANGED: u8 = 4;

/// Farthest that anything is from the middle of a world, metres.
const FARTHEST_M: f64 = 4e9;

/// A frame that can be applied: nothing in it is malformed.
#[derive(Debug)]
pub struct Frame<'a> {
    pub head: Head,
    pub again: Vec<u16>,
    pub passes: Vec<(u64, Thing<'a>)>,
    pub gone: Vec<(u16, bool)>,
    pub news: Vec<News<'a>>,
    pub tiles: Vec<(i32, i32, u8)>,
    pub letters: Vec<LetterOf<'a>>,
}

/// Its begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub epoch: u64,
    pub life: u64,
    pub number: u64,
    pub flags: u8,
    pub acked: u64,
}

/// An entity with all that it has.
#[derive(Debug)]
pub struct Thing<'a> {
    pub gid: Gid,
    /// `None`: not known here.
    pub kind: Option<Kind>,
    pub at: Point,
    pub body: Records<'a>,
}

/// What is new of an entity.
#[derive(Debug)]
pub enum News<'a> {
    Whole(u16, Thing<'a>),
    Changed { id: u16, at: Option<Point>, gone: Vec<u32>, body: Records<'a> },
}

/// A letter.
#[derive(Debug)]
pub struct LetterOf<'a> {
    pub to: Option<Gid>,
    pub kind: u32,
    pub bytes: &'a [u8],
}

impl Head {
    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        put_varint(self.life, out);
        put_varint(self.number, out);
        out.push(self.flags);
        put_varint(self.acked, out);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        if take_bytes(from, 1)? != [FORMAT] {
            return Err(Malformed);
        }
        let epoch = u64::from_le_bytes(take(from)?);
        let (life, number) = (take_varint(from)?, take_varint(from)?);
        let [flags] = take(from)?;
        Ok(Self { epoch, life, number, flags, acked: take_varint(from)? })
    }
}

impl<'a> Frame<'a> {
    /// Reads all of it before anything is applied.
    pub fn take(mut from: &'a [u8], registry: &Registry) -> Result<Self, Malformed> {
        let from = &mut from;
        let frame = Self {
            head: Head::take(from)?,
            again: take_all(from, |from| Ok(u16::from_le_bytes(take(from)?)))?,
            passes: take_all(from, |from| Ok((take_varint(from)?, Thing::take(from, registry)?)))?,
            gone: take_all(from, |from| Ok((u16::from_le_bytes(take(from)?), bool::take(from)?)))?,
            news: take_all(from, |from| News::take(from, registry))?,
            tiles: take_all(from, |from| {
                let (x, y) = (i32::from_le_bytes(take(from)?), i32::from_le_bytes(take(from)?));
                let [kind] = take(from)?;
                Ok((x, y, kind))
            })?,
            letters: take_all(from, |from| LetterOf::take(from, registry))?,
        };
        if from.is_empty() { Ok(frame) } else { Err(Malformed) }
    }
}

impl<'a> Thing<'a> {
    fn take(from: &mut &'a [u8], registry: &Registry) -> Result<Self, Malformed> {
        let gid = Gid(take(from)?);
        let kind = String::take(from)?;
        let kind = registry.kinds.iter().position(|known| *known == kind).map(|n| Kind(n as u8));
        Ok(Self { gid, kind, at: take_point(from)?, body: Records::take(from, registry)? })
    }
}

/// Appends an entity with all that it has; `body` as [`Registry::put_components`] makes it.
pub fn put_thing(gid: Gid, kind: &str, at: Point, body: &[u8], out: &mut Vec<u8>) {
    gid.put(out);
    kind.to_owned().put(out);
    put_point(at, out);
    put_body(body, out);
}

/// Appends components.
pub fn put_body(body: &[u8], out: &mut Vec<u8>) {
    put_varint(body.len() as u64, out);
    out.extend_from_slice(body);
}

/// Appends a place.
pub fn put_point((x, y): Point, out: &mut Vec<u8>) {
    out.extend_from_slice(&x.to_le_bytes());
    out.extend_from_slice(&y.to_le_bytes());
}

/// A letter as bytes.
pub fn put_letter(to: Option<Gid>, kind: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(24 + bytes.len());
    to.unwrap_or_default().put(&mut out);
    out.extend_from_slice(&kind.to_le_bytes());
    put_body(bytes, &mut out);
    out
}

impl<'a> News<'a> {
    fn take(from: &mut &'a [u8], registry: &Registry) -> Result<Self, Malformed> {
        let id = u16::from_le_bytes(take(from)?);
        let [what] = take(from)?;
        if what == WHOLE {
            return Ok(Self::Whole(id, Thing::take(from, registry)?));
        }
        if what == 0 || what & !(MOVED | CHANGED) != 0 {
            return Err(Malformed);
        }
        let at = (what & MOVED != 0).then(|| take_point(from)).transpose()?;
        let (mut gone, mut body) = (Vec::new(), Records::default());
        if what & CHANGED != 0 {
            gone = take_all(from, |from| Ok(u32::from_le_bytes(take(from)?)))?;
            body = Records::take(from, registry)?;
        }
        Ok(Self::Changed { id, at, gone, body })
    }
}

impl<'a> LetterOf<'a> {
    fn take(from: &mut &'a [u8], registry: &Registry) -> Result<Self, Malformed> {
        let gid = Gid(take(from)?);
        let kind = u32::from_le_bytes(take(from)?);
        let length = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
        let bytes = take_bytes(from, length)?;
        if let Some(known) = registry.letters.iter().find(|known| known.id() == kind) {
            known.check(bytes)?;
        }
        Ok(Self { to: (gid != Gid::default()).then_some(gid), kind, bytes })
    }
}

fn take<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], Malformed> {
    take_bytes(from, N)?.try_into().map_err(|_| Malformed)
}

fn take_point(from: &mut &[u8]) -> Result<Point, Malformed> {
    let at = (f64::from_le_bytes(take(from)?), f64::from_le_bytes(take(from)?));
    // NaN is not less than anything.
    if at.0.abs() < FARTHEST_M && at.1.abs() < FARTHEST_M { Ok(at) } else { Err(Malformed) }
}

/// A count and so many items; each takes a byte at least, so a short frame asks for little memory.
fn take_all<'a, T>(
    from: &mut &'a [u8],
    mut item: impl FnMut(&mut &'a [u8]) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
    if count > from.len() {
        return Err(Malformed);
    }
    (0..count).map(|_| item(from)).collect()
}
