//! Full servers: the next layer, then a line that moves (O2, O6).

use pangea_client::EnterOptions;

use crate::support::Cluster;

const SMALL: &str = "kind = \"grid\"\nrules = [\"pve\"]\ncapacity = 2\nlayers = 2\ngrace_s = 0\n\
    [grid]\ncell_m = 64\narea_cells = 4\nspawn = { x = 100.0, y = 100.0 }\n";

/// Two per server, two layers: the fifth waits, and comes in when one leaves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_layer_opens_the_next_and_the_last_one_makes_a_line() {
    let cluster = Cluster::with_worlds(&[("small", SMALL)], &[]).await;
    let mut games = Vec::new();
    for n in 0..4 {
        let (client, character) = cluster.player(&format!("Guest{n}"), "small", None).await;
        games.push(client.enter(character, EnterOptions::default()).await.unwrap());
    }
    let mut areas: Vec<String> = games.iter().map(|game| game.area().to_owned()).collect();
    areas.sort();
    assert_eq!(areas, ["small/0,0..4,4/0", "small/0,0..4,4/0", "small/0,0..4,4/1", "small/0,0..4,4/1"]);
    let (client, character) = cluster.player("Guest9", "small", None).await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let waiting = tokio::spawn(async move {
        let tell = |progress: pangea_client::Progress| drop(tell.send((progress.state, progress.position)));
        client.prepare_with_progress(character, &EnterOptions::default(), tell).await
    });
    while told.recv().await.expect("told") != ("queued".to_owned(), 1) {}
    assert!(!waiting.is_finished());
    games.remove(2).leave().await;
    let prepared = waiting.await.unwrap().unwrap();
    assert_eq!(prepared.area, "small/0,0..4,4/1", "the seat that became free");

    // No server fits, and the refusal says why.
    let (client, character) = cluster.player("Guest10", "small", None).await;
    let wish = EnterOptions { rule: Some("pvp".to_owned()), ..EnterOptions::default() };
    let refused = client.prepare(character, &wish).await.unwrap_err().to_string();
    assert!(refused.starts_with("no_server_fits") && refused.contains("pvp"), "{refused}");
    let wish = EnterOptions { layer: Some(7), ..EnterOptions::default() };
    assert!(client.prepare(character, &wish).await.unwrap_err().to_string().starts_with("unknown_layer"));
    let wish = EnterOptions { world: Some("nowhere".to_owned()), ..EnterOptions::default() };
    assert!(client.prepare(character, &wish).await.unwrap_err().to_string().starts_with("unknown_world"));
}
