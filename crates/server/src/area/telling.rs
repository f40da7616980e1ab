//! What a step has brought for clients beside their updates: events, and tiles that changed.

use bytes::BytesMut;
use pangea_engine::Net;
use pangea_engine::outbox::{Event, To};
use pangea_world::frames::ServerMessage;
use std::collections::HashMap;

use super::here::Area;

/// How much farther than it sees a client is told of changed tiles, metres: it may have asked for that land.
const BEYOND_VIEW_M: f64 = 96.0;

impl Area {
    /// Tells what happened in the last step; each thing is written once.
    pub fn tell_events(&mut self) {
        let (events, tiles) = (self.sim.take_events(), self.sim.terrain().take_changed());
        if events.is_empty() && tiles.is_empty() {
            return;
        }
        let ears: Vec<(usize, u16, (f64, f64))> = self
            .here
            .values()
            .filter_map(|here| {
                let at = self.sim.place(here.entity).unwrap_or(here.eyes);
                here.client.map(|slot| (slot, here.entity, at))
            })
            .collect();
        let owners: HashMap<u16, usize> = ears.iter().map(|(slot, entity, _)| (*entity, *slot)).collect();
        let mut message = BytesMut::new();
        for Event { to, number, payload } in events {
            message.clear();
            ServerMessage::Event { number, payload }.put(&mut message);
            match to {
                To::All => ears.iter().for_each(|(slot, ..)| self.say_bytes(*slot, &message)),
                To::Near(point, radius_m) => {
                    let near = ears.iter().filter(|(.., at)| distance(*at, point) <= radius_m);
                    near.for_each(|(slot, ..)| self.say_bytes(*slot, &message));
                }
                To::Owner(entity) => {
                    let net = self.sim.ecs().get::<Net>(entity).map(|net| net.0);
                    if let Some(slot) = net.and_then(|net| owners.get(&net)) {
                        self.say_bytes(*slot, &message);
                    }
                }
            }
        }
        let reach = f64::from(self.settings.view_m) + BEYOND_VIEW_M;
        for (x, y, kind) in tiles {
            message.clear();
            ServerMessage::Tile { x, y, kind }.put(&mut message);
            let near = ears.iter().filter(|(.., at)| distance(*at, (f64::from(x), f64::from(y))) <= reach);
            near.for_each(|(slot, ..)| self.say_bytes(*slot, &message));
        }
    }

    fn say_bytes(&mut self, slot: usize, message: &[u8]) {
        if let Some(Some(client)) = self.clients.get_mut(slot) {
            client.say_bytes(message);
        }
    }
}

fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}
