//! The program as an operator meets it: help, settings, doctor, and what it says about mistakes.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn pangea(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pangea"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PANGEA_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).envs(variables.iter().copied());
    command.output().expect("pangea runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn json(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no JSON: {}{}", stdout(output), stderr(output)))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The finding of a doctor about one thing.
fn finding(list: &[Value], what: &str) -> Value {
    let found = list.iter().find(|finding| finding["what"] == what);
    found.unwrap_or_else(|| panic!("nothing about {what} in {list:?}")).clone()
}

#[test]
fn help_names_every_command_and_option() {
    let here = folder();
    let help = pangea(here.path(), &["--help"], &[]);
    assert!(help.status.success());
    let text = stdout(&help);
    for word in
        ["up", "central", "spawner", "chat", "area", "backup", "config", "doctor", "key", "bots", "trial"]
    {
        assert!(text.lines().any(|line| line.trim_start().starts_with(word)), "{word} is missing:\n{text}");
    }
    for word in ["--listen", "--data", "--worlds", "--log", "--set", "--config"] {
        assert!(text.contains(word), "{word} is missing:\n{text}");
    }
    let trial = stdout(&pangea(here.path(), &["trial", "join", "--help"], &[]));
    for word in ["--players", "--capacity", "--seed", "--seconds", "--json"] {
        assert!(trial.contains(word), "{word} is missing:\n{trial}");
    }
    assert!(!pangea(here.path(), &["trail"], &[]).status.success());
}

#[test]
fn config_shows_each_value_and_its_origin() {
    let here = folder();
    std::fs::write(here.path().join("pangea.toml"), "worlds = \"w\"\n[central]\nlink = \"127.0.0.1:4001\"\n")
        .expect("file");
    let variables = [("PANGEA_WORLDS", "v"), ("PANGEA_CENTRAL_LISTEN", "127.0.0.1:4002")];
    let output = pangea(here.path(), &["config", "--json", "--listen", "127.0.0.1:4003"], &variables);
    let list = json(&output);
    let entry = |key: &str| {
        let entry = list.iter().find(|entry| entry["key"] == key).expect("the key is listed");
        (entry["value"].as_str().expect("text").to_owned(), entry["from"].as_str().expect("text").to_owned())
    };
    assert_eq!(entry("central.listen"), ("127.0.0.1:4003".into(), "--listen".into()));
    assert_eq!(entry("worlds"), ("v".into(), "PANGEA_WORLDS".into()));
    assert_eq!(entry("central.link"), ("127.0.0.1:4001".into(), "pangea.toml:3".into()));
    assert_eq!(entry("data"), ("data".into(), "default".into()));
}

#[test]
fn config_explains_a_key_a_section_and_all() {
    let here = folder();
    let explain =
        |arguments: &[&str]| pangea(here.path(), &[&["config", "--explain"], arguments].concat(), &[]);
    let one = stdout(&explain(&["central.listen"]));
    assert_eq!(
        one,
        "central.listen = 127.0.0.1:8080  (default)\n    Where the pages and the HTTP API listen.\n"
    );
    let (section, all) = (stdout(&explain(&["chat"])), stdout(&explain(&[])));
    assert!(
        section.lines().count() > 20
            && section.lines().all(|line| line.starts_with("chat.") || line.starts_with("    "))
    );
    assert!(
        all.contains("spawner.templates.area.pool = 2")
            && all.lines().all(|line| line.chars().count() <= 100),
        "{all}"
    );
    let unknown = explain(&["central.lisen"]);
    assert!(!unknown.status.success());
    assert!(stderr(&unknown).contains("there is no setting «central.lisen»; did you mean «central.listen»?"));
    let list = json(&explain(&["log", "--json"]));
    assert!(list[0]["meaning"].as_str().is_some_and(|text| text.starts_with("What is logged")), "{list:?}");
}

/// A backup is whole or not there, and nothing is written over.
#[test]
fn a_backup_needs_a_database_and_a_new_folder() {
    let here = folder();
    let none = pangea(here.path(), &["backup", "copies/first"], &[]);
    assert!(!none.status.success());
    assert!(stderr(&none).contains("there is no database in the data folder «data»"), "{}", stderr(&none));
    let left = || std::fs::read_dir(here.path().join("copies")).expect("a folder").count();
    assert_eq!(left(), 0, "nothing of it stays");
    std::fs::create_dir(here.path().join("copies/second")).expect("a folder");
    let there = pangea(here.path(), &["backup", "copies/second"], &[]);
    assert!(!there.status.success() && stderr(&there).contains("is there already"), "{}", stderr(&there));
}

