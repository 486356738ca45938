//! Starting a proxy from its settings, and ending it: what `run`, `serve` and `demo` have in common.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{descriptors, stand_in, told};
use crate::aws::catalog::Service;
use crate::aws::request::AccessKeyId;
use crate::clock;
use crate::ledger::{RuleLine, Run};
use crate::net::listen::{Arrival, Door, Listener, Meant};
use crate::net::target::{Scheme, Target};
use crate::profile::Live;
use crate::profile::plan::Rule;
use crate::proxy::destination::Destination;
use crate::proxy::tcp::ports::Ports;
use crate::proxy::{Proxy, connection};
use crate::settings::{DEFAULT_PORT, Listen, Settings};

/// A proxy that accepts connections.
pub struct Running {
    proxy: Arc<Proxy>,
    accepting: Vec<JoinHandle<()>>,
    /// At how many of its addresses clients that name them are served: the first ones.
    direct: usize,
    /// For client connections.
    room: Arc<Semaphore>,
    started: Instant,
    summary: Option<PathBuf>,
    stand_ins: Vec<&'static Service>,
}

impl Running {
    /// Binds and starts accepting. Inside a tokio runtime.
    pub fn start(settings: Settings) -> Result<Self> {
        let mut listeners = bind(&settings.listen)?;
        listeners.sort_by_key(|listener| !listener.is_direct());
        let direct = listeners.iter().filter(|listener| listener.is_direct()).count();
        let listening: Vec<_> = listeners.iter().map(Listener::address).collect();
        for address in listening.iter().filter(|address| !address.ip().to_canonical().is_loopback()) {
            let how =
                if settings.destinations.reach_real_aws() { ", and act with Squall's own credentials" } else { "" };
            tracing::warn!("{address} can be reached from other machines: whoever reaches it can use this proxy{how}");
        }
        let mut destinations = settings.destinations;
        if !settings.stand_ins.is_empty() {
            let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
            let address = stand_in::start(settings.plan.seed(), region.filter(|region| !region.is_empty()))
                .context("cannot start the stand-in for credentials")?;
            let target = Arc::new(Target::new(Scheme::Http, &address.ip().to_string(), address.port()));
            for service in &settings.stand_ins {
                destinations.add(Some(service), Destination::Emulator(Arc::clone(&target)));
            }
        }
        let proxy = Arc::new(Proxy {
            authority: settings.authority,
            upstream: settings.upstream,
            destinations,
            identity: settings.identity,
            intercept: settings.intercept,
            listening,
            limits: settings.limits,
            live: Live::new(settings.plan),
            ledger: settings.ledger,
            marked: settings.marked,
            passing: AtomicBool::new(false),
            changes: watch::Sender::new(()),
            ports: Ports::default(),
            sightings: crate::proxy::Sightings::default(),
            patience: crate::proxy::patience::Patience::default(),
            tasks: TaskTracker::new(),
            exchanges: TaskTracker::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
        });
        if proxy.destinations.need_tls() {
            let proxy = Arc::clone(&proxy);
            tokio::spawn(async move { proxy.upstream.warm().await });
        }
        let room = Arc::new(Semaphore::new(proxy.limits.connections));
        proxy.ports.share(Arc::clone(&room));
        proxy.open_ports()?;
        let (summary, stand_ins) = (settings.summary, settings.stand_ins);
        let mut running =
            Self { proxy, accepting: Vec::new(), direct, room, started: clock::now(), summary, stand_ins };
        listeners.into_iter().for_each(|listener| running.accept_from(listener));
        Ok(running)
    }

    /// Accepts connections from this listener too.
    pub fn accept_from(&mut self, listener: Listener) {
        self.accept_what(listener, Some);
    }

    /// The same of a listener some of whose connections are not the proxy's: `admit` keeps those, or says more of the others.
    pub fn accept_what(&mut self, listener: Listener, admit: impl FnMut(Arrival) -> Option<Arrival> + Send + 'static) {
        let accepting = accept(Arc::clone(&self.proxy), listener, Arc::clone(&self.room), admit);
        self.accepting.push(tokio::spawn(accepting));
    }

