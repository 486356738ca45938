//! Minting leaves: one per host name, when a client first asks for it, kept until half of its life has passed.
//!
//! Every leaf shares one key pair of the process, has an empty subject (a CN would be taken for a DNS name and trip the
//! constraints), its own random serial, and seven days to live. Minting is pure CPU, about 0.1 ms, so it runs where it is asked for.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use lru::LruCache;
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    SerialNumber,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};

use super::name::HostName;
use super::tls;
use crate::clock;

/// Why there is no certificate for a name. Cheap to clone: every client that waited for the name is told.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot mint a certificate for {name}: {reason}")]
pub struct MintError {
    /// The host asked for.
    pub name: HostName,
    /// Why not.
    pub reason: Arc<str>,
}

/// Makes leaves with an issuer, and remembers them.
pub struct Mint {
    issuer: Issuer<'static, KeyPair>,
    chain: Vec<CertificateDer<'static>>,
    key_pair: KeyPair,
    signing_key: Arc<dyn SigningKey>,
    leaves: Mutex<LruCache<HostName, Arc<Leaf>>>,
    minted: AtomicU64,
}

struct Leaf {
    renew_from: Timestamp,
    config: OnceLock<Result<Arc<ServerConfig>, MintError>>,
    prefers_http2: OnceLock<Arc<ServerConfig>>,
}

impl Mint {
    /// Leaves signed by `issuer`, sent together with `chain`.
    pub fn new(
        issuer: Issuer<'static, KeyPair>,
        chain: Vec<CertificateDer<'static>>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let key_pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let signing_key =
            tls::provider().key_provider.load_private_key(PrivateKeyDer::try_from(key_pair.serialize_der())?)?;
        let leaves = Mutex::new(LruCache::sparse(MOST_LEAVES));
        Ok(Self { issuer, chain, key_pair, signing_key, leaves, minted: AtomicU64::new(0) })
    }

    /// How to speak TLS as `name`, HTTP/2 preferred or HTTP/1.1. Minted once, however many ask at the same time.
    pub fn server_config(&self, name: &HostName, http2: bool) -> Result<Arc<ServerConfig>, MintError> {
        let leaf = self.leaf(name);
        let config = leaf.config.get_or_init(|| self.mint(name).map(Arc::new)).clone()?;
        if !http2 {
            return Ok(config);
        }
        Ok(Arc::clone(leaf.prefers_http2.get_or_init(|| Arc::new(tls::prefer_http2(&config)))))
    }

    /// How many leaves were made.
    pub fn minted(&self) -> u64 {
        self.minted.load(Ordering::Relaxed)
    }

    fn leaf(&self, name: &HostName) -> Arc<Leaf> {
        let now = clock::wall();
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves.get(name).filter(|leaf| now < leaf.renew_from) {
            return Arc::clone(leaf);
        }
        let renew_from = now.checked_add(HALF_LIFE).unwrap_or(Timestamp::MAX);
        let leaf = Arc::new(Leaf { renew_from, config: OnceLock::new(), prefers_http2: OnceLock::new() });
        leaves.put(name.clone(), Arc::clone(&leaf));
        leaf
    }

    fn mint(&self, name: &HostName) -> Result<ServerConfig, MintError> {
        self.minted.fetch_add(1, Ordering::Relaxed);
        let refused = |reason: String| MintError { name: name.clone(), reason: reason.into() };
        let params = leaf_params(name).map_err(|e| refused(e.to_string()))?;
        let certificate = params.signed_by(&self.key_pair, &self.issuer).map_err(|e| refused(e.to_string()))?;
        let mut chain = vec![certificate.der().clone()];
        chain.extend(self.chain.iter().cloned());
        tls::server_config(CertifiedKey::new(chain, Arc::clone(&self.signing_key))).map_err(|e| refused(e.to_string()))
    }
}

fn leaf_params(name: &HostName) -> Result<CertificateParams, Box<dyn std::error::Error>> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![match name {
        HostName::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
        HostName::Ip(ip) => SanType::IpAddress(*ip),
    }];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(random_serial()?);
    set_validity(&mut params, Span::new().days(7));
    Ok(params)
}

/// From the day before today (clocks differ) to `life` after it.
pub(super) fn set_validity(params: &mut CertificateParams, life: Span) {
    let today = clock::wall().to_zoned(TimeZone::UTC).date();
    let day =
        |date: Date| rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs());
    params.not_before = day(today.saturating_sub(Span::new().days(1)));
    params.not_after = day(today.saturating_add(life));
}

/// 16 random bytes, the top bit clear (a serial is a positive integer). rcgen's own default hashes the key, and one key signs for all
/// leaves: NSS refuses the second certificate with the same issuer and serial.
pub(super) fn random_serial() -> Result<SerialNumber, rustls::Error> {
    let mut serial = random_bytes()?;
    serial[0] &= 0x7f;
    Ok(SerialNumber::from_slice(&serial))
}

/// Bytes for names and serials; nothing that a run replays depends on them.
pub(super) fn random_bytes() -> Result<[u8; 16], rustls::Error> {
    let mut bytes = [0; 16];
    tls::provider().secure_random.fill(&mut bytes).map_err(|_| rustls::Error::FailedToGetRandomBytes)?;
    Ok(bytes)
}

/// Virtual-hosted buckets are names of their own: bounded, least recently used first to go.
const MOST_LEAVES: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// Of the seven days.
const HALF_LIFE: SignedDuration = SignedDuration::from_hours(84);
