//! What operators do with a running cluster by the command line: a stop that is announced, cordons, an upgrade
//! (D.9, D.10, L.9; scenario 14).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use http::Method;
use pangea_client::{EnterOptions, Event, Game};
use pangea_world::Code;
use pangea_world::id::CharacterId;
use serde_json::json;

use crate::crash::kill_all;
use crate::crossing::{FOUR, PLAIN, Way, take, until, walk_to};
use crate::goods::grant;
use crate::migration::{AREA, ONE};
use crate::support::{Cluster, event};

/// A command with the cluster's settings, and what it says.
async fn pangea(cluster: &Cluster, arguments: &[&str]) -> Output {
    let mut command = cluster.command(arguments);
    tokio::task::spawn_blocking(move || command.output().expect("it starts")).await.unwrap()
}

/// The same, which must succeed.
async fn done(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = pangea(cluster, arguments).await;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {said}\n{}", cluster.log());
    said
}

async fn told(game: &mut Game, what: &str) -> String {
    event(game, what, |event, _| match event {
        Event::Notice { code, text } if code == "stopping" && text.contains(what) => Some(text.clone()),
        _ => None,
    })
    .await
}

/// Scenario 14: everybody is told, can go on until then, nobody enters shortly before; then all is saved, exit 0,
/// and the next start has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announced_stop_counts_down_and_loses_nothing() {
    let mut cluster = Cluster::with_worlds(&[("one", ONE)], &[PLAIN, "central.no_entry_s=3600"]).await;
    let (client, character) = cluster.player("Ada", "one", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    done(&cluster, &["stop", "--in", "1h", "--text", "a new disk"]).await;
    assert_eq!(told(&mut game, "1 hour").await, "the server stops in 1 hour: a new disk");
    let (late, late_character) = cluster.player("Late", "one", None).await;
    let refused =
        late.enter(late_character, EnterOptions::default()).await.err().map(|error| error.kind().to_owned());
    assert_eq!(refused.as_deref(), Some(Code::Stopping.as_str()), "shortly before nobody enters");
    done(&cluster, &["stop", "--cancel"]).await;
    told(&mut game, "called off").await;
    assert!(!pangea(&cluster, &["stop", "--cancel"]).await.status.success(), "there is nothing to call off");
    late.enter(late_character, EnterOptions::default()).await.expect("he may enter").leave().await;
    done(&cluster, &["stop", "--in", "4s", "--text", "a new disk"]).await;
    told(&mut game, "4 seconds").await;
    // What he does after he was told counts.
    let mut way = Way::default();
    walk_to(&mut game, &mut way, (26.0, 20.0)).await;
    let stood = game.me().unwrap().clone();
    told(&mut game, "1 second").await;
    let status = cluster.ended().await;
    assert!(status.success(), "{status}\n{}", cluster.log());
    cluster.run().await;
    let again = cluster.client();
    again.login("Ada", "correct horse battery").await.unwrap();
    let mut game = again.enter(character, EnterOptions::default()).await.unwrap();
    until(&mut game, &mut way, "he is there", |game, _| game.me().is_some()).await;
    let found = game.me().unwrap();
    assert_eq!((found.x_cm, found.y_cm), (stood.x_cm, stood.y_cm), "no roll-back");
}

