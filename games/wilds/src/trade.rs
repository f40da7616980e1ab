//! Two characters trade, over the border of an area too: each offers, both agree to the same version, and the
//! ledger does it in one operation or not at all.
//!
//! What one of the two offers and agrees to is its [`Deal`]. Its own area alone changes it; the other one's sees it
//! like all that stands near. One of the two, by their ids, decides: its area asks the ledger as soon as both agree
//! to the same, under an id that both know. So nobody has to be told how it ended: whoever has agreed and finds the
//! other one gone calls that id off ([`Act::Void`]), and hears what became of it, or that nothing ever will.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemParam;
use pangea_engine::ledger::who;
use pangea_engine::walk::Stunned;
use pangea_engine::{
    Allowance, Builder, Character, CharacterIs, Clock, Enter, Epoch, Ghost, Gid, Gids, Input, Inputs, Ledger,
    Net, Position, Replicate, To, Together,
};
use pangea_world::id::{CharacterId, ItemId, OpId};
use pangea_world::ledger::{Act, Coins, FIRST_WORN, MOST_NAMED, Part, Side, Who};
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

/// What a character has to do with another one, as its area and those around know it.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Eq, Default)]
pub struct Deal {
    /// With whom.
    #[replicate(server)]
    with: Gid,
    /// They trade; else it asks for it.
    #[replicate(server)]
    open: bool,
    /// One more with each change of what it gives.
    #[replicate(server)]
    changes: u32,
    /// What it gives: slots of its bag, the stacks there, which item each is, and how many; four lists of one length.
    #[replicate(server)]
    slots: Vec<u16>,
    #[replicate(server)]
    stacks: Vec<ItemId>,
    #[replicate(server)]
    items: Vec<u16>,
    #[replicate(server)]
    counts: Vec<u32>,
    /// Money that it gives.
    #[replicate(server)]
    coins: u64,
    /// The version to which it agrees; 0: to none.
    #[replicate(server)]
    agrees_to: u32,
    /// Under which epoch it was owned then.
    #[replicate(server)]
    epoch: u64,
    /// Under which id the ledger is, or will be, asked.
    #[replicate(server)]
    operation: Option<OpId>,
    /// It has agreed to some version: how it ends, the ledger alone knows.
    #[replicate(server)]
    bound: bool,
    /// Its area has asked the ledger.
    #[replicate(server)]
    asked: bool,
    /// It is to end for this reason, if the ledger has not done it; empty: not yet.
    #[replicate(server)]
    ends: String,
    /// In which tick it has lost the other one out of sight, or is not asked any more; 0: not.
    #[replicate(server)]
    since: u64,
}

/// Whose wish it does not want.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
struct Declined(Gid);

/// Declares it.
pub fn build(area: &mut Builder) {
    let seldom = Allowance::in_ten_ticks(3);
    area.component::<Trading>().component::<Deal>().event::<TradeOver>();
    area.input::<Trade>(seldom).input::<Offer>(seldom).input::<Agree>(seldom).input::<EndTrade>(seldom);
    area.on_enter(|ecs, one, why| {
        let Some(mut deal) = ecs.get_mut::<Deal>(one) else { return };
        if !deal.open {
            ecs.entity_mut(one).remove::<Deal>();
            return;
        }
        // Whoever was to hear the ledger's answer is not here.
        if deal.asked || why != Enter::Handoff {
            "gone".clone_into(&mut deal.ends);
        }
        (deal.asked, deal.agrees_to, deal.since) = (false, 0, 0);
    });
    area.system(is_done).system(end).system(begin).system(offer).system(agree).system(decide).system(show);
}

