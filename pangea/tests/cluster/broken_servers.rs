//! Game servers that are not there, do not come up, hang, or die at the worst moment (O7).

use http::Method;
use pangea_client::{Client, EnterOptions, Error, Event};
use pangea_world::Refusal;

use crate::support::{Cluster, event, signal};

const MAPS: &str = "kind = \"maps\"\nrules = [\"pve\"]\ngrace_s = 30\nlayers = 1\n\
    [maps]\nspawn = { map = \"home\", x = 16.0, y = 16.0 }\n\
    [[map]]\nid = \"home\"\nwidth_m = 64\nheight_m = 64\n\
    [[map]]\nid = \"missing\"\nwidth_m = 32\nheight_m = 32\nserver = \"missing\"\n\
    [[map]]\nid = \"hangs\"\nwidth_m = 32\nheight_m = 32\nserver = \"hangs\"\n\
    [[map]]\nid = \"ends\"\nwidth_m = 32\nheight_m = 32\nserver = \"ends\"\n\
    [[map]]\nid = \"unknown\"\nwidth_m = 32\nheight_m = 32\nserver = \"unknown\"\n";

const TEMPLATES: &str = "[spawner.templates.missing]\ncommand = [\"/no/such/program\", \"serve\"]\npool = 0\n\
    [spawner.templates.hangs]\ncommand = [\"sleep\", \"1000\"]\npool = 0\n\
    [spawner.templates.ends]\ncommand = [\"false\"]\npool = 0\n";

async fn with_templates(settings: &[&str]) -> Cluster {
    let mut cluster = Cluster::prepare(&[("maps", MAPS)], settings);
    std::fs::write(cluster.folder.path().join("pangea.toml"), TEMPLATES).unwrap();
    cluster.run().await;
    cluster
}

fn map(id: &str) -> EnterOptions {
    EnterOptions { map: Some(id.to_owned()), ..EnterOptions::default() }
}

fn refusal(result: Result<impl Sized, Error>) -> Refusal {
    match result {
        Err(Error::Refused(refusal)) => refusal,
        Err(other) => panic!("expected a refusal, not {other}"),
        Ok(_) => panic!("expected a refusal"),
    }
}

async fn of_kind(cluster: &Cluster, template: &str) -> usize {
    cluster.servers().await.iter().filter(|server| server["template"] == template).count()
}

/// The executable is missing, or nobody knows the kind: a refusal that names it; others enter meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_missing_is_named() {
    let cluster = with_templates(&[]).await;
    let (client, character) = cluster.player("Mia", "maps", None).await;
    let missing = refusal(client.prepare(character, &map("missing")).await);
    assert_eq!(missing.code.as_str(), "spawner_template");
    assert!(missing.text.contains("«missing»") && missing.text.contains("/no/such/program"), "{missing}");
    let unknown = refusal(client.prepare(character, &map("unknown")).await);
    assert_eq!(unknown.code.as_str(), "spawner_template");
    assert!(unknown.text.contains("«unknown»"), "{unknown}");
    let game = client.enter(character, map("home")).await.unwrap();
    assert_eq!(game.area(), "maps/home/0");
    let seats: u64 = cluster.servers().await.iter().map(|server| server["seats"].as_u64().unwrap()).sum();
    assert_eq!(seats, 1, "what was refused holds nothing");
}

/// It starts and never says Ready: refused in time, and its process is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_becomes_ready_is_ended() {
    let cluster = with_templates(&["spawner.ready_timeout_s=1", "central.start_timeout_s=4"]).await;
    let (client, character) = cluster.player("Nils", "maps", None).await;
    let entering = tokio::spawn({
        let client = client.clone();
        async move { refusal(client.prepare(character, &map("hangs")).await) }
    });
    cluster.until("it is started", || async { of_kind(&cluster, "hangs").await == 1 }).await;
    let pid =
        cluster.servers().await.iter().find(|s| s["template"] == "hangs").map(|s| s["pid"].as_u64().unwrap());
    let refused = entering.await.unwrap();
    assert!(matches!(refused.code.as_str(), "area_unavailable" | "area_crash_loop"), "{refused}");
    if let Some(pid) = pid {
        cluster
            .until("its process is gone", || async {
                !std::path::Path::new(&format!("/proc/{pid}")).exists()
            })
            .await;
    }
    client.enter(character, map("home")).await.expect("the way home is open");
}

/// It ends at once, each time: a few tries with growing pauses, then the kind rests, and the refusal says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_at_once_is_not_started_for_ever() {
    let cluster = with_templates(&["spawner.crash_limit=3", "spawner.crash_window_s=60"]).await;
    let (client, character) = cluster.player("Olga", "maps", None).await;
    let first = refusal(client.prepare(character, &map("ends")).await);
    let second = refusal(client.prepare(character, &map("ends")).await);
    assert_eq!(second.code.as_str(), "area_crash_loop", "{first}; {second}");
    assert!(second.text.contains("«ends»"), "{second}");
    let starts = cluster.log().matches("template=ends").count();
    assert!((3..=12).contains(&starts), "{starts} lines about it");
    client.enter(character, map("home")).await.expect("the way home is open");
}

