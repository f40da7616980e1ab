//! The loop: one thread, a fixed rate. Per tick: what the control task says, what clients and neighbours sent, one
//! step, and one write to each neighbour and client that is told something new. Sockets are read only at the tick: waking for
//! each input costs more than the step itself, and inputs are applied at the tick anyway.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use pangea_engine::sim::centimetres;
use pangea_engine::update::Eyes;
use pangea_world::frames::{ServerMessage, close};
use pangea_world::messages::{Body, Heartbeat, Stopped};
use pangea_world::{Code, Refusal};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::bell::Bell;
use super::clock::{Clock, Lease};
use super::here::Area;
use super::mailbox::{FromLoop, Gauges, ToLoop};
use super::pace::Pace;
use super::socket::Received;
use super::traffic::Traffic;

/// How long a stop waits for handoffs that central has not decided, and for clients to read, ms.
const STOP_MS: u64 = 2_000;

/// How much faster than ours a client's clock may run.
const CLOCKS: f32 = 1.0 + 1.0 / 64.0;

/// From so many periods on without a look at what clients sent all of it counts.
const LATE_TICKS: u64 = 2;

/// The loop and what it needs beside its area.
pub struct Loop {
    area: Area,
    clock: Clock,
    lease: Lease,
    mail: mpsc::Receiver<ToLoop>,
    gauges: Arc<Gauges>,
    traffic: Traffic,
    /// Slots of clients that came over WebTransport.
    sessions: Vec<usize>,
    stopping: Option<Stopping>,
    second: Second,
    pace: Pace,
}

#[derive(Debug)]
struct Stopping {
    why: &'static str,
    owner: bool,
    until_ms: u64,
    saved: bool,
}

/// What is counted over a second.
#[derive(Debug, Default)]
struct Second {
    began_ms: u64,
    ticks: u32,
    busy_us: u64,
}

impl Loop {
    /// A loop over an area.
    ///
    /// # Errors
    /// If the system has no epoll to give.
    pub fn new(
        area: Area,
        clock: Clock,
        lease: Lease,
        mail: mpsc::Receiver<ToLoop>,
    ) -> std::io::Result<Self> {
        let gauges = area.gauges.clone();
        let traffic = Traffic::new()?;
        Ok(Self {
            area,
            clock,
            lease,
            mail,
            gauges,
            traffic,
            sessions: Vec::new(),
            stopping: None,
            second: Second::default(),
            pace: Pace::default(),
        })
    }

    /// Ticks until a stop, or until the control task is gone.
    #[cfg_attr(feature = "simulation", allow(dead_code, reason = "a task instead"))]
    pub fn run(mut self, bell: &Bell) {
        self.traffic.take_ring(self.area.settings.io);
        let mut due_us = self.clock.now_us();
        while self.tick() {
            if bell.sleep(self.until_next(&mut due_us)) {
                due_us = self.clock.now_us();
            }
        }
    }

    /// The same as a task, in virtual time.
    #[cfg(feature = "simulation")]
    pub async fn run_as_task(mut self, bell: Arc<Bell>) {
        let mut due_us = self.clock.now_us();
        while self.tick() {
            if self.area.acts {
                let settings = &self.area.settings;
                let area = (settings.area, settings.name.as_str());
                crate::simulation::acted(area, settings.epoch, &self.area.acts_for());
            }
            crate::simulation::net::ticked();
            if bell.sleep_as_task(self.until_next(&mut due_us)).await {
                due_us = self.clock.now_us();
            }
        }
        drop(self);
        crate::simulation::net::ticked();
    }

    /// How long the next tick, due a period after `due_us`, is waited for.
    fn until_next(&mut self, due_us: &mut u64) -> Duration {
        let period_us = 1_000_000 / u64::from(self.area.settings.tick_hz.max(1));
        *due_us += period_us * 100 / u64::from(self.pace.percent());
        let now_us = self.clock.now_us();
        // Late: the ticks that were missed are not made up; what clients sent meanwhile counts, as it is read.
        *due_us = now_us.max(*due_us);
        Duration::from_micros(*due_us - now_us)
    }

