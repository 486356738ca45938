//! Certificates in the forms that trust stores take: PEM, DER, PKCS #12, Java's key store, OpenSSL's trusted certificate.

use anyhow::{Context as _, Result};
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sha1::{Digest as _, Sha1};
use x509_parser::prelude::{AttributeTypeAndValue, FromDer as _, X509Certificate};

use crate::clock;

/// As text.
pub fn pem(certificates: &[CertificateDer<'_>]) -> String {
    certificates.iter().map(|certificate| block("CERTIFICATE", certificate.as_ref())).collect()
}

/// OpenSSL's form of a certificate that is trusted, and for what: here for servers alone. p11-kit and `update-ca-trust` take it too.
pub fn trusted(certificate: &CertificateDer<'_>) -> String {
    block("TRUSTED CERTIFICATE", &[certificate.as_ref(), FOR_SERVERS].concat())
}

/// The first certificate in a text of PEM.
pub fn first_certificate(pem: &str) -> Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).context("the certificate authority is no PEM")
}

/// The hash by which OpenSSL finds a certificate in a directory: of its subject, in capitals or not, with blanks or without.
pub fn subject_hash(certificate: &CertificateDer<'_>) -> Result<u32> {
    let (_, read) = X509Certificate::from_der(certificate.as_ref()).context("a certificate cannot be read")?;
    let mut canonical = Vec::new();
    for name in read.subject().iter_rdn() {
        let attributes = name.iter().map(canonical_attribute).collect::<Vec<_>>().concat();
        canonical.extend(tagged(DER_SET, &attributes));
    }
    let digest = Sha1::digest(canonical);
    Ok(u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]))
}

fn canonical_attribute(attribute: &AttributeTypeAndValue<'_>) -> Vec<u8> {
    let text = String::from_utf8_lossy(attribute.attr_value().data);
    let text = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
    let kind = tagged(DER_OID, attribute.attr_type().as_bytes());
    tagged(DER_SEQUENCE, &[kind, tagged(DER_UTF8, text.as_bytes())].concat())
}

/// Of what is shorter than 128 bytes, as names are: longer ones are found by their bundles.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    [&[tag, length], content].concat()
}

/// A trust store in PKCS #12, which Java takes for one by an attribute of each certificate.
pub fn pkcs12(certificates: &[CertificateDer<'_>], password: &str) -> Result<Vec<u8>> {
    let mut store = KeyStore::new();
    for (n, certificate) in certificates.iter().enumerate() {
        let certificate = Certificate::from_der(certificate.as_ref()).context("a certificate cannot be read")?;
        store.add_entry(&alias(n), KeyStoreEntry::Certificate(certificate));
    }
    store.writer(password).write().context("cannot write PKCS #12")
}

/// A trust store in Java's own form (JKS, version 2), which every JVM reads.
pub fn jks(certificates: &[CertificateDer<'_>], password: &str) -> Vec<u8> {
    let mut store = Vec::new();
    let count = u32::try_from(certificates.len()).unwrap_or(u32::MAX);
    for word in [JKS_MAGIC, JKS_VERSION, count] {
        store.extend(word.to_be_bytes());
    }
    let now = clock::wall().as_millisecond().to_be_bytes();
    for (n, certificate) in certificates.iter().enumerate() {
        store.extend(JKS_TRUSTED.to_be_bytes());
        text(&mut store, &alias(n));
        store.extend(now);
        text(&mut store, "X.509");
        store.extend(u32::try_from(certificate.as_ref().len()).unwrap_or(u32::MAX).to_be_bytes());
        store.extend_from_slice(certificate.as_ref());
    }
    let password = password.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    let digest = Sha1::new().chain_update(password).chain_update(JKS_SALT).chain_update(&store).finalize();
    store.extend_from_slice(&digest);
    store
}

fn text(store: &mut Vec<u8>, text: &str) {
    store.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    store.extend_from_slice(text.as_bytes());
}

fn block(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}

/// Ours comes first.
fn alias(n: usize) -> String {
    if n == 0 { "squall".to_owned() } else { format!("root-{n}") }
}

/// `X509_CERT_AUX` of OpenSSL: a sequence of a sequence of uses, here id-kp-serverAuth.
const FOR_SERVERS: &[u8] = b"\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01";
const DER_OID: u8 = 0x06;
const DER_UTF8: u8 = 0x0c;
const DER_SEQUENCE: u8 = 0x30;
const DER_SET: u8 = 0x31;
const JKS_MAGIC: u32 = 0xfeed_feed;
const JKS_VERSION: u32 = 2;
const JKS_TRUSTED: u32 = 2;
/// `sun.security.provider.JavaKeyStore` mixes it into its digest.
const JKS_SALT: &[u8] = b"Mighty Aphrodite";
/// What Java's trust stores have by custom; there is no secret in them.
pub const CUSTOMARY_PASSWORD: &str = "changeit";

#[cfg(test)]
pub(super) mod tests {
    use std::process::Command;

    use super::*;
    use crate::net::authority::CertificateAuthority;
    use crate::net::name::Permitted;

    /// A trust anchor in PEM.
    pub(in super::super) fn own() -> String {
        let authority = CertificateAuthority::create(Permitted::with_loopback(["amazonaws.com"])).unwrap();
        authority.trust_anchor().to_owned()
    }

    fn ours() -> Vec<CertificateDer<'static>> {
        vec![first_certificate(&own()).unwrap()]
    }

    #[test]
    fn the_hash_of_a_subject_is_openssls() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let own = own();
        std::fs::write(&file, &own).unwrap();
        let asked = Command::new("openssl").args(["x509", "-noout", "-subject_hash", "-in"]).arg(&file).output();
        let Ok(asked) = asked else { return println!("skipped: there is no openssl to ask") };
        let hash = subject_hash(&first_certificate(&own).unwrap()).unwrap();
        assert_eq!(String::from_utf8_lossy(&asked.stdout).trim(), format!("{hash:08x}"));
    }

    #[test]
    fn pkcs12_is_read_back_as_a_trust_store_of_one() {
        let written = pkcs12(&ours(), CUSTOMARY_PASSWORD).unwrap();
        let read =
            KeyStore::from_pkcs12(&written, CUSTOMARY_PASSWORD, p12_keystore::Pkcs12ImportPolicy::Strict).unwrap();
        assert!(matches!(read.entry("squall"), Some(KeyStoreEntry::Certificate(_))));
    }

    #[test]
    fn java_and_openssl_read_what_is_written_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let certificates = ours();
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let jks = write("trust.jks", &jks(&certificates, CUSTOMARY_PASSWORD));
        let p12 = write("trust.p12", &pkcs12(&certificates, CUSTOMARY_PASSWORD).unwrap());
        let trusted = write("trusted.pem", trusted(&certificates[0]).as_bytes());
        for store in [&jks, &p12] {
            let mut keytool = Command::new("keytool");
            keytool.args(["-list", "-storepass", CUSTOMARY_PASSWORD, "-keystore"]).arg(store);
            let Ok(listed) = keytool.output() else { return println!("skipped: there is no keytool to ask") };
            let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
            assert!(listed.contains("squall") && listed.contains("trustedCertEntry"), "{}: {listed}", store.display());
        }
        let Ok(shown) = Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(&trusted).output() else {
            return println!("skipped: there is no openssl to ask");
        };
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains("Trusted Uses:") && shown.contains("TLS Web Server Authentication"), "{shown}");
    }
}