/// The range has ports for one server only: the second area is refused, and the first one plays on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_range_that_is_used_up_is_said() {
    let mut cluster = Cluster::prepare(&[], &[]);
    let [a, b, c] = cluster.ports_in_a_row();
    assert_eq!((a + 1, b + 1), (b, c));
    cluster.set(&format!("spawner.ports={a}-{c}"));
    cluster.run().await;
    let (client, character) = cluster.player("Paul", "wilds", None).await;
    // The isles' harbour may have had the only server before: whoever has it, one of both is refused.
    let taken = cluster.until_found("a server", || async {
        cluster.servers().await.iter().find_map(|server| server["area"].as_str().map(str::to_owned))
    });
    let harbour = taken.await;
    assert!(harbour.starts_with("isles/harbour"), "{harbour}");
    let refused = refusal(client.prepare(character, &EnterOptions::default()).await);
    assert_eq!(refused.code.as_str(), "spawner_full", "{refused}");
    let (client, character) = cluster.player("Petra", "isles", Some("sailors")).await;
    let game = client.enter(character, EnterOptions::default()).await.unwrap();
    assert_eq!(game.area(), "isles/harbour/0");
}

/// A server that hangs (SIGSTOP) is silent: its spawner kills it, another one gets the area, and the player
/// comes back to where he was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_killed_and_replaced() {
    let cluster = Cluster::start(&["central.silence_s=2"]).await;
    let (client, character) = cluster.player("Rosa", "wilds", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    event(&mut game, "the first view", |_, game| game.me().map(|_| ())).await;
    let before = cluster.serving("wilds/").await[0].clone();
    let pid = before["pid"].as_u64().unwrap() as u32;
    signal(pid, "STOP");
    event(&mut game, "back", |event, _| matches!(event, Event::Back { .. }).then_some(())).await;
    event(&mut game, "the view", |_, game| game.me().map(|_| ())).await;
    let after = cluster.serving("wilds/").await;
    assert_eq!((after.len(), &after[0]["seats"]), (1, &serde_json::json!(1)), "{after:?}");
    assert_ne!(after[0]["server"], before["server"]);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "it is ended, not forgotten");
}

/// Every server that could be allocated is killed just then, again and again: the enter succeeds on another
/// one or is refused clearly, and the area has one server at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_die_between_allocation_and_answer() {
    let cluster =
        Cluster::with_worlds(&[("maps", MAPS)], &["central.crash_limit=50", "spawner.crash_limit=50"]).await;
    let (client, character) = cluster.player("Sven", "maps", None).await;
    let mut entered = 0;
    for _ in 0..6 {
        let entering = tokio::spawn(enter_home(client.clone(), character));
        // The pool's servers first, then whoever is allocated.
        for server in cluster.servers().await {
            signal(server["pid"].as_u64().unwrap() as u32, "KILL");
        }
        for server in cluster.servers().await.iter().filter(|server| server["state"] == "Allocated") {
            signal(server["pid"].as_u64().unwrap() as u32, "KILL");
        }
        match entering.await.unwrap() {
            Ok(()) => entered += 1,
            Err(Error::Refused(refusal)) => {
                assert_eq!(refusal.code.as_str(), "area_unavailable", "{refusal}")
            }
            // It came to a server that was killed under its feet.
            Err(Error::Transport(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    println!("entered {entered} of 6 times");
    enter_home(client, character).await.expect("and at the end it is well");
    assert_eq!(cluster.serving("maps/home").await.len(), 1);
}

async fn enter_home(client: Client, character: pangea_world::id::CharacterId) -> Result<(), Error> {
    let mut game = client.enter(character, map("home")).await?;
    game.leave().await;
    Ok(())
}

/// Central is killed and started, and at once again; the player walks on through both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn central_killed_twice_while_players_walk() {
    let mut cluster = Cluster::start(&[]).await;
    let mut games = Vec::new();
    for n in 0..4 {
        let (client, character) = cluster.player(&format!("Walker{n}"), "wilds", None).await;
        games.push(client.enter(character, EnterOptions::default()).await.unwrap());
    }
    let before = cluster.serving("wilds/").await[0].clone();
    for round in 0..2 {
        cluster.kill();
        for step in 0..10 {
            for game in &mut games {
                game.move_towards(if step % 2 == 0 { 1.0 } else { -1.0 }, 0.0).await;
                event(game, "a step", |event, _| match event {
                    Event::Lost => panic!("lost in round {round}"),
                    Event::Updated { seen } => seen.map(|_| ()),
                    _ => None,
                })
                .await;
            }
        }
        cluster.run().await;
    }
    cluster.until("the server is adopted", || async { cluster.serving("wilds/").await.len() == 1 }).await;
    let after = cluster.serving("wilds/").await[0].clone();
    assert_eq!(
        (&after["server"], &after["pid"], &after["seats"]),
        (&before["server"], &before["pid"], &serde_json::json!(4))
    );
    for mut game in games {
        game.leave().await;
    }
    cluster
        .until("all have left", || async {
            cluster.serving("wilds/").await.iter().all(|server| server["seats"] == 0)
        })
        .await;
    let status = cluster.operator(Method::GET, "/api/data/servers").await.expect("the operator is known");
    assert!(status["servers"].is_array());
}