    /// One tick; false when it was the last one.
    fn tick(&mut self) -> bool {
        let began_us = self.clock.now_us();
        self.area.now_ms = began_us / 1_000;
        // Checked again before anything is told: the process may have been stopped in between.
        self.area.acts = self.lease.holds(self.area.now_ms);
        #[cfg(feature = "simulation")]
        {
            self.area.acts |= crate::simulation::without(crate::simulation::Check::Lease);
        }
        if !self.take_mail() {
            return false;
        }
        // What comes while the lease does not hold stays unread too: it is not lost.
        if self.area.acts && self.area.moving.plays() {
            self.read();
        }
        let plays = self.area.moving.plays();
        self.area.acts &= plays;
        if plays {
            self.area.hear_peers(self.traffic.scratch());
        }
        if self.area.acts {
            self.area.sim.step(CLOCKS);
            self.area.tell_events();
            self.gauges.refusals.count_game(self.area.sim.take_refusals());
            if !self.area.moving.settles() {
                self.area.enter_portals();
                self.area.watch_borders();
            }
        }
        self.area.let_time_pass();
        self.area.send_chunks();
        self.area.ask_ledger();
        self.area.move_on();
        self.area.tell_talk();
        let updates = self.area.acts && self.lease.holds(self.clock.now_ms());
        if updates {
            self.area.tell_peers();
        }
        self.area.tell_waiting();
        let shows = self.area.moving.shows();
        self.write(updates || shows);
        self.ring();
        self.keep_pace(began_us);
        self.measure(began_us);
        let goes_on = self.stop_if_done();
        self.area.tell_waiting();
        goes_on
    }

    /// False if the control task is gone.
    fn take_mail(&mut self) -> bool {
        loop {
            let mail = match self.mail.try_recv() {
                Ok(mail) => mail,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            };
            let area = &mut self.area;
            match mail {
                ToLoop::Enter(entrance) => area.enter(*entrance),
                ToLoop::Withdraw(at) => area.on_withdraw(&at),
                ToLoop::Kick(kick) => area.on_kick(&kick),
                ToLoop::Grant(at) => area.on_grant(at),
                ToLoop::Seal(seal) => area.on_seal(&seal),
                ToLoop::Beside(at) => area.on_beside(&at),
                ToLoop::Invite(invite) => area.on_invite(invite),
                ToLoop::Where => area.say_where(),
                ToLoop::Beyond(grounds) => area.on_beyond(grounds),
                ToLoop::CopyArea(copy) => area.on_copy(copy),
                ToLoop::AreaCopied(copied) => area.on_copied(&copied),
                ToLoop::Settle(settle) => area.on_settle(&settle),
                ToLoop::Freeze(freeze) => area.on_freeze(&freeze),
                ToLoop::AreaMoved(moved) => {
                    if area.on_area_moved(&moved) {
                        self.begin_stop("", "moved", false);
                    }
                }
                ToLoop::TakeOver(over, packed) => area.on_take_over(*over, packed),
                ToLoop::Committed(at) => area.on_committed(&at),
                ToLoop::Aborted(at) => area.on_aborted(&at),
                ToLoop::Stale(at) => area.on_stale(&at),
                ToLoop::GoOnReply(reply) => area.on_go_on_reply(reply),
                ToLoop::LedgerResults(results) => area.on_ledger_results(results),
                ToLoop::Belongings(belongings) => area.on_belongings(&belongings),
                ToLoop::AreaSaved(saved) => area.on_saved(&saved),
                ToLoop::Social(character, doc) => area.on_social(character, *doc),
                ToLoop::Notice(notice) => area.on_notice(&notice),
                ToLoop::SendOn(on) => area.on_send_on(on),
                ToLoop::Claimed(claim) => area.on_claimed(claim.map(|claim| *claim)),
                ToLoop::Reconnected { epoch } => area.on_reconnected(epoch),
                ToLoop::PeerUp(up) => area.peer_up(*up),
                ToLoop::Chat(name, heard) => area.on_chat(&name, heard),
                ToLoop::PeerGone(server) => area.peer_gone(server),
                ToLoop::Closing(text) => self.say_closing(&text),
                ToLoop::Stop { text, why, owner } => self.begin_stop(&text, why, owner),
            }
        }
    }

