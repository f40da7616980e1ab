//! Central's secrets: the master key from which all role keys come, and the seed of its ticket signer.
//!
//! Both are made at the first start and kept in `<data>/keys`, readable by their owner alone.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use pangea_world::id::{hex, unhex};
use pangea_world::role_key::RoleKey;
use pangea_world::ticket::Signer;

use crate::random;

/// What central signs and proves with.
#[derive(Debug)]
pub struct Keys {
    /// Every role's key is derived from it.
    pub master: RoleKey,
    /// Signs tickets and credentials.
    pub signer: Signer,
}

impl Keys {
    /// Reads both, or makes them.
    ///
    /// # Errors
    /// If a key cannot be read or written, is malformed, or can be read by others.
    pub fn open(data: &Path) -> anyhow::Result<Self> {
        let folder = data.join("keys");
        std::fs::create_dir_all(&folder).with_context(|| format!("«{}» cannot be made", folder.display()))?;
        Ok(Self {
            master: RoleKey::new(secret(&folder.join("master.key"))?),
            signer: Signer::from_seed(&secret(&folder.join("ticket.key"))?),
        })
    }

    /// The key of a spawner or a chat.
    pub fn role_key(&self, role: &str, name: &str) -> RoleKey {
        self.master.derive(role, name)
    }
}

/// A 32-byte secret in a file, in the text form of [`RoleKey`]; made if there is none.
fn secret(path: &Path) -> anyhow::Result<[u8; 32]> {
    if !path.exists() {
        make(path).with_context(|| format!("the key file «{}» cannot be made", path.display()))?;
    }
    let what = || format!("the key file «{}» cannot be read", path.display());
    let mode = std::fs::metadata(path).with_context(what)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(
            "the key file «{}» can be read by others (mode {:o}); run: chmod 600 {0}",
            path.display(),
            mode & 0o777
        );
    }
    let text = std::fs::read_to_string(path).with_context(what)?;
    let bytes = unhex(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.with_context(|| format!("the key file «{}» does not hold 64 hex digits", path.display()))
}

/// Whole or not at all: who starts at the same time reads a whole one, and the first one made stays.
fn make(path: &Path) -> std::io::Result<()> {
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    let written = file.write_all(hex(&random::bytes::<32>()).as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| std::fs::hard_link(&fresh, path));
    std::fs::remove_file(&fresh)?;
    match linked {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}
