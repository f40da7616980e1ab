//! Two characters trade: each offers, both agree to the same version, and the ledger does it in one operation
//! or not at all.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use pangea_engine::ledger::who;
use pangea_engine::walk::Stunned;
use pangea_engine::{
    Allowance, Builder, Character, CharacterIs, Clock, Input, Inputs, Ledger, Net, Position, Replicate, To,
    Together,
};
use pangea_world::id::{CharacterId, ItemId};
use pangea_world::ledger::{Act, Coins, FIRST_WORN, MOST_NAMED, Part, Side};
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

/// What one of the two gives.
#[derive(Debug, Clone, Default)]
struct Gives {
    /// Slot, stack, how many, which item.
    parts: Vec<(u16, ItemId, u32, u16)>,
    coins: i64,
    agrees: bool,
}

/// A trade, seen from one of the two; the other has the same with `mine` and `theirs` exchanged.
#[derive(Debug, Clone)]
struct Open {
    with: Entity,
    mine: Gives,
    version: u32,
    /// Both have agreed, and the ledger was asked.
    is_asked: bool,
}

/// What goes on between characters.
#[derive(Resource, Debug, Default)]
struct Trades {
    /// Who was asked, by whom, until which tick.
    asks: BTreeMap<Entity, (Entity, u64)>,
    /// Both of each trade.
    open: BTreeMap<Entity, Open>,
}

/// Declares it.
pub fn build(area: &mut Builder) {
    let seldom = Allowance::in_ten_ticks(3);
    area.component::<Trading>().event::<TradeOver>();
    area.input::<Trade>(seldom).input::<Offer>(seldom).input::<Agree>(seldom).input::<EndTrade>(seldom);
    area.ecs.insert_resource(Trades::default());
    area.system(is_done).system(end).system(begin).system(offer).system(agree).system(bind).system(show);
}

/// A character, and one kind of its inputs.
type Trader<'a, T> = (Entity, &'a CharacterIs, &'a mut Inputs<T>);
/// A character as the other one finds it.
type Other<'a> = (Entity, &'a Net, &'a Position, Has<Stunned>);

impl Trades {
    /// Changes what one sees; both agreements are void.
    fn change(&mut self, one: Entity, gives: Gives) {
        let Some(mine) = self.open.get_mut(&one) else { return };
        mine.mine = gives;
        mine.version += 1;
        let (with, version) = (mine.with, mine.version);
        if let Some(theirs) = self.open.get_mut(&with) {
            theirs.version = version;
            theirs.mine.agrees = false;
        }
    }

    /// Ends it for both, and tells them.
    fn over(&mut self, one: Entity, asking: &mut Asking<'_>, done: bool, code: &str) {
        let Some(open) = self.open.remove(&one) else { return };
        self.open.remove(&open.with);
        for to in [one, open.with] {
            asking.outbox.send(To::Owner(to), &TradeOver { done, code: code.to_owned() });
        }
    }
}

/// The ledger has decided.
fn is_done(mut asking: Asking<'_>, mut trades: ResMut<Trades>) {
    let settled: Vec<_> = asking.deeds.settled().to_vec();
    for (deed, outcome) in settled {
        let Deed::Trade(with) = deed.deed else { continue };
        if trades.open.get(&deed.by).is_some_and(|open| open.with == with && open.is_asked) {
            match outcome {
                Ok(()) => trades.over(deed.by, &mut asking, true, ""),
                Err(refusal) => trades.over(deed.by, &mut asking, false, refusal.code.as_str()),
            }
        }
    }
}