    /// Where it listens; never empty. Where clients that name the address are served, comes first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.proxy.listening
    }

    /// Where it listens for clients that name the address.
    pub fn direct(&self) -> &[SocketAddr] {
        &self.addresses()[..self.direct]
    }

    /// The shared state.
    pub fn proxy(&self) -> &Arc<Proxy> {
        &self.proxy
    }

    /// What Squall itself stands in for.
    pub fn stand_ins(&self) -> &[&'static Service] {
        &self.stand_ins
    }

    /// The proxy's URL, as HTTPS_PROXY and AWS_ENDPOINT_URL take it. A wildcard address is reached through loopback.
    pub fn url(&self) -> String {
        let address = self.addresses().first().copied().unwrap_or(DEFAULT_V4);
        let reachable = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
            IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
            _ => address,
        };
        format!("http://{reachable}")
    }

    /// From now on SIGUSR1 makes everything pass, and the next lets faults come again.
    pub fn obey_panic_button(&self) -> Result<()> {
        let mut pressed = signal(SignalKind::user_defined1())?;
        let proxy = Arc::clone(&self.proxy);
        tokio::spawn(async move {
            while pressed.recv().await.is_some() {
                told::line(if proxy.press_panic_button() { PASSING } else { NOT_PASSING });
            }
        });
        Ok(())
    }

    /// Says as whom requests will be signed anew, if any may have to be.
    pub fn tell_identity(&self) {
        if !self.proxy.destinations.reach_real_aws() {
            return;
        }
        let proxy = Arc::clone(&self.proxy);
        tokio::spawn(async move {
            match proxy.identity.credentials().await {
                Ok(credentials) => {
                    let key = AccessKeyId(credentials.access_key_id().into());
                    told::line(&format!("what comes to the endpoint is signed anew with {key:?}"));
                }
                Err(e) => told::line(&e.to_string()),
            }
        });
    }

    /// Makes sure that what rules rewrite can be signed anew where it goes to AWS itself.
    pub async fn can_sign_what_it_rewrites(&self) -> Result<()> {
        let destinations = &self.proxy.destinations;
        let ruling = self.proxy.live.load();
        let rewrites = |rule: &&Rule| rule.faults().iter().any(|fault| fault.rewrites());
        let Some(rule) = ruling.plan.rules().iter().find(rewrites) else { return Ok(()) };
        if !destinations.is_empty() && !destinations.reach_real_aws() {
            return Ok(());
        }
        let credentials = self.proxy.identity.credentials().await.with_context(|| {
            format!(
                "rule `{}` rewrites requests, which must be signed anew for real AWS; name an emulator with --upstream \
                 http://HOST:PORT if that is where they should go",
                rule.name()
            )
        })?;
        let key = AccessKeyId(credentials.access_key_id().into());
        told::line(&format!("what rules rewrite is signed anew with {key:?}"));
        Ok(())
    }

    /// Stops accepting, lets exchanges end for a while, and gives the shared state back for the report.
    pub async fn finish(self) -> Finished {
        for accepting in self.accepting {
            accepting.abort();
            // Its socket goes with it: whoever is told of the end must not find the door open.
            let _aborted = accepting.await;
        }
        self.proxy.ports.close();
        self.proxy.stop.cancel();
        self.proxy.tasks.close();
        self.proxy.exchanges.close();
        let patience = self.proxy.limits.drain;
        // A stream of HTTP/2 may end a little later than its connection.
        let ending = async { tokio::join!(self.proxy.tasks.wait(), self.proxy.exchanges.wait()) };
        if tokio::time::timeout(patience, ending).await.is_err() {
            tracing::warn!("{} connections were still open after {patience:?} and are cut", self.proxy.tasks.len());
            self.proxy.cut.cancel();
            // What was under way on them is recorded as it is dropped, some of it by tasks of hyper's own.
            let _late = tokio::time::timeout(CUTTING, self.proxy.exchanges.wait()).await;
        }
        let ran = clock::now().duration_since(self.started);
        Finished { proxy: self.proxy, ran, summary: self.summary }
    }
}

