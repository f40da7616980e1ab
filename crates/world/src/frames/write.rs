//! Writing frames.

use bytes::{BufMut, Bytes, BytesMut};

use super::*;

/// Appends a LEB128 number.
pub fn put_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Appends a string.
pub fn put_string(out: &mut BytesMut, text: &str) {
    put_varint(out, text.len() as u32);
    out.put_slice(text.as_bytes());
}

/// Appends one message of this type around the payload that `write` makes.
pub fn put_message(out: &mut BytesMut, kind: u8, write: impl FnOnce(&mut BytesMut)) {
    let mut payload = BytesMut::with_capacity(64);
    write(&mut payload);
    out.put_u8(kind);
    put_varint(out, payload.len() as u32);
    out.put_slice(&payload);
}

impl ClientMessage {
    /// Appends this message to a frame.
    pub fn put(&self, out: &mut BytesMut) {
        match self {
            ClientMessage::Hello { version, schema, entry } => put_message(out, 0x01, |b| {
                b.put_u16_le(*version);
                b.put_u64_le(*schema);
                match entry {
                    Entry::Ticket(ticket) => {
                        b.put_u8(0);
                        put_string(b, ticket);
                    }
                    Entry::Resume(token) => {
                        b.put_u8(1);
                        b.put_slice(token);
                    }
                    Entry::ResumeKnowing(token, Known { tick, ids }) => {
                        b.put_u8(2);
                        b.put_slice(token);
                        b.put_u32_le(*tick);
                        put_varint(b, ids.len() as u32);
                        ids.iter().for_each(|id| b.put_u16_le(*id));
                    }
                }
            }),
            ClientMessage::Input { seq, kind, payload } => put_message(out, 0x02, |b| {
                b.put_u32_le(*seq);
                b.put_u8(*kind);
                b.put_slice(payload);
            }),
            ClientMessage::Tiles { cx, cy } => put_message(out, 0x03, |b| {
                b.put_i32_le(*cx);
                b.put_i32_le(*cy);
            }),
            ClientMessage::GoOn { world, map, layer, rule, friend } => put_message(out, 0x04, |b| {
                put_string(b, world);
                put_string(b, map);
                b.put_u8(u8::from(layer.is_some()));
                if let Some(layer) = layer {
                    b.put_u16_le(*layer);
                }
                put_string(b, rule);
                put_string(b, friend);
            }),
            ClientMessage::Leave => put_message(out, 0x05, |_| {}),
            ClientMessage::Ping { nonce } => put_message(out, 0x06, |b| b.put_u32_le(*nonce)),
            ClientMessage::Datagrams => put_message(out, 0x07, |_| {}),
            ClientMessage::Say { kind, id, to, text } => put_message(out, 0x08, |b| {
                b.put_u8(*kind);
                b.put_u64_le(*id);
                put_string(b, to);
                put_string(b, text);
            }),
            ClientMessage::Heard(heard) => put_message(out, 0x09, |b| {
                b.put_u8(heard.len() as u8);
                for Heard { kind, log, seq } in heard {
                    b.put_u8(*kind);
                    b.put_u64_le(*log);
                    b.put_u64_le(*seq);
                }
            }),
            ClientMessage::ReadChat { kind, before, most } => put_message(out, 0x0A, |b| {
                b.put_u8(*kind);
                b.put_u64_le(*before);
                b.put_u8(*most);
            }),
        }
    }

    /// A frame of this message alone.
    pub fn to_frame(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.put(&mut out);
        out.freeze()
    }
}

