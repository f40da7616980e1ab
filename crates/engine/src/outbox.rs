//! What systems want told: events for clients, changed tiles.

use std::any::TypeId;
use std::collections::HashMap;

use bevy_ecs::prelude::*;
use bytes::Bytes;

use crate::replicate::{Replicate, put_message};
use crate::walk::Point;

/// Most events of one step; what is more is dropped and counted.
pub const MOST_EVENTS: usize = 65_536;

/// Who is told of an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum To {
    /// The client that steers this entity.
    Owner(Entity),
    /// All clients whose eyes are so near to a point, metres.
    Near(Point, f64),
    /// All clients of the area.
    All,
}

/// One event as clients get it.
#[derive(Debug, Clone)]
pub struct Event {
    /// Who is told.
    pub to: To,
    /// Its number in the schema.
    pub number: u8,
    /// Its fields.
    pub payload: Bytes,
}

/// Events of this step; the area server delivers them with the update.
#[derive(Resource, Debug, Default)]
pub struct Outbox {
    numbers: HashMap<TypeId, u8>,
    events: Vec<Event>,
    /// How many were too many since the area began.
    pub dropped: u64,
}

impl Outbox {
    pub(crate) fn new(numbers: HashMap<TypeId, u8>) -> Self {
        Self { numbers, ..Self::default() }
    }

    /// Sends an event; written once, however many get it.
    ///
    /// # Panics
    /// If its type was not declared with [`crate::Builder::event`].
    pub fn send<T: Replicate>(&mut self, to: To, event: &T) {
        let number = self.numbers.get(&TypeId::of::<T>());
        let number = *number.unwrap_or_else(|| panic!("«{}» is not declared as an event", T::NAME));
        if self.events.len() >= MOST_EVENTS {
            self.dropped += 1;
            return;
        }
        let mut payload = Vec::new();
        put_message(event, &mut payload);
        self.events.push(Event { to, number, payload: payload.into() });
    }

    pub(crate) fn number_of<T: Replicate>(&self) -> Option<u8> {
        self.numbers.get(&TypeId::of::<T>()).copied()
    }

    pub(crate) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}
