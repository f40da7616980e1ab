//! One player: has a few wishes under way at any time, comes back when it is lost, and notes what it is told.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pangea_client::{Client, EnterOptions, Event, Game, Values};
use pangea_engine::Dice;
use pangea_world::id::CharacterId;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::cluster::WORLD;
use super::deed::{Deed, What};
use super::market::Wish;
use super::record::Record;

/// Wishes of one player under way at the same time.
const UNDER_WAY: usize = 4;
/// Quests that one player begins: fewer than a character may have.
const MOST_QUESTS: u64 = 1_000;
/// How long a lost player tries to come back, and at the end waits for what is under way.
const PATIENCE: Duration = Duration::from_secs(30);
const LAST_ANSWERS: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_millis(200);

/// What the one who kills servers waits for: gathers that were asked for, and that were done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gathers {
    pub(super) asked: u64,
    pub(super) done: u64,
}

/// What all players have in common.
pub(super) struct Common {
    pub(super) record: Record,
    pub(super) gathers: watch::Sender<Gathers>,
    /// All of them; two after each other are a pair, who sell to each other and go to the same sources.
    pub(super) everybody: Vec<CharacterId>,
    /// Nobody wishes for anything more.
    pub(super) over: AtomicBool,
}

pub(super) struct Player {
    common: Arc<Common>,
    number: usize,
    me: CharacterId,
    client: Client,
    dice: Dice,
    wishes: u32,
    /// Every wish of which nothing is known yet; when it was made, if it is under way.
    open: HashMap<u32, (Deed, Option<Instant>)>,
    /// Sources of which nobody knows whether they gave something.
    again: VecDeque<Deed>,
    sources: u64,
    quests: u64,
    /// The next step of the quest that is done now.
    step: What,
    /// The last tick that it was told of, and when.
    ticked: Option<(u32, Instant)>,
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
            open: HashMap::new(),
            again: VecDeque::new(),
            sources: 0,
            quests: 0,
            step: What::Accept,
            ticked: None,
        }
    }

    /// Plays until it is over and everything is answered.
    pub(super) async fn play(mut self, mut game: Game) {
        let mut over_since = None;
        loop {
            if !self.common.over.load(Ordering::Relaxed) {
                self.wish(&mut game).await;
            } else if self.under_way() == 0
                || over_since.get_or_insert_with(Instant::now).elapsed() > LAST_ANSWERS
            {
                break;
            }
            // Awake at the end, and often enough to wish again while updates come slowly.
            let event = match tokio::time::timeout(AGAIN, game.next_event()).await {
                Err(_) => continue,
                Ok(event) => event,
            };
            match event {
                Some(Event::Game { name, values }) if name == "Told" => self.told(&values),
                Some(Event::Updated { .. }) if self.number == 0 => self.tick(game.view().tick),
                Some(Event::Lost) => self.lost(),
                Some(Event::Ended(how)) => {
                    self.lost();
                    let why = how.err().map_or_else(|| "closed".to_owned(), |error| error.to_string());
                    match self.come_back().await {
                        Some(anew) => game = anew,
                        None => return self.common.record.notes().gone.push(why),
                    }
                }
                Some(_) => {}
                None => return self.common.record.notes().gone.push("no event".to_owned()),
            }
        }
        self.common.record.notes().unanswered += self.under_way() as u64;
        game.leave().await;
    }

    fn under_way(&self) -> usize {
        self.open.values().filter(|(_, since)| since.is_some()).count()
    }

    // ---- wishing ----

    async fn wish(&mut self, game: &mut Game) {
        while game.is_steering() && game.view().schema().is_some() && self.under_way() < UNDER_WAY {
            let deed = self.next();
            self.wishes += 1;
            let number = self.wishes;
            self.common.record.asked(self.me, deed);
            self.open.insert(number, (deed, Some(Instant::now())));
            let whom = deed.whom.map_or_else(String::new, |whom| whom.to_string());
            let wish = Wish { number, what: deed.what as u8, whom, amount: deed.number };
            if let Err(error) = game.act("Wish", &wish).await {
                return self.common.record.notes().gone.push(error.to_string());
            }
            if deed.what == What::Gather {
                self.common.gathers.send_modify(|gathers| gathers.asked += 1);
            }
        }
    }

    /// Half of all is gathering; the rest in turn.
    fn next(&mut self) -> Deed {
        if let Some(deed) = self.again.pop_front() {
            return deed;
        }
        let deed = |what, whom, number| Deed { what, whom, number };
        // As an amount it is this player's alone.
        let unique = u64::from(self.wishes) + 1;
        let everybody = &self.common.everybody;
        let partner = everybody.get(self.number ^ 1).unwrap_or(&everybody[self.number.saturating_sub(1)]);
        match self.wishes % 8 {
            2 => {
                let other = self.dice.between(1.0, everybody.len() as f64) as usize;
                deed(What::Pay, Some(everybody[(self.number + other) % everybody.len()]), unique)
            }
            4 => deed(What::Sell, Some(*partner), unique),
            1 | 6 if self.quests < MOST_QUESTS => {
                let (what, number) = (self.step, self.quests);
                self.step = match what {
                    What::Accept => What::Step,
                    What::Step => What::Reward,
                    _ => What::Accept,
                };
                self.quests += u64::from(what == What::Reward);
                deed(what, None, number)
            }
            _ => {
                self.sources += 1;
                // Both of a pair go to the same one after the other.
                deed(What::Gather, None, ((self.number as u64 / 2) << 32) + self.sources)
            }
        }
    }

    // ---- being told ----

    fn told(&mut self, values: &Values) {
        let number = values.get("number").and_then(serde_json::Value::as_u64).unwrap_or(0) as u32;
        let code = values.get("code").and_then(serde_json::Value::as_str).unwrap_or("unreadable");
        let Some((deed, since)) = self.open.remove(&number) else { return };
        self.common.record.told(self.me, deed, code, since.map(|since| since.elapsed()));
        if deed.what == What::Gather && code.is_empty() {
            self.common.gathers.send_modify(|gathers| gathers.done += 1);
        }
    }

    /// Counts ticks and their time, while the connection lasts.
    fn tick(&mut self, tick: u32) {
        let now = Instant::now();
        if let Some((before, at)) = self.ticked.replace((tick, now)) {
            let mut notes = self.common.record.notes();
            notes.ticks += u64::from(tick.wrapping_sub(before));
            notes.ticked += now - at;
        }
    }

    /// Nobody knows what became of what was under way. A source is asked again: whatever comes, it gives once.
    /// Nothing else is, for it would be another deed.
    fn lost(&mut self) {
        self.ticked = None;
        let mut notes = self.common.record.notes();
        notes.losses += 1;
        for (deed, since) in self.open.values_mut() {
            if since.take().is_some() {
                notes.unknown += 1;
                if deed.what == What::Gather {
                    self.again.push_back(*deed);
                }
            }
        }
    }

    async fn come_back(&self) -> Option<Game> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let options = EnterOptions { world: Some(WORLD.to_owned()), ..EnterOptions::default() };
            match self.client.enter(self.me, options).await {
                Ok(game) => return Some(game),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
        None
    }
}
