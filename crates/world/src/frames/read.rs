//! Reading frames; every step checks its bound.

use bytes::Bytes;

use super::*;
use crate::refusal::{Code, Refusal};

/// Reads numbers and strings off a payload; every step checks its bound.
struct Reader<'a>(&'a [u8]);

fn malformed() -> Refusal {
    Refusal::new(Code::Protocol, "a message that is cut off or malformed")
}

macro_rules! numbers {
    ($($name:ident: $type:ty),*) => {$(
        fn $name(&mut self) -> Result<$type, Refusal> {
            Ok(<$type>::from_le_bytes(self.array()?))
        }
    )*};
}

impl<'a> Reader<'a> {
    numbers! { u16: u16, u32: u32, u64: u64, i32: i32, i8: i8 }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let (head, tail) = self.0.split_at_checked(count).ok_or_else(malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn u8(&mut self) -> Result<u8, Refusal> {
        Ok(self.array::<1>()?[0])
    }

    fn bool(&mut self) -> Result<bool, Refusal> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(malformed()),
        }
    }

    /// LEB128, at most 5 bytes, at most 2³²−1.
    fn varint(&mut self) -> Result<u32, Refusal> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| malformed());
            }
        }
        Err(malformed())
    }

    /// A count of things that take at least `least` bytes each, so that a lie cannot reserve memory.
    fn count(&mut self, least: usize) -> Result<usize, Refusal> {
        let count = self.varint()? as usize;
        if count.saturating_mul(least) > self.0.len() { Err(malformed()) } else { Ok(count) }
    }

    fn string(&mut self) -> Result<String, Refusal> {
        let length = self.count(1)?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| malformed())
    }

    fn ids(&mut self) -> Result<Vec<u16>, Refusal> {
        (0..self.count(2)?).map(|_| self.u16()).collect()
    }

    /// All that is left.
    fn rest(&mut self) -> Bytes {
        Bytes::copy_from_slice(std::mem::take(&mut self.0))
    }

    fn end(&self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(malformed()) }
    }
}

fn split<T>(
    frame: &[u8],
    mut read: impl FnMut(u8, &mut Reader) -> Result<Option<T>, Refusal>,
) -> Result<Vec<T>, Refusal> {
    let mut rest = Reader(frame);
    let mut messages = Vec::new();
    while !rest.0.is_empty() {
        let kind = rest.u8()?;
        let length = rest.varint()? as usize;
        let mut payload = Reader(rest.take(length)?);
        if let Some(message) = read(kind, &mut payload)? {
            payload.end()?;
            messages.push(message);
        }
    }
    Ok(messages)
}

/// Reads a client's frame.
///
/// # Errors
/// `protocol` for anything malformed, for an empty frame, and for types that are not a client's;
/// `too_large` over [`MAX_CLIENT_FRAME`]. Values are not judged here.
pub fn read_client_frame(frame: &[u8]) -> Result<Vec<ClientMessage>, Refusal> {
    if frame.len() > MAX_CLIENT_FRAME {
        return Refusal::err(Code::TooLarge, "a frame has at most 4,096 bytes");
    }
    if frame.is_empty() {
        return Refusal::err(Code::Protocol, "an empty frame");
    }
    split(frame, |kind, r| {
        Ok(Some(match kind {
            0x01 => ClientMessage::Hello {
                version: r.u16()?,
                schema: r.u64()?,
                entry: match r.u8()? {
                    0 => Entry::Ticket(r.string()?),
                    1 => Entry::Resume(r.array()?),
                    2 => Entry::ResumeKnowing(r.array()?, Known { tick: r.u32()?, ids: r.ids()? }),
                    _ => return Err(malformed()),
                },
            },
            0x02 => ClientMessage::Input { seq: r.u32()?, kind: r.u8()?, payload: r.rest() },
            0x03 => ClientMessage::Tiles { cx: r.i32()?, cy: r.i32()? },
            0x04 => ClientMessage::GoOn {
                world: r.string()?,
                map: r.string()?,
                layer: if r.bool()? { Some(r.u16()?) } else { None },
                rule: r.string()?,
                friend: r.string()?,
            },
            0x05 => ClientMessage::Leave,
            0x06 => ClientMessage::Ping { nonce: r.u32()? },
            0x07 => ClientMessage::Datagrams,
            0x08 => ClientMessage::Say { kind: r.u8()?, id: r.u64()?, to: r.string()?, text: r.string()? },
            0x09 => ClientMessage::Heard(
                (0..r.u8()?)
                    .map(|_| Ok(Heard { kind: r.u8()?, log: r.u64()?, seq: r.u64()? }))
                    .collect::<Result<_, Refusal>>()?,
            ),
            0x0A => ClientMessage::ReadChat { kind: r.u8()?, before: r.u64()?, most: r.u8()? },
            _ => {
                return Refusal::err(
                    Code::Protocol,
                    format!("a client does not send messages of type {kind:#04x}"),
                );
            }
        }))
    })
}

