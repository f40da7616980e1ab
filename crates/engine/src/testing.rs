//! For a game's own tests: an area without a server, players without sockets.

use bevy_ecs::prelude::Component;
use pangea_world::id::CharacterId;
use pangea_world::layout::{extent_m, ground_at};
use pangea_world::ledger::Act;
use pangea_world::{Refusal, world_file};

use crate::replicate::{put_message, take_message};
use crate::walk::Point;
use crate::{Character, CharacterIs, Enter, Game, Input, Outbox, Replicate, Setup, Sim};

impl Sim {
    /// The area in which newcomers to a world appear, as an area server makes it at its first start.
    ///
    /// # Panics
    /// If this is not the text of a world file.
    pub fn of_world(game: &Game, world_toml: &str) -> Self {
        let world = world_file::read("test.toml", world_toml).expect("a world file");
        let spawn = world.spawn(None).expect("a world has a spawn");
        let ground = ground_at(&world, &spawn).expect("a spawn is somewhere");
        let extent = extent_m(&world, &ground).expect("a ground has an extent");
        let (tick_hz, view_m) = (world.tick_hz, world.view_m);
        let mut sim =
            Self::new(game, &Setup { world: &world, ground: &ground, extent, tick_hz, view_m, tick: 0 });
        sim.own_ledger();
        sim
    }

    /// From now on a ledger of its own, by the same rules as central's, decides in memory before each step
    /// what was asked in the one before.
    pub fn own_ledger(&mut self) {
        self.ledger().decide_alone();
    }

    /// The same ledger as another area's: what one of them asks changes what characters of the other have.
    pub fn share_ledger(&mut self, with: &mut Self) {
        let (ours, theirs) = (self.ledger(), with.ledger());
        ours.share(theirs);
    }

    /// What an operator would do to what somebody has: [`Act::Grant`] or [`Act::Seize`], at once.
    ///
    /// # Errors
    /// As the ledger's rules say.
    ///
    /// # Panics
    /// If the ledger is not this area's own.
    pub fn operate(&mut self, act: Act) -> Result<(), Refusal> {
        self.ledger().operate(act)
    }

    /// Which of central's characters an entity is.
    ///
    /// # Panics
    /// If it is none.
    pub fn character(&self, id: u16) -> CharacterId {
        self.get::<CharacterIs>(id).expect("a character").0
    }

    /// A new player's character, on the nearest free place; its id.
    ///
    /// # Panics
    /// If the area is full.
    pub fn join(&mut self, name: &str, at: Point) -> u16 {
        let id = self.reserve().expect("room for one more");
        let who = CharacterId([id.to_le_bytes(); 8].as_flattened().try_into().expect("16 bytes"));
        let character = Character { name: name.to_owned(), faction: String::new() };
        self.spawn(id, who, character, at, Enter::Spawn, None).expect("there is no record to misread");
        id
    }

    /// A player's input as if it had come over his socket: read, checked and counted like any other.
    ///
    /// # Errors
    /// As [`Sim::input`].
    ///
    /// # Panics
    /// If it is not declared.
    pub fn act<T: Input>(&mut self, id: u16, input: &T) -> Result<(), Refusal> {
        let kind = self.registry.inputs.iter().position(|known| known.name() == T::NAME);
        let kind = kind.unwrap_or_else(|| panic!("«{}» is not declared as an input", T::NAME)) as u8;
        let mut payload = Vec::new();
        put_message(input, &mut payload);
        let seq = self.seen(id) + 1;
        self.input(id, seq, kind, &payload)
    }

    /// A component of an entity.
    pub fn get<T: Component>(&self, id: u16) -> Option<&T> {
        self.ecs.get::<T>(self.entity(id)?)
    }

    /// The events of this type of the last step, as clients read them; those of other types are gone too.
    pub fn events<T: Replicate>(&mut self) -> Vec<T> {
        let number = self.ecs.resource::<Outbox>().number_of::<T>();
        let all = self.take_events();
        let ours = all.iter().filter(|event| Some(event.number) == number);
        ours.map(|event| take_message(&event.payload).expect("as it was written")).collect()
    }
}
