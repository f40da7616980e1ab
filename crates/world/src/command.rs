//! What a line of chat that begins with a slash asks for, and who may ask for it.

use crate::refusal::{Code, Refusal};

/// Longest time of a mute or a ban, minutes: ten years.
pub const MINUTES_MAX: u64 = 10 * 365 * 24 * 60;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// What there is.
    Help,
    /// Who is in this world.
    Who,
    /// To the place of one's faction.
    Recall,
    /// For the moderators to look at: whom, and what for.
    Report(String, String),
    /// May not speak for so many minutes, and why.
    Mute(String, u64, String),
    /// May speak again.
    Unmute(String),
    /// Its login ends, and why.
    Kick(String, String),
    /// Is kept out for so many minutes, and why.
    Ban(String, u64, String),
    /// May come again.
    Unban(String),
    /// Keeps out an address, a block of them, or the address of a character's last login.
    BanAddress(String, u64, String),
    /// Lets it in again.
    UnbanAddress(String),
    /// Told to everybody.
    Announce(String),
    /// Oneself to another one.
    GoTo(String),
    /// Another one to oneself.
    Bring(String),
    /// Another one to a world, and a map of it.
    Send(String, String, Option<String>),
}

/// One of them: how it is written, and how it is read.
pub struct Entry {
    /// What stands behind the slash.
    pub name: &'static str,
    /// What it takes, as its writer is told.
    pub takes: &'static str,
    /// What it does, in a line.
    pub does: &'static str,
    /// From which level on one may give it.
    pub level: u8,
    read: fn(&mut Words<'_>) -> Option<Command>,
}

const fn entry(
    name: &'static str,
    takes: &'static str,
    level: u8,
    read: fn(&mut Words<'_>) -> Option<Command>,
    does: &'static str,
) -> Entry {
    Entry { name, takes, does, level, read }
}

/// All of them, in the order in which they are shown.
pub const COMMANDS: [Entry; 15] = [
    entry("help", "", 0, |_| Some(Command::Help), "this list"),
    entry("who", "", 0, |_| Some(Command::Who), "who is in this world"),
    entry("recall", "", 0, |_| Some(Command::Recall), "brings you to the place of your faction"),
    entry(
        "report",
        "NAME TEXT",
        0,
        |words| Some(Command::Report(words.next()?, words.text()?)),
        "tells the moderators of somebody",
    ),
    entry(
        "mute",
        "NAME MINUTES [REASON]",
        1,
        |words| Some(Command::Mute(words.next()?, words.minutes(1)?, words.text().unwrap_or_default())),
        "may not speak",
    ),
    entry("unmute", "NAME", 1, |words| Some(Command::Unmute(words.next()?)), "may speak again"),
    entry(
        "kick",
        "NAME [REASON]",
        1,
        |words| Some(Command::Kick(words.next()?, words.text().unwrap_or_default())),
        "ends the login",
    ),
    entry("announce", "TEXT", 1, |words| Some(Command::Announce(words.text()?)), "says it to everybody"),
    entry("goto", "NAME", 1, |words| Some(Command::GoTo(words.next()?)), "brings you to somebody"),
    entry("bring", "NAME", 1, |words| Some(Command::Bring(words.next()?)), "brings somebody to you"),
    entry(
        "send",
        "NAME WORLD [MAP]",
        1,
        |words| Some(Command::Send(words.next()?, words.next()?, words.next())),
        "sends somebody to another world",
    ),
    entry(
        "ban",
        "NAME HOURS [REASON]",
        1,
        |words| Some(Command::Ban(words.next()?, words.minutes(60)?, words.text().unwrap_or_default())),
        "keeps the account out",
    ),
    entry("unban", "NAME", 1, |words| Some(Command::Unban(words.next()?)), "lets it come again"),
    entry(
        "banip",
        "NAME|ADDRESS[/PREFIX] HOURS [REASON]",
        2,
        |words| {
            let (whom, minutes) = (words.next()?, words.minutes(60)?);
            Some(Command::BanAddress(whom, minutes, words.text().unwrap_or_default()))
        },
        "keeps addresses out: these, or where somebody logged in last",
    ),
    entry(
        "unbanip",
        "ADDRESS[/PREFIX]",
        2,
        |words| Some(Command::UnbanAddress(words.next()?)),
        "lets these addresses come again",
    ),
];

/// Reads a command without its slash. A name with spaces stands in quotes.
///
/// # Errors
/// `not_found` for one that there is not, or that this level may not give; `bad_request` says what it takes.
pub fn read(text: &str, level: u8) -> Result<Command, Refusal> {
    let mut words = Words(text.trim());
    let name = words.next().unwrap_or_default().to_lowercase();
    let Some(entry) = for_level(level).find(|entry| entry.name == name) else {
        return Refusal::err(Code::NotFound, format!("there is no command «/{name}»; /help lists them"));
    };
    let bad = || Refusal::new(Code::BadRequest, format!("write {}", entry.shape()));
    let command = (entry.read)(&mut words).ok_or_else(bad)?;
    if words.rest().is_empty() { Ok(command) } else { Err(bad()) }
}

/// Those that one of this level may give.
pub fn for_level(level: u8) -> impl Iterator<Item = &'static Entry> {
    COMMANDS.iter().filter(move |entry| level >= entry.level)
}

impl Entry {
    /// How it is written.
    pub fn shape(&self) -> String {
        format!("/{} {}", self.name, self.takes).trim_end().to_owned()
    }
}

/// What is left of a line.
struct Words<'a>(&'a str);

