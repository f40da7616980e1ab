//! Central's HTTP API: accounts, characters, worlds.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use pangea_world::id::{AccountId, CharacterId};
use pangea_world::{Code, Refusal};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::dial::{Connect, Dialer};
use crate::{Error, Trust};

/// Longer than central makes anybody wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest answer that is read.
const ANSWER_BYTES: usize = 4 << 20;

/// An account that is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name as registered.
    pub name: String,
}

/// A character of the account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Character {
    /// Its id.
    pub id: CharacterId,
    /// Its name.
    pub name: String,
    /// The world in which it lives.
    pub world: String,
    /// Its faction's id, if it has one.
    #[serde(default)]
    pub faction: Option<String>,
}

/// A world as the picker shows it; further fields are in central's OpenAPI.
#[derive(Debug, Clone, Deserialize)]
pub struct World {
    /// Its id.
    pub name: String,
    /// Shown to players.
    #[serde(default)]
    pub title: String,
    /// Characters inside.
    #[serde(default)]
    pub players: u64,
    /// Players on one server.
    #[serde(default)]
    pub capacity: u32,
    /// Its factions.
    #[serde(default)]
    pub factions: Vec<Faction>,
}

/// A faction of a world.
#[derive(Debug, Clone, Deserialize)]
pub struct Faction {
    /// Its id.
    pub id: String,
    /// Shown to players.
    #[serde(default)]
    pub title: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Login {
    access_token: String,
    refresh_token: String,
    account: Account,
}

#[derive(Deserialize)]
struct Refreshed {
    access_token: String,
    refresh_token: String,
}

#[derive(Deserialize)]
struct Worlds {
    worlds: Vec<World>,
}

#[derive(Deserialize)]
struct Characters {
    characters: Vec<Character>,
}

/// One login at one central. Cheap to clone; clones share the login and the connections.
#[derive(Clone)]
pub struct Client {
    base: Arc<str>,
    http: Http<Dialer, Full<Bytes>>,
    pub(crate) dialer: Dialer,
    login: Arc<Mutex<Option<Login>>>,
}

impl Client {
    /// A client of the central at `http://host:port` or `https://host:port`; believes the system's roots.
    ///
    /// # Errors
    /// `Protocol` if that is no such address.
    pub fn new(base_url: &str) -> Result<Self, Error> {
        Self::with_trust(
            base_url,
            if base_url.starts_with("https:") { Trust::system() } else { Trust::default() },
        )
    }

    /// As [`Client::new`], with certificates of one's own.
    ///
    /// # Errors
    /// `Protocol` if that is no such address.
    pub fn with_trust(base_url: &str, trust: Trust) -> Result<Self, Error> {
        Self::dialling(base_url, Dialer::new(trust))
    }

    /// As [`Client::new`], over connections of one's own making instead of TCP: of a simulation, say. Without TLS.
    ///
    /// # Errors
    /// `Protocol` if that is no such address.
    pub fn over(base_url: &str, connect: Connect) -> Result<Self, Error> {
        Self::dialling(base_url, Dialer::new(Trust::default()).connecting_by(connect))
    }

