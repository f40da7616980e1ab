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

/// What they are called, what they take, and from which level on one may give them.
pub const COMMANDS: [(&str, &str, u8); 15] = [
    ("help", "", 0),
    ("who", "", 0),
    ("recall", "", 0),
    ("report", "NAME TEXT", 0),
    ("mute", "NAME MINUTES [REASON]", 1),
    ("unmute", "NAME", 1),
    ("kick", "NAME [REASON]", 1),
    ("announce", "TEXT", 1),
    ("goto", "NAME", 1),
    ("bring", "NAME", 1),
    ("send", "NAME WORLD [MAP]", 1),
    ("ban", "NAME HOURS [REASON]", 1),
    ("unban", "NAME", 1),
    ("banip", "NAME|ADDRESS[/PREFIX] HOURS [REASON]", 2),
    ("unbanip", "ADDRESS[/PREFIX]", 2),
];

/// Reads a command without its slash. A name with spaces stands in quotes.
///
/// # Errors
/// `not_found` for one that there is not, or that this level may not give; `bad_request` says what it takes.
pub fn read(text: &str, level: u8) -> Result<Command, Refusal> {
    let mut words = Words(text.trim());
    let name = words.next().unwrap_or_default().to_lowercase();
    let known = COMMANDS.iter().find(|(known, ..)| *known == name);
    let Some((_, takes, _)) = known.filter(|(_, _, least)| level >= *least) else {
        return Refusal::err(Code::NotFound, format!("there is no command «/{name}»; /help lists them"));
    };
    let bad = || Refusal::new(Code::BadRequest, format!("write /{name} {takes}"));
    let command = arguments(&name, &mut words).ok_or_else(bad)?;
    if words.rest().is_empty() { Ok(command) } else { Err(bad()) }
}

fn arguments(name: &str, words: &mut Words<'_>) -> Option<Command> {
    use Command::*;
    Some(match name {
        "help" => Help,
        "who" => Who,
        "recall" => Recall,
        "report" => Report(words.next()?, words.text()?),
        "mute" => Mute(words.next()?, words.minutes(1)?, words.text().unwrap_or_default()),
        "unmute" => Unmute(words.next()?),
        "kick" => Kick(words.next()?, words.text().unwrap_or_default()),
        "announce" => Announce(words.text()?),
        "goto" => GoTo(words.next()?),
        "bring" => Bring(words.next()?),
        "send" => Send(words.next()?, words.next()?, words.next()),
        "ban" => Ban(words.next()?, words.minutes(60)?, words.text().unwrap_or_default()),
        "unban" => Unban(words.next()?),
        "banip" => BanAddress(words.next()?, words.minutes(60)?, words.text().unwrap_or_default()),
        "unbanip" => UnbanAddress(words.next()?),
        _ => return None,
    })
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

/// What one of this level may write.
pub fn help(level: u8) -> String {
    let line = |(name, takes, _): &(&str, &str, u8)| format!("/{name} {takes}").trim().to_owned();
    COMMANDS.iter().filter(|(_, _, least)| level >= *least).map(line).collect::<Vec<_>>().join(" · ")
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
        for (name, _, least) in COMMANDS {
            for level in 0..3 {
                assert_eq!(code(name, level) == Some(Code::NotFound), level < least, "{name} {level}");
            }
        }
        assert!(help(0).contains("/recall") && !help(0).contains("/ban"));
        assert_eq!(code("", 2), Some(Code::NotFound));
    }
}
