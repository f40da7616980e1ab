//! A copy of the data folder while everything runs: the databases, the checkpoints, the keys. The copy is a data
//! folder itself: to restore it is to start with it.
//!
//! Each database is copied as it is at one moment. An area's row names the checkpoint that counts; its file was there
//! before, is never written over, and is deleted once three newer ones count, which may be while a long database is
//! copied. So the files are copied before the database, again and again while it is, and once more when it is there.
//! Then every file that the copied rows can name is there, and those of later rows go.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use crate::central;
use crate::config::Config;
use crate::store::backup as store;
use crate::task;

/// How often new checkpoints are looked for while a database is copied, and how often it is told how far that is.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What must stay free on the disk beside the copy.
const SPARE_BYTES: u64 = 64 << 20;

/// How far a copy is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The file.
    pub file: &'a str,
    /// Bytes that are there.
    pub done: u64,
    /// Bytes that it will have, about.
    pub of: u64,
}

/// What was copied.
#[derive(Debug, Default, Serialize)]
pub struct Copied {
    /// Bytes of the databases.
    pub database_bytes: u64,
    /// The chats whose lines are in it: those of this data folder.
    pub chats: Vec<String>,
    /// Files of checkpoints.
    pub checkpoints: usize,
    /// Their bytes.
    pub checkpoint_bytes: u64,
    /// Where checkpoints lie, if that is no folder: they are not in the copy.
    pub checkpoints_elsewhere: Option<String>,
    /// Areas whose checkpoint was not there: they go on from an earlier one, or begin as generated.
    pub missing: Vec<String>,
    /// Files of keys and certificates.
    pub keys: usize,
}

/// Copies into an empty folder.
///
/// # Errors
/// What cannot be read, or written, or that there is not room enough; the folder is then to be thrown away.
pub async fn copy(config: &Config, to: &Path, tell: impl Fn(Progress<'_>)) -> anyhow::Result<Copied> {
    let mut copied = Copied::default();
    // One is missing where a chat runs alone.
    let central = Path::new("pangea.db");
    let mut databases = Vec::new();
    if config.data.join(central).is_file() {
        databases.push(central.to_owned());
    }
    databases.extend(names(&config.data.join("chat"))?.filter(|name| name.ends_with(".db")).map(|name| {
        copied.chats.push(name.trim_end_matches(".db").to_owned());
        Path::new("chat").join(name)
    }));
    ensure!(
        !databases.is_empty(),
        "there is no database in the data folder «{}»: run this on central's machine, with its settings",
        config.data.display()
    );
    let mut sizes = Vec::new();
    for file in &databases {
        sizes.push(store::size(&config.data.join(file)).await?);
    }
    let place = central::checkpoints_folder(config)?;
    copied.checkpoints_elsewhere = place.is_none().then(|| config.central.checkpoints.clone());
    let wanted = Arc::new(());
    let mut checkpoints = Checkpoints::new(place, to.join("checkpoints"), &wanted);
    room(to, sizes.iter().sum::<u64>() + checkpoints.size())?;
    copied.keys = keys(&config.data.join("keys"), &to.join("keys"))?;
    checkpoints = checkpoints.look().await?;
    for (file, of) in databases.iter().zip(sizes) {
        let (from, into) = (config.data.join(file), to.join(file));
        fs::create_dir_all(into.parent().unwrap_or(to))?;
        let copying = store::copy(&from, &into);
        tokio::pin!(copying);
        loop {
            tokio::select! {
                end = &mut copying => break end?,
                () = tokio::time::sleep(LOOK_EVERY) => {
                    let done = fs::metadata(&into).map_or(0, |file| file.len()).min(of);
                    tell(Progress { file: &file.to_string_lossy(), done, of });
                    checkpoints = checkpoints.look().await?;
                }
            }
        }
        fs::set_permissions(&into, fs::Permissions::from_mode(0o600))?;
        copied.database_bytes += fs::metadata(&into)?.len();
        checkpoints = checkpoints.look().await?;
    }
    if to.join(central).is_file() {
        copied.missing = checkpoints.keep_named(&store::checkpoints(&to.join(central)).await?)?;
    }
    (copied.checkpoints, copied.checkpoint_bytes) = checkpoints.copied()?;
    flush(to)?;
    Ok(copied)
}

/// Names in a folder, sorted; none if there is no such folder.
fn names(folder: &Path) -> anyhow::Result<impl Iterator<Item = String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let entries = entries.with_context(|| format!("«{}» cannot be read", folder.display()))?;
    let mut names: Vec<String> =
        entries.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(names.into_iter())
}

/// Refuses before anything is copied if the disk has not room enough.
fn room(to: &Path, bytes: u64) -> anyhow::Result<()> {
    let disk = rustix::fs::statvfs(to)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < bytes + SPARE_BYTES {
        bail!("there is not room enough: {} MiB are needed, {} MiB are free", bytes >> 20, free >> 20);
    }
    Ok(())
}

/// Master key, ticket key, operator's key, certificates; with their rights.
fn keys(from: &Path, to: &Path) -> anyhow::Result<usize> {
    fs::create_dir_all(to)?;
    let mut copied = 0;
    for name in names(from)?.filter(|name| from.join(name).is_file()) {
        let what = || format!("«{}» cannot be copied", from.join(&name).display());
        fs::copy(from.join(&name), to.join(&name)).with_context(what)?;
        File::open(to.join(&name))?.sync_all()?;
        copied += 1;
    }
    Ok(copied)
}

