//! What a game declares: its kinds of entities, components, inputs, events, systems and hooks.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;

use bevy_ecs::component::Mutable;
use bevy_ecs::prelude::*;
use bevy_ecs::system::{BoxedSystem, IntoSystem};
use pangea_world::{Code, Refusal};
use serde_json::{Value, json};

use crate::border::PassHook;
use crate::border::letter::LetterKind;
use crate::field::Malformed;
use crate::input::{Allowance, Input, InputKind, TypedInput};
use crate::replicate::{Audience, FieldInfo, Replicate, id};
use crate::save::Saved;
use crate::shadow::{Part, TypedPart};

/// Most kinds of components; their numbers have seven bits.
const MOST_COMPONENTS: usize = 127;

/// Most bytes of all constant tables together, as JSON.
const MOST_TABLES: usize = 64 << 10;

/// Why an entity appears in an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enter {
    /// It comes in from the store: a character that logs in for the first time or comes back, also to an area that was
    /// started anew.
    Spawn,
    /// It came from another area.
    Handoff,
}

/// Why an entity goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Its player left.
    Quit,
    /// It goes on to another area.
    Handoff,
    /// The area stops.
    Stop,
}

/// Number of a kind of entity, as [`Builder::kind`] gave it.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(pub u8);

/// The kind of all characters.
pub const CHARACTER: Kind = Kind(0);

/// Called with a character that has come in.
pub(crate) type EnterHook = Box<dyn FnMut(&mut World, Entity, Enter) + Send>;
/// Called with a character that is about to go.
pub(crate) type LeaveHook = Box<dyn FnMut(&mut World, Entity, Leave) + Send>;

/// An area under construction: a game's `build` fills it.
pub struct Builder {
    /// The area's entities and resources; a game puts its own resources into it, before the systems that need
    /// them run.
    pub ecs: World,
    pub(crate) registry: Registry,
    pub(crate) systems: Vec<BoxedSystem>,
    pub(crate) on_enter: Vec<EnterHook>,
    pub(crate) on_leave: Vec<LeaveHook>,
    pub(crate) on_pass: Vec<PassHook>,
}

/// What was declared.
pub(crate) struct Registry {
    pub kinds: Vec<&'static str>,
    pub parts: Vec<Box<dyn Part>>,
    /// Resources that are in a save.
    pub saved: Vec<Box<dyn Saved>>,
    pub inputs: Vec<Box<dyn InputKind>>,
    pub events: Vec<(&'static str, &'static [FieldInfo])>,
    pub event_numbers: HashMap<TypeId, u8>,
    /// What is written to the owners of ghosts.
    pub letters: Vec<Box<dyn LetterKind>>,
    pub tables: serde_json::Map<String, Value>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Builder({} systems)", self.systems.len())
    }
}

impl Builder {
    pub(crate) fn new(ecs: World) -> Self {
        let registry = Registry {
            kinds: vec!["character"],
            parts: Vec::new(),
            saved: Vec::new(),
            inputs: Vec::new(),
            events: Vec::new(),
            event_numbers: HashMap::new(),
            letters: Vec::new(),
            tables: serde_json::Map::new(),
        };
        Self {
            ecs,
            registry,
            systems: Vec::new(),
            on_enter: Vec::new(),
            on_leave: Vec::new(),
            on_pass: Vec::new(),
        }
    }

    /// A kind of entity, as clients tell them apart.
    ///
    /// # Panics
    /// If it is there already, or the 257th.
    pub fn kind(&mut self, name: &'static str) -> Kind {
        assert!(!self.registry.kinds.contains(&name), "the kind «{name}» is there twice");
        self.registry.kinds.push(name);
        Kind(u8::try_from(self.registry.kinds.len() - 1).expect("at most 256 kinds"))
    }

    /// A component that travels.
    ///
    /// # Panics
    /// If two have the same name (or its hash), or there are more than 127.
    pub fn component<T: Replicate + Component<Mutability = Mutable>>(&mut self) -> &mut Self {
        let parts = &mut self.registry.parts;
        assert!(parts.len() < MOST_COMPONENTS, "too many components");
        assert!(parts.iter().all(|part| part.about().id != id(T::NAME)), "«{}» is there twice", T::NAME);
        let part = TypedPart::<T>::new(parts.len() as u8, &mut self.ecs);
        parts.push(Box::new(part));
        self
    }

    /// An input, and how many of it a character may give. Systems find them in [`crate::Inputs`], which every
    /// character has and nothing else.
    ///
    /// # Panics
    /// If two have the same name, or it is the 257th.
    pub fn input<T: Input>(&mut self, allowance: Allowance) -> &mut Self {
        let place = self.registry.inputs.len();
        self.input_at::<T>(place, allowance)
    }

