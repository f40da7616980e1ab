//! Goes through the models and prints a table; `--deep` with larger budgets, a word: only what has it in its
//! name, `--trace`: how what must fail does.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use pangea_model::check::Expect;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let word = arguments.iter().find(|argument| !argument.starts_with("--"));
    let (mut wrong, began) = (0, Instant::now());
    for run in pangea_model::runs(has("--deep")) {
        if word.is_some_and(|word| !run.name.contains(word.as_str())) {
            continue;
        }
        let began = Instant::now();
        let report = run.check();
        let must = match run.expect {
            Expect::Holds => "holds".to_owned(),
            Expect::Breaks(property) => format!("breaks «{property}» in {} steps", report.trace.len()),
            Expect::Stuck => {
                format!("gets stuck ({} states, first after {} steps)", report.stuck, report.trace.len())
            }
        };
        let (took, name) = (began.elapsed().as_secs_f64(), &run.name);
        let seen = if report.wrong.is_empty() { must } else { format!("WRONG, {}", report.wrong) };
        let _ = writeln!(std::io::stdout(), "{:>9} states {took:>6.1} s  {name}: {seen}", report.states);
        wrong += usize::from(!report.wrong.is_empty());
        if has("--trace") || !report.wrong.is_empty() {
            report.trace.iter().for_each(|step| println!("{:>18} {step}", ""));
        }
    }
    println!("{wrong} wrong, {:.1} s", began.elapsed().as_secs_f64());
    if wrong > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
