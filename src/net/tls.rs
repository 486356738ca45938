//! TLS in both directions: the one place that names the crypto provider.
//!
//! Towards clients a [`ServerConfig`] per minted leaf, towards the upstream one [`ClientConfig`] that always verifies: against the
//! system's roots and what the user added, never against nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CipherSuite, ClientConfig, RootCertStore, ServerConfig};

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of certificates that cannot be read as such.
    #[error("cannot read certificates from {path}; give a PEM file with at least one certificate")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What the PEM reader said.
        source: rustls::pki_types::pem::Error,
    },
    /// A file without a certificate in it.
    #[error("{path} holds no certificate; give a PEM file with at least one")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// rustls refused the configuration.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// The crypto provider of everything TLS here. AES-128 comes before AES-256, as in the policies of AWS's load balancers ("Security policies
/// for your Application Load Balancer"): it takes ten rounds a block instead of fourteen, and its handshakes hash with SHA-256, for which
/// CPUs have instructions.
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites.sort_by_key(|suite| (suite.tls13().is_none(), !is_aes_128(suite.suite())));
        Arc::new(provider)
    });
    &PROVIDER
}

fn is_aes_128(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

/// How we answer clients that want this leaf's name. The first suite of ours that they have is taken, as by those load balancers.
pub fn server_config(leaf: CertifiedKey) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(leaf)));
    config.alpn_protocols = vec![HTTP1.to_vec(), HTTP2.to_vec()];
    config.ignore_client_order = true;
    Ok(config)
}

/// The same, for clients whose far end speaks HTTP/2: that is then preferred. Either way a client that offers one version only gets it.
pub fn prefer_http2(config: &ServerConfig) -> ServerConfig {
    let mut config = config.clone();
    config.alpn_protocols.reverse();
    config
}

/// How we speak to upstreams: verified against `roots`. HTTP/1.1 is offered alone.
pub fn client_config(roots: RootCertStore) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP1.to_vec()];
    Ok(config)
}

/// The same, offering HTTP/2 first.
pub fn offer_http2(config: &ClientConfig) -> ClientConfig {
    let mut config = config.clone();
    config.alpn_protocols.insert(0, HTTP2.to_vec());
    config
}

/// Whether a handshake came to HTTP/2.
pub fn is_http2(connection: &rustls::CommonState) -> bool {
    connection.alpn_protocol() == Some(HTTP2)
}

/// The system's root certificates; `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured. Reads files.
pub fn system_roots() -> Vec<CertificateDer<'static>> {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!("some system root certificates cannot be read: {error}");
    }
    native.certs
}

/// A store of `roots`; what rustls cannot use as a trust anchor (there are such in every system bundle) is left out.
pub fn root_store(roots: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    let (_, unusable) = store.add_parsable_certificates(roots);
    if unusable > 0 {
        tracing::debug!("{unusable} root certificates are of no use to rustls and were left out");
    }
    store
}

/// All certificates of a PEM file; at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unreadable = |source| Error::Certificates { path: path.to_owned(), source };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect();
    let found = found.map_err(unreadable)?;
    if found.is_empty() { Err(Error::NoCertificate { path: path.to_owned() }) } else { Ok(found) }
}

const HTTP1: &[u8] = b"http/1.1";
/// ALPN's name of it.
pub const HTTP2: &[u8] = b"h2";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aes_128_comes_first_in_both_versions_and_no_suite_is_lost() {
        let suites: Vec<_> = provider().cipher_suites.iter().map(|suite| suite.suite()).collect();
        let of_version = |tls13: bool| {
            let mut suites = provider().cipher_suites.iter().filter(move |suite| suite.tls13().is_some() == tls13);
            suites.next().map(|suite| is_aes_128(suite.suite()))
        };
        assert_eq!((of_version(true), of_version(false)), (Some(true), Some(true)), "{suites:?}");
        assert_eq!(suites.len(), aws_lc_rs::default_provider().cipher_suites.len());
    }
}
