//! The seeds that are always run, and the checks that they find to be missing.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_pangea-simulation");
    Command::new(program).args(arguments).output().expect("the simulation runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Nothing is lost, doubled or owned twice, and everybody plays again.
#[test]
fn the_fixed_seeds_are_sound() {
    let output = run(&["--seeds", "15"]);
    assert!(output.status.success(), "{}", told(&output));
}

/// A seed that failed fails again in the same way: all that is logged is the same.
#[test]
fn a_seed_replays_exactly() {
    let digest = || {
        let text = told(&run(&["--seed", "3"]));
        text.lines().last().and_then(|line| line.split(' ').next_back()).map(str::to_owned)
    };
    let first = digest();
    assert!(first.as_ref().is_some_and(|digest| digest.len() == 16), "{first:?}");
    assert_eq!(digest(), first);
}

/// Nothing of what must hold is told by a wall clock: central's jumps forward, a machine's back, both by hours, and both
/// are right again later.
#[test]
fn clocks_that_jump_by_hours_harm_nobody() {
    let output = run(&["--seed", "1", "--clocks", "--log"]);
    let text = told(&output);
    let jumps = |of: &str| -> Vec<i64> {
        let begins = format!("the clock of {of} jumps by ");
        let by = text.lines().filter_map(|line| line.split_once(&begins)?.1.strip_suffix(" s"));
        by.filter_map(|by| by.parse().ok()).filter(|by: &i64| by.abs() >= 3_600).collect()
    };
    let [central, near, far] = ["central", "near", "far"].map(jumps);
    assert!(central.first().is_some_and(|by| *by > 0), "central's: {central:?}");
    assert!(near.iter().chain(&far).any(|by| *by < 0), "the machines': {near:?} {far:?}");
    assert_eq!(central.iter().chain(&near).chain(&far).sum::<i64>(), 0, "all are right again");
    let end = text.lines().last().unwrap_or_default();
    assert!(output.status.success() && end.starts_with("seed 1: sound"), "{end}");
}

/// A simulation that finds nothing wrong where a check is missing would prove nothing.
#[test]
fn each_check_that_is_left_out_is_found() {
    for (check, seeds) in FOUND {
        let found = seeds.iter().any(|seed| !run(&["--seed", seed, "--without", check]).status.success());
        assert!(found, "nothing fails without «{check}»");
    }
}

/// By check, seeds of which one at least fails without it.
const FOUND: [(&str, &[&str]); 6] = [
    ("durable", &["1", "2"]),
    ("leader", &["1", "7"]),
    ("incarnation", &["2", "1"]),
    ("epoch", &["13", "45"]),
    ("owner", &["4", "6"]),
    ("lease", &["1", "4"]),
];