/// It stops the game servers of another spawner too, which save.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announced_stop_ends_the_servers_of_all_spawners() {
    let mut cluster = Cluster::with_worlds(&[("one", ONE)], &[PLAIN]).await;
    let (data, key) = (cluster.folder.path().join("rack2"), cluster.folder.path().join("rack2.key"));
    std::fs::write(&key, done(&cluster, &["key", "spawner", "rack2"]).await).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let ports = cluster.ports_in_a_row::<40>();
    let settings = [
        format!("data={}", data.display()),
        format!("spawner.key_file={}", key.display()),
        format!("spawner.ports={}-{}", ports[0], ports[39]),
    ];
    done(&cluster, &["node", "cordon", "local"]).await;
    cluster.start_another("spawner", "rack2", &settings);
    let is_here = || async { done(&cluster, &["node", "areas"]).await.contains("rack2") };
    cluster.until("the other spawner is here", is_here).await;
    let (client, character) = cluster.player("Ada", "one", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    let mut way = Way::default();
    walk_to(&mut game, &mut way, (26.0, 20.0)).await;
    let stood = game.me().unwrap().clone();
    let served = cluster.serving(AREA).await;
    assert_eq!(served[0]["spawner"], "rack2", "{served:?}");
    let pid = served[0]["pid"].as_u64().expect("a process");
    done(&cluster, &["stop", "--in", "1s"]).await;
    let status = cluster.ended().await;
    assert!(status.success(), "{status}\n{}", cluster.log());
    let gone = || async { !Path::new(&format!("/proc/{pid}")).exists() };
    cluster.until("the other spawner's game server has ended", gone).await;
    cluster.run().await;
    done(&cluster, &["node", "uncordon", "local"]).await;
    let again = cluster.client();
    again.login("Ada", "correct horse battery").await.unwrap();
    let mut game = again.enter(character, EnterOptions::default()).await.unwrap();
    until(&mut game, &mut way, "she is there", |game, _| game.me().is_some()).await;
    let found = game.me().unwrap();
    assert_eq!((found.x_cm, found.y_cm), (stood.x_cm, stood.y_cm), "no roll-back");
    drop(game);
    cluster.kill_role("rack2");
    kill_all(&data);
}

/// A cordoned spawner gets no new area, keeps what it has, and is cordoned still after a kill of everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cordon_keeps_new_areas_away_until_it_is_taken_back() {
    let mut cluster = Cluster::with_worlds(&[("one", ONE), ("two", ONE)], &[PLAIN]).await;
    let (client, character) = cluster.player("Ada", "one", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    done(&cluster, &["node", "cordon", "local"]).await;
    assert!(done(&cluster, &["node", "areas"]).await.contains("cordoned"));
    let refuses = async |cluster: &Cluster, name: &str| {
        let (client, character) = cluster.player(name, "two", None).await;
        let refused = client.enter(character, EnterOptions::default()).await.err();
        assert_eq!(
            refused.map(|error| error.kind().to_owned()).as_deref(),
            Some(Code::SpawnerTemplate.as_str())
        );
    };
    refuses(&cluster, "Bob").await;
    take(&mut game, &mut Way::default()).await;
    cluster.kill();
    cluster.run().await;
    refuses(&cluster, "Carl").await;
    assert!(!pangea(&cluster, &["node", "cordon", "nobody"]).await.status.success());
    done(&cluster, &["node", "uncordon", "local"]).await;
    let (client, character) = cluster.player("Dora", "two", None).await;
    client.enter(character, EnterOptions::default()).await.expect("a new area").leave().await;
}

/// The file from which the process that has the area was started.
async fn runs(cluster: &Cluster) -> std::path::PathBuf {
    let pid = cluster.serving(AREA).await[0]["pid"].as_u64().unwrap();
    std::fs::read_link(format!("/proc/{pid}/exe")).unwrap()
}

/// L.9: game servers of another program take everything over while it is played; one that cannot run changes
/// nothing; none outside the folder of programs is started.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_moves_everything_to_another_program() {
    let mut cluster = Cluster::prepare(&[("one", ONE)], &[PLAIN]);
    let releases = cluster.folder.path().join("releases");
    std::fs::create_dir(&releases).unwrap();
    let (new, broken) = (releases.join("pangea-next"), releases.join("broken"));
    let ours = Path::new(env!("CARGO_BIN_EXE_pangea")).canonicalize().unwrap();
    std::fs::copy(&ours, &new).unwrap();
    std::fs::copy("/bin/false", &broken).unwrap();
    cluster.set(&format!("spawner.programs={}", releases.display()));
    cluster.run().await;
    let (client, character) = cluster.player("Ada", "one", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    let mut way = Way::default();
    walk_to(&mut game, &mut way, (30.0, 20.0)).await;
    for bad in [&broken, &ours] {
        let output = pangea(&cluster, &["upgrade", "--binary", bad.to_str().unwrap()]).await;
        assert!(!output.status.success(), "{}", bad.display());
        assert_eq!(runs(&cluster).await, ours);
    }
    let arguments = ["upgrade", "--binary", new.to_str().unwrap()];
    let upgrading = done(&cluster, &arguments);
    let walking = async {
        for to in [(40.0, 30.0), (30.0, 40.0), (20.0, 20.0)] {
            walk_to(&mut game, &mut way, to).await;
        }
    };
    let (said, ()) = tokio::join!(upgrading, walking);
    assert!(said.contains("1 of 1 areas have gone over"), "{said}");
    until(&mut game, &mut way, "the other server", |_, way| way.crossed.len() == 1).await;
    assert_eq!(way.lost, 0, "{way:?}");
    let new = new.canonicalize().unwrap();
    assert_eq!(runs(&cluster).await, new);
    cluster
        .until("all servers are of the new program", || async {
            let servers = cluster.servers().await;
            servers.iter().all(|server| server["program"] == new.to_str().unwrap())
        })
        .await;
    // Who comes next gets one of these too.
    assert!(done(&cluster, &arguments).await.contains("0 of 0"));
    let answer = cluster.operator(Method::GET, "/api/data/spawners").await.unwrap();
    assert_eq!(answer["spawners"][0]["areas"], 1);
    game.leave().await;
}

