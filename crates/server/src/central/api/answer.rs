//! How the API answers: JSON, and for every «no» its code and a sentence.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use pangea_world::{Code, Refusal};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

/// A body has this long to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// The body of every answer with a status of 400 or more.
#[derive(serde::Serialize, ToSchema)]
#[schema(as = Refusal)]
pub struct Failure {
    /// Stable; programs branch on it.
    #[schema(example = "name_taken")]
    pub code: String,
    /// One sentence for a person; may change.
    #[schema(example = "that name, or one that looks like it, is taken")]
    pub text: String,
}

/// A refusal on its way to the client.
#[derive(Debug)]
pub struct Denied(pub Refusal);

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<crate::store::Error> for Denied {
    fn from(error: crate::store::Error) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let Refusal { code, text } = self.0;
        let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(Failure { code: code.as_str().to_owned(), text })).into_response();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What a handler answers.
pub type Answer<T> = Result<T, Denied>;

/// A refusal as a handler's end.
///
/// # Errors
/// Always.
pub fn deny<T>(code: Code, text: impl Into<String>) -> Answer<T> {
    Err(Denied(Refusal::new(code, text)))
}

/// A JSON body, read within its size and its time; unknown and repeated fields are refused.
pub struct Read<T>(pub T);

impl<T: DeserializeOwned> FromRequest<super::State> for Read<T> {
    type Rejection = Denied;

    async fn from_request(request: Request, api: &super::State) -> Result<Self, Denied> {
        let typed = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let typed = typed.and_then(|value| value.split(';').next()).unwrap_or_default();
        if !typed.trim().eq_ignore_ascii_case("application/json") {
            return deny(
                Code::BadRequest,
                "the body must be JSON, and Content-Type must say application/json",
            );
        }
        let bytes = body(request.into_body(), api.config.limits.body_bytes).await?;
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Self(value)),
            Err(error) => deny(Code::BadRequest, format!("the body does not fit: {error}")),
        }
    }
}

async fn body(body: Body, most: usize) -> Answer<Bytes> {
    let read = tokio::time::timeout(BODY_DEADLINE, Limited::new(body, most).collect()).await;
    match read {
        Err(_) => deny(Code::BadRequest, "the body took too long to arrive"),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            deny(Code::TooLarge, format!("a body has at most {most} bytes"))
        }
        Ok(Err(_)) => deny(Code::BadRequest, "the body broke off"),
        Ok(Ok(read)) => Ok(read.to_bytes()),
    }
}

/// Gives an answer that the router or an extractor made by itself the API's form.
pub async fn in_form(response: Response) -> Response {
    let status = response.status();
    let json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|t| t.as_bytes().starts_with(b"application/json"));
    if json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (code, text) = match status {
        StatusCode::NOT_FOUND => (Code::NotFound, "there is nothing at this path"),
        StatusCode::METHOD_NOT_ALLOWED => (Code::MethodNotAllowed, "this path does not know that method"),
        StatusCode::PAYLOAD_TOO_LARGE => (Code::TooLarge, "the body is too large"),
        status if status.is_client_error() => (Code::BadRequest, "the request cannot be read"),
        _ => (Code::Internal, "something failed; the log has the cause"),
    };
    let mut formed = Denied(Refusal::new(code, text)).into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        formed.headers_mut().insert(header::ALLOW, allow.clone());
    }
    formed
}
