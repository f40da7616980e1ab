//! What an operator does with a running cluster, on central's machine: `pangea area migrate`, `pangea node areas`,
//! `pangea node drain`. The operator's key is read from the data folder.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use http::Method;
use pangea_client::{Client, Trust};
use serde::Deserialize;
use serde_json::json;

use crate::flags::{Cli, Order};
use crate::screen::{self, Cell, bold, dim, green, plain, red, yellow};
use crate::{serve, settings};

#[derive(Debug, Deserialize)]
struct Servers {
    servers: Vec<Server>,
}

/// A game server as central's operator sees it.
#[derive(Debug, Deserialize)]
struct Server {
    server: String,
    spawner: String,
    area: Option<String>,
    seats: u32,
    pid: u32,
    port: u32,
    rss_kib: u32,
}

#[derive(Debug, Deserialize)]
struct Moved {
    spawner: String,
    players: usize,
    left: usize,
    still_ms: f64,
    took_ms: f64,
}

/// Moves one area.
///
/// # Errors
/// If central cannot be reached, or refuses.
pub fn migrate(cli: &Cli, area: &str, order: &Order) -> anyhow::Result<ExitCode> {
    with(cli, async |operator| {
        let one = [area.to_owned()];
        Ok(if move_all(&operator, &one, order).await? == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Lists what runs.
///
/// # Errors
/// If central cannot be reached.
pub fn areas(cli: &Cli) -> anyhow::Result<ExitCode> {
    with(cli, async |operator| {
        let mut running = servers(&operator).await?;
        running.retain(|server| server.area.is_some());
        running.sort_by(|a, b| a.area.cmp(&b.area));
        let head = ["area", "seats", "spawner", "pid", "port", "memory", "server"];
        let mut rows = vec![head.map(|text| cell(text, dim)).to_vec()];
        for one in &running {
            let memory = if one.rss_kib > 0 { format!("{} MB", one.rss_kib / 1_024) } else { "?".to_owned() };
            rows.push(vec![
                cell(one.area.as_deref().unwrap_or_default(), bold),
                cell(&one.seats.to_string(), plain),
                cell(&one.spawner, plain),
                cell(&one.pid.to_string(), plain),
                cell(&one.port.to_string(), plain),
                cell(&memory, plain),
                cell(&one.server, dim),
            ]);
        }
        print!("{}", screen::table(&rows));
        if running.is_empty() {
            println!("nothing runs; areas start when somebody comes");
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Moves all areas of a spawner away.
///
/// # Errors
/// If central cannot be reached, or knows no such spawner.
pub fn drain(cli: &Cli, spawner: &str, order: &Order) -> anyhow::Result<ExitCode> {
    with(cli, async |operator| {
        let all = servers(&operator).await?;
        let spawners: std::collections::BTreeSet<&str> = all.iter().map(|one| one.spawner.as_str()).collect();
        anyhow::ensure!(
            spawners.contains(spawner),
            "no spawner «{spawner}» is there; these are: {spawners:?}"
        );
        let to = match &order.to {
            Some(to) => to.clone(),
            None => {
                let other = spawners.iter().find(|name| **name != spawner);
                (*other.context("there is no other spawner to which its areas could go")?).to_owned()
            }
        };
        anyhow::ensure!(to != spawner, "«{spawner}» cannot be drained to itself");
        let of_it = all.iter().filter(|one| one.spawner == spawner).filter_map(|one| one.area.clone());
        let areas: Vec<String> = of_it.collect();
        let order = Order { to: Some(to), reason: order.reason.clone() };
        let failed = move_all(&operator, &areas, &order).await?;
        println!("{} of {} areas have left «{spawner}»", areas.len() - failed, areas.len());
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// One after the other, each with a line; how many did not move.
async fn move_all(operator: &Client, areas: &[String], order: &Order) -> anyhow::Result<usize> {
    let mut failed = 0;
    for area in areas {
        print!("{} ", bold(area));
        std::io::stdout().flush()?;
        let wish = json!({ "reason": order.reason, "area": area, "spawner": order.to });
        match operator.call::<Moved>(Method::POST, "/api/data/areas/migrate", Some(&wish)).await {
            Ok(moved) => {
                let left = match moved.left {
                    0 => String::new(),
                    left => yellow(&format!(", {left} must enter anew")),
                };
                println!(
                    "{} to «{}»: {} players{left}; {:.1} ms with central, {:.1} s in all",
                    green("moved"),
                    moved.spawner,
                    moved.players,
                    moved.still_ms,
                    moved.took_ms / 1e3
                );
            }
            Err(error) => {
                failed += 1;
                println!("{}: {error}", red("stays"));
            }
        }
    }
    Ok(failed)
}

async fn servers(operator: &Client) -> anyhow::Result<Vec<Server>> {
    let answer: Servers = operator.call(Method::GET, "/api/data/servers", None).await?;
    Ok(answer.servers)
}

fn cell(text: &str, paint: fn(&str) -> String) -> Cell {
    (text.to_owned(), paint)
}

/// Does it with a client that has the operator's key.
fn with(cli: &Cli, act: impl AsyncFnOnce(Client) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let config = settings::layers(cli)?.config()?;
    let path = config.data.join("keys/operator.key");
    let key = std::fs::read_to_string(&path)
        .with_context(|| format!("«{}»: run this on central's machine, with its settings", path.display()))?;
    let url = serve::url(&config);
    let client = match &config.central.tls_certificate {
        Some(file) => Client::with_trust(&url, Trust::roots(file)?)?,
        None => Client::new(&url)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(act(client.with_token(key.trim())))
}