/// Reads a server's frame; unknown types are skipped.
///
/// # Errors
/// `protocol` for anything malformed.
pub fn read_server_frame(frame: &[u8]) -> Result<Vec<ServerMessage>, Refusal> {
    split(frame, |kind, r| {
        Ok(Some(match kind {
            0x81 => ServerMessage::Welcome(Box::new(Welcome {
                version: r.u16()?,
                tick_hz: r.u8()?,
                tick: r.u64()?,
                me: r.u16()?,
                epoch: r.u64()?,
                resume: r.array()?,
                steering: r.bool()?,
                area: r.string()?,
                x0: r.i32()?,
                y0: r.i32()?,
                x1: r.i32()?,
                y1: r.i32()?,
                view_m: r.u16()?,
                speed_cm_s: r.u16()?,
                acked: r.u32()?,
                schema: r.u64()?,
            })),
            0x82 => ServerMessage::Update(read_update(r)?),
            0x83 => ServerMessage::Tiles { cx: r.i32()?, cy: r.i32()?, tiles: read_tiles(r)? },
            0x84 => {
                let code = r.string()?.parse().unwrap_or(Code::Internal);
                ServerMessage::Refused(Refusal { code, text: r.string()? })
            }
            0x85 => ServerMessage::Progress { state: r.string()?, position: r.u32()? },
            0x86 => ServerMessage::Follow {
                url: r.string()?,
                ticket: r.string()?,
                plain: r.bool()?,
                prompt: r.bool()?,
            },
            0x87 => {
                let epoch = r.u64()?;
                ServerMessage::Steer { epoch, acked: if r.end().is_ok() { None } else { Some(r.u32()?) } }
            }
            0x88 => ServerMessage::Switch { epoch: r.u64()? },
            0x89 => ServerMessage::Pong { nonce: r.u32()? },
            0x8A => ServerMessage::Notice { code: r.string()?, text: r.string()? },
            0x8B => ServerMessage::Schema { hash: r.u64()?, text: r.string()? },
            0x8C => ServerMessage::Event { number: r.u8()?, payload: r.rest() },
            0x8D => ServerMessage::Tile { x: r.i32()?, y: r.i32()?, kind: r.u8()? },
            0x8E => ServerMessage::Pace { percent: r.u8()? },
            0x8F => {
                let url = r.string()?;
                let count = r.count(32)?;
                let hashes = (0..count).map(|_| r.array()).collect::<Result<_, _>>()?;
                ServerMessage::WebTransport { url, hashes }
            }
            0x90 => ServerMessage::Beside { url: r.string()?, ticket: r.string()?, area: r.string()? },
            0x91 => ServerMessage::Lines(read_lines(r)?),
            0x92 => {
                let (id, code, text) = (r.u64()?, r.string()?, r.string()?);
                let code: Option<Code> = (!code.is_empty()).then(|| code.parse().unwrap_or(Code::Internal));
                ServerMessage::Said { id, refused: code.map(|code| Refusal { code, text }) }
            }
            0x93 => ServerMessage::Social(r.string()?),
            0x94 => ServerMessage::Channel { kind: r.u8()?, log: r.u64()?, seq: r.u64()? },
            _ => return Ok(None),
        }))
    })
}

