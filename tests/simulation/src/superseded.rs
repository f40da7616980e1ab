//! The scene that the leader's row is for: a second central is started on the same store while the first one stands
//! still, is out of reach, or merely lost its address. Then the first one goes on, with all that it had in its hands
//! and with connections that live still. It must find out, and end; nothing that it says meanwhile may count.

use std::time::Duration;

use pangea_server::simulation::net::{cut, heal, lead};
use pangea_server::simulation::{self, Dice, NodeId, note, process};
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::deposed::keep_apart;

/// How the first one is lost to those who look after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// It stands still.
    Stands,
    /// Most do not reach it; the others speak with it as before.
    Parted,
    /// It is not; its address alone leads to the other one.
    Named,
}

/// Plays the scene once; the seed decides how, for how long, and who keeps his connection to the first one.
pub async fn supersede(cluster: &mut Cluster, players: &[NodeId], dice: &mut Dice) {
    let Some(old) = cluster.central else { return };
    let lost = [Lost::Stands, Lost::Parted, Lost::Named][dice.below(3) as usize];
    let lasts = Duration::from_millis(if dice.percent(60) { 200 } else { 9_000 } + dice.below(9_000));
    let roles: Vec<NodeId> = cluster.spawners.into_iter().flatten().chain(areas()).collect();
    // These lose what connects them to it; the others speak with it for as long as it answers.
    let leave: Vec<NodeId> = roles.iter().chain(players).copied().filter(|_| dice.percent(50)).collect();
    note(&format!("{old:?} is superseded, {lost:?}, for {} ms; {leave:?} leave it", lasts.as_millis()));
    match lost {
        Lost::Stands => simulation::pause(old),
        Lost::Parted => keep_apart(&leave, &[old]),
        Lost::Named => {}
    }
    sleep(Duration::from_millis(dice.below(3_000))).await;
    let Some(old) = cluster.supersede_central() else { return };
    leave.iter().for_each(|node| cut(*node, old));
    sleep(lasts).await;
    heal();
    simulation::resume(old);
    note(&format!("{old:?} goes on"));
    let (Some(new), true) = (cluster.central, dice.percent(40)) else { return };
    sleep(Duration::from_millis(dice.below(1_500))).await;
    if !cluster.superseded().contains(&old) {
        return;
    }
    note("the addresses lead to it again for a while");
    lead(new, old);
    for role in cluster.spawners.into_iter().flatten().chain(areas()).filter(|_| dice.percent(60)) {
        cut(role, new);
    }
    sleep(Duration::from_millis(dice.below(4_000))).await;
    lead(old, new);
    note("the addresses lead to the new one");
}

fn areas() -> impl Iterator<Item = NodeId> {
    process::all().into_iter().map(|(_, node)| node)
}
