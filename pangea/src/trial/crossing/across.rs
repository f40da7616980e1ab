//! What characters of these trials' game do to each other, over a line too: blows, by letters to who owns whoever is
//! struck, and trades of two owners, each under both epochs.

use std::collections::BTreeMap;

use pangea_engine::Letter;
use pangea_engine::ledger::{Ask, who};
use pangea_engine::prelude::*;
use pangea_world::id::CharacterId;
use pangea_world::ledger::{Act, Who};
use serde::Serialize;

use super::super::economy::deed::{Deed, What};

/// What everybody has to begin with: a blow takes one.
pub(super) const BEGIN_LIFE: u32 = 1_000_000_000;
/// Blows that are remembered, to see one that comes twice.
const MOST_REMEMBERED: usize = 32;

/// What one does to another; its number is what clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::trial) enum Deal {
    /// Strikes.
    Blow,
    /// Gives some coins for one coin less.
    Trade,
    /// The same for two less, under an epoch that the other one had before: must be refused.
    OldTrade,
}

impl Deal {
    pub(super) const ALL: [Self; 3] = [Self::Blow, Self::Trade, Self::OldTrade];
}

/// A player's wish.
#[derive(Debug, Replicate, Serialize)]
pub(in crate::trial) struct Meet {
    /// By which the player knows it.
    pub(in crate::trial) number: u32,
    /// A [`Deal`].
    pub(in crate::trial) what: u8,
    /// With whom, by id: a number on the wire is another's where the wish is given again, behind a border.
    pub(in crate::trial) whom: String,
    /// What is given in a trade.
    pub(in crate::trial) amount: u32,
}

impl Input for Meet {}

/// What became of it.
#[derive(Debug, Replicate)]
struct Met {
    /// Of the wish.
    number: u32,
    /// Of the refusal; empty: it is done.
    code: String,
    /// The other one was another area's when it began.
    across: bool,
}

/// How a character fared.
#[derive(Component, Replicate, Debug, Clone, PartialEq)]
struct Life {
    /// [`BEGIN_LIFE`], less one for each blow.
    #[replicate(owner)]
    left: u32,
    /// Blows that had come before.
    #[replicate(owner)]
    twice: u32,
    /// The last blows: who struck, and by which number.
    #[replicate(server)]
    by: Vec<Gid>,
    #[replicate(server)]
    numbers: Vec<u32>,
}

impl Default for Life {
    fn default() -> Self {
        Self { left: BEGIN_LIFE, twice: 0, by: Vec::new(), numbers: Vec::new() }
    }
}

/// A blow, to who owns whoever is struck.
#[derive(Debug, Replicate)]
struct Blow {
    by: Gid,
    number: u32,
    across: bool,
}

/// It landed, to who struck.
#[derive(Debug, Replicate)]
struct Landed {
    number: u32,
    across: bool,
}

/// A trade is wished of somebody.
#[derive(Debug, Replicate)]
struct Wished {
    by: Gid,
    number: u32,
    amount: u32,
    old: bool,
}

/// He agrees, under his epoch.
#[derive(Debug, Replicate)]
struct Agreed {
    by: Gid,
    epoch: u64,
    number: u32,
    amount: u32,
    old: bool,
}

/// Declares it.
pub(super) fn build(area: &mut Builder) {
    area.ecs.insert_resource(Trades::default());
    area.component::<Life>().event::<Met>().input::<Meet>(Allowance::in_ten_ticks(10));
    area.letter::<Blow>().letter::<Landed>().letter::<Wished>().letter::<Agreed>();
    area.on_enter(|ecs, entity, _| {
        if ecs.get::<Life>(entity).is_none() {
            ecs.entity_mut(entity).insert(Life::default());
        }
    });
    area.system(meet).system(struck).system(landed).system(agree).system(trade).system(traded);
}

fn tell(outbox: &mut Outbox, whom: Entity, number: u32, code: &str, across: bool) {
    outbox.send(To::Owner(whom), &Met { number, code: code.to_owned(), across });
}

fn meet(
    mut players: Query<(Entity, &Gid, &mut Inputs<Meet>), With<CharacterIs>>,
    others: Query<Has<Ghost>, (With<CharacterIs>, Allow<Ghost>)>,
    gids: Res<Gids>,
    mut post: ResMut<Post>,
    mut outbox: ResMut<Outbox>,
) {
    for (one, by, mut meets) in &mut players {
        for Meet { number, what, whom, amount } in meets.drain() {
            let whom = whom.parse().ok().and_then(|CharacterId(id)| gids.find(Gid(id)));
            let Some((other, across)) = whom.and_then(|other| Some((other, others.get(other).ok()?))) else {
                tell(&mut outbox, one, number, "gone", false);
                continue;
            };
            if what == Deal::Blow as u8 {
                post.to(other, &Blow { by: *by, number, across });
            } else {
                post.to(other, &Wished { by: *by, number, amount, old: what == Deal::OldTrade as u8 });
            }
        }
    }
}

