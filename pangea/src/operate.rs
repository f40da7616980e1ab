//! What an operator does with a running cluster, on central's machine: `pangea area migrate`, `split`, `merge`, `pangea node …`,
//! `pangea upgrade`, `pangea stop`, `pangea chat-log`. The operator's key is read from the data folder.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use http::Method;
use pangea_client::{Client, Trust};
use serde::Deserialize;
use serde_json::json;

use crate::flags::{ChatLog, Cli, Order, Stop, Upgrade};
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
    program: String,
    version: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SaidLines {
    lines: Vec<SaidLine>,
    next_ms: Option<u64>,
}

/// What somebody said.
#[derive(Debug, Deserialize)]
struct SaidLine {
    channel: String,
    name: String,
    at_ms: u64,
    text: String,
}

#[derive(Debug, Deserialize)]
struct Spawners {
    spawners: Vec<Spawner>,
}

/// A spawner as central's operator sees it.
#[derive(Debug, Deserialize)]
struct Spawner {
    name: String,
    cordoned: bool,
    capacity: u32,
    servers: u32,
    areas: u32,
}

/// What new servers are started from.
#[derive(Debug, Deserialize)]
struct Upgraded {
    program: String,
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

/// Areas that were cut anew.
#[derive(Debug, Deserialize)]
struct CutAnew {
    areas: Vec<CutArea>,
    left: usize,
    still_ms: f64,
    took_ms: f64,
}

#[derive(Debug, Deserialize)]
struct CutArea {
    area: String,
    spawner: String,
    players: usize,
}

/// Splits one area.
///
/// # Errors
/// If central cannot be reached, or refuses.
pub fn split(cli: &Cli, area: &str, reason: &str) -> anyhow::Result<ExitCode> {
    with(cli, async |operator| cut(&operator, "split", &json!({ "reason": reason, "area": area })).await)
}

/// Makes one area of two.
///
/// # Errors
/// If central cannot be reached, or refuses.
pub fn merge(cli: &Cli, areas: [&str; 2], reason: &str) -> anyhow::Result<ExitCode> {
    with(cli, async |operator| cut(&operator, "merge", &json!({ "reason": reason, "areas": areas })).await)
}

async fn cut(operator: &Client, what: &str, wish: &serde_json::Value) -> anyhow::Result<ExitCode> {
    let path = format!("/api/data/areas/{what}");
    let done: CutAnew = operator.call(Method::POST, &path, Some(wish)).await?;
    for CutArea { area, spawner, players } in &done.areas {
        println!("{} on «{spawner}»: {players} players", bold(area));
    }
    if done.left > 0 {
        println!("{}", yellow(&format!("{} must enter anew", done.left)));
    }
    println!("{:.1} ms with central, {:.1} s in all", done.still_ms, done.took_ms / 1e3);
    Ok(ExitCode::SUCCESS)
}

/// Prints what was said, newest last.
///
/// # Errors
/// If central cannot be reached, or a chat.
pub fn chat_log(cli: &Cli, part: &ChatLog) -> anyhow::Result<ExitCode> {
    with(cli, async |operator| {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
        let from_ms = part.hours.map(|hours| now_ms.saturating_sub(u64::from(hours) * 3_600_000).to_string());
        let before_ms = part.before.map(|ms| ms.to_string());
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &part.lines.to_string());
        for (key, value) in [
            ("channel", &part.channel),
            ("name", &part.name),
            ("from_ms", &from_ms),
            ("before_ms", &before_ms),
        ] {
            if let Some(value) = value {
                query.append_pair(key, value);
            }
        }
        let path = format!("/api/data/chat?{}", query.finish());
        let said: SaidLines = operator.call(Method::GET, &path, None).await?;
        if let Some(next_ms) = said.next_ms {
            println!("{}", dim(&format!("what was said before: --before {next_ms}")));
        }
        let mut rows = vec![["when (UTC)", "channel", "who", "what"].map(|text| cell(text, dim)).to_vec()];
        for line in said.lines.iter().rev() {
            rows.push(vec![
                cell(&screen::time(line.at_ms), dim),
                cell(&line.channel, plain),
                cell(if line.name.is_empty() { "the system" } else { &line.name }, bold),
                cell(&line.text, plain),
            ]);
        }
        print!("{}", screen::table(&rows));
        if said.lines.is_empty() {
            println!("nothing was said");
        }
        Ok(ExitCode::SUCCESS)
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
        let head = ["area", "seats", "spawner", "version", "pid", "port", "memory", "server"];
        let mut rows = vec![head.map(|text| cell(text, dim)).to_vec()];
        for one in &running {
            // Our own servers say it from their first second on, other people's never do.
            let memory = match one.rss_kib {
                0 if one.program.is_empty() => "–".to_owned(),
                0 => "starting".to_owned(),
                kib => format!("{} MB", kib / 1_024),
            };
            rows.push(vec![
                cell(one.area.as_deref().unwrap_or_default(), bold),
                cell(&one.seats.to_string(), plain),
                cell(&one.spawner, plain),
                cell(one.version.as_deref().unwrap_or("–"), plain),
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
        println!();
        let mut rows = vec![["spawner", "areas", "servers", "most", ""].map(|text| cell(text, dim)).to_vec()];
        for one in spawners(&operator).await? {
            rows.push(vec![
                cell(&one.name, bold),
                cell(&one.areas.to_string(), plain),
                cell(&one.servers.to_string(), plain),
                cell(&one.capacity.to_string(), plain),
                if one.cordoned { cell("cordoned: gets no new areas", yellow) } else { cell("", plain) },
            ]);
        }
        print!("{}", screen::table(&rows));
        Ok(ExitCode::SUCCESS)
    })
}

/// Keeps new areas away from a spawner, or lets them come again.
///
/// # Errors
/// If central cannot be reached, or knows no such spawner.
pub fn cordon(cli: &Cli, spawner: &str, on: bool, reason: &str) -> anyhow::Result<ExitCode> {
    with(cli, async |operator| {
        set_cordon(&operator, spawner, on, reason).await?;
        println!("«{spawner}» gets {} areas from now on", if on { "no new" } else { "new" });
        Ok(ExitCode::SUCCESS)
    })
}

/// Keeps new areas away from a spawner, and moves all that it has.
///
/// # Errors
/// If central cannot be reached, or knows no such spawner.
pub fn drain(cli: &Cli, spawner: &str, order: &Order) -> anyhow::Result<ExitCode> {
    with(cli, async |operator| {
        anyhow::ensure!(order.to.as_deref() != Some(spawner), "«{spawner}» cannot be drained to itself");
        set_cordon(&operator, spawner, true, &order.reason).await?;
        let all = servers(&operator).await?;
        let of_it = all.iter().filter(|one| one.spawner == spawner).filter_map(|one| one.area.clone());
        let areas: Vec<String> = of_it.collect();
        let failed = move_all(&operator, &areas, order).await?;
        println!(
            "{} of {} areas have left «{spawner}», which is cordoned",
            areas.len() - failed,
            areas.len()
        );
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Gives spawners another program, and moves what runs over to it.
///
/// # Errors
/// If central cannot be reached, or a spawner cannot start the program: then everything is as before.
pub fn upgrade(cli: &Cli, wish: &Upgrade) -> anyhow::Result<ExitCode> {
    let binary = std::path::absolute(&wish.binary)?;
    with(cli, async |operator| {
        let mut names: Vec<String> = spawners(&operator).await?.into_iter().map(|one| one.name).collect();
        if let Some(only) = &wish.spawner {
            names.retain(|name| name == only);
            anyhow::ensure!(!names.is_empty(), "no spawner «{only}» is connected");
        }
        let (mut failed, mut moved) = (0, 0);
        for name in names {
            let path = format!("/api/data/spawners/{name}/upgrade");
            let body = json!({ "reason": wish.reason, "program": binary });
            let new: Upgraded = operator.call(Method::POST, &path, Some(&body)).await?;
            println!("«{}» starts {}", bold(&name), new.program);
            let old =
                |one: &Server| one.spawner == name && one.program != new.program && !one.program.is_empty();
            let all = servers(&operator).await?;
            let areas: Vec<String> =
                all.into_iter().filter(|one| old(one)).filter_map(|one| one.area).collect();
            let order = Order { to: Some(name.clone()), reason: wish.reason.clone() };
            failed += move_all(&operator, &areas, &order).await?;
            moved += areas.len();
        }
        println!("{} of {moved} areas have gone over; what stays plays on", moved - failed);
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Stops everything in a while, or calls that off.
///
/// # Errors
/// If central cannot be reached, or refuses.
pub fn stop(cli: &Cli, wish: &Stop) -> anyhow::Result<ExitCode> {
    with(cli, async |operator| {
        if wish.cancel {
            operator.call::<()>(Method::DELETE, "/api/data/stop", None).await?;
            println!("it goes on");
            return Ok(ExitCode::SUCCESS);
        }
        let body = json!({ "reason": wish.reason, "in_s": wish.in_s, "text": wish.text });
        operator.call::<()>(Method::POST, "/api/data/stop", Some(&body)).await?;
        println!("everything stops in {} s; «pangea stop --cancel» calls it off", wish.in_s);
        Ok(ExitCode::SUCCESS)
    })
}

async fn set_cordon(operator: &Client, spawner: &str, on: bool, reason: &str) -> anyhow::Result<()> {
    let path = format!("/api/data/spawners/{spawner}/cordon");
    let body = json!({ "reason": reason, "on": on });
    Ok(operator.call::<()>(Method::PUT, &path, Some(&body)).await?)
}

async fn spawners(operator: &Client) -> anyhow::Result<Vec<Spawner>> {
    let answer: Spawners = operator.call(Method::GET, "/api/data/spawners", None).await?;
    Ok(answer.spawners)
}

/// One after the other, each with a line; how many did not move.
async fn move_all(operator: &Client, areas: &[String], order: &Order) -> anyhow::Result<usize> {
    let mut failed = 0;
    for (n, area) in areas.iter().enumerate() {
        print!("{} {} ", dim(&format!("{}/{}", n + 1, areas.len())), bold(area));
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
