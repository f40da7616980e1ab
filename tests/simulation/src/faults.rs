//! What goes wrong: drawn by the seed, one thing after the other, each for a while.

use std::time::Duration;

use pangea_server::simulation::disk::{self, Trouble};
use pangea_server::simulation::net::{cut, heal, part, slow_down};
use pangea_server::simulation::{self, Dice, NodeId, note, process};

use crate::cluster::{Cluster, MACHINES};
use crate::deposed::depose;
use crate::superseded::supersede;

/// Usual way of a byte.
const USUAL: Duration = Duration::from_millis(2);

/// An hour, ms.
const HOUR_MS: u64 = 3_600_000;
/// Furthest that a wall clock jumps, ms.
const MOST_JUMP_MS: u64 = 3 * HOUR_MS;

/// Does harm for this long, then ends it all. Some seeds begin with the scene of a machine that is [deposed](depose),
/// some with that of a central that is [superseded](supersede).
///
/// # Errors
/// If a role cannot be started again.
pub async fn harm(
    cluster: &mut Cluster,
    players: &[NodeId],
    dice: &mut Dice,
    most: Duration,
) -> anyhow::Result<()> {
    let mut most = most;
    let scene = dice.below(100);
    if scene < 40 {
        depose(cluster, players, dice).await;
        most /= 3;
    } else if scene < 70 {
        supersede(cluster, players, dice).await;
        most /= 3;
    }
    let until = tokio::time::Instant::now() + most;
    while tokio::time::Instant::now() < until {
        pause(dice, 100, 1_500).await;
        // It may have ended by itself; whoever looks after it starts it again.
        cluster.start_central();
        cluster.start_chat()?;
        let areas = process::all();
        let area = pick(&areas, dice);
        let nodes = cluster.nodes();
        match dice.below(28) {
            0..=3 => {
                if let Some((pid, _)) = area {
                    note(&format!("kill -9 of area server {pid}"));
                    process::kill(pid);
                }
            }
            4..=6 => {
                note("kill -9 of central");
                cluster.kill_central();
                pause(dice, 0, 2_500).await;
                cluster.start_central();
            }
            7 => {
                let machine = dice.below(2) as usize;
                note(&format!("kill -9 of spawner {machine}"));
                cluster.kill_spawner(machine);
                pause(dice, 0, 2_500).await;
                cluster.start_spawners()?;
            }
            8 => {
                note("kill -9 of everything");
                cluster.kill_central();
                cluster.kill_chat();
                (0..MACHINES.len()).for_each(|machine| cluster.kill_spawner(machine));
                areas.iter().for_each(|(pid, _)| process::kill(*pid));
                pause(dice, 0, 1_000).await;
                cluster.start_central();
                cluster.start_chat()?;
                cluster.start_spawners()?;
            }
            9..=11 => {
                if let Some(node) = pick(&nodes, dice) {
                    note(&format!("{node:?} stands still"));
                    simulation::pause(node);
                    pause(dice, 50, 4_000).await;
                    simulation::resume(node);
                    note(&format!("{node:?} goes on"));
                }
            }
            12..=14 => {
                if let (Some(one), Some(other)) = (pick(&nodes, dice), pick(&nodes, dice)) {
                    let both = dice.percent(60);
                    note(&format!("{one:?} does not reach {other:?}, both ways: {both}"));
                    part(one, other);
                    if both {
                        part(other, one);
                    }
                    pause(dice, 50, 9_000).await;
                    heal();
                    note("all are reached");
                }
            }
            15 => away(cluster, dice).await,
            16 => {
                if let (Some(one), Some(other)) = (pick(&nodes, dice), pick(&nodes, dice)) {
                    note(&format!("what connects {one:?} and {other:?} is cut"));
                    cut(one, other);
                }
            }
            17 => {
                if let (Some(one), Some(player)) = (pick(&nodes, dice), pick(players, dice)) {
                    note(&format!("what connects {one:?} and player {player:?} is cut"));
                    cut(one, player);
                }
            }
            18..=19 => jump(cluster, dice).await,
            20..=23 => disk_fails(cluster, dice).await,
            27 => {
                note("kill -9 of chat");
                cluster.kill_chat();
                pause(dice, 0, 2_500).await;
                cluster.start_chat()?;
            }
            24 => supersede(cluster, players, dice).await,
            _ => {
                let slowest = Duration::from_millis(20 + dice.below(300));
                note(&format!("the network takes up to {} ms", slowest.as_millis()));
                slow_down(slowest);
                pause(dice, 100, 2_000).await;
                slow_down(USUAL);
            }
        }
    }
    heal();
    slow_down(USUAL);
    disk::trouble(None);
    cluster.nodes().into_iter().for_each(simulation::resume);
    // Whoever cannot write any more ends now.
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.start_central();
    cluster.start_chat()?;
    cluster.start_spawners()?;
    note("no faults any more");
    Ok(())
}

