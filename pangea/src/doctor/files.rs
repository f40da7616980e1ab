//! Folders, world files, executables, certificates, keys.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pangea_server::config::{Config, Template};
use pangea_server::store;
use pangea_world::role_key::RoleKey;
use pangea_world::world::{Kind, World};
use pangea_world::world_file;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Finding;

/// Little enough that a world's data soon fills it.
const LITTLE_SPACE_MIB: u64 = 512;

/// The data folder: can be made and written, is free, has space.
pub(super) fn data(config: &Config) -> Vec<Finding> {
    let folder = &config.data;
    let shown = folder.display().to_string();
    // What is not there is made at start; then its parent must allow that.
    let there = folder.ancestors().find(|path| path.exists() || path.as_os_str().is_empty());
    let there = there.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !there.is_dir() {
        let mend = "choose another folder with --data";
        return vec![Finding::broken("data", format!("«{}» is no folder", there.display()), mend)];
    }
    if let Err(error) = tempfile::NamedTempFile::new_in(there) {
        let mend = format!(
            "give this user the right to write in «{}», or choose another with --data",
            there.display()
        );
        return vec![Finding::broken("data", format!("«{shown}» cannot be written: {error}"), mend)];
    }
    let mut findings = Vec::new();
    let state = if there == folder.as_path() { "can be written" } else { "is made at the first start" };
    findings.push(Finding::good("data", format!("«{shown}» {state}")));
    if central_runs(config) {
        let mend = "nothing, if that is the one you mean; a second one needs another folder with --data";
        findings.push(Finding::look("data lock", format!("a central runs on «{shown}»"), mend));
    } else {
        findings.push(Finding::good("data lock", "no central runs on it"));
    }
    if let Ok(space) = rustix::fs::statvfs(there) {
        let mib = space.f_bavail.saturating_mul(space.f_frsize) >> 20;
        findings.push(if mib < LITTLE_SPACE_MIB {
            Finding::look(
                "disk",
                format!("{mib} MiB free"),
                "make room, or choose another folder with --data",
            )
        } else {
            Finding::good("disk", format!("{mib} MiB free"))
        });
    }
    findings
}

/// Whether a central runs on the data folder: it holds its lock.
pub(super) fn central_runs(config: &Config) -> bool {
    let file = fs::File::open(config.data.join("central.lock"));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

/// This program knows the database's schema.
pub(super) fn database(config: &Config) -> Option<Finding> {
    let what = "database";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    match runtime.block_on(store::schema_version(&config.data)) {
        Ok(None) => None,
        Ok(Some((found, known))) if found > known => {
            let found =
                format!("it is of a newer program: schema version {found}, this one knows up to {known}");
            Some(Finding::broken(what, found, "start a newer program, or restore a backup made by this one"))
        }
        Ok(Some((found, known))) if found < known => {
            let found = format!("schema version {found}; the next start brings it to {known}");
            Some(Finding::look(what, found, "make a backup first, if an older program shall read it again"))
        }
        Ok(Some((found, _))) => Some(Finding::good(what, format!("schema version {found}"))),
        Err(error) => {
            let found = format!("«{}» cannot be read: {error:#}", config.data.join("pangea.db").display());
            Some(Finding::broken(what, found, "restore a backup, or choose another folder with --data"))
        }
    }
}

/// Every world file reads.
pub(super) fn worlds(config: &Config) -> Vec<Finding> {
    let folder = &config.worlds;
    if !folder.exists() {
        let found = format!("no folder «{}»: the built-in ones", folder.display());
        return vec![if *folder == Config::default().worlds {
            Finding::good("worlds", found)
        } else {
            Finding::look("worlds", found, "mend the folder's name, if there are worlds of your own")
        }];
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let found = format!("«{}» cannot be read: {error}", folder.display());
            return vec![Finding::broken("worlds", found, "choose another folder with --worlds")];
        }
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    if files.is_empty() {
        let found = format!("«{}» has no world file", folder.display());
        return vec![Finding::broken(
            "worlds",
            found,
            "put a world file there, or remove the folder for the built-in ones",
        )];
    }
    let read =
        |path: &PathBuf| world_file::read(&path.display().to_string(), &fs::read_to_string(path).ok()?).ok();
    let known: Vec<World> = files.iter().filter_map(read).collect();
    files.iter().map(|path| world(config, path, &known)).collect()
}

/// One world; its portals may lead to any of `known`.
fn world(config: &Config, path: &Path, known: &[World]) -> Finding {
    let name = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            return Finding::broken("world", format!("«{name}» cannot be read: {error}"), "mend its rights");
        }
    };
    let read = world_file::read(&name, &text)
        .and_then(|world| world_file::check_ways(&name, &text, known.iter()).map(|()| world));
    let world = match read {
        Ok(world) => world,
        Err(error) => return Finding::broken("world", error.to_string(), "mend that line"),
    };
    if let Kind::Maps(maps) = &world.kind {
        for map in &maps.maps {
            if !config.spawner.templates.contains_key(&map.server) {
                let found =
                    format!("the map «{}» of «{}» wants servers «{}»", map.id, world.name, map.server);
                return Finding::look(
                    "world",
                    found,
                    format!("some spawner needs [spawner.templates.{}]", map.server),
                );
            }
        }
    }
    Finding::good("world", format!("{}: «{}»", world.name, world.title))
}

