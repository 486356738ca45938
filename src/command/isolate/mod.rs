//! `squall run --isolate`: from a program that is to be isolated to one whose connections arrive here.
//!
//! [`Isolation::prepare`] stages what the program's process needs before it is started, [`Isolation::take_over`] receives its sockets and lets it go.
//! From then on [`Isolated`] answers its names and keeps its rules true, for as long as it is held.

mod rules;
mod staging;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use compact_str::{CompactString, ToCompactString as _};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use self::rules::Rules;
use self::staging::Staging;
use super::child::Child;
use super::hints::Inherited;
use super::launch::Running;
use super::trust::Trust;
use crate::aws::partition;
use crate::isolate::DNS_PORT;
use crate::isolate::dns::host::Machine;
use crate::isolate::dns::names::Names;
use crate::isolate::dns::{Known, Resolver, serve};
use crate::isolate::enter::{CONTROL, LAYOUT};
use crate::isolate::failure::Allowed;
use crate::isolate::handover::{self, Sockets, Told};
use crate::isolate::host::{self, Loopback};
use crate::net::listen::{Arrival, Listener, Meant};
use crate::net::target::{Scheme, Target};
use crate::proxy::Proxy;

/// A program that is about to be started.
#[derive(Debug)]
pub struct Isolation {
    dir: TempDir,
    control: UnixListener,
    staging: Staging,
}

/// A program that runs isolated.
#[derive(Debug)]
pub struct Isolated {
    /// Where its certificates are, if nothing of the system's could be put over.
    _dir: Option<TempDir>,
    _tasks: JoinSet<()>,
    rules: Arc<Mutex<Rules>>,
}

impl Isolation {
    /// Stages files in `dir`. `write` makes the files of [`Trust`] in the directory it is given.
    pub fn prepare(
        dir: TempDir,
        trust_anchor: &str,
        inherited: &Inherited,
        program: Option<&Path>,
        write: impl Fn(&Path) -> Result<Trust>,
    ) -> Result<Self> {
        let control = UnixListener::bind(dir.path().join(CONTROL)).context("cannot make a socket for the program")?;
        let staging = Staging::prepare(dir.path(), trust_anchor, inherited, program, write)?;
        let layout = serde_json::to_vec(&staging.layout)?;
        fs::write(dir.path().join(LAYOUT), layout).context("cannot write what the program needs")?;
        Ok(Self { dir, control, staging })
    }

    /// Where its process finds what it needs.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Whom the program is to trust.
    pub fn trust(&self) -> &Trust {
        &self.staging.trust
    }

    /// Whether the system's JVMs trust us without being told.
    pub fn java_trusts_us(&self) -> bool {
        self.staging.java
    }

    /// Waits until the program's process has isolated itself, accepts what arrives there from now on, and lets it go.
    pub async fn take_over(self, running: &mut Running, child: &mut Child) -> Result<Isolated> {
        let (mut squall, sockets) = self.received_from(child).await?;
        let (tasks, rules) = serve_sockets(running, sockets).context("cannot serve the isolated program")?;
        // The time of profiles begins with the program.
        running.proxy().begin();
        let is_mounted = !self.staging.trust.own.starts_with(self.dir.path());
        let dir = if is_mounted { self.dir.close().map(|()| None)? } else { Some(self.dir) };
        squall.write_all(b"g").await.context("the program's process is not reached")?;
        Ok(Isolated { _dir: dir, _tasks: tasks, rules })
    }

    /// What its process hands over. One that has ended may have said why.
    async fn received_from(&self, child: &mut Child) -> Result<(UnixStream, Sockets)> {
        let mut receiving = Box::pin(self.receive());
        let status = tokio::select! {
            biased;
            received = &mut receiving => return received,
            status = child.ended() => status?,
        };
        match tokio::time::timeout(LAST_WORDS, receiving).await {
            Ok(received) => received,
            Err(_) => bail!("the program's process ended before it was isolated: {status}"),
        }
    }

    async fn receive(&self) -> Result<(UnixStream, Sockets)> {
        let (stream, _) = self.control.accept().await?;
        let peer = stream.peer_cred()?;
        if peer.uid() != rustix::process::geteuid().as_raw() {
            bail!("another user's process came in the place of the program");
        }
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let received = tokio::task::spawn_blocking(move || handover::receive(&stream).map(|told| (stream, told)));
        let (stream, told) = received.await?.context("the program's process did not isolate itself")?;
        match told {
            Told::Failed(failure) => bail!("the program cannot be isolated: {}", failure.explain(&Allowed::here())),
            Told::Ready(sockets) => {
                stream.set_nonblocking(true)?;
                Ok((UnixStream::from_std(stream)?, sockets))
            }
        }
    }
}

