//! What is said and heard: which lines were shown, and what the server has not answered yet, over all the servers
//! that the character comes to.

use std::collections::{HashSet, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use pangea_world::chat::Kind;
use pangea_world::frames::{self, ClientMessage, Heard};
use pangea_world::id::CharacterId;
use pangea_world::{Code, Refusal};

/// Lines of a kind by which a repeat is known.
const REMEMBERED: usize = 256;

/// What was said and is not answered.
const MOST_UNANSWERED: usize = 64;

/// One line that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// In which channel.
    pub kind: Kind,
    /// Its number in the channel's log; 0 of local talk.
    pub seq: u64,
    /// The sender's own number for it.
    pub id: u64,
    /// Who said it; zeros: the system.
    pub sender: CharacterId,
    /// When, ms since 1970.
    pub at_ms: u64,
    /// The sender's name.
    pub name: String,
    /// What: plain text.
    pub text: String,
}

/// The state of all channels.
#[derive(Debug)]
pub(crate) struct Talk {
    /// Log and number of the last line that was shown, by kind.
    marks: [Option<(u64, u64)>; 7],
    shown: [Shown; 7],
    unanswered: VecDeque<(u64, ClientMessage)>,
    last_id: u64,
}

#[derive(Debug, Default)]
struct Shown {
    order: VecDeque<([u8; 16], u64)>,
    all: HashSet<([u8; 16], u64)>,
}

impl Shown {
    /// True the first time.
    fn first(&mut self, sender: [u8; 16], id: u64) -> bool {
        let first = self.all.insert((sender, id));
        if first {
            self.order.push_back((sender, id));
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.all.remove(&oldest);
            }
        }
        first
    }
}

impl Default for Talk {
    fn default() -> Self {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        Self {
            marks: [None; 7],
            shown: Default::default(),
            unanswered: VecDeque::new(),
            last_id: now_ms << 20,
        }
    }
}

impl Talk {
    /// Something to say, with a number of its own; what is too much is given back as refused.
    pub fn say(&mut self, kind: Kind, to: &str, text: &str) -> (u64, ClientMessage, Option<(u64, Refusal)>) {
        self.last_id += 1;
        let id = self.last_id;
        let message = ClientMessage::Say { kind: kind as u8, id, to: to.to_owned(), text: text.to_owned() };
        self.unanswered.push_back((id, message.clone()));
        let too_many = || Refusal::new(Code::TooManyRequests, "too much was said and not answered");
        let dropped =
            if self.unanswered.len() > MOST_UNANSWERED { self.unanswered.pop_front() } else { None };
        (id, message, dropped.map(|(id, _)| (id, too_many())))
    }

    /// What a server is told that steers from now on: what was heard, and again what nobody has answered.
    pub fn tune_in(&self) -> Vec<ClientMessage> {
        let heard =
            |kind: &Kind| self.marks[*kind as usize].map(|(log, seq)| Heard { kind: *kind as u8, log, seq });
        let heard = ClientMessage::Heard(Kind::ALL.iter().filter_map(heard).collect());
        std::iter::once(heard).chain(self.unanswered.iter().map(|(_, say)| say.clone())).collect()
    }

    /// A server has answered.
    pub fn answered(&mut self, id: u64) {
        self.unanswered.retain(|(unanswered, _)| *unanswered != id);
    }

    /// Where a channel stands; false: the character is not in it any more.
    pub fn stands(&mut self, kind: Kind, log: u64, seq: u64) -> bool {
        let mark = &mut self.marks[kind as usize];
        *mark = match *mark {
            _ if log == 0 => None,
            Some((same, heard)) if same == log => Some((log, heard.max(seq))),
            _ => Some((log, seq)),
        };
        log != 0
    }

    /// Those of these lines that are new.
    pub fn hear(&mut self, lines: frames::Lines) -> Vec<Line> {
        let Some(kind) = Kind::from_number(lines.kind) else { return Vec::new() };
        let Self { marks, shown, .. } = self;
        let fresh = |line: &frames::Line| {
            if lines.history {
                return true;
            }
            if kind != Kind::Local {
                let Some((log, seq)) = &mut marks[kind as usize] else { return false };
                if *log != lines.log || line.seq <= *seq {
                    return false;
                }
                *seq = line.seq;
            }
            shown[kind as usize].first(line.sender, line.id)
        };
        let fresh = lines.lines.into_iter().filter(fresh).collect::<Vec<_>>();
        fresh.into_iter().map(|line| line_of(kind, line)).collect()
    }
}

fn line_of(kind: Kind, line: frames::Line) -> Line {
    let frames::Line { seq, id, sender, at_ms, name, text } = line;
    Line { kind, seq, id, sender: CharacterId(sender), at_ms, name, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(log: u64, seqs: &[u64]) -> frames::Lines {
        let line = |seq: &u64| frames::Line { seq: *seq, id: *seq, ..frames::Line::default() };
        frames::Lines { kind: 2, history: false, log, lines: seqs.iter().map(line).collect() }
    }

    fn seqs(lines: &[Line]) -> Vec<u64> {
        lines.iter().map(|line| line.seq).collect()
    }

    /// C3: each line once and in order, whatever is told again.
    #[test]
    fn lines_are_shown_once() {
        let mut talk = Talk::default();
        assert!(talk.hear(lines(7, &[1])).is_empty(), "no channel yet");
        assert!(talk.stands(Kind::World, 7, 1));
        assert_eq!(seqs(&talk.hear(lines(7, &[1, 2, 3]))), [2, 3]);
        assert_eq!(seqs(&talk.hear(lines(7, &[2, 3, 5]))), [5], "4 is of somebody who is blocked");
        assert!(talk.hear(lines(8, &[1])).is_empty(), "another log");
        let heard = ClientMessage::Heard(vec![Heard { kind: 2, log: 7, seq: 5 }]);
        assert_eq!(talk.tune_in(), [heard]);
        // The log was lost: what is posted again is not shown again.
        talk.stands(Kind::World, 8, 0);
        assert_eq!(seqs(&talk.hear(lines(8, &[5, 6]))), [6]);
        assert!(!talk.stands(Kind::World, 0, 0));
        assert_eq!(talk.tune_in(), [ClientMessage::Heard(Vec::new())]);
    }

    #[test]
    fn what_is_not_answered_is_said_again() {
        let mut talk = Talk::default();
        let (first, message, _) = talk.say(Kind::World, "", "hail");
        let (second, ..) = talk.say(Kind::Whisper, "Ada", "psst");
        assert_eq!(talk.tune_in()[1], message);
        talk.answered(first);
        assert!(matches!(&talk.tune_in()[1..], [ClientMessage::Say { id, .. }] if *id == second));
        let dropped: Vec<_> = (0..100).filter_map(|_| talk.say(Kind::World, "", "x").2).collect();
        assert_eq!((dropped.len(), talk.tune_in().len()), (37, 65));
        assert_eq!(dropped[0].0, second);
    }
}
