//! A power cut: what a killed process leaves is not enough to prove that a write was durable, the page cache outlives it.
//! The data lie on an ext4 file system in an image; while the writer is stopped the image is copied, which is what the
//! disk would have at that moment, and the copy is mounted and opened.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use pangea_server::store::ledger::journal;
use pangea_server::store::{self, Store};
use pangea_world::id::OpId;

use crate::storage::give;
use crate::support::{Cluster, signal};

/// How often the power is cut, where `POWER_CUTS` says nothing.
const CUTS: usize = 5;

/// Operations that are acknowledged between two cuts, at least.
const OPERATIONS: usize = 40;

/// Who writes at the same time.
const WRITERS: u64 = 4;

const IMAGE_MIB: u64 = 64;

fn run(program: &str, arguments: &[&str]) -> Result<Output, String> {
    let output =
        Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// A file system in an image, mounted until it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path, at: PathBuf) -> Result<Self, String> {
        std::fs::create_dir_all(&at).map_err(|error| error.to_string())?;
        let paths = [image, at.as_path()].map(|path| path.to_str().expect("a plain path"));
        run("mount", &["-o", "loop", paths[0], paths[1]])?;
        Ok(Self(at))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Processes of the cluster may need a moment to end.
        let at = self.0.to_str().unwrap_or_default();
        let _ = run("umount", &["--lazy", at]);
    }
}

fn disk(folder: &Path) -> Result<(PathBuf, Mounted), String> {
    let image = folder.join("image");
    let file = std::fs::File::create(&image).map_err(|error| error.to_string())?;
    file.set_len(IMAGE_MIB << 20).map_err(|error| error.to_string())?;
    run("mkfs.ext4", &["-q", "-F", image.to_str().expect("a plain path")])?;
    let mounted = Mounted::new(&image, folder.join("disk"))?;
    Ok((image, mounted))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_power_cut() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (image, disk) = match disk(folder.path()) {
        Ok(disk) => disk,
        Err(why) => {
            // Past what the test runner keeps of a test that passes.
            let line = format!("\nNO POWER WAS CUT: an image cannot be mounted here: {why}\n");
            return std::io::stderr().write_all(line.as_bytes()).expect("it is said");
        }
    };
    let wished = std::env::var("POWER_CUTS").ok();
    let cuts = wished.map_or(CUTS, |wished| wished.parse().expect("a number of cuts"));
    let mut cluster = Cluster::prepare(&[], &[]);
    std::os::unix::fs::symlink(&disk.0, cluster.folder.path().join("data")).expect("a link");
    cluster.run().await;
    let (_, character) = cluster.player("Rich", "wilds", None).await;
    let cluster = Arc::new(cluster);
    let acknowledged = Arc::new(Mutex::new(Vec::<OpId>::new()));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (cluster, acknowledged) = (cluster.clone(), acknowledged.clone());
        writers.spawn(async move {
            for n in 0u64.. {
                let op = OpId::new(store::now_ms() as u64, u64::to_be_bytes(n * WRITERS + writer));
                if let (200, _) = give(&cluster, character, op).await {
                    acknowledged.lock().expect("it is free").push(op);
                }
            }
        });
    }
    let count = || acknowledged.lock().expect("it is free").len();
    for cut in 0..cuts {
        let before = count();
        cluster.until("more is acknowledged", || async { count() >= before + OPERATIONS }).await;
        // What nobody has flushed: if the copy has it, it proves nothing.
        std::fs::write(disk.0.join(format!("unflushed-{cut}")), [1; 4_096]).expect("it is written");
        signal(cluster.pid(), "STOP");
        let known = acknowledged.lock().expect("it is free").clone();
        let copy = folder.path().join(format!("copy-{cut}"));
        std::fs::copy(&image, &copy).expect("it is copied");
        signal(cluster.pid(), "CONT");
        let after = Mounted::new(&copy, folder.path().join(format!("after-{cut}"))).expect("it is mounted");
        let unflushed = std::fs::read(after.0.join(format!("unflushed-{cut}"))).unwrap_or_default();
        assert!(unflushed.is_empty(), "the copy has what was never flushed");
        let store = Store::open(&after.0).await.expect("it opens");
        let mut reader = store.reader().await.expect("it can be read");
        for (n, op) in known.iter().enumerate() {
            let found = journal::answer(&mut reader, *op).await.expect("it can be read");
            assert!(found.is_some(), "cut {cut}: operation {n} of {} is lost", known.len());
        }
        drop(reader);
        store.close().await;
        drop(after);
        std::fs::remove_file(copy).expect("it is removed");
    }
    writers.shutdown().await;
    assert!(count() >= cuts * OPERATIONS);
}