#[test]
fn doctor_says_which_central_up_takes() {
    let here = folder();
    let found = |arguments: &[&str]| {
        let list = json(&pangea(here.path(), &[&["doctor", "--json"], arguments].concat(), &[]));
        finding(&list, "spawner.central")["found"].as_str().expect("text").to_owned()
    };
    assert_eq!(
        found(&["--link", "127.0.0.1:9981"]),
        "127.0.0.1:9981, that of `pangea up` itself (central.link)"
    );
    let set = found(&["--link", "127.0.0.1:9981", "--set", "spawner.central=127.0.0.1:9982"]);
    assert!(set.starts_with("127.0.0.1:9982 is 127.0.0.1; for that role alone"), "{set}");
}

#[test]
fn a_mistake_is_named_with_its_place_and_the_nearest_key() {
    let here = folder();
    std::fs::write(here.path().join("own.toml"), "\n[central]\nlisen = \"127.0.0.1:1\"\n").expect("file");
    let check = |arguments: &[&str], variables: &[(&str, &str)], expected: &str| {
        let output = pangea(here.path(), arguments, variables);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    };
    check(&["--config", "own.toml", "up"], &[], "own.toml:3: unknown key «lisen»; did you mean «listen»?");
    check(&["up", "--listen", "here"], &[], "--listen: central.listen: ");
    check(&["up", "--set", "spawner.prts=1-2"], &[], "did you mean «spawner.ports»?");
    check(
        &["up"],
        &[("PANGEA_DATE", "x")],
        "PANGEA_DATE: unknown variable «PANGEA_DATE»; did you mean «PANGEA_DATA»?",
    );
    check(&["--config", "missing.toml", "up"], &[], "missing.toml");
}

#[test]
fn doctor_says_what_to_mend() {
    let here = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().map(|address| (address, taken)).expect("bound");
    let worlds = here.path().join("worlds");
    std::fs::create_dir(&worlds).expect("a folder");
    std::fs::write(worlds.join("bad.toml"), "kind = \"grid\"\n[grid]\ncell_m = 0\n").expect("a world");
    std::fs::write(here.path().join("data"), "a file where a folder should be").expect("a file");
    std::fs::write(here.path().join("key"), "no key").expect("a file");
    let listen = taken.0.to_string();
    let arguments = [
        "doctor",
        "--json",
        "--listen",
        &listen,
        "--set",
        "spawner.key_file=key",
        "--set",
        "spawner.templates.lodge.command=[\"no-such-program\"]",
        "--set",
        "spawner.bind=192.0.2.1",
        "--set",
        "chat.central=nowhere.invalid:1",
        "--set",
        "central.tls_certificate=none.pem",
        "--set",
        "central.tls_key=none.pem",
    ];
    let output = pangea(here.path(), &arguments, &[]);
    assert_eq!(output.status.code(), Some(1));
    let list = json(&output);
    for what in [
        "central.listen",
        "world",
        "data",
        "spawner.key_file",
        "template lodge",
        "spawner.bind",
        "chat.central",
        "central.tls_certificate",
        "central.tls_key",
    ] {
        let finding = finding(&list, what);
        assert_eq!(finding["state"], "broken", "{finding}");
        assert!(finding["mend"].as_str().is_some_and(|mend| !mend.is_empty()), "{finding}");
    }
    let port = finding(&list, "central.listen");
    let holder = format!("(process {})", std::process::id());
    assert!(port["found"].as_str().is_some_and(|found| found.contains(&holder)), "{port}");
    assert!(finding(&list, "world")["found"].as_str().is_some_and(|found| found.contains("bad.toml:")));
    assert_eq!(finding(&list, "template area")["state"], "good");
    let text = stdout(&pangea(here.path(), &["doctor", "--listen", &listen], &[]));
    assert!(text.contains('✗') && text.contains("→"), "{text}");
}

