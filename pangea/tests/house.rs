//! House rules that a reader would otherwise have to keep in mind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every clause stands in docs/seeds.md; what is called done names a file that exists and a test that starts
/// real processes.
#[test]
fn a_clause_called_done_is_proven_with_real_processes() {
    let page = read("docs/seeds.md");
    let mut rows = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| clause")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 5, "{line}");
        assert!(rows.insert(cells[0].to_owned(), cells[1..].to_vec()).is_none(), "{} stands twice", cells[0]);
    }
    let all = [("G", 12), ("K", 16), ("M", 11), ("O", 11), ("J", 6)];
    let expected: Vec<String> =
        all.iter().flat_map(|(letter, most)| (1..=*most).map(move |n| format!("{letter}{n}"))).collect();
    assert_eq!(rows.len(), expected.len(), "no more and no fewer than the clauses of the seeds");
    let support = read("pangea/tests/cluster/support.rs");
    assert!(support.contains("CARGO_BIN_EXE_pangea"), "the cluster tests start the real program");
    for clause in expected {
        let row = rows.get(&clause).unwrap_or_else(|| panic!("{clause} is missing"));
        let (file, tests, state) = (row[1].trim_matches('`'), row[2], row[3]);
        if state.starts_with("part: ") {
            continue;
        }
        assert_eq!(state, "done", "{clause}: done, or part: and what is missing");
        assert!(root().join(file).is_file(), "{clause}: there is no {file}");
        for test in tests.split(", ").map(|test| test.trim_matches('`')) {
            let (test_file, name) =
                test.split_once("::").unwrap_or_else(|| panic!("{clause}: {test} names no test"));
            let text = read(&format!("pangea/tests/cluster/{test_file}"));
            assert!(text.contains(&format!("async fn {name}(")), "{clause}: {test} does not exist");
            assert!(text.contains("Cluster::"), "{clause}: {test_file} starts no cluster");
        }
    }
}

/// No program but tests/simulation is built with the server's feature «simulation»: clock, network, processes and
/// randomness of all others are the machine's.
#[test]
fn no_member_of_the_workspace_asks_for_the_simulation() {
    let mut members = 0;
    for folder in ["bench/floor", "crates", "games", "pangea", "xtask", "examples/tag"] {
        let within =
            std::fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        let folders = within.map(|entry| entry.expect("an entry").path()).chain([root().join(folder)]);
        for manifest in folders.map(|folder| folder.join("Cargo.toml")).filter(|manifest| manifest.is_file())
        {
            let text = std::fs::read_to_string(&manifest).expect("a manifest");
            let asks = text.lines().filter(|line| !line.starts_with('#') && line.contains("simulation"));
            let (asks, server) = (asks.collect::<Vec<_>>(), manifest.ends_with("server/Cargo.toml"));
            let declared: &[&str] = if server { &["simulation = []"] } else { &[] };
            assert_eq!(asks, declared, "{}", manifest.display());
            members += 1;
        }
    }
    assert!(members > 8, "{members}");
}

/// The example stays one that is read at a sitting: its game, which docs/engine.md builds, has fewer than 300 lines.
#[test]
fn the_example_game_stays_small() {
    let game = read("examples/tag/src/lib.rs");
    let lines = game.lines().count();
    assert!((100..300).contains(&lines), "{lines} lines");
    assert!(game.ends_with("#[cfg(test)]\nmod tests;\n"), "its tests are a file of their own");
}

/// ARCHITECTURE.md's absences, as far as a look at the text can tell.
#[test]
fn the_pure_crates_are_pure_and_sql_stays_in_the_store() {
    let forbidden: [(&str, &[&str]); 3] = [
        (
            "crates/world/src",
            &["std::fs", "std::net", "SystemTime", "Instant::now", "tokio::", "SystemRandom"],
        ),
        (
            "crates/engine/src",
            &["std::fs", "std::net", "SystemTime", "Instant::now", "tokio::", "SystemRandom"],
        ),
        ("crates/server/src", &["sqlx::query"]),
    ];
    let mut looked_at = 0;
    for (folder, words) in forbidden {
        let mut folders = vec![root().join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs")
                    && !path.to_string_lossy().contains("/store/")
                    && path.file_name().is_some_and(|name| name != "tests.rs")
                {
                    looked_at += 1;
                    let text = std::fs::read_to_string(&path).expect("a file");
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                    for word in words {
                        assert!(!code.contains(word), "{} uses {word}", path.display());
                    }
                }
            }
        }
    }
    assert!(looked_at > 40, "{looked_at} files");
}
