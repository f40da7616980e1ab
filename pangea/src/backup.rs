//! `pangea backup FOLDER`: a copy of the data folder while everything runs, whole or not at all.

use std::fs::Permissions;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use pangea_server::backup::{self, Copied, Progress};
use serde_json::json;
use tempfile::TempDir;

use crate::flags::{Backup, Cli};
use crate::{screen, settings, stop};

/// Copies, and says what.
///
/// # Errors
/// If the folder is there already, or something cannot be copied: then no folder is there.
pub fn run(cli: &Cli, wish: &Backup) -> anyhow::Result<ExitCode> {
    let config = settings::layers(cli)?.config()?;
    let began = Instant::now();
    let unfinished = begin(&wish.folder)?;
    // It is dropped first: whatever still copies a file ends before the folder is removed.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let copied = runtime.block_on(async {
        let stopped = stop::on_signals_saying("stopping: what was copied is removed")?;
        tokio::select! {
            copied = backup::copy(&config, unfinished.path(), tell) => copied,
            () = stop::wait(stopped) => bail!("stopped; nothing was copied"),
        }
    });
    end_line();
    let copied = copied?;
    finish(unfinished, &wish.folder)?;
    let took_ms = began.elapsed().as_millis() as u64;
    if wish.json {
        let mut answer = serde_json::to_value(&copied)?;
        answer["folder"] = json!(wish.folder);
        answer["took_ms"] = json!(took_ms);
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        show(&copied, &wish.folder, took_ms);
    }
    Ok(ExitCode::SUCCESS)
}

/// Under another name until it is whole.
fn begin(target: &Path) -> anyhow::Result<TempDir> {
    ensure!(is_free(target), "«{}» is there already; name a folder that is not", target.display());
    let name = target.file_name().with_context(|| format!("«{}» names no folder", target.display()))?;
    let parent = parent(target);
    let what = || format!("in «{}» nothing can be written", parent.display());
    std::fs::create_dir_all(parent).with_context(what)?;
    // Its owner's alone: there are keys in it.
    tempfile::Builder::new()
        .prefix(&format!(".{}.", name.display()))
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .with_context(what)
}

fn finish(unfinished: TempDir, target: &Path) -> anyhow::Result<()> {
    ensure!(is_free(target), "«{}» is there by now; nothing was written over", target.display());
    let what = || format!("«{}» cannot be made", target.display());
    std::fs::rename(unfinished.path(), target).with_context(what)?;
    // Nothing is there under its first name any more.
    let _ = unfinished.keep();
    std::fs::File::open(parent(target)).and_then(|folder| folder.sync_all()).with_context(what)
}

fn parent(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_free(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// One line that is written over, for who looks on.
fn tell(progress: Progress<'_>) {
    if std::io::stderr().is_terminal() && progress.of > 0 {
        let percent = progress.done * 100 / progress.of;
        eprint!("\r\x1b[K{}: {percent} % of {}", progress.file, size(progress.of));
        let _ = std::io::stderr().flush();
    }
}

fn end_line() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

fn show(copied: &Copied, folder: &Path, took_ms: u64) {
    let seconds = took_ms as f64 / 1e3;
    println!("{} in «{}», {seconds:.1} s", screen::green("all is copied"), folder.display());
    let line = |what: &str, text: String| println!("  {}  {text}", screen::dim(&format!("{what:<11}")));
    let chats = match copied.chats.join(", ") {
        chats if chats.is_empty() => "no chat of this data folder".to_owned(),
        chats => format!("with the lines of {chats}"),
    };
    line("databases", format!("{}, read through once; {chats}", size(copied.database_bytes)));
    match &copied.checkpoints_elsewhere {
        None => line("checkpoints", format!("{}, {}", copied.checkpoints, size(copied.checkpoint_bytes))),
        Some(place) => {
            line("checkpoints", screen::yellow(&format!("lie in {place}: keep what is there as well")))
        }
    }
    line("keys", format!("{}: keep the folder as safe as the data folder", copied.keys));
    if !copied.missing.is_empty() {
        let text =
            "areas whose checkpoint was not there; they go on from an earlier one, or begin as generated";
        line(
            "missing",
            screen::yellow(&format!("{} {text}: {}", copied.missing.len(), copied.missing.join(", "))),
        );
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} KB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
