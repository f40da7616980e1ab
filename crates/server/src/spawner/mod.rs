//! The role spawner: starts, watches and stops game servers on one machine, keeps some idle ones ready,
//! gives them to areas, and serves each the Agones SDK.
//!
//! One task owns everything; all that can happen to it is [`Event`]. Game servers outlive it: a spawner
//! that was killed and started again finds them by their records and goes on with them.
//!
//! | file | does |
//! |---|---|
//! | [`allocate`] | gives an area its server, tells central |
//! | [`pool`] | starts what is missing, takes over what runs, sees what ends |
//! | [`server`] | one server: deadlines, what its watchers see |
//! | [`kind`] | crashes, pauses, the crash-loop limit |
//! | [`logs`] | keeps the servers' logs from filling the disk |
//! | [`ports`] [`process`] [`record`] [`settings`] | what their names say |
//! | [`upgrade`] | no new areas here; another program for new servers |
//! | [`sdk`] | the SDK endpoint |

mod allocate;
mod kind;
mod logs;
mod pool;
mod ports;
mod process;
mod record;
pub mod sdk;
mod server;
mod settings;
mod upgrade;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use pangea_world::id::ServerId;
use pangea_world::messages::{Body, ServerExited};
use pangea_world::role_key::RoleKey;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::clock::{unix_ms, unix_s};
use crate::{config, link};
use allocate::Waiting;
use kind::Kind;
#[cfg(feature = "simulation")]
pub(crate) use process::{Notify, Order};
use server::Server;
use settings::Settings;

/// Most calls of game servers that wait for the spawner's task; then the callers wait.
const EVENT_QUEUE: usize = 1_024;

/// Most events that are handled before the task settles what they led to.
const EVENTS_PER_TURN: usize = 256;

/// What a spawner needs to begin.
#[derive(Debug, Clone)]
pub struct SpawnerStart {
    /// Its settings.
    pub config: config::Spawner,
    /// Folder for records (`run`) and logs (`logs`).
    pub data: PathBuf,
    /// Its key; the keys of its servers are derived from it.
    pub key: RoleKey,
    /// SHA-256 of central's certificate; `None`: plain TCP (loopback).
    pub pin: Option<[u8; 32]>,
    /// What is logged, handed on to game servers as `PANGEA_LOG`.
    pub log: String,
    /// Limits handed on to our own game servers.
    pub limits: config::Limits,
    /// This program, for `… area`.
    pub program: PathBuf,
}

/// All that can happen to a spawner.
#[derive(Debug)]
pub enum Event {
    /// A game server used its SDK.
    Sdk(ServerId, sdk::Call),
    /// A game server's process has ended, so.
    Exited(ServerId, String),
    /// Something on the link to central.
    Link(link::Event),
}

/// Runs until `shutdown` is true: then all servers are stopped, gracefully at first. Dropped or killed
/// instead, it leaves them running for the next one.
///
/// # Errors
/// If the folder, the ports or a template cannot be used, or central refuses this spawner for good.
pub async fn run(start: SpawnerStart, mut shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
    let (mut spawner, mut events, mut link_events) = Spawner::open(start)?;
    spawner.adopt().await?;
    loop {
        spawner.settle();
        if spawner.stopping && spawner.servers.is_empty() {
            return Ok(());
        }
        let deadline = spawner.deadline();
        // Stop first, then what servers say, then central: who asks for a server sees the newest state.
        let event = tokio::select! {
            biased;
            () = asked_to_stop(&mut shutdown), if !spawner.stopping => {
                spawner.stop_all();
                continue;
            }
            Some(event) = events.recv() => event,
            event = link_events.recv(), if !spawner.link_ended => match event {
                Some(event) => Event::Link(event),
                None => {
                    spawner.link_ended = true;
                    continue;
                }
            },
            () = tokio::time::sleep_until(deadline) => continue,
        };
        spawner.handle(event)?;
        for _ in 1..EVENTS_PER_TURN {
            match events.try_recv() {
                Ok(event) => spawner.handle(event)?,
                Err(_) => break,
            }
        }
    }
}

async fn asked_to_stop(shutdown: &mut watch::Receiver<bool>) {
    if shutdown.wait_for(|stop| *stop).await.is_err() {
        // Nobody is left who could ask.
        std::future::pending().await
    }
}

/// The role's state.
struct Spawner {
    settings: Arc<Settings>,
    folder: record::Folder,
    range: ports::Range,
    kinds: BTreeMap<String, Kind>,
    servers: BTreeMap<ServerId, Server>,
    /// Areas without a server yet, in the order in which they asked.
    waiting: VecDeque<Waiting>,
    /// Ended while no spawner was there; told to central once.
    ended_before: Vec<ServerExited>,
    /// Central's public keys as a JSON Web Key Set, once known.
    ticket_keys: Option<String>,
    events: mpsc::Sender<Event>,
    link: link::Sender,
    link_ended: bool,
    /// Whether central was told what runs here; before that nothing else is said.
    introduced: bool,
    /// What our servers are started from, and another program that is being tried.
    program: PathBuf,
    trying: Option<upgrade::Trying>,
    /// No new areas, but servers are kept ready.
    cordoned: bool,
    /// No new server, no new area; idle ones are stopped.
    draining: bool,
    /// All servers are being stopped; ends with the last one.
    stopping: bool,
    /// When the logs are looked at next, and whether that still runs.
    logs_due: Instant,
    tidying: Option<tokio::task::JoinHandle<()>>,
}

