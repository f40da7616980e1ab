//! One player: walks round the corner, has one payment under way at any time, comes back when it is lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pangea_client::{Client, EnterOptions, Event, Game, Values};
use pangea_engine::Dice;
use pangea_world::id::CharacterId;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

use super::super::PATIENCE;
use super::super::cluster::WORLD;
use super::super::crossing::across::{Deal, Meet};
use super::super::crossing::meets;
use super::super::economy::deed::{Deed, What};
use super::super::economy::market::Wish;
use super::super::economy::record::Record;

/// How long the answer to a payment is waited for; then nobody knows what became of it, and another is made.
const ANSWERED: Duration = Duration::from_secs(2);
/// At the end, what is under way is waited for so long.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// Between two tries to come back.
const AGAIN: Duration = Duration::from_millis(50);
/// Steps between two trades with somebody beyond a line.
const SWAP_EACH: u32 = 20;
/// A full step, centimetres: 5 m/s at 20 ticks a second.
const STEP_CM: f64 = 25.0;

/// What all players have in common.
pub(super) struct Common {
    pub(super) record: Record,
    pub(super) everybody: Vec<CharacterId>,
    /// Where the areas meet, metres east and south.
    corner_m: u32,
    over: AtomicBool,
    /// By his number: when the newest of his answered payments was asked for.
    answered: Mutex<HashMap<usize, Instant>>,
    rung: Notify,
    /// Of each player in the end: how many entities he sees.
    pub(super) seen: Mutex<Vec<usize>>,
}

impl Common {
    pub(super) fn new(everybody: Vec<CharacterId>, corner_m: u32) -> Self {
        Self {
            record: Record::default(),
            everybody,
            corner_m,
            over: AtomicBool::new(false),
            answered: Mutex::default(),
            rung: Notify::new(),
            seen: Mutex::default(),
        }
    }

    /// Nobody begins anything more.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Waits until everybody was answered something that he asked for after this moment; how long after it.
    pub(super) async fn all_answered_since(&self, at: Instant, most: Duration) -> Option<Duration> {
        let all = async {
            loop {
                let rung = self.rung.notified();
                tokio::pin!(rung);
                rung.as_mut().enable();
                let answered = {
                    let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
                    answered.values().filter(|asked| **asked >= at).count()
                };
                if answered == self.everybody.len() {
                    return at.elapsed();
                }
                rung.await;
            }
        };
        tokio::time::timeout(most, all).await.ok()
    }

    fn answered(&self, number: usize, asked: Instant) {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).insert(number, asked);
        self.rung.notify_waiters();
    }
}

pub(super) struct Player {
    common: Arc<Common>,
    number: usize,
    me: CharacterId,
    client: Client,
    dice: Dice,
    wishes: u32,
    /// The payment that is under way, and since when.
    open: Option<(u32, Deed, Instant)>,
    /// Trades over a line, by their numbers, and steps until the next.
    swaps: Vec<Deed>,
    swap_in: u32,
    aim: usize,
}

impl Player {
    pub(super) fn new(common: Arc<Common>, number: usize, client: Client, seed: u64) -> Self {
        let me = common.everybody[number];
        let dice = Dice::new(seed.wrapping_mul(0x9E37_79B9) ^ number as u64);
        Self {
            common,
            number,
            me,
            client,
            dice,
            wishes: 0,
            open: None,
            swaps: Vec::new(),
            swap_in: 0,
            aim: number,
        }
    }

    /// Plays until it is over, and then once more comes in: whoever cannot is stranded.
    pub(super) async fn play(mut self, mut game: Game) {
        let aims = self.aims();
        let mut step = tokio::time::interval(Duration::from_millis(50));
        step.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ends = None;
        loop {
            tokio::select! {
                biased;
                event = game.next_event() => match event {
                    Some(Event::Game { name, values }) if name == "Told" => self.told(&values),
                    Some(Event::Game { name, values }) if name == "Met" => self.swapped(&values),
                    Some(Event::Lost) => {
                        self.common.record.notes().losses += 1;
                        self.unknown();
                    }
                    // What he asked of the server before nobody tells him any more.
                    Some(Event::Crossed { .. }) => self.unknown(),
                    Some(Event::Ended(_)) | None => {
                        self.unknown();
                        match self.come_back().await {
                            Some(anew) => game = anew,
                            None => return,
                        }
                    }
                    Some(_) => {}
                },
                _ = step.tick() => {
                    if !self.common.over.load(Ordering::Relaxed) {
                        self.step(&mut game, &aims).await;
                    } else if self.open.is_none()
                        || ends.get_or_insert_with(Instant::now).elapsed() > LAST_ANSWERS
                    {
                        break;
                    }
                }
            }
        }
        game.leave().await;
        if let Some(mut again) = self.come_back().await {
            self.look_round(&mut again).await;
            again.leave().await;
        }
    }

    /// Round the corner, near it: over all four borders.
    fn aims(&mut self) -> Vec<(f64, f64)> {
        let corner = f64::from(self.common.corner_m);
        let radius = self.dice.between(4.0, 12.0);
        let on = |n: u32| {
            let (sin, cos) = (f64::from(n) * std::f64::consts::FRAC_PI_4).sin_cos();
            ((corner + radius * cos) * 100.0, (corner + radius * sin) * 100.0)
        };
        (0..8).map(on).collect()
    }

