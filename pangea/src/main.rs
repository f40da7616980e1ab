//! The program: every role, with the reference game. A game of one's own has this one line, with its own `Game`.

fn main() -> std::process::ExitCode {
    pangea_cli::run(wilds::game())
}
