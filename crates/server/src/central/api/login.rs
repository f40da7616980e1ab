//! Who asks: tokens, and the logins that are remembered so that a known one costs no SQL.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use pangea_world::id::SessionId;
use pangea_world::{Code, Refusal};
use ring::digest;

use super::answer::{Answer, Denied, deny};
use crate::config::Accounts;
use crate::random;
use crate::store::now_ms;
use crate::store::session::{self, Session, TokenHash, Tokens};

/// Most logins that are remembered.
const CACHE_MAX: usize = 100_000;

/// SHA-256 of a token: what is stored and looked up.
pub fn hash(token: &str) -> TokenHash {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    out
}

/// A fresh pair of tokens, as the client gets them and as the store keeps them.
pub struct Fresh {
    /// 256 random bits.
    pub access: String,
    /// 256 random bits.
    pub refresh: String,
    /// Their hashes and ends.
    pub stored: Tokens,
}

impl Fresh {
    /// Draws them.
    pub fn draw(config: &Accounts) -> Self {
        let [access, refresh] = [(); 2].map(|()| B64.encode(random::bytes::<32>()));
        let minute_ms = 60_000;
        let stored = Tokens {
            access: hash(&access),
            access_until: now_ms() + minute_ms * config.access_minutes as i64,
            refresh: hash(&refresh),
            refresh_until: now_ms() + minute_ms * 1_440 * config.refresh_days as i64,
        };
        Self { access, refresh, stored }
    }
}

/// Logins by their access token.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_token: HashMap<TokenHash, Session>,
    tokens: HashMap<SessionId, TokenHash>,
    /// Raised whenever something is forgotten: what was read before that may be out of date.
    changes: u64,
}

impl Cache {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, token: &TokenHash) -> Result<Session, u64> {
        let inner = self.lock();
        inner.by_token.get(token).cloned().ok_or(inner.changes)
    }

    fn put(&self, token: TokenHash, session: Session, seen: u64) {
        let mut inner = self.lock();
        if inner.changes != seen {
            return;
        }
        if inner.by_token.len() >= CACHE_MAX {
            inner.by_token.clear();
            inner.tokens.clear();
        }
        inner.tokens.insert(session.id, token);
        inner.by_token.insert(token, session);
    }

    /// The login changed or ended: the next request looks into the store.
    pub fn forget(&self, session: SessionId) {
        let mut inner = self.lock();
        inner.changes += 1;
        if let Some(token) = inner.tokens.remove(&session) {
            inner.by_token.remove(&token);
        }
    }
}

/// The token of `Authorization: Bearer …`.
///
/// # Errors
/// `unauthorized` if there is none, or more than one.
pub fn bearer(headers: &HeaderMap) -> Answer<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    match value.and_then(|value| value.split_once(' ')) {
        Some((scheme, token))
            if scheme.eq_ignore_ascii_case("bearer") && (1..=128).contains(&token.len()) =>
        {
            Ok(token)
        }
        _ => deny(Code::Unauthorized, "log in first: Authorization: Bearer <access token>"),
    }
}

/// A request of a live login.
#[derive(Debug, Clone)]
pub struct Login(pub Session);

impl FromRequestParts<super::State> for Login {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, api: &super::State) -> Result<Self, Denied> {
        let token = hash(bearer(&parts.headers)?);
        let session = match api.logins.get(&token) {
            Ok(session) => session,
            Err(seen) => {
                let mut reader = api.store.reader().await?;
                let Some(session) = session::by_access(&mut reader, token).await? else {
                    return deny(Code::Unauthorized, "this access token is unknown; log in");
                };
                live(&session)?;
                api.logins.put(token, session.clone(), seen);
                session
            }
        };
        live(&session)?;
        Ok(Self(session))
    }
}

/// Whether a login still holds.
///
/// # Errors
/// `session_ended`, `banned`, `token_expired`.
pub fn live(session: &Session) -> Result<(), Refusal> {
    if let Some(why) = &session.ended_why {
        return Refusal::err(Code::SessionEnded, ended_text(why));
    }
    if session.banned_until > now_ms() {
        return Refusal::err(Code::Banned, banned_text(session.banned_until));
    }
    if session.access_until <= now_ms() {
        return Refusal::err(Code::TokenExpired, "the access token's time is over; refresh it");
    }
    Ok(())
}

/// A sentence for the one word in the store.
pub fn ended_text(why: &str) -> &'static str {
    match why {
        "taken_over" => "this account has logged in somewhere else",
        "logged_out" => "this login was logged out",
        "refresh_reused" => "a used refresh token came again, so this login was ended for safety",
        "banned" => "this account was banned",
        "kicked" => "a moderator has ended this login",
        _ => "this login has ended",
    }
}

/// Until when, for people; far away is for good.
pub fn banned_text(until_ms: i64) -> String {
    format!("this account is banned{}", for_more(until_ms))
}

/// The same of an address.
pub fn kept_out_text(until_ms: i64) -> String {
    format!("this address is kept out{}", for_more(until_ms))
}

fn for_more(until_ms: i64) -> String {
    let hours = (until_ms - now_ms()).max(0) / 3_600_000 + 1;
    match hours {
        ..=48 => format!(" for {hours} more hours"),
        49..=87_600 => format!(" for {} more days", hours / 24),
        _ => String::new(),
    }
}
