//! What an operator orders of a spawner: no new areas (a cordon), another program for its servers (an upgrade).
//!
//! Another program is tried with one server: once that is ready it is the program of all new servers, and idle ones
//! of the one before stop. If it never is, everything stays as it was. What serves an area is not touched: central
//! moves it. The program is not kept: a spawner that is started anew starts its own.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use pangea_world::id::ServerId;
use pangea_world::messages::{Body, Upgrade, Upgraded};
use pangea_world::{Code, Refusal};
use tokio::time::Instant;

use super::Spawner;
use super::settings::AREA;
use crate::clock::unix_s;
use crate::link::from_refusal;

/// Another program that is being tried.
#[derive(Debug)]
pub struct Trying {
    request: u64,
    /// The program that is started if this one cannot be.
    before: PathBuf,
    /// Its first server.
    first: ServerId,
}

impl Spawner {
    /// Central wants no new areas here, or again. What holds is said with the next hello.
    pub(super) fn set_cordon(&mut self, on: bool) {
        match self.folder.set_cordon(on) {
            Ok(()) => self.cordoned = on,
            Err(error) => tracing::error!(error = format!("{error:#}"), "a cordon cannot be kept"),
        }
        tracing::info!(cordoned = self.cordoned, "whether new areas come here");
        self.introduce();
    }

    /// Central wants other servers from now on.
    pub(super) fn upgrade(&mut self, wish: &Upgrade) {
        if let Err(refusal) = self.try_program(wish) {
            self.answer_upgrade(wish.request, Some(&refusal));
        }
    }

    fn try_program(&mut self, wish: &Upgrade) -> Result<(), Refusal> {
        if self.draining || self.stopping || self.trying.is_some() {
            return Refusal::err(
                Code::AreaUnavailable,
                "this spawner stops, or tries another program already",
            );
        }
        let allowed = self.settings.programs.as_deref();
        let program = check(Path::new(&wish.program), allowed)
            .map_err(|error| Refusal::new(Code::BadRequest, format!("{error:#}")))?;
        let before = std::mem::replace(&mut self.program, program);
        match self.start(AREA) {
            Ok(first) => {
                self.trying = Some(Trying { request: wish.request, before, first });
                Ok(())
            }
            Err(refusal) => {
                self.program = before;
                Err(refusal)
            }
        }
    }

    /// The first server of another program is ready: all new ones are of it.
    pub(super) fn tried_well(&mut self, server: ServerId) {
        let Some(trying) = self.trying.take_if(|trying| trying.first == server) else { return };
        tracing::info!(program = %self.program.display(), "new servers are of this program");
        let program = self.program.to_string_lossy().into_owned();
        let unused = self.servers.values_mut().filter(|one| one.is_idle() || one.is_starting());
        for one in unused.filter(|one| one.record.template == AREA && one.record.program != program) {
            one.stop(Instant::now(), unix_s(), self.settings.stop_timeout);
        }
        self.answer_upgrade(trying.request, None);
    }

    /// The first server of another program has ended before it was ready: true, and everything is as before.
    pub(super) fn tried_in_vain(&mut self, server: ServerId, how: &str) -> bool {
        let Some(trying) = self.trying.take_if(|trying| trying.first == server) else { return false };
        let program = std::mem::replace(&mut self.program, trying.before);
        let log = self.settings.log(AREA, server);
        let text = format!("no server of {} becomes ready ({how}); see {}", program.display(), log.display());
        tracing::error!("{text}");
        self.answer_upgrade(trying.request, Some(&Refusal::new(Code::AreaUnavailable, text)));
        true
    }

    fn answer_upgrade(&self, request: u64, refusal: Option<&Refusal>) {
        let program = self.program.to_string_lossy().into_owned();
        self.tell(Body::Upgraded(Upgraded { request, program, refused: refusal.map(from_refusal) }));
    }
}

/// A file that may be started: only one in the folder of programs, whoever has the operator's key.
fn check(program: &Path, allowed: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = allowed.context(
        "this spawner starts no other program: its settings name no folder for them (spawner.programs)",
    )?;
    let folder =
        folder.canonicalize().with_context(|| format!("«{}» (spawner.programs)", folder.display()))?;
    let found = program
        .canonicalize()
        .with_context(|| format!("«{}» on the spawner's machine", program.display()))?;
    ensure!(
        found.starts_with(&folder) && found.is_file(),
        "«{}» is no file in «{}» (spawner.programs)",
        found.display(),
        folder.display()
    );
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_of_the_folder_are_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let releases = folder.path().join("releases");
        std::fs::create_dir(&releases).expect("a folder");
        let (good, stranger) = (releases.join("pangea-2"), folder.path().join("stranger"));
        for file in [&good, &stranger] {
            std::fs::write(file, "").expect("a file");
        }
        std::os::unix::fs::symlink(&stranger, releases.join("link")).expect("a link");
        assert!(check(&good, Some(&releases)).is_ok());
        assert!(check(&good, None).is_err());
        for bad in [
            &stranger,
            &releases.join("../stranger"),
            &releases.join("link"),
            &releases,
            &releases.join("no"),
        ] {
            assert!(check(bad, Some(&releases)).is_err(), "{}", bad.display());
        }
    }
}
