//! What people write, and others read: one rule for lines of chat, titles, letters, reports.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::refusal::{Code, Refusal};

/// Most combining marks in a row.
const MOST_MARKS: usize = 3;

/// A text of one line as it is kept: NFC, trimmed; at most so many characters, perhaps none.
///
/// # Errors
/// `too_long`, or `text_invalid` with the rule that it breaks.
pub fn line(written: &str, most: usize) -> Result<String, Refusal> {
    checked(written, most, false)
}

/// The same of several lines.
///
/// # Errors
/// As [`line`].
pub fn lines(written: &str, most: usize) -> Result<String, Refusal> {
    checked(written, most, true)
}

fn checked(written: &str, most: usize, several: bool) -> Result<String, Refusal> {
    let too_long = || Refusal::err(Code::TooLong, format!("at most {most} characters"));
    // Bounds the work below, whatever was sent.
    if written.len() > 8 * most {
        return too_long();
    }
    let text: String = written.trim().nfc().collect();
    if text.chars().count() > most {
        return too_long();
    }
    if text.chars().any(|c| steers_the_text(c) && !(several && c == '\n')) {
        return Refusal::err(Code::TextInvalid, "control characters do not belong into a text");
    }
    let mut marks = 0;
    for c in text.chars() {
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        if marks > MOST_MARKS {
            return Refusal::err(Code::TextInvalid, "too many marks on one letter");
        }
    }
    Ok(text)
}

/// Control characters, line and paragraph breaks, and what turns the direction of text.
fn steers_the_text(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_plain() {
        assert_eq!(line("  hail\n", 9), Ok("hail".into()));
        assert_eq!(line("", 9), Ok(String::new()));
        assert_eq!(
            line("<b>&amp;</b> ${jndi:x} '; --", 99),
            Ok("<b>&amp;</b> ${jndi:x} '; --".into()),
            "as it is"
        );
        assert_eq!(line("e\u{301}", 1), Ok("\u{e9}".into()), "NFC");
        assert_eq!(line("👩‍👩‍👧", 9), Ok("👩‍👩‍👧".into()), "joiners belong to emoji");
        assert!(line("x\u{301}\u{302}\u{303}", 9).is_ok());
        assert_eq!(lines("two\nlines ", 9), Ok("two\nlines".into()));
        let code = |written: &str| line(written, 9).map_err(|refusal| refusal.code);
        for written in [
            "a\u{0}b",
            "a\nb",
            "a\u{1b}[31m",
            "a\u{202e}b",
            "a\u{2028}b",
            "a\u{200f}b",
            "x\u{301}\u{302}\u{303}\u{304}",
        ] {
            assert_eq!(code(written), Err(Code::TextInvalid), "{written:?}");
        }
        assert_eq!(lines("a\u{1b}b", 9).map_err(|refusal| refusal.code), Err(Code::TextInvalid));
        for written in ["0123456789".to_owned(), "😀".repeat(10), "x".repeat(1 << 20)] {
            assert_eq!(code(&written), Err(Code::TooLong));
        }
    }
}
