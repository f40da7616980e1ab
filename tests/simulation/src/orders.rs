//! What an operator orders while everything goes wrong: areas go to other servers, become two, and one again.

use std::time::Duration;

use http::Method;
use pangea_client::Client;
use pangea_server::simulation::{Dice, note};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::WORLD;

/// The areas of the world's file.
const GROUNDS: [&str; 4] = ["0,0..2,2", "2,0..4,2", "0,2..2,4", "2,2..4,4"];

#[derive(Deserialize)]
struct Parts {
    areas: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    area: String,
}

/// Orders until it is dropped, one after the other.
pub async fn order(operator: &Client, mut dice: Dice) {
    let mut halves: Vec<[String; 2]> = Vec::new();
    loop {
        tokio::time::sleep(Duration::from_millis(300 + dice.below(4_000))).await;
        let ground = GROUNDS[dice.below(GROUNDS.len() as u64) as usize];
        let area = format!("{WORLD}/{ground}/0");
        match dice.below(10) {
            0..=5 => {
                let named = halves.iter().flatten().nth(dice.below(8) as usize).unwrap_or(&area).clone();
                said(operator, "migrate", json!({ "reason": "a test", "area": named })).await;
            }
            6..=7 => {
                let done = said(operator, "split", json!({ "reason": "a test", "area": area })).await;
                let parts = done.and_then(|done| serde_json::from_value::<Parts>(done).ok());
                let names =
                    parts.map(|parts| parts.areas.into_iter().map(|part| part.area).collect::<Vec<_>>());
                halves.extend(names.and_then(|names| <[String; 2]>::try_from(names).ok()));
            }
            _ if halves.is_empty() => {}
            _ => {
                let at = dice.below(halves.len() as u64) as usize;
                let pair = &halves[at];
                if said(operator, "merge", json!({ "reason": "a test", "areas": pair })).await.is_some() {
                    halves.remove(at);
                }
            }
        }
    }
}

async fn said(operator: &Client, what: &str, wish: Value) -> Option<Value> {
    let path = format!("/api/data/areas/{what}");
    note(&format!("order: {what} {wish}"));
    let done = operator.call::<Value>(Method::POST, &path, Some(&wish)).await;
    match done {
        Ok(done) => {
            note(&format!("done: {what} {done}"));
            Some(done)
        }
        Err(error) => {
            note(&format!("not done: {what}: {error}"));
            None
        }
    }
}
