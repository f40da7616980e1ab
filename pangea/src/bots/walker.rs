//! One bot: registers, makes a character, enters, walks in one direction for a while, then in another.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use pangea_client::{Client, EnterOptions, Error, Event, Game};
use pangea_world::Code;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::Crowd;
use crate::stop;

/// Tries to get in before a bot gives up.
const TRIES: u32 = 5;

pub(super) struct Walker {
    number: u32,
    crowd: Arc<Crowd>,
    client: Client,
    /// State of a small generator; which way a bot walks needs no better one.
    random: u64,
}

impl Walker {
    pub(super) fn new(number: u32, crowd: Arc<Crowd>, client: Client) -> Self {
        Self { number, crowd, client, random: u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    /// Lives until told to leave, or until it cannot go on.
    pub(super) async fn live(mut self, wait: Duration, leaving: watch::Receiver<bool>) {
        let figures = self.crowd.clone();
        let figures = &figures.figures;
        let entered = async {
            tokio::time::sleep(wait).await;
            self.enter().await
        };
        let game = tokio::select! {
            biased;
            () = stop::wait(leaving.clone()) => None,
            game = entered => game,
        };
        if let Some(mut game) = game {
            figures.entered_ever.fetch_add(1, Relaxed);
            figures.connected.fetch_add(1, Relaxed);
            self.walk(&mut game, leaving).await;
            figures.connected.fetch_sub(1, Relaxed);
            game.leave().await;
        }
        figures.gone.fetch_add(1, Relaxed);
    }

    async fn enter(&mut self) -> Option<Game> {
        let crowd = self.crowd.clone();
        for attempt in 0..TRIES {
            // The semaphore is never closed.
            let door = crowd.doors.acquire().await.ok()?;
            crowd.figures.entering.fetch_add(1, Relaxed);
            let begun = Instant::now();
            let game = self.try_enter(&crowd, attempt).await;
            crowd.figures.entering.fetch_sub(1, Relaxed);
            drop(door);
            match game {
                Ok((game, took)) => {
                    crowd.figures.enter.add(took.min(begun.elapsed()));
                    return Some(game);
                }
                Err(error) => crowd.figures.refused(error.kind()),
            }
            tokio::time::sleep(Duration::from_millis(500 << attempt)).await;
        }
        None
    }

    async fn try_enter(&self, crowd: &Crowd, attempt: u32) -> Result<(Game, Duration), Error> {
        // Of fixed width: names that differ in their hyphens alone are the same name.
        let name = format!("{}-{:06}", crowd.name, self.number);
        match self.client.register(&name, &crowd.password).await {
            Err(Error::Refused(refusal)) if attempt > 0 && refusal.code == Code::NameTaken => {
                self.client.login(&name, &crowd.password).await?;
            }
            registered => {
                registered?;
            }
        }
        let character = match self.client.characters().await?.into_iter().next() {
            Some(character) => character,
            None => {
                let faction = crowd.factions.get(self.number as usize % crowd.factions.len().max(1));
                self.client.create_character(&crowd.world, &name, faction.map(String::as_str)).await?
            }
        };
        let options = EnterOptions {
            world: Some(crowd.world.clone()),
            map: crowd.map.clone(),
            ..EnterOptions::default()
        };
        let begun = Instant::now();
        let game = self.client.enter(character.id, options).await?;
        Ok((game, begun.elapsed()))
    }

    async fn walk(&mut self, game: &mut Game, leaving: watch::Receiver<bool>) {
        let crowd = self.crowd.clone();
        let figures = &crowd.figures;
        let hz = f64::from(game.view().tick_hz.max(1));
        let mut step = tokio::time::interval(Duration::from_secs_f64(1.0 / hz));
        step.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut direction = (0.0f32, 0.0f32);
        let mut steps_left = 0;
        let mut bytes = 0;
        let mut leave = std::pin::pin!(stop::wait(leaving));
        loop {
            tokio::select! {
                biased;
                () = &mut leave => return,
                _ = step.tick() => {
                    if steps_left == 0 {
                        let angle = self.next_random() as f32 / u32::MAX as f32 * std::f32::consts::TAU;
                        direction = (angle.cos(), angle.sin());
                        steps_left = 20 + self.next_random() % 40;
                    }
                    steps_left -= 1;
                    if game.is_steering() {
                        figures.inputs.fetch_add(1, Relaxed);
                        game.move_towards(direction.0, direction.1).await;
                    }
                }
                event = game.next_event() => match event {
                    Some(Event::Updated { seen }) => {
                        figures.updates.fetch_add(1, Relaxed);
                        figures.in_view.fetch_add(game.entities().len() as u64, Relaxed);
                        let now = game.traffic().bytes;
                        figures.bytes.fetch_add(now.saturating_sub(bytes), Relaxed);
                        bytes = now;
                        if let Some(seen) = seen {
                            figures.seen.add(seen);
                        }
                    }
                    Some(Event::Moved { .. }) => {
                        figures.moves.fetch_add(1, Relaxed);
                    }
                    Some(Event::Lost) => {
                        figures.lost.fetch_add(1, Relaxed);
                    }
                    Some(Event::Refused(refusal)) => figures.refused(refusal.code.as_str()),
                    Some(Event::Stayed(error)) => figures.refused(error.kind()),
                    Some(Event::Ended(Err(error))) => figures.refused(error.kind()),
                    Some(_) => {}
                    None => return,
                },
            }
        }
    }

    /// xorshift64* (Vigna 2016), the high half.
    fn next_random(&mut self) -> u32 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }
}
