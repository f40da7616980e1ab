//! What a character carries: the ledger's sheet as its client sees it, and what the client does with it.

use bevy_ecs::prelude::*;
use pangea_engine::ledger::who;
use pangea_engine::walk::Stunned;
use pangea_engine::{
    Allowance, Builder, CharacterIs, Extent, Input, Inputs, Ledger, Position, Replicate, Right, Rights, Setup,
};
use pangea_world::Code;
use pangea_world::id::CharacterId;
use pangea_world::ledger::{Act, Bundle, FIRST_WORN, MOST_STACKS, Part, Sheet, Stack};

use crate::deeds::{Asking, Deed, Deeds};
use crate::gear::Gear;
use crate::health::{Body, IsCharacter};
use crate::heaps::spot_at;
use crate::items::{self, Use as ItemUse};

/// The currency.
pub const COIN: &str = "coin";

/// What a character carries, slot by slot: three lists of one length.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Eq, Default)]
pub struct Bag {
    /// Occupied slots, in order.
    #[replicate(owner)]
    pub slots: Vec<u16>,
    /// Which item is there.
    #[replicate(owner)]
    pub items: Vec<u16>,
    /// How many.
    #[replicate(owner)]
    pub counts: Vec<u32>,
    /// Money.
    #[replicate(owner)]
    pub coins: u64,
    /// How many deeds are not decided yet.
    #[replicate(owner)]
    pub pending: u16,
}

/// Lay something down.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Drop {
    /// Of which slot.
    pub slot: u16,
    /// How many.
    pub count: u32,
}

/// Put something on another slot: move it, split it, join it to what is there.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Arrange {
    /// Of which slot.
    pub slot: u16,
    /// To which.
    pub to: u16,
    /// How many.
    pub count: u32,
}

/// Eat something or put it on.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Of which slot.
    pub slot: u16,
}

/// Take something off.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct TakeOff {
    /// 0 hand, 1 head, 2 body, 3 feet.
    pub place: u8,
}

impl Input for Drop {}
impl Input for Arrange {}
impl Input for Use {}
impl Input for TakeOff {}

/// Declares it.
pub fn build(area: &mut Builder, _: &Setup<'_>) {
    let often = Allowance::in_ten_ticks(5);
    area.component::<Bag>();
    area.input::<Drop>(often).input::<Arrange>(often).input::<Use>(often).input::<TakeOff>(often);
    area.on_enter(|ecs, entity, _| {
        ecs.entity_mut(entity).insert((Bag::default(), Gear::default()));
    });
    area.system(show).system(drop_some).system(arrange).system(put_to_use).system(take_off).system(digest);
}

/// The stack in a slot of the bag, and so much of it.
///
/// # Errors
/// `unknown_item`: there is none. `amount_invalid`: not from 1 to what is there.
pub fn part(
    ledger: &Ledger,
    character: CharacterId,
    slot: u32,
    count: u32,
) -> Result<(Part, &Stack), (Code, &'static str)> {
    part_of(ledger.sheet(character), slot, count)
}

/// The same in any sheet.
///
/// # Errors
/// As of [`part`].
pub fn part_of(sheet: Option<&Sheet>, slot: u32, count: u32) -> Result<(Part, &Stack), (Code, &'static str)> {
    let stack = sheet.and_then(|sheet| sheet.stacks.get(&slot));
    let stack = stack.ok_or((Code::UnknownItem, "there is nothing in that slot"))?;
    if !(1..=stack.quantity).contains(&i64::from(count)) {
        return Err((Code::AmountInvalid, "there are not so many"));
    }
    Ok((Part { item: stack.id, quantity: count.into() }, stack))
}

/// What has changed is shown.
fn show(
    ledger: Res<Ledger>,
    deeds: Res<Deeds>,
    mut characters: Query<(&CharacterIs, &mut Bag, &mut Gear), IsCharacter>,
) {
    for (CharacterIs(character), mut bag, mut gear) in &mut characters {
        let pending = deeds.pending(*character);
        if bag.pending != pending {
            bag.pending = pending;
        }
        if !ledger.changed().contains(character) {
            continue;
        }
        let Some(sheet) = ledger.sheet(*character) else { continue };
        *bag = Bag { pending, ..Bag::of(sheet) };
        gear.set_if_neq(Gear::of(sheet));
    }
}

impl Bag {
    fn of(sheet: &Sheet) -> Self {
        let mut bag = Self { coins: sheet.amount(COIN).max(0) as u64, ..Self::default() };
        for (slot, stack) in sheet.stacks.range(..FIRST_WORN) {
            bag.slots.push(*slot as u16);
            bag.items.push(items::number(&stack.template));
            bag.counts.push(stack.quantity as u32);
        }
        bag
    }
}

/// A character and one kind of its inputs.
type Carrier<'a, T> = (Entity, &'a CharacterIs, &'a mut Inputs<T>, Has<Stunned>);

