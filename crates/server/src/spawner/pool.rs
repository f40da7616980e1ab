//! Starts what is missing, takes over what runs, sees what ends.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context as _;
use pangea_world::id::ServerId;
use pangea_world::messages::{Body, ServerExited};
use pangea_world::{Code, Refusal};
use tokio::time::Instant;

use super::ports::{Ports, Taken};
use super::process::{Notify, Process, UNKNOWN, boot_id};
use super::record::Record;
use super::sdk::Endpoint;
use super::sdk::state::{Counter, List, MAX_LIST_CAPACITY, Phase, State};
use super::server::{Ending, PLAYERS, Server};
use super::{Event, Spawner};
use crate::clock::{unix_ms, unix_s};
use crate::net::{Reserved, TcpListener};
use crate::random;

/// Most servers that start at the same time; more only slow each other down.
const STARTING_MAX: usize = 8;

impl Spawner {
    /// Takes over the servers of an earlier spawner that still run; forgets the others.
    ///
    /// # Errors
    /// If the folder of records cannot be read.
    pub(super) async fn adopt(&mut self) -> anyhow::Result<()> {
        let boot = boot_id();
        for record in self.folder.load()? {
            let server = record.server;
            let process = (record.boot == boot)
                .then(|| Process::adopt(record.pid, record.start_ticks, self.on_exit(server)))
                .flatten();
            let Some(process) = process else {
                tracing::info!(%server, template = %record.template, "ended while no spawner was there");
                self.folder.forget(server);
                self.ended_before.push(ServerExited {
                    server: server.to_vec(),
                    how: "ended while no spawner was there".to_owned(),
                    area: record.area.map(|area| area.to_vec()).unwrap_or_default(),
                    in_order: false,
                });
                continue;
            };
            self.take_over(record, process).await;
        }
        self.stop_superfluous();
        Ok(())
    }

    async fn take_over(&mut self, record: Record, process: Process) {
        let (server, now) = (record.server, Instant::now());
        let wanted = self.kinds.contains_key(&record.template);
        let serving = match listen_again(record.ports).await {
            Ok((grpc, rest)) => Endpoint::new(server, self.events.clone()).serve(grpc, rest),
            Err(error) => {
                tracing::error!(%server, error = format!("{error:#}"), "cannot be taken over and is killed");
                process.kill();
                self.folder.forget(server);
                return;
            }
        };
        tracing::info!(
            %server, template = %record.template, pid = record.pid, state = record.state.phase.as_str(),
            "took over a running server"
        );
        self.range.keep(record.ports);
        let age = Duration::from_millis(unix_ms().saturating_sub(record.state.created_s * 1_000));
        // One that was starting gets its time anew, so that nothing ends for the spawner's absence.
        let starting = record.state.phase == Phase::Starting;
        let started = if starting { now } else { now.checked_sub(age).unwrap_or(now) };
        let mut server = Server::new(record, process, serving, self.settings.clone(), started, now);
        if !wanted {
            server.stop(now, unix_s(), self.settings.stop_timeout);
        }
        self.servers.insert(server.record.server, server);
    }

    /// Stops idle servers over the pool's size (after a change of the settings).
    fn stop_superfluous(&mut self) {
        for (name, kind) in &self.kinds {
            let idle = self
                .servers
                .values_mut()
                .filter(|server| server.record.template == *name && server.is_idle());
            for server in idle.skip(kind.template.pool as usize) {
                server.stop(Instant::now(), unix_s(), self.settings.stop_timeout);
            }
        }
    }

    /// Stops all servers that nobody uses.
    pub(super) fn stop_idle(&mut self) {
        for server in self.servers.values_mut().filter(|server| server.is_idle() || server.is_starting()) {
            server.stop(Instant::now(), unix_s(), self.settings.stop_timeout);
        }
    }

    /// Ends all servers that nobody uses, without waiting: this spawner is of no use to anybody.
    pub(super) fn abandon_idle(&mut self) {
        for server in self.servers.values_mut().filter(|server| !server.was_used()) {
            server.kill();
            self.folder.forget(server.record.server);
        }
    }