fn read_lines(r: &mut Reader) -> Result<Lines, Refusal> {
    let (kind, history, log) = (r.u8()?, r.bool()?, r.u64()?);
    let mut lines = Vec::new();
    for _ in 0..r.u8()? {
        let (seq, id, sender, at_ms) = (r.u64()?, r.u64()?, r.array()?, r.u64()?);
        lines.push(Line { seq, id, sender, at_ms, name: r.string()?, text: r.string()? });
    }
    Ok(Lines { kind, history, log, lines })
}

fn read_update(r: &mut Reader) -> Result<Update, Refusal> {
    let flags = r.u8()?;
    let has = |section: u8| flags & section != 0;
    let mut update = Update { whole: has(update::WHOLE), ..Update::default() };
    (update.tick, update.acked) = (r.varint()?, r.varint()?);
    if has(update::LEFT) {
        update.left = r.ids()?;
    }
    if has(update::ENTERED) {
        for _ in 0..r.count(12)? {
            let (id, kind, x, y) = (r.u16()?, r.u8()?, r.i32()?, r.i32()?);
            update.entered.push(Entered { id, kind, x, y, components: read_components(r)? });
        }
    }
    if has(update::MOVED) {
        update.moved = read_moved(r)?;
    }
    if has(update::JUMPED) {
        for _ in 0..r.count(10)? {
            update.jumped.push((r.u16()?, r.i32()?, r.i32()?));
        }
    }
    if has(update::CHANGED) {
        for _ in 0..r.count(3)? {
            update.changed.push((r.u16()?, read_components(r)?));
        }
    }
    Ok(update)
}

/// A varint count, then whose they are: a varint length and a bit mask over the list, low bits first; or a 0
/// and, for each, how many are skipped before it (varint). Then the changes.
fn read_moved(r: &mut Reader) -> Result<Vec<(u32, i8, i8)>, Refusal> {
    let count = r.count(2)?;
    let mask_bytes = r.count(1)?;
    let mut places = Vec::with_capacity(count);
    if mask_bytes > 0 {
        for (n, byte) in r.take(mask_bytes)?.iter().enumerate() {
            places.extend((0..8).filter(|bit| byte & (1 << bit) != 0).map(|bit| n as u32 * 8 + bit));
        }
    } else {
        let mut next = 0u32;
        for _ in 0..count {
            let place = next.checked_add(r.varint()?).ok_or_else(malformed)?;
            next = place.checked_add(1).ok_or_else(malformed)?;
            places.push(place);
        }
    }
    if places.len() != count {
        return Err(malformed());
    }
    places.into_iter().map(|place| Ok((place, r.i8()?, r.i8()?))).collect()
}

fn read_components(r: &mut Reader) -> Result<Vec<Component>, Refusal> {
    let mut components = Vec::new();
    for _ in 0..r.u8()? {
        let number = r.u8()?;
        let fields = if number & update::TAKEN_OFF == 0 {
            let length = r.count(1)?;
            Some(Bytes::copy_from_slice(r.take(length)?))
        } else {
            None
        };
        components.push(Component { number: number & !update::TAKEN_OFF, fields });
    }
    Ok(components)
}

/// Run lengths: (count − 1, kind) until the chunk is full.
fn read_tiles(r: &mut Reader) -> Result<Vec<u8>, Refusal> {
    let mut tiles = Vec::with_capacity(CHUNK_TILES * CHUNK_TILES);
    while tiles.len() < CHUNK_TILES * CHUNK_TILES {
        let run = usize::from(r.u8()?) + 1;
        let kind = r.u8()?;
        tiles.extend(std::iter::repeat_n(kind, run));
    }
    if tiles.len() == CHUNK_TILES * CHUNK_TILES { Ok(tiles) } else { Err(malformed()) }
}

/// Name and faction of a character, from its component.
///
/// # Errors
/// `protocol` if it is malformed.
pub fn read_character(fields: &[u8]) -> Result<(Option<String>, Option<String>), Refusal> {
    let mut r = Reader(fields);
    let mask = r.varint()?;
    let name = (mask & 1 != 0).then(|| r.string()).transpose()?;
    let faction = (mask & 2 != 0).then(|| r.string()).transpose()?;
    Ok((name, faction))
}
