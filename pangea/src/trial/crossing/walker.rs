//! One player: walks round the corner, to and fro, or stands; notes what he is told.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pangea_client::{Client, EnterOptions, Event, Game, Values};
use pangea_engine::Dice;
use pangea_world::Code;
use pangea_world::id::CharacterId;
use tokio::time::{Instant, MissedTickBehavior};

use super::super::economy::deed::{Deed, What};
use super::super::economy::market::Wish;
use super::super::economy::record::Record;
use super::SIDE_M;

/// How far a full step is, centimetres: 5 m/s at 20 ticks a second.
const STEP_CM: f64 = 25.0;
/// So near to a line a shut border may have stopped him, centimetres.
const WALL_CM: f64 = 35.0;
/// So far from a wall he is stopped, centimetres.
const RADIUS_CM: f64 = 30.0;
/// What rounding to centimetres may do to the sum of steps, centimetres.
const ROUNDING_CM: f64 = 2.5;
/// Ticks between two looks for one who is there twice: each player looks at a tick of its own.
const LOOKS_ROUND_EVERY: u32 = 10;
/// Steps between two payments, and how many pay in the same step at most: what the ledger bears is another trial's.
const PAY_EACH: u32 = 7;
const MOST_EACH_STEP: u32 = 50;
/// How long who is lost tries to come back, and at the end waits for the last answers.
const PATIENCE: Duration = Duration::from_secs(20);
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// Gaps where no border was that are kept, of each.
const MOST_USUAL: usize = 20_000;
/// Steps that went wrong of which all is told.
const MOST_TOLD: usize = 4;
/// Enters that may come to nothing at the end.
const MOST_TRIES: u32 = 5;

/// What those who walk together share.
#[derive(Debug)]
pub(in crate::trial) struct Round {
    /// So far from a line those turn back who walk to and fro over it, metres: each somewhere between these two.
    turn_m: (f64, f64),
    /// How often another server took over so far.
    pub(in crate::trial) crossings: AtomicU64,
    over: AtomicBool,
}

impl Round {
    pub(in crate::trial) fn new(turn_m: u32) -> Arc<Self> {
        Self::spread(turn_m, turn_m)
    }

    /// The same, spread over more land.
    pub(in crate::trial) fn spread(least_m: u32, most_m: u32) -> Arc<Self> {
        let (crossings, over) = Default::default();
        Arc::new(Self { turn_m: (least_m.into(), most_m.into()), crossings, over })
    }

