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
        text: with_key(text, error.span(), plainly(error.message())),
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
        // What is wrong with a table as a whole is said where it begins; what stands in it has its own key.
        let here = || {
            let span = value.span();
            let meant =
                if value.get_ref().is_table() { span.start == offset } else { span.contains(&offset) };
            meant.then(String::new)
        };
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

/// What a reader of values says, in words of people who write files: what belongs there, and the key or word that
/// they may have meant.
pub fn plainly(message: &str) -> String {
    let message = message.trim();
    if message.starts_with("unknown") {
        return with_hint(message);
    }
    let wrong = ["invalid type: ", "invalid value: "].iter().find_map(|begin| message.strip_prefix(begin));
    if let Some((found, expected)) = wrong.and_then(|rest| rest.rsplit_once(", expected ")) {
        if (found, expected) == ("map", "a sequence") {
            return "there may be several: put its name into double brackets, [[name]]".to_owned();
        }
        return format!("give {}, not {}", what_belongs(expected), what_stands(found));
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("the key «{}» is missing", key.trim_matches('`'));
    }
    let known = SLIPS.iter().find(|(begin, _)| message.starts_with(begin));
    known.map_or(message, |(_, said)| said).to_owned()
}

/// What a parser says of what is no TOML or no address, by how it begins, and what people are told.
const SLIPS: &[(&str, &str)] = &[
    ("invalid socket address", "give an address and a port, e.g. \"127.0.0.1:8080\""),
    ("invalid IP address", "give an address, e.g. \"127.0.0.1\""),
    ("wanted string or table", "give a text in quotes"),
    ("string values must be quoted", "a value is missing here, or a text has no quotes, e.g. \"text\""),
    ("invalid basic string", "a text has no end: its second quote is missing"),
    ("key with no value", "behind a key come «=» and its value"),
    ("unclosed table", "a section's «]» is missing"),
    ("duplicate key", "this key stands here twice"),
    ("unexpected leading zero", "a number does not begin with 0"),
];

/// A kind of value as serde names it.
fn what_belongs(expected: &str) -> String {
    let within = |least: i64, most: i64| format!("a whole number from {least} to {most}");
    match expected {
        "i8" => within(i8::MIN.into(), i8::MAX.into()),
        "i16" => within(i16::MIN.into(), i16::MAX.into()),
        "i32" => within(i32::MIN.into(), i32::MAX.into()),
        "u8" => within(0, u8::MAX.into()),
        "u16" => within(0, u16::MAX.into()),
        "u32" => within(0, u32::MAX.into()),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "path string" => "a text in quotes".to_owned(),
        "a sequence" => "a list, e.g. [1, 2]".to_owned(),
        "socket address" => "an address and a port in quotes".to_owned(),
        "IP address" => "an address in quotes".to_owned(),
        other if other.starts_with("struct ") || other.ends_with("map") => {
            "a table, e.g. { key = 1 }".to_owned()
        }
        other => other.to_owned(),
    }
}

/// What is there instead, as serde names it.
fn what_stands(found: &str) -> String {
    match found.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "boolean", value)) => value.trim_matches('`').to_owned(),
        Some(("floating", rest)) => rest.trim_start_matches("point ").trim_matches('`').to_owned(),
        _ => match found {
            "sequence" => "a list".to_owned(),
            "map" => "a table".to_owned(),
            other => other.to_owned(),
        },
    }
}