/// A proxy that has ended, and what it knows.
pub struct Finished {
    /// The shared state.
    pub proxy: Arc<Proxy>,
    /// How long it ran.
    pub ran: Duration,
    /// Where the summary goes.
    pub summary: Option<PathBuf>,
}

impl Finished {
    /// What the run was, as reports tell it.
    pub fn run(&self) -> Run {
        let ruling = self.proxy.live.load();
        let plan = &ruling.plan;
        let rules = ruling.tallies().into_iter().map(|tally| RuleLine {
            name: tally.rule.to_string(),
            matched: tally.matched,
            fired: tally.fired,
            why_never: tally.why_never(),
            remarks: tally.remarks(),
            items: None,
        });
        Run {
            seed: plan.seed(),
            profiles: plan.profiles().to_vec(),
            upstream: upstream_in_words(&self.proxy),
            duration: self.ran,
            rules: rules.collect(),
            connections: self.proxy.sightings.counts(),
        }
    }
}

/// Where requests go, as a person would say it.
pub fn upstream_in_words(proxy: &Proxy) -> String {
    proxy.destinations.to_string()
}

/// The runtime everything asynchronous lives in, in a process that may hold many connections.
pub fn runtime() -> io::Result<Runtime> {
    descriptors::raise();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

async fn accept(
    proxy: Arc<Proxy>,
    listener: Listener,
    room: Arc<Semaphore>,
    mut admit: impl FnMut(Arrival) -> Option<Arrival>,
) {
    let mut told = false;
    loop {
        let Some(mut arrival) = admit(listener.accept().await) else { continue };
        if room.available_permits() == 0 && !std::mem::replace(&mut told, true) {
            let most = proxy.limits.connections;
            tracing::warn!(
                "{most} client connections are open; more wait until one of them ends: see --max-connections"
            );
        }
        // An error means that it was closed, which it never is.
        arrival.place = Arc::clone(&room).acquire_owned().await.ok();
        proxy.spawn(connection::serve(Arc::clone(&proxy), arrival));
    }
}

fn bind(listen: &Listen) -> Result<Vec<Listener>> {
    match listen {
        Listen::Exactly(doors) => doors.iter().map(|door| bind_one(*door)).collect(),
        Listen::Default { or_free_port } => bind_default(*or_free_port),
    }
}

fn bind_default(or_free_port: bool) -> Result<Vec<Listener>> {
    let v4 = match Listener::bind(DEFAULT_V4) {
        Err(e) if or_free_port && e.kind() == io::ErrorKind::AddrInUse => bind_one(FREE_V4.into())?,
        bound => bound.with_context(|| cannot_listen(DEFAULT_V4.into()))?,
    };
    let v6 = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), v4.address().port());
    // A machine without IPv6, or a port taken there by somebody else: clients that use the default come over IPv4 just as well.
    let v6 = Listener::bind(v6).inspect_err(|e| tracing::info!("not listening on {v6}: {e}")).ok();
    Ok([Some(v4), v6].into_iter().flatten().collect())
}

fn bind_one(door: Door) -> Result<Listener> {
    Listener::open(door).map_err(|e| {
        let is_refused = door.meant == Meant::OurEnd && e.kind() == io::ErrorKind::PermissionDenied;
        let what = if is_refused { NOT_TRANSPARENT.to_owned() } else { cannot_listen(door) };
        anyhow::Error::from(e).context(what)
    })
}

fn cannot_listen(door: Door) -> String {
    format!("cannot listen on {door}; choose another address with --listen (port 0 takes any free one)")
}

/// For what is cut to be dropped: no time at all, unless the machine is very busy.
const CUTTING: Duration = Duration::from_secs(2);
const NOT_TRANSPARENT: &str = "--listen tproxy: needs the capability CAP_NET_ADMIN for a transparent socket; `transparent:` with REDIRECT rules needs none";
const DEFAULT_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT);
const FREE_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const PASSING: &str =
    "PANIC BUTTON: NOTHING IS INJECTED from now on, everything passes; SIGUSR1 again lets faults come as before";
const NOT_PASSING: &str = "PANIC BUTTON RELEASED: FAULTS ARE INJECTED AGAIN";
