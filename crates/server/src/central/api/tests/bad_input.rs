//! What must be refused, and how.

use super::*;

/// Method, path, token, body; status and code of the refusal.
type Case<'a> = (&'a str, &'a str, Option<&'a str>, Vec<u8>, u16, &'a str);

#[tokio::test]
async fn bad_inputs_are_refused_by_code() {
    let server = start_with(|config| config.limits.body_bytes = 4_096).await;
    let ada = server.register("Ada").await;
    let token = Some(ada.access.as_str());
    let long = "x".repeat(5_000);
    let json = |text: &str| text.as_bytes().to_vec();
    let deep = format!("{}1{}", "[".repeat(1_500), "]".repeat(1_500));
    let cases: Vec<Case> = vec![
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
async fn an_address_has_so_many_connections() {
    let server = start_with(|config| {
        config.limits.connections_per_address = 2;
        config.limits.loopback_free = false;
    })
    .await;
    let connect = async || tokio::net::TcpStream::connect(server.address).await.expect("it listens");
    let (idle, other) = (connect().await, connect().await);
    let refused = server.send("GET", "/api/status", &[], Vec::new()).await;
    assert_eq!(refused.refused(), (429, "too_many_connections".into()));
    assert_eq!(refused.headers["connection"], "close");
    drop(idle);
    // The server hears of the end when it comes to it.
    let answered = async {
        while server.send("GET", "/api/status", &[], Vec::new()).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), answered).await.expect("a place is free again");
    drop(other);
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