    // ---- reading ----

    fn read(&mut self) {
        let now_ms = self.area.now_ms;
        // They may have said more if this process or the area stood still.
        let unread_ms = now_ms - std::mem::replace(&mut self.area.read_ms, now_ms);
        if unread_ms * u64::from(self.area.settings.tick_hz) >= LATE_TICKS * 1_000 {
            let inside = self.area.here.values().filter(|here| here.in_world && here.frozen.is_none());
            for entity in inside.map(|here| here.entity).collect::<Vec<_>>() {
                self.area.make_up(entity, unread_ms);
            }
        }
        let seconds = unread_ms as f32 / 1e3 * CLOCKS;
        let per_second = self.area.settings.messages_per_second;
        for slot in self.area.new_slots.split_off(0) {
            if let Some(Some(client)) = self.area.clients.get(slot) {
                let Some(stream) = client.line.watched() else {
                    if !self.sessions.contains(&slot) {
                        self.sessions.push(slot);
                    }
                    continue;
                };
                if self.traffic.watch(slot, stream).is_err() {
                    tracing::error!(slot, "a socket cannot be watched");
                    self.area.lost(slot);
                }
            }
        }
        for client in self.area.clients.iter_mut().flatten() {
            client.refill(seconds, per_second);
        }
        self.traffic.receive(&mut self.area);
        self.read_sessions();
    }

    /// WebTransport sessions are not watched by epoll: each says by itself whether it has something.
    fn read_sessions(&mut self) {
        let Self { sessions, area, traffic, .. } = self;
        sessions.retain(|&slot| {
            let Some(Some(client)) = area.clients.get_mut(slot) else { return false };
            let Some(session) = client.line.session() else { return false };
            match session.receive(traffic.scratch().plain()) {
                Received::Ended => area.lost(slot),
                Received::Bytes([]) => {}
                Received::Bytes(bytes) => area.read_bytes(slot, bytes),
            }
            true
        });
    }

    /// What the sessions were given in this tick goes out, with one wake-up for all.
    fn ring(&mut self) {
        for slot in &self.sessions {
            if let Some(Some(client)) = self.area.clients.get_mut(*slot) {
                return client.ring();
            }
        }
    }

    // ---- writing ----

    fn write(&mut self, updates: bool) {
        let area = &mut self.area;
        let mut ended = Vec::new();
        for slot in 0..area.clients.len() {
            let Some(client) = &mut area.clients[slot] else { continue };
            match client.flush(area.now_ms) {
                Ok(()) => {}
                Err(code) => {
                    ended.push((slot, code));
                    continue;
                }
            }
            if client.is_closing() || client.is_behind() {
                continue;
            }
            let here = area.here.get_mut(&client.character);
            let mut here = here.filter(|here| updates && here.client == Some(slot));
            let frames = client.put_frames(&mut self.traffic.outgoing, |out| {
                let Some(here) = &mut here else { return };
                let eyes = Eyes {
                    at: area.sim.seen_at(here.entity).unwrap_or_else(|| centimetres(here.eyes)),
                    me: here.entity,
                    acked: area.sim.acked(here.entity),
                    budget: area.settings.update_bytes,
                };
                area.sim.gather(&mut here.view, eyes, out);
            });
            if let Some(here) = here {
                client.send_datagrams(&mut here.view);
            }
            self.traffic.put(slot, frames, &mut area.clients);
        }
        self.traffic.send(&mut area.clients);
        for (slot, code) in ended {
            match code {
                Some(code) => {
                    area.close(slot, code, None);
                    // It does not read: no use in waiting for it to read the reason.
                    area.lost(slot);
                }
                None => area.lost(slot),
            }
        }
    }

    /// The area's time runs as slowly as it must for a step to be done in its time.
    fn keep_pace(&mut self, began_us: u64) {
        let period_us = 1_000_000 / u64::from(self.area.settings.tick_hz.max(1));
        if let Some(percent) = self.pace.ticked(self.clock.now_us() - began_us, period_us) {
            tracing::info!(area = self.area.settings.name, percent, "the area's time has another pace");
            self.area.gauges.pace.store(u32::from(percent), Relaxed);
            for slot in 0..self.area.clients.len() {
                self.area.say(Some(slot), &ServerMessage::Pace { percent });
            }
        }
    }

