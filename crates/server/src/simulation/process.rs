//! What a spawner starts: an area server, as one of the simulation's processes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;

use super::node::{self, NodeId};
use super::{net, note, with};
use crate::area;
use crate::area_start::AreaStart;
use crate::spawner::{Notify, Order};

/// All that run.
#[derive(Default)]
pub(super) struct Table {
    last: u32,
    running: BTreeMap<u32, Running>,
}

struct Running {
    node: NodeId,
    spawner: String,
    asked_to_stop: watch::Sender<bool>,
    ended: watch::Sender<Option<String>>,
}

/// A living process; dropped, it lives on.
#[derive(Debug)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it was started; not told apart here.
    pub start_ticks: u64,
    watcher: tokio::task::JoinHandle<()>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

impl Process {
    /// Starts it; `ended` is called with how it ended, once.
    ///
    /// # Errors
    /// If it is no area server.
    pub fn start(
        order: Order,
        ended: impl FnOnce(String) -> Notify + Send + 'static,
    ) -> anyhow::Result<Self> {
        let line = order.line.context("only our own area servers are simulated")?;
        let start: AreaStart = serde_json::from_str(&line)?;
        let port = order.environment.iter().find(|(key, _)| key == "AGONES_SDK_GRPC_PORT");
        let port: u16 = port.context("no SDK")?.1.parse()?;
        let (asked_to_stop, asked) = watch::channel(false);
        let pid = with(|world| {
            world.processes.last += 1;
            world.processes.last
        })
        .context("there is no simulation")?;
        let node = node::new(&format!("area#{pid}"));
        let (ends, _) = watch::channel(None);
        let game = with(|world| {
            world
                .processes
                .running
                .insert(pid, Running { node, spawner: start.spawner.clone(), asked_to_stop, ended: ends });
            (world.game.clone(), Duration::from_millis(5 + world.net.some_ms(40)))
        });
        let (game, begins_in) = game.context("there is no simulation")?;
        tokio::spawn(node::of(node, async move {
            tokio::time::sleep(begins_in).await;
            let stop = async move {
                let mut asked = asked;
                if asked.wait_for(|stop| *stop).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let how = match area::run_simulated(game, start, port, stop).await {
                Ok(()) => "exit 0".to_owned(),
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "an area server ends");
                    "exit 1".to_owned()
                }
            };
            // Off this task: it ends with its process.
            tokio::spawn(async move { over(pid, &how, false) });
            std::future::pending::<()>().await;
        }));
        Self::adopt(pid, 1, ended).context("it ended at once")
    }

    /// Takes over a process that an earlier spawner started; `None` if it lives no more.
    pub fn adopt(
        pid: u32,
        start_ticks: u64,
        ended: impl FnOnce(String) -> Notify + Send + 'static,
    ) -> Option<Self> {
        let mut ends = with(|world| Some(world.processes.running.get(&pid)?.ended.subscribe())).flatten()?;
        let watcher = crate::task::spawn(async move {
            let how = match ends.wait_for(Option::is_some).await {
                Ok(how) => how.clone().unwrap_or_default(),
                Err(_) => "lost".to_owned(),
            };
            ended(how).await;
        });
        Some(Self { pid, start_ticks, watcher })
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        with(|world| {
            if let Some(running) = world.processes.running.get(&self.pid) {
                running.asked_to_stop.send_replace(true);
            }
        });
    }

    /// Ends it at once.
    pub fn kill(&self) {
        over(self.pid, "signal 9", true);
    }
}

/// Those of this spawner.
pub fn of(spawner: &str) -> Vec<NodeId> {
    let mine = |running: &&Running| running.spawner == spawner;
    with(|world| world.processes.running.values().filter(mine).map(|running| running.node).collect())
        .unwrap_or_default()
}

/// The processes that run, by their numbers.
pub fn all() -> Vec<(u32, NodeId)> {
    with(|world| world.processes.running.iter().map(|(pid, running)| (*pid, running.node)).collect())
        .unwrap_or_default()
}

/// Ends one at once, as an operator would.
pub fn kill(pid: u32) {
    over(pid, "signal 9", true);
}

fn over(pid: u32, how: &str, killed: bool) {
    let Some(running) = with(|world| world.processes.running.remove(&pid)).flatten() else { return };
    note(&format!("process {pid} ends: {how}"));
    if killed {
        node::kill(running.node)
    } else {
        node::end(running.node)
    }
    running.ended.send_replace(Some(how.to_owned()));
    net::changed();
}
