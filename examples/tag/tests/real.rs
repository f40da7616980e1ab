//! Tag as its players have it: the program, its game server, real sockets, a Rust and a JavaScript client.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pangea_client::{Client, EnterOptions, Event, Game};
use serde::Deserialize;
use serde_json::Value;

/// What a client of one's own reads of a runner.
#[derive(Debug, PartialEq, Deserialize)]
struct Runner {
    sprints: u32,
    it: bool,
}

/// Longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// `tag up` in a folder of its own.
struct Node {
    child: Child,
    folder: tempfile::TempDir,
    url: String,
}

impl Node {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = free_stretch(33);
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let worlds = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tag"));
        command.args(["up", "--data", "data", "--worlds"]).arg(worlds).current_dir(folder.path());
        command.args(["--listen", &format!("127.0.0.1:{first}")]);
        command.args(["--link", &format!("127.0.0.1:{}", first + 1)]);
        command.args(["--set", &format!("chat.listen=127.0.0.1:{}", first + 2)]);
        command.args(["--ports", &format!("{}-{}", first + 3, first + 32)]);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        let child = command.spawn().expect("tag starts");
        let node = Self { child, folder, url: format!("http://127.0.0.1:{first}") };
        let client = node.client();
        let answers = async {
            while client.worlds().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, answers).await.unwrap_or_else(|_| panic!("{}", node.log()));
        node
    }

    fn client(&self) -> Client {
        Client::new(&self.url).expect("a client")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Node {
    /// Ctrl-C: the game servers save and stop too.
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// The first of so many free ports, below those that the system gives to outgoing connections.
fn free_stretch(count: u16) -> u16 {
    let begin = 12_000 + (std::process::id() % 400) as u16 * 50;
    let mut firsts = (begin..32_000).step_by(50);
    let free = |first: u16| (first..first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    firsts.find(|first| free(*first)).expect("free ports")
}

async fn event<T>(game: &mut Game, what: &str, mut pick: impl FnMut(&Event, &Game) -> Option<T>) -> T {
    let wait = async {
        loop {
            let event = game.next_event().await.unwrap_or_else(|| panic!("ended before: {what}"));
            if let Some(found) = pick(&event, game) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never happened: {what}"))
}

fn schema(event: &Event, _: &Game) -> Option<Value> {
    let Event::Schema(text) = event else { return None };
    Some(serde_json::from_str(text).expect("JSON"))
}

/// The game runs behind real sockets as its own tests have it, and clients learn all of it from the schema.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_players_play_tag() {
    let node = Node::start().await;
    let client = node.client();
    client.register("Ada", "correct horse battery").await.expect("registered");
    let character = client.create_character("green", "Ada", None).await.expect("a character");
    let mut ada = client.enter(character.id, EnterOptions::default()).await.expect("entered");

    let told = event(&mut ada, "the schema", schema).await;
    assert_eq!(told["inputs"][1]["name"], "Sprint");
    let kinds = told["kinds"].as_array().expect("kinds");
    let coin = kinds.iter().position(|kind| kind == "coin").expect("a kind «coin»");
    event(&mut ada, "coins are in view", |_, game| {
        game.entities().values().any(|entity| usize::from(entity.kind) == coin).then_some(())
    })
    .await;

    // The same by names and types of one's own.
    assert!(ada.entities().keys().any(|id| ada.view().kind_of(*id) == Some("coin")));
    let me = ada.view().me;
    let before: Runner = ada.view().component(me, "Runner").expect("she runs");
    ada.act("Sprint", &serde_json::json!({ "dx": 0.6, "dy": -0.8 })).await.expect("there is one");
    let after = event(&mut ada, "she has sprinted", |_, game| {
        game.view().component::<Runner>(me, "Runner").filter(|runner| runner.sprints > before.sprints)
    });
    assert_eq!(after.await, Runner { sprints: before.sprints + 1, it: before.it });
    assert!(ada.act("Fly", &serde_json::json!({})).await.is_err());
    let hash = ada.view().schema().expect("a schema").hash;
    let other = node.client().playing_only(hash + 1);
    other.register("Eve", "correct horse battery").await.expect("registered");
    let eve = other.create_character("green", "Eve", None).await.expect("a character");
    let refused = other.enter(eve.id, EnterOptions::default()).await.err().map(|error| error.kind());
    assert_eq!(refused, Some("version_mismatch"));

    // A client that knows another schema, or none, is told of it also when it resumes.
    ada.cut();
    event(&mut ada, "she is back", |event, _| matches!(event, Event::Back { resumed: true }).then_some(()))
        .await;
    assert_eq!(event(&mut ada, "the schema again", schema).await, told);

    let bob = tokio::process::Command::new("node")
        .args(["look.mjs", &node.url, "Bob"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .kill_on_drop(true)
        .output();
    let tagged = event(&mut ada, "somebody is tagged", |event, _| {
        let Event::Game { name, values } = event else { return None };
        (name == "Tagged").then(|| values.clone())
    });
    let (bob, tagged) =
        tokio::join!(tokio::time::timeout(PATIENCE, bob), tokio::time::timeout(PATIENCE, tagged));
    assert!(tagged.is_ok_and(|tagged| tagged["who"] == "Ada" || tagged["who"] == "Bob"), "one of the two");
    let bob = bob.expect("in time").expect("node runs");
    let said = String::from_utf8_lossy(&bob.stdout);
    let errors = String::from_utf8_lossy(&bob.stderr);
    assert!(bob.status.success(), "{said}\n{errors}\n{}", node.log());
    assert!(said.contains("sprints 1\n") && said.contains("worth number\n"), "{said}");
    assert!(said.contains("tagged {\"by\":\"") && said.contains("secret false\n"), "{said}");
}
