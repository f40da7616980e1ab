//! What the project needs beside cargo itself.

mod codegen;
mod model;
mod simulate;
mod test;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => test::run(test::Reach::All),
        ["test", "--fast"] => test::run(test::Reach::Fast),
        ["model", flags @ ..] => model::run(flags),
        ["simulate", flags @ ..] => simulate::run(flags),
        ["codegen"] => codegen::run(false),
        ["codegen", "--check"] => codegen::run(true),
        _ => {
            eprintln!(
                "usage: cargo xtask test [--fast] | codegen [--check] | model [--deep] [--trace] [NAME]\n\
                 \x20      | simulate [--seeds N [--from S]] [--seed S [--log]] [--without CHECK]"
            );
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
