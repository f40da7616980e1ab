//! What every request passes: limits by address, the same origin, headers that keep browsers careful.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use pangea_world::{Code, Refusal};
use tokio::time::Instant;

use super::answer::{self, Denied};
use crate::address::Block;

/// The other end of the connection; the server puts it into each request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Whom the limits count; `None`: nobody (this machine itself).
#[derive(Debug, Clone, Copy)]
pub struct Asker(pub Option<Block>);

/// Counts, checks, passes on, and marks the answer.
pub async fn guard(State(api): State<super::State>, mut request: Request, next: Next) -> Response {
    let is_api = request.uri().path() == "/api" || request.uri().path().starts_with("/api/");
    let free = api.config.limits.loopback_free;
    let asker = asker(request.extensions().get::<Peer>(), request.headers(), free);
    request.extensions_mut().insert(Asker(asker));
    let refused = if asker.is_some_and(|block| !api.requests_of.take(block, Instant::now())) {
        Some(Refusal::new(Code::TooManyRequests, "too many requests; slow down a little"))
    } else if let Some(until_ms) = asker.filter(|_| is_api).and_then(|block| api.core.kept_out.until(block)) {
        Some(Refusal::new(Code::Banned, super::login::kept_out_text(until_ms)))
    } else if is_api && !same_origin(request.headers()) {
        Some(Refusal::new(Code::Forbidden, "pages of other origins may not use this API"))
    } else {
        None
    };
    let mut response = match refused {
        Some(refusal) => Denied(refusal).into_response(),
        None => answer::in_form(next.run(request).await).await,
    };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if is_api {
        set(header::CACHE_CONTROL, "no-store");
    }
    response
}

/// Only a proxy on this machine is believed when it says for whom it asks: the last address it added.
fn asker(peer: Option<&Peer>, headers: &HeaderMap, loopback_free: bool) -> Option<Block> {
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip()).to_canonical();
    if !address.is_loopback() {
        return Some(Block::of(address));
    }
    let Some(forwarded) = headers.get_all("x-forwarded-for").iter().next_back() else {
        return (!loopback_free).then(|| Block::of(address));
    };
    let last = forwarded.to_str().ok().and_then(|text| text.rsplit(',').next()?.trim().parse().ok());
    // A header that cannot be read counts as one unknown asker, not as a free one.
    Some(Block::of(last.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
}

/// Browsers name the page's origin in all but simple requests; other programs need not.
fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, authority)), Some(host)) if authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_a_proxy_on_this_machine_is_believed() {
        let local = Peer("127.0.0.1:5".parse().expect("an address"));
        let far = Peer("192.0.2.1:5".parse().expect("an address"));
        let block = |text: &str| Some(Block::of(text.parse().expect("an address")));
        let forwarded = headers(&[("x-forwarded-for", "203.0.113.9, 198.51.100.7")]);
        assert_eq!(asker(Some(&local), &headers(&[]), true), None);
        assert_eq!(asker(Some(&local), &headers(&[]), false), block("127.0.0.1"));
        assert_eq!(asker(Some(&local), &forwarded, true), block("198.51.100.7"));
        assert_eq!(asker(Some(&far), &forwarded, true), block("192.0.2.1"));
        let nonsense = headers(&[("x-forwarded-for", "nonsense")]);
        assert_eq!(asker(Some(&local), &nonsense, true), block("0.0.0.0"));
    }

    #[test]
    fn another_origin_is_told_apart() {
        let host = ("host", "play.example:8080");
        let same = |origin| same_origin(&headers(&[host, ("origin", origin)]));
        assert!(same("http://play.example:8080") && same("https://play.example:8080"));
        assert!(
            !same("http://play.example") && !same("null") && !same("http://evil.example:8080") && !same("")
        );
        assert!(same_origin(&headers(&[host])));
    }
}
