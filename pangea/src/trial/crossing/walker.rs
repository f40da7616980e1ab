//! One player: walks round the corner, to and fro, or stands; notes what he is told.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pangea_client::{Client, EnterOptions, Event, Game, Values};
use pangea_engine::Dice;
use pangea_world::Code;
use pangea_world::id::CharacterId;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::super::economy::deed::{Deed, What};
use super::super::economy::market::Wish;
use super::super::economy::record::Record;
use super::SIDE_M;
use super::across::Deal;
use super::meets::{self, Blows, Meets};
use super::steps::{Became, Cm, Refusing, STEP_CM, WALL_CM, became, some_lead};

/// Ticks between two looks for one who is there twice: each player looks at a tick of its own.
const LOOKS_ROUND_EVERY: u32 = 10;
/// Steps between two payments, and how many pay in the same step at most: what the ledger bears is another trial's.
const PAY_EACH: u32 = 7;
const MOST_EACH_STEP: u32 = 50;
/// Steps between two things that he asks of somebody beyond a line.
const MEET_EACH: u32 = 5;
/// Changes of server between two tries to come back to the one before.
const COME_BACK_EACH: usize = 4;
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
    /// Who walks in it, by numbers.
    who: Mutex<BTreeSet<u32>>,
    /// What they asked of each other and have no answer to.
    open: AtomicU64,
}

impl Round {
    pub(in crate::trial) fn new(turn_m: u32) -> Arc<Self> {
        Self::spread(turn_m, turn_m)
    }

    /// The same, spread over more land.
    pub(in crate::trial) fn spread(least_m: u32, most_m: u32) -> Arc<Self> {
        let (crossings, over, who, open) = Default::default();
        Arc::new(Self { turn_m: (least_m.into(), most_m.into()), crossings, over, who, open })
    }

    /// Whether this one walks in it.
    pub(super) fn has(&self, number: u32) -> bool {
        self.who.lock().unwrap_or_else(PoisonError::into_inner).contains(&number)
    }

    fn joins(&self, number: u32) {
        self.who.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
    }

