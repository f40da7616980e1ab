//! One player of the swarm: a raw socket, where he walks, and what he was told.

use std::net::TcpStream;

use bytes::{BufMut, BytesMut};
use pangea_client::View;
use pangea_engine::Dice;
use pangea_world::frames::{ClientMessage, ServerMessage, Welcome, read_server_frame};
use rustix::net::{RecvFlags, SendFlags};

use super::arrival::Newcomer;
use super::sight::Sight;
use super::skim::{Told, messages, skim};

/// Inputs whose way is measured at the same time; a power of two.
const MEASURED_INPUTS: usize = 64;
/// Ticks that a direction is kept.
const STRAIGHT_TICKS: (f64, f64) = (40.0, 120.0);
/// Nobody walks nearer to the edge, metres.
const EDGE_M: f32 = 0.5;
/// Metres that a full step is long.
const STEP_M: f32 = 0.25;
/// Of a client's frames; any will do.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// What a player was told in one read.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Bytes as they came from the socket.
    pub(super) bytes: u64,
    pub(super) updates: u64,
    /// Entities that moved, came or changed otherwise.
    pub(super) entity_updates: u64,
    /// Sum over the updates of how many others are known.
    pub(super) known: u64,
    /// Inputs that were answered: in which tick, and when they were sent, µs.
    pub(super) answered: Vec<(u32, u64)>,
    /// The tick since which the watched one stands elsewhere.
    pub(super) sighted: Option<u32>,
    /// A «no», as text.
    pub(super) refused: Option<String>,
}

pub(super) struct Player {
    pub(super) stream: TcpStream,
    /// Bytes of a frame that has not come whole.
    unread: Vec<u8>,
    welcome: Option<Box<Welcome>>,
    /// Low 32 bits of the tick of the last update.
    pub(super) tick: u32,
    /// How many it knows, itself too; 0 before the first update.
    pub(super) known: u32,
    acked: u32,
    seq: u32,
    sent_us: [u64; MEASURED_INPUTS],
    at: (f32, f32),
    heading: (f32, f32),
    straight: u32,
    dice: Dice,
    /// Of those whose knowledge is compared in the end.
    pub(super) view: Option<View>,
    /// Whom such a one watches.
    pub(super) sight: Option<Sight>,
    /// The numbers of those who watch him.
    pub(super) watchers: Vec<usize>,
    pub(super) gone: Option<String>,
}

impl Player {
    /// One who has said hello; `keeps_view` to know all that it is told.
    pub(super) fn new(newcomer: Newcomer, dice: Dice, keeps_view: bool) -> Self {
        Self {
            stream: newcomer.stream,
            unread: newcomer.leftover,
            welcome: None,
            tick: 0,
            known: 0,
            acked: 0,
            seq: 0,
            sent_us: [0; MEASURED_INPUTS],
            at: (0.0, 0.0),
            heading: (0.0, 0.0),
            straight: 0,
            dice,
            view: keeps_view.then(View::default),
            sight: None,
            watchers: Vec::new(),
            gone: None,
        }
    }

    /// Whether it sees and can walk.
    pub(super) fn is_in(&self) -> bool {
        self.known > 0 && self.gone.is_none()
    }

    /// The entity that it steers.
    pub(super) fn me(&self) -> Option<u16> {
        self.welcome.as_ref().map(|welcome| welcome.me)
    }

    /// The entities that one who keeps its view sees, the nearest first.
    pub(super) fn neighbours(&self) -> Vec<u16> {
        let Some((view, me)) = self.view.as_ref().and_then(|view| Some((view, view.me()?))) else {
            return Vec::new();
        };
        let away = |id: &u16| {
            let one = &view.entities()[id];
            let (dx, dy) = (i64::from(one.x_cm - me.x_cm), i64::from(one.y_cm - me.y_cm));
            (dx * dx + dy * dy, *id)
        };
        let mut ids: Vec<u16> = view.entities().keys().copied().filter(|id| *id != view.me).collect();
        ids.sort_by_cached_key(away);
        ids
    }

    /// Where the watched one is to one who keeps its view, centimetres.
    pub(super) fn watched_at(&self) -> Option<(i32, i32)> {
        let one = self.view.as_ref()?.entities().get(&self.sight.as_ref()?.whom)?;
        Some((one.x_cm, one.y_cm))
    }

    // ---- walking ----

    /// Sends one input.
    pub(super) fn walk(&mut self, now_us: u64, scratch: &mut BytesMut) {
        if !self.is_in() {
            return;
        }
        self.steer();
        self.seq += 1;
        self.sent_us[self.seq as usize % MEASURED_INPUTS] = now_us;
        scratch.clear();
        put_frame(scratch, &ClientMessage::walk(self.seq, self.heading.0, self.heading.1).to_frame());
        match rustix::net::send(&self.stream, scratch, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(count) if count == scratch.len() => {}
            // The server has not read for so long that the kernel's buffer is full.
            Ok(_) | Err(rustix::io::Errno::AGAIN) => self.gone = Some("its inputs are not read".to_owned()),
            Err(error) => self.gone = Some(error.to_string()),
        }
    }

