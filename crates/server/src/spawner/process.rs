//! A game server's process: started in a group of its own, watched to its end, told to stop.
//!
//! It outlives its spawner: nothing kills it when this one ends, its output goes to a file. A later
//! spawner finds it again by process id and start time, and holds it by a pidfd, which never means another
//! process.

#![cfg_attr(
    feature = "simulation",
    allow(dead_code, unused_imports, reason = "a simulation starts no process")
)]

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use anyhow::Context as _;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use tokio::io::AsyncWriteExt as _;
use tokio::io::unix::AsyncFd;
use tokio::process::{Child, Command};

/// What of the spawner's environment a game server gets.
const INHERITED: &[&str] =
    &["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "RUST_BACKTRACE", "XDG_RUNTIME_DIR"];

/// What to start.
#[derive(Debug)]
pub struct Order {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Working folder; empty: the spawner's.
    pub folder: PathBuf,
    /// Environment beside what is inherited.
    pub environment: Vec<(String, String)>,
    /// Written to its standard input, which is then closed.
    pub line: Option<String>,
    /// Where its output is appended.
    pub log: PathBuf,
}

/// How a process ended that an earlier spawner started: only a parent is told the code.
pub const UNKNOWN: &str = "ended (it was adopted, so its exit code is unknown)";

#[cfg(feature = "simulation")]
pub use crate::simulation::process::Process;

/// A living process; dropped, it lives on.
#[cfg(not(feature = "simulation"))]
#[derive(Debug)]
pub struct Process {
    /// Its id, and that of its group.
    pub pid: u32,
    /// When it was started, in ticks since the machine's start (proc(5), field 22).
    pub start_ticks: u64,
    handle: Arc<OwnedFd>,
    watcher: tokio::task::JoinHandle<()>,
}

#[cfg(not(feature = "simulation"))]
impl Drop for Process {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

#[cfg(not(feature = "simulation"))]
impl Process {
    /// Starts it; `ended` is called with how it ended, once.
    ///
    /// # Errors
    /// If the program is missing or cannot be started; the text names it.
    pub fn start(
        order: Order,
        ended: impl FnOnce(String) -> Notify + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (program, arguments) = order.command.split_first().context("the command is empty")?;
        let log = open_log(&order.log).with_context(|| format!("cannot write {}", order.log.display()))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs(order.environment)
            .stdin(if order.line.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(false);
        if !order.folder.as_os_str().is_empty() {
            command.current_dir(&order.folder);
        }
        let mut child = command.spawn().with_context(|| format!("cannot start «{program}»"))?;
        let pid = child.id().context("it ended at once")?;
        let handle = Arc::new(open_handle(pid)?);
        let (start_ticks, _) = stat(pid).context("it ended at once")?;
        let stdin = child.stdin.take();
        let watcher = crate::task::spawn(async move {
            if let (Some(mut stdin), Some(line)) = (stdin, order.line) {
                // A process that ends before it reads is seen by its end.
                let _ = stdin.write_all(line.as_bytes()).await;
            }
            ended(wait(child).await).await;
        });
        Ok(Self { pid, start_ticks, handle, watcher })
    }

    /// Takes over a process that an earlier spawner started; `None` if it lives no more.
    pub fn adopt(
        pid: u32,
        start_ticks: u64,
        ended: impl FnOnce(String) -> Notify + Send + 'static,
    ) -> Option<Self> {
        // First the handle, then the question who it is: it cannot become another one in between.
        let handle = Arc::new(open_handle(pid).ok()?);
        let (ticks, alive) = stat(pid)?;
        if ticks != start_ticks || !alive {
            return None;
        }
        // The other constructor is unsafe for what could close under it; an `OwnedFd` cannot.
        #[allow(deprecated)]
        let end = AsyncFd::new(handle.clone()).ok()?;
        let watcher = crate::task::spawn(async move {
            let how = match end.readable().await {
                Ok(_) => UNKNOWN.to_owned(),
                Err(error) => format!("lost: {error}"),
            };
            ended(how).await;
        });
        Some(Self { pid, start_ticks, handle, watcher })
    }

    /// Asks it to stop, and all of its group.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it at once, and all of its group.
    pub fn kill(&self) {
        // The leader by its handle, whatever became of its number; then who else is in its group.
        let _ = pidfd_send_signal(&*self.handle, Signal::KILL);
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if stat(self.pid).is_some_and(|(ticks, _)| ticks == self.start_ticks)
            && let Some(pid) = pid_of(self.pid)
        {
            let _ = kill_process_group(pid, signal);
        }
    }
}

/// What [`Process::start`] and [`Process::adopt`] do at the end.
pub type Notify = futures_util::future::BoxFuture<'static, ()>;

/// Identifies this run of the machine: process ids and start times mean nothing in another one.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

async fn wait(mut child: Child) -> String {
    match child.wait().await {
        Ok(status) => how(status),
        Err(error) => format!("lost: {error}"),
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

fn open_handle(pid: u32) -> anyhow::Result<OwnedFd> {
    let pid = pid_of(pid).context("no process id")?;
    pidfd_open(pid, PidfdFlags::NONBLOCK).context("cannot watch the process (pidfd_open)")
}

/// Start time and whether it is more than a corpse, from proc(5); the name may hold spaces and brackets.
fn stat(pid: u32) -> Option<(u64, bool)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let alive = !matches!(fields.next()?, "Z" | "X");
    Some((fields.nth(18)?.parse().ok()?, alive))
}

/// A game server's log, to be written at its end alone; its owner's alone.
pub fn open_log(path: &Path) -> std::io::Result<std::fs::File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
