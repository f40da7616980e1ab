//! The files of `web/`, embedded in release builds and read from the tree in debug builds.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as B64;
use pangea_world::{Code, Refusal};
use ring::digest;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::answer::Denied;

/// What clients may read: pages, the library and its types; no tests, no tools.
#[derive(RustEmbed)]
#[folder = "../../web"]
#[exclude = "node_modules/*"]
#[exclude = "test/*"]
#[exclude = "*.json"]
struct Files;

/// The viewer of the API's description.
pub async fn api(request: Request) -> Response {
    file("api.html", &request)
}

/// A file by its path; `/` is the game.
pub async fn page(request: Request) -> Response {
    let path = request.uri().path();
    if path.starts_with("/api/") || path.starts_with("/.well-known/") {
        return StatusCode::NOT_FOUND.into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = path.trim_start_matches('/').to_owned();
    file(if path.is_empty() { "index.html" } else { &path }, &request)
}

fn file(path: &str, request: &Request) -> Response {
    // A path that goes up, names itself or hides something is none of ours.
    if path.split('/').any(|part| part.is_empty() || part.starts_with('.'))
        || path.contains(['\\', '%', '\0'])
    {
        return StatusCode::NOT_FOUND.into_response();
    }
    let Some(found) = Files::get(path) else {
        return Denied(Refusal::new(Code::NotFound, "there is no such page")).into_response();
    };
    let etag = format!("\"{}\"", pangea_world::id::hex(&found.metadata.sha256_hash()[..16]));
    let kind = content_type(path);
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let same =
        known.is_some_and(|list| list.split(',').any(|one| one.trim().trim_start_matches("W/") == etag));
    // The headers of a 304 replace those of the copy that the browser has, its policy too (RFC 9111 §4.3.4).
    let mut response = content(kind, found);
    if same {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = axum::body::Body::empty();
    }
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn content(kind: &'static str, file: EmbeddedFile) -> Response {
    let policy = kind.starts_with("text/html").then(|| policy(&String::from_utf8_lossy(&file.data)));
    let body = match file.data {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let mut response = ([(header::CONTENT_TYPE, kind)], body).into_response();
    if let Some(Ok(policy)) = policy.map(|policy| HeaderValue::from_str(&policy)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Only our own files may run, and the scripts and styles that stand in the page itself, by their hashes.
fn policy(html: &str) -> String {
    let (scripts, styles) = (hashes(html, "script"), hashes(html, "style"));
    format!(
        "default-src 'none'; script-src 'self'{scripts}; style-src 'self'{styles}; img-src 'self' data: blob:; \
         font-src 'self'; manifest-src 'self'; worker-src 'self'; connect-src 'self' ws: wss: https:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}

fn hashes(html: &str, tag: &str) -> String {
    let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
    let inner = html.split(&open).skip(1).filter_map(|rest| {
        let (_, content) = rest.split_once('>')?;
        let (content, _) = content.split_once(&close)?;
        (!content.is_empty()).then_some(content)
    });
    inner
        .map(|text| format!(" 'sha256-{}'", B64.encode(digest::digest(&digest::SHA256, text.as_bytes()))))
        .collect()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "ts" | "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_in_the_page_is_allowed_by_its_hash() {
        let policy =
            policy("<script type=\"importmap\">{}</script><script src=\"/a.js\"></script><style>b{}</style>");
        let hash =
            |text: &str| format!("'sha256-{}'", B64.encode(digest::digest(&digest::SHA256, text.as_bytes())));
        assert!(policy.contains(&format!("script-src 'self' {};", hash("{}"))), "{policy}");
        assert!(policy.contains(&format!("style-src 'self' {};", hash("b{}"))), "{policy}");
    }
}
