//! The certificate authority that Squall speaks TLS with.
//!
//! A root whose key is thrown away at creation signs an intermediate, and the intermediate signs leaves ([`super::leaf`]). The
//! intermediate may only speak for the names it was made for: a name constraint in a trust anchor is ignored by Java, one in an
//! intermediate by nobody we know. So a stolen key is worth little, and clients need to trust the root alone.
//!
//! [`CertificateAuthority::create`] makes one in memory, [`CertificateAuthority::open`] keeps one in a directory,
//! [`CertificateAuthority::from_files`] takes the user's own. It never reissues silently: a stored authority that may not speak for a
//! name that is wanted is an error.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Span;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CidrSubnet, DistinguishedName, DnType, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::leaf::{self, Mint, MintError};
use super::name::{HostName, Permitted};
use super::tls;

/// Why there is no certificate authority.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory that cannot be used.
    #[error("cannot use {path} for the certificate authority")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A key that others can read is not a secret.
    #[error("{path} can be read by other users (mode {mode:03o}); run `chmod 600 {path}`")]
    KeyIsNotPrivate {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A certificate or key that cannot be used.
    #[error("{path} cannot be used as a certificate authority: {reason}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A stored authority that may not speak for a wanted name.
    #[error(
        "the certificate authority in {dir} may not speak for {name}: its names are fixed when it is made; \
         move {dir} away, start again to make a new one, and trust the new ca.pem"
    )]
    NotPermitted {
        /// Where it is kept.
        dir: PathBuf,
        /// The first name it does not cover.
        name: String,
    },
    /// Certificates could not be made.
    #[error("cannot make a certificate authority: {0}")]
    Creation(Box<dyn std::error::Error + Send + Sync>),
    /// A certificate file is no certificate file.
    #[error(transparent)]
    Tls(#[from] tls::Error),
}

/// Signs leaves, within its bounds.
pub struct CertificateAuthority {
    mint: Mint,
    /// `None`: the user's own authority, whose constraints are the verifiers' business.
    permitted: Option<Permitted>,
    trust_anchor: String,
}

/// A new authority's parts as PEM; of the root's key nothing is left.
struct Created {
    root: String,
    intermediate: String,
    key: KeyPair,
}

impl CertificateAuthority {
    /// A new authority that lives in memory only.
    pub fn create(permitted: Permitted) -> Result<Self, Error> {
        Self::assemble(create(&permitted)?, permitted)
    }

    /// The authority kept in `dir`; made there if there is none. It must be allowed to speak for all of `wanted`.
    pub fn open(dir: &Path, wanted: Permitted) -> Result<Self, Error> {
        if !dir.join(INTERMEDIATE).exists() {
            let created = create(&wanted)?;
            store(dir, &created)?;
            return Self::assemble(created, wanted);
        }
        let (created, permitted) = load(dir)?;
        match first_missing(&permitted, &wanted) {
            Some(name) => Err(Error::NotPermitted { dir: dir.to_owned(), name }),
            None => Self::assemble(created, permitted),
        }
    }

