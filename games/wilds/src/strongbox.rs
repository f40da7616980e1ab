//! A strongbox of one's own: a storage of the ledger that is nobody else's. Whoever keeps strongboxes opens it, and it
//! is the same one wherever he stands.
//!
//! It is open while the ledger has it reserved and its owner stands before the keeper; one that comes in over a border
//! finds it closed. What lies in it is the ledger's word alone, and comes with the reservation.

use bevy_ecs::prelude::*;
use pangea_engine::ledger::who;
use pangea_engine::walk::Stunned;
use pangea_engine::{
    Allowance, Builder, CharacterIs, Clock, Input, Inputs, Ledger, Net, Position, Replicate,
};
use pangea_world::Code;
use pangea_world::id::{CharacterId, StorageId};
use pangea_world::ledger::{Act, MOST_RESERVE_MS, Part, Sheet};

use crate::bag::part_of;
use crate::census::square;
use crate::deeds::{Asking, Deed, Deeds};
use crate::health::IsCharacter;
use crate::items;
use crate::people::{Person, REACH_M};

/// How long it stays open, seconds: less than the ledger reserves it for.
const OPEN_S: u64 = 9 * 60;

/// What lies in the open strongbox, slot by slot: three lists of one length. Who has it not open has none.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Eq, Default)]
pub struct Strongbox {
    /// Occupied slots, in order.
    #[replicate(owner)]
    pub slots: Vec<u16>,
    /// Which item is there.
    #[replicate(owner)]
    pub items: Vec<u16>,
    /// How many.
    #[replicate(owner)]
    pub counts: Vec<u32>,
    /// Who keeps it, by its number on the wire.
    #[replicate(owner)]
    pub keeper: u16,
}

/// Put something into the open strongbox.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Of which slot of the bag.
    pub slot: u16,
    /// How many.
    pub count: u32,
}

/// Take something out of the open strongbox.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Of which slot of the strongbox.
    pub slot: u16,
    /// How many.
    pub count: u32,
}

/// Close it.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct CloseBox {}

impl Input for Put {}
impl Input for Fetch {}
impl Input for CloseBox {}

/// Before whom a character has its strongbox open; this area's word alone.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
struct OpenAt {
    keeper: Entity,
    /// In this tick it closes.
    until: u64,
}

/// Declares it.
pub fn build(area: &mut Builder) {
    let often = Allowance::in_ten_ticks(5);
    area.component::<Strongbox>();
    area.input::<Put>(often).input::<Fetch>(often).input::<CloseBox>(often);
    area.system(opened).system(put).system(fetch).system(close).system(show);
}

/// The ledger's number for a character's own: the character's.
pub fn of(CharacterId(id): CharacterId) -> StorageId {
    StorageId(id)
}

/// Asks for it: whose it is, and that it be opened.
pub fn open(asking: &mut Asking<'_, '_>, by: Entity, character: CharacterId, keeper: Entity) {
    let (who, storage) = (who(character), of(character));
    let _ = asking.ask(by, character, Act::Claim { who, storage }, Deed::Lock)
        && asking.ask(
            by,
            character,
            Act::Reserve { who, storage, for_ms: MOST_RESERVE_MS },
            Deed::Open(keeper),
        );
}

/// What the ledger has opened is open.
fn opened(
    mut commands: Commands,
    deeds: Res<Deeds>,
    ledger: Res<Ledger>,
    clock: Res<Clock>,
    characters: Query<(), IsCharacter>,
    keepers: Query<&Net, With<Person>>,
) {
    for (deed, outcome) in deeds.settled() {
        let Deed::Open(keeper) = deed.deed else { continue };
        if let (Ok(()), true, Ok(net), Some((_, lies))) =
            (outcome, characters.contains(deed.by), keepers.get(keeper), ledger.opened(deed.character))
        {
            let until = clock.tick + OPEN_S * u64::from(clock.hz);
            commands.entity(deed.by).insert((OpenAt { keeper, until }, Strongbox::of(lies, net.0)));
        }
    }
}

/// A character and one kind of its inputs, where it stands, and where its strongbox is open.
type Owner<'a, T> =
    (Entity, &'a CharacterIs, &'a mut Inputs<T>, &'a Position, Option<&'a OpenAt>, Has<Stunned>);