/// A character, and one kind of its inputs.
type Trader<'a, T> = (Entity, &'a CharacterIs, &'a mut Inputs<T>);
/// A character that has to do with another one, and whether it is another area's.
type Dealing<'a> = (&'a Gid, &'a CharacterIs, &'a mut Deal, Has<Ghost>);
/// A character to which something may be shown.
type Watcher<'a> = (Entity, &'a Gid, Option<&'a Declined>, Has<Together>);
/// What an offer is made of: stacks, and which item each is.
type Offered = (Vec<ItemId>, Vec<u16>);
/// A character as another one finds it, on either side of the border.
type Other<'a> = (Entity, &'a Gid, &'a Net, &'a Position, Has<Stunned>);

/// What goes on between characters.
#[derive(SystemParam)]
struct Deals<'w, 's> {
    clock: Res<'w, Clock>,
    gids: Res<'w, Gids>,
    all: Query<'w, 's, Dealing<'static>, (IsCharacter, Allow<Ghost>)>,
    others: Query<'w, 's, Other<'static>, (IsCharacter, Allow<Ghost>)>,
    commands: Commands<'w, 's>,
}

impl Deals<'_, '_> {
    /// Those of this area that have to do with somebody.
    fn ours(&self) -> Vec<Entity> {
        let all = self.others.iter().map(|(one, ..)| one);
        all.filter(|one| self.all.get(*one).is_ok_and(|(.., is_ghost)| !is_ghost)).collect()
    }

    fn of(&self, one: Entity) -> Option<&Deal> {
        self.all.get(one).ok().map(|(_, _, deal, _)| deal)
    }

    /// The other one, if it wants the same.
    fn other(&self, one: Entity) -> Option<Entity> {
        let (me, _, deal, _) = self.all.get(one).ok()?;
        let other = self.gids.find(deal.with)?;
        (self.of(other)?.with == *me).then_some(other)
    }

    fn is_here(&self, one: Entity) -> bool {
        self.all.get(one).is_ok_and(|(.., is_ghost)| !is_ghost)
    }

    /// The version that both see.
    fn version(&self, one: Entity) -> Option<u32> {
        let other = self.of(self.other(one)?)?;
        Some(self.of(one)?.changes.wrapping_add(other.changes).wrapping_add(1))
    }

    /// Whether it lies with the ledger.
    fn is_asked(&self, one: Entity) -> bool {
        let asked = |one: Entity| self.of(one).is_some_and(|deal| deal.asked || !deal.ends.is_empty());
        asked(one) || self.other(one).is_some_and(asked)
    }

    fn is_near(&self, a: Entity, b: Entity) -> Result<(), &'static str> {
        match (self.others.get(a), self.others.get(b)) {
            (Ok((.., a, false)), Ok((.., b, false))) => {
                if square(a.point(), b.point()) <= REACH_M * REACH_M {
                    Ok(())
                } else {
                    Err("too_far")
                }
            }
            _ => Err("gone"),
        }
    }

    fn change(&mut self, one: Entity, change: impl FnOnce(&mut Deal)) {
        if let Ok((_, _, mut deal, _)) = self.all.get_mut(one) {
            change(&mut deal);
        }
    }

    /// It is over for this one, who is told, and for the other one if that is here.
    fn over(&mut self, one: Entity, asking: &mut Asking<'_, '_>, done: bool, code: &str) {
        let other = self.other(one).filter(|other| self.is_here(*other));
        for one in [Some(one), other].into_iter().flatten() {
            asking.outbox.send(To::Owner(one), &TradeOver { done, code: code.to_owned() });
            self.change(one, |deal| *deal = Deal::default());
            self.commands.entity(one).remove::<Deal>();
        }
    }

    /// It shall end, unless the ledger is deciding. Who has agreed, and the other one's area decides, asks first.
    fn end(&mut self, one: Entity, asking: &mut Asking<'_, '_>, code: &str) {
        let Ok((me, _, deal, _)) = self.all.get(one) else { return };
        let (decides, bound) = (*me < deal.with, deal.bound);
        if self.is_asked(one) {
            return;
        }
        let both_here = self.other(one).is_some_and(|other| self.is_here(other));
        if !bound || decides || both_here {
            return self.over(one, asking, false, code);
        }
        self.change(one, |deal| code.clone_into(&mut deal.ends));
    }
}

