//! What is open to all, pages, TLS, the description.

use super::*;

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
    assert_eq!((&isles["kind"], &isles["server"]), (&json!("maps"), &json!("mixed")));
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
    // A browser takes a 304's policy for the copy that it has: with another one the page would be dead.
    assert_eq!(again.headers["content-security-policy"].to_str().ok(), Some(policy.as_str()));
}

#[tokio::test]
async fn whatever_the_game_page_names_is_served() {
    let server = start().await;
    let page = server.send("GET", "/", &[], Vec::new()).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains(" style=\""), "the policy allows no style attributes");
    let named = ["href=\"", "src=\""].into_iter().flat_map(|key| page.text.split(key).skip(1));
    let named: Vec<&str> =
        named.filter_map(|rest| rest.split('"').next()).filter(|path| path.contains('.')).collect();
    assert!(named.len() >= 2, "{named:?}");
    for path in named {
        let path = format!("/{}", path.trim_start_matches('/'));
        let file = server.send("GET", &path, &[], Vec::new()).await;
        assert_eq!(file.status, 200, "{path}");
        assert_ne!(file.headers["content-type"], "application/octet-stream", "{path}");
    }
    for hidden in [
        "/package.json",
        "/tsconfig.json",
        "/test/codec.test.js",
        "/node_modules/typescript/package.json",
        "/.gitignore",
    ] {
        assert_eq!(server.send("GET", hidden, &[], Vec::new()).await.refused().0, 404, "{hidden}");
    }
}

#[tokio::test]
async fn it_speaks_tls_and_stops_gracefully() {
    let server = start().await;
    let folder = server.data.path().join("keys");
    let tls = crate::tls::load_or_make(&folder, &["localhost".to_owned()]).expect("a certificate");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, Some(tls.config.clone()), server.api.clone(), async {
        let _ = stopped.await;
    }));
    let connect = async |roots: rustls::RootCertStore| {
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let socket = TcpStream::connect(address).await.expect("it listens");
        let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, socket).await
    };
    // A client that trusts nothing gets no further than the handshake.
    let error = connect(rustls::RootCertStore::empty()).await.expect_err("nobody vouches for it").to_string();
    assert!(error.contains("certificate") || error.contains("UnknownIssuer"), "{error}");
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(folder.join("tls.pem")).expect("it was made");
    use rustls::pki_types::pem::PemObject;
    roots
        .add(rustls::pki_types::CertificateDer::from_pem_slice(&pem).expect("a certificate"))
        .expect("it is trusted");
    let mut trusted = connect(roots).await.expect("a handshake");
    let request = b"GET /api/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    trusted.write_all(request).await.expect("sent");
    let mut answer = Vec::new();
    trusted.read_to_end(&mut answer).await.expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
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
