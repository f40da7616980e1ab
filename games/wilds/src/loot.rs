//! What gives goods once: corpses, herbs, chests, trees. Each is a source of the ledger, which knows the last
//! life of it that gave; lives are ticks, so that a checkpoint which brings a thing back does not bring back
//! what it gave.

use std::collections::BTreeSet;

use bevy_ecs::prelude::*;
use pangea_engine::ledger::who;
use pangea_engine::walk::Stunned;
use pangea_engine::{
    Allowance, Builder, Carried, CharacterIs, Clock, Dice, Epoch, Ghost, Gid, Gids, Input, Inputs, Kind,
    Letter, Letters, Net, Pass, Position, Replicate, Right, Rights, Setup,
};
use pangea_world::Code;
use pangea_world::id::CharacterId;
use pangea_world::ledger::{self, Act, Bundle, Coins, Goods, Part, Who};

use crate::bag::COIN;
use crate::census::square;
use crate::deeds::{Asking, Deed, Deeds};
use crate::health::{Deaths, IsCharacter};
use crate::heaps::HeapIs;
use crate::items;
use crate::species::Species;

/// From how far one takes something, metres.
pub const REACH_M: f64 = 2.2;
/// Seconds that a corpse lies.
pub const LIES_S: u64 = 90;
/// Most corpses in an area; beyond it the dead leave nothing.
const MOST_CORPSES: u64 = 4_096;

/// Numbers of sources by what they are; what is added is below 2^56.
pub mod number {
    /// A tree or a rock; and its tile, as `pangea_world::spot` numbers it.
    pub const TILE: u64 = 1 << 56;
    /// A herb; and its tile.
    pub const HERB: u64 = 2 << 56;
    /// A chest; and its tile.
    pub const CHEST: u64 = 3 << 56;
    /// A corpse; and its place among those that lie.
    pub const CORPSE: u64 = 4 << 56;
}

/// Something that gives goods once.
#[derive(Component, Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The ledger's number of it.
    pub number: u64,
    /// What it gives.
    pub gets: Bundle,
    /// Whether somebody has asked for it already.
    asked: bool,
}

impl Source {
    /// One that nobody has asked for.
    pub fn new(number: u64, gets: Bundle) -> Self {
        Self { number, gets, asked: false }
    }

    /// Whether it is of the land, and not what somebody left.
    fn grows(&self) -> bool {
        matches!(self.number >> 56 << 56, number::HERB | number::CHEST)
    }
}

/// Whose corpse it is, and what it has: it goes along with its area to another process.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Eq, Default)]
pub struct Loot {
    /// The species' number.
    pub of: u16,
    /// The ledger's number of it; 0 once somebody has asked for it: only here is it known what becomes of that.
    #[replicate(server)]
    number: u64,
    /// In this tick it is gone.
    #[replicate(server)]
    rots: u64,
    /// Which items it has, and how many of each: two lists of one length.
    #[replicate(server)]
    items: Vec<u16>,
    #[replicate(server)]
    counts: Vec<u32>,
    #[replicate(server)]
    coins: u32,
}

impl Loot {
    fn new(of: Species, number: u64, rots: u64, gets: &Bundle) -> Self {
        let goods = gets.goods.iter();
        let (items, counts) =
            goods.map(|goods| (items::number(&goods.template), goods.quantity as u32)).unzip();
        let coins = gets.coins.iter().map(|coins| coins.amount as u32).sum();
        Self { of: of as u16, number, rots, items, counts, coins }
    }

    fn gets(&self) -> Bundle {
        let goods = self.items.iter().zip(&self.counts);
        let goods = goods.map(|(item, count)| items::goods(items::of(*item).name, *count)).collect();
        purse(goods, i64::from(self.coins))
    }
}

/// A corpse that came along from another process lies here as it lay there.
fn lie_on(ecs: &mut World, corpse: Entity, pass: Pass) {
    let (Pass::In, Some(loot)) = (pass, ecs.get::<Loot>(corpse).cloned()) else { return };
    if loot.number == 0 {
        ecs.despawn(corpse);
    } else {
        ecs.entity_mut(corpse).insert((Source::new(loot.number, loot.gets()), Rots(loot.rots)));
    }
}

/// A corpse is gone in this tick.
#[derive(Component, Debug, Clone, Copy)]
struct Rots(u64);

/// The kind of corpses, and where the next one is counted.
#[derive(Resource, Debug)]
struct Corpses {
    kind: Kind,
    next: u64,
}