/// Whether it can be reached.
fn reach(
    at: &Position,
    open: Option<&OpenAt>,
    stunned: bool,
    keepers: &Query<&Position, With<Person>>,
) -> Result<(), (&'static str, &'static str)> {
    let Some(open) = open else {
        return Err((Code::StorageReserved.as_str(), "have your strongbox opened first"));
    };
    match keepers.get(open.keeper) {
        _ if stunned => Err(("stunned", "not now")),
        Ok(there) if square(at.point(), there.point()) <= REACH_M * REACH_M => Ok(()),
        _ => Err(("too_far", "go back to who keeps your strongbox")),
    }
}

fn put(
    mut asking: Asking<'_, '_>,
    mut characters: Query<Owner<'_, Put>, IsCharacter>,
    keepers: Query<&Position, With<Person>>,
) {
    for (by, CharacterIs(character), mut inputs, at, open, stunned) in &mut characters {
        for Put { slot, count } in inputs.drain() {
            let can = reach(at, open, stunned, &keepers);
            let found = can.and_then(|()| named(asking.ledger.sheet(*character), slot, count));
            match found {
                Ok(part) => {
                    let act = Act::Put { who: who(*character), storage: of(*character), part };
                    asking.ask(by, *character, act, Deed::Carry);
                }
                Err((code, text)) => asking.refuse(by, code, text),
            }
        }
    }
}

fn fetch(
    mut asking: Asking<'_, '_>,
    mut characters: Query<Owner<'_, Fetch>, IsCharacter>,
    keepers: Query<&Position, With<Person>>,
) {
    for (by, CharacterIs(character), mut inputs, at, open, stunned) in &mut characters {
        for Fetch { slot, count } in inputs.drain() {
            let can = reach(at, open, stunned, &keepers);
            let lies = asking.ledger.opened(*character).map(|(_, lies)| lies);
            match can.and_then(|()| named(lies, slot, count)) {
                Ok(part) => {
                    let act = Act::Fetch { who: who(*character), storage: of(*character), part };
                    asking.ask(by, *character, act, Deed::Carry);
                }
                Err((code, text)) => asking.refuse(by, code, text),
            }
        }
    }
}

fn named(sheet: Option<&Sheet>, slot: u16, count: u32) -> Result<Part, (&'static str, &'static str)> {
    let found = part_of(sheet, slot.into(), count);
    found.map(|(part, _)| part).map_err(|(code, text)| (code.as_str(), text))
}

/// Who closes it, goes away or stays too long, has it closed; so has he whose reservation has ended.
fn close(
    mut commands: Commands,
    mut asking: Asking<'_, '_>,
    clock: Res<Clock>,
    mut characters: Query<Owner<'_, CloseBox>, IsCharacter>,
    keepers: Query<&Position, With<Person>>,
) {
    for (by, CharacterIs(character), mut inputs, at, open, _) in &mut characters {
        let wishes = inputs.drain().count() > 0;
        let Some(OpenAt { until, .. }) = open else { continue };
        let is_open = asking.ledger.opened(*character).is_some();
        if is_open && !wishes && clock.tick < *until && reach(at, open, false, &keepers).is_ok() {
            continue;
        }
        commands.entity(by).remove::<(OpenAt, Strongbox)>();
        if is_open {
            let act = Act::Release { who: who(*character), storage: of(*character) };
            asking.ask(by, *character, act, Deed::Lock);
        }
    }
}

/// What has changed is shown; what is open nowhere is not.
fn show(
    mut commands: Commands,
    ledger: Res<Ledger>,
    mut open: Query<(&CharacterIs, &mut Strongbox), With<OpenAt>>,
    closed: Query<Entity, (With<Strongbox>, Without<OpenAt>)>,
) {
    for (CharacterIs(character), mut shown) in &mut open {
        if let (true, Some((_, lies))) = (ledger.changed().contains(character), ledger.opened(*character)) {
            let now = Strongbox::of(lies, shown.keeper);
            shown.set_if_neq(now);
        }
    }
    for one in &closed {
        commands.entity(one).remove::<Strongbox>();
    }
}

impl Strongbox {
    fn of(lies: &Sheet, keeper: u16) -> Self {
        let mut shown = Self { keeper, ..Self::default() };
        for (slot, stack) in &lies.stacks {
            shown.slots.push(*slot as u16);
            shown.items.push(items::number(&stack.template));
            shown.counts.push(stack.quantity as u32);
        }
        shown
    }
}
