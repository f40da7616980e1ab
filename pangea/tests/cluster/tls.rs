//! Game ports that speak TLS: which certificate they have, and whom a client believes.

use pangea_client::{Client, EnterOptions, Error, Event, Game, Trust};
use pangea_server::tls;
use pangea_world::id::hex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use web_transport_quinn::ClientBuilder;
use web_transport_quinn::proto::ConnectRequest;

use crate::support::{Cluster, event};

const FIELD: &str = "kind = \"grid\"\nseed = 3\nrules = [\"pve\"]\ncapacity = 200\nlayers = 2\nidle_stop_s = 1\ngrace_s = 1\n\
    [grid]\ncell_m = 64\narea_cells = 4\nspawn = { x = 100.0, y = 100.0 }\n";

/// Enters: not by a client that believes nobody or another certificate, but by one that central told the pin.
/// Gives the pin.
async fn enters_by_the_pin_alone(cluster: &Cluster) -> String {
    let (client, character) = cluster.player("Ada", "field", None).await;
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    assert!(prepared.url.starts_with("wss://"), "{}", prepared.url);
    let mut other = Trust::default();
    other.pin([7; 32]);
    for trust in [Trust::default(), other] {
        let stranger = Client::with_trust(&cluster.url, trust).unwrap();
        match Game::connect(stranger, character, prepared.clone()).await {
            Err(Error::Transport(why)) => assert!(why.contains("certificate"), "{why}"),
            other => panic!("not stopped by the certificate: {:?}", other.map(|game| game.url().to_owned())),
        }
    }
    let pin = prepared.certificate_sha256.clone().expect("central vouches for it");
    let mut game = Game::connect(client, character, prepared).await.unwrap();
    event(&mut game, "a view", |event, game| {
        (matches!(event, Event::Updated { .. }) && game.me().is_some()).then_some(())
    })
    .await;
    game.leave().await;
    pin
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_made_at_start() {
    let cluster = Cluster::with_worlds(
        &[("field", FIELD)],
        &["spawner.bind=0.0.0.0", "spawner.advertise=127.0.0.1", "spawner.templates.area.pool=1"],
    )
    .await;
    assert_eq!(enters_by_the_pin_alone(&cluster).await.len(), 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let made = tls::load_or_make(folder.path(), &["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
    let settings = [
        format!("spawner.tls_certificate={}", certificate.display()),
        format!("spawner.tls_key={}", key.display()),
    ];
    let cluster = Cluster::with_worlds(&[("field", FIELD)], &settings.each_ref().map(String::as_str)).await;
    assert_eq!(enters_by_the_pin_alone(&cluster).await, hex(&made.fingerprint));

    // Without a pin, by who has signed it.
    let (client, character) = cluster.player("Bob", "field", None).await;
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    let root = Client::with_trust(&cluster.url, Trust::roots(&certificate).unwrap()).unwrap();
    Game::connect(root, character, prepared).await.expect("its root is believed");
}

/// WebTransport with the files of the game ports: nothing is pinned, who has signed it is believed, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webtransport_with_a_certificate_from_files() {
    let folder = tempfile::tempdir().unwrap();
    tls::load_or_make(folder.path(), &["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
    let settings = [
        format!("spawner.tls_certificate={}", certificate.display()),
        format!("spawner.tls_key={}", key.display()),
    ];
    let cluster = Cluster::with_worlds(&[("field", FIELD)], &settings.each_ref().map(String::as_str)).await;
    let (client, character) = cluster.player("Ada", "field", None).await;
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    let offer = prepared.webtransport.expect("it is offered");
    assert!(
        offer.certificate_hashes.is_empty(),
        "browsers take a pin only of a certificate that lives for days"
    );
    let request = || ConnectRequest::new(url::Url::parse(&offer.url).unwrap());
    let root = CertificateDer::from_pem_file(&certificate).unwrap();
    let believes = ClientBuilder::new().with_server_certificates(vec![root]).unwrap();
    let session = believes.connect(request()).await.expect("its root is believed");
    session.open_bi().await.expect("a stream");
    let doubts = ClientBuilder::new().with_server_certificate_hashes(vec![vec![7; 32]]).unwrap();
    assert!(doubts.connect(request()).await.is_err(), "another certificate's hash");
}
