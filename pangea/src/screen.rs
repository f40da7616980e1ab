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
}
