//! The known word nearest to a mistyped one, for errors that help.

/// The candidate with the fewest edits to `word`, if that is at most a third of its length (at least 2).
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (edits, best) = known.into_iter().map(|k| (edits(word, k), k)).min()?;
    (edits <= (best.chars().count() / 3).max(2)).then_some(best)
}

/// Levenshtein distance in characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_intended_key_and_no_other() {
        let known = ["listen", "link_listen", "data"];
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("link-listen", known), Some("link_listen"));
        assert_eq!(nearest("capacity", known), None);
    }
}
