//! Letters: what a system wants of a ghost goes to the area that owns it, and is read there by the game's
//! systems in a later step. A letter may be lost with the line, or with a character that is just going to another
//! server, and is never read twice.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use bevy_ecs::prelude::*;

use super::Ghost;
use super::frame::put_letter;
use super::tell::band;
use crate::field::Malformed;
use crate::registry::Builder;
use crate::replicate::{Replicate, id};
use crate::sim::{Position, Sim};
use crate::walk::Point;

/// Most letters that the systems of one step write; what is more is dropped and counted.
pub const MOST_POSTED: usize = 4_096;

/// Where systems put letters.
#[derive(Resource, Debug, Default)]
pub struct Post {
    declared: BTreeSet<u32>,
    posted: Vec<(Address, u32, Vec<u8>)>,
    /// How many were too many since the area began.
    pub dropped: u64,
}

/// A character that goes to another server: what it is was said already ([`Sim::set_leaving`]). Systems that do something
/// to others leave it out (`Without<Leaving>`), or what they did is undone.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leaving;

/// To whom a letter goes.
#[derive(Debug, Clone, Copy)]
enum Address {
    One(Entity),
    Around(Point),
}

impl Post {
    /// A letter to the owner of an entity. Of one that is owned here it is read here, in the next step.
    ///
    /// # Panics
    /// If its type was not declared with [`Builder::letter`].
    pub fn to<T: Replicate>(&mut self, entity: Entity, letter: &T) {
        self.put(Address::One(entity), letter);
    }

    /// A letter to all neighbours that show what is at this point, metres: what their clients should hear.
    ///
    /// # Panics
    /// If its type was not declared with [`Builder::letter`].
    pub fn around<T: Replicate>(&mut self, at: Point, letter: &T) {
        self.put(Address::Around(at), letter);
    }

    fn put<T: Replicate>(&mut self, address: Address, letter: &T) {
        assert!(self.declared.contains(&id(T::NAME)), "«{}» is not declared as a letter", T::NAME);
        if self.posted.len() >= MOST_POSTED {
            self.dropped += 1;
            return;
        }
        let mut bytes = Vec::new();
        letter.put_whole(&mut bytes);
        self.posted.push((address, id(T::NAME), bytes));
    }
}

/// One letter.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter<T> {
    /// To what is owned here; `None`: to all who are near.
    pub to: Option<Entity>,
    /// What it says.
    pub says: T,
}

/// The letters of one type that have come since the last step, in their order; what no system takes in a step
/// is dropped.
#[derive(Resource, Debug)]
pub struct Letters<T: Replicate>(Vec<Letter<T>>);

impl<T: Replicate> Letters<T> {
    /// Takes them all.
    pub fn drain(&mut self) -> impl Iterator<Item = Letter<T>> + '_ {
        self.0.drain(..)
    }

    /// Whether none came.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A declared letter, whatever its type.
pub(crate) trait LetterKind: Send + Sync {
    fn id(&self) -> u32;
    fn check(&self, bytes: &[u8]) -> Result<(), Malformed>;
    /// Puts it where systems read it.
    fn deliver(&self, ecs: &mut World, to: Option<Entity>, bytes: &[u8]);
    /// Drops those to one entity.
    fn forget(&self, ecs: &mut World, to: Entity);
    /// After a step: what no system took is dropped.
    fn clear(&self, ecs: &mut World);
}

struct Typed<T>(PhantomData<fn(T)>);

impl<T: Replicate> fmt::Debug for Typed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::NAME)
    }
}

impl<T: Replicate> LetterKind for Typed<T> {
    fn id(&self) -> u32 {
        id(T::NAME)
    }

    fn check(&self, mut bytes: &[u8]) -> Result<(), Malformed> {
        T::take_whole(&mut bytes).map(drop)
    }

    fn deliver(&self, ecs: &mut World, to: Option<Entity>, mut bytes: &[u8]) {
        if let Ok(says) = T::take_whole(&mut bytes) {
            ecs.resource_mut::<Letters<T>>().0.push(Letter { to, says });
        }
    }

    fn forget(&self, ecs: &mut World, to: Entity) {
        ecs.resource_mut::<Letters<T>>().0.retain(|letter| letter.to != Some(to));
    }

    fn clear(&self, ecs: &mut World) {
        let mut letters = ecs.resource_mut::<Letters<T>>();
        if !letters.is_empty() {
            letters.0.clear();
        }
    }
}

impl Builder {
    /// A letter to the owner of a ghost; systems send it through [`Post`] and find it in [`Letters`].
    ///
    /// # Panics
    /// If two have the same name.
    pub fn letter<T: Replicate>(&mut self) -> &mut Self {
        let is_new = self.ecs.resource_mut::<Post>().declared.insert(id(T::NAME));
        assert!(is_new, "«{}» is there twice", T::NAME);
        self.ecs.insert_resource(Letters::<T>(Vec::new()));
        self.registry.letters.push(Box::new(Typed::<T>(PhantomData)));
        self
    }
}

impl Sim {
    /// After the systems: what was read is gone, what they wrote goes its way.
    pub(crate) fn send_letters(&mut self) {
        for kind in &self.registry.letters {
            kind.clear(&mut self.ecs);
        }
        if self.ecs.resource::<Post>().posted.is_empty() {
            return;
        }
        let posted = std::mem::take(&mut self.ecs.resource_mut::<Post>().posted);
        for (address, kind, bytes) in posted {
            match address {
                Address::Around(at) => {
                    let letter = put_letter(None, kind, &bytes);
                    let (_, far_m) = band(self.view_m);
                    let near = |line: &&mut super::Line| {
                        line.ground.is_some_and(|ground| !super::is_beyond(ground, at, far_m))
                    };
                    self.border.lines.values_mut().filter(near).for_each(|line| line.write(letter.clone()));
                }
                Address::One(to) => self.send_letter(to, kind, &bytes),
            }
        }
    }

    fn send_letter(&mut self, to: Entity, kind: u32, bytes: &[u8]) {
        let Ok(entity) = self.ecs.get_entity(to) else { return };
        match (entity.get::<Ghost>(), entity.get::<super::Gid>()) {
            (Some(ghost), Some(gid)) => {
                if let Some(line) = self.border.lines.get_mut(&ghost.peer) {
                    line.write(put_letter(Some(*gid), kind, bytes));
                }
            }
            _ if entity.contains::<Position>() => self.deliver(Some(to), kind, bytes),
            _ => {}
        }
    }

    /// From when its server has said what a character is to its next owner, until that one has it or it stays: what
    /// is done to it meanwhile counts nowhere, so no letter reaches it, and nobody is told that one did.
    pub fn set_leaving(&mut self, id: u16, leaving: bool) {
        let Some(entity) = self.entity(id) else { return };
        if !leaving {
            self.ecs.entity_mut(entity).remove::<Leaving>();
            return;
        }
        self.ecs.entity_mut(entity).insert(Leaving);
        for kind in &self.registry.letters {
            kind.forget(&mut self.ecs, entity);
        }
    }

    /// Puts a letter where systems read it in the next step.
    pub(super) fn deliver(&mut self, to: Option<Entity>, kind: u32, bytes: &[u8]) {
        if to.is_some_and(|to| self.ecs.get::<Leaving>(to).is_some()) {
            return;
        }
        if let Some(kind) = self.registry.letters.iter().find(|known| known.id() == kind) {
            kind.deliver(&mut self.ecs, to, bytes);
        }
    }
}
