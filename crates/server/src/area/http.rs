//! What a game server answers its manager and its peers over HTTP (M10). The link carries the same actions;
//! these serve tools, tests and peers. Each request shows a credential that central signed for the pair.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use pangea_world::{Code, Refusal};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::admission::Announcement;
use pangea_world::character::CharacterDoc;
use pangea_world::id::{EnterId, SessionId};
use pangea_world::social::SocialDoc;

/// Largest body.
const MOST_BYTES: usize = 64 << 10;

/// Most requests that wait for the control task.
pub const MOST_QUESTIONS: usize = 256;

/// A request to the control task.
#[derive(Debug)]
pub struct Question {
    /// The credential that was shown.
    pub credential: String,
    /// What is asked.
    pub what: What,
    /// For the answer.
    pub answer: oneshot::Sender<Result<serde_json::Value, Refusal>>,
}

/// Everything that can be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// `GET /status`.
    Status,
    /// `GET /pending`: who is announced, with what is known of him.
    Pending,
    /// `GET /peers`.
    Peers,
    /// `POST /admit`, by central alone.
    Admit(Box<Announcement>),
    /// `POST /announce`: a peer says whom it sees coming (M2, M7). It lets nobody in.
    Announce(Box<CharacterDoc>),
    /// `POST /drain`, by central alone.
    Drain(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdmitBody {
    enter: EnterId,
    character: CharacterDoc,
    session: SessionId,
    epoch: u64,
    granted: bool,
    wait_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnnounceBody {
    character: CharacterDoc,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DrainBody {
    #[serde(default)]
    text: String,
}

/// Puts requests to the control task.
#[derive(Debug, Clone)]
pub struct Asker(pub mpsc::Sender<Question>);

impl Asker {
    /// Answers any request but `/play`.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.ask(request).await {
            Ok(value) => json(StatusCode::OK, &value),
            Err(refusal) => refused(&refusal),
        }
    }

    async fn ask(&self, request: Request<Incoming>) -> Result<serde_json::Value, Refusal> {
        let credential = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credential =
            credential.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
        let what = what(request).await?;
        let (answer, answered) = oneshot::channel();
        let busy = || Refusal::new(Code::TooManyRequests, "too many requests at once; try again");
        self.0.try_send(Question { credential, what, answer }).map_err(|_| busy())?;
        answered.await.map_err(|_| Refusal::new(Code::Stopping, "this server is stopping"))?
    }
}

async fn what(request: Request<Incoming>) -> Result<What, Refusal> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let get = [("/status", What::Status), ("/pending", What::Pending), ("/peers", What::Peers)];
    if let Some((_, what)) = get.into_iter().find(|(known, _)| *known == path) {
        return if method == Method::GET { Ok(what) } else { wrong_method("GET") };
    }
    if !["/admit", "/announce", "/drain"].contains(&path.as_str()) {
        return Refusal::err(Code::NotFound, "there is nothing at this path");
    }
    if method != Method::POST {
        return wrong_method("POST");
    }
    let too_large = |_| Refusal::new(Code::TooLarge, "a body has at most 64 KiB");
    let body = Limited::new(request.into_body(), MOST_BYTES).collect().await.map_err(too_large)?.to_bytes();
    Ok(match path.as_str() {
        "/admit" => {
            let AdmitBody { enter, character, session, epoch, granted, wait_ms } = read(&body)?;
            What::Admit(Box::new(Announcement {
                enter,
                doc: character,
                session,
                epoch,
                granted,
                wait_ms,
                record: Vec::new(),
                ticket: None,
                beside: false,
                social: SocialDoc::default(),
            }))
        }
        "/announce" => What::Announce(Box::new(read::<AnnounceBody>(&body)?.character)),
        _ => What::Drain(read::<DrainBody>(&body)?.text),
    })
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(Code::BadRequest, format!("the body cannot be read: {error}")))
}

fn wrong_method<T>(right: &str) -> Result<T, Refusal> {
    Refusal::err(Code::MethodNotAllowed, format!("use {right}"))
}

/// A refusal as a response.
pub fn refused(refusal: &Refusal) -> Response<Full<Bytes>> {
    let status =
        StatusCode::from_u16(refusal.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, &serde_json::json!({ "code": refusal.code, "text": refusal.text }))
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
