//! All players in one thread over epoll: each sends one input per tick, spread evenly over it, and reads what
//! comes at once. What this thread takes of its core is part of the figures.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use anyhow::bail;
use bytes::BytesMut;
use pangea_engine::Dice;
use rustix::event::{Timespec, epoll};

use super::super::{processes, say};
use super::Plan;
use super::arrival::Newcomer;
use super::latencies::Latencies;
use super::player::{Heard, Player};
use super::probe::{Probe, compare};
use super::sight::Sight;

/// Ticks per second, as the trial's world has them.
pub(super) const TICK_HZ: u64 = 20;
const TICK_US: u64 = 1_000_000 / TICK_HZ;
/// So often in a tick a share of the players sends.
const TURNS: u64 = 100;
/// Players of whom everything is known and compared.
const WATCHERS: usize = 64;
/// Everybody walks so long before anything is counted.
const WARM_UP_US: u64 = 3_000_000;
/// At the end nobody walks; when nothing came for so long, all is told.
const QUIET_US: u64 = 300_000;
/// Where more than players moves: when nothing came for so long it is between two ticks, and after so long all
/// is told of the players.
const BETWEEN_US: u64 = TICK_US * 2 / 5;
const SETTLED_US: u64 = 2_000_000;
/// The longest wait for that, and for the last player.
const MOST_QUIET_US: u64 = 10_000_000;
const MOST_ARRIVAL_US: u64 = 30_000_000;
/// Into a tick, from when its first update came until the server sleeps surely.
const ASLEEP_US: u64 = TICK_US * 4 / 5;
const SAY_EACH_US: u64 = 5_000_000;

/// To the swarm.
pub(super) enum Order {
    /// Somebody more.
    Newcomer(Newcomer),
    /// All are on their way in; count the CPU time of these processes.
    Measure(Vec<u32>),
}

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) seconds: f64,
    pub(super) ticks: u32,
    pub(super) cpu_ms: f64,
    /// Of the server, per tick.
    pub(super) tick_cpu_ms: Vec<f64>,
    pub(super) bytes: u64,
    pub(super) updates: u64,
    pub(super) entity_updates: u64,
    pub(super) known: u64,
    /// From an input to the update that tells its sender that it was taken.
    pub(super) acked: Latencies,
    /// From an input to the update in which somebody else sees what it did.
    pub(super) seen: Latencies,
    /// This thread's share of its core.
    pub(super) driver_share: f64,
    /// Why players were dropped, at most 20 reasons.
    pub(super) dropped: Vec<String>,
    pub(super) disconnects: u64,
    pub(super) refused: u64,
    pub(super) first_refusal: Option<String>,
    pub(super) probe: Probe,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Arriving,
    /// Until when, µs.
    WarmUp(u64),
    Measuring {
        until_us: u64,
    },
    /// Nobody walks; since when nothing came, and since when it is so.
    Settling {
        quiet_us: u64,
        since_us: u64,
    },
}

pub(super) struct Swarm {
    expected: usize,
    seconds: u64,
    seed: u64,
    view_m: u32,
    /// Whether more than players moves.
    restless: bool,
    orders: Receiver<Order>,
    stopped: Arc<AtomicBool>,
    epoll: rustix::fd::OwnedFd,
    players: Vec<Player>,
    /// Who steers which entity.
    entities: HashMap<u16, usize>,
    began: Instant,
    pids: Vec<u32>,
    out: Outcome,
    /// Highest tick that anybody was told.
    tick: u32,
    first_tick: u32,
    /// When the server's CPU time is read next, and what it was.
    sample_us: Option<u64>,
    cpu_ms: Option<f64>,
    driver_cpu_us: u64,
    began_us: u64,
    began_cpu_ms: f64,
    phase: Phase,
}

