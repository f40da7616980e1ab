//! Tag. One runner is it; whom it touches is it from then on, and nobody wants to be. Coins lie about, and a
//! sprint, of which there are few, takes a runner out of reach.

use pangea_engine::prelude::*;

/// How near is touched, metres.
const REACH_M: f64 = 1.0;
/// How far one sprint goes, metres.
const SPRINT_M: f64 = 4.0;
/// Nobody is tagged so soon after he was it, seconds.
const SAFE_S: f32 = 3.0;
/// Coins that lie about at the same time.
const MOST_COINS: usize = 40;
/// Who hears of a tag, metres.
const HEARD_M: f64 = 50.0;

/// What a character is in this game.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Default)]
pub struct Runner {
    /// Coins.
    pub score: u32,
    /// Whether he is it.
    pub it: bool,
    /// For how long he has been it, seconds: told in halves, at most twice a second.
    #[replicate(quant = 0.5, rate = 2)]
    pub it_s: f32,
    /// How often he has sprinted: his own business.
    #[replicate(owner)]
    pub sprints: u32,
    /// For how long he cannot be tagged, seconds: a client could cheat with it.
    #[replicate(server)]
    pub safe_s: f32,
}

/// Something to pick up.
#[derive(Component, Replicate, Debug, Clone, PartialEq, Default)]
pub struct Coin {
    /// What it adds to the score.
    pub worth: u32,
}

/// Input: some metres at once, in a direction at most 1 long.
#[derive(Replicate, Debug, Clone, Copy, PartialEq)]
pub struct Sprint {
    /// East.
    pub dx: f32,
    /// South.
    pub dy: f32,
}

impl Input for Sprint {
    fn check(&self) -> Result<(), Refusal> {
        if self.dx.hypot(self.dy) <= 1.01 {
            return Ok(());
        }
        Refusal::err(Code::BadInput, "a sprint has a direction of two numbers, at most 1 long")
    }
}

/// Event: somebody was touched.
#[derive(Replicate, Debug, Clone, PartialEq)]
pub struct Tagged {
    /// Who was it.
    pub by: String,
    /// Who is it now.
    pub who: String,
}

/// The number of the kind «coin».
#[derive(Resource, Clone, Copy)]
struct CoinKind(Kind);

/// The game.
pub fn game() -> Game {
    Game { name: "tag", land: |_, _| Box::new(land), build }
}

/// Grass, and trees to run around.
fn land(x: i32, y: i32) -> u8 {
    if x.rem_euclid(9) == 4 && y.rem_euclid(7) == 3 { tile::TREE } else { tile::GRASS }
}

fn build(area: &mut Builder, setup: &Setup<'_>) {
    let coin = area.kind("coin");
    area.ecs.insert_resource(CoinKind(coin));
    area.component::<Runner>().component::<Coin>().event::<Tagged>();
    // One sprint in five seconds, two saved up.
    area.input::<Sprint>(Allowance { per_tick: 0.2 / setup.tick_hz as f32, saved: 2.0 });
    area.walking().system(sprint).system(age).system(appoint).system(tag).system(scatter).system(collect);
    area.on_enter(|ecs, who, _why| {
        ecs.entity_mut(who).insert_if_new(Runner::default());
    });
    area.on_leave(move |ecs, who, why| {
        // Who quits leaves his coins behind, as one; who goes on to another area takes them along.
        let Some(at) = ecs.get::<Position>(who).copied() else { return };
        let Some(mut runner) = ecs.get_mut::<Runner>(who).filter(|_| why == Leave::Quit) else { return };
        let worth = std::mem::take(&mut runner.score);
        if worth > 0 {
            ecs.spawn((coin, at, Coin { worth }, Kept));
        }
    });
}

fn sprint(
    extent: Res<Extent>,
    mut terrain: ResMut<Terrain>,
    mut runners: Query<(&mut Inputs<Sprint>, &mut Position, &mut Runner)>,
) {
    for (mut sprints, mut position, mut runner) in &mut runners {
        if sprints.is_empty() {
            continue;
        }
        for Sprint { dx, dy } in sprints.drain() {
            let by = (f64::from(dx) * SPRINT_M, f64::from(dy) * SPRINT_M);
            (position.x, position.y) = walk(&mut terrain, extent.0, position.point(), by);
            runner.sprints += 1;
        }
    }
}

fn age(clock: Res<Clock>, mut runners: Query<&mut Runner>) {
    let dt_s = clock.dt_s() as f32;
    for mut runner in runners.iter_mut().filter(|runner| runner.it || runner.safe_s > 0.0) {
        runner.safe_s = (runner.safe_s - dt_s).max(0.0);
        if runner.it {
            runner.it_s += dt_s;
        }
    }
}

/// If nobody is it, the dice say who is.
fn appoint(mut dice: ResMut<Dice>, mut runners: Query<&mut Runner>) {
    if runners.iter().any(|runner| runner.it) {
        return;
    }
    let chosen = dice.below(runners.iter().len() as u32) as usize;
    if let Some(mut runner) = runners.iter_mut().nth(chosen) {
        runner.it = true;
    }
}

fn tag(
    mut outbox: ResMut<Outbox>,
    mut terrain: ResMut<Terrain>,
    mut runners: Query<(Entity, &Position, &Character, &mut Runner)>,
) {
    let Some((it, at)) = runners.iter().find(|(.., runner)| runner.it).map(|(it, at, ..)| (it, at.point()))
    else {
        return;
    };
    let touched = runners.iter().find(|(who, position, _, runner)| {
        *who != it && runner.safe_s == 0.0 && distance(position.point(), at) <= REACH_M
    });
    let Some(touched) = touched.map(|(who, ..)| who) else { return };
    let Ok([(_, _, by, mut old), (_, _, who, mut new)]) = runners.get_many_mut([it, touched]) else { return };
    (old.it, old.safe_s, new.it) = (false, SAFE_S, true);
    let tagged = Tagged { by: by.name.clone(), who: who.name.clone() };
    outbox.send(To::Near(at, HEARD_M), &tagged);
    // The grass is trodden where it happened.
    terrain.set_tile(at.0.floor() as i32, at.1.floor() as i32, tile::SAND);
}

/// One coin per step, until there are enough.
fn scatter(
    kind: Res<CoinKind>,
    extent: Res<Extent>,
    mut terrain: ResMut<Terrain>,
    mut dice: ResMut<Dice>,
    coins: Query<(), With<Coin>>,
    mut commands: Commands,
) {
    let Extent(rect) = *extent;
    let x = dice.between(f64::from(rect.x0), f64::from(rect.x1));
    let y = dice.between(f64::from(rect.y0), f64::from(rect.y1));
    if coins.iter().len() < MOST_COINS && is_free(&mut terrain, (x, y)) {
        let worth = if dice.one_in(10) { 5 } else { 1 };
        commands.spawn((kind.0, Position { x, y }, Coin { worth }, Kept));
    }
}

fn collect(
    mut commands: Commands,
    coins: Query<(Entity, &Position, &Coin)>,
    mut runners: Query<(&Position, &mut Runner)>,
) {
    for (entity, at, coin) in &coins {
        let mut near =
            runners.iter_mut().filter(|(position, _)| distance(position.point(), at.point()) <= REACH_M);
        if let Some((_, mut runner)) = near.next() {
            runner.score += coin.worth;
            commands.entity(entity).despawn();
        }
    }
}

fn distance(a: Point, b: Point) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

#[cfg(test)]
mod tests;
