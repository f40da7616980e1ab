//! Where areas' checkpoints lie: a folder, or a bucket that speaks S3. The area's row names the one that counts,
//! under the fence of its owner's epoch; a file that no row named is no checkpoint. Files are never written over:
//! their names hold epoch and tick. The newest few stay, for when one turns out to be damaged.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use pangea_world::id::{AreaId, ServerId};
use pangea_world::messages::{AreaSaved, Body, SaveArea};
use pangea_world::{Code, Refusal};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::core::Core;
use crate::checkpoint::{Checkpoint, MOST_BYTES};
use crate::config::Config;
use crate::link;
use crate::store::audit::{self, Note};
use crate::store::{area as row, ownership};
use crate::task::on_the_spot;

/// How many of an area stay: the one that counts, and those before it.
const KEPT: usize = 3;

/// Length of a checkpoint's name.
const NAME_CHARACTERS: usize = 33;

/// How long a bucket may take for one thing, and how long it is asked again.
#[cfg(feature = "s3")]
const BUCKET_FOR: Duration = Duration::from_secs(10);

/// How long the last one of an area's life is tried again, and how often.
const LAST_FOR: Duration = Duration::from_secs(60);
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// The place; nothing is opened before it is needed.
#[derive(Debug)]
pub struct Checkpoints {
    place: Place,
    opened: OnceCell<Opened>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Folder(PathBuf),
    Bucket(String),
}

#[derive(Debug, Clone)]
struct Opened {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

/// The folder of this cluster's checkpoints; `None`: they lie in a bucket.
///
/// # Errors
/// If `central.checkpoints` is no place.
pub fn checkpoints_folder(config: &Config) -> anyhow::Result<Option<PathBuf>> {
    Ok(Checkpoints::new(config)?.folder())
}

/// Whether a file of this name can be a checkpoint: one that is being written has another.
pub fn is_checkpoint(name: &str) -> bool {
    name.len() == NAME_CHARACTERS && !name.contains('#')
}

impl Checkpoints {
    /// As `central.checkpoints` says.
    ///
    /// # Errors
    /// If it is no such place, or this program was built without it.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let text = config.central.checkpoints.as_str();
        let place = match text.split_once(':') {
            _ if text.is_empty() => Place::Folder(config.data.join("checkpoints")),
            Some(("file", folder)) if !folder.is_empty() => {
                Place::Folder(folder.strip_prefix("//").unwrap_or(folder).into())
            }
            Some(("s3", _)) if cfg!(feature = "s3") => Place::Bucket(text.to_owned()),
            Some(("s3", _)) => {
                bail!("central.checkpoints = \"{text}\": this program was built without its feature «s3»")
            }
            _ => bail!("central.checkpoints = \"{text}\": it is «file:FOLDER» or «s3://BUCKET/PREFIX»"),
        };
        Ok(Self { place, opened: OnceCell::new() })
    }

