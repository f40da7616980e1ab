//! What characters have asked of the ledger, and what became of it. A deed is done when the ledger says so:
//! each module looks among [`Deeds::settled`] for its own.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemParam;
use pangea_engine::ledger::Ask;
use pangea_engine::{Builder, Ghost, Ledger, Letter, Letters, Outbox, Post, Refusals, Replicate, To};
use pangea_world::id::{CharacterId, OpId};
use pangea_world::ledger::{Act, Bundle};
use pangea_world::{Code, Refusal};

use crate::items;
use crate::path::Tile;

/// Most deeds of one character that are not decided.
pub const MOST_EACH: u16 = 16;

/// What a character does with goods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Fells a tree, breaks a rock.
    Fell(Tile),
    /// Takes what a corpse, a herb, a chest has.
    Loot(Entity),
    /// Takes from the ground, drops, moves, puts on, takes off, crafts, puts away and fetches.
    Carry,
    /// Eats: so much health.
    Eat(u16),
    /// Agrees on something with a person: a quest, a deal.
    Deal(Entity),
    /// Has its strongbox opened by a person.
    Open(Entity),
    /// Makes a strongbox its own, or closes it: there is nothing to be told of it.
    Lock,
    /// A quest's step is done by itself.
    Advance,
    /// Trades with another character, or asks whether it did.
    Trade(OpId),
}

/// A deed, and whose.
#[derive(Debug, Clone)]
pub struct Open {
    /// Who.
    pub by: Entity,
    /// The same.
    pub character: CharacterId,
    /// What.
    pub deed: Deed,
    /// What it gives: items and counts.
    gets: Vec<(u16, u32)>,
}

/// All that is under way.
#[derive(Resource, Debug, Default)]
pub struct Deeds {
    open: BTreeMap<Ask, Open>,
    pending: BTreeMap<CharacterId, u16>,
    settled: Vec<(Open, Result<(), Refusal>)>,
}

/// Something could not be; to who wanted it.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// A stable code: one of the ledger's, or `gone`, `too_far`, `stunned`, `bad_choice`, `old_version`, `busy`.
    pub code: String,
    /// For who reads.
    pub text: String,
}

/// Goods came; told when it is durable.
#[derive(Replicate, Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// Which item.
    pub item: u16,
    /// How many.
    pub count: u32,
}

/// Declares them; the first that happens in a step.
pub fn build(area: &mut Builder) {
    area.event::<Told>().event::<Got>().letter::<Told>().letter::<Got>();
    area.ecs.insert_resource(Deeds::default());
    area.system(hear).system(settle);
}

/// What was decided beyond the border for a character that is here.
fn hear(mut told: ResMut<Letters<Told>>, mut got: ResMut<Letters<Got>>, mut outbox: ResMut<Outbox>) {
    for Letter { to, says } in told.drain() {
        to.into_iter().for_each(|to| outbox.send(To::Owner(to), &says));
    }
    for Letter { to, says } in got.drain() {
        to.into_iter().for_each(|to| outbox.send(To::Owner(to), &says));
    }
}

/// What a system needs to ask for something.
#[derive(SystemParam)]
pub struct Asking<'w, 's> {
    /// What everybody has.
    pub ledger: ResMut<'w, Ledger>,
    /// What is under way.
    pub deeds: ResMut<'w, Deeds>,
    /// Events.
    pub outbox: ResMut<'w, Outbox>,
    /// Letters over the border.
    pub post: ResMut<'w, Post>,
    /// What was refused, counted.
    pub refusals: ResMut<'w, Refusals>,
    ghosts: Query<'w, 's, (), With<Ghost>>,
}

impl Asking<'_, '_> {
    /// Asks; false if this character has too much under way, and is told so.
    pub fn ask(&mut self, by: Entity, character: CharacterId, act: Act, deed: Deed) -> bool {
        self.ask_under(by, character, None, act, deed)
    }

    /// The same under an id that another area may know.
    pub fn ask_as(&mut self, by: Entity, character: CharacterId, id: OpId, act: Act, deed: Deed) -> bool {
        self.ask_under(by, character, Some(id), act, deed)
    }

    fn ask_under(
        &mut self,
        by: Entity,
        character: CharacterId,
        id: Option<OpId>,
        act: Act,
        deed: Deed,
    ) -> bool {
        let pending = self.deeds.pending.entry(character).or_default();
        if *pending >= MOST_EACH {
            self.refuse(by, "busy", "wait until what you have begun is done");
            return false;
        }
        *pending += 1;
        let gets = given(&act).into_iter().flat_map(|bundle| &bundle.goods);
        let gets = gets.map(|goods| (items::number(&goods.template), goods.quantity as u32)).collect();
        let ask = match id {
            Some(id) => self.ledger.ask_as(id, act),
            None => self.ledger.ask(act),
        };
        self.deeds.open.insert(ask, Open { by, character, deed, gets });
        true
    }

    /// Tells why not, and counts it.
    pub fn refuse(&mut self, by: Entity, code: &'static str, text: &str) {
        self.refusals.count(code);
        self.tell(by, code, text);
    }

    fn tell(&mut self, by: Entity, code: &str, text: &str) {
        self.say(by, &Told { code: code.to_owned(), text: text.to_owned() });
    }

    /// Tells a character's player, also of one that stands beyond the border.
    fn say<T: Replicate>(&mut self, to: Entity, what: &T) {
        if self.ghosts.contains(to) {
            self.post.to(to, what);
        } else {
            self.outbox.send(To::Owner(to), what);
        }
    }

    /// Tells why not, and counts it.
    pub fn refuse_with(&mut self, by: Entity, code: Code, text: &str) {
        self.refuse(by, code.as_str(), text);
    }
}

impl Deeds {
    /// What was decided before this step.
    pub fn settled(&self) -> &[(Open, Result<(), Refusal>)] {
        &self.settled
    }

    /// How many deeds of a character are not decided.
    pub fn pending(&self, character: CharacterId) -> u16 {
        self.pending.get(&character).copied().unwrap_or(0)
    }

    /// Whether a character has such a deed under way.
    pub fn has(&self, character: CharacterId, deed: Deed) -> bool {
        self.open.values().any(|open| open.character == character && open.deed == deed)
    }
}

/// What an act brings.
fn given(act: &Act) -> Option<&Bundle> {
    match act {
        Act::Pick { gets, .. }
        | Act::Exchange { gets, .. }
        | Act::QuestAccept { gets, .. }
        | Act::QuestStep { gets, .. }
        | Act::QuestReward { gets, .. } => Some(gets),
        _ => None,
    }
}

fn settle(mut asking: Asking<'_, '_>) {
    if asking.ledger.answers().is_empty() && asking.deeds.settled.is_empty() {
        return;
    }
    asking.deeds.settled.clear();
    for answer in asking.ledger.answers().to_vec() {
        let deeds = &mut *asking.deeds;
        let Some(open) = deeds.open.remove(&answer.ask) else { continue };
        if let Some(pending) = deeds.pending.get_mut(&open.character) {
            *pending -= 1;
            if *pending == 0 {
                deeds.pending.remove(&open.character);
            }
        }
        match &answer.outcome {
            Ok(()) => {
                for (item, count) in &open.gets {
                    asking.say(open.by, &Got { item: *item, count: *count });
                }
            }
            Err(refusal) if !matches!(open.deed, Deed::Trade(_) | Deed::Lock) => {
                // The server has counted what the ledger refuses.
                asking.tell(open.by, refusal.code.as_str(), &refusal.text);
            }
            Err(_) => {}
        }
        asking.deeds.settled.push((open, answer.outcome));
    }
}