    // ---- once a second, and at the end ----

    fn measure(&mut self, began_us: u64) {
        let now_us = self.clock.now_us();
        let now_ms = now_us / 1_000;
        self.gauges.beat_ms.store(now_ms, Relaxed);
        self.gauges.tick.store(self.area.sim.tick(), Relaxed);
        self.second.ticks += 1;
        self.second.busy_us += now_us - began_us;
        if now_ms < self.second.began_ms + 1_000 {
            return;
        }
        let tick_us = (self.second.busy_us / u64::from(self.second.ticks)) as u32;
        self.second = Second { began_ms: now_ms, ..Second::default() };
        let players = self.area.here.values().filter(|here| here.in_world).count() as u32;
        self.gauges.tick_us.store(tick_us, Relaxed);
        self.gauges.players.store(players, Relaxed);
        self.area.commit_again();
        self.area.tell_places();
        if self.stopping.is_none() {
            self.area.save_changes();
        }
        let peers = self.area.peer_loads();
        if let Ok(mut shown) = self.gauges.peers.lock() {
            shown.clone_from(&peers);
        }
        let (refusals, pace_percent) = (self.gauges.refusals.told(), self.gauges.pace_percent());
        let rss_kib = resident_kib();
        let sent_ms = now_ms;
        self.area.tell_load(Heartbeat { sent_ms, players, tick_us, rss_kib, peers, refusals, pace_percent });
    }

    fn say_closing(&mut self, text: &str) {
        let notice = ServerMessage::Notice { code: "stopping".into(), text: text.into() };
        for slot in 0..self.area.clients.len() {
            self.area.say(Some(slot), &notice);
        }
    }

    fn begin_stop(&mut self, text: &str, why: &'static str, owner: bool) {
        if self.stopping.is_some() {
            return;
        }
        let until_ms = self.area.now_ms + STOP_MS;
        self.stopping = Some(Stopping { why, owner, until_ms, saved: false });
        self.say_closing(text);
        let everybody: Vec<_> = self.area.here.keys().copied().collect();
        for character in everybody {
            let reason = Some(Refusal::new(Code::Stopping, text));
            if owner {
                self.area.leave(character, close::STOPPING, reason);
            } else {
                self.area.drop_character(character, close::STOPPING, reason);
            }
        }
    }

    /// False when everything is saved and told.
    fn stop_if_done(&mut self) -> bool {
        let area = &mut self.area;
        let Some(stopping) = &mut self.stopping else { return true };
        let late = area.now_ms >= stopping.until_ms;
        let settled = area.here.is_empty() && (area.ledger.pending() == 0 || !stopping.owner);
        if !stopping.saved && (settled || late) {
            stopping.saved = true;
            if stopping.owner {
                let epoch = area.settings.epoch;
                area.save_last();
                area.tell(Body::Stopped(Stopped { epoch, why: stopping.why.into() }));
            }
        }
        if stopping.saved && (late || area.clients.iter().all(Option::is_none)) {
            area.report(FromLoop::Ended);
            return false;
        }
        true
    }
}

impl Area {
    /// Those for whom it acts now.
    #[cfg(feature = "simulation")]
    fn acts_for(&self) -> Vec<crate::simulation::Acts> {
        let here = self.here.iter().filter(|(_, here)| self.acts && here.in_world && here.frozen.is_none());
        here.map(|(character, here)| crate::simulation::Acts { character: *character, epoch: here.epoch })
            .collect()
    }

    /// The heartbeat is worth nothing later: it is not kept when the link is full.
    fn tell_load(&mut self, heartbeat: Heartbeat) {
        if self.has_room() {
            self.tell(Body::Heartbeat(heartbeat));
        }
    }
}

/// Resident memory of this process, KiB; 0 if the system does not say.
pub fn resident_kib() -> u32 {
    if cfg!(feature = "simulation") {
        return 0; // it would be the same for all
    }
    let Ok(text) = std::fs::read_to_string("/proc/self/statm") else { return 0 };
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    (pages * rustix::param::page_size() as u64 / 1_024) as u32
}
