//! The game of this trial: it asks the ledger for whatever its players wish, and tells them what became of it.

use std::collections::BTreeMap;

use pangea_engine::ledger::{Ask, Ledger, who};
use pangea_engine::prelude::*;
use pangea_world::id::CharacterId;
use serde::Serialize;

use super::deed::{Deed, WOOD, What};

/// Set for the trial's game servers: they play this instead of their own game.
pub(crate) const CHOSEN: &str = "TRIAL_MARKET";

/// Wishes of one player that may come at once: all that it may have waiting, and those it had before it was lost.
const SAVED: f32 = 32.0;

/// A player's wish.
#[derive(Debug, Replicate, Serialize)]
pub(in crate::trial) struct Wish {
    /// By which the player knows it.
    pub(in crate::trial) number: u32,
    /// A [`What`].
    pub(in crate::trial) what: u8,
    /// Another character's id, or empty.
    pub(in crate::trial) whom: String,
    /// How much, or which.
    pub(in crate::trial) amount: u64,
}

impl Input for Wish {}

/// What became of a wish.
#[derive(Debug, Replicate)]
pub(in crate::trial) struct Told {
    /// Of the wish.
    pub(in crate::trial) number: u32,
    /// Of the refusal; empty: it is done and durable.
    pub(in crate::trial) code: String,
}

/// The game.
pub(crate) fn game() -> Game {
    Game {
        name: "market",
        land: |_, _| Box::new(|_, _| tile::GRASS),
        build: |area, _| {
            area.input::<Wish>(Allowance { per_tick: SAVED / 2.0, saved: SAVED });
            area.event::<Told>().system(serve);
        },
    }
}

/// Whose wish an ask is.
type Asked = BTreeMap<Ask, (CharacterId, u32)>;

fn serve(
    mut players: Query<(Entity, &CharacterIs, &mut Inputs<Wish>)>,
    mut ledger: ResMut<Ledger>,
    mut outbox: ResMut<Outbox>,
    mut asked: Local<Asked>,
) {
    let here: BTreeMap<CharacterId, Entity> = players.iter().map(|(entity, is, _)| (is.0, entity)).collect();
    for answer in ledger.answers() {
        let Some((character, number)) = asked.remove(&answer.ask) else { continue };
        let code = answer.outcome.as_ref().err().map_or("", |refusal| refusal.code.as_str()).to_owned();
        if let Some(entity) = here.get(&character) {
            outbox.send(To::Owner(*entity), &Told { number, code });
        }
    }
    for (entity, CharacterIs(character), mut wishes) in &mut players {
        for wish in wishes.drain() {
            match act(&ledger, *character, &wish) {
                Some(act) => drop(asked.insert(ledger.ask(act), (*character, wish.number))),
                None => {
                    let code = Code::NotEnough.as_str().to_owned();
                    outbox.send(To::Owner(entity), &Told { number: wish.number, code });
                }
            }
        }
    }
}

fn act(ledger: &Ledger, character: CharacterId, wish: &Wish) -> Option<pangea_world::ledger::Act> {
    let deed = Deed { what: What::of(wish.what)?, whom: wish.whom.parse().ok(), number: wish.amount };
    let stacks = ledger.sheet(character).map(|sheet| &sheet.stacks);
    let wood = stacks.and_then(|stacks| stacks.values().find(|stack| stack.template == WOOD));
    deed.act(who(character), wood.map(|stack| stack.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORLD: &str = "kind = \"grid\"\n[grid]\ncell_m = 64\narea_cells = 1\nspawn = { x = 9.0, y = 9.0 }";

    #[test]
    fn wishes_are_answered_when_they_are_decided() {
        let mut sim = Sim::of_world(&game(), WORLD);
        let (ada, bob) = (sim.join("Ada", (9.0, 9.0)), sim.join("Bob", (9.0, 9.0)));
        let bobs = sim.character(bob).to_string();
        let mut told = |player, number, what: What, whom: &str, amount| {
            let wish = Wish { number, what: what as u8, whom: whom.to_owned(), amount };
            sim.act(player, &wish).expect("taken");
            for _ in 0..3 {
                sim.step(1.0);
                if let Some(told) = sim.events::<Told>().pop() {
                    assert_eq!(told.number, number);
                    return told.code;
                }
            }
            panic!("{what:?} was not answered")
        };
        assert_eq!(told(ada, 1, What::Gather, "", 8), "");
        assert_eq!(told(bob, 1, What::Gather, "", 8), "source_spent");
        assert_eq!(told(ada, 2, What::Pay, &bobs, 2), "");
        assert_eq!(told(ada, 3, What::Sell, &bobs, 2), "");
        assert_eq!(told(ada, 4, What::Sell, &bobs, 1), "not_enough");
        assert_eq!(told(ada, 5, What::Step, "", 1), "quest_order");
        assert_eq!(told(ada, 6, What::Accept, "", 1), "");
        assert_eq!(told(ada, 7, What::Step, "", 1), "");
        assert_eq!(told(ada, 8, What::Reward, "", 1), "");
        assert_eq!(told(ada, 9, What::Reward, "", 1), "quest_order");
    }
}