    /// They stop.
    pub(in crate::trial) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// What one player met.
#[derive(Debug, Default)]
pub(in crate::trial) struct Notes {
    /// Changes of server.
    pub(in crate::trial) changes: usize,
    /// At each of them, of who walks: from the last update of the server before to the first of the next one, less one
    /// tick. Near one who stands there may be nothing to be told of.
    pub(in crate::trial) gaps_ms: Vec<f64>,
    /// The same where no border was, of who walks.
    pub(in crate::trial) usual_ms: Vec<f64>,
    /// Areas in which he was.
    pub(in crate::trial) areas: HashSet<String>,
    pub(in crate::trial) disconnects: u64,
    /// The connection ended, or he could not come back at the end: why.
    pub(in crate::trial) stranded: Option<String>,
    /// Updates of a tick that did not come, at crossings.
    pub(in crate::trial) updates_missed: u64,
    /// Steps were lost, or made twice, so often.
    pub(in crate::trial) steps_wrong: u64,
    /// The first times, with all that is known.
    pub(in crate::trial) wrong: Vec<String>,
    pub(in crate::trial) steps: u64,
    /// Inputs that were refused: they came too many at once.
    pub(in crate::trial) refused: u64,
    /// Payments of which nobody told him what became of them: he had crossed a border.
    pub(in crate::trial) untold: u64,
    /// So often a border was shut before him.
    pub(in crate::trial) shut: u64,
    /// Somebody was seen twice at the same time.
    pub(in crate::trial) doubled: u64,
    /// A lower epoch came, or he came back to where he was not.
    pub(in crate::trial) stale: u64,
    /// The last of these.
    pub(in crate::trial) older: Option<String>,
}

/// Whether he may stand here after these steps, along one axis, centimetres. A line may have been shut before him on
/// the way: then it was a wall, from which he may have turned back since.
fn follows(now: f64, then: f64, steps: impl Iterator<Item = f64>) -> bool {
    let line = f64::from(SIDE_M) * 100.0;
    let (mut free, mut shut) = (then, then);
    for step in steps {
        free += step;
        shut = match then < line {
            true => (shut + step).min(line - RADIUS_CM),
            false => (shut + step).max(line + RADIUS_CM),
        };
    }
    let between = (free.min(shut) - ROUNDING_CM)..=(free.max(shut) + ROUNDING_CM);
    between.contains(&now) || (now - line).abs() <= WALL_CM
}

/// The first steps that went wrong, for people.
pub(in crate::trial) fn told(all: &[Notes]) -> String {
    let first: Vec<&str> =
        all.iter().flat_map(|notes| &notes.wrong).map(String::as_str).take(MOST_TOLD).collect();
    first.join("; ")
}

pub(in crate::trial) struct Walker {
    number: u32,
    client: Client,
    character: CharacterId,
    dice: Dice,
    round: Arc<Round>,
    notes: Notes,
    epoch: u64,
    /// Steps that were given and not yet taken: number, centimetres east and south.
    given: VecDeque<(u32, f64, f64)>,
    /// His number of inputs so far.
    seq: u32,
    /// Where he was seen last, centimetres, with all that was taken.
    seen: Option<(f64, f64)>,
    /// When the last update came, while he walks.
    updated: Option<Instant>,
    /// When another server took over last.
    crossed: Option<Instant>,
    /// When an input was refused last.
    refused: Option<Instant>,
    /// Which of his aims is next.
    aim: usize,
    pays: Pays,
}

/// What he pays to others while he walks: each amount once.
struct Pays {
    record: Arc<Record>,
    everybody: Arc<Vec<CharacterId>>,
    /// By its number: what, and whether he was told of it.
    all: Vec<(Deed, bool)>,
    /// Steps from one to the next.
    each: u32,
    /// Steps until the next one.
    wait: u32,
}

impl Walker {
    pub(in crate::trial) fn new(
        number: u32,
        client: Client,
        character: CharacterId,
        seed: u64,
        round: Arc<Round>,
        (record, everybody): (Arc<Record>, Arc<Vec<CharacterId>>),
    ) -> Self {
        let dice = Dice::new(seed.wrapping_mul(0x9E37_79B9) ^ u64::from(number));
        let each = PAY_EACH.max(everybody.len() as u32 / MOST_EACH_STEP);
        Self {
            number,
            client,
            character,
            dice,
            round,
            notes: Notes::default(),
            epoch: 0,
            given: VecDeque::new(),
            seq: 0,
            seen: None,
            updated: None,
            crossed: None,
            refused: None,
            aim: number as usize,
            pays: Pays { record, everybody, all: Vec::new(), each, wait: number % each },
        }
    }

    pub(in crate::trial) async fn walk(mut self, mut game: Game) -> Notes {
        let aims = self.aims();
        let mut step = tokio::time::interval(Duration::from_millis(50));
        step.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ends = None;
        loop {
            tokio::select! {
                biased;
                event = game.next_event() => match event {
                    Some(event) => self.take(&game, event),
                    None => break,
                },
                _ = step.tick() => {
                    if !self.round.over.load(Ordering::Relaxed) {
                        self.step(&mut game, &aims).await;
                    } else if self.given.is_empty()
                        || ends.get_or_insert_with(Instant::now).elapsed() > LAST_ANSWERS
                    {
                        break;
                    }
                }
            }
        }
        self.notes.untold = self.pays.all.iter().filter(|(_, told)| !told).count() as u64;
        if self.notes.stranded.is_none() {
            self.come_back(game).await;
        }
        self.notes
    }

    fn walks(&self) -> bool {
        !self.number.is_multiple_of(5)
    }

    /// One in five stands; of the others half go round the corner, half to and fro over a border.
    fn aims(&mut self) -> Vec<(f64, f64)> {
        let corner = f64::from(SIDE_M);
        let mut near = |low: f64, high: f64| self.dice.between(low, high);
        let (least_m, most_m) = self.round.turn_m;
        let turn = if most_m > least_m { near(least_m, most_m) } else { least_m };
        let radius = near(turn + 1.0, turn + 8.0);
        let along = near(8.0, 40.0);
        match self.number % 5 {
            0 => vec![(corner - radius, corner - along)],
            1 | 3 => {
                let on = |n: f64| {
                    let (sin, cos) = (n * std::f64::consts::FRAC_PI_4).sin_cos();
                    (corner + radius * cos, corner + radius * sin)
                };
                (0..8).map(|n| on(f64::from(n))).collect()
            }
            2 => vec![(corner - turn, corner - along), (corner + turn, corner - along)],
            _ => vec![(corner - along, corner - turn), (corner - along, corner + turn)],
        }
    }