#[test]
fn doctor_is_content_with_a_sound_node() {
    let here = folder();
    let arguments = [
        "doctor",
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--link",
        "127.0.0.1:0",
        "--set",
        "chat.listen=127.0.0.1:0",
    ];
    let output = pangea(here.path(), &arguments, &[]);
    let list = json(&output);
    assert!(output.status.success(), "{list:?}");
    assert!(!here.path().join("data").exists(), "it changes nothing");
    assert_eq!(finding(&list, "spawner.io")["state"], "good");
    let output = pangea(here.path(), &["doctor", "--json", "--set", "spawner.io=epoll"], &[]);
    assert_eq!(finding(&json(&output), "spawner.io")["found"], "epoll, as it is set");
    let output = pangea(here.path(), &["doctor", "--json", "--set", "spawner.io=poll"], &[]);
    assert_eq!(finding(&json(&output), "settings")["state"], "broken");
}

#[test]
fn bots_say_that_there_is_no_central() {
    let here = folder();
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let url = format!("http://{closed}");
    let output = pangea(here.path(), &["bots", "--players", "1", "--url", &url], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&format!("is a central running at {url}?")), "{}", stderr(&output));
}

/// The measuring command ends well and prints what it promises, with two servers for their players.
#[test]
fn trial_join_measures_and_keeps_its_promises() {
    let here = folder();
    let arguments = ["trial", "join", "--players", "12", "--capacity", "6", "--seconds", "1", "--json"];
    let output = pangea(here.path(), &arguments, &[]);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    assert!(output.status.success(), "{report}");
    for key in [
        "players",
        "servers_for_the_area",
        "servers_used",
        "joins_ok",
        "joins_refused",
        "join_cold_ms_p50",
        "join_cold_ms_p99",
        "join_warm_ms_p50",
        "join_warm_ms_p99",
        "joins_per_s",
        "server_cpu_ms_per_join",
        "idle_server_rss_mb",
        "server_ready_ms_p50",
    ] {
        assert!(report[key].is_number(), "{key} is missing in {report}");
    }
    assert_eq!(
        (&report["servers_for_the_area"], &report["servers_used"]),
        (&1.into(), &2.into()),
        "{report}"
    );
    assert_eq!(report["joins_refused"], 0, "{report}");
    assert!(report["joins_ok"].as_u64() > Some(24), "{report}");
}

/// Players gather, pay, sell and do quests while their server is killed as a gather is asked for; what they were
/// told is what central has.
#[test]
fn trial_economy_loses_and_doubles_nothing() {
    let here = folder();
    let arguments =
        ["trial", "economy", "--players", "8", "--seconds", "4", "--kills", "2", "--seed", "7", "--json"];
    let output = pangea(here.path(), &arguments, &[]);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    assert!(output.status.success(), "{report}");
    let number = |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("{key} is missing in {report}"));
    let zero = ["operations_lost", "operations_doubled", "sources_gave_twice", "money_sum", "disconnects"];
    zero.iter().for_each(|key| assert_eq!(number(key), 0.0, "{key} in {report}"));
    assert_eq!((number("players"), number("kills")), (8.0, 2.0), "{report}");
    assert!(number("operations_committed") >= number("operations_acknowledged"), "{report}");
    assert!(number("operations_acknowledged") > 50.0 && number("operations_per_s") > 0.0, "{report}");
    assert!(number("commit_ms_p99") >= number("commit_ms_p50") && number("tick_hz") > 0.0, "{report}");
    for key in [
        "seconds",
        "seed",
        "operations_asked",
        "operations_unknown",
        "operations_unanswered",
        "sources",
        "reconnects",
    ] {
        assert!(number(key) >= 0.0, "{key} in {report}");
    }
    assert_eq!((&report["trial"], &report["broken"]), (&"economy".into(), &Value::Array(vec![])), "{report}");
    // A kill ends each player's connection once, and nothing else ends any.
    assert!(number("reconnects") <= 16.0, "{report}");
    // One operation is done once and noted once; refusals and what was given at first are in there too.
    assert!(number("journal_entries") >= number("operations_committed") + 8.0, "{report}");
    assert!(report["refusals"]["source_spent"].as_u64() > Some(0), "two go to each source: {report}");
}