impl Swarm {
    pub(super) fn new(
        plan: &Plan,
        orders: Receiver<Order>,
        stopped: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            expected: plan.players as usize,
            seconds: plan.seconds,
            seed: plan.seed,
            view_m: plan.view_m,
            restless: plan.own_game,
            orders,
            stopped,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            players: Vec::new(),
            entities: HashMap::new(),
            began: Instant::now(),
            pids: Vec::new(),
            out: Outcome::default(),
            tick: 0,
            first_tick: 0,
            sample_us: None,
            cpu_ms: None,
            driver_cpu_us: 0,
            began_us: 0,
            began_cpu_ms: 0.0,
            phase: Phase::Arriving,
        })
    }

    /// Plays until everything is measured.
    pub(super) fn run(mut self) -> anyhow::Result<Outcome> {
        let mut buffer = vec![0; 128 << 10];
        let mut scratch = BytesMut::new();
        let mut events = Vec::with_capacity(1_024);
        let (mut turn, mut say_at_us) = (0u64, SAY_EACH_US);
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            self.take_orders()?;
            let now_us = self.now_us();
            let turn_us = TICK_US / TURNS;
            // A driver that is late does not make up what it missed.
            turn = turn.max((now_us / turn_us).saturating_sub(TURNS));
            while turn * turn_us <= now_us {
                if !matches!(self.phase, Phase::Settling { .. }) {
                    for player in
                        self.players.iter_mut().skip((turn % TURNS) as usize).step_by(TURNS as usize)
                    {
                        player.walk(now_us, &mut scratch);
                    }
                }
                turn += 1;
            }
            events.clear();
            let wait_us = (turn * turn_us).saturating_sub(self.now_us());
            let wait = Timespec { tv_sec: 0, tv_nsec: (wait_us * 1_000) as i64 };
            // Interrupted: what is there is read in the next round.
            let _ = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait));
            let now_us = self.now_us();
            for event in &events {
                let number = event.data.u64() as usize;
                let heard = self.players[number].receive(&mut buffer);
                self.note(number, heard, now_us);
            }
            self.sample(now_us);
            if let Some(outcome) = self.go_on(now_us)? {
                return Ok(outcome);
            }
            if now_us >= say_at_us {
                say_at_us = now_us + SAY_EACH_US;
                self.say_how_far(now_us);
            }
        }
    }

    fn now_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    fn take_orders(&mut self) -> anyhow::Result<()> {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Newcomer(newcomer) => {
                    let number = self.players.len();
                    let dice = Dice::new(self.seed.wrapping_mul(0x9E37_79B9) ^ number as u64);
                    let player = Player::new(newcomer, dice, number < WATCHERS);
                    let data = epoll::EventData::new_u64(number as u64);
                    epoll::add(&self.epoll, &player.stream, data, epoll::EventFlags::IN)?;
                    self.players.push(player);
                }
                Order::Measure(pids) => {
                    self.pids = pids;
                    self.began_us = self.now_us();
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, number: usize, mut heard: Heard, now_us: u64) {
        let player = &mut self.players[number];
        if player.tick > self.tick {
            self.tick = player.tick;
            self.sample_us.get_or_insert(now_us + ASLEEP_US);
        }
        if let Some(why) = &player.gone {
            self.out.disconnects += 1;
            if self.out.dropped.len() < 20 {
                self.out.dropped.push(format!("player {number}: {why}"));
            }
            // Broken or closed: it is never heard of again.
            let _ = epoll::delete(&self.epoll, &player.stream);
        }
        if let Some(refusal) = heard.refused.take() {
            self.out.refused += 1;
            self.out.first_refusal.get_or_insert(refusal);
        }
        match &mut self.phase {
            Phase::Measuring { .. } => {
                self.out.bytes += heard.bytes;
                self.out.updates += heard.updates;
                self.out.entity_updates += heard.entity_updates;
                self.out.known += heard.known;
                for (_, sent_us) in &heard.answered {
                    self.out.acked.add(now_us.saturating_sub(*sent_us));
                }
                self.watch(number, &heard, now_us);
            }
            Phase::Settling { quiet_us, .. } if heard.updates > 0 => *quiet_us = now_us,
            _ => {}
        }
    }

    /// What this one was told counts for who watches him, and for whom he watches.
    fn watch(&mut self, number: usize, heard: &Heard, now_us: u64) {
        for watcher in self.players[number].watchers.clone() {
            if let Some(sight) = &mut self.players[watcher].sight {
                heard.answered.iter().for_each(|(tick, sent_us)| sight.answered(*tick, *sent_us));
                sight.settle(&mut self.out.seen);
            }
        }
        let player = &mut self.players[number];
        if let (Some(sight), Some(tick)) = (&mut player.sight, heard.sighted) {
            sight.saw(tick, now_us);
            sight.settle(&mut self.out.seen);
        }
        if player.view.is_some() && heard.updates > 0 && player.watched_at().is_none() {
            self.look_for_another(number);
        }
    }

    /// Has one who keeps its view watch the nearest other player.
    fn look_for_another(&mut self, watcher: usize) {
        if let Some(Sight { whom, .. }) = self.players[watcher].sight.take()
            && let Some(older) = self.entities.get(&whom)
        {
            self.players[*older].watchers.retain(|one| *one != watcher);
        }
        let near = self.players[watcher].neighbours();
        let nearest = near.into_iter().find_map(|id| Some((id, *self.entities.get(&id)?)));
        if let Some((id, number)) = nearest {
            self.players[watcher].sight = Some(Sight::of(id));
            self.players[number].watchers.push(watcher);
        }
    }

    /// Reads once per tick, while it sleeps, what CPU time the server has taken.
    fn sample(&mut self, now_us: u64) {
        if self.sample_us.is_none_or(|at| now_us < at) {
            return;
        }
        self.sample_us = None;
        if !matches!(self.phase, Phase::Measuring { .. }) {
            return;
        }
        let cpu_ms = self.server_cpu_ms();
        if let Some(before) = self.cpu_ms.replace(cpu_ms) {
            self.out.tick_cpu_ms.push(cpu_ms - before);
        }
    }

    fn server_cpu_ms(&self) -> f64 {
        self.pids.iter().map(|pid| processes::precise_cpu_ms(*pid)).sum()
    }

    fn go_on(&mut self, now_us: u64) -> anyhow::Result<Option<Outcome>> {
        match self.phase {
            Phase::Arriving if self.pids.is_empty() => {}
            Phase::Arriving => {
                let waiting = self.players.iter().filter(|player| !player.is_in()).count();
                if waiting == 0 && self.players.len() == self.expected {
                    say(&format!("all {} are in and walk", self.expected));
                    self.phase = Phase::WarmUp(now_us + WARM_UP_US);
                } else if now_us > self.began_us + MOST_ARRIVAL_US {
                    bail!("{waiting} players saw nothing: {}", self.out.dropped.join("; "));
                }
            }
            Phase::WarmUp(until_us) if now_us >= until_us => {
                say(&format!("measuring for {} s", self.seconds));
                self.phase = Phase::Measuring { until_us: now_us + self.seconds * 1_000_000 };
                self.first_tick = self.tick;
                self.began_us = now_us;
                self.began_cpu_ms = self.server_cpu_ms();
                self.driver_cpu_us = driver_cpu_us();
                let entities = self.players.iter().enumerate();
                self.entities =
                    entities.filter_map(|(number, player)| Some((player.me()?, number))).collect();
            }
            Phase::Measuring { until_us } if now_us >= until_us => {
                self.out.ticks = self.tick - self.first_tick;
                self.out.seconds = (now_us - self.began_us) as f64 / 1e6;
                self.out.cpu_ms = self.server_cpu_ms() - self.began_cpu_ms;
                let took_us = driver_cpu_us() - self.driver_cpu_us;
                self.out.driver_share = took_us as f64 / (now_us - self.began_us) as f64;
                self.phase = Phase::Settling { quiet_us: now_us, since_us: now_us };
            }
            Phase::Settling { quiet_us, since_us }
                if now_us >= quiet_us + self.quiet_us(since_us, now_us)
                    || now_us >= since_us + MOST_QUIET_US =>
            {
                let views: Vec<_> = self.players.iter().filter_map(|player| player.view.as_ref()).collect();
                self.out.probe = compare(&views, self.view_m, self.restless);
                return Ok(Some(std::mem::take(&mut self.out)));
            }
            _ => {}
        }
        Ok(None)
    }

    /// Where creatures live it is quiet only between two ticks; those of the players' last steps are over by then.
    fn quiet_us(&self, since_us: u64, now_us: u64) -> u64 {
        if self.restless && now_us >= since_us + SETTLED_US { BETWEEN_US } else { QUIET_US }
    }

    fn say_how_far(&self, now_us: u64) {
        match self.phase {
            Phase::Arriving => {
                let inside = self.players.iter().filter(|player| player.is_in()).count();
                say(&format!("{inside} of {} are in", self.expected));
            }
            Phase::Measuring { until_us } => {
                say(&format!("{:.0} s to go", until_us.saturating_sub(now_us) as f64 / 1e6));
            }
            _ => {}
        }
    }
}

/// CPU time of this thread.
fn driver_cpu_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}
