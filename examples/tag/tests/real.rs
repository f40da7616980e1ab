//! Tag as its players have it: the program, its game server, real sockets, a Rust and a JavaScript client.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::Duration;

use pangea_client::{Client, EnterOptions, Event, Game};
use pangea_engine::prelude::*;
use pangea_world::id::CharacterId;
use serde::Deserialize;
use serde_json::Value;
use tag::Runner;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What a client of one's own reads of a runner.
#[derive(Debug, PartialEq, Deserialize)]
struct Shown {
    sprints: u32,
    it: bool,
}

/// Longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two small maps full of coins, and a way from one to the other.
const GLADE: &str = r#"
kind = "maps"
seed = 3
capacity = 40
[maps]
spawn = { map = "west", x = 12.0, y = 12.0 }
[[map]]
id = "west"
width_m = 24
height_m = 24
[[map.portal]]
x = 20
y = 0
width_m = 4
height_m = 24
to = "east"
to_x = 8.0
to_y = 12.0
[[map]]
id = "east"
width_m = 24
height_m = 24
"#;

/// `tag up` in a folder of its own.
struct Node {
    child: Child,
    folder: tempfile::TempDir,
    url: String,
}

impl Node {
    async fn start() -> Self {
        Self::with_worlds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds")).await
    }

