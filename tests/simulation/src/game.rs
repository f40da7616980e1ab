//! What is played: everybody walks on a plain, gathers from sources that give once, pays others, lays wood down, takes
//! what lies there, and buys wood of others; the last two also over the line between two areas.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use pangea_engine::Letter;
use pangea_engine::ledger::{Ask, Ledger, who};
use pangea_engine::prelude::*;
use pangea_world::id::{CharacterId, ItemId, OpId};
use pangea_world::ledger::{Act, Bundle, Coins, Goods, Part, Sheet, Side, Source, Who};
use pangea_world::spot;
use serde::Serialize;

/// What is gathered, and what is paid with.
pub const WOOD: &str = "wood";
/// See [`WOOD`].
pub const COIN: &str = "coin";
/// Coins that one gather brings.
pub const COINS_PER_GATHER: i64 = 2;

/// Side of an area, metres; the corner of all four is at (SIDE_M, SIDE_M).
pub const SIDE_M: u32 = 64;

/// For so many ticks the area beyond the line may do what it was asked for; then it is called off.
const CALLED_OFF_AFTER: u32 = 6;

/// What a player wishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// From the source of this wish, which is his alone.
    Gather,
    /// A coin to another one.
    Pay,
    /// Lays one piece of wood down where he stands.
    Drop,
    /// Takes what lies nearest to him.
    Take,
    /// Buys a piece of wood of another one, for a coin.
    Buy,
}

impl Deed {
    /// All.
    pub const ALL: [Deed; 5] = [Deed::Gather, Deed::Pay, Deed::Drop, Deed::Take, Deed::Buy];

    /// Whether it is done with another one.
    pub fn has_whom(self) -> bool {
        matches!(self, Deed::Pay | Deed::Buy)
    }
}

/// A player's wish.
#[derive(Debug, Replicate, Serialize)]
pub struct Wish {
    /// By which the player knows it; of a gather the source.
    pub number: u32,
    /// Which of [`Deed::ALL`].
    pub deed: u8,
    /// With whom, or empty.
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

/// A piece of wood on the ground.
#[derive(Component, Debug, Replicate, Default)]
struct Log {}

/// Which stack it is.
#[derive(Component, Debug)]
struct LogIs(ItemId);

/// The pieces that are shown, by the slot of the ground.
#[derive(Resource, Debug)]
struct Logs {
    kind: Kind,
    shown: BTreeMap<u32, (Entity, ItemId)>,
}

/// A wish of a character that is another area's to carry out. It goes with the character.
#[derive(Component, Debug, Replicate, Default, Clone)]
struct Reaching {
    #[replicate(server)]
    number: u32,
    #[replicate(server)]
    operation: Option<OpId>,
    #[replicate(server)]
    ticks: u32,
}

/// To the owner of what is reached for: a piece of wood, or who sells one.
#[derive(Debug, Replicate)]
struct Reaches {
    by: Gid,
    epoch: u64,
    operation: Option<OpId>,
}

/// Whose wishes the ledger was asked for here, and their numbers.
#[derive(Resource, Debug, Default)]
struct Asked(BTreeMap<Ask, (CharacterId, u32)>);

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
            let kind = area.component::<Log>().component::<Reaching>().kind("log");
            area.ecs.insert_resource(Logs { kind, shown: BTreeMap::new() });
            area.ecs.init_resource::<Asked>();
            area.input::<Wish>(Allowance { per_tick: 4.0, saved: 16.0 });
            area.event::<Told>().letter::<Reaches>();
            area.system(lie).system(hear).system(reach).system(serve).system(call_off).walking();
        },
    }
}

/// What lies on the ground is shown.
fn lie(mut commands: Commands, ledger: Res<Ledger>, extent: Res<Extent>, mut logs: ResMut<Logs>) {
    if !ledger.ground_changed() {
        return;
    }
    let ground = &ledger.ground().stacks;
    logs.shown.retain(|slot, (entity, item)| {
        let lies = ground.get(slot).is_some_and(|stack| stack.id == *item);
        if !lies {
            commands.entity(*entity).despawn();
        }
        lies
    });
    for (slot, stack) in ground.iter().filter(|(_, stack)| stack.template == WOOD) {
        if logs.shown.contains_key(slot) {
            continue;
        }
        let (x, y) = spot::tile_of_slot(&extent.0, *slot);
        let at = Position { x: f64::from(x) + 0.5, y: f64::from(y) + 0.5 };
        let entity = commands.spawn((logs.kind, at, Log {}, LogIs(stack.id))).id();
        logs.shown.insert(*slot, (entity, stack.id));
    }
}

