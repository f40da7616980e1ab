//! The figures of an economy, and which promises did not hold.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::super::percentile::{percentile, round};
use super::super::shown::{row, with_ending};
use super::audit::{Found, Verdict};
use super::record::Notes;
use crate::flags::TrialEconomy;

/// Players who did not come back of whom it is said why.
const MOST_TOLD: usize = 3;

/// The figures as they are printed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    trial: &'static str,
    players: u32,
    seed: u64,
    /// Of playing, kills included.
    seconds: f64,
    kills: u32,
    /// Wishes of players, and those that were acknowledged as done.
    operations_asked: u64,
    operations_acknowledged: u64,
    /// Done according to central's journal.
    operations_committed: u64,
    /// Acknowledged, but not in the journal; and in the journal more than once.
    operations_lost: u64,
    operations_doubled: u64,
    /// Nobody was told what became of them, because a server was killed.
    operations_unknown: u64,
    operations_unanswered: u64,
    operations_per_s: f64,
    /// From the wish to the answer at the player, two ticks included.
    commit_ms_p50: f64,
    commit_ms_p99: f64,
    /// Ticks of the area per second of this machine's time, while it lived.
    tick_hz: f64,
    refusals: BTreeMap<String, u64>,
    sources: u64,
    sources_gave_twice: u64,
    /// Of all accounts and the bank: must be 0.
    money_sum: i64,
    journal_entries: i64,
    /// Connections that were lost, and players who did not come back.
    reconnects: u64,
    disconnects: usize,
    /// Promises that did not hold; empty is good.
    pub(super) broken: Vec<String>,
}

/// A kill ends each player's connection once; what is lost beside that is a promise that did not hold.
fn lost_without_a_kill(losses: u64, players: u32, kills: u32) -> Option<String> {
    let most = u64::from(players) * u64::from(kills);
    (losses > most).then(|| format!("{losses} connections were lost, and {kills} kills end {most} at most"))
}

impl Report {
    pub(super) fn new(
        options: &TrialEconomy,
        notes: &mut Notes,
        found: &Found,
        verdict: &Verdict,
        (kills, took): (u32, Duration),
    ) -> Self {
        let mut broken = verdict.broken();
        let seconds = took.as_secs_f64();
        if !notes.gone.is_empty() {
            let some = notes.gone.iter().take(MOST_TOLD).map(String::as_str).collect::<Vec<_>>().join("; ");
            broken.push(format!("{} players did not come back: {some}", notes.gone.len()));
        }
        broken.extend(lost_without_a_kill(notes.losses, options.players, kills));
        if notes.unanswered > 0 {
            broken.push(format!("{} wishes were never answered", notes.unanswered));
        }
        if kills < options.kills {
            broken.push(format!("only {kills} of {} kills found a server", options.kills));
        }
        if verdict.committed == 0 {
            broken.push("nothing was done".to_owned());
        }
        let acknowledged = notes.deeds.values().filter(|known| known.done).count() as u64;
        Self {
            trial: "economy",
            players: options.players,
            seed: options.common.seed,
            seconds: round(seconds),
            kills,
            operations_asked: notes.deeds.values().map(|known| u64::from(known.asked)).sum(),
            operations_acknowledged: acknowledged,
            operations_committed: verdict.committed,
            operations_lost: verdict.lost,
            operations_doubled: verdict.doubled,
            operations_unknown: notes.unknown,
            operations_unanswered: notes.unanswered,
            operations_per_s: round(acknowledged as f64 / seconds.max(1e-3)),
            commit_ms_p50: percentile(&mut notes.commit_ms, 0.5),
            commit_ms_p99: percentile(&mut notes.commit_ms, 0.99),
            tick_hz: round(notes.ticks as f64 / notes.ticked.as_secs_f64().max(1e-3)),
            refusals: notes.refusals.clone(),
            sources: verdict.sources,
            sources_gave_twice: verdict.sources_twice,
            money_sum: verdict.money_sum,
            journal_entries: found.journal,
            reconnects: notes.losses,
            disconnects: notes.gone.len(),
            broken,
        }
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let refused: Vec<String> =
            self.refusals.iter().map(|(code, count)| format!("{code} {count}")).collect();
        let rows = [
            row("players", self.players, &format!("for {:.0} s", self.seconds)),
            row("kills", self.kills, &format!("of area servers; {} connections lost", self.reconnects)),
            row(
                "operations",
                format!("{} done", self.operations_committed),
                &format!(
                    "{} acknowledged, {} unknown",
                    self.operations_acknowledged, self.operations_unknown
                ),
            ),
            row("lost", self.operations_lost, "acknowledged, but not done; must be 0"),
            row("doubled", self.operations_doubled, "must be 0"),
            row("refused", self.refusals.values().sum::<u64>(), &refused.join(", ")),
            row(
                "sources",
                self.sources,
                &format!("gave something; {} more than once: must be 0", self.sources_gave_twice),
            ),
            row("all money", self.money_sum, "of players and the bank; must be 0"),
            row("journal", format!("{} entries", self.journal_entries), "its chain of hashes was followed"),
            row("rate", format!("{:.0} operations/s", self.operations_per_s), "kills included"),
            row(
                "wish to done",
                format!("{:.1} / {:.1} ms", self.commit_ms_p50, self.commit_ms_p99),
                "p50 / p99 at the player",
            ),
            row("tick", format!("{:.1} ticks/s", self.tick_hz), "of the area, while it lived"),
            row("did not come back", self.disconnects, "players"),
        ];
        with_ending(&rows, &self.broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_is_lost_without_a_kill_breaks_a_promise() {
        for (losses, kills, is_broken) in [(0, 0, false), (1, 0, true), (16, 2, false), (17, 2, true)] {
            assert_eq!(lost_without_a_kill(losses, 8, kills).is_some(), is_broken, "{losses} {kills}");
        }
    }
}