/// Every kind of server can be started.
pub(super) fn templates(config: &Config) -> Vec<Finding> {
    config.spawner.templates.iter().map(|(name, template)| executable(name, template)).collect()
}

fn executable(name: &str, template: &Template) -> Finding {
    let what = format!("template {name}");
    let Some(program) = template.command.first() else {
        return match std::env::current_exe() {
            Ok(_) => Finding::good(what, "this program"),
            Err(error) => {
                Finding::broken(what, format!("this program's path is unknown: {error}"), "set its command")
            }
        };
    };
    let folder = if template.folder.as_os_str().is_empty() { Path::new(".") } else { &template.folder };
    if !folder.is_dir() {
        let mend = format!("mend spawner.templates.{name}.folder");
        return Finding::broken(what, format!("there is no folder «{}»", folder.display()), mend);
    }
    match find(program, folder) {
        Some(path) => Finding::good(what, path.display().to_string()),
        None => {
            let mend = format!("install it, or mend spawner.templates.{name}.command");
            Finding::broken(what, format!("there is no executable «{program}»"), mend)
        }
    }
}

/// As the operating system would: a path as it stands, a bare name in PATH.
fn find(program: &str, folder: &Path) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return Some(folder.join(program)).filter(runs);
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(runs)
}

/// The certificates and their keys can be read.
pub(super) fn certificates(config: &Config) -> Vec<Finding> {
    let (central, spawner) = (&config.central, &config.spawner);
    let certificates = [
        ("central.tls_certificate", &central.tls_certificate),
        ("spawner.tls_certificate", &spawner.tls_certificate),
    ];
    let keys = [("central.tls_key", &central.tls_key), ("spawner.tls_key", &spawner.tls_key)];
    let certificates = certificates.into_iter().filter_map(|(what, file)| Some((what, file.as_ref()?)));
    let keys = keys.into_iter().filter_map(|(what, file)| Some((what, file.as_ref()?)));
    let broken = |what, file: &Path, why: String| {
        Finding::broken(what, format!("«{}» {why}", file.display()), "give a PEM file")
    };
    let certificates = certificates.map(|(what, file)| {
        match CertificateDer::pem_file_iter(file).map(|list| list.flatten().count()) {
            Ok(0) => broken(what, file, "has no certificate".to_owned()),
            Ok(count) => Finding::good(what, format!("{count} in «{}»", file.display())),
            Err(error) => broken(what, file, format!("cannot be read: {error}")),
        }
    });
    let keys = keys.map(|(what, file)| match PrivateKeyDer::from_pem_file(file) {
        Ok(_) => private(what, file),
        Err(error) => broken(what, file, format!("cannot be read: {error}")),
    });
    certificates.chain(keys).collect()
}

/// The keys of roles can be read, and by their owner alone.
pub(super) fn keys(config: &Config) -> Vec<Finding> {
    let files = [("spawner.key_file", &config.spawner.key_file), ("chat.key_file", &config.chat.key_file)];
    let given = files.into_iter().filter_map(|(what, file)| Some((what, file.as_ref()?)));
    given
        .map(|(what, file)| {
            let role = what.split('.').next().unwrap_or(what);
            let mend = format!("write what `pangea key {role} NAME` prints on central's machine");
            match fs::read_to_string(file) {
                Err(error) => {
                    Finding::broken(what, format!("«{}» cannot be read: {error}", file.display()), mend)
                }
                Ok(text) if RoleKey::parse(&text).is_none() => {
                    Finding::broken(what, format!("there is no key in «{}»", file.display()), mend)
                }
                Ok(_) => private(what, file),
            }
        })
        .collect()
}

fn private(what: &str, file: &Path) -> Finding {
    let mode = fs::metadata(file).map_or(0, |meta| meta.permissions().mode() & 0o777);
    if mode & 0o077 == 0 {
        return Finding::good(what, format!("«{}», mode {mode:03o}", file.display()));
    }
    let found = format!("others can read «{}» (mode {mode:03o})", file.display());
    Finding::look(what, found, format!("chmod 600 «{}»", file.display()))
}
