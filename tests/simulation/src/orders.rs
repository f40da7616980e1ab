//! What an operator orders while everything goes wrong, and while nothing does: areas go to other servers, become
//! two, and one again.

use std::time::Duration;

use http::Method;
use pangea_client::Client;
use pangea_server::simulation::{Dice, note};
use pangea_world::space::{AreaName, Ground, Rect};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::notes::Common;

/// Between these the number of areas is kept: there are borders to walk over, and room for more servers.
const FEW: usize = 3;
/// See [`FEW`].
const MANY: usize = 6;

/// For so long an order may be under way that something went wrong with: its area takes no other one meanwhile.
const UNDER_WAY: Duration = Duration::from_secs(25);

#[derive(Deserialize)]
struct Servers {
    servers: Vec<Server>,
}

#[derive(Deserialize)]
struct Server {
    area: Option<String>,
}

/// Orders until it is dropped, one after the other, up to so many milliseconds apart. While nothing is wrong none is
/// refused, but for what is left of one that was ordered before.
pub async fn order(operator: &Client, common: &Common, dice: &mut Dice, most_ms: u64) {
    loop {
        tokio::time::sleep(Duration::from_millis(most_ms / 16 + dice.below(most_ms))).await;
        let (calm, left) = {
            let mut notes = common.notes();
            notes.ordered = if notes.calm.is_some() { notes.ordered } else { Some(Instant::now()) };
            (notes.calm, notes.ordered.is_some_and(|at| at.elapsed() < UNDER_WAY))
        };
        let (what, wish) = wish(&areas(operator).await, dice);
        let path = format!("/api/data/areas/{what}");
        note(&format!("order: {what} {wish}"));
        let done = operator.call::<Value>(Method::POST, &path, Some(&wish)).await;
        let mut notes = common.notes();
        match done {
            Ok(done) => {
                note(&format!("done: {what} {done}"));
                notes.orders += u64::from(calm.is_some());
            }
            Err(error) => {
                note(&format!("not done: {what}: {error}"));
                if calm.is_some() && calm == notes.calm && !left {
                    notes.wrong.push(format!("«{what}» is refused while nothing is wrong: {error}"));
                }
            }
        }
    }
}

/// The areas that run, as far as central can be asked.
async fn areas(operator: &Client) -> Vec<(AreaName, Rect)> {
    let told = operator.call::<Servers>(Method::GET, "/api/data/servers", None).await;
    let servers = told.map(|told| told.servers).unwrap_or_default();
    let areas = servers.into_iter().filter_map(|server| server.area?.parse::<AreaName>().ok());
    let ground = |area: AreaName| match area.ground {
        Ground::Cells(cells) => Some((area, cells)),
        Ground::Map(_) => None,
    };
    areas.filter_map(ground).collect()
}

/// An order that can be carried out, and its body.
fn wish(areas: &[(AreaName, Rect)], dice: &mut Dice) -> (&'static str, Value) {
    let drawn = (dice.below(10), areas.get(dice.below(areas.len() as u64) as usize));
    let (chance, Some((area, cells))) = drawn else { return ("migrate", json!({})) };
    let reason = "a test";
    let can_split = areas.len() < MANY && (cells.x1 - cells.x0) * (cells.y1 - cells.y0) > 1;
    let can_merge = areas.len() > FEW;
    let other = areas.iter().find(|(_, other)| cells.union(other).is_some());
    match (chance, other) {
        (0..=2, _) if can_split => ("split", json!({ "reason": reason, "area": area.to_string() })),
        (3..=5, Some((other, _))) if can_merge => {
            ("merge", json!({ "reason": reason, "areas": [area.to_string(), other.to_string()] }))
        }
        _ => ("migrate", json!({ "reason": reason, "area": area.to_string() })),
    }
}