/// The file from which the server of an area was started.
async fn program(cluster: &Cluster, area: &str) -> String {
    cluster.serving(area).await[0]["program"].as_str().expect("a program").to_owned()
}

/// A component's field of one's own character, as far as the version of its server knows it.
fn own(game: &Game, component: &str, field: &str) -> Option<u64> {
    let values: serde_json::Value = game.view().component(game.view().me, component)?;
    values[field].as_u64()
}

/// What one says of somebody in the next area, and that it was answered.
async fn meets(game: &mut Game, number: u32, what: u8, whom: CharacterId) {
    let meet = json!({ "number": number, "what": what, "whom": whom.to_string(), "amount": 9 });
    game.act("Meet", &meet).await.expect("known");
    let code = event(game, "an answer", |event, _| match event {
        Event::Game { name, values } if name == "Met" && values["number"] == number => {
            Some((values["code"].clone(), values["across"].clone()))
        }
        _ => None,
    })
    .await;
    assert_eq!(code, (json!(""), json!(true)), "{number}");
}

/// Takes what comes until this holds, of what one is told of by itself.
async fn sees(game: &mut Game, way: &mut Way, what: &str, holds: impl Fn(&Game, &Way) -> bool) {
    for _ in 0..4_000 {
        if holds(game, way) {
            return;
        }
        take(game, way).await;
    }
    panic!("never happened: {what}; {way:?}");
}

/// Does this while another one takes what comes to him.
async fn meanwhile<T>((other, way): (&mut Game, &mut Way), does: impl Future<Output = T>) -> T {
    let takes = async {
        loop {
            take(other, way).await;
        }
    };
    tokio::select! {
        biased;
        done = does => done,
        () = takes => unreachable!("it never ends"),
    }
}