    /// The user's own authority, from PEM files.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let key = read_key(key)?;
        let chain = tls::certificates(certificate)?;
        let unusable = |reason: String| Error::Unusable { path: certificate.to_owned(), reason };
        let (_, parsed) = X509Certificate::from_der(&chain[0]).map_err(|e| unusable(e.to_string()))?;
        if !parsed.is_ca() {
            return Err(unusable("it lacks basicConstraints CA:TRUE".to_owned()));
        }
        let is_root = parsed.issuer() == parsed.subject();
        let issuer = Issuer::from_ca_cert_der(&chain[0], key).map_err(|e| unusable(e.to_string()))?;
        let sent = if is_root { Vec::new() } else { chain.clone() };
        let trust_anchor = read(certificate)?;
        Ok(Self { mint: Mint::new(issuer, sent).map_err(Error::Creation)?, permitted: None, trust_anchor })
    }

    /// How to speak TLS as `name`, if this authority may: HTTP/2 preferred, or HTTP/1.1.
    pub fn server_config(&self, name: &HostName, http2: bool) -> Result<Arc<ServerConfig>, MintError> {
        if !self.permits(name) {
            let reason = "it lies outside the names this certificate authority was made for; list it with --intercept";
            return Err(MintError { name: name.clone(), reason: reason.into() });
        }
        self.mint.server_config(name, http2)
    }

    /// Whether verifiers would believe us as `name`.
    pub fn permits(&self, name: &HostName) -> bool {
        self.permitted.as_ref().is_none_or(|permitted| permitted.allows(name))
    }

    /// The names it may speak for, as people write them; `None`: its own constraints say.
    pub fn names(&self) -> Option<Vec<String>> {
        let permitted = self.permitted.as_ref()?;
        let blocks = permitted.ip.iter().map(|(ip, bits)| format!("{ip}/{bits}"));
        Some(permitted.dns.iter().cloned().chain(blocks).collect())
    }

    /// The certificate that clients must trust, as PEM.
    pub fn trust_anchor(&self) -> &str {
        &self.trust_anchor
    }

    /// How many leaves were minted.
    pub fn minted(&self) -> u64 {
        self.mint.minted()
    }

    fn assemble(created: Created, permitted: Permitted) -> Result<Self, Error> {
        let intermediate = pem_certificate(&created.intermediate)?;
        let issuer = Issuer::from_ca_cert_der(&intermediate, created.key).map_err(creation)?;
        let mint = Mint::new(issuer, vec![intermediate]).map_err(Error::Creation)?;
        Ok(Self { mint, permitted: Some(permitted), trust_anchor: created.root })
    }
}

/// Root, intermediate and the intermediate's key. The root's key ends with this function.
fn create(permitted: &Permitted) -> Result<Created, Error> {
    let key_pair = || KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(creation);
    let mark = leaf::random_bytes().map_err(creation)?.iter().take(4).map(|b| format!("{b:02x}")).collect::<String>();
    let root =
        CertifiedIssuer::self_signed(ca_params(&format!("Squall root {mark}"), 1)?, key_pair()?).map_err(creation)?;
    let mut params = ca_params(&format!("Squall {mark}"), 0)?;
    params.use_authority_key_identifier_extension = true;
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees: subtrees(permitted), excluded_subtrees: Vec::new() });
    let key = key_pair()?;
    let intermediate = params.signed_by(&key, &root).map_err(creation)?;
    Ok(Created { root: root.pem(), intermediate: intermediate.pem(), key })
}

fn ca_params(common_name: &str, path_length: u8) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(leaf::random_serial().map_err(creation)?);
    leaf::set_validity(&mut params, Span::new().years(10));
    Ok(params)
}

fn subtrees(permitted: &Permitted) -> Vec<GeneralSubtree> {
    let dns = permitted.dns.iter().map(|name| GeneralSubtree::DnsName(name.clone()));
    let ip = permitted.ip.iter().map(|(ip, bits)| GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*ip, *bits)));
    dns.chain(ip).collect()
}

/// The first name that is wanted and not permitted.
fn first_missing(permitted: &Permitted, wanted: &Permitted) -> Option<String> {
    let dns = wanted.dns.iter().find(|name| !permitted.allows(&HostName::Dns((*name).clone())));
    dns.cloned().or_else(|| {
        let ip = wanted.ip.iter().find(|(ip, _)| !permitted.allows(&HostName::Ip(*ip)));
        ip.map(|(ip, bits)| format!("{ip}/{bits}"))
    })
}

fn store(dir: &Path, created: &Created) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed(dir))?;
    let write = |name: &str, mode: u32, text: &str| {
        let path = dir.join(name);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&path);
        file.and_then(|mut file: File| file.write_all(text.as_bytes())).map_err(failed(&path))
    };
    // The intermediate goes last: its presence says that the rest is whole.
    write(KEY, 0o600, &created.key.serialize_pem())?;
    write(TRUST_ANCHOR, 0o644, &created.root)?;
    write(INTERMEDIATE, 0o644, &created.intermediate)
}

