//! TLS under a link: the answerer shows its own certificate, the opener knows its SHA-256 from the key file.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use ring::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tokio_stream::wrappers::ReceiverStream;

use crate::net::{TcpListener, TcpStream};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Handshakes at the same time; further connections wait in the kernel.
const AT_ONCE: usize = 64;

/// Connects with TLS to the one server whose certificate has this SHA-256; `alpn`: what is spoken inside, `h2` for
/// a link.
///
/// # Errors
/// If the handshake fails or the certificate is another one.
pub async fn connect_pinned(
    tcp: TcpStream,
    pin: [u8; 32],
    alpn: &[u8],
) -> io::Result<client::TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { pin, provider }))
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = ServerName::try_from("pangea").map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

/// Accepts TLS connections; a handshake that fails or takes too long is dropped and logged.
pub fn accept(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
) -> impl Stream<Item = io::Result<server::TlsStream<TcpStream>>> {
    let mut config = ServerConfig::clone(&tls);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (ready, stream) = mpsc::channel(AT_ONCE);
    crate::task::spawn(async move {
        let places = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
        while let Ok(place) = places.clone().acquire_owned().await {
            let tcp = match listener.accept().await {
                Ok((tcp, _)) => tcp,
                Err(error) => {
                    let _ = ready.send(Err(error)).await;
                    return;
                }
            };
            let (acceptor, ready) = (acceptor.clone(), ready.clone());
            crate::task::spawn(async move {
                let _place = place;
                match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp)).await {
                    Ok(Ok(stream)) => drop(ready.send(Ok(stream)).await),
                    Ok(Err(error)) => tracing::debug!(%error, "a link's TLS handshake failed"),
                    Err(_) => tracing::debug!("a link's TLS handshake took too long"),
                }
            });
        }
    });
    ReceiverStream::new(stream)
}

/// Accepts exactly one certificate, whatever it says of itself.
#[derive(Debug)]
struct Pinned {
    pin: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if digest(&SHA256, certificate).as_ref() == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General("the certificate is not the one of the key file".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