/// The ledger has decided.
fn is_done(mut asking: Asking<'_, '_>, mut deals: Deals<'_, '_>) {
    let settled: Vec<_> = asking.deeds.settled().to_vec();
    for (deed, outcome) in settled {
        let Deed::Trade(operation) = deed.deed else { continue };
        let deal = deals.of(deed.by).filter(|deal| deal.operation == Some(operation) && deal.asked);
        let Some(ends) = deal.filter(|_| deals.is_here(deed.by)).map(|deal| deal.ends.clone()) else {
            continue;
        };
        match outcome {
            Ok(()) => deals.over(deed.by, &mut asking, true, ""),
            Err(refusal) if matches!(refusal.code, Code::OpVoid | Code::OpMismatch) => {
                deals.over(deed.by, &mut asking, false, if ends.is_empty() { "ended" } else { &ends });
            }
            Err(refusal) => deals.over(deed.by, &mut asking, false, refusal.code.as_str()),
        }
    }
}

/// Who wants no trade any more, goes away, dies or leaves, ends it; unless the ledger is deciding.
fn end(
    mut asking: Asking<'_, '_>,
    mut deals: Deals<'_, '_>,
    mut inputs: Query<(Entity, &Gid, &mut Inputs<EndTrade>), IsCharacter>,
) {
    for (one, me, mut inputs) in &mut inputs {
        if inputs.is_empty() {
            continue;
        }
        inputs.drain().for_each(drop);
        match deals.of(one) {
            Some(deal) if deal.open => deals.end(one, &mut asking, "ended"),
            _ => {
                let asks = deals.all.iter().find(|(_, _, deal, _)| deal.with == *me).map(|(gid, ..)| *gid);
                if let Some(by) = asks {
                    deals.commands.entity(one).insert(Declined(by));
                }
                deals.commands.entity(one).remove::<Deal>();
            }
        }
    }
    let tick = deals.clock.tick;
    let misses = MISSES_S * u64::from(deals.clock.hz);
    for one in deals.ours() {
        let Some(deal) = deals.of(one).cloned() else { continue };
        let seen = deals.gids.find(deal.with).filter(|other| deals.others.contains(*other));
        if !deal.open {
            if deal.since <= tick || seen.is_none_or(|other| deals.is_near(one, other).is_err()) {
                deals.commands.entity(one).remove::<Deal>();
            }
            continue;
        }
        match deals.other(one) {
            Some(other) => {
                if deal.since > 0 {
                    deals.change(one, |deal| deal.since = 0);
                }
                if let Err(code) = deals.is_near(one, other) {
                    deals.end(one, &mut asking, code);
                }
            }
            None if deal.since == 0 => deals.change(one, |deal| deal.since = tick),
            None if deal.since + misses <= tick => deals.end(one, &mut asking, "gone"),
            None => {}
        }
        call_off(one, &mut asking, &mut deals);
    }
}

/// Whether it was done, the ledger says.
fn call_off(one: Entity, asking: &mut Asking<'_, '_>, deals: &mut Deals<'_, '_>) {
    let Ok((_, CharacterIs(character), deal, _)) = deals.all.get(one) else { return };
    if deal.ends.is_empty() || deal.asked {
        return;
    }
    let (character, ends) = (*character, deal.ends.clone());
    match deal.operation {
        Some(operation) => {
            if asking.ask_as(one, character, operation, Act::Void {}, Deed::Trade(operation)) {
                deals.change(one, |deal| deal.asked = true);
            }
        }
        None => deals.over(one, asking, false, &ends),
    }
}

