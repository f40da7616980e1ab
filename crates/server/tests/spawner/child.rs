//! What this test program is when it is started again: a game server, or a spawner.

use std::time::Duration;

use pangea_sdk::Sdk;

/// A game server that behaves as `MODE` says; does nothing when the tests are run.
#[tokio::test(flavor = "current_thread")]
#[ignore = "started by the other tests as a child process"]
async fn game_server() {
    let Ok(mode) = std::env::var("MODE") else { return };
    if mode == "crash" {
        std::process::exit(3);
    }
    if mode == "hang" {
        std::future::pending::<()>().await;
    }
    eprintln!("log: {}", std::env::var("PANGEA_LOG").unwrap_or_default());
    if mode == "chatty" {
        std::thread::spawn(|| {
            for n in 0u64.. {
                eprintln!("line {n}");
                std::thread::sleep(Duration::from_micros(200));
            }
        });
    }
    let sdk = Sdk::from_env().unwrap();
    let game = sdk.get().await.unwrap();
    let port = u16::try_from(game.status.unwrap().ports[0].port).unwrap();
    let _listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    sdk.ready().await.unwrap();
    let mut watch = sdk.watch();
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            _ = beat.tick(), if mode != "silent" => {
                let _ = sdk.health().await;
            }
            _ = terminated.recv(), if mode != "stubborn" => std::process::exit(0),
            server = watch.recv() => {
                // Says what it sees, so that a test can tell that it watches on.
                let meta = server.unwrap().object_meta.unwrap();
                if let Some(area) = meta.annotations.get("pangea.dev/area")
                    && !meta.labels.contains_key("agones.dev/sdk-area")
                {
                    sdk.set_label("area", area).await.unwrap();
                }
            }
        }
    }
}

/// A spawner with the settings on its standard input; does nothing when the tests are run.
#[tokio::test]
#[ignore = "started by the other tests as a child process"]
async fn spawner() {
    if std::env::var_os("PANGEA_TEST_SPAWNER").is_none() {
        return;
    }
    let text = std::io::read_to_string(std::io::stdin()).unwrap();
    let (config, data) = serde_json::from_str(&text).unwrap();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    pangea_server::spawner::run(super::harness::start(config, data), stopped).await.unwrap();
}
