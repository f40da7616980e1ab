//! A private cluster of this same program, in a temporary folder on free ports: `pangea up`, or its roles each in
//! a process of its own.

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

/// What its spawner keeps of a server.
#[derive(Deserialize)]
struct Kept {
    pid: u32,
}

#[derive(Deserialize)]
struct Servers {
    servers: Vec<Server>,
}

pub(super) struct Cluster {
    /// By their roles; central first.
    roles: Vec<(&'static str, Child)>,
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
        let mut cluster = Self::prepare(world, pool, environment)?;
        cluster.roles.push(("up", cluster.spawn("up")?));
        Ok(cluster)
    }

    /// The same with central, spawner and chat as processes of their own.
    pub(super) async fn start_apart(
        world: &str,
        pool: u32,
        environment: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let mut cluster = Self::prepare(world, pool, environment)?;
        cluster.roles.push(("central", cluster.spawn("central")?));
        // The others derive their keys from central's.
        let key = cluster.folder.path().join("data/keys/master.key");
        let began = Instant::now();
        while !key.exists() {
            anyhow::ensure!(began.elapsed() < STOP_TIMEOUT, "central does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for role in ["spawner", "chat"] {
            cluster.roles.push((role, cluster.spawn(role)?));
        }
        Ok(cluster)
    }

    /// Kills these roles with SIGKILL and starts them again at once.
    pub(super) fn kill_roles(&mut self, which: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        let mut killed = Vec::new();
        for (n, (role, child)) in self.roles.iter_mut().enumerate().filter(|(_, (role, _))| which(role)) {
            child.kill().with_context(|| format!("{role} cannot be killed"))?;
            killed.push((n, *role));
        }
        for (n, role) in killed {
            self.roles[n].1.wait()?;
            self.roles[n].1 = self.spawn(role)?;
        }
        Ok(())
    }

    fn prepare(world: &str, pool: u32, environment: &[(&str, String)]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let capacity = pool * 2 + 2;
        let servers = u16::try_from(capacity).ok().and_then(|count| count.checked_mul(PORTS_PER_SERVER));
        let servers = servers.context("so many servers need more ports than there are")?;
        let first = free_stretch(servers + 3)?;
        let listen = |offset: u16| format!("127.0.0.1:{}", first + offset);
        let text = format!(
            "data = {data:?}\nworlds = {worlds:?}\nlog = \"warn\"\n\
             [central]\nlisten = \"{}\"\nlink = \"{}\"\ncrash_limit = {MOST_KILLS}\n\
             [chat]\nlisten = \"{}\"\ncentral = \"{}\"\n\
             [accounts]\nargon2_memory_kib = 8\nargon2_passes = 1\n\
             [spawner]\ncentral = \"{}\"\nports = \"{}-{}\"\ncapacity = {capacity}\n\
             [spawner.templates.area]\npool = {pool}\n\
             [spawner.templates.area.environment]\n{}\n",
            listen(0),
            listen(1),
            listen(2),
            listen(1),
            listen(1),
            first + 3,
            first + 2 + servers,
            environment.iter().map(|(key, value)| format!("{key} = {value:?}\n")).collect::<String>(),
            data = folder.path().join("data"),
            worlds = folder.path().join("worlds"),
        );
        std::fs::write(folder.path().join("pangea.toml"), text)?;
        std::fs::create_dir(folder.path().join("worlds"))?;
        std::fs::write(folder.path().join(format!("worlds/{WORLD}.toml")), world)?;
        let client = Client::new(&format!("http://{}", listen(0)))?;
        Ok(Self { roles: Vec::new(), folder, client })
    }

    fn spawn(&self, role: &str) -> anyhow::Result<Child> {
        let folder = self.folder.path();
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log"))?;
        let mut command = Command::new(std::env::current_exe().context("this program's path is unknown")?);
        command.args([role, "--config", "pangea.toml"]).current_dir(folder);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // A Ctrl-C in the terminal is for the trial alone; it stops the cluster itself.
        command.process_group(0);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PANGEA_") {
                command.env_remove(name);
            }
        }
        command.spawn().with_context(|| format!("{role} does not start"))
    }

    /// The process that is central (and spawner and chat, if they are not apart).
    pub(super) fn pid(&self) -> u32 {
        self.roles.first().map_or(0, |(_, child)| child.id())
    }

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

    /// Stops it, the spawner before central; gives the last lines of its log.
    pub(super) async fn stop(&mut self) -> String {
        let begun = Instant::now();
        for (_, child) in self.roles.iter_mut().rev() {
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // It may have ended already.
                let _ = kill_process(pid, Signal::TERM);
            }
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

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut alive = false;
        for (_, child) in &mut self.roles {
            alive |= matches!(child.try_wait(), Ok(None));
            let _ = child.kill();
            let _ = child.wait();
        }
        // The servers below a killed spawner outlive it on purpose: here they must not.
        let records = std::fs::read_dir(self.folder.path().join("data/run")).into_iter().flatten().flatten();
        for record in records.filter(|_| alive) {
            let text = std::fs::read_to_string(record.path()).unwrap_or_default();
            let pid = serde_json::from_str::<Kept>(&text).ok().and_then(|kept| i32::try_from(kept.pid).ok());
            if let Some(pid) = pid.and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
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