/// Serde names all that would have been right; people want the one that they meant.
fn with_hint(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(wrong) = quoted.next() else { return message.to_owned() };
    let known: Vec<&str> = quoted.collect();
    let what = if message.starts_with("unknown variant") { "value" } else { "key" };
    match nearest(wrong, known.iter().copied()) {
        Some(meant) => format!("unknown {what} «{wrong}»; did you mean «{meant}»?"),
        None => format!("unknown {what} «{wrong}»; known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use crate::world_file;

    const GOOD: &str = "kind = \"grid\"\n[grid]\ncell_m = 64\narea_cells = 8\nspawn = { x = 1.0, y = 1.0 }\n";

    /// A world's file with this line before or behind what every one needs, and what is said of it.
    fn check(line: &str, said: &str) {
        let text = if line.starts_with('[') { format!("{GOOD}{line}\n") } else { format!("{line}\n{GOOD}") };
        let error = world_file::read("w.toml", &text).expect_err(line).to_string();
        assert_eq!(error, said, "{line}");
    }

    #[test]
    fn a_value_of_a_wrong_kind_is_named_by_file_line_key_and_what_belongs_there() {
        check("capacity = \"many\"", "w.toml:1: capacity: give a whole number, not the text \"many\"");
        check("capacity = 1.5", "w.toml:1: capacity: give a whole number, not 1.5");
        check("seed = -1", "w.toml:1: seed: give a whole number, 0 or more, not -1");
        check("creatures = 1", "w.toml:1: creatures: give true or false, not 1");
        check("title = true", "w.toml:1: title: give a text in quotes, not true");
        check("rules = \"pve\"", "w.toml:1: rules: give a list, e.g. [1, 2], not the text \"pve\"");
        check("rules = [7]", "w.toml:1: rules: give a text in quotes, not 7");
        check("maps = 5", "w.toml:1: maps: give a table, e.g. { key = 1 }, not 5");
        check(
            "[[faction]]\nid = \"a\"\nspawn = { x = \"here\", y = 1 }",
            "w.toml:8: faction.spawn.x: give a number, not the text \"here\"",
        );
        check("[[faction]]\nid = \"a\"", "w.toml:6: faction: the key «spawn» is missing");
        check(
            "[[map]]\nid = \"a\"\nwidth_m = 64\nheight_m = 64\n[[map.portal]]\nwidth_m = 70000",
            "w.toml:11: map.portal.width_m: give a whole number from 0 to 65535, not 70000",
        );
    }

    #[test]
    fn a_missing_or_unknown_word_is_named() {
        let said = |text: &str| world_file::read("w.toml", text).expect_err(text).to_string();
        assert_eq!(said(""), "w.toml:1: the key «kind» is missing");
        assert_eq!(said(&GOOD.replace("cell_m = 64\n", "")), "w.toml:2: grid: the key «cell_m» is missing");
        assert_eq!(said("kind = 5"), "w.toml:1: kind: give a text in quotes");
        assert_eq!(said("kind = \"grid\"\n[grid"), "w.toml:2: a section's «]» is missing");
        check("capcity = 5", "w.toml:1: unknown key «capcity»; did you mean «capacity»?");
        assert_eq!(
            said(&GOOD.replace("\"grid\"", "\"gird\"")),
            "w.toml:1: kind: unknown value «gird»; did you mean «grid»?"
        );
    }

    /// A portal leads to a world that is there, on a grid too; by itself a file says nothing of other worlds.
    #[test]
    fn a_portal_that_leads_nowhere_is_named() {
        let maps = |ends: &str| {
            format!(
                "kind = \"maps\"\n[maps]\nspawn = {{ map = \"quay\", x = 1.0, y = 1.0 }}\n[[map]]\nid = \"quay\"\n\
                width_m = 64\nheight_m = 64\n[[map.portal]]\nx = 8\ny = 8\nwidth_m = 2\nheight_m = 2\n{ends}\n"
            )
        };
        let grid = |ends: &str| {
            let bounds = "bounds = { x0 = 0, y0 = 0, x1 = 8, y1 = 8 }";
            format!("{GOOD}{bounds}\n[[grid.portal]]\nx = 8\ny = 8\nwidth_m = 2\nheight_m = 2\n{ends}\n")
        };
        let read = |name: &str, text: &str| world_file::read(name, text).map_err(|error| error.to_string());
        let known = [read("isles.toml", &maps("world = \"vale\"\nto_x = 9.0\nto_y = 9.0")).expect("a world")];
        let vale = read("vale.toml", &grid("to_x = 500.0\nto_y = 500.0")).expect("a world");
        let known = [known[0].clone(), vale];
        let said = |text: &str| {
            let read = read("w.toml", text);
            read.and_then(|_| {
                world_file::check_ways("w.toml", text, known.iter()).map_err(|error| error.to_string())
            })
        };
        let to = |world: &str, map: &str, at: f64| {
            let name = |key: &str, name: &str| {
                if name.is_empty() { String::new() } else { format!("{key} = \"{name}\"\n") }
            };
            format!("{}{}to_x = {at:.1}\nto_y = {at:.1}", name("world", world), name("to", map))
        };
        for (ends, no) in [
            (to("", "", 9.0), "a portal's end: name the map, «to», or another world"),
            (to("", "quai", 9.0), "there is no map «quai»; did you mean «quay»?"),
            (to("vail", "", 9.0), "a portal's end: there is no world «vail»; did you mean «vale»?"),
            (to("vale", "quay", 9.0), "a portal's end: the world «vale» has no maps; leave out «to»"),
            (to("vale", "", 900.0), "a portal's end (900, 900) lies outside the world «vale»"),
            (to("isles", "", 9.0), "a portal's end: the world «isles» has maps; name one, «to»"),
            (to("isles", "wood", 9.0), "there is no map «wood»"),
            (to("isles", "quay", 90.0), "a portal's end (90, 90) lies outside the map «quay»"),
        ] {
            assert_eq!(said(&maps(&ends)), Err(format!("w.toml:8: {no}")), "{ends}");
        }
        for (ends, no) in [
            (to("", "quay", 9.0), "a portal's end: a grid has no maps; leave out «to»"),
            (to("", "", 900.0), "a portal's end lies outside the world"),
            (to("isles", "", 9.0), "a portal's end: the world «isles» has maps; name one, «to»"),
        ] {
            assert_eq!(said(&grid(&ends)), Err(format!("w.toml:7: {no}")), "{ends}");
        }
        let outside = grid(&to("", "", 9.0)).replace("x = 8\n", "x = 511\n");
        assert_eq!(
            said(&outside),
            Err("w.toml:7: a portal on the grid is empty or outside of it".to_owned())
        );
        for good in
            [maps(&to("vale", "", 9.0)), maps(&to("isles", "quay", 9.0)), grid(&to("isles", "quay", 9.0))]
        {
            assert_eq!(said(&good), Ok(()));
        }
    }

    /// What is no TOML at all.
    #[test]
    fn a_slip_of_the_pen_is_named() {
        let quotes = "w.toml:1: a value is missing here, or a text has no quotes, e.g. \"text\"";
        check("title = The Vale", quotes);
        check("capacity = ", quotes);
        check("title = \"The Vale", "w.toml:1: a text has no end: its second quote is missing");
        check("capacity", "w.toml:1: behind a key come «=» and its value");
        check("capacity = 5\ncapacity = 6", "w.toml:2: this key stands here twice");
        check("capacity = 07", "w.toml:1: a number does not begin with 0");
        check(
            "[map]\nid = 5",
            "w.toml:6: map: there may be several: put its name into double brackets, [[name]]",
        );
    }
}
