//! Reading a TOML file so that a mistake is named with its file, its line and the nearest known key.

use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use crate::nearest::nearest;

/// What is wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// The file as the operator named it.
    pub file: String,
    /// 1-based; 0 if the whole file is meant.
    pub line: usize,
    /// What is wrong and what to write instead.
    pub text: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.text)
        } else {
            write!(f, "{}:{}: {}", self.file, self.line, self.text)
        }
    }
}

impl std::error::Error for FileError {}

/// Reads `text`, the contents of `file`.
///
/// # Errors
/// The first mistake; an unknown key or word comes with the nearest known one.
pub fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, FileError> {
    toml::from_str(text).map_err(|error| FileError {
        file: file.to_owned(),
        line: error.span().map_or(0, |span| line_of(text, span.start)),
        text: with_key(text, error.span(), with_hint(error.message())),
    })
}

/// A wrong value's message speaks of its kind alone; people look for the key.
fn with_key(text: &str, span: Option<Range<usize>>, message: String) -> String {
    let tree = DeTable::parse(text).ok();
    let key = tree.zip(span).and_then(|(tree, span)| key_at(tree.get_ref(), span.start));
    match key {
        Some(key) => format!("{key}: {message}"),
        None => message,
    }
}

/// The dotted key of the value at a byte offset.
fn key_at(table: &DeTable<'_>, offset: usize) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let inner = match value.get_ref() {
            DeValue::Table(inner) => key_at(inner, offset),
            DeValue::Array(list) => {
                list.iter().find_map(|one| one.get_ref().as_table().and_then(|inner| key_at(inner, offset)))
            }
            _ => None,
        };
        let here = || (value.span().contains(&offset) && !value.get_ref().is_table()).then(String::new);
        let key = key.get_ref();
        match inner.or_else(here)? {
            rest if rest.is_empty() => Some(key.to_string()),
            rest => Some(format!("{key}.{rest}")),
        }
    })
}

/// The 1-based line of a byte offset.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|&&b| b == b'\n').count() + 1
}

/// Serde names all that would have been right; people want the one that they meant.
fn with_hint(message: &str) -> String {
    let message = message.trim();
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(wrong) = quoted.next() else { return message.to_owned() };
    if !message.starts_with("unknown") {
        return message.to_owned();
    }
    let known: Vec<&str> = quoted.collect();
    let what = if message.starts_with("unknown variant") { "value" } else { "key" };
    match nearest(wrong, known.iter().copied()) {
        Some(meant) => format!("unknown {what} «{wrong}»; did you mean «{meant}»?"),
        None => format!("unknown {what} «{wrong}»; known here: {}", known.join(", ")),
    }
}
