//! `pangea config`: every value, and where it comes from.

use std::process::ExitCode;

use serde_json::json;

use pangea_server::config_layers::Origin;

use crate::flags::Cli;
use crate::{screen, settings};

/// Prints all settings; secrets masked.
///
/// # Errors
/// The first setting that is wrong.
pub fn run(cli: &Cli, as_json: bool) -> anyhow::Result<ExitCode> {
    let layers = settings::layers(cli)?;
    layers.config()?;
    let entries = layers.entries();
    if as_json {
        let list: Vec<_> = entries
            .iter()
            .map(|entry| json!({ "key": entry.key, "value": entry.value, "from": entry.origin.to_string() }))
            .collect();
        println!("{}", serde_json::to_string_pretty(&list)?);
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
    Ok(ExitCode::SUCCESS)
}
