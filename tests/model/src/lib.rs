//! The protocols of ownership (docs/handoff.md), and that of what is said (docs/chat.md), as models, gone through
//! completely within budgets of faults; what is simpler and wrong is here too, and must be seen to fail.

pub mod check;
pub mod crossing;
pub mod handoff;
pub mod merge;
pub mod migration;
pub mod net;
pub mod passes;
pub mod split;
pub mod talk;
pub mod trade;

use check::Run;

/// Every model; `deep`: with larger budgets too (minutes).
pub fn runs(deep: bool) -> Vec<Run> {
    [
        handoff::runs(deep),
        crossing::runs(deep),
        passes::runs(deep),
        migration::runs(deep),
        split::runs(deep),
        merge::runs(deep),
        trade::runs(deep),
        talk::runs(deep),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_model_shows_what_it_must() {
        let mut wrong = Vec::new();
        for run in super::runs(false) {
            let report = run.check();
            println!("{:>9} states  {}", report.states, run.name);
            if !report.wrong.is_empty() {
                wrong.push(format!("{}: {}\n  {}", run.name, report.wrong, report.trace.join("\n  ")));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