fn struck(
    mut blows: ResMut<Letters<Blow>>,
    mut lives: Query<&mut Life>,
    gids: Res<Gids>,
    mut post: ResMut<Post>,
) {
    for Letter { to, says: Blow { by, number, across } } in blows.drain() {
        let Some(mut life) = to.and_then(|to| lives.get_mut(to).ok()) else { continue };
        life.left = life.left.saturating_sub(1);
        if life.by.iter().zip(&life.numbers).any(|known| known == (&by, &number)) {
            life.twice += 1;
        }
        if life.by.len() == MOST_REMEMBERED {
            life.by.remove(0);
            life.numbers.remove(0);
        }
        life.by.push(by);
        life.numbers.push(number);
        if let Some(striker) = gids.find(by) {
            post.to(striker, &Landed { number, across });
        }
    }
}

fn landed(mut letters: ResMut<Letters<Landed>>, mut outbox: ResMut<Outbox>) {
    for Letter { to, says: Landed { number, across } } in letters.drain() {
        if let Some(striker) = to {
            tell(&mut outbox, striker, number, "", across);
        }
    }
}

/// Whoever is asked for a trade agrees.
fn agree(
    mut letters: ResMut<Letters<Wished>>,
    owned: Query<(&Gid, &Epoch), With<CharacterIs>>,
    gids: Res<Gids>,
    mut post: ResMut<Post>,
) {
    for Letter { to, says: Wished { by, number, amount, old } } in letters.drain() {
        let Some((me, epoch)) = to.and_then(|to| owned.get(to).ok()) else { continue };
        if let Some(asker) = gids.find(by) {
            post.to(asker, &Agreed { by: *me, epoch: epoch.0, number, amount, old });
        }
    }
}

/// Whose wish an ask is, and its number.
#[derive(Resource, Default)]
struct Trades(BTreeMap<Ask, (CharacterId, u32)>);

fn trade(
    mut letters: ResMut<Letters<Agreed>>,
    characters: Query<&CharacterIs>,
    ghosts: Query<&CharacterIs, With<Ghost>>,
    gids: Res<Gids>,
    (mut ledger, mut trades, mut outbox): (ResMut<Ledger>, ResMut<Trades>, ResMut<Outbox>),
) {
    for Letter { to, says: Agreed { by, epoch, number, amount, old } } in letters.drain() {
        let Some((one, CharacterIs(me))) = to.and_then(|to| Some((to, characters.get(to).ok()?))) else {
            continue;
        };
        // Whoever has come over meanwhile is traded with as one of this area, under its epoch of today.
        let Some(CharacterIs(with)) = gids.find(by).and_then(|other| ghosts.get(other).ok()) else {
            tell(&mut outbox, one, number, "here", false);
            continue;
        };
        let Some(epoch) = epoch.checked_sub(old.into()).filter(|epoch| *epoch > 0) else {
            tell(&mut outbox, one, number, "first_epoch", false);
            continue;
        };
        let what = if old { What::Stale } else { What::Swap };
        let deed = Deed { what, whom: Some(*with), number: amount.into() };
        if let Some(act) = under(deed, who(*me), epoch) {
            trades.0.insert(ledger.ask(act), (*me, number));
        }
    }
}

/// A trade with somebody of another area, who is owned under this epoch there.
fn under(deed: Deed, me: Who, epoch: u64) -> Option<Act> {
    let mut act = deed.act(me, None)?;
    if let Act::Trade { b, .. } = &mut act {
        b.who.epoch = epoch;
    }
    Some(act)
}

fn traded(
    ledger: Res<Ledger>,
    players: Query<(Entity, &CharacterIs)>,
    mut trades: ResMut<Trades>,
    mut outbox: ResMut<Outbox>,
) {
    for answer in ledger.answers() {
        let Some((me, number)) = trades.0.remove(&answer.ask) else { continue };
        let Some((one, _)) = players.iter().find(|(_, is)| is.0 == me) else { continue };
        let code = answer.outcome.as_ref().err().map_or("", |refusal| refusal.code.as_str());
        tell(&mut outbox, one, number, code, true);
    }
}
