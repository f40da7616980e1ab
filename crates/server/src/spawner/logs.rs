//! Keeps the logs of game servers from filling the disk.
//!
//! A server holds its log open for as long as it lives, whoever wrote its program, and outlives the spawner:
//! so a log that is too long is copied to `<name>.1` and emptied. It was opened for appending, so the next
//! line begins at the new end. What is written between copying and emptying is lost.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often the logs are looked at.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// A log that was written this recently may be that of a server which has just been started.
const FRESH: Duration = Duration::from_secs(30);

/// How much the logs may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of one log; as many again for what was there before.
    pub bytes: u64,
    /// Logs of servers that have ended.
    pub ended: usize,
}

/// Shortens logs that are too long; removes the oldest of servers not in `living` that are too many.
pub fn tidy(folder: &Path, living: &BTreeSet<PathBuf>, bounds: Bounds) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut ended = Vec::new();
    for log in entries.flatten().map(|entry| entry.path()) {
        let Ok(about) = log.metadata() else { continue };
        if log.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        if about.len() > bounds.bytes
            && let Err(error) = shorten(&log, bounds.bytes)
        {
            tracing::warn!(log = %log.display(), %error, "a log is too long and cannot be shortened");
        }
        if !living.contains(&log) {
            ended.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), log));
        }
    }
    ended.sort();
    let superfluous = ended.len().saturating_sub(bounds.ended);
    for (written, log) in ended.into_iter().take(superfluous) {
        if written.elapsed().is_ok_and(|age| age > FRESH) {
            let _ = fs::remove_file(&log);
            let _ = fs::remove_file(older(&log));
        }
    }
}

/// Keeps the newest bytes beside it, and empties it.
fn shorten(log: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let older = older(log);
    let _ = fs::remove_file(&older);
    let mut copy = super::process::open_log(&older)?;
    // What its server writes meanwhile is taken along, but the server is not chased.
    io::copy(&mut file.by_ref().take(bytes.saturating_mul(2)), &mut copy)?;
    file.set_len(0)
}

fn older(log: &Path) -> PathBuf {
    log.with_added_extension("1")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_long_log_is_shortened_under_its_writer_and_its_end_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("lodge-1.log");
        let mut writer = super::super::process::open_log(&log).expect("a log");
        let bounds = Bounds { bytes: 8, ended: 1 };
        writer.write_all(b"12345678").expect("written");
        tidy(folder.path(), &BTreeSet::new(), bounds);
        assert_eq!(fs::read(&log).expect("there"), b"12345678", "it may be so long");
        writer.write_all(b"9").expect("written");
        tidy(folder.path(), &BTreeSet::new(), bounds);
        assert_eq!(fs::read(older(&log)).expect("kept"), b"23456789");
        writer.write_all(b"next").expect("written");
        assert_eq!(fs::read(&log).expect("there"), b"next", "no hole before it");
    }

    #[test]
    fn the_oldest_logs_of_ended_servers_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = SystemTime::now();
        let log = |name: &str, age_s: u64| {
            let path = folder.path().join(name);
            let file = File::create(&path).expect("a log");
            file.set_modified(now - Duration::from_secs(age_s)).expect("its time");
            path
        };
        let living = BTreeSet::from([log("lives.log", 900)]);
        let (oldest, old, new) = (log("oldest.log", 800), log("old.log", 700), log("new.log", 600));
        let older_half = log("oldest.log.1", 800);
        let (fresh, foreign) = (log("fresh.log", 1), log("notes.txt", 990));
        tidy(folder.path(), &living, Bounds { bytes: 8, ended: 2 });
        let there = |path: &PathBuf| path.exists();
        assert!(!there(&oldest) && !there(&older_half) && !there(&old), "two too many");
        assert!(there(&new) && there(&fresh) && there(&foreign) && living.iter().all(there));
        tidy(folder.path(), &living, Bounds { bytes: 8, ended: 0 });
        assert!(!there(&new) && there(&fresh), "it may be that of a server just started");
    }
}
