//! A Squall of the test's own, in this process, on a free port.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use rustls::pki_types::CertificateDer;
use squall::aws::catalog;
use squall::command::launch::{Finished, Running};
use squall::ledger::Ledger;
use squall::net::authority::CertificateAuthority;
use squall::net::connect::Roots;
use squall::net::dial::{Dialer, Resolve};
use squall::net::limits::Limits;
use squall::net::listen::{Listener, Meant};
use squall::net::target::{Scheme, Target};
use squall::net::upstream::Upstream;
use squall::net::via::Via;
use squall::profile::load::{self, Source};
use squall::proxy::destination::{Destination, Destinations};
use squall::proxy::identity::Identity;
use squall::settings::{Listen, Settings, permitted};

use super::http2::Http2Upstream;
use super::upstream;

/// Settings under way.
pub(crate) struct Setup {
    settings: Settings,
}

/// A running Squall.
pub(crate) struct Squall {
    running: Running,
    pub(crate) address: SocketAddr,
    pub(crate) trust_anchor: String,
}

/// Without any trouble.
pub(crate) fn calm() -> Setup {
    profile("name: calm\nrules: []\n")
}

/// With this profile.
pub(crate) fn profile(text: &str) -> Setup {
    let source = Source { name: "test.yaml".to_owned(), text: text.to_owned() };
    let plan = load::load(&[source], Some(7)).unwrap().plan;
    let nowhere = Target::new(Scheme::Http, "127.0.0.1", 9);
    let settings = Settings::for_emulator(plan, nowhere, Vec::new()).unwrap();
    let settings = Settings { destinations: Destinations::default(), ..settings };
    Setup { settings }
}

impl Setup {
    /// Everything for AWS, and all endpoint requests, go to this upstream.
    pub(crate) fn toward(mut self, upstream: &upstream::Upstream) -> Self {
        self.settings.upstream = Upstream::new(Dialer::default(), Roots::Only(upstream.root()));
        self.settings.destinations = Destinations::emulator(upstream.target());
        self
    }

    /// The same, for one that speaks HTTP/2.
    pub(crate) fn toward_http2(mut self, upstream: &Http2Upstream) -> Self {
        self.settings.upstream = Upstream::new(Dialer::default(), Roots::Only(upstream.root()));
        self.settings.destinations = Destinations::emulator(upstream.target());
        self
    }

    /// The same, for an upstream that nobody may be listening at.
    pub(crate) fn toward_target(mut self, target: Target) -> Self {
        self.settings.destinations = Destinations::emulator(target);
        self
    }

    /// The same, for one that takes too long: it is given up after `patience`.
    pub(crate) fn toward_silent(mut self, target: Target, patience: Duration) -> Self {
        self.settings.upstream = Upstream::new(Dialer::default().within(patience), Roots::Only(Vec::new()));
        self.toward_target(target)
    }

    /// This service's requests go to this upstream, all others where they went before.
    pub(crate) fn sending(mut self, service: &str, upstream: &upstream::Upstream) -> Self {
        let service = catalog::service(service).unwrap();
        self.settings.destinations.add(Some(service), Destination::Emulator(Arc::new(upstream.target())));
        self
    }

    /// What comes to the endpoint is sent on to AWS, all of whose hosts are this upstream, signed with these credentials.
    pub(crate) fn in_front_of_aws(self, upstream: &upstream::Upstream, credentials: Credentials) -> Self {
        self.in_front_of_aws_at(upstream.address, upstream.root(), credentials)
    }

    /// The same, where all of AWS is at this address.
    pub(crate) fn in_front_of_aws_at(
        mut self,
        address: SocketAddr,
        root: Vec<CertificateDer<'static>>,
        credentials: Credentials,
    ) -> Self {
        let resolve = format!("*:443:{address}").parse().unwrap();
        self.settings.upstream = Upstream::new(Dialer::new([resolve]), Roots::Only(root));
        self.settings.destinations = Destinations::real_aws();
        self.settings.identity = Identity::fixed(credentials, Some("eu-west-1".to_owned()));
        self
    }

    /// Through this proxy, whose tunnels lead to this far end.
    pub(crate) fn via(mut self, via: Via, far: &upstream::Upstream) -> Self {
        self.settings.upstream = Upstream::new(Dialer::default().through(Some(via)), Roots::Only(far.root()));
        self
    }

    /// AWS's own hosts are at this upstream's address (on its port).
    pub(crate) fn resolving_to(mut self, upstream: &upstream::Upstream, host: &str) -> Self {
        let resolve = format!("{host}:{}:{}", upstream.address.port(), upstream.address.ip()).parse().unwrap();
        self.settings.upstream = Upstream::new(Dialer::new([resolve]), Roots::Only(upstream.root()));
        self
    }

    /// All hosts are at this address, whatever its port.
    pub(crate) fn all_at(mut self, address: SocketAddr, root: Vec<CertificateDer<'static>>) -> Self {
        let resolve = format!("*:{}:{}", address.port(), address.ip()).parse().unwrap();
        self.settings.upstream = Upstream::new(Dialer::new([resolve]), Roots::Only(root));
        self
    }

    /// With TLS terminated for this host too.
    pub(crate) fn intercepting(mut self, host: &str) -> Self {
        self.settings.intercept.add(host);
        self.settings.authority = CertificateAuthority::create(permitted(&[host.to_owned()])).unwrap();
        self
    }

    /// These hosts are at these addresses.
    pub(crate) fn resolving(mut self, resolve: impl IntoIterator<Item = Resolve>) -> Self {
        self.settings.upstream = Upstream::new(Dialer::new(resolve), Roots::Only(Vec::new()));
        self
    }

    /// Within these bounds.
    pub(crate) fn within(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Without `x-squall-fault`.
    pub(crate) fn unmarked(mut self) -> Self {
        self.settings.marked = false;
        self
    }

    /// With its exchanges in this file.
    pub(crate) fn keeping(mut self, ledger: &Path) -> Self {
        self.settings.ledger = Ledger::open(Some(ledger)).unwrap();
        self
    }

    /// On this port instead of any free one.
    pub(crate) fn listen_on(mut self, port: u16) -> Self {
        self.settings.listen = Listen::Exactly(vec![SocketAddr::from(([127, 0, 0, 1], port)).into()]);
        self
    }

    /// Listens.
    pub(crate) fn run(self) -> Squall {
        let trust_anchor = self.settings.authority.trust_anchor().to_owned();
        let running = Running::start(self.settings).unwrap();
        Squall { address: running.addresses()[0], running, trust_anchor }
    }
}

impl Squall {
    /// Takes connections on this port of another loopback address, whatever address they are meant for, as from a transparent socket.
    pub(crate) fn leading(mut self, port: u16) -> (Self, SocketAddr) {
        let socket = std::net::TcpListener::bind(("127.0.0.77", port)).unwrap();
        let address = socket.local_addr().unwrap();
        self.running.accept_from(Listener::from_std(socket, Meant::OurEnd).unwrap());
        (self, address)
    }

    pub(crate) fn proxy(&self) -> &Arc<squall::proxy::Proxy> {
        self.running.proxy()
    }

    /// Where the `tcp:` entry of this name listens.
    pub(crate) fn tcp(&self, name: &str) -> SocketAddr {
        let ruling = self.proxy().live.load();
        let entry = ruling.plan.tcp().iter().find(|entry| entry.name == name).unwrap();
        self.proxy().ports.address(entry).unwrap()
    }

    /// Ends it; what it knows can then be asked.
    pub(crate) async fn finish(self) -> Finished {
        self.running.finish().await
    }
}
