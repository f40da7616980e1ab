//! One game server under the spawner: its process, its SDK endpoint, its deadlines.

use std::sync::Arc;
use std::time::Duration;

use pangea_sdk::GameServer;
use pangea_world::messages::ServerInfo;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tonic::Status;

use super::process::Process;
use super::record::Record;
use super::sdk::state::{Frame, Phase};
use super::sdk::{Call, MAX_WATCHERS, Serving, WATCH_BACKLOG};
use super::settings::Settings;

/// How long a server that said Shutdown may take to end by itself before it is asked to.
const OWN_END: Duration = Duration::from_secs(1);

/// The SDK's list from which central learns who is on a third-party server.
pub const PLAYERS: &str = "players";

/// Why a server is about to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Central or the spawner asked for it.
    Asked,
    /// It said Shutdown itself.
    Done,
    /// It failed; the sentence says how.
    Failed(String),
}

/// One server.
#[derive(Debug)]
pub struct Server {
    /// What is kept of it.
    pub record: Record,
    /// Set once it is about to end.
    pub ending: Option<Ending>,
    /// By force.
    pub killed: bool,
    process: Process,
    _serving: Serving,
    settings: Arc<Settings>,
    changes: broadcast::Sender<Arc<GameServer>>,
    shown: Arc<GameServer>,
    shown_version: u64,
    started: Instant,
    heard: Instant,
    terminate_at: Option<Instant>,
    kill_at: Option<Instant>,
    reported: ServerInfo,
    saved_version: u64,
}

impl Server {
    /// A server whose process runs, started so long ago.
    pub fn new(
        record: Record,
        process: Process,
        serving: Serving,
        settings: Arc<Settings>,
        started: Instant,
        now: Instant,
    ) -> Self {
        let shown = Arc::new(show(&record, &settings));
        Self {
            shown_version: record.state.version,
            shown,
            changes: broadcast::channel(WATCH_BACKLOG).0,
            record,
            ending: None,
            killed: false,
            process,
            _serving: serving,
            settings,
            started,
            heard: now,
            terminate_at: None,
            kill_at: None,
            reported: ServerInfo::default(),
            saved_version: 0,
        }
    }

    /// Whether it can be given an area.
    pub fn is_idle(&self) -> bool {
        self.record.state.phase == Phase::Ready && self.record.area.is_none() && self.ending.is_none()
    }

    /// Whether it may become idle soon.
    pub fn is_starting(&self) -> bool {
        self.record.state.phase == Phase::Starting && self.ending.is_none()
    }

    /// Whether somebody used it: by an area, or by itself.
    pub fn was_used(&self) -> bool {
        self.record.area.is_some() || self.record.state.annotations.contains_key("agones.dev/last-allocated")
    }

    /// Answers one call of the SDK. True if it became Ready for the first time.
    pub fn answer(&mut self, call: Call, now: Instant, now_ms: u64) -> bool {
        match call {
            Call::Health => self.heard = now,
            Call::Get(reply) => {
                let _ = reply.send(self.shown.clone());
            }
            Call::Watch(reply) => {
                let _ = reply.send(if self.changes.receiver_count() >= MAX_WATCHERS {
                    Err(Status::resource_exhausted(format!("a server has at most {MAX_WATCHERS} watchers")))
                } else {
                    Ok((self.shown.clone(), self.changes.subscribe()))
                });
            }
            Call::Verb(verb, reply) => {
                let was = self.record.state.phase;
                let answer = self.record.state.apply(verb, now_ms);
                let is = self.record.state.phase;
                if was != is && was == Phase::Starting {
                    self.heard = now;
                }
                let first = is == Phase::Ready && self.record.ready_ms.is_none();
                if first {
                    let took = now.duration_since(self.started).as_millis();
                    self.record.ready_ms = Some(u32::try_from(took).unwrap_or(u32::MAX));
                }
                self.publish();
                let _ = reply.send(answer);
                return first;
            }
        }
        false
    }

    /// Tells it to stop: at once visible to its watchers, asked to now, killed after `grace`.
    pub fn stop(&mut self, now: Instant, now_s: u64, grace: Duration) {
        self.begin_ending(Ending::Asked, now_s);
        if grace.is_zero() {
            self.kill();
        } else {
            self.process.terminate();
            self.terminate_at = None;
            self.kill_at = Some(self.kill_at.map_or(now + grace, |earlier| earlier.min(now + grace)));
        }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.terminate_at = None;
        self.kill_at = None;
        self.killed = true;
        self.process.kill();
    }

