//! One player: says something now and then, walks over borders or stands, and notes what he hears.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use pangea_client::{ChannelKind as Kind, EnterOptions, Event, Game, Line};
use pangea_engine::Dice;
use tokio::time::{Instant, MissedTickBehavior};

use super::super::crossing::SIDE_M;
use super::super::players::name_of;
use super::GROUP;
use crate::flags::{ChatShape, TrialChat};

/// Nobody talks.
pub(super) const LISTEN: u8 = 0;
/// All talk.
pub(super) const TALK: u8 = 1;
/// All listen to what is on its way, until the phase is higher still.
pub(super) const OVER: u8 = 2;

/// How long who is lost tries to come back.
const PATIENCE: Duration = Duration::from_secs(20);
/// Each so-manieth line is a whisper.
const WHISPER_EACH: u32 = 4;

/// The channel that all of a trial listen to.
pub(super) fn kind(shape: ChatShape) -> Kind {
    if shape == ChatShape::Groups { Kind::Faction } else { Kind::World }
}

/// What was said, and who has heard it.
pub(super) struct Book {
    pub(super) names: Vec<String>,
    shape: ChatShape,
    pub(super) handoffs: AtomicU64,
    /// How often a player was lost, and entered anew.
    pub(super) returned: AtomicU64,
    lines: Mutex<Vec<Said>>,
    pub(super) deliveries: AtomicU64,
    pub(super) doubled: AtomicU64,
    pub(super) out_of_order: AtomicU64,
    pub(super) latencies_ms: Mutex<Vec<f64>>,
    /// Who did not hear what, a sentence each.
    pub(super) missed: Mutex<Vec<String>>,
}

/// One line by its number.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) at: Instant,
    pub(super) kind: Kind,
    /// By whom, and if it is a whisper to whom: their numbers.
    speaker: u32,
    to: Option<u32>,
    /// How many shall hear it.
    pub(super) hearers: u32,
    /// None: not answered yet.
    pub(super) said: Option<bool>,
    pub(super) heard: u32,
}

impl Book {
    pub(super) fn new(names: Vec<String>, shape: ChatShape) -> Self {
        Self {
            names,
            shape,
            handoffs: AtomicU64::new(0),
            returned: AtomicU64::new(0),
            lines: Mutex::default(),
            deliveries: AtomicU64::new(0),
            doubled: AtomicU64::new(0),
            out_of_order: AtomicU64::new(0),
            latencies_ms: Mutex::default(),
            missed: Mutex::default(),
        }
    }

    /// A line's number, from 0; `to`: it is a whisper.
    fn begin(&self, speaker: u32, to: Option<u32>) -> usize {
        let all = self.names.len();
        let (kind, hearers) = match self.shape {
            _ if to.is_some() => (Kind::Whisper, 1),
            ChatShape::Groups => {
                let first = speaker as usize / GROUP * GROUP;
                (Kind::Faction, GROUP.min(all - first) as u32)
            }
            ChatShape::Mixed | ChatShape::World => (Kind::World, all as u32),
        };
        let mut lines = self.lock();
        lines.push(Said { at: Instant::now(), kind, speaker, to, hearers, said: None, heard: 0 });
        lines.len() - 1
    }

    fn answered(&self, number: usize, said: bool) {
        if let Some(line) = self.lock().get_mut(number) {
            line.said = Some(said);
        }
    }

    /// How long ago it was said, ms, and whether its speaker believes so: what was refused since chat was away may come
    /// later than what was said after it.
    fn heard(&self, number: usize) -> (f64, bool) {
        self.deliveries.fetch_add(1, Ordering::Relaxed);
        let mut lines = self.lock();
        let Some(line) = lines.get_mut(number) else { return (0.0, false) };
        line.heard += 1;
        (line.at.elapsed().as_secs_f64() * 1e3, line.said != Some(false))
    }