fn begin(
    mut asking: Asking<'_, '_>,
    mut deals: Deals<'_, '_>,
    mut characters: Query<Trader<'_, Trade>, IsCharacter>,
) {
    for (one, _, mut inputs) in &mut characters {
        for Trade { target } in inputs.drain() {
            let Ok((_, me, _, at, stunned)) = deals.others.get(one) else { continue };
            let found = deals.others.iter().find(|(other, _, net, ..)| net.0 == target && *other != one);
            let their = found.and_then(|(other, ..)| deals.of(other));
            let wants_me = their.is_some_and(|deal| deal.with == *me);
            let is_busy = deals.of(one).is_some_and(|deal| deal.open)
                || their.is_some_and(|deal| deal.open && !wants_me);
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
            let Some((_, with, ..)) = found else { continue };
            let asks = ASKS_S * u64::from(deals.clock.hz);
            let since = if wants_me { 0 } else { deals.clock.tick + asks };
            // Beyond the border the other one may still have agreed to an earlier trade: none has its versions.
            let changes = (deals.clock.tick as u32) << 8;
            let deal = Deal { with: *with, open: wants_me, since, changes, ..Deal::default() };
            deals.commands.entity(one).insert(deal).remove::<Declined>();
        }
    }
    for one in deals.ours() {
        let Some(other) = deals.other(one) else { continue };
        let Ok((me, _, deal, _)) = deals.all.get(one) else { continue };
        let (decides, open, known) = (*me < deal.with, deal.open, deal.operation);
        if !open {
            // The other one accepts, or asks for the same.
            deals.change(one, |deal| (deal.open, deal.since) = (true, 0));
        }
        if known.is_none() {
            let operation = match decides {
                true => asking.ledger.take_id(),
                false => deals.of(other).and_then(|deal| deal.operation),
            };
            if operation.is_some() {
                deals.change(one, |deal| deal.operation = operation);
            }
        }
    }
}

