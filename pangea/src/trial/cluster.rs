//! A private `pangea up` of this same program, in a temporary folder on free ports.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use http::Method;
use pangea_client::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

/// The world of the trial.
pub(super) const WORLD: &str = "trial";
/// How long `pangea up` may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// Crashes after which an area is left down: a trial kills more than a game may crash.
const MOST_KILLS: u32 = 10_000;
/// Each server takes three.
const PORTS_PER_SERVER: u16 = 3;
/// Below the ports that Linux gives to outgoing connections (32768-60999).
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A game server as central's operator sees it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Server {
    pub(super) state: String,
    pub(super) area: Option<String>,
    pub(super) pid: u32,
    #[serde(default)]
    pub(super) ready_ms: u32,
}

#[derive(Deserialize)]
struct Servers {
    servers: Vec<Server>,
}

pub(super) struct Cluster {
    child: Child,
    /// Spawner and chat, if they are processes of their own: then `child` is central.
    others: Vec<Child>,
    folder: tempfile::TempDir,
    pub(super) client: Client,
}

impl Cluster {
    /// A cluster with one world and so many idle servers; `environment` is for its game servers.
    pub(super) async fn start(
        world: &str,
        pool: u32,
        environment: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let (folder, client) = prepare(world, pool, environment, "")?;
        let child = role(folder.path(), "up")?;
        Ok(Self { child, others: Vec::new(), folder, client })
    }

    /// The same with central, spawner and chat as processes of their own, and more settings.
    pub(super) async fn start_apart(
        world: &str,
        pool: u32,
        environment: &[(&str, String)],
        settings: &str,
    ) -> anyhow::Result<Self> {
        let (folder, client) = prepare(world, pool, environment, settings)?;
        let child = role(folder.path(), "central")?;
        let mut cluster = Self { child, others: Vec::new(), folder, client };
        let key = cluster.folder.path().join("data/keys/master.key");
        let begun = Instant::now();
        while !key.exists() {
            anyhow::ensure!(begun.elapsed() < STOP_TIMEOUT, "central has made no keys");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for name in ["spawner", "chat"] {
            let child = role(cluster.folder.path(), name)?;
            cluster.others.push(child);
        }
        Ok(cluster)
    }

    /// Kills chat, which is a process of its own, and starts it again.
    pub(super) fn restart_chat(&mut self) -> anyhow::Result<()> {
        let chat = self.others.last_mut().context("chat is no process of its own")?;
        chat.kill()?;
        chat.wait()?;
        *chat = role(self.folder.path(), "chat")?;
        Ok(())
    }

    /// Kills these roles, processes of their own, and starts them again at once.
    pub(super) fn kill_roles(&mut self, which: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        let Self { child, others, folder, .. } = self;
        let all = [child].into_iter().chain(others.iter_mut()).zip(["central", "spawner", "chat"]);
        let mut killed: Vec<_> = all.filter(|(_, name)| which(name)).collect();
        for (child, _) in &mut killed {
            child.kill()?;
        }
        for (child, name) in killed {
            child.wait()?;
            *child = role(folder.path(), name)?;
        }
        Ok(())
    }

    /// All roles' processes; area servers are children of one of them.
    pub(super) fn pids(&self) -> Vec<u32> {
        std::iter::once(&self.child).chain(&self.others).map(Child::id).collect()
    }

    /// The process that is central, spawner and chat.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// A folder with the settings, and a client of the cluster that will run there.
fn prepare(
    world: &str,
    pool: u32,
    environment: &[(&str, String)],
    settings: &str,
) -> anyhow::Result<(tempfile::TempDir, Client)> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let capacity = pool * 2 + 2;
    let servers = u16::try_from(capacity).ok().and_then(|count| count.checked_mul(PORTS_PER_SERVER));
    let servers = servers.context("so many servers need more ports than there are")?;
    let first = free_stretch(servers + 3)?;
    let listen = |offset: u16| format!("127.0.0.1:{}", first + offset);
    let text = format!(
        "data = {data:?}\nworlds = {worlds:?}\nlog = \"warn\"\n\
             [central]\nlisten = \"{}\"\nlink = \"{}\"\ncrash_limit = {MOST_KILLS}\n\
             [chat]\nlisten = \"{}\"\ncentral = \"{link}\"\n\
             [accounts]\nargon2_memory_kib = 8\nargon2_passes = 1\n\
             [spawner]\ncentral = \"{link}\"\nports = \"{}-{}\"\ncapacity = {capacity}\n\
             [spawner.templates.area]\npool = {pool}\n\
             {settings}[spawner.templates.area.environment]\n{}\n",
        listen(0),
        listen(1),
        listen(2),
        first + 3,
        first + 2 + servers,
        environment.iter().map(|(key, value)| format!("{key} = {value:?}\n")).collect::<String>(),
        link = listen(1),
        data = folder.path().join("data"),
        worlds = folder.path().join("worlds"),
    );
    std::fs::write(folder.path().join("pangea.toml"), text)?;
    std::fs::create_dir(folder.path().join("worlds"))?;
    std::fs::write(folder.path().join(format!("worlds/{WORLD}.toml")), world)?;
    let client = Client::new(&format!("http://{}", listen(0)))?;
    Ok((folder, client))
}

/// Starts a role in this folder.
fn role(folder: &std::path::Path, name: &str) -> anyhow::Result<Child> {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log"))?;
    let mut command = Command::new(std::env::current_exe().context("this program's path is unknown")?);
    command.args([name, "--config", "pangea.toml"]).current_dir(folder);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // A Ctrl-C in the terminal is for the trial alone; it stops the cluster itself.
    command.process_group(0);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PANGEA_") {
            command.env_remove(name);
        }
    }
    command.spawn().context("the cluster does not start")
}