    /// Whether all that was said has been heard.
    pub(super) fn is_whole(&self) -> bool {
        self.lock().iter().all(|line| match line.said {
            None => false,
            Some(said) => !said || line.heard >= line.hearers,
        })
    }

    /// How many lines there are.
    fn len(&self) -> usize {
        self.lock().len()
    }

    /// Which lines of those that were said for a player, and are kept, it has not heard.
    fn missing(&self, player: u32, has_heard: impl Fn(usize) -> bool) -> Vec<usize> {
        let group = |of: u32| of as usize / GROUP;
        let hers = |line: &Said| line.to.map_or(group(line.speaker) == group(player), |to| to == player);
        let lines = self.lock();
        let said =
            lines.iter().enumerate().filter(|(_, line)| line.said == Some(true) && line.kind.is_durable());
        said.filter(|(number, line)| hers(line) && !has_heard(*number)).map(|(number, _)| number).collect()
    }

    /// All of it.
    pub(super) fn lines(&self) -> Vec<Said> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Said>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the character is in this channel.
pub(super) async fn tuned_in(game: &mut Game, into: Kind) -> anyhow::Result<()> {
    let wait = async {
        while let Some(event) = game.next_event().await {
            if matches!(event, Event::Channel { kind, joined: true } if kind == into) {
                return Ok(());
            }
        }
        anyhow::bail!("the connection ended")
    };
    tokio::time::timeout(PATIENCE, wait).await.context("nobody said where the channel stands")?
}

pub(super) struct Talker {
    number: u32,
    walks: bool,
    every: Duration,
    dice: Dice,
    phase: Arc<AtomicU8>,
    book: Arc<Book>,
    count: u32,
    aim: usize,
    /// Lines that are not answered: the client's number, the book's.
    open: Vec<(u64, usize)>,
    /// What was heard, a bit for each line.
    heard: Vec<u64>,
    /// The last number of each speaker, in the world's channel and in whispers.
    last: Vec<[u64; 2]>,
    latencies_ms: Vec<f64>,
    /// When it was lost and came back: how many lines there were, and why.
    lost: Vec<(usize, usize, String)>,
}

impl Talker {
    pub(super) fn new(number: u32, options: &TrialChat, phase: Arc<AtomicU8>, book: Arc<Book>) -> Self {
        let every = f64::from(options.players) / f64::from(options.lines_per_s.max(1));
        let last = vec![[0; 2]; book.names.len()];
        Self {
            number,
            walks: number % 100 < options.walkers_percent,
            every: Duration::from_secs_f64(every),
            dice: Dice::new(options.common.seed.wrapping_mul(0x9E37_79B9) ^ u64::from(number)),
            phase,
            book,
            count: number,
            aim: 0,
            open: Vec::new(),
            heard: Vec::new(),
            last,
            latencies_ms: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// Why he was lost, if he was.
    pub(super) async fn run(mut self, mut game: Game) -> Option<String> {
        let mut step = tokio::time::interval(Duration::from_millis(50));
        step.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next = None;
        loop {
            let phase = self.phase.load(Ordering::Relaxed);
            if phase > OVER {
                break;
            }
            tokio::select! {
                biased;
                event = game.next_event() => match event {
                    ended @ (Some(Event::Ended(_)) | None) => {
                        match self.come_back(&mut game, &format!("{ended:?}")).await {
                            Ok(again) => {
                                self.book.returned.fetch_add(1, Ordering::Relaxed);
                                game = again;
                            }
                            Err(why) => return Some(why),
                        }
                    }
                    Some(event) => self.take(&event),
                },
                _ = step.tick() => {
                    if phase != OVER && self.walks {
                        self.step(&mut game).await;
                    }
                    if phase == TALK {
                        let share = f64::from(self.number) / self.book.names.len().max(1) as f64;
                        let at = *next.get_or_insert_with(|| Instant::now() + self.every.mul_f64(share));
                        if Instant::now() >= at {
                            next = Some(at + self.every);
                            self.say(&mut game).await;
                        }
                    }
                }
            }
        }
        let mut all = self.book.latencies_ms.lock().unwrap_or_else(PoisonError::into_inner);
        all.append(&mut self.latencies_ms);
        self.count_missing(game.area());
        None
    }

    /// The client gave up: the player enters anew, and hears what was said meanwhile.
    async fn come_back(&mut self, game: &mut Game, why: &str) -> Result<Game, String> {
        let (until, lost_at) = (Instant::now() + PATIENCE, self.book.len());
        loop {
            match game.again(EnterOptions::default()).await {
                Ok(again) => {
                    self.lost.push((lost_at, self.book.len(), why.to_owned()));
                    return Ok(again);
                }
                Err(error) if Instant::now() > until => return Err(error.to_string()),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// Says what was said for it and did not come.
    fn count_missing(&self, area: &str) {
        let has_heard =
            |number: usize| self.heard.get(number / 64).is_some_and(|word| word & (1 << (number % 64)) != 0);
        let missing = self.book.missing(self.number, has_heard);
        if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
            let (name, count) = (name_of(self.number), missing.len());
            let lost = &self.lost;
            let text = format!(
                "{name} in {area} missed {count} lines of {first} to {last}; lost and back: {lost:?}"
            );
            self.book.missed.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
    }

    /// Whether this line is heard for the first time.
    fn notes(&mut self, number: u64) -> bool {
        let (word, bit) = (number as usize / 64, 1u64 << (number % 64));
        if self.heard.len() <= word {
            self.heard.resize(word + 1, 0);
        }
        let first = self.heard[word] & bit == 0;
        self.heard[word] |= bit;
        first
    }

    async fn say(&mut self, game: &mut Game) {
        self.count += 1;
        let players = self.book.names.len();
        let whispers = self.book.shape == ChatShape::Mixed && players > 1;
        let whisper = whispers && self.count.is_multiple_of(WHISPER_EACH);
        let to = whisper.then(|| {
            let other = 1 + self.dice.between(0.0, (players - 1) as f64) as u32;
            (self.number + other) % players as u32
        });
        let number = self.book.begin(self.number, to);
        let text =
            format!("{number} {} hail and well met, all of you who are in earshot of this line", self.number);
        let id = match to {
            Some(to) => game.whisper(&name_of(to), &text).await,
            None => game.say(kind(self.book.shape), &text).await,
        };
        self.open.push((id, number));
    }

    async fn step(&mut self, game: &mut Game) {
        let Some(me) = game.me() else { return };
        // To and fro over the border in the middle.
        let middle = f64::from(SIDE_M);
        let aim = if self.aim.is_multiple_of(2) { middle - 5.0 } else { middle + 5.0 };
        let by = aim - f64::from(me.x_cm) / 100.0;
        if by.abs() < 0.5 {
            self.aim += 1;
        }
        game.move_towards(by.clamp(-1.0, 1.0) as f32, 0.0).await;
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Said { id, refused } => {
                if let Some(at) = self.open.iter().position(|(open, _)| open == id) {
                    let (_, number) = self.open.swap_remove(at);
                    self.book.answered(number, refused.is_none());
                }
            }
            Event::Chat(line) => self.hear(line),
            Event::Crossed { .. } => drop(self.book.handoffs.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
    }

    fn hear(&mut self, line: &Line) {
        let mut words = line.text.split(' ').map(str::parse::<u64>);
        let (Some(Ok(number)), Some(Ok(speaker))) = (words.next(), words.next()) else { return };
        if !self.notes(number) {
            self.book.doubled.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (took_ms, believed) = self.book.heard(number as usize);
        self.latencies_ms.push(took_ms);
        if let Some(last) = self.last.get_mut(speaker as usize).filter(|_| believed) {
            let last = &mut last[usize::from(line.kind == Kind::Whisper)];
            if *last > number {
                self.book.out_of_order.fetch_add(1, Ordering::Relaxed);
            }
            *last = number;
        }
    }
}
