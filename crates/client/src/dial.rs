//! Opens TCP, with TLS over it where the address says so; for HTTP and for game sockets alike.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{Error, Trust};

/// From the first packet to a connection that can be used.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Most bytes of what a proxy says before it carries.
const MOST_PROXY_HEAD: usize = 4 << 10;

/// What a connection may be carried by instead of TCP.
pub trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

/// Opens a connection to this host and port in one's own way.
pub type Connect = Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Box<dyn Carrier>>> + Send + Sync>;

/// One connection, encrypted or not.
pub(crate) enum Stream {
    Plain(TcpStream),
    Own(Box<dyn Carrier>),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Opens connections for one client; cheap to clone.
#[derive(Clone)]
pub(crate) struct Dialer {
    trust: Arc<RwLock<Trust>>,
    /// The one schema that this client can play.
    schema: Option<u64>,
    /// Game sockets go through this proxy.
    through: Option<SocketAddr>,
    /// Instead of TCP.
    own: Option<Connect>,
}

impl Dialer {
    pub(crate) fn new(trust: Trust) -> Self {
        Self { trust: Arc::new(RwLock::new(trust)), schema: None, through: None, own: None }
    }

    pub(crate) fn connecting_by(self, connect: Connect) -> Self {
        Self { own: Some(connect), ..self }
    }

    pub(crate) fn playing_only(self, schema: u64) -> Self {
        Self { schema: Some(schema), ..self }
    }

    pub(crate) fn playing_through(self, proxy: SocketAddr) -> Self {
        Self { through: Some(proxy), ..self }
    }

    pub(crate) fn schema(&self) -> Option<u64> {
        self.schema
    }

    pub(crate) fn pin(&self, sha256: [u8; 32]) {
        self.trust.write().unwrap_or_else(|poisoned| poisoned.into_inner()).pin(sha256);
    }

    /// Opens `http`, `https`, `ws` or `wss`.
    pub(crate) async fn dial(&self, uri: &Uri) -> Result<Stream, Error> {
        let what = format!("{uri}");
        let connected = tokio::time::timeout(DIAL_TIMEOUT, self.dial_now(uri)).await;
        connected.map_err(|_| Error::transport(&what, "no answer within 10 s"))?
    }

    async fn dial_now(&self, uri: &Uri) -> Result<Stream, Error> {
        let what = format!("{uri}");
        let secure = matches!(uri.scheme_str(), Some("https" | "wss"));
        let host = uri.host().ok_or_else(|| Error::Protocol(format!("«{what}» names no host")))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        if let Some(connect) = self.own.as_ref().filter(|_| !secure) {
            let opened = connect(host.to_owned(), port).await;
            return Ok(Stream::Own(opened.map_err(|error| Error::transport(&what, error))?));
        }
        let through = self.through.filter(|_| matches!(uri.scheme_str(), Some("ws" | "wss")));
        let tcp = match through {
            Some(proxy) => connect_through(proxy, host, port).await,
            None => TcpStream::connect((host, port)).await,
        };
        let tcp = tcp.map_err(|error| Error::transport(&what, error))?;
        // Inputs are small and must not wait for each other.
        tcp.set_nodelay(true).map_err(|error| Error::transport(&what, error))?;
        if !secure {
            return Ok(Stream::Plain(tcp));
        }
        let tls = self.trust.read().unwrap_or_else(|poisoned| poisoned.into_inner()).tls()?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| Error::transport(&what, error))?;
        let tls = TlsConnector::from(tls)
            .connect(name, tcp)
            .await
            .map_err(|error| Error::transport(&what, error))?;
        Ok(Stream::Tls(Box::new(tls)))
    }
}

/// By an HTTP proxy's CONNECT.
async fn connect_through(proxy: SocketAddr, host: &str, port: u16) -> io::Result<TcpStream> {
    let mut tcp = TcpStream::connect(proxy).await?;
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let ask = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
    tcp.write_all(ask.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MOST_PROXY_HEAD {
            return Err(io::Error::other("the proxy's answer is too long"));
        }
        head.push(tcp.read_u8().await?);
    }
    if !head.starts_with(b"HTTP/1.1 200") && !head.starts_with(b"HTTP/1.0 200") {
        return Err(io::Error::other("the proxy refuses"));
    }
    Ok(tcp)
}

impl tower::Service<Uri> for Dialer {
    type Response = TokioIo<Stream>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<TokioIo<Stream>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial(&uri).await.map(TokioIo::new) })
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Own(own) => Pin::new(own).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Stream::Own(own) => Pin::new(own).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Own(own) => Pin::new(own).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Own(own) => Pin::new(own).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
