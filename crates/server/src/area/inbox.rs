//! What clients say, taken once per tick.

use pangea_world::frames::{ClientMessage, ServerMessage, close, read_client_frame};
use pangea_world::messages::GoOn;
use pangea_world::{Code, Refusal};

use super::here::Area;
use super::websocket::Frame;

/// How much farther than it sees a client may ask for the land, metres.
const BEYOND_VIEW_M: f64 = 64.0;

/// Most chunks that are made in one tick, for all clients together.
const CHUNKS_PER_TICK: usize = 32;

impl Area {
    /// Bytes of one client.
    pub fn read_bytes(&mut self, slot: usize, bytes: &[u8]) {
        let Some(Some(client)) = self.clients.get_mut(slot) else { return };
        if client.is_closing() {
            return;
        }
        client.reader.push(bytes);
        loop {
            let Some(Some(client)) = self.clients.get_mut(slot) else { return };
            if client.is_closing() {
                return;
            }
            let frame = match client.reader.next() {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(refusal) => return self.close(slot, close::PROTOCOL, Some(refusal)),
            };
            if !client.count_message() {
                return self.close(slot, close::PROTOCOL, Some(too_many()));
            }
            if let Err(refusal) = self.on_frame(slot, frame) {
                return self.close(slot, close::PROTOCOL, Some(refusal));
            }
        }
    }

    fn on_frame(&mut self, slot: usize, frame: Frame) -> Result<(), Refusal> {
        let Some(Some(client)) = self.clients.get_mut(slot) else { return Ok(()) };
        match frame {
            Frame::Pong => {}
            Frame::Ping(payload) => client.pong(&payload),
            Frame::Close(_) => self.close(slot, 1000, None),
            Frame::Message(bytes) => {
                let messages = read_client_frame(&bytes)?;
                for (n, message) in messages.into_iter().enumerate() {
                    let Some(Some(client)) = self.clients.get_mut(slot) else { return Ok(()) };
                    if client.is_closing() {
                        return Ok(());
                    }
                    if n > 0 && !client.count_message() {
                        return Err(too_many());
                    }
                    self.on_message(slot, message)?;
                }
            }
        }
        Ok(())
    }

    /// # Errors
    /// If the connection cannot go on.
    fn on_message(&mut self, slot: usize, message: ClientMessage) -> Result<(), Refusal> {
        let Some(Some(client)) = self.clients.get_mut(slot) else { return Ok(()) };
        let character = client.character;
        let Some(here) = self.here.get_mut(&character).filter(|here| here.client == Some(slot)) else {
            return Ok(());
        };
        match message {
            ClientMessage::Hello { .. } => return Refusal::err(Code::Protocol, "a second hello"),
            ClientMessage::Input { seq, kind, payload } => {
                let waits = self.moving.settles() && !self.sim.steers(kind);
                if !here.in_world || !self.acts || here.misses(seq, waits, self.now_ms) {
                    return Ok(());
                }
                if let Err(refusal) = self.sim.input(here.entity, seq, kind, &payload) {
                    self.gauges.refusals.count(refusal.code);
                    client.refuse_input(self.now_ms, refusal);
                }
            }
            ClientMessage::Tiles { cx, cy } => {
                let from = self.sim.place(here.entity).unwrap_or(here.eyes);
                let reach = f64::from(self.settings.view_m) + BEYOND_VIEW_M;
                let refusal = if chunk_distance(from, cx, cy) > reach {
                    Refusal::new(Code::OutOfBounds, "that land is too far away to see")
                } else if client.count_chunk() {
                    client.chunks.push_back((cx, cy));
                    return Ok(());
                } else {
                    Refusal::new(Code::TooManyRequests, "too much land at once")
                };
                self.gauges.refusals.count(refusal.code);
                client.refuse_input(self.now_ms, refusal);
            }
            ClientMessage::GoOn { world, map, layer, rule, friend } => {
                let layer_plus_one = layer.map_or(0, |layer| u32::from(layer) + 1);
                let to = GoOn { world, map, layer_plus_one, rule, friend, ..GoOn::default() };
                if let Err(refusal) = self.go_on(character, to) {
                    self.gauges.refusals.count(refusal.code);
                    self.say(Some(slot), &ServerMessage::Refused(refusal));
                }
            }
            ClientMessage::Leave => self.leave(character, 1000, None),
            ClientMessage::Ping { nonce } => client.say(&ServerMessage::Pong { nonce }),
            // A socket has none: there all goes one way.
            ClientMessage::Datagrams if client.line.session().is_some() => here.view.go_apart(),
            ClientMessage::Datagrams => {}
            ClientMessage::Say { kind, id, to, text } => self.on_say(character, kind, id, &to, &text),
            ClientMessage::Heard(heard) => self.on_heard(character, slot, &heard),
            ClientMessage::ReadChat { kind, before, most } => {
                self.on_read_chat(character, kind, before, most);
            }
        }
        Ok(())
    }

    /// Answers who asked for land: first from what is made, and a few new chunks per tick.
    pub fn send_chunks(&mut self) {
        let mut made = 0;
        for client in
            self.clients.iter_mut().flatten().filter(|client| !client.is_closing() && !client.is_behind())
        {
            while let Some((cx, cy)) = client.chunks.front().copied() {
                let terrain = self.sim.terrain();
                if !terrain.has_chunk(cx, cy) {
                    if made >= CHUNKS_PER_TICK {
                        break;
                    }
                    made += 1;
                }
                let tiles = terrain.chunk(cx, cy).to_vec();
                client.say(&ServerMessage::Tiles { cx, cy, tiles });
                client.chunks.pop_front();
            }
        }
    }
}

fn too_many() -> Refusal {
    Refusal::new(Code::TooManyRequests, "too many messages")
}

/// From a place to the nearest point of a chunk, metres.
fn chunk_distance((x, y): (f64, f64), cx: i32, cy: i32) -> f64 {
    let side = pangea_world::frames::CHUNK_TILES as f64;
    let beside = |v: f64, c: i32| (f64::from(c) * side - v).max(v - (f64::from(c) + 1.0) * side).max(0.0);
    beside(x, cx).hypot(beside(y, cy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_as_far_as_its_nearest_point() {
        assert_eq!(chunk_distance((10.0, 10.0), 0, 0), 0.0);
        assert_eq!(chunk_distance((10.0, 10.0), 1, 0), 22.0);
        assert_eq!(chunk_distance((10.0, 10.0), -1, -1), 10.0f64.hypot(10.0));
        assert!(chunk_distance((0.0, 0.0), i32::MIN, i32::MAX) > 1e10);
    }
}
