//! Sockets under the API: TLS, deadlines, a bound on connections, a graceful end.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header;
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pangea_world::Refusal;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::answer::Denied;
use super::guard::Peer;
use crate::address::Connections;
use crate::net::TcpListener;

/// Most connections at once; further ones wait in the kernel's backlog.
pub const CONNECTIONS_MAX: usize = 8_192;

/// Most connections at once that are only told that their address has too many; further ones are cut.
const REFUSALS_MAX: usize = 64;

/// A request's head has this long to arrive, and so has a TLS handshake.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// Most bytes of a request's head.
const HEAD_MAX: usize = 64 << 10;

/// Answers that run at the end have this long.
const END_DEADLINE: Duration = Duration::from_secs(5);

/// Answers requests until `shutdown` ends; then takes no new ones and waits for those that run.
///
/// # Errors
/// If the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    api: super::State,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let acceptor = tls.map(TlsAcceptor::from);
    let connections_of = Connections::new(&api.config.limits);
    let router = super::router(api);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (place, socket, peer) = accepted?;
        let (place, router) = match connections_of.take(peer.0.ip()) {
            Ok(held) => ((place, Some(held)), router.clone()),
            Err(refusal) => match refusals.clone().try_acquire_owned() {
                Ok(place) => ((place, None), refusing(refusal)),
                Err(_) => continue,
            },
        };
        let (acceptor, stopping) = (acceptor.clone(), stopping.clone());
        connections.spawn(crate::task::mine(async move {
            let _place = place;
            let _ = socket.set_nodelay(true);
            match acceptor {
                None => connection(socket, peer, router, stopping).await,
                Some(acceptor) => match tokio::time::timeout(HEAD_DEADLINE, acceptor.accept(socket)).await {
                    Ok(Ok(socket)) => connection(socket, peer, router, stopping).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                },
            }
        }));
    }
    drop(listener);
    stop.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    // What still streams then is cut: its client asks again.
    let _ = tokio::time::timeout(END_DEADLINE, all).await;
    connections.shutdown().await;
    Ok(())
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> anyhow::Result<(tokio::sync::OwnedSemaphorePermit, crate::net::TcpStream, Peer)> {
    let place = places.clone().acquire_owned().await?;
    loop {
        match listener.accept().await {
            Ok((socket, address)) => return Ok((place, socket, Peer(address))),
            // The peer went away, or this process is out of files for a moment.
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// Answers whatever is asked with this, once.
fn refusing(refusal: Refusal) -> Router {
    Router::new().fallback(move || {
        let refusal = refusal.clone();
        async move { ([(header::CONNECTION, "close")], Denied(refusal)).into_response() }
    })
}

async fn connection<S>(socket: S, peer: Peer, router: Router, mut stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            request.extensions_mut().insert(peer);
            let answer = router.oneshot(request.map(Body::new)).await;
            answer.map_err(|never: Infallible| never)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE).max_buf_size(HEAD_MAX);
    let connection = builder.serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = async { drop(stopping.wait_for(|stop| *stop).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
