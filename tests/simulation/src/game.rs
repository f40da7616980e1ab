//! What is played: everybody walks on a plain, gathers from sources that give once, and pays others.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use pangea_engine::ledger::{Ask, Ledger, who};
use pangea_engine::prelude::*;
use pangea_world::id::CharacterId;
use pangea_world::ledger::{Act, Bundle, Coins, Goods, Source};
use serde::Serialize;

/// What is gathered, and what is paid with.
pub const WOOD: &str = "wood";
/// See [`WOOD`].
pub const COIN: &str = "coin";
/// Coins that one gather brings.
pub const COINS_PER_GATHER: i64 = 2;

/// Side of an area, metres; the corner of all four is at (SIDE_M, SIDE_M).
pub const SIDE_M: u32 = 64;

/// A player's wish.
#[derive(Debug, Replicate, Serialize)]
pub struct Wish {
    /// By which the player knows it; of a gather the source, which is his alone.
    pub number: u32,
    /// Whom to pay, or empty: gather.
    pub whom: String,
}

impl Input for Wish {}

/// What became of a wish.
#[derive(Debug, Replicate)]
pub struct Told {
    /// Of the wish.
    pub number: u32,
    /// Of the refusal; empty: it is done and durable.
    pub code: String,
}

/// The world: four areas around a corner.
pub fn world(seed: u64) -> String {
    format!(
        "kind = \"grid\"\nseed = {seed}\ncapacity = 40\nlayers = 1\nidle_stop_s = 600\ngrace_s = 5\nview_m = 16\n[grid]\n\
         cell_m = 32\narea_cells = 2\nspawn = {{ x = 54.0, y = 54.0 }}\n\
         bounds = {{ x0 = 0, y0 = 0, x1 = 4, y1 = 4 }}\n"
    )
}

/// The game.
pub fn game() -> Game {
    Game {
        name: "plain",
        land: |_, _| Box::new(|_, _| tile::GRASS),
        build: |area, _| {
            area.input::<Wish>(Allowance { per_tick: 4.0, saved: 16.0 });
            area.event::<Told>().system(serve).walking();
        },
    }
}

fn serve(
    mut players: Query<(Entity, &CharacterIs, &mut Inputs<Wish>)>,
    mut ledger: ResMut<Ledger>,
    mut outbox: ResMut<Outbox>,
    mut asked: Local<BTreeMap<Ask, (CharacterId, u32)>>,
) {
    let here: BTreeMap<CharacterId, Entity> = players.iter().map(|(entity, is, _)| (is.0, entity)).collect();
    for answer in ledger.answers() {
        let Some((character, number)) = asked.remove(&answer.ask) else { continue };
        let code = answer.outcome.as_ref().err().map_or("", |refusal| refusal.code.as_str()).to_owned();
        if let Some(entity) = here.get(&character) {
            outbox.send(To::Owner(*entity), &Told { number, code });
        }
    }
    for (_, CharacterIs(character), mut wishes) in &mut players {
        for wish in wishes.drain() {
            note_taken(*character, wish.number);
            let ask = ledger.ask(act(*character, &wish));
            asked.insert(ask, (*character, wish.number));
        }
    }
}

fn act(character: CharacterId, wish: &Wish) -> Act {
    match wish.whom.parse() {
        Ok(to) => Act::Pay { who: who(character), to, coins: Coins::new(COIN, 1) },
        Err(_) => {
            let source = Source { number: source(character, wish.number), life: 1 };
            let gets =
                Bundle { goods: vec![Goods::new(WOOD, 1)], coins: vec![Coins::new(COIN, COINS_PER_GATHER)] };
            Act::Pick { who: who(character), source, gets }
        }
    }
}

/// The source of this wish of this character.
pub fn source(character: CharacterId, number: u32) -> u64 {
    let head = u32::from_le_bytes([character.0[0], character.0[1], character.0[2], character.0[3]]);
    (u64::from(head >> 1) << 32) | u64::from(number)
}

/// How often each wish was taken, by any server.
static TAKEN: Mutex<BTreeMap<(CharacterId, u32), u32>> = Mutex::new(BTreeMap::new());

fn note_taken(character: CharacterId, number: u32) {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    *taken.entry((character, number)).or_default() += 1;
}

/// How often servers have taken each wish, by whom and its number.
pub fn taken() -> BTreeMap<(CharacterId, u32), u32> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