/// Take what is there.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// A corpse, a heap, a herb or a chest, by its number on the wire.
    #[replicate(entity)]
    pub target: u16,
}

impl Input for Take {}

/// Declares it.
pub fn build(area: &mut Builder, _: &Setup<'_>) {
    let kind = area.component::<Loot>().on_pass(lie_on).kind("corpse");
    area.ecs.insert_resource(Corpses { kind, next: 0 });
    area.ecs.insert_resource(Reached::default());
    area.input::<Take>(Allowance::in_ten_ticks(5)).letter::<Wanted>();
    area.system(reach).system(hear).system(take).system(is_taken).system(lie_dead).system(rot);
}

/// To the owner of what lies beyond the border: somebody wants it.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
struct Wanted {
    by: Gid,
    epoch: u64,
}

/// A character that takes.
type Taker<'a> = (Entity, &'a Gid, Option<&'a Epoch>, &'a mut Inputs<Take>, Has<Stunned>);

/// A thing as who wants it sees it: on this side of the border, or beyond.
type Seen<'a> = (Entity, &'a Net, Has<Ghost>);

/// What is reached for in this step: by whom, and what.
#[derive(Resource, Debug, Default)]
struct Reached(Vec<(Entity, Who, Entity)>);

/// Who reaches for what: what lies beyond the border is its owner's to give.
fn reach(
    mut asking: Asking<'_, '_>,
    mut reached: ResMut<Reached>,
    mut characters: Query<Taker<'_>, IsCharacter>,
    things: Query<Seen<'_>, (Without<CharacterIs>, Allow<Ghost>)>,
) {
    for (by, gid, epoch, mut inputs, stunned) in &mut characters {
        for Take { target } in inputs.drain() {
            match things.iter().find(|(_, net, _)| net.0 == target) {
                _ if stunned => asking.refuse(by, "stunned", "not now"),
                None => asking.refuse(by, "gone", "there is nothing to take"),
                Some((thing, _, true)) => {
                    let epoch = epoch.map_or(0, |epoch| epoch.0);
                    asking.post.to(thing, &Wanted { by: *gid, epoch });
                }
                Some((thing, ..)) => reached.0.push((by, who(CharacterId(gid.0)), thing)),
            }
        }
    }
}

/// What those beyond the border reach for here.
fn hear(
    gids: Res<Gids>,
    mut letters: ResMut<Letters<Wanted>>,
    mut reached: ResMut<Reached>,
    strangers: Query<(), (IsCharacter, With<Ghost>)>,
) {
    for Letter { to, says: Wanted { by, epoch } } in letters.drain() {
        let who = Who { character: CharacterId(by.0), epoch };
        if let (Some(thing), Some(by)) = (to, gids.find(by).filter(|by| strangers.contains(*by))) {
            reached.0.push((by, who, thing));
        }
    }
}

/// Something that can be taken.
type Thing<'a> = (&'a Position, Option<&'a mut Source>, Option<&'a mut Loot>, Option<&'a HeapIs>);

/// Whether something can be taken.
type CanBeTaken = Or<(With<Source>, With<HeapIs>)>;

fn take(
    clock: Res<Clock>,
    mut asking: Asking<'_, '_>,
    mut reached: ResMut<Reached>,
    takers: Query<&Position, (IsCharacter, Allow<Ghost>)>,
    mut things: Query<Thing<'_>, CanBeTaken>,
    rights: Rights<'_, '_>,
) {
    for (by, who, thing) in reached.0.drain(..) {
        let character = who.character;
        let (Ok(at), Ok((there, source, corpse, heap))) = (takers.get(by), things.get_mut(thing)) else {
            asking.refuse(by, "gone", "there is nothing to take");
            continue;
        };
        if square(at.point(), there.point()) > REACH_M * REACH_M {
            asking.refuse(by, "too_far", "that is out of reach");
            continue;
        }
        if let Some(HeapIs(item)) = heap {
            let lies = asking.ledger.ground().stacks.values().find(|stack| stack.id == *item);
            let built = lies.is_some_and(|stack| items::of(items::number(&stack.template)).is_built());
            let quantity = lies.map(|stack| stack.quantity);
            if built && let Err(whose) = rights.may(by, Right::Build) {
                let text = format!("this ground belongs to {whose}: only they take that down");
                asking.refuse_with(by, Code::Forbidden, &text);
            } else if let Some(quantity) = quantity {
                let act = Act::Take { who, part: Part { item: *item, quantity } };
                asking.ask(by, character, act, Deed::Carry);
            }
        } else if let Some(mut source) = source {
            if source.grows()
                && let Err(whose) = rights.may(by, Right::Gather)
            {
                asking.refuse_with(by, Code::Forbidden, &format!("this ground belongs to {whose}"));
                continue;
            }
            if source.asked {
                asking.refuse_with(by, Code::SourceSpent, "somebody else was faster");
                continue;
            }
            let spends = ledger::Source { number: source.number, life: clock.tick };
            let act = Act::Pick { who, source: spends, gets: source.gets.clone() };
            source.asked = asking.ask(by, character, act, Deed::Loot(thing));
            if let (true, Some(mut corpse)) = (source.asked, corpse) {
                corpse.number = 0;
            }
        }
    }
}

