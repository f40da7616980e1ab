//! From start to end of game servers, and what goes wrong in between.

use std::collections::BTreeSet;

use pangea_server::config::{Spawner as Settings, Template};
use pangea_world::Code;
use pangea_world::messages::{Allocated, Body, TicketKey, TicketKeys};

use crate::harness::{Central, Spawner, game_server, kill, lives, settings, within};

fn code(answer: &Allocated) -> &str {
    &answer.refused.as_ref().expect("refused").code
}

#[tokio::test]
async fn a_pool_is_filled_given_out_refilled_and_stopped() {
    let mut config = settings("22000-22099", &[("lodge", game_server("good", 2))]);
    let mut central = Central::open(&mut config).await;
    let spawner = Spawner::run(config);
    let hello = central.meet().await;
    assert_eq!(hello.templates, ["area", "lodge"]);
    let pool = central.have("lodge", "Ready", 2).await;
    let [first, second] = pool.as_slice() else { panic!("two are wanted: {pool:?}") };
    assert!(first.ready_ms > 0 && first.pid != second.pid && first.port != second.port);
    central
        .say(Body::TicketKeys(TicketKeys { keys: vec![TicketKey { kid: "k".into(), bytes: vec![1; 32] }] }));

    let given = central.allocate("lodge", 1).await.server.expect("given");
    assert_eq!((given.state.as_str(), given.area.as_slice()), ("Allocated", [1; 16].as_slice()));
    assert_eq!((given.player_capacity, given.players.len()), (30, 0));
    let again = central.allocate("lodge", 1).await.server.expect("given");
    assert_eq!(again.server, given.server, "the same area has the same server");
    let pool = central.have("lodge", "Ready", 2).await;
    assert!(
        pool.iter().any(|server| ![first.pid, second.pid].contains(&server.pid)),
        "it is filled up again"
    );

    kill(given.pid);
    assert_eq!(central.hear_exit(&given.server).await, "signal 9");
    let next = central.allocate("lodge", 1).await.server.expect("given");
    assert_ne!(next.server, given.server, "a dead server is not given again");

    central.stop(&next.server, 30_000);
    assert_eq!(central.hear_exit(&next.server).await, "exit 0", "asked, not killed");
    assert!(!lives(next.pid));
    central.stop(&next.server, 30_000);
    assert_eq!(central.hear_exit(&next.server).await, "is not here");
    let log = std::fs::read_dir(spawner.data.path().join("logs")).unwrap().count();
    assert!(log >= 4, "each server has its log");
    spawner.stop().await;
}

#[tokio::test]
async fn areas_that_ask_at_once_get_one_server_each() {
    let mut config = settings("22100-22199", &[("lodge", game_server("good", 0))]);
    config.capacity = 3;
    let mut central = Central::open(&mut config).await;
    let spawner = Spawner::run(config);
    central.meet().await;
    let requests: Vec<u64> = [1, 2, 3, 1, 4].map(|area| central.ask("lodge", area)).into();
    let mut servers = BTreeSet::new();
    let mut full = 0;
    for _ in requests {
        let answer = central
            .hear(|body| match body {
                Body::Allocated(answer) => Some(answer),
                _ => None,
            })
            .await;
        match &answer.server {
            Some(server) => {
                servers.insert((server.area.clone(), server.pid));
            }
            None => {
                assert_eq!(code(&answer), Code::SpawnerFull.as_str());
                full += 1;
            }
        }
    }
    assert_eq!((servers.len(), full), (3, 1), "the fourth area is one too many: {servers:?}");
    spawner.stop().await;
}

#[tokio::test]
async fn a_server_that_crashes_or_hangs_before_ready_ends_in_a_loop_that_is_named() {
    let mut config =
        settings("22200-22299", &[("crash", game_server("crash", 0)), ("hang", game_server("hang", 0))]);
    config.crash_limit = 2;
    config.ready_timeout_s = 1;
    let mut central = Central::open(&mut config).await;
    let spawner = Spawner::run(config);
    central.meet().await;
    for (kind, area) in [("crash", 1), ("hang", 2)] {
        let answer = central.allocate(kind, area).await;
        assert_eq!(code(&answer), Code::AreaCrashLoop.as_str());
        let again = central.allocate(kind, area).await;
        assert_eq!(code(&again), Code::AreaCrashLoop.as_str());
        assert!(again.refused.unwrap().text.contains(kind));
    }
    spawner.stop().await;
}

#[tokio::test]
async fn a_missing_program_and_an_unknown_kind_are_named() {
    let missing = Template { command: vec!["/nonexistent/server".into()], pool: 0, ..Template::default() };
    let mut config = settings("22300-22399", &[("missing", missing)]);
    let mut central = Central::open(&mut config).await;
    let spawner = Spawner::run(config);
    central.meet().await;
    let answer = central.allocate("missing", 1).await;
    assert_eq!(code(&answer), Code::SpawnerTemplate.as_str());
    assert!(answer.refused.unwrap().text.contains("/nonexistent/server"));
    let answer = central.allocate("nobody-knows-it", 1).await;
    assert_eq!(code(&answer), Code::SpawnerTemplate.as_str());
    spawner.stop().await;
}