    /// Somebody awaits an answer of another, …
    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// … and has it, or awaits it no longer.
    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn is_quiet(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0
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
    /// Connections that played, ended before their server had let go, and were made anew.
    pub(in crate::trial) disconnects: u64,
    /// Connections to servers that were only seen: ended though nobody had let go of them, and never opened.
    pub(in crate::trial) beside_closed: u64,
    pub(in crate::trial) beside_unopened: u64,
    /// Those that a server ended because the walker had gone another way: in order.
    pub(in crate::trial) called_off: u64,
    /// Why the last one ended that was not in order.
    pub(in crate::trial) closed: Option<String>,
    /// The connection ended, or he could not come back at the end: why.
    pub(in crate::trial) stranded: Option<String>,
    /// Updates of a tick that did not come, at crossings.
    pub(in crate::trial) updates_missed: u64,
    /// Steps that were not made though nothing was refused, and those that were made twice.
    pub(in crate::trial) steps_lost: u64,
    pub(in crate::trial) steps_doubled: u64,
    /// The first times, with all that is known.
    pub(in crate::trial) wrong: Vec<String>,
    pub(in crate::trial) steps: u64,
    /// Inputs that were refused: they came too many at once.
    pub(in crate::trial) refused: u64,
    /// So often steps were missing within the second for which he was told so once.
    pub(in crate::trial) refused_looks: u64,
    /// Payments of which nobody told him what became of them: he had crossed a border.
    pub(in crate::trial) untold: u64,
    /// So often a border was shut before him.
    pub(in crate::trial) shut: u64,
    /// Somebody was seen twice at the same time.
    pub(in crate::trial) doubled: u64,
    /// A lower epoch came, or he came back to where he was not.
    pub(in crate::trial) stale: u64,
    /// Writes under an old epoch that were tried: all must be refused.
    pub(in crate::trial) stale_tried: u64,
    pub(in crate::trial) blows: Blows,
    /// The last of these.
    pub(in crate::trial) older: Option<String>,
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
    /// When an input was refused last, and until when some may be missing for it.
    refused: Option<Instant>,
    refusing: Refusing,
    /// The last step that was taken.
    last_step: Cm,
    /// Steps that were missing when another server took over: the one before may have refused them, and its word
    /// come later.
    missing: Option<(u64, String)>,
    /// Another server has taken over, and no step was taken since.
    came_over: bool,
    meets: Meets,
    /// Steps until he asks something of another.
    meet_in: u32,
    /// Tries to come back to the server before: true where one was taken in.
    late: JoinSet<Option<bool>>,
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
        round.joins(number);
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
            refusing: Refusing::default(),
            last_step: (0.0, 0.0),
            missing: None,
            came_over: false,
            meets: Meets::default(),
            meet_in: number % MEET_EACH,
            late: JoinSet::new(),
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
                    self.meets.give_up(&self.round);
                    if !self.round.over.load(Ordering::Relaxed) {
                        self.step(&mut game, &aims).await;
                    } else if self.given.is_empty() && self.round.is_quiet()
                        || ends.get_or_insert_with(Instant::now).elapsed() > LAST_ANSWERS
                    {
                        break;
                    }
                }
            }
        }
        self.settle();
        self.count_closes(&game);
        while let Some(tried) = self.late.join_next().await {
            let taken_in = tried.ok().flatten();
            self.notes.stale_tried += u64::from(taken_in.is_some());
            if taken_in == Some(true) {
                self.notes.stale += 1;
                self.notes.older = Some("a token of the server before".to_owned());
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
        self.meet(game).await;
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

    /// Strikes somebody beyond a line, or trades with him.
    async fn meet(&mut self, game: &mut Game) {
        self.meet_in = self.meet_in.saturating_sub(1);
        if self.meet_in > 0 || game.view().schema().is_none() {
            return;
        }
        match self.meets.next(game, &self.pays.everybody, &self.round).await {
            Ok(None) => {}
            Ok(Some((what, whom, deed))) => {
                (self.meet_in, self.seq) = (MEET_EACH, self.seq + 1);
                if what == Deal::Blow {
                    self.notes.blows.given.entry(whom).or_default().0 += 1;
                }
                if let Some(deed) = deed {
                    self.pays.record.asked(self.character, deed);
                }
            }
            Err(error) => self.notes.stranded = Some(error.to_string()),
        }
    }

    /// What became of it.
    fn met(&mut self, values: &Values) {
        let Some(meets::Answer { what, whom, deed, code, across }) = self.meets.told(values, &self.round)
        else {
            return;
        };
        if let Some(deed) = deed {
            self.pays.record.told(self.character, deed, &code, None);
        }
        match what {
            Deal::Blow if code.is_empty() => {
                self.notes.blows.given.entry(whom).or_default().1 += 1;
                self.notes.blows.across += u64::from(across);
            }
            // Those of which the ledger was asked.
            Deal::OldTrade if across => {
                self.notes.stale_tried += 1;
                if code.is_empty() {
                    self.notes.stale += 1;
                    self.notes.older = Some(format!("a trade with {whom} under an epoch before"));
                }
            }
            _ => {}
        }
    }

    /// Which of his connections ended though he had not let go of them.
    fn count_closes(&mut self, game: &Game) {
        let closes = game.closes();
        self.notes.beside_closed += closes.beside;
        self.notes.beside_unopened += closes.unopened;
        self.notes.called_off += closes.called_off;
        if closes.last.is_some() {
            self.notes.closed.clone_from(&closes.last);
        }
    }

    /// As one who does not know yet that another server has him.
    fn come_back_late(&mut self, game: &Game) {
        if !self.notes.changes.is_multiple_of(COME_BACK_EACH) {
            return;
        }
        if let Some(back) = game.come_back_late() {
            self.late.spawn(async move {
                match back.await {
                    Ok(()) => Some(true),
                    Err(pangea_client::Error::Refused(_)) => Some(false),
                    // That server has ended.
                    Err(_) => None,
                }
            });
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
            Event::Game { name, values } if name == "Met" => self.met(&values),
            Event::Updated { .. } => {
                let walks = self.walks() && !self.given.is_empty();
                let walks = walks && self.notes.usual_ms.len() < MOST_USUAL;
                if let Some(before) = self.updated.replace(Instant::now()).filter(|_| walks) {
                    self.notes.usual_ms.push((before.elapsed().as_secs_f64() * 1e3 - 50.0).max(0.0));
                }
                self.look(game);
            }
            Event::Crossed { from, to, gap, missed } => {
                let gap_ms = gap.as_secs_f64() * 1e3;
                (self.updated, self.crossed) = (None, Some(Instant::now()));
                self.notes.changes += 1;
                if self.walks() {
                    self.notes.gaps_ms.push(gap_ms);
                }
                self.round.crossings.fetch_add(1, Ordering::Relaxed);
                if self.walks() {
                    self.notes.updates_missed += u64::from(missed);
                }
                self.settle();
                self.came_over = true;
                self.refusing.crossed(game.view().tick);
                // The server before of an area that has moved has ended.
                if from != to {
                    self.come_back_late(game);
                }
                self.notes.areas.insert(to);
            }
            Event::Refused(refusal) if refusal.code == Code::BorderShut => self.notes.shut += 1,
            Event::Refused(refusal) if refusal.code == Code::TooFast => {
                self.notes.refused += 1;
                self.refused = Some(Instant::now());
                self.refusing.told(game.view().tick);
            }
            Event::RefusedBefore(refusal) if refusal.code == Code::TooFast => {
                self.notes.refused += 1;
                self.notes.refused_looks += u64::from(self.missing.take().is_some());
            }
            Event::Refused(_) => {
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
        let mut steps: Vec<Cm> = Vec::new();
        let first = self.given.front().map_or(0, |(seq, ..)| *seq);
        while let Some((_, dx, dy)) = self.given.front().filter(|(seq, ..)| *seq <= view.acked) {
            steps.push((*dx, *dy));
            self.given.pop_front();
        }
        if let Some(before) = self.seen {
            let what = became(at, before, &steps, self.last_step);
            let may_miss = !steps.is_empty() && self.refusing.may_miss(view.tick);
            if what != Became::Made && may_miss && some_lead(at, before, &steps) {
                self.notes.refused_looks += 1;
            } else {
                let off = (at.0 - before.0, at.1 - before.1);
                self.count(game, what, &format!("inputs {first}..={} led {off:.0?} cm", view.acked));
            }
        }
        self.came_over &= steps.is_empty();
        self.last_step = steps.last().copied().unwrap_or(self.last_step);
        self.seen = Some(at);
        if view.tick % LOOKS_ROUND_EVERY == self.number % LOOKS_ROUND_EVERY {
            let mut names: Vec<&str> = game.entities().values().map(|entity| entity.name.as_str()).collect();
            names.sort_unstable();
            let twice = |pair: &&[&str]| pair[0] == pair[1] && !pair[0].is_empty();
            self.notes.doubled += names.windows(2).filter(twice).count() as u64;
        }
    }

    /// Notes what became of the steps of a look.
    fn count(&mut self, game: &Game, became: Became, what: &str) {
        let (many, how) = match became {
            Became::Made => return,
            Became::Lost(many) => (many, "lost"),
            Became::Doubled(many) => (many, "made twice"),
        };
        let told = self.wrong(game, &format!("{many} {how}, {what}"));
        match became {
            Became::Lost(_) if self.came_over => self.missing = Some((many, told)),
            Became::Lost(_) => {
                self.notes.steps_lost += many;
                self.tell_wrong(told);
            }
            _ => {
                self.notes.steps_doubled += many;
                self.tell_wrong(told);
            }
        }
    }

    /// The server before has said nothing of what was missing when the next one took over: it is lost.
    fn settle(&mut self) {
        if let Some((many, told)) = self.missing.take() {
            self.notes.steps_lost += many;
            self.tell_wrong(told);
        }
    }

    fn tell_wrong(&mut self, told: String) {
        if self.notes.wrong.len() < MOST_TOLD {
            self.notes.wrong.push(told);
        }
    }

    /// Which steps were lost or made twice, where and when.
    fn wrong(&self, game: &Game, what: &str) -> String {
        let since = |at: Option<Instant>| match at {
            Some(at) => format!("{} ms ago", at.elapsed().as_millis()),
            None => "never".to_owned(),
        };
        let (number, view) = (self.number, game.view());
        let (crossed, refused) = (since(self.crossed), since(self.refused));
        format!(
            "player {number}, tick {} of {} under epoch {} at {}: {what}; another server {crossed}, an input \
             refused {refused}",
            view.tick,
            view.area,
            game.epoch(),
            game.url(),
        )
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
            while meets::taken(&game).is_none() && game.next_event().await.is_some() {}
            let taken = meets::taken(&game);
            let me = game.me().map(|me| (f64::from(me.x_cm), f64::from(me.y_cm)));
            let epoch = game.epoch();
            game.leave().await;
            Ok::<_, pangea_client::Error>((me, epoch, taken))
        };
        match tokio::time::timeout(PATIENCE, again).await {
            Ok(Ok((Some(me), epoch, taken))) => {
                self.notes.blows.taken = taken.map(|(taken, twice)| (self.character, taken, twice));
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
            Ok(Ok((None, ..))) => self.notes.stranded = Some("not seen again".to_owned()),
            Ok(Err(error)) => self.notes.stranded = Some(error.to_string()),
            Err(_) => self.notes.stranded = Some("could not come back in time".to_owned()),
        }
    }
}
