//! Certificates from files or made at start.
//!
//! ring is the only provider of cryptography in the program; [`provider`] installs it once.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use ring::digest;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a listener needs to speak TLS.
#[derive(Debug, Clone)]
pub struct Tls {
    /// TLS 1.2 and 1.3, no client certificates, ALPN `http/1.1`.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the first certificate, as peers pin it.
    pub fingerprint: [u8; 32],
}

/// Installs ring as the process's provider; further calls do nothing.
pub fn provider() {
    // It fails only if one is installed already, which is then this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Reads a certificate chain and its key, both PEM.
///
/// # Errors
/// If a file is missing, is no PEM, the key does not fit, or others may read the key.
pub fn load(certificate: &Path, key: &Path) -> anyhow::Result<Tls> {
    let (chain, secret) = read(certificate, key)?;
    server(chain, secret).with_context(|| format!("«{}» and «{}»", certificate.display(), key.display()))
}

type Chain = Vec<CertificateDer<'static>>;

fn read(certificate: &Path, key: &Path) -> anyhow::Result<(Chain, PrivateKeyDer<'static>)> {
    private(key)?;
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("the certificate «{}» cannot be read", certificate.display()))?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("the key «{}» cannot be read", key.display()))?;
    Ok((chain, secret))
}

/// The certificate `<folder>/tls.pem` with its key `<folder>/tls.key`, made for `names` (hosts and
/// addresses) if they are not there yet.
///
/// # Errors
/// If the folder cannot be written, or what lies there cannot be used.
pub fn load_or_make(folder: &Path, names: &[String]) -> anyhow::Result<Tls> {
    let (certificate, key) = (folder.join("tls.pem"), folder.join("tls.key"));
    if !certificate.exists() || !key.exists() {
        let (made, secret) = self_signed(names)?;
        std::fs::create_dir_all(folder).with_context(|| format!("the folder «{}»", folder.display()))?;
        write_private(&key, secret.serialize_pem().as_bytes())?;
        std::fs::write(&certificate, made.pem()).with_context(|| format!("«{}»", certificate.display()))?;
    }
    load(&certificate, &key)
}

/// A certificate that lives as long as the process: its peers are told the fingerprint.
///
/// # Errors
/// If a name cannot stand in a certificate.
pub fn make(names: &[String]) -> anyhow::Result<Tls> {
    let (made, secret) = self_signed(names)?;
    let secret = PrivateKeyDer::try_from(secret.serialize_der()).map_err(anyhow::Error::msg)?;
    server(vec![made.der().clone()], secret)
}

/// What a QUIC port needs.
pub struct ForQuic {
    /// TLS 1.3 alone, no early data, ALPN `h3`.
    pub config: ServerConfig,
    /// SHA-256 of the first certificate.
    pub fingerprint: [u8; 32],
}

/// A made certificate for a QUIC port, valid between two moments of Unix time; ECDSA P-256.
///
/// # Errors
/// If a name cannot stand in a certificate.
pub fn make_for_quic(names: &[String], from: Duration, until: Duration) -> anyhow::Result<ForQuic> {
    let mut params = params(names)?;
    let began = rcgen::date_time_ymd(1970, 1, 1);
    (params.not_before, params.not_after) = (began + from, began + until);
    let secret = KeyPair::generate().context("a key could not be made")?;
    let made = params.self_signed(&secret).context("a certificate could not be made")?;
    let secret = PrivateKeyDer::try_from(secret.serialize_der()).map_err(anyhow::Error::msg)?;
    for_quic(vec![made.der().clone()], secret)
}

/// The certificate of files for a QUIC port, as [`load`].
///
/// # Errors
/// As [`load`].
pub fn load_for_quic(certificate: &Path, key: &Path) -> anyhow::Result<ForQuic> {
    let (chain, secret) = read(certificate, key)?;
    for_quic(chain, secret).with_context(|| format!("«{}» and «{}»", certificate.display(), key.display()))
}

fn for_quic(chain: Chain, key: PrivateKeyDer<'static>) -> anyhow::Result<ForQuic> {
    provider();
    let fingerprint = fingerprint(&chain)?;
    let mut config = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and its key do not fit together")?;
    config.alpn_protocols = vec![b"h3".to_vec()];
    Ok(ForQuic { config, fingerprint })
}

/// Writes a file that only its owner may read; an existing one is replaced as a whole.
///
/// # Errors
/// If the folder cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let what = || format!("«{}» cannot be written", path.display());
    let fresh = path.with_extension("new");
    let _ = std::fs::remove_file(&fresh);
    let mut file =
        std::fs::File::options().write(true).create_new(true).mode(0o600).open(&fresh).with_context(what)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(what)?;
    std::fs::rename(&fresh, path).with_context(what)
}

/// Refuses a secret that others may read.
///
/// # Errors
/// If the file is missing, or its rights are too wide.
pub fn private(path: &Path) -> anyhow::Result<()> {
    let found = std::fs::metadata(path).with_context(|| format!("«{}» cannot be read", path.display()))?;
    if found.permissions().mode() & 0o077 != 0 {
        bail!("others may read the key «{}»: chmod 600 {}", path.display(), path.display());
    }
    Ok(())
}

fn params(names: &[String]) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(names).context("a name cannot stand in a certificate")?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "pangea");
    Ok(params)
}

fn self_signed(names: &[String]) -> anyhow::Result<(rcgen::Certificate, KeyPair)> {
    let params = params(names)?;
    let secret = KeyPair::generate().context("a key could not be made")?;
    let made = params.self_signed(&secret).context("a certificate could not be made")?;
    Ok((made, secret))
}

fn fingerprint(chain: &Chain) -> anyhow::Result<[u8; 32]> {
    let first = chain.first().context("the certificate file holds no certificate")?;
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest::digest(&digest::SHA256, first).as_ref());
    Ok(fingerprint)
}

fn server(chain: Chain, key: PrivateKeyDer<'static>) -> anyhow::Result<Tls> {
    provider();
    let fingerprint = fingerprint(&chain)?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and its key do not fit together")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls { config: Arc::new(config), fingerprint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_certificate_is_kept_and_its_key_is_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let first = load_or_make(folder.path(), &names).expect("it is made");
        let again = load_or_make(folder.path(), &names).expect("it is read");
        assert_eq!(first.fingerprint, again.fingerprint);
        assert_ne!(first.fingerprint, make(&names).expect("another").fingerprint);
        let key = folder.path().join("tls.key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("rights");
        let error = load_or_make(folder.path(), &names).expect_err("others may read it").to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        for folder in [&one, &two] {
            load_or_make(folder.path(), &["localhost".to_owned()]).expect("it is made");
        }
        assert!(load(&one.path().join("tls.pem"), &two.path().join("tls.key")).is_err());
        std::fs::write(one.path().join("tls.pem"), "no certificate").expect("a file");
        assert!(load(&one.path().join("tls.pem"), &one.path().join("tls.key")).is_err());
    }
}
