//! One player, with the client that everybody has: walks round the corner, has one wish under way, comes back when
//! he is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pangea_client::{Carrier, Client, Connect, EnterOptions, Event, Game, Values};
use pangea_server::simulation::net::TcpStream;
use pangea_server::simulation::{Dice, NodeId, note};
use pangea_world::chat::Kind;
use pangea_world::id::CharacterId;
use pangea_world::space::{AreaName, Ground};
use tokio::time::{Instant, MissedTickBehavior};

use crate::cluster::{BASE, WORLD};
use crate::game::{Deed, SIDE_M, Wish};
use crate::notes::{Common, Fate, Wished};

/// How long the answer to a wish is waited for; then nobody knows what became of it.
const ANSWERED: Duration = Duration::from_secs(3);
/// Between two tries to come back.
const AGAIN: Duration = Duration::from_millis(200);
/// Whoever plays a character may write for it: one wish may meet a change of owner, not so many in a row.
const MOST_STALE: u32 = 3;
/// A full step, centimetres.
const STEP_CM: f64 = 25.0;

/// A client that connects as this process.
pub fn client(node: NodeId) -> anyhow::Result<Client> {
    let connect: Connect = Arc::new(move |_, port| {
        Box::pin(async move {
            let stream = TcpStream::connect_as(node, port).await?;
            Ok(Box::new(stream) as Box<dyn Carrier>)
        })
    });
    Ok(Client::over(BASE, connect)?)
}

