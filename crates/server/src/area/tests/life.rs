//! From idle to the end: under a played spawner and a played central, over real gRPC.

use std::collections::BTreeMap;
use std::pin::Pin;

use pangea_sdk::agones::sdk::game_server::{ObjectMeta, Status as ServerStatus, status::Port};
use pangea_sdk::agones::sdk::sdk_server::{Sdk as SdkEndpoint, SdkServer};
use pangea_sdk::agones::sdk::{Duration as Span, Empty, GameServer, KeyValue};
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::*;
use crate::link::{self, Accepted};

/// A spawner's endpoint for one server.
#[derive(Clone)]
struct Endpoint {
    state: watch::Sender<GameServer>,
    healthy: Arc<std::sync::atomic::AtomicU32>,
}

fn game_server(state: &str, area: Option<&str>) -> GameServer {
    let annotations: BTreeMap<String, String> =
        area.map(|area| ("pangea.dev/area".to_owned(), area.to_owned())).into_iter().collect();
    let port = Port { name: "game".into(), port: 0 };
    GameServer {
        object_meta: Some(ObjectMeta { annotations, ..ObjectMeta::default() }),
        status: Some(ServerStatus { state: state.into(), ports: vec![port], ..ServerStatus::default() }),
        ..GameServer::default()
    }
}

#[tonic::async_trait]
impl SdkEndpoint for Endpoint {
    type WatchGameServerStream = Pin<Box<dyn Stream<Item = Result<GameServer, Status>> + Send>>;

