//! Which names are allowed, and which count as the same.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_security::GeneralSecurityProfile;
use unicode_security::MixedScript;

use crate::refusal::{Code, Refusal};

/// Fewest and most characters of a name, counted after normalisation.
pub const NAME_CHARS: (usize, usize) = (3, 24);

/// A name as it is shown, and the form under which it must be unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// NFC, trimmed.
    pub shown: String,
    /// NFKC, case-folded, look-alikes folded together (UTS #39 skeleton): two names with the same key are
    /// the same name to a reader.
    pub key: String,
}

/// Checks a name of an account, a character or a faction.
///
/// # Errors
/// `name_invalid`, with the rule that it breaks.
pub fn check(text: &str) -> Result<Name, Refusal> {
    let bad = |why: &str| Refusal::err(Code::NameInvalid, why);
    // Bounds the work below, whatever was sent.
    if text.len() > 1024 {
        return bad("a name has at most 24 characters");
    }
    let shown: String = if text.is_ascii() { text.trim().to_owned() } else { text.trim().nfc().collect() };
    let count = shown.chars().count();
    if count < NAME_CHARS.0 || count > NAME_CHARS.1 {
        return bad("a name has 3 to 24 characters");
    }
    let inner = is_inner;
    if shown.starts_with(inner) || shown.ends_with(inner) {
        return bad("a name begins and ends with a letter or a digit");
    }
    if shown.chars().zip(shown.chars().skip(1)).any(|(a, b)| inner(a) && inner(b)) {
        return bad("a name has no two of space, hyphen, apostrophe and underscore in a row");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c.is_alphanumeric() && c.identifier_allowed();
    if let Some(c) = shown.chars().find(|&c| !(inner(c) || allowed(c))) {
        return bad(&format!("«{}» cannot stand in a name", c.escape_unicode()));
    }
    // ASCII has one script.
    if !shown.is_ascii() && !shown.split(inner).all(|word| word.is_single_script()) {
        return bad("a name does not mix scripts that look alike");
    }
    let key = key_of(&shown);
    Ok(Name { shown, key })
}

/// How the keys of names begin that begin with this text; of a longer text than a name has, its beginning.
pub fn begins_as(text: &str) -> String {
    key_of(&text.chars().take(NAME_CHARS.1).collect::<String>())
}

fn key_of(shown: &str) -> String {
    // In ASCII nothing depends on what stands beside it; and names are asked for at each join.
    static ASCII: LazyLock<Vec<String>> =
        LazyLock::new(|| (0..128).map(|byte| fold(&char::from(byte).to_string())).collect());
    if shown.is_ascii() {
        return shown.bytes().map(|byte| ASCII[usize::from(byte)].as_str()).collect();
    }
    fold(shown)
}

fn fold(shown: &str) -> String {
    let folded = caseless::default_case_fold_str(&shown.nfkc().collect::<String>());
    let key: String = unicode_security::skeleton(&folded).filter(|&c| !is_inner(c)).collect();
    caseless::default_case_fold_str(&key)
}

/// What stands only within a name.
fn is_inner(c: char) -> bool {
    matches!(c, ' ' | '-' | '\'' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_and_cases_are_one_name() {
        let key = |text| check(text).expect(text).key;
        assert_eq!(key("Ada"), key("ADA"));
        assert_eq!(key("Ada"), key("  ada "));
        assert_eq!(key("o'neil"), key("oneil"));
        // Cyrillic а, whole word in one script: allowed, but the same name as the Latin one.
        assert_eq!(key("асе"), key("ace"));
        assert_eq!(key("Стрелок"), key("СТРЕЛОК"));
        assert_ne!(key("Ada"), key("Adam"));
    }

    proptest::proptest! {
        /// The short way of ASCII is the long one.
        #[test]
        fn ascii_has_the_same_key_letter_by_letter(text in "[ -~]{0,24}") {
            proptest::prop_assert_eq!(key_of(&text), fold(&text));
        }
    }

    #[test]
    fn refuses_what_hides_or_misleads() {
        for text in [
            "",
            "ab",
            "   ",
            "a\u{0}b",
            "ada\n",
            "a\u{202e}da",
            "ad\u{200b}a",
            "<b>ada</b>",
            "a--b",
            "-ada",
            "paypаl",
            "\u{1F600}\u{1F600}\u{1F600}",
            "abcdefghijklmnopqrstuvwxyz",
            "a\u{301}\u{301}\u{301}",
        ] {
            // A trailing line break is trimmed like any other white space at the end.
            if text == "ada\n" {
                assert!(check(text).is_ok());
                continue;
            }
            assert_eq!(check(text).map_err(|r| r.code), Err(Code::NameInvalid), "{text:?}");
        }
        assert!(check(&"x".repeat(1 << 20)).is_err());
    }
}
