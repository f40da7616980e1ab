//! What is said: channels, logs of lines, what may be said and how often (docs/chat.md).

use std::collections::{HashMap, VecDeque};

use crate::messages::{Line, MAX_LINE_CHARS};
use crate::refusal::{Code, Refusal};
use crate::text;

/// How far one is heard who talks locally, metres.
pub const LOCAL_M: f64 = 30.0;

/// Most lines of a channel that are kept at hand.
pub const KEPT_LINES: usize = 200;

/// Kinds of channel, with their numbers on the game socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Who is near.
    Local = 0,
    /// Everybody on the same layer of the area.
    Area = 1,
    /// Everybody in the world.
    World = 2,
    /// The own faction.
    Faction = 3,
    /// The own party.
    Party = 4,
    /// What is whispered to one.
    Whisper = 5,
    /// What operators say to everybody.
    System = 6,
}

impl Kind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Kind; 7] =
        [Kind::Local, Kind::Area, Kind::World, Kind::Faction, Kind::Party, Kind::Whisper, Kind::System];

    /// The one of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The kind of a channel on links; `None`: no channel has this name.
    pub fn of_channel(channel: &str) -> Option<Self> {
        match channel.split_once('/') {
            None => (channel == "system").then_some(Kind::System),
            Some((_, "")) => None,
            Some(("area", _)) => Some(Kind::Area),
            Some(("world", _)) => Some(Kind::World),
            Some(("faction", _)) => Some(Kind::Faction),
            Some(("party", _)) => Some(Kind::Party),
            Some(("to", _)) => Some(Kind::Whisper),
            Some(_) => None,
        }
    }

    /// Whether its lines are on disk before their sender is answered.
    pub fn is_durable(self) -> bool {
        matches!(self, Kind::Faction | Kind::Party | Kind::Whisper)
    }
}

/// A line's text as it is said: NFC, trimmed, not empty.
///
/// # Errors
/// `too_long`, or `text_invalid` with the rule that it breaks.
pub fn text(said: &str) -> Result<String, Refusal> {
    let text = text::line(said, MAX_LINE_CHARS)?;
    if text.is_empty() {
        return Refusal::err(Code::TextInvalid, "nothing was said");
    }
    Ok(text)
}

/// How often one may speak: so many at once, refilled evenly.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    left: f64,
    at_ms: u64,
}

impl Rate {
    /// A full one.
    pub fn new(most: u32, now_ms: u64) -> Self {
        Self { left: f64::from(most), at_ms: now_ms }
    }

    /// One more; false: too many. `most` at once, and as many again every ten seconds.
    pub fn take(&mut self, most: u32, now_ms: u64) -> bool {
        let passed_s = now_ms.saturating_sub(self.at_ms) as f64 / 1_000.0;
        self.at_ms = now_ms;
        self.left = (self.left + passed_s * f64::from(most) / 10.0).min(f64::from(most));
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

/// The newest lines of a channel: its log's number, where it stands, and the last [`KEPT_LINES`].
#[derive(Debug, Clone)]
pub struct Log {
    id: u64,
    last: u64,
    lines: VecDeque<Line>,
    /// By sender and the sender's number, of the lines above.
    said: HashMap<(Vec<u8>, u64), u64>,
}

impl Log {
    /// The log of this number (not 0), of which `last` lines were said before.
    pub fn new(id: u64, last: u64) -> Self {
        Self { id, last, lines: VecDeque::new(), said: HashMap::new() }
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The number of its newest line; 0: none.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The number that this line has already, if it is among the newest.
    pub fn again(&self, sender: &[u8], id: u64) -> Option<u64> {
        self.said.get(&(sender.to_vec(), id)).copied()
    }

    /// Numbers a line and keeps it; a repeat keeps its number and is `Err` of it.
    ///
    /// # Errors
    /// The number that it has already.
    pub fn append(&mut self, mut line: Line) -> Result<&Line, u64> {
        if let Some(seq) = self.again(&line.sender, line.id) {
            return Err(seq);
        }
        line.seq = self.last + 1;
        self.push(line);
        self.lines.back().ok_or(0)
    }

    /// Keeps a line that is numbered already; one that was seen before, or leaves a gap, is dropped: false.
    pub fn push(&mut self, line: Line) -> bool {
        if line.seq != self.last + 1 {
            return false;
        }
        self.last = line.seq;
        self.said.insert((line.sender.clone(), line.id), line.seq);
        self.lines.push_back(line);
        if self.lines.len() > KEPT_LINES
            && let Some(oldest) = self.lines.pop_front()
        {
            self.said.remove(&(oldest.sender, oldest.id));
        }
        true
    }

    /// The lines after a number; `None`: some of them are not kept here.
    pub fn after(&self, seq: u64) -> Option<impl Iterator<Item = &Line>> {
        let before = self.before_kept();
        (seq >= before).then(|| self.lines.iter().skip((seq - before) as usize))
    }

    /// The number before the oldest line that is kept.
    pub fn before_kept(&self) -> u64 {
        self.last - self.lines.len() as u64
    }

    /// At most so many lines below a number (0: the newest), oldest first.
    pub fn before(&self, seq: u64, most: usize) -> impl Iterator<Item = &Line> {
        let below = self.lines.iter().take_while(|line| seq == 0 || line.seq < seq).count();
        self.lines.iter().take(below).skip(below.saturating_sub(most))
    }
}

/// Whose of `servers` a channel is, by its name or by [`inbox`]: the one with the highest hash, so that one
/// that comes or goes takes only its own share along.
pub fn place<'a>(channel: &str, servers: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    servers.max_by_key(|server| {
        let digest = ring::digest::digest(&ring::digest::SHA256, format!("{server}\n{channel}").as_bytes());
        (digest.as_ref().to_vec(), *server)
    })
}