    /// Does what is due by now.
    pub fn step(&mut self, now: Instant, now_ms: u64) {
        self.record.state.expire(now_ms);
        let ready_timeout = self.settings.ready_timeout;
        let health_timeout = self.settings.health_timeout;
        match self.record.state.phase {
            _ if self.ending.is_some() => {}
            Phase::Starting if now >= self.started + ready_timeout => {
                self.fail(format!("not Ready within {} s", ready_timeout.as_secs()), now_ms);
            }
            Phase::Ready | Phase::Allocated | Phase::Reserved
                if health_timeout.is_some_and(|timeout| now >= self.heard + timeout) =>
            {
                self.record.state.enter(Phase::Unhealthy);
                let silent = now.duration_since(self.heard).as_secs();
                self.fail(format!("no Health for {silent} s"), now_ms);
            }
            Phase::Shutdown => {
                self.begin_ending(Ending::Done, now_ms / 1_000);
                self.terminate_at = Some(now + OWN_END);
                self.kill_at = Some(now + OWN_END + self.settings.stop_timeout);
            }
            Phase::Unhealthy => self.fail("Unhealthy".to_owned(), now_ms),
            Phase::Starting | Phase::Ready | Phase::Allocated | Phase::Reserved => {}
        }
        if self.terminate_at.is_some_and(|at| at <= now) {
            self.terminate_at = None;
            self.process.terminate();
        }
        if self.kill_at.is_some_and(|at| at <= now) {
            tracing::warn!(server = %self.record.server, "did not stop in time and is killed");
            self.kill();
        }
    }

    /// When [`Server::step`] has something to do next.
    pub fn deadline(&self, now: Instant, now_ms: u64) -> Option<Instant> {
        let reserve = self.record.state.reserved_until_ms;
        let reserve =
            reserve.map(|until| now + Duration::from_millis(until.saturating_sub(now_ms)).min(LONGEST));
        let life = match self.record.state.phase {
            _ if self.ending.is_some() => None,
            Phase::Starting => Some(self.started + self.settings.ready_timeout),
            Phase::Ready | Phase::Allocated | Phase::Reserved => {
                self.settings.health_timeout.map(|timeout| self.heard + timeout)
            }
            Phase::Shutdown | Phase::Unhealthy => Some(now),
        };
        [reserve, life, self.terminate_at, self.kill_at].into_iter().flatten().min()
    }

    /// Shows a change to the watchers. True if there was one.
    pub fn publish(&mut self) -> bool {
        if self.shown_version == self.record.state.version {
            return false;
        }
        self.shown_version = self.record.state.version;
        self.shown = Arc::new(show(&self.record, &self.settings));
        // No receiver is no error: nobody watches.
        let _ = self.changes.send(self.shown.clone());
        true
    }

    /// Whether its record changed since the last time this was asked.
    pub fn is_unsaved(&mut self) -> bool {
        std::mem::replace(&mut self.saved_version, self.record.state.version) != self.record.state.version
    }

    /// What central is told of it.
    pub fn info(&self) -> ServerInfo {
        let state = &self.record.state;
        let players = state.lists.get(PLAYERS);
        ServerInfo {
            server: self.record.server.to_vec(),
            template: self.record.template.clone(),
            state: state.phase.as_str().to_owned(),
            address: self.settings.advertise.clone(),
            port: self.record.ports.game.into(),
            area: self.record.area.map(|area| area.to_vec()).unwrap_or_default(),
            players: players.map(|list| list.values.clone()).unwrap_or_default(),
            player_capacity: players.map_or(0, |list| u32::try_from(list.capacity).unwrap_or(0)),
            pid: self.record.pid,
            ready_ms: self.record.ready_ms.unwrap_or(0),
            path: self.settings.path(&self.record.template),
            program: self.record.program.clone(),
        }
    }

    /// What central is told of it, if that changed since the last time.
    pub fn news(&mut self) -> Option<ServerInfo> {
        let info = self.info();
        if info == self.reported {
            return None;
        }
        self.reported = info.clone();
        Some(info)
    }

    fn fail(&mut self, how: String, now_ms: u64) {
        tracing::warn!(server = %self.record.server, template = %self.record.template, "killed: {how}");
        self.begin_ending(Ending::Failed(how), now_ms / 1_000);
        self.kill();
    }

    fn begin_ending(&mut self, ending: Ending, now_s: u64) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            self.record.state.deleted_s = now_s;
            self.record.state.version += 1;
        }
        self.record.state.enter(Phase::Shutdown);
        self.publish();
    }
}

/// Longest sleep for one deadline; it is looked at again then.
const LONGEST: Duration = Duration::from_secs(86_400);

fn show(record: &Record, settings: &Settings) -> GameServer {
    record.state.shown(Frame {
        name: &record.server.to_string(),
        spawner: &settings.name,
        address: &settings.advertise,
        port: record.ports.game,
        health_timeout_s: settings.health_timeout.map_or(0, |timeout| timeout.as_secs()),
        ready_timeout_s: settings.ready_timeout.as_secs(),
    })
}