/// Who wants no trade any more, goes away, dies or leaves, ends it; unless the ledger is deciding.
fn end(
    clock: Res<Clock>,
    mut asking: Asking<'_>,
    mut trades: ResMut<Trades>,
    mut characters: Query<(Entity, &mut Inputs<EndTrade>), IsCharacter>,
    others: Query<Other<'_>, IsCharacter>,
) {
    for (one, mut inputs) in &mut characters {
        if inputs.is_empty() {
            continue;
        }
        inputs.drain().for_each(drop);
        trades.asks.remove(&one);
        trades.asks.retain(|_, (by, _)| *by != one);
        if trades.open.get(&one).is_some_and(|open| !open.is_asked) {
            trades.over(one, &mut asking, false, "ended");
        }
    }
    let is_near =
        |a: Entity, b: Entity| match (others.get(a), others.get(b)) {
            (Ok((_, _, a, false)), Ok((_, _, b, false))) => {
                if square(a.point(), b.point()) <= REACH_M * REACH_M { Ok(()) } else { Err("too_far") }
            }
            _ => Err("gone"),
        };
    trades.asks.retain(|one, (by, until)| *until > clock.tick && is_near(*one, *by).is_ok());
    let ending = trades.open.iter().filter(|(_, open)| !open.is_asked);
    let ending = ending.filter_map(|(one, open)| Some((*one, is_near(*one, open.with).err()?)));
    for (one, code) in ending.collect::<Vec<_>>() {
        trades.over(one, &mut asking, false, code);
    }
}

fn begin(
    clock: Res<Clock>,
    mut asking: Asking<'_>,
    mut trades: ResMut<Trades>,
    mut characters: Query<Trader<'_, Trade>, IsCharacter>,
    others: Query<Other<'_>, IsCharacter>,
) {
    for (one, _, mut inputs) in &mut characters {
        for Trade { target } in inputs.drain() {
            let Ok((_, _, at, stunned)) = others.get(one) else { continue };
            let found = others.iter().find(|(other, net, ..)| net.0 == target && *other != one);
            let refused = match found {
                _ if stunned => Some(("stunned", "not now")),
                None | Some((.., true)) => Some(("gone", "nobody is there to trade with")),
                Some((_, _, there, _)) if square(at.point(), there.point()) > REACH_M * REACH_M => {
                    Some(("too_far", "go nearer"))
                }
                Some((other, ..)) if trades.open.contains_key(&one) || trades.open.contains_key(&other) => {
                    Some(("busy", "one trade at a time"))
                }
                Some(_) => None,
            };
            if let Some((code, text)) = refused {
                asking.refuse(one, code, text);
                continue;
            }
            let Some((other, ..)) = found else { continue };
            if trades.asks.get(&one).is_some_and(|(by, _)| *by == other) {
                trades.asks.remove(&one);
                trades.asks.remove(&other);
                for (one, with) in [(one, other), (other, one)] {
                    let open = Open { with, mine: Gives::default(), version: 1, is_asked: false };
                    trades.open.insert(one, open);
                }
            } else {
                let until = clock.tick + ASKS_S * u64::from(clock.hz);
                trades.asks.insert(other, (one, until));
            }
        }
    }
}

fn offer(
    mut asking: Asking<'_>,
    mut trades: ResMut<Trades>,
    mut characters: Query<Trader<'_, Offer>, IsCharacter>,
) {
    for (one, CharacterIs(character), mut inputs) in &mut characters {
        for wished in inputs.drain() {
            match trades.open.get(&one) {
                None => asking.refuse(one, "gone", "no trade is open"),
                Some(open) if open.is_asked => asking.refuse(one, "busy", "you have agreed"),
                Some(_) => match gives(&asking.ledger, *character, &wished) {
                    Ok(gives) => trades.change(one, gives),
                    Err((code, text)) => asking.refuse_with(one, code, text),
                },
            }
        }
    }
}

/// An offer, if it is this character's to make.
fn gives(ledger: &Ledger, character: CharacterId, wished: &Offer) -> Result<Gives, (Code, &'static str)> {
    let mut parts: Vec<(u16, ItemId, u32, u16)> = Vec::new();
    for (slot, count) in wished.slots.iter().zip(&wished.counts) {
        let twice = parts.iter().any(|(known, ..)| known == slot);
        if twice || u32::from(*slot) >= FIRST_WORN {
            return Err((Code::NotOwner, "each slot of the bag once"));
        }
        let (part, stack) = part(ledger, character, u32::from(*slot), *count)?;
        parts.push((*slot, part.item, *count, items::number(&stack.template)));
    }
    let has = ledger.sheet(character).map_or(0, |sheet| sheet.amount(COIN));
    match i64::try_from(wished.coins) {
        Ok(coins) if coins <= has => Ok(Gives { parts, coins, agrees: false }),
        Ok(_) => Err((Code::NotEnough, "you have not so much money")),
        Err(_) => Err((Code::AmountInvalid, "there is not so much money")),
    }
}