    fn dialling(base_url: &str, dialer: Dialer) -> Result<Self, Error> {
        let base = base_url.trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|error| Error::Protocol(format!("«{base_url}»: {error}")))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(Error::Protocol(format!(
                "«{base_url}»: write http://host:port or https://host:port"
            )));
        }
        let http = Http::builder(TokioExecutor::new())
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(10))
            // Of all players of this program: each that is closed is one more to be opened, here and there.
            .pool_max_idle_per_host(256)
            .build(dialer.clone());
        Ok(Self { base: base.into(), http, dialer, login: Arc::default() })
    }

    /// Another player's client of the same central: shares the connections, not the login.
    pub fn another(&self) -> Self {
        Self { login: Arc::default(), ..self.clone() }
    }

    /// The same central with this token instead of a login: the operator's key.
    pub fn with_token(&self, token: &str) -> Self {
        let account = Account { id: AccountId::default(), name: String::new() };
        let login = Login { access_token: token.to_owned(), refresh_token: String::new(), account };
        Self { login: Arc::new(Mutex::new(Some(login))), ..self.clone() }
    }

    /// The same client, that plays only games of this schema (its hash, [`crate::Schema::hash`]): another one is
    /// refused when it connects, with `version_mismatch`, instead of being misread.
    pub fn playing_only(&self, schema: u64) -> Self {
        Self { dialer: self.dialer.clone().playing_only(schema), ..self.clone() }
    }

    /// This client with its game sockets through an HTTP proxy (`CONNECT`); what it asks central goes as before.
    pub fn playing_through(&self, proxy: SocketAddr) -> Self {
        Self { dialer: self.dialer.clone().playing_through(proxy), ..self.clone() }
    }

    /// Makes an account and logs it in.
    ///
    /// # Errors
    /// As central refuses: `name_taken`, `name_invalid`, `password_length`, `password_common`, `too_many_requests`.
    pub async fn register(&self, name: &str, password: &str) -> Result<Account, Error> {
        self.log_in_at("/api/register", name, password).await
    }

    /// Logs in; an older login of the account ends.
    ///
    /// # Errors
    /// `wrong_login`, `banned`, `too_many_requests`.
    pub async fn login(&self, name: &str, password: &str) -> Result<Account, Error> {
        self.log_in_at("/api/login", name, password).await
    }

    async fn log_in_at(&self, path: &str, name: &str, password: &str) -> Result<Account, Error> {
        let body = json!({ "name": name, "password": password });
        let login: Login = read(self.send(Method::POST, path, Some(&body), None, &[]).await?).await?;
        let account = login.account.clone();
        self.keep(Some(login));
        Ok(account)
    }

    /// Takes new tokens for the old ones; calls do it by themselves when the access token's time is over.
    ///
    /// # Errors
    /// `session_ended` or `unauthorized`: log in again.
    pub async fn refresh(&self) -> Result<(), Error> {
        let Some(login) = self.kept() else { return Err(not_logged_in()) };
        let body = json!({ "refresh_token": login.refresh_token });
        let new: Refreshed =
            read(self.send(Method::POST, "/api/refresh", Some(&body), None, &[]).await?).await?;
        let Refreshed { access_token, refresh_token } = new;
        self.keep(Some(Login { access_token, refresh_token, ..login }));
        Ok(())
    }

    /// Ends the login.
    ///
    /// # Errors
    /// If central was not reached; the tokens are forgotten all the same.
    pub async fn logout(&self) -> Result<(), Error> {
        let sent = self.call_raw(Method::POST, "/api/logout", None, &[]).await;
        self.keep(None);
        check(sent?).await.map(drop)
    }

    /// The worlds, in central's order.
    ///
    /// # Errors
    /// If central was not reached.
    pub async fn worlds(&self) -> Result<Vec<World>, Error> {
        let answer = self.send(Method::GET, "/api/worlds", None, None, &[]).await?;
        read::<Worlds>(answer).await.map(|answer| answer.worlds)
    }

    /// The account's characters.
    ///
    /// # Errors
    /// `unauthorized`, `session_ended`.
    pub async fn characters(&self) -> Result<Vec<Character>, Error> {
        self.call::<Characters>(Method::GET, "/api/characters", None).await.map(|answer| answer.characters)
    }

    /// Makes a character.
    ///
    /// # Errors
    /// `name_taken`, `name_invalid`, `character_limit`, `unknown_world`, `unknown_faction`.
    pub async fn create_character(
        &self,
        world: &str,
        name: &str,
        faction: Option<&str>,
    ) -> Result<Character, Error> {
        let mut body = json!({ "world": world, "name": name });
        if let Some(faction) = faction {
            body["faction"] = faction.into();
        }
        self.call(Method::POST, "/api/characters", Some(&body)).await
    }

    /// Any call as JSON, with the login's token if there is one; for parts of the API without a method here.
    ///
    /// # Errors
    /// As central refuses; `Protocol` if the answer does not read as `T`.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Error> {
        read(self.call_raw(method, path, body, &[]).await?).await
    }

    /// As [`Client::call`], with further headers.
    ///
    /// # Errors
    /// As central refuses.
    pub async fn call_with<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&'static str, &str)],
    ) -> Result<T, Error> {
        read(self.call_raw(method, path, body, headers).await?).await
    }

    /// Sends with the access token, and once more after a refresh if its time is over; the answer as it is.
    ///
    /// # Errors
    /// If nobody answers; a refusal is in the answer.
    pub async fn call_raw(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&'static str, &str)],
    ) -> Result<Response<Incoming>, Error> {
        let token = self.kept().map(|login| login.access_token);
        let answer = self.send(method.clone(), path, body, token.as_deref(), headers).await?;
        if answer.status() != StatusCode::UNAUTHORIZED || token.is_none() {
            return Ok(answer);
        }
        match check(answer).await {
            Err(Error::Refused(refusal)) if refusal.code == Code::TokenExpired => {}
            Err(other) => return Err(other),
            Ok(_) => return Err(Error::Protocol("a refusal without its code".to_owned())),
        }
        self.refresh().await?;
        let token = self.kept().map(|login| login.access_token);
        self.send(method, path, body, token.as_deref(), headers).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
        headers: &[(&'static str, &str)],
    ) -> Result<Response<Incoming>, Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = request.body(Full::new(body)).map_err(|error| Error::Protocol(error.to_string()))?;
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.http.request(request)).await;
        let answer = answer.map_err(|_| Error::transport(&self.base, "no answer within 60 s"))?;
        answer.map_err(|error| Error::transport(&self.base, deepest(&error)))
    }

    fn kept(&self) -> Option<Login> {
        self.login.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    fn keep(&self, login: Option<Login>) {
        *self.login.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = login;
    }
}

fn not_logged_in() -> Error {
    Error::Refused(Refusal::new(Code::Unauthorized, "log in first"))
}

/// The cause at the bottom, which is the one that tells.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The body of an answer that is not a refusal.
pub(crate) async fn check(answer: Response<Incoming>) -> Result<Bytes, Error> {
    let status = answer.status();
    let body =
        tokio::time::timeout(ANSWER_TIMEOUT, Limited::new(answer.into_body(), ANSWER_BYTES).collect()).await;
    let body = body.map_err(|_| Error::Transport("the answer did not end within 60 s".to_owned()))?;
    let body = body.map_err(|error| Error::transport("the answer was cut off", error))?.to_bytes();
    if status.is_success() {
        return Ok(body);
    }
    match serde_json::from_slice::<Refusal>(&body) {
        Ok(refusal) => Err(Error::Refused(refusal)),
        Err(_) => {
            Err(Error::Protocol(format!("the answer is HTTP {status} without a refusal: is this a Pangea?")))
        }
    }
}

pub(crate) async fn read<T: DeserializeOwned>(answer: Response<Incoming>) -> Result<T, Error> {
    let body = check(answer).await?;
    // Nothing (204) is read as null.
    serde_json::from_slice(if body.is_empty() { b"null" } else { &body })
        .map_err(|error| Error::Protocol(format!("an answer that cannot be read: {error}")))
}