/// A machine is out of central's reach, perhaps for longer than the lease, while central perhaps starts again.
async fn away(cluster: &mut Cluster, dice: &mut Dice) {
    let machine = dice.below(MACHINES.len() as u64) as usize;
    let restarts = dice.percent(50);
    note(&format!("machine {machine} is away; central starts again: {restarts}"));
    let there = cluster.on(machine);
    let keep_apart = |central: Option<NodeId>| {
        for (node, central) in there.iter().zip(central.iter().cycle()) {
            part(*node, *central);
            part(*central, *node);
        }
    };
    keep_apart(cluster.central);
    pause(dice, 100, 2_000).await;
    if restarts {
        cluster.kill_central();
        cluster.start_central();
        keep_apart(cluster.central);
    }
    pause(dice, 1_000, 16_000).await;
    heal();
    note("it is back");
}

/// Central's disk fails for a while, or breaks: then central ends, and is started again.
async fn disk_fails(cluster: &mut Cluster, dice: &mut Dice) {
    let trouble = match dice.below(9) {
        0..=1 => Trouble::Refuses(10 + dice.below(90)),
        2..=3 => Trouble::Full,
        4..=5 => Trouble::Breaks { done: dice.percent(60) },
        6 => Trouble::Tears,
        7 => Trouble::Unread,
        _ => Trouble::Away,
    };
    note(&format!("disk: {trouble:?}"));
    disk::trouble(Some(trouble));
    pause(dice, 100, 6_000).await;
    // What is there now is all that whoever comes next has.
    match dice.below(6) {
        0 => {
            cluster.kill_central();
            cluster.start_central();
        }
        1..=2 => {
            if let Some((pid, _)) = pick(&process::all(), dice) {
                note(&format!("kill -9 of area server {pid}"));
                process::kill(pid);
            }
        }
        _ => {}
    }
    pause(dice, 100, 3_000).await;
    disk::trouble(None);
    cluster.start_central();
    note("the disk is sound");
}

/// A wall clock is put minutes or hours forward or back, and right again after a while; the monotonic ones go on.
async fn jump(cluster: &mut Cluster, dice: &mut Dice) {
    let clock = dice.below(cluster.clocks() as u64) as usize;
    let by_ms = 60_000 + dice.below(MOST_JUMP_MS) as i64;
    let by_ms = if dice.percent(50) { by_ms } else { -by_ms };
    cluster.put_clock(clock, by_ms);
    pause(dice, 100, 6_000).await;
    if dice.percent(30) {
        cluster.kill_central();
        cluster.start_central();
        pause(dice, 100, 2_000).await;
    }
    cluster.put_clock(clock, -by_ms);
}

/// The wall clocks of central and of a machine jump by hours, the one forward and the other one back; central starts
/// again meanwhile, an area server is killed, and later both are right again.
pub async fn jump_by_hours(cluster: &mut Cluster, dice: &mut Dice) {
    let machine = dice.below(MACHINES.len() as u64) as usize;
    let mut hours = || HOUR_MS as i64 + dice.below(MOST_JUMP_MS - HOUR_MS) as i64;
    let (forward_ms, back_ms) = (hours(), -hours());
    cluster.put_clock(MACHINES.len(), forward_ms);
    pause(dice, 100, 2_000).await;
    cluster.put_clock(machine, back_ms);
    pause(dice, 1_000, 4_000).await;
    cluster.kill_central();
    cluster.start_central();
    pause(dice, 500, 2_000).await;
    if let Some((pid, _)) = pick(&process::all(), dice) {
        note(&format!("kill -9 of area server {pid}"));
        process::kill(pid);
    }
    pause(dice, 1_000, 4_000).await;
    cluster.put_clock(machine, -back_ms);
    pause(dice, 100, 2_000).await;
    cluster.put_clock(MACHINES.len(), -forward_ms);
}

async fn pause(dice: &mut Dice, least_ms: u64, most_ms: u64) {
    tokio::time::sleep(Duration::from_millis(least_ms + dice.below(most_ms - least_ms))).await;
}

fn pick<T: Copy>(all: &[T], dice: &mut Dice) -> Option<T> {
    let at = dice.below(all.len() as u64) as usize;
    all.get(at).copied()
}
