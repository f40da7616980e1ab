//! Default < file < environment < flags: one table, and for every key where its value came from.
//!
//! A layer is applied key by key and checked at once, so that a mistake is named with its own file and line,
//! variable or flag, and with the nearest known key.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use pangea_world::nearest::nearest;
use pangea_world::toml_file::{self, line_of};
use serde::Deserialize as _;
use toml::{Table, Value};

use crate::config::Config;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// Nobody set it.
    #[default]
    Default,
    /// A file, as the operator named it, and the 1-based line.
    File(String, usize),
    /// This environment variable.
    Variable(String),
    /// This flag, as written: `--listen` or `--set`.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(file, line) => write!(f, "{file}:{line}"),
            Origin::Variable(name) | Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// A mistake in a layer, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {text}")]
pub struct ConfigError {
    /// File and line, variable or flag. A file with line 0 is meant as a whole.
    pub origin: Origin,
    /// What is wrong and what to write instead.
    pub text: String,
}

/// One effective value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Dotted, e.g. `central.listen`.
    pub key: String,
    /// As TOML writes it; empty for an optional one that is not set; secrets masked.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// The layers so far.
#[derive(Debug, Clone)]
pub struct Layers {
    table: Table,
    origins: BTreeMap<String, Origin>,
}

impl Default for Layers {
    fn default() -> Self {
        Self::new()
    }
}

impl Layers {
    /// The defaults alone.
    ///
    /// # Panics
    /// Never: the default config is a table.
    #[allow(clippy::expect_used)]
    pub fn new() -> Self {
        let table = Table::try_from(Config::default()).expect("the default config is a table");
        Self { table, origins: BTreeMap::new() }
    }

    /// Adds a file.
    ///
    /// # Errors
    /// The first mistake in it, or that it cannot be read.
    pub fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            origin: Origin::File(name.clone(), 0),
            text: format!("cannot be read: {error}"),
        })?;
        self.text(&name, &text)
    }

    /// Adds a file's text; `name` is shown in errors.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn text(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        let at = |line, text| ConfigError { origin: Origin::File(name.to_owned(), line), text };
        let _: Config = toml_file::read(name, text).map_err(|error| at(error.line, error.text))?;
        let tree = toml::de::DeTable::parse(text).map_err(|error| at(0, error.message().to_owned()))?;
        let mut lines = BTreeMap::new();
        lines_of(tree.get_ref(), "", text, &mut lines);
        let table: Table = toml::from_str(text).map_err(|error| at(0, error.message().to_owned()))?;
        let mut leaves = Vec::new();
        leaves_of(&table, "", &mut leaves);
        for (key, value) in leaves {
            let line = lines.get(&key).copied().unwrap_or(0);
            self.put(&key, value, Origin::File(name.to_owned(), line))?;
        }
        Ok(())
    }

    /// Adds `PANGEA_*` variables: `PANGEA_DATA`, `PANGEA_CENTRAL_LISTEN`, `PANGEA_SPAWNER_TEMPLATES_AREA_POOL`.
    ///
    /// # Errors
    /// The first that names no key, or has no value of the key's kind.
    pub fn environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix("PANGEA_") else { continue };
            if NOT_KEYS.contains(&rest) || KUBERNETES.iter().any(|prefix| rest.starts_with(prefix)) {
                continue;
            }
            let origin = Origin::Variable(name.clone());
            let keys = known_keys(&self.table);
            let key =
                keys.iter().find(|key| variable(key) == name).cloned().or_else(|| template_variable(rest));
            let Some(key) = key else {
                let names: Vec<String> = keys.iter().map(|key| variable(key)).collect();
                let text = unknown("variable", &name, names.iter().map(String::as_str));
                return Err(ConfigError { origin, text });
            };
            self.put_text(&key, &text, origin)?;
        }
        Ok(())
    }

    /// Sets one key from a flag; `flag` is shown in errors.
    ///
    /// # Errors
    /// An unknown key, or a value that is not of its kind.
    pub fn flag(&mut self, flag: &str, key: &str, text: &str) -> Result<(), ConfigError> {
        self.put_text(key, text, Origin::Flag(flag.to_owned()))
    }

    /// Sets one key from `--set section.key=value`.
    ///
    /// # Errors
    /// As [`Layers::flag`], and if there is no «=».
    pub fn set(&mut self, pair: &str) -> Result<(), ConfigError> {
        let Some((key, text)) = pair.split_once('=') else {
            let text = format!("«{pair}»: write section.key=value");
            return Err(ConfigError { origin: Origin::Flag("--set".to_owned()), text });
        };
        self.flag("--set", key.trim(), text.trim())
    }

    /// What holds.
    ///
    /// # Errors
    /// Values that do not fit together, named by the one that was set last.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let config = self.read().map_err(|text| ConfigError { origin: Origin::Default, text })?;
        for (key, check) in CHECKS {
            if let Some(text) = check(&config) {
                let origin = self.origins.get(*key).cloned().unwrap_or_default();
                return Err(ConfigError { origin, text: format!("{key}: {text}") });
            }
        }
        Ok(config)
    }

    /// All values and where they came from, sorted by key; secrets masked.
    pub fn entries(&self) -> Vec<Entry> {
        let whole = self.read().ok().and_then(|config| Table::try_from(config).ok());
        let table = whole.as_ref().unwrap_or(&self.table);
        let mut values = BTreeMap::new();
        let mut leaves = Vec::new();
        leaves_of(table, "", &mut leaves);
        for key in known_keys(table) {
            values.insert(key, String::new());
        }
        values.extend(leaves.into_iter().map(|(key, value)| (key.clone(), shown(&key, &value))));
        let origin = |key: &str| self.origins.get(key).cloned().unwrap_or_default();
        values.into_iter().map(|(key, value)| Entry { origin: origin(&key), key, value }).collect()
    }

    /// Where a key's value came from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or_default()
    }

    fn read(&self) -> Result<Config, String> {
        Config::deserialize(self.table.clone()).map_err(|error| toml_file::plainly(error.message()))
    }

    /// Reads a text as the kind of value that the key has.
    fn put_text(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), ConfigError> {
        let old = get(&self.table, key).or_else(|| get_template_default(key));
        let wrong = |kind: &str| format!("{key} = «{text}»: give {kind}");
        let value = match old {
            Some(Value::Boolean(_)) => match text {
                "true" | "1" | "yes" | "on" => Ok(Value::Boolean(true)),
                "false" | "0" | "no" | "off" => Ok(Value::Boolean(false)),
                _ => Err(wrong("true or false")),
            },
            Some(Value::Integer(_)) => {
                text.replace('_', "").parse().map(Value::Integer).map_err(|_| wrong("a whole number"))
            }
            Some(Value::Array(_)) => {
                as_toml(text).filter(Value::is_array).ok_or_else(|| wrong("a list, e.g. [\"a\", \"b\"]"))
            }
            Some(Value::Table(_)) => Err(format!("«{key}» is a section, not a key")),
            // With quotes as in a file, or as it stands.
            _ if text.len() > 1 && text.starts_with('"') && text.ends_with('"') => {
                as_toml(text).filter(Value::is_str).ok_or_else(|| wrong("a text"))
            }
            _ => Ok(Value::String(text.to_owned())),
        };
        let value = value.map_err(|text| ConfigError { origin: origin.clone(), text })?;
        self.put(key, value, origin)
    }

    fn put(&mut self, key: &str, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let keys = known_keys(&self.table);
        if !keys.iter().any(|known| known == key) && !is_template_key(key) {
            let text = unknown("key", key, keys.iter().map(String::as_str));
            return Err(ConfigError { origin, text });
        }
        let mut next = self.clone();
        insert(&mut next.table, key, value);
        if let Err(text) = next.read() {
            return Err(ConfigError { origin, text: format!("{key}: {text}") });
        }
        next.origins.insert(key.to_owned(), origin);
        *self = next;
        Ok(())
    }
}

