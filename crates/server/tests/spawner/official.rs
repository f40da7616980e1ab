//! The unmodified Agones clients of the registries as game servers of the spawner: each verb over gRPC by the npm
//! and the crates.io client, the stable verbs over REST by the PyPI client, and each verb over REST by the paths of
//! the reference gateway.

use std::path::{Path, PathBuf};
use std::process::Command;

use pangea_server::config::{Counter, List, Template};
use pangea_world::id::hex;

use crate::harness::{Central, Spawner, settings, within};

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/agones").canonicalize().unwrap()
}

fn node(script: &str) -> Vec<String> {
    assert!(
        Command::new("node").arg("--version").output().is_ok_and(|node| node.status.success()),
        "Node.js is missing; `cargo xtask test` installs it, or: apt-get install nodejs npm"
    );
    let folder = clients().join("node");
    assert!(
        folder.join("node_modules/@google-cloud/agones-sdk").exists(),
        "the official npm client is missing; `cargo xtask test` installs it, or: npm ci --prefix tests/agones/node"
    );
    vec!["node".to_owned(), folder.join(script).to_string_lossy().into_owned()]
}

/// The crates.io client, built in a target folder of its own.
fn rust() -> Vec<String> {
    assert!(
        Command::new("protoc").arg("--version").output().is_ok(),
        "protoc is missing; `cargo xtask test` installs it, or: apt-get install protobuf-compiler"
    );
    let folder = clients().join("rust");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("official-client");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    vec![target.join("debug/agones-official-client").to_string_lossy().into_owned()]
}

/// The PyPI client, in an environment of its own.
fn python() -> Vec<String> {
    let tests = clients();
    let python = tests.join("../../target/agones-python/bin/python");
    assert!(
        Command::new(&python)
            .args(["-c", "import agones_python_sdk"])
            .output()
            .is_ok_and(|done| done.status.success()),
        "the PyPI client is missing; `cargo xtask test` installs it"
    );
    vec![python.to_string_lossy().into_owned(), tests.join("python/rest.py").to_string_lossy().into_owned()]
}

/// Runs a client as the only server of a spawner and compares what it printed.
async fn check(ports: &str, command: Vec<String>, expected: &str) {
    let mut template = Template { command, pool: 1, ..Template::default() };
    template.counters.insert("rooms".into(), Counter { count: 1, capacity: 10 });
    let values = ["test0", "test1", "test2"].map(str::to_owned).to_vec();
    template.lists.insert("players".into(), List { capacity: 100, values });
    let mut config = settings(ports, &[("client", template)]);
    config.health_timeout_s = 60;
    let mut central = Central::open(&mut config).await;
    let spawner = Spawner::run(config);
    central.meet().await;
    // Its first message may be any of its states; its end comes after all of them.
    let server = central.hear_of("client").await.server;
    let how = within(central.hear_exit(&server)).await;
    let log = spawner.data.path().join(format!("logs/client-{}.log", &hex(&server)[..8]));
    let printed = std::fs::read_to_string(log).unwrap();
    assert_eq!(how, "exit 0", "{printed}");
    assert_eq!(printed.trim(), expected.trim());
    spawner.stop().await;
}

#[tokio::test]
async fn the_npm_client_calls_every_verb_over_grpc() {
    check("22800-22899", node("grpc.js"), GRPC_NODE).await;
}

#[tokio::test]
async fn the_crates_io_client_calls_every_verb_over_grpc() {
    check("22900-22999", rust(), GRPC_RUST).await;
}

#[tokio::test]
async fn the_pypi_client_calls_every_stable_verb_over_rest() {
    check("23200-23299", python(), REST_PYTHON).await;
}

#[tokio::test]
async fn every_verb_over_rest_answers_as_the_reference_gateway() {
    check("23000-23099", node("rest.js"), REST).await;
}

