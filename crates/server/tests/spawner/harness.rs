//! A central of a few lines, and a spawner under it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pangea_server::config::{self, Template};
use pangea_server::link;
use pangea_server::spawner::{SpawnerStart, run};
use pangea_world::messages::{Allocate, Allocated, Body, ServerInfo, SpawnerHello, StopServer};
use pangea_world::role_key::RoleKey;
use tokio::sync::{mpsc, watch};

/// Far longer than anything here takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a spawner needs, with the key of the tests.
pub fn start(config: config::Spawner, data: PathBuf) -> SpawnerStart {
    SpawnerStart {
        config,
        data,
        key: RoleKey::new([7; 32]),
        pin: None,
        log: "info,of_the_tests=debug".into(),
        limits: config::Limits::default(),
        program: "/nonexistent/pangea".into(),
    }
}

/// This program as a game server that behaves like `mode`.
pub fn game_server(mode: &str, pool: u32) -> Template {
    let program = std::env::current_exe().unwrap().to_string_lossy().into_owned();
    let arguments = ["child::game_server", "--exact", "--ignored", "--nocapture"];
    Template {
        command: std::iter::once(program).chain(arguments.map(str::to_owned)).collect(),
        environment: BTreeMap::from([("MODE".to_owned(), mode.to_owned())]),
        pool,
        ..Template::default()
    }
}

/// Settings with these templates; ports from a range that no other test uses.
pub fn settings(ports: &str, templates: &[(&str, Template)]) -> config::Spawner {
    let mut all: BTreeMap<String, Template> =
        templates.iter().map(|(name, template)| ((*name).to_owned(), template.clone())).collect();
    all.entry("area".to_owned()).or_insert(Template { pool: 0, ..Template::default() });
    config::Spawner { ports: ports.to_owned(), templates: all, ..config::Spawner::default() }
}

/// The other end of the link.
pub struct Central {
    accepted: mpsc::Receiver<link::Accepted>,
    link: Option<link::Accepted>,
    requests: u64,
    /// What the spawner has said of its servers, as central would know it.
    known: BTreeMap<Vec<u8>, ServerInfo>,
}

impl Central {
    /// Listens, and writes its address into the settings.
    pub async fn open(config: &mut config::Spawner) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        config.central = listener.local_addr().unwrap().to_string();
        let (tx, accepted) = mpsc::channel(4);
        let key_of: link::KeyOf = Arc::new(|_| Some(RoleKey::new([7; 32])));
        tokio::spawn(link::serve(listener, None, key_of, tx));
        Self { accepted, link: None, requests: 0, known: BTreeMap::new() }
    }

    /// Waits for a new spawner and its introduction.
    pub async fn meet(&mut self) -> SpawnerHello {
        self.link = Some(within(self.accepted.recv()).await.unwrap());
        self.hear(|body| match body {
            Body::SpawnerHello(hello) => Some(hello),
            _ => None,
        })
        .await
    }

    /// Waits for a message that `wanted` takes; drops those before it.
    pub async fn hear<T>(&mut self, wanted: impl Fn(Body) -> Option<T>) -> T {
        loop {
            let event = within(self.link.as_mut().unwrap().events.recv()).await.expect("the link lives");
            let link::Event::Message(body) = event else { continue };
            match &body {
                Body::SpawnerHello(hello) => {
                    self.known =
                        hello.servers.iter().map(|info| (info.server.clone(), info.clone())).collect();
                }
                Body::ServerChanged(info) | Body::Allocated(Allocated { server: Some(info), .. }) => {
                    self.known.insert(info.server.clone(), info.clone());
                }
                Body::ServerExited(exited) => {
                    self.known.remove(&exited.server);
                }
                _ => {}
            }
            if let Some(found) = wanted(body) {
                return found;
            }
        }
    }

    pub fn say(&self, body: Body) {
        self.link.as_ref().unwrap().sender.send(body).unwrap();
    }

    /// Waits until so many servers are in this state, heard of now or before.
    pub async fn have(&mut self, template: &str, state: &str, count: usize) -> Vec<ServerInfo> {
        loop {
            let all = self.known.values().filter(|info| info.template == template && info.state == state);
            let all: Vec<ServerInfo> = all.cloned().collect();
            if all.len() >= count {
                return all;
            }
            self.hear(Some).await;
        }
    }

    /// Waits until a server of this kind is known.
    pub async fn hear_of(&mut self, template: &str) -> ServerInfo {
        loop {
            if let Some(info) = self.known.values().find(|info| info.template == template) {
                return info.clone();
            }
            self.hear(Some).await;
        }
    }

    /// Waits until a server is in this state.
    pub async fn have_one(&mut self, template: &str, state: &str) -> ServerInfo {
        self.have(template, state, 1).await.remove(0)
    }

    /// Waits for the end of a server: how.
    pub async fn hear_exit(&mut self, server: &[u8]) -> String {
        self.hear(|body| match body {
            Body::ServerExited(exited) if exited.server == server => Some(exited.how),
            _ => None,
        })
        .await
    }

    /// Asks for a server and waits for the answer.
    pub async fn allocate(&mut self, template: &str, area: u8) -> Allocated {
        let request = self.ask(template, area);
        self.hear(|body| match body {
            Body::Allocated(answer) if answer.request == request => Some(answer),
            _ => None,
        })
        .await
    }

    /// Asks for a server.
    pub fn ask(&mut self, template: &str, area: u8) -> u64 {
        self.requests += 1;
        self.say(Body::Allocate(Allocate {
            request: self.requests,
            template: template.to_owned(),
            area: vec![area; 16],
            world: "wilds".into(),
            ground: "0,0".into(),
            layer: 1,
            incarnation: 4,
            capacity: 30,
            another: false,
        }));
        self.requests
    }

    pub fn stop(&self, server: &[u8], grace_ms: u64) {
        self.say(Body::StopServer(StopServer { server: server.to_vec(), grace_ms }));
    }
}

/// A spawner in this process, its servers stopped at the end of [`Spawner::stop`].
pub struct Spawner {
    pub data: tempfile::TempDir,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Spawner {
    pub fn run(config: config::Spawner) -> Self {
        let data = tempfile::tempdir().unwrap();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(start(config, data.path().to_owned()), stopped));
        Self { data, stop, task }
    }

    /// As Ctrl-C does; ends when all servers have ended.
    pub async fn stop(self) {
        self.stop.send(true).unwrap();
        within(self.task).await.unwrap().unwrap();
        assert_eq!(records(self.data.path()), 0, "no record is left");
    }
}

/// How many servers' records a data folder has.
pub fn records(data: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(data.join("run")).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "json"))
        .count()
}

/// Whether a process runs.
pub fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with(['Z', 'X']))
}

pub fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Waits, but not for ever.
pub async fn within<F: std::future::IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future.into_future()).await.expect("nothing happened for a minute")
}