impl ServerMessage {
    /// Appends this message to a frame.
    pub fn put(&self, out: &mut BytesMut) {
        match self {
            ServerMessage::Welcome(w) => put_message(out, 0x81, |b| {
                b.put_u16_le(w.version);
                b.put_u8(w.tick_hz);
                b.put_u64_le(w.tick);
                b.put_u16_le(w.me);
                b.put_u64_le(w.epoch);
                b.put_slice(&w.resume);
                b.put_u8(u8::from(w.steering));
                put_string(b, &w.area);
                for edge in [w.x0, w.y0, w.x1, w.y1] {
                    b.put_i32_le(edge);
                }
                b.put_u16_le(w.view_m);
                b.put_u16_le(w.speed_cm_s);
                b.put_u32_le(w.acked);
                b.put_u64_le(w.schema);
            }),
            ServerMessage::Update(update) => put_message(out, 0x82, |b| put_update(b, update)),
            ServerMessage::Tiles { cx, cy, tiles } => put_message(out, 0x83, |b| {
                b.put_i32_le(*cx);
                b.put_i32_le(*cy);
                let mut at = 0;
                while at < tiles.len() {
                    let run = tiles[at..].iter().take(256).take_while(|kind| **kind == tiles[at]).count();
                    b.put_u8((run - 1) as u8);
                    b.put_u8(tiles[at]);
                    at += run;
                }
            }),
            ServerMessage::Refused(refusal) => put_message(out, 0x84, |b| {
                put_string(b, refusal.code.as_str());
                put_string(b, &refusal.text);
            }),
            ServerMessage::Progress { state, position } => put_message(out, 0x85, |b| {
                put_string(b, state);
                b.put_u32_le(*position);
            }),
            ServerMessage::Follow { url, ticket, plain, prompt } => put_message(out, 0x86, |b| {
                put_string(b, url);
                put_string(b, ticket);
                b.put_u8(u8::from(*plain));
                b.put_u8(u8::from(*prompt));
            }),
            ServerMessage::Steer { epoch, acked } => put_message(out, 0x87, |b| {
                b.put_u64_le(*epoch);
                if let Some(acked) = acked {
                    b.put_u32_le(*acked);
                }
            }),
            ServerMessage::Switch { epoch } => put_message(out, 0x88, |b| b.put_u64_le(*epoch)),
            ServerMessage::Pong { nonce } => put_message(out, 0x89, |b| b.put_u32_le(*nonce)),
            ServerMessage::Notice { code, text } => put_message(out, 0x8A, |b| {
                put_string(b, code);
                put_string(b, text);
            }),
            ServerMessage::Schema { hash, text } => put_message(out, 0x8B, |b| {
                b.put_u64_le(*hash);
                put_string(b, text);
            }),
            ServerMessage::Event { number, payload } => put_message(out, 0x8C, |b| {
                b.put_u8(*number);
                b.put_slice(payload);
            }),
            ServerMessage::Tile { x, y, kind } => put_message(out, 0x8D, |b| {
                b.put_i32_le(*x);
                b.put_i32_le(*y);
                b.put_u8(*kind);
            }),
            ServerMessage::Pace { percent } => put_message(out, 0x8E, |b| b.put_u8(*percent)),
            ServerMessage::WebTransport { url, hashes } => put_message(out, 0x8F, |b| {
                put_string(b, url);
                put_varint(b, hashes.len() as u32);
                hashes.iter().for_each(|hash| b.put_slice(hash));
            }),
            ServerMessage::Beside { url, ticket, area } => put_message(out, 0x90, |b| {
                [url, ticket, area].into_iter().for_each(|text| put_string(b, text));
            }),
            ServerMessage::Lines(lines) => put_message(out, 0x91, |b| {
                put_lines_head(b, lines.kind, lines.history, lines.log, lines.lines.len());
                for line in &lines.lines {
                    put_line(b, (line.seq, line.id, line.at_ms), line.sender, &line.name, &line.text);
                }
            }),
            ServerMessage::Said { id, refused } => put_message(out, 0x92, |b| {
                b.put_u64_le(*id);
                put_string(b, refused.as_ref().map_or("", |refusal| refusal.code.as_str()));
                put_string(b, refused.as_ref().map_or("", |refusal| &refusal.text));
            }),
            ServerMessage::Social(json) => put_message(out, 0x93, |b| put_string(b, json)),
            ServerMessage::Channel { kind, log, seq } => put_message(out, 0x94, |b| {
                b.put_u8(*kind);
                b.put_u64_le(*log);
                b.put_u64_le(*seq);
            }),
        }
    }