    async fn step(&mut self, game: &mut Game, aims: &[(f64, f64)]) {
        let Some((at_x, at_y)) = self.seen.filter(|_| game.is_steering()) else { return };
        self.pay(game).await;
        let ahead = self.given.iter().fold((at_x, at_y), |(x, y), (_, dx, dy)| (x + dx, y + dy));
        let aim = aims[self.aim % aims.len()];
        let (dx, dy) = (aim.0 * 100.0 - ahead.0, aim.1 * 100.0 - ahead.1);
        let length = dx.hypot(dy);
        if length < STEP_CM {
            self.aim += 1;
            if aims.len() == 1 {
                return;
            }
        }
        let by = 1.0 / length.max(STEP_CM);
        let (dx, dy) = ((dx * by) as f32, (dy * by) as f32);
        self.seq += 1;
        self.notes.steps += 1;
        self.given.push_back((self.seq, f64::from(dx) * STEP_CM, f64::from(dy) * STEP_CM));
        game.move_towards(dx, dy).await;
    }

    async fn pay(&mut self, game: &mut Game) {
        self.pays.wait = self.pays.wait.saturating_sub(1);
        if self.pays.wait > 0 || game.view().schema().is_none() || self.pays.everybody.len() < 2 {
            return;
        }
        self.pays.wait = self.pays.each;
        let other = 1 + self.dice.between(0.0, (self.pays.everybody.len() - 1) as f64) as usize;
        let whom = self.pays.everybody[(self.number as usize + other) % self.pays.everybody.len()];
        let number = self.pays.all.len() as u32 + 1;
        let deed = Deed { what: What::Pay, whom: Some(whom), number: number.into() };
        self.pays.record.asked(self.character, deed);
        self.pays.all.push((deed, false));
        self.seq += 1;
        let wish = Wish { number, what: deed.what as u8, whom: whom.to_string(), amount: deed.number };
        if let Err(error) = game.act("Wish", &wish).await {
            self.notes.stranded = Some(error.to_string());
        }
    }

    /// What became of a payment.
    fn told(&mut self, values: &Values) {
        let number = values.get("number").and_then(serde_json::Value::as_u64).unwrap_or(0) as usize;
        let code = values.get("code").and_then(serde_json::Value::as_str).unwrap_or("unreadable");
        let Some((deed, told)) = number.checked_sub(1).and_then(|n| self.pays.all.get_mut(n)) else { return };
        *told = true;
        self.pays.record.told(self.character, *deed, code, None);
    }

    fn take(&mut self, game: &Game, event: Event) {
        match event {
            Event::Game { name, values } if name == "Told" => self.told(&values),
            Event::Updated { .. } => {
                let walks = self.walks() && !self.given.is_empty();
                let walks = walks && self.notes.usual_ms.len() < MOST_USUAL;
                if let Some(before) = self.updated.replace(Instant::now()).filter(|_| walks) {
                    self.notes.usual_ms.push((before.elapsed().as_secs_f64() * 1e3 - 50.0).max(0.0));
                }
                self.look(game);
            }
            Event::Crossed { to, gap, .. } => {
                let gap_ms = gap.as_secs_f64() * 1e3;
                (self.updated, self.crossed) = (None, Some(Instant::now()));
                self.notes.changes += 1;
                if self.walks() {
                    self.notes.gaps_ms.push(gap_ms);
                }
                self.round.crossings.fetch_add(1, Ordering::Relaxed);
                self.notes.updates_missed += (gap_ms / 50.0).round() as u64;
                self.notes.areas.insert(to);
            }
            Event::Refused(refusal) if refusal.code == Code::BorderShut => self.notes.shut += 1,
            Event::Refused(refusal) => {
                self.notes.refused += u64::from(refusal.code == Code::TooFast);
                self.refused = Some(Instant::now());
                self.forget();
            }
            Event::Lost => {
                self.notes.disconnects += 1;
                self.forget();
            }
            Event::Ended(how) => {
                let why = how.err().map_or_else(|| "closed".to_owned(), |error| error.to_string());
                self.notes.stranded = Some(why);
            }
            _ => {}
        }
    }

    /// What was given may be lost: it is counted anew from where he is seen next.
    fn forget(&mut self) {
        self.given.clear();
        self.seen = None;
    }