fn load(dir: &Path) -> Result<(Created, Permitted), Error> {
    let key_path = dir.join(KEY);
    let mode =
        fs::metadata(&key_path).map_err(|source| Error::Io { path: key_path.clone(), source })?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Error::KeyIsNotPrivate { path: key_path, mode: mode & 0o777 });
    }
    let path = dir.join(INTERMEDIATE);
    let intermediate = read(&path)?;
    let der = pem_certificate(&intermediate)?;
    let unusable = |reason: String| Error::Unusable { path: path.clone(), reason };
    let (_, parsed) = X509Certificate::from_der(&der).map_err(|e| unusable(e.to_string()))?;
    let constraints = parsed.name_constraints().map_err(|e| unusable(e.to_string()))?;
    let constraints = constraints.ok_or_else(|| unusable("it has no name constraints".to_owned()))?;
    let permitted = Permitted::from_constraints(constraints.value);
    Ok((Created { root: read(&dir.join(TRUST_ANCHOR))?, intermediate, key: read_key(&key_path)? }, permitted))
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Io { path: path.to_owned(), source })
}

fn read_key(path: &Path) -> Result<KeyPair, Error> {
    KeyPair::from_pem(&read(path)?).map_err(|e| Error::Unusable { path: path.to_owned(), reason: e.to_string() })
}

fn pem_certificate(pem: &str) -> Result<CertificateDer<'static>, Error> {
    rustls::pki_types::pem::PemObject::from_pem_slice(pem.as_bytes()).map_err(creation)
}

fn creation(e: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Creation(Box::new(e))
}

/// What clients trust.
pub const TRUST_ANCHOR: &str = "ca.pem";
const INTERMEDIATE: &str = "intermediate.pem";
const KEY: &str = "intermediate.key";

#[cfg(test)]
mod tests {
    use super::*;

    fn aws() -> Permitted {
        Permitted::with_loopback(["amazonaws.com"])
    }

    #[test]
    fn one_leaf_is_minted_however_many_ask_at_once() {
        let authority = CertificateAuthority::create(aws()).unwrap();
        let name = HostName::parse("s3.amazonaws.com");
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| authority.server_config(&name, false).unwrap());
            }
        });
        assert_eq!(authority.minted(), 1);
        authority.server_config(&HostName::parse("127.0.0.1"), false).unwrap();
        assert_eq!(authority.minted(), 2);
    }

    #[test]
    fn names_outside_its_bounds_are_refused_with_a_sentence() {
        let authority = CertificateAuthority::create(aws()).unwrap();
        let error = authority.server_config(&HostName::parse("evil.example.com"), false).unwrap_err();
        assert!(error.to_string().contains("evil.example.com") && error.to_string().contains("--intercept"), "{error}");
        assert_eq!(authority.minted(), 0);
    }

    #[test]
    fn a_stored_authority_is_used_again_and_its_key_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = CertificateAuthority::open(dir.path(), aws()).unwrap();
        let again = CertificateAuthority::open(dir.path(), aws()).unwrap();
        assert_eq!(first.trust_anchor(), again.trust_anchor());
        let key = dir.path().join(KEY);
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            CertificateAuthority::open(dir.path(), aws()),
            Err(Error::KeyIsNotPrivate { mode: 0o644, .. })
        ));
    }

    #[test]
    fn a_stored_authority_that_lacks_a_wanted_name_is_an_error_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        CertificateAuthority::open(dir.path(), aws()).unwrap();
        let before = fs::read(dir.path().join(INTERMEDIATE)).unwrap();
        let mut wanted = aws();
        wanted.add("emulator.internal");
        let error = CertificateAuthority::open(dir.path(), wanted).err().unwrap();
        assert!(error.to_string().contains("emulator.internal"), "{error}");
        assert_eq!(fs::read(dir.path().join(INTERMEDIATE)).unwrap(), before);
    }
}
