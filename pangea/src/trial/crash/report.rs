//! The figures of crashes, and which promises did not hold.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use super::super::economy::audit::Verdict;
use super::super::economy::record::Notes;
use super::super::percentile::{percentile, round};
use super::super::shown::{row, with_ending};
use super::Kill;
use crate::flags::TrialCrash;

/// How far a player sees, metres, as the world of these trials says.
const VIEW_M: f64 = 16.0;
/// Players who did not come back of whom it is said why.
const MOST_TOLD: usize = 3;

/// So many entities a player near the corner sees, about: where the areas meet is none within 2 m of a line.
fn crash_sees(entities: u32) -> RangeInclusive<f64> {
    let side_m = f64::from(super::side_m(entities));
    let all = f64::from(entities) / (side_m * side_m) * std::f64::consts::PI * VIEW_M * VIEW_M;
    // Twice as many is too many of thousands; of few, how they lie says more.
    let spread = 1.5 * all.sqrt();
    (all * 0.35 - spread).max(0.0)..=all * 1.1 + spread
}

/// Kills of one role.
#[derive(Debug, Serialize)]
pub(super) struct OfRole {
    kills: usize,
    recovery_ms_p50: f64,
    recovery_ms_max: f64,
}

/// The figures as they are printed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    trial: &'static str,
    players: u32,
    /// In each area; and of these in sight of a player in the end, in the middle.
    entities: u32,
    entities_seen: f64,
    seed: u64,
    seconds: f64,
    kills: usize,
    by_role: BTreeMap<&'static str, OfRole>,
    /// From a kill until the last player was answered what he asked for after it.
    recovery_ms_p50: f64,
    recovery_ms_p99: f64,
    recovery_ms_max: f64,
    operations_asked: u64,
    operations_acknowledged: u64,
    /// Done according to central's journal.
    operations_committed: u64,
    /// Of these, trades with somebody of another area.
    trades: u64,
    /// Acknowledged, but not in the journal; and in the journal more than once.
    operations_lost: u64,
    operations_doubled: u64,
    /// Nobody was told what became of them.
    operations_unknown: u64,
    /// Connections that were lost.
    reconnects: u64,
    /// Players who did not come back, and kills after which not all played again.
    players_stranded: usize,
    /// Of all accounts and the bank: must be 0.
    money_sum: i64,
    /// Promises that did not hold; empty is good.
    pub(super) broken: Vec<String>,
}