/// What became of wishes is told.
fn hear(
    ledger: Res<Ledger>,
    players: Query<(Entity, &CharacterIs, Option<&Reaching>)>,
    (mut asked, mut outbox, mut commands): (ResMut<Asked>, ResMut<Outbox>, Commands),
) {
    for answer in ledger.answers() {
        let Some((character, number)) = asked.0.remove(&answer.ask) else { continue };
        let code = answer.outcome.as_ref().err().map_or("", |refusal| refusal.code.as_str()).to_owned();
        let Some((entity, _, reaching)) = players.iter().find(|(_, is, _)| is.0 == character) else {
            continue;
        };
        if reaching.is_some_and(|reaching| reaching.number == number) {
            OVER.fetch_add(u64::from(code.is_empty()), Ordering::Relaxed);
            commands.entity(entity).remove::<Reaching>();
        }
        outbox.send(To::Owner(entity), &Told { number, code });
    }
}

/// What somebody beyond the line reaches for is given here.
fn reach(
    mut letters: ResMut<Letters<Reaches>>,
    logs: Query<&LogIs>,
    players: Query<&CharacterIs>,
    mut ledger: ResMut<Ledger>,
) {
    for Letter { to, says: Reaches { by, epoch, operation } } in letters.drain() {
        let (Some(to), Some(operation)) = (to, operation) else { continue };
        let by = Who { character: CharacterId(by.0), epoch };
        let act = match (logs.get(to), players.get(to)) {
            (Ok(log), _) => Some(Act::Take { who: by, part: Part { item: log.0, quantity: 1 } }),
            (_, Ok(seller)) => sale(&ledger, seller.0, by),
            _ => None,
        };
        if let Some(act) = act {
            ledger.ask_as(operation, act);
        }
    }
}

