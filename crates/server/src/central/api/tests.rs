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

const WILDS: &str = include_str!("../../../../../worlds/wilds.toml");
const ISLES: &str = include_str!("../../../../../worlds/isles.toml");

async fn start_with(change: impl FnOnce(&mut Config)) -> Server {
    let data = tempfile::tempdir().expect("a folder");
    let mut config = Config { data: data.path().into(), ..Config::default() };
    config.accounts.argon2_memory_kib = 64;
    config.accounts.argon2_passes = 1;
    change(&mut config);
    let worlds = [("wilds.toml", WILDS), ("isles.toml", ISLES)];
    let worlds = worlds.map(|(name, text)| world_file::read(name, text).expect("a world"));
    let worlds = Arc::new(Vec::from(worlds));
    let store = Store::open(data.path()).await.expect("a store");
    let core = Core::new(&config, worlds.clone(), store.clone());
    let api = Api::new(Arc::new(config), worlds, store.clone(), core).expect("an API");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let (stop, stopped) = oneshot::channel::<()>();
    let router = router(api.clone());
    tokio::spawn(serve(listener, None, router, async {
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

#[tokio::test]
async fn from_registration_to_a_selected_character() {
    let server = start().await;
    let made = server.post("/api/register", json!({"name": "  Ada ", "password": PASSWORD})).await.ok(201);
    assert_eq!(made["account"]["name"], "Ada");
    assert_eq!(made["access_expires_in_s"], 900);
    let token = made["access_token"].as_str().expect("a token");
    assert_eq!(token.len(), 43);
    let id = server.character(token, "Ada the Quick").await;
    let listed = server.call("GET", "/api/characters", Some(token), None).await.ok(200);
    assert_eq!(listed["characters"][0]["id"], id);
    assert_eq!(listed["characters"][0]["faction"], "embers");
    assert_eq!(listed["characters"][0]["in_world"], false);
    assert_eq!((listed["selected"].clone(), listed["most"].clone()), (Value::Null, json!(8)));
    server.call("POST", &format!("/api/characters/{id}/select"), Some(token), Some(json!({}))).await.ok(204);
    let session = server.call("GET", "/api/session", Some(token), None).await.ok(200);
    assert_eq!(session["selected"], id);
    assert_eq!(session["account"]["name"], "Ada");
    server.call("DELETE", &format!("/api/characters/{id}"), Some(token), None).await.ok(204);
    let session = server.call("GET", "/api/session", Some(token), None).await.ok(200);
    assert_eq!(session["selected"], Value::Null);
    server.character(token, "Ada the Quick").await;
    server.call("POST", "/api/logout", Some(token), Some(json!({}))).await.ok(204);
    let after = server.call("GET", "/api/characters", Some(token), None).await;
    assert_eq!(after.refused(), (401, "session_ended".into()));
}

#[tokio::test]
async fn worlds_layers_and_factions_are_open_to_all() {
    let server = start().await;
    let worlds = server.call("GET", "/api/worlds", None, None).await.ok(200);
    let (wilds, isles) = (&worlds["worlds"][0], &worlds["worlds"][1]);
    assert_eq!(
        (&wilds["kind"], &wilds["status"], &wilds["layers"]),
        (&json!("grid"), &json!("offline"), &json!(4))
    );
    assert_eq!(wilds["factions"][0]["spawn"], json!({"world": "wilds", "map": null, "x": 200.0, "y": 300.0}));
    assert_eq!((&isles["kind"], &isles["server"]), (&json!("maps"), &json!("own")));
    assert_eq!((&isles["maps"][0]["id"], &isles["maps"][0]["lobby"]), (&json!("harbour"), &json!(true)));
    let layers = server.call("GET", "/api/worlds/isles/layers?map=harbour", None, None).await.ok(200);
    assert_eq!(layers, json!({"layers": [], "most": 3}));
    let factions = server.call("GET", "/api/worlds/isles/factions", None, None).await.ok(200);
    assert_eq!(factions["factions"][0]["id"], "sailors");
    let status = server.call("GET", "/api/status", None, None).await.ok(200);
    assert_eq!((&status["players"], &status["worlds"]), (&json!(0), &json!(["wilds", "isles"])));
    server.call("GET", "/.well-known/jwks.json", None, None).await.ok(200);
    for (path, code) in [
        ("/api/worlds/nowhere/layers", "unknown_world"),
        ("/api/worlds/nowhere/factions", "unknown_world"),
        ("/api/worlds/isles/layers?map=moon", "unknown_map"),
        ("/api/worlds/wilds/layers?map=harbour", "unknown_map"),
    ] {
        assert_eq!(server.call("GET", path, None, None).await.refused(), (404, code.into()), "{path}");
    }
}

#[tokio::test]
async fn bad_inputs_are_refused_by_code() {
    let server = start_with(|config| config.limits.body_bytes = 4_096).await;
    let ada = server.register("Ada").await;
    let token = Some(ada.access.as_str());
    let long = "x".repeat(5_000);
    let json = |text: &str| text.as_bytes().to_vec();
    let deep = format!("{}1{}", "[".repeat(1_500), "]".repeat(1_500));
    let cases: Vec<(&str, &str, Option<&str>, Vec<u8>, u16, &str)> = vec![
        ("POST", "/api/register", None, json("{"), 400, "bad_request"),
        ("POST", "/api/register", None, json(""), 400, "bad_request"),
        ("POST", "/api/register", None, json("[]"), 400, "bad_request"),
        ("POST", "/api/register", None, json("{\"name\":\"Bob\"}"), 400, "bad_request"),
        (
            "POST",
            "/api/register",
            None,
            json("{\"name\":1,\"password\":\"three blue herons\"}"),
            400,
            "bad_request",
        ),
        (
            "POST",
            "/api/register",
            None,
            json("{\"name\":\"Bob\",\"name\":\"Eve\",\"password\":\"three blue herons\"}"),
            400,
            "bad_request",
        ),
        (
            "POST",
            "/api/register",
            None,
            json("{\"name\":\"\\ud800\",\"password\":\"three blue herons\"}"),
            400,
            "bad_request",
        ),
        (
            "POST",
            "/api/register",
            None,
            b"{\"name\":\"B\xff\xfeb\",\"password\":\"three blue herons\"}".to_vec(),
            400,
            "bad_request",
        ),
        ("POST", "/api/register", None, json(&deep), 400, "bad_request"),
        ("POST", "/api/register", None, json(&format!("{{\"name\":\"{long}\"}}")), 413, "too_large"),
        (
            "POST",
            "/api/register",
            None,
            json("{\"name\":\"ab\",\"password\":\"three blue herons\"}"),
            422,
            "name_invalid",
        ),
        (
            "POST",
            "/api/register",
            None,
            json("{\"name\":\"a\\u0000b\",\"password\":\"three blue herons\"}"),
            422,
            "name_invalid",
        ),
        (
            "POST",
            "/api/register",
            None,
            json("{\"name\":\"a\\u202eda\",\"password\":\"three blue herons\"}"),
            422,
            "name_invalid",
        ),
        (
            "POST",
            "/api/register",
            None,
            json("{\"name\":\"<b>x</b>\",\"password\":\"three blue herons\"}"),
            422,
            "name_invalid",
        ),
        (
            "POST",
            "/api/register",
            None,
            json("{\"name\":\"Robert'); DROP\",\"password\":\"three blue herons\"}"),
            422,
            "name_invalid",
        ),
        (
            "POST",
            "/api/register",
            None,
            json("{\"name\":\"Bob\",\"password\":\"short\"}"),
            422,
            "password_length",
        ),
        (
            "POST",
            "/api/register",
            None,
            json(&format!("{{\"name\":\"Bob\",\"password\":\"{}\"}}", &long[..129])),
            422,
            "password_length",
        ),
        (
            "POST",
            "/api/register",
            None,
            json("{\"name\":\"Bob\",\"password\":\"Password123\"}"),
            422,
            "password_common",
        ),
        (
            "POST",
            "/api/register",
            None,
            json("{\"name\":\"Bobby Tables\",\"password\":\"bobby tables\"}"),
            422,
            "password_common",
        ),
        (
            "POST",
            "/api/register",
            None,
            json("{\"name\":\"ADA\",\"password\":\"three blue herons\"}"),
            409,
            "name_taken",
        ),
        (
            "POST",
            "/api/register",
            None,
            json("{\"name\":\"Bob\",\"password\":\"three blue herons\",\"level\":9}"),
            400,
            "bad_request",
        ),
        (
            "POST",
            "/api/login",
            None,
            json("{\"name\":\"Ada\",\"password\":\"wrong wrong\"}"),
            401,
            "wrong_login",
        ),
        (
            "POST",
            "/api/login",
            None,
            json("{\"name\":\"Nobody\",\"password\":\"three blue herons\"}"),
            401,
            "wrong_login",
        ),
        ("POST", "/api/login", None, json("{\"name\":\"\",\"password\":\"\"}"), 401, "wrong_login"),
        ("POST", "/api/refresh", None, json("{\"refresh_token\":\"guess\"}"), 401, "unauthorized"),
        (
            "POST",
            "/api/refresh",
            None,
            json(&format!("{{\"refresh_token\":\"{}\"}}", ada.access)),
            401,
            "unauthorized",
        ),
        ("POST", "/api/logout", None, json(""), 401, "unauthorized"),
        ("GET", "/api/session", None, json(""), 401, "unauthorized"),
        ("GET", "/api/characters", None, json(""), 401, "unauthorized"),
        ("GET", "/api/characters", Some("guess"), json(""), 401, "unauthorized"),
        ("GET", "/api/characters", Some(&ada.refresh), json(""), 401, "unauthorized"),
        ("GET", "/api/characters", Some(&long), json(""), 401, "unauthorized"),
        ("POST", "/api/enter", None, json("{}"), 401, "unauthorized"),
        (
            "POST",
            "/api/characters",
            token,
            json("{\"world\":\"nowhere\",\"name\":\"Bob\"}"),
            404,
            "unknown_world",
        ),
        (
            "POST",
            "/api/characters",
            token,
            json("{\"world\":\"wilds\",\"name\":\"Bob\",\"faction\":\"sailors\"}"),
            404,
            "unknown_faction",
        ),
        (
            "POST",
            "/api/characters",
            token,
            json("{\"world\":\"wilds\",\"name\":\"B\\u200bob\"}"),
            422,
            "name_invalid",
        ),
        (
            "POST",
            "/api/characters",
            token,
            json("{\"world\":\"wilds\",\"name\":\"p\\u0430ypal\"}"),
            422,
            "name_invalid",
        ),
        ("POST", "/api/characters/nobody/select", token, json("{}"), 404, "unknown_character"),
        (
            "DELETE",
            "/api/characters/30313233343536373839616263646566",
            token,
            json(""),
            404,
            "unknown_character",
        ),
        ("POST", "/api/enter", token, json("{}"), 400, "bad_request"),
        ("GET", "/api/enter/30313233343536373839616263646566", token, json(""), 404, "not_found"),
        ("DELETE", "/api/enter/nonsense", token, json(""), 404, "not_found"),
        ("GET", "/api/worlds/wilds/layers?mapp=x", None, json(""), 400, "bad_request"),
        ("GET", "/api/characters/%ff/select", token, json(""), 405, "method_not_allowed"),
        ("POST", "/api/characters/%ff/select", token, json(""), 400, "bad_request"),
        ("GET", "/api/login", None, json(""), 405, "method_not_allowed"),
        ("PUT", "/", None, json(""), 405, "method_not_allowed"),
        ("GET", "/api/nothing", None, json(""), 404, "not_found"),
        ("GET", "/nothing.html", None, json(""), 404, "not_found"),
        ("GET", "/../Cargo.toml", None, json(""), 404, "not_found"),
        ("GET", "/%2e%2e/Cargo.toml", None, json(""), 404, "not_found"),
        ("GET", "/package.json", None, json(""), 404, "not_found"),
        ("GET", "/api/data/characters/30313233343536373839616263646566", None, json(""), 401, "unauthorized"),
        ("GET", "/api/data/characters/30313233343536373839616263646566", token, json(""), 403, "forbidden"),
    ];
    for (method, path, token, body, status, code) in cases {
        let bearer = token.map(|token| format!("Bearer {token}")).unwrap_or_default();
        let mut headers = vec![("content-type", "application/json; charset=utf-8")];
        if token.is_some() {
            headers.push(("authorization", &bearer));
        }
        let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
        let reply = server.send(method, path, &headers, body).await;
        assert_eq!(reply.refused(), (status, code.to_owned()), "{method} {path} {shown}: {}", reply.text);
        assert_eq!(reply.headers["content-type"], "application/json", "{method} {path}");
    }
    let plain = server.send("POST", "/api/login", &[("content-type", "text/plain")], b"{}".to_vec()).await;
    assert_eq!(plain.refused(), (400, "bad_request".into()));
    assert_eq!(
        server.call("GET", "/api/characters", token, None).await.ok(200)["characters"],
        serde_json::json!([])
    );
}

#[tokio::test]
async fn what_is_no_http_does_no_harm() {
    let server = start().await;
    let both = b"POST /api/login HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /api/status HTTP/1.1\r\nhost: a\r\n\r\n";
    let answers = server.raw(both).await;
    assert!(
        !answers.contains("\"version\""),
        "what follows must not be answered as a request of its own: {answers}"
    );
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(100_000));
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(1 << 17));
    for bytes in [many.as_bytes(), long.as_bytes(), b"\x16\x03\x01\x02\x00\x01\x00", b"\0\0\0\0\r\n\r\n", b""]
    {
        let answer = server.raw(bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    server.call("GET", "/api/status", None, None).await.ok(200);
}

#[tokio::test]
async fn of_many_who_want_one_name_at_once_one_gets_it() {
    let server = start().await;
    // The same name to a reader: case, look-alikes, separators.
    let names = ["Oscar", "OSCAR", "oscar", "Os-car", "0scar", "Oscar", "oScAr", "Os'car"];
    let replies = names.map(|name| server.post("/api/register", json!({"name": name, "password": PASSWORD})));
    let replies = futures_util::future::join_all(replies).await;
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    let taken =
        replies.iter().filter(|reply| reply.status == 409 && reply.refused().1 == "name_taken").count();
    assert_eq!((made, taken), (1, names.len() - 1));
    let (eve, mallory) = (server.register("Eve").await, server.register("Mallory").await);
    let make = |token| {
        server.call(
            "POST",
            "/api/characters",
            Some(token),
            Some(json!({"world": "wilds", "name": "Sir Rolf"})),
        )
    };
    let (one, two) = tokio::join!(make(&eve.access), make(&mallory.access));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn nobody_touches_anothers_character() {
    let server = start().await;
    let (ada, eve) = (server.register("Ada").await, server.register("Eve").await);
    let id = server.character(&ada.access, "Lovelace").await;
    let unknown = (404, "unknown_character".to_owned());
    let eve = Some(eve.access.as_str());
    let select = server.call("POST", &format!("/api/characters/{id}/select"), eve, None).await;
    assert_eq!(select.refused(), unknown);
    assert_eq!(server.call("DELETE", &format!("/api/characters/{id}"), eve, None).await.refused(), unknown);
    let bearer = format!("Bearer {}", eve.expect("a token"));
    let headers =
        [("content-type", "application/json"), ("authorization", bearer.as_str()), ("idempotency-key", "k1")];
    let body = json!({"character": id}).to_string().into_bytes();
    assert_eq!(server.send("POST", "/api/enter", &headers, body).await.refused(), unknown);
    assert_eq!(server.call("GET", "/api/characters", eve, None).await.ok(200)["characters"], json!([]));
    let listed = server.call("GET", "/api/characters", Some(&ada.access), None).await.ok(200);
    assert_eq!(listed["characters"][0]["id"], id);
}

#[tokio::test]
async fn fields_that_a_client_may_not_set_are_refused() {
    let server = start().await;
    let ada = server.register("Ada").await;
    let id = server.character(&ada.access, "Lovelace").await;
    for extra in ["id", "account", "owner", "epoch", "level", "role", "gold", "x", "place", "created"] {
        let mut body = json!({"world": "wilds", "name": "Babbage"});
        body[extra] = json!(1);
        let reply = server.call("POST", "/api/characters", Some(&ada.access), Some(body)).await;
        assert_eq!(reply.refused(), (400, "bad_request".into()), "{extra}");
        let bearer = format!("Bearer {}", ada.access);
        let headers = [
            ("content-type", "application/json"),
            ("authorization", bearer.as_str()),
            ("idempotency-key", "k"),
        ];
        let mut body = json!({"character": id});
        body[extra] = json!(1);
        let reply = server.send("POST", "/api/enter", &headers, body.to_string().into_bytes()).await;
        assert_eq!(reply.refused(), (400, "bad_request".into()), "{extra}");
    }
    assert_eq!(
        server.call("GET", "/api/characters", Some(&ada.access), None).await.ok(200)["characters"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn an_enter_needs_one_key_and_a_character() {
    let server = start().await;
    let ada = server.register("Ada").await;
    let id = server.character(&ada.access, "Lovelace").await;
    let bearer = format!("Bearer {}", ada.access);
    let base = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let long = "k".repeat(129);
    for keys in [&[][..], &[""], &["a b"], &["a", "b"], &[long.as_str()]] {
        let mut headers = base.to_vec();
        headers.extend(keys.iter().map(|key| ("idempotency-key", *key)));
        let body = json!({"character": id}).to_string().into_bytes();
        assert_eq!(
            server.send("POST", "/api/enter", &headers, body).await.refused(),
            (400, "bad_request".into()),
            "{keys:?}"
        );
    }
    let mut headers = base.to_vec();
    headers.push(("idempotency-key", "key-1"));
    let text = json!({"character": id, "map": "m".repeat(65)}).to_string().into_bytes();
    assert_eq!(server.send("POST", "/api/enter", &headers, text).await.refused(), (413, "too_large".into()));
    // Nobody is said and nobody is selected.
    let reply = server.send("POST", "/api/enter", &headers, b"{}".to_vec()).await;
    assert_eq!(reply.refused(), (400, "bad_request".into()));
    // Selected: the wish reaches the core, which has no spawner here.
    server.call("POST", &format!("/api/characters/{id}/select"), Some(&ada.access), None).await.ok(204);
    let reply = server.send("POST", "/api/enter", &headers, b"{}".to_vec()).await;
    assert_eq!(reply.refused(), (503, "no_spawner".into()));
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_second_use_ends_the_login() {
    let server = start().await;
    let first = server.register("Ada").await;
    let refresh = |token: String| server.post("/api/refresh", json!({"refresh_token": token}));
    let second = Tokens::of(&refresh(first.refresh.clone()).await.ok(200));
    assert_ne!(first.access, second.access);
    let old = server.call("GET", "/api/session", Some(&first.access), None).await;
    assert_eq!(old.refused(), (401, "unauthorized".into()));
    server.call("GET", "/api/session", Some(&second.access), None).await.ok(200);
    assert_eq!(refresh(first.refresh.clone()).await.refused(), (401, "session_ended".into()));
    let cut = server.call("GET", "/api/session", Some(&second.access), None).await;
    assert_eq!(cut.refused(), (401, "session_ended".into()));
    assert_eq!(refresh(second.refresh).await.refused(), (401, "session_ended".into()));
}

#[tokio::test]
async fn of_many_refreshes_at_once_one_wins_and_the_login_ends() {
    let server = start().await;
    let ada = server.register("Ada").await;
    let all = (0..6).map(|_| server.post("/api/refresh", json!({"refresh_token": ada.refresh})));
    let replies = futures_util::future::join_all(all).await;
    let won: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(won.len(), 1);
    let token = won[0].json()["access_token"].as_str().expect("a token").to_owned();
    let cut = server.call("GET", "/api/session", Some(&token), None).await;
    assert_eq!(cut.refused(), (401, "session_ended".into()));
}

#[tokio::test]
async fn a_new_login_takes_over() {
    let server = start().await;
    let first = server.register("Ada").await;
    // So that the login is remembered without SQL.
    server.call("GET", "/api/session", Some(&first.access), None).await.ok(200);
    let second = server.login("ADA").await;
    let old = server.call("GET", "/api/session", Some(&first.access), None).await;
    assert_eq!(old.refused(), (401, "session_ended".into()));
    assert!(old.text.contains("somewhere else"), "{}", old.text);
    let stale = server.post("/api/refresh", json!({"refresh_token": first.refresh})).await;
    assert_eq!(stale.refused(), (401, "session_ended".into()));
    server.call("GET", "/api/session", Some(&second.access), None).await.ok(200);
    let many = futures_util::future::join_all((0..5).map(|_| server.login("Ada"))).await;
    let alive = futures_util::future::join_all(
        many.iter().map(|t| server.call("GET", "/api/session", Some(&t.access), None)),
    )
    .await;
    assert_eq!(alive.iter().filter(|reply| reply.status == 200).count(), 1, "one live login per account");
}

#[tokio::test]
async fn an_access_token_ends_by_its_time_and_a_refresh_brings_a_new_one() {
    let server = start_with(|config| config.accounts.access_minutes = 0).await;
    let ada = server.register("Ada").await;
    let late = server.call("GET", "/api/session", Some(&ada.access), None).await;
    assert_eq!(late.refused(), (401, "token_expired".into()));
    server.post("/api/refresh", json!({"refresh_token": ada.refresh})).await.ok(200);
    let old = start_with(|config| config.accounts.refresh_days = 0).await;
    let ada = old.register("Ada").await;
    let reply = old.post("/api/refresh", json!({"refresh_token": ada.refresh})).await;
    assert_eq!(reply.refused(), (401, "session_ended".into()));
}

#[tokio::test]
async fn a_ban_cuts_a_login_and_keeps_out() {
    let server = start().await;
    let made = server.post("/api/register", json!({"name": "Eve", "password": PASSWORD})).await.ok(201);
    let tokens = Tokens::of(&made);
    let account = made["account"]["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    server.call("GET", "/api/session", Some(&tokens.access), None).await.ok(200);
    server.api.ban(account, crate::store::now_ms() + 7_200_000).await.expect("the account is there");
    let cut = server.call("GET", "/api/session", Some(&tokens.access), None).await;
    assert_eq!(cut.refused(), (401, "session_ended".into()));
    let login = server.post("/api/login", json!({"name": "Eve", "password": PASSWORD})).await;
    assert_eq!(login.refused(), (403, "banned".into()));
    server.api.ban(account, 0).await.expect("the account is there");
    server.login("Eve").await;
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_characters() {
    let server = start_with(|config| config.accounts.characters_max = 2).await;
    let ada = server.register("Ada").await;
    let names = ["One of them", "Two of them", "Three of them", "Four of them"];
    let make = |name| {
        server.call(
            "POST",
            "/api/characters",
            Some(&ada.access),
            Some(json!({"world": "wilds", "name": name})),
        )
    };
    let replies = futures_util::future::join_all(names.map(make)).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 2);
    assert!(
        replies
            .iter()
            .filter(|reply| reply.status != 201)
            .all(|reply| reply.refused() == (409, "character_limit".into()))
    );
}

#[tokio::test]
async fn a_character_in_the_world_is_not_deleted() {
    use pangea_world::id::{AreaId, CharacterId, TransferId};
    use pangea_world::ownership::Change;
    let server = start().await;
    let ada = server.register("Ada").await;
    let id = server.character(&ada.access, "Lovelace").await;
    let character: CharacterId = id.parse().expect("an id");
    server
        .store
        .write(move |connection| {
            Box::pin(async move {
                let name = pangea_world::space::AreaName {
                    world: "wilds".into(),
                    ground: "0,0..8,8".parse()?,
                    layer: 0,
                };
                let area = crate::store::area::find_or_make(connection, &name, AreaId([7; 16])).await?;
                let change = Change::Grant { to: area.id };
                crate::store::ownership::change_owner(connection, character.0, TransferId([1; 16]), &change)
                    .await
            })
        })
        .await
        .expect("it is granted");
    let reply = server.call("DELETE", &format!("/api/characters/{id}"), Some(&ada.access), None).await;
    assert_eq!(reply.refused(), (409, "character_in_world".into()));
    let listed = server.call("GET", "/api/characters", Some(&ada.access), None).await.ok(200);
    assert_eq!(listed["characters"][0]["in_world"], true);
}

#[tokio::test]
async fn an_address_has_its_limits_and_this_machine_has_none() {
    let server = start_with(|config| {
        config.limits.logins_per_minute = 3;
        config.limits.requests_per_second = 20;
    })
    .await;
    server.register("Ada").await;
    for _ in 0..60 {
        server.call("GET", "/api/status", None, None).await.ok(200);
    }
    let far = [("content-type", "application/json"), ("x-forwarded-for", "203.0.113.9")];
    let body = json!({"name": "Ada", "password": PASSWORD}).to_string().into_bytes();
    let mut replies = Vec::new();
    for _ in 0..5 {
        replies.push(server.send("POST", "/api/login", &far, body.clone()).await);
    }
    assert!(replies[..3].iter().all(|reply| reply.status == 200));
    assert_eq!(replies[4].refused(), (429, "too_many_requests".into()));
    assert!(replies[4].headers.contains_key("retry-after"));
    let other = [("content-type", "application/json"), ("x-forwarded-for", "203.0.113.10")];
    assert_eq!(server.send("POST", "/api/login", &other, body).await.status, 200);
    let flood = futures_util::future::join_all(
        (0..200).map(|_| server.send("GET", "/api/status", &other, Vec::new())),
    )
    .await;
    assert!(flood.iter().any(|reply| reply.status == 429) && flood.iter().any(|reply| reply.status == 200));
}

#[tokio::test]
async fn a_guesser_waits_and_the_owner_still_gets_in() {
    let server = start_with(|config| config.limits.wrong_passwords = 3).await;
    server.register("Ada").await;
    let key = pangea_world::name::check("Ada").expect("a name").key;
    let delay = || server.api.guesses.delay(&key, std::time::Instant::now());
    for _ in 0..3 {
        assert!(delay().is_zero());
        let reply = server.post("/api/login", json!({"name": "Ada", "password": "wrong wrong"})).await;
        assert_eq!(reply.refused(), (401, "wrong_login".into()));
    }
    assert!(!delay().is_zero());
    server.login("Ada").await;
    assert!(delay().is_zero());
}

#[tokio::test]
async fn other_origins_are_refused_and_answers_are_marked() {
    let server = start().await;
    let own = format!("http://{}", server.address);
    for (origin, status) in [(own.as_str(), 200), ("http://evil.example", 403), ("null", 403)] {
        let reply = server.send("GET", "/api/worlds", &[("origin", origin)], Vec::new()).await;
        assert_eq!(reply.status, status, "{origin}");
        assert!(!reply.headers.contains_key("access-control-allow-origin"));
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        assert_eq!(reply.headers["cache-control"], "no-store");
        assert!(reply.headers.contains_key("content-security-policy"));
    }
}

#[tokio::test]
async fn pages_have_their_type_their_tag_and_a_policy() {
    let server = start().await;
    let page = server.send("GET", "/api", &[], Vec::new()).await;
    assert_eq!(
        (page.status, page.headers["content-type"].to_str().ok()),
        (200, Some("text/html; charset=utf-8"))
    );
    let policy = page.headers["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.contains("script-src 'self' 'sha256-") && !policy.contains("unsafe"), "{policy}");
    let tag = page.headers["etag"].to_str().expect("text").to_owned();
    let again = server.send("GET", "/api", &[("if-none-match", &tag)], Vec::new()).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
}

#[tokio::test]
async fn operators_read_characters_and_quests_with_their_key() {
    let server = start().await;
    let ada = server.register("Ada").await;
    let id = server.character(&ada.access, "Lovelace").await;
    let path = server.data.path().join("keys/operator.key");
    let key = std::fs::read_to_string(&path).expect("it was made").trim().to_owned();
    let data = server.call("GET", &format!("/api/data/characters/{id}"), Some(&key), None).await.ok(200);
    assert_eq!(
        (&data["name"], &data["epoch"], &data["owner"]),
        (&json!("Lovelace"), &json!(0), &Value::Null)
    );
    let quests =
        server.call("GET", &format!("/api/data/characters/{id}/quests"), Some(&key), None).await.ok(200);
    assert_eq!(quests["quests"][0]["id"], "first-steps");
    assert_eq!(quests["quests"][0]["completed"], false);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("rights");
    let error = data::OperatorKey::open(server.data.path()).expect_err("others may read it").to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

#[tokio::test]
async fn no_secret_reaches_the_database_in_clear() {
    let server = start().await;
    let ada = server.register("Ada").await;
    server.store.close().await;
    let mut bytes = Vec::new();
    for file in ["pangea.db", "pangea.db-wal"] {
        bytes.extend(std::fs::read(server.data.path().join(file)).unwrap_or_default());
    }
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("Ada") && holds("$argon2id$"));
    assert!(!holds(PASSWORD) && !holds(&ada.access) && !holds(&ada.refresh));
}

#[tokio::test]
async fn it_speaks_tls_and_stops_gracefully() {
    let server = start().await;
    let tls = crate::tls::make(&["localhost".to_owned()]).expect("a certificate");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving =
        tokio::spawn(serve(listener, Some(tls.config.clone()), router(server.api.clone()), async {
            let _ = stopped.await;
        }));
    // A client that trusts nothing gets no further than the handshake.
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let socket = TcpStream::connect(address).await.expect("it listens");
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    let error = connector.connect(name, socket).await.expect_err("nobody vouches for it").to_string();
    assert!(error.contains("certificate") || error.contains("UnknownIssuer"), "{error}");
    let mut plain = TcpStream::connect(address).await.expect("it listens");
    plain.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "plain HTTP is not answered on a TLS port");
    stop.send(()).expect("it runs");
    serving.await.expect("no panic").expect("a graceful end");
    assert!(TcpStream::connect(address).await.is_err());
}

/// docs/openapi.json is what this program says of itself; `PANGEA_BLESS=1` writes it anew.
#[test]
fn the_description_is_the_one_in_docs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    if std::env::var_os("PANGEA_BLESS").is_some() {
        std::fs::write(path, openapi()).expect("docs can be written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == openapi(), "the API changed: PANGEA_BLESS=1 cargo test writes docs/openapi.json anew");
}