    /// An input with this number; those behind it count one more.
    pub(crate) fn input_at<T: Input>(&mut self, place: usize, allowance: Allowance) -> &mut Self {
        let inputs = &mut self.registry.inputs;
        assert!(inputs.len() < 256, "too many inputs");
        assert!(inputs.iter().all(|input| input.name() != T::NAME), "«{}» is there twice", T::NAME);
        inputs.insert(place, Box::new(TypedInput::<T>::new(allowance, &mut self.ecs)));
        self
    }

    /// An event for clients; systems send it through [`crate::Outbox`].
    ///
    /// # Panics
    /// If two have the same name, or it is the 257th.
    pub fn event<T: Replicate>(&mut self) -> &mut Self {
        let number = u8::try_from(self.registry.events.len()).expect("at most 256 events");
        let events = &self.registry.events;
        assert!(events.iter().all(|(name, _)| *name != T::NAME), "«{}» is there twice", T::NAME);
        self.registry.events.push((T::NAME, T::FIELDS));
        self.registry.event_numbers.insert(TypeId::of::<T>(), number);
        self
    }

    /// A constant table of the game that clients get with the schema, under `tables`: what things are called,
    /// what they cost.
    ///
    /// # Panics
    /// If it is there already, or all tables together are larger than 64 KiB.
    pub fn table(&mut self, name: &str, table: Value) -> &mut Self {
        let tables = &mut self.registry.tables;
        assert!(tables.insert(name.to_owned(), table).is_none(), "the table «{name}» is there twice");
        let bytes = serde_json::to_vec(tables).map_or(0, |text| text.len());
        assert!(bytes <= MOST_TABLES, "the tables have {bytes} bytes, more than {MOST_TABLES}");
        self
    }

    /// A system that runs in each step, after all that were added before it.
    pub fn system<M>(&mut self, system: impl IntoSystem<(), (), M>) -> &mut Self {
        let mut system: BoxedSystem = Box::new(IntoSystem::into_system(system));
        system.initialize(&mut self.ecs);
        self.systems.push(system);
        self
    }

    /// Called when a character has come in, before the next step. What it brought along from another area is
    /// on it already: add what is missing with `insert_if_new`, so that nothing is overwritten.
    pub fn on_enter(&mut self, hook: impl FnMut(&mut World, Entity, Enter) + Send + 'static) -> &mut Self {
        self.on_enter.push(Box::new(hook));
        self
    }

    /// Called before a character is taken out.
    pub fn on_leave(&mut self, hook: impl FnMut(&mut World, Entity, Leave) + Send + 'static) -> &mut Self {
        self.on_leave.push(Box::new(hook));
        self
    }
}

impl Registry {
    /// What a client must know to read updates and write inputs, as JSON, and its hash.
    pub fn schema(&self) -> (String, u64) {
        let components: Vec<Value> = self
            .parts
            .iter()
            .map(|part| json!({ "name": part.about().name, "fields": shown(part.about().fields) }))
            .collect();
        let inputs: Vec<Value> = self
            .inputs
            .iter()
            .map(|input| json!({ "name": input.name(), "fields": shown(input.fields()) }))
            .collect();
        let event =
            |(name, fields): &(&str, &'static [FieldInfo])| json!({ "name": name, "fields": shown(fields) });
        let events: Vec<Value> = self.events.iter().map(event).collect();
        let mut schema =
            json!({ "kinds": self.kinds, "components": components, "inputs": inputs, "events": events });
        if !self.tables.is_empty() {
            schema["tables"] = Value::Object(self.tables.clone());
        }
        let text = schema.to_string();
        let hash = text.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        });
        (text, hash)
    }

    /// Reads an input and queues it for the next step.
    pub fn take_input(
        &self,
        ecs: &mut World,
        entity: Entity,
        kind: u8,
        payload: &[u8],
    ) -> Result<(), Refusal> {
        let Some(input) = self.inputs.get(usize::from(kind)) else {
            return Refusal::err(Code::Protocol, "there is no such input");
        };
        input.take(ecs, entity, payload)
    }
}

/// The fields that clients may see, with their numbers.
fn shown(fields: &'static [FieldInfo]) -> Vec<Value> {
    let visible = fields.iter().enumerate().filter(|(_, field)| field.audience != Audience::Server);
    visible
        .map(|(n, field)| {
            let mut value = json!({ "n": n, "name": field.name, "type": (field.kind)() });
            if field.quant > 0.0 {
                value["quant"] = json!(field.quant);
            }
            if field.audience == Audience::Owner {
                value["owner"] = json!(true);
            }
            if field.entity {
                value["entity"] = json!(true);
            }
            value
        })
        .collect()
}

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Self {
        Refusal::new(Code::Protocol, "this could not be read")
    }
}