/// The files of checkpoints, area by area.
struct Checkpoints {
    /// `None`: they lie elsewhere.
    from: Option<PathBuf>,
    to: PathBuf,
    seen: HashSet<PathBuf>,
    /// Gone when nobody waits for the copy any more.
    wanted: Weak<()>,
}

impl Checkpoints {
    fn new(from: Option<PathBuf>, to: PathBuf, wanted: &Arc<()>) -> Self {
        Self { from, to, seen: HashSet::new(), wanted: Arc::downgrade(wanted) }
    }

    /// `area/name` of all that are there.
    fn there(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let mut all = Vec::new();
        for area in names(folder)? {
            let folder = folder.join(&area);
            if folder.is_dir() {
                all.extend(
                    names(&folder)?
                        .filter(|name| central::is_checkpoint(name))
                        .map(|name| Path::new(&area).join(name)),
                );
            }
        }
        Ok(all)
    }

    fn size(&self) -> u64 {
        let Some(from) = &self.from else { return 0 };
        let there = Self::there(from).unwrap_or_default();
        there.iter().filter_map(|file| fs::metadata(from.join(file)).ok()).map(|file| file.len()).sum()
    }

    /// Copies those that were not there before.
    async fn look(mut self) -> anyhow::Result<Self> {
        task::blocking(move || {
            let Some(from) = &self.from else { return Ok(self) };
            for file in Self::there(from)? {
                if self.seen.contains(&file) {
                    continue;
                }
                ensure!(self.wanted.strong_count() > 0, "nobody waits for the copy");
                let to = self.to.join(&file);
                fs::create_dir_all(to.parent().unwrap_or(&self.to))?;
                match fs::copy(from.join(&file), &to) {
                    Ok(_) => File::open(&to)?.sync_all()?,
                    // Newer ones count by now.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        let what =
                            || format!("the checkpoint «{}» cannot be copied", from.join(&file).display());
                        return Err(error).with_context(what);
                    }
                }
                self.seen.insert(file);
            }
            Ok(self)
        })
        .await?
    }

    /// Deletes what the copied rows do not know yet: another life of the area would take it for an earlier one of its
    /// own. The areas whose checkpoint is missing.
    fn keep_named(&self, named: &[(pangea_world::id::AreaId, String)]) -> anyhow::Result<Vec<String>> {
        if self.from.is_none() {
            return Ok(Vec::new());
        }
        let newest = |area: &Path| {
            let area = area.to_string_lossy();
            named.iter().find(|(id, _)| *id.to_string() == *area).map(|(_, name)| name.as_str())
        };
        for file in Self::there(&self.to)? {
            let (area, name) = (file.parent().unwrap_or(&file), file.file_name().unwrap_or_default());
            if newest(area).is_none_or(|newest| name.to_string_lossy().as_ref() > newest) {
                fs::remove_file(self.to.join(&file))?;
            }
        }
        let is_missing = |(area, name): &&(pangea_world::id::AreaId, String)| {
            !self.to.join(area.to_string()).join(name).is_file()
        };
        Ok(named.iter().filter(is_missing).map(|(area, _)| area.to_string()).collect())
    }

    /// How many are in the copy, and their bytes.
    fn copied(&self) -> anyhow::Result<(usize, u64)> {
        let there = Self::there(&self.to)?;
        let bytes =
            there.iter().filter_map(|file| fs::metadata(self.to.join(file)).ok()).map(|file| file.len());
        Ok((there.len(), bytes.sum()))
    }
}

/// The folders' entries are on the disk, as the files are.
fn flush(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            flush(&path)?;
        }
    }
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use pangea_world::id::AreaId;

    use super::*;

    const AREA: AreaId = AreaId([7; 16]);

    fn name(tick: u64) -> String {
        format!("{:016x}-{tick:016x}", 3)
    }

    /// A checkpoint that is deleted in between is there, one that came after the database was copied is not.
    #[tokio::test]
    async fn the_files_fit_the_rows_of_the_copied_moment() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("checkpoints"), folder.path().join("copy"));
        let area = from.join(AREA.to_string());
        fs::create_dir_all(&area).expect("a folder");
        let other = from.join(AreaId([8; 16]).to_string());
        fs::create_dir_all(&other).expect("a folder");
        fs::write(other.join(name(1)), "no row names it").expect("written");
        for tick in 1..=2 {
            fs::write(area.join(name(tick)), tick.to_string()).expect("written");
        }
        fs::write(area.join(format!("{}#1", name(3))), "half").expect("written");
        let wanted = Arc::new(());
        let checkpoints =
            Checkpoints::new(Some(from.clone()), to.clone(), &wanted).look().await.expect("copied");
        // Meanwhile: the copied row names the third, then two more count.
        fs::write(area.join(name(3)), "3").expect("written");
        let checkpoints = checkpoints.look().await.expect("copied");
        for tick in 1..=3 {
            fs::remove_file(area.join(name(tick))).expect("removed");
        }
        fs::write(area.join(name(4)), "4").expect("written");
        let checkpoints = checkpoints.look().await.expect("copied");
        let missing = checkpoints.keep_named(&[(AREA, name(3))]).expect("kept");
        assert!(missing.is_empty(), "{missing:?}");
        let mut there = Checkpoints::there(&to).expect("listed");
        there.sort();
        let of_area = |tick| Path::new(&AREA.to_string()).join(name(tick));
        assert_eq!(there, [of_area(1), of_area(2), of_area(3)]);
        let missing = checkpoints.keep_named(&[(AREA, name(9))]).expect("kept");
        assert_eq!(missing, [AREA.to_string()]);
        let unwanted = Checkpoints::new(Some(from), to, &Arc::new(()));
        assert!(unwanted.look().await.is_err(), "nothing is copied for nobody");
    }
}