/// Two versions of the program, whose schemas are not the same, side by side: who goes to and fro between them, by a
/// border or with his area, keeps what only one of them knows, sees the other one, strikes and trades over the line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_of_two_versions_are_one_world() {
    let mut cluster = Cluster::prepare(&[("four", FOUR)], &[PLAIN]);
    let releases = cluster.folder.path().join("releases");
    std::fs::create_dir(&releases).unwrap();
    let [next, before] = ["pangea-next", "pangea-before"].map(|name| releases.join(name));
    for program in [&next, &before] {
        std::fs::copy(env!("CARGO_BIN_EXE_pangea"), program).unwrap();
    }
    cluster.set(&format!("spawner.programs={}", releases.display()));
    cluster.run().await;
    let (west, east) = ("four/0,0..2,2/0", "four/2,0..4,2/0");
    let [(mut ada, her), (mut bob, him)] = [visitor(&cluster, "Ada").await, visitor(&cluster, "Bob").await];
    let (mut hers, mut his) = (Way::default(), Way::default());
    let goes_east = async {
        walk_to(&mut bob, &mut his, (68.0, 40.0)).await;
        sees(&mut bob, &mut his, "he is over", |game, _| game.area() == east).await;
    };
    meanwhile((&mut ada, &mut hers), goes_east).await;
    ada.act("Mark", &json!({ "number": 4 })).await.expect("known");
    sees(&mut ada, &mut hers, "her mark", |game, _| own(game, "Label", "number") == Some(4)).await;

    // New servers are of the next version from now on; her area goes to one while she walks, his does not.
    let wish = json!({ "reason": "a test", "program": next });
    cluster.operate(Method::POST, "/api/data/spawners/local/upgrade", wish).await;
    let moving =
        cluster.operate(Method::POST, "/api/data/areas/migrate", json!({ "reason": "a test", "area": west }));
    let both = async { tokio::join!(moving, walk_to(&mut ada, &mut hers, (60.0, 40.0))).0 };
    let moved = meanwhile((&mut bob, &mut his), both).await;
    assert_eq!(moved["left"], 0, "{moved}");
    sees(&mut ada, &mut hers, "the next version", |game, way| {
        way.crossed.len() == 1
            && game.view().schema().is_some_and(|known| known.input("Decorate", &()).is_ok())
    })
    .await;
    assert!(program(&cluster, west).await.ends_with("-next"));
    assert!(!program(&cluster, east).await.ends_with("-next"));
    assert_eq!((own(&ada, "Label", "number"), own(&ada, "Label", "colour")), (Some(4), Some(0)));
    ada.act("Mark", &json!({ "number": 5, "colour": 7 })).await.expect("known");
    ada.act("Decorate", &json!({})).await.expect("known");
    sees(&mut ada, &mut hers, "both", |game, _| {
        own(game, "Label", "colour") == Some(7) && own(game, "Badge", "count") == Some(1)
    })
    .await;

    // Over the line between them.
    for (game, way, name) in [(&mut ada, &mut hers, "Bob"), (&mut bob, &mut his, "Ada")] {
        sees(game, way, "the other one", |game, _| game.entities().values().any(|one| one.name == name))
            .await;
    }
    for who in [her, him] {
        grant(&cluster, who, json!({ "reason": "a test", "coins": [{ "currency": "coin", "amount": 20 }] }))
            .await;
    }
    for (number, what) in [(1, 0), (2, 1)] {
        meets(&mut ada, number, what, him).await;
        meets(&mut bob, number, what, her).await;
    }
    assert_eq!(
        (own(&ada, "Life", "left"), own(&bob, "Life", "left")),
        (Some(999_999_999), Some(999_999_999))
    );

    // To the version before, which knows half of it, and back.
    meanwhile((&mut bob, &mut his), walk_to(&mut ada, &mut hers, (68.0, 42.0))).await;
    sees(&mut ada, &mut hers, "she is over", |game, _| game.area() == east).await;
    sees(&mut ada, &mut hers, "what is known there", |game, _| own(game, "Label", "number") == Some(5)).await;
    assert_eq!((own(&ada, "Label", "colour"), own(&ada, "Badge", "count")), (None, None));
    ada.act("Mark", &json!({ "number": 6 })).await.expect("known");
    sees(&mut ada, &mut hers, "her new mark", |game, _| own(game, "Label", "number") == Some(6)).await;
    let all = |game: &Game| {
        [own(game, "Label", "number"), own(game, "Label", "colour"), own(game, "Badge", "count")]
    };
    meanwhile((&mut bob, &mut his), walk_to(&mut ada, &mut hers, (60.0, 42.0))).await;
    sees(&mut ada, &mut hers, "all of it", |game, _| all(game) == [Some(6), Some(7), Some(1)]).await;

    // Her area goes back to the version before, and then all to the next one.
    let arguments = ["upgrade", "--binary", before.to_str().unwrap()];
    let upgrading = meanwhile((&mut ada, &mut hers), done(&cluster, &arguments));
    meanwhile((&mut bob, &mut his), upgrading).await;
    sees(&mut ada, &mut hers, "the version before", |game, _| all(game) == [Some(6), None, None]).await;
    let arguments = ["upgrade", "--binary", next.to_str().unwrap()];
    let upgrading = meanwhile((&mut ada, &mut hers), done(&cluster, &arguments));
    meanwhile((&mut bob, &mut his), upgrading).await;
    sees(&mut ada, &mut hers, "all of it", |game, _| all(game) == [Some(6), Some(7), Some(1)]).await;
    assert!(program(&cluster, east).await.ends_with("-next"));
    assert_eq!((hers.lost, his.lost), (0, 0), "{hers:?} {his:?}");
}

async fn visitor(cluster: &Cluster, name: &str) -> (Game, CharacterId) {
    let (client, character) = cluster.player(name, "four", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    event(&mut game, "the first view", |_, game| game.me().map(|_| ())).await;
    (game, character)
}
