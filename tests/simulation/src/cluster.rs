//! The roles of one cluster, each a process of the simulation; killed, they are started again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use pangea_server::chat::{self, ChatStart};
use pangea_server::config::{self, Config, GameIo};
use pangea_server::simulation::{self, Dice, NodeId, net, note, process};
use pangea_server::spawner::{self, SpawnerStart};
use pangea_server::{central, node};
use pangea_world::role_key::RoleKey;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::game;

/// Central's address.
pub const BASE: &str = "http://127.0.0.1:8080";
/// The world's name.
pub const WORLD: &str = "plain";

/// Spawners by name, and the ports of their servers.
pub const MACHINES: [(&str, &str); 2] = [("near", "7000-7499"), ("far", "7500-7999")];

/// Furthest that a machine's wall clock is from the true time, ms.
const MOST_SKEW_MS: u64 = 5_000;

/// By how much a machine's monotonic clock runs faster or slower than central's at most, millionths: less than what an
/// area leaves unused of its lease (a twentieth), and than by how much a client's may be ahead (a 64th).
const MOST_FASTER_PPM: u64 = 10_000;

/// A cluster.
pub struct Cluster {
    folder: TempDir,
    config: Config,
    /// The process that is central, if it runs.
    pub central: Option<NodeId>,
    /// Those that were central before another one took over, and may not know it.
    superseded: Vec<NodeId>,
    /// Centrals and chats that have ended by themselves.
    ended: Arc<Mutex<BTreeSet<NodeId>>>,
    /// The one that is chat, on central's machine.
    pub chat: Option<NodeId>,
    /// Those that are spawners, each on a machine of its own.
    pub spawners: [Option<NodeId>; MACHINES.len()],
    /// How far the wall clocks of the machines and of central are from the true time, ms.
    skews_ms: [i64; MACHINES.len() + 1],
    /// By how much the machines' monotonic clocks run faster than central's, millionths.
    faster_ppm: [i64; MACHINES.len()],
    /// Never asked to stop.
    running: watch::Sender<bool>,
}

impl Cluster {
    /// A cluster that does not run yet.
    ///
    /// # Errors
    /// If there is no folder to be had.
    pub fn new(seed: u64) -> anyhow::Result<Self> {
        let memory = PathBuf::from("/dev/shm");
        let name = format!("pangea-{}-", std::process::id());
        let memory = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix(&name).tempdir_in(memory);
        let folder = folder.context("a folder for the cluster")?;
        // So that no path in the log says where it is.
        std::env::set_current_dir(folder.path())?;
        let worlds = PathBuf::from("worlds");
        std::fs::create_dir(&worlds)?;
        std::fs::write(worlds.join(format!("{WORLD}.toml")), game::world(seed))?;
        let mut config = Config { data: PathBuf::from("data"), worlds, ..Config::default() };
        config.accounts.argon2_memory_kib = 64;
        config.accounts.argon2_passes = 1;
        config.accounts.access_minutes = 600;
        config.central.owner_lease_s = 8;
        config.central.crash_limit = 1_000;
        config.spawner.crash_limit = 1_000;
        config.spawner.webtransport = false;
        config.spawner.io = GameIo::Epoll;
        config.spawner.capacity = 16;
        if let Some(area) = config.spawner.templates.get_mut("area") {
            area.pool = 1;
        }
        Ok(Self {
            folder,
            config,
            central: None,
            superseded: Vec::new(),
            ended: Arc::default(),
            chat: None,
            spawners: [None; MACHINES.len()],
            skews_ms: skews(&mut Dice::new(seed).another(11)),
            faster_ppm: rates(&mut Dice::new(seed).another(12)),
            running: watch::Sender::new(false),
        })
    }

    /// Starts central, if it does not run, or has ended by itself.
    pub fn start_central(&mut self) {
        if self.central.is_some_and(|node| !self.has_ended(node)) {
            return;
        }
        let node = simulation::new("central");
        simulation::skew(node, self.skews_ms[MACHINES.len()]);
        self.central = Some(node);
        let (config, stops, ended) = (self.config.clone(), self.running.subscribe(), self.ended.clone());
        tokio::spawn(simulation::of(node, async move {
            let how = async { central::open(&config).await?.run(stops).await }.await;
            note(&format!("central ends: {how:?}"));
            // Off this task: it ends with its process.
            tokio::spawn(async move {
                simulation::end(node);
                ended.lock().unwrap_or_else(PoisonError::into_inner).insert(node);
            });
            std::future::pending::<()>().await;
        }));
    }

    /// Starts chat, if it does not run, or has ended by itself; central has made its key.
    ///
    /// # Errors
    /// If there is no key.
    pub fn start_chat(&mut self) -> anyhow::Result<()> {
        if self.chat.is_some_and(|node| !self.has_ended(node)) {
            return Ok(());
        }
        let config = self.config.chat.clone();
        let key = node::key(&self.config, "chat", &config.name)?;
        let key = key.split_whitespace().next().and_then(RoleKey::parse).context("chat's key")?;
        let start = ChatStart { config, data: self.config.data.clone(), key, pin: None };
        let node = simulation::new("chat");
        simulation::skew(node, self.skews_ms[MACHINES.len()]);
        self.chat = Some(node);
        let (stops, ended) = (self.running.subscribe(), self.ended.clone());
        tokio::spawn(simulation::of(node, async move {
            let how = chat::run(start, stops).await;
            note(&format!("chat ends: {how:?}"));
            // Off this task: it ends with its process.
            tokio::spawn(async move {
                simulation::end(node);
                ended.lock().unwrap_or_else(PoisonError::into_inner).insert(node);
            });
            std::future::pending::<()>().await;
        }));
        Ok(())
    }