    fn look(&mut self, game: &Game) {
        let view = game.view();
        let Some(me) = game.me() else { return };
        if game.epoch() < self.epoch {
            self.notes.stale += 1;
            self.notes.older = Some(format!("epoch {} after {}", game.epoch(), self.epoch));
        }
        self.epoch = game.epoch();
        if !self.notes.areas.contains(&view.area) {
            self.notes.areas.insert(view.area.clone());
        }
        let at = (f64::from(me.x_cm), f64::from(me.y_cm));
        let mut steps: Vec<(f64, f64)> = Vec::new();
        let first = self.given.front().map_or(0, |(seq, ..)| *seq);
        while let Some((_, dx, dy)) = self.given.front().filter(|(seq, ..)| *seq <= view.acked) {
            steps.push((*dx, *dy));
            self.given.pop_front();
        }
        if let Some(before) = self.seen {
            let by = steps.iter().fold((0.0, 0.0), |sum, step| (sum.0 + step.0, sum.1 + step.1));
            let (east, south) = (steps.iter().map(|step| step.0), steps.iter().map(|step| step.1));
            if !follows(at.0, before.0, east) || !follows(at.1, before.1, south) {
                self.notes.steps_wrong += 1;
                let off = (at.0 - before.0 - by.0, at.1 - before.1 - by.1);
                self.tell_wrong(game, &format!("inputs {first}..={}, off by {off:.0?} cm", view.acked));
            }
        }
        self.seen = Some(at);
        if view.tick % LOOKS_ROUND_EVERY == self.number % LOOKS_ROUND_EVERY {
            let mut names: Vec<&str> = game.entities().values().map(|entity| entity.name.as_str()).collect();
            names.sort_unstable();
            let twice = |pair: &&[&str]| pair[0] == pair[1] && !pair[0].is_empty();
            self.notes.doubled += names.windows(2).filter(twice).count() as u64;
        }
    }

    /// Which steps were lost or made twice, where and when.
    fn tell_wrong(&mut self, game: &Game, what: &str) {
        if self.notes.wrong.len() >= MOST_TOLD {
            return;
        }
        let since = |at: Option<Instant>| match at {
            Some(at) => format!("{} ms ago", at.elapsed().as_millis()),
            None => "never".to_owned(),
        };
        let (number, view) = (self.number, game.view());
        let (crossed, refused) = (since(self.crossed), since(self.refused));
        self.notes.wrong.push(format!(
            "player {number}, tick {} of {} under epoch {} at {}: {what}; another server {crossed}, an input \
             refused {refused}",
            view.tick,
            view.area,
            game.epoch(),
            game.url(),
        ));
    }

    /// Leaves, comes again, and must stand where he was.
    async fn come_back(&mut self, mut game: Game) {
        let left = self.seen;
        game.leave().await;
        let again = async {
            let mut tries = 0;
            let mut game = loop {
                match self.client.enter(self.character, EnterOptions::default()).await {
                    // His last words were on a slow way, and end what was prepared for him meanwhile.
                    Err(error) if error.kind() == "not_announced" && tries < MOST_TRIES => tries += 1,
                    entered => break entered?,
                }
            };
            while game.me().is_none() && game.next_event().await.is_some() {}
            let me = game.me().map(|me| (f64::from(me.x_cm), f64::from(me.y_cm)));
            let epoch = game.epoch();
            game.leave().await;
            Ok::<_, pangea_client::Error>((me, epoch))
        };
        match tokio::time::timeout(PATIENCE, again).await {
            Ok(Ok((Some(me), epoch))) => {
                // Who stood on the line is put beside it.
                let elsewhere = left.is_some_and(|left| (left.0 - me.0).hypot(left.1 - me.1) > WALL_CM * 1.5);
                if elsewhere || epoch < self.epoch {
                    self.notes.stale += 1;
                    let (number, before) = (self.number, self.epoch);
                    let what =
                        format!("player {number} left {left:?} under {before}, came to {me:?} under {epoch}");
                    self.notes.older = Some(what);
                }
            }
            Ok(Ok((None, _))) => self.notes.stranded = Some("not seen again".to_owned()),
            Ok(Err(error)) => self.notes.stranded = Some(error.to_string()),
            Err(_) => self.notes.stranded = Some("could not come back in time".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step that is lost shows, unless a shut line may have taken it.
    #[test]
    fn a_lost_step_shows_but_for_a_wall() {
        let check = |now: f64, then: f64, steps: &[f64]| follows(now, then, steps.iter().copied());
        assert!(check(1_050.0, 1_000.0, &[25.0, 25.0]));
        assert!(!check(1_025.0, 1_000.0, &[25.0, 25.0]) && !check(1_075.0, 1_000.0, &[25.0, 25.0]));
        // On the line as the areas became two; he was put before it, and walked back.
        assert!(
            check(6_320.0, 6_400.0 - 1.0, &[0.0, -25.0, -25.0]) && check(6_349.0, 6_399.0, &[-25.0, -25.0])
        );
        assert!(!check(6_270.0, 6_399.0, &[-25.0, -25.0]), "a wall takes no more than 30 cm");
        assert!(!check(6_225.0, 6_200.0, &[25.0, 25.0]), "none is there");
    }
}
