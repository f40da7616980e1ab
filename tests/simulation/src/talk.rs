//! What players say: whispers, which are on chat's disk before they are answered, and lines for the whole world, which
//! are lost with chat. It is kept outside of everything that fails, and compared with what others have heard.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use pangea_client::Line;
use pangea_world::chat::Kind;
use pangea_world::id::CharacterId;
use pangea_world::{Code, Refusal};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::time::Instant;

use crate::notes::Fate;

/// How long it takes at most, while nothing is wrong, until what was said is answered and heard.
const HEARD: Duration = Duration::from_secs(1);

/// A line: who said it, and its text, which is a number that he says once.
type LineOf = (CharacterId, u32);

#[derive(Debug, Clone, Copy)]
struct Said {
    /// Whom it was whispered to; `None`: to the world.
    to: Option<CharacterId>,
    at: Instant,
    fate: Fate,
}

/// What was said and heard.
#[derive(Default)]
pub struct Talk {
    said: BTreeMap<LineOf, Said>,
    /// By who heard it.
    heard: BTreeSet<(CharacterId, LineOf)>,
    /// The number of the newest whisper that each has heard.
    newest: BTreeMap<CharacterId, u64>,
    /// Who is in both channels.
    listens: BTreeMap<CharacterId, BTreeSet<u8>>,
    /// When the newest that each has said was said that was answered.
    answered: BTreeMap<CharacterId, Instant>,
    /// When everybody was asked to leave.
    over: Option<Instant>,
    wrong: Vec<String>,
}

impl Talk {
    /// He is in this channel for the first time, or again.
    pub fn listens(&mut self, who: CharacterId, kind: Kind) {
        if matches!(kind, Kind::Whisper | Kind::World) {
            self.listens.entry(who).or_default().insert(kind as u8);
        }
    }

    /// Whether all of so many have been in both: what is said from then on is heard by them.
    pub fn all_listen(&self, everybody: usize) -> bool {
        self.listens.values().filter(|kinds| kinds.len() == 2).count() == everybody
    }

    /// It is said for the first time.
    pub fn says(&mut self, line: LineOf, to: Option<CharacterId>) {
        self.said.insert(line, Said { to, at: Instant::now(), fate: Fate::Unknown });
    }

    /// It is answered. Whether it was said nobody knows if chat is not there.
    pub fn answered(&mut self, line: LineOf, refused: Option<&Refusal>) {
        let Some(said) = self.said.get_mut(&line) else { return };
        match refused.map(|refusal| refusal.code) {
            None => {
                said.fate = Fate::Done;
                let newest = self.answered.entry(line.0).or_insert(said.at);
                *newest = said.at.max(*newest);
            }
            Some(Code::ChatUnavailable) => {}
            Some(_) => said.fate = Fate::Refused,
        }
    }

    /// Whether what he said since then was answered.
    pub fn has_spoken(&self, who: CharacterId, since: Instant) -> bool {
        self.answered.get(&who).is_some_and(|at| *at >= since)
    }

    /// A line is heard: once, whispers in order, and somebody has said it to this one.
    pub fn hears(&mut self, who: CharacterId, line: &Line) {
        let of = (line.sender, line.text.parse().unwrap_or(0));
        let said = self.said.get(&of).map(|said| said.to);
        let meant = match line.kind {
            Kind::Whisper => said == Some(Some(who)),
            Kind::World => said == Some(None),
            _ => return,
        };
        if !meant {
            self.wrong.push(format!("{who} hears what nobody has said to him: {line:?}"));
        }
        if !self.heard.insert((who, of)) {
            self.wrong.push(format!("{who} hears twice: {line:?}"));
        }
        if line.kind == Kind::Whisper {
            let newest = self.newest.entry(who).or_default();
            if line.seq <= *newest {
                self.wrong.push(format!("{who} hears after line {newest}: {line:?}"));
            }
            *newest = line.seq.max(*newest);
        }
    }

    fn is_heard(&self, line: LineOf, to: Option<CharacterId>, everybody: &[CharacterId]) -> bool {
        let hearers = to.map_or_else(|| everybody.to_vec(), |to| vec![to]);
        hearers.into_iter().all(|who| self.heard.contains(&(who, line)))
    }

    /// Nothing was wrong since then: what was said is answered and heard.
    pub fn was_calm(&mut self, since: Instant, everybody: &[CharacterId]) {
        let in_time = |said: &Said| said.at >= since && said.at.elapsed() > HEARD;
        for (line, said) in self.said.iter().filter(|(_, said)| in_time(said)) {
            if said.fate != Fate::Done || !self.is_heard(*line, said.to, everybody) {
                self.wrong.push(format!("not heard while nothing was wrong: {line:?}, {said:?}"));
            }
        }
    }

    /// From now on everybody leaves: who has left hears nothing more.
    pub fn ends(&mut self) {
        self.over = Some(Instant::now());
    }

