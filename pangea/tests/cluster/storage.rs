//! The disk under the database: full, and broken (nothing that was acknowledged is lost).

use http::Method;
use pangea_client::{EnterOptions, Event};
use pangea_server::store;
use pangea_world::Code;
use pangea_world::id::{CharacterId, OpId};
use serde_json::Value;

use crate::support::{Cluster, event, request};

/// What `/api/status` says of the storage.
async fn storage(cluster: &Cluster) -> String {
    let status: Value = cluster.client().call(Method::GET, "/api/status", None).await.unwrap();
    status["storage"].as_str().unwrap().to_owned()
}

/// An operator gives this character coins, as this operation; the answer's status and body.
pub async fn give(cluster: &Cluster, to: CharacterId, op: OpId) -> (u16, String) {
    let key = std::fs::read_to_string(cluster.data().join("keys/operator.key")).expect("a key");
    let path = format!("/api/data/characters/{to}/grant");
    let body =
        format!(r#"{{"reason":"a full disk","op":"{op}","coins":[{{"currency":"gold","amount":5}}]}}"#);
    request(&cluster.url, Method::POST, &path, key.trim(), Some(&body)).await.expect("an answer")
}

/// A program that a test cannot do without.
pub fn needs(program: &str, argument: &str) {
    let found = std::process::Command::new(program).arg(argument).output();
    let found = found.is_ok_and(|output| output.status.success());
    assert!(found, "this test needs the program «{program}», and the right to use it");
}

/// The disk runs full: writes are refused (an operation of the ledger too, which is done once when there is
/// room), who is inside plays on, and with room it goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    needs("unshare", "--version");
    let mut cluster = Cluster::prepare(&[], &[]);
    cluster.own_disk("", 24);
    cluster.run().await;
    let (client, character) = cluster.player("Before", "wilds", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    event(&mut game, "the first view", |_, game| game.me().map(|_| ())).await;
    assert_eq!(storage(&cluster).await, "ok");
    let ballast = cluster.data().join("ballast");
    fill(&ballast, 1 << 20);
    let mut kept = vec![("Before".to_owned(), character)];
    let refused = loop {
        let name = format!("Filler{}", kept.len());
        let client = cluster.client();
        let made = async {
            client.register(&name, "correct horse battery").await?;
            client.create_character("wilds", &name, None).await
        };
        match made.await {
            Ok(character) => kept.push((name, character.id)),
            Err(pangea_client::Error::Refused(refusal)) => break refusal,
            Err(error) => panic!("{error}\n{}", cluster.log()),
        }
        assert!(kept.len() < 20_000, "the disk does not run full");
    };
    assert_eq!(refused.code, Code::StorageBusy, "{refused}");
    assert!(kept.len() > 5, "some were written before");
    assert_eq!(storage(&cluster).await, "full");
    let mut gifts = 0;
    let unpaid = loop {
        let op = OpId::new(store::now_ms() as u64, u64::to_be_bytes(gifts));
        match give(&cluster, character, op).await {
            (200, _) => gifts += 1,
            (_, text) => {
                assert!(text.contains("storage_busy"), "{text}");
                break op;
            }
        }
        assert!(gifts < 20_000, "the ledger needs no room");
    };
    game.move_towards(1.0, 0.0).await;
    event(&mut game, "play goes on", |event, _| matches!(event, Event::Updated { .. }).then_some(())).await;
    let pid = cluster.pid();
    std::fs::remove_file(&ballast).unwrap();
    cluster.until("there is room again", || async { storage(&cluster).await == "ok" }).await;
    for repeat in [r#""repeat":false"#, r#""repeat":true"#] {
        let (status, text) = give(&cluster, character, unpaid).await;
        assert!(status == 200 && text.contains(repeat), "{status} {text}");
    }
    let path = format!("/api/data/characters/{character}/belongings");
    let has = cluster.operator(Method::GET, &path).await.expect("it is read");
    assert_eq!(has["money"][0]["amount"].as_u64(), Some((gifts + 1) * 5));
    let (late, late_character) = cluster.player("Afterwards", "wilds", None).await;
    late.enter(late_character, EnterOptions::default()).await.expect("it goes on").leave().await;
    assert_eq!(cluster.pid(), pid);
    for (name, character) in &kept {
        let client = cluster.client();
        client.login(name, "correct horse battery").await.expect("a kept account");
        assert!(client.characters().await.unwrap().iter().any(|kept| kept.id == *character), "{name}");
    }
    game.leave().await;
}

/// Takes all the room there is, but for so many bytes.
pub fn fill(path: &std::path::Path, left: u64) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path).unwrap();
    while file.write_all(&[1; 4_096]).is_ok() {}
    let size = file.metadata().unwrap().len();
    file.set_len(size.saturating_sub(left)).unwrap();
}

/// A flush fails: nobody knows any more what the disk holds, so central ends and says why; what it had
/// acknowledged is there when it is started again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn central_ends_at_a_failed_flush_and_starts_again_with_all_that_it_acknowledged() {
    needs("strace", "--version");
    let mut cluster = Cluster::prepare(&[], &[]);
    // Each thread's own count: only the writer's comes so far.
    let fail = "inject=fsync,fdatasync:error=EIO:when=150+";
    cluster.wrap(&["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", fail]);
    cluster.run().await;
    let mut kept = Vec::new();
    let refused = loop {
        let name = format!("Keeper{}", kept.len());
        let client = cluster.client();
        match client.register(&name, "correct horse battery").await {
            Ok(_) => kept.push(name),
            Err(error) => break error,
        }
        assert!(kept.len() < 1_000, "no flush has failed");
    };
    let status = cluster.ended().await;
    assert!(!status.success(), "{status}: {refused}");
    assert!(cluster.log().contains("cannot be trusted any more"), "{}", cluster.log());
    cluster.wrap(&[]);
    cluster.run().await;
    assert!(kept.len() > 10);
    for name in &kept {
        cluster.client().login(name, "correct horse battery").await.expect("a kept account");
    }
    assert_eq!(storage(&cluster).await, "ok");
}
