//! `cargo xtask test`: every test there is, after installing what they need where it is missing.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// How much is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What takes seconds once built: format, lints, unit tests, models.
    Fast,
    /// Everything: real processes, browser, official clients.
    All,
}

/// Debian packages by the program, or the file, that they bring.
const PACKAGES: [(&str, &str); 4] = [
    ("chromium", "chromium"),
    ("protoc", "protobuf-compiler"),
    // What protoc imports comes in a package of its own.
    ("/usr/include/google/protobuf/descriptor.proto", "libprotobuf-dev"),
    ("strace", "strace"),
];

/// Folders with a package-lock.json whose tests or servers need their modules.
const NODE_FOLDERS: [&str; 4] = ["web", "tests/browser", "tests/agones/node", "examples/lodge-node"];

/// Packages of PyPI, pinned, and the environment that they are installed into: the official Python client, a NATS
/// server, and one that speaks S3.
const PYTHON_FOLDERS: [(&str, &str); 3] = [
    ("tests/agones/python/requirements.txt", "target/agones-python"),
    ("tests/nats/requirements.txt", "target/nats"),
    ("tests/s3/requirements.txt", "target/s3"),
];

/// A step's name, and what it runs.
type Step = (&'static str, fn() -> anyhow::Result<()>);

const FAST: [Step; 4] = [
    ("format", || cargo(&["fmt", "--all", "--check"])),
    ("lints", || cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("unit tests", || cargo(&["test", "--workspace", "--lib", "--bins"])),
    ("models", crate::model::test),
];

const ALL: [Step; 11] = [
    ("tools", tools),
    ("format", || cargo(&["fmt", "--all", "--check"])),
    ("node modules", node_modules),
    ("python packages", python_packages),
    ("lints", || cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("generated code", || crate::codegen::run(true)),
    ("page and library", || in_folder("web", "npm", &["test", "--silent"])),
    ("benchmarks' own tests", || in_folder("bench/colyseus", "node", &["--test"])),
    ("models", crate::model::test),
    ("simulation", crate::simulate::test),
    ("tests", tests),
];

/// Runs the steps; all of them, also after one failed, and then a table.
///
/// # Errors
/// If a step failed.
pub fn run(reach: Reach) -> anyhow::Result<()> {
    std::env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
    let steps: &[Step] = if reach == Reach::Fast { &FAST } else { &ALL };
    let mut results: Vec<(&str, Duration, bool)> = Vec::new();
    for (n, (name, step)) in steps.iter().enumerate() {
        println!("{}", paint("1", &format!("[{}/{}] {name}", n + 1, steps.len())));
        let began = Instant::now();
        let done = step();
        if let Err(error) = &done {
            println!("{}", paint("31", &format!("failed: {error:#}")));
        }
        results.push((name, began.elapsed(), done.is_ok()));
        // Without its tools nothing below can tell anything.
        if *name == "tools" && done.is_err() {
            break;
        }
    }
    println!();
    for (name, took, ok) in &results {
        let mark = if *ok { paint("32", "ok    ") } else { paint("31", "FAILED") };
        println!("  {mark} {name:<24} {:>6.1} s", took.as_secs_f64());
    }
    let failed = results.iter().filter(|(_, _, ok)| !ok).count();
    println!("\n{} passed, {failed} failed", results.len() - failed);
    if failed > 0 || results.len() < steps.len() {
        bail!("{failed} of {} steps failed", steps.len());
    }
    Ok(())
}

fn tools() -> anyhow::Result<()> {
    for program in ["node", "npm"] {
        if !found(program) {
            bail!("«{program}» is missing: install Node.js 20 or newer");
        }
    }
    let mut missing: Vec<&str> =
        PACKAGES.iter().filter(|(program, _)| !found(program)).map(|(_, package)| *package).collect();
    // Debian's python3 comes without what makes an environment.
    let python =
        Command::new("python3").args(["-c", "import ensurepip, venv"]).stderr(Stdio::null()).status();
    if !python.is_ok_and(|status| status.success()) {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(", "));
    apt(&["update", "-qq"])?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(&missing);
    apt(&install)
}

/// As root, or with sudo.
fn apt(arguments: &[&str]) -> anyhow::Result<()> {
    let root = output("id", &["-u"])?.trim() == "0";
    let mut command = Command::new(if root { "apt-get" } else { "sudo" });
    if !root {
        command.arg("apt-get");
    }
    finish(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()))
}

fn node_modules() -> anyhow::Result<()> {
    for folder in NODE_FOLDERS {
        let lock = Path::new(folder).join("package-lock.json");
        let installed = Path::new(folder).join("node_modules/.package-lock.json");
        let time = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
        if time(&installed).is_none() || time(&installed) < time(&lock) {
            in_folder(folder, "npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"])?;
        }
    }
    Ok(())
}

fn python_packages() -> anyhow::Result<()> {
    for (requirements, folder) in PYTHON_FOLDERS {
        let wanted = std::fs::read(requirements)?;
        let installed = Path::new(folder).join("requirements.txt");
        if std::fs::read(&installed).is_ok_and(|installed| installed == wanted) {
            continue;
        }
        finish(Command::new("python3").args(["-m", "venv", "--clear", folder]))?;
        let mut pip = Command::new(Path::new(folder).join("bin/pip"));
        finish(pip.args(["install", "--quiet", "--require-hashes", "-r", requirements]))?;
        std::fs::write(installed, wanted)?;
    }
    Ok(())
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    finish(Command::new(env!("CARGO")).args(arguments))
}

/// Most of the time the tests wait for processes: so more of them run at once than there are cores.
fn tests() -> anyhow::Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--workspace", "--no-fail-fast"]);
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        command.env("RUST_TEST_THREADS", (2 * cores).to_string());
    }
    finish(&mut command)
}

fn in_folder(folder: &str, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    finish(Command::new(program).args(arguments).current_dir(folder)).with_context(|| format!("in {folder}"))
}

fn finish(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("{command:?} cannot run"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

fn found(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn output(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("{program} cannot run"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn paint(code: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