    /// Starts servers until each kind has its idle ones and each waiting area one to come.
    pub(super) fn start_missing(&mut self) {
        if self.draining || self.stopping {
            let refusal = Refusal::new(Code::Stopping, "this spawner starts nothing any more");
            self.refuse_waiting(|_| true, &refusal);
            return;
        }
        let names: Vec<String> = self.kinds.keys().cloned().collect();
        for name in names {
            while self.is_missing(&name) {
                let now = Instant::now();
                let Some(kind) = self.kinds.get(&name) else { break };
                if let Err(refusal) = kind.check(&name, now) {
                    self.refuse_waiting(|waiting| waiting.template == name, &refusal);
                    break;
                }
                let starting = self.servers.values().filter(|server| server.is_starting()).count();
                if kind.wait_until(now).is_some() || starting >= STARTING_MAX {
                    break;
                }
                if let Err(refusal) = self.start(&name) {
                    self.could_not_start(&name, &refusal);
                    break;
                }
            }
        }
    }

    fn is_missing(&self, name: &str) -> bool {
        let of_kind = self.servers.values().filter(|server| server.record.template == name);
        let have = of_kind.filter(|server| server.is_idle() || server.is_starting()).count();
        let pool = self.kinds.get(name).map_or(0, |kind| kind.template.pool as usize);
        have < pool + self.waiting_for(name)
    }

    fn could_not_start(&mut self, name: &str, refusal: &Refusal) {
        if refusal.code == Code::SpawnerFull {
            // Those that start already are for the first in line.
            let of_kind = self.servers.values().filter(|server| server.record.template == name);
            let coming = of_kind.filter(|server| server.is_starting()).count();
            self.refuse_waiting_after(name, coming, refusal);
            return;
        }
        tracing::error!(template = name, "{refusal}");
        self.refuse_waiting(|waiting| waiting.template == name, refusal);
        self.count_crash(name);
    }

    fn count_crash(&mut self, name: &str) {
        let Some(kind) = self.kinds.get_mut(name) else { return };
        let now = Instant::now();
        if kind.crashed(now)
            && let Err(refusal) = kind.check(name, now)
        {
            tracing::error!(template = name, "{refusal}");
        }
    }

    /// Starts one more server of a kind.
    pub(super) fn start(&mut self, name: &str) -> Result<ServerId, Refusal> {
        if self.servers.len() >= self.settings.capacity {
            return Refusal::err(
                Code::SpawnerFull,
                format!("this spawner runs as many servers as it may ({})", self.settings.capacity),
            );
        }
        let Some(taken) = self.range.take(self.settings.bind) else {
            return Refusal::err(Code::SpawnerFull, "this spawner has no free ports left");
        };
        let ports = taken.ports;
        let started = self.start_with(name, taken);
        if started.is_err() {
            self.range.free(ports);
        }
        started.map_err(|error: anyhow::Error| {
            Refusal::new(Code::SpawnerTemplate, format!("the kind «{name}» cannot be started: {error:#}"))
        })
    }