fn offer(
    mut asking: Asking<'_, '_>,
    mut deals: Deals<'_, '_>,
    mut characters: Query<Trader<'_, Offer>, IsCharacter>,
) {
    for (one, CharacterIs(character), mut inputs) in &mut characters {
        for wished in inputs.drain() {
            if deals.of(one).is_none_or(|deal| !deal.open) {
                asking.refuse(one, "gone", "no trade is open");
            } else if deals.is_asked(one) {
                asking.refuse(one, "busy", "you have agreed");
            } else {
                match gives(&asking.ledger, *character, &wished) {
                    Ok((stacks, items)) => deals.change(one, |deal| {
                        (deal.stacks, deal.items) = (stacks, items);
                        (deal.slots, deal.counts, deal.coins) = (wished.slots, wished.counts, wished.coins);
                        (deal.changes, deal.agrees_to) = (deal.changes.wrapping_add(1), 0);
                    }),
                    Err((code, text)) => asking.refuse_with(one, code, text),
                }
            }
        }
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
    mut characters: Query<(Trader<'_, Agree>, Option<&Epoch>), IsCharacter>,
) {
    for ((one, _, mut inputs), epoch) in &mut characters {
        for Agree { version } in inputs.drain() {
            let Some(deal) = deals.of(one).filter(|deal| deal.open) else {
                asking.refuse(one, "gone", "no trade is open");
                continue;
            };
            if deals.version(one) != Some(version) || deals.is_asked(one) || deal.operation.is_none() {
                asking.refuse(one, "old_version", "look again: something has changed");
                continue;
            }
            let epoch = epoch.map_or(0, |epoch| epoch.0);
            deals.change(one, |deal| (deal.agrees_to, deal.epoch, deal.bound) = (version, epoch, true));
        }
    }
}

/// Both agree to the same: the ledger is asked.
fn decide(mut asking: Asking<'_, '_>, mut deals: Deals<'_, '_>) {
    for one in deals.ours() {
        let Some(other) = deals.other(one) else { continue };
        let (Ok((me, CharacterIs(character), mine, _)), Ok((_, CharacterIs(with), theirs, is_ghost))) =
            (deals.all.get(one), deals.all.get(other))
        else {
            continue;
        };
        let agreed = Some(mine.agrees_to) == deals.version(one) && theirs.agrees_to == mine.agrees_to;
        let Some(operation) = mine.operation.filter(|_| agreed && *me < mine.with && mine.open) else {
            continue;
        };
        if deals.is_asked(one) {
            continue;
        }
        let (me, with) =
            (who(*character), Who { character: *with, epoch: if is_ghost { theirs.epoch } else { 0 } });
        let (character, a, b) = (*character, side(me, mine), side(with, theirs));
        if a.parts.len() + a.coins.len() + b.parts.len() + b.coins.len() == 0 {
            deals.over(one, &mut asking, false, "ended");
        } else if asking.ask_as(one, character, operation, Act::Trade { a, b }, Deed::Trade(operation)) {
            deals.change(one, |deal| deal.asked = true);
        } else {
            deals.over(one, &mut asking, false, "busy");
        }
    }
}

fn side(who: Who, deal: &Deal) -> Side {
    let parts = deal.stacks.iter().zip(&deal.counts);
    let parts = parts.map(|(item, count)| Part { item: *item, quantity: (*count).into() }).collect();
    let coins = i64::try_from(deal.coins).ok().filter(|coins| *coins > 0);
    Side { who, parts, coins: coins.map(|coins| Coins::new(COIN, coins)).into_iter().collect() }
}

/// Both see what is offered, and go over a border together.
fn show(
    deals: Deals<'_, '_>,
    mut commands: Commands,
    names: Query<(&Character, &Net), Allow<Ghost>>,
    mut shown: Query<(Entity, &Gid, &mut Trading, Option<&Declined>), IsCharacter>,
    waits: Query<Watcher<'_>, IsCharacter>,
) {
    // Who is asked, and by whom.
    let asks = deals.all.iter().filter(|(_, _, deal, _)| !deal.open && deal.since > 0);
    let asks: BTreeMap<Gid, Gid> = asks.map(|(by, _, deal, _)| (deal.with, *by)).collect();
    let see = |one: Entity, me: &Gid, declined: Option<&Declined>| -> Option<Trading> {
        let Some(mine) = deals.of(one).filter(|deal| deal.open) else {
            let by = asks.get(me).filter(|by| declined.is_none_or(|declined| declined.0 != **by))?;
            let asker = deals.gids.find(*by)?;
            deals.is_near(one, asker).ok()?;
            let (name, net) = names.get(asker).ok()?;
            return Some(Trading {
                with: name.name.clone(),
                asked: true,
                target: net.0,
                ..Trading::default()
            });
        };
        let other = deals.other(one)?;
        let (version, theirs) = (deals.version(one)?, deals.of(other)?);
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
            i_agree: mine.agrees_to == version,
            they_agree: theirs.agrees_to == version,
            version,
            target: net.0,
        })
    };
    for (one, me, mut trading, declined) in &mut shown {
        match see(one, me, declined) {
            Some(now) => drop(trading.set_if_neq(now)),
            // The other one is out of sight for a moment.
            None if deals.of(one).is_some_and(|deal| deal.open) => {}
            None => drop(commands.entity(one).remove::<Trading>()),
        }
    }
    for (one, me, declined, is_bound) in &waits {
        if declined.is_some_and(|declined| asks.get(me) != Some(&declined.0)) {
            commands.entity(one).remove::<Declined>();
        }
        let deal = deals.of(one).filter(|deal| deal.open);
        if (deal.is_some() || asks.contains_key(me))
            && !shown.contains(one)
            && let Some(now) = see(one, me, declined)
        {
            commands.entity(one).insert(now);
        }
        let with = deal.and_then(|_| deals.other(one)).filter(|other| deals.is_here(*other));
        match (is_bound, with) {
            (false, Some(with)) => drop(commands.entity(one).insert(Together(one.min(with).to_bits()))),
            (true, None) => drop(commands.entity(one).remove::<Together>()),
            _ => {}
        }
    }
}
