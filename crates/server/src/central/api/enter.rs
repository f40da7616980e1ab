//! The wish to go in, and how far it is (G1, O1): one POST that waits, or streams its progress.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use pangea_world::id::EnterId;
use pangea_world::{Code, Refusal};
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::State as Shared;
use super::answer::{Answer, Denied, Failure, Read, deny};
use super::login::Login;
use crate::central::wish::{EnterWish, Prepared, Progress};

/// Most characters of the texts of a wish.
const TEXT_MAX: usize = 64;

/// A server waits for the player.
#[derive(Serialize, ToSchema)]
pub struct EnterReady {
    /// 32 hex digits.
    enter_id: String,
    /// `ready`
    state: String,
    #[serde(flatten)]
    prepared: Prepared,
}

/// Not yet: ask again with the same key, or with the `enter_id`.
#[derive(Serialize, ToSchema)]
pub struct EnterPending {
    /// 32 hex digits.
    enter_id: String,
    /// `queued`, `spawning`, `generating`, `restoring` or `syncing`.
    state: String,
    /// Place in line, from 1; 0 if not queued.
    position: u32,
}

fn pending(enter: EnterId, progress: &Progress) -> EnterPending {
    let position = if let Progress::Queued { position } = progress { *position } else { 0 };
    EnterPending { enter_id: enter.to_string(), state: progress.state().to_owned(), position }
}

fn ready(enter: EnterId, prepared: Prepared) -> EnterReady {
    EnterReady { enter_id: enter.to_string(), state: "ready".to_owned(), prepared }
}

/// Ask for a place in a world, and wait until a server is ready.
///
/// A repeat under the same key finds the same enter and takes no second seat. With
/// `Accept: text/event-stream` the answer is a stream: events `progress` (EnterPending), then one `ready`
/// (EnterReady) or `refused` (Refusal), then its end.
#[utoipa::path(post, path = "/api/enter", tag = "enter", security(("access" = [])), request_body = EnterWish,
    params(("Idempotency-Key" = String, Header, description = "1 to 128 visible ASCII characters, a new one for each wish")),
    responses(
        (status = 200, content((EnterReady = "application/json"), (String = "text/event-stream"))), (status = 202, body = EnterPending), (status = "default", body = Failure)))]
pub async fn enter(
    State(api): State<Shared>,
    Login(who): Login,
    headers: HeaderMap,
    Read(mut wish): Read<EnterWish>,
) -> Answer<Response> {
    let key = idempotency_key(&headers)?;
    for text in [&wish.world, &wish.map, &wish.rule, &wish.friend, &wish.version].into_iter().flatten() {
        if text.len() > TEXT_MAX * 4 || text.chars().count() > TEXT_MAX {
            return deny(Code::TooLarge, format!("a text of the wish has more than {TEXT_MAX} characters"));
        }
    }
    wish.character = wish.character.or(who.selected);
    if wish.character.is_none() {
        return deny(Code::BadRequest, "say which character enters, or select one");
    }
    let (enter, progress) = api.core.enter(who.account, who.id, key, wish).await?;
    if wants_stream(&headers) {
        return Ok(stream(enter, progress));
    }
    Ok(within(enter, progress, Duration::from_secs(api.config.central.enter_wait_s)).await)
}

/// How far is it? With `Accept: text/event-stream` the rest of its progress.
#[utoipa::path(get, path = "/api/enter/{id}", tag = "enter", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses(
        (status = 200, content((EnterReady = "application/json"), (String = "text/event-stream"))), (status = 202, body = EnterPending), (status = "default", body = Failure)))]
pub async fn attach(
    State(api): State<Shared>,
    Login(who): Login,
    headers: HeaderMap,
    Path(text): Path<String>,
) -> Answer<Response> {
    let enter = id(&text)?;
    let progress = api.core.attach(who.account, enter).await?;
    if wants_stream(&headers) {
        return Ok(stream(enter, progress));
    }
    Ok(within(enter, progress, Duration::ZERO).await)
}

/// Give it up; its seat is free again.
#[utoipa::path(delete, path = "/api/enter/{id}", tag = "enter", security(("access" = [])),
    params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 204), (status = "default", body = Failure)))]
