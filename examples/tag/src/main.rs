//! Tag as a program: `tag` is `pangea` with this game.

fn main() -> std::process::ExitCode {
    pangea_cli::run(tag::game())
}