    async fn step(&mut self, game: &mut Game, aims: &[(f64, f64)]) {
        if !game.is_steering() {
            return;
        }
        if self.open.is_some_and(|(.., since)| since.elapsed() > ANSWERED) {
            self.unknown();
        }
        self.pay(game).await;
        self.swap(game).await;
        let Some(me) = game.me() else { return };
        let aim = aims[self.aim % aims.len()];
        let (dx, dy) = (aim.0 - f64::from(me.x_cm), aim.1 - f64::from(me.y_cm));
        let length = dx.hypot(dy);
        if length < STEP_CM * 4.0 {
            self.aim += 1;
        }
        let by = 1.0 / length.max(STEP_CM);
        game.move_towards((dx * by) as f32, (dy * by) as f32).await;
    }

    async fn pay(&mut self, game: &mut Game) {
        if self.open.is_some() || game.view().schema().is_none() {
            return;
        }
        let everybody = &self.common.everybody;
        let other = self.dice.between(1.0, everybody.len() as f64) as usize;
        let whom = everybody[(self.number + other) % everybody.len()];
        self.wishes += 1;
        // As an amount it is his alone.
        let deed = Deed { what: What::Pay, whom: Some(whom), number: self.wishes.into() };
        self.common.record.asked(self.me, deed);
        self.open = Some((self.wishes, deed, Instant::now()));
        let wish =
            Wish { number: self.wishes, what: deed.what as u8, whom: whom.to_string(), amount: deed.number };
        // What he cannot say he cannot be told of: he pays again.
        let _ = game.act("Wish", &wish).await;
    }

    /// Trades with the nearest beyond a line, beside what is paid: nobody waits for what becomes of it, since a letter
    /// to a server that is killed is lost.
    async fn swap(&mut self, game: &mut Game) {
        self.swap_in = self.swap_in.saturating_sub(1);
        if self.swap_in > 0 || game.view().schema().is_none() {
            return;
        }
        let (everybody, corner_m) = (&self.common.everybody, self.common.corner_m);
        let Some(whom) = meets::beyond(game, everybody, corner_m, |_| true) else { return };
        self.swap_in = SWAP_EACH;
        let number = self.swaps.len() as u32 + 1;
        // Something is to come back.
        let amount = number + 1;
        let deed = Deed { what: What::Swap, whom: Some(whom), number: amount.into() };
        self.common.record.asked(self.me, deed);
        self.swaps.push(deed);
        let meet = Meet { number, what: Deal::Trade as u8, whom: whom.to_string(), amount };
        let _ = game.act("Meet", &meet).await;
    }

    /// What became of it.
    fn swapped(&mut self, values: &Values) {
        let number = values.get("number").and_then(serde_json::Value::as_u64).unwrap_or(0) as usize;
        let code = values.get("code").and_then(serde_json::Value::as_str).unwrap_or("unreadable");
        if let Some(deed) = number.checked_sub(1).and_then(|n| self.swaps.get(n)) {
            self.common.record.told(self.me, *deed, code, None);
        }
    }

    fn told(&mut self, values: &Values) {
        let number = values.get("number").and_then(serde_json::Value::as_u64).unwrap_or(0);
        let code = values.get("code").and_then(serde_json::Value::as_str).unwrap_or("unreadable");
        let open = self.open.take_if(|(open, ..)| u64::from(*open) == number);
        // One that is waited for no longer counts too.
        let Some(deed) = open.map(|(_, deed, _)| deed).or_else(|| self.of_old(number)) else { return };
        self.common.record.told(self.me, deed, code, open.map(|(.., since)| since.elapsed()));
        if let Some((.., since)) = open.filter(|_| code.is_empty()) {
            self.common.answered(self.number, since);
        }
    }

    /// A payment that was given up, by its number.
    fn of_old(&self, number: u64) -> Option<Deed> {
        let notes = self.common.record.notes();
        let to = |whom: &CharacterId| Deed { what: What::Pay, whom: Some(*whom), number };
        let known = |deed: &Deed| notes.deeds.contains_key(&(self.me, *deed));
        self.common.everybody.iter().map(to).find(known)
    }

    fn unknown(&mut self) {
        if self.open.take().is_some() {
            self.common.record.notes().unknown += 1;
        }
    }

    /// How many entities he sees that are no players.
    async fn look_round(&self, game: &mut Game) {
        let seen = |game: &Game| game.view().schema().is_some() && game.me().is_some();
        let looks = async { while !seen(game) && game.next_event().await.is_some() {} };
        // Who sees nothing sees none of them.
        let _ = tokio::time::timeout(PATIENCE, looks).await;
        let pebbles = game.entities().keys().filter(|id| game.view().kind_of(**id) == Some("pebble")).count();
        self.common.seen.lock().unwrap_or_else(PoisonError::into_inner).push(pebbles);
    }

    /// Comes in anew, as long as he has patience; else he is stranded.
    async fn come_back(&self) -> Option<Game> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = String::new();
        while Instant::now() < deadline {
            let options = EnterOptions { world: Some(WORLD.to_owned()), ..EnterOptions::default() };
            match self.client.enter(self.me, options).await {
                Ok(game) => return Some(game),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(AGAIN).await;
        }
        self.common.record.notes().gone.push(last);
        None
    }
}
