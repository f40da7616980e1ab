//! The scene that fences are for: a machine is out of central's reach for longer than its servers' leases, while
//! players see them still. Central grants their areas elsewhere; then the machine is back, with what it had to say.

use std::time::Duration;

use pangea_server::simulation::net::{cut, heal, part};
use pangea_server::simulation::{self, Dice, NodeId, note};
use tokio::time::{Instant, sleep_until};

use crate::cluster::{Cluster, MACHINES};

/// Plays the scene once; the seed decides which machine, for how long, and what else goes wrong there.
pub async fn depose(cluster: &mut Cluster, players: &[NodeId], dice: &mut Dice) {
    let machine = dice.below(MACHINES.len() as u64) as usize;
    let (restarts, alone) = (dice.percent(25), dice.percent(50));
    let lasts = Duration::from_millis(if restarts { 17_000 } else { 14_000 } + dice.below(8_000));
    let there = cluster.on(machine);
    note(&format!(
        "machine {machine} is away for {} ms; from the other one too: {alone}; central starts again: {restarts}",
        lasts.as_millis()
    ));
    let beyond = if alone { cluster.on(1 - machine) } else { Vec::new() };
    let begun = Instant::now();
    keep_apart(&there, cluster.central.as_slice());
    keep_apart(&there, &beyond);
    // One of its processes may stand still for a while, beyond the end of all that too.
    let frozen = there.get(dice.below(there.len() as u64) as usize).copied().filter(|_| dice.percent(40));
    let freezes = Duration::from_millis(dice.below(9_000));
    // Some players lose what connects them to it, and come in anew.
    let cuts: Vec<NodeId> = players.iter().copied().filter(|_| dice.percent(40)).collect();
    let loses = freezes + Duration::from_millis(dice.below(9_000));
    if restarts {
        sleep_until(begun + Duration::from_millis(dice.below(1_500))).await;
        cluster.kill_central();
        cluster.start_central();
        keep_apart(&there, cluster.central.as_slice());
    }
    sleep_until(begun + freezes.max(Duration::from_millis(1_500))).await;
    if let Some(node) = frozen {
        note(&format!("{node:?} stands still"));
        simulation::pause(node);
    }
    sleep_until(begun + loses.min(lasts)).await;
    for (player, node) in cuts.iter().flat_map(|player| there.iter().map(move |node| (*player, *node))) {
        cut(player, node);
    }
    sleep_until(begun + lasts).await;
    heal();
    // Often its spawner is away for longer: it would end servers that were silent.
    let spawner = cluster.spawners[machine].filter(|_| dice.percent(60));
    note(&format!("the machine is back, its spawner too: {}", spawner.is_none()));
    keep_apart(spawner.as_slice(), cluster.central.as_slice());
    if let Some(node) = frozen {
        sleep_until(begun + lasts + Duration::from_millis(dice.below(3_000))).await;
        simulation::resume(node);
        note(&format!("{node:?} goes on"));
    }
    if spawner.is_some() {
        sleep_until(begun + lasts + Duration::from_millis(3_000 + dice.below(5_000))).await;
        heal();
    }
}

/// Neither reaches the other.
pub fn keep_apart(these: &[NodeId], those: &[NodeId]) {
    for (one, other) in these.iter().flat_map(|one| those.iter().map(move |other| (*one, *other))) {
        part(one, other);
        part(other, one);
    }
}
