//! The worlds of a cluster: the files of a folder, or the two that are built in.

use std::path::Path;

use anyhow::{Context, bail};
use pangea_world::world::World;
use pangea_world::world_file;

const BUILT_IN: [(&str, &str); 2] = [
    ("wilds.toml", include_str!("../../../worlds/wilds.toml")),
    ("isles.toml", include_str!("../../../worlds/isles.toml")),
];

/// All worlds, each with its file's text, sorted by name.
///
/// # Errors
/// The first mistake in a file, with its line; a folder without a world.
pub fn load(folder: &Path) -> anyhow::Result<Vec<(World, String)>> {
    let mut files = Vec::new();
    if !folder.exists() {
        for (name, text) in BUILT_IN {
            files.push((name.to_owned(), text.to_owned()));
        }
    } else {
        let what = || format!("the worlds in «{}» cannot be read", folder.display());
        for entry in std::fs::read_dir(folder).with_context(what)? {
            let path = entry.with_context(what)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = std::fs::read_to_string(&path).with_context(what)?;
                files.push((path.display().to_string(), text));
            }
        }
        if files.is_empty() {
            bail!("the folder «{}» has no world (*.toml)", folder.display());
        }
    }
    let mut worlds = Vec::new();
    for (name, text) in &files {
        worlds.push((world_file::read(name, text)?, text.clone()));
    }
    for (name, text) in &files {
        world_file::check_ways(name, text, worlds.iter().map(|(world, _)| world))?;
    }
    worlds.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    Ok(worlds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pangea_world::world::Kind;

    /// One world of each kind ships.
    #[test]
    fn the_built_in_worlds_can_be_read() {
        let worlds = load(Path::new("/nonexistent/worlds")).expect("read");
        let kinds: Vec<bool> = worlds.iter().map(|(world, _)| matches!(world.kind, Kind::Grid(_))).collect();
        assert_eq!(kinds, [false, true]);
    }
}