/// A field and a crowd are measured: everybody plays, is told what he should be, and all that is promised is printed.
#[test]
fn trial_field_and_crowd_measure_what_they_promise() {
    for trial in ["field", "crowd"] {
        let here = folder();
        let arguments = ["trial", trial, "--players", "12", "--seconds", "2", "--seed", "7", "--json"];
        let output = pangea(here.path(), &arguments, &[]);
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
        assert!(output.status.success(), "{report}");
        assert_eq!((&report["trial"], &report["broken"]), (&trial.into(), &Value::Array(vec![])), "{report}");
        let number =
            |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("{key} is missing in {report}"));
        assert_eq!((number("players"), number("seed")), (12.0, 7.0), "{report}");
        let zero = ["disconnects", "shared_different"];
        zero.iter().for_each(|key| assert_eq!(number(key), 0.0, "{key} in {report}"));
        for key in [
            "seconds",
            "side_m",
            "view_m",
            "visible_mean",
            "tick_hz",
            "tick_cpu_ms_mean",
            "tick_cpu_ms_p99",
            "cpu_us_per_client_tick",
            "bytes_per_client_s",
            "bytes_per_entity_update",
            "shared_compared",
            "pairs_compared",
            "driver_core_share",
        ] {
            assert!(number(key) > 0.0, "{key} in {report}");
        }
        assert!(number("inputs_refused") >= 0.0 && report["void"].is_boolean(), "{report}");
        // Neighbours see what the inputs of those whom they watch did, all but the last.
        assert!(number("inputs_seen") > 12.0, "{report}");
        for way in ["ack", "seen"] {
            let percentile = |share: u32| number(&format!("input_to_{way}_ms_p{share}"));
            assert!(percentile(99) >= percentile(50) && percentile(50) > 0.0, "{report}");
        }
    }
}

/// Players walk over borders and pay each other, once straight and once over a bad line: no connection ends, nobody is
/// lost or seen twice, nothing is done twice.
#[test]
fn trial_crossing_disconnects_nobody() {
    for line in [["--delay-ms", "0"], ["--delay-ms", "20"]] {
        let here = folder();
        let arguments = ["trial", "crossing", "--players", "6", "--seconds", "12", "--seed", "7", "--json"];
        let output = pangea(here.path(), &[&arguments[..], &line[..]].concat(), &[]);
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
        assert!(output.status.success(), "{report}");
        let number =
            |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("{key} is missing in {report}"));
        let zero = [
            "disconnects",
            "disconnects_beside",
            "disconnects_unopened",
            "lost",
            "doubled",
            "inputs_lost",
            "inputs_doubled",
            "stale_writes_accepted",
            "money_sum",
            "hits_lost",
            "hits_doubled",
        ];
        zero.iter().for_each(|key| assert_eq!(number(key), 0.0, "{key} in {report}"));
        assert_eq!((number("players"), number("areas"), number("seed")), (6.0, 4.0, 7.0), "{report}");
        assert!(number("crossings") >= 4.0 && number("operations_committed") > 50.0, "{report}");
        assert!(number("hits") > 0.0 && number("trades") > 0.0, "over the lines: {report}");
        assert!(number("stale_writes_tried") > 0.0, "{report}");
        assert!(number("gap_ms_max") >= number("gap_ms_p99"), "{report}");
        assert!(number("gap_ms_p99") >= number("gap_ms_p50") && number("updates_missed") >= 0.0, "{report}");
    }
}

/// What a trial prints, which must keep its promises and have these keys, of which all but `some` are 0.
fn kept(arguments: &[&str], zero: &[&str], some: &[&str]) -> Value {
    let here = folder();
    let output = pangea(here.path(), &[&["trial"], arguments, &["--seed", "7", "--json"]].concat(), &[]);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    assert!(output.status.success(), "{report}");
    let number = |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("{key} is missing in {report}"));
    zero.iter().for_each(|key| assert_eq!(number(key), 0.0, "{key} in {report}"));
    some.iter().for_each(|key| assert!(number(key) > 0.0, "{key} in {report}"));
    assert_eq!(number("seed"), 7.0, "{report}");
    report
}

/// An area goes from process to process, once straight and once over a bad line: nobody is disconnected, no input is
/// lost or taken twice.
#[test]
fn trial_migrate_loses_no_input() {
    let zero = ["inputs_lost", "inputs_doubled", "disconnects", "lost", "doubled", "stale_writes_accepted"];
    let some = ["migrations", "changes", "inputs_sent", "operations_committed"];
    let arguments = ["migrate", "--players", "8", "--entities", "200", "--seconds", "3"];
    let ways: [(&[&str], usize); 3] = [(&[], 1), (&["--delay-ms", "20"], 1), (&["--corner"], 4)];
    for (way, areas) in ways {
        let report = kept(&[&arguments[..], way].concat(), &zero, &some);
        assert_eq!((&report["players"], &report["entities"]), (&8.into(), &200.into()), "{report}");
        assert_eq!(report["areas"], areas, "{report}");
        let pause = ["pause_ms_p50", "pause_ms_p99", "pause_ms_max"].map(|key| report[key].as_f64());
        assert!(pause[0].is_some() && pause.is_sorted(), "{report}");
    }
}

