//! The real router over real sockets and a real database.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use pangea_world::world_file;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;

mod accounts;
mod bad_input;
mod characters;
mod operators;
mod serving;
mod social;

struct Server {
    address: SocketAddr,
    api: State,
    store: Store,
    data: tempfile::TempDir,
    _stop: oneshot::Sender<()>,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Status and code of a refusal; the text must be there too.
    fn refused(&self) -> (u16, String) {
        let json = self.json();
        assert!(json["text"].as_str().is_some_and(|text| !text.is_empty()), "{}", self.text);
        (self.status, json["code"].as_str().unwrap_or_default().to_owned())
    }

    #[track_caller]
    fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }
}

const WILDS: &str = r#"
title = "The Wilds"
kind = "grid"
rules = ["pve"]
layers = 4
[grid]
cell_m = 64
area_cells = 8
spawn = { x = 256.0, y = 256.0 }
[[faction]]
id = "embers"
spawn = { x = 200.0, y = 300.0 }
"#;

const ISLES: &str = r#"
title = "The Isles"
kind = "maps"
layers = 3
[maps]
spawn = { map = "harbour", x = 64.0, y = 64.0 }
[[map]]
id = "harbour"
width_m = 128
height_m = 128
lobby = true
[[map]]
id = "cave"
width_m = 64
height_m = 64
server = "somebody-elses"
[[faction]]
id = "sailors"
spawn = { map = "harbour", x = 60.0, y = 70.0 }
"#;

async fn start_with(change: impl FnOnce(&mut Config)) -> Server {
    let data = tempfile::tempdir().expect("a folder");
    let mut config = Config { data: data.path().into(), ..Config::default() };
    config.accounts.argon2_memory_kib = 64;
    config.accounts.argon2_passes = 1;
    change(&mut config);
    let worlds = [("wilds.toml", WILDS), ("isles.toml", ISLES)];
    let worlds = worlds.map(|(name, text)| (world_file::read(name, text).expect("a world"), text.to_owned()));
    let store = Store::open(data.path()).await.expect("a store");
    let keys = crate::central::keys::Keys::open(data.path()).expect("keys");
    let checkpoints = crate::central::checkpoints::Checkpoints::new(&config).expect("a place");
    let core = Core::new(&config, &worlds, store.clone(), keys, checkpoints);
    let worlds = Arc::new(worlds.map(|(world, _)| world).to_vec());
    let api = Api::new(Arc::new(config), worlds, store.clone(), core).expect("an API");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(serve(listener, None, api.clone(), async {
        let _ = stopped.await;
    }));
    Server { address, api, store, data, _stop: stop }
}

async fn start() -> Server {
    start_with(|_| {}).await
}

impl Server {
    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        let socket = TcpStream::connect(self.address).await.expect("it listens");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.expect("HTTP");
        let connection = tokio::spawn(connection);
        let mut request =
            Request::builder().method(method).uri(path).header("host", self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(bytes::Bytes::from(body))).expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let text = body.collect().await.expect("its body").to_bytes();
        connection.abort();
        let text = String::from_utf8_lossy(&text).into_owned();
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    async fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> Reply {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = Vec::new();
        if let Some(bearer) = &bearer {
            headers.push(("authorization", bearer.as_str()));
        }
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        self.send(method, path, &headers, body.map(|body| body.to_string().into_bytes()).unwrap_or_default())
            .await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.call("POST", path, None, Some(body)).await
    }

    async fn register(&self, name: &str) -> Tokens {
        let body = self.post("/api/register", json!({"name": name, "password": PASSWORD})).await.ok(201);
        Tokens::of(&body)
    }

    async fn login(&self, name: &str) -> Tokens {
        Tokens::of(&self.post("/api/login", json!({"name": name, "password": PASSWORD})).await.ok(200))
    }

    async fn character(&self, token: &str, name: &str) -> String {
        let body = json!({"world": "wilds", "name": name, "faction": "embers"});
        let made = self.call("POST", "/api/characters", Some(token), Some(body)).await.ok(201);
        made["id"].as_str().expect("an id").to_owned()
    }

    /// What comes back for these very bytes, up to the end of the connection.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut socket = TcpStream::connect(self.address).await.expect("it listens");
        // The other side may close before it has read all.
        let _ = socket.write_all(bytes).await;
        let _ = socket.shutdown().await;
        let mut text = Vec::new();
        let _ = socket.read_to_end(&mut text).await;
        String::from_utf8_lossy(&text).into_owned()
    }
}

const PASSWORD: &str = "three blue herons";

struct Tokens {
    access: String,
    refresh: String,
}

impl Tokens {
    fn of(body: &Value) -> Self {
        let text = |key: &str| body[key].as_str().expect(key).to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}