impl Report {
    pub(super) fn new(
        options: &TrialCrash,
        kills: &[Kill],
        notes: &Notes,
        verdict: &Verdict,
        (took, entities_seen): (Duration, f64),
    ) -> Self {
        let mut broken = verdict.broken();
        let never = kills.iter().filter(|kill| kill.recovery.is_none()).count();
        let stranded = notes.gone.len().max(never);
        if stranded > 0 {
            let some = notes.gone.iter().take(MOST_TOLD).map(String::as_str).collect::<Vec<_>>().join("; ");
            broken.push(format!("{stranded} players did not play again: {some}"));
        }
        if verdict.committed == 0 {
            broken.push("nothing was done".to_owned());
        }
        let about = crash_sees(options.entities);
        if !about.contains(&entities_seen) {
            broken.push(format!(
                "{entities_seen} entities are in sight and not {about:?}: lost, or there twice"
            ));
        }
        let ms = |kill: &Kill| kill.recovery.map(|took| took.as_secs_f64() * 1e3);
        let mut all: Vec<f64> = kills.iter().filter_map(ms).collect();
        let mut of_role: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
        for kill in kills {
            of_role.entry(kill.role).or_default().extend(ms(kill));
        }
        let by_role = of_role.into_iter().map(|(role, mut took)| {
            let (p50, most) = (percentile(&mut took, 0.5), percentile(&mut took, 1.0));
            (role, OfRole { kills: took.len(), recovery_ms_p50: p50, recovery_ms_max: most })
        });
        Self {
            trial: "crash",
            players: options.players,
            entities: options.entities,
            entities_seen,
            seed: options.seed,
            seconds: round(took.as_secs_f64()),
            kills: kills.len(),
            by_role: by_role.collect(),
            recovery_ms_p50: percentile(&mut all, 0.5),
            recovery_ms_p99: percentile(&mut all, 0.99),
            recovery_ms_max: percentile(&mut all, 1.0),
            operations_asked: notes.deeds.values().map(|known| u64::from(known.asked)).sum(),
            operations_acknowledged: notes.deeds.values().filter(|known| known.done).count() as u64,
            operations_committed: verdict.committed,
            trades: verdict.trades,
            operations_lost: verdict.lost,
            operations_doubled: verdict.doubled,
            operations_unknown: notes.unknown,
            reconnects: notes.losses,
            players_stranded: stranded,
            money_sum: verdict.money_sum,
            broken,
        }
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut rows = vec![
            row(
                "players",
                self.players,
                &format!(
                    "for {:.0} s, beside {} entities in each area, {} in sight; seed {}",
                    self.seconds, self.entities, self.entities_seen, self.seed
                ),
            ),
            row("kills", self.kills, &format!("{} connections lost", self.reconnects)),
            row(
                "all play again",
                format!(
                    "{:.0} / {:.0} / {:.0} ms",
                    self.recovery_ms_p50, self.recovery_ms_p99, self.recovery_ms_max
                ),
                "p50 / p99 / most after a kill",
            ),
        ];
        for (role, of) in &self.by_role {
            let took = format!("{:.0} / {:.0} ms", of.recovery_ms_p50, of.recovery_ms_max);
            rows.push(row(&format!("· {role}"), took, &format!("p50 / most of {} kills", of.kills)));
        }
        rows.extend([
            row(
                "operations",
                format!("{} done", self.operations_committed),
                &format!(
                    "{} acknowledged, {} unknown; {} are trades over a line",
                    self.operations_acknowledged, self.operations_unknown, self.trades
                ),
            ),
            row("lost", self.operations_lost, "acknowledged, but not done; must be 0"),
            row("doubled", self.operations_doubled, "must be 0"),
            row("stranded", self.players_stranded, "players who did not come back; must be 0"),
            row("all money", self.money_sum, "of players and the bank; must be 0"),
        ]);
        with_ending(&rows, &self.broken)
    }
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use super::super::super::shown;
    use super::*;

    /// What breaks a promise, and how: of the kill, what players know, the verdict, and what is in sight.
    type Fault = (&'static str, fn(&mut Kill, &mut Notes, &mut Verdict, &mut f64));

    #[test]
    fn each_broken_promise_is_a_failure() {
        let options = TrialCrash { players: 2, kills: 1, entities: 10_000, seed: 1, json: true };
        let code = |spoil: fn(&mut Kill, &mut Notes, &mut Verdict, &mut f64)| {
            let mut kill = Kill { role: "area", recovery: Some(Duration::from_millis(300)) };
            let (mut notes, mut verdict) = (Notes::default(), Verdict::default());
            verdict.committed = 9;
            let mut seen = 56.0;
            spoil(&mut kill, &mut notes, &mut verdict, &mut seen);
            let took = (Duration::from_secs(1), seen);
            shown::code(&Report::new(&options, &[kill], &notes, &verdict, took).broken)
        };
        assert_eq!(code(|_, _, _, _| {}), ExitCode::SUCCESS);
        let faults: &[Fault] = &[
            ("somebody never played again", |kill, _, _, _| kill.recovery = None),
            ("somebody did not come back", |_, notes, _, _| notes.gone.push("nowhere".to_owned())),
            ("an operation", |_, _, verdict, _| verdict.fault("operations are doubled", "one".to_owned())),
            ("nothing was done", |_, _, verdict, _| verdict.committed = 0),
            ("entities that are not there again", |_, _, _, seen| *seen = 0.0),
            ("or are twice", |_, _, _, seen| *seen *= 2.0),
        ];
        for (what, spoil) in faults {
            assert_eq!(code(*spoil), ExitCode::FAILURE, "{what}");
        }
    }
}