/// Anything is killed: what players were told is what central has, and all come back.
#[test]
fn trial_crash_loses_and_doubles_nothing() {
    let zero = ["operations_lost", "operations_doubled", "players_stranded", "money_sum"];
    let some = ["operations_committed", "operations_acknowledged", "recovery_ms_p50", "entities_seen"];
    let arguments = ["crash", "--players", "6", "--kills", "4", "--entities", "500"];
    let report = kept(&arguments, &zero, &some);
    assert_eq!(report["kills"], 4, "{report}");
    assert!(report["recovery_ms_p99"].as_f64() >= report["recovery_ms_p50"].as_f64(), "{report}");
    let by_role = report["by_role"].as_object().expect("roles");
    assert_eq!(by_role.values().filter_map(|role| role["kills"].as_u64()).sum::<u64>(), 4, "{report}");
}

/// An area that is too full becomes two, and one again: nobody is disconnected.
#[test]
fn trial_split_disconnects_nobody() {
    let zero = ["inputs_lost", "inputs_doubled", "disconnects", "lost", "doubled", "stale_writes_accepted"];
    let some = ["splits", "merges", "seconds_to_balanced", "inputs_sent", "operations_committed"];
    kept(&["split", "--players", "16", "--entities", "100", "--seconds", "1"], &zero, &some);
}

/// Players talk while some walk over borders, and chat and an area server are killed: no whisper is lost, nothing is
/// heard twice or out of order.
#[test]
fn trial_chat_loses_nothing() {
    for kills in ["0", "2"] {
        let here = folder();
        let arguments =
            ["trial", "chat", "--players", "8", "--lines-per-s", "40", "--seconds", "8", "--json"];
        let output = pangea(here.path(), &[&arguments[..], &["--kills", kills]].concat(), &[]);
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
        assert!(output.status.success(), "{report}");
        let number =
            |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("{key} is missing in {report}"));
        ["lost", "doubled", "out_of_order"].iter().for_each(|key| assert_eq!(number(key), 0.0, "{report}"));
        assert!(number("messages") > 50.0 && number("whispers") > 10.0, "{report}");
        assert!(number("deliveries") > number("messages"), "{report}");
        assert!(number("latency_ms_p99") >= number("latency_ms_p50"), "{report}");
        assert!(number("deliveries_per_cpu_s") > 0.0 && number("ban_ms") > 0.0, "{report}");
    }
}

#[test]
fn doctor_knows_a_database_of_a_newer_program() {
    let here = folder();
    let database = || {
        let doctor = pangea(here.path(), &["doctor", "--data", "data", "--json"], &[]);
        json(&doctor).into_iter().find(|finding| finding["what"] == "database")
    };
    assert_eq!(database(), None, "there is none yet");
    let data = here.path().join("data");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async { pangea_server::store::Store::open(&data).await.expect("made").close().await });
    assert_eq!(database().expect("a finding")["state"], "good");
    let file = data.join("pangea.db");
    runtime.block_on(async {
        let store = pangea_server::store::Store::open(&data).await.expect("opened");
        let newer = store.write(|tx| {
            Box::pin(async move {
                let newer = sqlx::query("UPDATE meta SET value = '999' WHERE key = 'schema'");
                Ok(newer.execute(tx).await?.rows_affected())
            })
        });
        assert_eq!(newer.await.expect("written"), 1);
        store.close().await;
    });
    let finding = database().expect("a finding");
    assert_eq!(finding["state"], "broken");
    assert!(finding["found"].as_str().is_some_and(|text| text.contains("schema version 999")), "{finding}");
    assert!(finding["mend"].as_str().is_some_and(|text| text.contains("newer program")), "{finding}");
    std::fs::write(&file, "no database").expect("written");
    assert_eq!(database().expect("a finding")["state"], "broken");
}