    /// The folder; `None`: they lie in a bucket.
    fn folder(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Folder(folder) => Some(folder.clone()),
            Place::Bucket(_) => None,
        }
    }

    async fn opened(&self) -> anyhow::Result<&Opened> {
        self.opened.get_or_try_init(|| async { self.place.open() }).await
    }

    async fn path(&self, area: AreaId, name: &str) -> anyhow::Result<(&Opened, Path)> {
        let opened = self.opened().await?;
        Ok((opened, opened.prefix.clone().join(area.to_string()).join(name)))
    }

    async fn put(&self, area: AreaId, name: &str, bytes: Vec<u8>) -> anyhow::Result<()> {
        let (opened, path) = self.path(area, name).await?;
        #[cfg(feature = "simulation")]
        let (bytes, refused) = crate::simulation::disk::checkpoint_written(bytes)?;
        on_the_spot(opened.store.put(&path, bytes.into())).await?;
        #[cfg(feature = "simulation")]
        refused?;
        Ok(())
    }

    /// `None`: there is none of this name.
    async fn get(&self, area: AreaId, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        #[cfg(feature = "simulation")]
        crate::simulation::disk::checkpoint_read()?;
        let (opened, path) = self.path(area, name).await?;
        let found = match on_the_spot(opened.store.get(&path)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found?,
        };
        if found.meta.size > MOST_BYTES as u64 {
            return Ok(Some(Vec::new()));
        }
        Ok(Some(on_the_spot(found.bytes()).await?.to_vec()))
    }

    async fn delete(&self, area: AreaId, name: &str) -> anyhow::Result<()> {
        let (opened, path) = self.path(area, name).await?;
        Ok(on_the_spot(opened.store.delete(&path)).await?)
    }

    /// The names before this one, newest first.
    async fn before(&self, area: AreaId, name: &str) -> anyhow::Result<Vec<String>> {
        let opened = self.opened().await?;
        let folder = opened.prefix.clone().join(area.to_string());
        let all: Vec<_> = on_the_spot(opened.store.list(Some(&folder)).try_collect()).await?;
        let names = all.iter().filter_map(|meta| meta.location.filename().map(str::to_owned));
        let mut names: Vec<String> = names.filter(|other| other.as_str() < name).collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(names)
    }

    /// The checkpoint of this name, as it is written.
    ///
    /// # Errors
    /// The place's own; and, inside, what is wrong with the file.
    async fn sound(&self, area: AreaId, name: &str) -> anyhow::Result<Result<Vec<u8>, &'static str>> {
        let Some(bytes) = self.get(area, name).await? else { return Ok(Err("it is not there")) };
        Ok(match Checkpoint::read(&bytes) {
            Ok(checkpoint) if checkpoint.area != area => Err("it is another area's"),
            Ok(checkpoint) if checkpoint.name() != name => Err("it has another's name"),
            Ok(_) => Ok(bytes),
            Err(why) => Err(why),
        })
    }
}

impl Place {
    fn open(&self) -> anyhow::Result<Opened> {
        match self {
            Self::Folder(folder) => {
                let what = || format!("the folder of checkpoints «{}»", folder.display());
                std::fs::create_dir_all(folder).with_context(what)?;
                let store = LocalFileSystem::new_with_prefix(folder).with_context(what)?.with_fsync(true);
                Ok(Opened { store: Arc::new(store), prefix: Path::default() })
            }
            #[cfg(feature = "s3")]
            Self::Bucket(url) => {
                let rest = url.trim_start_matches("s3:").trim_start_matches('/');
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let retry = object_store::RetryConfig { retry_timeout: BUCKET_FOR, ..Default::default() };
                let builder = object_store::aws::AmazonS3Builder::from_env()
                    .with_bucket_name(bucket)
                    .with_config(
                        object_store::aws::AmazonS3ConfigKey::Client(object_store::ClientConfigKey::Timeout),
                        format!("{} seconds", BUCKET_FOR.as_secs()),
                    )
                    .with_retry(retry);
                let store = builder.build().with_context(|| format!("the bucket «{url}»"))?;
                Ok(Opened { store: Arc::new(store), prefix: Path::parse(prefix)? })
            }
            #[cfg(not(feature = "s3"))]
            Self::Bucket(url) => bail!("«{url}»: built without S3"),
        }
    }
}

/// What a new owner begins with: the checkpoint that the area's row names, or the newest sound one before it.
/// `None`: there is none.
///
/// # Errors
/// `area_unavailable` if the place cannot be read: to begin anew would lose what is there.
pub async fn load(core: &Core, area: AreaId, named: &str) -> Result<Option<Vec<u8>>, Refusal> {
    let unavailable = |error: anyhow::Error| {
        tracing::error!(%area, error = format!("{error:#}"), "checkpoints cannot be read; the area is not started");
        Refusal::new(Code::AreaUnavailable, "what is kept of this area cannot be read")
    };
    let checkpoints = &core.checkpoints;
    let mut names = vec![named.to_owned()];
    names.extend(checkpoints.before(area, named).await.map_err(unavailable)?);
    for name in names {
        match checkpoints.sound(area, &name).await.map_err(unavailable)? {
            Ok(bytes) => {
                if name != named {
                    tracing::error!(%area, name, "an earlier checkpoint is used instead");
                }
                return Ok(Some(bytes));
            }
            Err(why) => refused(core, area, &name, why).await,
        }
    }
    tracing::error!(%area, "no checkpoint of this area can be used; it is generated anew");
    Ok(None)
}