    /// At the end: what was acknowledged is in chat's file once, and was heard; what was refused is not there.
    pub fn compare(&self, rows: &[(CharacterId, LineOf)]) -> Vec<String> {
        let mut wrong = self.wrong.clone();
        let mut kept: BTreeMap<(CharacterId, LineOf), u32> = BTreeMap::new();
        rows.iter().for_each(|row| *kept.entry(*row).or_default() += 1);
        for ((to, line), times) in &kept {
            if *times > 1 || self.said.get(line).is_none_or(|said| said.to != Some(*to)) {
                wrong.push(format!("{times} times whispered to {to}: {line:?}"));
            }
        }
        for (line, said) in &self.said {
            let Some(to) = said.to else { continue };
            let (times, heard) =
                (kept.get(&(to, *line)).copied().unwrap_or(0), self.heard.contains(&(to, *line)));
            match said.fate {
                Fate::Done if times == 0 => wrong.push(format!("a whisper is lost: {line:?}, {said:?}")),
                Fate::Done if !heard && self.over.is_none_or(|over| said.at + HEARD < over) => {
                    wrong.push(format!("a whisper was not heard: {line:?}, {said:?}"))
                }
                Fate::Refused if times > 0 || heard => {
                    wrong.push(format!("refused and whispered: {line:?}, {said:?}"));
                }
                _ => {}
            }
        }
        wrong
    }

    /// How many lines were acknowledged.
    pub fn lines(&self) -> usize {
        self.said.values().filter(|said| said.fate == Fate::Done).count()
    }
}

/// The whispers in chat's file: to whom, by whom, which.
///
/// # Errors
/// If it cannot be read.
pub async fn rows(file: &Path) -> anyhow::Result<Vec<(CharacterId, LineOf)>> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let all =
        "SELECT channel.name, line.sender, line.text FROM line JOIN channel ON channel.id = line.channel";
    let all = sqlx::query_as::<_, (String, Vec<u8>, String)>(all).fetch_all(&mut connection).await?;
    connection.close().await?;
    let row = |(channel, sender, text): (String, Vec<u8>, String)| {
        let to = channel.strip_prefix("to/")?.parse().ok()?;
        Some((to, (CharacterId::from_bytes(&sender).ok()?, text.parse().ok()?)))
    };
    all.into_iter().map(|all| row(all).context("a line of chat's file")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: CharacterId = CharacterId([1; 16]);
    const BOB: CharacterId = CharacterId([2; 16]);

    fn line(kind: Kind, seq: u64, number: u32) -> Line {
        let (name, text) = (String::new(), number.to_string());
        Line { kind, seq, id: u64::from(number), sender: ADA, at_ms: 0, name, text }
    }

    /// Ada whispers 1 to Bob, which is answered, 2, which is refused, and 3, of which nobody knows; 4 she says to all.
    fn talk() -> Talk {
        let mut talk = Talk::default();
        (1..=3).for_each(|number| talk.says((ADA, number), Some(BOB)));
        talk.says((ADA, 4), None);
        talk.answered((ADA, 1), None);
        talk.answered((ADA, 2), Some(&Refusal::new(Code::Muted, "not now")));
        talk.answered((ADA, 3), Some(&Refusal::new(Code::ChatUnavailable, "away")));
        talk
    }

    fn wrong(heard: &[Line], rows: &[(CharacterId, LineOf)]) -> usize {
        let mut talk = talk();
        heard.iter().for_each(|line| talk.hears(BOB, line));
        talk.compare(rows).len()
    }

    #[test]
    fn what_is_lost_doubled_or_out_of_order_is_found() {
        let one = line(Kind::Whisper, 5, 1);
        let three = line(Kind::Whisper, 6, 3);
        let (row, other) = ((BOB, (ADA, 1)), (BOB, (ADA, 3)));
        for (why, found, heard, rows) in [
            ("sound", 0, vec![one.clone()], vec![row]),
            ("sound: nobody knew of the third", 0, vec![one.clone(), three.clone()], vec![row, other]),
            ("lost", 1, vec![one.clone()], vec![]),
            ("not heard", 1, vec![], vec![row]),
            ("kept twice", 1, vec![one.clone()], vec![row, row]),
            ("heard twice", 1, vec![one.clone(), Line { seq: 6, ..one.clone() }], vec![row]),
            ("out of order", 1, vec![three, one.clone()], vec![row, other]),
            ("refused and said", 1, vec![one.clone()], vec![row, (BOB, (ADA, 2))]),
            ("to somebody else", 1, vec![one.clone()], vec![row, (ADA, (ADA, 3))]),
            ("said by nobody", 1, vec![one.clone(), line(Kind::Whisper, 6, 9)], vec![row]),
            ("not whispered, but to all", 1, vec![one, line(Kind::World, 1, 3)], vec![row]),
        ] {
            assert_eq!(wrong(&heard, &rows), found, "{why}");
        }
    }
}