impl Cluster {
    /// All game servers.
    pub(super) async fn servers(&self) -> anyhow::Result<Vec<Server>> {
        let answer: Servers = self.operator()?.call(Method::GET, "/api/data/servers", None).await?;
        Ok(answer.servers)
    }

    /// A client with the operator's key.
    pub(super) fn operator(&self) -> anyhow::Result<Client> {
        let key = std::fs::read_to_string(self.folder.path().join("data/keys/operator.key"));
        let key = key.context("central has not made its operator's key yet")?;
        Ok(self.client.with_token(key.trim()))
    }

    /// Waits until so many servers are idle.
    pub(super) async fn until_idle(&self, count: usize, patience: Duration) -> anyhow::Result<()> {
        let idle =
            |servers: &[Server]| servers.iter().filter(|s| s.area.is_none() && s.state == "Ready").count();
        self.until("the idle servers are ready", patience, |servers| idle(servers) >= count).await
    }

    /// Waits until no server serves an area.
    pub(super) async fn until_stopped(&self, patience: Duration) -> anyhow::Result<()> {
        self.until("the area has stopped", patience, |servers| {
            servers.iter().all(|server| server.area.is_none())
        })
        .await
    }

    async fn until(
        &self,
        what: &str,
        patience: Duration,
        done: impl Fn(&[Server]) -> bool,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let servers = self.servers().await;
            match servers {
                Ok(servers) if done(&servers) => return Ok(()),
                // Not up yet.
                Err(error) if begun.elapsed() > patience => {
                    return Err(error.context(format!("waiting until {what}")));
                }
                Ok(servers) if begun.elapsed() > patience => {
                    bail!("waited {patience:?} until {what}; it has {servers:?}")
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Stops it; gives the last lines of its log.
    pub(super) async fn stop(&mut self) -> String {
        // Central last: the game servers save there.
        for child in self.others.iter_mut().chain([&mut self.child]) {
            signal(child, Signal::TERM);
            let begun = Instant::now();
            // try_wait fails only where there is no child any more.
            while matches!(child.try_wait(), Ok(None)) && begun.elapsed() < STOP_TIMEOUT {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended already.
        let _ = kill_process(pid, signal);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.others.iter_mut().chain([&mut self.child]) {
            if matches!(child.try_wait(), Ok(None)) {
                // The servers below it outlive a killed spawner on purpose: here they must not.
                let servers = super::processes::children(child.id());
                let _ = child.kill();
                let _ = child.wait();
                for pid in servers.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
    }
}

/// The first of so many free ports in a row. Begins at a place that depends on the process, so that two trials
/// seldom meet.
fn free_stretch(count: u16) -> anyhow::Result<u16> {
    let whole = PORTS.end - PORTS.start;
    if count >= whole {
        bail!("so many servers need more ports than there are");
    }
    let places = (whole - count) / 64 + 1;
    let begin = (std::process::id() % u32::from(places)) as u16;
    let free = |first: &u16| {
        (*first..first + count).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
    };
    let candidates = (0..places).map(|place| PORTS.start + (begin + place) % places * 64);
    candidates.into_iter().find(free).context("no free ports between 20000 and 32000")
}