/// Said in the log, and noted for good.
async fn refused(core: &Core, area: AreaId, name: &str, why: &'static str) {
    tracing::error!(%area, name, why, "a checkpoint is refused");
    let (target, detail) = (area.to_string(), format!("{name}: {why}"));
    let noted = core.store.write(move |tx| {
        let (target, detail) = (target.clone(), detail.clone());
        Box::pin(async move {
            let note =
                Note { actor: "central", action: "checkpoint_refused", target: &target, detail: &detail };
            audit::append(tx, note).await
        })
    });
    if let Err(refusal) = noted.await {
        tracing::warn!(%refusal, "that could not be noted");
    }
}

/// A last checkpoint that is being kept, until it is, or is given up.
struct LastSave(Arc<Core>, ServerId);

impl LastSave {
    fn begin(core: &Arc<Core>, server: ServerId) -> Self {
        core.state().last_saves.insert(server);
        Self(core.clone(), server)
    }
}

impl Drop for LastSave {
    fn drop(&mut self) {
        self.0.state().last_saves.remove(&self.1);
        self.0.changed.notify_waiters();
    }
}

/// Keeps a checkpoint and tells its area server. The last one of a life is tried again for a while.
pub async fn save(core: Arc<Core>, sender: link::Sender, area: AreaId, server: ServerId, save: SaveArea) {
    let begun = Instant::now();
    let last = save.last;
    let checkpoint = match Checkpoint::read(&save.state) {
        Ok(checkpoint) if checkpoint.area == area && checkpoint.epoch == save.epoch => checkpoint,
        _ => return tracing::error!(%area, %server, "this is no checkpoint of the area"),
    };
    let (name, tick) = (checkpoint.name(), checkpoint.tick);
    drop(checkpoint);
    let _last = last.then(|| LastSave::begin(&core, server));
    let kept = loop {
        let kept = keep(&core, area, server, save.epoch, &name, &save.state).await;
        let again = kept.as_ref().is_err_and(|refusal| refusal.code != Code::StaleEpoch);
        if !last || !again || begun.elapsed() > LAST_FOR {
            break kept;
        }
        tokio::time::sleep(LAST_PAUSE).await;
    };
    if let Err(refusal) = &kept {
        tracing::error!(%area, %server, name, %refusal, "a checkpoint could not be kept");
    }
    let refused = kept.err().map(|refusal| link::from_refusal(&refusal));
    let _ = sender.send(Body::AreaSaved(AreaSaved { tick, refused }));
}

/// Writes a checkpoint that a row will name; its name.
///
/// # Errors
/// `area_unavailable` if it is too long, or cannot be written.
pub async fn put(core: &Core, checkpoint: &Checkpoint) -> Result<Vec<u8>, Refusal> {
    let (area, name, bytes) = (checkpoint.area, checkpoint.name(), checkpoint.write());
    let refused = |text| Refusal::new(Code::AreaUnavailable, text);
    if bytes.len() > MOST_BYTES {
        return Err(refused("what is kept of these areas is too much for one"));
    }
    core.checkpoints.put(area, &name, bytes).await.map_err(|error| {
        tracing::error!(%area, name, error = format!("{error:#}"), "a checkpoint could not be written");
        refused("checkpoints cannot be written now")
    })?;
    Ok(name.into_bytes())
}

