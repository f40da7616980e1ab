//! What walkers do to those whom they see on the other side of a line: they strike them, and trade with them. What each
//! knows of it is kept here, and compared with what those who were struck know, and with central's journal.

use std::collections::HashMap;
use std::time::Duration;

use pangea_client::{Game, Values};
use pangea_world::id::CharacterId;
use serde::Serialize;
use tokio::time::Instant;

use super::super::economy::deed::{Deed, What};
use super::super::players;
use super::SIDE_M;
use super::across::{BEGIN_LIFE, Deal, Meet};
use super::walker::{Notes, Round};

/// How long an answer is awaited: a letter to somebody who has just gone elsewhere is lost.
const HEARS_WITHIN: Duration = Duration::from_secs(3);
/// Of each fault, how many are told.
const MOST_TOLD: usize = 3;

/// What one walker has asked of others, by its number.
#[derive(Debug, Default)]
pub(super) struct Meets(Vec<Asked>);

/// Something that he asked.
#[derive(Debug)]
struct Asked {
    what: Deal,
    whom: CharacterId,
    at: Instant,
    is_open: bool,
}

/// An answer, and what to do about it.
pub(super) struct Answer {
    pub(super) what: Deal,
    pub(super) whom: CharacterId,
    /// Of a trade.
    pub(super) deed: Option<Deed>,
    pub(super) code: String,
    /// The other one was another area's.
    pub(super) across: bool,
}

/// What a walker knows of blows, his own and others'.
#[derive(Debug, Default)]
pub(in crate::trial) struct Blows {
    /// By whom he struck: how often, and how often he was told that it landed.
    pub(in crate::trial) given: HashMap<CharacterId, (u64, u64)>,
    /// Those of them that landed beyond a line.
    pub(in crate::trial) across: u64,
    /// Who he is, how often he was struck, and how often by a blow that had come before.
    pub(in crate::trial) taken: Option<(CharacterId, u64, u64)>,
}

impl Meets {
    /// Asks something of the nearest of those beyond a line who walk in the same round; what, and of whom.
    pub(super) async fn next(
        &mut self,
        game: &mut Game,
        everybody: &[CharacterId],
        round: &Round,
    ) -> Result<Option<(Deal, CharacterId, Option<Deed>)>, pangea_client::Error> {
        let Some(whom) = beyond(game, everybody, SIDE_M, |number| round.has(number)) else { return Ok(None) };
        let number = self.0.len() as u32 + 1;
        let what = Deal::ALL[number as usize % Deal::ALL.len()];
        let meet = Meet { number, what: what as u8, whom: whom.to_string(), amount: amount(number) };
        game.act("Meet", &meet).await?;
        round.opened();
        self.0.push(Asked { what, whom, at: Instant::now(), is_open: true });
        Ok(Some((what, whom, deed(what, whom, number))))
    }

    /// What became of one of these.
    pub(super) fn told(&mut self, values: &Values, round: &Round) -> Option<Answer> {
        let number = values.get("number").and_then(serde_json::Value::as_u64)? as u32;
        let asked = self.0.get_mut(number.checked_sub(1)? as usize)?;
        if std::mem::take(&mut asked.is_open) {
            round.closed();
        }
        let code = values.get("code").and_then(serde_json::Value::as_str).unwrap_or("unreadable").to_owned();
        let across = values.get("across").and_then(serde_json::Value::as_bool).unwrap_or(false);
        let (what, whom) = (asked.what, asked.whom);
        Some(Answer { what, whom, deed: deed(what, whom, number), code, across })
    }

    /// Gives up what has no answer for long.
    pub(super) fn give_up(&mut self, round: &Round) {
        for asked in self.0.iter_mut().filter(|asked| asked.is_open && asked.at.elapsed() > HEARS_WITHIN) {
            asked.is_open = false;
            round.closed();
        }
    }
}

/// A trade as it is found in the journal.
fn deed(what: Deal, whom: CharacterId, number: u32) -> Option<Deed> {
    let what = match what {
        Deal::Blow => return None,
        Deal::Trade => What::Swap,
        Deal::OldTrade => What::Stale,
    };
    Some(Deed { what, whom: Some(whom), number: amount(number).into() })
}

/// What he gives in a trade: of one walker each amount once, and enough for something to come back.
fn amount(number: u32) -> u32 {
    number + 2
}

/// The nearest in sight of these who is on the other side of a line; the lines meet so far east and south, metres.
pub(in crate::trial) fn beyond(
    game: &Game,
    everybody: &[CharacterId],
    corner_m: u32,
    who: impl Fn(u32) -> bool,
) -> Option<CharacterId> {
    let line = corner_m as i32 * 100;
    let me = game.me()?;
    let side = |entity: &pangea_client::Entity| (entity.x_cm < line, entity.y_cm < line);
    let far = |entity: &pangea_client::Entity| {
        i64::from(entity.x_cm - me.x_cm).pow(2) + i64::from(entity.y_cm - me.y_cm).pow(2)
    };
    let others = game.entities().iter().filter(|(_, other)| side(other) != side(me));
    let known = others.filter_map(|(_, other)| {
        let number = players::number_of(&other.name).filter(|number| who(*number))?;
        Some((far(other), number, *everybody.get(number as usize)?))
    });
    known.min_by_key(|(far, number, _)| (*far, *number)).map(|(.., whom)| whom)
}

