//! A game server that calls every verb by the official client and prints what came back, one
//! `verb: result` a line. Its output is compared by crates/server/tests/spawner/official.rs.

use std::error::Error;
use std::time::Duration;

fn code<T>(result: Result<T, agones::errors::Error>) -> String {
    match result {
        Ok(_) => "no error".to_owned(),
        Err(agones::errors::Error::Rpc(status)) => format!("{:?}", status.code()),
        Err(other) => other.to_string(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut sdk = agones::Sdk::new(None, None).await?;
    let state = |server: &agones::GameServer| server.status.as_ref().map_or("", |s| &s.state).to_owned();
    println!("gameserver: {}", state(&sdk.get_gameserver().await?));
    let mut watch = sdk.clone().watch_gameserver().await?;
    let mut states = Vec::new();
    macro_rules! until {
        ($wanted:literal) => {
            loop {
                let server = watch.message().await?.ok_or("the watch ended")?;
                let now = state(&server);
                if states.last() != Some(&now) {
                    states.push(now.clone());
                }
                if now == $wanted {
                    break;
                }
            }
        };
    }
    sdk.ready().await?;
    until!("Ready");
    let health = sdk.health_check();
    health.send(()).await?;
    health.send(()).await?;
    sdk.set_label("mode", "duel").await?;
    sdk.set_annotation("note", "two words").await?;
    let meta = sdk.get_gameserver().await?.object_meta.ok_or("no metadata")?;
    println!("label: {:?}", meta.labels.get("agones.dev/sdk-mode"));
    println!("annotation: {:?}", meta.annotations.get("agones.dev/sdk-note"));
    println!("bad label: {}", code(sdk.set_label("mode", "two words").await));
    sdk.reserve(Duration::from_secs(1)).await?;
    until!("Reserved");
    until!("Ready");

    let mut beta = sdk.beta().clone();
    println!("count: {}", beta.get_counter_count("rooms").await?);
    beta.increment_counter("rooms", 2).await?;
    beta.decrement_counter("rooms", 1).await?;
    println!("count: {}", beta.get_counter_count("rooms").await?);
    beta.set_counter_count("rooms", 7).await?;
    beta.set_counter_capacity("rooms", 8).await?;
    println!("counter: {} {}", beta.get_counter_count("rooms").await?, beta.get_counter_capacity("rooms").await?);
    println!("too many: {}", code(beta.increment_counter("rooms", 2).await));
    println!("no counter: {}", code(beta.get_counter_count("nope").await));
    println!("values: {:?}", beta.get_list_values("players").await?);
    beta.append_list_value("players", "ann").await?;
    beta.delete_list_value("players", "test1").await?;
    println!("contains: {} {}", beta.list_contains("players", "ann").await?, beta.list_contains("players", "test1").await?);
    println!("twice: {}", code(beta.append_list_value("players", "ann").await));
    println!("absent: {}", code(beta.delete_list_value("players", "zoe").await));
    beta.set_list_capacity("players", 3).await?;
    println!("list: {} {}", beta.get_list_capacity("players").await?, beta.get_list_length("players").await?);
    println!("full: {}", code(beta.append_list_value("players", "bob").await));

    sdk.allocate().await?;
    until!("Allocated");
    sdk.shutdown().await?;
    until!("Shutdown");
    println!("states: {states:?}");
    Ok(())
}
