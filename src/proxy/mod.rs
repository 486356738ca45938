//! The request path: from an accepted connection to a closed ledger entry.
//!
//! [`connection`] takes a connection up to HTTP, [`handle`] carries one exchange through, [`inject`] is the only place where trouble
//! is made (but for connections of which nothing is read, which are [`tcp`]'s), and [`exchange`] keeps what happened until it can be recorded. [`route`] and [`destination`] say where a request goes. Which service is which is none of this module's business.

mod ahead;
pub mod approach;
mod batch;
mod carry;
pub mod connection;
mod corrupt;
pub mod destination;
pub mod exchange;
mod expiration;
mod forward;
pub mod handle;
pub mod identity;
pub mod inject;
mod interrupt;
mod links;
pub mod own;
mod past;
pub mod patience;
mod resign;
pub mod route;
pub mod tcp;
mod transparent;
pub mod unread;
pub mod upgrade;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::destination::Destinations;
use self::identity::Identity;
use self::tcp::ports::{PortTaken, Ports};
use crate::aws::{host, link_local, partition};
use crate::ledger::{Connections, Ledger};
use crate::net::authority::CertificateAuthority;
use crate::net::limits::Limits;
use crate::net::name::{HostName, Permitted};
use crate::net::seldom::Seldom;
use crate::net::upstream::Upstream;
use crate::profile::{Live, Plan};

/// Everything the request path needs, shared by all connections.
pub struct Proxy {
    /// Speaks TLS for the names we terminate.
    pub authority: CertificateAuthority,
    /// The way to far ends.
    pub upstream: Upstream,
    /// Where what is for AWS is sent instead, if anywhere.
    pub destinations: Destinations,
    /// Whom we sign as where a host had to change.
    pub identity: Identity,
    /// Hosts beside AWS's whose TLS is terminated.
    pub intercept: Permitted,
    /// The addresses we listen on: a request to one of them is for the endpoint.
    pub listening: Vec<SocketAddr>,
    /// What should happen when, and how far its rules have come.
    pub live: Live,
    /// What happened.
    pub ledger: Ledger,
    /// Whether injected answers carry `x-squall-fault`.
    pub marked: bool,
    /// Whether everything passes, whatever the plan says: the panic button.
    pub passing: AtomicBool,
    /// Tells open TCP connections that something else may hold now.
    pub changes: watch::Sender<()>,
    /// The ports of `tcp:` entries.
    pub ports: Ports,
    /// Signs of life that are not exchanges.
    pub sightings: Sightings,
    /// Calls that were asked to wait.
    pub patience: patience::Patience,
    /// Bounds on connections.
    pub limits: Limits,
    /// Live connections and tunnels.
    pub tasks: TaskTracker,
    /// Exchanges under way.
    pub exchanges: TaskTracker,
    /// Tells connections to finish what they are at and close.
    pub stop: CancellationToken,
    /// Tells them that they have had time enough.
    pub cut: CancellationToken,
}

/// What was seen beside exchanges: it explains a run in which no AWS request came.
#[derive(Debug, Default)]
pub struct Sightings {
    /// CONNECT requests.
    pub connects: AtomicU64,
    /// Connections copied through undecrypted.
    pub tunnels: AtomicU64,
    /// TLS handshakes that clients broke off: most likely they do not trust the certificate authority.
    pub refused_handshakes: AtomicU64,
    /// Connections that rules ended before their first request.
    pub ended: AtomicU64,
}

impl Proxy {
    /// Whether what is said to this host is looked into: it serves AWS's API, hands out credentials on this machine, or the user listed it.
    pub fn intercepts(&self, host: &str) -> bool {
        partition::is_api_host(host) || link_local::is_host(host) || self.intercept.allows(&HostName::parse(host))
    }

    /// Runs what a connection or tunnel does until it ends, or is cut.
    pub fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let mut cut = Seldom::new(self.cut.clone().cancelled_owned());
        // Each future around another has room for it twice: as what it is given, and as what it waits for.
        let mut connection = Box::pin(connection);
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = &mut cut => {}
                () = &mut connection => {}
            }
        });
    }

    /// Whether the panic button is pressed: everything passes, whatever the plan says.
    pub fn lets_all_pass(&self) -> bool {
        self.passing.load(Ordering::Relaxed)
    }

    /// Lets everything pass, or no longer. Whether it does now.
    pub fn press_panic_button(&self) -> bool {
        let passes = !self.passing.fetch_not(Ordering::Relaxed);
        self.changes.send_replace(());
        passes
    }

    /// Opens the ports of the plan's `tcp:` entries. Inside a tokio runtime.
    pub fn open_ports(self: &Arc<Self>) -> Result<(), PortTaken> {
        self.ports.make_room(self, &self.live.load().plan)
    }

    /// Puts another plan in the place of the one that rules, with the ports that it asks for. Inside a tokio runtime.
    pub fn replace(self: &Arc<Self>, plan: Plan) -> Result<(), PortTaken> {
        self.ports.make_room(self, &plan)?;
        self.live.replace(plan);
        self.ports.settle(&self.live.load().plan);
        self.changes.send_replace(());
        Ok(())
    }

    /// The plan goes live only now; see [`Live::begin`].
    pub fn begin(&self) {
        self.live.begin();
        self.changes.send_replace(());
    }

    /// Whether this target is one of our own listeners.
    pub fn is_self(&self, host: &str, port: u16) -> bool {
        match HostName::parse(host) {
            HostName::Ip(ip) => self.listens_at((ip, port).into()),
            HostName::Dns(name) => {
                let here = |ip: IpAddr| is_loopback(ip) || ip.is_unspecified();
                host::is_local(&name)
                    && self.listening.iter().any(|address| address.port() == port && here(address.ip()))
            }
        }
    }

    /// Whether one of our own listeners is there.
    pub fn listens_at(&self, place: SocketAddr) -> bool {
        let here = |ip: IpAddr| ip == place.ip() || (ip.is_unspecified() && is_loopback(place.ip()));
        self.listening.iter().any(|address| address.port() == place.port() && here(address.ip()))
    }
}

impl Sightings {
    /// One more.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts so far.
    pub fn counts(&self) -> Connections {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Connections {
            connects: count(&self.connects),
            tunnels: count(&self.tunnels),
            refused_handshakes: count(&self.refused_handshakes),
            ended: count(&self.ended),
        }
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