#[tokio::test]
async fn a_range_without_free_ports_is_a_refusal_until_a_server_ends() {
    let mut config = settings("22400-22402", &[("lodge", game_server("good", 0))]);
    let mut central = Central::open(&mut config).await;
    let spawner = Spawner::run(config);
    central.meet().await;
    let first = central.allocate("lodge", 1).await.server.expect("three ports are one server");
    assert_eq!(code(&central.allocate("lodge", 2).await), Code::SpawnerFull.as_str());
    central.stop(&first.server, 0);
    assert_eq!(central.hear_exit(&first.server).await, "signal 9");
    let second = central.allocate("lodge", 2).await.server.expect("its ports are free again");
    assert_eq!(second.port, first.port);
    spawner.stop().await;
}

#[tokio::test]
async fn a_silent_server_is_unhealthy_and_a_stubborn_one_is_killed() {
    let templates = [("silent", game_server("silent", 0)), ("stubborn", game_server("stubborn", 0))];
    let mut config = settings("22500-22599", &templates);
    config.health_timeout_s = 1;
    config.stop_timeout_s = 1;
    let mut central = Central::open(&mut config).await;
    let spawner = Spawner::run(config);
    central.meet().await;
    let silent = central.allocate("silent", 1).await.server.expect("given");
    assert_eq!(central.have_one("silent", "Unhealthy").await.server, silent.server);
    let how = central.hear_exit(&silent.server).await;
    assert!(how.contains("no Health") && how.contains("signal 9"), "{how}");
    let stubborn = central.allocate("stubborn", 2).await.server.expect("given");
    central.stop(&stubborn.server, 500);
    assert_eq!(central.have_one("stubborn", "Shutdown").await.server, stubborn.server);
    assert_eq!(central.hear_exit(&stubborn.server).await, "signal 9");
    let stubborn = central.allocate("stubborn", 3).await.server.expect("given");
    spawner.stop().await;
    assert!(!lives(stubborn.pid));
}

#[tokio::test]
async fn a_second_spawner_on_the_same_folder_and_a_bad_setting_are_refused() {
    let config = settings("22600-22699", &[]);
    let spawner = Spawner::run(config.clone());
    let wrong = [
        (config.clone(), "another spawner"),
        (Settings { ports: "90".into(), ..config.clone() }, "another spawner"),
    ];
    while !spawner.data.path().join("run/lock").exists() {
        tokio::task::yield_now().await;
    }
    for (config, part) in wrong {
        let (_stop, stopped) = tokio::sync::watch::channel(false);
        let start = crate::harness::start(config, spawner.data.path().to_owned());
        let error = within(pangea_server::spawner::run(start, stopped)).await.expect_err("refused");
        assert!(format!("{error:#}").contains(part), "{error:#}");
    }
    spawner.stop().await;
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let data = tempfile::tempdir().unwrap();
    let start = crate::harness::start(Settings { ports: "90".into(), ..config }, data.path().to_owned());
    let error = within(pangea_server::spawner::run(start, stopped)).await.expect_err("refused");
    assert!(error.to_string().contains("first-last"), "{error:#}");
}

#[tokio::test]
async fn a_log_is_told_what_to_hold_and_stays_short() {
    const BYTES: u64 = 4_096;
    let mut config =
        settings("23300-23399", &[("quiet", game_server("good", 1)), ("chatty", game_server("chatty", 1))]);
    config.log_max_bytes = BYTES;
    let mut central = Central::open(&mut config).await;
    let spawner = Spawner::run(config);
    central.meet().await;
    let log = |server: &[u8], kind: &str| {
        let name = format!("logs/{kind}-{}.log", &pangea_world::id::hex(server)[..8]);
        spawner.data.path().join(name)
    };
    let quiet = central.have_one("quiet", "Ready").await;
    let text = std::fs::read_to_string(log(&quiet.server, "quiet")).unwrap();
    assert!(text.contains("log: info,of_the_tests=debug"), "{text}");
    let chatty = central.have_one("chatty", "Ready").await;
    let now = log(&chatty.server, "chatty");
    let before = now.with_added_extension("1");
    let first_line = || -> Option<u64> {
        let text = std::fs::read_to_string(&before).ok()?;
        text.lines().nth(1)?.strip_prefix("line ")?.parse().ok()
    };
    // Twice, so that what was moved away once goes too.
    for _ in 0..2 {
        let seen = first_line();
        within(async {
            while first_line() <= seen {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }
    assert!(lives(chatty.pid));
    // It may have been emptied in this moment.
    let first = within(async {
        loop {
            match std::fs::read(&now).unwrap().first() {
                Some(first) => break *first,
                None => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    })
    .await;
    assert_eq!(first, b'l', "it begins with a line, not with a hole");
    assert!(before.metadata().unwrap().len() <= 2 * BYTES);
    spawner.stop().await;
}