fn agree(
    mut asking: Asking<'_>,
    mut trades: ResMut<Trades>,
    mut characters: Query<Trader<'_, Agree>, IsCharacter>,
    others: Query<&CharacterIs>,
) {
    for (one, CharacterIs(character), mut inputs) in &mut characters {
        for Agree { version } in inputs.drain() {
            let Some(mine) = trades.open.get_mut(&one) else {
                asking.refuse(one, "gone", "no trade is open");
                continue;
            };
            if mine.version != version || mine.is_asked {
                asking.refuse(one, "old_version", "look again: something has changed");
                continue;
            }
            mine.mine.agrees = true;
            let mine = mine.clone();
            let Some(theirs) = trades.open.get(&mine.with).filter(|theirs| theirs.mine.agrees) else {
                continue;
            };
            let Ok(CharacterIs(other)) = others.get(mine.with) else { continue };
            let (a, b) = (side(*character, &mine.mine), side(*other, &theirs.mine));
            if a.parts.len() + a.coins.len() + b.parts.len() + b.coins.len() == 0 {
                trades.over(one, &mut asking, false, "ended");
            } else if asking.ask(one, *character, Act::Trade { a, b }, Deed::Trade(mine.with)) {
                for one in [one, mine.with] {
                    trades.open.entry(one).and_modify(|open| open.is_asked = true);
                }
            } else {
                trades.over(one, &mut asking, false, "busy");
            }
        }
    }
}

fn side(character: CharacterId, gives: &Gives) -> Side {
    let part =
        |(_, item, count, _): &(u16, ItemId, u32, u16)| Part { item: *item, quantity: (*count).into() };
    let coins = (gives.coins > 0).then(|| Coins::new(COIN, gives.coins));
    Side {
        who: who(character),
        parts: gives.parts.iter().map(part).collect(),
        coins: coins.into_iter().collect(),
    }
}

/// Who trades goes over a border with the other one only.
fn bind(
    mut commands: Commands,
    trades: Res<Trades>,
    characters: Query<(Entity, Option<&Together>), IsCharacter>,
) {
    for (one, bound) in &characters {
        let with = trades.open.get(&one).map(|open| Together(one.min(open.with).to_bits()));
        match (bound, with) {
            (None, Some(with)) => drop(commands.entity(one).insert(with)),
            (Some(_), None) => drop(commands.entity(one).remove::<Together>()),
            _ => {}
        }
    }
}

/// Both see what is offered.
fn show(
    mut commands: Commands,
    trades: Res<Trades>,
    names: Query<(&Character, &Net)>,
    mut shown: Query<(Entity, &mut Trading), IsCharacter>,
) {
    let see = |one: Entity| -> Option<Trading> {
        let Some(open) = trades.open.get(&one) else {
            let (by, _) = trades.asks.get(&one)?;
            let (name, net) = names.get(*by).ok()?;
            return Some(Trading {
                with: name.name.clone(),
                asked: true,
                target: net.0,
                ..Trading::default()
            });
        };
        let (name, net) = names.get(open.with).ok()?;
        let theirs = &trades.open.get(&open.with)?.mine;
        let mine = &open.mine;
        Some(Trading {
            with: name.name.clone(),
            asked: false,
            my_slots: mine.parts.iter().map(|(slot, ..)| *slot).collect(),
            my_counts: mine.parts.iter().map(|(_, _, count, _)| *count).collect(),
            my_coins: mine.coins as u64,
            their_items: theirs.parts.iter().map(|(.., item)| *item).collect(),
            their_counts: theirs.parts.iter().map(|(_, _, count, _)| *count).collect(),
            their_coins: theirs.coins as u64,
            i_agree: mine.agrees,
            they_agree: theirs.agrees,
            version: open.version,
            target: net.0,
        })
    };
    for (one, mut trading) in &mut shown {
        match see(one) {
            Some(now) => drop(trading.set_if_neq(now)),
            None => drop(commands.entity(one).remove::<Trading>()),
        }
    }
    for one in trades.open.keys().chain(trades.asks.keys()) {
        if !shown.contains(*one)
            && names.contains(*one)
            && let Some(now) = see(*one)
        {
            commands.entity(*one).insert(now);
        }
    }
}
