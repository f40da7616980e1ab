//! What players met who changed servers while they walked, over borders or with their areas: figures, and which
//! promises did not hold.

use serde::Serialize;

use super::crossing::meets::Hits;
use super::crossing::walker::{Notes, told};
use super::economy::audit::Verdict;
use super::percentile::percentile;
use super::shown::row;
use crate::screen::Cell;

/// From the last update of the server before to the first of the next one, less one tick; per player who walks and
/// change of server: the middle, the 99th percentile and the longest, ms.
pub(super) fn gaps_ms(all: &[Notes]) -> [f64; 3] {
    let mut gaps: Vec<f64> = all.iter().flat_map(|notes| notes.gaps_ms.iter().copied()).collect();
    [0.5, 0.99, 1.0].map(|part| percentile(&mut gaps, part))
}

/// The pauses of players whose area went to other servers, as they are printed; borders included.
#[derive(Debug, Serialize)]
pub(super) struct Pauses {
    pause_ms_p50: f64,
    pause_ms_p99: f64,
    pause_ms_max: f64,
    /// Changes of server that players met.
    pub(super) changes: usize,
}

impl Pauses {
    pub(super) fn of(all: &[Notes]) -> Self {
        let [pause_ms_p50, pause_ms_p99, pause_ms_max] = gaps_ms(all);
        let changes = all.iter().map(|notes| notes.changes).sum();
        Self { pause_ms_p50, pause_ms_p99, pause_ms_max, changes }
    }

    /// For people.
    pub(super) fn row(&self) -> Vec<Cell> {
        let pause =
            format!("{:.1} / {:.1} / {:.1} ms", self.pause_ms_p50, self.pause_ms_p99, self.pause_ms_max);
        let what =
            format!("p50 / p99 / most, without an update, of who walks, {} changes of server", self.changes);
        row("pause", pause, &what)
    }
}

/// The figures as they are printed, beside those of the trial.
#[derive(Debug, Serialize)]
pub(super) struct Walked {
    inputs_sent: u64,
    /// Steps that were given and not made, though nothing was refused: who walks stands short of where they lead.
    inputs_lost: u64,
    /// Steps that were made twice: he stands beyond.
    inputs_doubled: u64,
    /// Times that a player was told that inputs came too many at once, …
    inputs_refused: u64,
    /// … and that steps were missing for it: he is told once a second.
    steps_refused: u64,
    /// Ticks of which no update came, at changes of server, of who walks ([`pangea_client::Event::Crossed`]): by the
    /// clock of the server that took over, from the last that it told as one beside to the first that it told as the one
    /// that steers. Of the one before nothing is counted: two areas' clocks have nothing to do with each other.
    updates_missed: u64,
    #[serde(flatten)]
    closed: Closed,
    /// Players who are nowhere in the end, and operations that were told as done and are not in the journal.
    lost: u64,
    /// Times that somebody was seen twice at once, and operations that counted twice.
    doubled: u64,
    /// By the journal.
    operations_committed: u64,
    /// Of these, trades with somebody of another area.
    trades: u64,
    #[serde(flatten)]
    hits: Hits,
    /// Trades under an epoch that had passed, and tokens of a connection to the server before.
    stale_writes_tried: u64,
    stale_writes_accepted: u64,
}

/// Connections that ended though their player had not let go of them.
#[derive(Debug, Serialize)]
struct Closed {
    /// All of them, and players that could not go along.
    disconnects: u64,
    /// To the server on which one played: it was made anew.
    disconnects_live: u64,
    /// To one that was only seen, a neighbour's or one to which the area went.
    disconnects_beside: u64,
    /// To one that was offered, and could not be opened.
    disconnects_unopened: u64,
    /// To one that was only seen and said that nobody needs it any more: the player went another way. In order.
    called_off: u64,
    /// Why one of them ended.
    #[serde(skip)]
    why: String,
}

impl Closed {
    /// `left`: so many could not go along.
    fn of(all: &[Notes], left: u64) -> Self {
        let sum = |count: fn(&Notes) -> u64| all.iter().map(count).sum::<u64>();
        let (live, beside) = (sum(|notes| notes.disconnects) + left, sum(|notes| notes.beside_closed));
        let unopened = sum(|notes| notes.beside_unopened);
        Self {
            disconnects: live + beside + unopened,
            disconnects_live: live,
            disconnects_beside: beside,
            disconnects_unopened: unopened,
            called_off: sum(|notes| notes.called_off),
            why: all.iter().find_map(|notes| notes.closed.clone()).unwrap_or_default(),
        }
    }

    /// The promise that did not hold.
    fn broken(&self) -> Option<String> {
        (self.disconnects > 0).then(|| format!("{} connections ended: {}", self.disconnects, self.why))
    }

    /// For people.
    fn row(&self) -> Vec<Cell> {
        let of = format!(
            "must be 0; {} that played, {} that only saw, {} not opened; {} called off",
            self.disconnects_live, self.disconnects_beside, self.disconnects_unopened, self.called_off
        );
        row("disconnects", self.disconnects, &of)
    }
}

