//! Two characters trade, over the border of an area too: each offers, both agree to the same version, and the
//! ledger does it in one operation or not at all.
//!
//! What may happen is decided by [`pangea_world::trade`]; here is what players wish, what is given, what the ledger is
//! asked, and what is shown. The other one's area sees what this one gives, and to what it agrees, like all that stands
//! near.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemParam;
use pangea_engine::ledger::who;
use pangea_engine::walk::Stunned;
use pangea_engine::{
    Allowance, Builder, Character, CharacterIs, Clock, Enter, Epoch, Ghost, Gid, Gids, Input, Inputs,
    Leaving, Ledger, Net, Position, Replicate, To, Together,
};
use pangea_world::id::{CharacterId, ItemId};
use pangea_world::ledger::{Act, Coins, FIRST_WORN, MOST_NAMED, Part, Side, Who};
use pangea_world::trade::{Deal, Heard, Next, Refused, Sight, Why};
use pangea_world::{Code, Refusal};

use crate::bag::{COIN, part};
use crate::census::square;
use crate::deeds::{Asking, Deed};
use crate::health::IsCharacter;
use crate::items;

/// From how far two trade, metres.
pub const REACH_M: f64 = 6.0;
/// How long one is asked, seconds.
const ASKS_S: u64 = 30;
/// How long the other one may be out of sight: between two areas, or while their line is down, seconds.
const MISSES_S: u64 = 1;

/// A trade as one of the two sees it.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Eq, Default)]
pub struct Trading {
    /// The other's name.
    #[replicate(owner)]
    pub with: String,
    /// The other one asks: a `Trade` back begins it.
    #[replicate(owner)]
    pub asked: bool,
    /// What this one gives.
    #[replicate(owner)]
    pub my_slots: Vec<u16>,
    /// How many of each.
    #[replicate(owner)]
    pub my_counts: Vec<u32>,
    /// Money that this one gives.
    #[replicate(owner)]
    pub my_coins: u64,
    /// What the other gives.
    #[replicate(owner)]
    pub their_items: Vec<u16>,
    /// How many of each.
    #[replicate(owner)]
    pub their_counts: Vec<u32>,
    /// Money that the other gives.
    #[replicate(owner)]
    pub their_coins: u64,
    /// This one agrees.
    #[replicate(owner)]
    pub i_agree: bool,
    /// The other one agrees.
    #[replicate(owner)]
    pub they_agree: bool,
    /// Grows with each change; one agrees to a version.
    #[replicate(owner)]
    pub version: u32,
    /// The other's number on the wire.
    #[replicate(owner)]
    pub target: u16,
}

/// Ask somebody for a trade, or accept who asks.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Trade {
    /// Who, by its number on the wire.
    #[replicate(entity)]
    pub target: u16,
}

/// What I give from now on: two lists of one length.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Slots of my bag, each once, at most 16.
    pub slots: Vec<u16>,
    /// How many of each.
    pub counts: Vec<u32>,
    /// Money.
    pub coins: u64,
}

/// I agree to this version.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Agree {
    /// As [`Trading`] shows it.
    pub version: u32,
}

/// No trade.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct EndTrade {}

impl Input for Trade {}
impl Input for Agree {}
impl Input for EndTrade {}
impl Input for Offer {
    fn check(&self) -> Result<(), Refusal> {
        if self.slots.len() == self.counts.len() && self.slots.len() <= MOST_NAMED {
            return Ok(());
        }
        Refusal::err(Code::BadInput, "an offer is two lists of one length, at most 16 long")
    }
}

/// A trade is over; to both.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct TradeOver {
    /// Whether it was done.
    pub done: bool,
    /// Why not: the ledger's code, or `ended`, `too_far`, `gone`; else empty.
    pub code: String,
}