fn drop_some(
    mut asking: Asking<'_, '_>,
    extent: Res<Extent>,
    rights: Rights<'_, '_>,
    mut characters: Query<(Carrier<'_, Drop>, &Position), IsCharacter>,
) {
    for ((by, CharacterIs(character), mut inputs, stunned), at) in &mut characters {
        for Drop { slot, count } in inputs.drain() {
            if stunned {
                asking.refuse(by, "stunned", "not now");
                continue;
            }
            match part(&asking.ledger, *character, slot.into(), count) {
                Ok((part, stack)) => {
                    if items::of(items::number(&stack.template)).is_built()
                        && let Err(whose) = rights.may(by, Right::Build)
                    {
                        let text = format!("this ground belongs to {whose}: only they build here");
                        asking.refuse_with(by, Code::Forbidden, &text);
                        continue;
                    }
                    let act = Act::Drop { who: who(*character), part, spot: spot_at(&extent, at.point()) };
                    asking.ask(by, *character, act, Deed::Carry);
                }
                Err((code, text)) => asking.refuse_with(by, code, text),
            }
        }
    }
}

fn arrange(mut asking: Asking<'_, '_>, mut characters: Query<Carrier<'_, Arrange>, IsCharacter>) {
    for (by, CharacterIs(character), mut inputs, stunned) in &mut characters {
        for Arrange { slot, to, count } in inputs.drain() {
            if stunned {
                asking.refuse(by, "stunned", "not now");
                continue;
            }
            if u32::from(to) >= FIRST_WORN {
                asking.refuse_with(by, Code::NoRoom, "there is no such slot");
                continue;
            }
            match part(&asking.ledger, *character, slot.into(), count) {
                Ok((part, _)) => {
                    let act = Act::Arrange { who: who(*character), part, to_slot: to.into() };
                    asking.ask(by, *character, act, Deed::Carry);
                }
                Err((code, text)) => asking.refuse_with(by, code, text),
            }
        }
    }
}

fn put_to_use(mut asking: Asking<'_, '_>, mut characters: Query<Carrier<'_, Use>, IsCharacter>) {
    for (by, CharacterIs(character), mut inputs, stunned) in &mut characters {
        for Use { slot } in inputs.drain() {
            if stunned {
                asking.refuse(by, "stunned", "not now");
                continue;
            }
            let (part, item) = match part(&asking.ledger, *character, slot.into(), 1) {
                Ok((part, stack)) => (part, items::of(items::number(&stack.template))),
                Err((code, text)) => {
                    asking.refuse_with(by, code, text);
                    continue;
                }
            };
            let who = who(*character);
            let (act, deed) = match (item.use_, item.place()) {
                (ItemUse::Food(heals), _) => {
                    let gives = Bundle::goods([items::goods(item.name, 1)]);
                    (Act::Consume { who, gives }, Deed::Eat(heals))
                }
                (_, Some(place)) => {
                    (Act::Arrange { who, part, to_slot: FIRST_WORN + place as u32 }, Deed::Carry)
                }
                (_, None) => {
                    asking.refuse(by, "useless", "that is neither eaten nor worn");
                    continue;
                }
            };
            asking.ask(by, *character, act, deed);
        }
    }
}

fn take_off(mut asking: Asking<'_, '_>, mut characters: Query<Carrier<'_, TakeOff>, IsCharacter>) {
    for (by, CharacterIs(character), mut inputs, stunned) in &mut characters {
        for TakeOff { place } in inputs.drain() {
            if stunned {
                asking.refuse(by, "stunned", "not now");
                continue;
            }
            let slot = FIRST_WORN + u32::from(place);
            let free = asking
                .ledger
                .sheet(*character)
                .and_then(|sheet| (0..FIRST_WORN).find(|slot| !sheet.stacks.contains_key(slot)));
            let found = part(&asking.ledger, *character, slot.min(MOST_STACKS), 1).map(|(part, _)| part);
            match (found, free) {
                (Ok(part), Some(to_slot)) => {
                    let act = Act::Arrange { who: who(*character), part, to_slot };
                    asking.ask(by, *character, act, Deed::Carry);
                }
                (Ok(_), None) => asking.refuse_with(by, Code::NoRoom, "no slot is free"),
                (Err((code, text)), _) => asking.refuse_with(by, code, text),
            }
        }
    }
}

/// Who has eaten gets well.
fn digest(deeds: Res<Deeds>, mut bodies: Query<&mut Body>) {
    for (open, outcome) in deeds.settled() {
        if let (Deed::Eat(heals), Ok(()), Ok(mut body)) = (open.deed, outcome, bodies.get_mut(open.by))
            && body.health > 0
        {
            body.health = body.health.saturating_add(heals).min(body.most);
        }
    }
}