impl Walked {
    /// `left`: so many could not go along. With it, the promises that did not hold.
    pub(super) fn new(all: &[Notes], verdict: &Verdict, left: u64) -> (Self, Vec<String>) {
        let sum = |count: fn(&Notes) -> u64| all.iter().map(count).sum::<u64>();
        let stranded: Vec<&str> = all.iter().filter_map(|notes| notes.stranded.as_deref()).collect();
        let (closed, hits) = (Closed::of(all, left), Hits::of(all));
        let (inputs_lost, inputs_doubled) = (sum(|notes| notes.steps_lost), sum(|notes| notes.steps_doubled));
        let (stale, doubled) = (sum(|notes| notes.stale), sum(|notes| notes.doubled));
        let mut broken = verdict.broken();
        broken.extend(hits.broken().iter().cloned());
        broken.extend(closed.broken());
        let mut must = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        let first = stranded.first().unwrap_or(&"");
        must(stranded.is_empty(), format!("{} players were lost: {first}", stranded.len()));
        must(inputs_lost == 0, format!("{inputs_lost} inputs were lost: {}", told(all)));
        must(inputs_doubled == 0, format!("{inputs_doubled} inputs were taken twice: {}", told(all)));
        must(doubled == 0, format!("somebody was seen twice, {doubled} times"));
        let older = all.iter().find_map(|notes| notes.older.as_deref()).unwrap_or_default();
        must(stale == 0, format!("{stale} times something older counted: {older}"));
        let walked = Self {
            inputs_sent: sum(|notes| notes.steps),
            inputs_lost,
            inputs_doubled,
            inputs_refused: sum(|notes| notes.refused),
            steps_refused: sum(|notes| notes.refused_looks),
            updates_missed: sum(|notes| notes.updates_missed),
            closed,
            lost: stranded.len() as u64 + verdict.lost + hits.lost(),
            doubled: doubled + verdict.doubled + hits.doubled(),
            operations_committed: verdict.committed,
            trades: verdict.trades,
            hits,
            stale_writes_tried: sum(|notes| notes.stale_tried),
            stale_writes_accepted: stale + verdict.stale,
        };
        (walked, broken)
    }

    /// For people.
    pub(super) fn rows(&self) -> Vec<Vec<Cell>> {
        let inputs = format!(
            "{} lost, {} taken twice; must be 0; {} times too many at once",
            self.inputs_lost, self.inputs_doubled, self.inputs_refused
        );
        let (hits, of_hits) = self.hits.told();
        vec![
            row("inputs", self.inputs_sent, &inputs),
            row("updates missed", self.updates_missed, "ticks of which nothing came, at these"),
            self.closed.row(),
            row(
                "lost",
                self.lost,
                &format!("players, and of {} operations; must be 0", self.operations_committed),
            ),
            row("doubled", self.doubled, "seen twice at once, or done twice; must be 0"),
            row("hits", hits, &of_hits),
            row("trades", self.trades, "of two areas' characters"),
            row(
                "stale writes",
                self.stale_writes_accepted,
                &format!("that counted, of {} that were tried; must be 0", self.stale_writes_tried),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use pangea_world::id::CharacterId;

    use super::super::shown;
    use super::*;

    /// What breaks a promise, and how.
    type Fault = (&'static str, fn(&mut Notes, &mut Verdict));

    #[test]
    fn each_broken_promise_is_a_failure() {
        let code = |left: u64, spoil: fn(&mut Notes, &mut Verdict)| {
            let (mut notes, mut verdict) = (Notes::default(), Verdict::default());
            spoil(&mut notes, &mut verdict);
            shown::code(&Walked::new(&[notes], &verdict, left).1)
        };
        assert_eq!(code(0, |_, _| {}), ExitCode::SUCCESS);
        assert_eq!(code(1, |_, _| {}), ExitCode::FAILURE, "one who could not go along");
        let faults: &[Fault] = &[
            ("a connection that played", |notes, _| notes.disconnects = 1),
            ("a neighbour's connection", |notes, _| notes.beside_closed = 1),
            ("one that never opened", |notes, _| notes.beside_unopened = 1),
            ("a player", |notes, _| notes.stranded = Some("nowhere".to_owned())),
            ("a lost input", |notes, _| notes.steps_lost = 1),
            ("a doubled input", |notes, _| notes.steps_doubled = 1),
            ("seen twice", |notes, _| notes.doubled = 1),
            ("a stale write", |notes, _| notes.stale = 1),
            ("a lost blow", |notes, _| {
                let me = CharacterId([1; 16]);
                notes.blows.given.insert(me, (1, 1));
                notes.blows.taken = Some((me, 0, 0));
            }),
            ("the journal", |_, verdict| verdict.fault("operations are doubled", "one".to_owned())),
        ];
        for (what, spoil) in faults {
            assert_eq!(code(0, *spoil), ExitCode::FAILURE, "{what}");
        }
    }
}
