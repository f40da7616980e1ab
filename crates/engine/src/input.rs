//! What clients ask their characters to do: typed, numbered, checked, at most so many per second.

use std::fmt;
use std::marker::PhantomData;

use bevy_ecs::prelude::*;
use pangea_world::{Code, Refusal};
use smallvec::SmallVec;

use crate::replicate::{FieldInfo, Replicate, take_message};

/// A message of a client for its character.
pub trait Input: Replicate {
    /// Whether it only moves its character, and asks nothing of the ledger or of central: the last that is taken of an
    /// area which is about to go to another server.
    const STEERS: bool = false;

    /// What can be said without knowing the area: finite numbers, lengths, ranges.
    ///
    /// # Errors
    /// A refusal; the input is dropped and its sender told.
    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// How many inputs of a kind a character may give. What is more is refused (`too_fast`) and never reaches a
/// system. One in five seconds, two saved up: `per_tick: 0.2 / setup.tick_hz as f32, saved: 2.0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    /// Gained with each tick.
    pub per_tick: f32,
    /// Most that may be saved up: a late network delivers several at once. What came while the server itself took
    /// none counts beside it ([`MOST_UNREAD`]).
    pub saved: f32,
}

impl Allowance {
    /// One per tick, five saved up: for steering.
    pub const EACH_TICK: Self = Self { per_tick: 1.0, saved: 5.0 };

    /// So many in ten ticks, at least one saved up.
    pub fn in_ten_ticks(count: u8) -> Self {
        Self { per_tick: f32::from(count) / 10.0, saved: f32::from(count).max(1.0) }
    }
}

/// For so many ticks in which its server, or the one before, took nothing a character's inputs are taken all at once;
/// clients keep as many to give them again.
pub const MOST_UNREAD: f32 = 64.0;

/// A character's inputs of one kind, in the order in which they came; emptied after each step.
#[derive(Component, Debug)]
pub struct Inputs<T: Input> {
    queue: SmallVec<[T; 2]>,
    budget: f32,
}

impl<T: Input> Inputs<T> {
    /// Takes them all.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.queue.drain(..)
    }

    /// Whether none came.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

/// A declared input, whatever its type.
pub(crate) trait InputKind: Send + Sync {
    fn name(&self) -> &'static str;
    fn fields(&self) -> &'static [FieldInfo];
    fn steers(&self) -> bool;
    /// Gives a character its queue.
    fn attach(&self, entity: &mut EntityWorldMut<'_>);
    /// Allows what could not be taken for so many ticks.
    fn make_up(&self, ecs: &mut World, entity: Entity, ticks: f32);
    /// Reads, checks and queues one.
    fn take(&self, ecs: &mut World, entity: Entity, payload: &[u8]) -> Result<(), Refusal>;
    /// After a step: what no system took is dropped, and all gain.
    fn refill(&mut self, ecs: &mut World, refill: f32);
}

pub(crate) struct TypedInput<T: Input> {
    allowance: Allowance,
    queues: QueryState<&'static mut Inputs<T>>,
    of: PhantomData<T>,
}

impl<T: Input> fmt::Debug for TypedInput<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::NAME)
    }
}

impl<T: Input> TypedInput<T> {
    pub fn new(allowance: Allowance, ecs: &mut World) -> Self {
        Self { allowance, queues: ecs.query(), of: PhantomData }
    }
}

impl<T: Input> InputKind for TypedInput<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn fields(&self) -> &'static [FieldInfo] {
        T::FIELDS
    }

    fn steers(&self) -> bool {
        T::STEERS
    }

    fn attach(&self, entity: &mut EntityWorldMut<'_>) {
        entity.insert(Inputs::<T> { queue: SmallVec::new(), budget: self.allowance.saved });
    }

    fn make_up(&self, ecs: &mut World, entity: Entity, ticks: f32) {
        let Some(mut inputs) = ecs.get_mut::<Inputs<T>>(entity) else { return };
        let Allowance { per_tick, saved } = self.allowance;
        let gained = per_tick * ticks.clamp(0.0, MOST_UNREAD);
        // However often that happens: beside what is saved up, no more than the last time.
        let inputs = inputs.bypass_change_detection();
        inputs.budget = inputs.budget.max((inputs.budget + gained).min(saved + gained));
    }

    fn take(&self, ecs: &mut World, entity: Entity, payload: &[u8]) -> Result<(), Refusal> {
        let input: T = take_message(payload)?;
        input.check()?;
        let Some(mut inputs) = ecs.get_mut::<Inputs<T>>(entity) else { return Ok(()) };
        if inputs.budget < 1.0 {
            return Refusal::err(Code::TooFast, "too many inputs for the time");
        }
        inputs.budget -= 1.0;
        inputs.queue.push(input);
        Ok(())
    }

    fn refill(&mut self, ecs: &mut World, refill: f32) {
        let Allowance { per_tick, saved } = self.allowance;
        for mut inputs in self.queues.iter_mut(ecs) {
            let inputs = inputs.bypass_change_detection();
            inputs.queue.clear();
            // What was made up is above that until it is used.
            inputs.budget = inputs.budget.max((inputs.budget + per_tick * refill).min(saved));
        }
    }
}