const GRPC_NODE: &str = r#"
gameserver: ["Starting",true]
ready: {}
setlabel: {}
setannotation: {}
labels: [["agones.dev/sdk-mode","duel"]]
annotation: "two words"
bad label: 3
reserve: {}
count: 1
count: 2
counter: [7,8]
too many: 11
no counter: 5
values: ["test0","test1","test2"]
contains: [true,false]
twice: 6
absent: 5
list: [3,3]
full: 11
allocate: {}
shutdown: {}
states: ["Starting","Ready","Reserved","Ready","Allocated","Shutdown"]
"#;

const GRPC_RUST: &str = r#"
gameserver: Starting
label: Some("duel")
annotation: Some("two words")
bad label: InvalidArgument
count: 1
count: 2
counter: 7 8
too many: OutOfRange
no counter: NotFound
values: ["test0", "test1", "test2"]
contains: true false
twice: AlreadyExists
absent: NotFound
list: 3 3
full: OutOfRange
states: ["Starting", "Ready", "Reserved", "Ready", "Allocated", "Shutdown"]
"#;

const REST_PYTHON: &str = r#"
gameserver: ["Starting", true]
counters: {"rooms": {"count": "1", "capacity": "10"}}
lists: {"players": {"capacity": "100", "values": ["test0", "test1", "test2"]}}
ready: {}
health: {}
setlabel: {}
setannotation: {}
labels: {"agones.dev/sdk-mode": "duel"}
annotation: "two words"
bad label: [400, 3]
reserve: {}
allocate: {}
shutdown: {}
states: ["Starting", "Ready", "Reserved", "Ready", "Allocated", "Shutdown"]
"#;

const REST: &str = r#"
gameserver: [200,"Starting",true]
shape: {"object_meta":{"annotations":{},"creation_timestamp":"string","deletion_timestamp":"string","generation":"string","labels":{},"name":"string","namespace":"string","resource_version":"string","uid":"string"},"spec":{"health":{"disabled":"boolean","failure_threshold":"number","initial_delay_seconds":"number","period_seconds":"number"}},"status":{"address":"string","addresses":[],"counters":{"rooms":{"capacity":"string","count":"string"}},"lists":{"players":{"capacity":"string","values":["string","string","string"]}},"players":null,"ports":[{"name":"string","port":"number"}],"state":"string"}}
watch: "Starting"
ready: [200,{}]
ready: [200,{}]
health: [200,{}]
no health: [400,3,"string",[]]
label: [200,{}]
annotation: [200,{}]
labels: {"agones.dev/sdk-mode":"duel"}
note: "two words"
bad label: [400,3,"string",[]]
reserve: [200,{}]
reserved: "Reserved"
reserved: "Ready"
counter: [200,{"capacity":"10","count":"1","name":"rooms"}]
counter: [200,{"capacity":"10","count":"3","name":"rooms"}]
counter: [200,{"capacity":"10","count":"7","name":"rooms"}]
counter: [200,{"capacity":"8","count":"7","name":"rooms"}]
too many: [400,11,"string",[]]
no counter: [404,5,"string",[]]
list: [200,{"capacity":"100","name":"players","values":["test0","test1","test2"]}]
list: [200,{"capacity":"100","name":"players","values":["test0","test1","test2","ann"]}]
list: [200,{"capacity":"100","name":"players","values":["test0","test2","ann"]}]
twice: [409,6,"string",[]]
absent: [404,5,"string",[]]
list: [200,{"capacity":"2","name":"players","values":["test0","test2"]}]
full: [400,11,"string",[]]
list: [200,{"capacity":"5","name":"players","values":["x","y"]}]
too big: [400,11,"string",[]]
no field: [400,3,"string",[]]
bad json: [400,3,"string",[]]
bad number: [400,3,"string",[]]
no path: [404,5,"string",[]]
wrong verb: [501,12,"string",[]]
allocate: [200,{}]
shutdown: [200,{}]
messages: ["Starting","Ready","Reserved","Ready","Allocated","Shutdown"]
"#;