/// What has given is gone; what could not be taken stays.
fn is_taken(mut commands: Commands, deeds: Res<Deeds>, mut sources: Query<(&mut Source, Option<&mut Loot>)>) {
    for (open, outcome) in deeds.settled() {
        let Deed::Loot(thing) = open.deed else { continue };
        let Ok((mut source, corpse)) = sources.get_mut(thing) else { continue };
        match outcome {
            Err(refusal) if refusal.code != Code::SourceSpent => {
                source.asked = false;
                if let Some(mut corpse) = corpse {
                    corpse.number = source.number;
                }
            }
            _ => commands.entity(thing).despawn(),
        }
    }
}

/// Creatures that a character killed leave a corpse.
fn lie_dead(
    mut commands: Commands,
    clock: Res<Clock>,
    mut deaths: ResMut<Deaths>,
    mut corpses: ResMut<Corpses>,
    mut dice: ResMut<Dice>,
    lying: Query<&Source, With<Rots>>,
    characters: Query<(), (IsCharacter, Allow<Ghost>)>,
) {
    if deaths.0.is_empty() {
        return;
    }
    let mut taken: BTreeSet<u64> = lying.iter().map(|source| source.number - number::CORPSE).collect();
    for death in deaths.0.drain(..).filter(|death| characters.contains(death.by)) {
        let free = (0..MOST_CORPSES).map(|n| (corpses.next + n) % MOST_CORPSES);
        let Some(place) = free.into_iter().find(|place| !taken.contains(place)) else { return };
        taken.insert(place);
        corpses.next = place + 1;
        let source = Source::new(number::CORPSE | place, of(death.species, &mut dice));
        let (x, y) = death.at;
        let rots = clock.tick + LIES_S * u64::from(clock.hz);
        let loot = Loot::new(death.species, source.number, rots, &source.gets);
        commands.spawn((corpses.kind, Position { x, y }, loot, source, Rots(rots), Carried));
    }
}

/// Each second: corpses that lay long enough are gone, but for those that somebody is taking from.
fn rot(mut commands: Commands, clock: Res<Clock>, corpses: Query<(Entity, &Rots, &Source)>) {
    if !clock.tick.is_multiple_of(u64::from(clock.hz)) {
        return;
    }
    for (entity, Rots(at), source) in &corpses {
        if *at <= clock.tick && !source.asked {
            commands.entity(entity).despawn();
        }
    }
}

/// What a creature has on it.
fn of(species: Species, dice: &mut Dice) -> Bundle {
    let mut goods = Vec::new();
    let mut coins = 0;
    match species {
        Species::Rabbit => {
            goods.push(items::goods("meat", 1));
            goods.push(items::goods("fur", 1));
        }
        Species::Deer => {
            goods.push(items::goods("meat", 2 + dice.below(2)));
            goods.push(items::goods("hide", 1 + dice.below(2)));
            if dice.one_in(2) {
                goods.push(items::goods("antler", 1));
            }
        }
        Species::Boar => {
            goods.push(items::goods("meat", 2 + dice.below(3)));
            goods.push(items::goods("hide", 1));
            goods.push(items::goods("tusk", 1 + dice.below(2)));
        }
        Species::Wolf => {
            goods.push(items::goods("hide", 1));
            goods.push(items::goods("fang", 1));
            // Whoever fed it before had a purse.
            coins = 3 + i64::from(dice.below(8));
        }
    }
    purse(goods, coins)
}

/// Goods, and coins if there are any.
pub fn purse(goods: Vec<Goods>, coins: i64) -> Bundle {
    let coins = if coins > 0 { vec![Coins::new(COIN, coins)] } else { Vec::new() };
    Bundle { goods, coins }
}
