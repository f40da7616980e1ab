//! What is said and heard: which lines were shown, and what the server has not answered yet, over all the servers
//! that the character comes to.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pangea_world::chat::Kind;
use pangea_world::frames::{self, ClientMessage, Heard};
use pangea_world::id::CharacterId;
use pangea_world::{Code, Refusal};
use tokio::time::Instant;

/// Lines of a kind by which a repeat is known.
const REMEMBERED: usize = 256;

/// What was said and is not answered.
const MOST_UNANSWERED: usize = 64;

/// For how long the same words said once more are the same line, if nobody knows whether it was said.
const SAME_LINE: Duration = Duration::from_secs(60);

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
#[derive(Debug, Clone)]
pub(crate) struct Talk {
    /// Log and number of the last line that was shown, by kind.
    marks: [Option<(u64, u64)>; 7],
    shown: [Shown; 7],
    unanswered: VecDeque<(u64, ClientMessage)>,
    /// What was refused and may have been said all the same, and until when that counts; oldest first.
    unsure: VecDeque<(Instant, ClientMessage)>,
    last_id: u64,
}

#[derive(Debug, Clone, Default)]
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
            unsure: VecDeque::new(),
            last_id: now_ms << 20,
        }
    }
}

impl Talk {
    /// Something to say, with a number of its own; what is too much is given back as refused.
    pub fn say(&mut self, kind: Kind, to: &str, text: &str) -> (u64, ClientMessage, Option<(u64, Refusal)>) {
        let id = self.number(kind, to, text);
        let message = ClientMessage::Say { kind: kind as u8, id, to: to.to_owned(), text: text.to_owned() };
        self.unanswered.push_back((id, message.clone()));
        let silent = || Refusal::new(Code::ChatUnavailable, "too much was said and not answered");
        let full = self.unanswered.len() > MOST_UNANSWERED;
        let oldest = self.unanswered.front().filter(|_| full).map(|(id, _)| *id);
        oldest.into_iter().for_each(|id| self.answered(id, Some(Code::ChatUnavailable)));
        (id, message, oldest.map(|id| (id, silent())))
    }

    /// A new one; but that of the same words if they were refused and may have been said: then it is heard once.
    fn number(&mut self, kind: Kind, to: &str, text: &str) -> u64 {
        let now = Instant::now();
        self.unsure.retain(|(until, _)| *until > now);
        let words = (kind as u8, to, text);
        let same = |(_, said): &(Instant, ClientMessage)| match said {
            ClientMessage::Say { kind, to, text, .. } => (*kind, to.as_str(), text.as_str()) == words,
            _ => false,
        };
        if let Some(at) = self.unsure.iter().position(same)
            && let Some((_, ClientMessage::Say { id, .. })) = self.unsure.remove(at)
        {
            return id;
        }
        self.last_id += 1;
        self.last_id
    }

    /// What a server is told that steers from now on: what was heard, and again what nobody has answered.
    pub fn tune_in(&self) -> Vec<ClientMessage> {
        let heard =
            |kind: &Kind| self.marks[*kind as usize].map(|(log, seq)| Heard { kind: *kind as u8, log, seq });
        let heard = ClientMessage::Heard(Kind::ALL.iter().filter_map(heard).collect());
        std::iter::once(heard).chain(self.unanswered.iter().map(|(_, say)| say.clone())).collect()
    }

    /// A server has answered; with `chat_unavailable` nobody knows whether it was said.
    pub fn answered(&mut self, id: u64, refused: Option<Code>) {
        let Some(at) = self.unanswered.iter().position(|(unanswered, _)| *unanswered == id) else { return };
        let Some((_, message)) = self.unanswered.remove(at) else { return };
        if refused == Some(Code::ChatUnavailable) {
            self.unsure.push_back((Instant::now() + SAME_LINE, message));
            if self.unsure.len() > MOST_UNANSWERED {
                self.unsure.pop_front();
            }
        }
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

    /// Who is told that chat is away, and says it again, says the same line; who was answered, or says something else,
    /// says another one.
    #[test]
    fn what_may_have_been_said_is_the_same_line_when_it_is_said_again() {
        let mut talk = Talk::default();
        let mut say = |kind: Kind, to: &str, text: &str, refused: Option<Code>| {
            let (id, ..) = talk.say(kind, to, text);
            talk.answered(id, refused);
            id
        };
        let first = say(Kind::Whisper, "Ada", "psst", Some(Code::ChatUnavailable));
        let others =
            [(Kind::Whisper, "Bob", "psst"), (Kind::Party, "", "psst"), (Kind::Whisper, "Ada", "pst")];
        let others = others.map(|(kind, to, text)| say(kind, to, text, Some(Code::Muted)));
        assert!(!others.contains(&first));
        assert_eq!(say(Kind::Whisper, "Ada", "psst", Some(Code::ChatUnavailable)), first);
        assert_eq!(say(Kind::Whisper, "Ada", "psst", None), first);
        assert!(say(Kind::Whisper, "Ada", "psst", None) > others[2], "it was said: this is another one");
        assert_ne!(
            say(Kind::Whisper, "Bob", "psst", None),
            others[0],
            "what is refused for sure is not said"
        );
        let many: Vec<u64> =
            (0..100).map(|n| say(Kind::World, "", &n.to_string(), Some(Code::ChatUnavailable))).collect();
        assert_ne!(say(Kind::World, "", "0", None), many[0], "forgotten");
        assert_eq!(say(Kind::World, "", "99", None), many[99]);
    }

    #[test]
    fn what_is_not_answered_is_said_again() {
        let mut talk = Talk::default();
        let (first, message, _) = talk.say(Kind::World, "", "hail");
        let (second, ..) = talk.say(Kind::Whisper, "Ada", "psst");
        assert_eq!(talk.tune_in()[1], message);
        talk.answered(first, None);
        assert!(matches!(&talk.tune_in()[1..], [ClientMessage::Say { id, .. }] if *id == second));
        let dropped: Vec<_> = (0..100).filter_map(|_| talk.say(Kind::World, "", "x").2).collect();
        assert_eq!((dropped.len(), talk.tune_in().len()), (37, 65));
        assert_eq!(dropped[0].0, second);
    }
}
