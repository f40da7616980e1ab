//! The REST side of an SDK endpoint: the paths, JSON and status codes of the reference gateway.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use futures_util::StreamExt as _;
use http::{StatusCode, header};
use pangea_sdk::GameServer;
use pangea_sdk::agones::beta;
use serde_json::{Map, Value, json};
use tonic::{Code, Status};

use super::state::Verb;
use super::{Endpoint, MAX_BODY_BYTES, json as shape};
use crate::net::TcpListener;

/// An answer, or a refusal that becomes `{code, message, details}`.
type Answer = Result<Response, Refused>;

/// A refusal with its HTTP status.
struct Refused(Status);

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self(status)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self.0.code() {
            Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => StatusCode::BAD_REQUEST,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::AlreadyExists => StatusCode::CONFLICT,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, axum::Json(shape::error(&self.0))).into_response()
    }
}

/// Serves until the listener fails.
pub async fn serve(endpoint: Endpoint, listener: TcpListener) -> std::io::Result<()> {
    axum::serve(listener, router(endpoint)).await
}

fn router(endpoint: Endpoint) -> Router {
    Router::new()
        .route("/ready", post(ready))
        .route("/allocate", post(allocate))
        .route("/shutdown", post(shutdown))
        .route("/health", post(health))
        .route("/reserve", post(reserve))
        .route("/gameserver", get(game_server))
        .route("/watch/gameserver", get(watch))
        .route("/metadata/label", put(set_label))
        .route("/metadata/annotation", put(set_annotation))
        .route("/v1beta1/counters/{name}", get(get_counter).patch(update_counter))
        .route("/v1beta1/lists/{name}", get(get_list).patch(update_list).post(change_list))
        .fallback(async || Refused(Status::not_found("Not Found")))
        .method_not_allowed_fallback(async || Refused(Status::unimplemented("Method Not Allowed")))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(endpoint)
}

async fn done(endpoint: &Endpoint, verb: Verb) -> Answer {
    endpoint.verb(verb).await?;
    Ok(axum::Json(json!({})).into_response())
}

async fn ready(State(endpoint): State<Endpoint>, body: Bytes) -> Answer {
    shape::object(&body)?;
    done(&endpoint, Verb::Ready).await
}

async fn allocate(State(endpoint): State<Endpoint>, body: Bytes) -> Answer {
    shape::object(&body)?;
    done(&endpoint, Verb::Allocate).await
}

async fn shutdown(State(endpoint): State<Endpoint>, body: Bytes) -> Answer {
    shape::object(&body)?;
    done(&endpoint, Verb::Shutdown).await
}

/// The body is a stream of objects, each one a beat; an empty one has none and is refused.
async fn health(State(endpoint): State<Endpoint>, body: Bytes) -> Answer {
    let mut beats = 0_usize;
    for beat in serde_json::Deserializer::from_slice(&body).into_iter::<Map<String, Value>>() {
        beat.map_err(|error| Status::invalid_argument(format!("a beat is a JSON object: {error}")))?;
        beats += 1;
    }
    if beats == 0 {
        return Err(Status::invalid_argument("an empty body is no beat; send {}").into());
    }
    endpoint.health().await?;
    Ok(axum::Json(json!({})).into_response())
}

async fn reserve(State(endpoint): State<Endpoint>, body: Bytes) -> Answer {
    let seconds = shape::integer(&shape::object(&body)?, &["seconds"])?.unwrap_or(0);
    done(&endpoint, Verb::Reserve(seconds)).await
}

async fn game_server(State(endpoint): State<Endpoint>) -> Answer {
    Ok(axum::Json(shape::game_server(endpoint.get().await?.as_ref())).into_response())
}

async fn set_label(State(endpoint): State<Endpoint>, body: Bytes) -> Answer {
    let pair = shape::object(&body)?;
    done(&endpoint, Verb::SetLabel(shape::text(&pair, "key")?, shape::text(&pair, "value")?)).await
}

