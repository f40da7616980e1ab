//! What one connection sees: applies updates to a table of entities.

use std::collections::HashMap;

use pangea_world::frames::{Update, Welcome};

/// Something in view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// 0 a character.
    pub kind: u8,
    /// Centimetres, grows east.
    pub x_cm: i32,
    /// Centimetres, grows south.
    pub y_cm: i32,
    /// Shown above it.
    pub name: String,
    /// Its faction's id, or empty.
    pub faction: String,
}

/// What one connection sees.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The own character's id among the entities.
    pub me: u16,
    /// `world/ground/layer`.
    pub area: String,
    /// Low 32 bits of the tick of the last update.
    pub tick: u32,
    /// Ticks per second: so many inputs a second move the character at full speed.
    pub tick_hz: u8,
    /// Highest input number that the server applied.
    pub acked: u32,
    entities: HashMap<u16, Entity>,
}

impl View {
    /// Empty, as a connection begins.
    pub fn new(welcome: &Welcome) -> Self {
        Self {
            me: welcome.me,
            area: welcome.area.clone(),
            tick: welcome.tick as u32,
            tick_hz: welcome.tick_hz,
            acked: welcome.acked,
            entities: HashMap::new(),
        }
    }

    /// Everything in view by its id, in no order.
    pub fn entities(&self) -> &HashMap<u16, Entity> {
        &self.entities
    }

    /// The own character; `None` before the first update.
    pub fn me(&self) -> Option<&Entity> {
        self.entities.get(&self.me)
    }

    /// Applies an update: first who left, then who came, then who moved.
    pub fn apply(&mut self, update: Update) {
        self.tick = update.tick;
        self.acked = update.acked;
        if update.whole {
            self.entities.clear();
        }
        for id in update.left {
            self.entities.remove(&id);
        }
        for new in update.entered {
            let entity =
                Entity { kind: new.kind, x_cm: new.x, y_cm: new.y, name: new.name, faction: new.faction };
            self.entities.insert(new.id, entity);
        }
        for (id, dx, dy) in update.moved {
            if let Some(entity) = self.entities.get_mut(&id) {
                // The sum of a server's own numbers; wrapping keeps a broken server from stopping a client.
                entity.x_cm = entity.x_cm.wrapping_add(i32::from(dx));
                entity.y_cm = entity.y_cm.wrapping_add(i32::from(dy));
            }
        }
        for (id, x, y) in update.jumped {
            if let Some(entity) = self.entities.get_mut(&id) {
                (entity.x_cm, entity.y_cm) = (x, y);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pangea_world::frames::Entered;

    fn came(id: u16, x: i32) -> Entered {
        Entered { id, kind: 0, x, y: 0, name: format!("e{id}"), faction: String::new() }
    }

    #[test]
    fn an_id_that_left_and_came_in_one_update_is_the_new_one() {
        let mut view = View { me: 1, ..View::default() };
        view.apply(Update { whole: true, entered: vec![came(1, 10), came(2, 20)], ..Update::default() });
        view.apply(Update {
            left: vec![2],
            entered: vec![came(2, 99)],
            moved: vec![(1, -3, 4)],
            ..Update::default()
        });
        assert_eq!(view.me().map(|e| (e.x_cm, e.y_cm)), Some((7, 4)));
        assert_eq!(view.entities()[&2].x_cm, 99);
        view.apply(Update { jumped: vec![(1, 500, 600), (7, 0, 0)], ..Update::default() });
        assert_eq!(view.me().map(|e| (e.x_cm, e.y_cm)), Some((500, 600)));
        view.apply(Update { whole: true, ..Update::default() });
        assert!(view.entities().is_empty(), "a whole view makes void what was known");
    }
}