impl Words<'_> {
    /// The next word, or all that stands in the next quotes.
    fn next(&mut self) -> Option<String> {
        let text = self.0.trim_start();
        let (word, rest) = match text.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => text.split_once(char::is_whitespace).unwrap_or((text, "")),
        };
        self.0 = rest;
        (!word.trim().is_empty()).then(|| word.trim().to_owned())
    }

    /// A whole number of minutes, or of so many minutes each; 1 to [`MINUTES_MAX`].
    fn minutes(&mut self, each: u64) -> Option<u64> {
        let minutes = self.next()?.parse::<u64>().ok()?.checked_mul(each)?;
        (1..=MINUTES_MAX).contains(&minutes).then_some(minutes)
    }

    /// All that is left.
    fn text(&mut self) -> Option<String> {
        let text = self.rest().to_owned();
        self.0 = "";
        (!text.is_empty()).then_some(text)
    }

    fn rest(&self) -> &str {
        self.0.trim()
    }
}

/// What one of this level may write, a line each.
pub fn help(level: u8) -> String {
    let line = |entry: &Entry| format!("{}: {}", entry.shape(), entry.does);
    for_level(level).map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str, level: u8) -> Option<Code> {
        read(text, level).err().map(|refusal| refusal.code)
    }

    #[test]
    fn names_with_spaces_stand_in_quotes() {
        let muted = |name: &str, minutes, why: &str| Ok(Command::Mute(name.into(), minutes, why.into()));
        assert_eq!(read("mute Ada 5", 1), muted("Ada", 5, ""));
        assert_eq!(
            read("  MUTE \"Lady Ada\"  5  loud  and long ", 1),
            muted("Lady Ada", 5, "loud  and long")
        );
        assert_eq!(read("ban Ada 24", 1), Ok(Command::Ban("Ada".into(), 1_440, String::new())));
        assert_eq!(read("send Ada isles", 1), Ok(Command::Send("Ada".into(), "isles".into(), None)));
        for bad in
            ["mute", "mute Ada", "mute Ada soon", "mute Ada -1", "mute Ada 0", "mute \"Ada 5", "mute \"\" 5"]
        {
            assert_eq!(code(bad, 1), Some(Code::BadRequest), "{bad}");
        }
        assert_eq!(code("ban Ada 99999999999999999999", 1), Some(Code::BadRequest));
        assert_eq!(code("ban Ada 18446744073709551615", 1), Some(Code::BadRequest));
        assert_eq!(code("who is there", 0), Some(Code::BadRequest));
    }

    #[test]
    fn a_command_above_ones_level_is_none() {
        for Entry { name, level: least, .. } in COMMANDS {
            for level in 0..3 {
                assert_eq!(code(name, level) == Some(Code::NotFound), level < least, "{name} {level}");
            }
        }
        let names = |level| for_level(level).map(|entry| entry.name).collect::<Vec<_>>();
        assert_eq!(names(0), ["help", "who", "recall", "report"]);
        assert_eq!(names(2).len(), COMMANDS.len());
        assert_eq!(code("", 2), Some(Code::NotFound));
    }

    /// What is said of a command is true: as its shape says it is read, and as it is refused its shape is told.
    #[test]
    fn help_says_how_each_command_is_written() {
        assert!(help(0).lines().any(|line| line == "/report NAME TEXT: tells the moderators of somebody"));
        for entry in COMMANDS {
            let written = |word: &str| match word {
                "MINUTES" | "HOURS" => "5".to_owned(),
                word => word.to_owned(),
            };
            let all: Vec<String> =
                entry.takes.split(' ').map(|word| written(word.trim_matches(['[', ']']))).collect();
            let needed: Vec<String> =
                entry.takes.split(' ').filter(|word| !word.starts_with('[')).map(written).collect();
            for words in [all, needed.clone()] {
                let text = format!("{} {}", entry.name, words.join(" "));
                assert!(read(&text, 2).is_ok(), "{text}");
            }
            if let Some((_, less)) = needed.split_last().filter(|(last, _)| !last.is_empty()) {
                let refused =
                    read(&format!("{} {}", entry.name, less.join(" ")), 2).expect_err("something is missing");
                assert_eq!(
                    (refused.code, refused.text),
                    (Code::BadRequest, format!("write {}", entry.shape()))
                );
            }
        }
    }
}