/// Makes account and character; asked again until it is there.
pub async fn register(client: &Client, number: usize) -> CharacterId {
    let name = name(number);
    let account = format!("runner{number}");
    loop {
        let made = async {
            if client.register(&account, "three blue herons").await.is_err() {
                client.login(&account, "three blue herons").await?;
            }
            match client.create_character(WORLD, &name, None).await {
                Ok(character) => Ok(character.id),
                Err(error) => {
                    let found = client.characters().await?;
                    found.first().map(|character| character.id).ok_or(error)
                }
            }
        };
        match made.await {
            Ok(id) => return id,
            Err(error) => note(&format!("{account} is not made yet: {error}")),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// A character's name.
fn name(number: usize) -> String {
    format!("Runner {}", (b'A' + number as u8) as char)
}

/// One player.
pub struct Player {
    /// Shared.
    pub common: Arc<Common>,
    /// Which.
    pub number: usize,
    /// His character.
    pub me: CharacterId,
    /// His client.
    pub client: Client,
    /// His own.
    pub dice: Dice,
    wishes: u32,
    /// The wish that is under way, and since when.
    open: Option<(u32, Instant)>,
    aim: usize,
    epoch: u64,
    /// How many wishes in a row were refused because somebody else owned the character.
    stale: u32,
    /// When something came last.
    seen: Instant,
    /// For how long he sees nothing before he begins anew.
    patience: Duration,
    /// How much he has said, and what of it under which number.
    words: u32,
    lines: BTreeMap<u64, u32>,
    /// When he says something again.
    speaks: Instant,
}

impl Player {
    /// A player who is not in the world yet.
    pub fn new(common: Arc<Common>, number: usize, me: CharacterId, client: Client, mut dice: Dice) -> Self {
        let patience = Duration::from_millis(2_000 + dice.below(8_000));
        let seen = Instant::now();
        Self {
            common,
            number,
            me,
            client,
            dice,
            wishes: 0,
            open: None,
            aim: number,
            epoch: 0,
            stale: 0,
            seen,
            patience,
            words: 0,
            lines: BTreeMap::new(),
            speaks: seen,
        }
    }

    /// Plays until it is over.
    pub async fn play(mut self) {
        let aims = self.aims();
        let mut game = self.come_in(None).await;
        let mut step = tokio::time::interval(Duration::from_millis(50));
        step.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.common.over.load(Ordering::Relaxed) {
            tokio::select! {
                biased;
                event = game.next_event() => match self.witness(event) {
                    Some(Event::Game { name, values }) if name == "Told" => self.told(&values),
                    Some(Event::Lost) => {
                        self.common.notes().losses += 1;
                        self.open = None;
                    }
                    Some(Event::Back { resumed }) => self.note(&format!("back, resumed: {resumed}")),
                    Some(Event::Crossed { from, to, gap, .. }) => self.crossed(&from, &to, gap),
                    Some(Event::Chat(line)) => {
                        self.note(&format!("hears {:?} {} of {}", line.kind, line.text, line.name));
                        self.common.notes().talk.hears(self.me, &line);
                    }
                    Some(Event::Channel { kind, joined: true }) => {
                        self.common.notes().talk.listens(self.me, kind);
                    }
                    Some(Event::Said { id, refused }) => {
                        if let Some(words) = self.lines.remove(&id) {
                            self.note(&format!("has said {words}: {refused:?}"));
                            self.common.notes().talk.answered((self.me, words), refused.as_ref());
                        }
                    }
                    Some(Event::Refused(refusal)) => self.note(&format!("refused: {refusal}")),
                    Some(Event::Ended(_)) | None => {
                        self.open = None;
                        game = self.come_in(Some(game)).await;
                    }
                    Some(_) => {}
                },
                _ = step.tick() => {
                    if self.seen.elapsed() > self.patience {
                        self.note("has seen nothing for long, and begins anew");
                        self.open = None;
                        game = self.come_in(Some(game)).await;
                    }
                    self.step(&mut game, &aims).await;
                }
            }
        }
        game.leave().await;
    }

    /// Whoever loses his connection while nothing is wrong was wronged.
    fn witness(&mut self, event: Option<Event>) -> Option<Event> {
        self.seen = Instant::now();
        let lost = match &event {
            Some(Event::Lost) => "loses his connection",
            Some(Event::Ended(_)) | None => "is thrown out",
            Some(_) => return event,
        };
        self.note(lost);
        self.common.notes().wronged(|| format!("player {} {lost}", self.number));
        event
    }

    /// Who walks over a border is not told by the server before what became of his wish.
    fn crossed(&mut self, from: &str, to: &str, gap: Duration) {
        self.note(&format!("crossed from {from} to {to}, {} ms", gap.as_millis()));
        let still = have_ground_in_common(from, to);
        if !still {
            self.open = None;
        }
        self.common.notes().crossed(self.number, still, gap);
    }

    fn note(&self, text: &str) {
        note(&format!("player {} {text}", self.number));
    }

    /// Round the corner, near it: over all four borders.
    fn aims(&mut self) -> Vec<(f64, f64)> {
        let corner = f64::from(SIDE_M);
        let radius = 4.0 + self.dice.below(800) as f64 / 100.0;
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
        if game.epoch() < self.epoch {
            let text =
                format!("player {} is steered under {} after {}", self.number, game.epoch(), self.epoch);
            self.common.notes().wrong.push(text);
        }
        self.epoch = game.epoch();
        if let Some((number, since)) = self.open.take_if(|(_, since)| since.elapsed() > ANSWERED) {
            let mut notes = self.common.notes();
            if notes.calm.is_some_and(|calm| calm <= since) {
                notes.wronged(|| format!("player {} was not told what became of wish {number}", self.number));
            }
        }
        self.wish(game).await;
        self.speak(game).await;
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

    async fn wish(&mut self, game: &mut Game) {
        if self.open.is_some() || game.view().schema().is_none() {
            return;
        }
        self.wishes += 1;
        let number = self.wishes;
        let deed = match self.dice.below(100) {
            0..=39 => Deed::Gather,
            40..=59 => Deed::Pay,
            60..=74 => Deed::Drop,
            75..=89 => Deed::Take,
            _ => Deed::Buy,
        };
        let whom = {
            let mut notes = self.common.notes();
            let others = notes.everybody.len() as u64;
            let whom = (deed.has_whom() && others > 1).then(|| {
                let other = (self.number as u64 + 1 + self.dice.below(others - 1)) % others;
                notes.everybody[other as usize]
            });
            notes.wishes.insert((self.me, number), Wished { deed, whom, fate: Fate::Unknown });
            whom
        };
        self.open = Some((number, Instant::now()));
        let whom = whom.map(|whom| whom.to_string()).unwrap_or_default();
        let wish = Wish { number, deed: deed as u8, whom };
        // What he cannot say he cannot be told of: he wishes again.
        let said = game.act("Wish", &wish).await;
        let mut notes = self.common.notes();
        if said.is_ok() && notes.calm.is_some() {
            notes.said.push((self.me, number, Instant::now()));
        }
    }

    /// Says something to another one, or to all.
    async fn speak(&mut self, game: &mut Game) {
        let to = {
            let notes = self.common.notes();
            let others = notes.everybody.len() as u64;
            if Instant::now() < self.speaks || !notes.talk.all_listen(others as usize) {
                return;
            }
            let other = (self.number as u64 + 1 + self.dice.below(others - 1)) % others;
            self.dice.percent(60).then(|| (other as usize, notes.everybody[other as usize]))
        };
        self.speaks = Instant::now() + Duration::from_millis(1_000 + self.dice.below(1_000));
        self.words += 1;
        let words = self.words;
        self.common.notes().talk.says((self.me, words), to.map(|(_, to)| to));
        self.note(&format!("says {words} to {to:?}"));
        let id = match to {
            Some((number, _)) => game.whisper(&name(number), &words.to_string()).await,
            None => game.say(Kind::World, &words.to_string()).await,
        };
        self.lines.insert(id, words);
    }

    fn told(&mut self, values: &Values) {
        let number = values.get("number").and_then(serde_json::Value::as_u64).unwrap_or(0) as u32;
        let code = values.get("code").and_then(serde_json::Value::as_str).unwrap_or("unreadable").to_owned();
        self.note(&format!("is told of {number}: «{code}»"));
        let open = self.open.take_if(|(open, ..)| *open == number);
        let mut notes = self.common.notes();
        if code != "stale_epoch" {
            self.stale = 0;
        } else if open.is_some() {
            // Those that were given up may all have met the same change of owner.
            self.stale += 1;
            if self.stale == MOST_STALE {
                notes
                    .wrong
                    .push(format!("player {} is played by a server that does not own him", self.number));
            }
        }
        let fate = if code.is_empty() { Fate::Done } else { Fate::Refused };
        match notes.wishes.get_mut(&(self.me, number)) {
            Some(wished) if wished.fate == Fate::Unknown || wished.fate == fate => wished.fate = fate,
            known => {
                let text = format!("player {} is told of {number}: «{code}», of {known:?}", self.number);
                notes.wrong.push(text);
            }
        }
        if let (Some((_, since)), Fate::Done) = (open, fate) {
            notes.answered.insert(self.number, since);
        }
    }

    /// Comes in, however long it takes; with what he has heard and said in the game before.
    async fn come_in(&mut self, before: Option<Game>) -> Game {
        let mut before = before;
        loop {
            let options = EnterOptions { world: Some(WORLD.to_owned()), ..EnterOptions::default() };
            let entered = match &mut before {
                Some(game) => game.again(options).await,
                None => self.client.enter(self.me, options).await,
            };
            match entered {
                Ok(game) => {
                    self.note("comes in");
                    self.seen = Instant::now();
                    return game;
                }
                Err(error) => self.note(&format!("cannot come in: {error}")),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Whether one area is where the other one is, or was: it was exchanged under whoever stands there.
fn have_ground_in_common(one: &str, other: &str) -> bool {
    let ground = |name: &str| match name.parse::<AreaName>().ok()?.ground {
        Ground::Cells(cells) => Some(cells),
        Ground::Map(_) => None,
    };
    let (Some(a), Some(b)) = (ground(one), ground(other)) else { return false };
    a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1
}