/// What an inbox is placed by: who whispers knows the name and not the id.
pub fn inbox(name: &str) -> String {
    format!("to/{}", crate::name::check(name).map_or_else(|_| name.to_owned(), |name| name.key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sender: u8, id: u64) -> Line {
        Line { sender: vec![sender; 16], id, text: format!("{sender} {id}"), ..Line::default() }
    }

    fn seqs<'a>(lines: impl Iterator<Item = &'a Line>) -> Vec<u64> {
        lines.map(|line| line.seq).collect()
    }

    #[test]
    fn what_is_said_is_a_line() {
        assert_eq!(text("  hail\n"), Ok("hail".into()));
        assert_eq!(text(&"ä".repeat(255)).map(|text| text.chars().count()), Ok(255));
        let code = |said: &str| text(said).map_err(|refusal| refusal.code);
        for said in ["", " ", "a\nb"] {
            assert_eq!(code(said), Err(Code::TextInvalid), "{said:?}");
        }
        assert_eq!(code(&"x".repeat(256)), Err(Code::TooLong));
    }

    #[test]
    fn speaking_is_refilled_with_time() {
        let mut rate = Rate::new(5, 1_000);
        assert_eq!((0..20).filter(|_| rate.take(5, 1_000)).count(), 5);
        assert_eq!((0..20).filter(|_| rate.take(5, 3_000)).count(), 1);
        assert_eq!((0..20).filter(|_| rate.take(5, 900_000)).count(), 5);
        assert!(!rate.take(5, 0), "a clock that goes back gives nothing");
    }

    #[test]
    fn a_log_numbers_once_and_gives_what_came_after() {
        let mut log = Log::new(7, 40);
        assert_eq!(log.after(40).map(seqs), Some(vec![]));
        assert_eq!(log.after(39).map(seqs), None, "kept elsewhere");
        assert_eq!(log.append(line(1, 1)).map(|line| line.seq), Ok(41));
        assert_eq!(log.append(line(2, 1)).map(|line| line.seq), Ok(42));
        assert_eq!(log.append(line(1, 1)), Err(41), "a repeat");
        assert!(!log.push(Line { seq: 42, ..line(3, 1) }) && !log.push(Line { seq: 44, ..line(3, 1) }));
        assert_eq!(log.after(40).map(seqs), Some(vec![41, 42]));
        assert_eq!(log.after(41).map(seqs), Some(vec![42]));
        for id in 2..300 {
            assert!(log.append(line(1, id)).is_ok());
        }
        assert_eq!((log.last(), log.before_kept()), (340, 140));
        assert_eq!(log.after(139).map(seqs), None);
        assert_eq!(log.after(338).map(seqs), Some(vec![339, 340]));
        assert_eq!(seqs(log.before(0, 2)), [339, 340]);
        assert_eq!(seqs(log.before(143, 100)), [141, 142]);
        assert_eq!(seqs(log.before(3, 100)), [0u64; 0]);
        assert_eq!(log.said.len(), KEPT_LINES);
    }

    #[test]
    fn a_number_above_all_is_not_behind() {
        let log = Log::new(7, 3);
        assert_eq!(log.after(u64::MAX).map(seqs), Some(vec![]));
    }

    #[test]
    fn channels_have_a_kind() {
        assert_eq!(Kind::of_channel("world/wilds"), Some(Kind::World));
        assert_eq!(Kind::of_channel("system"), Some(Kind::System));
        for text in ["", "world", "world/", "wörld/x", "system/x"] {
            assert_eq!(Kind::of_channel(text), None, "{text}");
        }
        assert_eq!(Kind::ALL.map(|kind| kind as u8), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(Kind::from_number(7), None);
    }

    #[test]
    fn one_that_goes_leaves_the_channels_of_the_others_where_they_are() {
        let three = ["a", "b", "c"];
        let channels: Vec<String> = (0..300).map(|n| format!("party/{n}")).collect();
        let mut counts = HashMap::new();
        for channel in &channels {
            let before = place(channel, three.into_iter()).expect("one of them");
            *counts.entry(before).or_insert(0) += 1;
            let after = place(channel, ["a", "b"].into_iter());
            assert!(before == "c" || after == Some(before));
        }
        assert!(counts.len() == 3 && counts.values().all(|count| *count > 60), "{counts:?}");
        assert_eq!(place("x", [].into_iter()), None);
        assert_eq!(inbox("ADA"), inbox("ada"), "however it is written");
    }
}
