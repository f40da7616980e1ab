//! What is kept of each running server, so that a restarted spawner finds it again: one small JSON file each
//! in `<data>/run`, readable only for its owner, replaced as a whole.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pangea_world::id::{AreaId, ServerId};
use serde::{Deserialize, Serialize};

use super::ports::Ports;
use super::sdk::state::State;

/// One server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its id.
    pub server: ServerId,
    /// Kind of server.
    pub template: String,
    /// This run of the machine; in another one the process is gone.
    pub boot: String,
    /// Its process.
    pub pid: u32,
    /// When that was started; tells it from a later one with the same id.
    pub start_ticks: u64,
    /// Its ports.
    pub ports: Ports,
    /// The area that it was given, for good: a server never gets a second one.
    pub area: Option<AreaId>,
    /// The file that it was started from, if it is ours; unknown of older ones.
    #[serde(default)]
    pub program: String,
    /// From spawn to the first Ready, ms.
    pub ready_ms: Option<u32>,
    /// What the SDK says about it.
    pub state: State,
}

/// A file in it: no new areas are to come.
const CORDONED: &str = "cordoned";

/// The folder of records; only one spawner at a time has it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: std::fs::File,
}

impl Folder {
    /// Opens `<data>/run`, made if missing.
    ///
    /// # Errors
    /// If it cannot be written, or another spawner has it.
    pub fn open(data: &Path) -> anyhow::Result<Self> {
        let path = data.join("run");
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        let lock = path.join("lock");
        let file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock)
            .with_context(|| format!("cannot write {}", lock.display()))?;
        file.try_lock().with_context(|| {
            format!("another spawner uses {}; give each its own data folder", path.display())
        })?;
        Ok(Self { path, _lock: file })
    }

    /// All records; one that cannot be read is reported and moved aside.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub fn load(&self) -> anyhow::Result<Vec<Record>> {
        let mut records = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_none_or(|end| end != "json") {
                continue;
            }
            match std::fs::read(&path)
                .map_err(anyhow::Error::from)
                .and_then(|text| Ok(serde_json::from_slice(&text)?))
            {
                Ok(record) => records.push(record),
                Err(error) => {
                    tracing::error!(file = %path.display(), %error, "a server's record cannot be read; it is set aside");
                    let _ = std::fs::rename(&path, path.with_extension("unreadable"));
                }
            }
        }
        Ok(records)
    }

    /// Writes one as a whole.
    ///
    /// # Errors
    /// If the disk is full or the folder is not writable.
    pub fn save(&self, record: &Record) -> anyhow::Result<()> {
        let path = self.file(record.server);
        let part = path.with_extension("part");
        let mut file =
            std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&part)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        Ok(std::fs::rename(&part, &path)?)
    }

    /// Forgets one; it is no error if it was not there.
    pub fn forget(&self, server: ServerId) {
        let _ = std::fs::remove_file(self.file(server));
    }

    /// Whether no new areas are to come here.
    pub fn is_cordoned(&self) -> bool {
        self.path.join(CORDONED).exists()
    }

    /// Keeps that none are to come, or are again.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn set_cordon(&self, on: bool) -> std::io::Result<()> {
        let path = self.path.join(CORDONED);
        if on {
            return std::fs::File::create(path).map(drop);
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn file(&self, server: ServerId) -> PathBuf {
        self.path.join(format!("{server}.json"))
    }
}
