//! What players of this trial do. No two deeds of one player are the same, so that each is found in the journal
//! by what it is: an amount that is paid is its number, a quest is done once, and a source has one life.

use pangea_world::id::{CharacterId, ItemId};
use pangea_world::ledger::{Act, Bundle, Coins, Goods, Part, Side, Source, Who};
use serde::Serialize;

pub(in crate::trial) const WOOD: &str = "wood";
pub(in crate::trial) const COIN: &str = "coin";
/// What a source and a quest give.
const SOURCE_COINS: i64 = 2;
const REWARD_COINS: i64 = 5;
/// By how many coins less comes back in a swap, and in one that must not be done.
const SWAP_COSTS: i64 = 1;
const STALE_COSTS: i64 = 2;
/// Sources have one life: whoever gets something from it is the only one who ever does.
const ONLY_LIFE: u64 = 1;

/// What is done; its number is what clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[repr(u8)]
pub(in crate::trial) enum What {
    /// Takes wood and coins from the source with this number.
    Gather,
    /// Pays so many coins.
    Pay,
    /// Sells a piece of wood for so many coins, in one trade.
    Sell,
    /// Accepts the quest with this number, …
    Accept,
    /// … does its only step, …
    Step,
    /// … and takes its reward.
    Reward,
    /// Gives so many coins for one less, in one trade with somebody of another area.
    Swap,
    /// The same for two less, under an epoch that the other one had before: must never be done.
    Stale,
}

impl What {
    const ALL: [Self; 8] = [
        Self::Gather,
        Self::Pay,
        Self::Sell,
        Self::Accept,
        Self::Step,
        Self::Reward,
        Self::Swap,
        Self::Stale,
    ];

    pub(in crate::trial) fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Something that a player asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub(in crate::trial) struct Deed {
    pub(in crate::trial) what: What,
    /// With whom.
    pub(in crate::trial) whom: Option<CharacterId>,
    /// How much, or which.
    pub(in crate::trial) number: u64,
}

impl Deed {
    /// As the ledger does it; `wood` is a stack of the doer's, for a sale. `None` if something is missing.
    pub(in crate::trial) fn act(self, who: Who, wood: Option<ItemId>) -> Option<Act> {
        let amount = i64::try_from(self.number).ok()?;
        let quest = format!("errand-{}", self.number);
        Some(match self.what {
            What::Gather => Act::Pick {
                who,
                source: Source { number: self.number, life: ONLY_LIFE },
                gets: Bundle {
                    goods: vec![Goods::new(WOOD, 1)],
                    coins: vec![Coins::new(COIN, SOURCE_COINS)],
                },
            },
            What::Pay => Act::Pay { who, to: self.whom?, coins: Coins::new(COIN, amount) },
            What::Sell => {
                let parts = vec![Part { item: wood?, quantity: 1 }];
                let buyer = Who { character: self.whom?, epoch: 0 };
                Act::Trade {
                    a: Side { who, parts, coins: Vec::new() },
                    b: Side { who: buyer, parts: Vec::new(), coins: vec![Coins::new(COIN, amount)] },
                }
            }
            What::Swap => swap(who, self.whom?, amount, SWAP_COSTS),
            What::Stale => swap(who, self.whom?, amount, STALE_COSTS),
            What::Accept => Act::QuestAccept { who, quest, gets: Bundle::default() },
            What::Step => {
                Act::QuestStep { who, quest, step: 0, gives: Bundle::default(), gets: Bundle::default() }
            }
            What::Reward => {
                let gets = Bundle::coins([Coins::new(COIN, REWARD_COINS)]);
                Act::QuestReward { who, quest, step: 1, gives: Bundle::default(), gets }
            }
        })
    }

    /// Whose deed this was; `None`: nobody's of this trial.
    pub(in crate::trial) fn of(act: &Act) -> Option<(CharacterId, Self)> {
        let amount = |coins: &[Coins]| u64::try_from(coins.first()?.amount).ok();
        let number = |quest: &str| quest.strip_prefix("errand-")?.parse().ok();
        let (who, what, whom, number) = match act {
            Act::Pick { who, source, .. } => (who, What::Gather, None, source.number),
            Act::Pay { who, to, coins } => (who, What::Pay, Some(*to), u64::try_from(coins.amount).ok()?),
            Act::Trade { a, b } if a.coins.is_empty() => {
                (&a.who, What::Sell, Some(b.who.character), amount(&b.coins)?)
            }
            Act::Trade { a, b } => {
                let (gives, back) = (amount(&a.coins)?, amount(&b.coins)?);
                let what =
                    if gives.checked_sub(back)? == SWAP_COSTS as u64 { What::Swap } else { What::Stale };
                (&a.who, what, Some(b.who.character), gives)
            }
            Act::QuestAccept { who, quest, .. } => (who, What::Accept, None, number(quest)?),
            Act::QuestStep { who, quest, .. } => (who, What::Step, None, number(quest)?),
            Act::QuestReward { who, quest, .. } => (who, What::Reward, None, number(quest)?),
            _ => return None,
        };
        Some((who.character, Self { what, whom, number }))
    }

    /// What the doer has more of, and then what the other one has: wood and coins.
    pub(in crate::trial) fn moves(self) -> [(i64, i64); 2] {
        let amount = self.number as i64;
        match self.what {
            What::Gather => [(1, SOURCE_COINS), (0, 0)],
            What::Pay => [(0, -amount), (0, amount)],
            What::Sell => [(-1, amount), (1, -amount)],
            What::Swap => [(0, -SWAP_COSTS), (0, SWAP_COSTS)],
            What::Stale => [(0, -STALE_COSTS), (0, STALE_COSTS)],
            What::Accept | What::Step => [(0, 0), (0, 0)],
            What::Reward => [(0, REWARD_COINS), (0, 0)],
        }
    }
}

/// Coins for some less; the other one's epoch is still to be said.
fn swap(who: Who, whom: CharacterId, amount: i64, costs: i64) -> Act {
    let side = |who, coins| Side { who, parts: Vec::new(), coins: vec![Coins::new(COIN, coins)] };
    Act::Trade { a: side(who, amount), b: side(Who { character: whom, epoch: 0 }, amount - costs) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_deed_is_found_again_in_its_act() {
        let who = Who { character: CharacterId([1; 16]), epoch: 3 };
        for (number, what) in What::ALL.into_iter().enumerate() {
            assert_eq!(What::of(number as u8), Some(what));
            let whom = matches!(what, What::Pay | What::Sell | What::Swap | What::Stale)
                .then_some(CharacterId([2; 16]));
            let deed = Deed { what, whom, number: 71 };
            let act = deed.act(who, Some(ItemId([5; 16]))).expect("an act");
            assert_eq!(Deed::of(&act), Some((who.character, deed)));
        }
        assert_eq!(What::of(8), None);
        let grant = Act::Grant { to: who.character, gets: Bundle::coins([Coins::new(COIN, 1)]) };
        assert_eq!(Deed::of(&grant), None);
    }
}