/// What a character has to do with another one, and what it gives.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Eq, Default)]
struct Bargain {
    #[replicate(server)]
    deal: Deal,
    /// Slots of its bag, the stacks there, which item each is, and how many; four lists of one length.
    #[replicate(server)]
    slots: Vec<u16>,
    #[replicate(server)]
    stacks: Vec<ItemId>,
    #[replicate(server)]
    items: Vec<u16>,
    #[replicate(server)]
    counts: Vec<u32>,
    /// Money.
    #[replicate(server)]
    coins: u64,
}

/// Whose wish it does not want.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
struct Declined(CharacterId);

/// Declares it.
pub fn build(area: &mut Builder) {
    let seldom = Allowance::in_ten_ticks(3);
    area.component::<Trading>().component::<Bargain>().event::<TradeOver>();
    area.input::<Trade>(seldom).input::<Offer>(seldom).input::<Agree>(seldom).input::<EndTrade>(seldom);
    area.on_enter(|ecs, one, why| {
        let Some(mut bargain) = ecs.get_mut::<Bargain>(one) else { return };
        match bargain.deal.entered(why == Enter::Handoff) {
            Some(deal) => bargain.deal = deal,
            None => drop(ecs.entity_mut(one).remove::<Bargain>()),
        }
    });
    area.system(is_done).system(end).system(begin).system(offer).system(agree).system(decide).system(show);
}

/// A character, and one kind of its inputs.
type Trader<'a, T> = (Entity, &'a CharacterIs, &'a mut Inputs<T>);
/// Whose wishes are heard: what one does who just goes to another server is undone.
type Stays = (IsCharacter, Without<Leaving>);
/// A character that has to do with another one, and whether it is another area's, or will be in a moment.
type Dealer<'a> = (Entity, &'a CharacterIs, &'a mut Bargain, Has<Ghost>, Has<Leaving>);
/// A character to which something may be shown.
type Watcher<'a> = (Entity, &'a CharacterIs, Option<&'a Declined>, Has<Together>);
/// What an offer is made of: stacks, and which item each is.
type Offered = (Vec<ItemId>, Vec<u16>);
/// A character as another one finds it, on either side of the border.
type Other<'a> = (Entity, &'a CharacterIs, &'a Net, &'a Position, Has<Stunned>);

/// What goes on between characters.
#[derive(SystemParam)]
struct Deals<'w, 's> {
    clock: Res<'w, Clock>,
    gids: Res<'w, Gids>,
    all: Query<'w, 's, Dealer<'static>, (IsCharacter, Allow<Ghost>)>,
    others: Query<'w, 's, Other<'static>, (IsCharacter, Allow<Ghost>)>,
    commands: Commands<'w, 's>,
}

impl Deals<'_, '_> {
    /// Those of this area that have to do with somebody; but who just goes to another server is left alone.
    fn ours(&self) -> Vec<Entity> {
        self.all.iter().map(|(one, ..)| one).filter(|one| self.stays(*one)).collect()
    }

    fn is_ours(&self, one: Entity) -> bool {
        self.all.get(one).is_ok_and(|(.., is_ghost, _)| !is_ghost)
    }

    fn stays(&self, one: Entity) -> bool {
        self.all.get(one).is_ok_and(|(.., is_ghost, leaves)| !is_ghost && !leaves)
    }

    fn of(&self, one: Entity) -> Option<&Bargain> {
        self.all.get(one).ok().map(|(_, _, bargain, ..)| bargain)
    }

    fn is_open(&self, one: Entity) -> bool {
        self.of(one).is_some_and(|bargain| bargain.deal.open)
    }

    /// The one with whom this one has to do, if it is seen.
    fn with(&self, one: Entity) -> Option<Entity> {
        self.gids.find(Gid(self.of(one)?.deal.with.0))
    }

    /// The same, if it wants the same.
    fn other(&self, one: Entity) -> Option<Entity> {
        let (_, CharacterIs(me), ..) = self.all.get(one).ok()?;
        self.with(one).filter(|other| self.of(*other).is_some_and(|theirs| theirs.deal.with == *me))
    }

