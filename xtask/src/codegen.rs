//! `cargo xtask codegen`: the Rust of proto/agones/, committed so that a build needs no protobuf compiler.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

const HEADER: &str = "// Made by `cargo xtask codegen` from proto/agones/; change the definitions there.\n";

/// Writes crates/sdk/src/agones/, or with `check` only compares.
///
/// # Errors
/// If a definition is wrong, a file cannot be written, or (with `check`) what is committed is stale.
pub fn run(check: bool) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    let made = root.join("target/codegen");
    std::fs::create_dir_all(&made)?;
    let files = protox::compile(["agones/sdk.proto", "agones/beta.proto"], [root.join("proto")])?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .build_transport(false)
        .btree_map(".")
        .out_dir(&made)
        .compile_fds(files)?;
    let mut stale = Vec::new();
    for (from, to) in [("agones.dev.sdk.rs", "sdk.rs"), ("agones.dev.sdk.beta.rs", "beta.rs")] {
        let text = HEADER.to_owned() + &std::fs::read_to_string(made.join(from))?;
        let to: PathBuf = root.join("crates/sdk/src/agones").join(to);
        if std::fs::read_to_string(&to).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            stale.push(to.display().to_string());
        } else {
            std::fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
            println!("wrote {}", to.display());
        }
    }
    if !stale.is_empty() {
        bail!("stale: {}; run `cargo xtask codegen` and commit what it writes", stale.join(", "));
    }
    Ok(())
}
