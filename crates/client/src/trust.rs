//! Which certificates a client believes: those that a root in a file has signed, and pinned ones.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, ring::default_provider, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::Error;

/// Which certificates are believed.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    roots: Option<Arc<RootCertStore>>,
    /// SHA-256 of whole certificates in DER.
    pins: Vec<[u8; 32]>,
}

impl Trust {
    /// The system's roots where they are in one of the usual files, else none.
    pub fn system() -> Self {
        const FILES: [&str; 3] =
            ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
        FILES.iter().find_map(|file| Self::roots(Path::new(file)).ok()).unwrap_or_default()
    }

    /// The roots of this PEM file.
    ///
    /// # Errors
    /// `Transport` if it cannot be read or holds no certificate.
    pub fn roots(file: &Path) -> Result<Self, Error> {
        let what = format!("{}", file.display());
        let certificates =
            CertificateDer::pem_file_iter(file).map_err(|error| Error::transport(&what, error))?;
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates.flatten());
        if store.is_empty() {
            return Err(Error::transport(&what, "there is no certificate in it"));
        }
        Ok(Self { roots: Some(Arc::new(store)), pins: Vec::new() })
    }

    /// Believes this certificate too, whoever signed it; at most 64 pins, the oldest goes first.
    pub fn pin(&mut self, sha256: [u8; 32]) {
        if !self.pins.contains(&sha256) {
            if self.pins.len() >= 64 {
                self.pins.remove(0);
            }
            self.pins.push(sha256);
        }
    }

    /// For one connection.
    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>, Error> {
        let provider = Arc::new(default_provider());
        let roots = match &self.roots {
            Some(roots) => Some(
                WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
                    .build()
                    .map_err(|error| Error::transport("the roots", error))?,
            ),
            None => None,
        };
        let verifier = Believe { pins: self.pins.clone(), roots, provider: provider.clone() };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::transport("TLS", error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

#[derive(Debug)]
struct Believe {
    pins: Vec<[u8; 32]>,
    roots: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Believe {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let print = ring::digest::digest(&ring::digest::SHA256, end_entity);
        if self.pins.iter().any(|pin| pin == print.as_ref()) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.roots {
            Some(roots) => {
                roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => {
                Err(rustls::Error::General("its certificate is not pinned, and there are no roots".into()))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