    /// Both deals, as this area sees them. `None`: this one has none.
    fn look<T>(&self, one: Entity, see: impl FnOnce(&Deal, Sight<'_>) -> T) -> Option<T> {
        let (_, CharacterIs(me), mine, ..) = self.all.get(one).ok()?;
        let other = self.with(one);
        let theirs = other.and_then(|other| self.of(other)).map(|theirs| &theirs.deal);
        let both_here = other.is_some_and(|other| self.stays(other));
        Some(see(&mine.deal, Sight::new(*me, theirs, both_here)))
    }

    /// The same, to change this one's.
    fn change<T>(&mut self, one: Entity, change: impl FnOnce(&mut Deal, Sight<'_>) -> T) -> Option<T> {
        let (now, told) = self.look(one, |deal, sight| {
            let mut deal = *deal;
            let told = change(&mut deal, sight);
            (deal, told)
        })?;
        let (_, _, mut bargain, ..) = self.all.get_mut(one).ok()?;
        if bargain.deal != now {
            bargain.deal = now;
        }
        Some(told)
    }

    fn is_near(&self, a: Entity, b: Entity) -> Result<(), Why> {
        let (Ok((.., a, false)), Ok((.., b, false))) = (self.others.get(a), self.others.get(b)) else {
            return Err(Why::Gone);
        };
        if square(a.point(), b.point()) <= REACH_M * REACH_M { Ok(()) } else { Err(Why::TooFar) }
    }

    /// It is over for this one, who is told, and for the other one if that is here.
    fn over(&mut self, one: Entity, asking: &mut Asking<'_, '_>, done: bool, code: &str) {
        let same = |other: &Entity| {
            let (mine, theirs) = (self.of(one), self.of(*other));
            mine.zip(theirs).is_some_and(|(mine, theirs)| mine.deal.ends_with(&theirs.deal, done))
        };
        let other = self.other(one).filter(|other| self.is_ours(*other) && same(other));
        for one in [Some(one), other].into_iter().flatten() {
            asking.outbox.send(To::Owner(one), &TradeOver { done, code: code.to_owned() });
            if let Ok((_, _, mut bargain, ..)) = self.all.get_mut(one) {
                *bargain = Bargain::default();
            }
            self.commands.entity(one).remove::<Bargain>();
        }
    }

    fn follow(&mut self, one: Entity, asking: &mut Asking<'_, '_>, next: Option<Next>) {
        if let Some(Next::Over(why)) = next {
            self.over(one, asking, false, why.as_str());
        }
    }
}

/// The ledger has decided.
fn is_done(mut asking: Asking<'_, '_>, mut deals: Deals<'_, '_>) {
    let settled: Vec<_> = asking.deeds.settled().to_vec();
    for (deed, outcome) in settled {
        let Deed::Trade(operation) = deed.deed else { continue };
        let one = deed.by;
        let waits = |deal: &Deal| deal.operation == Some(operation) && deal.asked;
        if !deals.is_ours(one) || !deals.of(one).is_some_and(|bargain| waits(&bargain.deal)) {
            continue;
        }
        let answer = outcome.map_err(|refusal| refusal.code);
        match deals.change(one, |deal, _| deal.hear(answer)) {
            Some(Heard::Done) => deals.over(one, &mut asking, true, ""),
            Some(Heard::Not(why)) => deals.over(one, &mut asking, false, why.as_str()),
            Some(Heard::Refused(code)) => deals.over(one, &mut asking, false, code.as_str()),
            Some(Heard::Again) | None => {}
        }
    }
}

/// Who wants no trade any more, goes away, dies or leaves, ends it; unless the ledger is deciding.
fn end(
    mut asking: Asking<'_, '_>,
    mut deals: Deals<'_, '_>,
    mut inputs: Query<(Entity, &CharacterIs, &mut Inputs<EndTrade>), Stays>,
) {
    for (one, CharacterIs(me), mut inputs) in &mut inputs {
        if inputs.is_empty() {
            continue;
        }
        inputs.drain().for_each(drop);
        if deals.is_open(one) {
            let next = deals.change(one, |deal, sight| deal.end(sight, Why::Ended));
            deals.follow(one, &mut asking, next);
            continue;
        }
        let asks = deals.all.iter().find(|(_, _, bargain, ..)| bargain.deal.with == *me);
        if let Some(by) = asks.map(|(_, CharacterIs(by), ..)| *by) {
            deals.commands.entity(one).insert(Declined(by));
        }
        deals.commands.entity(one).remove::<Bargain>();
    }
    let tick = deals.clock.tick;
    let misses = MISSES_S * u64::from(deals.clock.hz);
    for one in deals.ours() {
        let near = deals.with(one).map_or(Err(Why::Gone), |other| deals.is_near(one, other));
        if deals.is_open(one) {
            let next = deals.change(one, |deal, sight| deal.look(sight, near, tick, misses));
            deals.follow(one, &mut asking, next);
            call_off(one, &mut asking, &mut deals);
        } else if near.is_err() || deals.of(one).is_some_and(|bargain| bargain.deal.since <= tick) {
            deals.commands.entity(one).remove::<Bargain>();
        }
    }
}

/// Whether it was done, the ledger says.
fn call_off(one: Entity, asking: &mut Asking<'_, '_>, deals: &mut Deals<'_, '_>) {
    let Ok((_, CharacterIs(character), bargain, ..)) = deals.all.get(one) else { return };
    let (character, id) = (*character, bargain.deal.calls_off());
    if let Some(id) = id
        && asking.ask_as(one, character, id, Act::Void {}, Deed::Trade(id))
    {
        deals.change(one, |deal, _| deal.asked = true);
    }
}

fn begin(
    mut asking: Asking<'_, '_>,
    mut deals: Deals<'_, '_>,
    mut characters: Query<(Trader<'_, Trade>, Option<&Epoch>), Stays>,
) {
    for ((one, CharacterIs(me), mut inputs), epoch) in &mut characters {
        for Trade { target } in inputs.drain() {
            let Ok((_, _, _, at, stunned)) = deals.others.get(one) else { continue };
            let found = deals.others.iter().find(|(other, _, net, ..)| net.0 == target && *other != one);
            let their = found.and_then(|(other, ..)| deals.of(other)).map(|bargain| &bargain.deal);
            let wants_me = their.is_some_and(|deal| deal.with == *me);
            let is_busy = deals.is_open(one) || their.is_some_and(|deal| deal.open && !wants_me);
            let refused = match found {
                _ if stunned => Some(("stunned", "not now")),
                None | Some((.., true)) => Some(("gone", "nobody is there to trade with")),
                Some((.., there, _)) if square(at.point(), there.point()) > REACH_M * REACH_M => {
                    Some(("too_far", "go nearer"))
                }
                Some(_) if is_busy => Some(("busy", "one trade at a time")),
                Some(_) => None,
            };
            if let Some((code, text)) = refused {
                asking.refuse(one, code, text);
                continue;
            }
            let Some((_, CharacterIs(with), ..)) = found else { continue };
            let (tick, hz) = (deals.clock.tick, u64::from(deals.clock.hz));
            let number = Deal::number(epoch.map_or(0, |epoch| epoch.0), tick);
            let deal = Deal::new(*with, wants_me, number, tick + ASKS_S * hz);
            let bargain = Bargain { deal, ..Bargain::default() };
            deals.commands.entity(one).insert(bargain).remove::<Declined>();
        }
    }
    for one in deals.ours() {
        deals.change(one, |deal, sight| deal.meet(sight, || asking.ledger.take_id()));
    }
}

fn offer(
    mut asking: Asking<'_, '_>,
    mut deals: Deals<'_, '_>,
    mut characters: Query<Trader<'_, Offer>, Stays>,
) {
    for (one, CharacterIs(character), mut inputs) in &mut characters {
        for wished in inputs.drain() {
            if let Err(refused) = deals.look(one, Deal::may_offer).unwrap_or(Err(Refused::Gone)) {
                refuse(one, &mut asking, refused);
                continue;
            }
            let (stacks, items) = match gives(&asking.ledger, *character, &wished) {
                Ok(offered) => offered,
                Err((code, text)) => {
                    asking.refuse_with(one, code, text);
                    continue;
                }
            };
            let Ok((_, _, mut bargain, ..)) = deals.all.get_mut(one) else { continue };
            bargain.deal.offer();
            let (deal, Offer { slots, counts, coins }) = (bargain.deal, wished);
            *bargain = Bargain { deal, slots, stacks, items, counts, coins };
        }
    }
}

fn refuse(one: Entity, asking: &mut Asking<'_, '_>, refused: Refused) {
    match refused {
        Refused::Gone => asking.refuse(one, "gone", "no trade is open"),
        Refused::Busy => asking.refuse(one, "busy", "you have agreed"),
        Refused::OldVersion => asking.refuse(one, "old_version", "look again: something has changed"),
    }
}

/// The stacks of an offer, and which item each is, if it is this character's to make.
fn gives(ledger: &Ledger, character: CharacterId, wished: &Offer) -> Result<Offered, (Code, &'static str)> {
    let (mut stacks, mut items) = (Vec::new(), Vec::new());
    for (n, (slot, count)) in wished.slots.iter().zip(&wished.counts).enumerate() {
        if wished.slots[..n].contains(slot) || u32::from(*slot) >= FIRST_WORN {
            return Err((Code::NotOwner, "each slot of the bag once"));
        }
        let (part, stack) = part(ledger, character, u32::from(*slot), *count)?;
        stacks.push(part.item);
        items.push(items::number(&stack.template));
    }
    let has = ledger.sheet(character).map_or(0, |sheet| sheet.amount(COIN));
    match i64::try_from(wished.coins) {
        Ok(coins) if coins <= has => Ok((stacks, items)),
        Ok(_) => Err((Code::NotEnough, "you have not so much money")),
        Err(_) => Err((Code::AmountInvalid, "there is not so much money")),
    }
}

fn agree(
    mut asking: Asking<'_, '_>,
    mut deals: Deals<'_, '_>,
    mut characters: Query<(Trader<'_, Agree>, Option<&Epoch>), Stays>,
) {
    for ((one, _, mut inputs), epoch) in &mut characters {
        for Agree { version } in inputs.drain() {
            let epoch = epoch.map_or(0, |epoch| epoch.0);
            let agreed = deals.change(one, |deal, sight| deal.agree(sight, version, epoch));
            if let Err(refused) = agreed.unwrap_or(Err(Refused::Gone)) {
                refuse(one, &mut asking, refused);
            }
        }
    }
}

/// Both agree to the same: the ledger is asked.
fn decide(mut asking: Asking<'_, '_>, mut deals: Deals<'_, '_>) {
    for one in deals.ours() {
        let Some(operation) = deals.look(one, Deal::asks).flatten() else { continue };
        let Some(other) = deals.other(one) else { continue };
        let (Ok((_, CharacterIs(me), mine, ..)), Ok((_, CharacterIs(with), theirs, is_ghost, _))) =
            (deals.all.get(one), deals.all.get(other))
        else {
            continue;
        };
        let epoch = if is_ghost { theirs.deal.epoch } else { 0 };
        let (character, a, b) = (*me, side(who(*me), mine), side(Who { character: *with, epoch }, theirs));
        if a.parts.len() + a.coins.len() + b.parts.len() + b.coins.len() == 0 {
            deals.over(one, &mut asking, false, "ended");
        } else if asking.ask_as(one, character, operation, Act::Trade { a, b }, Deed::Trade(operation)) {
            deals.change(one, |deal, _| deal.asked = true);
        } else {
            deals.over(one, &mut asking, false, "busy");
        }
    }
}

fn side(who: Who, gives: &Bargain) -> Side {
    let parts = gives.stacks.iter().zip(&gives.counts);
    let parts = parts.map(|(item, count)| Part { item: *item, quantity: (*count).into() }).collect();
    let coins = i64::try_from(gives.coins).ok().filter(|coins| *coins > 0);
    Side { who, parts, coins: coins.map(|coins| Coins::new(COIN, coins)).into_iter().collect() }
}

/// Both see what is offered, and go over a border together.
fn show(
    deals: Deals<'_, '_>,
    mut commands: Commands,
    names: Query<(&Character, &Net), Allow<Ghost>>,
    mut shown: Query<(Entity, &CharacterIs, &mut Trading, Option<&Declined>), IsCharacter>,
    waits: Query<Watcher<'_>, IsCharacter>,
) {
    // Who is asked, and by whom.
    let asks = deals.all.iter().filter(|(_, _, bargain, ..)| !bargain.deal.open && bargain.deal.since > 0);
    let asks: BTreeMap<CharacterId, (CharacterId, Entity)> =
        asks.map(|(asker, CharacterIs(by), bargain, ..)| (bargain.deal.with, (*by, asker))).collect();
    let see = |one: Entity, me: &CharacterId, declined: Option<&Declined>| -> Option<Trading> {
        let Some(mine) = deals.of(one).filter(|mine| mine.deal.open) else {
            let (_, asker) =
                asks.get(me).filter(|(by, _)| declined.is_none_or(|declined| declined.0 != *by))?;
            deals.is_near(one, *asker).ok()?;
            let (name, net) = names.get(*asker).ok()?;
            return Some(Trading {
                with: name.name.clone(),
                asked: true,
                target: net.0,
                ..Trading::default()
            });
        };
        let other = deals.other(one)?;
        let (version, theirs) = (deals.look(one, Deal::version)??, deals.of(other)?);
        let (name, net) = names.get(other).ok()?;
        Some(Trading {
            with: name.name.clone(),
            asked: false,
            my_slots: mine.slots.clone(),
            my_counts: mine.counts.clone(),
            my_coins: mine.coins,
            their_items: theirs.items.clone(),
            their_counts: theirs.counts.clone(),
            their_coins: theirs.coins,
            i_agree: mine.deal.agrees(&theirs.deal),
            they_agree: theirs.deal.agrees(&mine.deal),
            version,
            target: net.0,
        })
    };
    for (one, CharacterIs(me), mut trading, declined) in &mut shown {
        match see(one, me, declined) {
            Some(now) => drop(trading.set_if_neq(now)),
            // The other one is out of sight for a moment.
            None if deals.is_open(one) => {}
            None => drop(commands.entity(one).remove::<Trading>()),
        }
    }
    for (one, CharacterIs(me), declined, is_bound) in &waits {
        if declined.is_some_and(|declined| asks.get(me).is_none_or(|(by, _)| *by != declined.0)) {
            commands.entity(one).remove::<Declined>();
        }
        if (deals.is_open(one) || asks.contains_key(me))
            && !shown.contains(one)
            && let Some(now) = see(one, me, declined)
        {
            commands.entity(one).insert(now);
        }
        let with = deals.other(one).filter(|other| deals.is_open(one) && deals.is_ours(*other));
        match (is_bound, with) {
            (false, Some(with)) => drop(commands.entity(one).insert(Together(one.min(with).to_bits()))),
            (true, None) => drop(commands.entity(one).remove::<Together>()),
            _ => {}
        }
    }
}
