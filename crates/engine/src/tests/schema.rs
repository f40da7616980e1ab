//! What the schema says.

use super::*;

#[test]
fn the_schema_says_what_clients_may_see() {
    let (text, hash) = sim().schema.clone();
    let schema: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let body = &schema["components"][usize::from(BODY)];
    assert_eq!(body["name"], "Body");
    let names: Vec<&str> = body["fields"]
        .as_array()
        .expect("fields")
        .iter()
        .filter_map(|field| field["name"].as_str())
        .collect();
    assert_eq!(names, ["health", "heat", "gold", "mood"], "anger is for servers alone");
    assert_eq!(schema["inputs"][0]["name"], "Walk");
    assert_ne!(hash, sim_of(&NEW_GAME, 20, 40).schema.1);
    let mut from = &[5u8][..];
    assert_eq!(take_varint(&mut from), Ok(5));
    assert_eq!(u8::kind(), "u8");
}

/// Clients must know which inputs mean nothing to another server.
#[test]
fn an_input_that_names_an_entity_says_so() {
    #[derive(Replicate, Debug)]
    struct Bite {
        #[replicate(entity)]
        whom: u16,
        hard: bool,
    }
    impl Input for Bite {}
    fn build(area: &mut Builder, _: &Setup<'_>) {
        area.input::<Bite>(Allowance::in_ten_ticks(10));
    }
    let with = sim_of(&Game { name: "test", land, build }, 20, 40);
    let schema: serde_json::Value = serde_json::from_str(with.schema().0).expect("JSON");
    let fields = &schema["inputs"][0]["fields"];
    assert_eq!((&fields[0]["entity"], &fields[1]["entity"]), (&true.into(), &serde_json::Value::Null));
}

#[test]
fn constant_tables_come_with_the_schema() {
    fn build(area: &mut Builder, _: &Setup<'_>) {
        area.table("items", serde_json::json!([{ "name": "wood" }]));
    }
    let (with, without) = (sim_of(&Game { name: "test", land, build }, 20, 40), sim());
    let schema: serde_json::Value = serde_json::from_str(with.schema().0).expect("JSON");
    assert_eq!(schema["tables"]["items"][0]["name"], "wood");
    assert!(!without.schema().0.contains("tables"));
}

#[test]
#[should_panic(expected = "more than 65536")]
fn a_table_is_not_larger_than_clients_take() {
    fn build(area: &mut Builder, _: &Setup<'_>) {
        area.table("items", serde_json::json!("x".repeat(65_536)));
    }
    sim_of(&Game { name: "test", land, build }, 20, 40);
}
