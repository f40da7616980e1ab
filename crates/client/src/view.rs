//! What one connection sees: applies updates to a table of entities.

use std::collections::BTreeMap;
use std::sync::Arc;

use pangea_world::Refusal;
use pangea_world::frames::{Component, Known, KnownList, Update, Welcome, component, read_character};
use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;

use crate::schema::{Schema, Values};

/// Something in view.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
    /// The game's own components, by their numbers in the schema.
    pub components: BTreeMap<u8, Values>,
}

impl Entity {
    fn apply(&mut self, components: Vec<Component>, schema: Option<&Schema>) -> Result<(), Refusal> {
        for told in components {
            let Some(fields) = told.fields else {
                self.components.remove(&told.number);
                continue;
            };
            if told.number == component::CHARACTER {
                let (name, faction) = read_character(&fields)?;
                self.name = name.unwrap_or(std::mem::take(&mut self.name));
                self.faction = faction.unwrap_or(std::mem::take(&mut self.faction));
            } else if let Some(schema) = schema {
                schema.apply(told.number, &fields, self.components.entry(told.number).or_default())?;
            }
        }
        Ok(())
    }
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
    schema: Option<Arc<Schema>>,
    entities: FxHashMap<u16, Entity>,
    known: KnownList,
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
            schema: None,
            entities: FxHashMap::default(),
            known: KnownList::default(),
        }
    }

    /// Goes on over a new connection: until its first update it shows what was known.
    pub(crate) fn resumed(mut self, welcome: &Welcome) -> Self {
        (self.me, self.acked) = (welcome.me, welcome.acked);
        self.known.resumed(welcome.acked);
        self
    }

    /// What a server is told of it at a resume.
    pub(crate) fn known(&self) -> Option<Known> {
        self.known.known()
    }

    /// Everything in view by its id, in no order.
    pub fn entities(&self) -> &FxHashMap<u16, Entity> {
        &self.entities
    }

    /// The own character; `None` before the first update.
    pub fn me(&self) -> Option<&Entity> {
        self.entities.get(&self.me)
    }

    /// What entities are made of; `None` before the server has said it.
    pub fn schema(&self) -> Option<&Schema> {
        self.schema.as_deref()
    }

    pub(crate) fn learn(&mut self, schema: Schema) {
        self.schema = Some(Arc::new(schema));
    }

    /// The kind of an entity by its name, e.g. `wolf`.
    pub fn kind_of(&self, entity: u16) -> Option<&str> {
        let kind = self.entities.get(&entity)?.kind;
        Some(self.schema()?.kinds.get(usize::from(kind))?.as_str())
    }

    /// An entity's component as a type of one's own (`#[derive(Deserialize)]`, fields by their names; give
    /// `#[serde(default)]` to those of others' eyes). `None` if the entity has no such component, or it does
    /// not fit the type.
    pub fn component<T: DeserializeOwned>(&self, entity: u16, name: &str) -> Option<T> {
        let entity = self.entities.get(&entity)?;
        let schema = self.schema()?;
        let (_, values) = entity.components.iter().find(|(n, _)| schema.component(**n) == Some(name))?;
        T::deserialize(values).ok()
    }

    /// Applies an update: first who left, then who came, then who moved and what changed.
    ///
    /// # Errors
    /// `protocol` if it does not follow from the one before.
    pub fn apply(&mut self, mut update: Update) -> Result<(), Refusal> {
        let schema = self.schema.clone();
        self.known.resolve(&mut update)?;
        self.tick = update.tick;
        self.acked = update.acked;
        if update.whole {
            self.entities.clear();
        }
        for id in update.left {
            self.entities.remove(&id);
        }
        for new in update.entered {
            let mut entity = Entity { kind: new.kind, x_cm: new.x, y_cm: new.y, ..Entity::default() };
            entity.apply(new.components, schema.as_deref())?;
            self.entities.insert(new.id, entity);
        }
        for (id, dx, dy) in update.moved {
            if let Some(entity) = self.entities.get_mut(&(id as u16)) {
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
        for (id, components) in update.changed {
            if let Some(entity) = self.entities.get_mut(&id) {
                entity.apply(components, schema.as_deref())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pangea_world::frames::Entered;

    fn came(id: u16, x: i32) -> Entered {
        Entered { id, kind: 0, x, y: 0, components: Vec::new() }
    }

    #[test]
    fn an_id_that_left_and_came_in_one_update_is_the_new_one() {
        let mut view = View { me: 1, ..View::default() };
        let whole = Update { whole: true, entered: vec![came(1, 10), came(2, 20)], ..Update::default() };
        assert_eq!(view.apply(whole), Ok(()));
        let update = Update {
            left: vec![2],
            entered: vec![came(2, 99)],
            moved: vec![(0, -3, 4)],
            ..Update::default()
        };
        assert_eq!(view.apply(update), Ok(()));
        assert_eq!(view.me().map(|e| (e.x_cm, e.y_cm)), Some((7, 4)));
        assert_eq!(view.entities()[&2].x_cm, 99);
        assert_eq!(
            view.apply(Update { jumped: vec![(1, 500, 600), (7, 0, 0)], ..Update::default() }),
            Ok(())
        );
        assert_eq!(view.me().map(|e| (e.x_cm, e.y_cm)), Some((500, 600)));
        assert!(
            view.apply(Update { moved: vec![(2, 1, 1)], ..Update::default() }).is_err(),
            "never told of it"
        );
        assert_eq!(view.apply(Update { whole: true, ..Update::default() }), Ok(()));
        assert!(view.entities().is_empty(), "a whole view makes void what was known");
    }
}
