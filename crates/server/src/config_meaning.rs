//! What each setting means: the doc comments of [`crate::config`], by key.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::config::Config;

/// Stands for a name that the operator gives: of a kind of server, a variable, a counter, a list.
const NAME: &str = "NAME";

/// What every setting means, and every section (`central`), in one line each, by key; names that operators give are
/// `NAME` (`spawner.templates.NAME.pool`).
pub fn all() -> BTreeMap<String, String> {
    let mut known = Vec::new();
    Config::schemas(&mut known);
    let json = |schema| serde_json::to_value(schema).unwrap_or_default();
    let known: BTreeMap<String, Value> =
        known.into_iter().map(|(name, schema)| (name, json(schema))).collect();
    let mut found = BTreeMap::new();
    walk(&json(Config::schema()), "", &known, &mut found);
    found
}

/// The meaning of one key, as `pangea config` shows it.
pub fn of<'m>(all: &'m BTreeMap<String, String>, key: &str) -> Option<&'m str> {
    let same = |known: &&String| {
        let (mut known, mut given) = (known.split('.'), key.split('.'));
        loop {
            match (known.next(), given.next()) {
                (None, None) => return true,
                (Some(known), Some(given)) if known == given || known == NAME => {}
                _ => return false,
            }
        }
    };
    all.keys().find(same).and_then(|known| all.get(known)).map(String::as_str)
}

fn walk(schema: &Value, prefix: &str, known: &BTreeMap<String, Value>, found: &mut BTreeMap<String, String>) {
    let schema = referred(schema, known).unwrap_or(schema);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let text = field["description"].as_str().unwrap_or_default();
        found.insert(key.clone(), text.split_whitespace().collect::<Vec<_>>().join(" "));
        walk(field, &key, known, found);
    }
    let each = &schema["additionalProperties"];
    if each.is_object() {
        let key = format!("{prefix}.{NAME}");
        if referred(each, known).is_none() {
            let text = found.get(prefix).cloned().unwrap_or_default();
            found.insert(key, text);
        } else {
            walk(each, &key, known, found);
        }
    }
}

/// The struct that a field's schema names.
fn referred<'k>(schema: &Value, known: &'k BTreeMap<String, Value>) -> Option<&'k Value> {
    let of_list =
        |list: &str| schema[list].as_array().and_then(|all| all.iter().find_map(|one| one["$ref"].as_str()));
    let path = schema["$ref"].as_str().or_else(|| of_list("allOf")).or_else(|| of_list("oneOf"))?;
    known.get(path.rsplit('/').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_layers::Layers;

    #[test]
    fn every_setting_has_a_meaning() {
        let mut layers = Layers::new();
        layers.set("spawner.templates.lodge.environment.MOOD=calm").expect("set");
        let all = all();
        for entry in layers.entries() {
            assert!(of(&all, &entry.key).is_some_and(|text| !text.is_empty()), "{}", entry.key);
        }
        assert_eq!(of(&all, "central.listen"), Some("Where the pages and the HTTP API listen."));
        assert_eq!(of(&all, "spawner.templates.lodge.pool"), Some("Idle servers kept ready."));
        assert_eq!(of(&all, "central.nothing"), None);
    }

    /// docs/settings.md is what this program says of itself; `PANGEA_BLESS=1` writes it anew.
    #[test]
    fn the_page_of_settings_is_this() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
        if std::env::var_os("PANGEA_BLESS").is_some() {
            std::fs::write(path, page()).expect("docs/settings.md can be written");
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page(),
            "a setting changed: PANGEA_BLESS=1 cargo test writes docs/settings.md anew"
        );
    }

    fn page() -> String {
        let defaults: BTreeMap<String, String> =
            Layers::new().entries().into_iter().map(|entry| (entry.key, entry.value)).collect();
        let mut page = String::from(
            "# Settings\n\nMade from `crates/server/src/config.rs` by a test (`PANGEA_BLESS=1 cargo test`). Where they \
             are set, and which wins: [operations.md](operations.md). `pangea config` shows what holds, `pangea config \
             --explain KEY` what a key means.\n\n| key | default | meaning |\n|---|---|---|\n",
        );
        let all = all();
        let is_section = |key: &str| {
            all.keys().any(|other| other.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
        };
        for (key, text) in &all {
            // What is the same for each name is shown for the one that is always there.
            let default = defaults.get(&key.replace("templates.NAME", "templates.area"));
            if is_section(key) {
                page += &format!("| **`{key}`** | | {text} |\n");
            } else {
                let default = default.map(String::as_str).unwrap_or_default();
                let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
                page += &format!("| `{key}` | {default} | {} |\n", text.replace('|', "\\|"));
            }
        }
        page
    }
}