/// Variables of this project that are no keys.
const NOT_KEYS: &[&str] = &["CONFIG", "BLESS", "URL", "OUTPUT", "CHROMIUM"];

/// What Kubernetes sets in every container beside a service that is called «pangea».
const KUBERNETES: &[&str] = &["SERVICE_", "PORT_", "PORT"];

type Check = fn(&Config) -> Option<String>;

/// What one value must fulfil that its type does not say.
const CHECKS: &[(&str, Check)] = &[
    ("spawner.ports", |c| port_range(&c.spawner.ports).err()),
    ("spawner.name", |c| c.spawner.name.is_empty().then(|| "a spawner needs a name".to_owned())),
    ("chat.name", |c| c.chat.name.is_empty().then(|| "a chat needs a name".to_owned())),
    ("spawner.capacity", |c| at_least_one(c.spawner.capacity.into())),
    ("central.start_timeout_s", |c| at_least_one(c.central.start_timeout_s)),
    ("central.seat_hold_s", |c| at_least_one(c.central.seat_hold_s)),
    ("central.silence_s", |c| at_least_one(c.central.silence_s)),
    ("accounts.access_minutes", |c| at_least_one(c.accounts.access_minutes)),
    ("accounts.refresh_days", |c| at_least_one(c.accounts.refresh_days)),
    ("accounts.argon2_at_once", |c| at_least_one(c.accounts.argon2_at_once as u64)),
    ("accounts.argon2_memory_kib", |c| {
        (c.accounts.argon2_memory_kib < 8).then(|| "argon2id needs 8 KiB at least".to_owned())
    }),
    ("accounts.argon2_passes", |c| at_least_one(c.accounts.argon2_passes.into())),
    ("central.tls_certificate", |c| a_pair(&c.central.tls_certificate, &c.central.tls_key)),
    ("spawner.tls_certificate", |c| a_pair(&c.spawner.tls_certificate, &c.spawner.tls_key)),
    ("spawner.log_max_bytes", |c| at_least_one(c.spawner.log_max_bytes)),
    ("limits.connections_per_address", |c| at_least_one(c.limits.connections_per_address.into())),
];