/// First the file, then the row that names it; then those that are not needed any more go.
async fn keep(
    core: &Core,
    area: AreaId,
    server: ServerId,
    epoch: u64,
    name: &str,
    bytes: &[u8],
) -> Result<(), Refusal> {
    let checkpoints = &core.checkpoints;
    checkpoints.put(area, name, bytes.to_vec()).await.map_err(|error| {
        tracing::error!(%area, name, error = format!("{error:#}"), "a checkpoint could not be written");
        Refusal::new(Code::StorageBusy, "checkpoints cannot be written now")
    })?;
    let state = name.as_bytes().to_vec();
    let named = core.store.write(move |tx| {
        let state = state.clone();
        Box::pin(async move { ownership::save_area_state(tx, area, server, epoch, &state).await })
    });
    if let Err(refusal) = named.await {
        if refusal.code == Code::StaleEpoch
            && let Err(error) = checkpoints.delete(area, name).await
        {
            tracing::warn!(%area, name, %error, "a stale checkpoint stays; it does not count");
        }
        return Err(refusal);
    }
    let old = checkpoints.before(area, name).await.unwrap_or_default();
    for name in old.iter().skip(KEPT - 1) {
        if let Err(error) = checkpoints.delete(area, name).await {
            tracing::warn!(%area, name, %error, "an old checkpoint could not be deleted");
        }
    }
    Ok(())
}

/// The name in an area's row.
///
/// # Errors
/// If the database fails.
pub async fn named(
    connection: &mut crate::store::Connection,
    area: AreaId,
) -> Result<Option<String>, crate::store::Error> {
    let name = row::state(connection, area).await?.map(String::from_utf8);
    Ok(match name {
        Some(Ok(name)) if is_checkpoint(&name) => Some(name),
        Some(_) => {
            tracing::error!(%area, "what this program saved before it had checkpoints is not read any more");
            None
        }
        None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: AreaId = AreaId([7; 16]);

    fn place() -> (tempfile::TempDir, Checkpoints) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config { data: folder.path().into(), ..Config::default() };
        let there = |config: &Config| Checkpoints::new(config).map_err(|error| error.to_string());
        for wrong in ["nonsense", "file:", "ftp://somewhere"] {
            config.central.checkpoints = wrong.into();
            assert!(there(&config).is_err_and(|error| error.contains("file:FOLDER")), "{wrong}");
        }
        config.central.checkpoints = format!("file:{}", folder.path().join("kept").display());
        (folder, there(&config).expect("a place"))
    }

    fn of(area: AreaId, epoch: u64, tick: u64) -> Checkpoint {
        Checkpoint { area, epoch, tick, save: vec![1, 2, 3] }
    }

    /// Missing, foreign, under another's name, cut: each is refused, and the names before it are known.
    #[tokio::test]
    async fn only_a_sound_checkpoint_of_the_area_under_its_own_name_is_one() {
        let (folder, place) = place();
        assert!(!folder.path().join("kept").exists(), "nothing is opened before it is needed");
        let good = of(AREA, 2, 10);
        let name = good.name();
        assert_eq!(place.sound(AREA, &name).await.expect("read"), Err("it is not there"));
        place.put(AREA, &name, good.write()).await.expect("written");
        assert_eq!(place.sound(AREA, &name).await.expect("read"), Ok(good.write()));
        let later = of(AREA, 2, 11).name();
        place.put(AREA, &later, good.write()).await.expect("written");
        assert_eq!(place.sound(AREA, &later).await.expect("read"), Err("it has another's name"));
        let stale = of(AREA, 1, 500);
        for (bytes, why) in [(7, "it is cut short"), (60, "its length is wrong")] {
            place.put(AREA, &stale.name(), stale.write()[..bytes].to_vec()).await.expect("written");
            assert_eq!(place.sound(AREA, &stale.name()).await.expect("read"), Err(why));
        }
        let foreign = of(AreaId([8; 16]), 3, 0);
        place.put(AREA, &foreign.name(), foreign.write()).await.expect("written");
        assert_eq!(place.sound(AREA, &foreign.name()).await.expect("read"), Err("it is another area's"));
        let newest = of(AREA, 9, 0).name();
        let before = place.before(AREA, &newest).await.expect("listed");
        assert_eq!(before, [foreign.name(), later.clone(), name.clone(), stale.name()], "newest first");
        assert_eq!(place.before(AREA, &later).await.expect("listed"), [name.clone(), stale.name()]);
        place.delete(AREA, &name).await.expect("deleted");
        assert_eq!(place.before(AREA, &later).await.expect("listed"), [stale.name()]);
    }
}
