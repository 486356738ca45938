//! Process settings: what the flags and environment come to once files are read and defaults filled in.
//!
//! [`Settings::resolve`] reads what the command line names (profiles, certificates) and decides every default, so that what starts
//! later can no longer fail for a word the user wrote.

pub mod file;

use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use rustls_pki_types::CertificateDer;

use crate::aws::catalog::Service;
use crate::aws::partition;
use crate::cli::{Place, ProxyArgs, Upstreamed};
use crate::ledger::Ledger;
use crate::net::authority::CertificateAuthority;
use crate::net::connect::Roots;
use crate::net::dial::Dialer;
use crate::net::limits::Limits;
use crate::net::listen::Door;
use crate::net::name::Permitted;
use crate::net::target::Target;
use crate::net::tls;
use crate::net::upstream::Upstream;
use crate::net::via::Via;
use crate::profile::load::{self, Source};
use crate::profile::plan::Plan;
use crate::proxy::destination::Destinations;
use crate::proxy::identity::Identity;

/// Everything a proxy is started with.
pub struct Settings {
    /// Where to listen.
    pub listen: Listen,
    /// What should happen.
    pub plan: Plan,
    /// The profiles it was made from.
    pub sources: Vec<Source>,
    /// Signs for the names we terminate.
    pub authority: CertificateAuthority,
    /// Where the authority is kept, if on disk.
    pub ca_dir: Option<PathBuf>,
    /// Hosts beside AWS's to terminate.
    pub intercept: Permitted,
    /// Bounds on connections.
    pub limits: Limits,
    /// The way upstream.
    pub upstream: Upstream,
    /// Where what is for AWS goes, if not where it says.
    pub destinations: Destinations,
    /// What Squall itself stands in for.
    pub stand_ins: Vec<&'static Service>,
    /// Whom we sign as where a host had to change.
    pub identity: Identity,
    /// Where exchanges are noted.
    pub ledger: Ledger,
    /// Where the summary goes.
    pub summary: Option<PathBuf>,
    /// Whether injected answers are marked.
    pub marked: bool,
    /// What is doubtful in the profiles, to be shown to the user.
    pub warnings: Vec<String>,
}

/// Which addresses to listen on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    /// The default ones; IPv6 only where the machine has it.
    Default {
        /// Whether any free port will do if the usual one is taken.
        or_free_port: bool,
    },
    /// Exactly these.
    Exactly(Vec<Door>),
}

impl Listen {
    /// Whether this is ourselves: a shell that leads its programs through Squall leads Squall there too.
    fn includes(&self, proxy: &Target) -> bool {
        let is_here = proxy.host == "localhost" || proxy.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        is_here
            && match self {
                Self::Default { .. } => proxy.port == DEFAULT_PORT,
                Self::Exactly(places) => places.iter().any(|place| place.address.port() == proxy.port),
            }
    }
}

/// Where the certificate authority lives unless the user says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keep {
    /// In memory: it ends with the process.
    InMemory,
    /// In the user's data directory.
    OnDisk,
}

impl Settings {
    /// Reads and checks everything `args` names.
    pub fn resolve(args: &ProxyArgs, keep: Keep) -> Result<Self> {
        let (plan, sources, warnings) = load_plan(&args.profile, args.seed)?;
        let mut intercept = Permitted::default();
        for host in &args.intercept {
            intercept.add(host);
        }
        let mut extra_roots = Vec::new();
        for path in &args.upstream_ca {
            extra_roots.extend(tls::certificates(path).context("--upstream-ca")?);
        }
        let (authority, ca_dir) = authority(args, keep)?;
        let listen = match args.listen.as_slice() {
            [] => Listen::Default { or_free_port: keep == Keep::InMemory },
            given => Listen::Exactly(given.to_vec()),
        };
        let limits = Limits::from(args.limits);
        let roots = Roots::SystemAnd(extra_roots);
        let via = via(args.via.as_deref(), &roots)?.filter(|via| !listen.includes(via.proxy()));
        let dialer = Dialer::new(args.resolve.iter().cloned()).within(limits.connect).through(via);
        let dialer = dialer
            .marking(args.mark)
            .context("--mark needs the capability CAP_NET_ADMIN; exempt Squall by its uid instead")?;
        Ok(Self {
            listen,
            plan,
            sources,
            authority,
            ca_dir,
            intercept,
            limits,
            upstream: Upstream::new(dialer, roots),
            destinations: destinations(&args.upstream)?,
            stand_ins: stand_ins(&args.upstream),
            identity: Identity::chain(),
            ledger: Ledger::open(args.ledger.as_deref()).context("--ledger")?,
            summary: args.summary.clone(),
            marked: !args.unmarked,
            warnings,
        })
    }