type Opened = (Spawner, mpsc::Receiver<Event>, mpsc::Receiver<link::Event>);

impl Spawner {
    fn open(start: SpawnerStart) -> anyhow::Result<Opened> {
        let folder = record::Folder::open(&start.data)?;
        let range = ports::Range::parse(&start.config.ports)?;
        let program = start.program.clone();
        let settings = Arc::new(Settings::new(start)?);
        let (events_tx, events) = mpsc::channel(EVENT_QUEUE);
        let (link, link_events) = link::open(settings.opener());
        let spawner = Self {
            kinds: settings.kinds(),
            settings,
            range,
            servers: BTreeMap::new(),
            waiting: VecDeque::new(),
            ended_before: Vec::new(),
            ticket_keys: None,
            events: events_tx,
            link,
            link_ended: false,
            introduced: false,
            program,
            trying: None,
            cordoned: folder.is_cordoned(),
            folder,
            draining: false,
            stopping: false,
            logs_due: Instant::now(),
            tidying: None,
        };
        Ok((spawner, events, link_events))
    }

    fn handle(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Sdk(server, call) => self.sdk_call(server, call),
            Event::Exited(server, how) => self.exited(server, &how),
            Event::Link(link::Event::Up { resumed }) => {
                if !resumed {
                    self.introduce();
                }
            }
            Event::Link(link::Event::Down) => tracing::warn!("central is away; the game servers go on"),
            Event::Link(link::Event::Message(body)) => self.told(body),
            Event::Link(link::Event::Refused(refusal)) => {
                self.abandon_idle();
                bail!("central refuses the spawner «{}»: {refusal}", self.settings.name);
            }
        }
        Ok(())
    }

    fn told(&mut self, body: Body) {
        match body {
            Body::Allocate(wish) => self.allocate(wish),
            Body::StopServer(stop) => self.stop_server(&stop),
            Body::TicketKeys(keys) => self.set_ticket_keys(&keys),
            Body::ShowOut(show_out) => self.show_out(&show_out),
            Body::Cordon(cordon) => self.set_cordon(cordon.on),
            Body::Upgrade(wish) => self.upgrade(&wish),
            Body::Drain(_) => {
                tracing::info!("draining: no new servers; idle ones stop");
                self.draining = true;
            }
            other => tracing::warn!(?other, "central said what a spawner does not know"),
        }
    }

    fn sdk_call(&mut self, server: ServerId, call: sdk::Call) {
        // One whose process has just ended: dropping the call answers it with «unavailable».
        let id = server;
        let Some(server) = self.servers.get_mut(&server) else { return };
        if server.answer(call, Instant::now(), unix_ms()) {
            tracing::info!(
                server = %server.record.server, template = %server.record.template,
                ready_ms = server.record.ready_ms, "ready"
            );
            if let Some(kind) = self.kinds.get_mut(&server.record.template) {
                kind.came_up();
            }
            self.tried_well(id);
        }
    }

    fn stop_all(&mut self) {
        self.stopping = true;
        let (now, grace) = (Instant::now(), self.settings.stop_timeout);
        tracing::info!(servers = self.servers.len(), "stopping all game servers");
        for server in self.servers.values_mut() {
            server.stop(now, unix_s(), grace);
        }
    }

    /// After each turn: what is due, then areas that wait, then what is missing, then the news for central.
    fn settle(&mut self) {
        let (now, now_ms) = (Instant::now(), unix_ms());
        for server in self.servers.values_mut() {
            server.step(now, now_ms);
        }
        if self.draining {
            self.stop_idle();
        }
        self.serve_waiting();
        self.start_missing();
        self.tidy_logs(now);
        self.tell_news();
    }

    /// Off this task: a long log is copied.
    fn tidy_logs(&mut self, now: Instant) {
        if now < self.logs_due {
            return;
        }
        self.logs_due = now + logs::INTERVAL;
        if self.tidying.as_ref().is_some_and(|running| !running.is_finished()) {
            return;
        }
        let of = |server: &Server| self.settings.log(&server.record.template, server.record.server);
        let living = self.servers.values().map(of).collect();
        let (folder, bounds) = (self.settings.logs.clone(), self.settings.log_bounds);
        self.tidying = Some(crate::task::spawn(async move {
            let _ = crate::task::blocking(move || logs::tidy(&folder, &living, bounds)).await;
        }));
    }

    fn deadline(&self) -> Instant {
        let (now, now_ms) = (Instant::now(), unix_ms());
        let servers = self.servers.values().filter_map(|server| server.deadline(now, now_ms));
        let kinds = self.kinds.values().filter_map(|kind| kind.wait_until(now));
        servers.chain(kinds).min().map_or(self.logs_due, |due| due.min(self.logs_due))
    }
}
