//! `pangea config`: every value, and where it comes from; what it means.

use std::process::ExitCode;

use anyhow::bail;
use pangea_server::config_layers::{Entry, Origin};
use pangea_server::config_meaning;
use pangea_world::nearest::nearest;
use serde_json::json;

use crate::flags::{Cli, ShowConfig};
use crate::{screen, settings};

/// Columns of an explanation, behind what it is moved in.
const COLUMNS: usize = 96;

/// Prints all settings, or explains some; secrets masked.
///
/// # Errors
/// The first setting that is wrong, or that what is to be explained is none.
pub fn run(cli: &Cli, wish: &ShowConfig) -> anyhow::Result<ExitCode> {
    let layers = settings::layers(cli)?;
    layers.config()?;
    let mut entries = layers.entries();
    if let Some(key) = wish.explain.as_deref().filter(|key| !key.is_empty()) {
        let all: Vec<String> = entries.iter().map(|entry| entry.key.clone()).collect();
        entries.retain(|entry| entry.key == key || entry.key.starts_with(&format!("{key}.")));
        if entries.is_empty() {
            let sections = all.iter().filter_map(|known| known.split_once('.')).map(|(section, _)| section);
            match nearest(key, all.iter().map(String::as_str).chain(sections)) {
                Some(meant) => bail!("there is no setting «{key}»; did you mean «{meant}»?"),
                None => bail!("there is no setting «{key}»; `pangea config` lists all"),
            }
        }
    }
    let meanings = config_meaning::all();
    let meaning = |entry: &Entry| config_meaning::of(&meanings, &entry.key).unwrap_or_default().to_owned();
    if wish.show.json {
        let list: Vec<_> = entries
            .iter()
            .map(|entry| {
                json!({
                    "key": entry.key,
                    "value": entry.value,
                    "from": entry.origin.to_string(),
                    "meaning": meaning(entry),
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&list)?);
        return Ok(ExitCode::SUCCESS);
    }
    if wish.explain.is_some() {
        for entry in entries {
            let value = if entry.value.is_empty() { "–" } else { &entry.value };
            println!("{} = {value}  {}", screen::bold(&entry.key), origin(&entry));
            for line in screen::wrapped(&meaning(&entry), COLUMNS) {
                println!("    {line}");
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = entries
        .into_iter()
        .map(|entry| {
            let set = entry.origin != Origin::Default;
            let painter: fn(&str) -> String = if set { screen::green } else { screen::dim };
            let value = if entry.value.is_empty() { "–".to_owned() } else { entry.value };
            vec![
                (entry.key, if set { screen::bold } else { screen::plain } as fn(&str) -> String),
                (format!("= {value}"), screen::plain as _),
                (entry.origin.to_string(), painter),
            ]
        })
        .collect();
    print!("{}", screen::table(&rows));
    println!("\n{}", screen::dim("pangea config --explain [KEY] says what they mean"));
    Ok(ExitCode::SUCCESS)
}

fn origin(entry: &Entry) -> String {
    let text = format!("({})", entry.origin);
    if entry.origin == Origin::Default { screen::dim(&text) } else { screen::green(&text) }
}