    /// A proxy of this process's own use: in front of `emulator`, which `roots` vouch for, on a free port, with nothing kept.
    pub fn for_emulator(plan: Plan, emulator: Target, roots: Vec<CertificateDer<'static>>) -> Result<Self> {
        Ok(Self {
            listen: Listen::Exactly(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()]),
            plan,
            sources: Vec::new(),
            authority: CertificateAuthority::create(permitted(&[]))?,
            ca_dir: None,
            intercept: Permitted::default(),
            limits: Limits::default(),
            upstream: Upstream::new(Dialer::default(), Roots::Only(roots)),
            destinations: Destinations::emulator(emulator),
            stand_ins: Vec::new(),
            identity: Identity::chain(),
            ledger: Ledger::open(None)?,
            summary: None,
            marked: true,
            warnings: Vec::new(),
        })
    }
}

/// The proxy on the way out: the one that is given, or the environment's.
fn via(given: Option<&str>, roots: &Roots) -> Result<Option<Via>> {
    let value = |name: &str| std::env::var(name).ok();
    if let Some(url) = given {
        let exceptions = value("NO_PROXY").or_else(|| value("no_proxy")).unwrap_or_default();
        return Ok(Some(Via::parse(url, roots.clone()).context("--via")?.except(&exceptions)));
    }
    // It may be meant for others, who take more kinds of proxies.
    Ok(Via::from_environment(value, roots.clone()).unwrap_or_else(|e| {
        tracing::warn!(
            "HTTPS_PROXY of Squall's environment is left out, as it names no proxy that Squall can use: {e}"
        );
        None
    }))
}

/// What all `--upstream` flags come to.
fn destinations(upstreams: &[Upstreamed]) -> Result<Destinations> {
    let mut destinations = Destinations::default();
    for (at, upstream) in upstreams.iter().enumerate() {
        if upstreams.iter().take(at).any(|other| other.service == upstream.service) {
            let what = upstream.service.map_or("everything", |service| service.name);
            bail!("--upstream says twice where {what} goes; say it once");
        }
        if let Place::At(destination) = &upstream.place {
            destinations.add(upstream.service, destination.clone());
        }
    }
    Ok(destinations)
}

fn stand_ins(upstreams: &[Upstreamed]) -> Vec<&'static Service> {
    let of = |upstream: &Upstreamed| upstream.service.filter(|_| matches!(upstream.place, Place::StandIn));
    upstreams.iter().filter_map(of).collect()
}

/// The names a new authority may speak for: AWS's, this machine's own, and what the user listed.
pub fn permitted(intercept: &[String]) -> Permitted {
    let mut permitted = Permitted::with_loopback(partition::dns_suffixes().iter().copied());
    for host in intercept {
        permitted.add(host);
    }
    permitted
}

fn authority(args: &ProxyArgs, keep: Keep) -> Result<(CertificateAuthority, Option<PathBuf>)> {
    if args.ca_cert.is_some() != args.ca_key.is_some() {
        bail!("an authority of your own is a certificate and its key: give both --ca-cert and --ca-key");
    }
    if let (Some(certificate), Some(key)) = (&args.ca_cert, &args.ca_key) {
        return Ok((CertificateAuthority::from_files(certificate, key)?, None));
    }
    let permitted = permitted(&args.intercept);
    let dir = match (&args.ca_dir, keep) {
        (Some(dir), _) => dir.clone(),
        (None, Keep::InMemory) => return Ok((CertificateAuthority::create(permitted)?, None)),
        (None, Keep::OnDisk) => data_dir()?.join("ca"),
    };
    Ok((CertificateAuthority::open(&dir, permitted)?, Some(dir)))
}

/// Where this user's data is kept.
pub fn data_dir() -> Result<PathBuf> {
    match directories::ProjectDirs::from("", "", "squall") {
        Some(dirs) => Ok(dirs.data_dir().to_owned()),
        None => bail!("there is no home directory to keep the certificate authority in; say where with --ca-dir DIR"),
    }
}

/// The plan these profiles make, their texts, and what is doubtful in them, ready to be shown.
pub fn load_plan(profiles: &[String], seed: Option<u64>) -> Result<(Plan, Vec<Source>, Vec<String>)> {
    let colour = std::io::stderr().is_terminal();
    let sources = load::read(profiles).map_err(|e| anyhow!(e.render(colour)))?;
    let loaded = load::load(&sources, seed).map_err(|e| anyhow!(e.render(colour)))?;
    let warnings = loaded.warnings.iter().map(|warning| warning.render(colour)).collect();
    Ok((loaded.plan, sources, warnings))
}

/// Where Squall listens if nothing else is said.
pub const DEFAULT_PORT: u16 = 4577;