fn at_least_one(value: u64) -> Option<String> {
    (value == 0).then(|| "give 1 or more".to_owned())
}

fn a_pair(certificate: &Option<PathBuf>, key: &Option<PathBuf>) -> Option<String> {
    let lonely = certificate.is_some() != key.is_some();
    lonely.then(|| "tls_certificate and tls_key go together: set both or none".to_owned())
}

/// The first and the last port of `first-last`.
///
/// # Errors
/// What to write instead.
pub fn port_range(text: &str) -> Result<(u16, u16), String> {
    let pair = text.split_once('-').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
    match pair {
        Some((first, last)) if first > 0 && last >= first => Ok((first, last)),
        _ => Err(format!("«{text}»: give two ports as first-last, e.g. 7000-7999")),
    }
}

/// A value as TOML writes it.
fn as_toml(text: &str) -> Option<Value> {
    toml::from_str::<Table>(&format!("v = {text}")).ok()?.remove("v")
}

/// The environment variable of a key.
pub fn variable(key: &str) -> String {
    format!("PANGEA_{}", key.replace('.', "_").to_uppercase())
}

fn unknown<'a>(what: &str, word: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(word, known) {
        Some(meant) => format!("unknown {what} «{word}»; did you mean «{meant}»?"),
        None => format!("unknown {what} «{word}»; `pangea config` lists all"),
    }
}

/// Every key that can be set, the unset optional ones too; of templates those that exist.
fn known_keys(table: &Table) -> Vec<String> {
    let mut keys = Vec::new();
    // JSON writes an unset option as null, TOML leaves it out.
    if let Ok(config) = serde_json::to_value(Config::default()) {
        json_keys(&config, "", &mut keys);
    }
    let mut leaves = Vec::new();
    leaves_of(table, "", &mut leaves);
    keys.extend(leaves.into_iter().map(|(key, _)| key));
    keys.sort();
    keys.dedup();
    keys
}

fn json_keys(value: &serde_json::Value, prefix: &str, keys: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(key, value)| json_keys(value, &join(prefix, key), keys))
        }
        _ => keys.push(prefix.to_owned()),
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

fn leaves_of(table: &Table, prefix: &str, leaves: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let key = join(prefix, key);
        match value {
            Value::Table(inner) => leaves_of(inner, &key, leaves),
            _ => leaves.push((key, value.clone())),
        }
    }
}

fn lines_of(table: &toml::de::DeTable, prefix: &str, text: &str, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let dotted = join(prefix, key.get_ref());
        match value.get_ref().as_table() {
            Some(inner) => lines_of(inner, &dotted, text, lines),
            None => {
                lines.insert(dotted, line_of(text, key.span().start));
            }
        }
    }
}

fn get(table: &Table, key: &str) -> Option<Value> {
    let mut parts = key.split('.');
    let first = table.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part)).cloned()
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((head, tail)) => {
            let inner = table.entry(head).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, tail, value);
            }
        }
    }
}

const TEMPLATES: &str = "spawner.templates.";

/// Whether a key belongs to a template that the table need not have yet.
fn is_template_key(key: &str) -> bool {
    let Some((name, field)) = key.strip_prefix(TEMPLATES).and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    let of_environment = field.strip_prefix("environment.").is_some_and(|name| !name.is_empty());
    !name.is_empty() && (of_environment || template_fields().contains_key(field))
}

fn get_template_default(key: &str) -> Option<Value> {
    let (_, field) = key.strip_prefix(TEMPLATES)?.split_once('.')?;
    template_fields().get(field).cloned()
}

fn template_fields() -> Table {
    Table::try_from(crate::config::Template::default()).unwrap_or_default()
}

/// `SPAWNER_TEMPLATES_<NAME>_<FIELD>`; the name in lower case.
fn template_variable(rest: &str) -> Option<String> {
    let rest = rest.strip_prefix("SPAWNER_TEMPLATES_")?.to_lowercase();
    let field = template_fields().keys().find(|field| rest.ends_with(&format!("_{field}"))).cloned()?;
    let name = rest.strip_suffix(&format!("_{field}")).filter(|name| !name.is_empty())?;
    Some(format!("{TEMPLATES}{name}.{field}"))
}

/// A value as people read it; what could be a secret is masked.
fn shown(key: &str, value: &Value) -> String {
    const MASK: &str = "••••••";
    let last = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    let telling = ["password", "secret", "token", "key", "credential"].iter().any(|word| last.contains(word));
    let path = key.ends_with("_file") || key.ends_with("tls_key");
    let number = !matches!(value, Value::String(_));
    if telling && !path && !number {
        return MASK.to_owned();
    }
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // scheme://user:password@host
    match (text.find("://"), text.find('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            let user = &text[scheme + 3..at];
            let user = user.split(':').next().unwrap_or(user);
            format!("{}://{user}:{MASK}{}", &text[..scheme], &text[at..])
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests;