    /// Straight on for some seconds, then another way; back from the edge.
    fn steer(&mut self) {
        if self.straight == 0 {
            let (sin, cos) = (self.dice.unit() as f32 * std::f32::consts::TAU).sin_cos();
            self.heading = (cos, sin);
            self.straight = self.dice.between(STRAIGHT_TICKS.0, STRAIGHT_TICKS.1) as u32;
        }
        self.straight -= 1;
        let Some(w) = &self.welcome else { return };
        let along = |at: &mut f32, heading: &mut f32, low: i32, high: i32| {
            *at += *heading * STEP_M;
            if *at < low as f32 + EDGE_M {
                *heading = heading.abs();
            } else if *at > high as f32 - EDGE_M {
                *heading = -heading.abs();
            }
        };
        along(&mut self.at.0, &mut self.heading.0, w.x0, w.x1);
        along(&mut self.at.1, &mut self.heading.1, w.y0, w.y1);
    }

    // ---- hearing ----

    /// Reads once.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Heard {
        let mut heard = Heard::default();
        match rustix::net::recv(&self.stream, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((0, _)) => self.gone = Some("closed".to_owned()),
            Ok((count, _)) => {
                heard.bytes = count as u64;
                self.take(&buffer[..count], &mut heard);
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(error) => self.gone = Some(error.to_string()),
        }
        heard
    }

    fn take(&mut self, bytes: &[u8], heard: &mut Heard) {
        let mut waiting = std::mem::take(&mut self.unread);
        let mut rest = if waiting.is_empty() {
            bytes
        } else {
            waiting.extend_from_slice(bytes);
            &waiting
        };
        while let Some((kind, payload, length)) = server_frame(rest) {
            rest = &rest[length..];
            match kind {
                0x2 => self.hear(payload, heard),
                0x8 => {
                    let code = payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code));
                    self.gone.get_or_insert(format!("closed with {code}"));
                }
                _ => {}
            }
        }
        self.unread = rest.to_vec();
    }

    fn hear(&mut self, frame: &[u8], heard: &mut Heard) {
        for (kind, payload, message) in messages(frame) {
            if kind == 0x82 {
                let me = self.welcome.as_ref().map_or(0, |welcome| welcome.me);
                match skim(payload, me) {
                    Some(told) => self.told(told, heard),
                    None => self.gone = Some("an update that cannot be read".to_owned()),
                }
                if self.view.is_none() {
                    continue;
                }
            }
            match read_server_frame(message).map(|mut messages| messages.pop()) {
                Ok(Some(ServerMessage::Welcome(welcome))) => {
                    self.view = self.view.take().map(|_| View::new(&welcome));
                    self.welcome = Some(welcome);
                }
                Ok(Some(ServerMessage::Update(update))) => {
                    let before = self.watched_at();
                    if let Some(Err(refusal)) = self.view.as_mut().map(|view| view.apply(update)) {
                        self.gone = Some(refusal.text);
                    }
                    let now = self.watched_at();
                    if now.is_some() && now != before {
                        heard.sighted = Some(self.tick);
                    }
                }
                Ok(Some(ServerMessage::Refused(refusal))) => heard.refused = Some(refusal.to_string()),
                Ok(_) => {}
                Err(refusal) => self.gone = Some(refusal.text),
            }
        }
    }

    fn told(&mut self, told: Told, heard: &mut Heard) {
        let before = if told.whole { 0 } else { self.acked };
        if told.whole {
            (self.known, self.tick, self.acked) = (0, told.tick, told.acked);
        } else {
            self.tick = self.tick.wrapping_add(told.tick);
            self.acked = self.acked.wrapping_add(told.acked);
        }
        if let (Some((x, y)), true) = (told.me_at, told.whole) {
            self.at = (x as f32 / 100.0, y as f32 / 100.0);
        }
        self.known = (self.known + told.entered).saturating_sub(told.left);
        heard.updates += 1;
        heard.known += u64::from(self.known.saturating_sub(1));
        heard.entity_updates += u64::from(told.entered + told.changes);
        let answered = (before + 1).max(self.seq.saturating_sub(MEASURED_INPUTS as u32 - 1))..=self.acked;
        let tick = self.tick;
        heard.answered.extend(answered.map(|seq| (tick, self.sent_us[seq as usize % MEASURED_INPUTS])));
    }
}

/// Appends a client's binary frame of at most 65,535 bytes.
pub(super) fn put_frame(out: &mut BytesMut, payload: &[u8]) {
    out.put_u8(0x82);
    if payload.len() < 126 {
        out.put_u8(0x80 | payload.len() as u8);
    } else {
        out.put_u8(0x80 | 126);
        out.put_u16(payload.len() as u16);
    }
    out.put_slice(&MASK);
    out.extend(payload.iter().enumerate().map(|(n, byte)| byte ^ MASK[n & 3]));
}

/// The first whole frame of a server: kind, payload, and how long all of it is.
fn server_frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (head, length): (usize, usize) = match *bytes {
        [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([a, b]))),
        [_, 127, ..] => (10, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize),
        [_, short, ..] if short < 126 => (2, usize::from(short)),
        _ => return None,
    };
    let end = head.checked_add(length)?;
    Some((bytes[0] & 0x0F, bytes.get(head..end)?, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_a_server_are_found_whole() {
        for length in [0, 125, 126, 70_000] {
            let mut frame = vec![0x82];
            match length {
                0..126 => frame.push(length as u8),
                126..=0xFFFF => frame.extend([126, (length >> 8) as u8, length as u8]),
                _ => {
                    frame.push(127);
                    frame.extend((length as u64).to_be_bytes());
                }
            }
            frame.extend(vec![7; length]);
            let whole = frame.len();
            frame.push(0x88);
            let found = server_frame(&frame).map(|(kind, payload, end)| (kind, payload.len(), end));
            assert_eq!(found, Some((2, length, whole)));
            assert_eq!(server_frame(&frame[..whole - 1]), None);
        }
    }
}
