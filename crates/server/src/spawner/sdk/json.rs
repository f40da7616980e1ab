//! The JSON of the REST side, as the reference gateway writes it: names of the definition, every field
//! present, 64-bit integers as strings. Read: unknown fields are skipped, `"5"` and `5` are the same number.

use pangea_sdk::agones::{beta, sdk};
use serde_json::{Map, Value, json};
use tonic::Status;

/// A game server.
pub fn game_server(server: &sdk::GameServer) -> Value {
    json!({
        "object_meta": server.object_meta.as_ref().map(|meta| json!({
            "name": meta.name,
            "namespace": meta.namespace,
            "uid": meta.uid,
            "resource_version": meta.resource_version,
            "generation": meta.generation.to_string(),
            "creation_timestamp": meta.creation_timestamp.to_string(),
            "deletion_timestamp": meta.deletion_timestamp.to_string(),
            "annotations": meta.annotations,
            "labels": meta.labels,
        })),
        "spec": server.spec.as_ref().map(|spec| json!({
            "health": spec.health.as_ref().map(|health| json!({
                "disabled": health.disabled,
                "period_seconds": health.period_seconds,
                "failure_threshold": health.failure_threshold,
                "initial_delay_seconds": health.initial_delay_seconds,
            })),
        })),
        "status": server.status.as_ref().map(status),
    })
}

fn status(status: &sdk::game_server::Status) -> Value {
    let counters: Map<String, Value> = status
        .counters
        .iter()
        .map(|(name, counter)| {
            (
                name.clone(),
                json!({
                    "count": counter.count.to_string(), "capacity": counter.capacity.to_string()
                }),
            )
        })
        .collect();
    let lists: Map<String, Value> = status
        .lists
        .iter()
        .map(|(name, list)| {
            (
                name.clone(),
                json!({
                    "capacity": list.capacity.to_string(), "values": list.values
                }),
            )
        })
        .collect();
    json!({
        "state": status.state,
        "address": status.address,
        "addresses": status.addresses.iter()
            .map(|address| json!({ "type": address.r#type, "address": address.address }))
            .collect::<Vec<_>>(),
        "ports": status.ports.iter()
            .map(|port| json!({ "name": port.name, "port": port.port }))
            .collect::<Vec<_>>(),
        "players": status.players.as_ref().map(|players| json!({
            "count": players.count.to_string(), "capacity": players.capacity.to_string(), "ids": players.ids
        })),
        "counters": counters,
        "lists": lists,
    })
}

/// A counter.
pub fn counter(counter: &beta::Counter) -> Value {
    json!({
        "name": counter.name, "count": counter.count.to_string(), "capacity": counter.capacity.to_string()
    })
}

/// A list.
pub fn list(list: &beta::List) -> Value {
    json!({ "name": list.name, "capacity": list.capacity.to_string(), "values": list.values })
}

/// A refusal.
pub fn error(status: &Status) -> Value {
    json!({ "code": status.code() as i32, "message": status.message(), "details": [] })
}

/// A body that is one object; an empty one counts as `{}`.
///
/// # Errors
/// INVALID_ARGUMENT if it is something else.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, Status> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Status::invalid_argument("the body is not a JSON object")),
        Err(error) => Err(Status::invalid_argument(format!("the body is not JSON: {error}"))),
    }
}

/// A text field; absent or null: empty.
///
/// # Errors
/// INVALID_ARGUMENT if it is no text.
pub fn text(object: &Map<String, Value>, name: &str) -> Result<String, Status> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(Status::invalid_argument(format!("«{name}» is not a text"))),
    }
}

/// A list of texts; absent or null: empty.
///
/// # Errors
/// INVALID_ARGUMENT if it is something else.
pub fn texts(object: &Map<String, Value>, name: &str) -> Result<Vec<String>, Status> {
    let wrong = || Status::invalid_argument(format!("«{name}» is not a list of texts"));
    match object.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => {
            values.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// A 64-bit integer, as text or number; absent or null: none.
///
/// # Errors
/// INVALID_ARGUMENT if it is none.
pub fn integer(object: &Map<String, Value>, names: &[&str]) -> Result<Option<i64>, Status> {
    let Some((name, value)) = names.iter().find_map(|name| Some((name, object.get(*name)?))) else {
        return Ok(None);
    };
    let read = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
        }),
        _ => None,
    };
    read.map(Some).ok_or_else(|| Status::invalid_argument(format!("«{name}» is not an integer")))
}