async fn set_annotation(State(endpoint): State<Endpoint>, body: Bytes) -> Answer {
    let pair = shape::object(&body)?;
    done(&endpoint, Verb::SetAnnotation(shape::text(&pair, "key")?, shape::text(&pair, "value")?)).await
}

async fn get_counter(State(endpoint): State<Endpoint>, Path(name): Path<String>) -> Answer {
    let counter = endpoint.counter(Verb::GetCounter(name)).await?;
    Ok(axum::Json(shape::counter(&counter)).into_response())
}

async fn update_counter(State(endpoint): State<Endpoint>, Path(name): Path<String>, body: Bytes) -> Answer {
    let body = shape::object(&body)?;
    let change = beta::CounterUpdateRequest {
        name,
        count: shape::integer(&body, &["count"])?,
        capacity: shape::integer(&body, &["capacity"])?,
        count_diff: shape::integer(&body, &["countDiff", "count_diff"])?.unwrap_or(0),
    };
    let counter = endpoint.counter(Verb::UpdateCounter(change)).await?;
    Ok(axum::Json(shape::counter(&counter)).into_response())
}

async fn get_list(State(endpoint): State<Endpoint>, Path(name): Path<String>) -> Answer {
    let list = endpoint.list(Verb::GetList(name)).await?;
    Ok(axum::Json(shape::list(&list)).into_response())
}

/// Without a mask in the query, the fields of the body are the mask, as with the reference.
async fn update_list(
    State(endpoint): State<Endpoint>,
    Path(name): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    body: Bytes,
) -> Answer {
    let body = shape::object(&body)?;
    let list = beta::List {
        name,
        capacity: shape::integer(&body, &["capacity"])?.unwrap_or(0),
        values: shape::texts(&body, "values")?,
    };
    let mut mask: Vec<String> = query
        .iter()
        .filter(|(key, _)| key == "updateMask" || key == "update_mask")
        .flat_map(|(_, paths)| paths.split(','))
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect();
    if mask.is_empty() {
        mask = body.keys().filter(|key| ["capacity", "values"].contains(&key.as_str())).cloned().collect();
    }
    let list = endpoint.list(Verb::UpdateList(list, mask)).await?;
    Ok(axum::Json(shape::list(&list)).into_response())
}

/// `…/lists/{name}:addValue` and `…/lists/{name}:removeValue`.
async fn change_list(State(endpoint): State<Endpoint>, Path(path): Path<String>, body: Bytes) -> Answer {
    let (name, verb) = path.rsplit_once(':').unwrap_or((&path, ""));
    let add = match verb {
        "addValue" => true,
        "removeValue" => false,
        _ => return Err(Status::unimplemented("Method Not Allowed").into()),
    };
    let value = shape::text(&shape::object(&body)?, "value")?;
    let name = name.to_owned();
    let verb = if add { Verb::AddListValue(name, value) } else { Verb::RemoveListValue(name, value) };
    let list = endpoint.list(verb).await?;
    Ok(axum::Json(shape::list(&list)).into_response())
}

/// One line `{"result":{…}}` for each state, or one WebSocket message if the client upgrades.
async fn watch(
    State(endpoint): State<Endpoint>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer {
    let states = super::states(endpoint.watch().await?);
    if let Ok(upgrade) = upgrade {
        return Ok(upgrade.on_upgrade(|socket| send_states(socket, states)));
    }
    let lines = states.map(|server| Ok::<_, Infallible>(line(&server)));
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response())
}

fn line(server: &GameServer) -> String {
    let mut line = json!({ "result": shape::game_server(server) }).to_string();
    line.push('\n');
    line
}

async fn send_states(
    mut socket: WebSocket,
    states: impl futures_util::Stream<Item = std::sync::Arc<GameServer>> + Send,
) {
    let mut states = std::pin::pin!(states);
    loop {
        tokio::select! {
            biased;
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            server = states.next() => {
                let Some(server) = server else { return };
                if socket.send(Message::Text(line(&server).trim_end().into())).await.is_err() {
                    return;
                }
            }
        }
    }
}