    /// A frame of this message alone.
    pub fn to_frame(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.put(&mut out);
        out.freeze()
    }
}

/// Appends what a Lines message begins with; `count` lines follow by [`put_line`].
pub fn put_lines_head(b: &mut BytesMut, kind: u8, history: bool, log: u64, count: usize) {
    b.put_u8(kind);
    b.put_u8(u8::from(history));
    b.put_u64_le(log);
    b.put_u8(count as u8);
}

/// Appends a line of a Lines message.
pub fn put_line(
    b: &mut BytesMut,
    (seq, id, at_ms): (u64, u64, u64),
    sender: [u8; 16],
    name: &str,
    text: &str,
) {
    b.put_u64_le(seq);
    b.put_u64_le(id);
    b.put_slice(&sender);
    b.put_u64_le(at_ms);
    put_string(b, name);
    put_string(b, text);
}

fn put_update(b: &mut BytesMut, update: &Update) {
    let sections = [
        (update.whole, update::WHOLE),
        (!update.left.is_empty(), update::LEFT),
        (!update.entered.is_empty(), update::ENTERED),
        (!update.moved.is_empty(), update::MOVED),
        (!update.jumped.is_empty(), update::JUMPED),
        (!update.changed.is_empty(), update::CHANGED),
    ];
    b.put_u8(sections.iter().filter(|(there, _)| *there).fold(0, |flags, (_, flag)| flags | flag));
    put_varint(b, update.tick);
    put_varint(b, update.acked);
    if !update.left.is_empty() {
        put_varint(b, update.left.len() as u32);
        update.left.iter().for_each(|id| b.put_u16_le(*id));
    }
    if !update.entered.is_empty() {
        put_varint(b, update.entered.len() as u32);
        for entered in &update.entered {
            b.put_u16_le(entered.id);
            b.put_u8(entered.kind);
            b.put_i32_le(entered.x);
            b.put_i32_le(entered.y);
            put_components(b, &entered.components);
        }
    }
    if !update.moved.is_empty() {
        put_varint(b, update.moved.len() as u32);
        let last = update.moved.iter().map(|(place, ..)| *place).max().unwrap_or(0);
        let mut mask = vec![0u8; last as usize / 8 + 1];
        update.moved.iter().for_each(|(place, ..)| mask[*place as usize / 8] |= 1 << (place % 8));
        put_places(b, &mask);
        for (_, dx, dy) in &update.moved {
            b.put_i8(*dx);
            b.put_i8(*dy);
        }
    }
    if !update.jumped.is_empty() {
        put_varint(b, update.jumped.len() as u32);
        for (id, x, y) in &update.jumped {
            b.put_u16_le(*id);
            b.put_i32_le(*x);
            b.put_i32_le(*y);
        }
    }
    if !update.changed.is_empty() {
        put_varint(b, update.changed.len() as u32);
        for (id, components) in &update.changed {
            b.put_u16_le(*id);
            put_components(b, components);
        }
    }
}

/// Appends whose moves follow, a bit for each place in the list: as that mask or one by one, whichever is shorter.
pub fn put_places(b: &mut BytesMut, mask: &[u8]) {
    let count: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let used = mask.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if used <= count as usize {
        put_varint(b, used as u32);
        b.put_slice(&mask[..used]);
        return;
    }
    put_varint(b, 0);
    let mut next = 0;
    for (n, byte) in mask.iter().enumerate() {
        let mut bits = *byte;
        while bits != 0 {
            let place = n as u32 * 8 + bits.trailing_zeros();
            put_varint(b, place - next);
            next = place + 1;
            bits &= bits - 1;
        }
    }
}

fn put_components(b: &mut BytesMut, components: &[Component]) {
    b.put_u8(components.len() as u8);
    for component in components {
        match &component.fields {
            Some(fields) => {
                b.put_u8(component.number);
                put_varint(b, fields.len() as u32);
                b.put_slice(fields);
            }
            None => b.put_u8(component.number | update::TAKEN_OFF),
        }
    }
}