impl Isolated {
    /// The program has ended: what is not told yet is told now.
    pub fn end(self) {
        if let Err(e) = locked(&self.rules).count_refused() {
            tracing::warn!("the last connections that were refused are not in the report: {e}");
        }
    }
}

fn serve_sockets(running: &mut Running, sockets: Sockets) -> Result<(JoinSet<()>, Arc<Mutex<Rules>>)> {
    let proxy = Arc::clone(running.proxy());
    let own = host::own_addresses()?;
    host::tell_own(&sockets.rules, &own)?;
    let rules = Arc::new(Mutex::new(Rules::new(sockets.rules, Loopback::new()?, Arc::clone(&proxy))));
    locked(&rules).refresh()?;
    let names = Arc::new(Names::default());
    let known = Surroundings { proxy: Arc::clone(&proxy), rules: Arc::clone(&rules) };
    let resolver = Arc::new(Resolver { names: Arc::clone(&names), known: Box::new(known), machine: Machine::new(own) });
    for listener in [Some(sockets.tcp4), sockets.tcp6].into_iter().flatten() {
        let listener = Listener::from_std(listener, Meant::OurEnd)?;
        let door = Door { proxy: Arc::clone(&proxy), names: Arc::clone(&names), resolver: Arc::clone(&resolver) };
        running.accept_what(listener, move |arrival| door.admit(arrival));
    }
    let mut tasks = JoinSet::new();
    tasks.spawn(keep_true(Arc::clone(&rules)));
    tasks.spawn(async move {
        if let Err(e) = serve::datagrams(resolver, sockets.dns).await {
            tracing::warn!("names of the isolated program are no longer resolved: {e}");
        }
    });
    Ok((tasks, rules))
}

/// What resolvers of names should know of.
struct Surroundings {
    proxy: Arc<Proxy>,
    rules: Arc<Mutex<Rules>>,
}

impl Known for Surroundings {
    /// AWS's names are, and so are those whose address nobody here looks up.
    fn exists(&self, name: &str) -> bool {
        let dialer = self.proxy.upstream.dialer();
        let target = Target::new(Scheme::Https, name, Scheme::Https.default_port());
        // What a proxy on the way out reaches, it resolves; a name without a dot is of a network of ours.
        let is_far = || dialer.via().is_some_and(|via| via.serves(&target)) && name.contains('.');
        partition::is_api_host(name) || dialer.resolves(name) || is_far()
    }

    fn is_given(&self, name: &str, address: Ipv4Addr) {
        if let Err(e) = locked(&self.rules).add_host(name, address) {
            tracing::warn!("{name} cannot be refused outright: {e}");
        }
    }
}

async fn keep_true(rules: Arc<Mutex<Rules>>) {
    let mut told = false;
    loop {
        tokio::time::sleep(host::REFRESH).await;
        if let Err(e) = locked(&rules).refresh()
            && !std::mem::replace(&mut told, true)
        {
            tracing::warn!("the isolated program may not find servers that start on this machine: {e}");
        }
    }
}

fn locked(rules: &Mutex<Rules>) -> MutexGuard<'_, Rules> {
    rules.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the program's connections come in.
struct Door {
    proxy: Arc<Proxy>,
    names: Arc<Names>,
    resolver: Arc<Resolver>,
}

impl Door {
    /// Gives a connection the name of where it goes; those to a name server are answered here.
    fn admit(&self, mut arrival: Arrival) -> Option<Arrival> {
        let to = arrival.local;
        if to.port() == DNS_PORT {
            let resolver = Arc::clone(&self.resolver);
            self.proxy.tasks.spawn(async move {
                if let Err(e) = serve::connection(resolver, arrival.stream).await {
                    tracing::debug!("a question for a name over TCP broke off: {e}");
                }
            });
            return None;
        }
        let name = self.name(to.ip());
        if self.is_endpoint(name.as_deref(), to) {
            arrival.original = None;
        }
        (arrival.name, arrival.apart) = (name, true);
        Some(arrival)
    }

    /// Its name; on this machine's loopback the address itself, since nothing there can be AWS's.
    fn name(&self, ip: IpAddr) -> Option<CompactString> {
        let ip = ip.to_canonical();
        let named = self.names.name(ip).map(|name| CompactString::from(&*name));
        named.or_else(|| ip.is_loopback().then(|| ip.to_compact_string()))
    }

    /// Whether it means Squall itself, or an emulator that stands in for AWS: that is an endpoint, by whatever address.
    fn is_endpoint(&self, name: Option<&str>, to: SocketAddr) -> bool {
        let host = name.map_or_else(|| to.ip().to_canonical().to_compact_string(), CompactString::from);
        self.proxy.is_self(&host, to.port()) || self.proxy.destinations.include(&host, to.port())
    }
}

/// For a process that is at it to say what came of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// For what a process that has ended has said to arrive.
const LAST_WORDS: Duration = Duration::from_millis(500);