    async fn with_worlds(worlds: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = free_stretch(33);
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
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

    /// What the operator's key opens.
    async fn operator(&self, path: &str) -> Option<Value> {
        let key = std::fs::read_to_string(self.folder.path().join("data/keys/operator.key")).ok()?;
        let host = self.url.strip_prefix("http://")?;
        let mut socket = tokio::net::TcpStream::connect(host).await.ok()?;
        let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        let head = format!("{head}authorization: Bearer {}\r\n\r\n", key.trim());
        socket.write_all(head.as_bytes()).await.ok()?;
        let mut text = String::new();
        socket.read_to_string(&mut text).await.ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        head.contains(" 200 ").then(|| serde_json::from_str(body).ok()).flatten()
    }

    /// A character as it was written last.
    async fn runner(&self, character: CharacterId) -> Option<Runner> {
        let data = self.operator(&format!("/api/data/characters/{character}/record")).await?;
        let hex = data["record"].as_str()?;
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        let record: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let mut sim = Sim::of_world(&tag::game(), GLADE);
        let id = sim.reserve().expect("an id");
        let who = Character { name: "Ada".into(), faction: String::new() };
        sim.spawn(id, character, who, (5.0, 5.0), Enter::Spawn, Some(&record)).expect("readable");
        sim.get::<Runner>(id).cloned()
    }

    /// Walks about, at most so long, until what is written of a character fits.
    async fn walk_until(
        &self,
        what: &str,
        game: &mut Game,
        character: CharacterId,
        fits: impl Fn(&Runner) -> bool,
    ) -> Runner {
        let walk = async {
            for n in 0u32.. {
                let (dx, dy) = ((n as f32 / 10.0).cos(), (n as f32 / 17.0).sin());
                game.move_towards(dx, dy).await;
                event(game, what, |event, _| matches!(event, Event::Updated { .. }).then_some(())).await;
                if n % 10 == 0
                    && let Some(runner) = self.runner(character).await.filter(&fits)
                {
                    return runner;
                }
            }
            unreachable!("it walks for ever")
        };
        tokio::time::timeout(PATIENCE, walk).await.unwrap_or_else(|_| panic!("never: {what}\n{}", self.log()))
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
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let begin = 12_000 + (std::process::id() % 190) as u16 * 100 + TAKEN.fetch_add(50, Relaxed);
    let mut firsts = (begin..32_000).step_by(100);
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
    let before: Shown = ada.view().component(me, "Runner").expect("she runs");
    ada.act("Sprint", &serde_json::json!({ "dx": 0.6, "dy": -0.8 })).await.expect("there is one");
    let after = event(&mut ada, "she has sprinted", |_, game| {
        game.view().component::<Shown>(me, "Runner").filter(|runner| runner.sprints > before.sprints)
    });
    assert_eq!(after.await, Shown { sprints: before.sprints + 1, it: before.it });
    assert!(ada.act("Fly", &serde_json::json!({})).await.is_err());
    let hash = ada.view().schema().expect("a schema").hash;
    let other = node.client().playing_only(hash + 1);
    other.register("Eve", "correct horse battery").await.expect("registered");
    let eve = other.create_character("green", "Eve", None).await.expect("a character");
    let refused = other.enter(eve.id, EnterOptions::default()).await.err().map(|error| error.kind());
    assert_eq!(refused, Some("version_mismatch"));

    // After a resume she knows the schema still, and what comes is read by it.
    ada.cut();
    event(&mut ada, "she is back", |event, _| matches!(event, Event::Back { resumed: true }).then_some(()))
        .await;
    assert_eq!(ada.view().schema().map(|schema| schema.hash), Some(hash));
    ada.act("Sprint", &serde_json::json!({ "dx": -0.6, "dy": 0.8 })).await.expect("there is one");
    event(&mut ada, "she has sprinted again", |event, game| {
        assert!(!matches!(event, Event::Schema(_)), "it was not missed");
        game.view().component::<Shown>(me, "Runner").filter(|runner| runner.sprints > before.sprints + 1)
    })
    .await;

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

/// What a runner is goes with him through a portal, over a kill -9 of his game server, and to the next day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_stays_who_he_is() {
    let worlds = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(worlds.path().join("glade.toml"), GLADE).expect("a world");
    let node = Node::with_worlds(worlds.path()).await;
    let client = node.client();
    client.register("Ada", "correct horse battery").await.expect("registered");
    let ada = client.create_character("glade", "Ada", None).await.expect("a character").id;
    let mut game = client.enter(ada, EnterOptions::default()).await.expect("entered");
    event(&mut game, "the first view", |_, game| game.me().map(|_| ())).await;
    assert_eq!(node.runner(ada).await, None, "nothing was written yet");
    while game.area() != "glade/east/0" {
        game.move_towards(1.0, 0.1).await;
        event(&mut game, "an update", |event, _| {
            matches!(event, Event::Updated { .. } | Event::Moved { .. }).then_some(())
        })
        .await;
    }
    let committed = node.runner(ada).await.expect("written with the change of owner");
    assert!(committed.it && committed.it_s > 0.0, "{committed:?}");
    let rich = |runner: &Runner| runner.score > committed.score && runner.it_s > committed.it_s;
    let before = node.walk_until("coins are written while he stays", &mut game, ada, rich).await;

    let servers = node.operator("/api/data/servers").await.expect("servers");
    let serves = |server: &&Value| server["area"] == "glade/east/0";
    let server = servers["servers"].as_array().expect("servers").iter().find(serves).expect("it runs");
    let kill = Command::new("kill").args(["-KILL", &server["pid"].to_string()]).status();
    assert!(kill.expect("kill runs").success());
    event(&mut game, "back", |event, _| matches!(event, Event::Back { .. }).then_some(())).await;
    let other = |runner: &Runner| *runner != before;
    let after = node.walk_until("the next server writes", &mut game, ada, other).await;
    assert!(after.score >= before.score && after.it_s >= before.it_s, "{before:?} {after:?}");

    game.leave().await;
    let left = |runner: &Runner| runner.score == 0 && runner.it_s >= after.it_s;
    let mut game = loop {
        if node.runner(ada).await.is_some_and(|runner| left(&runner)) {
            break client.enter(ada, EnterOptions::default()).await.expect("entered");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let gone = node.runner(ada).await.expect("written");
    let other = |runner: &Runner| *runner != gone;
    let again = node.walk_until("he goes on", &mut game, ada, other).await;
    assert!(again.it_s >= gone.it_s && gone.it_s > 1.0, "{gone:?} {again:?}");
}
