//! Tables and colours for people; plain text where the output is no terminal.

use std::io::IsTerminal as _;

/// Whether standard output gets colours; `NO_COLOR` (no-color.org) says no.
pub fn coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

fn paint(code: &str, text: &str) -> String {
    if coloured() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// What is right.
pub fn green(text: &str) -> String {
    paint("32", text)
}

/// What is wrong.
pub fn red(text: &str) -> String {
    paint("31", text)
}

/// What deserves a look.
pub fn yellow(text: &str) -> String {
    paint("33", text)
}

/// What stands out.
pub fn bold(text: &str) -> String {
    paint("1", text)
}

/// What stands back.
pub fn dim(text: &str) -> String {
    paint("2", text)
}

/// A time of UTC, ms since 1970, as `2026-11-22 01:02:03`.
pub fn time(ms: u64) -> String {
    let (days, second) = (ms / 86_400_000, ms / 1_000 % 86_400);
    // Years begin with March, so that the day that is too many is their last.
    let day = days + 719_468;
    let of_era = day % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + day / 146_097 * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02}")
}

/// A text of a table, and what paints it.
pub type Cell = (String, fn(&str) -> String);

/// Rows under each other; a column is as wide as its widest cell.
pub fn table(rows: &[Vec<Cell>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let wide = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(wide).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (text, painter)) in row.iter().enumerate() {
            let padding = widths[column].saturating_sub(text.chars().count());
            line += &painter(text);
            if column + 1 < row.len() {
                line += &" ".repeat(padding + 2);
            }
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// A text in lines of at most so many characters; a longer word has a line of its own.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A cell without colour.
pub fn plain(text: &str) -> String {
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let row =
            |a: &str, b: &str| vec![(a.to_owned(), plain as fn(&str) -> String), (b.to_owned(), plain as _)];
        assert_eq!(table(&[row("a", "1"), row("ähm", "22")]), "a    1\nähm  22\n");
    }

    #[test]
    fn a_long_text_is_wrapped_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("ähm immeasurable  no", 6), ["ähm", "immeasurable", "no"]);
        assert!(wrapped(" ", 6).is_empty());
    }

    #[test]
    fn times_are_dates() {
        for (s, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_709_251_200, "2024-03-01 00:00:00"),
            (1_767_225_599, "2025-12-31 23:59:59"),
        ] {
            assert_eq!(time(s * 1_000 + 999), text);
        }
    }
}