    fn start_with(&mut self, name: &str, taken: Taken) -> anyhow::Result<ServerId> {
        let kind = self.kinds.get(name).context("there is no such kind")?;
        let server = ServerId(random::bytes());
        let now = Instant::now();
        let mut state = State::new(unix_s());
        for (name, counter) in &kind.template.counters {
            let counter = Counter { count: counter.count.into(), capacity: counter.capacity.into() };
            state.counters.insert(name.clone(), counter);
        }
        for (name, list) in &kind.template.lists {
            let capacity = i64::from(list.capacity).min(MAX_LIST_CAPACITY);
            state.lists.insert(name.clone(), List { capacity, values: list.values.clone() });
        }
        if !kind.is_ours() {
            state.lists.entry(PLAYERS.to_owned()).or_insert(List { capacity: 0, values: Vec::new() });
        }
        if let Some(keys) = &self.ticket_keys {
            state.annotate(super::allocate::TICKET_KEYS, keys);
        }
        let order = self.settings.order(name, kind, server, taken.ports, &self.program)?;
        let program =
            if kind.is_ours() { self.program.to_string_lossy().into_owned() } else { String::new() };
        let process = Process::start(order, self.on_exit(server))?;
        let record = Record {
            server,
            template: name.to_owned(),
            boot: boot_id(),
            pid: process.pid,
            start_ticks: process.start_ticks,
            ports: taken.ports,
            area: None,
            program,
            ready_ms: None,
            state,
        };
        // Its calls wait in the listeners, open since before it was started.
        let kept =
            self.folder.save(&record).and_then(|()| Ok((listener(taken.grpc)?, listener(taken.rest)?)));
        let (grpc, rest) = match kept {
            Ok(listeners) => listeners,
            Err(error) => {
                process.kill();
                return Err(error.context("its record cannot be kept"));
            }
        };
        let serving = Endpoint::new(server, self.events.clone()).serve(grpc, rest);
        tracing::debug!(%server, template = name, pid = process.pid, port = taken.ports.game, "started");
        self.servers.insert(server, Server::new(record, process, serving, self.settings.clone(), now, now));
        Ok(server)
    }

    /// A process has ended: its ports are free again, central is told, a crash counts.
    pub(super) fn exited(&mut self, server: ServerId, how: &str) {
        let Some(server) = self.servers.remove(&server) else { return };
        let record = &server.record;
        self.range.free(record.ports);
        self.folder.forget(record.server);
        // Nobody knows the code of an adopted one: if it was to end, and nobody killed it, it ended well.
        let as_wished = record.state.phase == Phase::Shutdown && !server.killed;
        let in_order = how == "exit 0" || how == UNKNOWN && as_wished;
        let how = match &server.ending {
            Some(Ending::Failed(why)) => format!("{why}, {how}"),
            Some(Ending::Asked | Ending::Done) | None => how.to_owned(),
        };
        let failed =
            matches!(server.ending, Some(Ending::Failed(_))) || record.state.phase != Phase::Shutdown;
        let log = self.settings.log(&record.template, record.server);
        if !failed {
            tracing::info!(server = %record.server, template = %record.template, how, "stopped");
        } else {
            tracing::warn!(server = %record.server, template = %record.template, how, log = %log.display(), "crashed");
        }
        let area = record.area.map(|area| area.to_vec()).unwrap_or_default();
        self.tell(Body::ServerExited(ServerExited {
            server: record.server.to_vec(),
            how: how.clone(),
            area,
            in_order,
        }));
        // One that ends of its own will before anybody used it would be started again and again.
        let tried = self.tried_in_vain(record.server, &how);
        if !tried && server.ending != Some(Ending::Asked) && !server.was_used() {
            self.count_crash(&record.template.clone());
        }
    }

    fn on_exit(&self, server: ServerId) -> impl FnOnce(String) -> Notify + Send + 'static {
        let events = self.events.clone();
        move |how| {
            Box::pin(async move {
                let _ = events.send(Event::Exited(server, how)).await;
            })
        }
    }
}

fn listener(listener: Reserved) -> anyhow::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    Ok(TcpListener::from_std(listener)?)
}

/// How often, and in which steps, a port is tried that a process just killed may hold a moment longer.
const LISTEN_TRIES: u32 = 20;
const LISTEN_PAUSE: Duration = Duration::from_millis(100);

/// Listens on the SDK ports that a running server knows.
async fn listen_again(ports: Ports) -> anyhow::Result<(TcpListener, TcpListener)> {
    Ok((listen_on(ports.grpc).await?, listen_on(ports.rest).await?))
}

async fn listen_on(port: u16) -> anyhow::Result<TcpListener> {
    let mut tries = 0;
    loop {
        match Reserved::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(open) => return listener(open),
            Err(error) if tries == LISTEN_TRIES => {
                return Err(error).with_context(|| format!("its SDK port {port} is taken"));
            }
            Err(_) => tries += 1,
        }
        tokio::time::sleep(LISTEN_PAUSE).await;
    }
}
