//! Several chats that pass lines to each other over a real NATS server (K8-K11): an area server has a link to one.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use http::Method;
use pangea_client::ChannelKind as Kind;
use pangea_world::Code;
use pangea_world::chat::{inbox, place};
use serde_json::Value;

use crate::chat::FREELY;
use crate::chat_groups::Sailor;
use crate::support::{Cluster, PATIENCE, signal};

/// A NATS server of our own.
struct Nats {
    child: Child,
    port: u16,
}

impl Nats {
    fn start(port: u16) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/nats/bin/nats-server");
        let mut command = Command::new(&program);
        command.args(["-a", "127.0.0.1", "-p", &port.to_string()]).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child
            .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask test` installs it", program.display()));
        Self { child, port }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whispers until it is said; a moment without the other chat is no fault.
async fn said_at_last(who: &mut Sailor, to: &str, text: &str) {
    let began = Instant::now();
    while let Some(code) = who.whispers(to, text).await {
        assert_eq!(code, Code::ChatUnavailable);
        assert!(began.elapsed() < PATIENCE, "never said to {to}: {text}");
        tokio::task::yield_now().await;
    }
}

/// Two chats, a channel of each, and people behind them: all is heard once and in order; while the bus is away what
/// the own chat has goes on and the rest is refused; and after the bus, and after a chat, all is as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_pass_lines_over_nats() {
    let cluster = Cluster::prepare(&[], &[]);
    let [port, second] = cluster.ports_in_a_row();
    drop(cluster);
    let nats = Nats::start(port);
    let bus = format!("chat.nats=nats://127.0.0.1:{port}");
    let mut cluster = Cluster::apart_with(&[FREELY, &bus]).await;
    let listen = [format!("chat.listen=127.0.0.1:{second}")];
    cluster.start_another("chat", "second", &listen);
    let chats = async |cluster: &Cluster| {
        let status: Value = cluster.client().call(Method::GET, "/api/status", None).await.unwrap();
        status["roles"].as_array().unwrap().iter().filter(|role| role["role"] == "chat").count()
    };
    cluster.until("both chats are here", async || chats(&cluster).await == 2).await;
    let of = |chat: &str| {
        let mut names = ["Bob", "Cleo", "Dora", "Emil", "Fritz", "Gerd", "Hanna", "Ida"].into_iter();
        names.find(|name| place(&inbox(name), ["chat", "second"].into_iter()) == Some(chat)).unwrap()
    };
    let names = [of("chat"), of("second")];
    let mut ada = Sailor::new(&cluster, "Ada", "harbour").await;
    let mut others =
        [Sailor::new(&cluster, names[0], "forest").await, Sailor::new(&cluster, names[1], "cave").await];
    // What is refused while the chats find each other is not said.
    for (other, name) in others.iter_mut().zip(names) {
        said_at_last(&mut ada, name, "begin").await;
        other.until_heard("begin").await;
    }
    for n in 0..30 {
        for name in names {
            assert_eq!(ada.whispers(name, &format!("p{n}")).await, None);
        }
        while ada.says(Kind::World, &format!("w{n}")).await.is_some() {}
    }
    for other in &mut others {
        for (kind, letter) in [(Kind::Whisper, 'p'), (Kind::World, 'w')] {
            other.until_heard(&format!("{letter}29")).await;
            let texts = other.heard.iter().filter(|line| line.kind == kind).map(|line| line.text.clone());
            let texts: Vec<String> = texts.filter(|text| text != "begin").collect();
            assert_eq!(texts, (0..30).map(|n| format!("{letter}{n}")).collect::<Vec<_>>());
        }
    }

    // Whichever chat has Ada's server, one of the two inboxes is the other one's.
    signal(nats.child.id(), "KILL");
    drop(nats);
    let mut away = None;
    while away.is_none() {
        for (n, name) in names.into_iter().enumerate() {
            match ada.whispers(name, "are you there?").await {
                None => {}
                Some(Code::ChatUnavailable) => away = Some(n),
                other => panic!("{other:?}"),
            }
        }
    }
    let away = away.unwrap();
    assert_eq!(ada.whispers(names[1 - away], "we go on").await, None);
    let nats = Nats::start(port);
    said_at_last(&mut ada, names[away], "and on").await;
    others[away].until_heard("and on").await;
    others[1 - away].until_heard("we go on").await;
    cluster.kill_role("second");
    cluster.start_another("chat", "second", &listen);
    for (n, name) in names.into_iter().enumerate() {
        said_at_last(&mut ada, name, "the end").await;
        others[n].until_heard("the end").await;
    }
    assert_eq!(nats.port, port);
    for other in &others {
        let once: std::collections::BTreeSet<_> =
            other.heard.iter().filter(|line| line.kind == Kind::Whisper).map(|line| line.seq).collect();
        let all = other.heard.iter().filter(|line| line.kind == Kind::Whisper).count();
        assert_eq!(once.len(), all, "once each");
    }
}

/// Without the bus a chat that has the setting still starts, and has its own channels.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_chat_needs_no_bus() {
    let cluster = Cluster::start(&["chat.nats=nats://127.0.0.1:9"]).await;
    let mut ada = Sailor::new(&cluster, "Ada", "harbour").await;
    assert_eq!(ada.says(Kind::World, "alone").await, None);
}