/// What a wish comes to.
enum Means {
    Asks(Act),
    Writes(Entity),
    No(&'static str),
}

/// Who wishes.
type Player<'a> =
    (Entity, &'a CharacterIs, &'a Gid, &'a Position, Option<&'a Epoch>, Has<Reaching>, &'a mut Inputs<Wish>);

#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
fn serve(
    mut players: Query<Player<'_>>,
    others: Query<(Entity, &CharacterIs, Has<Ghost>), Allow<Ghost>>,
    logs: Query<(Entity, &Position, Option<&LogIs>), (With<Log>, Allow<Ghost>)>,
    extent: Res<Extent>,
    mut ledger: ResMut<Ledger>,
    (mut outbox, mut post, mut commands): (ResMut<Outbox>, ResMut<Post>, Commands),
    mut asked: ResMut<Asked>,
) {
    for (me, CharacterIs(character), gid, at, epoch, reaches, mut wishes) in &mut players {
        for wish in wishes.drain() {
            note_taken(*character, wish.number);
            let means = match Deed::ALL.get(usize::from(wish.deed)) {
                Some(Deed::Gather) => Means::Asks(gather(*character, wish.number)),
                Some(Deed::Pay) => match wish.whom.parse() {
                    Ok(to) => Means::Asks(Act::Pay { who: who(*character), to, coins: Coins::new(COIN, 1) }),
                    Err(_) => Means::No("unknown_character"),
                },
                Some(Deed::Drop) => match ledger.sheet(*character).and_then(piece) {
                    Some(part) => {
                        Means::Asks(Act::Drop { who: who(*character), part, spot: spot_at(&extent, at) })
                    }
                    None => Means::No("not_enough"),
                },
                Some(Deed::Take) => {
                    let away = |log: &Position| (log.x - at.x).hypot(log.y - at.y);
                    let nearest = logs.iter().min_by(|a, b| away(a.1).total_cmp(&away(b.1)));
                    match nearest {
                        Some((_, _, Some(log))) => {
                            let part = Part { item: log.0, quantity: 1 };
                            Means::Asks(Act::Take { who: who(*character), part })
                        }
                        Some((log, _, None)) => Means::Writes(log),
                        None => Means::No("nothing_lies_here"),
                    }
                }
                Some(Deed::Buy) => match others.iter().find(|(_, is, _)| is.0.to_string() == wish.whom) {
                    Some((_, CharacterIs(seller), false)) => {
                        sale(&ledger, *seller, who(*character)).map_or(Means::No("not_enough"), Means::Asks)
                    }
                    Some((seller, _, true)) => Means::Writes(seller),
                    None => Means::No("nobody_is_there"),
                },
                None => Means::No("no_such_deed"),
            };
            let no = match means {
                Means::Asks(act) => {
                    asked.0.insert(ledger.ask(act), (*character, wish.number));
                    continue;
                }
                Means::Writes(_) if reaches => "one_at_a_time",
                Means::Writes(to) => match (ledger.take_id(), epoch) {
                    (Some(operation), Some(Epoch(epoch))) => {
                        let operation = Some(operation);
                        post.to(to, &Reaches { by: *gid, epoch: *epoch, operation });
                        commands.entity(me).insert(Reaching { number: wish.number, operation, ticks: 0 });
                        continue;
                    }
                    _ => "not_now",
                },
                Means::No(code) => code,
            };
            outbox.send(To::Owner(me), &Told { number: wish.number, code: no.to_owned() });
        }
    }
}

/// What was reached for beyond the line is called off after a while. So it is known what became of it: that it never
/// will be, or that it is done already.
fn call_off(
    mut players: Query<(&CharacterIs, &mut Reaching)>,
    mut ledger: ResMut<Ledger>,
    mut asked: ResMut<Asked>,
) {
    for (CharacterIs(character), mut reaching) in &mut players {
        reaching.ticks = reaching.ticks.saturating_add(1);
        let wish = (*character, reaching.number);
        let Some(operation) = reaching.operation.filter(|_| reaching.ticks >= CALLED_OFF_AFTER) else {
            continue;
        };
        // Also one that came with it from another area, which was not told.
        if !asked.0.values().any(|known| *known == wish) {
            asked.0.insert(ledger.ask_as(operation, Act::Void {}), wish);
        }
    }
}

fn gather(character: CharacterId, number: u32) -> Act {
    let source = Source { number: source(character, number), life: 1 };
    let gets = Bundle { goods: vec![Goods::new(WOOD, 1)], coins: vec![Coins::new(COIN, COINS_PER_GATHER)] };
    Act::Pick { who: who(character), source, gets }
}

/// One piece of wood, of whoever has some.
fn piece(sheet: &Sheet) -> Option<Part> {
    let stack = sheet.stacks.values().find(|stack| stack.template == WOOD)?;
    Some(Part { item: stack.id, quantity: 1 })
}

/// A piece of wood of this area's seller for a coin of whoever buys, if he has one.
fn sale(ledger: &Ledger, seller: CharacterId, buyer: Who) -> Option<Act> {
    let part = piece(ledger.sheet(seller)?)?;
    let a = Side { who: who(seller), parts: vec![part], coins: Vec::new() };
    let b = Side { who: buyer, parts: Vec::new(), coins: vec![Coins::new(COIN, 1)] };
    Some(Act::Trade { a, b })
}

/// The spot of the area's own ground that is nearest.
fn spot_at(Extent(ground): &Extent, at: &Position) -> u32 {
    let inside = |v: f64, low: i32, high: i32| (v.floor() as i32).clamp(low, high - 1);
    spot::slot((inside(at.x, ground.x0, ground.x1), inside(at.y, ground.y0, ground.y1)))
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

/// How often something was done over the line between two areas.
static OVER: AtomicU64 = AtomicU64::new(0);

/// How often players were told that something was done over the line between two areas.
pub fn over() -> u64 {
    OVER.load(Ordering::Relaxed)
}