    /// Kills chat.
    pub fn kill_chat(&mut self) {
        if let Some(node) = self.chat.take() {
            simulation::kill(node);
        }
    }

    /// Starts another central on the same store, to which the addresses lead from now on; the one before is not
    /// told. Which that is; `None` if it does not run.
    pub fn supersede_central(&mut self) -> Option<NodeId> {
        let old = self.central.filter(|node| !self.has_ended(*node))?;
        self.central = None;
        self.superseded.push(old);
        self.start_central();
        net::lead(old, self.central?);
        Some(old)
    }

    /// Those that were superseded and run still.
    pub fn superseded(&self) -> Vec<NodeId> {
        self.superseded.iter().copied().filter(|node| !self.has_ended(*node)).collect()
    }

    fn has_ended(&self, node: NodeId) -> bool {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).contains(&node)
    }

    /// Starts the spawners that do not run; central has made their keys.
    ///
    /// # Errors
    /// If there are no keys.
    pub fn start_spawners(&mut self) -> anyhow::Result<()> {
        (0..MACHINES.len()).try_for_each(|machine| self.start_spawner(machine))
    }

    fn start_spawner(&mut self, machine: usize) -> anyhow::Result<()> {
        if self.spawners[machine].is_some() {
            return Ok(());
        }
        let (name, ports) = MACHINES[machine];
        let node = simulation::new(name);
        simulation::skew(node, self.skews_ms[machine]);
        simulation::run_faster(node, self.faster_ppm[machine]);
        self.spawners[machine] = Some(node);
        let key = node::key(&self.config, "spawner", name)?;
        let config =
            config::Spawner { name: name.into(), ports: ports.into(), ..self.config.spawner.clone() };
        let key = key.split_whitespace().next().and_then(RoleKey::parse).context("the spawner's key")?;
        let start = SpawnerStart {
            config,
            data: self.config.data.join(name),
            key,
            pin: None,
            log: String::new(),
            limits: self.config.limits.clone(),
            program: PathBuf::from("pangea"),
        };
        let stops = self.running.subscribe();
        tokio::spawn(simulation::of(node, async move {
            let ended = spawner::run(start, stops).await;
            note(&format!("the spawner ends: {ended:?}"));
        }));
        Ok(())
    }

    /// Kills central.
    pub fn kill_central(&mut self) {
        if let Some(node) = self.central.take() {
            simulation::kill(node);
        }
    }

    /// Kills a spawner; its servers live on.
    pub fn kill_spawner(&mut self, machine: usize) {
        if let Some(node) = self.spawners[machine].take() {
            simulation::kill(node);
        }
    }

    /// Everything on a machine: the spawner and its servers.
    pub fn on(&self, machine: usize) -> Vec<NodeId> {
        self.spawners[machine].into_iter().chain(process::of(MACHINES[machine].0)).collect()
    }

    /// Wall clocks: of the machines, and of central.
    pub fn clocks(&self) -> usize {
        self.skews_ms.len()
    }

    /// Puts a wall clock forward, or back, for all that runs there and will.
    pub fn put_clock(&mut self, clock: usize, by_ms: i64) {
        let name = MACHINES.get(clock).map_or("central", |(name, _)| name);
        note(&format!("the clock of {name} jumps by {} s", by_ms / 1_000));
        self.skews_ms[clock] += by_ms;
        let there = match clock < MACHINES.len() {
            true => self.on(clock),
            false => self.central.into_iter().chain(self.chat).collect(),
        };
        for node in there {
            simulation::skew(node, self.skews_ms[clock]);
        }
    }

    /// All roles, as far as they run, and the area servers.
    pub fn nodes(&self) -> Vec<NodeId> {
        let areas = process::all().into_iter().map(|(_, node)| node);
        let centrals = self.central.into_iter().chain(self.superseded());
        let roles = self.chat.into_iter().chain(self.spawners.into_iter().flatten());
        centrals.chain(roles).chain(areas).collect()
    }

    /// Waits until central has made its keys and answers.
    pub async fn until_ready(&self) {
        let key = self.config.data.join("keys/operator.key");
        while !key.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    /// Central's database, and chat's file.
    pub fn files(&self) -> [PathBuf; 2] {
        ["data/pangea.db", "data/chat/chat.db"].map(|file| self.folder.path().join(file))
    }

    /// The operator's key.
    ///
    /// # Errors
    /// If it is not there.
    pub fn operator_key(&self) -> anyhow::Result<String> {
        let path = self.folder.path().join("data/keys/operator.key");
        Ok(std::fs::read_to_string(path).context("the operator's key")?.trim().to_owned())
    }
}

/// Half of the seeds have clocks that agree.
fn skews(dice: &mut Dice) -> [i64; MACHINES.len() + 1] {
    let most_ms = if dice.percent(50) { MOST_SKEW_MS } else { 0 };
    std::array::from_fn(|_| dice.below(2 * most_ms + 1) as i64 - most_ms as i64)
}

/// Half of the seeds have clocks that run alike.
fn rates(dice: &mut Dice) -> [i64; MACHINES.len()] {
    let most_ppm = if dice.percent(50) { MOST_FASTER_PPM } else { 0 };
    std::array::from_fn(|_| dice.below(2 * most_ppm + 1) as i64 - most_ppm as i64)
}