/// How often he was struck, and how often by a blow that had come before; `None` while that is not seen.
pub(super) fn taken(game: &Game) -> Option<(u64, u64)> {
    #[derive(serde::Deserialize)]
    struct Life {
        left: u32,
        twice: u32,
    }
    let life: Life = game.view().component(game.view().me, "Life")?;
    Some((u64::from(BEGIN_LIFE - life.left), life.twice.into()))
}

/// What all blows came to.
#[derive(Debug, Default, Serialize)]
pub(in crate::trial) struct Hits {
    /// Blows over a line that landed, of which who struck was told.
    hits: u64,
    /// Blows on the same side of it, since whoever was struck had just come over.
    hits_beside: u64,
    /// Told as landed, but whoever was struck knows nothing of it.
    hits_lost: u64,
    /// That counted twice.
    hits_doubled: u64,
    /// Of which who struck was told nothing: one of the two had just gone to another server.
    hits_unheard: u64,
    /// Promises that did not hold.
    #[serde(skip)]
    broken: Vec<String>,
}

impl Hits {
    /// Compares what all know.
    pub(in crate::trial) fn of(all: &[Notes]) -> Self {
        let mut given: HashMap<CharacterId, (u64, u64)> = HashMap::new();
        for (whom, (asked, landed)) in all.iter().flat_map(|notes| &notes.blows.given) {
            let sums = given.entry(*whom).or_default();
            *sums = (sums.0 + asked, sums.1 + landed);
        }
        let (asked, landed) = given.values().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        let across = all.iter().map(|notes| notes.blows.across).sum();
        let mut hits = Self {
            hits: across,
            hits_beside: landed - across,
            hits_unheard: asked - landed,
            ..Self::default()
        };
        for (who, taken, twice) in all.iter().filter_map(|notes| notes.blows.taken) {
            let (asked, landed) = given.get(&who).copied().unwrap_or_default();
            let (lost, doubled) = (landed.saturating_sub(taken), twice.max(taken.saturating_sub(asked)));
            if lost + doubled > 0 && hits.broken.len() < MOST_TOLD {
                hits.broken.push(format!(
                    "{who} was struck {asked} times, {landed} of them told as landed, and knows of {taken}, \
                     {twice} of them twice"
                ));
            }
            hits.hits_lost += lost;
            hits.hits_doubled += doubled;
        }
        hits
    }

    pub(in crate::trial) fn lost(&self) -> u64 {
        self.hits_lost
    }

    pub(in crate::trial) fn doubled(&self) -> u64 {
        self.hits_doubled
    }

    pub(in crate::trial) fn broken(&self) -> &[String] {
        &self.broken
    }

    /// So many landed beyond a line, and what became of the others.
    pub(in crate::trial) fn told(&self) -> (u64, String) {
        (
            self.hits,
            format!("over a line; {} on its own side, {} not told of", self.hits_beside, self.hits_unheard),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: CharacterId = CharacterId([1; 16]);
    const BOB: CharacterId = CharacterId([2; 16]);

    /// Ada struck Bob so often, was told of so many, and he knows of so many.
    fn hits(asked: u64, landed: u64, taken: u64, twice: u64) -> Hits {
        let (mut ada, mut bob) = (Notes::default(), Notes::default());
        ada.blows =
            Blows { given: [(BOB, (asked, landed))].into(), across: landed, taken: Some((ADA, 0, 0)) };
        bob.blows.taken = Some((BOB, taken, twice));
        Hits::of(&[ada, bob])
    }

    #[test]
    fn a_blow_that_is_lost_or_doubled_shows() {
        for (taken, unheard) in [(5, 0), (6, 1), (7, 2)] {
            let hits = hits(5 + unheard, 5, taken, 0);
            assert_eq!((hits.lost(), hits.doubled(), hits.hits_unheard), (0, 0, unheard), "{hits:?}");
            assert!(hits.broken().is_empty(), "{hits:?}");
        }
        let lost = hits(5, 5, 4, 0);
        assert_eq!((lost.lost(), lost.doubled(), lost.broken().len()), (1, 0, 1));
        let doubled = hits(5, 5, 6, 0);
        assert_eq!((doubled.lost(), doubled.doubled(), doubled.broken().len()), (0, 1, 1));
        let twice = hits(9, 5, 6, 1);
        assert_eq!((twice.lost(), twice.doubled(), twice.broken().len()), (0, 1, 1));
    }
}