pub async fn cancel(
    State(api): State<Shared>,
    Login(who): Login,
    Path(text): Path<String>,
) -> Answer<StatusCode> {
    api.core.cancel(who.account, id(&text)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn id(text: &str) -> Result<EnterId, Refusal> {
    text.parse().map_err(|_| Refusal::new(Code::NotFound, "there is no such enter"))
}

/// The key of a wish that is done once, however often it is sent.
///
/// # Errors
/// `bad_request` if there is none, or more than one.
pub fn idempotency_key(headers: &HeaderMap) -> Answer<String> {
    let mut all = headers.get_all("idempotency-key").iter();
    let key = match (all.next(), all.next()) {
        (Some(key), None) => key.as_bytes(),
        _ => &[],
    };
    if (1..=128).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic) {
        return Ok(String::from_utf8_lossy(key).into_owned());
    }
    deny(Code::BadRequest, "give one header Idempotency-Key of 1 to 128 visible ASCII characters")
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept
        .split(',')
        .any(|one| one.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream"))
}

fn gone() -> Refusal {
    Refusal::new(Code::Stopping, "the server is stopping; ask again with the same key")
}

/// The end if it comes within `wait`, else how far it is then.
async fn within(enter: EnterId, mut progress: watch::Receiver<Progress>, wait: Duration) -> Response {
    // On time-out and on a sender that went away, the latest value says what to answer.
    let _ = tokio::time::timeout(wait, progress.wait_for(Progress::is_last)).await;
    let latest = progress.borrow().clone();
    match latest {
        Progress::Ready(prepared) => (StatusCode::OK, Json(ready(enter, prepared))).into_response(),
        Progress::Refused(refusal) => Denied(refusal).into_response(),
        _ if progress.has_changed().is_err() => Denied(gone()).into_response(),
        waiting => (StatusCode::ACCEPTED, Json(pending(enter, &waiting))).into_response(),
    }
}

fn stream(enter: EnterId, progress: watch::Receiver<Progress>) -> Response {
    let mut response = Sse::new(events(enter, progress))
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(10)))
        .into_response();
    // Proxies that collect answers would hold the progress back.
    response.headers_mut().insert("x-accel-buffering", header::HeaderValue::from_static("no"));
    response
}

/// First what holds now, then each change, up to the last.
fn events(
    enter: EnterId,
    mut progress: watch::Receiver<Progress>,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    progress.mark_changed();
    stream::unfold(Some(progress), move |open| async move {
        let mut progress = open?;
        if progress.changed().await.is_err() {
            let refusal = gone();
            return Some((
                event("refused", &Failure { code: refusal.code.to_string(), text: refusal.text }),
                None,
            ));
        }
        let latest = progress.borrow_and_update().clone();
        Some(match latest {
            Progress::Ready(prepared) => (event("ready", &ready(enter, prepared)), None),
            Progress::Refused(refusal) => {
                (event("refused", &Failure { code: refusal.code.to_string(), text: refusal.text }), None)
            }
            waiting => (event("progress", &pending(enter, &waiting)), Some(progress)),
        })
    })
}

fn event<T: Serialize>(name: &str, data: &T) -> Result<Event, Infallible> {
    Ok(Event::default().event(name).data(serde_json::to_string(data).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn prepared() -> Prepared {
        Prepared {
            url: "ws://127.0.0.1:7000/play".into(),
            ticket: "a.b.c".into(),
            ticket_expires_in_s: 30,
            area: "wilds/0,0..8,8/0".into(),
            plain: false,
            certificate_sha256: None,
            webtransport: None,
            took_ms: 1.5,
        }
    }

    async fn text(response: Response) -> (u16, String) {
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(bytes.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn an_end_in_time_is_answered_and_a_late_one_leaves_its_state() {
        let enter = EnterId([1; 16]);
        let (sender, receiver) = watch::channel(Progress::Queued { position: 3 });
        let (status, body) = text(within(enter, receiver.clone(), Duration::ZERO).await).await;
        assert_eq!(status, 202);
        assert!(body.contains(r#""state":"queued","position":3"#), "{body}");
        let (answer, ()) = tokio::join!(within(enter, receiver.clone(), Duration::from_secs(600)), async {
            sender.send_replace(Progress::Syncing);
            tokio::task::yield_now().await;
            sender.send_replace(Progress::Ready(prepared()));
        });
        let (status, body) = text(answer).await;
        assert_eq!(status, 200);
        assert!(
            body.contains(r#""state":"ready","url":"ws://127.0.0.1:7000/play","ticket":"a.b.c""#),
            "{body}"
        );
        sender.send_replace(Progress::Refused(Refusal::new(Code::WorldFull, "full")));
        assert_eq!(text(within(enter, receiver.clone(), Duration::ZERO).await).await.0, 503);
    }

    #[tokio::test]
    async fn the_stream_tells_each_state_and_ends_with_the_last() {
        let enter = EnterId([1; 16]);
        let (sender, receiver) = watch::channel(Progress::Queued { position: 1 });
        let response = stream(enter, receiver);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let mut body = response.into_body();
        let mut next = async || {
            let frame = body.frame().await?.expect("a frame").into_data().expect("data");
            Some(String::from_utf8(frame.to_vec()).expect("text"))
        };
        let first = next().await.expect("an event");
        assert!(first.contains("event: progress") && first.contains(r#""position":1"#), "{first}");
        sender.send_replace(Progress::Spawning);
        assert!(next().await.expect("an event").contains(r#""state":"spawning""#));
        sender.send_replace(Progress::Ready(prepared()));
        assert!(next().await.expect("an event").contains("event: ready"));
        assert_eq!(next().await, None);
    }

    #[tokio::test]
    async fn a_core_that_goes_away_is_a_refusal() {
        let (sender, receiver) = watch::channel(Progress::Spawning);
        drop(sender);
        assert_eq!(
            text(within(EnterId([1; 16]), receiver.clone(), Duration::from_secs(600)).await).await.0,
            503
        );
        let (_, body) = text(stream(EnterId([1; 16]), receiver)).await;
        assert!(body.contains("event: refused") && body.contains("stopping"), "{body}");
    }
}
