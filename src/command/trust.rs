//! The files that programs are pointed at so that they trust Squall's certificate authority, and reach it where variables do not lead.
//!
//! One directory holds them: for `squall run` one that goes with it, for `squall env` the authority's own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::environment;
use super::hints::Inherited;
use super::keystore::{self, CUSTOMARY_PASSWORD};
use super::told;
use crate::aws::partition;
use crate::net::tls;

/// Where they are.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Our root alone, in PEM.
    pub own: PathBuf,
    /// All roots that were trusted before, and ours.
    pub bundle: PathBuf,
    /// The same for Java.
    pub java: PathBuf,
    /// What node loads before a program.
    pub node: PathBuf,
    /// A folder with settings for PHP.
    pub php: PathBuf,
}

impl Trust {
    /// Writes them into `dir`. `proxy` is the URL that node's file leads to, `intercept` the hosts beside AWS's that it leads there.
    pub fn write(
        dir: &Path,
        trust_anchor: &str,
        proxy: &str,
        intercept: &[String],
        inherited: &Inherited,
    ) -> Result<Self> {
        let trust = Self {
            own: dir.join("ca.pem"),
            bundle: dir.join("bundle.pem"),
            java: dir.join("trust.jks"),
            node: dir.join("preload.cjs"),
            php: dir.join("php"),
        };
        let own =
            CertificateDer::from_pem_slice(trust_anchor.as_bytes()).context("the certificate authority is no PEM")?;
        let before = trusted_before(inherited).into_iter().filter(|root| *root != own);
        let all: Vec<_> = std::iter::once(own.clone()).chain(before).collect();
        write(&trust.own, trust_anchor)?;
        write(&trust.bundle, keystore::pem(&all))?;
        write(&trust.java, keystore::jks(&all, CUSTOMARY_PASSWORD))?;
        write(&trust.node, preload(proxy, intercept))?;
        fs::create_dir_all(&trust.php).with_context(|| format!("cannot make {}", trust.php.display()))?;
        let bundle = trust.bundle.display();
        write(&trust.php.join("squall.ini"), format!("curl.cainfo=\"{bundle}\"\nopenssl.cafile=\"{bundle}\"\n"))?;
        Ok(trust)
    }

    /// The same files, of which somebody finds in `seen` what is in `dir`.
    pub fn moved(self, dir: &Path, seen: &Path) -> Self {
        let moved = |file: PathBuf| file.strip_prefix(dir).map_or_else(|_| file.clone(), |rest| seen.join(rest));
        let Self { own, bundle, java, node, php } = self;
        Self { own: moved(own), bundle: moved(bundle), java: moved(java), node: moved(node), php: moved(php) }
    }
}

fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

/// The system's roots and the bundles the program was given.
fn trusted_before(inherited: &Inherited) -> Vec<CertificateDer<'static>> {
    let mut roots = tls::system_roots();
    for file in environment::inherited_bundles(|name| inherited.value(name)) {
        match tls::certificates(&file) {
            Ok(more) => roots.extend(more),
            Err(e) => told::line(&format!("left out of what the program trusts: {:#}", anyhow::Error::from(e))),
        }
    }
    roots.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
    roots.dedup();
    roots
}

/// node's file, with what it must know written into it.
fn preload(proxy: &str, intercept: &[String]) -> String {
    let (host, port) = proxy.trim_start_matches("http://").rsplit_once(':').unwrap_or((proxy, "80"));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let intercepted = intercept.iter().map(|host| host.strip_prefix("*.").unwrap_or(host));
    let names: Vec<_> = partition::dns_suffixes().iter().copied().chain(intercepted).collect();
    let proxy = serde_json::json!({"host": host, "port": port.parse::<u16>().unwrap_or(80)});
    PRELOAD.replace("__PROXY__", &proxy.to_string()).replace("__NAMES__", &serde_json::json!(names).to_string())
}

const PRELOAD: &str = include_str!("preload.cjs");