    async fn ready(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.state.send_replace(game_server("Ready", None));
        Ok(Response::new(Empty {}))
    }
    async fn allocate(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        Err(Status::unimplemented("not here"))
    }
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.state.send_replace(game_server("Shutdown", None));
        Ok(Response::new(Empty {}))
    }
    async fn health(&self, request: Request<Streaming<Empty>>) -> Result<Response<Empty>, Status> {
        let mut beats = request.into_inner();
        while beats.message().await?.is_some() {
            self.healthy.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        Ok(Response::new(Empty {}))
    }
    async fn get_game_server(&self, _: Request<Empty>) -> Result<Response<GameServer>, Status> {
        Ok(Response::new(self.state.borrow().clone()))
    }
    async fn watch_game_server(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::WatchGameServerStream>, Status> {
        let states =
            futures_util::stream::unfold((self.state.subscribe(), true), |(mut states, first)| async move {
                if !first {
                    states.changed().await.ok()?;
                }
                let state = states.borrow_and_update().clone();
                Some((Ok(state), (states, false)))
            });
        Ok(Response::new(Box::pin(states)))
    }
    async fn set_label(&self, _: Request<KeyValue>) -> Result<Response<Empty>, Status> {
        Err(Status::unimplemented("not here"))
    }
    async fn set_annotation(&self, _: Request<KeyValue>) -> Result<Response<Empty>, Status> {
        Err(Status::unimplemented("not here"))
    }
    async fn reserve(&self, _: Request<Span>) -> Result<Response<Empty>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

struct Life {
    endpoint: Endpoint,
    links: mpsc::Receiver<Accepted>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<anyhow::Result<()>>,
}

async fn life() -> Life {
    let endpoint =
        Endpoint { state: watch::channel(game_server("Starting", None)).0, healthy: Arc::default() };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let sdk = pangea_sdk::Sdk::on_port(listener.local_addr().expect("its address").port()).expect("a client");
    let incoming = futures_util::stream::unfold(listener, |listener| async move {
        Some((listener.accept().await.map(|(stream, _)| stream), listener))
    });
    let service = SdkServer::new(endpoint.clone());
    tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let central = listener.local_addr().expect("its address").to_string();
    let (accepted, links) = mpsc::channel(4);
    let key = RoleKey::new([4; 32]);
    let key_of: link::KeyOf = Arc::new({
        let key = key.clone();
        move |hello| (hello.role == "area" && hello.spawner == "local").then(|| key.clone())
    });
    tokio::spawn(link::serve(listener, None, key_of, accepted));

    let (stop, stopped) = oneshot::channel();
    let start = AreaStart {
        server: ServerId([7; 16]),
        spawner: "local".into(),
        key: key.to_text(),
        central,
        bind: Ipv4Addr::LOCALHOST.into(),
        advertise: "127.0.0.1".into(),
        central_pin: None,
        limits: crate::config::Limits::default(),
        tls: None,
        webtransport: false,
        io: crate::config::GameIo::Auto,
    };
    let server = tokio::spawn(async move {
        crate::area::run_under(sdk, flat(), start, async {
            let _ = stopped.await;
        })
        .await
    });
    let mut states = endpoint.state.subscribe();
    let ready = |server: &GameServer| server.status.as_ref().is_some_and(|status| status.state == "Ready");
    tokio::time::timeout(PATIENCE, states.wait_for(ready)).await.expect("in time").expect("ready");
    Life { endpoint, links, stop, server }
}

async fn hear<T>(link: &mut Accepted, mut fits: impl FnMut(Body) -> Option<T>) -> T {
    tokio::time::timeout(PATIENCE, async {
        loop {
            if let Event::Message(body) = link.events.recv().await.expect("the link lives")
                && let Some(found) = fits(body)
            {
                return found;
            }
        }
    })
    .await
    .expect("heard in time")
}

/// M6, O10: idle until allocated, then registered; at the end everything is told before the process ends.
#[tokio::test]
async fn idle_until_allocated_and_back_to_the_store() {
    let mut life = life().await;
    assert!(life.links.try_recv().is_err(), "an idle server knows no central");
    life.endpoint.state.send_replace(game_server("Allocated", Some(&"03".repeat(16))));
    let mut link = tokio::time::timeout(PATIENCE, life.links.recv()).await.expect("in time").expect("a link");
    assert_eq!((link.hello.name.as_str(), link.hello.role.as_str()), ("07".repeat(16).as_str(), "area"));
    let register = hear(&mut link, |body| if let Body::Register(r) = body { Some(r) } else { None }).await;
    assert_eq!((register.area, register.address.as_str()), (vec![3; 16], "127.0.0.1"));
    link.sender.send(Body::Granted(granted(ISLES, Vec::new()))).expect("said");
    hear(&mut link, |body| matches!(body, Body::AreaReady(_)).then_some(())).await;
    let beat = hear(&mut link, |body| if let Body::Heartbeat(beat) = body { Some(beat) } else { None }).await;
    assert!(beat.rss_kib > 0);
    assert!(life.endpoint.healthy.load(std::sync::atomic::Ordering::Relaxed) > 0);
    // The spawner wants it to stop.
    life.endpoint.state.send_replace(game_server("Shutdown", Some(&"03".repeat(16))));
    hear(&mut link, |body| matches!(body, Body::SaveArea(_)).then_some(())).await;
    hear(&mut link, |body| matches!(body, Body::Stopped(_)).then_some(())).await;
    tokio::time::timeout(PATIENCE, life.server).await.expect("in time").expect("no panic").expect("exit 0");
}

#[tokio::test]
async fn an_idle_server_ends_when_it_is_asked_to() {
    let life = life().await;
    life.stop.send(()).expect("it waits");
    tokio::time::timeout(PATIENCE, life.server).await.expect("in time").expect("no panic").expect("exit 0");
    assert_eq!(
        life.endpoint.state.borrow().status.as_ref().map(|status| status.state.as_str()),
        Some("Shutdown")
    );
}

#[tokio::test]
async fn a_server_that_central_refuses_ends_with_an_error() {
    let mut life = life().await;
    life.endpoint.state.send_replace(game_server("Allocated", Some(&"03".repeat(16))));
    let mut link = tokio::time::timeout(PATIENCE, life.links.recv()).await.expect("in time").expect("a link");
    hear(&mut link, |body| matches!(body, Body::Register(_)).then_some(())).await;
    let refusal = pangea_world::messages::RefusalMessage { code: "stale_epoch".into(), text: "late".into() };
    link.sender.send(Body::Refused(refusal)).expect("said");
    let end = tokio::time::timeout(PATIENCE, life.server).await.expect("in time").expect("no panic");
    assert!(end.expect_err("refused").to_string().contains("central refused"));
}
